#include "node/base/check.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <signal.h>

TestSuite(check, .timeout = 30);

Test(check, a_true_condition_is_evaluated_once_and_nothing_happens) {
    int calls = 0;
    check(++calls == 1);
    cr_assert_eq(calls, 1);
}

Test(check, a_false_condition_aborts, .signal = SIGABRT) {
    check(1 + 1 == 3);
}

static void report_instead_of_dying(int signal) {
    (void)signal;
    cr_assert_stderr_eq_str("node/base/some.c:7: check failed: 1 + 1 == 3\n");
    exit(0);
}

/* The line is what a bug report starts from: file, line and condition. */
Test(check, the_line_names_place_and_condition, .exit_code = 0) {
    cr_redirect_stderr();
    signal(SIGABRT, report_instead_of_dying);
    check_failed("1 + 1 == 3", "node/base/some.c", 7);
}
