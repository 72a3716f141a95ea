"""What a job is: one program run by each of its peers; it yields the figures of one or more workloads.

A job also says what must be equal in the output of all peers (`check`): a peer that did other work than the rest has no
place in the table.
"""

import re
from dataclasses import dataclass, field

MIB = 1 << 20
HEAP_SIZES = {256: "256M", 1024: "1G", 4096: "4G"}  # MiB, in the names of workloads

# Which peers go first when --quick may not have time for all.
ALL = ["burrow", "go", "mimalloc", "boehm", "jemalloc", "glibc"]
COLLECTORS = ["burrow", "go", "boehm"]

LOWER, HIGHER = "lower", "higher"
# metric: unit, which direction is better
METRICS = {
    "wall": ("s", LOWER),
    "cpu": ("s", LOWER),
    "peak_rss": ("MiB", LOWER),
    "time": ("ns/op", LOWER),
    "size": ("B", LOWER),
    "longest": ("us", LOWER),
    "p50": ("us", LOWER),
    "p99.99": ("us", LOWER),
    "stop": ("ms", LOWER),
    "other_stop": ("ms", LOWER),
    "gc_cpu": ("s", LOWER),
    "gc_cpu_idle": ("s", LOWER),
    "gc_cpu/op": ("ns", LOWER),
    "live": ("MiB", LOWER),
    "peak/limit": ("x", LOWER),
    "create": ("ns", LOWER),
    "duration": ("ms", LOWER),
    "collection": ("ms", LOWER),
    "release": ("ms", LOWER),
    "moved": ("MiB/s", HIGHER),
    "wake": ("ns", LOWER),
    "rate": ("Mop/s", HIGHER),
    "requests": ("1/s", HIGHER),
    "p99": ("ms", LOWER),
    "objects": ("Mobj/s", HIGHER),
    "bytes": ("MiB/s", HIGHER),
    "pause_total": ("ms", LOWER),
    "pause_max": ("ms", LOWER),
    "resident/live": ("x", LOWER),
    "released/live": ("x", LOWER),
    "peak/live": ("x", LOWER),
    "start+exit": ("ms", LOWER),
}


class BadOutput(Exception):
    """A program ended well but printed something else than expected."""


@dataclass
class Workload:
    name: str
    group: str
    description: str


@dataclass
class Job:
    """`arguments(peer, procs, repetitions)` is the command line after the program's name; `figures(text, usage)` gives
    {workload: {metric: value}} from what a peer printed and used; `check(text)` gives {aspect: text}, compared between
    the peers that have the aspect. What is plotted: `distribution(text)` gives [(share of the operations, us that no
    more took)], and with `sample` the resident memory over time."""

    name: str
    program: str
    workloads: list
    arguments: object
    figures: object
    check: object
    peers: list = field(default_factory=lambda: ALL)
    rounds: int = 5
    repetitions: int = 1  # inside the program
    quick_repetitions: int = 1
    spawns: int = 1  # times the stopwatch starts the program
    quick_spawns: int = 1
    memory: int = 0  # bytes that must be available
    environment: dict = field(default_factory=dict)
    procs: int = 0  # processors; 0: as many as --procs says
    large: bool = False  # left out unless it is named, or --large says so
    distribution: object = None
    sample: int = 0  # so often resident memory is read, ms; 0: never
    rows: str = ""  # how its rows are to be read, where their names tell them apart; otherwise each is described


def find(pattern, text):
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise BadOutput(f"no line like '{pattern}' in its output")
    return match


def number(pattern, text):
    return float(find(pattern, text).group(1))


def check_lines(text):
    return {"check": "\n".join(re.findall(r"^CHECK .*$", text, re.MULTILINE))}
