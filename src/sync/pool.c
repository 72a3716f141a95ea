/* pool.c - bw_pool.
 *
 * A pool has two generations: what was put in since the last collection, and the VICTIMS, what was put in before. When a
 * collection begins the victims are dropped, and the others become victims. So what nobody takes out is gone after two
 * collections, and a pool that is in use is never quite empty.
 *
 * A generation has a PART for each thread, by the thread's number: a place that nobody else touches, and a stack of
 * CHUNKS under a lock, from which others take if they find nothing of their own. The places make getting and putting a
 * matter of a load and a store, without a lock and without being INSIDE: if a collection comes in between, the object
 * goes to the victims, or is taken from them.
 *
 * The collector is told of pools by two lists, in turn: of those that have objects, and of those that have victims only.
 * It does not touch anything while a thread is INSIDE, which is where everything but the places is changed. */
#include "sync.h"

#include "../lang/lang.h"

#define CHUNK_OBJECTS 30
#define FIRST_PARTS 8 /* in the first segment; each from the third on has as many as all before it */
#define SEGMENTS 26

struct chunk {
    struct chunk *next;
    size_t count;
    void *objects[CHUNK_OBJECTS];
};

struct part {
    void *mine;
    struct chunk *chunks;
    struct chunk *spare; /* an empty one */
    os_lock lock;
    char padding[64 - 3 * sizeof(void *) - sizeof(os_lock)];
};

struct generation {
    struct part *segments[SEGMENTS];
};

struct bw__pool {
    struct generation *filled, *victims;
    struct bw__pool *next[2];
};

static os_lock lists_lock;
static struct bw__pool *lists[2]; /* of those that are filled: lists[now] */
static uint32_t now;

static void begins(void) {
    for (struct bw__pool *pool = lists[!now]; pool; pool = pool->next[!now])
        pool->victims = NULL;
    lists[!now] = NULL;
    for (struct bw__pool *pool = lists[now]; pool; pool = pool->next[now]) {
        pool->victims = pool->filled;
        __atomic_store_n(&pool->filled, NULL, __ATOMIC_RELEASE);
    }
    now = !now;
}
const struct gc_cycle_hooks gc_cycle_hooks = {begins};

/* --- finding a thread's part --- */

static unsigned segment_of(uint32_t number) {
    return number < FIRST_PARTS ? 0 : 29 - (unsigned)__builtin_clz(number);
}
static uint32_t segment_begin(unsigned segment) {
    return segment == 0 ? 0 : (uint32_t)FIRST_PARTS << (segment - 1);
}
static uint32_t segment_parts(unsigned segment) {
    return segment == 0 ? FIRST_PARTS : segment_begin(segment);
}

/* NULL: there is none yet. */
static inline struct part *part_of(const struct generation *generation, uint32_t number) {
    if (generation == NULL)
        return NULL;
    unsigned segment = segment_of(number);
    struct part *parts = __atomic_load_n(&generation->segments[segment], __ATOMIC_ACQUIRE);
    return parts ? &parts[number - segment_begin(segment)] : NULL;
}

static inline struct part *own_part(const bw_pool *pool, const struct thread *self) {
    const struct bw__pool *inner = __atomic_load_n(&pool->bw__pool, __ATOMIC_ACQUIRE);
    if (__builtin_expect(inner == NULL || self == NULL, 0))
        return NULL;
    return part_of(__atomic_load_n(&inner->filled, __ATOMIC_ACQUIRE), self->number);
}

/* --- what pools are made of --- */

enum { OF_POOL, OF_GENERATION, OF_CHUNK, OF_FIRST_SEGMENT };

/* Memory that is searched conservatively, and counted as a sync object; by itself, not under a lock. */
static void *memory(unsigned what, size_t bytes) {
    static struct layout *layouts[OF_FIRST_SEGMENT + SEGMENTS];
    struct layout *layout = __atomic_load_n(&layouts[what], __ATOMIC_ACQUIRE);
    if (layout == NULL) {
        struct thread *self = thread_enter();
        types_lock_acquire();
        layout = layouts[what];
        if (layout == NULL) {
            struct layout like = {.kind = KIND_STRUCT, .safe = SAFE_SYNC, .scan = SCAN_WORDS, .name = "pool"};
            like.slot_bytes =
                bytes <= BW__MAX_SMALL ? (uint32_t)((bytes + GRANULE_BYTES - 1) & ~(GRANULE_BYTES - 1)) : 0;
            layout = typed_layout(&like);
            __atomic_store_n(&layouts[what], layout, __ATOMIC_RELEASE);
        }
        types_lock_release();
        thread_leave(self);
    }
    return typed_memory(layout, bytes);
}

/* The calling thread's part of what is filled, made if there is none; the thread is INSIDE. */
static struct part *part_made(bw_pool *pool, struct thread **self) {
    struct bw__pool *inner = __atomic_load_n(&pool->bw__pool, __ATOMIC_ACQUIRE);
    if (inner == NULL) {
        struct bw__pool *made = memory(OF_POOL, sizeof *made);
        if (__atomic_compare_exchange_n(&pool->bw__pool, &inner, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            inner = made;
    }
    struct generation *generation = NULL;
    struct part *parts = NULL;
    unsigned made_segment = SEGMENTS;
    for (;;) {
        *self = thread_enter();
        unsigned segment = segment_of((*self)->number);
        os_lock_acquire(&lists_lock);
        if (inner->filled == NULL && generation) {
            __atomic_store_n(&inner->filled, generation, __ATOMIC_RELEASE);
            inner->next[now] = lists[now];
            lists[now] = inner;
        }
        if (inner->filled && parts && segment == made_segment && inner->filled->segments[segment] == NULL)
            __atomic_store_n(&inner->filled->segments[segment], parts, __ATOMIC_RELEASE);
        os_lock_release(&lists_lock);
        struct generation *filled = __atomic_load_n(&inner->filled, __ATOMIC_ACQUIRE);
        struct part *part = part_of(filled, (*self)->number);
        if (part)
            return part;
        bool wants_generation = filled == NULL;
        thread_leave(*self);
        if (wants_generation)
            generation = memory(OF_GENERATION, sizeof *generation);
        parts = memory(OF_FIRST_SEGMENT + segment, segment_parts(segment) * sizeof *parts);
        made_segment = segment;
    }
}

/* --- stacks of chunks; INSIDE --- */

static bool push(struct part *part, void *object, struct chunk **made) {
    os_lock_acquire(&part->lock);
    struct chunk *chunk = part->chunks;
    if (chunk == NULL || chunk->count == CHUNK_OBJECTS) {
        struct chunk *fresh = part->spare;
        part->spare = NULL;
        if (fresh == NULL) {
            fresh = *made;
            *made = NULL;
        }
        if (fresh) {
            fresh->next = chunk;
            __atomic_store_n(&part->chunks, fresh, __ATOMIC_RELAXED);
        }
        chunk = fresh;
    }
    if (chunk)
        chunk->objects[chunk->count++] = object;
    os_lock_release(&part->lock);
    return chunk != NULL;
}

static void *pop(struct part *part) {
    if (__atomic_load_n(&part->chunks, __ATOMIC_RELAXED) == NULL)
        return NULL;
    os_lock_acquire(&part->lock);
    struct chunk *chunk = part->chunks;
    void *object = NULL;
    if (chunk) {
        object = chunk->objects[--chunk->count];
        chunk->objects[chunk->count] = NULL;
        if (chunk->count == 0) {
            __atomic_store_n(&part->chunks, chunk->next, __ATOMIC_RELAXED);
            chunk->next = NULL;
            part->spare = chunk;
        }
    }
    os_lock_release(&part->lock);
    return object;
}

/* From the thread's own part, or any other's. */
static void *take(const struct generation *generation, uint32_t number) {
    if (generation == NULL)
        return NULL;
    struct part *own = part_of(generation, number);
    void *object = NULL;
    if (own) {
        object = own->mine;
        own->mine = NULL;
        if (object == NULL)
            object = pop(own);
    }
    for (unsigned segment = 0; object == NULL && segment < SEGMENTS; segment++) {
        struct part *parts = __atomic_load_n(&generation->segments[segment], __ATOMIC_ACQUIRE);
        for (uint32_t i = 0; parts && object == NULL && i < segment_parts(segment); i++)
            object = pop(&parts[i]);
    }
    return object;
}

static __attribute__((noinline)) void *get_slow(bw_pool *pool) {
    struct thread *self = thread_enter();
    struct bw__pool *inner = __atomic_load_n(&pool->bw__pool, __ATOMIC_ACQUIRE);
    void *object = NULL;
    if (inner && (object = take(__atomic_load_n(&inner->filled, __ATOMIC_ACQUIRE), self->number)) == NULL)
        object = take(inner->victims, self->number);
    thread_leave(self);
    return object == NULL && pool->make ? pool->make() : object;
}

static __attribute__((noinline)) void put_slow(bw_pool *pool, void *object) {
    struct chunk *made = NULL;
    for (;;) {
        struct thread *self;
        struct part *part = part_made(pool, &self);
        bool done = true;
        if (part->mine == NULL)
            part->mine = object;
        else
            done = push(part, object, &made);
        thread_leave(self);
        if (done)
            return;
        made = memory(OF_CHUNK, sizeof *made);
    }
}

void *bw_pool_get(bw_pool *pool) {
    struct part *part = own_part(pool, thread_current);
    if (__builtin_expect(part == NULL || part->mine == NULL, 0))
        return get_slow(pool);
    void *object = part->mine;
    part->mine = NULL;
    return object;
}

void bw_pool_put(bw_pool *pool, void *object) {
    if (object == NULL)
        return;
    struct part *part = own_part(pool, thread_current);
    if (__builtin_expect(part == NULL || part->mine != NULL, 0))
        put_slow(pool, object);
    else
        part->mine = object;
}
