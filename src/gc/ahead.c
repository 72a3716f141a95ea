/* ahead.c - a thread that has the system make memory before the program comes to it.
 *
 * The first write to a huge page has the kernel make it, 2 MiB of zeroes: 0.1 ms, or 4.5 ms in a virtual machine whose host
 * makes its memory at the same moment, and in small pages. A program whose heap grows waits for that every 2 MiB. So when a
 * span for small objects is made where the heap was never used before, this thread touches the next few MiB. Large objects
 * are left to the program, which may never touch them.
 *
 * It costs memory that may not be needed, so not in small heaps, nor under a memory limit.
 */
#include "gc.h"

#define LEAST_HEAP ((size_t)32 << 20)
#define AHEAD_BYTES ((size_t)4 << 20)
#define GROWN_BYTES ((size_t)16 << 20) /* so far the heap reaches: growing it waits for a page that is being made */

static _Atomic bool has_thread;

static bool is_free(size_t offset) {
    const struct span *span = span_of_offset(offset);
    return span == NULL || atomic_load(&span->state) == SPAN_FREE;
}

static bool make(size_t lo, size_t hi) {
    uintptr_t from = heap.base + lo, to = heap.base + hi;
    if (!pages_touch(from, to))
        return false;
    os_touch((uintptr_t)mark_byte(from), (uintptr_t)mark_byte(to));
    return true;
}

static void work(void *unused) {
    (void)unused;
    size_t made = 0;
    for (uint32_t seen = 0, now;; seen = now) {
        thread_leave(thread_current);
        while ((now = atomic_load(&heap.ahead_asked)) == seen)
            os_wait(&heap.ahead_asked, now, -1);
        thread_enter();
        size_t from = atomic_load(&heap.ahead), end = from + AHEAD_BYTES;
        while (from + GROWN_BYTES > atomic_load(&heap.used) && pages_grow()) {}
        size_t used = atomic_load(&heap.used);
        if (from < made)
            from = made;
        if (end > used)
            end = used;
        thread_leave(thread_current); /* it takes long, and no stop should wait for it */
        for (bool made_one = true; made_one && from < end; from += OS_HUGE_PAGE)
            if (is_free(from))
                made_one = make(from, from + OS_HUGE_PAGE);
        if (end > made)
            made = end;
        thread_enter();
    }
}

void ahead_start(struct thread *self) {
    if (atomic_load_explicit(&has_thread, memory_order_relaxed) || heap_committed() < LEAST_HEAP ||
        knobs.memory_limit < INT64_MAX || atomic_exchange(&has_thread, true))
        return;
    if (thread_start_internal(self, thread_attach_modest, work, NULL, "burrow-ahead"))
        atomic_store(&heap.looks_ahead, true);
}

void ahead_forget_thread(void) {
    atomic_store(&has_thread, false);
    atomic_store(&heap.looks_ahead, false);
}
