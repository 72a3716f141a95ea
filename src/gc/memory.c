/* memory.c - the public operations on memory: each enters the library, works on the heap, collects if it is time,
 * leaves. */
#include "gc.h"

#include <string.h>

#define LONG_ZERO_BYTES ((size_t)4 << 20)

static void collect_if(struct thread *self, bool due) {
    if (__builtin_expect(due, 0)) {
        self->cache->due = false;
        cycle_run_paced(self);
    } else if (__builtin_expect(heap.stress != 0, 0) && ++self->cache->refills >= heap.stress) {
        self->cache->refills = 0;
        cycle_run(self, knobs.minor == MINOR_ALWAYS ? CYCLE_PACED : CYCLE_FORCED);
    }
}

static BW__COLD void out_of_memory(size_t bytes) {
    os_fatal("runtime: out of memory: cannot allocate %zu-byte block (%zu in use)", bytes,
             heap_committed() - (atomic_load(&heap.free_pages) << PAGE_SHIFT));
}

/* Everything that a collection and a complete sweep can find. */
static void make_room(struct thread *self) {
    cycle_run(self, CYCLE_MEMORY);
    heap_sweep_all();
    heap_free_empty();
}

static void *allocate_small(struct thread *self, struct layout *layout) {
    collect_if(self, self->cache->due); /* all threads write heap.handed: it is read when this one has written it */
    void *object = cache_allocate(self->cache, layout);
    if (__builtin_expect(object == NULL, 0)) {
        make_room(self);
        object = cache_allocate(self->cache, layout);
        if (object == NULL)
            out_of_memory(layout->slot_bytes);
    }
    return object;
}

/* Zeroes outside the library's locks and, if it takes long, without holding up a collection. */
static void *allocate_large(struct thread *self, struct layout *layout, size_t bytes, size_t align) {
    collect_if(self, atomic_load_explicit(&heap.handed, memory_order_relaxed) >=
                         atomic_load_explicit(&heap.trigger, memory_order_relaxed));
    struct span *span = large_reserve(layout, bytes, align);
    if (span == NULL) {
        make_room(self);
        span = large_reserve(layout, bytes, align);
        if (span == NULL)
            out_of_memory(bytes);
    }
    if (bytes >= LONG_ZERO_BYTES) {
        thread_safe_begin(self);
        large_zero(span);
        thread_safe_end(self);
    } else {
        large_zero(span);
    }
    void *object = large_publish(span);
    if (object == NULL)
        out_of_memory(bytes);
    return object;
}

void *memory_allocate(struct thread *self, struct layout *layout, size_t bytes) {
    return layout->slot_bytes ? allocate_small(self, layout) : allocate_large(self, layout, bytes, 1);
}

void *memory_allocate_arena(struct thread *self, struct layout *layout, size_t bytes, size_t align) {
    return allocate_large(self, layout, bytes, align);
}

static void *allocate_untyped(struct thread *self, uint32_t family, size_t size) {
    if (size > BW__MAX_SMALL)
        return allocate_large(self, layout_untyped(family), size, 1);
    return allocate_small(self, layout_untyped(family + bw__class_of(size)));
}

void *bw__alloc_untyped_slow(uint32_t family, size_t size) {
    struct thread *self = thread_enter();
    void *object = allocate_untyped(self, family, size);
    thread_leave(self);
    return object;
}

/* An alignment up to a page comes from a class whose slots have it; beyond, from an object of its own. */
static void *allocate_aligned(uint32_t family, size_t size, size_t align) {
    if (align == 0 || (align & (align - 1)) != 0 || align > OS_HUGE_PAGE)
        os_panic("bw_alloc_aligned: the alignment %zu is not a power of two up to %zu", align, OS_HUGE_PAGE);
    struct thread *self = thread_enter();
    void *object;
    size_t rounded = size < align ? align : (size + align - 1) & ~(align - 1);
    /* Spans begin on a page, so slots whose size is a multiple of the alignment have it. */
    if (align <= GRANULE_BYTES)
        object = allocate_untyped(self, family, size);
    else if (align <= PAGE_BYTES && rounded >= size && rounded <= BW__MAX_SMALL &&
             bw__class_bytes(bw__class_of(rounded)) % align == 0)
        object = allocate_untyped(self, family, rounded);
    else
        object = allocate_large(self, layout_untyped(family), size ? size : 1, align);
    thread_leave(self);
    return object;
}

void *bw_alloc_aligned(size_t size, size_t align) {
    return allocate_aligned(BW__UNTYPED, size, align);
}

void *bw_alloc_noscan_aligned(size_t size, size_t align) {
    return allocate_aligned(BW__NOSCAN, size, align);
}

/* --- operations on objects --- */

size_t bw_size(const void *address) {
    struct thread *self = thread_enter();
    struct span *span;
    size_t bytes = heap_object_of(address, &span) ? heap_object_bytes(span) : 0;
    thread_leave(self);
    return bytes;
}

void *bw_base(const void *address) {
    struct thread *self = thread_enter();
    struct span *span;
    uintptr_t object = heap_object_of(address, &span);
    thread_leave(self);
    return (void *)object;
}

static BW__COLD void wrong_object(const char *function, const void *address) {
    char text[200];
    os_panic("%s: %p is not the first byte of an object: it is %s", function, address,
             heap_describe(address, text, sizeof text));
}

/* The object that begins at `address`, or a panic in the name of `function`. */
uintptr_t memory_require(struct thread *self, const char *function, const void *address, struct span **span) {
    uintptr_t object = heap_object_of(address, span);
    if (object == 0 || object != (uintptr_t)address || (*span)->state == SPAN_ARENA) {
        thread_leave(self);
        wrong_object(function, address);
    }
    return object;
}

static void free_object(struct thread *self, const char *function, void *address) {
    struct span *span;
    uintptr_t object = memory_require(self, function, address, &span);
    bool due = specials_of_freed(object);
    object_free(span, object);
    if (due)
        specials_start_threads(self);
}

void bw_free(void *object) {
    if (object == NULL)
        return;
    struct thread *self = thread_enter();
    free_object(self, "bw_free", object);
    thread_leave(self);
}

void *bw_realloc(void *address, size_t size) {
    if (address == NULL)
        return bw_alloc(size);
    struct thread *self = thread_enter();
    struct span *span;
    uintptr_t object = memory_require(self, "bw_realloc", address, &span);
    struct layout *layout = span->layout;
    size_t old = heap_object_bytes(span);
    /* In place while it fits and at least half of it stays in use. */
    if (size <= old && (size > old / 2 || old <= 64)) {
        memset((char *)address + size, 0, old - size); /* what a later growth in place finds */
        thread_leave(self);
        return address;
    }
    struct layout *wanted;
    if (layout == layout_untyped(0) || (layout->number < BW__CLASSES && layout->large == layout_untyped(0)))
        wanted = layout_untyped(size > BW__MAX_SMALL ? 0 : bw__class_of(size));
    else if (layout->large == layout_untyped(BW__UNTYPED))
        wanted = layout_untyped(BW__UNTYPED + (size > BW__MAX_SMALL ? 0 : bw__class_of(size)));
    else {
        /* Set by the first site of all, perhaps just now. */
        struct layout *(*of_size)(const struct layout *, size_t) =
            __atomic_load_n(&gc_hooks.layout_of_size, __ATOMIC_ACQUIRE);
        wanted = of_size ? of_size(layout, size) : NULL;
    }
    if (wanted == NULL) {
        thread_leave(self);
        os_panic("bw_realloc: %p is a single object of a type, whose size cannot change", address);
    }
    void *fresh = memory_allocate(self, wanted, size);
    memcpy(fresh, (void *)object, old < size ? old : size);
    free_object(self, "bw_realloc", address);
    thread_leave(self);
    return fresh;
}

/* --- control --- */

void bw_gc(void) {
    struct thread *self = thread_enter();
    cycle_run(self, CYCLE_FORCED);
    heap_sweep_all();
    thread_leave(self);
}

static void poll(void) {
    thread_poll(thread_current);
}

void memory_give_back(struct thread *self) {
    cycle_lock(self);
    heap_sweep_all();
    heap_wait_settled();
    heap_free_empty();
    heap_wait_settled();
    heap_pack_layouts();
    mark_release_memory();
    gc_lock_release();
    pages_release(0, poll);
    pages_release_tables();
    pages_release_records();
    heap_release_within_spans();
    if (gc_scheduler_hooks_if_linked())
        gc_scheduler_hooks_if_linked()->give_back();
}

void memory_keep_limit(void) {
    if (__builtin_expect(pacer_over_limit() == 0, 1))
        return;
    heap_sweep_all();
    heap_free_empty();
    size_t over = pacer_over_limit(), idle = atomic_load(&heap.dirty_free_pages) << PAGE_SHIFT;
    if (over > 0)
        pages_release(idle > over ? idle - over : 0, poll);
}

void bw_free_os_memory(void) {
    struct thread *self = thread_enter();
    cycle_run(self, CYCLE_FORCED);
    memory_give_back(self);
    thread_leave(self);
}

int64_t bw_set_gc_percent(int64_t percent) {
    struct thread *self = thread_enter();
    gc_lock_acquire(self);
    int64_t before = knobs.gc_percent;
    knobs.gc_percent = percent < 0 ? -1 : percent;
    pacer_update();
    gc_lock_release();
    thread_leave(self);
    return before;
}

int64_t bw_set_memory_limit(int64_t bytes) {
    struct thread *self = thread_enter();
    gc_lock_acquire(self);
    int64_t before = knobs.memory_limit;
    if (bytes >= 0) {
        knobs.memory_limit = bytes;
        pacer_update();
    }
    gc_lock_release();
    memory_keep_limit();
    thread_leave(self);
    return before;
}

size_t bw_set_min_heap(size_t bytes) {
    struct thread *self = thread_enter();
    gc_lock_acquire(self);
    size_t before = knobs.min_heap;
    knobs.min_heap = bytes;
    pacer_update();
    gc_lock_release();
    thread_leave(self);
    return before;
}

int bw_gomaxprocs(int n) {
    struct thread *self = thread_enter();
    gc_lock_acquire(self);
    int before = knobs_processors();
    if (n >= 1) {
        times_processors_changed(before);
        __atomic_store_n(&knobs.processors, n, __ATOMIC_RELAXED);
    }
    gc_lock_release();
    if (gc_scheduler_hooks_if_linked())
        gc_scheduler_hooks_if_linked()->processors_changed(self);
    thread_leave(self);
    return before;
}

const char *bw_version(void) {
    return BURROW_VERSION;
}
