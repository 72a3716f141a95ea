/* format.c - the text of numbers, characters and strings, with flags, width and precision as Go has them.
 *
 * Width counts characters, not bytes. What is written goes to the end of format->text. No state but the caller's.
 */
#include "printer.h"

void format_begin(struct format *format) {
    builder_begin(&format->text, format->room, sizeof format->room);
    format_clear(format);
}

void format_clear(struct format *format) {
    format->minus = format->plus = format->sharp = format->space = format->zero = false;
    format->plus_v = format->sharp_v = format->wide = format->precise = false;
    format->width = format->precision = 0;
}

/* --- padding --- */

static void fill(bw_builder *text, char byte, ptrdiff_t count) {
    if (count > 0)
        memset(bw__builder_extend(text, count), byte, (size_t)count);
}

/* Zeroes are only put to the left. */
static char padding(const struct format *format) {
    return format->zero && !format->minus ? '0' : ' ';
}

/* How much is missing to the width. */
static ptrdiff_t missing(const struct format *format, ptrdiff_t runes) {
    return format->wide && format->width > runes ? format->width - runes : 0;
}

static ptrdiff_t missing_to_string(const struct format *format, bw_string string) {
    return format->wide ? missing(format, bw_rune_count(string)) : 0;
}

void format_pad(struct format *format, bw_string string) {
    ptrdiff_t pad = missing_to_string(format, string);
    if (!format->minus)
        fill(&format->text, padding(format), pad);
    bw_builder_write_string(&format->text, string);
    if (format->minus)
        fill(&format->text, ' ', pad);
}

/* Pads what was added to the text since its length was `from`; what goes on the left is put at `at`. */
static void pad_added(struct format *format, ptrdiff_t from, ptrdiff_t at) {
    bw_builder *text = &format->text;
    ptrdiff_t end = bw_builder_len(text);
    ptrdiff_t pad = missing_to_string(format, bw_substr(bw_builder_string(text), from, end));
    if (pad == 0)
        return;
    fill(text, padding(format), pad);
    if (!format->minus) {
        char *bytes = text->bw__ptr; /* nobody else has this text yet */
        memmove(bytes + at + pad, bytes + at, (size_t)(end - at));
        memset(bytes + at, padding(format), (size_t)pad);
    }
}

void format_bool(struct format *format, bool value) {
    format_pad(format, bw_format_bool(value));
}

/* --- integers --- */

/* The digits, right to left, so that they end before `end`. */
static char *put_digits(char *end, uint64_t value, unsigned base, bool upper) {
    if (base == 10)
        return number_digits(end, value);
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    int shift = base == 16 ? 4 : base == 8 ? 3 : 1;
    do
        *--end = digits[value & (base - 1)];
    while ((value >>= shift) > 0);
    return end;
}

/* `head` (sign and prefix), so many zeroes, and the digits, padded with spaces to the width, of which they take
 * `runes`. */
static void put_number(struct format *format, bw_string head, ptrdiff_t zeroes, bw_string digits, ptrdiff_t runes) {
    ptrdiff_t pad = missing(format, runes);
    if (!format->minus)
        fill(&format->text, ' ', pad);
    bw_builder_write_string(&format->text, head);
    fill(&format->text, '0', zeroes);
    bw_builder_write_string(&format->text, digits);
    if (format->minus)
        fill(&format->text, ' ', pad);
}

void format_integer(struct format *format, uint64_t value, bool is_signed, unsigned base, bw_rune verb) {
    bool negative = is_signed && (int64_t)value < 0;
    if (negative)
        value = -value;
    ptrdiff_t least = 0; /* digits; by a precision or, if there is none, by zeroes instead of spaces */
    if (format->precise) {
        least = format->precision;
        if (least == 0 && value == 0) {
            fill(&format->text, ' ', format->width);
            return;
        }
    } else if (format->zero && !format->minus && format->wide) {
        least = format->width - (negative || format->plus || format->space);
    }
    char buffer[64], *end = buffer + sizeof buffer;
    char *digits = put_digits(end, value, base, verb == 'X');
    ptrdiff_t count = end - digits, zeroes = least > count ? least - count : 0;

    char head[5];
    ptrdiff_t length = 0;
    if (negative || format->plus || format->space)
        head[length++] = negative ? '-' : format->plus ? '+' : ' ';
    if (verb == 'O') {
        head[length++] = '0';
        head[length++] = 'o';
    }
    if (format->sharp && (base == 2 || base == 16 || (base == 8 && zeroes == 0 && digits[0] != '0')))
        head[length++] = '0';
    if (format->sharp && (base == 2 || base == 16))
        head[length++] = base == 2 ? 'b' : verb == 'X' ? 'X' : 'x';
    put_number(format, (bw_string){head, length}, zeroes, (bw_string){digits, count}, length + zeroes + count);
}

void format_unicode(struct format *format, uint64_t value) {
    char buffer[64], *digits_end = buffer + 40, *end = digits_end;
    char *digits = put_digits(digits_end, value, 16, true);
    ptrdiff_t count = digits_end - digits, least = 4;
    if (format->precise && format->precision > least)
        least = format->precision;
    ptrdiff_t zeroes = count < least ? least - count : 0, runes = 2 + zeroes + count;
    if (format->sharp && value <= (uint64_t)BW_RUNE_MAX && bw_rune_is_print((bw_rune)value)) {
        *end++ = ' ';
        *end++ = '\'';
        end += bw_rune_encode(end, (bw_rune)value);
        *end++ = '\'';
        runes += 4;
    }
    put_number(format, bw_str("U+"), zeroes, (bw_string){digits, end - digits}, runes);
}

/* --- characters and strings --- */

static bw_rune rune_of(uint64_t value) {
    return value > (uint64_t)BW_RUNE_MAX ? BW_RUNE_ERROR : (bw_rune)value;
}

void format_character(struct format *format, uint64_t value) {
    char bytes[4];
    format_pad(format, (bw_string){bytes, bw_rune_encode(bytes, rune_of(value))});
}

/* As many characters as the precision allows. */
static bw_string truncated(const struct format *format, bw_string string) {
    if (!format->precise || string.len <= format->precision)
        return string;
    ptrdiff_t at = 0, size;
    for (ptrdiff_t runes = 0; at < string.len && runes < format->precision; runes++, at += size)
        bw__rune_decode(string.ptr + at, string.len - at, &size);
    return (bw_string){string.ptr, at};
}

void format_string(struct format *format, bw_string string) {
    format_pad(format, truncated(format, string));
}

/* Can it be written between backquotes, on one line? */
static bool can_be_raw(bw_string string) {
    for (ptrdiff_t at = 0, size; at < string.len; at += size) {
        bw_rune rune = bw__rune_decode(string.ptr + at, string.len - at, &size);
        if ((rune == BW_RUNE_ERROR && size == 1) || rune == 0xfeff || (rune < ' ' && rune != '\t') || rune == '`' ||
            rune == 0x7f)
            return false;
    }
    return true;
}

void format_quoted_string(struct format *format, bw_string string) {
    bw_builder *text = &format->text;
    ptrdiff_t from = bw_builder_len(text);
    string = truncated(format, string);
    if (format->sharp && can_be_raw(string)) {
        bw_builder_write_byte(text, '`');
        bw_builder_write_string(text, string);
        bw_builder_write_byte(text, '`');
    } else if (format->plus) {
        bw_append_quote_ascii(text, string);
    } else {
        bw_append_quote(text, string);
    }
    pad_added(format, from, from);
}

void format_quoted_character(struct format *format, uint64_t value) {
    if (format->plus) {
        format_pad(format, bw_quote_rune_ascii(rune_of(value)));
        return;
    }
    ptrdiff_t from = bw_builder_len(&format->text);
    bw_append_quote_rune(&format->text, rune_of(value));
    pad_added(format, from, from);
}

void format_hex_string(struct format *format, bw_string string, bool upper) {
    bw_builder *text = &format->text;
    ptrdiff_t from = bw_builder_len(text);
    if (format->precise && format->precision < string.len)
        string.len = format->precision;
    for (ptrdiff_t i = 0; i < string.len; i++) {
        if (format->space && i > 0)
            bw_builder_write_byte(text, ' ');
        if (format->sharp && (format->space || i == 0))
            bw_builder_write(text, upper ? "0X" : "0x", 2);
        char digits[2] = {'0', '0'};
        put_digits(digits + 2, (unsigned char)string.ptr[i], 16, upper);
        bw_builder_write(text, digits, 2);
    }
    pad_added(format, from, from);
}

/* --- floating point --- */

/* The flag #: a decimal point always and, for %g and %x, as many digits as were asked for, zeroes at the end included.
 * The text from `from` on is the number without a sign. */
static void add_what_sharp_wants(bw_builder *text, ptrdiff_t from, char verb, ptrdiff_t precision) {
    ptrdiff_t digits = verb == 'g' || verb == 'G' || verb == 'x' ? (precision < 0 ? 6 : precision) : 0;
    bool hexadecimal = verb == 'x' || verb == 'X', point = false, significant = false;
    ptrdiff_t end = bw_builder_len(text), tail = from;
    for (; tail < end; tail++) {
        char c = text->bw__ptr[tail];
        if (c == 'p' || c == 'P' || (!hexadecimal && (c == 'e' || c == 'E')))
            break; /* the exponent */
        point |= c == '.';
        significant |= c != '.' && c != '0';
        digits -= significant && c != '.';
    }
    if (!point && tail == from + 1 && text->bw__ptr[from] == '0')
        digits--;
    ptrdiff_t zeroes = digits > 0 ? digits : 0, more = !point + zeroes;
    fill(text, '0', more);
    char *at = text->bw__ptr + tail;
    memmove(at + more, at, (size_t)(end - tail));
    memset(at, '0', (size_t)more);
    if (!point)
        *at = '.';
}

void format_float(struct format *format, double value, int bits, char verb, ptrdiff_t precision) {
    bw_builder *text = &format->text;
    ptrdiff_t from = bw_builder_len(text);
    bool is_nan = value != value, is_infinite = value - value != 0 && !is_nan;
    bool negative = __builtin_signbit(value) && !is_nan;
    if (negative || format->plus || format->space || is_infinite)
        bw_builder_write_byte(text, negative ? '-' : format->space && !format->plus ? ' ' : '+');
    if (is_nan || is_infinite) {
        bool zero = format->zero;
        format->zero = false;
        bw_builder_write_cstr(text, is_nan ? "NaN" : "Inf");
        pad_added(format, from, from);
        format->zero = zero;
        return;
    }
    if (format->precise)
        precision = format->precision;
    ptrdiff_t number = bw_builder_len(text);
    bw_append_float(text, negative ? -value : value, verb, (int)precision, bits);
    if (format->sharp && verb != 'b')
        add_what_sharp_wants(text, number, verb, precision);
    /* Zeroes go between the sign and the number. */
    pad_added(format, from, padding(format) == '0' ? number : from);
}
