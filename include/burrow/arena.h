/* burrow/arena.h - regions: objects that all end at once.
 *
 * Example, within a function:
 *
 *     bw_arena *a = bw_arena_new();
 *     node *n = bw_arena_alloc(a, node);
 *     n->left = bw_new(node);
 *     bw_arena_free(a);
 *
 * An arena's objects may point into the collected heap and it into them. Any pointer into the arena keeps the whole
 * arena alive; one that nothing refers to is collected as a whole, so that forgetting bw_arena_free leaks nothing.
 * After bw_arena_free every access to its objects faults, with a message that says so; the addresses are used again
 * only once the collector has found no pointer to them. One arena is used by one thread at a time.
 */
#ifndef BURROW_ARENA_H
#define BURROW_ARENA_H

#include <burrow/base.h>

BW__BEGIN

typedef struct bw_arena bw_arena;

/* An empty arena. */
BW_API bw_arena *bw_arena_new(void) BW__MALLOC_LIKE();

/* T *bw_arena_alloc(arena, T): a zeroed T in the arena. Cost: a bump of a pointer. */
#define bw_arena_alloc(arena, T) ((__typeof__(T) *)bw_arena_alloc_bytes((arena), sizeof(T)))

/* `size` zeroed bytes in the arena, aligned to 16, scanned conservatively. */
BW_API void *bw_arena_alloc_bytes(bw_arena *arena, size_t size) BW__MALLOC_LIKE(alloc_size(2));

/* Ends the lifetime of every object in the arena, at once. A second free panics. NULL is ignored. Cleanups of its
 * objects are due, and weak pointers to them are cleared, as when the collector finds the arena unreachable. */
BW_API void bw_arena_free(bw_arena *arena);

/* bw_arena_scoped(a); declares and makes an arena `a` that is freed at the end of the scope.
 * Example, within a function:
 *
 *     bw_arena_scoped(a);
 *     node *n = bw_arena_alloc(a, node);
 *     printf("%d\n", n->value);
 */
static inline void bw__arena_scope_end(bw_arena **arena) {
    bw_arena_free(*arena);
}
#define bw_arena_scoped(name) __attribute__((cleanup(bw__arena_scope_end))) bw_arena *name = bw_arena_new()

BW__END
#endif
