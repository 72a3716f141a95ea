/* mutex.pml - bw_mutex: may two have it, may it be forgotten that somebody waits, may one be made ready too early, is the
 * mutex touched when it is gone?
 *
 * The code of src/sync/mutex.c and of burrow/sync.h, one step of it a step here: lock, unlock in a quiet place and in a
 * noisy one, waking, handing over, a place that becomes noisy and quiet again. Three goroutines lock and unlock it, some
 * of them twice; each drops a reference while it holds the mutex for the last time, and who dropped the last one frees it
 * when it has unlocked. Whether who was woken has waited too long, whether one that is handed the mutex has, and when a
 * place becomes quiet, is left open.
 *
 * Unlocking in a quiet place writes `locked` and then reads the place, with no barrier between, so that the processor may
 * read first: the write waits in the thread's store buffer (`pending`), which is emptied some time later, by the thread's
 * next atomic operation, or by the barrier that a waiter has the kernel give all threads.
 *
 * What is shown: at most one has the mutex; `needs` is right whenever nobody has the place's lock; a goroutine is made
 * ready only when its stack is left; a mutex that is gone is not looked at; all get it and end.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DNO_BARRIER        who makes a place noisy has no barrier made
 *   -DBARRIER_FIRST     it has it made before it writes that the place is noisy
 *   -DNO_LOOK           who has queued does not look whether the mutex is still locked
 *   -DEARLY_RELEASE     the place's lock is released before the waiter's stack is left
 *   -DNO_NEEDS          who waits again after having been woken is not counted
 *   -DFORGETS_NEXT      who leaves the queue does not count the one behind it
 *   -DONE_LOOK          in a noisy place who unlocks looks whether anybody needs it only before it does
 *   -DPLAIN_LOOK        who has unlocked in a place that is noisy by then looks whether it is needed with no barrier
 *   -DSTEALS            who finds the first waiter starving after having unlocked hands over what may be another's
 *   -DHANDS_TO_WOKEN    a starving waiter that was woken, and runs, is handed the mutex
 *   -DTOUCHES           who has unlocked in a quiet place looks at the mutex to see whether anybody waits
 *
 *     spin -a mutex.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m100000
 *
 * Abstractions: memory is ordered as on x86-64, of the unlocking write; sequentially consistent else. One mutex in the
 * place. Time is a choice; a goroutine that is ready runs.
 */
#define N 3
#define ROUNDS(me) (1 + (me < 2))

#define NOISY 0
#define QUIET 1

bool locked;
bool pending[N]; /* a write of `locked = false` that nobody else sees yet */
byte noise = QUIET;
bool guard;
byte needs;
byte queue[N];
byte queued;
bool first_woken, first_starving;
bool left[N]; /* its stack is left: it may be made ready */
bool ready[N];
bool handed[N];

/* What is believed; no part of the code. */
byte owners;
byte references = N;
bool gone;

#define FLUSH(i) if :: pending[i] -> pending[i] = false; locked = false :: else fi
#define FLUSH_ALL() atomic { skip; FLUSH(0); FLUSH(1); FLUSH(2) }
#define ACQUIRE() atomic { !guard; guard = true; FLUSH(me) }
#define RELEASE() d_step { assert(needs == (queued > 0 && !first_woken)); guard = false }

inline try_lock(got) {
    atomic {
        assert(!gone);
        FLUSH(me);
        got = !locked;
        locked = true
    }
}

inline append(who) {
    d_step {
        if
        :: queued == 0 -> first_woken = false; first_starving = false; needs++
        :: else
        fi;
        queue[queued] = who;
        queued++
    }
}
/* The first one leaves. */
inline leave(who) {
    d_step {
        assert(queued > 0);
        who = queue[0];
        queued--;
        i = 0;
        do
        :: i < queued -> queue[i] = queue[i + 1]; i++
        :: else -> break
        od;
        i = 0;
        if
        :: queued > 0 ->
            if
            :: first_woken ->
#ifndef FORGETS_NEXT
                needs++
#else
                skip
#endif
            :: else
            fi
        :: else ->
            if
            :: !first_woken -> needs--
            :: else
            fi
        fi;
        first_woken = false;
        first_starving = false
    }
}
inline hand_over(who) {
    leave(who);
    if
    :: queued > 0 -> first_starving = true /* it has waited so long, too */
    :: true
    fi;
    handed[who] = true
}
inline make_ready(who) {
    d_step { assert(left[who] && !ready[who]); ready[who] = true }
}

/* bw__mutex_unlocked */
inline unlocked() {
#ifdef PLAIN_LOOK
    needed_now = (needs > 0);
#else
    atomic { FLUSH(me); needed_now = (needs > 0) }
#endif
    if
    :: needed_now ->
        ACQUIRE();
        who = N;
        if
        :: queued > 0 && !first_woken ->
            if
            :: !first_starving ->
                d_step { who = queue[0]; first_woken = true; needs-- }
            :: else ->
#ifdef STEALS
                locked = true;
                got = true;
#else
                try_lock(got);
#endif
                if
                :: got -> hand_over(who)
                :: else
                fi
            fi
        :: else
        fi;
        RELEASE();
        if
        :: who < N -> make_ready(who)
        :: else
        fi
    :: else
    fi
}

proctype goroutine(byte me) {
    byte rounds, i, who;
    bool got, waits, last, needed, needed_now;
    do
    :: rounds == ROUNDS(me) -> break
    :: else ->
        waits = false;
        /* --- lock --- */
        do
        ::
            try_lock(got);
            if
            :: got ->
                if
                :: waits ->
                    ACQUIRE();
                    leave(who);
                    assert(who == me);
                    RELEASE()
                :: else
                fi;
                break
            :: else
            fi;
            ACQUIRE();
            if
            :: waits ->
                d_step {
                    first_woken = false;
#ifndef NO_NEEDS
                    needs++
#endif
                };
                if
                :: first_starving = true /* it has waited for too long */
                :: true
                fi
            :: else ->
                if
                :: noise == QUIET ->
#ifdef BARRIER_FIRST
                    FLUSH_ALL();
#endif
                    noise = NOISY;
#if !defined(NO_BARRIER) && !defined(BARRIER_FIRST)
                    FLUSH_ALL()
#endif
                :: else
                fi;
                handed[me] = false;
                waits = true;
                append(me)
            fi;
            assert(!gone);
            got = false;
#ifndef NO_LOOK
            if
            :: !locked && queue[0] == me ->
                d_step { first_woken = true; needs--; got = true };
                RELEASE()
            :: else
            fi;
#endif
            if
            :: got
            :: else ->
#ifdef EARLY_RELEASE
                RELEASE();
                left[me] = true;
#else
                left[me] = true;
                RELEASE();
#endif
                atomic { ready[me]; ready[me] = false; left[me] = false }
                if
                :: handed[me] -> break
                :: else
                fi
            fi
        od;
        owners++;
        assert(owners == 1);
        rounds++;
        last = false;
        if
        :: rounds == ROUNDS(me) -> d_step { references--; last = (references == 0) }
        :: else
        fi;
        owners--;
        /* --- unlock --- */
        if
        :: noise == QUIET ->
            assert(!gone);
            pending[me] = true;
#ifdef TOUCHES
            assert(!gone);
#endif
            if
            :: noise != QUIET -> unlocked()
            :: else
            fi
        :: else ->
            needed = (needs > 0);
            got = false;
            if
            :: needed ->
                ACQUIRE();
#ifdef HANDS_TO_WOKEN
                if
                :: queued > 0 && first_starving -> hand_over(who); got = true
                :: else
                fi;
#else
                if
                :: queued > 0 && !first_woken && first_starving -> hand_over(who); got = true
                :: else
                fi;
#endif
                RELEASE();
                if
                :: got -> make_ready(who)
                :: else
                fi
            :: else
            fi;
            if
            :: got
            :: else ->
                atomic { assert(!gone); FLUSH(me); locked = false }
#ifdef ONE_LOOK
                if
                :: needed -> unlocked()
                :: else
                fi;
#else
                unlocked();
#endif
                if
                :: !needed ->
                    /* found_nobody: it has lingered for long enough */
                    ACQUIRE();
                    if
                    :: queued == 0 && noise == NOISY -> noise = QUIET
                    :: else
                    fi;
                    RELEASE()
                :: true
                fi
            fi
        fi;
        if
        :: last -> atomic { FLUSH(me); gone = true }
        :: else
        fi
    od
}

/* Store buffers empty themselves. */
active proctype buffers() {
end_empty:
    do
    :: atomic { pending[0] -> pending[0] = false; locked = false }
    :: atomic { pending[1] -> pending[1] = false; locked = false }
    :: atomic { pending[2] -> pending[2] = false; locked = false }
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
    _nr_pr == 2;
    assert(gone && queued == 0 && needs == 0 && !guard && owners == 0)
}
