/* metrics.h - what the tests of bw_metrics share: reading all metrics at once, and what must hold of any such reading, and
 * of two. */
#ifndef BURROW_TESTS_OBSERVE_METRICS_H
#define BURROW_TESTS_OBSERVE_METRICS_H

#include "support.h"

#include <math.h>
#include <stdatomic.h>

#include "gc/gc.h"

BW_STRUCT(pair, (struct pair *, left), (struct pair *, right), (uint64_t, id));

static void *volatile kept;
static _Atomic bool working;

enum { MOST = 100, MOST_BUCKETS = 1000 };
struct reading {
    size_t count;
    bw_metric_sample samples[MOST];
    uint64_t counts[MOST][MOST_BUCKETS];
};
static struct reading first, second;

static UNUSED void read_all(struct reading *r) {
    for (r->count = 0; bw_metric_at(r->count) != NULL; r->count++) {
        CHECK(r->count < MOST && bw_metric_at(r->count)->buckets <= MOST_BUCKETS);
        r->samples[r->count] = (bw_metric_sample){.name = bw_metric_at(r->count)->name,
                                                  .histogram = {.counts = r->counts[r->count], .room = MOST_BUCKETS}};
    }
    CHECK(bw_metrics(r->samples, r->count) == r->count);
}

static UNUSED const bw_metric_sample *sample_of(const struct reading *r, const char *name) {
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->samples[i].name, name) == 0)
            return &r->samples[i];
    CHECK(false, "there is no %s", name);
    return NULL;
}
static UNUSED uint64_t number(const struct reading *r, const char *name) {
    CHECK(sample_of(r, name)->kind == BW_METRIC_UINT64);
    return sample_of(r, name)->u64;
}
static UNUSED double seconds(const struct reading *r, const char *name) {
    CHECK(sample_of(r, name)->kind == BW_METRIC_DOUBLE);
    return sample_of(r, name)->f64;
}
static UNUSED const bw_histogram *histogram(const struct reading *r, const char *name) {
    CHECK(sample_of(r, name)->kind == BW_METRIC_HISTOGRAM);
    return &sample_of(r, name)->histogram;
}
static UNUSED uint64_t all_of(const bw_histogram *h) {
    uint64_t sum = 0;
    for (size_t i = 0; i < h->buckets; i++)
        sum += h->counts[i];
    return sum;
}
static UNUSED size_t bucket_of(const bw_histogram *h, double value) {
    size_t i = 0;
    while (value >= h->bounds[i + 1])
        i++;
    CHECK(value >= h->bounds[i]);
    return i;
}

static UNUSED void check_sums(const struct reading *r) {
    CHECK(number(r, "/gc/heap/allocs:objects") - number(r, "/gc/heap/frees:objects") ==
          number(r, "/gc/heap/objects:objects"));
    CHECK(number(r, "/gc/heap/allocs:bytes") - number(r, "/gc/heap/frees:bytes") ==
          number(r, "/memory/classes/heap/objects:bytes"));
    CHECK(number(r, "/burrow/heap/structs:bytes") + number(r, "/burrow/heap/slices:bytes") +
              number(r, "/burrow/heap/maps:bytes") + number(r, "/burrow/heap/channels:bytes") +
              number(r, "/burrow/heap/interfaces:bytes") ==
          number(r, "/memory/classes/heap/objects:bytes"));
    CHECK(number(r, "/gc/cycles/automatic:gc-cycles") + number(r, "/gc/cycles/forced:gc-cycles") ==
          number(r, "/gc/cycles/total:gc-cycles"));
    CHECK(number(r, "/memory/classes/heap/free:bytes") + number(r, "/memory/classes/heap/objects:bytes") +
              number(r, "/memory/classes/heap/released:bytes") + number(r, "/memory/classes/heap/unused:bytes") +
              number(r, "/memory/classes/metadata/other:bytes") ==
          number(r, "/memory/classes/total:bytes"));
    CHECK(number(r, "/memory/classes/heap/unused:bytes") <= number(r, "/memory/classes/total:bytes"));
    CHECK(number(r, "/gc/scan/globals:bytes") + number(r, "/gc/scan/heap:bytes") + number(r, "/gc/scan/stack:bytes") ==
          number(r, "/gc/scan/total:bytes"));
    CHECK(number(r, "/gc/scan/heap:bytes") <= number(r, "/memory/classes/heap/objects:bytes"));
    CHECK(number(r, "/gc/finalizers/executed:finalizers") <= number(r, "/gc/finalizers/queued:finalizers"));
    CHECK(number(r, "/gc/cleanups/executed:cleanups") <= number(r, "/gc/cleanups/queued:cleanups"));
    CHECK(seconds(r, "/cpu/classes/gc/mark/dedicated:cpu-seconds") +
              seconds(r, "/cpu/classes/gc/mark/assist:cpu-seconds") + seconds(r, "/cpu/classes/gc/pause:cpu-seconds") ==
          seconds(r, "/cpu/classes/gc/total:cpu-seconds"));
    CHECK(seconds(r, "/cpu/classes/gc/pause:cpu-seconds") <= seconds(r, "/cpu/classes/total:cpu-seconds"));
    CHECK(number(r, "/sched/goroutines/running:goroutines") + number(r, "/sched/goroutines/runnable:goroutines") +
              number(r, "/sched/goroutines/waiting:goroutines") + number(r, "/sched/goroutines/not-in-go:goroutines") ==
          number(r, "/sched/goroutines:goroutines") - 1);
}

static UNUSED void check_successor(const struct reading *before, const struct reading *after) {
    for (size_t i = 0; i < after->count; i++) {
        const bw_metric *metric = bw_metric_at(i);
        const bw_metric_sample *a = &before->samples[i], *b = &after->samples[i];
        if (!metric->cumulative)
            continue;
        CHECK(metric->kind != BW_METRIC_UINT64 || b->u64 >= a->u64, "%s: %llu, %llu", metric->name,
              (unsigned long long)a->u64, (unsigned long long)b->u64);
        CHECK(metric->kind != BW_METRIC_DOUBLE || b->f64 >= a->f64, "%s: %g, %g", metric->name, a->f64, b->f64);
        for (size_t k = 0; k < metric->buckets; k++)
            CHECK(b->histogram.counts[k] >= a->histogram.counts[k], "%s: bucket %zu", metric->name, k);
    }
}

#endif
