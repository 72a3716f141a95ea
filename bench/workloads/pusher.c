/* pusher.c - the last 200,000 of a million messages of 1 KiB are kept in a map; how long each takes to be pushed. As
 * pusher.go, "pusher" after the program by which Haskell's and Go's pauses were first compared. */
#include <burrow.h>

#include "latency.h"

#include <stdio.h>
#include <stdlib.h>

enum { MESSAGES = 1000000, WINDOW = 200000, BYTES = 1024 };

BW_MAP(messages, int, bw_slice(uint8_t));

static void push(messages window, int number) {
    bw_slice(uint8_t) message = bw_make_slice(uint8_t, BYTES);
    for (int i = 0; i < BYTES; i++)
        message.ptr[i] = (uint8_t)number;
    bw_put(window, number) = message;
    if (number >= WINDOW)
        bw_delete(window, number - WINDOW);
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print_histogram(const int64_t *sorted) {
    static latency all;
    for (size_t i = 0; i < MESSAGES; i++)
        latency_add(&all, sorted[i]);
    latency_print(&all);
}

static double quantile(const int64_t *sorted, double share) {
    return (double)sorted[(size_t)(share * (MESSAGES - 1))] / 1e3;
}

int main(void) {
    int64_t *took = calloc(MESSAGES, sizeof *took);
    if (took == NULL)
        return 1;
    for (size_t i = 0; i < MESSAGES; i++)
        took[i] = 1; /* touched before it is measured with */
    messages window = bw_make_map(messages);
    int64_t began = latency_now();
    for (int i = 0; i < MESSAGES; i++) {
        int64_t before = latency_now();
        push(window, i);
        took[i] = latency_now() - before;
    }
    double wall = (double)(latency_now() - began) / 1e6;
    qsort(took, MESSAGES, sizeof *took, compare);
    printf("R pusher_%dB wall_ms=%.0f p50_us=%.2f p99_us=%.2f p99.9_us=%.1f p99.99_us=%.1f max_us=%.1f", BYTES, wall,
           quantile(took, 0.5), quantile(took, 0.99), quantile(took, 0.999), quantile(took, 0.9999), quantile(took, 1));
    bw_mem_stats stats;
    bw_read_mem_stats(&stats);
    printf(" numgc=%u gccpu_s=%.3f\n", stats.num_gc, (double)stats.gc_cpu_ns / 1e9);
    print_histogram(took);
    free(took);
    return bw_len(window) == WINDOW ? 0 : 1;
}
