/* chan.c - channels and select: the work and the rows of chan.go. */
#include "goroutines.h"

/* --- without buffer --- */

static void echo(ints in, ints out) {
    bw_chan_range(v, in) bw_send(out, v);
    bw_close(out);
}

static void ping_pong(void) {
    enum { N = 2000000 };
    ints a = bw_make_chan(int64_t, 0), b = bw_make_chan(int64_t, 0);
    int64_t sum = 0;
    bw_go(echo, a, b);
    double start = now_ns();
    for (int64_t i = 0; i < N; i++) {
        bw_send(a, i);
        sum += bw_recv(b);
    }
    report("chan_unbuf_pingpong_roundtrip", N, now_ns() - start);
    bw_close(a);
    must_be("ping-pong", sum, (int64_t)N * (N - 1) / 2);
}

static void send_and_close(ints to, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        bw_send(to, i);
    bw_close(to);
}

static void one_way(const char *row, int64_t n, ptrdiff_t capacity) {
    ints c = bw_make_chan(int64_t, capacity);
    int64_t sum = 0;
    double start = now_ns();
    bw_go(send_and_close, c, n);
    bw_chan_range(v, c) sum += v;
    report(row, n, now_ns() - start);
    must_be(row, sum, n * (n - 1) / 2);
}

/* --- with a buffer --- */

static void buffered(void) {
    static const int capacities[] = {1, 10, 128, 1024};
    for (int i = 0; i < 4; i++) {
        char row[40];
        snprintf(row, sizeof row, "chan_buf%d_prodcons", capacities[i]);
        one_way(row, 10000000, capacities[i]);
    }
}

static void with_oneself(void) {
    enum { N = 20000000 };
    ints c = bw_make_chan(int64_t, 1);
    double start = now_ns();
    for (int64_t i = 0; i < N; i++) {
        bw_send(c, i);
        bw_recv(c);
    }
    report("chan_buf_send+recv_same_goroutine", N, now_ns() - start);
}

static void send_and_tell(ints to, int64_t n, bw_chan(bool) done) {
    for (int64_t i = 0; i < n; i++)
        bw_send(to, i);
    bw_send(done, true);
}
static void close_after(ints to, int producers, bw_chan(bool) done) {
    for (int i = 0; i < producers; i++)
        bw_recv(done);
    bw_close(to);
}

static void several_producers(void) {
    enum { N = 2000000, PRODUCERS = 4 };
    ints c = bw_make_chan(int64_t, 128);
    bw_chan(bool) done = bw_make_chan(bool, PRODUCERS);
    int64_t received = 0;
    double start = now_ns();
    for (int i = 0; i < PRODUCERS; i++)
        bw_go(send_and_tell, c, (int64_t)N, done);
    bw_go(close_after, c, PRODUCERS, done);
    bw_chan_range(v, c) {
        (void)v;
        received++;
    }
    report("chan_buf128_4prod1cons", (int64_t)PRODUCERS * N, now_ns() - start);
    must_be("several producers", received, (int64_t)PRODUCERS * N);
}

/* --- select --- */

static void send_all(ints to, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        bw_send(to, i);
}

static void select_waiting(void) {
    enum { N = 1000000 };
    ints c[4];
    int64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        c[i] = bw_make_chan(int64_t, 0);
        bw_go(send_all, c[i], (int64_t)N);
    }
    double start = now_ns();
    for (int i = 0; i < 4 * N; i++)
        bw_select {
            bw_on_recv(c[0], v) sum += v;
            bw_on_recv(c[1], v) sum += v;
            bw_on_recv(c[2], v) sum += v;
            bw_on_recv(c[3], v) sum += v;
        }
    report("select4_unbuf_4prod", 4 * N, now_ns() - start);
    must_be("select of 4", sum, (int64_t)4 * N / 2 * (N - 1));
}

static void select_ready(void) {
    enum { N = 5000000 };
    ints c[4];
    int64_t sum = 0;
    for (int i = 0; i < 4; i++)
        c[i] = bw_make_chan(int64_t, 1);
    double start = now_ns();
    for (int64_t i = 0; i < N; i++) {
        bw_send(c[i & 3], i);
        bw_select {
            bw_on_recv(c[0], v) sum += v;
            bw_on_recv(c[1], v) sum += v;
            bw_on_recv(c[2], v) sum += v;
            bw_on_recv(c[3], v) sum += v;
        }
    }
    report("select4_send+select_ready_same_goroutine", N, now_ns() - start);
    must_be("select of one that is ready", sum, (int64_t)N / 2 * (N - 1));
}

static void select_non_blocking(void) {
    enum { N = 20000000 };
    ints c = bw_make_chan(int64_t, 0);
    int64_t others = 0;
    double start = now_ns();
    for (int i = 0; i < N; i++)
        bw_select {
            bw_on_recv(c, v) exit(1);
            bw_default others++;
        }
    report("select_nonblock_empty", N, now_ns() - start);
    must_be("non-blocking select", others, N);
}

static void make(void) {
    enum { N = 5000000 };
    ints made = NULL;
    double start = now_ns();
    for (int i = 0; i < N; i++)
        made = bw_make_chan(int64_t, 1);
    report("chan_make_buf1", N, now_ns() - start);
    must_be("making", bw_chan_cap(made), 1);
}

static void all(long unused) {
    (void)unused;
    ping_pong();
    one_way("chan_unbuf_oneway", 4000000, 0);
    buffered();
    with_oneself();
    several_producers();
    select_waiting();
    select_ready();
    select_non_blocking();
    make();
}

int main(void) {
    return in_goroutine(all, 0);
}
