// GoKer's kernels from Kubernetes and Hugo: see goker.h.
// Not under the sanitizers whose frames keep what their functions left: a word that is left over hides a leaked goroutine.
// not under: thread address
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

// 11298: who is to be woken at the end may not have begun to wait.
struct notifier11298 {
    bw_mutex mutex;
    bw_cond cond;
};
static void wait11298(struct notifier11298 *notifier, signal_chan done) {
    bw_cond_wait(&notifier->cond);
    bw_close(done);
}
static void serve11298(struct notifier11298 *notifier, signal_chan abort_chan) {
    bw_mutex_lock(&notifier->mutex);
    for (bool more = true; more;) {
        bw_select {
            bw_on_recv(abort_chan, v) more = false;
            bw_default {}
        }
        if (!more)
            break;
        signal_chan done = new_signal();
        bw_go(wait11298, notifier, done);
        bw_select {
            bw_on_recv(abort_chan, v) {
                bw_cond_signal(&notifier->cond);
                bw_recv(done);
                more = false;
            }
            bw_on_recv(done, v) {}
        }
    }
    bw_mutex_unlock(&notifier->mutex);
}
static void signal11298(struct notifier11298 *notifier, signal_chan abort_chan, signal_chan finished) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(abort_chan, v) more = false;
            bw_default {
                bw_mutex_lock(&notifier->mutex);
                bw_cond_signal(&notifier->cond);
                bw_mutex_unlock(&notifier->mutex);
                bw_yield();
            }
        }
    bw_close(finished);
}
static void notify11298(signal_chan abort_chan, signal_chan notified) {
    struct notifier11298 *notifier = bw_new(struct notifier11298);
    notifier->cond.mutex = &notifier->mutex;
    signal_chan finished = new_signal();
    bw_go(signal11298, notifier, abort_chan, finished);
    serve11298(notifier, finished);
    bw_close(notified);
}
static void close11298(signal_chan done) {
    bw_sleep(300);
    bw_close(done);
}
static void kubernetes11298(void) {
    signal_chan done = new_signal(), notified = new_signal();
    bw_go(notify11298, done, notified);
    bw_go(close11298, done);
    bw_recv(notified);
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

// 58107: workers wait for work with a read lock held, which who wants to write waits for, and they for him.
struct quota58107 {
    bw_rwmutex mutex;
    struct {
        bw_mutex mutex;
        bw_cond cond;
    } queues[2];
};
static void work58107(struct quota58107 *quota, int queue) {
    bw_rwmutex_rlock(&quota->mutex);
    bw_mutex_lock(&quota->queues[queue].mutex);
    bw_cond_wait(&quota->queues[queue].cond);
    bw_mutex_unlock(&quota->queues[queue].mutex);
    bw_rwmutex_runlock(&quota->mutex);
}
static void sync58107(struct quota58107 *quota) {
    for (int i = 0; i < 100; i++) {
        bw_rwmutex_lock(&quota->mutex);
        bw_yield();
        bw_rwmutex_unlock(&quota->mutex);
    }
}
static void kubernetes58107(void) {
    struct quota58107 *quota = bw_new(struct quota58107);
    for (int i = 0; i < 2; i++) {
        quota->queues[i].cond.mutex = &quota->queues[i].mutex;
        bw_go(work58107, quota, i);
    }
    bw_go(sync58107, quota);
    for (int i = 0; i < 5; i++) {
        bw_cond_signal(&quota->queues[0].cond);
        bw_cond_signal(&quota->queues[1].cond);
        yield_by_chance();
    }
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

// --- Hugo ---

// 3251: who holds an address's lock needs the one of all locks to release it, and who has that waits for the address's.
struct locks3251 {
    bw_rwmutex all;
    bw_mutex address;
};
static void get3251(struct locks3251 *locks, bw_waitgroup *group) {
    for (int i = 0; i < 20; i++) {
        bw_rwmutex_lock(&locks->all);
        bw_mutex_lock(&locks->address);
        bw_yield();
        bw_rwmutex_unlock(&locks->all);
        yield_by_chance();
        bw_rwmutex_rlock(&locks->all);
        bw_mutex_unlock(&locks->address);
        bw_rwmutex_runlock(&locks->all);
        bw_sleep(300);
    }
    bw_waitgroup_done(group);
}
static void hugo3251(void) {
    struct locks3251 *locks = bw_new(struct locks3251);
    for (int round = 0; round < 2; round++) {
        bw_waitgroup *group = bw_new(bw_waitgroup);
        for (int i = 0; i < 10; i++) {
            bw_waitgroup_add(group, 1);
            bw_go(get3251, locks, group);
        }
        bw_waitgroup_wait(group);
    }
}

// 5379: rendering a page within a time, with its lock, and in that the page's plain text, which takes the lock, too.
struct page5379 {
    bw_once content, plain;
    bw_mutex mutex;
};
static void count_words5379(struct page5379 *page);
static void render5379(struct page5379 *page, signal_chan rendered) {
    bw_mutex_lock(&page->mutex);
    count_words5379(page);
    bw_send(rendered, true);
    bw_mutex_unlock(&page->mutex);
}
static void content5379(struct page5379 *page) {
    bw_cancel_func cancel;
    bw_context context = bw_with_timeout(bw_background(), 1000000, &cancel);
    signal_chan rendered = bw_make_chan(bool, 1);
    bw_go(render5379, page, rendered);
    bw_select {
        bw_on_recv(bw_context_done(context), v) {}
        bw_on_recv(rendered, v) {}
    }
    bw_cancel(cancel);
}
static void plain5379(struct page5379 *page) {
    bw_mutex_lock(&page->mutex);
    bw_mutex_unlock(&page->mutex);
}
static void count_words5379(struct page5379 *page) {
    bw_once_do(&page->content, content5379, page);
    bw_once_do(&page->plain, plain5379, page);
}
static void render_page5379(struct page5379 *page, bw_waitgroup *group) {
    count_words5379(page);
    bw_waitgroup_done(group);
}
static void hugo5379(void) {
    struct page5379 *page = bw_new(struct page5379);
    bw_waitgroup *group = bw_new(bw_waitgroup);
    for (int i = 0; i < 2; i++) {
        bw_waitgroup_add(group, 1);
        bw_go(render_page5379, page, group);
    }
    bw_waitgroup_wait(group);
}

static void test_kernels(void **state) {
    (void)state;
    static const struct kernel kernels[] = {
        KERNEL(kubernetes5316, LEAKS(1)),
        KERNEL(kubernetes6632, LEAKS_OR_NOT(2)),
        KERNEL(kubernetes10182, LEAKS_OR_NOT(2)),
        KERNEL(kubernetes11298, LEAKS_OR_NOT(3)),
        KERNEL(kubernetes13135, LEAKS_OR_NOT(2)),
        KERNEL(kubernetes25331, LEAKS(1)),
        KERNEL(kubernetes26980, LEAKS_OR_NOT(3)),
        KERNEL(kubernetes30872, LEAKS(0) | LEAKS_FROM(2, 3)),
        KERNEL(kubernetes38669, LEAKS(1)),
        KERNEL(kubernetes58107, LEAKS_FROM(0, 3)),
        KERNEL(kubernetes62464, LEAKS_OR_NOT(2)),
        KERNEL(kubernetes70277, LEAKS(1)),
        KERNEL(hugo3251, LEAKS(0) | LEAKS_FROM(3, 11)),
        KERNEL(hugo5379, LEAKS(4)),
    };
    run_kernels(kernels, COUNT_OF(kernels));
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
