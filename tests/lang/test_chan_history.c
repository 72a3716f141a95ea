// Channels are linearizable: thousands of short histories of random operations by several goroutines on two channels - send,
// receive, both without waiting, selects of both with and without default, close - are recorded, and for each an order is
// searched in which one operation after the other, each at some moment between its call and its return, gives the same
// results on two queues. The search is Wing and Gong's, which remembers where it has been.
//
// A channel without room has no moments between sending and receiving: there the two are one step of the order.
// timeout: 200
#include "support.h"

#include <limits.h>
#include <stdatomic.h>

enum { GOROUTINES = 4, OPERATIONS = 4, MOST = GOROUTINES * OPERATIONS + 2, MOST_ROOM = 3 };

enum result { SENT, RECEIVED, CLOSED_AND_EMPTY, SEND_PANICS, CLOSED, CLOSE_PANICS, NOTHING };
static const char *const result_names[] = {"sent",   "received",     "closed and empty", "panicked in sending",
                                           "closed", "closed again", "chose default"};
enum { SEND_A = 1, SEND_B = 2, RECEIVE_A = 4, RECEIVE_B = 8, CLOSE_A = 16, CLOSE_B = 32 };

struct operation {
    int cases;  // which of SEND_A... it could do
    bool waits; // it has no default
    int offers; // what it sends; the same value is sent to no channel twice
    // The result.
    enum result result;
    int channel, value;
    unsigned called, returned;
};

struct history {
    int room, count;
    struct operation operations[MOST];
};

// --- the search ---

struct queues {
    unsigned char values[2][MOST_ROOM], count[2], closed[2];
};

enum { MEMORY = 1 << 16 };
static uint64_t visited[MEMORY]; // states from which nothing was found; those that are overwritten are searched again

static uint64_t state_key(uint32_t done, const struct queues *queues) {
    uint64_t key = 0;
    for (int c = 0; c < 2; c++) {
        key = key << 2 | queues->closed[c];
        for (int i = 0; i < MOST_ROOM; i++)
            key = key << 5 | (i < queues->count[c] ? queues->values[c][i] : 0);
    }
    return key << 20 | done << 1 | 1; // 34, 20 bits
}

static bool may_do_nothing(const struct operation *operation, const struct queues *queues, int room) {
    for (int c = 0; c < 2; c++) {
        if ((operation->cases & SEND_A << c) && (queues->closed[c] || queues->count[c] < room))
            return false;
        if ((operation->cases & RECEIVE_A << c) && (queues->closed[c] || queues->count[c] > 0))
            return false;
    }
    return true;
}

static bool apply(const struct operation *operation, struct queues *queues, int room) {
    int c = operation->channel;
    unsigned char *values = queues->values[c], *count = &queues->count[c];
    switch (operation->result) {
    case SENT:
        if (queues->closed[c] || *count == room)
            return false;
        values[(*count)++] = (unsigned char)operation->value;
        return true;
    case RECEIVED:
        if (*count == 0 || values[0] != operation->value)
            return false;
        memmove(values, values + 1, --*count);
        return true;
    case CLOSED_AND_EMPTY: return queues->closed[c] && *count == 0;
    case SEND_PANICS:
        return ((operation->cases & SEND_A) && queues->closed[0]) || ((operation->cases & SEND_B) && queues->closed[1]);
    case CLOSED:
        if (queues->closed[c])
            return false;
        queues->closed[c] = 1;
        return true;
    case CLOSE_PANICS: return queues->closed[c];
    case NOTHING: return may_do_nothing(operation, queues, room);
    }
    return false;
}

static bool search(const struct history *history, uint32_t done, struct queues queues) {
    if (done == (1u << history->count) - 1)
        return true;
    uint64_t key = state_key(done, &queues), *place = &visited[mix(key) % MEMORY];
    if (*place == key)
        return false;
    // The next can be any that was called before the first of those left returned.
    unsigned first = UINT_MAX;
    for (int i = 0; i < history->count; i++)
        if (!(done & 1u << i) && history->operations[i].returned < first)
            first = history->operations[i].returned;
    for (int i = 0; i < history->count; i++) {
        const struct operation *one = &history->operations[i];
        if ((done & 1u << i) || one->called > first)
            continue;
        struct queues after = queues;
        if (apply(one, &after, history->room) && search(history, done | 1u << i, after))
            return true;
        if (history->room > 0 || one->result != SENT || queues.closed[one->channel])
            continue;
        for (int j = 0; j < history->count; j++) { // one of the two has waited
            const struct operation *other = &history->operations[j];
            if (!(done & 1u << j) && other->called <= first && other->result == RECEIVED &&
                other->channel == one->channel && other->value == one->value && (one->waits || other->waits) &&
                search(history, done | 1u << i | 1u << j, queues))
                return true;
        }
    }
    *place = key;
    return false;
}

static bool has_an_order(const struct history *history) {
    memset(visited, 0, sizeof visited);
    return search(history, 0, (struct queues){0});
}

static void print(const struct history *history) {
    fprintf(stderr, "channels with room for %d:\n", history->room);
    for (int i = 0; i < history->count; i++) {
        const struct operation *o = &history->operations[i];
        fprintf(stderr, "%3u to %3u: of%s%s%s%s%s%s%s: %s %c, %d\n", o->called, o->returned,
                o->cases & SEND_A ? " send to a" : "", o->cases & SEND_B ? " send to b" : "",
                o->cases & RECEIVE_A ? " receive from a" : "", o->cases & RECEIVE_B ? " receive from b" : "",
                o->cases & CLOSE_A ? " close a" : "", o->cases & CLOSE_B ? " close b" : "", o->waits ? "" : " default",
                result_names[o->result], 'a' + o->channel, o->value);
    }
}

// --- recording ---

static _Atomic unsigned now;

static void is_sent(struct operation *o, int channel) {
    o->result = SENT;
    o->channel = channel;
    o->value = o->offers;
}
static void is_received(struct operation *o, int channel, int value, bool ok) {
    CHECK(ok || value == 0);
    o->result = ok ? RECEIVED : CLOSED_AND_EMPTY;
    o->channel = channel;
    o->value = value;
}

static void run(struct operation *o, bw_chan(int) a, bw_chan(int) b) {
    int value;
    o->result = o->cases & (CLOSE_A | CLOSE_B) ? CLOSE_PANICS : SEND_PANICS; // unless it gets further
    if (o->cases == SEND_A && o->waits) {
        bw_send(a, o->offers);
        is_sent(o, 0);
    } else if (o->cases == SEND_B && o->waits) {
        bw_send(b, o->offers);
        is_sent(o, 1);
    } else if (o->cases == RECEIVE_A && o->waits) {
        bool ok = bw_recv_ok(a, &value);
        is_received(o, 0, value, ok);
    } else if (o->cases == RECEIVE_B && o->waits) {
        bool ok = bw_recv_ok(b, &value);
        is_received(o, 1, value, ok);
    } else if (o->cases & (CLOSE_A | CLOSE_B)) {
        o->channel = o->cases == CLOSE_B;
        bw_close(o->channel ? b : a);
        o->result = CLOSED;
    } else if (o->waits) {
        bw_select {
            bw_on_send(o->cases & SEND_A ? a : NULL, o->offers) is_sent(o, 0);
            bw_on_send(o->cases & SEND_B ? b : NULL, o->offers) is_sent(o, 1);
            bw_on_recv_ok(o->cases & RECEIVE_A ? a : NULL, v, ok) is_received(o, 0, v, ok);
            bw_on_recv_ok(o->cases & RECEIVE_B ? b : NULL, v, ok) is_received(o, 1, v, ok);
        }
    } else {
        bw_select {
            bw_on_send(o->cases & SEND_A ? a : NULL, o->offers) is_sent(o, 0);
            bw_on_send(o->cases & SEND_B ? b : NULL, o->offers) is_sent(o, 1);
            bw_on_recv_ok(o->cases & RECEIVE_A ? a : NULL, v, ok) is_received(o, 0, v, ok);
            bw_on_recv_ok(o->cases & RECEIVE_B ? b : NULL, v, ok) is_received(o, 1, v, ok);
            bw_default o->result = NOTHING;
        }
    }
}

static void record(struct operation *o, bw_chan(int) a, bw_chan(int) b) {
    o->called = atomic_fetch_add(&now, 1);
    bw_any e = bw_protect(run, o, a, b);
    o->returned = atomic_fetch_add(&now, 1);
    CHECK(bw_is_nil(e) != (o->result == SEND_PANICS || o->result == CLOSE_PANICS));
}

// In a goroutine: its operations, with some nothing between them.
static void act(struct operation *operations, bw_chan(int) a, bw_chan(int) b, bw_chan(int) start, bw_chan(int) ended,
                uint64_t seed) {
    struct random random = {seed};
    bw_recv(start);
    for (int i = 0; i < OPERATIONS; i++) {
        size_t pause = random_below(&random, 4);
        if (pause == 0)
            bw_yield();
        for (volatile size_t n = pause > 1 ? random_below(&random, 300) : 0; n > 0; n--) {}
        record(&operations[i], a, b);
    }
    bw_send(ended, 1);
}

static int random_cases(struct random *random) {
    static const int single[] = {SEND_A, SEND_B, RECEIVE_A, RECEIVE_B};
    size_t kind = random_below(random, 20);
    if (kind == 0)
        return random_below(random, 2) ? CLOSE_A : CLOSE_B;
    if (kind < 11)
        return single[random_below(random, 4)];
    return 1 + (int)random_below(random, 15);
}

static void one_history(uint64_t seed, int room, struct history *history) {
    struct random random = {seed};
    history->room = room;
    history->count = MOST;
    bw_chan(int) a = bw_make_chan(int, room), b = bw_make_chan(int, room);
    bw_chan(int) start = bw_make_chan(int, 0), ended = bw_make_chan(int, GOROUTINES);
    for (int i = 0; i < MOST; i++) {
        int last = i - GOROUTINES * OPERATIONS; // in the end both are closed, so that nobody waits for ever
        history->operations[i] = (struct operation){.cases = last == 0   ? CLOSE_A
                                                             : last == 1 ? CLOSE_B
                                                                         : random_cases(&random),
                                                    .waits = last >= 0 || random_below(&random, 3) > 0,
                                                    .offers = i + 1};
    }
    atomic_store(&now, 0);
    for (int i = 0; i < GOROUTINES; i++)
        bw_go(act, &history->operations[i * OPERATIONS], a, b, start, ended, random_next(&random));
    bw_close(start);
    // The closes come when all have ended or wait, or about then, or early.
    double until = seconds_now() + (double)random_below(&random, 60) / 1e6;
    while (bw_chan_len(ended) < GOROUTINES && seconds_now() < until) {}
    record(&history->operations[MOST - 2], a, b);
    record(&history->operations[MOST - 1], a, b);
    for (int i = 0; i < GOROUTINES; i++)
        CHECK(bw_recv(ended) == 1);
}

static void test_histories(void **state) {
    (void)state;
    static const int rooms[] = {0, 1, 3};
    int before = bw_gomaxprocs(4);
    struct history *history = bw_alloc(sizeof *history);
    size_t results[COUNT_OF(result_names)] = {0}, histories = effort(30000);
    for (size_t i = 0; i < histories; i++) {
        one_history(check_seed = i, rooms[i % COUNT_OF(rooms)], history);
        if (!has_an_order(history)) {
            print(history);
            CHECK(false, "no order gives these results");
        }
        for (int o = 0; o < history->count; o++)
            results[history->operations[o].result]++;
    }
    check_seed = 0;
    // All kinds of results were among them.
    for (size_t i = 0; i < COUNT_OF(results) && histories > 300; i++)
        CHECK(results[i] > 0, "none of %zu histories had one that %s", histories, result_names[i]);
    bw_gomaxprocs(before);
}

// --- the search finds what is wrong ---

#define OF(cases, waits, result, channel, value, called, returned)                                                     \
    { cases, waits, value, result, channel, value, called, returned }
static void expect_order(bool right, int room, int count, const struct operation *operations) {
    struct history history = {room, count, {{0}}};
    memcpy(history.operations, operations, (size_t)count * sizeof *operations);
    if (has_an_order(&history) != right) {
        print(&history);
        CHECK(false, "that this is %s was not found", right ? "right" : "wrong");
    }
}
#define EXPECT(right, room, ...)                                                                                       \
    do {                                                                                                               \
        const struct operation operations_[] = {__VA_ARGS__};                                                          \
        expect_order(right, room, COUNT_OF(operations_), operations_);                                                 \
    } while (0)

static void test_search(void **state) {
    (void)state;
    // One after the other, and the wrong way round.
    EXPECT(true, 3, OF(SEND_A, 1, SENT, 0, 1, 0, 1), OF(SEND_A, 1, SENT, 0, 2, 2, 3),
           OF(RECEIVE_A, 1, RECEIVED, 0, 1, 4, 5));
    EXPECT(false, 3, OF(SEND_A, 1, SENT, 0, 1, 0, 1), OF(SEND_A, 1, SENT, 0, 2, 2, 3),
           OF(RECEIVE_A, 1, RECEIVED, 0, 2, 4, 5));
    // The sends overlap: either order.
    EXPECT(true, 3, OF(SEND_A, 1, SENT, 0, 1, 0, 3), OF(SEND_A, 1, SENT, 0, 2, 1, 2),
           OF(RECEIVE_A, 1, RECEIVED, 0, 2, 4, 5));
    // Received twice; received before it was sent; sent without room.
    EXPECT(false, 3, OF(SEND_A, 1, SENT, 0, 1, 0, 1), OF(RECEIVE_A, 1, RECEIVED, 0, 1, 2, 4),
           OF(RECEIVE_A, 1, RECEIVED, 0, 1, 3, 5));
    EXPECT(false, 1, OF(RECEIVE_A, 1, RECEIVED, 0, 1, 0, 1), OF(SEND_A, 1, SENT, 0, 1, 2, 3));
    EXPECT(false, 1, OF(SEND_A, 1, SENT, 0, 1, 0, 1), OF(SEND_A, 1, SENT, 0, 2, 2, 3),
           OF(RECEIVE_A, 1, RECEIVED, 0, 1, 4, 5));
    EXPECT(false, 0, OF(SEND_A, 1, SENT, 0, 1, 0, 1), OF(RECEIVE_A, 1, RECEIVED, 0, 1, 2, 3));
    EXPECT(true, 0, OF(SEND_A, 1, SENT, 0, 1, 0, 2), OF(RECEIVE_A, 0, RECEIVED, 0, 1, 1, 3));
    EXPECT(false, 0, OF(SEND_A, 0, SENT, 0, 1, 0, 2), OF(RECEIVE_A, 0, RECEIVED, 0, 1, 1, 3)); // neither waits
    // The default case, while there was something in one or the other all the time; and while there was not.
    EXPECT(false, 1, OF(SEND_A, 1, SENT, 0, 1, 0, 1), OF(RECEIVE_A | RECEIVE_B, 0, NOTHING, 0, 0, 2, 9),
           OF(SEND_B, 1, SENT, 1, 2, 3, 4), OF(RECEIVE_A, 1, RECEIVED, 0, 1, 5, 6),
           OF(RECEIVE_B, 1, RECEIVED, 1, 2, 10, 11));
    EXPECT(true, 1, OF(SEND_A, 1, SENT, 0, 1, 0, 1), OF(RECEIVE_A | RECEIVE_B, 0, NOTHING, 0, 0, 2, 9),
           OF(SEND_B, 1, SENT, 1, 2, 3, 6), OF(RECEIVE_A, 1, RECEIVED, 0, 1, 4, 5),
           OF(RECEIVE_B, 1, RECEIVED, 1, 2, 10, 11));
    // Closed: a value sent after that, an end before it, a value lost, a panic for nothing, closed twice.
    EXPECT(false, 1, OF(CLOSE_A, 1, CLOSED, 0, 0, 0, 1), OF(SEND_A, 1, SENT, 0, 1, 2, 3));
    EXPECT(false, 1, OF(RECEIVE_A, 1, CLOSED_AND_EMPTY, 0, 0, 0, 1), OF(CLOSE_A, 1, CLOSED, 0, 0, 2, 3));
    EXPECT(false, 1, OF(SEND_A, 1, SENT, 0, 1, 0, 1), OF(CLOSE_A, 1, CLOSED, 0, 0, 2, 3),
           OF(RECEIVE_A, 1, CLOSED_AND_EMPTY, 0, 0, 4, 5));
    EXPECT(true, 1, OF(SEND_A, 1, SENT, 0, 1, 0, 1), OF(CLOSE_A, 1, CLOSED, 0, 0, 2, 3),
           OF(RECEIVE_A, 1, CLOSED_AND_EMPTY, 0, 0, 4, 7), OF(RECEIVE_A, 1, RECEIVED, 0, 1, 5, 6));
    EXPECT(false, 1, OF(SEND_A, 1, SEND_PANICS, 0, 1, 0, 1), OF(CLOSE_A, 1, CLOSED, 0, 0, 2, 3));
    EXPECT(false, 1, OF(CLOSE_A, 1, CLOSED, 0, 0, 0, 2), OF(CLOSE_A, 1, CLOSED, 0, 0, 1, 3));
    EXPECT(false, 0, OF(CLOSE_A, 1, CLOSED, 0, 0, 0, 1), OF(RECEIVE_A | SEND_B, 0, NOTHING, 0, 0, 2, 3));
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_search), cmocka_unit_test(test_histories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
