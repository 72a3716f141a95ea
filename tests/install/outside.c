// A program as someone outside the tree would write it: only <burrow.h>, no flag but what pkg-config or CMake gives.
// It builds a list, drops half of it, collects, and checks the figures, so that both the inline code in the headers and
// the calls into the library have run.
#include <burrow.h>
#include <stdio.h>
#include <string.h>

BW_STRUCT(entry, (struct entry *, next), (char *, text), (int, number));

enum { ENTRIES = 20000 };

static __attribute__((noinline)) entry *make_entries(void) {
    entry *head = NULL;
    for (int i = 0; i < ENTRIES; i++) {
        entry *e = bw_new(entry);
        if (e->next != NULL || e->text != NULL || e->number != 0) {
            return NULL;
        }
        e->text = bw_alloc_noscan(32);
        snprintf(e->text, 32, "entry %d", i);
        e->number = i;
        e->next = head;
        head = e;
    }
    return head;
}

static int check_entries(const entry *head) {
    int left = 0;
    for (const entry *e = head; e != NULL; e = e->next, left++) {
        char expected[32];
        snprintf(expected, sizeof expected, "entry %d", e->number);
        if (strcmp(e->text, expected) != 0) {
            printf("outside: entry %d holds '%s'\n", e->number, e->text);
            return -1;
        }
    }
    return left;
}

int main(void) {
    if (strcmp(bw_version(), BURROW_VERSION) != 0) {
        printf("outside: header %s, library %s\n", BURROW_VERSION, bw_version());
        return 1;
    }
    entry *head = make_entries();
    bw_gc();
    if (check_entries(head) != ENTRIES) {
        return 1;
    }
    for (entry *e = head; e != NULL; e = e->next) {
        e->next = e->next != NULL ? e->next->next : NULL;
    }
    bw_gc();
    if (check_entries(head) != ENTRIES / 2) {
        return 1;
    }

    bw_ledger_t ledger;
    bw_ledger(&ledger);
    if (ledger.alloc.objects < 2 * ENTRIES || ledger.alloc.bytes - ledger.reclaim.bytes != ledger.layout.bytes) {
        printf("outside: the ledger does not balance\n");
        bw_ledger_print(1);
        return 1;
    }
    // A stale word on the stack may keep a few entries; it cannot keep half of them.
    if (ledger.nil.objects < ENTRIES / 2) {
        printf("outside: of %d objects dropped only %llu were reclaimed\n", ENTRIES,
               (unsigned long long)ledger.nil.objects);
        return 1;
    }
    printf("outside: ok\n");
    return 0;
}
