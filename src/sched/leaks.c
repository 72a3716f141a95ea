/* leaks.c - goroutines that can never run again, found by a collection.
 *
 * A goroutine that waits for channels or sync objects is made ready by who has one of them, and by nobody else. The stack
 * of such a goroutine is no root at first: it becomes one once an object that it waits for is found alive. When all is
 * marked that follows from the other roots, what these goroutines wait for is watched, so that the marker tells when it
 * reaches it, and the work is proportional to their number however they wait for one another. What is left is LEAKED: only
 * leaked goroutines refer to what they wait for. Their stacks are searched last, since they stay, and so does all that
 * they refer to.
 *
 * What a goroutine waits for is what it had unlocked when it parked (sched_park's argument), or what it said
 * (sched_waits_on). Of anything outside the heap somebody else may know: it counts as alive.
 *
 * All of this with the world stopped, by the thread that collects. (The idea: Saioc and others, "Dynamic partial deadlock
 * detection and recovery via garbage collection", 2025, which is behind Go's profile of leaked goroutines.)
 */
#include "leaks.h"

#include <burrow/traceback.h>
#include <string.h>

static struct goroutine **waiting; /* whose stacks are not searched yet */
static size_t waiting_count, waiting_capacity;

static _Atomic size_t leaked, untold; /* of the last search; of them, those that nothing has been printed of */

/* Who waits for a watched object, hashed by it. */
struct wait {
    uintptr_t object;
    struct goroutine *goroutine;
    struct wait *next; /* in its bucket */
};
static struct wait *waits, **buckets;
static size_t wait_count, bucket_count;

static struct wait **bucket_of(uintptr_t object) {
    return &buckets[(size_t)((object >> GRANULE_SHIFT) * 0x9e3779b97f4a7c15u >> 20) & (bucket_count - 1)];
}

void leaks_begin(void) {
    waiting_count = 0;
}

bool leaks_put_aside(struct goroutine *goroutine) {
    if (goroutine->waits_for == NULL || (goroutine->waits_list == NULL && !heap_contains(goroutine->waits_on)))
        return false;
    if (waiting_count == waiting_capacity) {
        size_t wanted = waiting_capacity ? waiting_capacity * 2 : 4096;
        struct goroutine **larger = os_map(wanted * sizeof *larger);
        if (larger == NULL)
            return false;
        if (waiting_capacity) {
            memcpy(larger, waiting, waiting_count * sizeof *larger);
            os_unmap(waiting, waiting_capacity * sizeof *larger);
        }
        waiting = larger;
        waiting_capacity = wanted;
    }
    goroutine->leaked = false;
    waiting[waiting_count++] = goroutine;
    return true;
}

/* The object is where it is in the heap; 0: nothing is known of it. */
static bool is_alive(const void *address, uintptr_t *object) {
    struct span *span;
    *object = 0;
    if (address == NULL)
        return false; /* a channel that is NULL wakes nobody */
    if (!heap_contains(address) || (*object = heap_object_of(address, &span)) == 0)
        return true;
    return mark_is_live(*object);
}

static const void *const *waits_of(struct goroutine *goroutine, size_t *count) {
    *count = goroutine->waits_list ? goroutine->waits_count : 1;
    return goroutine->waits_list ? goroutine->waits_list : &goroutine->waits_on;
}

static bool may_run(struct goroutine *goroutine) {
    uintptr_t object;
    size_t count;
    const void *const *list = waits_of(goroutine, &count);
    for (size_t i = 0; i < count; i++)
        if (is_alive(list[i], &object))
            return true;
    return false;
}

static void visit_stack(const struct goroutine *goroutine, gc_visit *visit, void *context) {
    visit(context, goroutine->stack_pointer, goroutine->stack.hi);
}

void leaks_alive(gc_visit *visit, void *context) {
    size_t kept = 0;
    for (size_t i = 0; i < waiting_count; i++)
        if (may_run(waiting[i]))
            visit_stack(waiting[i], visit, context);
        else
            waiting[kept++] = waiting[i];
    waiting_count = kept;
}

static bool make_tables(void) {
    size_t all = 0, count;
    for (size_t i = 0; i < waiting_count; i++) {
        waits_of(waiting[i], &count);
        all += count;
    }
    for (bucket_count = 64; bucket_count < all;)
        bucket_count *= 2;
    wait_count = all;
    waits = os_map((all + 1) * sizeof *waits);
    buckets = waits ? os_map(bucket_count * sizeof *buckets) : NULL;
    return buckets != NULL;
}

static void drop_tables(void) {
    if (waits)
        os_unmap(waits, (wait_count + 1) * sizeof *waits);
    if (buckets)
        os_unmap(buckets, bucket_count * sizeof *buckets);
    waits = NULL;
    buckets = NULL;
}

/* `leaked` of a goroutine says from here to the end of the search that nothing is known to wake it. */
void leaks_watch(gc_visit *visit, void *context) {
    bool room = make_tables();
    struct wait *wait = waits;
    for (size_t i = 0; i < waiting_count; i++) {
        struct goroutine *goroutine = waiting[i];
        if (!room || may_run(goroutine)) { /* for want of memory they count as alive */
            goroutine->leaked = false;
            visit_stack(goroutine, visit, context);
            continue;
        }
        goroutine->leaked = true;
        size_t count;
        const void *const *list = waits_of(goroutine, &count);
        for (size_t k = 0; k < count; k++) {
            uintptr_t object;
            is_alive(list[k], &object);
            if (object == 0)
                continue;
            struct wait **bucket = bucket_of(object);
            *wait = (struct wait){object, goroutine, *bucket};
            *bucket = wait++;
            mark_set(mark_byte(object), MARK_WATCHED);
        }
    }
}

void leaks_reached(uintptr_t object, gc_visit *visit, void *context) {
    if (buckets == NULL)
        return;
    for (struct wait *wait = *bucket_of(object); wait; wait = wait->next)
        if (wait->object == object && wait->goroutine->leaked) {
            wait->goroutine->leaked = false;
            visit_stack(wait->goroutine, visit, context);
        }
}

void leaks_end(gc_visit *visit, void *context) {
    size_t found = 0, fresh = 0;
    drop_tables();
    for (size_t i = 0; i < waiting_count; i++) {
        struct goroutine *goroutine = waiting[i];
        if (!goroutine->leaked)
            continue;
        found++;
        fresh += !goroutine->leak_told;
        visit_stack(goroutine, visit, context);
    }
    atomic_store(&leaked, found);
    atomic_store(&untold, fresh);
}

/* --- telling --- */

static bool is_new(struct goroutine *goroutine) {
    bool new = goroutine->leaked && !goroutine->leak_told;
    goroutine->leak_told |= new;
    return new;
}

void leaks_told(struct thread *self) {
    size_t count = atomic_exchange(&untold, 0);
    if (count == 0)
        return;
    os_print(2, "leaks: gc %u @%.3fs: %zu goroutines leaked, %zu in all\n\n",
             __atomic_load_n(&figures.count, __ATOMIC_RELAXED), (double)(os_now_ns() - os_start_ns()) / 1e9, count,
             atomic_load(&leaked));
    traceback_some(self, 2, is_new);
    os_write(2, "\n", 1);
}

size_t bw_leaked_goroutines(void) {
    struct thread *self = thread_enter();
    cycle_run(self, CYCLE_LEAKS);
    size_t count = atomic_load(&leaked);
    thread_leave(self);
    return count;
}
