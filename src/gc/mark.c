/* mark.c - marking: from the roots, every object that they reach gets the live byte.
 *
 * Each marker has a stack of addresses that were found in the heap's range and are not looked at yet: an address goes
 * on it unfiltered, and passes through a short ring between being taken off and being looked at, in which time its mark
 * byte and its object arrive in the cache (Cher, Hosking and Vitek, "Software prefetching for mark-sweep garbage
 * collection", 2004). Objects of many words do not go on the stack at once: what is left of them is a RANGE on a list
 * of its own, looked at a piece at a time when the stack is empty, so that a stack stays short.
 *
 * Stacks are made of segments. A marker that finds others without work gives away the older half of its stack. When no
 * segment can be had the address is dropped and its span noted; after all else is marked, noted spans are searched
 * again.
 *
 * Invariant when marking ends: an object has the live byte if and only if it is reached, and every word of it that is
 * to be searched has been.
 */
#include "gc.h"

#include <string.h>

#define SEGMENT_ITEMS 4094
#define PIECE_WORDS 512     /* of a range, at once */
#define SHARE_INTERVAL 256u /* objects between two looks at whether somebody is idle */
#define SHARED_RANGE_WORDS 4096

#define PAGE_WORDS (PAGE_BYTES / sizeof(void *))
#define PAGE_GRANULES (PAGE_BYTES / GRANULE_BYTES)

struct segment {
    struct segment *next;
    size_t count;
    uintptr_t items[SEGMENT_ITEMS];
};

struct range {
    uintptr_t object; /* where the object begins: the pointer map counts from there */
    uintptr_t lo, hi; /* what is left */
    uint32_t layout;
};

struct marker {
    uintptr_t *top;          /* of the segment in use; grows up */
    struct segment *segment; /* never NULL */
    struct segment *full;    /* more, oldest last */
    struct range *ranges;
    size_t range_count, range_capacity;
    size_t bytes; /* of objects it marked, but large ones without pointers, which cost nothing: */
    size_t plain;
    size_t claimed, young; /* of some objects that it marked, how many were allocated since the last collection */
    uint64_t processor_ns;
    struct piece piece; /* of the pass over written pages */
    uint64_t
        assists_until; /* a thread of the program that helps for so long, and takes only what others leave; 0: it is none */
    struct marker *next; /* in the pool of those */
    size_t looked;       /* at so many objects since this marker last looked whether another is idle */
};

uint8_t mark_live;

static struct {
    os_lock lock;
    struct segment *_Atomic segments; /* work that anybody may take */
    struct segment *empty;            /* segments to use */
    struct range *ranges;
    _Atomic size_t range_count;
    size_t range_capacity;
    int joined; /* markers at work or idle; under the lock */
    _Atomic int idle;
    _Atomic int hungry;        /* threads of the program that would help if there were something */
    struct marker *assistants; /* a pool, under the lock */
    bool open;                 /* more markers may join */
    _Atomic uint32_t news;     /* changes when work is put here or marking ends */
    const struct roots *roots;
    _Atomic size_t next_root;
    uint64_t deadline; /* when markers leave off, whether or not anything is left; 0: never */
    _Atomic bool overflowed;
    _Atomic size_t memory;
} shared;

/* --- segments --- */

static struct segment *segment_new(void) {
    os_lock_acquire(&shared.lock);
    if (shared.empty == NULL) {
        size_t count = 16;
        struct segment *slab = os_map(count * sizeof *slab);
        for (size_t i = 0; slab && i < count; i++) {
            slab[i].next = shared.empty;
            shared.empty = &slab[i];
        }
        if (slab)
            atomic_fetch_add(&shared.memory, count * sizeof *slab);
    }
    struct segment *segment = shared.empty;
    if (segment)
        shared.empty = segment->next;
    os_lock_release(&shared.lock);
    if (segment) {
        segment->next = NULL;
        segment->count = 0;
    }
    return segment;
}

static void segment_free(struct segment *segment) {
    os_lock_acquire(&shared.lock);
    segment->next = shared.empty;
    shared.empty = segment;
    os_lock_release(&shared.lock);
}

static void watched_marked(uintptr_t object);

static void overflow(uintptr_t address) {
    struct span *span;
    uintptr_t object = heap_object_of((void *)address, &span);
    if (object != 0 && mark_get(mark_byte(object)) != mark_live) {
        if (mark_get(mark_byte(object)) == MARK_WATCHED)
            watched_marked(object);
        mark_set(mark_byte(object), mark_live);
        atomic_store(&span->overflowed, true);
        atomic_store(&shared.overflowed, true);
    }
}

/* Makes room for `count` more items (at most PIECE_WORDS * 2) on the stack; false: the caller hands them to
 * overflow(). */
static BW__COLD bool new_segment(struct marker *marker) {
    struct segment *segment = segment_new();
    if (segment == NULL)
        return false;
    marker->segment->count = (size_t)(marker->top - marker->segment->items);
    marker->segment->next = marker->full;
    marker->full = marker->segment;
    marker->segment = segment;
    marker->top = segment->items;
    return true;
}

static inline bool room_for(struct marker *marker, size_t count) {
    return __builtin_expect((size_t)(marker->segment->items + SEGMENT_ITEMS - marker->top) >= count, 1) ||
           new_segment(marker);
}

/* --- sharing --- */

static void tell(void) {
    atomic_fetch_add(&shared.news, 1);
    os_wake(&shared.news, INT32_MAX);
}

/* As memmove downwards, which the thread sanitizer would see, though it does not see who else comes here, or when. */
static void move_items(uintptr_t *to, const uintptr_t *from, size_t count) {
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        __asm__ volatile("" : : : "memory"); /* or it is made one */
    }
}

static BW__COLD void share(struct marker *marker) {
    if (atomic_load(&shared.segments) != NULL)
        return; /* enough lies there */
    if (marker->full) {
        struct segment *segment = marker->full;
        marker->full = segment->next;
        os_lock_acquire(&shared.lock);
        segment->next = atomic_load(&shared.segments);
        atomic_store(&shared.segments, segment);
        os_lock_release(&shared.lock);
        tell();
        return;
    }
    size_t have = (size_t)(marker->top - marker->segment->items), give = (have + 1) / 2;
    if (have < 2)
        return;
    struct segment *segment = segment_new();
    if (segment == NULL)
        return;
    move_items(segment->items, marker->segment->items, give);
    move_items(marker->segment->items, marker->segment->items + give, have - give);
    marker->top -= give;
    segment->count = give;
    os_lock_acquire(&shared.lock);
    segment->next = atomic_load(&shared.segments);
    atomic_store(&shared.segments, segment);
    os_lock_release(&shared.lock);
    tell();
}

static bool is_late(const struct marker *marker) {
    if (shared.deadline == 0 && marker->assists_until == 0)
        return false;
    uint64_t now = os_now_ns();
    return (shared.deadline && now >= shared.deadline) || (marker->assists_until && now >= marker->assists_until);
}

static bool grow_ranges(struct range **ranges, size_t *capacity) {
    size_t wanted = *capacity ? *capacity * 2 : 1024;
    struct range *larger = os_map(wanted * sizeof *larger);
    if (larger == NULL)
        return false;
    atomic_fetch_add(&shared.memory, (wanted - *capacity) * sizeof *larger);
    if (*capacity) {
        memcpy(larger, *ranges, *capacity * sizeof *larger);
        os_unmap(*ranges, *capacity * sizeof *larger);
    }
    *ranges = larger;
    *capacity = wanted;
    return true;
}

static void push_range(struct marker *marker, struct range range) {
    if (marker->range_count == marker->range_capacity && !grow_ranges(&marker->ranges, &marker->range_capacity)) {
        struct span *span = span_of_offset(heap_offset((void *)range.object));
        atomic_store(&span->overflowed, true);
        atomic_store(&shared.overflowed, true);
        return;
    }
    marker->ranges[marker->range_count++] = range;
}

/* Leaves half of a long range to others. */
static void share_range(struct range *range) {
    uintptr_t words = (range->hi - range->lo) / sizeof(void *);
    uintptr_t middle = range->lo + words / 2 * sizeof(void *);
    os_lock_acquire(&shared.lock);
    if (atomic_load(&shared.range_count) < shared.range_capacity ||
        grow_ranges(&shared.ranges, &shared.range_capacity)) {
        shared.ranges[atomic_load(&shared.range_count)] =
            (struct range){range->object, middle, range->hi, range->layout};
        atomic_fetch_add(&shared.range_count, 1);
        range->hi = middle;
    }
    os_lock_release(&shared.lock);
    tell();
}

/* --- looking at words --- */

/* Everything the loops read, in locals of theirs, since a store to a mark byte could alias any field. */
struct view {
    uintptr_t base;
    size_t used;
    uint8_t *marks;
    const uint32_t *page_layout;
    const struct scan *scans;
    uint8_t live, white; /* the byte of marked objects; bits of the bytes of those that are not */
};

static inline struct view view_now(void) {
    return (struct view){
        heap.base, atomic_load_explicit(&heap.used, memory_order_relaxed), heap.marks, heap.page_layout, heap.scans,
        mark_live, (MARK_A | MARK_B | MARK_NEW) & (uint8_t)~mark_live};
}

/* Can this address, between the heap's base and its end, be one past the end of an object? Most words that are meant to
 * refer to an object's first byte are that of its neighbour as well. */
static bool ends_object(struct view view, uintptr_t address) {
    return (address & (GRANULE_BYTES - 1)) == 0 && address != view.base &&
           !view.scans[view.page_layout[(address - 1 - view.base) >> PAGE_SHIFT]].spare;
}

static void push_words(struct marker *marker, struct view view, uintptr_t lo, uintptr_t hi, bool one_past) {
    for (const uintptr_t *word = (const uintptr_t *)lo; word < (const uintptr_t *)hi;) {
        const uintptr_t *stop = word + PIECE_WORDS < (const uintptr_t *)hi ? word + PIECE_WORDS : (const uintptr_t *)hi;
        if (!room_for(marker, PIECE_WORDS * 2)) {
            for (; word < stop; word++) {
                overflow(*word);
                if (one_past && *word - view.base <= view.used && ends_object(view, *word))
                    overflow(*word - 1);
            }
            continue;
        }
        uintptr_t *top = marker->top;
        for (; word < stop; word++) {
            uintptr_t value = *word;
            if (__builtin_expect(value - view.base <= view.used, 0)) {
                /* The heap's own end is one past an object's, and its base past none. */
                if (value - view.base < view.used)
                    *top++ = value;
                if (one_past && ends_object(view, value))
                    *top++ = value - 1;
            }
        }
        marker->top = top;
    }
}

/* Searches [lo, hi) of an object whose layout has a map. */
static void push_mapped(struct marker *marker, struct view view, const struct layout *layout, uintptr_t object,
                        uintptr_t lo, uintptr_t hi) {
    size_t element = layout->element_words;
    size_t phase = (lo - object) / sizeof(void *) % element;
    if (!room_for(marker, PIECE_WORDS)) {
        for (const uintptr_t *word = (const uintptr_t *)lo; word < (const uintptr_t *)hi; word++)
            overflow(*word); /* more than the map asks for: a rare case, and safe */
        return;
    }
    uintptr_t *top = marker->top;
    const uint64_t *map = layout->pointer_map;
    size_t words = (hi - lo) / sizeof(void *);
    for (const uintptr_t *word = (const uintptr_t *)lo; words > 0;) {
        size_t count = 64 - phase % 64;
        count = count < element - phase ? count : element - phase;
        count = count < words ? count : words;
        for (uint64_t left = map[phase / 64] >> (phase % 64) & ~(uint64_t)0 >> (64 - count); left; left &= left - 1) {
            uintptr_t value = word[__builtin_ctzl(left)];
            *top = value;
            top += value - view.base < view.used;
        }
        word += count;
        words -= count;
        phase = phase + count == element ? 0 : phase + count;
    }
    marker->top = top;
}

/* Looks at one piece of a range. */
static void push_piece(struct marker *marker, struct view view, struct range range) {
    if (range.hi - range.lo > PIECE_WORDS * sizeof(void *)) {
        if (range.hi - range.lo > SHARED_RANGE_WORDS * sizeof(void *) && atomic_load(&shared.idle) > 0 &&
            atomic_load(&shared.range_count) == 0)
            share_range(&range);
        struct range rest = range;
        rest.lo += PIECE_WORDS * sizeof(void *);
        range.hi = rest.lo;
        push_range(marker, rest);
    }
    const struct layout *layout = heap.layouts[range.layout];
    if (layout->scan == SCAN_WORDS)
        push_words(marker, view, range.lo, range.hi, false);
    else
        push_mapped(marker, view, layout, range.object, range.lo, range.hi);
}

/* The object that an address belongs to, for addresses that are not in its first granule. */
static uintptr_t resolve(struct view view, uintptr_t address) {
    struct span *span = span_of_offset(address - view.base);
    if (span == NULL || span->state == SPAN_FREE)
        return 0;
    uintptr_t object = span->base;
    if (span->state == SPAN_SMALL) {
        size_t index = slot_index(span, address);
        if (index >= span->slots)
            return 0;
        object += index * span->object_bytes;
    } else if (address - object >= span->object_bytes - (span->state == SPAN_ARENA ? ARENA_UNUSED_BYTES : 0)) {
        return 0;
    }
    if (!(view.marks[(object - view.base) >> GRANULE_SHIFT] & (MARK_A | MARK_B | MARK_NEW | MARK_WATCHED)))
        return 0;
    return object;
}

/* What an object that was just marked refers to; not for SCAN_BITS of small objects, which the loop does itself. */
static void push_object(struct marker *marker, struct view view, uintptr_t object, uint32_t number) {
    const struct layout *layout = heap.layouts[number];
    size_t bytes = layout->slot_bytes;
    if (bytes == 0) {
        struct span *span = span_of_offset(object - view.base);
        bytes = span->object_bytes;
        if (span->state == SPAN_QUARANTINE)
            return;
        if (layout->scan == SCAN_NONE)
            marker->plain += bytes;
        else
            marker->bytes += bytes;
    }
    if (layout->scan == SCAN_BITS) {
        size_t words = layout->element_words < 64 ? layout->element_words : 64;
        push_mapped(marker, view, layout, object, object, object + words * sizeof(void *));
        return;
    }
    struct range range = {object, object, object + bytes, number};
    if (layout->scan == SCAN_MAP)
        range.hi = object + layout->element_words * sizeof(void *);
    if (layout->scan != SCAN_NONE)
        push_piece(marker, view, range);
}

/* One page or several of an object that has the live byte. */
static void push_part(struct marker *marker, struct view view, const struct layout *layout, uintptr_t object,
                      uintptr_t lo, uintptr_t hi) {
    for (uintptr_t stop; lo < hi; lo = stop) {
        stop = hi - lo > PIECE_WORDS * sizeof(void *) ? lo + PIECE_WORDS * sizeof(void *) : hi;
        if (layout->scan == SCAN_WORDS)
            push_words(marker, view, lo, stop, false);
        else
            push_mapped(marker, view, layout, object, lo, stop);
    }
}

/* What was written since it was searched, or may have been: of the objects there that have the live byte, all that they
 * refer to from there. Whoever is making a span of pages here writes to its objects only after this. */
static void push_written(struct marker *marker, struct view view, uintptr_t lo, uintptr_t hi) {
    for (uintptr_t next; lo < hi; lo = next) {
        struct span *span = span_of_offset(lo - view.base);
        next = (lo + PAGE_BYTES) & ~(uintptr_t)(PAGE_BYTES - 1);
        uint8_t state = span ? atomic_load(&span->state) : SPAN_FREE;
        if (state == SPAN_FREE || state == SPAN_QUARANTINE)
            continue;
        const struct layout *layout = span->layout;
        uintptr_t end = span->base + span->pages * PAGE_BYTES;
        if (layout == NULL || end <= lo)
            continue;
        next = end;
        if (layout->scan == SCAN_NONE)
            continue;
        end = end < hi ? end : hi;
        size_t bytes = span->object_bytes, used = bytes;
        if (layout->scan != SCAN_WORDS && layout->scan != SCAN_REPEAT)
            used = layout->element_words * sizeof(void *);
        for (size_t slot = (lo - span->base) / bytes; slot < span->slots; slot++) {
            uintptr_t object = span->base + slot * bytes;
            if (object >= end)
                break;
            if (mark_get(&view.marks[(object - view.base) >> GRANULE_SHIFT]) == view.live)
                push_part(marker, view, layout, object, object > lo ? object : lo,
                          object + used < end ? object + used : end);
        }
    }
}

typedef uint8_t sixteen_bytes __attribute__((vector_size(16), aligned(1), may_alias));

/* Is one of the bytes `live`? As many as there are in whole sixteens. */
__attribute__((no_sanitize("thread"))) static bool has_live(const uint8_t *bytes, size_t count, uint8_t live) {
    sixteen_bytes wanted = (sixteen_bytes){0} + live, found = {0};
    for (size_t at = 0; at + 16 <= count; at += 16)
        found |= (sixteen_bytes)(*(const sixteen_bytes *)(bytes + at) == wanted);
    uint64_t halves[2];
    memcpy(halves, &found, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

/* Can there be an object that has the live byte? Of pages with new objects mostly not, and then only their mark bytes need
 * be read. Of larger objects a page holds few, and not their first granule perhaps. */
#define SMALL_OBJECT ((size_t)512)
static bool may_be_live(struct view view, struct os_pages page) {
    struct span *span = span_of_offset(page.lo - view.base);
    if (span == NULL || atomic_load(&span->state) != SPAN_SMALL || span->object_bytes > SMALL_OBJECT)
        return span != NULL;
    uintptr_t from = page.lo - SMALL_OBJECT > span->base ? page.lo - SMALL_OBJECT : span->base;
    return has_live(&view.marks[(from - view.base) >> GRANULE_SHIFT], (page.hi - from) >> GRANULE_SHIFT, view.live);
}

/* Several pages at a time, so that what is read of one arrives while the others are looked at: of all what tells of their
 * objects, then the objects of those that have some. */
#define PAGES_AHEAD 16
static void push_pages(struct marker *marker, struct view view, const struct os_pages *pages, size_t count) {
    struct os_pages searched[PAGES_AHEAD];
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(&heap.page_span[(pages[i].lo - view.base) >> PAGE_SHIFT]);
        for (size_t at = 0; at < PAGE_GRANULES; at += 64)
            __builtin_prefetch(&view.marks[((pages[i].lo - view.base) >> GRANULE_SHIFT) + at]);
    }
    for (size_t i = 0; i < count; i++) {
        if (!may_be_live(view, pages[i]))
            continue;
        searched[kept++] = pages[i];
        for (size_t at = 0; at < PAGE_BYTES / 16; at += 64)
            __builtin_prefetch((const char *)pages[i].lo + at);
    }
    for (size_t i = 0; i < kept; i++)
        push_written(marker, view, searched[i].lo, searched[i].hi);
}

/* Of the pass over written pages, some; false: nothing of it is left for this marker. */
static bool push_some_written(struct marker *marker, struct view view) {
    struct os_pages parts[OS_WATCH_MOST], pages[PAGES_AHEAD];
    /* A copy: the thread sanitizer sees beside.c, but not who has which assistant. */
    struct piece piece = marker->piece;
    if (piece.lo == piece.hi && !beside_claim(&piece))
        return false;
    size_t count = beside_take(&piece, parts, OS_WATCH_MOST), ready = 0;
    marker->piece = piece;
    for (size_t i = 0; i < count; i++)
        for (uintptr_t lo = parts[i].lo, next; lo < parts[i].hi; lo = next) {
            next = (lo + PAGE_BYTES) & ~(uintptr_t)(PAGE_BYTES - 1);
            if (next > parts[i].hi)
                next = parts[i].hi;
            pages[ready++] = (struct os_pages){lo, next};
            if (ready == PAGES_AHEAD) {
                push_pages(marker, view, pages, ready);
                ready = 0;
            }
        }
    push_pages(marker, view, pages, ready);
    return true;
}

/* Watched objects that were marked and not asked for yet. */
static struct {
    os_lock lock;
    uintptr_t *list;
    size_t count, capacity;
} watched;

static BW__COLD void watched_marked(uintptr_t object) {
    os_lock_acquire(&watched.lock);
    if (watched.count == watched.capacity) {
        size_t wanted = watched.capacity ? watched.capacity * 2 : 4096;
        uintptr_t *larger = os_map(wanted * sizeof *larger);
        if (larger == NULL)
            os_fatal("runtime: out of memory: cannot list the keys of weak maps");
        if (watched.capacity) {
            memcpy(larger, watched.list, watched.count * sizeof *larger);
            os_unmap(watched.list, watched.capacity * sizeof *larger);
        }
        watched.list = larger;
        watched.capacity = wanted;
    }
    watched.list[watched.count++] = object;
    os_lock_release(&watched.lock);
}

bool mark_take_watched(uintptr_t *object) {
    if (watched.count == 0)
        return false;
    *object = watched.list[--watched.count];
    return true;
}

static bool more_work(struct marker *marker, struct view view);

/* Looks at `object`, of a small layout with a bit map, which has the live byte, and at everything that it reaches
 * without leaving its page: what is found within the page goes on a stack of its own, in the first-level cache, and is
 * looked at at once, since its memory and its mark byte are near; references elsewhere go on the marker's stack.
 * Structures in the order of their allocation so cost a few instructions an object, whichever way their references
 * point.
 *
 * An object gets on the page's stack when this marker changes its byte, so at most once: the stack has room for all.
 * There is room on the marker's stack for every word of a page: `top` needs no check. `bits` is the layout's map; for
 * the common ones there are copies in which it is a constant. */
struct page_scan {
    uintptr_t page;
    uint8_t *marks;
    uintptr_t *top;
    uintptr_t *found; /* the end of the page's stack: references to objects to look at */
};

/* True: the field refers to an object of the page that has got the live byte just now. */
static inline __attribute__((always_inline)) bool visit_field(struct page_scan *scan, const struct view *view,
                                                              uintptr_t field) {
    uintptr_t distance = field - scan->page;
    if (distance < PAGE_BYTES) {
        uint8_t *byte = &scan->marks[distance >> GRANULE_SHIFT], was = *byte;
        if (__builtin_expect(was & view->white, 1)) {
            *byte = view->live;
            return true;
        }
        if (__builtin_expect(!(was & view->live), 0))
            *scan->top++ = field; /* the middle of an object, or watched */
    } else {
        *scan->top = field;
        scan->top += field - view->base < view->used;
    }
    return false;
}

static inline __attribute__((always_inline)) uintptr_t *
scan_page(struct marker *marker, const struct view view, uintptr_t object, uint32_t slot_words, const uint64_t bits) {
    uintptr_t found[PAGE_GRANULES];
    struct page_scan scan = {.page = object & ~(uintptr_t)(PAGE_BYTES - 1), .top = marker->top, .found = found};
    size_t objects = 0;
    scan.marks = &view.marks[(scan.page - view.base) >> GRANULE_SHIFT];
    for (;;) {
        const uintptr_t *fields = (const uintptr_t *)(object & ~(uintptr_t)(GRANULE_BYTES - 1));
        objects++;
        /* What the last field refers to is looked at next, without a detour by the stack. */
        if (bits == 1) {
            object = fields[0];
            if (visit_field(&scan, &view, object))
                continue;
        } else if (bits == 3) {
            uintptr_t first = fields[0];
            object = fields[1];
            if (visit_field(&scan, &view, first))
                *scan.found++ = first;
            if (visit_field(&scan, &view, object)) {
                __builtin_prefetch((const char *)object - 256);
                continue;
            }
        } else {
            for (uint64_t left = bits; left; left &= left - 1) {
                object = fields[__builtin_ctzl(left)];
                if (visit_field(&scan, &view, object))
                    *scan.found++ = object;
            }
        }
        if (scan.found == found)
            break;
        object = *--scan.found;
    }
    marker->bytes += objects * slot_words * sizeof(void *);
    return scan.top;
}

/* Lists, trees of two children, everything else. */
static __attribute__((noinline)) uintptr_t *scan_page_one(struct marker *marker, const struct view *view,
                                                          uintptr_t object, uint32_t slot_words) {
    return scan_page(marker, *view, object, slot_words, 1);
}
static __attribute__((noinline)) uintptr_t *scan_page_two(struct marker *marker, const struct view *view,
                                                          uintptr_t object, uint32_t slot_words) {
    return scan_page(marker, *view, object, slot_words, 3);
}
static __attribute__((noinline)) uintptr_t *scan_page_any(struct marker *marker, const struct view *view,
                                                          uintptr_t object, uint32_t slot_words, uint64_t bits) {
    return scan_page(marker, *view, object, slot_words, bits);
}

/* There was no room to look at an object that has the live byte already: its span is searched again. */
static BW__COLD void drop_marked(struct view view, uintptr_t object) {
    atomic_store(&span_of_offset(object - view.base)->overflowed, true);
    atomic_store(&shared.overflowed, true);
}

/* --- the pipeline --- */

#define BATCH 32 /* addresses or objects that are on their way into the cache at a time */

struct claimed { /* an object that this marker gave the live byte, to be looked at */
    uintptr_t object;
    uint32_t layout;
};

static inline void look_at(struct marker *marker, const struct view *view, struct claimed claimed) {
    const struct scan *scan = &view->scans[claimed.layout];
    if (__builtin_expect(!room_for(marker, PAGE_WORDS), 0)) {
        drop_marked(*view, claimed.object);
    } else if (__builtin_expect(scan->kind == SCAN_BITS && scan->slot_words != 0, 1)) {
        if (scan->bits == 3)
            marker->top = scan_page_two(marker, view, claimed.object, scan->slot_words);
        else if (scan->bits == 1)
            marker->top = scan_page_one(marker, view, claimed.object, scan->slot_words);
        else
            marker->top = scan_page_any(marker, view, claimed.object, scan->slot_words, scan->bits);
    } else {
        marker->bytes += scan->slot_words * sizeof(void *);
        push_object(marker, *view, claimed.object, claimed.layout);
    }
}

/* The object of an address that is not in an object's first granule, or whose object is watched: its first byte, with
 * the live byte written; 0 if it had that already, or there is none. */
static BW__COLD uintptr_t claim_otherwise(const struct view *view, uintptr_t address) {
    address = resolve(*view, address);
    if (address == 0)
        return 0;
    uint8_t *byte = &view->marks[(address - view->base) >> GRANULE_SHIFT], was = *byte;
    if (was & view->live)
        return 0;
    if (was == MARK_WATCHED)
        watched_marked(address);
    *byte = view->live;
    return address;
}

/* Gives the objects at `count` addresses the live byte; those that did not have it and hold references are put into
 * `objects`, and their memory is asked for. How many. Whether an address is the first to reach its object nobody can
 * foretell, so that the common case has no branch on it. */
static inline size_t claim(struct marker *marker, const struct view *view, const uintptr_t *addresses, size_t count,
                           struct claimed *objects) {
    uint8_t elsewhere;
    size_t fresh = 0, kept = 0, young = 0;
    for (size_t i = 0; i < count; i++) {
        uintptr_t address = addresses[i] & ~(uintptr_t)(GRANULE_BYTES - 1);
        uint8_t *byte = &view->marks[(address - view->base) >> GRANULE_SHIFT], was = *byte;
        if (__builtin_expect(!(was & (view->white | view->live)), 0)) {
            address = claim_otherwise(view, address);
            if (address == 0)
                continue;
            objects[fresh++].object = address;
            continue;
        }
        bool white = was & view->white;
        byte = white ? byte : &elsewhere;
        *byte = view->live;
        objects[fresh].object = address;
        fresh += white;
        young += was == MARK_NEW;
    }
    marker->claimed += fresh;
    marker->young += young;
    for (size_t i = 0; i < fresh; i++) {
        uintptr_t object = objects[i].object;
        uint32_t layout = view->page_layout[(object - view->base) >> PAGE_SHIFT];
        const struct scan *scan = &view->scans[layout];
        if (scan->kind == SCAN_NONE && scan->slot_words != 0) {
            marker->bytes += scan->slot_words * sizeof(void *);
            continue;
        }
        __builtin_prefetch((const void *)object);
        objects[kept++] = (struct claimed){object, layout};
    }
    return kept;
}

/* The marker leaves off: what it has begun is ended or goes back on its stack. */
static BW__COLD void leave_off(struct marker *marker, const struct view *view, const uintptr_t *addresses, size_t count,
                               const struct claimed *claimed, size_t claimed_count) {
    for (size_t i = 0; i < claimed_count; i++)
        look_at(marker, view, claimed[i]);
    bool room = room_for(marker, count);
    for (size_t i = 0; i < count; i++) {
        if (room)
            *marker->top++ = addresses[i];
        else
            overflow(addresses[i]);
    }
}

/* An address passes three stages, a batch of them at each: taken off the stack, and its mark byte asked for; claimed,
 * and its object asked for; looked at. In each round every batch moves on by one, so that neither the mark byte nor
 * the object is waited for. */
static void drain(struct marker *marker) {
    const struct view view = view_now();
    uintptr_t addresses[BATCH];
    struct claimed claimed[2][BATCH];
    size_t address_count = 0, claimed_count[2] = {0, 0};
    for (unsigned turn = 0;; turn ^= 1) {
        claimed_count[turn] = claim(marker, &view, addresses, address_count, claimed[turn]);
        size_t there = (size_t)(marker->top - marker->segment->items);
        address_count = there < BATCH ? there : BATCH;
        if (address_count == 0 && claimed_count[0] + claimed_count[1] == 0) {
            if (!more_work(marker, view))
                return;
            continue;
        }
        for (size_t i = 0; i < address_count; i++) {
            addresses[i] = *--marker->top;
            __builtin_prefetch(&view.marks[(addresses[i] - view.base) >> GRANULE_SHIFT], 1);
        }
        const struct claimed *before = claimed[turn ^ 1];
        size_t before_count = claimed_count[turn ^ 1];
        for (size_t i = 0; i < before_count; i++)
            look_at(marker, &view, before[i]);
        claimed_count[turn ^ 1] = 0;
        marker->looked += before_count;
        if (__builtin_expect(marker->looked >= SHARE_INTERVAL, 0)) {
            marker->looked = 0;
            if (is_late(marker)) {
                leave_off(marker, &view, addresses, address_count, claimed[turn], claimed_count[turn]);
                return;
            }
            if (atomic_load_explicit(&shared.idle, memory_order_relaxed) +
                    atomic_load_explicit(&shared.hungry, memory_order_relaxed) >
                0)
                share(marker);
        }
    }
}

/* --- finding work --- */

static bool take_shared(struct marker *marker, struct view view) {
    struct segment *segment = NULL;
    struct range range = {0};
    os_lock_acquire(&shared.lock);
    segment = atomic_load(&shared.segments);
    if (segment)
        atomic_store(&shared.segments, segment->next);
    else if (atomic_load(&shared.range_count) > 0)
        range = shared.ranges[atomic_fetch_sub(&shared.range_count, 1) - 1];
    os_lock_release(&shared.lock);
    if (segment) {
        segment_free(marker->segment);
        marker->segment = segment;
        marker->top = segment->items + segment->count;
        return true;
    }
    if (range.hi) {
        push_piece(marker, view, range);
        return true;
    }
    return false;
}

/* Waits until there is work or every marker that joined is here: then marking is done. */
static bool wait_for_work(const struct marker *marker) {
    bool done = false;
    os_lock_acquire(&shared.lock);
    if (atomic_fetch_add(&shared.idle, 1) + 1 == shared.joined) {
        shared.open = false;
        done = true;
    }
    os_lock_release(&shared.lock);
    if (done) {
        if (shared.joined > 1)
            tell();
        return false;
    }
    for (int spins = 0;; spins++) {
        uint32_t news = atomic_load(&shared.news);
        if (!shared.open || is_late(marker))
            return false;
        if (atomic_load(&shared.segments) != NULL || atomic_load(&shared.range_count) > 0) {
            os_lock_acquire(&shared.lock);
            bool open = shared.open;
            if (open)
                atomic_fetch_sub(&shared.idle, 1);
            os_lock_release(&shared.lock);
            return open;
        }
        if (spins < 4000)
            os_cpu_relax();
        else
            os_wait(&shared.news, news, shared.deadline ? 50000 : 1000000);
    }
}

/* Puts something on the empty stack; false: marking is done, or to be left off. */
static bool more_work(struct marker *marker, struct view view) {
    for (;;) {
        if (is_late(marker))
            return false;
        if (marker->full) {
            segment_free(marker->segment);
            marker->segment = marker->full;
            marker->full = marker->segment->next;
            marker->top = marker->segment->items + marker->segment->count;
            return true;
        }
        if (marker->range_count > 0) {
            push_piece(marker, view, marker->ranges[--marker->range_count]);
            return true;
        }
        /* Of written pages only where it is seen to that some may be left: an assistant may be late at any time. */
        if (marker->assists_until)
            return take_shared(marker, view) || (shared.deadline != 0 && push_some_written(marker, view));
        if (shared.roots && atomic_load(&shared.next_root) < shared.roots->count) {
            size_t index = atomic_fetch_add(&shared.next_root, 1);
            if (index < shared.roots->count) {
                const struct root *root = &shared.roots->list[index];
                push_words(marker, view, root->lo, root->hi, root->kind == ROOT_STACK);
                return true;
            }
        }
        if (push_some_written(marker, view))
            return true;
        if (take_shared(marker, view))
            return true;
        if (!wait_for_work(marker))
            return false;
    }
}

/* --- markers --- */

static bool marker_ready(struct marker *marker) {
    if (marker->segment == NULL) {
        marker->segment = segment_new();
        if (marker->segment == NULL)
            return false;
        marker->top = marker->segment->items;
    }
    /* Room for one range at least: without it rescan_overflowed would come to the rest of a long object again and
     * again, and never past it. */
    if (marker->range_capacity == 0 && !grow_ranges(&marker->ranges, &marker->range_capacity))
        return false;
    marker->bytes = marker->plain = 0;
    marker->claimed = marker->young = 0;
    marker->looked = 0;
    return true;
}

static struct marker own; /* of the thread that collects */

#define MOST_HELPERS 255
static struct helper {
    struct marker marker;
    _Atomic uint32_t wanted; /* the number of the marking it is to help with */
    uint32_t done;
} * helpers[MOST_HELPERS];
static _Atomic int helper_count; /* grows under helpers_lock, behind the entries that it counts */
static os_lock helpers_lock;
static _Atomic uint32_t marking;   /* number */
static _Atomic int helping;        /* helpers that joined and have not finished */
static _Atomic uint64_t helper_ns; /* ever */
static _Atomic uint64_t assist_ns; /* of threads of the program */
static uint64_t helper_ns_before, last_helper_ns, assist_ns_before;
static _Atomic size_t helper_bytes, helper_plain;
static struct {
    void (*work)(void *); /* what helpers do instead of marking */
    void *argument;
} task;

/* What a helper has not done when it is to leave off, anybody may take: it may not be wanted again. */
static void give_back(struct marker *marker) {
    os_lock_acquire(&shared.lock);
    struct segment *segment = marker->full, *next;
    if (marker->top > marker->segment->items) {
        marker->segment->count = (size_t)(marker->top - marker->segment->items);
        marker->segment->next = segment;
        segment = marker->segment;
        marker->segment = NULL; /* another next time */
    }
    marker->full = NULL;
    for (; segment; segment = next) {
        next = segment->next;
        segment->next = atomic_load(&shared.segments);
        atomic_store(&shared.segments, segment);
    }
    for (; marker->range_count > 0; marker->range_count--) {
        struct range range = marker->ranges[marker->range_count - 1];
        if (atomic_load(&shared.range_count) == shared.range_capacity &&
            !grow_ranges(&shared.ranges, &shared.range_capacity)) {
            atomic_store(&span_of_offset(heap_offset((void *)range.object))->overflowed, true);
            atomic_store(&shared.overflowed, true);
            continue;
        }
        shared.ranges[atomic_load(&shared.range_count)] = range;
        atomic_fetch_add(&shared.range_count, 1);
    }
    os_lock_release(&shared.lock);
    beside_return(marker->piece);
    marker->piece = (struct piece){0, 0};
}

static void help(void *argument) {
    struct helper *self = argument;
    for (;;) {
        uint32_t wanted = atomic_load(&self->wanted);
        if (wanted == self->done) {
            os_wait(&self->wanted, wanted, -1);
            continue;
        }
        self->done = wanted;
        os_lock_acquire(&shared.lock);
        bool joins = shared.open && atomic_load(&marking) == wanted;
        if (joins) {
            shared.joined++;
            atomic_fetch_add(&helping, 1);
        }
        os_lock_release(&shared.lock);
        if (!joins)
            continue;
        uint64_t start = os_thread_cpu_ns();
        if (task.work) {
            task.work(task.argument);
        } else if (marker_ready(&self->marker)) {
            drain(&self->marker);
            give_back(&self->marker);
            atomic_fetch_add(&helper_bytes, self->marker.bytes);
            atomic_fetch_add(&helper_plain, self->marker.plain);
        } else {
            os_lock_acquire(&shared.lock);
            shared.joined--;
            if (atomic_load(&shared.idle) == shared.joined)
                shared.open = false; /* the others waited for this one only */
            os_lock_release(&shared.lock);
            tell();
        }
        atomic_fetch_add(&helper_ns, os_thread_cpu_ns() - start);
        atomic_fetch_sub(&helping, 1);
    }
}

void mark_forget_helpers(void) {
    atomic_store(&helper_count, 0);
    memset(helpers, 0, sizeof helpers);
    atomic_store(&helping, 0);
    /* A helper that woke late may have held it. */
    shared.lock = (os_lock){0};
    shared.open = false;
}

/* --- threads of the program that help --- */

static void assistant_free(struct marker *marker) {
    os_lock_acquire(&shared.lock);
    marker->next = shared.assistants;
    shared.assistants = marker;
    os_lock_release(&shared.lock);
}

static struct marker *assistant_new(void) {
    os_lock_acquire(&shared.lock);
    struct marker *marker = shared.assistants;
    if (marker)
        shared.assistants = marker->next;
    os_lock_release(&shared.lock);
    if (marker == NULL && (marker = os_map(sizeof *marker)) != NULL)
        atomic_fetch_add(&shared.memory, sizeof *marker);
    if (marker && marker_ready(marker))
        return marker;
    if (marker)
        assistant_free(marker);
    return NULL;
}

static bool join(void) {
    os_lock_acquire(&shared.lock);
    bool some = atomic_load(&shared.segments) != NULL || (shared.deadline != 0 && !beside_all_claimed());
    bool joins = shared.open && task.work == NULL && some;
    if (joins) {
        shared.joined++;
        atomic_fetch_add(&helping, 1);
    }
    os_lock_release(&shared.lock);
    return joins;
}

/* Whoever waits for all to have nothing left may be waiting for this one only. */
static void leave(void) {
    os_lock_acquire(&shared.lock);
    shared.joined--;
    if (atomic_load(&shared.idle) == shared.joined && atomic_load(&shared.segments) == NULL &&
        atomic_load(&shared.range_count) == 0)
        shared.open = false;
    os_lock_release(&shared.lock);
    tell();
    atomic_fetch_sub(&helping, 1);
}

bool mark_assist(uint64_t until) {
    bool joined = false;
    struct marker *marker = assistant_new();
    if (marker == NULL)
        return false;
    atomic_fetch_add(&shared.hungry, 1);
    for (int spins = 0; spins < 1000 && !(joined = join()); spins++)
        os_cpu_relax();
    atomic_fetch_sub(&shared.hungry, 1);
    if (joined) {
        uint64_t start = os_thread_cpu_ns();
        marker->assists_until = until;
        drain(marker);
        give_back(marker);
        atomic_fetch_add(&helper_bytes, marker->bytes);
        atomic_fetch_add(&helper_plain, marker->plain);
        atomic_fetch_add(&assist_ns, os_thread_cpu_ns() - start);
        leave();
    }
    assistant_free(marker);
    return joined;
}

/* Helpers are made when they are first wanted. If the system has no thread to give, there are fewer. */
void mark_make_helpers(int wanted) {
    if (wanted > MOST_HELPERS)
        wanted = MOST_HELPERS;
    if (atomic_load(&helper_count) >= wanted)
        return;
    os_lock_acquire(&helpers_lock);
    while (atomic_load(&helper_count) < wanted) {
        struct helper *helper = os_map(sizeof *helper);
        if (helper == NULL)
            break;
        if (!os_start_thread(NULL, help, helper, "burrow-mark")) {
            os_unmap(helper, sizeof *helper);
            break;
        }
        helpers[atomic_load(&helper_count)] = helper;
        atomic_fetch_add(&helper_count, 1);
    }
    os_lock_release(&helpers_lock);
}

static void wake_helpers(int wanted) {
    for (int i = 0; i < wanted && i < atomic_load(&helper_count); i++) {
        atomic_store(&helpers[i]->wanted, atomic_load(&marking));
        os_wake(&helpers[i]->wanted, 1);
    }
}

static void wait_for_helpers(void) {
    for (int spins = 0; atomic_load(&helping) > 0; spins++) {
        if (spins < 1000)
            os_cpu_relax();
        else
            os_yield(); /* the helper has lost its processor */
    }
}

void mark_in_parallel(void (*work)(void *), void *argument, int markers) {
    if (markers > 1) {
        task.work = work;
        task.argument = argument;
        os_lock_acquire(&shared.lock);
        shared.open = true;
        atomic_fetch_add(&marking, 1);
        os_lock_release(&shared.lock);
        wake_helpers(markers - 1);
    }
    work(argument);
    if (markers > 1) {
        os_lock_acquire(&shared.lock);
        shared.open = false;
        os_lock_release(&shared.lock);
        wait_for_helpers();
        task.work = NULL;
    }
}

/* Searches again what was dropped for want of room, until nothing is. */
static void rescan_overflowed(void) {
    while (atomic_exchange(&shared.overflowed, false)) {
        uint32_t count = atomic_load(&heap.layout_count);
        for (uint32_t i = 0; i < count; i++) {
            struct layout *layout = heap.layouts[i];
            for (size_t j = 0; j < layout->span_count; j++) {
                struct span *span = layout->spans[j];
                if (span == NULL || !atomic_exchange(&span->overflowed, false))
                    continue;
                for (uint32_t k = 0; k < span->slots; k++) {
                    uintptr_t object = span->base + k * span->object_bytes;
                    if (mark_get(mark_byte(object)) != mark_live)
                        continue;
                    push_object(&own, view_now(), object, layout->number);
                    drain(&own);
                }
            }
        }
    }
}

/* Marks alone what lies on the own stack. */
static void drain_alone(void) {
    os_lock_acquire(&shared.lock);
    shared.joined = 1;
    atomic_store(&shared.idle, 0);
    os_lock_release(&shared.lock);
    drain(&own);
    atomic_store(&shared.idle, 0);
    rescan_overflowed();
}

void mark_begin(void) {
    watched.count = 0;
    helper_ns_before = mark_all_helpers_ns();
    assist_ns_before = mark_all_assists_ns();
    atomic_store(&helper_bytes, 0);
    atomic_store(&helper_plain, 0);
    if (!marker_ready(&own))
        os_fatal("runtime: out of memory: no mark stack");
}

/* Nothing is left to be searched. */
static bool is_done(const struct roots *roots) {
    return own.top == own.segment->items && own.full == NULL && own.range_count == 0 &&
           atomic_load(&shared.segments) == NULL && atomic_load(&shared.range_count) == 0 &&
           roots->marked == roots->count && own.piece.lo == own.piece.hi && beside_all_claimed();
}

bool mark_until(struct roots *roots, int markers, uint64_t deadline) {
    os_lock_acquire(&shared.lock);
    shared.roots = roots;
    atomic_store(&shared.next_root, roots->marked);
    shared.deadline = deadline;
    shared.joined = 1;
    atomic_store(&shared.idle, 0);
    shared.open = true;
    atomic_fetch_add(&marking, 1);
    os_lock_release(&shared.lock);
    if (markers > 1)
        wake_helpers(markers - 1);
    drain(&own);
    if (deadline) {
        os_lock_acquire(&shared.lock);
        shared.open = false; /* who comes now would be late */
        os_lock_release(&shared.lock);
    }
    wait_for_helpers();
    shared.roots = NULL;
    shared.deadline = 0;
    size_t next = atomic_load(&shared.next_root);
    roots->marked = next < roots->count ? next : roots->count;
    last_helper_ns = mark_all_helpers_ns() - helper_ns_before;
    atomic_store(&shared.idle, 0);
    return is_done(roots);
}

void mark_from_roots(struct roots *roots, int markers) {
    mark_until(roots, markers, 0);
    rescan_overflowed();
}

void mark_push_roots(const struct roots *roots) {
    for (size_t i = 0; i < roots->count; i++)
        push_words(&own, view_now(), roots->list[i].lo, roots->list[i].hi, roots->list[i].kind == ROOT_STACK);
}

static void release_segment(struct segment *segment) {
    os_release_within((uintptr_t)segment->items, (uintptr_t)(segment + 1));
}

void mark_release_memory(void) {
    os_lock_acquire(&shared.lock);
    for (struct segment *segment = shared.empty; segment; segment = segment->next)
        release_segment(segment);
    os_lock_release(&shared.lock);
    if (own.segment)
        release_segment(own.segment);
    for (int i = 0; i < atomic_load(&helper_count); i++)
        if (helpers[i]->marker.segment)
            release_segment(helpers[i]->marker.segment);
}

void mark_push_words(uintptr_t lo, uintptr_t hi) {
    push_words(&own, view_now(), lo, hi, false);
}

void mark_push_stack(uintptr_t lo, uintptr_t hi) {
    push_words(&own, view_now(), lo, hi, true);
}

void mark_push_fields(uintptr_t object, const struct span *span) {
    size_t bytes = own.bytes, plain = own.plain;
    push_object(&own, view_now(), object, span->layout->number);
    own.bytes = bytes; /* the object itself is not marked by this */
    own.plain = plain;
}

void mark_drain(void) {
    drain_alone();
}

void mark_forget_pushed(void) {
    while (own.full) {
        struct segment *segment = own.full;
        own.full = segment->next;
        segment_free(segment);
    }
    own.top = own.segment->items;
    own.range_count = 0;
}

void mark_count(size_t searched, size_t taken) {
    atomic_fetch_add(&helper_bytes, searched);
    atomic_fetch_add(&helper_plain, taken - searched);
}

size_t mark_bytes_searched(void) {
    return own.bytes + atomic_load(&helper_bytes);
}

size_t mark_bytes_taken(void) {
    return mark_bytes_searched() + own.plain + atomic_load(&helper_plain);
}

double mark_young_share(void) {
    return own.claimed ? (double)own.young / (double)own.claimed : 0;
}

bool mark_is_live(uintptr_t object) {
    return mark_get(mark_byte(object)) == mark_live;
}

uint64_t mark_helpers_ns(void) {
    return last_helper_ns;
}

uint64_t mark_all_helpers_ns(void) {
    return atomic_load(&helper_ns);
}

uint64_t mark_all_assists_ns(void) {
    return atomic_load(&assist_ns);
}

uint64_t mark_assists_ns(void) {
    return mark_all_assists_ns() - assist_ns_before;
}

size_t mark_memory(void) {
    return atomic_load(&shared.memory);
}
