/* latency.h - how long each of many operations took: a histogram of sixteen classes for each power of two, as
 * graph.go has it. */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>
#include <time.h>

typedef struct latency {
    uint64_t classes[64 * 16], count;
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

/* The lower end of the class below which that share of the operations is, ns. */
static inline double latency_quantile(const latency *l, double share) {
    uint64_t wanted = (uint64_t)(share * (double)l->count), sum = 0;
    for (size_t i = 0; i < sizeof l->classes / sizeof l->classes[0]; i++) {
        sum += l->classes[i];
        if (sum > wanted)
            return i < 16 ? (double)i : (double)((16 + i % 16) << (i / 16 + 3 - 4));
    }
    return (double)l->longest;
}

#endif
