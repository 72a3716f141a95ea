/* cycle.c - a collection, phase by phase.
 *
 * 1. Helpers that are wanted are made. The loader's lock is taken, so that the list of loaded objects holds still; then
 *    the gc lock.
 * 2. The sweep that the last collection left is finished; the span arrays are packed; the world stops.
 * 3. The byte that means alive changes; what is left of each thread's runs gets it; roots are listed.
 * 4. Marking, in parallel.
 * 5. Finalizers, ephemerons, weak pointers.
 * 6. Every span becomes unswept; the pacer sets the next trigger; the world starts.
 * 7. Large objects are swept at once, all else when somebody needs slots, or in the background.
 *
 * All of it under the gc lock: one collection at a time.
 */
#include "compact.h"

os_lock gc_lock;
struct cycle_figures figures;
struct gc_hooks gc_hooks;

static os_modules modules;
static struct roots roots;

void gc_lock_acquire(struct thread *self) {
    if (os_lock_try(&gc_lock))
        return;
    /* Whoever holds it may be stopping the world. */
    thread_safe_begin(self);
    os_lock_acquire(&gc_lock);
    thread_safe_end(self);
    OS_KEEP_FRAME();
}

void gc_lock_release(void) {
    os_lock_release(&gc_lock);
}

/* Of what the last marking found alive: the bytes it had to search, and by how much those had grown since the marking
 * before it, while so many bytes were handed out. */
static size_t last_searched, last_growth, last_handed;

/* No more markers than the work pays for: waking one, and the threads that slept meanwhile, costs about as much as
 * searching a MiB alone. The work is that of the last marking and, of what was allocated since, twice the share by
 * which it grew then; a sixteenth before anything is known. */
#define WORTH_BYTES ((size_t)1 << 20)
static int markers_wanted(bool minor) {
    size_t handed = atomic_load(&heap.handed), fresh = handed / 16;
    if (figures.count > 0)
        fresh = last_handed ? (size_t)(2 * (double)handed * (double)last_growth / (double)last_handed) : 0;
    size_t worth = 1 + ((minor ? 0 : last_searched) + fresh) / WORTH_BYTES;
    int processors = knobs_processors();
    return worth < (size_t)processors ? (int)worth : processors;
}

bool cycle_prefers_beside(void) {
    return marking_way() != MARKS_STOPPED;
}

struct cycle {
    uint64_t began;  /* to stop */
    uint64_t paused; /* before that */
    uint64_t marking_since;
    uint64_t marking;   /* it took, without what was searched again */
    uint64_t processor; /* the collecting thread's time beside the program, slices among it */
    bool paced, leaks, beside, minor;
    enum marking_way way; /* how it was to be marked; */
    bool fell_back;       /* in the end it was with the world stopped */
    int markers;
    size_t parked;      /* bytes of the stacks that were searched beside the program */
    size_t handed;      /* when marking began */
    size_t live;        /* then: what was there, alive or not */
    size_t first_pages; /* of the first round */
    uint64_t slice;     /* how long they are */
};

/* The program has the other processors. A copy of it marks alone. */
static int markers_beside(const struct cycle *cycle) {
    if (cycle->way == MARKS_SNAPSHOT)
        return 1;
    int half = knobs_processors() > 1 ? knobs_processors() / 2 : 1;
    return cycle->markers < half ? cycle->markers : half;
}

static void add_stack(void *unused, uintptr_t lo, uintptr_t hi) {
    (void)unused;
    roots_add(&roots, lo, hi, ROOT_STACK);
}
static void add_stack_and_push(void *unused, uintptr_t lo, uintptr_t hi) {
    add_stack(unused, lo, hi);
    roots.marked = roots.count;
    mark_push_stack((lo + 7) & ~(uintptr_t)7, hi & ~(uintptr_t)7);
}

/* Marks what is pushed, and what follows from watched objects being reached, to the fixed point. */
static void mark_watched(bool leaks) {
    do {
        uintptr_t object;
        mark_drain();
        while (mark_take_watched(&object)) {
            weak_maps_reached(object);
            if (leaks)
                gc_scheduler_hooks_if_linked()->leaks_reached(object, add_stack_and_push, NULL);
            mark_drain();
        }
    } while (weak_maps_visit());
}

void cycle_mark_reached(void) {
    mark_watched(false);
}

static void find_leaks(int markers) {
    gc_scheduler_hooks_if_linked()->leaks_alive(add_stack, NULL);
    mark_from_roots(&roots, markers);
    gc_scheduler_hooks_if_linked()->leaks_watch(add_stack_and_push, NULL);
    mark_watched(true);
    gc_scheduler_hooks_if_linked()->leaks_end(add_stack, NULL);
    mark_from_roots(&roots, markers);
    mark_watched(false);
}

/* The world is stopped. */
static void begin_marking(struct cycle *cycle) {
    struct cycle_phases *phases = &figures.phases;
    cycle->handed = atomic_load(&heap.handed);
    phases->bytes_before = figures.marked_bytes + atomic_load(&heap.handed);
    phases->goal_before = pacer_goal();
    if (gc_cycle_hooks_if_linked())
        gc_cycle_hooks_if_linked()->begins();
    mark_live = (uint8_t)atomic_load(&heap.live);
    if (!cycle->minor)
        mark_live ^= MARK_A | MARK_B;
    roots_collect(&roots, &modules,
                  cycle->leaks                  ? STACKS_NOT_LEAKED
                  : cycle->way == MARKS_STOPPED ? STACKS_ALL
                                                : STACKS_LATER);
    cycle->live = heap_live_bytes();
    mark_begin();
    specials_push_roots();
}

/* What the program lost to faults on protected pages since the last collection, as far as is known: of the pages that the
 * first pass found written, those that are not new. */
#define FAULT_NS 1000
static uint64_t faults_ns(const struct cycle *cycle) {
    size_t fresh = cycle->handed / os_page_bytes();
    return cycle->first_pages > fresh ? (cycle->first_pages - fresh) * FAULT_NS : 0;
}

static void finish_marking(struct cycle *cycle) {
    struct cycle_phases *phases = &figures.phases;
    uint64_t marked = os_now_ns();
    weak_maps_begin_mark();
    mark_watched(false);
    if (cycle->leaks)
        find_leaks(cycle->markers);
    phases->stack_bytes = roots.stack_bytes;
    phases->data_bytes = roots.data_bytes;
    weak_maps_finish_mark();
    specials_finish_mark();
    size_t born = 0;
    if (cycle->beside) {
        atomic_store(&heap.born, MARK_NEW);
        object_free_deferred();
        pages_free_deferred();
        born = atomic_load(&heap.handed) - cycle->handed;
    }
    if (knobs.verify) {
        if (cycle->beside)
            roots_add_stacks(&roots, STACKS_ALL);
        verify_marks(&roots);
    }
    atomic_store(&heap.live, mark_live);
    last_handed = atomic_exchange(&heap.handed, 0);
    heap_begin_sweep();
    size_t marked_bytes = mark_bytes_taken() + born, roots_bytes = phases->stack_bytes + phases->data_bytes;
    size_t searched = mark_bytes_searched() + roots_bytes;
    if (cycle->minor) {
        marked_bytes += figures.marked_bytes; /* less what was freed of that */
        if (marked_bytes > cycle->live + born)
            marked_bytes = cycle->live + born;
        searched += last_searched;
    }
    figures.marked_bytes = marked_bytes;
    last_growth = searched > last_searched ? searched - last_searched : 0;
    last_searched = searched;
    uint64_t end = os_now_ns(), paused = cycle->paused + end - cycle->began;
    uint64_t processor =
        paused + mark_helpers_ns() + mark_assists_ns() + (cycle->beside ? cycle->processor - phases->slices_ns : 0);
    uint64_t faults = cycle->minor ? faults_ns(cycle) : 0;
    pacer_after_cycle(&(struct pacer_cycle){.marked = figures.marked_bytes,
                                            .roots = roots_bytes,
                                            .handed = last_handed,
                                            .born = born,
                                            .paced = cycle->paced,
                                            .beside = cycle->beside && !cycle->fell_back,
                                            .minor = cycle->minor,
                                            .watched = beside_keeps_marks(),
                                            .young = mark_young_share(),
                                            .share = cycle->markers / markers_beside(cycle),
                                            .marking = cycle->marking,
                                            .processor = processor + faults,
                                            .pause = paused,
                                            .lasted = end - (cycle->beside ? cycle->marking_since : cycle->began)});
    phases->finish = cycle->beside ? end - cycle->began : end - marked;
    figures.pause[figures.count % 256] = paused;
    figures.pause_end[figures.count % 256] = os_wall_ns();
    figures.pause_total += paused;
    figures.processor_ns += processor;
    figures.minor += cycle->minor;
    if (cycle->beside) {
        if (cycle->processor > phases->slices_ns)
            figures.beside.processor_ns += cycle->processor - phases->slices_ns;
        figures.beside.cycles++;
        figures.beside.rounds += phases->rounds;
        figures.beside.slices += phases->slices;
        figures.beside.pages += phases->pages;
    }
    __atomic_store_n(&figures.count, figures.count + 1, __ATOMIC_RELEASE);
}

static void collect(struct cycle *cycle, bool begun) {
    uint64_t stopped = os_now_ns();
    figures.phases.rounds = figures.phases.slices = 0;
    figures.phases.minor = false;
    figures.phases.stop = stopped - cycle->began;
    if (!begun)
        begin_marking(cycle);
    mark_from_roots(&roots, cycle->markers);
    figures.phases.mark = os_now_ns() - stopped;
    cycle->marking = figures.phases.mark;
    beside_marked(false, false);
    finish_marking(cycle);
}

/* --- marking beside the program, in three parts --- */

/* The world is stopped, and the pages that are to be watched are protected, or a copy of the process is made. What the
 * roots refer to is noted, so that marking can begin; they are all searched again in the end. */
static void begin_beside(struct cycle *cycle) {
    begin_marking(cycle);
    mark_push_roots(&roots);
    cycle->beside = cycle->way != MARKS_SNAPSHOT || snapshot_begin();
    if (cycle->beside) {
        atomic_store(&heap.born, mark_live);
        roots.count = roots.marked = 0;
    } else {
        roots_add_stacks(&roots, STACKS_ALL);
        roots_stacks_are_not_noted();
    }
}

/* Rounds go on until so few pages were written that the last stop is short; a program that writes pages faster than they
 * are searched would not let them end. So when a round has found more than a quarter of the pages that the last one did,
 * from there on the program is stopped most of the time, in short slices, in which all processors search. What is searched
 * twice costs the program as much as being stopped: it should not write more meanwhile than it needs to get on. The first
 * round searches what was written during all of marking, and tells nothing yet. */
#define FEW_PAGES ((size_t)200)
#define SOME_PAGES                                                                                                     \
    ((size_t)64) /* told of at once: so the program has little time to write them again before they are searched; */
#define MANY_PAGES ((size_t)1024)         /* but where many are expected being told of them should cost less */
#define SLICE_NS ((uint64_t)275000)       /* from the request to stop to the last search, */
#define LONG_SLICE_NS ((uint64_t)4400000) /* or so long at last, where the program still writes faster than that */
#define BETWEEN_NS 2000                   /* asleep; waking up takes longer: the program has some 50000 */

/* A thread of the program's that wakes up where another runs gets the processor from it at the next tick of the system's
 * clock, unless that one gives way: a collector that did not would stop it for as long as 4 ms. So it does after so long,
 * and looks whether slices are wanted; and after it has woken threads. */
#define TURN_NS ((uint64_t)1000000)

/* Not where memory is handed out faster than the collection gets on. */
void cycle_give_way(void) {
    if (atomic_load(&heap.handed) <= atomic_load(&heap.trigger) + pacer_room())
        os_yield();
}

static void nap(int64_t ns) {
    static _Atomic uint32_t nobody;
    os_wait(&nobody, 0, ns);
}

/* Stops the world and searches; for half of the time at least, if stopping takes long. SAFE. */
static bool search_stopped(struct thread *self, struct cycle *cycle, int markers) {
    struct cycle_phases *phases = &figures.phases;
    os_lock_acquire(&gc_lock);
    thread_safe_end(self);
    uint64_t began = os_now_ns();
    atomic_store(&world_short, true);
    world_stop(self);
    uint64_t stopped = os_now_ns(), stopping = stopped - began;
    if (stopping > cycle->slice / 2)
        stopping = cycle->slice / 2;
    bool done = mark_until(&roots, markers, stopped + cycle->slice - stopping);
    uint64_t took = os_now_ns() - began;
    world_start(self);
    thread_safe_begin(self);
    gc_lock_release();
    cycle->paused += took;
    phases->slices++;
    phases->slices_ns += took;
    if (took > phases->longest_slice_ns)
        phases->longest_slice_ns = took;
    return done;
}

/* Until nothing is left. */
static void search(struct thread *self, struct cycle *cycle, int markers, size_t before, bool *slices) {
    bool first = figures.phases.rounds == 0;
    for (;;) {
        *slices = *slices || (!first && beside_pages() > before / 4 + FEW_PAGES);
        if (*slices) {
            if (search_stopped(self, cycle, cycle->markers))
                return;
            nap(BETWEEN_NS);
        } else if (mark_until(&roots, markers, os_now_ns() + TURN_NS)) {
            return;
        } else {
            cycle_give_way();
        }
    }
}

/* The program runs. False: which pages it wrote the system cannot tell any more. */
static bool mark_in_rounds(struct thread *self, struct cycle *cycle) {
    struct cycle_phases *phases = &figures.phases;
    uint64_t processor = os_thread_cpu_ns();
    phases->rounds = phases->slices = 0;
    phases->minor = cycle->minor;
    phases->slices_ns = phases->longest_slice_ns = phases->pages = 0;
    int markers = markers_beside(cycle);
    bool stacks = true;
    do {
        cycle_give_way();
        stacks = stacks && roots_push_some_stacks(&cycle->parked);
    } while (!mark_until(&roots, markers, os_now_ns() + TURN_NS) || stacks);
    cycle->marking = os_thread_cpu_ns() - processor;
    size_t pages = 0, before;
    bool slices = false, converges;
    cycle->slice = SLICE_NS;
    do {
        before = pages;
        roots_push_changed_stacks();
        beside_begin_pass(PASS_PROTECT, phases->rounds == 0 ? MANY_PAGES : SOME_PAGES);
        search(self, cycle, markers, before, &slices);
        cycle->processor = os_thread_cpu_ns() - processor;
        if (beside_pass_failed())
            return false;
        pages = beside_pages();
        if (phases->rounds++ == 0)
            cycle->first_pages = pages;
        phases->pages += pages;
        converges = phases->rounds <= 2 || pages < before - before / 4;
        if (!converges && pages > MANY_PAGES && cycle->slice < LONG_SLICE_NS) {
            cycle->slice *= 2;
            converges = true;
        }
    } while (pages > FEW_PAGES && converges);
    return true;
}

/* The same with a copy of the process that marks. */
static bool mark_in_copy(struct cycle *cycle) {
    struct cycle_phases *phases = &figures.phases;
    uint64_t processor = os_thread_cpu_ns();
    phases->rounds = phases->slices = 0;
    phases->slices_ns = phases->longest_slice_ns = phases->pages = 0;
    phases->snapshot = snapshot_take(&phases->snapshot_times);
    cycle->parked = phases->snapshot_times.stack_bytes;
    cycle->marking = phases->snapshot_times.processor_ns;
    cycle->processor = cycle->marking + os_thread_cpu_ns() - processor;
    return phases->snapshot;
}

/* The world is stopped again. If it failed, what was made meanwhile has the live byte and was not searched. */
static void finish_beside(struct cycle *cycle, bool failed) {
    figures.phases.stop = cycle->paused;
    figures.phases.mark = cycle->began - cycle->marking_since;
    roots_collect(&roots, &modules, failed ? STACKS_ALL : STACKS_CHANGED);
    roots.stack_bytes += cycle->parked;
    roots_stacks_are_not_noted();
    specials_push_roots();
    if (failed || cycle->way == MARKS_WATCHING)
        beside_begin_pass(failed ? PASS_ALL : PASS_TELL, MANY_PAGES);
    mark_from_roots(&roots, cycle->markers);
    if (beside_pass_failed()) {
        failed = true;
        beside_begin_pass(PASS_ALL, MANY_PAGES);
        mark_from_roots(&roots, cycle->markers);
    }
    if (cycle->way == MARKS_WATCHING)
        beside_marked(cycle->minor, failed);
    figures.phases.last_pages = beside_pages();
    cycle->fell_back = failed;
    if (failed)
        cycle->marking = os_now_ns() - cycle->began;
    finish_marking(cycle);
    snapshot_end();
}

/* After a collection, in the same stop. */
static bool compact(const struct cycle *cycle, bool by_itself) {
    uint64_t began = os_now_ns();
    bool done = compact_heap(&roots, cycle->markers, cycle->began, by_itself);
    uint64_t took = os_now_ns() - began;
    figures.pause[(figures.count - 1) % 256] += took;
    figures.pause_end[(figures.count - 1) % 256] = os_wall_ns();
    figures.pause_total += took;
    figures.processor_ns += took;
    return done;
}

struct request {
    struct thread *self;
    enum cycle_reason reason;
    uint32_t before;
    bool refused; /* it was to compact, and there was no memory for that */
    bool busy;    /* another goes on beside the program */
    bool done;    /* somebody else has done it */
    bool minor, forced;
    enum marking_way way;
    uint32_t protection; /* the number of the one that was made for it */
    struct cycle cycle;
};

/* A collection beside the program is begun under the gc lock, and ended under it by whoever comes first when it is MARKED:
 * who marked, or somebody who wants one, too, and who may hold the loader's lock already, for which the first would wait.
 * The gc lock is free in between, but no other collection begins. */
enum { NO_MARKING, MARKING, MARKED };
static struct {
    _Atomic uint32_t state;
    bool failed; /* which pages were written the system could not tell any more */
    struct request request;
} beside;

static void end_cycle(const struct request *request) {
    threads_reap();
    if (request->forced)
        figures.forced++;
    heap_sweep_large();
    if (observe_hooks.after_cycle)
        observe_hooks.after_cycle(request->forced ? " (forced)" : "");
}

/* What takes long and can be done before the loader's lock is taken. How many helpers are wanted. */
static int prepare(struct request *request) {
    gc_lock_acquire(request->self);
    int markers = request->reason == CYCLE_COMPACT ? knobs_processors() : markers_wanted(false);
    request->way = MARKS_STOPPED;
    request->minor = false;
    if (atomic_load(&beside.state) == NO_MARKING) {
        heap_sweep_all();
        /* Where the world would be stopped for less than a millisecond that is better. */
        if (request->reason == CYCLE_PACED || request->reason == CYCLE_FORCED)
            request->way = marking_way_tried();
        bool watches = request->way == MARKS_WATCHING;
        request->minor = watches && request->reason == CYCLE_PACED && pacer_wants_minor() && beside_keeps_marks();
        size_t most = pacer_minor_pages();
        if (request->minor && beside_count_written(most) > most) {
            pacer_minor_refused();
            request->minor = false;
        }
        if (request->minor)
            request->protection = beside_go_on_watching();
        else if (watches && !beside_protect(&request->protection))
            request->way = MARKS_STOPPED;
    }
    gc_lock_release();
    return markers - 1;
}

/* With the loader's lock held, so that nobody is within dlopen; SAFE. */
static void run_locked(void *argument) {
    struct request *request = argument;
    struct thread *self = request->self;
    os_lock_acquire(&gc_lock);
    thread_safe_end(self);
    request->busy = atomic_load(&beside.state) != NO_MARKING;
    request->done = request->reason == CYCLE_PACED && figures.count != request->before;
    if (request->busy || request->done) {
        gc_lock_release(); /* somebody did it while this thread waited, or does it now */
        return;
    }
    heap_sweep_all();
    heap_pack_layouts();
    compact_allow();
    struct cycle *cycle = &request->cycle;
    *cycle = (struct cycle){.paced = request->reason == CYCLE_PACED, .markers = markers_wanted(request->minor)};
    cycle->leaks = gc_scheduler_hooks_if_linked() && (knobs.leaks || request->reason == CYCLE_LEAKS);
    request->forced =
        request->reason == CYCLE_FORCED || request->reason == CYCLE_LEAKS || request->reason == CYCLE_COMPACT;
    bool by_itself = request->reason != CYCLE_COMPACT && compact_is_due();
    bool compacts = request->reason == CYCLE_COMPACT || by_itself;
    if (compacts)
        cycle->markers = knobs_processors();
    cycle->way = compacts || cycle->leaks ? MARKS_STOPPED : request->way;
    cycle->beside = cycle->way != MARKS_STOPPED;
    cycle->minor =
        cycle->beside && request->minor && beside_keeps_marks(); /* or another thread has protected all since */
    figures.phases.snapshot = false;
    figures.phases.failed = NULL;
    cycle->began = os_now_ns();
    atomic_store(&world_short, cycle->markers == 1 || cycle->beside);
    world_stop(self); /* its place is where it became SAFE: nothing of the program's is below */
    if (cycle->way != MARKS_STOPPED)
        begin_beside(cycle);
    if (cycle->beside) {
        world_start(self);
        cycle->marking_since = os_now_ns();
        cycle->paused = cycle->marking_since - cycle->began;
        beside.request = *request;
        atomic_store(&beside.state, MARKING);
        gc_lock_release();
        return;
    }
    collect(cycle, cycle->way != MARKS_STOPPED);
    if (request->protection == 0 && beside_keeps_marks())
        request->protection = beside_go_on_watching();
    if (compacts)
        request->refused = !compact(cycle, by_itself);
    world_start(self);
    end_cycle(request);
    if (by_itself)
        compact_tell();
    gc_lock_release();
}

/* As run_locked, after marking beside the program. */
static void run_last(void *argument) {
    struct thread *self = argument;
    os_lock_acquire(&gc_lock);
    thread_safe_end(self);
    if (atomic_load(&beside.state) == MARKED) {
        beside.request.cycle.began = os_now_ns();
        atomic_store(&world_short, true);
        world_stop(self);
        finish_beside(&beside.request.cycle, beside.failed);
        world_start(self);
        end_cycle(&beside.request);
        atomic_store(&beside.state, NO_MARKING);
        os_wake(&beside.state, INT32_MAX);
    }
    gc_lock_release();
    OS_KEEP_FRAME();
}

/* fork must not find a thread of the library's holding the loader's lock: the child could never take it. It cannot take
 * that lock itself, which is held only within a callback; so it shuts this gate and waits until nobody is behind it. */
static _Atomic uint32_t loader_gate, behind_gate;

static void pass_loader_gate(void) {
    for (;;) {
        atomic_fetch_add(&behind_gate, 1);
        if (atomic_load(&loader_gate) == 0)
            return;
        atomic_fetch_sub(&behind_gate, 1);
        os_wake(&behind_gate, 1);
        os_wait(&loader_gate, 1, -1);
    }
}

static void leave_loader_gate(void) {
    atomic_fetch_sub(&behind_gate, 1);
    if (atomic_load(&loader_gate))
        os_wake(&behind_gate, 1);
}

static void cycle_shut_loader_gate(struct thread *self) {
    uint32_t open = 0, count;
    thread_safe_begin(self);
    for (; !atomic_compare_exchange_strong(&loader_gate, &open, 1); open = 0)
        os_wait(&loader_gate, 1, -1); /* another thread forks */
    while ((count = atomic_load(&behind_gate)) != 0)
        os_wait(&behind_gate, count, 1000000);
    thread_safe_end(self);
    OS_KEEP_FRAME();
}

static void cycle_open_loader_gate(void) {
    atomic_store(&loader_gate, 0);
    os_wake(&loader_gate, INT32_MAX);
}

static void end_marked(struct thread *self) {
    thread_safe_begin(self);
    pass_loader_gate();
    os_with_modules(&modules, run_last, self);
    leave_loader_gate();
}

/* Until no collection goes on beside the program. */
void cycle_wait_for_marking(struct thread *self) {
    uint64_t since = os_now_ns();
    thread_safe_begin(self);
    while (atomic_load(&beside.state) == MARKING)
        os_wait(&beside.state, MARKING, -1);
    thread_safe_end(self);
    times_add(TIMES_ASSISTS, os_now_ns() - since);
    if (atomic_load(&beside.state) == MARKED)
        end_marked(self);
    OS_KEEP_FRAME();
}

/* Then the gc lock is the caller's, so that none begins either. */
static bool marking_is_over(struct thread *self) {
    gc_lock_acquire(self);
    bool over = atomic_load(&beside.state) == NO_MARKING;
    if (!over)
        gc_lock_release();
    return over;
}

void cycle_lock(struct thread *self) {
    while (!marking_is_over(self))
        cycle_wait_for_marking(self);
}

void cycle_hold(struct thread *self) {
    for (;;) {
        cycle_shut_loader_gate(self);
        if (marking_is_over(self))
            return;
        cycle_open_loader_gate();
        cycle_wait_for_marking(self);
    }
}

void cycle_let_go(void) {
    gc_lock_release();
    cycle_open_loader_gate();
}

struct stopped_call {
    struct thread *self;
    void (*body)(void *);
    void *argument;
};

static void call_stopped(void *argument) {
    struct stopped_call *call = argument;
    struct thread *self = call->self;
    os_lock_acquire(&gc_lock);
    thread_safe_end(self);
    world_stop_other(self);
    call->body(call->argument);
    world_start(self);
    gc_lock_release();
    OS_KEEP_FRAME();
}

void world_stopped_do(struct thread *self, void (*body)(void *), void *argument) {
    struct stopped_call call = {self, body, argument};
    thread_safe_begin(self);
    pass_loader_gate();
    os_with_modules(&modules, call_stopped, &call);
    leave_loader_gate();
    OS_KEEP_FRAME();
}

static bool run_in_clean_frame(struct thread *self, enum cycle_reason reason, uint32_t before);

void cycle_run_due(struct thread *self) {
    uint32_t before = __atomic_load_n(&figures.count, __ATOMIC_ACQUIRE);
    if (atomic_load(&heap.handed) >= atomic_load(&heap.trigger))
        run_in_clean_frame(self, CYCLE_PACED, before);
}

void cycle_run_paced(struct thread *self) {
    uint32_t before = __atomic_load_n(&figures.count, __ATOMIC_ACQUIRE);
    size_t handed = atomic_load_explicit(&heap.handed, memory_order_relaxed);
    size_t trigger = atomic_load_explicit(&heap.trigger, memory_order_relaxed);
    /* Whether it works is tried here, not by the collector's thread, since it opens files: the program may be between
     * closing a file and opening another that is to get its number. */
    if (handed >= trigger && marking_way_tried() != MARKS_STOPPED) {
        bool runs = collector_is_busy() || atomic_load(&beside.state) != NO_MARKING;
        size_t over = handed - trigger, room = pacer_room();
        if (runs && over > room)
            collector_slow_down(self, over - room, room);
        if (runs || collector_ask(self))
            return;
    }
    /* A thread that waited for another's collection would sleep, and wake up late. It goes on until it is stopped, or
     * has gone on too long since the other waits itself. */
    if (handed < trigger || (atomic_load(&behind_gate) > 0 && handed - trigger < trigger / 8))
        return;
    run_in_clean_frame(self, CYCLE_PACED, before);
}

bool cycle_run(struct thread *self, enum cycle_reason reason) {
    /* Without the lock: if this is an older number, one collection less is saved below. */
    return run_in_clean_frame(self, reason, __atomic_load_n(&figures.count, __ATOMIC_RELAXED));
}

/* `before`: the number of collections when it was seen that one is due; if there are more by now it is not. */
static __attribute__((noinline)) bool run(struct thread *self, enum cycle_reason reason, uint32_t before) {
    struct request request = {.self = self, .reason = reason, .before = before};
    uint64_t since;
    do {
        if (request.busy)
            cycle_wait_for_marking(self);
        since = os_now_ns();
        int helpers = prepare(&request);
        thread_safe_begin(self);
        pass_loader_gate();
        mark_make_helpers(helpers);
        os_with_modules(&modules, run_locked, &request);
        leave_loader_gate();
    } while (request.busy);
    if (request.done)
        times_add(TIMES_ASSISTS, os_now_ns() - since);
    if (request.cycle.beside) {
        self->marking = true;
        thread_safe_begin(self);
        bool watches = request.cycle.way == MARKS_WATCHING;
        beside.failed = !(watches ? mark_in_rounds(self, &request.cycle) : mark_in_copy(&request.cycle));
        beside.request.cycle = request.cycle;
        thread_safe_end(self);
        self->marking = false;
        atomic_store(&beside.state, MARKED);
        os_wake(&beside.state, INT32_MAX);
        end_marked(self);
        collector_ended();
    }
    if (request.protection != 0 && !pacer_wants_minor())
        beside_end_watching(self, request.protection);
    memory_keep_limit();
    specials_start_threads(self);
    background_after_cycle(self);
    ahead_start(self);
    if (knobs.leaks && gc_scheduler_hooks_if_linked())
        gc_scheduler_hooks_if_linked()->leaks_told(self);
    OS_KEEP_FRAME();
    return !request.refused;
}

/* The frame of `run` is searched, and has room in it that nothing is written to: there would lie what frames before it left,
 * and keep objects alive. */
__attribute__((noinline, no_sanitize("address"))) static void clear_below(void) {
    volatile uintptr_t words[128];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        words[i] = 0;
}

static __attribute__((noinline)) bool run_in_clean_frame(struct thread *self, enum cycle_reason reason,
                                                         uint32_t before) {
    clear_below();
    return run(self, reason, before);
}
