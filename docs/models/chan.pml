/* chan.pml - a channel: does every value arrive once, and does nobody wait for ever?
 *
 * The code of src/lang/chan.c and chan.h, one step of it a step here: bw__chan_send, bw__chan_recv, bw__chan_close,
 * send_now, receive_now; of sched.c what they rely on: sched_park leaves the stack before commit releases the lock, and
 * sched_ready may have to wait for a stopped world, in which nobody may be INSIDE. Two senders of a value each, or one
 * of two; two receivers that receive until the channel is closed; one that closes it at any time; one collection. The
 * channel has room for nothing or for one value.
 *
 * What is shown: everything comes to an end. Each value that a sender was told is sent has been received, once, and none
 * of which it was told that the channel is closed; a receiver gets a sender's values in their order. A waiter's record is
 * not touched once its owner runs, and nobody is made ready whose stack is in use. Under the lock the invariants at the
 * head of chan.c hold.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DUNLOCK_ON_STACK      the lock is released before the stack is left
 *   -DUNLOCK_BEFORE_LIST   the lock is released before the record is on the list
 *   -DREADY_UNDER_LOCK     waiters are made ready before the lock is released
 *   -DDONE_AFTER_READY     a receiver is told that there is a value after it was made ready
 *   -DCLOSE_NO_SENDERS     closing takes no senders off their list
 *
 *     spin -a chan.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m100000
 *
 * Abstractions: memory is sequentially consistent; what is done under the lock, but for parking and what the variants
 * do there, is one step; a worker's way from the stack that is left to the commit is done by the goroutine's own process
 * (select.pml has another do it); what is made ready runs at once.
 */
#define SENDERS 2
#define RECEIVERS 2
#define SENDS 2 /* at most */
#define ALL (SENDERS + RECEIVERS + 1)
#define NOBODY 99

bool locked, closed;
byte capacity, count, ring;
chan receivers = [RECEIVERS] of { byte };
chan senders = [SENDERS] of { byte };

/* Of each goroutine: its record, and what the scheduler knows. */
byte value[ALL];
bool done[ALL], record[ALL], left[ALL], runnable[ALL];

/* Of the collector. */
bool stopping;
byte inside;

/* What is believed; no part of the code. */
byte sent[SENDERS];         /* values that the sender was told are sent */
bool came[SENDERS * SENDS]; /* a value is sender * SENDS + number */
byte ended;

#define ENTER() !stopping -> inside++
#define LEAVE() inside--
#define INVARIANT() assert((len(receivers) == 0 || (count == 0 && len(senders) == 0 && !closed)) && \
                           (len(senders) == 0 || (count == capacity && !closed)))
#define LOCK() !locked -> locked = true; INVARIANT()
#define UNLOCK() locked = false
#ifdef READY_UNDER_LOCK
#define UNLOCK_TO_READY() skip
#define UNLOCK_WHEN_READY() UNLOCK()
#else
#define UNLOCK_TO_READY() UNLOCK()
#define UNLOCK_WHEN_READY() skip
#endif

inline ready(who) {
    /* It may make a thread, and wait for the world to go on. */
    d_step { assert(left[who] && record[who] && !runnable[who]); LEAVE() };
    atomic { ENTER(); runnable[who] = true }
}

/* The record is on the list, but for one variant; the lock is held. */
inline park(list) {
#ifdef UNLOCK_BEFORE_LIST
    UNLOCK();
    list ! me;
    left[me] = true;
#else
#ifdef UNLOCK_ON_STACK
    UNLOCK();
    left[me] = true;
#else
    left[me] = true;
    UNLOCK();
#endif
#endif
    LEAVE();
    atomic { runnable[me]; runnable[me] = false; left[me] = false; ENTER() }
}
inline list_append(list) {
#ifdef UNLOCK_BEFORE_LIST
    skip
#else
    list ! me
#endif
}

/* Who is first on the list, or NOBODY. */
inline take(list, who) {
    if
    :: list ? who
    :: empty(list) -> who = NOBODY
    fi
}

/* Who was taken off the list is told, and made ready. */
inline tell(who) {
#ifdef DONE_AFTER_READY
    ready(who);
    assert(record[who]);
    done[who] = true;
#else
    atomic { assert(record[who]); done[who] = true; ready(who) };
#endif
    UNLOCK_WHEN_READY();
    who = NOBODY
}

proctype sender(byte me; byte values) {
    byte who, v;
    do
    :: v < values ->
        atomic { ENTER() };
        atomic {
            LOCK();
            who = NOBODY;
            if
            :: closed -> UNLOCK(); goto panics
            :: else
            fi;
            take(receivers, who);
            if
            :: who != NOBODY -> UNLOCK_TO_READY(); goto hand_over
            :: who == NOBODY && count < capacity -> ring = me * SENDS + v; count++; UNLOCK(); goto told
            :: else -> record[me] = true; done[me] = false; value[me] = me * SENDS + v; list_append(senders)
            fi
        }
        park(senders);
        atomic {
            record[me] = false;
            value[me] = 0;
            if
            :: done[me] -> done[me] = false; goto told
            :: else -> goto panics
            fi
        }
hand_over:
        atomic { assert(record[who]); value[who] = me * SENDS + v };
        tell(who);
told:
        atomic { LEAVE(); v++; sent[me] = v }
    :: else -> goto ends
    od;
panics:
    LEAVE();
ends:
    atomic { who = 0; v = 0; ended++ }
}

proctype receiver(byte me) {
    byte who, v;
    byte next[SENDERS]; /* of each sender, the least that may come */
    bool ok;
    do
    ::  atomic { ENTER() };
        atomic {
            LOCK();
            ok = true;
            take(senders, who);
            if
            :: count > 0 ->
                v = ring;
                if
                :: who != NOBODY -> ring = value[who]; UNLOCK_TO_READY(); goto ready_sender
                :: else -> count--; UNLOCK(); goto told
                fi
            :: count == 0 && who != NOBODY -> v = value[who]; UNLOCK_TO_READY(); goto ready_sender
            :: count == 0 && who == NOBODY && closed -> ok = false; UNLOCK(); goto told
            :: else -> record[me] = true; done[me] = false; list_append(receivers)
            fi
        }
        park(receivers);
        atomic { ok = done[me]; v = value[me]; record[me] = false; done[me] = false; value[me] = 0; goto told };
ready_sender:
        tell(who);
told:
        atomic {
            LEAVE();
            if
            :: !ok -> break
            :: else ->
                assert(!came[v] && v % SENDS >= next[v / SENDS]);
                came[v] = true;
                next[v / SENDS] = v % SENDS + 1;
                v = 0
            fi
        }
    od;
    atomic { next[0] = 0; next[1] = 0; ended++ }
}

proctype closer() {
    byte who;
    chan taken = [ALL] of { byte };
    atomic { ENTER() };
    atomic {
        LOCK();
        closed = true;
        do
        :: receivers ? who -> taken ! who
        :: empty(receivers) -> break
        od;
#ifndef CLOSE_NO_SENDERS
        do
        :: senders ? who -> taken ! who
        :: empty(senders) -> break
        od;
#endif
        UNLOCK_TO_READY()
    }
    do
    :: taken ? who -> ready(who)
    :: empty(taken) -> break
    od;
    UNLOCK_WHEN_READY();
    LEAVE();
    ended++
}

active proctype collector() {
    stopping = true;
    inside == 0;
    stopping = false
}

init {
    byte v;
    atomic {
        if
        :: capacity = 0
        :: capacity = 1
        fi;
        if
        :: run sender(0, 1); run sender(1, 1)
        :: run sender(0, 2); ended = 1
        fi;
        run receiver(SENDERS);
        run receiver(SENDERS + 1);
        run closer()
    }
    ended == ALL;
    assert(count == 0 && !locked && inside == 0);
    for (v : 0 .. SENDERS * SENDS - 1) {
        assert(came[v] == (v % SENDS < sent[v / SENDS]))
    }
}
