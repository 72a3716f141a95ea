/* gc.h - floor 2: threads, stopping them, roots, marking, cycles, what happens at an object's end.
 *
 * A THREAD's record is in one of three states. RUNNING: in the program's code; a collection stops it by a signal.
 * INSIDE: in the library, perhaps holding its locks; the signal only leaves a note, and the thread stops itself on its
 * way out. SAFE: waiting, or in bw_blocking, with its registers and stack pointer saved; it cannot leave while the
 * world is stopped. So while the world is stopped no thread holds a lock of the heap, and every structure is
 * consistent.
 *
 * Lock order: loader's lock > gc lock > thread list lock > everything of floor 1. The first two are waited for SAFE.
 */
#ifndef BURROW_GC_H
#define BURROW_GC_H

#include "../heap/heap.h"

enum thread_state { THREAD_RUNNING, THREAD_INSIDE, THREAD_SAFE };

struct goroutine;
struct worker;

struct thread {
    struct cache *cache;
    _Atomic uint32_t state;      /* enum thread_state; written by the thread alone */
    _Atomic uint32_t stop_noted; /* the signal came while INSIDE */
    _Atomic bool quick; /* its cache is made, it is not internal, and in none of the program's signal handlers */
    _Atomic uint32_t stopped_at; /* the stop at which it stopped, by its number */
    _Atomic bool gone;           /* the system knows no such thread: it ended without telling */
    int destructor_rounds;
    _Atomic bool internal;           /* the library's own: never signalled, polls */
    os_place place;                  /* while SAFE or stopped; nothing below its stack pointer is in use */
    const void *interrupted_context; /* stopped by the signal: what the kernel saved. NULL: it is at `place` */
    bool blocking;                   /* SAFE within bw_blocking, not within the library */
    bool marking;                    /* SAFE within the library, where it marks: a fault is none of the program's */
    /* It hands out memory faster than the collection gets on, and waits: no other goroutine is to run instead. */
    _Atomic bool slowed;
    /* One of the library's own that runs code of the program waits for some: nothing of the program's is on its stack. */
    _Atomic bool resting;
    _Atomic bool joining;            /* SAFE within libc, until another thread ends: */
    _Atomic uintptr_t joins, handle; /* that one's pthread_t (0: or a time comes); its own */
    _Atomic bool parked;             /* it waits in sched_park, itself */
    _Atomic bool ending;             /* it does nothing any more that others could wait for */
    bool library;                    /* os_start_thread made it */
    uintptr_t saved[64];             /* SAFE in bw_blocking: the registers, from a frame that is gone */
    os_stack stack;
    uintptr_t reserve;                /* the lowest part of the stack, where nobody becomes INSIDE */
    os_range alternate;               /* the alternate signal stack it was stopped on; {0, 0}: on none */
    uintptr_t interrupted;            /* there: the stack pointer of the code that the stop interrupted; 0: not known */
    struct {                          /* made at need, and kept for the next thread that has this record */
        void *alternate;              /* its alternate signal stack, unless it has one of its own; NULL: none yet */
        struct goroutine *stands_for; /* a record that stands for the thread where goroutines wait; NULL: none yet */
        os_range spare; /* what it panics on when its stack is full; its lowest page faults. {0, 0}: none yet */
    } stacks;
    uint32_t number;              /* of the record: as small as the threads there ever were at once allow */
    uintptr_t overflowed_at;      /* on the spare stack: the stack pointer where its own was full; 0: it is not there */
    struct goroutine *goroutine;  /* that it runs, or stands for it; NULL: it never asked (floor 3) */
    struct worker *worker;        /* NULL: it runs no goroutines */
    struct os_goroutine *numbers; /* what messages say of it, or of what it runs; the thread's own variable */
    uintptr_t maker_pc;           /* where pthread_create was called for it */
    int maker;                    /* by the thread of this number */
    uintptr_t thread_pointer;
    _Atomic pid_t id; /* 0: it has not begun. Written after what else says which thread it is */
    void *argument;   /* between pthread_create and the new thread's first step: what it was given */
    struct thread *next, *previous;
};

/* --- threads.c --- */
extern __thread struct thread *thread_current __attribute__((tls_model("initial-exec")));
/* The calling thread's record, made if there is none, with its cache; the thread is INSIDE from here to
 * thread_leave. */
struct thread *thread_enter(void);
void thread_leave(struct thread *self);
/* The same two, inline, for what is done very often. They find the thread anew, so that they may be in one function with
 * what parks. */
extern _Atomic uint32_t world_number; /* odd: stopping or stopped */
extern _Atomic uint32_t fork_gate;    /* 1: nobody may become INSIDE; a fork is under way */
static inline __attribute__((always_inline)) struct thread *thread_enter_quickly(void) {
    struct thread *self = *BW__HERE(thread_current);
    if (__builtin_expect(self == NULL || !atomic_load_explicit(&self->quick, memory_order_relaxed) ||
                             atomic_load_explicit(&self->state, memory_order_relaxed) != THREAD_RUNNING ||
                             (uintptr_t)__builtin_frame_address(0) - self->stack.lo < self->reserve,
                         0))
        return thread_enter();
    atomic_store_explicit(&self->state, THREAD_INSIDE, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    if (__builtin_expect(atomic_load_explicit(&fork_gate, memory_order_relaxed) != 0, 0)) {
        thread_leave(self);
        return thread_enter();
    }
    if (OS_THREAD_SANITIZER)
        (void)atomic_load(&world_number); /* as in thread_enter */
    return self;
}
static inline __attribute__((always_inline)) void thread_leave_quickly(struct thread *self) {
    if (__builtin_expect(!atomic_load_explicit(&self->quick, memory_order_relaxed), 0)) {
        thread_leave(self);
        return;
    }
    atomic_store_explicit(&self->state, THREAD_RUNNING, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    if (__builtin_expect((atomic_load_explicit(&world_number, memory_order_relaxed) & 1) |
                             atomic_load_explicit(&self->stop_noted, memory_order_relaxed),
                         0))
        thread_leave(self);
}
/* Which stack the thread is on. */
static inline __attribute__((always_inline)) void thread_note_stack(struct thread *self, uintptr_t interrupted) {
    self->interrupted = interrupted;
    if (!os_on_alternate_stack(&self->alternate.lo, &self->alternate.hi))
        self->alternate = (os_range){0, 0};
}
/* SAFE for a wait: between the two the thread does not touch the heap. The caller is INSIDE before and after, and does
 * not return in between: its frame holds the registers. */
static inline __attribute__((always_inline)) void thread_safe_begin(struct thread *self) {
    OS_SPILL_REGISTERS();
    self->place = os_place_here();
    thread_note_stack(self, 0);
    atomic_store(&self->state, THREAD_SAFE);
}
void thread_safe_end(struct thread *self);
/* A thread of the library's own that is INSIDE stops here if the world should stop. */
void thread_poll(struct thread *self);
/* Words of a stack, copied although the sanitizers would object (roots.c). */
void thread_copy_words(uintptr_t *to, uintptr_t from, uintptr_t end);
void runtime_make(void); /* makes everything once; any thread, any number of calls */
/* The calling thread panics: may what it deferred run, and the panic be recovered? Not in a signal handler, nor INSIDE.
 * Ends bw_blocking. */
bool thread_may_recover(void);

/* Makes a thread of the library's own, SAFE meanwhile: libc takes locks for it that a stopped thread may hold, and a
 * stop must not wait for whoever waits for those. INSIDE, no lock held. (Who holds the gc lock need not: no other stops
 * the world.) */
bool thread_start_internal(struct thread *self, bool (*begin)(void *), void (*body)(void *), void *argument,
                           const char *name);
/* What `begin` does, or is: the thread gets its record, and is INSIDE from here on. false: out of memory. */
bool thread_attach_internal(void *unused); /* for one that allocates nothing; it polls */
bool thread_attach_modest(void *unused);   /* the same, and it leaves the processors to the program's */
bool thread_attach_own(void *unused);      /* with a cache: it runs code of the program */

/* --- records.c --- */
extern os_lock threads_lock;     /* of the list of records */
struct thread *record_new(void); /* in the list, SAFE; NULL: out of memory */
void record_free(struct thread *thread);
void threads_reap(void); /* records of threads that ended without telling; INSIDE, with the gc lock, the world runs */
void threads_each(void (*visit)(struct thread *, void *), void *context); /* while the world is stopped */
void threads_each_locked(void (*visit)(struct thread *, void *),
                         void *context);  /* at any time, SAFE; it takes no lock */
void records_forked(struct thread *self); /* in a child, with threads_lock: no other thread is there */

/* --- results.c --- */
void results_keep(void *value);        /* the calling thread is about to end and return it */
void results_joined(pthread_t thread); /* its value is the joiner's now, or nobody's */
/* What ended threads returned and nobody has joined: (pthread_t, value) pairs. */
void threads_results(uintptr_t *lo, uintptr_t *hi);

/* --- overflow.c --- */
/* From here on it is on that stack. */
void thread_set_stack(struct thread *self, os_stack stack);
/* The calling thread is in its reserve, as far as is known; if that is so it panics. */
BW__COLD void thread_check_stack(struct thread *self);
void thread_recovered(void); /* it goes on, on its own stack */
extern const struct os_fault_hooks thread_fault_hooks;

/* --- stop.c --- */
void world_stop(struct thread *self);       /* the caller is INSIDE and holds the gc lock */
void world_stop_other(struct thread *self); /* the same, for something else than a collection */
void world_start(struct thread *self);
extern _Atomic bool world_short; /* the stop that begins is expected to be over soon, and needs one processor */
/* `interrupted`: the stack pointer where the signal interrupted it, if it did, and `context` what the kernel saved. */
void world_park(struct thread *self, os_place place, uintptr_t interrupted, const void *context, bool was_running);
/* Calls `body` with the world stopped. The caller is INSIDE and holds no lock; `body` takes none either. */
void world_stopped_do(struct thread *self, void (*body)(void *), void *argument);
void world_stop_install(void);

/* --- times.c: how often things took how long; added to and read by any thread at any time --- */
/* Buckets of nanoseconds: up to the first power of two, TIMES_PARTS equal parts of each doubling, from the last power on. */
#define TIMES_FIRST 6 /* 64 ns */
#define TIMES_LAST 40 /* 18 minutes */
#define TIMES_PARTS 8
#define TIMES_BUCKETS ((size_t)(1 + (TIMES_LAST - TIMES_FIRST) * TIMES_PARTS + 1))
enum times_of {
    TIMES_STOPPING,       /* until all threads stood, of a collection's stops */
    TIMES_STOPPED,        /* of the same, until they could go on; so it contains the first */
    TIMES_STOPPING_OTHER, /* of all other stops */
    TIMES_STOPPED_OTHER,
    TIMES_ASSISTS, /* that a thread waited for another's collection, or was held up since that did not get on */
    TIMES_KINDS
};
struct times {
    _Atomic uint64_t counts[TIMES_BUCKETS];
};
extern struct times times_taken[TIMES_KINDS];
void times_add(enum times_of kind, uint64_t ns);
/* A stop is over that took so long, in which the markers' helpers used so much processor time. */
void times_add_stop(bool other, uint64_t stopping, uint64_t stopped, uint64_t helpers);
struct processor_times {
    _Atomic uint64_t pauses; /* of collections, times the processors that the program could not use then */
    _Atomic uint64_t pause_helpers;
};
extern struct processor_times processor_times; /* nanoseconds */
/* GOMAXPROCS was `before` until now; so much it was since the start, times the time. Under the gc lock. */
void times_processors_changed(int before);
uint64_t times_processors_ns(void);

/* --- cycle.c --- */
/* The last two are forced: the one finds leaks, the other compacts. */
enum cycle_reason { CYCLE_PACED, CYCLE_FORCED, CYCLE_MEMORY, CYCLE_LEAKS, CYCLE_COMPACT };
/* The caller is INSIDE and holds no lock. False: it was to compact, and there was no memory for that. */
bool cycle_run(struct thread *self, enum cycle_reason reason);
void cycle_give_way(void);               /* the collecting thread, to others on its processor; while the program runs */
void cycle_run_due(struct thread *self); /* the same, if one is due: CYCLE_PACED */
void cycle_run_paced(struct thread *self); /* the same, or leaves it to the collector's thread, or to another */
void gc_lock_acquire(struct thread *self);
void gc_lock_release(void);
void cycle_lock(struct thread *self); /* the gc lock, while no collection goes on beside the program either */
/* For fork: no collection is under way, and none begins until cycle_let_go; the gc lock is held, and nobody of the library's
 * holds the loader's lock, or waits for it. */
void cycle_hold(struct thread *self);
void cycle_let_go(void);
void cycle_wait_for_marking(struct thread *self); /* until none goes on beside the program; INSIDE, no lock held */
/* Marks what is pushed and all that follows from it, the values of weak maps among it, in the caller alone. */
void cycle_mark_reached(void);
bool cycle_prefers_beside(void); /* to mark beside the program: where that works, and the world would be stopped long */
extern os_lock gc_lock;

struct snapshot_times {
    uint64_t processor_ns, merge_ns; /* the copy's; and how long it took to write what it found into the mark bytes */
    size_t stack_bytes;              /* of stacks that no thread is on */
};
struct cycle_phases { /* of the last collection, nanoseconds and bytes */
    uint64_t stop, mark, finish;
    uint64_t slices_ns, longest_slice_ns; /* the world was stopped so long while it was marked beside the program */
    uint32_t rounds, slices;
    bool minor;
    size_t pages, last_pages; /* that were searched again, in rounds; in the last stop */
    bool snapshot;            /* it was marked in a copy of the process; for that: */
    uint64_t clone_ns;        /* of the first stop */
    struct snapshot_times snapshot_times;
    const char *failed; /* it was to be marked beside the program, and was not, because of this; NULL */
    size_t bytes_before, goal_before, stack_bytes, data_bytes;
};
struct
    cycle_figures { /* of the last collection, and sums; under the gc lock, read while the world is stopped or racily */
    uint32_t count, forced, minor;
    uint64_t pause_total, pause[256], pause_end[256];
    uint64_t processor_ns; /* markers and pauses */
    uint64_t last_wall_ns;
    size_t marked_bytes;
    struct cycle_phases phases;
    struct { /* sums over those that were marked beside the program */
        uint64_t cycles, rounds, slices, pages;
        uint64_t processor_ns; /* of the collecting thread, without the stops */
    } beside;
};
extern struct cycle_figures figures;

/* --- roots.c --- */
enum root_kind {
    ROOT_STACK, /* one past an object's end counts, too */
    ROOT_DATA,
};
struct root {
    uintptr_t lo, hi;
    enum root_kind kind;
};
struct roots {
    struct root *list;
    size_t count, capacity;
    size_t marked; /* from so many of them marking has begun */
    size_t stack_bytes, data_bytes;
};
/* The world is stopped. Stacks of goroutines that may be leaked are left out if `leaks`. */
/* Stacks that no thread is on: all of them; or but those that may be leaked; or, marking beside the program, none in the
 * first stop, and those that have changed since in the last. */
enum roots_stacks { STACKS_ALL, STACKS_NOT_LEAKED, STACKS_LATER, STACKS_CHANGED };
void roots_collect(struct roots *roots, const os_modules *modules, enum roots_stacks stacks);
void roots_add_stacks(struct roots *roots, enum roots_stacks stacks);
/* The same stacks for the marker, at once. All of them, while nothing changes: how many bytes they are. Some, while the
 * program runs, whose bytes are added: false: there were none left. Those that have changed since they were pushed. */
size_t roots_push_stacks(void);
bool roots_push_some_stacks(size_t *bytes);
void roots_push_changed_stacks(void);
void roots_stacks_are_not_noted(void); /* ends what STACKS_LATER has begun; the world is stopped */
void roots_add(struct roots *roots, uintptr_t lo, uintptr_t hi, enum root_kind kind);

/* --- mark.c --- */
extern uint8_t mark_live; /* the byte that marking writes */
/* Before everything else. */
void mark_begin(void);
/* Marks all that was pushed, and all that the roots reach that were added to the list since the last time, and of the
 * marked objects on the pages of the pass that goes on, what they refer to; with `markers` markers, the caller among
 * them. */
void mark_from_roots(struct roots *roots, int markers);
/* The same, but what there was no room for is left, as is what is not done at the deadline (os_now_ns; 0: none). True:
 * all of it is done. */
bool mark_until(struct roots *roots, int markers, uint64_t deadline);
/* A thread of the program helps those that mark, until then; false: there was nothing to do. SAFE. */
bool mark_assist(uint64_t until);
/* What follows puts more on the caller's mark stack. */
void mark_push_roots(const struct roots *roots);
void mark_push_words(uintptr_t lo, uintptr_t hi);
void mark_push_stack(uintptr_t lo, uintptr_t hi);                 /* one past an object's end counts, too */
void mark_push_fields(uintptr_t object, const struct span *span); /* what it refers to, not itself */
void mark_drain(void);                                            /* marks all that was pushed, in the caller alone */
/* When an object whose byte is MARK_WATCHED is marked, its address is kept until this asks for it. */
bool mark_take_watched(uintptr_t *object);
size_t mark_bytes_taken(void);       /* bytes that marking found alive since mark_begin */
size_t mark_bytes_searched(void);    /* of them, without large objects that hold no pointers */
double mark_young_share(void);       /* of those objects, those allocated since the last collection; from a sample */
bool mark_is_live(uintptr_t object); /* an object's first byte, while marking */
void mark_forget_pushed(void);       /* another process marks what the caller has pushed, */
void mark_count(size_t searched, size_t taken); /* and has found so many bytes alive */
/* Calls `work` on so many threads at once, the caller's among them: those that can be had. The world is stopped. */
void mark_in_parallel(void (*work)(void *), void *argument, int markers);
uint64_t mark_helpers_ns(void);     /* processor time of the helpers in the last marking, */
uint64_t mark_assists_ns(void);     /* and of threads of the program; */
uint64_t mark_all_helpers_ns(void); /* and ever */
uint64_t mark_all_assists_ns(void);
/* SAFE and without a lock, the loader's above all: making a thread takes locks of libc that a stopped thread, or one
 * within dlopen that waits for the loader's lock, may hold. */
void mark_make_helpers(int wanted);
void mark_forget_helpers(void); /* after fork: there are none */
size_t mark_memory(void);       /* bytes of mark stacks */
void mark_release_memory(void); /* that of empty stacks to the system; nothing is being marked, under the gc lock */

/* The end of an arena's chunk stays unused, so that what follows the chunk is one past the end of nothing in it. */
#define ARENA_UNUSED_BYTES GRANULE_BYTES

/* --- beside.c: pages that the program writes while marking goes on beside it; one collection at a time --- */
bool beside_works(void);
bool beside_refuses(void);             /* it was tried */
const char *beside_refused(void);      /* why not */
void beside_forked(void);              /* in the child nothing is watched */
bool beside_protect(uint32_t *number); /* the number of this; false: the system cannot tell any more */
/* A pass over the pages whose spans hold references: those that were written since they were protected, as they are taken.
 * Passes are begun by who collects; any thread takes. */
enum pass_kind {
    PASS_PROTECT, /* protecting each again as it is found */
    PASS_TELL,
    PASS_ALL, /* all pages, if the system cannot tell */
};
void beside_begin_pass(enum pass_kind kind, size_t most_pages); /* so many at a time are taken */
struct piece { /* of the heap, as distances from its base: in static data, a root, addresses would keep objects alive */
    size_t lo, hi;
};
bool beside_claim(struct piece *piece); /* a piece of the heap for the caller; false: none is left */
void beside_return(struct piece piece); /* what is left of it: somebody else's */
/* Of the piece, the next pages that were written; it shrinks by what was looked at. How many parts, perhaps 0. */
size_t beside_take(struct piece *piece, struct os_pages *parts, size_t room);
/* Since a collection that marked all each write to what it left has been noted: a minor one may follow. Under the gc lock. */
bool beside_keeps_marks(void);
size_t beside_count_written(size_t most);    /* pages that are noted; it leaves off above `most`. Under the gc lock */
void beside_marked(bool minor, bool failed); /* a collection ends; the system could not tell what was written */
uint32_t beside_go_on_watching(void);        /* instead of beside_protect: the new number */
/* Ends what has that number, unless there is a later one; takes and gives back the gc lock. */
void beside_end_watching(struct thread *self, uint32_t number);
bool beside_all_claimed(void);
bool beside_pass_failed(void);
size_t beside_pages(void); /* that were taken in this pass */

/* --- snapshot.c: a copy of the process marks what was reachable when it was made; one collection at a time --- */
extern _Atomic bool snapshot_is_marking; /* from the stop in which it was made to the last stop */
/* Why none can be made: here, or the last time that it was tried; NULL. */
const char *snapshot_refused(void);
/* The copy, which marks all that was pushed; the caller's mark stack is empty then. The world is stopped. False: none. */
bool snapshot_begin(void);
/* Waits for it; what it has marked has the live byte then. The world runs; SAFE. False: it was ended, and nothing has. */
bool snapshot_take(struct snapshot_times *times);
void snapshot_end(void);          /* the world is stopped */
uint64_t snapshot_clone_ns(void); /* that the last one took */
/* A weak pointer gives the program this object: it is to be marked, with all that it referred to. INSIDE. False: it is too
 * late to ask for that, and too early to know whether it was reachable: the caller waits until marking is over. */
bool snapshot_keep(uintptr_t object);

/* --- way.c: where it is marked --- */
enum marking_way { MARKS_STOPPED, MARKS_WATCHING, MARKS_SNAPSHOT };
enum marking_way marking_way(void); /* what is best next time, as far as is known */
enum marking_way
marking_way_tried(void); /* the same, of those that have been seen to work: it tries them; opens files */

/* --- collector.c --- */
bool collector_is_busy(void); /* it was asked, and is not done */
bool collector_ask(
    struct thread *self);   /* for a collection beside the program; INSIDE; false: there is no thread for it */
void collector_ended(void); /* one is over */
/* Memory is handed out faster than a collection gets on: by so much more than there was room for. INSIDE */
void collector_slow_down(struct thread *self, size_t over, size_t room);
void collector_forget_thread(void);

/* --- memory.c --- */
void *memory_allocate(struct thread *self, struct layout *layout, size_t bytes); /* INSIDE; does not return without */
void memory_give_back(struct thread *self); /* all memory that no object is in, to the system; INSIDE */
void memory_keep_limit(void);               /* as much of it as exceeds the memory limit; INSIDE, no lock held */
void *memory_allocate_arena(struct thread *self, struct layout *layout, size_t bytes, size_t align);
uintptr_t memory_require(struct thread *self, const char *function, const void *address, struct span **span);

/* --- special.c: finalizers, cleanups, weak pointers, retain counts --- */
void specials_push_roots(void); /* before marking: what finalizers keep, cleanups' arguments, queues */
void specials_each_root(void (*visit)(void *context, uintptr_t lo, uintptr_t hi),
                        void (*visit_fields)(void *context, uintptr_t object, const struct span *span), void *context);
void specials_finish_mark(void);                      /* weak pointers cleared, finalizers and cleanups queued */
void specials_moved(uintptr_t (*forward)(uintptr_t)); /* objects are about to move there */
bool specials_of_freed(uintptr_t object); /* an object ends at once; true: call specials_start_threads afterwards */
void specials_start_threads(struct thread *self); /* if something is queued; INSIDE, no lock held */
bool specials_rest(void);                         /* nothing is queued; the world is stopped */
void specials_forget_threads(void);               /* after fork */
extern os_lock specials_lock;

/* --- weakmap.c: ephemeron tables --- */
void weak_maps_forget(uintptr_t object); /* it was freed */
void weak_maps_begin_mark(void);         /* after marking from the roots */
bool weak_maps_visit(void); /* maps that are alive, and were not when it was last called; were there any? */
void weak_maps_reached(uintptr_t object); /* a watched object was marked: so are the values whose key it is */
void weak_maps_finish_mark(void);         /* dead entries go */
void weak_maps_each(void (*visit)(void *context, uintptr_t lo, uintptr_t hi), void *context); /* keys and values */

struct special_figures {
    _Atomic uint64_t finalizers_queued, finalizers_run, cleanups_queued, cleanups_run;
};
extern struct special_figures special_figures;

/* --- pacer.c --- */
/* What a collection was like; bytes, and nanoseconds. */
struct pacer_cycle {
    size_t marked, roots;
    size_t handed, born;    /* handed out since the last one; of that, while it was marked beside the program */
    bool paced, beside;     /* it began because the goal was reached; it went on beside the program */
    bool minor, watched;    /* it marked only what was new; a minor one may follow */
    double young;           /* what share of its objects was allocated since the last one */
    int share;              /* beside: only one in so many of its markers could be at work */
    uint64_t marking;       /* not what was searched again */
    uint64_t processor;     /* of all threads, the stops among it; a minor one's: and of the faults that it needed */
    uint64_t pause, lasted; /* so far */
};
void pacer_after_cycle(const struct pacer_cycle *cycle);
bool pacer_beside_pays(void);    /* it is better to mark beside the program next time, if that works */
uint64_t pacer_stopped_ns(void); /* for so long the world would be stopped otherwise */
bool pacer_wants_minor(void);    /* the next collection is to be a minor one, if it can; changes with a collection */
size_t pacer_minor_pages(void);  /* but not if more pages than these were written: */
void pacer_minor_refused(void);
void pacer_update(void); /* a knob changed */
size_t pacer_room(void); /* between the trigger and the goal: what is handed out while marking beside the program */
size_t pacer_goal(void);
size_t pacer_over_limit(void); /* so much more memory is held than the memory limit allows */
uint32_t
pacer_limiter_enabled(void); /* the last collection after which the memory limit was not kept, so that collecting
                                       * takes at most half of the time; 0: none */

/* --- ahead.c --- */
void ahead_start(struct thread *self); /* INSIDE, no lock held */
void ahead_forget_thread(void);

/* --- background.c --- */
void background_after_cycle(struct thread *self); /* INSIDE, no lock held */
void background_forget_thread(void);

/* --- verify.c --- */
void verify_marks(const struct roots *roots);
/* A compaction: no root refers to what is about to move; and the references in the heap afterwards are those of before, as
 * `forward` has them: their sum is the same, however the objects lie. */
uint64_t verify_before_moving(const struct roots *roots, uintptr_t (*forward)(uintptr_t));
void verify_after_moving(uint64_t sum);

/* --- knobs.c --- */
enum mark_mode { MARK_STOP, MARK_WATCH, MARK_SNAPSHOT, MARK_AUTO };
enum minor_mode { MINOR_AUTO, MINOR_OFF, MINOR_ALWAYS };
enum compact_mode { COMPACT_OFF, COMPACT_AUTO, COMPACT_ALWAYS, COMPACT_ALL };
struct knobs {
    int64_t gc_percent; /* < 0: off */
    int64_t memory_limit;
    size_t min_heap;
    int processors;
    bool trace, verify, ledger_at_exit, metrics_at_exit, leaks, survives_quit, sched_detail;
    uint32_t sched_trace;
    int stop_signal;
    _Atomic enum compact_mode compact;
    _Atomic int64_t compact_pause; /* nanoseconds, of one that a collection makes by itself; 0: no bound */
    enum mark_mode mark;
    enum minor_mode minor;
    uint32_t sched_stress; /* one in so many steps of the scheduler takes long; 0: none */
};
extern struct knobs knobs;
void knobs_read(void);
static inline int knobs_processors(void) { /* it may change at any time */
    return __atomic_load_n(&knobs.processors, __ATOMIC_RELAXED);
}

/* --- told by the floors above, where they are linked --- */
struct goroutine_counts {
    uint64_t all;                                 /* bw_num_goroutine */
    uint64_t running, outside, runnable, waiting; /* without the main thread; outside: in bw_blocking */
};
typedef void gc_visit(void *context, uintptr_t lo, uintptr_t hi);
struct gc_scheduler_hooks {
    /* Stacks that no thread is on, and what else of the scheduler's memory is searched; the world is stopped. Without
     * those of goroutines that may be leaked, if `leaks`. */
    void (*each_stack)(gc_visit *visit, void *context, bool leaks);
    /* Marking beside the program: from here on those stacks are noted that change. What else is searched is visited; for
     * each thread it is told that its goroutine runs. The world is stopped. */
    void (*stacks_are_noted)(gc_visit *visit, void *context);
    void (*thread_is_on)(struct thread *thread);
    /* Some stacks, in whatever state; false: there were none left. Those that have changed, which are not noted any more. */
    bool (*some_stacks)(gc_visit *visit, void *context);
    void (*changed_stacks_again)(gc_visit *visit, void *context);
    /* The world is stopped: stacks that no thread is on, if they changed, and the rest. */
    void (*changed_stacks)(gc_visit *visit, void *context);
    void (*stacks_are_not_noted)(void);
    /* Of those that were left out: that something alive can wake. Then they are all watched, and others are found to be
     * so when what they wait for is reached. Those that are left at last are leaked. (leaks.c) */
    void (*leaks_alive)(gc_visit *visit, void *context);
    void (*leaks_watch)(gc_visit *visit, void *context);
    void (*leaks_reached)(uintptr_t object, gc_visit *visit, void *context);
    void (*leaks_end)(gc_visit *visit, void *context);
    void (*leaks_told)(struct thread *self); /* prints what is new; INSIDE, no lock held */
    void (*forked)(void);                    /* in the child: the thread that forked is alone; it holds no lock */
    /* The child uses the library for the first time: until then it makes no thread, since mostly it becomes another program
     * or ends, and another thread of the parent's may have held a lock that a new thread needs. INSIDE, no lock held. */
    void (*child_enters)(struct thread *self);
    void (*processors_changed)(struct thread *self); /* knobs.processors */
    void (*give_back)(void);                         /* memory that is not in use, to the system; INSIDE */
    void (*blocking_begins)(struct thread *self);    /* bw_blocking; INSIDE */
    void (*thread_rests)(struct thread *self);       /* it ends, or has no more to finalize; INSIDE, no lock held */
    struct thread *(*blocking_ended)(struct thread *self); /* INSIDE; it may have to wait, and be another thread then */
    void (*count)(struct goroutine_counts *counts, bool stopped); /* if the world is not stopped, only all of them */
};
extern const struct gc_scheduler_hooks gc_scheduler_hooks __attribute__((weak));
static inline const struct gc_scheduler_hooks *gc_scheduler_hooks_if_linked(void) {
    return OS_IF_LINKED(gc_scheduler_hooks);
}

struct gc_cycle_hooks {
    void (*begins)(void); /* the world is stopped, and nothing is marked yet */
};
extern const struct gc_cycle_hooks gc_cycle_hooks __attribute__((weak));
static inline const struct gc_cycle_hooks *gc_cycle_hooks_if_linked(void) {
    return OS_IF_LINKED(gc_cycle_hooks);
}

/* --- told to the floors above --- */
struct gc_hooks {
    void (*after_cycle)(const char *reason);                   /* the trace line; the gc lock is held, the world runs */
    void (*after_compaction)(const bw_compaction *compaction); /* its line, under the gc lock */
    void (*at_exit)(void);                                     /* the ledger or the metrics are wanted at exit */
    struct layout *(*layout_of_size)(const struct layout *layout,
                                     size_t bytes); /* an array of the same elements; NULL: no array */
    bool (*any_refers)(const void *type); /* is the word behind this one, the first of a bw_any, surely a reference? */
};
extern struct gc_hooks gc_hooks;
extern const struct gc_hooks observe_hooks; /* floor 5's */

#endif
