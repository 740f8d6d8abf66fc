/*
 * log_limiter.h - keeps one kind of line from flooding the log.
 *
 * Whoever logs what outsiders can provoke (dead letters, bad frames) owns one limiter for it. Time
 * comes in as an argument, from one monotonic clock, so that runs replay (I1). Any thread may call.
 */
#ifndef TROUPE_BASE_LOG_LIMITER_H
#define TROUPE_BASE_LOG_LIMITER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/log.h"

/* Lets `lines_max` lines pass in each `interval_ns`; time comes in as an argument, from one
 * monotonic clock. Any thread may call. */
typedef struct log_limiter {
    pthread_mutex_t lock;
    uint64_t interval_ns;
    uint64_t lines_max;
    uint64_t begin_ns; /* of the present interval */
    uint64_t lines;    /* passed in it */
    uint64_t suppressed;
} log_limiter;

void log_limiter_init(log_limiter *limiter, uint64_t lines_max, uint64_t interval_ns);
void log_limiter_fini(log_limiter *limiter);

/* True when one more line may pass at `now_ns`. `*suppressed_out` is then the number of lines held
 * back since the last report (they count as reported now), otherwise 0. */
bool log_limiter_pass(log_limiter *limiter, uint64_t now_ns, uint64_t *suppressed_out);

/* log_write through a limiter: when lines were held back before, first writes one that says `N
 * more suppressed`. */
void log_write_limited(struct logger *logger, log_limiter *limiter, uint64_t now_ns,
                       tr_log_level level, const log_context *context, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* Writes the `N more suppressed` line once the interval of the lines held back is over; call it
 * from time to time, and with `now_ns` UINT64_MAX before closing. */
void log_limiter_flush(struct logger *logger, log_limiter *limiter, uint64_t now_ns,
                       tr_log_level level, const log_context *context);

#endif
