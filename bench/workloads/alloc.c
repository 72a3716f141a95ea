/* alloc.c - nanoseconds an allocation, with the sizes, counts and loops of alloc.go. Each thread allocates and stores
 * to a ring of its own of 64 slots, so objects die young. `alloc THREADS [ballast]`: with one thread, then two, up to
 * THREADS; `ballast` keeps a pointer-free object of 64 MiB alive beside it. */
#include "peer.h"

PEER_STRUCT(n16, (uint64_t[2], a));
PEER_STRUCT(p16, (struct p16 *, a), (struct p16 *, b));
PEER_STRUCT(n32, (uint64_t[4], a));
PEER_STRUCT(p32, (struct p32 *, a), (struct p32 *, b), (uint64_t[2], c));
PEER_STRUCT(n64, (uint64_t[8], a));
PEER_STRUCT(p64, (struct p64 *, a), (struct p64 *, b), (uint64_t[6], c));
PEER_STRUCT(n256, (uint64_t[32], a));
PEER_STRUCT(p256, (struct p256 *, a), (struct p256 *, b), (uint64_t[30], c));
PEER_STRUCT(n1k, (uint64_t[128], a));
PEER_STRUCT(p1k, (struct p1k *, a), (struct p1k *, b), (uint64_t[126], c));
PEER_STRUCT(n32k, (uint64_t[4096], a));
PEER_STRUCT(p32k, (struct p32k *, a), (struct p32k *, b), (uint64_t[4094], c));
PEER_STRUCT(n64k, (uint64_t[8192], a));
PEER_STRUCT(n1m, (uint64_t[131072], a));

enum { RING = 64, MAX_THREADS = 64 };

typedef struct worker {
    void **ring;
    int count;
    void (*loop)(void **ring, int count);
    pthread_t thread;
} worker;

static void *run_worker(void *argument) {
    worker *w = argument;
    w->loop(w->ring, w->count);
    return NULL;
}

/* The rings as the collectors see them: an array of pointers each, found from this static one. */
static worker workers[MAX_THREADS];
static const char *suffix = "";
static int processors;

static void bench(const char *name, size_t size, void (*loop)(void **, int), int count, int threads) {
    for (int i = 0; i < threads; i++)
        workers[i] = (worker){.ring = PEER_ARRAY(void *, RING), .count = count, .loop = loop};
    loop(workers[0].ring, count / 20 + RING);
    peer_collect();
    unsigned long collections = peer_figures().collections;
    double start = peer_now();
    for (int i = 0; i < threads; i++)
        peer_thread(&workers[i].thread, run_worker, &workers[i]);
    for (int i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    double seconds = peer_now() - start;
    printf("R alloc_%s_w%d_p%d%s ns/op %.2f gcs=%lu\n", name, threads, processors, suffix, seconds * 1e9 / count,
           peer_figures().collections - collections);

    uint64_t set = 0; /* new objects are zero */
    int held = 0;
    for (int i = 0; i < threads; i++) {
        for (int slot = 0; slot < RING; slot++) {
            const uint64_t *words = workers[i].ring[slot];
            held += words != NULL;
            for (size_t w = 0; words != NULL && w < size / sizeof *words; w++)
                set |= words[w];
            PEER_DROP(workers[i].ring[slot]);
        }
        PEER_DROP(workers[i].ring);
        workers[i].ring = NULL;
    }
    printf("CHECK %s threads=%d held=%d nonzero=%d\n", name, threads, held, set != 0);
}

#define LOOP(T, KIND)                                                                                                  \
    static __attribute__((noinline)) void loop_##T(void **ring, int count) {                                           \
        for (int i = 0; i < count; i++) {                                                                              \
            PEER_DROP(ring[i % RING]);                                                                                 \
            ring[i % RING] = KIND(T);                                                                                  \
        }                                                                                                              \
    }
LOOP(n16, PEER_NEW_NOSCAN)
LOOP(p16, PEER_NEW)
LOOP(n32, PEER_NEW_NOSCAN)
LOOP(p32, PEER_NEW)
LOOP(n64, PEER_NEW_NOSCAN)
LOOP(p64, PEER_NEW)
LOOP(n256, PEER_NEW_NOSCAN)
LOOP(p256, PEER_NEW)
LOOP(n1k, PEER_NEW_NOSCAN)
LOOP(p1k, PEER_NEW)
LOOP(n32k, PEER_NEW_NOSCAN)
LOOP(p32k, PEER_NEW)
LOOP(n64k, PEER_NEW_NOSCAN)
LOOP(n1m, PEER_NEW_NOSCAN)

static char *ballast;

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "ballast") != 0)) {
        fputs("usage: alloc THREADS [ballast]\n", stderr);
        return 2;
    }
    processors = (int)peer_number(argv[1], 1, MAX_THREADS);
    peer_start();
    if (argc == 3) {
        ballast = peer_bytes(64 << 20);
        suffix = "_ballast64M";
    }
    for (int threads = 1; threads <= processors; threads++) {
        bench("16n", sizeof(n16), loop_n16, 20000000, threads);
        bench("16p", sizeof(p16), loop_p16, 20000000, threads);
        bench("32n", sizeof(n32), loop_n32, 20000000, threads);
        bench("32p", sizeof(p32), loop_p32, 20000000, threads);
        bench("64n", sizeof(n64), loop_n64, 10000000, threads);
        bench("64p", sizeof(p64), loop_p64, 10000000, threads);
        bench("256n", sizeof(n256), loop_n256, 4000000, threads);
        bench("256p", sizeof(p256), loop_p256, 4000000, threads);
        bench("1Kn", sizeof(n1k), loop_n1k, 2000000, threads);
        bench("1Kp", sizeof(p1k), loop_p1k, 2000000, threads);
        bench("32Kn", sizeof(n32k), loop_n32k, 100000, threads);
        bench("32Kp", sizeof(p32k), loop_p32k, 100000, threads);
        bench("64Kn", sizeof(n64k), loop_n64k, 50000, threads);
        bench("1Mn", sizeof(n1m), loop_n1m, 3000, threads);
    }
    peer_print_figures();
    __asm__ volatile("" : : "g"(ballast) : "memory"); /* alive up to here, whatever the compiler sees */
    PEER_DROP(ballast);
    return 0;
}
