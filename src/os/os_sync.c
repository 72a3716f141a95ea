/* os_sync.c - futex waits and the mutex made of them.
 *
 * The mutex is Drepper's third ("Futexes are tricky"): 0 free, 1 held, 2 held with sleepers. It spins a little first,
 * since the library's critical sections are short.
 */
#include "os.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void os_wait(_Atomic uint32_t *word, uint32_t value, int64_t timeout_ns) {
    struct timespec limit = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns < 0 ? NULL : &limit, NULL, 0);
}

void os_wake(_Atomic uint32_t *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

bool os_lock_try(os_lock *lock) {
    uint32_t free = 0;
    return atomic_compare_exchange_strong_explicit(&lock->state, &free, 1, memory_order_acquire, memory_order_relaxed);
}

void os_lock_acquire(os_lock *lock) {
    if (os_lock_try(lock))
        return;
    /* Being woken takes longer than any of the library's short critical sections. */
    for (int spins = 0; spins < 2000; spins++) {
        if (atomic_load_explicit(&lock->state, memory_order_relaxed) == 0 && os_lock_try(lock))
            return;
        os_cpu_relax();
    }
    while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0)
        os_wait(&lock->state, 2, -1);
}

void os_lock_release(os_lock *lock) {
    if (atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2)
        os_wake(&lock->state, 1);
}
