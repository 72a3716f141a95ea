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

#endif
