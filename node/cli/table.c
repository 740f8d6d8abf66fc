/*
 * table.c - measuring and printing columns.
 */
#include "node/cli/table.h"

#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"

enum { TABLE_COLUMNS_MAX = 24 };

struct cell {
    char *text;
    enum table_color color;
};

struct table {
    struct {
        char *title;
        enum table_align align;
        size_t width;
    } columns[TABLE_COLUMNS_MAX];
    size_t column_count;
    struct cell *cells;
    size_t cell_count;
    size_t cell_capacity;
};

struct table *table_new(void) {
    return mem_zalloc(1, sizeof(struct table));
}

void table_free(struct table *table) {
    if (table == NULL) return;
    for (size_t i = 0; i < table->column_count; i++) mem_free(table->columns[i].title);
    for (size_t i = 0; i < table->cell_count; i++) mem_free(table->cells[i].text);
    mem_free(table->cells);
    mem_free(table);
}

size_t table_width(const char *text) {
    size_t width = 0;
    for (; *text != '\0'; text++) width += ((unsigned char)*text & 0xc0u) != 0x80u;
    return width;
}

void table_column(struct table *table, const char *title, enum table_align align) {
    check(table->cell_count == 0 && table->column_count < TABLE_COLUMNS_MAX);
    size_t column = table->column_count++;
    table->columns[column].title = mem_strdup(title);
    table->columns[column].align = align;
    table->columns[column].width = table_width(title);
}

/* A cell's text never moves the cursor nor breaks the line. */
static char *printable(const char *text) {
    char *copy = mem_strdup(text);
    for (char *at = copy; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = '?';
    return copy;
}

void table_cell(struct table *table, const char *text, enum table_color color) {
    check(table->column_count > 0);
    if (table->cell_count == table->cell_capacity) {
        table->cell_capacity = table->cell_capacity * 2 + 32;
        table->cells = mem_realloc_array(table->cells, table->cell_capacity, sizeof(struct cell));
    }
    struct cell *cell = &table->cells[table->cell_count];
    cell->text = printable(text == NULL || *text == '\0' ? "-" : text);
    cell->color = color;
    size_t column = table->cell_count++ % table->column_count;
    size_t width = table_width(cell->text);
    if (width > table->columns[column].width) table->columns[column].width = width;
}

size_t table_rows(const struct table *table) {
    return table->column_count == 0 ? 0 : table->cell_count / table->column_count;
}

static const char *color_code(enum table_color color) {
    switch (color) {
        case TABLE_GREEN:
            return "\033[32m";
        case TABLE_YELLOW:
            return "\033[33m";
        case TABLE_RED:
            return "\033[31m";
        case TABLE_DIM:
            return "\033[2m";
        case TABLE_PLAIN:
            break;
    }
    return NULL;
}

static void print_spaces(size_t count, FILE *out) {
    while (count-- > 0) fputc(' ', out);
}

static void print_cell(const struct table *table, size_t column, const char *text, const char *code,
                       FILE *out) {
    size_t padding = table->columns[column].width - table_width(text);
    bool right = table->columns[column].align == TABLE_RIGHT;
    bool last = column + 1 == table->column_count;
    if (right) print_spaces(padding, out);
    if (code != NULL) fputs(code, out);
    fputs(text, out);
    if (code != NULL) fputs("\033[0m", out);
    if (!right && !last) print_spaces(padding, out);
    fputs(last ? "\n" : "  ", out);
}

void table_print(const struct table *table, FILE *out, unsigned flags) {
    check(table->column_count > 0 && table->cell_count % table->column_count == 0);
    bool colors = (flags & TABLE_COLORS) != 0;
    if ((flags & TABLE_HEADERS) != 0)
        for (size_t i = 0; i < table->column_count; i++)
            print_cell(table, i, table->columns[i].title, colors ? "\033[1m" : NULL, out);
    for (size_t i = 0; i < table->cell_count; i++) {
        const struct cell *cell = &table->cells[i];
        print_cell(table, i % table->column_count, cell->text,
                   colors ? color_code(cell->color) : NULL, out);
    }
}
