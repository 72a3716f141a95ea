// The ledger's identities in every snapshot while threads work, the exact counts of known operations, Go's memory
// statistics, the trace lines, and the knobs that the environment sets.
//
// valgrind: yes
#include "support.h"

#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>

BW_STRUCT(pair, (struct pair *, left), (struct pair *, right), (uint64_t, id));
BW_STRUCT(large_one, (void *, first), (uint64_t[5000], data));

static void *volatile kept;

// --- the identities ---

static bool amount_is(bw_amount a, uint64_t bytes, uint64_t objects) {
    return a.bytes == bytes && a.objects == objects;
}

static void check_identities(const bw_ledger_t *l) {
    CHECK(amount_is(l->alloc, l->new_.bytes + l->make.bytes, l->new_.objects + l->make.objects));
    CHECK(amount_is(l->reclaim, l->nil.bytes + l->zero.bytes, l->nil.objects + l->zero.objects));
    CHECK(
        amount_is(l->layout, l->struct_.bytes + l->slice.bytes + l->map.bytes + l->channel.bytes + l->interface_.bytes,
                  l->struct_.objects + l->slice.objects + l->map.objects + l->channel.objects + l->interface_.objects));
    CHECK(amount_is(l->layout, l->alloc.bytes - l->reclaim.bytes, l->alloc.objects - l->reclaim.objects),
          "alloc %llu/%llu reclaim %llu/%llu layout %llu/%llu", (unsigned long long)l->alloc.bytes,
          (unsigned long long)l->alloc.objects, (unsigned long long)l->reclaim.bytes,
          (unsigned long long)l->reclaim.objects, (unsigned long long)l->layout.bytes,
          (unsigned long long)l->layout.objects);
    CHECK(amount_is(l->safe, l->sync.bytes + l->atomic.bytes + l->error.bytes,
                    l->sync.objects + l->atomic.objects + l->error.objects));
    // Nothing here is made yet by maps, channels, interfaces and what is kept safe.
    CHECK(amount_is(l->map, 0, 0) && amount_is(l->channel, 0, 0) && amount_is(l->interface_, 0, 0));
    CHECK(amount_is(l->safe, 0, 0));
}

static void check_grown(bw_amount before, bw_amount after) {
    CHECK(after.bytes >= before.bytes && after.objects >= before.objects);
    // Every object has at least 16 bytes.
    CHECK(after.bytes - before.bytes >= 16 * (after.objects - before.objects));
}

static void check_successor(const bw_ledger_t *before, const bw_ledger_t *after) {
    check_grown(before->new_, after->new_);
    check_grown(before->make, after->make);
    check_grown(before->nil, after->nil);
    check_grown(before->zero, after->zero);
}

static _Atomic bool working;

static void one_operation(struct random *random, void **mine, size_t count, bw_arena **arena) {
    void **place = &mine[random_below(random, count)];
    switch (random_below(random, 16)) {
    case 0:
    case 1: *place = bw_new(pair); break;
    case 2: *place = bw_alloc(random_below(random, 500)); break;
    case 3: *place = bw_alloc_noscan(random_below(random, 500)); break;
    case 4: *place = bw_new_array(pair, random_below(random, 20)); break;
    case 5: *place = bw_alloc(random_below(random, random_below(random, 20) ? 3000 : 300000)); break;
    case 6: *place = bw_realloc(bw_alloc(random_below(random, 200)), random_below(random, 5000)); break;
    case 7:
        if (random_below(random, 20) == 0)
            *place = bw_new(large_one);
        break;
    case 8:
    case 9:
        bw_free(*place);
        *place = NULL;
        break;
    case 10: {
        void *object = bw_alloc(random_below(random, 100));
        bw_retain(object);
        bw_retain(object);
        bw_release(object);
        bw_release(object);
        break;
    }
    case 11:
    case 12:
        if (*arena == NULL)
            *arena = bw_arena_new();
        for (int i = 0; i < 10; i++)
            *place = bw_arena_alloc(*arena, pair);
        *place = NULL;
        break;
    case 13:
        if (*arena && random_below(random, 10) == 0) {
            if (random_below(random, 2))
                bw_arena_free(*arena); // else it is garbage
            *arena = NULL;
        }
        break;
    case 14: bw_weak_make(bw_new(pair)); break;
    default: *place = NULL; break;
    }
    if (random_below(random, 20000) == 0)
        bw_gc();
}

static void *work(void *argument) {
    struct random random = {check_seed = *(uint64_t *)argument};
    enum { MINE = 200 };
    void **mine = bw_new_array(void *, MINE);
    bw_arena *arena = NULL;
    while (atomic_load(&working))
        one_operation(&random, mine, MINE, &arena);
    return NULL;
}

// A worker that ends by itself after some hundred operations.
static void *work_a_little(void *argument) {
    struct random random = {check_seed = (uint64_t)(uintptr_t)argument};
    enum { MINE = 20 };
    void *mine[MINE] = {NULL};
    bw_arena *arena = NULL;
    for (int i = 0; i < 300; i++)
        one_operation(&random, mine, MINE, &arena);
    return NULL;
}

static void *short_lives(void *argument) {
    (void)argument;
    for (uintptr_t seed = 1000; atomic_load(&working); seed++)
        in_thread(work_a_little, (void *)seed);
    return NULL;
}

static bool much_work_counted(const bw_ledger_t *first, const bw_ledger_t *now) {
    return now->new_.objects > first->new_.objects + 1000 && now->make.objects > first->make.objects + 100 &&
           now->zero.objects > first->zero.objects + 100;
}

static void test_identities(void **state) {
    (void)state;
    uint64_t seeds[4] = {1, 2, 3, 4};
    pthread_t threads[5];
    atomic_store(&working, true);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, work, &seeds[i]) == 0);
    CHECK(pthread_create(&threads[4], NULL, short_lives, NULL) == 0);
    bw_ledger_t first, before, now;
    bw_ledger(&first);
    before = first;
    now = first;
    // However slow the mode makes the workers, it is work that is counted: the test's time limit is the only one.
    size_t snapshots = effort(8000);
    for (size_t i = 0; i < snapshots || !much_work_counted(&first, &now); i++) {
        bw_ledger(&now);
        check_identities(&now);
        check_successor(&before, &now);
        before = now;
        if (i % 16 == 0) {
            bw_mem_stats stats;
            bw_read_mem_stats(&stats);
            CHECK(stats.mallocs - stats.frees == stats.heap_objects);
            CHECK(stats.alloc == stats.heap_alloc && stats.total_alloc >= stats.alloc);
            CHECK(stats.mallocs >= now.alloc.objects && stats.frees >= now.reclaim.objects);
        }
    }
    atomic_store(&working, false);
    for (int i = 0; i < 5; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    bw_gc();
    bw_ledger(&now);
    check_identities(&now);
    check_successor(&before, &now);
    assert_true(now.nil.objects > first.nil.objects + 100);
}

// --- known operations ---

enum { REPEAT = 1000 };

struct known {
    const char *name;
    void (*run)(void);
    // What a run of it adds, once what it dropped was collected.
    bw_amount new_, make, nil, zero, struct_, slice;
};

static void **shelf; // keeps what a run leaves alive
static size_t shelved;

static void know_new(void) {
    for (int i = 0; i < REPEAT; i++)
        kept = bw_new(pair);
}
static void know_alloc(void) {
    for (int i = 0; i < REPEAT; i++)
        kept = i % 2 ? bw_alloc(100) : bw_alloc_noscan(1000);
}
static void know_array(void) {
    for (int i = 0; i < REPEAT; i++)
        kept = bw_new_array(pair, 10);
}
static void know_large(void) {
    for (int i = 0; i < REPEAT; i++)
        kept = i % 2 ? (void *)bw_alloc_noscan(100000) : (void *)bw_new(large_one);
}
static void know_free(void) {
    for (int i = 0; i < REPEAT; i++) {
        bw_free(bw_new(pair));
        bw_free(bw_new_array(pair, 10));
        bw_free(bw_alloc(40000));
    }
}
static void know_retain(void) {
    for (int i = 0; i < REPEAT; i++) {
        pair *object = bw_retain(bw_retain(bw_new(pair)));
        bw_release(object);
        bw_release(object);
    }
}
static void know_realloc(void) {
    for (int i = 0; i < REPEAT; i++)
        kept = bw_realloc(bw_realloc(bw_alloc(16), 200), 50000);
}
static void know_realloc_in_place(void) {
    for (int i = 0; i < REPEAT; i++)
        kept = bw_realloc(bw_alloc(100), 112);
}
static void know_aligned(void) {
    for (int i = 0; i < REPEAT; i++)
        kept = i % 2 ? bw_alloc_aligned(100, 64) : bw_alloc_noscan_aligned(100, 4096);
}
static void know_arena_freed(void) {
    bw_arena *arena = bw_arena_new();
    for (int i = 0; i < REPEAT; i++) {
        kept = bw_arena_alloc(arena, pair);
        kept = bw_arena_alloc_bytes(arena, i);
    }
    bw_arena_free(arena);
}
static void know_arena_dropped(void) {
    bw_arena *arena = bw_arena_new();
    for (int i = 0; i < REPEAT; i++)
        kept = bw_arena_alloc(arena, pair);
}
static void know_arena_kept(void) {
    bw_arena *arena = bw_arena_new();
    shelf[shelved++] = arena;
    for (int i = 0; i < REPEAT; i++)
        kept = bw_arena_alloc(arena, pair);
}
static void know_kept(void) {
    for (int i = 0; i < REPEAT; i++) {
        shelf[shelved++] = bw_new(pair);
        shelf[shelved++] = bw_new_array(pair, 10);
        kept = bw_alloc(64);
    }
}
static void know_none(void) {
    kept = bw_alloc(0);
    bw_free(kept);
    kept = bw_new_array(pair, 0);
    (void)bw_make(pair);
}

// The sum over 0 .. REPEAT-1 of the bytes rounded up to sixteens, at least 16.
#define ARENA_BYTES 507040

static const struct known known[] = {
    {"bw_new", know_new, {32 * REPEAT, REPEAT}, {0, 0}, {32 * REPEAT, REPEAT}, {0, 0}, {0, 0}, {0, 0}},
    {"bw_alloc",
     know_alloc,
     {(112 + 1024) * REPEAT / 2, REPEAT},
     {0, 0},
     {(112 + 1024) * REPEAT / 2, REPEAT},
     {0, 0},
     {0, 0},
     {0, 0}},
    {"bw_new_array", know_array, {0, 0}, {240 * REPEAT, REPEAT}, {240 * REPEAT, REPEAT}, {0, 0}, {0, 0}, {0, 0}},
    {"large objects",
     know_large,
     {(106496 + 40960) * (uint64_t)REPEAT / 2, REPEAT},
     {0, 0},
     {(106496 + 40960) * (uint64_t)REPEAT / 2, REPEAT},
     {0, 0},
     {0, 0},
     {0, 0}},
    {"bw_free",
     know_free,
     {(32 + 40960) * REPEAT, 2 * REPEAT},
     {240 * REPEAT, REPEAT},
     {0, 0},
     {(32 + 240 + 40960) * REPEAT, 3 * REPEAT},
     {0, 0},
     {0, 0}},
    {"bw_release", know_retain, {32 * REPEAT, REPEAT}, {0, 0}, {0, 0}, {32 * REPEAT, REPEAT}, {0, 0}, {0, 0}},
    {"bw_realloc",
     know_realloc,
     {(16 + 208 + 57344) * REPEAT, 3 * REPEAT},
     {0, 0},
     {57344 * REPEAT, REPEAT},
     {(16 + 208) * REPEAT, 2 * REPEAT},
     {0, 0},
     {0, 0}},
    {"bw_realloc in place",
     know_realloc_in_place,
     {112 * REPEAT, REPEAT},
     {0, 0},
     {112 * REPEAT, REPEAT},
     {0, 0},
     {0, 0},
     {0, 0}},
    {"aligned",
     know_aligned,
     {(128 + 4096) * REPEAT / 2, REPEAT},
     {0, 0},
     {(128 + 4096) * REPEAT / 2, REPEAT},
     {0, 0},
     {0, 0},
     {0, 0}},
    {"an arena that ended",
     know_arena_freed,
     {32 * REPEAT + ARENA_BYTES, 2 * REPEAT},
     {0, 0},
     {0, 0},
     {32 * REPEAT + ARENA_BYTES, 2 * REPEAT},
     {0, 0},
     {0, 0}},
    {"an arena that was dropped",
     know_arena_dropped,
     {32 * REPEAT, REPEAT},
     {0, 0},
     {32 * REPEAT, REPEAT},
     {0, 0},
     {0, 0},
     {0, 0}},
    {"an arena that lives",
     know_arena_kept,
     {32 * REPEAT, REPEAT},
     {0, 0},
     {0, 0},
     {0, 0},
     {32 * REPEAT, REPEAT},
     {0, 0}},
    {"what lives",
     know_kept,
     {(32 + 64) * REPEAT, 2 * REPEAT},
     {240 * REPEAT, REPEAT},
     {64 * REPEAT, REPEAT},
     {0, 0},
     {32 * REPEAT, REPEAT},
     {240 * REPEAT, REPEAT}},
    {"the smallest", know_none, {16, 1}, {16, 1}, {16, 1}, {16, 1}, {0, 0}, {0, 0}},
};

static void *run_known(void *argument) {
    ((const struct known *)argument)->run();
    kept = NULL;
    return NULL;
}

static void same(const char *name, const char *what, bw_amount before, bw_amount after, bw_amount wanted) {
    if (amount_is(after, before.bytes + wanted.bytes, before.objects + wanted.objects))
        return;
    fprintf(stderr, "%s: %s grew by %lld bytes, %lld objects, not by %llu, %llu\n", name, what,
            (long long)(after.bytes - before.bytes), (long long)(after.objects - before.objects),
            (unsigned long long)wanted.bytes, (unsigned long long)wanted.objects);
    fail();
}

static void test_known_operations(void **state) {
    (void)state;
    shelf = bw_new_array(void *, 3 * REPEAT);
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        const struct known *k = &known[i];
        bw_ledger_t before, after;
        collect_clean();
        bw_ledger(&before);
        in_thread(run_known, (void *)(uintptr_t)k);
        collect_clean();
        bw_ledger(&after);
        check_identities(&after);
        same(k->name, "new", before.new_, after.new_, k->new_);
        same(k->name, "make", before.make, after.make, k->make);
        same(k->name, "zero", before.zero, after.zero, k->zero);
        same(k->name, "nil", before.nil, after.nil, k->nil);
        same(k->name, "struct", before.struct_, after.struct_, k->struct_);
        same(k->name, "slice", before.slice, after.slice, k->slice);
    }
    // Now all of it goes, and the shelf: by tracing.
    bw_ledger_t before, after;
    bw_ledger(&before);
    shelf = NULL;
    collect_clean();
    bw_ledger(&after);
    same("the shelf", "nil", before.nil, after.nil, (bw_amount){24576 + (64 + 240) * REPEAT, 3 * REPEAT + 1});
    same("the shelf", "zero", before.zero, after.zero, (bw_amount){0, 0});
    same("the shelf", "new", before.new_, after.new_, (bw_amount){0, 0});
}

// A thread that has set a run aside and ended leaves no trace in the counts.
static void *allocate_one(void *unused) {
    (void)unused;
    kept = bw_alloc(48);
    bw_free(kept);
    kept = NULL;
    return NULL;
}

static void test_threads_that_ended(void **state) {
    (void)state;
    bw_ledger_t before, after;
    collect_clean();
    bw_ledger(&before);
    for (int i = 0; i < 100; i++)
        in_thread(allocate_one, NULL);
    bw_ledger(&after);
    check_identities(&after);
    same("threads", "new", before.new_, after.new_, (bw_amount){4800, 100});
    same("threads", "zero", before.zero, after.zero, (bw_amount){4800, 100});
    same("threads", "nil", before.nil, after.nil, (bw_amount){0, 0});
}

// --- MemStats ---

static uint64_t wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void check_stats(const bw_mem_stats *s) {
    assert_int_equal(s->mallocs - s->frees, s->heap_objects);
    assert_int_equal(s->alloc, s->heap_alloc);
    assert_int_equal(s->heap_sys, s->heap_idle + s->heap_inuse);
    assert_int_equal(s->sys, s->heap_sys + s->stack_sys + s->gc_sys + s->other_sys);
    assert_int_equal(s->stack_sys, 0);
    assert_true(s->heap_released <= s->heap_idle);
    assert_true(s->heap_alloc <= s->heap_inuse);
    assert_true(s->total_alloc >= s->alloc);
    assert_true(s->num_forced_gc <= s->num_gc);
    assert_true(s->gc_cpu_fraction >= 0 && s->gc_cpu_fraction <= 1);
    uint64_t sum = 0;
    for (int i = 0; i < 256; i++) {
        sum += s->pause_ns[i];
        // An entry is there if a collection has come to it.
        assert_true((s->pause_ns[i] != 0) == ((uint32_t)i < s->num_gc));
        assert_true((s->pause_end[i] != 0) == ((uint32_t)i < s->num_gc));
    }
    if (s->num_gc <= 256)
        assert_int_equal(sum, s->pause_total_ns);
    else
        assert_true(sum <= s->pause_total_ns);
    if (s->num_gc) {
        uint32_t newest = (s->num_gc + 255) % 256;
        assert_int_equal(s->pause_end[newest], s->last_gc);
        for (uint32_t back = 1; back < 256 && back < s->num_gc; back++)
            assert_true(s->pause_end[(newest + 256 - back) % 256] <= s->pause_end[(newest + 257 - back) % 256]);
    }
}

static void test_mem_stats(void **state) {
    (void)state;
    static bw_mem_stats before, after, last;
    bw_read_mem_stats(&before);
    check_stats(&before);
    bw_ledger_t ledger;
    bw_ledger(&ledger);
    assert_int_equal(before.total_alloc, ledger.alloc.bytes);
    assert_int_equal(before.mallocs, ledger.alloc.objects);
    assert_int_equal(before.frees, ledger.reclaim.objects);
    assert_int_equal(before.heap_alloc, ledger.layout.bytes);

    // Each collection is counted once, and its pause is the newest.
    for (int i = 0; i < 600; i++) {
        bw_read_mem_stats(&before);
        uint64_t from = wall_ns();
        bw_gc();
        uint64_t to = wall_ns();
        bw_read_mem_stats(&after);
        assert_int_equal(after.num_gc, before.num_gc + 1);
        assert_int_equal(after.num_forced_gc, before.num_forced_gc + 1);
        assert_int_equal(after.pause_total_ns - before.pause_total_ns, after.pause_ns[(after.num_gc + 255) % 256]);
        assert_true(after.last_gc >= from && after.last_gc <= to);
        assert_true(after.gc_cpu_ns > before.gc_cpu_ns);
        assert_true(after.pause_total_ns - before.pause_total_ns <= to - from);
        last = after;
    }
    check_stats(&last);
    assert_true(last.num_gc > 256);

    // What is alive is what the collection found; the goal is above it.
    kept = bw_alloc_noscan((size_t)64 << 20);
    bw_gc();
    bw_read_mem_stats(&after);
    check_stats(&after);
    assert_true(after.heap_marked >= (size_t)64 << 20);
    // Marking counts what threads have set aside, too.
    assert_in_range(after.heap_marked, after.heap_alloc, after.heap_alloc + ((size_t)1 << 20));
    assert_true(after.next_gc >= 2 * after.heap_marked && after.next_gc <= 2 * after.heap_marked + ((size_t)64 << 20));
    assert_true(after.heap_inuse >= (size_t)64 << 20);
    bw_free(kept);
    kept = NULL;
    bw_read_mem_stats(&before);
    check_stats(&before);
    assert_int_equal(after.heap_alloc - before.heap_alloc, (size_t)64 << 20);
    assert_true(before.heap_idle >= (size_t)64 << 20);
    bw_free_os_memory();
    bw_read_mem_stats(&after);
    check_stats(&after);
    assert_int_equal(after.heap_released, after.heap_idle);
    assert_true(after.heap_released >= (size_t)64 << 20);
}

static void test_automatic_collections(void **state) {
    (void)state;
    static bw_mem_stats before, after;
    bw_read_mem_stats(&before);
    for (int i = 0; i < 200000; i++)
        kept = bw_alloc(1000);
    kept = NULL;
    bw_read_mem_stats(&after);
    check_stats(&after);
    // The goal is at most 32 MiB, and while it is marked beside the program a quarter more may be handed out.
    assert_true(after.num_gc >= before.num_gc + (debug_has("mark=watch") ? 4 : 5));
    if (!debug_has("gcstress"))
        assert_int_equal(after.num_forced_gc, before.num_forced_gc);
    assert_int_equal(after.mallocs - before.mallocs, 200000);
    assert_int_equal(after.total_alloc - before.total_alloc, 200000ull * 1024);
}

// --- the trace ---

#define FORM_NUMBER "[0-9]+"
#define FORM_MS "[0-9]+\\.[0-9]{3}"
// What tools that read Go's lines expect.
#define FORM_LINE                                                                                                      \
    "^gc (" FORM_NUMBER ") @[0-9]+\\.[0-9]{3}s [0-9]{1,3}%: " FORM_MS "\\+" FORM_MS "\\+" FORM_MS                      \
    " ms clock, " FORM_MS "\\+" FORM_MS "/" FORM_MS "/0\\+" FORM_MS " ms cpu, (" FORM_NUMBER ")->(" FORM_NUMBER        \
    ")->(" FORM_NUMBER ") MB, (" FORM_NUMBER ") MB goal, " FORM_NUMBER " MB stacks, " FORM_NUMBER                      \
    " MB globals, ([0-9]+) P( \\(forced\\))?$"

// What follows one of a collection beside the program, and what says so the first time.
#define FORM_BESIDE                                                                                                    \
    "^(mark: .*|beside " FORM_NUMBER "( \\(minor\\))?: " FORM_NUMBER " rounds, " FORM_NUMBER "\\+" FORM_NUMBER         \
    " pages searched again, " FORM_NUMBER " slices " FORM_MS " ms, longest " FORM_MS " ms; stops " FORM_MS             \
    "\\+" FORM_MS " ms)$"

struct line {
    long number, start, end, live, goal, processors;
    bool forced;
};

// All lines of the child's standard error, each of which must be a trace line.
static size_t parse_trace(struct outcome *outcome, struct line *lines, size_t room) {
    regex_t regex, beside;
    CHECK(regcomp(&regex, FORM_LINE, REG_EXTENDED) == 0 && regcomp(&beside, FORM_BESIDE, REG_EXTENDED) == 0);
    size_t count = 0;
    char *rest = outcome->err, *text;
    while ((text = strsep(&rest, "\n")) != NULL && (*text || rest)) {
        regmatch_t match[8];
        if (regexec(&beside, text, 0, NULL, 0) == 0)
            continue;
        if (regexec(&regex, text, COUNT_OF(match), match, 0) != 0 || count == room) {
            fprintf(stderr, "not a trace line: %s\n", text);
            fail();
        }
        lines[count++] =
            (struct line){atol(text + match[1].rm_so), atol(text + match[2].rm_so), atol(text + match[3].rm_so),
                          atol(text + match[4].rm_so), atol(text + match[5].rm_so), atol(text + match[6].rm_so),
                          match[7].rm_so >= 0};
    }
    regfree(&regex);
    regfree(&beside);
    return count;
}

static void child_churn(void) {
    void *live = bw_alloc_noscan((size_t)10 << 20);
    bw_gc();
    for (int i = 0; i < 60000; i++)
        kept = bw_alloc(1000);
    kept = NULL;
    bw_gc();
    bw_keep_alive(live);
}

static void child_churn_little(void) {
    for (int i = 0; i < 20000000; i++)
        kept = bw_alloc(16);
}

// With next to nothing alive the goal is the least one: 4 MiB, doubled up to three times where pauses take too long.
static void test_least_goal(void **state) {
    (void)state;
    static struct outcome outcome;
    static struct line lines[500];
    static const struct {
        const char *percent;
        long least;
    } cases[] = {{"GOGC=100", 4}, {"GOGC=200", 8}};
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        const char *const settings[] = {"BURROWDEBUG=gctrace=1,mark=stop", cases[c].percent, NULL};
        assert_succeeded("churn_little", settings, &outcome);
        size_t count = parse_trace(&outcome, lines, COUNT_OF(lines));
        assert_in_range(count, 305 / 8 / cases[c].least, 310 / cases[c].least);
        assert_int_equal(lines[0].goal, cases[c].least);
        for (size_t i = 0; i < count; i++) {
            long times = lines[i].goal / cases[c].least;
            assert_true(lines[i].goal % cases[c].least == 0);
            assert_true(times == 1 || times == 2 || times == 4 || times == 8);
            if (i > 0) {
                long before = lines[i - 1].goal / cases[c].least;
                assert_true(times == before || times == 2 * before || 2 * times == before);
            }
        }
    }
}

// One line more for each, and one that says once how it is marked, or why not so.
static void test_trace_beside(void **state) {
    (void)state;
    static struct outcome outcome;
    static struct line lines[500];
    const char *const settings[] = {"BURROWDEBUG=gctrace=1,mark=watch", NULL};
    assert_succeeded("churn", settings, &outcome);
    const char *how = strstr(outcome.err, "mark: ");
    assert_non_null(how);
    assert_null(strstr(how + 1, "mark: "));
    bool refused = strstr(outcome.err, "mark: the world is stopped: ") != NULL;
    assert_int_equal(strstr(outcome.err, "beside 1: ") != NULL, !refused);
    size_t count = parse_trace(&outcome, lines, COUNT_OF(lines));
    assert_true(count >= 3);
    for (size_t i = 0; i < count; i++)
        assert_in_range(lines[i].live, 10, 80);
}

static void test_trace(void **state) {
    (void)state;
    static struct outcome outcome;
    static struct line lines[500];
    const char *const settings[] = {"BURROWDEBUG=gctrace=1,mark=stop", "GOMAXPROCS=3", NULL};
    assert_succeeded("churn", settings, &outcome);
    assert_string_equal(outcome.out, "");
    size_t count = parse_trace(&outcome, lines, COUNT_OF(lines));
    assert_true(count >= 5);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(lines[i].number, i + 1);
        assert_int_equal(lines[i].processors, 3);
        assert_int_equal(lines[i].forced, i == 0 || i == count - 1);
        assert_in_range(lines[i].live, 10, 12);
        assert_true(lines[i].start >= lines[i].live && lines[i].end >= lines[i].live);
        // The goal is the one that this collection was started by: twice what the one before left, or the least goal, if
        // pauses took too much of the time.
        if (i == 0)
            assert_int_equal(lines[i].goal, 4);
        else if (lines[i].goal != 32)
            assert_in_range(lines[i].goal, 20, 24);
        if (i > 0 && i < count - 1)
            assert_in_range(lines[i].start, lines[i].goal - 1, lines[i].goal + 3);
    }
    // Off, only what is asked for.
    const char *const off[] = {"BURROWDEBUG=gctrace=1,mark=stop", "GOMAXPROCS=1", "GOGC=off", NULL};
    assert_succeeded("churn", off, &outcome);
    count = parse_trace(&outcome, lines, COUNT_OF(lines));
    assert_int_equal(count, 2);
    assert_true(lines[0].forced && lines[1].forced);
    assert_int_equal(lines[1].processors, 1);
    assert_in_range(lines[1].start, 68, 72);
    const char *const none[] = {"BURROWDEBUG=gctrace=0", NULL};
    assert_succeeded("churn", none, &outcome);
    assert_string_equal(outcome.err, "");
    const char *const stress[] = {"BURROWDEBUG=gctrace=1,gcstress=1000,minheap=1GiB,mark=stop", NULL};
    assert_succeeded("churn", stress, &outcome);
    count = parse_trace(&outcome, lines, COUNT_OF(lines));
    // Every thousandth of the 60000 slow allocations, and the two that were asked for.
    assert_in_range(count, 62, 63);
    for (size_t i = 0; i < count; i++)
        assert_true(lines[i].forced);
}

// --- the trace of compactions ---

BW_STRUCT(mover, BW_MOVABLE, (struct mover *, next), (uint64_t[7], data));
static mover *movers; // static data pins the first one

static void make_movers(void) {
    mover **end = &movers;
    for (int i = 0; i < 100000; i++) {
        mover *m = bw_new(mover);
        if (i % 10 == 0) {
            *end = m;
            end = &m->next;
        }
    }
}

static void child_compact(void) {
    make_movers();
    bw_pin(movers->next);
    CHECK(bw_compact() && bw_compact());
    bw_compaction c;
    bw_read_compaction(&c);
    printf("%llu %llu %.1f %llu %.1f %llu %llu %llu %llu %.1f %.1f\n", (unsigned long long)c.count,
           (unsigned long long)c.moved_objects, (double)c.moved_bytes / (1 << 20),
           (unsigned long long)(c.by_stack + c.by_data + c.by_memory + c.by_request),
           (double)c.pinned_bytes / (1 << 20), (unsigned long long)c.by_stack, (unsigned long long)c.by_data,
           (unsigned long long)c.by_memory, (unsigned long long)c.by_request, (double)c.emptied_bytes / (1 << 20),
           (double)c.released_bytes / (1 << 20));
}

static void child_compact_by_itself(void) {
    for (int round = 0; round < 5; round++) {
        make_movers();
        bw_gc();
    }
}

#define FORM_MB "[0-9]+\\.[0-9] MB"
#define FORM_COMPACTION                                                                                                \
    "^compact " FORM_NUMBER " @[0-9]+\\.[0-9]{3}s: " FORM_NUMBER " objects " FORM_MB " moved, " FORM_NUMBER            \
    " objects " FORM_MB " pinned \\(" FORM_NUMBER " stacks, " FORM_NUMBER " globals, " FORM_NUMBER                     \
    " memory, " FORM_NUMBER " asked\\), " FORM_MB " emptied, " FORM_MB " released, " FORM_MS "\\+" FORM_MS             \
    "\\+" FORM_MS "\\+" FORM_MS "\\+" FORM_MS " ms mark\\+pin\\+plan\\+update\\+move, " FORM_MS " ms pause$"

// Of each compaction there are a collection's line and its own, which agrees with what bw_read_compaction says.
static void test_trace_of_compactions(void **state) {
    (void)state;
    static struct outcome outcome;
    const char *const settings[] = {"BURROWDEBUG=gctrace=1", NULL};
    assert_succeeded("compact", settings, &outcome);
    regex_t own, collection;
    assert_int_equal(regcomp(&own, FORM_COMPACTION, REG_EXTENDED), 0);
    assert_int_equal(regcomp(&collection, FORM_LINE, REG_EXTENDED), 0);
    char *rest = outcome.err, *text, *before = NULL;
    int lines = 0;
    double told[11] = {0};
    while ((text = strsep(&rest, "\n")) != NULL) {
        if (strncmp(text, "compact ", 8) == 0) {
            if (regexec(&own, text, 0, NULL, 0) != 0)
                fail_msg("not a compaction's line: %s", text);
            assert_non_null(before);
            assert_int_equal(regexec(&collection, before, 0, NULL, 0), 0);
            assert_non_null(strstr(before, " (forced)"));
            int got = sscanf(text,
                             "compact %lf @%*fs: %lf objects %lf MB moved, %lf objects %lf MB pinned (%lf stacks, "
                             "%lf globals, %lf memory, %lf asked), %lf MB emptied, %lf MB released",
                             &told[0], &told[1], &told[2], &told[3], &told[4], &told[5], &told[6], &told[7], &told[8],
                             &told[9], &told[10]);
            assert_int_equal(got, 11);
            assert_int_equal((int)told[0], ++lines);
            // The first leaves nothing for the second to empty, though a slot that is no longer pinned may move all else.
            assert_true(lines == 1 ? told[1] > 9000 && told[9] > 2 : told[9] < 0.5);
            assert_true(told[5] + told[6] >= 1 && told[8] >= 1); // a word on the stack may be found first
        }
        before = text;
    }
    assert_int_equal(lines, 2);
    char *from = outcome.out;
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        double here = strtod(from, &from);
        assert_true(here == told[i]);
    }
    // So has each that a collection makes by itself.
    const char *const always[] = {"BURROWDEBUG=gctrace=1,compact=always", NULL};
    assert_succeeded("compact_by_itself", always, &outcome);
    lines = 0;
    for (rest = outcome.err; (text = strsep(&rest, "\n")) != NULL && *text; lines++) {
        assert_int_equal(regexec(&collection, text, 0, NULL, 0), 0);
        text = strsep(&rest, "\n");
        assert_non_null(text);
        assert_int_equal(regexec(&own, text, 0, NULL, 0), 0);
        assert_int_equal(strtol(text + strlen("compact "), NULL, 10), lines + 1);
    }
    assert_true(lines >= 5);
    regfree(&own);
    regfree(&collection);
    const char *const none[] = {"BURROWDEBUG=gctrace=0", NULL};
    assert_succeeded("compact", none, &outcome);
    assert_string_equal(outcome.err, "");
}

// --- knobs that are wrong ---

static void *allocate_some(void *unused) {
    (void)unused;
    void *volatile mine;
    for (int i = 0; i < 100; i++)
        mine = bw_alloc(100);
    (void)mine;
    return NULL;
}

// Several threads begin at once, and collect: the messages come once.
static void child_begin(void) {
    pthread_t threads[8];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, allocate_some, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    bw_gc();
    printf("%lld %lld %zu\n", (long long)bw_set_gc_percent(100), (long long)bw_set_memory_limit(-1),
           bw_set_min_heap(0));
}

#define TOLD(text, why) "burrow: BURROWDEBUG: " text ": " why "; ignored\n"
#define NO_KNOB "no such knob (BURROWDEBUG=help=1 lists them)"
#define DEFAULTS "100 9223372036854775807 0\n"

static void test_wrong_knobs(void **state) {
    (void)state;
    static const struct {
        const char *setting, *told, *result;
    } cases[] = {
        {"BURROWDEBUG=nonsense=1", TOLD("nonsense=1", NO_KNOB), DEFAULTS},
        {"BURROWDEBUG=nonsense", TOLD("nonsense", NO_KNOB), DEFAULTS},
        {"BURROWDEBUG==1", TOLD("=1", NO_KNOB), DEFAULTS},
        {"BURROWDEBUG=GCTRACE=1", TOLD("GCTRACE=1", NO_KNOB), DEFAULTS},
        {"BURROWDEBUG=gctrac=1", TOLD("gctrac=1", NO_KNOB), DEFAULTS},
        {"BURROWDEBUG=gctrace=2", TOLD("gctrace=2", "out of range"), DEFAULTS},
        {"BURROWDEBUG=gctrace=-1", TOLD("gctrace=-1", "out of range"), DEFAULTS},
        {"BURROWDEBUG=gctrace=yes", TOLD("gctrace=yes", "not a number"), DEFAULTS},
        {"BURROWDEBUG=gctrace=1x", TOLD("gctrace=1x", "not a number"), DEFAULTS},
        {"BURROWDEBUG=gctrace=", TOLD("gctrace=", "not a number"), DEFAULTS},
        {"BURROWDEBUG=gctrace", TOLD("gctrace", "not a number"), DEFAULTS},
        {"BURROWDEBUG=gctrace= 1", TOLD("gctrace= 1", "not a number"), DEFAULTS},
        {"BURROWDEBUG=gcstress=-3", TOLD("gcstress=-3", "out of range"), DEFAULTS},
        {"BURROWDEBUG=gcstress=4294967297", TOLD("gcstress=4294967297", "out of range"), DEFAULTS},
        {"BURROWDEBUG=stopsignal=4294967306", TOLD("stopsignal=4294967306", "out of range"), DEFAULTS},
        {"BURROWDEBUG=gcstress=99999999999999999999", TOLD("gcstress=99999999999999999999", "not a number"), DEFAULTS},
        {"BURROWDEBUG=minheap=12XB", TOLD("minheap=12XB", "not a size such as 64MiB"), DEFAULTS},
        {"BURROWDEBUG=minheap=MiB", TOLD("minheap=MiB", "not a size such as 64MiB"), DEFAULTS},
        {"BURROWDEBUG=minheap=64MB", TOLD("minheap=64MB", "not a size such as 64MiB"), DEFAULTS},
        {"BURROWDEBUG=minheap=-5", TOLD("minheap=-5", "not a size such as 64MiB"), DEFAULTS},
        {"BURROWDEBUG=minheap=9000000TiB", TOLD("minheap=9000000TiB", "not a size such as 64MiB"), DEFAULTS},
        {"BURROWDEBUG=poison=1,,verify=3,minheap=64MiB,what", TOLD("verify=3", "out of range") TOLD("what", NO_KNOB),
         "100 9223372036854775807 67108864\n"},
        {"BURROWDEBUG=", "", DEFAULTS},
        {"BURROWDEBUG=minheap=1KiB", "", "100 9223372036854775807 1024\n"},
        {"BURROWDEBUG=minheap=3B", "", "100 9223372036854775807 3\n"},
        {"BURROWDEBUG=minheap=2GiB", "", "100 9223372036854775807 2147483648\n"},
        {"GOGC=abc", "burrow: GOGC: abc: neither a percentage nor \"off\"; ignored\n", DEFAULTS},
        {"GOGC=50%", "burrow: GOGC: 50%: neither a percentage nor \"off\"; ignored\n", DEFAULTS},
        {"GOGC=99999999999", "burrow: GOGC: 99999999999: neither a percentage nor \"off\"; ignored\n", DEFAULTS},
        {"GOGC=off", "", "-1 9223372036854775807 0\n"},
        {"GOGC=-5", "", "-1 9223372036854775807 0\n"},
        {"GOGC=50", "", "50 9223372036854775807 0\n"},
        {"GOMEMLIMIT=12XB", "burrow: GOMEMLIMIT: 12XB: neither a size such as 512MiB nor \"off\"; ignored\n", DEFAULTS},
        {"GOMEMLIMIT=-1", "burrow: GOMEMLIMIT: -1: neither a size such as 512MiB nor \"off\"; ignored\n", DEFAULTS},
        {"GOMEMLIMIT=1.5GiB", "burrow: GOMEMLIMIT: 1.5GiB: neither a size such as 512MiB nor \"off\"; ignored\n",
         DEFAULTS},
        {"GOMEMLIMIT=off", "", DEFAULTS},
        {"GOMEMLIMIT=1GiB", "", "100 1073741824 0\n"},
        {"GOMEMLIMIT=1073741825", "", "100 1073741825 0\n"},
        {"GOMEMLIMIT=1073741826B", "", "100 1073741826 0\n"},
        {"GOMEMLIMIT=1TiB", "", "100 1099511627776 0\n"},
        {"GOMAXPROCS=0", "burrow: GOMAXPROCS: 0: not a number above 0; ignored\n", DEFAULTS},
        {"GOMAXPROCS=-3", "burrow: GOMAXPROCS: -3: not a number above 0; ignored\n", DEFAULTS},
        {"GOMAXPROCS=two", "burrow: GOMAXPROCS: two: not a number above 0; ignored\n", DEFAULTS},
    };
    static struct outcome outcome;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool debug = strncmp(cases[i].setting, "BURROWDEBUG", 11) == 0;
        const char *const settings[] = {cases[i].setting, debug ? NULL : "BURROWDEBUG=", NULL};
        assert_succeeded("begin", settings, &outcome);
        if (strcmp(outcome.err, cases[i].told) != 0 || strcmp(outcome.out, cases[i].result) != 0) {
            fprintf(stderr, "%s: expected %s and %s", cases[i].setting, cases[i].result, cases[i].told);
            outcome_print(&outcome);
            fail();
        }
    }
}

static void test_help(void **state) {
    (void)state;
    static struct outcome outcome;
    const char *const settings[] = {"BURROWDEBUG=help=1", NULL};
    assert_succeeded("begin", settings, &outcome);
    assert_string_equal(outcome.out, DEFAULTS);
    assert_true(first_line_is(outcome.err, "BURROWDEBUG is a comma-separated list of name=value:"));
    static const char *const knobs[] = {"gctrace=0|1",  "verify=0|1", "gcstress=N",  "poison=0|1",
                                        "minheap=SIZE", "ledger=0|1", "stopsignal=N"};
    for (size_t i = 0; i < COUNT_OF(knobs); i++) {
        char line[100];
        snprintf(line, sizeof line, "\n  %s\t", knobs[i]);
        assert_non_null(strstr(outcome.err, line));
    }
    assert_null(strstr(outcome.err, "ignored"));
}

// --- knobs that work ---

static bw_mem_stats stats_now(void) {
    bw_mem_stats stats;
    bw_read_mem_stats(&stats);
    return stats;
}

static void make_garbage(size_t bytes) {
    for (size_t done = 0; done < bytes; done += 1024)
        kept = bw_alloc(1000);
    kept = NULL;
}

static void child_off(void) {
    make_garbage((size_t)100 << 20);
    CHECK(stats_now().num_gc == 0);
    bw_gc();
    CHECK(stats_now().num_gc == 1 && stats_now().num_forced_gc == 1);
    make_garbage((size_t)100 << 20);
    CHECK(stats_now().num_gc == 1);
    CHECK(bw_set_gc_percent(100) == -1);
    make_garbage((size_t)300 << 20);
    CHECK(stats_now().num_gc > 3);
}

/* One that goes on beside the program may not have ended yet: on a machine that is busy, for some time. */
static void wait_for_collection(uint32_t number) {
    for (int tries = 0; tries < 10000 && stats_now().num_gc < number; tries++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void child_percent(void) {
    int64_t percent = bw_set_gc_percent(77);
    CHECK(bw_set_gc_percent(percent) == 77);
    // The least goal is 4 MiB x GOGC / 100.
    bw_mem_stats stats = stats_now();
    CHECK(stats.next_gc == ((uint64_t)4 << 20) * (uint64_t)percent / 100, "%llu", (unsigned long long)stats.next_gc);
    void *volatile live = bw_alloc_noscan((size_t)64 << 20);
    for (int64_t setting = percent; setting > 0; setting = setting == percent ? 2 * percent : 0) {
        bw_set_gc_percent(setting);
        bw_gc();
        stats = stats_now();
        uint64_t wanted = stats.heap_marked + stats.heap_marked * (uint64_t)setting / 100;
        // The roots count, too: some MiB at most.
        CHECK(stats.next_gc >= wanted && stats.next_gc <= wanted + ((uint64_t)16 << 20) * (uint64_t)setting / 100);
        // So many bytes of garbage start one collection, and not much less does.
        uint32_t count = stats.num_gc;
        make_garbage((stats.next_gc - stats.heap_marked) * 9 / 10);
        CHECK(stats_now().num_gc == count);
        make_garbage((stats.next_gc - stats.heap_marked) / 5);
        wait_for_collection(count + 1);
        CHECK(stats_now().num_gc == count + 1, "%u", stats_now().num_gc - count);
    }
    bw_keep_alive(live);
}

static void child_memory_limit(void) {
    int64_t limit = (int64_t)64 << 20;
    CHECK(bw_set_memory_limit(-1) == limit);
    // Without it nothing would be collected: GOGC is off.
    void **live = bw_new_array(void *, 1000);
    for (size_t i = 0; i < (size_t)1 << 20; i++) {
        kept = bw_alloc(1000);
        live[i % 1000] = kept;
        if (i % 50000 == 0) {
            bw_mem_stats stats = stats_now();
            CHECK(stats.sys - stats.heap_released <= (uint64_t)(limit + limit / 8), "%llu",
                  (unsigned long long)stats.sys);
        }
    }
    bw_mem_stats stats = stats_now();
    CHECK(stats.num_gc >= 16 && stats.num_gc <= 60, "%u", stats.num_gc);
    CHECK(stats.next_gc <= (uint64_t)limit);
    // What lives is beyond the limit: it is soft, and collections do not eat the program up.
    bw_keep_alive(live);
    void **more = bw_new_array(void *, 200000);
    uint32_t before = stats.num_gc;
    for (size_t i = 0; i < 200000; i++)
        more[i] = bw_alloc(1000);
    stats = stats_now();
    CHECK(stats.heap_alloc > (uint64_t)limit * 3);
    CHECK(stats.num_gc - before < 100, "%u", stats.num_gc - before);
    CHECK(bw_set_memory_limit(INT64_MAX) == limit);
    CHECK(bw_set_memory_limit(-1) == INT64_MAX);
    bw_keep_alive(more);
}

static void child_processors(void) {
    CHECK(bw_gomaxprocs(0) == 3);
    CHECK(bw_gomaxprocs(-1) == 3);
    CHECK(bw_gomaxprocs(5) == 3);
    CHECK(bw_gomaxprocs(1) == 5);
    bw_gc();
    CHECK(bw_gomaxprocs(0) == 1);
}

static void child_min_heap(void) {
    make_garbage((size_t)60 << 20);
    bw_mem_stats stats = stats_now();
    CHECK(stats.num_gc == 0 && stats.next_gc == (uint64_t)64 << 20);
    make_garbage((size_t)8 << 20);
    wait_for_collection(1);
    CHECK(stats_now().num_gc == 1);
    CHECK(stats_now().next_gc == (uint64_t)64 << 20);
    CHECK(bw_set_min_heap(0) == (size_t)64 << 20);
    CHECK(bw_set_min_heap((size_t)32 << 20) == 0);
    bw_gc();
    CHECK(stats_now().next_gc == (uint64_t)32 << 20);
}

static void test_knobs_work(void **state) {
    (void)state;
    const char *const off[] = {"GOGC=off", "BURROWDEBUG=", NULL};
    assert_succeeded("off", off, NULL);
    const char *const low[] = {"GOGC=50", "BURROWDEBUG=", NULL};
    assert_succeeded("percent", low, NULL);
    const char *const high[] = {"GOGC=400", "BURROWDEBUG=", NULL};
    assert_succeeded("percent", high, NULL);
    const char *const limit[] = {"GOGC=off", "GOMEMLIMIT=64MiB", "BURROWDEBUG=", NULL};
    assert_succeeded("memory_limit", limit, NULL);
    const char *const processors[] = {"GOMAXPROCS=3", "BURROWDEBUG=", NULL};
    assert_succeeded("processors", processors, NULL);
    const char *const minheap[] = {"BURROWDEBUG=minheap=64MiB", NULL};
    assert_succeeded("min_heap", minheap, NULL);
}

// --- the table ---

static void child_table(void) {
    for (int i = 0; i < 1000; i++)
        kept = bw_new(pair);
    for (int i = 0; i < 500; i++)
        bw_free(bw_new_array(pair, 10));
    bw_ledger_print(1);
}

// The table's rows in order, with what stands after the numbers.
static const struct {
    const char *name, *what;
} rows[] = {
    {"  alloc", "= new + make: handed to the program since it started"},
    {"    new", "single objects"},
    {"    make", "arrays, maps, channels"},
    {"  reclaim", "= nil + zero: taken back"},
    {"    nil", "found unreachable by the collector"},
    {"    zero", "freed, released to 0, or in an arena that ended"},
    {"  layout", "= alloc - reclaim: now in the heap"},
    {"    struct", ""},
    {"    slice", ""},
    {"    map", ""},
    {"    channel", ""},
    {"    interface", ""},
    {"  safe", "= sync + atomic + error, of those in layout"},
};

static void parse_table(char *text, bw_amount *amounts) {
    char *rest = text, *line = strsep(&rest, "\n");
    assert_string_equal(line, "ledger                bytes        objects");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned long long bytes, objects;
        int end = 0;
        line = strsep(&rest, "\n");
        assert_non_null(line);
        assert_memory_equal(line, rows[i].name, strlen(rows[i].name));
        assert_int_equal(sscanf(line + strlen(rows[i].name), " %llu %llu%n", &bytes, &objects, &end), 2);
        char *what = line + strlen(rows[i].name) + end;
        what += strspn(what, " ");
        assert_string_equal(what, rows[i].what);
        amounts[i] = (bw_amount){bytes, objects};
    }
    assert_string_equal(rest, "");
}

static void test_table(void **state) {
    (void)state;
    static struct outcome outcome;
    bw_amount amounts[COUNT_OF(rows)];
    const char *const plain[] = {"BURROWDEBUG=", NULL};
    assert_succeeded("table", plain, &outcome);
    assert_string_equal(outcome.err, "");
    parse_table(outcome.out, amounts);
    assert_true(amount_is(amounts[0], 32 * 1000 + 240 * 500, 1500));
    assert_true(amount_is(amounts[1], 32 * 1000, 1000));
    assert_true(amount_is(amounts[2], 240 * 500, 500));
    assert_true(amount_is(amounts[3], 240 * 500, 500));
    assert_true(amount_is(amounts[4], 0, 0));
    assert_true(amount_is(amounts[5], 240 * 500, 500));
    assert_true(amount_is(amounts[6], 32 * 1000, 1000));
    assert_true(amount_is(amounts[7], 32 * 1000, 1000));
    for (size_t i = 8; i < COUNT_OF(rows); i++)
        assert_true(amount_is(amounts[i], 0, 0));
    const char *const at_exit[] = {"BURROWDEBUG=ledger=1", NULL};
    bw_amount last[COUNT_OF(rows)];
    assert_succeeded("table", at_exit, &outcome);
    parse_table(outcome.err, last);
    assert_memory_equal(last, amounts, sizeof last);
}

// --- children ---

#define CHILD(name)                                                                                                    \
    { #name, child_##name }
static const struct child children[] = {
    CHILD(churn),      CHILD(churn_little), CHILD(begin), CHILD(off),     CHILD(percent),           CHILD(memory_limit),
    CHILD(processors), CHILD(min_heap),     CHILD(table), CHILD(compact), CHILD(compact_by_itself),
};

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_known_operations),
        cmocka_unit_test(test_threads_that_ended),
        cmocka_unit_test(test_mem_stats),
        cmocka_unit_test(test_automatic_collections),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_trace_beside),
        cmocka_unit_test(test_trace_of_compactions),
        cmocka_unit_test(test_least_goal),
        cmocka_unit_test(test_wrong_knobs),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_knobs_work),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
