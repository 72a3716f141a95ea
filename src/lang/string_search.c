/* string_search.c - where things are in strings. No search takes more time than proportional to the string and what is
 * looked for: forwards by libc's memmem, which promises that, backwards by the same algorithm on reversed strings. */
#include "text.h"

ptrdiff_t bw_str_index_byte(bw_string s, char byte) {
    const char *found = s.len ? memchr(s.ptr, byte, (size_t)s.len) : NULL;
    return found ? found - s.ptr : -1;
}

ptrdiff_t bw_str_index(bw_string s, bw_string sub) {
    if (sub.len == 0)
        return 0;
    if (sub.len == 1)
        return bw_str_index_byte(s, sub.ptr[0]);
    if (sub.len > s.len)
        return -1;
    const char *found = memmem(s.ptr, (size_t)s.len, sub.ptr, (size_t)sub.len);
    return found ? found - s.ptr : -1;
}

ptrdiff_t bw_str_count(bw_string s, bw_string sub) {
    if (sub.len == 0)
        return bw_rune_count(s) + 1;
    ptrdiff_t count = 0;
    for (ptrdiff_t at; (at = bw_str_index(s, sub)) >= 0; count++)
        s = bw_substr(s, at + sub.len, s.len);
    return count;
}

/* --- backwards --- */

/* A string read from its end. */
struct reversed {
    const unsigned char *end;
    ptrdiff_t len;
};

static struct reversed reversed(bw_string s) {
    return (struct reversed){(const unsigned char *)s.ptr + s.len, s.len};
}

static inline int at(const struct reversed *s, ptrdiff_t i) {
    return s->end[-1 - i];
}

/* The start, less one, of the greatest suffix by the order of bytes or by its reverse, and its period. */
static ptrdiff_t greatest_suffix(const struct reversed *s, int order, ptrdiff_t *period) {
    ptrdiff_t suffix = -1, candidate = 0, k = 1;
    *period = 1;
    while (candidate + k < s->len) {
        int difference = (at(s, candidate + k) - at(s, suffix + k)) * order;
        if (difference < 0) {
            candidate += k;
            k = 1;
            *period = candidate - suffix;
        } else if (difference > 0) {
            suffix = candidate++;
            k = *period = 1;
        } else if (k == *period) {
            candidate += k;
            k = 1;
        } else {
            k++;
        }
    }
    return suffix;
}

static bool repeats(const struct reversed *s, ptrdiff_t upto, ptrdiff_t period) {
    for (ptrdiff_t i = 0; i <= upto; i++)
        if (at(s, i) != at(s, i + period))
            return false;
    return true;
}

/* Crochemore and Perrin, "Two-way string-matching", 1991. `sub` is cut in two where its local period is its period: the
 * right part is compared first, forwards, and tells how far to go on; then the left one, backwards. */
static ptrdiff_t find_two_way(const struct reversed *s, const struct reversed *sub) {
    ptrdiff_t period, other_period;
    ptrdiff_t cut = greatest_suffix(sub, 1, &period), other = greatest_suffix(sub, -1, &other_period);
    if (other >= cut) {
        cut = other;
        period = other_period;
    }
    bool periodic = cut + period < sub->len && repeats(sub, cut, period);
    if (!periodic)
        period = (cut + 1 > sub->len - cut - 1 ? cut + 1 : sub->len - cut - 1) + 1;
    ptrdiff_t known = -1; /* up to here `sub` matches already, at the present place */
    for (ptrdiff_t place = 0; place <= s->len - sub->len;) {
        ptrdiff_t i = (cut > known ? cut : known) + 1;
        while (i < sub->len && at(sub, i) == at(s, place + i))
            i++;
        if (i < sub->len) {
            place += i - cut;
            known = -1;
            continue;
        }
        for (i = cut; i > known && at(sub, i) == at(s, place + i);)
            i--;
        if (i <= known)
            return place;
        place += period;
        known = periodic ? sub->len - period - 1 : -1;
    }
    return -1;
}

ptrdiff_t bw_str_last_index(bw_string s, bw_string sub) {
    if (sub.len == 0)
        return s.len;
    if (sub.len > s.len)
        return -1;
    if (sub.len > 16) {
        struct reversed backwards = reversed(s), wanted = reversed(sub);
        ptrdiff_t place = find_two_way(&backwards, &wanted);
        return place < 0 ? -1 : s.len - place - sub.len;
    }
    const char *found;
    for (ptrdiff_t end = s.len - sub.len + 1; end > 0; end = found - s.ptr) {
        found = memrchr(s.ptr, sub.ptr[0], (size_t)end);
        if (found == NULL)
            break;
        if (memcmp(found, sub.ptr, (size_t)sub.len) == 0)
            return found - s.ptr;
    }
    return -1;
}

/* --- characters --- */

void rune_set_make(struct rune_set *set, bw_string characters) {
    ptrdiff_t count = 0;
    set->ascii[0] = set->ascii[1] = 0;
    bw_range_runes(i, r, characters) {
        if (r < 0x80)
            set->ascii[r / 64] |= (uint64_t)1 << (r % 64);
        else
            count++;
    }
    set->count = 0;
    set->sorted = set->few;
    if (count > RUNE_SET_FEW)
        set->sorted = (void *)string_memory((size_t)count * sizeof(bw_rune));
    if (count > 0) {
        bw_range_runes(i, r, characters) if (r >= 0x80) set->sorted[set->count++] = r;
        bw__sort(set->sorted, count, sizeof(bw_rune), bw__comparison(BW_KIND_INT));
    }
}

bool rune_set_has(const struct rune_set *set, bw_rune r) {
    if (r < 0x80)
        return set->ascii[r / 64] >> (r % 64) & 1;
    ptrdiff_t lo = 0, hi = set->count;
    while (lo < hi) {
        ptrdiff_t middle = (lo + hi) / 2;
        if (set->sorted[middle] < r)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo < set->count && set->sorted[lo] == r;
}

ptrdiff_t bw_str_index_rune(bw_string s, bw_rune r) {
    if ((uint32_t)r < 0x80)
        return bw_str_index_byte(s, (char)r);
    if (r == BW_RUNE_ERROR) {
        bw_range_runes(i, c, s) if (c == BW_RUNE_ERROR) return i;
        return -1;
    }
    char bytes[4];
    return bw_rune_valid(r) ? bw_str_index(s, (bw_string){bytes, bw_rune_encode(bytes, r)}) : -1;
}

ptrdiff_t bw_str_index_any(bw_string s, bw_string chars) {
    struct rune_set set;
    rune_set_make(&set, chars);
    bw_range_runes(i, r, s) if (rune_set_has(&set, r)) return i;
    return -1;
}
