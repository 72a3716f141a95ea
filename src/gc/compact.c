/* compact.c - mark-compact: the movable objects of each layout slide toward the low end of its spans.
 *
 * All of it while the world is stopped, after a collection has marked, and everything is swept:
 *
 * 1. Pin (pin.c): every object of a movable layout that a word refers to which may be something else than a reference.
 * 2. Plan: the spans of a layout, by their addresses, are cut into UNITS, which are compacted side by side. In a unit the
 *    objects that can move are numbered in the order of their addresses, and so are the slots that no pinned object is
 *    in: the object of each number goes to the slot of that number. That is never above the object's own.
 * 3. Update: every precise reference to an object that will move; weak pointers, finalizers and their kin.
 * 4. Move, in the order of the numbers: what was in the slot has moved by then.
 * 5. Spans that are empty now are freed.
 *
 * Where an object goes is computed from its number (Jonkers, "A fast garbage compaction algorithm", 1979, threads
 * references instead; the idea of numbers from a bit map is in Kermany and Petrank, "The Compressor", 2006): a bit for
 * each slot that says whether its object can move, counts of those bits, and, for each unit, SEGMENTS: free slots side by
 * side, and the number of the first. What is needed for that is allocated before anything is changed.
 */
#include "compact.h"

#include <string.h>

static struct {
    struct memory {
        char *at;
        size_t bytes, used;
    } tables, segments;
    struct unit *units, **sorted_units;
    size_t unit_count;
    _Atomic size_t next; /* unit to work on */
    struct span **all;   /* that references are in */
    size_t all_count;
} plan;

static bw_compaction last; /* under the gc lock */

static size_t rounded(size_t bytes) {
    return (bytes + 15) & ~(size_t)15;
}

static void *take(struct memory *memory, size_t bytes) {
    void *taken = memory->at + memory->used;
    memory->used += rounded(bytes);
    OS_ASSERT(memory->used <= memory->bytes);
    return taken;
}

static bool have(struct memory *memory, size_t bytes) {
    *memory = (struct memory){os_map(bytes + 16), bytes + 16, 0};
    return memory->at != NULL;
}

static void drop(struct memory *memory) {
    if (memory->at)
        os_unmap(memory->at, memory->bytes);
    *memory = (struct memory){NULL, 0, 0};
}

/* --- the spans --- */

/* Of objects, at least: what is lost is half a span for each unit. Of which some are to be chosen are smaller. */
#define UNIT_BYTES ((size_t)4 << 20)
#define UNITS_MOST 16 /* of a layout */
#define CHOICE_BYTES ((size_t)512 << 10)
#define CHOICES_MOST 1024

static uintptr_t address_of(const void *span) {
    return ((const struct span *)span)->base;
}

static size_t words_of(const struct layout *layout) {
    return (layout->slots + 63) / 64;
}

static size_t units_of(const struct layout *layout, bool choose) {
    size_t objects = 0;
    for (size_t i = 0; i < layout->span_count; i++)
        if (layout->spans[i])
            objects += atomic_load(&layout->spans[i]->allocated);
    size_t units = objects * layout->slot_bytes / (choose ? CHOICE_BYTES : UNIT_BYTES);
    size_t most = choose ? CHOICES_MOST : UNITS_MOST;
    return units == 0 ? 1 : units > most ? most : units;
}

/* The tables, but for the segments. False: no memory. */
static bool make_units(bool choose) {
    size_t bytes = 0, units = 0, spans = 0;
    uint32_t count = atomic_load(&heap.layout_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct layout *layout = heap.layouts[i];
        spans += layout->span_count;
        if (!compact_moves(layout) || layout->span_count == 0)
            continue;
        units += units_of(layout, choose);
        bytes += layout->span_count * rounded(sizeof(struct forward) + words_of(layout) * sizeof(struct block));
    }
    bytes += rounded(units * sizeof(struct unit)) + rounded(units * sizeof(struct unit *)) +
             2 * rounded(spans * sizeof(struct span *)) + 64 * units;
    if (!have(&plan.tables, bytes))
        return false;
    plan.units = take(&plan.tables, units * sizeof *plan.units);
    plan.sorted_units = take(&plan.tables, units * sizeof *plan.sorted_units);
    plan.all = take(&plan.tables, spans * sizeof *plan.all);
    plan.unit_count = plan.all_count = 0;
    struct span **sorted = take(&plan.tables, spans * sizeof *sorted);
    for (uint32_t i = 0; i < count; i++) {
        struct layout *layout = heap.layouts[i];
        size_t there = 0;
        for (size_t j = 0; j < layout->span_count; j++) {
            struct span *span = layout->spans[j];
            if (span == NULL || atomic_load(&span->allocated) == 0)
                continue;
            if (layout->scan != SCAN_NONE)
                plan.all[plan.all_count++] = span;
            if (compact_moves(layout))
                sorted[there++] = span;
        }
        if (there == 0)
            continue;
        heap_put_in_order((void **)sorted, there, address_of);
        for (size_t left = units_of(layout, choose), from = 0; left > 0 && from < there; left--) {
            size_t share = (there - from + left - 1) / left;
            plan.sorted_units[plan.unit_count] = &plan.units[plan.unit_count];
            plan.units[plan.unit_count++] =
                (struct unit){.layout = layout, .spans = sorted + from, .span_count = share};
            from += share;
        }
        for (size_t j = 0; j < there; j++)
            sorted[j]->forward = take(&plan.tables, sizeof(struct forward) + words_of(layout) * sizeof(struct block));
        sorted += there;
    }
    return true;
}

/* Leaves out the units that are not to be compacted. */
static void choose_units(int64_t pause) {
    size_t kept = 0;
    compact_choose(plan.sorted_units, plan.unit_count, plan.all_count, pause);
    for (size_t i = 0; i < plan.unit_count; i++) {
        const struct unit *unit = &plan.units[i];
        for (size_t j = 0; !unit->chosen && j < unit->span_count; j++)
            unit->spans[j]->forward = NULL;
        if (unit->chosen)
            plan.units[kept++] = *unit;
    }
    plan.unit_count = kept;
}

static void work_on_units(void *work) {
    size_t index;
    while ((index = atomic_fetch_add(&plan.next, 1)) < plan.unit_count)
        (*(void (**)(struct unit *))work)(&plan.units[index]);
}

static void each_unit(void (*work)(struct unit *), int markers) {
    atomic_store(&plan.next, 0);
    mark_in_parallel(work_on_units, &work, markers);
}

/* --- plan --- */

/* Numbers what can move, and counts the stretches of slots that it may go to. */
static void number(struct unit *unit) {
    uint32_t next = 0;
    size_t stride = unit->layout->slot_bytes >> GRANULE_SHIFT, stretches = 0;
    for (size_t i = 0; i < unit->span_count; i++) {
        struct span *span = unit->spans[i];
        struct forward *forward = span->forward;
        const uint8_t *byte = mark_byte(span->base);
        bool open = false;
        forward->unit = unit;
        for (uint32_t slot = 0; slot < span->slots; slot += 64) {
            uint32_t end = slot + 64 < span->slots ? slot + 64 : span->slots;
            uint64_t bits = 0;
            for (uint32_t k = slot; k < end; k++, byte += stride) {
                bool pinned = *byte & MARK_PINNED;
                bits |= (uint64_t)(*byte != MARK_NONE && !pinned) << (k - slot);
                stretches += !pinned && !open;
                open = !pinned;
            }
            forward->blocks[slot / 64] = (struct block){bits, 0, next};
            next += (uint32_t)__builtin_popcountll(bits);
        }
    }
    unit->segment_room = stretches;
    unit->moved = next; /* for now: all that can */
}

static void find_segments(struct unit *unit) {
    uint32_t next = 0, all = (uint32_t)unit->moved;
    size_t stride = unit->layout->slot_bytes >> GRANULE_SHIFT;
    for (size_t i = 0; i < unit->span_count && next < all; i++) {
        struct span *span = unit->spans[i];
        const uint8_t *byte = mark_byte(span->base);
        struct segment *segment = NULL;
        for (uint32_t slot = 0; slot < span->slots && next < all; slot++, byte += stride) {
            if (*byte & MARK_PINNED) {
                segment = NULL;
                continue;
            }
            if (segment == NULL) {
                OS_ASSERT(unit->segment_count < unit->segment_room);
                segment = &unit->segments[unit->segment_count++];
                *segment = (struct segment){next, 0, span->base + slot * span->object_bytes};
            }
            segment->count++;
            next++;
        }
    }
    /* Where each span's objects, and those of each block, begin to go. */
    const struct segment *at = unit->segments, *end = at + unit->segment_count;
    for (size_t i = 0; i < unit->span_count; i++) {
        struct forward *forward = unit->spans[i]->forward;
        for (size_t j = 0; j < words_of(unit->layout); j++) {
            struct block *block = &forward->blocks[j];
            while (at + 1 < end && at[1].first <= block->before)
                at++;
            if (j == 0)
                forward->segment = (size_t)(at - unit->segments);
            if (block->can_move &&
                block->before - at->first + (uint32_t)__builtin_popcountll(block->can_move) <= at->count)
                block->to = at->address + (block->before - at->first) * unit->layout->slot_bytes;
        }
    }
}

static bool make_segments(int markers) {
    size_t room = 0;
    each_unit(number, markers);
    for (size_t i = 0; i < plan.unit_count; i++)
        room += plan.units[i].segment_room;
    if (!have(&plan.segments, room * sizeof(struct segment)))
        return false;
    struct segment *segments = (struct segment *)plan.segments.at;
    for (size_t i = 0; i < plan.unit_count; i++) {
        plan.units[i].segments = segments;
        segments += plan.units[i].segment_room;
    }
    each_unit(find_segments, markers);
    return true;
}

/* --- move --- */

/* The thread sanitizer would see libc's functions, and not that the world is stopped. */
static inline void copy(uintptr_t to, uintptr_t from, size_t bytes) {
    if (OS_THREAD_SANITIZER)
        thread_copy_words((uintptr_t *)to, from, from + bytes);
    else
        memcpy((void *)to, (const void *)from, bytes);
}

static void poison(uintptr_t at, size_t bytes) {
    for (volatile char *byte = (volatile char *)at; byte < (volatile char *)(at + bytes); byte++)
        *byte = (char)0xdb;
}

/* How many objects are there. */
static uint32_t unpin(const struct span *span) {
    size_t stride = span->object_bytes >> GRANULE_SHIFT;
    uint8_t *byte = mark_byte(span->base);
    uint32_t there = 0;
    for (uint32_t slot = 0; slot < span->slots; slot++, byte += stride) {
        uint8_t now = *byte;
        there += now != MARK_NONE;
        if (now & MARK_PINNED)
            mark_set(byte, now & (uint8_t)~MARK_PINNED);
    }
    return there;
}

static void move_unit(struct unit *unit) {
    size_t bytes = unit->layout->slot_bytes, stride = bytes >> GRANULE_SHIFT;
    uint8_t live = mark_live;
    uint64_t moved = 0;
    const struct segment *segment = unit->segments;
    uint32_t number = 0;
    for (size_t i = 0; i < unit->span_count; i++) {
        struct span *span = unit->spans[i];
        const struct forward *forward = span->forward;
        uint8_t *marks = mark_byte(span->base);
        bool left_some = false;
        for (uint32_t word = 0; word * 64 < span->slots; word++)
            for (uint64_t left = forward->blocks[word].can_move; left; left &= left - 1, number++) {
                uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(left);
                uintptr_t from = span->base + slot * bytes;
                while (number - segment->first >= segment->count)
                    segment++;
                uintptr_t to = segment->address + (number - segment->first) * bytes;
                if (to == from)
                    continue;
                copy(to, from, bytes);
                mark_set(&marks[slot * stride], MARK_NONE);
                mark_set(mark_byte(to), live);
                if (heap.poison)
                    poison(from, bytes); /* until the next one comes here */
                left_some = true;
                moved++;
            }
        if (left_some)
            atomic_store(&span->needs_zero, true);
    }
    unit->moved = moved;
    for (size_t i = 0; i < unit->span_count; i++)
        atomic_store(&unit->spans[i]->allocated, unpin(unit->spans[i]));
}

/* Nothing was changed but the pins. */
static void take_back(void) {
    for (size_t i = 0; i < plan.unit_count; i++)
        for (size_t j = 0; j < plan.units[i].span_count; j++) {
            unpin(plan.units[i].spans[j]);
            plan.units[i].spans[j]->forward = NULL;
        }
}

/* --- the spans afterwards --- */

/* poison=1: what is empty now is not to be touched until the next collection. */
static struct span *forbidden;

static void free_emptied(struct span *span) {
    struct layout *layout = span->layout;
    last.emptied_bytes += span->pages << PAGE_SHIFT;
    if (!heap.poison || !pages_forbid(span)) {
        span_free_empty(span);
        return;
    }
    os_lock_acquire(&layout->lock);
    layout_leave_hole(layout, span->index);
    os_lock_release(&layout->lock);
    pages_set_span(span, NULL, 0);
    span->next = forbidden;
    forbidden = span;
}

void compact_allow(void) {
    struct span *still = NULL, *span;
    while ((span = forbidden) != NULL) {
        forbidden = span->next;
        if (pages_allow(span)) {
            span->next = NULL;
            pages_mark_clean(span->base, span->pages);
            pages_free(span);
        } else {
            span->next = still;
            still = span;
        }
    }
    forbidden = still;
}

/* What is free in the layouts that were compacted is offered anew; what is empty is freed. */
static void settle(bool by_itself) {
    const struct layout *before = NULL;
    for (size_t i = 0; i < plan.unit_count; i++) {
        struct layout *layout = plan.units[i].layout;
        if (layout == before)
            continue;
        before = layout;
        atomic_store(&layout->partial, NULL);
        for (size_t j = 0; j < layout->span_count; j++) {
            struct span *span = layout->spans[j];
            if (span == NULL)
                continue;
            span->forward = NULL;
            if (layout->homes[j] == HOME_EMPTY)
                continue;
            if (atomic_load(&span->owned)) { /* nobody could do it later */
                if (!by_itself)
                    span_release_free_pages(span);
                continue;
            }
            atomic_store(&span->partial_tag, 0);
            span->next = NULL;
            if (atomic_load(&span->allocated) == 0)
                free_emptied(span);
            else if (atomic_load(&span->allocated) < span->slots)
                layout_offer(layout, span);
        }
    }
}

static _Atomic bool news;

bool compact_took_news(void) {
    return atomic_exchange(&news, false);
}

bool compact_heap(const struct roots *roots, int markers, uint64_t stopped_at, bool by_itself) {
    int64_t pause = atomic_load(&knobs.compact_pause);
    struct pinned pinned = {{0}, 0};
    uint64_t began = os_now_ns(), then = began;
    heap_sweep_all();
    bool choose = atomic_load(&knobs.compact) == COMPACT_AUTO && by_itself;
    bool good = make_units(choose);
    if (good && choose) {
        choose_units(pause);
        if (plan.unit_count == 0) { /* not worth it, or no time: it may be that it took long once */
            compact_learn(NULL, 0);
            drop(&plan.tables);
            return true;
        }
    }
    if (good) {
        last = (bw_compaction){.count = last.count, .mark_ns = figures.phases.mark};
        pin_all(roots, plan.all, plan.all_count, markers, &pinned);
        last.by_stack = pinned.objects[PIN_STACK];
        last.by_data = pinned.objects[PIN_DATA];
        last.by_memory = pinned.objects[PIN_HEAP];
        last.by_request = pinned.objects[PIN_ASKED];
        last.pinned_bytes = pinned.bytes;
        then = os_now_ns();
        last.pin_ns = then - began;
        good = make_segments(markers);
        if (!good)
            take_back();
    }
    if (good) {
        began = os_now_ns();
        last.plan_ns = began - then;
        uint64_t sum = knobs.verify ? verify_before_moving(roots, compact_forward) : 0;
        forward_references(plan.all, plan.all_count, markers);
        specials_moved(compact_forward);
        then = os_now_ns();
        last.update_ns = then - began;
        each_unit(move_unit, markers);
        for (size_t i = 0; i < plan.unit_count; i++) {
            last.moved_objects += plan.units[i].moved;
            last.moved_bytes += plan.units[i].moved * plan.units[i].layout->slot_bytes;
        }
        if (knobs.verify)
            verify_after_moving(sum);
        settle(by_itself);
        last.move_ns = os_now_ns() - then;
        last.count++;
        last.pause_ns = os_now_ns() - stopped_at;
        compact_learn(&last, plan.all_count);
        atomic_store(&news, true);
    }
    drop(&plan.segments);
    drop(&plan.tables);
    return good;
}

void compact_tell(void) {
    static uint64_t told;
    if (last.count != told && observe_hooks.after_compaction)
        observe_hooks.after_compaction(&last);
    told = last.count;
}

bool bw_compact(void) {
    struct thread *self = thread_enter();
    size_t before = os_resident_bytes();
    bool done = cycle_run(self, CYCLE_COMPACT);
    if (done) {
        memory_give_back(self);
        size_t now = os_resident_bytes();
        gc_lock_acquire(self);
        last.released_bytes = before > now ? before - now : 0;
        compact_tell();
        gc_lock_release();
    }
    thread_leave(self);
    return done;
}

void bw_read_compaction(bw_compaction *compaction) {
    struct thread *self = thread_enter();
    gc_lock_acquire(self);
    *compaction = last;
    gc_lock_release();
    thread_leave(self);
}
