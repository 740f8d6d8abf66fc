/*
 * backoff.h - when to try again: soon at first, then in pauses that double up to a maximum.
 *
 * Each pause is drawn from its upper half, so that nodes which failed together do not try
 * together. A value type; time and randomness come in as arguments.
 */
#ifndef TROUPE_REGISTRY_BACKOFF_H
#define TROUPE_REGISTRY_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/random.h"

#define BACKOFF_FIRST_NS UINT64_C(250000000)
#define BACKOFF_MAX_NS UINT64_C(5000000000)

struct backoff {
    uint64_t due_ns;
    uint64_t pause_ns;
};

/* Starts over; the first try is due at `due_ns`. */
static inline void backoff_init(struct backoff *backoff, uint64_t due_ns) {
    *backoff = (struct backoff){.due_ns = due_ns, .pause_ns = BACKOFF_FIRST_NS};
}

/* True when a try is due; the next one is then scheduled. */
static inline bool backoff_due(struct backoff *backoff, uint64_t now_ns, random_state *random) {
    if (now_ns < backoff->due_ns) return false;
    uint64_t half = backoff->pause_ns / 2;
    backoff->due_ns = now_ns + half + random_below(random, half + 1);
    backoff->pause_ns *= 2;
    if (backoff->pause_ns > BACKOFF_MAX_NS) backoff->pause_ns = BACKOFF_MAX_NS;
    return true;
}

#endif
