/* minute.c - the first program: words in, the words and how often each came out, and no thought given to memory. */
#include <burrow.h>
#include <stdio.h>

BW_MAP(counter, bw_string, int);

static void read_words(bw_chan(bw_string) words) {
    char text[100];
    while (scanf("%99s", text) == 1)
        bw_send(words, bw_string_of(text)); /* a copy that the map does not keep is collected some time */
    bw_close(words);
}

int main(void) {
    bw_chan(bw_string) input = bw_make_chan(bw_string, 100);
    bw_go(read_words, input); /* a goroutine: it reads while main counts */

    counter counts = bw_make_map(counter);
    bw_chan_range(word, input) {
        bw_put(counts, word) += 1;
    }

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
