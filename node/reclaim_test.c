/* reclaim_test.c - nothing is freed while a reader may hold it; everything is freed in the end. */
#include "node/reclaim.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"

TestSuite(reclaim, .timeout = 30);

static unsigned released;

static void release(struct reclaim_item *item) {
    released++;
    mem_free(item);
}

static void retire(struct reclaim_reader *reader, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        struct reclaim_item *item = mem_zalloc(1, sizeof *item);
        reclaim_retire(reader, item, release);
    }
}

/* Enough rounds for the domain to move on if it can. */
static void move_on(struct reclaim_reader *reader) {
    for (int i = 0; i < 6; i++) {
        retire(reader, 64);
        reclaim_quiesce(reader);
    }
}

Test(reclaim, what_was_retired_is_freed_after_all_have_moved_on) {
    struct reclaim *domain = reclaim_new();
    struct reclaim_reader one;
    reclaim_join(domain, &one);
    reclaim_online(&one);
    retire(&one, 1);
    cr_assert_eq(released, 0);
    move_on(&one);
    cr_assert_geq(released, 1);
    cr_assert_lt(released, 1 + 6 * 64, "the newest are kept");
    reclaim_offline(&one);
    reclaim_leave(&one);
    reclaim_free(domain);
    cr_assert_eq(released, 1 + 6 * 64);
}

Test(reclaim, an_online_reader_that_does_not_quiesce_holds_all_frees_up) {
    struct reclaim *domain = reclaim_new();
    struct reclaim_reader one, slow;
    reclaim_join(domain, &one);
    reclaim_join(domain, &slow);
    reclaim_online(&one);
    reclaim_online(&slow);
    move_on(&one);
    cr_assert_eq(released, 0);
    for (int i = 0; i < 4; i++) { /* it moves on: so does the domain, a step at a time */
        reclaim_quiesce(&slow);
        retire(&one, 64);
        reclaim_quiesce(&one);
    }
    cr_assert_gt(released, 0);
    reclaim_offline(&one);
    reclaim_offline(&slow);
    reclaim_leave(&one);
    reclaim_leave(&slow);
    reclaim_free(domain);
    cr_assert_eq(released, 10 * 64);
}

Test(reclaim, an_offline_reader_holds_nothing_up) {
    struct reclaim *domain = reclaim_new();
    struct reclaim_reader one, asleep;
    reclaim_join(domain, &one);
    reclaim_join(domain, &asleep);
    reclaim_online(&one);
    reclaim_online(&asleep);
    reclaim_offline(&asleep);
    move_on(&one);
    cr_assert_gt(released, 0);
    reclaim_offline(&one);
    reclaim_leave(&one);
    reclaim_leave(&asleep);
    reclaim_free(domain);
}

/* Its items may still be read by others: they must not be freed with it. */
Test(reclaim, a_reader_that_leaves_hands_its_items_to_the_domain) {
    struct reclaim *domain = reclaim_new();
    struct reclaim_reader one, other;
    reclaim_join(domain, &one);
    reclaim_join(domain, &other);
    reclaim_online(&one);
    reclaim_online(&other);
    retire(&one, 3);
    reclaim_offline(&one);
    reclaim_leave(&one);
    cr_assert_eq(released, 0);
    reclaim_offline(&other);
    reclaim_leave(&other);
    reclaim_free(domain);
    cr_assert_eq(released, 3);
}
