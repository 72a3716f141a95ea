// Workers and their tokens: a goroutine in a long call keeps nobody waiting, bw_blocking gives the worker to others at once,
// GOMAXPROCS while the program runs, goroutines that belong to a thread.
// timeout: 200
#include "support.h"

#include <stdatomic.h>
#include <sys/syscall.h>

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static _Atomic bool stop;

static void computes(bw_chan(int) done) {
    while (!atomic_load(&stop)) {}
    bw_send(done, 1);
}
static void says(bw_chan(int) done) {
    bw_send(done, 2);
}

// More goroutines compute than there are processors, and never give theirs up.
static void test_computing(void **state) {
    (void)state;
    int before = bw_gomaxprocs(2);
    for (int round = 0; round < 3; round++) {
        bw_chan(int) done = bw_make_chan(int, 0);
        atomic_store(&stop, false);
        for (int i = 0; i < 5; i++)
            bw_go(computes, done);
        for (int i = 0; i < 100; i++) {
            bw_go(says, done);
            CHECK(bw_recv(done) == 2);
        }
        atomic_store(&stop, true);
        for (int i = 0; i < 5; i++)
            CHECK(bw_recv(done) == 1);
    }
    bw_gomaxprocs(before);
}

// What one that computes has made ready itself is not left on its worker.
static void computes_after(bw_chan(int) done, bw_chan(int) partner) {
    bw_send(partner, 3);
    while (!atomic_load(&stop)) {}
    bw_send(done, 1);
}
static void partner_of(bw_chan(int) from, bw_chan(int) done) {
    CHECK(bw_recv(from) == 3);
    atomic_store(&stop, true);
    bw_send(done, 2);
}
static void test_run_next_of_computing(void **state) {
    (void)state;
    for (int procs = 1; procs <= 3; procs++) {
        int before = bw_gomaxprocs(procs);
        for (int round = 0; round < 20; round++) {
            bw_chan(int) done = bw_make_chan(int, 0), partner = bw_make_chan(int, 0);
            atomic_store(&stop, false);
            bw_go(partner_of, partner, done);
            bw_go(computes_after, done, partner);
            CHECK(bw_recv(done) + bw_recv(done) == 3);
        }
        bw_gomaxprocs(before);
    }
}

static void reads(int fd, bw_chan(int) done, bool blocking) {
    char byte = 0;
    ssize_t got = 0;
    if (blocking) {
        bw_blocking {
            got = read(fd, &byte, 1);
        }
    } else {
        got = read(fd, &byte, 1);
    }
    CHECK(got == 1 && byte == 'x');
    bw_send(done, 1);
}

// A hundred goroutines in read: each has a thread, and others run.
static void long_calls(bool blocking, size_t count) {
    bw_chan(int) done = bw_make_chan(int, 0);
    int(*pipes)[2] = malloc(count * sizeof *pipes);
    for (size_t i = 0; i < count; i++) {
        CHECK(pipe(pipes[i]) == 0);
        bw_go(reads, pipes[i][0], done, blocking);
    }
    int64_t start = now_ms();
    for (int i = 0; i < 100; i++) {
        bw_go(says, done);
        CHECK(bw_recv(done) == 2);
    }
    if (blocking)
        CHECK(now_ms() - start < 5000, "%lld ms", (long long)(now_ms() - start));
    bw_gc();
    for (size_t i = 0; i < count; i++)
        CHECK(write(pipes[i][1], "x", 1) == 1);
    for (size_t i = 0; i < count; i++)
        CHECK(bw_recv(done) == 1);
    for (size_t i = 0; i < count; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    free(pipes);
}
static void test_blocking(void **state) {
    (void)state;
    long_calls(true, 100);
}
static void test_long_calls(void **state) {
    (void)state;
    long_calls(false, 20);
}

// Within bw_blocking a goroutine may wait for a channel, and come back on another thread: the block runs once.
static void blocking_with_channels(bw_chan(int) a, bw_chan(int) b, int rounds) {
    int times = 0;
    for (int i = 0; i < rounds; i++) {
        bw_blocking {
            times++;
            bw_send(a, i);
            CHECK(bw_recv(b) == i);
        }
    }
    CHECK(times == rounds);
    bw_close(a);
}
static void test_blocking_once(void **state) {
    (void)state;
    bw_chan(int) a = bw_make_chan(int, 0), b = bw_make_chan(int, 0);
    int rounds = (int)effort(5000), seen = 0;
    bw_go(blocking_with_channels, a, b, rounds);
    bw_chan_range(v, a) {
        CHECK(v == seen++);
        bw_send(b, v);
    }
    CHECK(seen == rounds);
}

// --- GOMAXPROCS ---

static _Atomic int at_once, most_at_once;
static void counts_at_once(bw_chan(int) done) {
    for (int i = 0; i < 20; i++) {
        int now = atomic_fetch_add(&at_once, 1) + 1, most = atomic_load(&most_at_once);
        while (now > most && !atomic_compare_exchange_weak(&most_at_once, &most, now)) {}
        for (volatile int spin = 0; spin < 2000; spin++) {}
        atomic_fetch_sub(&at_once, 1);
        bw_yield();
    }
    bw_send(done, 1);
}
static void run_counting(int count) {
    bw_chan(int) done = bw_make_chan(int, 0);
    for (int i = 0; i < count; i++)
        bw_go(counts_at_once, done);
    for (int i = 0; i < count; i++)
        CHECK(bw_recv(done) == 1);
}
static void test_changed_processors(void **state) {
    (void)state;
    int before = bw_gomaxprocs(4);
    CHECK(bw_gomaxprocs(0) == 4 && bw_gomaxprocs(-1) == 4);
    run_counting(50);
    CHECK(bw_gomaxprocs(1) == 4);
    for (int i = 0; i < 20; i++)
        run_counting(5); /* those that had a token have come to a change of goroutines */
    atomic_store(&most_at_once, 0);
    run_counting(50);
    if (!UNDER_SANITIZER && !under_valgrind() && !debug_has("gcstress"))
        CHECK(atomic_load(&most_at_once) <= 2, "%d", atomic_load(&most_at_once)); /* 2: one that took too long */
    for (int i = 0; i < 50; i++) {
        bw_gomaxprocs(1 + i % 5);
        run_counting(10);
    }
    bw_gomaxprocs(before);
}

// --- threads of their own ---

static pid_t thread_id(void) {
    return (pid_t)syscall(SYS_gettid);
}
static __thread int of_the_thread;
static pid_t parent; // in a child all threads but one are gone
static bool in_child(void) {
    return getpid() != parent;
}

static void locked(bw_chan(int) in, bw_chan(int) done, int number) {
    bw_lock_os_thread();
    bw_lock_os_thread();
    pid_t thread = thread_id();
    of_the_thread = number;
    bw_chan_range(v, in) {
        CHECK(v == 1 && (in_child() || (thread_id() == thread && *(volatile int *)&of_the_thread == number)));
        bw_yield();
        CHECK(in_child() || (thread_id() == thread && *(volatile int *)&of_the_thread == number));
        bw_gc();
    }
    bw_unlock_os_thread();
    bw_yield();
    CHECK(in_child() || thread_id() == thread);
    bw_unlock_os_thread();
    bw_unlock_os_thread();
    of_the_thread = 0;
    bw_send(done, 1);
}
static void disturbs(bw_chan(bool) ends, bw_chan(int) done) {
    int seen = 0;
    for (bool more = true; more;) {
        bw_select {
            bw_on_recv_ok(ends, v, ok) more = ok;
            bw_default bw_yield();
        }
        seen += *(volatile int *)&of_the_thread != 0;
    }
    CHECK(seen == 0);
    bw_send(done, 1);
}
static void test_locked(void **state) {
    (void)state;
    enum { LOCKED = 4, OTHERS = 6 };
    bw_chan(int) in = bw_make_chan(int, 0), done = bw_make_chan(int, 0);
    bw_chan(bool) ends = bw_make_chan(bool, 0);
    for (int i = 0; i < LOCKED; i++)
        bw_go(locked, in, done, i + 1);
    for (int i = 0; i < OTHERS; i++)
        bw_go(disturbs, ends, done);
    for (size_t i = 0; i < effort(300); i++)
        bw_send(in, 1);
    bw_close(in);
    for (int i = 0; i < LOCKED; i++)
        CHECK(bw_recv(done) == 1);
    bw_close(ends);
    for (int i = 0; i < OTHERS; i++)
        CHECK(bw_recv(done) == 1);
    bw_lock_os_thread(); /* a thread that is no goroutine: nothing */
    bw_unlock_os_thread();
}

// One that ends without unlocking leaves its thread to others.
static void ends_locked(bw_chan(int) done) {
    bw_lock_os_thread();
    bw_send(done, 1);
}
static void test_ends_locked(void **state) {
    (void)state;
    bw_chan(int) done = bw_make_chan(int, 0);
    for (size_t i = 0; i < effort(500); i++) {
        bw_go(ends_locked, done);
        CHECK(bw_recv(done) == 1);
    }
    run_counting(10);
}

// The thread of a goroutine is the library's, which knows it.
static void detaches(bw_chan(int) done) {
    bw_thread_detach();
    CHECK(!bw_thread_attach());
    int *number = bw_new(int);
    *number = 1;
    bw_gc();
    bw_send(done, *number);
}
static void test_detach(void **state) {
    (void)state;
    bw_chan(int) done = bw_make_chan(int, 0);
    for (int i = 0; i < 10; i++) {
        bw_go(detaches, done);
        CHECK(bw_recv(done) == 1);
    }
}

// The memory of many stacks goes back to the system: after a while, or when asked.
static long resident_pages(void) {
    long total = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%ld %ld", &total, &pages) == 2);
    fclose(file);
    return pages;
}
static void waits_for(bw_chan(int) start, bw_chan(int) done) {
    bw_recv(start);
    bw_send(done, 1);
}
static void many_at_once(int count) {
    bw_chan(int) start = bw_make_chan(int, 0), done = bw_make_chan(int, 0);
    for (int i = 0; i < count; i++)
        bw_go(waits_for, start, done);
    bw_close(start);
    for (int i = 0; i < count; i++)
        CHECK(bw_recv(done) == 1);
    while (bw_num_goroutine() > 1) // they have sent, and are about to return
        usleep(1000);
}
static void test_stacks_given_back(void **state) {
    (void)state;
    enum { MANY = 30000, KEPT = 2000, SLACK = 1500 };
    if (UNDER_SANITIZER || under_valgrind())
        return;
    many_at_once(KEPT);
    bw_free_os_memory();
    long before = resident_pages(), after = 0;
    many_at_once(MANY);
    CHECK(resident_pages() > before + MANY / 2); /* what is not needed at the moment is kept */
    bw_free_os_memory();
    after = resident_pages();
    CHECK(after < before + SLACK, "%ld pages before, %ld after", before, after);
    many_at_once(MANY);
    for (int i = 0; i < 600 && (after = resident_pages()) >= before + KEPT + SLACK; i++)
        usleep(50000);
    CHECK(after < before + KEPT + SLACK, "%ld pages before, %ld after", before, after);
    many_at_once(KEPT);
}

// fork with goroutines that belong to threads, and some in long calls: the child has those that ran on no thread.
static void test_fork(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        return; // the thread sanitizer wants no threads made in a child
    bw_chan(int) in = bw_make_chan(int, 0), done = bw_make_chan(int, 0), inner = bw_make_chan(int, 0);
    int ends[2];
    CHECK(pipe(ends) == 0);
    for (int i = 0; i < 3; i++)
        bw_go(locked, in, done, i + 1);
    bw_go(reads, ends[0], done, true);
    bw_go(says, inner);
    for (int i = 0; i < 10; i++)
        bw_send(in, 1);

    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        CHECK(bw_recv(inner) == 2);
        bw_close(in); /* the locked ones may have been running in the parent; those that were not end */
        run_counting(20);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
    CHECK(bw_recv(inner) == 2);
    bw_close(in);
    CHECK(write(ends[1], "x", 1) == 1);
    for (int i = 0; i < 4; i++)
        CHECK(bw_recv(done) == 1);
    close(ends[0]);
    close(ends[1]);
}

// Nothing to do: no processor time.
static void test_quiet(void **state) {
    (void)state;
    bw_chan(int) done = bw_make_chan(int, 0);
    for (int i = 0; i < 50; i++)
        bw_go(says, done);
    for (int i = 0; i < 50; i++)
        CHECK(bw_recv(done) == 2);
    int ends[2];
    CHECK(pipe(ends) == 0);
    bw_go(reads, ends[0], done, true);
    int64_t used = INT64_MAX;
    for (int second = 0; second < 20 && used >= 5000000; second++) { // at first the observer gives stacks back
        struct timespec before, after;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
        usleep(1000000);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
        used = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
    }
    if (!UNDER_SANITIZER && !under_valgrind())
        CHECK(used < 5000000, "%lld ns of a second", (long long)used);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(bw_recv(done) == 1);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    parent = getpid();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_computing),     cmocka_unit_test(test_run_next_of_computing),
        cmocka_unit_test(test_blocking),      cmocka_unit_test(test_long_calls),
        cmocka_unit_test(test_blocking_once), cmocka_unit_test(test_changed_processors),
        cmocka_unit_test(test_locked),        cmocka_unit_test(test_ends_locked),
        cmocka_unit_test(test_detach),        cmocka_unit_test(test_stacks_given_back),
        cmocka_unit_test(test_fork),          cmocka_unit_test(test_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
