/*
 * table.h - rows of cells as aligned columns of text.
 *
 * Columns are as wide as their widest cell, two spaces apart; numbers stand to the right, no line
 * ends in a space, so that awk and cut work on it. Control characters in cells, which come from
 * users' data, are shown as '?'. Not for several threads at once.
 */
#ifndef TROUPE_CLI_TABLE_H
#define TROUPE_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table;

enum table_align { TABLE_LEFT, TABLE_RIGHT };

/* The colour of one cell; used when printing in colour only. */
enum table_color { TABLE_PLAIN, TABLE_GREEN, TABLE_YELLOW, TABLE_RED, TABLE_DIM };

/* Makes a table without columns; the caller frees it. */
struct table *table_new(void);
void table_free(struct table *table);

/* Adds a column; all columns come before the first cell. The title is copied. */
void table_column(struct table *table, const char *title, enum table_align align);

/* Adds the next cell, row by row; the text is copied (NULL or empty shows as "-"). */
void table_cell(struct table *table, const char *text, enum table_color color);

size_t table_rows(const struct table *table);

enum { TABLE_HEADERS = 1, TABLE_COLORS = 2 };

/* Prints the table; `flags` of TABLE_... . The last row must be complete. */
void table_print(const struct table *table, FILE *out, unsigned flags);

/* Columns that `text` takes on a terminal: its characters, not its bytes. */
size_t table_width(const char *text);

#endif
