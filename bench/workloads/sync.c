/* sync.c - mutexes, wait groups, once, pools, the concurrent map, conditions: the work and the rows of sync.go that have
 * to do with goroutines. The map is from any to any, as Go's, and once more with its types declared. */
#include "goroutines.h"

enum { N = 20000000 };

static bw_mutex mutex;
static bw_rwmutex rwmutex;
static int64_t count;
static int64_t atomic_count;

static void lock_and_add(int n) {
    for (int i = 0; i < n; i++) {
        bw_mutex_lock(&mutex);
        count++;
        bw_mutex_unlock(&mutex);
    }
}
static void read_lock(int n) {
    for (int i = 0; i < n; i++) {
        bw_rwmutex_rlock(&rwmutex);
        bw_rwmutex_runlock(&rwmutex);
    }
}
static void atomic_add(int n) {
    for (int i = 0; i < n; i++)
        __atomic_fetch_add(&atomic_count, 1, __ATOMIC_SEQ_CST);
}

/* So many goroutines that do `n` each. */
static void together(const char *row, int goroutines, int n, void (*work)(int n)) {
    bw_waitgroup *group = bw_new(bw_waitgroup);
    double start = now_ns();
    for (int i = 0; i < goroutines; i++)
        bw_waitgroup_go(group, work, n);
    bw_waitgroup_wait(group);
    report(row, (int64_t)goroutines * n, now_ns() - start);
}

static void waitgroup(void) {
    bw_waitgroup *group = bw_new(bw_waitgroup);
    double start = now_ns();
    for (int i = 0; i < N; i++) {
        bw_waitgroup_add(group, 1);
        bw_waitgroup_done(group);
    }
    report("waitgroup_add_done", N, now_ns() - start);
}

static void nothing(void) {}

static void once(void) {
    bw_once *once = bw_new(bw_once);
    double start = now_ns();
    for (int i = 0; i < N; i++)
        bw_once_do(once, nothing);
    report("once_done", N, now_ns() - start);
}

static void *new_object(void) {
    return bw_alloc_noscan(64);
}
static void pool(void) {
    static bw_pool objects = {.make = new_object};
    double start = now_ns();
    for (int i = 0; i < N; i++)
        bw_pool_put(&objects, bw_pool_get(&objects));
    report("pool_get_put", N, now_ns() - start);
}

BW_SYNC_MAP(int_map, int64_t, int64_t);
enum { ENTRIES = 1000 };

static void map_of_any(void) {
    bw_sync_map m = bw_make_sync_map(bw_sync_map);
    int64_t found = 0;
    for (int64_t i = 0; i < ENTRIES; i++)
        bw_sync_map_store(m, bw_any_of(i), bw_any_of(i));
    double start = now_ns();
    for (int64_t i = 0; i < N / 4; i++) {
        bw_any value;
        found += bw_sync_map_load(m, bw_any_of(i % ENTRIES), &value);
    }
    report("syncmap_load_hit_1k", N / 4, now_ns() - start);
    must_be("found in the map", found, N / 4);
    start = now_ns();
    for (int64_t i = 0; i < N / 8; i++)
        bw_sync_map_store(m, bw_any_of(i % ENTRIES), bw_any_of(i));
    report("syncmap_store_existing_1k", N / 8, now_ns() - start);
}

static void map_of_ints(void) {
    int_map m = bw_make_sync_map(int_map);
    int64_t sum = 0, expected = 0;
    for (int64_t i = 0; i < ENTRIES; i++) {
        bw_sync_map_store(m, i, i);
        expected += i * (N / 4 / ENTRIES);
    }
    double start = now_ns();
    for (int64_t i = 0; i < N / 4; i++) {
        int64_t value;
        bw_sync_map_load(m, i % ENTRIES, &value);
        sum += value;
    }
    report("syncmap_typed_load_hit_1k", N / 4, now_ns() - start);
    must_be("the map's values", sum, expected);
    start = now_ns();
    for (int64_t i = 0; i < N / 8; i++)
        bw_sync_map_store(m, i % ENTRIES, i);
    report("syncmap_typed_store_existing_1k", N / 8, now_ns() - start);
}

enum { TURNS = 500000 };
struct turns {
    bw_mutex mutex;
    bw_cond changed;
    int turn;
};
static void take_turns(struct turns *turns, int id) {
    for (int i = 0; i < TURNS; i++) {
        bw_mutex_lock(&turns->mutex);
        while (turns->turn != id)
            bw_cond_wait(&turns->changed);
        turns->turn = 1 - id;
        bw_cond_signal(&turns->changed);
        bw_mutex_unlock(&turns->mutex);
    }
}
static void cond(void) {
    bw_waitgroup *group = bw_new(bw_waitgroup);
    struct turns *turns = bw_new(struct turns);
    turns->changed.mutex = &turns->mutex;
    double start = now_ns();
    for (int id = 0; id < 2; id++)
        bw_waitgroup_go(group, take_turns, turns, id);
    bw_waitgroup_wait(group);
    report("cond_pingpong_roundtrip", TURNS, now_ns() - start);
}

static void all(long unused) {
    (void)unused;
    together("mutex_uncontended", 1, N, lock_and_add);
    together("mutex_contended_2g", 2, N / 2, lock_and_add);
    together("mutex_contended_4g", 4, N / 4, lock_and_add);
    together("mutex_contended_64g", 64, N / 256, lock_and_add);
    must_be("under the mutex", count, 3 * N + N / 256 * 64);
    together("rwmutex_rlock_1g", 1, N, read_lock);
    together("rwmutex_rlock_2g", 2, N / 2, read_lock);
    together("atomic_add_1g", 1, 2 * N, atomic_add);
    together("atomic_add_2g", 2, N, atomic_add);
    must_be("atomic additions", atomic_count, 4 * N);
    waitgroup();
    once();
    pool();
    map_of_any();
    map_of_ints();
    cond();
}

int main(void) {
    return in_goroutine(all, 0);
}
