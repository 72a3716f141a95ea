/* ledger.c - the ledger: sums over layouts, with the world stopped, less what threads have set aside and not allocated.
 *
 * Every layout counts four things when a run is handed to a thread, when a span is swept and when an object is freed:
 * handed, nil, zero, and, by its own additions and subtractions, live. While the world is stopped no thread is between
 * two of these, so that the identities are sums of equal terms; verify.c counts the heap's objects one by one and
 * compares.
 */
#include "observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bw_amount read_amount(const struct amount *amount) {
    return (bw_amount){atomic_load(&amount->bytes), atomic_load(&amount->objects)};
}

static void add(bw_amount *to, bw_amount amount) {
    to->bytes += amount.bytes;
    to->objects += amount.objects;
}

static void subtract(bw_amount *from, uint64_t bytes, uint64_t objects) {
    from->bytes -= bytes;
    from->objects -= objects;
}

static bw_amount *kind_of(bw_ledger_t *ledger, const struct layout *layout) {
    switch (layout->kind) {
    case KIND_SLICE: return &ledger->slice;
    case KIND_MAP: return &ledger->map;
    case KIND_CHANNEL: return &ledger->channel;
    case KIND_INTERFACE: return &ledger->interface_;
    default: return &ledger->struct_;
    }
}

static bw_amount *safe_of(bw_ledger_t *ledger, const struct layout *layout) {
    switch (layout->safe) {
    case SAFE_SYNC: return &ledger->sync;
    case SAFE_ATOMIC: return &ledger->atomic;
    case SAFE_ERROR: return &ledger->error;
    default: return NULL;
    }
}

/* What runs were given since the last collection joins the layouts' counts. */
static void report(void *context, struct layout *layout, bw__run *run, struct run_private *private_part) {
    (void)context, (void)run;
    run_report(layout, private_part);
}

static void report_thread(struct thread *thread, void *context) {
    if (thread->cache)
        cache_each_run(thread->cache, report, context);
}

static void set_aside(void *context, struct layout *layout, bw__run *run, struct run_private *private_part) {
    (void)private_part;
    bw_ledger_t *ledger = context;
    if (run->cur == run->end)
        return;
    uint64_t bytes = (uint64_t)(run->end - run->cur), objects = bytes / layout->slot_bytes;
    subtract(layout->by_make ? &ledger->make : &ledger->new_, bytes, objects);
    subtract(kind_of(ledger, layout), bytes, objects);
    bw_amount *safe = safe_of(ledger, layout);
    if (safe)
        subtract(safe, bytes, objects);
}

static void set_aside_by_thread(struct thread *thread, void *context) {
    if (thread->cache)
        cache_each_run(thread->cache, set_aside, context);
}

/* What is in arenas that have not ended; their first chunks count it. */
static void add_arenas(bw_ledger_t *ledger, const struct layout *layout) {
    for (size_t i = 0; i < layout->span_count; i++)
        if (layout->spans[i]) {
            add(&ledger->new_, layout->spans[i]->inside);
            add(&ledger->struct_, layout->spans[i]->inside);
        }
}

static void sum(bw_ledger_t *ledger) {
    uint32_t count = atomic_load(&heap.layout_count);
    threads_each(report_thread, NULL);
    for (uint32_t i = 0; i < count; i++) {
        const struct layout *layout = heap.layouts[i];
        add(layout->by_make ? &ledger->make : &ledger->new_, read_amount(&layout->handed));
        add(&ledger->nil, read_amount(&layout->nil));
        add(&ledger->zero, read_amount(&layout->zero));
        add(kind_of(ledger, layout), read_amount(&layout->live));
        bw_amount *safe = safe_of(ledger, layout);
        if (safe)
            add(safe, read_amount(&layout->live));
    }
    for (uint32_t i = 0; i < count; i++)
        if (heap.layouts[i]->counts_inside)
            add_arenas(ledger, heap.layouts[i]);
    threads_each(set_aside_by_thread, ledger);
}

static bw_amount plus(bw_amount a, bw_amount b) {
    return (bw_amount){a.bytes + b.bytes, a.objects + b.objects};
}

void ledger_look(bw_ledger_t *ledger) {
    memset(ledger, 0, sizeof *ledger);
    sum(ledger);
    ledger->alloc = plus(ledger->new_, ledger->make);
    ledger->reclaim = plus(ledger->nil, ledger->zero);
    ledger->layout =
        plus(plus(plus(ledger->struct_, ledger->slice), plus(ledger->map, ledger->channel)), ledger->interface_);
    ledger->safe = plus(plus(ledger->sync, ledger->atomic), ledger->error);
}

void ledger_take(struct thread *self, bw_ledger_t *ledger) {
    gc_lock_acquire(self);
    world_stop_other(self);
    ledger_look(ledger);
    world_start(self);
    gc_lock_release();
}

void bw_ledger(bw_ledger_t *ledger) {
    struct thread *self = thread_enter();
    ledger_take(self, ledger);
    thread_leave(self);
}

/* --- as a table --- */

static void row(int fd, const char *name, bw_amount amount, const char *what) {
    os_print(fd, "  %-10s %16llu %14llu  %s\n", name, (unsigned long long)amount.bytes,
             (unsigned long long)amount.objects, what);
}

void bw_ledger_print(int fd) {
    bw_ledger_t l;
    bw_ledger(&l);
    os_print(fd, "ledger                bytes        objects\n");
    row(fd, "alloc", l.alloc, "= new + make: handed to the program since it started");
    row(fd, "  new", l.new_, "single objects");
    row(fd, "  make", l.make, "arrays, maps, channels");
    row(fd, "reclaim", l.reclaim, "= nil + zero: taken back");
    row(fd, "  nil", l.nil, "found unreachable by the collector");
    row(fd, "  zero", l.zero, "freed, released to 0, or in an arena that ended");
    row(fd, "layout", l.layout, "= alloc - reclaim: now in the heap");
    row(fd, "  struct", l.struct_, "");
    row(fd, "  slice", l.slice, "");
    row(fd, "  map", l.map, "");
    row(fd, "  channel", l.channel, "");
    row(fd, "  interface", l.interface_, "");
    row(fd, "safe", l.safe, "= sync + atomic + error, of those in layout");
}

static void print_at_exit(void) {
    if (knobs.ledger_at_exit)
        bw_ledger_print(2);
    if (knobs.metrics_at_exit)
        bw_metrics_print(2);
}

static void want_at_exit(void) {
    atexit(print_at_exit);
}

/* The floors below call up through these. */
__attribute__((visibility("hidden"))) const struct gc_hooks observe_hooks = {
    .after_cycle = trace_cycle,
    .after_compaction = trace_compaction,
    .at_exit = want_at_exit,
};
