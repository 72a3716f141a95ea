/* mutex.c - bw_mutex, where it is not free.
 *
 * The mutex itself is a word: locked, or not. Who waits for one is found by its address: there is a table of PLACES, and
 * in each the queues of the mutexes whose addresses lead there. Locking is a compare-and-swap; unlocking is a store, and
 * then a look at the place, with no barrier between, which would take as long as the compare-and-swap. The mutex may be
 * gone after the store: it is not touched again, and the table is always there.
 *
 * A place is QUIET or NOISY. In a quiet one nobody waits, and unlocking is as said. Who has to wait makes it noisy first,
 * and then has the kernel give every thread a barrier (membarrier(2)): an unlocking store that came before that barrier
 * is seen by the waiter, who has not queued yet; after one that comes later the place is read as noisy. In a noisy place
 * unlocking is an exchange, and a look whether anybody NEEDS to be woken. A place becomes quiet again after a number of
 * those that found nobody. Without that system call every place stays noisy.
 *
 * In the normal mode who unlocks makes the first waiter ready, which tries again beside newcomers: they are running, and
 * mostly win, which is fast. Woken, it keeps its place in the queue, and nobody else is woken until it has got the mutex
 * or waits again. If it has waited for longer than STARVING_NS by then, the mutex is starving: it is not given up, but
 * handed to the first in the queue; until one gets it that has not waited so long, or is the last.
 *
 * `needs` counts the queues whose first waiter is not woken. Who queues adds to it and looks at the mutex after that; who
 * unlocks looks at it after that: one of them sees the other. A waiter is made ready under its place's lock, which is
 * released when its stack is left: so it is parked. Where there is a waiter in the queue its mutex is there.
 * (docs/models/mutex.pml)
 */
#include "sync.h"

#define STARVING_NS 1000000
#define SPINS 4
#define SPIN_PAUSES 30
#define LINGER 100 /* unlockings that find nobody, until a place is quiet: an exchange each, to save a barrier of all */

enum { NOISY, QUIET = BW__MUTEX_QUIET };
uint8_t bw__mutex_places[BW__MUTEX_PLACES];

static struct place {
    os_lock lock;
    _Atomic uint32_t needs;
    _Atomic uint32_t linger;
    struct bw__waiter *first; /* the first waiters of its mutexes, by `other` */
} __attribute__((aligned(64))) places[BW__MUTEX_PLACES];

static uint8_t noise_of(size_t place) {
    return __atomic_load_n(&bw__mutex_places[place], __ATOMIC_RELAXED);
}
static void set_noise(size_t place, uint8_t noise) {
    __atomic_store_n(&bw__mutex_places[place], noise, __ATOMIC_SEQ_CST);
}
static bool is_locked(const bw_mutex *mutex) {
    return __atomic_load_n(&mutex->bw__locked, __ATOMIC_SEQ_CST) != 0;
}
static bool take(bw_mutex *mutex) {
    uint32_t free = 0;
    return __atomic_compare_exchange_n(&mutex->bw__locked, &free, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static void spin(void) {
    for (int i = 0; i < SPIN_PAUSES; i++)
        os_cpu_relax();
}

/* --- the queues of a place, under its lock --- */

/* Where the first waiter for the mutex is linked; what is there is NULL: nobody waits. */
static struct bw__waiter **find(struct place *place, const bw_mutex *mutex) {
    struct bw__waiter **link = &place->first;
    while (*link && (*link)->mutex != mutex)
        link = &(*link)->other;
    return link;
}

static void add(struct place *place, struct bw__waiter *waiter) {
    struct bw__waiter **first = find(place, waiter->mutex);
    if (*first == NULL) {
        waiter->other = NULL;
        atomic_fetch_add(&place->needs, 1);
    }
    queue_append(first, waiter);
}

/* The first one leaves. */
static void leave(struct place *place, struct bw__waiter **first) {
    struct bw__waiter *waiter = *first;
    OS_ASSERT(waiter != NULL);
    struct bw__waiter *next = waiter->next;
    if (next) {
        next->other = waiter->other;
        next->last = waiter->last;
        *first = next;
        if (waiter->woken)
            atomic_fetch_add(&place->needs, 1);
    } else {
        *first = waiter->other;
        if (!waiter->woken)
            atomic_fetch_sub(&place->needs, 1);
    }
}

/* --- quiet and noisy --- */

/* So that nobody unlocks here any more without looking at `needs` after it. */
static void make_noisy(size_t index) {
    if (noise_of(index) == QUIET) {
        set_noise(index, NOISY);
        os_barrier_of_all(); /* under the lock: the barrier of one who found it noisy already might have come too early */
    }
    atomic_store_explicit(&places[index].linger, LINGER, memory_order_relaxed);
}

static void found_nobody(size_t index) {
    struct place *place = &places[index];
    uint32_t linger = atomic_load_explicit(&place->linger, memory_order_relaxed);
    if (linger > 0) {
        atomic_store_explicit(&place->linger, linger - 1, memory_order_relaxed);
        return;
    }
    struct thread *self = thread_enter();
    if (os_barrier_of_all_works()) {
        os_lock_acquire(&place->lock);
        if (place->first == NULL && noise_of(index) == NOISY)
            set_noise(index, QUIET);
        os_lock_release(&place->lock);
    }
    atomic_store_explicit(&place->linger, LINGER, memory_order_relaxed);
    thread_leave(self);
}

/* --- locking --- */

static void release_after(void *lock) {
    os_lock_release(lock);
}

/* Queues, and parks; false: it was not locked any more. */
static bool wait(bw_mutex *mutex, struct bw__waiter *waiter) {
    size_t index = bw__mutex_place(mutex);
    struct place *place = &places[index];
    struct thread *self = thread_enter();
    os_lock_acquire(&place->lock);
    if (waiter->mutex) {
        /* Nobody else is woken before it is on the queue's list of needs again. */
        waiter->woken = false;
        atomic_fetch_add(&place->needs, 1);
        waiter->starving = waiter->starving || os_now_ns() - waiter->since > STARVING_NS;
    } else {
        make_noisy(index);
        waiter->mutex = mutex;
        waiter->since = os_now_ns();
        waiter->goroutine = sched_current(self);
        add(place, waiter);
    }
    /* Another first one is woken by who unlocked. */
    if (!is_locked(mutex) && *find(place, mutex) == waiter) {
        waiter->woken = true;
        atomic_fetch_sub(&place->needs, 1);
        os_lock_release(&place->lock);
        thread_leave(self);
        return false;
    }
    const void *waits_on = mutex;
    sched_waits_on(waiter->goroutine, &waits_on, 1);
    thread_leave(sched_park(self, "sync.Mutex.Lock", release_after, &place->lock));
    return true;
}

static void has_it(bw_mutex *mutex) {
    struct place *place = &places[bw__mutex_place(mutex)];
    struct thread *self = thread_enter();
    os_lock_acquire(&place->lock);
    leave(place, find(place, mutex));
    os_lock_release(&place->lock);
    thread_leave(self);
}

void bw__mutex_lock_slow(bw_mutex *mutex) {
    struct bw__waiter waiter = {.mutex = NULL};
    for (int spins = 0;;) {
        if (!is_locked(mutex)) {
            if (take(mutex)) {
                if (waiter.mutex)
                    has_it(mutex);
                return;
            }
        } else if (spins < SPINS && sched_may_spin()) {
            spin();
            spins++;
        } else if (wait(mutex, &waiter)) {
            if (waiter.handed)
                return;
            spins = 0;
        }
    }
}

/* --- unlocking --- */

/* The first waiter's; it does not run before the place's lock is released. */
static struct goroutine *hand_over(struct place *place, struct bw__waiter **first) {
    struct bw__waiter *waiter = *first, *next = waiter->next;
    if (next && os_now_ns() - waiter->since > STARVING_NS)
        next->starving = true;
    leave(place, first);
    waiter->handed = true;
    return waiter->goroutine;
}

/* Who is to run because the mutex is unlocked, or, if the caller still has it, is to be handed over; NULL: nobody. A starving
 * waiter is handed it: if it is free, unless another takes it, who will do the same. */
static struct goroutine *told(struct place *place, bw_mutex *mutex, bool has_it) {
    struct bw__waiter **first = find(place, mutex), *waiter = *first;
    if (waiter == NULL || waiter->woken)
        return NULL;
    if (waiter->starving)
        return has_it || take(mutex) ? hand_over(place, first) : NULL;
    if (has_it)
        return NULL;
    waiter->woken = true;
    atomic_fetch_sub(&place->needs, 1);
    return waiter->goroutine;
}

static struct goroutine *tell(struct thread *self, bw_mutex *mutex, bool has_it) {
    struct place *place = &places[bw__mutex_place(mutex)];
    os_lock_acquire(&place->lock);
    struct goroutine *ready = told(place, mutex, has_it);
    os_lock_release(&place->lock);
    if (ready)
        sched_ready(self, ready);
    return ready;
}

/* It has been unlocked, and is perhaps gone. */
void bw__mutex_unlocked(bw_mutex *mutex) {
    /* Changed by nothing, so that who queues after this sees it unlocked: the barrier of all may have been before it was. */
    if (atomic_fetch_add(&places[bw__mutex_place(mutex)].needs, 0) == 0)
        return;
    struct thread *self = thread_enter();
    tell(self, mutex, false);
    thread_leave(self);
}

/* Somebody waits at this place: if it is for this mutex, and starving, it gets it. */
static bool hands_over(bw_mutex *mutex) {
    struct thread *self = thread_enter();
    bool handed = tell(self, mutex, true) != NULL;
    /* The others wait for the new owner, which had better run now. */
    if (handed && self->worker)
        self = sched_let_others(self);
    thread_leave(self);
    return handed;
}

void bw__mutex_unlock_slow(bw_mutex *mutex) {
    size_t index = bw__mutex_place(mutex);
    struct place *place = &places[index];
    if (!is_locked(mutex))
        os_fatal("sync: unlock of unlocked mutex");
    bool needed = atomic_load(&place->needs) > 0;
    if (needed && hands_over(mutex))
        return;
    __atomic_exchange_n(&mutex->bw__locked, 0, __ATOMIC_SEQ_CST);
    if (atomic_load(&place->needs) > 0)
        bw__mutex_unlocked(mutex);
    else if (!needed)
        found_nobody(index);
}
