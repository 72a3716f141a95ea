// Atomics of every width, pointers that keep their objects alive, values of any type. The cases of Go's atomic_test.go and
// value_test.go; docs/go-tests.md says which is which.
// timeout: 200
#include "support.h"

#include <stdatomic.h>

BW_STRUCT(item, (struct item *, next), (uint64_t, value));
BW_STRUCT(holder, (int, number), (bw_atomic_ptr, at), (bw_atomic_value, any), (bw_atomic_i32, count));
BW_STRUCT(complex_number, (double, re), (double, im));

static item *new_item(uint64_t value) {
    item *made = bw_new(item);
    made->value = value;
    return made;
}
static bool panics_with(bw_any e, const char *text) {
    return bw_is_runtime_error(e) && bw_str_eq(bw_error_text(bw_assert_type(bw_error, e)), bw_string_of(text));
}

// TestSwapInt32 ... TestStorePointerMethod: each operation changes what it is to and nothing beside it.
#define MAGIC 0xdeddeadbeefbeef
#define BASICS(name, T)                                                                                                \
    static void basics_##name(void) {                                                                                  \
        struct {                                                                                                       \
            uint64_t before;                                                                                           \
            bw_atomic_##name a;                                                                                        \
            uint64_t after;                                                                                            \
        } x = {MAGIC, {0}, MAGIC};                                                                                     \
        CHECK(bw_atomic_##name##_load(&x.a) == 0);                                                                     \
        T expected = 0;                                                                                                \
        for (size_t bit = 0; bit < 8 * sizeof(T) - 1; bit++) {                                                         \
            T delta = (T)((T)1 << bit);                                                                                \
            T old = bw_atomic_##name##_swap(&x.a, delta);                                                              \
            CHECK(old == expected && bw_atomic_##name##_load(&x.a) == delta);                                          \
            expected = (T)(delta - 1);                                                                                 \
            CHECK(bw_atomic_##name##_add(&x.a, (T)-1) == expected);                                                    \
            CHECK(!bw_atomic_##name##_compare_and_swap(&x.a, delta, 0));                                               \
            CHECK(bw_atomic_##name##_compare_and_swap(&x.a, expected, delta));                                         \
            CHECK(!bw_atomic_##name##_compare_and_swap(&x.a, expected, 0));                                            \
            CHECK(bw_atomic_##name##_or(&x.a, (T)(delta >> 1)) == delta);                                              \
            CHECK(bw_atomic_##name##_load(&x.a) == (T)(delta | delta >> 1));                                           \
            CHECK(bw_atomic_##name##_and(&x.a, delta) == (T)(delta | delta >> 1));                                     \
            CHECK(bw_atomic_##name##_load(&x.a) == delta);                                                             \
            bw_atomic_##name##_store(&x.a, (T)(delta - 5));                                                            \
            CHECK(bw_atomic_##name##_add(&x.a, 5) == delta);                                                           \
            expected = delta;                                                                                          \
        }                                                                                                              \
        bw_atomic_##name##_store(&x.a, (T)-1);                                                                         \
        CHECK(bw_atomic_##name##_load(&x.a) == (T)-1);                                                                 \
        CHECK(x.before == MAGIC && x.after == MAGIC);                                                                  \
    }
BASICS(i32, int32_t)
BASICS(u32, uint32_t)
BASICS(i64, int64_t)
BASICS(u64, uint64_t)

static void test_basics(void **state) {
    (void)state;
    basics_i32();
    basics_u32();
    basics_i64();
    basics_u64();
    bw_atomic_bool b = {0};
    CHECK(!bw_atomic_bool_load(&b) && !bw_atomic_bool_swap(&b, true) && bw_atomic_bool_load(&b));
    CHECK(!bw_atomic_bool_compare_and_swap(&b, false, true) && bw_atomic_bool_compare_and_swap(&b, true, false));
    bw_atomic_bool_store(&b, true);
    CHECK(bw_atomic_bool_load(&b));
    bw_atomic_ptr p = {0};
    item *one = new_item(1), *two = new_item(2);
    CHECK(bw_atomic_ptr_load(&p) == NULL && bw_atomic_ptr_swap(&p, one) == NULL && bw_atomic_ptr_load(&p) == one);
    CHECK(!bw_atomic_ptr_compare_and_swap(&p, two, NULL) && bw_atomic_ptr_compare_and_swap(&p, one, two));
    bw_atomic_ptr_store(&p, one);
    CHECK(bw_atomic_ptr_load(&p) == one);
    _Static_assert(sizeof(bw_atomic_i32) == 4 && sizeof(bw_atomic_u64) == 8 && sizeof(bw_atomic_bool) == 1, "");
}

// TestHammer32, TestHammer64: both halves of a word are counted up together, by each way of changing it.
#define HAMMER(name, T, half)                                                                                          \
    static void hammer_##name(bw_atomic_##name *a, size_t loops, int how) {                                            \
        for (size_t i = 0; i < loops; i++) {                                                                           \
            if (how == 0) {                                                                                            \
                bw_atomic_##name##_add(a, 1);                                                                          \
            } else if (how == 1) {                                                                                     \
                for (;;) {                                                                                             \
                    T v = bw_atomic_##name##_load(a);                                                                  \
                    if (bw_atomic_##name##_compare_and_swap(a, v, (T)(v + 1)))                                         \
                        break;                                                                                         \
                }                                                                                                      \
            } else { /* TestHammerStoreLoad */                                                                         \
                T v = bw_atomic_##name##_load(a);                                                                      \
                CHECK(((uint64_t)v & (((uint64_t)1 << half) - 1)) ==                                                   \
                      ((uint64_t)v >> half & (((uint64_t)1 << half) - 1)));                                            \
                if (i % 2)                                                                                             \
                    bw_atomic_##name##_store(a, (T)((((uint64_t)v & 0x3fff) + 1) * (((uint64_t)1 << half) + 1)));      \
                else                                                                                                   \
                    (void)bw_atomic_##name##_swap(a, (T)((((uint64_t)v & 0x3fff) + 1) * (((uint64_t)1 << half) + 1))); \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void hammers_##name(void) {                                                                                 \
        for (int how = 0; how < 3; how++) {                                                                            \
            bw_atomic_##name *a = bw_new(bw_atomic_##name);                                                            \
            bw_waitgroup all = {0};                                                                                    \
            size_t loops = effort(20000);                                                                              \
            for (int i = 0; i < 8; i++)                                                                                \
                bw_waitgroup_go(&all, hammer_##name, a, loops, how);                                                   \
            bw_waitgroup_wait(&all);                                                                                   \
            CHECK(how == 2 || bw_atomic_##name##_load(a) == (T)(8 * loops));                                           \
        }                                                                                                              \
    }
HAMMER(i32, int32_t, 16)
HAMMER(u32, uint32_t, 16)
HAMMER(i64, int64_t, 32)
HAMMER(u64, uint64_t, 32)
static void test_hammer(void **state) {
    (void)state;
    hammers_i32();
    hammers_u32();
    hammers_i64();
    hammers_u64();
}

// TestStoreLoadSeqCst32, 64: of two who store and then load what the other stored, one at least sees it.
struct two {
    bw_atomic_i64 x[2], ack[2][3];
};
static void stores_and_loads(struct two *t, int me, int64_t n) {
    int he = 1 - me;
    for (int64_t i = 1; i < n; i++) {
        bw_atomic_i64_store(&t->x[me], i);
        int64_t my = bw_atomic_i64_load(&t->x[he]), his;
        bw_atomic_i64_store(&t->ack[me][i % 3], my);
        for (int w = 1; (his = bw_atomic_i64_load(&t->ack[he][i % 3])) == -1; w++) {
            if (w % 100 == 0)
                bw_yield();
            if (w % 2000 == 0)
                sleep_ms(0); // the other's thread may not have a processor
        }
        CHECK((my == i || my == i - 1) && (his == i || his == i - 1));
        CHECK(my == i || his == i);
        bw_atomic_i64_store(&t->ack[me][(i - 1) % 3], -1);
    }
}
static void test_one_order(void **state) {
    (void)state;
    struct two *t = bw_new(struct two);
    for (int i = 0; i < 6; i++)
        bw_atomic_i64_store(&t->ack[i / 3][i % 3], -1);
    bw_waitgroup all = {0};
    for (int me = 0; me < 2; me++)
        bw_waitgroup_go(&all, stores_and_loads, t, me, (int64_t)effort(3000));
    bw_waitgroup_wait(&all);
}

// --- what they keep alive ---

static bw_atomic_ptr static_pointer;
static bw_atomic_value static_value;
static void *fill(void *argument) {
    holder *h = argument;
    bw_atomic_ptr_store(&h->at, new_item(1));
    bw_atomic_value_store(&h->any, bw_any_as(item *, new_item(2)));
    bw_atomic_ptr_store(&static_pointer, new_item(3));
    bw_atomic_value_store(&static_value, bw_str("a text"));
    return NULL;
}
static void test_keeps(void **state) {
    (void)state;
    for (size_t i = 0; i < effort(50); i++) {
        holder *h = bw_new(holder);
        in_thread(fill, h);
        collect_clean();
        for (int j = 0; j < 1000; j++)
            new_item(99);
        CHECK(((item *)bw_atomic_ptr_load(&h->at))->value == 1);
        CHECK(bw_assert_type(item *, bw_atomic_value_load(&h->any))->value == 2);
        CHECK(((item *)bw_atomic_ptr_load(&static_pointer))->value == 3);
        CHECK(bw_str_eq(bw_assert_type(bw_string, bw_atomic_value_load(&static_value)), bw_str("a text")));
    }
}

// A number is no pointer.
static bw_weak weak;
static void *hold_by_number(void *argument) {
    bw_atomic_u64 **number = argument;
    item *one = new_item(1);
    *number = bw_new(bw_atomic_u64);
    weak = bw_weak_make(one);
    bw_atomic_u64_store(*number, (uint64_t)(uintptr_t)one);
    return NULL;
}
static void test_numbers_keep_nothing(void **state) {
    (void)state;
    static bw_atomic_u64 *number;
    in_thread(hold_by_number, &number);
    collect_clean();
    CHECK(bw_weak_get(weak) == NULL && bw_atomic_u64_load(number) != 0);
}

// --- values ---

// TestValue, TestValueLarge
static void test_value(void **state) {
    (void)state;
    bw_atomic_value v = {0}, large = {0};
    CHECK(bw_is_nil(bw_atomic_value_load(&v)));
    bw_atomic_value_store(&v, 42);
    CHECK(bw_assert_type(int, bw_atomic_value_load(&v)) == 42);
    bw_atomic_value_store(&v, 84);
    CHECK(bw_assert_type(int, bw_atomic_value_load(&v)) == 84);
    bw_atomic_value_store(&large, bw_str("foo"));
    CHECK(bw_str_eq(bw_assert_type(bw_string, bw_atomic_value_load(&large)), bw_str("foo")));
    bw_atomic_value_store(&large, bw_str("barbaz"));
    CHECK(bw_str_eq(bw_assert_type(bw_string, bw_atomic_value_load(&large)), bw_str("barbaz")));
}

// TestValuePanic, TestValue_Swap, TestValue_CompareAndSwap
static void stores(bw_atomic_value *v, bw_any any) {
    bw_atomic_value_store(v, any);
}
static void swaps(bw_atomic_value *v, bw_any any) {
    bw_atomic_value_swap(v, any);
}
static void compares(bw_atomic_value *v, bw_any old, bw_any any) {
    bw_atomic_value_compare_and_swap(v, old, any);
}
static void test_value_panics(void **state) {
    (void)state;
    bw_any nil = {0}, text = bw_any_of(bw_str("foo")), number = bw_any_of(42);
    bw_atomic_value v = {0};
    CHECK(panics_with(bw_protect(stores, &v, nil), "sync/atomic: store of nil value into Value"));
    CHECK(panics_with(bw_protect(swaps, &v, nil), "sync/atomic: swap of nil value into Value"));
    CHECK(panics_with(bw_protect(compares, &v, nil, nil), "sync/atomic: compare and swap of nil value into Value"));
    CHECK(panics_with(bw_protect(compares, &v, text, number),
                      "sync/atomic: compare and swap of inconsistently typed values"));
    CHECK(bw_is_nil(bw_atomic_value_load(&v)));
    bw_atomic_value_store(&v, 42);
    CHECK(panics_with(bw_protect(stores, &v, text), "sync/atomic: store of inconsistently typed value into Value"));
    CHECK(panics_with(bw_protect(swaps, &v, text), "sync/atomic: swap of inconsistently typed value into Value"));
    CHECK(panics_with(bw_protect(compares, &v, nil, text),
                      "sync/atomic: compare and swap of inconsistently typed value into Value"));
    CHECK(panics_with(bw_protect(stores, &v, nil), "sync/atomic: store of nil value into Value"));
    CHECK(bw_assert_type(int, bw_atomic_value_load(&v)) == 42);
}
static void test_value_swap(void **state) {
    (void)state;
    bw_any nil = {0};
    bw_atomic_value v = {0};
    CHECK(bw_is_nil(bw_atomic_value_swap(&v, (bool)true)));
    CHECK(bw_assert_type(bool, bw_atomic_value_swap(&v, (bool)false)) == true);
    CHECK(bw_assert_type(bool, bw_atomic_value_load(&v)) == false);
    bw_atomic_value w = {0};
    CHECK(!bw_atomic_value_compare_and_swap(&w, (bool)true, (bool)true));
    CHECK(bw_atomic_value_compare_and_swap(&w, nil, (bool)true));
    CHECK(!bw_atomic_value_compare_and_swap(&w, nil, (bool)true));
    CHECK(!bw_atomic_value_compare_and_swap(&w, (bool)false, (bool)true));
    CHECK(bw_atomic_value_compare_and_swap(&w, (bool)true, (bool)false));
    CHECK(bw_assert_type(bool, bw_atomic_value_load(&w)) == false);
    // Equal, and not the same memory.
    bw_atomic_value x = {0};
    bw_atomic_value_store(&x, bw_any_as(complex_number, ((complex_number){1, 2})));
    CHECK(!bw_atomic_value_compare_and_swap(&x, bw_any_as(complex_number, ((complex_number){1, 3})),
                                            bw_any_as(complex_number, ((complex_number){5, 6}))));
    CHECK(bw_atomic_value_compare_and_swap(&x, bw_any_as(complex_number, ((complex_number){1, 2})),
                                           bw_any_as(complex_number, ((complex_number){3, 4}))));
    CHECK(bw_assert_type(complex_number, bw_atomic_value_load(&x)).im == 4);
}

// TestValueConcurrent: what is loaded was stored, whole.
static void stores_some(bw_atomic_value *v, bw_any *some, size_t count, size_t loops, uint64_t seed) {
    struct random random = {seed};
    for (size_t i = 0; i < loops; i++) {
        bw_atomic_value_store(v, some[random_below(&random, count)]);
        bw_any x = bw_atomic_value_load(v);
        bool found = false;
        for (size_t j = 0; j < count; j++)
            found |= bw_eq(x, some[j]);
        CHECK(found);
    }
}
static void test_value_concurrent(void **state) {
    (void)state;
    bw_any *some = bw_alloc(12 * sizeof *some);
    static const uint16_t shorts[] = {0, 65535, 1 + (2 << 8), 3 + (4 << 8)};
    static const uint64_t longs[] = {0, UINT64_MAX, 1 + ((uint64_t)2 << 32), 3 + ((uint64_t)4 << 32)};
    for (int i = 0; i < 4; i++) {
        some[i] = bw_any_of(shorts[i]);
        some[4 + i] = bw_any_of(longs[i]);
        some[8 + i] = bw_any_as(complex_number, ((complex_number){2 * i, 2 * i + 1}));
    }
    for (int i = 0; i < 3; i++) {
        bw_atomic_value *v = bw_new(bw_atomic_value);
        bw_waitgroup all = {0};
        for (uint64_t p = 0; p < 8; p++)
            bw_waitgroup_go(&all, stores_some, v, some + 4 * i, 4, effort(5000), p);
        bw_waitgroup_wait(&all);
    }
}

// TestValueSwapConcurrent: what was swapped in comes out once.
static void swaps_in(bw_atomic_value *v, uint64_t from, uint64_t to, _Atomic uint64_t *sum) {
    uint64_t own = 0;
    for (uint64_t i = from; i < to; i++) {
        bw_any old = bw_atomic_value_swap(v, i);
        if (!bw_is_nil(old))
            own += bw_assert_type(uint64_t, old);
    }
    atomic_fetch_add(sum, own);
}
// TestValueCompareAndSwapConcurrent: each waits for its turn to add one.
static void adds_in_turn(bw_atomic_value *v, int from, int step, int end) {
    for (int i = from; i < end; bw_yield())
        if (bw_atomic_value_compare_and_swap(v, i, i + 1))
            i += step;
}
static void test_value_swap_concurrent(void **state) {
    (void)state;
    bw_atomic_value *v = bw_new(bw_atomic_value), *w = bw_new(bw_atomic_value);
    _Atomic uint64_t *sum = bw_alloc(sizeof *sum);
    uint64_t m = effort(200), n = 200;
    bw_waitgroup all = {0};
    for (uint64_t i = 0; i < m; i++)
        bw_waitgroup_go(&all, swaps_in, v, i * n, (i + 1) * n, sum);
    bw_waitgroup_wait(&all);
    CHECK(atomic_load(sum) + bw_assert_type(uint64_t, bw_atomic_value_load(v)) == (m * n - 1) * (m * n) / 2);
    bw_atomic_value_store(w, 0);
    int steps = 10, end = 200;
    for (int i = 0; i < steps; i++)
        bw_waitgroup_go(&all, adds_in_turn, w, i, steps, end);
    bw_waitgroup_wait(&all);
    CHECK(bw_assert_type(int, bw_atomic_value_load(w)) == end);
}

// TestNilDeref
static bw_atomic_ptr *volatile nil_pointer;
static bw_atomic_i64 *volatile nil_number;
static void child_nil_store(void) {
    bw_gc(); // the library watches for faults from its first use on
    bw_atomic_ptr_store(nil_pointer, nil_number);
}
static void child_nil_add(void) {
    bw_gc();
    CHECK(bw_atomic_i64_add(nil_number, 1) == 1);
}
static void test_nil(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        return; // which looks at the address in code of its own
    assert_died("nil store", "panic: runtime error: invalid memory address or nil pointer dereference");
    assert_died("nil add", "panic: runtime error: invalid memory address or nil pointer dereference");
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"nil store", child_nil_store}, {"nil add", child_nil_add}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),
        cmocka_unit_test(test_hammer),
        cmocka_unit_test(test_one_order),
        cmocka_unit_test(test_keeps),
        cmocka_unit_test(test_numbers_keep_nothing),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_value_panics),
        cmocka_unit_test(test_value_swap),
        cmocka_unit_test(test_value_concurrent),
        cmocka_unit_test(test_value_swap_concurrent),
        cmocka_unit_test(test_nil),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
