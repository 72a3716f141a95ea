// Go's test/chan/select5.go: every shape of a select does the right case, and evaluates channels and values in order, each
// once: with default or without; with or without cases that never go on, of a channel that nobody uses and of the nil
// channel; receiving in three ways, or sending. Where Go's test writes a program with each shape as a function, EACH_SHAPE
// here makes each a block.
// timeout: 200
#include "support.h"

// A channel of capacity 1: this is about what is called, by one thread alone.
static bw_chan(int) c, nil_chan, unused;
static int n, order;

static bw_chan(int) in_order(bw_chan(int) chan, int at) {
    CHECK(at > order, "%d after %d", at, order);
    order = at;
    return chan;
}
static int value_in_order(int value, int at) {
    CHECK(at > order, "%d after %d", at, order);
    order = at;
    return value;
}

// IF_1(x) is x, IF_0(x) nothing.
#define IF_0(...)
#define IF_1(...) __VA_ARGS__
#define IF(bit) IF_##bit

// The cases that never go on; each there or not.
#define NEVER(a, b, d, e)                                                                                              \
    IF(a)                                                                                                              \
    (bw_on_send(in_order(unused, 4), value_in_order(1, 5)) CHECK(false, "sent to nobody");)                            \
        IF(b)(bw_on_recv(in_order(unused, 6), v) CHECK(false, "received from nobody");)                                \
            IF(d)(bw_on_send(in_order(nil_chan, 7), value_in_order(1, 8)) CHECK(false, "sent to the nil channel");)    \
                IF(e)(bw_on_recv(in_order(nil_chan, 9), v) CHECK(false, "received from the nil channel");)

#define NOT_DEFAULT bw_default CHECK(false, "the default case although another could go on");
#define EACH_DEFAULT(M, ...) M(__VA_ARGS__, 0) M(__VA_ARGS__, 1)
#define EACH_4(M, ...) EACH_DEFAULT(M, __VA_ARGS__, 0) EACH_DEFAULT(M, __VA_ARGS__, 1)
#define EACH_3(M, ...) EACH_4(M, __VA_ARGS__, 0) EACH_4(M, __VA_ARGS__, 1)
#define EACH_2(M, ...) EACH_3(M, __VA_ARGS__, 0) EACH_3(M, __VA_ARGS__, 1)
#define EACH_SHAPE(M, kind) EACH_2(M, kind, 0) EACH_2(M, kind, 1)

static int shapes;
#define DONE(x)                                                                                                        \
    CHECK(x == n, "%d, not %d, in shape %d", x, n, shapes);                                                            \
    n++;                                                                                                               \
    shapes++;

// --- receiving: into a variable of the case, also with ok, and into a map ---

BW_MAP(int_map, int, int);
static int_map map;

#define INTO_variable bw_on_recv(in_order(c, 1), v) x = v;
#define INTO_ok bw_on_recv_ok(in_order(c, 1), v, ok) x = ok ? v : -1;
#define INTO_map                                                                                                       \
    bw_on_recv(in_order(c, 1), v) {                                                                                    \
        bw_put(map, 13) = v;                                                                                           \
        x = bw_get(map, 13);                                                                                           \
    }
#define RECEIVE(into, a, b, d, e, with_default)                                                                        \
    {                                                                                                                  \
        int x = 0;                                                                                                     \
        order = 0;                                                                                                     \
        bw_send(c, n);                                                                                                 \
        bw_select{INTO_##into NEVER(a, b, d, e) IF(with_default)(NOT_DEFAULT)} DONE(x)                                 \
    }

static void test_receive(void **state) {
    (void)state;
    map = bw_make_map(int_map, 0);
    bw_send(c, n);
    int plain = bw_recv(in_order(c, order + 1));
    DONE(plain)
    EACH_SHAPE(RECEIVE, variable)
    EACH_SHAPE(RECEIVE, ok)
    EACH_SHAPE(RECEIVE, map)
}

// --- sending ---

#define SEND(unused_, a, b, d, e, with_default)                                                                        \
    {                                                                                                                  \
        order = 0;                                                                                                     \
        bool sent = false;                                                                                             \
        bw_select {                                                                                                    \
            bw_on_send(in_order(c, 1), value_in_order(n, 2)) sent = true;                                              \
            NEVER(a, b, d, e) IF(with_default)(NOT_DEFAULT)                                                            \
        }                                                                                                              \
        CHECK(sent);                                                                                                   \
        int x = bw_recv(c);                                                                                            \
        DONE(x)                                                                                                        \
    }
static void test_send(void **state) {
    (void)state;
    order = 0;
    bw_send(in_order(c, 1), value_in_order(n, 2));
    int plain = bw_recv(c);
    DONE(plain)
    EACH_SHAPE(SEND, )
}

// --- none can go on: the default case, and nothing is written anywhere ---

static int *volatile nothing;
#define NOT_READY(unused_, a, b, d, e, twice)                                                                          \
    {                                                                                                                  \
        int x = n;                                                                                                     \
        bool by_default = false;                                                                                       \
        order = 0;                                                                                                     \
        bw_select {                                                                                                    \
            NEVER(a, b, d, e)                                                                                          \
            IF(twice)                                                                                                  \
            (bw_on_recv(in_order(unused, 10), v) *nothing = v; bw_on_recv(in_order(nil_chan, 11), v) x = v;)           \
                bw_default by_default = true;                                                                          \
        }                                                                                                              \
        CHECK(by_default);                                                                                             \
        DONE(x)                                                                                                        \
    }
static void test_nonblock(void **state) {
    (void)state;
    EACH_SHAPE(NOT_READY, )
}

static void test_count(void **state) {
    (void)state;
    CHECK(shapes == 1 + 3 * 32 + 1 + 32 + 32, "%d", shapes);
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    c = bw_make_chan(int, 1);
    unused = bw_make_chan(int, 0);
    n = 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_receive), cmocka_unit_test(test_send),
                                       cmocka_unit_test(test_nonblock), cmocka_unit_test(test_count)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
