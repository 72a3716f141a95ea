/* server.c - accepting, serving, ending. */
#include "server.h"
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

BW_MAP(client_set, client *, bool);

struct server {
    server_options options;
    store *store;
    int64_t started;

    bw_mutex lock; /* of what follows */
    client_set clients;
    uint64_t accepted, refused;
    uint64_t requests; /* of clients that are gone */
    bool is_ending;

    bw_waitgroup busy;    /* goroutines that accept or serve */
    bw_chan(bool) ending; /* closed at the end */
};

/* ---- connections ------------------------------------------------------------------------------------------------ */

/* Nobody else counts, but somebody may look. */
static void count_request(client *c) {
    uint64_t before = atomic_load_explicit(&c->requests, memory_order_relaxed);
    atomic_store_explicit(&c->requests, before + 1, memory_order_relaxed);
}

/* Requests until there are no more. What has come together is answered together: replies are written when there is no
 * whole request left to be carried out. */
static void answer_requests(client *c) {
    bw_string error = {0};
    while (!c->is_leaving && !c->out.has_failed) {
        switch (input_next(&c->in, &error)) {
        case REQUEST_COMPLETE:
            count_request(c);
            command_run(c);
            break;
        case REQUEST_INCOMPLETE:
            output_flush(&c->out);
            c->is_leaving = !input_read(&c->in);
            break;
        case REQUEST_WRONG:
            reply_error(&c->out, error);
            c->is_leaving = true;
            break;
        }
    }
    output_flush(&c->out);
}

/* Enters a client, unless there are too many. */
static bool enter(server *s, client *c) {
    bw_mutex_lock(&s->lock);
    bw_defer(bw_mutex_unlock, &s->lock);
    if (s->is_ending || bw_len(s->clients) >= s->options.most_clients) {
        s->refused++;
        return false;
    }
    s->accepted++;
    bw_put(s->clients, c) = true;
    return true;
}

/* The descriptor is closed while the lock is held: server_stop, which holds it, too, never meets one that is not the
 * client's any more. */
static void leave(server *s, client *c) {
    bw_mutex_lock(&s->lock);
    bw_defer(bw_mutex_unlock, &s->lock);
    s->requests += atomic_load(&c->requests);
    bw_delete(s->clients, c);
    bw_close_fd(c->in.fd);
}

static void serve(server *s, client *c) {
    bw_defer(leave, s, c);
    answer_requests(c);
}

static void welcome(server *s, int fd) {
    client *c = bw_new(client);
    c->server = s;
    c->store = s->store;
    c->in = input_new(fd);
    c->out = output_new(fd);
    if (enter(s, c)) {
        bw_waitgroup_go(&s->busy, serve, s, c);
        return;
    }
    reply_error(&c->out, bw_str("ERR max number of clients reached"));
    output_flush(&c->out);
    bw_close_fd(fd);
}

static bool is_ending(server *s) {
    bw_mutex_lock(&s->lock);
    bw_defer(bw_mutex_unlock, &s->lock);
    return s->is_ending;
}

/* That there are no more descriptors passes, and so does that a client is gone before it is accepted. */
static void accept_clients(server *s, int listener) {
    bool has_complained = false;
    for (;;) {
        int fd = bw_accept(listener, NULL, NULL);
        if (fd >= 0) {
            welcome(s, fd);
            continue;
        }
        if (is_ending(s))
            return;
        if (!has_complained)
            bw_fprintf(stderr, "cache: accepting a connection: %v; trying again\n", bw_errno_error(errno));
        has_complained = true;
        bw_sleep(10 * BW_MILLISECOND);
    }
}

/* ---- the server ------------------------------------------------------------------------------------------------- */

static void sweep_until_the_end(server *s) {
    bw_ticker *ticker = bw_new_ticker(100 * BW_MILLISECOND);
    bw_defer(bw_ticker_stop, ticker);
    for (;;) {
        bw_select {
            bw_on_recv(ticker->c, now) store_sweep(s->store);
            bw_on_recv(s->ending, nothing) return;
        }
    }
}

server *server_start(server_options options) {
    commands_prepare();
    server *s = bw_new(server);
    s->options = options;
    s->store = store_new();
    s->started = store_now();
    s->clients = bw_make_map(client_set);
    s->ending = bw_make_chan(bool, 0);
    bw_range(i, listener, options.listeners) {
        bw_waitgroup_go(&s->busy, accept_clients, s, listener);
    }
    bw_waitgroup_go(&s->busy, sweep_until_the_end, s);
    return s;
}

/* A client that waits for the next request meets the end of its connection there; one that is being answered, after
 * that, or when it does not take the answer. */
static void end_connections(server *s) {
    bw_mutex_lock(&s->lock);
    bw_defer(bw_mutex_unlock, &s->lock);
    s->is_ending = true;
    bw_map_range(c, ignored, s->clients) {
        shutdown(c->in.fd, SHUT_RD);
        bw_set_write_deadline(c->in.fd, bw_now() + BW_SECOND);
    }
}

void server_stop(server *s) {
    end_connections(s);
    bw_close(s->ending);
    bw_range(i, listener, s->options.listeners) {
        bw_close_fd(listener);
    }
    bw_waitgroup_wait(&s->busy);
}

server_statistics server_look(server *s) {
    bw_mutex_lock(&s->lock);
    bw_defer(bw_mutex_unlock, &s->lock);
    server_statistics all = {
        .started = s->started,
        .clients = bw_len(s->clients),
        .accepted = s->accepted,
        .refused = s->refused,
        .requests = s->requests,
        .address = s->options.address,
    };
    bw_map_range(c, ignored, s->clients) {
        all.requests += atomic_load_explicit(&c->requests, memory_order_relaxed);
    }
    return all;
}
