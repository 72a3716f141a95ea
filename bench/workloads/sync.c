/* sync.c - mutexes, wait groups, once: the work and the rows of sync.go that have to do with goroutines. */
#include "goroutines.h"

enum { N = 20000000 };

static bw_mutex mutex;
static bw_rwmutex rwmutex;
static int64_t count;
static int64_t atomic_count;

static void lock_and_add(int n) {
    for (int i = 0; i < n; i++) {
        bw_mutex_lock(&mutex);
        count++;
        bw_mutex_unlock(&mutex);
    }
}
static void read_lock(int n) {
    for (int i = 0; i < n; i++) {
        bw_rwmutex_rlock(&rwmutex);
        bw_rwmutex_runlock(&rwmutex);
    }
}
static void atomic_add(int n) {
    for (int i = 0; i < n; i++)
        __atomic_fetch_add(&atomic_count, 1, __ATOMIC_SEQ_CST);
}

/* So many goroutines that do `n` each. */
static void together(const char *row, int goroutines, int n, void (*work)(int n)) {
    bw_waitgroup *group = bw_new(bw_waitgroup);
    double start = now_ns();
    for (int i = 0; i < goroutines; i++)
        bw_waitgroup_go(group, work, n);
    bw_waitgroup_wait(group);
    report(row, (int64_t)goroutines * n, now_ns() - start);
}

static void waitgroup(void) {
    bw_waitgroup *group = bw_new(bw_waitgroup);
    double start = now_ns();
    for (int i = 0; i < N; i++) {
        bw_waitgroup_add(group, 1);
        bw_waitgroup_done(group);
    }
    report("waitgroup_add_done", N, now_ns() - start);
}

static void nothing(void) {}

static void once(void) {
    bw_once *once = bw_new(bw_once);
    double start = now_ns();
    for (int i = 0; i < N; i++)
        bw_once_do(once, nothing);
    report("once_done", N, now_ns() - start);
}

static void all(long unused) {
    (void)unused;
    together("mutex_uncontended", 1, N, lock_and_add);
    together("mutex_contended_2g", 2, N / 2, lock_and_add);
    together("mutex_contended_4g", 4, N / 4, lock_and_add);
    together("mutex_contended_64g", 64, N / 256, lock_and_add);
    must_be("under the mutex", count, 3 * N + N / 256 * 64);
    together("rwmutex_rlock_1g", 1, N, read_lock);
    together("rwmutex_rlock_2g", 2, N / 2, read_lock);
    together("atomic_add_1g", 1, 2 * N, atomic_add);
    together("atomic_add_2g", 2, N, atomic_add);
    must_be("atomic additions", atomic_count, 4 * N);
    waitgroup();
    once();
}

int main(void) {
    return in_goroutine(all, 0);
}
