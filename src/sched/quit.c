/* quit.c - SIGQUIT: every stack on standard error, and the end of the program with status 2, or not (sigquit=1).
 *
 * The handler may have interrupted anything, so it only wakes a thread of the library's own, which sleeps from the first
 * worker's start on. That one stops the world as a dump does; threads that are within libc then go on while it prints.
 */
#include "worker.h"

#include <unistd.h>

static _Atomic uint32_t signals; /* so many have come, and are not answered */
static _Atomic pid_t process;    /* whose thread waits for it: not a child's */

static void quit(void) {
    if (atomic_load(&process) != getpid()) {
        os_quit_by_default();
        return;
    }
    atomic_fetch_add(&signals, 1);
    os_wake(&signals, 1);
}

static void wait_and_print(void *argument) {
    (void)argument;
    struct thread *self = thread_current;
    os_goroutine_now.number = -1; /* it is none */
    thread_leave(self);
    for (;;) {
        while (atomic_exchange(&signals, 0) == 0)
            os_wait(&signals, 0, -1);
        thread_enter();
        if (!knobs.survives_quit)
            os_end_begin();
        os_print(2, "SIGQUIT: quit\n\n");
        traceback_all(self, 2, false);
        if (!knobs.survives_quit)
            _exit(2);
        os_write(2, "\n", 1);
        thread_leave(self);
    }
}

void quit_watch(struct thread *self) {
    pid_t own = getpid(), before = atomic_load(&process);
    if (before == own || !os_quit_signal_install(quit) || !atomic_compare_exchange_strong(&process, &before, own))
        return;
    if (!thread_start_internal(self, thread_attach_internal, wait_and_print, NULL, "burrow-quit"))
        atomic_store(&process, 0);
}
