/* ring.c - a token that goes round 503 goroutines: the work and the row of ring.go. `ring [passes]`. */
#include "goroutines.h"

enum { GOROUTINES = 503 };

static void member(int64_t id, ints in, ints out, ints result) {
    for (;;) {
        int64_t token = bw_recv(in);
        if (token == 0) {
            bw_send(result, id);
            return;
        }
        bw_send(out, token - 1);
    }
}

static void ring(long passes) {
    double start = now_ns();
    ints result = bw_make_chan(int64_t, 0), first = bw_make_chan(int64_t, 0), in = first;
    for (int64_t id = 1; id <= GOROUTINES; id++) {
        ints out = id == GOROUTINES ? first : bw_make_chan(int64_t, 0);
        bw_go(member, id, in, out, result);
        in = out;
    }
    bw_send(first, passes);
    int64_t id = bw_recv(result);
    double ns = now_ns() - start;
    printf("R threadring503_%ld_p%d ns/pass %.1f wall_ms=%.1f id=%lld\n", passes, bw_gomaxprocs(0), ns / (double)passes,
           ns / 1e6, (long long)id);
}

int main(int argc, char **argv) {
    return in_goroutine(ring, argc > 1 ? atol(argv[1]) : 5000000);
}
