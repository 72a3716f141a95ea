// GoKer's kernels from Kubernetes: see goker.h.
// timeout: 300
#include "goker.h"

// 5316: a request's result, for which nobody waits any more.
static void request5316(signal_chan done, signal_chan failed) {
    bw_sleep(2000000);
    bw_send(by_chance(40) ? failed : done, true);
}
static void kubernetes5316(void) {
    signal_chan done = new_signal(), failed = new_signal();
    bw_go(request5316, done, failed);
    bw_select {
        bw_on_recv(done, v) {}
        bw_on_recv(failed, v) {}
        bw_on_recv(bw_after(1000), v) {}
    }
}

// 6632: who writes holds the lock while he tells the one that needs it.
struct framer6632 {
    signal_chan reset, close;
    bw_mutex mutex;
};
static void monitor6632(struct framer6632 *framer) {
    signal_chan reset = framer->reset;
    bw_recv(framer->close);
    bw_mutex_lock(&framer->mutex);
    bw_close(reset);
    framer->reset = NULL;
    bw_mutex_unlock(&framer->mutex);
}
static void write6632(struct framer6632 *framer) {
    bw_mutex_lock(&framer->mutex);
    if (framer->reset)
        bw_send(framer->reset, true);
    bw_mutex_unlock(&framer->mutex);
}
static void close6632(struct framer6632 *framer) {
    bw_send(framer->close, true);
}
static void kubernetes6632(void) {
    struct framer6632 *framer = bw_new(struct framer6632);
    framer->reset = new_signal();
    framer->close = new_signal();
    bw_go(close6632, framer);
    bw_go(monitor6632, framer);
    bw_go(write6632, framer);
}

// 10182: who sets a status holds the lock while he tells the one that needs it for the status before.
struct statuses10182 {
    bw_rwmutex mutex;
    signal_chan changed;
};
static void sync10182(struct statuses10182 *statuses) {
    for (int i = 0; i < 2; i++) {
        bw_yield();
        bw_recv(statuses->changed);
        bw_rwmutex_lock(&statuses->mutex);
        bw_rwmutex_unlock(&statuses->mutex);
    }
}
static void set10182(struct statuses10182 *statuses) {
    bw_rwmutex_lock(&statuses->mutex);
    bw_send(statuses->changed, true);
    bw_rwmutex_unlock(&statuses->mutex);
}
static void kubernetes10182(void) {
    struct statuses10182 *statuses = bw_new(struct statuses10182);
    statuses->changed = new_signal();
    bw_go(sync10182, statuses);
    bw_go(set10182, statuses);
    bw_go(set10182, statuses);
}

// 13135: two locks in two orders: of the one who caches, and of the cache that tells him.
struct cacher13135 {
    bw_mutex mutex;
    bw_rwmutex cache;
    bw_waitgroup initialized;
    bw_once once;
};
static void start13135(struct cacher13135 *cacher, signal_chan stop) {
    for (bool more = true; more;) {
        bw_select {
            bw_on_recv(stop, v) more = false;
            bw_default {
                bw_mutex_lock(&cacher->mutex);
                bw_yield();
                bw_rwmutex_lock(&cacher->cache);
                bw_once_do(&cacher->once, bw_waitgroup_done, &cacher->initialized);
                bw_mutex_unlock(&cacher->mutex);
                bw_rwmutex_unlock(&cacher->cache);
            }
        }
        bw_yield();
    }
}
static void add13135(struct cacher13135 *cacher) {
    bw_rwmutex_lock(&cacher->cache);
    bw_mutex_lock(&cacher->mutex);
    bw_mutex_unlock(&cacher->mutex);
    bw_rwmutex_unlock(&cacher->cache);
}
static void close13135(signal_chan stop) {
    bw_close(stop);
}
static void kubernetes13135(void) {
    struct cacher13135 *cacher = bw_new(struct cacher13135);
    signal_chan stop = new_signal();
    bw_waitgroup_add(&cacher->initialized, 1);
    bw_go(start13135, cacher, stop);
    bw_waitgroup_wait(&cacher->initialized);
    yield_by_chance();
    IN_EITHER_ORDER(bw_go(add13135, cacher), bw_go(close13135, stop));
}

// 25331: cancelled by itself, it sends a result that nobody receives for that reason.
struct watch25331 {
    bw_context context;
    bw_cancel_func cancel;
    signal_chan results, errors;
};
static void run25331(struct watch25331 *watch) {
    bw_select {
        bw_on_recv(watch->errors, v) {
            bw_cancel(watch->cancel);
            bw_send(watch->results, v);
        }
        bw_on_recv(bw_context_done(watch->context), v) {}
    }
}
static void stop25331(struct watch25331 *watch) {
    bw_send(watch->errors, true);
    bw_cancel(watch->cancel);
}
static void kubernetes25331(void) {
    struct watch25331 *watch = bw_new(struct watch25331);
    watch->context = bw_with_cancel(bw_background(), &watch->cancel);
    watch->results = new_signal();
    watch->errors = new_signal();
    bw_go(run25331, watch);
    bw_go(stop25331, watch);
}

// 26980: it waits for the end and holds the lock that others need to get there.
static void pop26980(bw_rwmutex *mutex, signal_chan stop) {
    bw_rwmutex_lock(mutex);
    bw_yield();
    bw_recv(stop);
    bw_rwmutex_unlock(mutex);
}
static void tell26980(bw_rwmutex *mutex, signal_chan result) {
    bw_rwmutex_lock(mutex);
    bw_close(result);
}
static void kubernetes26980(void) {
    bw_rwmutex *mutex = bw_new(bw_rwmutex);
    signal_chan stop = new_signal(), result = new_signal();
    bw_yield();
    bw_go(pop26980, mutex, stop);
    bw_go(tell26980, mutex, result);
    bw_yield();
    bw_recv(result);
    bw_rwmutex_unlock(mutex);
    bw_close(stop);
}

// 30872: two locks in two orders, and a third who waits for one of them.
struct informer30872 {
    bw_mutex informer;
    bw_rwmutex queue;
    signal_chan stop;
};
static void run30872(struct informer30872 *informer, signal_chan stop) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(stop, v) more = false;
            bw_default {
                bw_rwmutex_lock(&informer->queue);
                bw_mutex_lock(&informer->informer);
                bw_mutex_unlock(&informer->informer);
                bw_rwmutex_unlock(&informer->queue);
            }
        }
}
static void stop30872(struct informer30872 *informer, signal_chan stop) {
    bw_recv(stop);
    bw_mutex_lock(&informer->informer);
    bw_close(informer->stop);
    bw_mutex_unlock(&informer->informer);
}
static void reconcile30872(struct informer30872 *informer) {
    bw_mutex_lock(&informer->informer);
    bw_rwmutex_lock(&informer->queue);
    bw_rwmutex_unlock(&informer->queue);
    bw_mutex_unlock(&informer->informer);
}
static void kubernetes30872(void) {
    struct informer30872 *informer = bw_new(struct informer30872);
    signal_chan stop = new_signal();
    bw_mutex_lock(&informer->informer);
    informer->stop = new_signal();
    bw_go(run30872, informer, informer->stop);
    bw_yield();
    bw_mutex_unlock(&informer->informer);
    bw_go(stop30872, informer, stop);
    bw_go(reconcile30872, informer);
    bw_close(stop);
}

// 38669: events from before are sent when nobody receives yet, nor ever will.
struct watcher38669 {
    bw_mutex mutex;
    bw_chan(int) input, result;
};
static void stop38669(struct watcher38669 *watcher) {
    bw_mutex_lock(&watcher->mutex);
    if (watcher->input) {
        bw_close(watcher->input);
        watcher->input = NULL;
    }
    bw_mutex_unlock(&watcher->mutex);
}
static void process38669(struct watcher38669 *watcher, bw_chan(int) input) {
    for (int event = 1; event <= 2; event++)
        bw_send(watcher->result, event);
    bw_chan_range(v, input) {}
    stop38669(watcher);
    bw_close(watcher->result);
}
static void kubernetes38669(void) {
    struct watcher38669 *watcher = bw_new(struct watcher38669);
    watcher->input = bw_make_chan(int, 0);
    watcher->result = bw_make_chan(int, 0);
    bw_go(process38669, watcher, watcher->input);
    stop38669(watcher);
}

// 62464: a reader reads again, and a writer came between.
static void reconcile62464(bw_rwmutex *mutex) {
    bw_rwmutex_rlock(mutex);
    bw_yield();
    bw_rwmutex_rlock(mutex);
    bool found = by_chance(40);
    bw_rwmutex_runlock(mutex);
    if (!found) {
        bw_rwmutex_rlock(mutex);
        bw_rwmutex_runlock(mutex);
    }
    bw_rwmutex_runlock(mutex);
}
static void remove62464(bw_rwmutex *mutex) {
    bw_rwmutex_rlock(mutex);
    bw_rwmutex_runlock(mutex);
    bw_rwmutex_lock(mutex);
    bw_yield();
    bw_rwmutex_unlock(mutex);
}
static void kubernetes62464(void) {
    bw_rwmutex *mutex = bw_new(bw_rwmutex);
    IN_EITHER_ORDER(bw_go(reconcile62464, mutex), bw_go(remove62464, mutex));
}

// 70277: it waits for a channel that it would close itself when it is done.
static void tell70277(signal_chan c) {
    bw_select {
        bw_on_send(c, true) {}
        bw_default {}
    }
}
static void poll70277(signal_chan c, signal_chan done) {
    bw_ticker *tick = bw_new_ticker(1000000);
    bw_chan(int64_t) after = bw_after(8000000);
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(tick->c, v) tell70277(c);
            bw_on_recv(after, v) more = false;
            bw_on_recv(done, v) more = false;
        }
    bw_ticker_stop(tick);
    bw_close(c);
}
static void kubernetes70277(void) {
    signal_chan stop = new_signal(), c = new_signal();
    bw_go(poll70277, c, stop);
    bw_recv(c);
    bw_sleep(1000000);
    bw_recv(stop);
    bw_close(stop);
}

static void test_kernels(void **state) {
    (void)state;
    static const struct kernel kernels[] = {
        KERNEL(kubernetes5316, LEAKS(1)),
        KERNEL(kubernetes6632, LEAKS_OR_NOT(2)),
        KERNEL(kubernetes10182, LEAKS_OR_NOT(2)),
        KERNEL(kubernetes13135, LEAKS_OR_NOT(2)),
        KERNEL(kubernetes25331, LEAKS(1)),
        KERNEL(kubernetes26980, LEAKS_OR_NOT(3)),
        KERNEL(kubernetes30872, LEAKS(0) | LEAKS_FROM(2, 3)),
        KERNEL(kubernetes38669, LEAKS(1)),
        KERNEL(kubernetes62464, LEAKS_OR_NOT(2)),
        KERNEL(kubernetes70277, LEAKS(1)),
    };
    run_kernels(kernels, COUNT_OF(kernels));
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
