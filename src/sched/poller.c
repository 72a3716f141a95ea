/* poller.c - the poller: hearing from the system which descriptors are ready.
 *
 * A descriptor is added to epoll once, edge-triggered, for both directions; from then on waiting takes no epoll_ctl. An
 * event names the descriptor and its record's sequence number: one for a file that is gone says nothing (poll.c).
 *
 * One thread at a time waits here, or looks. A wake-up is sent only if none is under way: `wake_sent` is set before the
 * event is signalled, and taken back only by who waits. So none is lost that comes before the wait begins.
 *
 * epoll and the eventfd are made when the first descriptor is waited for. Until then whoever waits here does so on
 * `wake_sent`, and in the child of a fork, too: there both are the parent's, and are made anew at need.
 */
#include "poll.h"

#include <errno.h>

#define WAKE_DATA UINT64_MAX
#define POLL_EVENTS 128

struct poll_events {
    int count;
    struct os_poll_event list[POLL_EVENTS];
};

static os_lock making;
static _Atomic int poller = -1, wake_event = -1; /* -1: not made; the poller is set last */
static _Atomic uint32_t wake_sent;
_Atomic bool poller_told;
void (*_Atomic poll_outside_forked)(struct thread *self);

/* --- what it hears of --- */

static int poller_make(void) {
    os_lock_acquire(&making);
    int poll = atomic_load(&poller);
    if (poll < 0 && (poll = os_poll_make()) >= 0) {
        int event = os_poll_event_make(poll, WAKE_DATA);
        if (event >= 0) {
            atomic_store(&wake_event, event);
            atomic_store(&poller, poll);
            atomic_store(&sched_polls, true);
        } else {
            os_close(poll);
            poll = -EMFILE;
        }
    }
    os_lock_release(&making);
    return poll;
}

int poller_watch(struct poll_record *record, int fd) {
    int poll = atomic_load_explicit(&poller, memory_order_acquire), error = 0;
    if (record->watched && record->file.kind == OS_FILE_SOCKET)
        return 0;
    if (poll < 0 && (poll = poller_make()) < 0)
        return poll;
    uint64_t data = (uint64_t)record->sequence << 32 | (uint32_t)fd;
    if (record->watched && (error = os_poll_change(poll, fd, data)) != -ENOENT)
        return error;
    error = os_poll_add(poll, fd, data);
    if (error == -EEXIST)
        error = os_poll_change(poll, fd, data);
    record->watched = error == 0;
    return error;
}

void poller_unwatch(int fd) {
    os_poll_remove(atomic_load(&poller), fd);
}

void poll_outside(int change) {
    if (change > 0)
        atomic_fetch_add(&sched_poll_waiters, 1);
    else
        atomic_fetch_sub(&sched_poll_waiters, 1);
}

/* --- waiting for events --- */

static void wake_sleeper(void) {
    if (atomic_exchange(&wake_sent, 1) != 0)
        return;
    int event = atomic_load(&wake_event);
    if (event >= 0)
        os_event_signal(event);
    else
        os_wake(&wake_sent, 1);
}

/* The wake-up stays to be seen until one that waits has seen it: who only looks must not take it from that. A signal that
 * comes after its wake-up was seen wakes somebody once more. */
static void sleep_for_events(struct poll_events *events, int64_t wait) {
    int poll = atomic_load_explicit(&poller, memory_order_acquire);
    bool woken = wait != 0 && atomic_load(&wake_sent);
    events->count = 0;
    if (poll >= 0)
        events->count = os_poll_wait(poll, events->list, POLL_EVENTS, woken ? 0 : wait);
    else if (wait != 0 && !woken)
        os_wait(&wake_sent, 0, wait);
    if (wait == 0)
        return;
    for (int i = 0; i < events->count; i++)
        if (events->list[i].data == WAKE_DATA)
            os_event_clear(atomic_load(&wake_event));
    atomic_exchange(&wake_sent, 0); /* and sees what those did before who found it set */
}

static struct goroutine *collect(const struct poll_events *events) {
    struct poll_ready ready = {NULL, &ready.first};
    for (int i = 0; i < events->count; i++) {
        uint64_t data = events->list[i].data;
        if (data != WAKE_DATA)
            poll_event((int)(uint32_t)data, (uint32_t)(data >> 32), events->list[i].what, &ready);
    }
    return ready.first;
}

static struct goroutine *wait_for_ready(struct thread *self, int64_t wait) {
    struct poll_events events;
    if (wait != 0)
        thread_safe_begin(self);
    sleep_for_events(&events, wait);
    if (wait != 0)
        thread_safe_end(self);
    return collect(&events);
}

/* --- in a child --- */

static void forked(struct thread *self) {
    if (atomic_load(&poller) >= 0) { /* these are the parent's */
        os_close(atomic_load(&poller));
        os_close(atomic_load(&wake_event));
        atomic_store(&poller, -1);
        atomic_store(&wake_event, -1);
    }
    atomic_store(&wake_sent, 0);
    atomic_store(&sched_polls, false);
    atomic_store(&poller_told, false);
    poll_records_forked(self);
    if (atomic_load(&sched_polls)) {
        atomic_store(&poller_told, true);
        sched_poll_made(self);
    }
    void (*outside)(struct thread *) = atomic_load(&poll_outside_forked);
    if (outside)
        outside(self);
}

const struct poll_hooks poll_hooks = {.ready = wait_for_ready, .wake = wake_sleeper, .forked = forked};
