// Go's runtime/proc_test.go, what of it makes sense here: docs/go-tests.md says which is where. What stands for main in Go's
// tests is a thread here, so that much of it runs in a goroutine.
// timeout: 200
#include "sched/worker.h"

#include "support.h"

#include <stdatomic.h>
#include <sys/syscall.h>

static void nothing(void) {}
static void in_goroutine_run(void (*body)(void), bw_chan(int) done) {
    body();
    bw_send(done, 1);
}
static void in_goroutine(void (*body)(void)) {
    bw_chan(int) done = bw_make_chan(int, 0);
    bw_go(in_goroutine_run, body, done);
    CHECK(bw_recv(done) == 1);
}

// --- TestSchedLocalQueue, ...Steal, ...Empty: a worker's ring, without a worker ---

static void test_local_queue(void **state) {
    (void)state;
    struct worker *worker = os_map(sizeof *worker);
    static struct goroutine goroutines[RING];
    for (int i = 0; i < RING; i++) {
        CHECK(ring_take(worker) == NULL && ring_empty(worker));
        for (int j = 0; j < i; j++)
            ring_put(worker, &goroutines[j]);
        for (int j = 0; j < i; j++)
            CHECK(ring_take(worker) == &goroutines[j], "%d of %d", j, i);
        CHECK(ring_take(worker) == NULL);
    }
    os_unmap(worker, sizeof *worker);
}

static void test_local_queue_steal(void **state) {
    (void)state;
    struct worker *from = os_map(sizeof *from), *to = os_map(sizeof *to);
    static struct goroutine goroutines[RING];
    for (uint32_t i = 0; i < RING; i++) {
        for (uint32_t j = 0; j < i; j++) {
            goroutines[j].slot = 0;
            ring_put(from, &goroutines[j]);
        }
        uint32_t stolen = 0;
        struct goroutine *goroutine = ring_steal(to, from);
        for (; goroutine; goroutine = ring_take(to)) {
            goroutine->slot++;
            stolen++;
        }
        while ((goroutine = ring_take(from)) != NULL)
            goroutine->slot++;
        for (uint32_t j = 0; j < i; j++)
            CHECK(goroutines[j].slot == 1, "%u of %u: %u", j, i, goroutines[j].slot);
        CHECK(stolen == i - i / 2, "%u of %u", stolen, i);
    }
    os_unmap(from, sizeof *from);
    os_unmap(to, sizeof *to);
}

// What is in the ring all the time is seen at any time.
struct looked_at {
    struct worker *worker;
    _Atomic int turn;
};
static void *look_at(void *argument) {
    struct looked_at *at = argument;
    for (int i = 1; i <= 20000; i++) {
        while (atomic_load(&at->turn) != 2 * i - 1) {
            if (UNDER_SANITIZER)
                sched_yield();
        }
        atomic_store(&at->turn, 2 * i); // now the other puts one and takes one
        CHECK(!ring_empty(at->worker), "round %d", i);
    }
    return NULL;
}
static void test_local_queue_empty(void **state) {
    (void)state;
    static struct goroutine goroutines[2];
    struct looked_at at = {os_map(sizeof *at.worker), 0};
    pthread_t thread;
    ring_put(at.worker, &goroutines[0]);
    CHECK(pthread_create(&thread, NULL, look_at, &at) == 0);
    for (int i = 1; i <= 20000; i++) {
        atomic_store(&at.turn, 2 * i - 1);
        while (atomic_load(&at.turn) != 2 * i) {
            if (UNDER_SANITIZER)
                sched_yield();
        }
        ring_put(at.worker, &goroutines[i % 2]);
        CHECK(ring_take(at.worker) == &goroutines[(i + 1) % 2]);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    os_unmap(at.worker, sizeof *at.worker);
}

// --- TestStopTheWorldDeadlock ---

static void collects(bw_chan(int) done, size_t times) {
    for (size_t i = 0; i < times; i++)
        bw_gc();
    bw_send(done, 1);
}
static void sets_processors(bw_chan(int) done, size_t times) {
    for (size_t i = 0; i < times; i++)
        bw_gomaxprocs(3);
    bw_send(done, 1);
}
static void makes_itself(bw_chan(int) stop) {
    bw_select {
        bw_on_recv(stop, v) {}
        bw_default bw_go(makes_itself, stop);
    }
}
static void test_stop_the_world(void **state) {
    (void)state;
    int before = bw_gomaxprocs(3);
    bw_chan(int) done = bw_make_chan(int, 2), stop = bw_make_chan(int, 1);
    bw_go(collects, done, effort(1000));
    bw_go(sets_processors, done, effort(1000));
    bw_go(makes_itself, stop);
    CHECK(bw_recv(done) == 1 && bw_recv(done) == 1);
    bw_send(stop, 1);
    bw_gomaxprocs(before);
}

// --- TestYieldProgress, TestYieldLockedProgress, TestYieldLocked, TestBlockLocked, TestLockOSThreadNesting ---

static void yields_until_told(bw_chan(int) c, bw_chan(int) told, bool locked) {
    if (locked)
        bw_lock_os_thread();
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(c, v) {
                bw_send(told, v);
                more = false;
            }
            bw_default bw_yield();
        }
}
static void test_yield_progress(void **state) {
    (void)state;
    for (int locked = 0; locked < 2; locked++) {
        bw_chan(int) c = bw_make_chan(int, 0), told = bw_make_chan(int, 0);
        bw_go(yields_until_told, c, told, locked);
        sleep_ms(10);
        bw_send(c, 7);
        CHECK(bw_recv(told) == 7);
    }
}

static void yields_locked(void) {
    bw_lock_os_thread();
    for (int i = 0; i < 10; i++) {
        bw_yield();
        bw_sleep(1000000);
    }
}
static void sends_locked(bw_chan(int) c) {
    bw_lock_os_thread();
    for (int i = 0; i < 10; i++)
        bw_send(c, i);
    bw_unlock_os_thread();
}
static void locks_nested(void) {
    bw_lock_os_thread();
    bw_lock_os_thread();
    long thread = syscall(SYS_gettid);
    for (int i = 0; i < 30; i++) {
        if (i == 15)
            bw_unlock_os_thread();
        bw_yield();
        CHECK(syscall(SYS_gettid) == thread);
    }
    bw_unlock_os_thread();
    bw_unlock_os_thread(); // once too often: nothing
}
static void test_locked(void **state) {
    (void)state;
    in_goroutine(yields_locked);
    bw_chan(int) c = bw_make_chan(int, 0);
    bw_go(sends_locked, c);
    for (int i = 0; i < 10; i++)
        CHECK(bw_recv(c) == i);
    for (int i = 0; i < 20; i++)
        in_goroutine(locks_nested);
    // All of their places were given back: with one alone others still run.
    int before = bw_gomaxprocs(1);
    in_goroutine(nothing);
    bw_gomaxprocs(before);
}

// --- TestGoroutineParallelism, ...2: all that can run do at the same time, also of goroutines made by others ---

static void takes_turns(_Atomic uint32_t *turn, uint32_t of, uint32_t number, bw_chan(int) done) {
    for (uint32_t i = 0; i < 3; i++) {
        while (atomic_load(turn) != of * i + number) {}
        atomic_store(turn, of * i + number + 1);
    }
    bw_send(done, 1);
}
static void makes_two(_Atomic uint32_t *turn, uint32_t of, uint32_t number, bw_chan(int) done) {
    for (uint32_t i = 0; i < 2; i++)
        bw_go(takes_turns, turn, of, 2 * number + i, done);
}
static void test_parallelism(void **state) {
    (void)state;
    enum { P = 4 };
    int before = bw_gomaxprocs(P);
    for (size_t try = 0; try < effort(10); try++)
        for (int nested = 0; nested < 2; nested++) {
            bw_chan(int) done = bw_make_chan(int, 0);
            _Atomic uint32_t *turn = bw_alloc_noscan(sizeof *turn);
            for (uint32_t i = 0; i < P / (nested ? 2 : 1); i++) {
                if (nested)
                    bw_go(makes_two, turn, P, i, done);
                else
                    bw_go(takes_turns, turn, P, i, done);
            }
            for (int i = 0; i < P; i++)
                CHECK(bw_recv(done) == 1);
        }
    bw_gomaxprocs(before);
}

// --- TestPreemption, TestPreemptionGC: nothing is interrupted here, but another gets the worker's place ---

static void waits_for_turn(_Atomic uint32_t *turn, uint32_t me, bw_chan(int) done) {
    for (int i = 0; i < 5; i++) {
        while (atomic_load(turn) != me) {}
        atomic_store(turn, 1 - me);
    }
    bw_send(done, 1);
}
static void test_preemption(void **state) {
    (void)state;
    int before = bw_gomaxprocs(1);
    _Atomic uint32_t *turn = bw_alloc_noscan(sizeof *turn);
    bw_chan(int) done = bw_make_chan(int, 0);
    for (uint32_t i = 0; i < 2; i++)
        bw_go(waits_for_turn, turn, i, done);
    CHECK(bw_recv(done) == 1 && bw_recv(done) == 1);
    bw_gomaxprocs(before);
}

static void computes_until(_Atomic bool *stop, bw_chan(int) done) {
    while (!atomic_load(stop)) {}
    bw_send(done, 1);
}
static void collects_between(void) {
    for (int i = 0; i < 10; i++) {
        bw_yield();
        bw_gc();
    }
}
static void test_preemption_gc(void **state) {
    (void)state;
    enum { P = 3 };
    int before = bw_gomaxprocs(P + 1);
    _Atomic bool *stop = bw_alloc_noscan(sizeof *stop);
    bw_chan(int) done = bw_make_chan(int, 0);
    for (int i = 0; i < P; i++)
        bw_go(computes_until, stop, done);
    in_goroutine(collects_between);
    atomic_store(stop, true);
    for (int i = 0; i < P; i++)
        CHECK(bw_recv(done) == 1);
    bw_gomaxprocs(before);
}

// --- TestTimerFairness, ...2; TestGCFairness ---

static void send_for_ever(bw_chan(int) c, bw_chan(int) done) {
    for (bool more = true; more;)
        bw_select {
            bw_on_send(c, 1) {}
            bw_on_recv(done, v) more = false;
        }
}
static void receives_until_late(void) {
    bw_chan(int) c = bw_make_chan(int, 0), done = bw_make_chan(int, 0);
    for (int i = 0; i < 2; i++)
        bw_go(send_for_ever, c, done);
    bw_chan(int64_t) timer = bw_after(20000000);
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(c, v) {}
            bw_on_recv(timer, v) more = false;
        }
    bw_close(done);
}
static void reads_and_talks(bw_chan(int) c, bw_chan(int) done) {
    bw_chan(int64_t) timer = bw_after(20000000);
    for (bool more = true; more;) {
        char nothing;
        CHECK(syscall(SYS_pread64, 0, &nothing, 0, 0) <= 0);
        bw_select {
            bw_on_send(c, 1) {}
            bw_on_recv(c, v) {}
            bw_on_recv(timer, v) more = false;
        }
    }
    bw_send(done, 1);
}
static void test_timer_fairness(void **state) {
    (void)state;
    in_goroutine(receives_until_late);
    bw_chan(int) c = bw_make_chan(int, 0), done = bw_make_chan(int, 0);
    for (int i = 0; i < 2; i++)
        bw_go(reads_and_talks, c, done);
    CHECK(bw_recv(done) == 1 && bw_recv(done) == 1);
}

static void writes_for_ever(int fd) {
    for (;;)
        CHECK(write(fd, ".", 1) == 1);
}
static void sleeps_a_little(void) {
    bw_sleep(10000000);
}
static void fairness(void) { // on one processor, one that sleeps is woken beside two that make system calls
    int fd = open("/dev/null", O_WRONLY);
    for (int i = 0; i < 2; i++)
        bw_go(writes_for_ever, fd);
    in_goroutine(sleeps_a_little);
}
static void test_gc_fairness(void **state) {
    (void)state;
    static const char *const one[] = {"GOMAXPROCS=1", NULL};
    assert_succeeded("fairness", one, NULL);
}

// --- TestPreemptionAfterSyscall ---

static void blocks_until(_Atomic bool *stop, int64_t ns, bw_chan(int) c) {
    bw_send(c, 1);
    while (!atomic_load(stop)) {
        bw_blocking {
            for (int64_t end = (int64_t)os_now_ns() + ns; (int64_t)os_now_ns() < end;) {}
        }
    }
    bw_send(c, 2);
}
static void test_after_blocking(void **state) {
    (void)state;
    enum { COUNT = 8 };
    int before = bw_gomaxprocs(2);
    for (int64_t ns = 10000; ns <= 1000000; ns *= 10) {
        bw_chan(int) c = bw_make_chan(int, COUNT);
        _Atomic bool *stop = bw_alloc_noscan(sizeof *stop);
        double begun = seconds_now();
        for (int i = 0; i < COUNT; i++)
            bw_go(blocks_until, stop, ns, c);
        for (int i = 0; i < COUNT; i++)
            CHECK(bw_recv(c) == 1);
        atomic_store(stop, true);
        for (int i = 0; i < COUNT; i++)
            CHECK(bw_recv(c) == 2);
        CHECK(seconds_now() - begun < child_limit(5), "%.1f s", seconds_now() - begun);
    }
    bw_gomaxprocs(before);
}

// --- TestBigGOMAXPROCS, TestNumGoroutine ---

static void big(void) {
    CHECK(bw_gomaxprocs(0) == 1024 && bw_num_goroutine() == 1);
    for (int i = 0; i < 100; i++)
        in_goroutine(nothing);
    for (int i = 0; i < 10000 && bw_num_goroutine() != 1; i++)
        sleep_ms(0);
    CHECK(bw_num_goroutine() == 1);
}
static void test_big_gomaxprocs(void **state) {
    (void)state;
    static const char *const many[] = {"GOMAXPROCS=1024", NULL};
    assert_succeeded("big", many, NULL);
}

int main(int argc, char **argv) {
    static const struct child children[] = {{"fairness", fairness}, {"big", big}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_queue),       cmocka_unit_test(test_local_queue_steal),
        cmocka_unit_test(test_local_queue_empty), cmocka_unit_test(test_stop_the_world),
        cmocka_unit_test(test_yield_progress),    cmocka_unit_test(test_locked),
        cmocka_unit_test(test_parallelism),       cmocka_unit_test(test_preemption),
        cmocka_unit_test(test_preemption_gc),     cmocka_unit_test(test_timer_fairness),
        cmocka_unit_test(test_gc_fairness),       cmocka_unit_test(test_after_blocking),
        cmocka_unit_test(test_big_gomaxprocs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
