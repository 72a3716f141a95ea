/* number_model.h - numbers the simple way: with 128 bits, with the C library's conversions. Shared by fuzz_number.c and
 * tests/lang/test_number.c. */
#ifndef BURROW_TESTS_NUMBER_MODEL_H
#define BURROW_TESTS_NUMBER_MODEL_H

#include "string_model.h"

#include <ctype.h>
#include <math.h>

/* The message that an error must have; NULL: there must be none. */
static inline void model_check_error(bw_error err, const char *function, bw_string s, const char *reason) {
    MODEL_CHECK(bw_is_nil(err) == (reason == NULL));
    if (reason) {
        bw_string message = bw_call(err, error);
        bw_string expected = bw_concat("strconv.", function, ": parsing ", bw_quote(s), ": ", reason);
        MODEL_CHECK(model_same(message, expected));
    }
}

/* --- integers --- */

static inline int model_digit(char c) {
    return isdigit((unsigned char)c) ? c - '0'
           : c >= 'a' && c <= 'z'    ? c - 'a' + 10
           : c >= 'A' && c <= 'Z'    ? c - 'A' + 10
                                     : 99;
}

/* The value without a sign, at most 2**100; -1: bad syntax. An underscore has a digit at either side, where the letter
 * of a prefix, or the 0 that says octal, is one. */
static inline __int128 model_integer(bw_string s, int base) {
    bool free_base = base == 0;
    ptrdiff_t start = 0;
    if (free_base) {
        base = 10;
        if (s.len >= 1 && s.ptr[0] == '0') {
            char letter = s.len >= 3 ? (char)tolower((unsigned char)s.ptr[1]) : 0;
            base = letter == 'b' ? 2 : letter == 'x' ? 16 : 8;
            start = letter == 'b' || letter == 'x' || letter == 'o' ? 2 : 1;
        }
    }
    if (s.len == 0)
        return -1;
    unsigned __int128 value = 0;
    for (ptrdiff_t i = start; i < s.len; i++) {
        if (s.ptr[i] == '_' && free_base) {
            bool before = i > 0 && (i == start || model_digit(s.ptr[i - 1]) < base);
            bool after = i + 1 < s.len && model_digit(s.ptr[i + 1]) < base;
            if (!before || !after)
                return -1;
            continue;
        }
        int digit = model_digit(s.ptr[i]);
        if (digit >= base)
            return -1;
        value = value * (unsigned)base + (unsigned)digit;
        if (value >> 100)
            value = (unsigned __int128)1 << 100;
    }
    return (__int128)value;
}

/* Go looks at digits one by one: out of range comes before a mistake that follows. That is left to the hashes of what
 * Go says: here the value decides, if there is one. */
static inline void model_check_integers(bw_string s, int base, int bits) {
    int width = bits ? bits : 64;
    uint64_t u = 1;
    bw_error err = bw_parse_uint(s, base, bits, &u);
    __int128 value = model_integer(s, base), limit = ((__int128)1 << width) - 1;
    if (value >= 0) {
        MODEL_CHECK(u == (uint64_t)(value > limit ? limit : value));
        model_check_error(err, "ParseUint", s, value > limit ? "value out of range" : NULL);
    } else {
        MODEL_CHECK(!bw_is_nil(err) && (u == 0 || u == (uint64_t)limit));
    }
    int64_t i = 1;
    err = bw_parse_int(s, base, bits, &i);
    bool sign = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+'), negative = sign && s.ptr[0] == '-';
    value = model_integer(sign ? model_part(s, 1, s.len) : s, base);
    limit = ((__int128)1 << (width - 1)) - !negative;
    if (value >= 0) {
        bool fits = value <= limit;
        __int128 expected = fits ? value : limit;
        MODEL_CHECK(i == (int64_t)(negative ? -expected : expected));
        model_check_error(err, "ParseInt", s, fits ? NULL : "value out of range");
    } else {
        MODEL_CHECK(!bw_is_nil(err) && (i == 0 || i == (int64_t)(negative ? -limit : limit)));
    }
    int number, base_10 = 10;
    int64_t wide;
    err = bw_atoi(s, &number);
    MODEL_CHECK(bw_is_nil(bw_parse_int(s, base_10, 32, &wide)) == bw_is_nil(err) && number == (int)wide);
    bool truth;
    if (bw_is_nil(bw_parse_bool(s, &truth)))
        MODEL_CHECK(s.len == 1 || s.len == (truth ? 4 : 5));
}

static inline void model_check_integer_text(uint64_t value, int base) {
    char text[65], *end = text + sizeof text, *at = end;
    uint64_t rest = value, again;
    int64_t signed_again;
    do
        *--at = "0123456789abcdefghijklmnopqrstuvwxyz"[rest % (unsigned)base];
    while ((rest /= (unsigned)base) != 0);
    bw_string expected = {at, end - at}, got = bw_format_uint(value, base);
    MODEL_CHECK(model_same(got, expected));
    MODEL_CHECK(bw_is_nil(bw_parse_uint(got, base, 64, &again)) && again == value);
    bw_string with_sign = bw_format_int((int64_t)value, base);
    MODEL_CHECK(bw_is_nil(bw_parse_int(with_sign, base, 64, &signed_again)) && signed_again == (int64_t)value);
    MODEL_CHECK((with_sign.ptr[0] == '-') == ((int64_t)value < 0));
    bw_builder b = {0};
    bw_append_uint(&b, value, base);
    bw_append_int(&b, (int64_t)value, base);
    MODEL_CHECK(model_same(bw_builder_string(&b), bw_concat(got, with_sign)));
}

/* --- floating point --- */

static inline bool model_same_float(double a, double b) {
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

/* Does strtod agree where both accept, and do both where there are but plain characters? */
static inline void model_check_float_parsing(bw_string s, int bits) {
    double got = 1, expected;
    bw_error err = bw_parse_float(s, bits, &got);
    if (bw_is_nil(err) || isinf(got)) {
        struct model_text text = {NULL, 0, 0};
        for (ptrdiff_t i = 0; i < s.len; i++)
            if (s.ptr[i] != '_')
                model_put(&text, s.ptr + i, 1);
        model_put(&text, "", 1);
        char *end;
        expected = bits == 32 ? (double)strtof(text.bytes, &end) : strtod(text.bytes, &end);
        MODEL_CHECK(end == text.bytes + text.len - 1);
        MODEL_CHECK(model_same_float(got, expected));
        MODEL_CHECK(bw_is_nil(err) || !memchr(text.bytes, 'n', (size_t)text.len));
        free(text.bytes);
    } else {
        MODEL_CHECK(got == 0);
        model_check_error(err, "ParseFloat", s, "invalid syntax");
    }
}

static inline void model_check_float_text(double value, int bits) {
    if (bits == 32)
        value = (double)(float)value;
    static const char formats[] = "eEfgGx";
    double again;
    for (int i = 0; formats[i]; i++) {
        bw_string text = bw_format_float(value, formats[i], -1, bits);
        MODEL_CHECK(bw_is_nil(bw_parse_float(text, bits, &again)) && model_same_float(again, value));
    }
    if (!isfinite(value))
        return;
    bw_string text = bw_format_float(value, 'e', -1, bits);
    int digits = 0;
    for (ptrdiff_t i = 0; text.ptr[i] != 'e'; i++)
        digits += isdigit((unsigned char)text.ptr[i]) != 0;
    MODEL_CHECK(digits <= (bits == 32 ? 9 : 17));
    /* The nearest number with a digit less is another one; with as many it is this one, or (at powers of two) reads as
     * another. */
    char other[64];
    snprintf(other, sizeof other, "%.*e", digits - 1, value);
    if (!model_same(bw_string_of(other), text)) {
        again = bits == 32 ? (double)strtof(other, NULL) : strtod(other, NULL);
        MODEL_CHECK(again != value);
    }
    if (digits > 1) {
        snprintf(other, sizeof other, "%.*e", digits - 2, value);
        again = bits == 32 ? (double)strtof(other, NULL) : strtod(other, NULL);
        MODEL_CHECK(again != value);
    }
    for (int precision = 0; precision < 30; precision += 7) {
        char exact[512];
        snprintf(exact, sizeof exact, "%.*f", precision, value);
        MODEL_CHECK(model_same(bw_format_float(value, 'f', precision, bits), bw_string_of(exact)));
        snprintf(exact, sizeof exact, "%.*g", precision, value);
        MODEL_CHECK(model_same(bw_format_float(value, 'g', precision, bits), bw_string_of(exact)));
    }
}

/* The first ten bytes are a base, a number of bits, and a number; the text follows. */
static inline void number_model_check(const uint8_t *data, size_t size) {
    if (size < 10)
        return;
    bw_string s = {(const char *)data + 10, (ptrdiff_t)size - 10};
    int base = data[0] % 36, bits = data[1] % 64 + 1;
    base += base == 1;
    uint64_t word;
    double value;
    memcpy(&word, data + 2, sizeof word);
    memcpy(&value, data + 2, sizeof value);
    model_check_integers(s, base, bits == 64 ? 0 : bits);
    model_check_integers(s, 0, 64);
    model_check_integer_text(word, base ? base : 36);
    model_check_integer_text(word >> data[1] % 64, 10);
    model_check_float_parsing(s, 64);
    model_check_float_parsing(s, 32);
    model_check_float_text(value, 64);
    model_check_float_text(value, 32);
    model_check_float_text((double)(int64_t)(word >> data[0] % 64), 64);
}

#endif
