#include "node/base/condition.h"

#include <errno.h>

#include "node/base/clock.h"

/* A year: far enough for anybody, and no overflow. */
static const uint64_t LONGEST_MS = 1000ull * 3600 * 24 * 365;

void condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct timespec condition_deadline(uint64_t timeout_ms) {
    uint64_t at_ns =
        clock_monotonic_ns() + (timeout_ms > LONGEST_MS ? LONGEST_MS : timeout_ms) * 1000000;
    return (struct timespec){(time_t)(at_ns / 1000000000), (long)(at_ns % 1000000000)};
}

bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                    const struct timespec *deadline) {
    return pthread_cond_timedwait(condition, mutex, deadline) != ETIMEDOUT;
}
