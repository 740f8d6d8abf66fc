/*
 * rows.h - a long list of JSON objects, kept as text: a million actors fit.
 *
 * Rows are added one by one, may be sorted by a key and cut, and are printed as a JSON array or as
 * a table. One thread.
 */
#ifndef TROUPE_CLI_ROWS_H
#define TROUPE_CLI_ROWS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "node/cli/output.h"

/* A zeroed one is empty. */
struct rows {
    struct row *items;
    size_t count;
    size_t capacity;
};

/* Adds an object (borrowed) with the key to sort by. */
void rows_add(struct rows *rows, const json_t *object, uint64_t key);

/* Sorts, largest or smallest key first; equal keys keep their order. */
enum rows_order { ROWS_LARGEST_FIRST, ROWS_SMALLEST_FIRST };
void rows_sort(struct rows *rows, enum rows_order order);

/* Keeps the first `count`, or the last. */
void rows_keep_first(struct rows *rows, size_t count);
void rows_keep_last(struct rows *rows, size_t count);

/* Returns a row as an object, the caller's. */
json_t *rows_get(const struct rows *rows, size_t index);

/* Prints them under `kind` with -o json, else as a table. */
void rows_print(const struct rows *rows, struct output *output, const char *kind,
                const struct output_column *columns);

void rows_fini(struct rows *rows);

#endif
