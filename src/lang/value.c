/* value.c - comparing and hashing values of any type, by Go's rules: floats by value (0 == -0, NaN equals nothing, not
 * even itself), strings by contents, pointers by address, interfaces by the type and the value they hold, structs field
 * by field, without the padding. Slices, maps and bytes of which nothing is known cannot be compared. */
#include "value.h"

static bool is_scalar_block(const bw_type *type) { /* a number that C has and Go has not: __int128, long double */
    return type->kind == BW_KIND_OPAQUE && ((const struct type_info *)type->bw__info)->field_class == BW_FIELD_SCALAR;
}

static bw_any held_by(const void *interface) {
    bw__interface value;
    memcpy(&value, interface, sizeof value);
    return bw__any_from_interface(value.bw__table, value.bw__data);
}

bool value_equal(const bw_type *type, const void *a, const void *b) {
    switch (type->kind) {
    case BW_KIND_FLOAT32: {
        float x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return x == y;
    }
    case BW_KIND_FLOAT64: {
        double x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return x == y;
    }
    case BW_KIND_STRING: {
        bw_string x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return bw_str_eq(x, y);
    }
    case BW_KIND_ANY: return any_equal(a, b);
    case BW_KIND_ERROR:
    case BW_KIND_INTERFACE: return bw__any_eq(held_by(a), held_by(b));
    case BW_KIND_STRUCT:
        for (uint32_t i = 0; i < type->field_count; i++) {
            size_t offset = type->fields[i].offset;
            if (!value_equal(type->fields[i].type, (const char *)a + offset, (const char *)b + offset))
                return false;
        }
        return true;
    case BW_KIND_ARRAY:
        for (size_t i = 0; i < type->count; i++)
            if (!value_equal(type->element, (const char *)a + i * type->element->size,
                             (const char *)b + i * type->element->size))
                return false;
        return true;
    case BW_KIND_SLICE:
    case BW_KIND_MAP: os_panic("runtime error: comparing uncomparable type %s", type->name);
    case BW_KIND_OPAQUE:
        if (!is_scalar_block(type))
            os_panic("runtime error: comparing uncomparable type %s", type->name);
        return memcmp(a, b, type->size) == 0;
    default: return memcmp(a, b, type->size) == 0;
    }
}

bool bw__any_eq(bw_any a, bw_any b) {
    return any_equal(&a, &b);
}

uint64_t value_hash(const bw_type *type, const void *value, uint64_t seed) {
    switch (type->kind) {
    case BW_KIND_FLOAT32: {
        float x;
        memcpy(&x, value, sizeof x);
        double wide = x;
        return value_hash(&bw__basic[BW_KIND_FLOAT64], &wide, seed);
    }
    case BW_KIND_FLOAT64: {
        double x;
        memcpy(&x, value, sizeof x);
        if (x != x)
            return hash_word(hash_random(), seed); /* so that many NaNs are not one chain */
        if (x == 0)
            x = 0;
        uint64_t word;
        memcpy(&word, &x, sizeof word);
        return hash_word(word, seed);
    }
    case BW_KIND_STRING: {
        bw_string x;
        memcpy(&x, value, sizeof x);
        return hash_bytes(x.ptr, (size_t)x.len, seed);
    }
    case BW_KIND_ANY: return any_hash(value, seed);
    case BW_KIND_ERROR:
    case BW_KIND_INTERFACE: {
        bw_any x = held_by(value);
        return any_hash(&x, seed);
    }
    case BW_KIND_STRUCT:
        for (uint32_t i = 0; i < type->field_count; i++)
            seed = value_hash(type->fields[i].type, (const char *)value + type->fields[i].offset, seed + i);
        return seed;
    case BW_KIND_ARRAY:
        for (size_t i = 0; i < type->count; i++)
            seed = value_hash(type->element, (const char *)value + i * type->element->size, seed + i);
        return seed;
    case BW_KIND_SLICE:
    case BW_KIND_MAP: os_panic("runtime error: hash of unhashable type %s", type->name);
    case BW_KIND_OPAQUE:
        if (!is_scalar_block(type))
            os_panic("runtime error: hash of unhashable type %s", type->name);
        return hash_bytes(value, type->size, seed);
    default: {
        uint64_t word = 0;
        memcpy(&word, value, type->size <= sizeof word ? type->size : sizeof word);
        return hash_word(word, seed);
    }
    }
}
