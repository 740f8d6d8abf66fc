/*
 * output.h - what a command prints: data on stdout, everything said to people on stderr.
 *
 * Data is one JSON object (-o json) or a table made of the same JSON by a list of columns. Notes
 * say what changed and what may come next; -q silences them. Progress appears on a terminal only.
 * One thread.
 */
#ifndef TROUPE_CLI_OUTPUT_H
#define TROUPE_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "node/cli/args.h"
#include "node/cli/failure.h"

#define OUTPUT_SCHEMA "troupe/1"

struct output {
    bool json;
    bool headers;
    bool quiet;
    bool color_out; /* colours on stdout */
    bool color_err;
    bool terminal_err;  /* progress may be shown */
    bool progress_open; /* a progress line stands on the terminal */
};

/* How a value becomes a cell. */
enum output_form {
    OUTPUT_VALUE,    /* text and numbers as they are, true as yes, lists by their count */
    OUTPUT_STATE,    /* a state, coloured */
    OUTPUT_DURATION, /* milliseconds */
    OUTPUT_TIME,     /* milliseconds since 1970 */
    OUTPUT_BYTES,    /* 12.3 MiB */
    OUTPUT_RATE,     /* a number a second */
    OUTPUT_COMPACT,  /* any JSON, on one line */
};

/* One column; a list of them ends with an entry whose title is NULL. */
struct output_column {
    const char *title;
    const char *key; /* of the row's object; "a.b" goes deeper */
    enum output_form form;
};

/* Reads -o, --no-headers, --color, -q, NO_COLOR and what stdout and stderr are. */
void output_init(struct output *output, const struct args *args);

/* Prints the data: as JSON under `kind`, or `rows` (an array of objects, or one object) as a
 * table. `data` and `rows` are borrowed. */
void output_data(struct output *output, const char *kind, json_t *data, json_t *rows,
                 const struct output_column *columns);

/* Prints the data as JSON under `kind` and returns true, or returns false when a table is asked
 * for. */
bool output_json(struct output *output, const char *kind, json_t *data);

/* Prints rows (an array of objects, or one object) as a table whatever -o says. */
void output_table(struct output *output, json_t *rows, const struct output_column *columns);

/* The same with rows made one by one: `row` returns the row's object, which is released after
 * use. */
typedef json_t *output_row(void *context, size_t index);
void output_rows(struct output *output, size_t count, output_row *row, void *context,
                 const struct output_column *columns);

/* Prints an object's members one below the other, "key: value". */
void output_pairs(struct output *output, json_t *object, const struct output_column *pairs);

/* Says something to people, one line made as by printf. */
void output_note(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Suggests a next command: "next: troupe ...". */
void output_next(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Replaces the progress line; nothing when stderr is no terminal. */
void output_progress(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Removes the progress line. */
void output_progress_end(struct output *output);

/* Prints a failure: in full on stderr, and as {"schema", "error"} on stdout with -o json. */
void output_failure(struct output *output, const struct failure *failure);

/* Flushes stdout; false when it could not be written (a full disk, a closed pipe). */
bool output_flush(void);

/* Writes a count with a comma between thousands, "812,000". Returns `out`. */
enum { OUTPUT_COUNT_BYTES = 32 };
char *output_count(uint64_t count, char out[OUTPUT_COUNT_BYTES]);

#endif
