// The small programs of Go's test/chan and test/ken that use channels, each a test; docs/go-tests.md says which is where.
// powser1.go is test_go_powser.c, ken/chan.go test_go_ken.c.
// timeout: 200
#include "support.h"

#include <stdatomic.h>

// --- fifo.go ---

static void in_turn(bw_chan(int) c, int expected, bw_chan(int) in, bw_chan(int) out) {
    bw_recv(in);
    CHECK(bw_recv(c) == expected);
    bw_send(out, 1);
}
static void test_fifo(void **state) {
    (void)state;
    enum { COUNT = 10 };
    bw_chan(int) buffered = bw_make_chan(int, COUNT);
    for (int i = 0; i < COUNT; i++)
        bw_send(buffered, i);
    for (int i = 0; i < COUNT; i++)
        CHECK(bw_recv(buffered) == i);
    bw_chan(int) c = bw_make_chan(int, 0), in = bw_make_chan(int, 0), start = in;
    for (int i = 0; i < COUNT; i++) {
        bw_chan(int) out = bw_make_chan(int, 0);
        bw_go(in_turn, c, i, in, out);
        in = out;
    }
    bw_send(start, 0);
    for (int i = 0; i < COUNT; i++)
        bw_send(c, i);
    CHECK(bw_recv(in) == 1);
}

// --- goroutines.go: a chain of them, through which one value goes ---

static void pass_left(bw_chan(int) left, bw_chan(int) right) {
    bw_send(left, bw_recv(right));
}
static void send_one(bw_chan(int) c) {
    bw_send(c, 1);
}
static void test_chain(void **state) {
    (void)state;
    bw_chan(int) leftmost = bw_make_chan(int, 0), left = leftmost;
    for (size_t i = 0; i < effort(10000); i++) {
        bw_chan(int) right = bw_make_chan(int, 0);
        bw_go(pass_left, left, right);
        left = right;
    }
    bw_go(send_one, left);
    CHECK(bw_recv(leftmost) == 1);
}

// --- nonblock.go: sending and receiving without waiting, of several types, until the other end is there ---

#define NONBLOCK(T, name, sent, returned, same)                                                                        \
    static void name##_receiver(bw_chan(T) c, bw_chan(bool) told) {                                                    \
        T v = bw_recv(c);                                                                                              \
        CHECK(same(v, sent));                                                                                          \
        bw_send(told, true);                                                                                           \
    }                                                                                                                  \
    static void name##_sender(bw_chan(T) c, bw_chan(bool) told) {                                                      \
        bw_send(c, returned);                                                                                          \
        bw_send(told, true);                                                                                           \
    }                                                                                                                  \
    static void name##_nonblock(ptrdiff_t capacity) {                                                                  \
        bw_chan(T) c = bw_make_chan(T, capacity);                                                                      \
        bw_chan(bool) told = bw_make_chan(bool, 0);                                                                    \
        bw_select {                                                                                                    \
            bw_on_recv(c, v) CHECK(false, "received from an empty channel");                                           \
            bw_default {}                                                                                              \
        }                                                                                                              \
        bw_go(name##_receiver, c, told);                                                                               \
        for (bool sends = true; sends;)                                                                                \
            bw_select {                                                                                                \
                bw_on_send(c, sent) sends = false;                                                                     \
                bw_default bw_yield();                                                                                 \
            }                                                                                                          \
        CHECK(bw_recv(told));                                                                                          \
        bw_go(name##_sender, c, told);                                                                                 \
        if (capacity > 0)                                                                                              \
            CHECK(bw_recv(told));                                                                                      \
        for (bool receives = true; receives;)                                                                          \
            bw_select {                                                                                                \
                bw_on_recv(c, v) {                                                                                     \
                    CHECK(same(v, returned));                                                                          \
                    receives = false;                                                                                  \
                }                                                                                                      \
                bw_default bw_yield();                                                                                 \
            }                                                                                                          \
        if (capacity == 0)                                                                                             \
            CHECK(bw_recv(told));                                                                                      \
    }
#define SAME(a, b) ((a) == (b))
NONBLOCK(int32_t, int32, 123, 234, SAME)
NONBLOCK(int64_t, int64, 123456, 234567, SAME)
NONBLOCK(bool, boolean, true, true, SAME)
NONBLOCK(bw_string, string, bw_str("hello"), bw_str("hello again"), bw_str_eq)

static void test_nonblock(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(300); i++)
        for (ptrdiff_t capacity = 0; capacity < 2; capacity++) {
            int32_nonblock(capacity);
            int64_nonblock(capacity);
            boolean_nonblock(capacity);
            string_nonblock(capacity);
        }
}

// --- sendstmt.go, zerosize.go ---

typedef struct nothing {
    char none[0];
} nothing;
static void test_statements(void **state) {
    (void)state;
    bw_chan(bw_chan(int)) channels = bw_make_chan(bw_chan(int), 1);
    bw_chan(int) c = bw_make_chan(int, 1);
    bw_send(channels, c);
    bool sent = false;
    bw_select {
        bw_on_send(bw_recv(channels), 2) sent = true;
        bw_default CHECK(false);
    }
    CHECK(sent && bw_recv(c) == 2);
    bw_chan(bool) truth = bw_make_chan(bool, 1);
    bw_send(truth, false || true);
    CHECK(bw_recv(truth));
}
static void send_nothing(bw_chan(nothing) c) {
    bw_send(c, (nothing){});
    bw_close(c);
}
static void test_zero_size(void **state) {
    (void)state;
    CHECK(sizeof(nothing) == 0);
    bw_chan(nothing) c = bw_make_chan(nothing, 0), buffered = bw_make_chan(nothing, 2);
    bw_go(send_nothing, c);
    nothing value;
    CHECK(bw_recv_ok(c, &value) && !bw_recv_ok(c, &value));
    bw_send(buffered, (nothing){});
    bw_send(buffered, (nothing){});
    CHECK(bw_chan_len(buffered) == 2);
    bw_select {
        bw_on_send(buffered, (nothing){}) CHECK(false, "sent to a full channel");
        bw_default {}
    }
    bw_close(buffered);
    int count = 0;
    bw_chan_range(v, buffered) count++;
    CHECK(count == 2);
}

// --- sieve1.go, sieve2.go ---

static const int primes_below_100[] = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37, 41,
                                       43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97};

static void count_up(bw_chan(int) out, int from, int step) {
    for (int i = from;; i += step)
        bw_send(out, i);
}
static void filter(bw_chan(int) in, bw_chan(int) out, int prime) {
    bw_chan_range(i, in) if (i % prime) bw_send(out, i);
}
static void sieve(bw_chan(int) primes) {
    bw_chan(int) c = bw_make_chan(int, 0);
    bw_go(count_up, c, 2, 1);
    for (;;) {
        int prime = bw_recv(c);
        bw_send(primes, prime);
        bw_chan(int) next = bw_make_chan(int, 0);
        bw_go(filter, c, next, prime);
        c = next;
    }
}
static void test_sieve1(void **state) {
    (void)state;
    bw_chan(int) primes = bw_make_chan(int, 0);
    bw_go(sieve, primes);
    for (size_t i = 0; i < COUNT_OF(primes_below_100); i++)
        CHECK(bw_recv(primes) == primes_below_100[i]);
}

// The multiples of each prime are a stream of their own; a sorted list of the streams' heads merges them.
typedef struct stream {
    struct stream *next;
    int head;
    bw_chan(int) rest;
} stream;
static void stream_add(stream **list, stream *added) {
    while (*list && (*list)->head < added->head)
        list = &(*list)->next;
    added->next = *list;
    *list = added;
}
static int stream_take(stream **list) {
    stream *first = *list;
    int head = first->head;
    *list = first->next;
    first->head = bw_recv(first->rest);
    stream_add(list, first);
    return head;
}
static void merge(bw_chan(int) primes, bw_chan(int) composites) {
    stream *list = NULL;
    for (;;) {
        int prime = bw_recv(primes);
        stream *added = bw_new(stream);
        added->rest = bw_make_chan(int, 10);
        bw_go(count_up, added->rest, prime * prime, 2 * prime);
        int head = bw_recv(added->rest);
        while (list && list->head < head)
            bw_send(composites, stream_take(&list));
        while (list && list->head == head)
            stream_take(&list);
        bw_send(composites, head);
        added->head = bw_recv(added->rest);
        stream_add(&list, added);
    }
}
// What the merging takes more slowly than it is found is kept in a list: else they would wait for one another.
typedef struct kept {
    struct kept *next;
    int value;
} kept;
static void buffer(bw_chan(int) in, bw_chan(int) out) {
    kept *first = NULL, **last = &first;
    for (;;)
        bw_select {
            bw_on_recv(in, v) {
                *last = bw_new(kept);
                (*last)->value = v;
                last = &(*last)->next;
            }
            bw_on_send(first ? out : NULL, first ? first->value : 0) {
                first = first->next;
                if (first == NULL)
                    last = &first;
            }
        }
}
static void sift(bw_chan(int) composites, bw_chan(int) primes, bw_chan(int) out) {
    bw_chan(int) candidates = bw_make_chan(int, 50);
    bw_go(count_up, candidates, 5, 2);
    int candidate = bw_recv(candidates);
    for (;;) {
        int composite = bw_recv(composites);
        for (; candidate < composite; candidate = bw_recv(candidates)) {
            bw_send(primes, candidate);
            bw_send(out, candidate);
        }
        if (candidate == composite)
            candidate = bw_recv(candidates);
    }
}
static void test_sieve2(void **state) {
    (void)state;
    bw_chan(int) out = bw_make_chan(int, 10), composites = bw_make_chan(int, 50);
    bw_chan(int) primes = bw_make_chan(int, 10), found = bw_make_chan(int, 10);
    bw_send(out, 2);
    bw_send(out, 3);
    bw_send(primes, 3);
    bw_go(merge, primes, composites);
    bw_go(buffer, found, primes);
    bw_go(sift, composites, found, out);
    for (size_t i = 0; i < COUNT_OF(primes_below_100); i++)
        CHECK(bw_recv(out) == primes_below_100[i]);
    int count = (int)COUNT_OF(primes_below_100), last = 97;
    while (last < (UNDER_SANITIZER ? 500 : 5000)) {
        int prime = bw_recv(out);
        for (int i = 2; i * i <= prime; i++)
            CHECK(prime % i != 0, "%d", prime);
        CHECK(prime > last);
        last = prime;
        count++;
    }
    CHECK(count == (UNDER_SANITIZER ? 96 : 670), "%d", count);
}

// --- ken/chan1.go: ten receive what one sends, each value once, after it was sent ---

enum { MESSAGES = 1000, RECEIVERS = 10 };
static _Atomic int marks[MESSAGES];
static void receive_marked(bw_chan(int) c, bw_chan(int) ended) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv_ok(c, n, ok) {
                more = ok;
                if (ok)
                    CHECK(atomic_exchange(&marks[n], 2) == 1, "%d", n);
            }
        }
    bw_send(ended, 1);
}
static void test_ken_chan1(void **state) {
    (void)state;
    for (size_t round = 0; round < effort(50); round++) {
        bw_chan(int) c = bw_make_chan(int, 2), ended = bw_make_chan(int, 0);
        for (int i = 0; i < MESSAGES; i++)
            atomic_store(&marks[i], 0);
        for (int i = 0; i < RECEIVERS; i++) {
            bw_go(receive_marked, c, ended);
            bw_yield();
        }
        for (int i = 0; i < MESSAGES; i++) {
            CHECK(atomic_exchange(&marks[i], 1) == 0);
            bw_send(c, i);
        }
        bw_close(c);
        for (int i = 0; i < RECEIVERS; i++)
            CHECK(bw_recv(ended) == 1);
        for (int i = 0; i < MESSAGES; i++)
            CHECK(atomic_load(&marks[i]) == 2, "%d", i);
    }
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fifo),      cmocka_unit_test(test_chain),      cmocka_unit_test(test_nonblock),
        cmocka_unit_test(test_zero_size), cmocka_unit_test(test_sieve1),     cmocka_unit_test(test_sieve2),
        cmocka_unit_test(test_ken_chan1), cmocka_unit_test(test_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
