"""What is measured: the jobs, but those of latency.py."""

import re

from .job import ALL, COLLECTORS, HEAP_SIZES, MIB, BadOutput, Job, Workload, check_lines, find, number
from .latency import latency_jobs
from .peers import BUILD


def process_figures(text, usage):
    """What every whole-program workload reports; pauses where the library tells."""
    values = {"wall": usage["wall"], "cpu": usage["cpu"], "peak_rss": usage["peak_rss"] / MIB}
    total = re.search(r"pause_?total_ms=([\d.]+)", text)
    longest = re.search(r"pause_max_ms=([\d.]+)", text)
    if total:
        values["pause_total"] = float(total.group(1))
    if longest:
        values["pause_max"] = float(longest.group(1))
    return values


# ---- binary trees, GCBench -------------------------------------------------------------------------------------------


def binary_trees(depth, parallel):
    name = f"bintree{depth}" + ("-par" if parallel else "")
    shape = "a thread for each depth" if parallel else "one thread"

    def check(text):
        lines = re.findall(r"^(?:stretch tree|long lived tree|\d+\t trees) .*$", text, re.MULTILINE)
        if not lines:
            raise BadOutput("no trees in its output")
        return {"trees": "\n".join(lines)}

    return Job(
        name=name,
        program="bintree",
        workloads=[Workload(name, "bintree", f"binary trees of depth {depth}, {shape}")],
        arguments=lambda peer, procs, repetitions: [str(depth)] + (["par"] if parallel else []),
        figures=lambda text, usage: {name: process_figures(text, usage)},
        check=check,
        rounds=3 if depth > 20 else 5,
    )


def gcbench():
    def check(text):
        if "Failed" in text:
            raise BadOutput("the long-lived data is damaged")
        return {"trees": "\n".join(f"{a} {b}" for a, b in re.findall(r"^depth (\d+) x (\d+):", text, re.MULTILINE))}

    return Job(
        name="gcbench",
        program="gcbench",
        workloads=[Workload("gcbench", "gcbench", "GCBench of Ellis, Kovac and Boehm: trees top down and bottom up")],
        arguments=lambda peer, procs, repetitions: [],
        figures=lambda text, usage: {"gcbench": process_figures(text, usage)},
        check=check,
        rounds=9,
    )


# ---- allocation by size ----------------------------------------------------------------------------------------------

SIZES = {
    "16n": "16 B",
    "16p": "16 B",
    "32n": "32 B",
    "32p": "32 B",
    "64n": "64 B",
    "64p": "64 B",
    "256n": "256 B",
    "256p": "256 B",
    "1Kn": "1 KiB",
    "1Kp": "1 KiB",
    "32Kn": "32 KiB",
    "32Kp": "32 KiB",
    "64Kn": "64 KiB",
    "1Mn": "1 MiB",
}


def alloc_name(size, threads, ballast):
    return f"alloc-{size}" + (f"-{threads}t" if threads > 1 else "") + ("-ballast" if ballast else "")


def allocation(procs, ballast):
    group = "alloc-ballast" if ballast else "alloc"
    workloads = []
    for threads in range(1, procs + 1):
        for size, words in SIZES.items():
            kind = "with pointers" if size[-1] == "p" else "no pointers"
            description = f"{words} objects, {kind}, {threads} thread{'s' if threads > 1 else ''}"
            description += ", beside 64 MiB of ballast" if ballast else ""
            workloads.append(Workload(alloc_name(size, threads, ballast), group, description))
    suffix = "_ballast64M" if ballast else ""
    row = re.compile(rf"^R alloc_(\w+)_w(\d+)_p{procs}{suffix} ns/op ([\d.]+)", re.MULTILINE)

    def figures(text, usage):
        rows = {(size, int(threads)): float(value) for size, threads, value in row.findall(text)}
        missing = [w.name for w in workloads if not any(alloc_name(s, t, ballast) == w.name for s, t in rows)]
        if missing:
            raise BadOutput(f"no figure for {', '.join(missing)}")
        return {alloc_name(size, threads, ballast): {"time": value} for (size, threads), value in rows.items()}

    def check(text):
        if "nonzero=1" in text:
            raise BadOutput("a new object was not zero")
        aspects = {"rows": " ".join(f"{size}/{threads}" for size, threads, _ in row.findall(text))}
        if "CHECK" in text:
            aspects.update(check_lines(text))
        return aspects

    def arguments(peer, number_of_procs, repetitions):
        threads = [] if peer == "go" else [str(number_of_procs)]  # alloc.go goes by GOMAXPROCS
        return threads + (["ballast"] if ballast else [])

    return Job(
        name=group,
        program="alloc",
        workloads=workloads,
        arguments=arguments,
        figures=figures,
        check=check,
        rounds=3,
        rows="n: no pointers, p: with pointers; -2t: two threads, each with its own ring of 64 slots; time of one "
        "thread's operation",
    )


# ---- mark rate -------------------------------------------------------------------------------------------------------

SHAPES = {
    "tree": "a binary tree in allocation order",
    "list": "one linked list",
    "graph": "a random graph with a table of its nodes",
    "graphonly": "a random tree reachable only through its links",
    "ptrs1k": "1 KiB objects with two random pointers",
    "noscan": "1 KiB objects without pointers",
}


def mark_objects(shape, megabytes):
    """How many objects a program builds, by the formulas of mark.go."""
    target = megabytes * MIB
    if shape == "tree":
        depth = 0
        while ((1 << (depth + 2)) - 1) * 64 < target:
            depth += 1
        return (1 << (depth + 1)) - 1
    size = {"list": 64, "graph": 72, "graphonly": 64, "ptrs1k": 1024, "noscan": 1024}[shape]
    return target // size + (shape in ("graph", "ptrs1k", "noscan"))


def mark(shape, megabytes):
    name = f"mark-{shape}-{HEAP_SIZES[megabytes]}"
    built = mark_objects(shape, megabytes)

    def figures(text, usage):
        match = find(r"^R mark_\w+ live_MB=(\d+) objs=(\d+) gc_wall_ms=([\d.]+)", text)
        seconds = float(match.group(3)) / 1e3
        return {name: {"objects": built / 1e6 / seconds, "bytes": float(match.group(1)) / seconds}}

    def check(text):
        live = int(number(r"^R mark_.* objs=(\d+)", text))
        # A runtime has a few objects of its own; more than that and it did not mark what it should have.
        if not built <= live <= built * 1.001 + 2000:
            raise BadOutput(f"{live} objects are live where {built} were built")
        return {"built": str(built)}

    def arguments(peer, procs, repetitions):
        if peer == "go":
            return ["-shape", shape, "-mb", str(megabytes), "-n", str(repetitions)]
        return [shape, str(megabytes), str(repetitions)]

    return Job(
        name=name,
        program="mark",
        workloads=[Workload(name, "mark", f"a forced collection of {HEAP_SIZES[megabytes]}iB: {SHAPES[shape]}")],
        arguments=arguments,
        figures=figures,
        check=check,
        peers=COLLECTORS,
        rounds={256: 5, 1024: 3, 4096: 1}[megabytes],
        repetitions=5 if megabytes > 1024 else 7,
        quick_repetitions=1 if megabytes > 1024 else 3,
        memory=megabytes * MIB * 7 // 4,
        # The heap is built without collections, as the C programs do.
        environment={"go": {"GOGC": "off"}},
    )


# ---- larson, fragmentation, resident memory --------------------------------------------------------------------------


def larson():
    def figures(text, usage):
        values = process_figures(text, usage)
        return {"larson": {"rate": number(r"^R larson Mop/s=([\d.]+)", text), **values}}

    return Job(
        name="larson",
        program="larson",
        workloads=[Workload("larson", "larson", "objects dropped by another thread than the allocating one")],
        arguments=lambda peer, procs, repetitions: [str(max(2, procs)), "100"],
        figures=figures,
        check=check_lines,
    )


def fragmentation(percent):
    name = f"frag-{percent}"

    def figures(text, usage):
        count = number(r"^R frag_drop.* n=(\d+)", text)
        live = number(r" live_MB=(\d+)", text)
        table = count * 24 / MIB
        after = number(r" rss_after_MB=(\d+)", text) - table
        return {name: {"released/live": after / live, "peak_rss": usage["peak_rss"] / MIB, "wall": usage["wall"]}}

    def check(text):
        match = find(r"^R frag_drop(\d+) n=(\d+) total_MB=(\d+) .*live_MB=(\d+) kept=(\d+)", text)
        return {"objects": " ".join(match.groups())}

    return Job(
        name=name,
        program="frag",
        workloads=[Workload(name, "frag", f"2 GiB of mixed sizes, {percent} % dropped at random: what stays resident")],
        arguments=lambda peer, procs, repetitions: [str(percent)],
        figures=figures,
        check=check,
        rounds=3,
        memory=6 << 30,
    )


def compaction(percent):
    """What stays resident after all that a peer can do about it, where the objects are of types that can move."""
    name = f"compact-{percent}"

    def figures(text, usage):
        values = {
            "released/live": number(r" rss_after=(\d+)", text) / number(r" live=(\d+)", text),
            "release": number(r" release_ms=([\d.]+)", text),
            "peak_rss": usage["peak_rss"] / MIB,
            "wall": usage["wall"],
        }
        if number(r" gc_ms=([\d.]+)", text) >= 0.1:  # only collectors take any time
            values["collection"] = number(r" gc_ms=([\d.]+)", text)
        if "moved_MBs=" in text:
            values["moved"] = number(r" moved_MBs=(\d+)", text)
        return {name: values}

    def check(text):
        match = find(r"^R compact_drop(\d+) n=(\d+) kept=(\d+) sum=(\d+) live=(\d+) ", text)
        return {"objects": " ".join(match.groups())}

    return Job(
        name=name,
        program="compact",
        workloads=[
            Workload(name, "compact", f"2 GiB of ten types, 16 B to 8 KiB, {percent} % dropped: what stays resident")
        ],
        arguments=lambda peer, procs, repetitions: [str(percent)],
        figures=figures,
        check=check,
        rounds=3,
        memory=6 << 30,
    )


def resident(kind, words):
    name = f"resident-{kind}"

    def figures(text, usage):
        live = number(r"^R live=(\d+)", text)
        return {
            name: {
                "resident/live": number(r" running=(\d+)", text) / live,
                "released/live": number(r" released=(\d+)", text) / live,
                "peak/live": usage["peak_rss"] / live,
                "wall": usage["wall"],
                "cpu": usage["cpu"],
            }
        }

    return Job(
        name=name,
        program="resident",
        workloads=[Workload(name, "resident", f"resident memory beside live bytes: {words}")],
        arguments=lambda peer, procs, repetitions: [kind],
        figures=figures,
        check=check_lines,
        rounds=3,
    )


# ---- maps, slices, interfaces, errors, panics ------------------------------------------------------------------------

MAP_SIZES = {"1000": "1k", "100000": "100k", "10000000": "10M"}
MAP_ROWS = {
    "insert": "inserting into an empty map",
    "insert_presized": "inserting into a map made for that many",
    "hit": "looking up keys that are there",
    "miss": "looking up keys that are not",
    "iterate": "visiting all entries",
    "delete": "deleting every key",
}
APPEND_ROWS = {
    "10M_int": ("append-10M", "appending 10 M integers to an empty slice (glib: a vector written by hand)"),
    "10M_int_precap": ("append-10M-sized", "appending 10 M integers to a slice with room for them"),
    "to100_from_nil": ("append-100", "appending 100 integers to an empty slice, again and again"),
}


def maps():
    workloads = []
    for kind, words in (("int", "64-bit integers to integers"), ("string", "strings of 20 bytes to integers")):
        for size in MAP_SIZES.values():
            for row, description in MAP_ROWS.items():
                if kind == "int" or row != "insert_presized":
                    name = f"map-{kind}-{size}-{row.replace('_', '-')}"
                    workloads.append(Workload(name, "map", f"{description}; {size} {words}"))
    for size in MAP_SIZES.values():
        workloads.append(Workload(f"map-int-{size}-longest", "map", f"the longest insertion, from {size} entries to twice"))
    workloads += [Workload(name, "append", words) for name, words in APPEND_ROWS.values()]

    def figures(text, usage):
        values = {}
        for kind, size, row, value in re.findall(r"^R map_(int|string)_(\d+)_(\w+) ns/op ([\d.]+)", text, re.MULTILINE):
            values[f"map-{kind}-{MAP_SIZES[size]}-{row.replace('_', '-')}"] = {"time": float(value)}
        for size, value in re.findall(r"^R map_int_(\d+)_longest_insert us ([\d.]+)", text, re.MULTILINE):
            values[f"map-int-{MAP_SIZES[size]}-longest"] = {"longest": float(value)}
        for row, value in re.findall(r"^R slice_append_(\w+) ns/op ([\d.]+)", text, re.MULTILINE):
            values[APPEND_ROWS[row][0]] = {"time": float(value)}
        if len(values) < 30:
            raise BadOutput("rows are missing")
        return values

    return Job(
        name="map",
        program="map",
        workloads=workloads,
        arguments=lambda peer, procs, repetitions: [],
        figures=figures,
        check=lambda text: {},
        peers=["burrow", "go", "glib"],
        rounds=3,
        memory=3 << 30,
    )


VALUE_ROWS = {
    "interface_call": "a call through an interface, of two types in random order",
    "type_switch": "a switch over five types in random order",
    "errors_is": "errors.Is through three wrappers",
    "errors_as": "errors.As through three wrappers",
    "errors_new": "making an error (Go's compiler leaves it out)",
    "errorf": "making an error with a number, a string and a wrapped error",
    "errors_is_not_exist": "errors.Is(ENOENT within a PathError, ErrNotExist)",
    "defer": "a deferred call",
    "panic_recover": "a panic and its recovery in one function",
    "panic_recover_10_frames": "a panic recovered ten calls up",
    "sprintf": "formatting a string, an integer, a float and a bool",
}


def go_values():
    workloads = [Workload(f"value-{row.replace('_', '-')}", "value", words) for row, words in VALUE_ROWS.items()]
    for size in MAP_SIZES.values():
        workloads.append(Workload(f"map-int-{size}-bytes", "value", f"bytes an entry of a map of {size} integers"))

    def figures(text, usage):
        values = {}
        for row, value in re.findall(r"^R values_(\w+) ns/op ([\d.]+)", text, re.MULTILINE):
            values[f"value-{row.replace('_', '-')}"] = {"time": float(value)}
        for size, value in re.findall(r"^R values_map_(\d+)_bytes B ([\d.]+)", text, re.MULTILINE):
            values[f"map-int-{MAP_SIZES[size]}-bytes"] = {"size": float(value)}
        if len(values) != len(workloads):
            raise BadOutput("rows are missing")
        return values

    return Job(
        name="value",
        program="values",
        workloads=workloads,
        arguments=lambda peer, procs, repetitions: [],
        figures=figures,
        check=check_lines,
        peers=["burrow", "go"],
        rounds=3,
        memory=2 << 30,
    )


# ---- goroutines: each program on one processor and on two ------------------------------------------------------------


def on(procs, name):
    return f"{name}-p{procs}"


def plural(procs):
    return "one processor" if procs == 1 else f"{procs} processors"


def row_job(group, program, rows, procs, own=None):
    """A program that prints "R NAME_pN ns/op X" for each of `rows`: {NAME: (workload, description)}; Burrow's prints
    those of `own`, too."""
    every = {**rows, **(own or {})}

    def figures(text, usage):
        printed = dict(re.findall(rf"^R (\S+)_p{procs} ns/op ([\d.]+)", text, re.MULTILINE))
        missing = [row for row in rows if row not in printed]
        if missing:
            raise BadOutput(f"no figure for {', '.join(missing)}")
        return {on(procs, every[row][0]): {"time": float(value)} for row, value in printed.items() if row in every}

    return Job(
        name=on(procs, group),
        program=program,
        workloads=[
            Workload(on(procs, name), group, f"{words}; {plural(procs)}") for name, words in every.values()
        ],
        arguments=lambda peer, number_of_procs, repetitions: [],
        figures=figures,
        check=check_lines,
        peers=["burrow", "go"],
        procs=procs,
    )


CHAN_ROWS = {
    "chan_unbuf_pingpong_roundtrip": ("chan-ping-pong", "there and back through two channels without buffer"),
    "chan_unbuf_oneway": ("chan-one-way", "values through a channel without buffer"),
    "chan_buf1_prodcons": ("chan-buffer-1", "values through a channel with room for 1"),
    "chan_buf10_prodcons": ("chan-buffer-10", "values through a channel with room for 10"),
    "chan_buf128_prodcons": ("chan-buffer-128", "values through a channel with room for 128"),
    "chan_buf1024_prodcons": ("chan-buffer-1024", "values through a channel with room for 1024"),
    "chan_buf_send+recv_same_goroutine": ("chan-alone", "sending and receiving in one goroutine, room for 1"),
    "chan_buf128_4prod1cons": ("chan-producers", "four goroutines send, one receives; room for 128"),
    "select4_unbuf_4prod": ("select-4", "one of four channels without buffer, each with a sender of its own"),
    "select4_send+select_ready_same_goroutine": ("select-4-ready", "sending to one of four channels, a select of all"),
    "select_nonblock_empty": ("select-default", "a receive or a default, nothing to receive"),
    "chan_make_buf1": ("chan-make", "making a channel with room for 1"),
}


GOR_ROWS = {
    "go_spawn_join_serial": ("gor-spawn", "making a goroutine and waiting for its end, one after another"),
    "go_spawn_join_batch1000": ("gor-spawn-1000", "making 1000 goroutines and waiting for their end"),
    "go_spawn_grow_64KB_stack": ("gor-spawn-deep", "a goroutine that uses 40 KiB of stack (Go's grows) and ends"),
    "gosched_alone": ("gor-yield", "yielding where nobody else is"),
    "gosched_100g": ("gor-yield-100", "100 goroutines that yield"),
}
# On one processor always: Go's program sets GOMAXPROCS to 1 for it.
GOR_ROWS_OF_ONE = {"gosched_2g_onP": ("gor-yield-2", "two goroutines that yield to one another")}

SYNC_ROWS = {
    "mutex_uncontended": ("sync-mutex", "locking and unlocking a mutex that is free"),
    "mutex_contended_2g": ("sync-mutex-2", "two goroutines for one mutex"),
    "mutex_contended_4g": ("sync-mutex-4", "four goroutines for one mutex"),
    "mutex_contended_64g": ("sync-mutex-64", "64 goroutines for one mutex"),
    "rwmutex_rlock_1g": ("sync-rwmutex", "locking and unlocking for reading, one goroutine"),
    "rwmutex_rlock_2g": ("sync-rwmutex-2", "locking and unlocking for reading, two goroutines"),
    "atomic_add_1g": ("sync-atomic", "an atomic addition, one goroutine"),
    "atomic_add_2g": ("sync-atomic-2", "an atomic addition, two goroutines"),
    "waitgroup_add_done": ("sync-waitgroup", "adding one to a wait group, and done"),
    "once_done": ("sync-once", "a once that was done"),
    "pool_get_put": ("sync-pool", "taking an object from a pool and putting it back"),
    "syncmap_load_hit_1k": ("sync-map-load", "a concurrent map of 1000 integers, from any to any: loading"),
    "syncmap_store_existing_1k": ("sync-map-store", "the same map: storing under a key that is there"),
    "cond_pingpong_roundtrip": ("sync-cond", "two goroutines that take turns with a condition variable, both turns"),
}
SYNC_ROWS_OF_BURROW = {
    "syncmap_typed_load_hit_1k": ("sync-map-typed-load", "loading from such a map whose types are declared"),
    "syncmap_typed_store_existing_1k": ("sync-map-typed-store", "storing in such a map whose types are declared"),
}

TIMER_ROWS = {
    "timer_start_stop": ("timer-start-stop", "making a timer with a channel and stopping it"),
    "timer_func_start_stop": ("timer-function", "making a timer with a function and stopping it"),
    "timer_reset": ("timer-reset", "setting a timer anew, to a later time each time"),
    "timer_reset_among_10k": ("timer-reset-10k", "setting 10,000 timers anew in turn, to other places in their order"),
    "timer_after0": ("timer-after", "receiving from a channel that is due at once"),
    "timer_after_func0": ("timer-after-function", "a function that is due at once"),
    "sleep_10k_goroutines": ("timer-sleep-10k", "10,000 goroutines that sleep 1 to 2 ms twenty times: each such sleep"),
    "sleep_100us_late": ("timer-late", "how much longer than 100 us a goroutine sleeps that is alone"),
}


def parked(count, text_count, procs):
    """Goroutines that wait: what one takes, a collection beside them, waking all."""
    name = on(procs, f"parked-{text_count}")

    def figures(text, usage):
        def value(key):
            return number(rf"^R parked_{count}_p{procs} .*{key}=([\d.]+)", text)

        return {
            name: {
                "size": value("rss_B/g"),
                "create": value("create_ns/g"),
                "collection": value("gc_ms"),
                "wake": value("wakeall_ns/g"),
            }
        }

    return Job(
        name=name,
        program="gor",
        workloads=[
            Workload(
                name,
                "parked",
                f"{text_count} goroutines that wait for a channel: resident memory, making and waking one, a forced "
                f"collection; {plural(procs)}",
            )
        ],
        arguments=lambda peer, number_of_procs, repetitions: [str(count)],
        figures=figures,
        check=lambda text: {},
        peers=["burrow", "go"],
        rounds=3,
        memory=count * 6000,
        procs=procs,
    )


def line_job(name, words, pattern, metric, procs, same):
    """A program that prints one line: `pattern` finds the figure, `same` what all peers must print alike."""
    return Job(
        name=on(procs, name),
        program=name,
        workloads=[Workload(on(procs, name), name, f"{words}; {plural(procs)}")],
        arguments=lambda peer, number_of_procs, repetitions: [],
        figures=lambda text, usage: {on(procs, name): {metric: number(pattern, text), "cpu": usage["cpu"]}},
        check=lambda text: {"result": find(same, text).group(1)},
        peers=["burrow", "go"],
        procs=procs,
    )


def goroutines(procs):
    return [
        row_job("chan", "chan", CHAN_ROWS, procs),
        row_job("gor", "gor", {**GOR_ROWS, **(GOR_ROWS_OF_ONE if procs == 1 else {})}, procs),
        parked(100_000, "100k", procs),
        parked(1_000_000, "1M", procs),
        row_job("sync", "sync", SYNC_ROWS, procs, own=SYNC_ROWS_OF_BURROW),
        row_job("timers", "timers", TIMER_ROWS, procs),
        line_job(
            "ring",
            "a token passed 5 M times round 503 goroutines",
            r"^R threadring503_\S+ ns/pass ([\d.]+)",
            "time",
            procs,
            r" (id=\d+)",
        ),
        line_job(
            "sieve",
            "2500 primes through a chain of as many goroutines",
            r"^R sieve_\S+ wall_ms ([\d.]+)",
            "duration",
            procs,
            r" (last=\d+)",
        ),
    ]


# ---- the main program ------------------------------------------------------------------------------------------------


def crossref():
    def check(text):
        if "identifier" not in text:
            raise BadOutput("no table in its output")
        return {"answers": text}

    return Job(
        name="crossref",
        program="crossref",
        workloads=[Workload("crossref", "crossref", "examples/crossref over /usr/include, and its like in Go")],
        # NULL and size_t occur wherever there are headers; their definitions and uses show that both read alike.
        arguments=lambda peer, procs, repetitions: ["--quiet", "--top", "20", "size_t", "NULL"],
        figures=lambda text, usage: {"crossref": process_figures(text, usage)},
        check=check,
        peers=["burrow", "go"],
        rounds=5,
    )


def cache(procs):
    requests = 200_000

    def arguments(peer, number_of_procs, repetitions):
        server = {
            "burrow": [str(BUILD / "bin" / "cache"), "--port", "PORT"],
            "redis": ["redis-server", "--port", "PORT", "--save", "", "--appendonly", "no"],
        }
        return [str(requests), *server[peer]]

    def figures(text, usage):
        values = {}
        for row in ("set", "get"):
            match = find(rf"^R {row} rps ([\d.]+) p99_ms ([\d.]+)", text)
            values[on(procs, f"cache-{row}")] = {"requests": float(match.group(1)), "p99": float(match.group(2))}
        values[on(procs, "cache-server")] = {"cpu": number(r"^R server cpu_s ([\d.]+)", text)}
        return values

    rows = {
        "set": f"{requests} times SET by redis-benchmark, 50 connections without pipelining",
        "get": f"{requests} times GET by redis-benchmark, 50 connections without pipelining",
        "server": "what the server took of the processors for both",
    }
    return Job(
        name=on(procs, "cache"),
        program="cache",
        workloads=[
            Workload(on(procs, f"cache-{row}"), "cache", f"{words}; {plural(procs)} for server and clients")
            for row, words in rows.items()
        ],
        arguments=arguments,
        figures=figures,
        check=lambda text: {},
        peers=["burrow", "redis"],
        rounds=5,
        procs=procs,
    )


# ---- start-up --------------------------------------------------------------------------------------------------------


def startup(allocates):
    name = "startup-alloc" if allocates else "startup"
    words = (
        "start and exit of a program that allocates one object" if allocates else "start and exit of an empty program"
    )
    return Job(
        name=name,
        program="startup",
        workloads=[Workload(name, "startup", f"{words} with the library linked (glibc: without one)")],
        arguments=lambda peer, procs, repetitions: ["alloc"] if allocates else [],
        figures=lambda text, usage: {name: {"start+exit": usage["wall"] * 1e3}},
        check=lambda text: {},
        peers=["burrow", "burrow-shared", *ALL[1:]],
        spawns=200,
        quick_spawns=200,
    )


def all_jobs(procs):
    jobs = [binary_trees(depth, parallel) for parallel in (False, True) for depth in (16, 18, 21)]
    jobs.append(gcbench())
    jobs += [allocation(procs, False), allocation(procs, True)]
    jobs += [mark(shape, megabytes) for megabytes in HEAP_SIZES for shape in SHAPES]
    jobs += latency_jobs()
    jobs.append(larson())
    jobs += [fragmentation(percent) for percent in (50, 90, 99)]
    jobs += [compaction(percent) for percent in (50, 90, 99)]
    jobs.append(resident("mixed", "400,000 objects of mixed sizes replaced at random"))
    jobs.append(resident("queue", "a list of 4 million 16 B nodes, appended to and taken from"))
    jobs += [maps(), go_values()]
    for processors in range(1, min(procs, 2) + 1):
        jobs += goroutines(processors)
    jobs.append(crossref())
    jobs += [cache(processors) for processors in range(1, min(procs, 2) + 1)]
    jobs += [startup(False), startup(True)]
    return jobs
