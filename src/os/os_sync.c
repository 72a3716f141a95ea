/* os_sync.c - futex waits and the mutex made of them.
 *
 * A lock is a word that says whether it is held, and the number of those who sleep, or are about to. It spins a little
 * first, since the library's critical sections are short.
 *
 * Releasing writes the one and reads the other, without a barrier between: that would take as long again as acquiring.
 * Instead, whoever is about to sleep counts itself and then has the kernel give every thread a barrier (membarrier(2)).
 * A release whose write came before that barrier is seen by the sleeper, which does not sleep; one whose write came after
 * it reads the count after it, too, and wakes. Where the system has no such call sleepers look again after a while.
 */
#include "os.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLEEP_AT_MOST_NS 500000

void os_wait(_Atomic uint32_t *word, uint32_t value, int64_t timeout_ns) {
    struct timespec limit = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns < 0 ? NULL : &limit, NULL, 0);
}

void os_wake(_Atomic uint32_t *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void os_wait_shared(_Atomic uint32_t *word, uint32_t value, int64_t timeout_ns) {
    struct timespec limit = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    syscall(SYS_futex, word, FUTEX_WAIT, value, timeout_ns < 0 ? NULL : &limit, NULL, 0);
}

void os_wake_shared(_Atomic uint32_t *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

static bool barrier_register(void) {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

static bool barrier_of_all(void) {
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
        return true;
    return barrier_register() && syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void os_barrier_prepare(void) {
    int saved = errno;
    if (__libc_single_threaded)
        barrier_register();
    errno = saved;
}

static _Atomic int works; /* 0: not known yet; -1: no */

bool os_barrier_of_all_works(void) {
    if (atomic_load_explicit(&works, memory_order_relaxed) == 0) {
        int saved = errno, unknown = 0;
        atomic_compare_exchange_strong(&works, &unknown, barrier_of_all() ? 1 : -1);
        errno = saved;
    }
    return atomic_load_explicit(&works, memory_order_relaxed) > 0;
}

void os_barrier_of_all(void) {
    int saved = errno;
    if (!barrier_of_all()) {
        /* It has been forbidden since. No write waits for so long in a processor. */
        atomic_store(&works, -1);
        struct timespec left = {0, SLEEP_AT_MOST_NS};
        while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
    }
    errno = saved;
}

void os_lock_acquire_slowly(os_lock *lock) {
    /* Being woken takes longer than any of the library's short critical sections. Whoever looks often takes the lock's
     * cache line from the one who is busy under it: so it looks less and less often. */
    for (int spins = 0, pause = 16; spins < 3000; spins += pause, pause = pause < 512 ? pause * 2 : pause) {
        for (int i = 0; i < pause; i++)
            os_cpu_relax();
        if (atomic_load_explicit(&lock->held, memory_order_relaxed) == 0 && os_lock_try(lock))
            return;
    }
    int saved = errno;
    atomic_fetch_add(&lock->sleepers, 1);
    int64_t limit = barrier_of_all() ? -1 : SLEEP_AT_MOST_NS;
    while (!os_lock_try(lock))
        os_wait(&lock->held, 1, limit);
    atomic_fetch_sub(&lock->sleepers, 1);
    errno = saved;
}

void os_lock_wake(os_lock *lock) {
    os_wake(&lock->held, 1);
}
