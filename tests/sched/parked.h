/* parked.h - goroutines by the hundred thousand: made, waiting on a channel while memory is collected, woken, ended. */
#ifndef BURROW_TESTS_PARKED_H
#define BURROW_TESTS_PARKED_H

#include "support.h"

#include "os/os.h"

#include <stdatomic.h>

#define MOST_BYTES_EACH 4400

BW_STRUCT(parked_object, (struct parked_object *, next), (uint64_t, value));

static _Atomic long parked_sum;

// What it has is on its stack only.
static void park_with_object(bw_chan(int) begun, bw_chan(long) gate, bw_chan(int) ended, uint64_t number) {
    parked_object *object = bw_new(parked_object);
    object->value = number;
    bw_send(begun, 1);
    long more;
    bool ok = bw_recv_ok(gate, &more);
    CHECK(object->value == number && object->next == NULL);
    atomic_fetch_add(&parked_sum, (long)object->value + (ok ? more : 0));
    bw_send(ended, 1);
}

// `told` of them are woken by a value each, the others by the close.
static void park_many(long count, long told) {
    bw_chan(int) begun = bw_make_chan(int, 1000), ended = bw_make_chan(int, 1000);
    bw_chan(long) gate = bw_make_chan(long, 0);
    int before = bw_num_goroutine();
    atomic_store(&parked_sum, 0);
    double start = seconds_now();
    bw_gc();
    size_t memory = os_resident_bytes();
    for (long i = 0, told_of = 0; i < count; i++) {
        bw_go(park_with_object, begun, gate, ended, (uint64_t)i);
        for (bool more = true; more && told_of <= i;) // so that those that wait to tell do not become many
            bw_select {
                bw_on_recv(begun, one) told_of += one;
                bw_default more = false;
            }
        if (i + 1 == count)
            for (; told_of < count; told_of++)
                CHECK(bw_recv(begun) == 1);
    }
    CHECK(bw_num_goroutine() == before + (int)count, "%d", bw_num_goroutine());
    double made = seconds_now();
    bw_gc();
    double collected = seconds_now();
    double each = (double)(os_resident_bytes() - memory) / (double)count;
    for (long i = 0; i < told; i++)
        bw_send(gate, 1);
    bw_close(gate);
    for (long i = 0; i < count; i++)
        CHECK(bw_recv(ended) == 1);
    CHECK(atomic_load(&parked_sum) == count * (count - 1) / 2 + told);
    double woken = seconds_now();
    for (int i = 0; i < 10000 && bw_num_goroutine() != before; i++) // those that have told so have yet to end
        sleep_ms(1);
    CHECK(bw_num_goroutine() == before, "%d", bw_num_goroutine());
    fprintf(stderr, "%ld goroutines: made in %.2f s, collected in %.3f s, %.0f bytes each, woken in %.2f s\n", count,
            made - start, collected - made, each, woken - collected);
    // The objects are in it, 16 bytes each.
    CHECK(UNDER_SANITIZER || under_valgrind() || debug_has("gcstress") || debug_has("verify") ||
              each <= MOST_BYTES_EACH + 16,
          "%.0f bytes each", each);
}

#endif
