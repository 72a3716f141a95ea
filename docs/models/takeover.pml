/* takeover.pml - tokens: a worker that is stuck, or in bw_blocking, loses its token to another. Is there ever work that
 * nobody comes to, and do more run than may?
 *
 * The code of src/sched/wake.c, one step of it a step here: token_take, token_leave, wake_one, observer_want; of
 * observer.c observer_look; of worker.c idle, worker_steps_aside, seek_end; of sched.c blocking_ended, sched_ready,
 * next_at_once. One token, two workers; a thread of the program makes a goroutine ready, and that one more. One of them
 * may be in bw_blocking, and one be stuck for ever: then the observer takes its worker's token. Once it may take one from
 * a worker that is just slow.
 *
 * What is shown: there are never more tokens than processors, and as many as are counted. When nothing happens any more,
 * all that was made ready has run, or is stuck; nobody is counted as seeking, and there is no observer without work.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DSLEEP_AT_ONCE      a worker does not look whether there is work once it has left its token
 *   -DNO_OBSERVER        who has found something to run does not see to it that there is an observer
 *   -DREADY_UNTOLD       what a worker without a token makes ready wakes nobody
 *   -DNO_SECOND_LOOK     who found nobody to observe does not look again after it has given that up
 *   -DLEAVE_TWICE        a token is looked at and taken in two steps
 *   -DASIDE_UNTOLD       a goroutine in bw_blocking leaves its worker's queue to nobody
 *
 *     spin -a takeover.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m100000
 *
 * Abstractions: memory is sequentially consistent; a ring is a number; a look at all queues is one step; the clock is that
 * a sleeping observer looks whenever there is something to see; no timers and descriptors; all workers are made.
 */
#define PROCESSORS 1
#define WORKERS 2
#define THREADS 1
#define NOBODY 99

#define ASLEEP 0
#define TO_SEEK 1
#define TO_OBSERVE 2

byte running;
bool token[WORKERS];
byte ring[WORKERS];
bool next[WORKERS]; /* run_next */
byte global;
byte woken[WORKERS];
bool seeks[WORKERS], observes[WORKERS], on_idle[WORKERS];
byte seeking;
bool observing;

/* What is believed, and how much may happen; no part of the code. */
bool stuck[WORKERS];
byte ready, ran;
byte more = 1;   /* goroutines that others may make ready */
byte slow = 1;   /* tokens taken from workers that are not stuck */
byte blocks = 1; /* bw_blocking */
byte sticks = 1; /* goroutines that are stuck */

#define TOKENS (token[0] + token[1])
#define WORK(w) (ring[w] > 0 || (!token[w] && next[w]))
#define WORK_WAITS (global > 0 || WORK(0) || WORK(1))

inline token_take(me) {
    atomic {
        if
        :: running < PROCESSORS -> running++
        :: else -> goto idle
        fi
    }
    token[me] = true;
    assert(TOKENS <= PROCESSORS)
}

inline token_leave(w) {
#ifdef LEAVE_TWICE
    if
    :: token[w] -> token[w] = false; running--
    :: else
    fi
#else
    atomic {
        had = token[w];
        token[w] = false
    }
    if
    :: had -> had = false; running--
    :: else
    fi
#endif
}

inline idle_pop(who) {
    d_step {
        if
        :: on_idle[0] -> who = 0; on_idle[0] = false
        :: !on_idle[0] && on_idle[1] -> who = 1; on_idle[1] = false
        :: else -> who = NOBODY
        fi
    }
}

inline wake_one(who) {
    do
    :: seeking != 0 || running >= PROCESSORS -> break
    :: else ->
        if
        :: !on_idle[0] && !on_idle[1] -> break
        :: else
        fi;
        atomic {
            if
            :: seeking == 0 -> seeking = 1
            :: else -> break
            fi
        }
        idle_pop(who);
        if
        :: who != NOBODY -> woken[who] = TO_SEEK; who = NOBODY; break
        :: else -> seeking--
        fi
    od
}

inline observer_want(who) {
#ifdef NO_OBSERVER
    skip
#else
    do
    ::  atomic {
            if
            :: !observing -> observing = true
            :: else -> break
            fi
        }
        idle_pop(who);
        if
        :: who != NOBODY -> woken[who] = TO_OBSERVE; who = NOBODY; break
        :: else -> observing = false
        fi;
#ifdef NO_SECOND_LOOK
        break
#else
        if
        :: !on_idle[0] && !on_idle[1] -> break
        :: else
        fi
#endif
    od
#endif
}

proctype worker(byte me) {
    byte who = NOBODY;
    bool had, found;
find:
    if
    :: !token[me] -> token_take(me)
    :: else
    fi;
    /* look; its own first, then the others' and the queue of all */
    if
    :: atomic { next[me] -> next[me] = false }; goto found_one
    :: atomic { !next[me] && ring[me] > 0 -> ring[me]-- }; goto found_one
    :: atomic { !next[me] && ring[me] == 0 && global > 0 -> global-- }; goto found_one
    :: atomic { !next[me] && ring[me] == 0 && global == 0 }
    fi;
    if
    :: !seeks[me] && 2 * seeking < PROCESSORS -> seeks[me] = true; seeking++
    :: else
    fi;
    if
    :: seeks[me] ->
        if
        :: atomic { ring[1 - me] > 0 -> ring[1 - me]-- }; goto found_one
        :: atomic { ring[1 - me] == 0 && !token[1 - me] && next[1 - me] -> next[1 - me] = false }; goto found_one
        :: atomic { !WORK(1 - me) && global > 0 -> global-- }; goto found_one
        :: atomic { !WORK_WAITS }
        fi
    :: else
    fi;
idle:
    atomic { woken[me] = ASLEEP; found = seeks[me]; seeks[me] = false; on_idle[me] = true };
    token_leave(me);
    atomic {
        if
        :: found -> found = false; seeking--
        :: else
        fi
    }
    do
    ::
#ifndef SLEEP_AT_ONCE
        if
        :: woken[me] != ASLEEP || (running < PROCESSORS && WORK_WAITS) -> break
        :: else
        fi;
#else
        if
        :: woken[me] != ASLEEP -> break
        :: else
        fi;
#endif
        atomic {
            if
            :: !observes[me] && running > 0 && !observing -> observing = true; observes[me] = true
            :: else
            fi
        }
        if
        :: observes[me] ->
            /* The other's run_next, if it has a token and does not come to it; a token of one that is stuck, or slow. */
            if
            :: atomic { stuck[1 - me] && token[1 - me] } -> token_leave(1 - me)
            :: atomic { slow > 0 && token[1 - me] -> slow-- }; token_leave(1 - me)
            :: atomic { !token[1 - me] || !stuck[1 - me] }
            fi;
        :: else
        fi;
end_sleeps:
        /* By the clock the observer comes back whenever it would see something. */
        if
        :: woken[me] != ASLEEP
        :: observes[me] && (running < PROCESSORS || (stuck[1 - me] && token[1 - me]))
        fi;
        if
        :: observes[me] && running == 0 -> observes[me] = false; observing = false /* it looks again after this */
        :: else
        fi
    od;
    atomic {
        found = on_idle[me];
        on_idle[me] = false
    }
    if
    :: !found ->
        woken[me] != ASLEEP; /* who took it off the list says so next */
        if
        :: woken[me] == TO_SEEK -> seeks[me] = true
        :: else -> observes[me] = true
        fi
    :: else
    fi;
    found = false;
    goto find;
found_one:
    if
    :: seeks[me] ->
        seeks[me] = false;
        atomic { had = (seeking == 1); seeking-- };
        if
        :: had && WORK_WAITS -> wake_one(who)
        :: else
        fi
    :: else
    fi;
    had = false;
    if
    :: observes[me] -> observes[me] = false; observing = false
    :: else
    fi;
    observer_want(who);
goroutine:
    if
    :: atomic { more > 0 -> more--; ready++ }
        atomic { found = next[me]; next[me] = true }
        if
        :: found -> ring[me]++
        :: else
        fi;
#ifdef READY_UNTOLD
        if
        :: found -> wake_one(who)
#else
        if
        :: found || !token[me] -> wake_one(who)
#endif
        :: else
        fi;
        found = false;
        goto goroutine
    :: atomic { blocks > 0 -> blocks-- }
        token_leave(me);
#ifndef ASIDE_UNTOLD
        if
        :: WORK_WAITS -> wake_one(who)
        :: else
        fi;
        observer_want(who);
#endif
        if
        :: atomic { sticks > 0 -> sticks--; stuck[me] = true; ran++ }
end_blocked:
            false
        :: true
        fi;
        /* blocking_ended */
        if
        :: !token[me] ->
            atomic {
                if
                :: running < PROCESSORS -> running++
                :: else -> found = true
                fi
            }
            if
            :: found -> found = false; global++; wake_one(who); goto find
            :: else -> token[me] = true; assert(TOKENS <= PROCESSORS)
            fi
        :: else
        fi
    :: atomic { sticks > 0 -> sticks--; stuck[me] = true; ran++ }
end_stuck:
        false
    :: true
    fi;
    ran++;
    /* next_at_once */
    if
    :: !token[me] -> goto find
    :: else
    fi;
    if
    :: atomic { next[me] -> next[me] = false }; goto goroutine
    :: atomic { !next[me] && ring[me] > 0 -> ring[me]-- }; goto goroutine
    :: atomic { !next[me] && ring[me] == 0 && global > 0 -> global-- }; goto goroutine
    :: atomic { !next[me] && ring[me] == 0 && global == 0 }; goto find
    fi
}

active [THREADS] proctype program() {
    byte who = NOBODY;
    atomic { ready++; global++ }
    wake_one(who)
}

init {
    atomic {
        run worker(0);
        run worker(1)
    }
}

/* Runs when nobody else can. */
active proctype quiet() {
end_never:
    timeout ->
        assert(ran == ready && seeking == 0 && running == TOKENS);
        assert(!observing || running > 0)
}
