/* cycle.c - a collection, phase by phase.
 *
 * 1. The sweep that the last collection left is finished; the span arrays are packed.
 * 2. The loader's lock is taken, so that the list of loaded objects holds still; the world stops.
 * 3. The byte that means alive changes; what is left of each thread's runs gets it; roots are listed.
 * 4. Marking, in parallel.
 * 5. Finalizers, ephemerons, weak pointers.
 * 6. Every span becomes unswept; the pacer sets the next trigger; the world starts.
 * 7. Large objects are swept at once, all else when somebody needs slots, or in the background.
 *
 * All of it under the gc lock: one collection at a time.
 */
#include "gc.h"

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
}

void gc_lock_release(void) {
    os_lock_release(&gc_lock);
}

struct stopped_call {
    struct thread *self;
    void (*body)(void *);
    void *argument;
};

static void call_stopped(void *argument) {
    struct stopped_call *call = argument;
    world_stop(call->self);
    call->body(call->argument);
    world_start(call->self);
}

void world_with_stopped(struct thread *self, void (*body)(void *), void *argument) {
    struct stopped_call call = {self, body, argument};
    OS_SPILL_REGISTERS();
    self->stack_pointer = os_stack_pointer();
    self->alternate = (os_range){0, 0};
    os_with_modules(&modules, call_stopped, &call);
}

/* No more markers than the heap pays for: waking one costs as much as marking some hundred KiB. */
static int markers_wanted(void) {
    size_t bytes = figures.marked_bytes + atomic_load(&heap.handed) / 4;
    size_t worth = 1 + bytes / ((size_t)1 << 20);
    return worth < (size_t)knobs.processors ? (int)worth : knobs.processors;
}

struct cycle {
    uint64_t began; /* to stop */
};

static void collect(void *argument) {
    struct cycle *cycle = argument;
    struct cycle_phases *phases = &figures.phases;
    uint64_t stopped = os_now_ns();
    phases->stop = stopped - cycle->began;
    phases->bytes_before = figures.marked_bytes + atomic_load(&heap.handed);
    phases->goal_before = pacer_goal();
    mark_live = atomic_load(&heap.live) == MARK_A ? MARK_B : MARK_A;
    roots_collect(&roots, &modules);
    phases->stack_bytes = roots.stack_bytes;
    phases->data_bytes = roots.data_bytes;
    mark_begin();
    specials_push_roots();
    mark_from_roots(&roots, markers_wanted());
    uint64_t marked = os_now_ns();
    phases->mark = marked - stopped;
    weak_maps_finish_mark();
    specials_finish_mark();
    if (knobs.verify)
        verify_marks(&roots);
    atomic_store(&heap.live, mark_live);
    atomic_store(&heap.handed, 0);
    heap_begin_sweep();
    figures.marked_bytes = mark_bytes_taken();
    pacer_after_cycle(figures.marked_bytes, roots.stack_bytes + roots.data_bytes);
    uint64_t end = os_now_ns();
    phases->finish = end - marked;
    figures.pause[figures.count % 256] = end - cycle->began;
    figures.pause_end[figures.count % 256] = os_wall_ns();
    figures.pause_total += end - cycle->began;
    figures.processor_ns += end - cycle->began + mark_helpers_ns();
    figures.count++;
}

void cycle_run(struct thread *self, enum cycle_reason reason) {
    uint32_t before = figures.count;
    gc_lock_acquire(self);
    if (reason == CYCLE_PACED && figures.count != before) {
        gc_lock_release(); /* somebody did it while this thread waited */
        return;
    }
    heap_sweep_all();
    heap_pack_layouts();
    struct cycle cycle = {os_now_ns()};
    world_with_stopped(self, collect, &cycle);
    if (reason == CYCLE_FORCED)
        figures.forced++;
    heap_sweep_large();
    if (observe_hooks.after_cycle)
        observe_hooks.after_cycle(reason == CYCLE_FORCED ? " (forced)" : "");
    gc_lock_release();
    specials_start_threads();
    background_after_cycle();
}
