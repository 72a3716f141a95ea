"""The jobs that measure how long operations take while the collector is at work, and what it takes for that."""

import re

from .job import COLLECTORS, HEAP_SIZES, MIB, Job, Workload, check_lines, number

# A line for each collection on standard error, from which the stops are read: the statistics have only their sum.
TRACED = {"burrow": {"BURROWDEBUG": "gctrace=1"}}


# ---- what the programs and the library print -------------------------------------------------------------------------


def stops(text, usage):
    """The longest stop of the world that ended a collection, and the longest of the other stops, ms. Collections count
    from the last one on that the program asked for: then it begins to measure. Go tells the longest of all."""
    told = re.search(r" stw_max_us=([\d.]+)", text)
    if told:
        return {"stop": float(told.group(1)) / 1e3}
    trace = usage["errors"]
    asked = [int(count) for count in re.findall(r"^gc (\d+) @.*\(forced\)", trace, re.MULTILINE)]
    after = max(asked, default=0)
    last, others = {}, []
    for line in re.finditer(r"^gc (\d+) @\S+ \d+%: ([\d.]+)\+([\d.]+)\+([\d.]+) ms clock", trace, re.MULTILINE):
        last[int(line.group(1))] = sum(float(line.group(part)) for part in (2, 3, 4))  # one stop, if no line follows
    for line in re.finditer(r"^beside (\d+)(?: \(minor\))?: .* longest ([\d.]+) ms; stops ([\d.]+)\+([\d.]+)", trace, re.MULTILINE):
        last[int(line.group(1))] = float(line.group(4))
        if int(line.group(1)) > after:
            others += [float(line.group(2)), float(line.group(3))]
    values = {}
    if max(last, default=0) > after:
        values["stop"] = max(stop for count, stop in last.items() if count > after)
    if others:
        values["other_stop"] = max(others)
    return values


def collector(text):
    """What the collector took, and found alive at last, as far as a peer tells."""
    values = {}
    seconds = re.search(r" gccpu_s=([\d.]+)", text)
    share = re.search(r" gccpu_frac=([\d.]+) \(of ([\d.]+)s\)", text)
    if seconds:
        values["gc_cpu"] = float(seconds.group(1))
    elif share:
        values["gc_cpu"] = float(share.group(1)) * float(share.group(2))
    idle = re.search(r" idle_s=([\d.]+)", text)
    if idle:
        values["gc_cpu_idle"] = float(idle.group(1))
    operations = re.search(r" ops=(\d+)", text)
    if "gc_cpu" in values and operations:
        values["gc_cpu/op"] = values["gc_cpu"] * 1e9 / float(operations.group(1))
    live = re.search(r" live_MB=(\d+)", text)
    if live:
        values["live"] = float(live.group(1))
    return values


def latency_figures(text, usage):
    return {
        "longest": number(r" max_us=([\d.]+)", text),
        "p99.99": number(r" p99\.99_us=([\d.]+)", text),
        "cpu": usage["cpu"],
        "peak_rss": usage["peak_rss"] / MIB,
        **stops(text, usage),
        **collector(text),
    }


def distribution(text, operations=None):
    """[(share of the operations, us that no more took)]: of the histogram, or else of the percentiles."""
    points = []
    histogram = re.search(r"^LATENCY (.*)$", text, re.MULTILINE)
    if histogram:
        classes = [tuple(map(int, pair.split(":"))) for pair in histogram.group(1).split()]
        operations, below = sum(count for _, count in classes), 0
        for ns, count in classes:
            points.append((below / operations, ns / 1e3))
            below += count
    else:
        operations = operations or number(r" ops=(\d+)", text)
        for percent, unit, value in re.findall(r" p([\d.]+)_(ns|us)=([\d.]+)", text):
            points.append((float(percent) / 100, float(value) / (1e3 if unit == "ns" else 1)))
    return [*points, (1 - 1 / operations, number(r" max_us=([\d.]+)", text))]


# ---- the jobs --------------------------------------------------------------------------------------------------------


def graph_job(name, group, words, megabytes, seconds, **more):
    def figures(text, usage):
        return {name: {**latency_figures(text, usage), "rate": number(r" ops/s=([\d.]+)", text) / 1e6}}

    def arguments(peer, procs, repetitions):
        return ["-mb", str(megabytes), "-s", str(seconds)] if peer == "go" else [str(megabytes), str(seconds)]

    defaults = {
        "figures": figures,
        "peers": COLLECTORS,
        "distribution": distribution,
        "environment": TRACED,
    }
    return Job(
        name=name,
        program="graph",
        workloads=[
            Workload(
                name, group, f"random nodes of {HEAP_SIZES[megabytes]}iB replaced one after another, {seconds} s{words}"
            )
        ],
        arguments=arguments,
        check=lambda text: {"rows": " ".join(re.findall(r"^R (graph_\d+MB_m1)", text, re.MULTILINE))},
        rounds=3,
        memory=megabytes * MIB * 4,
        **{**defaults, **more},
    )


def graph(megabytes, seconds):
    return graph_job(f"graph-{HEAP_SIZES[megabytes]}", "latency", "", megabytes, seconds, large=megabytes > 1024)


# A replaced node lives on while another refers to it. When all nodes have been replaced some times, as many such are
# expected for each of the table as the integral, x and y from 0 to 1, of (1 - exp(-2xy)) / y, which is 0.753; so
# (8 + 64 * 1.753) / 72 of the table's bytes are alive. Go and Burrow both find that.
GRAPH_LIVE = 1.67
LIMIT = 1.2  # of what is alive


def graph_limit(megabytes, seconds, percent):
    """Under a memory limit little above what is alive."""
    name = "graph-limit" + ("-off" if percent == "off" else "")
    mebibytes = int(megabytes * GRAPH_LIVE * LIMIT)
    knobs = {"GOMEMLIMIT": f"{mebibytes}MiB", "GOGC": percent}

    def figures(text, usage):
        return {
            name: {
                "rate": number(r" ops/s=([\d.]+)", text) / 1e6,
                "peak/limit": usage["peak_rss"] / (mebibytes * MIB),
                **latency_figures(text, usage),
            }
        }

    return graph_job(
        name,
        "limit",
        f", GOMEMLIMIT={mebibytes}MiB, which is {LIMIT} of what is alive, GOGC={percent}",
        megabytes,
        seconds,
        figures=figures,
        peers=["burrow", "go"],
        distribution=None,
        environment={"burrow": {**TRACED["burrow"], **knobs}, "go": knobs},
    )


MESSAGES = 1_000_000


def pusher():
    def figures(text, usage):
        return {"pusher": {**latency_figures(text, usage), "wall": number(r" wall_ms=([\d.]+)", text) / 1e3}}

    return Job(
        name="pusher",
        program="pusher",
        workloads=[Workload("pusher", "latency", "a million messages of 1 KiB, the last 200,000 kept in a map")],
        arguments=lambda peer, procs, repetitions: [],
        figures=figures,
        check=lambda text: {"rows": " ".join(re.findall(r"^R (pusher_\d+B)", text, re.MULTILINE))},
        peers=["burrow", "go"],
        rounds=5,
        environment=TRACED,
        distribution=lambda text: distribution(text, MESSAGES),
    )


def server(megabytes):
    name = f"server-{HEAP_SIZES[megabytes]}"
    rate = 300  # 10^6 bytes a second

    def figures(text, usage):
        seconds = number(r" wall_ms=([\d.]+)", text) / 1e3
        return {
            name: {
                "p50": number(r" p50_us=([\d.]+)", text),
                "p99": number(r" p99_us=([\d.]+)", text) / 1e3,
                **latency_figures(text, usage),
                "requests": number(r" requests=(\d+) wall_ms", text) / seconds,
            }
        }

    return Job(
        name=name,
        program="server",
        workloads=[
            Workload(
                name,
                "server",
                f"requests that make {rate} MB/s of short-lived objects beside {HEAP_SIZES[megabytes]}iB of old data "
                "that is nearly only read",
            )
        ],
        arguments=lambda peer, procs, seconds: [str(megabytes), str(seconds), str(rate)],
        figures=figures,
        check=check_lines,
        peers=["burrow", "go"],
        rounds=3,
        repetitions=20,  # seconds
        quick_repetitions=6,
        memory=megabytes * MIB * 4,
        environment=TRACED,
        distribution=distribution,
        sample=50,
    )


def latency_jobs():
    return [
        graph(256, 8),
        graph(1024, 20),
        graph(4096, 30),
        pusher(),
        server(1024),
        graph_limit(256, 8, "100"),
        graph_limit(256, 8, "off"),
    ]
