"""How a job is measured: its peers alternate, in random order, for several rounds; medians are reported."""

import json
import os
import random
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass, field

from .job import BadOutput
from .peers import PEERS, BuildError, Unavailable, stopwatch

QUICK_SECONDS = 54  # for one job, of the minute that is promised
QUICK_ROUNDS = 3
QUICK_REPEAT_BELOW = 20  # seconds: --quick runs another round only if all are done by then
FULL_LIMIT = 1800
WARM_BYTES = 256 << 20  # touched before the first programs of a job; then as much as the largest of them had


class Failed(Exception):
    """A child crashed or printed nonsense; the text is for the user."""


class TimedOut(Exception):
    pass


@dataclass
class Outcome:
    """What a job gave: {workload: {metric: {peer: median}}}, and the rounds that went into it."""

    values: dict = field(default_factory=dict)
    rounds: int = 0
    disturbance: float = 0.0  # share of the processors that others used just before
    problems: list = field(default_factory=list)
    left_out: dict = field(default_factory=dict)  # peer: why
    # Of the round whose longest operation is the median:
    distributions: dict = field(default_factory=dict)  # peer: [(share of the operations, us)]
    resident: dict = field(default_factory=dict)  # peer: [(ms, KiB)]


def available_memory():
    with open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 1 << 62


def processors_busy(seconds=0.25):
    """The share of this machine's processors that is in use while nothing is measured."""

    def ticks():
        with open("/proc/stat", encoding="ascii") as stat:
            fields = [int(word) for word in stat.readline().split()[1:9]]
        return sum(fields), fields[3] + fields[4]  # of them idle, or waiting for a disk

    total, idle = ticks()
    time.sleep(seconds)
    total_after, idle_after = ticks()
    passed = total_after - total
    return 1 - (idle_after - idle) / passed if passed > 0 else 0.0


def environment_of(job, peer, procs, knobs):
    """`knobs`: for BURROWDEBUG, besides the job's own."""
    environment = {**PEERS[peer].environment(procs), **job.environment.get(peer, {})}
    if knobs and peer.startswith("burrow"):
        environment["BURROWDEBUG"] = ",".join(filter(None, [environment.get("BURROWDEBUG"), knobs]))
    return environment


def run_once(job, peer, procs, repetitions, spawns, limit, warm, knobs):
    """Runs the job's program once, after so many bytes were touched; what it printed and what it used."""
    command = [str(PEERS[peer].program(job.program)), *job.arguments(peer, procs, repetitions)]
    readable, writable = os.pipe()
    try:
        numbers = [writable, procs, spawns, max(1, int(limit)), warm >> 20, job.sample]
        watch = [str(stopwatch()), *map(str, numbers)]
        child = subprocess.run(
            [*watch, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment_of(job, peer, procs, knobs),
            pass_fds=[writable],
        )
        os.close(writable)
        writable = None
        with os.fdopen(readable, "rb") as report:
            readable = None
            usage = report.read()
    finally:
        for descriptor in (readable, writable):
            if descriptor is not None:
                os.close(descriptor)
    text = child.stdout.decode(errors="replace")
    errors = child.stderr.decode(errors="replace")
    what = " ".join([os.path.relpath(command[0]), *command[1:]])
    if child.returncode != 0 or not usage:
        raise Failed(f"the stopwatch could not run '{what}': {errors.strip()}")
    usage = json.loads(usage)
    if usage["timeout"]:
        raise TimedOut()
    if usage["signal"] or usage["exit"]:
        how = f"was killed by {signal.Signals(usage['signal']).name}" if usage["signal"] else f"exited {usage['exit']}"
        raise Failed(f"'{what}' {how}; its standard error:\n{tail(errors)}")
    return text, {**usage, "errors": errors}


def tail(text, limit=4000):
    text = text.strip()
    if not text:
        return "  (empty)"
    if len(text) > limit:
        text = "...\n" + text[-limit:]
    return "\n".join("  " + line for line in text.splitlines())


def find_peers(job, outcome):
    """The peers that can run this job, their programs built."""
    usable = []
    if available_memory() < job.memory:
        why = f"it needs {job.memory / (1 << 30):.1f} GiB of memory, {available_memory() / (1 << 30):.1f} are available"
        outcome.left_out = {peer: why for peer in job.peers}
        return usable
    for peer in job.peers:
        try:
            PEERS[peer].program(job.program)
            usable.append(peer)
        except Unavailable as reason:
            outcome.left_out[peer] = str(reason)
        except BuildError as error:
            outcome.problems.append(f"{job.name}: {peer}: its program does not build:\n{tail(str(error))}")
    return usable


def agree(job, checks, outcome):
    """Drops the peers whose output differs from what most others printed."""
    for aspect in sorted({aspect for check in checks.values() for aspect in check}):
        texts = {peer: check[aspect] for peer, check in checks.items() if aspect in check}
        counts = statistics.multimode(texts.values())
        # Without a majority nobody is known to be right: Go's word counts first, then the order of the peers.
        right = counts[0] if len(counts) == 1 else texts.get("go", counts[0])
        for peer, text in texts.items():
            if text != right and peer in checks:
                outcome.problems.append(
                    f"{job.name}: {peer} did other work than its peers ({aspect}):\n{difference(text, right)}"
                )
                del checks[peer]


def difference(text, right):
    for mine, theirs in zip(text.splitlines(), right.splitlines()):
        if mine != theirs:
            return f"  it printed  {mine}\n  the others  {theirs}"
    return f"  it printed {len(text.splitlines())} lines, the others {len(right.splitlines())}"


def keep_for_plots(outcome, runs):
    """`runs`: {peer: [(distribution, resident)]}, one for each round."""
    for peer, rounds in runs.items():
        rounds.sort(key=lambda run: run[0][-1][1])
        outcome.distributions[peer], resident = rounds[(len(rounds) - 1) // 2]
        if resident:
            outcome.resident[peer] = resident


def measure(job, procs, quick=False, rounds=None, started=None, knobs="", progress=lambda words: None):
    """Runs `job` on `procs` processors. `started` is when the minute of --quick began."""
    outcome = Outcome()
    started = started or time.monotonic()
    deadline = started + QUICK_SECONDS
    peers = find_peers(job, outcome)
    outcome.disturbance = processors_busy()
    samples = {}  # workload: metric: peer: [value of each round]
    plotted = {}
    wanted = rounds or (QUICK_ROUNDS if quick else job.rounds)
    repetitions = job.quick_repetitions if quick else job.repetitions
    spawns = job.quick_spawns if quick else job.spawns
    warm = WARM_BYTES

    for round_number in range(wanted):
        if not peers:
            break
        if quick and round_number > 0 and rounds is None:
            spent = time.monotonic() - started
            if spent * (round_number + 1) / round_number > QUICK_REPEAT_BELOW:
                break
        # In the first round of --quick the order is the one in which peers matter, should the time not do for all.
        order = peers if quick and round_number == 0 else random.sample(peers, len(peers))
        checks, figures, drawn = {}, {}, {}
        for peer in order:
            progress(f"{job.name}: round {round_number + 1} of {wanted}: {peer}")
            limit = deadline - time.monotonic() if quick else FULL_LIMIT
            try:
                if limit < 1:
                    raise TimedOut()
                text, usage = run_once(job, peer, procs, repetitions, spawns, limit, warm, knobs)
                warm = min(max(warm, usage["peak_rss"]), available_memory() // 2)
                figures[peer] = job.figures(text, usage)
                if job.distribution:
                    drawn[peer] = (job.distribution(text), usage.get("resident"))
                checks[peer] = job.check(text)
            except TimedOut:
                if round_number == 0:
                    why = "no time for it in the minute of --quick" if quick else f"still running after {FULL_LIMIT} s"
                    outcome.left_out[peer] = why
            except (Failed, BadOutput) as problem:
                outcome.problems.append(f"{job.name}: {peer}: {problem}")
                figures.pop(peer, None)
        agree(job, checks, outcome)
        peers = [peer for peer in peers if peer in checks]
        for peer in checks:
            if peer in drawn:
                plotted.setdefault(peer, []).append(drawn[peer])
            for workload, metrics in figures[peer].items():
                for metric, value in metrics.items():
                    samples.setdefault(workload, {}).setdefault(metric, {}).setdefault(peer, []).append(value)
        outcome.rounds = round_number + 1

    keep_for_plots(outcome, plotted)
    outcome.values = {
        workload: {
            metric: {peer: statistics.median(by_peer[peer]) for peer in job.peers if peer in by_peer}
            for metric, by_peer in metrics.items()
        }
        for workload, metrics in samples.items()
    }
    return outcome
