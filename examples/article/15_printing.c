/* 15_printing.c - printing, as Go's package fmt does it.
 *
 * Shows that values are printed by what they are, without being told; the verbs; structs, slices and maps by their
 * fields and elements; and that a format that does not fit what it is given says so in the text.
 */
#include "ledger.h"

BW_STRUCT(point, (int, x), (int, y));
BW_STRUCT(line, (bw_string, name), (point, from), (point *, to));
BW_SLICE(point);
BW_MAP(weights, bw_string, double);

int main(void) {
    bw_println("values:", 42, 2.5, "text", (bool)true, 'x', bw_nil);
    bw_printf("numbers: %d|%5d|%-5d|%05d|%x|%#b|%+d\n", 42, 42, 42, 42, 255, 5, 7);
    bw_printf("floats: %v|%.2f|%8.3f|%e|%g\n", 0.1, 3.14159, 3.14159, 1e6, 1e21);
    bw_printf("texts: %s|%8s|%-8s|%q|%x\n", "hi", bw_str("hi"), "hi", "a \"b\"\n", "hi");
    bw_printf("characters: %c %q %U\n", 0x4e16, 0x4e16, 0x4e16);

    point *end = bw_new(point);
    *end = (point){3, 4};
    line l = {bw_str("diagonal"), {0, 0}, end};
    ledger_after("end = bw_new(point)");
    bw_printf("structs: %v\n         %+v\n         %#v\n", bw_v(line, l), bw_v(line, l), bw_v(point, *end));
    bw_printf("pointers: %v\n", end);
    ledger_after("printing them");

    bw_slice(point) path = bw_slice_of(point, ((point){0, 0}), *end);
    weights w = bw_make_map(weights);
    bw_put(w, bw_str("iron")) = 7.87;
    bw_put(w, bw_str("gold")) = 19.3;
    bw_printf("slices and maps: %v %v\n", path, w);
    bw_printf("types: %T %T %T %T\n", path, w, end, 1.5);

    bw_printf("mistakes: %d %s, %d\n", "hi", 7);
    bw_printf("mistakes: %d", 1, "more");
    bw_println();
    bw_string text = bw_sprintf("%[2]s %[1]s!", "world", "hello");
    bw_println(text, bw_len(text));
    ledger_balance();
    return 0;
}
