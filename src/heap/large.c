/* large.c - objects of over 32 KiB: a span of whole pages each. */
#include "heap.h"

#include <string.h>

struct span *large_reserve(struct layout *layout, size_t bytes, size_t align) {
    size_t rounded = (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    if (rounded < bytes)
        return NULL;
    struct span *span = pages_allocate(rounded >> PAGE_SHIFT, align >> PAGE_SHIFT);
    if (span == NULL)
        return NULL;
    span->layout = layout;
    span->object_bytes = rounded;
    span->slots = 1;
    span->reciprocal = 0;
    atomic_store(&span->needs_zero, true);
    atomic_store(&span->allocated, 1);
    atomic_store(&span->owned, false);
    span->filled = false;
    span->state = layout->counts_inside ? SPAN_ARENA : SPAN_LARGE;
    return span;
}

void large_zero(struct span *span) {
    size_t first = (span->base - heap.base) >> PAGE_SHIFT;
    for (size_t i = 0; i < span->pages;) {
        size_t stop = i;
        while (stop < span->pages && heap.page_dirty[first + stop])
            stop++;
        if (stop > i)
            memset((void *)(span->base + i * PAGE_BYTES), 0, (stop - i) * PAGE_BYTES);
        i = stop + 1;
    }
}

/* NULL: no memory to remember the span by. */
void *large_publish(struct span *span) {
    struct layout *layout = span->layout;
    /* A collection may have passed since the span was reserved. */
    atomic_store(&span->swept, atomic_load(&heap.cycle));
    if (!layout_add_span(layout, span, HOME_NOBODY)) {
        pages_free(span);
        return NULL;
    }
    pages_mark_dirty(span->base, span->pages);
    pages_set_span(span, span, layout->number);
    mark_set(mark_byte(span->base), (uint8_t)atomic_load(&heap.born));
    if (!layout->counts_inside) {
        atomic_fetch_add(&layout->handed.objects, 1);
        atomic_fetch_add(&layout->handed.bytes, span->object_bytes);
        atomic_fetch_add(&layout->live.objects, 1);
        atomic_fetch_add(&layout->live.bytes, span->object_bytes);
    }
    atomic_fetch_add(&heap.handed, span->object_bytes);
    return (void *)span->base;
}

bool large_free(struct span *span) {
    if (span->state == SPAN_QUARANTINE) {
        if (!span->filled && !pages_allow(span)) {
            mark_set(mark_byte(span->base), (uint8_t)atomic_load(&heap.live));
            atomic_store(&span->allocated, 1);
            return false;
        }
        if (!span->filled)
            pages_mark_clean(span->base, span->pages);
    }
    mark_set(mark_byte(span->base), MARK_NONE);
    span_free_empty(span);
    return true;
}
