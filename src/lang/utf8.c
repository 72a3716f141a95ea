/* utf8.c - decoding, encoding, counting and checking UTF-8.
 *
 * A sequence is valid if its first byte says how many follow, these are all 10xxxxxx, and the character is not one
 * that a shorter sequence has (overlong), no surrogate, and not above U+10FFFF. The second byte alone decides the last
 * three:
 *
 *     first byte   second byte   what is excluded
 *     C2..DF       80..BF        C0, C1: overlong
 *     E0           A0..BF        overlong
 *     E1..EC       80..BF
 *     ED           80..9F        surrogates
 *     EE..EF       80..BF
 *     F0           90..BF        overlong
 *     F1..F3       80..BF
 *     F4           80..8F        above U+10FFFF, as are F5..FF
 *
 * An invalid sequence is as many characters U+FFFD as it has bytes (the next attempt begins one byte later).
 */
#include "text.h"

static inline bool continues(unsigned char byte) {
    return (byte & 0xC0) == 0x80;
}

bw_rune bw__rune_decode(const char *ptr, ptrdiff_t n, ptrdiff_t *size) {
    const unsigned char *p = (const unsigned char *)ptr;
    *size = n > 0;
    if (n <= 0)
        return BW_RUNE_ERROR;
    unsigned first = p[0];
    if (first < 0x80)
        return (bw_rune)first;
    if (n < 2 || first < 0xC2 || first > 0xF4 || !continues(p[1]))
        return BW_RUNE_ERROR;
    unsigned second = p[1];
    if (first < 0xE0) {
        *size = 2;
        return (bw_rune)((first & 0x1F) << 6 | (second & 0x3F));
    }
    if (n < 3 || !continues(p[2]))
        return BW_RUNE_ERROR;
    if (first < 0xF0) {
        if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F))
            return BW_RUNE_ERROR;
        *size = 3;
        return (bw_rune)((first & 0x0F) << 12 | (second & 0x3F) << 6 | (p[2] & 0x3Fu));
    }
    if (n < 4 || !continues(p[3]) || (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F))
        return BW_RUNE_ERROR;
    *size = 4;
    return (bw_rune)((first & 0x07) << 18 | (second & 0x3F) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu));
}

bw_rune bw_rune_decode_last(bw_string s, ptrdiff_t *size) {
    ptrdiff_t ignored;
    if (size == NULL)
        size = &ignored;
    ptrdiff_t back = 1;
    while (back < 4 && back < s.len && continues((unsigned char)s.ptr[s.len - back]))
        back++;
    if (back <= s.len) {
        bw_rune r = bw__rune_decode(s.ptr + (s.len - back), back, size);
        if (*size == back)
            return r;
    }
    *size = s.len > 0;
    return BW_RUNE_ERROR;
}

int bw_rune_len(bw_rune r) {
    if (!bw_rune_valid(r))
        return -1;
    return r < 0x80 ? 1 : r < 0x800 ? 2 : r < 0x10000 ? 3 : 4;
}

int bw_rune_encode(char out[4], bw_rune r) {
    uint32_t c = bw_rune_valid(r) ? (uint32_t)r : (uint32_t)BW_RUNE_ERROR;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* Where the ASCII from `at` on ends, or a little before: eight bytes at a time. */
static ptrdiff_t skip_ascii(bw_string s, ptrdiff_t at) {
    uint64_t word;
    while (s.len - at >= 8) {
        memcpy(&word, s.ptr + at, 8);
        if (word & 0x8080808080808080u)
            break;
        at += 8;
    }
    return at;
}

ptrdiff_t bw_rune_count(bw_string s) {
    ptrdiff_t count = 0, at = 0, size;
    while (at < s.len) {
        ptrdiff_t after = skip_ascii(s, at);
        count += after - at;
        at = after;
        for (int i = 0; i < 8 && at < s.len; i++, at += size, count++)
            bw__rune_decode(s.ptr + at, s.len - at, &size);
    }
    return count;
}

bool bw_str_valid(bw_string s) {
    ptrdiff_t at = 0, size;
    while ((at = skip_ascii(s, at)) < s.len)
        for (int i = 0; i < 8 && at < s.len; i++, at += size)
            if (bw__rune_decode(s.ptr + at, s.len - at, &size) == BW_RUNE_ERROR && size == 1)
                return false;
    return true;
}

bw_string bw_str_to_valid(bw_string s, bw_string replacement) {
    if (bw_str_valid(s))
        return s;
    bw_builder b = {0};
    bw_builder_grow(&b, s.len);
    bool replaced = false; /* what precedes `at` */
    ptrdiff_t size;
    for (ptrdiff_t at = 0; at < s.len; at += size) {
        bool invalid = bw__rune_decode(s.ptr + at, s.len - at, &size) == BW_RUNE_ERROR && size == 1;
        if (!invalid)
            bw_builder_write(&b, s.ptr + at, size);
        else if (!replaced)
            bw_builder_write_string(&b, replacement);
        replaced = invalid;
    }
    return bw_builder_string(&b);
}
