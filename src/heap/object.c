/* object.c - freeing one object at once. */
#include "heap.h"

#include <string.h>

/* What was freed while marking goes on. A marker may have seen the object's byte before, and writes it after: so the slot
 * must not be another's until markers are done. */
static struct {
    os_lock lock;
    uintptr_t *list;
    size_t count, capacity;
} freed;

static bool defer(uintptr_t object) {
    bool noted = true;
    os_lock_acquire(&freed.lock);
    if (freed.count == freed.capacity) {
        size_t wanted = freed.capacity ? freed.capacity * 2 : 4096;
        uintptr_t *larger = os_map(wanted * sizeof *larger);
        if (larger) {
            if (freed.capacity) {
                memcpy(larger, freed.list, freed.count * sizeof *larger);
                os_unmap(freed.list, freed.capacity * sizeof *larger);
            }
            freed.list = larger;
            freed.capacity = wanted;
        } else {
            noted = false;
        }
    }
    if (noted)
        freed.list[freed.count++] = object;
    os_lock_release(&freed.lock);
    return noted;
}

static void count_freed(struct layout *layout, size_t bytes) {
    atomic_fetch_add(&layout->zero.objects, 1);
    atomic_fetch_add(&layout->zero.bytes, bytes);
    atomic_fetch_sub(&layout->live.objects, 1);
    atomic_fetch_sub(&layout->live.bytes, bytes);
}

void object_free(struct span *span, uintptr_t object) {
    struct layout *layout = span->layout;
    bw_amount reclaimed = {0, 0};
    span_sweep(span, &reclaimed);
    layout_count_reclaimed(layout, reclaimed);
    if (span->state == SPAN_LARGE) {
        count_freed(layout, span->object_bytes);
        large_free(span);
        return;
    }
    bool marking = heap_is_marking();
    if (marking && !defer(object))
        return; /* no memory for that: the next collection will find it */
    count_freed(layout, span->object_bytes);
    if (heap.poison)
        memset((void *)object, 0xdb, span->object_bytes);
    atomic_store(&span->needs_zero, true);
    __atomic_store_n(mark_byte(object), marking ? MARK_FREED : MARK_NONE, __ATOMIC_RELEASE);
    if (marking)
        return;
    /* The thread that owns the span finds the slot, or gives the span back; else it must be on the list. */
    layout_count_out(layout, span, 1);
}

void object_free_deferred(void) {
    for (size_t i = 0; i < freed.count; i++) {
        uint8_t *byte = mark_byte(freed.list[i]);
        if (mark_get(byte) == MARK_NONE)
            continue; /* it was freed twice, and a marker came in between, so that nobody noticed */
        struct span *span = span_of_offset(freed.list[i] - heap.base);
        mark_set(byte, MARK_NONE);
        layout_count_out(span->layout, span, 1);
    }
    freed.count = 0;
}
