// Timers with channels and with functions, tickers, sleeping, durations as text. Go's sleep_test.go and tick_test.go, and
// of time_test.go what is about durations, case by case: docs/go-tests.md says which is where.
// timeout: 300
#include "support.h"

#include <stdatomic.h>

#define MS BW_MILLISECOND
#define LONG (30 * BW_SECOND) // by then it has happened, however busy the machine is

static bool panics_with(bw_any e, const char *text) {
    bw_string message =
        bw_is_runtime_error(e) ? bw_error_text(bw_assert_type(bw_error, e)) : bw_assert_type(bw_string, e);
    return bw_str_eq(message, bw_string_of(text));
}

// --- a timer of either kind: with a channel of its own, or with a function that sends to one ---

static void send_now(bw_chan(int64_t) c) {
    bw_send(c, bw_now());
}
struct timed {
    bw_timer *timer;
    bw_chan(int64_t) c;
};
static struct timed with_channel(int64_t ns) {
    bw_timer *timer = bw_new_timer(ns);
    return (struct timed){timer, timer->c};
}
static struct timed with_function(int64_t ns) {
    bw_chan(int64_t) c = bw_make_chan(int64_t, 1);
    return (struct timed){bw_after_func(ns, send_now, c), c};
}
static struct timed (*const kinds[])(int64_t) = {with_channel, with_function};

static bool try_recv(bw_chan(int64_t) c, int64_t *when) {
    bw_select {
        bw_on_recv(c, v) {
            *when = v;
            return true;
        }
        bw_default return false;
    }
    return false;
}
static bool ticks(bw_chan(int64_t) c) {
    int64_t when;
    return try_recv(c, &when);
}
static void recv_soon(bw_chan(int64_t) c) {
    bw_select {
        bw_on_recv(c, v) CHECK(v <= bw_now());
        bw_on_recv(bw_after(LONG), v) CHECK(false, "nothing was sent for so long: %lld", (long long)v);
    }
}
static void wait_done(bw_chan(bool) done, int count) {
    for (int i = 0; i < count; i++)
        bw_select {
            bw_on_recv(done, ok) CHECK(ok);
            bw_on_recv(bw_after(LONG), v) CHECK(false, "%d of %d are done, at %lld", i, count, (long long)v);
        }
}

// --- sleeping ---

static void sleeps(bw_chan(bool) done) {
    static const int64_t lengths[] = {INT64_MIN, -1, 0, 1, 1000, 50000, MS, 20 * MS};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        int64_t before = bw_now();
        bw_sleep(lengths[i]);
        int64_t length = bw_now() - before;
        CHECK(length >= lengths[i] && length < LONG, "%lld %lld", (long long)lengths[i], (long long)length);
    }
    if (done)
        bw_send(done, true);
}
static void *sleeps_in_thread(void *argument) {
    sleeps(NULL);
    return argument;
}
static void test_sleep(void **state) {
    (void)state;
    bw_chan(bool) done = bw_make_chan(bool, 0);
    sleeps(NULL);
    in_thread(sleeps_in_thread, NULL);
    for (int i = 0; i < 50; i++)
        bw_go(sleeps, done);
    wait_done(done, 50);
}

static void collects(bw_chan(bool) done) {
    for (size_t i = 0; i < effort(100); i++)
        bw_gc();
    bw_send(done, true);
}
static void test_sleep_zero(void **state) {
    (void)state;
    bw_chan(bool) done = bw_make_chan(bool, 0);
    bw_go(collects, done);
    for (int i = 0; i < 100; i++) {
        bw_sleep(0);
        bw_chan(bool) c = bw_make_chan(bool, 1);
        bw_send(c, true);
        bw_recv(c);
    }
    wait_done(done, 1);
}

static void sleeps_for_ever(int64_t ns) {
    bw_sleep(ns);
    CHECK(false, "the sleep is over");
}
static void test_overflow(void **state) {
    (void)state;
    bw_go(sleeps_for_ever, INT64_MAX);
    bw_go(sleeps_for_ever, INT64_MAX - bw_now());
    bw_select {
        bw_on_recv(bw_after(INT64_MAX), v) CHECK(false, "%lld", (long long)v);
        bw_on_recv(bw_after(25 * MS), v) CHECK(v > 0);
    }
    bw_sleep(INT64_MIN);
    recv_soon(bw_after(INT64_MIN));
}

// --- functions ---

static void again(int left, bw_chan(bool) done) {
    if (left == 0) {
        bw_send(done, true);
        return;
    }
    bw_after_func(0, again, left - 1, done);
    bw_sleep(BW_SECOND);
}
static void test_after_func(void **state) {
    (void)state;
    bw_chan(bool) done = bw_make_chan(bool, 0);
    again(10, done);
    wait_done(done, 1);
}

BW_STRUCT(item, (struct item *, next), (uint64_t, value));
static void check_arguments(bw_chan(bool) done, const item *list, double x, int a, int b, int c, int d, int e, int f) {
    int length = 0;
    for (; list; list = list->next)
        CHECK(list->value == 77 + (uint64_t)length++);
    bw_send(done, length == 20 && x == 2.5 && a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6);
}
static NOINLINE bw_timer *start_with_list(int64_t ns, bw_chan(bool) done) {
    item *list = NULL;
    for (uint64_t i = 20; i-- > 0;) {
        item *more = bw_new(item);
        *more = (item){list, 77 + i};
        list = more;
    }
    return bw_after_func(ns, check_arguments, done, list, 2.5, 1, 2, 3, 4, 5, 6);
}
// What a pending call refers to is alive, also when nobody refers to the timer, and after a first call.
static void test_arguments_live(void **state) {
    (void)state;
    bw_chan(bool) done = bw_make_chan(bool, 0);
    for (int i = 0; i < 5; i++) {
        start_with_list(20 * MS, done);
        clear_and_collect();
        wait_done(done, 1);
        bw_timer *timer = start_with_list(BW_HOUR, done);
        clear_and_collect();
        CHECK(bw_timer_reset(timer, 1));
        wait_done(done, 1);
        clear_and_collect();
        CHECK(!bw_timer_reset(timer, MS));
        wait_done(done, 1);
        CHECK(!bw_timer_stop(timer));
    }
}

static void sends_until(atomic_bool *stop, bw_chan(bool) c) {
    while (!atomic_load(stop))
        bw_send(c, true);
    bw_close(c);
}
static void receives_all(bw_chan(bool) c, bw_chan(bool) done) {
    bw_chan_range(ok, c) CHECK(ok);
    bw_send(done, true);
}
static void set_flag(atomic_bool *flag) {
    atomic_store(flag, true);
}
static void starvation(void) {
    atomic_bool *stop = bw_alloc(sizeof *stop);
    bw_chan(bool) c = bw_make_chan(bool, 1), done = bw_make_chan(bool, 0);
    bw_go(sends_until, stop, c);
    bw_go(receives_all, c, done);
    bw_after_func(BW_MICROSECOND, set_flag, stop);
    CHECK(bw_recv(done));
}
static void test_starvation(void **state) {
    (void)state;
    static const char *const one[] = {"GOMAXPROCS=1", NULL}, *const two[] = {"GOMAXPROCS=2", NULL};
    assert_succeeded("starvation", one, NULL);
    assert_succeeded("starvation", two, NULL);
}

// --- after ---

static void test_after(void **state) {
    (void)state;
    int64_t begin = bw_now(), end = bw_recv(bw_after(100 * MS));
    CHECK(bw_now() - begin >= 100 * MS && end - begin >= 100 * MS && end <= bw_now());
    begin = bw_now();
    for (int i = 0; i < 10; i++)
        bw_recv(bw_after(10 * MS));
    CHECK(bw_now() - begin >= 100 * MS);
}

// The time received is that when it was due, however late somebody asks.
static void test_times(void **state) {
    (void)state;
    int64_t begin = bw_now();
    bw_chan(int64_t) once = bw_after(10 * MS), often = bw_tick(10 * MS);
    int64_t made = bw_now();
    bw_sleep(100 * MS);
    int64_t when = bw_recv(once), first = bw_recv(often), second = bw_recv(often);
    CHECK(when >= begin + 10 * MS && when <= made + 10 * MS);
    CHECK(first >= begin + 10 * MS && first <= made + 10 * MS);
    CHECK(second >= begin + 100 * MS && (second - first) % (10 * MS) == 0);
}

static void stop_before(struct timed (*make)(int64_t)) {
    struct timed a = make(BW_HOUR);
    bw_chan(int64_t) c = bw_make_chan(int64_t, 1);
    bw_timer *b = bw_after_func(BW_HOUR, send_now, c);
    CHECK(bw_timer_stop(a.timer) && bw_timer_stop(b));
    CHECK(!bw_timer_stop(a.timer) && !bw_timer_stop(b));
    CHECK(!bw_timer_reset(a.timer, 20 * MS) && !bw_timer_reset(b, 20 * MS));
    bool stopped = bw_timer_stop(a.timer), other = bw_timer_stop(b); // false only if 20 ms have passed
    bw_sleep(60 * MS);
    CHECK(ticks(a.c) == !stopped || make == with_channel);
    CHECK(ticks(c) == !other);
    CHECK(!ticks(a.c));
    CHECK(!bw_timer_stop(a.timer) && !bw_timer_stop(b));
}
static void test_stop(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        stop_before(kinds[i]);
}

static void is_not_stopped(int i) {
    CHECK(false, "timer %d was not stopped", i);
}
static void stops_own(int i, bw_chan(bool) done) {
    bw_timer *timer = bw_after_func(LONG, is_not_stopped, i);
    bw_sleep(50 * MS);
    bw_send(done, bw_timer_stop(timer));
}
static void test_stop_stress(void **state) {
    (void)state;
    bw_chan(bool) done = bw_make_chan(bool, 0);
    for (int i = 0; i < 100; i++)
        bw_go(stops_own, i, done);
    wait_done(done, 100);
}

// --- in what order ---

struct queuing {
    struct {
        int slot;
        int64_t when;
    } arrived[13];
    _Atomic int count;
};
static void await(struct queuing *queuing, int slot, bw_chan(int64_t) c, bw_chan(bool) done) {
    int64_t when = bw_recv(c);
    int at = atomic_fetch_add(&queuing->count, 1);
    queuing->arrived[at].slot = slot;
    queuing->arrived[at].when = when;
    bw_send(done, true);
}
static void queue_up(struct timed (*make)(int64_t), int64_t delta) {
    static const int slots[] = {5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0};
    struct queuing *queuing = bw_alloc(sizeof *queuing);
    bw_chan(bool) done = bw_make_chan(bool, COUNT_OF(slots));
    int64_t begin = bw_now();
    for (size_t i = 0; i < COUNT_OF(slots); i++)
        bw_go(await, queuing, slots[i], make(slots[i] * delta).c, done);
    wait_done(done, COUNT_OF(slots));
    for (size_t i = 0; i < COUNT_OF(slots); i++) {
        int64_t when = queuing->arrived[i].when, due = begin + queuing->arrived[i].slot * delta;
        CHECK(when >= due && when < due + LONG);
        // By the times at which they were due these never are out of order.
        for (size_t j = 0; make == with_channel && j < i; j++)
            CHECK((queuing->arrived[j].slot < queuing->arrived[i].slot) == (queuing->arrived[j].when < when) ||
                  queuing->arrived[j].slot == queuing->arrived[i].slot);
    }
}
static void test_queuing(void **state) {
    (void)state;
    queue_up(with_channel, 20 * MS);
    queue_up(with_function, 20 * MS);
}

// --- reset ---

static void test_reset(void **state) {
    (void)state;
    bw_timer *timer = bw_new_timer(BW_HOUR);
    int64_t begin = bw_now();
    CHECK(bw_timer_reset(timer, 60 * MS));
    int64_t set = bw_now();
    while (bw_now() < begin + 50 * MS) {
        bw_sleep(10 * MS);
        bool early = ticks(timer->c);
        CHECK(!early || bw_now() >= begin + 60 * MS);
        if (early)
            return; // the machine was too busy for the rest to say anything
    }
    int64_t when = bw_recv(timer->c);
    CHECK(when >= begin + 60 * MS && when <= set + 60 * MS);
    CHECK(!bw_timer_reset(timer, 50 * MS));
    CHECK(bw_timer_reset(timer, BW_HOUR));
    bw_sleep(70 * MS);
    CHECK(!ticks(timer->c));
}

// Moving a timer to the past again and again does not lose it.
static void test_modified_earlier(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(300); i++) {
        struct timed timed = with_function(BW_HOUR);
        for (int j = 0; j < 10; j++) {
            if (!bw_timer_stop(timed.timer))
                bw_recv(timed.c);
            bw_timer_reset(timed.timer, -bw_now());
        }
        recv_soon(timed.c);
    }
}

static void test_adjust(void **state) {
    (void)state;
    enum { COUNT = 100 };
    struct timed timers[COUNT];
    int states[COUNT] = {0}, left[COUNT], count = COUNT;
    struct random random = {check_seed = 47762};
    for (int i = 0; i < COUNT; i++)
        left[i] = i;
    while (count > 0) {
        size_t at = random_below(&random, (size_t)count);
        int i = left[at];
        struct timed *timed = &timers[i];
        switch (states[i]++) {
        case 0: *timed = with_function(0); break;
        case 1: recv_soon(timed->c); break;
        case 2:
        case 4:
        case 6: CHECK(!bw_timer_reset(timed->timer, (int64_t)(1 + random_below(&random, 3)) * BW_HOUR)); break;
        case 3:
        case 5:
        case 7: CHECK(bw_timer_stop(timed->timer)); break;
        case 8: CHECK(!bw_timer_reset(timed->timer, 0)); break;
        case 9: recv_soon(timed->c); break;
        default: left[at] = left[--count];
        }
    }
}

static void test_zero(void **state) {
    (void)state;
    struct timed kept = with_function(BW_HOUR);
    for (size_t i = 0; i < effort(20000); i++) {
        recv_soon(with_channel(0).c);
        if (i % 10 == 0)
            recv_soon(with_function(0).c);
        if (i % 10 == 5) {
            bw_timer_reset(kept.timer, 0);
            recv_soon(kept.c);
        }
    }
}

// Whoever stops a timer is told whether there is a value to be received.
static void races_with_stop(size_t rounds, bool stops, bw_chan(bool) done) {
    for (size_t i = 0; i < rounds; i++) {
        bw_timer *a = bw_new_timer(MS), *b = bw_new_timer(MS), *other = NULL;
        bw_select {
            bw_on_recv(a->c, v) other = v ? b : NULL;
            bw_on_recv(b->c, v) other = v ? a : NULL;
        }
        if (!(stops ? bw_timer_stop(other) : bw_timer_reset(other, BW_HOUR)))
            recv_soon(other->c);
    }
    bw_send(done, true);
}
static void test_stop_result(void **state) {
    (void)state;
    int count = (int)effort(400);
    bw_chan(bool) done = bw_make_chan(bool, 0);
    for (int i = 0; i < count; i++)
        bw_go(races_with_stop, 50, i % 2 == 0, done);
    wait_done(done, count);
}

static void wakes_from_ticker(size_t rounds, bw_ticker *ticker, bw_chan(bool) done) {
    for (size_t i = 0; i < rounds; i++)
        bw_select {
            bw_on_recv(ticker->c, v) CHECK(v > 0);
            bw_on_recv(bw_after(MS), v) CHECK(v > 0);
        }
    bw_send(done, true);
}
static void resets_again(size_t rounds, bw_timer *timer, bw_chan(bool) done) {
    for (size_t i = 0; i < rounds; i++) {
        ticks(timer->c);
        bw_timer_reset(timer, BW_NANOSECOND);
    }
    bw_send(done, true);
}
static void test_multi_wakeup(void **state) {
    (void)state;
    bw_chan(bool) done = bw_make_chan(bool, 0);
    bw_ticker *ticker = bw_new_ticker(BW_MICROSECOND);
    bw_timer *timer = bw_new_timer(BW_NANOSECOND);
    for (int i = 0; i < 4; i++) {
        bw_go(wakes_from_ticker, effort(20000), ticker, done);
        bw_go(resets_again, effort(10000), timer, done);
    }
    wait_done(done, 8);
}

// --- tickers ---

static void test_ticker(void **state) {
    (void)state;
    int64_t begin = bw_now(), before = 0;
    bw_ticker *ticker = bw_new_ticker(10 * MS);
    for (int i = 0; i < 10; i++) {
        int64_t when = bw_recv(ticker->c);
        CHECK(when >= begin + (i + 1) * 10 * MS && when <= bw_now());
        CHECK(i == 0 || (when > before && (when - before) % (10 * MS) == 0));
        before = when;
    }
    int64_t again = bw_now();
    bw_ticker_reset(ticker, 20 * MS);
    for (int i = 0; i < 5; i++)
        CHECK(bw_recv(ticker->c) >= again + (i + 1) * 20 * MS);
    bw_ticker_stop(ticker);
    bw_sleep(50 * MS);
    CHECK(!ticks(ticker->c));
    // Who comes late finds one tick, not all of them.
    bw_ticker_reset(ticker, MS);
    bw_sleep(50 * MS);
    CHECK(ticks(ticker->c));
    bw_ticker_reset(ticker, BW_HOUR);
    CHECK(!ticks(ticker->c));
    bw_ticker_stop(ticker);
    bw_ticker_stop(ticker);
}

static void collects_until(atomic_bool *stop, bw_chan(bool) done) {
    while (!atomic_load(stop)) {
        bw_gc();
        bw_sleep(BW_NANOSECOND);
    }
    bw_send(done, true);
}
static void takes_ticks(bw_ticker *ticker, int count, bw_chan(bool) done) {
    for (int i = 0; i < count; i++)
        bw_recv(ticker->c);
    bw_send(done, true);
}
static void test_ticker_stress(void **state) {
    (void)state;
    atomic_bool *stop = bw_alloc(sizeof *stop);
    bw_chan(bool) done = bw_make_chan(bool, 0), ended = bw_make_chan(bool, 0);
    bw_go(collects_until, stop, ended);
    bw_ticker *ticker = bw_new_ticker(1);
    for (int i = 0; i < 100; i++)
        bw_recv(ticker->c);
    for (int i = 0; i < 10; i++)
        bw_go(takes_ticks, ticker, 100, done);
    wait_done(done, 10);
    bw_ticker_stop(ticker);
    atomic_store(stop, true);
    wait_done(ended, 1);
}

static void test_teardown(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        bw_ticker *ticker = bw_new_ticker(20 * MS);
        bw_recv(ticker->c);
        bw_ticker_stop(ticker);
    }
}

// --- misuse ---

static void new_ticker(int64_t ns) {
    bw_ticker *ticker = bw_new_ticker(ns);
    bw_ticker_stop(ticker);
}
static void stops(bw_timer *timer) {
    bw_timer_stop(timer);
}
static void resets(bw_timer *timer) {
    bw_timer_reset(timer, 1);
}
static void resets_ticker(bw_ticker *ticker, int64_t ns) {
    bw_ticker_reset(ticker, ns);
}
static void test_misuse(void **state) {
    (void)state;
    bw_timer timer = {0};
    bw_ticker ticker = {bw_make_chan(int64_t, 1), NULL}, *made = bw_new_ticker(BW_HOUR);
    CHECK(panics_with(bw_protect(new_ticker, 0), "non-positive interval for NewTicker"));
    CHECK(panics_with(bw_protect(new_ticker, -1), "non-positive interval for NewTicker"));
    CHECK(panics_with(bw_protect(resets_ticker, made, 0), "non-positive interval for Ticker.Reset"));
    CHECK(panics_with(bw_protect(resets_ticker, &ticker, 1), "time: Reset called on uninitialized Ticker"));
    CHECK(panics_with(bw_protect(stops, &timer), "time: Stop called on uninitialized Timer"));
    CHECK(panics_with(bw_protect(resets, &timer), "time: Reset called on uninitialized Timer"));
    bw_ticker_stop(&ticker);
    CHECK(bw_tick(0) == NULL && bw_tick(-1) == NULL);
    bw_ticker_stop(made);
}
// What faults within bw_timer_stop leaves no lock behind.
static void child_stops_null(void) {
    bw_ticker *ticker = bw_new_ticker(BW_HOUR);
    CHECK(bw_is_runtime_error(bw_protect(stops, (bw_timer *)NULL)));
    bw_ticker_stop(ticker);
}
static void test_null(void **state) {
    (void)state;
    if (!UNDER_SANITIZER)
        assert_succeeded("stops null", NULL, NULL);
}
static void child_calls_nothing(void) {
    void (*volatile nothing)(int) = NULL;
    bw_after_func(1, nothing, 1);
    bw_sleep(LONG);
}
static void test_no_function(void **state) {
    (void)state;
    assert_died("calls nothing", "fatal error: go of nil func value");
}

// --- what can be seen of the channel ---

struct adjustable { // Go's test treats both alike
    bw_timer *timer;
    bw_ticker *ticker;
    bw_chan(int64_t) c;
    bool stopped;
};
static bool stop(struct adjustable *t) {
    if (t->timer)
        return bw_timer_stop(t->timer);
    bool pending = !t->stopped;
    t->stopped = true;
    bw_ticker_stop(t->ticker);
    return pending;
}
static bool reset(struct adjustable *t, int64_t ns) {
    if (t->timer)
        return bw_timer_reset(t->timer, ns);
    bool pending = !t->stopped;
    t->stopped = false;
    bw_ticker_reset(t->ticker, ns);
    return pending;
}
static void receives_one(bw_chan(int64_t) c, bw_chan(int) stop_it, bw_chan(bool) done, bw_chan(bool) ended) {
    bw_select {
        bw_on_recv(c, v) bw_send(done, v > 0);
        bw_on_recv(stop_it, v) CHECK(v == 0);
    }
    if (ended)
        bw_send(ended, true);
}
static bool try_done(bw_chan(bool) done) {
    bw_select {
        bw_on_recv(done, ok) return ok;
        bw_default return false;
    }
    return false;
}
#define SCHED (10 * MS)
static void channel(struct adjustable *t) {
    bool is_ticker = t->ticker != NULL;
    stop(t);
    CHECK(!ticks(t->c));
    reset(t, 10000 * BW_SECOND);
    CHECK(!ticks(t->c));
    reset(t, 1);
    bw_sleep(SCHED);
    CHECK(bw_chan_len(t->c) == 0 && bw_chan_cap(t->c) == 0);
    CHECK(ticks(t->c)); // it is due, so that looking finds it at once
    bw_sleep(SCHED);
    reset(t, 10000 * BW_SECOND);
    CHECK(!ticks(t->c));

    // While a goroutine waits: far away, farther, now.
    bw_chan(bool) done = bw_make_chan(bool, 2), ended = bw_make_chan(bool, 2);
    bw_chan(int) stop_it = bw_make_chan(int, 0), never = NULL;
    bw_go(receives_one, t->c, never, done, ended);
    bw_sleep(SCHED);
    CHECK(!try_done(done));
    CHECK(reset(t, 20000 * BW_SECOND));
    bw_sleep(SCHED);
    CHECK(!try_done(done));
    CHECK(reset(t, 1));
    wait_done(done, 1);
    wait_done(ended, 1);
    if (is_ticker)
        recv_soon(t->c);
    else
        CHECK(!ticks(t->c));
    stop(t);
    CHECK(!ticks(t->c));

    // Two that wait, of which one gets it.
    reset(t, 10000 * BW_SECOND);
    bw_go(receives_one, t->c, stop_it, done, ended);
    bw_go(receives_one, t->c, stop_it, done, ended);
    bw_sleep(SCHED);
    CHECK(!try_done(done));
    reset(t, SCHED / 2);
    wait_done(done, 1);
    stop(t);
    bw_close(stop_it);
    wait_done(ended, 2);
    bool second = try_done(done);
    CHECK(!second || is_ticker);
    CHECK(!ticks(t->c));

    // Two that wait for one that is stopped.
    stop_it = bw_make_chan(int, 0);
    bw_go(receives_one, t->c, stop_it, done, ended);
    bw_go(receives_one, t->c, stop_it, done, ended);
    bw_sleep(SCHED);
    bw_close(stop_it);
    wait_done(ended, 2);
    CHECK(!try_done(done));

    // No old value after stopping and setting.
    reset(t, 1);
    bw_sleep(SCHED);
    CHECK(stop(t));
    CHECK(!ticks(t->c));
    reset(t, BW_HOUR);
    CHECK(!ticks(t->c));
    CHECK(reset(t, 1));
    recv_soon(t->c);
    bw_sleep(SCHED);
    CHECK(ticks(t->c) == is_ticker);
    CHECK(reset(t, BW_HOUR) == is_ticker);
    CHECK(!ticks(t->c));
    stop(t);
}
static void test_channel(void **state) {
    (void)state;
    struct adjustable timer = {.timer = bw_new_timer(10000 * BW_SECOND)};
    struct adjustable ticker = {.ticker = bw_new_ticker(10000 * BW_SECOND)};
    timer.c = timer.timer->c;
    ticker.c = ticker.ticker->c;
    channel(&timer);
    channel(&ticker);
}

// A program may send to such a channel, and close it.
static void test_own_values(void **state) {
    (void)state;
    bw_timer *timer = bw_new_timer(MS);
    bw_send(timer->c, 5);
    bw_sleep(5 * MS);
    CHECK(bw_recv(timer->c) == 5);
    CHECK(!ticks(timer->c));
    bw_timer_reset(timer, 10 * MS);
    bw_close(timer->c);
    int64_t v;
    CHECK(!bw_recv_ok(timer->c, &v));
    bw_sleep(20 * MS);
    CHECK(!bw_recv_ok(timer->c, &v));
    CHECK(bw_timer_stop(timer));
}

// --- collected, though not stopped ---

static void make_after(void) {
    bw_after(BW_HOUR);
}
static void make_tick(void) {
    bw_tick(BW_HOUR);
}
static void make_timer(void) {
    bw_keep_alive(bw_new_timer(BW_HOUR));
}
static void make_ticker(void) {
    bw_keep_alive(bw_new_ticker(BW_HOUR));
}
static void make_stopped(void) {
    bw_timer_stop(bw_new_timer(BW_HOUR));
    bw_ticker_stop(bw_new_ticker(BW_HOUR));
}
static void make_waited(void) { // somebody did wait on it
    bw_select {
        bw_on_recv(bw_after(BW_HOUR), v) CHECK(v < 0);
        bw_on_recv(bw_after(1), v) CHECK(v > 0);
    }
}
static void make_function(void) {
    CHECK(bw_timer_stop(bw_after_func(BW_HOUR, make_after)));
}
static void *make_many(void *make) {
    for (size_t i = 0; i < effort(10000); i++)
        ((void (*)(void))(uintptr_t)make)();
    return NULL;
}
static void test_collected(void **state) {
    (void)state;
    static void (*const makers[])(void) = {make_after,   make_tick,   make_timer,   make_ticker,
                                           make_stopped, make_waited, make_function};
    for (size_t i = 0; i < COUNT_OF(makers); i++) {
        collect_clean();
        uint64_t before = live_objects();
        in_thread(make_many, (void *)(uintptr_t)makers[i]);
        collect_clean();
        uint64_t after = live_objects();
        CHECK(after < before + effort(10000) / 10 + 100, "%zu: %llu objects are left", i,
              (unsigned long long)(after - before));
    }
}

// One that somebody waits on lives.
static void waits_on_timer(int64_t ns, bw_chan(bool) done) {
    bw_recv(bw_after(ns));
    bw_select {
        bw_on_recv(bw_tick(ns), v) CHECK(v > 0);
    }
    bw_send(done, true);
}
static void test_waited_on(void **state) {
    (void)state;
    bw_chan(bool) done = bw_make_chan(bool, 0);
    for (int i = 0; i < 200; i++)
        bw_go(waits_on_timer, (20 + i % 30) * MS, done);
    for (int i = 0; i < 10; i++) {
        clear_and_collect();
        bw_sleep(5 * MS);
    }
    wait_done(done, 200);
}

// --- under load ---

// Many that are due at once: no more of them become goroutines than will soon run, though whoever starts them does not
// wait meanwhile.
static _Atomic int most_goroutines;
static void look_how_many(bw_waitgroup *group) {
    int now = bw_num_goroutine(), before = atomic_load(&most_goroutines);
    while (before < now && !atomic_compare_exchange_weak(&most_goroutines, &before, now)) {}
    bw_waitgroup_done(group);
}
static void start_many(bw_waitgroup *group, int count) {
    bw_waitgroup_add(group, count);
    for (int i = 0; i < count; i++)
        bw_after_func(0, look_how_many, group);
    bw_waitgroup_done(group);
}
static void test_many_due(void **state) {
    (void)state;
    // The thread sanitizer has a record of each that there is, 8128 at most, and is too slow for the limit to mean anything.
    enum { MANY = UNDER_SANITIZER ? 5000 : 100000, MOST = UNDER_SANITIZER ? MANY + 1 : MANY / 10 };
    bw_waitgroup *group = bw_new(bw_waitgroup);
    atomic_store(&most_goroutines, 0);
    bw_waitgroup_add(group, 1);
    bw_go(start_many, group, (int)MANY);
    bw_waitgroup_wait(group);
    assert_in_range(atomic_load(&most_goroutines), 1, MOST);
}

// A call that waits for its time keeps alive what its arguments refer to, and not what else was in registers.
static void take_one(void *object) {
    (void)object;
}
static bool holds(const void *object, uintptr_t word) {
    const uintptr_t *words = object;
    for (size_t i = 0; i < bw_size(object) / sizeof word; i++)
        if (words[i] == word)
            return true;
    return false;
}
static void test_kept(void **state) {
    (void)state;
    enum { INTEGER = 9, VECTOR = 8 };
    for (int which = 0; which < INTEGER + VECTOR; which++) {
        struct {
            bw__call call;
            uintptr_t stack[BW__STACK_WORDS(NULL)];
        } record;
        void *object = bw_alloc(64);
        BW__CALL_STORE(call_type, call_result, &record.call, take_one, NULL);
        memset(record.call.integer, 0, sizeof record.call.integer);
        memset(record.call.vector, 0, sizeof record.call.vector);
        memset(record.stack, 0, sizeof record.stack);
        if (which < INTEGER)
            record.call.integer[which] = (uintptr_t)object;
        else
            record.call.vector[which - INTEGER][1] = (uintptr_t)object;
        bw_timer *timer = bw__after_func(BW_HOUR, &record.call, BW__REGISTER_WORDS(object));
        bool is_argument = which == 0 || which == INTEGER;
        if (holds(timer->bw__alarm, (uintptr_t)object) != is_argument)
            fail_msg("register %d keeps %s", which, is_argument ? "nothing" : "what is left in it");
        bw_timer_stop(timer);
    }
}

struct job {
    int number;
};
static void queues(bw_chan(struct job *) in, bw_chan(struct job *) out) {
    struct job *waiting[64];
    size_t first = 0, count = 0;
    for (;;) {
        bw_chan(struct job *) to = count ? out : NULL, from = count < COUNT_OF(waiting) ? in : NULL;
        bw_select {
            bw_on_send(to, waiting[first % COUNT_OF(waiting)]) {
                first++;
                count--;
            }
            bw_on_recv_ok(from, job, ok) {
                if (!ok)
                    return;
                waiting[(first + count++) % COUNT_OF(waiting)] = job;
            }
        }
    }
}
static void sleeps_once(int64_t ns, bw_chan(bool) done) {
    bw_sleep(ns);
    bw_send(done, true);
}
static void test_long_adjust(void **state) {
    (void)state;
    int count = (int)effort(5000);
    bw_chan(bool) done = bw_make_chan(bool, count);
    for (int i = 0; i < count; i++)
        bw_go(sleeps_once, 10 * BW_MICROSECOND, done);
    for (int i = 0; i < count; i++)
        bw_sleep(BW_MICROSECOND);
    bw_chan(struct job *) in = bw_make_chan(struct job *, 0), out = bw_make_chan(struct job *, 0);
    bw_go(queues, in, out);
    for (size_t i = 0; i < effort(2500); i++) {
        for (int j = 0; j < 20; j++) {
            struct job *job = bw_new(struct job);
            job->number = j;
            bw_send(in, job);
        }
        for (int j = 0; j < 20; j++)
            bw_select {
                bw_on_recv(out, job) CHECK(job->number == j);
                bw_on_recv(bw_after(LONG), v) CHECK(false, "round %zu, %lld", i, (long long)v);
            }
    }
    bw_close(in);
    wait_done(done, count);
}

// --- durations as text ---

static void test_format(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {{"0s", 0},
                 {"1ns", 1},
                 {"1.1µs", 1100},
                 {"2.2ms", 2200 * BW_MICROSECOND},
                 {"3.3s", 3300 * MS},
                 {"4m5s", 4 * BW_MINUTE + 5 * BW_SECOND},
                 {"4m5.001s", 4 * BW_MINUTE + 5001 * MS},
                 {"5h6m7.001s", 5 * BW_HOUR + 6 * BW_MINUTE + 7001 * MS},
                 {"8m0.000000001s", 8 * BW_MINUTE + 1},
                 {"1h0m0s", BW_HOUR},
                 {"1h15m30.918s", BW_HOUR + 15 * BW_MINUTE + 30918 * MS},
                 {"999.999999ms", 999999999},
                 {"2562047h47m16.854775807s", INT64_MAX},
                 {"-2562047h47m16.854775808s", INT64_MIN}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bw_string text = bw_format_duration(cases[i].ns);
        CHECK(bw_str_eq(text, bw_string_of(cases[i].text)), "%.*s", (int)text.len, text.ptr);
        if (cases[i].ns > 0)
            CHECK(bw_str_eq(bw_format_duration(-cases[i].ns), bw_concat("-", cases[i].text)));
        int64_t back = 1;
        CHECK(bw_is_nil(bw_parse_duration(text, &back)) && back == cases[i].ns);
    }
    struct random random = {check_seed = 48629};
    for (int i = 0; i < 10000; i++) {
        int64_t ns = (int64_t)(random_next(&random) >> random_below(&random, 64)), back;
        ns = i % 2 ? ns : -ns;
        CHECK(bw_is_nil(bw_parse_duration(bw_format_duration(ns), &back)) && back == ns, "%lld", (long long)ns);
    }
}

static void test_parse(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {{"0", 0},
                 {"5s", 5 * BW_SECOND},
                 {"30s", 30 * BW_SECOND},
                 {"1478s", 1478 * BW_SECOND},
                 {"-5s", -5 * BW_SECOND},
                 {"+5s", 5 * BW_SECOND},
                 {"-0", 0},
                 {"+0", 0},
                 {"5.0s", 5 * BW_SECOND},
                 {"5.6s", 5600 * MS},
                 {"5.s", 5 * BW_SECOND},
                 {".5s", 500 * MS},
                 {"1.0s", BW_SECOND},
                 {"1.00s", BW_SECOND},
                 {"1.004s", 1004 * MS},
                 {"1.0040s", 1004 * MS},
                 {"100.00100s", 100001 * MS},
                 {"10ns", 10},
                 {"11us", 11000},
                 {"12\xc2\xb5s", 12000},
                 {"12\xce\xbcs", 12000},
                 {"13ms", 13 * MS},
                 {"14s", 14 * BW_SECOND},
                 {"15m", 15 * BW_MINUTE},
                 {"16h", 16 * BW_HOUR},
                 {"3h30m", 210 * BW_MINUTE},
                 {"10.5s4m", 4 * BW_MINUTE + 10500 * MS},
                 {"-2m3.4s", -(2 * BW_MINUTE + 3400 * MS)},
                 {"1h2m3s4ms5us6ns", BW_HOUR + 2 * BW_MINUTE + 3 * BW_SECOND + 4 * MS + 5006},
                 {"39h9m14.425s", 39 * BW_HOUR + 9 * BW_MINUTE + 14425 * MS},
                 {"52763797000ns", 52763797000},
                 {"0.3333333333333333333h", 20 * BW_MINUTE},
                 {"9007199254740993ns", ((int64_t)1 << 53) + 1},
                 {"9223372036854775807ns", INT64_MAX},
                 {"9223372036854775.807us", INT64_MAX},
                 {"9223372036s854ms775us807ns", INT64_MAX},
                 {"-9223372036854775808ns", INT64_MIN},
                 {"-9223372036854775.808us", INT64_MIN},
                 {"-9223372036s854ms775us808ns", INT64_MIN},
                 {"-2562047h47m16.854775808s", INT64_MIN},
                 {"0.100000000000000000000h", 6 * BW_MINUTE},
                 {"0.830103483285477580700h", 49 * BW_MINUTE + 48 * BW_SECOND + 372539827}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ns = 1;
        bw_error err = bw_parse_duration(cases[i].text, &ns);
        CHECK(bw_is_nil(err) && ns == cases[i].ns, "%s %lld", cases[i].text, (long long)ns);
    }
    static const struct {
        const char *text, *error;
    } wrong[] = {{"", "invalid duration \"\""},
                 {"3", "missing unit in duration \"3\""},
                 {"-", "invalid duration \"-\""},
                 {"s", "invalid duration \"s\""},
                 {".", "invalid duration \".\""},
                 {"-.", "invalid duration \"-.\""},
                 {".s", "invalid duration \".s\""},
                 {"+.s", "invalid duration \"+.s\""},
                 {"1d", "unknown unit \"d\" in duration \"1d\""},
                 {"\x85\x85", "invalid duration \"\\x85\\x85\""},
                 {"\xff"
                  "ff",
                  "invalid duration \"\\xffff\""},
                 {"hello \xff"
                  "ff world",
                  "invalid duration \"hello \\xffff world\""},
                 {"\xef\xbf\xbd", "invalid duration \"\\xef\\xbf\\xbd\""},
                 {"a\"b\\", "invalid duration \"a\\\"b\\\\\""},
                 {"9223372036854775810ns", "invalid duration \"9223372036854775810ns\""},
                 {"9223372036854775808ns", "invalid duration \"9223372036854775808ns\""},
                 {"-9223372036854775809ns", "invalid duration \"-9223372036854775809ns\""},
                 {"9223372036854776us", "invalid duration \"9223372036854776us\""},
                 {"3000000h", "invalid duration \"3000000h\""},
                 {"9223372036854775.808us", "invalid duration \"9223372036854775.808us\""},
                 {"9223372036854ms775us808ns", "invalid duration \"9223372036854ms775us808ns\""}};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        int64_t ns = 1;
        bw_error err = bw_parse_duration(wrong[i].text, &ns);
        bw_string text = bw_error_text(err);
        CHECK(ns == 0 && bw_str_eq(text, bw_concat("time: ", wrong[i].error)), "%s: %.*s", wrong[i].text, (int)text.len,
              text.ptr);
    }
}

int main(int argc, char **argv) {
    static const struct child children[] = {
        {"starvation", starvation}, {"stops null", child_stops_null}, {"calls nothing", child_calls_nothing}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_sleep_zero),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_after_func),
        cmocka_unit_test(test_arguments_live),
        cmocka_unit_test(test_starvation),
        cmocka_unit_test(test_after),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_stress),
        cmocka_unit_test(test_queuing),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_modified_earlier),
        cmocka_unit_test(test_adjust),
        cmocka_unit_test(test_zero),
        cmocka_unit_test(test_stop_result),
        cmocka_unit_test(test_multi_wakeup),
        cmocka_unit_test(test_ticker),
        cmocka_unit_test(test_ticker_stress),
        cmocka_unit_test(test_teardown),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_no_function),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_channel),
        cmocka_unit_test(test_own_values),
        cmocka_unit_test(test_collected),
        cmocka_unit_test(test_waited_on),
        cmocka_unit_test(test_many_due),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_long_adjust),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
