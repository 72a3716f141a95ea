// Maps against a plain model: random operations on every kind of key, while collections run, and what is promised of
// iteration, growth, shrinking, and misuse.
// valgrind: yes
// timeout: 200
#include "support.h"

#include <math.h>
#include <pthread.h>

BW_STRUCT(point, (int, x), (int, y));
BW_STRUCT(labelled, (bw_string, name), (double, weight));
BW_STRUCT(large_value, (uint64_t[40], words), (void *, object));

BW_MAP(words_map, uint64_t, uint64_t);
BW_MAP(ints_map, int, short);
BW_MAP(strings_map, bw_string, uint64_t);
BW_MAP(points_map, point, uint64_t);
BW_MAP(labelled_map, labelled, uint64_t);
BW_MAP(doubles_map, double, uint64_t);
BW_MAP(floats_map, float, uint64_t);
BW_MAP(any_map, bw_any, uint64_t);
BW_MAP(bytes_map, uint8_t, uint8_t);
BW_MAP(large_map, uint64_t, large_value);
BW_MAP(pointers_map, point *, bw_string);
BW_MAP(bools_map, bool, int);

enum { MOST_KEYS = 200000 };
static uint64_t model[MOST_KEYS]; // 0: not there
static size_t model_count;

static void model_clear(size_t keys) {
    memset(model, 0, keys * sizeof model[0]);
    model_count = 0;
}
static void model_put(size_t key, uint64_t value) {
    model_count += model[key] == 0;
    model[key] = value;
}
static bool model_delete(size_t key) {
    bool there = model[key] != 0;
    model_count -= there;
    model[key] = 0;
    return there;
}

static bw_string text_of(size_t key) {
    char text[64];
    int length = snprintf(text, sizeof text, key % 3 ? "key-%zu" : "a rather long key with the number %zu", key);
    char *copy = bw_alloc_noscan((size_t)length + 1);
    memcpy(copy, text, (size_t)length);
    return (bw_string){copy, length};
}

static size_t budget(size_t operations) {
    return UNDER_SANITIZER || under_valgrind() || getenv("BURROWDEBUG") ? operations / 20 : operations;
}

// One test for each kind of key: `MAKE(i)` is the i-th key, `BACK(k)` its number. A value is never 0.
#define RANDOM_TEST(name, M, MAKE, BACK, VALUE_BITS, MOST)                                                             \
    static void name##_round(size_t keys, size_t operations, uint64_t seed) {                                          \
        struct random random = {seed};                                                                                 \
        M m = random_below(&random, 2) ? bw_make_map(M) : bw_make_map(M, (ptrdiff_t)random_below(&random, keys));      \
        model_clear(keys);                                                                                             \
        unsigned mood = 0;                                                                                             \
        for (size_t step = 0; step < operations; step++) {                                                             \
            if (step % (operations / 8 + 1) == 0)                                                                      \
                mood = (unsigned)random_below(&random, 4); /* mostly growing, mostly shrinking, ... */                 \
            size_t key = random_below(&random, keys);                                                                  \
            unsigned what = (unsigned)random_below(&random, 100);                                                      \
            if (what < (mood == 0 ? 60u : mood == 1 ? 10u : 40u)) {                                                    \
                uint64_t value = (random_next(&random) & ((1ull << VALUE_BITS) - 1)) | 1;                              \
                bw_put(m, MAKE(key)) = value;                                                                          \
                model_put(key, value);                                                                                 \
            } else if (what < 80) {                                                                                    \
                bw_delete(m, MAKE(key));                                                                               \
                model_delete(key);                                                                                     \
            } else if (what < 90) {                                                                                    \
                __typeof__(*m.bw__value) value;                                                                        \
                bool there = bw_lookup(m, MAKE(key), &value);                                                          \
                CHECK(there == (model[key] != 0) && (uint64_t)value == model[key], "key %zu", key);                    \
            } else if (what < 98) {                                                                                    \
                CHECK((uint64_t)bw_get(m, MAKE(key)) == model[key], "key %zu", key);                                   \
            } else if (what == 98 && model[key]) {                                                                     \
                bw_put(m, MAKE(key)) ^= 2;                                                                             \
                model[key] ^= 2;                                                                                       \
            } else if (random_below(&random, 1000) == 0) {                                                             \
                bw_map_clear(m);                                                                                       \
                model_clear(keys);                                                                                     \
            }                                                                                                          \
            CHECK((size_t)bw_len(m) == model_count, "%td %zu", bw_len(m), model_count);                                \
            if (random_below(&random, keys * 4) == 0) {                                                                \
                size_t seen = 0;                                                                                       \
                bw_map_range(k, v, m) {                                                                                \
                    size_t number = BACK(k);                                                                           \
                    CHECK(number < keys && model[number] == (uint64_t)v, "key %zu", number);                           \
                    seen++;                                                                                            \
                }                                                                                                      \
                CHECK(seen == model_count, "%zu %zu", seen, model_count);                                              \
            }                                                                                                          \
        }                                                                                                              \
        for (size_t key = 0; key < keys; key++)                                                                        \
            CHECK((uint64_t)bw_get(m, MAKE(key)) == model[key], "key %zu", key);                                       \
    }                                                                                                                  \
    static void test_##name(void **state) {                                                                            \
        (void)state;                                                                                                   \
        static const size_t sizes[] = {1, 3, 8, 20, 100, 900, 5000, 60000, MOST_KEYS};                                 \
        for (size_t i = 0; i < COUNT_OF(sizes); i++)                                                                   \
            if (sizes[i] <= MOST)                                                                                      \
                name##_round(sizes[i],                                                                                 \
                             budget(sizes[i] < 1000     ? 100000                                                       \
                                    : sizes[i] < 100000 ? 300000                                                       \
                                                        : 1500000),                                                    \
                             i + 77);                                                                                  \
    }

static size_t number_in(bw_string text) {
    size_t number = 0, scale = 1;
    for (ptrdiff_t i = text.len; i-- > 0 && text.ptr[i] >= '0' && text.ptr[i] <= '9'; scale *= 10)
        number += (size_t)(text.ptr[i] - '0') * scale;
    return number;
}
static bw_any any_of(size_t key) {
    switch (key % 4) {
    case 0: return bw_any_of((int)key);
    case 1: return bw_any_of((double)key);
    case 2: return bw_any_as(point, ((point){(int)key, -1}));
    default: return bw_any_of(text_of(key));
    }
}
static size_t any_back(bw_any any) {
    if (bw_is(int, any))
        return (size_t)bw_assert_type(int, any);
    if (bw_is(double, any))
        return (size_t)bw_assert_type(double, any);
    if (bw_is(point, any))
        return (size_t)bw_assert_type(point, any).x;
    return number_in(bw_assert_type(bw_string, any));
}
#define SAME(i) (i)
#define SHORT_INT(i) ((int)(i)*7 - 1000)
#define SHORT_INT_BACK(k) ((size_t)((k) + 1000) / 7)
#define POINT(i) ((point){(int)((i) / 10), (int)((i) % 10)})
#define POINT_BACK(k) ((size_t)(k).x * 10 + (size_t)(k).y)
#define LABELLED(i) ((labelled){text_of((i) / 3), (double)((i) % 3) - 1})
#define LABELLED_BACK(k) (number_in((k).name) * 3 + (size_t)((k).weight + 1))
#define DOUBLE(i) ((double)(i)-100.5)
#define DOUBLE_BACK(k) ((size_t)((k) + 100.5))
#define FLOAT(i) ((float)(i)*0.5f)
#define FLOAT_BACK(k) ((size_t)((k)*2))
#define BYTE(i) ((uint8_t)(i))
#define MULTIPLE(i) ((uint64_t)(i) << 32)
#define MULTIPLE_BACK(k) ((size_t)((k) >> 32))

RANDOM_TEST(words, words_map, MULTIPLE, MULTIPLE_BACK, 60, MOST_KEYS)
RANDOM_TEST(small_words, words_map, SAME, SAME, 60, 5000)
RANDOM_TEST(ints, ints_map, SHORT_INT, SHORT_INT_BACK, 15, MOST_KEYS)
RANDOM_TEST(strings, strings_map, text_of, number_in, 60, MOST_KEYS)

/* The empty string is one key, whether it has an address or not. */
static void test_empty_string(void **state) {
    (void)state;
    strings_map m = bw_make_map(strings_map);
    bw_put(m, bw_str("")) = 1;
    bw_put(m, ((bw_string){NULL, 0})) += 1;
    assert_int_equal(bw_get(m, bw_str("")), 2);
    bw_delete(m, ((bw_string){NULL, 0}));
    bw_put(m, ((bw_string){NULL, 0})) = 3;
    assert_int_equal(bw_get(m, ((bw_string){NULL, 0})), 3);
    assert_int_equal(bw_len(m), 1);
}
RANDOM_TEST(points, points_map, POINT, POINT_BACK, 60, 60000)
RANDOM_TEST(labelled_keys, labelled_map, LABELLED, LABELLED_BACK, 60, 60000)
RANDOM_TEST(doubles, doubles_map, DOUBLE, DOUBLE_BACK, 60, 60000)
RANDOM_TEST(floats, floats_map, FLOAT, FLOAT_BACK, 60, 60000)
RANDOM_TEST(anys, any_map, any_of, any_back, 60, 60000)
RANDOM_TEST(bytes, bytes_map, BYTE, SAME, 7, 200)

// Values that are large, and hold references.
static void test_large_values(void **state) {
    (void)state;
    large_map m = bw_make_map(large_map);
    size_t count = budget(20000);
    for (size_t i = 0; i < count; i++) {
        large_value value = {.words = {i, i + 1}};
        uint64_t *object = bw_new(uint64_t);
        *object = mix(i);
        value.words[39] = ~i;
        value.object = object;
        bw_put(m, i) = value;
        if (i % 3 == 0)
            bw_delete(m, i / 2);
    }
    collect_clean();
    bw_map_range(k, v, m) {
        CHECK(v.words[0] == k && v.words[1] == k + 1 && v.words[39] == ~k);
        CHECK(*(uint64_t *)v.object == mix(k));
    }
}

// Deleting releases what the entry referred to; a map that lost most of its entries gives its memory back.
static __attribute__((noinline)) pointers_map fill_pointers(size_t count) {
    pointers_map m = bw_make_map(pointers_map);
    for (size_t i = 0; i < count; i++) {
        point *p = bw_new(point);
        p->x = (int)i;
        bw_put(m, p) = text_of(i);
    }
    return m;
}
static __attribute__((noinline)) void delete_most(pointers_map m, int keep) {
    bw_map_range(k, v, m) if (k->x >= keep) bw_delete(m, k);
}
static __attribute__((noinline)) void add_and_delete(pointers_map m) {
    // Tables are not merged while a walk is under way: now they may be.
    for (int i = 0; i < 20; i++) {
        point *p = bw_new(point);
        p->x = 1 << 20;
        bw_put(m, p) = bw_make(bw_string);
        bw_delete(m, p);
    }
}
// In threads of their own, which leave nothing stale behind: an old directory would keep all of its tables.
static pointers_map kept_pointers;
static words_map kept_words;
static size_t shrink_count;
static void *fill_both(void *unused) {
    kept_pointers = fill_pointers(shrink_count);
    kept_words = bw_make_map(words_map);
    for (uint64_t i = 0; i < shrink_count; i++)
        bw_put(kept_words, i) = i;
    return unused;
}
static void *empty_both(void *unused) {
    delete_most(kept_pointers, 10);
    add_and_delete(kept_pointers);
    for (uint64_t i = 10; i < shrink_count; i++)
        bw_delete(kept_words, i);
    return unused;
}
static void test_shrinking(void **state) {
    (void)state;
    shrink_count = budget(100000) < 20000 ? 20000 : budget(100000);
    collect_clean();
    bw_ledger_t before, full, after;
    bw_ledger(&before);
    in_thread(fill_both, NULL);
    collect_clean();
    bw_ledger(&full);
    assert_true(full.layout.objects >= 2 * shrink_count);
    assert_true(full.map.bytes < before.map.bytes + shrink_count * 100);
    in_thread(empty_both, NULL);
    collect_clean();
    bw_ledger(&after);
    assert_true(after.layout.objects < before.layout.objects + 400);
    assert_true(after.map.bytes < before.map.bytes + shrink_count * 4);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(bw_get(kept_words, i), i);
    assert_int_equal(bw_len(kept_words), 10);
    assert_int_equal(bw_len(kept_pointers), 10);
    kept_pointers = bw_make(pointers_map);
    kept_words = bw_make(words_map);
}

// Keys that lie near each other, or differ in their high bits only, fill a map's tables evenly, whatever its seed is: else
// some of its tables would be split again and again, and others stay empty.
static uint64_t pattern_key(unsigned pattern, uint64_t i) {
    switch (pattern) {
    case 0: return i;
    case 1: return i * 8;
    case 2: return i << 32;
    case 3: return i << 48 | i >> 16;
    case 4: return i * 4096 + 0x7f0000000000;
    case 5: return ~i;
    default: return i * i;
    }
}
static void *fill_pattern(void *pattern) {
    kept_words = bw_make_map(words_map);
    for (uint64_t i = 0; i < 20000; i++)
        bw_put(kept_words, pattern_key((unsigned)(uintptr_t)pattern, i)) = i;
    return NULL;
}
static void test_even_tables(void **state) {
    (void)state;
    for (unsigned round = 0; round < (unsigned)budget(210) + 14; round++) {
        bw_ledger_t before, after;
        kept_words = bw_make(words_map);
        bw_gc();
        bw_ledger(&before);
        in_thread(fill_pattern, (void *)(uintptr_t)(round % 7));
        bw_gc();
        bw_ledger(&after);
        // 32 tables of 625 keys each.
        CHECK((int64_t)(after.map.bytes - before.map.bytes) < 700000, "pattern %u: %lld bytes", round % 7,
              (long long)(after.map.bytes - before.map.bytes));
    }
    kept_words = bw_make(words_map);
}

// Iteration: every entry once, whatever is inserted meanwhile; deleted ones not at all; order that differs.
static void test_iteration_while_changing(void **state) {
    (void)state;
    struct random random = {5};
    static bool seen[40000];
    for (int round = 0; round < (int)budget(400) + 20; round++) {
        size_t count = 1 + random_below(&random, round % 10 == 0 ? 10000 : 60);
        words_map m = bw_make_map(words_map);
        for (uint64_t i = 0; i < count; i++)
            bw_put(m, i) = i + 1;
        memset(seen, 0, sizeof seen);
        static bool deleted[40000];
        memset(deleted, 0, sizeof deleted);
        uint64_t inserted = count;
        unsigned what = (unsigned)random_below(&random, 4);
        bw_map_range(k, v, m) {
            CHECK(k < 40000 && !seen[k] && !deleted[k], "key %llu", (unsigned long long)k);
            CHECK(v == k + 1 || (k < count && v == k + 1000000));
            seen[k] = true;
            if (what & 1 && inserted < 40000)
                for (int i = 0; i < 3 && inserted < 40000; i++, inserted++)
                    bw_put(m, inserted) = inserted + 1;
            if (what & 2) {
                uint64_t victim = random_below(&random, count);
                if (!seen[victim]) {
                    bw_delete(m, victim);
                    deleted[victim] = true;
                }
            }
            uint64_t changed = random_below(&random, count);
            if (!deleted[changed])
                bw_put(m, changed) = changed + 1000000;
        }
        for (uint64_t i = 0; i < count; i++)
            CHECK(seen[i] != deleted[i], "key %llu of %zu", (unsigned long long)i, count);
    }
    // Cleared in the middle.
    words_map m = bw_make_map(words_map);
    for (uint64_t i = 0; i < 5000; i++)
        bw_put(m, i) = 1;
    int visits = 0;
    bw_map_range(k, v, m) {
        visits++;
        bw_map_clear(m);
    }
    assert_int_equal(visits, 1);
    assert_int_equal(bw_len(m), 0);
    bw_put(m, 7) = 3;
    assert_int_equal(bw_get(m, 7), 3);
}

static void test_order_differs(void **state) {
    (void)state;
    words_map m = bw_make_map(words_map);
    for (uint64_t i = 0; i < 7; i++)
        bw_put(m, i) = 1;
    unsigned firsts = 0;
    for (int round = 0; round < 500; round++)
        bw_map_range(k, v, m) {
            firsts |= 1u << k;
            break;
        }
    assert_int_equal(firsts, 0x7f);
}

static void test_loops(void **state) {
    (void)state;
    words_map m = bw_make_map(words_map, 100);
    for (uint64_t i = 0; i < 100; i++)
        bw_put(m, i) = i;
    int visits = 0, inner = 0;
    bw_map_range(a, b, m) {
        if (a % 2)
            continue;
        visits++;
        bw_map_range(c, d, m) {
            if (++inner % 3 == 0)
                break;
        }
        if (visits == 10)
            break;
    }
    assert_int_equal(visits, 10);
    assert_int_equal(inner, 30);
    if (visits)
        bw_put(m, 1) = 5;
    else
        bw_put(m, 1) = 6;
    assert_int_equal(bw_get(m, 1), 5);
    bw_put(m, 1)++;
    bw_put(m, 1000) -= 2;
    assert_int_equal(bw_get(m, 1), 6);
    assert_int_equal(bw_get(m, 1000), (uint64_t)-2);
}

// The value may use the map: it is evaluated before the map changes.
static words_map memo;
static uint64_t fibonacci(uint64_t n) {
    uint64_t known;
    if (bw_lookup(memo, n, &known))
        return known;
    if (n < 2)
        bw_put(memo, n) = n;
    else
        bw_put(memo, n) = fibonacci(n - 1) + fibonacci(n - 2);
    return bw_get(memo, n);
}
static void test_value_uses_the_map(void **state) {
    (void)state;
    memo = bw_make_map(words_map);
    assert_true(fibonacci(90) == 2880067194370816120u);
    assert_int_equal(bw_len(memo), 91);
}

static void test_nil_map(void **state) {
    (void)state;
    words_map nil = {NULL};
    uint64_t value = 5;
    assert_int_equal(bw_len(nil), 0);
    assert_int_equal(bw_get(nil, 1), 0);
    assert_false(bw_lookup(nil, 1, &value));
    assert_int_equal(value, 0);
    bw_delete(nil, 1);
    bw_map_clear(nil);
    bw_map_range(k, v, nil) fail();
    assert_true(bw_is_nil(nil));
}

static void test_floats_by_value(void **state) {
    (void)state;
    doubles_map m = bw_make_map(doubles_map);
    bw_put(m, 0.0) = 1;
    bw_put(m, -0.0) = 2;
    assert_int_equal(bw_len(m), 1);
    assert_int_equal(bw_get(m, 0.0), 2);
    for (int i = 0; i < 3000; i++)
        bw_put(m, (double)NAN) = 7;
    assert_int_equal(bw_len(m), 3001);
    assert_int_equal(bw_get(m, (double)NAN), 0);
    bw_delete(m, (double)NAN);
    size_t nans = 0;
    bw_map_range(k, v, m) {
        if (isnan(k)) {
            CHECK(v == 7);
            nans++;
        }
        if (nans == 10)
            for (int i = 0; i < 2000; i++) // the tables are replaced under the walk
                bw_put(m, (double)i + 1) = 1;
    }
    assert_int_equal(nans, 3000);
    bw_map_clear(m);
    assert_int_equal(bw_len(m), 0);
    floats_map f = bw_make_map(floats_map);
    bw_put(f, 0.0f) = 1;
    bw_put(f, -0.0f) = 2;
    assert_int_equal(bw_len(f), 1);
}

static void test_any_keys(void **state) {
    (void)state;
    any_map m = bw_make_map(any_map);
    bw_put(m, bw_any_of(1)) = 1;
    bw_put(m, bw_any_of((int64_t)1)) = 2; // of another type
    bw_put(m, bw_any_of((bool)true)) = 3; // C's true is an int
    bw_put(m, ((bw_any){0})) = 4;
    bw_put(m, bw_any_of("text")) = 5;
    assert_int_equal(bw_len(m), 5);
    assert_int_equal(bw_get(m, bw_any_of(1)), 1);
    assert_int_equal(bw_get(m, bw_any_of((int64_t)1)), 2);
    assert_int_equal(bw_get(m, ((bw_any){0})), 4);
    assert_int_equal(bw_get(m, bw_any_of("text")), 5);
    bools_map b = bw_make_map(bools_map);
    bw_put(b, true) = 1;
    bw_put(b, false) = 2;
    assert_int_equal(bw_get(b, 1 == 1), 1);
}

// No insertion takes long, whatever the size: the most that one copies is a table and the directory. What the machine does
// to a program now and then it does not do at the same insertion three times.
static void test_no_stall(void **state) {
    (void)state;
    if (UNDER_SANITIZER || under_valgrind() || getenv("BURROWDEBUG"))
        return;
    enum { COUNT = 3000000 };
    static uint8_t slow[COUNT];
    for (int round = 0; round < 3; round++) {
        words_map m = bw_make_map(words_map);
        for (uint64_t i = 0; i < COUNT; i++) {
            double start = seconds_now();
            bw_put(m, i) = i;
            slow[i] += seconds_now() - start > 0.001;
        }
        assert_int_equal(bw_len(m), COUNT);
    }
    for (uint64_t i = 0; i < COUNT; i++)
        CHECK(slow[i] < 3, "insertion %llu takes over 1 ms", (unsigned long long)i);
}

// --- misuse ---

static words_map nil_words;
static void child_nil_write(void) {
    bw_put(nil_words, 1) = 2;
}
static void child_unhashable(void) {
    any_map m = bw_make_map(any_map);
    bw_slice(int) ints = bw_make_slice(int, 1);
    bw_put(m, bw_any_as(bw_slice(int), ints)) = 1;
}
static void child_unhashable_lookup(void) {
    any_map m = bw_make_map(any_map);
    bw_slice(int) ints = bw_make_slice(int, 1);
    exit((int)bw_get(m, bw_any_as(bw_slice(int), ints))); // used, or the compiler leaves it out
}
static void *write_for_ever(void *argument) {
    words_map *m = argument;
    for (uint64_t i = 0;; i++) {
        bw_put(*m, i % 5000) = i;
        bw_delete(*m, (i + 2500) % 5000);
    }
    return NULL;
}
static void *read_for_ever(void *argument) {
    words_map *m = argument;
    static uint64_t *volatile used;
    for (uint64_t i = 0;; i++)
        used = (uint64_t *)bw_get(*m, i % 5000);
    return used;
}
static void *walk_for_ever(void *argument) {
    words_map *m = argument;
    for (;;)
        bw_map_range(k, v, *m) {}
    return NULL;
}
static words_map shared_map;
static void misuse(void *(*other)(void *)) {
    shared_map = bw_make_map(words_map);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, other, &shared_map) == 0);
    write_for_ever(&shared_map);
}
static void child_two_writers(void) {
    misuse(write_for_ever);
}
static void child_reader(void) {
    misuse(read_for_ever);
}
static void child_walker(void) {
    misuse(walk_for_ever);
}
static const struct child children[] = {
    {"nil_write", child_nil_write},
    {"unhashable", child_unhashable},
    {"unhashable_lookup", child_unhashable_lookup},
    {"two_writers", child_two_writers},
    {"reader", child_reader},
    {"walker", child_walker},
};

static void test_misuse(void **state) {
    (void)state;
    assert_died("nil_write", "panic: assignment to entry in nil map");
    assert_died("unhashable", "panic: runtime error: hash of unhashable type []int");
    assert_died("unhashable_lookup", "panic: runtime error: hash of unhashable type []int");
}

static void test_concurrent_misuse(void **state) {
    (void)state;
#ifdef __SANITIZE_THREAD__
    return; // which tells of it first
#endif
    // What is noticed depends on who comes first, and a map that is torn may also be told by a fault: mostly it is noticed.
    static const char *const names[] = {"two_writers", "reader", "walker"};
    size_t told = 0;
    for (size_t i = 0; i < 5 * COUNT_OF(names); i++) {
        static struct outcome outcome;
        child_run(&outcome, names[i % COUNT_OF(names)], NULL);
        told += outcome.status == 2 && strncmp(outcome.err, "fatal error: concurrent map ", 28) == 0;
        CHECK(outcome.status != 0 && outcome.status != -1);
    }
    assert_true(told >= 10);
}

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_small_words),
        cmocka_unit_test(test_ints),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_empty_string),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_labelled_keys),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_anys),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_shrinking),
        cmocka_unit_test(test_even_tables),
        cmocka_unit_test(test_iteration_while_changing),
        cmocka_unit_test(test_order_differs),
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_value_uses_the_map),
        cmocka_unit_test(test_nil_map),
        cmocka_unit_test(test_floats_by_value),
        cmocka_unit_test(test_any_keys),
        cmocka_unit_test(test_no_stall),
        cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_concurrent_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
