/* ownership.pml - who may hand out the free slots of a span: one span after a collection, and all that can happen to it.
 *
 * The code of src/heap/layout.c, sweep.c, cache.c and object.c, one step of it a step here: layout_take_several,
 * layout_sweep_one and settle, span_sweep, take_run, span_disown, layout_offer, layout_keep_empty, heap_free_empty,
 * object_free. Two threads allocate and free what they allocated, one object of the span is freed by a third, and the
 * background thread sweeps and gives the span back if it is empty.
 *
 * What is shown:
 *   - no two threads own the span at once, and nobody hands out a slot that is taken;
 *   - it is offered as partial or kept as empty, not both, and neither while somebody owns it;
 *   - nobody touches it after its pages are free;
 *   - in the end, if it has a free slot and was swept, somebody can find it: no free slot is lost.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DOWN_AFTER_SWEEP  a span is swept first and owned then: whoever frees an object of it meanwhile offers it to others
 *   -DLOOK_THEN_DISOWN span_disown looks for free slots before it gives up the span: a slot that is freed in between is lost
 *   -DCOUNT_THEN_OFFER object_free counts the object out before it has the lock: the span may be found empty and its pages
 *                      freed before it is offered
 *
 *     spin -a ownership.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *
 * Abstractions: memory is sequentially consistent; a layout has one span; no new span is made when there is none; the
 * cycle's number is a bit, since no collection happens while a thread is INSIDE (docs/models/stop.pml).
 */
#define SLOTS 2
#define ROUNDS 2

mtype = {UNSWEPT, SWEEPING, SWEPT};
mtype = {FREE, LIVE, DEAD};

/* The span. */
mtype swept = UNSWEPT;
mtype byte_of[SLOTS];
byte allocated;
bool owned;
bool tag; /* partial_tag is this cycle's */

/* Its layout. */
bool locked;
bool on_partial, on_empty;
bool taken;           /* sweep_next is past it */
bool in_array = true; /* layout->spans has it */

/* What is believed; no part of the code. */
byte owners;
bool gone;
byte ended;

#define LOCK() atomic { !locked; locked = true }
#define UNLOCK() locked = false
#define TOUCH() assert(!gone)

inline begin_owning() {
    d_step {
        assert(owners == 0);
        assert(!on_partial && !on_empty);
        owners++
    }
}

inline span_sweep() {
    TOUCH();
    atomic {
        if
        :: swept == UNSWEPT -> swept = SWEEPING; ours = true
        :: else -> ours = false
        fi
    }
    if
    :: ours ->
        kept = 0;
        for (i : 0 .. SLOTS - 1) {
            if
            :: byte_of[i] == LIVE -> kept++
            :: else -> byte_of[i] = FREE
            fi
        }
        allocated = kept;
        swept = SWEPT
    :: else -> swept == SWEPT
    fi;
    ours = false;
    kept = 0;
    i = 0
}

inline offer_locked() {
    TOUCH();
    if
    :: !owned && !tag ->
        assert(!on_partial && !on_empty);
        tag = true;
        on_partial = true
    :: else
    fi
}

inline layout_offer() {
    LOCK();
    offer_locked();
    UNLOCK()
}

inline span_disown() {
    owners--;
#ifdef LOOK_THEN_DISOWN
    offers = allocated < SLOTS;
    owned = false;
#else
    owned = false;
    offers = allocated < SLOTS;
#endif
    if
    :: offers -> layout_offer()
    :: else
    fi;
    offers = false
}

/* Of the one span: from a list, or to be swept. `mine` says whether the caller owns it afterwards. */
inline layout_take_several() {
    LOCK();
    if
    :: on_partial ->
        on_partial = false;
        tag = false;
        owned = true;
        mine = true;
        begin_owning()
    :: on_empty -> /* pop_empty: perhaps since an earlier cycle, and never swept in this one */
        on_empty = false;
        swept = SWEPT;
        owned = true;
        mine = true;
        begin_owning()
    :: else ->
        if
        :: !taken ->
            taken = true;
            if
            :: in_array && swept != SWEPT ->
                to_sweep = true;
#ifndef OWN_AFTER_SWEEP
                owned = true;
                begin_owning()
#endif
            :: else
            fi
        :: else
        fi
    fi;
    UNLOCK();
    if
    :: to_sweep ->
        span_sweep();
        to_sweep = false;
#ifdef OWN_AFTER_SWEEP
        owned = true;
        begin_owning();
#endif
        if
        :: allocated == SLOTS -> span_disown()
        :: else -> mine = true
        fi
    :: else
    fi
}

inline object_free(slot) {
    span_sweep();
    TOUCH();
    assert(byte_of[slot] == LIVE);
    byte_of[slot] = FREE;
#ifdef COUNT_THEN_OFFER
    allocated--;
    LOCK();
#else
    LOCK();
    allocated--;
#endif
    offer_locked();
    UNLOCK()
}

proctype allocates() {
    byte rounds, position, i, kept, got = SLOTS;
    bool mine, to_sweep, ours, offers;
    do
    :: rounds < ROUNDS ->
        rounds++;
        layout_take_several();
        if
        :: mine ->
            /* take_run: slot after slot, until there is none or the thread allocates no more. */
            position = 0;
            do
            :: position < SLOTS ->
                TOUCH();
                assert(swept == SWEPT);
                if
                :: byte_of[position] == FREE ->
                    byte_of[position] = LIVE;
                    allocated++;
                    got = position
                :: else
                fi;
                position++
            :: break
            od;
            position = 0;
            mine = false;
            if
            :: got < SLOTS -> object_free(got); got = SLOTS /* while it owns the span */
            :: true
            fi;
            span_disown();
            if
            :: got < SLOTS -> object_free(got)
            :: true
            fi;
            got = SLOTS
        :: else
        fi
    :: rounds == ROUNDS -> break
    od;
    ended++
}

proctype frees() {
    byte i, kept;
    bool ours;
    object_free(0);
    ended++
}

proctype background() {
    byte i, kept;
    bool to_sweep, ours, offers, popped;
    /* layout_sweep_one */
    LOCK();
    if
    :: !taken ->
        taken = true;
        if
        :: in_array && !on_empty && swept != SWEPT ->
            to_sweep = true;
#ifndef OWN_AFTER_SWEEP
            owned = true;
            begin_owning()
#endif
        :: else
        fi
    :: else
    fi;
    UNLOCK();
    if
    :: to_sweep ->
        span_sweep();
#ifdef OWN_AFTER_SWEEP
        owned = true;
        begin_owning();
#endif
        /* settle */
        if
        :: allocated == 0 ->
            /* layout_keep_empty */
            LOCK();
            assert(!on_partial && !on_empty);
            on_empty = true;
            owners--;
            owned = false;
            UNLOCK()
        :: else -> span_disown()
        fi
    :: else
    fi;
    /* heap_free_empty */
    LOCK();
    if
    :: on_empty ->
        on_empty = false;
        in_array = false;
        popped = true
    :: else
    fi;
    UNLOCK();
    if
    :: popped ->
        assert(allocated == 0 && owners == 0);
        gone = true
    :: else
    fi;
    ended++
}

init {
    byte processes = 3;
    atomic {
        /* The first object was found alive, and is freed; or dead. The others as it comes. */
        if
        :: byte_of[0] = LIVE;
            processes++;
            run frees()
        :: byte_of[0] = DEAD
        :: on_empty = true /* kept since an earlier cycle */
        fi;
        if
        :: on_empty ->
            byte_of[0] = FREE;
            byte_of[1] = FREE
        :: else ->
            if
            :: byte_of[1] = LIVE
            :: byte_of[1] = DEAD
            :: byte_of[1] = FREE
            fi
        fi;
        allocated = (byte_of[0] != FREE) + (byte_of[1] != FREE);
        run allocates();
        run allocates();
        run background()
    }
    ended == processes;
    assert(owners == 0 && !owned);
    assert(gone || allocated == (byte_of[0] != FREE) + (byte_of[1] != FREE));
    assert(gone || swept != SWEPT || allocated == SLOTS || on_partial || on_empty)
}
