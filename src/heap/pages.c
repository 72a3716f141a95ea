/* pages.c - runs of free pages: good fit from size-ordered bins, coalesced at once, given back to the system.
 *
 * A free run is a span record with state SPAN_FREE; the page table refers to it from its first and its last page only,
 * so that a run being freed finds its neighbours. Bins hold runs of exactly 1 to 127 pages, then eight bins to each
 * doubling. In the bin of the wanted size the best of the first 32 is taken, else the first of the next larger
 * non-empty bin: at most an eighth larger than it could be, in constant time.
 *
 * Every page has a dirty flag: clean pages read as zero (never touched, or given back). Runs coalesce regardless.
 */
#include "heap.h"

#include <string.h>

#define EXACT_BINS 128
#define BINS (EXACT_BINS + 8 * 40)

static os_lock pages_lock;
static struct span *bins[BINS];
static uint64_t bins_used[(BINS + 63) / 64];
static struct span *record_pool;

/* --- span records: from slabs that are never unmapped, so that a stale reference still reads a record --- */

/* Pages of records that are all free, given back to the system: they read as zero, as a record that nobody has may. */
static struct span **bare_pages;
static size_t bare_count, bare_capacity;

static void add_records(struct span *records, size_t bytes) {
    for (size_t i = bytes / sizeof *records; i-- > 0;) {
        records[i].next = record_pool;
        record_pool = &records[i];
    }
}

static struct span *record_take(void) {
    if (record_pool == NULL && bare_count > 0)
        add_records(bare_pages[--bare_count], os_page_bytes());
    if (record_pool == NULL) {
        size_t bytes = 65536;
        struct span *slab = os_map(bytes);
        if (slab == NULL)
            return NULL;
        atomic_fetch_add(&heap.span_records, bytes);
        add_records(slab, bytes);
    }
    struct span *record = record_pool;
    record_pool = record->next;
    memset(record, 0, sizeof *record);
    atomic_store(&record->swept, atomic_load(&heap.cycle));
    return record;
}

static void record_return(struct span *record) {
    record->state = SPAN_FREE;
    record->next = record_pool;
    record_pool = record;
}

struct span *span_record_new(void) {
    os_lock_acquire(&pages_lock);
    struct span *record = record_take();
    os_lock_release(&pages_lock);
    return record;
}

void span_record_free(struct span *record) {
    os_lock_acquire(&pages_lock);
    record_return(record);
    os_lock_release(&pages_lock);
}

/* --- bins --- */

static unsigned bin_of(size_t count) {
    if (count < EXACT_BINS)
        return (unsigned)count;
    unsigned doubling = 63 - (unsigned)__builtin_clzl(count);
    return EXACT_BINS + (doubling - 7) * 8 + (unsigned)((count >> (doubling - 3)) & 7);
}

static size_t first_page(const struct span *run) {
    return (run->base - heap.base) >> PAGE_SHIFT;
}

static void bin_add(struct span *run) {
    unsigned bin = bin_of(run->pages);
    run->state = SPAN_FREE;
    run->free_in_bin = true;
    run->previous = NULL;
    run->next = bins[bin];
    if (run->next)
        run->next->previous = run;
    bins[bin] = run;
    bins_used[bin / 64] |= (uint64_t)1 << (bin % 64);
    heap.page_span[first_page(run)] = run;
    heap.page_span[first_page(run) + run->pages - 1] = run;
}

/* Takes a run out of its bin; its pages then belong to nobody. */
static void bin_remove(struct span *run) {
    unsigned bin = bin_of(run->pages);
    if (run->previous)
        run->previous->next = run->next;
    else
        bins[bin] = run->next;
    if (run->next)
        run->next->previous = run->previous;
    if (bins[bin] == NULL)
        bins_used[bin / 64] &= ~((uint64_t)1 << (bin % 64));
    run->next = run->previous = NULL;
    run->free_in_bin = false;
    heap.page_span[first_page(run)] = NULL;
    heap.page_span[first_page(run) + run->pages - 1] = NULL;
}

static struct span *bin_find(size_t count) {
    unsigned bin = bin_of(count);
    struct span *best = NULL;
    int looked = 0;
    for (struct span *run = bins[bin]; run && looked < 32; run = run->next, looked++)
        if (run->pages >= count &&
            (best == NULL || run->pages < best->pages || (run->pages == best->pages && run->base < best->base)))
            best = run;
    if (best)
        return best;
    for (unsigned word = (bin + 1) / 64, bit = (bin + 1) % 64; word < (BINS + 63) / 64; word++, bit = 0) {
        uint64_t used = bins_used[word] & (~(uint64_t)0 << bit);
        if (used)
            return bins[word * 64 + (unsigned)__builtin_ctzl(used)];
    }
    return NULL;
}

/* --- memory that nothing may touch --- */

static os_lock forbidding;
static size_t forbidden; /* pages */

bool pages_forbid(const struct span *span) {
    os_lock_acquire(&forbidding);
    bool done = os_forbid((void *)span->base, span->pages << PAGE_SHIFT);
    if (done)
        forbidden += span->pages;
    os_lock_release(&forbidding);
    return done;
}

bool pages_allow(const struct span *span) {
    bool done = os_allow((void *)span->base, span->pages << PAGE_SHIFT);
    if (done) {
        os_lock_acquire(&forbidding);
        forbidden -= span->pages;
        os_lock_release(&forbidding);
    }
    return done;
}

bool pages_touch(uintptr_t lo, uintptr_t hi) {
    os_lock_acquire(&forbidding);
    bool may = forbidden == 0;
    if (may)
        os_touch(lo, hi);
    os_lock_release(&forbidding);
    return may;
}

void pages_forked(void) {
    forbidding = (os_lock){0};
}

/* --- dirty flags --- */

static size_t dirty_count(uintptr_t base, size_t count) {
    const uint8_t *flags = &heap.page_dirty[(base - heap.base) >> PAGE_SHIFT];
    size_t dirty = 0;
    for (size_t i = 0; i < count; i++)
        dirty += flags[i];
    return dirty;
}

bool pages_dirty(uintptr_t base, size_t count) {
    return memchr(&heap.page_dirty[(base - heap.base) >> PAGE_SHIFT], 1, count) != NULL;
}

void pages_mark_dirty(uintptr_t base, size_t count) {
    memset(&heap.page_dirty[(base - heap.base) >> PAGE_SHIFT], 1, count);
}

static void count_free(struct span *run, bool add) {
    size_t dirty = dirty_count(run->base, run->pages);
    size_t sign = add ? 1 : (size_t)-1;
    atomic_store(&heap.free_pages, atomic_load(&heap.free_pages) + sign * run->pages);
    atomic_store(&heap.dirty_free_pages, atomic_load(&heap.dirty_free_pages) + sign * dirty);
}

/* --- allocating and freeing --- */

/* Puts a run that nobody has into the bins, joined with its free neighbours. */
static void give(struct span *run) {
    size_t first = first_page(run), after = first + run->pages;
    struct span *before = first > 0 ? heap.page_span[first - 1] : NULL;
    if (before && before->state == SPAN_FREE && before->free_in_bin) {
        bin_remove(before);
        run->base = before->base;
        run->pages += before->pages;
        record_return(before);
    }
    struct span *behind = after < atomic_load(&heap.used) >> PAGE_SHIFT ? heap.page_span[after] : NULL;
    if (behind && behind->state == SPAN_FREE && behind->free_in_bin) {
        bin_remove(behind);
        run->pages += behind->pages;
        record_return(behind);
    }
    bin_add(run);
}

/* Cuts `count` pages off the low end of a run that nobody has; the rest goes back. */
static bool cut(struct span *run, size_t count) {
    if (run->pages == count)
        return true;
    struct span *rest = record_take();
    if (rest == NULL)
        return false;
    rest->base = run->base + count * PAGE_BYTES;
    rest->pages = run->pages - count;
    run->pages = count;
    bin_add(rest);
    return true;
}

/* Free pages at the end of the heap, so many or more. */
static bool grow(size_t count) {
    struct span *fresh = record_take();
    size_t bytes;
    if (fresh == NULL)
        return false;
    if (!heap_grow(count * PAGE_BYTES, &fresh->base, &bytes)) {
        record_return(fresh);
        return false;
    }
    fresh->pages = bytes >> PAGE_SHIFT;
    count_free(fresh, true);
    give(fresh);
    return true;
}

bool pages_grow(void) {
    os_lock_acquire(&pages_lock);
    bool grown = grow(1);
    os_lock_release(&pages_lock);
    return grown;
}

struct span *pages_allocate(size_t count, size_t align_pages) {
    size_t wanted = count + (align_pages > 1 ? align_pages - 1 : 0);
    if (count == 0 || wanted < count || wanted >= heap.tables_for >> PAGE_SHIFT)
        return NULL; /* what the tables are reserved for is the most that there can ever be */
    os_lock_acquire(&pages_lock);
    struct span *run = bin_find(wanted);
    if (run == NULL && atomic_load(&heap.empty_pages) > 0) {
        os_lock_release(&pages_lock);
        heap_free_empty();
        os_lock_acquire(&pages_lock);
        run = bin_find(wanted);
    }
    if (run == NULL) {
        if (!grow(wanted)) {
            os_lock_release(&pages_lock);
            return NULL;
        }
        run = bin_find(wanted);
    }
    bin_remove(run);
    if (align_pages > 1) {
        size_t skip = (size_t)(-first_page(run)) & (align_pages - 1);
        if (skip > 0) {
            struct span *aligned = record_take();
            if (aligned == NULL) {
                bin_add(run);
                os_lock_release(&pages_lock);
                return NULL;
            }
            aligned->base = run->base + skip * PAGE_BYTES;
            aligned->pages = run->pages - skip;
            run->pages = skip;
            bin_add(run);
            run = aligned;
        }
    }
    if (!cut(run, count)) {
        give(run);
        os_lock_release(&pages_lock);
        return NULL;
    }
    count_free(run, false);
    atomic_store(&run->swept, atomic_load(&heap.cycle));
    os_lock_release(&pages_lock);
    return run;
}

void pages_set_span(struct span *span, struct span *value, uint32_t layout) {
    size_t first = first_page(span);
    for (size_t i = 0; i < span->pages; i++) {
        __atomic_store_n(&heap.page_layout[first + i], layout, __ATOMIC_RELAXED);
        atomic_store_explicit(&heap.page_span[first + i], value, memory_order_release);
    }
}

/* The pages of an arena that ended: given back to the system already. */
void pages_mark_clean(uintptr_t base, size_t count) {
    memset(&heap.page_dirty[(base - heap.base) >> PAGE_SHIFT], 0, count);
}

static struct span *deferred; /* freed while marking: a marker may be about to look at them, or to write their bytes */

static void free_now(struct span *span) {
    pages_set_span(span, NULL, 0);
    span->layout = NULL;
    span->inside = (bw_amount){0, 0};
    count_free(span, true);
    give(span);
}

void pages_free(struct span *span) {
    os_lock_acquire(&pages_lock);
    if (heap_is_marking() && span->layout) {
        span->next = deferred;
        deferred = span;
    } else {
        free_now(span);
    }
    os_lock_release(&pages_lock);
}

bool pages_watch(void) {
    os_lock_acquire(&pages_lock);
    size_t used = atomic_load(&heap.used);
    bool watched = used <= HEAP_BEGIN || os_watch_add(heap.base + HEAP_BEGIN, used - HEAP_BEGIN);
    __atomic_store_n(&heap.watched, watched, __ATOMIC_RELEASE);
    os_lock_release(&pages_lock);
    return watched;
}

void pages_free_deferred(void) {
    os_lock_acquire(&pages_lock);
    for (struct span *span = deferred, *next; span; span = next) {
        next = span->next;
        span->next = NULL;
        memset(mark_byte(span->base), MARK_NONE, span->pages << (PAGE_SHIFT - GRANULE_SHIFT));
        free_now(span);
    }
    deferred = NULL;
    os_lock_release(&pages_lock);
}

/* --- giving memory back --- */

/* Threads that have a run in hand; how often one was taken. Under the pages lock. */
static size_t releasing, taken;

/* Releases dirty pages of a run that nobody else can see, for half a millisecond or so; bytes released. */
static size_t release_run(struct span *run) {
    size_t most = run->pages / 64 < OS_HUGE_PAGE / PAGE_BYTES ? OS_HUGE_PAGE / PAGE_BYTES : run->pages / 64;
    size_t released = 0, unit = os_page_bytes() > PAGE_BYTES ? os_page_bytes() / PAGE_BYTES : 1;
    size_t first = first_page(run), end = first + run->pages;
    for (size_t page = (first + unit - 1) & ~(unit - 1); page + unit <= end && released < most * PAGE_BYTES;) {
        size_t stop = page;
        while (stop + unit <= end && stop - page < most && memchr(&heap.page_dirty[stop], 1, unit))
            stop += unit;
        if (stop > page) {
            size_t bytes = (stop - page) * PAGE_BYTES;
            if (os_release((void *)(heap.base + page * PAGE_BYTES), bytes)) {
                memset(&heap.page_dirty[page], 0, stop - page);
                released += bytes;
            }
            page = stop;
        } else {
            page += unit;
        }
    }
    return released;
}

/* One pass over the bins. Large runs first: they cost the fewest calls and split the fewest huge pages. Each takes its
 * runs out one by one, since the lock is not held while the system works. */
static size_t release_once(size_t keep, void (*between)(void), size_t *own) {
    size_t released = 0;
    for (unsigned bin = BINS; bin-- > 0;) {
        for (;;) {
            os_lock_acquire(&pages_lock);
            if (atomic_load(&heap.dirty_free_pages) * PAGE_BYTES <= keep) {
                os_lock_release(&pages_lock);
                return released;
            }
            struct span *run = bins[bin];
            while (run && !pages_dirty(run->base, run->pages))
                run = run->next;
            if (run == NULL) {
                os_lock_release(&pages_lock);
                break;
            }
            bin_remove(run);
            count_free(run, false);
            releasing++;
            taken++;
            ++*own;
            os_lock_release(&pages_lock);
            size_t bytes = release_run(run);
            released += bytes;
            os_lock_acquire(&pages_lock);
            releasing--;
            count_free(run, true);
            give(run);
            os_lock_release(&pages_lock);
            between();
            if (bytes == 0) /* the system refuses, or the run is smaller than a page of it: not again and again */
                break;
        }
    }
    return released;
}

/* What another thread had in hand may come back dirty, or joined with dirty neighbours, to a bin that the pass is over
 * with. So the last pass is one during which no other had any; or in which the system refused what was tried. */
size_t pages_release(size_t keep, void (*between)(void)) {
    size_t released = 0, more, own;
    bool others;
    do {
        own = 0;
        os_lock_acquire(&pages_lock);
        size_t before = taken;
        others = releasing > 0;
        os_lock_release(&pages_lock);
        more = release_once(keep, between, &own);
        released += more;
        os_lock_acquire(&pages_lock);
        others = others || releasing > 0 || taken - before != own;
        os_lock_release(&pages_lock);
        if (others && own == 0)
            os_yield();
    } while (more > 0 || (others && own == 0));
    return released;
}

/* [from, to) of a table is zero. */
static void release_zeroes(const void *from, const void *to) {
    os_release_within((uintptr_t)from, (uintptr_t)to);
}

void pages_release_tables(void) {
    os_lock_acquire(&pages_lock);
    for (unsigned bin = 0; bin < BINS; bin++)
        for (const struct span *run = bins[bin]; run; run = run->next) {
            size_t first = first_page(run), end = first + run->pages;
            uintptr_t behind = run->base + run->pages * PAGE_BYTES;
            release_zeroes(mark_byte(run->base), mark_byte(behind));
            release_zeroes(&heap.page_layout[first], &heap.page_layout[end]);
            release_zeroes(&heap.page_span[first + 1], &heap.page_span[end - 1]); /* its ends refer to it */
            if (pages_dirty(run->base, run->pages))
                continue;
            /* Clean pages are zero, but may be there: the system gives a huge page where one small one was touched. */
            os_release_within(run->base, behind);
            release_zeroes(&heap.page_dirty[first], &heap.page_dirty[end]);
        }
    os_lock_release(&pages_lock);
}

static uintptr_t own_address(const void *record) {
    return (uintptr_t)record;
}

/* Whole pages of span records that nobody has. */
void pages_release_records(void) {
    size_t page = os_page_bytes(), in_page = page / sizeof(struct span), count = 0, at = 0;
    os_lock_acquire(&pages_lock);
    for (struct span *record = record_pool; record; record = record->next)
        count++;
    struct span **all = count >= in_page ? os_map(count * sizeof *all) : NULL;
    struct span **bare = all ? os_map((bare_count + count / in_page) * sizeof *bare) : NULL;
    if (bare) {
        for (struct span *record = record_pool; record; record = record->next)
            all[at++] = record;
        heap_put_in_order((void **)all, count, own_address);
        if (bare_count > 0)
            memcpy(bare, bare_pages, bare_count * sizeof *bare);
        if (bare_capacity > 0)
            os_unmap(bare_pages, bare_capacity * sizeof *bare);
        bare_pages = bare;
        bare_capacity = bare_count + count / in_page;
        record_pool = NULL;
        for (size_t i = 0; i < count;) {
            /* A slab begins at a page; so the first of a page's is at its beginning, and the others follow it. */
            bool whole =
                (uintptr_t)all[i] % page == 0 && i + in_page <= count && all[i + in_page - 1] == all[i] + in_page - 1;
            if (whole && os_release(all[i], page)) {
                bare_pages[bare_count++] = all[i];
                i += in_page;
            } else {
                all[i]->next = record_pool;
                record_pool = all[i++];
            }
        }
    }
    os_lock_release(&pages_lock);
    if (all)
        os_unmap(all, count * sizeof *all);
}
