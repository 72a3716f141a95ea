// Go's tests of select: those of runtime/chan_test.go and test/chan/select*.go, doubleselect.go, but for what test_chan.c
// has already; docs/go-tests.md says which is where. select5.go is test_go_select_forms.c.
// timeout: 200
#include "support.h"

#include <stdatomic.h>

BW_STRUCT(item, (struct item *, next), (uint64_t, value));

static void wait_for(bw_chan(int) done, int count) {
    for (int i = 0; i < count; i++)
        CHECK(bw_recv(done) == 1);
}

// --- TestNonblockSelectRace, ...Race2: a select looks at its channels at one moment ---

static void either_is_ready(bw_chan(int) a, bw_chan(int) b, bw_chan(bool) done) {
    bool ready = true;
    bw_select {
        bw_on_recv(a, v) CHECK(v == 1);
        bw_on_recv_ok(b, v, ok) CHECK(v == ok);
        bw_default ready = false;
    }
    bw_send(done, ready);
}
static void never_unready(bool by_close) {
    bw_chan(bool) done = bw_make_chan(bool, 1);
    for (size_t i = 0; i < effort(20000); i++) {
        bw_chan(int) a = bw_make_chan(int, 1), b = bw_make_chan(int, by_close ? 0 : 1);
        bw_send(a, 1);
        bw_go(either_is_ready, a, b, done);
        if (by_close)
            bw_close(b);
        else
            bw_send(b, 1);
        bw_select {
            bw_on_recv(a, v) CHECK(v == 1);
            bw_default {}
        }
        CHECK(bw_recv(done), "round %zu", i);
    }
}
static void test_nonblock_race(void **state) {
    (void)state;
    never_unready(false);
    never_unready(true);
}

// --- TestSelfSelect: sending and receiving on one channel in one select ---

static void talk_to_self(bw_chan(int) c, int me, bool buffered, bw_chan(int) done) {
    for (int i = 0; i < 1000; i++) {
        int got = -1;
        if (me == 0 || i % 2 == 0)
            bw_select {
                bw_on_send(c, me) {}
                bw_on_recv(c, v) got = v;
            }
        else
            bw_select {
                bw_on_recv(c, v) got = v;
                bw_on_send(c, me) {}
            }
        CHECK(buffered || got != me, "received from itself");
    }
    bw_send(done, 1);
}
static void test_self(void **state) {
    (void)state;
    int before = bw_gomaxprocs(2);
    for (size_t i = 0; i < effort(20); i++)
        for (int capacity = 0; capacity <= 10; capacity += 10) {
            bw_chan(int) c = bw_make_chan(int, capacity), done = bw_make_chan(int, 0);
            for (int me = 0; me < 2; me++)
                bw_go(talk_to_self, c, me, capacity > 0, done);
            wait_for(done, 2);
        }
    bw_gomaxprocs(before);
}

// --- TestSelectStress: plain sends and receives, and selects of both, at once on the same four channels ---

enum { WAYS = 4 };
static void send_many(bw_chan(int) c, int count, bw_chan(int) done) {
    for (int i = 0; i < count; i++)
        bw_send(c, i);
    bw_send(done, 1);
}
static void receive_many(bw_chan(int) c, int count, bw_chan(int) done) {
    for (int i = 0; i < count; i++)
        bw_recv(c);
    bw_send(done, 1);
}
#define WAY(i) (n[i] < count ? c[i] : NULL)
static void select_sends(bw_chan(int) * c, int count, bw_chan(int) done) {
    int n[WAYS] = {0};
    for (int i = 0; i < WAYS * count; i++)
        bw_select {
            bw_on_send(WAY(3), 0) n[3]++;
            bw_on_send(WAY(2), 0) n[2]++;
            bw_on_send(WAY(0), 0) n[0]++;
            bw_on_send(WAY(1), 0) n[1]++;
        }
    bw_send(done, 1);
}
static void select_receives(bw_chan(int) * c, int count, bw_chan(int) done) {
    int n[WAYS] = {0};
    for (int i = 0; i < WAYS * count; i++)
        bw_select {
            bw_on_recv(WAY(0), v) n[0]++;
            bw_on_recv(WAY(1), v) n[1]++;
            bw_on_recv(WAY(2), v) n[2]++;
            bw_on_recv(WAY(3), v) n[3]++;
        }
    bw_send(done, 1);
}
static void test_stress(void **state) {
    (void)state;
    int before = bw_gomaxprocs(10), count = (int)effort(20000);
    bw_chan(int) done = bw_make_chan(int, 0), *c = bw_alloc(WAYS * sizeof *c);
    for (int i = 0; i < WAYS; i++) {
        c[i] = bw_make_chan(int, i < 2 ? 0 : i);
        bw_go(send_many, c[i], count, done);
        bw_go(receive_many, c[i], count, done);
    }
    bw_go(select_sends, c, count, done);
    bw_go(select_receives, c, count, done);
    wait_for(done, 2 * WAYS + 2);
    bw_gomaxprocs(before);
}

// --- TestSelectFairness, TestPseudoRandomSend ---

static void forward(bw_chan(int) * in, bw_chan(int) out, bw_chan(int) stop) {
    for (;;) {
        int value = 0;
        bool stopped = false;
        bw_select {
            bw_on_recv(in[2], v) value = v;
            bw_on_recv(in[3], v) value = v;
            bw_on_recv(in[0], v) value = v;
            bw_on_recv(in[1], v) value = v;
        }
        bw_select {
            bw_on_send(out, value) {}
            bw_on_recv(stop, v) stopped = true;
        }
        if (stopped)
            return;
    }
}
static void test_fairness(void **state) {
    (void)state;
    enum { TRIALS = 10000 };
    bw_chan(int) *in = bw_alloc(4 * sizeof *in), out = bw_make_chan(int, 0), stop = bw_make_chan(int, 0);
    for (int i = 0; i < 4; i++)
        in[i] = bw_make_chan(int, i < 2 ? TRIALS + 1 : 0);
    for (int i = 0; i < TRIALS + 1; i++) {
        bw_send(in[0], 1);
        bw_send(in[1], 2);
    }
    bw_go(forward, in, out, stop);
    int counts[3] = {0};
    for (int i = 0; i < TRIALS; i++)
        counts[bw_recv(out)]++;
    // Ten standard deviations of 50 each.
    CHECK(counts[0] == 0 && abs(counts[1] - TRIALS / 2) < 500, "%d %d", counts[1], counts[2]);
    bw_close(stop);
}

static void collect_bits(bw_chan(int) c, int *bits, int count, bw_chan(int) done) {
    for (int i = 0; i < count; i++) {
        bw_yield();
        bits[i] = bw_recv(c);
    }
    bw_send(done, 1);
}
static void test_random_send(void **state) {
    (void)state;
    enum { COUNT = 100 };
    for (int capacity = 0; capacity <= COUNT; capacity += COUNT) {
        bw_chan(int) c = bw_make_chan(int, capacity), done = bw_make_chan(int, 0);
        int *bits = bw_alloc_noscan(COUNT * sizeof *bits), ones = 0;
        bw_go(collect_bits, c, bits, COUNT, done);
        for (int i = 0; i < COUNT; i++)
            bw_select {
                bw_on_send(c, 1) {}
                bw_on_send(c, 0) {}
            }
        wait_for(done, 1);
        for (int i = 0; i < COUNT; i++)
            ones += bits[i];
        CHECK(ones > COUNT / 10 && ones < COUNT - COUNT / 10, "%d", ones);
    }
}

// --- TestSelectDuplicateChannel: one who is on one list twice, before another, is woken by something else ---

static void select_twice(bw_chan(int) c, bw_chan(int) d, bw_chan(int) e) {
    bw_select {
        bw_on_recv(c, v) {}
        bw_on_recv(c, v) {}
        bw_on_recv(d, v) CHECK(v == 7);
    }
    bw_send(e, 9);
}
static void receive_one(bw_chan(int) c, bw_chan(int) done) {
    CHECK(bw_recv(c) == 8);
    bw_send(done, 1);
}
static void test_duplicate(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        bw_chan(int) c = bw_make_chan(int, 0), d = bw_make_chan(int, 0), e = bw_make_chan(int, 0);
        bw_chan(int) done = bw_make_chan(int, 0);
        bw_go(select_twice, c, d, e);
        sleep_ms(1);
        bw_go(receive_one, c, done);
        sleep_ms(1);
        bw_send(d, 7);
        CHECK(bw_recv(e) == 9);
        bw_send(c, 8);
        wait_for(done, 1);
    }
}

// --- TestSelectStackAdjust: a select that waits, on a channel twice or not, while memory is collected, and what it has not
// received is as before ---

static NOINLINE int use_stack(int depth) {
    volatile char room[1024] = {0};
    room[depth] = 1;
    return depth == 0 ? 0 : use_stack(depth - 1) + room[depth];
}
static void wait_with_object(bw_chan(item *) c, bw_chan(item *) d, bw_chan(int) ready, bool twice) {
    CHECK(use_stack(10) > 0);
    bw_send(ready, 1);
    item *object = bw_new(item), *got = object;
    object->value = 42;
    bw_select {
        bw_on_recv(c, v) got = v;
        bw_on_recv(twice ? c : NULL, v) got = v;
        bw_on_recv(d, v) CHECK(v == NULL);
        bw_on_recv(twice ? d : NULL, v) CHECK(v == NULL);
    }
    CHECK(got == object && object->value == 42 && object->next == NULL);
    bw_send(ready, 1);
}
static void test_collection_while_selecting(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        bw_chan(item *) c = bw_make_chan(item *, 0), d = bw_make_chan(item *, 0);
        bw_chan(int) ready = bw_make_chan(int, 0);
        bw_go(wait_with_object, c, d, ready, false);
        bw_go(wait_with_object, c, d, ready, true);
        wait_for(ready, 2);
        sleep_ms(1);
        bw_gc();
        bw_close(d);
        wait_for(ready, 2);
    }
}

// --- select.go, select4.go: what is evaluated, and when ---

static int values_made;
static unsigned shift;
static unsigned next_value(void) {
    values_made++;
    return 1u << shift;
}
static int send_to_both(bw_chan(unsigned) a, bw_chan(unsigned) b) {
    int sent = 0;
    for (bool more = true; more;) {
        bw_select {
            bw_on_send(a, next_value()) {
                sent++;
                a = NULL;
            }
            bw_on_send(b, next_value()) {
                sent++;
                b = NULL;
            }
            bw_default more = false;
        }
        shift += more;
    }
    return sent;
}
static void test_evaluation(void **state) {
    (void)state;
    bw_chan(unsigned) a = bw_make_chan(unsigned, 1), b = bw_make_chan(unsigned, 1);
    CHECK(send_to_both(a, b) == 2);
    CHECK((bw_recv(a) | bw_recv(b)) == 3);
    CHECK(send_to_both(a, NULL) == 1);
    CHECK(values_made == 10, "%d", values_made);
    // select4: of a case that is not chosen only the channel is evaluated.
    bw_chan(int) ready = bw_make_chan(int, 1), not_ready = bw_make_chan(int, 0);
    int got = 0, *volatile nothing = NULL;
    bw_send(ready, 42);
    bw_select {
        bw_on_recv(not_ready, v) *nothing = v;
        bw_on_recv(ready, v) got = v;
    }
    CHECK(got == 42);
}

// --- select2.go: a hundred thousand selects that wait leave nothing behind ---

static void receive_or_fail(bw_chan(int) c, bw_chan(int) never, int count) {
    for (int i = 0; i < count; i++)
        bw_select {
            bw_on_recv(c, v) CHECK(v == i);
            bw_on_recv(never, v) CHECK(false);
        }
}
static void test_memory(void **state) {
    (void)state;
    int count = (int)effort(100000);
    bw_chan(int) c = bw_make_chan(int, 0), never = bw_make_chan(int, 0), done = bw_make_chan(int, 0);
    uint64_t objects[2];
    for (int round = 0; round < 2; round++) {
        bw_go(send_many, c, count, done);
        receive_or_fail(c, never, count);
        wait_for(done, 1);
        bw_gc();
        objects[round] = live_objects();
    }
    CHECK(objects[1] <= objects[0] + 100, "%llu, then %llu", (unsigned long long)objects[0],
          (unsigned long long)objects[1]);
}

// --- select3.go: what waits, and what never does ---

static bw_chan(int) nil_chan, closed_chan;
static void send_nil(void) {
    bw_send(nil_chan, 7);
}
static void recv_nil(void) {
    bw_recv(nil_chan);
}
static void recv_empty(void) {
    bw_recv(bw_make_chan(int, 0));
}
static void select_nothing(void) {
    bw_select {}
}
static void select_recv_nil(void) {
    bw_select {
        bw_on_recv(nil_chan, v) CHECK(false);
    }
}
static void select_send_nil(void) {
    bw_select {
        bw_on_send(nil_chan, 7) CHECK(false);
    }
}
static void select_both_nil(void) {
    bw_select {
        bw_on_recv(nil_chan, v) CHECK(false);
        bw_on_send(nil_chan, 7) CHECK(false);
    }
}
static void select_empty(void) {
    bw_chan(int) c = bw_make_chan(int, 0);
    bw_select {
        bw_on_recv(c, v) CHECK(false);
    }
}
static void select_itself(void) {
    bw_chan(int) c = bw_make_chan(int, 0);
    bw_select {
        bw_on_send(c, 1) CHECK(false);
        bw_on_recv(c, v) CHECK(false);
    }
}
static void send_room(void) {
    bw_send(bw_make_chan(int, 1), 7);
}
static void recv_closed(void) {
    for (int i = 0; i < 10; i++) {
        int value = 1;
        CHECK(bw_recv(closed_chan) == 0 && !bw_recv_ok(closed_chan, &value) && value == 0);
    }
}
static void select_default(void) {
    int chosen = 0;
    bw_select {
        bw_default chosen = 1;
    }
    bw_select {
        bw_on_recv(nil_chan, v) CHECK(false);
        bw_default chosen++;
    }
    bw_select {
        bw_on_send(nil_chan, 7) CHECK(false);
        bw_default chosen++;
    }
    CHECK(chosen == 3);
}
static void select_ready(void) {
    bw_chan(int) c = bw_make_chan(int, 1);
    int chosen = 0;
    bw_select {
        bw_on_send(c, 7) chosen = 1;
        bw_default CHECK(false);
    }
    bw_select {
        bw_on_recv(c, v) chosen += v;
        bw_default CHECK(false);
    }
    CHECK(chosen == 8);
}
static void select_closed(void) {
    int chosen = 0;
    bw_select {
        bw_on_recv(closed_chan, v) chosen = 1;
    }
    bw_select {
        bw_on_recv_ok(closed_chan, v, ok) chosen += 1 + ok + v;
    }
    CHECK(chosen == 2);
}
static void send_closed(void) {
    bw_send(closed_chan, 7);
}
static void select_send_closed(void) {
    bw_select {
        bw_on_send(closed_chan, 7) CHECK(false);
    }
}
static void call_and_tell(void (*body)(void), bw_chan(int) done) {
    body();
    bw_send(done, 1);
}
static void test_what_waits(void **state) {
    (void)state;
    closed_chan = bw_make_chan(int, 0);
    bw_close(closed_chan);
    static void (*const waiting[])(void) = {send_nil,        recv_nil,        recv_empty,
                                            select_nothing,  select_recv_nil, select_send_nil,
                                            select_both_nil, select_empty,    select_itself};
    static void (*const going_on[])(void) = {send_room, recv_closed, select_default, select_ready, select_closed};
    static void (*const panicking[])(void) = {send_closed, select_send_closed};
    bw_chan(int) never = bw_make_chan(int, 0), done = bw_make_chan(int, 0);
    for (size_t i = 0; i < COUNT_OF(waiting); i++)
        bw_go(call_and_tell, waiting[i], never);
    for (size_t i = 0; i < COUNT_OF(going_on); i++)
        bw_go(call_and_tell, going_on[i], done);
    wait_for(done, COUNT_OF(going_on));
    for (size_t i = 0; i < COUNT_OF(panicking); i++)
        CHECK(bw_is_runtime_error(bw_protect(panicking[i])));
    sleep_ms(10);
    bw_select {
        bw_on_recv(never, v) CHECK(false, "one of those that wait did not");
        bw_default {}
    }
}

// --- select6.go, select7.go, select8.go ---

static void first_receiver(bw_chan(int) c) {
    bw_recv(c);
}
static void second_receiver(bw_chan(int) a, bw_chan(int) b, bw_chan(int) told) {
    bw_select {
        bw_on_recv(a, v) CHECK(false, "the first receiver waited longer");
        bw_on_recv(b, v) bw_send(told, 1);
    }
    bw_recv(a);
}
static void
test_leaves_queue(void **state) { // select6: woken by b, the second leaves the queue of a without harm to it
    (void)state;
    for (size_t i = 0; i < effort(300); i++) {
        bw_chan(int) a = bw_make_chan(int, 0), b = bw_make_chan(int, 0), told = bw_make_chan(int, 0);
        bw_go(first_receiver, a);
        bw_go(second_receiver, a, b, told);
        bw_send(b, 1);
        wait_for(told, 1);
        bw_send(a, 1);
        bw_send(a, 1);
    }
}

static void receive_by(int way, bw_chan(int) c, bw_chan(int) done) {
    bw_chan(int) other = bw_make_chan(int, 0);
    if (way == 0)
        bw_recv(c);
    else if (way == 1)
        bw_select {
            bw_on_recv(c, v) {}
        }
    else
        bw_select {
            bw_on_recv(c, v) {}
            bw_on_recv(other, v) CHECK(false);
        }
    bw_send(done, 1);
}
static void test_ways(void **state) { // select7: one case, two cases, none, on either end
    (void)state;
    for (int sending = 0; sending < 3; sending++)
        for (int receiving = 0; receiving < 3; receiving++) {
            bw_chan(int) c = bw_make_chan(int, 0), other = bw_make_chan(int, 0), done = bw_make_chan(int, 0);
            bw_go(receive_by, receiving, c, done);
            bw_yield();
            if (sending == 0)
                bw_send(c, 1);
            else if (sending == 1)
                bw_select {
                    bw_on_send(c, 1) {}
                }
            else
                bw_select {
                    bw_on_send(c, 1) {}
                    bw_on_send(other, 1) CHECK(false);
                }
            wait_for(done, 1);
        }
}

static void send_for_ever(bw_chan(int) c) {
    for (;;)
        bw_send(c, 5);
}
static void test_break(void **state) { // select8: `break` leaves the select, whatever its shape
    (void)state;
    bw_chan(int) c = bw_make_chan(int, 0);
    bw_go(send_for_ever, c);
    volatile bool leave = true;
    bw_select {
        bw_on_recv(c, v) {
            if (leave)
                break;
            CHECK(false);
        }
    }
    bw_select {
        bw_default {
            if (leave)
                break;
            CHECK(false);
        }
    }
    bw_select {
        bw_on_recv(c, v) {
            if (leave)
                break;
            CHECK(false);
        }
        bw_default {
            if (leave)
                break;
            CHECK(false);
        }
    }
    bw_select {
        bw_on_recv(c, v) {
            if (leave)
                break;
            CHECK(false);
        }
        bw_on_send(c, 10) CHECK(false);
        bw_default {
            if (leave)
                break;
            CHECK(false);
        }
    }
}

// --- doubleselect.go: a select of four sends does one of them ---

static void send_to_one_of_four(int count, bw_chan(int) * c) {
    for (int i = 0; i < count; i++)
        bw_select {
            bw_on_send(c[0], i) {}
            bw_on_send(c[1], i) {}
            bw_on_send(c[2], i) {}
            bw_on_send(c[3], i) {}
        }
    for (int i = 0; i < 4; i++)
        bw_close(c[i]);
}
static void pass_on(bw_chan(int) from, bw_chan(int) to, bw_chan(int) done) {
    bw_chan_range(v, from) bw_send(to, v);
    bw_send(done, 1);
}
static void close_after(bw_chan(int) done, bw_chan(int) all) {
    wait_for(done, 4);
    bw_close(all);
}
static void test_double(void **state) {
    (void)state;
    int count = (int)effort(100000), received = 0;
    bw_chan(int) *c = bw_alloc(4 * sizeof *c), all = bw_make_chan(int, 0), done = bw_make_chan(int, 0);
    for (int i = 0; i < 4; i++)
        c[i] = bw_make_chan(int, 0);
    bw_go(send_to_one_of_four, count, c);
    for (int i = 0; i < 4; i++)
        bw_go(pass_on, c[i], all, done);
    bw_go(close_after, done, all);
    char *seen = bw_alloc_noscan((size_t)count);
    bw_chan_range(v, all) {
        CHECK(v >= 0 && v < count && !seen[v], "%d came twice", v);
        seen[v] = 1;
        received++;
    }
    CHECK(received == count, "%d of %d", received, count);
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nonblock_race),
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_stress),
        cmocka_unit_test(test_fairness),
        cmocka_unit_test(test_random_send),
        cmocka_unit_test(test_duplicate),
        cmocka_unit_test(test_collection_while_selecting),
        cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_what_waits),
        cmocka_unit_test(test_leaves_queue),
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_break),
        cmocka_unit_test(test_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
