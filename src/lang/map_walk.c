/* map_walk.c - iteration over a map, in random order, while it may change. */
#include "map.h"

/* Takes up the table of the hash values from iter->at on. If tables were united meanwhile, it may begin before, or
 * reach beyond where the walk began: keys of those parts were seen already. */
static void come_to_table(bw__map_iter *iter) {
    struct bw__map *map = iter->map;
    uintptr_t entry = entry_of(map, iter->at);
    bool none = table_of(entry) == map_no_table;
    unsigned depth = none ? 0 : word_of(map->type, entry)->depth;
    uint64_t size = depth ? (uint64_t)1 << (64 - depth) : 0; /* 0: all */
    uint64_t begins = depth ? iter->at & ~(size - 1) : 0;
    if (!iter->begun)
        iter->at = begins;
    iter->here = size - (iter->at - begins);
    iter->partial = iter->at != begins || (iter->left != 0 && iter->here - 1 > iter->left - 1);
    if (iter->left != 0 && iter->here - 1 > iter->left - 1)
        iter->here = iter->left;
    iter->table = (char *)entry;
    iter->groups_left = (uint16_t)(none ? 0 : groups_of(entry));
    uint64_t random = hash_random();
    iter->group = (uint16_t)home_of(random, groups_of(entry));
    iter->rotation = (uint8_t)((random & 0xffff) * GROUP_SLOTS >> 16);
    iter->bits = iter->later_bits = 0;
    iter->version = map->version;
    iter->replaced = false;
}

void bw__map_iter_begin(bw__map_iter *iter, const struct bw__map *map) {
    *iter = (bw__map_iter){.map = (struct bw__map *)(uintptr_t)map};
}

static bool begin(bw__map_iter *iter) {
    struct bw__map *map = iter->map;
    if (map == NULL || map->used == 0)
        return false;
    atomic_fetch_add_explicit(&map->walks, 1, memory_order_relaxed);
    iter->clears = map->clears;
    iter->at = hash_random();
    iter->left = 0;
    come_to_table(iter);
    iter->begun = true;
    return true;
}

void bw__map_iter_end(bw__map_iter *iter) {
    if (iter->begun)
        atomic_fetch_sub_explicit(&iter->map->walks, 1, memory_order_relaxed);
    iter->begun = false;
}

/* The next slot of the table that was in use when the walk came to its group; NULL: the table is done. */
static inline char *next_slot(bw__map_iter *iter) {
    struct bw__map *map = iter->map;
    char *table = table_of((uintptr_t)iter->table);
    for (;;) {
        while (iter->bits == 0) {
            if (iter->later_bits) {
                iter->bits = iter->later_bits;
                iter->later_bits = 0;
                break;
            }
            if (iter->groups_left == 0)
                return NULL;
            iter->groups_left--;
            iter->group++;
            if (iter->group >= groups_of((uintptr_t)iter->table))
                iter->group = 0;
            uint8_t all = occupied(control_of(table + (size_t)iter->group * map->group_bytes));
            iter->later_bits = (uint8_t)(all & ((1u << iter->rotation) - 1));
            iter->bits = (uint8_t)(all & ~iter->later_bits);
        }
        unsigned index = (unsigned)__builtin_ctz(iter->bits);
        iter->bits &= (uint8_t)(iter->bits - 1);
        char *group = table + (size_t)iter->group * map->group_bytes;
        if (group[index])
            return group + 8 + index * map->slot_bytes;
    }
}

/* The table is not what it was when the walk came to it, or only part of it is to be seen: the slot where the key is
 * now; NULL: it is gone, or was seen. */
static char *present_slot(bw__map_iter *iter, char *slot) {
    struct bw__map *map = iter->map;
    if (map->type->self_unequal && !value_equal(map->type->key, slot, slot))
        return map->clears == iter->clears ? slot : NULL; /* a NaN can be neither changed nor deleted */
    uint64_t hash = hash_key(map, slot, map->way);
    if (iter->partial && hash - iter->at > iter->here - 1)
        return NULL;
    return iter->replaced ? search(map, go_home(map, hash, map->way), slot, map->way).slot : slot;
}

bool bw__map_iter_next(bw__map_iter *iter) {
    struct bw__map *map = iter->map;
    if (!iter->begun && !begin(iter))
        return false;
    if (atomic_load_explicit(&map->writing, memory_order_relaxed) != 0)
        map_told("concurrent map iteration and map write");
    if (iter->version != map->version) {
        iter->version = map->version;
        if (entry_of(map, iter->at) != (uintptr_t)iter->table)
            iter->replaced = true;
    }
    for (;;) {
        char *slot = next_slot(iter);
        if (slot == NULL) {
            iter->at += iter->here;
            iter->left -= iter->here;
            if (iter->left == 0)
                break;
            come_to_table(iter);
            continue;
        }
        if ((iter->replaced || iter->partial) && (slot = present_slot(iter, slot)) == NULL)
            continue;
        iter->key = slot;
        iter->value = slot + map->value_offset;
        iter->state = 1;
        return true;
    }
    bw__map_iter_end(iter);
    return false;
}

_Static_assert(sizeof(bw__map_iter) <= sizeof((struct map_walk *)NULL)->opaque, "a walk of the library's own has room");

void map_walk_begin(struct map_walk *walk, const void *map) {
    bw__map_iter_begin((bw__map_iter *)walk->opaque, map);
}

bool map_walk_next(struct map_walk *walk) {
    bw__map_iter *iter = (bw__map_iter *)walk->opaque;
    bool more = bw__map_iter_next(iter);
    walk->key = iter->key;
    walk->value = iter->value;
    return more;
}
