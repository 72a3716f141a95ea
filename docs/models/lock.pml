/* lock.pml - the library's lock: does whoever sleeps for it wake up?
 *
 * The code of src/os/os_sync.c and os_lock_release: releasing writes `held` and then reads `sleepers`, with no barrier
 * between, so that the processor may read first: the write waits in the thread's store buffer (`pending`), which is
 * emptied some time later, by the thread's next atomic operation, or by the barrier that a sleeper has the kernel give
 * all threads. Three threads take the lock twice each; nobody spins first.
 *
 * What is shown: all of them get it, and no two have it at once.
 *
 * Variants that are wrong, and that the same search must find to be wrong:
 *   -DNO_BARRIER      a sleeper counts itself and sleeps
 *   -DBARRIER_FIRST   it has the barrier made before it counts itself
 *   -DNO_LOOK         it sleeps without having tried once more, whatever `held` is
 *
 *     spin -a lock.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan -m100000
 *
 * Abstractions: as x86-64 orders memory: only that write may be late. (On other processors the read may come early, which
 * is the same: the barrier orders it, too.)
 */
#define THREADS 3
#define TIMES 2

bool held;
byte sleepers;
bool pending[THREADS]; /* a write of `held = false` that no other thread sees yet */
bool asleep[THREADS];
byte inside; /* no part of the code */

#define FLUSH(i) if :: pending[i] -> pending[i] = false; held = false :: else fi

#define FLUSH_ALL() atomic { skip; FLUSH(0); FLUSH(1); FLUSH(2) }

inline try_lock(got) {
    atomic {
        got = false;
        FLUSH(_pid);
        got = !held;
        held = true
    }
}

active [THREADS] proctype thread() {
    byte times;
    bool got;
    do
    :: times == TIMES -> break
    :: else ->
        try_lock(got);
        if
        :: got
        :: else ->
#ifdef BARRIER_FIRST
            FLUSH_ALL()
#endif
            atomic { sleepers++; FLUSH(_pid) }
#if !defined(NO_BARRIER) && !defined(BARRIER_FIRST)
            FLUSH_ALL()
#endif
            do
            ::
#ifndef NO_LOOK
                try_lock(got);
                if
                :: got -> break
                :: else
                fi;
                /* the kernel compares and puts to sleep in one step */
                atomic {
                    if
                    :: held -> asleep[_pid] = true
                    :: else
                    fi
                }
#else
                asleep[_pid] = true;
#endif
                !asleep[_pid];
#ifdef NO_LOOK
                try_lock(got);
                if
                :: got -> break
                :: else
                fi
#endif
            od;
            atomic { sleepers--; FLUSH(_pid) }
        fi;
        inside++;
        assert(inside == 1);
        inside--;
        pending[_pid] = true; /* the release */
        if
        :: sleepers != 0 ->
            atomic { /* the system call empties the store buffer; it wakes one, if any sleeps */
                skip;
                FLUSH(_pid);
                if
                :: asleep[0] -> asleep[0] = false
                :: !asleep[0] && asleep[1] -> asleep[1] = false
                :: !asleep[0] && !asleep[1] -> asleep[2] = false
                fi
            }
        :: else
        fi;
        times++
    od
}

/* Store buffers empty themselves. */
active proctype buffers() {
end_empty:
    do
    :: atomic { pending[0] -> pending[0] = false; held = false }
    :: atomic { pending[1] -> pending[1] = false; held = false }
    :: atomic { pending[2] -> pending[2] = false; held = false }
    od
}
