/* times.c - how often things took how long.
 *
 * A histogram is an array of counters, one for each stretch of time: an eighth of a doubling, so that a time is known to
 * an eighth of itself, whatever its size. Adding is one atomic addition, without a lock, at any time: also while the world
 * is stopped, or about to be.
 *
 * A stop is added when the world runs again, by the thread that has stopped it: what that costs is no part of the pause.
 */
#include "gc.h"

struct times times_taken[TIMES_KINDS];
struct processor_times processor_times;

static size_t bucket_of(uint64_t ns) {
    if (ns >> TIMES_FIRST == 0)
        return 0;
    unsigned doubling = 63 - (unsigned)__builtin_clzll(ns);
    if (doubling >= TIMES_LAST)
        return TIMES_BUCKETS - 1;
    return 1 + (doubling - TIMES_FIRST) * TIMES_PARTS + (ns * TIMES_PARTS >> doubling) % TIMES_PARTS;
}

void times_add(enum times_of kind, uint64_t ns) {
    atomic_fetch_add_explicit(&times_taken[kind].counts[bucket_of(ns)], 1, memory_order_relaxed);
}

void times_add_stop(bool other, uint64_t stopping, uint64_t stopped, uint64_t helpers) {
    times_add(other ? TIMES_STOPPING_OTHER : TIMES_STOPPING, stopping);
    times_add(other ? TIMES_STOPPED_OTHER : TIMES_STOPPED, stopped);
    if (other)
        return;
    atomic_fetch_add_explicit(&processor_times.pauses, stopped * (uint64_t)knobs_processors(), memory_order_relaxed);
    atomic_fetch_add_explicit(&processor_times.pause_helpers, helpers, memory_order_relaxed);
}

/* --- the processors that there are for the program --- */

static uint64_t processors_ns, changed; /* up to the last change; when that was, since the start */

static uint64_t since_change(int processors) {
    return (os_now_ns() - os_start_ns() - changed) * (uint64_t)processors;
}

void times_processors_changed(int before) {
    processors_ns += since_change(before);
    changed = os_now_ns() - os_start_ns();
}

uint64_t times_processors_ns(void) {
    return processors_ns + since_change(knobs_processors());
}
