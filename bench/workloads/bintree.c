/* bintree.c - binary trees, as the benchmarks game has them and bintree.go does: a long-lived tree, and many
 * short-lived ones of each depth. `bintree DEPTH [par]`; with `par` each depth has a thread of its own. */
#include "peer.h"

PEER_STRUCT(node, (struct node *, left), (struct node *, right));

enum { MIN_DEPTH = 4, MAX_DEPTH = 30 };

static node *bottom_up(int depth) {
    if (depth <= 0)
        return PEER_NEW_WITH(node, NULL, NULL);
    node *left = bottom_up(depth - 1);
    node *right = bottom_up(depth - 1);
    return PEER_NEW_WITH(node, left, right);
}

static long check(const node *n) {
    if (n->left == NULL)
        return 1;
    return 1 + check(n->left) + check(n->right);
}

#if PEER_COLLECTS
#define drop_tree(n) ((void)(n))
#else
static void drop_tree(node *n) {
    if (n->left != NULL) {
        drop_tree(n->left);
        drop_tree(n->right);
    }
    PEER_DROP(n);
}
#endif

typedef struct job {
    int depth;
    int iterations;
    long check;
    pthread_t thread;
} job;

static void *run_depth(void *argument) {
    job *j = argument;
    long sum = 0;
    for (int i = 0; i < j->iterations; i++) {
        node *tree = bottom_up(j->depth);
        sum += check(tree);
        drop_tree(tree);
    }
    j->check = sum;
    return NULL;
}

static long stretch(int depth) {
    node *tree = bottom_up(depth);
    long sum = check(tree);
    drop_tree(tree);
    return sum;
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "par") != 0)) {
        fputs("usage: bintree DEPTH [par]\n", stderr);
        return 2;
    }
    int depth = (int)peer_number(argv[1], MIN_DEPTH + 2, MAX_DEPTH);
    int parallel = argc == 3;
    static job jobs[MAX_DEPTH + 1];

    peer_start();
    printf("stretch tree of depth %d\t check: %ld\n", depth + 1, stretch(depth + 1));
    node *long_lived = bottom_up(depth);
    for (int d = MIN_DEPTH; d <= depth; d += 2) {
        jobs[d] = (job){.depth = d, .iterations = 1 << (depth - d + MIN_DEPTH)};
        if (parallel)
            peer_thread(&jobs[d].thread, run_depth, &jobs[d]);
        else
            run_depth(&jobs[d]);
    }
    for (int d = MIN_DEPTH; d <= depth; d += 2) {
        if (parallel)
            pthread_join(jobs[d].thread, NULL);
        printf("%d\t trees of depth %d\t check: %ld\n", jobs[d].iterations, d, jobs[d].check);
    }
    printf("long lived tree of depth %d\t check: %ld\n", depth, check(long_lived));
    drop_tree(long_lived);
    peer_print_figures();
    return 0;
}
