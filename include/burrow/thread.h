/* burrow/thread.h - threads and the collector.
 *
 * Threads made by pthread_create or thrd_create in a program that links Burrow are known without a call. A thread made
 * another way (by clone, or by a library that found pthread_create for itself) is known from its first allocation; if
 * it must hold pointers to collected objects before that, it calls bw_thread_attach.
 *
 * Threads are stopped for a collection by a signal. Calls that the kernel does not restart after a signal, whatever its
 * handler says (poll, epoll_wait, select, nanosleep, semtimedop and others, see signal(7)), may therefore return EINTR;
 * the program calls them again, as it must for any signal.
 */
#ifndef BURROW_THREAD_H
#define BURROW_THREAD_H

#include <burrow/base.h>

BW__BEGIN

/* Makes the calling thread known. True if it was not known before. */
BW_API bool bw_thread_attach(void);
/* Makes it unknown again: its stack keeps nothing alive from here on. Done by itself when a thread ends. In a goroutine:
 * nothing. */
BW_API void bw_thread_detach(void);

/* bw_blocking { ... }: inside, the thread counts as stopped, so that a collection need not interrupt it: for long
 * system calls. Code inside must not touch collected objects (it may pass memory to the kernel only if a variable
 * outside refers to the object, which then neither ends nor moves, or bw_pin has it); calling into Burrow there is allowed, waits for a running stop, and ends the
 * thread's being stopped. A goroutine's worker runs others meanwhile, on another thread; after the block the goroutine may
 * be on another thread, too. Do not leave it by break, goto, return or longjmp. Example, within a function:
 *
 *     char line[100];
 *     ssize_t length = 0;
 *     bw_blocking {
 *         length = read(0, line, sizeof line);
 *     }
 *     printf("%zd bytes\n", length);
 */
#define bw_blocking BW__BLOCKING(BW__UNIQUE(once))
#define BW__BLOCKING(once_) for (bool once_ = (bw__blocking_enter(), true); once_; bw__blocking_leave(), once_ = false)
BW_API void bw__blocking_enter(void);
BW_API void bw__blocking_leave(void);

BW__END
#endif
