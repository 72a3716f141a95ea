/* burrow/context.h - Go's contexts: telling all who work on one thing that it is off, or must be done by a time; and
 * values that belong to it.
 *
 * A function that may take long has a bw_context as its first argument, and gives up when the channel bw_context_done is
 * closed. Contexts are made from others, their parents, and are cancelled with them. Example:
 *
 *     bw_error fetch(bw_context ctx, bw_chan(int) replies, int *reply);
 *     bw_error fetch(bw_context ctx, bw_chan(int) replies, int *reply) {
 *         bw_select {
 *             bw_on_recv(replies, value) *reply = value;
 *             bw_on_recv_ok(bw_context_done(ctx), none, ok) return bw_context_err(ctx);
 *         }
 *         return bw_nil;
 *     }
 *
 *     bw_error fetch_in_time(bw_chan(int) replies, int *reply);
 *     bw_error fetch_in_time(bw_chan(int) replies, int *reply) {
 *         bw_cancel_func cancel;
 *         bw_context ctx = bw_with_timeout(bw_background(), 50 * BW_MILLISECOND, &cancel);
 *         bw_defer(bw_cancel, cancel);
 *         return fetch(ctx, replies, reply);
 *     }
 *
 * A context with a way to cancel it that is not the root's must be cancelled some time (bw_defer above), for its parent
 * refers to it until then; one with a deadline is when that has passed. Everything may be called from any goroutine or
 * thread, at once. Cost: an object for each context, two with a deadline; the channel is made when it is first asked for.
 *
 * bw_context is an interface; a type T of one's own is one by BW_IMPL(bw_context, T, (bool, deadline, int64_t *),
 * (bw_chan(bool), done), (bw_error, err), (bw_any, value, bw_any)), with the meanings of the functions below. Mostly these
 * call those of another context; `value` must hand keys that it does not know to that one, since the library finds out so
 * for whom it stands.
 */
#ifndef BURROW_CONTEXT_H
#define BURROW_CONTEXT_H

#include <burrow/error.h>
#include <burrow/time.h>

#ifndef __cplusplus

BW__INTERFACE_SHARED(bw_context, (bool, deadline, int64_t *), (bw_chan(bool), done), (bw_error, err),
                     (bw_any, value, bw_any));

/* What cancels a context, or keeps a function from being called. */
typedef struct bw_cancel_func {
    void *bw__node;
} bw_cancel_func;
typedef struct bw_cancel_cause_func {
    void *bw__node;
} bw_cancel_cause_func;
typedef struct bw_stop_func {
    void *bw__node;
} bw_stop_func;

BW__BEGIN

/* The root: never cancelled, no deadline, no values. bw_todo is the same, where it is not clear yet which context it
 * will be. */
BW_API bw_context bw_background(void);
BW_API bw_context bw_todo(void);

/* A context that is cancelled by bw_cancel(*cancel), and when its parent is. All of these panic where the parent is nil:
 * "cannot create context from nil parent". `cancel` may be NULL. */
BW_API bw_context bw_with_cancel(bw_context parent, bw_cancel_func *cancel);
/* The same, with a reason to be given: bw_cancel_cause(*cancel, cause). */
BW_API bw_context bw_with_cancel_cause(bw_context parent, bw_cancel_cause_func *cancel);
/* The same, and also when bw_now() is `when`, or in `ns` nanoseconds; `cause`: the reason then. */
BW_API bw_context bw_with_deadline(bw_context parent, int64_t when, bw_cancel_func *cancel);
BW_API bw_context bw_with_deadline_cause(bw_context parent, int64_t when, bw_error cause, bw_cancel_func *cancel);
BW_API bw_context bw_with_timeout(bw_context parent, int64_t ns, bw_cancel_func *cancel);
BW_API bw_context bw_with_timeout_cause(bw_context parent, int64_t ns, bw_error cause, bw_cancel_func *cancel);
/* The parent's values, but never cancelled, and without a deadline. */
BW_API bw_context bw_without_cancel(bw_context parent);

/* Cancels the context and all that were made from it; when it returns they are. A second time does nothing. */
BW_API void bw_cancel(bw_cancel_func cancel);
BW_API void bw_cancel_cause(bw_cancel_cause_func cancel, bw_error cause); /* nil: bw_err_canceled() */

/* Closed when the context is cancelled or its deadline has passed; NULL: that never happens. */
BW_API bw_chan(bool) bw_context_done(bw_context ctx);
/* nil while it is not; then bw_err_canceled() or bw_err_deadline_exceeded(). */
BW_API bw_error bw_context_err(bw_context ctx);
/* Why: what was given as cause where it was cancelled, or its parent; else the same as bw_context_err. */
BW_API bw_error bw_context_cause(bw_context ctx);
/* Has it a deadline? *when is that, by bw_now's clock; 0 if there is none. */
BW_API bool bw_context_deadline(bw_context ctx, int64_t *when);

/* "context canceled", "context deadline exceeded": always the same errors. */
BW_API bw_error bw_err_canceled(void);
BW_API bw_error bw_err_deadline_exceeded(void);

/* As bw_semaphore_acquire (burrow/sync.h), but until the context is done: then the context's error, and nothing was taken.
 * nil: it has n of them. Panics: "semaphore: negative weight". */
struct bw_semaphore;
BW_API bw_error bw_semaphore_acquire_context(bw_context ctx, struct bw_semaphore *semaphore, int64_t n);

/* True: f is not called, and will not be, because of this call. */
BW_API bool bw_context_stop(bw_stop_func stop);

BW_API bw_context bw__with_value(bw_context parent, bw_any key, bw_any value);
BW_API bw_any bw__context_value(bw_context ctx, bw_any key);
BW_API bw_stop_func bw__context_after_func(bw_context ctx, const bw__call *call, size_t register_words);
BW__END

/* bw_context bw_with_value(parent, key, value): the parent, and in it the value for the key. Both are what bw_any_of takes
 * (of other types: bw_any_as(T, x)); a key should be of a type of one's own, such as the address of a variable as a void
 * pointer. Panics: "nil key", "key is not comparable". bw_any bw_context_value(ctx, key): the value, or nil. Example:
 *
 *     static char user_key;
 *     bw_context with_user(bw_context ctx, bw_string name);
 *     bw_context with_user(bw_context ctx, bw_string name) {
 *         return bw_with_value(ctx, (void *)&user_key, name);
 *     }
 *     bw_string user_of(bw_context ctx);
 *     bw_string user_of(bw_context ctx) {
 *         bw_string name = bw_str("nobody");
 *         bw_any value = bw_context_value(ctx, (void *)&user_key);
 *         if (!bw_is_nil(value))
 *             name = bw_assert_type(bw_string, value);
 *         return name;
 *     }
 */
#define bw_with_value(parent, key, value) bw__with_value((parent), bw_any_of(key), bw_any_of(value))
#define bw_context_value(ctx, key) bw__context_value((ctx), bw_any_of(key))

/* bw_stop_func bw_context_after_func(ctx, f, args...): evaluates the arguments now, and calls f with them in a new
 * goroutine once ctx is cancelled or its deadline has passed. What f may be: as bw_go. bw_context_stop(stop) undoes it. */
#define bw_context_after_func(ctx, f, ...)                                                                             \
    BW__CONTEXT_AFTER_FUNC(BW__UNIQUE(call), BW__UNIQUE(type), BW__UNIQUE(result), ctx, f, ##__VA_ARGS__)
#define BW__CONTEXT_AFTER_FUNC(record_, type_, result_, ctx, f, ...)                                                   \
    ({                                                                                                                 \
        struct {                                                                                                       \
            bw__call call;                                                                                             \
            uintptr_t stack[BW__STACK_WORDS(__VA_ARGS__)];                                                             \
        } record_;                                                                                                     \
        BW__CALL_STORE(type_, result_, &record_.call, f, ##__VA_ARGS__);                                               \
        bw__context_after_func((ctx), &record_.call, BW__REGISTER_WORDS(__VA_ARGS__));                                 \
    })

#endif
#endif
