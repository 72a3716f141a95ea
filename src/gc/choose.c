/* choose.c - compaction by itself (compact=auto): when, and of what.
 *
 * It is due when less than half of the memory of spans that can be compacted is in use, at the moment when a collection
 * begins: then the heap is as full as it gets. Of small units those are chosen that give most for what has to be moved,
 * and no more than can be done in the time that the program allows: how long finding the references and moving take is
 * learned from the compactions before. What is left is due again at the next collection. */
#include "compact.h"

#define LEAST_WASTE ((size_t)8 << 20)
#define FIRST_BYTES ((size_t)4 << 20) /* moved where nothing is known of how long it takes */

/* Of the compactions until now: how long it took to find what refers to what moves, for each span that references are
 * in, and to move a byte. 0: not known. */
static double ns_per_span, ns_per_byte;

void compact_learn(const bw_compaction *compaction, size_t spans) {
    if (compaction == NULL) /* it may be that it took long once: some time it is tried again */
        ns_per_span *= 0.75;
    if (compaction && spans > 0)
        ns_per_span = (double)(compaction->pin_ns + compaction->update_ns) / (double)spans;
    if (compaction && compaction->moved_bytes > 0)
        ns_per_byte = (double)(compaction->plan_ns + compaction->move_ns) / (double)compaction->moved_bytes;
}

static void add_waste(const struct span *span, size_t *in_spans, size_t *in_objects) {
    *in_spans += span->pages << PAGE_SHIFT;
    *in_objects += atomic_load(&span->allocated) * span->object_bytes;
}

bool compact_is_due(void) {
    enum compact_mode mode = atomic_load(&knobs.compact);
    size_t in_spans = 0, in_objects = 0;
    if (mode != COMPACT_AUTO)
        return mode != COMPACT_OFF;
    /* Now, when it is as full as it gets, with all that has died since the last collection. */
    for (uint32_t i = 0, count = atomic_load(&heap.layout_count); i < count; i++) {
        struct layout *layout = heap.layouts[i];
        if (!compact_moves(layout))
            continue;
        os_lock_acquire(&layout->lock); /* the world runs: others add spans */
        for (size_t j = 0; j < layout->span_count; j++)
            if (layout->spans[j] && layout->homes[j] != HOME_EMPTY)
                add_waste(layout->spans[j], &in_spans, &in_objects);
        os_lock_release(&layout->lock);
    }
    return in_objects < in_spans / 2 && in_spans - in_objects > LEAST_WASTE;
}

#define PRICE_MOST (3 * 4096) /* a quarter of it is free */

/* How much is to be moved, and how much of that for each byte that becomes free. */
static void estimate(struct unit *unit) {
    size_t in_spans = 0, in_objects = 0;
    for (size_t i = 0; i < unit->span_count; i++)
        add_waste(unit->spans[i], &in_spans, &in_objects);
    unit->bytes = in_objects;
    unit->price = in_objects * 4096 / (in_spans - in_objects + 1);
}

static uintptr_t price(const void *unit) {
    return ((const struct unit *)unit)->price;
}

void compact_choose(struct unit **units, size_t count, size_t spans, int64_t pause) {
    size_t bytes = SIZE_MAX;
    if (pause > 0) {
        double left = (double)pause - ns_per_span * (double)spans;
        bytes = ns_per_byte == 0 ? FIRST_BYTES : left > 0 ? (size_t)(left / ns_per_byte) : 0;
    }
    for (size_t i = 0; i < count; i++)
        estimate(units[i]);
    heap_put_in_order((void **)units, count, price);
    for (size_t i = 0; i < count; i++) {
        units[i]->chosen = units[i]->price <= PRICE_MOST && units[i]->bytes <= bytes;
        if (units[i]->chosen)
            bytes -= units[i]->bytes;
    }
}

bool bw_set_compact_auto(bool on, int64_t pause_ns) {
    struct thread *self = thread_enter();
    gc_lock_acquire(self);
    bool before = atomic_load(&knobs.compact) != COMPACT_OFF;
    atomic_store(&knobs.compact, on ? COMPACT_AUTO : COMPACT_OFF);
    atomic_store(&knobs.compact_pause, pause_ns > 0 ? pause_ns : 0);
    gc_lock_release();
    thread_leave(self);
    return before;
}
