/* gor.c - making goroutines, yielding, and many that are parked: the work and the rows of gor.go.
 * `gor PARKED`: so many that wait for one channel, and nothing else. */
#include "goroutines.h"

#include <unistd.h>

/* --- making and ending --- */

static void done(bw_waitgroup *group) {
    bw_waitgroup_done(group);
}

static void spawn_serial(void) {
    enum { N = 3000000 };
    bw_waitgroup *group = bw_new(bw_waitgroup);
    double start = now_ns();
    for (int i = 0; i < N; i++) {
        bw_waitgroup_add(group, 1);
        bw_go(done, group);
        bw_waitgroup_wait(group);
    }
    report("go_spawn_join_serial", N, now_ns() - start);
}

static void spawn_batches(void) {
    enum { N = 3000, BATCH = 1000 };
    bw_waitgroup *group = bw_new(bw_waitgroup);
    double start = now_ns();
    for (int j = 0; j < N; j++) {
        for (int i = 0; i < BATCH; i++) {
            bw_waitgroup_add(group, 1);
            bw_go(done, group);
        }
        bw_waitgroup_wait(group);
    }
    report("go_spawn_join_batch1000", N * BATCH, now_ns() - start);
}

static __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls"))) int deep(int n) {
    volatile char bytes[64];
    bytes[n & 63] = (char)n;
    if (n == 0)
        return bytes[0];
    return deep(n - 1) + bytes[n & 63];
}
static void deep_and_done(bw_waitgroup *group, int64_t *sum) {
    *sum += deep(500);
    bw_waitgroup_done(group);
}

static void spawn_deep(void) {
    enum { N = 20000 };
    bw_waitgroup *group = bw_new(bw_waitgroup);
    int64_t *sum = bw_new(int64_t), one = deep(500);
    double start = now_ns();
    for (int i = 0; i < N; i++) {
        bw_waitgroup_add(group, 1);
        bw_go(deep_and_done, group, sum);
        bw_waitgroup_wait(group);
    }
    report("go_spawn_grow_64KB_stack", N, now_ns() - start);
    must_be("deep calls", *sum, N * one);
}

/* --- yielding --- */

static void yield_alone(void) {
    enum { N = 10000000 };
    double start = now_ns();
    for (int i = 0; i < N; i++)
        bw_yield();
    report("gosched_alone", N, now_ns() - start);
}

static void yield_and_done(bw_waitgroup *group, int n) {
    for (int i = 0; i < n; i++)
        bw_yield();
    bw_waitgroup_done(group);
}
static void yield_among(const char *row, int goroutines, int n) {
    bw_waitgroup *group = bw_new(bw_waitgroup);
    double start = now_ns();
    for (int k = 0; k < goroutines; k++) {
        bw_waitgroup_add(group, 1);
        bw_go(yield_and_done, group, n);
    }
    bw_waitgroup_wait(group);
    report(row, (int64_t)goroutines * n, now_ns() - start);
}

/* --- many that wait --- */

static void wait_for(ints c, bw_waitgroup *up, bw_waitgroup *ended) {
    bw_waitgroup_done(up);
    bw_recv(c);
    bw_waitgroup_done(ended);
}

static double resident(void) {
    unsigned long long total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%llu %llu", &total, &pages) != 2) {
        fputs("/proc/self/statm cannot be read\n", stderr);
        exit(1);
    }
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void parked(long n) {
    bw_waitgroup *up = bw_new(bw_waitgroup), *ended = bw_new(bw_waitgroup);
    ints c = bw_make_chan(int64_t, 0);
    bw_free_os_memory();
    double before = resident();
    bw_waitgroup_add(up, (int)n);
    bw_waitgroup_add(ended, (int)n);
    double start = now_ns();
    for (long i = 0; i < n; i++)
        bw_go(wait_for, c, up, ended);
    bw_waitgroup_wait(up);
    double create = now_ns() - start;
    usleep(50000); /* until the last of them wait */
    double bytes = resident() - before;
    start = now_ns();
    bw_gc();
    double collection = now_ns() - start;
    start = now_ns();
    bw_close(c);
    bw_waitgroup_wait(ended);
    double wake = now_ns() - start;
    int procs = bw_gomaxprocs(0);
    printf("R parked_%ld_p%d rss_B/g=%.0f create_ns/g=%.0f\n", n, procs, bytes / (double)n, create / (double)n);
    printf("R parked_%ld_p%d gc_ms=%.1f wakeall_ns/g=%.0f\n", n, procs, collection / 1e6, wake / (double)n);
}

static void all(long unused) {
    (void)unused;
    spawn_serial();
    spawn_batches();
    yield_alone();
    int before = bw_gomaxprocs(1);
    yield_among("gosched_2g_onP", 2, 5000000);
    bw_gomaxprocs(before);
    yield_among("gosched_100g", 100, 50000);
    spawn_deep();
}

int main(int argc, char **argv) {
    return argc > 1 ? in_goroutine(parked, atol(argv[1])) : in_goroutine(all, 0);
}
