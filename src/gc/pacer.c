/* pacer.c - when the next collection starts.
 *
 * With the world stopped while marking there is nothing to predict: the goal is what the last collection left alive
 * plus GOGC percent of that and of the roots, and at least 4 MiB * GOGC / 100, as in Go; a collection starts when that
 * is reached. A memory limit lowers the goal, but not below a twentieth above what is alive, and not so far that collecting
 * takes more than half of the processors' time, so that a program that cannot fit goes on, if slower (as Go's limiter).
 */
#include "gc.h"

#define LEAST_GOAL ((size_t)4 << 20)
#define MOST_LEAST_GOAL ((size_t)32 << 20)

static size_t last_marked;
static double last_born;      /* bytes handed out while it was marked beside the program, for each that was marked */
static size_t minor_born;     /* bytes, during the last minor collection; 0: there was none */
static double last_rate;      /* bytes handed out in a nanosecond between the last two collections */
static uint64_t last_marking; /* nanoseconds, wherever it was done */
static _Atomic size_t runway_now;
static _Atomic size_t goal = LEAST_GOAL; /* the background thread reads it without the gc lock */

/* What the goal is at least. Each collection has a cost that does not depend on the heap: stopping every thread,
 * reading the roots, giving up and taking back spans. Threads that allocate gigabytes a second into a small heap would
 * spend most of their time on that, the more of them the more; so the least goal grows, within bounds, while pauses
 * take more than a tenth of the time, and shrinks again when they take less than a fortieth. */
static size_t least_goal = LEAST_GOAL;
static uint64_t last_end;

static void adapt_least_goal(uint64_t pause, uint64_t now) {
    uint64_t ran = last_end && now - pause > last_end ? now - pause - last_end : 0;
    if (last_end && pause > ran / 10) {
        if (least_goal < MOST_LEAST_GOAL)
            least_goal *= 2;
    } else if (pause < ran / 40 && least_goal > LEAST_GOAL) {
        least_goal /= 2;
    }
}

size_t pacer_goal(void) {
    return atomic_load_explicit(&goal, memory_order_relaxed);
}

/* What the library holds besides objects and their mark bytes. */
static size_t overhead(void) {
    return atomic_load(&heap.span_records) + mark_memory();
}

/* The last full collection: what it found, which is what the goal depends on; and what the threads did for it. */
static struct {
    size_t marked, roots;
    uint64_t marking, processor;
} full;

/* The memory limit is what holds the goal down: what is handed out while it is marked beside the program would exceed it. */
static _Atomic bool at_limit;

/* What the threads that collect, and those that wait meanwhile, lost to the last collection, a processor's share of it; and the
 * number of the last collection after which the goal exceeded the limit for that. */
static uint64_t last_cost;
static bool is_capped;
static uint32_t limiter_enabled;

uint32_t pacer_limiter_enabled(void) {
    return __atomic_load_n(&limiter_enabled, __ATOMIC_RELAXED);
}

/* By how much more time collections took than the program had, up to a second; from then on, until it is half of that, the
 * limit gives way. A single collection that took long, since the machine was busy, does not matter. */
#define MOST_DEBT ((int64_t)1000000000)
static int64_t debt;
static bool in_debt;

static void note_cost(const struct pacer_cycle *cycle, uint64_t ran) {
    uint64_t processors = (uint64_t)knobs_processors(),
             beside = cycle->processor > cycle->pause ? cycle->processor - cycle->pause : 0;
    last_cost = cycle->pause + (cycle->beside ? beside / processors : 0);
    int64_t most = MOST_DEBT, more = (int64_t)last_cost - (int64_t)ran;
    debt = debt + more > most ? most : debt + more < 0 ? 0 : debt + more;
    in_debt = in_debt ? debt > most / 2 : debt == most;
}

/* The least goal under a memory limit. `room`: what that leaves for objects. */
static size_t least_under_limit(size_t room) {
    size_t least = last_marked + last_marked / 20 + ((size_t)1 << 20);
    double handed = in_debt ? last_rate * (double)last_cost : 0; /* in as much time as the collection took */
    if (handed > (double)(least - last_marked))
        least = handed < (double)(SIZE_MAX / 4) ? last_marked + (size_t)handed : SIZE_MAX / 4;
    is_capped = least > room && handed > (double)(last_marked / 20 + ((size_t)1 << 20));
    return least;
}

size_t pacer_over_limit(void) {
    if (knobs.memory_limit == INT64_MAX)
        return 0;
    size_t free_pages = atomic_load(&heap.free_pages) - atomic_load(&heap.dirty_free_pages);
    size_t held = heap_committed() - (free_pages << PAGE_SHIFT);
    held += held / GRANULE_BYTES + overhead();
    return held > (size_t)knobs.memory_limit ? held - (size_t)knobs.memory_limit : 0;
}

void pacer_update(void) {
    size_t wanted = SIZE_MAX / 2;
    bool limited = false;
    is_capped = false;
    if (knobs.gc_percent >= 0) {
        double percent = (double)knobs.gc_percent / 100;
        double grown = (double)full.marked + (double)(full.marked + full.roots) * percent;
        wanted = grown < (double)(SIZE_MAX / 4) ? (size_t)grown : SIZE_MAX / 4;
        if (wanted < (size_t)((double)least_goal * percent))
            wanted = (size_t)((double)least_goal * percent);
    }
    if (wanted < knobs.min_heap)
        wanted = knobs.min_heap;
    if (knobs.memory_limit < INT64_MAX) {
        /* Each sixteen bytes of heap bring one of mark bytes. */
        size_t limit = (size_t)knobs.memory_limit, extra = overhead();
        size_t room = limit > extra ? (limit - extra) / 17 * 16 / 100 * 97 : 0;
        limited = wanted > room;
        if (limited)
            wanted = room;
        size_t least = least_under_limit(room);
        if (wanted < least)
            wanted = least;
    }
    atomic_store_explicit(&goal, wanted, memory_order_relaxed);
    atomic_store(&at_limit, limited);
    size_t until = wanted > last_marked ? wanted - last_marked : 0, runway = 0;
    if (cycle_prefers_beside()) {
        /* As much as during the last marking; before there was one beside the program, what would have been. */
        double born = last_born > 0 ? last_born * (double)last_marked * 1.25 : last_rate * (double)last_marking * 4;
        if (pacer_wants_minor() && minor_born)
            born = (double)minor_born * 1.25;
        runway = born < (double)until ? (size_t)born : until;
        if (runway > until / 2)
            runway = until / 2;
    }
    atomic_store(&runway_now, runway);
    atomic_store(&heap.trigger, until - runway);
}

size_t pacer_room(void) {
    return atomic_load_explicit(&runway_now, memory_order_relaxed);
}

/* Whether the next marking is to go on beside the program.
 *
 * That costs more: it keeps a processor busy that the program may want, slows the program's memory down, searches again
 * what is written meanwhile, and keeps alive what dies meanwhile. It is worth that if the world would be stopped for long,
 * and if it goes on for the smaller part of the time. A program that hands out its heap's size every few markings would have it
 * go on nearly always, and be half as fast; its world is stopped, if that does not take very long. */
#define SHORT_NS 1e6
#define LONG_NS 20e6
#define BESIDE_TAKES 5 /* times as long, if it was not measured */

static _Atomic bool beside_pays;
static _Atomic uint64_t stopped_ns;

/* Of how long it takes to hand out what the goal leaves room for. */
static double next_interval(void) {
    size_t most = pacer_goal(), room = most > last_marked ? most - last_marked : 0;
    return last_rate > 0 ? (double)room / last_rate : 0;
}

/* How long it would have been marked with the world stopped: as much as the last time that it was, for each byte, which counts
 * less the longer ago that was; and not less than half as long as it was marked beside the program, by all who would. */
static double stopped_for_byte;
static double would_be_stopped(const struct pacer_cycle *cycle) {
    double now = (double)cycle->marking, marked = (double)cycle->marked;
    if (!cycle->beside) {
        stopped_for_byte = marked > 0 ? now / marked : 0;
        return now;
    }
    double as_last = stopped_for_byte * marked, least = now / 2 / cycle->share;
    stopped_for_byte -= stopped_for_byte / 8;
    return as_last > least ? as_last : least;
}

static void choose(const struct pacer_cycle *cycle, size_t before) {
    double grows = before > 0 ? (double)cycle->marked / (double)before : 1;
    double stopped = would_be_stopped(cycle) * (grows < 1 ? 1 : grows > 2 ? 2 : grows);
    uint64_t beside = cycle->beside ? cycle->lasted : cycle->marking * BESIDE_TAKES;
    atomic_store(&stopped_ns, (uint64_t)stopped);
    atomic_store(&beside_pays, stopped >= SHORT_NS && ((double)beside < next_interval() / 2 || stopped >= LONG_NS));
}

bool pacer_beside_pays(void) {
    return atomic_load_explicit(&beside_pays, memory_order_relaxed) &&
           !atomic_load_explicit(&at_limit, memory_order_relaxed);
}

uint64_t pacer_stopped_ns(void) {
    return atomic_load_explicit(&stopped_ns, memory_order_relaxed);
}

/* Whether the next collection is to be a minor one: it keeps the marks, and marks only what is new, and what the pages that
 * were written refer to (sticky marks: Demers and others, "Combining generational and conservative garbage collection",
 * 1990). The goal stays that of the last full one, so that old garbage takes room from new objects: what a minor collection
 * is worth is the share of that room that it leaves, and what it costs is its share of a full one's work, with the first
 * writes to pages that are noted between collections. When it costs more than it is worth, twice as many full ones pass as the
 * last time before it is tried again, four at first. */
#define LEAST_SKIPPED 4
#define MOST_SKIPPED 64

static _Atomic bool wants_minor;
static uint32_t skip, skipped; /* full ones */
/* One after the other, and what they have cost: a full one follows at the latest when that is its own cost, or after so many,
 * since old objects may be dead. */
#define MOST_MINORS 4
static uint32_t minors;
static uint64_t minors_cost;

static bool is_worth_it(const struct pacer_cycle *cycle, double room) {
    return (double)cycle->processor < room * (double)full.processor;
}

static void try_later(void) {
    skip = skip ? skip * 2 : LEAST_SKIPPED;
    if (skip > MOST_SKIPPED)
        skip = MOST_SKIPPED;
    skipped = 0;
}

/* Searching what was written must not cost as much as marking everything: each page is told of, protected and searched, and
 * in the rounds that follow what was written all over is so again. New ones cost little. */
#define PAGE_NS 4000
size_t pacer_minor_pages(void) {
    size_t fresh = atomic_load(&heap.handed) / os_page_bytes();
    return knobs.minor == MINOR_ALWAYS ? SIZE_MAX - 1 : fresh + (size_t)(full.marking / PAGE_NS);
}

void pacer_minor_refused(void) {
    try_later();
}

static bool choose_minor(const struct pacer_cycle *cycle, size_t before) {
    size_t now = pacer_goal(), room = now > cycle->marked ? now - cycle->marked : 0,
           whole = now > full.marked ? now - full.marked : 1;
    double share = (double)room / (double)whole;
    minors = cycle->minor ? minors + 1 : 0;
    minors_cost = cycle->minor ? minors_cost + cycle->processor : 0;
    if (knobs.minor == MINOR_OFF || !cycle->watched)
        return false;
    if (share < 1.0 / 3) {
        if (minors == 1) /* it was in vain; after several it is time for a full one */
            try_later();
        return false;
    }
    if (knobs.minor == MINOR_ALWAYS)
        return true;
    if (!pacer_beside_pays() && knobs.mark != MARK_WATCH)
        return false;
    /* Where a full one found that more than half of what had been handed out is alive, because the heap grows or because what
     * is old dies, a minor one would leave that. */
    if (!cycle->minor)
        return cycle->marked - cycle->marked / 4 < before && cycle->young * (double)cycle->marked < (double)room / 2 &&
               skipped++ >= skip;
    if (is_worth_it(cycle, share)) {
        skip = 0;
        return minors < MOST_MINORS && minors_cost < full.processor;
    }
    try_later();
    return false;
}

bool pacer_wants_minor(void) {
    return atomic_load_explicit(&wants_minor, memory_order_relaxed);
}

void pacer_after_cycle(const struct pacer_cycle *cycle) {
    uint64_t now = os_now_ns(), ran = now - cycle->pause > last_end ? now - cycle->pause - last_end : 0;
    last_rate = last_end && ran ? (double)cycle->handed / (double)ran : 0;
    size_t before = full.marked;
    if (cycle->minor) {
        minor_born = cycle->born;
    } else {
        last_marking = cycle->marking;
        full.marked = cycle->marked;
        full.roots = cycle->roots;
        full.marking = cycle->marking;
        full.processor = cycle->processor;
    }
    if (cycle->paced)
        adapt_least_goal(cycle->pause, now);
    last_end = now;
    note_cost(cycle, ran);
    last_marked = cycle->marked;
    if (cycle->born > 0 && cycle->paced && !cycle->minor && cycle->marked > 0) {
        double now_born = (double)cycle->born / (double)cycle->marked;
        last_born = now_born > last_born ? now_born : last_born - (last_born - now_born) / 4;
    }
    pacer_update();
    if (!cycle->minor)
        choose(cycle, before);
    atomic_store(&wants_minor, choose_minor(cycle, before));
    pacer_update();
    if (is_capped)
        __atomic_store_n(&limiter_enabled, figures.count + 1, __ATOMIC_RELAXED);
}
