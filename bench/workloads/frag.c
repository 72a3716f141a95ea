/* frag.c - fragmentation, as frag.go: 2 GiB of small objects of mixed sizes, PERCENT of them dropped at random, then
 * what stays resident after the library was asked to give memory back. `frag PERCENT`. */
#include "peer.h"

PEER_STRUCT(byte_slice, (unsigned char *, data), (int64_t, len), (int64_t, cap)); /* 24 bytes, as Go's */

static const int sizes[] = {16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024, 1536, 2048};
enum { SIZES = sizeof sizes / sizeof sizes[0], SLOTS = 8000000 };

static byte_slice *objects;

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: frag PERCENT\n", stderr);
        return 2;
    }
    uint64_t percent = (uint64_t)peer_number(argv[1], 0, 100);
    uint64_t seed = PEER_SEED;
    int64_t total = 0, live = 0;
    size_t count = 0, kept = 0;

    peer_start();
    objects = PEER_ARRAY(byte_slice, SLOTS);
    while (total < INT64_C(2) << 30) {
        if (count == SLOTS) {
            fputs("the table is full\n", stderr);
            return 1;
        }
        int n = sizes[peer_random(&seed) % SIZES];
        unsigned char *bytes = peer_bytes((size_t)n);
        bytes[0] = 1;
        objects[count++] = (byte_slice){.data = bytes, .len = n, .cap = n};
        total += n;
    }
    uint64_t before = peer_resident();
    for (size_t i = 0; i < count; i++) {
        if (peer_random(&seed) % 100 < percent) {
            PEER_DROP(objects[i].data);
            objects[i] = (byte_slice){NULL, 0, 0};
        } else {
            live += objects[i].len;
            kept++;
        }
    }
    double start = peer_now();
    peer_collect();
    double collected = peer_now();
    peer_release();
    double released = peer_now();
    uint64_t after = peer_resident();
    size_t intact = 0;
    for (size_t i = 0; i < count; i++)
        intact += objects[i].data != NULL && objects[i].data[0] == 1;
    printf("R frag_drop%d n=%zu total_MB=%lld rss_before_MB=%llu live_MB=%lld kept=%zu rss_after_MB=%llu gc_ms=%.0f "
           "freeos_ms=%.0f\n",
           (int)percent, count, (long long)total >> 20, (unsigned long long)before >> 20, (long long)live >> 20, kept,
           (unsigned long long)after >> 20, (collected - start) * 1e3, (released - collected) * 1e3);
    peer_print_figures();
    return intact != kept;
}
