/* quote.c - Go's string and character literals. */
#include "text.h"

static void write_hex(bw_builder *b, char letter, uint32_t value, int digits) {
    char text[10] = {'\\', letter};
    for (int i = 0; i < digits; i++)
        text[2 + i] = "0123456789abcdef"[value >> (digits - 1 - i) * 4 & 15];
    bw_builder_write(b, text, 2 + digits);
}

/* r is valid. */
static void write_escaped(bw_builder *b, bw_rune r, char quote, bool ascii) {
    static const char letters[] = "abtnvfr"; /* of '\a' to '\r' */
    if (r == quote || r == '\\') {
        bw_builder_write_byte(b, '\\');
        bw_builder_write_byte(b, (char)r);
    } else if (bw_rune_is_print(r) && (r < 0x80 || !ascii)) {
        bw_builder_write_rune(b, r);
    } else if (r >= '\a' && r <= '\r') {
        bw_builder_write_byte(b, '\\');
        bw_builder_write_byte(b, letters[r - '\a']);
    } else if (r < 0x80) {
        write_hex(b, 'x', (uint32_t)r, 2);
    } else if (r < 0x10000) {
        write_hex(b, 'u', (uint32_t)r, 4);
    } else {
        write_hex(b, 'U', (uint32_t)r, 8);
    }
}

static void write_string(bw_builder *b, bw_string s, bool ascii) {
    bw_builder_write_byte(b, '"');
    ptrdiff_t size;
    for (ptrdiff_t at = 0; at < s.len; at += size) {
        bw_rune r = bw__rune_decode(s.ptr + at, s.len - at, &size);
        if (r == BW_RUNE_ERROR && size == 1)
            write_hex(b, 'x', (unsigned char)s.ptr[at], 2);
        else
            write_escaped(b, r, '"', ascii);
    }
    bw_builder_write_byte(b, '"');
}

static void write_rune(bw_builder *b, bw_rune r, bool ascii) {
    bw_builder_write_byte(b, '\'');
    write_escaped(b, bw_rune_valid(r) ? r : BW_RUNE_ERROR, '\'', ascii);
    bw_builder_write_byte(b, '\'');
}

void bw_append_quote(bw_builder *b, bw_string s) {
    write_string(b, s, false);
}

void bw_append_quote_ascii(bw_builder *b, bw_string s) {
    write_string(b, s, true);
}

void bw_append_quote_rune(bw_builder *b, bw_rune r) {
    write_rune(b, r, false);
}

static bw_string quoted(bw_string s, bool ascii) {
    char room[256];
    bw_builder b;
    builder_begin(&b, room, sizeof room);
    write_string(&b, s, ascii);
    return builder_end(&b, room);
}

bw_string bw_quote(bw_string s) {
    return quoted(s, false);
}

bw_string bw_quote_ascii(bw_string s) {
    return quoted(s, true);
}

static bw_string quoted_rune(bw_rune r, bool ascii) {
    char room[16];
    bw_builder b;
    builder_begin(&b, room, sizeof room);
    write_rune(&b, r, ascii);
    return builder_end(&b, room);
}

bw_string bw_quote_rune(bw_rune r) {
    return quoted_rune(r, false);
}

bw_string bw_quote_rune_ascii(bw_rune r) {
    return quoted_rune(r, true);
}

/* --- the way back --- */

/* The number of so many digits from `at` on; -1: they are not there. */
static int64_t digits_at(bw_string s, ptrdiff_t at, int count, int base) {
    int64_t value = 0;
    for (ptrdiff_t i = at; i < at + count; i++) {
        char c = i < s.len ? s.ptr[i] : 0, small = (char)(c | 0x20);
        int digit = c >= '0' && c <= '9' ? c - '0' : small >= 'a' && small <= 'f' ? small - 'a' + 10 : base;
        if (digit >= base)
            return -1;
        value = value * base + digit;
    }
    return value;
}

/* An escape whose letter is at `at`. Returns where it ends; -1: it is none. */
static ptrdiff_t unescape(bw_builder *b, bw_string s, ptrdiff_t at, char quote) {
    static const char letters[] = "abtnvfr";
    char c = at < s.len ? s.ptr[at] : 0;
    const char *letter = c ? strchr(letters, c) : NULL;
    if (letter) {
        bw_builder_write_byte(b, (char)('\a' + (letter - letters)));
        return at + 1;
    }
    if (c == '\\' || c == quote) {
        bw_builder_write_byte(b, c);
        return at + 1;
    }
    if (c >= '0' && c <= '7') {
        int64_t value = digits_at(s, at, 3, 8);
        if (value < 0 || value > 255)
            return -1;
        bw_builder_write_byte(b, (char)value);
        return at + 3;
    }
    int count = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    int64_t value = count ? digits_at(s, at + 1, count, 16) : -1;
    if (value < 0 || (count > 2 && (value > BW_RUNE_MAX || !bw_rune_valid((bw_rune)value))))
        return -1;
    if (count == 2)
        bw_builder_write_byte(b, (char)value);
    else
        bw_builder_write_rune(b, (bw_rune)value);
    return at + 1 + count;
}

/* What is between the quotes, in which there is something to translate. */
static bool unquote(bw_builder *b, bw_string inside, char quote) {
    int count = 0;
    for (ptrdiff_t at = 0; at < inside.len; count++) {
        char c = inside.ptr[at];
        if (c == quote || c == '\n')
            return false;
        if (c == '\\') {
            at = unescape(b, inside, at + 1, quote);
            if (at < 0)
                return false;
        } else {
            bw_builder_write_rune(b, bw__rune_next(inside, &at));
        }
    }
    return quote == '"' || count <= 1;
}

static bool unquote_raw(bw_builder *b, bw_string inside) {
    for (ptrdiff_t at = 0; at < inside.len; at++)
        if (inside.ptr[at] != '\r')
            bw_builder_write_byte(b, inside.ptr[at]);
    return true;
}

bw_error bw_unquote(bw_string s, bw_string *out) {
    const bw_error success = {NULL, NULL};
    *out = (bw_string){NULL, 0};
    char quote = s.len >= 2 ? s.ptr[0] : 0;
    if ((quote != '"' && quote != '\'' && quote != '`') || s.ptr[s.len - 1] != quote)
        return bw_err_syntax();
    bw_string inside = bw_substr(s, 1, s.len - 1);
    bool raw = quote == '`';
    if (raw && bw_str_index_byte(inside, '`') >= 0)
        return bw_err_syntax();
    bool plain = raw ? bw_str_index_byte(inside, '\r') < 0
                     : bw_str_index_byte(inside, '\\') < 0 && bw_str_index_byte(inside, '\n') < 0 &&
                           bw_str_index_byte(inside, quote) < 0 && bw_str_valid(inside) &&
                           (quote == '"' || bw_rune_count(inside) <= 1);
    if (plain) {
        *out = inside;
        return success;
    }
    bw_builder b = {0};
    bw_builder_grow(&b, inside.len);
    if (!(raw ? unquote_raw(&b, inside) : unquote(&b, inside, quote)))
        return bw_err_syntax();
    *out = bw_builder_string(&b);
    return success;
}
