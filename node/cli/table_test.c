/*
 * table_test.c - columns that people and awk can read.
 */
#include "node/cli/table.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(table, .timeout = 10);

static struct table *two_nodes(void) {
    struct table *table = table_new();
    table_column(table, "NAME", TABLE_LEFT);
    table_column(table, "ACTORS", TABLE_RIGHT);
    table_column(table, "STATE", TABLE_LEFT);
    const char *const cells[] = {"n1", "7", "up", "analysis-node", "1000000", "down"};
    for (size_t i = 0; i < 6; i++) table_cell(table, cells[i], i == 2 ? TABLE_GREEN : TABLE_PLAIN);
    return table;
}

static void expect_printed(const struct table *table, unsigned flags, const char *expected) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    table_print(table, out, flags);
    fclose(out);
    cr_assert_str_eq(text, expected);
    free(text);
}

Test(table, columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right) {
    struct table *table = two_nodes();
    cr_assert_eq(table_rows(table), 2);
    expect_printed(table, TABLE_HEADERS,
                   "NAME            ACTORS  STATE\n"
                   "n1                   7  up\n"
                   "analysis-node  1000000  down\n");
    table_free(table);
}

Test(table, without_headers_only_rows_are_printed) {
    struct table *table = two_nodes();
    expect_printed(table, 0,
                   "n1                   7  up\n"
                   "analysis-node  1000000  down\n");
    table_free(table);
}

Test(table, colours_do_not_move_columns) {
    struct table *table = two_nodes();
    expect_printed(table, TABLE_COLORS,
                   "n1                   7  \033[32mup\033[0m\n"
                   "analysis-node  1000000  down\n");
    table_free(table);
}

Test(table, width_counts_characters_not_bytes) {
    cr_assert_eq(table_width("K\xc3\xb6ln"), 4);
    struct table *table = table_new();
    table_column(table, "A", TABLE_LEFT);
    table_column(table, "B", TABLE_LEFT);
    const char *const cells[] = {"K\xc3\xb6ln", "1", "Bonn", "2"};
    for (size_t i = 0; i < 4; i++) table_cell(table, cells[i], TABLE_PLAIN);
    expect_printed(table, 0, "K\xc3\xb6ln  1\nBonn  2\n");
    table_free(table);
}

Test(table, missing_and_hostile_cells_are_shown_safely) {
    struct table *table = table_new();
    table_column(table, "A", TABLE_LEFT);
    table_cell(table, NULL, TABLE_PLAIN);
    table_cell(table, "", TABLE_PLAIN);
    table_cell(table, "a\033[2Jb\nc", TABLE_PLAIN);
    expect_printed(table, 0, "-\n-\na?[2Jb?c\n");
    table_free(table);
}
