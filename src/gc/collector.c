/* collector.c - the thread that collects beside the program.
 *
 * A thread that allocates and finds that it is time asks for a collection, and goes on. It is slowed down only if memory is
 * handed out faster than the collection gets on: a little where the goal is passed, more the further it is.
 *
 * The collector takes a quarter of a processor that the program wants, too, and all of one that is idle: it and its helpers
 * have a lower priority, and short turns.
 */
#include "gc.h"

static _Atomic uint32_t asked, answered; /* as often a collection was asked for, and as many of these are seen to */
static _Atomic uint32_t ended;           /* collections */
static _Atomic bool has_thread;
static struct thread *own;

static bool begin(void *argument) {
    os_thread_be_modest();
    return thread_attach_internal(argument);
}

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
        if (atomic_load(&heap.handed) >= atomic_load(&heap.trigger))
            cycle_run(own, CYCLE_PACED);
        atomic_store(&answered, seen);
    }
}

bool collector_is_busy(void) {
    return atomic_load_explicit(&asked, memory_order_relaxed) != atomic_load_explicit(&answered, memory_order_relaxed);
}

bool collector_ask(struct thread *self) {
    if (!atomic_load_explicit(&has_thread, memory_order_relaxed) && !atomic_exchange(&has_thread, true) &&
        !thread_start_internal(self, begin, work, NULL, "burrow-collect")) {
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

#define LITTLE_NS 100000
#define MORE_NS 250000
#define MUCH_NS 2000000

void collector_slow_down(struct thread *self, size_t over, size_t room) {
    uint32_t now = atomic_load(&ended);
    uint64_t since = os_now_ns();
    thread_safe_begin(self);
    os_wait(&ended, now, over < room ? LITTLE_NS : over < pacer_goal() / 4 ? MORE_NS : MUCH_NS);
    thread_safe_end(self);
    times_add(TIMES_ASSISTS, os_now_ns() - since);
    OS_KEEP_FRAME();
}

void collector_forget_thread(void) {
    atomic_store(&has_thread, false);
    atomic_store(&answered, atomic_load(&asked));
    own = NULL;
}
