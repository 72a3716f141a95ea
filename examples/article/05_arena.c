/* 05_arena.c - memory is reclaimed when its lifetime ends.
 *
 * Shows a region: everything allocated in an arena ends with it, whether by bw_arena_free or at the end of the scope
 * that declares it. The ledger counts that as zero.
 */
#include "ledger.h"

BW_STRUCT(word, (struct word *, next), (int, length));

static int total_length(bw_arena *arena, int count) {
    word *list = NULL;
    for (int i = 0; i < count; i++) {
        word *w = bw_arena_alloc(arena, word);
        w->next = list;
        w->length = i % 10;
        list = w;
    }
    int total = 0;
    for (; list; list = list->next)
        total += list->length;
    return total;
}

int main(void) {
    bw_arena *arena = bw_arena_new();
    printf("1000 words are %d long\n", total_length(arena, 1000));
    ledger_after("an arena with 1000 words");
    bw_arena_free(arena);
    ledger_after("bw_arena_free");
    {
        bw_arena_scoped(scoped);
        printf("10 words are %d long\n", total_length(scoped, 10));
        ledger_after("an arena of a scope, with 10 words");
    }
    ledger_after("the end of the scope");
    ledger_balance();
    return 0;
}
