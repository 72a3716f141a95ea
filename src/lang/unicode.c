/* unicode.c - what Unicode says of single characters: category, case, case folding. The tables are made by
 * scripts/unicode_tables.py, which says how a set is written. */
#include "text.h"

#include "unicode_tables.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static bool in_set(const uint32_t *changes, size_t count, bw_rune r) {
    size_t lo = 0, hi = count;
    while (lo < hi) {
        size_t middle = (lo + hi) / 2;
        if (changes[middle] <= (uint32_t)r)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo & 1;
}
/* Every table ends with the end of a run, so that what is no character is in none. */
#define IN_SET(name, r) in_set(unicode_##name, COUNT_OF(unicode_##name), r)

static inline bool between(bw_rune r, bw_rune lo, bw_rune hi) {
    return (uint32_t)(r - lo) <= (uint32_t)(hi - lo);
}

static inline bool is_ascii(bw_rune r) {
    return (uint32_t)r < 0x80;
}

bool bw_rune_is_letter(bw_rune r) {
    return is_ascii(r) ? between(r | 0x20, 'a', 'z') : IN_SET(letter, r);
}

bool bw_rune_is_digit(bw_rune r) {
    return is_ascii(r) ? between(r, '0', '9') : IN_SET(digit, r);
}

bool bw_rune_is_upper(bw_rune r) {
    return is_ascii(r) ? between(r, 'A', 'Z') : IN_SET(upper, r);
}

bool bw_rune_is_lower(bw_rune r) {
    return is_ascii(r) ? between(r, 'a', 'z') : IN_SET(lower, r);
}

bool bw_rune_is_punct(bw_rune r) {
    return IN_SET(punct, r);
}

bool bw_rune_is_space(bw_rune r) {
    return is_ascii(r) ? r == ' ' || between(r, '\t', '\r') : IN_SET(space, r);
}

bool bw_rune_is_print(bw_rune r) {
    return is_ascii(r) ? between(r, ' ', '~') : IN_SET(print, r);
}

static bw_rune mapped(bw_rune r, bool to_upper) {
    size_t lo = 0, hi = COUNT_OF(unicode_case);
    while (lo < hi) {
        size_t middle = (lo + hi) / 2;
        if (unicode_case[middle].hi < (uint32_t)r)
            lo = middle + 1;
        else
            hi = middle;
    }
    if (r < 0 || lo == COUNT_OF(unicode_case) || (uint32_t)r < unicode_case[lo].lo)
        return r;
    int32_t delta = to_upper ? unicode_case[lo].to_upper : unicode_case[lo].to_lower;
    if (delta != ALTERNATING)
        return r + delta;
    bool is_lower = ((uint32_t)r - unicode_case[lo].lo) & 1;
    return r + !is_lower - to_upper;
}

bw_rune bw_rune_to_upper(bw_rune r) {
    return is_ascii(r) ? r - 0x20 * between(r, 'a', 'z') : mapped(r, true);
}

bw_rune bw_rune_to_lower(bw_rune r) {
    return is_ascii(r) ? r + 0x20 * between(r, 'A', 'Z') : mapped(r, false);
}

bw_rune rune_fold_next(bw_rune r) {
    size_t lo = 0, hi = COUNT_OF(unicode_fold);
    while (lo < hi) {
        size_t middle = (lo + hi) / 2;
        if (unicode_fold[middle].from < (uint32_t)r)
            lo = middle + 1;
        else
            hi = middle;
    }
    if (lo < COUNT_OF(unicode_fold) && unicode_fold[lo].from == (uint32_t)r)
        return (bw_rune)unicode_fold[lo].to;
    bw_rune lower = bw_rune_to_lower(r);
    return lower != r ? lower : bw_rune_to_upper(r);
}
