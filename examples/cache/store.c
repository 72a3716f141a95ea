/* store.c - the shards, and what is done with the entries in them.
 *
 * Beside its map a shard has all its entries in an array, in no order, and an entry knows where in it it is. The map finds
 * an entry by its key; the array lets one walk through them a few at a time, which SCAN and the sweeping do, and both from
 * the end to the front. When an entry is taken out the last one gets its place: whether that is in front of a walker or
 * behind it, no entry comes to be where the walker has been without having been seen.
 *
 *      map        "a"   "b"   "c"
 *                  |     |     |
 *      entries   [ c0 ][ a1 ][ b2 ]
 *                               ^ the walk goes from here to the front
 */
#include "store.h"
#include "text.h"
#include <sys/random.h>

BW_STRUCT(entry, (bw_string, key), (bw_string, value), (int64_t, expires), (ptrdiff_t, index));
typedef entry *entry_pointer;
BW_SLICE(entry_pointer);
BW_MAP(entry_map, bw_string, entry *);

enum { SHARDS = 64 }; /* as many as a word has bits */

/* On cache lines of its own: others are not disturbed when the lock is taken. */
typedef struct shard {
    bw_mutex lock;
    entry_map map;
    bw_slice(entry_pointer) entries;
    ptrdiff_t expiring; /* entries that expire some time */
    ptrdiff_t swept;    /* entries from here on have been looked at by the sweeping */
    uint64_t hits, misses, expired;
} __attribute__((aligned(128))) shard;

struct store {
    shard shards[SHARDS];
    uint64_t seed; /* of the hash that divides the keys: nobody can tell which keys meet in one shard */
};

store *store_new(void) {
    store *s = bw_alloc_aligned(sizeof *s, _Alignof(shard));
    if (getentropy(&s->seed, sizeof s->seed) != 0)
        bw_panic(bw_errno_error(errno));
    for (int i = 0; i < SHARDS; i++)
        s->shards[i].map = bw_make_map(entry_map);
    return s;
}

int64_t store_now(void) {
    return bw_now() / BW_MILLISECOND;
}

/* ---- locks ------------------------------------------------------------------------------------------------------ */

static unsigned shard_of(const store *s, bw_string key) {
    return (unsigned)(bw_str_hash(key, s->seed) % SHARDS);
}

static shard *lock_shard(store *s, bw_string key) {
    shard *its = &s->shards[shard_of(s, key)];
    bw_mutex_lock(&its->lock);
    return its;
}

static void unlock(shard *its) {
    bw_mutex_unlock(&its->lock);
}

/* Several are locked in the order in which they are, so that of two who want the same ones nobody has what the other
 * waits for. */
static void lock_all(store *s, uint64_t which) {
    for (; which != 0; which &= which - 1)
        bw_mutex_lock(&s->shards[__builtin_ctzll(which)].lock);
}

static void unlock_all(store *s, uint64_t which) {
    for (; which != 0; which &= which - 1)
        bw_mutex_unlock(&s->shards[__builtin_ctzll(which)].lock);
}

static uint64_t lock_shards_of(store *s, bw_slice(bw_string) keys) {
    uint64_t which = 0;
    bw_range(i, key, keys) {
        which |= UINT64_C(1) << shard_of(s, key);
    }
    lock_all(s, which);
    return which;
}

/* ---- entries of a locked shard ---------------------------------------------------------------------------------- */

static void set_expiry(shard *its, entry *e, int64_t expires) {
    its->expiring += (expires != NEVER) - (e->expires != NEVER);
    e->expires = expires;
}

static void take_out(shard *its, entry *e) {
    set_expiry(its, e, NEVER);
    bw_delete(its->map, e->key);
    ptrdiff_t last = bw_len(its->entries) - 1;
    entry *moved = bw_at(its->entries, last);
    bw_at(its->entries, e->index) = moved;
    moved->index = e->index;
    bw_at(its->entries, last) = NULL; /* the array is to keep nothing alive */
    its->entries = bw_sub(its->entries, 0, last);
}

static bool has_expired(const entry *e) {
    return e->expires != NEVER && e->expires <= store_now();
}

/* NULL if there is none, or none any more. */
static entry *find(shard *its, bw_string key) {
    entry *e = bw_get(its->map, key);
    if (e == NULL || !has_expired(e))
        return e;
    take_out(its, e);
    its->expired++;
    return NULL;
}

static entry *add(shard *its, bw_string key) {
    entry *e = bw_new(entry);
    *e = (entry){.key = bw_string_from(key.ptr, bw_len(key)), .expires = NEVER, .index = bw_len(its->entries)};
    bw_put(its->map, e->key) = e;
    its->entries = bw_append(its->entries, e);
    return e;
}

static finding finding_of(const entry *e) {
    return e ? (finding){e->value, true} : (finding){.is_there = false};
}

static finding look_up(shard *its, bw_string key) {
    entry *e = find(its, key);
    its->hits += e != NULL;
    its->misses += e == NULL;
    return finding_of(e);
}

/* ---- one key ---------------------------------------------------------------------------------------------------- */

finding store_get(store *s, bw_string key) {
    shard *its = lock_shard(s, key);
    finding found = look_up(its, key);
    unlock(its);
    return found;
}

bool store_set(store *s, bw_string key, bw_string value, set_options options, finding *before) {
    shard *its = lock_shard(s, key);
    entry *e = find(its, key);
    bool is_allowed = e ? !options.only_if_new : !options.only_if_there;
    if (before)
        *before = finding_of(e);
    if (is_allowed) {
        if (e == NULL)
            e = add(its, key);
        e->value = value;
        if (!options.keeps_expiry)
            set_expiry(its, e, options.expires);
    }
    unlock(its);
    return is_allowed;
}

enum increment store_increment(store *s, bw_string key, int64_t by, int64_t *result) {
    shard *its = lock_shard(s, key);
    bw_defer(unlock, its);
    entry *e = find(its, key);
    int64_t value = 0;
    if (e && !integer_from(e->value, &value))
        return NOT_A_NUMBER;
    if (__builtin_add_overflow(value, by, result))
        return WOULD_OVERFLOW;
    if (e == NULL)
        e = add(its, key);
    e->value = bw_itoa(*result);
    return INCREMENTED;
}

bool store_expiry(store *s, bw_string key, int64_t *expires) {
    shard *its = lock_shard(s, key);
    entry *e = find(its, key);
    *expires = e ? e->expires : NEVER;
    unlock(its);
    return e != NULL;
}

bool store_expire(store *s, bw_string key, int64_t expires) {
    shard *its = lock_shard(s, key);
    bw_defer(unlock, its);
    entry *e = find(its, key);
    if (e == NULL || (expires == NEVER && e->expires == NEVER))
        return false;
    set_expiry(its, e, expires);
    if (has_expired(e))
        take_out(its, e);
    return true;
}

/* ---- several keys ----------------------------------------------------------------------------------------------- */

ptrdiff_t store_count(store *s, bw_slice(bw_string) keys) {
    uint64_t locked = lock_shards_of(s, keys);
    ptrdiff_t count = 0;
    bw_range(i, key, keys) {
        count += look_up(&s->shards[shard_of(s, key)], key).is_there;
    }
    unlock_all(s, locked);
    return count;
}

ptrdiff_t store_remove(store *s, bw_slice(bw_string) keys) {
    uint64_t locked = lock_shards_of(s, keys);
    ptrdiff_t count = 0;
    bw_range(i, key, keys) {
        shard *its = &s->shards[shard_of(s, key)];
        entry *e = find(its, key);
        if (e) {
            take_out(its, e);
            count++;
        }
    }
    unlock_all(s, locked);
    return count;
}

bw_slice(finding) store_get_all(store *s, bw_slice(bw_string) keys) {
    bw_slice(finding) found = bw_make_slice(finding, bw_len(keys));
    uint64_t locked = lock_shards_of(s, keys);
    bw_range(i, key, keys) {
        bw_at(found, i) = look_up(&s->shards[shard_of(s, key)], key);
    }
    unlock_all(s, locked);
    return found;
}

void store_set_all(store *s, bw_slice(bw_string) keys, bw_slice(bw_string) values) {
    uint64_t locked = lock_shards_of(s, keys);
    bw_range(i, key, keys) {
        shard *its = &s->shards[shard_of(s, key)];
        entry *e = find(its, key);
        if (e == NULL)
            e = add(its, key);
        e->value = bw_at(values, i);
        set_expiry(its, e, NEVER);
    }
    unlock_all(s, locked);
}

/* All of it is left to the collector at once. */
void store_clear(store *s) {
    lock_all(s, ~UINT64_C(0));
    for (int i = 0; i < SHARDS; i++) {
        shard *its = &s->shards[i];
        its->map = bw_make_map(entry_map);
        its->entries = bw_make(bw_slice(entry_pointer));
        its->expiring = 0;
    }
    unlock_all(s, ~UINT64_C(0));
}

/* ---- walks ------------------------------------------------------------------------------------------------------ */

/* A cursor is the number of entries of a shard that are left, and, below that, the number of the shard. It is never 0 in
 * the midst of a walk, since a shard of which nothing is left is passed over. */
bw_slice(bw_string) store_scan(store *s, uint64_t *cursor, ptrdiff_t count) {
    bw_slice(bw_string) keys = {0};
    uint64_t number = *cursor % SHARDS;
    ptrdiff_t left = *cursor == 0 ? PTRDIFF_MAX : (ptrdiff_t)(*cursor / SHARDS);
    for (; number < SHARDS; number++, left = PTRDIFF_MAX) {
        shard *its = &s->shards[number];
        bw_mutex_lock(&its->lock);
        bw_defer(unlock, its);
        if (left > bw_len(its->entries))
            left = bw_len(its->entries);
        for (; left > 0 && count > 0; count--) {
            const entry *e = bw_at(its->entries, --left);
            if (!has_expired(e))
                keys = bw_append(keys, e->key);
        }
        if (left > 0) {
            *cursor = (uint64_t)left * SHARDS + number;
            return keys;
        }
    }
    *cursor = 0;
    return keys;
}

enum { SWEPT_AT_ONCE = 256 }; /* entries that are looked at while the lock is held */

/* True: so many had expired that it is worth while to go on here. */
static bool sweep_shard(shard *its) {
    bw_mutex_lock(&its->lock);
    bw_defer(unlock, its);
    if (its->expiring == 0)
        return false;
    if (its->swept == 0 || its->swept > bw_len(its->entries))
        its->swept = bw_len(its->entries);
    int looked_at = 0, found = 0;
    int64_t now = store_now();
    for (; its->swept > 0 && looked_at < SWEPT_AT_ONCE; looked_at++) {
        entry *e = bw_at(its->entries, --its->swept);
        if (e->expires <= now) {
            take_out(its, e);
            found++;
        }
    }
    its->expired += (uint64_t)found;
    return found > looked_at / 4;
}

void store_sweep(store *s) {
    for (int i = 0; i < SHARDS; i++) {
        while (sweep_shard(&s->shards[i])) {}
    }
}

store_statistics store_look(store *s) {
    store_statistics all = {0};
    for (int i = 0; i < SHARDS; i++) {
        shard *its = &s->shards[i];
        bw_mutex_lock(&its->lock);
        all.keys += bw_len(its->entries);
        all.expiring += its->expiring;
        all.hits += its->hits;
        all.misses += its->misses;
        all.expired += its->expired;
        unlock(its);
    }
    return all;
}
