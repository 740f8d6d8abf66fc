/*
 * log.c - building and writing log lines, without a lock and without the heap.
 *
 * A line is one write to a file opened for appending, a terminal or a pipe; with at most PIPE_BUF
 * bytes each of these takes it whole. What does not fit is cut: first each context field to
 * FIELD_BYTES_MAX, then the message, which then ends with `[N bytes cut]`.
 */
#include "node/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/base/check.h"
#include "node/base/clock.h"
#include "node/base/memory.h"
#include "node/base/utf8.h"

enum {
    FIELD_BYTES_MAX = 400, /* of one context field in the line, escaped */
    TAIL_BYTES_MAX = 48,   /* the note about what was cut, closing quotes and the newline */
};

struct logger {
    char *node;
    enum log_format format;
    _Atomic int level_min;
    log_sink *sink;
    void *sink_context;
    int fd;
    bool owns_fd;
    uint64_t (*wall_ns)(void *context);
    void *clock_context;
    _Atomic uint64_t lost;
};

/* A line as it grows; `limit` is where the part under way must stop. */
struct line {
    char text[LOG_LINE_BYTES_MAX];
    size_t bytes;
    size_t limit;
};

static uint64_t real_wall_ns(void *context) {
    (void)context;
    return clock_wall_ns();
}

static tr_status open_sink(const log_options *options, struct logger *logger, tr_error *error) {
    logger->sink = options->sink;
    logger->sink_context = options->sink_context;
    logger->fd = options->fd > 0 ? options->fd : STDERR_FILENO;
    if (options->path == NULL) return TR_OK;

    logger->fd = open(options->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    logger->sink = NULL;
    if (logger->fd < 0) {
        return error_set(error, TR_EIO, "check that the directory exists and may be written to",
                         "cannot open log file %s: %s", options->path, strerror(errno));
    }
    logger->owns_fd = true;
    return TR_OK;
}

tr_status log_open(const log_options *options, struct logger **logger_out, tr_error *error) {
    struct logger *logger = mem_zalloc(1, sizeof *logger);
    tr_status status = open_sink(options, logger, error);
    if (status != TR_OK) {
        mem_free(logger);
        return status;
    }
    logger->node = options->node != NULL ? mem_strdup(options->node) : NULL;
    logger->format = options->format;
    logger->wall_ns = options->wall_ns != NULL ? options->wall_ns : real_wall_ns;
    logger->clock_context = options->clock_context;
    atomic_init(&logger->level_min, (int)options->level_min);
    atomic_init(&logger->lost, 0);
    *logger_out = logger;
    return TR_OK;
}

void log_close(struct logger *logger) {
    if (logger == NULL) return;
    if (logger->owns_fd) close(logger->fd);
    mem_free(logger->node);
    mem_free(logger);
}

bool log_enabled(const struct logger *logger, tr_log_level level) {
    if (logger == NULL) return false;
    /* Relaxed: the level orders nothing else. */
    return (int)level >= atomic_load_explicit(&logger->level_min, memory_order_relaxed);
}

void log_set_level(struct logger *logger, tr_log_level level_min) {
    atomic_store_explicit(&logger->level_min, (int)level_min, memory_order_relaxed);
}

uint64_t log_lost(const struct logger *logger) {
    return atomic_load_explicit(&logger->lost, memory_order_relaxed);
}

static const char *const level_names[] = {
    [TR_DEBUG] = "debug", [TR_INFO] = "info", [TR_WARN] = "warn", [TR_ERROR] = "error"};

enum { LEVEL_COUNT = sizeof level_names / sizeof level_names[0] };

const char *log_level_name(tr_log_level level) {
    return (unsigned)level < LEVEL_COUNT ? level_names[level] : "unknown";
}

bool log_level_parse(const char *name, tr_log_level *level_out) {
    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        if (strcmp(name, level_names[level]) != 0) continue;
        *level_out = (tr_log_level)level;
        return true;
    }
    return false;
}

/* Appends all of the bytes or, when they pass the limit, none. */
static bool put(struct line *line, const char *text, size_t bytes) {
    if (line->bytes + bytes > line->limit) return false;
    memcpy(line->text + line->bytes, text, bytes);
    line->bytes += bytes;
    return true;
}

static bool put_text(struct line *line, const char *text) {
    return put(line, text, strlen(text));
}

/* Appends one character, escaped so that it is safe between quotes in both formats. C1 controls
 * are escaped too: a terminal would obey them. */
static bool put_character(struct line *line, const char *text, size_t bytes, uint32_t code) {
    char escape[8];
    if (code == '"') return put_text(line, "\\\"");
    if (code == '\\') return put_text(line, "\\\\");
    if (code == '\n') return put_text(line, "\\n");
    if (code == '\r') return put_text(line, "\\r");
    if (code == '\t') return put_text(line, "\\t");
    if (code >= 0x20 && (code < 0x7f || code > 0x9f)) return put(line, text, bytes);
    snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code & 0xffff);
    return put_text(line, escape);
}

/* Appends as much of the text as fits, escaped, each malformed byte as U+FFFD; returns how many
 * bytes of it were taken. */
static size_t put_escaped(struct line *line, const char *text, size_t bytes) {
    size_t at = 0;
    while (at < bytes) {
        uint32_t code;
        size_t length = utf8_decode(text + at, bytes - at, &code);
        bool fits = length > 0 ? put_character(line, text + at, length, code)
                               : put_text(line, "\xef\xbf\xbd");
        if (!fits) break;
        at += length > 0 ? length : 1;
    }
    return at;
}

/* True when logfmt needs no quotes around the value. */
static bool is_bare(const char *value) {
    if (*value == '\0') return false;
    for (const char *c = value; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '=' || *c == '\\') return false;
    }
    return true;
}

/* Appends `name=` or `,"name":`, as the format has it. */
static void put_name(struct line *line, enum log_format format, const char *name) {
    if (format == LOG_JSON) {
        put_text(line, line->bytes == 0 ? "{\"" : ",\"");
        put_text(line, name);
        put_text(line, "\":");
        return;
    }
    if (line->bytes > 0) put_text(line, " ");
    put_text(line, name);
    put_text(line, "=");
}

/* Appends a field; NULL is none. */
static void put_field(struct line *line, enum log_format format, const char *name,
                      const char *value) {
    if (value == NULL) return;
    put_name(line, format, name);
    size_t bytes = strnlen(value, FIELD_BYTES_MAX);
    size_t limit = line->limit;
    line->limit = line->bytes + FIELD_BYTES_MAX;
    if (format == LOG_LOGFMT && is_bare(value)) {
        put(line, value, bytes);
    } else {
        put_text(line, "\"");
        line->limit--;
        put_escaped(line, value, bytes);
        line->limit++;
        put_text(line, "\"");
    }
    line->limit = limit;
}

/* Appends the message and closes the line. `bytes` are in `message`, `bytes_cut` were cut off
 * before. */
static void put_message(struct line *line, enum log_format format, const char *message,
                        size_t bytes, size_t bytes_cut) {
    put_name(line, format, "msg");
    put_text(line, "\"");
    size_t taken = put_escaped(line, message, bytes);
    bytes_cut += bytes - taken;

    line->limit = sizeof line->text;
    if (bytes_cut > 0) {
        char note[TAIL_BYTES_MAX];
        snprintf(note, sizeof note, " [%zu bytes cut]", bytes_cut);
        put_text(line, note);
    }
    bool closed = put_text(line, format == LOG_JSON ? "\"}\n" : "\"\n");
    check(closed);
}

/* Hands a line to its sink. A rest that the system did not take at once is written after it. */
static void emit(struct logger *logger, const struct line *line) {
    if (logger->sink != NULL) {
        logger->sink(logger->sink_context, line->text, line->bytes);
        return;
    }
    size_t at = 0;
    while (at < line->bytes) {
        ssize_t written = write(logger->fd, line->text + at, line->bytes - at);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            atomic_fetch_add_explicit(&logger->lost, 1, memory_order_relaxed);
            return;
        }
        at += (size_t)written;
    }
}

void log_write_list(struct logger *logger, tr_log_level level, const log_context *context,
                    const char *format, va_list arguments) {
    static const log_context no_context = {0};
    if (!log_enabled(logger, level)) return;
    if (context == NULL) context = &no_context;
    int errno_before = errno;

    char message[LOG_LINE_BYTES_MAX];
    int length = vsnprintf(message, sizeof message, format, arguments);
    size_t whole = length > 0 ? (size_t)length : 0;
    size_t bytes = whole < sizeof message ? whole : utf8_cut(message, sizeof message - 1);

    char time[CLOCK_TEXT_BYTES];
    clock_text(logger->wall_ns(logger->clock_context), time);

    struct line line;
    line.bytes = 0;
    line.limit = sizeof line.text - TAIL_BYTES_MAX;
    put_field(&line, logger->format, "time", time);
    put_field(&line, logger->format, "level", log_level_name(level));
    put_field(&line, logger->format, "node", logger->node);
    put_field(&line, logger->format, "component", context->component);
    put_field(&line, logger->format, "actor", context->actor);
    put_field(&line, logger->format, "trace", context->trace);
    put_message(&line, logger->format, message, bytes, whole - bytes);
    emit(logger, &line);
    errno = errno_before;
}

void log_write(struct logger *logger, tr_log_level level, const log_context *context,
               const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_write_list(logger, level, context, format, arguments);
    va_end(arguments);
}
