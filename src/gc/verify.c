/* verify.c - the collector checked by itself (verify=1), with the world stopped after marking.
 *
 * Marks again, alone, from the same roots, with other code and tables of its own, and compares: an object that this
 * reaches and the collector did not mark ends the program, with the path that leads to it. And counts: the objects of
 * each span, span by span, against the span's own number and the ledger's.
 */
#include "gc.h"

#include <string.h>

static struct {
    uint8_t *reached;  /* a bit a granule */
    uint32_t *parents; /* the granule, plus one, of the object that led here; 0: a root */
    uintptr_t *stack;
    size_t depth, capacity;
    size_t granules;
    const uintptr_t *word; /* being looked at */
} v;

static bool take_bit(size_t granule) {
    uint8_t bit = (uint8_t)(1 << (granule % 8));
    if (v.reached[granule / 8] & bit)
        return false;
    v.reached[granule / 8] |= bit;
    return true;
}

static void push(uintptr_t object) {
    if (v.depth == v.capacity) {
        size_t wanted = v.capacity ? v.capacity * 2 : 65536;
        uintptr_t *larger = os_map(wanted * sizeof *larger);
        if (larger == NULL)
            os_fatal("runtime: out of memory: verify=1 needs memory of its own");
        if (v.capacity) {
            memcpy(larger, v.stack, v.depth * sizeof *larger);
            os_unmap(v.stack, v.capacity * sizeof *larger);
        }
        v.stack = larger;
        v.capacity = wanted;
    }
    v.stack[v.depth++] = object;
}

/* The object at an address: by division, not by reciprocal. */
static uintptr_t find(uintptr_t address, struct span **found) {
    if (address - heap.base >= atomic_load(&heap.used))
        return 0;
    struct span *span = span_of_offset(address - heap.base);
    if (span == NULL || span->state == SPAN_FREE)
        return 0;
    uintptr_t object = span->base;
    if (span->state == SPAN_SMALL) {
        size_t index = (address - span->base) / span->object_bytes;
        if (index >= span->slots)
            return 0;
        object += index * span->object_bytes;
    } else if (address - span->base >= span->object_bytes - (span->state == SPAN_ARENA ? ARENA_UNUSED_BYTES : 0)) {
        return 0;
    }
    *found = span;
    return mark_get(mark_byte(object)) == MARK_NONE ? 0 : object;
}

static BW__COLD void report(uintptr_t object, const struct span *span, uint32_t parent) {
    os_print(2, "burrow: verify: reachable but not marked: %p, %zu bytes, %s\n", (void *)object, span->object_bytes,
             layout_name(span->layout));
    for (int steps = 0; parent != 0 && steps < 100; steps++) {
        uintptr_t from = heap.base + ((uintptr_t)(parent - 1) << GRANULE_SHIFT);
        struct span *holder = span_of_offset(from - heap.base);
        os_print(2, "  in %p, %zu bytes, %s\n", (void *)from, holder->object_bytes, layout_name(holder->layout));
        parent = v.parents[parent - 1];
    }
    os_print(2, "  in a root; the word looked at is at %p\n", (const void *)v.word);
    os_fatal("burrow: the collector missed an object");
}

/* The end of a marked object, put into an object that was made while a copy of the process marked, or searched there: the
 * program has no reference to what happens to lie behind, and nothing searches what it wrote for what only looks like
 * one. */
static bool is_only_end(uintptr_t address, uintptr_t object) {
    struct span *span;
    uintptr_t before = figures.phases.snapshot && address == object ? find(object - 1, &span) : 0;
    return before != 0 && !span->layout->spare && mark_get(mark_byte(before)) == mark_live;
}

static void reach(uintptr_t address, uint32_t parent) {
    struct span *span;
    uintptr_t object = find(address, &span);
    if (object == 0 || (mark_get(mark_byte(object)) != mark_live && is_only_end(address, object)))
        return;
    size_t granule = (object - heap.base) >> GRANULE_SHIFT;
    if (!take_bit(granule))
        return;
    v.parents[granule] = parent;
    if (mark_get(mark_byte(object)) != mark_live)
        report(object, span, parent);
    push(object);
}

static void reach_words(uintptr_t lo, uintptr_t hi, uint32_t parent, bool one_past) {
    for (const uintptr_t *word = (const uintptr_t *)lo; word < (const uintptr_t *)hi; word++) {
        v.word = word;
        reach(*word, parent);
        struct span *span;
        if (one_past && (*word & (GRANULE_BYTES - 1)) == 0 && find(*word - 1, &span) != 0 && !span->layout->spare)
            reach(*word - 1, parent);
    }
}

/* Which words of an object are searched. */
static size_t words_of(const struct layout *layout, size_t bytes) {
    size_t words = bytes / sizeof(void *);
    bool all = layout->scan == SCAN_WORDS || layout->scan == SCAN_REPEAT || words < layout->element_words;
    return all ? words : layout->element_words;
}
static bool is_searched(const struct layout *layout, size_t word) {
    size_t in_element = layout->scan == SCAN_WORDS ? 0 : word % layout->element_words;
    return layout->scan == SCAN_WORDS || layout->pointer_map[in_element / 64] >> (in_element % 64) & 1;
}

static void reach_fields(uintptr_t object, const struct span *span, uint32_t parent) {
    const struct layout *layout = span->layout;
    if (layout->scan == SCAN_NONE || span->state == SPAN_QUARANTINE)
        return;
    for (size_t i = 0, words = words_of(layout, span->object_bytes); i < words; i++)
        if (is_searched(layout, i)) {
            v.word = (const uintptr_t *)object + i;
            reach(*v.word, parent);
        }
}

static void visit_root(void *context, uintptr_t lo, uintptr_t hi) {
    (void)context;
    reach_words(lo, hi, 0, false);
}

static void visit_fields(void *context, uintptr_t object, const struct span *span) {
    (void)context;
    reach_fields(object, span, 0);
}

/* --- counting --- */

static void count_layout(const struct layout *layout) {
    uint64_t objects = 0, bytes = 0;
    for (size_t i = 0; i < layout->span_count; i++) {
        const struct span *span = layout->spans[i];
        if (span == NULL)
            continue;
        uint32_t here = 0;
        for (uint32_t slot = 0; slot < span->slots; slot++)
            here += mark_get(mark_byte(span->base + slot * span->object_bytes)) != MARK_NONE;
        if (here != atomic_load(&span->allocated))
            os_fatal("burrow: verify: the span at %p has %u objects and counts %u", (void *)span->base, here,
                     atomic_load(&span->allocated));
        objects += here;
        bytes += (uint64_t)here * span->object_bytes;
    }
    if (layout->counts_inside)
        return; /* counts what is in its spans, not the spans */
    uint64_t handed = atomic_load(&layout->handed.objects),
             gone = atomic_load(&layout->nil.objects) + atomic_load(&layout->zero.objects);
    if (objects != atomic_load(&layout->live.objects) || bytes != atomic_load(&layout->live.bytes) ||
        handed - gone != objects)
        os_fatal("burrow: verify: layout %u (%s) has %llu objects, its ledger says %llu, handed less reclaimed %llu",
                 layout->number, layout_name(layout), (unsigned long long)objects,
                 (unsigned long long)atomic_load(&layout->live.objects), (unsigned long long)(handed - gone));
}

void verify_marks(const struct roots *roots) {
    v.granules = (atomic_load(&heap.used) >> GRANULE_SHIFT) + 1; /* there may be no heap yet */
    v.reached = os_map(v.granules / 8 + 1);
    v.parents = os_map(v.granules * sizeof *v.parents);
    if (v.reached == NULL || v.parents == NULL)
        os_fatal("runtime: out of memory: verify=1 needs memory of its own");
    for (size_t i = 0; i < roots->count; i++)
        reach_words(roots->list[i].lo, roots->list[i].hi, 0, roots->list[i].kind == ROOT_STACK);
    specials_each_root(visit_root, visit_fields, NULL);
    while (v.depth > 0) {
        uintptr_t object = v.stack[--v.depth];
        reach_fields(object, span_of_offset(object - heap.base), (uint32_t)((object - heap.base) >> GRANULE_SHIFT) + 1);
    }
    v.word = NULL; /* static data is a root: it must not keep the last object looked at */
    os_unmap(v.parents, v.granules * sizeof *v.parents);
    os_unmap(v.reached, v.granules / 8 + 1);
    uint32_t count = atomic_load(&heap.layout_count);
    for (uint32_t i = 0; i < count; i++)
        count_layout(heap.layouts[i]);
}

/* --- a compaction --- */

static uint64_t mixed(uint64_t value) {
    value = (value ^ value >> 32) * 0xd6e8feb86659fd93u;
    return value ^ value >> 32;
}

static uintptr_t itself(uintptr_t address) {
    return address;
}

static uint64_t sum_of_object(const struct span *span, uintptr_t object, uintptr_t (*forward)(uintptr_t)) {
    uint64_t sum = 0;
    for (size_t i = 0, words = words_of(span->layout, span->object_bytes); i < words; i++)
        if (is_searched(span->layout, i))
            sum += mixed(forward(((const uintptr_t *)object)[i]));
    return sum;
}

static uint64_t sum_of_heap(uintptr_t (*forward)(uintptr_t)) {
    uint64_t sum = 0;
    for (uint32_t i = 0, count = atomic_load(&heap.layout_count); i < count; i++) {
        const struct layout *layout = heap.layouts[i];
        for (size_t j = 0; layout->scan != SCAN_NONE && j < layout->span_count; j++) {
            const struct span *span = layout->spans[j];
            for (uint32_t slot = 0; span && span->state != SPAN_QUARANTINE && slot < span->slots; slot++) {
                uintptr_t object = span->base + slot * span->object_bytes;
                if (mark_get(mark_byte(object)) != MARK_NONE)
                    sum += sum_of_object(span, object, forward);
            }
        }
    }
    return sum;
}

uint64_t verify_before_moving(const struct roots *roots, uintptr_t (*forward)(uintptr_t)) {
    for (size_t i = 0; i < roots->count; i++)
        for (const uintptr_t *word = (const uintptr_t *)roots->list[i].lo; word < (const uintptr_t *)roots->list[i].hi;
             word++)
            if (forward(*word) != *word)
                os_fatal("burrow: verify: the root at %p refers to %p, which is about to move", (const void *)word,
                         (void *)*word);
    return sum_of_heap(forward);
}

void verify_after_moving(uint64_t sum) {
    if (sum_of_heap(itself) != sum)
        os_fatal("burrow: verify: after a compaction the references are not what they should be");
}
