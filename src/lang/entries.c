/* entries.c - the entries of a map in the order in which they are printed: copied, so that methods which print them may
 * change the map, and sorted by key as Go's internal/fmtsort has it: numbers and strings ascending, NaN first, false
 * before true, pointers by address, structs and arrays field by field, nil first, then by the type of what an interface
 * holds.
 */
#include "printer.h"

#include <string.h>

/* --- the order of keys --- */

#define ORDER(T, a, b)                                                                                                 \
    ({                                                                                                                 \
        T a_, b_;                                                                                                      \
        memcpy(&a_, (a), sizeof a_);                                                                                   \
        memcpy(&b_, (b), sizeof b_);                                                                                   \
        (a_ > b_) - (a_ < b_);                                                                                         \
    })
#define ORDER_FLOAT(T, a, b)                                                                                           \
    ({                                                                                                                 \
        T a_, b_;                                                                                                      \
        memcpy(&a_, (a), sizeof a_);                                                                                   \
        memcpy(&b_, (b), sizeof b_);                                                                                   \
        a_ != a_ || b_ != b_ ? (b_ != b_) - (a_ != a_) : (a_ > b_) - (a_ < b_);                                        \
    })

static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t common = a_length < b_length ? a_length : b_length;
    int order = common ? memcmp(a, b, common) : 0;
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_strings(const void *a, const void *b) {
    const bw_string *x = a, *y = b;
    return compare_bytes(x->ptr, (size_t)x->len, y->ptr, (size_t)y->len);
}

static int compare(const bw_type *type, const void *a, const void *b);

static int compare_interfaces(const bw_type *type, const void *a, const void *b) {
    struct value x = value_inside(&(struct value){type, a}), y = value_inside(&(struct value){type, b});
    if (x.type == NULL || y.type == NULL)
        return (x.type != NULL) - (y.type != NULL);
    if (x.type == y.type)
        return compare(x.type, x.at, y.at);
    int order = strcmp(x.type->name, y.type->name);
    return order ? order : (x.type > y.type) - (x.type < y.type);
}

static int compare(const bw_type *type, const void *a, const void *b) {
    int order = 0;
    switch (type->kind) {
    case BW_KIND_CHAR: return ORDER(char, a, b);
    case BW_KIND_INT8: return ORDER(int8_t, a, b);
    case BW_KIND_INT16: return ORDER(int16_t, a, b);
    case BW_KIND_INT: return ORDER(int, a, b);
    case BW_KIND_INT64: return ORDER(int64_t, a, b);
    case BW_KIND_BOOL:
    case BW_KIND_UINT8: return ORDER(uint8_t, a, b);
    case BW_KIND_UINT16: return ORDER(uint16_t, a, b);
    case BW_KIND_UINT: return ORDER(unsigned, a, b);
    case BW_KIND_UINT64:
    case BW_KIND_CSTRING: /* a key by its address */
    case BW_KIND_POINTER:
    case BW_KIND_MAP: return ORDER(uint64_t, a, b);
    case BW_KIND_FLOAT32: return ORDER_FLOAT(float, a, b);
    case BW_KIND_FLOAT64: return ORDER_FLOAT(double, a, b);
    case BW_KIND_STRING: return compare_strings(a, b);
    case BW_KIND_ANY:
    case BW_KIND_ERROR:
    case BW_KIND_INTERFACE: return compare_interfaces(type, a, b);
    case BW_KIND_STRUCT:
        for (uint32_t i = 0; i < type->field_count && order == 0; i++) {
            size_t offset = type->fields[i].offset;
            order = compare(type->fields[i].type, (const char *)a + offset, (const char *)b + offset);
        }
        return order;
    case BW_KIND_ARRAY:
        for (size_t i = 0; i < type->count && order == 0; i++) {
            size_t offset = i * type->element->size;
            order = compare(type->element, (const char *)a + offset, (const char *)b + offset);
        }
        return order;
    default: return 0;
    }
}

/* Merge sort: keeps equal keys (NaN) as they are; `room` is as large as `entries`. */
static void sort(const bw_type *key, const char **entries, const char **room, size_t count) {
    if (count < 2)
        return;
    size_t half = count / 2, left = 0, right = half;
    sort(key, entries, room, half);
    sort(key, entries + half, room, count - half);
    for (size_t i = 0; i < count; i++) {
        bool from_left = right == count || (left < half && compare(key, entries[left], entries[right]) <= 0);
        room[i] = from_left ? entries[left++] : entries[right++];
    }
    memcpy(entries, room, count * sizeof *entries);
}

/* --- copying --- */

static size_t rounded(size_t bytes) {
    return (bytes + 7) & ~(size_t)7;
}

/* Room for `capacity` entries, with those that there are. */
static void make_room(struct entries *entries, size_t capacity, size_t stride) {
    char *copies = bw_alloc(capacity * stride); /* may hold the only pointers to what is in them */
    if (entries->count > 0)
        memcpy(copies, entries->copies, entries->count * stride);
    bw_free(entries->copies);
    entries->copies = copies;
    entries->capacity = capacity;
}

void entries_sorted(struct entries *entries, const bw_type *type, const void *map) {
    *entries = (struct entries){0};
    if (map == NULL || type->kind != BW_KIND_MAP || type->key == NULL)
        return;
    entries->value_offset = rounded(type->key->size);
    size_t stride = entries->value_offset + rounded(type->element->size);
    if (stride == 0)
        stride = 8;
    make_room(entries, (size_t)bw__map_len(map) + 1, stride);
    struct map_walk walk;
    map_walk_begin(&walk, map);
    while (map_walk_next(&walk)) {
        if (entries->count == entries->capacity)
            make_room(entries, 2 * entries->capacity, stride);
        char *copy = entries->copies + entries->count++ * stride;
        memcpy(copy, walk.key, type->key->size);
        memcpy(copy + entries->value_offset, walk.value, type->element->size);
    }
    entries->sorted = bw_alloc(2 * (entries->count + 1) * sizeof *entries->sorted);
    for (size_t i = 0; i < entries->count; i++)
        entries->sorted[i] = entries->copies + i * stride;
    sort(type->key, entries->sorted, entries->sorted + entries->count, entries->count);
}

void entries_end(struct entries *entries) {
    bw_free(entries->sorted);
    bw_free(entries->copies);
}
