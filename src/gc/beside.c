/* beside.c - marking beside the program: the pages that it writes meanwhile.
 *
 * Marking beside the program may miss an object: the only reference to it is moved, from where the marker has not been to
 * where it has. For that the program must write the reference into an object that has the live byte already, or keep it on
 * a stack or in static data. So the pages of objects are watched: those that were written since they were last searched
 * are searched again, in rounds while the program runs, and once more when it is stopped, together with all stacks and
 * static data. Objects that are made meanwhile have the live byte from the beginning, and lie on pages that are written.
 *
 * Pages are protected before the first stop: from then on each write is noted, or the page counts as written because it
 * was never protected, like those that become a span's later. They stay protected when the collection is over.
 *
 * Only spans whose objects may hold references are watched.
 */
#include "gc.h"

static bool tried;
static const char *refused = "";

bool beside_works(void) {
    if (!tried) {
        tried = true;
        refused = os_watch_start();
        if (refused == NULL && !pages_watch())
            refused = "the heap cannot be watched";
    }
    return refused == NULL && heap.watched;
}

bool beside_refuses(void) {
    return tried && !heap.watched;
}

const char *beside_refused(void) {
    return refused ? refused : "more memory cannot be watched";
}

void beside_forked(void) {
    os_watch_end();
    tried = heap.watched = false;
}

/* --- runs of pages whose spans hold references --- */

static bool is_searched(size_t page) {
    struct span *span = span_of_offset(page << PAGE_SHIFT);
    return span != NULL && atomic_load_explicit(&span->state, memory_order_relaxed) != SPAN_FREE &&
           heap.scans[__atomic_load_n(&heap.page_layout[page], __ATOMIC_RELAXED)].kind != SCAN_NONE;
}

/* What becomes such a page meanwhile, and is missed here, counts as written. */
static bool each_run(void (*found)(void *context, uintptr_t lo, uintptr_t hi), void *context) {
    size_t end = atomic_load(&heap.used) >> PAGE_SHIFT;
    for (size_t page = HEAP_BEGIN >> PAGE_SHIFT; page < end;) {
        if (!is_searched(page)) {
            page++;
            continue;
        }
        size_t first = page;
        while (page < end && is_searched(page))
            page++;
        if (!os_watch_written(heap.base + (first << PAGE_SHIFT), heap.base + (page << PAGE_SHIFT), true, found,
                              context))
            return false;
    }
    return true;
}

static void ignore(void *context, uintptr_t lo, uintptr_t hi) {
    (void)context;
    (void)lo;
    (void)hi;
}

bool beside_protect(void) {
    return each_run(ignore, NULL);
}

static void add_pages(void *roots, uintptr_t lo, uintptr_t hi) {
    roots_add(roots, lo, hi, ROOT_PAGES);
}

bool beside_round(struct roots *roots) {
    roots->count = roots->marked = 0;
    return each_run(add_pages, roots);
}

void beside_last(struct roots *roots, bool failed) {
    uintptr_t lo = heap.base + HEAP_BEGIN, hi = heap.base + atomic_load(&heap.used);
    if (failed || !os_watch_written(lo, hi, false, add_pages, roots))
        add_pages(roots, lo, hi);
}
