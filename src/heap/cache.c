/* cache.c - a thread's runs of free slots, and filling them.
 *
 * A run is a piece of the span that the thread owns for that layout, of at most CHUNK_BYTES, zeroed when it is taken,
 * so that the zeroes are in the first-level cache when the program writes its object. The program bumps run->cur
 * inline; nobody else ever writes cur or end while the thread lives, so that a thread stopped between loading and
 * storing cur stays right.
 */
#include "heap.h"

#include <string.h>

/* --- the caches --- None is ever unmapped: spans refer to runs, and whoever asks about an object reads the run that a
 * span refers to without knowing whether its thread still lives (set_aside in heap.c). A cache whose thread has ended
 * waits for the next thread. */

static void cache_empty(struct cache *cache);

#define KEPT_WARM 32         /* that many that wait may keep the pages that they touched */
static os_lock waiting_lock; /* held only by threads within the library, so that at a fork nobody holds it */
static struct cache *waiting;
static _Atomic size_t waiting_count;

struct cache *cache_make(void) {
    static uint16_t made;
    os_lock_acquire(&waiting_lock);
    struct cache *cache = waiting;
    if (cache) {
        waiting = cache->next;
        atomic_fetch_sub(&waiting_count, 1);
    } else if ((cache = os_map(sizeof *cache)) != NULL) {
        made = made + 1 == HOME_EMPTY ? HOME_NOBODY + 1 : made + 1;
        cache->home = made;
    }
    os_lock_release(&waiting_lock);
    return cache;
}

void cache_unmake(struct cache *cache) {
    cache_empty(cache);
    atomic_fetch_add_explicit(&heap.handed, cache->unreported, memory_order_relaxed);
    cache->unreported = cache->report_at = 0;
    cache->due = false;
    cache->refills = 0;
    /* All that it holds is zero; without the memory, if the system obliges. */
    if (atomic_load(&waiting_count) >= KEPT_WARM) {
        os_release(cache->runs, sizeof cache->runs);
        os_release(cache->private_runs, sizeof cache->private_runs);
        for (uint32_t i = 0; i < cache->more_chunks; i++)
            os_release(cache->more[i], MORE_RUNS * sizeof *cache->more[i]);
    }
    os_lock_acquire(&waiting_lock);
    cache->next = waiting;
    waiting = cache;
    atomic_fetch_add(&waiting_count, 1);
    os_lock_release(&waiting_lock);
}

void cache_each_run(struct cache *cache,
                    void (*visit)(void *context, struct layout *layout, bw__run *run, struct run_private *private_part),
                    void *context) {
    for (uint32_t word = 0; word < RUN_SLOTS / 64; word++)
        for (uint64_t left = cache->used[word]; left; left &= left - 1) {
            uint32_t number = word * 64 + (uint32_t)__builtin_ctzl(left);
            visit(context, heap.layouts[number], &cache->runs[number], &cache->private_runs[number]);
        }
    for (uint32_t i = 0; i < cache->more_chunks; i++)
        for (uint32_t j = 0; j < MORE_RUNS; j++) {
            struct extra_run *extra = &cache->more[i][j];
            if (extra->run.cur || extra->private_part.handed || extra->private_part.span)
                visit(context, heap.layouts[RUN_SLOTS + i * MORE_RUNS + j], &extra->run, &extra->private_part);
        }
}

static bool more_runs(struct cache *cache, uint32_t chunks) {
    if (chunks > cache->more_room) {
        struct extra_run **larger = os_map(chunks * sizeof *larger);
        if (larger == NULL)
            return false;
        if (cache->more) { /* only this array: the runs stay where they are */
            memcpy(larger, cache->more, cache->more_chunks * sizeof *larger);
            os_unmap(cache->more, cache->more_room * sizeof *larger);
        }
        cache->more = larger;
        cache->more_room = chunks;
    }
    while (cache->more_chunks < chunks) {
        struct extra_run *chunk = os_map(MORE_RUNS * sizeof *chunk);
        if (chunk == NULL)
            return false;
        cache->more[cache->more_chunks++] = chunk;
    }
    return true;
}

static bool find_run(struct cache *cache, struct layout *layout, bw__run **run, struct run_private **private_part) {
    uint32_t number = layout->number;
    if (number < RUN_SLOTS) {
        cache->used[number / 64] |= (uint64_t)1 << (number % 64);
        *run = &cache->runs[number];
        *private_part = &cache->private_runs[number];
        return true;
    }
    uint32_t index = number - RUN_SLOTS;
    if (index / MORE_RUNS >= cache->more_chunks && !more_runs(cache, index / MORE_RUNS + 1))
        return false;
    struct extra_run *extra = &cache->more[index / MORE_RUNS][index % MORE_RUNS];
    *run = &extra->run;
    *private_part = &extra->private_part;
    return true;
}

/* --- spans: from the partial list, by sweeping, new --- */

/* The heap is used where it was not before: soon what follows will be, too. */
static void tell_ahead(const struct span *span) {
    size_t end = span->base - heap.base + (span->pages << PAGE_SHIFT), before = atomic_load(&heap.ahead);
    if (end <= before)
        return;
    end = (end + OS_HUGE_PAGE - 1) & ~(OS_HUGE_PAGE - 1);
    if (atomic_compare_exchange_strong(&heap.ahead, &before, end) &&
        atomic_load_explicit(&heap.looks_ahead, memory_order_relaxed)) {
        atomic_fetch_add(&heap.ahead_asked, 1);
        os_wake(&heap.ahead_asked, 1);
    }
}

static struct span *span_new(struct layout *layout, uint16_t home) {
    struct span *span = pages_allocate(layout->span_pages, 1);
    if (span == NULL)
        return NULL;
    span->layout = layout;
    span->object_bytes = layout->slot_bytes;
    span->slots = layout->slots;
    span->reciprocal = layout->reciprocal;
    atomic_store(&span->needs_zero, pages_dirty(span->base, span->pages));
    atomic_store(&span->partial_tag, 0);
    atomic_store(&span->allocated, 0);
    atomic_store(&span->overflowed, false);
    atomic_store(&span->owned, true);
    atomic_store(&span->run, NULL);
    span->state = SPAN_SMALL;
    if (!layout_add_span(layout, span, home)) {
        pages_free(span);
        return NULL;
    }
    pages_mark_dirty(span->base, span->pages);
    pages_set_span(span, span, layout->number);
    tell_ahead(span);
    return span;
}

/* A part of what the layout has, so that its spans lie together: what is done to pages of one kind then costs a few calls of
 * the system, and a huge page is all of one kind. */
#define NEW_SHARE 32
#define NEW_MOST ((size_t)2 << 20)
static struct span *spans_new(struct layout *layout, uint16_t home) {
    struct span *first = span_new(layout, home), **link;
    if (first == NULL)
        return NULL;
    size_t span_bytes = (size_t)layout->span_pages << PAGE_SHIFT,
           share = __atomic_load_n(&layout->span_count, __ATOMIC_RELAXED) / NEW_SHARE * span_bytes;
    if (share > NEW_MOST)
        share = NEW_MOST;
    link = &first->next;
    for (size_t bytes = span_bytes; bytes < share; bytes += span_bytes) {
        struct span *span = span_new(layout, home);
        if (span == NULL)
            break;
        *link = span;
        link = &span->next;
    }
    *link = NULL;
    return first;
}

static struct span *acquire_span(struct cache *cache, struct layout *layout, struct run_private *private_part) {
    struct span *span = private_part->spare;
    if (span == NULL)
        span = layout_take_several(layout, cache->home, &private_part->search);
    if (span == NULL)
        span = spans_new(layout, cache->home);
    if (span == NULL)
        return NULL;
    private_part->spare = span->next;
    span->next = NULL;
    return span;
}

void run_give_up_spans(struct run_private *private_part) {
    struct span *spare = private_part->spare, *span;
    if (private_part->span)
        span_disown(private_part->span);
    private_part->span = private_part->spare = NULL;
    private_part->position = 0;
    while ((span = spare) != NULL) {
        spare = span->next;
        span->next = NULL;
        span_disown(span);
    }
}

/* --- runs --- */

/* The first free slot at or after `from`, and how many follow it, at most `most`; 0: none. */
__attribute__((no_sanitize("thread"))) static uint32_t free_slots(const struct span *span, uint32_t *from,
                                                                  uint32_t most) {
    size_t stride = span->object_bytes >> GRANULE_SHIFT;
    const uint8_t *bytes = mark_byte(span->base);
    uint32_t at = *from;
    if (stride == 1) {
        /* Sixteen-byte slots: eight bytes at a time past the allocated ones. */
        while (at + 8 <= span->slots) {
            uint64_t eight;
            memcpy(&eight, bytes + at, 8);
            if ((eight - 0x0101010101010101u) & ~eight & 0x8080808080808080u)
                break;
            at += 8;
        }
    }
    while (at < span->slots && mark_get(&bytes[at * stride]) != MARK_NONE)
        at++;
    if (at == span->slots)
        return 0;
    uint32_t end = at + 1, limit = span->slots - at < most ? span->slots : at + most;
    if (stride <= 8) {
        /* No byte in the middle of a slot is anything but 0, so that eight bytes at a time tell of whole slots. */
        size_t byte = end * stride, stop = limit * stride;
        for (uint64_t eight; byte + 8 <= stop; byte += 8) {
            memcpy(&eight, bytes + byte, 8);
            if (eight != 0)
                break;
        }
        end = (uint32_t)((byte + stride - 1) / stride);
    }
    while (end < limit && mark_get(&bytes[end * stride]) == MARK_NONE)
        end++;
    *from = at;
    return end - at;
}

/* What object_free, and the program before it, wrote to the slots came before it cleared their bytes. */
static void see_frees(const struct span *span, uint32_t first, uint32_t count) {
    if (OS_FENCES_ARE_SEEN) {
        atomic_thread_fence(memory_order_acquire);
        return;
    }
    size_t stride = span->object_bytes >> GRANULE_SHIFT;
    for (uint32_t i = first; i < first + count; i++)
        (void)__atomic_load_n(mark_byte(span->base) + i * stride, __ATOMIC_ACQUIRE);
}

/* The bytes of eight new slots of `stride` granules, eight bytes a word, for a byte of 1. */
#define B(stride, at) ((at) % (stride) == 0 ? (uint64_t)1 << ((at) % 8 * 8) : 0)
#define WORD(stride, w)                                                                                                \
    (B(stride, 8 * (w)) | B(stride, 8 * (w) + 1) | B(stride, 8 * (w) + 2) | B(stride, 8 * (w) + 3) |                   \
     B(stride, 8 * (w) + 4) | B(stride, 8 * (w) + 5) | B(stride, 8 * (w) + 6) | B(stride, 8 * (w) + 7))
#define WORDS(stride)                                                                                                  \
    {                                                                                                                  \
        WORD(stride, 0), WORD(stride, 1), WORD(stride, 2), WORD(stride, 3), WORD(stride, 4), WORD(stride, 5),          \
            WORD(stride, 6), WORD(stride, 7)                                                                           \
    }
static const uint64_t new_words[9][8] = {{0},      WORDS(1), WORDS(2), WORDS(3), WORDS(4),
                                         WORDS(5), WORDS(6), WORDS(7), WORDS(8)};

RACES_WITH_READERS static void set_new(const struct span *span, uint32_t first, uint32_t count) {
    size_t stride = span->object_bytes >> GRANULE_SHIFT;
    uint8_t *bytes = mark_byte(span->base) + first * stride, born = (uint8_t)atomic_load(&heap.born);
    uint32_t i = 0;
    if (stride == 1) {
        memset(bytes, born, count);
        return;
    }
    if (stride <= 8)
        for (; i + 8 <= count; i += 8, bytes += 8 * stride)
            for (size_t word = 0; word < stride; word++) {
                uint64_t eight = new_words[stride][word] * born;
                memcpy(bytes + 8 * word, &eight, 8);
            }
    for (; i < count; i++, bytes += stride)
        mark_set(bytes, born);
}

/* The mark bytes that the next run will ask for, while the program uses up this one. */
static void expect_run(const struct span *span, uint32_t at, uint32_t count) {
    size_t stride = span->object_bytes >> GRANULE_SHIFT;
    if (at + count > span->slots)
        count = span->slots - at;
    const uint8_t *bytes = mark_byte(span->base) + at * stride;
    for (size_t i = 0; i < count * stride; i += 64)
        __builtin_prefetch(bytes + i, 1);
}

/* The run is used up: its span, which may have been freed or be another by now, has nothing set aside for it. */
static void forget_run(bw__run *run) {
    struct span *span = run->end ? span_of_offset(heap_offset(run->end - 1)) : NULL;
    bw__run *expected = run;
    if (span)
        atomic_compare_exchange_strong(&span->run, &expected, NULL);
}

void run_report(struct layout *layout, struct run_private *private_part) {
    uint64_t objects = private_part->handed, bytes = objects * layout->slot_bytes;
    if (objects == 0)
        return;
    private_part->handed = 0;
    atomic_fetch_add_explicit(&layout->handed.objects, objects, memory_order_relaxed);
    atomic_fetch_add_explicit(&layout->handed.bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&layout->live.objects, objects, memory_order_relaxed);
    atomic_fetch_add_explicit(&layout->live.bytes, bytes, memory_order_relaxed);
}

#define REPORT_LEAST ((size_t)32768)
#define REPORT_MOST ((size_t)262144)

/* Tells the collector of what was handed out, when that is worth a cache line that every thread writes. */
static void report_handed(struct cache *cache, size_t bytes) {
    cache->unreported += bytes;
    if (cache->unreported < cache->report_at)
        return;
    size_t trigger = atomic_load_explicit(&heap.trigger, memory_order_relaxed), share = trigger / 256;
    cache->due =
        atomic_fetch_add_explicit(&heap.handed, cache->unreported, memory_order_relaxed) + cache->unreported >= trigger;
    cache->unreported = 0;
    cache->report_at = share < REPORT_LEAST ? REPORT_LEAST : share > REPORT_MOST ? REPORT_MOST : share;
}

/* No instruction here that waits for stores comes after the first store to memory that is not in the cache yet. */
static bool take_run(struct cache *cache, struct run_private *private_part, bw__run *run) {
    struct span *span = private_part->span;
    uint32_t first = private_part->position, most = (uint32_t)(CHUNK_BYTES / span->object_bytes);
    if (most == 0 || heap.stress)
        most = 1;
    uint32_t count = free_slots(span, &first, most);
    if (count == 0)
        return false;
    see_frees(span, first, count);
    char *start = (char *)span->base + first * span->object_bytes;
    size_t bytes = count * span->object_bytes;
    atomic_fetch_add_explicit(&span->allocated, count, memory_order_relaxed);
    private_part->handed += count;
    report_handed(cache, bytes);
    if (atomic_load_explicit(&span->needs_zero, memory_order_relaxed))
        memset(start, 0, bytes);
    set_new(span, first, count);
    private_part->position = first + count;
    expect_run(span, first + count, count);
    /* Written by the thread that owns the span alone; for the order see set_aside. */
    uint32_t changes = atomic_load_explicit(&span->run_changes, memory_order_relaxed);
    atomic_store_explicit(&span->run_changes, changes + 1, memory_order_relaxed);
    __atomic_store_n(&run->cur, start, __ATOMIC_RELEASE);
    __atomic_store_n(&run->end, start + bytes, __ATOMIC_RELEASE);
    atomic_store_explicit(&span->run, run, memory_order_release);
    atomic_store_explicit(&span->run_changes, changes + 2, memory_order_release);
    return true;
}

void *cache_allocate(struct cache *cache, struct layout *layout) {
    bw__run *run;
    struct run_private *private_part;
    if (!find_run(cache, layout, &run, &private_part))
        return NULL;
    if (run->cur == run->end)
        forget_run(run);
    while (run->cur == run->end) {
        if (private_part->span && take_run(cache, private_part, run))
            break;
        if (private_part->span)
            span_disown(private_part->span);
        private_part->position = 0;
        private_part->span = acquire_span(cache, layout, private_part);
        if (private_part->span == NULL)
            return NULL;
    }
    void *object = run->cur;
    run->cur += layout->slot_bytes;
    return object;
}

/* Takes back what is left of a run: it was never allocated, so it is not reclaimed either. */
static void empty_run(void *context, struct layout *layout, bw__run *run, struct run_private *private_part) {
    (void)context;
    size_t bytes = (size_t)(run->end - run->cur);
    run_report(layout, private_part);
    if (bytes == 0) {
        forget_run(run);
    } else {
        struct span *span = span_of_offset(heap_offset(run->cur));
        uint32_t count = (uint32_t)(bytes / layout->slot_bytes);
        bw_amount reclaimed = {0, 0};
        span_sweep(span, &reclaimed); /* its bytes say live; a sweep under way must not see them change */
        layout_count_reclaimed(layout, reclaimed);
        for (char *slot = run->cur; slot < run->end; slot += layout->slot_bytes)
            mark_set(mark_byte((uintptr_t)slot), MARK_NONE);
        atomic_store(&span->needs_zero, true);
        atomic_fetch_sub(&layout->handed.objects, count);
        atomic_fetch_sub(&layout->handed.bytes, bytes);
        atomic_fetch_sub(&layout->live.objects, count);
        atomic_fetch_sub(&layout->live.bytes, bytes);
        atomic_store(&span->run, NULL);
        layout_count_out(layout, span, count);
    }
    run->cur = run->end = NULL;
    run_give_up_spans(private_part);
    memset(private_part, 0, sizeof *private_part);
}

static void cache_empty(struct cache *cache) {
    cache_each_run(cache, empty_run, NULL);
    memset(cache->used, 0, sizeof cache->used);
}
