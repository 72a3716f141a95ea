/* map.h - Go's maps: the data, and what map.c (searching, inserting, deleting), map_table.c (tables that grow, are
 * split and united) and map_walk.c (iteration) share.
 *
 *     struct bw__map ---> directory ---> table ---> groups of seven slots
 *
 * A GROUP is a control word and seven slots. A SLOT holds a key and a value. Of the control word's bytes the first
 * seven are the slots' tags: 0 for a free slot, else seven bits of the key's hash and a one. The eighth has a bit for
 * each of seven classes of hash values: it is set once a key of that class did not find room here and went on to the
 * next group. So a search compares seven tags at once, and ends at the first group whose bit for the class is clear;
 * deleting a key just frees its slot.
 *
 * A TABLE is up to MAX_GROUPS groups, and a word about it (struct table_word) in what the last group leaves of its
 * size, or behind it. It never changes its size: a table that is full is replaced by a larger one, by one of its size
 * if it has room but too many bits are set, or, at full size, by two, each of which gets the keys whose hash has one
 * value of the next bit from the top. A table of depth d holds the keys with one value of the top d bits.
 *
 * The DIRECTORY has an entry for each value of the top bits, as many as the deepest table has: the table's address
 * (aligned to 64 bytes) plus a code for its number of groups, so that a search needs to read nothing else before the
 * group. A map of one table has its directory in its own record.
 *
 * Invariants: a key's slot is in the first group from its home on, in its class's steps, that had room when it was
 * inserted, and every group passed over has the bit of its class. `budget` of a table is how many more keys it may
 * take: 10/11 of the slots in all, less what deletions from groups with bits have cost. Keys and values in free slots
 * are zero, so that they keep nothing alive. A table that was replaced is never written again: a walk (bw__map_iter)
 * may be on it, and goes on reading it, asking the map for the present value of each key. Walks go by the hash: what a
 * walk has seen is a range of hash values, however the tables are split and united. While walks are under way, tables
 * that were replaced are left to the collector; else large ones are freed at once.
 */
#ifndef BURROW_LANG_MAP_H
#define BURROW_LANG_MAP_H

#include "value.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))

#define GROUP_SLOTS 7
#define MAX_GROUPS 142
#define TABLE_ALIGN 64
#define TABLE_BYTES_WANTED ((size_t)BW__MAX_SMALL)
#define FREED_AT_ONCE ((size_t)1024) /* smaller tables cost more to free than to leave */

/* The numbers of groups that a table can have: even, or one, and each table holds at least as many keys as the one that
 * Go has in its place. A finer series would waste less and copy more. */
#define GROUP_COUNTS                                                                                                   \
    { 1, 2, 4, 10, 18, 36, 72, MAX_GROUPS }
#define STEPS 8

/* What all maps of one type share. */
struct map_type {
    const bw_type *type, *key, *value;
    size_t slot_bytes, group_bytes, value_offset;
    int32_t word_delta; /* of a table's word from the end of its groups */
    uint32_t way;       /* BW__KEY_..., with BW__KEY_SMALL */
    bool plain;         /* keys are equal if their bytes are */
    bool update_keys;   /* equal keys may differ: the last one written is kept */
    bool self_unequal;  /* a key may differ from itself */
    uint32_t steps;     /* of group_counts, that tables of this type come in */
    struct layout *map_layout;
    struct layout *table_layouts[STEPS];
};

struct bw__map {
    const struct map_type *type;
    ptrdiff_t used;
    uint64_t seed;
    uintptr_t *directory; /* 1 << depth entries */
    uintptr_t single;     /* the directory of depth 0 */
    uint8_t shift;        /* 63 - depth */
    uint8_t way;
    _Atomic uint8_t writing; /* somebody is; nobody else may be, nor read */
    uint32_t group_bytes, slot_bytes, value_offset;
    int32_t word_delta;
    uint32_t version;         /* changes when a table is replaced */
    _Atomic uint32_t walks;   /* under way */
    uint32_t tables, deepest; /* tables; of those, with the depth of the directory */
    uint32_t clears;
};

#if defined(__SSE2__)
/* The inline search of the public header goes by the same places. */
#define SAME_PLACE(member)                                                                                             \
    _Static_assert(offsetof(struct bw__map, member) == offsetof(struct bw__map_head, member), #member)
SAME_PLACE(seed);
SAME_PLACE(directory);
SAME_PLACE(shift);
SAME_PLACE(writing);
#endif

struct table_word {
    uint16_t used, budget;
    uint8_t depth, step;
    uint16_t unused;
};
_Static_assert(sizeof(struct table_word) == 8, "fits where a control word does");

/* What a map without a table refers to. */
extern const char map_no_table[TABLE_ALIGN];

static inline unsigned depth_of(const struct bw__map *map) {
    return 63u - map->shift;
}

/* --- groups --- */

static inline uint32_t tag_of(uint64_t hash) {
    return ((uint32_t)hash | 0x80) & 0xff;
}

/* Keys of one class that find no room in a group go on from there in the same steps, others in others, so that full
 * groups do not fill their neighbours. The steps have no divisor with any number of groups in common, so that they come
 * to every group. The last bit of a control word is never set: its last byte is no tag. */
#define CLASSES 7
#define CLASS_STEPS                                                                                                    \
    { 1, 7, 11, 13, 17, 19, 23 }
static inline unsigned class_of(uint64_t hash) {
    return bw__map_class(hash);
}
static inline uint64_t overflow_bit(uint64_t hash) {
    return (uint64_t)1 << (56 + class_of(hash));
}

/* A bit for each slot with that tag; match_free: for each free slot. MATCH_STRIDE bits are one slot's. */
#if defined(__SSE2__)
#define MATCH_STRIDE 1
static inline uint64_t match(uint64_t control, uint32_t tag) {
    __m128i equal = _mm_cmpeq_epi8(_mm_cvtsi64_si128((long long)control), _mm_set1_epi8((char)tag));
    return (uint32_t)_mm_movemask_epi8(equal) & 0xff;
}
#elif defined(__ARM_NEON)
#define MATCH_STRIDE 8
static inline uint64_t match(uint64_t control, uint32_t tag) {
    uint8x8_t equal = vceq_u8(vcreate_u8(control), vdup_n_u8((uint8_t)tag));
    return vget_lane_u64(vreinterpret_u64_u8(equal), 0) & 0x8080808080808080u;
}
#else
#define MATCH_STRIDE 8
static inline uint64_t match(uint64_t control, uint32_t tag) {
    uint64_t x = control ^ 0x0101010101010101u * tag;
    /* Exact: the high bit of each byte that is zero. */
    return ~(((x & 0x7f7f7f7f7f7f7f7fu) + 0x7f7f7f7f7f7f7f7fu) | x | 0x7f7f7f7f7f7f7f7fu);
}
#endif
static inline uint64_t match_free(uint64_t control) {
    return match(control, 0) & ~((uint64_t)1 << 7 * MATCH_STRIDE << (MATCH_STRIDE - 1));
}
static inline unsigned matched_slot(uint64_t bits) {
    return (unsigned)__builtin_ctzll(bits) / MATCH_STRIDE;
}

static inline uint64_t control_of(const char *group) {
    uint64_t control;
    memcpy(&control, group, sizeof control);
    return control;
}
/* A whole word, where it may soon be loaded again: a processor waits before it loads a word of which a byte was just
 * stored. */
static inline void set_control(char *group, uint64_t control) {
    memcpy(group, &control, sizeof control);
}
static inline uint64_t with_tag(uint64_t control, unsigned index, uint64_t tag) {
    return control | tag << 8 * index;
}

/* A bit for each slot in use. */
static inline uint8_t occupied(uint64_t control) {
#if MATCH_STRIDE == 1
    return (uint8_t)(~match(control, 0) & 0x7f);
#else
    uint64_t free = match(control, 0) >> 7;
    uint8_t bits = 0;
    for (unsigned i = 0; i < GROUP_SLOTS; i++)
        bits |= (uint8_t)((~free >> 8 * i & 1) << i);
    return bits;
#endif
}

/* --- tables --- */

static inline uintptr_t entry_of(const struct bw__map *map, uint64_t hash) {
    return map->directory[hash >> 1 >> map->shift];
}
static inline char *table_of(uintptr_t entry) {
    return (char *)(entry & ~(uintptr_t)(TABLE_ALIGN - 1));
}
#define FULL_CODE (TABLE_ALIGN - 1)
static inline unsigned groups_of(uintptr_t entry) {
    return bw__map_groups(entry);
}
_Static_assert(TABLE_ALIGN == 64 && 2 * FULL_CODE + 16 == MAX_GROUPS && CLASSES == 7, "as bw__map_groups, _class");
static inline uintptr_t make_entry(const char *table, unsigned groups) {
    return (uintptr_t)table + (groups == MAX_GROUPS ? FULL_CODE : groups / 2);
}
/* Of the middle bits of the hash, those that the directory and the tags do not use, a fraction of the number of
 * groups. */
static inline unsigned home_of(uint64_t hash, unsigned groups) {
    return bw__map_home(hash, groups);
}

/* The group after this one for keys of that class. */
static inline char *next_group(uintptr_t entry, char *group, uint64_t hash, size_t group_bytes) {
    static const uint8_t steps[CLASSES] = CLASS_STEPS;
    size_t bytes = groups_of(entry) * group_bytes;
    group += steps[class_of(hash)] * group_bytes;
    while (group >= table_of(entry) + bytes)
        group -= bytes;
    return group;
}

static inline size_t table_bytes(const struct map_type *type, unsigned groups) {
    return (groups * type->group_bytes + (size_t)(type->word_delta + 8) + TABLE_ALIGN - 1) & ~(size_t)(TABLE_ALIGN - 1);
}
static inline struct table_word *table_word(uintptr_t entry, size_t group_bytes, ptrdiff_t delta) {
    return (struct table_word *)(table_of(entry) + groups_of(entry) * group_bytes + delta);
}
static inline struct table_word *word_of(const struct map_type *type, uintptr_t entry) {
    return table_word(entry, type->group_bytes, type->word_delta);
}

/* How many keys a table of so many groups may take: with few groups a search is short even if all are full. */
static inline unsigned capacity_of(unsigned groups) {
    return groups <= 4 ? groups * GROUP_SLOTS : groups * GROUP_SLOTS * 10 / 11;
}

/* --- keys --- */

/* The way is a constant wherever speed matters; with BW__KEY_SMALL the sizes are, too. */
INLINE size_t group_bytes_of(const struct bw__map *map, uint32_t way) {
    switch (way) {
    case BW__KEY_4 | BW__KEY_SMALL: return 64;
    case BW__KEY_8 | BW__KEY_SMALL: return 128;
    case BW__KEY_STRING | BW__KEY_SMALL: return 176;
    default: return map->group_bytes;
    }
}
INLINE size_t slot_bytes_of(const struct bw__map *map, uint32_t way) {
    switch (way) {
    case BW__KEY_4 | BW__KEY_SMALL: return 8;
    case BW__KEY_8 | BW__KEY_SMALL: return 16;
    case BW__KEY_STRING | BW__KEY_SMALL: return 24;
    default: return map->slot_bytes;
    }
}
INLINE size_t value_offset_of(const struct bw__map *map, uint32_t way) {
    return way & BW__KEY_SMALL ? slot_bytes_of(map, way) - (way == (BW__KEY_4 | BW__KEY_SMALL) ? 4 : 8)
                               : map->value_offset;
}
/* Of a table's word, from the end of its groups. */
INLINE ptrdiff_t word_delta_of(const struct bw__map *map, uint32_t way) {
    return way == (BW__KEY_8 | BW__KEY_SMALL)                                              ? -8
           : way == (BW__KEY_4 | BW__KEY_SMALL) || way == (BW__KEY_STRING | BW__KEY_SMALL) ? 0
                                                                                           : map->word_delta;
}

INLINE uint64_t hash_key(const struct bw__map *map, const void *key, uint32_t way) {
    switch (way & ~BW__KEY_SMALL) {
    case BW__KEY_4: {
        uint32_t word;
        memcpy(&word, key, sizeof word);
        return hash_word(word, map->seed);
    }
    case BW__KEY_8: {
        uint64_t word;
        memcpy(&word, key, sizeof word);
        return hash_word(word, map->seed);
    }
    case BW__KEY_STRING: {
        bw_string string;
        memcpy(&string, key, sizeof string);
        return hash_bytes(string.ptr, (size_t)string.len, map->seed);
    }
    default:
        if (map->type->plain && map->type->key->size > 8)
            return hash_bytes(key, map->type->key->size, map->seed);
        if (map->type->key->kind == BW_KIND_ANY)
            return any_hash(key, map->seed);
        return value_hash(map->type->key, key, map->seed);
    }
}

/* Short strings without a call. */
INLINE bool same_bytes(const char *a, const char *b, size_t length) {
    if (length < 8 || length > 64)
        return length == 0 || memcmp(a, b, length) == 0; /* an empty string may have no address */
    uint64_t x, y;
    for (size_t i = 0; i + 8 < length; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y)
            return false;
    }
    memcpy(&x, a + length - 8, 8);
    memcpy(&y, b + length - 8, 8);
    return x == y;
}

INLINE bool same_key(const struct bw__map *map, const char *slot, const void *key, uint32_t way) {
    switch (way & ~BW__KEY_SMALL) {
    case BW__KEY_4: return memcmp(slot, key, 4) == 0;
    case BW__KEY_8: return memcmp(slot, key, 8) == 0;
    case BW__KEY_STRING: {
        bw_string a, b;
        memcpy(&a, slot, sizeof a);
        memcpy(&b, key, sizeof b);
        return a.len == b.len && (a.ptr == b.ptr || same_bytes(a.ptr, b.ptr, (size_t)a.len));
    }
    default:
        if (map->type->plain)
            return memcmp(slot, key, map->type->key->size) == 0;
        if (map->type->key->kind == BW_KIND_ANY)
            return any_equal(slot, key);
        return value_equal(map->type->key, slot, key);
    }
}

/* --- searching --- */

struct found {
    char *slot; /* NULL: not there */
    char *group;
    unsigned index;
};

/* A key's home, and what can be said of it before the key is compared. */
struct probe {
    uint64_t hash;
    uintptr_t entry;
    char *group;
    uint64_t control;
};

INLINE struct probe go_home(const struct bw__map *map, uint64_t hash, uint32_t way) {
    uintptr_t entry = entry_of(map, hash);
    char *group = table_of(entry) + home_of(hash, groups_of(entry)) * group_bytes_of(map, way);
    __builtin_prefetch(group + 64);
    if (group_bytes_of(map, way) > 128)
        __builtin_prefetch(group + 128);
    return (struct probe){hash, entry, group, control_of(group)};
}

INLINE struct found search_group(const struct bw__map *map, char *group, uint64_t control, uint64_t hash,
                                 const void *key, uint32_t way) {
    for (uint64_t bits = match(control, tag_of(hash)); bits; bits &= bits - 1) {
        unsigned index = matched_slot(bits);
        char *slot = group + 8 + index * slot_bytes_of(map, way);
        if (__builtin_expect(same_key(map, slot, key, way), 1))
            return (struct found){slot, group, index};
    }
    return (struct found){NULL, NULL, 0};
}

INLINE struct found search(const struct bw__map *map, struct probe probe, const void *key, uint32_t way) {
    char *group = probe.group;
    uint64_t control = probe.control;
    for (;;) {
        struct found found = search_group(map, group, control, probe.hash, key, way);
        if (found.slot)
            return found;
        uint64_t hash = probe.hash;
        __asm__ volatile(
            ""
            : "+r"(hash)); /* what follows is computed here, not before the search that mostly ends above */
        if (__builtin_expect((control & overflow_bit(hash)) == 0, 1))
            return found;
        /* Keys of this class went on from here. */
        group = next_group(probe.entry, group, probe.hash, group_bytes_of(map, way));
        if (group == probe.group)
            return found;
        control = control_of(group);
    }
}

BW__COLD void map_told(const char *what) __attribute__((noreturn)); /* of misuse */

/* --- map_table.c --- */
const struct map_type *map_type_of(const bw_type *type);
uint32_t map_step_for(const struct map_type *type, size_t keys); /* of tables that take so many, or are full-sized */
unsigned map_full_groups(const struct map_type *type);
uintptr_t map_new_table(const struct map_type *type, uint32_t step, unsigned depth);
void map_drop_table(struct bw__map *map, uintptr_t entry);
uintptr_t *map_new_directory(unsigned depth);
void map_set_directory(struct bw__map *map, uintptr_t *directory, unsigned depth);
/* A slot for a key with that hash, which is not there: in a table that has room, or is made to have. */
char *map_place(struct bw__map *map, uint64_t hash);
/* The table of that hash lost most of its keys: it is united with the one that it was split from, or gets smaller. */
void map_shrink(struct bw__map *map, uint64_t hash);

#endif
