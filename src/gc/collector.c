/* collector.c - the thread that collects beside the program.
 *
 * A thread that allocates and finds that it is time asks for a collection, and goes on. It is slowed down only if memory is
 * handed out faster than the collection gets on: a little where the goal is passed, more the further it is. It marks
 * meanwhile.
 *
 * The collector takes a quarter of a processor that the program wants, too, and all of one that is idle: it and its helpers
 * have a lower priority, and short turns.
 */
#include "gc.h"

static _Atomic uint32_t asked, answered; /* as often a collection was asked for, and as many of these are seen to */
static _Atomic uint32_t ended;           /* collections */
static _Atomic bool has_thread;
static struct thread *own;

static void work(void *argument) {
    (void)argument;
    own = thread_current;
    for (uint32_t seen = 0;;) {
        uint32_t now = atomic_load(&asked);
        if (now == seen) {
            thread_leave(own);
            os_wait(&asked, now, -1);
            thread_enter();
            continue;
        }
        seen = now;
        /* Threads may have asked for the last one several times before it began. */
        cycle_run_due(own);
        atomic_store(&answered, seen);
    }
}

bool collector_is_busy(void) {
    return atomic_load_explicit(&asked, memory_order_relaxed) != atomic_load_explicit(&answered, memory_order_relaxed);
}

bool collector_ask(struct thread *self) {
    if (!atomic_load_explicit(&has_thread, memory_order_relaxed) && !atomic_exchange(&has_thread, true) &&
        !thread_start_internal(self, thread_attach_modest, work, NULL, "burrow-collect")) {
        atomic_store(&has_thread, false);
        return false;
    }
    atomic_fetch_add(&asked, 1);
    os_wake(&asked, 1);
    return true;
}

void collector_ended(void) {
    atomic_fetch_add(&ended, 1);
    os_wake(&ended, INT32_MAX);
}

#define LITTLE_NS ((uint64_t)30000)
#define MORE_NS ((uint64_t)250000)
#define MUCH_NS ((uint64_t)2000000)
#define LONG_NS ((uint64_t)20000000)

/* Without signals: a handler of the program's could wait for the end of a stop that waits for this thread. */
static bool help(uint64_t until) {
    uint64_t mask = os_signals_block();
    bool helped = mark_assist(until);
    os_signals_restore(mask);
    return helped;
}

/* Helps, a little at a time, or waits where there is nothing to help with. To sleep for less than SHORT_NS takes longer: the
 * system's timers are not that exact, and the thread is woken late. */
#define SHORT_NS ((uint64_t)100000)
static void give_time(struct thread *self, uint32_t collections, uint64_t ns) {
    self->marking = true;
    atomic_store_explicit(&self->slowed, true, memory_order_relaxed);
    uint64_t until = os_now_ns() + ns;
    for (uint64_t now; atomic_load(&ended) == collections && (now = os_now_ns()) < until;) {
        uint64_t turn = until - now < MORE_NS ? until - now : MORE_NS;
        if (help(now + turn))
            continue;
        if (turn < SHORT_NS)
            os_yield();
        else
            os_wait(&ended, collections, (int64_t)turn);
    }
    atomic_store_explicit(&self->slowed, false, memory_order_relaxed);
    self->marking = false;
}

/* Far above the goal it is for long, since nothing else keeps the heap from growing where the collector gets little of the
 * processors; but not until the collection is over, which may wait for a lock of the loader's that this thread holds. A worker
 * keeps its token meanwhile: the next goroutine would hand out memory, too, and the heap grow with their number. */
void collector_slow_down(struct thread *self, size_t over, size_t room) {
    uint32_t now = atomic_load(&ended);
    size_t eighth = pacer_goal() / 8;
    uint64_t since = os_now_ns();
    thread_safe_begin(self);
    give_time(self, now,
              over < room         ? LITTLE_NS
              : over < eighth / 2 ? 2 * LITTLE_NS
              : over < eighth     ? MORE_NS
              : over < 2 * eighth ? MUCH_NS
                                  : LONG_NS);
    thread_safe_end(self);
    times_add(TIMES_ASSISTS, os_now_ns() - since);
    OS_KEEP_FRAME();
}

void collector_forget_thread(void) {
    atomic_store(&has_thread, false);
    atomic_store(&answered, atomic_load(&asked));
    own = NULL;
}
