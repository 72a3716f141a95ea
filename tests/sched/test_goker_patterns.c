// The other programs of Go's testgoroutineleakprofile: simple.go, a goroutine that waits for ever on each kind of thing, and
// commonpatterns.go, the mistakes that were found most often in a large company's programs (Saioc and others, CGO 2024).
// Not under the sanitizers whose frames keep what their functions left: a word that is left over hides a leaked goroutine.
// not under: thread address
// timeout: 200
#include "goker.h"

// --- simple.go: the kernel's own goroutine is the one that waits ---

static void receives_from_nil(void) {
    bw_chan(int) c = NULL;
    bw_recv(c);
}
static void sends_to_nil(void) {
    bw_chan(int) c = NULL;
    bw_send(c, 1);
}
static void selects_nothing(void) {
    bw_select {}
}
static void receives(void) {
    bw_recv(bw_make_chan(int, 0));
}
static void sends(void) {
    bw_send(bw_make_chan(int, 0), 1);
}
static void selects(void) {
    bw_chan(int) c = bw_make_chan(int, 0), d = bw_make_chan(int, 0);
    bw_select {
        bw_on_recv(c, v) {}
        bw_on_send(d, 1) {}
    }
}
static void waits_for_group(void) {
    bw_waitgroup *group = bw_new(bw_waitgroup);
    bw_waitgroup_add(group, 1);
    bw_waitgroup_wait(group);
}
static void locks_twice(void) {
    bw_mutex *mutex = bw_new(bw_mutex);
    bw_mutex_lock(mutex);
    bw_mutex_lock(mutex);
}
static void waits_for_condition(void) {
    struct both {
        bw_mutex mutex;
        bw_cond cond;
    } *both = bw_new(struct both);
    both->cond.mutex = &both->mutex;
    bw_mutex_lock(&both->mutex);
    bw_cond_wait(&both->cond);
}
static void reads_while_writing(void) {
    bw_rwmutex *mutex = bw_new(bw_rwmutex);
    bw_rwmutex_lock(mutex);
    bw_rwmutex_rlock(mutex);
}
static void writes_while_reading(void) {
    bw_rwmutex *mutex = bw_new(bw_rwmutex);
    bw_rwmutex_rlock(mutex);
    bw_rwmutex_lock(mutex);
}
static void send_and_be_done(bw_chan(int) c, bw_waitgroup *group) {
    bw_send(c, 1);
    bw_waitgroup_done(group);
}
static void mixed(void) {
    bw_chan(int) c = bw_make_chan(int, 0);
    bw_waitgroup *group = bw_new(bw_waitgroup);
    bw_waitgroup_add(group, 1);
    bw_go(send_and_be_done, c, group);
    bw_waitgroup_wait(group);
    bw_recv(c);
}

// --- commonpatterns.go ---

// Workers range over a channel that is not closed; without workers, the sender waits.
static void work(bw_chan(int) c) {
    bw_chan_range(v, c) {}
}
static void send_to_workers(int workers) {
    bw_chan(int) c = bw_make_chan(int, 0);
    for (int i = 0; i < workers; i++)
        bw_go(work, c);
    for (int i = 0; i < 9; i++)
        bw_send(c, i);
}
static void no_close_range(void) {
    send_to_workers(0);
}
static void no_close_range_of_three(void) {
    send_to_workers(3);
}

// What is started has to be stopped, and is not.
static void serve(signal_chan requests, signal_chan done) {
    for (bool more = true; more;)
        bw_select {
            bw_on_recv(requests, v) {}
            bw_on_recv(done, v) more = false;
        }
}
static void not_stopped(void) {
    signal_chan requests = new_signal(), done = new_signal();
    bw_go(serve, requests, done);
    bw_send(requests, true);
}

// After an error has been sent, the result is sent, too.
static void send_twice(bw_chan(int) c, bool error) {
    if (error)
        bw_send(c, -1);
    bw_send(c, 1);
}
static void double_send(void) {
    for (int error = 0; error < 2; error++) {
        bw_chan(int) c = bw_make_chan(int, 0);
        bw_go(send_twice, c, error);
        CHECK(bw_recv(c) == (error ? -1 : 1));
    }
}

// An error is found before the result is waited for.
static void send_result(bw_chan(int) c, int result) {
    bw_send(c, result);
}
static void early_return(void) {
    bw_chan(int) c = bw_make_chan(int, 0);
    bw_go(send_result, c, 1);
    if (by_chance(0))
        bw_recv(c);
}

// Several are asked, the first answer is taken.
static void first_of_several(void) {
    bw_chan(int) c = bw_make_chan(int, 0);
    for (int i = 0; i < 10; i++)
        bw_go(send_result, c, i);
    bw_recv(c);
}

// Nobody waits for a result that comes too late.
static void timeout(void) {
    bw_chan(int) c = bw_make_chan(int, 0);
    bw_cancel_func cancel;
    bw_context context = bw_with_cancel(bw_background(), &cancel);
    bw_cancel(cancel);
    bw_go(send_result, c, 1);
    bw_select {
        bw_on_recv(c, v) {}
        bw_on_recv(bw_context_done(context), v) {}
    }
}

static void test_kernels(void **state) {
    (void)state;
    static const struct kernel kernels[] = {
        KERNEL(receives_from_nil, LEAKS(1)),
        KERNEL(sends_to_nil, LEAKS(1)),
        KERNEL(selects_nothing, LEAKS(1)),
        KERNEL(receives, LEAKS(1)),
        KERNEL(sends, LEAKS(1)),
        KERNEL(selects, LEAKS(1)),
        KERNEL(waits_for_group, LEAKS(1)),
        KERNEL(locks_twice, LEAKS(1)),
        KERNEL(waits_for_condition, LEAKS(1)),
        KERNEL(reads_while_writing, LEAKS(1)),
        KERNEL(writes_while_reading, LEAKS(1)),
        KERNEL(mixed, LEAKS(2)),
        KERNEL(no_close_range, LEAKS(1)),
        KERNEL(no_close_range_of_three, LEAKS(3)),
        KERNEL(not_stopped, LEAKS(1)),
        KERNEL(double_send, LEAKS(1)),
        KERNEL(early_return, LEAKS(1)),
        KERNEL(first_of_several, LEAKS(9)),
        KERNEL(timeout, LEAKS_OR_NOT(1)),
    };
    run_kernels(kernels, COUNT_OF(kernels));
}

int main(int argc, char **argv) {
    child_main(argc, argv, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
