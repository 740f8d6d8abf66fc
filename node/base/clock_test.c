#include "node/base/clock.h"

#include <criterion/criterion.h>

TestSuite(clock, .timeout = 30);

static void expect_text(uint64_t wall_ns, const char *expected) {
    char text[CLOCK_TEXT_BYTES];
    clock_text(wall_ns, text);
    cr_assert_str_eq(text, expected);
}

Test(clock, text_is_rfc_3339_with_milliseconds) {
    expect_text(0, "1970-01-01T00:00:00.000Z");
    expect_text(UINT64_C(1709251199999999999), "2024-02-29T23:59:59.999Z");
    expect_text(UINT64_C(1767225600001000000), "2026-01-01T00:00:00.001Z");
    expect_text(UINT64_MAX, "2554-07-21T23:34:33.709Z");
}

Test(clock, monotonic_time_does_not_go_back) {
    uint64_t last = clock_monotonic_ns();
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now = clock_monotonic_ns();
        cr_assert_geq(now, last);
        last = now;
    }
}

Test(clock, wall_time_counts_from_1970_in_nanoseconds) {
    uint64_t year_2020_ns = UINT64_C(1577836800000000000);
    uint64_t year_2200_ns = UINT64_C(7258118400000000000);
    cr_assert_gt(clock_wall_ns(), year_2020_ns);
    cr_assert_lt(clock_wall_ns(), year_2200_ns);
}
