/* burrow/thread.h - threads and the collector.
 *
 * Threads made by pthread_create in a program that links Burrow are known without a call. A thread made another way (by
 * clone, or by a library that found pthread_create for itself) is known from its first allocation; if it must hold
 * pointers to collected objects before that, it calls bw_thread_attach.
 */
#ifndef BURROW_THREAD_H
#define BURROW_THREAD_H

#include <burrow/base.h>

BW__BEGIN

/* Makes the calling thread known. True if it was not known before. */
BW_API bool bw_thread_attach(void);
/* Makes it unknown again: its stack keeps nothing alive from here on. Done by itself when a thread ends. */
BW_API void bw_thread_detach(void);

/* bw_blocking { ... }: inside, the thread counts as stopped, so that a collection need not interrupt it: for long system
 * calls. Code inside must not touch collected objects (it may pass memory to the kernel only if something outside keeps the
 * object alive); calling into Burrow there is allowed and waits for a running stop. Do not leave it by goto, return or
 * longjmp. */
#define bw_blocking for (bw__blocking_enter(); bw__blocking_leave();)
BW_API void bw__blocking_enter(void);
BW_API bool bw__blocking_leave(void); /* true on the first call after enter, false on the second, which ends it */

BW__END
#endif
