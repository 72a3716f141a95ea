/* timers.c - what is to be done at a time: a heap of timers for each worker, and one for all other threads.
 *
 * A heap is an array in which the entry at i is due no later than those at 4i + 1 to 4i + 4; so the first is due first.
 * The time is in the entry, so that comparing reads no timer; a timer knows its heap and its place in it, so that it is
 * taken out at once when it is stopped: a stopped timer is in nobody's hands.
 *
 * A timer's `in` changes under the lock of the heap that it names before or after the change. `next` is what the first
 * entry says, for those who only ask whether there is something to be done; it is changed under the lock, and to what is
 * earlier sequentially consistent: who adds a timer looks for sleepers afterwards, and who goes to sleep looks at `next`
 * last.
 *
 * Any thread may run what is due in any heap. A timer is out of its heap, and the lock released, when it fires: it may be
 * started again, or its memory be gone, as soon as `fire` has begun.
 *
 * The arrays are roots: a pending timer, and what it refers to, is alive. A timer on a goroutine's stack is alive
 * anyway.
 *
 * Lock order: anything of floors 3 and above > timers; nothing is taken under it.
 */
#include "sched.h"

#include <string.h>

#define ROOM_FIRST 256
#define ROOM_KEPT 4096 /* of an empty heap */

struct timer_entry {
    int64_t when;
    struct timer *timer;
};

struct timers timers_of_others;
struct timers *_Atomic timers_first;

int64_t timer_in(int64_t ns) {
    int64_t when;
    if (ns < 0)
        ns = 0;
    return __builtin_add_overflow((int64_t)os_now_ns(), ns, &when) ? INT64_MAX : when;
}

/* --- one heap; under its lock --- */

static void put(struct timers *timers, size_t at, struct timer_entry entry) {
    timers->entries[at] = entry;
    entry.timer->at = at;
}

static void move_up(struct timers *timers, size_t at, struct timer_entry entry) {
    while (at > 0) {
        size_t above = (at - 1) / 4;
        if (timers->entries[above].when <= entry.when)
            break;
        put(timers, at, timers->entries[above]);
        at = above;
    }
    put(timers, at, entry);
}

static void move_down(struct timers *timers, size_t at, struct timer_entry entry) {
    for (;;) {
        size_t below = 4 * at + 1, end = below + 4 < timers->count ? below + 4 : timers->count;
        if (below >= timers->count)
            break;
        size_t least = below;
        for (size_t i = below + 1; i < end; i++)
            if (timers->entries[i].when < timers->entries[least].when)
                least = i;
        if (timers->entries[least].when >= entry.when)
            break;
        put(timers, at, timers->entries[least]);
        at = least;
    }
    put(timers, at, entry);
}

/* That something is due later than was said, or nothing is, nobody has to see at once: at most he looks in vain. */
static void tell_next(struct timers *timers) {
    int64_t when = timers->count ? timers->entries[0].when : 0;
    int64_t before = atomic_load_explicit(&timers->next, memory_order_relaxed);
    if (timers->count && when <= 0)
        when = 1;
    if (when != 0 && (before == 0 || when < before))
        atomic_store(&timers->next, when);
    else if (when != before)
        atomic_store_explicit(&timers->next, when, memory_order_release);
}

static size_t more_room(const struct timers *timers) {
    return timers->capacity ? timers->capacity * 2 : ROOM_FIRST;
}

static bool make_room(struct timers *timers) {
    size_t wanted = more_room(timers);
    struct timer_entry *larger = os_map(wanted * sizeof *larger);
    if (larger == NULL)
        return false;
    if (timers->capacity) {
        memcpy(larger, timers->entries, timers->count * sizeof *larger);
        os_unmap(timers->entries, timers->capacity * sizeof *larger);
    }
    timers->entries = larger;
    timers->capacity = wanted;
    if (!timers->known) {
        timers->known = true;
        timers->others = atomic_load(&timers_first);
        while (!atomic_compare_exchange_weak(&timers_first, &timers->others, timers)) {}
    }
    return true;
}

static void timer_must(bool added, const struct timers *timers) {
    if (!added)
        os_fatal("runtime: out of memory: cannot keep %zu timers", more_room(timers));
}

static void give_room_back(struct timers *timers) {
    os_unmap(timers->entries, timers->capacity * sizeof *timers->entries);
    timers->entries = NULL;
    timers->capacity = 0;
}

static bool add(struct timers *timers, struct timer *timer) {
    if (timers->count == timers->capacity && !make_room(timers))
        return false;
    atomic_store_explicit(&timer->in, timers, memory_order_relaxed);
    move_up(timers, timers->count++, (struct timer_entry){timer->when, timer});
    return true;
}

/* The entry that is to be at that place, or above or below. */
static void place(struct timers *timers, size_t at, struct timer_entry entry) {
    if (at > 0 && timers->entries[(at - 1) / 4].when > entry.when)
        move_up(timers, at, entry);
    else
        move_down(timers, at, entry);
}

static void take_out(struct timers *timers, struct timer *timer) {
    size_t at = timer->at;
    OS_ASSERT(at < timers->count && timers->entries[at].timer == timer);
    struct timer_entry last = timers->entries[--timers->count];
    timers->entries[timers->count] = (struct timer_entry){0, NULL};
    if (at < timers->count) {
        place(timers, at, last);
    } else if (timers->count == 0 && timers->capacity > ROOM_KEPT) {
        give_room_back(timers);
    }
    tell_next(timers);
    atomic_store_explicit(&timer->in, NULL, memory_order_release);
}

/* --- starting, stopping, firing --- */

bool timer_try_insert(struct thread *self, struct timer *timer, bool *is_first) {
    struct timers *timers = sched_timers(self);
    OS_ASSERT(atomic_load_explicit(&timer->in, memory_order_relaxed) == NULL);
    os_lock_acquire(&timers->lock);
    bool added = add(timers, timer);
    *is_first = added && timers->entries[0].timer == timer;
    if (*is_first)
        tell_next(timers);
    os_lock_release(&timers->lock);
    return added;
}

bool timer_insert(struct thread *self, struct timer *timer) {
    bool is_first;
    timer_must(timer_try_insert(self, timer, &is_first), sched_timers(self));
    return is_first;
}

void timer_start(struct thread *self, struct timer *timer) {
    int64_t when = timer->when;
    if (timer_insert(self, timer))
        sched_timer_added(self, when);
}

bool timer_stop(struct timer *timer) {
    struct timers *timers;
    while ((timers = atomic_load_explicit(&timer->in, memory_order_acquire)) != NULL) {
        os_lock_acquire(&timers->lock);
        bool found = atomic_load_explicit(&timer->in, memory_order_relaxed) == timers;
        if (found)
            take_out(timers, timer);
        os_lock_release(&timers->lock);
        if (found)
            return true;
    }
    return false;
}

bool timer_move(struct thread *self, struct timer *timer, int64_t when) {
    struct timers *timers = sched_timers(self);
    if (atomic_load_explicit(&timer->in, memory_order_relaxed) != timers)
        return false;
    os_lock_acquire(&timers->lock);
    bool found = atomic_load_explicit(&timer->in, memory_order_relaxed) == timers;
    bool is_earliest = false;
    if (found) {
        is_earliest = when < timers->entries[0].when;
        timer->when = when;
        place(timers, timer->at, (struct timer_entry){when, timer});
        tell_next(timers);
    }
    os_lock_release(&timers->lock);
    if (is_earliest)
        sched_timer_added(self, when);
    return found;
}

bool timer_reset(struct thread *self, struct timer *timer, int64_t when) {
    if (timer_move(self, timer, when))
        return true;
    bool pending = timer_stop(timer);
    timer->when = when;
    timer_start(self, timer);
    return pending;
}

bool timers_run(struct thread *self, struct timers *timers, int64_t now, size_t most) {
    bool any = false;
    for (; most > 0 && timers_next(timers) <= now; most--) {
        os_lock_acquire(&timers->lock);
        struct timer *timer = timers->count && timers->entries[0].when <= now ? timers->entries[0].timer : NULL;
        void (*fire)(struct thread *, struct timer *, int64_t) = NULL;
        if (timer) {
            fire = timer->fire;
            take_out(timers, timer);
        }
        os_lock_release(&timers->lock);
        if (timer == NULL)
            break;
        fire(self, timer, now);
        any = true;
    }
    return any;
}

/* --- for the collector, and for a child --- */

void timers_each_root(void (*visit)(void *context, uintptr_t lo, uintptr_t hi), void *context) {
    for (struct timers *timers = atomic_load(&timers_first); timers; timers = timers->others)
        visit(context, (uintptr_t)timers->entries, (uintptr_t)(timers->entries + timers->count));
}

void timers_forked(struct timers *own) {
    struct timers *next, *known = atomic_load(&timers_first);
    atomic_store(&timers_first, NULL);
    for (; known; known = next) {
        next = known->others;
        if (known == own || known == &timers_of_others) {
            known->others = atomic_load(&timers_first);
            atomic_store(&timers_first, known);
            continue;
        }
        for (size_t i = 0; i < known->count; i++)
            timer_must(add(&timers_of_others, known->entries[i].timer), &timers_of_others);
        tell_next(&timers_of_others);
        if (known->capacity)
            give_room_back(known);
        known->count = 0;
        known->known = false;
        tell_next(known);
    }
}
