// When collections begin, of which kind they are, and what memory is kept: the steering that the program sees only by what it
// costs.
//
// modes: plain
// timeout: 120
#include "gc/gc.h"
#include "support.h"

#include <sys/mman.h>

BW_STRUCT(node, (struct node *, next), (struct node *, other), (uint64_t, number), (uint64_t, more));

static node *list_of(size_t bytes) {
    node *list = NULL;
    for (size_t i = 0; i < bytes / sizeof(node); i++) {
        node *n = bw_new(node);
        n->next = list;
        n->number = i;
        list = n;
    }
    return list;
}

// The same in an order that makes it slow to mark.
static node *scattered_list_of(size_t bytes) {
    size_t count = bytes / sizeof(node);
    node **all = bw_new_array(node *, count), *list = NULL;
    for (size_t i = 0; i < count; i++)
        all[i] = bw_new(node);
    uint64_t random = 1;
    for (size_t left = count; left > 0; left--) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t i = (random >> 33) % left;
        all[i]->next = list;
        list = all[i];
        all[i] = all[left - 1];
    }
    return list;
}

static void *volatile kept;
static void make_garbage(size_t bytes) {
    for (size_t made = 0; made < bytes; made += 1024)
        kept = bw_alloc(1000);
    kept = NULL;
}

static bw_mem_stats stats_now(void) {
    bw_mem_stats stats;
    bw_read_mem_stats(&stats);
    return stats;
}

// What lives is more than the limit allows: it goes on, and collecting takes about half of its time at most.
static void child_hopeless(void) {
    node *list = list_of((size_t)64 << 20);
    bw_gc();
    CHECK(pacer_limiter_enabled() == 0);
    bw_set_memory_limit((int64_t)32 << 20);
    // That it takes more than half is tolerated for a second.
    for (int i = 0; i < 20000 && pacer_limiter_enabled() == 0; i++)
        make_garbage((size_t)1 << 20);
    bw_mem_stats before = stats_now();
    uint64_t began = os_now_ns();
    while (os_now_ns() - began < 2 * (uint64_t)1000000000)
        make_garbage((size_t)1 << 20);
    double took = (double)(os_now_ns() - began), stopped = (double)(stats_now().pause_total_ns - before.pause_total_ns);
    CHECK(stats_now().num_gc > before.num_gc);
    CHECK(pacer_limiter_enabled() > before.num_gc, "%u %u", pacer_limiter_enabled(), before.num_gc);
    CHECK(stopped < took * 0.65, "%.0f of %.0f ms", stopped / 1e6, took / 1e6);
    bw_keep_alive(list);
}

static void *make_list(void *unused) {
    list_of((size_t)64 << 20);
    return unused;
}
// A limit that is lowered is kept at once, not when memory has been idle for a while.
static void child_lowered(void) {
    in_thread(make_list, NULL);
    bw_gc();
    uint64_t before = stats_now().sys - stats_now().heap_released;
    CHECK(before > (uint64_t)64 << 20);
    bw_set_memory_limit((int64_t)32 << 20);
    uint64_t after = stats_now().sys - stats_now().heap_released;
    CHECK(after <= ((uint64_t)32 << 20) + ((uint64_t)4 << 20), "%llu", (unsigned long long)after);
}

// What is old stays, what is new dies: most collections mark only what is new, and find it dead.
static void child_steady(void) {
    if (!beside_works())
        return;
    node *list = scattered_list_of((size_t)64 << 20);
    bw_gc();
    uint32_t before = figures.count, minor = figures.minor;
    // With pauses: what is made while a minor collection marks stays until a full one.
    for (int i = 0; i < 600; i++) {
        make_garbage((size_t)1 << 20);
        sleep_ms(1);
    }
    CHECK(figures.count - before >= 4, "%u", figures.count - before);
    CHECK((figures.minor - minor) * 2 >= figures.count - before, "%u of %u", figures.minor - minor,
          figures.count - before);
    bw_keep_alive(list);
}

// A heap that only grows is not marked in vain: at most every second time it doubles.
static void child_growing(void) {
    if (!beside_works())
        return;
    node *list = list_of((size_t)512 << 20);
    CHECK(figures.minor <= figures.count / 2, "%u of %u", figures.minor, figures.count);
    CHECK(figures.count <= 16, "%u", figures.count);
    bw_keep_alive(list);
}

// Old objects that die are found by full collections: twice what lives, and as much again for what is made while marking
// goes on. If they were not found the heap would be five times as large.
static void child_old_dies(void) {
    if (!beside_works())
        return;
    static node *lists[64];
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        lists[i] = list_of((size_t)2 << 20);
    bw_gc();
    for (size_t i = 0; i < 4 * COUNT_OF(lists); i++) {
        lists[i % COUNT_OF(lists)] = NULL;
        lists[i % COUNT_OF(lists)] = list_of((size_t)2 << 20);
        bw_mem_stats stats = stats_now();
        CHECK(stats.heap_alloc < (uint64_t)4 * 128 << 20, "%llu", (unsigned long long)stats.heap_alloc);
    }
    CHECK(figures.minor < figures.count);
}

// The memory that follows what a growing heap has used is there before the program comes to it.
static void child_ahead(void) {
    node *list = list_of((size_t)128 << 20);
    CHECK(atomic_load(&heap.looks_ahead));
    unsigned char there = 0;
    for (int i = 0; i < 200 && !there; i++) {
        sleep_ms(10);
        void *next = (void *)(heap.base + atomic_load(&heap.ahead));
        CHECK(mincore(next, os_page_bytes(), &there) == 0);
    }
    CHECK(there);
    bw_keep_alive(list);
}

// Which pages the system was asked for at an address: "hg" huge ones, "nh" small ones, "" nothing.
static const char *pages_wanted_at(uintptr_t address) {
    static char line[1024];
    FILE *file = fopen("/proc/self/smaps", "r");
    CHECK(file != NULL);
    bool here = false;
    const char *found = "";
    while (fgets(line, sizeof line, file)) {
        uintptr_t lo, hi;
        if (sscanf(line, "%lx-%lx ", &lo, &hi) == 2)
            here = address >= lo && address < hi;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " hg") ? "hg" : strstr(line, " nh") ? "nh" : "";
    }
    fclose(file);
    return found;
}

// Without a thread that runs ahead, since there is a limit: small pages at first, then as it was found that huge ones are made.
static void child_pages(void) {
    node *list = NULL;
    CHECK(!atomic_load(&heap.looks_ahead));
    for (size_t used = atomic_load(&heap.used), end = used + ((size_t)128 << 20); used < end;) {
        node *n = bw_new(node);
        n->next = list;
        list = n;
        if (used == atomic_load(&heap.used))
            continue;
        const char *wanted = used > (size_t)32 << 20 && atomic_load(&heap.huge_pages) ? "hg" : "nh";
        used = atomic_load(&heap.used);
        CHECK(strcmp(pages_wanted_at(heap.base + used - 1), wanted) == 0, "%zu MiB: not %s", used >> 20, wanted);
    }
    CHECK(!atomic_load(&heap.looks_ahead));
    // So does a very large object.
    char *large = bw_alloc_noscan((size_t)200 << 20);
    const char *wanted = atomic_load(&heap.huge_pages) ? "hg" : "nh";
    CHECK(strcmp(pages_wanted_at((uintptr_t)large + ((size_t)199 << 20)), wanted) == 0, "not %s", wanted);
    bw_keep_alive(large);
    bw_keep_alive(list);
}

static void in_child(const char *name, const char *knobs_text) {
    const char *const settings[] = {knobs_text, NULL};
    struct outcome outcome;
    assert_succeeded(name, settings, &outcome);
}

static void test_limit(void **state) {
    (void)state;
    if (UNDER_SANITIZER) // which takes time that the pacer does not know of
        return;
    in_child("hopeless", "BURROWDEBUG=");
    in_child("lowered", "BURROWDEBUG=");
}

static void test_ahead(void **state) {
    (void)state;
    if (madvise(NULL, 0, 23) != 0)
        skip(); // MADV_POPULATE_WRITE, Linux 5.14
    in_child("ahead", "BURROWDEBUG=");
    in_child("ahead", "BURROWDEBUG=mark=watch,verify=1");
}

static void test_pages(void **state) {
    (void)state;
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0)
        skip(); // a kernel that has no huge pages to ask for
    const char *const settings[] = {"BURROWDEBUG=", "GOMEMLIMIT=8GiB", NULL};
    struct outcome outcome;
    assert_succeeded("pages", settings, &outcome);
}

static void test_minor(void **state) {
    (void)state;
    in_child("steady", "BURROWDEBUG=mark=watch");
    in_child("steady", "BURROWDEBUG=mark=watch,minor=always");
    in_child("growing", "BURROWDEBUG=mark=watch");
    in_child("old_dies", "BURROWDEBUG=mark=watch");
    in_child("old_dies", "BURROWDEBUG=mark=watch,minor=always,verify=1");
}

int main(int argc, char **argv) {
    static const struct child children[] = {
        {"hopeless", child_hopeless}, {"lowered", child_lowered}, {"steady", child_steady}, {"growing", child_growing},
        {"old_dies", child_old_dies}, {"ahead", child_ahead},     {"pages", child_pages},
    };
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_limit), cmocka_unit_test(test_minor),
                                       cmocka_unit_test(test_ahead), cmocka_unit_test(test_pages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
