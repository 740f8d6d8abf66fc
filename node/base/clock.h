/*
 * clock.h - the real clock, and how a wall time is written.
 *
 * Only environment_real.c and the programs read it; everything else gets the time as an argument
 * or through its environment (I1). Any thread may call.
 */
#ifndef TROUPE_BASE_CLOCK_H
#define TROUPE_BASE_CLOCK_H

#include <stdint.h>

/* Room for a time as text, its closing zero included. */
enum { CLOCK_TEXT_BYTES = 32 };

/* Nanoseconds since some fixed point of this boot; never goes back. */
uint64_t clock_monotonic_ns(void);

/* The monotonic clock as of the last tick, up to 10 ms late, at a fraction of the cost. */
uint64_t clock_coarse_ns(void);

/* Nanoseconds since 1970-01-01T00:00:00Z; may jump. */
uint64_t clock_wall_ns(void);

/* Writes a wall time as RFC 3339 in UTC with milliseconds, `2026-01-31T23:59:59.123Z`. */
void clock_text(uint64_t wall_ns, char text_out[CLOCK_TEXT_BYTES]);

#endif
