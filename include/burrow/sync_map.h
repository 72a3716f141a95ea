/* burrow/sync_map.h - Go's sync.Map, typed at compile time: a map that goroutines and threads may use at once.
 *
 * Readers take no lock, and are not held up by writers. Writers of different parts of a map do not meet. BW_SYNC_MAP
 * declares a type, at file scope; bw_sync_map is one from bw_any to bw_any. A value of it is one pointer; copies refer to
 * the same map. The zero value is the nil map: it reads as empty, and writing to it panics. Example:
 *
 *     BW_SYNC_MAP(sessions, bw_string, int64_t);
 *
 *     int64_t visits(sessions s, bw_string who);
 *     int64_t visits(sessions s, bw_string who) {
 *         int64_t count = 0;
 *         while (!bw_sync_map_compare_and_swap(s, who, count, count + 1))
 *             if (!bw_sync_map_load(s, who, &count) && !bw_sync_map_load_or_store(s, who, 1, &count))
 *                 return 1;
 *         return count + 1;
 *     }
 *     int64_t first_visit(void);
 *     int64_t first_visit(void) {
 *         return visits(bw_make_sync_map(sessions), bw_str("Ann"));
 *     }
 *
 * Keys are compared as those of maps are (burrow/map.h), and so are values where they are compared. What a map holds is
 * counted as `map` and as `sync` in the ledger.
 *
 * What the compiler rejects or warns about: keys and values of other types, a result variable of another type.
 */
#ifndef BURROW_SYNC_MAP_H
#define BURROW_SYNC_MAP_H

#include <burrow/map.h>

#ifndef __cplusplus

struct bw__sync_map;

/* Declares the type `name` of such maps from K to V. File scope; end with a semicolon. Types of an alignment over 8 bytes
 * are rejected. */
#define BW_SYNC_MAP(name, K, V)                                                                                        \
    BW__SYNC_MAP_UNION(name, K, V);                                                                                    \
    static const bw_field bw__fields_##name##__map[] = {BW__PART("key", K), BW__PART("value", V)};                     \
    BW__DESCRIBE(name, name##__map, BW_KIND_MAP)
#define BW__SYNC_MAP_UNION(name, K, V)                                                                                 \
    typedef union name {                                                                                               \
        struct bw__sync_map *bw__map;                                                                                  \
        __typeof__(K) *bw__key;                                                                                        \
        __typeof__(V) *bw__value;                                                                                      \
    } name;                                                                                                            \
    _Static_assert(_Alignof(K) <= 8 && _Alignof(V) <= 8, "a map's keys and values are aligned to 8 bytes at most")

BW__SYNC_MAP_UNION(bw_sync_map, bw_any, bw_any);

BW__BEGIN
BW_API struct bw__sync_map *bw__sync_map_make(bw__type_site *site);
/* Where the value is, in a multiple of 8 bytes; it changes only if it is not larger than 8. NULL: there is none. */
BW_API const void *bw__sync_map_find(const struct bw__sync_map *map, const void *key);
BW_API const void *bw__sync_map_find_4(const struct bw__sync_map *map, uint32_t key);
BW_API const void *bw__sync_map_find_8(const struct bw__sync_map *map, uint64_t key);
BW_API const void *bw__sync_map_find_string(const struct bw__sync_map *map, bw_string key);
/* What is to be done with a key. `result`, if not NULL, gets the value that was there, or is; zero if there is none.
 * True: there was one; of the comparing ones: it was equal to `old`, and it is done. */
enum bw__sync_map_what {
    BW__SYNC_MAP_SWAP,
    BW__SYNC_MAP_LOAD_OR_STORE,
    BW__SYNC_MAP_DELETE,
    BW__SYNC_MAP_COMPARE_AND_SWAP,
    BW__SYNC_MAP_COMPARE_AND_DELETE,
};
BW_API bool bw__sync_map_do(struct bw__sync_map *map, enum bw__sync_map_what what, const void *key, const void *old,
                            const void *value, void *result, size_t size);
BW_API void bw__sync_map_clear(struct bw__sync_map *map);

typedef struct bw__sync_map_iter {
    const struct bw__sync_map *map;
    const void *table, *node;
    const void *key, *value;
    uint64_t at, word; /* the hash value from which on it goes; a value that may change */
    uint32_t bucket;
    int state; /* of the loop: 0 before it, 1 in the body, 2 after it, 3 left */
} bw__sync_map_iter;
BW_API bool bw__sync_map_next(bw__sync_map_iter *iter);

BW__MAP_INLINE const void *bw__sync_map_find_by(const struct bw__sync_map *map, const void *key, int way) {
    uint64_t word;
    uint32_t half;
    bw_string string;
    switch (way & ~BW__KEY_SMALL) {
    case BW__KEY_4: __builtin_memcpy(&half, key, sizeof half); return bw__sync_map_find_4(map, half);
    case BW__KEY_8: __builtin_memcpy(&word, key, sizeof word); return bw__sync_map_find_8(map, word);
    case BW__KEY_STRING: __builtin_memcpy(&string, key, sizeof string); return bw__sync_map_find_string(map, string);
    default: return bw__sync_map_find(map, key);
    }
}
BW__MAP_INLINE bool bw__sync_map_copy(void *value, const void *found, size_t size) {
    if (found == NULL) {
        __builtin_memset(value, 0, size);
    } else if (size <= sizeof(uint64_t)) {
        uint64_t word = __atomic_load_n((const uint64_t *)found, __ATOMIC_ACQUIRE);
        __builtin_memcpy(value, &word, size);
    } else {
        __builtin_memcpy(value, found, size);
    }
    return found != NULL;
}
BW__END

/* M bw_make_sync_map(M): an empty map of the type M. */
#define bw_make_sync_map(M) BW__MAKE_SYNC_MAP(BW__UNIQUE(site), M)
#define BW__MAKE_SYNC_MAP(site_, M)                                                                                    \
    ({                                                                                                                 \
        static bw__type_site site_ = {NULL, #M "__map", sizeof(M), _Alignof(M), BW_FIELD_AMBIGUOUS, BW_KIND_OPAQUE,    \
                                      0,    &bw__unit,  0};                                                            \
        (M){bw__sync_map_make(&site_)};                                                                                \
    })

/* bool bw_sync_map_load(m, k, &v): is there a value of k? It is stored in v, or zero. Cost: as bw_lookup, and a cache
 * miss more. */
#define bw_sync_map_load(m, k, v) BW__SYNC_MAP_LOAD(BW__UNIQUE(map), BW__UNIQUE(key), BW__UNIQUE(at), m, k, v)
#define BW__SYNC_MAP_LOAD(map_, key_, at_, m, k, v)                                                                    \
    ({                                                                                                                 \
        __typeof__(m) map_ = (m);                                                                                      \
        BW__KEY_OF(m) key_ = (k);                                                                                      \
        BW__VALUE_OF(m) *at_ = (v);                                                                                    \
        bw__sync_map_copy(at_, bw__sync_map_find_by(map_.bw__map, &key_, BW__KEY_WAY(key_, *at_)), sizeof *at_);       \
    })

/* bw_sync_map_store(m, k, v): sets the value of k. Panics on the nil map: "assignment to entry in nil map". */
#define bw_sync_map_store(m, k, v) BW__SYNC_MAP_STORE(BW__UNIQUE(map), BW__UNIQUE(key), BW__UNIQUE(value), m, k, v)
#define BW__SYNC_MAP_STORE(map_, key_, value_, m, k, v)                                                                \
    do {                                                                                                               \
        __typeof__(m) map_ = (m);                                                                                      \
        BW__KEY_OF(m) key_ = (k);                                                                                      \
        BW__VALUE_OF(m) value_ = (v);                                                                                  \
        bw__sync_map_do(map_.bw__map, BW__SYNC_MAP_SWAP, &key_, NULL, &value_, NULL, sizeof value_);                   \
    } while (0)

/* bool bw_sync_map_swap(m, k, v, &previous): sets the value of k. Was there one? It is stored in previous, or zero. */
#define bw_sync_map_swap(m, k, v, previous)                                                                            \
    BW__SYNC_MAP_VALUE(BW__UNIQUE(map), BW__UNIQUE(key), BW__UNIQUE(value), BW__UNIQUE(at), BW__SYNC_MAP_SWAP, m, k,   \
                       v, previous)
/* bool bw_sync_map_load_or_store(m, k, v, &actual): is there a value of k? If not it is v now. Stores it in actual. */
#define bw_sync_map_load_or_store(m, k, v, actual)                                                                     \
    BW__SYNC_MAP_VALUE(BW__UNIQUE(map), BW__UNIQUE(key), BW__UNIQUE(value), BW__UNIQUE(at),                            \
                       BW__SYNC_MAP_LOAD_OR_STORE, m, k, v, actual)
#define BW__SYNC_MAP_VALUE(map_, key_, value_, at_, what, m, k, v, result)                                             \
    ({                                                                                                                 \
        __typeof__(m) map_ = (m);                                                                                      \
        BW__KEY_OF(m) key_ = (k);                                                                                      \
        BW__VALUE_OF(m) value_ = (v), *at_ = (result);                                                                 \
        bw__sync_map_do(map_.bw__map, what, &key_, NULL, &value_, at_, sizeof value_);                                 \
    })

/* bool bw_sync_map_load_and_delete(m, k, &v): removes k. Was there one? Its value is stored in v, or zero. */
#define bw_sync_map_load_and_delete(m, k, v)                                                                           \
    BW__SYNC_MAP_TAKE(BW__UNIQUE(map), BW__UNIQUE(key), BW__UNIQUE(at), m, k, v)
#define BW__SYNC_MAP_TAKE(map_, key_, at_, m, k, v)                                                                    \
    ({                                                                                                                 \
        __typeof__(m) map_ = (m);                                                                                      \
        BW__KEY_OF(m) key_ = (k);                                                                                      \
        BW__VALUE_OF(m) *at_ = (v);                                                                                    \
        bw__sync_map_do(map_.bw__map, BW__SYNC_MAP_DELETE, &key_, NULL, NULL, at_, sizeof *at_);                       \
    })
/* bw_sync_map_delete(m, k): removes k. */
#define bw_sync_map_delete(m, k) BW__SYNC_MAP_DROP(BW__UNIQUE(map), BW__UNIQUE(key), m, k)
#define BW__SYNC_MAP_DROP(map_, key_, m, k)                                                                            \
    do {                                                                                                               \
        __typeof__(m) map_ = (m);                                                                                      \
        BW__KEY_OF(m) key_ = (k);                                                                                      \
        bw__sync_map_do(map_.bw__map, BW__SYNC_MAP_DELETE, &key_, NULL, NULL, NULL, 0);                                \
    } while (0)

/* bool bw_sync_map_compare_and_swap(m, k, old, v): if the value of k is equal to old it becomes v. Did it? Panics if
 * values cannot be compared: "runtime error: comparing uncomparable type ...". */
#define bw_sync_map_compare_and_swap(m, k, o, v)                                                                       \
    BW__SYNC_MAP_COMPARE(BW__UNIQUE(map), BW__UNIQUE(key), BW__UNIQUE(old), BW__UNIQUE(value), m, k, o, v)
#define BW__SYNC_MAP_COMPARE(map_, key_, old_, value_, m, k, o, v)                                                     \
    ({                                                                                                                 \
        __typeof__(m) map_ = (m);                                                                                      \
        BW__KEY_OF(m) key_ = (k);                                                                                      \
        BW__VALUE_OF(m) old_ = (o), value_ = (v);                                                                      \
        bw__sync_map_do(map_.bw__map, BW__SYNC_MAP_COMPARE_AND_SWAP, &key_, &old_, &value_, NULL, 0);                  \
    })
/* bool bw_sync_map_compare_and_delete(m, k, old): if the value of k is equal to old, k is removed. Was it? */
#define bw_sync_map_compare_and_delete(m, k, o)                                                                        \
    BW__SYNC_MAP_COMPARE_DROP(BW__UNIQUE(map), BW__UNIQUE(key), BW__UNIQUE(old), m, k, o)
#define BW__SYNC_MAP_COMPARE_DROP(map_, key_, old_, m, k, o)                                                           \
    ({                                                                                                                 \
        __typeof__(m) map_ = (m);                                                                                      \
        BW__KEY_OF(m) key_ = (k);                                                                                      \
        BW__VALUE_OF(m) old_ = (o);                                                                                    \
        bw__sync_map_do(map_.bw__map, BW__SYNC_MAP_COMPARE_AND_DELETE, &key_, &old_, NULL, NULL, 0);                   \
    })

/* Removes all. */
#define bw_sync_map_clear(m) bw__sync_map_clear((m).bw__map)

/* bw_sync_map_range(k, v, m) statement: runs the statement for each entry, with copies of its key and value in k and v.
 * `break` and `continue` do what they say. No key comes twice. What is stored or deleted meanwhile may be seen as it was
 * at any time since the loop began. */
#define bw_sync_map_range(k, v, m) BW__SYNC_MAP_RANGE(BW__UNIQUE(iter), k, v, m)
#define BW__SYNC_MAP_RANGE(iter_, k, v, m)                                                                             \
    for (bw__sync_map_iter iter_ = {.map = (m).bw__map}; iter_.state != 3 && bw__sync_map_next(&iter_);)               \
        for (__attribute__((unused)) BW__KEY_OF(m) k = *(const BW__KEY_OF(m) *)iter_.key; iter_.state == 1;            \
             iter_.state += 2 * (iter_.state == 1))                                                                    \
            for (__attribute__((unused)) BW__VALUE_OF(m) v = *(const BW__VALUE_OF(m) *)iter_.value; iter_.state == 1;  \
                 iter_.state = 2)

#endif
#endif
