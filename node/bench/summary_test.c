/*
 * summary_test.c - medians.
 */
#include "node/bench/summary.h"

#include <criterion/criterion.h>

TestSuite(bench_summary, .timeout = 10);

Test(bench_summary, of_an_odd_number_the_median_is_the_middle_one) {
    double values[] = {5, 1, 9};
    struct summary summary = summary_of(values, 3);
    cr_assert_eq(summary.median, 5);
    cr_assert_eq(summary.min, 1);
    cr_assert_eq(summary.max, 9);
    cr_assert_eq(summary.count, 3);
}

Test(bench_summary, of_an_even_number_it_is_the_mean_of_the_two_in_the_middle) {
    double values[] = {8, 1, 2, 100};
    cr_assert_eq(summary_of(values, 4).median, 5);
}

Test(bench_summary, of_nothing_all_is_zero) {
    struct summary summary = summary_of(NULL, 0);
    cr_assert_eq(summary.count, 0);
    cr_assert_eq(summary.median, 0);
}
