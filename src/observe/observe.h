/* observe.h - floor 5: what can be seen of the heap from outside. */
#ifndef BURROW_OBSERVE_H
#define BURROW_OBSERVE_H

#include "../gc/gc.h"

/* The trace line of the collection that just ended (gctrace=1). */
void trace_cycle(const char *reason);
/* The line of the compaction that just ended. */
void trace_compaction(const bw_compaction *compaction);

/* Fills the ledger; the caller is INSIDE and holds no lock. */
void ledger_take(struct thread *self, bw_ledger_t *ledger);
void ledger_look(bw_ledger_t *ledger); /* the same; the world is stopped */

/* Bytes of the system's memory; `released` is of `free`. */
struct memory_figures {
    uint64_t used, free, released;
    uint64_t marking, records; /* mark bytes and stacks; other bookkeeping */
};
void memory_look(struct memory_figures *memory);

#endif
