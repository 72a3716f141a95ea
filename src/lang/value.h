/* value.h - comparing and hashing values of type bw_any, without a call where they hold a number or a pointer. */
#ifndef BURROW_LANG_VALUE_H
#define BURROW_LANG_VALUE_H

#include "hash.h"
#include "lang.h"

#include <string.h>

/* Are two values of that type equal if their bytes are? They are eight at most. */
static inline bool value_is_word(const bw_type *type) {
    const uint32_t kinds = 1u << BW_KIND_BOOL | 1u << BW_KIND_CHAR | 1u << BW_KIND_INT8 | 1u << BW_KIND_INT16 |
                           1u << BW_KIND_INT | 1u << BW_KIND_INT64 | 1u << BW_KIND_UINT8 | 1u << BW_KIND_UINT16 |
                           1u << BW_KIND_UINT | 1u << BW_KIND_UINT64 | 1u << BW_KIND_CSTRING | 1u << BW_KIND_POINTER;
    return kinds >> type->kind & 1;
}
static inline uint64_t value_word(const bw_any *any) { /* of such a type */
    uint64_t word;
    memcpy(&word, any->bw__data.bytes, sizeof word);
    if (__builtin_expect(any->type->size < sizeof word, 0))
        word &= ((uint64_t)1 << 8 * any->type->size) - 1; /* a value's bytes come first in memory, and here */
    return word;
}
static inline const void *value_of(const bw_any *any) {
    return any->type->size <= sizeof any->bw__data ? (const void *)any->bw__data.bytes : any->bw__data.pointer;
}

/* What value_hash and value_equal give for BW_KIND_ANY. */
static inline uint64_t any_hash(const void *value, uint64_t seed) {
    bw_any any;
    memcpy(&any, value, sizeof any);
    if (any.type == NULL)
        return hash_word(0, seed);
    if (__builtin_expect(value_is_word(any.type), 1))
        return hash_word(value_word(&any), seed ^ (uintptr_t)any.type);
    return value_hash(any.type, value_of(&any), seed ^ (uintptr_t)any.type);
}
static inline bool any_equal(const void *a, const void *b) {
    bw_any x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    if (x.type != y.type)
        return false;
    if (x.type == NULL)
        return true;
    if (__builtin_expect(value_is_word(x.type), 1))
        return value_word(&x) == value_word(&y);
    return value_equal(x.type, value_of(&x), value_of(&y));
}

#endif
