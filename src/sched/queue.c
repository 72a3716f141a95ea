/* queue.c - where ready goroutines are: a worker has a place for the one to run next and a ring of RING others, of which
 * its owner takes the oldest and thieves half at a time; one queue is of all. What a goroutine makes ready goes to
 * run_next, since it is most often what the goroutine then waits for; what was there goes on the ring.
 */
#include "worker.h"

#define OTHERS_AT_ONCE 16 /* workers; there may be thousands */
#define NEXT_IN_A_ROW 64  /* turns that run_next comes before the ring */

static os_lock lock; /* of the queue of all */
static struct goroutine *global_first, **global_last = &global_first;
static _Atomic uint32_t global_count;

uint32_t global_waiting(void) {
    return atomic_load(&global_count);
}

void global_put(struct goroutine *first, struct goroutine **last, uint32_t count) {
    os_lock_acquire(&lock);
    *last = NULL;
    *global_last = first;
    global_last = last;
    atomic_store_explicit(&global_count, global_count + count, memory_order_release);
    os_lock_release(&lock);
}

struct goroutine *global_take(void) {
    if (atomic_load_explicit(&global_count, memory_order_acquire) == 0)
        return NULL;
    os_lock_acquire(&lock);
    struct goroutine *goroutine = global_first;
    if (goroutine) {
        global_first = goroutine->next;
        if (global_first == NULL)
            global_last = &global_first;
        atomic_store_explicit(&global_count, global_count - 1, memory_order_release);
    }
    os_lock_release(&lock);
    return goroutine;
}

void ring_put(struct worker *worker, struct goroutine *goroutine) {
    for (;;) {
        uint32_t head = atomic_load_explicit(&worker->head, memory_order_acquire);
        uint32_t tail = atomic_load_explicit(&worker->tail, memory_order_relaxed);
        if (tail - head < RING) {
            atomic_store_explicit(&worker->ring[tail % RING], goroutine, memory_order_relaxed);
            atomic_store_explicit(&worker->tail, tail + 1, memory_order_release);
            return;
        }
        /* Half of it goes to the queue of all. */
        struct goroutine *taken[RING / 2];
        for (uint32_t i = 0; i < RING / 2; i++)
            taken[i] = atomic_load_explicit(&worker->ring[(head + i) % RING], memory_order_relaxed);
        if (!atomic_compare_exchange_strong(&worker->head, &head, head + RING / 2))
            continue;
        for (uint32_t i = 0; i + 1 < RING / 2; i++)
            taken[i]->next = taken[i + 1];
        taken[RING / 2 - 1]->next = goroutine;
        global_put(taken[0], &goroutine->next, RING / 2 + 1);
        return;
    }
}

struct goroutine *ring_take(struct worker *worker) {
    uint32_t head = atomic_load_explicit(&worker->head, memory_order_acquire);
    for (;;) {
        if (head == atomic_load_explicit(&worker->tail, memory_order_acquire)) /* another's tail, perhaps */
            return NULL;
        struct goroutine *goroutine = atomic_load_explicit(&worker->ring[head % RING], memory_order_relaxed);
        if (atomic_compare_exchange_weak(&worker->head, &head, head + 1))
            return goroutine;
    }
}

struct goroutine *ring_steal(struct worker *worker, struct worker *from) {
    for (;;) {
        uint32_t head = atomic_load_explicit(&from->head, memory_order_acquire);
        uint32_t tail = atomic_load_explicit(&from->tail, memory_order_acquire);
        uint32_t count = tail - head;
        count -= count / 2;
        if (count == 0)
            return NULL;
        if (count > RING / 2)
            continue; /* the two were not read at one time */
        uint32_t to = atomic_load_explicit(&worker->tail, memory_order_relaxed);
        for (uint32_t i = 0; i < count; i++)
            atomic_store_explicit(&worker->ring[(to + i) % RING],
                                  atomic_load_explicit(&from->ring[(head + i) % RING], memory_order_relaxed),
                                  memory_order_relaxed);
        if (!atomic_compare_exchange_strong(&from->head, &head, head + count))
            continue;
        struct goroutine *last = atomic_load_explicit(&worker->ring[(to + count - 1) % RING], memory_order_relaxed);
        if (count > 1)
            atomic_store_explicit(&worker->tail, to + count - 1, memory_order_release);
        return last;
    }
}

/* What would wait for as long as this worker has something of its own to run: in the queue of all, or with a worker
 * that has no token. */
static struct goroutine *others_take(struct worker *worker) {
    struct goroutine *goroutine = global_take();
    uint32_t count = (uint32_t)atomic_load(&worker_count), first = worker->turns / OTHERS_EVERY * OTHERS_AT_ONCE;
    for (uint32_t i = 0; goroutine == NULL && i < count && i < OTHERS_AT_ONCE; i++) {
        struct worker *from = atomic_load(&workers[(first + i) % count]);
        if (from == NULL || from == worker || !token_lost(from))
            continue;
        goroutine = ring_take(from);
        if (goroutine == NULL && atomic_load(&from->run_next) != NULL)
            goroutine = atomic_exchange(&from->run_next, NULL);
    }
    return goroutine;
}

struct goroutine *next_of_own(struct worker *worker) {
    struct goroutine *goroutine;
    if (++worker->turns % OTHERS_EVERY == 0 && (goroutine = others_take(worker)) != NULL)
        return goroutine;
    bool ring_first = worker->in_a_row >= NEXT_IN_A_ROW;
    if (ring_first) {
        worker->in_a_row = 0;
        if ((goroutine = ring_take(worker)) != NULL)
            return goroutine;
    }
    if (atomic_load_explicit(&worker->run_next, memory_order_relaxed) != NULL &&
        (goroutine = atomic_exchange(&worker->run_next, NULL)) != NULL) {
        worker->in_a_row++;
        return goroutine;
    }
    worker->in_a_row = 0;
    if ((goroutine = ring_take(worker)) != NULL)
        return goroutine;
    return global_take();
}

/* Who yields means all that are ready: run_next gets in line, or those that yield to one another would keep it waiting. */
struct goroutine *next_in_line(struct worker *worker) {
    struct goroutine *goroutine;
    if (++worker->turns % OTHERS_EVERY == 0 && (goroutine = others_take(worker)) != NULL)
        return goroutine;
    if (atomic_load_explicit(&worker->run_next, memory_order_relaxed) != NULL &&
        (goroutine = atomic_exchange(&worker->run_next, NULL)) != NULL)
        ring_put(worker, goroutine);
    goroutine = ring_take(worker);
    return goroutine ? goroutine : global_take();
}
