/* text.c - numbers and patterns. */
#include "text.h"

bool integer_from(bw_string text, int64_t *value) {
    ptrdiff_t length = bw_len(text), i = 0;
    if (length == 1 && text.ptr[0] == '0') {
        *value = 0;
        return true;
    }
    bool is_negative = length > 0 && text.ptr[0] == '-';
    i += is_negative;
    if (i == length || text.ptr[i] == '0')
        return false;
    uint64_t most = (uint64_t)INT64_MAX + is_negative, sum = 0;
    for (; i < length; i++) {
        unsigned digit = (unsigned char)text.ptr[i] - (unsigned)'0';
        if (digit > 9 || sum > (most - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = (int64_t)(is_negative ? 0 - sum : sum);
    return true;
}

/* ---- patterns --------------------------------------------------------------------------------------------------- */

/* The character of a [class] at `at`, which is moved behind it. */
static unsigned char class_character(bw_string pattern, ptrdiff_t *at) {
    if (bw_at(pattern, *at) == '\\' && *at + 1 < bw_len(pattern))
        ++*at;
    return (unsigned char)bw_at(pattern, (*at)++);
}

/* With `at` behind the bracket; it is moved behind the bracket that closes the class, or to the end if none does. */
static bool class_has(bw_string pattern, ptrdiff_t *at, unsigned char c) {
    bool is_negated = *at < bw_len(pattern) && bw_at(pattern, *at) == '^', is_found = false;
    *at += is_negated;
    while (*at < bw_len(pattern) && bw_at(pattern, *at) != ']') {
        unsigned char low = class_character(pattern, at), high = low;
        if (*at + 1 < bw_len(pattern) && bw_at(pattern, *at) == '-') {
            ++*at;
            high = class_character(pattern, at);
        }
        is_found |= low <= high ? low <= c && c <= high : high <= c && c <= low;
    }
    *at += *at < bw_len(pattern);
    return is_found != is_negated;
}

/* One part of the pattern that is no star; `at` is moved behind it. */
static bool part_matches(bw_string pattern, ptrdiff_t *at, char c) {
    char part = bw_at(pattern, (*at)++);
    if (part == '?')
        return true;
    if (part == '[')
        return class_has(pattern, at, (unsigned char)c);
    if (part == '\\' && *at < bw_len(pattern))
        part = bw_at(pattern, (*at)++);
    return part == c;
}

/* Where something does not match, the last star takes one character more. Those before it need not change: what they
 * left over was as much as could be. */
bool matches(bw_string pattern, bw_string text) {
    ptrdiff_t p = 0, t = 0, behind_star = -1, star_end = 0;
    while (t < bw_len(text)) {
        if (p < bw_len(pattern) && bw_at(pattern, p) == '*') {
            behind_star = ++p;
            star_end = t;
        } else if (p < bw_len(pattern) && part_matches(pattern, &p, bw_at(text, t))) {
            t++;
        } else if (behind_star >= 0) {
            p = behind_star;
            t = ++star_end;
        } else {
            return false;
        }
    }
    while (p < bw_len(pattern) && bw_at(pattern, p) == '*')
        p++;
    return p == bw_len(pattern);
}
