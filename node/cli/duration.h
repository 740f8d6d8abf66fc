/*
 * duration.h - lengths of time as people write them: 200ms, 5s, 1.5m, 2h.
 *
 * A number without a unit is seconds. Used for flags, configuration files and tables; knows nothing
 * but libc, so that the daemon shares it. Any thread may call.
 */
#ifndef TROUPE_CLI_DURATION_H
#define TROUPE_CLI_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for a duration as text, closing zero included. */
enum { DURATION_TEXT_BYTES = 32 };

/* The longest duration accepted: 365 days. */
#define DURATION_MS_MAX (UINT64_C(365) * 24 * 3600 * 1000)

/* Reads `text` as a duration of at most DURATION_MS_MAX, to the millisecond (rounded down);
 * units are ms, s, m, h and d. False, with `*ms_out` untouched, for anything else. */
bool duration_parse(const char *text, uint64_t *ms_out);

/* Writes a duration for a table, with the two largest units that matter: "850ms", "12s",
 * "3m05s", "2h10m", "4d03h". Returns `out`. */
char *duration_text(uint64_t ms, char out[DURATION_TEXT_BYTES]);

#endif
