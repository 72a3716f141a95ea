/* burrow/string.h - Go's strings: immutable bytes with a length, UTF-8 by convention, and what Go's packages strings,
 * strconv, unicode and unicode/utf8 do with them.
 *
 * A bw_string is a pointer and a length, passed by value. Its bytes never change and may be any, NUL included; there
 * is no NUL behind them. Parts of a string share its memory, and keep it alive. An empty string's pointer may be NULL.
 * Example, within a function:
 *
 *     bw_string line = bw_str("name = Grüße ");
 *     bw_string key, value;
 *     if (bw_str_cut(line, bw_str("="), &key, &value)) {
 *         key = bw_str_trim_space(key);
 *         value = bw_str_to_upper(bw_str_trim_space(value));
 *         printf("%.*s\n", (int)value.len, value.ptr);
 *     }
 *     bw_range_runes(i, r, line)
 *         printf("%td: U+%04X\n", i, (unsigned)r);
 *     bw_string text = bw_concat(key, " -> ", value, "\n");
 *     printf("%td bytes, %td characters\n", bw_len(text), bw_rune_count(text));
 *
 * Results and messages are Go's, down to the treatment of invalid UTF-8: each byte that begins no valid sequence
 * counts as the character U+FFFD, one byte wide. Surrogates, overlong forms and what lies beyond U+10FFFF are invalid.
 * Unless its description says otherwise, a function allocates nothing, or one object for its result; searching takes
 * time proportional to the lengths. Nothing here depends on the locale. All of it may be called from any thread.
 *
 * bw_len(s) is a string's length in bytes, bw_at(s, i) its byte at i (a char), bw_range goes over its bytes.
 */
#ifndef BURROW_STRING_H
#define BURROW_STRING_H

#include <burrow/error.h>

#ifndef __cplusplus

BW__BEGIN

/* --- making strings --- */

/* bw_string bw_str("literal"): the string of a literal; anything else is a compile error. Cost: none, the bytes are
 * the literal's. Also fit to initialise static variables; BW_STR_INIT("literal") does that where a compiler insists on
 * braces. */
#define bw_str(literal) ((bw_string){"" literal "", (ptrdiff_t)sizeof(literal) - 1})
#define BW_STR_INIT(literal)                                                                                           \
    { "" literal "", (ptrdiff_t)sizeof(literal) - 1 }

/* Copies of a C string (NULL gives the empty string), of n bytes, of a slice of bytes. n must not be negative: panic,
 * as Go's make. Example, within a function:
 *
 *     char buffer[6] = {'a', 0, 'b'};
 *     bw_string whole = bw_string_from(buffer, sizeof buffer);
 *     bw_string begin = bw_string_of(buffer);
 *     bw_slice(uint8_t) bytes = bw_bytes(begin);
 *     bw_at(bytes, 0) = 'A';
 *     bw_string other = bw_string_of_bytes(bytes);
 *     printf("%td, %td, %c\n", whole.len, begin.len, bw_at(other, 0));
 */
static inline bw_string bw_string_of(const char *text) {
    return bw__string_of(text);
}
BW_API bw_string bw_string_from(const void *ptr, ptrdiff_t n);
BW_API bw_string bw_string_of_bytes(bw_slice(uint8_t) bytes);

/* The UTF-8 of characters; each that is invalid becomes U+FFFD. */
BW_API bw_string bw_string_of_runes(bw_slice(bw_rune) runes);
BW_API bw_string bw_string_of_rune(bw_rune r);

/* Copies of a string: its bytes; its characters; a C string for other libraries, which ends at the first NUL within s
 * as far as those are concerned (bw_str_index_byte(s, 0) finds one). */
BW_API bw_slice(uint8_t) bw_bytes(bw_string s);
BW_API bw_slice(bw_rune) bw_runes(bw_string s);
BW_API char *bw_cstr(bw_string s) __attribute__((returns_nonnull, warn_unused_result));

/* bw_string bw_concat(a, b, ...): all of them, one behind the other. Each may be a bw_string or a C string. Cost: one
 * allocation, and each byte is copied once. Example, within a function:
 *
 *     bw_string path = bw_concat("/home/", bw_string_of("me"), "/", bw_itoa(7), ".txt");
 *     FILE *file = fopen(bw_cstr(path), "r");
 *     if (file)
 *         fclose(file);
 */
#define bw_concat(...) BW__CONCAT(BW__UNIQUE(parts), __VA_ARGS__)
#define BW__CONCAT(parts_, ...)                                                                                        \
    ({                                                                                                                 \
        const bw_string parts_[] = {BW__FOR_EACH(BW__CONCAT_PART, , __VA_ARGS__)};                                     \
        bw__concat(parts_, sizeof parts_ / sizeof(bw_string));                                                         \
    })
#define BW__CONCAT_PART(context, x)                                                                                    \
    _Generic((x), bw_string : bw__view_of_string, char * : bw__view_of_text, const char * : bw__view_of_text)(x),
static inline bw_string bw__view_of_string(bw_string s) {
    return s;
}
static inline bw_string bw__view_of_text(const char *text) {
    return (bw_string){text, text ? (ptrdiff_t)__builtin_strlen(text) : 0};
}
BW_API bw_string bw__concat(const bw_string *parts, size_t count);

/* The bytes lo to hi - 1, sharing memory. Panics unless 0 <= lo <= hi <= s.len: "runtime error: slice bounds out of
 * range ...". Example, within a function:
 *
 *     bw_string s = bw_str("hello, world");
 *     bw_string world = bw_substr(s, 7, bw_len(s));
 *     printf("%.*s\n", (int)world.len, world.ptr);
 */
static inline bw_string bw_substr(bw_string s, ptrdiff_t lo, ptrdiff_t hi) {
    if (BW__UNLIKELY((size_t)hi > (size_t)s.len || (size_t)lo > (size_t)hi))
        bw__panic_slice(lo, hi, s.len, true);
    /* No string holds an address one past an object's end alone. */
    return hi > lo ? (bw_string){s.ptr + lo, hi - lo} : (bw_string){NULL, 0};
}

/* --- comparing: by bytes, which for valid UTF-8 is by characters --- */

static inline bool bw_str_eq(bw_string a, bw_string b) {
    return a.len == b.len && (a.len == 0 || __builtin_memcmp(a.ptr, b.ptr, (size_t)a.len) == 0);
}
/* -1, 0 or 1. */
static inline int bw_str_cmp(bw_string a, bw_string b) {
    ptrdiff_t both = a.len < b.len ? a.len : b.len;
    int order = both ? __builtin_memcmp(a.ptr, b.ptr, (size_t)both) : 0;
    return order ? (order > 0) - (order < 0) : (a.len > b.len) - (a.len < b.len);
}
static inline bool bw_str_less(bw_string a, bw_string b) {
    return bw_str_cmp(a, b) < 0;
}
/* Are they equal but for upper and lower case? By Unicode's simple case folding: "ß" and "ẞ" are, "ß" and "SS" are
 * not. */
BW_API bool bw_str_equal_fold(bw_string a, bw_string b);
/* Equal strings have equal hashes, different seeds give different ones (XXH3). Not for cryptography; may change with
 * the library's version. */
BW_API uint64_t bw_str_hash(bw_string s, uint64_t seed);

/* --- searching. Example, within a function:
 *
 *     bw_string s = bw_str("a,b;c");
 *     ptrdiff_t comma = bw_str_index(s, bw_str(",")), last = bw_str_last_index(s, bw_str(";"));
 *     ptrdiff_t either = bw_str_index_any(s, bw_str(";,"));
 *     if (comma >= 0 && bw_str_has_prefix(s, bw_str("a")) && !bw_str_contains(s, bw_str("d")))
 *         printf("%td %td %td\n", comma, last, either);
 *
 * --- */

/* Where `sub` is in s for the first or last time, in bytes; -1: nowhere. An empty `sub` is at 0, and last at s.len. */
BW_API ptrdiff_t bw_str_index(bw_string s, bw_string sub);
BW_API ptrdiff_t bw_str_last_index(bw_string s, bw_string sub);
BW_API ptrdiff_t bw_str_index_byte(bw_string s, char byte);
/* Of a character. U+FFFD is also where invalid UTF-8 is; a character that is itself invalid is nowhere. */
BW_API ptrdiff_t bw_str_index_rune(bw_string s, bw_rune r);
/* Of the first character that is one of those in `chars`. Cost: each character of s takes time proportional to the
 * logarithm of the number of characters beyond ASCII in `chars`; more than 64 of these take memory. */
BW_API ptrdiff_t bw_str_index_any(bw_string s, bw_string chars);
static inline bool bw_str_contains(bw_string s, bw_string sub) {
    return bw_str_index(s, sub) >= 0;
}
static inline bool bw_str_has_prefix(bw_string s, bw_string prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || __builtin_memcmp(s.ptr, prefix.ptr, (size_t)prefix.len) == 0);
}
static inline bool bw_str_has_suffix(bw_string s, bw_string suffix) {
    return s.len >= suffix.len &&
           (suffix.len == 0 || __builtin_memcmp(s.ptr + (s.len - suffix.len), suffix.ptr, (size_t)suffix.len) == 0);
}
/* How often `sub` is in s, without overlap. An empty `sub`: the number of characters, and one more. */
BW_API ptrdiff_t bw_str_count(bw_string s, bw_string sub);

/* --- taking apart and putting together. Example, within a function:
 *
 *     bw_slice(bw_string) words = bw_str_fields(bw_str("  to be  or not "));
 *     bw_string line = bw_str_join(words, bw_str(" "));
 *     bw_slice(bw_string) parts = bw_str_split(line, bw_str(" "));
 *     printf("%td %td\n", bw_len(words), bw_len(parts));
 *     line = bw_str_replace_all(line, bw_str("be"), bw_str("see"));
 *     line = bw_concat(line, bw_str_repeat(bw_str("!"), 3));
 *
 * --- */

/* The parts of s between the separators; they share its memory. An empty separator splits into characters. split_n
 * gives at most n parts, of which the last is the unsplit rest; n 0 gives nil, a negative n all. Cost: one slice. */
BW_API bw_slice(bw_string) bw_str_split(bw_string s, bw_string separator);
BW_API bw_slice(bw_string) bw_str_split_n(bw_string s, bw_string separator, ptrdiff_t n);
/* The parts between runs of white space; none is empty. */
BW_API bw_slice(bw_string) bw_str_fields(bw_string s);
/* The elements with the separator between them. Panics if the length is out of range: "strings: Join output length
 * overflow". */
BW_API bw_string bw_str_join(bw_slice(bw_string) elements, bw_string separator);
/* `count` times s. Panics if count is negative ("strings: negative Repeat count") or the length is out of range
 * ("strings: Repeat output length overflow"). */
BW_API bw_string bw_str_repeat(bw_string s, ptrdiff_t count);
/* s with the first n occurrences of `from` replaced by `to`, without overlap; a negative n: all. An empty `from` is
 * before each character and at the end. Without an occurrence the result is s itself. */
BW_API bw_string bw_str_replace(bw_string s, bw_string from, bw_string to, ptrdiff_t n);
BW_API bw_string bw_str_replace_all(bw_string s, bw_string from, bw_string to);

/* s without the characters of `cutset`, or without white space, at its ends, or at one of them. Cost: nothing is
 * copied; as bw_str_index_any for each character that is cut. */
BW_API bw_string bw_str_trim(bw_string s, bw_string cutset);
BW_API bw_string bw_str_trim_left(bw_string s, bw_string cutset);
BW_API bw_string bw_str_trim_right(bw_string s, bw_string cutset);
BW_API bw_string bw_str_trim_space(bw_string s);
/* s without the prefix or suffix, once, if it is there. */
static inline bw_string bw_str_trim_prefix(bw_string s, bw_string prefix) {
    return bw_str_has_prefix(s, prefix) ? bw_substr(s, prefix.len, s.len) : s;
}
static inline bw_string bw_str_trim_suffix(bw_string s, bw_string suffix) {
    return bw_str_has_suffix(s, suffix) ? bw_substr(s, 0, s.len - suffix.len) : s;
}
/* Is the separator in s? What is before and after its first occurrence; s and "" if it is not there. Either pointer
 * may be NULL. */
BW_API bool bw_str_cut(bw_string s, bw_string separator, bw_string *before, bw_string *after);

/* Each character mapped by bw_rune_to_upper, or _to_lower; invalid UTF-8 becomes U+FFFD. s itself if nothing
 * changes. */
BW_API bw_string bw_str_to_upper(bw_string s);
BW_API bw_string bw_str_to_lower(bw_string s);

/* --- UTF-8 and characters --- */

#define BW_RUNE_ERROR ((bw_rune)0xFFFD) /* what invalid UTF-8 decodes to */
#define BW_RUNE_MAX ((bw_rune)0x10FFFF)

BW_API bw_rune bw__rune_decode(const char *ptr, ptrdiff_t n, ptrdiff_t *size);

/* The first or last character of s, and its size in bytes (`size` may be NULL). Invalid UTF-8: U+FFFD and size 1; the
 * empty string: U+FFFD and size 0. Example, within a function:
 *
 *     bw_string s = bw_str("äb");
 *     ptrdiff_t size;
 *     bw_rune first = bw_rune_decode(s, &size);
 *     char utf8[4];
 *     int n = bw_rune_encode(utf8, bw_rune_to_upper(first));
 *     printf("%td bytes: %.*s\n", size, n, utf8);
 */
static inline bw_rune bw_rune_decode(bw_string s, ptrdiff_t *size) {
    ptrdiff_t ignored;
    return bw__rune_decode(s.ptr, s.len, size ? size : &ignored);
}
BW_API bw_rune bw_rune_decode_last(bw_string s, ptrdiff_t *size);
/* Writes the UTF-8 of r, or of U+FFFD if r is invalid, and returns its size, 1 to 4. */
BW_API int bw_rune_encode(char out[4], bw_rune r);
/* The size of r in UTF-8; -1 if it is invalid. */
BW_API int bw_rune_len(bw_rune r);
static inline bool bw_rune_valid(bw_rune r) {
    return (uint32_t)r < 0xD800 || ((uint32_t)r > 0xDFFF && (uint32_t)r <= 0x10FFFF);
}
/* The number of characters. */
BW_API ptrdiff_t bw_rune_count(bw_string s);
/* Is it valid UTF-8? */
BW_API bool bw_str_valid(bw_string s);
/* s with each run of invalid bytes replaced; s itself if there is none. */
BW_API bw_string bw_str_to_valid(bw_string s, bw_string replacement);

/* bw_range_runes(i, r, s) statement: runs the statement for each character r (bw_rune) of s, with the position i
 * (ptrdiff_t) of its first byte. s is evaluated once. `break` and `continue` do what they say.
 * Example, within a function:
 *
 *     int letters = 0;
 *     bw_range_runes(i, r, bw_str("naïve 7")) {
 *         if (bw_rune_is_space(r))
 *             break;
 *         letters += bw_rune_is_letter(r);
 *     }
 *     printf("%d\n", letters);
 */
#define bw_range_runes(i, r, ...)                                                                                      \
    BW__RANGE_RUNES(BW__UNIQUE(string), BW__UNIQUE(state), BW__UNIQUE(next), BW__UNIQUE(inside), i, r, __VA_ARGS__)
#define BW__RANGE_RUNES(string_, state_, next_, inside_, i, r, ...)                                                    \
    for (bw_string string_ = (__VA_ARGS__), *state_ = &string_; state_; state_ = NULL)                                 \
        for (ptrdiff_t next_ = 0, i = 0; state_ && (i = next_) < string_.len;)                                         \
            for (int inside_ = (state_ = NULL, 1); inside_; inside_ = 0)                                               \
                for (__attribute__((unused)) bw_rune r = bw__rune_next(string_, &next_); inside_;                      \
                     inside_ = 0, state_ = &string_)
static inline bw_rune bw__rune_next(bw_string s, ptrdiff_t *next) {
    unsigned char first = (unsigned char)s.ptr[*next];
    if (BW__LIKELY(first < 0x80)) {
        ++*next;
        return first;
    }
    ptrdiff_t size;
    bw_rune r = bw__rune_decode(s.ptr + *next, s.len - *next, &size);
    *next += size;
    return r;
}

/* What Unicode 17.0 says of a character, as Go has it: of general category L, Nd, Lu, Ll, P; White_Space; L, M, N, P,
 * S or the ASCII space. Cost: for ASCII a few instructions, else a binary search. Example, within a function:
 *
 *     if (bw_rune_is_upper(0x00C4) && bw_rune_to_lower(0x00C4) == 0x00E4)
 *         printf("umlauts have case\n");
 */
BW_API bool bw_rune_is_letter(bw_rune r);
BW_API bool bw_rune_is_digit(bw_rune r);
BW_API bool bw_rune_is_upper(bw_rune r);
BW_API bool bw_rune_is_lower(bw_rune r);
BW_API bool bw_rune_is_punct(bw_rune r);
BW_API bool bw_rune_is_space(bw_rune r);
BW_API bool bw_rune_is_print(bw_rune r);
/* The simple mapping, of one character to one; r itself if it has none. */
BW_API bw_rune bw_rune_to_upper(bw_rune r);
BW_API bw_rune bw_rune_to_lower(bw_rune r);

/* --- building a string piece by piece --- */

/* A growing buffer. The zero value is ready for use. A copy that is written to has a buffer of its own from then on.
 * Not for use by several threads at once. Example, within a function:
 *
 *     bw_builder b = {0};
 *     for (int i = 0; i < 3; i++) {
 *         bw_append_int(&b, i, 10);
 *         bw_builder_write_byte(&b, ' ');
 *     }
 *     bw_builder_write_cstr(&b, "and so on");
 *     bw_string s = bw_builder_string(&b);
 *     printf("%.*s\n", (int)s.len, s.ptr);
 */
typedef struct bw_builder {
    char *bw__ptr;
    ptrdiff_t bw__len, bw__cap;
    uintptr_t bw__self; /* the address of the builder whose buffer it is, complemented */
} bw_builder;

/* What has been written so far, without copying: writing more does not change it. */
static inline bw_string bw_builder_string(const bw_builder *b) {
    return (bw_string){b->bw__ptr, b->bw__len};
}
static inline ptrdiff_t bw_builder_len(const bw_builder *b) {
    return b->bw__len;
}
/* Empties it, and forgets the buffer, which strings may share. */
static inline void bw_builder_reset(bw_builder *b) {
    *b = (bw_builder){NULL, 0, 0, 0};
}
/* Makes room for n bytes more. Panics if n is negative: "strings.Builder.Grow: negative count". */
BW_API void bw_builder_grow(bw_builder *b, ptrdiff_t n);
BW_API char *bw__builder_extend(bw_builder *b, ptrdiff_t n); /* n bytes at the end, yet to be written */

/* Write at the end. Cost: amortised that of copying the bytes. bw_builder_write copies n bytes, which may lie in the
 * builder's own string; write_cstr up to the NUL. An invalid character is written as U+FFFD. */
BW_API void bw_builder_write(bw_builder *b, const void *ptr, ptrdiff_t n);
static inline void bw_builder_write_string(bw_builder *b, bw_string s) {
    bw_builder_write(b, s.ptr, s.len);
}
static inline void bw_builder_write_cstr(bw_builder *b, const char *text) {
    bw_builder_write(b, text, text ? (ptrdiff_t)__builtin_strlen(text) : 0);
}
static inline void bw_builder_write_bytes(bw_builder *b, bw_slice(uint8_t) bytes) {
    bw_builder_write(b, bytes.ptr, bytes.len);
}
static inline void bw_builder_write_byte(bw_builder *b, char byte) {
    if (BW__LIKELY(b->bw__len < b->bw__cap && b->bw__self == ~(uintptr_t)b))
        b->bw__ptr[b->bw__len++] = byte;
    else
        *bw__builder_extend(b, 1) = byte;
}
BW_API void bw_builder_write_rune(bw_builder *b, bw_rune r);

/* --- numbers from text --- */

/* What the errors of parsing wrap: bw_errors_is(err, bw_err_range()). "invalid syntax" and "value out of range". */
BW_API bw_error bw_err_syntax(void);
BW_API bw_error bw_err_range(void);

/* An integer in a base from 2 to 36, or base 0: by the prefix 0b, 0o or 0, 0x, else decimal, with underscores as in
 * Go's literals. It must fit in `bits` bits, 1 to 64 (0 is 64). parse_int takes a sign, parse_uint does not. Errors
 * say, word for word as in Go,
 *     strconv.ParseInt: parsing "x": invalid syntax
 *     strconv.ParseInt: parsing "999": value out of range
 * and wrap bw_err_syntax() or bw_err_range(); others are "invalid base 1" and "invalid bit size 65". *out is then 0,
 * or the limit that was exceeded. Cost: nanoseconds; an error allocates. Example, within a function:
 *
 *     int64_t value;
 *     bw_error err = bw_parse_int(bw_str("-0x_ff"), 0, 16, &value);
 *     if (bw_is_nil(err))
 *         printf("%lld\n", (long long)value);
 *     int number;
 *     err = bw_atoi(bw_str("12 "), &number);
 *     if (!bw_is_nil(err)) {
 *         bw_string message = bw_call(err, error);
 *         printf("%.*s\n", (int)message.len, message.ptr);
 *     }
 */
BW_API bw_error bw_parse_int(bw_string s, int base, int bits, int64_t *out);
BW_API bw_error bw_parse_uint(bw_string s, int base, int bits, uint64_t *out);
/* A decimal int, of 32 bits. */
BW_API bw_error bw_atoi(bw_string s, int *out);
/* 1, t, T, true, TRUE, True, and the like for false. */
BW_API bw_error bw_parse_bool(bw_string s, bool *out);
/* A decimal or (0x1.8p3) hexadecimal number, inf, infinity or nan in any case, with underscores between digits: the
 * nearest double, or float if bits is 32. Too large: an infinity, and the error wraps bw_err_range(). Rounding is
 * correct, as the C library's strtod has it, which does the hard cases. */
BW_API bw_error bw_parse_float(bw_string s, int bits, double *out);

/* --- text from numbers. Example, within a function:
 *
 *     bw_string hex = bw_format_int(255, 16), count = bw_itoa(-7);
 *     bw_string shortest = bw_format_float(0.1, 'g', -1, 64), money = bw_format_float(2.5, 'f', 2, 64);
 *     bw_string line = bw_concat(hex, " ", count, " ", shortest, " ", money, "\n");
 *     printf("%.*s", (int)line.len, line.ptr);
 *
 * --- */

/* Bases 2 to 36, with small letters; another panics: "strconv: illegal AppendInt/FormatInt base". Cost: the
 * allocation; none up to 99. */
BW_API bw_string bw_format_int(int64_t value, int base);
BW_API bw_string bw_format_uint(uint64_t value, int base);
BW_API bw_string bw_itoa(int64_t value);
static inline bw_string bw_format_bool(bool value) {
    return value ? bw_str("true") : bw_str("false");
}
/* `format` is 'e' or 'E' (-d.dddde±dd), 'f' (-ddd.dddd), 'g' or 'G' ('e' for large exponents, else 'f'), 'b'
 * (-ddddp±ddd, the exponent is binary), 'x' or 'X' (-0x1.yyyp±dd). `precision` is the number of digits behind the
 * point, for 'g' of significant ones; -1 is as few as are needed for bw_parse_float to give the same value (of these
 * the nearest). `bits` is 64, or 32 for a value that was a float; another panics: "strconv: illegal FormatFloat
 * bitSize". Cost: the shortest form 50 ns (Schubfach), a given precision as snprintf, which does it. */
BW_API bw_string bw_format_float(double value, char format, int precision, int bits);

/* The same, written to a builder. */
BW_API void bw_append_int(bw_builder *b, int64_t value, int base);
BW_API void bw_append_uint(bw_builder *b, uint64_t value, int base);
BW_API void bw_append_float(bw_builder *b, double value, char format, int precision, int bits);
static inline void bw_append_bool(bw_builder *b, bool value) {
    bw_builder_write_string(b, bw_format_bool(value));
}

/* --- quoting --- */

/* A Go literal: in double quotes, or single ones of a character, with escapes (\t, \n, \xFF, \u0100) for what is not
 * printable; _ascii: for what is not ASCII, too. Example, within a function:
 *
 *     bw_string quoted = bw_quote(bw_str("a \"b\"\n")), plain;
 *     if (bw_is_nil(bw_unquote(quoted, &plain)))
 *         printf("%.*s %td\n", (int)quoted.len, quoted.ptr, plain.len);
 */
BW_API bw_string bw_quote(bw_string s);
BW_API bw_string bw_quote_ascii(bw_string s);
BW_API bw_string bw_quote_rune(bw_rune r);
BW_API bw_string bw_quote_rune_ascii(bw_rune r);
BW_API void bw_append_quote(bw_builder *b, bw_string s);
BW_API void bw_append_quote_ascii(bw_builder *b, bw_string s);
BW_API void bw_append_quote_rune(bw_builder *b, bw_rune r);
/* What a Go literal in double, single or back quotes stands for; else bw_err_syntax(), and *out is empty. Shares
 * memory if there is no escape. */
BW_API bw_error bw_unquote(bw_string s, bw_string *out);

BW__END

#endif
#endif
