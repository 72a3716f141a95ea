// Channels: order, capacity, closing, waiting on either end, by goroutines and by threads; what is in them stays alive.
// Of Go's chan_test.go: TestChan, TestNonblockRecvRace, TestSelfSelect's simpler half, TestChanSendInterface,
// TestPseudoRandomSend's order, TestMultiConsumer, TestShrinkStackDuringBlockedSend's values.
// timeout: 200
#include "support.h"

#include <stdatomic.h>

BW_STRUCT(item, (struct item *, next), (uint64_t, value));
BW_STRUCT(triple, (bw_string, name), (item *, object), (int, n));

static bool panics_with(bw_any e, const char *text) {
    bw_string message =
        bw_is_runtime_error(e) ? bw_error_text(bw_assert_type(bw_error, e)) : bw_assert_type(bw_string, e);
    return bw_str_eq(message, bw_string_of(text));
}

// --- one goroutine ---

static void makes(ptrdiff_t n) {
    bw_chan(triple) c = bw_make_chan(triple, n);
    (void)c;
}
static void sends(bw_chan(int) c) {
    bw_send(c, 1);
}
static void closes(bw_chan(int) c) {
    bw_close(c);
}

static void test_alone(void **state) {
    (void)state;
    bw_chan(int) nil = NULL, c = bw_make_chan(int, 3);
    CHECK(bw_chan_len(nil) == 0 && bw_chan_cap(nil) == 0 && bw_chan_len(c) == 0 && bw_chan_cap(c) == 3);
    int value = 9;
    bool ok;
    CHECK(!bw__chan_try_recv((void *)nil, &value, &ok) && !bw__chan_try_send((void *)nil, &value));
    CHECK(!bw__chan_try_recv((void *)c, &value, &ok));
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            bw_send(c, 10 * round + i);
        CHECK(bw_chan_len(c) == 3);
        CHECK(!bw__chan_try_send((void *)c, &value));
        CHECK(bw_recv(c) == 10 * round);
        CHECK(bw__chan_try_send((void *)c, &value));
        CHECK(bw_recv(c) == 10 * round + 1 && bw_recv(c) == 10 * round + 2 && bw_recv(c) == 9);
    }
    bw_send(c, 4);
    bw_send(c, 5);
    bw_close(c);
    CHECK(bw_recv_ok(c, &value) && value == 4);
    CHECK(bw_recv(c) == 5);
    CHECK(!bw_recv_ok(c, &value) && value == 0);
    CHECK(bw_recv(c) == 0);
    CHECK(bw__chan_try_recv((void *)c, &value, &ok) && !ok);
    CHECK(panics_with(bw_protect(sends, c), "send on closed channel"));
    CHECK(panics_with(bw_protect(closes, c), "close of closed channel"));
    CHECK(panics_with(bw_protect(closes, nil), "close of nil channel"));
    CHECK(panics_with(bw_protect(makes, -1), "makechan: size out of range"));
    CHECK(panics_with(bw_protect(makes, PTRDIFF_MAX), "makechan: size out of range"));
}

// --- several ---

enum { PRODUCERS = 4, CONSUMERS = 3 };
struct load {
    size_t each;
    bw_chan(uint64_t) values;
    bw_chan(int) ended;
    _Atomic uint64_t sum, count;
};

static void produce(struct load *load, uint64_t number) {
    for (uint64_t i = 0; i < load->each; i++)
        bw_send(load->values, number << 32 | i);
    bw_send(load->ended, 1);
}
// What one producer sends arrives in its order.
static void consume(struct load *load) {
    uint64_t next[PRODUCERS + 2] = {0}, sum = 0, count = 0;
    bw_chan_range(value, load->values) {
        uint64_t number = value >> 32, i = value & UINT32_MAX;
        CHECK(number < COUNT_OF(next) && i >= next[number], "%llu %llu", (unsigned long long)number,
              (unsigned long long)i);
        next[number] = i + 1;
        sum += i;
        count++;
    }
    atomic_fetch_add(&load->sum, sum);
    atomic_fetch_add(&load->count, count);
    bw_send(load->ended, 2);
}
static void *produce_in_thread(void *load) {
    produce(load, PRODUCERS);
    return NULL;
}
static void *consume_in_thread(void *load) {
    consume(load);
    return NULL;
}

static void many_to_many(size_t capacity, bool threads) {
    struct load *load = bw_alloc(sizeof *load);
    load->each = effort(20000);
    load->values = bw_make_chan(uint64_t, (ptrdiff_t)capacity);
    load->ended = bw_make_chan(int, 0);
    pthread_t producer, consumer;
    size_t producers = PRODUCERS, consumers = CONSUMERS;
    for (uint64_t i = 0; i < PRODUCERS; i++)
        bw_go(produce, load, i);
    for (int i = 0; i < CONSUMERS; i++)
        bw_go(consume, load);
    if (threads) {
        load->each = load->each / 10 + 1;
        producers++, consumers++;
        CHECK(pthread_create(&producer, NULL, produce_in_thread, load) == 0);
        CHECK(pthread_create(&consumer, NULL, consume_in_thread, load) == 0);
    }
    for (size_t i = 0; i < producers; i++)
        CHECK(bw_recv(load->ended) == 1);
    bw_close(load->values);
    for (size_t i = 0; i < consumers; i++)
        CHECK(bw_recv(load->ended) == 2);
    if (threads) {
        CHECK(pthread_join(producer, NULL) == 0 && pthread_join(consumer, NULL) == 0);
    } else {
        uint64_t each = load->each;
        CHECK(load->count == each * producers && load->sum == each * (each - 1) / 2 * producers);
    }
}
static void test_many_to_many(void **state) {
    (void)state;
    static const size_t capacities[] = {0, 1, 2, 10, 128};
    for (size_t i = 0; i < COUNT_OF(capacities); i++) {
        many_to_many(capacities[i], false);
        many_to_many(capacities[i], true);
    }
}

// Receivers that wait are told of the close; senders that wait panic.
static void expects_nothing(bw_chan(int) c, bw_chan(int) told) {
    int value = 5;
    CHECK(!bw_recv_ok(c, &value) && value == 0);
    bw_send(told, 1);
}
static void expects_panic(bw_chan(int) c, bw_chan(int) told) {
    CHECK(panics_with(bw_protect(sends, c), "send on closed channel"));
    bw_send(told, 1);
}
static void test_close(void **state) {
    (void)state;
    for (size_t round = 0; round < effort(200); round++) {
        bw_chan(int) c = bw_make_chan(int, 0), full = bw_make_chan(int, 1), told = bw_make_chan(int, 0);
        bw_send(full, 7);
        for (int i = 0; i < 10; i++) {
            bw_go(expects_nothing, c, told);
            bw_go(expects_panic, full, told);
        }
        if (round % 2)
            bw_yield();
        if (round % 4 >= 2)
            sleep_ms(1);
        bw_close(c);
        bw_close(full);
        for (int i = 0; i < 20; i++)
            CHECK(bw_recv(told) == 1);
        CHECK(bw_recv(full) == 7);
    }
}

// --- values ---

static void send_triples(bw_chan(triple) c, size_t count) {
    for (size_t i = 0; i < count; i++) {
        triple t = {bw_sprintf("number %d", (int)i), bw_new(item), (int)i};
        t.object->value = i;
        bw_send(c, t);
    }
    bw_close(c);
}
static void pass_on(bw_chan(triple) from, bw_chan(triple) to) {
    triple t;
    while (bw_recv_ok(from, &t))
        bw_send(to, t);
    bw_close(to);
}
static void test_objects(void **state) {
    (void)state;
    static const ptrdiff_t capacities[] = {0, 1, 100, 3000};
    for (size_t i = 0; i < COUNT_OF(capacities); i++) {
        size_t count = effort(5000), got = 0;
        bw_chan(triple) first = bw_make_chan(triple, capacities[i]), last = first;
        bw_go(send_triples, first, count);
        for (int hop = 0; hop < 4; hop++) {
            bw_chan(triple) next = bw_make_chan(triple, capacities[i]);
            bw_go(pass_on, last, next);
            last = next;
        }
        bw_chan_range(t, last) {
            CHECK(t.n == (int)got && t.object->value == got && t.object->next == NULL);
            CHECK(bw_str_eq(t.name, bw_sprintf("number %d", t.n)));
            if (++got % 1000 == 0)
                bw_gc();
        }
        CHECK(got == count);
    }
}

BW_STRUCT(large, (uint64_t[300], words));
static void send_large(bw_chan(large) c) {
    large value;
    for (int i = 0; i < 300; i++)
        value.words[i] = (uint64_t)i * 3;
    bw_send(c, value);
}
static void test_sizes(void **state) {
    (void)state;
    bw_chan(large) c = bw_make_chan(large, 20);
    for (int i = 0; i < 20; i++)
        send_large(c);
    bw_go(send_large, c);
    for (int i = 0; i < 21; i++) {
        large value = bw_recv(c);
        for (int w = 0; w < 300; w++)
            CHECK(value.words[w] == (uint64_t)w * 3);
    }
    bw_chan(char) bytes = bw_make_chan(char, 5);
    for (int i = 0; i < 5; i++)
        bw_send(bytes, (char)('a' + i));
    for (int i = 0; i < 5; i++)
        CHECK(bw_recv(bytes) == (char)('a' + i));
    bw_ledger_t before, after;
    bw_ledger(&before);
    bw_chan(large) kept = bw_make_chan(large, 100);
    bw_ledger(&after);
    CHECK(after.channel.objects == before.channel.objects + 2, "%llu %llu", (unsigned long long)before.channel.objects,
          (unsigned long long)after.channel.objects);
    bw_keep_alive(kept);
}

// --- primes: each filter a goroutine ---

static void count_up(bw_chan(int) out) {
    for (int i = 2;; i++)
        bw_send(out, i);
}
static void filter(bw_chan(int) in, bw_chan(int) out, int prime) {
    for (;;) {
        int i = bw_recv(in);
        if (i % prime)
            bw_send(out, i);
    }
}
static void test_sieve(void **state) {
    (void)state;
    bw_chan(int) c = bw_make_chan(int, 0);
    bw_go(count_up, c);
    int prime = 0, count = (int)(UNDER_SANITIZER ? 50 : 300);
    for (int i = 0; i < count; i++) {
        prime = bw_recv(c);
        bw_chan(int) next = bw_make_chan(int, 0);
        bw_go(filter, c, next, prime);
        c = next;
    }
    CHECK(prime == (count == 50 ? 229 : 1987));
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),   cmocka_unit_test(test_many_to_many), cmocka_unit_test(test_close),
        cmocka_unit_test(test_objects), cmocka_unit_test(test_sizes),        cmocka_unit_test(test_sieve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
