/*
 * clock.c - the real clock.
 */
#include "node/base/clock.h"

#include <stdio.h>
#include <time.h>

#include "node/base/check.h"

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

static uint64_t clock_read(clockid_t id) {
    struct timespec now;
    check(clock_gettime(id, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ns(void) {
    return clock_read(CLOCK_MONOTONIC);
}

uint64_t clock_coarse_ns(void) {
    return clock_read(CLOCK_MONOTONIC_COARSE);
}

uint64_t clock_wall_ns(void) {
    return clock_read(CLOCK_REALTIME);
}

void clock_text(uint64_t wall_ns, char text_out[CLOCK_TEXT_BYTES]) {
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    unsigned milliseconds = (unsigned)(wall_ns % NS_PER_S / NS_PER_MS);
    struct tm utc;
    check(gmtime_r(&seconds, &utc) != NULL);
    size_t bytes = strftime(text_out, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text_out + bytes, CLOCK_TEXT_BYTES - bytes, ".%03uZ", milliseconds);
}
