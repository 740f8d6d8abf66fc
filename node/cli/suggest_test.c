/*
 * suggest_test.c - the word somebody probably meant.
 */
#include "node/cli/suggest.h"

#include <criterion/criterion.h>

TestSuite(suggest, .timeout = 10);

static const char *const commands[] = {"up", "down", "status", "snapshot", "spawn", NULL, "send"};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

Test(suggest, distance_counts_insertions_deletions_changes_and_swaps) {
    cr_assert_eq(suggest_distance("spawn", "spawn"), 0);
    cr_assert_eq(suggest_distance("spwan", "spawn"), 1);
    cr_assert_eq(suggest_distance("spaw", "spawn"), 1);
    cr_assert_eq(suggest_distance("spawnn", "spawn"), 1);
    cr_assert_eq(suggest_distance("", "up"), 2);
    cr_assert_eq(suggest_distance("SEND", "send"), 0);
}

Test(suggest, a_slip_finds_its_word) {
    cr_assert_str_eq(suggest_nearest("spwan", commands, COMMANDS), "spawn");
    cr_assert_str_eq(suggest_nearest("statsu", commands, COMMANDS), "status");
    cr_assert_str_eq(suggest_nearest("dwn", commands, COMMANDS), "down");
}

Test(suggest, a_beginning_finds_the_word_it_begins) {
    cr_assert_str_eq(suggest_nearest("snap", commands, COMMANDS), "snapshot");
}

Test(suggest, a_word_far_from_all_finds_none) {
    cr_assert_null(suggest_nearest("elephant", commands, COMMANDS));
    cr_assert_null(suggest_nearest("", commands, COMMANDS));
    cr_assert_null(suggest_nearest("x", commands, 0));
}

Test(suggest, words_longer_than_the_limit_are_compared_without_harm) {
    char word[300];
    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    cr_assert_null(suggest_nearest(word, commands, COMMANDS));
}
