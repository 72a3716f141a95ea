// Dumps: every state there is, ten thousand goroutines, deep stacks, and stacks that are in use while they are looked at:
// whatever its worker or thread does, each ends where it began.
// timeout: 200
#include "dump.h"
#include "sched/sched.h"

#include <stdatomic.h>

static atomic_int stop, ready;

static NOINLINE void receives(bw_chan(int) c) {
    bw_recv(c);
    atomic_fetch_add(&ready, 1);
}
static NOINLINE void sends(bw_chan(int) c) {
    bw_send(c, 1);
    atomic_fetch_add(&ready, 1);
}
static NOINLINE void selects(bw_chan(int) c, bw_chan(int) d) {
    bw_select {
        bw_on_recv(c, v) CHECK(v == 0);
        bw_on_recv(d, v) CHECK(v == 0);
    }
    atomic_fetch_add(&ready, 1);
}
static NOINLINE void receives_from_nil(void) {
    bw_chan(int) nothing = NULL;
    bw_recv(nothing);
}
static NOINLINE void selects_nothing(void) {
    bw_select {}
}
static NOINLINE void computes(void) {
    atomic_fetch_add(&ready, 1);
    while (!atomic_load(&stop)) {}
    atomic_fetch_add(&ready, 1);
}
static NOINLINE void blocks(void) {
    bw_blocking {
        atomic_fetch_add(&ready, 1);
        while (!atomic_load(&stop))
            sleep_ms(1);
    }
    atomic_fetch_add(&ready, 1);
}
static void *thread_receives(void *c) {
    bw_recv((bw_chan(int))c);
    return NULL;
}
static void *thread_computes(void *unused) {
    (void)unused;
    computes();
    return NULL;
}
static void *thread_joins(void *thread) {
    CHECK(pthread_join(*(pthread_t *)thread, NULL) == 0);
    return NULL;
}
static void wait_for(int wanted) {
    while (atomic_load(&ready) < wanted)
        sleep_ms(1);
}

static void test_states(void **state) {
    (void)state;
    int before = bw_gomaxprocs(3);
    atomic_store(&stop, 0);
    atomic_store(&ready, 0);
    bw_chan(int) c = bw_make_chan(int, 0), d = bw_make_chan(int, 0), e = bw_make_chan(int, 0);
    bw_go(receives, c);
    bw_go(sends, d);
    bw_go(selects, c, e);
    bw_go(receives_from_nil);
    bw_go(selects_nothing);
    dump_wait("receives", "chan receive", 1);
    dump_wait("sends", "chan send", 1);
    dump_wait("selects", "select", 1);
    dump_wait("receives_from_nil", "chan receive (nil chan)", 1);
    dump_wait("selects_nothing", "select (no cases)", 1);
    bw_go(computes);
    bw_go(blocks);
    pthread_t receiver, computer, joiner;
    CHECK(pthread_create(&receiver, NULL, thread_receives, c) == 0);
    CHECK(pthread_create(&computer, NULL, thread_computes, NULL) == 0);
    CHECK(pthread_create(&joiner, NULL, thread_joins, &computer) == 0);
    wait_for(3);
    dump_wait("thread_joins", "thread join", 1);
    dump_wait("thread_receives", "chan receive", 1);
    dump_wait("thread_computes", "running", 1);
    dump_wait("blocks", "syscall", 1);
    struct dump dump = dump_now();
    if (dump.count != 11)
        dump_show(&dump);
    CHECK(dump.count == 11, "%zu", dump.count);
    CHECK(dump.list[0].number == 1 && strcmp(dump.list[0].state, "running") == 0 &&
          dumped_has(&dump.list[0], "test_states"));
    for (size_t i = 2; i < dump.count; i++)
        CHECK(dump.list[i - 1].number < dump.list[i].number);
    dump_check(&dump, "receives", "chan receive", 1);
    dump_check(&dump, "sends", "chan send", 1);
    dump_check(&dump, "selects", "select", 1);
    dump_check(&dump, "receives_from_nil", "chan receive (nil chan)", 1);
    dump_check(&dump, "selects_nothing", "select (no cases)", 1);
    dump_check(&dump, "computes", "running", 1);
    dump_check(&dump, "blocks", "syscall", 1);
    dump_check(&dump, "thread_receives", "chan receive", 1);
    dump_check(&dump, "thread_computes", "running", 1);
    CHECK(dumped_has(dump_get(&dump, "thread_computes"), "computes"));
    dump_check(&dump, "thread_joins", "thread join", 1);
    CHECK(dump_get(&dump, "receives")->count == 1);
    dump_free(&dump);

    bw_close(c);
    CHECK(bw_recv(d) == 1);
    atomic_store(&stop, 1);
    CHECK(pthread_join(receiver, NULL) == 0 && pthread_join(joiner, NULL) == 0);
    wait_for(9);
    dump = dump_now();
    CHECK(dump_find(&dump, "receives") == NULL && dump_find(&dump, "receives_from_nil") != NULL);
    dump_free(&dump);
    bw_gomaxprocs(before);
}

// Ready, and kept from running by the goroutine that dumps: unless that takes so long that others get its place.
static void not_yet(int i) {
    CHECK(i == 7);
}
static void occupies(void) {
    double limit = seconds_now() + child_limit(30);
    for (bool found = false; !found;) {
        bw_yield();
        for (int i = 0; i < 3; i++)
            bw_go(not_yet, 7);
        struct dump dump = dump_now();
        CHECK(strcmp(dump.list[0].functions[dump.list[0].count - 1], "occupies") == 0);
        if (dump_find(&dump, "not_yet")) {
            dump_check(&dump, "not_yet", "runnable", dump.list[0].number);
            CHECK(dump_get(&dump, "not_yet")->count == 1);
            found = true;
        }
        dump_free(&dump);
        CHECK(found || seconds_now() < limit);
    }
    atomic_fetch_add(&ready, 1);
}
static void test_runnable(void **state) {
    (void)state;
    char path[4096];
    if (bw_gomaxprocs(0) != 1) { // the workers that there are already would run them
        ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
        CHECK(length > 0);
        path[length] = 0;
        char option[] = "--only", name[] = "test_runnable";
        char *arguments[] = {path, option, name, NULL};
        static const char *const settings[] = {"GOMAXPROCS=1", NULL};
        static struct outcome outcome;
        program_run(&outcome, arguments, settings, child_limit(60));
        if (outcome.status != 0)
            outcome_print(&outcome);
        assert_int_equal(outcome.status, 0);
        return;
    }
    atomic_store(&ready, 0);
    bw_go(occupies);
    wait_for(1);
}

static void test_many(void **state) {
    (void)state;
    size_t count = effort(10000);
    bw_chan(int) c = bw_make_chan(int, 0);
    atomic_store(&ready, 0);
    for (size_t i = 0; i < count; i++)
        bw_go(receives, c);
    dump_wait("receives", "chan receive", count);
    double began = seconds_now();
    struct dump dump = dump_now();
    double took = seconds_now() - began;
    size_t found = 0;
    for (size_t i = 1; i < dump.count; i++) {
        CHECK(i == 1 || dump.list[i - 1].number < dump.list[i].number);
        CHECK(dump.list[i].count >= 1);
        found += strcmp(dump.list[i].functions[0], "receives") == 0;
    }
    CHECK(found == count, "%zu", found);
    CHECK(took < child_limit(20), "%.3f s", took);
    dump_free(&dump);
    bw_close(c);
    wait_for((int)count);
}

// --- deep stacks ---

static NOINLINE int deeper(int depth, bw_chan(int) c, void (*then)(bw_chan(int))) {
    volatile int own = depth;
    if (depth > 0)
        own = deeper(depth - 1, c, then) + 1;
    else
        then(c);
    return own;
}
static void deep(int depth, bw_chan(int) c) {
    CHECK(deeper(depth, c, receives) == depth);
}
static NOINLINE void dumps(bw_chan(int) c) {
    struct dump dump = dump_now();
    const struct dumped *own = &dump.list[0], *other = dump_get(&dump, "deep");
    CHECK(c != NULL && dumped_has(own, "dumps") && dumped_has(own, "...") && own->count <= 101);
    CHECK(other && dumped_has(other, "receives") && dumped_has(other, "...") && other->count == 101, "%d",
          other->count);
    CHECK(strcmp(other->functions[50], "...") == 0);
    dump_free(&dump);
}
static void test_deep(void **state) {
    (void)state;
    bw_chan(int) c = bw_make_chan(int, 0);
    atomic_store(&ready, 0);
    bw_go(deep, 200, c);
    dump_wait("deep", "chan receive", 1);
    CHECK(deeper(UNDER_SANITIZER ? 5000 : 20000, c, dumps) > 0);
    bw_send(c, 0);
    wait_for(1);
}

// --- stacks in use ---

BW_STRUCT(item, (struct item *, next), (uint64_t, value));
BW_MAP(ages, bw_string, int);

static int compare(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}
static NOINLINE void work_1(struct random *random) {
    item *list = NULL;
    for (size_t i = random_below(random, 50); i > 0; i--) {
        item *more = bw_new(item);
        more->next = list;
        list = more;
    }
    char text[300];
    snprintf(text, sizeof text, "%zu %f %p", random_below(random, 1000), 1.5, (void *)list);
    CHECK(strlen(text) > 5);
}
static NOINLINE void work_2(struct random *random) {
    int numbers[200];
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        numbers[i] = (int)random_below(random, 1000);
    qsort(numbers, COUNT_OF(numbers), sizeof *numbers, compare);
    CHECK(numbers[0] <= numbers[199]);
}
static NOINLINE void work_3(struct random *random) {
    size_t length = 1 + random_below(random, 5000);
    char *memory = malloc(length), *room = __builtin_alloca(random_below(random, 100) + 1);
    memset(memory, 7, length);
    room[0] = 7;
    CHECK(memory[length - 1] == room[0]);
    free(memory);
}
static NOINLINE void work_4(struct random *random) {
    ages m = bw_make_map(ages);
    bw_put(m, bw_str("a")) = (int)random_below(random, 10);
    bw_slice(int) s = bw_make_slice(int, 0, 2);
    for (int i = 0; i < 20; i++)
        s = bw_append(s, i);
    CHECK(bw_len(s) == 20 && bw_len(m) == 1);
    bw_yield();
}
static NOINLINE void work_on(uint64_t seed) {
    static void (*const all[])(struct random *) = {work_1, work_2, work_3, work_4};
    struct random random = {seed};
    while (!atomic_load(&stop))
        all[random_below(&random, COUNT_OF(all))](&random);
    atomic_fetch_add(&ready, 1);
}
static void goes(uint64_t seed) {
    work_on(seed);
    atomic_fetch_add(&ready, 0); // so that the call is no jump
}
static void talks(bw_chan(int) from, bw_chan(int) to) {
    int v;
    while (bw_recv_ok(from, &v))
        bw_send(to, v + 1);
    bw_close(to);
    atomic_fetch_add(&ready, 1);
}
static void *thread_goes(void *unused) {
    (void)unused;
    work_on(99);
    return NULL;
}
static void dumps_too(void) {
    while (!atomic_load(&stop)) {
        struct dump dump = dump_now();
        CHECK(dump_find(&dump, "dumps_too"));
        dump_free(&dump);
    }
    atomic_fetch_add(&ready, 1);
}
static void test_while_running(void **state) {
    (void)state;
    int before = bw_gomaxprocs(4);
    atomic_store(&stop, 0);
    atomic_store(&ready, 0);
    bw_chan(int) there = bw_make_chan(int, 0), back = bw_make_chan(int, 1);
    for (uint64_t i = 0; i < 6; i++)
        bw_go(goes, i);
    bw_go(talks, there, back);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, thread_goes, NULL) == 0);
    dump_wait("thread_goes", "running", 1);
    for (size_t round = effort(150); round > 0; round--) {
        if (round == effort(150) / 2)
            bw_go(dumps_too);
        bw_send(there, 1);
        struct dump dump = dump_now();
        size_t going = 0;
        for (size_t i = 0; i < dump.count; i++) {
            const struct dumped *one = &dump.list[i];
            const char *last = one->count ? one->functions[one->count - 1] : "";
            bool goes_on = strcmp(last, "goes") == 0 || strcmp(last, "thread_goes") == 0;
            // Alone: it begins.
            CHECK(!goes_on || dumped_has(one, "work_on") || one->count == 1, "%d %s %s", one->count, one->functions[0],
                  one->state);
            going += goes_on;
        }
        if (going != 7)
            dump_show(&dump);
        CHECK(going == 7, "%zu", going);
        CHECK(dump_find(&dump, "talks"));
        dump_free(&dump);
        CHECK(bw_recv(back) == 2);
    }
    atomic_store(&stop, 1);
    bw_close(there);
    CHECK(pthread_join(thread, NULL) == 0);
    wait_for(9);
    bw_gomaxprocs(before);
}

// --- code whose unwind information is wrong: whoever believes it reads where nothing is ---

// The thread sanitizer's runtime lets no fault be left by a jump.
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define WRONG_INFORMATION 1
#else
#define WRONG_INFORMATION 0
#endif
#if WRONG_INFORMATION
void lies(atomic_int *flag);
__asm__(".text\n.globl lies\n.type lies, @function\nlies:\n.cfi_startproc\n"
        ".cfi_escape 0x0f, 0x04, 0x0b, 0xf0, 0x7f, 0x06\n" // the caller's frame: what is at address -16
        "1: movl (%rdi), %eax\n testl %eax, %eax\n je 1b\n ret\n.cfi_endproc\n.size lies, . - lies\n");
static void lies_in_goroutine(void) {
    atomic_fetch_add(&ready, 1);
    lies(&stop);
    atomic_fetch_add(&ready, 1);
}
// In a child: cmocka's handler would be asked before the library's.
static void child_wrong_information(void) {
    bw_go(lies_in_goroutine);
    wait_for(1);
    for (int i = 0; i < 3; i++) {
        struct dump dump = dump_now();
        bool found = false;
        for (size_t k = 0; k < dump.count; k++)
            found |= dumped_has(&dump.list[k], "lies");
        CHECK(found);
        dump_free(&dump);
    }
    atomic_store(&stop, 1);
    wait_for(2);
}
static void test_wrong_information(void **state) {
    (void)state;
    assert_succeeded("wrong_information", NULL, NULL);
}
#endif

// --- for how long ---

static void make_older(struct goroutine *goroutine, void *unused) {
    (void)unused;
    if (goroutine->waits_since)
        goroutine->waits_since -= (uint64_t)125 * 1000000000;
}
static void test_minutes(void **state) {
    (void)state;
    bw_chan(int) c = bw_make_chan(int, 0);
    atomic_store(&ready, 0);
    bw_go(receives, c);
    dump_wait("receives", "chan receive", 1);
    struct dump dump = dump_now();
    dump_check(&dump, "receives", "chan receive", 1);
    dump_free(&dump);
    stacks_each(make_older, NULL);
    dump = dump_now();
    dump_check(&dump, "receives", "chan receive, 2 minutes", 1);
    dump_free(&dump);
    bw_send(c, 0);
    wait_for(1);
    bw_go(receives, c);
    dump_wait("receives", "chan receive", 1);
    dump = dump_now();
    dump_check(&dump, "receives", "chan receive", 1);
    dump_free(&dump);
    bw_send(c, 0);
    wait_for(2);
}

int main(int argc, char **argv) {
#if WRONG_INFORMATION
    static const struct child children[] = {{"wrong_information", child_wrong_information}};
    child_main(argc, argv, children, COUNT_OF(children));
#else
    child_main(argc, argv, NULL, 0);
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_runnable),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_while_running),
#if WRONG_INFORMATION
        cmocka_unit_test(test_wrong_information),
#endif
        cmocka_unit_test(test_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
