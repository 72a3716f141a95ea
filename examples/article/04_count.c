/* 04_count.c - memory is reclaimed when its reference count reaches 0.
 *
 * Shows a counted object: bw_retain adds a reference to it, bw_release takes one away, and the last release frees it at
 * once, without the collector. The ledger counts that as zero.
 */
#include "ledger.h"

BW_STRUCT(document, (char *, title), (int, pages));

int main(void) {
    document *shared = bw_retain(bw_new(document));
    ledger_after("bw_retain(bw_new(document))");
    shared->pages = 12;

    document *other = bw_retain(shared);
    ledger_after("bw_retain: the count is 2");
    bw_release(shared);
    ledger_after("bw_release: the count is 1");
    printf("the document has %d pages\n", other->pages);
    bw_release(other);
    ledger_after("bw_release: the count is 0");
    ledger_balance();
    return 0;
}
