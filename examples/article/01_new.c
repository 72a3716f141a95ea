/* 01_new.c - new(T): a pointer to a zeroed T.
 *
 * Shows that what bw_new returns is zero, and that the ledger counts it as new and as a struct. The bytes are those of
 * the slot the object lies in, a multiple of 16.
 */
#include "ledger.h"

BW_STRUCT(node, (struct node *, left), (struct node *, right), (int, value));

int main(void) {
    int *number = bw_new(int);
    ledger_after("number = bw_new(int)");
    printf("*number is %d\n", *number);
    *number = 42;

    node *tree = bw_new(node);
    tree->left = bw_new(node);
    tree->right = bw_new(node);
    tree->right->value = *number;
    ledger_after("three times bw_new(node)");
    printf("the tree holds %d, %d and %d\n", tree->value, tree->left->value, tree->right->value);
    ledger_balance();
    return 0;
}
