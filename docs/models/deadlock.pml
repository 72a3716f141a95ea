/* deadlock.pml - who looks whether the program is deadlocked, and when (src/sched/deadlock.c).
 *
 * Sleepers (threads in sched_park, idle workers) wake each other, and sleep; after a while each that still sleeps looks.
 * A thread ends; it may be the last to do anything, and sleeps nowhere. Another is not known to the library. A look is one
 * step, since the world is stopped for it; the system's count of threads comes with it: it can only be too large.
 *
 * Checked in every interleaving: whoever reports is right (nobody can ever do anything again); and when nobody can, it
 * is reported.
 *
 * Variants that are wrong:
 *   -DIGNORE_WOKEN     the look takes one that is woken, but does not run yet, for one that sleeps
 *   -DIGNORE_UNKNOWN   the look does not ask the system for threads that the library does not know
 *   -DLOOK_ONCE        who found a thread too many does not look again
 *   -DTELL_NOBODY      a thread that ends has nobody look again
 *   -DENDING_RUNS      the look takes a thread that ends, and has told others, for one that still runs
 *
 *     spin -a deadlock.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *
 * Abstractions: any sleeper can wake any other, a bounded number of times; timers and descriptors, which keep everybody
 * from reporting, are left out; the ending thread tells all that sleep.
 */
#define SLEEPERS 3

bool asleep[SLEEPERS], woken[SLEEPERS], again[SLEEPERS];
byte wakes = 4; /* left */
bool reported;

mtype = { RUNS, ENDS, GONE };
mtype ender = RUNS, unknown = RUNS;

inline wake_some() {
    atomic {
        if
        :: wakes > 0 && asleep[0] && !woken[0] -> woken[0] = true; wakes--
        :: wakes > 0 && asleep[1] && !woken[1] -> woken[1] = true; wakes--
        :: wakes > 0 && asleep[2] && !woken[2] -> woken[2] = true; wakes--
        fi
    }
}

#define SLEEPS(i) (asleep[i] && !woken[i])
#ifdef IGNORE_WOKEN
#define SEEN(i) asleep[i]
#else
#define SEEN(i) SLEEPS(i)
#endif
#ifdef ENDING_RUNS
#define ENDER_SEEN (ender == GONE)
#else
#define ENDER_SEEN (ender != RUNS)
#endif

/* `looks` afterwards: it will again. */
inline look() {
    d_step {
        if
        :: !(SEEN(0) && SEEN(1) && SEEN(2) && ENDER_SEEN) -> looks = false
#ifdef IGNORE_UNKNOWN
        :: else ->
#else
        :: SEEN(0) && SEEN(1) && SEEN(2) && ENDER_SEEN && (ender != GONE || unknown != GONE) ->
#ifdef LOOK_ONCE
            looks = false
#else
            skip
#endif
        :: else ->
#endif
            assert(SLEEPS(0) && SLEEPS(1) && SLEEPS(2) && ender != RUNS && unknown != RUNS);
            reported = true;
            looks = false
        fi
    }
}

proctype sleeper(byte me) {
    bool looks;
    do
    :: wake_some()
    ::
        looks = true;
        asleep[me] = true;
end_asleep:
        do
        :: atomic { woken[me] -> woken[me] = false; asleep[me] = false }
            break
        :: atomic { again[me] -> again[me] = false; looks = true }
        :: looks && !reported -> look()
        od
    od
}

active proctype thread_that_ends() {
    do
    :: wake_some()
    :: break
    od;
    ender = ENDS;
#ifndef TELL_NOBODY
    atomic {
        again[0] = asleep[0];
        again[1] = asleep[1];
        again[2] = asleep[2]
    }
#endif
    ender = GONE
}

active proctype thread_unknown() {
    do
    :: wake_some()
    :: break
    od;
    unknown = GONE
}

init {
    atomic {
        run sleeper(0);
        run sleeper(1);
        run sleeper(2)
    }
}

/* Runs when nobody else can. */
active proctype quiet() {
end_never:
    timeout -> assert(reported)
}
