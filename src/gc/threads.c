/* threads.c - threads and the library: entering and leaving it, beginning and ending, signal handlers, fork.
 *
 * Each thread has a record (records.c), made by pthread_create for its new thread, or by a thread's first call. Only the
 * thread itself writes its state, by which stop.c sees whether it is stopped (docs/models/stop.pml). Whoever leaves SAFE
 * looks after that whether the world is being stopped; whoever becomes INSIDE, whether the fork gate is shut.
 */
#include "gc.h"

#include "../os/os_interpose.h"

#include <pthread.h>
#include <string.h>

/* What every thread's runs are before it has its own, and while one of its signal handlers runs. */
static bw__run empty_runs[RUN_SLOTS];
__thread bw__run *bw__runs __attribute__((tls_model("initial-exec"))) = empty_runs;
__thread struct thread *thread_current __attribute__((tls_model("initial-exec")));

/* The frame of the signal handler of the program that this thread is in; 0: in none. */
static __thread uintptr_t handler_frame __attribute__((tls_model("initial-exec")));

static pthread_key_t end_key;
static pthread_once_t made = PTHREAD_ONCE_INIT;
static _Atomic bool runtime_made;

/* --- the states --- */

static void stop_if_noted(struct thread *self) {
    if (__builtin_expect(atomic_load_explicit(&self->stop_noted, memory_order_relaxed) == 0, 1))
        return;
    atomic_store(&self->stop_noted, 0);
    OS_SPILL_REGISTERS();
    world_park(self, os_place_here(), 0, NULL, true);
    OS_KEEP_FRAME();
}

void thread_leave(struct thread *self) {
    if (self->internal) {
        atomic_store(&self->state, THREAD_SAFE);
        return;
    }
    atomic_store_explicit(&self->state, THREAD_RUNNING, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    /* Threads that allocate much come by here within a microsecond, and spare the stopper the signal. */
    if (__builtin_expect(atomic_load_explicit(&world_number, memory_order_relaxed) & 1, 0))
        atomic_store(&self->stop_noted, 1);
    stop_if_noted(self);
}

bool thread_start_internal(struct thread *self, bool (*begin)(void *), void (*body)(void *), void *argument,
                           const char *name) {
    thread_safe_begin(self);
    bool started = os_start_thread(begin, body, argument, name);
    thread_safe_end(self);
    OS_KEEP_FRAME();
    return started;
}

/* While a fork is under way nobody becomes INSIDE but the thread that forks. */
_Atomic uint32_t fork_gate;
static __thread bool forking __attribute__((tls_model("initial-exec")));

#define GATE_SHUT 1
#define GATE_SHUT_FOR_EVER 2 /* in a child whose parent forked in a signal handler: its heap may be in pieces */

static BW__COLD void wait_at_gate(void) {
    while (atomic_load(&fork_gate) == GATE_SHUT)
        os_wait(&fork_gate, GATE_SHUT, -1);
    if (atomic_load(&fork_gate) == GATE_SHUT_FOR_EVER)
        os_fatal("burrow: a process forked in a signal handler can only exec or _exit");
}

void thread_safe_end(struct thread *self) {
    for (;;) {
        atomic_store(&self->state, THREAD_INSIDE);
        uint32_t number = atomic_load(&world_number);
        bool gate = atomic_load(&fork_gate) && !forking;
        if (!(number & 1) && !gate)
            return;
        atomic_store(&self->state, THREAD_SAFE);
        if (gate)
            wait_at_gate();
        else
            os_wait(&world_number, number, -1);
    }
}

void thread_poll(struct thread *self) {
    if (atomic_load(&world_number) & 1) {
        thread_safe_begin(self);
        thread_safe_end(self);
        OS_KEEP_FRAME();
    }
}

/* --- making and ending --- */

static void thread_ended(void *record);

static void runtime_make_once(void) {
    knobs_read();
    os_barrier_prepare();
    heap_make();
    if (pthread_key_create(&end_key, thread_ended) != 0)
        os_fatal("burrow: pthread_key_create failed: too many keys in use");
    world_stop_install();
    os_fault_panics(&thread_fault_hooks);
    os_watch_fork();
    atomic_store(&runtime_made, true);
    if (knobs.ledger_at_exit || knobs.metrics_at_exit)
        observe_hooks.at_exit();
}

void runtime_make(void) {
    if (!atomic_load_explicit(&runtime_made, memory_order_acquire))
        pthread_once(&made, runtime_make_once);
}

/* The calling thread takes a record for its own; it is SAFE. */
static void adopt(struct thread *self) {
    thread_set_stack(self, os_current_stack());
    self->thread_pointer = os_thread_pointer();
    self->handle = (uintptr_t)pthread_self();
    self->library = os_thread_is_own;
    atomic_store(&self->id, os_thread_id());
    thread_current = self;
    self->numbers = &os_goroutine_now;
    if (!self->internal) {
        /* For the fault of a stack that is full. */
        if (self->stacks.alternate == NULL)
            self->stacks.alternate = os_map(OS_ALTERNATE_STACK_BYTES);
        if (self->stacks.alternate)
            os_alternate_stack_set(self->stacks.alternate, OS_ALTERNATE_STACK_BYTES);
        os_goroutine();
    }
    os_stop_signal_unblock();
    pthread_setspecific(end_key, self);
}

static void begin(struct thread *self) {
    self->place = (os_place){.sp = (uintptr_t)__builtin_frame_address(0)};
    adopt(self);
    thread_safe_end(self);
}

static struct thread *attach(void) {
    runtime_make();
    struct thread *self = record_new();
    if (self == NULL)
        os_fatal("runtime: out of memory: cannot make a thread's record");
    begin(self);
    return self;
}

/* Without a cache: such a thread does not allocate, so that want of memory is no reason for it to end the program. */
bool thread_attach_internal(void *unused) {
    (void)unused;
    struct thread *self = record_new();
    if (self == NULL)
        return false;
    self->internal = true;
    begin(self);
    return true;
}

bool thread_attach_modest(void *unused) {
    os_thread_be_modest();
    return thread_attach_internal(unused);
}

static bool make_cache(struct thread *self) {
    self->cache = cache_make();
    if (self->cache == NULL)
        return false;
    bw__runs = self->cache->runs;
    atomic_store_explicit(&self->quick, true, memory_order_relaxed);
    return true;
}

/* From here on a signal finds no record; one that came before is answered by leaving the list. */
static void leave_record(struct thread *self) {
    thread_current = NULL;
    thread_safe_begin(self);
    record_free(self);
}

static void unset_alternate_stack(struct thread *self) {
    if (self->stacks.alternate && !os_alternate_stack_unset(self->stacks.alternate))
        self->stacks.alternate = NULL; /* it stays with the thread, which runs on it */
}

bool thread_attach_own(void *unused) {
    (void)unused;
    struct thread *self = record_new();
    if (self == NULL)
        return false;
    begin(self);
    if (make_cache(self))
        return true;
    unset_alternate_stack(self);
    pthread_setspecific(end_key, NULL);
    leave_record(self);
    return false;
}

static void handlers_left(struct thread *self) {
    handler_frame = 0;
    if (self)
        atomic_store_explicit(&self->quick, self->cache != NULL, memory_order_relaxed);
    bw__runs = self && self->cache ? self->cache->runs : empty_runs;
}

static BW__COLD void refuse_in_handler(void) {
    os_fatal("burrow: allocation in a signal handler: the interrupted code may be allocating; set a flag or write to a "
             "pipe there instead");
}

/* A handler that was left by longjmp has no frame any more: the stack is above it. */
static void check_handler(struct thread *self) {
    uintptr_t lo, hi;
    if (os_on_alternate_stack(&lo, &hi) || (uintptr_t)__builtin_frame_address(0) < handler_frame)
        refuse_in_handler();
    handlers_left(self);
}

bool thread_may_recover(void) {
    struct thread *self = thread_current;
    if (handler_frame != 0 || (self && (self->marking || atomic_load(&self->state) == THREAD_INSIDE)))
        return false;
    if (self && !self->internal && atomic_load(&self->state) == THREAD_SAFE)
        thread_leave(thread_enter());
    return true;
}

/* Leaving bw_blocking: what was saved must not keep objects alive. */
static void end_blocking(struct thread *self) {
    self->blocking = 0;
    memset(self->saved, 0, sizeof self->saved);
    if (self->cache)
        bw__runs = self->cache->runs;
}

/* INSIDE is written before the gate is looked at, so that a stop from then on waits for this thread; a stop before it
 * made the gate visible. */
static void become_inside(struct thread *self) {
    for (;;) {
        atomic_store_explicit(&self->state, THREAD_INSIDE, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        if (__builtin_expect(!atomic_load_explicit(&fork_gate, memory_order_relaxed), 1) || forking)
            return;
        thread_leave(self);
        wait_at_gate();
    }
}

static _Atomic bool fresh_child; /* of a fork, and has not entered the library yet */

static BW__COLD void enter_child(struct thread *self) {
    atomic_store(&fresh_child, false);
    atomic_store_explicit(&self->quick, self->cache != NULL, memory_order_relaxed);
    if (gc_scheduler_hooks_if_linked())
        gc_scheduler_hooks_if_linked()->child_enters(self);
}

struct thread *thread_enter(void) {
    struct thread *self = thread_current;
    if (__builtin_expect(handler_frame != 0, 0))
        check_handler(self);
    if (__builtin_expect(self == NULL, 0)) {
        self = attach();
    } else {
        if (atomic_load_explicit(&self->state, memory_order_relaxed) == THREAD_INSIDE)
            refuse_in_handler();
        if (__builtin_expect((uintptr_t)__builtin_frame_address(0) - self->stack.lo < self->reserve, 0))
            thread_check_stack(self);
        if (self->internal)
            thread_safe_end(self);
        else if (atomic_load_explicit(&self->state, memory_order_relaxed) == THREAD_SAFE) {
            thread_safe_end(self); /* within bw_blocking, which ends so */
            end_blocking(self);
        } else {
            become_inside(self);
        }
        atomic_signal_fence(memory_order_seq_cst);
    }
    /* Within pthread_create the thread sanitizer overlooks atomics: a thread that was stopped there has not seen, for
     * it, what the collection did to its runs. */
    if (OS_THREAD_SANITIZER)
        (void)atomic_load(&world_number);
    if (__builtin_expect(self->cache == NULL, 0) && !self->internal && !make_cache(self))
        os_fatal("runtime: out of memory: cannot make a thread's cache");
    if (__builtin_expect(atomic_load_explicit(&fresh_child, memory_order_relaxed), 0) && !self->internal)
        enter_child(self);
    return self;
}

static void end_thread(struct thread *self) {
    bw__runs = empty_runs;
    struct cache *cache = self->cache;
    self->cache = NULL;
    atomic_store_explicit(&self->quick, false, memory_order_relaxed);
    if (cache)
        cache_unmake(cache);
    unset_alternate_stack(self);
    self->ending = true;
    if (gc_scheduler_hooks_if_linked())
        gc_scheduler_hooks_if_linked()->thread_rests(self);
    leave_record(self);
}

/* The destructor of a key of ours. Destructors of other keys may allocate, and hold references, before and after it and
 * in further rounds; so it asks to be called again until the last round there is. A thread that allocates even after
 * that is attached anew, and its record taken back when a stop finds it gone. */
static void thread_ended(void *record) {
    struct thread *self = record;
    if (self != thread_current)
        return;
    if (self->destructor_rounds == 0 && os_panic_hooks_if_linked())
        os_panic_hooks_if_linked()->thread_ended();
    if (++self->destructor_rounds < OS_DESTRUCTOR_ROUNDS) {
        pthread_setspecific(end_key, self);
        return;
    }
    if (atomic_load(&self->state) != THREAD_INSIDE)
        thread_enter();
    end_thread(self);
}

bool bw_thread_attach(void) {
    bool known = thread_current != NULL;
    thread_leave(thread_enter());
    return !known;
}

void bw_thread_detach(void) {
    if (thread_current == NULL || thread_current->worker)
        return;
    struct thread *self = thread_enter();
    pthread_setspecific(end_key, NULL);
    end_thread(self);
}

/* bw_blocking { }: SAFE from the for statement's first clause to its last. This frame is
 * gone by then, so the registers in it are copied; the caller's frame, above it, lives on. Allocations in the block
 * take the slow path, which ends being SAFE. */
__attribute__((noinline)) void bw__blocking_enter(void) {
    struct thread *self = thread_enter();
    if (gc_scheduler_hooks_if_linked())
        gc_scheduler_hooks_if_linked()->blocking_begins(self);
    OS_SPILL_REGISTERS();
    const uintptr_t *frame = __builtin_frame_address(0);
    uintptr_t from = os_stack_pointer();
    uintptr_t to = (uintptr_t)(frame + 1); /* the caller's frame pointer is the first word of the frame's record */
    if (to - from > sizeof self->saved)
        from = to - sizeof self->saved; /* the registers are pushed first, at the frame's high end */
    thread_copy_words(self->saved, from, to);
    self->blocking = 1;
    bw__runs = empty_runs;
    self->place = (os_place){(uintptr_t)__builtin_return_address(0) - 1, (uintptr_t)__builtin_dwarf_cfa(), frame[0]};
    thread_note_stack(self, 0);
    atomic_store(&self->state, THREAD_SAFE);
}

void bw__blocking_leave(void) {
    struct thread *self = thread_current;
    if (self && atomic_load(&self->state) == THREAD_SAFE) {
        thread_safe_end(self);
        end_blocking(self);
        if (gc_scheduler_hooks_if_linked())
            self = gc_scheduler_hooks_if_linked()->blocking_ended(self);
        thread_leave(self);
    }
}

/* --- what pthread_create, signal handlers and fork tell --- */

static void *hook_prepare(void *argument) {
    /* The maker is known from here on, too: it may be the main thread, which never allocated. */
    if (thread_current == NULL)
        thread_leave(thread_enter());
    struct thread *thread = record_new();
    if (thread) {
        thread->argument = argument;
        /* The caller is the library's pthread_create or thrd_create, whose frame begins as every frame of the library
         * does. */
        const uintptr_t *frame = *(const uintptr_t *const *)__builtin_frame_address(0);
        thread->maker_pc = frame[1];
        thread->maker = os_goroutine();
    }
    return thread;
}

static void hook_begin(void *record) {
    struct thread *self = record;
    self->place = (os_place){.sp = (uintptr_t)__builtin_frame_address(0)};
    /* The argument is in the caller's frame now, and that is scanned once the stack is known. */
    self->stack = os_current_stack();
    adopt(self);
    os_goroutine_made(self->maker_pc, self->maker);
    /* The maker's argument is kept by the record until this thread's registers are searched. */
    thread_safe_end(self);
    self->argument = NULL;
    thread_leave(self);
}

static void hook_returns(void *value) {
    if (thread_current && thread_current->worker)
        os_fatal("burrow: pthread_exit in a goroutine: it would end the thread of others");
    if (os_panic_hooks_if_linked())
        os_panic_hooks_if_linked()->thread_exits();
    results_keep(value);
}

/* A wait within libc, whose frame holds the registers and outlives it: as bw_blocking. */
static bool hook_wait_begin(os_place place, pthread_t joins) {
    struct thread *self = thread_current;
    if (self == NULL || handler_frame != 0 || atomic_load(&self->state) != THREAD_RUNNING)
        return false;
    bw__runs = empty_runs;
    self->place = place;
    self->joining = true;
    self->joins = (uintptr_t)joins;
    thread_note_stack(self, 0);
    atomic_store(&self->state, THREAD_SAFE);
    return true;
}

static void hook_wait_end(void) {
    struct thread *self = thread_current;
    if (atomic_load(&self->state) == THREAD_SAFE)
        thread_safe_end(self);
    self->joining = false;
    if (self->cache)
        bw__runs = self->cache->runs;
    thread_leave(self);
}

static void hook_abandon(void *record) {
    record_free(record);
}

/* A handler may run on a thread that is SAFE; it is RUNNING meanwhile, since its frames may hold references. */
static void hook_handler_begin(struct os_handler_state *state) {
    struct thread *self = thread_current;
    state->frame = handler_frame;
    state->runs = bw__runs;
    state->was_safe = self && !self->internal && atomic_load(&self->state) == THREAD_SAFE;
    handler_frame = (uintptr_t)state;
    bw__runs = empty_runs;
    if (self)
        atomic_store_explicit(&self->quick, false, memory_order_relaxed);
    if (state->was_safe) {
        state->place = self->place;
        state->alternate = self->alternate;
        thread_safe_end(self);
        thread_leave(self);
    }
}

static void hook_handler_end(struct os_handler_state *state) {
    struct thread *self = thread_current;
    if (state->was_safe && atomic_load(&self->state) == THREAD_RUNNING) {
        self->place = state->place;
        self->alternate = state->alternate;
        atomic_store(&self->state, THREAD_SAFE);
    }
    bw__runs = state->runs;
    handler_frame = state->frame;
    if (self && handler_frame == 0)
        atomic_store_explicit(&self->quick, self->cache != NULL, memory_order_relaxed);
}

/* It may be INSIDE, in the middle of anything; but who ends the program may stop the world once more, to print stacks. */
static void hook_stays(void) {
    struct thread *self = thread_current;
    if (self == NULL)
        return;
    const uintptr_t *frame = __builtin_frame_address(0);
    self->place = (os_place){(uintptr_t)__builtin_return_address(0) - 1, (uintptr_t)__builtin_dwarf_cfa(), frame[0]};
    thread_note_stack(self, 0);
    atomic_store(&self->state, THREAD_SAFE);
}

/* longjmp within a handler: it leaves it, as far as anybody can tell. */
static void hook_jumped(void) {
    if (handler_frame == 0)
        return;
    handlers_left(thread_current);
}

/* fork: at the gate nobody is INSIDE, so that the child's one thread finds every lock free and every structure whole.
 * The world is stopped to see to that, and started again, since libc takes locks of its own next that a stopped thread
 * might hold. */
static struct thread *forker;
static void hook_fork_prepare(void) {
    struct thread *self = NULL;
    if (atomic_load(&runtime_made) && handler_frame == 0) {
        self = thread_enter();
        cycle_hold(self);
        forking = true;
        world_stop_other(self);
        atomic_store(&fork_gate, GATE_SHUT);
        world_start(self);
        os_lock_acquire(&threads_lock); /* threads that only begin or end */
    }
    forker = self;
}

static void open_gates(void) {
    os_lock_release(&threads_lock);
    forking = false;
    atomic_store(&fork_gate, 0);
    os_wake(&fork_gate, INT32_MAX);
    cycle_let_go();
}

static void hook_fork_parent(void) {
    struct thread *self = forker;
    if (self == NULL)
        return;
    open_gates();
    thread_leave(self);
}

static void hook_fork_child(void) {
    struct thread *self = forker;
    if (self == NULL) {
        if (atomic_load(&runtime_made))
            atomic_store(&fork_gate, GATE_SHUT_FOR_EVER);
        return;
    }
    records_forked(self);
    self->id = os_thread_id();
    mark_forget_helpers();
    beside_forked();
    collector_forget_thread();
    ahead_forget_thread();
    pages_forked();
    specials_forget_threads();
    os_own_threads_forget();
    background_forget_thread();
    open_gates();
    if (gc_scheduler_hooks_if_linked())
        gc_scheduler_hooks_if_linked()->forked();
    atomic_store_explicit(&self->quick, false, memory_order_relaxed);
    atomic_store(&fresh_child, true);
    thread_leave(self);
}

const os_thread_hooks os_thread_hooks_table = {
    .prepare = hook_prepare,
    .begin = hook_begin,
    .abandon = hook_abandon,
    .returns = hook_returns,
    .joined = results_joined,
    .wait_begin = hook_wait_begin,
    .wait_end = hook_wait_end,
    .handler_begin = hook_handler_begin,
    .handler_end = hook_handler_end,
    .stays = hook_stays,
    .jumped = hook_jumped,
    .fork_prepare = hook_fork_prepare,
    .fork_parent = hook_fork_parent,
    .fork_child = hook_fork_child,
};
