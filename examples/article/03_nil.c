/* 03_nil.c - memory is reclaimed when its last reference is set to NULL.
 *
 * Shows a ring of objects, each of which refers to the next, so that none is ever without a reference; when the last
 * reference from outside is gone, the collector finds the whole ring unreachable. A weak pointer, which keeps nothing
 * alive, sees it go, and the ledger counts it as nil.
 */
#include "ledger.h"

BW_STRUCT(link, (struct link *, next), (int, number));

static link *ring;

/* A function of its own, so that nothing of it is left on the stack of main. */
static __attribute__((noinline)) void make_ring(int count) {
    link *first = bw_new(link), *last = first;
    for (int i = 1; i < count; i++) {
        last->next = bw_new(link);
        last = last->next;
        last->number = i;
    }
    last->next = first;
    ring = first;
}

static void print_state(bw_weak watched) {
    printf("the ring is %s\n", bw_weak_get(watched) ? "still there" : "gone");
}

int main(void) {
    make_ring(1000);
    ledger_after("a ring of 1000 objects");
    bw_weak watched = bw_weak_make(ring);
    ledger_after("watched = bw_weak_make(ring)");
    bw_gc();
    ledger_after("bw_gc() while it is referred to");
    print_state(watched);

    ring = NULL;
    ledger_after("ring = NULL");
    bw_gc();
    ledger_after("bw_gc()");
    print_state(watched);
    ledger_balance();
    return 0;
}
