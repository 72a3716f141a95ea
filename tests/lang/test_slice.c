// Slices against a plain model that shares memory as Go's do; capacities, bounds, sorting, searching, growing under collections.
// valgrind: yes
#include "support.h"

BW_STRUCT(cell, (struct cell *, next), (int, value));
typedef cell *cell_ptr;
BW_SLICE(cell);
BW_SLICE(cell_ptr);
typedef struct triple {
    char bytes[3];
} triple;
BW_SLICE(triple);

// --- against a model: arrays in a table, slices as (array, offset, length, capacity) ---

enum { ARRAYS = 400, LARGEST = 3000, SLICES = 24 };
static int64_t arrays[ARRAYS][LARGEST];
struct model_slice {
    int array; // -1: nil
    ptrdiff_t offset, len, cap;
};

static void check_slice(bw_slice(int64_t) s, struct model_slice m) {
    CHECK(bw_len(s) == m.len && bw_cap(s) == m.cap, "len %td %td cap %td %td", bw_len(s), m.len, bw_cap(s), m.cap);
    for (ptrdiff_t i = 0; i < m.len; i++)
        CHECK(s.ptr[i] == arrays[m.array][m.offset + i], "element %td", i);
}

static void model_round(uint64_t seed, size_t steps) {
    struct random random = {seed};
    bw_slice(int64_t) slices[SLICES];
    struct model_slice models[SLICES];
    int arrays_used = 0;
    for (int i = 0; i < SLICES; i++) {
        slices[i] = (bw_slice(int64_t)){0};
        models[i] = (struct model_slice){-1, 0, 0, 0};
    }
    for (size_t step = 0; step < steps && arrays_used + 2 < ARRAYS; step++) {
        size_t a = random_below(&random, SLICES), b = random_below(&random, SLICES);
        switch (random_below(&random, 8)) {
        case 0:
        case 1:
        case 2: { // appending another
            ptrdiff_t total = models[a].len + models[b].len;
            if (total > LARGEST / 2)
                break;
            bool grows = total > models[a].cap;
            bw_slice(int64_t) result = bw_append_slice(slices[a], slices[b]);
            int64_t copy[LARGEST];
            for (ptrdiff_t i = 0; i < models[b].len; i++)
                copy[i] = arrays[models[b].array][models[b].offset + i];
            struct model_slice m = models[a];
            if (grows) {
                m = (struct model_slice){arrays_used++, 0, models[a].len, bw_cap(result)};
                memset(arrays[m.array], 0, sizeof arrays[0]);
                if (models[a].array >= 0)
                    memcpy(arrays[m.array], &arrays[models[a].array][models[a].offset],
                           (size_t)models[a].len * sizeof(int64_t));
                CHECK(m.cap >= total && m.cap < LARGEST);
            }
            for (ptrdiff_t i = 0; i < models[b].len; i++)
                arrays[m.array][m.offset + m.len + i] = copy[i];
            m.len = total;
            slices[a] = result;
            models[a] = m;
            break;
        }
        case 3: { // appending values
            if (models[a].len + 2 > LARGEST / 2)
                break;
            int64_t value = (int64_t)random_next(&random);
            bool grows = models[a].len + 2 > models[a].cap;
            bw_slice(int64_t) result = bw_append(slices[a], value, ~value);
            struct model_slice m = models[a];
            if (grows) {
                m = (struct model_slice){arrays_used++, 0, models[a].len, bw_cap(result)};
                memset(arrays[m.array], 0, sizeof arrays[0]);
                if (models[a].array >= 0)
                    memcpy(arrays[m.array], &arrays[models[a].array][models[a].offset],
                           (size_t)models[a].len * sizeof(int64_t));
            }
            arrays[m.array][m.offset + m.len] = value;
            arrays[m.array][m.offset + m.len + 1] = ~value;
            m.len += 2;
            slices[a] = result;
            models[a] = m;
            break;
        }
        case 4: { // a part
            ptrdiff_t lo = (ptrdiff_t)random_below(&random, (size_t)models[b].cap + 1);
            ptrdiff_t hi = lo + (ptrdiff_t)random_below(&random, (size_t)(models[b].cap - lo) + 1);
            ptrdiff_t max = hi + (ptrdiff_t)random_below(&random, (size_t)(models[b].cap - hi) + 1);
            if (random_below(&random, 2)) {
                slices[a] = bw_sub(slices[b], lo, hi);
                max = models[b].cap;
            } else {
                slices[a] = bw_sub(slices[b], lo, hi, max);
            }
            models[a] = (struct model_slice){models[b].array, models[b].offset + lo, hi - lo, max - lo};
            break;
        }
        case 5: { // copying
            ptrdiff_t count = models[a].len < models[b].len ? models[a].len : models[b].len;
            CHECK(bw_copy(slices[a], slices[b]) == count);
            if (count)
                memmove(&arrays[models[a].array][models[a].offset], &arrays[models[b].array][models[b].offset],
                        (size_t)count * sizeof(int64_t));
            break;
        }
        case 6: // an element
            if (models[a].len) {
                ptrdiff_t i = (ptrdiff_t)random_below(&random, (size_t)models[a].len);
                bw_at(slices[a], i) ^= 12345;
                arrays[models[a].array][models[a].offset + i] ^= 12345;
            }
            break;
        default: // a new one
            if (random_below(&random, 3) == 0) {
                ptrdiff_t len = (ptrdiff_t)random_below(&random, 50), cap = len + (ptrdiff_t)random_below(&random, 50);
                slices[a] = bw_make_slice(int64_t, len, cap);
                models[a] = (struct model_slice){arrays_used++, 0, len, cap};
                memset(arrays[models[a].array], 0, sizeof arrays[0]);
            }
            break;
        }
        check_slice(slices[a], models[a]);
    }
    for (int i = 0; i < SLICES; i++)
        check_slice(slices[i], models[i]);
}

static void test_model(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= (UNDER_SANITIZER || under_valgrind() ? 10 : 150); seed++)
        model_round(seed, 3000);
}

// --- capacities are Go's ---

static void test_growth(void **state) {
    (void)state;
    static const ptrdiff_t words[] = {1,   2,    4,    8,    16,   32,   64,   128,  256,   512,
                                      848, 1280, 1792, 2560, 3408, 5120, 7168, 9216, 12288, 16384};
    bw_slice(int64_t) s = {0};
    size_t step = 0;
    ptrdiff_t cap = 0;
    for (int64_t i = 0; i < 16000; i++) {
        s = bw_append(s, i);
        if (bw_cap(s) != cap) {
            cap = bw_cap(s);
            assert_true(step < COUNT_OF(words));
            assert_int_equal(cap, words[step]);
            step++;
        }
    }
    assert_int_equal(step, COUNT_OF(words));
    // What one append of many takes; what types of other sizes take.
    bw_slice(int64_t) five = bw_append(((bw_slice(int64_t)){0}), 1, 2, 3, 4, 5);
    assert_int_equal(bw_cap(five), 6);
    bw_slice(uint8_t) bytes = bw_append(((bw_slice(uint8_t)){0}), 1);
    assert_int_equal(bw_cap(bytes), 8);
    bw_slice(int) ints = bw_append(((bw_slice(int)){0}), 1);
    assert_int_equal(bw_cap(ints), 2);
    bw_slice(triple) triples = bw_append(((bw_slice(triple)){0}), (triple){{1, 2, 3}});
    assert_int_equal(bw_cap(triples), 2);
    bw_slice(bw_string) strings = bw_append(((bw_slice(bw_string)){0}), (bw_string){"a", 1});
    assert_int_equal(bw_cap(strings), 1);
}

static void test_nil_and_empty(void **state) {
    (void)state;
    bw_slice(int) nil = {0};
    assert_true(bw_is_nil(nil));
    assert_int_equal(bw_len(nil), 0);
    assert_int_equal(bw_cap(nil), 0);
    bw_range(i, v, nil) fail();
    assert_true(bw_is_nil(bw_sub(nil, 0, 0)));
    assert_true(bw_is_nil(bw_append_slice(nil, nil)));
    assert_true(bw_is_nil(bw_clone(nil)));
    assert_int_equal(bw_copy(nil, nil), 0);
    bw_sort_values(nil);
    bw_slice(int) empty = bw_make_slice(int, 0);
    assert_false(bw_is_nil(empty));
    assert_int_equal(bw_len(empty), 0);
    empty = bw_append(empty, 3);
    assert_int_equal(bw_at(empty, 0), 3);
    int array[4] = {1, 2, 3, 4};
    bw_slice(int) over = bw_slice_from(int, array, 4);
    bw_at(over, 1) = 20;
    assert_int_equal(array[1], 20);
    over = bw_append(bw_sub(over, 0, 2), 30);
    assert_int_equal(array[2], 30);
    over = bw_append(over, 1, 2);
    bw_at(over, 0) = 5;
    assert_int_equal(array[0], 1);
}

static void test_loops(void **state) {
    (void)state;
    bw_slice(int) s = bw_slice_of(int, 10, 20, 30, 40, 50);
    int sum = 0, inner = 0;
    bw_range(i, v, s) {
        if (i == 1)
            continue;
        if (i == 4)
            break;
        sum += v;
        bw_range(j, w, s) {
            inner++;
            if (j == 2)
                break;
        }
    }
    assert_int_equal(sum, 80);
    assert_int_equal(inner, 9);
    // The length is that at the beginning, and the elements are read as they are reached.
    bw_slice(int) t = bw_slice_of(int, 1, 2, 3);
    int visits = 0;
    bw_range(i, v, t) {
        visits++;
        t = bw_append(t, v);
    }
    assert_int_equal(visits, 3);
    assert_int_equal(bw_len(t), 6);
    if (visits == 3)
        bw_range(i, v, t) sum += v;
    else
        fail();
    assert_int_equal(sum, 80 + 12);
    bw_string text = {"abc", 3};
    bw_range(i, c, text) assert_int_equal(c, 'a' + i);
}

// Each argument once.
static int calls;
static bw_slice(int) counted(bw_slice(int) s) {
    calls++;
    return s;
}
static void test_evaluated_once(void **state) {
    (void)state;
    bw_slice(int) s = bw_slice_of(int, 1, 2, 3);
    ptrdiff_t i = 0;
    calls = 0;
    bw_at(counted(s), i++) = 7;
    assert_int_equal(calls, 1);
    assert_int_equal(i, 1);
    assert_int_equal(bw_len(counted(s)), 3);
    assert_int_equal(bw_cap(counted(s)), 3);
    s = bw_append(counted(s), calls++, 5);
    assert_int_equal(bw_at(s, 3), 4);
    calls = 0;
    s = bw_sub(counted(s), i++, i + 10 > 0 ? 4 : 0);
    bw_copy(counted(s), counted(s));
    bw_range(k, v, counted(s)) {}
    assert_int_equal(calls, 4);
}

// --- references in growing slices live ---

static void test_growing_holds(void **state) {
    (void)state;
    bw_slice(cell_ptr) s = {0};
    size_t count = UNDER_SANITIZER || under_valgrind() ? 3000 : 60000;
    for (size_t i = 0; i < count; i++) {
        cell *c = bw_new(cell);
        c->value = (int)i;
        s = bw_append(s, c);
        if (i % 1000 == 0)
            bw_gc();
    }
    // A part from the middle to the end, and then only that.
    s = bw_sub(s, (ptrdiff_t)count / 2, (ptrdiff_t)count);
    collect_clean();
    bw_range(i, c, s) CHECK(c->value == (int)((size_t)i + count / 2));
    bw_slice(cell) cells = {0};
    for (int i = 0; i < 5000; i++) {
        cell *c = bw_new(cell);
        c->value = i;
        cells = bw_append(cells, ((cell){c, i}));
    }
    collect_clean();
    bw_range(i, c, cells) CHECK(c.next->value == (int)i);
}

// --- sorting ---

static int by_value(const cell *a, const cell *b) {
    return (a->value > b->value) - (a->value < b->value);
}
static int by_value_of(const cell_ptr *a, const cell_ptr *b) {
    return by_value(*a, *b);
}
static int contradicts_itself(const int *a, const int *b) {
    return (*a ^ *b) % 3 - 1;
}

static void fill(bw_slice(int) s, unsigned pattern, struct random *random) {
    bw_range(i, v, s) {
        int n = (int)bw_len(s), at = (int)i;
        bw_at(s, i) = pattern == 0   ? (int)random_next(random)
                      : pattern == 1 ? at
                      : pattern == 2 ? n - at
                      : pattern == 3 ? (int)random_below(random, 4)
                      : pattern == 4 ? (at < n / 2 ? at : n - at) // an organ's pipes
                      : at % 17 == 0 ? (int)random_below(random, 1000)
                                     : at;
    }
}

static int compare_ints(const void *a, const void *b) {
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

static void test_sorting(void **state) {
    (void)state;
    struct random random = {9};
    static const ptrdiff_t lengths[] = {0, 1, 2, 3, 7, 12, 13, 14, 50, 51, 200, 1000, 20000};
    for (size_t l = 0; l < COUNT_OF(lengths); l++)
        for (unsigned pattern = 0; pattern < 6; pattern++) {
            bw_slice(int) s = bw_make_slice(int, lengths[l]);
            fill(s, pattern, &random);
            bw_slice(int) expected = bw_clone(s);
            qsort(expected.ptr, (size_t)bw_len(expected), sizeof(int), compare_ints);
            bw_sort_values(s);
            assert_true(bw_len(s) == 0 || memcmp(s.ptr, expected.ptr, (size_t)bw_len(s) * sizeof(int)) == 0);
            if (bw_len(s)) {
                int target = bw_at(s, bw_len(s) / 2);
                bool found;
                ptrdiff_t at = bw_search_values(s, target, &found);
                assert_true(found && bw_at(s, at) == target && (at == 0 || bw_at(s, at - 1) < target));
                assert_int_equal(bw_search_values(s, INT32_MAX, NULL) + (bw_at(s, bw_len(s) - 1) == INT32_MAX),
                                 bw_len(s));
            }
        }
    // References, while collections run.
    bw_slice(cell_ptr) cells = {0};
    for (int i = 0; i < 20000; i++) {
        cell *c = bw_new(cell);
        c->value = (int)random_next(&random);
        cells = bw_append(cells, c);
    }
    bw_sort(cells, by_value_of);
    collect_clean();
    bw_range(i, c, cells) CHECK(i == 0 || bw_at(cells, i - 1)->value <= c->value);
    cell wanted = {NULL, bw_at(cells, 777)->value};
    bool found;
    ptrdiff_t at = bw_search(cells, &wanted, by_value_of, &found);
    assert_true(found && bw_at(cells, at)->value == wanted.value);
    bw_slice(int) s = bw_make_slice(int, 5000);
    fill(s, 0, &random);
    bw_sort(s, contradicts_itself); // whatever comes of it, it ends and stays inside
    bw_slice(double) d = bw_slice_of(double, 3, -1, 0.0 / 0.0, 2.5, -1.0 / 0.0);
    bw_sort_values(d);
    assert_true(bw_at(d, 0) != bw_at(d, 0) && bw_at(d, 1) == -1.0 / 0.0 && bw_at(d, 4) == 3);
    bw_slice(bw_string) words = bw_slice_of(bw_string, bw_str("pear"), bw_str("fig"), bw_str("apple"), bw_str("figs"));
    bw_sort_values(words);
    assert_true(bw_str_eq(bw_at(words, 0), bw_str("apple")) && bw_str_eq(bw_at(words, 1), bw_str("fig")) &&
                bw_str_eq(bw_at(words, 3), bw_str("pear")));
}

// Many equal elements, and an order made to be bad, take n log n.
static size_t comparisons;
static int counting(const int *a, const int *b) {
    comparisons++;
    return compare_ints(a, b);
}
static int gas;
static bw_slice(int) solid;
static int candidate;
static int adversary(const int *a, const int *b) { // McIlroy, "A killer adversary for quicksort", 1999
    int x = *a, y = *b;
    comparisons++;
    if (bw_at(solid, x) == INT32_MAX && bw_at(solid, y) == INT32_MAX)
        bw_at(solid, x == candidate ? x : y) = gas++;
    if (bw_at(solid, x) == INT32_MAX)
        candidate = x;
    else if (bw_at(solid, y) == INT32_MAX)
        candidate = y;
    return (bw_at(solid, x) > bw_at(solid, y)) - (bw_at(solid, x) < bw_at(solid, y));
}
static void test_sorting_stays_fast(void **state) {
    (void)state;
    enum { N = 20000 };
    bw_slice(int) s = bw_make_slice(int, N);
    comparisons = 0;
    bw_sort(s, counting);
    assert_in_range(comparisons, N - 1, 60 * N);
    solid = bw_make_slice(int, N);
    bw_range(i, v, s) {
        bw_at(s, i) = (int)i;
        bw_at(solid, i) = INT32_MAX;
    }
    gas = candidate = 0;
    comparisons = 0;
    bw_sort(s, adversary);
    assert_in_range(comparisons, N - 1, 100 * N);
}

// --- what is out of range is told in Go's words, and nothing is touched ---

static bw_slice(int) three(void) {
    return bw_make_slice(int, 3, 5);
}
static volatile int used;
#define INDEX_CHILD(name, expression)                                                                                  \
    static void child_##name(void) {                                                                                   \
        bw_slice(int) s = three();                                                                                     \
        bw_string t = {"abc", 3};                                                                                      \
        used = (int)(intptr_t)(expression);                                                                            \
        (void)s, (void)t;                                                                                              \
    }
#define PANICS(M)                                                                                                      \
    M(index_5, bw_at(s, 5), "index out of range [5] with length 3")                                                    \
    M(index_3, bw_at(s, 3), "index out of range [3] with length 3")                                                    \
    M(index_negative, bw_at(s, -1), "index out of range [-1]")                                                         \
    M(index_large, bw_at(s, SIZE_MAX), "index out of range [18446744073709551615] with length 3")                      \
    M(string_index, bw_at(t, 7), "index out of range [7] with length 3")                                               \
    M(sub_hi, bw_sub(s, 0, 7).ptr, "slice bounds out of range [:7] with capacity 5")                                   \
    M(sub_negative_hi, bw_sub(s, 0, -1).ptr, "slice bounds out of range [:-1]")                                        \
    M(sub_order, bw_sub(s, 3, 2).ptr, "slice bounds out of range [3:2]")                                               \
    M(sub_negative_lo, bw_sub(s, -2, 2).ptr, "slice bounds out of range [-2:]")                                        \
    M(sub3_max, bw_sub(s, 0, 1, 9).ptr, "slice bounds out of range [::9] with capacity 5")                             \
    M(sub3_negative, bw_sub(s, 0, 1, -9).ptr, "slice bounds out of range [::-9]")                                      \
    M(sub3_hi, bw_sub(s, 0, 3, 2).ptr, "slice bounds out of range [:3:2]")                                             \
    M(sub3_order, bw_sub(s, 3, 2, 4).ptr, "slice bounds out of range [3:2:]")                                          \
    M(make_negative, bw_make_slice(int, -1 + used).ptr, "makeslice: len out of range")                                 \
    M(make_huge, bw_make_slice(int, PTRDIFF_MAX).ptr, "makeslice: len out of range")                                   \
    M(make_cap, bw_make_slice(int, 5, 3).ptr, "makeslice: cap out of range")                                           \
    M(make_huge_cap, bw_make_slice(int, 5, PTRDIFF_MAX).ptr, "makeslice: cap out of range")
#define DEFINE_CHILD(name, expression, words) INDEX_CHILD(name, expression)
PANICS(DEFINE_CHILD)
#define NAME_CHILD(name, expression, words) {#name, child_##name},
static const struct child children[] = {PANICS(NAME_CHILD)};

static void test_panics(void **state) {
    (void)state;
#define EXPECT(name, expression, words) assert_died(#name, "panic: runtime error: " words);
    PANICS(EXPECT)
}

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),          cmocka_unit_test(test_growth),
        cmocka_unit_test(test_nil_and_empty),  cmocka_unit_test(test_loops),
        cmocka_unit_test(test_evaluated_once), cmocka_unit_test(test_growing_holds),
        cmocka_unit_test(test_sorting),        cmocka_unit_test(test_sorting_stays_fast),
        cmocka_unit_test(test_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
