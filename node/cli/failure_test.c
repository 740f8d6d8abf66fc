/*
 * failure_test.c - statuses as exit codes, and errors that nodes report.
 */
#include "node/cli/failure.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(failure, .timeout = 10);

/* The contract of the programs' exit codes: scripts depend on it. */
Test(failure, every_status_has_its_exit_code) {
    static const struct {
        tr_status status;
        int code;
    } expected[] = {{TR_OK, 0},
                    {TR_ECHECK, 1},
                    {TR_EINVAL, 64},
                    {TR_ENOTSUP, 64},
                    {TR_EDATA, 65},
                    {TR_ETOOBIG, 65},
                    {TR_EEXIST, 65},
                    {TR_ENOENT, 66},
                    {TR_EDEAD, 66},
                    {TR_ECLOSED, 69},
                    {TR_EIO, 70},
                    {TR_EINTERNAL, 70},
                    {TR_EUNREACHABLE, 69},
                    {TR_ENOSPC, 70},
                    {TR_EFAILED, 70},
                    {TR_ETIMEDOUT, 75},
                    {TR_EFULL, 75},
                    {TR_EBUSY, 75},
                    {TR_EABORTED, 75},
                    {TR_EREFUSED, 77},
                    {TR_ECONFIG, 78},
                    {TR_EINTR, 130}};
    cr_assert_eq(sizeof expected / sizeof expected[0], TR_STATUS_COUNT);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        cr_expect_eq(failure_exit_code(expected[i].status), expected[i].code, "%s",
                     tr_status_name(expected[i].status));
}

Test(failure, a_status_is_found_by_its_name) {
    cr_assert_eq(failure_status("TR_ENOENT"), TR_ENOENT);
    cr_assert_eq(failure_status("TR_EWHATEVER"), TR_EINTERNAL);
}

static struct failure from(const char *text) {
    struct failure failure = {0};
    json_t *error = json_loads(text, 0, NULL);
    cr_assert_not_null(error);
    failure_from_json(&failure, error);
    json_decref(error);
    return failure;
}

Test(failure, a_nodes_candidates_become_a_suggestion) {
    struct failure failure = from(
        "{\"code\": \"TR_EDATA\", \"message\": \"no field cens\", \"word\": \"cens\","
        "\"candidates\": [\"cents\", \"transfers\"]}");
    cr_assert_eq(failure.error.status, TR_EDATA);
    cr_assert_str_eq(failure.error.message, "no field cens");
    cr_assert_str_eq(failure.error.hint, "did you mean `cents`?");
    failure = from("{\"code\": \"TR_ENOENT\", \"message\": \"x\", \"candidates\": [\"a\", \"b\"]}");
    cr_assert_str_eq(failure.error.hint, "there is: a, b");
}

Test(failure, a_nodes_hint_is_kept) {
    struct failure failure = from(
        "{\"code\": \"TR_EFULL\", \"message\": \"x\", \"hint\": \"wait\", \"word\": \"a\","
        "\"candidates\": [\"a\"]}");
    cr_assert_str_eq(failure.error.hint, "wait");
}

Test(failure, an_error_without_sense_is_still_an_error) {
    cr_assert_eq(from("{}").error.status, TR_EINTERNAL);
    cr_assert_eq(from("{\"code\": \"TR_OK\"}").error.status, TR_EINTERNAL);
    cr_assert_eq(from("{\"code\": 7, \"message\": []}").error.status, TR_EINTERNAL);
    cr_assert_neq(*from("{}").error.message, '\0');
}

Test(failure, steps_past_the_last_place_are_dropped) {
    struct failure failure = {0};
    for (int i = 0; i < FAILURE_STEPS_MAX + 5; i++) failure_step(&failure, true, "step %d", i);
    cr_assert_eq(failure.step_count, FAILURE_STEPS_MAX);
    cr_assert_str_eq(failure.steps[FAILURE_STEPS_MAX - 1].text, "step 11");
}
