/* burrow/ledger.h - the ledger of every byte, and Go's memory statistics. */
#ifndef BURROW_LEDGER_H
#define BURROW_LEDGER_H

#include <burrow/base.h>

BW__BEGIN

/* An amount: bytes (of slots, as handed out) and objects. */
typedef struct bw_amount {
    uint64_t bytes;
    uint64_t objects;
} bw_amount;

/* The ledger at one instant. These hold exactly in every snapshot, for bytes and for objects, while other threads
 * allocate:
 *
 *     alloc = new_ + make          reclaim = nil + zero
 *     layout = struct_ + slice + map + channel + interface_
 *     alloc - reclaim = layout     safe = sync + atomic + error
 *
 * An object is reclaimed when its memory can be used again: for unreachable objects that is when they are swept, which
 * bw_gc completes before it returns. */
typedef struct bw_ledger_t {
    bw_amount alloc;   /* cumulative: handed to the program */
    bw_amount new_;    /* ... by bw_new, bw_alloc and arenas */
    bw_amount make;    /* ... by bw_new_array and the makers of slices, maps and channels */
    bw_amount reclaim; /* cumulative: taken back */
    bw_amount nil;     /* ... by tracing: the last reference was gone */
    bw_amount zero;    /* ... at once: bw_free, the last bw_release, the end of an arena */
    bw_amount layout;  /* now */
    bw_amount struct_, slice, map, channel, interface_;
    bw_amount safe; /* now, of those in layout */
    bw_amount sync, atomic, error;
} bw_ledger_t;

/* Fills `ledger`. Stops the other threads for some microseconds. Example, within a function:
 *
 *     bw_ledger_t l;
 *     bw_ledger(&l);
 *     printf("%llu bytes in %llu objects\n", (unsigned long long)l.layout.bytes, (unsigned long long)l.layout.objects);
 */
BW_API void bw_ledger(bw_ledger_t *ledger);

/* Writes the ledger as a table to a file descriptor. */
BW_API void bw_ledger_print(int fd);

/* Go's runtime.MemStats, as far as it has a meaning here. Bytes unless said otherwise. */
typedef struct bw_mem_stats {
    uint64_t alloc;       /* bytes of allocated objects: heap_alloc */
    uint64_t total_alloc; /* cumulative */
    uint64_t sys;         /* address space in use from the system */
    uint64_t mallocs;     /* cumulative objects */
    uint64_t frees;
    uint64_t heap_alloc;
    uint64_t heap_sys;
    uint64_t heap_idle;     /* in spans without objects */
    uint64_t heap_inuse;    /* in spans with objects */
    uint64_t heap_released; /* of idle: given back to the system */
    uint64_t heap_objects;
    uint64_t stack_sys; /* always 0: threads bring their own */
    uint64_t gc_sys;    /* mark bytes, mark stacks */
    uint64_t other_sys; /* spans and other bookkeeping */
    uint64_t next_gc;   /* heap size that starts the next collection */
    uint64_t last_gc;   /* nanoseconds since 1970 */
    uint64_t pause_total_ns;
    uint64_t pause_ns[256];  /* the last 256 pauses, newest at [(num_gc + 255) % 256] */
    uint64_t pause_end[256]; /* when they ended, nanoseconds since 1970 */
    uint32_t num_gc;
    uint32_t num_forced_gc;
    double gc_cpu_fraction; /* gc_cpu_ns over the time since the start times the processors */
    uint64_t gc_cpu_ns;     /* processor time of marking and pauses */
    uint64_t heap_marked;   /* bytes that the last collection found alive */
} bw_mem_stats;
/* Fills `stats`. Stops the other threads for some microseconds, as bw_ledger does. */
BW_API void bw_read_mem_stats(bw_mem_stats *stats);

BW__END
#endif
