// All metrics: what is said of them, unknown names, whose memory histograms are in, that they agree with the ledger, the
// statistics and each other, and that none that may only grow falls while threads and goroutines work.
//
// modes: plain verify=1 poison=1,gcstress=200 mark=watch,verify=1
// valgrind: yes
#include "metrics.h"

// --- what is said of them ---

// A metric is never renamed.
static const char *const known[] = {
    "/burrow/cpu/gc:cpu-seconds",
    "/burrow/gc/assists:seconds",
    "/burrow/gc/beside/cycles:gc-cycles",
    "/burrow/gc/beside/pages:pages",
    "/burrow/gc/beside/rounds:rounds",
    "/burrow/gc/beside/slices:slices",
    "/burrow/gc/compactions/emptied:bytes",
    "/burrow/gc/compactions/moved:bytes",
    "/burrow/gc/compactions:compactions",
    "/burrow/gc/cycles/minor:gc-cycles",
    "/burrow/heap/channels:bytes",
    "/burrow/heap/interfaces:bytes",
    "/burrow/heap/maps:bytes",
    "/burrow/heap/slices:bytes",
    "/burrow/heap/structs:bytes",
    "/burrow/memory/cgroup-limit:bytes",
    "/cpu/classes/gc/mark/assist:cpu-seconds",
    "/cpu/classes/gc/mark/dedicated:cpu-seconds",
    "/cpu/classes/gc/pause:cpu-seconds",
    "/cpu/classes/gc/total:cpu-seconds",
    "/cpu/classes/total:cpu-seconds",
    "/gc/cleanups/executed:cleanups",
    "/gc/cleanups/queued:cleanups",
    "/gc/cycles/automatic:gc-cycles",
    "/gc/cycles/forced:gc-cycles",
    "/gc/cycles/total:gc-cycles",
    "/gc/finalizers/executed:finalizers",
    "/gc/finalizers/queued:finalizers",
    "/gc/gogc:percent",
    "/gc/gomemlimit:bytes",
    "/gc/heap/allocs-by-size:bytes",
    "/gc/heap/allocs:bytes",
    "/gc/heap/allocs:objects",
    "/gc/heap/frees-by-size:bytes",
    "/gc/heap/frees:bytes",
    "/gc/heap/frees:objects",
    "/gc/heap/goal:bytes",
    "/gc/heap/live:bytes",
    "/gc/heap/objects:objects",
    "/gc/limiter/last-enabled:gc-cycle",
    "/gc/scan/globals:bytes",
    "/gc/scan/heap:bytes",
    "/gc/scan/stack:bytes",
    "/gc/scan/total:bytes",
    "/memory/classes/heap/free:bytes",
    "/memory/classes/heap/objects:bytes",
    "/memory/classes/heap/released:bytes",
    "/memory/classes/heap/unused:bytes",
    "/memory/classes/metadata/other:bytes",
    "/memory/classes/total:bytes",
    "/sched/gomaxprocs:threads",
    "/sched/goroutines/not-in-go:goroutines",
    "/sched/goroutines/runnable:goroutines",
    "/sched/goroutines/running:goroutines",
    "/sched/goroutines/waiting:goroutines",
    "/sched/goroutines:goroutines",
    "/sched/pauses/stopping/gc:seconds",
    "/sched/pauses/stopping/other:seconds",
    "/sched/pauses/total/gc:seconds",
    "/sched/pauses/total/other:seconds",
    "/sched/threads/total:threads",
};

static void test_descriptions(void **state) {
    (void)state;
    read_all(&first);
    for (size_t i = 0; i < first.count; i++) {
        const bw_metric *metric = bw_metric_at(i);
        const bw_metric_sample *sample = &first.samples[i];
        CHECK(i == 0 || strcmp(bw_metric_at(i - 1)->name, metric->name) < 0, "%s: not in order", metric->name);
        CHECK(metric->name[0] == '/' && strchr(metric->name, ':') != NULL && strchr(metric->name, ' ') == NULL);
        CHECK(strlen(metric->description) > 10 && metric->description[strlen(metric->description) - 1] == '.');
        CHECK(sample->kind == metric->kind && metric->kind != BW_METRIC_BAD);
        if (metric->kind != BW_METRIC_HISTOGRAM) {
            CHECK(metric->buckets == 0);
            continue;
        }
        const bw_histogram *h = &sample->histogram;
        CHECK(metric->cumulative && h->buckets == metric->buckets && h->buckets > 10);
        CHECK(h->counts == first.counts[i] && h->room == MOST_BUCKETS);
        for (size_t b = 0; b < h->buckets; b++)
            CHECK(h->bounds[b] < h->bounds[b + 1] && h->bounds[b] >= 0);
        CHECK(isinf(h->bounds[h->buckets]));
    }
    assert_null(bw_metric_at(first.count + 1));
    assert_null(bw_metric_at(SIZE_MAX));
    assert_int_equal(first.count, COUNT_OF(known));
    for (size_t i = 0; i < COUNT_OF(known); i++)
        assert_string_equal(bw_metric_at(i)->name, known[i]);
}

static void test_unknown(void **state) {
    (void)state;
    assert_int_equal(bw_metrics(NULL, 0), 0);
    static const char *const wrong[] = {
        "", "/", "x", "/gc", "/gc/gogc", "/gc/gogc:", "/gc/gogc:bytes", "/gc/gogc:percent ", "/zzz:bytes", NULL,
    };
    static bw_metric_sample samples[2 * COUNT_OF(wrong)];
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        uint64_t *counts = first.counts[0];
        samples[2 * i] = (bw_metric_sample){wrong[i], BW_METRIC_HISTOGRAM, 7, 8, {1, NULL, counts, 3}};
        samples[2 * i + 1] = (bw_metric_sample){.name = "/gc/gogc:percent", .u64 = 1};
        assert_int_equal(bw_metrics(&samples[2 * i], 1), 0);
    }
    assert_int_equal(bw_metrics(samples, COUNT_OF(samples)), COUNT_OF(wrong));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        const bw_metric_sample *bad = &samples[2 * i], *good = &samples[2 * i + 1];
        assert_int_equal(bad->kind, BW_METRIC_BAD);
        assert_ptr_equal(bad->name, wrong[i]);
        assert_true(bad->u64 == 7 && bad->f64 == 8);
        assert_true(bad->histogram.buckets == 1 && bad->histogram.room == 3);
        assert_ptr_equal(bad->histogram.counts, first.counts[0]);
        assert_int_equal(good->kind, BW_METRIC_UINT64);
        assert_int_equal(good->u64, 100);
    }
}

// --- whose memory the counts are in ---

static void *read_into_heap(void *unused) {
    (void)unused;
    static bw_metric_sample s = {.name = "/sched/pauses/total/gc:seconds"};
    uint64_t own[2] = {1, 2};
    s.histogram = (bw_histogram){0};
    CHECK(bw_metrics(&s, 1) == 1 && s.histogram.room == s.histogram.buckets);
    uint64_t *made = s.histogram.counts;
    CHECK(bw_base(made) == made && bw_size(made) >= s.histogram.buckets * sizeof *made);
    bw_gc();
    CHECK(bw_metrics(&s, 1) == 1 && s.histogram.counts == made && all_of(&s.histogram) > 0);
    // Too small: it is left alone.
    s.histogram.counts = own;
    s.histogram.room = COUNT_OF(own);
    CHECK(bw_metrics(&s, 1) == 1 && s.histogram.counts != own && own[0] == 1 && own[1] == 2);
    CHECK(bw_base(s.histogram.counts) == s.histogram.counts);
    s.histogram = (bw_histogram){0};
    return NULL;
}

static void test_counts_in_heap(void **state) {
    (void)state;
    collect_clean();
    in_thread(read_into_heap, NULL);
    collect_clean();
    uint64_t before = live_objects();
    in_thread(read_into_heap, NULL);
    collect_clean();
    assert_int_equal(live_objects(), before);
}

// --- that they agree with what there is besides ---

static bool same_memory(const bw_mem_stats *a, const bw_mem_stats *b) {
    return a->sys == b->sys && a->heap_idle == b->heap_idle && a->heap_released == b->heap_released &&
           a->heap_inuse == b->heap_inuse && a->num_gc == b->num_gc;
}

static void check_agrees(const struct reading *r, const bw_mem_stats *s, const bw_ledger_t *l) {
    CHECK(number(r, "/gc/heap/allocs:bytes") == l->alloc.bytes && l->alloc.bytes == s->total_alloc);
    CHECK(number(r, "/gc/heap/allocs:objects") == l->alloc.objects && l->alloc.objects == s->mallocs);
    CHECK(number(r, "/gc/heap/frees:bytes") == l->reclaim.bytes);
    CHECK(number(r, "/gc/heap/frees:objects") == l->reclaim.objects && l->reclaim.objects == s->frees);
    CHECK(number(r, "/gc/heap/objects:objects") == l->layout.objects && l->layout.objects == s->heap_objects);
    CHECK(number(r, "/memory/classes/heap/objects:bytes") == l->layout.bytes && l->layout.bytes == s->heap_alloc);
    CHECK(number(r, "/burrow/heap/slices:bytes") == l->slice.bytes);
    CHECK(number(r, "/burrow/heap/maps:bytes") == l->map.bytes);
    CHECK(number(r, "/burrow/heap/structs:bytes") == l->struct_.bytes);
    CHECK(number(r, "/gc/heap/goal:bytes") == s->next_gc && number(r, "/gc/heap/live:bytes") == s->heap_marked);
    CHECK(number(r, "/gc/cycles/total:gc-cycles") == s->num_gc);
    CHECK(number(r, "/burrow/gc/cycles/minor:gc-cycles") == figures.minor);
    CHECK(number(r, "/gc/limiter/last-enabled:gc-cycle") <= s->num_gc);
    CHECK(number(r, "/burrow/memory/cgroup-limit:bytes") >= s->heap_inuse);
    CHECK(number(r, "/gc/cycles/forced:gc-cycles") == s->num_forced_gc);
    CHECK(number(r, "/memory/classes/total:bytes") == s->sys);
    CHECK(number(r, "/memory/classes/metadata/other:bytes") == s->gc_sys + s->other_sys);
    CHECK(number(r, "/memory/classes/heap/released:bytes") == s->heap_released);
    CHECK(number(r, "/memory/classes/heap/free:bytes") == s->heap_idle - s->heap_released);
    CHECK(number(r, "/memory/classes/heap/unused:bytes") == s->heap_inuse - s->heap_alloc);
    CHECK(fabs(seconds(r, "/burrow/cpu/gc:cpu-seconds") - (double)s->gc_cpu_ns / 1e9) < 1e-9);
}

static void test_agrees(void **state) {
    (void)state;
    static bw_mem_stats before, after;
    bw_ledger_t ledger;
    for (int i = 0; i < 1000; i++)
        kept = bw_alloc(1 << i % 17);
    bw_compact();
    bw_gc();
    // The library may give memory back meanwhile.
    int tries = 0;
    do {
        CHECK(++tries < 1000);
        bw_read_mem_stats(&before);
        bw_ledger(&ledger);
        read_all(&first);
        bw_read_mem_stats(&after);
    } while (!same_memory(&before, &after));
    check_sums(&first);
    check_agrees(&first, &before, &ledger);
    bw_compaction compaction;
    bw_read_compaction(&compaction);
    assert_int_equal(number(&first, "/burrow/gc/compactions:compactions"), compaction.count);
    assert_true(compaction.count > 0);
    assert_int_equal(number(&first, "/burrow/gc/compactions/moved:bytes"), compaction.moved_bytes);
    assert_int_equal(number(&first, "/burrow/gc/compactions/emptied:bytes"), compaction.emptied_bytes);
}

static void test_knobs(void **state) {
    (void)state;
    bw_metric_sample s[] = {{.name = "/gc/gogc:percent"}, {.name = "/gc/gomemlimit:bytes"}};
    bw_metrics(s, 2);
    assert_int_equal(s[0].u64, 100);
    assert_true(s[1].u64 == INT64_MAX);
    bw_set_gc_percent(-1);
    bw_set_memory_limit((int64_t)1 << 40);
    bw_metrics(s, 2);
    assert_true(s[0].u64 == UINT64_MAX);
    assert_true(s[1].u64 == (uint64_t)1 << 40);
    bw_set_gc_percent(100);
    bw_set_memory_limit(INT64_MAX);

    // Time goes on for so many processors as there were then.
    bw_metric_sample p[] = {{.name = "/cpu/classes/total:cpu-seconds"}, {.name = "/sched/gomaxprocs:threads"}};
    int processors = bw_gomaxprocs(100);
    double before = seconds_now(), value[3];
    bw_metrics(p, 2);
    value[0] = p[0].f64;
    assert_int_equal(p[1].u64, 100);
    sleep_ms(20);
    bw_gomaxprocs(processors);
    bw_metrics(p, 2);
    value[1] = p[0].f64;
    assert_int_equal(p[1].u64, processors);
    double took = seconds_now() - before;
    assert_true(value[1] - value[0] >= 100 * 0.02);
    assert_true(value[1] - value[0] <= 100 * took);
    sleep_ms(5);
    bw_metrics(p, 2);
    value[2] = p[0].f64 - value[1];
    assert_true(value[2] >= 0.005 * processors && value[2] <= (seconds_now() - before) * processors);
}

// --- by size ---

static uint64_t grown_by(const char *name, size_t bytes) {
    size_t bucket = bucket_of(histogram(&first, name), (double)bytes);
    return histogram(&second, name)->counts[bucket] - histogram(&first, name)->counts[bucket];
}
static uint64_t all_grown_by(const char *name) {
    return all_of(histogram(&second, name)) - all_of(histogram(&first, name));
}

static void test_by_size(void **state) {
    (void)state;
    // Each is in a bucket of its own; the last ones are of two large objects.
    static const size_t sizes[] = {1, 17, 100, 128, 129, 145, 1000, 20000, 32768, 32769, 1000000};
    enum { EACH = 100 };
    static void *all[COUNT_OF(sizes)][EACH];
    bw_gc();
    read_all(&first);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (size_t k = 0; k < EACH; k++)
            all[i][k] = k % 2 ? bw_alloc_noscan(sizes[i]) : bw_alloc(sizes[i]);
    read_all(&second);
    uint64_t objects = number(&second, "/gc/heap/allocs:objects") - number(&first, "/gc/heap/allocs:objects");
    assert_int_equal(objects, EACH * COUNT_OF(sizes));
    assert_int_equal(all_grown_by("/gc/heap/allocs-by-size:bytes"), objects);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t slot = bw_size(all[i][0]);
        assert_int_equal(grown_by("/gc/heap/allocs-by-size:bytes", slot), sizes[i] > 32768 ? 2 * EACH : EACH);
        // No size but the slot's own has that bucket.
        const bw_histogram *h = histogram(&first, "/gc/heap/allocs-by-size:bytes");
        if (slot <= 32768)
            assert_true(h->bounds[bucket_of(h, (double)slot) + 1] == (double)slot + 1);
    }
    bw_gc();
    read_all(&first);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (size_t k = 0; k < EACH; k++)
            bw_free(all[i][k]);
    read_all(&second);
    assert_int_equal(all_grown_by("/gc/heap/frees-by-size:bytes"), EACH * COUNT_OF(sizes));
    assert_int_equal(grown_by("/gc/heap/frees-by-size:bytes", 128), EACH);
    assert_int_equal(grown_by("/gc/heap/frees-by-size:bytes", 100000), 2 * EACH);
    memset(all, 0, sizeof all);

    // What is in an arena has no slots.
    read_all(&first);
    bw_arena *arena = bw_arena_new();
    for (int i = 0; i < 10; i++)
        kept = bw_arena_alloc(arena, pair);
    read_all(&second);
    assert_int_equal(number(&second, "/gc/heap/allocs:objects") - number(&first, "/gc/heap/allocs:objects"), 10);
    assert_int_equal(all_grown_by("/gc/heap/allocs-by-size:bytes"), 0);
    assert_true(number(&second, "/gc/scan/heap:bytes") == number(&first, "/gc/scan/heap:bytes") + 320 ||
                debug_has("gcstress"));
    kept = NULL;
    bw_arena_free(arena);
    read_all(&first);
    void *volatile without = bw_alloc_noscan(5000);
    read_all(&second);
    assert_true(number(&second, "/gc/scan/heap:bytes") <= number(&first, "/gc/scan/heap:bytes"));
    (void)without;
}

// --- none that may only grow falls ---

static void nothing(void *unused) {
    (void)unused;
}

static void one_operation(struct random *random, void **mine, size_t count) {
    void **place = &mine[random_below(random, count)];
    switch (random_below(random, 8)) {
    case 0: *place = bw_new(pair); break;
    case 1: *place = bw_alloc(random_below(random, 3000)); break;
    case 2: *place = bw_alloc_noscan(random_below(random, random_below(random, 20) ? 500 : 200000)); break;
    case 3: *place = bw_new_array(pair, random_below(random, 20)); break;
    case 4: bw_add_cleanup(bw_new(pair), nothing, NULL); break;
    case 5: bw_set_finalizer(bw_new(pair), nothing); break;
    case 6: {
        bw_arena *arena = bw_arena_new();
        *place = bw_arena_alloc(arena, pair);
        *place = NULL;
        if (random_below(random, 2))
            bw_arena_free(arena);
        break;
    }
    default: *place = NULL; break;
    }
    if (random_below(random, 20000) == 0)
        bw_gc();
}

static void works(uint64_t seed, bool goroutine) {
    struct random random = {seed};
    enum { MINE = 200 };
    void **mine = bw_new_array(void *, MINE);
    while (atomic_load(&working)) {
        one_operation(&random, mine, MINE);
        if (goroutine)
            bw_yield();
    }
}
static void *works_in_thread(void *argument) {
    works((uint64_t)(uintptr_t)argument, false);
    return NULL;
}
static void works_in_goroutine(uint64_t seed, bw_waitgroup *all) {
    works(seed, true);
    bw_waitgroup_done(all);
}
static void *threads_come_and_go(void *unused) {
    (void)unused;
    while (atomic_load(&working)) {
        in_thread(read_into_heap, NULL);
        sleep_ms(1);
    }
    return NULL;
}

static bool all_have_grown(const struct reading *before, const struct reading *after) {
    static const char *const names[] = {
        "/gc/cleanups/executed:cleanups", "/gc/finalizers/executed:finalizers",
        "/gc/cycles/total:gc-cycles",     "/gc/heap/allocs:objects",
        "/gc/heap/frees:objects",
    };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (number(after, names[i]) < number(before, names[i]) + 5)
            return false;
    return true;
}

static void test_cumulative(void **state) {
    (void)state;
    static struct reading start;
    static bw_waitgroup all;
    pthread_t threads[3];
    atomic_store(&working, true);
    bw_waitgroup_add(&all, 2);
    for (uint64_t i = 0; i < 2; i++) {
        bw_go(works_in_goroutine, i + 10, &all);
        CHECK(pthread_create(&threads[i], NULL, works_in_thread, (void *)(uintptr_t)(i + 1)) == 0);
    }
    CHECK(pthread_create(&threads[2], NULL, threads_come_and_go, NULL) == 0);
    read_all(&start);
    first = start;
    size_t readings = effort(2000);
    for (size_t i = 0; i < readings || !all_have_grown(&start, &second); i++) {
        struct reading *before = i % 2 ? &second : &first, *after = i % 2 ? &first : &second;
        read_all(after);
        check_successor(before, after);
        check_sums(after);
        if (i % 100 == 0)
            bw_gc();
    }
    atomic_store(&working, false);
    bw_waitgroup_wait(&all);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptions),   cmocka_unit_test(test_unknown), cmocka_unit_test(test_agrees),
        cmocka_unit_test(test_counts_in_heap), cmocka_unit_test(test_knobs),   cmocka_unit_test(test_by_size),
        cmocka_unit_test(test_cumulative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
