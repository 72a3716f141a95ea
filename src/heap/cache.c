/* cache.c - a thread's runs of free slots, and filling them.
 *
 * A run is a piece of the span that the thread owns for that layout, of at most CHUNK_BYTES, zeroed when it is taken, so
 * that the zeroes are in the first-level cache when the program writes its object. The program bumps run->cur inline;
 * nobody else ever writes cur or end while the thread lives, so that a thread stopped between loading and storing cur
 * stays right.
 */
#include "heap.h"

#include <string.h>

bool cache_make(struct cache *cache) {
    static _Atomic uint32_t made;
    memset(cache, 0, sizeof *cache);
    cache->home = (uint16_t)(atomic_fetch_add(&made, 1) % UINT16_MAX + 1);
    cache->runs = os_map(RUN_SLOTS * sizeof *cache->runs);
    cache->private_runs = os_map(RUN_SLOTS * sizeof *cache->private_runs);
    if (cache->runs && cache->private_runs)
        return true;
    cache_unmake(cache);
    return false;
}

void cache_unmake(struct cache *cache) {
    if (cache->runs)
        os_unmap(cache->runs, RUN_SLOTS * sizeof *cache->runs);
    if (cache->private_runs)
        os_unmap(cache->private_runs, RUN_SLOTS * sizeof *cache->private_runs);
    if (cache->more)
        os_unmap(cache->more, cache->more_count * sizeof *cache->more);
    memset(cache, 0, sizeof *cache);
}

void cache_each_run(struct cache *cache,
                    void (*visit)(void *context, struct layout *layout, bw__run *run, struct run_private *private_part),
                    void *context) {
    for (uint32_t word = 0; word < RUN_SLOTS / 64; word++)
        for (uint64_t left = cache->used[word]; left; left &= left - 1) {
            uint32_t number = word * 64 + (uint32_t)__builtin_ctzl(left);
            visit(context, heap.layouts[number], &cache->runs[number], &cache->private_runs[number]);
        }
    for (uint32_t i = 0; i < cache->more_count; i++)
        if (cache->more[i].run.cur || cache->more[i].private_part.handed || cache->more[i].private_part.span)
            visit(context, heap.layouts[RUN_SLOTS + i], &cache->more[i].run, &cache->more[i].private_part);
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
    if (index >= cache->more_count) {
        uint32_t wanted = cache->more_count ? cache->more_count : 1024;
        while (wanted <= index)
            wanted *= 2;
        struct extra_run *larger = os_map(wanted * sizeof *larger);
        if (larger == NULL)
            return false;
        if (cache->more) {
            memcpy(larger, cache->more, cache->more_count * sizeof *larger);
            os_unmap(cache->more, cache->more_count * sizeof *cache->more);
        }
        cache->more = larger;
        cache->more_count = wanted;
    }
    *run = &cache->more[index].run;
    *private_part = &cache->more[index].private_part;
    return true;
}

/* --- spans: from the partial list, by sweeping, new --- */

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
    return span;
}

static struct span *acquire_span(struct cache *cache, struct layout *layout, struct run_private *private_part) {
    struct span *span = private_part->spare;
    if (span == NULL)
        span = layout_take_several(layout, cache->home, &private_part->search);
    if (span == NULL)
        return span_new(layout, cache->home);
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

/* The mark bytes of eight new slots of `stride` granules, eight bytes a word. */
#define B(stride, at) ((at) % (stride) == 0 ? (uint64_t)MARK_NEW << ((at) % 8 * 8) : 0)
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
    uint8_t *bytes = mark_byte(span->base) + first * stride;
    uint32_t i = 0;
    if (stride == 1) {
        memset(bytes, MARK_NEW, count);
        return;
    }
    if (stride <= 8)
        for (; i + 8 <= count; i += 8, bytes += 8 * stride)
            memcpy(bytes, new_words[stride], 8 * stride);
    for (; i < count; i++, bytes += stride)
        mark_set(bytes, MARK_NEW);
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

#define REPORT_BYTES ((size_t)32768)

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
    if (atomic_load_explicit(&span->needs_zero, memory_order_relaxed))
        memset(start, 0, bytes);
    set_new(span, first, count);
    private_part->position = first + count;
    expect_run(span, first + count, count);
    atomic_fetch_add_explicit(&span->allocated, count, memory_order_relaxed);
    private_part->handed += count;
    cache->unreported += bytes;
    if (cache->unreported >= REPORT_BYTES) {
        atomic_fetch_add_explicit(&heap.handed, cache->unreported, memory_order_relaxed);
        cache->unreported = 0;
    }
    run->cur = start;
    __atomic_store_n(&run->end, start + bytes, __ATOMIC_RELEASE); /* after cur: see set_aside */
    atomic_store(&span->run, run);
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
    if (bytes == 0)
        forget_run(run);
    if (bytes > 0) {
        struct span *span = span_of_offset(heap_offset(run->cur));
        uint32_t count = (uint32_t)(bytes / layout->slot_bytes);
        bool emptied;
        span_sweep(span, &emptied); /* its bytes say live; a sweep under way must not see them change */
        for (char *slot = run->cur; slot < run->end; slot += layout->slot_bytes)
            mark_set(mark_byte((uintptr_t)slot), MARK_NONE);
        atomic_store(&span->needs_zero, true);
        atomic_fetch_sub(&layout->handed.objects, count);
        atomic_fetch_sub(&layout->handed.bytes, bytes);
        atomic_fetch_sub(&layout->live.objects, count);
        atomic_fetch_sub(&layout->live.bytes, bytes);
        atomic_store(&span->run, NULL);
        run->cur = run->end = NULL;
        layout_count_out(layout, span, count);
    }
    run_give_up_spans(private_part);
}

void cache_empty(struct cache *cache) {
    cache_each_run(cache, empty_run, NULL);
    memset(cache->used, 0, sizeof cache->used);
}
