// bw_heap_map: what its numbers say is what the ledger says, its sums are sums, whatever the heap is like and whoever
// works on it meanwhile; and every failure is an error.
//
// valgrind: yes
#include "os/os.h"

#include "support.h"

BW_STRUCT(leaf, (struct leaf *, next), (uint64_t, id));
BW_STRUCT(wide, BW_MOVABLE, (struct wide *, next), (uint64_t[500], data));
BW_MAP(numbers, int, int);

#define PICTURE_MOST ((size_t)1 << 20)
static char picture[2 * PICTURE_MOST];
static char path[64];

static void read_picture(void) {
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    size_t bytes = 0;
    ssize_t got;
    while ((got = read(fd, picture + bytes, sizeof picture - 1 - bytes)) > 0)
        bytes += (size_t)got;
    CHECK(got == 0 && bytes <= PICTURE_MOST);
    picture[bytes] = 0;
    close(fd);
}

static uint64_t number_of(const char *from, const char *name) {
    const char *at = strstr(from, name);
    CHECK(at != NULL);
    return strtoull(at + strlen(name), NULL, 10);
}
#define NUMBER_OF(from, name) number_of(from, " data-" name "=\"")

struct totals {
    uint64_t live, objects, spans, held, released, range;
};

// What the rows say must be what the root says.
static struct totals check_sums(void) {
    struct totals all = {NUMBER_OF(picture, "live-bytes"),     NUMBER_OF(picture, "objects"),
                         NUMBER_OF(picture, "span-bytes"),     NUMBER_OF(picture, "free-bytes"),
                         NUMBER_OF(picture, "released-bytes"), NUMBER_OF(picture, "range-bytes")};
    uint64_t live = 0, objects = 0, spans = 0;
    for (const char *row = picture; (row = strstr(row, "<g data-layout=")) != NULL; row++) {
        live += NUMBER_OF(row, "live-bytes");
        objects += NUMBER_OF(row, "objects");
        spans += NUMBER_OF(row, "span-bytes");
        CHECK(NUMBER_OF(row, "live-bytes") <= NUMBER_OF(row, "span-bytes"));
    }
    CHECK(live == all.live && objects == all.objects && spans == all.spans);
    CHECK(all.live <= all.spans);
    CHECK(all.spans + all.held + all.released == all.range, "%llu + %llu + %llu is not %llu",
          (unsigned long long)all.spans, (unsigned long long)all.held, (unsigned long long)all.released,
          (unsigned long long)all.range);
    return all;
}

static struct totals check_map(void) {
    bw_gc();
    bw_ledger_t before, after;
    bw_ledger(&before);
    bw_error err = bw_heap_map(path);
    bw_ledger(&after);
    CHECK(bw_is_nil(err));
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    read_picture();
    struct totals all = check_sums();
    CHECK(all.live == before.layout.bytes && all.objects == before.layout.objects,
          "the ledger says %llu in %llu, the map %llu in %llu", (unsigned long long)before.layout.bytes,
          (unsigned long long)before.layout.objects, (unsigned long long)all.live, (unsigned long long)all.objects);
    return all;
}

static void *volatile kept;

static NOINLINE void *leaves(int count) {
    leaf *list = NULL;
    for (int i = 0; i < count; i++) {
        leaf *l = bw_new(leaf);
        *l = (leaf){list, (uint64_t)i};
        list = l;
    }
    return list;
}

static void test_nothing(void **state) {
    (void)state;
    check_map();
}

static void test_objects_of_all_kinds(void **state) {
    (void)state;
    void *list = leaves(20000), *large = bw_alloc(3000000);
    void *untyped[50];
    for (size_t i = 0; i < COUNT_OF(untyped); i++)
        untyped[i] = bw_alloc_noscan(i * 500);
    numbers map = bw_make_map(numbers);
    for (int i = 0; i < 5000; i++)
        bw_put(map, i) = i;
    bw_arena *arena = bw_arena_new();
    for (int i = 0; i < 30000; i++)
        kept = bw_arena_alloc(arena, leaf);
    bw_arena *ended = bw_arena_new();
    bw_arena_free(ended);
    kept = ended; // its pages stay in quarantine
    check_map();
    assert_non_null(strstr(picture, "data-layout=\"leaf\" data-slot-bytes=\"16\" data-objects=\"20000\""));
    assert_non_null(strstr(picture, "data-layout=\"an arena\" data-slot-bytes=\"0\" data-objects=\"30000\""));
    kept = NULL;
    bw_keep_alive(list);
    bw_keep_alive(large);
    bw_keep_alive(untyped);
    bw_keep_alive(arena);
    assert_int_equal(bw_len(map), 5000);
}

// Memory that is free first is held, and then given back.
static void test_free_memory(void **state) {
    (void)state;
    kept = bw_alloc_noscan((size_t)64 << 20);
    memset(kept, 1, (size_t)64 << 20);
    struct totals with = check_map();
    bw_free(kept); // a word on the stack may keep it
    kept = NULL;
    struct totals without = check_map();
    assert_true(without.live + ((uint64_t)64 << 20) <= with.live);
    bw_free_os_memory();
    struct totals released = check_map();
    assert_true(released.held < (uint64_t)1 << 20);
    assert_true(released.released >= (uint64_t)64 << 20);
}

static NOINLINE wide *all_of_them(void) {
    wide *list = NULL;
    for (int i = 0; i < 20000; i++) {
        wide *w = bw_new(wide);
        w->next = list;
        list = w;
    }
    return list;
}

static NOINLINE void drop_most(wide *list) {
    for (; list; list = list->next)
        for (int i = 0; i < 19 && list->next; i++)
            list->next = list->next->next;
}

static uint64_t span_bytes_of(const char *layout) {
    const char *row = strstr(picture, layout);
    return row ? NUMBER_OF(row, "span-bytes") : 0;
}

static void test_compaction(void **state) {
    (void)state;
    kept = all_of_them();
    drop_most(kept);
    struct totals before = check_map();
    uint64_t spans = span_bytes_of("data-layout=\"wide\"");
    assert_true(spans > (uint64_t)40 << 20);
    assert_true(bw_compact());
    struct totals after = check_map();
    assert_true(before.live >= after.live);
    assert_true(span_bytes_of("data-layout=\"wide\"") < spans / 4);
    assert_true(after.spans < before.spans);
    kept = NULL;
}

// --- while others work ---

static _Atomic bool working;

static void *work(void *number) {
    struct random random = {(uintptr_t)number};
    void *mine[200] = {NULL};
    while (working) {
        void **place = &mine[random_below(&random, COUNT_OF(mine))];
        switch (random_below(&random, 5)) {
        case 0: *place = leaves((int)random_below(&random, 50)); break;
        case 1: *place = bw_new(wide); break;
        case 2: *place = bw_alloc(random_below(&random, 100000)); break;
        case 3: *place = bw_alloc_noscan(random_below(&random, 3000)); break;
        default: *place = NULL; break;
        }
    }
    return NULL;
}

static void test_while_others_work(void **state) {
    (void)state;
    pthread_t threads[3];
    working = true;
    for (uintptr_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (size_t i = 0; i < effort(100); i++) {
        CHECK(bw_is_nil(bw_heap_map(path)));
        read_picture();
        check_sums();
    }
    working = false;
    for (uintptr_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    check_map();
}

// --- errors ---

static void test_errors(void **state) {
    (void)state;
    bw_error err = bw_heap_map("/no/such/directory/map.svg");
    assert_string_equal(bw_cstr(bw_error_text(err)), "open /no/such/directory/map.svg: no such file or directory");
    assert_true(bw_errors_is(err, bw_err_not_exist()));
    if (access("/dev/full", W_OK) == 0) {
        err = bw_heap_map("/dev/full");
        assert_int_equal(bw_errno_of(err), ENOSPC);
    }
    // Whatever the system refuses, until there is no such call: one that the thread behind the sweep makes may be it, too.
    long calls = 0;
    bool refused;
    do {
        os_fail_countdown = ++calls;
        err = bw_heap_map(path);
        refused = os_fail_countdown == 0;
        os_fail_countdown = 0;
        int number = bw_errno_of(err);
        CHECK(number == 0 || number == ENOMEM || number == EMFILE || number == EIO);
        CHECK(refused || number == 0);
    } while (refused);
    assert_in_range(calls, 5, 20);
    read_picture();
    check_sums();
}

int main(void) {
    snprintf(path, sizeof path, "/tmp/burrow-heap-map-%d.svg", (int)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),           cmocka_unit_test(test_objects_of_all_kinds),
        cmocka_unit_test(test_free_memory),       cmocka_unit_test(test_compaction),
        cmocka_unit_test(test_while_others_work), cmocka_unit_test(test_errors),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
