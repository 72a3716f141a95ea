/* burrow/time.h - sleeping, timers, tickers, durations.
 *
 * A time is a count of nanoseconds of the clock that never goes back (bw_now); a duration is such a count, too, an
 * int64_t. A duration of zero or less is over at once; times too far away for an int64_t never come. Example:
 *
 *     bool answered_in_time(bw_chan(int) answers, int64_t limit);
 *     bool answered_in_time(bw_chan(int) answers, int64_t limit) {
 *         bw_select {
 *             bw_on_recv(answers, answer) return answer > 0;
 *             bw_on_recv(bw_after(limit), when) return false;
 *         }
 *         return false;
 *     }
 *
 *     void blink(int times);
 *     void blink(int times) {
 *         bw_ticker *ticker = bw_new_ticker(500 * BW_MILLISECOND);
 *         while (times-- > 0) {
 *             bw_recv(ticker->c);
 *             bw_println("blink");
 *         }
 *     }
 *
 * The rules are those of Go 1.23 and later. A timer's channel is one without a buffer as far as a program can see
 * (bw_chan_len and bw_chan_cap say 0), and what is received is the time when the timer was due. After bw_timer_stop or
 * bw_timer_reset has returned no value of before arrives. Timers and tickers need not be stopped: those that nobody
 * refers to any more are collected, due or not. One with a function (bw_after_func) is alive until it has run.
 *
 * Everything here may be called from goroutines and from threads. Cost: stopping and starting are some hundred
 * nanoseconds; a timer with a channel that nobody waits on costs nothing but its memory. Nothing happens before it is
 * due, and within a fraction of a millisecond after that, if a processor is free.
 */
#ifndef BURROW_TIME_H
#define BURROW_TIME_H

#include <burrow/chan.h>
#include <burrow/error.h>
#include <burrow/string.h>

#ifndef __cplusplus

#define BW_NANOSECOND ((int64_t)1)
#define BW_MICROSECOND (1000 * BW_NANOSECOND)
#define BW_MILLISECOND (1000 * BW_MICROSECOND)
#define BW_SECOND (1000 * BW_MILLISECOND)
#define BW_MINUTE (60 * BW_SECOND)
#define BW_HOUR (60 * BW_MINUTE)

/* A timer, and its channel; NULL if it has a function. */
typedef struct bw_timer {
    bw_chan(int64_t) c;
    void *bw__alarm;
} bw_timer;
typedef struct bw_ticker {
    bw_chan(int64_t) c;
    void *bw__alarm;
} bw_ticker;

BW__BEGIN

/* The time: nanoseconds since some moment before the program began. */
BW_API int64_t bw_now(void);

/* The calling goroutine, or thread, goes on after `ns` nanoseconds. */
BW_API void bw_sleep(int64_t ns);

/* A channel that receives the time once, in `ns` nanoseconds. */
BW_API bw_chan(int64_t) bw_after(int64_t ns);

/* The same, to be stopped or set anew. */
BW_API bw_timer *bw_new_timer(int64_t ns) BW__MALLOC_LIKE();

/* Stops it. True: it was set, and its value has not been received, or its function not been started. False: it is over,
 * or was stopped before; the function may be running. Panics with "time: Stop called on uninitialized Timer". */
BW_API bool bw_timer_stop(bw_timer *timer);

/* Stops it, and sets it to be due in `ns` nanoseconds. The same result as bw_timer_stop. Panics with "time: Reset called
 * on uninitialized Timer". */
BW_API bool bw_timer_reset(bw_timer *timer, int64_t ns);

/* A channel that receives the time every `ns` nanoseconds. Those for which nobody was there in time are dropped, but for
 * one. Panics with "non-positive interval for NewTicker". */
BW_API bw_ticker *bw_new_ticker(int64_t ns) BW__MALLOC_LIKE();

/* No more of it; the channel is not closed. */
BW_API void bw_ticker_stop(bw_ticker *ticker);

/* From now on every `ns` nanoseconds. Panics: "non-positive interval for Ticker.Reset", "time: Reset called on
 * uninitialized Ticker". */
BW_API void bw_ticker_reset(bw_ticker *ticker, int64_t ns);

/* The channel of a new ticker; NULL if ns <= 0. */
BW_API bw_chan(int64_t) bw_tick(int64_t ns);

/* "1h15m30.918s", as Go writes a duration; "0s". */
BW_API bw_string bw_format_duration(int64_t ns);

/* bw_error bw_parse_duration(text, int64_t *ns): reads a duration as Go writes it: a sign, and numbers with units, such
 * as "300ms", "-1.5h" or "2h45m"; units are ns, us (or µs), ms, s, m and h. Errors: `time: invalid duration "x"`,
 * `time: missing unit in duration "1"`, `time: unknown unit "q" in duration "1q"`; *ns is 0 then. The text is a C string or
 * a bw_string. */
#define bw_parse_duration(text, ns) bw__parse_duration(BW__TEXT_OF(text), (ns))
BW_API bw_error bw__parse_duration(bw_string text, int64_t *ns);

BW_API bw_timer *bw__after_func(int64_t ns, const bw__call *call, size_t register_words) BW__MALLOC_LIKE();
BW__END

/* bw_timer *bw_after_func(ns, f, args...): evaluates the arguments now, and in `ns` nanoseconds calls f with them in a
 * new goroutine, unless the timer is stopped. bw_timer_reset has it called (again). What f may be, and what the compiler
 * rejects: as bw_go. What is reachable from the arguments is alive until the call has been made.
 * Example, within a function:
 *
 *     bw_timer *timer = bw_after_func(10 * BW_SECOND, puts, "this takes a while");
 *     bw_sleep(BW_MILLISECOND);
 *     bw_timer_stop(timer);
 */
#define bw_after_func(ns, f, ...)                                                                                      \
    BW__AFTER_FUNC(BW__UNIQUE(call), BW__UNIQUE(type), BW__UNIQUE(result), ns, f, ##__VA_ARGS__)
#define BW__AFTER_FUNC(record_, type_, result_, ns, f, ...)                                                            \
    ({                                                                                                                 \
        struct {                                                                                                       \
            bw__call call;                                                                                             \
            uintptr_t stack[BW__STACK_WORDS(__VA_ARGS__)];                                                             \
        } record_;                                                                                                     \
        BW__CALL_STORE(type_, result_, &record_.call, f, ##__VA_ARGS__);                                               \
        bw__after_func((ns), &record_.call, BW__REGISTER_WORDS(__VA_ARGS__));                                          \
    })

#endif
#endif
