/* os_interpose.h - the functions of libc that Burrow stands in front of, and what it wants told. */
#ifndef BURROW_OS_INTERPOSE_H
#define BURROW_OS_INTERPOSE_H

#include "os.h"

#include <pthread.h>

/* What a higher floor does around the life of a thread that the program makes. `prepare` runs in the maker and returns
 * the new thread's record (NULL: no memory; the program gets EAGAIN); `begin` runs first in the new thread (its end is
 * told by pthread's own means, a key's destructor, so that destructors may still allocate); `abandon` takes the record
 * back if the thread could not be made. */
struct os_handler_state {
    uintptr_t frame;
    os_place place;
    os_range alternate;
    void *runs;
    bool was_safe;
};
typedef struct os_thread_hooks {
    void *(*prepare)(void *argument);
    void (*begin)(void *record);
    void (*abandon)(void *record);
    void (*returns)(void *value);     /* the calling thread ends with this */
    void (*joined)(pthread_t thread); /* its value is the joiner's now, or nobody's */
    /* For that one to end, or, 0, for a time to come as well. */
    bool (*wait_begin)(os_place place, pthread_t joins); /* the thread sleeps in libc; true: wait_end follows */
    void (*wait_end)(void);
    /* Around each signal handler of the program, in the thread that it interrupts; `state` is in its frame. */
    void (*handler_begin)(struct os_handler_state *state);
    void (*handler_end)(struct os_handler_state *state);
    void (*stays)(void);  /* the calling thread does nothing any more: another one ends the program */
    void (*jumped)(void); /* longjmp or one of its kind is about to be carried out */
    void (*fork_prepare)(void);
    void (*fork_parent)(void);
    void (*fork_child)(void);
} os_thread_hooks;

/* Defined by the floor that keeps the threads. */
extern const os_thread_hooks os_thread_hooks_table;

/* The next definition of a function that this library defines as well: libc's. Fatal if there is none. */
void *os_next(const char *name);

int os_real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument);

/* Asks for the fork hooks. Once. */
void os_watch_fork(void);

/* sigaction without our function around the handler: for handlers of the library itself. */
int os_sigaction_unwrapped(int number, const struct sigaction *action, struct sigaction *before);

/* --- under the thread sanitizer (os_tsan.c) --- */
#if OS_THREAD_SANITIZER
int os_sigaction_stop(int number, const struct sigaction *action); /* for the signal that stops threads */
/* In that signal's handler: may the thread be stopped where it was interrupted? */
bool os_may_stop_here(const void *context);
/* Tells of each loaded object while the loader's lock is held, and when it begins and ends to be. */
struct dl_phdr_info;
void os_loaded_begin(void);
void os_loaded_one(const struct dl_phdr_info *info, size_t size);
void os_loaded_held(bool held);
#else
static inline int os_sigaction_stop(int number, const struct sigaction *action) {
    return os_sigaction_unwrapped(number, action, NULL);
}
static inline bool os_may_stop_here(const void *context) {
    (void)context;
    return true;
}
#endif

#endif
