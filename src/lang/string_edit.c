/* string_edit.c - strings from strings: splitting, joining, replacing, trimming, changing case. The parts share memory
 * with the whole; what is put together is measured first and then allocated once. */
#include "text.h"

static bw_string from(bw_string s, ptrdiff_t at) {
    return bw_substr(s, at, s.len);
}

/* --- taking apart --- */

/* The first character's size; s is not empty. */
static ptrdiff_t first_size(bw_string s) {
    ptrdiff_t size;
    bw_rune_decode(s, &size);
    return size;
}

static bw_slice(bw_string) explode(bw_string s, ptrdiff_t n) {
    ptrdiff_t count = bw_rune_count(s);
    if (n < 0 || n > count)
        n = count;
    bw_slice(bw_string) parts = bw_make_slice(bw_string, n);
    for (ptrdiff_t i = 0; i < n; i++) {
        ptrdiff_t size = i == n - 1 ? s.len : first_size(s);
        parts.ptr[i] = bw_substr(s, 0, size);
        s = from(s, size);
    }
    return parts;
}

bw_slice(bw_string) bw_str_split_n(bw_string s, bw_string separator, ptrdiff_t n) {
    if (n == 0)
        return (bw_slice(bw_string)){0};
    if (separator.len == 0)
        return explode(s, n);
    ptrdiff_t count = bw_str_count(s, separator) + 1;
    if (n < 0 || n > count)
        n = count;
    bw_slice(bw_string) parts = bw_make_slice(bw_string, n);
    for (ptrdiff_t i = 0; i < n - 1; i++) {
        ptrdiff_t at = bw_str_index(s, separator);
        parts.ptr[i] = bw_substr(s, 0, at);
        s = from(s, at + separator.len);
    }
    parts.ptr[n - 1] = s;
    return parts;
}

bw_slice(bw_string) bw_str_split(bw_string s, bw_string separator) {
    return bw_str_split_n(s, separator, -1);
}

/* Counts the fields, and stores them if `parts` is not NULL. */
static ptrdiff_t find_fields(bw_string s, bw_string *parts) {
    ptrdiff_t count = 0, start = -1; /* of the field that goes on */
    bw_range_runes(i, r, s) {
        if (!bw_rune_is_space(r)) {
            if (start < 0)
                start = i;
        } else if (start >= 0) {
            if (parts)
                parts[count] = bw_substr(s, start, i);
            count++;
            start = -1;
        }
    }
    if (start >= 0) {
        if (parts)
            parts[count] = from(s, start);
        count++;
    }
    return count;
}

bw_slice(bw_string) bw_str_fields(bw_string s) {
    bw_slice(bw_string) parts = bw_make_slice(bw_string, find_fields(s, NULL));
    find_fields(s, parts.ptr);
    return parts;
}

bool bw_str_cut(bw_string s, bw_string separator, bw_string *before, bw_string *after) {
    ptrdiff_t at = bw_str_index(s, separator);
    if (before)
        *before = at < 0 ? s : bw_substr(s, 0, at);
    if (after)
        *after = at < 0 ? (bw_string){NULL, 0} : from(s, at + separator.len);
    return at >= 0;
}

/* --- putting together --- */

static char *put(char *at, bw_string s) {
    return s.len > 0 ? mempcpy(at, s.ptr, (size_t)s.len) : at;
}

bw_string bw_str_join(bw_slice(bw_string) elements, bw_string separator) {
    if (elements.len == 0)
        return (bw_string){NULL, 0};
    if (elements.len == 1)
        return elements.ptr[0];
    ptrdiff_t size;
    bool overflow = __builtin_mul_overflow(separator.len, elements.len - 1, &size);
    for (ptrdiff_t i = 0; i < elements.len && !overflow; i++)
        overflow = __builtin_add_overflow(size, elements.ptr[i].len, &size);
    if (overflow)
        os_panic("strings: Join output length overflow");
    char *bytes = string_memory((size_t)size), *at = put(bytes, elements.ptr[0]);
    for (ptrdiff_t i = 1; i < elements.len; i++)
        at = put(put(at, separator), elements.ptr[i]);
    return (bw_string){bytes, size};
}

bw_string bw_str_repeat(bw_string s, ptrdiff_t count) {
    ptrdiff_t size;
    if (count < 0)
        os_panic("strings: negative Repeat count");
    if (__builtin_mul_overflow(s.len, count, &size))
        os_panic("strings: Repeat output length overflow");
    if (size == 0 || count == 1)
        return size ? s : (bw_string){NULL, 0};
    char *bytes = string_memory((size_t)size);
    put(bytes, s);
    /* What is there is copied behind itself, but no more of it at once than the cache holds. */
    for (ptrdiff_t done = s.len, chunk; done < size; done += chunk) {
        ptrdiff_t most = s.len < 8192 ? 8192 / s.len * s.len : s.len;
        chunk = done < most ? done : most;
        chunk = chunk < size - done ? chunk : size - done;
        memcpy(bytes + done, bytes, (size_t)chunk);
    }
    return (bw_string){bytes, size};
}

bw_string bw_str_replace(bw_string s, bw_string old, bw_string new, ptrdiff_t n) {
    if (n == 0 || bw_str_eq(old, new))
        return s;
    ptrdiff_t count = bw_str_count(s, old), size;
    if (count == 0)
        return s;
    if (n < 0 || n > count)
        n = count;
    if (__builtin_mul_overflow(new.len - old.len, n, &size) || __builtin_add_overflow(size, s.len, &size))
        os_panic("strings.Builder.Grow: negative count");
    char *bytes = string_memory((size_t)size), *at = bytes;
    for (ptrdiff_t i = 0; i < n; i++) {
        /* An empty `old` is found before the first character, and then after each. */
        ptrdiff_t found = old.len > 0 ? bw_str_index(s, old) : i > 0 ? first_size(s) : 0;
        at = put(put(at, bw_substr(s, 0, found)), new);
        s = from(s, found + old.len);
    }
    put(at, s);
    return (bw_string){bytes, size};
}

bw_string bw_str_replace_all(bw_string s, bw_string from_, bw_string to) {
    return bw_str_replace(s, from_, to, -1);
}

/* --- trimming --- */

static bw_string trimmed_left(bw_string s, const struct rune_set *set) {
    bw_range_runes(i, r, s) if (!(set ? rune_set_has(set, r) : bw_rune_is_space(r))) return from(s, i);
    return (bw_string){NULL, 0};
}

static bw_string trimmed_right(bw_string s, const struct rune_set *set) {
    ptrdiff_t end = s.len, size;
    for (; end > 0; end -= size) {
        bw_rune r = bw_rune_decode_last((bw_string){s.ptr, end}, &size);
        if (!(set ? rune_set_has(set, r) : bw_rune_is_space(r)))
            break;
    }
    return bw_substr(s, 0, end);
}

bw_string bw_str_trim(bw_string s, bw_string cutset) {
    struct rune_set set;
    rune_set_make(&set, cutset);
    return trimmed_right(trimmed_left(s, &set), &set);
}

bw_string bw_str_trim_left(bw_string s, bw_string cutset) {
    struct rune_set set;
    rune_set_make(&set, cutset);
    return trimmed_left(s, &set);
}

bw_string bw_str_trim_right(bw_string s, bw_string cutset) {
    struct rune_set set;
    rune_set_make(&set, cutset);
    return trimmed_right(s, &set);
}

bw_string bw_str_trim_space(bw_string s) {
    return trimmed_right(trimmed_left(s, NULL), NULL);
}

/* --- case --- */

static inline bw_rune in_case(bw_rune r, bool upper) {
    if (r < 0x80)
        return upper ? r - 0x20 * (r >= 'a' && r <= 'z') : r + 0x20 * (r >= 'A' && r <= 'Z');
    return upper ? bw_rune_to_upper(r) : bw_rune_to_lower(r);
}

static bw_string mapped(bw_string s, bool upper) {
    ptrdiff_t size = 0;
    bool same = true;
    for (ptrdiff_t start = 0, next = 0; start < s.len; start = next) {
        bw_rune r = bw__rune_next(s, &next), to = in_case(r, upper);
        same &= to == r && (r != BW_RUNE_ERROR || next - start != 1);
        size += to < 0x80 ? 1 : bw_rune_len(to);
    }
    if (same)
        return s;
    char *bytes = string_memory((size_t)size), *at = bytes;
    bw_range_runes(i, r, s) {
        bw_rune to = in_case(r, upper);
        if (to < 0x80) {
            *at++ = (char)to;
        } else {
            /* Four bytes may be too many for the end. */
            char encoded[4];
            at = put(at, (bw_string){encoded, bw_rune_encode(encoded, to)});
        }
    }
    return (bw_string){bytes, size};
}

bw_string bw_str_to_upper(bw_string s) {
    return mapped(s, true);
}

bw_string bw_str_to_lower(bw_string s) {
    return mapped(s, false);
}

static bool fold_equal(bw_rune a, bw_rune b) {
    if (a == b)
        return true;
    for (bw_rune r = rune_fold_next(a); r != a; r = rune_fold_next(r))
        if (r == b)
            return true;
    return false;
}

bool bw_str_equal_fold(bw_string a, bw_string b) {
    ptrdiff_t at = 0;
    bw_range_runes(i, r, a) {
        if (at == b.len || !fold_equal(r, bw__rune_next(b, &at)))
            return false;
    }
    return at == b.len;
}
