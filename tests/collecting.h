// A thread that collects without a pause, until `over`.
#ifndef COLLECTING_H
#define COLLECTING_H

#include "gc/gc.h"
#include "support.h"

#include <stdatomic.h>

static atomic_bool over;
static void *collect_all_the_time(void *unused) {
    (void)unused;
    for (int i = 0; !atomic_load(&over); i++) {
        if (i % 8 == 0) {
            bw_gc();
        } else { // as if it were due: it may be a minor one
            struct thread *self = thread_enter();
            cycle_run(self, CYCLE_PACED);
            thread_leave(self);
        }
    }
    return NULL;
}

#endif
