/* compact.c - as compact.go: 2 GiB of objects of ten types, from 16 bytes to 8 KiB, PERCENT of them dropped at random, and
 * what stays resident after everything that the library can do about it: Burrow compacts. `compact PERCENT`. */
#include "peer.h"

#if defined(PEER_BURROW)
#define MOVABLE_STRUCT(name, ...) BW_STRUCT(name, BW_MOVABLE, __VA_ARGS__)
#else
#define MOVABLE_STRUCT(name, ...) PEER_STRUCT(name, __VA_ARGS__)
#endif
#define SIZED_STRUCT(size)                                                                                             \
    MOVABLE_STRUCT(object##size, (void *, next), (uint64_t, value), (uint64_t[((size)-16) / 8], rest))

MOVABLE_STRUCT(object16, (void *, next), (uint64_t, value));
SIZED_STRUCT(32);
SIZED_STRUCT(64);
SIZED_STRUCT(128);
SIZED_STRUCT(256);
SIZED_STRUCT(512);
SIZED_STRUCT(1024);
SIZED_STRUCT(2048);
SIZED_STRUCT(4096);
SIZED_STRUCT(8192);

enum { SLOTS = 2000000 };

static void **kept;

static object16 *make_object(unsigned size) {
    switch (size) {
    case 16: return PEER_NEW(object16);
    case 32: return (object16 *)PEER_NEW(object32);
    case 64: return (object16 *)PEER_NEW(object64);
    case 128: return (object16 *)PEER_NEW(object128);
    case 256: return (object16 *)PEER_NEW(object256);
    case 512: return (object16 *)PEER_NEW(object512);
    case 1024: return (object16 *)PEER_NEW(object1024);
    case 2048: return (object16 *)PEER_NEW(object2048);
    case 4096: return (object16 *)PEER_NEW(object4096);
    default: return (object16 *)PEER_NEW(object8192);
    }
}

static double release(void) {
    double start = peer_now();
#if defined(PEER_BURROW)
    if (!bw_compact()) {
        fputs("bw_compact: no memory\n", stderr);
        exit(1);
    }
#else
    peer_release();
#endif
    return peer_now() - start;
}

static void report(void) {
#if defined(PEER_BURROW)
    bw_compaction c;
    bw_read_compaction(&c);
    double moving = (double)(c.pause_ns - c.mark_ns) / 1e9;
    printf("STAT moved_MB=%.1f moved_MBs=%.0f pause_ms=%.1f mark_ms=%.1f pin_ms=%.1f plan_ms=%.1f update_ms=%.1f "
           "move_ms=%.1f\n",
           (double)c.moved_bytes / 1048576, (double)c.moved_bytes / 1048576 / moving, (double)c.pause_ns / 1e6,
           (double)c.mark_ns / 1e6, (double)c.pin_ns / 1e6, (double)c.plan_ns / 1e6, (double)c.update_ns / 1e6,
           (double)c.move_ns / 1e6);
#endif
}

/* Its first and last words are written, so that no page of it is left to the system. */
static uint64_t *last_word(object16 *object, unsigned size) {
    return (uint64_t *)((char *)object + size) - 1;
}

/* Makes them all and keeps some, in a table that is as large as it must be; their bytes with it. */
static __attribute__((noinline)) uint64_t build(uint64_t percent, size_t *made, size_t *left) {
    uint64_t seed = PEER_SEED, total = 0, live = 0;
    size_t count = 0;
    object16 **objects = PEER_ARRAY(object16 *, SLOTS);
    uint16_t *sizes = malloc(SLOTS * sizeof *sizes);
    while (total < UINT64_C(2) << 30 && count < SLOTS) {
        unsigned size = 16u << (peer_random(&seed) % 10);
        objects[count] = make_object(size);
        *last_word(objects[count], size) = count;
        objects[count]->value = count;
        sizes[count++] = (uint16_t)size;
        total += size;
    }
    for (size_t i = 0; i < count; i++) {
        if (peer_random(&seed) % 100 < percent) {
            PEER_DROP(objects[i]);
        } else {
            objects[*left] = objects[i];
            live += sizes[i];
            ++*left;
        }
    }
    kept = PEER_ARRAY(void *, *left);
    for (size_t i = 0; i < *left; i++)
        kept[i] = objects[i];
    PEER_DROP(objects);
    free(sizes);
    *made = count;
    return live + *left * sizeof *kept;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: compact PERCENT\n", stderr);
        return 2;
    }
    uint64_t percent = (uint64_t)peer_number(argv[1], 0, 100), sum = 0;
    size_t made = 0, left = 0;
    peer_start();
    uint64_t live = build(percent, &made, &left);
    double start = peer_now();
    peer_collect();
    double collected = PEER_COLLECTS ? peer_now() - start : 0, released = release();
    uint64_t after = peer_resident();
    for (size_t i = 0; i < left; i++)
        sum += ((const object16 *)kept[i])->value;
    printf("R compact_drop%d n=%zu kept=%zu sum=%llu live=%llu rss_after=%llu gc_ms=%.1f release_ms=%.1f\n",
           (int)percent, made, left, (unsigned long long)sum, (unsigned long long)live, (unsigned long long)after,
           collected * 1e3, released * 1e3);
    report();
    peer_print_figures();
    return 0;
}
