/* snapshot.pml - marking in a copy of the process: a weak pointer gives the program an object that was not reachable when
 * the copy was made. Is it kept, with what it referred to then?
 *
 * The code of src/gc/snapshot.c, one step of it a step here: mark_snapshot with push_asked and asked_for, snapshot_keep;
 * and get_kept of special.c. X is an object that only a weak pointer refers to, and X refers to P. Two threads get X, and
 * move what it refers to into an old object O, which is a root and is not searched again. The copy may be ended at any time;
 * then O is searched in the last stop.
 *
 * What is shown: after the last stop, what O, or X if it is kept, or a thread refers to is marked; the memory that both
 * processes have is not touched after it was given up.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DNOT_ASKED        an object that a weak pointer gives is not asked for
 *   -DCLOSE_BLINDLY    the copy closes without looking whether more was asked for meanwhile
 *   -DBIT_FIRST        the bit is set before `asked` is odd
 *   -DNO_WAIT          who comes too late does not wait until marking is over
 *   -DNOT_INSIDE       the last stop does not wait for a thread that is asking
 *
 *     spin -a snapshot.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m100000
 *
 * Abstractions: memory is sequentially consistent; the last stop is one step, as is the copy's search.
 */
#define THREADS 2
#define CLOSED 99

/* The program. */
bool x_refers = true, o_refers = false, weak = true;
bool has_x[THREADS], has_p[THREADS]; /* in a register */
bool inside[THREADS];
bool marks = true; /* snapshot_is_marking */

/* What both processes have. */
byte asked = 0;
bool bit_x = false, found_x = false, found_p = false, done = false, ended = false, given_up = false;
bool lock = false;

proctype get(byte me) {
    bool kept = true;
    byte seen;
    do
    :: atomic { !weak -> goto over }
    :: atomic { weak && !marks -> has_x[me] = true; goto has }
    :: atomic { weak && marks -> has_x[me] = true };
#ifdef NOT_ASKED
       goto has;
#endif
#ifndef NOT_INSIDE
       /* INSIDE it looks again. */
       inside[me] = true;
       if
       :: atomic { !marks -> has_x[me] = weak; inside[me] = false; if :: has_x[me] -> goto has :: else -> goto over fi }
       :: marks
       fi;
#endif
       atomic { assert(!given_up); kept = bit_x };
       if
       :: kept -> skip
       :: else ->
#ifdef BIT_FIRST
          bit_x = true;
#endif
          atomic { !lock -> lock = true };
          seen = asked;
          atomic {
              assert(!given_up);
              kept = seen != CLOSED && asked == seen;
              if :: kept -> asked = seen + 1 :: else fi
          };
          if
          :: kept -> bit_x = true; asked = seen + 2
          :: else
          fi;
          lock = false
       fi;
#ifdef NO_WAIT
       kept = true;
#endif
       if
       :: kept -> inside[me] = false; goto has
       :: else -> atomic { has_x[me] = false; inside[me] = false }; !marks
       fi
    od;
has:
    /* The stop may come between any two of these. */
    has_p[me] = x_refers;
    if
    :: has_p[me] ->
       x_refers = false;
       o_refers = true;
       has_p[me] = false
    :: else
    fi;
    has_x[me] = false;
over:
    skip
}

/* It sees X and P as they were: X refers to P. */
proctype copy() {
    byte seen;
    bool x = false;
    do
    :: atomic { asked % 2 == 0 || asked == CLOSED -> seen = asked };
       x = x || bit_x;
#ifdef CLOSE_BLINDLY
       asked = CLOSED;
       break
#else
       if
       :: atomic { asked == seen -> asked = CLOSED }; break
       :: else
       fi
#endif
    od;
    found_x = x;
    bit_x = x; /* the bits are what was found */
    found_p = x;
    done = true
}

proctype collector() {
    bool m_x = false, m_p = false;
    if
    :: done
    :: ended = true /* killed */
    fi;
    atomic {
        !inside[0] && !inside[1] ->
        if
        :: ended && !done -> m_p = o_refers
        :: else -> m_x = found_x; m_p = found_p
        fi;
        /* The roots are searched again: registers. */
        if
        :: !m_x && (has_x[0] || has_x[1]) -> m_x = true; m_p = m_p || x_refers
        :: else
        fi;
        m_p = m_p || has_p[0] || has_p[1];
        assert(!o_refers || m_p);
        assert(!m_x || !x_refers || m_p);
        weak = m_x;
        marks = false;
        given_up = true
    }
}

init {
    atomic {
        run get(0);
        run get(1);
        run copy();
        run collector()
    }
}
