// GoKer's kernels from CockroachDB: see goker.h.
// Not under the sanitizers whose frames keep what their functions left: a word that is left over hides a leaked goroutine.
// not under: thread address
// timeout: 300
#include "goker.h"

// 584: two functions leave their loops without unlocking, and the second comes after the first.
static void leave_locked(bw_mutex *mutex, const bool *closed) {
    for (;;) {
        bw_mutex_lock(mutex);
        if (*closed)
            break;
        bw_mutex_unlock(mutex);
    }
}
static void cockroach584(void) {
    bw_mutex *mutex = bw_new(bw_mutex);
    bool closed = true;
    leave_locked(mutex, &closed);
    leave_locked(mutex, &closed);
}

// 1055: what waits for tasks to end holds the lock that tasks need to begin, and a task never ends.
struct stopper1055 {
    signal_chan stopper;
    bw_waitgroup stop, drain;
    bw_mutex mutex;
    _Atomic int draining;
};
static void task1055(struct stopper1055 *s) {
    if (atomic_load(&s->draining) == 0) {
        bw_mutex_lock(&s->mutex);
        bw_waitgroup_add(&s->drain, 1);
        bw_mutex_unlock(&s->mutex);
    }
    bw_recv(s->stopper);
    bw_waitgroup_done(&s->stop);
}
static void stop1055(struct stopper1055 **stoppers, signal_chan done) {
    for (int i = 0; i < 2; i++) {
        struct stopper1055 *s = stoppers[i];
        bw_mutex_lock(&s->mutex);
        atomic_store(&s->draining, 1);
        bw_waitgroup_wait(&s->drain);
        atomic_store(&s->draining, 0);
        bw_mutex_unlock(&s->mutex);
    }
    for (int i = 0; i < 2; i++) {
        struct stopper1055 *s = stoppers[i];
        bw_mutex_lock(&s->mutex);
        atomic_store(&s->draining, 1);
        bw_waitgroup_wait(&s->drain);
        bw_close(s->stopper);
        bw_waitgroup_wait(&s->stop);
        bw_mutex_unlock(&s->mutex);
    }
    bw_close(done);
}
static void cockroach1055(void) {
    struct stopper1055 **stoppers = bw_alloc(2 * sizeof *stoppers);
    for (int i = 0; i < 2; i++) {
        stoppers[i] = bw_new(struct stopper1055);
        stoppers[i]->stopper = new_signal();
    }
    for (int i = 0; i < 2; i++) {
        bw_waitgroup_add(&stoppers[i]->stop, 1);
        bw_go(task1055, stoppers[i]);
    }
    signal_chan done = new_signal();
    yield_by_chance();
    bw_go(stop1055, stoppers, done);
    bw_recv(done);
}

// 1462: who receives events is stopped while the other sends one, and is waited for.
struct stopper1462 {
    signal_chan stopper, stopped, events;
    bw_waitgroup stop;
    bw_mutex mutex;
    bw_cond drain;
    bool draining;
    int tasks;
};
static void send_events1462(struct stopper1462 *s) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(s->stopper, v) more = false;
            bw_default {
                yield_by_chance();
                bw_send(s->events, true);
            }
        }
    bw_waitgroup_done(&s->stop);
}
static void process1462(struct stopper1462 *s) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv_ok(s->events, v, ok) {
                bw_yield();
                more = ok;
            }
            bw_on_recv(s->stopper, v) more = false;
        }
    bw_waitgroup_done(&s->stop);
}
static void cockroach1462(void) {
    struct stopper1462 *s = bw_new(struct stopper1462);
    s->drain.mutex = &s->mutex;
    s->stopper = new_signal();
    s->stopped = new_signal();
    s->events = new_signal();
    bw_waitgroup_add(&s->stop, 2);
    bw_go(send_events1462, s);
    bw_go(process1462, s);
    for (int i = 0; i < 6; i++)
        yield_by_chance();
    bw_mutex_lock(&s->mutex);
    bw_yield();
    s->draining = true;
    while (s->tasks > 0)
        bw_cond_wait(&s->drain);
    bw_mutex_unlock(&s->mutex);
    bw_close(s->stopper);
    bw_waitgroup_wait(&s->stop);
    bw_close(s->stopped);
}

// 2448: one sends an event to the other, whose callback sends to the first, which sends the next event.
struct raft2448 {
    signal_chan done, events, callbacks;
};
static void process2448(struct raft2448 *raft) {
    for (;;) {
        bool event = false;
        bw_select {
            bw_on_recv(raft->events, v) event = true;
            bw_on_recv(raft->done, v) {}
        }
        if (!event)
            return;
        bw_yield();
        bw_select {
            bw_on_send(raft->callbacks, true) {}
            bw_on_recv(raft->done, v) {}
        }
    }
}
static void state2448(struct raft2448 *raft) {
    for (int i = 0; i < 200; i++) {
        bool idle = false;
        bw_select {
            bw_on_recv(raft->callbacks, v) {}
            bw_default idle = true;
        }
        if (idle)
            bw_select {
                bw_on_send(raft->events, true) {}
                bw_on_recv(raft->done, v) {}
            }
        bw_yield();
    }
    bw_close(raft->done); // so that it ends if the bug does not show
}
static void cockroach2448(void) {
    struct raft2448 *raft = bw_new(struct raft2448);
    raft->done = new_signal();
    raft->events = new_signal();
    raft->callbacks = new_signal();
    bw_go(process2448, raft);
    bw_go(state2448, raft);
}

// 3710: a reader reads again, and a writer came between.
struct store3710 {
    bw_rwmutex mutex;
    bw_mutex queue;
};
static void scan3710(struct store3710 *store) {
    bw_rwmutex_rlock(&store->mutex);
    bw_yield();
    for (int i = 0; i < 2; i++) {
        bw_mutex_lock(&store->queue);
        bw_rwmutex_rlock(&store->mutex);
        bw_rwmutex_runlock(&store->mutex);
        bw_mutex_unlock(&store->queue);
    }
    bw_rwmutex_runlock(&store->mutex);
}
static void process3710(struct store3710 *store) {
    bw_rwmutex_lock(&store->mutex);
    bw_rwmutex_unlock(&store->mutex);
}
static void start_process3710(struct store3710 *store) {
    bw_go(process3710, store);
}
static void cockroach3710(void) {
    struct store3710 *store = bw_new(struct store3710);
    IN_EITHER_ORDER(bw_go(scan3710, store), bw_go(start_process3710, store));
}

// 6181: the same, in what makes a text for a log; several do it.
static void look_up6181(bw_rwmutex *mutex, bw_waitgroup *group) {
    bw_rwmutex_rlock(mutex);
    bw_yield();
    bw_rwmutex_rlock(mutex);
    bw_rwmutex_runlock(mutex);
    bw_rwmutex_runlock(mutex);
    bw_rwmutex_lock(mutex);
    bw_rwmutex_unlock(mutex);
    bw_waitgroup_done(group);
}
static void cockroach6181(void) {
    bw_rwmutex *mutex = bw_new(bw_rwmutex);
    bw_waitgroup *group = bw_new(bw_waitgroup);
    for (int i = 0; i < 3; i++) {
        bw_waitgroup_add(group, 1);
        bw_go(look_up6181, mutex, group);
    }
    bw_waitgroup_wait(group);
}

// 7504: two locks in two orders, below a third.
struct leases7504 {
    bw_mutex table, names, lease;
};
static void acquire7504(struct leases7504 *leases) {
    bw_mutex_lock(&leases->names);
    bw_mutex_lock(&leases->lease);
    bw_mutex_unlock(&leases->lease);
    bw_mutex_unlock(&leases->names);
}
static void release7504(struct leases7504 *leases) {
    bw_mutex_lock(&leases->table);
    bw_mutex_lock(&leases->lease);
    bw_yield();
    bw_mutex_lock(&leases->names);
    bw_yield();
    bw_mutex_unlock(&leases->names);
    bw_mutex_unlock(&leases->lease);
    bw_mutex_unlock(&leases->table);
}
static void cockroach7504(void) {
    struct leases7504 *leases = bw_new(struct leases7504);
    bw_go(acquire7504, leases);
    bw_go(release7504, leases);
}

// 9935: where an error ends the program, the lock that is held is taken again.
static void write9935(bw_mutex *mutex) {
    bw_mutex_lock(mutex);
    if (by_chance(75)) {
        bw_mutex_lock(mutex);
        bw_mutex_unlock(mutex);
    }
    bw_mutex_unlock(mutex);
}
static void cockroach9935(void) {
    bw_mutex *mutex = bw_new(bw_mutex);
    bw_go(write9935, mutex);
}

// 10214: two locks in two orders, one of them held for as long as a list takes.
struct store10214 {
    bw_mutex coalesced, raft[2], replica[2];
};
static void heartbeats10214(struct store10214 *store) {
    bw_mutex_lock(&store->coalesced);
    for (int i = 0; i < 4; i++) {
        bw_mutex_lock(&store->raft[i % 2]);
        bw_sleep(1000000);
        bw_mutex_unlock(&store->raft[i % 2]);
    }
    bw_mutex_unlock(&store->coalesced);
}
static void tick10214(struct store10214 *store) {
    bw_mutex_lock(&store->raft[0]);
    bw_mutex_lock(&store->replica[0]);
    for (int i = 0; i < 2; i++) {
        bw_mutex_lock(&store->coalesced);
        bw_mutex_unlock(&store->coalesced);
    }
    bw_mutex_unlock(&store->replica[0]);
    bw_mutex_unlock(&store->raft[0]);
}
static void cockroach10214(void) {
    struct store10214 *store = bw_new(struct store10214);
    IN_EITHER_ORDER(bw_go(heartbeats10214, store), bw_go(tick10214, store));
}

// 10790: once it is cancelled somebody else is to receive what is left, but nothing comes any more.
struct replica10790 {
    signal_chan chans[2];
};
static void send10790(struct replica10790 *replica, bw_context context) {
    for (int i = 0; i < 2; i++) {
        bool stop = false;
        bw_select {
            bw_on_send(replica->chans[i], true) {}
            bw_on_recv(bw_context_done(context), v) stop = true;
        }
        if (stop)
            return;
    }
}
static void receive10790(struct replica10790 *replica) {
    for (int i = 0; i < 2; i++)
        bw_recv(replica->chans[i]);
}
static void begin10790(struct replica10790 *replica, bw_context context) {
    for (int i = 0; i < 2; i++)
        bw_select {
            bw_on_recv(replica->chans[i], v) {}
            bw_on_recv(bw_context_done(context), v) bw_go(receive10790, replica);
        }
}
static void cockroach10790(void) {
    struct replica10790 *replica = bw_new(struct replica10790);
    replica->chans[0] = new_signal();
    replica->chans[1] = new_signal();
    bw_cancel_func cancel;
    bw_context context = bw_with_cancel(bw_background(), &cancel);
    bw_go(send10790, replica, context);
    bw_go(begin10790, replica, context);
    bw_go(bw_cancel, cancel);
}

// 13197, 13755: who waits for a context to be done alone could cancel it.
struct transaction13197 {
    bw_context context;
    bw_cancel_func cancel;
};
static void await_done13197(struct transaction13197 *transaction) {
    bw_recv(bw_context_done(transaction->context));
    bw_cancel(transaction->cancel);
}
static void cockroach13197(void) {
    struct transaction13197 *transaction = bw_new(struct transaction13197);
    transaction->context = bw_with_cancel(bw_background(), &transaction->cancel);
    bw_go(await_done13197, transaction);
}
static void await_done13755(bw_context context, bw_cancel_func *cancel) {
    bw_recv(bw_context_done(context));
    bw_cancel(*cancel);
}
static void cockroach13755(void) {
    bw_cancel_func *cancel = bw_new(bw_cancel_func);
    bw_context context = bw_with_cancel(bw_background(), cancel);
    bw_go(await_done13755, context, cancel);
}

// 16167: a reader reads again, and a writer came between.
static void start16167(bw_rwmutex *mutex) {
    bw_rwmutex_lock(mutex);
    bw_yield();
    bw_rwmutex_unlock(mutex);
}
static void cockroach16167(void) {
    bw_rwmutex *mutex = bw_new(bw_rwmutex);
    bw_go(start16167, mutex);
    bw_rwmutex_rlock(mutex);
    bw_yield();
    bw_rwmutex_rlock(mutex);
    bw_rwmutex_runlock(mutex);
    bw_rwmutex_runlock(mutex);
}

// 18101: the receiver returns when it is cancelled; the sender sends more than there is room for.
static void scatter18101(signal_chan ready) {
    for (int i = 0; i < 8; i++)
        bw_send(ready, i != 0);
    bw_close(ready);
}
static void restore18101(bw_context context) {
    signal_chan ready = bw_make_chan(bool, 6);
    bw_go(scatter18101, ready);
    bw_chan_range(v, ready) {
        bw_recv(bw_context_done(context));
        return;
    }
}
static void cockroach18101(void) {
    bw_cancel_func cancel;
    bw_context context = bw_with_cancel(bw_background(), &cancel);
    bw_go(restore18101, context);
    bw_go(bw_cancel, cancel);
}

// 24808: a channel with room for one is sent to twice before its receiver is made.
static void compact24808(signal_chan c, signal_chan stopper) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(stopper, v) more = false;
            bw_on_recv(c, v) {}
        }
}
static void cockroach24808(void) {
    signal_chan stopper = new_signal(), c = bw_make_chan(bool, 1);
    bw_send(c, true);
    bw_send(c, true);
    bw_go(compact24808, c, stopper);
    bw_close(stopper);
}

// 25456: it waits for the end, which nobody tells.
static void cockroach25456(void) {
    signal_chan quiescer = new_signal();
    for (int i = 0; i < 2; i++)
        bw_recv(quiescer);
}

// 35073: rows for which there is no room any more, and no receiver.
static void push35073(signal_chan rows, bw_waitgroup *blocked) {
    bw_send(rows, true);
    bw_waitgroup_done(blocked);
}
static void cockroach35073(void) {
    signal_chan rows = bw_make_chan(bool, 16);
    for (int i = 0; i < 16; i++)
        bw_send(rows, true);
    bw_waitgroup *blocked = bw_new(bw_waitgroup), *group = bw_new(bw_waitgroup);
    bw_waitgroup_add(blocked, 1);
    bw_go(push35073, rows, blocked);
    bw_waitgroup_add(group, 1);
    bw_go(bw_waitgroup_done, group);
    bw_waitgroup_wait(group);
    bw_send(rows, true);
}

// 35931: streams that have timed out are told so, also the one whose channel is full.
static void cockroach35931(void) {
    signal_chan streams[2] = {bw_make_chan(bool, 1), bw_make_chan(bool, 1)};
    bw_send(streams[0], true);
    bw_mutex *registry = bw_new(bw_mutex);
    bw_mutex_lock(registry);
    bw_mutex_unlock(registry);
    for (int i = 1; i >= 0; i--)
        bw_send(streams[i], true);
}

static void test_kernels(void **state) {
    (void)state;
    static const struct kernel kernels[] = {
        KERNEL(cockroach584, LEAKS(1)),          KERNEL(cockroach1055, LEAKS(0) | LEAKS_FROM(3, 4)),
        KERNEL(cockroach1462, LEAKS_OR_NOT(2)),  KERNEL(cockroach2448, LEAKS_OR_NOT(2)),
        KERNEL(cockroach3710, LEAKS_OR_NOT(2)),  KERNEL(cockroach6181, LEAKS(0) | LEAKS_FROM(3, 4)),
        KERNEL(cockroach7504, LEAKS_OR_NOT(2)),  KERNEL(cockroach9935, LEAKS_OR_NOT(1)),
        KERNEL(cockroach10214, LEAKS_OR_NOT(2)), KERNEL(cockroach10790, LEAKS_FROM(0, 2)),
        KERNEL(cockroach13197, LEAKS(1)),        KERNEL(cockroach13755, LEAKS(1)),
        KERNEL(cockroach16167, LEAKS_OR_NOT(2)), KERNEL(cockroach18101, LEAKS(1)),
        KERNEL(cockroach24808, LEAKS(1)),        KERNEL(cockroach25456, LEAKS(1)),
        KERNEL(cockroach35073, LEAKS(2)),        KERNEL(cockroach35931, LEAKS(1)),
    };
    run_kernels(kernels, COUNT_OF(kernels));
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
