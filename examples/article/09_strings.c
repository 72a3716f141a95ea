/* 09_strings.c - strings: immutable bytes, UTF-8 by convention.
 *
 * Shows that parts of a string share its memory, that making a new one is one allocation, counted as a slice; and that
 * what Go's packages strings, strconv and unicode do is there.
 */
#include "ledger.h"

int main(void) {
    bw_string line = bw_str("  name = Grüße aus Köln ");
    bw_string key, value;
    bw_str_cut(line, bw_str("="), &key, &value); /* key, value, _ := strings.Cut(line, "=") */
    key = bw_str_trim_space(key);
    value = bw_str_trim_space(value);
    ledger_after("cutting and trimming");
    bw_printf("%q is %q: %d bytes, %d characters\n", key, value, bw_len(value), bw_rune_count(value));

    bw_range_runes(i, r, bw_substr(value, 0, 6)) { /* for i, r := range value[0:6] */
        bw_printf("%d: %c %U\n", i, r, r);
    }

    bw_string loud = bw_concat(bw_str_to_upper(value), "!");
    ledger_after("bw_str_to_upper, bw_concat");
    bw_println(loud);

    bw_slice(bw_string) words = bw_str_fields(value);
    ledger_after("words = bw_str_fields(value)");
    bw_printf("%q, joined %q\n", words, bw_str_join(words, bw_str("-")));

    int64_t number;
    bw_error err = bw_parse_int(bw_str("0xff"), 0, 64, &number);
    bw_println(number, err);
    bw_println(bw_parse_int(bw_str("300"), 10, 8, &number));
    bw_println(number);

    bw_builder b = {0}; /* var b strings.Builder */
    for (int i = 3; i > 0; i--)
        bw_builder_printf(&b, "%d...", i);
    bw_builder_write_cstr(&b, "go");
    bw_println(bw_builder_string(&b));
    ledger_balance();
    return 0;
}
