/*
 * suite_test.c - names of workloads.
 */
#include "node/bench/suite.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/bench/trial.h"

TestSuite(bench_suite, .timeout = 10);

Test(bench_suite, every_workload_listed_is_found_by_its_name_and_says_what_it_is) {
    const struct workload *listed, *found;
    uint64_t size = 1;
    tr_error error = {0};
    size_t count = 0;
    for (; (listed = suite_at(count)) != NULL; count++) {
        cr_assert_eq(suite_find(listed->name, &found, &size, &error), TR_OK);
        cr_assert_eq(found, listed, "two are called %s", listed->name);
        cr_assert_eq(size, 0);
        cr_assert_not_null(listed->run);
        cr_assert(strlen(listed->about) > 0);
    }
    cr_assert(count > 0);
}

Test(bench_suite, a_name_that_is_not_there_is_refused_with_the_nearest) {
    const struct workload *found = NULL;
    uint64_t size;
    tr_error error = {0};
    cr_assert_eq(suite_find("pingpogn", &found, &size, &error), TR_EINVAL);
    cr_assert_null(found);
    cr_assert_not_null(strstr(error.hint, "pingpong"));
    cr_assert_eq(suite_find("", &found, &size, &error), TR_EINVAL);
    cr_assert_eq(suite_find("pingpong:", &found, &size, &error), TR_EINVAL);
    cr_assert_eq(suite_find("pingpong:7", &found, &size, &error), TR_EINVAL);
}

Test(bench_suite, only_the_words_of_its_own_processes_are_hidden_mains) {
    cr_assert_eq(suite_hidden(TRIAL_WORD), trial_main);
    cr_assert_null(suite_hidden("bench"));
    cr_assert_null(suite_hidden(""));
}
