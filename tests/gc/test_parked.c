// Stacks of goroutines, which are searched while the program runs: goroutines take the only reference to an object from the
// heap onto their stacks, and yield, sleep, or wait for each other with it, while others collect without a pause.
//
// A token that was collected too early is not what it was: freed memory is filled or handed out again, and verify=1 finds
// it at once. (docs/models/parked.pml says what must be noted when. Without the notes of goroutines that run when a collection
// begins, or are switched to, this fails; without those of goroutines that are made ready test_beside does.)
//
// modes: mark=watch,verify=1 mark=watch,poison=1 mark=watch,minor=always,verify=1 mark=snapshot,verify=1 mark=watch,poison=1,schedstress=20
// timeout: 120
#include "collecting.h"
#include "support.h"

BW_STRUCT(token, (uint64_t, id), (uint64_t, check), (struct token *, none), (uint64_t[4], more));

static uint64_t check_of(uint64_t id) {
    return id * 0x9e3779b97f4a7c15 ^ 0x5bf03635;
}

static NOINLINE token *new_token(uint64_t id) {
    token *t = bw_new(token);
    *t = (token){.id = id, .check = check_of(id)};
    return t;
}

static void is_token(const token *t, uint64_t id) {
    CHECK(t != NULL && t->id == id && t->check == check_of(id) && t->none == NULL, "token %llu is gone",
          (unsigned long long)id);
}

#define MOVERS 96
#define APART 512 // words: each token of a goroutine's on a page of its own
#define TOKENS 4

typedef bw_chan(struct token *) token_chan;

// It has the token in its frame, and nobody else has, from the receiving to the sending.
static void holds(token_chan in, token_chan out) {
    token *t;
    while (bw_recv_ok(in, &t))
        bw_send(out, t);
}

static void spin(int64_t ns) {
    for (int64_t end = bw_now() + ns; bw_now() < end;) {}
}

static NOINLINE void hold_it_for_a_while(token *volatile *frame, token_chan in, token_chan out, uint64_t random) {
    switch (random % 5) {
    case 0:
        for (uint64_t i = 0; i < 1 + (random >> 8) % 16; i++)
            bw_yield();
        break;
    case 1: bw_sleep((int64_t)((random >> 8) % 20000000)); break;
    case 2:
        bw_send(in, *frame);
        *frame = NULL;
        if ((random >> 8) % 2)
            bw_yield();
        *frame = bw_recv(out);
        break;
    case 3: *frame = new_token((*frame)->id); break;
    case 4: break;
    }
}

// Where the tokens are in the heap is marked last: behind a long list. No stack refers to it.
BW_STRUCT(chain, (struct chain *, next), (struct token ***, places));
static chain *list;
static uintptr_t hidden[MOVERS];

static NOINLINE token *take(int number, int i) {
    token **place = (token **)shown(hidden[number]) + (ptrdiff_t)i * APART, *taken = *place;
    *place = NULL;
    return taken;
}
static NOINLINE void put(int number, int i, token *t) {
    ((token **)shown(hidden[number]))[(ptrdiff_t)i * APART] = t;
}

static NOINLINE void make_places(size_t length) {
    list = bw_new(chain);
    list->places = bw_new_array(struct token **, MOVERS);
    for (int number = 0; number < MOVERS; number++) {
        list->places[number] = bw_new_array(struct token *, (size_t)APART * TOKENS);
        hidden[number] = hide(list->places[number]);
        for (int i = 0; i < TOKENS; i++)
            put(number, i, new_token((uint64_t)(number * TOKENS + i)));
    }
    for (size_t i = 0; i < length; i++) {
        chain *first = bw_new(chain);
        first->next = list;
        list = first;
    }
}

static NOINLINE void move(int number, bw_chan(int) done) {
    token_chan in = bw_make_chan(struct token *, 0), out = bw_make_chan(struct token *, 0);
    bw_go(holds, in, out);
    struct random random = {(uint64_t)number + 1};
    while (!atomic_load(&over)) {
        uint64_t now = random_next(&random);
        int i = (int)(now % TOKENS);
        if ((now >> 20) % 4 == 0)
            spin((int64_t)((now >> 24) % 300000)); // so that it runs when a collection begins
        token *volatile frame = take(number, i);
        hold_it_for_a_while(&frame, in, out, now >> 32);
        is_token(frame, (uint64_t)(number * TOKENS + i));
        put(number, i, frame);
        frame = NULL;
    }
    bw_close(in);
    bw_send(done, 1);
}

static void test_moves(void **state) {
    (void)state;
    make_places(UNDER_SANITIZER ? 30000 : 300000);
    pthread_t collector;
    atomic_store(&over, false);
    bw_chan(int) done = bw_make_chan(int, MOVERS);
    for (int i = 0; i < MOVERS; i++)
        bw_go(move, i, done);
    CHECK(pthread_create(&collector, NULL, collect_all_the_time, NULL) == 0);
    // A sleep that stops interrupt is as much longer.
    for (double end = seconds_now() + (double)effort(6000) / 1000; seconds_now() < end;)
        sleep_ms(1);
    atomic_store(&over, true);
    for (int i = 0; i < MOVERS; i++)
        assert_int_equal(bw_recv(done), 1);
    CHECK(pthread_join(collector, NULL) == 0);
    list = NULL;
}

// Many that only wait: the stops are no longer for them.
#define WAITING 100000
static token *waits_for_its_own(long number, bw_chan(int) here, bw_chan(int) go_on) {
    token *volatile t = new_token((uint64_t)number);
    bw_send(here, 1);
    int none;
    bw_recv_ok(go_on, &none);
    is_token(t, (uint64_t)number);
    bw_send(here, 1);
    return t;
}

static void test_waiting(void **state) {
    (void)state;
    // The thread sanitizer knows of 8128 threads and fibres at most.
    long count = UNDER_SANITIZER ? 3000 : (long)effort(debug_has("verify=1") ? WAITING / 10 : WAITING);
    bw_chan(int) here = bw_make_chan(int, 64), go_on = bw_make_chan(int, 0);
    for (long i = 0; i < count; i++)
        bw_go(waits_for_its_own, i, here, go_on);
    for (long i = 0; i < count; i++)
        bw_recv(here);
    for (int i = 0; i < 3; i++) {
        bw_gc();
        // They count as what they are, wherever they are searched.
        CHECK(figures.phases.stack_bytes > (size_t)count * 64, "%zu", figures.phases.stack_bytes);
    }
    bw_close(go_on);
    for (long i = 0; i < count; i++)
        bw_recv(here);
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_moves), cmocka_unit_test(test_waiting)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
