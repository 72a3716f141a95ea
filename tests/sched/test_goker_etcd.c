// GoKer's kernels from etcd and gRPC: see goker.h.
// Not under the sanitizers whose frames keep what their functions left: a word that is left over hides a leaked goroutine.
// not under: thread address
// timeout: 300
#include "goker.h"

// --- etcd ---

// 5509: a read lock is not released where the client is found closed.
struct client5509 {
    bw_rwmutex mutex;
    bw_mutex remote;
    bool closed;
};
static void get5509(struct client5509 *client, signal_chan done) {
    for (;;) {
        bw_rwmutex_rlock(&client->mutex);
        bool closed = client->closed;
        bw_mutex_lock(&client->remote);
        bw_mutex_unlock(&client->remote);
        if (closed)
            break;
        bw_rwmutex_runlock(&client->mutex);
    }
    bw_close(done);
}
static void etcd5509(void) {
    struct client5509 *client = bw_new(struct client5509);
    client->closed = true;
    signal_chan done = new_signal();
    bw_go(get5509, client, done);
    bw_yield();
    bw_rwmutex_lock(&client->mutex);
    bw_rwmutex_unlock(&client->mutex);
    bw_recv(done);
}

// 6708: a writer reads.
static void leader6708(bw_rwmutex *mutex) {
    bw_rwmutex_rlock(mutex);
    bw_rwmutex_runlock(mutex);
}
static void etcd6708(void) {
    bw_rwmutex *mutex = bw_new(bw_rwmutex);
    bw_rwmutex_lock(mutex);
    leader6708(mutex);
    bw_rwmutex_unlock(mutex);
}

// 6857: the status is asked of one that has stopped.
struct node6857 {
    bw_chan(signal_chan) status;
    signal_chan stop, done;
};
static void run6857(struct node6857 *node) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(node->status, c) bw_send(c, true);
            bw_on_recv(node->stop, v) {
                bw_close(node->done);
                more = false;
            }
        }
}
static void status6857(struct node6857 *node) {
    signal_chan c = new_signal();
    bw_send(node->status, c);
    bw_recv(c);
}
static void stop6857(struct node6857 *node) {
    bool stopped = false;
    bw_select {
        bw_on_send(node->stop, true) {}
        bw_on_recv(node->done, v) stopped = true;
    }
    if (!stopped)
        bw_recv(node->done);
}
static void etcd6857(void) {
    struct node6857 *node = bw_new(struct node6857);
    node->status = bw_make_chan(signal_chan, 0);
    node->stop = new_signal();
    node->done = new_signal();
    bw_go(run6857, node);
    bw_go(status6857, node);
    bw_go(stop6857, node);
}

// 6873: who stops it holds the lock that it needs to get to its end.
struct broadcasts6873 {
    bw_mutex mutex;
    signal_chan updates, done;
};
static void coalesce6873(struct broadcasts6873 *b) {
    bw_chan_range(v, b->updates) {
        bw_mutex_lock(&b->mutex);
        bw_mutex_unlock(&b->mutex);
    }
    bw_close(b->done);
}
static void stop6873(struct broadcasts6873 *b) {
    bw_mutex_lock(&b->mutex);
    bw_close(b->updates);
    bw_recv(b->done);
    bw_mutex_unlock(&b->mutex);
}
static void etcd6873(void) {
    struct broadcasts6873 *b = bw_new(struct broadcasts6873);
    b->updates = bw_make_chan(bool, 1);
    b->done = new_signal();
    bw_go(coalesce6873, b);
    bw_select {
        bw_on_send(b->updates, true) {}
        bw_default {}
    }
    bw_go(stop6873, b);
}

// 7492: who adds a token holds the lock while he waits for the keeper, which needs the lock to delete one.
struct keeper7492 {
    bw_rwmutex mutex;
    signal_chan add;
    bw_chan(signal_chan) stop;
    bool has_token;
};
static void run7492(struct keeper7492 *keeper) {
    bw_ticker *ticker = bw_new_ticker(1);
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(keeper->add, v) {
                bw_yield();
                keeper->has_token = true;
            }
            bw_on_recv(ticker->c, v) {
                bw_yield();
                if (keeper->has_token) {
                    bw_rwmutex_lock(&keeper->mutex);
                    bw_rwmutex_unlock(&keeper->mutex);
                    keeper->has_token = false;
                }
            }
            bw_on_recv(keeper->stop, told) {
                bw_send(told, true);
                more = false;
            }
        }
    bw_ticker_stop(ticker);
}
static void authenticate7492(struct keeper7492 *keeper, bw_waitgroup *group) {
    bw_rwmutex_lock(&keeper->mutex);
    bw_yield();
    bw_send(keeper->add, true);
    bw_yield();
    bw_rwmutex_unlock(&keeper->mutex);
    bw_waitgroup_done(group);
}
static void etcd7492(void) {
    struct keeper7492 *keeper = bw_new(struct keeper7492);
    bw_waitgroup *group = bw_new(bw_waitgroup);
    keeper->add = bw_make_chan(bool, 1);
    keeper->stop = bw_make_chan(signal_chan, 0);
    bw_go(run7492, keeper);
    bw_waitgroup_add(group, 3);
    for (int i = 0; i < 3; i++)
        bw_go(authenticate7492, keeper, group);
    bw_waitgroup_wait(group);
    signal_chan told = new_signal();
    bw_send(keeper->stop, told);
    bw_recv(told);
}

// 7902: a follower waits for the leader's next round and holds the lock that the leader needs to begin it.
struct rounds7902 {
    bw_mutex mutex;
    bw_waitgroup group;
    signal_chan next;
};
static void follow7902(struct rounds7902 *rounds, bool leads) {
    for (int progress = 0; progress < 100; progress++) {
        bw_mutex_lock(&rounds->mutex);
        signal_chan next = rounds->next;
        bw_mutex_unlock(&rounds->mutex);
        bw_sleep(100000);
        bw_mutex_lock(&rounds->mutex);
        if (leads) {
            bw_close(rounds->next);
            rounds->next = new_signal();
        }
        bw_recv(next);
        bw_mutex_unlock(&rounds->mutex);
    }
    bw_waitgroup_done(&rounds->group);
}
static void etcd7902(void) {
    struct rounds7902 *rounds = bw_new(struct rounds7902);
    rounds->next = new_signal();
    bw_waitgroup_add(&rounds->group, 3);
    for (int i = 0; i < 3; i++)
        bw_go(follow7902, rounds, i == 0);
    bw_waitgroup_wait(&rounds->group);
}

// 10492: what is called with the lock held takes it.
struct lessor10492 {
    bw_rwmutex mutex;
    void (*checkpoint)(struct lessor10492 *);
};
static void checkpoint10492(struct lessor10492 *lessor) {
    bw_rwmutex_lock(&lessor->mutex);
    bw_rwmutex_unlock(&lessor->mutex);
}
static void etcd10492(void) {
    struct lessor10492 *lessor = bw_new(struct lessor10492);
    bw_rwmutex_lock(&lessor->mutex);
    lessor->checkpoint = checkpoint10492;
    bw_rwmutex_unlock(&lessor->mutex);
    bw_rwmutex_lock(&lessor->mutex);
    lessor->checkpoint(lessor);
    bw_rwmutex_unlock(&lessor->mutex);
}

// --- gRPC ---

// 660: a result is not received where the loop is told to stop.
static void call660(signal_chan done) {
    bw_send(done, by_chance(80));
}
static void loop660(signal_chan stop) {
    for (bool more = true; more;) {
        signal_chan done = new_signal();
        bw_go(call660, done);
        bw_select {
            bw_on_recv(stop, v) more = false;
            bw_on_recv(done, v) {}
        }
    }
}
static void stop660(signal_chan stop) {
    bw_send(stop, true);
}
static void grpc660(void) {
    signal_chan stop = new_signal();
    bw_go(loop660, stop);
    bw_go(stop660, stop);
}

// 795: where it drains already, the lock is taken again instead of released.
struct server795 {
    bw_mutex mutex;
    bool drains;
};
static void serve795(struct server795 *server) {
    bw_mutex_lock(&server->mutex);
    bw_mutex_unlock(&server->mutex);
}
static void grpc795(void) {
    struct server795 *server = bw_new(struct server795);
    bw_go(serve795, server);
    for (int i = 0; i < 3; i++) {
        bw_mutex_lock(&server->mutex);
        if (server->drains)
            bw_mutex_lock(&server->mutex);
        server->drains = true;
        bw_mutex_unlock(&server->mutex);
    }
}

// 862: what cancels the connection's context is lost when dialling gives up.
struct connection862 {
    bw_context context;
    bw_cancel_func cancel;
};
static void reset862(struct connection862 *connection) {
    bw_cancel_func cancel, cancel_attempt;
    bw_context context = bw_with_cancel(connection->context, &cancel);
    bw_with_timeout(context, 10, &cancel_attempt);
    bw_cancel(cancel_attempt);
    bw_recv(bw_context_done(context));
}
static void dial862(bw_context context) {
    struct connection862 *connection = bw_new(struct connection862);
    connection->context = bw_with_cancel(bw_background(), &connection->cancel);
    bw_go(reset862, connection);
    bw_select {
        bw_on_recv(bw_context_done(context), v) {}
        bw_default {}
    }
}
static void grpc862(void) {
    bw_cancel_func cancel;
    bw_context context = bw_with_cancel(bw_background(), &cancel);
    bw_go(dial862, context);
    bw_go(bw_cancel, cancel);
}

// 1275: closing a stream does not tell its reader.
static void read1275(signal_chan stream, signal_chan done) {
    bw_recv(stream);
    bw_close(done);
}
static void grpc1275(void) {
    signal_chan stream = new_signal(), done = new_signal();
    bw_go(read1275, stream, done);
    bw_timer *timeout = bw_new_timer(300);
    bw_select {
        bw_on_recv(done, v) bw_timer_stop(timeout);
        bw_on_recv(timeout->c, v) {}
    }
}

// 1424: who watches returns without telling, when there is nothing more to watch.
static void watch1424(signal_chan addresses, signal_chan done) {
    bw_chan_range(v, addresses){}(void)done;
}
static void wait1424(signal_chan addresses, signal_chan wait) {
    signal_chan done = new_signal();
    bw_go(watch1424, addresses, done);
    bw_recv(done);
    bw_close(wait);
}
static void grpc1424(void) {
    signal_chan addresses = new_signal(), wait = bw_make_chan(bool, 1);
    bw_go(wait1424, addresses, wait);
    bw_close(addresses);
}

// 1460: it waits to be woken, and holds the lock which that takes.
struct client1460 {
    bw_mutex mutex;
    signal_chan awaken;
    int streams;
};
static void keepalive1460(struct client1460 *client) {
    bw_mutex_lock(&client->mutex);
    if (client->streams < 1) {
        bw_recv(client->awaken);
        bw_yield();
    }
    bw_mutex_unlock(&client->mutex);
}
static void new_stream1460(struct client1460 *client) {
    bw_mutex_lock(&client->mutex);
    bw_yield();
    if (++client->streams == 1)
        bw_select {
            bw_on_send(client->awaken, true) {}
            bw_default {}
        }
    bw_mutex_unlock(&client->mutex);
}
static void grpc1460(void) {
    struct client1460 *client = bw_new(struct client1460);
    client->awaken = new_signal();
    IN_EITHER_ORDER(bw_go(keepalive1460, client), bw_go(new_stream1460, client));
}

// 3017: a timer's function that is not to do its work returns without unlocking.
struct entry3017 {
    bw_timer *timer;
    bool abort;
};
struct cache3017 {
    bw_mutex mutex;
    struct entry3017 *entry;
};
static void expire3017(struct cache3017 *cache, struct entry3017 *entry) {
    bw_yield();
    bw_mutex_lock(&cache->mutex);
    if (entry->abort)
        return;
    cache->entry = NULL;
    bw_mutex_unlock(&cache->mutex);
}
static void use3017(struct cache3017 *cache, signal_chan done) {
    for (int i = 0; i < 1000; i++) {
        bw_mutex_lock(&cache->mutex);
        if (cache->entry == NULL) {
            struct entry3017 *entry = bw_new(struct entry3017);
            cache->entry = entry;
            entry->timer = bw_after_func(1, expire3017, cache, entry);
        }
        bw_mutex_unlock(&cache->mutex);
        yield_by_chance();
        bw_mutex_lock(&cache->mutex);
        if (cache->entry) {
            if (!bw_timer_stop(cache->entry->timer))
                cache->entry->abort = true;
            cache->entry = NULL;
        }
        bw_mutex_unlock(&cache->mutex);
    }
    bw_close(done);
}
static void grpc3017(void) {
    struct cache3017 *cache = bw_new(struct cache3017);
    signal_chan done = new_signal();
    bw_go(use3017, cache, done);
    bw_recv(done);
}

static void test_kernels(void **state) {
    (void)state;
    static const struct kernel kernels[] = {
        KERNEL(etcd5509, LEAKS_OR_NOT(1)),
        KERNEL(etcd6708, LEAKS(1)),
        KERNEL(etcd6857, LEAKS_OR_NOT(1)),
        KERNEL(etcd6873, LEAKS_OR_NOT(2)),
        KERNEL(etcd7492, LEAKS(0) | LEAKS_FROM(3, 5)),
        KERNEL(etcd7902, LEAKS_OR_NOT(4)),
        KERNEL(etcd10492, LEAKS(1)),
        KERNEL(grpc660, LEAKS_OR_NOT(1)),
        KERNEL(grpc795, LEAKS_FROM(1, 2)),
        KERNEL(grpc862, LEAKS(1)),
        KERNEL(grpc1275, LEAKS(1)),
        KERNEL(grpc1424, LEAKS(1)),
        KERNEL(grpc1460, LEAKS_OR_NOT(2)),
        KERNEL(grpc3017, LEAKS_FROM(0, 63)),
    };
    run_kernels(kernels, COUNT_OF(kernels));
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
