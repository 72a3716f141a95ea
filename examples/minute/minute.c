/* minute.c - the first program: words in, the words and how often each came out, and no thought given to memory. */
#include <burrow.h>
#include <stdio.h>
#include <string.h>

BW_STRUCT(word, (struct word *, left), (struct word *, right), (char *, text), (int, count));

static void count(word **tree, const char *text) {
    int order;
    while (*tree && (order = strcmp(text, (*tree)->text)) != 0)
        tree = order < 0 ? &(*tree)->left : &(*tree)->right;
    if (!*tree) {
        size_t bytes = strlen(text) + 1;
        *tree = bw_new(word); /* zeroed; collected some time after nothing refers to it any more */
        (*tree)->text = memcpy(bw_alloc_noscan(bytes), text, bytes);
    }
    (*tree)->count++;
}

static void print(const word *tree) {
    if (!tree)
        return;
    print(tree->left);
    printf("%6d %s\n", tree->count, tree->text);
    print(tree->right);
}

int main(void) {
    word *tree = NULL;
    char text[100];
    while (scanf("%99s", text) == 1)
        count(&tree, text);
    print(tree);
    bw_ledger_print(2);
    return 0;
}
