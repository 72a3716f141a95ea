/* wake.pml - workers that sleep and are woken: is there ever work while everybody sleeps?
 *
 * The code of src/sched/wake.c, one step of it a step here: token_take, token_leave, wake_one, idle_pop, idle_leave;
 * of worker.c look, idle, seek_end; of sched.c sched_ready. Two workers and two tokens; two threads of the program
 * make a goroutine ready each, of which one may make another ready when it runs. (All workers are made: worker_start says
 * that there are as many as there may be. The observer, and tokens that are lost, are in takeover.pml.)
 *
 * What is shown: when nothing happens any more, everything that was made ready has run, nobody is counted as seeking, and
 * no token is in use.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DSLEEP_AT_ONCE    a worker does not look at the queues again once it is on the idle list
 *   -DNO_SECOND_LOOK   who found nobody to wake does not look again after it has given up seeking
 *   -DSEEKS_TO_END     a worker is counted as seeking until after that look
 *   -DTOKEN_TO_END     it leaves its token only after that look
 *
 *     spin -a wake.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m100000
 *
 * Abstractions: memory is sequentially consistent; a ring is a number, its owner and thieves take one at a time; run_next
 * is part of the ring; each look at a queue is a step.
 */
#define PROCESSORS 2
#define WORKERS 2
#define THREADS 2
#define NOBODY 99

byte running;
bool token[WORKERS];
byte ring[WORKERS];
byte global;
bool woken[WORKERS];
bool seeks[WORKERS];
bool on_idle[WORKERS];
byte seeking;

/* What is believed; no part of the code. */
byte ready, ran;
byte more = 1; /* goroutines that may still be made ready by others */

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
        d_step {
            if
            :: on_idle[0] -> who = 0; on_idle[0] = false
            :: !on_idle[0] && on_idle[1] -> who = 1; on_idle[1] = false
            :: else -> who = NOBODY
            fi
        }
        if
        :: who != NOBODY ->
            woken[who] = true;
            who = NOBODY;
            break
        :: else ->
            seeking--;
#ifdef NO_SECOND_LOOK
            break
#endif
        fi
    od
}

/* Takes from a ring or the queue of all. */
inline take(from) {
    atomic {
        if
        :: from > 0 -> from--; goto found
        :: else
        fi
    }
}

inline leave_token() {
    if
    :: token[me] -> token[me] = false; running--
    :: else
    fi
}
inline give_up_seeking() {
    atomic {
        if
        :: sought -> sought = false; seeking--
        :: else
        fi
    }
}

proctype worker(byte me) {
    byte who = NOBODY;
    bool sought;
again:
    if
    :: !token[me] ->
        atomic {
            if
            :: running < PROCESSORS -> running++
            :: else -> goto idle
            fi
        }
        token[me] = true
    :: else
    fi;
    take(ring[me]);
    take(global);
    atomic {
        if
        :: !seeks[me] && 2 * seeking < PROCESSORS -> seeks[me] = true
        :: else -> goto sought_or_not
        fi
    }
    seeking++;
sought_or_not:
    if
    :: seeks[me] ->
        take(ring[1 - me]);
        take(global)
    :: else
    fi;
idle:
    woken[me] = false;
    atomic { sought = seeks[me]; seeks[me] = false; on_idle[me] = true }
#ifndef TOKEN_TO_END
    leave_token();
#endif
#ifndef SEEKS_TO_END
    give_up_seeking();
#endif
#ifndef SLEEP_AT_ONCE
    if
    :: running >= PROCESSORS -> goto sleeps
    :: else
    fi;
    if
    :: global > 0 -> goto leaves
    :: else
    fi;
    if
    :: ring[1 - me] > 0 -> goto leaves
    :: else
    fi;
#endif
sleeps:
#ifdef TOKEN_TO_END
    leave_token();
#endif
#ifdef SEEKS_TO_END
    give_up_seeking();
#endif
end_sleeps:
    woken[me];
leaves:
#ifdef SEEKS_TO_END
    give_up_seeking();
#endif
    atomic {
        if
        :: on_idle[me] -> on_idle[me] = false; goto again
        :: else
        fi
    }
    woken[me]; /* who took it off the list says so next */
    seeks[me] = true;
    goto again;
found:
    if
    :: seeks[me] ->
        seeks[me] = false;
        atomic { sought = (seeking == 1); seeking-- }
        if
        :: sought && (global > 0 || ring[0] > 0 || ring[1] > 0) -> wake_one(who)
        :: else
        fi;
        sought = false
    :: else
    fi;
    ran++;
    if
    :: atomic { more > 0 -> more--; ready++ }
        ring[me]++;
        wake_one(who)
    :: true
    fi;
    goto again
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
    timeout -> assert(ran == ready && seeking == 0 && running == 0)
}
