/* observer.c - the observer: an idle worker that sees to all that would wait for one goroutine to end its turn.
 *
 * One idle worker is the observer as long as any token is in use; for that there is one more worker than tokens. It
 * sleeps by the clock, less and less often, and looks:
 * - run_next alone wakes nobody: it would be taken to another processor each time two goroutines talk to one another.
 *   It is taken from a worker that has not come to it for a while.
 * - A worker that is in one turn for STUCK_NS loses its token. If its thread computes, and does not wait, that helps
 *   only to be fair, and makes a thread more: each that does so already makes the next wait longer.
 * - Timers, while all tokens are in use, and descriptors, while no worker comes to look.
 *
 * What it has seen of a worker is in the worker's `seen`: only the observer uses that, and there is one at a time.
 */
#include "worker.h"

#define OBSERVE_MOST_NS 5000000
#define UNPOLLED_NS 1000000 /* descriptors are left to the workers for so long */
#define QUIET_NS 10000000   /* no token in use for so long: the observer goes to sleep */
#define STUCK_NS 10000000

_Atomic bool sched_polled, sched_taken;

/* A worker's run_next that is there since before the last look, in the same turn. */
static struct worker *waiting_run_next(void) {
    struct worker *found = NULL;
    int count = atomic_load(&worker_count);
    for (int i = 0; i < count; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker == NULL || atomic_load(&worker->run_next) == NULL)
            continue;
        uint32_t turn = atomic_load_explicit(&worker->turn, memory_order_relaxed) + 1;
        if (worker->seen.next_in == turn)
            found = worker;
        worker->seen.next_in = turn;
    }
    return found;
}

static void take_from_stuck(uint64_t now) {
    int count = atomic_load(&worker_count), computing = 0;
    for (int i = 0; i < count; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker && token_lost(worker) && worker->seen.computes &&
            worker->seen.turn == atomic_load_explicit(&worker->turn, memory_order_relaxed))
            computing++;
    }
    for (int i = 0; i < count; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker == NULL || token_lost(worker))
            continue;
        if (atomic_load_explicit(&worker->thread->slowed, memory_order_relaxed))
            worker->seen.since = 0;
        uint32_t turn = atomic_load_explicit(&worker->turn, memory_order_relaxed);
        if (worker->seen.turn != turn || worker->seen.since == 0) {
            worker->seen.turn = turn;
            worker->seen.since = now;
            worker->seen.sampled = 0;
        } else if (now - worker->seen.since >= STUCK_NS / 2 && worker->seen.sampled == 0) {
            worker->seen.sampled = now;
            worker->seen.processor_ns = os_processor_ns_of(worker->thread->id);
        } else if (now - worker->seen.since >= STUCK_NS && worker->seen.sampled != 0) {
            uint64_t used = os_processor_ns_of(worker->thread->id) - worker->seen.processor_ns;
            worker->seen.computes = used > (now - worker->seen.sampled) / 2;
            uint64_t limit = STUCK_NS;
            if (worker->seen.computes)
                limit += STUCK_NS * (uint64_t)computing / (uint64_t)knobs_processors();
            if (now - worker->seen.since >= limit)
                token_leave(worker);
        }
    }
}

struct goroutine *observer_look(struct thread *self, struct worker *worker, const struct observer_pace *pace) {
    struct worker *from = waiting_run_next();
    if (from && token_is_free() && token_take(worker))
        return atomic_exchange(&from->run_next, NULL);
    take_from_stuck(os_now_ns());
    stacks_tend((int64_t)os_now_ns());
    if (!token_is_free())
        work_collect(self, worker, pace->unpolled >= UNPOLLED_NS);
    return NULL;
}

void observer_pause(struct worker *worker, struct observer_pace *pace) {
    if (atomic_exchange(&sched_taken, false) || atomic_load(&sched_running) > 0) {
        pace->quiet = 0;
    } else if ((pace->quiet += pace->pause) >= QUIET_NS && !stacks_tend((int64_t)os_now_ns())) {
        worker->observes = false;
        pace->quiet = 0;
        atomic_store(&sched_observing, 0); /* the loop in idle looks at the tokens after this */
    }
    bool unpolled = !atomic_exchange(&sched_polled, false) && !token_is_free() && atomic_load(&sched_poll_waiters) > 0;
    pace->unpolled = unpolled ? pace->unpolled + pace->pause : 0;
    int64_t most = unpolled ? UNPOLLED_NS : OBSERVE_MOST_NS;
    pace->pause = pace->pause * 2 < most ? pace->pause * 2 : most;
}
