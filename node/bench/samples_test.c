/*
 * samples_test.c - which runs count: those of one state, and never a mixture of two.
 */
#include "node/bench/samples.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(bench_samples, .timeout = 10);

/* Adds a run that took `value`, with these one-way times before and after it. */
static void add(struct samples *samples, double before_ns, double after_ns, double value) {
    struct calibration before = {calibration_state(before_ns), before_ns, 5};
    struct calibration after = {calibration_state(after_ns), after_ns, 7};
    struct result result = {.figure_count = 1, .figures = {{"time", "ns", value}}};
    samples_add(samples, &before, &after, &result);
}

Test(bench_samples, the_state_most_runs_saw_is_the_one_that_counts) {
    struct samples samples = {0};
    add(&samples, 28, 29, 100);
    add(&samples, 165, 160, 400);
    add(&samples, 27, 28, 110);
    cr_assert_eq(samples_state(&samples), MACHINE_NEAR);
    struct summary summary = samples_metric(&samples, MACHINE_NEAR, "time");
    cr_assert_eq(summary.count, 2);
    cr_assert_eq(summary.max, 110, "the far run is not among them");
    cr_assert_eq(samples_loop_ns(&samples, MACHINE_NEAR).median, 6);
    cr_assert_eq(samples_cross_ns(&samples, MACHINE_FAR).median, 162.5);
    samples_fini(&samples);
}

Test(bench_samples, with_as_many_of_both_near_counts) {
    struct samples samples = {0};
    add(&samples, 165, 160, 400);
    add(&samples, 28, 29, 100);
    cr_assert_eq(samples_state(&samples), MACHINE_NEAR);
    samples_fini(&samples);
}

Test(bench_samples, a_run_during_which_the_state_changed_is_repeated) {
    struct samples samples = {0};
    cr_assert(samples_more(&samples, 2));
    add(&samples, 28, 165, 250);
    add(&samples, 165, 166, 400);
    cr_assert(samples_more(&samples, 2), "one of the two does not count");
    add(&samples, 166, 165, 410);
    cr_assert_not(samples_more(&samples, 2));
    cr_assert_eq(samples_state(&samples), MACHINE_FAR);
    cr_assert_eq(samples_metric(&samples, MACHINE_FAR, "time").count, 2);
    samples_fini(&samples);
}

Test(bench_samples, repeating_ends_at_twice_the_runs_and_mixed_ones_then_stand_alone) {
    struct samples samples = {0};
    for (int i = 0; samples_more(&samples, 3); i++) add(&samples, 28, 165, 200 + i);
    cr_assert_eq(samples.count, 6);
    cr_assert_eq(samples_state(&samples), MACHINE_MIXED);
    cr_assert_eq(samples_metric(&samples, MACHINE_MIXED, "time").median, 202.5);
    samples_fini(&samples);
}

Test(bench_samples, one_unmixed_run_outweighs_all_mixed_ones) {
    struct samples samples = {0};
    add(&samples, 28, 165, 200);
    add(&samples, 28, 165, 201);
    add(&samples, 165, 165, 400);
    cr_assert_eq(samples_state(&samples), MACHINE_FAR);
    samples_fini(&samples);
}

Test(bench_samples, on_one_core_there_is_no_near_nor_far) {
    struct samples samples = {0};
    add(&samples, 0, 0, 60);
    cr_assert_eq(samples_state(&samples), MACHINE_ONE_CORE);
    cr_assert_str_eq(calibration_state_name(MACHINE_ONE_CORE), "one-core");
    samples_fini(&samples);
}

Test(bench_samples, a_metric_that_some_runs_lack_is_taken_over_the_others) {
    struct samples samples = {0};
    add(&samples, 28, 28, 100);
    add(&samples, 28, 28, 200);
    strcpy(samples.items[1].result.figures[0].metric, "other");
    cr_assert_eq(samples_metric(&samples, MACHINE_NEAR, "time").count, 1);
    samples_fini(&samples);
}
