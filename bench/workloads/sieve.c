/* sieve.c - primes through a chain of goroutines, one for each prime: the work and the row of sieve.go.
 * `sieve [primes]`. */
#include "goroutines.h"

static void generate(ints to) {
    for (int64_t i = 2;; i++)
        bw_send(to, i);
}

static void filter(ints in, ints out, int64_t prime) {
    bw_chan_range(i, in) if (i % prime != 0) bw_send(out, i);
}

static void sieve(long primes) {
    double start = now_ns();
    ints from = bw_make_chan(int64_t, 0);
    bw_go(generate, from);
    int64_t prime = 0;
    for (long i = 0; i < primes; i++) {
        prime = bw_recv(from);
        ints to = bw_make_chan(int64_t, 0);
        bw_go(filter, from, to, prime);
        from = to;
    }
    printf("R sieve_%ld_p%d wall_ms %.1f last=%lld\n", primes, bw_gomaxprocs(0), (now_ns() - start) / 1e6,
           (long long)prime);
}

int main(int argc, char **argv) {
    return in_goroutine(sieve, argc > 1 ? atol(argv[1]) : 2500);
}
