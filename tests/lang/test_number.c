// Numbers from and to text: against what Go says (golden.go), against a simple model (tests/fuzz/number_model.h), the
// messages word for word.
//
// modes: plain verify=1 poison=1,gcstress=200
// valgrind: yes
#include "support.h"

#include "../fuzz/number_model.h"

#include <limits.h>
#include <locale.h>

#define GO_FLOATS_64 0xda243ffe6b92edba
#define GO_FLOATS_32 0xe2da810493a46ddc
#define GO_PARSED_FLOATS 0x4b6ac8d62bf4c5b9
#define GO_INTEGERS 0x5af5faa531594c92

static uint64_t hash;

static void begin(void) {
    hash = 0xcbf29ce484222325u;
}

static void add(bw_string s) {
    for (ptrdiff_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
    hash = (hash ^ '\n') * 0x100000001b3u;
}

static void add_error(bw_error err) {
    if (!bw_is_nil(err))
        add(bw_call(err, error));
}

#define IS(s, literal) assert_true(bw_str_eq((s), bw_str(literal)))
#define MESSAGE_IS(err, literal) assert_true(bw_str_eq(bw_call((err), error), bw_str(literal)))

// --- as Go ---

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double double_of_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static void add_float(double value, int bits, struct random *random) {
    for (const char *format = "efgGxb"; *format; format++) {
        add(bw_format_float(value, *format, -1, bits));
        add(bw_format_float(value, *format, (int)random_below(random, 20), bits));
    }
}

static void test_floats_as_go(void **state) {
    (void)state;
    if (under_valgrind())
        skip(); // whose arithmetic is not exact
    static const double powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    struct random random = {1};
    begin();
    for (int i = 0; i < 50000; i++) {
        double value = double_of(random_next(&random));
        if (i % 4 == 1) {
            value = (double)(random_next(&random) % 2000000);
            value /= powers[random_next(&random) % 8];
        } else if (i % 4 == 2) {
            value = double_of(random_next(&random) % 2048 << 52);
        } else if (i % 4 == 3) {
            uint64_t word = random_next(&random);
            value = (double)(word >> random_next(&random) % 64);
        }
        add_float(value, 64, &random);
    }
    assert_true(hash == GO_FLOATS_64);
    random.state = 1;
    begin();
    for (int i = 0; i < 50000; i++) {
        double value = double_of_float((uint32_t)random_next(&random));
        if (i % 4 == 1)
            value = double_of_float((uint32_t)(random_next(&random) % 256 << 23));
        add_float(value, 32, &random);
    }
    assert_true(hash == GO_FLOATS_32);
}

static size_t put_digits(char *text, size_t count, struct random *random) {
    for (size_t i = 0; i < count; i++)
        text[i] = (char)('0' + random_below(random, 10));
    return count;
}

static void test_parsed_floats_as_go(void **state) {
    (void)state;
    struct random random = {1};
    begin();
    for (int i = 0; i < 100000; i++) {
        char text[64];
        size_t n = put_digits(text, random_below(&random, 22) + 1, &random);
        text[n++] = '.';
        n += put_digits(text + n, random_below(&random, 6), &random);
        n += (size_t)snprintf(text + n, sizeof text - n, "e%d", (int)random_below(&random, 680) - 350);
        for (int bits = 64; bits >= 32; bits -= 32) {
            double value;
            uint64_t word;
            bw_error err = bw_parse_float((bw_string){text, (ptrdiff_t)n}, bits, &value);
            memcpy(&word, &value, sizeof word);
            add(bw_format_uint(word, 16));
            add_error(err);
        }
    }
    assert_true(hash == GO_PARSED_FLOATS);
}

static void test_integers_as_go(void **state) {
    (void)state;
    struct random random = {1};
    begin();
    for (int i = 0; i < 100000; i++) {
        int64_t value = (int64_t)random_next(&random), number;
        uint64_t unsigned_number;
        value >>= random_below(&random, 64);
        int base = (int)random_below(&random, 35) + 2;
        bw_string text = bw_format_int(value, base);
        add(text);
        add(bw_format_uint((uint64_t)value, base));
        int bits = (int)random_below(&random, 63) + 2;
        bw_error err = bw_parse_int(text, base, bits, &number);
        add(bw_itoa(number));
        add_error(err);
        err = bw_parse_uint(text, (int)random_below(&random, 37), bits, &unsigned_number);
        add(bw_format_uint(unsigned_number, 10));
        add_error(err);
    }
    assert_true(hash == GO_INTEGERS);
}

// --- against the model ---

static void test_against_model(void **state) {
    (void)state;
    if (under_valgrind())
        skip();
    static const char alphabet[] = "0123456789012345678900__..eEpPxXbo+-afinfINFty";
    static const char *const beginnings[] = {"",  "",  "",  "0x",  "-0x", "0b", "0o",
                                             "0", "-", "+", "inf", "nan", "1e", "0x1p"};
    struct random random = {check_seed = 41};
    for (size_t i = 0; i < effort(150000); i++) {
        uint8_t input[64];
        for (size_t j = 0; j < 10; j++)
            input[j] = (uint8_t)random_next(&random);
        const char *beginning = beginnings[random_below(&random, COUNT_OF(beginnings))];
        size_t size = 10 + strlen(beginning), kinds = i % 2 ? sizeof alphabet - 1 : 24;
        memcpy(input + 10, beginning, strlen(beginning));
        for (size_t more = random_below(&random, 24); more > 0; more--)
            input[size++] = (uint8_t)alphabet[random_below(&random, kinds)];
        number_model_check(input, size);
    }
}

// --- messages and limits ---

static void test_integer_messages(void **state) {
    (void)state;
    int64_t i;
    uint64_t u;
    int number;
    MESSAGE_IS(bw_parse_int(bw_str("x"), 10, 64, &i), "strconv.ParseInt: parsing \"x\": invalid syntax");
    MESSAGE_IS(bw_parse_int(bw_str(""), 10, 64, &i), "strconv.ParseInt: parsing \"\": invalid syntax");
    MESSAGE_IS(bw_parse_int(bw_str("-"), 10, 64, &i), "strconv.ParseInt: parsing \"-\": invalid syntax");
    MESSAGE_IS(bw_parse_int(bw_str("128"), 10, 8, &i), "strconv.ParseInt: parsing \"128\": value out of range");
    assert_int_equal(i, 127);
    MESSAGE_IS(bw_parse_int(bw_str("-129"), 10, 8, &i), "strconv.ParseInt: parsing \"-129\": value out of range");
    assert_int_equal(i, -128);
    MESSAGE_IS(bw_parse_int(bw_str("9223372036854775808"), 10, 0, &i),
               "strconv.ParseInt: parsing \"9223372036854775808\": value out of range");
    assert_true(i == INT64_MAX);
    assert_true(bw_is_nil(bw_parse_int(bw_str("-9223372036854775808"), 10, 64, &i)) && i == INT64_MIN);
    MESSAGE_IS(bw_parse_uint(bw_str("-1"), 10, 64, &u), "strconv.ParseUint: parsing \"-1\": invalid syntax");
    MESSAGE_IS(bw_parse_uint(bw_str("18446744073709551616"), 10, 64, &u),
               "strconv.ParseUint: parsing \"18446744073709551616\": value out of range");
    assert_true(u == UINT64_MAX);
    MESSAGE_IS(bw_parse_int(bw_str("1"), 1, 64, &i), "strconv.ParseInt: parsing \"1\": invalid base 1");
    MESSAGE_IS(bw_parse_int(bw_str("1"), 37, 64, &i), "strconv.ParseInt: parsing \"1\": invalid base 37");
    MESSAGE_IS(bw_parse_uint(bw_str("1"), 10, 65, &u), "strconv.ParseUint: parsing \"1\": invalid bit size 65");
    MESSAGE_IS(bw_parse_int(bw_str("1"), 10, -1, &i), "strconv.ParseInt: parsing \"1\": invalid bit size -1");
    MESSAGE_IS(bw_parse_int(bw_str("1_000"), 10, 64, &i), "strconv.ParseInt: parsing \"1_000\": invalid syntax");
    assert_true(bw_is_nil(bw_parse_int(bw_str("-0x_1F"), 0, 64, &i)) && i == -31);
    assert_true(bw_is_nil(bw_parse_int(bw_str("0_17"), 0, 64, &i)) && i == 15);
    assert_true(bw_is_nil(bw_parse_int(bw_str("+0b1_1"), 0, 64, &i)) && i == 3);
    MESSAGE_IS(bw_parse_int(bw_str("\xff\"\n"), 10, 64, &i),
               "strconv.ParseInt: parsing \"\\xff\\\"\\n\": invalid syntax");
    assert_true(bw_is_nil(bw_atoi(bw_str("-2147483648"), &number)) && number == INT_MIN);
    MESSAGE_IS(bw_atoi(bw_str("2147483648"), &number), "strconv.Atoi: parsing \"2147483648\": value out of range");
    assert_int_equal(number, INT_MAX);
    MESSAGE_IS(bw_atoi(bw_str(" 1"), &number), "strconv.Atoi: parsing \" 1\": invalid syntax");
    assert_int_equal(number, 0);
}

static void test_other_messages(void **state) {
    (void)state;
    bool truth = true;
    double value;
    bw_string plain;
    MESSAGE_IS(bw_parse_bool(bw_str("yes"), &truth), "strconv.ParseBool: parsing \"yes\": invalid syntax");
    assert_false(truth);
    static const char *const words[] = {"1", "t", "T", "true",  "TRUE",  "True",
                                        "0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        assert_true(bw_is_nil(bw_parse_bool(bw_string_of(words[i]), &truth)) && truth == (i < 6));
    MESSAGE_IS(bw_parse_float(bw_str("1e400"), 64, &value),
               "strconv.ParseFloat: parsing \"1e400\": value out of range");
    assert_true(isinf(value) && value > 0);
    MESSAGE_IS(bw_parse_float(bw_str("-1e39"), 32, &value),
               "strconv.ParseFloat: parsing \"-1e39\": value out of range");
    assert_true(isinf(value) && value < 0);
    static const char *const wrong[] = {"",     "+",     "e1", ".",  "1e",    "1e+",  "0x1",
                                        "0xp1", "1__0",  "_1", "1_", "1e_1",  "1._5", "infi",
                                        "+nan", "1.2.3", " 1", "1 ", "0x1e5", "--1",  "1p3"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        bw_error err = bw_parse_float(bw_string_of(wrong[i]), 64, &value);
        assert_true(value == 0);
        assert_true(bw_str_eq(bw_call(err, error), bw_concat("strconv.ParseFloat: parsing ",
                                                             bw_quote(bw_string_of(wrong[i])), ": invalid syntax")));
    }
    MESSAGE_IS(bw_unquote(bw_str("\"x"), &plain), "invalid syntax");
    assert_int_equal(plain.len, 0);
    MESSAGE_IS(bw_err_range(), "value out of range");
}

static void test_errors_wrap(void **state) {
    (void)state;
    int64_t i;
    double value;
    bw_error syntax = bw_parse_int(bw_str("x"), 10, 64, &i), range = bw_parse_float(bw_str("1e999"), 64, &value);
    assert_true(bw_errors_is(syntax, bw_err_syntax()) && !bw_errors_is(syntax, bw_err_range()));
    assert_true(bw_errors_is(range, bw_err_range()) && !bw_errors_is(range, bw_err_syntax()));
    bw_error base = bw_parse_int(bw_str("1"), 99, 64, &i);
    assert_false(bw_errors_is(base, bw_err_range()) || bw_errors_is(base, bw_err_syntax()));
    bw_string plain;
    assert_true(bw_errors_is(bw_unquote(bw_str("x"), &plain), bw_err_syntax()));
    // The error has a copy of what could not be parsed.
    char text[] = "nonsense";
    bw_error err = bw_parse_int((bw_string){text, 8}, 10, 64, &i);
    text[0] = 'N';
    collect_clean();
    MESSAGE_IS(err, "strconv.ParseInt: parsing \"nonsense\": invalid syntax");
}

// --- formatting ---

static void test_float_forms(void **state) {
    (void)state;
    IS(bw_format_float(1e6, 'g', -1, 64), "1e+06");
    IS(bw_format_float(100000, 'g', -1, 64), "100000");
    IS(bw_format_float(0.00001, 'g', -1, 64), "1e-05");
    IS(bw_format_float(123456789, 'G', -1, 64), "1.23456789E+08");
    IS(bw_format_float(0.1, 'e', -1, 64), "1e-01");
    IS(bw_format_float((double)0.1f, 'f', -1, 32), "0.1");
    IS(bw_format_float((double)0.1f, 'f', -1, 64), "0.10000000149011612");
    IS(bw_format_float(-0.0, 'f', 2, 64), "-0.00");
    IS(bw_format_float(-0.0, 'g', -1, 64), "-0");
    IS(bw_format_float(2.5, 'f', 0, 64), "2");
    IS(bw_format_float(1, 'x', -1, 64), "0x1p+00");
    IS(bw_format_float(0, 'x', 3, 64), "0x0.000p+00");
    IS(bw_format_float(-1.75, 'X', 20, 64), "-0X1.C0000000000000000000P+00");
    IS(bw_format_float(1, 'b', -1, 64), "4503599627370496p-52");
    IS(bw_format_float((double)NAN, 'e', 3, 64), "NaN");
    IS(bw_format_float(HUGE_VAL, 'e', 3, 64), "+Inf");
    IS(bw_format_float(-HUGE_VAL, 'q', 3, 64), "-Inf");
    IS(bw_format_float(1, 'q', 3, 64), "%q");
    IS(bw_format_float(5e-324, 'g', -1, 64), "5e-324");
    IS(bw_format_float(1.7976931348623157e308, 'g', -1, 64), "1.7976931348623157e+308");
    IS(bw_format_float(9007199254740993.0, 'g', -1, 64), "9.007199254740992e+15");
    // More digits than any number has.
    bw_string wide = bw_format_float(5e-324, 'f', 3000, 64), e = bw_format_float(1.5, 'e', 3000, 64);
    assert_int_equal(wide.len, 3002);
    assert_int_equal(wide.ptr[1075], '5');
    assert_int_equal(wide.ptr[1076], '0');
    assert_int_equal(e.len, 3006);
    assert_true(bw_str_has_suffix(e, bw_str("000e+00")));
    IS(bw_format_float(0.5, 'g', 5000, 64), "0.5");
}

static void test_integer_forms(void **state) {
    (void)state;
    for (int i = -1000; i <= 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        assert_true(bw_str_eq(bw_itoa(i), bw_string_of(text)));
    }
    IS(bw_itoa(INT64_MIN), "-9223372036854775808");
    IS(bw_format_uint(UINT64_MAX, 2), "1111111111111111111111111111111111111111111111111111111111111111");
    IS(bw_format_int(INT64_MIN, 2), "-1000000000000000000000000000000000000000000000000000000000000000");
    IS(bw_format_int(-35, 36), "-z");
    IS(bw_format_int(0, 7), "0");
    IS(bw_format_bool(false), "false");
}

static void test_quoting(void **state) {
    (void)state;
    bw_string plain;
    IS(bw_quote(bw_str("a\tb\"\\\x7f\xff\u00a0ä😀\u2028")), "\"a\\tb\\\"\\\\\\x7f\\xff\\u00a0ä😀\\u2028\"");
    IS(bw_quote_ascii(bw_str("ä😀\a")), "\"\\u00e4\\U0001f600\\a\"");
    IS(bw_quote_rune('\''), "'\\''");
    IS(bw_quote_rune('"'), "'\"'");
    IS(bw_quote_rune(0xD800), "'\xEF\xBF\xBD'");
    IS(bw_quote_rune_ascii(0x4E16), "'\\u4e16'");
    assert_true(bw_is_nil(bw_unquote(bw_str("`raw\\n\r`"), &plain)));
    IS(plain, "raw\\n");
    assert_true(bw_is_nil(bw_unquote(bw_str("'\\xff'"), &plain)));
    IS(plain, "\xff");
    assert_true(bw_is_nil(bw_unquote(bw_str("\"\xff\""), &plain)));
    IS(plain, "\xEF\xBF\xBD");
    assert_true(bw_is_nil(bw_unquote(bw_str("''"), &plain)));
    IS(plain, "");
    assert_true(bw_is_nil(bw_unquote(bw_str("\"\\u00e4\\377\\'\""), &plain)) == false);
    static const char *const wrong[] = {
        "",        "\"",        "'ab'",     "\"a\nb\"",    "`a`b`",           "\"\\'\"",  "'\\\"'",
        "\"\\q\"", "\"\\400\"", "\"\\x1\"", "\"\\ud800\"", "\"\\U00110000\"", "\"a\"b\"", "x\"a\""};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(bw_is_nil(bw_unquote(bw_string_of(wrong[i]), &plain)));
}

// In a locale with another decimal point, if the system has one.
static void test_any_locale(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (setlocale(LC_ALL, names[i]))
            break;
    double value;
    locale_t threads_own = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(threads_own);
    IS(bw_format_float(1234.5, 'f', 2, 64), "1234.50");
    assert_ptr_equal(uselocale((locale_t)0), threads_own);
    uselocale(before);
    IS(bw_format_float(1234.5, 'f', 2, 64), "1234.50");
    assert_ptr_equal(uselocale((locale_t)0), before);
    IS(bw_format_float(1234.5, 'e', -1, 64), "1.2345e+03");
    assert_true(bw_is_nil(bw_parse_float(bw_str("123456789.12345678901234567890"), 64, &value)));
    assert_true(value == 123456789.12345678901234567890);
    errno = 77;
    assert_true(bw_is_nil(bw_parse_float(bw_str("1.0000000000000000000001e-320"), 64, &value)));
    assert_int_equal(errno, 77);
    setlocale(LC_ALL, "C");
}

// --- panics ---

static void base_one(void) {
    bw_format_int(1, 1);
}
static void base_37(void) {
    bw_builder b = {0};
    bw_append_uint(&b, 1, 37);
}
static void bits_16(void) {
    bw_format_float(1, 'g', -1, 16);
}
static void append_bits_0(void) {
    bw_builder b = {0};
    bw_append_float(&b, 1, 'g', -1, 0);
}

#define PANICS(X)                                                                                                      \
    X(base_one, "strconv: illegal AppendInt/FormatInt base")                                                           \
    X(base_37, "strconv: illegal AppendInt/FormatInt base")                                                            \
    X(bits_16, "strconv: illegal FormatFloat bitSize")                                                                 \
    X(append_bits_0, "strconv: illegal AppendFloat bitSize")

#define CHILD(name, message) {#name, name},
static const struct child children[] = {PANICS(CHILD)};

static void test_panics(void **state) {
    (void)state;
#define DIES(name, message) assert_died(#name, "panic: " message);
    PANICS(DIES)
}

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats_as_go),     cmocka_unit_test(test_parsed_floats_as_go),
        cmocka_unit_test(test_integers_as_go),   cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_integer_messages), cmocka_unit_test(test_other_messages),
        cmocka_unit_test(test_errors_wrap),      cmocka_unit_test(test_float_forms),
        cmocka_unit_test(test_integer_forms),    cmocka_unit_test(test_quoting),
        cmocka_unit_test(test_any_locale),       cmocka_unit_test(test_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
