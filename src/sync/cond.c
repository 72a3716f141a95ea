/* cond.c - bw_cond: a queue of those who wait. A waiter is on it before it unlocks the mutex, so that whoever locks that
 * next finds it there; and parks after that, unless it has been told meanwhile. */
#include "sync.h"

static void check(bw_cond *cond) {
    uintptr_t self = __atomic_load_n(&cond->bw__self, __ATOMIC_RELAXED);
    if (__builtin_expect(self != (uintptr_t)cond, 0) &&
        !(self == 0 && __atomic_compare_exchange_n(&cond->bw__self, &self, (uintptr_t)cond, false, __ATOMIC_RELAXED,
                                                   __ATOMIC_RELAXED)) &&
        self != (uintptr_t)cond)
        os_panic("sync.Cond is copied");
}

void bw_cond_wait(bw_cond *cond) {
    check(cond);
    struct thread *self = thread_enter();
    struct bw__waiter waiter = {.goroutine = sched_current(self)};
    guard_acquire(&cond->bw__guard);
    queue_append(&cond->bw__waiters, &waiter);
    __atomic_store_n(&cond->bw__waiting, cond->bw__waiting + 1, __ATOMIC_SEQ_CST);
    guard_release(&cond->bw__guard);
    thread_leave(self);
    bw_mutex_unlock(cond->mutex);
    self = thread_enter();
    guard_acquire(&cond->bw__guard);
    if (waiter.handed) {
        guard_release(&cond->bw__guard);
    } else {
        waiter.parked = true;
        self = sched_park(self, "sync.Cond.Wait", guard_release_after, &cond->bw__guard);
    }
    thread_leave(self);
    bw_mutex_lock(cond->mutex);
}

/* Tells the first `most` of those who wait. */
static void tell(bw_cond *cond, size_t most) {
    check(cond);
    if (__atomic_load_n(&cond->bw__waiting, __ATOMIC_SEQ_CST) == 0)
        return;
    struct thread *self = thread_enter();
    struct bw__waiter *told = NULL, *waiter;
    guard_acquire(&cond->bw__guard);
    for (; most > 0 && (waiter = queue_take(&cond->bw__waiters)) != NULL; most--) {
        __atomic_store_n(&cond->bw__waiting, cond->bw__waiting - 1, __ATOMIC_RELAXED);
        waiter->handed = true;
        if (waiter->parked)
            queue_append(&told, waiter);
    }
    guard_release(&cond->bw__guard);
    while ((waiter = queue_take(&told)) != NULL)
        sched_ready(self, waiter->goroutine);
    thread_leave(self);
}

void bw_cond_signal(bw_cond *cond) {
    tell(cond, 1);
}

void bw_cond_broadcast(bw_cond *cond) {
    tell(cond, SIZE_MAX);
}
