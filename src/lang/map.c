/* map.c - searching in maps, inserting, deleting, making them. What a map is made of: map.h. */
#include "map.h"

const char map_no_table[TABLE_ALIGN] __attribute__((aligned(TABLE_ALIGN)));

void map_told(const char *what) {
    os_fatal("%s", what);
}

INLINE void *find(const struct bw__map *map, const void *key, uint32_t way) {
    if (__builtin_expect(map == NULL, 0))
        return NULL;
    if (__builtin_expect(atomic_load_explicit(&map->writing, memory_order_relaxed) != 0, 0))
        map_told("concurrent map read and map write");
    char *slot = search(map, go_home(map, hash_key(map, key, way), way), key, way).slot;
    return slot ? slot + value_offset_of(map, way) : NULL;
}

/* --- writing --- */

INLINE void begin_writing(struct bw__map *map) {
    if (__builtin_expect(atomic_load_explicit(&map->writing, memory_order_relaxed) != 0, 0))
        map_told("concurrent map writes");
    atomic_store_explicit(&map->writing, 1, memory_order_relaxed);
}
INLINE void end_writing(struct bw__map *map) {
    if (__builtin_expect(atomic_load_explicit(&map->writing, memory_order_relaxed) == 0, 0))
        map_told("concurrent map writes");
    atomic_store_explicit(&map->writing, 0, memory_order_relaxed);
}

INLINE void copy_key(const struct bw__map *map, char *slot, const void *key, uint32_t way) {
    switch (way & ~BW__KEY_SMALL) {
    case BW__KEY_4: memcpy(slot, key, 4); break;
    case BW__KEY_8: memcpy(slot, key, 8); break;
    case BW__KEY_STRING: memcpy(slot, key, sizeof(bw_string)); break;
    default: memcpy(slot, key, map->type->key->size);
    }
}

/* A slot for a key that is not there, if its table may take more; else NULL. */
INLINE char *place_in_table(const struct bw__map *map, struct probe probe, uint32_t way) {
    struct table_word *word = table_word(probe.entry, group_bytes_of(map, way), word_delta_of(map, way));
    if (__builtin_expect(table_of(probe.entry) == map_no_table, 0) || __builtin_expect(word->budget == 0, 0))
        return NULL;
    char *group = probe.group;
    uint64_t control = probe.control, room;
    while (__builtin_expect((room = match_free(control)) == 0, 0)) {
        set_control(group, control | overflow_bit(probe.hash));
        group = next_group(probe.entry, group, probe.hash, group_bytes_of(map, way));
        control = control_of(group);
    }
    unsigned index = matched_slot(room);
    set_control(group, with_tag(control, index, tag_of(probe.hash)));
    word->used++;
    word->budget--;
    return group + 8 + index * slot_bytes_of(map, way);
}

INLINE void *assign(struct bw__map *map, const void *key, uint32_t way) {
    if (__builtin_expect(map == NULL, 0))
        os_panic("assignment to entry in nil map");
    uint64_t hash = hash_key(map, key, way);
    begin_writing(map);
    struct probe probe = go_home(map, hash, way);
    char *slot = search(map, probe, key, way).slot;
    if (slot) {
        if ((way & ~BW__KEY_SMALL) == BW__KEY_STRING || (way == BW__KEY_GENERAL && map->type->update_keys))
            copy_key(map, slot, key, way);
    } else {
        slot = place_in_table(map, probe, way);
        if (__builtin_expect(slot == NULL, 0))
            slot = map_place(map, hash);
        copy_key(map, slot, key, way);
        map->used++;
    }
    end_writing(map);
    return slot + value_offset_of(map, way);
}

INLINE void delete (struct bw__map *map, const void *key, uint32_t way) {
    if (map == NULL || map->used == 0) {
        if (map && way == BW__KEY_GENERAL)
            hash_key(map, key, way);
        return;
    }
    uint64_t hash = hash_key(map, key, way);
    begin_writing(map);
    struct probe probe = go_home(map, hash, way);
    uintptr_t entry = probe.entry;
    struct found found = search(map, probe, key, way);
    if (found.slot) {
        memset(found.slot, 0, slot_bytes_of(map, way));
        found.group[found.index] = 0;
        struct table_word *word = table_word(entry, group_bytes_of(map, way), word_delta_of(map, way));
        word->used--;
        /* A group with bits stays on the way of searches that end after it: as if the slot were in use. */
        if (found.group[GROUP_SLOTS] == 0)
            word->budget++;
        map->used--;
        if (__builtin_expect(word->used * 8u < capacity_of(groups_of(entry)), 0) && (word->step > 0 || word->depth > 0))
            map_shrink(map, hash);
    }
    end_writing(map);
}

/* --- one function for each way --- */

#define WORD_WAYS(suffix, way, T)                                                                                      \
    void *bw__map_find_##suffix(const struct bw__map *map, T key) {                                                    \
        return find(map, &key, way);                                                                                   \
    }                                                                                                                  \
    void *bw__map_assign_##suffix(struct bw__map *map, T key) {                                                        \
        return assign(map, &key, way);                                                                                 \
    }                                                                                                                  \
    void bw__map_delete_##suffix(struct bw__map *map, T key) {                                                         \
        delete (map, &key, way);                                                                                       \
    }
WORD_WAYS(4, BW__KEY_4, uint32_t)
WORD_WAYS(4_small, BW__KEY_4 | BW__KEY_SMALL, uint32_t)
WORD_WAYS(8, BW__KEY_8, uint64_t)
WORD_WAYS(8_small, BW__KEY_8 | BW__KEY_SMALL, uint64_t)

/* Flat: the hash is long, and the compiler would rather call it. */
#define FLAT __attribute__((flatten))
#define STRING_WAYS(suffix, way)                                                                                       \
    FLAT void *bw__map_find_##suffix(const struct bw__map *map, bw_string key) {                                       \
        return find(map, &key, way);                                                                                   \
    }                                                                                                                  \
    FLAT void *bw__map_assign_##suffix(struct bw__map *map, bw_string key) {                                           \
        return assign(map, &key, way);                                                                                 \
    }                                                                                                                  \
    FLAT void bw__map_delete_##suffix(struct bw__map *map, bw_string key) {                                            \
        delete (map, &key, way);                                                                                       \
    }
STRING_WAYS(string, BW__KEY_STRING)
STRING_WAYS(string_small, BW__KEY_STRING | BW__KEY_SMALL)

void *bw__map_find(const struct bw__map *map, const void *key) {
    return find(map, key, BW__KEY_GENERAL);
}
void *bw__map_assign(struct bw__map *map, const void *key) {
    return assign(map, key, BW__KEY_GENERAL);
}
void bw__map_delete(struct bw__map *map, const void *key) {
    delete (map, key, BW__KEY_GENERAL);
}

/* The map as it was made; what it had is left to walks and the collector, or freed. */
static void empty(struct bw__map *map) {
    map->directory = &map->single;
    map->single = make_entry(map_no_table, 1);
    map->shift = 63;
    map->used = 0;
    map->tables = 0;
    map->deepest = 1;
    map->version++;
}

void bw__map_clear(struct bw__map *map) {
    if (map == NULL || map->tables == 0)
        return;
    begin_writing(map);
    size_t count = (size_t)1 << depth_of(map);
    for (size_t i = 0; i < count;) {
        uintptr_t entry = map->directory[i];
        i += count >> word_of(map->type, entry)->depth;
        map_drop_table(map, entry);
    }
    uintptr_t *directory = map->directory;
    bool large = directory != &map->single && sizeof(uintptr_t) * count >= FREED_AT_ONCE;
    empty(map);
    map->clears++;
    if (large)
        typed_free(directory);
    end_writing(map);
}

/* --- making --- */

struct bw__map *bw__map_make(bw__type_site *site, ptrdiff_t hint) {
    const struct map_type *type = map_type_of(bw__site_type(site));
    struct bw__map *map = typed_memory(type->map_layout, sizeof *map);
    map->type = type;
    map->seed = hash_random();
    map->way = (uint8_t)type->way;
    map->group_bytes = (uint32_t)type->group_bytes;
    map->slot_bytes = (uint32_t)type->slot_bytes;
    map->value_offset = (uint32_t)type->value_offset;
    map->word_delta = type->word_delta;
    empty(map);
    if (hint <= 0 || (size_t)hint > TYPED_MAX_BYTES / type->slot_bytes)
        return map; /* as Go has it, a hint out of range is none */
    size_t full = capacity_of(map_full_groups(type)), keys = (size_t)hint;
    unsigned depth = 0;
    /* Chance gives some tables more than their share, the less the larger they are. */
    size_t room = keys;
    if (keys > full) {
        size_t spread = 1;
        while (spread * spread < full)
            spread++;
        while (depth < 40 && (full - (full > 2 * spread ? 2 * spread : 0)) << depth < keys)
            depth++;
        room = (keys >> depth) + 2 * spread;
    }
    uintptr_t *directory = &map->single;
    if (depth > 0)
        directory = map_new_directory(depth);
    for (size_t i = 0; i < (size_t)1 << depth; i++)
        directory[i] = map_new_table(type, map_step_for(type, room), depth);
    if (depth > 0)
        map_set_directory(map, directory, depth);
    map->tables = map->deepest = 1u << depth;
    return map;
}

ptrdiff_t bw__map_len(const void *map) {
    return map ? ((const struct bw__map *)map)->used : 0;
}

const bw_type *bw__map_type(const void *map) {
    return map ? ((const struct bw__map *)map)->type->type : &bw__basic[BW_KIND_OPAQUE];
}
