/* burrow/goroutine.h - goroutines: calls that run beside their caller, thousands of them on a few threads. Example:
 *
 *     void square(bw_chan(int) results, int n);
 *     void square(bw_chan(int) results, int n) {
 *         bw_send(results, n * n);
 *     }
 *
 *     int sum_of_squares(int n);
 *     int sum_of_squares(int n) {
 *         bw_chan(int) results = bw_make_chan(int, 0);
 *         int sum = 0;
 *         for (int i = 1; i <= n; i++)
 *             bw_go(square, results, i);
 *         for (int i = 1; i <= n; i++)
 *             sum += bw_recv(results);
 *         return sum;
 *     }
 *
 * Goroutines run on GOMAXPROCS worker threads (bw_gomaxprocs), which are started when there is work for them. One that
 * waits, for a channel say, gives its thread to another, and may go on on a different thread later. So in a goroutine
 * thread-local variables must not be used across anything that may wait; errno is the goroutine's own. The library does
 * not interrupt a goroutine that only computes, or is in a long call of C's: after 10 ms others run beside it, on another
 * thread. bw_yield lets them run sooner, and so does bw_blocking (burrow/thread.h) around a long call. A thread of the program, main among them, is
 * no goroutine, but may use all that is here: it then waits as threads do.
 *
 * A goroutine has a stack of 64 KiB, of which it takes what it touches, 4 KiB at least. To use up more is a panic, as
 * is told in burrow/panic.h. A panic that nobody recovers in the goroutine ends the program, and so does pthread_exit in
 * one. The program ends when main returns, whatever goroutines there are.
 */
#ifndef BURROW_GOROUTINE_H
#define BURROW_GOROUTINE_H

#include <burrow/panic.h>
#include <errno.h>

#ifndef __cplusplus

BW__BEGIN
/* Compilers keep the address of a thread's errno across calls; a goroutine may come back from one on another thread. */
BW_API int *bw__errno(void);
#undef errno
#define errno (*bw__errno())

BW_API void bw__go(const bw__call *call);

/* Lets other goroutines run that are ready; in a thread that is no goroutine, other threads. */
BW_API void bw_yield(void);

/* The calling goroutine stays on the thread it is on, and no other goroutine runs there, until bw_unlock_os_thread was
 * called as often: for libraries that keep something for each thread. A thread that is no goroutine: nothing. The
 * thread outlives a goroutine that ends without unlocking. Cost of a locked goroutine: whenever it waits, or others
 * want to run, the kernel changes threads, some microseconds. */
BW_API void bw_lock_os_thread(void);
BW_API void bw_unlock_os_thread(void);

/* How many goroutines there are, with the main thread. */
BW_API int bw_num_goroutine(void);
BW__END

/* bw_go(f, args...): evaluates the arguments now and calls f with them in a new goroutine. Any function and any
 * arguments, as in a direct call; what f returns is ignored. Ends the program where f is NULL: "fatal error: go of nil
 * func value". What the compiler rejects: as bw_defer (burrow/panic.h). Cost: some 100 nanoseconds. */
#define bw_go(f, ...) BW__GO(BW__UNIQUE(call), BW__UNIQUE(type), BW__UNIQUE(result), f, ##__VA_ARGS__)
#define BW__GO(record_, type_, result_, f, ...)                                                                        \
    do {                                                                                                               \
        struct {                                                                                                       \
            bw__call call;                                                                                             \
            uintptr_t stack[BW__STACK_WORDS(__VA_ARGS__)];                                                             \
        } record_;                                                                                                     \
        BW__CALL_STORE(type_, result_, &record_.call, f, ##__VA_ARGS__);                                               \
        bw__go(&record_.call);                                                                                         \
    } while (0)

#endif
#endif
