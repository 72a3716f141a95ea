/* burrow/chan.h - Go's channels, typed at compile time.
 *
 * bw_chan(T) is the type of channels of T, the same type wherever it is written, and needs no declaration. The zero
 * value is the nil channel, on which sending and receiving wait for ever. Example:
 *
 *     void count_to(bw_chan(int) numbers, int n);
 *     void count_to(bw_chan(int) numbers, int n) {
 *         for (int i = 1; i <= n; i++)
 *             bw_send(numbers, i);
 *         bw_close(numbers);
 *     }
 *
 *     int sum_to(int n);
 *     int sum_to(int n) {
 *         bw_chan(int) numbers = bw_make_chan(int, 16);
 *         int sum = 0;
 *         bw_go(count_to, numbers, n);
 *         bw_chan_range(i, numbers)
 *             sum += i;
 *         return sum;
 *     }
 *
 * Goroutines and threads may use a channel at once. What is sent before is received before. Sending to a waiting
 * receiver hands the value over directly.
 *
 * What the compiler rejects or warns about: values of another type than T that do not convert to it, a channel of
 * another type.
 */
#ifndef BURROW_CHAN_H
#define BURROW_CHAN_H

#include <burrow/goroutine.h>

#ifndef __cplusplus

/* A pointer to an array is never taken for anything else, and says what the elements are. */
#define bw_chan(T) __typeof__(__typeof__(T)(*)[])
#define BW__CHAN_ELEMENT(c) __typeof__((*(c))[0])

BW__BEGIN
BW_API void *bw__chan_make(bw__type_site *site, ptrdiff_t capacity);
BW_API void bw__chan_send(void *chan, const void *value);
BW_API bool bw__chan_recv(void *chan, void *value); /* false: closed and empty; the value is zero then */
BW_API bool bw__chan_try_send(void *chan, const void *value);
BW_API bool bw__chan_try_recv(void *chan, void *value, bool *ok);
BW_API void bw__chan_close(void *chan);
BW_API ptrdiff_t bw__chan_len(const void *chan);
BW_API ptrdiff_t bw__chan_cap(const void *chan);
BW__END

/* bw_chan(T) bw_make_chan(T, n): a channel that holds n values nobody has received yet; 0: sending waits for the
 * receiver. Panics if n is negative or too large: "makechan: size out of range". */
#define bw_make_chan(T, n) BW__MAKE_CHAN(BW__UNIQUE(site), T, n)
#define BW__MAKE_CHAN(site_, T, n)                                                                                     \
    ({                                                                                                                 \
        static bw__type_site site_ = BW__TYPE_SITE(T);                                                                 \
        (bw_chan(T)) bw__chan_make(&site_, (n));                                                                       \
    })

/* bw_send(c, v): waits until there is room or a receiver. Panics on a closed channel: "send on closed channel". */
#define bw_send(c, v) BW__SEND(BW__UNIQUE(chan), BW__UNIQUE(value), c, v)
#define BW__SEND(chan_, value_, c, v)                                                                                  \
    do {                                                                                                               \
        __typeof__(c) chan_ = (c);                                                                                     \
        BW__CHAN_ELEMENT(c) value_ = (v);                                                                              \
        bw__chan_send((void *)chan_, &value_);                                                                         \
    } while (0)

/* T bw_recv(c): waits for a value; zero once the channel is closed and empty. */
#define bw_recv(c) BW__RECV(BW__UNIQUE(chan), BW__UNIQUE(value), c)
#define BW__RECV(chan_, value_, c)                                                                                     \
    ({                                                                                                                 \
        __typeof__(c) chan_ = (c);                                                                                     \
        BW__CHAN_ELEMENT(c) value_;                                                                                    \
        bw__chan_recv((void *)chan_, &value_);                                                                         \
        value_;                                                                                                        \
    })

/* bool bw_recv_ok(c, &v): was it a value? False, and v is zero: the channel is closed and empty. */
#define bw_recv_ok(c, v) BW__RECV_OK(BW__UNIQUE(chan), BW__UNIQUE(at), c, v)
#define BW__RECV_OK(chan_, at_, c, v)                                                                                  \
    ({                                                                                                                 \
        __typeof__(c) chan_ = (c);                                                                                     \
        BW__CHAN_ELEMENT(c) *at_ = (v);                                                                                \
        bw__chan_recv((void *)chan_, at_);                                                                             \
    })

/* bw_close(c): no more will be sent: receivers that wait are told so. Panics: "close of closed channel", "close of nil
 * channel". */
#define bw_close(c) bw__chan_close((void *)(__typeof__((void)(*(c))[0], (c)))(c))

/* bw_chan_range(v, c) statement: runs the statement for each value, until the channel is closed and empty. */
#define bw_chan_range(v, c) BW__CHAN_RANGE(BW__UNIQUE(chan), BW__UNIQUE(once), v, c)
#define BW__CHAN_RANGE(chan_, once_, v, c)                                                                             \
    for (__typeof__(c) chan_ = (c), once_ = chan_; once_; once_ = NULL)                                                \
        for (BW__CHAN_ELEMENT(c) v; bw__chan_recv((void *)chan_, &v);)

/* How many values are in it, and how many it holds. */
#define bw_chan_len(c) bw__chan_len((const void *)(c))
#define bw_chan_cap(c) bw__chan_cap((const void *)(c))

#endif
#endif
