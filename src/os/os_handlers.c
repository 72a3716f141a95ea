/* os_handlers.c - the program's own signal handlers.
 *
 * A handler interrupts its thread anywhere, also in the middle of an allocation, so it must not allocate; and that must
 * be noticed, not corrupt the heap. So sigaction and signal install a function of ours which tells the floors above,
 * calls the program's handler, and tells them again. sigaction reports to the program what the program installed.
 */
#include "os_interpose.h"

#include <errno.h>
#include <string.h>

#define SIGNALS 65

extern int __interceptor_sigaction(int, const struct sigaction *, struct sigaction *) __attribute__((weak));

static int real_sigaction(int number, const struct sigaction *action, struct sigaction *before) {
    static int (*_Atomic next)(int, const struct sigaction *, struct sigaction *);
    if (__interceptor_sigaction)
        return __interceptor_sigaction(number, action, before);
    int (*found)(int, const struct sigaction *, struct sigaction *) = atomic_load_explicit(&next, memory_order_relaxed);
    if (found == NULL) {
        found = (int (*)(int, const struct sigaction *, struct sigaction *))os_next("sigaction");
        atomic_store_explicit(&next, found, memory_order_relaxed);
    }
    return found(number, action, before);
}

/* The program's handlers. A handler is written before the kernel is told to call ours, and read only in ours. */
static void (*_Atomic plain[SIGNALS])(int);
static void (*_Atomic informed[SIGNALS])(int, siginfo_t *, void *);

static void call_handler(int number, siginfo_t *info, void *context) {
    void (*with_information)(int, siginfo_t *, void *) = atomic_load(&informed[number]);
    void (*without)(int) = atomic_load(&plain[number]);
    struct os_handler_state state;
    /* Both hooks may wait for a collection to end: the interrupted code must find the errno that it had, or that the
     * handler leaves. */
    int saved = errno;
    /* The thread sanitizer calls handlers late and with every signal blocked. */
    if (OS_THREAD_SANITIZER && os_stop_signal() > 0)
        os_stop_signal_unblock();
    os_thread_hooks_table.handler_begin(&state);
    errno = saved;
    if (with_information)
        with_information(number, info, context);
    else if (without)
        without(number);
    saved = errno;
    os_thread_hooks_table.handler_end(&state);
    errno = saved;
}

int os_sigaction_unwrapped(int number, const struct sigaction *action, struct sigaction *before) {
    return real_sigaction(number, action, before);
}

/* --- SIGQUIT --- */

static void (*quit_called)(void);

static void on_quit(int number, siginfo_t *info, void *context) {
    (void)number, (void)info, (void)context;
    int saved = errno;
    quit_called();
    errno = saved;
}

bool os_quit_signal_install(void (*quit)(void)) {
    struct sigaction now, action = {0};
    if (real_sigaction(SIGQUIT, NULL, &now) != 0)
        return false;
    if (now.sa_flags & SA_SIGINFO)
        return now.sa_sigaction == on_quit;
    if (now.sa_handler != SIG_DFL)
        return false;
    quit_called = quit;
    action.sa_sigaction = on_quit;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    if (os_stop_signal() > 0)
        sigdelset(&action.sa_mask, os_stop_signal());
    return real_sigaction(SIGQUIT, &action, NULL) == 0;
}

void os_quit_by_default(void) {
    real_sigaction(SIGQUIT, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    raise(SIGQUIT);
}

static bool is_function(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

bool os_handles_signals(void) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t left_out;
    sigemptyset(&left_out);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigaddset(&left_out, faults[i]);
    for (int number = 1; number < SIGNALS; number++) {
        struct sigaction now;
        if (sigismember(&left_out, number) != 1 && number != os_stop_signal() &&
            real_sigaction(number, NULL, &now) == 0 && is_function(&now) &&
            !(now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_quit))
            return true;
    }
    return false;
}

__attribute__((visibility("default"))) int sigaction(int number, const struct sigaction *restrict action,
                                                     struct sigaction *restrict before) {
    if (number <= 0 || number >= SIGNALS)
        return real_sigaction(number, action, before);
    void (*old_plain)(int) = atomic_load(&plain[number]);
    void (*old_informed)(int, siginfo_t *, void *) = atomic_load(&informed[number]);
    struct sigaction ours, was;
    if (action && action->sa_flags & SA_SIGINFO && action->sa_sigaction == call_handler) {
        /* Somebody puts back what a raw system call showed: the handler that is known already. */
        return real_sigaction(number, action, before);
    }
    if (action) {
        ours = *action;
        if (is_function(action)) {
            if (action->sa_flags & SA_SIGINFO) {
                atomic_store(&informed[number], action->sa_sigaction);
            } else {
                atomic_store(&informed[number], NULL);
                atomic_store(&plain[number], action->sa_handler);
            }
            ours.sa_flags |= SA_SIGINFO;
            ours.sa_sigaction = call_handler;
        }
        if (os_stop_signal() > 0)
            sigdelset(&ours.sa_mask, os_stop_signal());
    }
    int result = real_sigaction(number, action ? &ours : NULL, &was);
    if (result != 0) {
        atomic_store(&informed[number], old_informed);
        atomic_store(&plain[number], old_plain);
        return result;
    }
    if (before) {
        *before = was;
        if (was.sa_flags & SA_SIGINFO && was.sa_sigaction == call_handler) {
            if (old_informed) {
                before->sa_sigaction = old_informed;
            } else {
                before->sa_flags &= ~SA_SIGINFO;
                before->sa_handler = old_plain;
            }
        }
    }
    return 0;
}

__attribute__((visibility("default"))) void (*signal(int number, void (*handler)(int)))(int) {
    struct sigaction action = {0}, before;
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    if (sigaction(number, &action, &before) != 0)
        return SIG_ERR;
    return before.sa_handler;
}
