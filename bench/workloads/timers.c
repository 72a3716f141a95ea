/* timers.c - what timers cost: starting, stopping, setting anew, firing, and many goroutines that sleep. The rows are
 * those of timers.go. */
#include "goroutines.h"

static void nothing(void) {}

/* With a channel that nobody waits on. */
static void start_stop(void) {
    enum { N = 3000000 };
    int64_t stopped = 0;
    double start = now_ns();
    for (int i = 0; i < N; i++) {
        bw_timer *timer = bw_new_timer(BW_HOUR);
        stopped += bw_timer_stop(timer);
    }
    report("timer_start_stop", N, now_ns() - start);
    must_be("stopped", stopped, N);
}

static void function_start_stop(void) {
    enum { N = 3000000 };
    int64_t stopped = 0;
    double start = now_ns();
    for (int i = 0; i < N; i++) {
        bw_timer *timer = bw_after_func(BW_HOUR, nothing);
        stopped += bw_timer_stop(timer);
    }
    report("timer_func_start_stop", N, now_ns() - start);
    must_be("stopped", stopped, N);
}

static void reset(void) {
    enum { N = 5000000 };
    bw_timer *timer = bw_after_func(BW_HOUR, nothing);
    int64_t pending = 0;
    double start = now_ns();
    for (int64_t i = 0; i < N; i++)
        pending += bw_timer_reset(timer, BW_HOUR + i);
    report("timer_reset", N, now_ns() - start);
    must_be("pending", pending, N);
    bw_timer_stop(timer);
}

/* Each is set anew in turn, to another place in the order. */
static void reset_among_others(void) {
    enum { N = 5000000, TIMERS = 10000 };
    bw_timer **all = bw_new_array(bw_timer *, TIMERS);
    for (int64_t i = 0; i < TIMERS; i++)
        all[i] = bw_after_func(BW_HOUR + i * BW_SECOND, nothing);
    int64_t pending = 0;
    double start = now_ns();
    for (int64_t i = 0; i < N; i++)
        pending += bw_timer_reset(all[i % TIMERS], BW_HOUR + i * 7919 % TIMERS * BW_SECOND);
    report("timer_reset_among_10k", N, now_ns() - start);
    must_be("pending", pending, N);
    for (int i = 0; i < TIMERS; i++)
        bw_timer_stop(all[i]);
}

static void after(void) {
    enum { N = 300000 };
    double start = now_ns();
    for (int i = 0; i < N; i++)
        bw_recv(bw_after(0));
    report("timer_after0", N, now_ns() - start);
}

static void after_function(void) {
    enum { N = 500000 };
    bw_waitgroup *group = bw_new(bw_waitgroup);
    double start = now_ns();
    for (int i = 0; i < N; i++) {
        bw_waitgroup_add(group, 1);
        bw_after_func(0, bw_waitgroup_done, group);
    }
    bw_waitgroup_wait(group);
    report("timer_after_func0", N, now_ns() - start);
}

enum { SLEEPERS = 10000, TIMES = 20 };

static void sleeper(bw_waitgroup *group, int i) {
    for (int k = 0; k < TIMES; k++)
        bw_sleep(BW_MILLISECOND + (i + k) * 7919 % 1000 * BW_MICROSECOND);
    bw_waitgroup_done(group);
}

/* Each sleeps for 1 to 2 ms, twenty times. */
static void sleepers(void) {
    bw_waitgroup *group = bw_new(bw_waitgroup);
    double start = now_ns();
    for (int i = 0; i < SLEEPERS; i++) {
        bw_waitgroup_add(group, 1);
        bw_go(sleeper, group, i);
    }
    bw_waitgroup_wait(group);
    report("sleep_10k_goroutines", SLEEPERS * TIMES, now_ns() - start);
}

/* How late it wakes. */
static void sleep_alone(void) {
    enum { N = 2000 };
    double start = now_ns();
    for (int i = 0; i < N; i++)
        bw_sleep(100 * BW_MICROSECOND);
    report("sleep_100us_late", N, now_ns() - start - (double)(N * 100 * BW_MICROSECOND));
}

static void all(long unused) {
    (void)unused;
    start_stop();
    function_start_stop();
    reset();
    reset_among_others();
    after();
    after_function();
    sleepers();
    sleep_alone();
}

int main(void) {
    return in_goroutine(all, 0);
}
