/* sleep.c - bw_sleep. A goroutine parks, and a timer on its stack makes it ready. A thread that is no worker sleeps in
 * the kernel, by itself: nobody else has to run for it to wake up. So does a goroutine on its thread's spare stack. */
#include "sched.h"

#include <burrow/time.h>

struct sleeper {
    struct timer timer; /* first */
    struct goroutine *goroutine;
};

static void wake(struct thread *self, struct timer *timer, int64_t now) {
    (void)now;
    sched_ready(self, ((struct sleeper *)timer)->goroutine);
}

/* Not before: the timer would make ready a goroutine that is still running. */
static void start(void *sleeper) {
    timer_start(thread_current, &((struct sleeper *)sleeper)->timer);
}

static void sleep_in_kernel(struct thread *self, int64_t when) {
    _Atomic uint32_t word = 0; /* that nobody changes */
    int64_t left;
    struct goroutine *own = sched_current(self);
    own->waits_for = "sleep";
    thread_safe_begin(self);
    while ((left = when - (int64_t)os_now_ns()) > 0)
        os_wait(&word, 0, left);
    thread_safe_end(self);
    sched_waited(own);
}

void bw_sleep(int64_t ns) {
    if (ns <= 0)
        return;
    struct thread *self = thread_enter();
    struct sleeper sleeper = {.timer = {.when = timer_in(ns), .fire = wake}};
    if (self->worker == NULL || self->overflowed_at != 0) {
        sleep_in_kernel(self, sleeper.timer.when);
    } else {
        sleeper.goroutine = sched_current(self);
        self = sched_park(self, "sleep", start, &sleeper);
    }
    thread_leave(self);
}
