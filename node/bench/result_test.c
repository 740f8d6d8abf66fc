/*
 * result_test.c - reports on their way through a pipe.
 */
#include "node/bench/result.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(bench_result, .timeout = 10);

/* The caller's (free). */
static char *written(const struct workload_run *run, tr_status status) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    result_write(run, status, out);
    fclose(out);
    return text;
}

Test(bench_result, figures_and_the_note_arrive_as_they_were) {
    struct workload_run run = {0};
    struct result result;
    workload_report(&run, "ns_per_msg", "ns", 1.0 / 3);
    workload_report(&run, "rate", "msgs/s", 5e6);
    workload_note(&run, "on a disk named %s", "vda");
    char *text = written(&run, TR_OK);
    cr_assert(result_read(text, &result));
    cr_assert_eq(result.error.status, TR_OK);
    cr_assert_eq(result.figure_count, 2);
    cr_assert_eq(*result_value(&result, "ns_per_msg"), 1.0 / 3);
    cr_assert_str_eq(result.figures[1].unit, "msgs/s");
    cr_assert_str_eq(result.note, "on a disk named vda");
    cr_assert_null(result_value(&result, "nothing"));
    free(text);
}

Test(bench_result, an_error_arrives_with_its_words_on_one_line_and_without_figures) {
    struct workload_run run = {0};
    struct result result;
    workload_report(&run, "ns_per_msg", "ns", 1);
    strcpy(run.error.message, "no room\nat all");
    strcpy(run.error.hint, "make some");
    char *text = written(&run, TR_ENOSPC);
    cr_assert(result_read(text, &result));
    cr_assert_eq(result.error.status, TR_ENOSPC);
    cr_assert_str_eq(result.error.message, "no room at all");
    cr_assert_str_eq(result.error.hint, "make some");
    cr_assert_eq(result.figure_count, 0);
    free(text);
}

Test(bench_result, an_error_without_words_says_what_its_status_means) {
    struct workload_run run = {0};
    struct result result;
    char *text = written(&run, TR_ETIMEDOUT);
    cr_assert(result_read(text, &result));
    cr_assert_str_eq(result.error.message, tr_status_text(TR_ETIMEDOUT));
    free(text);
}

Test(bench_result, what_was_cut_short_is_no_report) {
    struct workload_run run = {0};
    struct result result;
    workload_report(&run, "ns_per_msg", "ns", 12.5);
    char *text = written(&run, TR_OK);
    for (size_t bytes = strlen(text); bytes-- > 0;) {
        text[bytes] = '\0';
        cr_assert_not(result_read(text, &result), "the first %zu bytes", bytes);
    }
    free(text);
}

Test(bench_result, what_no_run_would_write_is_refused) {
    static const char *const texts[] = {
        "figure a ns\nend\n", "figure a ns nan\nend\n", "error 0\nend\n", "error 999\nend\n",
        "surprise 1\nend\n",  "end\nfigure a ns 1\n",   "figure\nend\n"};
    struct result result;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_assert_not(result_read(texts[i], &result), "%s", texts[i]);
}
