/* string_model.h - strings the simple way, and a comparison of all of burrow/string.h's operations with that. Shared by
 * fuzz_string.c and tests/lang/test_string.c. */
#ifndef BURROW_TESTS_STRING_MODEL_H
#define BURROW_TESTS_STRING_MODEL_H

#include <burrow.h>
#include <burrow/string.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_CHECK(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s failed\n", __FILE__, __LINE__, #condition);                                     \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* --- UTF-8: a sequence is valid if it is what the character encodes to --- */

static inline int model_encode(char *out, uint32_t r) {
    if (r > 0x10FFFF || (r >= 0xD800 && r <= 0xDFFF))
        return 0;
    int more = r < 0x80 ? 0 : r < 0x800 ? 1 : r < 0x10000 ? 2 : 3;
    for (int i = more; i > 0; i--, r >>= 6)
        out[i] = (char)(0x80 | (r & 0x3F));
    static const unsigned char mark[] = {0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(mark[more] | r);
    return more + 1;
}

static inline uint32_t model_decode(const char *p, ptrdiff_t n, ptrdiff_t *size) {
    for (int length = 1; length <= 4 && length <= n; length++) {
        static const unsigned char payload[] = {0x7F, 0x1F, 0x0F, 0x07};
        uint32_t r = (unsigned char)p[0] & payload[length - 1];
        for (int i = 1; i < length; i++)
            r = r << 6 | ((unsigned char)p[i] & 0x3F);
        char again[4];
        if (model_encode(again, r) == length && memcmp(again, p, (size_t)length) == 0) {
            *size = length;
            return r;
        }
    }
    *size = n > 0;
    return 0xFFFD;
}

/* --- text that grows --- */

struct model_text {
    char *bytes;
    ptrdiff_t len, cap;
};

static inline void model_put(struct model_text *text, const char *bytes, ptrdiff_t n) {
    if (text->len + n > text->cap) {
        text->cap = (text->len + n) * 2;
        text->bytes = realloc(text->bytes, (size_t)text->cap);
        MODEL_CHECK(text->bytes != NULL);
    }
    if (n > 0)
        memcpy(text->bytes + text->len, bytes, (size_t)n);
    text->len += n;
}

static inline void model_put_rune(struct model_text *text, uint32_t r) {
    char bytes[4];
    model_put(text, bytes, model_encode(bytes, r));
}

/* Is it what the model has come to? Frees the model. */
#define MODEL_RESULT(text, s)                                                                                          \
    do {                                                                                                               \
        bw_string result_ = (s);                                                                                       \
        MODEL_CHECK(result_.len == (text).len);                                                                        \
        MODEL_CHECK(result_.len == 0 || memcmp(result_.ptr, (text).bytes, (size_t)result_.len) == 0);                  \
        free((text).bytes);                                                                                            \
        (text) = (struct model_text){NULL, 0, 0};                                                                      \
    } while (0)

static inline bool model_same(bw_string a, bw_string b) {
    if (a.len != b.len)
        return false;
    for (ptrdiff_t i = 0; i < a.len; i++)
        if (a.ptr[i] != b.ptr[i])
            return false;
    return true;
}

static inline bw_string model_part(bw_string s, ptrdiff_t lo, ptrdiff_t hi) {
    return (bw_string){s.ptr ? s.ptr + lo : NULL, hi - lo};
}

static inline bool model_is_at(bw_string s, ptrdiff_t at, bw_string sub) {
    return at >= 0 && at + sub.len <= s.len && model_same(model_part(s, at, at + sub.len), sub);
}

static inline ptrdiff_t model_index(bw_string s, ptrdiff_t start, bw_string sub) {
    for (ptrdiff_t i = start; i + sub.len <= s.len; i++)
        if (model_is_at(s, i, sub))
            return i;
    return -1;
}

static inline bool model_is_one_of(uint32_t r, bw_string set) {
    ptrdiff_t size;
    for (ptrdiff_t i = 0; i < set.len; i += size)
        if (model_decode(set.ptr + i, set.len - i, &size) == r)
            return true;
    return false;
}

static inline bool model_is_space(uint32_t r) {
    return (r >= 9 && r <= 13) || r == 32 || r == 0x85 || r == 0xA0 || r == 0x1680 || (r >= 0x2000 && r <= 0x200A) ||
           r == 0x2028 || r == 0x2029 || r == 0x202F || r == 0x205F || r == 0x3000;
}

/* --- the comparisons --- */

static inline void model_check_searching(bw_string s, bw_string t, bw_string u) {
    ptrdiff_t first = model_index(s, 0, t), last = -1, any = -1, size;
    for (ptrdiff_t i = s.len - t.len; i >= 0 && last < 0; i--)
        if (model_is_at(s, i, t))
            last = i;
    MODEL_CHECK(bw_str_index(s, t) == first);
    MODEL_CHECK(bw_str_contains(s, t) == (first >= 0));
    MODEL_CHECK(bw_str_last_index(s, t) == last);
    MODEL_CHECK(bw_str_has_prefix(s, t) == model_is_at(s, 0, t));
    MODEL_CHECK(bw_str_has_suffix(s, t) == model_is_at(s, s.len - t.len, t));
    for (ptrdiff_t i = 0; i < s.len && any < 0; i += size)
        if (model_is_one_of(model_decode(s.ptr + i, s.len - i, &size), u))
            any = i;
    MODEL_CHECK(bw_str_index_any(s, u) == any);
    for (ptrdiff_t i = 0; i < u.len; i += size) {
        uint32_t r = model_decode(u.ptr + i, u.len - i, &size);
        ptrdiff_t at = -1, width;
        for (ptrdiff_t j = 0; j < s.len && at < 0; j += width)
            if (model_decode(s.ptr + j, s.len - j, &width) == r)
                at = j;
        MODEL_CHECK(bw_str_index_rune(s, (bw_rune)r) == at);
        MODEL_CHECK(bw_str_index_byte(s, u.ptr[i]) == model_index(s, 0, model_part(u, i, i + 1)));
    }
    int order = 0;
    for (ptrdiff_t i = 0; order == 0 && i < s.len && i < t.len; i++)
        order =
            ((unsigned char)s.ptr[i] > (unsigned char)t.ptr[i]) - ((unsigned char)s.ptr[i] < (unsigned char)t.ptr[i]);
    if (order == 0)
        order = (s.len > t.len) - (s.len < t.len);
    MODEL_CHECK(bw_str_cmp(s, t) == order && bw_str_cmp(t, s) == -order);
    MODEL_CHECK(bw_str_less(s, t) == (order < 0) && bw_str_eq(s, t) == (order == 0));
    if (order == 0)
        MODEL_CHECK(bw_str_hash(s, 7) == bw_str_hash(t, 7));
}

/* Splitting, counting, replacing, cutting. */
static inline void model_check_parts(bw_string s, bw_string t, bw_string u, ptrdiff_t n) {
    ptrdiff_t count = 0, size, done = 0, pieces = 0;
    struct model_text replaced = {NULL, 0, 0};
    bw_slice(bw_string) parts = bw_str_split_n(s, t, n);
    for (ptrdiff_t at = 0; at <= s.len; count++) {
        ptrdiff_t found = t.len > 0 ? model_index(s, at, t) : at;
        if (found < 0)
            break;
        bool split = t.len > 0 ? n < 0 || pieces < n - 1 : found > 0 && found < s.len && (n < 0 || pieces < n - 1);
        if (split) {
            MODEL_CHECK(pieces < parts.len && model_same(parts.ptr[pieces], model_part(s, done, found)));
            done = found + t.len;
            pieces++;
        }
        model_put(&replaced, model_part(s, at, found).ptr, found - at);
        bool replace = n < 0 || count < n;
        model_put(&replaced, replace ? u.ptr : t.ptr, replace ? u.len : t.len);
        at = found + t.len;
        if (t.len == 0) {
            if (at == s.len) {
                at++;
            } else {
                model_decode(s.ptr + at, s.len - at, &size);
                model_put(&replaced, s.ptr + at, size);
                at += size;
            }
        }
        if (t.len > 0 && model_index(s, at, t) < 0)
            model_put(&replaced, model_part(s, at, s.len).ptr, s.len - at);
    }
    if (count == 0)
        model_put(&replaced, s.ptr, s.len);
    if (n == 0 || (t.len == 0 && s.len == 0)) {
        MODEL_CHECK(parts.len == 0);
    } else {
        MODEL_CHECK(parts.len == pieces + 1 && model_same(parts.ptr[pieces], model_part(s, done, s.len)));
    }
    MODEL_CHECK(bw_str_count(s, t) == count);
    MODEL_RESULT(replaced, bw_str_replace(s, t, u, n));
    if (n != 0)
        MODEL_CHECK(model_same(bw_str_join(bw_str_split_n(s, t, n), t), s));
    MODEL_CHECK(model_same(bw_str_replace_all(bw_str_replace_all(s, t, t), u, u), s));

    bw_string before, after;
    ptrdiff_t found = model_index(s, 0, t);
    MODEL_CHECK(bw_str_cut(s, t, &before, &after) == (found >= 0));
    MODEL_CHECK(model_same(before, found < 0 ? s : model_part(s, 0, found)));
    MODEL_CHECK(model_same(after, found < 0 ? (bw_string){NULL, 0} : model_part(s, found + t.len, s.len)));

    struct model_text repeated = {NULL, 0, 0};
    for (ptrdiff_t i = 0; i < n; i++)
        model_put(&repeated, s.ptr, s.len);
    MODEL_RESULT(repeated, bw_str_repeat(s, n < 0 ? 0 : n));
    bw_string pieces_of_it[] = {s, t, u, s};
    for (int i = 0; i < 4; i++)
        model_put(&repeated, pieces_of_it[i].ptr, pieces_of_it[i].len);
    MODEL_RESULT(repeated, bw_concat(s, t, u, s));
}

/* Trimming, fields, case, validity: character by character. */
static inline void model_check_characters(bw_string s, bw_string t) {
    ptrdiff_t size, width, count = 0, start = -1, fields = 0;
    ptrdiff_t left = s.len, right = 0, left_space = s.len, right_space = 0;
    struct model_text upper = {NULL, 0, 0}, lower = {NULL, 0, 0}, runes = {NULL, 0, 0}, valid = {NULL, 0, 0};
    bool all_valid = true, invalid_before = false;
    bw_slice(bw_string) words = bw_str_fields(s);
    bw_slice(bw_rune) all = bw_runes(s);
    for (ptrdiff_t i = 0; i < s.len; i += size) {
        uint32_t r = model_decode(s.ptr + i, s.len - i, &size);
        bool invalid = r == 0xFFFD && size == 1;
        MODEL_CHECK(bw_rune_decode(model_part(s, i, s.len), &width) == (bw_rune)r && width == size);
        MODEL_CHECK(count < all.len && all.ptr[count] == (bw_rune)r);
        MODEL_CHECK(bw_rune_is_space((bw_rune)r) == model_is_space(r));
        model_put_rune(&upper, (uint32_t)bw_rune_to_upper((bw_rune)r));
        model_put_rune(&lower, (uint32_t)bw_rune_to_lower((bw_rune)r));
        model_put_rune(&runes, r);
        if (!invalid)
            model_put(&valid, s.ptr + i, size);
        else if (!invalid_before)
            model_put(&valid, t.ptr, t.len);
        invalid_before = invalid;
        all_valid &= !invalid;
        if (!model_is_one_of(r, t)) {
            left = left < i ? left : i;
            right = i + size;
        }
        if (model_is_space(r)) {
            if (start >= 0)
                MODEL_CHECK(fields < words.len && model_same(words.ptr[fields++], model_part(s, start, i)));
            start = -1;
        } else {
            left_space = left_space < i ? left_space : i;
            right_space = i + size;
            start = start < 0 ? i : start;
        }
        count++;
    }
    if (start >= 0)
        MODEL_CHECK(fields < words.len && model_same(words.ptr[fields++], model_part(s, start, s.len)));
    MODEL_CHECK(words.len == fields && all.len == count && bw_rune_count(s) == count && bw_str_valid(s) == all_valid);
    MODEL_RESULT(upper, bw_str_to_upper(s));
    MODEL_RESULT(lower, bw_str_to_lower(s));
    MODEL_RESULT(runes, bw_string_of_runes(all));
    MODEL_RESULT(valid, bw_str_to_valid(s, t));
    MODEL_CHECK(model_same(bw_str_trim_left(s, t), model_part(s, left, s.len)));
    MODEL_CHECK(model_same(bw_str_trim_right(s, t), model_part(s, 0, right)));
    MODEL_CHECK(model_same(bw_str_trim(s, t), left < right ? model_part(s, left, right) : model_part(s, 0, 0)));
    MODEL_CHECK(model_same(bw_str_trim_space(s),
                           left_space < right_space ? model_part(s, left_space, right_space) : model_part(s, 0, 0)));
    if (all_valid) {
        MODEL_CHECK(bw_str_equal_fold(s, bw_str_to_lower(bw_str_to_upper(s))) || bw_rune_count(s) > 0);
        MODEL_CHECK(bw_str_equal_fold(s, s));
    }
    /* Backwards, the characters are the same ones if all are valid. */
    ptrdiff_t end = s.len, backwards = 0;
    for (; end > 0; end -= size) {
        bw_rune r = bw_rune_decode_last(model_part(s, 0, end), &size);
        MODEL_CHECK(size > 0);
        MODEL_CHECK((bw_rune)model_decode(s.ptr + end - size, size, &width) == r && width == size);
        backwards++;
        if (all_valid)
            MODEL_CHECK(all.ptr[count - backwards] == r);
    }
    MODEL_CHECK(end == 0);
}

static inline void model_check_quoting(bw_string s) {
    bw_string quoted = bw_quote(s), ascii = bw_quote_ascii(s), plain;
    MODEL_CHECK(bw_is_nil(bw_unquote(quoted, &plain)) && model_same(plain, s));
    MODEL_CHECK(bw_is_nil(bw_unquote(ascii, &plain)) && model_same(plain, s));
    MODEL_CHECK(bw_str_valid(quoted));
    for (ptrdiff_t i = 0; i < ascii.len; i++)
        MODEL_CHECK(ascii.ptr[i] >= ' ' && ascii.ptr[i] <= '~');
    bw_range_runes(i, r, quoted) MODEL_CHECK(bw_rune_is_print(r));
    /* Whatever it is: not more than it was, and if it is a literal, then it can be written again. */
    if (bw_is_nil(bw_unquote(s, &plain)))
        MODEL_CHECK(bw_is_nil(bw_unquote(bw_quote(plain), &quoted)) && model_same(plain, quoted));
    else
        MODEL_CHECK(plain.len == 0);
}

/* The bytes tell what to write; strings taken in between must stay as they are. */
static inline void model_check_builder(bw_string s) {
    bw_builder b = {0}, copy = {0};
    struct model_text text = {NULL, 0, 0}, copied = {NULL, 0, 0};
    bw_string taken = {NULL, 0}, taken_then = {NULL, 0};
    for (ptrdiff_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bw_builder *to = c & 0x80 ? &copy : &b;
        struct model_text *model = c & 0x80 ? &copied : &text;
        switch (c % 8) {
        case 0:
            bw_builder_write_byte(to, (char)c);
            model_put(model, s.ptr + i, 1);
            break;
        case 1:
            bw_builder_write_string(to, s);
            model_put(model, s.ptr, s.len);
            break;
        case 2:
            bw_builder_write_rune(to, c * 300);
            model_put_rune(model, c * 300u >= 0xD800 && c * 300u <= 0xDFFF ? 0xFFFD : c * 300u);
            break;
        case 3:
            taken = bw_builder_string(to);
            taken_then = bw_string_from(taken.ptr, taken.len);
            break;
        case 4:
            bw_builder_write_cstr(to, "text");
            model_put(model, "text", 4);
            break;
        case 5:
            /* Its own contents. */
            if (to->bw__len < 4096) {
                bw_builder_write_string(to, bw_builder_string(to));
                model_put(model, NULL, 0);
                for (ptrdiff_t j = 0, n = model->len; j < n; j++)
                    model_put(model, &(char){model->bytes[j]}, 1);
            }
            break;
        case 6:
            bw_builder_grow(to, c);
            MODEL_CHECK(bw_builder_len(to) == model->len);
            break;
        default:
            copy = b;
            copied.len = 0;
            model_put(&copied, text.bytes, text.len);
        }
        MODEL_CHECK(model_same(taken, taken_then));
    }
    MODEL_CHECK(bw_builder_len(&b) == text.len);
    MODEL_RESULT(text, bw_builder_string(&b));
    MODEL_RESULT(copied, bw_builder_string(&copy));
    bw_builder_reset(&b);
    MODEL_CHECK(bw_builder_len(&b) == 0 && bw_builder_string(&b).len == 0);
}

static inline void model_check_memory(bw_string s) {
    char *text = bw_cstr(s);
    MODEL_CHECK(text[s.len] == 0 && (s.len == 0 || memcmp(text, s.ptr, (size_t)s.len) == 0));
    bw_slice(uint8_t) bytes = bw_bytes(s);
    MODEL_CHECK(bytes.len == s.len && model_same(bw_string_of_bytes(bytes), s));
    MODEL_CHECK(bw_string_of(text).len == (ptrdiff_t)strlen(text));
    for (ptrdiff_t lo = 0; lo <= s.len && lo < 5; lo++) {
        bw_string part = bw_substr(s, lo, s.len);
        MODEL_CHECK(model_same(part, model_part(s, lo, s.len)) && (part.len > 0 || part.ptr == NULL));
    }
}

/* The first three bytes say how long two other strings are and what number to use; these and the string follow. */
static inline void string_model_check(const uint8_t *data, size_t size) {
    if (size < 3)
        return;
    ptrdiff_t rest = (ptrdiff_t)size - 3, t_len = data[0] % 40 < rest ? data[0] % 40 : rest;
    ptrdiff_t u_len = data[1] % 80 < rest - t_len ? data[1] % 80 : rest - t_len;
    const char *at = (const char *)data + 3;
    bw_string t = {at, t_len}, u = {at + t_len, u_len}, s = {at + t_len + u_len, rest - t_len - u_len};
    ptrdiff_t n = data[2] % 8 - 1;
    model_check_searching(s, t, u);
    model_check_parts(s, t, u, n);
    model_check_characters(s, u);
    model_check_quoting(s);
    model_check_builder(u);
    model_check_memory(s);
}

#endif
