/*
 * log_source.c - reading log lines from a file or through a node.
 */
#include "node/cli/log_source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "node/base/buffer.h"
#include "node/base/memory.h"

enum { READ_BYTES = 1 << 18, LINE_BYTES_MAX = 1 << 20, PAGE_LINES = 1000 };

struct log_source {
    char *node;
    char *path;            /* of a file */
    struct remote *remote; /* of a node that serves its lines */
    char *trace;
    uint64_t tail_bytes;
    uint64_t offset;
    bool begun;
    bool within;        /* begun inside a line, whose rest is to be skipped */
    struct buffer rest; /* of a line not yet complete */
};

static struct log_source *source_new(const char *node, const char *trace, uint64_t tail_bytes) {
    struct log_source *source = mem_zalloc(1, sizeof *source);
    source->node = mem_strdup(node);
    source->trace = trace == NULL ? NULL : mem_strdup(trace);
    for (char *at = source->trace; at != NULL && *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at); /* as the lines have it */
    source->tail_bytes = tail_bytes;
    return source;
}

struct log_source *log_source_file(const char *node, const char *path, const char *trace,
                                   uint64_t tail_bytes) {
    struct log_source *source = source_new(node, trace, tail_bytes);
    source->path = mem_strdup(path);
    return source;
}

struct log_source *log_source_node(const char *node, struct remote *remote, const char *trace,
                                   uint64_t tail_bytes) {
    struct log_source *source = source_new(node, trace, tail_bytes);
    source->remote = remote;
    return source;
}

void log_source_free(struct log_source *source) {
    if (source == NULL) return;
    buffer_fini(&source->rest);
    mem_free(source->node);
    mem_free(source->path);
    mem_free(source->trace);
    mem_free(source);
}

bool log_source_is_remote(const struct log_source *source) {
    return source->remote != NULL;
}

/* ---- lines ----------------------------------------------------------------------------------- */

uint64_t log_source_time(const char *text) {
    struct tm tm = {0};
    unsigned ms = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3uZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms) != 7)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t seconds = timegm(&tm);
    return seconds < 0 ? 0 : (uint64_t)seconds * 1000 + ms;
}

/* The line as an object, the caller's. */
static json_t *parse_line(const struct log_source *source, const char *line, size_t bytes) {
    json_t *object = json_loadb(line, bytes, 0, NULL);
    if (json_is_object(object)) {
        if (json_object_get(object, "node") == NULL)
            json_object_set_new(object, "node", json_string(source->node));
        return object;
    }
    json_decref(object);
    json_t *text = json_stringn(line, bytes);
    if (text == NULL) text = json_string("(a line that is no UTF-8)");
    return json_pack("{s:s, s:o}", "node", source->node, "line", text);
}

static uint64_t time_of(json_t *object) {
    const char *time = json_string_value(json_object_get(object, "time"));
    const char *line = json_string_value(json_object_get(object, "line"));
    if (time == NULL && line != NULL && strncmp(line, "time=", 5) == 0) time = line + 5;
    return time == NULL ? 0 : log_source_time(time);
}

/* Whether the text, which is not closed by a zero, holds the words. */
static bool contains(const char *text, size_t bytes, const char *words) {
    size_t words_bytes = strlen(words);
    while (bytes >= words_bytes && words_bytes > 0) {
        const char *at = memchr(text, words[0], bytes - words_bytes + 1);
        if (at == NULL) return false;
        if (memcmp(at, words, words_bytes) == 0) return true;
        bytes -= (size_t)(at - text) + 1;
        text = at + 1;
    }
    return false;
}

static void take_line(const struct log_source *source, const char *line, size_t bytes,
                      log_source_each *each, void *context) {
    if (bytes == 0) return;
    if (source->trace != NULL && !contains(line, bytes, source->trace)) return;
    json_t *object = parse_line(source, line, bytes);
    each(context, object, time_of(object));
    json_decref(object);
}

/* ---- a file ---------------------------------------------------------------------------------- */

static void take_bytes(struct log_source *source, log_source_each *each, void *context) {
    size_t from = 0;
    for (;;) {
        char *begin = (char *)source->rest.data + from;
        char *end =
            source->rest.bytes == from ? NULL : memchr(begin, '\n', source->rest.bytes - from);
        if (end == NULL) break;
        if (!source->within) take_line(source, begin, (size_t)(end - begin), each, context);
        source->within = false;
        from += (size_t)(end - begin) + 1;
    }
    buffer_consume(&source->rest, from);
    if (source->rest.bytes > LINE_BYTES_MAX) { /* no line of ours: skip it */
        buffer_clear(&source->rest);
        source->within = true;
    }
}

/* Where to begin, and again from the beginning when the file was replaced by a shorter one. */
static void place(struct log_source *source, int fd) {
    struct stat stat;
    if (fstat(fd, &stat) != 0) return;
    uint64_t bytes = (uint64_t)stat.st_size;
    if (!source->begun && source->tail_bytes > 0 && bytes > source->tail_bytes) {
        source->offset = bytes - source->tail_bytes;
        source->within = true;
    }
    source->begun = true;
    if (bytes < source->offset) {
        source->offset = 0;
        buffer_clear(&source->rest);
    }
}

static tr_status read_file(struct log_source *source, log_source_each *each, void *context,
                           struct failure *failure) {
    int fd = open(source->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return TR_OK;
    if (fd < 0)
        return failure_set(failure, TR_EIO, NULL, "cannot read %s: %s", source->path,
                           strerror(errno));
    place(source, fd);
    for (;;) {
        uint8_t *room = buffer_reserve(&source->rest, READ_BYTES);
        ssize_t bytes = pread(fd, room, READ_BYTES, (off_t)source->offset);
        if (bytes <= 0) break;
        source->offset += (uint64_t)bytes;
        source->rest.bytes += (size_t)bytes;
        take_bytes(source, each, context);
    }
    close(fd);
    return TR_OK;
}

/* ---- a node ---------------------------------------------------------------------------------- */

static tr_status read_page(struct log_source *source, log_source_each *each, void *context,
                           bool *end_out) {
    json_int_t after = source->begun ? (json_int_t)source->offset : -(json_int_t)source->tail_bytes;
    json_t *arguments = json_pack("{s:I, s:i}", "after", after, "limit", PAGE_LINES), *data = NULL,
           *line;
    if (source->trace != NULL) json_object_set_new(arguments, "trace", json_string(source->trace));
    struct remote_call call = {.node = source->node, .op = "logs", .args = arguments};
    tr_status status = remote_call(source->remote, &call, &data);
    json_decref(arguments);
    if (status != TR_OK) return status;
    size_t index;
    json_array_foreach(json_object_get(data, "lines"), index, line) {
        take_line(source, json_string_value(line), json_string_length(line), each, context);
    }
    uint64_t next = (uint64_t)json_integer_value(json_object_get(data, "next"));
    *end_out =
        json_is_true(json_object_get(data, "end")) || (source->begun && next <= source->offset);
    source->begun = true;
    source->offset = next;
    json_decref(data);
    return TR_OK;
}

tr_status log_source_read(struct log_source *source, log_source_each *each, void *context,
                          struct failure *failure) {
    if (source->remote == NULL) return read_file(source, each, context, failure);
    tr_status status = TR_OK;
    for (bool end = false; !end && status == TR_OK;)
        status = read_page(source, each, context, &end);
    return status;
}
