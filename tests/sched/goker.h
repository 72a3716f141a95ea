/* goker.h - the blocking-bug kernels of GoBench (Yuan and others: "GoBench: A Benchmark Suite of Real-World Go Concurrency
 * Bugs", CGO 2021), with which Go tests its goroutine-leak profile. Each is the core of a bug that was found in a program:
 * goroutines that wait for one another, or for what never comes. Written anew from reading them, names shortened; what
 * the bug is stands at each.
 *
 * A kernel is run again and again, alone. Each time, in the end, all goroutines that are left must be leaked ones, and so
 * many as can be in this kernel: one fewer would be a leak not seen, one more a false alarm. Where the bug shows only in
 * some orders of events it must show at least once.
 */
#ifndef BURROW_TESTS_GOKER_H
#define BURROW_TESTS_GOKER_H

#include "support.h"

#include <stdatomic.h>

typedef bw_chan(bool) signal_chan;

struct kernel {
    const char *name;
    void (*run)(void);
    uint64_t counts; /* bit n: n goroutines may be leaked */
};
#define LEAKS(n) (UINT64_C(1) << (n))
#define LEAKS_OR_NOT(n) (LEAKS(0) | LEAKS(n))
#define LEAKS_FROM(least, most) ((LEAKS(most) - LEAKS(least)) | LEAKS(most))
#define KERNEL(name, counts)                                                                                           \
    { #name, name, counts }

static UNUSED signal_chan new_signal(void) {
    return bw_make_chan(bool, 0);
}
static UNUSED void wait_group(bw_waitgroup *group) {
    bw_waitgroup_wait(group);
}

/* The two statements, in either order: what is made last runs first, on one worker. */
#define IN_EITHER_ORDER(a, b)                                                                                          \
    do {                                                                                                               \
        bool first = by_chance(50);                                                                                    \
        if (first)                                                                                                     \
            a;                                                                                                         \
        b;                                                                                                             \
        if (!first)                                                                                                    \
            a;                                                                                                         \
    } while (0)

/* Of a hundred, so many times. */
static UNUSED bool by_chance(unsigned percent) {
    static _Atomic uint64_t state;
    return mix(atomic_fetch_add(&state, 0x9e3779b97f4a7c15u)) % 100 < percent;
}

static UNUSED void yield_by_chance(void) {
    if (by_chance(50))
        bw_yield();
}

/* Runs it once; how many goroutines are leaked that were not before. */
static UNUSED int run_kernel(const struct kernel *kernel) {
    int before = bw_num_goroutine(), more = 0, leaked = 0;
    size_t leaked_before = bw_leaked_goroutines();
    bw_go(kernel->run);
    for (double end = seconds_now() + child_limit(20);;) {
        leaked = (int)(bw_leaked_goroutines() - leaked_before);
        more = bw_num_goroutine() - before;
        if (more == leaked)
            return leaked;
        if (seconds_now() > end) {
            bw_goroutine_dump(2);
            CHECK(false, "%s: %d goroutines are left, of which %d are found to be leaked", kernel->name, more, leaked);
        }
        sleep_ms(0);
    }
}

static UNUSED void run_kernels(const struct kernel *kernels, size_t count) {
    bw_num_goroutine();
    for (size_t i = 0; i < count; i++) {
        const struct kernel *kernel = &kernels[i];
        uint64_t seen = 0;
        int runs = 0;
        while (runs < 3 || (seen == LEAKS(0) && runs < 3000)) {
            int leaked = run_kernel(kernel);
            CHECK(leaked < 64 && (kernel->counts & LEAKS(leaked)), "%s: %d goroutines leaked", kernel->name, leaked);
            seen |= LEAKS(leaked);
            runs++;
        }
        if (getenv("GOKER_RUNS"))
            fprintf(stderr, "%s: %d runs\n", kernel->name, runs);
        else
            CHECK(seen != LEAKS(0), "%s: nothing leaked in %d runs", kernel->name, runs);
    }
}

#endif
