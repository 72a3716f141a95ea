// A small program whose only thread of its own is main, with goroutines that keep several workers busy: for runs in which
// the system refuses. Prints "right" and ends with status 0 if all went as it must.
#include <burrow.h>

#include <stdio.h>
#include <time.h>

static void waits_in_call(bw_chan(int) done) {
    struct timespec pause = {0, 2000000};
    bw_blocking {
        nanosleep(&pause, NULL);
    }
    bw_send(done, 1);
}

static void computes(bw_chan(int) done) {
    bw_chan(int) inner = bw_make_chan(int, 0);
    bw_go(waits_in_call, inner);
    for (int64_t until = bw_now() + 2 * BW_MILLISECOND; bw_now() < until;) {}
    bw_send(done, bw_recv(inner));
}

static void sleeps(bw_chan(int) done) {
    bw_sleep(BW_MILLISECOND);
    bw_send(done, 1);
}

int main(void) {
    int sum = 0;
    bw_gomaxprocs(3);
    for (int round = 0; round < 3; round++) {
        bw_chan(int) done = bw_make_chan(int, 0);
        for (int i = 0; i < 4; i++) {
            bw_go(waits_in_call, done);
            bw_go(computes, done);
            bw_go(sleeps, done);
        }
        for (int i = 0; i < 12; i++)
            sum += bw_recv(done);
    }
    puts(sum == 36 ? "right" : "wrong");
    return sum != 36;
}
