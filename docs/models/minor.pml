/* minor.pml - a minor collection: one thread of the program, and the collector, from the end of a full collection on.
 *
 * As beside.pml, but that marks are kept, and pages have been protected since before that full collection: what it left is
 * marked and searched, its pages are protected, or noted as written. The program goes on, has made an object that is not
 * marked, and makes another; at any time the minor collection begins. It searches pages that were written, and does not
 * protect all before.
 *
 * What is shown, for OPERATIONS steps of the program at any times, and ROUNDS rounds:
 *   - when marking is over, every object that the program can reach is marked.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DPROTECT_AGAIN  all pages are protected anew, which forgets what was noted, and the collection is a minor one still
 *   -DNO_PAGES       what was written is not searched: only what is new, from the roots
 *   -DNO_LAST_PAGES  the last stop does not search the pages that were written
 *   -DNO_LAST_ROOTS  the last stop does not search stacks and static data again
 *   -DREAD_FIRST     a round searches a page, and protects it after that
 *
 *     spin -a minor.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *
 * Abstractions: those of beside.pml.
 */
#ifndef OPERATIONS
#define OPERATIONS 6
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define OBJECTS 5
#define NONE OBJECTS

byte field[OBJECTS];    /* what each object refers to */
bool made[OBJECTS], marked[OBJECTS], searched[OBJECTS];
bool written[OBJECTS];  /* since it was protected, or it never was */
byte global, one, other; /* static data, and the program's stack and registers */
bool born_marked, stopped;

inline write(object, value) {
    atomic {
        written[object] = true;
        field[object] = value
    }
}

/* Each line is one step; some are not possible. */
proctype program() {
    byte steps, i;
    do
    :: steps < OPERATIONS && !stopped ->
        steps++;
        if
        :: one = global
        :: one = other
        :: other = one
        :: one = NONE
        :: other = NONE
        :: global = one
        :: one != NONE -> one = field[one]
        :: one != NONE -> other = field[one]
        :: one != NONE -> write(one, other)
        :: one != NONE -> write(one, NONE)
        :: atomic {
               !made[OBJECTS - 1] ->
               i = OBJECTS - 1;
               made[i] = true;
               marked[i] = born_marked;
               searched[i] = born_marked;
               field[i] = NONE;
               written[i] = true;
               one = i
           }
        fi
    :: steps >= OPERATIONS || stopped -> break
    od
}

inline reach(object) {
    if
    :: object != NONE && !marked[object] -> marked[object] = true
    :: else
    fi
}

inline protect_all() {
    i = 0;
    do
    :: i < OBJECTS -> written[i] = false; i++
    :: else -> break
    od
}

inline search(object) {
    seen = field[object];
    reach(seen)
}

/* Until every marked object is searched. */
inline drain() {
    do
    :: marked[0] && !searched[0] -> searched[0] = true; search(0)
    :: marked[1] && !searched[1] -> searched[1] = true; search(1)
    :: marked[2] && !searched[2] -> searched[2] = true; search(2)
    :: marked[3] && !searched[3] -> searched[3] = true; search(3)
    :: marked[4] && !searched[4] -> searched[4] = true; search(4)
    :: else -> break
    od
}

inline mark_roots() {
    reach(global);
    reach(one);
    reach(other)
}

inline round_of_pages() {
    i = 0;
    do
    :: i < OBJECTS ->
        if
        :: written[i] ->
#ifdef READ_FIRST
            if
            :: marked[i] -> search(i)
            :: else
            fi;
            written[i] = false
#else
            written[i] = false;
            if
            :: marked[i] -> search(i)
            :: else
            fi
#endif
        :: else
        fi;
        i++
    :: else -> break
    od;
    drain()
}

bool reachable[OBJECTS];
inline reach_for_proof(object) {
    if
    :: object != NONE -> reachable[object] = true
    :: else
    fi
}

proctype collector() {
    byte i, round, seen;
#ifdef PROTECT_AGAIN
    protect_all();
#endif
    atomic {
        born_marked = true;
        mark_roots()
    };
    drain();
#ifndef NO_PAGES
    do
    :: round < ROUNDS -> round_of_pages(); round++
    :: else -> break
    od;
#endif
    atomic {
        stopped = true;
#if !defined(NO_LAST_PAGES) && !defined(NO_PAGES)
        i = 0;
        do
        :: i < OBJECTS ->
            if
            :: written[i] && marked[i] -> search(i)
            :: else
            fi;
            i++
        :: else -> break
        od;
#endif
#ifndef NO_LAST_ROOTS
        mark_roots();
#endif
        drain();
        reach_for_proof(global);
        reach_for_proof(one);
        reach_for_proof(other);
        round = 0;
        do
        :: round < OBJECTS ->
            i = 0;
            do
            :: i < OBJECTS ->
                if
                :: reachable[i] -> reach_for_proof(field[i])
                :: else
                fi;
                i++
            :: else -> break
            od;
            round++
        :: else -> break
        od;
        i = 0;
        do
        :: i < OBJECTS ->
            assert(!reachable[i] || marked[i]);
            i++
        :: else -> break
        od
    }
}

/* The program has made object 3 since, and put it into an old one. */
init {
    atomic {
        global = 0;
        one = 2;
        other = NONE;
        field[0] = 1;
        field[1] = 2;
        field[2] = 3;
        field[3] = NONE;
        field[4] = NONE;
        made[0] = true;
        made[1] = true;
        made[2] = true;
        made[3] = true;
        marked[0] = true;
        marked[1] = true;
        marked[2] = true;
        searched[0] = true;
        searched[1] = true;
        searched[2] = true;
        written[0] = true;
        written[2] = true;
        written[3] = true;
        written[4] = true
    };
    run program();
    run collector()
}
