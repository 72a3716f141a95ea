/* os_signal.c - the signal that stops threads, and the explanation of faults.
 *
 * The stop signal is the highest real-time signal that the program leaves at its default. A program may block "all"
 * signals in a thread, or wait for "all" of them; os_interpose.c takes the stop signal out of every such set, so that the
 * thread can be stopped all the same.
 */
#include "os_interpose.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static _Atomic int stop_signal;
static void (*stop_handler)(uintptr_t stack_pointer);

/* Not instrumented: the thread sanitizer may be in the middle of its work for this thread, or know it no more. */
__attribute__((no_sanitize("thread"))) static void on_stop_signal(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    if (!os_may_stop_here(context))
        return;
    int saved = errno;
    /* The kernel wrote the interrupted registers, all of them, into the frame above this function's. */
    stop_handler((uintptr_t)__builtin_frame_address(0));
    errno = saved;
}

void os_stop_signal_install(void (*handler)(uintptr_t stack_pointer), int wanted) {
    if (atomic_load(&stop_signal) != 0)
        return;
    stop_handler = handler;
    int chosen = wanted;
    if (chosen <= 0 || chosen > SIGRTMAX) {
        for (chosen = SIGRTMAX - 1; chosen > SIGRTMIN; chosen--) {
            struct sigaction now;
            if (os_sigaction_unwrapped(chosen, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
                now.sa_handler == SIG_DFL)
                break;
        }
    }
    struct sigaction action = {0};
    action.sa_sigaction = on_stop_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigfillset(&action.sa_mask); /* a stopped thread runs nothing */
    if (os_sigaction_stop(chosen, &action) != 0)
        os_fatal("burrow: signal %d cannot be used to stop threads; set BURROWDEBUG=stopsignal=N to another", chosen);
    atomic_store(&stop_signal, chosen);
}

int os_stop_signal(void) {
    return atomic_load_explicit(&stop_signal, memory_order_relaxed);
}

void os_stop_signal_unblock(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, os_stop_signal());
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

bool os_stop_signal_send(pid_t thread) {
    int saved = errno;
    long result = syscall(SYS_tgkill, getpid(), thread, os_stop_signal());
    /* The queue of real-time signals can be full (EAGAIN): the caller tries again. */
    errno = saved;
    return result == 0;
}

bool os_on_alternate_stack(uintptr_t *lo, uintptr_t *hi) {
    stack_t stack;
    if (sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_ONSTACK))
        return false;
    *lo = (uintptr_t)stack.ss_sp;
    *hi = *lo + stack.ss_size;
    return true;
}

/* --- faults --- */

static void (*fault_explain)(uintptr_t address);
/* What was done at a fault before. Not whole struct sigactions: of a mask the kernel fills only the beginning, and what sigaction
 * leaves in the rest is old stack, which static data would then show to the collector for ever. */
static struct {
    void (*action)(int, siginfo_t *, void *); /* NULL: handler says */
    void (*handler)(int);
} fault_before[2];
static const int fault_signals[2] = {SIGSEGV, SIGBUS};

static void on_fault(int number, siginfo_t *info, void *context) {
    int saved = errno;
    if (info->si_code > 0)
        fault_explain((uintptr_t)info->si_addr);
    errno = saved;
    void (*action)(int, siginfo_t *, void *) = fault_before[number == fault_signals[1]].action;
    void (*handler)(int) = fault_before[number == fault_signals[1]].handler;
    if (action) {
        action(number, info, context);
    } else if (handler == SIG_IGN && info->si_code <= 0) {
        return;
    } else if (handler != SIG_DFL && handler != SIG_IGN) {
        handler(number);
    } else {
        /* The default: put it back; the faulting instruction runs again and the program ends as it would have. */
        os_sigaction_unwrapped(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        if (info->si_code <= 0)
            raise(number);
    }
}

void os_fault_handler_install(void (*explain)(uintptr_t address)) {
    static os_lock lock;
    os_lock_acquire(&lock);
    if (fault_explain == NULL) {
        fault_explain = explain;
        if (OS_THREAD_SANITIZER) {
            /* The first call loads a library and allocates. In the handler of a fault, which is of the program's own access and
             * so not within malloc, that does no harm, but the sanitizer ends the program for it. */
            void *frame[1];
            backtrace(frame, 1);
        }
        struct sigaction action = {0};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        for (int i = 0; i < 2; i++) {
            struct sigaction before;
            if (os_sigaction_unwrapped(fault_signals[i], &action, &before) != 0)
                continue;
            if (before.sa_flags & SA_SIGINFO)
                fault_before[i].action = before.sa_sigaction;
            else
                fault_before[i].handler = before.sa_handler;
        }
    }
    os_lock_release(&lock);
}
