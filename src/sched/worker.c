/* worker.c - workers: looking for work, and sleeping while there is none.
 *
 * A worker that finds nothing anywhere puts itself on the idle list, gives its token up, looks once more, and sleeps.
 * Whoever adds work looks at the tokens after that (wake.c).
 *
 * One idle worker is the POLLER, if there are timers or descriptors to wait for and a token is free: it sleeps until
 * the first timer is due, or a descriptor ready. While every token is in use nobody waits for those: the workers look
 * between goroutines. And one is the OBSERVER as long as any token is in use (observer.c).
 */
#include "worker.h"

#include <errno.h>

#define SEEK_ROUNDS 40
#define TIMER_EVERY 8 /* turns: one that is due is fired though much is ready */

_Atomic bool sched_polls;
_Atomic uint32_t sched_poll_waiters;

/* --- what there is to do --- */

static int64_t timers_earliest(void) {
    int64_t earliest = INT64_MAX;
    for (struct timers *timers = atomic_load(&timers_first); timers; timers = timers->others) {
        int64_t next = timers_next(timers);
        earliest = next < earliest ? next : earliest;
    }
    return earliest;
}

static bool is_due(int64_t when) {
    return when != INT64_MAX && when <= (int64_t)os_now_ns();
}

/* Those of a worker that is stuck, or has nothing to run, are nobody's otherwise while all tokens are in use. */
static bool looks_at_all_timers(const struct worker *worker) {
    return worker->turns % OTHERS_EVERY == 0;
}

bool timers_due(struct worker *worker) {
    if (looks_at_all_timers(worker))
        return is_due(timers_earliest());
    int64_t own = timers_next(&worker->timers), others = timers_next(&timers_of_others);
    return is_due(own < others ? own : others);
}

/* As many as there is room for on the ring, once more than half of it is free; else one now and then, in case it stays
 * so full. What goes to the queue of all comes behind what is due later, and takes half the ring with it, which must not
 * pass for room for more. So when many are due at once they go on in their order, and no more of them are ready, and
 * have stacks, than will soon run. */
static void run_due(struct thread *self, struct timers *timers) {
    struct worker *worker = self->worker;
    size_t room = ring_room(worker);
    bool one = worker->turns % TIMER_EVERY == 0 || looks_at_all_timers(worker) || token_lost(worker);
    int64_t next = timers_next(timers), now;
    if ((one || room > RING / 2) && next != INT64_MAX && next <= (now = (int64_t)os_now_ns()))
        timers_run(self, timers, now, room > RING / 2 ? room : 1);
}

static void run_all_due(struct thread *self) {
    for (struct timers *timers = atomic_load(&timers_first); timers; timers = timers->others)
        run_due(self, timers);
}

/* Anything but what is next on a worker that gets on? */
static bool work_waits(void) {
    if (global_waiting() > 0)
        return true;
    int count = atomic_load(&worker_count);
    for (int i = 0; i < count; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker && (!ring_empty(worker) || (token_lost(worker) && atomic_load(&worker->run_next) != NULL)))
            return true;
    }
    return is_due(timers_earliest());
}

static uint32_t next_random(struct worker *worker) {
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 17;
    return worker->random ^= worker->random << 5;
}

static struct goroutine *steal(struct worker *worker) {
    sched_stress();
    int count = atomic_load(&worker_count);
    uint32_t first = next_random(worker);
    for (int i = 0; i < count; i++) {
        struct worker *from = atomic_load(&workers[(first + (uint32_t)i) % (uint32_t)count]);
        if (from == NULL || from == worker)
            continue;
        struct goroutine *goroutine = ring_steal(worker, from);
        if (goroutine == NULL && token_lost(from) && atomic_load(&from->run_next) != NULL)
            goroutine = atomic_exchange(&from->run_next, NULL);
        if (goroutine)
            return goroutine;
    }
    return global_take();
}

/* Ready ones: the first to run, if the worker has a token, the others to its queue; else all to the queue of all. For
 * what the worker is likely to have done before another would be there nobody is woken. */
static struct goroutine *share_out(struct thread *self, struct worker *worker, struct goroutine *list) {
    if (list == NULL)
        return NULL;
    struct goroutine *first = NULL, *next;
    int64_t needs_ns = 0;
    for (next = list; next; next = next->next)
        sched_waited(next);
    if (!token_lost(worker)) {
        first = list;
        list = list->next;
    }
    if (list == NULL)
        return first;
    for (; list; list = next) {
        next = list->next;
        if (first)
            ring_put(worker, list);
        else
            global_put(list, &list->next, 1);
        needs_ns += worker->turn_ns;
    }
    if (first && needs_ns < WAKE_WORTH_NS) {
        if (worker->spared_at == 0)
            worker->spared_at = (int64_t)os_now_ns();
        return first;
    }
    atomic_thread_fence(memory_order_seq_cst);
    wake_one(self);
    return first;
}

static struct goroutine *poll_now(struct thread *self) {
    int none = 0;
    if (atomic_load(&sched_poll_waiters) == 0 || atomic_load(&sched_polling) ||
        !atomic_compare_exchange_strong(&sched_polling, &none, 1))
        return NULL;
    struct goroutine *list = poll_hooks_if_linked()->ready(self, 0);
    atomic_store(&sched_polling, 0);
    return list;
}

/* With a token. The only one that has one does not ask which descriptors are ready: where it finds nothing else it is
 * about to be the poller. */
static struct goroutine *look(struct thread *self, struct worker *worker) {
    struct goroutine *goroutine;
    if (spared_too_long(worker)) {
        worker->spared_at = 0;
        if (!ring_empty(worker))
            wake_one(self);
    }
    if (looks_at_all_timers(worker))
        run_all_due(self);
    run_due(self, &worker->timers);
    run_due(self, &timers_of_others);
    if ((goroutine = next_of_own(worker)) != NULL)
        return goroutine;
    if (!atomic_load_explicit(&sched_polled, memory_order_relaxed))
        atomic_store(&sched_polled, true);
    if (atomic_load(&sched_running) > 1 && (goroutine = share_out(self, worker, poll_now(self))) != NULL)
        return goroutine;
    if (!worker->seeking && 2 * atomic_load(&sched_seeking) < knobs_processors()) {
        worker->seeking = true;
        atomic_fetch_add(&sched_seeking, 1);
    }
    for (int round = 0; round < SEEK_ROUNDS; round++) {
        if ((goroutine = steal(worker)) != NULL)
            return goroutine;
        self->resting = true;
        thread_poll(self);
        self->resting = false;
        if (!worker->seeking || atomic_load(&sched_running) == 1)
            break; /* others look, or nobody makes any */
        for (int i = 0; i < 20; i++)
            os_cpu_relax();
    }
    run_all_due(self);
    return next_of_own(worker);
}

void work_collect(struct thread *self, struct worker *worker, bool polls) {
    run_all_due(self);
    if (polls)
        share_out(self, worker, poll_now(self));
}

/* --- sleeping --- */

struct nap {
    struct observer_pace pace; /* while it observes */
    int64_t look;              /* after so long it looks whether the program is deadlocked; 0: not any more */
    bool polls, looks;
    int64_t until;
};

bool deadlock_workers_sleep(void) {
    return atomic_load(&sched_running) == 0 && atomic_load(&sched_sleeping) == atomic_load(&worker_count) &&
           !work_waits() && timers_earliest() == INT64_MAX && atomic_load(&sched_poll_waiters) == 0;
}

/* It has slept for so long. */
static void look_for_deadlock(struct thread *self, struct nap *nap) {
    if (deadlock_look(self) == DEADLOCK_LATER)
        nap->look = nap->look * 2 < DEADLOCK_MOST_NS ? nap->look * 2 : DEADLOCK_MOST_NS;
    else
        nap->look = 0;
}

static void roles_take(struct worker *worker, struct nap *nap) {
    int none = 0;
    if (!worker->observes && atomic_load(&sched_running) > 0 && atomic_load(&sched_observing) == 0)
        worker->observes = atomic_compare_exchange_strong(&sched_observing, &none, 1);
    if (nap->polls && !token_is_free()) {
        nap->polls = false;
        atomic_store(&sched_polling, 0);
    }
    none = 0;
    if (!nap->polls && token_is_free() && (atomic_load(&sched_polls) || timers_earliest() != INT64_MAX))
        nap->polls = atomic_compare_exchange_strong(&sched_polling, &none, 1);
}

/* Sleeps until it is woken, something is due, or its pause is over. Goroutines whose descriptors are ready. */
static struct goroutine *take_nap(struct thread *self, struct worker *worker, struct nap *nap) {
    struct goroutine *list = NULL;
    int64_t until = INT64_MAX, now = (int64_t)os_now_ns();
    if (worker->observes)
        until = now + nap->pace.pause;
    /* While a token is free and there is a poller, that minds the timers, and not the observer, too. */
    bool minds = nap->polls || (worker->observes && (!token_is_free() || atomic_load(&sched_polling) == 0));
    int64_t earliest = minds ? timers_earliest() : INT64_MAX;
    if (earliest > now || token_is_free()) /* else as many were fired as may be for now */
        until = earliest < until ? earliest : until;
    struct sleeper *roles[2] = {nap->polls ? &sched_poller : NULL, worker->observes ? &sched_observer : NULL};
    for (int i = 0; i < 2; i++)
        if (roles[i]) {
            atomic_store(&roles[i]->worker, worker);
            atomic_store(&roles[i]->until, minds ? until : 0);
        }
    bool in_poll = nap->polls && atomic_load(&sched_polls);
    atomic_store(&worker->in_poll, in_poll);
    atomic_thread_fence(memory_order_seq_cst);
    nap->looks =
        until == INT64_MAX && nap->look && atomic_load(&sched_running) == 0 && atomic_load(&sched_observing) == 0;
    if (nap->looks)
        nap->until = until = now + nap->look;
    int64_t wait = until == INT64_MAX ? -1 : until > now ? until - now : 0;
    bool sooner = minds && timers_earliest() < (earliest < until ? earliest : until);
    if (wait != 0 && !sooner && atomic_load(&worker->woken) == ASLEEP) {
        self->resting = true;
        if (in_poll) {
            list = poll_hooks_if_linked()->ready(self, wait);
        } else {
            thread_safe_begin(self);
            os_wait(&worker->woken, ASLEEP, wait);
            thread_safe_end(self);
        }
        self->resting = false;
    }
    atomic_store(&worker->in_poll, false);
    for (int i = 0; i < 2; i++)
        if (roles[i]) {
            atomic_store(&roles[i]->until, 0);
            atomic_store(&roles[i]->worker, NULL);
        }
    return list;
}

static bool is_woken(struct worker *worker) {
    uint32_t woken = atomic_load(&worker->woken);
    return woken == TO_SEEK || woken == TO_OBSERVE;
}

/* It has found nothing more: how long did each turn take, on average, since it had found something? More is believed at
 * once, less by and by; from WAKE_WORTH_NS on more makes no difference, but would be remembered for long. */
static void note_turns(struct worker *worker) {
    uint32_t turns = atomic_load_explicit(&worker->turn, memory_order_relaxed) - worker->began_in;
    if (turns == 0)
        return;
    int64_t each = ((int64_t)os_now_ns() - worker->began_at) / turns;
    each = each < WAKE_WORTH_NS ? each : WAKE_WORTH_NS;
    worker->turn_ns = each > worker->turn_ns ? each : worker->turn_ns - (worker->turn_ns - each) / 16;
}

/* Until there may be something for it, which is looked for then, or is returned. */
static struct goroutine *idle(struct thread *self, struct worker *worker) {
    struct nap nap = {.pace.pause = OBSERVE_NS, .look = DEADLOCK_NS};
    struct goroutine *goroutine = NULL;
    note_turns(worker);
    worker->spared_at = 0;
    atomic_store(&worker->woken, ASLEEP);
    bool sought = worker->seeking;
    worker->seeking = false;
    atomic_fetch_add(&sched_sleeping, 1);
    idle_push(worker);
    token_leave(worker);
    if (sought)
        atomic_fetch_sub(&sched_seeking, 1);
    for (;;) {
        atomic_thread_fence(memory_order_seq_cst);
        uint32_t again = LOOK_AGAIN;
        atomic_compare_exchange_strong(&worker->woken, &again, ASLEEP);
        if (is_woken(worker) || (token_is_free() && work_waits()))
            break;
        roles_take(worker, &nap);
        if (worker->observes && ((goroutine = observer_look(self, worker, &nap.pace)) != NULL || !token_lost(worker)))
            break;
        struct goroutine *list = take_nap(self, worker, &nap);
        if (list) {
            token_take(worker);
            if ((goroutine = share_out(self, worker, list)) != NULL)
                break;
        }
        if (worker->observes)
            observer_pause(worker, &nap.pace);
        else if (nap.looks && atomic_load(&worker->woken) == ASLEEP && (int64_t)os_now_ns() >= nap.until)
            look_for_deadlock(self, &nap);
    }
    if (nap.polls)
        atomic_store(&sched_polling, 0);
    if (!idle_leave(worker)) { /* woken meanwhile */
        while (!is_woken(worker))
            os_cpu_relax();
        if (atomic_load(&worker->woken) == TO_SEEK)
            worker->seeking = true;
        else
            worker->observes = true;
    }
    atomic_fetch_sub(&sched_sleeping, 1);
    worker->began_at = (int64_t)os_now_ns();
    worker->began_in = atomic_load_explicit(&worker->turn, memory_order_relaxed);
    return goroutine;
}

/* --- goroutines that belong to a thread --- */

/* What was found runs on its own worker, with this one's token. */
static void hand_over(struct worker *worker) {
    struct goroutine *goroutine = worker->stashed;
    struct worker *to = goroutine->locked_to;
    worker->stashed = NULL;
    /* The goroutine may have been ready before its worker has come to leave its own token. */
    if (atomic_exchange(&worker->token, 0) == 1 && atomic_exchange(&to->token, 1) == 1)
        atomic_fetch_sub(&sched_running, 1);
    atomic_store(&to->handed, goroutine);
    /* Not by `wake`: it may have found that by itself and be elsewhere, on the idle list, where that would be believed. */
    uint32_t asleep = ASLEEP;
    if (atomic_compare_exchange_strong(&to->woken, &asleep, LOOK_AGAIN))
        worker_interrupt(to);
}

static struct goroutine *wait_for_locked(struct thread *self, struct worker *worker) {
    struct goroutine *goroutine = atomic_exchange(&worker->handed, NULL);
    if (goroutine == NULL)
        worker_steps_aside(self, worker);
    for (;;) {
        atomic_store(&worker->woken, ASLEEP);
        if (goroutine || (goroutine = atomic_exchange(&worker->handed, NULL)) != NULL) {
            if (token_lost(worker))
                token_take(worker); /* if there is none it runs all the same, this once */
            return goroutine;
        }
        self->resting = true;
        atomic_fetch_add(&sched_sleeping, 1);
        thread_safe_begin(self);
        os_wait(&worker->woken, ASLEEP, -1);
        thread_safe_end(self);
        atomic_fetch_sub(&sched_sleeping, 1);
        self->resting = false;
    }
}

void worker_steps_aside(struct thread *self, struct worker *worker) {
    token_leave(worker);
    atomic_thread_fence(memory_order_seq_cst);
    if (work_waits())
        wake_one(self);
    observer_want(self);
}

/* --- the worker's loop --- */

static struct goroutine *find_work(struct thread *self, struct worker *worker) {
    for (;;) {
        struct goroutine *goroutine = NULL;
        if (worker->stashed)
            hand_over(worker);
        if (worker->locked)
            return wait_for_locked(self, worker);
        if (!token_lost(worker) || token_take(worker))
            goroutine = look(self, worker);
        if (goroutine == NULL)
            goroutine = idle(self, worker);
        if (goroutine && goroutine->locked_to)
            worker->stashed = goroutine;
        else if (goroutine)
            return goroutine;
    }
}

/* It has found something: others look for more, and another observes. */
static void seek_end(struct thread *self, struct worker *worker) {
    if (worker->seeking) {
        worker->seeking = false;
        if (atomic_fetch_sub(&sched_seeking, 1) == 1 && work_waits())
            wake_one(self); /* there is more where this came from */
    }
    if (worker->observes) {
        worker->observes = false;
        atomic_store(&sched_observing, 0);
    }
    observer_want(self);
}

bool worker_begin(void *argument) {
    os_fault_signals_unblock();
    os_goroutine_now.number = -1; /* it is none */
    if (!thread_attach_own(NULL))
        return false;
    struct worker *worker = argument;
    struct thread *self = thread_current;
    worker->errno_at = &errno;
    worker->thread = self;
    worker->idle.stack = self->stack;
    worker->idle.running = true;
    worker->idle.id = os_goroutine_now;
    os_fiber_of_thread(&worker->idle.fiber);
    worker->current = &worker->idle;
    self->goroutine = &worker->idle;
    self->worker = worker;
    atomic_store(&workers[atomic_fetch_add(&worker_count, 1)], worker);
    return true;
}

void worker_body(void *argument) {
    struct worker *worker = argument;
    struct thread *self = worker->thread;
    for (;;) {
        struct goroutine *next = find_work(self, worker);
        seek_end(self, worker);
        worker_run(worker, next);
    }
}

/* --- fork --- */

/* The other workers are gone, and what ran on them. Their queues are there. */
void workers_forked(struct thread *self) {
    struct worker *own = self->worker;
    int count = atomic_load(&worker_count);
    for (int i = 0; i < count; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker == NULL || worker == own)
            continue;
        struct goroutine *goroutine = atomic_exchange(&worker->run_next, NULL);
        while (goroutine || (goroutine = atomic_exchange(&worker->handed, NULL)) != NULL ||
               (goroutine = ring_take(worker)) != NULL) {
            goroutine->locked_to = NULL; /* its thread is no more */
            global_put(goroutine, &goroutine->next, 1);
            goroutine = NULL;
        }
        atomic_store(&workers[i], NULL);
    }
    timers_forked(own ? &own->timers : NULL);
    atomic_store(&workers[0], own);
    atomic_store(&worker_count, own ? 1 : 0);
    atomic_store(&sched_sleeping, 0);
    wake_forked(own);
}

void workers_of_child(struct thread *self) {
    if (poll_hooks_if_linked())
        poll_hooks_if_linked()->forked(self); /* which makes goroutines ready, and lookup.c's thread */
    if (work_waits() || timers_earliest() != INT64_MAX)
        wake_one(self);
    if (self->worker)
        observer_want(self);
}
