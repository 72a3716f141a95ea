/* gcbench.c - the program of Ellis, Kovac and Boehm, with the constants of gcbench.go: trees built top down and bottom
 * up beside a long-lived tree and a long-lived array of doubles. */
#include "peer.h"

enum { STRETCH_DEPTH = 18, LONG_LIVED_DEPTH = 16, ARRAY_SIZE = 500000, MIN_DEPTH = 4, MAX_DEPTH = 16 };

PEER_STRUCT(node, (struct node *, left), (struct node *, right), (int32_t, i), (int32_t, j));

static int tree_size(int depth) {
    return (1 << (depth + 1)) - 1;
}

static int iterations(int depth) {
    return 2 * tree_size(STRETCH_DEPTH) / tree_size(depth);
}

static void populate(int depth, node *n) {
    if (depth <= 0)
        return;
    n->left = PEER_NEW(node);
    n->right = PEER_NEW(node);
    populate(depth - 1, n->left);
    populate(depth - 1, n->right);
}

static node *make_tree(int depth) {
    if (depth <= 0)
        return PEER_NEW(node);
    node *left = make_tree(depth - 1);
    node *right = make_tree(depth - 1);
    return PEER_NEW_WITH(node, left, right, 0, 0);
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

static long count(const node *n) {
    return n->left == NULL ? 1 : 1 + count(n->left) + count(n->right);
}

static node *volatile sink;

static void time_construction(int depth) {
    int n = iterations(depth);
    double start = peer_now();
    for (int i = 0; i < n; i++) {
        node *tree = PEER_NEW(node);
        populate(depth, tree);
        sink = tree;
        drop_tree(tree);
    }
    double top_down = peer_now() - start;
    start = peer_now();
    for (int i = 0; i < n; i++) {
        sink = make_tree(depth);
        drop_tree(sink);
    }
    sink = NULL;
    printf("depth %d x %d: top down %.3fms, bottom up %.3fms\n", depth, n, top_down * 1e3, (peer_now() - start) * 1e3);
}

int main(void) {
    peer_start();
    double start = peer_now();
    sink = make_tree(STRETCH_DEPTH);
    drop_tree(sink);
    sink = NULL;
    node *long_lived = PEER_NEW(node);
    populate(LONG_LIVED_DEPTH, long_lived);
    double *array = peer_bytes(ARRAY_SIZE * sizeof *array);
    for (int i = 0; i < ARRAY_SIZE / 2; i++)
        array[i] = 1.0 / (double)(i + 1);
    for (int depth = MIN_DEPTH; depth <= MAX_DEPTH; depth += 2)
        time_construction(depth);
    if (count(long_lived) != tree_size(LONG_LIVED_DEPTH) || array[1000] != 1.0 / 1001.0) {
        puts("Failed");
        return 1;
    }
    printf("STAT wall_ms=%.1f\n", (peer_now() - start) * 1e3);
    peer_print_figures();
    drop_tree(long_lived);
    PEER_DROP(array);
    return 0;
}
