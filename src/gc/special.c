/* special.c - what is known of single objects: finalizers, cleanups, weak pointers, retain counts.
 *
 * A table outside the heap, hashed by the object's address, holds a chain of specials. The rules are Go's:
 *
 * - A finalizer keeps all that its object refers to, not the object. When only that keeps the object, the finalizer is
 *   queued and removed, and the object marked: it lives until the finalizer has run and nothing refers to it again.
 * - Weak pointers are cleared before finalizers are queued, so that a revived object stays unknown to them.
 * - Cleanups are queued when the object is unreachable and has no finalizer any more.
 *
 * A weak pointer refers to a handle: a small pointer-free object that holds the target's address, one for each target,
 * kept alive as long as the target lives, so that weak pointers to one target are equal, and equal for ever.
 *
 * Finalizers run on one thread, cleanups on another, made when first needed: a finalizer that waits stops no cleanup.
 */
#include "gc.h"

#include <string.h>

enum special_kind { SPECIAL_FINALIZER, SPECIAL_CLEANUP, SPECIAL_WEAK, SPECIAL_RETAIN, SPECIAL_PIN };

struct special {
    struct special *next; /* of the same bucket, or the pool */
    uintptr_t object;
    enum special_kind kind;
    union {
        void (*function)(void *);
        void *handle;
        uint64_t count;
    };
    void *argument;
    uint64_t id;
};

os_lock specials_lock;
struct special_figures special_figures;
static struct special **buckets;
static size_t bucket_count;          /* a power of two */
static _Atomic size_t special_count; /* changed under the lock; asked without it whether there are any */
static struct special *pool;
static uint64_t next_id = 1;
static bool any_moved; /* some object of these has moved once */

static size_t special_total(void) {
    return atomic_load_explicit(&special_count, memory_order_relaxed);
}

static size_t bucket_of(uintptr_t object) {
    return (size_t)((object >> GRANULE_SHIFT) * 0x9e3779b97f4a7c15u >> 20) & (bucket_count - 1);
}

static void out_of_memory(void) {
    os_fatal("runtime: out of memory: cannot note a finalizer, cleanup, weak pointer or count");
}

static void put_into_bucket(struct special *special) {
    size_t bucket = bucket_of(special->object);
    special->next = buckets[bucket];
    buckets[bucket] = special;
}

static void grow_buckets(void) {
    size_t old_count = bucket_count;
    struct special **old = buckets;
    size_t wanted = old_count ? old_count * 2 : 1024;
    struct special **larger = os_map(wanted * sizeof *larger);
    if (larger == NULL) {
        if (old_count)
            return; /* longer chains */
        out_of_memory();
    }
    buckets = larger;
    bucket_count = wanted;
    for (size_t i = 0; i < old_count; i++)
        for (struct special *special = old[i], *next; special; special = next) {
            next = special->next;
            put_into_bucket(special);
        }
    if (old_count)
        os_unmap(old, old_count * sizeof *old);
}

static struct special *special_new(uintptr_t object, enum special_kind kind) {
    if (special_total() >= bucket_count)
        grow_buckets();
    if (pool == NULL) {
        size_t bytes = 65536;
        struct special *slab = os_map(bytes);
        if (slab == NULL)
            out_of_memory();
        atomic_fetch_add(&heap.span_records, bytes);
        for (size_t i = 0; i < bytes / sizeof *slab; i++) {
            slab[i].next = pool;
            pool = &slab[i];
        }
    }
    struct special *special = pool;
    pool = special->next;
    memset(special, 0, sizeof *special);
    special->object = object;
    special->kind = kind;
    put_into_bucket(special);
    atomic_store_explicit(&special_count, special_total() + 1, memory_order_relaxed);
    return special;
}

/* Takes a special out of its chain; `link` refers to it. */
static void special_free(struct special **link) {
    struct special *special = *link;
    *link = special->next;
    special->next = pool;
    pool = special;
    atomic_store_explicit(&special_count, special_total() - 1, memory_order_relaxed);
}

static struct special **find(uintptr_t object, enum special_kind kind) {
    if (bucket_count == 0)
        return NULL;
    struct special **link = &buckets[bucket_of(object)];
    while (*link && !((*link)->object == object && (*link)->kind == kind))
        link = &(*link)->next;
    return *link ? link : NULL;
}

/* --- the queues and their threads --- */

struct call {
    void (*function)(void *);
    void *argument;
};

static struct queue {
    const char *name;
    struct call *calls; /* a ring */
    size_t first, count, capacity;
    _Atomic uint32_t news;
    bool has_thread;
    _Atomic uint64_t *queued, *run;
} queues[2] = {
    {.name = "burrow-finalize", .queued = &special_figures.finalizers_queued, .run = &special_figures.finalizers_run},
    {.name = "burrow-cleanup", .queued = &special_figures.cleanups_queued, .run = &special_figures.cleanups_run},
};

/* False: no memory; the caller leaves the special where it is, for the next collection. */
static bool enqueue(struct queue *queue, void (*function)(void *), void *argument) {
    if (queue->count == queue->capacity) {
        size_t wanted = queue->capacity ? queue->capacity * 2 : 256;
        struct call *larger = os_map(wanted * sizeof *larger);
        if (larger == NULL)
            return false;
        for (size_t i = 0; i < queue->count; i++)
            larger[i] = queue->calls[(queue->first + i) % queue->capacity];
        if (queue->capacity)
            os_unmap(queue->calls, queue->capacity * sizeof *larger);
        queue->calls = larger;
        queue->capacity = wanted;
        queue->first = 0;
    }
    queue->calls[(queue->first + queue->count++) % queue->capacity] = (struct call){function, argument};
    atomic_fetch_add(queue->queued, 1);
    return true;
}

/* Runs the first call of the queue. In a frame of its own, so that nothing of it is left on the stack, or in a
 * register, where it would keep the object alive for as long as the thread waits for the next one. */
static __attribute__((noinline)) bool run_first(struct queue *queue, uint32_t *news) {
    struct thread *self = thread_enter();
    os_lock_acquire(&specials_lock);
    struct call call = {0};
    *news = atomic_load(&queue->news);
    bool found = queue->count > 0;
    if (found) {
        call = queue->calls[queue->first];
        queue->calls[queue->first] = (struct call){0};
        queue->first = (queue->first + 1) % queue->capacity;
        queue->count--;
    }
    os_lock_release(&specials_lock);
    thread_leave(self);
    if (found) {
        call.function(call.argument);
        atomic_fetch_add(queue->run, 1);
    }
    return found;
}

static void run_queue(void *argument) {
    struct queue *queue = argument;
    uint32_t news;
    thread_leave(thread_current);
    for (;;) {
        if (run_first(queue, &news))
            continue;
        struct thread *self = thread_enter();
        self->resting = true;
        if (gc_scheduler_hooks_if_linked())
            gc_scheduler_hooks_if_linked()->thread_rests(self);
        thread_safe_begin(self);
        os_wait(&queue->news, news, -1);
        thread_safe_end(self);
        self->resting = false;
        thread_leave(self);
    }
}

void specials_start_threads(struct thread *self) {
    for (int i = 0; i < 2; i++) {
        struct queue *queue = &queues[i];
        os_lock_acquire(&specials_lock);
        bool wanted = queue->count > 0, start = wanted && !queue->has_thread;
        if (start)
            queue->has_thread = true;
        os_lock_release(&specials_lock);
        /* Without a thread the calls stay queued, and the next collection tries again. */
        if (start && !thread_start_internal(self, thread_attach_own, run_queue, queue, queue->name)) {
            os_lock_acquire(&specials_lock);
            queue->has_thread = false;
            os_lock_release(&specials_lock);
        }
        if (wanted) {
            atomic_fetch_add(&queue->news, 1);
            os_wake(&queue->news, 1);
        }
    }
}

bool specials_rest(void) {
    return queues[0].count == 0 && queues[1].count == 0;
}

void specials_forget_threads(void) {
    queues[0].has_thread = queues[1].has_thread = false;
}

/* --- in a collection --- */

void specials_each_root(void (*visit)(void *context, uintptr_t lo, uintptr_t hi),
                        void (*visit_fields)(void *context, uintptr_t object, const struct span *span), void *context) {
    for (size_t i = 0; i < bucket_count; i++)
        for (struct special *special = buckets[i]; special; special = special->next) {
            switch (special->kind) {
            case SPECIAL_FINALIZER:
                visit_fields(context, special->object, span_of_offset(heap_offset((void *)special->object)));
                break;
            case SPECIAL_CLEANUP:
                visit(context, (uintptr_t)&special->argument, (uintptr_t)(&special->argument + 1));
                break;
            case SPECIAL_WEAK: visit(context, (uintptr_t)&special->handle, (uintptr_t)(&special->handle + 1)); break;
            case SPECIAL_RETAIN:
            case SPECIAL_PIN: visit(context, (uintptr_t)&special->object, (uintptr_t)(&special->object + 1)); break;
            }
        }
    for (int i = 0; i < 2; i++)
        if (queues[i].count > 0)
            visit(context, (uintptr_t)queues[i].calls, (uintptr_t)(queues[i].calls + queues[i].capacity));
}

static void push_root(void *context, uintptr_t lo, uintptr_t hi) {
    (void)context;
    mark_push_words(lo, hi);
}

static void push_fields(void *context, uintptr_t object, const struct span *span) {
    (void)context;
    mark_push_fields(object, span);
}

void specials_push_roots(void) {
    specials_each_root(push_root, push_fields, NULL);
}

static void each_dead(enum special_kind kind, bool (*end)(struct special *special)) {
    for (size_t i = 0; i < bucket_count; i++)
        for (struct special **link = &buckets[i]; *link;) {
            struct special *special = *link;
            if (special->kind == kind && !mark_is_live(special->object) && end(special))
                special_free(link);
            else
                link = &special->next;
        }
}

static bool end_weak(struct special *special) {
    __atomic_store_n((uintptr_t *)special->handle, 0, __ATOMIC_RELAXED);
    return true;
}

/* Marking the object at once would hide other finalizers of the same collection only if it referred to their objects,
 * and then those are marked already. */
static bool end_finalizer(struct special *special) {
    if (!enqueue(&queues[0], special->function, (void *)special->object))
        return false;
    mark_push_words((uintptr_t)&special->object, (uintptr_t)(&special->object + 1));
    return true;
}

/* No memory for the queue: the object stays, so that its finalizer can be queued by the next collection. */
static bool keep(struct special *special) {
    mark_push_words((uintptr_t)&special->object, (uintptr_t)(&special->object + 1));
    return false;
}

static bool end_cleanup(struct special *special) {
    return enqueue(&queues[1], special->function, special->argument);
}

void specials_finish_mark(void) {
    if (special_total() == 0)
        return;
    each_dead(SPECIAL_WEAK, end_weak);
    each_dead(SPECIAL_FINALIZER, end_finalizer);
    each_dead(SPECIAL_FINALIZER, keep);
    mark_drain();
    each_dead(SPECIAL_CLEANUP, end_cleanup);
    each_dead(SPECIAL_CLEANUP, keep);
    mark_drain();
}

/* A bucket is that of an address: they are all put where they belong now. */
void specials_moved(uintptr_t (*forward)(uintptr_t)) {
    struct special *all = NULL, *next;
    for (size_t i = 0; i < bucket_count; i++) {
        for (struct special *special = buckets[i]; special; special = next) {
            next = special->next;
            special->next = all;
            all = special;
        }
        buckets[i] = NULL;
    }
    for (struct special *special = all; special; special = next) {
        next = special->next;
        uintptr_t object = forward(special->object);
        any_moved = any_moved || object != special->object;
        special->object = object;
        if (special->kind == SPECIAL_WEAK)
            __atomic_store_n((uintptr_t *)special->handle, special->object, __ATOMIC_RELAXED);
        put_into_bucket(special);
    }
}

/* --- an object ends at once: its cleanups are due, its weak pointers know, its finalizer has nothing to be given
 * --- */

bool specials_of_freed(uintptr_t object) {
    weak_maps_forget(object);
    if (__builtin_expect(special_total() == 0, 1))
        return false;
    bool cleanups = false;
    os_lock_acquire(&specials_lock);
    for (struct special **link = &buckets[bucket_of(object)]; *link;) {
        struct special *special = *link;
        if (special->object != object) {
            link = &special->next;
            continue;
        }
        if (special->kind == SPECIAL_WEAK)
            end_weak(special);
        if (special->kind == SPECIAL_CLEANUP) {
            cleanups = true;
            if (!end_cleanup(special))
                out_of_memory();
        }
        special_free(link);
    }
    os_lock_release(&specials_lock);
    return cleanups;
}

/* --- the public functions --- */

void bw_set_finalizer(void *address, void (*function)(void *)) {
    struct thread *self = thread_enter();
    struct span *span;
    uintptr_t object = memory_require(self, "bw_set_finalizer", address, &span);
    os_lock_acquire(&specials_lock);
    struct special **link = find(object, SPECIAL_FINALIZER);
    bool twice = link != NULL && function != NULL;
    if (function == NULL && link != NULL)
        special_free(link);
    else if (function != NULL && !twice)
        special_new(object, SPECIAL_FINALIZER)->function = function;
    os_lock_release(&specials_lock);
    thread_leave(self);
    if (twice)
        os_panic("bw_set_finalizer: %p has a finalizer already", address);
}

/* The object that an address is in, or a panic. */
static uintptr_t holder(struct thread *self, const char *function, const void *address, struct span **span) {
    uintptr_t object = heap.base ? heap_object_of(address, span) : 0;
    if (object == 0) {
        char text[200];
        thread_leave(self);
        os_panic("%s: %p is not in an object: it is %s", function, address, heap_describe(address, text, sizeof text));
    }
    return object;
}

bw_cleanup bw_add_cleanup(void *address, void (*function)(void *), void *argument) {
    if (function == NULL)
        os_panic("bw_add_cleanup: the function is NULL");
    struct thread *self = thread_enter();
    struct span *span, *other;
    uintptr_t object = holder(self, "bw_add_cleanup", address, &span);
    if (argument != NULL && heap_object_of(argument, &other) == object) {
        thread_leave(self);
        os_panic("bw_add_cleanup: the argument refers to the object itself: the cleanup would never run");
    }
    os_lock_acquire(&specials_lock);
    struct special *special = special_new(object, SPECIAL_CLEANUP);
    special->function = function;
    special->argument = argument;
    special->id = next_id++;
    bw_cleanup cleanup = {special->id, (void *)~object};
    os_lock_release(&specials_lock);
    thread_leave(self);
    return cleanup;
}

static struct special **find_moved(uint64_t id) {
    for (size_t i = 0; any_moved && i < bucket_count; i++)
        for (struct special **link = &buckets[i]; *link; link = &(*link)->next)
            if ((*link)->id == id)
                return link;
    return NULL;
}

void bw_cleanup_stop(bw_cleanup cleanup) {
    if (cleanup.id == 0)
        return;
    struct thread *self = thread_enter();
    os_lock_acquire(&specials_lock);
    uintptr_t object = ~(uintptr_t)cleanup.address_hidden;
    struct special **link = bucket_count ? &buckets[bucket_of(object)] : NULL;
    while (link && *link && (*link)->id != cleanup.id)
        link = &(*link)->next;
    if (link && *link == NULL) /* it ran, or a compaction has moved the object */
        link = find_moved(cleanup.id);
    if (link && *link)
        special_free(link);
    os_lock_release(&specials_lock);
    thread_leave(self);
}

bw_weak bw_weak_make(void *address) {
    if (address == NULL)
        return (bw_weak){0};
    struct thread *self = thread_enter();
    struct span *span;
    uintptr_t object = holder(self, "bw_weak_make", address, &span);
    os_lock_acquire(&specials_lock);
    struct special **link = find(object, SPECIAL_WEAK);
    void *handle = link ? (*link)->handle : NULL;
    os_lock_release(&specials_lock);
    if (handle == NULL) {
        void *fresh =
            memory_allocate(self, layout_untyped(BW__NOSCAN + bw__class_of(sizeof(uintptr_t))), sizeof(uintptr_t));
        os_lock_acquire(&specials_lock);
        link = find(object, SPECIAL_WEAK); /* another thread may have been quicker */
        if (link) {
            handle = (*link)->handle;
        } else {
            handle = fresh;
            *(uintptr_t *)handle = object;
            special_new(object, SPECIAL_WEAK)->handle = handle;
        }
        os_lock_release(&specials_lock);
    }
    bw_keep_alive(address);
    thread_leave(self);
    return (bw_weak){handle, (char *)address - (char *)object};
}

/* A copy of the process may be marking what was reachable when it was made. INSIDE there is no last stop, so that it is
 * seen to. */
static BW__COLD uintptr_t get_kept(void *handle) {
    struct thread *self = thread_enter();
    uintptr_t object;
    while ((object = __atomic_load_n((uintptr_t *)handle, __ATOMIC_ACQUIRE)) != 0 &&
           atomic_load(&snapshot_is_marking) && !snapshot_keep(object))
        cycle_wait_for_marking(self);
    thread_leave(self);
    return object;
}

void *bw_weak_get(bw_weak weak) {
    if (weak.handle == NULL)
        return NULL;
    /* Once loaded, the address is in this thread's registers, and a collection finds it there. */
    uintptr_t object = __atomic_load_n((uintptr_t *)weak.handle, __ATOMIC_ACQUIRE);
    if (object != 0 && __builtin_expect(atomic_load_explicit(&snapshot_is_marking, memory_order_relaxed), 0))
        object = get_kept(weak.handle);
    return object ? (void *)(object + (uintptr_t)weak.offset) : NULL;
}

static void *count_one(const char *function, enum special_kind kind, void *address, bool interior) {
    struct thread *self = thread_enter();
    struct span *span;
    uintptr_t object =
        interior ? holder(self, function, address, &span) : memory_require(self, function, address, &span);
    os_lock_acquire(&specials_lock);
    struct special **link = find(object, kind);
    (link ? *link : special_new(object, kind))->count++;
    os_lock_release(&specials_lock);
    thread_leave(self);
    return address;
}

void *bw_pin(void *address) {
    return count_one("bw_pin", SPECIAL_PIN, address, true);
}

/* What count_one added once is taken away; false: nothing was added. `last`: nothing is left. */
static bool uncount_one(uintptr_t object, enum special_kind kind, bool *last) {
    os_lock_acquire(&specials_lock);
    struct special **link = find(object, kind);
    *last = link && --(*link)->count == 0;
    if (*last)
        special_free(link);
    os_lock_release(&specials_lock);
    return link != NULL;
}

void bw_unpin(void *address) {
    struct thread *self = thread_enter();
    struct span *span;
    bool last, pinned = uncount_one(holder(self, "bw_unpin", address, &span), SPECIAL_PIN, &last);
    thread_leave(self);
    if (!pinned)
        os_panic("bw_unpin: %p is not pinned", address);
}

void *bw_retain(void *address) {
    return count_one("bw_retain", SPECIAL_RETAIN, address, false);
}

void bw_release(void *address) {
    struct thread *self = thread_enter();
    struct span *span;
    uintptr_t object = memory_require(self, "bw_release", address, &span);
    bool last, retained = uncount_one(object, SPECIAL_RETAIN, &last);
    if (last) {
        bool due = specials_of_freed(object);
        object_free(span, object);
        if (due)
            specials_start_threads(self);
    }
    thread_leave(self);
    if (!retained)
        os_panic("bw_release: %p is not retained", address);
}
