// Threads that come, end, and are interrupted in every way, while objects live and die.
//
// timeout: 180
#include "support.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <threads.h>

BW_STRUCT(item, (struct item *, next), (uint64_t, value));

static item *make_list(size_t length, uint64_t seed) {
    item *head = NULL;
    for (size_t i = 0; i < length; i++) {
        item *l = bw_new(item);
        CHECK(l->next == NULL && l->value == 0);
        l->next = head;
        l->value = mix(seed + i) | (uint64_t)1 << 63;
        head = l;
    }
    return head;
}

static void check_list(const item *head, size_t length, uint64_t seed) {
    for (size_t i = length; i-- > 0; head = head->next)
        CHECK(head && head->value == (mix(seed + i) | (uint64_t)1 << 63), "element %zu of %zu", i, length);
    CHECK(head == NULL);
}

static atomic_bool stop_now;

// How many of a test's threads have begun, and how many have done their work.
static atomic_int begun, done;

// The sanitizers' allocators are not made for fork, and every thread's begin and end allocates there: a child forked
// meanwhile would find a lock held. So under a sanitizer nobody forks then.
static void await_under_sanitizer(atomic_int *count, int wanted) {
    while (UNDER_SANITIZER && atomic_load(count) < wanted)
        sleep_ms(1);
}

static void *collect_until_stopped(void *unused) {
    (void)unused;
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&stop_now)) {
        bw_gc();
        sleep_ms(0);
    }
    return NULL;
}

static pthread_t start_collecting(void) {
    pthread_t thread;
    atomic_store(&stop_now, false);
    CHECK(pthread_create(&thread, NULL, collect_until_stopped, NULL) == 0);
    return thread;
}

static void stop_collecting(pthread_t thread) {
    atomic_store(&stop_now, true);
    CHECK(pthread_join(thread, NULL) == 0);
}

// --- waves of threads ---

static atomic_size_t finished;

static void *short_life(void *argument) {
    size_t number = (size_t)argument;
    item *list = make_list(20, number);
    if (number % 4 == 0)
        bw_free(bw_alloc(1000));
    if (number % 7 == 0)
        memset(bw_alloc_noscan(50000), 1, 50000);
    check_list(list, 20, number);
    atomic_fetch_add(&finished, 1);
    if (number % 3 == 0)
        pthread_exit(list);
    return number % 3 == 1 ? list : NULL;
}

static void *never_allocates(void *argument) {
    atomic_fetch_add(&finished, 1);
    return argument;
}

static void test_waves(void **state) {
    (void)state;
    bw_gc();
    uint64_t before = live_objects();
    pthread_t collector = start_collecting();
    size_t waves = effort(100), at_once = 100;
    static pthread_t threads[100];
    atomic_store(&finished, 0);
    for (size_t wave = 0; wave < waves; wave++) {
        for (size_t i = 0; i < at_once; i++)
            CHECK(pthread_create(&threads[i], NULL, i % 5 == 4 ? never_allocates : short_life,
                                 (void *)(wave * at_once + i)) == 0);
        for (size_t i = 0; i < at_once; i++) {
            void *result;
            CHECK(pthread_join(threads[i], &result) == 0);
            size_t number = wave * at_once + i;
            if (i % 5 != 4 && number % 3 != 2)
                check_list(result, 20, number);
        }
    }
    stop_collecting(collector);
    assert_int_equal(atomic_load(&finished), waves * at_once);
    collect_clean();
    assert_in_range(live_objects(), before, before + 100);
}

// More types than a thread has an array of runs for, as a language's runtime makes them from its own programs; by threads
// that end while others ask about their objects, which looks at the runs of the threads that made them.

enum { TYPES = 6000, ASKED = 64 };
static bw__description described[TYPES];
static const bw__description *type_list[TYPES];
static const bw__unit_bounds type_unit = {type_list, type_list + TYPES, NULL, NULL};
static char type_names[TYPES][8];
static bw__site sites[TYPES];
static item *asked[ASKED]; // roots, read and written by several threads

static void make_types(void) {
    static const bw_field fields[] = {
        {"next", "struct item *", offsetof(item, next), sizeof(void *), BW_FIELD_POINTER, 0, 0, 8},
        {"value", "uint64_t", offsetof(item, value), sizeof(uint64_t), BW_FIELD_SCALAR, BW_KIND_UINT64, 0, 8},
    };
    for (size_t i = 0; i < TYPES; i++) {
        snprintf(type_names[i], sizeof type_names[i], "t%zu", i);
        described[i] = (bw__description){
            type_names[i], sizeof(item), _Alignof(item), fields, COUNT_OF(fields), BW_KIND_STRUCT, &type_unit, 0,
            false};
        type_list[i] = &described[i];
        sites[i].type = (bw__type_site){.name = type_names[i],
                                        .size = sizeof(item),
                                        .align = _Alignof(item),
                                        .field_class = BW_FIELD_AMBIGUOUS,
                                        .unit = &type_unit};
    }
}

// Two objects of each type from `first` on, each referring to the one before.
static item *one_of_each(size_t first, size_t count, uint64_t seed) {
    item *head = NULL;
    for (size_t i = 0; i < 2 * count; i++) {
        item *l = bw__new(&sites[(first + i / 2) % TYPES], BW__SLOT_BYTES(item));
        CHECK(l->next == NULL && l->value == 0);
        l->next = head;
        l->value = mix(seed + i) | (uint64_t)1 << 63;
        head = l;
        if (i % 7 == 0)
            __atomic_store_n(&asked[(seed + i) % ASKED], l, __ATOMIC_RELEASE);
    }
    return head;
}

static void *make_one_of_each(void *number) {
    return one_of_each((uintptr_t)number * 1999, 300, (uintptr_t)number);
}

static void *ask(void *unused) {
    (void)unused;
    while (!atomic_load(&stop_now))
        for (size_t i = 0; i < ASKED; i++) {
            item *l = __atomic_load_n(&asked[i], __ATOMIC_ACQUIRE);
            if (l == NULL)
                continue;
            CHECK(bw_base(&l->value) == l && bw_size(l) == BW__SLOT_BYTES(item));
            CHECK(bw_weak_get(bw_weak_make(l)) == l);
        }
    return NULL;
}

static void test_many_types(void **state) {
    (void)state;
    make_types();
    pthread_t collector = start_collecting(), asking[2];
    for (size_t i = 0; i < COUNT_OF(asking); i++)
        CHECK(pthread_create(&asking[i], NULL, ask, NULL) == 0);
    size_t count = effort(TYPES);
    item *all = one_of_each(TYPES - count, count, 7);
    for (size_t wave = 0; wave < effort(200); wave++) {
        pthread_t threads[4];
        void *lists[4];
        for (size_t i = 0; i < COUNT_OF(threads); i++)
            CHECK(pthread_create(&threads[i], NULL, make_one_of_each, (void *)(wave * COUNT_OF(threads) + i)) == 0);
        for (size_t i = 0; i < COUNT_OF(threads); i++)
            CHECK(pthread_join(threads[i], &lists[i]) == 0);
        for (size_t i = 0; i < COUNT_OF(threads); i++)
            check_list(lists[i], 600, wave * COUNT_OF(threads) + i);
    }
    atomic_store(&stop_now, true);
    for (size_t i = 0; i < COUNT_OF(asking); i++)
        CHECK(pthread_join(asking[i], NULL) == 0);
    stop_collecting(collector);
    check_list(all, 2 * count, 7);
    memset(asked, 0, sizeof asked);
}

static void test_detached_threads(void **state) {
    (void)state;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t collector = start_collecting();
    atomic_store(&finished, 0);
    size_t count = effort(2000);
    for (size_t i = 0; i < count; i++) {
        pthread_t thread;
        while (pthread_create(&thread, i % 2 ? &attributes : NULL, short_life, (void *)i) != 0)
            sleep_ms(1);
        if (i % 2 == 0)
            CHECK(pthread_detach(thread) == 0);
        while (atomic_load(&finished) + 50 < i)
            sleep_ms(0);
    }
    while (atomic_load(&finished) < count)
        sleep_ms(1);
    stop_collecting(collector);
    pthread_attr_destroy(&attributes);
}

// --- ends ---

static atomic_int cleaned;

static void clean_up(void *list) {
    check_list(list, 100, 5);
    CHECK(bw_new(item)->next == NULL);
    atomic_fetch_add(&cleaned, 1);
}

static void *wait_to_be_cancelled(void *unused) {
    (void)unused;
    item *list = make_list(100, 5);
    pthread_cleanup_push(clean_up, list);
    atomic_fetch_add(&finished, 1);
    for (;;) {
        CHECK(bw_new(item)->next == NULL);
        pthread_testcancel();
#if defined(__SANITIZE_THREAD__)
        sched_yield(); // cancelled within a call that it stands in front of, the sanitizer sees no locks of the thread any more
#else
        sleep_ms(0);
#endif
    }
    pthread_cleanup_pop(0);
    return NULL;
}

static void test_cancellation(void **state) {
    (void)state;
    pthread_t collector = start_collecting();
    size_t count = effort(300);
    atomic_store(&cleaned, 0);
    atomic_store(&finished, 0);
    for (size_t i = 0; i < count; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, wait_to_be_cancelled, NULL) == 0);
        while (atomic_load(&finished) <= i)
            sleep_ms(0);
        CHECK(pthread_cancel(thread) == 0);
        void *result;
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
    }
    stop_collecting(collector);
    assert_int_equal(atomic_load(&cleaned), count);
}

#if defined(__SANITIZE_THREAD__)
#define ROUNDS 2 // in the last one the sanitizer knows the thread no more
#else
#define ROUNDS 4 // glibc's PTHREAD_DESTRUCTOR_ITERATIONS
#endif
static pthread_key_t keys[3];
static atomic_int destroyed[ROUNDS + 1];
static __thread int rounds;

// Allocates in each of the rounds that there are, and sets itself again. In the last one the library lets the thread go, by
// its own key's destructor, which may come first: what only this key's value kept may then be collected before this runs.
static void destroy_again(void *value) {
    if (rounds < PTHREAD_DESTRUCTOR_ITERATIONS - 1)
        check_list(value, 10, 3);
    item *list = make_list(10, 3);
    rounds++;
    atomic_fetch_add(&destroyed[rounds], 1);
    if (rounds < ROUNDS)
        CHECK(pthread_setspecific(keys[0], list) == 0);
}

static void destroy_once(void *value) {
    check_list(value, 10, 4);
    check_list(make_list(200, 9), 200, 9);
    atomic_fetch_add(&destroyed[0], 1);
}

static void *use_keys(void *unused) {
    (void)unused;
    CHECK(pthread_setspecific(keys[0], make_list(10, 3)) == 0);
    CHECK(pthread_setspecific(keys[1], make_list(10, 4)) == 0);
    CHECK(pthread_setspecific(keys[2], make_list(10, 4)) == 0);
    return NULL;
}

static void test_key_destructors(void **state) {
    (void)state;
    CHECK(pthread_key_create(&keys[0], destroy_again) == 0);
    CHECK(pthread_key_create(&keys[1], destroy_once) == 0);
    CHECK(pthread_key_create(&keys[2], destroy_once) == 0);
    pthread_t collector = start_collecting();
    size_t count = effort(1000);
    for (size_t i = 0; i < count; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, use_keys, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    stop_collecting(collector);
    for (int i = 1; i <= ROUNDS; i++)
        assert_int_equal(atomic_load(&destroyed[i]), count);
    assert_int_equal(atomic_load(&destroyed[0]), 2 * count);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_key_delete(keys[i]) == 0);
    // Whatever is left of those threads, none of their records is waited for.
    for (int i = 0; i < 10; i++)
        bw_gc();
}

// --- foreign threads ---

static sem_t foreign_ready, foreign_go;

static void wait_semaphore(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0)
        CHECK(errno == EINTR);
}

static void *foreign_life(void *attaches) {
    if (attaches) {
        CHECK(bw_thread_attach());
        CHECK(!bw_thread_attach());
    }
    item *list = make_list(1000, 6);
    sem_post(&foreign_ready);
    wait_semaphore(&foreign_go);
    check_list(list, 1000, 6);
    if (attaches) {
        bw_thread_detach();
        bw_thread_detach();
    }
    return NULL;
}

static int foreign_body(void *attaches) {
    foreign_life(attaches);
    return 0;
}

// pthread_create and thrd_create as a library finds them that does not see the program's.
static void test_foreign_threads(void **state) {
    (void)state;
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))(uintptr_t)dlsym(
            dlopen("libc.so.6", RTLD_NOW), "pthread_create");
    assert_non_null(real);
    sem_init(&foreign_ready, 0, 0);
    sem_init(&foreign_go, 0, 0);
    for (size_t i = 0; i < effort(100); i++) {
        pthread_t thread;
        thrd_t other;
        void *attaches = i % 2 ? &foreign_go : NULL;
#if UNDER_SANITIZER
        CHECK(pthread_create(&thread, NULL, foreign_life, NULL) == 0);
#else
        CHECK(real(&thread, NULL, foreign_life, attaches) == 0);
#endif
        CHECK(thrd_create(&other, foreign_body, NULL) == thrd_success);
        (void)attaches;
        wait_semaphore(&foreign_ready);
        wait_semaphore(&foreign_ready);
        for (int j = 0; j < 3; j++) {
            collect_clean();
            make_list(2000, 1);
        }
        sem_post(&foreign_go);
        sem_post(&foreign_go);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(thrd_join(other, NULL) == thrd_success);
    }
}

// --- fork ---

static void *allocate_until_stopped(void *number) {
    struct random random = {(uintptr_t)number};
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&stop_now)) {
        item *list = make_list(1 + random_below(&random, 300), 8);
        // As above: the child would find a lock held.
        char *bytes = UNDER_SANITIZER ? NULL : malloc(1 + random_below(&random, 5000));
        if (bytes)
            bytes[0] = 1;
        CHECK(list->value);
        bw_free(bw_alloc(random_below(&random, 60000)));
        char text[64];
        snprintf(text, sizeof text, "%p %f", (void *)bytes, (double)(uintptr_t)number);
        free(bytes);
    }
    return NULL;
}

static void *child_thread(void *list) {
    check_list(list, 500, 12);
    check_list(make_list(5000, 13), 5000, 13);
    bw_gc();
    return make_list(10, 14);
}

static void live_as_child(item *list) {
    alarm(30);
    check_list(list, 500, 12);
    for (int i = 0; i < 3; i++) {
        check_list(make_list(3000, 11), 3000, 11);
        bw_gc();
    }
    pthread_t threads[3];
    void *result;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, child_thread, list) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_join(threads[i], &result) == 0);
        check_list(result, 10, 14);
    }
    check_list(list, 500, 12);
    bw_ledger_t l;
    bw_ledger(&l);
    CHECK(l.alloc.objects == l.new_.objects + l.make.objects && l.reclaim.objects == l.nil.objects + l.zero.objects &&
          l.alloc.objects - l.reclaim.objects == l.layout.objects && l.alloc.bytes - l.reclaim.bytes == l.layout.bytes);
    _exit(7);
}

static void wait_for_child(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %#x", status);
}

static void test_fork(void **state) {
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); // it ends a process that makes threads after a fork
#endif
    pthread_t threads[4];
    item *list = make_list(500, 12);
    atomic_store(&stop_now, false);
    atomic_store(&begun, 0);
    CHECK(pthread_create(&threads[0], NULL, collect_until_stopped, NULL) == 0);
    for (uintptr_t i = 1; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, allocate_until_stopped, (void *)i) == 0);
    await_under_sanitizer(&begun, 4);
    for (size_t i = 0; i < effort(100); i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0)
            live_as_child(list);
        wait_for_child(pid);
        check_list(list, 500, 12);
    }
    atomic_store(&stop_now, true);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void *fork_in_thread(void *list) {
    atomic_fetch_add(&begun, 1);
    await_under_sanitizer(&begun, 3);
    for (size_t i = 0; i < effort(30); i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0)
            live_as_child(list);
        wait_for_child(pid);
        make_list(1000, 1);
    }
    atomic_fetch_add(&done, 1);
    await_under_sanitizer(&done, 3);
    return NULL;
}

static void test_fork_by_several_threads(void **state) {
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip();
#endif
    pthread_t threads[3];
    item *list = make_list(500, 12);
    atomic_store(&begun, 0);
    atomic_store(&done, 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, fork_in_thread, list) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    check_list(list, 500, 12);
}

// --- helpers of the collector made while others are in malloc and pthread_create ---

static void *malloc_until_stopped(void *number) {
    struct random random = {(uintptr_t)number};
    void *blocks[64] = {0};
    while (!atomic_load(&stop_now)) {
        size_t i = random_below(&random, 64);
        free(blocks[i]);
        blocks[i] = malloc(random_below(&random, 3000));
    }
    for (size_t i = 0; i < 64; i++)
        free(blocks[i]);
    return NULL;
}

static void *create_until_stopped(void *unused) {
    (void)unused;
    while (!atomic_load(&stop_now)) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, never_allocates, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return NULL;
}

static void make_helpers(void) {
    alarm(50);
    static item *kept;
    kept = make_list(2000000 / (UNDER_SANITIZER ? 10 : 1), 1); // enough to be worth many markers
    pthread_t threads[4];
    atomic_store(&stop_now, false);
    for (uintptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, i < 2 ? malloc_until_stopped : create_until_stopped, (void *)i) == 0);
    for (int i = 2; i <= 32; i++) {
        bw_gomaxprocs(i);
        bw_gc();
    }
    atomic_store(&stop_now, true);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(kept->value);
}

static void test_helpers_while_others_allocate(void **state) {
    (void)state;
    if (debug_has("gcstress"))
        skip(); // two million objects
    for (size_t i = 0; i < effort(5); i++)
        assert_succeeded("make_helpers", NULL, NULL);
}

// --- the program's signal handlers ---

static volatile sig_atomic_t handled, informed;
static siginfo_t last_info;

static void plain_handler(int number) {
    handled = number;
}

static void informed_handler(int number, siginfo_t *info, void *context) {
    CHECK(context != NULL);
    informed = number;
    last_info = *info;
}

static void test_handler_semantics(void **state) {
    (void)state;
    struct sigaction action = {0}, before;
    action.sa_handler = plain_handler;
    sigaddset(&action.sa_mask, SIGUSR2);
    action.sa_flags = SA_RESTART | SA_NODEFER;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_true(before.sa_handler == SIG_DFL && !(before.sa_flags & SA_SIGINFO));
    raise(SIGUSR1);
    assert_int_equal(handled, SIGUSR1);

    struct sigaction with_info = {0};
    with_info.sa_sigaction = informed_handler;
    with_info.sa_flags = SA_SIGINFO;
    assert_int_equal(sigaction(SIGUSR1, &with_info, &before), 0);
    assert_true(before.sa_handler == plain_handler && !(before.sa_flags & SA_SIGINFO));
    assert_true((before.sa_flags & (SA_RESTART | SA_NODEFER)) == (SA_RESTART | SA_NODEFER));
    assert_true(sigismember(&before.sa_mask, SIGUSR2) == 1 && sigismember(&before.sa_mask, SIGHUP) == 0);
    union sigval value = {.sival_int = 1234};
    assert_int_equal(sigqueue(getpid(), SIGUSR1, value), 0);
    sleep_ms(0); // the thread sanitizer keeps it back until such a call
    assert_int_equal(informed, SIGUSR1);
    assert_int_equal(last_info.si_value.sival_int, 1234);
    assert_int_equal(last_info.si_pid, getpid());

    assert_int_equal(sigaction(SIGUSR1, NULL, &before), 0);
    assert_true(before.sa_sigaction == informed_handler && (before.sa_flags & SA_SIGINFO));
    action.sa_flags = SA_RESETHAND;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    handled = 0;
    raise(SIGUSR1);
    assert_int_equal(handled, SIGUSR1);
    assert_int_equal(sigaction(SIGUSR1, NULL, &before), 0);
    assert_true(before.sa_handler == SIG_DFL);

    assert_true(signal(SIGUSR1, plain_handler) == SIG_DFL);
    assert_true(signal(SIGUSR1, SIG_IGN) == plain_handler);
    handled = 0;
    raise(SIGUSR1);
    assert_int_equal(handled, 0);
    assert_true(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
    errno = 0;
    assert_int_equal(sigaction(SIGKILL, &action, NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(sigaction(1000, &action, NULL), -1);
    assert_true(signal(SIGKILL, plain_handler) == SIG_ERR);

    // Masks are reported as they were set, but for the signal that stops threads.
    sigset_t set, was;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, &was), 0);
    assert_true(sigismember(&was, SIGUSR1) == 1 && sigismember(&was, SIGTERM) == 1 && sigismember(&was, SIGHUP) == 0);
}

static atomic_int handler_count; // several threads are in the handler

static void counting_handler(int number) {
    (void)number;
    int saved = errno;
    atomic_fetch_add(&handler_count, 1);
    errno = saved;
}

// Signals storm in while threads allocate and others collect: nothing is refused that may be done.
static void test_signals_while_allocating(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = counting_handler, .sa_flags = SA_RESTART};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    pthread_t collector = start_collecting(), threads[2];
    for (uintptr_t i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, allocate_until_stopped, (void *)i) == 0);
    double end = seconds_now() + 1;
    while (seconds_now() < end) {
        for (int i = 0; i < 2; i++)
            pthread_kill(threads[i], SIGUSR1);
        sleep_ms(0);
    }
    stop_collecting(collector);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    assert_true(atomic_load(&handler_count) > 100);
    signal(SIGUSR1, SIG_DFL);
}

static sigjmp_buf out;

static void jumping_handler(int number) {
    (void)number;
    siglongjmp(out, 1);
}

static NOINLINE void allocate_deep(size_t left) {
    volatile char frame[1024];
    frame[0] = (char)left;
    if (left > 0)
        allocate_deep(left - 1);
    else
        check_list(make_list(100, 15), 100, 15);
    CHECK(frame[0] == (char)left);
}

static void jump_and_allocate(int depth) {
    for (int i = 0; i < 20; i++) {
        if (sigsetjmp(out, 1) == 0) {
            raise(SIGUSR1);
            CHECK(false, "the handler returned");
        }
        allocate_deep((size_t)depth);
        bw_gc();
    }
}

static void *jump_in_thread(void *stack_memory) {
    stack_t stack = {.ss_sp = stack_memory, .ss_size = 64 << 10}, none = {.ss_flags = SS_DISABLE};
    CHECK(sigaltstack(&stack, NULL) == 0);
    jump_and_allocate(0);
    jump_and_allocate(50);
    CHECK(sigaltstack(&none, NULL) == 0);
    return NULL;
}

// Out of a handler by siglongjmp: the thread may allocate again, from shallow and from deep frames.
static void test_jump_out_of_a_handler(void **state) {
    (void)state;
    static char static_stack[64 << 10];
    char local_stack[64 << 10]; // above every other thread's stack
    struct sigaction action = {.sa_handler = jumping_handler};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    jump_and_allocate(0);
    jump_and_allocate(50);
    action.sa_flags = SA_ONSTACK;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    jump_in_thread(static_stack);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, jump_in_thread, local_stack) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, jump_in_thread, static_stack) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    signal(SIGUSR1, SIG_DFL);
}

// --- programs that must die ---

static void *volatile made_in_handler;

static void allocating_handler(int number) {
    (void)number;
    made_in_handler = bw_alloc(16);
}

static void collecting_handler(int number) {
    (void)number;
    bw_gc();
}

static void freeing_handler(int number) {
    (void)number;
    bw_free(made_in_handler);
}

static void handle_with(void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    static char stack_memory[64 << 10];
    stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
    made_in_handler = bw_alloc(16); // so that the thread has a run to take another from
    CHECK(sigaltstack(&stack, NULL) == 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    raise(SIGUSR1);
}

static void allocate_in_handler(void) {
    handle_with(allocating_handler, 0);
}

static void allocate_in_handler_on_alternate_stack(void) {
    handle_with(allocating_handler, SA_ONSTACK);
}

static void collect_in_handler(void) {
    handle_with(collecting_handler, 0);
}

static void free_in_handler(void) {
    handle_with(freeing_handler, 0);
}

static void allocate_in_handler_of_signal(void) {
    signal(SIGUSR1, allocating_handler);
    made_in_handler = bw_alloc(16);
    raise(SIGUSR1);
}

static _Atomic int stop_loading;

// The first collections make the library's own threads, while another thread is loading and unloading a library all the
// time: both take locks of libc, and must take them in one order.
static void *load_for_ever(void *unused) {
    while (!atomic_load(&stop_loading)) {
        void *library = dlopen(BURROW_TEST_MODULE_DIR "/large_tls.so", RTLD_NOW | RTLD_LOCAL);
        CHECK(library != NULL, "%s", dlerror());
        dlclose(library);
    }
    return unused;
}
// One thread: of two the thread sanitizer does not see the lock that keeps them apart within the loader, and the second would
// wait for a lock of the sanitizer's where it cannot be stopped, and the first, stopped, holds that.
static void collect_while_loading(void) {
    pthread_t loader;
    CHECK(pthread_create(&loader, NULL, load_for_ever, NULL) == 0);
    bw_gomaxprocs(8); // helpers for one collection after the other
    for (size_t megabytes = 1; megabytes <= 8; megabytes++) {
        item **held = bw_new_array(item *, megabytes << 17);
        bw_gc();
        bw_keep_alive(held);
    }
    atomic_store(&stop_loading, 1);
    CHECK(pthread_join(loader, NULL) == 0);
}
static void test_collecting_while_another_loads(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_succeeded("collect_while_loading", NULL, NULL);
}

static const struct child children[] = {
    {"allocate_in_handler", allocate_in_handler},
    {"allocate_in_handler_on_alternate_stack", allocate_in_handler_on_alternate_stack},
    {"collect_in_handler", collect_in_handler},
    {"free_in_handler", free_in_handler},
    {"allocate_in_handler_of_signal", allocate_in_handler_of_signal},
    {"make_helpers", make_helpers},
    {"collect_while_loading", collect_while_loading},
};

static void test_refused_in_handlers(void **state) {
    (void)state;
    for (size_t i = 0; i < 5; i++)
        assert_died(children[i].name,
                    "fatal error: burrow: allocation in a signal handler: the interrupted code may be "
                    "allocating; set a flag or write to a pipe there instead");
}

int main(int argc, char **argv) {
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waves),
        cmocka_unit_test(test_many_types),
        cmocka_unit_test(test_detached_threads),
        cmocka_unit_test(test_cancellation),
        cmocka_unit_test(test_key_destructors),
        cmocka_unit_test(test_foreign_threads),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_fork_by_several_threads),
        cmocka_unit_test(test_helpers_while_others_allocate),
        cmocka_unit_test(test_handler_semantics),
        cmocka_unit_test(test_signals_while_allocating),
        cmocka_unit_test(test_jump_out_of_a_handler),
        cmocka_unit_test(test_refused_in_handlers),
        cmocka_unit_test(test_collecting_while_another_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
