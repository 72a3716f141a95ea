// Single objects: sizes, alignment, zeroed memory, bw_realloc, bw_free and its misuse, the end of memory, and what a
// type's description keeps alive and prints.
//
// valgrind: yes
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <regex.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define MAX_SMALL 32768
#define PAGE 8192

// The compiler must not reason about sizes and addresses that are wrong on purpose.
static void *volatile laundered;
static void *launder(void *address) {
    laundered = address;
    return laundered;
}
static size_t launder_size(size_t size) {
    volatile size_t copy = size;
    return copy;
}

static bool is_zero(const void *memory, size_t bytes) {
    const unsigned char *at = memory;
    return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}

BW_STRUCT(pair, (struct pair *, left), (struct pair *, right), (uint64_t, id));

// --- sizes ---

// The slot of an untyped object: 16 to 128 by 16, then eight steps to each doubling, then whole pages.
static size_t slot_of(size_t size) {
    if (size <= 128)
        return size == 0 ? 16 : (size + 15) / 16 * 16;
    if (size > MAX_SMALL)
        return (size + PAGE - 1) / PAGE * PAGE;
    size_t below = 128;
    while (below * 2 < size)
        below *= 2;
    size_t step = below / 8;
    return below + (size - below + step - 1) / step * step;
}

static void check_inside(char *object, size_t size, size_t slot) {
    CHECK(bw_size(object) == slot, "%zu bytes: the slot has %zu, not %zu", size, bw_size(object), slot);
    CHECK((uintptr_t)object % 16 == 0);
    const size_t places[] = {0, 1, 7, slot / 2, slot - 1};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        CHECK(bw_base(object + places[i]) == object, "%zu bytes, offset %zu", size, places[i]);
        CHECK(bw_size(object + places[i]) == slot);
    }
    // One past the end is another object, or none.
    CHECK(bw_base(object + slot) != object);
    if (bw_base(object + slot) == NULL)
        CHECK(bw_size(object + slot) == 0);
    CHECK(bw_base(object - 1) != object);
    CHECK(is_zero(object, slot), "%zu bytes", size);
    memset(object, 0xa5, slot);
}

static void test_size_classes(void **state) {
    (void)state;
    size_t classes = 0;
    for (size_t size = 0; size <= MAX_SMALL + 2 * PAGE; size++) {
        bool boundary = size == 0 || slot_of(size) != slot_of(size - 1) || slot_of(size) != slot_of(size + 1);
        classes += size > 0 && size <= MAX_SMALL && slot_of(size) == size;
        if (!boundary && size % 97)
            continue;
        check_inside(bw_alloc(size), size, slot_of(size));
        check_inside(bw_alloc_noscan(size), size, slot_of(size));
        check_inside(bw_new_array(char, size), size, slot_of(size));
        if (size > 128 && size <= MAX_SMALL) {
            size_t waste = slot_of(size) - size;
            CHECK(waste * 8 <= slot_of(size), "%zu bytes waste %zu of %zu", size, waste, slot_of(size));
        }
    }
    assert_int_equal(classes, 72);
    for (size_t size = MAX_SMALL + 1; size < (size_t)64 << 20; size = size * 3 / 2) {
        check_inside(bw_alloc(size), size, slot_of(size));
        check_inside(bw_alloc_noscan(size), size, slot_of(size));
    }
}

BW_STRUCT(odd, (char[33], text), (void *, next));
BW_STRUCT(tiny, (char, c));
BW_STRUCT(page_and_more, (char[9000], text), (void *, next));
BW_STRUCT(whole_class, (char[MAX_SMALL], text));
BW_STRUCT(over_class, (char[MAX_SMALL + 8], text), (void *, next));

static void test_typed_sizes(void **state) {
    (void)state;
    check_inside((char *)bw_new(pair), sizeof(pair), 32);
    check_inside((char *)bw_new(odd), sizeof(odd), 48);
    check_inside((char *)bw_new(tiny), sizeof(tiny), 16);
    check_inside((char *)bw_new(page_and_more), sizeof(page_and_more), 9008);
    check_inside((char *)bw_new(whole_class), sizeof(whole_class), MAX_SMALL);
    check_inside((char *)bw_new(over_class), sizeof(over_class), 40960);
    check_inside((char *)bw_new(int), sizeof(int), 16);
    check_inside((char *)bw_new(double), sizeof(double), 16);
    check_inside((char *)bw_new(char[200]), 200, 208);
    check_inside((char *)bw_new_array(pair, 5), 5 * sizeof(pair), 128);
    check_inside((char *)bw_new_array(pair, 6), 6 * sizeof(pair), 144);
    check_inside((char *)bw_new_array(pair, 0), 0, 16);
    check_inside((char *)bw_new_array(pair, 2000), 2000 * sizeof(pair), 49152);
}

static char static_bytes[64];

static void test_outside(void **state) {
    (void)state;
    char on_stack[64];
    char *mallocked = malloc(64);
    const void *const outside[] = {NULL,
                                   (void *)1,
                                   on_stack,
                                   static_bytes,
                                   mallocked,
                                   (void *)(uintptr_t)test_outside,
                                   (void *)UINTPTR_MAX,
                                   (void *)((uintptr_t)1 << 47)};
    for (size_t i = 0; i < COUNT_OF(outside); i++) {
        assert_int_equal(bw_size(outside[i]), 0);
        assert_null(bw_base(outside[i]));
    }
    free(mallocked);
    // A freed object is no object, a freed large one neither.
    void *neighbour = bw_alloc(48), *small = bw_alloc(48), *large = bw_alloc(1 << 20);
    bw_free(small);
    bw_free(large);
    assert_null(bw_base(small));
    assert_null(bw_base((char *)small + 17));
    assert_int_equal(bw_size(small), 0);
    assert_null(bw_base((char *)large + 5000));
    assert_int_equal(bw_size(large), 0);
    assert_ptr_equal(bw_base((char *)neighbour + 47), neighbour);
    bw_free(NULL);
}

// --- alignment ---

static void test_alignment(void **state) {
    (void)state;
    static const size_t sizes[] = {0,    1,    15,   16,    17,    48,    100,    128,    1000,
                                   4096, 5000, 8192, 20000, 32768, 32769, 100000, 3000000};
    for (size_t align = 1; align <= (size_t)2 << 20; align *= 2)
        for (size_t i = 0; i < COUNT_OF(sizes); i++)
            for (int noscan = 0; noscan < 2; noscan++) {
                char *object = noscan ? bw_alloc_noscan_aligned(sizes[i], align) : bw_alloc_aligned(sizes[i], align);
                CHECK(((uintptr_t)object & (align - 1)) == 0, "%zu bytes by %zu: %p", sizes[i], align, (void *)object);
                CHECK(bw_base(object) == object && bw_size(object) >= sizes[i]);
                CHECK(is_zero(object, sizes[i]), "%zu bytes by %zu", sizes[i], align);
                memset(object, 0x5a, sizes[i]);
                if (i % 2)
                    bw_free(object);
            }
}

static void child_align_none(void) {
    laundered = bw_alloc_aligned(16, launder_size(0));
}
static void child_align_odd(void) {
    laundered = bw_alloc_aligned(16, launder_size(48));
}
static void child_align_much(void) {
    laundered = bw_alloc_noscan_aligned(16, launder_size((size_t)4 << 20));
}
static void child_align_top(void) {
    laundered = bw_alloc_aligned(16, launder_size((size_t)1 << 63));
}

static void test_wrong_alignment(void **state) {
    (void)state;
    assert_died("align_none", "panic: bw_alloc_aligned: the alignment 0 is not a power of two up to 2097152");
    assert_died("align_odd", "panic: bw_alloc_aligned: the alignment 48 is not a power of two up to 2097152");
    assert_died("align_much", "panic: bw_alloc_aligned: the alignment 4194304 is not a power of two up to 2097152");
    assert_died("align_top",
                "panic: bw_alloc_aligned: the alignment 9223372036854775808 is not a power of two up to 2097152");
}

// --- zeroed memory ---

enum { KINDS = 8 };

static void *allocate_kind(unsigned kind, size_t size, size_t *bytes) {
    *bytes = size;
    switch (kind) {
    case 0: return bw_alloc(size);
    case 1: return bw_alloc_noscan(size);
    case 2: return bw_new_array(char, size);
    case 3: *bytes = size / 8 * 8; return bw_new_array(void *, size / 8);
    case 4: *bytes = size / sizeof(pair) * sizeof(pair); return bw_new_array(pair, size / sizeof(pair));
    case 5: *bytes = sizeof(pair); return bw_new(pair);
    case 6: return bw_alloc_aligned(size, 64);
    default: return bw_alloc_noscan_aligned(size, 1024);
    }
}

#define KEPT 400

static void *zero_rounds(void *argument) {
    struct random random = {check_seed = *(uint64_t *)argument};
    void **kept = bw_new_array(void *, KEPT);
    size_t rounds = effort(150000);
    for (size_t round = 0; round < rounds; round++) {
        size_t bytes, ceiling = random_below(&random, 200) ? 2000 : 300000;
        char *object = allocate_kind((unsigned)random_below(&random, KINDS), random_below(&random, ceiling), &bytes);
        size_t slot = bw_size(object);
        CHECK(slot >= bytes, "round %zu: %zu bytes in %zu at %p", round, bytes, slot, (void *)object);
        CHECK(is_zero(object, slot), "round %zu: %zu bytes in %zu", round, bytes, slot);
        // All ones is no address of the heap.
        memset(object, 0xff, slot);
        size_t at = random_below(&random, KEPT);
        if (kept[at] && random_below(&random, 2))
            bw_free(kept[at]);
        kept[at] = object;
        if (random_below(&random, 20000) == 0)
            bw_free_os_memory();
        else if (random_below(&random, 8000) == 0)
            bw_gc();
    }
    return NULL;
}

static void test_zeroed(void **state) {
    (void)state;
    uint64_t seeds[2] = {11, 12};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, zero_rounds, &seeds[i]) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void test_zeroed_arenas(void **state) {
    (void)state;
    struct random random = {check_seed = 13};
    for (size_t round = 0, rounds = effort(300); round < rounds; round++) {
        bw_arena *arena = bw_arena_new();
        for (int i = 0; i < 200; i++) {
            size_t bytes = random_below(&random, random_below(&random, 50) ? 500 : 200000);
            char *object = bw_arena_alloc_bytes(arena, bytes);
            CHECK(is_zero(object, bytes));
            CHECK((uintptr_t)object % 16 == 0);
            memset(object, 0xff, bytes);
        }
        bw_arena_free(arena);
        if (round % 20 == 0)
            bw_gc();
    }
}

static void test_make(void **state) {
    (void)state;
    struct shape {
        void *p;
        double d;
        char text[100];
    };
    struct shape shape = bw_make(struct shape);
    assert_true(is_zero(&shape.text, sizeof shape.text) && shape.p == NULL && shape.d == 0);
    assert_int_equal(bw_make(int), 0);
    assert_null(bw_make(void *));
}

// --- bw_realloc ---

static void fill_pattern(unsigned char *bytes, size_t from, size_t to, uint64_t id) {
    for (size_t i = from; i < to; i++)
        bytes[i] = (unsigned char)(mix(id + i / 8) >> i % 8 * 8) | 1;
}

static bool has_pattern(const unsigned char *bytes, size_t count, uint64_t id) {
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != ((unsigned char)(mix(id + i / 8) >> i % 8 * 8) | 1))
            return false;
    return true;
}

// Noscan, untyped and array objects grow and shrink at random: what was there stays, what is new is zero.
static void test_realloc_random(void **state) {
    (void)state;
    for (uint64_t seed = 20; seed < 23; seed++) {
        struct random random = {check_seed = seed};
        size_t size = 40, moved = 0, stayed = 0, steps = effort(6000);
        unsigned char *object = seed == 20   ? bw_alloc_noscan(size)
                                : seed == 21 ? bw_realloc(NULL, size)
                                             : (unsigned char *)bw_new_array(char, size);
        fill_pattern(object, 0, size, seed);
        for (size_t step = 0; step < steps; step++) {
            size_t most = random_below(&random, 30) ? 600 : 200000;
            size_t next = random_below(&random, 3) ? random_below(&random, most) : size + random_below(&random, 30);
            unsigned char *after = bw_realloc(object, next);
            moved += after != object;
            stayed += after == object;
            CHECK(bw_base(after) == after && bw_size(after) >= next && (next > 0 || bw_size(after) <= 64),
                  "step %zu: %zu -> %zu: %zu", step, size, next, bw_size(after));
            CHECK(has_pattern(after, size < next ? size : next, seed), "step %zu: %zu -> %zu", step, size, next);
            if (next > size)
                CHECK(is_zero(after + size, next - size), "step %zu: %zu -> %zu", step, size, next);
            fill_pattern(after, size < next ? size : next, next, seed);
            if (after != object)
                CHECK(bw_base(object) == NULL, "step %zu: the old place lives", step);
            object = after;
            size = next;
        }
        assert_true(moved > 0 && stayed > 0);
    }
}

static void test_realloc_in_place_clears(void **state) {
    (void)state;
    char *object = bw_alloc(112);
    memset(object, 0x77, 112);
    char *shrunk = bw_realloc(object, 60);
    assert_ptr_equal(shrunk, object);
    char *grown = bw_realloc(shrunk, 100);
    assert_ptr_equal(grown, object);
    assert_true(is_zero(grown + 60, 40));
    assert_memory_equal(grown, "wwwwwwww", 8);
    char *large = bw_alloc_noscan(100000);
    memset(large, 0x77, 100000);
    shrunk = bw_realloc(large, 60000);
    assert_ptr_equal(shrunk, large);
    grown = bw_realloc(shrunk, 100000);
    assert_ptr_equal(grown, large);
    assert_true(is_zero(grown + 60000, 40000));
}

// The old place is freed at once, and only if the object moved.
static void test_realloc_frees(void **state) {
    (void)state;
    void *neighbour = bw_alloc(32), *object = bw_alloc(32);
    void *moved = bw_realloc(object, 500);
    assert_ptr_not_equal(moved, object);
    assert_null(bw_base(object));
    assert_ptr_equal(bw_base(neighbour), neighbour);
    assert_ptr_equal(bw_realloc(moved, 500), moved);
}

#define POPULATION 1000
static void **holders; // the collector's: holds a population of objects
static bw_weak *weaks; // the collector's, too: a weak pointer's handle lives while a bw_weak is seen

// How many of the population's targets are alive. All but the holders is forgotten.
static size_t alive_after_collection(void) {
    collect_clean();
    size_t alive = 0;
    for (size_t i = 0; i < POPULATION; i++)
        alive += bw_weak_get(weaks[i]) != NULL;
    return alive;
}

static void population_begin(void) {
    holders = bw_new_array(void *, POPULATION);
    weaks = bw_new_array(bw_weak, POPULATION);
}

static void population_end(void) {
    holders = NULL;
    weaks = NULL;
    collect_clean();
}

static void *make_realloc_population(void *argument) {
    int kind = *(int *)argument;
    for (size_t i = 0; i < POPULATION; i++) {
        // All grow from small to large classes, and every tenth to an object of its own.
        void *holder = kind == 0   ? bw_alloc(24)
                       : kind == 1 ? bw_alloc_noscan(24)
                       : kind == 2 ? (void *)bw_new_array(pair, 1)
                                   : (void *)bw_new_array(pair, 1);
        holder = bw_realloc(holder, i % 10 ? 100 : 40000);
        holder = bw_realloc(holder, i % 10 ? 960 : 96000);
        holders[i] = holder;
        void *target = bw_alloc_noscan(32);
        weaks[i] = bw_weak_make(target);
        // In an array of pairs: right of the 20th, or its id.
        uintptr_t *words = holder;
        words[20 * 3 + (kind == 3 ? 2 : 1)] = (uintptr_t)target;
    }
    return NULL;
}

static void test_realloc_keeps_kind(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        population_begin();
        in_thread(make_realloc_population, &kind);
        size_t alive = alive_after_collection();
        if (kind == 0 || kind == 2)
            assert_int_equal(alive, POPULATION);
        else
            assert_in_range(alive, 0, POPULATION / 100);
        population_end();
    }
}

static void *realloc_counts(void *argument) {
    bw_ledger_t *ledgers = argument;
    bw_ledger(&ledgers[0]);
    void *array = bw_new_array(pair, 2);
    bw_ledger(&ledgers[1]);
    array = bw_realloc(array, 4000);
    bw_ledger(&ledgers[2]);
    void *untyped = bw_realloc(bw_alloc(16), 4000);
    bw_ledger(&ledgers[3]);
    bw_free(array);
    bw_free(untyped);
    bw_ledger(&ledgers[4]);
    return NULL;
}

static void test_realloc_ledger(void **state) {
    (void)state;
    bw_ledger_t l[5];
    in_thread(realloc_counts, l);
    assert_int_equal(l[1].make.objects - l[0].make.objects, 1);
    assert_int_equal(l[1].make.bytes - l[0].make.bytes, 48);
    assert_int_equal(l[2].make.objects - l[1].make.objects, 1);
    assert_int_equal(l[2].make.bytes - l[1].make.bytes, 4096);
    assert_int_equal(l[2].zero.objects - l[1].zero.objects, 1);
    assert_int_equal(l[2].zero.bytes - l[1].zero.bytes, 48);
    assert_int_equal(l[2].new_.objects, l[1].new_.objects);
    assert_int_equal(l[3].new_.objects - l[2].new_.objects, 2);
    assert_int_equal(l[3].new_.bytes - l[2].new_.bytes, 16 + 4096);
    assert_int_equal(l[3].zero.objects - l[2].zero.objects, 1);
    assert_int_equal(l[4].zero.objects - l[3].zero.objects, 2);
    assert_int_equal(l[4].zero.bytes - l[3].zero.bytes, 8192);
}

static void child_realloc_typed(void) {
    pair *object = bw_new(pair);
    expect("panic: bw_realloc: %p is a single object of a type, whose size cannot change", (void *)object);
    laundered = bw_realloc(object, 1000);
}
// A type of one size has no smaller class to shrink into either.
static void child_realloc_typed_shrink(void) {
    page_and_more *object = bw_new(page_and_more);
    expect("panic: bw_realloc: %p is a single object of a type, whose size cannot change", (void *)object);
    laundered = bw_realloc(object, 100);
}
static void child_realloc_much(void) {
    void *object = bw_alloc(100);
    laundered = bw_realloc(object, launder_size(SIZE_MAX - 100));
}

// --- freeing what must not be freed ---

// What the messages say after "it is".
#define FREE_SLOT "a free slot: freed already, or never allocated"
#define FREE_PART "in a free part of the heap: freed already, or never allocated"

static void *kept[8];

static void expect_wrong(const char *function, const void *address, const char *what) {
    expect("panic: %s: %p is not the first byte of an object: it is %s", function, address, what);
}

// Each misuse once, for bw_free and bw_realloc: the address, and what it is.
static void *wrong_small_twice(const char **what) {
    kept[0] = bw_alloc(48);
    void *object = bw_alloc(48);
    kept[1] = bw_alloc(48);
    bw_free(object);
    *what = FREE_SLOT;
    return object;
}
static void *wrong_large_twice(const char **what) {
    void *object = bw_alloc(1 << 20);
    bw_free(object);
    *what = FREE_PART;
    return object;
}
static void *wrong_typed_twice(const char **what) {
    kept[0] = bw_new(pair);
    void *object = bw_new(pair);
    bw_free(object);
    *what = FREE_SLOT;
    return object;
}
static void *wrong_interior(const char **what) {
    static char text[200];
    char *object = bw_alloc(40);
    kept[0] = object;
    snprintf(text, sizeof text, "inside an object: 8 bytes into the one at %p of 48 bytes", (void *)object);
    *what = text;
    return object + 8;
}
static void *wrong_interior_large(const char **what) {
    static char text[200];
    char *object = bw_alloc_noscan(100000);
    kept[0] = object;
    snprintf(text, sizeof text, "inside an object: 98304 bytes into the one at %p of 106496 bytes", (void *)object);
    *what = text;
    return object + 98304;
}
static void *wrong_never_handed(const char **what) {
    char *object = bw_alloc(48);
    kept[0] = object;
    *what = FREE_SLOT;
    // The next slot of the thread's own run.
    char *next = bw_alloc(48);
    kept[1] = next;
    return next > object ? next + 48 : object + 48;
}
static void *allocate_and_wait(void *place) {
    char *_Atomic *at = place;
    atomic_store(at, bw_alloc(48));
    bw_blocking {
        for (;;)
            pause();
    }
    return NULL;
}
// The next slot of another thread's run, of which that thread has used one.
static void *wrong_others_run(const char **what) {
    static char *_Atomic object;
    pthread_t thread;
    pthread_create(&thread, NULL, allocate_and_wait, (void *)&object);
    while (atomic_load(&object) == NULL)
        sleep_ms(1);
    *what = FREE_SLOT;
    return atomic_load(&object) + 48;
}
static void *wrong_collected(const char **what) {
    kept[0] = bw_alloc(48);
    uintptr_t hidden[50];
    for (size_t i = 0; i < COUNT_OF(hidden); i++)
        hidden[i] = hide(bw_alloc(48));
    kept[1] = bw_alloc(48);
    collect_clean();
    for (size_t i = 0; i < COUNT_OF(hidden); i++)
        if (bw_base(shown(hidden[i])) == NULL) {
            *what = FREE_SLOT;
            return shown(hidden[i]);
        }
    fprintf(stderr, "nothing was collected\n");
    exit(3);
}
static void *wrong_stack(const char **what) {
    static char *address;
    char local[32];
    address = launder(local);
    *what = "on this thread's stack";
    return address;
}
static void *wrong_static(const char **what) {
    *what = "not in the Burrow heap";
    return static_bytes;
}
static void *wrong_malloc(const char **what) {
    *what = "not in the Burrow heap";
    return kept[0] = malloc(48);
}
static void *wrong_code(const char **what) {
    *what = "not in the Burrow heap";
    return (void *)(uintptr_t)wrong_static;
}
static void *wrong_tiny(const char **what) {
    *what = "not in the Burrow heap";
    return launder((void *)0x10);
}
static void *wrong_top(const char **what) {
    *what = "not in the Burrow heap";
    return launder((void *)UINTPTR_MAX);
}
static void *wrong_before_any(const char **what) {
    // The program's first call.
    *what = "not in the Burrow heap";
    return static_bytes + 16;
}
static void *wrong_arena_object(const char **what) {
    *what = "in an arena, whose objects end with it";
    return bw_arena_alloc(bw_arena_new(), pair);
}
static void *wrong_arena(const char **what) {
    *what = "in an arena, whose objects end with it";
    return bw_arena_new();
}
static void *wrong_freed_arena(const char **what) {
    bw_arena *arena = bw_arena_new();
    void *object = kept[0] = bw_arena_alloc(arena, pair);
    bw_arena_free(arena);
    *what = "in an arena that was freed";
    return object;
}

#define WRONG(X)                                                                                                       \
    X(small_twice)                                                                                                     \
    X(large_twice)                                                                                                     \
    X(typed_twice)                                                                                                     \
    X(interior)                                                                                                        \
    X(interior_large)                                                                                                  \
    X(never_handed)                                                                                                    \
    X(others_run)                                                                                                      \
    X(collected)                                                                                                       \
    X(stack)                                                                                                           \
    X(static)                                                                                                          \
    X(malloc)                                                                                                          \
    X(code)                                                                                                            \
    X(tiny)                                                                                                            \
    X(top)                                                                                                             \
    X(before_any)                                                                                                      \
    X(arena_object)                                                                                                    \
    X(arena)                                                                                                           \
    X(freed_arena)

#define WRONG_CHILDREN(name)                                                                                           \
    static void child_free_##name(void) {                                                                              \
        const char *what;                                                                                              \
        void *address = wrong_##name(&what);                                                                           \
        expect_wrong("bw_free", address, what);                                                                        \
        bw_free(address);                                                                                              \
    }                                                                                                                  \
    static void child_realloc_##name(void) {                                                                           \
        const char *what;                                                                                              \
        void *address = wrong_##name(&what);                                                                           \
        expect_wrong("bw_realloc", address, what);                                                                     \
        laundered = bw_realloc(address, 200);                                                                          \
    }
WRONG(WRONG_CHILDREN)

static void test_wrong_free(void **state) {
    (void)state;
#define WRONG_DIES(name)                                                                                               \
    assert_died("free_" #name, NULL);                                                                                  \
    assert_died("realloc_" #name, NULL);
    WRONG(WRONG_DIES)
}

static void test_wrong_realloc(void **state) {
    (void)state;
    assert_died("realloc_typed", NULL);
    assert_died("realloc_typed_shrink", NULL);
}

static void child_release_none(void) {
    void *object = bw_alloc(48);
    expect("panic: bw_release: %p is not retained", object);
    bw_release(object);
}
static void child_release_twice(void) {
    void *object = bw_alloc(48);
    kept[0] = bw_alloc(48);
    bw_retain(object);
    bw_retain(object);
    bw_release(object);
    CHECK(bw_base(object) == object);
    bw_release(object);
    CHECK(bw_base(object) == NULL);
    expect_wrong("bw_release", object, FREE_SLOT);
    bw_release(object);
}
static void child_retain_stack(void) {
    char local[32];
    expect_wrong("bw_retain", local, "on this thread's stack");
    bw_retain(local);
}

static void test_wrong_count(void **state) {
    (void)state;
    assert_died("release_none", NULL);
    assert_died("release_twice", NULL);
    assert_died("retain_stack", NULL);
}

// --- lengths ---

static void child_array_negative(void) {
    laundered = bw_new_array(pair, (int)launder_size((size_t)-1));
}
static void child_array_overflow(void) {
    laundered = bw_new_array(pair, launder_size(SIZE_MAX / sizeof(pair) / 2 + 1));
}
static void child_array_wide(void) {
    laundered = bw_new_array(pair, launder_size(SIZE_MAX / sizeof(pair) + 2));
}
static void child_array_high(void) {
    laundered = bw_new_array(char, launder_size(((size_t)1 << 47) + 1));
}

static void test_wrong_length(void **state) {
    (void)state;
    static const char *const names[] = {"array_negative", "array_overflow", "array_wide", "array_high"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_died(names[i], "panic: runtime error: makeslice: len out of range");
}

// --- the end of memory ---

static void limit_address_space(size_t bytes) {
    struct rlimit limit = {bytes, bytes};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

struct chain {
    struct chain *next;
};
static struct chain *chain;

static void child_exhaust_small(void) {
    limit_address_space((size_t)300 << 20);
    for (;;) {
        struct chain *link = bw_alloc(1000);
        CHECK(is_zero(link, 1000));
        link->next = chain;
        chain = link;
    }
}
static void child_exhaust_large(void) {
    limit_address_space((size_t)300 << 20);
    for (;;) {
        struct chain *link = bw_alloc((size_t)3 << 20);
        link->next = chain;
        chain = link;
    }
}
static void child_exhaust_typed(void) {
    limit_address_space((size_t)300 << 20);
    for (pair *last = NULL;;) {
        pair *next = bw_new(pair);
        next->left = last;
        last = next;
        chain = (struct chain *)last;
    }
}
static void child_exhaust_at_once(void) {
    limit_address_space((size_t)300 << 20);
    laundered = bw_alloc_noscan(launder_size((size_t)1 << 30));
}
static void child_exhaust_realloc(void) {
    limit_address_space((size_t)300 << 20);
    for (size_t size = 1 << 20;; size *= 2)
        laundered = bw_realloc(laundered, size);
}
static void child_too_much(void) {
    laundered = bw_alloc(launder_size(SIZE_MAX));
}
static void child_too_much_noscan(void) {
    laundered = bw_alloc_noscan(launder_size((size_t)1 << 60));
}
// What is garbage is found before the program is given up.
static void child_garbage_is_found(void) {
    limit_address_space((size_t)300 << 20);
    bw_set_gc_percent(-1);
    for (int i = 0; i < 2000; i++) {
        laundered = bw_alloc((size_t)1 << 20);
        memset(laundered, 1, (size_t)1 << 20);
    }
    for (int i = 0; i < 2000000; i++)
        laundered = bw_alloc(1000);
    exit(0);
}

// A collection at every few of some million allocations would take minutes.
static const char *const *unstressed(void) {
    static const char *const settings[] = {"BURROWDEBUG=poison=1", NULL};
    return debug_has("gcstress") ? settings : NULL;
}

static void assert_exhausted(const char *name, const char *wanted_bytes) {
    static struct outcome outcome;
    char pattern[200];
    snprintf(pattern, sizeof pattern,
             "^fatal error: runtime: out of memory: cannot allocate %s-byte block \\([0-9]+ in use\\)\n$",
             wanted_bytes);
    regex_t regex;
    CHECK(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) == 0);
    child_run(&outcome, name, unstressed());
    if (outcome.status != 2 || regexec(&regex, outcome.err, 0, NULL, 0) != 0) {
        fprintf(stderr, "child %s: expected status 2 and: %s\n", name, pattern);
        outcome_print(&outcome);
        fail();
    }
    regfree(&regex);
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_exhausted("too_much", "18446744073709551615");
    assert_exhausted("too_much_noscan", "1152921504606846976");
    assert_exhausted("realloc_much", "18446744073709551515");
    if (UNDER_SANITIZER || under_valgrind())
        return; // they need address space of their own
    assert_exhausted("exhaust_at_once", "1073741824");
    assert_exhausted("exhaust_small", "1024");
    assert_exhausted("exhaust_large", "3145728");
    assert_exhausted("exhaust_typed", "32");
    assert_exhausted("exhaust_realloc", "[0-9]+");
    assert_succeeded("garbage_is_found", unstressed(), NULL);
}

// --- objects of gigabytes ---

static size_t available_bytes(void) {
    FILE *file = fopen("/proc/meminfo", "r");
    char line[200];
    size_t kilobytes = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %zu kB", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes << 10;
}

static void test_gigabytes(void **state) {
    (void)state;
    struct rlimit limit;
    if (available_bytes() < (size_t)2 << 30 || UNDER_SANITIZER || under_valgrind() ||
        (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur < (size_t)16 << 30))
        skip();
    const size_t sizes[] = {(size_t)1 << 30, ((size_t)3 << 30) + 12345, (size_t)1 << 30};
    char *objects[COUNT_OF(sizes)];
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *object = objects[i] = bw_alloc_noscan(sizes[i]);
        CHECK(bw_size(object) == slot_of(sizes[i]));
        for (size_t at = 0; at < sizes[i]; at += (size_t)64 << 20) {
            CHECK(object[at] == 0);
            object[at] = (char)(i + 1);
        }
        CHECK(object[sizes[i] - 1] == 0);
        object[sizes[i] - 1] = 1;
    }
    bw_gc();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        CHECK(bw_base(objects[i] + sizes[i] - 1) == objects[i] && bw_base(objects[i] + sizes[i] / 2) == objects[i]);
        for (size_t at = 0; at < sizes[i]; at += (size_t)64 << 20)
            CHECK(objects[i][at] == (char)(i + 1));
        bw_free(objects[i]);
        CHECK(bw_base(objects[i]) == NULL);
    }
    bw_free_os_memory();
}

// --- what a description keeps alive ---

struct existing {
    void *named;
    void *unnamed;
    long number;
    void *also_unnamed[2];
    char *last;
};
BW_TYPE(existing, named, number, last);

typedef struct {
    double real;
    void *pointer;
    char text[16];
} untagged;
BW_TYPEDEF(untagged, real, pointer, text);

struct nested {
    long number;
    void *pointer;
};
union either {
    void *pointer;
    unsigned long number;
    char text[24];
};

enum colour { RED, GREEN };
struct elsewhere;

BW_STRUCT(basic, (int, id), (void *, pointer), (double, real), (unsigned long, number), (struct elsewhere *, opaque),
          (void (*)(void), function), (uintptr_t, integer), (const char *, text), (long double, wide));
BW_STRUCT(arrays, (void *[5], pointers), (char[40], chars), (struct basic *[2][3], matrix), (uint64_t[4], numbers),
          (double[2], reals), (uint8_t[24], bytes));
BW_STRUCT(mixture, (char, c), (struct nested, inner), (short, s), (union either, either), (struct nested[3], several),
          (_Complex double, complex), (enum colour[4], colours), (bool, flag), (void *, last));
BW_STRUCT(long_one, (void *, first), (uint64_t[70], numbers), (void *, late), (uint64_t[10], more), (void *, last));
BW_STRUCT(large_one, (uint64_t[5000], numbers), (void *, pointer), (uint64_t[10], more));
BW_STRUCT(no_pointers, (uint64_t[4], numbers));

struct undescribed {
    uint64_t number;
    void *pointer;
};

// Allocates holders; writes an address into one place of a holder.
struct place {
    const char *name;
    bool keeps;
    void *(*make)(void);
    void (*put)(void *holder, void *target);
};

// id, type, place in it, does it keep alive; each as a single object and as the last of an array of three.
#define PLACES(X)                                                                                                      \
    X(basic_pointer, basic, pointer, true)                                                                             \
    X(basic_opaque, basic, opaque, true)                                                                               \
    X(basic_text, basic, text, true)                                                                                   \
    X(basic_function, basic, function, true)                                                                           \
    X(basic_real, basic, real, false)                                                                                  \
    X(basic_number, basic, number, false)                                                                              \
    X(basic_integer, basic, integer, false)                                                                            \
    X(basic_wide, basic, wide, false)                                                                                  \
    X(arrays_first, arrays, pointers[0], true)                                                                         \
    X(arrays_last, arrays, pointers[4], true)                                                                          \
    X(arrays_chars, arrays, chars[0], false)                                                                           \
    X(arrays_chars_end, arrays, chars[32], false)                                                                      \
    X(arrays_matrix_first, arrays, matrix[0][0], true)                                                                 \
    X(arrays_matrix_last, arrays, matrix[1][2], true)                                                                  \
    X(arrays_numbers, arrays, numbers[3], false)                                                                       \
    X(arrays_reals, arrays, reals[1], false)                                                                           \
    X(arrays_bytes, arrays, bytes[8], false)                                                                           \
    X(mixture_inner, mixture, inner.pointer, true)                                                                     \
    X(mixture_either, mixture, either.pointer, true)                                                                   \
    X(mixture_either_end, mixture, either.text[16], true)                                                              \
    X(mixture_several, mixture, several[2].pointer, true)                                                              \
    X(mixture_last, mixture, last, true)                                                                               \
    X(mixture_complex, mixture, complex, false)                                                                        \
    X(mixture_colours, mixture, colours[0], false)                                                                     \
    X(long_first, long_one, first, true)                                                                               \
    X(long_late, long_one, late, true)                                                                                 \
    X(long_last, long_one, last, true)                                                                                 \
    X(long_number, long_one, numbers[62], false)                                                                       \
    X(long_number_end, long_one, numbers[69], false)                                                                   \
    X(long_more, long_one, more[9], false)                                                                             \
    X(large_pointer, large_one, pointer, true)                                                                         \
    X(large_number, large_one, numbers[4999], false)                                                                   \
    X(large_more, large_one, more[0], false)                                                                           \
    X(scalars, no_pointers, numbers[0], false)                                                                         \
    X(existing_named, struct existing, named, true)                                                                    \
    X(existing_unnamed, struct existing, unnamed, true)                                                                \
    X(existing_number, struct existing, number, false)                                                                 \
    X(existing_also, struct existing, also_unnamed[1], true)                                                           \
    X(existing_last, struct existing, last, true)                                                                      \
    X(untagged_pointer, untagged, pointer, true)                                                                       \
    X(untagged_real, untagged, real, false)                                                                            \
    X(untagged_text, untagged, text[8], false)                                                                         \
    X(undescribed_number, struct undescribed, number, true)                                                            \
    X(undescribed_pointer, struct undescribed, pointer, true)

// The target is a noscan object, and the address goes in by bytes, as any C type's value does.
#define PLACE_FUNCTIONS(id, T, place, keeps)                                                                           \
    static void *make_##id(void) {                                                                                     \
        return bw_new(T);                                                                                              \
    }                                                                                                                  \
    static void put_##id(void *holder, void *target) {                                                                 \
        memcpy((char *)holder + __builtin_offsetof(T, place), &target, sizeof target);                                 \
    }                                                                                                                  \
    static void *make_array_##id(void) {                                                                               \
        return bw_new_array(T, 3);                                                                                     \
    }                                                                                                                  \
    static void put_array_##id(void *holder, void *target) {                                                           \
        memcpy((char *)holder + 2 * sizeof(T) + __builtin_offsetof(T, place), &target, sizeof target);                 \
    }
PLACES(PLACE_FUNCTIONS)

#define PLACE_ENTRIES(id, T, place, keeps)                                                                             \
    {#id, keeps, make_##id, put_##id}, {#id " in an array", keeps, make_array_##id, put_array_##id},
static const struct place places[] = {PLACES(PLACE_ENTRIES)};

static void *make_population(void *argument) {
    const struct place *place = argument;
    for (size_t i = 0; i < POPULATION; i++) {
        void *target = bw_alloc_noscan(32);
        weaks[i] = bw_weak_make(target);
        holders[i] = place->make();
        place->put(holders[i], target);
    }
    return NULL;
}

static void test_descriptions(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        population_begin();
        in_thread(make_population, (void *)(uintptr_t)&places[i]);
        size_t alive = alive_after_collection();
        if (places[i].keeps ? alive != POPULATION : alive > POPULATION / 100) {
            fprintf(stderr, "%s: %zu of %d are alive\n", places[i].name, alive, POPULATION);
            fail();
        }
        population_end();
    }
}

// Arithmetic types are never searched, pointers are.
static void *make_scalar_population(void *argument) {
    int kind = *(int *)argument;
    for (size_t i = 0; i < POPULATION; i++) {
        void *target = bw_alloc_noscan(32);
        weaks[i] = bw_weak_make(target);
        void *holder = kind == 0   ? (void *)bw_new(uintptr_t)
                       : kind == 1 ? (void *)bw_new_array(uint64_t, 5)
                       : kind == 2 ? (void *)bw_new_array(char, 64)
                       : kind == 3 ? (void *)bw_new(void *)
                       : kind == 4 ? (void *)bw_new_array(void *, 5)
                                   : (void *)bw_new(void *[3]);
        holders[i] = holder;
        memcpy(holder, &target, sizeof target);
    }
    return NULL;
}

static void test_simple_types(void **state) {
    (void)state;
    for (int kind = 0; kind < 6; kind++) {
        population_begin();
        in_thread(make_scalar_population, &kind);
        size_t alive = alive_after_collection();
        if (kind < 3)
            assert_in_range(alive, 0, POPULATION / 100);
        else
            assert_int_equal(alive, POPULATION);
        population_end();
    }
}

// --- bw_dump_layout ---

BW_STRUCT(dumped, (struct dumped *, next), (int, count), (char[5], tag), (double, real), (union either, either));

static void child_dump(void) {
    bw_dump_layout(pair);
    bw_dump_layout(dumped);
    bw_dump_layout(struct existing);
    bw_dump_layout(untagged);
    bw_dump_layout(struct undescribed);
    bw_dump_layout(int);
    bw_dump_layout(over_class);
}

static const char dump_wanted[] =
    "pair: 24 bytes, align 8, 2 of 3 words scanned (by its description)\n"
    "  offset   size  field            type\n"
    "       0      8  left             struct pair *  pointer\n"
    "       8      8  right            struct pair *  pointer\n"
    "      16      8  id               uint64_t\n"
    "  slot 32 bytes, 8 lost; many to a span\n"
    "dumped: 56 bytes, align 8, 4 of 7 words scanned (by its description)\n"
    "  offset   size  field            type\n"
    "       0      8  next             struct dumped *  pointer\n"
    "       8      4  count            int\n"
    "      12      5  tag              char[5]\n"
    "      17      7  -                (padding)\n"
    "      24      8  real             double\n"
    "      32     24  either           union either  maybe pointers\n"
    "  slot 64 bytes, 8 lost; many to a span\n"
    "existing: 48 bytes, align 8, 5 of 6 words scanned (by its description)\n"
    "  offset   size  field            type\n"
    "       0      8  named            void *  pointer\n"
    "       8      8  -                (not described: scanned)\n"
    "      16      8  number           int64\n"
    "      24     16  -                (not described: scanned)\n"
    "      40      8  last             *char  pointer\n"
    "  slot 48 bytes, 0 lost; many to a span\n"
    "untagged: 32 bytes, align 8, 1 of 4 words scanned (by its description)\n"
    "  offset   size  field            type\n"
    "       0      8  real             float64\n"
    "       8      8  pointer          void *  pointer\n"
    "      16     16  text             [16]char\n"
    "  slot 32 bytes, 0 lost; many to a span\n"
    "undescribed: 16 bytes, align 8, 2 of 2 words scanned (conservatively: no description)\n"
    "  slot 16 bytes, 0 lost; many to a span\n"
    "int: 4 bytes, align 4, 0 of 0 words scanned (holds no pointers)\n"
    "  slot 16 bytes, 12 lost; many to a span\n"
    "over_class: 32784 bytes, align 8, 1 of 4098 words scanned (by its description)\n"
    "  offset   size  field            type\n"
    "       0  32776  text             char[32768 + 8]\n"
    "   32776      8  next             void *  pointer\n"
    "  slot 40960 bytes, 8176 lost; a span of its own\n";

static void test_dump_layout(void **state) {
    (void)state;
    static struct outcome outcome;
    assert_succeeded("dump", NULL, &outcome);
    assert_string_equal(outcome.err, "");
    // Blanks at the ends of lines do not count.
    char *to = outcome.out;
    for (const char *from = outcome.out; *from; from++) {
        if (*from == '\n')
            while (to > outcome.out && to[-1] == ' ')
                to--;
        *to++ = *from;
    }
    *to = 0;
    assert_string_equal(outcome.out, dump_wanted);
}

// --- children ---

#define WRONG_ENTRIES(name) {"free_" #name, child_free_##name}, {"realloc_" #name, child_realloc_##name},
#define CHILD(name)                                                                                                    \
    { #name, child_##name }
static const struct child children[] = {
    WRONG(WRONG_ENTRIES) CHILD(align_none),
    CHILD(align_odd),
    CHILD(align_much),
    CHILD(align_top),
    CHILD(realloc_typed),
    CHILD(realloc_typed_shrink),
    CHILD(realloc_much),
    CHILD(release_none),
    CHILD(release_twice),
    CHILD(retain_stack),
    CHILD(array_negative),
    CHILD(array_overflow),
    CHILD(array_wide),
    CHILD(array_high),
    CHILD(exhaust_small),
    CHILD(exhaust_large),
    CHILD(exhaust_typed),
    CHILD(exhaust_at_once),
    CHILD(exhaust_realloc),
    CHILD(too_much),
    CHILD(too_much_noscan),
    CHILD(garbage_is_found),
    CHILD(dump),
};

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_classes),    cmocka_unit_test(test_typed_sizes),
        cmocka_unit_test(test_outside),         cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_wrong_alignment), cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_zeroed_arenas),   cmocka_unit_test(test_make),
        cmocka_unit_test(test_realloc_random),  cmocka_unit_test(test_realloc_in_place_clears),
        cmocka_unit_test(test_realloc_frees),   cmocka_unit_test(test_realloc_keeps_kind),
        cmocka_unit_test(test_realloc_ledger),  cmocka_unit_test(test_wrong_realloc),
        cmocka_unit_test(test_wrong_free),      cmocka_unit_test(test_wrong_count),
        cmocka_unit_test(test_wrong_length),    cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_gigabytes),       cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_simple_types),    cmocka_unit_test(test_dump_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
