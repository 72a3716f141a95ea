/* background.c - one thread of the library's own, made at the first collection: it finishes the sweep, and gives memory
 * that has been idle for a while back to the system.
 *
 * What the program will need again before the next collection is kept: a tenth over the goal, as in Go.
 */
#include "compact.h"

#define QUIET_NS ((int64_t)10 * 1000 * 1000) /* without a collection, before the sweep begins */
#define IDLE_NS ((int64_t)500 * 1000 * 1000)

static _Atomic uint32_t news;
static _Atomic uint32_t asleep; /* 1: until there is news */
static _Atomic bool has_thread;
static struct thread *own;

static void poll(void) {
    thread_poll(own);
}
static bool go_on(void) {
    poll();
    return true;
}

static size_t bytes_to_keep(void) {
    size_t goal = pacer_goal(), in_use = heap_committed() - (atomic_load(&heap.free_pages) << PAGE_SHIFT);
    if (goal > SIZE_MAX / 4)
        return SIZE_MAX; /* no collection is to come: nothing is known */
    size_t wanted = goal + goal / 10;
    return wanted > in_use ? wanted - in_use : 0;
}

/* For that long, whatever happens: being woken by each collection would cost more than it is worth. */
static void pause_for(int64_t ns) {
    static _Atomic uint32_t nobody;
    thread_leave(own);
    os_wait(&nobody, 0, ns);
    thread_enter();
}

static void work(void *argument) {
    (void)argument;
    own = thread_current;
    uint32_t seen = 0;
    for (;;) {
        uint32_t now = atomic_load(&news);
        if (now == seen) {
            thread_leave(own);
            atomic_store(&asleep, 1);
            if (atomic_load(&news) == now)
                os_wait(&asleep, 1, -1);
            atomic_store(&asleep, 0);
            thread_enter();
            continue;
        }
        seen = now;
        /* A program that collects often sweeps as it allocates; this thread would only take its processor. */
        pause_for(QUIET_NS);
        if (atomic_load(&news) != seen)
            continue;
        heap_sweep_some(go_on);
        pause_for(IDLE_NS);
        if (atomic_load(&news) == seen) {
            heap_free_empty();
            pages_release(bytes_to_keep(), poll);
            if (compact_took_news())
                heap_release_within_spans();
        }
    }
}

void background_after_cycle(struct thread *self) {
    if (!atomic_load_explicit(&has_thread, memory_order_relaxed) && !atomic_exchange(&has_thread, true) &&
        !thread_start_internal(self, thread_attach_modest, work, NULL, "burrow-sweep"))
        atomic_store(&has_thread, false); /* those who allocate sweep; the next collection tries again */
    atomic_fetch_add(&news, 1);
    if (atomic_load(&asleep) && atomic_exchange(&asleep, 0))
        os_wake(&asleep, 1);
}

void background_forget_thread(void) {
    atomic_store(&has_thread, false);
    own = NULL;
}
