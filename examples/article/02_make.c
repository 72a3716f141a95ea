/* 02_make.c - make(T): a value, a slice, a map.
 *
 * Shows that bw_make(T) is the zero value of any type, which lives in the variable and not in the heap, so that the
 * ledger knows nothing of it; and that the elements of a slice and the entries of a map are in the heap, and counted as
 * make.
 */
#include "ledger.h"

BW_STRUCT(point, (double, x), (double, y), (bw_string, label));
BW_SLICE(point);
BW_MAP(age_map, bw_string, int);

int main(void) {
    int number = bw_make(int);
    point origin = bw_make(point);
    ledger_after("bw_make(int), bw_make(point)");
    bw_printf("number is %d, origin is %+v\n", number, bw_v(point, origin));

    bw_slice(point) path = bw_make_slice(point, 2, 100); /* path := make([]point, 2, 100) */
    bw_at(path, 1) = (point){3, 4, bw_str("the end")};
    ledger_after("path = bw_make_slice(point, 2, 100)");
    bw_printf("path has %d elements and room for %d: %+v\n", bw_len(path), bw_cap(path), path);

    age_map ages = bw_make_map(age_map); /* ages := make(map[string]int) */
    ledger_after("ages = bw_make_map(age_map)");
    bw_put(ages, bw_str("Ada")) = 36;
    bw_put(ages, bw_str("Grace")) = 85;
    ledger_after("two entries");
    bw_printf("%T of %d: %v\n", ages, bw_len(ages), ages);
    ledger_balance();
    return 0;
}
