/*
 * log.h - one line per event, as logfmt or as JSON lines.
 *
 * A logger belongs to one node; there is no global one. Any thread may write: a line is built on
 * the writer's stack and leaves in one write(2) of at most LOG_LINE_BYTES_MAX bytes, so that
 * lines never mix. Text from outside is escaped: a line stays one line and valid UTF-8.
 */
#ifndef TROUPE_BASE_LOG_H
#define TROUPE_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/error.h"

struct logger;

enum log_format { LOG_LOGFMT, LOG_JSON };

/* A line with its newline; PIPE_BUF, so that writing one to a pipe is atomic too. What is longer
 * is cut and says so. */
enum { LOG_LINE_BYTES_MAX = 4096 };

/* Gets each line, `bytes` with its newline; the text is borrowed for the call and not closed by a
 * zero. Called by whichever thread writes, without a lock. */
typedef void log_sink(void *context, const char *line, size_t bytes);

/* Zero means the default. Texts are copied. */
typedef struct log_options {
    const char *node;       /* value of node=; NULL: no such field */
    enum log_format format; /* logfmt */
    tr_log_level level_min; /* debug: everything */
    const char *path;       /* append to this file (made with mode 0640); else */
    log_sink *sink;         /* call this; else */
    void *sink_context;
    int fd;                             /* write to this one, which stays the caller's; 0: stderr */
    uint64_t (*wall_ns)(void *context); /* time of the lines; NULL: the real clock */
    void *clock_context;
} log_options;

/* What a line is about; NULL fields are left out. */
typedef struct log_context {
    const char *actor;     /* its pid as text */
    const char *trace;     /* trace id as hexadecimal text */
    const char *component; /* link, registry, snapshot, ... */
} log_context;

/* Opens a logger, the caller's. Errors: TR_EIO when the file cannot be opened. */
tr_status log_open(const log_options *options, struct logger **logger_out, tr_error *error);

/* Closes the logger and the file it opened; nobody may be writing. NULL is nothing to do. */
void log_close(struct logger *logger);

/* True when lines of this level are written; false for a NULL logger. */
bool log_enabled(const struct logger *logger, tr_log_level level);

/* Changes the smallest level written, while others write. */
void log_set_level(struct logger *logger, tr_log_level level_min);

/* Writes one line; `context` may be NULL. A NULL logger or too small a level: nothing happens. */
void log_write(struct logger *logger, tr_log_level level, const log_context *context,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* As log_write, with the arguments in a list. */
void log_write_list(struct logger *logger, tr_log_level level, const log_context *context,
                    const char *format, va_list arguments) __attribute__((format(printf, 4, 0)));

/* Returns how many lines could not be written (a full disk, a closed pipe). */
uint64_t log_lost(const struct logger *logger);

/* The level's name as it stands in a line, `warn`; and back (false: no such level). */
const char *log_level_name(tr_log_level level);
bool log_level_parse(const char *name, tr_log_level *level_out);

#endif
