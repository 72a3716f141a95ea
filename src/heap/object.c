/* object.c - freeing one object at once. */
#include "heap.h"

#include <string.h>

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
    count_freed(layout, span->object_bytes);
    if (span->state == SPAN_LARGE) {
        large_free(span);
        return;
    }
    if (heap.poison)
        memset((void *)object, 0xdb, span->object_bytes);
    atomic_store(&span->needs_zero, true);
    __atomic_store_n(mark_byte(object), MARK_NONE, __ATOMIC_RELEASE);
    /* The thread that owns the span finds the slot, or gives the span back; else it must be on the list. */
    layout_count_out(layout, span, 1);
}
