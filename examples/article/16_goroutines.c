/* 16_goroutines.c - goroutines, deferred calls, a wait group.
 *
 * Shows functions that run beside their caller, the caller that waits until all have ended, whichever way they ended,
 * and what that needs memory for. The order in which goroutines run is nobody's business: what is printed is printed
 * when all is done.
 */
#include "ledger.h"

BW_STRUCT(task, (int, number), (long, result));
BW_SLICE(task);

static long triangle(int n) {
    return n < 1 ? 0 : n + triangle(n - 1);
}

/* Go's: defer wg.Done() first of all, so that whoever waits is told even if the work panics. */
static void work(bw_waitgroup *group, task *t) {
    bw_defer(bw_waitgroup_done, group);
    t->result = triangle(t->number);
}

/* A panic ends the program, unless the goroutine itself recovers it. */
static void work_in_vain(bw_waitgroup *group, bw_error *err) {
    bw_defer(bw_waitgroup_done, group);
    bw_try {
        bw_panic(bw_errors_new("out of luck"));
    }
    bw_recover(e) {
        *err = bw_assert_type(bw_error, e);
    }
}

/* --- what several write is locked --- */

typedef struct tally {
    bw_mutex lock;
    long count;
} tally;

static void count(tally *t, int times) {
    for (int i = 0; i < times; i++) {
        bw_mutex_lock(&t->lock);
        bw_defer(bw_mutex_unlock, &t->lock); /* at the end of each round */
        t->count++;
    }
}

/* --- or is sent --- */

static void send_squares(bw_chan(long) squares, int from, int to) {
    for (int i = from; i < to; i++)
        bw_send(squares, (long)i * i);
}

static void close_after(bw_waitgroup *senders, bw_chan(long) squares) {
    bw_waitgroup_wait(senders);
    bw_close(squares);
}

int main(void) {
    bw_slice(task) tasks = bw_make_slice(task, 5);
    bw_waitgroup *group = bw_new(bw_waitgroup);
    ledger_after("5 tasks and a wait group");
    bw_range(i, ignored, tasks) {
        task *t = &bw_at(tasks, i);
        t->number = 10 * (int)(i + 1);
        bw_waitgroup_add(group, 1);
        bw_go(work, group, t); /* go work(group, t) */
    }
    bw_waitgroup_wait(group);
    ledger_after("5 goroutines");
    bw_println(tasks);

    bw_error err = bw_nil;
    bw_waitgroup_add(group, 1);
    bw_go(work_in_vain, group, &err); /* a variable of main's: main is there until it is done */
    bw_waitgroup_wait(group);
    bw_println("in vain:", err);
    ledger_after("an error");

    tally t = {0}; /* the zero value of a lock is ready for use */
    for (int i = 0; i < 4; i++)
        bw_waitgroup_go(group, count, &t, 1000); /* Add, go and Done in one */
    bw_waitgroup_wait(group);
    bw_println("4 goroutines counted to", t.count);

    bw_chan(long) squares = bw_make_chan(long, 10);
    ledger_after("squares = bw_make_chan(long, 10)");
    for (int i = 0; i < 4; i++)
        bw_waitgroup_go(group, send_squares, squares, 25 * i, 25 * (i + 1));
    bw_go(close_after, group, squares);
    long sum = 0, received = 0;
    bw_chan_range(square, squares) {
        sum += square;
        received++;
    }
    bw_printf("%d squares, %d in all\n", received, sum);
    ledger_after("5 goroutines more");
    ledger_balance();
    return 0;
}
