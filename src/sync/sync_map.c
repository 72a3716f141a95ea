/* sync_map.c - maps that many use at once.
 *
 *     map -> directory -> table (one for each value of the top bits of a hash) -> bucket -> node -> node
 *
 * A table is an array of lists of nodes, with a lock for those who write to it. A node has the hash, the key and the
 * value; only its link changes, and the value, if that fits into a word: it is stored then. A larger value is changed by
 * putting another node in the node's place. Readers go from the map to a node without a lock: whatever they come to is
 * as it was at some moment since they began, and lives as long as they look at it.
 *
 * A table that is full is replaced by a larger one, or by two, of copies of its nodes, since readers may be under way in
 * its lists; then it is RETIRED, under its lock: who wants to write to it finds that, and goes to the directory again. A
 * directory is replaced by one of twice the size where a table is to be split whose bits are all that it has.
 *
 * A reader that is in a retired table gives a value that was there when it began, or later. Clearing puts a new
 * directory in the place of the old, and then retires all the old tables: who writes to one of them meanwhile began
 * before, and so comes before the clearing.
 *
 * Locks: a table's, then the map's (for the directory). Both are bw_mutex: memory is allocated under them. Nothing panics
 * under them. */
#include "sync.h"

#include "../lang/map.h"
#include <burrow/sync_map.h>

#define LEAST_BUCKETS 8
#define MOST_BUCKETS 256
#define GROWTH 4
#define MOST_DEPTH 40

struct node {
    struct node *next;
    uint64_t hash;
    char key[]; /* and the value */
};

struct table {
    bw_mutex lock;
    uint32_t count, limit; /* nodes, and how many until it is replaced */
    uint32_t buckets;
    uint8_t depth; /* bits of the hash that its nodes have in common */
    bool retired;
    struct node *lists[];
};

struct directory {
    uint64_t depth;
    struct table *tables[];
};

/* What all maps of one type share. */
struct kind {
    const struct map_type *keys;
    const bw_type *key, *value;
    size_t value_offset, node_bytes; /* from the node's first byte */
    struct layout *node_layout;
    struct kind *next;
};

struct bw__sync_map {
    struct directory *directory;
    const struct kind *kind;
    uint64_t seed;
    bw_mutex lock; /* of the directory */
};

#define IN_PLACE(kind) ((kind)->value->size <= sizeof(uint64_t))

/* --- memory --- */

static struct layout *words_layout(size_t bytes, const uint64_t *words, uint32_t count, const char *name) {
    struct layout like = {.kind = KIND_MAP, .by_make = true, .safe = SAFE_SYNC, .name = name};
    like.scan = words == NULL ? SCAN_WORDS : count <= 64 ? SCAN_BITS : SCAN_MAP;
    like.pointer_map = words;
    like.element_words = count;
    like.slot_bytes = bytes <= BW__MAX_SMALL ? (uint32_t)((bytes + GRANULE_BYTES - 1) & ~(GRANULE_BYTES - 1)) : 0;
    return typed_layout(&like);
}

/* Memory of which any word may be a pointer, in one of a few sizes, each with a place for its layout. */
static void *words_memory(struct layout **place, size_t bytes) {
    struct layout *layout = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (layout == NULL) {
        struct thread *self = thread_enter();
        types_lock_acquire();
        layout = *place;
        if (layout == NULL) {
            layout = words_layout(bytes, NULL, 0, "sync map");
            __atomic_store_n(place, layout, __ATOMIC_RELEASE);
        }
        types_lock_release();
        thread_leave(self);
    }
    return typed_memory(layout, bytes);
}

static struct table *new_table(uint32_t buckets, unsigned depth) {
    static struct layout *layouts[16];
    struct table *table =
        words_memory(&layouts[__builtin_ctz(buckets)], sizeof *table + buckets * sizeof(struct node *));
    table->buckets = table->limit = buckets;
    table->depth = (uint8_t)depth;
    return table;
}

static struct directory *new_directory(unsigned depth) {
    static struct layout *layouts[MOST_DEPTH + 1];
    struct directory *directory = words_memory(&layouts[depth], sizeof *directory + (sizeof(struct table *) << depth));
    directory->depth = depth;
    return directory;
}

static void add_words(uint64_t *words, size_t offset, const bw_type *type) {
    const struct type_info *info = type->bw__info;
    for (size_t word = 0; word < type->size / 8; word++)
        if (info->searched[word / 64] >> (word % 64) & 1)
            words[(offset / 8 + word) / 64] |= (uint64_t)1 << (offset / 8 + word) % 64;
}

static const struct kind *kind_of(const struct map_type *keys) {
    static struct kind *kinds;
    struct thread *self = thread_enter();
    types_lock_acquire();
    struct kind *kind = kinds;
    while (kind && kind->keys != keys)
        kind = kind->next;
    if (kind == NULL) {
        kind = type_memory(sizeof *kind);
        kind->keys = keys;
        kind->key = keys->key;
        kind->value = keys->value;
        kind->value_offset = sizeof(struct node) + ((keys->key->size + 7) & ~(size_t)7);
        kind->node_bytes = kind->value_offset + (keys->value->size > 8 ? (keys->value->size + 7) & ~(size_t)7 : 8);
        size_t count = kind->node_bytes / 8;
        uint64_t *words = type_memory((count / 64 + 1) * sizeof *words);
        words[0] = 1u << (offsetof(struct node, next) / 8);
        add_words(words, sizeof(struct node), kind->key);
        add_words(words, kind->value_offset, kind->value);
        kind->node_layout = words_layout(kind->node_bytes, words, (uint32_t)count, "sync map entry");
        kind->next = kinds;
        kinds = kind;
    }
    types_lock_release();
    thread_leave(self);
    return kind;
}

struct bw__sync_map *bw__sync_map_make(bw__type_site *site) {
    static struct layout *layout;
    const struct kind *kind = kind_of(map_type_of(bw__site_type(site)));
    struct bw__sync_map *map = words_memory(&layout, sizeof *map);
    struct directory *directory = new_directory(0);
    directory->tables[0] = new_table(LEAST_BUCKETS, 0);
    map->kind = kind;
    map->seed = hash_random();
    map->directory = directory;
    return map;
}

/* --- reading --- */

static inline struct node *follow(struct node *const *link) {
    return __atomic_load_n(link, __ATOMIC_ACQUIRE);
}
static inline const struct directory *directory_of(const struct bw__sync_map *map) {
    return __atomic_load_n(&map->directory, __ATOMIC_ACQUIRE);
}
static inline size_t index_in(const struct directory *directory, uint64_t hash) {
    return hash >> 1 >> (63 - directory->depth);
}
static inline struct table *table_at(const struct bw__sync_map *map, uint64_t hash) {
    const struct directory *directory = directory_of(map);
    return __atomic_load_n(&directory->tables[index_in(directory, hash)], __ATOMIC_ACQUIRE);
}

INLINE uint64_t hash_of(const struct bw__sync_map *map, const void *key, uint32_t way) {
    switch (way) {
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
        if (map->kind->keys->plain && map->kind->key->size > 8)
            return hash_bytes(key, map->kind->key->size, map->seed);
        if (map->kind->key->kind == BW_KIND_ANY)
            return any_hash(key, map->seed);
        return value_hash(map->kind->key, key, map->seed);
    }
}

INLINE bool is_key(const struct bw__sync_map *map, const struct node *node, const void *key, uint32_t way) {
    switch (way) {
    case BW__KEY_4: return memcmp(node->key, key, 4) == 0;
    case BW__KEY_8: return memcmp(node->key, key, 8) == 0;
    case BW__KEY_STRING: {
        bw_string a, b;
        memcpy(&a, node->key, sizeof a);
        memcpy(&b, key, sizeof b);
        return a.len == b.len && (a.ptr == b.ptr || same_bytes(a.ptr, b.ptr, (size_t)a.len));
    }
    default:
        if (map->kind->keys->plain)
            return memcmp(node->key, key, map->kind->key->size) == 0;
        if (map->kind->key->kind == BW_KIND_ANY)
            return any_equal(node->key, key);
        return value_equal(map->kind->key, node->key, key);
    }
}

INLINE struct node *find_from(const struct bw__sync_map *map, struct node *node, uint64_t hash, const void *key,
                              uint32_t way) {
    while (node && (node->hash != hash || !is_key(map, node, key, way)))
        node = follow(&node->next);
    return node;
}

INLINE const void *find(const struct bw__sync_map *map, const void *key, uint32_t way) {
    if (__builtin_expect(map == NULL, 0))
        return NULL;
    uint64_t hash = hash_of(map, key, way);
    const struct table *table = table_at(map, hash);
    struct node *node = find_from(map, follow(&table->lists[hash & (table->buckets - 1)]), hash, key, way);
    return node ? (const char *)node + map->kind->value_offset : NULL;
}

const void *bw__sync_map_find_4(const struct bw__sync_map *map, uint32_t key) {
    return find(map, &key, BW__KEY_4);
}
const void *bw__sync_map_find_8(const struct bw__sync_map *map, uint64_t key) {
    return find(map, &key, BW__KEY_8);
}
__attribute__((flatten)) const void *bw__sync_map_find_string(const struct bw__sync_map *map, bw_string key) {
    return find(map, &key, BW__KEY_STRING);
}
const void *bw__sync_map_find(const struct bw__sync_map *map, const void *key) {
    return find(map, key, BW__KEY_GENERAL);
}

/* --- writing --- */

static void publish(struct node **link, struct node *node) {
    __atomic_store_n(link, node, __ATOMIC_RELEASE);
}

static uint64_t *node_value(const struct kind *kind, const struct node *node) {
    return (uint64_t *)((char *)(uintptr_t)node + kind->value_offset);
}

static void read_value(const struct kind *kind, const struct node *node, void *to) {
    if (IN_PLACE(kind)) {
        uint64_t word = __atomic_load_n(node_value(kind, node), __ATOMIC_ACQUIRE);
        memcpy(to, &word, kind->value->size);
    } else {
        memcpy(to, node_value(kind, node), kind->value->size);
    }
}

static struct node *new_node(const struct kind *kind, uint64_t hash, const void *key, const void *value) {
    struct node *node = typed_memory(kind->node_layout, kind->node_bytes);
    node->hash = hash;
    memcpy(node->key, key, kind->key->size);
    memcpy(node_value(kind, node), value, kind->value->size);
    return node;
}

static void insert_first(struct table *table, struct node *node) {
    struct node **list = &table->lists[node->hash & (table->buckets - 1)];
    node->next = *list;
    publish(list, node);
    table->count++;
}

/* All nodes of a table, whose lock is held, are copied to these, by the bit of the hash after the table's: or, if the
 * second is NULL, to the first. */
static void copy_nodes(const struct kind *kind, const struct table *from, struct table *first, struct table *second) {
    for (uint32_t i = 0; i < from->buckets; i++)
        for (const struct node *node = from->lists[i]; node; node = node->next) {
            struct node *copied = new_node(kind, node->hash, node->key, node_value(kind, node));
            insert_first(second && node->hash >> (63 - from->depth) & 1 ? second : first, copied);
        }
}

static bool is_worth_splitting(const struct table *table) {
    uint32_t ones = 0;
    if (table->depth >= MOST_DEPTH - 1)
        return false;
    for (uint32_t i = 0; i < table->buckets; i++)
        for (const struct node *node = table->lists[i]; node; node = node->next)
            ones += node->hash >> (63 - table->depth) & 1;
    return ones > table->count / 8 && table->count - ones > table->count / 8;
}

static void set_tables(struct directory *directory, size_t begin, size_t count, struct table *table) {
    for (size_t i = begin; i < begin + count; i++)
        __atomic_store_n(&directory->tables[i], table, __ATOMIC_RELEASE);
}

/* In the directory the table's place goes to these (the second may be NULL). False: it has none any more. */
static bool replace(struct bw__sync_map *map, const struct table *table, uint64_t hash, struct table *first,
                    struct table *second) {
    bw_mutex_lock(&map->lock);
    struct directory *directory = map->directory;
    size_t index = index_in(directory, hash);
    bool found = directory->tables[index] == table;
    if (found) {
        struct directory *larger = NULL;
        if (second && directory->depth == table->depth) {
            larger = new_directory((unsigned)directory->depth + 1);
            for (size_t i = 0; i < (size_t)1 << directory->depth; i++)
                larger->tables[2 * i] = larger->tables[2 * i + 1] = directory->tables[i];
            directory = larger;
            index = index_in(directory, hash);
        }
        size_t count = (size_t)1 << (directory->depth - table->depth), begin = index & ~(count - 1);
        set_tables(directory, begin, second ? count / 2 : count, first);
        if (second)
            set_tables(directory, begin + count / 2, count / 2, second);
        if (larger)
            __atomic_store_n(&map->directory, larger, __ATOMIC_RELEASE);
    }
    bw_mutex_unlock(&map->lock);
    return found;
}

/* The table is locked, and full. Returns the one for that hash, locked, and the other is not any more. */
static struct table *grow(struct bw__sync_map *map, struct table *table, uint64_t hash) {
    struct table *first, *second = NULL;
    if (table->buckets < MOST_BUCKETS) {
        uint32_t buckets = table->buckets * GROWTH;
        first = new_table(buckets < MOST_BUCKETS ? buckets : MOST_BUCKETS, table->depth);
    } else if (is_worth_splitting(table)) {
        first = new_table(MOST_BUCKETS, table->depth + 1u);
        second = new_table(MOST_BUCKETS, table->depth + 1u);
    } else {
        table->limit *= 2;
        return table;
    }
    copy_nodes(map->kind, table, first, second);
    struct table *chosen = second && hash >> (63 - table->depth) & 1 ? second : first;
    bw_mutex_lock(&chosen->lock); /* nobody else knows it */
    if (!replace(map, table, hash, first, second))
        return table; /* the map was cleared: what is written to this one now came before that */
    __atomic_store_n(&table->retired, true, __ATOMIC_RELEASE);
    bw_mutex_unlock(&table->lock);
    return chosen;
}

static struct table *lock_table(struct bw__sync_map *map, uint64_t hash) {
    for (;;) {
        struct table *table = table_at(map, hash);
        bw_mutex_lock(&table->lock);
        if (!table->retired)
            return table;
        bw_mutex_unlock(&table->lock);
    }
}

/* The value of a node to which `link` leads. */
static void change(const struct kind *kind, struct node **link, const void *value) {
    struct node *node = *link;
    if (IN_PLACE(kind)) {
        uint64_t word = 0;
        memcpy(&word, value, kind->value->size);
        __atomic_store_n(node_value(kind, node), word, __ATOMIC_RELEASE);
    } else {
        struct node *other = new_node(kind, node->hash, node->key, value);
        other->next = node->next;
        publish(link, other);
    }
}

static bool is_equal(const struct kind *kind, const struct node *node, const void *old) {
    return value_equal(kind->value, node_value(kind, node), old);
}

bool bw__sync_map_do(struct bw__sync_map *map, enum bw__sync_map_what what, const void *key, const void *old,
                     const void *value, void *result, size_t size) {
    bool inserts = what == BW__SYNC_MAP_SWAP || what == BW__SYNC_MAP_LOAD_OR_STORE;
    if (map == NULL) {
        if (inserts)
            os_panic("assignment to entry in nil map");
        if (result)
            memset(result, 0, size);
        return false;
    }
    const struct kind *kind = map->kind;
    uint32_t way = kind->keys->way & ~(uint32_t)BW__KEY_SMALL;
    uint64_t hash = hash_of(map, key, way);
    if (old)
        (void)value_equal(kind->value, old, old); /* panics here if it is to */
    if (what == BW__SYNC_MAP_LOAD_OR_STORE) {
        const struct table *table = table_at(map, hash);
        struct node *node = find_from(map, follow(&table->lists[hash & (table->buckets - 1)]), hash, key, way);
        if (node) {
            read_value(kind, node, result);
            return true;
        }
    }
    struct table *table = lock_table(map, hash);
    struct node **link = &table->lists[hash & (table->buckets - 1)];
    while (*link && ((*link)->hash != hash || !is_key(map, *link, key, way)))
        link = &(*link)->next;
    bool there = *link != NULL;
    if (there) {
        if (result)
            read_value(kind, *link, result);
        switch (what) {
        case BW__SYNC_MAP_SWAP: change(kind, link, value); break;
        case BW__SYNC_MAP_LOAD_OR_STORE: break;
        case BW__SYNC_MAP_COMPARE_AND_SWAP:
            there = is_equal(kind, *link, old);
            if (there)
                change(kind, link, value);
            break;
        case BW__SYNC_MAP_COMPARE_AND_DELETE:
            there = is_equal(kind, *link, old);
            if (!there)
                break;
            __attribute__((fallthrough));
        case BW__SYNC_MAP_DELETE:
            publish(link, (*link)->next);
            table->count--;
            break;
        }
    } else {
        if (result)
            memset(result, 0, size);
        if (inserts) {
            struct node *node = new_node(kind, hash, key, value);
            if (table->count >= table->limit)
                table = grow(map, table, hash);
            insert_first(table, node);
            if (what == BW__SYNC_MAP_LOAD_OR_STORE)
                memcpy(result, value, size);
        }
    }
    bw_mutex_unlock(&table->lock);
    return there;
}

void bw__sync_map_clear(struct bw__sync_map *map) {
    if (map == NULL)
        return;
    struct directory *fresh = new_directory(0);
    fresh->tables[0] = new_table(LEAST_BUCKETS, 0);
    bw_mutex_lock(&map->lock);
    struct directory *directory = map->directory;
    __atomic_store_n(&map->directory, fresh, __ATOMIC_RELEASE);
    bw_mutex_unlock(&map->lock);
    for (size_t i = 0; i < (size_t)1 << directory->depth; i++) {
        struct table *table = __atomic_load_n(&directory->tables[i], __ATOMIC_ACQUIRE);
        bw_mutex_lock(&table->lock);
        __atomic_store_n(&table->retired, true, __ATOMIC_RELEASE);
        bw_mutex_unlock(&table->lock);
    }
}

/* --- iteration ---
 * It goes by the hash, table by table; a key that is inserted meanwhile is the first of its list, behind the walk. A
 * table that was retired meanwhile is gone through to its end, and says which keys there were: their values are those
 * that they have now. */

bool bw__sync_map_next(bw__sync_map_iter *iter) {
    const struct bw__sync_map *map = iter->map;
    if (map == NULL)
        return false;
    const struct kind *kind = map->kind;
    const struct table *table = iter->table;
    const struct node *node = iter->node;
    for (;;) {
        if (table == NULL) {
            if (iter->state != 0 && iter->at == 0)
                return false; /* all hash values were gone through */
            iter->state = 1;
            table = table_at(map, iter->at);
            iter->bucket = 0;
            node = follow(&table->lists[0]);
        } else if (node) {
            node = follow(&node->next);
        }
        while (node == NULL && ++iter->bucket < table->buckets)
            node = follow(&table->lists[iter->bucket]);
        if (node == NULL) {
            uint64_t rest = ~(uint64_t)0 >> 1 >> (table->depth ? table->depth - 1 : 0);
            iter->at = table->depth ? (iter->at | rest) + 1 : 0;
            table = NULL;
            continue;
        }
        const struct node *present = node;
        if (__atomic_load_n(&table->retired, __ATOMIC_ACQUIRE)) {
            const void *value = bw__sync_map_find_by(map, node->key, (int)(kind->keys->way));
            if (value == NULL)
                continue;
            present = (const struct node *)((const char *)value - kind->value_offset);
        }
        if (present->hash < iter->at)
            continue; /* the map was cleared, and this table begins before where the walk is */
        iter->table = table;
        iter->node = node;
        iter->key = present->key;
        iter->value = node_value(kind, present);
        if (IN_PLACE(kind)) {
            iter->word = __atomic_load_n(node_value(kind, present), __ATOMIC_ACQUIRE);
            iter->value = &iter->word;
        }
        iter->state = 1;
        return true;
    }
}
