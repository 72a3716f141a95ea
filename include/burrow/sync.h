/* burrow/sync.h - Go's package sync: locks, wait groups, once, condition variables, pools.
 *
 * The zero value of each is ready for use. None may be copied once it is in use. Goroutines and threads of the program
 * may use one at once: who has to wait in a goroutine leaves its thread to others. Example:
 *
 *     struct counter {
 *         bw_mutex lock;
 *         long count;
 *     };
 *
 *     void count(struct counter *counter, int times);
 *     void count(struct counter *counter, int times) {
 *         for (int i = 0; i < times; i++) {
 *             bw_mutex_lock(&counter->lock);
 *             counter->count++;
 *             bw_mutex_unlock(&counter->lock);
 *         }
 *     }
 *
 *     long count_together(void);
 *     long count_together(void) {
 *         struct counter *counter = bw_new(struct counter);
 *         bw_waitgroup all = {0};
 *         for (int i = 0; i < 10; i++)
 *             bw_waitgroup_go(&all, count, counter, 1000);
 *         bw_waitgroup_wait(&all);
 *         return counter->count;
 *     }
 *
 * Fields whose names begin with bw__ are the library's own business. In the heap such objects count as `sync` in the
 * ledger.
 */
#ifndef BURROW_SYNC_H
#define BURROW_SYNC_H

#include <burrow/goroutine.h>

#ifndef __cplusplus

/* --- mutex --- */

struct bw__waiter;

/* A lock that one goroutine or thread holds at a time. Who unlocks need not be who locked. As Go's: a waiter that has
 * been passed over for a millisecond is handed the lock, and so are those after it, until nobody has waited so long. */
typedef struct bw_mutex {
    uint32_t bw__locked;
} bw_mutex;

/* Those who wait for something that is told once for each of them. */
typedef struct bw__sleepers {
    uint32_t bw__guard;
    uint32_t bw__permits; /* told, and nobody was there yet */
    struct bw__waiter *bw__waiters;
} bw__sleepers;

BW__BEGIN
BW_API void bw__mutex_lock_slow(bw_mutex *mutex);
BW_API void bw__mutex_unlock_slow(bw_mutex *mutex);
BW_API void bw__mutex_unlocked(bw_mutex *mutex);
/* Where those wait whose mutex has such an address: is it quiet there? */
#define BW__MUTEX_PLACES_BITS 10
#define BW__MUTEX_PLACES (1 << BW__MUTEX_PLACES_BITS)
#define BW__MUTEX_QUIET 1
BW_API extern uint8_t bw__mutex_places[BW__MUTEX_PLACES];
static inline size_t bw__mutex_place(const bw_mutex *mutex) {
    return (size_t)((uint64_t)(uintptr_t)mutex * UINT64_C(0x9E3779B97F4A7C15) >> (64 - BW__MUTEX_PLACES_BITS));
}

/* Cost of lock and unlock, if nobody else is there: one compare-and-swap, and a store. */
static inline void bw_mutex_lock(bw_mutex *mutex) {
    uint32_t unlocked = 0;
    if (BW__UNLIKELY(
            !__atomic_compare_exchange_n(&mutex->bw__locked, &unlocked, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
        bw__mutex_lock_slow(mutex);
}
/* Ends the program if it is not locked: "fatal error: sync: unlock of unlocked mutex". */
static inline void bw_mutex_unlock(bw_mutex *mutex) {
    const uint8_t *place = &bw__mutex_places[bw__mutex_place(mutex)];
    if (BW__UNLIKELY(__atomic_load_n(place, __ATOMIC_RELAXED) != BW__MUTEX_QUIET ||
                     __atomic_load_n(&mutex->bw__locked, __ATOMIC_RELAXED) != 1)) {
        bw__mutex_unlock_slow(mutex);
        return;
    }
    __atomic_store_n(&mutex->bw__locked, 0, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* a waiter sees to the processor's order */
    if (BW__UNLIKELY(__atomic_load_n(place, __ATOMIC_RELAXED) != BW__MUTEX_QUIET))
        bw__mutex_unlocked(mutex);
}
/* Locks it if that takes no waiting, and says whether it did. */
static inline bool bw_mutex_try_lock(bw_mutex *mutex) {
    uint32_t unlocked = 0;
    return __atomic_compare_exchange_n(&mutex->bw__locked, &unlocked, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}
BW__END

/* --- reader/writer mutex --- */

/* A lock that one writer holds, or any number of readers. Once a writer waits new readers wait for it, so that it is
 * not starved; so who holds it for reading must not lock it for reading again. */
typedef struct bw_rwmutex {
    bw_mutex bw__writers;
    bw__sleepers bw__reading, bw__writing;
    int32_t bw__readers;   /* less BW__READERS_MOST while a writer holds it or waits */
    int32_t bw__departing; /* readers that a writer waits for */
} bw_rwmutex;

#define BW__READERS_MOST (1 << 30)

BW__BEGIN
BW_API void bw__rwmutex_rlock_slow(bw_rwmutex *mutex);
BW_API void bw__rwmutex_runlock_slow(bw_rwmutex *mutex, int32_t readers);

/* For writing. */
BW_API void bw_rwmutex_lock(bw_rwmutex *mutex);
/* Ends the program if it is not locked for writing: "fatal error: sync: Unlock of unlocked RWMutex". */
BW_API void bw_rwmutex_unlock(bw_rwmutex *mutex);
BW_API bool bw_rwmutex_try_lock(bw_rwmutex *mutex);

/* For reading. Cost, if no writer is there: one atomic addition. */
static inline void bw_rwmutex_rlock(bw_rwmutex *mutex) {
    if (BW__UNLIKELY(__atomic_add_fetch(&mutex->bw__readers, 1, __ATOMIC_ACQUIRE) < 0))
        bw__rwmutex_rlock_slow(mutex);
}
/* Ends the program if it is not locked for reading: "fatal error: sync: RUnlock of unlocked RWMutex". */
static inline void bw_rwmutex_runlock(bw_rwmutex *mutex) {
    int32_t readers = __atomic_sub_fetch(&mutex->bw__readers, 1, __ATOMIC_RELEASE);
    if (BW__UNLIKELY(readers < 0))
        bw__rwmutex_runlock_slow(mutex, readers);
}
static inline bool bw_rwmutex_try_rlock(bw_rwmutex *mutex) {
    int32_t readers = __atomic_load_n(&mutex->bw__readers, __ATOMIC_RELAXED);
    while (readers >= 0)
        if (__atomic_compare_exchange_n(&mutex->bw__readers, &readers, readers + 1, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}
BW__END

/* --- wait group --- */

/* Counts what is under way, and lets others wait until it is all done. */
typedef struct bw_waitgroup {
    uint64_t bw__state; /* the counter, and how many wait, in the lower half */
    bw__sleepers bw__waiting;
} bw_waitgroup;

BW__BEGIN
BW_API void bw__waitgroup_added(bw_waitgroup *group, int delta, uint64_t state);
BW_API void bw__waitgroup_wait(bw_waitgroup *group);
BW_API void bw__waitgroup_go(bw_waitgroup *group, const bw__call *call);

/* Adds to the counter, a negative number too. What makes it rise from 0 must come before the waiting. Panics: "sync:
 * negative WaitGroup counter", "sync: WaitGroup misuse: Add called concurrently with Wait". */
static inline void bw_waitgroup_add(bw_waitgroup *group, int delta) {
    uint64_t state = __atomic_add_fetch(&group->bw__state, (uint64_t)(int64_t)delta << 32, __ATOMIC_ACQ_REL);
    if (BW__UNLIKELY((int32_t)(state >> 32) < 0 || (uint32_t)state != 0))
        bw__waitgroup_added(group, delta, state);
}
static inline void bw_waitgroup_done(bw_waitgroup *group) {
    bw_waitgroup_add(group, -1);
}
/* Waits until the counter is 0. Panics: "sync: WaitGroup is reused before previous Wait has returned". */
static inline void bw_waitgroup_wait(bw_waitgroup *group) {
    if (__atomic_load_n(&group->bw__state, __ATOMIC_ACQUIRE) >> 32 != 0)
        bw__waitgroup_wait(group);
}
BW__END

/* bw_waitgroup_go(&group, f, args...): adds one, and calls f with the arguments, evaluated now, in a new goroutine; when
 * f has returned it is done. Any function and any arguments, as with bw_go. */
#define bw_waitgroup_go(g, f, ...)                                                                                     \
    BW__WAITGROUP_GO(BW__UNIQUE(group), BW__UNIQUE(call), BW__UNIQUE(type), BW__UNIQUE(result), g, f, ##__VA_ARGS__)
#define BW__WAITGROUP_GO(group_, record_, type_, result_, g, f, ...)                                                   \
    do {                                                                                                               \
        bw_waitgroup *group_ = (g);                                                                                    \
        struct {                                                                                                       \
            bw__call call;                                                                                             \
            uintptr_t stack[BW__STACK_WORDS(__VA_ARGS__)];                                                             \
        } record_;                                                                                                     \
        BW__CALL_STORE(type_, result_, &record_.call, f, ##__VA_ARGS__);                                               \
        bw__waitgroup_go(group_, &record_.call);                                                                       \
    } while (0)

/* --- once --- */

/* Something that is done once. */
typedef struct bw_once {
    uint32_t bw__done;
    bw_mutex bw__mutex;
} bw_once;

BW__BEGIN
BW_API bool bw__once_begin(bw_once *once);
BW_API void bw__once_end(bw_once *once);
BW__END

/* bw_once_do(&once, f, args...): calls f with the arguments, unless that, or another call, was made with this `once`
 * before; others wait until it has returned. The arguments are evaluated only if the call is made. If f panics it counts
 * as done. If f comes here with the same `once` it waits for itself. Cost, once it is done: a load. */
#define bw_once_do(o, f, ...) BW__ONCE_DO(BW__UNIQUE(once), o, f, ##__VA_ARGS__)
#define BW__ONCE_DO(once_, o, f, ...)                                                                                  \
    do {                                                                                                               \
        bw_once *once_ = (o);                                                                                          \
        if (BW__UNLIKELY(__atomic_load_n(&once_->bw__done, __ATOMIC_ACQUIRE) == 0) && bw__once_begin(once_)) {         \
            bw_defer(bw__once_end, once_);                                                                             \
            (f)(__VA_ARGS__);                                                                                          \
        }                                                                                                              \
    } while (0)

/* --- condition variable --- */

/* Where goroutines wait until another tells them that something has changed. Its mutex is set before it is used, and
 * held by who waits: bw_cond c = {.mutex = &m}. Panics if it was copied after it was used: "sync.Cond is copied".
 * Example, within a function:
 *
 *     bw_mutex mutex = {0};
 *     bw_cond changed = {.mutex = &mutex};
 *     bool ready = true;
 *     bw_mutex_lock(&mutex);
 *     while (!ready)
 *         bw_cond_wait(&changed);
 *     bw_mutex_unlock(&mutex);
 */
typedef struct bw_cond {
    bw_mutex *mutex;
    struct bw__waiter *bw__waiters;
    uintptr_t bw__self; /* its address, once it was used */
    uint32_t bw__guard, bw__waiting;
} bw_cond;

BW__BEGIN
/* Unlocks the mutex, waits to be told, and locks it again. The caller holds it, and asks afterwards whether what it waits
 * for is so. */
BW_API void bw_cond_wait(bw_cond *cond);
/* Tells one of those who wait, who waits longest, or all. The caller may hold the mutex. */
BW_API void bw_cond_signal(bw_cond *cond);
BW_API void bw_cond_broadcast(bw_cond *cond);
BW__END

/* --- weighted semaphore --- */

/* `size` of something, of which goroutines take some for a while: bw_semaphore s = {.size = 10}. Those who wait get it
 * in the order in which they came. (Go's golang.org/x/sync/semaphore.) bw_semaphore_acquire_context (burrow/context.h)
 * gives up when a context is done. */
typedef struct bw_semaphore {
    int64_t size;
    int64_t bw__held;
    struct bw__waiter *bw__waiters;
    uint32_t bw__guard;
} bw_semaphore;

BW__BEGIN
/* Waits until n are left, and takes them. Waits for ever if there are not so many. Panics: "semaphore: negative
 * weight". */
BW_API void bw_semaphore_acquire(bw_semaphore *semaphore, int64_t n);
/* Takes n if that takes no waiting, and says whether it did. */
BW_API bool bw_semaphore_try_acquire(bw_semaphore *semaphore, int64_t n);
/* Gives n back. Panics: "semaphore: released more than held". */
BW_API void bw_semaphore_release(bw_semaphore *semaphore, int64_t n);
BW__END

/* --- pool --- */

/* A place for objects that can be used again, so that they need not be made again. What is put in may be gone at any
 * time; what is not taken out again until two collections later is. Each worker thread has a part of its own. `make`, if
 * it is set, makes one when there is none: bw_pool p = {.make = new_buffer}. Example:
 *
 *     static void *new_buffer(void) {
 *         return bw_alloc_noscan(4096);
 *     }
 *     static bw_pool buffers = {.make = new_buffer};
 *
 *     void answer(void);
 *     void answer(void) {
 *         char *buffer = bw_pool_get(&buffers);
 *         snprintf(buffer, 4096, "200 OK");
 *         bw_pool_put(&buffers, buffer);
 *     }
 */
typedef struct bw_pool {
    void *(*make)(void);
    struct bw__pool *bw__pool;
} bw_pool;

BW__BEGIN
/* One that was put in, or made; NULL if there is none and no `make`. Cost: a few nanoseconds. */
BW_API void *bw_pool_get(bw_pool *pool);
/* NULL is ignored. */
BW_API void bw_pool_put(bw_pool *pool, void *object);
BW__END

#endif
#endif
