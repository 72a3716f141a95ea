/* hash.h - hashing words and bytes with a seed. */
#ifndef BURROW_HASH_H
#define BURROW_HASH_H

#define XXH_INLINE_ALL
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

/* The two halves of a 128-bit product, folded: one multiplication mixes every bit of the word into every bit of the
 * result that tables use (Wang Yi's wyhash; Go's own fallback hash does the same). The seed is secret, so that nobody
 * can choose words that collide. */
static inline uint64_t hash_multiply(uint64_t word, uint64_t multiplier) {
    unsigned __int128 product = (unsigned __int128)word * multiplier;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
static inline uint64_t hash_multiplier(uint64_t seed) {
    return seed | 0x9e3779b97f4a7c15u; /* many bits, whatever the seed */
}
static inline uint64_t hash_word(uint64_t word, uint64_t seed) {
    return hash_multiply(word ^ seed, hash_multiplier(seed));
}

static inline uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, length, seed);
}

/* Unpredictable; different at each call. Any thread. */
uint64_t hash_random(void);

#endif
