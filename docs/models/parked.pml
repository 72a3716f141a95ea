/* parked.pml - stacks that are searched while the program runs: a goroutine, a worker that may run it, a thread that may
 * send to it, and the collector.
 *
 * One object, X. References to it may be in a field in the heap, on the goroutine's stack, and in the thread's registers.
 * The goroutine is parked, is ready, or runs; who sends to it writes to its stack, and makes it ready. The collector looks
 * at that stack in between, whatever the goroutine does, and in the last stop only if it is noted that it changed, or the
 * goroutine runs. Whether it runs is stored by the worker, which then loads whether it is noted: the store may be in the
 * processor's buffer meanwhile. Nobody is stopped INSIDE.
 *
 * What is shown, for STEPS steps of each:
 *   - when marking is over, X is marked if there is any reference to it.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DNO_NOTE_READY   who makes a goroutine ready does not note it
 *   -DNO_NOTE_RUN     who runs one does not
 *   -DNO_NOTE_FIRST   those that run in the first stop are not noted
 *   -DNO_BARRIER      those that are noted no more are looked at without a barrier of all threads
 *   -DLOOK_FIRST      it is looked at whether they run, and then they are noted no more
 *   -DNOT_SAVED       it is not looked at whether the stack pointer of one that runs no more is there yet
 *   -DNO_LAST         the last stop searches no stacks of goroutines that do not run
 *
 *     spin -a parked.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 */
#ifndef STEPS
#define STEPS 4
#endif

bool in_field, on_stack, in_thread; /* where references to X are */
bool field_written;                 /* its page, since it was protected */
bool running, buffered;             /* as all see it; the worker's store of it, that nobody sees yet */
bool saved = true;                  /* the stack pointer of one that does not run is there */
bool waits, ready;                  /* for a value; to be run */
bool noted, marked, stopped;
bool sends, switches;               /* INSIDE */

inline drain_buffer() {
    if
    :: buffered -> running = true; buffered = false
    :: else
    fi
}

proctype thread() {
    byte steps;
    do
    :: atomic {
           steps < STEPS && !stopped ->
           steps++;
           if
           :: in_thread = in_field
           :: in_thread = false
           :: in_field = in_thread; field_written = true
           :: waits -> waits = false; sends = true
           fi
       };
       if
       :: sends ->
           on_stack = in_thread;
#ifndef NO_NOTE_READY
           noted = true;
#endif
           ready = true;
           sends = false
       :: else
       fi
    :: atomic { steps >= STEPS || stopped -> break }
    od
}

proctype worker() {
    byte steps;
    bool seen;
    if
    :: running -> goto runs
    :: else
    fi;
    do
    :: atomic { !stopped && ready -> ready = false; switches = true };
        buffered = true;
        seen = noted;
#ifndef NO_NOTE_RUN
        if
        :: !seen -> atomic { drain_buffer(); noted = true } /* an exchange */
        :: else
        fi;
#endif
        switches = false;
runs:
        do
        :: atomic {
               steps < STEPS && !stopped ->
               steps++;
               if
               :: on_stack = in_field
               :: on_stack = false
               :: in_field = on_stack; field_written = true
               fi
           }
        :: atomic { !stopped -> drain_buffer(); switches = true; saved = false; running = false }; /* parks */
            atomic { saved = true; waits = true; switches = false; break }
        :: atomic { stopped || steps >= STEPS -> goto over }
        od
    :: atomic { stopped || steps >= STEPS -> break }
    od;
over:
    skip
}

proctype buffer() {
    do
    :: atomic { buffered -> drain_buffer() }
    :: atomic { stopped -> break }
    od
}

inline stop() {
    atomic { !sends && !switches -> stopped = true; drain_buffer() }
}

proctype collector() {
    field_written = false;
    atomic { /* the first stop */
        !sends && !switches -> drain_buffer();
        marked = in_thread || (running && on_stack);
        noted = false;
#ifndef NO_NOTE_FIRST
        noted = running
#endif
    };
    marked = marked || on_stack; /* whatever the goroutine does */
    marked = marked || in_field;
#ifdef LOOK_FIRST
    bool runs = running;
#endif
    if
    :: noted ->
        noted = false;
#ifndef NO_BARRIER
        drain_buffer();
#endif
        if
#ifdef LOOK_FIRST
        :: runs -> noted = true
        :: !runs && !saved -> noted = true
#else
        :: running -> noted = true
#ifdef NOT_SAVED
        :: !running && !saved -> skip /* what lies above the old stack pointer is searched */
#else
        :: !running && !saved -> noted = true
#endif
#endif
        :: else -> marked = marked || on_stack
        fi
    :: else
    fi;
    if
    :: field_written -> field_written = false; marked = marked || in_field
    :: else
    fi;
    stop();
    marked = marked || in_thread || (field_written && in_field) || (running && on_stack);
#ifndef NO_LAST
    marked = marked || (noted && on_stack);
#endif
    assert(marked || !(in_field || on_stack || in_thread))
}

init {
    if
    :: in_field = true
    :: on_stack = true
    :: in_thread = true
    fi;
    if
    :: running = true
    :: ready = true
    :: waits = true
    fi;
    atomic {
        run thread();
        run worker();
        run buffer();
        run collector()
    }
}
