// Go's runtime/chan_test.go but for its selects (test_go_select.c) and what test_chan.c has already: docs/go-tests.md says
// which test is where. Written from reading Go's, not translated: what Go's tests check is checked here.
// timeout: 200
#include "support.h"

#include <stdatomic.h>

BW_STRUCT(item, (struct item *, next), (uint64_t, value));

static void spawn_wait(bw_chan(int) done, int count) {
    for (int i = 0; i < count; i++)
        CHECK(bw_recv(done) == 1);
}

// --- TestChan: for each capacity, who waits, what comes out, in which order ---

static void receive_one(bw_chan(int) c, _Atomic int *received, bool ok_form) {
    int value;
    if (ok_form)
        bw_recv_ok(c, &value);
    else
        value = bw_recv(c);
    atomic_fetch_add(received, 1);
}
static void empty_waits(ptrdiff_t capacity) {
    bw_chan(int) c = bw_make_chan(int, capacity);
    _Atomic int *received = bw_new(_Atomic int);
    bw_go(receive_one, c, received, false);
    bw_go(receive_one, c, received, true);
    sleep_ms(1);
    CHECK(atomic_load(received) == 0, "capacity %td", capacity);
    bw_select {
        bw_on_recv(c, v) CHECK(false, "received %d from an empty channel", v);
        bw_default {}
    }
    bw_select {
        bw_on_recv_ok(c, v, ok) CHECK(false, "received %d %d from an empty channel", v, ok);
        bw_default {}
    }
    bw_send(c, 0);
    bw_send(c, 0);
}

static void send_one(bw_chan(int) c, _Atomic int *sent) {
    bw_send(c, -1);
    atomic_store(sent, 1);
}
static void full_waits(ptrdiff_t capacity) {
    bw_chan(int) c = bw_make_chan(int, capacity);
    _Atomic int *sent = bw_new(_Atomic int);
    for (int i = 0; i < capacity; i++)
        bw_send(c, i);
    bw_go(send_one, c, sent);
    sleep_ms(1);
    CHECK(atomic_load(sent) == 0, "capacity %td", capacity);
    // With capacity 0 the goroutine may not have begun to wait: then this finds no receiver either.
    bw_select {
        bw_on_send(c, 0) CHECK(false, "sent to a full channel of %td", capacity);
        bw_default {}
    }
    CHECK(bw_recv(c) == (capacity ? 0 : -1));
}

static void drains_after_close(ptrdiff_t capacity) {
    bw_chan(int) c = bw_make_chan(int, capacity);
    for (int i = 0; i < capacity; i++)
        bw_send(c, i);
    CHECK(bw_chan_len(c) == capacity && bw_chan_cap(c) == capacity);
    bw_close(c);
    for (int i = 0; i < capacity; i++)
        CHECK(bw_recv(c) == i);
    int value = 1;
    CHECK(bw_recv(c) == 0 && !bw_recv_ok(c, &value) && value == 0);
    CHECK(bw_chan_len(c) == 0 && bw_chan_cap(c) == capacity);
}

static void expect_closed(bw_chan(int) c, bw_chan(bool) done) {
    int value = 1;
    bool ok = bw_recv_ok(c, &value);
    bw_send(done, !ok && value == 0);
}
static void close_wakes(ptrdiff_t capacity) {
    bw_chan(int) c = bw_make_chan(int, capacity);
    bw_chan(bool) done = bw_make_chan(bool, 0);
    bw_go(expect_closed, c, done);
    sleep_ms(1);
    bw_close(c);
    CHECK(bw_recv(done));
}

static void send_up_to(bw_chan(int) c, int count) {
    for (int i = 0; i < count; i++)
        bw_send(c, i);
}
enum { EACH = 1000, SENDERS = 4 };
static void count_values(bw_chan(int) c, bw_chan(int *) results) {
    int *counts = bw_alloc_noscan(EACH * sizeof *counts);
    for (int i = 0; i < EACH; i++)
        counts[bw_recv(c)]++;
    bw_send(results, counts);
}
static void keeps_order(ptrdiff_t capacity) {
    bw_chan(int) c = bw_make_chan(int, capacity);
    for (int form = 0; form < 2; form++) {
        bw_go(send_up_to, c, 100);
        for (int i = 0; i < 100; i++) {
            int value;
            if (form == 0)
                value = bw_recv(c);
            else
                CHECK(bw_recv_ok(c, &value));
            CHECK(value == i, "%d, not %d, capacity %td", value, i, capacity);
        }
    }
    bw_chan(int *) results = bw_make_chan(int *, 0);
    for (int p = 0; p < SENDERS; p++) {
        bw_go(send_up_to, c, EACH);
        bw_go(count_values, c, results);
    }
    int sums[EACH] = {0};
    for (int p = 0; p < SENDERS; p++) {
        const int *counts = bw_recv(results);
        for (int i = 0; i < EACH; i++)
            sums[i] += counts[i];
    }
    for (int i = 0; i < EACH; i++)
        CHECK(sums[i] == SENDERS, "%d came %d times, capacity %td", i, sums[i], capacity);
}

static void test_chan(void **state) {
    (void)state;
    int before = bw_gomaxprocs(4);
    for (ptrdiff_t capacity = 0; capacity < (ptrdiff_t)effort(100); capacity++) {
        empty_waits(capacity);
        full_waits(capacity);
        drains_after_close(capacity);
        close_wakes(capacity);
        keeps_order(capacity);
    }
    bw_gomaxprocs(before);
}

// --- TestNonblockRecvRace: a value that was there before the close is there for a receive that does not wait ---

static void receive_without_waiting(bw_chan(int) c, bw_chan(int) done) {
    int result = 0;
    bw_select {
        bw_on_recv_ok(c, v, ok) result = ok ? v == 1 : v == 0; // the other may have had it: then it is closed
        bw_default {}
    }
    bw_send(done, result);
}
static void test_nonblock_recv_race(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(10000); i++) {
        bw_chan(int) c = bw_make_chan(int, 1), done = bw_make_chan(int, 1);
        bw_send(c, 1);
        bw_go(receive_without_waiting, c, done);
        bw_close(c);
        bw_recv(c);
        spawn_wait(done, 1);
    }
}

// --- TestChanSendInterface ---

static void test_send_interface(void **state) {
    (void)state;
    bw_chan(bw_any) c = bw_make_chan(bw_any, 1);
    item *object = bw_new(item), *other = bw_new(item);
    bw_send(c, bw_any_as(item *, object));
    bw_select {
        bw_on_send(c, bw_any_as(item *, object)) CHECK(false);
        bw_default {}
    }
    bw_select {
        bw_on_send(c, bw_any_as(item *, object)) CHECK(false);
        bw_on_send(c, bw_any_as(item *, other)) CHECK(false);
        bw_default {}
    }
    bw_any got = bw_recv(c);
    CHECK(bw_is(item *, got) && bw_assert_type(item *, got) == object);
}

// --- TestMultiConsumer: every value passes through one of many who range over one channel, and the sum is right ---

enum { CONSUMERS = 23 };
static const int primes_to_send[] = {2, 3, 7, 11, 13, 17, 19, 23, 27, 31};
static void consume(bw_chan(int) from, bw_chan(int) to, bw_chan(int) ended, int number) {
    bw_chan_range(v, from) {
        if (primes_to_send[number % (int)COUNT_OF(primes_to_send)] == v)
            bw_yield();
        bw_send(to, v);
    }
    bw_send(ended, 1);
}
static void feed(bw_chan(int) work, bw_chan(int) results, bw_chan(int) ended, int count) {
    for (int i = 0; i < count; i++)
        bw_send(work, primes_to_send[i % (int)COUNT_OF(primes_to_send)]);
    bw_close(work);
    spawn_wait(ended, CONSUMERS);
    bw_close(results);
}
static void test_multi_consumer(void **state) {
    (void)state;
    int count = (int)effort(271828), seen = 0;
    long sum = 0, expected = 0;
    bw_chan(int) work = bw_make_chan(int, CONSUMERS * 3), results = bw_make_chan(int, CONSUMERS * 3);
    bw_chan(int) ended = bw_make_chan(int, 0);
    for (int i = 0; i < CONSUMERS; i++)
        bw_go(consume, work, results, ended, i);
    bw_go(feed, work, results, ended, count);
    bw_chan_range(v, results) {
        seen++;
        sum += v;
    }
    for (int i = 0; i < count; i++)
        expected += primes_to_send[i % (int)COUNT_OF(primes_to_send)];
    CHECK(seen == count && sum == expected, "%d of %d, %ld of %ld", seen, count, sum, expected);
}

// --- TestShrinkStackDuringBlockedSend, TestNoShrinkStackWhileParking: stacks do not shrink here; what is left of these is
// that a stack which was deep, and is searched while its owner waits or is just about to, keeps what the owner has ---

static NOINLINE int use_stack(int depth) {
    volatile char room[1024] = {0};
    room[depth] = 1;
    return depth == 0 ? 0 : use_stack(depth - 1) + room[depth];
}
static void send_and_dive(bw_chan(int) c, bw_chan(int) done) {
    item *object = bw_new(item);
    for (int i = 0; i < 10; i++) {
        object->value = (uint64_t)i;
        bw_send(c, (int)object->value);
        CHECK(use_stack(UNDER_SANITIZER ? 5 : 20) > 0 && object->value == (uint64_t)i && object->next == NULL);
    }
    bw_send(done, 1);
}
static void test_collection_during_blocked_send(void **state) {
    (void)state;
    bw_chan(int) c = bw_make_chan(int, 0), done = bw_make_chan(int, 0);
    bw_go(send_and_dive, c, done);
    for (int i = 0; i < 10; i++) {
        CHECK(bw_recv(c) == i);
        sleep_ms(1);
        bw_gc();
    }
    spawn_wait(done, 1);
}
static void receive_slowly(bw_chan(int) c, bw_chan(int) done) {
    for (int i = 0; i < 10; i++) {
        sleep_ms(0);
        CHECK(bw_recv(c) == i);
    }
    bw_send(done, 1);
}
static void test_collection_while_parking(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(200); i++) {
        bw_chan(int) c = bw_make_chan(int, 0), done = bw_make_chan(int, 0);
        bw_go(receive_slowly, c, done);
        bw_go(send_and_dive, c, done);
        sleep_ms(0);
        bw_gc();
        spawn_wait(done, 2);
    }
}

// --- the benchmarks that say something of correctness: one channel and a thousand of them, a closed one ---

static void count_from_either(bw_chan(bool) common, bw_chan(bool) own, bw_chan(int) done, int count) {
    for (int i = 0; i < count; i++)
        bw_select {
            bw_on_recv(common, v) CHECK(!v);
            bw_on_recv(own, v) CHECK(v);
        }
    bw_send(done, 1);
}
static void test_popular(void **state) { // BenchmarkChanPopular
    (void)state;
    enum { MOST = 1000 };
    int count = (int)effort(MOST), rounds = 10;
    bw_chan(bool) common = bw_make_chan(bool, 0);
    bw_chan(int) done = bw_make_chan(int, 0);
    bw_chan(bool) *own = bw_alloc(MOST * sizeof *own);
    for (int i = 0; i < count; i++) {
        own[i] = bw_make_chan(bool, 0);
        bw_go(count_from_either, common, own[i], done, rounds);
    }
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < count; i++)
            bw_send(own[i], true);
    spawn_wait(done, count);
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chan),
        cmocka_unit_test(test_nonblock_recv_race),
        cmocka_unit_test(test_send_interface),
        cmocka_unit_test(test_multi_consumer),
        cmocka_unit_test(test_collection_during_blocked_send),
        cmocka_unit_test(test_collection_while_parking),
        cmocka_unit_test(test_popular),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
