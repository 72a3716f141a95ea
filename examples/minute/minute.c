/* minute.c - the first program: words in, the words and how often each came out, and no thought given to memory. */
#include <burrow.h>
#include <stdio.h>

BW_MAP(counter, bw_string, int);

int main(void) {
    counter counts = bw_make_map(counter);
    char text[100];
    while (scanf("%99s", text) == 1)
        bw_put(counts, bw_string_of(text)) += 1; /* a copy that the map does not keep is collected some time */

    bw_slice(bw_string) words = {0};
    bw_map_range(word, count, counts) {
        words = bw_append(words, word);
    }
    bw_sort_values(words);
    bw_range(i, word, words) {
        bw_printf("%6d %s\n", bw_get(counts, word), word);
    }
    bw_ledger_print(2);
    return 0;
}
