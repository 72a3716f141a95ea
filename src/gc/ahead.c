/* ahead.c - a thread that has the system make memory before the program comes to it.
 *
 * The first write to a huge page has the kernel make it, 2 MiB of zeroes: 0.1 ms, or 4.5 ms in a virtual machine whose host
 * makes its memory at the same moment, and in small pages. A program whose heap grows would wait for that every 2 MiB. So
 * when a span for small objects is made where the heap was never used before, this thread touches the next few MiB, in huge pages
 * as long as these are made fast (heap.c). Large objects are left to the program, which may never touch them.
 *
 * It costs memory that may not be needed, so not in small heaps, nor under a memory limit.
 */
#include "gc.h"

#define LEAST_HEAP ((size_t)8 << 20)
#define LEAST_AHEAD OS_HUGE_PAGE      /* an eighth of the heap, but at least so much, */
#define MOST_AHEAD (8 * OS_HUGE_PAGE) /* and not more than this */
#define GROWN_BYTES (2 * MOST_AHEAD)  /* so far the heap reaches: growing it waits for a page that is being made */

static _Atomic bool has_thread;

static bool is_free(size_t offset) {
    const struct span *span = span_of_offset(offset);
    return span == NULL || atomic_load(&span->state) == SPAN_FREE;
}

/* Of the heap, and of the mark bytes. */
static bool make_huge(size_t lo, size_t hi) {
    if (!heap_touch_huge_page(heap.base + lo))
        return false;
    static uintptr_t marks_made;
    uintptr_t marks = (uintptr_t)mark_byte(heap.base + hi - 1) & ~(OS_HUGE_PAGE - 1);
    if (marks > marks_made && (uintptr_t)mark_byte(heap.base + lo) >= marks) {
        marks_made = marks;
        heap_try_huge_page(marks);
    }
    return true;
}

/* Where huge pages are made slowly it makes small ones. */
static void make(size_t lo, size_t end) {
    bool huge = atomic_load(&heap.huge_pages), may = true;
    if (huge)
        os_want_huge_pages((void *)(heap.base + lo), end - lo);
    for (size_t hi; may && lo < end; lo = hi) {
        hi = lo + OS_HUGE_PAGE;
        uintptr_t from = heap.base + lo, to = heap.base + hi;
        if (is_free(lo))
            may = huge ? make_huge(lo, hi) : pages_touch(from, to);
        os_touch((uintptr_t)mark_byte(from), (uintptr_t)mark_byte(to));
        os_yield(); /* a thread of the program's may want the processor */
        if (huge && !atomic_load(&heap.huge_pages)) {
            huge = false;
            if (hi < end)
                os_want_small_pages((void *)to, end - hi);
        }
    }
}

/* Whether they still are is tried with the last one of the heap: the program could come to the next one while it is made. */
static void try_huge_page(size_t page) {
    static size_t tried; /* to touch it again tells nothing */
    if (atomic_load(&heap.huge_pages) || page <= tried || !heap_tries_huge_pages(page) || !is_free(page))
        return;
    tried = page;
    heap_try_huge_page(heap.base + page);
}

static void make_ahead(size_t *made) {
    size_t from = atomic_load(&heap.ahead), ahead = (from / 8 + OS_HUGE_PAGE - 1) & ~(OS_HUGE_PAGE - 1);
    size_t end = from + (ahead < LEAST_AHEAD ? LEAST_AHEAD : ahead > MOST_AHEAD ? MOST_AHEAD : ahead);
    while (end + GROWN_BYTES > atomic_load(&heap.used) && pages_grow()) {}
    size_t used = atomic_load(&heap.used);
    if (from < *made)
        from = *made;
    if (end > used)
        end = used;
    thread_leave(thread_current); /* it takes long, and no stop should wait for it */
    try_huge_page(used - OS_HUGE_PAGE);
    if (from < end)
        make(from, end);
    if (end > *made)
        *made = end;
    thread_enter();
}

static void work(void *unused) {
    (void)unused;
    size_t made = 0;
    for (uint32_t seen = 0, now;; seen = now) {
        thread_leave(thread_current);
        while ((now = atomic_load(&heap.ahead_asked)) == seen)
            os_wait(&heap.ahead_asked, now, -1);
        thread_enter();
        make_ahead(&made);
    }
}

void ahead_start(struct thread *self) {
    if (atomic_load_explicit(&has_thread, memory_order_relaxed) || heap_committed() < LEAST_HEAP ||
        knobs.memory_limit < INT64_MAX || atomic_exchange(&has_thread, true))
        return;
    /* Not a modest one: it holds locks of the system's that the program's page faults wait for. */
    if (thread_start_internal(self, thread_attach_internal, work, NULL, "burrow-ahead"))
        atomic_store(&heap.looks_ahead, true);
}

void ahead_forget_thread(void) {
    atomic_store(&has_thread, false);
    atomic_store(&heap.looks_ahead, false);
}
