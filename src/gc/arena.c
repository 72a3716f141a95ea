/* arena.c - regions.
 *
 * An arena is a list of chunks, each a span, searched conservatively. Each chunk begins with a header that refers to
 * the head (the first chunk) and to the next chunk, so that, chunks being searched like any untyped object, a pointer
 * to anything in an arena keeps all of it.
 *
 * Freeing an arena makes its pages inaccessible and its spans QUARANTINED: still marked by pointers to them, but not
 * searched. A collection that finds no pointer to such a span returns its pages to the heap. Until then every access
 * faults, and the handler says why. Where the system refuses to make pages inaccessible (it allows only so many
 * mappings) they are filled with a pattern instead, in quarantine all the same.
 */
#include "gc.h"

#include <stdio.h>
#include <string.h>

#define FIRST_CHUNK ((size_t)64 << 10)
#define MOST_CHUNK ((size_t)4 << 20)

struct chunk {
    struct bw_arena *head;
    struct chunk *next;
    struct span *span;
};

struct bw_arena { /* in the first chunk */
    struct chunk chunk;
    char *cur, *end; /* of the newest chunk */
    struct chunk *last;
    size_t next_bytes;
};

static os_lock arena_lock;
static struct layout *_Atomic arena_layout;

static bool explain_fault(uintptr_t address, char *text, size_t room) {
    if (!heap_contains((void *)address))
        return false;
    struct span *span = span_of_offset(heap_offset((void *)address));
    if (span == NULL || span->state != SPAN_QUARANTINE)
        return false;
    snprintf(text, room, "accessed memory at %p, which was in an arena until bw_arena_free", (void *)address);
    return true;
}

static struct layout *get_layout(void) {
    struct layout *layout = atomic_load(&arena_layout);
    if (layout)
        return layout;
    os_lock_acquire(&arena_lock);
    layout = atomic_load(&arena_layout);
    if (layout == NULL) {
        layout = layout_new(&(struct layout){.scan = SCAN_WORDS, .counts_inside = true, .name = "an arena"});
        if (layout == NULL)
            os_fatal("runtime: out of memory: cannot make the layout of arenas");
        atomic_store(&arena_layout, layout);
        os_fault_explain(explain_fault);
    }
    os_lock_release(&arena_lock);
    return layout;
}

static struct chunk *new_chunk(size_t bytes) {
    struct thread *self = thread_enter();
    size_t unit = os_page_bytes() > PAGE_BYTES ? os_page_bytes() : PAGE_BYTES;
    bytes = (bytes + unit - 1) & ~(unit - 1);
    struct chunk *chunk = memory_allocate_arena(self, get_layout(), bytes, unit);
    chunk->span = span_of_offset(heap_offset(chunk));
    thread_leave(self);
    return chunk;
}

bw_arena *bw_arena_new(void) {
    struct chunk *chunk = new_chunk(FIRST_CHUNK);
    bw_arena *arena = (bw_arena *)chunk;
    size_t used = (sizeof *arena + 15) & ~(size_t)15;
    chunk->head = arena;
    arena->cur = (char *)arena + used;
    arena->end = (char *)arena + chunk->span->object_bytes - ARENA_UNUSED_BYTES;
    arena->last = chunk;
    arena->next_bytes = FIRST_CHUNK * 2;
    return arena;
}

static BW__COLD void not_an_arena(const char *function, const void *address) {
    char text[200];
    os_panic("%s: %p is not an arena: it is %s", function, address, heap_describe(address, text, sizeof text));
}

/* The head's span, without touching the arena's memory, which may be gone. */
static struct span *require_arena(const char *function, const bw_arena *arena) {
    struct span *span = heap_contains(arena) ? span_of_offset(heap_offset(arena)) : NULL;
    if (span == NULL || span->state != SPAN_ARENA || span->base != (uintptr_t)arena || arena->chunk.head != arena)
        not_an_arena(function, arena);
    return span;
}

void *bw_arena_alloc_bytes(bw_arena *arena, size_t size) {
    struct span *span = require_arena("bw_arena_alloc", arena);
    size_t rounded = size ? (size + 15) & ~(size_t)15 : 16;
    if (rounded < size)
        os_fatal("runtime: out of memory: cannot allocate %zu-byte block in an arena", size);
    if (rounded > (size_t)(arena->end - arena->cur)) {
        size_t header = (sizeof(struct chunk) + 15) & ~(size_t)15, bytes = arena->next_bytes;
        if (bytes < rounded + header + ARENA_UNUSED_BYTES)
            bytes = rounded + header + ARENA_UNUSED_BYTES;
        struct chunk *chunk = new_chunk(bytes);
        chunk->head = arena;
        arena->last->next = chunk;
        arena->last = chunk;
        arena->cur = (char *)chunk + header;
        arena->end = (char *)chunk + chunk->span->object_bytes - ARENA_UNUSED_BYTES;
        if (arena->next_bytes < MOST_CHUNK)
            arena->next_bytes *= 2;
    }
    void *object = arena->cur;
    arena->cur += rounded;
    span->inside.bytes += rounded;
    span->inside.objects++;
    return object;
}

void bw_arena_free(bw_arena *arena) {
    if (arena == NULL)
        return;
    struct span *head = require_arena("bw_arena_free", arena);
    struct thread *self = thread_enter();
    struct layout *layout = head->layout;
    bw_amount reclaimed = {0, 0};
    bool due = false;
    atomic_fetch_add(&layout->handed.bytes, head->inside.bytes);
    atomic_fetch_add(&layout->handed.objects, head->inside.objects);
    atomic_fetch_add(&layout->zero.bytes, head->inside.bytes);
    atomic_fetch_add(&layout->zero.objects, head->inside.objects);
    head->inside = (bw_amount){0, 0};
    for (struct chunk *chunk = &arena->chunk, *next; chunk; chunk = next) {
        struct span *span = chunk->span;
        next = chunk->next;
        span_sweep(span, &reclaimed);
        due |= specials_of_freed(span->base);
        span->state = SPAN_QUARANTINE;
        /* A marker that runs beside the program may be reading them. */
        span->filled = heap_is_marking() || !pages_forbid(span);
        if (span->filled)
            memset((void *)span->base, 0xdb, span->pages << PAGE_SHIFT);
    }
    layout_count_reclaimed(layout, reclaimed);
    if (due)
        specials_start_threads(self);
    thread_leave(self);
}
