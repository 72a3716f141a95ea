// Go's test/ken/chan.go: senders, receivers and selects of eight cases, through channels of four capacities. Each channel
// carries 76 consecutive numbers; both ends check that they come one after the other, and each counts them.
// timeout: 200
#include "support.h"

#include <stdatomic.h>

enum { NUMBERS = 76 };

typedef struct way {
    bw_chan(int) send, receive; // NULL once that end is done
    int next_sent, next_received, end;
} way;

static way *unused;
static int first_number;
static _Atomic int running, sent, received;
static _Atomic uint32_t random_state;

static void yield_some(unsigned most) {
    unsigned times = (atomic_fetch_add(&random_state, 10007) >> 4) % most + 1;
    while (times-- > 0)
        bw_yield();
}

static way **make_ways(ptrdiff_t capacity, int count) {
    way **ways = bw_alloc((size_t)count * sizeof *ways);
    for (int i = 0; i < count; i++) {
        ways[i] = bw_new(way);
        ways[i]->send = ways[i]->receive = bw_make_chan(int, capacity);
        ways[i]->next_sent = ways[i]->next_received = first_number += 100;
        ways[i]->end = first_number + NUMBERS;
    }
    return ways;
}

static bool was_sent(way *w) {
    atomic_fetch_add(&sent, 1);
    if (++w->next_sent == w->end)
        w->send = NULL;
    return w->send == NULL;
}
static bool was_received(way *w, int value) {
    atomic_fetch_add(&received, 1);
    CHECK(value == w->next_received, "%d, not %d", value, w->next_received);
    if (++w->next_received == w->end)
        w->receive = NULL;
    return w->receive == NULL;
}

static void send_all(way *w) {
    do {
        yield_some(10);
        bw_send(w->send, w->next_sent);
    } while (!was_sent(w));
    atomic_fetch_sub(&running, 1);
}
static void receive_all(way *w) {
    int value;
    do {
        yield_some(10);
        value = bw_recv(w->receive);
    } while (!was_received(w, value));
    atomic_fetch_sub(&running, 1);
}
static void select_all(way **r, way **s) {
    int left = 0;
    for (int i = 0; i < 4; i++)
        left += (r[i]->receive != NULL) + (s[i]->send != NULL);
    while (left > 0) {
        yield_some(5);
        bw_select {
            bw_on_recv(r[0]->receive, v) left -= was_received(r[0], v);
            bw_on_recv(r[1]->receive, v) left -= was_received(r[1], v);
            bw_on_recv(r[2]->receive, v) left -= was_received(r[2], v);
            bw_on_recv(r[3]->receive, v) left -= was_received(r[3], v);
            bw_on_send(s[0]->send, s[0]->next_sent) left -= was_sent(s[0]);
            bw_on_send(s[1]->send, s[1]->next_sent) left -= was_sent(s[1]);
            bw_on_send(s[2]->send, s[2]->next_sent) left -= was_sent(s[2]);
            bw_on_send(s[3]->send, s[3]->next_sent) left -= was_sent(s[3]);
        }
    }
    atomic_fetch_sub(&running, 1);
}

static void start(void (*body)(way *), way **ways, int count) {
    atomic_fetch_add(&running, count);
    for (int i = 0; i < count; i++)
        bw_go(body, ways[i]);
}
static void start_select(way **r, way **s) {
    atomic_fetch_add(&running, 1);
    bw_go(select_all, r, s);
}
static void wait_for_all(void) {
    while (atomic_load(&running) > 0)
        sleep_ms(0);
}

static void test_ken_chan(void **state) {
    (void)state;
    static const ptrdiff_t capacities[] = {0, 1, 10, 100};
    way **none = bw_alloc(4 * sizeof *none);
    unused = bw_new(way);
    for (int i = 0; i < 4; i++)
        none[i] = unused;
    for (size_t round = 0; round < effort(20); round++) {
        atomic_store(&sent, 0);
        atomic_store(&received, 0);
        first_number = 0;
        for (size_t i = 0; i < COUNT_OF(capacities); i++) {
            ptrdiff_t capacity = capacities[i];
            way **w = make_ways(capacity, 4);
            start(send_all, w, 4);
            start(receive_all, w, 4);
            wait_for_all();
            w = make_ways(capacity, 4);
            start(send_all, w, 4);
            start_select(w, none);
            wait_for_all();
            w = make_ways(capacity, 4);
            start(receive_all, w, 4);
            start_select(none, w);
            wait_for_all();
            w = make_ways(capacity, 4);
            start_select(none, w);
            start_select(w, none);
            wait_for_all();
            w = make_ways(capacity, 8);
            start_select(w + 4, w);
            start_select(w, w + 4);
            wait_for_all();
            w = make_ways(capacity, 12);
            start(send_all, w + 4, 4);
            start(receive_all, w + 8, 4);
            start_select(w + 4, w);
            start_select(w, w + 8);
            wait_for_all();
        }
        int expected = (int)COUNT_OF(capacities) * (4 * 4 + 8 + 12) * NUMBERS;
        CHECK(atomic_load(&sent) == expected && atomic_load(&received) == expected, "%d %d of %d", sent, received,
              expected);
    }
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ken_chan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
