/* burrow/traceback.h - seeing what goroutines do: the stacks of all of them, and those that can never run again. Example:
 *
 *     void tell_where_all_are(void);
 *     void tell_where_all_are(void) {
 *         if (bw_leaked_goroutines() > 0)
 *             bw_goroutine_dump(2);
 *     }
 *
 * A dump has Go's form: for each goroutine, and each thread of the program that the library knows,
 *
 *     goroutine 18 [chan receive, 5 minutes, locked to thread]:
 *     work(...)
 *             /home/me/worker.c:27 +0x1d
 *     created by main in goroutine 1
 *             /home/me/worker.c:41 +0x3c
 *
 * In brackets is what it does: running, runnable, or what it waits for; (leaked) behind that, if the last search for
 * leaked goroutines found it to be one; for how many minutes it has been seen waiting, by collections and dumps, if for
 * one or more.
 *
 * A goroutine is LEAKED when it waits for channels or sync objects that nothing but leaked goroutines refers to: it can
 * never run again. It stays as it is, and so does what it refers to. One that waits for something in static data or on
 * a stack, a timer or a descriptor is never leaked, nor is a thread of the program. Words that happen to look like an
 * address can hide one.
 *
 * A program is told by itself, and ended, when everything in it waits for good: "fatal error: all goroutines are asleep
 * - deadlock!". The signal SIGQUIT (Ctrl-\) prints the stacks and ends the program with status 2, unless the program
 * handles or ignores that signal itself; it goes on after that with BURROWDEBUG=sigquit=1.
 */
#ifndef BURROW_TRACEBACK_H
#define BURROW_TRACEBACK_H

#include <burrow/base.h>

BW__BEGIN
/* Writes the stacks of all goroutines and threads to the file descriptor, the caller's first. The program stands still
 * while they are found, not while they are written. */
BW_API void bw_goroutine_dump(int fd);

/* A full collection that finds leaked goroutines as well: how many there are. BURROWDEBUG=leaks=1 has every collection
 * find them, and print each once, with its stack. */
BW_API size_t bw_leaked_goroutines(void);
BW__END

#endif
