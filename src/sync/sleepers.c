/* sleepers.c - waiting for what is told once for each who waits: a semaphore whose permits go to waiters first, in the
 * order in which they came. */
#include "sync.h"

#define GUARD_SPINS 2000 /* being woken takes longer than what is done under a guard */

void guard_wait(uint32_t *guard) {
    for (int spins = 0; spins < GUARD_SPINS; spins++) {
        uint32_t free = 0;
        if (__atomic_load_n(guard, __ATOMIC_RELAXED) == 0 &&
            __atomic_compare_exchange_n(guard, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return;
        os_cpu_relax();
    }
    while (__atomic_exchange_n(guard, 2, __ATOMIC_ACQUIRE) != 0)
        os_wait((_Atomic uint32_t *)guard, 2, -1);
}

void guard_release_after(void *guard) {
    guard_release(guard);
}

struct thread *sleepers_wait(struct thread *self, bw__sleepers *sleepers, const char *why) {
    guard_acquire(&sleepers->bw__guard);
    if (sleepers->bw__permits > 0) {
        sleepers->bw__permits--;
        guard_release(&sleepers->bw__guard);
        return self;
    }
    struct bw__waiter waiter = {.goroutine = sched_current(self)};
    queue_append(&sleepers->bw__waiters, &waiter);
    return sched_park(self, why, guard_release_after, &sleepers->bw__guard);
}

void sleepers_tell(struct thread *self, bw__sleepers *sleepers, uint32_t count) {
    struct bw__waiter *told = NULL, *waiter;
    guard_acquire(&sleepers->bw__guard);
    for (; count > 0 && (waiter = queue_take(&sleepers->bw__waiters)) != NULL; count--)
        queue_append(&told, waiter);
    sleepers->bw__permits += count;
    guard_release(&sleepers->bw__guard);
    /* A waiter's record is gone once its goroutine is ready. */
    while ((waiter = queue_take(&told)) != NULL)
        sched_ready(self, waiter->goroutine);
}
