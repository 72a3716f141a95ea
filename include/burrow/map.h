/* burrow/map.h - Go's maps: hash tables from any type of keys to any type of values, typed at compile time.
 *
 * BW_MAP declares a map type, at file scope. A value of it is one pointer; copies refer to the same map. Example:
 *
 *     BW_MAP(word_count, bw_string, int);
 *
 *     word_count count(bw_slice(bw_string) words);
 *     word_count count(bw_slice(bw_string) words) {
 *         word_count counts = bw_make_map(word_count);
 *         bw_range(i, word, words)
 *             bw_put(counts, word) += 1;
 *         bw_map_range(word, n, counts)
 *             if (n == 1)
 *                 bw_delete(counts, word);
 *         return counts;
 *     }
 *
 * Keys are compared as Go compares them: numbers by value (0 and -0 are one key, NaN is never found again), bw_string
 * by its bytes, pointers (char * among them) by address, described structs field by field, errors and bw_any by type
 * and value (a type that cannot be compared panics: "runtime error: hash of unhashable type ..."). Keys of structs that
 * nobody described panic in the same way.
 *
 * The zero value is the nil map: it reads as empty, and writing to it panics. Iteration is in random order; entries may
 * be inserted, deleted and changed meanwhile: one that is deleted before it is reached is not seen, one that is
 * inserted may be or not, every other is seen once. A map may be read by several threads at once; a write beside
 * another access ends the program when it is noticed: "fatal error: concurrent map writes".
 *
 * Growing never takes long: a map of any size is made of tables of at most 994 slots, and only one of them is rebuilt
 * at a time; so is it when it shrinks, which it does once most entries are deleted. (Tables that are split through a
 * directory: Fagin, Nievergelt, Pippenger and Strong, "Extendible hashing", 1979; groups of slots matched by tags at
 * once: the Swiss tables of Abseil; overflow bits instead of tombstones: Boost's unordered_flat_map.)
 *
 * What the compiler rejects or warns about: keys and values of other types, a map given for a map of another type, a
 * result variable of another type for bw_lookup.
 */
#ifndef BURROW_MAP_H
#define BURROW_MAP_H

#include <burrow/slice.h>

#ifndef __cplusplus

struct bw__map;

/* Declares the type `name` of maps from K to V. File scope; end with a semicolon. Types of an alignment over 8 bytes
 * are rejected. */
#define BW_MAP(name, K, V)                                                                                             \
    typedef union name {                                                                                               \
        struct bw__map *bw__map;                                                                                       \
        __typeof__(K) *bw__key;                                                                                        \
        __typeof__(V) *bw__value;                                                                                      \
    } name;                                                                                                            \
    _Static_assert(_Alignof(K) <= 8 && _Alignof(V) <= 8, "a map's keys and values are aligned to 8 bytes at most");    \
    static const bw_field bw__fields_##name[] = {BW__PART("key", K), BW__PART("value", V)};                            \
    BW__DESCRIBE(name, name, BW_KIND_MAP)

/* How keys are found: known to the compiler, and to the library by the map's type. SMALL: a value fits into what keys
 * of that kind leave of 8, 16 or 24 bytes. */
enum { BW__KEY_GENERAL, BW__KEY_4, BW__KEY_8, BW__KEY_STRING, BW__KEY_SMALL = 8 };
#define BW__KEY_WAY(key, value)                                                                                        \
    (BW__BASIC_KIND(key) == BW_KIND_INT || BW__BASIC_KIND(key) == BW_KIND_UINT                                         \
         ? BW__KEY_4 | (sizeof(value) <= 4 ? BW__IF_ANY(value) : 0)                                                    \
     : BW__BASIC_KIND(key) == BW_KIND_INT64 || BW__BASIC_KIND(key) == BW_KIND_UINT64 ||                                \
             __builtin_classify_type(key) == 5                                                                         \
         ? BW__KEY_8 | (sizeof(value) <= 8 ? BW__IF_ANY(value) : 0)                                                    \
     : BW__BASIC_KIND(key) == BW_KIND_STRING ? BW__KEY_STRING | (sizeof(value) <= 8 ? BW__IF_ANY(value) : 0)           \
                                             : BW__KEY_GENERAL)
#define BW__IF_ANY(value) (sizeof(value) > 0 ? BW__KEY_SMALL : 0)

BW__BEGIN

BW_API struct bw__map *bw__map_make(bw__type_site *site, ptrdiff_t hint);
/* Where the value is; NULL if there is none. */
BW_API void *bw__map_find(const struct bw__map *map, const void *key) __attribute__((pure));
BW_API void *bw__map_find_4(const struct bw__map *map, uint32_t key) __attribute__((pure));
BW_API void *bw__map_find_4_small(const struct bw__map *map, uint32_t key) __attribute__((pure));
BW_API void *bw__map_find_8(const struct bw__map *map, uint64_t key) __attribute__((pure));
BW_API void *bw__map_find_8_small(const struct bw__map *map, uint64_t key) __attribute__((pure));
BW_API void *bw__map_find_string(const struct bw__map *map, bw_string key) __attribute__((pure));
BW_API void *bw__map_find_string_small(const struct bw__map *map, bw_string key) __attribute__((pure));
/* Where the value is to be written; a new one is zero. */
BW_API void *bw__map_assign(struct bw__map *map, const void *key);
BW_API void *bw__map_assign_4(struct bw__map *map, uint32_t key);
BW_API void *bw__map_assign_4_small(struct bw__map *map, uint32_t key);
BW_API void *bw__map_assign_8(struct bw__map *map, uint64_t key);
BW_API void *bw__map_assign_8_small(struct bw__map *map, uint64_t key);
BW_API void *bw__map_assign_string(struct bw__map *map, bw_string key);
BW_API void *bw__map_assign_string_small(struct bw__map *map, bw_string key);
BW_API void bw__map_delete(struct bw__map *map, const void *key);
BW_API void bw__map_delete_4(struct bw__map *map, uint32_t key);
BW_API void bw__map_delete_4_small(struct bw__map *map, uint32_t key);
BW_API void bw__map_delete_8(struct bw__map *map, uint64_t key);
BW_API void bw__map_delete_8_small(struct bw__map *map, uint64_t key);
BW_API void bw__map_delete_string(struct bw__map *map, bw_string key);
BW_API void bw__map_delete_string_small(struct bw__map *map, bw_string key);
BW_API void bw__map_clear(struct bw__map *map);
BW_API const bw_type *bw__map_type(const void *map);

typedef struct bw__map_iter {
    struct bw__map *map;
    const void *key, *value; /* of the entry; valid until the next step */
    char *table;             /* being walked, as it was when the walk came to it */
    uint64_t at, here, left; /* hash values: the first that is being walked; how many here; how many in all, 0: 2^64 */
    uint32_t version, clears;
    uint16_t group, groups_left;
    uint8_t bits, later_bits, rotation;
    bool replaced, partial, begun;
    int state; /* of the loop: 1 in the body, 2 after it, 3 left */
} bw__map_iter;
BW_API void bw__map_iter_begin(bw__map_iter *iter, const struct bw__map *map);
BW_API bool bw__map_iter_next(bw__map_iter *iter);
BW_API void bw__map_iter_end(bw__map_iter *iter);

#define BW__MAP_INLINE static inline __attribute__((always_inline))
/* The function for a way, which is a constant where the macros below use these. */
#define BW__MAP_BY_WAY(result, name, map_type)                                                                         \
    BW__MAP_INLINE result bw__map_##name##_by(map_type map, const void *key, int way) {                                \
        uint64_t word;                                                                                                 \
        uint32_t half;                                                                                                 \
        bw_string string;                                                                                              \
        switch (way & ~BW__KEY_SMALL) {                                                                                \
        case BW__KEY_4:                                                                                                \
            __builtin_memcpy(&half, key, sizeof half);                                                                 \
            return way & BW__KEY_SMALL ? bw__map_##name##_4_small(map, half) : bw__map_##name##_4(map, half);          \
        case BW__KEY_8:                                                                                                \
            __builtin_memcpy(&word, key, sizeof word);                                                                 \
            return way & BW__KEY_SMALL ? bw__map_##name##_8_small(map, word) : bw__map_##name##_8(map, word);          \
        case BW__KEY_STRING:                                                                                           \
            __builtin_memcpy(&string, key, sizeof string);                                                             \
            return way & BW__KEY_SMALL ? bw__map_##name##_string_small(map, string)                                    \
                                       : bw__map_##name##_string(map, string);                                         \
        default: return bw__map_##name(map, key);                                                                      \
        }                                                                                                              \
    }
BW__MAP_BY_WAY(void *, find, const struct bw__map *)
BW__MAP_BY_WAY(void *, assign, struct bw__map *)
BW__MAP_BY_WAY(void, delete, struct bw__map *)

/* Parts of a search, which the library uses, too; what they mean: src/lang/hash.h, src/lang/map.h. */
BW__MAP_INLINE uint64_t bw__hash_word(uint64_t word, uint64_t seed) {
    __extension__ typedef unsigned __int128 double_word;
    double_word product = (double_word)(word ^ seed) * 0x9e3779b97f4a7c15u;
    return ((uint64_t)product ^ (uint64_t)(product >> 64)) * 0xd6e8feb86659fd93u;
}
BW__MAP_INLINE unsigned bw__map_groups(uintptr_t entry) {
    unsigned code = entry & 63;
    return 2 * code + (code == 0 ? 1u : code == 63 ? 16u : 0u);
}
BW__MAP_INLINE unsigned bw__map_home(uint64_t hash, unsigned groups) {
    return (unsigned)((hash >> 16 & 0xffffffffu) * groups >> 32);
}
BW__MAP_INLINE unsigned bw__map_class(uint64_t hash) {
    return (unsigned)((hash >> 8 & 0xff) * 7 >> 8);
}

#if defined(__SSE2__)
/* The first part of every struct bw__map. */
struct bw__map_head {
    const void *type;
    ptrdiff_t used;
    uint64_t seed;
    const uintptr_t *directory;
    uintptr_t single;
    uint8_t shift, way, writing;
};
/* A search in the caller's code, for small keys and values of `bytes` each: it ends at the key's first group, as most
 * do, or calls for the rest. What the numbers mean: src/lang/map.h, hash.h. */
BW__MAP_INLINE void *bw__map_look_word(const struct bw__map *map, uint64_t key, const void *at, size_t bytes, int way) {
    typedef char tags __attribute__((vector_size(16)));
    typedef long long words __attribute__((vector_size(16)));
    const struct bw__map_head *head = (const struct bw__map_head *)map;
    if (BW__UNLIKELY(head == NULL) || BW__UNLIKELY(*(const volatile uint8_t *)&head->writing != 0))
        return bw__map_find_by(map, at, way);
    uint64_t hash = bw__hash_word(key, head->seed);
    uintptr_t entry = head->directory[hash >> 1 >> head->shift];
    char *group = (char *)(entry & ~(uintptr_t)63) + bw__map_home(hash, bw__map_groups(entry)) * (16 * bytes);
    __builtin_prefetch(group + 64);
    uint64_t control;
    __builtin_memcpy(&control, group, sizeof control);
    tags present = (tags)(words){(long long)control, 0};
    char tag = (char)(hash | 0x80);
    for (unsigned bits = (unsigned)__builtin_ia32_pmovmskb128((tags)(present == tag)) & 0xff; bits; bits &= bits - 1) {
        char *slot = group + 8 + (unsigned)__builtin_ctz(bits) * (2 * bytes);
        if (BW__LIKELY(__builtin_memcmp(slot, at, bytes) == 0))
            return slot + bytes;
    }
    if (BW__LIKELY((control >> 56 >> bw__map_class(hash) & 1) == 0))
        return NULL;
    return bw__map_find_by(map, at, way);
}
BW__MAP_INLINE void *bw__map_look_by(const struct bw__map *map, const void *key, int way) {
    uint64_t word;
    uint32_t half;
    switch (way) {
    case BW__KEY_4 | BW__KEY_SMALL:
        __builtin_memcpy(&half, key, sizeof half);
        return bw__map_look_word(map, half, key, sizeof half, way);
    case BW__KEY_8 | BW__KEY_SMALL:
        __builtin_memcpy(&word, key, sizeof word);
        return bw__map_look_word(map, word, key, sizeof word, way);
    default: return bw__map_find_by(map, key, way);
    }
}
#else
#define bw__map_look_by(map, key, way) bw__map_find_by(map, key, way)
#endif

BW__MAP_INLINE bool bw__map_copy(void *value, const void *found, size_t size) {
    if (found)
        __builtin_memcpy(value, found, size);
    else
        __builtin_memset(value, 0, size);
    return found != NULL;
}

BW__END

#define BW__KEY_OF(m) __typeof__(*(m).bw__key)
#define BW__VALUE_OF(m) __typeof__(*(m).bw__value)

/* M bw_make_map(M) or bw_make_map(M, hint): an empty map of the type M; with room for `hint` entries. */
#define bw_make_map(M, ...) BW__MAKE_MAP(BW__UNIQUE(site), M, BW__SECOND_OR(0, ##__VA_ARGS__))
#define BW__MAKE_MAP(site_, M, hint)                                                                                   \
    ({                                                                                                                 \
        static bw__type_site site_ = BW__TYPE_SITE(M);                                                                 \
        (M){bw__map_make(&site_, (hint))};                                                                             \
    })

/* bw_put(m, k) = v; is a statement: sets the value of k. So are bw_put(m, k) += v; bw_put(m, k)++; and so on, which
 * begin with the value that is there, or zero. m, k and v are evaluated before the map changes, so v may use the map.
 * Panics on the nil map: "assignment to entry in nil map". */
#define bw_put(m, k) BW__PUT(BW__UNIQUE(put), m, k)
#define BW__PUT(put_, m, k)                                                                                            \
    for (                                                                                                              \
        struct {                                                                                                       \
            __typeof__(m) map;                                                                                         \
            BW__KEY_OF(m) key;                                                                                         \
            BW__VALUE_OF(m) value;                                                                                     \
            int left;                                                                                                  \
        } put_ = {.map = (m), .key = (k), .left = 1};                                                                  \
        put_.left &&                                                                                                   \
        (bw__map_copy(&put_.value, bw__map_find_by(put_.map.bw__map, &put_.key, BW__KEY_WAY(put_.key, put_.value)),    \
                      sizeof put_.value),                                                                              \
         1);                                                                                                           \
        put_.left = 0,                                                                                                 \
          __builtin_memcpy(bw__map_assign_by(put_.map.bw__map, &put_.key, BW__KEY_WAY(put_.key, put_.value)),          \
                           &put_.value, sizeof put_.value))                                                            \
    put_.value

/* V bw_get(m, k): the value of k; zero if there is none. */
#define bw_get(m, k) BW__GET(BW__UNIQUE(map), BW__UNIQUE(key), BW__UNIQUE(value), m, k)
#define BW__GET(map_, key_, value_, m, k)                                                                              \
    ({                                                                                                                 \
        __typeof__(m) map_ = (m);                                                                                      \
        BW__KEY_OF(m) key_ = (k);                                                                                      \
        BW__VALUE_OF(m) value_;                                                                                        \
        bw__map_copy(&value_, bw__map_look_by(map_.bw__map, &key_, BW__KEY_WAY(key_, *map_.bw__value)),                \
                     sizeof value_);                                                                                   \
        value_;                                                                                                        \
    })

/* bool bw_lookup(m, k, &v): is there a value of k? It is stored in v, or zero. */
#define bw_lookup(m, k, v) BW__LOOKUP(BW__UNIQUE(map), BW__UNIQUE(key), BW__UNIQUE(at), m, k, v)
#define BW__LOOKUP(map_, key_, at_, m, k, v)                                                                           \
    ({                                                                                                                 \
        __typeof__(m) map_ = (m);                                                                                      \
        BW__KEY_OF(m) key_ = (k);                                                                                      \
        BW__VALUE_OF(m) *at_ = (v);                                                                                    \
        bw__map_copy(at_, bw__map_look_by(map_.bw__map, &key_, BW__KEY_WAY(key_, *map_.bw__value)), sizeof *at_);      \
    })

/* bool bw_has(m, k): is there a value of k? */
#define bw_has(m, k) BW__HAS(BW__UNIQUE(map), BW__UNIQUE(key), m, k)
#define BW__HAS(map_, key_, m, k)                                                                                      \
    ({                                                                                                                 \
        __typeof__(m) map_ = (m);                                                                                      \
        BW__KEY_OF(m) key_ = (k);                                                                                      \
        bw__map_look_by(map_.bw__map, &key_, BW__KEY_WAY(key_, *map_.bw__value)) != NULL;                              \
    })

/* Removes the entry of k, if there is one. bw_map_clear(m) removes all. */
#define bw_delete(m, k) BW__DELETE(BW__UNIQUE(map), BW__UNIQUE(key), m, k)
#define BW__DELETE(map_, key_, m, k)                                                                                   \
    ({                                                                                                                 \
        __typeof__(m) map_ = (m);                                                                                      \
        BW__KEY_OF(m) key_ = (k);                                                                                      \
        bw__map_delete_by(map_.bw__map, &key_, BW__KEY_WAY(key_, *map_.bw__value));                                    \
    })
#define bw_map_clear(m) bw__map_clear((m).bw__map)

/* bw_map_range(k, v, m) statement: runs the statement for each entry, with copies of its key and value in k and v.
 * `break` and `continue` do what they say. */
#define bw_map_range(k, v, m) BW__MAP_RANGE(BW__UNIQUE(iter), k, v, m)
#define BW__MAP_RANGE(iter_, k, v, m)                                                                                  \
    for (__attribute__((cleanup(bw__map_iter_end))) bw__map_iter iter_ = {.map = (m).bw__map};                         \
         iter_.state != 3 && bw__map_iter_next(&iter_);)                                                               \
        for (__attribute__((unused)) BW__KEY_OF(m) k = *(const BW__KEY_OF(m) *)iter_.key; iter_.state == 1;            \
             iter_.state += 2 * (iter_.state == 1))                                                                    \
            for (__attribute__((unused)) BW__VALUE_OF(m) v = *(const BW__VALUE_OF(m) *)iter_.value; iter_.state == 1;  \
                 iter_.state = 2)

#endif
#endif
