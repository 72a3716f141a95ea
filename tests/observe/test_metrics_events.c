// Metrics of what happens: each stop of the world is counted once, goroutines by what they do, reading while a collection
// marks beside the program; times in their buckets; and all metrics as text, also at exit, and with no memory to be had.
//
// modes: plain verify=1 poison=1,gcstress=200 mark=watch,verify=1
// valgrind: yes
#include "metrics.h"

// --- each stop is counted once ---

static uint64_t stops_of_collections(const struct reading *r) {
    return number(r, "/gc/cycles/total:gc-cycles") + number(r, "/burrow/gc/beside/cycles:gc-cycles") +
           number(r, "/burrow/gc/beside/slices:slices");
}
static uint64_t others(const struct reading *r) {
    CHECK(all_of(histogram(r, "/sched/pauses/stopping/other:seconds")) ==
          all_of(histogram(r, "/sched/pauses/total/other:seconds")));
    return all_of(histogram(r, "/sched/pauses/total/other:seconds"));
}

// At least, and at most, in seconds.
static void sum_of(const bw_histogram *h, double *least, double *most) {
    *least = *most = 0;
    for (size_t i = 0; i < h->buckets; i++) {
        *least += h->counts[i] ? (double)h->counts[i] * h->bounds[i] : 0;
        *most += h->counts[i] ? (double)h->counts[i] * h->bounds[i + 1] : 0;
    }
}

static void fork_and_wait(void) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        read_all(&second);
        check_successor(&first, &second);
        check_sums(&second);
        _exit(number(&second, "/gc/cycles/total:gc-cycles") > 0 ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0, "%d", status);
}

static void test_stops(void **state) {
    (void)state;
    for (int i = 0; i < 200000; i++)
        kept = bw_alloc(100);
    // Much is alive, so that helpers mark, too.
    int processors_before = bw_gomaxprocs(2);
    pair **list = bw_new_array(pair *, 200000);
    for (int i = 0; i < 200000; i++)
        list[i] = bw_new(pair);
    for (int i = 0; i < 20; i++)
        bw_gc();
    bw_keep_alive(list);
    // One beside the program may just have had its first stop.
    for (int i = 0;; i++) {
        read_all(&first);
        if (all_of(histogram(&first, "/sched/pauses/total/gc:seconds")) == stops_of_collections(&first))
            break;
        CHECK(i < 1000, "%llu stops of %llu", (unsigned long long)stops_of_collections(&first),
              (unsigned long long)all_of(histogram(&first, "/sched/pauses/total/gc:seconds")));
        sleep_ms(5);
    }
    const bw_histogram *stopping = histogram(&first, "/sched/pauses/stopping/gc:seconds"),
                       *total = histogram(&first, "/sched/pauses/total/gc:seconds");
    assert_int_equal(all_of(stopping), all_of(total));
    // Stopping is a part of each stop.
    uint64_t stopping_sum = 0, total_sum = 0;
    for (size_t i = 0; i < total->buckets; i++) {
        stopping_sum += stopping->counts[i];
        total_sum += total->counts[i];
        assert_true(stopping_sum >= total_sum);
    }
    // What they cost is their length, for each processor.
    double least, most, processors = (double)number(&first, "/sched/gomaxprocs:threads");
    sum_of(total, &least, &most);
    double before_that = processors_before, low = before_that < processors ? before_that : processors;
    double high = before_that > processors ? before_that : processors;
    assert_true(seconds(&first, "/cpu/classes/gc/pause:cpu-seconds") >= least * low);
    assert_true(seconds(&first, "/cpu/classes/gc/pause:cpu-seconds") <= most * high);

    // What the helpers did while the program was stopped is none of what was done beside it.
    CHECK(mark_all_helpers_ns() > 0);
    if (number(&first, "/burrow/gc/beside/cycles:gc-cycles") == 0)
        assert_true(seconds(&first, "/cpu/classes/gc/mark/dedicated:cpu-seconds") == 0);

    // Others: each ledger is one, and each call of bw_metrics that needs one.
    bw_ledger_t ledger;
    read_all(&first);
    read_all(&second);
    assert_int_equal(others(&second), others(&first) + 1);
    bw_ledger(&ledger);
    bw_metric_sample s[] = {{.name = "/gc/heap/goal:bytes"}, {.name = "/sched/goroutines:goroutines"}};
    assert_int_equal(bw_metrics(s, 2), 2);
    read_all(&first);
    assert_int_equal(others(&first), others(&second) + 2);
    uint64_t before = others(&first);
    fork_and_wait();
    read_all(&second);
    assert_int_equal(others(&second), before + 2);
}

// --- goroutines ---

static int block_on[2];
static void waits(bw_chan(int) c) {
    bw_recv(c);
}
static void blocks(bw_chan(int) c, bw_chan(int) done) {
    char one;
    bw_blocking {
        while (read(block_on[0], &one, 1) < 0) {}
    }
    bw_recv(c);
    bw_send(done, 2);
}
static void yields(bw_chan(int) c) {
    while (atomic_load(&working))
        bw_yield();
    bw_recv(c);
}

static bool counts_are(uint64_t waiting) {
    read_all(&first);
    check_sums(&first);
    return number(&first, "/sched/goroutines:goroutines") == (uint64_t)bw_num_goroutine() &&
           number(&first, "/sched/goroutines/waiting:goroutines") == waiting &&
           number(&first, "/sched/goroutines/not-in-go:goroutines") == 1 &&
           number(&first, "/sched/goroutines/running:goroutines") >= 1 &&
           number(&first, "/sched/goroutines/runnable:goroutines") >= 1;
}

static void reads_in_goroutine(bw_chan(int) done) {
    enum { WAIT = 20, YIELD = 10 };
    bw_chan(int) c = bw_make_chan(int, 0);
    uint64_t before = (uint64_t)bw_num_goroutine();
    for (int i = 0; i < WAIT; i++)
        bw_go(waits, c);
    bw_go(blocks, c, done);
    // More than there are processors.
    for (int i = 0; i < YIELD; i++)
        bw_go(yields, c);
    CHECK((uint64_t)bw_num_goroutine() == before + WAIT + YIELD + 1);
    while (!counts_are(WAIT))
        bw_yield();
    atomic_store(&working, false);
    CHECK(write(block_on[1], "x", 1) == 1);
    bw_close(c);
    bw_send(done, 1);
}

static void test_goroutines(void **state) {
    (void)state;
    CHECK(pipe(block_on) == 0);
    atomic_store(&working, true);
    int processors = bw_gomaxprocs(2);
    bw_chan(int) done = bw_make_chan(int, 0);
    bw_go(reads_in_goroutine, done);
    bw_recv(done);
    bw_recv(done);
    bw_gomaxprocs(processors);
    close(block_on[0]);
    close(block_on[1]);
    for (int i = 0; bw_num_goroutine() > 1; i++) {
        CHECK(i < 10000);
        sleep_ms(1);
    }
    read_all(&first);
    check_sums(&first);
    assert_int_equal(number(&first, "/sched/goroutines:goroutines"), 1);
    assert_true(number(&first, "/sched/threads/total:threads") >= 2);
}

// --- while it is marked beside the program ---

static _Atomic bool collecting;
static void *collects(void *unused) {
    (void)unused;
    while (atomic_load(&collecting))
        bw_gc();
    return NULL;
}

// Prints how many readings were made while a collection marked, or "refused".
static void child_beside(void) {
    static pair *nodes;
    struct random random = {1};
    enum { NODES = 300000 };
    pair **all = bw_new_array(pair *, NODES);
    for (size_t i = 0; i < NODES; i++) {
        all[i] = bw_new(pair);
        all[i]->left = all[random_below(&random, i + 1)];
    }
    nodes = all[NODES - 1];
    pthread_t threads[2];
    atomic_store(&collecting, true);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, collects, NULL) == 0);
    read_all(&first);
    uint64_t assists = all_of(histogram(&first, "/burrow/gc/assists:seconds"));
    size_t while_marking = 0;
    double end = seconds_now() + 20;
    uint64_t pages = 0, waited = 0;
    for (size_t i = 0; seconds_now() < end && (while_marking < 100 || pages == 0 || waited == 0); i++) {
        struct reading *before = i % 2 ? &second : &first, *after = i % 2 ? &first : &second;
        bool is_marking = heap_is_marking();
        uint32_t cycle = atomic_load(&heap.cycle);
        read_all(after);
        check_successor(before, after);
        check_sums(after);
        pages = number(after, "/burrow/gc/beside/pages:pages");
        waited = all_of(histogram(after, "/burrow/gc/assists:seconds")) - assists;
        all[random_below(&random, NODES)]->right = all[random_below(&random, NODES)];
        while_marking += is_marking && heap_is_marking() && atomic_load(&heap.cycle) == cycle;
        if (beside_refuses())
            break;
    }
    atomic_store(&collecting, false);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    read_all(&first);
    bw_keep_alive(nodes);
    if (beside_refuses()) {
        printf("refused\n");
        return;
    }
    uint64_t cycles = number(&first, "/burrow/gc/beside/cycles:gc-cycles");
    CHECK(while_marking >= 100 && cycles > 0 && cycles <= number(&first, "/gc/cycles/total:gc-cycles"));
    CHECK(number(&first, "/burrow/gc/beside/rounds:rounds") >= cycles);
    CHECK(pages > 0); // that were written
    CHECK(seconds(&first, "/cpu/classes/gc/mark/dedicated:cpu-seconds") > 0);
    // Of two that collect all the time, one waits for the other.
    CHECK(waited > 0);
    printf("%zu\n", while_marking);
}

static void test_beside(void **state) {
    (void)state;
    const char *const settings[] = {debug_has("verify") ? "BURROWDEBUG=mark=watch,verify=1" : "BURROWDEBUG=mark=watch",
                                    NULL};
    assert_succeeded("beside", settings, NULL);
}

// --- times, and the text ---

static size_t bucket_with(const bw_histogram *h) {
    size_t found = h->buckets;
    for (size_t i = 0; i < h->buckets; i++)
        if (h->counts[i]) {
            CHECK(found == h->buckets && h->counts[i] == 1);
            found = i;
        }
    CHECK(found < h->buckets);
    return found;
}

// In a process of its own, in which nothing has waited yet.
static void child_times(void) {
    static const uint64_t ns[] = {0,     1,          63,         64,           71,
                                  72,    127,        128,        143,          144,
                                  1000,  1023,       1024,       999999999,    ((uint64_t)1 << 40) - 1,
                                  54321, 4294967295, 4294967296, 600000000000, (uint64_t)1 << 40,
                                  12345, UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(ns); i++) {
        for (size_t k = 0; k < TIMES_BUCKETS; k++)
            atomic_store(&times_taken[TIMES_ASSISTS].counts[k], 0);
        times_add(TIMES_ASSISTS, ns[i]);
        read_all(&first);
        const bw_histogram *h = histogram(&first, "/burrow/gc/assists:seconds");
        double s = (double)ns[i] / 1e9;
        size_t bucket = bucket_with(h);
        CHECK(bucket == bucket_of(h, s), "%llu: %zu, %zu", (unsigned long long)ns[i], bucket, bucket_of(h, s));
        // Known to an eighth, where there are eighths.
        CHECK(bucket == 0 || bucket == h->buckets - 1 || h->bounds[bucket + 1] <= h->bounds[bucket] * 1.1251);
    }
}

static void child_percentiles(void) {
    for (int i = 0; i < 98; i++)
        times_add(TIMES_ASSISTS, 1000);
    times_add(TIMES_ASSISTS, 1000000);
    times_add(TIMES_ASSISTS, 2000000000);
    bw_metrics_print(1);
    times_add(TIMES_ASSISTS, (uint64_t)1 << 50);
    bw_metrics_print(1);
}

static const char *line_of(const char *text, const char *name) {
    size_t length = strlen(name);
    while (strncmp(text, name, length) != 0 || text[length] != ' ') {
        text = strchr(text, '\n');
        CHECK(text != NULL, "no line of %s", name);
        text++;
    }
    return text + length + 1;
}

static void assert_line(const char *text, const char *name, const char *wanted) {
    const char *value = line_of(text, name);
    size_t length = strlen(wanted);
    if (strncmp(value, wanted, length) != 0 || value[length] != '\n')
        fail_msg("%s: expected %s, not %.100s", name, wanted, value);
}

// The first value in order that is not less than so much of all.
static double part_of(const bw_histogram *h, double part) {
    uint64_t sum = 0, all = all_of(h);
    for (size_t i = 0; i < h->buckets; i++) {
        sum += h->counts[i];
        if (all > 0 && (double)sum >= part * (double)all)
            return isinf(h->bounds[i + 1]) ? h->bounds[i] : h->bounds[i + 1];
    }
    return 0;
}

static void print_sample(const bw_metric_sample *sample) {
    const bw_histogram *h = &sample->histogram;
    double less = strstr(sample->name, "-by-size:") && all_of(h) > 0 ? 1 : 0;
    switch (sample->kind) {
    case BW_METRIC_UINT64: printf("%s %llu\n", sample->name, (unsigned long long)sample->u64); break;
    case BW_METRIC_DOUBLE: printf("%s %.9g\n", sample->name, sample->f64); break;
    default:
        printf("%s count=%llu p50=%.9g p99=%.9g max=%.9g\n", sample->name, (unsigned long long)all_of(h),
               part_of(h, 0.5) - less, part_of(h, 0.99) - less, part_of(h, 1) - less);
    }
}

// What bw_metrics says, printed here; then what bw_metrics_print prints.
static void child_text(void) {
    for (int i = 0; i < 10000; i++)
        kept = bw_alloc((size_t)i % 1000);
    for (int i = 0; i < 3; i++)
        bw_gc();
    read_all(&first);
    for (size_t i = 0; i < first.count; i++)
        print_sample(&first.samples[i]);
    fflush(stdout);
    bw_metrics_print(1);
}

// The stop that reading makes, and time, and what goes back to the system meanwhile.
static bool may_differ(const char *name) {
    static const char *const names[] = {"/cpu/classes/total:", "/sched/pauses/", "/memory/classes/", "/sched/threads"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static void test_text(void **state) {
    (void)state;
    static struct outcome outcome;
    assert_succeeded("text", NULL, &outcome);
    static char wanted[1 << 16];
    const char *printed = strstr(outcome.out + 1, bw_metric_at(0)->name);
    assert_non_null(printed);
    memcpy(wanted, outcome.out, (size_t)(printed - outcome.out));
    char *rest = wanted, *line;
    size_t number = 0;
    while ((line = strsep(&rest, "\n")) != NULL && *line) {
        size_t length = strcspn(printed, "\n"), name = strlen(bw_metric_at(number)->name);
        assert_true(strncmp(printed, bw_metric_at(number)->name, name) == 0 && printed[name] == ' ');
        bool same = strlen(line) == length && strncmp(line, printed, length) == 0;
        if (!same && !may_differ(line))
            fail_msg("%s\n%.*s", line, (int)length, printed);
        printed += length + 1;
        number++;
    }
    assert_null(bw_metric_at(number));
    assert_string_equal(printed, "");

    assert_succeeded("times", NULL, &outcome);
    // Nothing collects there.
    const char *const quiet[] = {"BURROWDEBUG=", NULL};
    assert_succeeded("percentiles", quiet, &outcome);
    assert_line(outcome.out, "/burrow/gc/assists:seconds", "count=100 p50=1.024e-06 p99=0.001048576 max=2.01326592");
    assert_line(outcome.out, "/sched/pauses/total/gc:seconds", "count=0 p50=0 p99=0 max=0");
    const char *again = strstr(line_of(outcome.out, "/sched/threads/total:threads"), "\n") + 1;
    assert_line(again, "/burrow/gc/assists:seconds", "count=101 p50=1.024e-06 p99=2.01326592 max=1099.51163");
    assert_line(again, "/sched/goroutines:goroutines", "1");
    assert_line(again, "/gc/gogc:percent", "100");
}

static void child_allocates(void) {
    kept = bw_alloc(100);
}

static void test_at_exit(void **state) {
    (void)state;
    static struct outcome outcome;
    const char *const settings[] = {"BURROWDEBUG=metrics=1", NULL};
    assert_succeeded("allocates", settings, &outcome);
    assert_string_equal(outcome.out, "");
    assert_true(strncmp(outcome.err, bw_metric_at(0)->name, strlen(bw_metric_at(0)->name)) == 0);
    assert_line(outcome.err, "/gc/heap/allocs:objects", "1");
    assert_line(outcome.err, "/gc/heap/allocs-by-size:bytes", "count=1 p50=112 p99=112 max=112");
    const char *const both[] = {"BURROWDEBUG=ledger=1,metrics=1", NULL};
    assert_succeeded("allocates", both, &outcome);
    assert_true(first_line_is(outcome.err, "ledger                bytes        objects"));
    assert_line(outcome.err, "/gc/heap/allocs:objects", "1");
    const char *const ledger[] = {"BURROWDEBUG=ledger=1,metrics=0", NULL};
    assert_succeeded("allocates", ledger, &outcome);
    assert_null(strstr(outcome.err, "/gc/"));
    const char *const none[] = {"BURROWDEBUG=metrics=0", NULL};
    assert_succeeded("allocates", none, &outcome);
    assert_string_equal(outcome.err, "");
}

// --- with no memory to be had ---

static void child_refused(void) {
    bw_gc();
    read_all(&first);
    os_fail_all_after = true;
    atomic_store(&os_fail_countdown, 1);
    read_all(&second);
    check_successor(&first, &second);
    check_sums(&second);
    bw_metrics_print(1);
    os_fail_all_after = false;
    atomic_store(&os_fail_countdown, 0);
}

static void test_refused(void **state) {
    (void)state;
    static struct outcome outcome;
    assert_succeeded("refused", NULL, &outcome);
    line_of(outcome.out, "/sched/threads/total:threads");
}

// --- children ---

#define CHILD(name)                                                                                                    \
    { #name, child_##name }
static const struct child children[] = {
    CHILD(beside), CHILD(times), CHILD(percentiles), CHILD(text), CHILD(allocates), CHILD(refused),
};

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops), cmocka_unit_test(test_goroutines), cmocka_unit_test(test_beside),
        cmocka_unit_test(test_text),  cmocka_unit_test(test_at_exit),    cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
