// Contexts. Go's context_test.go, x_test.go and afterfunc_test.go, case by case: docs/go-tests.md says which is where.
// timeout: 300
#include "support.h"

#include <stdatomic.h>

#define SHORT BW_MILLISECOND
#define FOREVER (1000 * BW_HOUR)
#define LONG (30 * BW_SECOND) // by then it has happened, however busy the machine is

static bool panics_with(bw_any e, const char *text) {
    bw_string message =
        bw_is_runtime_error(e) ? bw_error_text(bw_assert_type(bw_error, e)) : bw_assert_type(bw_string, e);
    return bw_str_eq(message, bw_string_of(text));
}

static bool is_done(bw_context ctx) {
    bw_select {
        bw_on_recv_ok(bw_context_done(ctx), none, ok) {
            CHECK(!ok && !none);
            return true;
        }
        bw_default return false;
    }
    return false;
}
static void wait_done(bw_context ctx) {
    bw_select {
        bw_on_recv_ok(bw_context_done(ctx), none, ok) CHECK(!ok && !none);
        bw_on_recv(bw_after(LONG), when) CHECK(false, "not done at %lld", (long long)when);
    }
}
static bool is_error(bw_error err, bw_error expected) {
    return bw_eq(err, expected) && bw_errors_is(err, expected);
}
static void check_ended(bw_context ctx, bw_error err, bw_error cause) {
    CHECK(is_done(ctx) == !bw_is_nil(err));
    CHECK(is_error(bw_context_err(ctx), err), "%s", bw_cstr(bw_error_text(bw_context_err(ctx))));
    CHECK(is_error(bw_context_cause(ctx), cause), "%s", bw_cstr(bw_error_text(bw_context_cause(ctx))));
}
static void check_canceled(bw_context ctx) {
    check_ended(ctx, bw_err_canceled(), bw_err_canceled());
}
static bool text_is(bw_context ctx, const char *text) {
    bw_string string = bw_sprintf("%v", ctx);
    if (bw_str_eq(string, bw_string_of(text)))
        return true;
    fprintf(stderr, "%s\n", bw_cstr(string));
    return false;
}

// --- a context that only calls another ---

BW_STRUCT(other, (bw_context, inner));
static bool other_deadline(other *o, int64_t *when) {
    return bw_context_deadline(o->inner, when);
}
static bw_chan(bool) other_done(other *o) {
    return bw_context_done(o->inner);
}
static bw_error other_err(other *o) {
    return bw_context_err(o->inner);
}
static bw_any other_value(other *o, bw_any key) {
    return bw_context_value(o->inner, key);
}
BW_IMPL(bw_context, other, (bool, deadline, int64_t *), (bw_chan(bool), done), (bw_error, err),
        (bw_any, value, bw_any));
static bw_context other_new(bw_context inner) {
    other *o = bw_new(other);
    o->inner = inner;
    return bw_as(bw_context, other, o);
}

// One that has a channel of its own, and an error, of its own or another's.
BW_STRUCT(own, (bw_context, inner), (bw_chan(bool), channel), (bw_error, error), (bool, ended));
static bool own_deadline(own *o, int64_t *when) {
    return bw_context_deadline(o->inner, when);
}
static bw_chan(bool) own_done(own *o) {
    return o->channel;
}
static bw_error own_err(own *o) {
    bw_select {
        bw_on_recv_ok(o->channel, none, ok) return ok || none ? bw_nil : o->error;
        bw_default return bw_nil;
    }
    return bw_nil;
}
static bw_any own_value(own *o, bw_any key) {
    return bw_context_value(o->inner, key);
}
BW_IMPL(bw_context, own, (bool, deadline, int64_t *), (bw_chan(bool), done), (bw_error, err), (bw_any, value, bw_any));
static own *own_new(bw_context inner) {
    own *o = bw_new(own);
    *o = (own){inner, bw_make_chan(bool, 0), bw_nil, false};
    return o;
}
static void own_end(own *o, bw_error err) {
    if (__atomic_exchange_n(&o->ended, true, __ATOMIC_SEQ_CST))
        return;
    o->error = err;
    bw_close(o->channel);
}
static bw_context own_as(own *o) {
    return bw_as(bw_context, own, o);
}
static void own_follow(own *o, bw_context parent) {
    own_end(o, bw_context_err(parent));
}

// --- the roots ---

static void test_roots(void **state) {
    (void)state;
    int64_t when = 1;
    bw_context roots[] = {bw_background(), bw_todo()};
    for (size_t i = 0; i < COUNT_OF(roots); i++) {
        CHECK(!bw_is_nil(roots[i]) && bw_context_done(roots[i]) == NULL && !is_done(roots[i]));
        CHECK(bw_is_nil(bw_context_err(roots[i])) && bw_is_nil(bw_context_cause(roots[i])));
        CHECK(!bw_context_deadline(roots[i], &when) && when == 0);
        CHECK(bw_is_nil(bw_context_value(roots[i], 7)));
    }
    CHECK(bw_eq(bw_background(), bw_background()) && !bw_eq(bw_background(), bw_todo()));
    CHECK(text_is(bw_background(), "context.Background") && text_is(bw_todo(), "context.TODO"));
    CHECK(bw_str_eq(bw_error_text(bw_err_canceled()), bw_str("context canceled")));
    CHECK(bw_str_eq(bw_error_text(bw_err_deadline_exceeded()), bw_str("context deadline exceeded")));
}

// --- cancelling ---

static void test_with_cancel(void **state) {
    (void)state;
    bw_cancel_func cancel;
    bw_context c1 = bw_with_cancel(bw_background(), &cancel);
    CHECK(text_is(c1, "context.Background.WithCancel"));
    bw_context o = other_new(c1), c2 = bw_with_cancel(o, NULL), all[] = {c1, o, c2};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        CHECK(bw_context_done(all[i]) != NULL && bw_is_nil(bw_context_err(all[i])) && !is_done(all[i]));
    bw_cancel(cancel);
    for (size_t i = 0; i < COUNT_OF(all); i++)
        check_canceled(all[i]);
    bw_cancel(cancel);
    check_canceled(c1);
}

static void do_nothing(void) {}
static void test_parent_first(void **state) {
    (void)state;
    bw_cancel_func cancel, stop1, stop2;
    bw_context parent = bw_with_cancel(bw_background(), &cancel);
    bw_context canceled = bw_with_cancel(parent, &stop1), value = bw_with_value(parent, "key", "value");
    bw_context timed = bw_with_timeout(value, FOREVER, &stop2);
    bw_stop_func stop3 = bw_context_after_func(parent, do_nothing);
    CHECK(!is_done(parent) && !is_done(canceled) && !is_done(value) && !is_done(timed));
    CHECK(bw_context_done(value) == bw_context_done(parent) && bw_context_done(timed) != bw_context_done(parent));
    bw_cancel(cancel);
    check_canceled(parent);
    check_canceled(canceled);
    check_canceled(value);
    check_canceled(timed);
    check_canceled(bw_with_value(parent, "key", "value"));
    CHECK(!bw_context_stop(stop3));
    bw_cancel(stop1);
    bw_cancel(stop2);
}

static void test_child_first(void **state) {
    (void)state;
    bw_cancel_func stop, cancel;
    bw_context parents[] = {bw_background(), bw_with_cancel(bw_background(), &stop)};
    for (size_t i = 0; i < COUNT_OF(parents); i++) {
        bw_context child = bw_with_cancel(parents[i], &cancel);
        CHECK(!is_done(child) && !is_done(parents[i]));
        bw_cancel(cancel);
        check_canceled(child);
        check_ended(parents[i], bw_nil, bw_nil);
    }
    bw_cancel(stop);
}

// What is cancelled leaves its parent, which lives on.
static void *cancels_many(void *parent) {
    bw_context ctx = *(bw_context *)parent;
    for (size_t i = 0; i < effort(10000); i++) {
        bw_cancel_func cancel;
        bw_with_cancel(ctx, &cancel);
        bw_cancel(cancel);
        bw_with_timeout(ctx, BW_HOUR, &cancel);
        bw_cancel(cancel);
        CHECK(bw_context_stop(bw_context_after_func(ctx, do_nothing)));
        bw_context child = bw_with_cancel(bw_with_value(ctx, 1, 2), &cancel);
        bw_cancel(cancel);
        check_canceled(child);
    }
    return NULL;
}
static void test_cancel_removes(void **state) {
    (void)state;
    bw_cancel_func cancel;
    static bw_context parent;
    parent = bw_with_cancel(bw_background(), &cancel);
    collect_clean();
    uint64_t before = live_objects();
    in_thread(cancels_many, &parent);
    collect_clean();
    uint64_t after = live_objects();
    CHECK(after < before + effort(10000) / 10 + 100, "%llu are left", (unsigned long long)(after - before));
    bw_cancel(cancel);
    parent = bw_background();
}

static void test_canceled_parent(void **state) {
    (void)state;
    bw_cancel_cause_func cancel;
    bw_error cause = bw_errors_new("Because!");
    bw_context parent = bw_with_cancel_cause(bw_background(), &cancel);
    bw_cancel_cause(cancel, cause);
    check_ended(bw_with_cancel(parent, NULL), bw_err_canceled(), cause);
    check_ended(bw_with_timeout(parent, FOREVER, NULL), bw_err_canceled(), cause);
    check_ended(bw_with_cancel(other_new(parent), NULL), bw_err_canceled(), cause);
}

static void test_canceled_meanwhile(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(1000); i++) {
        bw_cancel_cause_func cancel;
        bw_error cause = bw_errors_new("Because!");
        bw_context parent = bw_with_cancel_cause(bw_background(), &cancel);
        bw_go(bw_cancel_cause, cancel, cause);
        bw_context child = bw_with_cancel(parent, NULL);
        wait_done(child);
        check_ended(child, bw_err_canceled(), cause);
        check_ended(parent, bw_err_canceled(), cause);
    }
}

static void cancels(bw_cancel_func cancel, bw_context ctx, bw_chan(bool) done) {
    bw_cancel(cancel);
    bw_send(done, is_done(ctx));
}
static void test_simultaneous(void **state) {
    (void)state;
    enum { COUNT = 341 }; // a tree: 1 + 4 + 16 + 64 + 256
    for (size_t round = 0; round < effort(60); round++) {
        struct {
            bw_context ctx;
            bw_cancel_func cancel;
        } *nodes = bw_alloc(COUNT * sizeof *nodes);
        struct random random = {check_seed = round};
        bw_chan(bool) done = bw_make_chan(bool, COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            nodes[i].ctx = bw_with_cancel(i ? nodes[(i - 1) / 4].ctx : bw_background(), &nodes[i].cancel);
            if (random_below(&random, 2))
                bw_context_done(nodes[i].ctx);
        }
        for (size_t i = 0; i < COUNT; i++) {
            size_t j = i + random_below(&random, COUNT - i);
            __typeof__(*nodes) swap = nodes[i];
            nodes[i] = nodes[j];
            nodes[j] = swap;
            bw_go(cancels, nodes[i].cancel, nodes[i].ctx, done);
        }
        for (size_t i = 0; i < COUNT; i++) {
            wait_done(nodes[i].ctx);
            CHECK(bw_recv(done));
        }
        for (size_t i = 0; i < COUNT; i++)
            check_canceled(nodes[i].ctx);
    }
}
// When a cancel has returned all below are done, also if another thread was about to do it.
static void cancels_and_checks(bw_cancel_func cancel, bw_context below, bw_chan(bool) done) {
    bw_cancel(cancel);
    bw_send(done, is_done(below) && is_error(bw_context_err(below), bw_err_canceled()));
}
static void test_returns_when_done(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(2000); i++) {
        bw_cancel_func cancels_at[8];
        bw_context ctx = bw_background();
        for (size_t j = 0; j < COUNT_OF(cancels_at); j++)
            ctx = bw_with_cancel(ctx, &cancels_at[j]);
        if (i % 2)
            bw_context_done(ctx);
        bw_chan(bool) done = bw_make_chan(bool, 3);
        for (size_t j = 0; j < 3; j++)
            bw_go(cancels_and_checks, cancels_at[j * (i % 3)], ctx, done);
        for (size_t j = 0; j < 3; j++)
            CHECK(bw_recv(done));
    }
}

static void cancels_after(bw_context ctx, bw_cancel_func cancel) {
    bw_recv(bw_context_done(ctx));
    bw_cancel(cancel);
}
static void test_interlocked(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(500); i++) {
        bw_cancel_func cancel_parent, cancel_child;
        bw_context parent = bw_with_cancel(bw_background(), &cancel_parent);
        bw_context child = bw_with_cancel(parent, &cancel_child);
        bw_go(cancels_after, parent, cancel_child);
        bw_cancel(cancel_parent);
        wait_done(child);
    }
}

// A tree as deep as memory allows, cancelled on a goroutine's stack.
static void cancels_deep(bw_chan(bool) done) {
    bw_cancel_func cancel;
    bw_context top = bw_with_cancel(bw_background(), &cancel), ctx = top;
    for (size_t i = 0; i < effort(20000); i++)
        ctx = i % 10 ? bw_with_cancel(ctx, NULL) : bw_with_value(ctx, (int)i, "x");
    bw_cancel(cancel);
    check_canceled(ctx);
    check_canceled(top);
    bw_string text = bw_sprintf("%v", ctx);
    bw_send(done, text.len > (ptrdiff_t)effort(20000) * 10);
}
static void test_deep(void **state) {
    (void)state;
    bw_chan(bool) done = bw_make_chan(bool, 0);
    bw_go(cancels_deep, done);
    CHECK(bw_recv(done));
}

static void test_err_then_done(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(2000); i++) {
        bw_cancel_func cancel;
        bw_context ctx = bw_with_cancel(bw_background(), &cancel);
        bw_chan(bool) done = i % 2 ? bw_context_done(ctx) : NULL;
        bw_go(bw_cancel, cancel);
        while (bw_is_nil(bw_context_err(ctx)))
            bw_yield();
        CHECK(is_done(ctx));
        if (done)
            bw_recv(done);
    }
}

// --- deadlines ---

static void check_times_out(bw_context ctx, int64_t begin, int64_t after) {
    wait_done(ctx);
    CHECK(bw_now() - begin >= after);
    check_ended(ctx, bw_err_deadline_exceeded(), bw_err_deadline_exceeded());
}
static void test_deadline(void **state) {
    (void)state;
    int64_t begin = bw_now(), when;
    bw_context c = bw_with_deadline(bw_background(), begin + SHORT, NULL);
    CHECK(bw_context_deadline(c, &when) && when == begin + SHORT);
    bw_string text = bw_sprintf("%v", c);
    CHECK(bw_str_has_prefix(text, bw_str("context.Background.WithDeadline(")) && bw_str_has_suffix(text, bw_str("])")));
    check_times_out(c, begin, SHORT);
    begin = bw_now();
    bw_context o = other_new(bw_with_deadline(bw_background(), begin + SHORT, NULL));
    check_times_out(o, begin, SHORT);
    begin = bw_now();
    o = other_new(bw_with_deadline(bw_background(), begin + SHORT, NULL));
    c = bw_with_deadline(o, begin + FOREVER, NULL);
    CHECK(bw_context_deadline(c, &when) && when == begin + SHORT);
    check_times_out(c, begin, SHORT);
    check_times_out(bw_with_deadline(bw_background(), bw_now() - SHORT, NULL), begin, 0);
    check_times_out(bw_with_deadline(bw_background(), bw_now(), NULL), begin, 0);
    check_times_out(bw_with_deadline(bw_background(), 0, NULL), begin, 0);
    check_times_out(bw_with_deadline(bw_background(), INT64_MIN, NULL), begin, 0);
}
static void test_timeout(void **state) {
    (void)state;
    int64_t begin = bw_now();
    check_times_out(bw_with_timeout(bw_background(), SHORT, NULL), begin, SHORT);
    begin = bw_now();
    bw_context o = other_new(bw_with_timeout(bw_background(), SHORT, NULL));
    check_times_out(o, begin, SHORT);
    begin = bw_now();
    o = other_new(bw_with_timeout(bw_background(), 20 * SHORT, NULL));
    check_times_out(bw_with_timeout(o, FOREVER, NULL), begin, 20 * SHORT);
    begin = bw_now();
    bw_context outer = bw_with_timeout(bw_background(), FOREVER, NULL);
    check_times_out(bw_with_timeout(outer, SHORT, NULL), begin, SHORT);
    CHECK(!is_done(outer));
    CHECK(!is_done(bw_with_timeout(bw_background(), INT64_MAX, NULL)));
    check_times_out(bw_with_timeout(bw_background(), INT64_MIN, NULL), begin, 0);
}
static void test_canceled_timeout(void **state) {
    (void)state;
    bw_cancel_func cancel;
    bw_context o = other_new(bw_with_timeout(bw_background(), LONG, NULL));
    bw_context c = bw_with_timeout(o, FOREVER, &cancel);
    bw_cancel(cancel);
    check_canceled(c);
    CHECK(!is_done(o));
    // A cancel after the deadline changes nothing.
    c = bw_with_timeout(bw_background(), 0, &cancel);
    bw_cancel(cancel);
    check_ended(c, bw_err_deadline_exceeded(), bw_err_deadline_exceeded());
}

// A deadline that is cancelled, or whose parent is, leaves no timer that keeps it.
static void *times_out_not(void *argument) {
    for (size_t i = 0; i < effort(10000); i++) {
        bw_cancel_func cancel;
        bw_context parent = bw_with_cancel(bw_background(), &cancel);
        bw_with_timeout(parent, FOREVER, NULL);
        bw_cancel(cancel);
        bw_with_timeout(bw_background(), FOREVER, &cancel);
        bw_cancel(cancel);
        bw_with_timeout(parent, FOREVER, NULL);
    }
    return argument;
}
static void test_no_timer_is_left(void **state) {
    (void)state;
    collect_clean();
    uint64_t before = live_objects();
    in_thread(times_out_not, NULL);
    collect_clean();
    uint64_t after = live_objects();
    CHECK(after < before + effort(10000) / 10 + 100, "%llu are left", (unsigned long long)(after - before));
}

// --- values ---

BW_STRUCT(key1, (int, n));
BW_STRUCT(key2, (int, n));
static bw_string key2_string(key2 *k) {
    return bw_sprintf("key2(%d)", k->n);
}
BW_IMPL(bw_stringer, key2, (bw_string, string));

static void check_value(bw_context ctx, bw_any key, const char *expected) {
    bw_any value = bw_context_value(ctx, key);
    CHECK(bw_is_nil(value) == (expected == NULL));
    if (expected)
        CHECK(bw_str_eq(bw_assert_type(bw_string, value), bw_string_of(expected)));
}
static void test_values(void **state) {
    (void)state;
    static key2 two = {1}, three = {3};
    bw_any k1 = bw_any_as(key1, (key1){1}), k2 = bw_any_as(key2 *, &two), k3 = bw_any_as(key2 *, &three);
    bw_any nil = {NULL, {NULL}};
#define CHECK_VALUES(c, v1, v2, v3) check_value(c, k1, v1), check_value(c, k2, v2), check_value(c, k3, v3)
    CHECK_VALUES(bw_background(), NULL, NULL, NULL);
    bw_context c1 = bw_with_value(bw_background(), k1, "c1k1");
    CHECK_VALUES(c1, "c1k1", NULL, NULL);
    CHECK(text_is(c1, "context.Background.WithValue(key1, c1k1)"));
    bw_context c2 = bw_with_value(c1, k2, "c2k2");
    CHECK_VALUES(c2, "c1k1", "c2k2", NULL);
    CHECK(text_is(c2, "context.Background.WithValue(key1, c1k1).WithValue(key2(1), c2k2)"));
    bw_context c3 = bw_with_value(c2, k3, "c3k3");
    CHECK_VALUES(c3, "c1k1", "c2k2", "c3k3");
    bw_context c4 = bw_with_value(c3, k1, nil);
    CHECK_VALUES(c4, NULL, "c2k2", "c3k3");
    CHECK(text_is(c4, "context.Background.WithValue(key1, c1k1).WithValue(key2(1), c2k2)"
                      ".WithValue(key2(3), c3k3).WithValue(key1, <nil>)"));
    CHECK_VALUES(other_new(bw_background()), NULL, NULL, NULL);
    bw_context o1 = other_new(c1), o2 = bw_with_value(o1, k2, "o2k2"), o3 = other_new(c4);
    CHECK_VALUES(o1, "c1k1", NULL, NULL);
    CHECK_VALUES(o2, "c1k1", "o2k2", NULL);
    CHECK_VALUES(o3, NULL, "c2k2", "c3k3");
    CHECK_VALUES(bw_with_value(o3, k3, nil), NULL, "c2k2", NULL);
    CHECK(text_is(bw_without_cancel(o2), "*other.WithValue(key2(1), o2k2).WithoutCancel"));
    // The same number of another type is another key; equal texts are one.
    bw_context numbers = bw_with_value(bw_with_value(bw_background(), 5, 1.5), 5L, "long");
    CHECK(bw_assert_type(double, bw_context_value(numbers, 5)) == 1.5);
    CHECK(bw_is(bw_string, bw_context_value(numbers, 5L)) && bw_is_nil(bw_context_value(numbers, 5u)));
    CHECK(bw_assert_type(int, bw_context_value(bw_with_value(numbers, "text", 9), bw_concat("te", "xt"))) == 9);
}

static void make_value(bw_context parent, bw_any key) {
    bw_with_value(parent, key, "bar");
}
static void make_cancel(bw_context parent) {
    bw_with_cancel(parent, NULL);
}
static void make_cause(bw_context parent) {
    bw_with_cancel_cause(parent, NULL);
}
static void make_deadline(bw_context parent) {
    bw_with_deadline(parent, bw_now() + SHORT, NULL);
}
static void make_timeout(bw_context parent) {
    bw_with_timeout(parent, SHORT, NULL);
}
static void make_without(bw_context parent) {
    bw_without_cancel(parent);
}
static void make_after(bw_context parent) {
    bw_context_after_func(parent, do_nothing);
}
static void test_misuse(void **state) {
    (void)state;
    const char *nil_parent = "cannot create context from nil parent";
    bw_context nil = {NULL, NULL};
    bw_any no_key = {NULL, {NULL}};
    bw_slice(int) slice = bw_slice_of(int, 1, 2);
    CHECK(
        panics_with(bw_protect(make_value, bw_background(), bw_any_as(bw_slice(int), slice)), "key is not comparable"));
    CHECK(panics_with(bw_protect(make_value, bw_background(), no_key), "nil key"));
    CHECK(panics_with(bw_protect(make_value, nil, bw_any_of("foo")), nil_parent));
    static void (*const makers[])(bw_context) = {make_cancel,  make_cause,   make_deadline,
                                                 make_timeout, make_without, make_after};
    for (size_t i = 0; i < COUNT_OF(makers); i++)
        CHECK(panics_with(bw_protect(makers[i], nil), nil_parent));
}

// --- layers ---

static void layers(struct random *random, bool times_out) {
    enum { MOST = 1000 };
    struct {
        long *values[MOST];
        bw_cancel_func cancels[MOST];
    } *made = bw_alloc(sizeof *made);
    size_t values = 0, cancel_count = 0, timers = 0;
    bw_context ctx = bw_background();
    for (size_t i = 0; i < MOST && (i < 30 || !timers || !cancel_count || !values); i++)
        switch (random_below(random, 3)) {
        case 0:
            made->values[values] = bw_new(long);
            *made->values[values] = (long)i;
            ctx = bw_with_value(ctx, (void *)made->values[values], *made->values[values]);
            values++;
            break;
        case 1: ctx = bw_with_cancel(ctx, &made->cancels[cancel_count++]); break;
        default: ctx = bw_with_timeout(ctx, times_out ? SHORT : FOREVER, &made->cancels[cancel_count++]); timers++;
        }
    for (int when = 0; when < 2; when++) {
        for (size_t i = 0; i < values; i++)
            CHECK(bw_assert_type(long, bw_context_value(ctx, (void *)made->values[i])) == *made->values[i]);
        CHECK(bw_str_has_prefix(bw_sprintf("%v", ctx), bw_str("context.Background.")));
        if (when == 1)
            break;
        if (times_out) {
            wait_done(ctx);
            CHECK(is_error(bw_context_err(ctx), bw_err_deadline_exceeded()));
        } else {
            CHECK(!is_done(ctx));
            bw_cancel(made->cancels[random_below(random, cancel_count)]);
            check_canceled(ctx);
        }
    }
    for (size_t i = 0; i < cancel_count; i++)
        bw_cancel(made->cancels[i]);
}
static void test_layers(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(40); i++) {
        struct random random = {check_seed = i};
        layers(&random, i % 2);
    }
}

// --- causes ---

static bw_error parent_cause, child_cause, too_slow, early;
enum { NONE, WITH_PARENT, WITH_CHILD, WITH_NIL };
static bw_context stacked(int first, int second) { // cancels parent or child, one after the other
    bw_cancel_cause_func parent, child;
    bw_context ctx = bw_with_cancel_cause(bw_with_cancel_cause(bw_background(), &parent), &child);
    int order[] = {first, second};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        bw_error cause = order[i] & 4 ? bw_nil : order[i] & 1 ? parent_cause : child_cause;
        if (order[i] & 1)
            bw_cancel_cause(parent, cause);
        else
            bw_cancel_cause(child, cause);
    }
    return ctx;
}
static void test_causes(void **state) {
    (void)state;
    enum { PARENT = 1, CHILD = 2, BARE = 4 };
    parent_cause = bw_errors_new("parentCause");
    child_cause = bw_errors_new("childCause");
    too_slow = bw_errors_new("tooSlow");
    early = bw_errors_new("finishedEarly");
    bw_error canceled = bw_err_canceled(), exceeded = bw_err_deadline_exceeded();
    bw_cancel_func cancel, cancel2;
    bw_cancel_cause_func cancel_cause;
    bw_context ctx;

    check_ended(bw_background(), bw_nil, bw_nil);
    check_ended(bw_todo(), bw_nil, bw_nil);
    ctx = bw_with_cancel(bw_background(), &cancel);
    bw_cancel(cancel);
    check_ended(ctx, canceled, canceled);
    ctx = bw_with_cancel_cause(bw_background(), &cancel_cause);
    bw_cancel_cause(cancel_cause, parent_cause);
    check_ended(ctx, canceled, parent_cause);
    ctx = bw_with_cancel_cause(bw_background(), &cancel_cause);
    bw_cancel_cause(cancel_cause, bw_nil);
    check_ended(ctx, canceled, canceled);

    check_ended(stacked(PARENT, CHILD), canceled, parent_cause);
    check_ended(stacked(CHILD, PARENT), canceled, child_cause);
    check_ended(stacked(PARENT, CHILD | BARE), canceled, parent_cause);
    check_ended(stacked(CHILD | BARE, PARENT), canceled, canceled);
    check_ended(stacked(PARENT | BARE, CHILD), canceled, canceled);
    check_ended(stacked(CHILD, PARENT | BARE), canceled, child_cause);

    ctx = bw_with_timeout(bw_background(), 0, &cancel);
    bw_cancel(cancel);
    check_ended(ctx, exceeded, exceeded);
    ctx = bw_with_timeout(bw_background(), FOREVER, &cancel);
    bw_cancel(cancel);
    check_ended(ctx, canceled, canceled);
    ctx = bw_with_timeout_cause(bw_background(), 0, too_slow, &cancel);
    bw_cancel(cancel);
    check_ended(ctx, exceeded, too_slow);
    ctx = bw_with_timeout_cause(bw_background(), SHORT, too_slow, &cancel);
    wait_done(ctx);
    check_ended(ctx, exceeded, too_slow);
    ctx = bw_with_timeout_cause(bw_background(), FOREVER, too_slow, &cancel);
    bw_cancel(cancel);
    check_ended(ctx, canceled, canceled);
    ctx = bw_with_cancel_cause(bw_background(), &cancel_cause);
    ctx = bw_with_timeout_cause(ctx, 0, too_slow, NULL);
    bw_cancel_cause(cancel_cause, early);
    check_ended(ctx, exceeded, too_slow);
    ctx = bw_with_cancel_cause(bw_background(), &cancel_cause);
    ctx = bw_with_timeout_cause(ctx, FOREVER, too_slow, NULL);
    bw_cancel_cause(cancel_cause, early);
    check_ended(ctx, canceled, early);

    check_ended(bw_without_cancel(bw_background()), bw_nil, bw_nil);
    ctx = bw_without_cancel(bw_with_cancel_cause(bw_background(), &cancel_cause));
    bw_cancel_cause(cancel_cause, early);
    check_ended(ctx, bw_nil, bw_nil);
    ctx = bw_without_cancel(bw_with_timeout_cause(bw_background(), 0, too_slow, &cancel2));
    bw_cancel(cancel2);
    check_ended(ctx, bw_nil, bw_nil);

    // A context of the program's with a channel of its own, whose parent is not cancelled, is before, is after.
    own *o = own_new(bw_with_cancel_cause(bw_background(), NULL));
    own_end(o, canceled);
    check_ended(own_as(o), canceled, canceled);
    o = own_new(bw_with_cancel_cause(bw_background(), &cancel_cause));
    bw_cancel_cause(cancel_cause, parent_cause);
    own_end(o, canceled);
    check_ended(own_as(o), canceled, parent_cause);
    o = own_new(bw_with_cancel_cause(bw_background(), &cancel_cause));
    own_end(o, canceled);
    bw_cancel_cause(cancel_cause, parent_cause);
    check_ended(own_as(o), canceled, parent_cause);
}

static void test_cause_race(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(500); i++) {
        bw_error cause = bw_errors_new("TestCauseRace"), err;
        bw_cancel_cause_func cancel;
        bw_context ctx = bw_with_cancel_cause(bw_background(), &cancel);
        bw_go(bw_cancel_cause, cancel, cause);
        while (bw_is_nil(err = bw_context_cause(ctx)))
            bw_yield();
        CHECK(is_error(err, cause));
    }
}

static void test_without_cancel(void **state) {
    (void)state;
    bw_cancel_func cancel;
    int64_t when = 1;
    bw_context parent = bw_with_timeout(bw_with_value(bw_background(), "key", "value"), FOREVER, &cancel);
    bw_context ctx = bw_without_cancel(parent), below = bw_with_cancel(ctx, NULL);
    bw_cancel(cancel);
    CHECK(!bw_context_deadline(ctx, &when) && when == 0 && bw_context_done(ctx) == NULL);
    CHECK(bw_is_nil(bw_context_err(ctx)));
    CHECK(bw_str_eq(bw_assert_type(bw_string, bw_context_value(ctx, "key")), bw_str("value")));
    CHECK(!is_done(below) && !bw_context_deadline(below, &when));
}

// --- contexts of the program's ---

static void wait_for_goroutines(int count) {
    for (int i = 0; i < 30000 && bw_num_goroutine() != count; i++)
        sleep_ms(1);
    CHECK(bw_num_goroutine() == count, "%d", bw_num_goroutine());
}
// Only what has a channel that is none of ours is watched by a goroutine, which ends with the child.
static void test_own_goroutines(void **state) {
    (void)state;
    bw_cancel_func cancel, cancel1, cancel3, cancel4;
    wait_for_goroutines(1);
    bw_with_cancel(own_as(own_new(bw_background())), &cancel);
    wait_for_goroutines(2);
    bw_cancel(cancel);
    wait_for_goroutines(1);
    bw_with_timeout(own_as(own_new(bw_background())), FOREVER, &cancel);
    wait_for_goroutines(2);
    bw_cancel(cancel);
    wait_for_goroutines(1);

    bw_context ctx1 = bw_with_cancel(bw_background(), &cancel1), ctx2 = other_new(ctx1);
    bw_context ctx3 = bw_with_cancel(ctx2, &cancel3);
    CHECK(bw_num_goroutine() == 1);
    bw_with_cancel(own_as(own_new(ctx2)), &cancel); // ctx1 does not provide its channel
    CHECK(bw_num_goroutine() == 2);
    bw_context ctx4 = bw_with_timeout(ctx3, FOREVER, &cancel4);
    bw_context ctx5 = bw_with_cancel(other_new(bw_with_value(ctx4, 1, 2)), NULL);
    CHECK(bw_num_goroutine() == 2);
    bw_cancel(cancel1);
    check_canceled(ctx5);
    bw_with_cancel(ctx5, NULL);
    CHECK(bw_num_goroutine() == 2);
    bw_cancel(cancel);
    wait_for_goroutines(1);
}

static void test_own_propagation(void **state) {
    (void)state;
    bw_error cause = bw_errors_new("TestCustomContextPropagation");
    bw_cancel_cause_func cancel1;
    own *o = own_new(bw_with_cancel_cause(bw_background(), &cancel1));
    bw_context below = bw_with_cancel(own_as(o), NULL), called = bw_with_cancel(bw_background(), NULL);
    (void)called;
    bw_cancel_cause(cancel1, cause);
    CHECK(!is_done(below));
    own_end(o, bw_err_canceled());
    wait_done(below);
    check_ended(below, bw_err_canceled(), cause);
    // Of one whose channel is closed already.
    check_ended(bw_with_cancel(own_as(o), NULL), bw_err_canceled(), cause);
}

static void test_own_cause(void **state) {
    (void)state;
    own *o = own_new(bw_background());
    own_end(o, bw_err_canceled());
    check_canceled(own_as(o));

    bw_error cause = bw_errors_new("TestCustomContextCause");
    bw_cancel_cause_func with_cause;
    o = own_new(bw_background());
    bw_context ctx = bw_with_cancel_cause(own_as(o), &with_cause);
    bw_cancel_cause(with_cause, cause);
    check_ended(ctx, bw_err_canceled(), cause);
    check_ended(own_as(o), bw_nil, bw_nil);
    own_end(o, bw_err_canceled());
    check_ended(ctx, bw_err_canceled(), cause);
    check_canceled(own_as(o));

    bw_cancel_func cancel;
    o = own_new(bw_background());
    ctx = bw_with_cancel(own_as(o), &cancel);
    own_end(o, bw_err_canceled());
    bw_cancel(cancel);
    check_canceled(ctx);
    check_canceled(own_as(o));
}

// A context of the program's that follows another by bw_context_after_func.
static void test_own_follows(void **state) {
    (void)state;
    bw_cancel_func cancel;
    bw_context parent = bw_with_cancel(bw_background(), &cancel);
    own *o = own_new(parent);
    bw_context_after_func(parent, own_follow, o, parent);
    bw_context below = bw_with_timeout(own_as(o), FOREVER, NULL);
    CHECK(!is_done(below));
    bw_cancel(cancel);
    wait_done(below);
    check_canceled(below);
}

// --- functions after a context ---

static void tells(bw_chan(int) called, int number) {
    bw_send(called, number);
}
static bool is_called(bw_chan(int) called, int64_t wait) {
    bw_select {
        bw_on_recv(called, number) {
            CHECK(number == 7);
            return true;
        }
        bw_on_recv(bw_after(wait), when) return when < 0;
    }
    return false;
}
static void test_after_func(void **state) {
    (void)state;
    bw_chan(int) called = bw_make_chan(int, 0); // so that who calls it would wait for it, if it did
    bw_cancel_func cancel;
    bw_context ctx = bw_with_cancel(bw_background(), &cancel);
    bw_stop_func stop = bw_context_after_func(ctx, tells, called, 7);
    CHECK(!is_called(called, SHORT));
    bw_cancel(cancel);
    CHECK(is_called(called, LONG) && !bw_context_stop(stop));
    // Of one that is cancelled already, by its deadline, of one of the program's, through values.
    bw_context_after_func(ctx, tells, called, 7);
    CHECK(is_called(called, LONG));
    bw_context_after_func(bw_with_timeout(bw_background(), SHORT, NULL), tells, called, 7);
    CHECK(is_called(called, LONG));
    own *o = own_new(bw_background());
    stop = bw_context_after_func(bw_with_value(own_as(o), 1, 2), tells, called, 7);
    own_end(o, bw_err_canceled());
    CHECK(is_called(called, LONG) && !bw_context_stop(stop));
    bw_context_after_func(bw_background(), tells, called, 8); // never
    // Stopped.
    ctx = bw_with_cancel(bw_background(), &cancel);
    stop = bw_context_after_func(ctx, tells, called, 7);
    CHECK(bw_context_stop(stop));
    bw_cancel(cancel);
    CHECK(!is_called(called, SHORT) && !bw_context_stop(stop));
}

// Exactly one of calling and stopping happens.
static void stops(bw_stop_func stop, bw_chan(int) called) {
    if (bw_context_stop(stop))
        bw_send(called, 1000);
}
static void test_after_func_race(void **state) {
    (void)state;
    bw_chan(int) called = bw_make_chan(int, 4);
    for (size_t i = 0; i < effort(3000); i++) {
        bw_cancel_func cancel;
        bw_context ctx = bw_with_cancel(bw_background(), &cancel);
        bw_stop_func stop = bw_context_after_func(ctx, tells, called, 1000);
        bw_go(stops, stop, called);
        bw_go(bw_cancel, cancel);
        bw_go(stops, stop, called);
        CHECK(bw_recv(called) == 1000);
        wait_done(ctx);
    }
    sleep_ms(20);
    CHECK(bw_chan_len(called) == 0);
}

static void child_calls_nothing(void) {
    void (*volatile nothing)(int) = NULL;
    bw_context_after_func(bw_with_timeout(bw_background(), 0, NULL), nothing, 1);
}
static void test_no_function(void **state) {
    (void)state;
    assert_died("calls nothing", "fatal error: go of nil func value");
}

// --- from threads ---

static void *cancels_in_thread(void *argument) {
    for (size_t i = 0; i < effort(300); i++) {
        bw_cancel_func cancel;
        bw_context ctx = bw_with_timeout(bw_background(), i % 2 ? SHORT : FOREVER, &cancel);
        bw_context below = bw_with_cancel(bw_with_value(ctx, 1, 2), NULL);
        if (i % 2 == 0)
            bw_cancel(cancel);
        wait_done(below);
        CHECK(is_error(bw_context_err(below), i % 2 ? bw_err_deadline_exceeded() : bw_err_canceled()));
    }
    return argument;
}
static void test_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, cancels_in_thread, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

// --- semaphores: semaphore_test.go of golang.org/x/sync, what has to do with contexts ---

static void acquire_in(bw_context ctx, bw_semaphore *s, int64_t n, bw_chan(bw_error) result) {
    bw_send(result, bw_semaphore_acquire_context(ctx, s, n));
}
static bw_chan(bw_error) start_acquiring(bw_context ctx, bw_semaphore *s, int64_t n) {
    bw_chan(bw_error) result = bw_make_chan(bw_error, 1);
    bw_go(acquire_in, ctx, s, n, result);
    return result;
}
// It looks without the lock.
__attribute__((no_sanitize("thread"))) static void wait_until_queued(const bw_semaphore *s) {
    double limit = seconds_now() + child_limit(60);
    while (*(void *const volatile *)&s->bw__waiters == NULL) {
        CHECK(seconds_now() < limit);
        bw_yield();
    }
}
static void test_semaphore(void **state) {
    (void)state;
    bw_semaphore *s = bw_new(bw_semaphore);
    s->size = 2;
    bw_cancel_func cancel;
    bw_context ctx = bw_with_cancel(bw_background(), &cancel);
    CHECK(bw_is_nil(bw_semaphore_acquire_context(ctx, s, 1)) && bw_is_nil(bw_semaphore_acquire_context(ctx, s, 1)));
    CHECK(!bw_semaphore_try_acquire(s, 1));
    // One waits; it is let in by a release.
    bw_chan(bw_error) one = start_acquiring(ctx, s, 1);
    wait_until_queued(s);
    bw_semaphore_release(s, 1);
    CHECK(bw_is_nil(bw_recv(one)) && !bw_semaphore_try_acquire(s, 1));
    // TestWeightedAcquireCanceled, and TestAllocCancelDoesntStarve: who wants much gives up, who wants little behind it
    // gets it at once.
    bw_semaphore_release(s, 1);
    bw_chan(bw_error) much = start_acquiring(ctx, s, 2);
    wait_until_queued(s);
    bw_chan(bw_error) little = start_acquiring(bw_background(), s, 1);
    for (int i = 0; i < 20; i++)
        bw_yield();
    bw_cancel(cancel);
    CHECK(bw_errors_is(bw_recv(much), bw_err_canceled()));
    CHECK(bw_is_nil(bw_recv(little)));
    CHECK(!bw_semaphore_try_acquire(s, 1));
    // A context that is done gets nothing, though there is some.
    bw_semaphore_release(s, 2);
    CHECK(bw_errors_is(bw_semaphore_acquire_context(ctx, s, 1), bw_err_canceled()));
    CHECK(bw_semaphore_try_acquire(s, 2));
    bw_semaphore_release(s, 2);
    // TestWeightedDoesntBlockIfTooBig: who wants more than there is waits for the context only, and nobody behind it.
    bw_context soon = bw_with_timeout(bw_background(), 20 * BW_MILLISECOND, &cancel);
    bw_chan(bw_error) all = start_acquiring(soon, s, 3);
    for (int i = 0; i < 20; i++)
        bw_yield();
    CHECK(bw_is_nil(bw_semaphore_acquire_context(bw_background(), s, 2)));
    bw_semaphore_release(s, 2);
    CHECK(bw_errors_is(bw_recv(all), bw_err_deadline_exceeded()));
    bw_cancel(cancel);
    CHECK(s->bw__held == 0 && s->bw__waiters == NULL);
}

// Contexts that end while what they wait for is given: nothing of it is lost.
static void holds_briefly(bw_semaphore *s, int number, bw_waitgroup *group) {
    struct random random = {(uint64_t)number};
    for (size_t i = 0; i < effort(200); i++) {
        bw_cancel_func cancel;
        bw_context ctx = bw_with_timeout(bw_background(), (int64_t)random_below(&random, 60) * 1000, &cancel);
        int64_t n = 1 + (int64_t)random_below(&random, 3);
        if (bw_is_nil(bw_semaphore_acquire_context(ctx, s, n))) {
            bw_yield();
            bw_semaphore_release(s, n);
        }
        bw_cancel(cancel);
    }
    bw_waitgroup_done(group);
}
static void test_semaphore_hammer(void **state) {
    (void)state;
    bw_semaphore *s = bw_new(bw_semaphore);
    s->size = 4;
    bw_waitgroup *group = bw_new(bw_waitgroup);
    bw_waitgroup_add(group, 10);
    for (int i = 0; i < 10; i++)
        bw_go(holds_briefly, s, i, group);
    bw_waitgroup_wait(group);
    CHECK(s->bw__held == 0 && s->bw__waiters == NULL);
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"calls nothing", child_calls_nothing}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roots),
        cmocka_unit_test(test_with_cancel),
        cmocka_unit_test(test_parent_first),
        cmocka_unit_test(test_child_first),
        cmocka_unit_test(test_cancel_removes),
        cmocka_unit_test(test_canceled_parent),
        cmocka_unit_test(test_canceled_meanwhile),
        cmocka_unit_test(test_simultaneous),
        cmocka_unit_test(test_returns_when_done),
        cmocka_unit_test(test_interlocked),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_err_then_done),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_canceled_timeout),
        cmocka_unit_test(test_no_timer_is_left),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_causes),
        cmocka_unit_test(test_cause_race),
        cmocka_unit_test(test_without_cancel),
        cmocka_unit_test(test_own_goroutines),
        cmocka_unit_test(test_own_propagation),
        cmocka_unit_test(test_own_cause),
        cmocka_unit_test(test_own_follows),
        cmocka_unit_test(test_after_func),
        cmocka_unit_test(test_after_func_race),
        cmocka_unit_test(test_no_function),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_semaphore),
        cmocka_unit_test(test_semaphore_hammer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
