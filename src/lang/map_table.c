/* map_table.c - a map's tables: their sizes and layouts, and replacing them when they are full or nearly empty. */
#include "map.h"

static const uint8_t group_counts[STEPS] = GROUP_COUNTS;

uint32_t map_step_for(const struct map_type *type, size_t keys) {
    uint32_t step = 0;
    while (step + 1 < type->steps && capacity_of(group_counts[step]) < keys)
        step++;
    return step;
}

unsigned map_full_groups(const struct map_type *type) {
    return group_counts[type->steps - 1];
}

/* --- types --- */

static bool is_plain(const bw_type *type) {
    switch (type->kind) {
    case BW_KIND_FLOAT32:
    case BW_KIND_FLOAT64:
    case BW_KIND_STRING:
    case BW_KIND_ANY:
    case BW_KIND_ERROR:
    case BW_KIND_INTERFACE:
    case BW_KIND_SLICE:
    case BW_KIND_MAP:
    case BW_KIND_OPAQUE: return false;
    case BW_KIND_ARRAY: return is_plain(type->element);
    case BW_KIND_STRUCT: {
        size_t end = 0;
        for (uint32_t i = 0; i < type->field_count; i++) {
            if (type->fields[i].offset != end || !is_plain(type->fields[i].type))
                return false;
            end += type->fields[i].type->size;
        }
        return end == type->size;
    }
    default: return true;
    }
}

/* May equal keys differ, or a key from itself? */
static bool has_floats(const bw_type *type) {
    switch (type->kind) {
    case BW_KIND_FLOAT32:
    case BW_KIND_FLOAT64:
    case BW_KIND_ANY:
    case BW_KIND_ERROR:
    case BW_KIND_INTERFACE: return true;
    case BW_KIND_ARRAY: return has_floats(type->element);
    case BW_KIND_STRUCT:
        for (uint32_t i = 0; i < type->field_count; i++)
            if (has_floats(type->fields[i].type))
                return true;
        return false;
    default: return false;
    }
}

/* The macros of burrow/map.h come to the same result from the C types. */
static uint32_t way_of(const struct map_type *type) {
    size_t slot_bytes = type->slot_bytes, value_bytes = type->value->size;
    switch (type->key->kind) {
    case BW_KIND_INT:
    case BW_KIND_UINT: return BW__KEY_4 | (value_bytes && slot_bytes == 8 ? BW__KEY_SMALL : 0);
    case BW_KIND_INT64:
    case BW_KIND_UINT64:
    case BW_KIND_POINTER:
    case BW_KIND_CSTRING: return BW__KEY_8 | (value_bytes && slot_bytes == 16 ? BW__KEY_SMALL : 0);
    case BW_KIND_STRING: return BW__KEY_STRING | (value_bytes && slot_bytes == 24 ? BW__KEY_SMALL : 0);
    default: return BW__KEY_GENERAL;
    }
}

static size_t align_up(size_t bytes, size_t align) {
    return (bytes + align - 1) & ~(align - 1);
}

/* Is a key found by what it refers to, and not by addresses? Then what it refers to may move. */
static bool is_found_by_contents(const bw_type *type) {
    switch (type->kind) {
    case BW_KIND_STRING: return true;
    case BW_KIND_ARRAY: return is_found_by_contents(type->element);
    case BW_KIND_STRUCT:
        for (uint32_t i = 0; i < type->field_count; i++)
            if (!is_found_by_contents(type->fields[i].type))
                return false;
        return true;
    default: return !((const struct type_info *)type->bw__info)->pointers;
    }
}

static void add_words(uint64_t *map, uint64_t *ambiguous, uint64_t *anys, size_t offset, const bw_type *type,
                      bool all_ambiguous) {
    const struct type_info *info = type->bw__info;
    for (size_t word = 0; word < type->size / 8; word++) {
        size_t at = offset / 8 + word;
        if (info->searched[word / 64] >> (word % 64) & 1)
            map[at / 64] |= (uint64_t)1 << at % 64;
        if (all_ambiguous || info->ambiguous[word / 64] >> (word % 64) & 1)
            ambiguous[at / 64] |= (uint64_t)1 << at % 64;
        if (!all_ambiguous && info->anys[word / 64] >> (word % 64) & 1)
            anys[at / 64] |= (uint64_t)1 << at % 64;
    }
}

/* Under types_lock. */
static struct map_type *make_map_type(const bw_type *type) {
    struct map_type *made = type_memory(sizeof *made);
    const bw_type *key = type->key, *value = type->element;
    size_t align = key->align > value->align ? key->align : value->align;
    made->type = type;
    made->key = key;
    made->value = value;
    made->value_offset = align_up(key->size, value->align ? value->align : 1);
    made->slot_bytes = align_up(made->value_offset + value->size, align ? align : 1);
    if (made->slot_bytes == 0)
        made->slot_bytes = 1;
    made->group_bytes = align_up(8 + GROUP_SLOTS * made->slot_bytes, 8);
    size_t lines = align_up(made->group_bytes, 64);
    if (lines - made->group_bytes <= made->group_bytes / 12)
        made->group_bytes = lines; /* a group in as few cache lines as possible */
    made->word_delta = made->group_bytes - (8 + GROUP_SLOTS * made->slot_bytes) >= 8 ? -8 : 0;
    made->way = way_of(made);
    made->plain = is_plain(key);
    made->self_unequal = has_floats(key);
    made->update_keys = made->self_unequal;
    made->steps = 1;
    while (made->steps < STEPS && table_bytes(made, group_counts[made->steps]) <= TABLE_BYTES_WANTED)
        made->steps++;

    bool pointers =
        ((const struct type_info *)key->bw__info)->pointers || ((const struct type_info *)value->bw__info)->pointers;
    size_t map_words = made->group_bytes / 8 / 64 + 1;
    uint64_t *map = type_memory(3 * map_words * sizeof *map), *ambiguous = map + map_words;
    uint64_t *anys = ambiguous + map_words;
    for (size_t slot = 0; slot < GROUP_SLOTS; slot++) {
        add_words(map, ambiguous, anys, 8 + slot * made->slot_bytes, key, !is_found_by_contents(key));
        add_words(map, ambiguous, anys, 8 + slot * made->slot_bytes + made->value_offset, value, false);
    }
    for (uint32_t step = 0; step < made->steps; step++) {
        size_t bytes = table_bytes(made, group_counts[step]);
        struct layout like = {.kind = KIND_MAP, .by_make = true, .name = type->name, .type = type->bw__info};
        like.scan = pointers ? SCAN_REPEAT : SCAN_NONE;
        like.pointer_map = map;
        like.ambiguous_map = ambiguous;
        like.any_map = anys;
        like.element_words = (uint32_t)(made->group_bytes / 8);
        like.slot_bytes = bytes <= BW__MAX_SMALL ? (uint32_t)bytes : 0;
        like.movable = true; /* who walks it, or searches it, has its address on the stack */
        made->table_layouts[step] = typed_layout(&like);
    }
    static struct layout *map_layout;
    if (map_layout == NULL) {
        static const uint64_t words = 1u << (offsetof(struct bw__map, directory) / 8) |
                                      1u << (offsetof(struct bw__map, single) / 8),
                              none = 0;
        struct layout like = {.kind = KIND_MAP,
                              .by_make = true,
                              .movable = true,
                              .scan = SCAN_BITS,
                              .pointer_map = &words,
                              .name = "map"};
        like.ambiguous_map = &none;
        like.slot_bytes = (sizeof(struct bw__map) + GRANULE_BYTES - 1) & ~(GRANULE_BYTES - 1);
        like.element_words = sizeof(struct bw__map) / 8;
        map_layout = typed_layout(&like);
    }
    made->map_layout = map_layout;
    return made;
}

const struct map_type *map_type_of(const bw_type *type) {
    struct type_info *info = type->bw__info;
    struct map_type *map_type = __atomic_load_n(&info->map, __ATOMIC_ACQUIRE);
    if (map_type)
        return map_type;
    struct thread *self = thread_enter();
    types_lock_acquire();
    if (info->map == NULL)
        __atomic_store_n(&info->map, make_map_type(type), __ATOMIC_RELEASE);
    types_lock_release();
    thread_leave(self);
    return info->map;
}

/* --- memory --- */

uintptr_t map_new_table(const struct map_type *type, uint32_t step, unsigned depth) {
    unsigned groups = group_counts[step];
    char *table = typed_memory(type->table_layouts[step], table_bytes(type, groups));
    uintptr_t entry = make_entry(table, groups);
    *word_of(type, entry) =
        (struct table_word){.budget = (uint16_t)capacity_of(groups), .depth = (uint8_t)depth, .step = (uint8_t)step};
    return entry;
}

/* A table that was replaced. */
void map_drop_table(struct bw__map *map, uintptr_t entry) {
    if (atomic_load_explicit(&map->walks, memory_order_relaxed) == 0 &&
        table_bytes(map->type, groups_of(entry)) >= FREED_AT_ONCE)
        typed_free(table_of(entry));
}

uintptr_t *map_new_directory(unsigned depth) {
    static struct layout *_Atomic layouts[48];
    struct layout *layout = atomic_load(&layouts[depth]);
    size_t bytes = sizeof(uintptr_t) << depth;
    if (layout == NULL) {
        struct thread *self = thread_enter();
        types_lock_acquire();
        if (atomic_load(&layouts[depth]) == NULL) {
            static const uint64_t one = 1, none = 0;
            struct layout like = {.kind = KIND_MAP, .by_make = true, .movable = true, .name = "map directory"};
            like.scan = SCAN_REPEAT;
            like.pointer_map = &one;
            like.ambiguous_map = &none;
            like.element_words = 1;
            like.slot_bytes = bytes <= BW__MAX_SMALL ? (uint32_t)align_up(bytes, GRANULE_BYTES) : 0;
            struct layout *made = layout_new(&like);
            if (made == NULL)
                os_fatal("runtime: out of memory: cannot make a layout");
            atomic_store(&layouts[depth], made);
        }
        types_lock_release();
        thread_leave(self);
        layout = atomic_load(&layouts[depth]);
    }
    return typed_memory(layout, bytes);
}

void map_set_directory(struct bw__map *map, uintptr_t *directory, unsigned depth) {
    uintptr_t *old = map->directory;
    size_t old_bytes = sizeof(uintptr_t) << depth_of(map);
    map->directory = directory;
    map->shift = (uint8_t)(63 - depth);
    if (old != &map->single && old_bytes >= FREED_AT_ONCE)
        typed_free(old);
}

/* --- replacing tables --- */

/* Puts a key that is not there into a table with room; where its slot is. */
INLINE char *place(uintptr_t entry, uint64_t hash, size_t group_bytes, size_t slot_bytes) {
    char *group = table_of(entry) + home_of(hash, groups_of(entry)) * group_bytes;
    for (;;) {
        uint64_t control = control_of(group), room = match_free(control);
        if (__builtin_expect(room != 0, 1)) {
            unsigned index = matched_slot(room);
            set_control(group, with_tag(control, index, tag_of(hash)));
            return group + 8 + index * slot_bytes;
        }
        set_control(group, control | overflow_bit(hash));
        group = next_group(entry, group, hash, group_bytes);
    }
}

/* The keys' bytes are anywhere: those of a group are fetched together. */
INLINE void fetch_strings(const char *group, size_t slot_bytes) {
    for (unsigned slot = 0; slot < GROUP_SLOTS; slot++) {
        const char *ptr;
        memcpy(&ptr, group + 8 + slot * slot_bytes, sizeof ptr);
        __builtin_prefetch(ptr);
    }
}

/* Copies a table's slots into one of two, by the bit of the hash; both may be the same. The sizes are constants where
 * it is called for the usual types. */
INLINE void move_slots(const struct bw__map *map, uintptr_t from, uintptr_t to_low, uintptr_t to_high, uint64_t bit,
                       uint32_t way, size_t group_bytes, size_t slot_bytes) {
    unsigned groups = groups_of(from), low = 0, high = 0;
    for (unsigned i = 0; i < groups; i++) {
        const char *group = table_of(from) + i * group_bytes;
        if ((way & ~BW__KEY_SMALL) == BW__KEY_STRING && i + 2 < groups)
            fetch_strings(group + 2 * group_bytes, slot_bytes);
        for (unsigned bits = occupied(control_of(group)); bits; bits &= bits - 1) {
            const char *slot = group + 8 + (unsigned)__builtin_ctz(bits) * slot_bytes;
            uint64_t hash = hash_key(map, slot, way);
            bool up = (hash & bit) != 0;
            memcpy(place(up ? to_high : to_low, hash, group_bytes, slot_bytes), slot, slot_bytes);
            low += !up;
            high += up;
        }
    }
    struct table_word *word = word_of(map->type, to_low);
    word->used = (uint16_t)(word->used + low);
    word->budget = (uint16_t)(word->budget - low);
    word = word_of(map->type, to_high);
    word->used = (uint16_t)(word->used + high);
    word->budget = (uint16_t)(word->budget - high);
}

#define MOVE(way)                                                                                                      \
    case way:                                                                                                          \
        move_slots(map, from, to_low, to_high, bit, way, group_bytes_of(map, way), slot_bytes_of(map, way));           \
        break;
static void move_all(const struct bw__map *map, uintptr_t from, uintptr_t to_low, uintptr_t to_high, uint64_t bit) {
    switch (map->way) {
        MOVE(BW__KEY_4)
        MOVE(BW__KEY_4 | BW__KEY_SMALL)
        MOVE(BW__KEY_8)
        MOVE(BW__KEY_8 | BW__KEY_SMALL)
        MOVE(BW__KEY_STRING)
        MOVE(BW__KEY_STRING | BW__KEY_SMALL)
        MOVE(BW__KEY_GENERAL)
    default: os_fatal("burrow: internal error: a map's keys");
    }
}

/* Enters a table of depth `depth` wherever the directory has the hash's top bits. */
static void enter(struct bw__map *map, uint64_t hash, unsigned depth, uintptr_t entry) {
    size_t count = (size_t)1 << (depth_of(map) - depth);
    size_t first = (hash >> 1 >> map->shift) & ~(count - 1);
    for (size_t i = 0; i < count; i++)
        map->directory[first + i] = entry;
    map->version++;
}

static void replace(struct bw__map *map, uint64_t hash, uintptr_t old, uint32_t step) {
    unsigned depth = word_of(map->type, old)->depth;
    uintptr_t table = map_new_table(map->type, step, depth);
    move_all(map, old, table, table, 0);
    enter(map, hash, depth, table);
    map_drop_table(map, old);
}

static void double_directory(struct bw__map *map) {
    unsigned depth = depth_of(map);
    uintptr_t *directory = map_new_directory(depth + 1);
    for (size_t i = 0; i < (size_t)1 << depth; i++)
        directory[2 * i] = directory[2 * i + 1] = map->directory[i];
    map_set_directory(map, directory, depth + 1);
    map->single = 0;
    map->deepest = 0;
}

/* Both parts are of full size, too: they have room for all keys, however chance divides them. */
static void split(struct bw__map *map, uint64_t hash, uintptr_t old) {
    const struct map_type *type = map->type;
    const struct table_word *word = word_of(type, old);
    unsigned depth = word->depth, step = word->step;
    if (depth == depth_of(map))
        double_directory(map);
    uint64_t bit = (uint64_t)1 << (63 - depth);
    uintptr_t low = map_new_table(type, step, depth + 1), high = map_new_table(type, step, depth + 1);
    move_all(map, old, low, high, bit);
    enter(map, hash & ~bit, depth + 1, low);
    enter(map, hash | bit, depth + 1, high);
    map->tables++;
    if (depth + 1 == depth_of(map))
        map->deepest += 2;
    map_drop_table(map, old);
}

static void make_room(struct bw__map *map, uint64_t hash, uintptr_t entry) {
    const struct map_type *type = map->type;
    if (table_of(entry) == map_no_table) {
        enter(map, hash, 0, map_new_table(type, 0, 0));
        map->tables = 1;
        return;
    }
    const struct table_word *word = word_of(type, entry);
    if (word->used * 4u < capacity_of(groups_of(entry)) * 3u)
        replace(map, hash, entry, word->step); /* it has room, but deletions have left bits */
    else if (word->step + 1u < type->steps)
        replace(map, hash, entry, word->step + 1u);
    else
        split(map, hash, entry);
}

char *map_place(struct bw__map *map, uint64_t hash) {
    uintptr_t entry = entry_of(map, hash);
    while (table_of(entry) == map_no_table || word_of(map->type, entry)->budget == 0) {
        make_room(map, hash, entry);
        entry = entry_of(map, hash);
    }
    char *slot = place(entry, hash, map->group_bytes, map->slot_bytes);
    struct table_word *word = word_of(map->type, entry);
    word->used++;
    word->budget--;
    return slot;
}

/* --- shrinking --- */

/* The directory becomes half as large while no table needs all of it and there are few tables. */
static void halve_directory(struct bw__map *map) {
    while (map->deepest == 0 && depth_of(map) > 0 &&
           (map->tables < 3 || (uint64_t)map->tables * 4 <= (uint64_t)1 << depth_of(map))) {
        unsigned depth = depth_of(map) - 1;
        uintptr_t *directory = depth == 0 ? &map->single : map_new_directory(depth);
        uint32_t deepest = 0;
        for (size_t i = 0; i < (size_t)1 << depth; i++) {
            directory[i] = map->directory[2 * i];
            deepest += word_of(map->type, directory[i])->depth == depth;
        }
        map_set_directory(map, directory, depth);
        map->deepest = depth == 0 ? 1 : deepest;
        map->version++;
    }
}

void map_shrink(struct bw__map *map, uint64_t hash) {
    uintptr_t entry = entry_of(map, hash);
    const struct map_type *type = map->type;
    const struct table_word *word = word_of(type, entry);
    unsigned depth = word->depth;
    /* A walk knows what it has seen by the hash, which a NaN has a new one of each time: its table stays by itself. */
    if (depth > 0 && (!type->self_unequal || atomic_load_explicit(&map->walks, memory_order_relaxed) == 0)) {
        uint64_t bit = (uint64_t)1 << (64 - depth);
        uintptr_t other = entry_of(map, hash ^ bit);
        const struct table_word *other_word = word_of(type, other);
        unsigned together = word->used + other_word->used;
        if (other_word->depth == depth && together * 2 <= capacity_of(map_full_groups(type))) {
            uintptr_t table = map_new_table(type, map_step_for(type, together + together / 3), depth - 1);
            move_all(map, entry, table, table, 0);
            move_all(map, other, table, table, 0);
            if (depth == depth_of(map))
                map->deepest -= 2;
            enter(map, hash, depth - 1, table);
            map->tables--;
            map_drop_table(map, entry);
            map_drop_table(map, other);
            halve_directory(map);
            return;
        }
    }
    uint32_t step = map_step_for(type, word->used + word->used / 3u);
    if (step < word->step)
        replace(map, hash, entry, step);
}
