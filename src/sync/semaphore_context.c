/* semaphore_context.c - bw_semaphore_acquire_context: waiting for a semaphore in a select with the context's channel. Who
 * waits so has a channel of its own, which is closed when it is let in. In a file of its own, so that semaphores do not
 * bring contexts and channels with them. */
#include "sync.h"

#include <burrow/chan.h>
#include <burrow/context.h>

static void tell(void *channel) {
    bw_close((bw_chan(bool))channel);
}

bw_error bw_semaphore_acquire_context(bw_context ctx, bw_semaphore *semaphore, int64_t n) {
    semaphore_check(n);
    bw_chan(bool) done = bw_context_done(ctx);
    bw_error error = bw_context_err(ctx);
    if (!bw_is_nil(error))
        return error;
    if (n > semaphore->size) { /* it never can; others are not to wait behind it */
        bw_recv(done);
        return bw_context_err(ctx);
    }
    bw_chan(bool) let_in = bw_make_chan(bool, 0);
    struct bw__waiter waiter = {.wants = n, .tell = tell, .channel = let_in};
    if (semaphore_queue(semaphore, &waiter))
        return bw_nil;
    bool has_it = false;
    bw_select {
        bw_on_recv_ok(let_in, none, ok) has_it = true;
        bw_on_recv_ok(done, none, ok) has_it = false;
    }
    if (!has_it)
        has_it = semaphore_leave(semaphore, &waiter);
    /* A context that is done wins, also over what came at the same time. */
    error = bw_context_err(ctx);
    if (has_it && !bw_is_nil(error))
        bw_semaphore_release(semaphore, n);
    return error;
}
