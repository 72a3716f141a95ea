/* layout.c - layouts: numbering them, and the ones that every program has. */
#include "heap.h"

#include <string.h>

/* Tables of this many layouts are reserved; they are committed as layouts come. A layout is made for each type and size
 * of array that a program uses, so that this is out of reach. */
#define MOST_LAYOUTS ((size_t)1 << 22)
#define FEWER_LAYOUTS ((size_t)1 << 16) /* where address space is limited */
#define TABLE_STEP ((size_t)4096)

static os_lock layouts_lock;
static size_t layouts_committed, layouts_most;

/* Enough slots that taking a span is rare beside using it, few enough that a span is not large beside its slots. */
uint32_t layout_span_pages(size_t slot_bytes) {
    size_t wanted = slot_bytes * 1024;
    if (wanted > 32768)
        wanted = 32768;
    if (wanted < slot_bytes * 16)
        wanted = slot_bytes * 16;
    if (wanted > 131072)
        wanted = 131072;
    size_t pages = (wanted + PAGE_BYTES - 1) >> PAGE_SHIFT;
    /* No more than a sixteenth lost at the end. */
    while ((pages << PAGE_SHIFT) % slot_bytes > (pages << PAGE_SHIFT) / 16)
        pages++;
    return (uint32_t)pages;
}

static bool commit_tables(size_t count) {
    while (layouts_committed < count) {
        if (layouts_committed == layouts_most)
            return false;
        if (!os_commit(heap.layouts + layouts_committed, TABLE_STEP * sizeof *heap.layouts) ||
            !os_commit(heap.scans + layouts_committed, TABLE_STEP * sizeof *heap.scans))
            return false;
        layouts_committed += TABLE_STEP;
    }
    return true;
}

/* Layouts live as long as the process. */
static struct layout *record_new(void) {
    static struct layout *slab;
    static size_t left;
    if (left == 0) {
        size_t bytes = 65536;
        slab = os_map(bytes);
        if (slab == NULL)
            return NULL;
        left = bytes / sizeof *slab;
        atomic_fetch_add(&heap.span_records, bytes);
    }
    left--;
    return slab++;
}

struct layout *layout_new(const struct layout *like) {
    os_lock_acquire(&layouts_lock);
    uint32_t number = atomic_load(&heap.layout_count);
    struct layout *layout = NULL;
    if (commit_tables((size_t)number + 1) && (layout = record_new()) != NULL) {
        memcpy(layout, like, sizeof *layout);
        layout->number = number;
        if (layout->slot_bytes) {
            layout->span_pages = layout_span_pages(layout->slot_bytes);
            layout->slots = (uint32_t)(((size_t)layout->span_pages << PAGE_SHIFT) / layout->slot_bytes);
            layout->reciprocal = reciprocal_of(layout->slot_bytes >> GRANULE_SHIFT);
        } else {
            layout->large = layout;
        }
        heap.scans[number] = (struct scan){layout->scan == SCAN_BITS ? layout->pointer_map[0] : 0,
                                           layout->slot_bytes / (uint32_t)sizeof(void *), layout->scan, layout->spare};
        heap.layouts[number] = layout;
        atomic_store(&heap.layout_count, number + 1);
    }
    os_lock_release(&layouts_lock);
    return layout;
}

/* Slot numbers of the public header: a family is BW__CLASSES slots, of which the first, that no size class uses, stands
 * for its large objects. */
struct layout *layout_untyped(uint32_t slot) {
    return heap.layouts[slot];
}

const char *layout_name(const struct layout *layout) {
    if (layout->name)
        return layout->name;
    return layout->scan == SCAN_NONE ? "pointer-free bytes" : "untyped words";
}

static bool reserve_tables(size_t most) {
    heap.layouts = os_reserve(most * sizeof *heap.layouts, 0);
    heap.scans = heap.layouts ? os_reserve(most * sizeof *heap.scans, 0) : NULL;
    if (heap.scans == NULL && heap.layouts != NULL)
        os_unreserve(heap.layouts, most * sizeof *heap.layouts);
    layouts_most = most;
    return heap.scans != NULL;
}

void layouts_make(void) {
    bool made = reserve_tables(MOST_LAYOUTS) || reserve_tables(FEWER_LAYOUTS);
    static const uint8_t family_scan[2] = {SCAN_NONE, SCAN_WORDS};
    for (int family = 0; family < 2 && made; family++) {
        struct layout *large = layout_new(&(struct layout){.scan = family_scan[family]});
        made = large != NULL;
        for (uint32_t size_class = 1; size_class < BW__CLASSES && made; size_class++)
            made = layout_new(&(struct layout){
                       .slot_bytes = bw__class_bytes(size_class), .scan = family_scan[family], .large = large}) != NULL;
    }
    if (!made)
        os_fatal("runtime: out of memory: cannot make the heap's tables");
}

/* --- the spans of a layout --- */

/* The two arrays of a layout are one mapping. */
static size_t span_array_bytes(size_t capacity) {
    return capacity * (sizeof(struct span *) + sizeof(uint16_t));
}

#define SPAN_ARRAY_LEAST ((size_t)512)
/* A larger one, or a smaller. */
static bool new_span_array(struct layout *layout, size_t capacity) {
    struct span **larger = os_map(span_array_bytes(capacity));
    if (larger == NULL)
        return false;
    uint16_t *homes = (uint16_t *)(larger + capacity);
    atomic_fetch_add(&heap.span_records, span_array_bytes(capacity) - span_array_bytes(layout->span_capacity));
    if (layout->span_capacity) {
        memcpy(larger, layout->spans, layout->span_count * sizeof *larger);
        memcpy(homes, layout->homes, layout->span_count * sizeof *homes);
        os_unmap(layout->spans, span_array_bytes(layout->span_capacity));
    }
    layout->spans = larger;
    layout->homes = homes;
    layout->span_capacity = capacity;
    return true;
}

bool layout_add_span(struct layout *layout, struct span *span, uint16_t home) {
    os_lock_acquire(&layout->lock);
    bool added = layout->span_count < layout->span_capacity ||
                 new_span_array(layout, layout->span_capacity ? layout->span_capacity * 2 : SPAN_ARRAY_LEAST);
    if (added) {
        span->index = layout->span_count;
        __atomic_store_n(&layout->span_count, span->index + 1,
                         __ATOMIC_RELAXED); /* spans_new reads it without the lock */
        layout->spans[span->index] = span;
        layout->homes[span->index] = home;
    }
    os_lock_release(&layout->lock);
    return added;
}

void layout_leave_hole(struct layout *layout, size_t index) {
    layout->spans[index] = NULL;
    layout->homes[index] = HOME_NOBODY;
    layout->holes++;
}

/* Every span is swept and no thread is being given one: the world is stopped, or the caller holds the gc lock and has
 * finished the sweep. */
void heap_pack_layouts(void) {
    uint32_t count = atomic_load(&heap.layout_count);
    for (uint32_t i = 0; i < count; i++) {
        struct layout *layout = heap.layouts[i];
        os_lock_acquire(&layout->lock);
        if (layout->holes > layout->span_count / 8) {
            size_t kept = 0;
            for (size_t j = 0; j < layout->span_count; j++)
                if (layout->spans[j]) {
                    layout->spans[kept] = layout->spans[j];
                    layout->homes[kept] = layout->homes[j];
                    layout->spans[kept]->index = kept;
                    kept++;
                }
            __atomic_store_n(&layout->span_count, kept, __ATOMIC_RELAXED);
            layout->holes = 0;
            layout->empty_next = 0;
            atomic_store(&layout->sweep_count, 0);
            atomic_store(&layout->sweep_next, 0);
            size_t wanted = SPAN_ARRAY_LEAST;
            while (wanted < 2 * kept)
                wanted *= 2;
            if (wanted < layout->span_capacity / 2)
                new_span_array(layout, wanted);
        }
        os_lock_release(&layout->lock);
    }
}

void heap_begin_sweep(void) {
    uint32_t count = atomic_load(&heap.layout_count);
    atomic_fetch_add(&heap.cycle, 1);
    if (atomic_load(&heap.cycle) == SWEEPING)
        atomic_store(&heap.cycle, 1);
    for (uint32_t i = 0; i < count; i++) {
        struct layout *layout = heap.layouts[i];
        atomic_store(&layout->sweep_count, layout->span_count);
        atomic_store(&layout->sweep_next, 0);
        atomic_store(&layout->partial, NULL);
    }
}

/* Under the lock. */
static void push_partial(struct layout *layout, struct span *span) {
    uint32_t cycle = atomic_load(&heap.cycle);
    if (!atomic_load(&span->owned) && atomic_load(&span->partial_tag) != cycle) {
        atomic_store(&span->partial_tag, cycle);
        span->next = atomic_load(&layout->partial);
        atomic_store(&layout->partial, span);
    }
}

void layout_offer(struct layout *layout, struct span *span) {
    os_lock_acquire(&layout->lock);
    push_partial(layout, span);
    os_lock_release(&layout->lock);
}

void layout_count_out(struct layout *layout, struct span *span, uint32_t count) {
    os_lock_acquire(&layout->lock);
    atomic_fetch_sub(&span->allocated, count);
    push_partial(layout, span);
    os_lock_release(&layout->lock);
}

void span_disown(struct span *span) {
    atomic_store(&span->owned, false);
    /* Free slots: the owner did not come to them, or they were freed behind it. */
    if (atomic_load(&span->allocated) < span->slots)
        layout_offer(span->layout, span);
}

/* Under the lock. */
static struct span *pop_partial(struct layout *layout) {
    struct span *span = atomic_load(&layout->partial);
    if (span == NULL)
        return NULL;
    atomic_store(&layout->partial, span->next);
    span->next = NULL;
    atomic_store(&span->partial_tag, 0);
    atomic_store_explicit(&span->owned, true, memory_order_release);
    return span;
}

/* Under the lock: the kept empty span of the lowest index; NULL. It is kept no more. */
static struct span *pop_empty(struct layout *layout, uint16_t home) {
    if (atomic_load(&layout->empty_count) == 0)
        return NULL;
    size_t index = layout->empty_next;
    while (layout->homes[index] != HOME_EMPTY)
        index++;
    struct span *span = layout->spans[index];
    layout->homes[index] = home;
    layout->empty_next = index + 1;
    atomic_fetch_sub(&layout->empty_count, 1);
    atomic_fetch_sub(&heap.empty_pages, span->pages);
    return span;
}

struct span *layout_take_partial(struct layout *layout) {
    if (atomic_load_explicit(&layout->partial, memory_order_relaxed) == NULL)
        return NULL;
    os_lock_acquire(&layout->lock);
    struct span *span = pop_partial(layout);
    os_lock_release(&layout->lock);
    return span;
}

/* How much a thread takes at once: the more there is, the fewer visits to what all threads share. */
#define SEVERAL_LEAST ((size_t)65536)
#define SEVERAL_MOST ((size_t)262144)

/* Under the lock: the span at that place, owned by the caller from now on, to be swept by it; NULL if there is none, or
 * somebody has it. It is owned before it is swept: see layout_sweep_one. */
static struct span *take_unswept(struct layout *layout, size_t index, uint16_t home) {
    struct span *span = layout->spans[index];
    if (span == NULL || layout->homes[index] == HOME_EMPTY || atomic_load(&span->owned) ||
        atomic_load(&span->swept) == atomic_load(&heap.cycle))
        return NULL;
    layout->homes[index] = home;
    atomic_store_explicit(&span->owned, true, memory_order_release);
    return span;
}

/* In the order in which they are to be used, which is that of their addresses where it can be. */
struct span_list {
    struct span *first, **end;
    size_t bytes;
};

static void append(struct span_list *list, struct span *span) {
    span->next = NULL;
    *list->end = span;
    list->end = &span->next;
    list->bytes += span->pages << PAGE_SHIFT;
}

static bool is_sparse(const struct span *span) {
    return atomic_load(&span->allocated) < span->slots - span->slots / 4;
}

/* Spans that are about to be written, most of their pages: at once they cost as much as the first write to one of their pages would,
 * which would be noted. */
static void end_watching(const struct layout *layout, const struct span *span) {
    if (layout->scan == SCAN_NONE || !__atomic_load_n(&heap.watched, __ATOMIC_ACQUIRE))
        return;
    while (span) {
        uintptr_t lo = span->base, hi = lo;
        for (; span && span->base == hi && is_sparse(span); span = span->next)
            hi += span->pages << PAGE_SHIFT;
        if (hi > lo)
            os_watch_protect(lo, hi, false);
        else
            span = span->next;
    }
}

struct span *layout_take_several(struct layout *layout, uint16_t home, struct span_search *search) {
    for (;;) {
        struct span_list list = {NULL, &list.first, 0};
        struct span *span, **link;
        os_lock_acquire(&layout->lock);
        size_t share = (layout->span_count * layout->span_pages << PAGE_SHIFT) / 64;
        size_t wanted = share < SEVERAL_LEAST ? SEVERAL_LEAST : share > SEVERAL_MOST ? SEVERAL_MOST : share;
        while (list.bytes < wanted && (span = pop_partial(layout)) != NULL)
            append(&list, span);
        size_t end = atomic_load(&layout->sweep_count);
        if (search->cycle != atomic_load(&heap.cycle))
            *search = (struct span_search){0, atomic_load(&heap.cycle)};
        for (; list.bytes < wanted && search->next < end; search->next++)
            if (layout->homes[search->next] == home && (span = take_unswept(layout, search->next, home)) != NULL)
                append(&list, span);
        size_t index = atomic_load(&layout->sweep_next);
        for (; list.bytes < wanted && index < end; index++)
            if ((span = take_unswept(layout, index, home)) != NULL)
                append(&list, span);
        atomic_store(&layout->sweep_next, index);
        /* Last those that were not used in the last cycle: they are in no cache. There is nothing to sweep in them. */
        while (list.bytes < wanted && (span = pop_empty(layout, home)) != NULL) {
            atomic_store(&span->swept, atomic_load(&heap.cycle));
            atomic_store_explicit(&span->owned, true, memory_order_release);
            append(&list, span);
        }
        os_lock_release(&layout->lock);
        if (list.bytes == 0)
            return NULL;
        bw_amount reclaimed = {0, 0};
        for (link = &list.first; (span = *link) != NULL;) {
            span_sweep(span, &reclaimed);
            if (atomic_load(&span->allocated) < span->slots) {
                link = &span->next;
            } else {
                *link = span->next;
                span->next = NULL;
                span_disown(span);
            }
        }
        layout_count_reclaimed(layout, reclaimed);
        if (list.first) {
            end_watching(layout, list.first);
            return list.first;
        }
    }
}

void layout_keep_empty(struct layout *layout, struct span *span) {
    os_lock_acquire(&layout->lock);
    layout->homes[span->index] = HOME_EMPTY;
    if (span->index < layout->empty_next)
        layout->empty_next = span->index;
    atomic_store_explicit(&span->owned, false, memory_order_release);
    atomic_fetch_add(&layout->empty_count, 1);
    atomic_fetch_add(&heap.empty_pages, span->pages);
    os_lock_release(&layout->lock);
}

bool heap_free_empty(void) {
    bool found = false;
    uint32_t count = atomic_load(&heap.layout_count);
    if (atomic_load(&heap.empty_pages) == 0)
        return false;
    heap_settling(true);
    for (uint32_t i = 0; i < count; i++) {
        struct layout *layout = heap.layouts[i];
        while (atomic_load_explicit(&layout->empty_count, memory_order_relaxed) > 0) {
            os_lock_acquire(&layout->lock);
            struct span *span = pop_empty(layout, HOME_NOBODY);
            if (span)
                layout_leave_hole(layout, span->index);
            os_lock_release(&layout->lock);
            if (span == NULL)
                break;
            pages_free(span);
            found = true;
        }
    }
    heap_settling(false);
    return found;
}
