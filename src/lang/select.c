/* select.c - waiting for one of several channels.
 *
 * With all its channels locked, in the order of their addresses, a select looks in a random order whether a case can go
 * on. If none can it puts a waiter on each channel's list and parks; the locks are released once it has. All these
 * waiters refer to one record, of which whoever comes first to one of the channels' other ends takes hold by a single
 * compare-and-swap (list_take): a waiter whose record is taken is passed over. When it runs again it takes the locks
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

static void prepare(struct work *work, uint32_t *random) {
    bw__select *select = work->select;
    size_t count = 0;
    for (int i = 0; i < select->count; i++) {
        *random = *random * 1664525 + 1013904223;
        int j = (int)(((uint64_t)*random * (uint64_t)(i + 1)) >> 32);
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
            select->chosen = at;
            return true;
        }
        os_lock_release(&chan->lock);
        lock_all(work);
        i = -1;
    }
    return false;
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
    for (size_t i = 0; work->any_timer && i < work->order_count; i++)
        if (work->order[i]->timer)
            work->order[i]->timer->begin_wait(self, work->order[i]);
    sched_waits_on(goroutine, (const void *const *)work->order, work->order_count);
    self = sched_park(self, "select", unlock_all, work);
    lock_all(work);
    for (size_t i = 0; work->any_timer && i < work->order_count; i++)
        if (work->order[i]->timer)
            work->order[i]->timer->end_wait(work->order[i]);
    for (int i = 0; i < select->count; i++)
        if (work->waiters[i].listed) {
            struct chan *chan = select->cases[i].chan;
            list_remove(select->cases[i].sends ? &chan->senders : &chan->receivers, &work->waiters[i]);
        }
    unlock_all(work);
    int chosen = (int)(selecting.which - work->waiters);
    select->chosen = chosen;
    select->ok = selecting.which->done;
    if (!select->ok) {
        if (select->cases[chosen].sends)
            chan_send_on_closed(self);
        memset(select->value, 0, select->cases[chosen].bytes);
    }
    return self;
}

/* Without the lock: can the only case of a select with a default not go on? It could not when the first of the two was
 * read: a channel that was not closed later was not closed then. With several cases this would not do, since of two
 * channels one might be ready at any time, and each be looked at when it is not. */
static bool nothing_to_do(const bw__select_case *this) {
    const struct chan *chan = this->chan;
    if (chan == NULL)
        return true;
    if (chan->timer)
        return false;
    bool ready;
    if (chan->capacity == 0)
        ready = __atomic_load_n(this->sends ? &chan->receivers.first : &chan->senders.first, __ATOMIC_ACQUIRE) != NULL;
    else
        ready = __atomic_load_n(&chan->count, __ATOMIC_ACQUIRE) != (this->sends ? chan->capacity : 0);
    return !ready && !__atomic_load_n(&chan->closed, __ATOMIC_RELAXED);
}

void bw__select_run(bw__select *select) {
    if (select->has_default && select->count == 1 && nothing_to_do(select->cases)) {
        select->chosen = -1;
        return;
    }
    static __thread uint32_t random __attribute__((tls_model("initial-exec")));
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
    struct chan *order[FEW + 1];
    struct waiter waiters[FEW];
    uint16_t turn[FEW];
    struct work work = {select, order, 0, waiters, turn, false};
    if (count > FEW) {
        work.order = bw_alloc((count + 1) * sizeof *work.order);
        work.waiters = bw_alloc(count * sizeof *work.waiters);
        work.turn = bw_alloc_noscan(count * sizeof *work.turn);
    }
    struct thread *self = thread_enter_quickly();
    if (random == 0)
        random = (uint32_t)os_random();
    prepare(&work, &random);
    lock_all(&work);
    if (!now(self, &work)) {
        if (select->has_default) {
            unlock_all(&work);
            select->chosen = -1;
        } else {
            self = wait(self, &work);
        }
    }
    thread_leave_quickly(self);
}
