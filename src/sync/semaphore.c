/* semaphore.c - bw_semaphore: first come, first served, so that who wants much is not passed over for ever by those who
 * want little. */
#include "sync.h"

static void check(int64_t n) {
    if (n < 0)
        os_panic("semaphore: negative weight");
}

static bool may_have(const bw_semaphore *semaphore, int64_t n) {
    return semaphore->size - semaphore->bw__held >= n;
}

/* Under the guard. */
static bool try(bw_semaphore *semaphore, int64_t n) {
    if (semaphore->bw__waiters != NULL || !may_have(semaphore, n))
        return false;
    semaphore->bw__held += n;
    return true;
}

bool bw_semaphore_try_acquire(bw_semaphore *semaphore, int64_t n) {
    check(n);
    struct thread *self = thread_enter();
    guard_acquire(&semaphore->bw__guard);
    bool acquired = try(semaphore, n);
    guard_release(&semaphore->bw__guard);
    thread_leave(self);
    return acquired;
}

void bw_semaphore_acquire(bw_semaphore *semaphore, int64_t n) {
    check(n);
    struct thread *self = thread_enter();
    guard_acquire(&semaphore->bw__guard);
    if (try(semaphore, n)) {
        guard_release(&semaphore->bw__guard);
    } else if (n > semaphore->size) {
        guard_release(&semaphore->bw__guard);
        for (;;) /* it never can; others are not to wait behind it */
            self = sched_park(self, "semacquire", NULL, NULL);
    } else {
        struct bw__waiter waiter = {.goroutine = sched_current(self), .wants = n};
        queue_append(&semaphore->bw__waiters, &waiter);
        self = sched_park(self, "semacquire", guard_release_after, &semaphore->bw__guard);
    }
    thread_leave(self);
}

void bw_semaphore_release(bw_semaphore *semaphore, int64_t n) {
    check(n);
    struct thread *self = thread_enter();
    struct bw__waiter *told = NULL, *waiter;
    guard_acquire(&semaphore->bw__guard);
    bool held = semaphore->bw__held >= n;
    if (held) {
        semaphore->bw__held -= n;
        while ((waiter = semaphore->bw__waiters) != NULL && may_have(semaphore, waiter->wants)) {
            semaphore->bw__held += waiter->wants;
            queue_append(&told, queue_take(&semaphore->bw__waiters));
        }
    }
    guard_release(&semaphore->bw__guard);
    while ((waiter = queue_take(&told)) != NULL)
        sched_ready(self, waiter->goroutine);
    thread_leave(self);
    if (!held)
        os_panic("semaphore: released more than held");
}
