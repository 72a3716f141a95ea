// Wait groups and once. The cases of Go's waitgroup_test.go and once_test.go; docs/go-tests.md says which is which.
// timeout: 200
#include "support.h"

#include "sync/sync.h"

BW_STRUCT(item, (struct item *, next), (uint64_t, value));

static bool panics_with(bw_any e, const char *text) {
    return bw_is_runtime_error(e) && bw_str_eq(bw_error_text(bw_assert_type(bw_error, e)), bw_string_of(text));
}

// --- wait groups ---

// TestWaitGroup: the second holds those back that the first waited for.
static void passes_both(bw_waitgroup *first, bw_waitgroup *second, bw_chan(bool) exited) {
    bw_waitgroup_done(first);
    bw_waitgroup_wait(second);
    bw_send(exited, true);
}
static void test_waitgroup(void **state) {
    (void)state;
    bw_waitgroup *first = bw_new(bw_waitgroup), *second = bw_new(bw_waitgroup);
    for (int round = 0; round < 8; round++) {
        int n = 16;
        bw_waitgroup_add(first, n);
        bw_waitgroup_add(second, n);
        bw_chan(bool) exited = bw_make_chan(bool, n);
        for (int i = 0; i < n; i++)
            bw_go(passes_both, first, second, exited);
        bw_waitgroup_wait(first);
        for (int i = 0; i < n; i++) {
            CHECK(bw_chan_len(exited) == 0);
            bw_waitgroup_done(second);
        }
        for (int i = 0; i < n; i++)
            bw_recv(exited);
    }
}

// TestWaitGroupRace
static void counts_and_is_done(bw_waitgroup *group, _Atomic int *n) {
    atomic_fetch_add(n, 1);
    bw_waitgroup_done(group);
}
static void test_race(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(5000); i++) {
        bw_waitgroup *group = bw_new(bw_waitgroup);
        _Atomic int *n = bw_alloc(sizeof *n);
        bw_waitgroup_add(group, 1);
        bw_go(counts_and_is_done, group, n);
        bw_waitgroup_add(group, 1);
        bw_go(counts_and_is_done, group, n);
        bw_waitgroup_wait(group);
        CHECK(atomic_load(n) == 2);
    }
}

// The group may be on the stack of who waits, and be gone as soon as that returns.
static NOINLINE void waits_on_its_stack(_Atomic int *n) {
    bw_waitgroup group = {0};
    bw_waitgroup_add(&group, 3);
    for (int i = 0; i < 3; i++)
        bw_go(counts_and_is_done, &group, n);
    bw_waitgroup_wait(&group);
}
static void test_on_the_stack(void **state) {
    (void)state;
    _Atomic int *n = bw_alloc(sizeof *n);
    bw_waitgroup all = {0};
    for (size_t i = 0; i < effort(2000); i++) {
        bw_waitgroup_go(&all, waits_on_its_stack, n);
        waits_on_its_stack(n);
        clear_stack();
    }
    bw_waitgroup_wait(&all);
    CHECK(atomic_load(n) == 6 * (int)effort(2000));
}

// TestWaitGroupAlign has no counterpart: C aligns. TestWaitGroupGo, with all kinds of arguments, many of them, and what
// they keep alive.
BW_STRUCT(five, (void *, a), (void *, b), (void *, c), (void *, d), (void *, e));
static void adds_all(_Atomic uint64_t *sum, int a, double b, item *c, five d, const char *e, int64_t f, int64_t g,
                     int64_t h, item *i, float j) {
    bw_gc();
    bw_yield();
    CHECK(strcmp(e, "text") == 0 && b == 0.5 && j == 0.25f && d.e == c);
    atomic_fetch_add(sum, (uint64_t)a + c->value + (uint64_t)(f + g + h) + i->value);
}
static item *new_item(uint64_t value) {
    item *made = bw_new(item);
    made->value = value;
    return made;
}
static NOINLINE void goes(bw_waitgroup *group, _Atomic uint64_t *sum) {
    item *c = new_item(1000);
    five d = {NULL, NULL, NULL, NULL, c};
    bw_waitgroup_go(group, adds_all, sum, 1, 0.5, c, d, "text", 10, 20, 30, new_item(100000), 0.25f);
}
static int returns(int a) {
    return a;
}
static void nothing(void) {}
static void test_go(void **state) {
    (void)state;
    bw_waitgroup *group = bw_new(bw_waitgroup);
    _Atomic uint64_t *sum = bw_alloc(sizeof *sum);
    size_t count = effort(100);
    for (size_t i = 0; i < count; i++)
        goes(group, sum);
    bw_waitgroup_go(group, nothing);
    bw_waitgroup_go(group, returns, 1);
    bw_waitgroup_wait(group);
    CHECK(atomic_load(sum) == count * 101061, "%llu", (unsigned long long)atomic_load(sum));
}

// What only the goroutines of bw_waitgroup_go refer to lives until they are done: the group.
static void waits_a_little(item *last) {
    for (int i = 0; i < 20; i++)
        bw_yield();
    CHECK(last->value == 5);
}
static NOINLINE void drop_group(void) {
    bw_waitgroup *group = bw_new(bw_waitgroup);
    bw_waitgroup_go(group, waits_a_little, new_item(5));
}
static void test_group_is_kept(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(100); i++) {
        drop_group();
        if (i % 10 == 0)
            collect_clean();
    }
}

static void many(bw_waitgroup *group, int depth, _Atomic int *n) {
    atomic_fetch_add(n, 1);
    if (depth > 0) {
        bw_waitgroup_go(group, many, group, depth - 1, n);
        bw_waitgroup_go(group, many, group, depth - 1, n);
    }
}
static void *waits_in_thread(void *group) {
    bw_waitgroup_wait(group);
    return NULL;
}
static void test_tree(void **state) {
    (void)state;
    bw_waitgroup *group = bw_new(bw_waitgroup);
    _Atomic int *n = bw_alloc(sizeof *n);
    int depth = UNDER_SANITIZER ? 7 : 12;
    pthread_t waiter;
    bw_waitgroup_add(group, 1);
    CHECK(pthread_create(&waiter, NULL, waits_in_thread, group) == 0);
    bw_waitgroup_go(group, many, group, depth, n);
    bw_waitgroup_done(group);
    bw_waitgroup_wait(group);
    CHECK(atomic_load(n) == (2 << depth) - 1);
    CHECK(pthread_join(waiter, NULL) == 0);
}

// TestWaitGroupMisuse; and the other two panics.
static void done_twice(bw_waitgroup *group) {
    bw_waitgroup_add(group, 1);
    bw_waitgroup_done(group);
    bw_waitgroup_done(group);
}
static void waits(bw_waitgroup *group, bw_chan(bool) ended) {
    bw_waitgroup_wait(group);
    bw_send(ended, true);
}
static void waits_to_panic(bw_waitgroup *group, bw_chan(bool) ended) {
    bw_send(ended, panics_with(bw_protect(bw__waitgroup_wait, group),
                               "sync: WaitGroup is reused before previous Wait has returned"));
}
static void adds(bw_waitgroup *group, int n) {
    bw_waitgroup_add(group, n);
}
static void test_misuse(void **state) {
    (void)state;
    bw_waitgroup *group = bw_new(bw_waitgroup);
    CHECK(panics_with(bw_protect(done_twice, group), "sync: negative WaitGroup counter"));
    group = bw_new(bw_waitgroup);
    bw_chan(bool) ended = bw_make_chan(bool, 0);
    bw_waitgroup_add(group, 1);
    bw_go(waits, group, ended);
    while ((uint32_t)__atomic_load_n(&group->bw__state, __ATOMIC_RELAXED) == 0)
        bw_yield();
    // As if all were done, and their waiters were not told yet, when somebody begins anew.
    __atomic_sub_fetch(&group->bw__state, (uint64_t)1 << 32, __ATOMIC_RELAXED);
    CHECK(panics_with(bw_protect(adds, group, 1), "sync: WaitGroup misuse: Add called concurrently with Wait"));
    bw_waitgroup_done(group);
    CHECK(bw_recv(ended));
    // Begun anew before who waited has looked.
    bw_waitgroup_add(group, 1);
    bw_go(waits_to_panic, group, ended);
    while ((uint32_t)__atomic_load_n(&group->bw__state, __ATOMIC_RELAXED) == 0)
        bw_yield();
    struct thread *self = thread_enter();
    sleepers_tell(self, &group->bw__waiting, 1);
    thread_leave(self);
    CHECK(bw_recv(ended));
}

// TestIssue76126: a panic in a goroutine of a group ends the program; who waits does not go on before.
static void panics(void) {
    bw_panic("test");
}
static void child_panics(void) {
    bw_waitgroup group = {0};
    bw_waitgroup_go(&group, panics);
    bw_waitgroup_wait(&group);
    exit(0);
}
static void child_nil(void) {
    bw_waitgroup group = {0};
    void (*volatile none)(void) = NULL;
    bw_waitgroup_go(&group, none);
}
static void test_panic(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_died("panics", "panic: test");
    assert_died("nil", "fatal error: go of nil func value");
}

// --- once ---

static void increments(int *n) {
    bw_yield();
    ++*n;
}
// TestOnce
static void runs(bw_once *once, int *n) {
    bw_once_do(once, increments, n);
    CHECK(*n == 1);
}
static void *runs_in_thread(void *argument) {
    void **pair = argument;
    runs(pair[0], pair[1]);
    return NULL;
}
static void test_once(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(500); i++) {
        bw_once *once = bw_new(bw_once);
        int *n = bw_new(int);
        bw_waitgroup all = {0};
        for (int j = 0; j < 10; j++)
            bw_waitgroup_go(&all, runs, once, n);
        if (i % 10 == 0) {
            void *pair[] = {once, n};
            in_thread(runs_in_thread, pair);
        }
        runs(once, n);
        bw_waitgroup_wait(&all);
        CHECK(*n == 1);
    }
}

// TestOncePanic
static void fails(int n) {
    if (n == 1)
        bw_panic("failed");
    CHECK(false);
}
static void does_once(bw_once *once, int n) {
    bw_once_do(once, fails, n);
}
static void test_once_panic(void **state) {
    (void)state;
    bw_once once = {0};
    bw_any e = bw_protect(does_once, &once, 1);
    CHECK(bw_str_eq(bw_assert_type(bw_string, e), bw_str("failed")));
    does_once(&once, 2);
}

// The arguments are evaluated for the call that is made; any function; two in one block.
static five returns_struct(int *calls, int more) {
    *calls += more;
    return (five){0};
}
static void test_once_arguments(void **state) {
    (void)state;
    static bw_once once, other;
    int calls = 0, evaluated = 0;
    for (int i = 0; i < 3; i++) {
        bw_once_do(&once, returns_struct, &calls, ++evaluated);
        bw_once_do(&other, returns_struct, &calls, ++evaluated);
    }
    CHECK(calls == 3 && evaluated == 2);
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"panics", child_panics}, {"nil", child_nil}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waitgroup),  cmocka_unit_test(test_race),           cmocka_unit_test(test_on_the_stack),
        cmocka_unit_test(test_go),         cmocka_unit_test(test_tree),           cmocka_unit_test(test_group_is_kept),
        cmocka_unit_test(test_misuse),     cmocka_unit_test(test_panic),          cmocka_unit_test(test_once),
        cmocka_unit_test(test_once_panic), cmocka_unit_test(test_once_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
