// Errors: what Go prints for each form of them (checked against Go 1.27), and finding errors in trees of all shapes.
#include "../support.h"

#include "lang/lang.h"

#include <pthread.h>

BW_STRUCT(coded, (int, code), (bw_error, cause));
static bw_string coded_error(coded *c) {
    return bw_sprintf("code %d", c->code);
}
static bw_error coded_unwrap(coded *c) {
    return c->cause;
}
BW_IMPL(bw_error, coded, (bw_string, error));
BW_IMPL(bw_unwrapper, coded, (bw_error, unwrap));

/* Counts as whatever has its code. */
BW_STRUCT(lenient, (int, code));
static bw_string lenient_error(lenient *e) {
    return bw_sprintf("lenient %d", e->code);
}
static bool lenient_is(lenient *e, bw_error target) {
    coded *c;
    return bw_assert_ok(coded *, target, &c) && c->code == e->code;
}
BW_IMPL(bw_error, lenient, (bw_string, error));
BW_IMPL(bw_error_matcher, lenient, (bool, is, bw_error));

BW_INTERFACE(timeout, (bool, timed_out));
BW_STRUCT(slow, (int, seconds));
static bw_string slow_error(slow *s) {
    return bw_sprintf("%d seconds", s->seconds);
}
static bool slow_timed_out(slow *s) {
    return s->seconds > 10;
}
BW_IMPL(bw_error, slow, (bw_string, error));
BW_IMPL(timeout, slow, (bool, timed_out));

static bw_error make_coded(int code, bw_error cause) {
    coded *c = bw_new(coded);
    c->code = code;
    c->cause = cause;
    return bw_as(bw_error, coded, c);
}

static void assert_text(bw_string text, const char *expected) {
    if ((size_t)text.len == strlen(expected) && memcmp(text.ptr, expected, (size_t)text.len) == 0)
        return;
    fprintf(stderr, "expected: %s\ngot:      %.*s\n", expected, (int)text.len, text.ptr);
    fail();
}

static void assert_form(bw_error err, const char *expected) {
    assert_text(bw_sprintf("%v|%T|%v", err, err, bw_errors_unwrap(err)), expected);
}

/* What the error wraps, if it wraps several. */
static bw_slice(bw_error) all_in(bw_error err) {
    const bw__table_head *head = (const bw__table_head *)err.bw__table;
    const struct bw_unwrapper_of_many__table *many =
        (const void *)interface_table(bw__site_type(head->site), &bw__type_bw_unwrapper_of_many);
    return many ? many->unwrap_all(err.bw__data) : (bw_slice(bw_error)){0};
}

/* --- messages --- */

static void test_new(void **state) {
    (void)state;
    char buffer[] = "text";
    bw_error a = bw_errors_new(buffer), b = bw_errors_new(bw_str("text"));
    buffer[0] = 'x';
    assert_form(a, "text|*bw_error_string|<nil>");
    assert_false(bw_eq(a, b));
    assert_true(bw_eq(a, a));
    assert_true(bw_is_nil(bw_nil));
    assert_text(bw_error_text(bw_nil), "<nil>");
    assert_text(bw_error_text(b), "text");
    assert_true(bw_is_nil(bw_errors_unwrap(bw_nil)));
}

static void test_errorf(void **state) {
    (void)state;
    bw_error a = bw_errors_new("a"), b = bw_errors_new("b");
    assert_form(bw_errorf("x: %w", a), "x: a|*bw_error_wrap|a");
    assert_form(bw_errorf("%w and %w", a, b), "a and b|*bw_error_wraps|<nil>");
    assert_form(bw_errorf("%w", 5), "%!w(int=5)|*bw_error_wrap|<nil>");
    assert_form(bw_errorf("%w %w", a, 5), "a %!w(int=5)|*bw_error_wraps|<nil>");
    assert_form(bw_errorf("%w", bw_nil), "%!w(<nil>)|*bw_error_wrap|<nil>");
    assert_form(bw_errorf("%w"), "%!w(MISSING)|*bw_error_string|<nil>");
    assert_form(bw_errorf("plain"), "plain|*bw_error_string|<nil>");
    assert_form(bw_errorf("%d", 5), "5|*bw_error_string|<nil>");
    assert_form(bw_errorf("%v", a), "a|*bw_error_string|<nil>");
    assert_form(bw_errorf("%[2]w %[1]w", a, b), "b a|*bw_error_wraps|<nil>");
    assert_form(bw_errorf("%w", a, b), "a%!(EXTRA *bw_error_string=b)|*bw_error_wrap|a");
    assert_form(bw_errorf("%10w|%-5w|%+w|%q", a, b, a, b), "         a|b    |a|\"b\"|*bw_error_wraps|<nil>");
    assert_form(bw_errorf("%#w", 3), "%!w(int=3)|*bw_error_wrap|<nil>");
    assert_text(bw_sprintf("%w", 1), "%!w(int=1)");
    assert_text(bw_sprintf("%w", a), "%!w(*bw_error_string=&{a})");
    bw_string long_text = bw_str_repeat(bw_str("0123456789"), 10000);
    assert_int_equal(bw_error_text(bw_errorf("%s%w", long_text, a)).len, 100001);
    /* Also an error that comes as a pointer, or in a bw_any. */
    coded *c = bw_new(coded);
    c->code = 7;
    assert_form(bw_errorf("<%w>", c), "<code 7>|*bw_error_wrap|code 7");
    assert_form(bw_errorf("<%w>", bw_any_of(a)), "<a>|*bw_error_wrap|a");
}

static void test_wrapped(void **state) {
    (void)state;
    bw_error a = bw_errors_new("a"), b = bw_errors_new("b"), c = bw_errors_new("c");
    assert_text(bw_sprint(all_in(bw_errorf("%[2]w %[1]w", a, b))), "[a b]");
    assert_text(bw_sprint(all_in(bw_errorf("%[1]w %[1]w", a))), "[a]");
    assert_text(bw_sprint(all_in(bw_errorf("%w%w%w", a, 5, b))), "[a b]");
    assert_text(bw_sprint(all_in(bw_errorf("%w", a))), "[]");
    assert_text(bw_sprint(all_in(bw_errors_join(bw_nil, b, bw_nil, a))), "[b a]");
    bw_error err = bw_errorf("%w, %w", bw_errorf("1: %w", a), bw_errorf("2: %w", bw_errorf("3: %w", b)));
    assert_text(bw_error_text(err), "1: a, 2: 3: b");
    assert_true(bw_errors_is(err, a) && bw_errors_is(err, b) && bw_errors_is(err, err));
    assert_false(bw_errors_is(err, c));
}

static void test_join(void **state) {
    (void)state;
    bw_error a = bw_errors_new("a"), b = bw_errors_new("b"), joined = bw_errors_join(a, bw_nil, b);
    assert_form(joined, "a\nb|*bw_error_join|<nil>");
    assert_form(bw_errors_join(bw_errors_join(a, b), a), "a\nb\na|*bw_error_join|<nil>");
    assert_form(bw_errors_join(a), "a|*bw_error_join|<nil>");
    assert_true(bw_is_nil(bw_errors_join(bw_nil, bw_nil)));
    assert_true(bw_is_nil(bw_errors_join_all((bw_slice(bw_error)){0})));
    assert_form(bw_errors_join_all(bw_slice_of(bw_error, b, a)), "b\na|*bw_error_join|<nil>");
    assert_true(bw_errors_is(joined, a) && bw_errors_is(joined, b));
    assert_text(bw_sprintf("<%v>", bw_errorf("%w!", joined)), "<a\nb!>");
}

/* Joined in a loop, which makes a tree of that depth, and the other way round. */
static void test_deep(void **state) {
    (void)state;
    bw_error last = bw_errors_new("last"), left = last, right = last, chain = last;
    int count = (int)effort(20000);
    for (int i = 0; i < count; i++) {
        left = bw_errors_join(left, make_coded(i, bw_nil));
        right = bw_errors_join(make_coded(i, bw_nil), right);
        chain = make_coded(i, chain);
    }
    assert_true(bw_errors_is(left, last) && bw_errors_is(right, last) && bw_errors_is(chain, last));
    assert_false(bw_errors_is(left, bw_err_exist()) || bw_errors_is(right, bw_err_exist()) ||
                 bw_errors_is(chain, bw_err_exist()));
    bw_string text = bw_error_text(left), other = bw_error_text(right);
    assert_int_equal(text.len, other.len);
    assert_true(bw_str_has_prefix(text, bw_str("last\ncode 0\ncode 1\n")) &&
                bw_str_has_suffix(other, bw_str("code 0\nlast")));
}

/* --- finding --- */

static void test_is(void **state) {
    (void)state;
    bw_error one = make_coded(1, bw_nil), other = make_coded(1, bw_nil);
    assert_true(bw_errors_is(one, one));
    assert_false(bw_errors_is(one, other));
    assert_true(bw_errors_is(bw_nil, bw_nil));
    assert_false(bw_errors_is(one, bw_nil) || bw_errors_is(bw_nil, one));
    lenient *l = bw_new(lenient);
    l->code = 1;
    bw_error wrapped = bw_errorf("%w", bw_as(bw_error, lenient, l));
    assert_true(bw_errors_is(wrapped, one) && bw_errors_is(wrapped, other));
    assert_false(bw_errors_is(wrapped, make_coded(2, bw_nil)));
    assert_false(bw_errors_is(one, wrapped));
}

static void test_as(void **state) {
    (void)state;
    bw_error inner = make_coded(1, bw_errors_new("cause"));
    slow *s = bw_new(slow);
    s->seconds = 20;
    bw_error err = bw_errors_join(bw_errors_new("x"), bw_errorf("%w", make_coded(5, inner)), bw_as(bw_error, slow, s));
    coded *found = NULL;
    assert_true(bw_errors_as(coded *, err, &found));
    assert_int_equal(found->code, 5);
    slow *found_slow;
    assert_true(bw_errors_as(slow *, err, &found_slow));
    assert_ptr_equal(found_slow, s);
    timeout t;
    assert_true(bw_errors_as(timeout, err, &t));
    assert_true(bw_call(t, timed_out));
    bw_error any_error;
    assert_true(bw_errors_as(bw_error, err, &any_error));
    assert_true(bw_eq(any_error, err));
    lenient *missing = (lenient *)s;
    assert_false(bw_errors_as(lenient *, err, &missing));
    assert_ptr_equal(missing, s); /* untouched */
    assert_false(bw_errors_as(coded *, bw_nil, &found));
}

/* --- the system's --- */

static void test_errno(void **state) {
    (void)state;
    assert_true(bw_is_nil(bw_errno_error(0)));
    assert_true(bw_eq(bw_errno_error(ENOENT), bw_errno_error(ENOENT)));
    assert_false(bw_eq(bw_errno_error(ENOENT), bw_errno_error(EEXIST)));
    assert_form(bw_errno_error(ENOENT), "no such file or directory|*bw_error_errno|<nil>");
    assert_text(bw_sprint(bw_errno_error(EPERM), " ", bw_errno_error(EAGAIN), " ", bw_errno_error(EINVAL)),
                "operation not permitted resource temporarily unavailable invalid argument");
    assert_text(
        bw_sprint(bw_errno_error(4000), " ", bw_errno_error(133), " ", bw_errno_error(41), " ", bw_errno_error(-1)),
        "errno 4000 errno 133 errno 41 errno -1");
    assert_true(bw_eq(bw_errno_error(4000), bw_errno_error(4000)));
    assert_false(bw_eq(bw_errno_error(4000), bw_errno_error(4001)));
    assert_int_equal(bw_errno_of(bw_errno_error(4001)), 4001);
    assert_int_equal(bw_errno_of(bw_errorf("%w", bw_errors_join(bw_errors_new("x"), bw_errno_error(EIO)))), EIO);
    assert_int_equal(bw_errno_of(bw_errors_new("x")), 0);
    assert_int_equal(bw_errno_of(bw_nil), 0);
    for (int i = 1; i < 133; i++)
        assert_true(bw_eq(bw_errno_error(i), bw_errno_error(i)) && bw_errno_of(bw_errno_error(i)) == i);
}

static void test_kinds_of_errno(void **state) {
    (void)state;
    const struct {
        int number;
        bool permission, exist, not_exist, unsupported;
    } table[] = {{EPERM, 1, 0, 0, 0},  {EACCES, 1, 0, 0, 0}, {EEXIST, 0, 1, 0, 0},  {ENOTEMPTY, 0, 1, 0, 0},
                 {ENOENT, 0, 0, 1, 0}, {ENOSYS, 0, 0, 0, 1}, {ENOTSUP, 0, 0, 0, 1}, {EINVAL, 0, 0, 0, 0}};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        bw_error err = bw_errorf("%w", bw_path_error("stat", "/x", table[i].number));
        assert_int_equal(bw_errors_is(err, bw_err_permission()), table[i].permission);
        assert_int_equal(bw_errors_is(err, bw_err_exist()), table[i].exist);
        assert_int_equal(bw_errors_is(err, bw_err_not_exist()), table[i].not_exist);
        assert_int_equal(bw_errors_is(err, bw_err_unsupported()), table[i].unsupported);
        assert_false(bw_errors_is(err, bw_err_invalid()) || bw_errors_is(err, bw_err_closed()));
        assert_true(bw_errors_is(err, bw_errno_error(table[i].number)));
    }
    assert_text(bw_sprintf("%v, %v, %v, %v, %v, %v", bw_err_not_exist(), bw_err_exist(), bw_err_permission(),
                           bw_err_invalid(), bw_err_closed(), bw_err_unsupported()),
                "file does not exist, file already exists, permission denied, invalid argument, file already closed, "
                "unsupported operation");
    assert_true(bw_errors_is(bw_errorf("%w", bw_err_exist()), bw_err_exist()));
}

static void test_path_error(void **state) {
    (void)state;
    char path[] = "/x";
    bw_error err = bw_path_error("open", path, ENOENT);
    path[1] = 'y';
    assert_form(err, "open /x: no such file or directory|*bw_error_path|no such file or directory");
    assert_int_equal(bw_errno_of(err), ENOENT);
    const bw_error_path *found = bw_path_error_of(bw_errorf("a: %w", err));
    assert_non_null(found);
    assert_text(bw_sprint(found->op, found->path, found->err), "open/xno such file or directory");
    assert_null(bw_path_error_of(bw_errno_error(ENOENT)));
    assert_true(bw_is_nil(bw_path_error("open", bw_str("/x"), 0)));
}

#define THREADS 4
static void *same_unknown(void *argument) {
    (void)argument;
    for (int i = 5000; i < 5000 + (int)effort(300); i++) {
        bw_error err = bw_errno_error(i);
        CHECK(bw_eq(err, bw_errno_error(i)) && bw_errno_of(err) == i);
    }
    return NULL;
}

static void test_errno_of_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, same_unknown, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    bw_error kept = bw_errno_error(5001);
    collect_clean();
    assert_true(bw_eq(kept, bw_errno_error(5001)));
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_errorf),
        cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_is),
        cmocka_unit_test(test_as),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_kinds_of_errno),
        cmocka_unit_test(test_path_error),
        cmocka_unit_test(test_errno_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
