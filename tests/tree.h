// A tree of small objects that refer to one another: what makes marking take a while, and is whole or is not.
#ifndef TREE_H
#define TREE_H

#include "support.h"

BW_STRUCT(node, (struct node *, left), (struct node *, right), (uint64_t, number));

static node *new_tree(int depth) {
    node *n = bw_new(node);
    if (depth > 0) {
        n->left = new_tree(depth - 1);
        n->right = new_tree(depth - 1);
    }
    return n;
}

static size_t count_tree(const node *n) {
    return n ? 1 + count_tree(n->left) + count_tree(n->right) : 0;
}

#endif
