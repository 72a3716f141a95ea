/* larson.c - objects that another thread drops than the one that allocated them, after Larson and Krishnan's server
 * test. Each thread replaces random objects of a table of its own; after a round all threads end, and the next round's
 * threads take over each other's tables. `larson THREADS ROUNDS`. */
#include "peer.h"

enum { SLOTS = 5000, REPLACEMENTS = 100000, MAX_THREADS = 64 };

typedef struct block {
    uint32_t size;
    uint32_t owner;
} block;

/* Pointers to the blocks, which hold none themselves. */
typedef struct table {
    block **slots;
    uint64_t seed;
    uint64_t check;
    uint32_t owner; /* the thread that works on it this round */
    pthread_t thread;
} table;

static table tables[MAX_THREADS];

static void put(table *t, size_t slot) {
    uint32_t size = 16 + (uint32_t)(peer_random(&t->seed) % 497);
    block *b = peer_bytes(size);
    *b = (block){.size = size, .owner = t->owner};
    ((unsigned char *)b)[size - 1] = (unsigned char)size;
    t->slots[slot] = b;
}

static void take(table *t, size_t slot) {
    block *b = t->slots[slot];
    if (((unsigned char *)b)[b->size - 1] != (unsigned char)b->size) {
        fputs("a block was overwritten\n", stderr);
        exit(1);
    }
    t->check = t->check * 31 + b->size + b->owner;
    PEER_DROP(b);
}

static void *run_round(void *argument) {
    table *t = argument;
    for (int i = 0; i < REPLACEMENTS; i++) {
        size_t slot = peer_random(&t->seed) % SLOTS;
        take(t, slot);
        put(t, slot);
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fputs("usage: larson THREADS ROUNDS\n", stderr);
        return 2;
    }
    int threads = (int)peer_number(argv[1], 1, MAX_THREADS);
    int rounds = (int)peer_number(argv[2], 1, 1000000);
    peer_start();
    for (int i = 0; i < threads; i++) {
        table *t = &tables[i];
        *t = (table){.slots = PEER_ARRAY(block *, SLOTS), .seed = PEER_SEED + (uint64_t)i, .owner = (uint32_t)i};
        for (size_t slot = 0; slot < SLOTS; slot++)
            put(t, slot);
    }
    double start = peer_now();
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < threads; i++) {
            tables[i].owner = (uint32_t)((i + round + 1) % threads);
            peer_thread(&tables[i].thread, run_round, &tables[i]);
        }
        for (int i = 0; i < threads; i++)
            pthread_join(tables[i].thread, NULL);
    }
    double seconds = peer_now() - start;
    uint64_t check = 0;
    for (int i = 0; i < threads; i++) {
        for (size_t slot = 0; slot < SLOTS; slot++)
            take(&tables[i], slot);
        PEER_DROP(tables[i].slots);
        check ^= tables[i].check;
    }
    printf("CHECK larson threads=%d rounds=%d sum=%llu\n", threads, rounds, (unsigned long long)check);
    printf("R larson Mop/s=%.3f\n", (double)threads * rounds * REPLACEMENTS / seconds / 1e6);
    peer_print_figures();
    return 0;
}
