// Random allocation, freeing and resizing by several threads against a model, and memory that goes back to the system.
//
// The model lies in malloc's memory and holds complemented addresses; the objects themselves are kept by a registered
// range, so that none may be collected. Every byte of an object is a pattern of its identity, and every object's range is
// entered into a table of granules that all threads share: two objects that overlap are seen at once.
// valgrind: yes
#include "support.h"

#include "gc/gc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum kind { NOSCAN, UNTYPED, CHARS, WORDS, ALIGNED, NOSCAN_ALIGNED, KINDS };

struct object {
    uintptr_t hidden;
    size_t size;
    uint64_t id;
    enum kind kind;
};

#define SLOTS 1500
#define THREADS 4

struct model {
    struct object objects[SLOTS];
    void **roots; // SLOTS of them, registered
    struct random random;
    uint64_t next_id;
    uint64_t budget; // bytes alive
};

// --- no overlap: each granule belongs to one object ---

// A byte for each granule of 64 GiB from below the first address seen, touched only where objects are.
#define COVERED ((size_t)64 << 30)
static _Atomic uint8_t *owners;
static uintptr_t covered_from;
static pthread_mutex_t cover_lock = PTHREAD_MUTEX_INITIALIZER;

static void cover(const void *address) {
    pthread_mutex_lock(&cover_lock);
    if (owners == NULL) {
        covered_from = ((uintptr_t)address & ~(((uintptr_t)1 << 30) - 1)) - ((uintptr_t)1 << 30);
        void *at = mmap(NULL, COVERED / 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(at != MAP_FAILED);
        owners = at;
    }
    pthread_mutex_unlock(&cover_lock);
}

static void claim(const void *object, size_t bytes) {
    size_t first = ((uintptr_t)object - covered_from) / 16, count = (bytes + 15) / 16;
    CHECK((first + count) * 16 <= COVERED, "the heap is farther away than thought: %p", object);
    // The ends and some places between; small objects wholly.
    size_t step = count > 64 ? count / 64 : 1;
    for (size_t i = 0; i < count; i += step)
        CHECK(atomic_exchange(&owners[first + i], 1) == 0, "%p, %zu bytes: overlaps at %zu", object, bytes, i * 16);
    if (count > 1 && (count - 1) % step)
        CHECK(atomic_exchange(&owners[first + count - 1], 1) == 0, "%p, %zu bytes: overlaps at its end", object, bytes);
}

static void disclaim(const void *object, size_t bytes) {
    size_t first = ((uintptr_t)object - covered_from) / 16, count = (bytes + 15) / 16;
    size_t step = count > 64 ? count / 64 : 1;
    for (size_t i = 0; i < count; i += step)
        CHECK(atomic_exchange(&owners[first + i], 0) == 1);
    if (count > 1 && (count - 1) % step)
        CHECK(atomic_exchange(&owners[first + count - 1], 0) == 1);
}

// --- patterns ---

// Odd bytes: no word of them is the address of an object that something else would keep.
static uint64_t pattern(uint64_t id, size_t word) {
    return mix(id * 0x10001 + word) | 0x8000000000000001u;
}

static void fill(char *object, size_t from, size_t to, uint64_t id) {
    for (size_t i = from; i < to;) {
        uint64_t word = pattern(id, i / 8);
        size_t offset = i % 8, take = 8 - offset < to - i ? 8 - offset : to - i;
        memcpy(object + i, (char *)&word + offset, take);
        i += take;
    }
}

static void check_pattern(const char *object, size_t bytes, uint64_t id, const char *when) {
    size_t whole = bytes / 8;
    for (size_t i = 0; i < whole; i++) {
        uint64_t word;
        memcpy(&word, object + i * 8, 8);
        CHECK(word == pattern(id, i), "%s: object %llu at %p of %zu bytes: word %zu is %#llx", when,
              (unsigned long long)id, (const void *)object, bytes, i, (unsigned long long)word);
    }
    uint64_t last = pattern(id, whole);
    CHECK(memcmp(object + whole * 8, &last, bytes % 8) == 0, "%s: the end of object %llu", when,
          (unsigned long long)id);
}

static void check_zero(const char *object, size_t from, size_t to) {
    for (size_t i = from; i < to; i++)
        CHECK(object[i] == 0, "byte %zu of %p is %#x", i, (const void *)object, object[i]);
}

// --- one step ---

static size_t random_size(struct random *random) {
    switch (random_below(random, 40)) {
    case 0: return random_below(random, 4) ? random_below(random, 100000) : random_below(random, 3000000);
    case 1:
    case 2:
    case 3: return random_below(random, 20000);
    case 4: return (size_t)16 << random_below(random, 12); // powers of two
    default: return random_below(random, random_below(random, 2) ? 64 : 1000);
    }
}

static size_t random_align(struct random *random) {
    return (size_t)1 << random_below(random, random_below(random, 20) ? 13 : 22);
}

static void drop(struct model *model, size_t slot, bool at_once) {
    struct object *object = &model->objects[slot];
    char *at = shown(object->hidden);
    check_pattern(at, object->size, object->id, "at its end");
    disclaim(at, bw_size(at));
    model->budget -= object->size;
    model->roots[slot] = NULL;
    if (at_once)
        bw_free(at);
    memset(object, 0, sizeof *object);
}

static void enter(struct model *model, size_t slot, char *at, size_t size, enum kind kind) {
    struct object *object = &model->objects[slot];
    CHECK(bw_base(at) == at && bw_size(at) >= size && (uintptr_t)at % 16 == 0);
    if (owners == NULL)
        cover(at);
    claim(at, bw_size(at));
    model->roots[slot] = at;
    *object = (struct object){hide(at), size, model->next_id++, kind};
    fill(at, 0, size, object->id);
    model->budget += size;
}

static void allocate(struct model *model, size_t slot) {
    struct random *random = &model->random;
    enum kind kind = (enum kind)random_below(random, KINDS);
    size_t size = random_size(random), align = 1;
    char *at;
    switch (kind) {
    case NOSCAN: at = bw_alloc_noscan(size); break;
    case UNTYPED: at = bw_alloc(size); break;
    case CHARS: at = bw_new_array(char, size); break;
    case WORDS:
        size &= ~(size_t)7;
        at = (char *)bw_new_array(uint64_t, size / 8);
        break;
    case ALIGNED: at = bw_alloc_aligned(size, align = random_align(random)); break;
    default: at = bw_alloc_noscan_aligned(size, align = random_align(random)); break;
    }
    CHECK(((uintptr_t)at & (align - 1)) == 0);
    check_zero(at, 0, bw_size(at));
    enter(model, slot, at, size, kind);
}

static void resize(struct model *model, size_t slot) {
    struct object *object = &model->objects[slot];
    size_t size =
        random_below(&model->random, 2) ? random_size(&model->random) : object->size + random_below(&model->random, 40);
    if (object->kind == WORDS)
        size &= ~(size_t)7;
    char *at = shown(object->hidden);
    size_t before = object->size, slot_bytes = bw_size(at);
    uint64_t id = object->id;
    disclaim(at, slot_bytes);
    char *moved = bw_realloc(at, size);
    // In this order: the old place may be another thread's by now.
    CHECK(bw_base(moved) == moved && bw_size(moved) >= size);
    claim(moved, bw_size(moved));
    model->roots[slot] = moved;
    size_t least = size < before ? size : before;
    check_pattern(moved, least, id, "after bw_realloc");
    check_zero(moved, least, size);
    object->hidden = hide(moved);
    object->size = size;
    model->budget += size - before;
    fill(moved, least, size, id);
}

static void check_all(struct model *model) {
    for (size_t slot = 0; slot < SLOTS; slot++) {
        struct object *object = &model->objects[slot];
        if (object->hidden == 0)
            continue;
        char *at = shown(object->hidden);
        CHECK(bw_base(at) == at);
        CHECK(object->size == 0 || bw_base(at + object->size - 1) == at);
        check_pattern(at, object->size, object->id, "while it lives");
    }
}

static void step(struct model *model) {
    struct random *random = &model->random;
    size_t slot = random_below(random, SLOTS);
    struct object *object = &model->objects[slot];
    if (object->hidden == 0)
        allocate(model, slot);
    else if (random_below(random, 3) == 0)
        resize(model, slot);
    else
        drop(model, slot, random_below(random, 2));
    while (model->budget > (uint64_t)24 << 20) {
        slot = random_below(random, SLOTS);
        if (model->objects[slot].hidden)
            drop(model, slot, random_below(random, 2));
    }
}

static size_t steps;

static void *run_model(void *argument) {
    struct model *model = argument;
    check_seed = model->random.state;
    for (size_t i = 0; i < steps; i++) {
        step(model);
        size_t chance = random_below(&model->random, 40000);
        if (chance == 0)
            bw_free_os_memory();
        else if (chance <= 4)
            bw_gc();
        else if (chance <= 8)
            check_all(model);
    }
    check_all(model);
    return NULL;
}

static void *end_model(void *argument) {
    struct model *model = argument;
    for (size_t slot = 0; slot < SLOTS; slot++)
        if (model->objects[slot].hidden)
            drop(model, slot, slot % 2);
    return NULL;
}

static void run(int threads, size_t operations, uint64_t seed) {
    collect_clean();
    uint64_t before = live_objects();
    struct model *models[THREADS];
    pthread_t thread[THREADS];
    steps = operations / (size_t)threads;
    for (int i = 0; i < threads; i++) {
        models[i] = calloc(1, sizeof *models[i]);
        models[i]->roots = calloc(SLOTS, sizeof *models[i]->roots);
        models[i]->random.state = seed * 100 + (uint64_t)i;
        models[i]->next_id = 1;
        bw_root_add(models[i]->roots, models[i]->roots + SLOTS);
    }
    // Twice, so that objects are resized and freed by other threads than those that made them.
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < threads; i++)
            CHECK(pthread_create(&thread[i], NULL, run_model, models[i]) == 0);
        for (int i = 0; i < threads; i++)
            CHECK(pthread_join(thread[i], NULL) == 0);
    }
    for (int i = 0; i < threads; i++) {
        in_thread(end_model, models[i]);
        bw_root_remove(models[i]->roots);
        free(models[i]->roots);
        free(models[i]);
    }
    collect_clean();
    assert_int_equal(live_objects(), before);
}

static void test_one_thread(void **state) {
    (void)state;
    run(1, effort(60000), 1);
}

static void test_threads(void **state) {
    (void)state;
    run(4, effort(160000), 2);
}

static void test_threads_with_frequent_collections(void **state) {
    (void)state;
    int64_t percent = bw_set_gc_percent(10);
    run(3, effort(60000), 3);
    bw_set_gc_percent(percent);
}

// --- memory that goes back ---

static size_t resident(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    size_t total = 0, pages = 0;
    CHECK(file && fscanf(file, "%zu %zu", &total, &pages) == 2);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

#define DROPPED ((size_t)512 << 20)

struct batch {
    size_t size;
    bool noscan, at_once;
};

// Fills 512 MiB, all of it written, and leaves it as garbage or frees it.
static void *fill_and_drop(void *argument) {
    const struct batch *batch = argument;
    size_t count = DROPPED / batch->size;
    size_t before = resident();
    char **objects = bw_new_array(char *, count);
    for (size_t i = 0; i < count; i++) {
        objects[i] = batch->noscan ? bw_alloc_noscan(batch->size) : bw_alloc(batch->size);
        memset(objects[i], 1, batch->size);
    }
    CHECK(resident() >= before + DROPPED - ((size_t)64 << 20) || resident() >= DROPPED);
    if (batch->at_once) {
        for (size_t i = 0; i < count; i++)
            bw_free(objects[i]);
        bw_free(objects);
    }
    return NULL;
}

static void test_memory_goes_back(void **state) {
    (void)state;
    if (UNDER_SANITIZER || under_valgrind())
        skip(); // they keep memory of their own for each page
    static const struct batch batches[] = {
        {(size_t)1 << 20, true, false},
        {(size_t)16 << 20, true, true},
        {DROPPED, true, false},
        {1000, true, false},
        {64, true, true},
        {5000, true, false},
        {40000, false, false},
        {1000, false, true},
        {256, false, false},
    };
    bw_free_os_memory();
    // verify=1 keeps a stack for marking again.
    size_t start = resident(), allowed = (size_t)(debug_has("verify") ? 192 : 64) << 20;
    for (size_t i = 0; i < COUNT_OF(batches); i++) {
        // Under gcstress each of some million small allocations would be slow.
        if (debug_has("gcstress") && batches[i].size < 40000)
            continue;
        in_thread(fill_and_drop, (void *)(uintptr_t)&batches[i]);
        clear_stack();
        bw_free_os_memory();
        size_t end = resident();
        if (end > start + allowed) {
            fprintf(stderr, "%zu bytes each: %zu MiB resident at the start, %zu MiB at the end\n", batches[i].size,
                    start >> 20, end >> 20);
            fail();
        }
        bw_mem_stats stats;
        bw_read_mem_stats(&stats);
        assert_int_equal(stats.heap_released, stats.heap_idle);
    }
}

// The background gives memory back as well, but keeps some: a run that it has in hand while its neighbours become free
// joins with them when it comes back, and may be a larger one then than those that bw_free_os_memory still looks at.
#define APART 400
static void nothing_between(void) {}

static void *keeps_some(void *barrier) {
    pthread_barrier_wait(barrier);
    struct thread *self = thread_enter();
    pages_release((size_t)8 << 20, nothing_between);
    thread_leave(self);
    return NULL;
}
static void *two_give_back(void *unused) {
    (void)unused;
    static char *objects[APART];
    pthread_barrier_t barrier;
    CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
    for (size_t round = 0; round < effort(100); round++) {
        for (size_t i = 0; i < APART; i++) {
            size_t bytes = (size_t)(i % 7 + 1) << 16;
            objects[i] = bw_alloc_noscan(bytes);
            memset(objects[i], 1, bytes);
        }
        for (size_t i = 0; i < APART; i += 2)
            bw_free(objects[i]);
        pthread_t other;
        CHECK(pthread_create(&other, NULL, keeps_some, &barrier) == 0);
        pthread_barrier_wait(&barrier);
        for (size_t i = 1; i < APART; i += 2)
            bw_free(objects[i]);
        memset(objects, 0, sizeof objects);
        struct thread *self = thread_enter(); // the last step of bw_free_os_memory
        pages_release(0, nothing_between);
        thread_leave(self);
        CHECK(pthread_join(other, NULL) == 0);
        CHECK(atomic_load(&heap.dirty_free_pages) == 0, "%zu", atomic_load(&heap.dirty_free_pages));
    }
    pthread_barrier_destroy(&barrier);
    return NULL;
}
static void test_two_give_back(void **state) {
    (void)state;
    if (UNDER_SANITIZER || under_valgrind())
        skip(); // as above
    int64_t percent = bw_set_gc_percent(-1);
    bw_gc();                        // what is freed while it is marked beside the program is free after that only
    in_thread(two_give_back, NULL); // whose stack goes with it: what it held there would keep other tests' objects
    bw_set_gc_percent(percent);
}

// One object in fifty lives: the pages between go back, and what lives is unharmed.
static char **survivors;
#define SPARSE 100000

static void *fill_sparsely(void *unused) {
    (void)unused;
    survivors = bw_new_array(char *, SPARSE / 50);
    for (size_t i = 0; i < SPARSE; i++) {
        char *object = bw_alloc_noscan(5000);
        fill(object, 0, 5000, i);
        if (i % 50 == 0)
            survivors[i / 50] = object;
    }
    return NULL;
}

static void test_pages_within_spans_go_back(void **state) {
    (void)state;
    if (UNDER_SANITIZER || under_valgrind())
        skip();
    bw_free_os_memory();
    size_t start = resident();
    in_thread(fill_sparsely, NULL);
    clear_stack();
    bw_free_os_memory();
    size_t end = resident();
    // 100000 x 5000 bytes were written; 2000 live, on at most three pages each.
    assert_true(end <= start + ((size_t)64 << 20));
    for (size_t i = 0; i < SPARSE / 50; i++)
        check_pattern(survivors[i], 5000, i * 50, "between pages that went back");
    // What went back is zero when it comes again.
    for (size_t i = 0; i < SPARSE; i++)
        check_zero(bw_alloc_noscan(5000), 0, 5000);
    for (size_t i = 0; i < SPARSE / 50; i++)
        check_pattern(survivors[i], 5000, i * 50, "between pages that came again");
    survivors = NULL;
}

// What one size of objects no longer needs serves the others, also when collections pass in between: a program that uses
// one size after the other does not grow.
static const size_t phase_sizes[] = {64, 1000, 16, 256, 5000, 48, 400, 30000};
#define PHASE_BYTES ((size_t)24 << 20)

static void *use_one_size(void *argument) {
    size_t size = *(const size_t *)argument, count = effort(PHASE_BYTES) / size;
    char **all = bw_new_array(char *, count);
    for (size_t i = 0; i < count; i++) {
        all[i] = bw_alloc_noscan(size);
        fill(all[i], 0, 8, i);
    }
    for (size_t i = 0; i < count; i++)
        check_pattern(all[i], 8, i, "of the phase's objects");
    bw_keep_alive(all);
    return NULL;
}

static void test_sizes_share_the_heap(void **state) {
    (void)state;
    if (UNDER_SANITIZER || under_valgrind())
        skip();
    uint64_t after_first_round = 0;
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT_OF(phase_sizes); i++) {
            size_t size = phase_sizes[i];
            in_thread(use_one_size, &size);
            clear_stack();
            bw_gc();
            bw_gc(); // what the first left kept empty is not lost to the second
            bw_mem_stats stats;
            bw_read_mem_stats(&stats);
            if (round == 0 && i == 1)
                after_first_round = stats.heap_sys;
            if (round > 0 || i > 1)
                assert_in_range(stats.heap_sys, 0, after_first_round + after_first_round / 4);
        }
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_threads_with_frequent_collections),
        cmocka_unit_test(test_two_give_back),
        cmocka_unit_test(test_memory_goes_back),
        cmocka_unit_test(test_pages_within_spans_go_back),
        cmocka_unit_test(test_sizes_share_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
