/* select.c - waiting for one of several channels.
 *
 * A select looks first, without a lock, at which cases might go on, and tries one of these by chance with its channel
 * locked. Mostly that is it. What is seen so need not hold any more; so if it comes to nothing, all channels are locked,
 * in the order of their addresses, and the cases are looked at in a random order. If none can go on it puts a waiter on
 * each channel's list and parks; the locks are released once it has. All these waiters refer to one record, of which
 * whoever comes first to one of the channels' other ends takes hold by a single compare-and-swap (list_take): a waiter
 * whose record is taken is passed over. When it runs again it takes the locks
 * once more, and the waiters that nobody took off their lists.
 */
#include "chan.h"

#define FEW 16 /* cases whose bookkeeping is on the stack: what comes on it is searched, so that more is on the heap */

struct work {
    bw__select *select;
    struct chan **order; /* the channels, each once */
    size_t order_count;
    struct waiter *waiters;
    uint16_t *turn; /* cases in random order */
    bool any_timer; /* sends to one of the channels */
    int chosen;     /* -1: none, and the default is to run */
};

void bw__select_add(bw__select *select, void *chan, bool sends, const void *value, size_t bytes) {
    if (select->count == select->capacity) {
        if (select->capacity >= UINT16_MAX)
            os_panic("select with more than 65535 cases");
        bw__select_case *more = bw_alloc((size_t)select->capacity * 2 * sizeof *more);
        memcpy(more, select->cases, (size_t)select->count * sizeof *more);
        select->cases = more;
        select->capacity *= 2;
    }
    bw__select_case *added = &select->cases[select->count++];
    *added = (bw__select_case){chan, NULL, bytes, sends};
    if (sends) {
        size_t rounded = (bytes + 15) & ~(size_t)15;
        if (rounded <= sizeof select->storage - select->used) {
            added->value = select->storage + select->used;
            select->used += rounded;
        } else {
            added->value = bw_alloc(bytes);
        }
        memcpy(added->value, value, bytes);
    }
}

static void lock_all(const struct work *work) {
    for (size_t i = 0; i < work->order_count; i++)
        os_lock_acquire(&work->order[i]->lock);
}
/* As sched_park's commit: after the last lock the work may be gone. Its owner cannot get past the locks before. */
static void unlock_all(void *argument) {
    const struct work *work = argument;
    struct chan *const *order = work->order;
    int64_t to_tell = 0;
    if (work->any_timer)
        for (size_t i = 0; i < work->order_count; i++) {
            int64_t when = order[i]->timer ? chan_take_to_tell(order[i]) : 0;
            if (when && (to_tell == 0 || when < to_tell))
                to_tell = when;
        }
    for (size_t i = 0, count = work->order_count; i < count; i++) {
        sched_stress();
        os_lock_release(&order[i]->lock);
    }
    if (to_tell)
        chan_tell(to_tell);
}
static void unlock_all_but(const struct work *work, const struct chan *but) {
    for (size_t i = 0; i < work->order_count; i++)
        if (work->order[i] != but)
            os_lock_release(&work->order[i]->lock);
}

static inline int one_of(uint32_t *random, int count) {
    *random = *random * 1664525 + 1013904223;
    return (int)((uint64_t)*random * (uint64_t)count >> 32);
}

static void prepare(struct work *work, uint32_t *random) {
    bw__select *select = work->select;
    size_t count = 0;
    for (int i = 0; i < select->count; i++) {
        int j = one_of(random, i + 1);
        work->turn[i] = work->turn[j];
        work->turn[j] = (uint16_t)i;
        struct chan *chan = select->cases[i].chan;
        if (chan == NULL)
            continue;
        size_t at = count; /* insertion, from the end: there are few */
        while (at > 0 && work->order[at - 1] > chan)
            at--;
        if (at > 0 && work->order[at - 1] == chan)
            continue;
        work->any_timer |= chan->timer != NULL;
        memmove(&work->order[at + 1], &work->order[at], (count - at) * sizeof *work->order);
        work->order[at] = chan;
        count++;
    }
    work->order_count = count;
}

/* Does what can be done at once; true: the locks are released. Nobody is made ready under a lock, so all locks but that
 * of the case are released before it is known that it can go on: of those on its list all may be taken already. Then
 * they are gone from the list, and it begins anew. */
static bool now(struct thread *self, struct work *work) {
    bw__select *select = work->select;
    for (size_t i = 0; work->any_timer && i < work->order_count; i++)
        if (work->order[i]->timer)
            work->order[i]->timer->look(work->order[i]);
    for (int i = 0; i < select->count; i++) {
        int at = work->turn[i];
        bw__select_case *this = &select->cases[at];
        struct chan *chan = this->chan;
        if (chan == NULL)
            continue;
        if (this->sends && chan->closed) {
            unlock_all(work);
            chan_send_on_closed(self);
        }
        bool ready = this->sends ? chan->receivers.first != NULL || chan->count < chan->capacity
                                 : chan->count > 0 || chan->senders.first != NULL || chan->closed;
        if (!ready)
            continue;
        unlock_all_but(work, chan);
        sched_stress();
        if (this->sends ? send_now(self, chan, this->value) : receive_now(self, chan, select->value, &select->ok)) {
            work->chosen = at;
            return true;
        }
        os_lock_release(&chan->lock);
        lock_all(work);
        i = -1;
    }
    return false;
}

/* Without its lock. */
static inline bool seems_ready(const bw__select_case *this) {
    const struct chan *chan = this->chan;
    if (chan == NULL)
        return false;
    size_t count = __atomic_load_n(&chan->count, __ATOMIC_RELAXED);
    return (this->sends ? count < chan->capacity : count > 0) ||
           __atomic_load_n(this->sends ? &chan->receivers.first : &chan->senders.first, __ATOMIC_RELAXED) != NULL ||
           __atomic_load_n(&chan->closed, __ATOMIC_RELAXED);
}

/* One of the cases that seem ready, each as likely as the others; the number of the one that was done, or -1. With
 * timers among them only looking under the locks says what is ready. */
static inline int one_that_is_ready(struct thread *self, bw__select *select, uint32_t *random) {
    int found = -1, ready = 0;
    for (int i = 0; i < select->count; i++) {
        const bw__select_case *this = &select->cases[i];
        if (this->chan && ((const struct chan *)this->chan)->timer)
            return -1;
        if (seems_ready(this) && (++ready == 1 || one_of(random, ready) == 0))
            found = i;
    }
    if (found < 0)
        return -1;
    bw__select_case *this = &select->cases[found];
    struct chan *chan = this->chan;
    sched_stress();
    os_lock_acquire(&chan->lock);
    if (this->sends && chan->closed) {
        os_lock_release(&chan->lock);
        chan_send_on_closed(self);
    }
    if (this->sends ? send_now(self, chan, this->value) : receive_now(self, chan, select->value, &select->ok))
        return found;
    os_lock_release(&chan->lock);
    return -1;
}

/* Functions of their own: the frame that waits is to hold nothing but what it needs. (clang kept `any_timer` for a loop here
 * in a register of which it wrote the lowest byte: what was left of a channel's address was that of another.) */
static __attribute__((noinline)) void begin_wait(struct thread *self, const struct work *work) {
    for (size_t i = 0; i < work->order_count; i++)
        if (work->order[i]->timer)
            work->order[i]->timer->begin_wait(self, work->order[i]);
}
static __attribute__((noinline)) void end_wait(const struct work *work) {
    for (size_t i = 0; i < work->order_count; i++)
        if (work->order[i]->timer)
            work->order[i]->timer->end_wait(work->order[i]);
}

static struct thread *wait(struct thread *self, struct work *work) {
    bw__select *select = work->select;
    struct selecting selecting = {0, NULL};
    struct goroutine *goroutine = sched_current(self);
    /* In random order, too: who comes to a channel that is in several cases takes the first of them. */
    for (int turn = 0; turn < select->count; turn++) {
        int i = work->turn[turn];
        bw__select_case *this = &select->cases[i];
        struct chan *chan = this->chan;
        work->waiters[i] = (struct waiter){
            .goroutine = goroutine, .value = this->sends ? this->value : select->value, .selecting = &selecting};
        if (chan)
            list_append(this->sends ? &chan->senders : &chan->receivers, &work->waiters[i]);
    }
    if (work->any_timer)
        begin_wait(self, work);
    sched_waits_on(goroutine, (const void *const *)work->order, work->order_count);
    self = sched_park(self, "select", unlock_all, work);
    lock_all(work);
    if (work->any_timer)
        end_wait(work);
    for (int i = 0; i < select->count; i++)
        if (work->waiters[i].listed) {
            struct chan *chan = select->cases[i].chan;
            list_remove(select->cases[i].sends ? &chan->senders : &chan->receivers, &work->waiters[i]);
        }
    unlock_all(work);
    int chosen = (int)(selecting.which - work->waiters);
    work->chosen = chosen;
    select->ok = selecting.which->done;
    if (!select->ok) {
        if (select->cases[chosen].sends)
            chan_send_on_closed(self);
        memset(select->value, 0, select->cases[chosen].bytes);
    }
    return self;
}

static __thread uint32_t random __attribute__((tls_model("initial-exec")));

/* With all its locks; -1: the default. */
static __attribute__((noinline)) int look_at_all(bw__select *select) {
    size_t count = (size_t)select->count;
    struct chan *order[FEW + 1];
    struct waiter waiters[FEW];
    uint16_t turn[FEW];
    struct work work = {select, order, 0, waiters, turn, false, -1};
    if (count > FEW) {
        work.order = bw_alloc((count + 1) * sizeof *work.order);
        work.waiters = bw_alloc(count * sizeof *work.waiters);
        work.turn = bw_alloc_noscan(count * sizeof *work.turn);
    }
    struct thread *self = thread_enter_quickly();
    prepare(&work, &random);
    lock_all(&work);
    if (!now(self, &work)) {
        if (select->has_default)
            unlock_all(&work);
        else
            self = wait(self, &work);
    }
    thread_leave_quickly(self);
    return work.chosen;
}

int bw__select_run(bw__select *select) {
    size_t count = (size_t)select->count, largest = 0;
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        any |= select->cases[i].chan != NULL;
        if (!select->cases[i].sends && select->cases[i].bytes > largest)
            largest = select->cases[i].bytes;
    }
    if (!any && !select->has_default)
        chan_wait_for_ever(count ? "select" : "select (no cases)");
    select->value =
        largest <= sizeof select->storage - select->used ? select->storage + select->used : bw_alloc(largest);
    struct thread *self = thread_enter_quickly();
    if (random == 0)
        random = (uint32_t)os_random();
    int ready = one_that_is_ready(self, select, &random);
    thread_leave_quickly(self);
    return ready >= 0 ? ready : look_at_all(select);
}
