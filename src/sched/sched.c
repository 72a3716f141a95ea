/* sched.c - goroutines and workers: see sched.h.
 *
 * Queues. A worker has a place for the goroutine to run next and a ring of RING others, of which its owner takes the
 * oldest and thieves half at a time; one queue is of all. What a goroutine makes ready goes to run_next, since it is
 * most often what the goroutine then waits for; what was there goes on the ring.
 *
 * Sleeping. A worker that finds nothing anywhere puts itself on the idle list, looks once more, and sleeps. Whoever adds
 * work looks at idle_count after that; both sequentially consistent, so that one sees the other. At most one worker is
 * woken at a time: it is `seeking` until it has found something, and then wakes the next if there is more.
 *
 * run_next alone wakes nobody: it would be taken to another processor each time two goroutines talk to one another. But
 * one of the idle workers, the observer, sleeps by the clock and takes run_next from a worker that has not come to it
 * for a while; it looks less and less often while it finds nothing.
 */
#include "sched.h"

#include <errno.h>
#include <string.h>

#define RING 256
#define FREE_MOST 64
#define GLOBAL_EVERY 61  /* turns */
#define NEXT_IN_A_ROW 64 /* turns that run_next comes before the ring */
#define SEEK_ROUNDS 40
#define OBSERVE_NS 20000
#define OBSERVE_MOST_NS 10000000
#define MOST_WORKERS 1024

struct worker {
    struct goroutine idle; /* the thread's own stack, on which the worker looks for work */
    struct goroutine *current;
    void (*after)(void *); /* to be done once the stack is left */
    void *after_argument;
    int *errno_at;
    struct thread *thread;
    uint32_t turns, in_a_row, random;
    uint32_t seen[MOST_WORKERS]; /* see steal */
    _Atomic uint32_t turn;       /* changes with each goroutine */
    struct goroutine *free;
    uint32_t free_count;
    bool seeking;
    _Atomic uint32_t woken;
    struct worker *next_idle;
    struct goroutine *_Atomic run_next __attribute__((aligned(64)));
    _Atomic uint32_t head, tail;
    struct goroutine *_Atomic ring[RING];
};

static struct worker *_Atomic workers[MOST_WORKERS];
static _Atomic int worker_count;                   /* made or being made */
static _Atomic int idle_count, seeking, observing; /* observing: by the clock */
static _Atomic int goroutine_count;
static _Atomic int makeable = MOST_WORKERS; /* workers, as far as is known */

static os_lock lock; /* of the queue of all and the idle list */
static struct goroutine *global_first, **global_last = &global_first;
static _Atomic uint32_t global_count;
static struct worker *idle_list;

/* --- queues --- */

static void global_put(struct goroutine *first, struct goroutine **last, uint32_t count) {
    os_lock_acquire(&lock);
    *last = NULL;
    *global_last = first;
    global_last = last;
    atomic_store_explicit(&global_count, global_count + count, memory_order_release);
    os_lock_release(&lock);
}

static struct goroutine *global_take(void) {
    if (atomic_load_explicit(&global_count, memory_order_acquire) == 0)
        return NULL;
    os_lock_acquire(&lock);
    struct goroutine *goroutine = global_first;
    if (goroutine) {
        global_first = goroutine->next;
        if (global_first == NULL)
            global_last = &global_first;
        atomic_store_explicit(&global_count, global_count - 1, memory_order_release);
    }
    os_lock_release(&lock);
    return goroutine;
}

static void ring_put(struct worker *worker, struct goroutine *goroutine) {
    for (;;) {
        uint32_t head = atomic_load_explicit(&worker->head, memory_order_acquire);
        uint32_t tail = atomic_load_explicit(&worker->tail, memory_order_relaxed);
        if (tail - head < RING) {
            atomic_store_explicit(&worker->ring[tail % RING], goroutine, memory_order_relaxed);
            atomic_store_explicit(&worker->tail, tail + 1, memory_order_release);
            return;
        }
        /* Half of it goes to the queue of all. */
        struct goroutine *taken[RING / 2];
        for (uint32_t i = 0; i < RING / 2; i++)
            taken[i] = atomic_load_explicit(&worker->ring[(head + i) % RING], memory_order_relaxed);
        if (!atomic_compare_exchange_strong(&worker->head, &head, head + RING / 2))
            continue;
        for (uint32_t i = 0; i + 1 < RING / 2; i++)
            taken[i]->next = taken[i + 1];
        taken[RING / 2 - 1]->next = goroutine;
        global_put(taken[0], &goroutine->next, RING / 2 + 1);
        return;
    }
}

static struct goroutine *ring_take(struct worker *worker) {
    uint32_t head = atomic_load_explicit(&worker->head, memory_order_acquire);
    for (;;) {
        if (head == atomic_load_explicit(&worker->tail, memory_order_relaxed))
            return NULL;
        struct goroutine *goroutine = atomic_load_explicit(&worker->ring[head % RING], memory_order_relaxed);
        if (atomic_compare_exchange_weak(&worker->head, &head, head + 1))
            return goroutine;
    }
}

/* Half of the other's ring comes to `worker`, whose own is empty, but for the one that is returned. */
static struct goroutine *ring_steal(struct worker *worker, struct worker *from) {
    for (;;) {
        uint32_t head = atomic_load_explicit(&from->head, memory_order_acquire);
        uint32_t tail = atomic_load_explicit(&from->tail, memory_order_acquire);
        uint32_t count = tail - head;
        count -= count / 2;
        if (count == 0)
            return NULL;
        if (count > RING / 2)
            continue; /* the two were not read at one time */
        uint32_t to = atomic_load_explicit(&worker->tail, memory_order_relaxed);
        for (uint32_t i = 0; i < count; i++)
            atomic_store_explicit(&worker->ring[(to + i) % RING],
                                  atomic_load_explicit(&from->ring[(head + i) % RING], memory_order_relaxed),
                                  memory_order_relaxed);
        if (!atomic_compare_exchange_strong(&from->head, &head, head + count))
            continue;
        struct goroutine *last = atomic_load_explicit(&worker->ring[(to + count - 1) % RING], memory_order_relaxed);
        if (count > 1)
            atomic_store_explicit(&worker->tail, to + count - 1, memory_order_release);
        return last;
    }
}

static struct goroutine *next_of_own(struct worker *worker) {
    struct goroutine *goroutine;
    if (++worker->turns % GLOBAL_EVERY == 0 && (goroutine = global_take()) != NULL)
        return goroutine;
    bool ring_first = worker->in_a_row >= NEXT_IN_A_ROW;
    if (ring_first) {
        worker->in_a_row = 0;
        if ((goroutine = ring_take(worker)) != NULL)
            return goroutine;
    }
    if (atomic_load_explicit(&worker->run_next, memory_order_relaxed) != NULL &&
        (goroutine = atomic_exchange(&worker->run_next, NULL)) != NULL) {
        worker->in_a_row++;
        return goroutine;
    }
    worker->in_a_row = 0;
    if ((goroutine = ring_take(worker)) != NULL)
        return goroutine;
    return global_take();
}

/* --- from one goroutine to another --- */

/* After sched_switch nothing that the compiler knew of the thread holds: these are calls. */
static __attribute__((noinline)) struct thread *this_thread(void) {
    __asm__ volatile("");
    return thread_current;
}

static __attribute__((noinline)) void load_state(const struct goroutine *goroutine) {
    *BW__HERE(bw__flow) = goroutine->flow;
    os_goroutine_now = goroutine->id;
}
static __attribute__((noinline)) void save_state(struct goroutine *goroutine) {
    goroutine->flow = *BW__HERE(bw__flow);
    goroutine->id = os_goroutine_now;
}

static void after_switch(void) {
    struct worker *worker = this_thread()->worker;
    void (*after)(void *) = worker->after;
    if (after) {
        worker->after = NULL;
        after(worker->after_argument);
    }
}

static void retire(void *argument);

static void switch_to(struct worker *worker, struct goroutine *to) {
    struct goroutine *from = worker->current;
    save_state(from);
    from->saved_errno = *worker->errno_at;
    from->running = false;
    to->running = true;
    load_state(to);
    *worker->errno_at = to->saved_errno;
    worker->current = to;
    worker->thread->goroutine = to;
    thread_set_stack(worker->thread, to->stack);
    atomic_store_explicit(&worker->turn, worker->turn + 1, memory_order_relaxed);
    os_fiber_leave(&from->fiber, &to->fiber, to->stack, worker->after == retire);
    sched_switch(&from->stack_pointer, to->stack_pointer);
    os_fiber_arrive(&from->fiber);
    after_switch();
}

/* To the goroutine that is next, or to looking for one; `after` is done there. */
static void switch_to_next(struct worker *worker, void (*after)(void *), void *argument) {
    worker->after = after;
    worker->after_argument = argument;
    struct goroutine *next = next_of_own(worker);
    switch_to(worker, next ? next : &worker->idle);
}

struct thread *sched_park(struct thread *self, const char *why, void (*commit)(void *), void *argument) {
    struct goroutine *goroutine = sched_current(self);
    goroutine->waits_for = why;
    if (goroutine->is_thread || self->overflowed_at != 0) {
        /* A thread of the program; or one whose goroutine is on the thread's spare stack, and cannot leave it. */
        goroutine->stack_pointer = 0;
        if (commit)
            commit(argument);
        thread_safe_begin(self);
        while (atomic_load(&goroutine->woken) == 0)
            os_wait(&goroutine->woken, 0, -1);
        thread_safe_end(self);
        atomic_store(&goroutine->woken, 0);
    } else {
        switch_to_next(self->worker, commit, argument);
        self = this_thread();
    }
    goroutine->waits_for = NULL;
    return self;
}

/* --- workers --- */

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

static void worker_body(void *argument);

static int most_workers(void) {
    int most = atomic_load(&makeable);
    return knobs.processors < most ? knobs.processors : most;
}

/* One more, which seeks; false: there are as many as there may be. */
static bool worker_start(struct thread *self) {
    int index = atomic_load(&worker_count);
    do {
        if (index >= most_workers())
            return false;
    } while (!atomic_compare_exchange_weak(&worker_count, &index, index + 1));
    struct worker *worker = os_map(sizeof *worker);
    if (worker) {
        worker->random = (uint32_t)os_random() | 1;
        worker->seeking = true;
        atomic_store(&workers[index], worker);
        if (thread_start_internal(self, worker_body, worker, "burrow-worker"))
            return true;
        atomic_store(&workers[index], NULL);
        os_unmap(worker, sizeof *worker);
    }
    /* The system refuses: it must do with those that there are. */
    int left = atomic_fetch_sub(&worker_count, 1) - 1;
    if (left == 0)
        os_fatal("runtime: cannot make a thread to run goroutines: %s", strerror(errno));
    atomic_store(&makeable, left);
    return false;
}

/* There is work that the calling thread will not come to at once. Whoever finds nobody to wake looks again after it has
 * given up seeking: meanwhile others may have left it to the seeker to wake somebody (docs/models/wake.pml). */
static void wake_one(struct thread *self) {
    for (;;) {
        int none = 0;
        if (atomic_load(&seeking) != 0)
            return;
        if (atomic_load(&idle_count) == 0 && atomic_load(&worker_count) >= most_workers())
            return;
        if (!atomic_compare_exchange_strong(&seeking, &none, 1))
            return;
        struct worker *worker = idle_pop();
        if (worker) {
            worker->seeking = true;
            atomic_store(&worker->woken, 1);
            os_wake(&worker->woken, 1);
            return;
        }
        if (worker_start(self))
            return;
        atomic_fetch_sub(&seeking, 1);
    }
}

void sched_ready(struct thread *self, struct goroutine *goroutine) {
    struct worker *worker = self->worker;
    if (goroutine->stack_pointer == 0) { /* its thread is blocked itself */
        atomic_store(&goroutine->woken, 1);
        os_wake(&goroutine->woken, 1);
        return;
    }
    if (worker == NULL) {
        global_put(goroutine, &goroutine->next, 1);
        atomic_thread_fence(memory_order_seq_cst);
        wake_one(self);
        return;
    }
    struct goroutine *before = atomic_exchange(&worker->run_next, goroutine);
    if (before) {
        ring_put(worker, before);
        atomic_thread_fence(memory_order_seq_cst);
        wake_one(self);
    } else if (atomic_load_explicit(&observing, memory_order_relaxed) == 0) {
        wake_one(self); /* so that somebody looks at run_next */
    }
}

static uint32_t next_random(struct worker *worker) {
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 17;
    return worker->random ^= worker->random << 5;
}

/* `seen`: the turn in which each worker was found before with something in run_next, which is taken if it still is in
 * that turn; NULL: not. */
static struct goroutine *steal(struct worker *worker, uint32_t *seen) {
    int count = atomic_load(&worker_count);
    uint32_t first = next_random(worker);
    for (int i = 0; i < count; i++) {
        uint32_t at = (first + (uint32_t)i) % (uint32_t)count;
        struct worker *from = atomic_load(&workers[at]);
        if (from == NULL || from == worker)
            continue;
        struct goroutine *goroutine = ring_steal(worker, from);
        if (goroutine)
            return goroutine;
        if (seen == NULL || atomic_load_explicit(&from->run_next, memory_order_relaxed) == NULL)
            continue;
        uint32_t turn = atomic_load_explicit(&from->turn, memory_order_relaxed) + 1;
        if (seen[at] == turn && (goroutine = atomic_exchange(&from->run_next, NULL)) != NULL)
            return goroutine;
        seen[at] = turn;
    }
    return global_take();
}

static void seek_end(struct thread *self, struct worker *worker) {
    if (!worker->seeking)
        return;
    worker->seeking = false;
    if (atomic_fetch_sub(&seeking, 1) == 1)
        wake_one(self); /* there may be more where this came from */
}

/* Off the idle list, if nobody was there first. */
static bool idle_leave(struct worker *worker) {
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

static struct goroutine *find_work(struct thread *self, struct worker *worker) {
    struct goroutine *goroutine;
    int64_t pause = OBSERVE_NS;
    for (;;) {
        if ((goroutine = next_of_own(worker)) != NULL)
            return goroutine;
        if (!worker->seeking && 2 * atomic_load(&seeking) < knobs.processors) {
            worker->seeking = true;
            atomic_fetch_add(&seeking, 1);
        }
        for (int round = 0; worker->seeking && round < SEEK_ROUNDS; round++) {
            if ((goroutine = steal(worker, NULL)) != NULL)
                return goroutine;
            thread_poll(self);
            for (int i = 0; i < 20; i++)
                os_cpu_relax();
        }
        atomic_store(&worker->woken, 0);
        bool sought = worker->seeking;
        worker->seeking = false; /* who wakes it sets it */
        os_lock_acquire(&lock);
        worker->next_idle = idle_list;
        idle_list = worker;
        atomic_fetch_add(&idle_count, 1);
        os_lock_release(&lock);
        if (sought)
            atomic_fetch_sub(&seeking, 1);
        for (;;) {
            atomic_thread_fence(memory_order_seq_cst);
            int none = 0;
            bool observes = atomic_load(&idle_count) < atomic_load(&worker_count) &&
                            atomic_compare_exchange_strong(&observing, &none, 1);
            if ((goroutine = steal(worker, observes ? worker->seen : NULL)) == NULL &&
                atomic_load(&worker->woken) == 0) {
                thread_safe_begin(self);
                os_wait(&worker->woken, 0, observes ? pause : -1);
                thread_safe_end(self);
                pause = pause * 2 < OBSERVE_MOST_NS ? pause * 2 : OBSERVE_MOST_NS;
            }
            if (observes)
                atomic_store(&observing, 0);
            if (goroutine) {
                if (!idle_leave(worker)) { /* woken meanwhile, to seek: it was found already */
                    while (atomic_load(&worker->woken) == 0)
                        os_cpu_relax();
                }
                return goroutine;
            }
            if (atomic_load(&worker->woken))
                break;
        }
    }
}

static void worker_body(void *argument) {
    struct worker *worker = argument;
    os_fault_signals_unblock();
    os_goroutine_now.number = -1; /* it is none */
    struct thread *self = thread_enter();
    worker->errno_at = &errno;
    worker->thread = self;
    worker->idle.stack = self->stack;
    worker->idle.running = true;
    worker->idle.id = os_goroutine_now;
    os_fiber_of_thread(&worker->idle.fiber);
    worker->current = &worker->idle;
    self->goroutine = &worker->idle;
    self->worker = worker;
    for (;;) {
        struct goroutine *next = find_work(self, worker);
        seek_end(self, worker);
        switch_to(worker, next);
    }
}

/* --- making and ending --- */

struct goroutine *sched_current(struct thread *self) {
    if (self->goroutine)
        return self->goroutine;
    if (self->stacks.stands_for == NULL) {
        static os_lock records_lock;
        static struct goroutine *records;
        static size_t left;
        os_lock_acquire(&records_lock);
        if (left == 0) {
            records = os_map(65536);
            left = records ? 65536 / sizeof *records : 0;
        }
        if (left)
            self->stacks.stands_for = &records[--left];
        os_lock_release(&records_lock);
        if (self->stacks.stands_for == NULL)
            os_fatal("runtime: out of memory: cannot make a thread's record");
        self->stacks.stands_for->is_thread = true;
    }
    atomic_store(&self->stacks.stands_for->woken, 0);
    return self->goroutine = self->stacks.stands_for;
}

int sched_goroutines(void) {
    return atomic_load(&goroutine_count);
}

static struct goroutine *take_free(struct worker *worker) {
    struct goroutine *goroutine = worker ? worker->free : NULL;
    if (goroutine == NULL)
        return stack_new();
    worker->free = goroutine->next;
    worker->free_count--;
    return goroutine;
}

static void retire(void *argument) {
    struct goroutine *goroutine = argument;
    struct worker *worker = this_thread()->worker;
    goroutine->live = false;
    os_fiber_end(&goroutine->fiber);
    atomic_fetch_sub_explicit(&goroutine_count, 1, memory_order_relaxed);
    if (worker->free_count < FREE_MOST) {
        goroutine->next = worker->free;
        worker->free = goroutine;
        worker->free_count++;
    } else {
        stack_free(goroutine);
    }
}

#if defined(__x86_64__)
/* r15 r14 r13 r12 rbx rbp, and the return address */
enum { RECORD_WORD = 4, ARGUMENTS_WORD = 3, ENTRY_WORD = 6, FRAME_WORDS = 7 };
#elif defined(__aarch64__)
enum { RECORD_WORD = 0, ARGUMENTS_WORD = 1, ENTRY_WORD = 11, FRAME_WORDS = 20 };
#endif

static void **first_word(const struct goroutine *goroutine) {
    return (void **)goroutine->stack.hi - 1;
}

void sched_go(struct thread *self, const bw__call *call, uintptr_t by) {
    sched_go_then(self, call, by, NULL, NULL);
}

void sched_go_then(struct thread *self, const bw__call *call, uintptr_t by, void (*then)(void *), void *argument) {
    struct goroutine *goroutine = take_free(self->worker);
    if (goroutine == NULL)
        os_fatal("runtime: out of memory: cannot make a goroutine's stack");
    goroutine->then = then;
    *first_word(goroutine) = argument;
    uintptr_t arguments = ((uintptr_t)first_word(goroutine) - call->stack_words * 8) & ~(uintptr_t)15;
    memcpy((void *)arguments, call + 1, call->stack_words * 8);
    bw__call *record = (bw__call *)((arguments - sizeof *call - 16) & ~(uintptr_t)15);
    memcpy(record, call, sizeof *call);
    uintptr_t *frame = (uintptr_t *)record - FRAME_WORDS - FRAME_WORDS % 2;
    memset(frame, 0, FRAME_WORDS * sizeof *frame);
    frame[RECORD_WORD] = (uintptr_t)record;
    frame[ARGUMENTS_WORD] = arguments;
    frame[ENTRY_WORD] = (uintptr_t)sched_entry;
    goroutine->stack_pointer = (uintptr_t)frame;
    goroutine->flow = (struct bw__flow){0};
    goroutine->saved_errno = 0;
    goroutine->running = false;
    goroutine->id = (struct os_goroutine){os_goroutine_next(), os_goroutine(), by};
    goroutine->waits_for = NULL;
    os_fiber_make(&goroutine->fiber, goroutine->stack);
    goroutine->live = true;
    atomic_fetch_add_explicit(&goroutine_count, 1, memory_order_relaxed);
    sched_ready(self, goroutine);
}

__attribute__((used, visibility("hidden"))) void sched_begin(void);
void sched_begin(void) {
    os_fiber_arrive(&this_thread()->goroutine->fiber);
    after_switch();
    thread_leave(this_thread());
}

__attribute__((used, visibility("hidden"), noreturn)) void sched_end(void);
void sched_end(void) {
    struct goroutine *goroutine = this_thread()->goroutine;
    if (goroutine->then)
        goroutine->then(*first_word(goroutine));
    struct worker *worker = thread_enter()->worker;
    switch_to_next(worker, retire, worker->current);
    __builtin_unreachable();
}

bool sched_may_spin(void) {
    struct thread *self = this_thread();
    struct worker *worker = self ? self->worker : NULL;
    if (knobs.processors < 2)
        return false;
    return worker == NULL || (atomic_load_explicit(&worker->run_next, memory_order_relaxed) == NULL &&
                              atomic_load_explicit(&worker->head, memory_order_relaxed) ==
                                  atomic_load_explicit(&worker->tail, memory_order_relaxed));
}

static void put_back(void *argument) {
    struct goroutine *goroutine = argument;
    struct thread *self = this_thread();
    ring_put(self->worker, goroutine);
    atomic_thread_fence(memory_order_seq_cst);
    wake_one(self);
}

struct thread *sched_let_others(struct thread *self) {
    struct worker *worker = self->worker;
    if (worker == NULL || self->overflowed_at != 0) {
        thread_leave(self);
        os_yield();
        return thread_enter();
    }
    struct goroutine *goroutine = worker->current, *next;
    /* Those on the ring come first: who yields to them does not mean only run_next. */
    if ((next = ring_take(worker)) == NULL && (next = next_of_own(worker)) == NULL)
        return self;
    worker->after = put_back;
    worker->after_argument = goroutine;
    switch_to(worker, next);
    return this_thread();
}

/* --- told by floor 2 --- */

struct each {
    void (*visit)(void *context, uintptr_t lo, uintptr_t hi);
    void *context;
};
static void visit_one(struct goroutine *goroutine, void *argument) {
    struct each *each = argument;
    if (!goroutine->running)
        each->visit(each->context, goroutine->stack_pointer, goroutine->stack.hi);
}
static void each_stack(void (*visit)(void *context, uintptr_t lo, uintptr_t hi), void *context) {
    struct each each = {visit, context};
    stacks_each(visit_one, &each);
}

/* The other workers are gone, and what ran on them. Their queues are there. */
static void end_if_running(struct goroutine *goroutine, void *own) {
    if (goroutine->running && goroutine != own) {
        goroutine->live = false;
        atomic_fetch_sub(&goroutine_count, 1);
    }
}
static void forked(void) {
    struct thread *self = this_thread();
    stacks_each(end_if_running, self->goroutine);
    int count = atomic_load(&worker_count);
    for (int i = 0; i < count; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker == NULL || worker == self->worker)
            continue;
        struct goroutine *goroutine = atomic_exchange(&worker->run_next, NULL);
        while (goroutine || (goroutine = ring_take(worker)) != NULL) {
            global_put(goroutine, &goroutine->next, 1);
            goroutine = NULL;
        }
        atomic_store(&workers[i], NULL);
    }
    atomic_store(&workers[0], self->worker);
    atomic_store(&worker_count, self->worker ? 1 : 0);
    idle_list = NULL;
    atomic_store(&idle_count, 0);
    atomic_store(&seeking, 0);
    atomic_store(&observing, 0);
    if (global_first)
        wake_one(self);
}

const struct gc_stack_hooks gc_stack_hooks = {each_stack, forked};
