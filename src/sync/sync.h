/* sync.h - floor 5: what those who wait for locks, wait groups and the like have in common.
 *
 * A WAITER is a record on the stack of a goroutine that waits. A queue of them is one word, that of the first, which
 * knows the last; it is guarded by a lock beside it, the GUARD, which is held until the waiter's stack is left
 * (sched_park's commit). Nobody is made ready under a guard. A guard is held INSIDE only, and nothing is allocated
 * meanwhile.
 *
 * Once a waiter is made ready, what it waited for may be gone: nothing of that is touched any more. */
#ifndef BURROW_SYNC_SYNC_H
#define BURROW_SYNC_SYNC_H

#include "../sched/sched.h"

#include <burrow/sync.h>

struct bw__waiter {
    struct bw__waiter *next;
    struct bw__waiter *last; /* of the queue, in its first */
    struct goroutine *goroutine;
    uint64_t since;       /* when it began to wait; 0: not told */
    int64_t wants;        /* of a semaphore */
    bool parked;          /* in a cond's queue it is before it parks */
    bool handed;          /* what it waits for is its own now */
    void (*tell)(void *); /* of a semaphore: it waits in a select, and is told by this; NULL: it is parked */
    void *channel;        /* what `tell` gets */
    /* Of a mutex (mutex.c): */
    const bw_mutex *mutex;    /* NULL: not in a queue */
    struct bw__waiter *other; /* the first waiter for another mutex; of the first */
    bool woken;               /* it tries; of the first */
    bool starving;            /* it is to be handed the mutex; of the first */
};

/* 0 free, 1 held, 2 held and somebody sleeps. One word, of which nothing is touched once it is released: by then the
 * mutex may be gone. (An os_lock is two words, and looked at after its release.) */
void guard_wait(uint32_t *guard); /* acquires it */
static inline void guard_acquire(uint32_t *guard) {
    uint32_t free = 0;
    if (!__atomic_compare_exchange_n(guard, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        guard_wait(guard);
}
static inline void guard_release(uint32_t *guard) {
    if (__atomic_exchange_n(guard, 0, __ATOMIC_RELEASE) == 2)
        os_wake((_Atomic uint32_t *)guard, 1);
}
/* As sched_park's commit. */
void guard_release_after(void *guard);

static inline void queue_append(struct bw__waiter **queue, struct bw__waiter *waiter) {
    waiter->next = NULL;
    if (*queue) {
        (*queue)->last->next = waiter;
        (*queue)->last = waiter;
    } else {
        waiter->last = waiter;
        *queue = waiter;
    }
}

static inline void queue_prepend(struct bw__waiter **queue, struct bw__waiter *waiter) {
    waiter->next = *queue;
    waiter->last = *queue ? (*queue)->last : waiter;
    *queue = waiter;
}

static inline struct bw__waiter *queue_take(struct bw__waiter **queue) {
    struct bw__waiter *waiter = *queue;
    if (waiter) {
        *queue = waiter->next;
        if (waiter->next)
            waiter->next->last = waiter->last;
    }
    return waiter;
}

/* Waits until it is told; INSIDE, and returns the calling thread, which may be another. */
struct thread *sleepers_wait(struct thread *self, bw__sleepers *sleepers, const char *why);
/* Tells so many of those who wait, or will. INSIDE. */
void sleepers_tell(struct thread *self, bw__sleepers *sleepers, uint32_t count);

/* --- semaphore.c --- */
void semaphore_check(int64_t n);
/* Puts the waiter, which is told by `tell`, into the queue; true: it need not wait, and has what it wants. */
bool semaphore_queue(bw_semaphore *semaphore, struct bw__waiter *waiter);
/* It waits no longer; true: it has been given what it wants already. */
bool semaphore_leave(bw_semaphore *semaphore, struct bw__waiter *waiter);

#endif
