// What the ledger says of sync and atomic objects: each type, structs that are made of nothing else, arrays of them, what
// maps and pools are made of; and the identities while all of these come and go.
#include "support.h"

#include <stdatomic.h>

BW_STRUCT(two_locks, (bw_mutex, a), (bw_rwmutex, b));
BW_STRUCT(counters, (bw_atomic_i64, reads), (bw_atomic_u32[6], by_kind));
BW_STRUCT(mixed, (bw_mutex, lock), (bw_atomic_i64, count));
BW_STRUCT(guarded, (bw_mutex, lock), (long, count));
BW_SYNC_MAP(numbers, int64_t, int64_t);
typedef bw_mutex renamed;

static bw_ledger_t before, after;

static bool grew(bw_amount was, bw_amount is, uint64_t bytes, uint64_t objects) {
    return is.bytes - was.bytes == bytes && is.objects - was.objects == objects;
}
static void check_identities(const bw_ledger_t *l) {
    CHECK(l->safe.bytes == l->sync.bytes + l->atomic.bytes + l->error.bytes);
    CHECK(l->safe.objects == l->sync.objects + l->atomic.objects + l->error.objects);
    CHECK(l->layout.bytes == l->alloc.bytes - l->reclaim.bytes);
    CHECK(l->layout.objects == l->alloc.objects - l->reclaim.objects);
    CHECK(l->layout.bytes == l->struct_.bytes + l->slice.bytes + l->map.bytes + l->channel.bytes + l->interface_.bytes);
    CHECK(l->safe.bytes <= l->layout.bytes && l->safe.objects <= l->layout.objects);
}

static void *kept[64];
static int kept_count;
#define MAKES(what, field, bytes_, objects_)                                                                           \
    do {                                                                                                               \
        bw_ledger(&before);                                                                                            \
        kept[kept_count++] = (what);                                                                                   \
        bw_ledger(&after);                                                                                             \
        check_identities(&after);                                                                                      \
        CHECK(grew(before.field, after.field, bytes_, objects_), "%s: %llu %llu", #what,                               \
              (unsigned long long)(after.field.bytes - before.field.bytes),                                            \
              (unsigned long long)(after.field.objects - before.field.objects));                                       \
        CHECK(grew(before.safe, after.safe, bytes_, objects_));                                                        \
    } while (0)
#define SLOT(T) ((sizeof(T) + 15) & ~(size_t)15)

static void test_each(void **state) {
    (void)state;
    int percent = bw_set_gc_percent(-1);
    MAKES(bw_new(bw_mutex), sync, SLOT(bw_mutex), 1);
    MAKES(bw_new(struct bw_mutex), sync, SLOT(bw_mutex), 1);
    MAKES(bw_new(bw_rwmutex), sync, SLOT(bw_rwmutex), 1);
    MAKES(bw_new(bw_waitgroup), sync, SLOT(bw_waitgroup), 1);
    MAKES(bw_new(bw_once), sync, SLOT(bw_once), 1);
    MAKES(bw_new(bw_cond), sync, SLOT(bw_cond), 1);
    MAKES(bw_new(bw_semaphore), sync, SLOT(bw_semaphore), 1);
    MAKES(bw_new(bw_pool), sync, SLOT(bw_pool), 1);
    MAKES(bw_new(bw_atomic_i32), atomic, 16, 1);
    MAKES(bw_new(bw_atomic_u32), atomic, 16, 1);
    MAKES(bw_new(bw_atomic_i64), atomic, 16, 1);
    MAKES(bw_new(bw_atomic_u64), atomic, 16, 1);
    MAKES(bw_new(bw_atomic_bool), atomic, 16, 1);
    MAKES(bw_new(bw_atomic_ptr), atomic, 16, 1);
    MAKES(bw_new(bw_atomic_value), atomic, 16, 1);
    MAKES(bw_new(two_locks), sync, SLOT(two_locks), 1);
    MAKES(bw_new(counters), atomic, SLOT(counters), 1);
    MAKES(bw_new(mixed), sync, SLOT(mixed), 1);
    MAKES(bw_new_array(bw_mutex, 8), sync, 8 * sizeof(bw_mutex), 1);
    MAKES(bw_new_array(bw_atomic_i64, 16), atomic, 128, 1);
    // What holds other things, too, is no such object, nor is what the compiler calls by another name.
    MAKES(bw_new(guarded), safe, 0, 0);
    MAKES(bw_new(renamed), safe, 0, 0);
    MAKES(bw_new(bw_mutex *), safe, 0, 0);
    bw_set_gc_percent(percent);
}

// In the collector's eyes a number is none of the pointers, and what may be one is.
static void test_searched(void **state) {
    (void)state;
    CHECK(strcmp(bw_type_of(bw_mutex)->name, "bw_mutex") == 0 && bw_type_of(bw_mutex)->kind == BW_KIND_STRUCT);
    CHECK(bw_type_of(bw_rwmutex)->fields[0].type == bw_type_of(bw_mutex));
    CHECK(bw_type_of(bw_atomic_u64)->field_count == 1);
}

static NOINLINE void *make_some(void *unused) {
    (void)unused;
    static bw_pool pool;
    void *volatile made = NULL;
    for (int i = 0; i < 200; i++) {
        made = bw_new(two_locks);
        made = bw_new(counters);
        numbers m = bw_make_sync_map(numbers);
        for (int64_t j = 0; j < i; j++)
            bw_sync_map_store(m, j, j);
        bw_pool_put(&pool, bw_new(guarded));
    }
    (void)made;
    return NULL;
}

// They are gone with the rest, and so is what concurrent maps and pools are made of.
static void test_reclaimed(void **state) {
    (void)state;
    bw_gc();
    in_thread(make_some, NULL); // what is made once
    for (int i = 0; i < 4; i++)
        collect_clean();
    bw_ledger(&before);
    in_thread(make_some, NULL);
    bw_ledger(&after);
    check_identities(&after);
    CHECK(after.sync.objects > before.sync.objects + 200 || debug_has("gcstress"));
    for (int i = 0; i < 4; i++)
        collect_clean();
    bw_ledger(&after);
    check_identities(&after);
    CHECK(after.sync.objects == before.sync.objects && after.atomic.objects == before.atomic.objects,
          "%llu %llu, %llu %llu", (unsigned long long)before.sync.objects, (unsigned long long)after.sync.objects,
          (unsigned long long)before.atomic.objects, (unsigned long long)after.atomic.objects);
}

// The parts of a map count as map and as sync.
static void test_map_parts(void **state) {
    (void)state;
    int percent = bw_set_gc_percent(-1);
    bw_ledger(&before);
    numbers m = bw_make_sync_map(numbers);
    for (int64_t i = 0; i < 1000; i++)
        bw_sync_map_store(m, i, i);
    bw_ledger(&after);
    check_identities(&after);
    uint64_t objects = after.map.objects - before.map.objects;
    CHECK(objects > 1000 && after.sync.objects - before.sync.objects == objects);
    CHECK(after.map.bytes - before.map.bytes == after.sync.bytes - before.sync.bytes);
    CHECK(after.make.objects - before.make.objects == objects || debug_has("gcstress")); // which reclaims some of it
    bw_keep_alive(m.bw__map);
    bw_set_gc_percent(percent);
}

// The identities in any snapshot, while goroutines and threads make and drop all of these.
static _Atomic bool working;
static void works(bw_waitgroup *all) {
    while (atomic_load(&working)) {
        make_some(NULL);
        bw_yield();
    }
    if (all)
        bw_waitgroup_done(all);
}
static void *works_in_thread(void *unused) {
    (void)unused;
    works(NULL);
    return NULL;
}
static void test_identities(void **state) {
    (void)state;
    static bw_waitgroup all;
    pthread_t thread;
    atomic_store(&working, true);
    bw_waitgroup_add(&all, 3);
    for (int i = 0; i < 3; i++)
        bw_go(works, &all);
    CHECK(pthread_create(&thread, NULL, works_in_thread, NULL) == 0);
    for (size_t i = 0; i < effort(200); i++) {
        bw_ledger(&after);
        check_identities(&after);
        if (i % 20 == 0)
            bw_gc();
        sleep_ms(0);
    }
    atomic_store(&working, false);
    bw_waitgroup_wait(&all);
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),      cmocka_unit_test(test_searched),   cmocka_unit_test(test_reclaimed),
        cmocka_unit_test(test_map_parts), cmocka_unit_test(test_identities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
