/* metrics.c - Go's runtime/metrics.
 *
 * All that is asked for in one call is taken at once, into a `struct now`: under the gc lock, so that no collection is
 * in the middle of its figures, and with the world stopped if the ledger or the workers have to be looked at. A metric is
 * a field of that, or a histogram of times, which is read as it is.
 */
#include "observe.h"

#include <math.h>
#include <string.h>

#define SIZES ((size_t)BW__CLASSES) /* a size class each, from the first on, and the large objects */

struct now {
    uint64_t gogc, memory_limit;
    uint64_t cycles, automatic, forced, minor, limiter, group_limit, beside_cycles, beside_rounds, beside_slices,
        beside_pages;
    uint64_t goal, live, scan_globals, scan_stack;
    uint64_t finalizers_queued, finalizers_run, cleanups_queued, cleanups_run;
    uint64_t compactions, moved, emptied;
    uint64_t memory, memory_free, memory_released, metadata;
    uint64_t processors, threads;
    double cpu_burrow, cpu_mark, cpu_assist, cpu_pause, cpu_gc, cpu_all;
    struct goroutine_counts goroutines; /* if the world was not stopped: all of them */
    /* What follows is filled if the world was stopped. */
    bw_ledger_t ledger;
    uint64_t unused, scan_heap, scan_all;
    uint64_t allocs_by_size[SIZES], frees_by_size[SIZES];
};

/* --- the bounds of the histograms --- */

#define NS(doubling, part) (double)((uint64_t)(TIMES_PARTS + (part)) << (doubling)) / TIMES_PARTS / 1e9
#define DOUBLING(d) NS(d, 0), NS(d, 1), NS(d, 2), NS(d, 3), NS(d, 4), NS(d, 5), NS(d, 6), NS(d, 7)
#define FOUR_DOUBLINGS(d) DOUBLING(d), DOUBLING(d + 1), DOUBLING(d + 2), DOUBLING(d + 3)
static const double time_bounds[] = {0,
                                     DOUBLING(TIMES_FIRST),
                                     DOUBLING(TIMES_FIRST + 1),
                                     FOUR_DOUBLINGS(TIMES_FIRST + 2),
                                     FOUR_DOUBLINGS(TIMES_FIRST + 6),
                                     FOUR_DOUBLINGS(TIMES_FIRST + 10),
                                     FOUR_DOUBLINGS(TIMES_FIRST + 14),
                                     FOUR_DOUBLINGS(TIMES_FIRST + 18),
                                     FOUR_DOUBLINGS(TIMES_FIRST + 22),
                                     FOUR_DOUBLINGS(TIMES_FIRST + 26),
                                     FOUR_DOUBLINGS(TIMES_FIRST + 30),
                                     NS(TIMES_LAST, 0),
                                     INFINITY};
_Static_assert(sizeof time_bounds == (TIMES_BUCKETS + 1) * sizeof(double) && TIMES_PARTS == 8,
               "a bound for each end of a bucket of times.c");

/* One more than each size class. */
#define EIGHT_SIZES(from, step)                                                                                        \
    from + step + 1, from + 2 * step + 1, from + 3 * step + 1, from + 4 * step + 1, from + 5 * step + 1,               \
        from + 6 * step + 1, from + 7 * step + 1, from + 8 * step + 1
static const double size_bounds[] = {1,
                                     EIGHT_SIZES(0, 16),
                                     EIGHT_SIZES(128, 16),
                                     EIGHT_SIZES(256, 32),
                                     EIGHT_SIZES(512, 64),
                                     EIGHT_SIZES(1024, 128),
                                     EIGHT_SIZES(2048, 256),
                                     EIGHT_SIZES(4096, 512),
                                     EIGHT_SIZES(8192, 1024),
                                     EIGHT_SIZES(16384, 2048),
                                     INFINITY};
_Static_assert(sizeof size_bounds == (SIZES + 1) * sizeof(double), "a bound for each end of a size class");

/* --- what there is, in the order of the names --- */

struct metric {
    bw_metric described;
    bool stops;                /* the world has to be stopped for it */
    size_t field;              /* of struct now, unless `times` */
    const struct times *times; /* NULL: it is a field */
    const double *bounds;
};
#define FIELD(name, kind, cumulative, stops, field, description)                                                       \
    { {name, description, BW_METRIC_##kind, cumulative, 0}, stops, offsetof(struct now, field), NULL, NULL }
#define LEVEL(name, field, description) FIELD(name, UINT64, false, false, field, description)
#define COUNT(name, field, description) FIELD(name, UINT64, true, false, field, description)
#define LEVEL_STOPPED(name, field, description) FIELD(name, UINT64, false, true, field, description)
#define COUNT_STOPPED(name, field, description) FIELD(name, UINT64, true, true, field, description)
#define SECONDS(name, field, description) FIELD(name, DOUBLE, true, false, field, description)
#define BY_SIZE(name, field, description)                                                                              \
    { {name, description, BW_METRIC_HISTOGRAM, true, SIZES}, true, offsetof(struct now, field), NULL, size_bounds }
#define TIMES(name, kind, description)                                                                                 \
    { {name, description, BW_METRIC_HISTOGRAM, true, TIMES_BUCKETS}, false, 0, &times_taken[kind], time_bounds }

static const struct metric metrics[] = {
    SECONDS("/burrow/cpu/gc:cpu-seconds", cpu_burrow,
            "Processor time of the threads that collect, and of no others: of all markers beside the program, and with "
            "it stopped. gc_cpu_ns of bw_read_mem_stats."),
    TIMES("/burrow/gc/assists:seconds", TIMES_ASSISTS,
          "How long a thread was held up each time that it waited for another's collection, or had to be slowed down "
          "since memory was handed out faster than marking got on beside the program."),
    COUNT("/burrow/gc/beside/cycles:gc-cycles", beside_cycles, "Collections that marked while the program ran."),
    COUNT("/burrow/gc/beside/pages:pages", beside_pages,
          "Pages of the system's that were searched again, since they were written while it was marked beside the "
          "program; without the last search of each collection, with the program stopped."),
    COUNT("/burrow/gc/beside/rounds:rounds", beside_rounds,
          "How often all that was written while it was marked beside the program was searched again."),
    COUNT("/burrow/gc/beside/slices:slices", beside_slices,
          "How often the program was stopped for a quarter of a millisecond for that, since it wrote faster."),
    LEVEL("/burrow/gc/compactions/emptied:bytes", emptied,
          "Memory of the spans that the last compaction left without objects."),
    LEVEL("/burrow/gc/compactions/moved:bytes", moved, "Objects that the last compaction moved."),
    COUNT("/burrow/gc/compactions:compactions", compactions, "Compactions, asked for or not."),
    COUNT("/burrow/gc/cycles/minor:gc-cycles", minor,
          "Completed collections that marked only what was new, and what pages that were written referred to."),
    LEVEL_STOPPED("/burrow/heap/channels:bytes", ledger.channel.bytes,
                  "Channels in the heap, reachable or not yet swept."),
    LEVEL_STOPPED("/burrow/heap/interfaces:bytes", ledger.interface_.bytes,
                  "Values in the heap that interface values refer to, reachable or not yet swept."),
    LEVEL_STOPPED("/burrow/heap/maps:bytes", ledger.map.bytes, "Maps in the heap, reachable or not yet swept."),
    LEVEL_STOPPED("/burrow/heap/slices:bytes", ledger.slice.bytes,
                  "Arrays, of slices and strings, in the heap, reachable or not yet swept."),
    LEVEL_STOPPED("/burrow/heap/structs:bytes", ledger.struct_.bytes,
                  "Single objects in the heap, and what is in arenas, reachable or not yet swept."),
    LEVEL(
        "/burrow/memory/cgroup-limit:bytes", group_limit,
        "The memory limit of the cgroups that the process is in, as the system tells it now; it is for the program to set "
        "bw_set_memory_limit by it. 18446744073709551615: none."),
    SECONDS("/cpu/classes/gc/mark/assist:cpu-seconds", cpu_assist,
            "Processor time of the program's threads that marked, since they outran a collection."),
    SECONDS("/cpu/classes/gc/mark/dedicated:cpu-seconds", cpu_mark, "Processor time of marking while the program ran."),
    SECONDS("/cpu/classes/gc/pause:cpu-seconds", cpu_pause,
            "Processor time that the program could not use while collections had it stopped: the length of the stops "
            "times GOMAXPROCS, however many threads marked meanwhile."),
    SECONDS("/cpu/classes/gc/total:cpu-seconds", cpu_gc,
            "The sum of all of /cpu/classes/gc. Compare it with /cpu/classes/total only."),
    SECONDS("/cpu/classes/total:cpu-seconds", cpu_all,
            "Processor time that the program could have used: GOMAXPROCS times the time since the start."),
    COUNT("/gc/cleanups/executed:cleanups", cleanups_run, "Cleanups that have run."),
    COUNT("/gc/cleanups/queued:cleanups", cleanups_queued,
          "Cleanups that have become due, whether or not they have run."),
    COUNT("/gc/cycles/automatic:gc-cycles", automatic, "Completed collections that began by themselves."),
    COUNT("/gc/cycles/forced:gc-cycles", forced, "Completed collections that the program asked for."),
    COUNT("/gc/cycles/total:gc-cycles", cycles, "All completed collections."),
    COUNT("/gc/finalizers/executed:finalizers", finalizers_run, "Finalizers that have run."),
    COUNT("/gc/finalizers/queued:finalizers", finalizers_queued,
          "Finalizers that have become due, whether or not they have run."),
    LEVEL("/gc/gogc:percent", gogc, "GOGC, or what bw_set_gc_percent set; 18446744073709551615: off."),
    LEVEL("/gc/gomemlimit:bytes", memory_limit,
          "GOMEMLIMIT, or what bw_set_memory_limit set; 9223372036854775807: none."),
    BY_SIZE("/gc/heap/allocs-by-size:bytes", allocs_by_size,
            "Objects that were allocated, by the size of their slots; those in arenas are not among them."),
    COUNT_STOPPED("/gc/heap/allocs:bytes", ledger.alloc.bytes,
                  "Memory that was allocated in the heap, by the size of slots."),
    COUNT_STOPPED("/gc/heap/allocs:objects", ledger.alloc.objects, "Objects that were allocated in the heap."),
    BY_SIZE("/gc/heap/frees-by-size:bytes", frees_by_size,
            "Objects that were reclaimed, by the size of their slots; those in arenas are not among them."),
    COUNT_STOPPED("/gc/heap/frees:bytes", ledger.reclaim.bytes,
                  "Memory of objects that were reclaimed: swept, freed, or in an arena that ended."),
    COUNT_STOPPED("/gc/heap/frees:objects", ledger.reclaim.objects,
                  "Objects that were reclaimed: swept, freed, or in an arena that ended."),
    LEVEL("/gc/heap/goal:bytes", goal, "The size of the heap at which the next collection is to end."),
    LEVEL("/gc/heap/live:bytes", live, "Memory of the objects that the last collection found alive."),
    LEVEL_STOPPED("/gc/heap/objects:objects", ledger.layout.objects,
                  "Objects in the heap, reachable or not yet swept."),
    LEVEL(
        "/gc/limiter/last-enabled:gc-cycle", limiter,
        "The number of the last collection after which the memory limit was not kept, since collecting would have taken "
        "more than half of the processors' time; 0: none."),
    LEVEL("/gc/scan/globals:bytes", scan_globals,
          "Static data, thread-local storage and registered roots that the last collection searched."),
    LEVEL_STOPPED("/gc/scan/heap:bytes", scan_heap, "Memory of the objects in the heap that may hold references."),
    LEVEL("/gc/scan/stack:bytes", scan_stack, "Stacks that the last collection searched."),
    LEVEL_STOPPED("/gc/scan/total:bytes", scan_all, "The sum of all of /gc/scan."),
    LEVEL("/memory/classes/heap/free:bytes", memory_free,
          "Memory of the heap that no span has, and that could be given back to the system."),
    LEVEL_STOPPED("/memory/classes/heap/objects:bytes", ledger.layout.bytes,
                  "Memory of the objects in the heap, reachable or not yet swept."),
    LEVEL("/memory/classes/heap/released:bytes", memory_released,
          "Memory of the heap that no span has, and that was given back to the system."),
    LEVEL_STOPPED("/memory/classes/heap/unused:bytes", unused, "Memory of spans that no object has."),
    LEVEL("/memory/classes/metadata/other:bytes", metadata,
          "Memory of the library's own: mark bytes, mark stacks, records of spans and layouts, tables."),
    LEVEL("/memory/classes/total:bytes", memory,
          "The sum of all of /memory/classes. Stacks are not in it, nor what the program has from malloc and mmap."),
    LEVEL("/sched/gomaxprocs:threads", processors, "GOMAXPROCS, or what bw_gomaxprocs set."),
    LEVEL_STOPPED("/sched/goroutines/not-in-go:goroutines", goroutines.outside, "Goroutines in bw_blocking."),
    LEVEL_STOPPED("/sched/goroutines/runnable:goroutines", goroutines.runnable,
                  "Goroutines that could run, and are in a queue."),
    LEVEL_STOPPED("/sched/goroutines/running:goroutines", goroutines.running,
                  "Goroutines that run. The program's threads, main's among them, are in none of these four."),
    LEVEL_STOPPED("/sched/goroutines/waiting:goroutines", goroutines.waiting,
                  "Goroutines that wait for something: a channel, a lock, a time, a descriptor."),
    LEVEL("/sched/goroutines:goroutines", goroutines.all, "Goroutines that there are, with the main thread."),
    TIMES(
        "/sched/pauses/stopping/gc:seconds", TIMES_STOPPING,
        "How long it took from deciding to stop the program for a collection until all threads stood, of each stop. A "
        "collection has one stop, or one beside the program two and its slices."),
    TIMES("/sched/pauses/stopping/other:seconds", TIMES_STOPPING_OTHER,
          "How long it took from deciding to stop the program for something else (the ledger, stacks, fork) until all "
          "threads stood, of each stop."),
    TIMES("/sched/pauses/total/gc:seconds", TIMES_STOPPED,
          "How long it took from deciding to stop the program for a collection until it went on, of each stop."),
    TIMES("/sched/pauses/total/other:seconds", TIMES_STOPPED_OTHER,
          "How long it took from deciding to stop the program for something else until it went on, of each stop."),
    LEVEL("/sched/threads/total:threads", threads,
          "Threads of the library's own: those that run goroutines, mark, sweep and run finalizers."),
};
#define METRICS (sizeof metrics / sizeof *metrics)

const bw_metric *bw_metric_at(size_t number) {
    return number < METRICS ? &metrics[number].described : NULL;
}

static const struct metric *find(const char *name) {
    size_t lo = 0, hi = METRICS;
    while (name != NULL && lo < hi) {
        size_t middle = (lo + hi) / 2;
        int order = strcmp(name, metrics[middle].described.name);
        if (order == 0)
            return &metrics[middle];
        if (order < 0)
            hi = middle;
        else
            lo = middle + 1;
    }
    return NULL;
}

/* --- taking them; the world is stopped --- */

static size_t size_of(const struct layout *layout) {
    return layout->slot_bytes ? bw__class_of(layout->slot_bytes) - 1 : SIZES - 1;
}

static void add_layout(struct now *now, const struct layout *layout) {
    if (layout->scan != SCAN_NONE)
        now->scan_heap += atomic_load(&layout->live.bytes);
    if (!layout->counts_inside) {
        now->allocs_by_size[size_of(layout)] += atomic_load(&layout->handed.objects);
        now->frees_by_size[size_of(layout)] += atomic_load(&layout->nil.objects) + atomic_load(&layout->zero.objects);
        return;
    }
    for (size_t i = 0; i < layout->span_count; i++)
        if (layout->spans[i])
            now->scan_heap += layout->spans[i]->inside.bytes;
}

/* Slots that no object is in yet. */
static void set_aside(void *context, struct layout *layout, bw__run *run, struct run_private *private_part) {
    (void)private_part;
    struct now *now = context;
    if (run->cur == run->end)
        return;
    uint64_t bytes = (uint64_t)(run->end - run->cur);
    now->allocs_by_size[size_of(layout)] -= bytes / layout->slot_bytes;
    if (layout->scan != SCAN_NONE)
        now->scan_heap -= bytes;
}

static void set_aside_by_thread(struct thread *thread, void *context) {
    if (thread->cache)
        cache_each_run(thread->cache, set_aside, context);
}

static void look(struct now *now) {
    ledger_look(&now->ledger); /* after that runs have told what they were given */
    for (uint32_t i = 0, count = atomic_load(&heap.layout_count); i < count; i++)
        add_layout(now, heap.layouts[i]);
    threads_each(set_aside_by_thread, now);
    struct memory_figures memory;
    memory_look(&memory);
    now->unused = memory.used - memory.free - now->ledger.layout.bytes;
    now->scan_all = now->scan_heap + figures.phases.data_bytes + figures.phases.stack_bytes;
}

/* --- and the rest, under the gc lock --- */

static void look_at_cycles(struct now *now) {
    now->gogc = (uint64_t)knobs.gc_percent;
    now->memory_limit = (uint64_t)knobs.memory_limit;
    now->cycles = figures.count;
    now->forced = figures.forced;
    now->automatic = now->cycles - now->forced;
    now->minor = figures.minor;
    now->limiter = pacer_limiter_enabled();
    now->beside_cycles = figures.beside.cycles;
    now->beside_rounds = figures.beside.rounds;
    now->beside_slices = figures.beside.slices;
    now->beside_pages = figures.beside.pages;
    now->goal = pacer_goal();
    now->live = figures.marked_bytes;
    now->scan_globals = figures.phases.data_bytes;
    now->scan_stack = figures.phases.stack_bytes;
    now->finalizers_run = atomic_load(&special_figures.finalizers_run);
    now->finalizers_queued = atomic_load(&special_figures.finalizers_queued);
    now->cleanups_run = atomic_load(&special_figures.cleanups_run);
    now->cleanups_queued = atomic_load(&special_figures.cleanups_queued);
}

static void look_at_memory(struct now *now) {
    struct memory_figures memory;
    memory_look(&memory);
    now->memory = memory.used + memory.marking + memory.records;
    now->memory_free = memory.free - memory.released;
    now->memory_released = memory.released;
    now->metadata = memory.marking + memory.records;
}

static void look_at_processors(struct now *now) {
    uint64_t stopped = atomic_load(&processor_times.pause_helpers), helpers = mark_all_helpers_ns();
    now->processors = (uint64_t)knobs_processors();
    now->threads = os_own_thread_count();
    now->cpu_burrow = (double)figures.processor_ns / 1e9;
    now->cpu_mark = (double)(figures.beside.processor_ns + helpers - stopped) / 1e9;
    now->cpu_pause = (double)atomic_load(&processor_times.pauses) / 1e9;
    now->cpu_assist = (double)mark_all_assists_ns() / 1e9;
    now->cpu_gc = now->cpu_mark + now->cpu_assist + now->cpu_pause;
    now->cpu_all = (double)times_processors_ns() / 1e9;
}

static void take(struct now *now, bool stops) {
    bw_compaction compaction;
    bw_read_compaction(&compaction);
    memset(now, 0, sizeof *now);
    now->compactions = compaction.count;
    now->moved = compaction.moved_bytes;
    now->emptied = compaction.emptied_bytes;
    now->goroutines.all = 1;
    const struct gc_scheduler_hooks *scheduler = gc_scheduler_hooks_if_linked();
    struct thread *self = thread_enter();
    gc_lock_acquire(self);
    if (stops)
        world_stop_other(self);
    if (stops)
        look(now);
    if (scheduler)
        scheduler->count(&now->goroutines, stops);
    look_at_memory(now);
    if (stops)
        world_start(self);
    look_at_cycles(now);
    look_at_processors(now);
    gc_lock_release();
    thread_leave(self);
}

/* --- giving them --- */

static void read_counts(const struct metric *metric, const struct now *now, uint64_t *counts) {
    if (metric->times == NULL) {
        memcpy(counts, (const char *)now + metric->field, metric->described.buckets * sizeof *counts);
        return;
    }
    for (size_t i = 0; i < metric->described.buckets; i++)
        counts[i] = atomic_load_explicit(&metric->times->counts[i], memory_order_relaxed);
}

static void read_histogram(const struct metric *metric, const struct now *now, bw_histogram *histogram) {
    size_t buckets = metric->described.buckets;
    if (histogram->room < buckets) {
        histogram->counts = bw_alloc_noscan(buckets * sizeof *histogram->counts);
        histogram->room = buckets;
    }
    histogram->buckets = buckets;
    histogram->bounds = metric->bounds;
    read_counts(metric, now, histogram->counts);
}

static uint64_t whole(const struct metric *metric, const struct now *now) {
    return *(const uint64_t *)((const char *)now + metric->field);
}

static double seconds(const struct metric *metric, const struct now *now) {
    return *(const double *)((const char *)now + metric->field);
}

static void give(const struct metric *metric, const struct now *now, bw_metric_sample *sample) {
    switch (sample->kind = metric->described.kind) {
    case BW_METRIC_UINT64: sample->u64 = whole(metric, now); break;
    case BW_METRIC_DOUBLE: sample->f64 = seconds(metric, now); break;
    case BW_METRIC_HISTOGRAM: read_histogram(metric, now, &sample->histogram); break;
    case BW_METRIC_BAD: break;
    }
}

size_t bw_metrics(bw_metric_sample *samples, size_t count) {
    size_t found = 0;
    bool stops = false, reads = false;
    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = find(samples[i].name);
        samples[i].kind = BW_METRIC_BAD;
        found += metric != NULL;
        stops = stops || (metric && metric->stops);
        reads = reads || (metric && metric->field == offsetof(struct now, group_limit));
    }
    if (found == 0)
        return 0;
    struct now now;
    take(&now, stops);
    if (reads)
        now.group_limit = os_memory_limit(); /* of files */
    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = find(samples[i].name);
        if (metric)
            give(metric, &now, &samples[i]);
    }
    return found;
}

/* --- as text --- */

/* The most that the bucket counts; of the one that has no end, the least. */
static double most_in(const struct metric *metric, size_t bucket) {
    double end = metric->bounds[bucket + 1];
    if (isinf(end))
        return metric->bounds[bucket];
    return metric->times ? end : end - 1; /* sizes are whole numbers */
}

/* What so many of all that were counted did not exceed. */
static double not_exceeded(const struct metric *metric, const uint64_t *counts, uint64_t wanted) {
    uint64_t sum = 0;
    for (size_t i = 0; i < metric->described.buckets; i++) {
        sum += counts[i];
        if (sum >= wanted && sum > 0)
            return most_in(metric, i);
    }
    return 0;
}

static void print_histogram(int fd, const struct metric *metric, const struct now *now) {
    uint64_t counts[TIMES_BUCKETS > SIZES ? TIMES_BUCKETS : SIZES], all = 0;
    read_counts(metric, now, counts);
    for (size_t i = 0; i < metric->described.buckets; i++)
        all += counts[i];
    os_print(fd, "%s count=%llu p50=%.9g p99=%.9g max=%.9g\n", metric->described.name, (unsigned long long)all,
             not_exceeded(metric, counts, all - all / 2), not_exceeded(metric, counts, all - all / 100),
             not_exceeded(metric, counts, all));
}

void bw_metrics_print(int fd) {
    struct now now;
    take(&now, true);
    now.group_limit = os_memory_limit();
    for (size_t i = 0; i < METRICS; i++) {
        const struct metric *metric = &metrics[i];
        const char *name = metric->described.name;
        if (metric->described.kind == BW_METRIC_HISTOGRAM)
            print_histogram(fd, metric, &now);
        else if (metric->described.kind == BW_METRIC_DOUBLE)
            os_print(fd, "%s %.9g\n", name, seconds(metric, &now));
        else
            os_print(fd, "%s %llu\n", name, (unsigned long long)whole(metric, &now));
    }
}
