/* typed.c - objects of types: their layouts in the heap, and allocating them.
 *
 * A type has a layout for single objects, one for values boxed in a bw_any, and one for each size class of arrays; each
 * is made when it is first wanted, under types_lock, and read without it: whoever sees a layout must see what is in it,
 * too.
 */
#include "lang.h"

#include <string.h>

/* May a compaction move objects that consist of such values? Of structs those that are declared so; of the others all
 * whose words are known. */
static bool is_movable(const struct type_info *info) {
    switch (info->type.kind) {
    case BW_KIND_OPAQUE: return false;
    case BW_KIND_ARRAY: return is_movable(info->type.element->bw__info);
    case BW_KIND_STRUCT: return knobs.compact == COMPACT_ALL ? !info->keeps_address : info->movable;
    default: return true;
    }
}

static bool has_anys(const struct type_info *type) {
    for (uint32_t word = 0; word < (type->words + 63) / 64; word++)
        if (type->anys[word])
            return true;
    return false;
}

/* Is what a bw_any of this type holds surely a reference? To its copy on the heap, or itself. The collector asks, while
 * the world stands still: like its own files this is not instrumented, since the thread sanitizer does not see that a
 * thread which the stop signal interrupted wrote the type before. */
__attribute__((no_sanitize("thread"))) static bool any_refers(const void *word) {
    const bw_type *type = word;
    if (type == NULL)
        return false;
    if (type->size > sizeof(void *))
        return true;
    const struct type_info *info = type->bw__info;
    return type->size == sizeof(void *) && info->searched[0] & 1 && !(info->ambiguous[0] & 1);
}

static void fill_scan(struct layout *layout, const struct type_info *type, bool array) {
    layout->ambiguous_map = type->ambiguous;
    layout->any_map = has_anys(type) ? type->anys : NULL;
    __atomic_store_n(&gc_hooks.any_refers, any_refers, __ATOMIC_RELEASE);
    layout->type = type;
    layout->name = type->type.name;
    if (!type->pointers) {
        layout->scan = SCAN_NONE;
    } else if (type->type.kind == BW_KIND_OPAQUE) {
        layout->scan = SCAN_WORDS;
    } else if (array) {
        layout->scan = type->type.size % 8 ? SCAN_WORDS : SCAN_REPEAT;
        layout->pointer_map = type->searched;
        layout->element_words = (uint32_t)(type->type.size / 8);
    } else {
        layout->scan = type->words <= 64 ? SCAN_BITS : SCAN_MAP;
        layout->pointer_map = type->searched;
        layout->element_words = type->words;
    }
}

struct layout *typed_layout(const struct layout *like) {
    struct layout *layout = layout_new(like);
    if (layout == NULL)
        os_fatal("runtime: out of memory: cannot make a layout");
    return layout;
}

/* Exact size, not a class, since no other size is in their spans. */
static struct layout *single_object_layout(struct type_info *type, enum ledger_kind kind, enum ledger_safe safe) {
    size_t bytes = type->type.size ? (type->type.size + GRANULE_BYTES - 1) & ~(GRANULE_BYTES - 1) : GRANULE_BYTES;
    struct layout like = {.kind = kind, .safe = safe};
    like.movable = kind == KIND_STRUCT && type->type.kind == BW_KIND_STRUCT && is_movable(type);
    fill_scan(&like, type, false);
    if (bytes <= BW__MAX_SMALL) {
        like.slot_bytes = (uint32_t)bytes;
        like.spare = type->type.size < bytes;
    }
    return typed_layout(&like);
}

static struct layout *find_single(struct type_info *type) {
    types_lock_acquire();
    if (type->single == NULL)
        __atomic_store_n(
            &type->single,
            single_object_layout(type, KIND_STRUCT,
                                 type->described && interface_is_error(type->described) ? SAFE_ERROR : type->safe),
            __ATOMIC_RELEASE);
    types_lock_release();
    return type->single;
}

static struct layout *find_boxed(struct type_info *type) {
    types_lock_acquire();
    if (type->boxed == NULL)
        __atomic_store_n(&type->boxed, single_object_layout(type, KIND_INTERFACE, SAFE_NO), __ATOMIC_RELEASE);
    types_lock_release();
    return type->boxed;
}

static struct layout *layout_of_size(const struct layout *layout, size_t bytes);

/* Of arrays of the type in one size class, in `arrays`; under the lock, and read without it. */
static struct layout *array_layout(struct type_info *type, struct layout **arrays, uint32_t size_class,
                                   enum ledger_kind kind) {
    if (arrays[size_class] == NULL) {
        struct layout like = {.kind = kind, .by_make = true, .safe = kind == KIND_SLICE ? type->safe : SAFE_NO};
        like.movable = kind == KIND_SLICE && is_movable(type);
        fill_scan(&like, type, true);
        if (size_class != 0)
            like.slot_bytes = bw__class_bytes(size_class);
        __atomic_store_n(&arrays[size_class], typed_layout(&like), __ATOMIC_RELEASE);
    }
    return arrays[size_class];
}

static struct layout *find_array(struct type_info *type, uint32_t size_class) {
    types_lock_acquire();
    __atomic_store_n(&gc_hooks.layout_of_size, layout_of_size, __ATOMIC_RELEASE); /* read without a lock */
    struct layout *layout = array_layout(type, type->arrays, size_class, KIND_SLICE);
    types_lock_release();
    return layout;
}

static struct layout *find_ring(struct type_info *type, uint32_t size_class) {
    types_lock_acquire();
    if (type->rings == NULL)
        type->rings = type_memory(BW__CLASSES * sizeof *type->rings);
    struct layout *layout = array_layout(type, type->rings, size_class, KIND_CHANNEL);
    types_lock_release();
    return layout;
}

/* For bw_realloc. */
static struct layout *layout_of_size(const struct layout *layout, size_t bytes) {
    if (layout->type == NULL || !layout->by_make || layout->kind != KIND_SLICE)
        return NULL;
    return find_array((struct type_info *)layout->type, bytes > BW__MAX_SMALL ? 0 : bw__class_of(bytes));
}

/* --- through a site --- */

/* site->layout holds the layout of single objects or, for an array's site, the type. INSIDE. */
static void resolve(bw__site *site) {
    struct type_info *type = type_at_site(&site->type)->bw__info;
    if (site->array) {
        __atomic_store_n(&site->layout, type, __ATOMIC_RELEASE);
        return;
    }
    struct layout *layout = find_single(type);
    __atomic_store_n(&site->layout, layout, __ATOMIC_RELEASE);
    if (layout->slot_bytes && layout->number < RUN_SLOTS)
        __atomic_store_n(&site->offset, layout->number * (uint32_t)sizeof(bw__run), __ATOMIC_RELEASE);
}

void *bw__new_slow(bw__site *site) {
    struct thread *self = thread_enter();
    if (__atomic_load_n(&site->layout, __ATOMIC_ACQUIRE) == NULL)
        resolve(site);
    struct layout *layout = __atomic_load_n(&site->layout, __ATOMIC_ACQUIRE);
    void *object = memory_allocate(self, layout, site->type.size);
    thread_leave(self);
    return object;
}

/* The next slot of the calling thread's run, as bw_new takes it inline; NULL: the slow way. */
static inline void *from_run(const struct layout *layout) {
    if (layout == NULL || layout->number >= RUN_SLOTS)
        return NULL;
    bw__run *run = &bw__runs_here()[layout->number];
    char *object = run->cur;
    if (object == run->end)
        return NULL;
    run->cur = object + layout->slot_bytes;
    return object;
}

static __attribute__((noinline)) void *array_slow(struct type_info *type, size_t bytes, uint32_t size_class) {
    struct thread *self = thread_enter();
    struct layout *layout = __atomic_load_n(&type->arrays[size_class], __ATOMIC_ACQUIRE);
    if (layout == NULL)
        layout = find_array(type, size_class);
    void *object = memory_allocate(self, layout, bytes);
    thread_leave(self);
    return object;
}

static inline void *array(struct type_info *type, size_t bytes) {
    if (bytes > BW__MAX_SMALL)
        return array_slow(type, bytes, 0);
    uint32_t size_class = bw__class_of(bytes);
    void *object = from_run(__atomic_load_n(&type->arrays[size_class], __ATOMIC_ACQUIRE));
    return object ? object : array_slow(type, bytes, size_class);
}

static struct type_info *element_type(bw__site *site) {
    struct type_info *type = __atomic_load_n(&site->layout, __ATOMIC_ACQUIRE);
    if (__builtin_expect(type == NULL, 0)) {
        struct thread *self = thread_enter();
        resolve(site);
        thread_leave(self);
        type = __atomic_load_n(&site->layout, __ATOMIC_ACQUIRE);
    }
    return type;
}

void *typed_array(bw__site *site, size_t bytes) {
    return array(element_type(site), bytes);
}

void *typed_ring(const bw_type *type, size_t bytes) {
    struct thread *self = thread_enter();
    struct layout *layout = find_ring(type->bw__info, bytes > BW__MAX_SMALL ? 0 : bw__class_of(bytes));
    void *object = memory_allocate(self, layout, bytes);
    thread_leave(self);
    return object;
}

void *bw__new_array(bw__site *site, size_t count) {
    size_t bytes;
    if ((ptrdiff_t)count < 0 || __builtin_mul_overflow(count, site->type.size, &bytes) || bytes > TYPED_MAX_BYTES)
        os_panic("runtime error: makeslice: len out of range");
    return typed_array(site, bytes);
}

/* --- through a type --- */

static struct type_info *basic_info(enum bw_kind kind) {
    struct type_info *info = bw__basic[kind].bw__info;
    if (__builtin_expect(!atomic_load_explicit(&types_made, memory_order_acquire), 0)) {
        struct thread *self = thread_enter();
        types_lock_acquire(); /* which makes them */
        types_lock_release();
        thread_leave(self);
    }
    return info;
}

char *string_memory(size_t bytes) {
    if (bytes == 0)
        return NULL;
    if (bytes > TYPED_MAX_BYTES)
        os_panic("runtime error: makeslice: len out of range");
    return array(basic_info(BW_KIND_CHAR), bytes);
}

void *bw__box(const bw_type *type, const void *value) {
    struct type_info *info = type->bw__info;
    void *object = from_run(__atomic_load_n(&info->boxed, __ATOMIC_ACQUIRE));
    if (object == NULL) {
        struct thread *self = thread_enter();
        struct layout *layout = __atomic_load_n(&info->boxed, __ATOMIC_ACQUIRE);
        object = memory_allocate(self, layout ? layout : find_boxed(info), type->size);
        thread_leave(self);
    }
    memcpy(object, value, type->size);
    return object;
}

void *typed_memory(struct layout *layout, size_t bytes) {
    void *object = layout->slot_bytes ? from_run(layout) : NULL;
    if (object == NULL) {
        struct thread *self = thread_enter();
        object = memory_allocate(self, layout, bytes);
        thread_leave(self);
    }
    return object;
}

void typed_free(void *object) {
    struct thread *self = thread_enter();
    struct span *span;
    uintptr_t found = heap_object_of(object, &span);
    OS_ASSERT(found == (uintptr_t)object);
    object_free(span, found);
    thread_leave(self);
}

const bw_type *type_of_object(const void *address) {
    const bw_type *type = NULL;
    struct thread *self = thread_enter();
    struct span *span;
    uintptr_t object = heap_object_of(address, &span);
    if (object != 0 && object == (uintptr_t)address && span->layout->type &&
        (span->layout == span->layout->type->single || span->layout == span->layout->type->boxed))
        type = span->layout->type->self;
    thread_leave(self);
    return type;
}

/* The type of slices whose elements are of a basic kind, or at least begin at this address. */
const bw_type *bw__slice_type(uint32_t element_kind, const void *ptr, size_t element_size) {
    if (element_kind != BW_KIND_OPAQUE && element_kind < BW_KIND_BASIC)
        return type_slice_of(basic_info(element_kind)->self);
    const bw_type *type = NULL;
    struct thread *self = thread_enter();
    struct span *span;
    if (heap_object_of(ptr, &span) && span->layout->type && span->layout->kind == KIND_SLICE &&
        span->layout->type->type.size == element_size)
        type = span->layout->type->self;
    thread_leave(self);
    return type_slice_of(type ? type : &bw__basic[BW_KIND_OPAQUE]);
}

struct layout *typed_single_layout(const bw_type *type) {
    return find_single(type->bw__info);
}
