/* rwmutex.c - bw_rwmutex: a mutex among writers, and a count of readers.
 *
 * A writer that has the mutex takes BW__READERS_MOST off the count of readers: from then on those who come see a
 * negative count, and wait. It waits for those that were there, which count themselves out in `departing`. When it
 * unlocks it gives the number back, and tells the readers that came meanwhile, and only then lets the next writer in:
 * so readers and writers take turns. */
#include "sync.h"

void bw__rwmutex_rlock_slow(bw_rwmutex *mutex) {
    struct thread *self = thread_enter();
    thread_leave(sleepers_wait(self, &mutex->bw__reading, "sync.RWMutex.RLock"));
}

/* `readers`: the count without the caller, negative. */
void bw__rwmutex_runlock_slow(bw_rwmutex *mutex, int32_t readers) {
    if (readers == -1 || readers == -1 - BW__READERS_MOST)
        os_fatal("sync: RUnlock of unlocked RWMutex");
    if (__atomic_sub_fetch(&mutex->bw__departing, 1, __ATOMIC_ACQ_REL) == 0) {
        struct thread *self = thread_enter();
        sleepers_tell(self, &mutex->bw__writing, 1);
        thread_leave(self);
    }
}

void bw_rwmutex_lock(bw_rwmutex *mutex) {
    bw_mutex_lock(&mutex->bw__writers);
    int32_t readers = __atomic_fetch_sub(&mutex->bw__readers, BW__READERS_MOST, __ATOMIC_ACQ_REL);
    if (readers != 0 && __atomic_add_fetch(&mutex->bw__departing, readers, __ATOMIC_ACQ_REL) != 0) {
        struct thread *self = thread_enter();
        thread_leave(sleepers_wait(self, &mutex->bw__writing, "sync.RWMutex.Lock"));
    }
}

bool bw_rwmutex_try_lock(bw_rwmutex *mutex) {
    if (!bw_mutex_try_lock(&mutex->bw__writers))
        return false;
    int32_t none = 0;
    if (__atomic_compare_exchange_n(&mutex->bw__readers, &none, -BW__READERS_MOST, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return true;
    bw_mutex_unlock(&mutex->bw__writers);
    return false;
}

void bw_rwmutex_unlock(bw_rwmutex *mutex) {
    int32_t before = __atomic_fetch_add(&mutex->bw__readers, BW__READERS_MOST, __ATOMIC_RELEASE);
    if (before >= 0)
        os_fatal("sync: Unlock of unlocked RWMutex");
    int32_t readers = before + BW__READERS_MOST;
    if (readers > 0) {
        struct thread *self = thread_enter();
        sleepers_tell(self, &mutex->bw__reading, (uint32_t)readers);
        thread_leave(self);
    }
    bw_mutex_unlock(&mutex->bw__writers);
}
