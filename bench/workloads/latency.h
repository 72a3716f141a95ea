/* latency.h - how long each of many operations took: a histogram of sixteen classes for each power of two, as
 * graph.go has it.
 *
 * The programs print it for the plots, too: "LATENCY ns:count ns:count ...", where ns is the lower end of a class that
 * has operations. */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { LATENCY_CLASSES = 64 * 16 };

typedef struct latency {
    uint64_t classes[LATENCY_CLASSES], count;
    int64_t longest; /* ns */
} latency;

static inline int64_t latency_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void latency_add(latency *l, int64_t ns) {
    uint64_t u = ns < 0 ? 0 : (uint64_t)ns;
    if (ns > l->longest)
        l->longest = ns;
    l->count++;
    int exponent = u < 16 ? 0 : 63 - __builtin_clzll(u);
    l->classes[u < 16 ? u : (size_t)(exponent - 3) * 16 + (u >> (exponent - 4) & 15)]++;
}

static inline double latency_lower_end(size_t class) {
    return class < 16 ? (double)class : (double)((16 + class % 16) << (class / 16 + 3 - 4));
}

/* The lower end of the class below which that share of the operations is, ns. */
static inline double latency_quantile(const latency *l, double share) {
    uint64_t wanted = (uint64_t)(share * (double)l->count), sum = 0;
    for (size_t i = 0; i < LATENCY_CLASSES; i++) {
        sum += l->classes[i];
        if (sum > wanted)
            return latency_lower_end(i);
    }
    return (double)l->longest;
}

static inline void latency_print(const latency *l) {
    printf("LATENCY");
    for (size_t i = 0; i < LATENCY_CLASSES; i++)
        if (l->classes[i] != 0)
            printf(" %.0f:%llu", latency_lower_end(i), (unsigned long long)l->classes[i]);
    putchar('\n');
}

#endif
