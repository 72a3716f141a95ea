/* worker.h - workers, for the files of this floor that are about them: queue.c, wake.c, observer.c, worker.c, sched.c.
 *
 * A worker runs goroutines while it has a TOKEN, of which there are GOMAXPROCS. It gives the token up when it finds
 * nothing to do and when its goroutine enters bw_blocking or a long wait of its thread's, and loses it when it has been
 * in one goroutine for too long. So there may be more workers than tokens. One without a token goes on with its
 * goroutine until the next change of goroutines; what is in its queue others take.
 */
#ifndef BURROW_SCHED_WORKER_H
#define BURROW_SCHED_WORKER_H

#include "sched.h"

#define RING 256
#define OTHERS_EVERY 61    /* turns: a worker looks for what would wait for it to have nothing of its own to do */
#define MOST_WORKERS 10000 /* Go's limit of threads */

/* TO_SEEK, TO_OBSERVE: it is off the idle list, and counted as doing that; LOOK_AGAIN: something is due sooner. */
enum woken { ASLEEP, TO_SEEK, TO_OBSERVE, LOOK_AGAIN };

struct worker {
    struct goroutine idle; /* the thread's own stack, on which the worker looks for work */
    struct goroutine *current;
    void (*after)(void *); /* to be done once the stack is left */
    void *after_argument;
    int *errno_at;
    struct thread *thread;
    uint32_t turns, in_a_row, random;
    struct goroutine *free;
    uint32_t free_count;
    int next_number, numbers_left; /* for goroutines that it makes */
    _Atomic uint32_t made;         /* goroutines here, less those that ended here */
    bool seeking, observes;
    int64_t spared_at; /* nobody was woken for what is in its ring since then, because it is little; 0: no such */
    int64_t began_at, turn_ns;        /* since when it has found something to run; how long its turns take */
    uint32_t began_in;                /* the turn then */
    struct goroutine *locked;         /* the one that runs on this thread only, and nothing else does */
    struct goroutine *_Atomic handed; /* it, with a token: by whoever found it in a queue */
    struct goroutine *stashed;        /* found, and another worker's `locked` */
    struct worker *next_idle;
    struct {                    /* the observer's */
        uint32_t turn, next_in; /* next_in: the turn it had something in run_next, and one */
        uint64_t since, sampled, processor_ns;
        bool computes; /* it lost its token while its thread was running, not waiting */
    } seen;
    _Atomic uint32_t turn; /* changes with each goroutine */
    _Atomic uint32_t token __attribute__((aligned(64)));
    _Atomic uint32_t woken; /* enum woken */
    _Atomic bool in_poll;   /* it waits in poll_ready, not for `woken` */
    struct timers timers;
    struct goroutine *_Atomic run_next __attribute__((aligned(64)));
    _Atomic uint32_t head, tail;
    struct goroutine *_Atomic ring[RING];
};

/* Waking another for less than this costs more than it gains: some microseconds for either, and where processors are
 * wanted by other programs (the server's clients) the time that is taken from these. */
#define WAKE_WORTH_NS 100000
/* What was little lasts: somebody is to be woken after all. */
static inline bool spared_too_long(const struct worker *worker) {
    return worker->spared_at != 0 && (int64_t)os_now_ns() - worker->spared_at >= WAKE_WORTH_NS;
}

extern struct worker *_Atomic workers[MOST_WORKERS];
extern _Atomic int worker_count; /* each is in `workers`, or is being put there */

/* --- queue.c --- */
void global_put(struct goroutine *first, struct goroutine **last, uint32_t count);
struct goroutine *global_take(void);
uint32_t global_waiting(void);
void ring_put(struct worker *worker, struct goroutine *goroutine);
struct goroutine *ring_take(struct worker *worker);
/* Half of the other's ring comes to `worker`, whose own is empty, but for the one that is returned. */
struct goroutine *ring_steal(struct worker *worker, struct worker *from);
static inline bool ring_empty(struct worker *worker) {
    return atomic_load_explicit(&worker->head, memory_order_acquire) ==
           atomic_load_explicit(&worker->tail, memory_order_acquire);
}
static inline size_t ring_room(struct worker *worker) {
    return RING - (atomic_load_explicit(&worker->tail, memory_order_relaxed) -
                   atomic_load_explicit(&worker->head, memory_order_relaxed));
}
/* The worker's next: run_next, its ring, the queue of all. */
struct goroutine *next_of_own(struct worker *worker);
struct goroutine *next_in_line(struct worker *worker); /* for one that yields */

/* --- wake.c --- */
/* Tokens in use: one is counted before a worker's `token` is set, and no more after it was cleared. */
extern _Atomic int sched_running;
/* Workers that look for work, or are woken or made to: each that is `seeking` is counted once. While there is one
 * nobody wakes another; the last that ceases looks whether there is work, as whoever goes to sleep does anyway. */
extern _Atomic int sched_seeking;
/* 1: a worker `observes`, or is woken or made to. Who sets it to 0 looks afterwards whether an observer is wanted. */
extern _Atomic int sched_observing;
/* 1: a worker is the poller, or looks what poll_hooks have ready; whoever has set it sets it to 0, and nobody else. */
extern _Atomic int sched_polling;
/* Of the poller and the observer: who it is, and when it is going to look by itself; 0: it does not sleep. Written
 * before it looks at the timers for the last time. */
struct sleeper {
    struct worker *_Atomic worker;
    _Atomic int64_t until;
};
extern struct sleeper sched_poller, sched_observer;
/* Then it is to go to its own stack before its next goroutine. */
static inline bool token_lost(struct worker *worker) {
    return atomic_load_explicit(&worker->token, memory_order_relaxed) == 0;
}
static inline bool token_is_free(void) {
    return atomic_load(&sched_running) < knobs_processors();
}
bool token_take(struct worker *worker);
void token_leave(struct worker *worker);
/* There is work that the calling thread will not come to at once. */
void wake_one(struct thread *self);
/* Somebody should look, by the clock, whether workers get on. */
void observer_want(struct thread *self);
void idle_push(struct worker *worker);
bool idle_leave(struct worker *worker);       /* off the idle list, if nobody was there first */
void worker_interrupt(struct worker *worker); /* `woken` has changed: it is to see that, should it sleep */
void wake_forked(struct worker *own);         /* in a child, whose only worker that is; NULL: none */

/* --- observer.c --- */
#define OBSERVE_NS 20000 /* its first pause */
struct observer_pace {
    int64_t pause;    /* how long it sleeps until the next look */
    int64_t quiet;    /* how long no token has been in use */
    int64_t unpolled; /* how long all were, and none whose they were has looked for ready descriptors */
};
/* One look. With a token afterwards it is an observer no more; what is returned it is to run. */
struct goroutine *observer_look(struct thread *self, struct worker *worker, const struct observer_pace *pace);
/* Since the last pause a worker with a token has looked for ready descriptors; one has taken a token. */
extern _Atomic bool sched_polled, sched_taken;
/* The pause is over: how long is the next? Or it observes no more. */
void observer_pause(struct worker *worker, struct observer_pace *pace);

/* --- worker.c --- */
bool worker_begin(void *worker); /* the first step of its thread: nobody knows it before it has all it needs */
void worker_body(void *worker);
/* Its own, or those of threads that are no workers; every so often any. */
bool timers_due(struct worker *worker);
/* Fires timers that are due, whosever they are, and makes ready those whose descriptors are. */
void work_collect(struct thread *self, struct worker *worker, bool polls);
/* The worker's thread is going to wait, or its goroutine stays for long: others run meanwhile. */
void worker_steps_aside(struct thread *self, struct worker *worker);
void workers_forked(struct thread *self);
/* The child of a fork uses the library for the first time: what may make threads. */
void workers_of_child(struct thread *self);
bool deadlock_workers_sleep(
    void); /* no goroutine runs or is ready, no timer, no descriptor: as far as can be seen at once */

/* --- quit.c --- */
void quit_watch(struct thread *self); /* INSIDE, no lock held */

/* --- trace.c --- */
void trace_watch(struct thread *self); /* INSIDE, no lock held */
void trace_count(struct goroutine_counts *counts, bool stopped);
struct sched_figures {
    int processors, busy, seeking, idle; /* busy: workers that do not sleep */
};
void sched_read_figures(struct sched_figures *now); /* wake.c */

/* --- deadlock.c --- */
enum deadlock { DEADLOCK_IS, DEADLOCK_NO, DEADLOCK_LATER };
#define DEADLOCK_NS ((int64_t)10000000)        /* asleep for so long: it looks */
#define DEADLOCK_MOST_NS ((int64_t)1000000000) /* between two looks */
/* Ends the program if nothing in it can go on. NO: not before somebody else has looked; LATER: nobody else may. INSIDE, no
 * lock held; the caller sleeps, or is about to. */
enum deadlock deadlock_look(struct thread *self);
extern _Atomic int sched_sleeping;             /* workers that have nothing to run, or whose threads wait */
extern _Atomic int sched_parked;               /* threads that wait in sched_park themselves */
void deadlock_look_again(struct thread *self); /* INSIDE, no lock held: the caller may be the last to do anything */

/* --- sched.c --- */
void worker_run(struct worker *worker, struct goroutine *goroutine); /* from its own stack */
struct thread *this_thread(void);

#endif
