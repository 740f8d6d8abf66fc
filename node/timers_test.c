/* timers_test.c - earliest first, ties by setting, removal before and after firing. */
#include "node/timers.h"

#include <criterion/criterion.h>

TestSuite(timers, .timeout = 30);

static struct timers timers;
static struct timer set[8];

static bool add(int index, uint64_t deadline_ns) {
    set[index] = (struct timer){.id = (uint64_t)index, .message = message_new(0)};
    set[index].message->reference = (uint64_t)index;
    return timers_add(&timers, &set[index], deadline_ns);
}

static void expect_fired(uint64_t now_ns, uint32_t count, const uint64_t *references) {
    tr_message *out[8];
    cr_assert_eq(timers_fire(&timers, now_ns, out, 8), count);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(out[i]->reference, references[i]);
        cr_assert_null(set[references[i]].message, "a fired timer has handed its message over");
        message_free(out[i]);
    }
}

Test(timers, fire_in_the_order_of_deadlines_and_ties_in_the_order_of_setting) {
    timers_init(&timers);
    cr_assert(add(0, 30));
    cr_assert(add(1, 10), "the earliest is announced");
    cr_assert_not(add(2, 30));
    cr_assert_not(add(3, 20));
    cr_assert_eq(timers_next_ns(&timers), 10);
    expect_fired(9, 0, NULL);
    expect_fired(20, 2, (uint64_t[]){1, 3});
    cr_assert_eq(timers_next_ns(&timers), 30);
    expect_fired(100, 2, (uint64_t[]){0, 2});
    cr_assert_eq(timers_next_ns(&timers), UINT64_MAX);
    timers_fini(&timers);
}

Test(timers, one_that_is_removed_does_not_fire) {
    timers_init(&timers);
    add(0, 10);
    add(1, 20);
    timers_remove(&set[0]);
    cr_assert_eq(timers_next_ns(&timers), 20);
    message_free(set[0].message);
    expect_fired(100, 1, (uint64_t[]){1});
    timers_remove(&set[1]); /* fired: nothing to do */
    timers_fini(&timers);
}

Test(timers, no_more_fire_at_once_than_asked_for) {
    timers_init(&timers);
    for (int i = 0; i < 4; i++) add(i, 10);
    tr_message *out[3];
    cr_assert_eq(timers_fire(&timers, 10, out, 3), 3);
    for (int i = 0; i < 3; i++) message_free(out[i]);
    cr_assert_eq(timers_next_ns(&timers), 10);
    expect_fired(10, 1, (uint64_t[]){3});
    timers_fini(&timers);
}
