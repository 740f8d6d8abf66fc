/*
 * random.c - xoshiro256** seeded by splitmix64, after the authors' public-domain descriptions.
 */
#include "node/base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "node/base/check.h"

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t rotate(uint64_t word, int bits) {
    return word << bits | word >> (64 - bits);
}

void random_seed(random_state *state, uint64_t seed) {
    for (size_t i = 0; i < 4; i++) state->words[i] = splitmix(&seed);
}

uint64_t random_u64(random_state *state) {
    uint64_t *s = state->words;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_below(random_state *state, uint64_t bound) {
    check(bound > 0);
    /* The low numbers left over by whole multiples of bound would be likelier: drawn again. */
    uint64_t left_over = -bound % bound;
    uint64_t number;
    do {
        number = random_u64(state);
    } while (number < left_over);
    return number % bound;
}

double random_unit(random_state *state) {
    return (double)(random_u64(state) >> 11) * 0x1.0p-53;
}

void random_fill(random_state *state, void *out, size_t bytes) {
    uint8_t *to = out;
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (i % 8 == 0) word = random_u64(state);
        to[i] = (uint8_t)(word >> 8 * (i % 8));
    }
}

void random_system(void *out, size_t bytes) {
    uint8_t *to = out;
    while (bytes > 0) {
        ssize_t got = getrandom(to, bytes, 0);
        if (got < 0 && errno == EINTR) continue;
        check(got > 0);
        to += got;
        bytes -= (size_t)got;
    }
}
