/*
 * args_test.c - command lines against a small grammar of the test's own.
 */
#include "node/cli/args.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "node/cli/grammar.h"

TestSuite(args, .timeout = 10);

static tr_status nothing(struct app *app) {
    (void)app;
    return TR_OK;
}

static const struct flag globals[] = {
    {"output", 'o', false, false, FLAG_CHOICE, "table|json", "TEST_OUTPUT", "x"},
    {"timeout", 0, false, false, FLAG_DURATION, "TIME", "TEST_TIMEOUT", "x"},
    {"watch", 0, false, false, FLAG_DURATION_OPT, "TIME", NULL, "x"},
    {"help", 'h', false, false, FLAG_SWITCH, NULL, NULL, "x"},
    {0},
};

static const struct flag spawn_flags[] = {
    {"load", 'l', true, false, FLAG_TEXT, "FILE", NULL, "x"},
    {"count", 'c', false, false, FLAG_COUNT, "N", NULL, "x"},
    {"restore", 0, false, true, FLAG_TEXT, "ID", NULL, NULL},
    {0},
};

static const struct command commands[] = {
    {NULL, "spawn", "BEHAVIOR [JSON]", "x", "x\n", NULL, spawn_flags, nothing},
    {NULL, "status", "", "x", "x\n", NULL, NULL, nothing},
    {"node", "list", "", "x", "x\n", NULL, NULL, nothing},
    {"node", "sum", "ID FIELD...", "x", "x\n", NULL, NULL, nothing},
    {NULL, "top", "", NULL, NULL, NULL, NULL, NULL},
};

static const struct grammar grammar = {commands, sizeof commands / sizeof commands[0], globals};

static tr_error error;
static struct args *args;

/* Parses the words; the result is in `args`. */
static tr_status parse(const char *const *words) {
    char *argv[16] = {(char *)"troupe"};
    static char *kept[16];
    int argc = 1;
    for (; *words != NULL; words++) argv[argc++] = (char *)*words;
    memcpy(kept, argv, sizeof kept);
    memset(&error, 0, sizeof error);
    return args_parse(&grammar, argc, kept, &args, &error);
}

#define LINE(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(args, words_and_flags_may_stand_in_any_order) {
    cr_assert_eq(parse(LINE("-o", "json", "spawn", "--count=3", "account", "--load", "a.so", "{}",
                            "-lb.so")),
                 TR_OK, "%s", error.message);
    cr_assert_str_eq(args_command(args)->name, "spawn");
    cr_assert_str_eq(args_word(args, 0), "account");
    cr_assert_str_eq(args_word(args, 1), "{}");
    cr_assert_null(args_word(args, 2));
    cr_assert_eq(args_word_count(args), 2);
    cr_assert_eq(args_count(args, "count", 1), 3);
    cr_assert_str_eq(args_text(args, "output"), "json");
    size_t cursor = 0;
    cr_assert_str_eq(args_next(args, "load", &cursor), "a.so");
    cr_assert_str_eq(args_next(args, "load", &cursor), "b.so");
    cr_assert_null(args_next(args, "load", &cursor));
    args_free(args);
}

Test(args, a_lone_dash_is_a_word_and_two_end_the_flags) {
    cr_assert_eq(parse(LINE("spawn", "-", "--", "--count")), TR_OK, "%s", error.message);
    cr_assert_str_eq(args_word(args, 0), "-");
    cr_assert_str_eq(args_word(args, 1), "--count");
    cr_assert_not(args_has(args, "count"));
    args_free(args);
}

Test(args, a_command_of_a_group_is_found) {
    cr_assert_eq(parse(LINE("node", "list")), TR_OK);
    cr_assert_str_eq(args_command(args)->group, "node");
    args_free(args);
    cr_assert_eq(parse(LINE("node")), TR_EINVAL);
    cr_assert_str_eq(args_group(args), "node");
    args_free(args);
    cr_assert_eq(parse(LINE("node", "--help")), TR_OK, "help on a group is no error");
    args_free(args);
}

static void expect_refused(const char *const *words, tr_status status, const char *message,
                           const char *hint) {
    cr_expect_eq(parse(words), status, "%s", error.message);
    cr_expect_not_null(strstr(error.message, message), "message: %s", error.message);
    cr_expect_not_null(strstr(error.hint, hint), "hint: %s", error.hint);
    args_free(args);
}

Test(args, an_unknown_word_suggests_the_nearest) {
    expect_refused(LINE("spwan", "x"), TR_EINVAL, "unknown command `spwan`", "`spawn`");
    expect_refused(LINE("node", "lits"), TR_EINVAL, "unknown command `node lits`", "`list`");
    expect_refused(LINE("spawn", "x", "--cuont", "3"), TR_EINVAL, "unknown flag `--cuont`",
                   "`--count`");
    expect_refused(LINE("spawn", "x", "-z"), TR_EINVAL, "unknown flag `-z`", "troupe help");
}

Test(args, what_is_not_there_yet_says_so) {
    expect_refused(LINE("top"), TR_ENOTSUP, "`troupe top` is not there yet", "");
    expect_refused(LINE("top", "any", "words"), TR_ENOTSUP, "not there yet", "");
    expect_refused(LINE("spawn", "x", "--restore", "s1"), TR_ENOTSUP, "--restore is not there yet",
                   "");
}

Test(args, words_are_counted) {
    expect_refused(LINE("spawn"), TR_EINVAL, "needs BEHAVIOR [JSON]",
                   "usage: troupe spawn BEHAVIOR [JSON]");
    expect_refused(LINE("spawn", "a", "b", "c"), TR_EINVAL, "one word too many: `c`", "usage");
    expect_refused(LINE("status", "x"), TR_EINVAL, "one word too many: `x`",
                   "usage: troupe status");
    expect_refused(LINE("node", "sum", "s1"), TR_EINVAL, "needs ID FIELD...", "usage");
    cr_assert_eq(parse(LINE("node", "sum", "s1", "a", "b", "c", "d")), TR_OK);
    cr_assert_eq(args_word_count(args), 5);
    args_free(args);
}

Test(args, values_are_checked_while_parsing) {
    expect_refused(LINE("spawn", "x", "--count", "three"), TR_EINVAL,
                   "--count: `three` is no whole number", "");
    expect_refused(LINE("spawn", "x", "--count", "-3"), TR_EINVAL, "is no whole number", "");
    expect_refused(LINE("spawn", "x", "--count", "99999999999999999999"), TR_EINVAL,
                   "is no whole number", "");
    expect_refused(LINE("spawn", "x", "--timeout", "soon"), TR_EINVAL,
                   "--timeout: `soon` is no duration", "200ms");
    expect_refused(LINE("spawn", "x", "-o", "xml"), TR_EINVAL, "none of table|json", "");
    expect_refused(LINE("spawn", "x", "-o", "tab"), TR_EINVAL, "none of table|json", "");
    expect_refused(LINE("spawn", "x", "--count"), TR_EINVAL, "--count needs a value", "");
    expect_refused(LINE("status", "--help=yes"), TR_EINVAL, "--help takes no value", "");
}

Test(args, flags_behind_an_error_are_still_understood) {
    cr_assert_eq(parse(LINE("spwan", "-o", "json")), TR_EINVAL);
    cr_assert_str_eq(args_text(args, "output"), "json");
    args_free(args);
}

Test(args, a_flag_beats_its_variable_beats_the_default) {
    cr_assert_eq(parse(LINE("status")), TR_OK);
    cr_assert_eq(args_duration_ms(args, "timeout", 7), 7);
    args_free(args);
    setenv("TEST_TIMEOUT", "2s", 1);
    cr_assert_eq(parse(LINE("status")), TR_OK);
    cr_assert_eq(args_duration_ms(args, "timeout", 7), 2000);
    args_free(args);
    cr_assert_eq(parse(LINE("status", "--timeout", "3s")), TR_OK);
    cr_assert_eq(args_duration_ms(args, "timeout", 7), 3000);
    args_free(args);
    setenv("TEST_TIMEOUT", "soon", 1);
    expect_refused(LINE("status"), TR_EINVAL, "$TEST_TIMEOUT: `soon` is no duration", "");
}

Test(args, watch_takes_its_time_only_behind_an_equals_sign) {
    cr_assert_eq(parse(LINE("spawn", "--watch", "account")), TR_OK);
    cr_assert(args_has(args, "watch"));
    cr_assert_eq(args_duration_ms(args, "watch", 2000), 2000);
    cr_assert_str_eq(args_word(args, 0), "account");
    args_free(args);
    cr_assert_eq(parse(LINE("status", "--watch=500ms")), TR_OK);
    cr_assert_eq(args_duration_ms(args, "watch", 2000), 500);
    args_free(args);
}

/* The program's own table. */

Test(args, every_command_that_is_there_has_words_of_help) {
    const struct grammar *troupe = grammar_troupe();
    for (size_t i = 0; i < troupe->command_count; i++) {
        const struct command *command = &troupe->commands[i];
        cr_expect_not_null(command->arguments, "%s", command->name);
        if (command->run == NULL) continue;
        cr_expect_not_null(command->summary, "%s", command->name);
        cr_expect_not_null(command->examples, "%s", command->name);
        cr_expect_eq(strncmp(command->examples, "troupe ", 7) != 0 &&
                         strstr(command->examples, "troupe") == NULL,
                     0, "examples of %s are command lines", command->name);
    }
}

Test(args, no_flag_of_a_command_hides_a_global_one) {
    const struct grammar *troupe = grammar_troupe();
    for (size_t i = 0; i < troupe->command_count; i++)
        for (const struct flag *own = troupe->commands[i].flags; own != NULL && own->name != NULL;
             own++)
            for (const struct flag *all = troupe->flags; all->name != NULL; all++) {
                cr_expect_str_neq(own->name, all->name);
                cr_expect(own->letter == 0 || own->letter != all->letter, "-%c of --%s",
                          own->letter, own->name);
            }
}
