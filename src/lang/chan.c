/* chan.c - channels.
 *
 * A channel is a lock, a ring of `capacity` values, and two lists of those who wait: to receive, while it is empty; to
 * send, while it is full. A waiter's record is on its stack and says where its value is, or is to go: who comes to the
 * other end copies directly, takes the record off the list, and makes its owner ready.
 *
 * Invariants, under the lock: receivers wait only if nothing is in the ring and nobody waits to send; senders wait only
 * if the ring is full and nobody waits to receive; on a closed channel nobody waits.
 *
 * The lock is held until a waiter is parked (sched_park's commit), so that it cannot be made ready before. Nothing is
 * made ready under the lock.
 */
#include "chan.h"

/* --- making --- */

static struct layout *chan_layout(void) {
    static struct layout *_Atomic layout;
    struct layout *made = atomic_load_explicit(&layout, memory_order_acquire);
    if (made)
        return made;
    struct thread *self = thread_enter();
    types_lock_acquire();
    made = atomic_load(&layout);
    if (made == NULL) {
        static const uint64_t words =
            1u << (offsetof(struct chan, ring) / 8) | 1u << (offsetof(struct chan, timer) / 8);
        struct layout like = {
            .kind = KIND_CHANNEL, .by_make = true, .scan = SCAN_BITS, .pointer_map = &words, .name = "chan"};
        like.spare = true; /* no program has the address behind a channel; it would seem to refer to that */
        like.slot_bytes = (sizeof(struct chan) + GRANULE_BYTES - 1) & ~(GRANULE_BYTES - 1);
        like.element_words = sizeof(struct chan) / 8;
        made = typed_layout(&like);
        atomic_store_explicit(&layout, made, memory_order_release);
    }
    types_lock_release();
    thread_leave(self);
    return made;
}

void *bw__chan_make(bw__type_site *site, ptrdiff_t capacity) {
    const bw_type *element = bw__site_type(site);
    size_t bytes;
    if (capacity < 0 || __builtin_mul_overflow((size_t)capacity, element->size, &bytes) || bytes > TYPED_MAX_BYTES)
        os_panic("makechan: size out of range");
    struct chan *chan = typed_memory(chan_layout(), sizeof *chan);
    chan->element_bytes = element->size;
    chan->capacity = (size_t)capacity;
    chan->ring = bytes ? typed_ring(element, bytes) : (char *)chan; /* no bytes are copied, but not to nowhere */
    return chan;
}

/* --- waiting --- */

static void unlock(void *chan) {
    os_lock_release(&((struct chan *)chan)->lock);
}

/* A function of its own, so that no thread's address from before a parking is used. */
void chan_tell(int64_t when) {
    sched_timer_added(thread_current, when);
}

static void unlock_and_tell(void *argument) {
    struct chan *chan = argument;
    int64_t when = chan_take_to_tell(chan);
    os_lock_release(&chan->lock);
    if (when)
        chan_tell(when);
}

void chan_wait_for_ever(const char *why) {
    struct thread *self = thread_enter();
    const void *const nothing = NULL;
    for (;;) {
        sched_waits_on(sched_current(self), &nothing, 0);
        self = sched_park(self, why, NULL, NULL);
    }
}

void chan_send_on_closed(struct thread *self) {
    thread_leave(self);
    os_panic("send on closed channel");
}

void bw__chan_send(void *at, const void *value) {
    struct chan *chan = at;
    if (__builtin_expect(chan == NULL, 0))
        chan_wait_for_ever("chan send (nil chan)");
    struct thread *self = thread_enter_quickly();
    os_lock_acquire(&chan->lock);
    if (__builtin_expect(chan->closed, 0)) {
        os_lock_release(&chan->lock);
        chan_send_on_closed(self);
    }
    if (!send_now(self, chan, value)) {
        struct waiter waiter = {.goroutine = sched_current(self), .value = (void *)(uintptr_t)value};
        list_append(&chan->senders, &waiter);
        self = sched_park(self, "chan send", unlock, chan);
        if (!waiter.done)
            chan_send_on_closed(self);
    }
    thread_leave_quickly(self);
}

static BW__COLD struct thread *wait_for_timer(struct thread *self, struct chan *chan) {
    chan->timer->begin_wait(self, chan);
    self = sched_park(self, "chan receive", unlock_and_tell, chan);
    os_lock_acquire(&chan->lock);
    chan->timer->end_wait(chan);
    os_lock_release(&chan->lock);
    return self;
}

bool bw__chan_recv(void *at, void *value) {
    struct chan *chan = at;
    bool ok;
    if (__builtin_expect(chan == NULL, 0))
        chan_wait_for_ever("chan receive (nil chan)");
    struct thread *self = thread_enter_quickly();
    os_lock_acquire(&chan->lock);
    if (__builtin_expect(chan->timer != NULL, 0))
        chan->timer->look(chan);
    if (!receive_now(self, chan, value, &ok)) {
        struct waiter waiter = {.goroutine = sched_current(self), .value = value};
        list_append(&chan->receivers, &waiter);
        if (__builtin_expect(chan->timer == NULL, 1))
            self = sched_park(self, "chan receive", unlock, chan);
        else
            self = wait_for_timer(self, chan);
        ok = waiter.done;
        if (!ok)
            clear(chan, value);
    }
    thread_leave_quickly(self);
    return ok;
}

void bw__chan_close(void *at) {
    struct chan *chan = at;
    if (chan == NULL)
        os_panic("close of nil channel");
    struct thread *self = thread_enter();
    os_lock_acquire(&chan->lock);
    bool closed = chan->closed;
    CHAN_SET(chan->closed, true);
    struct waiter *waiters = NULL, *waiter;
    while ((waiter = list_take(&chan->receivers)) != NULL || (waiter = list_take(&chan->senders)) != NULL) {
        waiter->next = waiters;
        waiters = waiter;
    }
    os_lock_release(&chan->lock);
    /* A waiter's record is gone once its owner is ready. Who waited longest goes first. */
    struct waiter *first = NULL;
    for (struct waiter *next; waiters; waiters = next) {
        next = waiters->next;
        waiters->next = first;
        first = waiters;
    }
    for (struct waiter *next; first; first = next) {
        next = first->next;
        sched_ready(self, first->goroutine);
    }
    thread_leave(self);
    if (closed)
        os_panic("close of closed channel");
}

/* A timer's channel is taken for unbuffered: whether the value is in the ring depends on who looked when. */
static bool is_plain(const void *chan) {
    return chan && ((const struct chan *)chan)->timer == NULL;
}

ptrdiff_t bw__chan_len(const void *chan) {
    return is_plain(chan) ? (ptrdiff_t)__atomic_load_n(&((const struct chan *)chan)->count, __ATOMIC_RELAXED) : 0;
}

ptrdiff_t bw__chan_cap(const void *chan) {
    return is_plain(chan) ? (ptrdiff_t)((const struct chan *)chan)->capacity : 0;
}
