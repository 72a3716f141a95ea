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

static bool try_send(bw_chan(int) c, int value) {
    bw_select {
        bw_on_send(c, value) return true;
        bw_default return false;
    }
    return false;
}
static bool try_recv(bw_chan(int) c, int *value, bool *is_value) {
    bw_select {
        bw_on_recv_ok(c, v, ok) {
            *value = v;
            *is_value = ok;
            return true;
        }
        bw_default return false;
    }
    return false;
}

static void test_alone(void **state) {
    (void)state;
    bw_chan(int) nil = NULL, c = bw_make_chan(int, 3);
    CHECK(bw_chan_len(nil) == 0 && bw_chan_cap(nil) == 0 && bw_chan_len(c) == 0 && bw_chan_cap(c) == 3);
    int value = 9;
    bool ok;
    CHECK(!try_recv(nil, &value, &ok) && !try_send(nil, value));
    CHECK(!try_recv(c, &value, &ok));
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            bw_send(c, 10 * round + i);
        CHECK(bw_chan_len(c) == 3);
        CHECK(!try_send(c, value));
        CHECK(bw_recv(c) == 10 * round);
        CHECK(try_send(c, value));
        CHECK(bw_recv(c) == 10 * round + 1 && bw_recv(c) == 10 * round + 2 && bw_recv(c) == 9);
    }
    bw_send(c, 4);
    bw_send(c, 5);
    bw_close(c);
    CHECK(bw_recv_ok(c, &value) && value == 4);
    CHECK(bw_recv(c) == 5);
    CHECK(!bw_recv_ok(c, &value) && value == 0);
    CHECK(bw_recv(c) == 0);
    CHECK(try_recv(c, &value, &ok) && !ok);
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
    load->each = threads ? effort(2000) : effort(20000);
    load->values = bw_make_chan(uint64_t, (ptrdiff_t)capacity);
    load->ended = bw_make_chan(int, 0);
    pthread_t producer, consumer;
    size_t producers = PRODUCERS, consumers = CONSUMERS;
    for (uint64_t i = 0; i < PRODUCERS; i++)
        bw_go(produce, load, i);
    for (int i = 0; i < CONSUMERS; i++)
        bw_go(consume, load);
    if (threads) {
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

// --- select ---

// Go's TestSelectFairness, and that what nobody chose is left as it was.
static void test_select_alone(void **state) {
    (void)state;
    bw_chan(int) a = bw_make_chan(int, 1), b = bw_make_chan(int, 1), nil = NULL;
    bw_chan(triple) c = bw_make_chan(triple, 1);
    int chosen = 0, evaluated = 0;
    bw_select {
        bw_on_recv(a, v) chosen = 1 + v;
        bw_on_recv(nil, v) chosen = 2 + v;
        bw_default chosen = 3;
    }
    CHECK(chosen == 3);
    bw_select {
        bw_on_send(nil, evaluated++) chosen = 1;
        bw_on_send((evaluated++, b), 40 + evaluated++) chosen = 4;
    }
    CHECK(chosen == 4 && evaluated == 3 && bw_recv(b) == 42);
    bw_select {
        bw_on_send(c, ((triple){bw_str("x"), NULL, 5})) {
            chosen = 5;
            break;
        }
        bw_on_recv(a, v) chosen = v;
    }
    CHECK(chosen == 5);
    bw_select {
        bw_on_recv_ok(c, t, ok) {
            CHECK(ok && t.n == 5 && bw_str_eq(t.name, bw_str("x")));
            chosen = 6;
        }
    }
    CHECK(chosen == 6);
    bw_close(c);
    bw_select {
        bw_on_recv(a, v) chosen = v;
        bw_on_recv_ok(c, t, ok) {
            CHECK(!ok && t.n == 0 && t.name.ptr == NULL);
            chosen = 7;
        }
    }
    CHECK(chosen == 7);
    int counts[4] = {0};
    for (int i = 0; i < 4000; i++) {
        bw_send(a, 1);
        bw_select {
            bw_on_recv(a, v) counts[0] += v;
            bw_on_send(b, 1) counts[1]++;
            bw_on_recv(c, t) counts[2] += 1 + t.n;
            bw_on_send(nil, 1) counts[3]++;
        }
        if (bw_chan_len(a))
            CHECK(bw_recv(a) == 1);
        if (bw_chan_len(b))
            CHECK(bw_recv(b) == 1);
    }
    CHECK(counts[0] > 1100 && counts[1] > 1100 && counts[2] > 1100 && counts[0] + counts[1] + counts[2] == 4000,
          "%d %d %d", counts[0], counts[1], counts[2]);
}

static void select_sends(bw_chan(int) closed) {
    bw_select {
        bw_on_send(closed, 1) {}
    }
}
static void select_expects_panic(bw_chan(int) c, bw_chan(int) told) {
    CHECK(panics_with(bw_protect(select_sends, c), "send on closed channel"));
    bw_send(told, 1);
}
static void select_expects_nothing(bw_chan(int) c, bw_chan(large) d, bw_chan(int) told) {
    bw_select {
        bw_on_recv_ok(c, v, ok) CHECK(!ok && v == 0);
        bw_on_recv_ok(d, v, ok) CHECK(!ok && v.words[299] == 0);
    }
    bw_send(told, 1);
}
static void test_select_close(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(300); i++) {
        bw_chan(int) c = bw_make_chan(int, 0), never = bw_make_chan(int, 0), told = bw_make_chan(int, 0);
        bw_chan(large) d = bw_make_chan(large, 0);
        bw_go(select_expects_panic, c, told);
        bw_go(select_expects_nothing, never, d, told);
        if (i % 2)
            sleep_ms(1);
        bw_close(c);
        bw_close(d);
        CHECK(bw_recv(told) == 1 && bw_recv(told) == 1);
    }
}

// Go's TestSelectStress: everything is sent once and received once, whatever waits on what, and nothing is forgotten.
enum { WAYS = 4 };
static void stress_send(bw_chan(int) to, int count, bw_chan(int) ended) {
    for (int i = 0; i < count; i++)
        bw_send(to, i);
    bw_send(ended, 1);
}
static void stress_receive(bw_chan(int) from, int count, bw_chan(int) ended) {
    for (int i = 0; i < count; i++)
        CHECK(bw_recv(from) == i);
    bw_send(ended, 1);
}
#define NTH(n, i) ((n)[i] < count ? ways[i] : NULL)
static void stress_select_send(bw_chan(int) * ways, int count, bw_chan(int) ended) {
    int n[WAYS] = {0};
    for (int i = 0; i < WAYS * count; i++)
        bw_select {
            bw_on_send(NTH(n, 0), n[0]) n[0]++;
            bw_on_send(NTH(n, 1), n[1]) n[1]++;
            bw_on_send(NTH(n, 2), n[2]) n[2]++;
            bw_on_send(NTH(n, 3), n[3]) n[3]++;
        }
    bw_send(ended, 1);
}
static void stress_select_receive(bw_chan(int) * ways, int count, bw_chan(int) ended) {
    int n[WAYS] = {0};
    for (int i = 0; i < WAYS * count; i++)
        bw_select {
            bw_on_recv(NTH(n, 0), v) CHECK(v == n[0]++);
            bw_on_recv(NTH(n, 1), v) CHECK(v == n[1]++);
            bw_on_recv(NTH(n, 2), v) CHECK(v == n[2]++);
            bw_on_recv(NTH(n, 3), v) CHECK(v == n[3]++);
        }
    bw_send(ended, 1);
}
static void test_select_stress(void **state) {
    (void)state;
    int count = (int)effort(20000);
    bw_chan(int) ended = bw_make_chan(int, 0);
    for (int how = 0; how < 3; how++) {
        bw_chan(int) *ways = bw_alloc(WAYS * sizeof *ways);
        for (int i = 0; i < WAYS; i++)
            ways[i] = bw_make_chan(int, i < 2 ? 0 : i);
        int expected;
        for (int i = 0; i < WAYS && how != 1; i++)
            bw_go(stress_receive, ways[i], count, ended);
        if (how == 1)
            bw_go(stress_select_receive, ways, count, ended);
        if (how == 2) {
            for (int i = 0; i < WAYS; i++)
                bw_go(stress_send, ways[i], count, ended);
            expected = 2 * WAYS;
        } else {
            bw_go(stress_select_send, ways, count, ended);
            expected = how == 0 ? WAYS + 1 : 2;
        }
        for (int i = 0; i < expected; i++)
            CHECK(bw_recv(ended) == 1);
    }
}

// More cases than are kept on the stack, and one channel in several of them.
static void many_cases(bw_chan(int) * c, bw_chan(int) told) {
    int got = 0;
    bw_select {
        bw_on_recv(c[0], v) got = v;
        bw_on_recv(c[1], v) got = v;
        bw_on_recv(c[2], v) got = v;
        bw_on_recv(c[3], v) got = v;
        bw_on_recv(c[4], v) got = v;
        bw_on_recv(c[5], v) got = v;
        bw_on_recv(c[6], v) got = v;
        bw_on_recv(c[7], v) got = v;
        bw_on_recv(c[8], v) got = v;
        bw_on_recv(c[9], v) got = v;
        bw_on_recv(c[0], v) got = v;
        bw_on_recv(c[1], v) got = v;
        bw_on_recv(c[2], v) got = v;
        bw_on_recv(c[3], v) got = v;
        bw_on_recv(c[4], v) got = v;
        bw_on_recv(c[5], v) got = v;
        bw_on_recv(c[6], v) got = v;
        bw_on_recv(c[7], v) got = v;
        bw_on_send(c[9], 3) got = 3;
    }
    bw_send(told, got);
}
static void test_many_cases(void **state) {
    (void)state;
    for (int i = 0; i < (int)effort(300); i++) {
        bw_chan(int) *c = bw_alloc(10 * sizeof *c), told = bw_make_chan(int, 0);
        for (int j = 0; j < 10; j++)
            c[j] = bw_make_chan(int, 0);
        bw_go(many_cases, c, told);
        if (i % 3 == 0)
            sleep_ms(1);
        if (i % 10 == 9) {
            CHECK(bw_recv(c[9]) == 3 && bw_recv(told) == 3);
        } else {
            bw_send(c[i % 10], 100 + i);
            CHECK(bw_recv(told) == 100 + i);
        }
    }
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
        cmocka_unit_test(test_alone),        cmocka_unit_test(test_many_to_many), cmocka_unit_test(test_close),
        cmocka_unit_test(test_objects),      cmocka_unit_test(test_sizes),        cmocka_unit_test(test_sieve),
        cmocka_unit_test(test_select_alone), cmocka_unit_test(test_select_close), cmocka_unit_test(test_select_stress),
        cmocka_unit_test(test_many_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
