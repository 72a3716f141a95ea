/* number.c - integers and truth values from and to text, and the errors of all parsing, as Go's package strconv has
 * them. */
#include "text.h"

/* --- errors --- */

BW_STRUCT(bw_text_error, (bw_string, text));
static bw_string bw_text_error_error(bw_text_error *e) {
    return e->text;
}
BW_IMPL(bw_error, bw_text_error, (bw_string, error));

BW_STRUCT(bw_number_error, (bw_string, function), (bw_string, number), (bw_error, reason));
static bw_string bw_number_error_error(bw_number_error *e) {
    return bw_concat("strconv.", e->function, ": parsing ", bw_quote(e->number), ": ", bw_call(e->reason, error));
}
static bw_error bw_number_error_unwrap(bw_number_error *e) {
    return e->reason;
}
BW_IMPL(bw_error, bw_number_error, (bw_string, error));
BW_IMPL(bw_unwrapper, bw_number_error, (bw_error, unwrap));

bw_error bw_err_syntax(void) {
    static bw_text_error syntax = {BW_STR_INIT("invalid syntax")};
    return bw_as(bw_error, bw_text_error, &syntax);
}

bw_error bw_err_range(void) {
    static bw_text_error range = {BW_STR_INIT("value out of range")};
    return bw_as(bw_error, bw_text_error, &range);
}

static bw_error error_of_text(bw_string text) {
    bw_text_error *e = bw_new(bw_text_error);
    e->text = text;
    return bw_as(bw_error, bw_text_error, e);
}

bw_error number_error(bw_string function, bw_string s, bw_error reason) {
    bw_number_error *e = bw_new(bw_number_error);
    e->function = function;
    e->number = bw_string_from(s.ptr, s.len);
    e->reason = reason;
    return bw_as(bw_error, bw_number_error, e);
}

/* --- parsing --- */

enum outcome { FITS, BAD_SYNTAX, OUT_OF_RANGE, BAD_BASE, BAD_BITS };

static bw_error error_of(enum outcome outcome, bw_string function, bw_string s, int base, int bits) {
    switch (outcome) {
    case FITS: break;
    case BAD_SYNTAX: return number_error(function, s, bw_err_syntax());
    case OUT_OF_RANGE: return number_error(function, s, bw_err_range());
    case BAD_BASE: return number_error(function, s, error_of_text(bw_concat("invalid base ", bw_itoa(base))));
    case BAD_BITS: return number_error(function, s, error_of_text(bw_concat("invalid bit size ", bw_itoa(bits))));
    }
    return (bw_error){NULL, NULL};
}

/* -1: no digit in any base. */
static inline int digit_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    char small = (char)(c | 0x20);
    return small >= 'a' && small <= 'z' ? small - 'a' + 10 : -1;
}

/* 0: the string begins with no prefix of a base. */
static int prefixed_base(bw_string s) {
    if (s.len < 2 || s.ptr[0] != '0')
        return 0;
    char letter = (char)(s.ptr[1] | 0x20);
    return letter == 'b' ? 2 : letter == 'o' ? 8 : letter == 'x' ? 16 : 0;
}

/* Each must be between two digits, of which the first may be the prefix. */
bool number_underscores_fit(bw_string s) {
    ptrdiff_t i = s.len > 0 && (s.ptr[0] == '+' || s.ptr[0] == '-');
    int base = prefixed_base(bw_substr(s, i, s.len));
    bool after_digit = base != 0, after_underscore = false;
    for (i += base ? 2 : 0; i < s.len; i++) {
        int value = digit_value(s.ptr[i]);
        bool is_digit = value >= 0 && value < (base == 16 ? 16 : 10);
        bool is_underscore = s.ptr[i] == '_';
        if ((is_underscore && !after_digit) || (after_underscore && !is_digit))
            return false;
        after_digit = is_digit;
        after_underscore = is_underscore;
    }
    return !after_underscore;
}

/* Digits, no sign. *value is what fits, also if more follows. */
static enum outcome parse(bw_string s, int base, int bits, uint64_t *value) {
    *value = 0;
    if (s.len == 0)
        return BAD_SYNTAX;
    bool any_base = base == 0;
    ptrdiff_t at = 0;
    if (any_base) {
        base = prefixed_base(s);
        if (base != 0 && s.len >= 3) {
            at = 2;
        } else {
            base = s.ptr[0] == '0' ? 8 : 10;
            at = base == 8;
        }
    } else if (base < 2 || base > 36) {
        return BAD_BASE;
    }
    if (bits < 0 || bits > 64)
        return BAD_BITS;
    uint64_t limit = UINT64_MAX >> (bits ? 64 - bits : 0), n = 0;
    bool underscores = false;
    for (; at < s.len; at++) {
        int digit = digit_value(s.ptr[at]);
        if (digit < 0 && any_base && s.ptr[at] == '_') {
            underscores = true;
            continue;
        }
        if (digit < 0 || digit >= base)
            return BAD_SYNTAX;
        if (__builtin_mul_overflow(n, (uint64_t)base, &n) || __builtin_add_overflow(n, (uint64_t)digit, &n) ||
            n > limit) {
            *value = limit;
            return OUT_OF_RANGE;
        }
    }
    if (underscores && !number_underscores_fit(s))
        return BAD_SYNTAX;
    *value = n;
    return FITS;
}

bw_error bw_parse_uint(bw_string s, int base, int bits, uint64_t *out) {
    return error_of(parse(s, base, bits, out), bw_str("ParseUint"), s, base, bits);
}

/* As Go, but that a one-bit integer may not be -2. */
static enum outcome parse_signed(bw_string s, int base, int bits, int64_t *out) {
    bool negative = s.len > 0 && s.ptr[0] == '-', sign = negative || (s.len > 0 && s.ptr[0] == '+');
    uint64_t magnitude;
    enum outcome outcome = parse(sign ? bw_substr(s, 1, s.len) : s, base, bits, &magnitude);
    *out = 0;
    if (outcome != FITS && outcome != OUT_OF_RANGE)
        return outcome;
    uint64_t most = ((uint64_t)1 << (bits ? bits - 1 : 63)) - !negative;
    if (magnitude > most) {
        magnitude = most;
        outcome = OUT_OF_RANGE;
    }
    *out = (int64_t)(negative ? -magnitude : magnitude);
    return outcome;
}

bw_error bw_parse_int(bw_string s, int base, int bits, int64_t *out) {
    return error_of(parse_signed(s, base, bits, out), bw_str("ParseInt"), s, base, bits);
}

bw_error bw_atoi(bw_string s, int *out) {
    int64_t value;
    enum outcome outcome = parse_signed(s, 10, 32, &value);
    *out = (int)value;
    return error_of(outcome, bw_str("Atoi"), s, 10, 32);
}

bw_error bw_parse_bool(bw_string s, bool *out) {
    static const char words[2][6][6] = {{"0", "f", "F", "false", "FALSE", "False"},
                                        {"1", "t", "T", "true", "TRUE", "True"}};
    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 6; i++)
            if (bw_str_eq(s, bw__view_of_text(words[value][i]))) {
                *out = value;
                return (bw_error){NULL, NULL};
            }
    *out = false;
    return number_error(bw_str("ParseBool"), s, bw_err_syntax());
}

/* --- formatting --- */

static const char pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354"
    "5556575859606162636465666768697071727374757677787980818283848586878889909192939495969798"
    "99";

char *number_digits(char *end, uint64_t value) {
    for (; value >= 100; value /= 100)
        memcpy(end -= 2, pairs + value % 100 * 2, 2);
    if (value >= 10)
        memcpy(end -= 2, pairs + value * 2, 2);
    else
        *--end = (char)('0' + value);
    return end;
}

/* Of the text in front of `end`: the longest is -1 in base 2, 65 bytes. */
static char *format(char *end, uint64_t magnitude, bool negative, int base) {
    if (base < 2 || base > 36)
        os_panic("strconv: illegal AppendInt/FormatInt base");
    char *at = end;
    if (base == 10) {
        at = number_digits(end, magnitude);
    } else if ((base & (base - 1)) == 0) {
        int shift = __builtin_ctz((unsigned)base);
        do
            *--at = "0123456789abcdefghijklmnopqrstuv"[magnitude & (uint64_t)(base - 1)];
        while ((magnitude >>= shift) != 0);
    } else {
        do
            *--at = "0123456789abcdefghijklmnopqrstuvwxyz"[magnitude % (uint64_t)base];
        while ((magnitude /= (uint64_t)base) != 0);
    }
    if (negative)
        *--at = '-';
    return at;
}

static bw_string formatted(uint64_t magnitude, bool negative, int base) {
    if (magnitude < 100 && base == 10 && !negative)
        return magnitude < 10 ? (bw_string){pairs + magnitude * 2 + 1, 1} : (bw_string){pairs + magnitude * 2, 2};
    char text[65], *end = text + sizeof text, *at = format(end, magnitude, negative, base);
    return bw_string_from(at, end - at);
}

static void append(bw_builder *b, uint64_t magnitude, bool negative, int base) {
    char text[65], *end = text + sizeof text, *at = format(end, magnitude, negative, base);
    bw_builder_write(b, at, end - at);
}

static uint64_t magnitude_of(int64_t value) {
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

bw_string bw_format_int(int64_t value, int base) {
    return formatted(magnitude_of(value), value < 0, base);
}

bw_string bw_format_uint(uint64_t value, int base) {
    return formatted(value, false, base);
}

bw_string bw_itoa(int64_t value) {
    return formatted(magnitude_of(value), value < 0, 10);
}

void bw_append_int(bw_builder *b, int64_t value, int base) {
    append(b, magnitude_of(value), value < 0, base);
}

void bw_append_uint(bw_builder *b, uint64_t value, int base) {
    append(b, value, false, base);
}
