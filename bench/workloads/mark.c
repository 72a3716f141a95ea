/* mark.c - how fast a forced collection marks a heap at rest: the shapes, objects and random sequence of mark.go. `mark
 * SHAPE MEGABYTES REPETITIONS`; shapes: tree (allocation order), list (one linked list), graph (random links, and a
 * table of all nodes), graphonly (a random binary tree, reachable only through its links), ptrs1k (1 KiB objects with
 * two pointers), noscan (1 KiB objects without). The heap is built with collections held back. */
#include "peer.h"

#include <sys/resource.h>

#if !PEER_COLLECTS
#error "only a collector marks"
#endif

PEER_STRUCT(node, (struct node *, a), (struct node *, b), (uint64_t[6], p));
PEER_STRUCT(node1k, (struct node1k *, a), (struct node1k *, b), (uint64_t[126], p));
PEER_STRUCT(byte_slice, (unsigned char *, data), (int64_t, len), (int64_t, cap)); /* 24 bytes, as Go's */

enum { MAX_REPETITIONS = 99, AHEAD = 32 };

static void *root;
static size_t objects; /* built and reachable */
static size_t bytes;

static node *tree(int depth) {
    if (depth == 0)
        return PEER_NEW(node);
    node *a = tree(depth - 1);
    node *b = tree(depth - 1);
    return PEER_NEW_WITH(node, .a = a, .b = b);
}

static void build_tree(size_t target) {
    int depth = 0;
    while (((UINT64_C(1) << (depth + 2)) - 1) * sizeof(node) < target)
        depth++;
    root = tree(depth);
    objects = (UINT64_C(1) << (depth + 1)) - 1;
    bytes = objects * sizeof(node);
}

static void build_list(size_t target) {
    objects = target / sizeof(node);
    node *head = NULL;
    for (size_t i = 0; i < objects; i++)
        head = PEER_NEW_WITH(node, .a = head);
    root = head;
    bytes = objects * sizeof(node);
}

static void build_graph(size_t target) {
    uint64_t seed = PEER_SEED;
    size_t n = target / (sizeof(node) + sizeof(node *));
    node **table = PEER_ARRAY(node *, n);
    for (size_t i = 0; i < n; i++)
        table[i] = PEER_NEW(node);
    for (size_t i = 0; i < n; i++) {
        table[i]->a = table[peer_random(&seed) % n];
        table[i]->b = table[peer_random(&seed) % n];
    }
    root = table;
    objects = n + 1;
    bytes = n * (sizeof(node) + sizeof(node *));
}

/* Exchanges each entry, the last first, with a random one not behind it. The random places are drawn some steps before
 * they are used, so that building a large heap does not take longer than measuring it. */
static void shuffle(node **table, size_t n) {
    uint64_t seed = PEER_SEED;
    size_t drawn[AHEAD], next = n - 1;
    for (size_t i = n - 1; i > 0; i--) {
        for (; next > 0 && next + AHEAD > i; next--) {
            drawn[next % AHEAD] = peer_random(&seed) % (next + 1);
            __builtin_prefetch(&table[drawn[next % AHEAD]], 1);
        }
        size_t j = drawn[i % AHEAD];
        node *other = table[i];
        table[i] = table[j];
        table[j] = other;
    }
}

static void build_graphonly(size_t target) {
    size_t n = target / sizeof(node);
    node **table = PEER_ARRAY(node *, n);
    for (size_t i = 0; i < n; i++)
        table[i] = PEER_NEW(node);
    shuffle(table, n);
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(table[i + AHEAD], 1);
        if (2 * i + 1 < n)
            table[i]->a = table[2 * i + 1];
        if (2 * i + 2 < n)
            table[i]->b = table[2 * i + 2];
    }
    root = table[0];
    memset(table, 0, n * sizeof *table); /* should a stale word keep the table, then at least not as a list of roots */
    objects = n;
    bytes = n * sizeof(node);
}

static void build_ptrs1k(size_t target) {
    uint64_t seed = PEER_SEED;
    size_t n = target / sizeof(node1k);
    node1k **table = PEER_ARRAY(node1k *, n);
    for (size_t i = 0; i < n; i++)
        table[i] = PEER_NEW(node1k);
    for (size_t i = 0; i < n; i++) {
        table[i]->a = table[peer_random(&seed) % n];
        table[i]->b = table[peer_random(&seed) % n];
    }
    root = table;
    objects = n + 1;
    bytes = n * (sizeof(node1k) + sizeof(node1k *));
}

static void build_noscan(size_t target) {
    size_t n = target / 1024;
    byte_slice *table = PEER_ARRAY(byte_slice, n);
    for (size_t i = 0; i < n; i++)
        table[i] = (byte_slice){.data = peer_bytes(1024), .len = 1024, .cap = 1024};
    root = table;
    objects = n + 1;
    bytes = n * (1024 + sizeof(byte_slice));
}

/* ---- whether all of it is still there ---- */

static size_t count_tree(const node *n) {
    return n == NULL ? 0 : 1 + count_tree(n->a) + count_tree(n->b);
}

static int check_tree(void) {
    return count_tree(root) == objects;
}

static int check_list(void) {
    size_t count = 0;
    for (const node *n = root; n != NULL; n = n->a)
        count++;
    return count == objects;
}

static int check_graph(void) {
    uint64_t seed = PEER_SEED;
    size_t n = objects - 1;
    node **table = root;
    for (size_t i = 0; i < n; i++) {
        node *a = table[peer_random(&seed) % n], *b = table[peer_random(&seed) % n];
        if (table[i]->a != a || table[i]->b != b || table[i]->p[0] != 0)
            return 0;
    }
    return 1;
}

static int check_ptrs1k(void) {
    uint64_t seed = PEER_SEED;
    size_t n = objects - 1;
    node1k **table = root;
    for (size_t i = 0; i < n; i++) {
        node1k *a = table[peer_random(&seed) % n], *b = table[peer_random(&seed) % n];
        if (table[i]->a != a || table[i]->b != b || table[i]->p[125] != 0)
            return 0;
    }
    return 1;
}

static int check_noscan(void) {
    byte_slice *table = root;
    for (size_t i = 0; i < objects - 1; i++)
        if (table[i].data[0] != 0 || table[i].data[1023] != 0)
            return 0;
    return 1;
}

/* Takes up what a collection may have freed, and fills it, so that an object that was lost is seen to be. */
static void reuse_memory(void) {
    for (size_t i = 0; i < objects / 8; i++) {
        node *small = PEER_NEW(node);
        memset(small->p, 0xff, sizeof small->p);
        small->a = small->b = root;
    }
    for (size_t i = 0; i < bytes / 8 / sizeof(node1k); i++) {
        memset(PEER_NEW(node1k)->p, 0xff, sizeof(uint64_t[126]));
        memset(peer_bytes(1024), 0xff, 1024);
    }
}

enum { CHECKED_MB = 1024 }; /* walking a larger heap at random would take longer than measuring it */

static const struct {
    const char *name;
    void (*build)(size_t target);
    int (*check)(void);
} shapes[] = {
    {"tree", build_tree, check_tree},       {"list", build_list, check_list},
    {"graph", build_graph, check_graph},    {"graphonly", build_graphonly, check_tree},
    {"ptrs1k", build_ptrs1k, check_ptrs1k}, {"noscan", build_noscan, check_noscan},
};

/* Overwrites the stack below, where building left pointers. */
static __attribute__((noinline)) void clear_stack(void) {
    volatile char space[64 << 10];
    for (size_t i = 0; i < sizeof space; i++)
        space[i] = 0;
}

static double cpu_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: mark SHAPE MEGABYTES REPETITIONS\n", stderr);
        return 2;
    }
    size_t shape = 0, shape_count = sizeof shapes / sizeof shapes[0];
    while (shape < shape_count && strcmp(shapes[shape].name, argv[1]) != 0)
        shape++;
    if (shape == shape_count) {
        fprintf(stderr, "no shape '%s'\n", argv[1]);
        return 2;
    }
    size_t megabytes = (size_t)peer_number(argv[2], 1, 1 << 20);
    int repetitions = (int)peer_number(argv[3], 1, MAX_REPETITIONS);

    peer_start();
    peer_hold_collections();
    shapes[shape].build(megabytes << 20);
    clear_stack();
    peer_allow_collections();
    peer_collect();
    double wall[MAX_REPETITIONS], cpu[MAX_REPETITIONS];
    for (int i = 0; i < repetitions; i++) {
        double cpu_start = cpu_seconds();
        double start = peer_now();
        peer_collect();
        wall[i] = peer_now() - start;
        cpu[i] = cpu_seconds() - cpu_start;
    }
    qsort(wall, (size_t)repetitions, sizeof *wall, ascending);
    qsort(cpu, (size_t)repetitions, sizeof *cpu, ascending);
    double w = wall[repetitions / 2], c = cpu[repetitions / 2];
    peer_counts counts = peer_figures();
    size_t live_objects = counts.live_objects != 0 ? counts.live_objects : objects;
    size_t live_bytes = counts.live_bytes != 0 ? counts.live_bytes : bytes;
    printf("R mark_%s_%zuMB live_MB=%.0f objs=%zu gc_wall_ms=%.2f gc_cpu_ms=%.2f\n", argv[1], megabytes,
           (double)live_bytes / (1 << 20), live_objects, w * 1e3, c * 1e3);
    printf("BUILT objs=%zu MB=%.0f\n", objects, (double)bytes / (1 << 20));
    peer_print_figures();
    if (megabytes <= CHECKED_MB) {
        reuse_memory();
        if (!shapes[shape].check()) {
            fputs("the collector lost objects\n", stderr);
            return 1;
        }
    }
    return root == NULL;
}
