/*
 * environment.h - how the world enters a node (I1).
 *
 * Time and randomness come in through these functions, never from the system directly, so that
 * the code that runs in production also runs in the simulator, in virtual time, from a seed. The
 * struct is borrowed by all parts of a node and outlives them. Production's functions may be
 * called by any thread.
 */
#ifndef TROUPE_BASE_ENVIRONMENT_H
#define TROUPE_BASE_ENVIRONMENT_H

#include <stddef.h>
#include <stdint.h>

#include "node/base/log.h"

struct observer;

struct environment {
    void *context;                        /* handed to each of these */
    uint64_t (*now_ns)(void *context);    /* monotonic, ns */
    uint64_t (*coarse_ns)(void *context); /* the same, cheap and some ms late; NULL: now_ns */
    uint64_t (*wall_ns)(void *context);   /* ns since 1970 */
    void (*random_bytes)(void *context, void *out, size_t bytes); /* fit for keys */
    const struct observer *observer; /* told of each send, receive, record, ...; NULL: nobody */
    struct logger *logger;           /* the node's; NULL: no log */
};

/* Fills in the real clock and the system's randomness, no observer, and this logger (borrowed). */
void environment_real(struct environment *environment, struct logger *logger);

/* The same calls, written shorter. */
static inline uint64_t environment_now_ns(const struct environment *environment) {
    return environment->now_ns(environment->context);
}

static inline uint64_t environment_coarse_ns(const struct environment *environment) {
    return environment->coarse_ns != NULL ? environment->coarse_ns(environment->context)
                                          : environment->now_ns(environment->context);
}

static inline uint64_t environment_wall_ns(const struct environment *environment) {
    return environment->wall_ns(environment->context);
}

static inline void environment_random(const struct environment *environment, void *out,
                                      size_t bytes) {
    environment->random_bytes(environment->context, out, bytes);
}

#endif
