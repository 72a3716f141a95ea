/* records.c - the records of threads: the list of those that threads have, and the free ones.
 *
 * A record is never unmapped: a signal for the thread that had it may be on its way. It is taken and given back under
 * threads_lock, which whoever stops the world holds meanwhile; so during a stop the list does not change.
 */
#include "gc.h"

#include <string.h>

os_lock threads_lock;
static struct thread *threads;
static struct thread *pool;

static void unlink_record(struct thread *thread) {
    if (thread->previous)
        thread->previous->next = thread->next;
    else
        threads = thread->next;
    if (thread->next)
        thread->next->previous = thread->previous;
    thread->next = pool;
    pool = thread;
}

struct thread *record_new(void) {
    static uint32_t records;
    os_lock_acquire(&threads_lock);
    if (pool == NULL) {
        size_t bytes = 65536;
        struct thread *slab = os_map(bytes);
        for (size_t i = 0; slab && i < bytes / sizeof *slab; i++) {
            slab[i].number = records++;
            slab[i].next = pool;
            pool = &slab[i];
        }
    }
    struct thread *thread = pool;
    if (thread) {
        pool = thread->next;
        __typeof__(thread->stacks) stacks = thread->stacks;
        uint32_t number = thread->number;
        memset(thread, 0, sizeof *thread);
        thread->stacks = stacks;
        thread->number = number;
        atomic_store(&thread->state, THREAD_SAFE);
        thread->next = threads;
        if (threads)
            threads->previous = thread;
        threads = thread;
    }
    os_lock_release(&threads_lock);
    return thread;
}

void record_free(struct thread *thread) {
    os_lock_acquire(&threads_lock);
    unlink_record(thread);
    os_lock_release(&threads_lock);
}

void threads_each(void (*visit)(struct thread *, void *), void *context) {
    for (struct thread *thread = threads; thread; thread = thread->next)
        visit(thread, context);
}

void threads_each_locked(void (*visit)(struct thread *, void *), void *context) {
    os_lock_acquire(&threads_lock);
    threads_each(visit, context);
    os_lock_release(&threads_lock);
}

void threads_reap(void) {
    for (;;) {
        struct thread *dead = NULL;
        os_lock_acquire(&threads_lock);
        for (struct thread *thread = threads; thread && !dead; thread = thread->next)
            if (atomic_load(&thread->gone))
                dead = thread;
        os_lock_release(&threads_lock);
        if (dead == NULL)
            return;
        if (dead->cache)
            cache_unmake(dead->cache);
        record_free(dead);
    }
}

void records_forked(struct thread *self) {
    for (struct thread *thread = threads, *next; thread; thread = next) {
        next = thread->next;
        if (thread == self)
            continue;
        if (thread->cache)
            cache_unmake(thread->cache);
        unlink_record(thread);
    }
}
