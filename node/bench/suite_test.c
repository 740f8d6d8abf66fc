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

Test(bench_suite, workloads_of_any_size_take_it_behind_their_name_and_are_not_listed) {
    static const char *const bad[] = {"pairs:",   "pairs:0",  "pairs:x",
                                      "pairs:7x", "pairs:-1", "pairs:99999999999999999999999"};
    const struct workload *found, *listed;
    uint64_t size = 1;
    tr_error error = {0};
    cr_assert_eq(suite_find("pairs", &found, &size, &error), TR_OK);
    cr_assert_eq(size, 0, "its own default");
    cr_assert_eq(suite_find("pairs:1000", &found, &size, &error), TR_OK);
    cr_assert_str_eq(found->name, "pairs");
    cr_assert_eq(size, 1000);
    for (size_t i = 0; (listed = suite_at(i)) != NULL; i++) cr_assert_neq(listed, found);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(suite_find(bad[i], &found, &size, &error), TR_EINVAL, "%s", bad[i]);
}

Test(bench_suite, only_the_words_of_its_own_processes_are_hidden_mains) {
    cr_assert_eq(suite_hidden(TRIAL_WORD), trial_main);
    cr_assert_null(suite_hidden("bench"));
    cr_assert_null(suite_hidden(""));
}
