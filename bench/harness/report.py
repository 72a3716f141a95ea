"""What the user sees: JSON lines, tables on a terminal, bench/RESULTS.md with the targets."""

import json
import os
import platform
import re
import shutil
import time
from pathlib import Path

from .job import HEAP_SIZES, METRICS
from .jobs import SHAPES, alloc_name, on, plural
from .peers import CC, PEERS, run_quietly

GROUPS = {
    "bintree": "Binary trees",
    "gcbench": "GCBench",
    "alloc": "Allocation by size",
    "alloc-ballast": "Allocation by size, beside 64 MiB of ballast",
    "mark": "Mark rate",
    "latency": "Latency while the collector is at work",
    "server": "A server's steady load",
    "limit": "Under a memory limit",
    "larson": "Cross-thread",
    "frag": "Fragmentation",
    "compact": "Fragmentation, of types that can move",
    "resident": "Resident memory beside live bytes",
    "map": "Maps",
    "append": "Appending to slices",
    "value": "Go's values",
    "chan": "Channels and select",
    "gor": "Goroutines",
    "parked": "Goroutines that wait",
    "ring": "Thread ring",
    "sieve": "Prime sieve",
    "sync": "Mutexes and their like",
    "timers": "Timers",
    "crossref": "crossref",
    "cache": "A cache server beside redis-server",
    "startup": "Start-up",
}


DISTURBED = 0.15  # the share of the processors in use by others from which figures are doubtful


def json_line(workload, metric, procs, values):
    unit, better = METRICS[metric]
    rounded = {peer: float(f"{value:.5g}") for peer, value in values.items()}
    return json.dumps(
        {"workload": workload, "metric": metric, "unit": unit, "better": better, "procs": procs, "values": rounded}
    )


def show(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def cell(values, peer):
    """The peer's value and, in brackets, Burrow's divided by it."""
    if peer not in values:
        return ""
    text = show(values[peer])
    if peer != "burrow" and "burrow" in values and values[peer] > 0:
        text += f" ({values['burrow'] / values[peer]:.2f})"
    return text


def rows_of(values, order):
    """(workload, metric, {peer: value}) in the order of the workloads, then of the metrics."""
    for workload in order:
        for metric in METRICS:
            if metric in values.get(workload, {}):
                yield workload, metric, values[workload][metric]


def peers_of(rows):
    present = {peer for _, _, values in rows for peer in values}
    return [peer for peer in PEERS if peer in present]


def table(rows):
    """Columns padded for a terminal."""
    rows = list(rows)
    peers = peers_of(rows)
    lines = [["workload", "metric", *peers]]
    for workload, metric, values in rows:
        lines.append([workload, label(metric), *(cell(values, peer) for peer in peers)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = []
    for line in lines:
        padded = [f"{line[i]:<{widths[i]}}" if i < 2 else f"{line[i]:>{widths[i]}}" for i in range(len(line))]
        text.append("  ".join(padded).rstrip())
    return "\n".join(text)


def label(metric):
    return f"{metric.replace('_', ' ')}, {METRICS[metric][0]}"


# ---- the targets of the issue ----------------------------------------------------------------------------------------


class Target:
    """`measure(results)` gives the figure and a note, or None when something it needs was not measured."""

    def __init__(self, words, limit, measure, at_least=False, unit=""):
        self.words, self.limit, self.measure, self.at_least, self.unit = words, limit, measure, at_least, unit

    def row(self, results):
        sign = ">=" if self.at_least else "<="
        wanted = f"{sign} {self.limit:g}{self.unit}"
        found = self.measure(results)
        if found is None:
            return [self.words, wanted, "", "not measured"]
        value, note = found
        met = value >= self.limit if self.at_least else value <= self.limit
        figure = f"{value:.2f}{self.unit}" + (f" ({note})" if note else "")
        return [self.words, wanted, figure, "met" if met else "NOT met"]


def value_of(results, workload, metric, peer):
    return results.get(workload, {}).get(metric, {}).get(peer)


def ratio(workload, metric, peer, invert=False):
    """Burrow's figure over a peer's, or with `invert` the peer's over Burrow's."""

    def measure(results):
        mine, theirs = value_of(results, workload, metric, "burrow"), value_of(results, workload, metric, peer)
        if not mine or not theirs:
            return None
        return (theirs / mine if invert else mine / theirs), ""

    return measure


def worst(measures, choose):
    """The worst of several figures, with the name of the one it is; all of them must have been measured."""

    def measure(results):
        found = [(name, one(results)) for name, one in measures]
        if any(value is None for _, value in found):
            return None
        name, (value, _) = choose(found, key=lambda item: item[1][0])
        return value, f"the worst: {name}" if len(found) > 1 else ""

    return measure


def scaling(size):
    def measure(results):
        one = value_of(results, alloc_name(size, 1, False), "time", "burrow")
        two = value_of(results, alloc_name(size, 2, False), "time", "burrow")
        return (2 * one / two, "") if one and two else None

    return measure


def on_each(words, limit, choices, metric="time"):
    """Targets for one processor and for two: the worst of the ratios to Go's."""
    return [
        Target(
            f"{words}, {plural(procs)}: {metric}, as a ratio to Go's",
            limit,
            worst([(name, ratio(on(procs, name), metric, "go")) for name in choices], max),
        )
        for procs in (1, 2)
    ]


def amount(workload, metric):
    """Burrow's figure itself."""

    def measure(results):
        mine = value_of(results, workload, metric, "burrow")
        return (mine, "") if mine is not None else None

    return measure


def startup_cost(results, peer):
    mine, bare = value_of(results, "startup", "start+exit", peer), value_of(results, "startup", "start+exit", "glibc")
    return (mine - bare, "") if mine and bare else None


SMALL = ["16n", "16p", "32n", "32p", "64n", "64p"]


def small_allocations(threads):
    return worst([(size, ratio(alloc_name(size, threads, False), "time", "go")) for size in SMALL], max)


def mark_rates(shape):
    return worst([(text, ratio(f"mark-{shape}-{text}", "objects", "go")) for text in HEAP_SIZES.values()], min)


TARGETS = [
    Target("binary trees 21: wall, as a ratio to Go's", 0.30, ratio("bintree21", "wall", "go")),
    Target("binary trees 21: CPU, as a ratio to Go's", 0.25, ratio("bintree21", "cpu", "go")),
    Target(
        "binary trees 21: wall, as a ratio to mimalloc's with explicit free",
        1.1,
        ratio("bintree21", "wall", "mimalloc"),
    ),
    Target("binary trees 21: peak resident, as a ratio to Go's", 1.0, ratio("bintree21", "peak_rss", "go")),
    Target("allocation of 16-64 B, one thread: time, as a ratio to Go's", 0.4, small_allocations(1)),
    Target("allocation of 16-64 B, two threads: time, as a ratio to Go's", 0.4, small_allocations(2)),
    Target(
        "allocation of 16-64 B: throughput of two threads, as a multiple of one's",
        1.8,
        worst([(size, scaling(size)) for size in SMALL], min),
        at_least=True,
    ),
    *(
        Target(f"mark rate, {shape}: objects a second, as a multiple of Go's", 1.5, mark_rates(shape), at_least=True)
        for shape in SHAPES
    ),
    *(
        Target(
            f"{name}: Boehm's wall time, as a multiple of Burrow's",
            4,
            ratio(name, "wall", "boehm", invert=True),
            at_least=True,
        )
        for name in ("bintree16", "bintree18", "bintree21", "gcbench")
    ),
    Target(
        "start and exit with the static library, more than without", 1, lambda r: startup_cost(r, "burrow"), unit=" ms"
    ),
    Target(
        "start and exit with the shared library, more than without",
        1,
        lambda r: startup_cost(r, "burrow-shared"),
        unit=" ms",
    ),
    *(
        Target(f"{name}: {words}, as a ratio to Go's", limit, ratio(name, metric, "go"), at_least=at_least)
        for name in ("graph-256M", "graph-1G", "graph-4G", "pusher")
        for words, metric, limit, at_least in (
            ("the longest operation", "longest", 0.5, False),
            ("of ten thousand operations the longest", "p99.99", 1, False),
            ("time", "wall", 1, False) if name == "pusher" else ("operations a second", "rate", 1, True),
            ("the collector's processor time", "gc_cpu", 0.7, False),
        )
    ),
    *(
        Target(f"{name}: {words}", limit, amount(name, metric), unit=" ms")
        for name, last in (("graph-256M", 1), ("graph-1G", 1), ("graph-4G", 3))
        for words, metric, limit in (
            ("the longest stop that ends a collection", "stop", last),
            ("the longest of the other stops", "other_stop", 0.3),
        )
    ),
    Target("server-1G: the collector's processor time, as a ratio to Go's", 0.2, ratio("server-1G", "gc_cpu", "go")),
    Target(
        "under a memory limit: peak resident memory, as a multiple of the limit",
        1.03,
        worst([(name, amount(name, "peak/limit")) for name in ("graph-limit", "graph-limit-off")], max),
    ),
    Target(
        "under a memory limit: operations a second, as a ratio to Go's",
        1,
        worst([(name, ratio(name, "rate", "go")) for name in ("graph-limit", "graph-limit-off")], min),
        at_least=True,
    ),
    *on_each("ping-pong", 0.5, ["chan-ping-pong"]),
    *on_each("buffered channels", 0.5, [f"chan-buffer-{room}" for room in (1, 10, 128, 1024)]),
    *on_each("select", 0.5, ["select-4", "select-4-ready", "select-default"]),
    *on_each("making goroutines", 0.5, ["gor-spawn", "gor-spawn-1000"]),
    *on_each("yielding", 0.5, ["gor-yield", "gor-yield-100"]),
    Target(
        "two that yield to one another, one processor: time, as a ratio to Go's",
        0.5,
        ratio(on(1, "gor-yield-2"), "time", "go"),
    ),
    *on_each("sieve", 0.5, ["sieve"], metric="duration"),
    *on_each("ring", 0.5, ["ring"]),
    *on_each("mutex", 0.8, ["sync-mutex", "sync-mutex-2", "sync-mutex-4", "sync-mutex-64"]),
    *on_each("wait group", 0.8, ["sync-waitgroup"]),
    *on_each("pool", 0.8, ["sync-pool"]),
    *on_each("concurrent map", 0.8, ["sync-map-load", "sync-map-store"]),
    *(
        Target(
            f"a goroutine that waits, a million of them, {plural(procs)}: resident memory",
            4400,
            amount(on(procs, "parked-1M"), "size"),
            unit=" B",
        )
        for procs in (1, 2)
    ),
    *on_each("a collection with a million goroutines that wait", 1.0, ["parked-1M"], metric="collection"),
    Target(
        "2 GiB of typed objects, 50, 90, 99 % dropped: resident after bw_compact, by live bytes",
        1.25,
        worst([(name, amount(name, "released/live")) for name in (f"compact-{part}" for part in (50, 90, 99))], max),
    ),
    Target(
        "compaction, 50 % dropped: MiB moved a second of all but marking",
        1000,
        amount("compact-50", "moved"),
        at_least=True,
    ),
    Target(
        "cache server, two processors: requests a second, as a ratio to redis-server's",
        1.0,
        worst([(row, ratio(on(2, f"cache-{row}"), "requests", "redis")) for row in ("set", "get")], min),
        at_least=True,
    ),
    Target(
        "cache server, two processors: p99, as a ratio to redis-server's",
        1.0,
        worst([(row, ratio(on(2, f"cache-{row}"), "p99", "redis")) for row in ("set", "get")], max),
    ),
]


# ---- bench/RESULTS.md ------------------------------------------------------------------------------------------------


def first_match(path, pattern, otherwise="unknown"):
    try:
        match = re.search(pattern, Path(path).read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    except OSError:
        match = None
    return match.group(1).strip() if match else otherwise


def machine_facts(procs):
    processor = first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$", platform.machine())
    memory = int(first_match("/proc/meminfo", r"^MemTotal:\s+(\d+)", "0")) / (1 << 20)
    huge = first_match("/sys/kernel/mm/transparent_hugepage/enabled", r"\[(\w+)\]")
    compiler = run_quietly([CC, "--version"]).stdout.splitlines()[0] if shutil.which(CC) else "unknown"
    return [
        ("processor", f"{processor}, {os.cpu_count()} processors, {procs} used"),
        ("memory", f"{memory:.0f} GiB, transparent huge pages: {huge}"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("system", first_match("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)')),
        ("compiler", f"{compiler}, -O2"),
    ]


def markdown_table(header, rows, right_from=2):
    lines = ["| " + " | ".join(header) + " |"]
    last = len(header) - 1
    lines.append("|" + "|".join("--:" if right_from <= i < last else "---" for i in range(len(header))) + "|")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def results_document(runs, procs, options, plots):
    """`runs`: [(job, outcome)], in order. `options`: what the commands need to reproduce a row, e.g. "--procs 2".
    `plots`: {job's name: [(what it shows, path)]}."""
    results = {workload: metrics for _, outcome in runs for workload, metrics in outcome.values.items()}
    left_out = {}
    for job, outcome in runs:
        for peer, why in outcome.left_out.items():
            left_out.setdefault((peer, why), []).append(job.name)
    measured = {peer for metrics in results.values() for values in metrics.values() for peer in values}

    parts = ["# Results", ""]
    parts.append(
        f"Made on {time.strftime('%Y-%m-%d')} by `bench/run --write{options}`. All peers were measured in the same "
        "run on the same processors, alternating, in random order; a figure is the median of the rounds. In brackets: "
        "Burrow's figure divided by this one (below 1 is better for times and memory, above 1 for rates)."
    )
    parts += ["", "## Targets", ""]
    parts.append(
        markdown_table(["target", "wanted", "measured", ""], [target.row(results) for target in TARGETS], right_from=4)
    )
    parts += ["", "## Machine and peers", ""]
    facts = machine_facts(procs)
    facts += [
        (peer.title, peer.version()) for name, peer in PEERS.items() if name in measured and name != "burrow-shared"
    ]
    parts.append(markdown_table(["", ""], [list(fact) for fact in facts], right_from=2))
    disturbed = [f"{job.name} ({outcome.disturbance:.0%})" for job, outcome in runs if outcome.disturbance > DISTURBED]
    if disturbed:
        parts += ["", f"Other programs used the processors just before: {', '.join(disturbed)}."]
    for (peer, why), names in left_out.items():
        parts += ["", f"Left out: {peer} in {', '.join(names)}: {why}."]

    for group, title in GROUPS.items():
        members = [
            (job, outcome, [workload for workload in job.workloads if workload.group == group])
            for job, outcome in runs
            if outcome.values
        ]
        members = [member for member in members if member[2]]
        if not members:
            continue
        rows = list(rows_of(results, [workload.name for _, _, workloads in members for workload in workloads]))
        peers = peers_of(rows)
        parts += ["", f"## {title}", ""]
        for job, outcome, workloads in members:
            rounds = count_of(outcome.rounds, "round")
            if len(job.workloads) == 1:
                parts.append(f"- {job.name}: {workloads[0].description}; {rounds}")
            elif job.rows:
                parts.append(f"- {job.name}: {rounds}; {job.rows}")
            else:
                parts.append(f"- {job.name}: {rounds}")
                parts += [f"    - {workload.name}: {workload.description}" for workload in workloads]
        parts.append("")
        header = ["workload", "metric", *peers, "command"]
        body = []
        for workload, metric, values in rows:
            cells = [cell(values, peer) for peer in peers]
            body.append([workload, label(metric), *cells, f"`bench/run{options} {workload}`"])
        parts.append(markdown_table(header, body))
        for job, _, _ in members:
            for words, path in plots.get(job.name, []):
                parts += ["", f"![{words}]({path})"]
    return "\n".join(parts) + "\n"


def count_of(number, thing):
    return f"{number} {thing}{'' if number == 1 else 's'}"


def write_document(path, text):
    """All of it or nothing."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
