/*
 * json_argument.c - reading a JSON object from the line, stdin or a file.
 */
#include "node/cli/json_argument.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "node/base/buffer.h"
#include "node/base/file.h"

static tr_status read_stdin(struct buffer *content, const char *what, struct failure *failure) {
    for (;;) {
        uint8_t *room = buffer_reserve(content, 65536);
        ssize_t bytes = read(STDIN_FILENO, room, 65536);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes < 0)
            return failure_set(failure, TR_EIO, NULL, "%s: stdin: %s", what, strerror(errno));
        if (bytes == 0) return TR_OK;
        content->bytes += (size_t)bytes;
        if (content->bytes > JSON_ARGUMENT_BYTES_MAX)
            return failure_set(failure, TR_ETOOBIG, NULL, "%s: more than %d bytes on stdin", what,
                               JSON_ARGUMENT_BYTES_MAX);
    }
}

static tr_status parse(const struct buffer *content, const char *what, json_t **object_out,
                       struct failure *failure) {
    json_error_t reason;
    json_t *object =
        json_loadb((const char *)content->data, content->bytes, JSON_REJECT_DUPLICATES, &reason);
    if (object == NULL)
        return failure_set(failure, TR_EDATA, "write an object such as '{\"cents\": 5}'",
                           "%s: malformed JSON at line %d, column %d: %s", what, reason.line,
                           reason.column, reason.text);
    if (!json_is_object(object)) {
        json_decref(object);
        return failure_set(failure, TR_EDATA, "write an object such as '{\"cents\": 5}'",
                           "%s: an array, where an object is expected", what);
    }
    *object_out = object;
    return TR_OK;
}

tr_status json_argument_read(const char *text, const char *what, json_t **object_out,
                             struct failure *failure) {
    struct buffer content = {0};
    tr_status status = TR_OK;
    if (strcmp(text, "-") == 0)
        status = read_stdin(&content, what, failure);
    else if (*text == '@')
        status = file_read(text + 1, JSON_ARGUMENT_BYTES_MAX, &content, &failure->error);
    else
        buffer_append_text(&content, text);
    if (status == TR_OK) status = parse(&content, what, object_out, failure);
    buffer_fini(&content);
    return status;
}
