/* mutex.c - bw_mutex, where it is not free.
 *
 * The state is a word of four bits, changed by compare-and-swap. LOCKED. WAITERS: the queue is not empty; it says so
 * whenever nobody has the guard. WOKEN: a waiter has been made ready, or a newcomer spins, and will try; so who unlocks
 * need not wake another. There is one such at a time, and it clears the bit when it has got the lock or waits again.
 * STARVING: the lock is not given up, but handed to the first in the queue.
 *
 * In the normal mode who unlocks makes the first waiter ready, which tries again beside newcomers: they are running, and
 * mostly win, which is fast. A waiter that lost goes to the front of the queue, and if it has waited for longer than
 * STARVING_NS, makes the mutex starving. Then newcomers do not try, and each unlock hands over; until one gets it that
 * has not waited so long, or is the last.
 *
 * Who waits sets WAITERS under the guard while LOCKED is set, and parks; the guard is released then. Who unlocks sees
 * WAITERS in the same swap that clears LOCKED, and takes the guard after it: so it finds the waiter parked. One may be
 * about to wake a waiter while another is about to hand over: each finds one, since who made the mutex starving has put
 * itself on the queue. (docs/models/mutex.pml)
 */
#include "sync.h"

#define LOCKED 1u
#define WAITERS 2u
#define STARVING 4u
#define WOKEN 8u
#define STARVING_NS 1000000
#define SPINS 4
#define SPIN_PAUSES 30

static bool change(bw_mutex *mutex, uint32_t *state, uint32_t to) {
    return __atomic_compare_exchange_n(&mutex->bw__state, state, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}
static uint32_t state_of(const bw_mutex *mutex) {
    return __atomic_load_n(&mutex->bw__state, __ATOMIC_RELAXED);
}
static void clear(bw_mutex *mutex, uint32_t bits) {
    __atomic_and_fetch(&mutex->bw__state, ~bits, __ATOMIC_ACQ_REL);
}

static void spin(void) {
    for (int i = 0; i < SPIN_PAUSES; i++)
        os_cpu_relax();
}

/* Puts the waiter on the queue, and parks; false: the mutex is not locked any more. */
static bool wait(bw_mutex *mutex, struct bw__waiter *waiter, uint32_t set, uint32_t cleared) {
    struct thread *self = thread_enter();
    waiter->goroutine = sched_current(self);
    guard_acquire(&mutex->bw__guard);
    uint32_t state = state_of(mutex);
    do {
        if (!(state & LOCKED)) {
            guard_release(&mutex->bw__guard);
            thread_leave(self);
            return false;
        }
    } while (!change(mutex, &state, (state | set) & ~cleared));
    if (waiter->since) {
        queue_prepend(&mutex->bw__waiters, waiter);
    } else {
        waiter->since = os_now_ns();
        queue_append(&mutex->bw__waiters, waiter);
    }
    thread_leave(sched_park(self, "sync.Mutex.Lock", guard_release_after, &mutex->bw__guard));
    return true;
}

void bw__mutex_lock_slow(bw_mutex *mutex) {
    struct bw__waiter waiter = {.since = 0};
    uint32_t woken = 0, starving = 0;
    int spins = 0;
    uint32_t state = state_of(mutex);
    for (;;) {
        if (!(state & LOCKED)) {
            if (change(mutex, &state, (state | LOCKED) & ~woken))
                return;
        } else if (!(state & STARVING) && spins < SPINS && sched_may_spin()) {
            if (!woken && (state & (WAITERS | WOKEN)) == WAITERS && change(mutex, &state, state | WOKEN))
                woken = WOKEN;
            spin();
            spins++;
            state = state_of(mutex);
        } else {
            if (wait(mutex, &waiter, WAITERS | starving, woken)) {
                if (waiter.handed)
                    return;
                woken = WOKEN;
                spins = 0;
                if (os_now_ns() - waiter.since > STARVING_NS)
                    starving = STARVING;
            }
            state = state_of(mutex);
        }
    }
}

bool bw__mutex_try_slow(bw_mutex *mutex) {
    uint32_t state = state_of(mutex);
    while (!(state & LOCKED))
        if (change(mutex, &state, state | LOCKED))
            return true;
    return false;
}

/* The calling thread has set WOKEN. */
static void wake(bw_mutex *mutex) {
    struct thread *self = thread_enter();
    guard_acquire(&mutex->bw__guard);
    struct bw__waiter *waiter = queue_take(&mutex->bw__waiters);
    OS_ASSERT(waiter != NULL);
    if (mutex->bw__waiters == NULL)
        clear(mutex, WAITERS);
    guard_release(&mutex->bw__guard);
    sched_ready(self, waiter->goroutine);
    thread_leave(self);
}

/* The mutex is starving, and the caller's. It stays locked. */
static void hand_over(bw_mutex *mutex) {
    struct thread *self = thread_enter();
    guard_acquire(&mutex->bw__guard);
    struct bw__waiter *waiter = queue_take(&mutex->bw__waiters);
    OS_ASSERT(waiter != NULL);
    if (mutex->bw__waiters == NULL)
        clear(mutex, WAITERS | STARVING);
    else if (os_now_ns() - waiter->since <= STARVING_NS)
        clear(mutex, STARVING);
    waiter->handed = true;
    guard_release(&mutex->bw__guard);
    sched_ready(self, waiter->goroutine);
    /* The others wait for the new owner, which had better run now. */
    if (self->worker)
        self = sched_let_others(self);
    thread_leave(self);
}

void bw__mutex_unlock_slow(bw_mutex *mutex) {
    uint32_t state = state_of(mutex), left;
    do {
        if (!(state & LOCKED))
            os_fatal("sync: unlock of unlocked mutex");
        if (state & STARVING) {
            hand_over(mutex);
            return;
        }
        left = state & ~LOCKED;
        if ((state & (WAITERS | WOKEN)) == WAITERS)
            left |= WOKEN;
    } while (!change(mutex, &state, left));
    if (left & ~state & WOKEN)
        wake(mutex);
}
