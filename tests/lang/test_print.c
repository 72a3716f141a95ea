// modes: plain verify=1 poison=1,gcstress=50
// Printing against Go: print_cases.h holds what Go prints, made by print_cases.go. What Go has no counterpart of, and
// where the output goes, is tested here by hand.
#include "../support.h"

#include <complex.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>

BW_STRUCT(pair, (int, A), (bw_string, B));
BW_SLICE(pair);
BW_MAP(by_name, bw_string, int);
BW_MAP(by_number, int, bw_string);
BW_MAP(by_float, double, bool);
BW_MAP(by_any, bw_any, int);
BW_STRUCT(nest, (pair, P), (bw_slice(int), S), (bool, Ok), (double, F), (by_name, M));
BW_STRUCT(holder, (bw_error, E), (bw_any, X), (pair *, P));
BW_STRUCT(celsius, (double, Degrees));
BW_SLICE(celsius);
BW_STRUCT(named, (celsius, C));
static bw_string celsius_string(celsius *c) {
    return bw_sprintf("%.1f°C", c->Degrees);
}
BW_IMPL(bw_stringer, celsius, (bw_string, string));

BW_STRUCT(letters, (char[4], Short), (char *, Long), (unsigned char, Byte), (char, Char));
struct hidden {
    long a, b, c;
};
BW_STRUCT(partly, (struct hidden, Hidden), (int, Seen), (int[2], Pair), (void (*)(void), Code), (void *, Any));
BW_STRUCT(tree, (struct tree *, left), (struct tree *, right), (int, value));
BW_STRUCT(both, (int, code));
static bw_string both_error(both *b) {
    return bw_sprintf("error %d", b->code);
}
static bw_string both_string(both *b) {
    return bw_sprintf("string %d", b->code);
}
BW_IMPL(bw_error, both, (bw_string, error));
BW_IMPL(bw_stringer, both, (bw_string, string));
BW_INTERFACE(shape, (double, area));
BW_STRUCT(square, (double, side));
static double square_area(square *s) {
    return s->side * s->side;
}
BW_IMPL(shape, square, (double, area));
BW_STRUCT(drawing, (shape, Shape), (bw_slice(bw_any), Parts));
typedef tree *tree_ptr;
BW_SLICE(tree_ptr);
BW_MAP(nested, bw_string, bw_any);

/* --- comparing --- */

static bool is_text(bw_string text, const char *expected, size_t length) {
    return (size_t)text.len == length && (length == 0 || memcmp(text.ptr, expected, length) == 0);
}

static unsigned failures;

static void expect_text(int line, bw_string text, const char *expected, size_t length, const char *what) {
    if (is_text(text, expected, length))
        return;
    failures++;
    fprintf(stderr, "line %d: %s\n  expected: %.*s\n  got:      %.*s\n", line, what, (int)length, expected,
            (int)text.len, text.ptr);
}

#define IS(expected, text) expect_text(__LINE__, (text), expected, sizeof expected - 1, #text);
#define PRINTS(expected, format, ...)                                                                                  \
    expect_text(__LINE__, bw_sprintf(format, ##__VA_ARGS__), expected, sizeof expected - 1, format);
#define SPRINT(expected, ...) IS(expected, bw_sprint(__VA_ARGS__))
#define SPRINTLN(expected, ...) IS(expected, bw_sprintln(__VA_ARGS__))

/* `prefix`, an address as %p prints it, `suffix`. */
static void expect_address(int line, bw_string text, const char *prefix, const void *address, const char *suffix) {
    char expected[256];
    int length = snprintf(expected, sizeof expected, "%s%p%s", prefix, address, suffix);
    expect_text(line, text, expected, (size_t)length, "an address");
}
#define IS_ADDRESS(prefix, address, suffix, text) expect_address(__LINE__, (text), prefix, address, suffix)

static int check_all(void **state) {
    (void)state;
    unsigned failed = failures;
    failures = 0;
    return failed == 0 ? 0 : -1;
}

/* --- what Go prints --- */

static void test_as_go(void **state) {
    (void)state;
    int triple[3] = {1, 2, 3};
    uint8_t four[4] = {'a', 'b', 0, 255};
    bw_slice(uint8_t) bytes = bw_slice_of(uint8_t, 'h', 'i', 0);
    bw_slice(int) ints = bw_slice_of(int, 1, -2, 3);
    bw_slice(bw_string) strings = bw_slice_of(bw_string, bw_str("x"), bw_str(""), bw_str("y z"));
    bw_slice(double) floats = bw_slice_of(double, 1, 2.5, (double)NAN);
    bw_slice(bw_any) anys = bw_slice_of(bw_any, bw_any_of(1), bw_any_of("two"), (bw_any){0}, bw_any_of(3.5),
                                        bw_any_as(bw_slice(int), bw_slice_of(int, 6)));
    pair a_pair = {7, bw_str("seven")}, *pair_ptr = bw_new(pair);
    *pair_ptr = a_pair;
    bw_slice(pair) pairs = bw_slice_of(pair, ((pair){1, bw_str("one")}), ((pair){2, bw_str("two")}));
    celsius *celsius_ptr = bw_new(celsius);
    celsius_ptr->Degrees = -40;
    bw_slice(celsius) warm = bw_slice_of(celsius, ((celsius){1}), ((celsius){2}));
    by_name by_name_map = bw_make_map(by_name), inner = bw_make_map(by_name);
    bw_put(by_name_map, bw_str("z")) = 26;
    bw_put(by_name_map, bw_str("a")) = 1;
    bw_put(by_name_map, bw_str("")) = 0;
    bw_put(inner, bw_str("b")) = 2;
    bw_put(inner, bw_str("a")) = 1;
    by_number by_number_map = bw_make_map(by_number);
    bw_put(by_number_map, 10) = bw_str("ten");
    bw_put(by_number_map, -1) = bw_str("minus");
    bw_put(by_number_map, 2) = bw_str("two");
    by_float by_float_map = bw_make_map(by_float);
    bw_put(by_float_map, 2) = true;
    bw_put(by_float_map, -(double)INFINITY) = false;
    bw_put(by_float_map, -1) = true;
    by_any by_any_map = bw_make_map(by_any);
    bw_put(by_any_map, bw_any_of(2)) = 2;
    bw_put(by_any_map, (bw_any){0}) = 3;
    bw_put(by_any_map, bw_any_of(1)) = 4;
    nest a_nest = {{-1, bw_str("in")}, bw_slice_of(int, 4, 5), true, 0.25, inner};
    nest million = {.F = 1e6};
    holder nothing = {0};
    bw_error failure = bw_errors_new("it failed");
    bw_slice(bw_error) errs = bw_slice_of(bw_error, failure, bw_nil), errs_nil = bw_slice_of(bw_error, bw_nil);
#include "print_cases.h"
}

/* --- what Go has no counterpart of --- */

static int evaluated;
static int once(void) {
    return ++evaluated;
}

static void test_arguments(void **state) {
    (void)state;
    enum colour { RED, GREEN } colour = GREEN;
    struct {
        int a : 3;
        unsigned b : 5;
        unsigned long c : 40;
    } bits = {-2, 31, (1ul << 40) - 1};
    const volatile int quiet = 5;
    char array[] = "array";
    const char *null = NULL;
    IS("1 -2 31 1099511627775 5 array", bw_sprint(colour, bits.a, bits.b, bits.c, quiet, " ", array))
    IS("int uint int64 int64 uint64 int8 char",
       bw_sprintf("%T %T %T %T %T %T %T", 1, 1u, 1L, 1LL, (size_t)1, (int8_t)1, array[0]))
    IS("string string string float64 float32 bool",
       bw_sprintf("%T %T %T %T %T %T", array, "x", bw_str("y"), 1.0L, 1.0f, (bool)1))
    IS("1.5 (1+2i) complex128", bw_sprintf("%v %v %T", 1.5L, 1.0 + 2.0 * I, 1.0 + 2.0 * I))
    IS("97 a 'a' 61", bw_sprintf("%v %c %q %x", array[0], array[0], array[0], array[0]))
    IS("<nil> <nil> <nil> (*char)(nil) *char 0x0", bw_sprintf("%v %s %q %#v %T %p", null, null, null, null, null, null))
    IS("<nil>|     <nil>|%!s(unsafe.Pointer=<nil>)", bw_sprintf("%v|%10v|%s", NULL, NULL, NULL))
    IS("%!d(string=x)%!(EXTRA string=y, bool=true)", bw_sprintf("%d", "x", "y", (bool)true))
    IS_ADDRESS("", array, "", bw_sprintf("%p", array));
    IS_ADDRESS("", (void *)(uintptr_t)once, "", bw_sprintf("%v", once));
    evaluated = 0;
    IS("1 2 3", bw_sprint(once(), once(), once()))
    IS("4[5]", bw_sprintf("%d%s", once(), bw_sprintf("[%d]", once())))
    assert_int_equal(evaluated, 5);
    bw_string format = bw_sprintf("%s%%d%c%%d", "<", 'x');
    IS("<1x2", bw_sprintf(format, 1, 2))
    IS("0123456789012345678901234567890123456789012345678901234567890123",
       bw_sprintf(bw_str_repeat(bw_str("%d"), 64), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2,
                  3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6,
                  7, 8, 9, 0, 1, 2, 3))
}

static void test_letters(void **state) {
    (void)state;
    letters all = {{'a', 'b', 0, 'c'}, (char *)(uintptr_t) "long", 7, 'x'}, full = {{'f', 'u', 'l', 'l'}, NULL, 0, 0};
    IS("{ab long 7 120}", bw_sprint(bw_v(letters, all)))
    IS("{Short:full Long:<nil> Byte:0 Char:0}", bw_sprintf("%+v", bw_v(letters, full)))
    IS("letters{Short:\"ab\", Long:\"long\", Byte:0x7, Char:120}", bw_sprintf("%#v", bw_v(letters, all)))
    IS("{6162 6c6f6e67 7 78}", bw_sprintf("%x", bw_v(letters, all)))
    IS("{[97 98 0 99] %!d(string=long) 7 120}", bw_sprintf("%d", bw_v(letters, all)))
    IS("ab \"ab\" [4]char",
       bw_sprintf("%v %q %T", bw_v(char[4], all.Short), bw_v(char[4], all.Short), bw_v(char[4], all.Short)))
    IS("[104 105] hi \"hi\" []char", bw_sprintf("%v %[1]s %[1]q %[1]T", bw_slice_of(char, 'h', 'i')))
}

static void test_bytes_unknown(void **state) {
    (void)state;
    partly p = {{1, 2, 3}, 4, {5, 6}, NULL, NULL};
    IS("{{...} 4 [5 6] <nil> <nil>}", bw_sprint(bw_v(partly, p)))
    IS("{010000000000000002000000000000000300000000000000 4 [5 6] 0 0}", bw_sprintf("%x", bw_v(partly, p)))
    IS("{%!d(hidden={...}) 4 [5 6] 0 0}", bw_sprintf("%d", bw_v(partly, p)))
    struct hidden hidden = {1, 2, 3};
    IS("{...} hidden", bw_sprintf("%v %T", bw_v(struct hidden, hidden), bw_v(struct hidden, hidden)))
}

static void test_pointers(void **state) {
    (void)state;
    tree *root = bw_new(tree), local = {NULL, NULL, 9};
    root->value = 1;
    IS("&{left:<nil> right:<nil> value:1} *tree", bw_sprintf("%+v %T", root, root))
    IS("&tree{left:(*tree)(nil), right:(*tree)(nil), value:1}", bw_sprintf("%#v", root))
    root->left = bw_new(tree);
    IS_ADDRESS("&{", root->left, " <nil> 1}", bw_sprint(root));
    IS_ADDRESS("tree{left:(*tree)(", root->left, "), right:(*tree)(nil), value:1}",
               bw_sprintf("%#v", bw_v(tree, *root)));
    IS_ADDRESS("[", root, "]", bw_sprint(bw_slice_of(tree_ptr, root)));
    /* Of pointers that are not to the first byte of an object, only the type that they carry tells what is there. */
    IS_ADDRESS("", &local, "", bw_sprint(&local));
    IS_ADDRESS("", &root->value, "", bw_sprint(&root->value));
    IS("&{<nil> <nil> 9}", bw_sprint(bw_v(tree *, &local)))
    IS("&{<nil> <nil> 9}", bw_sprint(bw_any_as(tree *, &local)))
    bw_slice(int) slice = bw_slice_of(int, 2, 3);
    IS("&[2 3]", bw_sprintf("%v", bw_v(bw_slice(int) *, &slice)))
    tree *wild = (tree *)(uintptr_t)0x1230;
    IS("0x1230 0x1230", bw_sprint(wild, bw_v(tree *, wild)))
    tree *dead = bw_new(tree);
    bw_free(dead);
    IS_ADDRESS("", dead, "", bw_sprint(bw_v(tree *, dead)));
    square *s = bw_new(square);
    s->side = 3;
    shape as_shape = bw_as(shape, square, s), none = {NULL, NULL};
    IS("&{3} *square <nil> <nil>", bw_sprintf("%v %T %v %T", as_shape, as_shape, none, none))
    drawing d = {none, {0}};
    IS("drawing{Shape:shape(nil), Parts:[]interface {}(nil)}", bw_sprintf("%#v", bw_v(drawing, d)))
}

static void test_methods(void **state) {
    (void)state;
    both *b = bw_new(both), *none = NULL;
    b->code = 5;
    IS("error 5 error 5 error 5", bw_sprintf("%v %s %+v", b, bw_v(both, *b), b))
    IS("\"error 5\" 6572726f722035 &{5} both{code:5}", bw_sprintf("%q %x %d %#v", b, b, b, bw_v(both, *b)))
    IS("error 5 &{%!t(int=5)}", bw_sprintf("%v %t", bw_as(bw_error, both, b), bw_as(bw_error, both, b)))
    IS("string 5", bw_call(bw_as(bw_stringer, both, b), string))
    IS("<nil> (*both)(nil) *both", bw_sprintf("%v %#v %T", bw_v(both *, none), bw_v(both *, none), bw_v(both *, none)))
}

static void test_cycles(void **state) {
    (void)state;
    bw_slice(bw_any) self = bw_make_slice(bw_any, 2);
    bw_at(self, 0) = bw_any_of(1);
    bw_at(self, 1) = bw_any_as(bw_slice(bw_any), self);
    IS("[1 <cycle>]", bw_sprint(self))
    nested map = bw_make_map(nested);
    bw_put(map, bw_str("me")) = bw_any_as(nested, map);
    bw_put(map, bw_str("it")) = bw_any_as(bw_slice(bw_any), self);
    IS("map[it:[1 <cycle>] me:<cycle>]", bw_sprint(map))
    IS("twice: [[1 <cycle>] [1 <cycle>]]",
       bw_sprint("twice: ", bw_slice_of(bw_any, bw_any_as(bw_slice(bw_any), self), bw_any_as(bw_slice(bw_any), self))))
    bw_slice(bw_any) deep = {0};
    for (int i = 0; i < 1000; i++)
        deep = bw_slice_of(bw_any, bw_any_as(bw_slice(bw_any), deep));
    bw_string text = bw_sprint(deep);
    assert_true(text.len > 200 && text.len < 1000);
    assert_true(bw_str_contains(text, bw_str("[[[<deep>]]]")));
}

static void test_maps(void **state) {
    (void)state;
    /* Types of keys in an order of their own, but always the same. */
    by_any map = bw_make_map(by_any);
    bw_put(map, bw_any_of("b")) = 1;
    bw_put(map, bw_any_of(10)) = 2;
    bw_put(map, bw_any_of("a")) = 3;
    bw_put(map, bw_any_of(9)) = 4;
    bw_put(map, (bw_any){0}) = 5;
    bw_put(map, bw_any_of((double)NAN)) = 6;
    bw_put(map, bw_any_of(2.5)) = 7;
    IS("map[<nil>:5 NaN:6 2.5:7 9:4 10:2 a:3 b:1]", bw_sprint(map))
    by_number large = bw_make_map(by_number), nil = {0};
    bw_builder expected = {0};
    int count = (int)effort(5000);
    for (int i = 0; i < count; i++)
        bw_put(large, (i * 7919) % count) = bw_itoa((i * 7919) % count);
    bw_builder_write_cstr(&expected, "map[");
    for (int i = 0; i < count; i++)
        bw_builder_printf(&expected, "%s%d:%d", i ? " " : "", i, i);
    bw_builder_write_cstr(&expected, "]");
    bw_string text = bw_sprint(large), wanted = bw_builder_string(&expected);
    assert_true(bw_str_eq(text, wanted));
    IS("map[] map map[]", bw_sprintf("%v %T %v", nil, nil, bw_v(by_number, nil)))
    IS("map[int]string(nil)", bw_sprintf("%#v", bw_v(by_number, nil)))
}

static void test_long_texts(void **state) {
    (void)state;
    size_t length = effort(3 << 20);
    bw_string long_text = bw_str_repeat(bw_str("x"), (ptrdiff_t)length);
    bw_string all = bw_sprintf("<%s|%s>", long_text, long_text);
    assert_int_equal(all.len, 2 * length + 3);
    assert_int_equal(all.ptr[length + 1], '|');
    bw_string wide = bw_sprintf("%*d|%-*d|%0*d|%.*d|%.*f", 100000, 1, 100000, 2, 100000, 3, 100000, 4, 100000, 0.5);
    assert_int_equal(wide.len, 5 * 100000 + 6);
}

/* --- where it goes --- */

static void child_standard_output(void) {
    assert_int_equal(bw_print("a", 1, 2, "b\n"), 6);
    assert_int_equal(bw_println("c", 3, bw_nil), 10);
    assert_int_equal(bw_printf("%05d|%s\n", 42, "d"), 8);
    assert_int_equal(bw_fprintf(stderr, "to %s\n", "stderr"), 10);
    bw_fprintln(stderr, "e", 5);
    bw_fprint(stderr, "f", 6, 7, "\n");
    fflush(stdout);
    bw_dprintf(1, "%x\n", 255);
    bw_dprintln(1, "g", 8);
    bw_dprint(1, "h", 9, "\n");
}

static void test_standard_output(void **state) {
    (void)state;
    static struct outcome outcome;
    assert_succeeded("standard_output", NULL, &outcome);
    assert_string_equal(outcome.out, "a1 2b\nc 3 <nil>\n00042|d\nff\ng 8\nh9\n");
    assert_string_equal(outcome.err, "to stderr\ne 5\nf6 7\n");
}

static void test_builder(void **state) {
    (void)state;
    bw_builder b = {0};
    bw_builder_print(&b, "a", 1, 2);
    bw_builder_println(&b, "b", bw_builder_string(&b));
    bw_builder_printf(&b, "%d%%", 50);
    IS("a1 2b a1 2\n50%", bw_builder_string(&b))
}

static void test_failing_writes(void **state) {
    (void)state;
    errno = 0;
    assert_int_equal(bw_dprintf(-1, "%d", 1), -1);
    assert_int_equal(errno, EBADF);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(bw_fprintln(full, "x"), -1);
    assert_int_equal(errno, ENOSPC);
    fclose(full);
}

#define WRITERS 4
static void *write_lines(void *argument) {
    FILE *file = argument;
    for (int i = 0; i < (int)effort(2000); i++)
        bw_fprintln(file, "begin", i, bw_slice_of(int, i, i + 1), "end");
    return NULL;
}

static void test_lines_of_threads(void **state) {
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, file), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    rewind(file);
    char line[256];
    size_t lines = 0;
    for (; fgets(line, sizeof line, file); lines++) {
        int i, j, k;
        char end[8];
        assert_int_equal(sscanf(line, "begin %d [%d %d] %7s", &i, &j, &k, end), 4);
        assert_true(j == i && k == i + 1 && strcmp(end, "end") == 0);
    }
    assert_int_equal(lines, WRITERS * effort(2000));
    fclose(file);
}

static void test_locale(void **state) {
    (void)state;
    const char *names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        setlocale(LC_ALL, names[i]);
    IS("1.5 1234567.500000 1.50e+00 1.25", bw_sprintf("%v %f %.2e %.3g", 1.5, 1234567.5, 1.5, 1.25))
    setlocale(LC_ALL, "C");
}

static const struct child children[] = {{"standard_output", child_standard_output}};

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_as_go, check_all),
        cmocka_unit_test_teardown(test_arguments, check_all),
        cmocka_unit_test_teardown(test_letters, check_all),
        cmocka_unit_test_teardown(test_bytes_unknown, check_all),
        cmocka_unit_test_teardown(test_pointers, check_all),
        cmocka_unit_test_teardown(test_methods, check_all),
        cmocka_unit_test_teardown(test_cycles, check_all),
        cmocka_unit_test_teardown(test_maps, check_all),
        cmocka_unit_test_teardown(test_long_texts, check_all),
        cmocka_unit_test_teardown(test_standard_output, check_all),
        cmocka_unit_test_teardown(test_builder, check_all),
        cmocka_unit_test_teardown(test_failing_writes, check_all),
        cmocka_unit_test_teardown(test_lines_of_threads, check_all),
        cmocka_unit_test_teardown(test_locale, check_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
