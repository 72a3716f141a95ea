// bw_defer: every way to leave a block, every kind of argument, and what happens to the records when a thread ends.
//
// valgrind: yes
#include "record.h"

#include <burrow/panic.h>
#include <complex.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

// --- leaving a block ---

static void leave_at_end(void) {
    bw_defer(note, "1");
    bw_defer(note, "2");
    {
        bw_defer(note, "3");
        note("in ");
    }
    note(" out ");
}

static int leave_by_return(int n) {
    bw_defer(note, "a");
    if (n == 0)
        return 0;
    bw_defer(note, "b");
    for (;;) {
        bw_defer(note, "c");
        if (n == 1)
            return 1;
        {
            bw_defer(note, "d");
            return 2;
        }
    }
}

static void leave_by_goto(int n) {
    int round = 0;
again:
    round++;
    {
        bw_defer(note, "x");
        if (round < n)
            goto again;
        bw_defer(note, "y");
        if (n > 0)
            goto out;
        note("not here");
    }
out:
    note(";");
}

static void leave_loops(void) {
    for (int i = 0; i < 5; i++) {
        bw_defer(note, i % 2 ? "o" : "e");
        if (i == 1)
            continue;
        if (i == 3)
            break;
        note("-");
    }
    int n = 0;
    do {
        bw_defer(note, "w");
    } while (++n < 2);
    switch (n) {
    case 2: {
        bw_defer(note, "s");
        break;
    }
    default: note("!");
    }
}

static void test_leaving(void **state) {
    (void)state;
    leave_at_end();
    assert_record("in 3 out 21");
    assert_int_equal(leave_by_return(0), 0);
    assert_record("a");
    assert_int_equal(leave_by_return(1), 1);
    assert_record("cba");
    assert_int_equal(leave_by_return(2), 2);
    assert_record("dcba");
    leave_by_goto(3);
    assert_record("xxyx;");
    leave_loops();
    assert_record("-eo-eowws");
}

// A jump past a bw_defer into its block: there is nothing to be called.
#if !defined(__clang__) // which rejects it
static NOINLINE void jump_past(int into) {
    if (into)
        goto inside;
    {
        bw_defer(note, "p");
    inside:
        note(into ? "jumped" : "walked");
    }
}
static void test_jump_past(void **state) {
    (void)state;
    jump_past(0);
    assert_record("walkedp");
    jump_past(1);
    assert_record("jumped");
}
#endif

static void defers_itself(int depth) {
    if (depth > 0) {
        bw_defer(defers_itself, depth - 1);
        bw_defer(note, "r");
    }
}

static NOINLINE void recurse(int depth) {
    bw_defer(note, depth % 2 ? "." : ":");
    if (depth > 0)
        recurse(depth - 1);
}

static void test_nesting(void **state) {
    (void)state;
    defers_itself(3);
    assert_record("rrr");
    recurse(5);
    assert_record(":.:.:.");
    assert_null(bw__flow.defers);
}

// --- arguments ---

static int called;
static int evaluated;
static int next_number(void) {
    return ++evaluated;
}

static void many_ints(int a, long b, char c, short d, unsigned e, long long f, unsigned char g, int8_t h, bool i,
                      int j) {
    CHECK(a == 1 && b == -2 && c == 'c' && d == -4 && e == 5u && f == -6 && g == 7 && h == -8 && i && j == 10);
    called++;
}
static void many_doubles(double a, float b, double c, double d, double e, double f, double g, double h, double i,
                         float j) {
    CHECK(a == 1 && b == 2.5f && c == 3 && d == 4 && e == 5 && f == 6 && g == 7 && h == 8 && i == 9.25 && j == 10.5f);
    called++;
}
static void mixed(int a, double b, const char *c, float d, long e, double f, void *g, long double h, int i, int j,
                  int k, long double l, double m, double n, double o, double p) {
    CHECK(a == 1 && b == 2 && strcmp(c, "three") == 0 && d == 4 && e == 5 && f == 6 && g == &called && h == 8.125L &&
          i == 9 && j == 10 && k == 11 && l == 12 && m == 13 && n == 14 && o == 15 && p == 16);
    called++;
}
struct pair {
    long a;
    double b;
};
struct triple {
    long a, b, c;
};
struct big {
    char bytes[200];
};
struct floats {
    float a, b, c;
};
struct odd {
    char a[3];
};
struct aligned {
    _Alignas(16) long a;
};
static void small_structs(struct pair p, int a, struct odd o, struct floats f, struct pair q, struct pair r,
                          struct pair s) {
    CHECK(p.a == 1 && p.b == 2 && a == 3 && memcmp(o.a, "xyz", 3) == 0 && f.a == 4 && f.b == 5 && f.c == 6 &&
          q.a == 7 && q.b == 8 && r.a == 9 && r.b == 10 && s.a == 11 && s.b == 12);
    called++;
}
#if !defined(__aarch64__)
static void large_structs(int a, struct triple t, struct big b, double d, struct aligned l, struct triple u) {
    CHECK(a == 1 && t.a == 2 && t.b == 3 && t.c == 4 && b.bytes[0] == 'b' && b.bytes[199] == 'z' && d == 5 &&
          l.a == 6 && ((uintptr_t)&l & 15) == 0 && u.a == 7 && u.c == 9);
    called++;
}
#endif
static void converted(long double a, long double b, _Complex long double c, double d, long e, bool f, char g) {
    CHECK(a == 3 && b == -7 && creall(c) == 4 && cimagl(c) == 0 && d == 5 && e == 6 && f && g == 'A');
    called++;
}
static void wide(__int128 a, int b, __int128 c, int d, int e, __int128 f) {
    CHECK(a == (__int128)1 << 100 && b == 2 && c == -3 && d == 4 && e == 5 && f == (__int128)-6 * ((__int128)1 << 90));
    called++;
}
static bool returns_bool(int *p) {
    called += *p;
    return false;
}
static double returns_double(double d) {
    called += (int)d;
    return d;
}
static struct pair returns_pair(int n) {
    called += n;
    return (struct pair){n, n};
}
static _Complex double returns_complex(int n) {
    called += n;
    return n;
}
static void wants_string(bw_string s, bw_any any) {
    CHECK(s.len == 4 && memcmp(s.ptr, "text", 4) == 0 && bw_assert_type(int, any) == 17);
    called++;
}
static __attribute__((warn_unused_result)) int unused(int n) {
    called += n;
    return n;
}

/* Of a parameter gcc says that it is pure, of a constant that it is const: neither is said of what they point to. */
static void defer_parameter(int (*parameter)(int), int (*const constant)(int)) {
    bw_defer(parameter, 1);
    bw_defer(constant, 10);
}

static void test_arguments(void **state) {
    (void)state;
    called = 0;
    {
        bw_defer(many_ints, 1, -2, 'c', -4, 5, -6, 7, -8, 9, 10);
        bw_defer(many_doubles, 1, 2.5, 3, 4, 5, 6, 7, 8, 9.25, 10.5);
        bw_defer(mixed, 1, 2, "three", 4, 5, 6, &called, 8.125, 9, 10, 11, 12, 13, 14, 15, 16);
        bw_defer(small_structs, ((struct pair){1, 2}), 3, ((struct odd){"xyz"}), ((struct floats){4, 5, 6}),
                 ((struct pair){7, 8}), ((struct pair){9, 10}), ((struct pair){11, 12}));
        bw_defer(converted, 3, -7.0f, 4, 5, 6.0, 2, 65);
        bw_defer(wide, (__int128)1 << 100, 2, -3, 4, 5, (__int128)-6 * ((__int128)1 << 90));
    }
    assert_int_equal(called, 6);
#if !defined(__aarch64__)
    {
        struct big b = {{'b'}};
        b.bytes[199] = 'z';
        bw_defer(large_structs, 1, ((struct triple){2, 3, 4}), b, 5, ((struct aligned){6}), ((struct triple){7, 8, 9}));
        memset(&b, 0, sizeof b);
    }
    assert_int_equal(called, 7);
#endif
    called = 0;
    {
        int one = 1;
        bw_defer(returns_bool, &one);
        bw_defer(returns_double, 10);
        bw_defer(returns_pair, 100);
        bw_defer(returns_complex, 1000);
        bw_defer(unused, 10000);
        bw_defer(wants_string, ((bw_string){"text", 4}), bw_any_of(17));
        int (*pointer)(int) = unused;
        bw_defer(pointer, 100000);
        pointer = NULL;
        assert_null(pointer);
    }
    assert_int_equal(called, 111112);
    defer_parameter(unused, unused);
    assert_int_equal(called, 111112 + 11);
}

// Arguments are evaluated once, in place; also those that need the machinery themselves.
static int uses_defer(int n) {
    bw_defer(note, "u");
    return n;
}
static void compare(int a, int b) {
    CHECK(a == b, "%d, %d", a, b);
    called++;
}
static int fails(void) {
    bw_panic("while evaluating");
}
static void fail_in_argument(void) {
    bw_defer(note, "before");
    bw_defer(compare, fails(), 1);
    note("not here");
}

static void test_evaluation(void **state) {
    (void)state;
    called = evaluated = 0;
    for (int i = 1; i <= 100; i++) {
        bw_defer(compare, next_number(), i);
        bw_defer(compare, uses_defer(i), uses_defer(i));
        record[0] = 0;
    }
    assert_int_equal(called, 200);
    assert_int_equal(evaluated, 100);
    bw_any e = bw_protect(fail_in_argument);
    assert_false(bw_is_nil(e));
    assert_record("before");
    assert_null(bw__flow.defers);
}

// A variadic function.
static char printed[100];
static void test_variadic(void **state) {
    (void)state;
    { bw_defer(snprintf, printed, sizeof printed, "%d %.2f %s %d %d %d %d %.1f", 1, 2.0, "three", 4, 5, 6, 7, 8.0); }
    assert_string_equal(printed, "1 2.00 three 4 5 6 7 8.0");
}

// --- many random calls, against the same call made directly ---

struct arguments {
    long i[8];
    double d[10];
    struct pair p;
};
static struct arguments seen;
static void take_all(long i0, double d0, long i1, double d1, struct pair p, long i2, double d2, long i3, double d3,
                     long i4, double d4, long i5, long i6, double d5, long i7, double d6) {
    seen = (struct arguments){{i0, i1, i2, i3, i4, i5, i6, i7}, {d0, d1, d2, d3, d4, d5, d6}, p};
}

static void test_random(void **state) {
    (void)state;
    struct random random = {5};
    for (size_t round = 0; round < effort(20000); round++) {
        struct arguments a = {0};
        for (size_t i = 0; i < COUNT_OF(a.i); i++)
            a.i[i] = (long)random_next(&random);
        for (size_t i = 0; i < 7; i++)
            a.d[i] = (double)(long)random_next(&random);
        a.p = (struct pair){a.i[3], a.d[2]};
        struct arguments kept = a;
        {
            bw_defer(take_all, a.i[0], a.d[0], a.i[1], a.d[1], a.p, a.i[2], a.d[2], a.i[3], a.d[3], a.i[4], a.d[4],
                     a.i[5], a.i[6], a.d[5], a.i[7], a.d[6]);
            memset(&a, 0xff, sizeof a);
        }
        CHECK(memcmp(&seen, &kept, sizeof seen) == 0);
    }
}

// --- the collector ---

BW_STRUCT(item, (struct item *, next), (uint64_t, value));
static void check_item(item *a, int number, item *b) {
    CHECK(a->value == 77 && b->value == (uint64_t)number && a->next == b);
    called++;
}
static NOINLINE void defer_objects(int number) {
    item *b = bw_new(item), *a = bw_new(item);
    b->value = (uint64_t)number;
    a->value = 77;
    a->next = b;
    bw_defer(check_item, a, number, b);
    a = b = NULL;
    for (int i = 0; i < 50; i++)
        CHECK(bw_new(item)->next == NULL);
    bw_gc();
    for (int i = 0; i < 50; i++)
        CHECK(bw_new(item)->next == NULL);
}

static void test_objects_live(void **state) {
    (void)state;
    called = 0;
    size_t count = effort(200);
    for (size_t i = 0; i < count; i++)
        defer_objects((int)i);
    assert_int_equal(called, count);
}

// --- the ends of threads ---

static atomic_int ended;
static void end(int n) {
    atomic_fetch_add(&ended, n);
}
static NOINLINE void exit_deep(int depth) {
    bw_defer(end, 1);
    if (depth > 0)
        exit_deep(depth - 1);
    else if (atomic_load(&ended) >= 0)
        pthread_exit(&ended);
    note("not here");
}
static void *exits(void *unused_argument) {
    bw_defer(end, 1000);
    exit_deep(9);
    return unused_argument;
}
static void *returns(void *argument) {
    bw_defer(end, 1000);
    return argument;
}
static atomic_bool waiting;
static void *is_cancelled(void *argument) {
    bw_defer(end, 0);
    {
        bw_defer(end, 0);
        atomic_store(&waiting, true);
        for (;;)
            sleep_ms(1000);
    }
    return argument;
}
static void destructor(void *key_value) {
    (void)key_value;
    // The thread's frames are gone.
    {
        bw_defer(end, 100000);
        bw_any e = bw_protect(fails);
        CHECK(!bw_is_nil(e));
    }
}

static pthread_key_t key;
static void *with_destructor(void *body) {
    CHECK(pthread_setspecific(key, &ended) == 0);
    void *(*function)(void *);
    memcpy(&function, &body, sizeof function);
    return function(NULL);
}

static void test_thread_ends(void **state) {
    (void)state;
    CHECK(pthread_key_create(&key, destructor) == 0);
    void *(*const bodies[])(void *) = {exits, returns, is_cancelled};
    const int expected[] = {101010, 101000, 100000};
    for (size_t round = 0; round < effort(50) + 2; round++)
        // The address sanitizer is not told that a cancelled thread's frames are gone.
        for (size_t i = 0; i < COUNT_OF(bodies) - UNDER_ADDRESS_SANITIZER; i++) {
            pthread_t thread;
            void *argument;
            memcpy(&argument, &bodies[i], sizeof argument);
            atomic_store(&ended, 0);
            atomic_store(&waiting, false);
            CHECK(pthread_create(&thread, NULL, with_destructor, argument) == 0);
            if (i == 2) {
                while (!atomic_load(&waiting))
                    sleep_ms(1);
                CHECK(pthread_cancel(thread) == 0);
            }
            CHECK(pthread_join(thread, NULL) == 0);
            assert_int_equal(atomic_load(&ended), expected[i]);
        }
    pthread_key_delete(key);
}

// Threads have lists of their own.
static void *defer_much(void *argument) {
    volatile long sum = 0;
    for (volatile int i = 0; i < 1000; i = i + 1) {
        bw_defer(end, 1);
        bw_try {
            bw_defer(end, 1);
            bw_panic(i);
        }
        bw_recover(e) {
            sum = sum + bw_assert_type(int, e);
        }
    }
    CHECK(sum == 999 * 500);
    return argument;
}

static void test_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    atomic_store(&ended, 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, defer_much, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    assert_int_equal(atomic_load(&ended), 8000);
}

// --- what the compiler rejects ---

static const struct rejected {
    const char *code, *message;
} rejected[] = {
    {"void f(void) { bw_defer(puts); }", "too few arguments"},
    {"void f(void) { bw_defer(puts, \"a\", 1); }", "too many arguments"},
    {"void f(void) { bw_defer(puts, 1.5); }", "incompatible type"},
    {"void f(void) { bw_defer(puts, 1); }", "makes pointer from integer"},
    {"void f(int a) { if (a) bw_defer(puts, \"a\"); }", "expected"},
    {"void f(void) { bw_defer(exit, 1); }", "declared noreturn"},
    {"struct s { long a, b, c; }; struct s g(void); void f(void) { bw_defer(g); }", "more than 16 bytes"},
    {"long double g(void); void f(void) { bw_defer(g); }", "a long double"},
    {"struct s { char a; long b; } __attribute__((packed)); struct s g(void); void f(void) { bw_defer(g); }",
     "a packed one"},
    {"int g(void) __attribute__((const)); void f(void) { bw_defer(g); }", "without effects"},
    {"struct s { char a[1020]; }; void g(struct s); void f(struct s s) { bw_defer(g, s); }", "more than 128 words"},
    {"typedef int v8 __attribute__((vector_size(32))); void g(v8); void f(v8 v) { bw_defer(g, v); }", "too large"},
    {"struct s { int a; }; void f(struct s s) { bw_panic(s); }", "has to be named"},
    {"void f(void) { bw_any e = bw_protect(puts, 1.5); (void)e; }", "incompatible type"},
    {"void g(int, ...); void f(void) { bw_defer(g,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17); }", "TOO_MANY_ARGUMENTS"},
};

static void test_rejected(void **state) {
    (void)state;
    static struct outcome outcome;
    if (access("/usr/bin/gcc", X_OK) != 0 || under_valgrind())
        return;
    for (size_t i = 0; i < COUNT_OF(rejected); i++) {
        char path[] = "/tmp/test_defer_XXXXXX.c";
        int fd = mkstemps(path, 2);
        CHECK(fd >= 0);
        dprintf(fd, "#include <burrow.h>\n#include <burrow/panic.h>\n#include <stdio.h>\n#include <stdlib.h>\n%s\n",
                rejected[i].code);
        close(fd);
        char *arguments[] = {(char[]){"/usr/bin/gcc"},
                             (char[]){"-std=gnu11"},
                             (char[]){"-c"},
                             (char[]){"-o"},
                             (char[]){"/dev/null"},
                             (char[]){"-Werror"},
                             (char[]){"-I" BURROW_TEST_SOURCE_DIR "/include"},
                             path,
                             NULL};
        program_run(&outcome, arguments, NULL, child_limit(60));
        unlink(path);
        if (outcome.status == 0 || strstr(outcome.err, rejected[i].message) == NULL) {
            fprintf(stderr, "%s\nexpected: %s\n", rejected[i].code, rejected[i].message);
            outcome_print(&outcome);
            fail();
        }
    }
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaving),
#if !defined(__clang__)
        cmocka_unit_test(test_jump_past),
#endif
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_variadic),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_objects_live),
        cmocka_unit_test(test_thread_ends),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
