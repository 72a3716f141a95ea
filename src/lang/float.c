/* float.c - floating-point numbers from and to text.
 *
 * Reading: few digits and a small power of ten, which are exact as doubles, take one multiplication or division
 * (Clinger, "How to read floating point numbers accurately", 1990). All else is strtod's, in the C locale, once the
 * syntax is known to be Go's.
 *
 * Writing the shortest form: Schubfach (Giulietti, "The Schubfach way to render doubles", 2020). The numbers that read
 * back as v are an interval around it. There is a power of ten 10**k of which one or more multiples lie in that
 * interval, but of 10**(k+1) at most one. If one of the latter does, it is the shortest; else the multiple of 10**k
 * that is nearest to v. The ends of the interval and v itself, divided by 10**k, are computed to two bits below the
 * point, rounded to odd so that comparisons come out as with the exact values.
 *
 * Writing a given number of digits is snprintf's, which rounds exact values.
 */
#include "text.h"

#include "float_powers.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Where the decimal point is a point. It is the C library's own object, which is never freed. */
static locale_t c_locale(void) {
    static locale_t locale;
    locale_t known = __atomic_load_n(&locale, __ATOMIC_ACQUIRE);
    if (known == (locale_t)0) {
        known = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        OS_ASSERT(known != (locale_t)0);
        __atomic_store_n(&locale, known, __ATOMIC_RELEASE);
    }
    return known;
}

/* --- reading --- */

static bool equals_ignoring_case(bw_string s, const char *small) {
    ptrdiff_t i = 0;
    while (i < s.len && small[i] && (s.ptr[i] | 0x20) == small[i])
        i++;
    return i == s.len && small[i] == 0;
}

static bool parse_special(bw_string s, double *value) {
    bool sign = s.len > 0 && (s.ptr[0] == '+' || s.ptr[0] == '-');
    if (!sign && equals_ignoring_case(s, "nan")) {
        *value = (double)NAN;
        return true;
    }
    bw_string word = bw_substr(s, sign, s.len);
    if (!equals_ignoring_case(word, "inf") && !equals_ignoring_case(word, "infinity"))
        return false;
    *value = sign && s.ptr[0] == '-' ? -HUGE_VAL : HUGE_VAL;
    return true;
}

/* A number as it was written: digits * 10**exponent, if there were no more than 19 of them. */
struct number {
    bool negative, hexadecimal, underscores, truncated;
    uint64_t digits;
    int64_t exponent;
};

static inline bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static inline bool is_hex_digit(char c) {
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Where the digits end; -1 if there is none. */
static ptrdiff_t scan_digits(bw_string s, ptrdiff_t at, struct number *number) {
    bool point = false, any = false;
    for (; at < s.len; at++) {
        char c = s.ptr[at];
        if (c == '_') {
            number->underscores = true;
        } else if (c == '.' && !point) {
            point = true;
        } else if (is_digit(c) || (number->hexadecimal && is_hex_digit(c))) {
            any = true;
            if (number->digits < UINT64_MAX / 10 - 1 && is_digit(c)) {
                number->digits = number->digits * 10 + (uint64_t)(c - '0');
                number->exponent -= point;
            } else {
                number->truncated = true;
            }
        } else {
            break;
        }
    }
    return any ? at : -1;
}

/* Where the exponent ends, from its letter on; -1 if it is not one. */
static ptrdiff_t scan_exponent(bw_string s, ptrdiff_t at, struct number *number) {
    at++;
    bool negative = at < s.len && s.ptr[at] == '-';
    at += at < s.len && (s.ptr[at] == '+' || s.ptr[at] == '-');
    if (at >= s.len || !is_digit(s.ptr[at]))
        return -1;
    int64_t value = 0;
    for (; at < s.len && (is_digit(s.ptr[at]) || s.ptr[at] == '_'); at++) {
        if (s.ptr[at] == '_')
            number->underscores = true;
        else if (value < 100000000)
            value = value * 10 + (s.ptr[at] - '0');
    }
    number->exponent += negative ? -value : value;
    return at;
}

static bool scan(bw_string s, struct number *number) {
    ptrdiff_t at = s.len > 0 && (s.ptr[0] == '+' || s.ptr[0] == '-');
    number->negative = at && s.ptr[0] == '-';
    if (s.len - at > 2 && s.ptr[at] == '0' && (s.ptr[at + 1] | 0x20) == 'x') {
        number->hexadecimal = true;
        at += 2;
    }
    at = scan_digits(s, at, number);
    if (at < 0)
        return false;
    if (at < s.len && (s.ptr[at] | 0x20) == (number->hexadecimal ? 'p' : 'e')) {
        at = scan_exponent(s, at, number);
        if (at < 0)
            return false;
    } else if (number->hexadecimal) {
        return false;
    }
    return at == s.len && (!number->underscores || number_underscores_fit(s));
}

/* One rounding, because both operands are exact. */
static bool convert_exactly(const struct number *number, int bits, double *value) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int64_t exponent = number->exponent, size = exponent < 0 ? -exponent : exponent;
    if (__FLT_EVAL_METHOD__ != 0 || number->hexadecimal || number->truncated)
        return false;
    if (bits == 32) {
        if (number->digits > (uint64_t)1 << 24 || size > 10)
            return false;
        float digits = (float)number->digits, power = (float)powers[size];
        *value = (double)(exponent < 0 ? digits / power : digits * power);
    } else {
        if (number->digits > (uint64_t)1 << 53 || size > 22)
            return false;
        double digits = (double)number->digits;
        *value = exponent < 0 ? digits / powers[size] : digits * powers[size];
    }
    if (number->negative)
        *value = -*value;
    return true;
}

static double convert(bw_string s, int bits) {
    char few[128], *text = s.len < (ptrdiff_t)sizeof few ? few : string_memory((size_t)s.len + 1), *end = text;
    for (ptrdiff_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '_')
            *end++ = s.ptr[i];
    *end = 0;
    int saved = errno;
    double value = bits == 32 ? (double)strtof_l(text, NULL, c_locale()) : strtod_l(text, NULL, c_locale());
    errno = saved;
    return value;
}

bw_error bw_parse_float(bw_string s, int bits, double *out) {
    struct number number = {0};
    *out = 0;
    if (parse_special(s, out))
        return (bw_error){NULL, NULL};
    if (!scan(s, &number))
        return number_error(bw_str("ParseFloat"), s, bw_err_syntax());
    if (!convert_exactly(&number, bits, out))
        *out = convert(s, bits);
    return isinf(*out) ? number_error(bw_str("ParseFloat"), s, bw_err_range()) : (bw_error){NULL, NULL};
}

/* --- writing --- */

/* mantissa * 2**exponent */
struct binary {
    bool negative;
    int mantissa_bits; /* without the leading one: 52 or 23 */
    uint64_t mantissa;
    int exponent;
    bool closer_below; /* a power of two: the next smaller number is half as far away as the next larger */
};

static struct binary binary_of(double value, int bits) {
    uint64_t word, fraction;
    uint32_t half;
    int biased, mantissa_bits = bits == 32 ? 23 : 52;
    if (bits == 32) {
        float narrow = (float)value;
        memcpy(&half, &narrow, sizeof half);
        word = (uint64_t)half << 32;
        biased = (int)(half >> 23 & 0xFF);
        fraction = half & 0x7FFFFF;
    } else {
        memcpy(&word, &value, sizeof word);
        biased = (int)(word >> 52 & 0x7FF);
        fraction = word & 0xFFFFFFFFFFFFFu;
    }
    int bias = (bits == 32 ? 127 : 1023) + mantissa_bits;
    return (struct binary){.negative = word >> 63,
                           .mantissa_bits = mantissa_bits,
                           .mantissa = biased ? fraction | (uint64_t)1 << mantissa_bits : fraction,
                           .exponent = (biased ? biased : 1) - bias,
                           .closer_below = fraction == 0 && biased > 1};
}

/* floor(log2(10**e)) */
static int floor_log2_of_power(int e) {
    return (e * 1741647) >> 19;
}

/* The upper 64 bits of g * c, with the lowest bit set if what is below them is not zero. */
static uint64_t multiply_to_odd(uint64_t g_hi, uint64_t g_lo, uint64_t c) {
    unsigned __int128 low = (unsigned __int128)g_lo * c, high = (unsigned __int128)g_hi * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The shortest digits * 10**exponent that reads back as v, which is not zero. */
static uint64_t shortest(const struct binary *v, int *exponent) {
    bool even = !(v->mantissa & 1);
    /* k = floor(log10(the interval's length)), whose power of two is the exponent. */
    int k = (v->exponent * 1262611 - (v->closer_below ? 524031 : 0)) >> 22;
    int shift = v->exponent + floor_log2_of_power(-k) + 1;
    uint64_t g_hi = float_powers[-k - FLOAT_POWERS_FIRST].hi, g_lo = float_powers[-k - FLOAT_POWERS_FIRST].lo;
    /* In quarters of 10**k. */
    uint64_t low = multiply_to_odd(g_hi, g_lo, (4 * v->mantissa - 2 + v->closer_below) << shift);
    uint64_t middle = multiply_to_odd(g_hi, g_lo, 4 * v->mantissa << shift);
    uint64_t high = multiply_to_odd(g_hi, g_lo, (4 * v->mantissa + 2) << shift);
    /* The ends belong to the interval if ties are rounded to v. */
    low += !even;
    high -= !even;
    uint64_t below = middle / 4;
    *exponent = k;
    if (below >= 10) {
        uint64_t tens = below / 10;
        bool under = low <= tens * 40, over = tens * 40 + 40 <= high;
        if (under != over) {
            *exponent = k + 1;
            return tens + over;
        }
    }
    bool under = low <= below * 4, over = below * 4 + 4 <= high;
    if (under != over)
        return below + over;
    uint64_t half = below * 4 + 2;
    return below + (middle > half || (middle == half && (below & 1)));
}

/* A decimal number: 0.d1d2d3... * 10**point. */
struct decimal {
    char digits[20];
    int count, point;
};

static struct decimal shortest_decimal(const struct binary *v) {
    struct decimal decimal = {.count = 0, .point = 0};
    if (v->mantissa == 0)
        return decimal;
    int exponent = 0;
    uint64_t digits;
    if (v->exponent <= 0 && v->exponent >= -v->mantissa_bits &&
        (v->mantissa & (((uint64_t)1 << -v->exponent) - 1)) == 0)
        digits = v->mantissa >> -v->exponent; /* an integer that is exact */
    else
        digits = shortest(v, &exponent);
    char *end = decimal.digits + sizeof decimal.digits, *at = number_digits(end, digits);
    decimal.count = (int)(end - at);
    decimal.point = decimal.count + exponent;
    memmove(decimal.digits, at, (size_t)decimal.count);
    while (decimal.count > 1 && decimal.digits[decimal.count - 1] == '0')
        decimal.count--;
    return decimal;
}

static void write_zeros(bw_builder *b, int n) {
    if (n > 0)
        memset(bw__builder_extend(b, n), '0', (size_t)n);
}

/* The letter, the sign, and at least two digits. */
static void write_exponent(bw_builder *b, char letter, int exponent) {
    bw_builder_write_byte(b, letter);
    bw_builder_write_byte(b, exponent < 0 ? '-' : '+');
    int size = exponent < 0 ? -exponent : exponent;
    if (size < 10)
        bw_builder_write_byte(b, '0');
    bw_append_int(b, size, 10);
}

static void write_scientific(bw_builder *b, const struct decimal *d, char letter) {
    bw_builder_write_byte(b, d->count ? d->digits[0] : '0');
    if (d->count > 1) {
        bw_builder_write_byte(b, '.');
        bw_builder_write(b, d->digits + 1, d->count - 1);
    }
    write_exponent(b, letter, d->count ? d->point - 1 : 0);
}

static void write_positional(bw_builder *b, const struct decimal *d) {
    int whole = d->point < d->count ? d->point : d->count;
    if (d->point > 0) {
        bw_builder_write(b, d->digits, whole);
        write_zeros(b, d->point - whole);
    } else {
        bw_builder_write_byte(b, '0');
        whole = 0;
    }
    if (d->count > whole) {
        bw_builder_write_byte(b, '.');
        write_zeros(b, -d->point);
        bw_builder_write(b, d->digits + whole, d->count - whole);
    }
}

static void write_shortest(bw_builder *b, const struct binary *v, char format) {
    struct decimal d = shortest_decimal(v);
    if (v->negative)
        bw_builder_write_byte(b, '-');
    bool large = d.count > 0 && (d.point < -3 || d.point > 6);
    if (format == 'e' || format == 'E')
        write_scientific(b, &d, format);
    else if (format == 'f' || !large)
        write_positional(b, &d);
    else
        write_scientific(b, &d, (char)(format - 'g' + 'e'));
}

/* Nothing but zeros follows so many digits: behind the point, or in all. */
#define MOST_DECIMALS 1074
#define MOST_DIGITS 767

static void write_precise(bw_builder *b, double value, char format, int precision) {
    const int most = format == 'f' ? MOST_DECIMALS : MOST_DIGITS;
    int asked = precision < most ? precision : most;
    char text[MOST_DECIMALS + 330];
    const char directive[] = {'%', '.', '*', format, 0};
    locale_t before = uselocale(c_locale());
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int length = snprintf(text, sizeof text, directive, asked, value);
#pragma GCC diagnostic pop
    uselocale(before);
    const char *end = text + length,
               *exponent = format == 'e' || format == 'E' ? memchr(text, format, (size_t)length) : NULL;
    bw_builder_write(b, text, (exponent ? exponent : end) - text);
    if (format != 'g' && format != 'G')
        write_zeros(b, precision - asked);
    if (exponent)
        bw_builder_write(b, exponent, end - exponent);
}

/* -ddddp±ddd */
static void write_binary(bw_builder *b, const struct binary *v) {
    if (v->negative)
        bw_builder_write_byte(b, '-');
    bw_append_uint(b, v->mantissa, 10);
    bw_builder_write_byte(b, 'p');
    if (v->exponent >= 0)
        bw_builder_write_byte(b, '+');
    bw_append_int(b, v->exponent, 10);
}

/* -0x1.yyyyp±dd */
static void write_hexadecimal(bw_builder *b, const struct binary *v, char format, int precision) {
    const char *hex = format == 'x' ? "0123456789abcdef" : "0123456789ABCDEF";
    /* The leading one comes to bit 60, the first digit behind the point to bits 56 to 59. */
    uint64_t bits = v->mantissa << (60 - v->mantissa_bits);
    int exponent = bits ? v->exponent + v->mantissa_bits : 0;
    for (; bits != 0 && !(bits >> 60); bits <<= 1)
        exponent--;
    if (precision >= 0 && precision < 15) {
        int dropped = 60 - precision * 4;
        uint64_t rest = bits & (((uint64_t)1 << dropped) - 1), half = (uint64_t)1 << (dropped - 1);
        bits >>= dropped;
        bits += rest > half || (rest == half && (bits & 1));
        bits <<= dropped;
        if (bits >> 61) {
            bits >>= 1;
            exponent++;
        }
    }
    const char head[] = {'0', format, (char)('0' + (bits >> 60))};
    if (v->negative)
        bw_builder_write_byte(b, '-');
    bw_builder_write(b, head, sizeof head);
    bits = bits << 4;
    if (precision > 0 || (precision < 0 && bits != 0))
        bw_builder_write_byte(b, '.');
    for (int i = 0; precision < 0 ? bits != 0 : i < precision && i < 15; i++, bits <<= 4)
        bw_builder_write_byte(b, hex[bits >> 60]);
    write_zeros(b, precision - 15);
    write_exponent(b, (char)(format - 'x' + 'p'), exponent);
}

static void write_float(bw_builder *b, double value, char format, int precision, int bits) {
    if (bits == 32)
        value = (double)(float)value;
    if (isnan(value)) {
        bw_builder_write_cstr(b, "NaN");
        return;
    }
    if (isinf(value)) {
        bw_builder_write_cstr(b, value < 0 ? "-Inf" : "+Inf");
        return;
    }
    struct binary v = binary_of(value, bits);
    switch (format) {
    case 'b': write_binary(b, &v); break;
    case 'x':
    case 'X': write_hexadecimal(b, &v, format, precision); break;
    case 'e':
    case 'E':
    case 'f':
    case 'g':
    case 'G':
        if (precision < 0)
            write_shortest(b, &v, format);
        else
            write_precise(b, value, format, precision);
        break;
    default: bw_builder_write_byte(b, '%'); bw_builder_write_byte(b, format);
    }
}

void bw_append_float(bw_builder *b, double value, char format, int precision, int bits) {
    if (bits != 32 && bits != 64)
        os_panic("strconv: illegal AppendFloat bitSize");
    write_float(b, value, format, precision, bits);
}

bw_string bw_format_float(double value, char format, int precision, int bits) {
    if (bits != 32 && bits != 64)
        os_panic("strconv: illegal FormatFloat bitSize");
    char room[400];
    bw_builder b;
    builder_begin(&b, room, sizeof room);
    write_float(&b, value, format, precision, bits);
    return builder_end(&b, room);
}
