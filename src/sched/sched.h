/* sched.h - floor 3: goroutines, the workers that run them, parking and making ready.
 *
 * A GOROUTINE is a record at the high end of its own stack, a slot of STACK_BYTES. A WORKER is a thread that runs
 * goroutines, one after another, from its queue, from the one of all, or from the other workers' queues. A thread that
 * is no worker has a record, too, so that it can wait for the same things; it is then blocked itself.
 *
 * Everything here is done INSIDE: no collection is under way while a thread changes from one stack to another. The
 * caller of sched_park may come back on another thread; what it knew of its thread is void then.
 *
 * Whoever waits for something puts its record on that thing's list, under that thing's lock, and parks; the lock is
 * released by `commit`, which runs when the goroutine's registers are saved and its stack is in nobody's use. So who
 * finds the record on the list may make it ready at once.
 */
#ifndef BURROW_SCHED_H
#define BURROW_SCHED_H

#include "../gc/gc.h"

#include <burrow/panic.h>

#define STACK_BYTES ((size_t)64 << 10)

struct goroutine {
    uintptr_t stack_pointer; /* while it is not running */
    struct goroutine *next;  /* in a queue or a list of free ones */
    os_stack stack;
    struct bw__flow flow; /* while it is not running */
    int saved_errno;
    bool live;              /* not on a list of free ones */
    bool running;           /* some thread is on its stack */
    struct os_goroutine id; /* while it is not running */
    os_fiber fiber;
    bool is_thread;         /* it stands for a thread that is no worker */
    _Atomic uint32_t woken; /* of a thread */
    const char *waits_for;  /* as dumps have it; NULL: not waiting */
    uint32_t slot;          /* its stack's number */
};

/* The calling thread's current goroutine, or its own record. INSIDE. */
struct goroutine *sched_current(struct thread *self);
/* Waits until somebody calls sched_ready for the calling goroutine. `commit` (may be NULL) runs once that may happen,
 * on another stack; it must not park. INSIDE; returns the calling thread, which may be another. */
struct thread *sched_park(struct thread *self, const char *why, void (*commit)(void *), void *argument);
/* Makes it ready: it runs soon, on the calling worker as the next one unless others find it first. INSIDE. */
void sched_ready(struct thread *self, struct goroutine *goroutine);
/* Makes a goroutine of a call, ready to run. INSIDE. */
void sched_go(struct thread *self, const bw__call *call, uintptr_t by);
struct thread *sched_let_others(struct thread *self);
int sched_goroutines(void);

/* --- stack.c --- */
/* A goroutine with a stack, its record cleared but for that; NULL: out of memory. INSIDE. */
struct goroutine *stack_new(void);
void stack_free(struct goroutine *goroutine);
void stacks_each(void (*visit)(struct goroutine *, void *), void *context); /* those in use; the world is stopped */

/* --- switch_*.S --- */
/* Saves the registers that a call preserves and the stack pointer, and goes on where another stack was left. */
void sched_switch(uintptr_t *save, uintptr_t load);
void sched_entry(void); /* where a new goroutine begins */

#endif
