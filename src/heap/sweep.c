/* sweep.c - after a collection: dead mark bytes become free slots, span by span, when somebody needs one or in the
 * background.
 *
 * A span is swept by whoever first changes span->swept from an older cycle to SWEEPING; others wait for that one. Only
 * swept spans are allocated from or freed into.
 */
#include "heap.h"

#include <string.h>

typedef uint8_t byte_vector __attribute__((vector_size(16), aligned(1), may_alias));
typedef int8_t signed_vector __attribute__((vector_size(16), aligned(1)));

/* Zeroes every byte that is not `live`; how many are. `count` is a multiple of 16 or the rest is done by the caller. */
RACES_WITH_READERS static size_t keep_live_vector(uint8_t *bytes, size_t count, uint8_t live) {
    size_t kept = 0;
    byte_vector wanted = (byte_vector){0} + live;
    for (size_t at = 0; at < count;) {
        byte_vector sums = {0};
        size_t stop = at + 16 * 255 < count ? at + 16 * 255 : count;
        for (; at < stop; at += 16) {
            byte_vector now = *(byte_vector *)(bytes + at);
            byte_vector same = (byte_vector)(now == wanted);
            sums -= same;
            *(byte_vector *)(bytes + at) = now & same;
        }
        for (int i = 0; i < 16; i++)
            kept += sums[i];
    }
    return kept;
}

RACES_WITH_READERS static size_t keep_live(uint8_t *bytes, size_t count, uint8_t live) {
    size_t whole = count & ~(size_t)15, kept = keep_live_vector(bytes, whole, live);
    for (size_t i = whole; i < count; i++) {
        if (bytes[i] == live)
            kept++;
        else
            bytes[i] = MARK_NONE;
    }
    return kept;
}

RACES_WITH_READERS static size_t keep_live_sparse(uint8_t *bytes, size_t stride, size_t slots, uint8_t live) {
    size_t kept = 0;
    for (size_t i = 0; i < slots; i++, bytes += stride) {
        if (*bytes == live)
            kept++;
        else if (*bytes != MARK_NONE)
            *bytes = MARK_NONE;
    }
    return kept;
}

static void poison_dead(const struct span *span, uint8_t live) {
    for (uint32_t i = 0; i < span->slots; i++) {
        uintptr_t object = span->base + i * span->object_bytes;
        uint8_t byte = *mark_byte(object);
        if (byte != live && byte != MARK_NONE)
            memset((void *)object, 0xdb, span->object_bytes);
    }
}

/* An arena that nothing refers to: all that was allocated in it. */
static void count_arena(struct layout *layout, bw_amount *inside) {
    atomic_fetch_add(&layout->handed.objects, inside->objects);
    atomic_fetch_add(&layout->handed.bytes, inside->bytes);
    atomic_fetch_add(&layout->nil.objects, inside->objects);
    atomic_fetch_add(&layout->nil.bytes, inside->bytes);
    *inside = (bw_amount){0, 0};
}

void layout_count_reclaimed(struct layout *layout, bw_amount amount) {
    if (amount.objects == 0)
        return;
    atomic_fetch_add_explicit(&layout->nil.objects, amount.objects, memory_order_relaxed);
    atomic_fetch_add_explicit(&layout->nil.bytes, amount.bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&layout->live.objects, amount.objects, memory_order_relaxed);
    atomic_fetch_sub_explicit(&layout->live.bytes, amount.bytes, memory_order_relaxed);
}

bool span_sweep(struct span *span, bw_amount *reclaimed) {
    uint32_t cycle = atomic_load(&heap.cycle), seen = atomic_load(&span->swept);
    if (seen == cycle)
        return false;
    if (seen == SWEEPING || !atomic_compare_exchange_strong(&span->swept, &seen, SWEEPING)) {
        for (int spins = 0; atomic_load(&span->swept) == SWEEPING; spins++) {
            if (spins < 1000)
                os_cpu_relax();
            else
                os_yield();
        }
        return false;
    }
    size_t before = atomic_load(&span->allocated);
    if (before == 0) { /* it has no byte that is not 0 */
        atomic_store_explicit(&span->swept, cycle, memory_order_release);
        return true;
    }
    uint8_t live = (uint8_t)atomic_load(&heap.live);
    uint8_t *bytes = mark_byte(span->base);
    size_t kept;
    if (heap.poison && span->state != SPAN_QUARANTINE)
        poison_dead(span, live);
    size_t stride = span->object_bytes >> GRANULE_SHIFT;
    if (span->slots == 1)
        kept = keep_live(bytes, 1, live);
    else if (stride <= 8)
        kept = keep_live(bytes, span->slots * stride, live);
    else
        kept = keep_live_sparse(bytes, stride, span->slots, live);
    OS_ASSERT(kept <= before);
    if (before > kept) {
        if (span->layout->counts_inside) {
            count_arena(span->layout, &span->inside);
        } else {
            reclaimed->objects += before - kept;
            reclaimed->bytes += (before - kept) * span->object_bytes;
        }
        atomic_store_explicit(&span->needs_zero, true, memory_order_relaxed);
        atomic_store_explicit(&span->allocated, (uint32_t)kept, memory_order_relaxed);
    }
    atomic_store_explicit(&span->swept, cycle, memory_order_release);
    return true;
}

void span_free_empty(struct span *span) {
    struct layout *layout = span->layout;
    os_lock_acquire(&layout->lock);
    layout_leave_hole(layout, span->index);
    os_lock_release(&layout->lock);
    pages_free(span);
}

/* The next span of the layout that nobody has swept in this cycle, now swept and owned by the caller; false: none is
 * left.
 *
 * Ownership is taken under the lock before the sweep, so that a span whose object another thread frees in between is
 * not offered to a third. Large objects are swept under the lock, since freeing one ends its span; only
 * dead ones are returned. */
bool layout_sweep_one(struct layout *layout, struct span **taken) {
    while (atomic_load_explicit(&layout->sweep_next, memory_order_relaxed) <
           atomic_load_explicit(&layout->sweep_count, memory_order_relaxed)) {
        os_lock_acquire(&layout->lock);
        size_t index = atomic_load(&layout->sweep_next), end = atomic_load(&layout->sweep_count);
        size_t stop = end - index < 256 ? end : index + 256; /* others wait for the lock */
        struct span *span = NULL;
        bool ours = false;
        /* Owned: a thread has taken it, out of turn, and sweeps it. */
        for (; index < stop && !ours; index++) {
            if (layout->homes[index] == HOME_EMPTY || (span = layout->spans[index]) == NULL)
                continue;
            ours = !atomic_load(&span->owned) && atomic_load(&span->swept) != atomic_load(&heap.cycle);
        }
        atomic_store(&layout->sweep_next, index);
        bw_amount reclaimed = {0, 0};
        if (ours && layout->slot_bytes == 0)
            ours = span_sweep(span, &reclaimed) && atomic_load(&span->allocated) == 0;
        else if (ours)
            atomic_store(&span->owned, true);
        os_lock_release(&layout->lock);
        if (ours && layout->slot_bytes != 0)
            span_sweep(span, &reclaimed);
        layout_count_reclaimed(layout, reclaimed);
        if (!ours)
            continue;
        *taken = span;
        return true;
    }
    return false;
}

/* A span that the caller took and has no use for: kept aside if nothing is left in it, offered if something is free. */
static void settle(struct layout *layout, struct span *span) {
    if (layout->slot_bytes != 0) {
        /* While it is owned nobody else offers it; an empty one has no object that somebody could free. */
        if (atomic_load(&span->allocated) == 0)
            layout_keep_empty(layout, span);
        else
            span_disown(span);
    } else {
        large_free(span);
    }
}

/* Threads that have a span in hand that is about to be kept, or to become free pages. */
static _Atomic uint32_t settling;

void heap_wait_settled(void) {
    while (atomic_load(&settling) > 0)
        os_yield();
}

void heap_settling(bool begins) {
    if (begins)
        atomic_fetch_add(&settling, 1);
    else
        atomic_fetch_sub(&settling, 1);
}

static bool sweep_one(struct layout *layout) {
    struct span *span;
    heap_settling(true);
    bool found = layout_sweep_one(layout, &span);
    if (found)
        settle(layout, span);
    heap_settling(false);
    return found;
}

static bool always(void) {
    return true;
}

void heap_sweep_some(bool (*go_on)(void)) {
    uint32_t count = atomic_load(&heap.layout_count);
    for (uint32_t i = 0; i < count; i++) {
        while (go_on() && sweep_one(heap.layouts[i])) {}
    }
}

void heap_sweep_all(void) {
    heap_sweep_some(always);
}

void heap_sweep_large(void) {
    uint32_t count = atomic_load(&heap.layout_count);
    for (uint32_t i = 0; i < count; i++) {
        while (heap.layouts[i]->slot_bytes == 0 && sweep_one(heap.layouts[i])) {}
    }
}

/* --- pages within spans --- */

size_t span_release_free_pages(const struct span *span) {
    size_t stride = span->object_bytes >> GRANULE_SHIFT, released = 0;
    const uint8_t *bytes = mark_byte(span->base);
    for (uint32_t slot = 0; slot < span->slots;) {
        if (mark_get(&bytes[slot * stride]) != MARK_NONE) {
            slot++;
            continue;
        }
        uint32_t end = slot + 1;
        while (end < span->slots && mark_get(&bytes[end * stride]) == MARK_NONE)
            end++;
        released += os_release_within(span->base + slot * span->object_bytes, span->base + end * span->object_bytes);
        slot = end;
    }
    return released;
}

size_t heap_release_within_spans(void) {
    size_t released = 0;
    uint32_t count = atomic_load(&heap.layout_count);
    for (uint32_t i = 0; i < count; i++) {
        struct layout *layout = heap.layouts[i];
        struct span *done = NULL, *span;
        if (layout->slot_bytes == 0)
            continue;
        /* Taken from the list, the spans are this thread's: nobody hands out their slots meanwhile. */
        while ((span = layout_take_partial(layout)) != NULL) {
            released += span_release_free_pages(span);
            span->next = done;
            done = span;
        }
        while ((span = done) != NULL) {
            done = span->next;
            span->next = NULL;
            span_disown(span);
        }
    }
    return released;
}
