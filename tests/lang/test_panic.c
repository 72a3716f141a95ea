// Panics: their messages are Go's, to the letter (those here were printed by Go 1.27.3), they are recovered where they should
// be, and leave everything as it was.
//
// timeout: 240
#include "record.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "gc/gc.h"

static void *volatile result; // of calls that do not return, or whose result does not matter

// What goes wrong here does so on purpose.
#define WRONG NOINLINE __attribute__((no_sanitize("undefined"), no_sanitize("thread")))

BW_STRUCT(item, (struct item *, next), (uint64_t, value));
BW_STRUCT(two, (int, a), (int, b));

BW_STRUCT(failure, (int, code));
static bw_string failure_error(failure *f) {
    return f->code == 1 ? bw_str("my\nerror") : bw_str("plain");
}
BW_IMPL(bw_error, failure, (bw_string, error));
static bw_error failure_new(int code) {
    failure *f = bw_new(failure);
    f->code = code;
    return bw_as(bw_error, failure, f);
}

BW_STRUCT(bad_failure, (int, code));
static bw_string bad_failure_error(bad_failure *f) {
    if (f->code == 1)
        bw_panic("in error");
    bw_panic(f->code);
}
BW_IMPL(bw_error, bad_failure, (bw_string, error));

BW_STRUCT(named, (int, code));
static bw_string named_string(named *n) {
    (void)n;
    return bw_str("stringer");
}
BW_IMPL(bw_stringer, named, (bw_string, string));

// --- faults ---

static int *volatile nil;
static volatile int zero;
static WRONG void write_nil(void) {
    *nil = 1;
}
static WRONG void read_nil_member(void) {
    CHECK(((volatile item *)nil)->value == 0);
}
static WRONG void call_nil(void) {
    void (*volatile f)(void) = NULL;
    f();
    __asm__ volatile("");
}
static WRONG int divide(int n, int d) {
    return n / d;
}
static void divide_by(int d) {
    CHECK(divide(100, d) == 0);
}
static WRONG long double read_nil_float(void) {
    return 1 + *(volatile long double *)nil;
}
static WRONG int deep(int n) {
    volatile char frame[2000];
    frame[n % 2000] = 1;
    if (n < 0)
        return 0;
    return deep(n + 1) + frame[n % 2000];
}

// --- ways to panic ---

static void first(void) {
    bw_panic("first");
}
static void second(void) {
    bw_panic("second");
}
static void third(void) {
    bw_panic("third");
}
static void first_second(void) {
    bw_defer(second);
    first();
}
static void recover_inner(void) {
    CHECK(!bw_is_nil(bw_protect(first)));
}
static void panic_error(bw_error e) {
    bw_panic(e);
}

// --- children: a panic that nobody recovers ---

static void text(void) {
    bw_panic("a\nb\tc\001\033\377");
}
static void empty_text(void) {
    bw_panic("");
}
static void long_text(void) {
    char *bytes = malloc(100001);
    memset(bytes, 'x', 100000);
    bytes[100000] = 0;
    bw_panic(bytes);
}
static void float_1(void) {
    bw_panic(1.5);
}
static void float_2(void) {
    bw_panic(-0.1f);
}
static void float_3(void) {
    bw_panic(123456789.125);
}
static void float_4(void) {
    bw_panic(999999.0);
}
static void float_5(void) {
    bw_panic(1e6);
}
static void float_6(void) {
    bw_panic(0.00012345);
}
static void float_7(void) {
    bw_panic(0.00001);
}
static void float_8(void) {
    bw_panic((double)INFINITY);
}
static void float_9(void) {
    bw_panic(5e-324);
}
static void float_10(void) {
    bw_panic(100000.0f);
}
static void float_11(void) {
    bw_panic(12345.625);
}
static void float_12(void) {
    bw_panic(-0.0);
}
static void integer(void) {
    bw_panic(-3);
}
static void big_integer(void) {
    bw_panic(UINT64_MAX);
}
static void boolean(void) {
    bw_panic((bool)true);
}
static void byte(void) {
    bw_panic((unsigned char)'a');
}
static void string(void) {
    bw_panic(bw_str("a string\n"));
}
static void error_1(void) {
    panic_error(failure_new(1));
}
static void error_2(void) {
    bw_any value = bw_any_of(failure_new(2));
    bw_panic(value);
}
static void bad_error_1(void) {
    bad_failure *f = bw_new(bad_failure);
    f->code = 1;
    panic_error(bw_as(bw_error, bad_failure, f));
}
static void bad_error_2(void) {
    panic_error(bw_as(bw_error, bad_failure, bw_new(bad_failure)));
}
static void stringer(void) {
    bw_panic(bw_as(bw_stringer, named, bw_new(named)));
}
static void a_struct(void) {
    bw_panic(bw_any_as(two, ((two){1, 2})));
}
static void a_pointer(void) {
    item *i = bw_new(item);
    expect("panic: (*item) %p", (void *)i);
    bw_panic(bw_any_as(item *, i));
}
static void nil_any(void) {
    bw_panic((bw_any){0});
}
static void nil_error(void) {
    bw_panic((bw_error){0});
}
static void nested(void) {
    first_second();
}
static void nested_3(void) {
    bw_defer(third);
    first_second();
}
static void again(void) {
    bw_try first();
    bw_recover(e) bw_panic(e);
}
static void again_other(void) {
    bw_try first();
    bw_recover(e) {
        bw_string s = bw_assert_type(bw_string, e);
        CHECK(s.len == 5);
        bw_panic("again first");
    }
}
static void again_twice(void) {
    bw_try again();
    bw_recover(e) bw_panic(e);
}
static void again_second(void) {
    bw_try first_second();
    bw_recover(e) bw_panic(e);
}
static void again_third(void) {
    bw_defer(third);
    again();
}
static void again_protect(void) {
    bw_panic(bw_protect(first));
}
static void again_late(void) {
    // Recovered, and over: another panic is another.
    bw_try first();
    bw_recover(e) CHECK(!bw_is_nil(e));
    bw_panic("second");
}
static void inner_recovered(void) {
    bw_defer(second);
    bw_defer(recover_inner);
    first();
}
static void in_deferred_again(void) {
    bw_defer(again_second);
    bw_panic("zeroth");
}
static void nil_write(void) {
    write_nil();
}
static void nil_member(void) {
    read_nil_member();
}
static void nil_call(void) {
    call_nil();
}
static void nil_again(void) {
    bw_gc();
    bw_try write_nil();
    bw_recover(e) bw_panic(e);
}
static void nil_nested(void) {
    bw_defer(write_nil);
    first();
}
static void nil_then(void) {
    bw_defer(second);
    write_nil();
}
static void nil_forgotten(void) {
    bw_try write_nil();
    bw_recover(e) CHECK(bw_is_runtime_error(e));
    first();
}
static void division(void) {
    divide_by(zero);
}
static void quotient(void) {
    CHECK(divide(INT32_MIN, zero - 1) == 0);
}
static void overflow(void) {
    CHECK(deep(0) == 0);
}

// `*` in a message stands for a number in hexadecimal.
static const struct uncaught {
    void (*body)(void);
    const char *message;
    bool fault;
} uncaught[] = {
    {text, "panic: a\n\tb\tc\001\033\377", false},
    {empty_text, "panic: ", false},
    {float_1, "panic: 1.5", false},
    {float_2, "panic: -0.1", false},
    {float_3, "panic: 1.23456789125e+08", false},
    {float_4, "panic: 999999", false},
    {float_5, "panic: 1e+06", false},
    {float_6, "panic: 0.00012345", false},
    {float_7, "panic: 1e-05", false},
    {float_8, "panic: +Inf", false},
    {float_9, "panic: 5e-324", false},
    {float_10, "panic: 100000", false},
    {float_11, "panic: 12345.625", false},
    {float_12, "panic: -0", false},
    {integer, "panic: -3", false},
    {big_integer, "panic: 18446744073709551615", false},
    {boolean, "panic: true", false},
    {byte, "panic: 97", false},
    {string, "panic: a string\n\t", false},
    {error_1, "panic: my\n\terror", false},
    {error_2, "panic: plain", false},
    {stringer, "panic: stringer", false},
    {a_struct, "panic: (two) 0x*", false},
    {nil_any, "panic: runtime error: panic called with nil argument", false},
    {nil_error, "panic: runtime error: panic called with nil argument", false},
    {nested, "panic: first\n\tpanic: second", false},
    {nested_3, "panic: first\n\tpanic: second\n\tpanic: third", false},
    {again, "panic: first [recovered, repanicked]", false},
    {again_other, "panic: first [recovered]\n\tpanic: again first", false},
    {again_twice, "panic: first [recovered, repanicked]", false},
    {again_second, "panic: first\n\tpanic: second [recovered, repanicked]", false},
    {again_third, "panic: first [recovered, repanicked]\n\tpanic: third", false},
    {again_protect, "panic: first [recovered, repanicked]", false},
    {again_late, "panic: second", false},
    {inner_recovered, "panic: first\n\tpanic: second", false},
    {in_deferred_again, "panic: zeroth\n\tpanic: first\n\tpanic: second [recovered, repanicked]", false},
#define NIL "runtime error: invalid memory address or nil pointer dereference"
#define SIGNAL "\n[signal SIGSEGV: segmentation violation code=0x1 addr="
    {nil_write, "panic: " NIL SIGNAL "0x0 pc=0x*]", true},
    {nil_member, "panic: " NIL SIGNAL "0x8 pc=0x*]", true},
    {nil_call, "panic: " NIL SIGNAL "0x0 pc=0x0]", true},
    {nil_again, "panic: " NIL " [recovered, repanicked]" SIGNAL "0x0 pc=0x*]", true},
    {nil_nested, "panic: first\n\tpanic: " NIL SIGNAL "0x0 pc=0x*]", true},
    {nil_then, "panic: " NIL "\n\tpanic: second" SIGNAL "0x0 pc=0x*]", true},
    {nil_forgotten, "panic: first", true},
#if defined(__x86_64__)
    {division, "panic: runtime error: integer divide by zero", true},
    {quotient, "panic: runtime error: integer overflow", true},
#endif
};

// Which of them a child is.
static void child_uncaught(void) {
    CHECK(bw_new(item)->next == NULL); // the library is in use
    uncaught[atoi(getenv("UNCAUGHT"))].body();
}

static bool message_is(const char *got, const char *expected, const char **rest) {
    while (*expected) {
        if (*expected == '*') {
            expected++;
            got += strspn(got, "0123456789abcdef");
        } else if (*expected++ != *got++) {
            return false;
        }
    }
    *rest = got;
    return true;
}

// The sanitizers must leave faults to us.
static char no_handlers[] =
    "ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:use_sigaltstack=0";
static char no_handlers_either[] =
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=20:report_thread_leaks=0:handle_segv=0:"
    "handle_sigbus=0:handle_sigfpe=0:use_sigaltstack=0";
static char chosen[40] = "UNCAUGHT=0";
static const char *const settings[] = {no_handlers, no_handlers_either, chosen, NULL};
static struct outcome outcome;

static void test_uncaught(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(uncaught); i++) {
        snprintf(chosen, sizeof chosen, "UNCAUGHT=%zu", i);
        child_run(&outcome, "uncaught", settings);
        const char *rest = "";
        if (outcome.status != 2 || !message_is(outcome.err, uncaught[i].message, &rest) ||
            strncmp(rest, "\n\ngoroutine 1 [running]:\n", 25) != 0) {
            fprintf(stderr, "number %zu; expected status 2 and: %s\n", i, uncaught[i].message);
            outcome_print(&outcome);
            fail();
        }
    }
    assert_died("pointer", NULL);
    assert_died("bad error", "fatal error: panic while printing panic value: in error");
    assert_died("bad error 2", "fatal error: panic while printing panic value: type int");
    child_run(&outcome, "long", NULL);
    assert_int_equal(outcome.status, 2);
    assert_true(strlen(outcome.err) > 60000 && strspn(outcome.err + 7, "x") > 60000);
}

static void stack_overflow(void) {
    bw_gc();
    overflow();
}
static void assert_overflow_message(const char *child) {
    child_run(&outcome, child, settings);
    const char *rest = "";
    bool is = message_is(outcome.err,
                         "runtime: goroutine stack exceeds *-byte limit\nruntime: sp=0x* stack=[0x*, 0x*]\n"
                         "fatal error: stack overflow\n\ngoroutine ",
                         &rest);
    if (outcome.status != 2 || !is || strstr(rest, "deep(...)\n") == NULL ||
        strstr(rest, " frames elided...\n") == NULL) {
        outcome_print(&outcome);
        fail();
    }
}

// Text is printed once, and whole, whichever thread ends the program.
static void *panics_too(void *barrier) {
    pthread_barrier_wait(barrier);
    bw_panic("one of several");
    return NULL;
}
static void several(void) {
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 4);
    pthread_t threads[3];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, panics_too, &barrier) == 0);
    panics_too(&barrier);
}

// --- the stack in the message ---

enum { LINE_OF_3 = __LINE__ + 3 };
static NOINLINE void level_3(int n) {
    if (n == 3)
        bw_panic("deep");
    __asm__ volatile("");
}
enum { LINE_OF_2 = __LINE__ + 2 };
static NOINLINE void level_2(int n) {
    level_3(n + 1);
    __asm__ volatile("");
}
enum { LINE_OF_1 = __LINE__ + 2 };
static NOINLINE void level_1(int n) {
    level_2(n + 1);
    __asm__ volatile("");
}
static void stack(void) {
    level_1(1);
    __asm__ volatile("");
}
static void *stack_of_a_thread(void *argument) {
    level_1(1);
    return argument;
}
static NOINLINE void make_thread(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, stack_of_a_thread, NULL) == 0);
    pthread_join(thread, NULL);
}
static void thread_stack(void) {
    make_thread();
}
static NOINLINE void misuse(void) {
    bw_free((void *)8);
    __asm__ volatile("");
}
static void misuse_stack(void) {
    misuse();
    __asm__ volatile("");
}
static NOINLINE void fault_in(void) {
    write_nil();
    __asm__ volatile("");
}
static void fault_stack(void) {
    CHECK(bw_new(item)->next == NULL);
    fault_in();
    __asm__ volatile("");
}

static const char *find_after(const char *text, const char *wanted) {
    const char *found = text ? strstr(text, wanted) : NULL;
    return found ? found + strlen(wanted) : NULL;
}
// The stack begins with this function, and goes on with those, at these lines.
static void assert_stack(const char *child, int number, const char *const *functions, const int *lines) {
    child_run(&outcome, child, settings);
    char line[300];
    snprintf(line, sizeof line, "\n\ngoroutine %d [running]:\n%s(...)\n", number, functions[0]);
    const char *rest = strstr(outcome.err, line);
    for (size_t i = 0; functions[i]; i++) {
        snprintf(line, sizeof line, "\n%s(...)\n\t", functions[i]);
        rest = find_after(rest ? rest - (i > 0) : NULL, line);
        if (rest && lines[i]) {
            snprintf(line, sizeof line, "%s:%d +0x", __FILE__, lines[i]);
            rest = find_after(rest, line);
        }
        rest = rest ? strchr(rest, '\n') + 1 : NULL;
    }
    if (outcome.status != 2 || rest == NULL) {
        fprintf(stderr, "child %s\n", child);
        outcome_print(&outcome);
        fail();
    }
}

static void test_stacks(void **state) {
    (void)state;
    const int lines[] = {LINE_OF_3, LINE_OF_2, LINE_OF_1, 0, 0, 0};
    assert_stack("stack", 1, (const char *const[]){"level_3", "level_2", "level_1", "stack", "main", NULL}, lines);
    assert_string_equal(strrchr(outcome.err, '\n'), "\n");
    assert_null(strstr(outcome.err, "libc"));
    assert_stack("thread stack", 2, (const char *const[]){"level_3", "level_2", "level_1", "stack_of_a_thread", NULL},
                 lines);
    assert_non_null(strstr(outcome.err, "\ncreated by make_thread in goroutine 1\n\t"));
    assert_null(strstr(outcome.err, "thread_start"));
    const int none[] = {0, 0, 0, 0};
    assert_stack("misuse stack", 1, (const char *const[]){"misuse", "misuse_stack", "main", NULL}, none);
    assert_stack("fault stack", 1, (const char *const[]){"write_nil", "fault_in", "fault_stack", "main", NULL}, none);
    if (!UNDER_SANITIZER)
        assert_overflow_message("overflow");
    assert_died("several", "panic: one of several");
    assert_null(strstr(outcome.err + 1, "panic: "));
}

// --- recovering ---

static void assert_quiet(void) {
    assert_null(bw__flow.defers);
    assert_null(bw__flow.tries);
    assert_null(bw__flow.panics);
}
static bool is_text(bw_any e, const char *wanted) {
    bw_string s;
    return bw_assert_ok(bw_string, e, &s) && s.len == (ptrdiff_t)strlen(wanted) &&
           memcmp(s.ptr, wanted, strlen(wanted)) == 0;
}

static void test_try(void **state) {
    (void)state;
    volatile int ran = 0;
    bw_try {
        ran += 1;
    }
    bw_recover(e) {
        CHECK(bw_is_nil(e));
        ran += 10;
    }
    assert_int_equal(ran, 1);
    bw_try {
        bw_defer(note, "1");
        {
            bw_defer(note, "2");
            bw_panic(42);
        }
        note("not here");
    }
    bw_recover(e) {
        assert_record("21");
        assert_int_equal(bw_assert_type(int, e), 42);
        assert_false(bw_is_runtime_error(e));
        ran += 100;
    }
    assert_int_equal(ran, 101);
    // Without bw_recover the panic is forgotten.
    bw_try {
        first();
    }
    assert_quiet();
    // One in the other, and one after the other.
    bw_try {
        bw_try {
            first();
        }
        bw_recover(e) {
            CHECK(is_text(e, "first"));
            note("inner ");
        }
        bw_try {
            second();
        }
        bw_recover(e) {
            CHECK(is_text(e, "second"));
            bw_try {
                third();
            }
            bw_recover(deeper) {
                CHECK(is_text(deeper, "third"));
            }
            note("inner ");
            bw_panic(e);
        }
        note("not here");
    }
    bw_recover(e) {
        CHECK(is_text(e, "second"));
        note("outer");
    }
    assert_record("inner inner outer");
    assert_quiet();
}

static int leave(int how) {
    for (volatile int i = 0; i < 3; i = i + 1) {
        bw_try {
            bw_defer(note, "d");
            if (how == 0)
                return 1000;
            if (how == 1)
                break;
            if (how == 2)
                continue;
            if (how == 3)
                goto out;
            if (how > 3)
                bw_panic(how);
        }
        bw_recover(e) {
            if (how == 4)
                return 2000;
            if (how == 5)
                break;
            if (how == 6)
                continue;
            if (how == 7)
                goto out;
            CHECK(bw_assert_type(int, e) == how);
        }
        note("l");
    }
    return 0;
out:
    return 3000;
}

static void test_leaving(void **state) {
    (void)state;
    static const struct {
        int result;
        const char *record;
    } expected[] = {{1000, "d"},   {0, "dldldl"}, {0, "dldldl"}, {3000, "d"},  {2000, "d"},
                    {0, "dldldl"}, {0, "dldldl"}, {3000, "d"},   {0, "dldldl"}};
    for (int how = 0; how < (int)COUNT_OF(expected); how++) {
        assert_int_equal(leave(how), expected[how].result);
        assert_record(expected[how].record);
        assert_quiet();
    }
}

static int sum;
static void add(int a, double b, const char *c) {
    sum += a + (int)b + c[0];
}
static void protect_in_deferred(void) {
    bw_defer(note, "x");
    bw_any e = bw_protect(second);
    CHECK(is_text(e, "second"));
}
static void defers_and_panics(void) {
    bw_defer(note, "a");
    bw_defer(protect_in_deferred);
    bw_defer(note, "b");
    first();
}
static void check_sum(int a, double b, long double c) {
    CHECK(a + b == c);
}
static void panics_quietly(void) {
    int n = 3;
    bw_defer(check_sum, n, 1.0, 4.0L);
    bw_defer(third);
    first();
}
static void panics_in_all(void) {
    bw_defer(note, "1");
    bw_defer(third);
    bw_defer(note, "2");
    bw_defer(second);
    bw_defer(note, "3");
    first();
}
static void through(int depth) {
    bw_defer(note, depth % 2 ? "." : ":");
    if (depth > 0)
        through(depth - 1);
    else if (depth == 0)
        first();
    note("not here");
}

static void test_protect(void **state) {
    (void)state;
    assert_true(bw_is_nil(bw_protect(add, 1, 2, "\003")));
    assert_int_equal(sum, 6);
    assert_true(is_text(bw_protect(first), "first"));
    assert_true(is_text(bw_protect(defers_and_panics), "first"));
    assert_record("bxa");
    // A panic in a deferred call replaces the one under way; the rest is run all the same.
    assert_true(is_text(bw_protect(panics_in_all), "third"));
    assert_record("321");
    assert_true(is_text(bw_protect(through, 6), "first"));
    assert_record(":.:.:.:");
    bw_error e = failure_new(7);
    bw_any any = bw_protect(panic_error, e);
    assert_true(bw_assert_type(bw_error, any).bw__data == e.bw__data);
    assert_ptr_equal(bw_assert_type(failure *, any), e.bw__data);
    assert_quiet();
}

// Values, deferred arguments and locals live while everything is collected again and again.
static item *make_list(int n) {
    item *list = NULL;
    for (int i = 0; i < n; i++) {
        item *l = bw_new(item);
        l->next = list;
        l->value = (uint64_t)i + 1000;
        list = l;
    }
    return list;
}
static void check_list(item *list, int n) {
    for (int i = n; i-- > 0; list = list->next)
        CHECK(list && list->value == (uint64_t)i + 1000);
    CHECK(list == NULL);
}
static void collect(void) {
    bw_gc();
    check_list(make_list(20), 20);
}
static void panic_with_list(int n) {
    bw_defer(check_list, make_list(n + 1), n + 1);
    bw_defer(collect);
    bw_defer(check_list, make_list(n + 2), n + 2);
    bw_panic(bw_any_as(item *, make_list(n)));
}
static void test_objects(void **state) {
    (void)state;
    for (volatile size_t i = 0; i < effort(100); i = i + 1) {
        item *volatile local = make_list(30);
        bw_any e = bw_protect(panic_with_list, 25);
        collect();
        check_list(bw_assert_type(item *, e), 25);
        bw_try {
            bw_try panic_with_list(12);
            bw_recover(inner) {
                collect();
                bw_panic(inner);
            }
        }
        bw_recover(outer) {
            collect();
            check_list(bw_assert_type(item *, outer), 12);
        }
        check_list(local, 30);
    }
    assert_quiet();
}

static void test_divide(void **state) {
    (void)state;
    volatile int n = 7, least = INT32_MIN;
    volatile unsigned big = UINT32_MAX;
    volatile int64_t least_64 = INT64_MIN;
    volatile short little = -7;
    assert_int_equal(bw_div(n, 2), 3);
    assert_int_equal(bw_mod(n, 2), 1);
    assert_int_equal(bw_div(n, -2), -3);
    assert_int_equal(bw_mod(little, 2), -1);
    assert_int_equal(bw_div(least, -1), INT32_MIN);
    assert_int_equal(bw_mod(least, -1), 0);
    assert_true(bw_div(least_64, -1) == INT64_MIN);
    assert_int_equal(bw_mod(least_64, -1), 0);
    assert_int_equal(bw_div(big, big), 1);
    assert_int_equal(bw_mod(big, big), 0);
    assert_int_equal(bw_div(big, UINT32_MAX - 1), 1);
    volatile int caught = 0;
    for (volatile int i = 0; i < 4; i = i + 1) {
        bw_try {
            if (i == 0)
                n = bw_div(n, zero);
            else if (i == 1)
                n = bw_mod(n, zero);
            else if (i == 2)
                n = (int)bw_div(big, (unsigned)zero);
            else
                n = (int)bw_mod(least_64, zero);
        }
        bw_recover(e) {
            bw_string s = bw_call(bw_assert_type(bw_error, e), error);
            assert_true(s.len == 37 && memcmp(s.ptr, "runtime error: integer divide by zero", 37) == 0);
            assert_true(bw_is_runtime_error(e));
            caught = caught + 1;
        }
    }
    assert_int_equal(caught, 4);
}

// --- what the library panics with: each is recovered, is a runtime error, and leaves the library usable ---

static void free_wild(void) {
    bw_free((void *)8);
}
static void free_twice(void) {
    void *p = bw_alloc(100);
    bw_free(p);
    bw_free(p);
}
static void free_inside(void) {
    bw_free((char *)bw_alloc(100) + 16);
}
static void realloc_wild(void) {
    result = bw_realloc((void *)8, 10);
}
static void realloc_single(void) {
    result = bw_realloc(bw_new(item), 1000);
}
static void align_wrong(void) {
    result = bw_alloc_aligned(10, 3);
}
static void no_finalizer(void *p) {
    (void)p;
}
static void finalizer_twice(void) {
    item *i = bw_new(item);
    bw_set_finalizer(i, no_finalizer);
    bw_set_finalizer(i, no_finalizer);
}
static void cleanup_null(void) {
    bw_add_cleanup(bw_new(item), NULL, NULL);
}
static void cleanup_self(void) {
    item *i = bw_new(item);
    bw_add_cleanup(i, no_finalizer, i);
}
static void cleanup_wild(void) {
    bw_add_cleanup(&sum, no_finalizer, NULL);
}
static void retain_wild(void) {
    result = bw_retain(&sum);
}
static void release_not_retained(void) {
    bw_release(bw_new(item));
}
static void root_reversed(void) {
    bw_root_add(&sum + 1, &sum);
}
static void root_unknown(void) {
    bw_root_remove(&sum);
}
static void weak_map_null(void) {
    bw_weak_map_put(NULL, &sum, &sum);
}
static void weak_map_wild(void) {
    bw_weak_map_put(bw_weak_map_new(), &sum, &sum);
}
static void arena_wild(void) {
    result = bw_arena_alloc_bytes((bw_arena *)&sum, 10);
}
static void arena_free_twice(void) {
    bw_arena *a = bw_arena_new();
    bw_arena_free(a);
    bw_arena_free(a);
}
static void slice_len(void) {
    CHECK(bw_len(bw_make_slice(int, (ptrdiff_t)zero - 1)) == 0);
}
static void slice_cap(void) {
    CHECK(bw_len(bw_make_slice(int, 3, (ptrdiff_t)zero + 1)) == 0);
}
static bw_slice(int) three(void) {
    return bw_make_slice(int, 3);
}
static void index_5(void) {
    CHECK(bw_at(three(), 5 + zero) == 0);
}
static void index_negative(void) {
    CHECK(bw_at(three(), zero - 1) == 0);
}
static void index_unsigned(void) {
    CHECK(bw_at(three(), (uint64_t)zero - 1) == 0);
}
static void sub_hi(void) {
    CHECK(bw_len(bw_sub(three(), 0, 5)) == 0);
}
static void sub_lo(void) {
    CHECK(bw_len(bw_sub(three(), 3, 2)) == 0);
}
static void sub_negative(void) {
    CHECK(bw_len(bw_sub(three(), zero - 1, 2)) == 0);
}
static void sub_max(void) {
    CHECK(bw_len(bw_sub(three(), 0, 1, 9)) == 0);
}
static void sub_hi_max(void) {
    CHECK(bw_len(bw_sub(three(), 0, 3, 2)) == 0);
}
static void sub_lo_hi(void) {
    CHECK(bw_len(bw_sub(three(), 3, 2, 3)) == 0);
}
static void substr_hi(void) {
    CHECK(bw_len(bw_substr(bw_str("abc"), 0, 5)) == 0);
}
static void string_index(void) {
    CHECK(bw_at(bw_str("abc"), 3 + zero) == 0);
}
static void divide_zero(void) {
    CHECK(bw_div(1, zero) == 0);
}
static void assert_nil(void) {
    CHECK(bw_assert_type(int, ((bw_any){0})) == 0);
}
static void assert_other(void) {
    CHECK(bw_assert_type(int, bw_any_of("text")) == 0);
}
static void assert_interface(void) {
    CHECK(bw_assert_type(bw_error, bw_any_of(3)).bw__data == NULL);
}
BW_SLICE(item);
static void uncomparable(void) {
    bw_any s = bw_any_as(bw_slice(int), three());
    CHECK(bw_eq(s, s));
}
BW_MAP(any_map, bw_any, int);
static any_map shared_map;
static void unhashable(void) {
    bw_put(shared_map, bw_any_as(bw_slice(int), three())) = 1;
}
static void nil_map(void) {
    any_map m = {0};
    bw_put(m, bw_any_of(1)) = 1;
}

static const struct raised {
    void (*body)(void);
    const char *message; // `*`: a number in hexadecimal, `~`: anything up to the end
} raised[] = {
    {free_wild, "bw_free: 0x* is not the first byte of an object: it is not in the Burrow heap"},
    {free_twice, "bw_free: 0x* is not the first byte of an object: ~"},
    {free_inside, "bw_free: 0x* is not the first byte of an object: ~"},
    {realloc_wild, "bw_realloc: 0x* is not the first byte of an object: ~"},
    {realloc_single, "bw_realloc: 0x* is a single object of a type, whose size cannot change"},
    {align_wrong, "bw_alloc_aligned: the alignment 3 is not a power of two up to ~"},
    {finalizer_twice, "bw_set_finalizer: 0x* has a finalizer already"},
    {cleanup_null, "bw_add_cleanup: the function is NULL"},
    {cleanup_self, "bw_add_cleanup: the argument refers to the object itself: the cleanup would never run"},
    {cleanup_wild, "bw_add_cleanup: 0x* is not in an object: ~"},
    {retain_wild, "bw_retain: 0x* is not the first byte of an object: ~"},
    {release_not_retained, "bw_release: 0x* is not retained"},
    {root_reversed, "bw_root_add: the range ends at 0x*, before it begins at 0x*"},
    {root_unknown, "bw_root_remove: no range that begins at 0x* is registered"},
    {weak_map_null, NIL " (a weak map that is NULL)"},
    {weak_map_wild, "bw_weak_map_put: the key 0x* is not in an object: ~"},
    {arena_wild, "bw_arena_alloc: 0x* is not an arena: ~"},
    {arena_free_twice, "bw_arena_free: 0x* is not an arena: ~"},
    {slice_len, "runtime error: makeslice: len out of range"},
    {slice_cap, "runtime error: makeslice: cap out of range"},
    {index_5, "runtime error: index out of range [5] with length 3"},
    {index_negative, "runtime error: index out of range [-1]"},
    {index_unsigned, "runtime error: index out of range [18446744073709551615] with length 3"},
    {sub_hi, "runtime error: slice bounds out of range [:5] with capacity 3"},
    {sub_lo, "runtime error: slice bounds out of range [3:2]"},
    {sub_negative, "runtime error: slice bounds out of range [-1:]"},
    {sub_max, "runtime error: slice bounds out of range [::9] with capacity 3"},
    {sub_hi_max, "runtime error: slice bounds out of range [:3:2]"},
    {sub_lo_hi, "runtime error: slice bounds out of range [3:2:]"},
    {substr_hi, "runtime error: slice bounds out of range [:5] with length 3"},
    {string_index, "runtime error: index out of range [3] with length 3"},
    {divide_zero, "runtime error: integer divide by zero"},
    {assert_nil, "interface conversion: interface {} is nil, not int"},
    {assert_other, "interface conversion: interface {} is string, not int"},
    {assert_interface, "interface conversion: int is not error: missing method error"},
    {uncomparable, "runtime error: comparing uncomparable type []int"},
    {unhashable, "runtime error: hash of unhashable type []int"},
    {nil_map, "assignment to entry in nil map"},
};

static bool matches(bw_string got, const char *expected) {
    char copy[512];
    snprintf(copy, sizeof copy, "%.*s", (int)got.len, got.ptr);
    const char *at = copy;
    for (; *expected; expected++) {
        if (*expected == '~')
            return true;
        if (*expected == '*')
            at += strspn(at, "0123456789abcdef");
        else if (*at++ != *expected)
            return false;
    }
    return *at == 0;
}

static void *use_everything(void *argument) {
    // What another thread needs no lock of is free.
    check_list(make_list(100), 100);
    bw_free(bw_alloc(50000));
    bw_root_add(&sum, &sum + 1);
    bw_root_remove(&sum);
    bw_arena *a = bw_arena_new();
    result = bw_arena_alloc_bytes(a, 100);
    bw_arena_free(a);
    item *i = bw_new(item);
    bw_set_finalizer(i, no_finalizer);
    bw_release(bw_retain(i));
    bw_gc();
    return argument;
}

static void test_raised(void **state) {
    (void)state;
    shared_map = bw_make_map(any_map);
    for (size_t i = 0; i < COUNT_OF(raised); i++) {
        bw_any e = bw_protect(raised[i].body);
        if (!bw_is_runtime_error(e)) {
            fprintf(stderr, "no runtime error, but a %s; expected: %s\n", bw_type_string(e), raised[i].message);
            fail();
        }
        bw_string got = bw_call(bw_assert_type(bw_error, e), error);
        if (!matches(got, raised[i].message)) {
            fprintf(stderr, "got:      %.*s\nexpected: %s\n", (int)got.len, got.ptr, raised[i].message);
            fail();
        }
        assert_int_equal(atomic_load(&thread_current->state), THREAD_RUNNING);
        bw_put(shared_map, bw_any_of((int)i)) = (int)i;
        if (i % 8 == 7 || i + 1 == COUNT_OF(raised)) {
            pthread_t thread;
            CHECK(pthread_create(&thread, NULL, use_everything, NULL) == 0);
            CHECK(pthread_join(thread, NULL) == 0);
        }
    }
    assert_int_equal(bw_len(shared_map), COUNT_OF(raised));
    assert_quiet();
}

// The same texts, when nobody recovers.
static void raise_one(void) {
    shared_map = bw_make_map(any_map);
    raised[atoi(getenv("UNCAUGHT"))].body();
}
static void test_raised_uncaught(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(raised); i += debug_has("gcstress") || UNDER_SANITIZER ? 7 : 1) {
        snprintf(chosen, sizeof chosen, "UNCAUGHT=%zu", i);
        child_run(&outcome, "raise", settings);
        char *end = strstr(outcome.err, "\n\ngoroutine 1 [running]:\n");
        bw_string got = {outcome.err + 7, end ? end - outcome.err - 7 : 0};
        if (outcome.status != 2 || end == NULL || strncmp(outcome.err, "panic: ", 7) != 0 ||
            !matches(got, raised[i].message)) {
            fprintf(stderr, "expected: panic: %s\n", raised[i].message);
            outcome_print(&outcome);
            fail();
        }
    }
}

// --- faults that are recovered, in children, since the sanitizers handle them otherwise ---

static void assert_runtime_error(bw_any e, const char *expected) {
    CHECK(bw_is_runtime_error(e), "%s", bw_type_string(e));
    bw_string got = bw_call(bw_assert_type(bw_error, e), error);
    CHECK(matches(got, expected), "%.*s", (int)got.len, got.ptr);
}

static sigset_t mask_now(void) {
    sigset_t set;
    sigemptyset(&set);
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &set) == 0);
    return set;
}

static void touch_registers(int i) {
    // Values in registers and on the stack are as they were.
    long a = i, b = i * 3L, c = i * 5L, d = i * 7L;
    item *list = make_list(10);
    double x = i * 0.5;
    bw_any e = bw_protect(i % 3 == 0 ? write_nil : i % 3 == 1 ? read_nil_member : call_nil);
    assert_runtime_error(e, NIL);
    CHECK(a == i && b == i * 3L && c == i * 5L && d == i * 7L && x == i * 0.5);
    check_list(list, 10);
}

static void *recover_faults(void *argument) {
    sigset_t before = mask_now();
    for (int i = 0; i < 300; i++) {
        touch_registers(i);
        if (i % 50 == 0)
            bw_gc();
#if defined(__x86_64__)
        assert_runtime_error(bw_protect(divide_by, 0), "runtime error: integer divide by zero");
#endif
        check_list(make_list(5), 5);
    }
    volatile long double one = 1;
    for (volatile int i = 0; i < 20;
         i = i + 1) { // the old floating point unit has eight registers, and none must be lost
        bw_try {
            CHECK(read_nil_float() > 0);
        }
        bw_recover(e) assert_runtime_error(e, NIL);
        CHECK(one + one * (one + one * (one + one * (one + one))) == 5);
    }
    bw_try {
        bw_blocking {
            write_nil();
        }
    }
    bw_recover(e) assert_runtime_error(e, NIL);
    bw_gc();
    sigset_t after = mask_now();
    for (int number = 1; number < NSIG; number++)
        CHECK(sigismember(&before, number) == sigismember(&after, number), "signal %d", number);
    assert_quiet();
    return argument;
}

static void faults(void) {
    pthread_t threads[3];
    bw_gc();
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, recover_faults, NULL) == 0);
    recover_faults(NULL);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

// A thread that Burrow was not told of.
static void *foreign(void *argument) {
    CHECK(thread_current == NULL);
    bw_any e = bw_protect(write_nil);
    assert_runtime_error(e, NIL);
    return argument;
}
static void foreign_thread(void) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&create, &found, sizeof create);
    bw_gc();
    pthread_t thread;
    CHECK(create(&thread, NULL, foreign, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void fault_in_handler_of(int number) {
    (void)number;
    write_nil();
}
static void in_handler(void) {
    bw_gc();
    signal(SIGUSR1, fault_in_handler_of);
    bw_try {
        raise(SIGUSR1);
    }
    puts("not here");
    fflush(stdout);
}

// A recovered fault in a handler's thread does not confuse what comes after.
static void own_handler(int number, siginfo_t *info, void *context) {
    (void)context;
    char line[100];
    int length = snprintf(line, sizeof line, "signal %d at %p\n", number, info->si_addr);
    _exit(write(1, line, (size_t)length) == length ? 42 : 43);
}
static void handle(void) {
    struct sigaction action = {.sa_sigaction = own_handler, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
}
static void handler_before(void) {
    handle();
    bw_gc();
    write_nil();
}
static void handler_after(void) {
    bw_gc();
    handle();
    write_nil();
}
static void elsewhere(void) {
    bw_gc();
    bw_try {
        int *volatile wild = (int *)0x123456789000;
        *wild = 1;
    }
    puts("not here");
}
static void inside_library(void) {
    thread_enter();
    bw_try {
        write_nil();
    }
    puts("not here");
}
static void sent(void) {
    bw_gc();
    bw_try {
        kill(getpid(), SIGSEGV);
        sleep_ms(1000);
    }
    puts("not here");
}

static void arena_fault(void) {
    for (volatile int i = 0; i < 100; i = i + 1) {
        bw_arena *a = bw_arena_new();
        item *volatile t = bw_arena_alloc(a, item);
        bw_arena_free(a);
        volatile bool caught = false;
        bw_try {
            t->value = 1;
        }
        bw_recover(e) {
            assert_runtime_error(e, "accessed memory at 0x*, which was in an arena until bw_arena_free");
            caught = true;
        }
        CHECK(caught);
        if (i % 10 == 0)
            bw_gc();
    }
}

#if defined(__x86_64__)
// The divisor in every place that an instruction can have it in: with 0, and with -1, by which the least number cannot be divided.
#define DIVISION(name, code)                                                                                           \
    static WRONG void name(int divisor) {                                                                              \
        int64_t at64[4] = {7, 7, divisor, 7};                                                                          \
        int32_t at32[4] = {7, 7, divisor, 7};                                                                          \
        int16_t at16[4] = {7, 7, (int16_t)divisor, 7};                                                                 \
        int8_t at8[4] = {7, 7, (int8_t)divisor, 7};                                                                    \
        register int32_t *r8 __asm__("r8") = at32;                                                                     \
        register int16_t *r9 __asm__("r9") = at16;                                                                     \
        register int8_t *r10 __asm__("r10") = at8;                                                                     \
        global_32 = divisor;                                                                                           \
        __asm__ volatile(code                                                                                          \
                         :                                                                                             \
                         : "c"(at64), "S"(2L), "D"((int64_t)divisor), "r"(r8), "r"(r9),                                \
                           "r"(r10), [global] "m"(global_32)                                                           \
                         : "rax", "rdx", "rbx", "r11", "r12", "r13", "memory");                                        \
    }
#define L64 "movabsq $0x8000000000000000, %%rax; cqto; "
#define L32 "movl $0x80000000, %%eax; cltd; "
#define L16 "movw $0x8000, %%ax; cwtd; "
#define L8 "movw $0xff80, %%ax; "
static volatile int32_t global_32;
DIVISION(d0, L64 "idivq %%rdi")
DIVISION(d1, L64 "idivq 16(%%rcx)")
DIVISION(d2, L64 "idivq (%%rcx,%%rsi,8)")
DIVISION(d3, L64 "leaq -0x1000(%%rcx), %%r12; idivq 0x1000(%%r12,%%rsi,8)")
DIVISION(d4, L64 "movq %%rcx, %%r13; idivq 16(%%r13)")
DIVISION(d5, L64 "movq %%rcx, %%r12; idivq 16(%%r12)")
DIVISION(d6, L64 "leaq 16(%%rcx), %%r13; idivq (%%r13)")
DIVISION(d7, L64 "movq %%rdi, %%r11; idivq %%r11")
DIVISION(d8, L64 "leaq 16(%%rcx), %%rbx; idivq 0(,%%rbx,1)")
DIVISION(d9, L64 "pushq %%rdi; idivq (%%rsp)")
DIVISION(d10, L64 "leaq 16(%%rcx), %%r12; xorl %%ebx, %%ebx; idivq (%%r12,%%rbx,1)")
DIVISION(d11, L32 "idivl %%edi")
DIVISION(d12, L32 "idivl 8(%%r8)")
DIVISION(d13, L32 "idivl (%%r8,%%rsi,4)")
DIVISION(d14, L32 "idivl %[global]")
DIVISION(d15, L16 "idivw %%di")
DIVISION(d16, L16 "idivw 4(%%r9)")
DIVISION(d17, L8 "idivb %%dil")
DIVISION(d18, L8 "idivb 2(%%r10)")
DIVISION(d19, L8 "movl %%edi, %%ebx; movb %%bl, %%dh; idivb %%dh")
DIVISION(d20, L8 "movb %%dil, %%bl; idivb %%bl")
static void divisors(void) {
    static void (*const all[])(int) = {d0,  d1,  d2,  d3,  d4,  d5,  d6,  d7,  d8,  d9, d10,
                                       d11, d12, d13, d14, d15, d16, d17, d18, d19, d20};
    bw_gc();
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        bw_any e = bw_protect(all[i], 0);
        CHECK(!bw_is_nil(e), "%zu", i);
        assert_runtime_error(e, "runtime error: integer divide by zero");
        e = bw_protect(all[i], -1);
        CHECK(!bw_is_nil(e), "%zu", i);
        assert_runtime_error(e, "runtime error: integer overflow");
    }
}
#endif

static void assert_outcome(const char *child, int status, const char *out, const char *err) {
    child_run(&outcome, child, settings);
    const char *rest;
    if (outcome.status != status || strcmp(outcome.out, out) != 0 || !message_is(outcome.err, err, &rest)) {
        fprintf(stderr, "child %s: expected status %d, output: %s, error: %s\n", child, status, out, err);
        outcome_print(&outcome);
        fail();
    }
}

static void test_faults(void **state) {
    (void)state;
    assert_succeeded("faults", settings, NULL);
    assert_succeeded("arena fault", settings, NULL);
#if defined(__x86_64__)
    assert_succeeded("divisors", settings, NULL);
#endif
    if (!UNDER_SANITIZER) // which know no such thread either
        assert_succeeded("foreign thread", settings, NULL);
    assert_outcome("handler before", 42, "signal 11 at (nil)\n", "");
    assert_outcome("handler after", 42, "signal 11 at (nil)\n", "");
    if (!UNDER_SANITIZER) {
        assert_outcome("in handler", 2, "", "panic: " NIL SIGNAL "0x0 pc=0x*]\n\ngoroutine 1 [running]:\n");
        assert_outcome("elsewhere", 1000 + SIGSEGV, "", "");
        assert_outcome("inside library", 1000 + SIGSEGV, "", "");
        assert_outcome("sent", 1000 + SIGSEGV, "", "");
    }
}

// --- stacks that overflow ---

// Each frame holds an object that nothing else refers to, and sees to it when the stack is full.
static atomic_int frames_checked, frames_made;
static void check_frame(item **own, uint64_t number) {
    CHECK((*own)->value == number && (*own)->next->value == ~number);
    int nth = atomic_fetch_add(&frames_checked, 1);
    if (nth % 300 == 0) {
        check_list(make_list(100), 100);
        bw_gc();
    }
}
static WRONG int deep_with_objects(uint64_t number) {
    volatile char room[3000];
    item *own = bw_new(item);
    own->value = number;
    own->next = bw_new(item);
    own->next->value = ~number;
    bw_defer(check_frame, &own, number);
    room[number % 3000] = 1;
    if (atomic_fetch_add(&frames_made, 1) < 0)
        return 0;
    return deep_with_objects(number + 1) + room[number % 3000];
}

static void *overflow_and_recover(void *argument) {
    for (int i = 0; i < 3; i++) {
        item *list = make_list(30);
        atomic_store(&frames_made, 0);
        atomic_store(&frames_checked, 0);
        bw_any e = bw_protect(deep_with_objects, 0);
        assert_runtime_error(e, "runtime error: stack overflow");
        CHECK(atomic_load(&frames_made) > 10);
        int difference = atomic_load(&frames_made) - atomic_load(&frames_checked);
        CHECK(difference == 0 || difference == 1, "%d", difference); // the last may not have come to count itself
        check_list(list, 30);
        e = bw_protect(deep, 0);
        assert_runtime_error(e, "runtime error: stack overflow");
        touch_registers(i);
        bw_gc();
    }
    assert_quiet();
    return argument;
}

static atomic_bool done;
static void *collect_all_the_time(void *argument) {
    while (!atomic_load(&done)) {
        bw_gc();
        sleep_ms(1);
    }
    return argument;
}

static void overflows(void) {
    pthread_t collector, threads[2];
    CHECK(pthread_create(&collector, NULL, collect_all_the_time, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        CHECK(pthread_create(&threads[i], NULL, overflow_and_recover, NULL) == 0);
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    overflow_and_recover(NULL);
    atomic_store(&done, true);
    CHECK(pthread_join(collector, NULL) == 0);
}

// The limit of the main thread's stack is what the kernel knows it to be.
static void overflow_with_limit(void) {
    bw_gc();
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    limit.rlim_cur = 1 << 20;
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    assert_runtime_error(bw_protect(deep, 0), "runtime error: stack overflow");
    limit.rlim_cur = 3 << 20;
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    assert_runtime_error(bw_protect(deep, 0), "runtime error: stack overflow");
}

// The stack is full first where the library needs it: in every frame there is a collection, which is deeper than that.
static WRONG int deep_in_library(uint64_t number) {
    item *own = bw_new(item);
    own->value = number;
    bw_gc();
    if (atomic_fetch_add(&frames_made, 1) < 0)
        return 0;
    int below = deep_in_library(number + 1);
    return below + (int)own->value;
}
static void *overflow_in_library(void *argument) {
    for (int i = 0; i < 3; i++) {
        item *list = make_list(30);
        assert_runtime_error(bw_protect(deep_in_library, 0), "runtime error: stack overflow");
        check_list(list, 30);
    }
    assert_quiet();
    return argument;
}
static void overflows_in_library(void) {
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    for (size_t bytes = 64 << 10; bytes <= 80 << 10; bytes += 4096) {
        pthread_t thread;
        CHECK(pthread_attr_setstacksize(&attributes, bytes) == 0);
        CHECK(pthread_create(&thread, &attributes, overflow_in_library, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

// A limit that is lowered after the library looked is noticed too late.
static void overflow_in_library_with_limit(void) {
    bw_gc();
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    limit.rlim_cur = 256 << 10;
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    CHECK(deep_in_library(0) == 0);
}

// What runs on the spare stack overflows that, too.
static void overflow_again(void) {
    CHECK(deep(0) == 0);
}
static WRONG void overflow_deferred(void) {
    bw_defer(overflow_again);
    CHECK(deep(0) == 0);
}
static void overflow_twice(void) {
    bw_gc();
    bw_try overflow_deferred();
    puts("not here");
}

// A program's own alternate stack stays, and is enough.
static void own_alternate_stack(void) {
    static char memory[1 << 14];
    stack_t mine = {.ss_sp = memory, .ss_size = sizeof memory}, now;
    CHECK(sigaltstack(&mine, NULL) == 0);
    bw_gc();
    assert_runtime_error(bw_protect(deep, 0), "runtime error: stack overflow");
    assert_runtime_error(bw_protect(deep, 0), "runtime error: stack overflow");
    CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == memory && now.ss_flags == 0);
}

static void test_overflows(void **state) {
    (void)state;
    if (UNDER_SANITIZER) // whose own stacks are not told of ours
        return;
    assert_succeeded("overflows", settings, NULL);
    assert_succeeded("overflow with limit", settings, NULL);
    assert_succeeded("overflows in library", settings, NULL);
    assert_outcome("overflow in library with limit", 2, "", "fatal error: stack overflow, within the library\n");
    assert_succeeded("own alternate stack", settings, NULL);
    assert_outcome("overflow twice", 2, "", "fatal error: stack overflow, while panicking for one\n");
}

// --- many threads panic at once, while others collect ---

static void *panic_much(void *argument) {
    for (size_t i = 0; i < effort(20000); i++) {
        bw_any e = bw_protect(i % 3 == 0 ? first : i % 3 == 1 ? panics_quietly : index_5);
        CHECK(!bw_is_nil(e));
    }
    assert_quiet();
    return argument;
}
static void test_threads(void **state) {
    (void)state;
    pthread_t collector, threads[4];
    atomic_store(&done, false);
    CHECK(pthread_create(&collector, NULL, collect_all_the_time, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, panic_much, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    atomic_store(&done, true);
    CHECK(pthread_join(collector, NULL) == 0);
}

int main(int argc, char **argv) {
    static const struct child children[] = {
        {"uncaught", child_uncaught},
        {"raise", raise_one},
        {"pointer", a_pointer},
        {"bad error", bad_error_1},
        {"bad error 2", bad_error_2},
        {"long", long_text},
        {"several", several},
        {"stack", stack},
        {"thread stack", thread_stack},
        {"misuse stack", misuse_stack},
        {"fault stack", fault_stack},
        {"overflow", stack_overflow},
        {"faults", faults},
        {"foreign thread", foreign_thread},
        {"in handler", in_handler},
        {"handler before", handler_before},
        {"handler after", handler_after},
        {"elsewhere", elsewhere},
        {"inside library", inside_library},
        {"sent", sent},
        {"arena fault", arena_fault},
#if defined(__x86_64__)
        {"divisors", divisors},
#endif
        {"overflows", overflows},
        {"overflow with limit", overflow_with_limit},
        {"overflows in library", overflows_in_library},
        {"overflow in library with limit", overflow_in_library_with_limit},
        {"overflow twice", overflow_twice},
        {"own alternate stack", own_alternate_stack},
    };
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_try),     cmocka_unit_test(test_leaving),  cmocka_unit_test(test_protect),
        cmocka_unit_test(test_objects), cmocka_unit_test(test_divide),   cmocka_unit_test(test_raised),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_uncaught), cmocka_unit_test(test_raised_uncaught),
        cmocka_unit_test(test_stacks),  cmocka_unit_test(test_faults),   cmocka_unit_test(test_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
