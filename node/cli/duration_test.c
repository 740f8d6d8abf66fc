/*
 * duration_test.c - lengths of time as people write them.
 */
#include "node/cli/duration.h"

#include <criterion/criterion.h>

TestSuite(duration, .timeout = 10);

static uint64_t parsed(const char *text) {
    uint64_t ms = UINT64_MAX;
    cr_assert(duration_parse(text, &ms), "'%s' is a duration", text);
    return ms;
}

Test(duration, each_unit_is_read) {
    cr_assert_eq(parsed("200ms"), 200);
    cr_assert_eq(parsed("5s"), 5000);
    cr_assert_eq(parsed("2m"), 120000);
    cr_assert_eq(parsed("3h"), 10800000);
    cr_assert_eq(parsed("1d"), 86400000);
}

Test(duration, a_bare_number_is_seconds) {
    cr_assert_eq(parsed("7"), 7000);
    cr_assert_eq(parsed("0"), 0);
}

Test(duration, fractions_are_exact_to_the_millisecond) {
    cr_assert_eq(parsed("1.5s"), 1500);
    cr_assert_eq(parsed("0.25m"), 15000);
    cr_assert_eq(parsed("0.0019s"), 1);
}

Test(duration, what_is_no_duration_is_refused_and_the_result_untouched) {
    static const char *const bad[] = {"",
                                      "s",
                                      "5x",
                                      "-5s",
                                      "5 s",
                                      "1.s",
                                      ".5s",
                                      "5ss",
                                      "1e3",
                                      "999999999999d",
                                      "366d",
                                      "5s ",
                                      "99999999999999999999s"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t ms = 42;
        cr_expect_not(duration_parse(bad[i], &ms), "'%s' is refused", bad[i]);
        cr_expect_eq(ms, 42, "'%s' leaves the result alone", bad[i]);
    }
}

Test(duration, text_shows_the_two_units_that_matter) {
    char text[DURATION_TEXT_BYTES];
    cr_assert_str_eq(duration_text(850, text), "850ms");
    cr_assert_str_eq(duration_text(12999, text), "12s");
    cr_assert_str_eq(duration_text(185000, text), "3m05s");
    cr_assert_str_eq(duration_text(7800000, text), "2h10m");
    cr_assert_str_eq(duration_text(4 * 86400000ull + 3 * 3600000ull, text), "4d03h");
}
