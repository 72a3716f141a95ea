/* mutex.pml - bw_mutex: may two have it, may it be forgotten that somebody waits, may one be made ready too early?
 *
 * The code of src/sync/mutex.c, one step of it a step here: lock (with spinning), unlock, waking, handing over, against
 * parking and making ready. Three goroutines lock and unlock it several times. Whether one spins, whether one that was
 * woken has waited too long, and whether one that is handed the mutex has, is left open.
 *
 * What is shown: at most one has the mutex; the bit WAITERS is right whenever nobody has the guard; who is to wake or to
 * hand over finds a waiter; a goroutine is made ready only when its stack is left; nothing stops before all have ended,
 * and then the mutex is as it was.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DNO_SECOND_LOOK      who is to wait does not look again, under the guard, whether the mutex is still locked
 *   -DEARLY_RELEASE       the guard is released before the waiter's stack is left
 *   -DKEEPS_WOKEN         who has been woken, and waits again, leaves the bit WOKEN as it is
 *   -DWAKES_WITHOUT_MARK  who unlocks wakes a waiter and does not set WOKEN
 *   -DHANDS_OVER_FREE     who hands over clears LOCKED, and the new owner takes it for its own all the same
 *
 *     spin -a mutex.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m100000
 *
 * Abstractions: memory is sequentially consistent; time is a choice; a goroutine that is ready runs.
 */
#define N 3
#define ROUNDS(me) (1 + (me < 2))

#define LOCKED 1
#define WAITERS 2
#define STARVING 4
#define WOKEN 8

byte state;
bool guard;
byte queue[N];
byte queued;
bool left[N];   /* its stack is left: it may be made ready */
bool ready[N];
bool handed[N];

/* What is believed; no part of the code. */
byte owners;

#define ACQUIRE() atomic { !guard; guard = true }
#define RELEASE() d_step { assert(((state & WAITERS) != 0) == (queued > 0)); guard = false }

/* Sets `was` if the state was as expected, and is changed; else `seen` to what it is. */
inline change(to) {
    d_step {
        swapped = (state == seen);
        if
        :: swapped -> state = to
        :: else -> seen = state
        fi
    }
}

inline append(who) {
    d_step { queue[queued] = who; queued++ }
}
inline prepend(who) {
    d_step {
        i = queued;
        do
        :: i > 0 -> queue[i] = queue[i - 1]; i--
        :: else -> break
        od;
        queue[0] = who;
        queued++;
        i = 0
    }
}
inline take(who) {
    d_step {
        assert(queued > 0);
        who = queue[0];
        queued--;
        i = 0;
        do
        :: i < queued -> queue[i] = queue[i + 1]; i++
        :: else -> break
        od;
        i = 0
    }
}

inline make_ready(who) {
    d_step { assert(left[who] && !ready[who]); ready[who] = true }
}

proctype goroutine(byte me) {
    byte rounds, seen, i, who;
    byte woken, starving; /* bits */
    bool swapped, waited, spun;
    do
    :: rounds == ROUNDS(me) -> break
    :: else ->
        woken = 0;
        starving = 0;
        waited = false;
        spun = false;
        /* --- lock --- */
        seen = 0;
        change(LOCKED);
        if
        :: swapped -> goto locked
        :: else
        fi;
again:
        seen = state;
        do
        :: !(seen & LOCKED) ->
            change((seen | LOCKED) & ~woken);
            if
            :: swapped -> goto locked
            :: else
            fi
        :: (seen & LOCKED) && !(seen & STARVING) && !spun ->
            /* It spins once, if at all. */
            if
            :: !woken && (seen & WAITERS) && !(seen & WOKEN) ->
                change(seen | WOKEN);
                if
                :: swapped -> woken = WOKEN
                :: else
                fi
            :: true
            fi;
            spun = true;
            seen = state
        :: (seen & LOCKED) ->
            ACQUIRE();
            seen = state;
            do
            ::
#ifndef NO_SECOND_LOOK
                if
                :: !(seen & LOCKED) ->
                    RELEASE();
                    goto again
                :: else
                fi;
#endif
#ifdef KEEPS_WOKEN
                change(seen | WAITERS | starving);
#else
                change((seen | WAITERS | starving) & ~woken);
#endif
                if
                :: swapped -> break
                :: else
                fi
            od;
            handed[me] = false;
            if
            :: waited -> prepend(me)
            :: else -> append(me)
            fi;
            waited = true;
#ifdef EARLY_RELEASE
            RELEASE();
            left[me] = true;
#else
            left[me] = true;
            RELEASE();
#endif
            atomic { ready[me]; ready[me] = false; left[me] = false }
            if
            :: handed[me] -> goto locked
            :: else
            fi;
            woken = WOKEN;
            spun = false;
            if
            :: starving = STARVING /* it has waited for too long */
            :: true
            fi;
            seen = state
        od;
locked:
        owners++;
        assert(owners == 1);
        owners--;
        /* --- unlock --- */
        seen = LOCKED;
        change(0);
        do
        :: swapped -> break
        :: else ->
            assert(seen & LOCKED);
            if
            :: seen & STARVING ->
                ACQUIRE();
                take(who);
                d_step {
                    if
                    :: queued == 0 -> state = state & ~(WAITERS | STARVING)
                    :: else
                    fi
                }
                if
                :: queued > 0 -> d_step { state = state & ~STARVING } /* it has not waited for so long */
                :: true
                fi;
                handed[who] = true;
#ifdef HANDS_OVER_FREE
                d_step { state = state & ~LOCKED }
#endif
                RELEASE();
                make_ready(who);
                break
            :: else ->
                if
                :: (seen & WAITERS) && !(seen & WOKEN) ->
#ifdef WAKES_WITHOUT_MARK
                    change(seen & ~LOCKED);
#else
                    change((seen & ~LOCKED) | WOKEN);
#endif
                    if
                    :: swapped ->
                        ACQUIRE();
                        take(who);
                        d_step {
                            if
                            :: queued == 0 -> state = state & ~WAITERS
                            :: else
                            fi
                        }
                        RELEASE();
                        make_ready(who)
                    :: else
                    fi
                :: else ->
                    change(seen & ~LOCKED)
                fi
            fi
        od;
        rounds++
    od
}

init {
    byte n;
    atomic {
        do
        :: n < N -> run goroutine(n); n++
        :: else -> break
        od
    }
    _nr_pr == 1;
    assert(state == 0 && queued == 0 && !guard && owners == 0)
}
