/* 02_make.c - make(T): a value.
 *
 * Shows that bw_make(T) is the zero value of any type, which lives in the variable and not in the heap, so that the ledger
 * knows nothing of it; and that an array, the beginning of every slice, is counted as make.
 */
#include "ledger.h"

BW_STRUCT(point, (double, x), (double, y), (const char *, label));

int main(void) {
    int number = bw_make(int);
    point origin = bw_make(point);
    ledger_after("bw_make(int), bw_make(point)");
    printf("number is %d, origin is (%g, %g), its label is %s\n", number, origin.x, origin.y,
           origin.label ? origin.label : "NULL");

    point *path = bw_new_array(point, 100);
    path[99] = (point){3, 4, "the end"};
    ledger_after("path = bw_new_array(point, 100)");
    printf("path[0] is (%g, %g), path[99] is (%g, %g), %s\n", path[0].x, path[0].y, path[99].x, path[99].y,
           path[99].label);
    ledger_balance();
    return 0;
}
