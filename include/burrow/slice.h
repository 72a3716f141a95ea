/* burrow/slice.h - Go's slices: a pointer, a length and a capacity, typed at compile time.
 *
 * `bw_slice(int)` is the type of a slice of int. Burrow declares those of C's own types and of its own; a program
 * declares one for each element type it uses, at file scope, where the element type is known by one word. Example:
 *
 *     BW_STRUCT(edge, (int, from), (int, to));
 *     BW_SLICE(edge);
 *
 *     bw_slice(edge) chain(int n);
 *     bw_slice(edge) chain(int n) {
 *         bw_slice(edge) edges = {0};
 *         for (int i = 1; i < n; i++)
 *             edges = bw_append(edges, ((edge){i - 1, i}));
 *         return edges;
 *     }
 *
 * (A comma within braces must be within parentheses: the preprocessor does not know braces.) For a type of several
 * words make a typedef: `typedef struct edge *edge_ptr; BW_SLICE(edge_ptr);`.
 *
 * A slice is a value. Copies and parts of it share its elements, and appending to one may write where another looks,
 * exactly as in Go. The zero value is the nil slice, which may be appended to, ranged over, copied. An index or a bound
 * out of range panics in Go's words, before anything is touched. Slices are not safe for use by several threads while
 * one writes.
 *
 * Each macro evaluates each of its arguments once. What the compiler rejects or warns about: elements of another type,
 * a slice given for a slice of other elements, an index that is no number, an assignment to bw_at of a string.
 * Example, within a function:
 *
 *     bw_slice(int) squares = bw_make_slice(int, 0, 10);
 *     for (int i = 0; i < 5; i++)
 *         squares = bw_append(squares, i * i);
 *     bw_at(squares, 0) = 100;
 *     bw_slice(int) last = bw_sub(squares, 3, bw_len(squares));
 *     bw_range(i, v, last)
 *         printf("%td: %d\n", i, v);
 */
#ifndef BURROW_SLICE_H
#define BURROW_SLICE_H

#include <burrow/memory.h>

#ifndef __cplusplus

/* The type of slices of T: T is one word, for which BW_SLICE(T) was written. */
#define bw_slice(T) struct bw_slice_##T

/* The last member takes no room. What it says is a number, by which the library finds the description of a slice type
 * of which a macro has only a value: the same in every translation unit that includes the declaration. */
#define BW__SLICE_STRUCT(T, id)                                                                                        \
    struct bw_slice_##T {                                                                                              \
        T *ptr;        /* the first element; NULL in the nil slice */                                                  \
        ptrdiff_t len; /* elements */                                                                                  \
        ptrdiff_t cap; /* elements that there is room for from ptr on */                                               \
        __extension__ char (*bw__id[0])[id];                                                                           \
    }
#define BW__SLICE_ID(T) (__LINE__ * 64 + sizeof(#T))
#define BW__ID_OF(slice) ((uint32_t)sizeof(*(slice).bw__id[0]))
#define BW__PLAIN_SLICE 1

/* Declares bw_slice(T). File scope; end with a semicolon. Once in a translation unit for a type: write it where the
 * type is declared. */
#define BW_SLICE(T)                                                                                                    \
    BW__SLICE_STRUCT(T, BW__SLICE_ID(T));                                                                              \
    static const bw_field bw__fields_bw_slice_##T[] = {BW__PART("element", T)};                                        \
    static const bw__description bw__type_bw_slice_##T = {"bw_slice_" #T,                                              \
                                                          sizeof(bw_slice(T)),                                         \
                                                          _Alignof(bw_slice(T)),                                       \
                                                          bw__fields_bw_slice_##T,                                     \
                                                          1,                                                           \
                                                          BW_KIND_SLICE,                                               \
                                                          &bw__unit,                                                   \
                                                          BW__SLICE_ID(T),                                             \
                                                          false};                                                      \
    static const bw__description *bw__type_entry_bw_slice_##T __attribute__((section("bw_types"), used)) =             \
        &bw__type_bw_slice_##T

/* A place that allocates elements of a slice. */
#define BW__SLICE_SITE(slice)                                                                                          \
    {                                                                                                                  \
        0, 1, NULL, {                                                                                                  \
            NULL, "", sizeof(*(slice).ptr), _Alignof(__typeof__(*(slice).ptr)),                                        \
                BW__CLASS_OF(__typeof__(*(slice).ptr)), BW__CODE_OF(__typeof__(*(slice).ptr)),                         \
                BW__ELEMENT_SIZE(__typeof__(*(slice).ptr)), &bw__unit, BW__ID_OF(slice)                                \
        }                                                                                                              \
    }

/* Those that are there. `_Bool` is what `bool` expands to. */
BW__SLICE_STRUCT(_Bool, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(char, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(short, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(int, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(long, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(unsigned, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(int8_t, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(int16_t, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(int32_t, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(int64_t, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(uint8_t, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(uint16_t, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(uint32_t, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(uint64_t, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(size_t, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(ptrdiff_t, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(uintptr_t, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(float, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(double, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(bw_string, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(bw_rune, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(bw_any, BW__PLAIN_SLICE);
BW__SLICE_STRUCT(bw_error, BW__PLAIN_SLICE);

BW__BEGIN

/* A slice of anything, as the library's own functions see it. */
typedef struct bw__slice {
    void *ptr;
    ptrdiff_t len, cap;
} bw__slice;

/* A map of anything. */
typedef union bw__any_map {
    struct bw__map *bw__map;
} bw__any_map;

BW_API ptrdiff_t bw__map_len(const void *map);
BW_API void *bw__make_slice(bw__site *site, ptrdiff_t len, ptrdiff_t cap);
/* Room for `extra` more elements of `size` bytes: the elements are where they were, or have moved. len stays. */
BW_API bw__slice bw__slice_grow(bw__site *site, void *ptr, ptrdiff_t len, ptrdiff_t cap, ptrdiff_t extra);
BW_API void bw__sort(void *ptr, ptrdiff_t len, size_t size, int (*compare)(const void *, const void *));
BW_API ptrdiff_t bw__search(const void *ptr, ptrdiff_t len, size_t size, const void *target,
                            int (*compare)(const void *, const void *), bool *found);

/* Runtime panics, in Go's words; none of them returns. */
BW_API void bw__panic_index(ptrdiff_t index, bool is_unsigned, ptrdiff_t len) __attribute__((noreturn, cold));
/* `[lo:hi:max]` out of range for a capacity or a length; max < 0: two indices. */
BW_API void bw__panic_slice(ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t cap, bool is_string) __attribute__((noreturn, cold));
BW_API void bw__panic_slice3(ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t max, ptrdiff_t cap) __attribute__((noreturn, cold));

BW__END

/* The value of x, if its type is so, else some value of that type: for the branch of a macro that is not taken. */
#define BW__ONLY_IF(condition, x, otherwise)                                                                           \
    (*(__typeof__(__builtin_choose_expr((condition), (__typeof__((void)0, (x)) *)0,                                    \
                                        (__typeof__(otherwise) *)0)))bw__address_of((__typeof__((void)0, (x))[1]){x}))
static inline void *bw__address_of(const void *address) {
    return (void *)(uintptr_t)address;
}

/* bw_slice(T) bw_make_slice(T, len) or bw_make_slice(T, len, cap): zeroed elements. Panics as Go's make does if len or
 * cap is out of range. Cost: an allocation. */
#define bw_make_slice(T, ...) BW__MAKE_SLICE(T, BW__UNIQUE(site), BW__UNIQUE(len), BW__UNIQUE(cap), __VA_ARGS__)
#define BW__MAKE_SLICE(T, site_, len_, cap_, first, ...)                                                               \
    ({                                                                                                                 \
        static bw__site site_ = BW__SITE(T, 1);                                                                        \
        ptrdiff_t len_ = (first), cap_ = BW__SECOND_OR(len_, ##__VA_ARGS__);                                           \
        (bw_slice(T)){.ptr = bw__make_slice(&site_, len_, cap_), .len = len_, .cap = cap_};                            \
    })
#define BW__SECOND_OR(otherwise, ...) BW__FIRST(__VA_OPT__(__VA_ARGS__, ) otherwise)
#define BW__FIRST(first, ...) (first)

/* bw_slice(T) bw_slice_of(T, v...): a new slice of these elements. */
#define bw_slice_of(T, ...) BW__SLICE_OF(T, BW__UNIQUE(site), BW__UNIQUE(values), BW__UNIQUE(ptr), __VA_ARGS__)
#define BW__SLICE_OF(T, site_, values_, ptr_, ...)                                                                     \
    ({                                                                                                                 \
        static bw__site site_ = BW__SITE(T, 1);                                                                        \
        T values_[] = {__VA_ARGS__};                                                                                   \
        T *ptr_ = bw__make_slice(&site_, sizeof values_ / sizeof(T), sizeof values_ / sizeof(T));                      \
        __builtin_memcpy(ptr_, values_, sizeof values_);                                                               \
        (bw_slice(T)){.ptr = ptr_, .len = sizeof values_ / sizeof(T), .cap = sizeof values_ / sizeof(T)};              \
    })

/* bw_slice(T) bw_slice_from(T, array, n): a slice that shares the memory of n elements of a C array. The array must
 * live as long as the slice and what is made of it. Appending moves to the heap. */
#define bw_slice_from(T, array, n) BW__SLICE_FROM(T, BW__UNIQUE(ptr), BW__UNIQUE(len), array, n)
#define BW__SLICE_FROM(T, ptr_, len_, array, n)                                                                        \
    ({                                                                                                                 \
        T *ptr_ = (array);                                                                                             \
        ptrdiff_t len_ = (n);                                                                                          \
        (bw_slice(T)){.ptr = ptr_, .len = len_, .cap = len_};                                                          \
    })

/* ptrdiff_t bw_len(x): of a slice, a string, a map. ptrdiff_t bw_cap(s): of a slice. */
#define bw_len(x)                                                                                                      \
    __builtin_choose_expr(BW__IS_UNION(x), bw__map_len(BW__ONLY_IF(BW__IS_UNION(x), x, bw__any_map).bw__map),          \
                          BW__ONLY_IF(!BW__IS_UNION(x), x, bw__slice).len)
#define BW__IS_UNION(x) (__builtin_classify_type(x) == 13)
#define bw_cap(s) ((s).cap)

/* T bw_at(s, i): the element, which may be assigned to; of a string, its byte. Panics if i is out of range. */
#define bw_at(s, i) (*BW__AT(BW__UNIQUE(slice), BW__UNIQUE(index), s, i))
#define BW__AT(slice_, index_, s, i)                                                                                   \
    ({                                                                                                                 \
        __typeof__(s) slice_ = (s);                                                                                    \
        __auto_type index_ = (i);                                                                                      \
        if (BW__UNLIKELY((size_t)index_ >= (size_t)slice_.len))                                                        \
            bw__panic_index((ptrdiff_t)index_, (__typeof__(index_))-1 > 0, slice_.len);                                \
        slice_.ptr + index_;                                                                                           \
    })

/* bw_append(s, v...): s with the values behind its end; bw_append_slice(s, t): with the elements of t, a slice of the
 * same type. The result shares the elements of s if there is room, else it has new memory of about twice the size (a
 * quarter more, when large): amortised a few nanoseconds an element. Use: s = bw_append(s, v). */
#define bw_append(s, ...)                                                                                              \
    BW__APPEND(BW__UNIQUE(slice), BW__UNIQUE(values), BW__UNIQUE(site), BW__UNIQUE(grown), s, __VA_ARGS__)
#define BW__APPEND(slice_, values_, site_, grown_, s, ...)                                                             \
    ({                                                                                                                 \
        __typeof__(s) slice_ = (s);                                                                                    \
        __typeof__(*slice_.ptr) values_[] = {__VA_ARGS__};                                                             \
        if (BW__UNLIKELY(slice_.cap - slice_.len < (ptrdiff_t)(sizeof values_ / sizeof values_[0]))) {                 \
            static bw__site site_ = BW__SLICE_SITE(s);                                                                 \
            bw__slice grown_ =                                                                                         \
                bw__slice_grow(&site_, slice_.ptr, slice_.len, slice_.cap, sizeof values_ / sizeof values_[0]);        \
            slice_.ptr = grown_.ptr;                                                                                   \
            slice_.cap = grown_.cap;                                                                                   \
        }                                                                                                              \
        __builtin_memcpy(slice_.ptr + slice_.len, values_, sizeof values_);                                            \
        slice_.len += (ptrdiff_t)(sizeof values_ / sizeof values_[0]);                                                 \
        slice_;                                                                                                        \
    })
#define bw_append_slice(s, t)                                                                                          \
    BW__APPEND_SLICE(BW__UNIQUE(slice), BW__UNIQUE(more), BW__UNIQUE(site), BW__UNIQUE(grown), s, t)
#define BW__APPEND_SLICE(slice_, more_, site_, grown_, s, t)                                                           \
    ({                                                                                                                 \
        __typeof__(s) slice_ = (s);                                                                                    \
        __typeof__(s) more_ = (t);                                                                                     \
        if (BW__UNLIKELY(slice_.cap - slice_.len < more_.len)) {                                                       \
            static bw__site site_ = BW__SLICE_SITE(s);                                                                 \
            bw__slice grown_ = bw__slice_grow(&site_, slice_.ptr, slice_.len, slice_.cap, more_.len);                  \
            slice_.ptr = grown_.ptr;                                                                                   \
            slice_.cap = grown_.cap;                                                                                   \
        }                                                                                                              \
        if (more_.len > 0)                                                                                             \
            __builtin_memmove(slice_.ptr + slice_.len, more_.ptr, (size_t)more_.len * sizeof *more_.ptr);              \
        slice_.len += more_.len;                                                                                       \
        slice_;                                                                                                        \
    })

/* bw_sub(s, lo, hi): the elements lo to hi - 1, sharing memory; its capacity reaches to that of s. bw_sub(s, lo, hi,
 * max): with capacity max - lo. Panics unless 0 <= lo <= hi <= max <= bw_cap(s). For strings: bw_substr. */
#define bw_sub(s, lo, ...)                                                                                             \
    BW__SUB(BW__UNIQUE(slice), BW__UNIQUE(low), BW__UNIQUE(high), BW__UNIQUE(limit), s, lo, __VA_ARGS__)
#define BW__SUB(slice_, lo_, hi_, max_, s, lo, hi, ...)                                                                \
    ({                                                                                                                 \
        __typeof__(s) slice_ = (s);                                                                                    \
        ptrdiff_t lo_ = (lo), hi_ = (hi), max_ = BW__SECOND_OR(slice_.cap, ##__VA_ARGS__);                             \
        if (BW__UNLIKELY((size_t)max_ > (size_t)slice_.cap || (size_t)hi_ > (size_t)max_ ||                            \
                         (size_t)lo_ > (size_t)hi_))                                                                   \
            BW__IF_EMPTY((bw__panic_slice(lo_, hi_, slice_.cap, false)),                                               \
                         (bw__panic_slice3(lo_, hi_, max_, slice_.cap)), ##__VA_ARGS__);                               \
        /* No slice holds an address one past an object's end alone. */                                                \
        if (max_ > lo_)                                                                                                \
            slice_.ptr += lo_;                                                                                         \
        slice_.len = hi_ - lo_;                                                                                        \
        slice_.cap = max_ - lo_;                                                                                       \
        slice_;                                                                                                        \
    })
#define BW__IF_EMPTY(then, otherwise, ...) BW__THIRD(, ##__VA_ARGS__, otherwise, then)
#define BW__THIRD(a, b, c, ...) c

/* ptrdiff_t bw_copy(dst, src): copies as many elements as both have, and returns their number. They may overlap. */
#define bw_copy(dst, src) BW__SLICE_COPY(BW__UNIQUE(to), BW__UNIQUE(from), BW__UNIQUE(count), dst, src)
#define BW__SLICE_COPY(to_, from_, count_, dst, src)                                                                   \
    ({                                                                                                                 \
        __typeof__(dst) to_ = (dst);                                                                                   \
        __typeof__(dst) from_ = (src);                                                                                 \
        ptrdiff_t count_ = to_.len < from_.len ? to_.len : from_.len;                                                  \
        if (count_ > 0)                                                                                                \
            __builtin_memmove(to_.ptr, from_.ptr, (size_t)count_ * sizeof *to_.ptr);                                   \
        count_;                                                                                                        \
    })

/* bw_slice(T) bw_clone(s): a copy with memory of its own; nil stays nil. */
#define bw_clone(s) BW__CLONE(BW__UNIQUE(slice), BW__UNIQUE(site), BW__UNIQUE(grown), s)
#define BW__CLONE(slice_, site_, grown_, s)                                                                            \
    ({                                                                                                                 \
        static bw__site site_ = BW__SLICE_SITE(s);                                                                     \
        __typeof__(s) slice_ = (s);                                                                                    \
        if (slice_.ptr != NULL) {                                                                                      \
            void *grown_ = bw__make_slice(&site_, slice_.len, slice_.len);                                             \
            __builtin_memcpy(grown_, slice_.ptr, (size_t)slice_.len * sizeof *slice_.ptr);                             \
            slice_.ptr = grown_;                                                                                       \
            slice_.cap = slice_.len;                                                                                   \
        }                                                                                                              \
        slice_;                                                                                                        \
    })

/* bw_range(i, v, s) statement: runs the statement for each element, with its index in `i` (ptrdiff_t) and a copy of it
 * in `v`. The slice is evaluated once, and its length is that at the beginning. Works for the bytes of strings, too
 * (for the runes: bw_range_runes). `break` and `continue` do what they say. */
#define bw_range(i, v, s) BW__RANGE(BW__UNIQUE(slice), BW__UNIQUE(state), BW__UNIQUE(inside), i, v, s)
#define BW__RANGE(slice_, state_, inside_, i, v, s)                                                                    \
    for (__typeof__(s) slice_ = (s), *state_ = &slice_; state_; state_ = NULL)                                         \
        for (ptrdiff_t i = 0; state_ && i < slice_.len; i++)                                                           \
            for (int inside_ = (state_ = NULL, 1); inside_; inside_ = 0)                                               \
                for (__attribute__((unused)) __typeof__(*slice_.ptr) v = slice_.ptr[i]; inside_;                       \
                     inside_ = 0, state_ = &slice_)

/* bw_sort(s, compare): sorts in place; not stable. `int compare(const T *a, const T *b)` is negative, 0 or positive as
 * a comes before b, is equal, or comes after it. Cost: n log n comparisons at most; no memory. (Introsort: quicksort by
 * ninthers with heapsort against bad luck; Musser, "Introspective sorting and selection algorithms", 1997.)
 * bw_sort_values(s): slices of numbers or strings, ascending; NaN comes first. */
#define bw_sort(s, compare) BW__SORT(BW__UNIQUE(slice), BW__UNIQUE(order), s, compare)
#define BW__SORT(slice_, compare_, s, compare)                                                                         \
    ({                                                                                                                 \
        __typeof__(s) slice_ = (s);                                                                                    \
        int (*compare_)(const __typeof__(*slice_.ptr) *, const __typeof__(*slice_.ptr) *) = (compare);                 \
        bw__sort(slice_.ptr, slice_.len, sizeof *slice_.ptr, (int (*)(const void *, const void *))compare_);           \
    })
#define bw_sort_values(s) BW__SORT_VALUES(BW__UNIQUE(slice), s)
#define BW__SORT_VALUES(slice_, s)                                                                                     \
    ({                                                                                                                 \
        __typeof__(s) slice_ = (s);                                                                                    \
        _Static_assert(BW__IS_ORDERED(*slice_.ptr), "bw_sort_values sorts numbers and strings; others: bw_sort");      \
        bw__sort(slice_.ptr, slice_.len, sizeof *slice_.ptr, bw__comparison(BW__BASIC_KIND(*slice_.ptr)));             \
    })
#define BW__IS_ORDERED(x) (BW__BASIC_KIND(x) >= BW_KIND_CHAR && BW__BASIC_KIND(x) <= BW_KIND_STRING)

/* ptrdiff_t bw_search(s, target, compare, &found): where in a slice sorted by `compare` the target is, or else would
 * have to be inserted; the first such place. `found` (a bool *) may be NULL. Cost: log n comparisons.
 * bw_search_values(s, target, &found): the same for slices of numbers or strings. */
#define bw_search(s, target, compare, found)                                                                           \
    BW__SEARCH(BW__UNIQUE(slice), BW__UNIQUE(sought), BW__UNIQUE(order), s, target, compare, found)
#define BW__SEARCH(slice_, target_, compare_, s, target, compare, found)                                               \
    ({                                                                                                                 \
        __typeof__(s) slice_ = (s);                                                                                    \
        __typeof__(*slice_.ptr) target_ = (target);                                                                    \
        int (*compare_)(const __typeof__(*slice_.ptr) *, const __typeof__(*slice_.ptr) *) = (compare);                 \
        bw__search(slice_.ptr, slice_.len, sizeof *slice_.ptr, &target_,                                               \
                   (int (*)(const void *, const void *))compare_, (found));                                            \
    })
#define bw_search_values(s, target, found) BW__SEARCH_VALUES(BW__UNIQUE(slice), BW__UNIQUE(sought), s, target, found)
#define BW__SEARCH_VALUES(slice_, target_, s, target, found)                                                           \
    ({                                                                                                                 \
        __typeof__(s) slice_ = (s);                                                                                    \
        __typeof__(*slice_.ptr) target_ = (target);                                                                    \
        _Static_assert(BW__IS_ORDERED(*slice_.ptr), "bw_search_values wants numbers or strings; others: bw_search");   \
        bw__search(slice_.ptr, slice_.len, sizeof *slice_.ptr, &target_, bw__comparison(BW__BASIC_KIND(*slice_.ptr)),  \
                   (found));                                                                                           \
    })

BW__BEGIN
BW_API int (*bw__comparison(int kind))(const void *, const void *);
/* The type of a slice whose elements are of a basic kind, or are in the heap at `ptr`. */
BW_API const bw_type *bw__slice_type(uint32_t element_kind, const void *ptr, size_t element_size);
BW__END

#endif
#endif
