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
    bool is_thread;                /* it stands for a thread that is no worker */
    _Atomic uint32_t woken;        /* of a thread */
    const char *waits_for;         /* as dumps have it; NULL: not waiting, or made ready */
    const void *waits_on;          /* what it had unlocked when it parked */
    const void *const *waits_list; /* instead of that: see sched_waits_on; NULL: none */
    uint32_t waits_count;
    bool leaked, leak_told; /* by the last search for leaked goroutines; by any */
    uint64_t waits_since;   /* the time when it was first seen waiting; 0: not yet */
    uintptr_t function;     /* that it was made to call */
    void (*then)(void *);   /* called when its call has returned; the argument is its stack's first word. NULL: none */
    uint32_t slot;          /* its stack's number */
    uint32_t locks;         /* bw_lock_os_thread without bw_unlock_os_thread */
    struct worker *locked_to; /* the only one that may run it; NULL: any */
    _Atomic uint32_t changed; /* the number of the marking during which its stack last changed, as far as is noted */
    struct goroutine *next_changed;
};

/* --- stacks that change while it is marked beside the program (stack.c) --- */

/* The number of the marking; 0: none. Changes while the world is stopped. */
extern _Atomic uint32_t stacks_marking;
void stacks_note(struct goroutine *goroutine, uint32_t marking);
/* It is about to run, or somebody has written to its stack. INSIDE, until it runs or is ready. */
static inline void stacks_change(struct goroutine *goroutine) {
    atomic_signal_fence(memory_order_seq_cst); /* after `running` is stored: see stacks_again */
    uint32_t marking = atomic_load_explicit(&stacks_marking, memory_order_relaxed);
    if (__builtin_expect(marking != 0, 0) && atomic_load_explicit(&goroutine->changed, memory_order_relaxed) != marking)
        stacks_note(goroutine, marking);
}

/* The calling thread's current goroutine, or its own record. INSIDE. */
struct goroutine *sched_current(struct thread *self);
/* Waits until somebody calls sched_ready for the calling goroutine. `commit` (may be NULL) runs once that may happen,
 * on another stack; it must not park. INSIDE; returns the calling thread, which may be another.
 *
 * If `argument` lies in the heap it is (in) what the caller waits for: only who has that will make it ready, so that the
 * goroutine is leaked once nothing refers to it. What something else may end passes an argument outside the heap. */
struct thread *sched_park(struct thread *self, const char *why, void (*commit)(void *), void *argument);
/* What the goroutine is about to wait for, where that is not the argument of sched_park's commit: these objects. The list,
 * which may be empty, is where it stays until the goroutine is ready. */
static inline void sched_waits_on(struct goroutine *goroutine, const void *const *objects, size_t count) {
    goroutine->waits_list = objects;
    goroutine->waits_count = (uint32_t)count;
}
/* It waits no more: before it is put into a queue. */
static inline void sched_waited(struct goroutine *goroutine) {
    goroutine->waits_for = NULL;
    goroutine->waits_list = NULL;
    goroutine->waits_since = 0;
    goroutine->leaked = false;
}
/* Makes it ready: it runs soon, on the calling worker as the next one unless others find it first. INSIDE. */
void sched_ready(struct thread *self, struct goroutine *goroutine);
/* Makes a goroutine of a call, ready to run. INSIDE. */
void sched_go(struct thread *self, const bw__call *call, uintptr_t by);
/* The same, and when the call has returned `then` is called with the argument, which the goroutine keeps alive. */
void sched_go_then(struct thread *self, const bw__call *call, uintptr_t by, void (*then)(void *), void *argument);
/* Another thread may soon do what the caller waits for, and nothing is ready that it keeps from running. */
bool sched_may_spin(void);
struct thread *sched_let_others(struct thread *self);
int sched_goroutines(void);
/* The current goroutine stays on its thread, where no other runs, until unlocked as often; of other threads, nothing. */
void sched_lock_thread(struct thread *self);
void sched_unlock_thread(struct thread *self);
void sched_processors_changed(struct thread *self); /* INSIDE, no lock held */

/* schedstress=N: at one in N of the places where this stands the thread spins for a while, up to 50 microseconds, or gives
 * its processor to another, so that orders of events become common that are rare otherwise. */
BW__COLD void sched_disturb(void);
static inline void sched_stress(void) {
    if (__builtin_expect(knobs.sched_stress != 0, 0))
        sched_disturb();
}

/* --- stack.c --- */
/* A goroutine with a stack, its record cleared but for that; NULL: out of memory. INSIDE. */
struct goroutine *stacks_take(size_t most); /* one at least, by `next`; NULL: out of memory */
void stacks_give(struct goroutine *list);
bool stacks_tend(
    int64_t now);            /* gives memory back that is not needed; true: there may be more, later. The observer's. */
void stacks_give_back(void); /* all that is not in use */
void stacks_each(void (*visit)(struct goroutine *, void *), void *context); /* those in use; the world is stopped */
void stacks_begin(void);                                                    /* a marking; the world is stopped */
void stacks_end(void);                                                      /* as well */
/* Some of those in use, each once, whatever they do meanwhile; false: there is none left. */
bool stacks_some(void (*visit)(struct goroutine *, void *), void *context);
/* Those that are noted, and from here on are not unless they run or change again. */
void stacks_again(void (*visit)(struct goroutine *, void *), void *context);
void stacks_changed(void (*visit)(struct goroutine *, void *), void *context); /* those noted; the world is stopped */

/* --- timers.c: what is to be done at a time (os_now_ns) --- */
struct timer {
    int64_t when; /* not to be changed while it is pending, but by timer_move */
    /* INSIDE, without a lock; on whatever thread it is whose turn it is; it must not park. */
    void (*fire)(struct thread *self, struct timer *timer, int64_t now);
    struct timers *_Atomic in; /* the heap where it is pending; NULL: it is not */
    size_t at;                 /* its place there */
};
struct timers { /* zero: empty */
    os_lock lock;
    struct timer_entry *entries;
    size_t count, capacity;
    _Atomic int64_t next; /* when the first is due; 0: there is none */
    bool known;           /* in the list from timers_first on: it had a timer some time */
    struct timers *others;
};
extern struct timers *_Atomic timers_first;
extern struct timers timers_of_others; /* of the threads that are no workers */
int64_t timer_in(int64_t ns);          /* the time so long from now; INT64_MAX: never */
/* From here on it is pending: its memory, and what it refers to, must and will stay. It must not be so already. INSIDE. */
void timer_start(struct thread *self, struct timer *timer);
/* The same under a lock. True: it is due first, and sched_timer_added is left to the caller, once it holds none. */
bool timer_insert(struct thread *self, struct timer *timer);
/* False: there is no memory for it, which ends the program above. */
bool timer_try_insert(struct thread *self, struct timer *timer, bool *is_first);
/* Was it pending? It is not from here on. If it was not then `fire` has been called, or is about to be, or has not
 * returned: what has to be known of that, `fire` and the caller must agree upon under a lock of their own. INSIDE. */
bool timer_stop(struct timer *timer);
/* If it is pending in the heap where the caller's timers are it is due at that time instead; who sleeps until it is due
 * may wake too early. Any number of callers at a time. INSIDE, no lock held. */
bool timer_move(struct thread *self, struct timer *timer, int64_t when);
/* timer_stop, and timer_start for another time. INSIDE; of several callers for one timer only one at a time. */
bool timer_reset(struct thread *self, struct timer *timer, int64_t when);
static inline int64_t timers_next(const struct timers *timers) { /* when the first is due; INT64_MAX: there is none */
    int64_t next = atomic_load(&timers->next);
    return next ? next : INT64_MAX;
}
/* Fires those that are due, `most` at most; were there any? INSIDE, no lock held. */
bool timers_run(struct thread *self, struct timers *timers, int64_t now, size_t most);
void timers_each_root(void (*visit)(void *context, uintptr_t lo, uintptr_t hi), void *context); /* world stopped */
/* In a child: all that is pending in heaps other than this one goes to timers_of_others. `own` may be NULL. */
void timers_forked(struct timers *own);
/* In wake.c: the heap of the calling worker, or timers_of_others; and that a timer is due first in it. */
struct timers *sched_timers(struct thread *self);
void sched_timer_added(struct thread *self, int64_t when);

/* --- poller.c: what the system says of descriptors. A program that waits for none does not link it. --- */
struct poll_hooks {
    /* Those whose descriptors are ready, by `next`; NULL: none. Waits so long for the first (ns; 0: not; -1: for ever),
     * SAFE meanwhile. One thread at a time calls it. INSIDE. */
    struct goroutine *(*ready)(struct thread *self, int64_t wait);
    void (*wake)(void); /* who waits there comes back, now, or if it is about to wait, then; any thread */
    /* In the child, whose epoll is the parent's, when it first uses the library; the queues are in order again. INSIDE */
    void (*forked)(struct thread *self);
};
extern const struct poll_hooks poll_hooks __attribute__((weak));
static inline const struct poll_hooks *poll_hooks_if_linked(void) {
    return OS_IF_LINKED(poll_hooks);
}
extern _Atomic bool sched_polls;            /* set once it can wait, for good; then sched_poll_made is called */
extern _Atomic uint32_t sched_poll_waiters; /* goroutines that wait for descriptors, or as poll_outside says */
void sched_poll_made(struct thread *self);
/* One more, or one less, goroutine waits for a thread of the library's own that is about to make it ready. */
void poll_outside(int change);
extern void (*_Atomic poll_outside_forked)(struct thread *self); /* in a child, after all else */

/* --- poll.c: waiting for descriptors. Neither is this linked. --- */
/* For those who wait: a TRY at reading or writing begins before the system call; when that says that it would block, the
 * caller waits and makes the call again; in the end it ends the try. */
enum poll_direction { POLL_READ, POLL_WRITE };
struct poll_waiter;
struct poll_side { /* one direction of a descriptor; under the record's lock */
    struct poll_waiter *first, *last;
    struct poll_waiter *threads; /* those that wait for themselves, and only have to be told of a deadline or a close */
    _Atomic int64_t deadline;    /* os_now_ns; 0: none */
    bool armed;                  /* the timer is pending, or about to fire */
    struct timer timer;
};
struct poll_record {
    _Atomic uint32_t sequence; /* changes when the descriptor stands for another file; odd: it is being closed */
    _Atomic uint32_t edges[2]; /* events so far */
    _Atomic uint32_t kind;     /* as floor 5 uses it; 0 for another file */
    _Atomic uint64_t drained;  /* past one: `edges` of reading when a call had taken all that there was; 0: not known */
    os_lock lock;
    bool known;   /* `file` is what the descriptor stands for */
    bool watched; /* and epoll has it */
    struct os_file file;
    struct poll_side sides[2];
    int number;               /* the descriptor, once it is doubted (doubts.c) */
    bool doubted;             /* on the list of those */
    uint32_t examined;        /* how often */
    int64_t doubted_at;       /* os_now_ns */
    struct poll_record *next; /* on that list */
};
struct poll_try {
    struct poll_record *record; /* NULL: there is no memory for one */
    int fd;
    enum poll_direction direction;
    uint32_t sequence, edges;
    bool waited;
};
enum poll_result { POLL_READY, POLL_CLOSED, POLL_TIMEOUT };
/* POLL_READY, or POLL_TIMEOUT: its deadline is over. Not INSIDE, like the next two. */
enum poll_result poll_begin(struct poll_try *attempt, int fd, enum poll_direction direction);
/* A read has taken all that there was, and of what comes an event is sure to tell: the next one may wait first. */
static inline void poll_note_drained(struct poll_try *attempt) {
    if (attempt->record)
        atomic_store_explicit(&attempt->record->drained, (uint64_t)attempt->edges + 1, memory_order_relaxed);
}
static inline bool poll_is_drained(const struct poll_try *attempt) {
    return attempt->record &&
           atomic_load_explicit(&attempt->record->drained, memory_order_relaxed) == (uint64_t)attempt->edges + 1;
}
/* The descriptor was found not ready since. After POLL_READY it is worth another call. The caller may be on another
 * thread afterwards. */
enum poll_result poll_wait(struct poll_try *attempt);
/* The call is made, or given up: if it was this try that an event woke, the next of those who wait comes to its turn. */
static inline void poll_end(struct poll_try *attempt);
void poll_pass(struct poll_try *attempt);
static inline void poll_end(struct poll_try *attempt) {
    if (__builtin_expect(attempt->waited, 0))
        poll_pass(attempt);
}
struct poll_record *poll_record_of(int fd); /* made at need; NULL: no memory */
/* The descriptor has just been made: what was known of its number is void. */
void poll_fresh(int fd);
/* Closes it: those who wait for it get POLL_CLOSED. 0 or -errno. Not INSIDE. */
int poll_close(int fd);
/* Sets deadlines, os_now_ns; 0: none. 0 or -errno. Not INSIDE. */
int poll_set_deadline(int fd, int64_t deadline, bool reading, bool writing);

/* --- traceback.c --- */
/* Prints the stacks of all goroutines and threads. INSIDE, no lock held. */
void traceback_all(struct thread *self, int fd, bool own_first);
/* Those of the goroutines that no thread is on and that `choose` chooses, while the world is stopped. */
void traceback_some(struct thread *self, int fd, bool (*choose)(struct goroutine *));

/* --- switch_*.S --- */
/* Saves the registers that a call preserves and the stack pointer, and goes on where another stack was left. */
void sched_switch(uintptr_t *save, uintptr_t load);
void sched_entry(void); /* where a new goroutine begins */

#endif
