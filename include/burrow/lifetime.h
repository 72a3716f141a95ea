/* burrow/lifetime.h - roots, finalizers, cleanups, weak pointers, weak maps.
 *
 * The rules are Go's. Everything here may be called from any thread.
 */
#ifndef BURROW_LIFETIME_H
#define BURROW_LIFETIME_H

#include <burrow/base.h>

BW__BEGIN

/* Registers [lo, hi) as memory to be searched for pointers: memory that the collector does not know, such as a block
 * from malloc or mmap that holds pointers to collected objects. bw_root_remove takes the `lo` given before, and comes
 * before the memory goes; it panics if no range begins there. Example, within a function:
 *
 *     static node **table;
 *     table = __builtin_calloc(100, sizeof *table);
 *     bw_root_add(table, table + 100);
 *     table[7] = bw_new(node);
 */
BW_API void bw_root_add(void *lo, void *hi);
BW_API void bw_root_remove(void *lo);

/* Calls fn(object) once, on the library's own thread, some time after nothing refers to `object` any more. The object,
 * and all it refers to, live until then; fn may make it reachable again. If one object with a finalizer refers to
 * another, only the first is finalized in that cycle. A cycle of objects with finalizers is never collected. fn NULL
 * removes it; an object has at most one: a second panics. `object` is the first byte of an object, not of one in an
 * arena. Freeing an object at once removes its finalizer without calling it. */
BW_API void bw_set_finalizer(void *object, void (*fn)(void *object));

/* Calls fn(arg) on a thread of the library, some time after `object` became unreachable, or was freed. Any number an
 * object; `object` may be an interior pointer. `arg` must not keep the object alive (one that points into it panics).
 * fn must not be NULL. Example:
 *
 *     static void close_file(void *descriptor) {
 *         close((int)(intptr_t)descriptor);
 *     }
 *
 *     void close_with(void *object, int descriptor);
 *     void close_with(void *object, int descriptor) {
 *         bw_add_cleanup(object, close_file, (void *)(intptr_t)descriptor);
 *     }
 */
typedef struct bw_cleanup {
    uint64_t id;
    const void *address_hidden; /* the object's address, complemented: this struct does not keep it alive */
} bw_cleanup;
BW_API bw_cleanup bw_add_cleanup(void *object, void (*fn)(void *arg), void *arg);
/* Cancels it, unless it has been queued already. */
BW_API void bw_cleanup_stop(bw_cleanup cleanup);

/* Makes sure that `object` is alive up to this point of the program. */
static inline void bw_keep_alive(const void *object) {
    __asm__ volatile("" : : "g"(object) : "memory");
}

/* A weak pointer: refers to an object without keeping it alive. Two weak pointers made from the same pointer are equal,
 * also after the object has died. The zero value refers to nothing. */
typedef struct bw_weak {
    void *handle;
    ptrdiff_t offset;
} bw_weak;
BW_API bw_weak bw_weak_make(void *object);
BW_API void *bw_weak_get(bw_weak weak); /* the object, or NULL once it is unreachable, also if a finalizer revives it */
static inline bool bw_weak_eq(bw_weak a, bw_weak b) {
    return a.handle == b.handle && a.offset == b.offset;
}

/* A map from objects to values in which a value lives only while its key does: an ephemeron table. A key is an object's
 * address (interior pointers stand for their object) and is compared by identity; a value may refer to its own key. A
 * key that is in no object, or in an arena, panics. */
typedef struct bw_weak_map bw_weak_map;
BW_API bw_weak_map *bw_weak_map_new(void) BW__MALLOC_LIKE();
BW_API void bw_weak_map_put(bw_weak_map *map, void *key, void *value);
BW_API void *bw_weak_map_get(bw_weak_map *map, const void *key); /* NULL if there is none */
BW_API bool bw_weak_map_delete(bw_weak_map *map, const void *key);
BW_API size_t bw_weak_map_len(bw_weak_map *map); /* entries whose key was alive at the last collection */

BW__END
#endif
