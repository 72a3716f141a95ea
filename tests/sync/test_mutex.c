// Mutexes and reader/writer mutexes: exclusion, who waits, fairness, misuse, in goroutines and threads mixed. The cases of
// Go's mutex_test.go and rwmutex_test.go; docs/go-tests.md says which is which.
// timeout: 200
#include "support.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static void spin_for(int rounds) {
    for (volatile int i = 0; i < rounds; i++) {}
}

// --- mutex ---

static void hammer(bw_mutex *m, size_t loops, long *counter, bw_chan(bool) done) {
    for (size_t i = 0; i < loops; i++) {
        if (i % 3 == 0) {
            if (bw_mutex_try_lock(m)) {
                ++*counter;
                bw_mutex_unlock(m);
            }
            continue;
        }
        bw_mutex_lock(m);
        ++*counter;
        if (i % 100 == 0)
            bw_yield(); // holding it
        bw_mutex_unlock(m);
    }
    bw_send(done, true);
}
struct hammer {
    bw_mutex *m;
    size_t loops;
    long *counter;
    bw_chan(bool) done;
};
static void *hammer_in_thread(void *argument) {
    struct hammer *h = argument;
    hammer(h->m, h->loops, h->counter, h->done);
    return NULL;
}

// TestMutex
static void test_mutex(void **state) {
    (void)state;
    bw_mutex *m = bw_new(bw_mutex);
    bw_mutex_lock(m);
    CHECK(!bw_mutex_try_lock(m));
    bw_mutex_unlock(m);
    CHECK(bw_mutex_try_lock(m));
    bw_mutex_unlock(m);
    bw_chan(bool) done = bw_make_chan(bool, 0);
    long *counter = bw_new(long);
    size_t loops = effort(3000);
    for (int i = 0; i < 10; i++)
        bw_go(hammer, m, loops, counter, done);
    for (int i = 0; i < 10; i++)
        bw_recv(done);
    CHECK(*counter >= (long)(10 * (loops - loops / 3 - 1)) && *counter <= (long)(10 * loops));
}

// Goroutines, threads of the program and main at one mutex, with a counter that nothing else protects.
static void add_many(bw_mutex *m, size_t loops, long *counter) {
    for (size_t i = 0; i < loops; i++) {
        bw_mutex_lock(m);
        ++*counter;
        if (i % 16 == 0)
            spin_for(200);
        bw_mutex_unlock(m);
    }
}
static void *add_in_thread(void *argument) {
    struct hammer *h = argument;
    add_many(h->m, h->loops, h->counter);
    return NULL;
}
static void test_mixed(void **state) {
    (void)state;
    for (int round = 0; round < 5; round++) {
        struct hammer *h = bw_new(struct hammer);
        h->m = bw_new(bw_mutex);
        h->counter = bw_new(long);
        h->loops = effort(4000);
        h->done = bw_make_chan(bool, 0);
        pthread_t threads[3];
        bw_waitgroup all = {0};
        for (int i = 0; i < 5; i++)
            bw_waitgroup_go(&all, add_many, h->m, h->loops, h->counter);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_create(&threads[i], NULL, add_in_thread, h) == 0);
        add_many(h->m, h->loops, h->counter);
        bw_waitgroup_wait(&all);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(*h->counter == (long)(9 * h->loops), "%ld", *h->counter);
        CHECK(bw_mutex_try_lock(h->m));
        bw_mutex_unlock(h->m);
        pthread_t hammering;
        CHECK(pthread_create(&hammering, NULL, hammer_in_thread, h) == 0);
        bw_go(hammer, h->m, h->loops, h->counter, h->done);
        CHECK(bw_recv(h->done) && bw_recv(h->done));
        CHECK(pthread_join(hammering, NULL) == 0);
    }
}

// TestMutexFairness: one that has the lock nearly all the time does not keep another out. In 10 seconds, as Go's; here the
// one has it without giving its thread away.
static _Atomic bool stop;
static void hold_it(bw_mutex *m, bool by_yield, bw_chan(bool) ended) {
    while (!atomic_load(&stop)) {
        bw_mutex_lock(m);
        if (by_yield)
            for (int i = 0; i < 20; i++)
                bw_yield();
        else
            sleep_ms(0);
        bw_mutex_unlock(m);
        if (!by_yield)
            bw_yield(); // lets those run that are not even waiting yet; they are behind this one then
    }
    bw_send(ended, true);
}
static void want_it(bw_mutex *m, bw_chan(bool) done) {
    for (int i = 0; i < 10; i++) {
        bw_yield();
        bw_mutex_lock(m);
        bw_mutex_unlock(m);
    }
    bw_send(done, true);
}
static void test_fairness(void **state) {
    (void)state;
    for (int by_yield = 0; by_yield < 2; by_yield++) {
        bw_mutex *m = bw_new(bw_mutex);
        bw_chan(bool) done = bw_make_chan(bool, 4), ended = bw_make_chan(bool, 0);
        double begin = seconds_now();
        atomic_store(&stop, false);
        bw_go(hold_it, m, by_yield != 0, ended);
        bw_go(want_it, m, done);
        bw_go(want_it, m, done);
        bw_recv(done);
        bw_recv(done);
        for (int i = 0; i < 10; i++) { // this thread is no goroutine
            bw_mutex_lock(m);
            bw_mutex_unlock(m);
        }
        CHECK(seconds_now() - begin < (UNDER_SANITIZER ? 60 : 10));
        atomic_store(&stop, true);
        CHECK(bw_recv(ended));
    }
}

// In starvation mode a mutex goes to those who wait in the order in which they came.
static void take_turn(bw_mutex *m, int number, bw_slice(int) * order, _Atomic int *waiting) {
    atomic_fetch_add(waiting, 1);
    bw_mutex_lock(m);
    *order = bw_append(*order, number);
    spin_for(1000);
    bw_mutex_unlock(m);
}
static void test_starving(void **state) {
    (void)state;
    bw_mutex *m = bw_new(bw_mutex);
    bw_slice(int) *order = bw_new(bw_slice(int));
    _Atomic int *waiting = bw_alloc(sizeof *waiting);
    bw_waitgroup all = {0};
    bw_mutex_lock(m);
    for (int i = 0; i < 50; i++) {
        bw_waitgroup_go(&all, take_turn, m, i, order, waiting);
        while (atomic_load(waiting) <= i)
            bw_yield();
        sleep_ms(0);
    }
    sleep_ms(50);
    bw_mutex_unlock(m);
    bw_waitgroup_wait(&all);
    CHECK(bw_len(*order) == 50 && m->bw__locked == 0);
}

// Many locks, each protecting one pair, taken in order, as those of a table are.
enum { ACCOUNTS = 32 };
struct account {
    bw_mutex lock;
    long money;
};
static void transfer(struct account *accounts, size_t loops, uint64_t seed) {
    struct random random = {seed};
    for (size_t i = 0; i < loops; i++) {
        size_t from = random_below(&random, ACCOUNTS), to = random_below(&random, ACCOUNTS);
        if (from == to)
            continue;
        struct account *first = &accounts[from < to ? from : to], *second = &accounts[from < to ? to : from];
        bw_mutex_lock(&first->lock);
        bw_mutex_lock(&second->lock);
        accounts[from].money--;
        if (i % 50 == 0)
            bw_yield();
        accounts[to].money++;
        bw_mutex_unlock(&first->lock);
        bw_mutex_unlock(&second->lock);
    }
}
static void test_accounts(void **state) {
    (void)state;
    struct account *accounts = bw_alloc(ACCOUNTS * sizeof *accounts);
    bw_waitgroup all = {0};
    for (uint64_t i = 0; i < 20; i++)
        bw_waitgroup_go(&all, transfer, accounts, effort(2000), i);
    bw_waitgroup_wait(&all);
    long sum = 0;
    for (int i = 0; i < ACCOUNTS; i++)
        sum += accounts[i].money;
    CHECK(sum == 0);
}

// A mutex that is unlocked by another than who locked it, across a goroutine and this thread.
static void unlocks(bw_mutex *m) {
    bw_mutex_unlock(m);
}
static void test_another_unlocks(void **state) {
    (void)state;
    bw_mutex m = {0};
    for (int i = 0; i < (int)effort(500); i++) {
        bw_mutex_lock(&m);
        bw_go(unlocks, &m);
    }
    bw_mutex_lock(&m);
}

// Many mutexes whose waiters are found in the same place: who waits for one is not woken for another, and is for its own.
enum { SAME = 6 };
static void hammer_same(bw_mutex **same, long *counters, size_t loops, uint64_t seed) {
    struct random random = {seed};
    for (size_t i = 0; i < loops; i++) {
        size_t k = random_below(&random, SAME);
        bw_mutex_lock(same[k]);
        ++counters[k];
        if (i % 20 == 0)
            bw_yield();
        bw_mutex_unlock(same[k]);
    }
}
static void test_same_place(void **state) {
    (void)state;
    enum { MANY = 60000 };
    bw_mutex *all = bw_alloc(MANY * sizeof *all), **same = bw_alloc(SAME * sizeof *same);
    size_t count = 0;
    for (size_t i = 0; i < MANY && count < SAME; i++)
        if (bw__mutex_place(&all[i]) == bw__mutex_place(&all[0]))
            same[count++] = &all[i];
    CHECK(count == SAME, "%zu", count);
    long *counters = bw_alloc_noscan(SAME * sizeof *counters), sum = 0;
    bw_waitgroup group = {0};
    size_t loops = effort(3000);
    for (uint64_t i = 0; i < 20; i++)
        bw_waitgroup_go(&group, hammer_same, same, counters, loops, i);
    bw_waitgroup_wait(&group);
    for (int i = 0; i < SAME; i++)
        sum += counters[i];
    CHECK(sum == 20 * (long)loops, "%ld", sum);
}

// Who unlocks last may take the mutex's memory away at once: nothing of it is touched after that.
struct shared {
    bw_mutex lock;
    int users;
};
static void use_shared(struct shared *shared, size_t bytes, int turns) {
    for (int i = 0; i < turns; i++) {
        bw_mutex_lock(&shared->lock);
        bool last = i == turns - 1 && --shared->users == 0;
        bw_mutex_unlock(&shared->lock);
        if (last)
            CHECK(munmap(shared, bytes) == 0);
    }
}
struct shared_by_thread {
    struct shared *shared;
    size_t bytes;
    int turns;
};
static void *use_shared_in_thread(void *argument) {
    struct shared_by_thread *by = argument;
    use_shared(by->shared, by->bytes, by->turns);
    return NULL;
}
static void test_gone(void **state) {
    (void)state;
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    for (int round = 0; round < (int)effort(300); round++) {
        struct shared *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(shared != MAP_FAILED);
        shared->users = 5;
        struct shared_by_thread by = {shared, bytes, 1 + round % 40};
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, use_shared_in_thread, &by) == 0);
        bw_waitgroup group = {0};
        for (int i = 0; i < 4; i++)
            bw_waitgroup_go(&group, use_shared, shared, bytes, by.turns);
        bw_waitgroup_wait(&group);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

// Where membarrier(2) is forbidden, from the beginning or from some time on.
static void forbid_membarrier(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {COUNT_OF(filter), filter};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0);
    CHECK(syscall(SYS_membarrier, 0, 0, 0) < 0 && errno == EPERM);
}
static void child_no_membarrier(void) {
    forbid_membarrier();
    test_mixed(NULL);
    test_accounts(NULL);
    test_gone(NULL);
}
static void child_membarrier_forbidden_later(void) {
    test_mixed(NULL);
    forbid_membarrier();
    test_mixed(NULL);
    test_accounts(NULL);
    test_gone(NULL);
}
static void test_no_membarrier(void **state) {
    (void)state;
    assert_succeeded("no_membarrier", NULL, NULL);
    assert_succeeded("membarrier_forbidden_later", NULL, NULL);
}

// --- reader/writer mutex ---

// TestParallelReaders
static void parallel_reader(bw_rwmutex *m, bw_chan(bool) locked, bw_chan(bool) unlock, bw_chan(bool) done) {
    bw_rwmutex_rlock(m);
    bw_send(locked, true);
    bw_recv(unlock);
    bw_rwmutex_runlock(m);
    bw_send(done, true);
}
static void parallel_readers(int readers) {
    bw_rwmutex m = {0};
    bw_chan(bool) locked = bw_make_chan(bool, 0), unlock = bw_make_chan(bool, 0), done = bw_make_chan(bool, 0);
    for (int i = 0; i < readers; i++)
        bw_go(parallel_reader, &m, locked, unlock, done);
    for (int i = 0; i < readers; i++)
        bw_recv(locked);
    for (int i = 0; i < readers; i++)
        bw_send(unlock, true);
    for (int i = 0; i < readers; i++)
        bw_recv(done);
}
static void test_parallel_readers(void **state) {
    (void)state;
    parallel_readers(1);
    parallel_readers(3);
    parallel_readers(4);
    parallel_readers(100);
}

// TestRWMutex
struct activity {
    bw_rwmutex m;
    _Atomic int readers;
    _Atomic int writers;
    long plain[2]; // what nothing but the lock protects
    size_t loops;
};
static void reads(struct activity *a) {
    for (size_t i = 0; i < a->loops; i++) {
        bw_rwmutex_rlock(&a->m);
        CHECK(atomic_fetch_add(&a->readers, 1) >= 0 && atomic_load(&a->writers) == 0);
        CHECK(a->plain[0] == a->plain[1]);
        spin_for(100);
        if (i % 64 == 0)
            bw_yield();
        CHECK(a->plain[0] == a->plain[1]);
        atomic_fetch_sub(&a->readers, 1);
        bw_rwmutex_runlock(&a->m);
        if (i % 7 == 0 && bw_rwmutex_try_rlock(&a->m)) {
            CHECK(atomic_load(&a->writers) == 0);
            bw_rwmutex_runlock(&a->m);
        }
    }
}
static void writes(struct activity *a) {
    for (size_t i = 0; i < a->loops; i++) {
        if (i % 5 == 0) {
            if (!bw_rwmutex_try_lock(&a->m))
                continue;
        } else {
            bw_rwmutex_lock(&a->m);
        }
        CHECK(atomic_fetch_add(&a->writers, 1) == 0 && atomic_load(&a->readers) == 0);
        a->plain[0]++;
        spin_for(100);
        if (i % 64 == 0)
            bw_yield();
        a->plain[1]++;
        atomic_fetch_sub(&a->writers, 1);
        bw_rwmutex_unlock(&a->m);
    }
}
static void *reads_in_thread(void *a) {
    reads(a);
    return NULL;
}
static void *writes_in_thread(void *a) {
    writes(a);
    return NULL;
}
static void hammer_rw(int readers, size_t loops, bool threads) {
    struct activity *a = bw_alloc(sizeof *a);
    a->loops = loops;
    bw_waitgroup all = {0};
    pthread_t reader, writer;
    bw_waitgroup_go(&all, writes, a);
    for (int i = 0; i < readers / 2; i++)
        bw_waitgroup_go(&all, reads, a);
    bw_waitgroup_go(&all, writes, a);
    for (int i = readers / 2; i < readers; i++)
        bw_waitgroup_go(&all, reads, a);
    if (threads) {
        CHECK(pthread_create(&reader, NULL, reads_in_thread, a) == 0);
        CHECK(pthread_create(&writer, NULL, writes_in_thread, a) == 0);
        reads(a);
    }
    bw_waitgroup_wait(&all);
    if (threads)
        CHECK(pthread_join(reader, NULL) == 0 && pthread_join(writer, NULL) == 0);
    CHECK(a->m.bw__readers == 0 && a->m.bw__departing == 0 && a->plain[0] == a->plain[1]);
}
static void test_rwmutex(void **state) {
    (void)state;
    bw_rwmutex m = {0};
    bw_rwmutex_lock(&m);
    CHECK(!bw_rwmutex_try_lock(&m) && !bw_rwmutex_try_rlock(&m));
    bw_rwmutex_unlock(&m);
    CHECK(bw_rwmutex_try_lock(&m));
    bw_rwmutex_unlock(&m);
    CHECK(bw_rwmutex_try_rlock(&m) && bw_rwmutex_try_rlock(&m));
    CHECK(!bw_rwmutex_try_lock(&m));
    bw_rwmutex_runlock(&m);
    bw_rwmutex_runlock(&m);
    static const int readers[] = {1, 3, 10, 5};
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        hammer_rw(readers[i], effort(1000), false);
        hammer_rw(readers[i], effort(1000), true);
    }
}

// TestRLocker: who reads twice and writes then, and who lets it.
static void rlocks(bw_rwmutex *m, int n, bw_chan(bool) rlocked, bw_chan(bool) wlocked) {
    for (int i = 0; i < n; i++) {
        bw_rwmutex_rlock(m);
        bw_rwmutex_rlock(m);
        bw_send(rlocked, true);
        bw_rwmutex_lock(m);
        bw_send(wlocked, true);
    }
}
static void test_readers_then_writer(void **state) {
    (void)state;
    bw_rwmutex m = {0};
    int n = 10;
    bw_chan(bool) rlocked = bw_make_chan(bool, 1), wlocked = bw_make_chan(bool, 1);
    bw_go(rlocks, &m, n, rlocked, wlocked);
    for (int i = 0; i < n; i++) {
        bw_recv(rlocked);
        bw_rwmutex_runlock(&m);
        sleep_ms(1);
        CHECK(bw_chan_len(wlocked) == 0);
        bw_rwmutex_runlock(&m);
        bw_recv(wlocked);
        CHECK(bw_chan_len(rlocked) == 0);
        bw_rwmutex_unlock(&m);
    }
}

// Readers that overlap for ever do not keep a writer out; writers do not keep readers out.
static void read_on(bw_rwmutex *m, bw_waitgroup *all) {
    while (!atomic_load(&stop)) {
        bw_rwmutex_rlock(m);
        bw_yield();
        bw_rwmutex_runlock(m);
    }
    bw_waitgroup_done(all);
}
static void write_on(bw_rwmutex *m, bw_waitgroup *all) {
    while (!atomic_load(&stop)) {
        bw_rwmutex_lock(m);
        bw_yield();
        bw_rwmutex_unlock(m);
    }
    bw_waitgroup_done(all);
}
static void test_rw_fairness(void **state) {
    (void)state;
    for (int writers = 0; writers < 2; writers++) {
        bw_rwmutex m = {0};
        bw_waitgroup all = {0};
        atomic_store(&stop, false);
        bw_waitgroup_add(&all, 6);
        for (int i = 0; i < 6; i++)
            bw_go(writers ? write_on : read_on, &m, &all);
        for (int i = 0; i < 50; i++) {
            if (writers) {
                bw_rwmutex_rlock(&m);
                bw_rwmutex_runlock(&m);
            } else {
                bw_rwmutex_lock(&m);
                bw_rwmutex_unlock(&m);
            }
        }
        atomic_store(&stop, true);
        bw_waitgroup_wait(&all);
    }
}

// --- TestMutexMisuse ---

#define MISUSE(name, ...)                                                                                              \
    static void name(void) {                                                                                           \
        bw_mutex m UNUSED = {0};                                                                                       \
        bw_rwmutex rw UNUSED = {0};                                                                                    \
        bw_try {                                                                                                       \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
MISUSE(mutex_unlock, bw_mutex_unlock(&m);)
MISUSE(mutex_unlock_2, bw_mutex_lock(&m); bw_mutex_unlock(&m); bw_mutex_unlock(&m);)
MISUSE(rwmutex_unlock, bw_rwmutex_unlock(&rw);)
MISUSE(rwmutex_unlock_2, bw_rwmutex_rlock(&rw); bw_rwmutex_unlock(&rw);)
MISUSE(rwmutex_unlock_3, bw_rwmutex_lock(&rw); bw_rwmutex_unlock(&rw); bw_rwmutex_unlock(&rw);)
MISUSE(rwmutex_runlock, bw_rwmutex_runlock(&rw);)
MISUSE(rwmutex_runlock_2, bw_rwmutex_lock(&rw); bw_rwmutex_runlock(&rw);)
MISUSE(rwmutex_runlock_3, bw_rwmutex_rlock(&rw); bw_rwmutex_runlock(&rw); bw_rwmutex_runlock(&rw);)

static void test_misuse(void **state) {
    (void)state;
    assert_died("mutex_unlock", "fatal error: sync: unlock of unlocked mutex");
    assert_died("mutex_unlock_2", "fatal error: sync: unlock of unlocked mutex");
    assert_died("rwmutex_unlock", "fatal error: sync: Unlock of unlocked RWMutex");
    assert_died("rwmutex_unlock_2", "fatal error: sync: Unlock of unlocked RWMutex");
    assert_died("rwmutex_unlock_3", "fatal error: sync: Unlock of unlocked RWMutex");
    assert_died("rwmutex_runlock", "fatal error: sync: RUnlock of unlocked RWMutex");
    assert_died("rwmutex_runlock_2", "fatal error: sync: RUnlock of unlocked RWMutex");
    assert_died("rwmutex_runlock_3", "fatal error: sync: RUnlock of unlocked RWMutex");
}

// A nil mutex is a nil pointer.
static void child_nil(void) {
    bw_mutex *volatile nil = NULL;
    bw_gc(); // the library watches for faults from its first use on
    bw_mutex_lock(nil);
}
static void test_nil(void **state) {
    (void)state;
    if (UNDER_SANITIZER)
        return; // which looks at the address in code of its own
    assert_died("nil", "panic: runtime error: invalid memory address or nil pointer dereference");
}

int main(int argc, char **argv) {
#define CHILD(name)                                                                                                    \
    { #name, name }
    static const struct child children[] = {CHILD(mutex_unlock),
                                            CHILD(mutex_unlock_2),
                                            CHILD(rwmutex_unlock),
                                            CHILD(rwmutex_unlock_2),
                                            CHILD(rwmutex_unlock_3),
                                            CHILD(rwmutex_runlock),
                                            CHILD(rwmutex_runlock_2),
                                            CHILD(rwmutex_runlock_3),
                                            {"nil", child_nil},
                                            {"no_membarrier", child_no_membarrier},
                                            {"membarrier_forbidden_later", child_membarrier_forbidden_later}};
    child_main(argc, argv, children, COUNT_OF(children));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutex),         cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_fairness),      cmocka_unit_test(test_starving),
        cmocka_unit_test(test_accounts),      cmocka_unit_test(test_another_unlocks),
        cmocka_unit_test(test_same_place),    cmocka_unit_test(test_gone),
        cmocka_unit_test(test_no_membarrier), cmocka_unit_test(test_parallel_readers),
        cmocka_unit_test(test_rwmutex),       cmocka_unit_test(test_readers_then_writer),
        cmocka_unit_test(test_rw_fairness),   cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_nil),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
