/* hash.h - hashing words and bytes with a seed. */
#ifndef BURROW_HASH_H
#define BURROW_HASH_H

#include <burrow/map.h>
#define XXH_INLINE_ALL
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

/* The two halves of a 128-bit product, folded (Wang Yi's wyhash; Go's own fallback hash does the same), and multiplied
 * once more: of neighbouring words the folded products differ in their low bits, and the second multiplication brings
 * these to the top, where tables look first. The multipliers are the golden ratio's and an odd number with bits in all
 * places: a random one could be near a simple fraction, and leave neighbours together. The seed is secret, so that
 * nobody can choose words that collide. */
static inline uint64_t hash_word(uint64_t word, uint64_t seed) {
    return bw__hash_word(word, seed);
}

uint64_t hash_many_bytes(const void *bytes, size_t length, uint64_t seed);
/* Most keys are short: what is left of XXH3 here needs few registers. */
static inline uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed) {
    if (__builtin_expect(length > 32, 0))
        return hash_many_bytes(bytes, length, seed);
    return XXH3_64bits_withSeed(bytes, length, seed);
}

/* Unpredictable; different at each call. Any thread. */
uint64_t hash_random(void);

#endif
