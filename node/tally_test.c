/* tally_test.c - how many were older, whatever the order in which colours were met. */
#include "node/tally.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/base/random.h"

TestSuite(tally, .timeout = 30);

Test(tally, a_lane_tells_older_from_fresh) {
    struct tally_lane lane;
    memset(&lane, 0, sizeof lane);
    for (int i = 0; i < 3; i++) tally_add(&lane, 0);
    tally_add(&lane, 5);
    tally_add(&lane, 0);
    cr_assert_eq(tally_older(&lane, 5), 4);
    cr_assert_eq(tally_fresh(&lane, 5), 1);
    cr_assert_eq(tally_older(&lane, 6), 5, "all are older than a colour not met yet");
    cr_assert_eq(tally_fresh(&lane, 6), 0);
}

Test(tally, after_any_history_the_newest_colour_is_told_exactly) {
    for (uint64_t seed = 1; seed < 200; seed++) {
        random_state random;
        random_seed(&random, seed);
        struct tally_lane lane;
        memset(&lane, 0, sizeof lane);
        uint64_t epoch = 0, older = 0, fresh = 0, all = 0;
        for (int i = 0; i < 300; i++) {
            if (random_below(&random, 50) == 0)
                epoch += 1 + random_below(&random, 3), older = all, fresh = 0;
            uint64_t colour =
                epoch == 0 || random_below(&random, 3) > 0 ? epoch : random_below(&random, epoch);
            tally_add(&lane, colour);
            all++;
            if (colour == epoch)
                fresh++;
            else
                older++;
            cr_assert_eq(tally_older(&lane, epoch), older);
            cr_assert_eq(tally_fresh(&lane, epoch), fresh);
        }
    }
}

Test(tally, a_new_session_starts_anew_and_an_old_one_is_counted_no_more) {
    struct tally_book *book = mem_zalloc(1, sizeof *book);
    tally_book_init(book);
    tally_count(book, TALLY_SENT, 3, 1, 0);
    tally_count(book, TALLY_SENT, 3, 1, 0);
    tally_count(book, TALLY_RECEIVED, 3, 1, 0);
    cr_assert_eq(tally_sum_older(book, TALLY_SENT, 3, 1, 9), 2);
    tally_count(book, TALLY_SENT, 3, 2, 0);
    cr_assert_eq(tally_sum_older(book, TALLY_SENT, 3, 2, 9), 1);
    cr_assert_eq(tally_sum_older(book, TALLY_RECEIVED, 3, 2, 9), 0, "every lane starts anew");
    cr_assert_eq(tally_sum_older(book, TALLY_SENT, 3, 1, 9), 0);
    tally_count(book, TALLY_SENT, 3, 1, 0);
    cr_assert_eq(tally_sum_older(book, TALLY_SENT, 3, 2, 9), 1);
    tally_book_fini(book);
    mem_free(book);
}

Test(tally, peers_do_not_mix_and_the_unknown_count_nothing) {
    struct tally_book *book = mem_zalloc(1, sizeof *book);
    tally_book_init(book);
    tally_count(book, TALLY_RECORDED, 1, 1, 7);
    tally_count(book, TALLY_RECORDED, 65535, 1, 7);
    tally_count(book, TALLY_RECORDED, 65535, 1, 7);
    cr_assert_eq(tally_sum_fresh(book, TALLY_RECORDED, 1, 1, 7), 1);
    cr_assert_eq(tally_sum_fresh(book, TALLY_RECORDED, 65535, 1, 7), 2);
    cr_assert_eq(tally_sum_fresh(book, TALLY_RECORDED, 2, 1, 7), 0);
    cr_assert_eq(tally_sum_older(book, TALLY_SENT, 2000, 1, 7), 0);
    tally_book_fini(book);
    mem_free(book);
}
