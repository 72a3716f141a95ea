/* 11_maps.c - maps: hash tables from any type of keys to any type of values.
 *
 * Shows reading what is not there, the two ways of asking, deleting while ranging, and a struct as a key; and that the
 * ledger counts a map's record and its tables.
 */
#include "ledger.h"

BW_MAP(count_map, bw_string, int);
BW_STRUCT(square, (char, file), (int, rank));
BW_MAP(board, square, bw_string);

int main(void) {
    count_map counts = bw_make_map(count_map); /* counts := map[string]int{} */
    bw_range(i, word, bw_str_fields(bw_str("to be or not to be"))) {
        bw_put(counts, word) += 1; /* counts[word]++ */
    }
    bw_println(counts, bw_len(counts)); /* in the order of the keys, as fmt prints them */
    bw_println("never seen:", bw_get(counts, bw_str("question")));

    int n;
    bool is_there = bw_lookup(counts, bw_str("not"), &n); /* n, isThere := counts["not"] */
    bw_printf("\"not\": %d, %t\n", n, is_there);

    bw_map_range(word, count, counts) { /* for word, count := range counts; the order is random */
        if (count == 1)
            bw_delete(counts, word);
    }
    bw_println("more than once:", counts);

    count_map numbers = bw_make_map(count_map, 1000);
    ledger_after("numbers = bw_make_map(.., 1000)");
    for (int i = 0; i < 1000; i++)
        bw_put(numbers, bw_itoa(i)) = i;
    bw_map_clear(numbers);
    bw_println("cleared:", bw_len(numbers));

    board chess = bw_make_map(board);
    square corner = {'a', 1};
    bw_put(chess, corner) = bw_str("rook");
    bw_println("a1:", bw_get(chess, ((square){'a', 1})), bw_has(chess, ((square){'h', 8})) ? "and h8" : "only");
    ledger_balance();
    return 0;
}
