/*
 * log_limiter.c - counting lines per interval.
 */
#include "node/base/log_limiter.h"

#include <inttypes.h>
#include <stdarg.h>

#include "node/base/check.h"

void log_limiter_init(log_limiter *limiter, uint64_t lines_max, uint64_t interval_ns) {
    check(lines_max > 0);
    *limiter = (log_limiter){.interval_ns = interval_ns, .lines_max = lines_max};
    check(pthread_mutex_init(&limiter->lock, NULL) == 0);
}

void log_limiter_fini(log_limiter *limiter) {
    pthread_mutex_destroy(&limiter->lock);
}

bool log_limiter_pass(log_limiter *limiter, uint64_t now_ns, uint64_t *suppressed_out) {
    *suppressed_out = 0;
    pthread_mutex_lock(&limiter->lock);
    if (now_ns - limiter->begin_ns >= limiter->interval_ns) {
        limiter->begin_ns = now_ns;
        limiter->lines = 0;
    }
    bool pass = limiter->lines < limiter->lines_max;
    if (pass) {
        limiter->lines++;
        *suppressed_out = limiter->suppressed;
        limiter->suppressed = 0;
    } else {
        limiter->suppressed++;
    }
    pthread_mutex_unlock(&limiter->lock);
    return pass;
}

static void report(struct logger *logger, tr_log_level level, const log_context *context,
                   uint64_t suppressed) {
    if (suppressed == 0) return;
    log_write(logger, level, context, "%" PRIu64 " more suppressed", suppressed);
}

void log_write_limited(struct logger *logger, log_limiter *limiter, uint64_t now_ns,
                       tr_log_level level, const log_context *context, const char *format, ...) {
    uint64_t suppressed;
    if (!log_enabled(logger, level)) return;
    if (!log_limiter_pass(limiter, now_ns, &suppressed)) return;
    report(logger, level, context, suppressed);
    va_list arguments;
    va_start(arguments, format);
    log_write_list(logger, level, context, format, arguments);
    va_end(arguments);
}

void log_limiter_flush(struct logger *logger, log_limiter *limiter, uint64_t now_ns,
                       tr_log_level level, const log_context *context) {
    uint64_t suppressed = 0;
    pthread_mutex_lock(&limiter->lock);
    if (now_ns - limiter->begin_ns >= limiter->interval_ns) {
        suppressed = limiter->suppressed;
        limiter->suppressed = 0;
    }
    pthread_mutex_unlock(&limiter->lock);
    report(logger, level, context, suppressed);
}
