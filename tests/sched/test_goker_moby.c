// GoKer's kernels from Moby, Knative Serving, Syncthing and Istio: see goker.h.
// Not under the sanitizers whose frames keep what their functions left: a word that is left over hides a leaked goroutine.
// not under: thread address
// timeout: 300
#include "goker.h"

// --- Moby ---

// 4951: a lock is released in between and taken again, while the other's is held: two locks in two orders.
struct devices4951 {
    bw_mutex devices, device;
};
static void delete4951(struct devices4951 *set) {
    bw_mutex_lock(&set->devices);
    bw_mutex_lock(&set->device);
    bw_yield();
    bw_mutex_unlock(&set->devices);
    bw_sleep(300);
    bw_mutex_lock(&set->devices);
    bw_mutex_unlock(&set->device);
    bw_mutex_unlock(&set->devices);
}
static void moby4951(void) {
    struct devices4951 *set = bw_new(struct devices4951);
    bw_go(delete4951, set);
    bw_go(delete4951, set);
}

// 7559: where dialling fails, the loop goes on without unlocking.
static bool dial7559(void) {
    return by_chance(0);
}
static void moby7559(void) {
    bw_mutex *mutex = bw_new(bw_mutex);
    for (int i = 0; i < 2; i++) {
        bw_mutex_lock(mutex);
        if (!dial7559())
            continue;
        if (i == 0)
            break;
    }
    bw_mutex_unlock(mutex);
}

// 17176: where there is nothing to do, it returns without unlocking.
static void delete17176(bw_mutex *mutex, signal_chan done) {
    bw_mutex_lock(mutex);
    bw_send(done, true);
    bw_mutex_unlock(mutex);
}
static void moby17176(void) {
    bw_mutex *mutex = bw_new(bw_mutex);
    signal_chan done = new_signal();
    bw_mutex_lock(mutex);
    bw_go(delete17176, mutex, done);
    bw_select {
        bw_on_recv(bw_after(1000000), v) {}
        bw_on_recv(done, v) {}
    }
}

// 21233: who consumes the progress of transfers may return early; then transfers wait for him, and others for them.
struct watcher21233 {
    bw_mutex mutex;
    signal_chan signals, release, running;
};
static void watch21233(struct watcher21233 *watcher, signal_chan progress) {
    for (bool done = false;;) {
        bw_mutex_lock(&watcher->mutex);
        bw_mutex_unlock(&watcher->mutex);
        if (by_chance(50))
            bw_send(progress, true);
        if (done)
            break;
        bw_select {
            bw_on_recv(watcher->signals, v) {}
            bw_on_recv(watcher->release, v) done = true;
        }
    }
    bw_close(watcher->running);
}
static void consume21233(signal_chan progress, signal_chan done) {
    bw_sleep(100000);
    bw_chan_range(v, progress) {
        if (by_chance(50))
            return;
    }
    bw_close(done);
}
static void moby21233(void) {
    signal_chan progress = new_signal(), done = new_signal();
    bw_go(consume21233, progress, done);
    bw_sleep(100000);
    struct watcher21233 *watchers[3];
    for (int i = 0; i < 3; i++) {
        watchers[i] = bw_new(struct watcher21233);
        watchers[i]->signals = new_signal();
        watchers[i]->release = new_signal();
        watchers[i]->running = new_signal();
        bw_go(watch21233, watchers[i], progress);
        bw_sleep(200000);
    }
    for (int i = 0; i < 3; i++) {
        bw_mutex_lock(&watchers[i]->mutex);
        bw_mutex_unlock(&watchers[i]->mutex);
        bw_close(watchers[i]->release);
        bw_recv(watchers[i]->running);
    }
    bw_close(progress);
    bw_recv(done);
}

// 25348: it waits for all within the loop that makes them.
static void moby25348(void) {
    bw_waitgroup *group = bw_new(bw_waitgroup);
    bw_waitgroup_add(group, 2);
    for (int i = 0; i < 2; i++) {
        bw_go(bw_waitgroup_done, group);
        bw_waitgroup_wait(group);
    }
}

// 27782: a watched file is to be removed, which its events' reader is to tell, who waits for somebody to take an event.
struct watcher27782 {
    signal_chan events, done;
    bw_mutex mutex;
    bw_cond removed;
};
struct logger27782 {
    bw_mutex mutex;
    signal_chan reader; /* tells one that follows the log to end */
};
static void read_events27782(struct watcher27782 *watcher) {
    for (bool more = true; more;) {
        bw_select {
            bw_on_recv(watcher->done, v) more = false;
            bw_default {}
        }
        bw_yield();
        if (more)
            bw_select {
                bw_on_send(watcher->events, true) {}
                bw_on_recv(watcher->done, v) more = false;
            }
    }
    bw_close(watcher->events);
}
static void follow27782(struct logger27782 *logger, signal_chan close) {
    bw_mutex_lock(&logger->mutex);
    logger->reader = close;
    bw_mutex_unlock(&logger->mutex);
    struct watcher27782 *watcher = bw_new(struct watcher27782);
    watcher->removed.mutex = &watcher->mutex;
    watcher->events = new_signal();
    watcher->done = new_signal();
    bw_go(read_events27782, watcher);
    bw_yield();
    bool removes = false;
    bw_select {
        bw_on_recv(watcher->events, v) {}
        bw_on_recv(close, v) removes = true;
    }
    if (removes) {
        bw_mutex_lock(&watcher->mutex);
        for (;;) // the file is there: nobody removes it
            bw_cond_wait(&watcher->removed);
    }
    bw_close(watcher->done);
}
static void moby27782(void) {
    struct logger27782 *logger = bw_new(struct logger27782);
    bw_go(follow27782, logger, new_signal());
    yield_by_chance();
    bw_mutex_lock(&logger->mutex);
    if (logger->reader)
        bw_close(logger->reader);
    bw_mutex_unlock(&logger->mutex);
}

// 28462: who ends the monitor holds the lock that this needs to come to where it is told.
struct container28462 {
    bw_mutex mutex;
    signal_chan stop;
};
static void monitor28462(struct container28462 *container) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(container->stop, v) more = false;
            bw_default {
                bw_yield();
                bw_mutex_lock(&container->mutex);
                bw_mutex_unlock(&container->mutex);
            }
        }
}
static void change28462(struct container28462 *container) {
    bw_mutex_lock(&container->mutex);
    bw_send(container->stop, true);
    bw_mutex_unlock(&container->mutex);
}
static void moby28462(void) {
    struct container28462 *container = bw_new(struct container28462);
    container->stop = new_signal();
    IN_EITHER_ORDER(bw_go(monitor28462, container), bw_go(change28462, container));
}

// 30408: an error does not wake who waits for success.
struct plugin30408 {
    bw_mutex mutex;
    bw_cond activated;
    bool manifest, failed;
};
static void wait30408(struct plugin30408 *plugin, signal_chan done) {
    bw_mutex_lock(&plugin->mutex);
    while (!plugin->manifest)
        bw_cond_wait(&plugin->activated);
    bw_mutex_unlock(&plugin->mutex);
    bw_close(done);
}
static void moby30408(void) {
    struct plugin30408 *plugin = bw_new(struct plugin30408);
    plugin->activated.mutex = &plugin->mutex;
    plugin->failed = true;
    signal_chan done = new_signal();
    bw_go(wait30408, plugin, done);
    bw_recv(done);
}

// 33781: a probe's result, for which nobody waits any more.
static void probe33781(signal_chan results) {
    bw_send(results, true);
    bw_close(results);
}
static void monitor33781(signal_chan stop) {
    for (bool more = true; more;) {
        bw_select {
            bw_on_recv(stop, v) more = false;
            bw_on_recv(bw_after(100000), v) {}
        }
        if (!more)
            return;
        signal_chan results = new_signal();
        bw_cancel_func cancel;
        bw_context context = bw_with_timeout(bw_background(), 1000000, &cancel);
        bw_go(probe33781, results);
        bw_select {
            bw_on_recv(stop, v) more = false;
            bw_on_recv(results, v) {}
            bw_on_recv(bw_context_done(context), v) bw_recv(results);
        }
        bw_cancel(cancel);
    }
}
static void stop33781(signal_chan stop) {
    bw_sleep(90000 + (by_chance(50) ? 10000 : 0) + (by_chance(50) ? 5000 : 0));
    bw_send(stop, true);
}
static void moby33781(void) {
    signal_chan stop = new_signal();
    bw_go(monitor33781, stop);
    bw_go(stop33781, stop);
}

// 36114: what is called with the lock held takes it.
static void remove36114(bw_mutex *mutex) {
    bw_mutex_lock(mutex);
    bw_mutex_unlock(mutex);
}
static void moby36114(void) {
    bw_mutex *mutex = bw_new(bw_mutex);
    bw_mutex_lock(mutex);
    remove36114(mutex);
    bw_mutex_unlock(mutex);
}

// --- Serving, Syncthing ---

// Serving 2137: the first request is waited for, which the second keeps from going on, and waits for its turn.
struct breaker2137 {
    signal_chan pending, active;
};
struct request2137 {
    bw_mutex mutex;
    signal_chan accepted;
    bw_waitgroup begun;
};
static void request2137(struct breaker2137 *breaker, struct request2137 *request) {
    bw_waitgroup_done(&request->begun);
    yield_by_chance();
    yield_by_chance();
    yield_by_chance();
    bool ok = false;
    bw_select {
        bw_on_send(breaker->pending, true) ok = true;
        bw_default {}
    }
    if (ok) {
        bw_send(breaker->active, true);
        bw_mutex_lock(&request->mutex);
        bw_yield();
        bw_mutex_unlock(&request->mutex);
        bw_recv(breaker->active);
        bw_yield();
        bw_recv(breaker->pending);
    }
    bw_send(request->accepted, ok);
}
static void serving2137(void) {
    struct breaker2137 *breaker = bw_new(struct breaker2137);
    breaker->pending = bw_make_chan(bool, 2);
    breaker->active = bw_make_chan(bool, 1);
    struct request2137 *requests[2];
    for (int i = 0; i < 2; i++) {
        requests[i] = bw_new(struct request2137);
        requests[i]->accepted = bw_make_chan(bool, 1);
        bw_mutex_lock(&requests[i]->mutex);
        bw_waitgroup_add(&requests[i]->begun, 1);
        bw_go(request2137, breaker, requests[i]);
        bw_waitgroup_wait(&requests[i]->begun);
    }
    for (int i = 0; i < 2; i++) {
        bw_mutex_unlock(&requests[i]->mutex);
        bw_yield();
        bool ok = bw_recv(requests[i]->accepted);
        bw_yield();
        bw_send(requests[i]->accepted, ok);
    }
}

// Syncthing 4829: a writer tells, and who is told reads.
static void notify4829(bw_rwmutex *mapping) {
    bw_rwmutex_rlock(mapping);
    bw_rwmutex_runlock(mapping);
}
static void syncthing4829(void) {
    bw_rwmutex *service = bw_new(bw_rwmutex), *mapping = bw_new(bw_rwmutex);
    bw_rwmutex_lock(service);
    bw_rwmutex_lock(mapping);
    notify4829(mapping);
    bw_rwmutex_unlock(mapping);
    bw_rwmutex_unlock(service);
}

// Syncthing 5795: what dispatches messages waits for its own end.
struct connection5795 {
    signal_chan inbox, stopped, closed;
    bw_once once;
};
static void close5795(struct connection5795 *connection) {
    bw_close(connection->closed);
    bw_recv(connection->stopped);
}
static void dispatch5795(struct connection5795 *connection) {
    for (bool more = true; more;) {
        bw_select {
            bw_on_recv(connection->inbox, v) {}
            bw_on_recv(connection->closed, v) more = false;
        }
        if (more)
            bw_once_do(&connection->once, close5795, connection);
    }
    bw_close(connection->stopped);
}
static void syncthing5795(void) {
    struct connection5795 *connection = bw_new(struct connection5795);
    connection->inbox = new_signal();
    connection->stopped = new_signal();
    connection->closed = new_signal();
    bw_go(dispatch5795, connection);
    bw_send(connection->inbox, true);
    bw_recv(connection->stopped);
}

// --- Istio ---

// 16224: an event's handler holds the lock while it tells, and who is to be told wants the lock first.
struct controller16224 {
    signal_chan events, done;
    bw_mutex mutex;
};
static void run16224(struct controller16224 *controller, signal_chan stop) {
    for (;;) {
        bool event = false, ok = false;
        bw_select {
            bw_on_recv(stop, v) {}
            bw_on_recv_ok(controller->events, v, is_value) {
                event = true;
                ok = is_value;
            }
        }
        if (!event) {
            bool value;
            if (bw_recv_ok(controller->events, &value)) // nobody sends any more
                bw_close(controller->events);
            return;
        }
        if (ok) {
            bw_mutex_lock(&controller->mutex);
            bw_send(controller->done, true);
            bw_mutex_unlock(&controller->mutex);
        }
    }
}
static void istio16224(void) {
    struct controller16224 *controller = bw_new(struct controller16224);
    controller->events = new_signal();
    controller->done = new_signal();
    signal_chan stop = new_signal();
    bw_go(run16224, controller, stop);
    bw_send(controller->events, true);
    bw_mutex_lock(&controller->mutex);
    bw_mutex_unlock(&controller->mutex);
    bw_recv(controller->done);
    bw_close(stop);
}

// 17860: who receives the status has returned, being cancelled, or having seen the last that was active then.
struct agent17860 {
    bw_mutex mutex;
    bw_chan(int) status;
    int epoch, active;
};
static void run17860(struct agent17860 *agent, bw_context context) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(agent->status, v) {
                bw_mutex_lock(&agent->mutex);
                more = --agent->active > 0;
                bw_mutex_unlock(&agent->mutex);
            }
            bw_on_recv(bw_context_done(context), v) more = false;
        }
}
static void exits17860(struct agent17860 *agent, int epoch) {
    bw_send(agent->status, epoch);
}
static void restart17860(struct agent17860 *agent) {
    bw_mutex_lock(&agent->mutex);
    if (agent->active > 0) { // until it lives, which is never; for a while
        bw_ticker *interval = bw_new_ticker(30);
        bw_timer *timer = bw_new_timer(100);
        for (bool waits = true; waits;)
            bw_select {
                bw_on_recv(timer->c, v) waits = false;
                bw_on_recv(interval->c, v) {}
            }
        bw_ticker_stop(interval);
    }
    agent->active++;
    bw_go(exits17860, agent, ++agent->epoch);
    bw_mutex_unlock(&agent->mutex);
}
static void istio17860(void) {
    bw_cancel_func cancel;
    bw_context context = bw_with_cancel(bw_background(), &cancel);
    struct agent17860 *agent = bw_new(struct agent17860);
    agent->status = bw_make_chan(int, 0);
    bw_go(run17860, agent, context);
    restart17860(agent);
    bw_go(restart17860, agent);
    bw_sleep(200);
    bw_cancel(cancel);
}

// 18454: a timer that was stopped too late is waited for, but its value has been received.
struct strategy18454 {
    bw_mutex mutex;
    bw_timer *timer;
    signal_chan reset;
    bw_context context;
    bw_cancel_func cancel;
};
static void loop18454(struct strategy18454 *strategy) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(strategy->timer->c, v) {}
            bw_on_recv(strategy->reset, v) {
                if (!bw_timer_stop(strategy->timer))
                    bw_recv(strategy->timer->c);
                bw_timer_reset(strategy->timer, 1);
            }
            bw_on_recv(bw_context_done(strategy->context), v) {
                bw_timer_stop(strategy->timer);
                more = false;
            }
        }
}
static void change18454(struct strategy18454 *strategy) {
    bw_mutex_lock(&strategy->mutex);
    if (strategy->timer) {
        bw_mutex_unlock(&strategy->mutex);
        bw_send(strategy->reset, true);
        return;
    }
    strategy->timer = bw_new_timer(1);
    bw_go(loop18454, strategy);
    bw_mutex_unlock(&strategy->mutex);
}
static void process18454(struct strategy18454 *strategy, signal_chan events, bw_context context) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(bw_context_done(context), v) more = false;
            bw_on_recv(events, v) change18454(strategy);
        }
    bw_cancel(strategy->cancel);
}
static void istio18454(void) {
    struct strategy18454 *strategy = bw_new(struct strategy18454);
    strategy->reset = bw_make_chan(bool, 1);
    strategy->context = bw_with_cancel(bw_background(), &strategy->cancel);
    bw_cancel_func cancel;
    bw_context context = bw_with_cancel(bw_background(), &cancel);
    signal_chan events = bw_make_chan(bool, 1024);
    for (int i = 0; i < 1024; i++)
        bw_send(events, true);
    bw_go(process18454, strategy, events, context);
    bw_yield();
    bw_cancel(cancel);
}

static void test_kernels(void **state) {
    (void)state;
    static const struct kernel kernels[] = {
        KERNEL(moby4951, LEAKS_OR_NOT(2)),    KERNEL(moby7559, LEAKS(1)),
        KERNEL(moby17176, LEAKS(1)),          KERNEL(moby21233, LEAKS_FROM(0, 4)),
        KERNEL(moby25348, LEAKS(1)),          KERNEL(moby27782, LEAKS_OR_NOT(2)),
        KERNEL(moby28462, LEAKS_OR_NOT(2)),   KERNEL(moby30408, LEAKS(2)),
        KERNEL(moby33781, LEAKS_OR_NOT(1)),   KERNEL(moby36114, LEAKS(1)),
        KERNEL(serving2137, LEAKS_OR_NOT(3)), KERNEL(syncthing4829, LEAKS(1)),
        KERNEL(syncthing5795, LEAKS(2)),      KERNEL(istio16224, LEAKS_FROM(1, 2)),
        KERNEL(istio17860, LEAKS_FROM(0, 2)), KERNEL(istio18454, LEAKS_FROM(0, 2)),
    };
    run_kernels(kernels, COUNT_OF(kernels));
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
