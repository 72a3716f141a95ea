/* stack.c - goroutines' stacks.
 *
 * A CHUNK of address space has SLOTS slots of STACK_BYTES, each above a page that faults. A goroutine's record is at its
 * slot's high end, so that a goroutine that does little takes one page in all. Slots are not a power of two apart, and
 * records are at different places in their pages, since a cache would have places for few of them otherwise.
 *
 * A slot is COLD (it has no memory), or WARM: in use, or on a list of free ones, whose memory is kept for the next. What
 * nobody has wanted for a second, but for KEPT of them, gives its memory back, since a page costs several times as much
 * as a goroutine, to give back and to get anew. Workers take and give many at once.
 */
#include "sched.h"

#include <string.h>

#define SLOTS 1024
#define COLOURS 32
#define COLOUR_BYTES 64
#define KEPT 1024 /* free warm ones that are never more than enough; what workers have is not counted */
#define PART 1024 /* whose memory is given back at once */
#define LOOK_EVERY_NS 1000000000

struct chunk {
    char *base;
    uint32_t cold_count, untouched; /* slots from there on have no guard yet */
    uint64_t warm[SLOTS / 64];
};

static os_lock lock;
static struct chunk *chunks;
static size_t chunk_count, chunk_capacity;
static struct goroutine *kept;
static size_t kept_count; /* is looked at without the lock, too */
static size_t kept_least; /* the least since the last look */
static size_t first_cold; /* no chunk before has any */

static size_t slot_bytes(void) {
    return STACK_BYTES + os_page_bytes();
}

static struct goroutine *record_at(char *base, size_t slot) {
    char *end = base + (slot + 1) * slot_bytes();
    return (struct goroutine *)(end - (slot % COLOURS) * COLOUR_BYTES) - 1;
}
_Static_assert(SLOTS % COLOURS == 0, "all chunks are alike");

static struct goroutine *record_of(const struct chunk *chunk, size_t slot) {
    return record_at(chunk->base, slot);
}

/* Under the lock. */
static struct chunk *new_chunk(void) {
    if (chunk_count == chunk_capacity) {
        size_t wanted = chunk_capacity ? chunk_capacity * 2 : 64;
        struct chunk *larger = os_map(wanted * sizeof *larger);
        if (larger == NULL)
            return NULL;
        if (chunk_count) {
            memcpy(larger, chunks, chunk_count * sizeof *larger);
            os_unmap(chunks, chunk_capacity * sizeof *larger);
        }
        chunks = larger;
        chunk_capacity = wanted;
    }
    size_t bytes = SLOTS * slot_bytes();
    char *base = os_map(bytes);
    if (base == NULL)
        return NULL;
    os_want_small_pages(base, bytes);
    chunks[chunk_count] = (struct chunk){.base = base, .cold_count = SLOTS};
    return &chunks[chunk_count++];
}

/* Under the lock. */
static struct goroutine *from_cold(void) {
    while (first_cold < chunk_count && chunks[first_cold].cold_count == 0)
        first_cold++;
    struct chunk *chunk = first_cold < chunk_count ? &chunks[first_cold] : new_chunk();
    if (chunk == NULL)
        return NULL;
    size_t slot = 0;
    while (chunk->warm[slot / 64] == ~(uint64_t)0)
        slot += 64;
    slot += (size_t)__builtin_ctzll(~chunk->warm[slot / 64]);
    char *guard = chunk->base + slot * slot_bytes();
    if (slot >= chunk->untouched) {
        if (!os_guard(guard, os_page_bytes()))
            return NULL;
        chunk->untouched = (uint32_t)slot + 1;
        os_fiber_stack((os_stack){(uintptr_t)guard + os_page_bytes(), (uintptr_t)record_of(chunk, slot)});
    }
    chunk->warm[slot / 64] |= (uint64_t)1 << slot % 64;
    chunk->cold_count--;
    struct goroutine *goroutine = record_of(chunk, slot);
    goroutine->stack = (os_stack){(uintptr_t)guard + os_page_bytes(), (uintptr_t)goroutine};
    goroutine->slot = (uint32_t)((size_t)(chunk - chunks) * SLOTS + slot);
    return goroutine;
}

static void count_kept(size_t change) {
    __atomic_store_n(&kept_count, kept_count + change, __ATOMIC_RELAXED);
}

struct goroutine *stacks_take(size_t most) {
    struct goroutine *list = NULL;
    os_lock_acquire(&lock);
    for (; kept && most > 0; most--) {
        struct goroutine *goroutine = kept;
        kept = goroutine->next;
        count_kept((size_t)-1);
        goroutine->next = list;
        list = goroutine;
    }
    if (kept_count < kept_least)
        kept_least = kept_count;
    if (list == NULL && (list = from_cold()) != NULL)
        list->next = NULL;
    os_lock_release(&lock);
    return list;
}

void stacks_give(struct goroutine *list) {
    struct goroutine *last = list;
    size_t count = 1;
    for (; last->next; last = last->next)
        count++;
    os_lock_acquire(&lock);
    last->next = kept;
    kept = list;
    count_kept(count);
    os_lock_release(&lock);
}

/* Gives the memory of so many kept slots back. That takes long, and is done without the lock: until it is cold a slot is
 * nobody's. */
static void give_back(size_t count) {
    struct goroutine *list = NULL, *next;
    os_lock_acquire(&lock);
    if (atomic_load(&stacks_marking) != 0)
        count = 0; /* their records may be on the list of those that changed */
    for (; kept && count > 0; count--) {
        count_kept((size_t)-1);
        next = kept->next;
        kept->next = list;
        list = kept;
        kept = next;
    }
    os_lock_release(&lock);
    for (; list; list = next) {
        next = list->next;
        size_t number = list->slot / SLOTS, slot = list->slot % SLOTS;
        bool released = os_release((void *)list->stack.lo, STACK_BYTES);
        os_lock_acquire(&lock);
        if (released) {
            chunks[number].warm[slot / 64] &= ~((uint64_t)1 << slot % 64);
            chunks[number].cold_count++;
            if (number < first_cold)
                first_cold = number;
        } else {
            list->next = kept;
            kept = list;
            count_kept(1);
        }
        os_lock_release(&lock);
    }
}

bool stacks_tend(int64_t now) {
    static int64_t looked;
    static size_t excess; /* slots that nobody has wanted between the last two looks */
    size_t count = __atomic_load_n(&kept_count, __ATOMIC_RELAXED);
    if (count <= KEPT) {
        excess = 0;
        return false;
    }
    if (now - looked > LOOK_EVERY_NS) {
        os_lock_acquire(&lock);
        excess = looked && kept_least > KEPT ? kept_least - KEPT : 0;
        kept_least = kept_count;
        os_lock_release(&lock);
        looked = now;
    }
    size_t part = excess < PART ? excess : PART;
    excess -= part;
    give_back(part);
    return true;
}

void stacks_give_back(void) {
    give_back(SIZE_MAX);
}

void stacks_each(void (*visit)(struct goroutine *, void *), void *context) {
    for (size_t i = 0; i < chunk_count; i++)
        for (size_t word = 0; word < SLOTS / 64; word++)
            for (uint64_t bits = chunks[i].warm[word]; bits; bits &= bits - 1) {
                struct goroutine *goroutine = record_of(&chunks[i], word * 64 + (size_t)__builtin_ctzll(bits));
                if (goroutine->live)
                    visit(goroutine, context);
            }
}

/* --- while the collector marks beside the program --- */

/* A stack that no thread is on is searched while the program runs, and is searched again in the last stop only if it has
 * changed since the first one: its goroutine has run, or was made ready, perhaps with a value that was written to it. That
 * is noted by whoever runs it or makes it ready; and the goroutines that run when it begins are, in that stop. */
_Atomic uint32_t stacks_marking;
static uint32_t last_marking;
static struct goroutine *_Atomic changed;
static size_t next_chunk; /* of stacks_some */

void stacks_begin(void) {
    if (++last_marking == 0)
        last_marking = 1;
    atomic_store(&stacks_marking, last_marking);
    atomic_store(&changed, NULL);
    next_chunk = 0;
}

void stacks_end(void) {
    atomic_store(&stacks_marking, 0);
}

void stacks_note(struct goroutine *goroutine, uint32_t marking) {
    if (atomic_exchange(&goroutine->changed, marking) == marking)
        return;
    struct goroutine *first = atomic_load(&changed);
    do
        goroutine->next_changed = first;
    while (!atomic_compare_exchange_weak(&changed, &first, goroutine));
}

/* Of a goroutine that may run meanwhile. */
__attribute__((no_sanitize("thread"))) static bool is_live(const struct goroutine *goroutine) {
    return *(const volatile bool *)&goroutine->live;
}
__attribute__((no_sanitize("thread"))) static bool is_parked(const struct goroutine *goroutine) {
    return !__atomic_load_n(&goroutine->running, __ATOMIC_ACQUIRE) &&
           *(const volatile uintptr_t *)&goroutine->stack_pointer != 0;
}

bool stacks_some(void (*visit)(struct goroutine *, void *), void *context) {
    os_lock_acquire(&lock);
    bool more = next_chunk < chunk_count;
    struct chunk chunk = more ? chunks[next_chunk++] : (struct chunk){0};
    os_lock_release(&lock);
    for (size_t word = 0; word < SLOTS / 64; word++) {
        for (uint64_t bits = chunk.warm[word]; bits; bits &= bits - 1)
            __builtin_prefetch(record_at(chunk.base, word * 64 + (size_t)__builtin_ctzll(bits)));
        for (uint64_t bits = chunk.warm[word]; bits; bits &= bits - 1) {
            struct goroutine *goroutine = record_at(chunk.base, word * 64 + (size_t)__builtin_ctzll(bits));
            if (is_live(goroutine))
                visit(goroutine, context);
        }
    }
    return more;
}

/* A few at a time: once one is not noted any more it may be noted by others, who link it elsewhere.
 *
 * Whoever runs a goroutine stores that it is running, then looks whether it is noted; here it is the other way round. The
 * barrier of all threads is what makes one of the two see the other, without one where a goroutine is switched to. Who leaves
 * one stores what it leaves on the stack, and then the stack pointer; the second barrier is for that. (docs/models/parked.pml)
 */
#define BATCH 256
void stacks_again(void (*visit)(struct goroutine *, void *), void *context) {
    struct goroutine *list = os_barrier_of_all_works() ? atomic_exchange(&changed, NULL) : NULL, *batch[BATCH];
    uint32_t marking = atomic_load(&stacks_marking);
    while (list) {
        size_t count = 0, parked = 0;
        for (; list && count < BATCH; list = list->next_changed)
            batch[count++] = list;
        for (size_t i = 0; i < count; i++)
            atomic_store(&batch[i]->changed, 0);
        os_barrier_of_all();
        for (size_t i = 0; i < count; i++)
            if (is_parked(batch[i]))
                batch[parked++] = batch[i];
            else
                stacks_note(batch[i], marking);
        os_barrier_of_all();
        for (size_t i = 0; i < parked; i++)
            if (is_live(batch[i]))
                visit(batch[i], context);
    }
}

void stacks_changed(void (*visit)(struct goroutine *, void *), void *context) {
    for (struct goroutine *goroutine = atomic_load(&changed); goroutine; goroutine = goroutine->next_changed)
        if (goroutine->live)
            visit(goroutine, context);
}
