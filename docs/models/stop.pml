/* stop.pml - stopping the world: two threads of the program, and one that stops them.
 *
 * The protocol of src/gc/stop.c and src/gc/threads.c, one step of the code a step here: thread_enter, thread_leave,
 * thread_safe_begin, thread_safe_end, stop_if_noted, world_park, the handler of the stop signal, world_stop, world_start
 * and the gate of hook_fork_prepare. A signal can arrive between any two steps of its thread while it is not masked.
 *
 * What is shown, for STOPS stops and OPERATIONS operations a thread:
 *   - while the stopper believes that the world is stopped, no thread takes a step of the program (RUNNING) or of the
 *     library (INSIDE);
 *   - while a fork is under way, no thread takes a step of the library;
 *   - everything comes to its end: no thread and no stop waits for ever.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DNO_SECOND_LOOK  thread_safe_end does not look at world_number after it wrote its state
 *   -DGATE_FIRST      thread_enter looks at the gate before it is INSIDE
 *
 *     spin -a stop.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *
 * Abstractions: memory is sequentially consistent (the accesses that the argument rests on are); the read of world_number
 * in thread_leave, which is relaxed in the code, may see any older value, that is, may be left out; a thread that would
 * run on for ever is RUNNING at its end and answers signals.
 */
#ifndef OPERATIONS
#define OPERATIONS 1
#endif
#ifndef STOPS
#define STOPS 3
#endif
#define THREADS 2

mtype = {RUNNING, INSIDE, SAFE};

byte number;      /* world_number: odd while stopping or stopped */
bool gate;        /* fork_gate */
mtype state[THREADS];
byte stopped_at[THREADS];
bool noted[THREADS];   /* stop_noted */
bool pending[THREADS]; /* the signal was sent and has not been delivered */

/* What the stopper believes; no part of the protocol. */
bool world_is_stopped, fork_is_under_way;

#define ODD(n) ((n) & 1)

/* A step of the program, and one of the library. */
inline program_step() {
    assert(!world_is_stopped)
}
inline library_step() {
    assert(!world_is_stopped && !fork_is_under_way)
}

/* on_signal; other signals are masked in it, and the state is the thread's own. */
inline deliver() {
    pending[me] = false;
    if
    :: state[me] == RUNNING ->
        in_handler = number;
        if
        :: ODD(in_handler) ->
            stopped_at[me] = in_handler;
            number != in_handler
        :: else
        fi
    :: state[me] == INSIDE -> noted[me] = true
    :: else
    fi;
    in_handler = 0
}

/* Between two steps. What a signal does while the thread is INSIDE is read in leave only, so that one such place before it
 * stands for all. */
inline signal_may_come() {
    if
    :: pending[me] -> deliver()
    :: true
    fi
}

/* Waits until `condition`, in the kernel; signals are handled meanwhile. */
#define WAIT(condition) do :: condition -> break :: pending[me] -> deliver() od

inline stop_if_noted() {
    if
    :: noted[me] ->
        signal_may_come();
        noted[me] = false;
        /* world_park */
        seen = number;
        signal_may_come();
        if
        :: ODD(seen) ->
            stopped_at[me] = seen;
            signal_may_come();
            WAIT(number != seen)
        :: else
        fi;
        seen = 0
    :: else
    fi
}

inline leave() {
    signal_may_come();
    state[me] = RUNNING;
    signal_may_come();
    if
    :: ODD(number) -> noted[me] = true
    :: true /* the read saw an older value */
    fi;
    signal_may_come();
    stop_if_noted()
}

inline enter() {
#ifdef GATE_FIRST
    WAIT(!gate);
    signal_may_come();
    state[me] = INSIDE
#else
    do
    :: state[me] = INSIDE;
        if
        :: !gate -> break
        :: gate
        fi;
        leave();
        WAIT(!gate)
    od
#endif
}

inline safe_begin() {
    state[me] = SAFE
}

inline safe_end() {
    do
    :: state[me] = INSIDE;
#ifdef NO_SECOND_LOOK
        seen = 0;
#else
        seen = number;
#endif
        shut = gate;
        if
        :: !ODD(seen) && !shut -> break
        :: else
        fi;
        state[me] = SAFE;
        if
        :: shut -> WAIT(!gate)
        :: else -> WAIT(number != seen)
        fi
    od;
    seen = 0;
    shut = false
}

active [THREADS] proctype thread() {
    byte me = _pid, operations, seen, in_handler;
    bool shut;
    state[me] = RUNNING;
    do
    :: operations < OPERATIONS ->
        operations++;
        if
        :: /* an allocation that leaves the fast path */
            enter();
            library_step();
            leave()
        :: /* one that waits for a lock that is waited for SAFE, or bw_blocking */
            enter();
            library_step();
            safe_begin();
            safe_end();
            library_step();
            leave()
        fi;
        signal_may_come();
        program_step();
        signal_may_come()
    :: operations == OPERATIONS -> break
    od;
end:
    do
    :: pending[me] -> deliver()
    od
}

inline wait_for(which) {
    do
    :: state[which] == SAFE || stopped_at[which] == number -> break
    :: else ->
        /* It is sent after a while, and again. */
        if
        :: !pending[which] -> pending[which] = true
        :: state[which] == SAFE || stopped_at[which] == number || !pending[which]
        fi
    od
}

active proctype stopper() {
    byte stops;
    do
    :: stops < STOPS ->
        stops++;
        /* world_stop */
        number++;
        wait_for(0);
        wait_for(1);
        world_is_stopped = true;
        if
        :: /* a collection, or a ledger */
            world_is_stopped = false;
            number++
        :: /* hook_fork_prepare, fork, hook_fork_parent */
            gate = true;
            world_is_stopped = false;
            fork_is_under_way = true;
            number++;
            skip; /* fork */
            fork_is_under_way = false;
            gate = false
        fi
    :: stops == STOPS -> break
    od
}
