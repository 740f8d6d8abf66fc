/*
 * failure.h - why a command failed: the error, and the steps that passed before it.
 *
 * Commands fill one as they go, so that the message shows how far they came; the exit code follows
 * from the status. Not for several threads at once.
 */
#ifndef TROUPE_CLI_FAILURE_H
#define TROUPE_CLI_FAILURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <troupe.h>

enum { FAILURE_STEPS_MAX = 12, FAILURE_STEP_BYTES = 120 };

struct failure {
    tr_error error; /* status, message, hint */
    struct {
        bool ok;
        char text[FAILURE_STEP_BYTES];
    } steps[FAILURE_STEPS_MAX];
    size_t step_count;
};

/* Exit codes of the programs. */
enum {
    EXIT_OK = 0,
    EXIT_CHECK = 1,
    EXIT_USAGE_ERROR = 64,
    EXIT_DATA = 65,
    EXIT_ABSENT = 66,
    EXIT_UNREACHABLE = 69,
    EXIT_INTERNAL = 70,
    EXIT_TEMPORARY = 75,
    EXIT_REFUSED = 77,
    EXIT_CONFIGURATION = 78,
    EXIT_INTERRUPTED = 130,
};

/* The exit code that belongs to a status. */
int failure_exit_code(tr_status status);

/* The status with this name ("TR_ENOENT"); TR_EINTERNAL for a name nobody knows. */
tr_status failure_status(const char *name);

/* Adds a step, made as by printf; steps past the last place are dropped. */
void failure_step(struct failure *failure, bool ok, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills the error as error_set does (hint NULL: none) and returns the status. */
tr_status failure_set(struct failure *failure, tr_status status, const char *hint,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Fills the error from a node's {"code", "message", "hint", "word", "candidates"}; without a
 * hint, the candidate nearest to the word, or the list of them, becomes the hint. Returns the
 * status. */
tr_status failure_from_json(struct failure *failure, const json_t *error);

#endif
