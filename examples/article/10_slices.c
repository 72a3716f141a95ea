/* 10_slices.c - slices: a pointer, a length and a capacity.
 *
 * Shows that parts share the elements of the whole, that appending makes new memory when there is no room, of twice the
 * size, as the ledger tells; sorting and searching; and what ranging over a slice sees.
 */
#include "ledger.h"

BW_STRUCT(edge, (int, from), (int, to));
BW_SLICE(edge);

static int by_length(const edge *a, const edge *b) {
    return (a->to - a->from) - (b->to - b->from);
}

int main(void) {
    bw_slice(int) squares = {0}; /* var squares []int */
    for (int i = 1; i <= 5; i++)
        squares = bw_append(squares, i * i); /* squares = append(squares, i*i) */
    ledger_after("five times bw_append");
    bw_println(squares, bw_len(squares), bw_cap(squares));

    bw_slice(int) middle = bw_sub(squares, 1, 4); /* middle := squares[1:4] */
    bw_at(middle, 0) = 100;
    middle = bw_append(middle, 200); /* there is room: the last square is overwritten */
    ledger_after("a part, and one bw_append to it");
    bw_println(middle, squares);

    bw_slice(int) copy = bw_clone(squares);
    bw_sort_values(copy);
    bw_println("sorted:", copy, "as it was:", squares);
    bool found;
    ptrdiff_t at = bw_search_values(copy, 16, &found); /* at, found := slices.BinarySearch(copy, 16) */
    bw_printf("16 at %d: %t\n", at, found);

    bw_slice(edge) edges = bw_slice_of(edge, ((edge){1, 9}), ((edge){4, 5}), ((edge){2, 7}));
    bw_sort(edges, by_length);
    bw_printf("%v\n", edges);
    int sum = 0;
    bw_range(i, e, edges) { /* for i, e := range edges */
        if (i == 2)
            break;
        sum += e.to - e.from;
    }
    bw_println("the two shortest are", sum, "long");
    ledger_balance();
    return 0;
}
