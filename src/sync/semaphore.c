/* semaphore.c - bw_semaphore: first come, first served, so that who wants much is not passed over for ever by those who
 * want little. */
#include "sync.h"

void semaphore_check(int64_t n) {
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
    semaphore_check(n);
    struct thread *self = thread_enter();
    guard_acquire(&semaphore->bw__guard);
    bool acquired = try(semaphore, n);
    guard_release(&semaphore->bw__guard);
    thread_leave(self);
    return acquired;
}

void bw_semaphore_acquire(bw_semaphore *semaphore, int64_t n) {
    semaphore_check(n);
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

/* Gives n back, and lets those in that may have what they want, the first ones first; false: so many were not held. Those who
 * wait in a select are told by a call, one at a time, since their records may be gone once the guard is released. The
 * caller is not INSIDE. */
static bool give_back(bw_semaphore *semaphore, int64_t n) {
    void (*tell)(void *);
    do {
        struct thread *self = thread_enter();
        struct bw__waiter *told = NULL, *waiter;
        void *channel = NULL;
        tell = NULL;
        guard_acquire(&semaphore->bw__guard);
        bool held = semaphore->bw__held >= n;
        semaphore->bw__held -= held ? n : 0;
        n = 0;
        while (held && tell == NULL && (waiter = semaphore->bw__waiters) != NULL &&
               may_have(semaphore, waiter->wants)) {
            semaphore->bw__held += waiter->wants;
            queue_take(&semaphore->bw__waiters);
            waiter->handed = true;
            tell = waiter->tell;
            channel = waiter->channel;
            if (tell == NULL)
                queue_append(&told, waiter);
        }
        guard_release(&semaphore->bw__guard);
        while ((waiter = queue_take(&told)) != NULL)
            sched_ready(self, waiter->goroutine);
        thread_leave(self);
        if (!held)
            return false;
        if (tell)
            tell(channel);
    } while (tell);
    return true;
}

void bw_semaphore_release(bw_semaphore *semaphore, int64_t n) {
    semaphore_check(n);
    if (!give_back(semaphore, n))
        os_panic("semaphore: released more than held");
}

bool semaphore_queue(bw_semaphore *semaphore, struct bw__waiter *waiter) {
    struct thread *self = thread_enter();
    guard_acquire(&semaphore->bw__guard);
    bool acquired = try(semaphore, waiter->wants);
    if (!acquired)
        queue_append(&semaphore->bw__waiters, waiter);
    guard_release(&semaphore->bw__guard);
    thread_leave(self);
    return acquired;
}

bool semaphore_leave(bw_semaphore *semaphore, struct bw__waiter *waiter) {
    struct thread *self = thread_enter();
    struct bw__waiter *others = NULL, *other;
    guard_acquire(&semaphore->bw__guard);
    bool had = waiter->handed, first = semaphore->bw__waiters == waiter;
    if (!had) {
        while ((other = queue_take(&semaphore->bw__waiters)) != NULL)
            if (other != waiter)
                queue_append(&others, other);
        semaphore->bw__waiters = others;
    }
    guard_release(&semaphore->bw__guard);
    thread_leave(self);
    if (first && !had)
        give_back(semaphore, 0); /* those behind it may want less */
    return had;
}
