/* 06_free.c - memory may be freed by hand.
 *
 * Shows bw_free, which is never needed: it gives an object back at once, for programs that know better than the
 * collector when a large one ends. The ledger counts that as zero.
 */
#include "ledger.h"
#include <string.h>

int main(void) {
    char *picture = bw_alloc_noscan(1 << 20);
    ledger_after("picture = bw_alloc_noscan(1 MiB)");
    memset(picture, 1, 1 << 20);
    printf("an address in the middle of it belongs to %zu bytes, which %s with it\n", bw_size(picture + 5000),
           bw_base(picture + 5000) == picture ? "begin" : "do not begin");
    bw_free(picture);
    ledger_after("bw_free(picture)");
    ledger_balance();
    return 0;
}
