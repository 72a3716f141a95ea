/* pin.c - before a compaction: what must stay where it is.
 *
 * An object can move only if every word that refers to it is known to be a reference, and can be changed. So these pin
 * what they refer to: words of stacks and registers, of static and thread-local data and of registered ranges; every
 * word of an untyped object, and the words of a typed one that may be something else (a union, an undescribed struct, a
 * key of a map that is found by its address); what bw_pin and bw_retain have; the keys and values of weak maps; what
 * waits for its finalizer. What is left of a thread's runs stays, too: the thread will hand it out.
 *
 * A register may hold an address near an object, and not in it, from which the program computes one in it, while
 * another reference keeps the object alive: a compiler may step through an array from behind its end or before its
 * beginning. So a stack's word pins what lies NEAR bytes to both sides of it, too.
 */
#include "compact.h"

#define NEAR ((uintptr_t)64)

static struct {
    const struct roots *roots;
    struct span **spans;
    size_t count;
    _Atomic size_t next_root, next_span;
    _Atomic uint64_t objects[PIN_REASONS], bytes;
} pins;

static void pin(uintptr_t address, enum pin_reason reason) {
    if (address - heap.base >= atomic_load_explicit(&heap.used, memory_order_relaxed))
        return;
    size_t slot;
    const struct span *span = span_of_offset(address - heap.base);
    if (!compact_slot(span, address, &slot))
        return;
    uint8_t *byte = mark_byte(span->base + slot * span->object_bytes), was = mark_get(byte);
    if (was == MARK_NONE || was & MARK_PINNED || __atomic_fetch_or(byte, MARK_PINNED, __ATOMIC_RELAXED) & MARK_PINNED)
        return;
    atomic_fetch_add_explicit(&pins.objects[reason], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pins.bytes, span->object_bytes, memory_order_relaxed);
}

static void pin_words(uintptr_t lo, uintptr_t hi, enum pin_reason reason) {
    for (const uintptr_t *word = (const uintptr_t *)lo; word < (const uintptr_t *)hi; word++)
        pin(*word, reason);
}

static void pin_around(uintptr_t lo, uintptr_t hi) {
    uintptr_t used = atomic_load(&heap.used);
    for (const uintptr_t *word = (const uintptr_t *)lo; word < (const uintptr_t *)hi; word++)
        if (*word - heap.base + NEAR < used + 2 * NEAR)
            for (uintptr_t at = *word - NEAR; at <= *word + NEAR; at += GRANULE_BYTES)
                pin(at, PIN_STACK);
}

static void pin_fields(const struct layout *layout, uintptr_t object, size_t bytes) {
    if (layout->scan == SCAN_WORDS) {
        pin_words(object, object + bytes, PIN_HEAP);
        return;
    }
    size_t element = layout->element_words, count = layout_mapped_words(layout, bytes);
    for (size_t i = 0, phase = 0; i < count; i++) {
        uint64_t map = layout->pointer_map[phase / 64];
        if (layout->ambiguous_map)
            map &= layout->ambiguous_map[phase / 64];
        bool any = layout->any_map && layout->any_map[phase / 64] >> (phase % 64) & 1;
        if (map >> (phase % 64) & 1 && !(any && gc_hooks.any_refers(((const void *const *)object)[i - 1])))
            pin(((const uintptr_t *)object)[i], PIN_HEAP);
        if (++phase == element)
            phase = 0;
    }
}

static bool has_ambiguous(const struct layout *layout) {
    if (layout->scan == SCAN_WORDS || layout->ambiguous_map == NULL)
        return true;
    for (size_t i = 0; i < (layout->element_words + 63u) / 64; i++)
        if (layout->pointer_map[i] & layout->ambiguous_map[i])
            return true;
    return false;
}

static void pin_by_span(const struct span *span) {
    const struct layout *layout = span->layout;
    if (span->state == SPAN_QUARANTINE || !has_ambiguous(layout))
        return;
    size_t stride = span->object_bytes >> GRANULE_SHIFT;
    const uint8_t *byte = mark_byte(span->base);
    for (uint32_t slot = 0; slot < span->slots; slot++, byte += stride)
        if (mark_get(byte) != MARK_NONE)
            pin_fields(layout, span->base + slot * span->object_bytes, span->object_bytes);
}

static void pin_some(void *unused) {
    (void)unused;
    size_t i;
    while ((i = atomic_fetch_add(&pins.next_root, 1)) < pins.roots->count) {
        const struct root *root = &pins.roots->list[i];
        if (root->kind == ROOT_STACK)
            pin_around(root->lo, root->hi);
        else
            pin_words(root->lo, root->hi, PIN_DATA);
    }
    while ((i = atomic_fetch_add(&pins.next_span, 1)) < pins.count)
        pin_by_span(pins.spans[i]);
}

static void pin_run(void *unused, struct layout *layout, bw__run *run, struct run_private *private_part) {
    (void)unused;
    (void)private_part;
    if (layout->movable)
        for (char *slot = run->cur; slot < run->end; slot += layout->slot_bytes)
            pin((uintptr_t)slot, PIN_ASKED);
}

static void pin_runs(struct thread *thread, void *unused) {
    if (thread->cache)
        cache_each_run(thread->cache, pin_run, unused);
}

static void pin_asked(void *unused, uintptr_t lo, uintptr_t hi) {
    (void)unused;
    pin_words(lo, hi, PIN_ASKED);
}

static void leave_fields(void *unused, uintptr_t object, const struct span *span) {
    (void)unused;
    (void)object;
    (void)span;
}

void pin_all(const struct roots *roots, struct span **spans, size_t count, int markers, struct pinned *pinned) {
    pins.roots = roots;
    pins.spans = spans;
    pins.count = count;
    atomic_store(&pins.next_root, 0);
    atomic_store(&pins.next_span, 0);
    threads_each(pin_runs, NULL);
    for (int i = 0; i < PIN_REASONS; i++) /* what is left of runs is no object */
        atomic_store(&pins.objects[i], 0);
    atomic_store(&pins.bytes, 0);
    specials_each_root(pin_asked, leave_fields, NULL);
    weak_maps_each(pin_asked, NULL);
    mark_in_parallel(pin_some, NULL, markers);
    for (int i = 0; i < PIN_REASONS; i++)
        pinned->objects[i] = atomic_load(&pins.objects[i]);
    pinned->bytes = atomic_load(&pins.bytes);
}
