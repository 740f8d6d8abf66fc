#include "registry/detector.h"

#include <criterion/criterion.h>

TestSuite(detector, .timeout = 30);

static const uint64_t second_ns = UINT64_C(1000000000);

Test(detector, silence_is_judged_by_two_limits) {
    struct detector detector;
    detector_init(&detector, 3 * second_ns, 10 * second_ns, 0);
    cr_assert(detector_judge(&detector, 100 * second_ns, 103 * second_ns - 1) == VERDICT_ALIVE);
    cr_assert(detector_judge(&detector, 100 * second_ns, 103 * second_ns) == VERDICT_SUSPECT);
    cr_assert(detector_judge(&detector, 100 * second_ns, 110 * second_ns - 1) == VERDICT_SUSPECT);
    cr_assert(detector_judge(&detector, 100 * second_ns, 110 * second_ns) == VERDICT_DOWN);
    cr_assert(detector_judge(&detector, 100 * second_ns, 99 * second_ns) == VERDICT_ALIVE);
}

Test(detector, down_never_comes_before_suspect) {
    struct detector detector;
    detector_init(&detector, 3 * second_ns, second_ns, 0);
    cr_assert(detector_judge(&detector, 0, 2 * second_ns) == VERDICT_ALIVE);
    cr_assert(detector_judge(&detector, 0, 3 * second_ns) == VERDICT_DOWN);
}

Test(detector, a_tick_in_time_misses_nothing_and_a_late_one_what_was_late) {
    struct detector detector;
    detector_init(&detector, 3 * second_ns, 10 * second_ns, 0);
    uint64_t period_ns = detector.period_ns;
    cr_assert(period_ns == second_ns / 4);
    cr_assert(detector_tick(&detector, period_ns) == 0);
    cr_assert(detector_tick(&detector, 3 * period_ns) == 0);
    cr_assert(detector_tick(&detector, 3 * period_ns + 8 * second_ns) == 8 * second_ns - period_ns);
    cr_assert(detector_tick(&detector, 0) == 0, "a clock that goes back is no lateness");
}

Test(detector, short_limits_make_short_periods_but_not_too_short) {
    struct detector detector;
    detector_init(&detector, second_ns / 10, second_ns, 0);
    cr_assert(detector.period_ns == second_ns / 120);
    detector_init(&detector, 1, second_ns, 0);
    cr_assert(detector.period_ns == 5000000);
}
