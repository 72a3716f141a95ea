/* select.pml - two selects across two channels, and others at the channels' other ends: is each case that goes on one that
 * was chosen, and does nobody wait beside somebody who waits for him?
 *
 * The code of src/lang/select.c and of list_take in chan.h, one step of it a step here: one_that_is_ready, lock_all, now,
 * wait, unlock_all as the commit of sched_park, done by another thread while the goroutine may run again already. Channels hold nothing. One
 * goroutine selects between sending to channel 0 and receiving from channel 1, twice; one between sending to 1 and
 * receiving from 0, twice; one receives from 0, one sends to 1, one closes channel 1 at any time.
 *
 * What is shown: what is sent to a channel, as far as the sender knows, is received from it; nobody is made ready twice, or while its stack is in use;
 * no record is touched after its owner has gone on, neither by who takes waiters off a list nor by the commit. When
 * nothing happens any more, no two wait for one another, nobody waits for the closed channel, and no lock is held.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DNO_CAS             who comes to a waiter of a select takes it without looking whether another was taken before
 *   -DLOCK_AS_WRITTEN    the locks are taken in the order of the cases, not of the channels
 *   -DLIST_ONE_BY_ONE    each lock is released as soon as the waiter is on that channel's list
 *   -DSTAYS_LISTED       a select that goes on leaves its other waiters on their lists
 *   -DNO_SECOND_LOOK     who finds all of a case's waiters taken, its other locks released, does not look at the cases
 *                        before it again
 *   -DNO_LOOK_LOCKED     who has found nothing ready without a lock waits, and does not look once all are locked
 *
 *     spin -a select.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m100000
 *
 * Abstractions: memory is sequentially consistent; what is done with all locks held is one step; no two cases of a select
 * are for the same channel.
 */
#define SELECTS 2
#define ALL (SELECTS + 2)
#define NOBODY 99

/* A waiter is its owner's number * 2 + the case's. */
#define OWNER(w) ((w) / 2)
#define SENDS(w) ((w) == 0 || (w) == 2 || (w) == 6)
#define CHANNEL(w) ((w) == 1 || (w) == 2 || (w) == 6)

bool locked[2], closed[2];
chan receivers[2] = [ALL] of { byte };
chan senders[2] = [ALL] of { byte };

/* Of each goroutine: its records, what the scheduler knows, and its worker. */
bool taken[ALL];
byte which[ALL];
bool record[ALL], left[ALL], runnable[ALL], parks[ALL];
bool listed[ALL * 2], done[ALL * 2];

/* What is believed; no part of the code. */
byte sent[2], received[2];

#define LOCK(c) atomic { !locked[c] -> locked[c] = true }
#define UNLOCK(c) locked[c] = false

inline list_append(w) {
    if
    :: SENDS(w) -> senders[CHANNEL(w)] ! w
    :: else -> receivers[CHANNEL(w)] ! w
    fi;
    listed[w] = true
}
inline list_remove(w) {
    if
    :: !listed[w]
    :: listed[w] && SENDS(w) -> senders[CHANNEL(w)] ?? eval(w)
    :: else -> receivers[CHANNEL(w)] ?? eval(w)
    fi;
    listed[w] = false
}

/* The first waiter on one of the channel's lists that is still to be had, or NOBODY. Each turn is a step. */
inline list_take(of_senders, c, w) {
    do
    ::  atomic {
            if
            :: of_senders && len(senders[c]) > 0 -> senders[c] ? w
            :: !(of_senders) && len(receivers[c]) > 0 -> receivers[c] ? w
            :: else -> w = NOBODY; break
            fi;
            assert(record[OWNER(w)]);
            listed[w] = false;
#ifndef NO_CAS
            if
            :: OWNER(w) >= SELECTS || !taken[OWNER(w)] -> taken[OWNER(w)] = true; which[OWNER(w)] = w; break
            :: else /* passed over */
            fi
#else
            taken[OWNER(w)] = true; which[OWNER(w)] = w; break
#endif
        }
    od
}

inline ready(who) {
    assert(record[who] && left[who] && !runnable[who]);
    runnable[who] = true
}

#define GOES_ON(w) if :: SENDS(w) -> sent[CHANNEL(w)]++ :: else -> received[CHANNEL(w)]++ fi

inline hand_over(mine, w) {
    atomic { done[w] = true; GOES_ON(mine); ready(OWNER(w)); w = NOBODY }
}

/* The worker that was on the stack of goroutine `me`: the commit. */
proctype worker(byte me) {
end_idle:
    do
    :: parks[me] ->
        d_step { parks[me] = false; left[me] = true };
#ifndef LIST_ONE_BY_ONE
        d_step { assert(record[me]); UNLOCK(0) };
        d_step { assert(record[me]); UNLOCK(1) }
#endif
    od
}

#define SEEMS_READY(w)                                                                                                 \
    (closed[CHANNEL(w)] || (SENDS(w) && len(receivers[CHANNEL(w)]) > 0) || (!SENDS(w) && len(senders[CHANNEL(w)]) > 0))

inline lock_all() {
#ifdef LOCK_AS_WRITTEN
    LOCK(CHANNEL(me * 2));
    LOCK(1 - CHANNEL(me * 2))
#else
    LOCK(0);
    LOCK(1)
#endif
}

proctype selects(byte me; byte rounds) {
    byte w, turn, at;
    do
    :: rounds > 0 ->
        rounds--;
        if
        :: turn = 0
        :: turn = 1
        fi;
        /* one_that_is_ready: what was seen without the lock, of either case, may be so no more. */
        w = NOBODY;
        if
        :: SEEMS_READY(me * 2) -> w = me * 2
        :: SEEMS_READY(me * 2 + 1) -> w = me * 2 + 1
        :: else
        fi;
        if
        :: w != NOBODY ->
            LOCK(CHANNEL(w));
            at = w;
            if
            :: SENDS(at) && closed[CHANNEL(at)] -> UNLOCK(CHANNEL(at)); goto panics
            :: else
            fi;
            list_take(!SENDS(at), CHANNEL(at), w);
            if
            :: w != NOBODY -> UNLOCK(CHANNEL(at)); hand_over(at, w); goto chosen
            :: w == NOBODY && closed[CHANNEL(at)] -> UNLOCK(CHANNEL(at)); goto chosen
            :: else -> UNLOCK(CHANNEL(at))
            fi
        :: else
        fi;
        lock_all();
#ifdef NO_LOOK_LOCKED
        goto waits;
#endif
again:
        at = 0;
look:
        do
        :: at < 2 ->
            w = me * 2 + ((turn + at) % 2);
            if
            :: SENDS(w) && closed[CHANNEL(w)] -> UNLOCK(0); UNLOCK(1); goto panics
            :: (SENDS(w) && !closed[CHANNEL(w)] && len(receivers[CHANNEL(w)]) > 0) ||
               (!SENDS(w) && (len(senders[CHANNEL(w)]) > 0 || closed[CHANNEL(w)])) ->
                UNLOCK(1 - CHANNEL(w));
                at = w;
                list_take(!SENDS(at), CHANNEL(at), w);
                if
                :: w != NOBODY -> UNLOCK(CHANNEL(at)); hand_over(at, w); goto chosen
                :: w == NOBODY && closed[CHANNEL(at)] -> UNLOCK(CHANNEL(at)); goto chosen
                :: else -> UNLOCK(CHANNEL(at))
                fi;
                lock_all();
#ifdef NO_SECOND_LOOK
                at = ((at % 2) + 2 - turn) % 2 + 1
#else
                goto again
#endif
            :: else -> at++
            fi
        :: else -> break
        od;
waits:
#ifdef LIST_ONE_BY_ONE
        atomic { record[me] = true; taken[me] = false; done[me * 2] = false; done[me * 2 + 1] = false };
        at = me * 2;
        list_append(at);
        UNLOCK(CHANNEL(me * 2));
        at = me * 2 + 1;
        list_append(at);
        UNLOCK(CHANNEL(me * 2 + 1));
        parks[me] = true;
#else
        atomic {
            record[me] = true;
            taken[me] = false;
            done[me * 2] = false;
            done[me * 2 + 1] = false;
            at = me * 2;
            list_append(at);
            at = me * 2 + 1;
            list_append(at);
            parks[me] = true
        }
#endif
end_waits:
        atomic { runnable[me] -> runnable[me] = false; left[me] = false };
#ifndef STAYS_LISTED
        lock_all();
        atomic {
            at = me * 2;
            list_remove(at);
            at = me * 2 + 1;
            list_remove(at);
            UNLOCK(0)
        }
        UNLOCK(1);
#endif
        atomic {
            at = which[me];
            assert(OWNER(at) == me);
            record[me] = false;
            which[me] = 0;
            if
            :: done[at] -> GOES_ON(at)
            :: !done[at] && SENDS(at) -> goto panics
            :: else
            fi
        }
chosen:
        at = 0
    :: else -> break
    od;
panics:
    skip
}

proctype plain(byte me) {
    byte w;
    LOCK(CHANNEL(me * 2));
    if
    :: closed[CHANNEL(me * 2)] -> UNLOCK(CHANNEL(me * 2)); goto ends
    :: else
    fi;
    list_take(!SENDS(me * 2), CHANNEL(me * 2), w);
    if
    :: w != NOBODY ->
        UNLOCK(CHANNEL(me * 2));
        hand_over(me * 2, w)
    :: else ->
        atomic { record[me] = true; list_append(me * 2) };
        d_step { left[me] = true; UNLOCK(CHANNEL(me * 2)) };
end_waits:
        atomic {
            runnable[me] -> runnable[me] = false;
            record[me] = false;
            if
            :: done[me * 2] -> GOES_ON(me * 2)
            :: else
            fi
        }
    fi;
ends:
    skip
}

proctype closer() {
    byte w;
    chan all = [ALL] of { byte };
    LOCK(1);
    closed[1] = true;
    do
    :: list_take(false, 1, w);
        if
        :: w != NOBODY -> all ! w
        :: else -> break
        fi
    od;
    do
    :: list_take(true, 1, w);
        if
        :: w != NOBODY -> all ! w
        :: else -> break
        fi
    od;
    UNLOCK(1);
    do
    :: atomic { len(all) > 0 -> all ? w; ready(OWNER(w)) }
    :: len(all) == 0 -> break
    od
}

init {
    atomic {
        run selects(0, 2);
        run selects(1, 2);
        run plain(2);
        run plain(3);
        run closer();
        run worker(0);
        run worker(1)
    }
}

/* Is there a waiter on the list that is still to be had? */
#define WAITS(w) (listed[w] && (OWNER(w) >= SELECTS || !taken[OWNER(w)]))

/* Runs when nobody else can. */
active proctype quiet() {
end_never:
    timeout ->
        assert(!locked[0] && !locked[1]);
        assert(sent[0] == received[0] && sent[1] == received[1]);
        assert(!(WAITS(0) && (WAITS(3) || WAITS(4))));
        assert(!WAITS(1) && !WAITS(2) && !WAITS(6))
}
