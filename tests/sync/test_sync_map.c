// The concurrent map: its operations one by one against an ordinary map, concurrent use of shared and of own keys, walks
// beside changes, clearing, and what it keeps alive. The cases of Go's map_test.go and hashtriemap_test.go;
// docs/go-tests.md says which is which.
// timeout: 300
#include "support.h"

#include <stdatomic.h>

BW_STRUCT(item, (struct item *, next), (uint64_t, value));
BW_STRUCT(point, (int, x), (double, y));
BW_STRUCT(wide, (int64_t, a), (item *, b), (int64_t, c));
BW_SYNC_MAP(numbers, int64_t, int64_t);
BW_SYNC_MAP(words, bw_string, int);
BW_SYNC_MAP(wides, bw_string, wide);
BW_SYNC_MAP(bytes, int, char);
BW_SYNC_MAP(points, point, bw_string);
BW_SYNC_MAP(items, item *, item *);
BW_SYNC_MAP(by_int, int, item *);
BW_MAP(plain_words, bw_string, int);
BW_MAP(plain_numbers, int64_t, int64_t);
BW_MAP(seen_numbers, int64_t, bool);

// A collection every few allocations is slow where there is much.
static size_t some(size_t n) {
    size_t part = debug_has("gcstress") ? effort(n) / 20 : effort(n);
    return part ? part : 1;
}

static item *new_item(uint64_t value) {
    item *made = bw_new(item);
    made->value = value;
    return made;
}
static bool panics_with(bw_any e, const char *text) {
    return bw_is_runtime_error(e) && bw_str_eq(bw_error_text(bw_assert_type(bw_error, e)), bw_string_of(text));
}
static bw_string name_of(size_t n) {
    return bw_sprintf("%d", (int)n);
}

// --- one goroutine ---

// TestMapMatchesRWMutex and its kin: any sequence of operations, against a map.
static void test_matches(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < some(300); seed++) {
        struct random random = {check_seed = seed};
        words m = bw_make_sync_map(words);
        plain_words expected = bw_make_map(plain_words);
        size_t keys = 1 + random_below(&random, seed % 10 == 0 ? 3000 : 30), calls = 10 * keys;
        for (size_t i = 0; i < calls; i++) {
            bw_string k = name_of(random_below(&random, keys));
            int v = (int)random_below(&random, 3), was = -1, got = -1;
            bool there = bw_lookup(expected, k, &was);
            switch (random_below(&random, i % 50 == 0 ? 10 : 9)) {
            case 0: CHECK(bw_sync_map_load(m, k, &got) == there && got == was); break;
            case 1:
                bw_sync_map_store(m, k, v);
                bw_put(expected, k) = v;
                break;
            case 2:
                CHECK(bw_sync_map_load_or_store(m, k, v, &got) == there && got == (there ? was : v));
                bw_put(expected, k) = there ? was : v;
                break;
            case 3:
                CHECK(bw_sync_map_load_and_delete(m, k, &got) == there && got == was);
                bw_delete(expected, k);
                break;
            case 4:
                bw_sync_map_delete(m, k);
                bw_delete(expected, k);
                break;
            case 5:
                CHECK(bw_sync_map_swap(m, k, v, &got) == there && got == was);
                bw_put(expected, k) = v;
                break;
            case 6:
                CHECK(bw_sync_map_compare_and_swap(m, k, v, v + 1) == (there && was == v));
                if (there && was == v)
                    bw_put(expected, k) = v + 1;
                break;
            case 7:
                CHECK(bw_sync_map_compare_and_delete(m, k, v) == (there && was == v));
                if (there && was == v)
                    bw_delete(expected, k);
                break;
            case 8:
                bw_sync_map_store(m, name_of(keys + i), 7); // so that it grows
                bw_put(expected, name_of(keys + i)) = 7;
                break;
            default: bw_sync_map_clear(m); bw_map_clear(expected);
            }
        }
        ptrdiff_t count = 0;
        bw_sync_map_range(k, v, m) {
            int was;
            CHECK(bw_lookup(expected, k, &was) && was == v);
            count++;
        }
        CHECK(count == bw_len(expected));
    }
}

// Keys and values of all kinds.
static void test_kinds(void **state) {
    (void)state;
    int count = (int)some(3000);
    wides w = bw_make_sync_map(wides);
    bytes b = bw_make_sync_map(bytes);
    points p = bw_make_sync_map(points);
    items it = bw_make_sync_map(items);
    bw_sync_map any = bw_make_sync_map(bw_sync_map);
    item **all = bw_new_array(item *, count);
    for (int i = 0; i < count; i++) {
        all[i] = new_item((uint64_t)i);
        bw_sync_map_store(w, name_of((size_t)i), ((wide){i, new_item((uint64_t)i), -i}));
        bw_sync_map_store(b, i, (char)i);
        bw_sync_map_store(p, ((point){i, i / 2.0}), name_of((size_t)i));
        bw_sync_map_store(it, all[i], new_item((uint64_t)i * 2));
        bw_sync_map_store(any, bw_any_of(i), bw_any_of(name_of((size_t)i)));
        bw_sync_map_store(any, bw_any_of(name_of((size_t)i)), bw_any_of(i + 0.5));
    }
    bw_gc();
    for (int i = 0; i < count; i++) {
        wide wv, old;
        char bv;
        bw_string sv;
        item *iv;
        bw_any av;
        CHECK(bw_sync_map_load(w, name_of((size_t)i), &wv) && wv.a == i && wv.b->value == (uint64_t)i && wv.c == -i);
        CHECK(bw_sync_map_swap(w, name_of((size_t)i), ((wide){i + 1, NULL, 0}), &old) && old.b == wv.b);
        CHECK(!bw_sync_map_compare_and_swap(w, name_of((size_t)i), old, wv));
        CHECK(bw_sync_map_compare_and_swap(w, name_of((size_t)i), ((wide){i + 1, NULL, 0}), wv));
        CHECK(bw_sync_map_load(b, i, &bv) && bv == (char)i);
        CHECK(bw_sync_map_compare_and_swap(b, i, (char)i, 'x') && bw_sync_map_load(b, i, &bv) && bv == 'x');
        CHECK(bw_sync_map_load(p, ((point){i, i / 2.0}), &sv) && bw_str_eq(sv, name_of((size_t)i)));
        CHECK(!bw_sync_map_load(p, ((point){i, i / 2.0 + 1}), &sv) && sv.len == 0);
        CHECK(bw_sync_map_load(it, all[i], &iv) && iv->value == (uint64_t)i * 2);
        CHECK(bw_sync_map_load(any, bw_any_of(i), &av));
        CHECK(bw_str_eq(bw_assert_type(bw_string, av), name_of((size_t)i)));
        CHECK(bw_sync_map_compare_and_delete(any, bw_any_of(i), bw_any_of(name_of((size_t)i))));
        CHECK(!bw_sync_map_load(any, bw_any_of(i), &av) && bw_is_nil(av));
    }
    int left = 0;
    bw_sync_map_range(k, v, any) {
        CHECK(bw_is(bw_string, k) && bw_is(double, v));
        left++;
    }
    CHECK(left == count);
}

// The nil map reads as empty. What cannot be a key, or cannot be compared.
static void stores(numbers m) {
    bw_sync_map_store(m, 1, 2);
}
static void stores_any(bw_sync_map m, bw_any key) {
    bw_sync_map_store(m, key, key);
}
static void compares_any(bw_sync_map m, bw_any key, bw_any old) {
    bw_sync_map_compare_and_swap(m, key, old, key);
}
static void test_nil_and_panics(void **state) {
    (void)state;
    numbers nil = {NULL};
    int64_t got = 5;
    CHECK(!bw_sync_map_load(nil, 1, &got) && got == 0);
    got = 5;
    CHECK(!bw_sync_map_load_and_delete(nil, 1, &got) && got == 0);
    bw_sync_map_delete(nil, 1);
    bw_sync_map_clear(nil);
    CHECK(!bw_sync_map_compare_and_swap(nil, 1, 2, 3) && !bw_sync_map_compare_and_delete(nil, 1, 2));
    bw_sync_map_range(k, v, nil) CHECK(false, "%d %d", (int)k, (int)v);
    CHECK(panics_with(bw_protect(stores, nil), "assignment to entry in nil map"));
    bw_sync_map any = bw_make_sync_map(bw_sync_map);
    bw_slice(int) s = bw_make_slice(int, 1, 1);
    bw_any slice = bw_any_as(bw_slice(int), s), one = bw_any_of(1);
    CHECK(panics_with(bw_protect(stores_any, any, slice), "runtime error: hash of unhashable type []int"));
    bw_sync_map_store(any, one, slice);
    CHECK(panics_with(bw_protect(compares_any, any, one, slice), "runtime error: comparing uncomparable type []int"));
    CHECK(!bw_sync_map_compare_and_swap(any, one, one, slice)); // and no lock is held
    bw_any now;
    CHECK(bw_sync_map_load(any, one, &now) && bw_is(bw_slice(int), now));
}

// TestHashTrieMapBadHash, TruncHash: keys whose hashes have most bits in common.
static uint64_t hash_of(numbers m, int64_t key) {
    return bw__hash_word((uint64_t)key, ((const uint64_t *)m.bw__map)[2]);
}
static void test_bad_hashes(void **state) {
    (void)state;
    numbers m = bw_make_sync_map(numbers);
    int64_t key = 0, got;
    size_t bad = debug_has("gcstress") ? 300 : 2000;
    for (size_t i = 0; i < bad; i++) {
        while (hash_of(m, ++key) >> 57 != 5) {}
        bw_sync_map_store(m, key, key * 3);
    }
    for (int64_t k = 1; k <= key; k++)
        CHECK(bw_sync_map_load(m, k, &got) == (hash_of(m, k) >> 57 == 5) && got % 3 == 0);
    for (int64_t k = 1; k <= key; k++)
        bw_sync_map_store(m, k, k);
    int64_t count = 0;
    bw_sync_map_range(k, v, m) {
        CHECK(k == v);
        count++;
    }
    CHECK(count == key);
    for (int64_t k = 1; k <= key; k++)
        CHECK(bw_sync_map_load_and_delete(m, k, &got) && got == k);
    bw_sync_map_range(k, v, m) CHECK(false, "%d %d", (int)k, (int)v);
}

// --- several ---

// TestConcurrentRange: every key is seen once, with a value that was stored.
static _Atomic bool stop;
enum { MAP_SIZE = 1024 };
static void stores_multiples(numbers m, int64_t g) {
    struct random random = {(uint64_t)g};
    for (int64_t i = 0; !atomic_load(&stop); i++) {
        for (int64_t n = 1; n < MAP_SIZE; n++) {
            int64_t got;
            if (random_below(&random, MAP_SIZE) == 0)
                bw_sync_map_store(m, n, n * i * g);
            else
                CHECK(bw_sync_map_load(m, n, &got) && got % n == 0);
        }
        bw_yield();
    }
}
static void inserts_and_deletes(numbers m) { // more keys, so that tables are split meanwhile
    for (int64_t i = MAP_SIZE + 1; !atomic_load(&stop); i++) {
        bw_sync_map_store(m, -i, -i);
        if (i % 3 == 0)
            bw_sync_map_delete(m, -(i / 2));
        if (i % 64 == 0)
            bw_yield();
        if (i > 40000)
            i = MAP_SIZE + 1;
    }
}
static void *stores_in_thread(void *m) {
    stores_multiples(*(numbers *)m, 7);
    return NULL;
}
static void test_concurrent_range(void **state) {
    (void)state;
    numbers *at = bw_new(numbers), m = *at = bw_make_sync_map(numbers);
    for (int64_t n = 1; n <= MAP_SIZE; n++)
        bw_sync_map_store(m, n, n);
    bw_waitgroup all = {0};
    pthread_t thread;
    atomic_store(&stop, false);
    for (int64_t g = 1; g <= 3; g++)
        bw_waitgroup_go(&all, stores_multiples, m, g);
    bw_waitgroup_go(&all, inserts_and_deletes, m);
    CHECK(pthread_create(&thread, NULL, stores_in_thread, at) == 0);
    for (size_t n = 0; n < some(60); n++) {
        seen_numbers seen = bw_make_map(seen_numbers);
        size_t count = 0;
        bw_sync_map_range(k, v, m) {
            CHECK(v % k == 0);
            CHECK(!bw_has(seen, k));
            bw_put(seen, k) = true;
            count += k > 0;
        }
        CHECK(count == MAP_SIZE, "%zu", count);
    }
    atomic_store(&stop, true);
    bw_waitgroup_wait(&all);
    CHECK(pthread_join(thread, NULL) == 0);
}

// TestIssue40999: a key that was removed is not kept.
static _Atomic uint32_t cleaned;
static void count_cleaned(void *unused) {
    (void)unused;
    atomic_fetch_add(&cleaned, 1);
}
static NOINLINE void store_and_delete(items m) {
    item *key = new_item(1);
    bw_add_cleanup(key, count_cleaned, NULL);
    bw_sync_map_store(m, key, NULL);
    bw_sync_map_delete(m, key);
}
static void test_keys_go(void **state) {
    (void)state;
    items m = bw_make_sync_map(items);
    bw_sync_map_store(m, NULL, NULL);
    for (int i = 0; i < 100 && atomic_load(&cleaned) == 0; i++) {
        store_and_delete(m);
        collect_clean();
        sleep_ms(1);
    }
    CHECK(atomic_load(&cleaned) > 0);
    item *got;
    CHECK(bw_sync_map_load(m, NULL, &got));
}

// TestMapRangeNestedCall
static void test_nested_range(void **state) {
    (void)state;
    static const char *const texts[] = {"hello", "world", "Go"};
    bw_sync_map m = bw_make_sync_map(bw_sync_map);
    for (int i = 0; i < 3; i++)
        bw_sync_map_store(m, bw_any_of(i), bw_any_of(texts[i]));
    bw_sync_map_range(key, value, m) {
        (void)value;
        bw_sync_map_range(k, v, m) {
            bw_any got;
            CHECK(bw_sync_map_load(m, k, &got) && bw_eq(got, v));
            CHECK(!bw_sync_map_load_or_store(m, bw_any_of(42), bw_any_of("dummy"), &got));
            bw_sync_map_store(m, bw_any_of(42), bw_any_of("sync.Map"));
            CHECK(bw_sync_map_load_and_delete(m, bw_any_of(42), &got) && bw_eq(got, bw_any_of("sync.Map")));
        }
        bw_sync_map_delete(m, key);
    }
    bw_sync_map_range(k, v, m) CHECK(false, "%d", bw_is_nil(k) + bw_is_nil(v));
    // break and continue
    numbers n = bw_make_sync_map(numbers);
    for (int64_t i = 0; i < 100; i++)
        bw_sync_map_store(n, i, i);
    int rounds = 0;
    bw_sync_map_range(k, v, n) {
        if (++rounds % 2)
            continue;
        CHECK(k == v);
        if (rounds == 50)
            break;
    }
    CHECK(rounds == 50);
}

// What the body of a walk deletes it does not see, what it inserts it may; none comes twice, though tables are split.
static void test_range_grows(void **state) {
    (void)state;
    for (int round = 0; round < (int)some(20); round++) {
        numbers m = bw_make_sync_map(numbers);
        plain_numbers seen = bw_make_map(plain_numbers);
        for (int64_t i = 0; i < 2000; i++)
            bw_sync_map_store(m, i, i);
        int64_t next = 2000, originals = 0;
        bw_sync_map_range(k, v, m) {
            CHECK(bw_get(seen, k) == 0 && k == v);
            bw_put(seen, k) = 1;
            originals += k < 2000;
            if (next < 20000)
                for (int i = 0; i < 20; i++, next++)
                    bw_sync_map_store(m, next, next);
            if (k < 2000 && k % 2 == 0 && bw_get(seen, k + 1) == 0) {
                bw_sync_map_delete(m, k + 1);
                bw_put(seen, k + 1) = 1;
                originals++;
            }
        }
        CHECK(originals == 2000, "%d", (int)originals);
    }
}

// TestConcurrentClear, and of hashtriemap_test.go the case Clear/Concurrent.
static void stores_one(numbers m, int64_t k) {
    for (int64_t i = 0; i < 50; i++)
        bw_sync_map_store(m, k + 100 * i, k * 10);
}
static void loads_one(numbers m, int64_t k) {
    int64_t got;
    for (int64_t i = 0; i < 50; i++)
        CHECK(!bw_sync_map_load(m, k + 100 * i, &got) || got == k * 10);
}
static void changes_one(numbers m, int64_t k) {
    for (int64_t i = 0; i < 50; i++) {
        CHECK(!bw_sync_map_compare_and_delete(m, k + 100 * i, INT64_MAX));
        bw_sync_map_compare_and_swap(m, k + 100 * i, k * 10, k * 10);
    }
}
static void clears(numbers m) {
    bw_sync_map_clear(m);
}
static void test_clear(void **state) {
    (void)state;
    for (size_t round = 0; round < some(300); round++) {
        numbers m = bw_make_sync_map(numbers);
        bw_waitgroup all = {0};
        for (int64_t i = 0; i < 10; i++) {
            bw_waitgroup_go(&all, stores_one, m, i);
            bw_waitgroup_go(&all, loads_one, m, i);
            bw_waitgroup_go(&all, changes_one, m, i);
            bw_waitgroup_go(&all, clears, m);
        }
        bw_waitgroup_wait(&all);
        bw_sync_map_clear(m);
        bw_sync_map_range(k, v, m) CHECK(false, "%d %d", (int)k, (int)v);
    }
}

// Unshared keys: each goroutine's are as if it were alone, whatever the others do. Go's ConcurrentUnsharedKeys of Swap,
// CompareAndSwap, CompareAndDelete, LoadAndDelete, with and without deletions.
static void own_keys(words m, int id, size_t keys) {
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < keys; i++) {
            bw_string k = bw_sprintf("%d-%d", (int)i, id);
            int got;
            CHECK(!bw_sync_map_load(m, k, &got));
            CHECK(!bw_sync_map_load_and_delete(m, k, &got) && !bw_sync_map_compare_and_swap(m, k, 1, 2));
            CHECK(!bw_sync_map_load_or_store(m, k, id, &got) && got == id);
            CHECK(bw_sync_map_load(m, k, &got) && got == id);
            CHECK(bw_sync_map_load_or_store(m, k, 0, &got) && got == id);
            CHECK(!bw_sync_map_compare_and_swap(m, k, -1, 5) && bw_sync_map_compare_and_swap(m, k, id, id + 1));
            CHECK(bw_sync_map_swap(m, k, id + 2, &got) && got == id + 1);
            if (i % 2) {
                CHECK(!bw_sync_map_compare_and_delete(m, k, id) && bw_sync_map_compare_and_delete(m, k, id + 2));
            } else {
                CHECK(bw_sync_map_load_and_delete(m, k, &got) && got == id + 2);
            }
            CHECK(!bw_sync_map_load(m, k, &got) && got == 0);
            bw_sync_map_store(m, k, id);
            if (round < 2)
                bw_sync_map_delete(m, k);
        }
}
static void test_own_keys(void **state) {
    (void)state;
    words m = bw_make_sync_map(words);
    bw_waitgroup all = {0};
    size_t keys = some(2000);
    for (int id = 1; id <= 8; id++)
        bw_waitgroup_go(&all, own_keys, m, id, keys);
    bw_waitgroup_wait(&all);
    size_t count = 0;
    bw_sync_map_range(k, v, m) {
        CHECK(v >= 1 && v <= 8 && k.len > 2);
        count++;
    }
    CHECK(count == 8 * keys);
}

// Shared keys: of several who do the same, one succeeds. ConcurrentSharedKeys.
struct shared {
    numbers m;
    int64_t keys;
    _Atomic int64_t stored, swapped, deleted;
};
static void shared_keys(struct shared *s, int64_t id) {
    for (int64_t k = 0; k < s->keys; k++) {
        int64_t got;
        atomic_fetch_add(&s->stored, !bw_sync_map_load_or_store(s->m, k, -1, &got));
        CHECK(got == -1 || got >= 0);
    }
    for (int64_t k = 0; k < s->keys; k++)
        atomic_fetch_add(&s->swapped, bw_sync_map_compare_and_swap(s->m, k, -1, id));
    for (int64_t k = 0; k < s->keys; k++) {
        int64_t got;
        if (k % 2)
            atomic_fetch_add(&s->deleted, bw_sync_map_load_and_delete(s->m, k, &got));
        else
            for (int64_t i = 0; i < 9; i++)
                atomic_fetch_add(&s->deleted, bw_sync_map_compare_and_delete(s->m, k, i));
    }
}
static void test_shared_keys(void **state) {
    (void)state;
    for (size_t round = 0; round < some(30); round++) {
        struct shared *s = bw_new(struct shared);
        s->m = bw_make_sync_map(numbers);
        s->keys = 1000;
        bw_waitgroup all = {0};
        for (int64_t id = 0; id < 1; id++)
            bw_waitgroup_go(&all, shared_keys, s, id);
        bw_waitgroup_wait(&all);
        CHECK(s->stored == 1000 && s->swapped == 1000 && s->deleted == 1000);
        s = bw_new(struct shared);
        s->m = bw_make_sync_map(numbers);
        s->keys = 1000;
        for (int64_t id = 0; id < 6; id++)
            bw_waitgroup_go(&all, shared_keys, s, id);
        bw_waitgroup_wait(&all);
        CHECK(s->stored >= 1000 && s->swapped <= s->stored && s->deleted <= s->stored);
        int64_t left = 0;
        bw_sync_map_range(k, v, s->m) left += k >= 0 && v >= -1;
        CHECK(s->stored - s->deleted == left, "%d %d %d", (int)s->stored, (int)s->deleted, (int)left);
    }
}

// A counter kept by compare-and-swap, in a word and in a wide value.
static void counts(wides w, numbers n, int64_t times) {
    for (int64_t i = 0; i < times; i++) {
        int64_t v;
        do {
            CHECK(bw_sync_map_load(n, 1, &v));
        } while (!bw_sync_map_compare_and_swap(n, 1, v, v + 1));
        wide now;
        do {
            CHECK(bw_sync_map_load(w, bw_str("k"), &now) && now.a == -now.c);
        } while (!bw_sync_map_compare_and_swap(w, bw_str("k"), now, ((wide){now.a + 1, now.b, -now.a - 1})));
        if (i % 64 == 0)
            bw_yield();
    }
}
static void test_counting(void **state) {
    (void)state;
    wides w = bw_make_sync_map(wides);
    numbers n = bw_make_sync_map(numbers);
    bw_sync_map_store(w, bw_str("k"), ((wide){0, new_item(3), 0}));
    bw_sync_map_store(n, 1, 0);
    bw_waitgroup all = {0};
    int64_t times = (int64_t)some(3000), v;
    for (int i = 0; i < 6; i++)
        bw_waitgroup_go(&all, counts, w, n, times);
    bw_waitgroup_wait(&all);
    wide now;
    CHECK(bw_sync_map_load(n, 1, &v) && v == 6 * times);
    CHECK(bw_sync_map_load(w, bw_str("k"), &now) && now.a == 6 * times && now.b->value == 3);
}

// TestConcurrentCache, with retained objects in the place of weak pointers: of those who make one for a key all get the
// same.
static item *cached(by_int m, int key) {
    item *own = new_item((uint64_t)key), *got;
    if (bw_sync_map_load(m, key, &got))
        return got;
    bw_sync_map_load_or_store(m, key, own, &got);
    return got;
}
static void uses_cache(by_int m, int key) {
    item *a = cached(m, key), *b = cached(m, key);
    CHECK(a == b && a->value == (uint64_t)key);
}
static void test_cache(void **state) {
    (void)state;
    by_int m = bw_make_sync_map(by_int);
    bw_waitgroup all = {0};
    for (size_t i = 0; i < some(20000); i++)
        bw_waitgroup_go(&all, uses_cache, m, (int)(i % 1000));
    bw_waitgroup_wait(&all);
    bw_gc();
    bw_sync_map_range(k, v, m) CHECK(v->value == (uint64_t)k);
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),     cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_bad_hashes),  cmocka_unit_test(test_nil_and_panics),
        cmocka_unit_test(test_keys_go),     cmocka_unit_test(test_concurrent_range),
        cmocka_unit_test(test_range_grows), cmocka_unit_test(test_nested_range),
        cmocka_unit_test(test_clear),       cmocka_unit_test(test_own_keys),
        cmocka_unit_test(test_shared_keys), cmocka_unit_test(test_counting),
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
