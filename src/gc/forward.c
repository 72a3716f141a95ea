/* forward.c - while compacting: where an object goes, computed from its number, and changing what refers to it. Nothing has
 * moved yet. (What a number is: compact.c.) */
#include "compact.h"

static uintptr_t slot_of_number(const struct forward *forward, uint32_t number, size_t slot_bytes) {
    const struct segment *segments = forward->unit->segments;
    size_t lo = forward->segment;
    if (number - segments[lo].first >= segments[lo].count) {
        size_t hi = lo + 1, step = 1, end = forward->unit->segment_count;
        while (hi < end && segments[hi].first <= number) { /* mostly the next one */
            lo = hi;
            hi += step;
            step *= 2;
        }
        if (hi > end)
            hi = end;
        while (hi - lo > 1) {
            size_t middle = lo + (hi - lo) / 2;
            if (segments[middle].first <= number)
                lo = middle;
            else
                hi = middle;
        }
    }
    return segments[lo].address + (number - segments[lo].first) * slot_bytes;
}

/* The slot, if something in its span moves. */
static inline const struct block *block_of(const struct span *span, uintptr_t address, size_t *slot) {
    if (span == NULL || span->state != SPAN_SMALL || span->forward == NULL ||
        (*slot = slot_index(span, address)) >= span->slots)
        return NULL;
    return &span->forward->blocks[*slot / 64];
}

static inline uintptr_t forward_by(const struct span *span, const struct block *block, size_t slot, uintptr_t address) {
    uint64_t bit = (uint64_t)1 << (slot % 64);
    if (!(block->can_move & bit))
        return address;
    uint32_t there = (uint32_t)__builtin_popcountll(block->can_move & (bit - 1));
    uintptr_t to = block->to ? block->to + there * span->object_bytes
                             : slot_of_number(span->forward, block->before + there, span->object_bytes);
    return to + (address - (span->base + slot * span->object_bytes));
}

uintptr_t compact_forward(uintptr_t address) {
    if (address - heap.base >= atomic_load_explicit(&heap.used, memory_order_relaxed))
        return address;
    size_t slot;
    const struct span *span = span_of_offset(address - heap.base);
    const struct block *block = block_of(span, address, &slot);
    return block ? forward_by(span, block, slot, address) : address;
}

/* --- update --- */

/* References pass three stages, a batch of them at each: the table of spans is asked for when they are found, then the
 * span, then the block, so that nothing is waited for. */
#define BATCH 64
struct batch {
    size_t count;
    uintptr_t *words[BATCH];
};

static void update_batch(struct batch *batch) {
    const struct span *spans[BATCH];
    const struct block *blocks[BATCH];
    size_t slots[BATCH], count = batch->count;
    for (size_t i = 0; i < count; i++) {
        spans[i] = span_of_offset(*batch->words[i] - heap.base);
        if (spans[i]) {
            __builtin_prefetch(&spans[i]->base);
            __builtin_prefetch(&spans[i]->forward);
        }
    }
    for (size_t i = 0; i < count; i++) {
        blocks[i] = block_of(spans[i], *batch->words[i], &slots[i]);
        if (blocks[i])
            __builtin_prefetch(blocks[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (blocks[i] == NULL)
            continue;
        uintptr_t value = *batch->words[i], now = forward_by(spans[i], blocks[i], slots[i], value);
        if (now != value)
            *batch->words[i] = now;
    }
    batch->count = 0;
}

static inline void update(struct batch *batch, uintptr_t *word) {
    if (*word - heap.base >= atomic_load_explicit(&heap.used, memory_order_relaxed))
        return;
    __builtin_prefetch((const void *)&heap.page_span[(*word - heap.base) >> PAGE_SHIFT]);
    batch->words[batch->count++] = word;
    if (batch->count == BATCH)
        update_batch(batch);
}

/* The words of `map` in each element. Of those of bw_anys only the ones that are references. */
static void update_words(struct batch *batch, uintptr_t *words, size_t count, size_t element, const uint64_t *map,
                         const uint64_t *less) {
    for (size_t at = 0; at < count; at += element)
        for (size_t part = 0; part < element; part += 64)
            for (uint64_t left = map[part / 64] & ~(less ? less[part / 64] : 0); left; left &= left - 1) {
                size_t word = at + part + (size_t)__builtin_ctzll(left);
                if (word < count && (less || gc_hooks.any_refers((const void *)words[word - 1])))
                    update(batch, &words[word]);
            }
}

static void update_object(struct batch *batch, const struct layout *layout, uintptr_t object, size_t bytes) {
    size_t count = bytes / sizeof(void *);
    if (layout->scan != SCAN_REPEAT && count > layout->element_words)
        count = layout->element_words;
    update_words(batch, (uintptr_t *)object, count, layout->element_words, layout->pointer_map, layout->ambiguous_map);
    if (layout->any_map)
        update_words(batch, (uintptr_t *)object, count, layout->element_words, layout->any_map, NULL);
}

static void update_span(struct batch *batch, const struct span *span) {
    const struct layout *layout = span->layout;
    size_t stride = span->object_bytes >> GRANULE_SHIFT;
    if (layout->pointer_map == NULL || layout->ambiguous_map == NULL || layout->scan == SCAN_WORDS ||
        span->state == SPAN_QUARANTINE)
        return;
    const uint8_t *byte = mark_byte(span->base);
    for (uint32_t slot = 0; slot < span->slots; slot++, byte += stride)
        if (*byte != MARK_NONE)
            update_object(batch, layout, span->base + slot * span->object_bytes, span->object_bytes);
}

static struct span **all;
static size_t all_count;
static _Atomic size_t next;

#define SPANS_AT_ONCE 16
static void update_spans(void *unused) {
    (void)unused;
    struct batch batch = {.count = 0};
    size_t from;
    while ((from = atomic_fetch_add(&next, SPANS_AT_ONCE)) < all_count)
        for (size_t i = from; i < from + SPANS_AT_ONCE && i < all_count; i++)
            update_span(&batch, all[i]);
    update_batch(&batch);
}

void forward_references(struct span **spans, size_t count, int markers) {
    all = spans;
    all_count = count;
    atomic_store(&next, 0);
    mark_in_parallel(update_spans, NULL, markers);
}
