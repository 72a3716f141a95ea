/* wake.pml - workers that sleep and are woken: is there ever work while everybody sleeps?
 *
 * The code of src/sched/sched.c, one step of it a step here: wake_one, idle_pop, idle_leave, find_work, seek_end,
 * sched_ready. Two workers; two threads of the program make a goroutine ready each, of which one may make another ready
 * when it runs. (All workers are made: worker_start says that there are as many as there may be.)
 *
 * What is shown: when nothing happens any more, everything that was made ready has run, and nobody is counted as seeking.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DSLEEP_AT_ONCE    a worker does not look at the queues again once it is on the idle list
 *   -DNO_SECOND_LOOK   who found nobody to wake does not look again after it has given up seeking
 *   -DSET_AFTER_LIST   a worker clears its own mark of seeking only when it is on the idle list
 *
 *     spin -a wake.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *
 * Abstractions: memory is sequentially consistent; a ring is a number, its owner and thieves take one at a time; run_next
 * is part of the ring; the observer, which only makes things happen sooner, is left out.
 */
#define WORKERS 2
#define THREADS 2

byte ring[WORKERS];
byte global;
bool woken[WORKERS];
bool seeks[WORKERS];
bool on_idle[WORKERS];
byte idle_count;
byte seeking;
bool locked;

/* What is believed; no part of the code. */
byte ready, ran;
byte more = 1; /* goroutines that may still be made ready by others */

#define LOCK() atomic { !locked; locked = true }
#define UNLOCK() locked = false

inline wake_one(victim, got) {
    do
    :: seeking != 0 -> break
    :: else ->
        if
        :: idle_count == 0 -> break
        :: else
        fi;
        atomic {
            if
            :: seeking == 0 -> seeking = 1; got = true
            :: else -> got = false
            fi
        }
        if
        :: !got -> break
        :: else
        fi;
        LOCK();
        d_step {
            got = true;
            if
            :: on_idle[0] -> victim = 0
            :: !on_idle[0] && on_idle[1] -> victim = 1
            :: else -> got = false
            fi;
            if
            :: got -> on_idle[victim] = false; idle_count--
            :: else
            fi
        }
        UNLOCK();
        if
        :: got ->
            seeks[victim] = true;
            woken[victim] = true;
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
inline take(from, got) {
    atomic {
        if
        :: from > 0 -> from--; got = true
        :: else -> got = false
        fi
    }
}

proctype worker(byte me) {
    bool got, sought, was;
    byte victim;
again:
    take(ring[me], got);
    if
    :: got -> goto found
    :: else
    fi;
    take(global, got);
    if
    :: got -> goto found
    :: else
    fi;
    if
    :: !seeks[me] && 2 * seeking < WORKERS -> seeks[me] = true; seeking++
    :: else
    fi;
    if
    :: seeks[me] ->
        take(ring[1 - me], got);
        if
        :: got -> goto found
        :: else
        fi;
        take(global, got);
        if
        :: got -> goto found
        :: else
        fi
    :: else
    fi;
    woken[me] = false;
#ifndef SET_AFTER_LIST
    sought = seeks[me];
    seeks[me] = false;
#endif
    LOCK();
    d_step { on_idle[me] = true; idle_count++ }
    UNLOCK();
#ifdef SET_AFTER_LIST
    sought = seeks[me];
    seeks[me] = false;
#endif
    if
    :: sought -> seeking--
    :: else
    fi;
    do
    ::
        got = false;
#ifndef SLEEP_AT_ONCE
        take(ring[1 - me], got);
        if
        :: !got -> take(global, got)
        :: else
        fi;
#endif
        if
        :: got ->
            LOCK();
            d_step {
                was = on_idle[me];
                if
                :: was -> on_idle[me] = false; idle_count--
                :: else
                fi
            }
            UNLOCK();
            if
            :: !was -> woken[me] /* who took it off the list says so next */
            :: else
            fi;
            goto found
        :: else
        fi;
end_asleep:
        woken[me];
        goto again
    od;
found:
    if
    :: seeks[me] ->
        seeks[me] = false;
        atomic { was = (seeking == 1); seeking-- }
        if
        :: was -> wake_one(victim, got)
        :: else
        fi
    :: else
    fi;
    ran++;
    if
    :: atomic { more > 0 -> more--; ready++ }
        ring[me]++;
        wake_one(victim, got)
    :: true
    fi;
    goto again
}

active [THREADS] proctype program() {
    byte victim;
    bool got;
    atomic { ready++; global++ }
    wake_one(victim, got)
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
    timeout -> assert(ran == ready && seeking == 0 && !locked)
}
