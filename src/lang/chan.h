/* chan.h - channels: the data, and what chan.c and select.c share. The invariants are told in chan.c. */
#ifndef BURROW_LANG_CHAN_H
#define BURROW_LANG_CHAN_H

#include "../sched/sched.h"
#include "lang.h"

#include <burrow/chan.h>
#include <string.h>

struct chan;

/* A select that waits: only one of its waiters may be taken, and who takes it says which. */
struct selecting {
    _Atomic uint32_t taken;
    struct waiter *which;
};

struct waiter {
    struct waiter *next, *previous;
    struct goroutine *goroutine;
    void *value;
    struct selecting *selecting; /* NULL: it waits for this alone */
    bool listed;
    bool done; /* by the other end; not: the channel was closed */
};

struct list {
    struct waiter *first, *last;
};

/* What a timer that sends to a channel does for it, under its lock: src/sync/time.c, which a program without such timers
 * does not link. */
struct chan_timer {
    void (*look)(struct chan *chan); /* if it is due the value is in the ring from here on */
    /* Somebody is about to wait for a value, and has ended to. Without both nobody would ever send. */
    void (*begin_wait)(struct thread *self, struct chan *chan);
    void (*end_wait)(struct chan *chan);
    int64_t to_tell; /* not 0: who releases the lock calls sched_timer_added */
};

struct chan {
    char *ring;
    os_lock lock;
    bool closed;
    size_t element_bytes, count, capacity, send_at, receive_at;
    struct list receivers, senders;
    struct chan_timer *timer; /* NULL: values are sent by bw_send */
};
#define CHAN_HEAD_HAS(field)                                                                                           \
    _Static_assert(offsetof(struct chan, field) == offsetof(struct bw__chan_head, field),                              \
                   "bw__chan_head is a channel's")
CHAN_HEAD_HAS(closed);
CHAN_HEAD_HAS(count);
CHAN_HEAD_HAS(capacity);
CHAN_HEAD_HAS(receivers);
CHAN_HEAD_HAS(senders);
CHAN_HEAD_HAS(timer);

/* Of a list the first, of a channel how many values are in it, and whether it is closed: what a select reads without the
 * lock (seems_ready; bw__select_cannot in burrow/chan.h). It is changed under the lock, where it is read as usual. */
#define CHAN_SET(place, to) __atomic_store_n(&(place), to, __ATOMIC_RELAXED)

static inline void list_append(struct list *list, struct waiter *waiter) {
    waiter->next = NULL;
    waiter->previous = list->last;
    if (list->last)
        list->last->next = waiter;
    else
        CHAN_SET(list->first, waiter);
    list->last = waiter;
    waiter->listed = true;
}

static inline void list_remove(struct list *list, struct waiter *waiter) {
    if (waiter->previous)
        waiter->previous->next = waiter->next;
    else
        CHAN_SET(list->first, waiter->next);
    *(waiter->next ? &waiter->next->previous : &list->last) = waiter->previous;
    waiter->listed = false;
}

/* The first that is still to be had. */
static inline struct waiter *list_take(struct list *list) {
    struct waiter *waiter;
    while ((waiter = list->first) != NULL) {
        list_remove(list, waiter);
        struct selecting *selecting = waiter->selecting;
        if (__builtin_expect(selecting == NULL, 1))
            break;
        uint32_t free = 0;
        if (atomic_compare_exchange_strong(&selecting->taken, &free, 1)) {
            selecting->which = waiter;
            break;
        }
    }
    return waiter;
}

static inline void copy(const struct chan *chan, void *to, const void *from) {
    if (chan->element_bytes == 8)
        memcpy(to, from, 8);
    else
        memcpy(to, from, chan->element_bytes);
}
static inline void clear(const struct chan *chan, void *at) {
    if (chan->element_bytes == 8)
        memset(at, 0, 8);
    else
        memset(at, 0, chan->element_bytes);
}

static inline char *ring_next(const struct chan *chan, size_t *at) {
    char *place = chan->ring + *at * chan->element_bytes;
    *at = *at + 1 == chan->capacity ? 0 : *at + 1;
    return place;
}

/* Under the lock, which is released if the result is true: what can be done without waiting is. */
static inline bool send_now(struct thread *self, struct chan *chan, const void *value) {
    struct waiter *receiver = list_take(&chan->receivers);
    if (receiver) {
        os_lock_release(&chan->lock);
        copy(chan, receiver->value, value);
        receiver->done = true;
        sched_ready(self, receiver->goroutine);
        return true;
    }
    if (chan->count < chan->capacity) {
        copy(chan, ring_next(chan, &chan->send_at), value);
        CHAN_SET(chan->count, chan->count + 1);
        os_lock_release(&chan->lock);
        return true;
    }
    return false;
}

static inline bool receive_now(struct thread *self, struct chan *chan, void *value, bool *ok) {
    struct waiter *sender = NULL;
    if (chan->count > 0) {
        char *place = ring_next(chan, &chan->receive_at);
        copy(chan, value, place);
        if ((sender = list_take(&chan->senders)) != NULL) {
            copy(chan, ring_next(chan, &chan->send_at), sender->value); /* the same place */
        } else {
            clear(chan, place);
            CHAN_SET(chan->count, chan->count - 1);
        }
    } else if ((sender = list_take(&chan->senders)) != NULL) {
        copy(chan, value, sender->value);
    } else if (chan->closed) {
        os_lock_release(&chan->lock);
        clear(chan, value);
        *ok = false;
        return true;
    } else {
        return false;
    }
    os_lock_release(&chan->lock);
    if (sender) {
        sender->done = true;
        sched_ready(self, sender->goroutine);
    }
    *ok = true;
    return true;
}

static inline int64_t chan_take_to_tell(struct chan *chan) {
    int64_t when = chan->timer->to_tell;
    chan->timer->to_tell = 0;
    return when;
}

/* INSIDE. */
BW__COLD void chan_send_on_closed(struct thread *self) __attribute__((noreturn));
BW__COLD void chan_tell(int64_t when);             /* sched_timer_added; no lock held */
BW__COLD void chan_wait_for_ever(const char *why); /* not INSIDE */

#endif
