/*
 * random.h - a small seeded generator, and the system's randomness.
 *
 * Everything that must replay draws from a random_state (xoshiro256**, Blackman and Vigna, 2018);
 * keys and other secrets come from random_system, through the environment (I1). A state is not
 * for several threads at once; random_system may be called by any thread.
 */
#ifndef TROUPE_BASE_RANDOM_H
#define TROUPE_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct random_state {
    uint64_t words[4];
} random_state;

/* Starts the sequence that belongs to `seed`; every seed, 0 too, gives a good one. */
void random_seed(random_state *state, uint64_t seed);

/* Returns 64 random bits. */
uint64_t random_u64(random_state *state);

/* Returns a number in 0 .. bound-1, each equally likely; `bound` must not be 0. */
uint64_t random_below(random_state *state, uint64_t bound);

/* Returns a number in [0, 1) with 53 random bits. */
double random_unit(random_state *state);

/* Fills `out` with `bytes` random bytes, the same on machines of either byte order. */
void random_fill(random_state *state, void *out, size_t bytes);

/* Fills `out` from the system's generator (getrandom), fit for keys. */
void random_system(void *out, size_t bytes);

#endif
