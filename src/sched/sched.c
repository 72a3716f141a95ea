/* sched.c - goroutines: from one to another, parking and making ready, making and ending. Queues are in queue.c, the
 * workers that look for work and sleep in worker.c, who wakes them in wake.c. */
#include "leaks.h"
#include "worker.h"

#include <string.h>

#define FREE_MOST 64 /* stacks; it takes and gives half of that at once */
#define NUMBERS 16

static _Atomic uint32_t made_by_others; /* goroutines, by threads that are no workers, and by workers that are gone */

/* --- from one goroutine to another --- */

/* After sched_switch nothing that the compiler knew of the thread holds: these are calls. */
__attribute__((noinline)) struct thread *this_thread(void) {
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

void sched_disturb(void) {
    static __thread uint32_t random __attribute__((tls_model("initial-exec")));
    if (random == 0)
        random = (uint32_t)os_random() | 1;
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    if (random % knobs.sched_stress != 0)
        return;
    if ((random >> 16) % 4 == 0) {
        os_yield();
    } else {
        uint64_t until = os_now_ns() + (random >> 8) % 50000;
        while (os_now_ns() < until)
            os_cpu_relax();
    }
}

static void after_switch(void) {
    struct worker *worker = this_thread()->worker;
    void (*after)(void *) = worker->after;
    if (after) {
        worker->after = NULL;
        sched_stress();
        after(worker->after_argument);
    }
}

static void retire(void *argument);

static void switch_to(struct worker *worker, struct goroutine *to) {
    struct goroutine *from = worker->current;
    save_state(from);
    from->saved_errno = *worker->errno_at;
    from->stack_pointer = 0; /* until sched_switch has stored it */
    __atomic_store_n(&from->running, false, __ATOMIC_RELEASE);
    to->running = true;
    stacks_change(to);
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

void worker_run(struct worker *worker, struct goroutine *goroutine) {
    switch_to(worker, goroutine);
}

/* The worker's next, or NULL: it is to be looked for on the worker's own stack. */
static struct goroutine *next_at_once(struct worker *worker) {
    if (token_lost(worker) || worker->locked || timers_due(worker) || spared_too_long(worker))
        return NULL;
    struct goroutine *next = next_of_own(worker);
    if (next && next->locked_to) {
        worker->stashed = next;
        return NULL;
    }
    return next;
}

/* To the goroutine that is next, or to looking for one; `after` is done there. */
static void switch_to_next(struct worker *worker, void (*after)(void *), void *argument) {
    worker->after = after;
    worker->after_argument = argument;
    struct goroutine *next = next_at_once(worker);
    switch_to(worker, next ? next : &worker->idle);
}

/* After a while it looks, once, whether it waits for nothing: again where that cannot be said yet, or it is told to. */
static void wait_as_thread(struct thread *self, struct goroutine *goroutine) {
    int64_t look = DEADLOCK_NS;
    self->parked = true;
    atomic_fetch_add(&sched_parked, 1);
    if (self->worker)
        atomic_fetch_add(&sched_sleeping, 1);
    thread_safe_begin(self);
    while (atomic_load(&goroutine->woken) == 0) {
        uint64_t began = os_now_ns();
        os_wait(&goroutine->woken, 0, look);
        if (atomic_load(&goroutine->woken) != 0)
            break;
        if (look < 0 || os_now_ns() - began < (uint64_t)look) {
            look = DEADLOCK_NS;
            continue;
        }
        thread_safe_end(self);
        if (deadlock_look(self) == DEADLOCK_LATER)
            look = look * 2 < DEADLOCK_MOST_NS ? look * 2 : DEADLOCK_MOST_NS;
        else
            look = -1;
        thread_safe_begin(self);
    }
    thread_safe_end(self);
    self->parked = false;
    atomic_fetch_sub(&sched_parked, 1);
    if (self->worker)
        atomic_fetch_sub(&sched_sleeping, 1);
    OS_KEEP_FRAME();
}

struct thread *sched_park(struct thread *self, const char *why, void (*commit)(void *), void *argument) {
    sched_stress();
    struct goroutine *goroutine = sched_current(self);
    goroutine->waits_for = why;
    goroutine->waits_since = 0; /* the collector may have seen it wait as it was made ready */
    goroutine->waits_on = argument;
    if (goroutine->is_thread || self->overflowed_at != 0) {
        /* A thread of the program; or one whose goroutine is on the thread's spare stack, and cannot leave it. */
        goroutine->stack_pointer = 0;
        if (commit)
            commit(argument);
        if (self->worker)
            worker_steps_aside(self, self->worker);
        wait_as_thread(self, goroutine);
        atomic_store(&goroutine->woken, 0);
    } else {
        switch_to_next(self->worker, commit, argument);
        self = this_thread();
    }
    return self;
}

void sched_ready(struct thread *self, struct goroutine *goroutine) {
    sched_stress();
    struct worker *worker = self->worker;
    stacks_change(goroutine);
    sched_waited(goroutine);
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
    /* Without a token it may be long before the worker comes to it: it is looked for there, too. Who takes the token
     * looks after that. */
    struct goroutine *before = atomic_exchange(&worker->run_next, goroutine);
    if (before)
        ring_put(worker, before);
    if (before || token_lost(worker)) {
        atomic_thread_fence(memory_order_seq_cst);
        wake_one(self);
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
    uint32_t sum = atomic_load(&made_by_others);
    for (int i = 0, count = atomic_load(&worker_count); i < count; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker)
            sum += atomic_load_explicit(&worker->made, memory_order_relaxed);
    }
    return (int)sum;
}

/* Only the sum of all is the number of goroutines: they end on other workers than they are made on. */
static void count(struct worker *worker, uint32_t change) {
    if (worker)
        atomic_store_explicit(&worker->made, atomic_load_explicit(&worker->made, memory_order_relaxed) + change,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&made_by_others, change, memory_order_relaxed);
}

static struct goroutine *take_free(struct worker *worker) {
    if (worker == NULL)
        return stacks_take(1);
    if (worker->free == NULL)
        for (struct goroutine *list = worker->free = stacks_take(FREE_MOST / 2); list; list = list->next)
            worker->free_count++;
    struct goroutine *goroutine = worker->free;
    if (goroutine) {
        worker->free = goroutine->next;
        worker->free_count--;
    }
    return goroutine;
}

static void put_free(struct worker *worker, struct goroutine *goroutine) {
    goroutine->next = worker->free;
    worker->free = goroutine;
    if (++worker->free_count < FREE_MOST)
        return;
    struct goroutine *last = worker->free;
    for (int i = 1; i < FREE_MOST / 2; i++)
        last = last->next;
    struct goroutine *rest = worker->free;
    worker->free = last->next;
    worker->free_count -= FREE_MOST / 2;
    last->next = NULL;
    stacks_give(rest);
}

static int next_number(struct worker *worker) {
    if (worker == NULL)
        return os_goroutine_next(1);
    if (worker->numbers_left == 0) {
        worker->next_number = os_goroutine_next(NUMBERS);
        worker->numbers_left = NUMBERS;
    }
    worker->numbers_left--;
    return worker->next_number++;
}

static void retire(void *argument) {
    struct goroutine *goroutine = argument;
    struct worker *worker = this_thread()->worker;
    goroutine->live = false;
    if (goroutine->locked_to)
        goroutine->locked_to->locked = NULL;
    os_fiber_end(&goroutine->fiber);
    count(worker, (uint32_t)-1);
    put_free(worker, goroutine);
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
    uintptr_t *frame = (uintptr_t *)record - FRAME_WORDS; /* sched_entry begins with the stack aligned as for a call */
    memset(frame, 0, FRAME_WORDS * sizeof *frame);
    frame[RECORD_WORD] = (uintptr_t)record;
    frame[ARGUMENTS_WORD] = arguments;
    frame[ENTRY_WORD] = (uintptr_t)sched_entry;
    goroutine->stack_pointer = (uintptr_t)frame;
    goroutine->flow = (struct bw__flow){0};
    goroutine->saved_errno = 0;
    goroutine->running = false;
    goroutine->id = (struct os_goroutine){next_number(self->worker), os_goroutine(), by};
    goroutine->function = (uintptr_t)call->function;
    sched_waited(goroutine);
    goroutine->leak_told = false;
    goroutine->locked_to = NULL;
    goroutine->locks = 0;
    os_fiber_make(&goroutine->fiber, goroutine->stack);
    goroutine->live = true;
    count(self->worker, 1);
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
    if (knobs_processors() < 2)
        return false;
    return worker == NULL || (atomic_load_explicit(&worker->run_next, memory_order_relaxed) == NULL &&
                              atomic_load_explicit(&worker->head, memory_order_relaxed) ==
                                  atomic_load_explicit(&worker->tail, memory_order_relaxed));
}

static void put_back(void *argument) {
    struct goroutine *goroutine = argument;
    struct thread *self = this_thread();
    struct worker *worker = self->worker;
    if (token_lost(worker) || worker->locked)
        global_put(goroutine, &goroutine->next, 1);
    else
        ring_put(worker, goroutine);
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
    struct goroutine *goroutine = worker->current, *next = NULL;
    if (!token_lost(worker) && !worker->locked && !timers_due(worker) && !spared_too_long(worker)) {
        next = next_in_line(worker);
        if (next == NULL)
            return self;
        if (next->locked_to) {
            worker->stashed = next;
            next = NULL;
        }
    }
    worker->after = put_back;
    worker->after_argument = goroutine;
    switch_to(worker, next ? next : &worker->idle);
    return this_thread();
}

/* --- threads of their own, and calls that take long --- */

void sched_lock_thread(struct thread *self) {
    struct worker *worker = self->worker;
    if (worker && worker->current->locks++ == 0) {
        worker->current->locked_to = worker;
        worker->locked = worker->current;
    }
}

void sched_unlock_thread(struct thread *self) {
    struct worker *worker = self->worker;
    if (worker && worker->current->locks > 0 && --worker->current->locks == 0) {
        worker->current->locked_to = NULL;
        worker->locked = NULL;
    }
}

static void blocking_begins(struct thread *self) {
    if (self->worker)
        worker_steps_aside(self, self->worker);
}

static struct thread *blocking_ended(struct thread *self) {
    struct worker *worker = self->worker;
    if (worker == NULL || !token_lost(worker) || self->overflowed_at != 0 || token_take(worker))
        return self;
    worker->after = put_back;
    worker->after_argument = worker->current;
    switch_to(worker, &worker->idle);
    return this_thread();
}

/* --- told by floor 2 --- */

struct each {
    gc_visit *visit;
    void *context;
    bool leaks;
    uint64_t now;
};
static void visit_one(struct goroutine *goroutine, void *argument) {
    struct each *each = argument;
    if (goroutine->running)
        return;
    /* A copy of the process would get a copy of each record's page. */
    if (goroutine->waits_for && goroutine->waits_since == 0 && !os_is_clone)
        goroutine->waits_since = each->now;
    if (!each->leaks || !leaks_put_aside(goroutine))
        each->visit(each->context, goroutine->stack_pointer, goroutine->stack.hi);
}
static void each_stack(gc_visit *visit, void *context, bool leaks) {
    struct each each = {visit, context, leaks, os_now_ns()};
    leaks_begin();
    stacks_each(visit_one, &each);
    timers_each_root(visit, context);
}

/* --- the same, while the collector marks beside the program --- */

static void stacks_are_noted(gc_visit *visit, void *context) {
    stacks_begin();
    timers_each_root(visit, context);
}

static void thread_is_on(struct thread *thread) {
    struct goroutine *goroutine = thread->goroutine;
    if (goroutine && goroutine->live)
        stacks_change(goroutine);
}

/* It may run meanwhile: then it is searched again, and what is read here is of no consequence, as long as it can be read. */
__attribute__((no_sanitize("thread"))) static void visit_any(struct goroutine *goroutine, void *argument) {
    const struct each *each = argument;
    uintptr_t at = *(volatile uintptr_t *)&goroutine->stack_pointer;
    uint64_t since = 0;
    if (at >= goroutine->stack.lo && at < goroutine->stack.hi)
        each->visit(each->context, at, goroutine->stack.hi);
    if (*(const char *volatile *)&goroutine->waits_for != NULL)
        __atomic_compare_exchange_n(&goroutine->waits_since, &since, each->now, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED);
}
static bool some_stacks(gc_visit *visit, void *context) {
    struct each each = {visit, context, false, os_now_ns()};
    return stacks_some(visit_any, &each);
}
static void changed_stacks_again(gc_visit *visit, void *context) {
    struct each each = {visit, context, false, os_now_ns()};
    stacks_again(visit_any, &each);
}
static void changed_stacks(gc_visit *visit, void *context) {
    struct each each = {visit, context, false, os_now_ns()};
    stacks_changed(visit_one, &each);
    timers_each_root(visit, context);
}

/* The other workers are gone, and what ran on them. */
static void end_if_running(struct goroutine *goroutine, void *argument) {
    struct thread *self = argument;
    if (goroutine->running && goroutine != self->goroutine) {
        goroutine->live = false;
        count(NULL, (uint32_t)-1);
    }
    if (goroutine->locked_to != self->worker)
        goroutine->locked_to = NULL;
}
static void forked(void) {
    struct thread *self = this_thread();
    atomic_store(&sched_parked, 0);
    stacks_each(end_if_running, self);
    for (int i = 0, all = atomic_load(&worker_count); i < all; i++) {
        struct worker *worker = atomic_load(&workers[i]);
        if (worker && worker != self->worker)
            count(NULL, atomic_load(&worker->made));
    }
    workers_forked(self);
}

const struct gc_scheduler_hooks gc_scheduler_hooks = {
    .each_stack = each_stack,
    .stacks_are_noted = stacks_are_noted,
    .thread_is_on = thread_is_on,
    .some_stacks = some_stacks,
    .changed_stacks_again = changed_stacks_again,
    .changed_stacks = changed_stacks,
    .stacks_are_not_noted = stacks_end,
    .leaks_alive = leaks_alive,
    .leaks_watch = leaks_watch,
    .leaks_reached = leaks_reached,
    .leaks_end = leaks_end,
    .leaks_told = leaks_told,
    .forked = forked,
    .child_enters = workers_of_child,
    .processors_changed = sched_processors_changed,
    .give_back = stacks_give_back,
    .thread_rests = deadlock_look_again,
    .blocking_begins = blocking_begins,
    .blocking_ended = blocking_ended,
    .count = trace_count,
};
