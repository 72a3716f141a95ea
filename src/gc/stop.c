/* stop.c - stopping the world and starting it again.
 *
 * world_number is even while the program runs and odd from the beginning of a stop to its end. A thread that must not
 * run on waits for it to change. The stopper looks at each record until the thread is SAFE or has stopped at this
 * number. A thread on its way out of the library stops by itself; one that is still RUNNING after some microseconds is
 * sent the signal, and again each 10 ms, since the system may drop it for want of queue room.
 *
 * Why no thread slips through: leaving SAFE, a thread writes its state and then reads world_number; the stopper writes
 * world_number and then reads the state; both sequentially consistent, so that at least one sees the other.
 */
#include "gc.h"

#include <errno.h>

_Atomic uint32_t world_number;
_Atomic bool world_short;
static _Atomic uint32_t acknowledgements;
static struct thread *stopper;
static struct { /* the stop that goes on; the stopper's */
    uint64_t began, stopping, helpers;
    bool other;
} pause_now;

#define SPIN_NS 100000
#define AGAIN_NS (OS_STOP_SIGNAL_MAY_MISS ? 300000 : 10000000)
#define COURTESY_ROUNDS 100 /* some microseconds, in which a thread that allocates stops by itself */

void world_park(struct thread *self, os_place place, uintptr_t interrupted, const void *context, bool was_running) {
    uint32_t number = atomic_load(&world_number);
    if (!(number & 1))
        return;
    self->place = place;
    self->interrupted_context = context;
    thread_note_stack(self, interrupted);
    atomic_store(&self->stopped_at, number);
    atomic_fetch_add(&acknowledgements, 1);
    os_wake(&acknowledgements, 1);
    /* A short stop with one marker leaves this thread's processor idle: it then goes on sooner if it does not sleep. */
    if (was_running && atomic_load(&world_short))
        for (uint64_t until = os_now_ns() + SPIN_NS; atomic_load(&world_number) == number && os_now_ns() < until;)
            os_cpu_relax();
    while (atomic_load(&world_number) == number)
        os_wait(&world_number, number, -1);
    self->interrupted_context = NULL;
}

/* In the stopped thread, on the signal; not instrumented, since the thread sanitizer may have forgotten an ending
 * thread. */
__attribute__((no_sanitize("thread"))) static void on_signal(uintptr_t stack_pointer, uintptr_t interrupted,
                                                             const void *context) {
    struct thread *self = thread_current;
    if (self == NULL)
        return;
    switch (atomic_load(&self->state)) {
    case THREAD_RUNNING:
        if (atomic_load(&self->stopped_at) == atomic_load(&world_number))
            break; /* it stopped by itself, just before the signal came */
        /* It may sleep in the kernel. */
        world_park(self, (os_place){.sp = stack_pointer}, interrupted, context, false);
        break;
    case THREAD_INSIDE: atomic_store(&self->stop_noted, 1); break;
    default: break; /* SAFE: cannot leave that anyway */
    }
}

void world_stop_install(void) {
    os_stop_signal_install(on_signal, knobs.stop_signal);
}

static bool is_stopped(struct thread *thread, uint32_t number) {
    return atomic_load(&thread->gone) || atomic_load(&thread->state) == THREAD_SAFE ||
           atomic_load(&thread->stopped_at) == number;
}

struct stopping {
    uint32_t number;
    bool send, again;
    int left;
};

static void stop_one(struct thread *thread, void *context) {
    struct stopping *stopping = context;
    if (thread == stopper || is_stopped(thread, stopping->number))
        return;
    stopping->left++;
    if (!stopping->send || thread->internal)
        return;
    /* Its id can be another thread's by now: that one would answer for itself. */
    if (stopping->again && !os_thread_is_alive(thread->thread_pointer, thread->id))
        atomic_store(&thread->gone, true);
    else if (!os_stop_signal_send(thread->id) && errno == ESRCH)
        atomic_store(&thread->gone, true);
}

void world_stop(struct thread *self) {
    uint64_t began = os_now_ns();
    os_lock_acquire(&threads_lock);
    stopper = self;
    uint32_t number = atomic_load(&world_number) + 1;
    atomic_store(&world_number, number);
    uint64_t sent = os_now_ns();
    struct stopping stopping = {number, false, false, 0};
    for (int rounds = 0;; rounds++) {
        uint32_t seen = atomic_load(&acknowledgements);
        stopping.left = 0;
        threads_each(stop_one, &stopping);
        if (stopping.left == 0)
            break;
        stopping.send = rounds == COURTESY_ROUNDS;
        os_cpu_relax();
        if (rounds <= COURTESY_ROUNDS || rounds % 64 != 63)
            continue;
        /* A running thread answers within some microseconds; waking up from a sleep would take longer than that. */
        uint64_t waited = os_now_ns() - sent;
        if (waited > SPIN_NS)
            os_wait(&acknowledgements, seen, 200000);
        if (waited > AGAIN_NS) {
            stopping.send = stopping.again = true;
            sent = os_now_ns();
        }
    }
    pause_now.began = began;
    pause_now.stopping = os_now_ns() - began;
    pause_now.helpers = mark_all_helpers_ns();
    pause_now.other = false;
}

void world_stop_other(struct thread *self) {
    world_stop(self);
    pause_now.other = true;
}

void world_start(struct thread *self) {
    (void)self;
    bool other = pause_now.other;
    uint64_t stopping = pause_now.stopping, stopped = os_now_ns() - pause_now.began;
    uint64_t helpers = mark_all_helpers_ns() - pause_now.helpers;
    atomic_fetch_add(&world_number, 1);
    os_wake(&world_number, INT32_MAX);
    os_lock_release(&threads_lock);
    times_add_stop(other, stopping, stopped, helpers);
}
