/* goroutines.h - what the programs that measure goroutines share. All of a workload runs in a goroutine, as Go's main
 * does: the thread that calls main is none here, and waits as threads do. */
#ifndef BENCH_GOROUTINES_H
#define BENCH_GOROUTINES_H

#include <burrow.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifndef PEER_BURROW
#error "this workload is Burrow's alone"
#endif

typedef bw_chan(int64_t) ints;

static inline double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline void report(const char *name, int64_t operations, double ns) {
    printf("R %s_p%d ns/op %.2f\n", name, bw_gomaxprocs(0), ns / (double)operations);
}

/* What is measured must have happened. */
static inline void must_be(const char *what, int64_t is, int64_t expected) {
    if (is != expected) {
        fprintf(stderr, "%s: %lld where %lld is right\n", what, (long long)is, (long long)expected);
        exit(1);
    }
}

static inline void run_and_tell(void (*body)(long argument), long argument, bw_chan(bool) done) {
    body(argument);
    bw_send(done, true);
}
static inline int in_goroutine(void (*body)(long argument), long argument) {
    bw_chan(bool) done = bw_make_chan(bool, 0);
    bw_go(run_and_tell, body, argument, done);
    bw_recv(done);
    return 0;
}

#endif
