/* poll.c - goroutines that wait for descriptors: the descriptors' records, and who waits for which.
 *
 * A descriptor that was ever waited for has a RECORD, by its number, for as long as the process lives. The record's
 * sequence number changes when the descriptor's comes to stand for another file. poller.c hears which are ready.
 *
 * Whoever reads or writes makes the system call first. An event adds one to the direction's `edges`: whoever found the
 * descriptor not ready waits only if no event has come since before the call.
 *
 * Several may wait for one direction. An event wakes the one who waits longest, who, when its call is made, wakes the next;
 * so each wakes to something, and nothing is left: when a call finds the descriptor not ready any more, an event will come.
 *
 * Programs may close a descriptor behind the library's back, and epoll forgets it without a word. So before it waits a
 * goroutine asks which file its descriptor means (fstat; two sockets that are open have different numbers), and for other
 * files than sockets whether epoll still has it. Of a socket that epoll has had, and that has no deadline, this is asked
 * only if the wait turns out to be long (doubts.c): until then the wait is DOUBTED.
 *
 * A read by TCP that got less than it asked for has taken all there was, and an event will tell of more: the next one
 * waits without trying first. Where that is wrong after all (data behind an urgent byte, a record of another kind by
 * kernel TLS), the wait is found out when it is doubted.
 *
 * A waiter's record is on its stack. It is put on the list, the lock released, and then the goroutine parks; whoever
 * takes the waiter off the list before that is done leaves it to `commit` to make the goroutine ready. So no lock is held
 * while a goroutine parks, and events can be collected at any time.
 *
 * A thread that is no worker waits with poll(2), so that no worker is needed for it, and so does a goroutine, its worker
 * given to others, when epoll refuses. Such a waiter is on a list of its own, and has an eventfd by which it is told of
 * a close or another deadline.
 *
 * Lock order: a record's lock > timers.
 */
#include "poll.h"

#include <burrow/thread.h>

#include <errno.h>

/* --- records --- */

/* Segment 0 has the records of descriptors below FIRST, segment i those of FIRST << (i - 1) up to FIRST << i. */
#define FIRST_BITS 6
#define SEGMENTS (31 - FIRST_BITS + 1)
static struct poll_record *_Atomic segments[SEGMENTS];
static _Atomic int past_numbers; /* of descriptors that were waited for */

static int segment_of(int fd, size_t *first, size_t *count) {
    int segment = fd >> FIRST_BITS ? 32 - FIRST_BITS - __builtin_clz((unsigned)fd) : 0;
    *first = segment ? (size_t)1 << (FIRST_BITS + segment - 1) : 0;
    *count = segment ? *first : (size_t)1 << FIRST_BITS;
    return segment;
}

static struct poll_record *record_if_any(int fd) {
    size_t first, count;
    if (fd < 0)
        return NULL;
    struct poll_record *records = atomic_load_explicit(&segments[segment_of(fd, &first, &count)], memory_order_acquire);
    return records ? &records[(size_t)fd - first] : NULL;
}

static BW__COLD struct poll_record *make_segment(int fd) {
    size_t first, count;
    int segment = segment_of(fd, &first, &count);
    struct poll_record *made = os_map(count * sizeof *made), *other = NULL;
    if (made && !atomic_compare_exchange_strong(&segments[segment], &other, made))
        os_unmap(made, count * sizeof *made);
    return record_if_any(fd);
}

struct poll_record *poll_record_of(int fd) {
    struct poll_record *record = record_if_any(fd);
    return record || fd < 0 ? record : make_segment(fd);
}

static void note_number(int fd) {
    int past = atomic_load_explicit(&past_numbers, memory_order_relaxed);
    while (past <= fd && !atomic_compare_exchange_weak(&past_numbers, &past, fd + 1)) {}
}

/* --- waiters --- */

enum { WAITER_LISTED, WAITER_PARKED, WAITER_WOKEN };

struct poll_waiter {
    struct goroutine *goroutine;
    _Atomic uint32_t state;
    bool listed;       /* under the record's lock */
    bool doubted;      /* nobody has asked yet whether this is the file that epoll has */
    bool again;        /* it is not, and the number another file's: the call is to be made again */
    uint32_t examined; /* the record's, when the wait began */
    enum poll_result result;
    int event; /* of a thread's; -1: the system gave none, it looks from time to time */
    struct poll_waiter *next, *previous;
};

/* Under the record's lock, as are all that follow. */
static void side_append(struct poll_side *side, struct poll_waiter *waiter) {
    waiter->previous = side->last;
    if (side->last)
        side->last->next = waiter;
    else
        side->first = waiter;
    side->last = waiter;
    waiter->listed = true;
    atomic_fetch_add(&sched_poll_waiters, 1);
}

static void wake_first(struct poll_side *side, enum poll_result result, struct poll_ready *ready) {
    struct poll_waiter *waiter = side->first;
    side->first = waiter->next;
    if (side->first)
        side->first->previous = NULL;
    else
        side->last = NULL;
    waiter->listed = false;
    waiter->result = result;
    atomic_fetch_sub(&sched_poll_waiters, 1);
    struct goroutine *goroutine = waiter->goroutine;
    if (atomic_exchange(&waiter->state, WAITER_WOKEN) == WAITER_PARKED) {
        goroutine->next = NULL;
        *ready->last = goroutine;
        ready->last = &goroutine->next;
    }
}

/* Its event is signalled before it can see that it is off the list: it closes that afterwards. */
static void wake_threads(struct poll_side *side, enum poll_result result) {
    for (struct poll_waiter *waiter = side->threads; waiter; waiter = waiter->next) {
        waiter->listed = false;
        waiter->result = result;
        if (waiter->event >= 0)
            os_event_signal(waiter->event);
        atomic_store(&waiter->state, WAITER_WOKEN);
    }
    side->threads = NULL;
}

static void wake_all(struct poll_side *side, enum poll_result result, struct poll_ready *ready) {
    while (side->first)
        wake_first(side, result, ready);
    wake_threads(side, result);
}

/* --- no lock is held --- */

void poll_make_ready(struct thread *self, struct goroutine *list) {
    for (struct goroutine *next; list; list = next) {
        next = list->next;
        sched_ready(self, list);
    }
}

static __attribute__((noinline)) void commit(void *argument) {
    struct poll_waiter *waiter = argument;
    struct goroutine *goroutine = waiter->goroutine;
    uint32_t listed = WAITER_LISTED;
    if (!atomic_compare_exchange_strong(&waiter->state, &listed, WAITER_PARKED))
        sched_ready(thread_current, goroutine);
}

/* --- deadlines --- */

static bool is_over(struct poll_side *side) {
    int64_t deadline = atomic_load_explicit(&side->deadline, memory_order_relaxed);
    return deadline != 0 && (int64_t)os_now_ns() >= deadline;
}

/* The side's timer fires no later than at its deadline; true: sched_timer_added must be called. The timer is left alone
 * where it fires earlier: it then starts itself again. Under the record's lock. */
static bool arm(struct thread *self, struct poll_side *side) {
    int64_t deadline = atomic_load_explicit(&side->deadline, memory_order_relaxed);
    if (deadline == 0 || (side->armed && (side->timer.when <= deadline || !timer_stop(&side->timer))))
        return false;
    side->armed = true;
    side->timer.when = deadline;
    return timer_insert(self, &side->timer);
}

static void fire(struct thread *self, struct poll_record *record, enum poll_direction direction) {
    struct poll_side *side = &record->sides[direction];
    struct poll_ready ready = {NULL, &ready.first};
    os_lock_acquire(&record->lock);
    side->armed = false;
    bool added = false;
    if (is_over(side))
        wake_all(side, POLL_TIMEOUT, &ready);
    else if (side->first)
        added = arm(self, side);
    int64_t when = side->timer.when;
    os_lock_release(&record->lock);
    if (added)
        sched_timer_added(self, when);
    poll_make_ready(self, ready.first);
}
static void fire_reading(struct thread *self, struct timer *timer, int64_t now) {
    (void)now;
    fire(self, (void *)((char *)timer - offsetof(struct poll_record, sides[POLL_READ].timer)), POLL_READ);
}
static void fire_writing(struct thread *self, struct timer *timer, int64_t now) {
    (void)now;
    fire(self, (void *)((char *)timer - offsetof(struct poll_record, sides[POLL_WRITE].timer)), POLL_WRITE);
}

/* --- events --- */

static void side_event(struct poll_record *record, enum poll_direction direction, bool broken,
                       struct poll_ready *ready) {
    struct poll_side *side = &record->sides[direction];
    atomic_store_explicit(&record->edges[direction], record->edges[direction] + 1, memory_order_release);
    while (side->first) {
        wake_first(side, POLL_READY, ready);
        if (!broken)
            break;
    }
}

void poll_event(int fd, uint32_t sequence, uint32_t what, struct poll_ready *ready) {
    struct poll_record *record = record_if_any(fd);
    if (record == NULL)
        return;
    os_lock_acquire(&record->lock);
    if (record->sequence == sequence) {
        if (what & (OS_POLL_READABLE | OS_POLL_BROKEN))
            side_event(record, POLL_READ, what & OS_POLL_BROKEN, ready);
        if (what & (OS_POLL_WRITABLE | OS_POLL_BOTH_WAYS))
            side_event(record, POLL_WRITE, what & OS_POLL_BOTH_WAYS, ready);
    }
    os_lock_release(&record->lock);
}

/* --- which file it is --- */

/* The number stands for another file now, or for none: those who wait for the old one are told. Under the lock. */
static void forget(struct poll_record *record, uint32_t sequence, struct poll_ready *ready) {
    atomic_store_explicit(&record->sequence, sequence, memory_order_release);
    record->known = record->watched = false;
    atomic_store_explicit(&record->kind, 0, memory_order_relaxed);
    atomic_store_explicit(&record->drained, 0, memory_order_relaxed);
    for (int i = 0; i < 2; i++) {
        atomic_store_explicit(&record->sides[i].deadline, 0, memory_order_relaxed);
        wake_all(&record->sides[i], POLL_CLOSED, ready);
    }
}

static uint32_t next_sequence(const struct poll_record *record) {
    return (record->sequence | 1) + 1;
}

static bool is_same_file(const struct os_file *one, const struct os_file *other) {
    return one->device == other->device && one->number == other->number;
}

/* What the descriptor is found to be. False: it is still the file that is being closed. Under the lock. */
static bool identify(struct poll_record *record, const struct os_file *file, struct poll_ready *ready) {
    bool same = record->known && is_same_file(&record->file, file);
    if (!same) {
        if (record->known || record->sequence & 1)
            forget(record, next_sequence(record), ready);
        record->file = *file;
        record->known = true;
    }
    return !(record->sequence & 1);
}

void poll_fresh(int fd) {
    struct poll_record *record = record_if_any(fd);
    if (record == NULL)
        return;
    struct thread *self = thread_enter();
    struct poll_ready ready = {NULL, &ready.first};
    os_lock_acquire(&record->lock);
    if (record->known || record->sequence & 1)
        forget(record, next_sequence(record), &ready);
    atomic_store_explicit(&record->kind, 0, memory_order_relaxed);
    os_lock_release(&record->lock);
    poll_make_ready(self, ready.first);
    thread_leave(self);
}

int poll_close(int fd) {
    struct poll_record *record = record_if_any(fd);
    struct os_file file;
    if (record == NULL || os_file_of(fd, &file) != 0)
        return os_close(fd);
    struct thread *self = thread_enter();
    struct poll_ready ready = {NULL, &ready.first};
    os_lock_acquire(&record->lock);
    bool watched = record->watched;
    uint32_t closing = record->sequence | 1;
    forget(record, closing, &ready);
    record->file = file;
    record->known = true;
    if (watched)
        poller_unwatch(fd);
    os_lock_release(&record->lock);
    poll_make_ready(self, ready.first);
    thread_leave(self);

    int error = os_close(fd);

    self = thread_enter();
    ready = (struct poll_ready){NULL, &ready.first};
    os_lock_acquire(&record->lock);
    if (record->sequence == closing) /* else the number has its next file already */
        forget(record, next_sequence(record), &ready);
    os_lock_release(&record->lock);
    poll_make_ready(self, ready.first);
    thread_leave(self);
    return error;
}

bool poll_examine(struct poll_record *record, struct poll_ready *ready) {
    uint32_t now = record->examined++;
    bool doubted = false, old = false;
    for (int i = 0; i < 2; i++)
        for (struct poll_waiter *waiter = record->sides[i].first; waiter; waiter = waiter->next) {
            doubted |= waiter->doubted;
            old |= waiter->doubted && waiter->examined != now;
        }
    if (!old)
        return doubted;
    struct os_file file;
    bool open = os_file_of(record->number, &file) == 0, same = open && is_same_file(&record->file, &file);
    for (int i = 0; i < 2; i++)
        for (struct poll_waiter *waiter = record->sides[i].first; waiter; waiter = waiter->next) {
            waiter->again = waiter->doubted && open && !same;
            waiter->doubted = false;
        }
    if (!open)
        forget(record, next_sequence(record), ready);
    else if (!same)
        identify(record, &file, ready);
    for (int i = 0; i < 2; i++)
        if (record->sides[i].first && os_is_ready(record->number, i == POLL_WRITE))
            side_event(record, i, false, ready);
    return false;
}

/* --- waiting --- */

static BW__COLD enum poll_result begin_late(struct poll_try *attempt) {
    struct poll_record *record = attempt->record;
    struct poll_side *side = &record->sides[attempt->direction];
    struct os_file file;
    if (os_file_of(attempt->fd, &file) != 0)
        return POLL_CLOSED;
    struct thread *self = thread_enter();
    struct poll_ready ready = {NULL, &ready.first};
    os_lock_acquire(&record->lock);
    enum poll_result result = !identify(record, &file, &ready) ? POLL_CLOSED
                              : is_over(side)                  ? POLL_TIMEOUT
                                                               : POLL_READY;
    attempt->sequence = record->sequence;
    os_lock_release(&record->lock);
    poll_make_ready(self, ready.first);
    thread_leave(self);
    return result;
}

enum poll_result poll_begin(struct poll_try *attempt, int fd, enum poll_direction direction) {
    struct poll_record *record = poll_record_of(fd);
    attempt->record = record;
    attempt->fd = fd;
    attempt->direction = direction;
    attempt->waited = false;
    if (record == NULL)
        return POLL_READY;
    attempt->sequence = atomic_load_explicit(&record->sequence, memory_order_acquire);
    attempt->edges = atomic_load_explicit(&record->edges[direction], memory_order_acquire);
    /* The deadline may be one that was set for another file. */
    return is_over(&record->sides[direction]) ? begin_late(attempt) : POLL_READY;
}

void poll_pass(struct poll_try *attempt) {
    struct poll_record *record = attempt->record;
    if (record == NULL)
        return;
    struct thread *self = thread_enter();
    struct poll_ready ready = {NULL, &ready.first};
    os_lock_acquire(&record->lock);
    struct poll_side *side = &record->sides[attempt->direction];
    if (side->first && record->sequence == attempt->sequence)
        wake_first(side, POLL_READY, &ready);
    os_lock_release(&record->lock);
    poll_make_ready(self, ready.first);
    thread_leave(self);
}

static void side_remove_thread(struct poll_side *side, const struct poll_waiter *waiter) {
    struct poll_waiter **at = &side->threads;
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
}

#define LOOK_EVERY_NS 10000000

/* The calling thread itself waits, until the descriptor is ready, the deadline over, or it is told. Not INSIDE. */
static bool wait_itself(const struct poll_try *attempt, const struct poll_waiter *waiter, int64_t deadline) {
    bool is_ready = false;
    bw_blocking {
        for (;;) {
            int64_t left = deadline ? deadline - (int64_t)os_now_ns() : -1;
            if (atomic_load(&waiter->state) == WAITER_WOKEN || (deadline && left <= 0))
                break;
            if (waiter->event < 0 && (left < 0 || left > LOOK_EVERY_NS))
                left = LOOK_EVERY_NS;
            if ((is_ready = os_poll_one(attempt->fd, attempt->direction == POLL_WRITE, waiter->event, left)))
                break;
        }
    }
    return is_ready;
}

static enum poll_result wait_beside(struct poll_try *attempt, const struct os_file *file) {
    struct poll_record *record = attempt->record;
    struct poll_side *side = record ? &record->sides[attempt->direction] : NULL;
    struct poll_waiter waiter = {.event = -1};
    if (record == NULL) {
        wait_itself(attempt, &waiter, 0);
        return POLL_READY;
    }
    struct thread *self = thread_enter();
    struct poll_ready ready = {NULL, &ready.first};
    enum poll_result result = POLL_READY;
    waiter.event = os_event_make();
    os_lock_acquire(&record->lock);
    bool other = record->sequence != attempt->sequence;
    int64_t deadline = 0;
    if (other || !identify(record, file, &ready))
        result = POLL_CLOSED;
    else if (record->sequence != attempt->sequence)
        attempt->sequence = record->sequence; /* another file than the call was made for: it is to be made again */
    else if (is_over(side))
        result = POLL_TIMEOUT;
    else {
        deadline = atomic_load_explicit(&side->deadline, memory_order_relaxed);
        waiter.next = side->threads;
        side->threads = &waiter;
        waiter.listed = true;
        note_number(attempt->fd);
    }
    bool waits = waiter.listed;
    os_lock_release(&record->lock);
    poll_make_ready(self, ready.first);
    thread_leave(self);
    if (waits) {
        bool is_ready = wait_itself(attempt, &waiter, deadline);
        self = thread_enter();
        os_lock_acquire(&record->lock);
        if (waiter.listed)
            side_remove_thread(side, &waiter);
        else
            result = waiter.result;
        if (result == POLL_READY && !is_ready && is_over(side))
            result = POLL_TIMEOUT;
        attempt->edges = record->edges[attempt->direction];
        os_lock_release(&record->lock);
        thread_leave(self);
    }
    if (waiter.event >= 0)
        os_close(waiter.event);
    return result;
}

/* Which file it is may be asked later. */
static bool is_trusted(const struct poll_record *record, const struct poll_side *side) {
    return record->known && record->watched && record->file.kind == OS_FILE_SOCKET && !(record->sequence & 1) &&
           atomic_load_explicit(&side->deadline, memory_order_relaxed) == 0;
}

enum poll_result poll_wait(struct poll_try *attempt) {
    struct poll_record *record = attempt->record;
    struct os_file file = {0};
    attempt->waited = true;
    struct thread *self = thread_enter();
    if (record == NULL || self->worker == NULL || self->overflowed_at != 0) {
        thread_leave(self);
        return os_file_of(attempt->fd, &file) == 0 ? wait_beside(attempt, &file) : POLL_CLOSED;
    }
    struct poll_side *side = &record->sides[attempt->direction];
    struct poll_waiter waiter = {.goroutine = sched_current(self), .event = -1};
    struct poll_ready ready = {NULL, &ready.first};
    enum poll_result result = POLL_READY;
    bool added = false, doubted = false, refused = false, open = true;
    os_lock_acquire(&record->lock);
    bool trusted = is_trusted(record, side) && poll_doubt(self, record, attempt->fd, &doubted);
    if (!trusted) {
        os_lock_release(&record->lock);
        open = os_file_of(attempt->fd, &file) == 0;
        os_lock_acquire(&record->lock);
    }
    bool other = record->sequence != attempt->sequence;
    if (other || !open || (!trusted && !identify(record, &file, &ready)))
        result = POLL_CLOSED;
    else if (record->sequence != attempt->sequence)
        attempt->sequence = record->sequence; /* another file than the call was made for: it is to be made again */
    else if (is_over(side))
        result = POLL_TIMEOUT;
    else if (record->edges[attempt->direction] == attempt->edges &&
             !(refused = poller_watch(record, attempt->fd) != 0)) {
        note_number(attempt->fd);
        waiter.doubted = trusted;
        waiter.examined = record->examined;
        side_append(side, &waiter);
        added = arm(self, side);
    }
    int64_t when = side->timer.when;
    bool parks = waiter.listed;
    os_lock_release(&record->lock);
    if (added)
        sched_timer_added(self, when);
    if (doubted)
        poll_doubt_added(self);
    poll_make_ready(self, ready.first);
    if (parks) {
        poller_tell(self);
        self = sched_park(self, "IO wait", commit, &waiter);
        result = waiter.result;
        if (waiter.again) {
            result = POLL_READY;
            attempt->sequence = atomic_load(&record->sequence);
        }
    }
    attempt->edges = atomic_load_explicit(&record->edges[attempt->direction], memory_order_acquire);
    thread_leave(self);
    if (refused)
        return wait_beside(attempt, &file);
    if (result == POLL_READY && atomic_load(&record->sequence) != attempt->sequence)
        result = POLL_CLOSED; /* between the wake-up and now */
    return result;
}

int poll_set_deadline(int fd, int64_t deadline, bool reading, bool writing) {
    struct os_file file;
    int error = os_file_of(fd, &file);
    if (error != 0)
        return error;
    if (file.kind == OS_FILE_DISK)
        return -ENOTSUP;
    struct poll_record *record = poll_record_of(fd);
    if (record == NULL)
        return -ENOMEM;
    struct thread *self = thread_enter();
    struct poll_ready ready = {NULL, &ready.first};
    bool added[2] = {false, false};
    int64_t when[2];
    os_lock_acquire(&record->lock);
    bool open = identify(record, &file, &ready);
    for (int i = 0; i < 2; i++) {
        struct poll_side *side = &record->sides[i];
        if (!open || !(i == POLL_READ ? reading : writing))
            continue;
        if (side->timer.fire == NULL)
            side->timer.fire = i == POLL_READ ? fire_reading : fire_writing;
        atomic_store_explicit(&side->deadline, deadline, memory_order_relaxed);
        if (is_over(side))
            wake_all(side, POLL_TIMEOUT, &ready);
        else if (side->first)
            added[i] = arm(self, side);
        wake_threads(side, POLL_READY); /* they wait by the clock themselves */
        when[i] = side->timer.when;
    }
    os_lock_release(&record->lock);
    for (int i = 0; i < 2; i++)
        if (added[i])
            sched_timer_added(self, when[i]);
    poll_make_ready(self, ready.first);
    thread_leave(self);
    return open ? 0 : -EBADF;
}

/* --- in a child --- */

void poll_records_forked(struct thread *self) {
    struct poll_ready ready = {NULL, &ready.first};
    int past = atomic_load(&past_numbers);
    for (int fd = 0; fd < past; fd++) {
        struct poll_record *record = record_if_any(fd);
        if (record == NULL)
            continue;
        record->watched = false;
        record->sides[POLL_READ].threads = record->sides[POLL_WRITE].threads = NULL; /* their threads are not here */
        bool waited_for = record->sides[POLL_READ].first || record->sides[POLL_WRITE].first;
        if (waited_for && poller_watch(record, fd) != 0)
            for (int i = 0; i < 2; i++)
                wake_all(&record->sides[i], POLL_READY, &ready); /* each finds another way to wait */
    }
    poll_make_ready(self, ready.first);
}
