/* sleepers.c - waiting for what is told once for each who waits: a semaphore whose permits go to waiters first, in the
 * order in which they came. */
#include "sync.h"

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
