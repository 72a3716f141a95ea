/* burrow/control.h - asking for collections, and the knobs while the program runs.
 *
 * Environment: GOGC, GOMEMLIMIT, GOMAXPROCS with Go's syntax and meaning, and BURROWDEBUG, a comma-separated list:
 *
 *     gctrace=1      a line on standard error for each collection, in Go's format
 *     verify=1       after each collection mark again from scratch and compare; abort if an object was missed
 *     gcstress=N     a collection every N slow-path allocations (1: at every one)
 *     poison=1       freed memory is filled with 0xdb
 *     minheap=SIZE   no collection before the heap has this size (64MiB, 1GiB, ...)
 *     ledger=1       the ledger as a table on standard error at exit
 *     metrics=1      all metrics (burrow/metrics.h) on standard error at exit, a line each
 *     stopsignal=N   the signal that stops threads; without it the highest real-time signal but one that is not in use
 *     failcall=N     the Nth call that asks the system for memory or a thread, or is on a descriptor, fails (for tests)
 *     failfrom=N     that time and every later one
 *     schedstress=N  one in N steps of the scheduler takes up to 50 microseconds (for tests)
 *     mark=WAY       stop: it is marked while the program is stopped; watch, snapshot: while it runs, with its pages
 *                    watched, or in a copy of the process; auto, the default: whichever is best
 *     minor=WHEN     collections that mark only what is new, where pages are watched: auto: where it pays; off; always
 *     leaks=1        collections find goroutines that can never run again, and print each once
 *     sigquit=1      the program goes on after SIGQUIT has printed every stack
 *     schedtrace=N   every N milliseconds a line about the workers, in Go's format; scheddetail=1: more lines
 *     help=1         this list
 *
 * An unknown knob, or a value out of range, is told once on standard error and ignored.
 */
#ifndef BURROW_CONTROL_H
#define BURROW_CONTROL_H

#include <burrow/base.h>

BW__BEGIN

/* A full collection: marks, sweeps everything, queues finalizers and cleanups. Complete when it returns. */
BW_API void bw_gc(void);

/* A collection, and then the memory of every free page goes back to the operating system, also of pages in the middle
 * of spans that no object touches. */
BW_API void bw_free_os_memory(void);

/* A collection, and then mark-compact: the objects that can move slide together, each type's toward the low end of its
 * memory, in the order in which they lie, and the pages that become empty go back to the operating system. References
 * to what has moved are changed: in typed objects, slices, strings, maps, channels; weak pointers, finalizers and
 * cleanups go with their object.
 *
 * Objects of up to 32 KiB move, if they are of a struct that is declared so (BW_MOVABLE, burrow/type.h), or the memory of
 * strings, of maps, and of slices whose elements are no structs, or such structs. An object stays if a word refers to it that may
 * be something else than a reference: on a stack, in a register, in static data, in an untyped object, in a union; or if
 * bw_pin or bw_retain has it. So a pointer in a variable is never wrong afterwards. What the program itself makes of an
 * address is: a number in a table, a hash.
 *
 * False: there was no memory for the tables, and nothing has moved. Cost: a few times that of a collection; the world is
 * stopped meanwhile. Not in a signal handler. */
BW_API bool bw_compact(void);

/* Collections compact by themselves when less than half of the memory of what could move is in use, and 8 MiB or more are
 * not; but only those parts that are worth it, and, if pause_ns is above 0, for at most about so long at a time, the rest
 * at the next collection. (If finding the references alone takes longer than that, nothing moves.) Off at first;
 * BURROWDEBUG=compact=auto,compactpause=MS turns it on. Returns whether it was on. */
BW_API bool bw_set_compact_auto(bool on, int64_t pause_ns);

/* What the last compaction did. */
typedef struct bw_compaction {
    uint64_t count;                      /* compactions so far */
    uint64_t moved_objects, moved_bytes; /* the bytes are those of slots */
    uint64_t by_stack, by_data, by_memory,
        by_request;          /* objects that had to stay for a word on a stack or in a register;
                                             in static data; in the heap; for bw_pin, bw_retain, a weak map */
    uint64_t pinned_bytes;   /* of all those */
    uint64_t emptied_bytes;  /* of spans that were left without objects */
    uint64_t released_bytes; /* by which resident memory became less */
    uint64_t pause_ns;       /* the world stood still; of that: */
    uint64_t mark_ns, pin_ns, plan_ns, update_ns, move_ns;
} bw_compaction;
BW_API void bw_read_compaction(bw_compaction *compaction);

/* GOGC: a collection starts when the heap has grown by `percent` percent of what the last one left alive and of the
 * roots, and not before it has 4 MiB * percent / 100, or up to eight times that while pauses take more than a tenth of
 * the time; negative: never. Returns the setting before. */
BW_API int64_t bw_set_gc_percent(int64_t percent);

/* GOMEMLIMIT: a soft limit in bytes on the memory that the library manages: near it collections come more often, but
 * never more often than after a twentieth of the live heap, and never is an allocation refused for it. Negative:
 * changes nothing. INT64_MAX: none. Returns the setting before. */
BW_API int64_t bw_set_memory_limit(int64_t bytes);

/* No collection starts by itself before the heap has this many bytes. Returns the setting before. */
BW_API size_t bw_set_min_heap(size_t bytes);

/* GOMAXPROCS: how many threads run goroutines at once (those in long calls not counted; what is more than that stops when
 * its goroutine next waits), and how many processors the collector's markers use. n < 1 changes nothing. Returns the
 * setting before. */
BW_API int bw_gomaxprocs(int n);

BW__END
#endif
