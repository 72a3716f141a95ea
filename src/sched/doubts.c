/* doubts.c - whether descriptors still are what those who wait for them believe.
 *
 * Which file a descriptor means takes a system call to find out, as much as a tenth of what a server does for a request.
 * A wait that is soon over shows by that that the number was right. So sockets that epoll has had are waited for without
 * asking, and are put on a list here; those of which a wait has not ended after DOUBT_NS, or twice that, are examined,
 * once for each wait. So a goroutine whose descriptor was closed behind the library's back waits for that long, and not
 * for ever.
 *
 * The list is in the order in which the descriptors came to it. A timer, one for all, is pending while there are any on
 * it; it examines a few at a time, so as not to keep a worker from its goroutines.
 *
 * Lock order: a record's lock > the list's lock > timers.
 */
#include "poll.h"

#define DOUBT_NS 5000000
#define MOST_AT_ONCE 128
#define NEXT_NS 500000          /* after which the next come to their turn that could have come already */
#define PAUSE_NS (DOUBT_NS / 2) /* after which those do that could not: many come to theirs one soon after the other */

static void examine_some(struct thread *self, struct timer *timer, int64_t now);

static os_lock lock;
static struct poll_record *first, **last = &first;
static _Atomic bool armed; /* written under the lock */
static struct timer timer = {.fire = examine_some};

static void append(struct poll_record *record) {
    record->doubted = true;
    record->doubted_at = (int64_t)os_now_ns();
    record->next = NULL;
    *last = record;
    last = &record->next;
}

static struct poll_record *take(int64_t now) {
    os_lock_acquire(&lock);
    struct poll_record *record = first;
    if (record && record->doubted_at + DOUBT_NS > now)
        record = NULL;
    if (record && (first = record->next) == NULL)
        last = &first;
    os_lock_release(&lock);
    return record;
}

bool poll_doubt(struct thread *self, struct poll_record *record, int fd, bool *added) {
    *added = false;
    if (record->doubted && atomic_load_explicit(&armed, memory_order_relaxed))
        return true;
    os_lock_acquire(&lock);
    bool examines = atomic_load(&armed);
    if (!examines) {
        timer.when = (int64_t)os_now_ns() + DOUBT_NS;
        examines = timer_try_insert(self, &timer, added);
        atomic_store(&armed, examines);
    }
    if (examines && !record->doubted) {
        record->number = fd;
        append(record);
    }
    os_lock_release(&lock);
    return examines;
}

void poll_doubt_added(struct thread *self) {
    sched_timer_added(self, (int64_t)os_now_ns() + DOUBT_NS);
}

static void examine(struct poll_record *record, struct poll_ready *ready) {
    os_lock_acquire(&record->lock);
    record->doubted = false;
    if (poll_examine(record, ready)) {
        os_lock_acquire(&lock);
        append(record);
        os_lock_release(&lock);
    }
    os_lock_release(&record->lock);
}

static void examine_some(struct thread *self, struct timer *fired, int64_t now) {
    struct poll_ready ready = {NULL, &ready.first};
    struct poll_record *record;
    for (int i = 0; i < MOST_AT_ONCE && (record = take(now)) != NULL; i++)
        examine(record, &ready);
    poll_make_ready(self, ready.first);
    bool added = false;
    int64_t when = 0;
    os_lock_acquire(&lock);
    bool goes_on = first != NULL;
    if (goes_on) {
        int64_t due = first->doubted_at + DOUBT_NS, soon = now + (due <= now ? NEXT_NS : PAUSE_NS);
        fired->when = when = due > soon ? due : soon;
        goes_on = timer_try_insert(self, fired, &added); /* if not, when the next is doubted */
    }
    atomic_store(&armed, goes_on);
    os_lock_release(&lock);
    if (added)
        sched_timer_added(self, when);
}
