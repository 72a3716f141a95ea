/* beside.c - marking beside the program: the pages that it writes meanwhile.
 *
 * Marking beside the program may miss an object: the only reference to it is moved, from where the marker has not been to
 * where it has. For that the program must write the reference into an object that has the live byte already, or keep it on
 * a stack or in static data. So the pages of objects are watched: those that were written since they were last searched
 * are searched again, in rounds while the program runs, and once more when it is stopped, together with all stacks and
 * static data. Objects that are made meanwhile have the live byte from the beginning, and lie on pages that are written.
 *
 * Pages are protected before the first stop: from then on each write is noted, or the page counts as written because it
 * was never protected, like those that become a span's later. When the collection is over that ends: a first write to a
 * page costs more than not to be protected any more.
 *
 * Only spans whose objects may hold references are watched.
 */
#include "gc.h"

static os_lock trying;
static _Atomic bool tried;
static const char *refused = ""; /* written before `tried` */

/* Under the gc lock. */
static uint32_t protections; /* how often all was protected, or a collection went on with that */
static enum {
    NOT_WATCHED,
    WATCHED, /* each write since the last beside_protect is noted */
    MARKED,  /* and since then all was marked: what is alive refers to nothing else, but from pages that were written */
} watching;

bool beside_works(void) {
    if (!atomic_load(&tried)) {
        os_lock_acquire(&trying);
        if (!atomic_load(&tried)) {
            refused = os_watch_start();
            if (refused == NULL && !pages_watch())
                refused = "the heap cannot be watched";
            atomic_store(&tried, true);
        }
        os_lock_release(&trying);
    }
    return refused == NULL && __atomic_load_n(&heap.watched, __ATOMIC_ACQUIRE);
}

bool beside_refuses(void) {
    return atomic_load(&tried) && !__atomic_load_n(&heap.watched, __ATOMIC_ACQUIRE);
}

const char *beside_refused(void) {
    return refused ? refused : "more memory cannot be watched";
}

void beside_forked(void) {
    os_watch_end();
    trying = (os_lock){0}; /* whoever held it is not here */
    atomic_store(&tried, false);
    heap.watched = false;
    watching = NOT_WATCHED;
}

/* --- passes over the pages whose spans hold references --- */

/* Markers claim a piece of the heap each, and ask the system which of its pages were written, a few at a time: so a page is
 * protected again shortly before it is searched, also where the program runs only now and then meanwhile. */
#define PIECE_BYTES ((uintptr_t)8 << 20)
#define MOST_RETURNED 256 /* at most as many as there are markers */

static struct {
    os_lock lock;
    _Atomic enum pass_kind kind;
    _Atomic bool failed;
    _Atomic size_t most_pages; /* that are taken at once */
    size_t at;                 /* what follows is not claimed yet */
    struct piece returned[MOST_RETURNED];
    size_t returned_count;
    _Atomic bool all_claimed;
    _Atomic size_t pages;
} pass = {.all_claimed = true};

/* The span of references that the page is part of, or NULL. */
static struct span *searched_span(size_t page) {
    struct span *span = span_of_offset(page << PAGE_SHIFT);
    bool is = span != NULL && atomic_load_explicit(&span->state, memory_order_relaxed) != SPAN_FREE &&
              heap.scans[__atomic_load_n(&heap.page_layout[page], __ATOMIC_RELAXED)].kind != SCAN_NONE;
    return is ? span : NULL;
}

/* The next piece of pages whose spans hold references, at or behind *at. What becomes such a page meanwhile, and is missed
 * here, counts as written. So may be what another thread is just making a span of, or ending: what that says of itself is
 * read as it is. If a page is passed over for it, it is not protected now; and then either it counts as written, or was
 * protected before, and not written since. In the last stop nobody changes anything. */
__attribute__((no_sanitize("thread"), noinline)) static bool next_piece(size_t *at, struct piece *piece) {
    size_t end = atomic_load(&heap.used) >> PAGE_SHIFT, page = *at >> PAGE_SHIFT;
    const struct span *span;
    while (page < end && searched_span(page) == NULL)
        page++;
    size_t first = page, most = first + (PIECE_BYTES >> PAGE_SHIFT);
    while (page < end && page < most && (span = searched_span(page)) != NULL) {
        size_t behind = ((span->base - heap.base) >> PAGE_SHIFT) + span->pages;
        page = behind > page ? behind : page + 1;
    }
    if (page > end)
        page = end;
    if (page <= first)
        return false;
    *piece = (struct piece){first << PAGE_SHIFT, page << PAGE_SHIFT};
    *at = piece->hi;
    return true;
}

bool beside_claim(struct piece *piece) {
    if (atomic_load_explicit(&pass.all_claimed, memory_order_relaxed))
        return false;
    bool some = true;
    os_lock_acquire(&pass.lock);
    if (pass.returned_count > 0)
        *piece = pass.returned[--pass.returned_count];
    else if (!next_piece(&pass.at, piece))
        some = false;
    if (!some)
        atomic_store(&pass.all_claimed, true);
    os_lock_release(&pass.lock);
    return some;
}

void beside_return(struct piece piece) {
    if (piece.lo == piece.hi)
        return;
    os_lock_acquire(&pass.lock);
    OS_ASSERT(pass.returned_count < MOST_RETURNED);
    pass.returned[pass.returned_count++] = piece;
    atomic_store(&pass.all_claimed, false);
    os_lock_release(&pass.lock);
}

size_t beside_take(struct piece *piece, struct os_pages *parts, size_t room) {
    size_t count = 0, bytes = 0;
    uintptr_t at = heap.base + piece->lo, end = heap.base + piece->hi;
    enum pass_kind kind = atomic_load_explicit(&pass.kind, memory_order_relaxed);
    size_t most_pages = atomic_load_explicit(&pass.most_pages, memory_order_relaxed);
    if (kind == PASS_ALL) {
        uintptr_t most = most_pages * os_page_bytes();
        parts[count++] = (struct os_pages){at, end - at < most ? end : at + most};
        at = parts[0].hi;
    } else {
        long found = os_watch_written(&at, end, kind == PASS_PROTECT, parts, room, most_pages);
        if (found < 0) {
            atomic_store(&pass.failed, true);
            at = end;
        }
        count = found < 0 ? 0 : (size_t)found;
    }
    piece->lo = at - heap.base;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].hi - parts[i].lo;
    atomic_fetch_add_explicit(&pass.pages, bytes / os_page_bytes(), memory_order_relaxed);
    return count;
}

void beside_begin_pass(enum pass_kind kind, size_t most_pages) {
    os_lock_acquire(&pass.lock);
    atomic_store(&pass.most_pages, most_pages);
    atomic_store(&pass.kind, kind);
    atomic_store(&pass.failed, false);
    pass.at = HEAP_BEGIN;
    pass.returned_count = 0;
    atomic_store(&pass.pages, 0);
    atomic_store(&pass.all_claimed, false);
    os_lock_release(&pass.lock);
}

bool beside_all_claimed(void) {
    return atomic_load(&pass.all_claimed);
}

bool beside_pass_failed(void) {
    return atomic_load(&pass.failed);
}

size_t beside_pages(void) {
    return atomic_load(&pass.pages);
}

size_t beside_count_written(size_t most) {
    struct piece piece;
    struct os_pages parts[OS_WATCH_MOST];
    size_t pages = 0;
    for (size_t at = HEAP_BEGIN; pages <= most && next_piece(&at, &piece); cycle_give_way()) {
        uintptr_t lo = heap.base + piece.lo, hi = heap.base + piece.hi;
        while (lo < hi && pages <= most) {
            long count = os_watch_written(&lo, hi, false, parts, OS_WATCH_MOST, PIECE_BYTES / os_page_bytes());
            if (count < 0)
                return SIZE_MAX;
            while (count-- > 0)
                pages += (parts[count].hi - parts[count].lo) / os_page_bytes();
        }
    }
    return pages;
}

bool beside_keeps_marks(void) {
    return watching == MARKED && __atomic_load_n(&heap.watched, __ATOMIC_ACQUIRE);
}

void beside_marked(bool minor, bool failed) {
    if (failed || !__atomic_load_n(&heap.watched, __ATOMIC_ACQUIRE))
        watching = NOT_WATCHED;
    else if (!minor && watching == WATCHED)
        watching = MARKED;
}

uint32_t beside_go_on_watching(void) {
    return ++protections;
}

bool beside_protect(uint32_t *number) {
    struct piece piece;
    struct os_pages parts[OS_WATCH_MOST];
    *number = ++protections;
    beside_begin_pass(PASS_PROTECT, PIECE_BYTES / os_page_bytes());
    for (; beside_claim(&piece); cycle_give_way())
        while (piece.lo < piece.hi)
            beside_take(&piece, parts, OS_WATCH_MOST);
    watching = beside_pass_failed() ? NOT_WATCHED : WATCHED;
    return watching == WATCHED;
}

void beside_end_watching(struct thread *self, uint32_t number) {
    struct piece piece;
    size_t at = HEAP_BEGIN;
    for (bool more = true; more;) {
        thread_poll(self);
        gc_lock_acquire(self);
        more = protections == number;
        if (more) {
            watching = NOT_WATCHED;
            more = next_piece(&at, &piece) && os_watch_protect(heap.base + piece.lo, heap.base + piece.hi, false);
        }
        gc_lock_release();
        cycle_give_way();
    }
}
