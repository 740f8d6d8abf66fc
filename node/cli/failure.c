/*
 * failure.c - statuses as exit codes; errors of nodes as errors of commands.
 */
#include "node/cli/failure.h"

#include <stdio.h>
#include <string.h>

#include "node/base/buffer.h"
#include "node/base/error.h"
#include "node/cli/suggest.h"

enum { CANDIDATES_MAX = 100, LISTED_MAX = 12 };

int failure_exit_code(tr_status status) {
    switch (status) {
        case TR_OK:
            return EXIT_OK;
        case TR_ECHECK:
            return EXIT_CHECK;
        case TR_EINVAL:
        case TR_ENOTSUP:
            return EXIT_USAGE_ERROR;
        case TR_EDATA:
        case TR_ETOOBIG:
        case TR_EEXIST:
            return EXIT_DATA;
        case TR_ENOENT:
        case TR_EDEAD:
            return EXIT_ABSENT;
        case TR_EUNREACHABLE:
        case TR_ECLOSED:
            return EXIT_UNREACHABLE;
        case TR_ETIMEDOUT:
        case TR_EFULL:
        case TR_EBUSY:
        case TR_EABORTED:
            return EXIT_TEMPORARY;
        case TR_EREFUSED:
            return EXIT_REFUSED;
        case TR_ECONFIG:
            return EXIT_CONFIGURATION;
        case TR_EINTR:
            return EXIT_INTERRUPTED;
        case TR_EIO:
        case TR_ENOSPC:
        case TR_EFAILED:
        case TR_EINTERNAL:
        case TR_STATUS_COUNT:
            break;
    }
    return EXIT_INTERNAL;
}

tr_status failure_status(const char *name) {
    for (int status = TR_OK; status < TR_STATUS_COUNT; status++)
        if (strcmp(tr_status_name((tr_status)status), name) == 0) return (tr_status)status;
    return TR_EINTERNAL;
}

void failure_step(struct failure *failure, bool ok, const char *format, ...) {
    if (failure->step_count == FAILURE_STEPS_MAX) return;
    size_t step = failure->step_count++;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->steps[step].text, FAILURE_STEP_BYTES, format, arguments);
    va_end(arguments);
    failure->steps[step].ok = ok;
}

tr_status failure_set(struct failure *failure, tr_status status, const char *hint,
                      const char *format, ...) {
    char message[sizeof failure->error.message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return error_set(&failure->error, status, hint, "%s", message);
}

static void hint_list(struct failure *failure, const char *const *words, size_t count) {
    struct buffer list = {0};
    for (size_t i = 0; i < count && i < LISTED_MAX; i++)
        buffer_append_format(&list, "%s%s", i == 0 ? "" : ", ", words[i]);
    if (count > LISTED_MAX) buffer_append_text(&list, ", ...");
    error_hint(&failure->error, "there is: %s", buffer_text(&list));
    buffer_fini(&list);
}

static void hint_candidates(struct failure *failure, const json_t *candidates, const char *word) {
    const char *words[CANDIDATES_MAX];
    size_t count = 0, index;
    json_t *candidate;
    json_array_foreach(candidates, index, candidate) {
        if (json_is_string(candidate) && count < CANDIDATES_MAX)
            words[count++] = json_string_value(candidate);
    }
    if (count == 0) return;
    const char *nearest = word == NULL ? NULL : suggest_nearest(word, words, count);
    if (nearest != NULL)
        error_hint(&failure->error, "did you mean `%s`?", nearest);
    else
        hint_list(failure, words, count);
}

tr_status failure_from_json(struct failure *failure, const json_t *error) {
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *hint = json_string_value(json_object_get(error, "hint"));
    const char *word = json_string_value(json_object_get(error, "word"));
    tr_status status = failure_status(code == NULL ? "" : code);
    if (status == TR_OK) status = TR_EINTERNAL;
    error_set(&failure->error, status, hint, "%s",
              message == NULL || *message == '\0' ? tr_status_text(status) : message);
    if (hint == NULL || *hint == '\0')
        hint_candidates(failure, json_object_get(error, "candidates"), word);
    return status;
}
