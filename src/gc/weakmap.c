/* weakmap.c - ephemeron tables: a value lives while its key does, even if the value refers to the key.
 *
 * Entries lie outside the heap. After marking from the roots, each table whose map is alive is gone through once: where
 * the key is alive the value is marked; else the key's mark byte becomes MARK_WATCHED, and the marker tells when it
 * marks such an object, so that its values can be marked then. So the work is proportional to the entries and to what
 * they reach, however they chain (the idea is in Barros and Ierusalimschy, "Eliminating cycles in weak tables", 2008,
 * and in V8's linear mode).
 *
 * Dead entries are removed before finalizers revive anything.
 */
#include "gc.h"

#include <string.h>

struct entry {
    uintptr_t key; /* an object's first byte; 0: never used; GONE: deleted */
    void *value;
    struct entry *same_bucket; /* while finishing a mark */
};
#define GONE ((uintptr_t)1)

struct table {
    struct table *next;
    uintptr_t map; /* the bw_weak_map object, which only the program keeps alive */
    struct entry *entries;
    size_t capacity, used, live; /* used counts GONE, too */
    bool visited;
};

struct bw_weak_map {
    struct table *table;
};

static struct table *tables;
static struct table *pool;

static size_t slot_of(uintptr_t key, size_t capacity) {
    return (size_t)((key >> GRANULE_SHIFT) * 0x9e3779b97f4a7c15u >> 20) & (capacity - 1);
}

static struct entry *lookup(const struct table *table, uintptr_t key) {
    if (table->capacity == 0)
        return NULL;
    for (size_t i = slot_of(key, table->capacity);; i = (i + 1) & (table->capacity - 1)) {
        if (table->entries[i].key == key)
            return &table->entries[i];
        if (table->entries[i].key == 0)
            return NULL;
    }
}

static void insert(struct table *table, uintptr_t key, void *value) {
    size_t i = slot_of(key, table->capacity);
    while (table->entries[i].key != 0)
        i = (i + 1) & (table->capacity - 1);
    table->entries[i] = (struct entry){key, value, NULL};
    table->used++;
    table->live++;
}

static void make_room(struct table *table) {
    if (table->used * 4 < table->capacity * 3)
        return;
    size_t wanted = 64;
    while (wanted < table->live * 2)
        wanted *= 2;
    struct entry *old = table->entries, *larger = os_map(wanted * sizeof *larger);
    size_t old_capacity = table->capacity;
    if (larger == NULL)
        os_fatal("runtime: out of memory: cannot grow a weak map to %zu entries", wanted);
    table->entries = larger;
    table->capacity = wanted;
    table->used = table->live = 0;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].key > GONE)
            insert(table, old[i].key, old[i].value);
    if (old_capacity)
        os_unmap(old, old_capacity * sizeof *old);
}

/* --- in a collection --- */

static struct entry **pending; /* entries whose keys are watched, hashed by key */
static size_t pending_capacity;

static void mark_value(struct entry *entry) {
    mark_push_words((uintptr_t)&entry->value, (uintptr_t)(&entry->value + 1));
}

static void visit_table(struct table *table) {
    table->visited = true;
    for (size_t i = 0; i < table->capacity; i++) {
        struct entry *entry = &table->entries[i];
        if (entry->key <= GONE)
            continue;
        uint8_t *byte = mark_byte(entry->key);
        if (mark_get(byte) == mark_live) {
            mark_value(entry);
            continue;
        }
        mark_set(byte, MARK_WATCHED);
        size_t bucket = slot_of(entry->key, pending_capacity);
        entry->same_bucket = pending[bucket];
        pending[bucket] = entry;
    }
}

void weak_maps_reached(uintptr_t key) {
    if (pending == NULL)
        return;
    for (struct entry *entry = pending[slot_of(key, pending_capacity)]; entry; entry = entry->same_bucket)
        if (entry->key == key)
            mark_value(entry);
}

static void remove_dead(struct table *table) {
    for (size_t i = 0; i < table->capacity; i++) {
        struct entry *entry = &table->entries[i];
        if (entry->key > GONE && !mark_is_live(entry->key)) {
            *entry = (struct entry){GONE, NULL, NULL};
            table->live--;
        }
    }
}

void weak_maps_begin_mark(void) {
    size_t entries = 0;
    pending = NULL;
    for (struct table *table = tables; table; table = table->next) {
        table->visited = false;
        entries += table->live;
    }
    if (tables == NULL)
        return;
    size_t wanted = 64;
    while (wanted < entries)
        wanted *= 2;
    pending_capacity = wanted;
    pending = os_map(wanted * sizeof *pending);
    if (pending == NULL)
        os_fatal("runtime: out of memory: cannot collect weak maps of %zu entries", entries);
}

bool weak_maps_visit(void) {
    bool more = false;
    for (struct table *table = tables; table; table = table->next)
        if (!table->visited && mark_is_live(table->map)) {
            visit_table(table);
            more = true;
        }
    return more;
}

void weak_maps_finish_mark(void) {
    if (pending == NULL)
        return;
    os_unmap(pending, pending_capacity * sizeof *pending);
    for (struct table **link = &tables; *link;) {
        struct table *table = *link;
        if (table->visited) {
            remove_dead(table);
            link = &table->next;
            continue;
        }
        *link = table->next;
        if (table->capacity)
            os_unmap(table->entries, table->capacity * sizeof *table->entries);
        memset(table, 0, sizeof *table);
        table->next = pool;
        pool = table;
    }
}

void weak_maps_each(void (*visit)(void *context, uintptr_t lo, uintptr_t hi), void *context) {
    for (struct table *table = tables; table; table = table->next) {
        visit(context, (uintptr_t)&table->map, (uintptr_t)(&table->map + 1));
        for (size_t i = 0; i < table->capacity; i++)
            visit(context, (uintptr_t)&table->entries[i].key, (uintptr_t)(&table->entries[i].value + 1));
    }
}

void weak_maps_forget(uintptr_t object) {
    if (tables == NULL)
        return;
    os_lock_acquire(&specials_lock);
    for (struct table *table = tables; table; table = table->next) {
        struct entry *entry = lookup(table, object);
        if (entry) {
            *entry = (struct entry){GONE, NULL, NULL};
            table->live--;
        }
    }
    os_lock_release(&specials_lock);
}

/* --- the public functions --- */

bw_weak_map *bw_weak_map_new(void) {
    struct thread *self = thread_enter();
    /* Pointer-free: the table is outside the heap. */
    bw_weak_map *map = memory_allocate(self, layout_untyped(BW__NOSCAN + bw__class_of(sizeof *map)), sizeof *map);
    os_lock_acquire(&specials_lock);
    if (pool == NULL) {
        size_t bytes = 65536;
        struct table *slab = os_map(bytes);
        if (slab == NULL)
            os_fatal("runtime: out of memory: cannot make a weak map");
        for (size_t i = 0; i < bytes / sizeof *slab; i++) {
            slab[i].next = pool;
            pool = &slab[i];
        }
    }
    struct table *table = pool;
    pool = table->next;
    *table = (struct table){.next = tables, .map = (uintptr_t)map};
    tables = table;
    map->table = table;
    os_lock_release(&specials_lock);
    thread_leave(self);
    return map;
}

static uintptr_t key_of(struct thread *self, const char *function, const void *key) {
    struct span *span;
    uintptr_t object = heap_object_of(key, &span);
    if (object == 0 || span->state == SPAN_ARENA) {
        char text[200];
        thread_leave(self);
        os_panic("%s: the key %p is not in an object: it is %s", function, key, heap_describe(key, text, sizeof text));
    }
    return object;
}

static void require_map(const bw_weak_map *map) {
    if (map == NULL)
        os_panic("runtime error: invalid memory address or nil pointer dereference (a weak map that is NULL)");
}

void bw_weak_map_put(bw_weak_map *map, void *key, void *value) {
    require_map(map);
    struct thread *self = thread_enter();
    uintptr_t object = key_of(self, "bw_weak_map_put", key);
    os_lock_acquire(&specials_lock);
    struct entry *entry = lookup(map->table, object);
    if (entry) {
        entry->value = value;
    } else {
        make_room(map->table);
        insert(map->table, object, value);
    }
    os_lock_release(&specials_lock);
    bw_keep_alive(key);
    thread_leave(self);
}

void *bw_weak_map_get(bw_weak_map *map, const void *key) {
    require_map(map);
    struct thread *self = thread_enter();
    uintptr_t object = key_of(self, "bw_weak_map_get", key);
    os_lock_acquire(&specials_lock);
    struct entry *entry = lookup(map->table, object);
    void *value = entry ? entry->value : NULL;
    os_lock_release(&specials_lock);
    thread_leave(self);
    return value;
}

bool bw_weak_map_delete(bw_weak_map *map, const void *key) {
    require_map(map);
    struct thread *self = thread_enter();
    uintptr_t object = key_of(self, "bw_weak_map_delete", key);
    os_lock_acquire(&specials_lock);
    struct entry *entry = lookup(map->table, object);
    if (entry) {
        *entry = (struct entry){GONE, NULL, NULL};
        map->table->live--;
    }
    os_lock_release(&specials_lock);
    thread_leave(self);
    return entry != NULL;
}

size_t bw_weak_map_len(bw_weak_map *map) {
    require_map(map);
    struct thread *self = thread_enter();
    os_lock_acquire(&specials_lock);
    size_t count = map->table->live;
    os_lock_release(&specials_lock);
    thread_leave(self);
    return count;
}
