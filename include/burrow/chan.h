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
BW_API void bw__chan_close(void *chan);
BW_API ptrdiff_t bw__chan_len(const void *chan);

typedef struct bw__select_case {
    void *chan, *value;
    size_t bytes;
    bool sends;
} bw__select_case;
typedef struct bw__select {
    int count, capacity;
    bool has_default, ok;
    size_t used; /* bytes of storage */
    void *value; /* received */
    bw__select_case *cases;
    bw__select_case few[4];
    char storage[64] __attribute__((aligned(16)));
} bw__select;
/* The first part of every channel (src/lang/chan.h), so far as it is looked at without a call. */
struct bw__chan_head {
    const void *ring;
    uint32_t lock[2];
    bool closed;
    size_t element_bytes, count, capacity, send_at, receive_at;
    const void *receivers[2], *senders[2]; /* the first and the last that wait */
    const void *timer;
};
BW_API int bw__select_run(bw__select *select); /* the number of the case that is to run; -1: the default */
BW_API void bw__select_add(bw__select *select, void *chan, bool sends, const void *value, size_t bytes);
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

/* bw_select { ... }: waits until one of its cases can go on, does that, and runs the case's statement; of several that
 * can, one by chance. With bw_default, the last, it does not wait. Each case is one of
 *
 *     bw_on_recv(c, v) statement          v is what was received
 *     bw_on_recv_ok(c, v, ok) statement   ok is false, and v zero, if the channel is closed and empty
 *     bw_on_send(c, v) statement          v was sent
 *     bw_default statement
 *
 * All channels and values to be sent are evaluated first, each once, in order. A case of a nil channel never goes on;
 * sending to a closed channel panics. `break` in a statement leaves the select, `return` and goto what they say;
 * `continue` is for loops within the statement only. Nothing but cases may be in the block. Any number of cases. A
 * select within a case's statement hides the outer one's name (-Wshadow). Example:
 *
 *     int first_of(bw_chan(int) a, bw_chan(int) b, bw_chan(bool) stop);
 *     int first_of(bw_chan(int) a, bw_chan(int) b, bw_chan(bool) stop) {
 *         int result = 0;
 *         bw_select {
 *             bw_on_recv(a, value) result = value;
 *             bw_on_recv(b, value) result = -value;
 *             bw_on_send(stop, true) {
 *             }
 *         }
 *         return result;
 *     }
 */
#define bw_select                                                                                                      \
    for (bw__select_state bw__select_at = {.phase = -1, .capacity = 4}; bw__select_at.phase < 0;)                      \
    BW__UNROLL_ROUNDS for (bw__select bw__selected; bw__select_round(&bw__select_at, &bw__selected);)
/* So that it is known in each round which it is, and of the cases all that the compiler knows of them. */
#define BW__UNROLL_ROUNDS _Pragma("GCC unroll 4")
#define bw_on_recv(c, v) BW__ON_RECV(BW__UNIQUE(once), c, v)
#define BW__ON_RECV(once_, c, v)                                                                                       \
    if (bw__select_at.phase == 0                                                                                       \
            ? (bw__select_case_of(&bw__select_at, &bw__selected, (void *)(c), false, NULL, sizeof((*(c))[0])), false)  \
            : bw__select_at.at++ == bw__select_at.chosen)                                                              \
        for (BW__CHAN_ELEMENT(c) v __attribute__((unused)) = *(BW__CHAN_ELEMENT(c) *)bw__selected.value, *once_ = &v;  \
             once_; once_ = NULL)
#define bw_on_recv_ok(c, v, ok) BW__ON_RECV_OK(BW__UNIQUE(once), BW__UNIQUE(of), c, v, ok)
#define BW__ON_RECV_OK(once_, of_, c, v, ok_)                                                                          \
    bw_on_recv(c, v) for (bool ok_ = bw__selected.ok, *once_ = &ok_; once_; once_ = NULL)
#define bw_on_send(c, v) BW__ON_SEND(BW__UNIQUE(chan), BW__UNIQUE(value), BW__UNIQUE(once), c, v)
#define BW__ON_SEND(chan_, value_, once_, c, v)                                                                        \
    if (bw__select_at.phase == 0 ? ({                                                                                  \
            __typeof__(c) chan_ = (c);                                                                                 \
            BW__CHAN_ELEMENT(c) value_ = (v);                                                                          \
            bw__select_case_of(&bw__select_at, &bw__selected, (void *)chan_, true, &value_, sizeof value_);            \
            false;                                                                                                     \
        })                                                                                                             \
                                 : bw__select_at.at++ == bw__select_at.chosen)                                         \
        for (int once_ = 1; once_; once_ = 0)
#define bw_default BW__DEFAULT(BW__UNIQUE(once))
#define BW__DEFAULT(once_)                                                                                             \
    if (bw__select_at.phase == 0 ? (bw__select_at.has_default = true, false) : bw__select_at.chosen < 0)               \
        for (int once_ = 1; once_; once_ = 0)

/* Where a select is. It is kept apart from what the library is given, and no function is given its address, so that the
 * compiler has it in registers, or knows it. */
typedef struct bw__select_state {
    int phase; /* 0: the cases are collected; 1: one is chosen and runs; 2: done */
    int count, capacity, chosen, at;
    bool has_default, first_sends;
    size_t used;
    void *first; /* case's channel */
} bw__select_state;
static inline __attribute__((always_inline)) void bw__select_case_of(bw__select_state *state, bw__select *select,
                                                                     void *chan, bool sends, const void *value,
                                                                     size_t bytes) {
    size_t rounded = sends ? (bytes + 15) & ~(size_t)15 : 0;
    if (state->count == 0) {
        state->first = chan;
        state->first_sends = sends;
        select->cases = select->few;
    }
    if (BW__UNLIKELY(state->count >= state->capacity || rounded > sizeof select->storage - state->used)) {
        select->count = state->count++;
        select->capacity = state->capacity;
        select->used = state->used;
        bw__select_add(select, chan, sends, value, bytes);
        state->capacity = select->capacity;
        state->used = select->used;
        return;
    }
    bw__select_case *added = &select->cases[state->count++];
    added->chan = chan;
    added->bytes = bytes;
    added->sends = sends;
    if (sends) {
        added->value = __builtin_memcpy(select->storage + state->used, value, bytes);
        state->used += rounded;
    }
}
/* Without the lock: can this case not go on? It could not when the one of the reads that decides was made: where there
 * is a buffer, of the number of values in it, else of who waits first. A channel that was not closed later was not
 * closed then. */
static inline __attribute__((always_inline)) bool bw__select_cannot(const void *at, bool sends) {
    const struct bw__chan_head *chan = (const struct bw__chan_head *)at;
    if (chan == NULL)
        return true;
    return __atomic_load_n(&chan->count, __ATOMIC_ACQUIRE) == (sends ? chan->capacity : 0) &&
           __atomic_load_n(sends ? &chan->receivers[0] : &chan->senders[0], __ATOMIC_ACQUIRE) == NULL &&
           !__atomic_load_n(&chan->closed, __ATOMIC_RELAXED) && chan->timer == NULL;
}
/* Of one case and a default it is known at once that nothing can be done. With several cases looking so would not do,
 * since of two channels one might be ready at any time, and each be looked at when it is not. */
static inline __attribute__((always_inline)) bool bw__select_round(bw__select_state *state, bw__select *select) {
    if (++state->phase == 1) {
        if (state->count == 1 && state->has_default && bw__select_cannot(state->first, state->first_sends)) {
            state->chosen = -1;
        } else {
            select->count = state->count;
            select->has_default = state->has_default;
            select->used = state->used;
            state->chosen = bw__select_run(select);
        }
    }
    return state->phase < 2;
}

/* How many values are in it, and how many it holds. */
#define bw_chan_len(c) bw__chan_len((const void *)(c))
#define bw_chan_cap(c) bw__chan_cap((const void *)(c))

#endif
#endif
