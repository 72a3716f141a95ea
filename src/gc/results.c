/* results.c - what threads returned, until they are joined.
 *
 * Between a thread's end and its joining the value is only in libc's record of the thread, which nothing searches. So it
 * is kept here, and is a root, if it may be an object of the heap and somebody can join the thread.
 */
#include "gc.h"

#include <pthread.h>
#include <string.h>

struct result {
    pthread_t thread;
    void *value;
};
static os_lock results_lock;
static struct result *results;
static _Atomic size_t result_count; /* changed under the lock, which results_joined spares itself if it is 0 */
static size_t result_capacity;

static size_t results_now(void) {
    return atomic_load_explicit(&result_count, memory_order_relaxed);
}

void threads_results(uintptr_t *lo, uintptr_t *hi) {
    *lo = (uintptr_t)results;
    *hi = (uintptr_t)(results + results_now());
}

void results_keep(void *value) {
    pthread_attr_t attributes;
    int detached = PTHREAD_CREATE_JOINABLE;
    if (heap.base == 0 || !heap_contains(value))
        return;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getdetachstate(&attributes, &detached);
        pthread_attr_destroy(&attributes);
    }
    if (detached == PTHREAD_CREATE_DETACHED)
        return;
    struct thread *self = thread_enter();
    os_lock_acquire(&results_lock);
    size_t count = results_now();
    if (count == result_capacity) {
        size_t wanted = result_capacity ? result_capacity * 2 : 256;
        struct result *larger = os_map(wanted * sizeof *larger);
        if (larger == NULL)
            os_fatal("runtime: out of memory: cannot keep what a thread returns");
        if (result_capacity) {
            memcpy(larger, results, count * sizeof *larger);
            os_unmap(results, result_capacity * sizeof *larger);
        }
        results = larger;
        result_capacity = wanted;
    }
    results[count] = (struct result){pthread_self(), value};
    atomic_store_explicit(&result_count, count + 1, memory_order_relaxed);
    os_lock_release(&results_lock);
    thread_leave(self);
}

void results_joined(pthread_t thread) {
    if (results_now() == 0) /* no value of this thread can be there: it was put there before the join */
        return;
    struct thread *self = thread_enter();
    os_lock_acquire(&results_lock);
    size_t count = results_now();
    for (size_t i = count; i-- > 0;)
        if (pthread_equal(results[i].thread, thread))
            results[i] = results[--count];
    atomic_store_explicit(&result_count, count, memory_order_relaxed);
    os_lock_release(&results_lock);
    thread_leave(self);
}
