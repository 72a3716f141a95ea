/* burrow/metrics.h - Go's runtime/metrics: figures of the collector, the heap and the scheduler by name. Example:
 *
 *     #include <stdio.h>
 *
 *     int main(void) {
 *         bw_metric_sample s[] = {{.name = "/gc/heap/live:bytes"}, {.name = "/sched/pauses/total/gc:seconds"}};
 *         bw_gc();
 *         bw_metrics(s, 2);
 *         uint64_t pauses = 0;
 *         for (size_t i = 0; i < s[1].histogram.buckets; i++)
 *             pauses += s[1].histogram.counts[i];
 *         printf("%llu bytes alive after %llu pauses\n", (unsigned long long)s[0].u64, (unsigned long long)pauses);
 *         return pauses > 0 ? 0 : 1;
 *     }
 *
 * A name is a path and, behind a colon, the unit. Names that Go has mean what they mean there; Burrow's own begin with
 * /burrow/. Which there are depends on the version: a program asks for the names it knows, or goes through all of them
 * with bw_metric_at. A metric is never renamed and never changes its kind; it may go, and is BW_METRIC_BAD then.
 *
 * What is not here, since counting it would cost or cannot be done: how long goroutines were ready before they ran (Go's
 * /sched/latencies:seconds), since each wake would have to look at the clock; how long they waited for mutexes; how long the
 * program was held up by first writes to protected pages while it is marked beside the program, since the kernel resolves
 * those and tells nobody.
 *
 * BURROWDEBUG=metrics=1 prints all of them at exit.
 */
#ifndef BURROW_METRICS_H
#define BURROW_METRICS_H

#include <burrow/base.h>

BW__BEGIN

typedef enum bw_metric_kind {
    BW_METRIC_BAD,      /* there is no metric of this name */
    BW_METRIC_UINT64,   /* a whole number */
    BW_METRIC_DOUBLE,   /* seconds of processor time */
    BW_METRIC_HISTOGRAM /* how often which sizes, or which times, have occurred */
} bw_metric_kind;

/* What there is to know of a metric. Constant, and there for as long as the process. */
typedef struct bw_metric {
    const char *name;
    const char *description; /* an English sentence or two */
    bw_metric_kind kind;
    bool cumulative; /* it never falls: a number of events since the program started, or a sum; a histogram always is */
    size_t buckets;  /* of a histogram: how many; else 0 */
} bw_metric;

/* The metric of that number, from 0 on, in the order of their names; NULL behind the last one. Example, within a function:
 *
 *     for (size_t i = 0; bw_metric_at(i) != NULL; i++)
 *         printf("%s\n    %s\n", bw_metric_at(i)->name, bw_metric_at(i)->description);
 *
 * Any thread, at any time; it takes no lock. */
BW_API const bw_metric *bw_metric_at(size_t number);

/* Bucket i counts what was at least bounds[i] and less than bounds[i + 1], in the unit of the name. */
typedef struct bw_histogram {
    size_t buckets;       /* how many */
    const double *bounds; /* one more than buckets, rising; the last is infinite. Constant, as bw_metric is */
    uint64_t *counts;     /* see bw_metrics */
    size_t room;          /* of counts */
} bw_histogram;

/* A metric's name, and what bw_metrics read: of u64, f64 and histogram the one that `kind` says; the others stay as they
 * were. */
typedef struct bw_metric_sample {
    const char *name; /* the caller's */
    bw_metric_kind kind;
    uint64_t u64;
    double f64;
    bw_histogram histogram;
} bw_metric_sample;

/* Reads `count` metrics, any ones in any order; a name may occur twice. Returns how many of the names there are; a sample
 * with another name, or NULL, becomes BW_METRIC_BAD, and nothing else comes of that.
 *
 * The counts of a histogram go into the caller's array: `counts`, with `room` for at least as many as the description's
 * `buckets` says. If the room is less (0 in a sample that says nothing but the name) then `counts` and `room` become those
 * of a new object of the heap, pointer-free, which lives as long as something refers to it: a sample that only malloc's
 * memory holds does not count. So whoever reads again into the same samples allocates nothing more.
 *
 * All values are of one instant, but for those of times (names that end in :seconds), which are counted as they end, a
 * moment before or after that. Numbers of events add up: automatic and forced collections are all collections; what is
 * allocated less what is freed is in the heap, as in the ledger.
 *
 * Cost: some microseconds. The other threads are stopped for some microseconds, as by bw_ledger, if one of the names is of
 * these; that stop counts among the other pauses already in the same call:
 *
 *     /burrow/heap/...   /gc/heap/allocs...   /gc/heap/frees...   /gc/heap/objects:objects   /gc/scan/heap:bytes
 *     /gc/scan/total:bytes   /memory/classes/heap/objects:bytes   /memory/classes/heap/unused:bytes
 *     /sched/goroutines/...
 *
 * Any thread or goroutine, at any time, but not in a signal handler. While another thread collects with the world stopped it
 * waits, as everything does. */
BW_API size_t bw_metrics(bw_metric_sample *samples, size_t count);

/* Writes all metrics to a file descriptor, a line each: the name, a space, the value. Of a histogram instead of the value
 * count=N p50=X p99=X max=X: how many there were, and what half of them, 99 in a hundred and all did not exceed, each
 * rounded up to the most that its bucket counts (in the bucket that has no end: down to the least); 0 of an empty one. Allocates
 * nothing. */
BW_API void bw_metrics_print(int fd);

BW__END
#endif
