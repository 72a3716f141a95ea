/* wake.c - tokens, and who is woken, or made, when there is work.
 *
 * Whoever adds work looks at the tokens, and at the idle list, after that; a worker that goes to sleep puts itself on
 * the list and gives its token up before it looks for the last time. Both sequentially consistent, so that one sees the
 * other. At most one worker is woken at a time: it is `seeking` until it has found something, and then wakes the next if
 * there is more (docs/models/wake.pml).
 *
 * Whoever takes a worker off the idle list has counted it as seeking, or as the observer, before that, and tells it which
 * by `woken`. Whoever gets a token makes sure that there is an observer; the observer looks at the tokens after giving
 * up (docs/models/takeover.pml).
 *
 * The poller and the observer sleep until a time. Each writes until when, and then looks at the timers; whoever adds a
 * timer looks at that time afterwards, and if it is too late has the sleeper look again.
 */
#include "worker.h"

#include <errno.h>
#include <string.h>

#define REFUSED_NS 10000000
#define SOON_NS 200000 /* until then the worker most likely looks itself, or says that it does not */

struct worker *_Atomic workers[MOST_WORKERS];
_Atomic int worker_count;

_Atomic int sched_running, sched_seeking, sched_observing, sched_polling;
struct sleeper sched_poller, sched_observer;

static _Atomic int promised;          /* workers that are made or being made */
static _Atomic int64_t refused_until; /* the system would not give one: none is asked for before that; 0: it did */

static os_lock lock; /* of the idle list */
static struct worker *idle_list;
static _Atomic int idle_count; /* on it */

/* --- tokens --- */

bool token_take(struct worker *worker) {
    sched_stress();
    int now = atomic_load(&sched_running);
    do {
        if (now >= knobs_processors())
            return false;
    } while (!atomic_compare_exchange_weak(&sched_running, &now, now + 1));
    atomic_store(&worker->token, 1);
    if (!atomic_load_explicit(&sched_taken, memory_order_relaxed))
        atomic_store(&sched_taken, true);
    return true;
}

void sched_processors_changed(struct thread *self) {
    int count = atomic_load(&worker_count);
    for (int i = 0; i < count && atomic_load(&sched_running) > knobs_processors(); i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker)
            token_leave(worker);
    }
    wake_one(self);
}

void sched_read_figures(struct sched_figures *now) {
    *now = (struct sched_figures){knobs_processors(), atomic_load(&worker_count) - atomic_load(&sched_sleeping),
                                  atomic_load(&sched_seeking), atomic_load(&idle_count)};
}

/* --- waking --- */

static struct worker *idle_pop(void) {
    if (atomic_load(&idle_count) == 0)
        return NULL;
    os_lock_acquire(&lock);
    struct worker *worker = idle_list;
    if (worker) {
        idle_list = worker->next_idle;
        atomic_fetch_sub(&idle_count, 1);
    }
    os_lock_release(&lock);
    return worker;
}

void idle_push(struct worker *worker) {
    sched_stress();
    os_lock_acquire(&lock);
    worker->next_idle = idle_list;
    idle_list = worker;
    atomic_fetch_add(&idle_count, 1);
    os_lock_release(&lock);
}

bool idle_leave(struct worker *worker) {
    bool found = false;
    os_lock_acquire(&lock);
    for (struct worker **at = &idle_list; *at; at = &(*at)->next_idle)
        if (*at == worker) {
            *at = worker->next_idle;
            atomic_fetch_sub(&idle_count, 1);
            found = true;
            break;
        }
    os_lock_release(&lock);
    return found;
}

void worker_interrupt(struct worker *worker) {
    if (atomic_load(&worker->in_poll))
        poll_hooks_if_linked()->wake();
    else
        os_wake(&worker->woken, 1);
}

/* It is off the idle list. */
static void wake(struct worker *worker, enum woken why) {
    atomic_store(&worker->woken, why);
    worker_interrupt(worker);
}

/* If it sleeps longer than that it looks again. */
static void look_again_at(struct sleeper *sleeper, int64_t when) {
    if (when >= atomic_load(&sleeper->until))
        return;
    struct worker *worker = atomic_load(&sleeper->worker);
    uint32_t asleep = ASLEEP;
    if (worker && atomic_compare_exchange_strong(&worker->woken, &asleep, LOOK_AGAIN))
        worker_interrupt(worker);
}

void token_leave(struct worker *worker) {
    sched_stress();
    if (atomic_exchange(&worker->token, 0) != 1)
        return;
    atomic_fetch_sub(&sched_running, 1);
    int64_t next = timers_next(&worker->timers);
    if (next != INT64_MAX) { /* it has not told anybody of those that are due very soon */
        look_again_at(&sched_poller, next);
        look_again_at(&sched_observer, next);
    }
}

static bool may_make(void) {
    int64_t until = atomic_load(&refused_until);
    return atomic_load(&promised) < MOST_WORKERS && (until == 0 || (int64_t)os_now_ns() >= until);
}

/* One more, which seeks or observes; false: there are as many as there may be for now. */
static bool worker_start(struct thread *self, bool seeks) {
    int others = atomic_load(&promised);
    do {
        if (!may_make())
            return false;
    } while (!atomic_compare_exchange_weak(&promised, &others, others + 1));
    struct worker *worker = os_map(sizeof *worker);
    if (worker) {
        worker->random = (uint32_t)os_random() | 1;
        worker->turn_ns = WAKE_WORTH_NS; /* until more is known */
        worker->seeking = seeks;
        worker->observes = !seeks;
        if (thread_start_internal(self, worker_begin, worker_body, worker, "burrow-worker")) {
            if (others == 0) {
                quit_watch(self);
                trace_watch(self);
            }
            return true;
        }
        os_unmap(worker, sizeof *worker);
    }
    /* The system refuses: those that there are must do for a while. */
    atomic_store(&refused_until, (int64_t)os_now_ns() + REFUSED_NS);
    if (atomic_fetch_sub(&promised, 1) == 1)
        os_fatal("runtime: cannot make a thread to run goroutines: %s", strerror(errno));
    return false;
}

/* Whoever finds nobody to wake looks again after it has given up seeking: meanwhile others may have left it to the
 * seeker to wake somebody. */
void wake_one(struct thread *self) {
    for (;;) {
        int none = 0;
        sched_stress();
        if (atomic_load(&sched_seeking) != 0 || !token_is_free())
            return;
        if (atomic_load(&idle_count) == 0 && !may_make())
            return;
        if (!atomic_compare_exchange_strong(&sched_seeking, &none, 1))
            return;
        struct worker *worker = idle_pop();
        if (worker) {
            wake(worker, TO_SEEK);
            return;
        }
        if (worker_start(self, true))
            return;
        atomic_fetch_sub(&sched_seeking, 1);
    }
}

/* Whoever is neither found nor made may have gone to sleep meanwhile because somebody was about to observe
 * (docs/models/takeover.pml). */
void observer_want(struct thread *self) {
    for (;;) {
        int none = 0;
        if (atomic_load(&sched_observing) != 0 || !atomic_compare_exchange_strong(&sched_observing, &none, 1))
            return;
        struct worker *worker = idle_pop();
        if (worker) {
            wake(worker, TO_OBSERVE);
            return;
        }
        if (worker_start(self, false))
            return;
        atomic_store(&sched_observing, 0);
        if (atomic_load(&idle_count) == 0)
            return;
    }
}

/* --- told by timers.c and poller.c --- */

struct timers *sched_timers(struct thread *self) {
    return self->worker && !token_lost(self->worker) ? &self->worker->timers : &timers_of_others;
}

/* A worker sees its own timers between goroutines. For those of others somebody must be there: the poller; a worker that
 * runs, or the observer; or else one is woken, and becomes the poller. */
void sched_timer_added(struct thread *self, int64_t when) {
    bool own = self->worker && !token_lost(self->worker);
    atomic_thread_fence(memory_order_seq_cst);
    if (own && (when >= atomic_load(&sched_poller.until) || when - (int64_t)os_now_ns() < SOON_NS))
        return;
    look_again_at(&sched_poller, when);
    if (own)
        return;
    look_again_at(&sched_observer, when);
    if (atomic_load(&sched_running) == 0 && atomic_load(&sched_polling) == 0)
        wake_one(self);
}

void sched_poll_made(struct thread *self) {
    sched_timer_added(self, 0);
}

/* --- fork --- */

void wake_forked(struct worker *own) {
    atomic_store(&promised, own ? 1 : 0);
    atomic_store(&sched_running, own && !token_lost(own) ? 1 : 0);
    idle_list = NULL;
    atomic_store(&idle_count, 0);
    atomic_store(&sched_seeking, 0);
    atomic_store(&sched_observing, 0);
    atomic_store(&sched_polling, 0);
    atomic_store(&sched_poller.until, 0);
    atomic_store(&sched_observer.until, 0);
}
