/* hash.c - unpredictable numbers, for seeds and random orders. */
#include "hash.h"

#include "../os/os.h"

uint64_t hash_many_bytes(const void *bytes, size_t length, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, length, seed);
}

uint64_t hash_random(void) {
    static __thread uint64_t state __attribute__((tls_model("initial-exec")));
    if (__builtin_expect(state == 0, 0))
        state = os_random();
    state += 0x9e3779b97f4a7c15u;
    return hash_word(state, 0xe7037ed1a0b428dbu);
}
