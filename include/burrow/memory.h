/* burrow/memory.h - allocating, and the few operations on allocated objects.
 *
 * Everything here returns zeroed memory, never NULL (when no memory is left even after a collection the program ends
 * with "fatal error: runtime: out of memory"), and may be called from any thread. Objects are aligned to 16 bytes.
 * Cost: a few nanoseconds below 32 KiB; above, a search for pages and the zeroing. None of it may be called from a
 * signal handler: that ends the program with a message.
 */
#ifndef BURROW_MEMORY_H
#define BURROW_MEMORY_H

#include <burrow/base.h>
#include <burrow/type.h>

BW__BEGIN

/* --- internal: classes of untyped objects: 16 .. 128 by 16, then eight steps to each doubling, up to 32 KiB --- */
#define BW__MAX_SMALL 32768
#define BW__CLASSES 73
static inline uint32_t bw__class_of(size_t size) {
    if (size <= 128)
        return (uint32_t)(size + 15) / 16 + (size == 0);
    uint32_t below = (uint32_t)size - 1;
    uint32_t doubling = 31 - (uint32_t)__builtin_clz(below);
    return 9 + (doubling - 7) * 8 + ((below >> (doubling - 3)) & 7);
}
static inline uint32_t bw__class_bytes(uint32_t size_class) {
    if (size_class <= 8)
        return size_class * 16;
    return (9 + (size_class - 9) % 8) * (16u << ((size_class - 9) / 8));
}

BW_API void *bw__alloc_untyped_slow(uint32_t slot, size_t size) BW__MALLOC_LIKE();

/* `slot` + the class is the index of the run. */
static inline void *bw__alloc_untyped(uint32_t family, size_t size) {
    if (BW__UNLIKELY(size > BW__MAX_SMALL))
        return bw__alloc_untyped_slow(family, size);
    uint32_t size_class = bw__class_of(size);
    bw__run *run = &bw__runs_here()[family + size_class];
    char *object = run->cur;
    if (BW__UNLIKELY(object == run->end))
        return bw__alloc_untyped_slow(family, size);
    run->cur = object + bw__class_bytes(size_class);
    return object;
}

enum { BW__NOSCAN = 0, BW__UNTYPED = BW__CLASSES };

/* `size` bytes, scanned conservatively: any aligned word in it may hold a pointer. */
static inline void *bw_alloc(size_t size) __attribute__((malloc, warn_unused_result, alloc_size(1)));
static inline void *bw_alloc(size_t size) {
    return bw__alloc_untyped(BW__UNTYPED, size);
}

/* `size` bytes that are never scanned: for data that holds no pointers to collected objects. */
static inline void *bw_alloc_noscan(size_t size) __attribute__((malloc, warn_unused_result, alloc_size(1)));
static inline void *bw_alloc_noscan(size_t size) {
    return bw__alloc_untyped(BW__NOSCAN, size);
}

/* The same at an address that is a multiple of `align`, a power of two up to 2 MiB (more, or not a power of two:
 * panic). */
BW_API void *bw_alloc_aligned(size_t size, size_t align) BW__MALLOC_LIKE(alloc_size(1));
BW_API void *bw_alloc_noscan_aligned(size_t size, size_t align) BW__MALLOC_LIKE(alloc_size(1));

/* Gives the object at `object` the size `size`, keeping its kind (typed objects must stay as they are: array, untyped
 * and pointer-free ones can grow) and its contents; what is new is zero. It may move: the old one is then freed. NULL
 * allocates as bw_alloc; size 0 makes it as small as an object can be, and does not free it. `object` must be the first
 * byte of an object, else panic. What is known of an object that moves (its
 * finalizer, cleanups, weak pointers, count) ends with the old one, as bw_free has it. */
BW_API void *bw_realloc(void *object, size_t size) __attribute__((warn_unused_result));

/* Frees an object at once; never needed. `object` must be its first byte, and the program must hold no other pointer
 * to it. NULL is ignored. A second free, or an address that is no object's first byte: panic, saying what the
 * address is. */
BW_API void bw_free(void *object);

/* The usable size of the object that holds this address; 0 if none does. */
BW_API size_t bw_size(const void *address);

/* The first byte of the object that holds this address; NULL if none does. */
BW_API void *bw_base(const void *address);

/* Counted objects: each bw_retain adds one to the object's count (which starts at 0), each bw_release takes one away.
 * While the count is above 0 the object lives, even if nothing else refers to it; the release that brings it to 0 frees
 * it at once, as bw_free does. bw_retain returns its argument. Releasing an object that is not retained: panic. */
BW_API void *bw_retain(void *object);
BW_API void bw_release(void *object);

/* While an object is pinned it lives, and no compaction moves it: for an address that is given to the kernel or to
 * foreign code, which keeps it. Each bw_pin is undone by a bw_unpin; bw_pin returns its argument, which may be any
 * address in the object. Unpinning an object that is not pinned: panic. */
BW_API void *bw_pin(void *object);
BW_API void bw_unpin(void *object);

#ifndef __cplusplus

BW_API void *bw__new_slow(bw__site *site) BW__MALLOC_LIKE();
BW_API void *bw__new_array(bw__site *site, size_t count) BW__MALLOC_LIKE();

/* `bytes` is the slot's size, a constant. */
static inline void *bw__new(bw__site *site, size_t bytes) {
    bw__run *run = (bw__run *)((char *)bw__runs_here() + __atomic_load_n(&site->offset, __ATOMIC_ACQUIRE));
    char *object = run->cur;
    if (BW__UNLIKELY(object == run->end))
        return bw__new_slow(site);
    run->cur = object + bytes;
    return object;
}

#define BW__SLOT_BYTES(T) (sizeof(T) ? (sizeof(T) + 15) & ~(size_t)15 : 16)

/* T *bw_new(T): a zeroed T. Scanned by T's description if it has one; never, if T is an arithmetic type; else
 * conservatively. */
#define bw_new(T)                                                                                                      \
    ((__typeof__(T) *)({                                                                                               \
        static bw__site bw__s = BW__SITE(T, 0);                                                                        \
        bw__new(&bw__s, BW__SLOT_BYTES(T));                                                                            \
    }))

/* T *bw_new_array(T, n): n zeroed elements, scanned by T's description. Panics with Go's "makeslice: len out of range"
 * if n is negative or the size is out of range. */
#define bw_new_array(T, n)                                                                                             \
    ((__typeof__(T) *)({                                                                                               \
        static bw__site bw__s = BW__SITE(T, 1);                                                                        \
        bw__new_array(&bw__s, (size_t)(n));                                                                            \
    }))

/* T bw_make(T): the zero value of any type that can be assigned. */
#define bw_make(T)                                                                                                     \
    ({                                                                                                                 \
        __typeof__(T) bw__zero;                                                                                        \
        __builtin_memset(&bw__zero, 0, sizeof bw__zero);                                                               \
        bw__zero;                                                                                                      \
    })
#endif

BW__END
#endif
