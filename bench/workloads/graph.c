/* graph.c - a table of 64-byte nodes, one of which is replaced in each operation by a new one that refers to two others, all
 * at random; how long the operations take while the collector is at work. `graph MEGABYTES SECONDS`. As graph.go. */
#include "latency.h"
#include "peer.h"

PEER_STRUCT(node, (struct node *, a), (struct node *, b), (uint64_t[6], payload));

int main(int argc, char **argv) {
    if (argc != 3) {
        fputs("usage: graph MEGABYTES SECONDS\n", stderr);
        return 2;
    }
    size_t count = ((size_t)peer_number(argv[1], 1, 1000000) << 20) / 72; /* a node and its place in the table */
    long seconds = peer_number(argv[2], 1, 100000);
    peer_start();
    node **table = PEER_ARRAY(node *, count);
    for (size_t i = 0; i < count; i++)
        table[i] = PEER_NEW(node);
    uint64_t state = PEER_SEED;
    for (size_t i = 0; i < count; i++) {
        table[i]->a = table[peer_random(&state) % count];
        table[i]->b = table[peer_random(&state) % count];
    }
    peer_collect();
    static latency took;
    peer_counts counts = peer_figures();
    state = 0x9E3779B97F4A7C15u ^ 7919;
    int64_t began = latency_now(), end = began + (int64_t)seconds * 1000000000, before, after;
    do {
        before = latency_now();
        size_t i = peer_random(&state) % count;
        node *old = table[i], *a = table[peer_random(&state) % count], *b = table[peer_random(&state) % count];
        node *fresh = PEER_NEW(node);
        fresh->a = a;
        fresh->b = b;
        fresh->payload[0] = i;
        old->a = old->b = NULL;
        table[i] = fresh;
        after = latency_now();
        latency_add(&took, after - before);
    } while (after < end);
    double wall = (double)(after - began) / 1e9;
    printf("R graph_%sMB_m1 ops=%llu ops/s=%.0f p50_ns=%.0f p99_ns=%.0f p99.9_us=%.2f p99.99_us=%.1f max_us=%.1f",
           argv[1], (unsigned long long)took.count, (double)took.count / wall, latency_quantile(&took, 0.5),
           latency_quantile(&took, 0.99), latency_quantile(&took, 0.999) / 1e3, latency_quantile(&took, 0.9999) / 1e3,
           (double)took.longest / 1e3);
    peer_print_collector(&counts);
    putchar('\n');
    latency_print(&took);
    for (size_t i = 0; i < count; i += count / 16 + 1)
        if (table[i] == NULL)
            return 1;
    return 0;
}
