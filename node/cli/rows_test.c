/*
 * rows_test.c - long lists of objects.
 */
#include "node/cli/rows.h"

#include <criterion/criterion.h>

TestSuite(rows, .timeout = 10);

static void add(struct rows *rows, int number, uint64_t key) {
    json_t *object = json_pack("{s:i}", "n", number);
    rows_add(rows, object, key);
    json_decref(object);
}

static int number_at(const struct rows *rows, size_t index) {
    json_t *object = rows_get(rows, index);
    int number = (int)json_integer_value(json_object_get(object, "n"));
    json_decref(object);
    return number;
}

static struct rows four(void) {
    struct rows rows = {0};
    add(&rows, 1, 5);
    add(&rows, 2, 9);
    add(&rows, 3, 5);
    add(&rows, 4, 1);
    return rows;
}

static void expect_order(const struct rows *rows, const int *numbers, size_t count) {
    cr_assert_eq(rows->count, count);
    for (size_t i = 0; i < count; i++) cr_expect_eq(number_at(rows, i), numbers[i], "row %zu", i);
}

Test(rows, sorting_keeps_the_order_of_equal_keys) {
    struct rows rows = four();
    rows_sort(&rows, ROWS_LARGEST_FIRST);
    expect_order(&rows, (const int[]){2, 1, 3, 4}, 4);
    rows_fini(&rows);
    rows = four();
    rows_sort(&rows, ROWS_SMALLEST_FIRST);
    expect_order(&rows, (const int[]){4, 1, 3, 2}, 4);
    rows_fini(&rows);
}

Test(rows, the_first_or_the_last_are_kept) {
    struct rows rows = four();
    rows_keep_first(&rows, 3);
    expect_order(&rows, (const int[]){1, 2, 3}, 3);
    rows_keep_last(&rows, 2);
    expect_order(&rows, (const int[]){2, 3}, 2);
    rows_keep_last(&rows, 9);
    rows_keep_first(&rows, 9);
    expect_order(&rows, (const int[]){2, 3}, 2);
    rows_keep_first(&rows, 0);
    cr_assert_eq(rows.count, 0);
    rows_fini(&rows);
}
