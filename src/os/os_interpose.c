/* os_interpose.c - standing in front of pthread_create and of the calls that could block or swallow the stop signal.
 *
 * A program that links the library calls these instead of libc's; each passes on to the next definition in line. Under
 * the sanitizers that is theirs, which they offer under another name when the executable defines the function itself.
 */
#include "os_interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <threads.h>

/* Several threads may look for it at once, and all find the same. */
#define NEXT(function)                                                                                                 \
    ({                                                                                                                 \
        static _Atomic(__typeof__(&function)) next_;                                                                   \
        __typeof__(&function) found_ = atomic_load_explicit(&next_, memory_order_relaxed);                             \
        if (found_ == NULL) {                                                                                          \
            found_ = (__typeof__(&function))os_next(#function);                                                        \
            atomic_store_explicit(&next_, found_, memory_order_relaxed);                                               \
        }                                                                                                              \
        found_;                                                                                                        \
    })

void *os_next(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL)
        os_fatal(
            "burrow: libc's %s cannot be found: a program linked with -static cannot use Burrow (link libburrow.a, "
            "but libc dynamically)",
            name);
    return function;
}

extern int __interceptor_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)
    __attribute__((weak));

extern int __interceptor_pthread_join(pthread_t, void **) __attribute__((weak));
extern int __interceptor_pthread_detach(pthread_t) __attribute__((weak));

int os_real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
    if (__interceptor_pthread_create)
        return __interceptor_pthread_create(thread, attributes, body, argument);
    return NEXT(pthread_create)(thread, attributes, body, argument);
}

/* What the new thread needs: on the maker's stack it could be gone, and in malloc's memory the collector would not see
 * the argument; `record` keeps that. */
struct start {
    void *(*body)(void *);
    void *argument;
    void *record;
};

static void *thread_start(void *memory) {
    struct start start = *(struct start *)memory;
    free(memory);
    os_thread_hooks_table.begin(start.record);
    void *result = start.body(start.argument);
    os_thread_hooks_table.returns(result);
    return result;
}

__attribute__((visibility("default"))) int pthread_create(pthread_t *restrict thread,
                                                          const pthread_attr_t *restrict attributes,
                                                          void *(*body)(void *), void *restrict argument) {
    struct start *start = os_fail_now() ? NULL : malloc(sizeof *start);
    if (start == NULL)
        return EAGAIN;
    *start = (struct start){body, argument, os_thread_hooks_table.prepare(argument)};
    int error = start->record == NULL ? EAGAIN : os_real_pthread_create(thread, attributes, thread_start, start);
    if (error != 0) {
        if (start->record)
            os_thread_hooks_table.abandon(start->record);
        free(start);
    }
    return error;
}

/* A thread that only waits for others need not be woken to be stopped. */
static void wait_cancelled(void *waits) {
    if (waits)
        os_thread_hooks_table.wait_end();
}

#define JOIN(call, joins)                                                                                              \
    OS_SPILL_REGISTERS();                                                                                              \
    bool waits = os_thread_hooks_table.wait_begin(os_place_here(), joins);                                             \
    int error;                                                                                                         \
    pthread_cleanup_push(wait_cancelled, waits ? &waits : NULL);                                                       \
    error = call;                                                                                                      \
    pthread_cleanup_pop(0);                                                                                            \
    if (waits)                                                                                                         \
        os_thread_hooks_table.wait_end();                                                                              \
    if (error == 0)                                                                                                    \
        os_thread_hooks_table.joined(thread);                                                                          \
    return error

__attribute__((visibility("default"))) int pthread_join(pthread_t thread, void **result) {
    JOIN((__interceptor_pthread_join ? __interceptor_pthread_join : NEXT(pthread_join))(thread, result), thread);
}

__attribute__((visibility("default"))) int pthread_tryjoin_np(pthread_t thread, void **result) {
    int error = NEXT(pthread_tryjoin_np)(thread, result);
    if (error == 0)
        os_thread_hooks_table.joined(thread);
    return error;
}

__attribute__((visibility("default"))) int pthread_timedjoin_np(pthread_t thread, void **result,
                                                                const struct timespec *limit) {
    JOIN(NEXT(pthread_timedjoin_np)(thread, result, limit), 0);
}

__attribute__((visibility("default"))) int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock,
                                                                const struct timespec *limit) {
    JOIN(NEXT(pthread_clockjoin_np)(thread, result, clock, limit), 0);
}

__attribute__((visibility("default"))) int thrd_join(thrd_t thread, int *result) {
    if (__interceptor_pthread_join == NULL) {
        JOIN(NEXT(thrd_join)(thread, result), thread);
    }
    /* The sanitizers know the thread as pthread_create's (thrd_create below), and must see how it ends. */
    void *value;
    int error = pthread_join(thread, &value);
    if (error == 0 && result)
        *result = (int)(intptr_t)value;
    return error == 0 ? thrd_success : thrd_error;
}

__attribute__((visibility("default"))) int pthread_detach(pthread_t thread) {
    int error = __interceptor_pthread_detach ? __interceptor_pthread_detach(thread) : NEXT(pthread_detach)(thread);
    if (error == 0)
        os_thread_hooks_table.joined(thread);
    return error;
}

__attribute__((visibility("default"))) int thrd_detach(thrd_t thread) {
    return pthread_detach(thread) == 0 ? thrd_success : thrd_error;
}

__attribute__((visibility("default"), noreturn)) void pthread_exit(void *result) {
    os_thread_hooks_table.returns(result);
    NEXT(pthread_exit)(result);
    __builtin_unreachable();
}

/* C11's threads: glibc makes them without calling pthread_create by name. */
struct c11_start {
    int (*body)(void *);
    void *argument;
    void *record;
};

static void *c11_thread_start(void *memory) {
    struct c11_start start = *(struct c11_start *)memory;
    free(memory);
    os_thread_hooks_table.begin(start.record);
    return (void *)(intptr_t)start.body(start.argument); /* where thrd_join looks for it */
}

__attribute__((visibility("default"))) int thrd_create(thrd_t *thread, thrd_start_t body, void *argument) {
    struct c11_start *start = os_fail_now() ? NULL : malloc(sizeof *start);
    if (start == NULL)
        return thrd_nomem;
    *start = (struct c11_start){body, argument, os_thread_hooks_table.prepare(argument)};
    int error = start->record == NULL ? ENOMEM : os_real_pthread_create(thread, NULL, c11_thread_start, start);
    if (error == 0)
        return thrd_success;
    if (start->record)
        os_thread_hooks_table.abandon(start->record);
    free(start);
    return error == ENOMEM ? thrd_nomem : thrd_error;
}

void os_watch_fork(void) {
    pthread_atfork(os_thread_hooks_table.fork_prepare, os_thread_hooks_table.fork_parent,
                   os_thread_hooks_table.fork_child);
}

/* --- leaving a signal handler by a jump --- */

#define JUMP(name)                                                                                                     \
    extern void __interceptor_##name(struct __jmp_buf_tag[1], int) __attribute__((weak, noreturn));                    \
    __attribute__((visibility("default"), noreturn)) void name(struct __jmp_buf_tag environment[1], int value) {       \
        static void (*_Atomic next)(struct __jmp_buf_tag *, int);                                                      \
        os_thread_hooks_table.jumped();                                                                                \
        void (*found)(struct __jmp_buf_tag *, int) = atomic_load_explicit(&next, memory_order_relaxed);                \
        if (found == NULL) {                                                                                           \
            found =                                                                                                    \
                __interceptor_##name ? __interceptor_##name : (void (*)(struct __jmp_buf_tag *, int))os_next(#name);   \
            atomic_store_explicit(&next, found, memory_order_relaxed);                                                 \
        }                                                                                                              \
        found(environment, value);                                                                                     \
        __builtin_unreachable();                                                                                       \
    }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
JUMP(longjmp)
JUMP(_longjmp)
JUMP(siglongjmp)
JUMP(__longjmp_chk)
#pragma GCC diagnostic pop

/* --- signal sets without the stop signal --- */

static const sigset_t *without_stop_signal(const sigset_t *set, sigset_t *copy) {
    int number = os_stop_signal();
    if (set == NULL || number == 0 || sigismember(set, number) != 1)
        return set;
    *copy = *set;
    sigdelset(copy, number);
    return copy;
}

__attribute__((visibility("default"))) int pthread_sigmask(int how, const sigset_t *restrict set,
                                                           sigset_t *restrict before) {
    sigset_t copy;
    if (how != SIG_UNBLOCK)
        set = without_stop_signal(set, &copy);
    return NEXT(pthread_sigmask)(how, set, before);
}

__attribute__((visibility("default"))) int sigprocmask(int how, const sigset_t *restrict set,
                                                       sigset_t *restrict before) {
    sigset_t copy;
    if (how != SIG_UNBLOCK)
        set = without_stop_signal(set, &copy);
    return NEXT(sigprocmask)(how, set, before);
}

__attribute__((visibility("default"))) int sigsuspend(const sigset_t *set) {
    sigset_t copy;
    return NEXT(sigsuspend)(without_stop_signal(set, &copy));
}

__attribute__((visibility("default"))) int sigwait(const sigset_t *restrict set, int *restrict number) {
    sigset_t copy;
    return NEXT(sigwait)(without_stop_signal(set, &copy), number);
}

__attribute__((visibility("default"))) int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info) {
    sigset_t copy;
    return NEXT(sigwaitinfo)(without_stop_signal(set, &copy), info);
}

__attribute__((visibility("default"))) int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info,
                                                        const struct timespec *restrict limit) {
    sigset_t copy;
    return NEXT(sigtimedwait)(without_stop_signal(set, &copy), info, limit);
}

__attribute__((visibility("default"))) int ppoll(struct pollfd *list, nfds_t count, const struct timespec *limit,
                                                 const sigset_t *set) {
    sigset_t copy;
    return NEXT(ppoll)(list, count, limit, without_stop_signal(set, &copy));
}

__attribute__((visibility("default"))) int pselect(int count, fd_set *restrict reading, fd_set *restrict writing,
                                                   fd_set *restrict except, const struct timespec *restrict limit,
                                                   const sigset_t *restrict set) {
    sigset_t copy;
    return NEXT(pselect)(count, reading, writing, except, limit, without_stop_signal(set, &copy));
}

__attribute__((visibility("default"))) int epoll_pwait(int epoll, struct epoll_event *events, int room, int limit,
                                                       const sigset_t *set) {
    sigset_t copy;
    return NEXT(epoll_pwait)(epoll, events, room, limit, without_stop_signal(set, &copy));
}
