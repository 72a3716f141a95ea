// Pools: what is put in comes out, once, and is gone after two collections. The cases of Go's pool_test.go;
// docs/go-tests.md says which is which.
// timeout: 200
#include "support.h"

#include <stdatomic.h>

BW_STRUCT(item, (struct item *, next), (uint64_t, value));

static item *new_item(uint64_t value) {
    item *made = bw_new(item);
    made->value = value;
    return made;
}

// TestPool. In a thread that is not to be moved: main.
static NOINLINE void put_many(bw_pool *pool, int n) {
    for (int i = 0; i < n; i++)
        bw_pool_put(pool, new_item(7));
}
static NOINLINE bool gets_seven(bw_pool *pool) {
    item *got = bw_pool_get(pool);
    CHECK(got == NULL || got->value == 7);
    return got != NULL;
}
static void test_pool(void **state) {
    (void)state;
    if (debug_has("gcstress"))
        return; // which collects at any time
    int percent = bw_set_gc_percent(-1);
    static bw_pool pool;
    CHECK(bw_pool_get(&pool) == NULL);
    item *a = new_item(1), *b = new_item(2);
    bw_pool_put(&pool, a);
    bw_pool_put(&pool, b);
    bw_pool_put(&pool, NULL);
    CHECK(bw_pool_get(&pool) == a);
    CHECK(bw_pool_get(&pool) == b);
    CHECK(bw_pool_get(&pool) == NULL);
    put_many(&pool, 100);
    collect_clean();
    CHECK(gets_seven(&pool));
    collect_clean();
    CHECK(!gets_seven(&pool));
    bw_set_gc_percent(percent);
}

// TestPoolNew
static int made;
static void *makes(void) {
    return new_item((uint64_t)++made);
}
static void test_make(void **state) {
    (void)state;
    if (debug_has("gcstress"))
        return; // which collects at any time
    bw_pool pool = {.make = makes};
    CHECK(((item *)bw_pool_get(&pool))->value == 1);
    CHECK(((item *)bw_pool_get(&pool))->value == 2);
    bw_pool_put(&pool, new_item(42));
    CHECK(((item *)bw_pool_get(&pool))->value == 42);
    CHECK(((item *)bw_pool_get(&pool))->value == 3);
}

// TestPoolGC, TestPoolRelease: cleanups tell of what is gone.
static _Atomic uint32_t cleaned;
static void count_cleaned(void *unused) {
    (void)unused;
    atomic_fetch_add(&cleaned, 1);
}
static NOINLINE void put_watched(bw_pool *pool, int n) {
    for (int i = 0; i < n; i++) {
        item *one = new_item(1);
        bw_add_cleanup(one, count_cleaned, NULL);
        bw_pool_put(pool, one);
    }
}
static NOINLINE void get_many(bw_pool *pool, int n) {
    for (int i = 0; i < n; i++)
        CHECK(bw_pool_get(pool) != NULL || debug_has("gcstress"));
}
struct watched {
    bw_pool *pool;
    bool drain;
};
static void *fill_and_drain(void *argument) {
    struct watched *w = argument;
    put_watched(w->pool, 100);
    if (w->drain)
        get_many(w->pool, 100);
    return NULL;
}
static void test_gone(void **state) {
    (void)state;
    for (int drain = 0; drain < 2; drain++)
        for (int try = 0; try < 3; try++) {
            static bw_pool pool;
            static struct watched w;
            w = (struct watched){&pool, drain != 0};
            atomic_store(&cleaned, 0);
            in_thread(fill_and_drain, &w); // on another stack
            if (!drain) {
                collect_clean();
                CHECK(atomic_load(&cleaned) == 0 || debug_has("gcstress"));
            }
            collect_clean();
            for (int i = 0; i < 5000 && atomic_load(&cleaned) < 99; i++)
                sleep_ms(1);
            CHECK(atomic_load(&cleaned) >= 99, "%u, %d", atomic_load(&cleaned), drain);
            collect_clean();
        }
}

// A pool itself is collected, with what is in it.
static void *make_pools(void *unused) {
    (void)unused;
    for (int i = 0; i < 50; i++) {
        bw_pool *pool = bw_new(bw_pool);
        put_watched(pool, 2);
    }
    return NULL;
}
static void test_pools_are_collected(void **state) {
    (void)state;
    atomic_store(&cleaned, 0);
    in_thread(make_pools, NULL);
    for (int i = 0; i < 3; i++)
        collect_clean();
    for (int i = 0; i < 5000 && atomic_load(&cleaned) < 99; i++)
        sleep_ms(1);
    CHECK(atomic_load(&cleaned) >= 99, "%u", atomic_load(&cleaned));
}

// TestPoolStress; each object is somebody's, or in the pool, but not both.
static void stress(bw_pool *pool, size_t n) {
    item *mine = NULL;
    for (size_t i = 0; i < n; i++) {
        if (mine == NULL)
            mine = new_item(0);
        CHECK(mine->value == 0);
        bw_pool_put(pool, mine);
        mine = bw_pool_get(pool);
        if (mine) {
            CHECK(__atomic_exchange_n(&mine->value, 1, __ATOMIC_RELAXED) == 0);
            if (i % 16 == 0)
                bw_yield();
            CHECK(__atomic_exchange_n(&mine->value, 0, __ATOMIC_RELAXED) == 1);
        }
        if (i % 1000 == 999)
            bw_gc();
    }
}
static void *stress_in_thread(void *pool) {
    stress(pool, effort(5000));
    return NULL;
}
static void test_stress(void **state) {
    (void)state;
    static bw_pool pool;
    bw_waitgroup all = {0};
    pthread_t threads[12];
    for (int i = 0; i < 10; i++)
        bw_waitgroup_go(&all, stress, &pool, effort(10000));
    for (int i = 0; i < 12; i++)
        CHECK(pthread_create(&threads[i], NULL, stress_in_thread, &pool) == 0);
    stress(&pool, effort(5000));
    bw_waitgroup_wait(&all);
    for (int i = 0; i < 12; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

// TestPoolDequeue and TestPoolChain: what one puts in others take, each once.
enum { MANY = 20000 };
struct handed {
    bw_pool pool;
    _Atomic size_t taken;
    size_t many;
    uint8_t seen[MANY];
};
static void take_all(struct handed *h) {
    while (atomic_load(&h->taken) < h->many) {
        item *got = bw_pool_get(&h->pool);
        if (got == NULL) {
            bw_yield();
            continue;
        }
        CHECK(__atomic_fetch_add(&h->seen[got->value], 1, __ATOMIC_RELAXED) == 0);
        atomic_fetch_add(&h->taken, 1);
    }
}
static void put_all(struct handed *h) {
    item *last = NULL;
    for (size_t i = 0; i < h->many; i++) {
        last = new_item(i);
        bw_pool_put(&h->pool, last);
        if (i % 10 == 0)
            bw_yield();
    }
}
static void test_others_take(void **state) {
    (void)state;
    if (debug_has("gcstress"))
        return; // some would be dropped
    int percent = bw_set_gc_percent(-1);
    struct handed *h = bw_new(struct handed);
    h->many = effort(MANY);
    bw_waitgroup all = {0};
    for (int i = 0; i < 9; i++)
        bw_waitgroup_go(&all, take_all, h);
    bw_waitgroup_go(&all, put_all, h);
    // One may be in the place that only the putting thread sees, and that is a worker.
    while (atomic_load(&h->taken) + 1 < h->many)
        bw_yield();
    atomic_store(&h->taken, h->many);
    bw_waitgroup_wait(&all);
    bw_set_gc_percent(percent);
}

// TestNilPool
static bw_pool *volatile nil_pool;
static void child_nil_get(void) {
    bw_gc(); // the library watches for faults from its first use on
    bw_pool_get(nil_pool);
}
static void child_nil_put(void) {
    bw_pool_put(nil_pool, new_item(1));
}
static void test_nil(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        return; // which looks at the address in code of its own
    assert_died("nil get", "panic: runtime error: invalid memory address or nil pointer dereference");
    assert_died("nil put", "panic: runtime error: invalid memory address or nil pointer dereference");
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"nil get", child_nil_get}, {"nil put", child_nil_put}};
    child_main(argc, argv, children, COUNT_OF(children));
    // First those that say what is gone: main's stack knows of nothing in a pool yet.
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gone),   cmocka_unit_test(test_pools_are_collected),
        cmocka_unit_test(test_pool),   cmocka_unit_test(test_make),
        cmocka_unit_test(test_stress), cmocka_unit_test(test_others_take),
        cmocka_unit_test(test_nil),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
