// Goroutines: what a call gets, what is whose (deferred calls, recovering, errno, stacks), what keeps objects alive, and
// that all of them run, in workers and beside threads of the program.
// timeout: 200
#include "support.h"

#include <stdatomic.h>

BW_STRUCT(item, (struct item *, next), (uint64_t, value));
BW_STRUCT(wide, (double, a), (double, b), (long, c), (long, d));

static item *make_list(size_t length) {
    item *list = NULL;
    for (size_t i = 0; i < length; i++) {
        item *more = bw_new(item);
        more->next = list;
        more->value = i;
        list = more;
    }
    return list;
}
static void check_list(const item *list, size_t length) {
    for (; length > 0; list = list->next, length--)
        CHECK(list->value == length - 1);
    CHECK(list == NULL);
}

static void in_goroutine(void (*body)(void));
static void run_and_tell(void (*body)(void), bw_chan(int) done) {
    body();
    bw_send(done, 1);
}
static void in_goroutine(void (*body)(void)) {
    bw_chan(int) done = bw_make_chan(int, 0);
    bw_go(run_and_tell, body, done);
    CHECK(bw_recv(done) == 1);
}

// --- arguments ---

static void no_arguments(void) {}
static void many(bw_chan(int) done, int a, double b, wide c, float d, const char *e, long f, long g, long h, wide i,
                 double j, short k) {
    CHECK(a == 1 && b == 2.5 && c.a == 3 && c.d == 6 && d == 7.5f && strcmp(e, "eight") == 0 && f == 9 && g == 10 &&
          h == 11 && i.b == 13 && i.c == 14 && j == 16.5 && k == -17);
    CHECK(((uintptr_t)__builtin_frame_address(0) & 15) == 0);
    bw_send(done, 1);
}
static void varies(bw_chan(int) done, int count, ...) {
    va_list arguments;
    va_start(arguments, count);
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += va_arg(arguments, double);
    va_end(arguments);
    CHECK(sum == 66);
    bw_send(done, 2);
}
static void test_arguments(void **state) {
    (void)state;
    bw_chan(int) done = bw_make_chan(int, 0);
    bw_go(no_arguments);
    wide c = {3, 4, 5, 6}, i = {12, 13, 14, 15};
    for (int n = 0; n < 100; n++) {
        bw_go(many, done, 1, 2.5, c, 7.5f, "eight", 9, 10, 11, i, 16.5, (short)-17);
        CHECK(bw_recv(done) == 1);
        bw_go(varies, done, 11, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0);
        CHECK(bw_recv(done) == 2);
    }
}

// --- what is the goroutine's own ---

static _Atomic int deferred;
static void count_deferred(int expected) {
    CHECK(atomic_fetch_add(&deferred, 1) >= 0 && expected == 7);
}
static void pauses(void) {
    for (int i = 0; i < 3; i++)
        bw_yield();
}
static void fails(int i) {
    bw_defer(count_deferred, 7);
    pauses();
    bw_defer(pauses);
    bw_panic(i);
}
static void defers_and_recovers(bw_chan(int) done, int number, int depth) {
    for (volatile int i = 0; i < 10; i++) {
        bw_defer(count_deferred, 7);
        errno = number;
        pauses();
        CHECK(errno == number, "%d %d", errno, number);
        bw_any e = bw_protect(fails, number * 10 + i);
        CHECK(bw_is(int, e) && bw_assert_type(int, e) == number * 10 + i);
        volatile int reached = 0;
        bw_try {
            pauses();
            reached = 1;
            bw_try {
                pauses();
                bw_panic("inner");
            }
            bw_recover(inner) {
                pauses();
                reached = reached + 1;
                bw_panic(inner);
            }
        }
        bw_recover(outer) {
            pauses();
            CHECK(reached == 2 && bw_str_eq(bw_assert_type(bw_string, outer), bw_str("inner")));
        }
    }
    if (depth > 0)
        defers_and_recovers(done, number, depth - 1);
    else
        bw_send(done, number);
}
static void test_own(void **state) {
    (void)state;
    enum { COUNT = 20 };
    bw_chan(int) done = bw_make_chan(int, 0);
    atomic_store(&deferred, 0);
    for (int i = 0; i < COUNT; i++)
        bw_go(defers_and_recovers, done, i, 2);
    int sum = 0;
    for (int i = 0; i < COUNT; i++)
        sum += bw_recv(done);
    CHECK(sum == COUNT * (COUNT - 1) / 2);
    CHECK(atomic_load(&deferred) == COUNT * 3 * 10 * 2, "%d", atomic_load(&deferred));
}

// --- stacks keep objects, and only while they are stacks ---

static void holds(bw_chan(int) begun, bw_chan(int) go_on, bw_chan(int) done, size_t length) {
    item *list = make_list(length);
    bw_send(begun, 1);
    CHECK(bw_recv(go_on) == 1);
    check_list(list, length);
    bw_send(done, 1);
}
static void test_holding(void **state) {
    (void)state;
    size_t count = effort(200);
    bw_chan(int) begun = bw_make_chan(int, 0), go_on = bw_make_chan(int, 0), done = bw_make_chan(int, 0);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < count; i++)
            bw_go(holds, begun, go_on, done, 30 + i % 10);
        for (size_t i = 0; i < count; i++)
            CHECK(bw_recv(begun) == 1);
        bw_gc();
        for (size_t i = 0; i < count; i++)
            bw_send(go_on, 1);
        for (size_t i = 0; i < count; i++)
            CHECK(bw_recv(done) == 1);
    }
}

static NOINLINE void start_dropping(bw_chan(int) step, bw_weak *weak);
static void drops_argument(bw_chan(int) step, item *object) {
    CHECK(object->value == 0);
    object = NULL;
    bw_send(step, 1); // parked here, it holds nothing
    bw_send(step, 2);
}
static NOINLINE void start_dropping(bw_chan(int) step, bw_weak *weak) {
    item *object = make_list(1);
    *weak = bw_weak_make(object);
    bw_go(drops_argument, step, object);
    CHECK(bw_recv(step) == 1);
}
static void test_argument_is_dropped(void **state) {
    (void)state;
    if (UNDER_SANITIZER) // whose frames keep more
        return;
    int dropped = 0;
    for (int i = 0; i < 20; i++) {
        bw_chan(int) step = bw_make_chan(int, 0);
        bw_weak weak;
        start_dropping(step, &weak);
        clear_and_collect();
        dropped += bw_weak_get(weak) == NULL;
        CHECK(bw_recv(step) == 2);
    }
    CHECK(dropped >= 10, "%d", dropped);
}

static NOINLINE int deep(int n) {
    volatile char room[500];
    room[n % 500] = 1;
    return n < 0 ? 0 : deep(n + 1) + room[n % 500];
}
static void overflow(void) {
    for (int i = 0; i < 3; i++) {
        item *list = make_list(20);
        bw_any e = bw_protect(deep, 0);
        CHECK(bw_is_runtime_error(e));
        pauses();
        bw_gc();
        check_list(list, 20);
    }
}
static void overflows(void) {
    for (int i = 0; i < 20; i++)
        in_goroutine(overflow);
}
static void test_overflow(void **state) {
    (void)state;
    if (!UNDER_SANITIZER) // whose own stacks are not told of ours
        assert_succeeded("overflows and recovers", NULL, NULL);
}

// --- many ---

static void waits(bw_chan(int) gate, bw_chan(int) done) {
    int ok = bw_recv(gate);
    bw_send(done, ok);
}
static void wait_for_goroutines(int count) { // those that have told that they are done have yet to end
    for (int i = 0; i < 10000 && bw_num_goroutine() != count; i++)
        sleep_ms(1);
    CHECK(bw_num_goroutine() == count, "%d", bw_num_goroutine());
}
static void test_many(void **state) {
    (void)state;
    int count = UNDER_SANITIZER ? 500 : (int)effort(100000);
    for (int round = 0; round < 2; round++) {
        wait_for_goroutines(1);
        bw_chan(int) gate = bw_make_chan(int, 0), done = bw_make_chan(int, 100);
        for (int i = 0; i < count; i++)
            bw_go(waits, gate, done);
        CHECK(bw_num_goroutine() == 1 + count);
        bw_gc();
        bw_close(gate);
        for (int i = 0; i < count; i++)
            CHECK(bw_recv(done) == 0);
    }
    wait_for_goroutines(1);
}

// Two that only talk to one another do not keep the one worker from a third.
static atomic_bool enough;
static void talks(bw_chan(int) in, bw_chan(int) out) {
    while (!atomic_load(&enough)) {
        bw_send(out, 1);
        bw_recv(in);
    }
    bw_close(out);
}
static void ends_it(bw_chan(int) done) {
    for (int i = 0; i < 100; i++)
        bw_yield();
    atomic_store(&enough, true);
    bw_send(done, 1);
}
static void listens(bw_chan(int) in, bw_chan(int) out) {
    int value;
    while (bw_recv_ok(in, &value) && !atomic_load(&enough))
        bw_send(out, 1);
}
static void fair(void) {
    bw_chan(int) a = bw_make_chan(int, 1), b = bw_make_chan(int, 1), done = bw_make_chan(int, 0);
    bw_go(talks, a, b);
    bw_go(listens, b, a);
    bw_go(ends_it, done);
    CHECK(bw_recv(done) == 1);
}
static void test_fair(void **state) {
    (void)state;
    static const char *const one[] = {"GOMAXPROCS=1", NULL};
    assert_succeeded("fair", one, NULL);
}

// --- with threads ---

static void *thread_with_goroutines(void *argument) {
    for (size_t i = 0; i < effort(200); i++)
        in_goroutine(pauses);
    return argument;
}
static void test_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, thread_with_goroutines, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void counts_primes(bw_chan(int) done) {
    int primes = 0;
    for (int i = 2; i < 20000; i++) {
        int j = 2;
        while (j * j <= i && i % j)
            j++;
        primes += j * j > i;
    }
    bw_send(done, primes);
}
static void test_computing(void **state) {
    (void)state;
    bw_chan(int) done = bw_make_chan(int, 0);
    for (int i = 0; i < 8; i++)
        bw_go(counts_primes, done);
    for (int i = 0; i < 8; i++)
        CHECK(bw_recv(done) == 2262);
}

// --- fork ---

static void forks(void) {
    pid_t child = fork();
    if (child == 0) {
        in_goroutine(pauses);
        _exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7, "%d", status);
}
static void test_fork(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        return;
    for (int i = 0; i < 5; i++) {
        forks(); // main waits for goroutines in the child as well
        in_goroutine(forks);
    }
}

// --- ends of the program ---

static void panics_deep(int n) {
    if (n == 0)
        bw_panic("in a goroutine");
    if (n > 0)
        panics_deep(n - 1);
    bw_yield();
}
static void child_panics(void) {
    bw_chan(int) never = bw_make_chan(int, 0);
    bw_go(panics_deep, 2);
    bw_recv(never);
}
static void child_nil(void) {
    void (*volatile nothing)(int) = NULL;
    bw_go(nothing, 1);
}
static void exits(void) {
    pthread_exit(NULL);
}
static void child_exits(void) {
    bw_chan(int) never = bw_make_chan(int, 0);
    bw_go(exits);
    bw_recv(never);
}
static void child_overflows(void) {
    bw_chan(int) never = bw_make_chan(int, 0);
    bw_go(deep, 0);
    bw_recv(never);
}
static void test_ends(void **state) {
    (void)state;
    struct outcome outcome;
    child_run(&outcome, "panics", NULL);
    if (outcome.status != 2 || strncmp(outcome.err, "panic: in a goroutine\n\ngoroutine ", 33) != 0 ||
        (strstr(outcome.err, "panics_deep(...)\n") != NULL) !=
            (strstr(outcome.err, "child_panics in goroutine 1\n") != NULL)) {
        outcome_print(&outcome);
        fail();
    }
    assert_died("nil", "fatal error: go of nil func value");
    assert_died("exits", "fatal error: burrow: pthread_exit in a goroutine: it would end the thread of others");
    if (UNDER_SANITIZER)
        return;
    child_run(&outcome, "overflows", NULL);
    if (outcome.status != 2 || strncmp(outcome.err, "runtime: goroutine stack exceeds ", 33) != 0 ||
        strstr(outcome.err, "\nfatal error: stack overflow\n\ngoroutine ") == NULL) {
        outcome_print(&outcome);
        fail();
    }
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"fair", fair},           {"overflows and recovers", overflows},
                                            {"panics", child_panics}, {"nil", child_nil},
                                            {"exits", child_exits},   {"overflows", child_overflows}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments), cmocka_unit_test(test_own),
        cmocka_unit_test(test_holding),   cmocka_unit_test(test_argument_is_dropped),
        cmocka_unit_test(test_overflow),  cmocka_unit_test(test_many),
        cmocka_unit_test(test_fair),      cmocka_unit_test(test_threads),
        cmocka_unit_test(test_computing), cmocka_unit_test(test_fork),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
