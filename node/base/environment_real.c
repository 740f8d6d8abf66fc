/*
 * environment_real.c - production's environment: the system's clock and randomness.
 */
#include "node/base/clock.h"
#include "node/base/environment.h"
#include "node/base/random.h"

static uint64_t real_now_ns(void *context) {
    (void)context;
    return clock_monotonic_ns();
}

static uint64_t real_coarse_ns(void *context) {
    (void)context;
    return clock_coarse_ns();
}

static uint64_t real_wall_ns(void *context) {
    (void)context;
    return clock_wall_ns();
}

static void real_random_bytes(void *context, void *out, size_t bytes) {
    (void)context;
    random_system(out, bytes);
}

void environment_real(struct environment *environment, struct logger *logger) {
    *environment = (struct environment){
        .now_ns = real_now_ns,
        .coarse_ns = real_coarse_ns,
        .wall_ns = real_wall_ns,
        .random_bytes = real_random_bytes,
        .logger = logger,
    };
}
