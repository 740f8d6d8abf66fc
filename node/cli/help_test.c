/*
 * help_test.c - help shows what there is, and nothing else.
 */
#include "node/cli/help.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "node/cli/grammar.h"
#include "node/cli/scratch_folder.h"

TestSuite(help, .timeout = 20);

static char *text;
static size_t bytes;

static FILE *begin(void) {
    return open_memstream(&text, &bytes);
}

Test(help, the_overview_lists_every_command_that_is_there_and_no_other) {
    const struct grammar *grammar = grammar_troupe();
    FILE *out = begin();
    help_overview(grammar, out);
    fclose(out);
    for (size_t i = 0; i < grammar->command_count; i++) {
        const struct command *command = &grammar->commands[i];
        char line[64];
        snprintf(line, sizeof line, "\n  %s%s%s", command->group == NULL ? "" : command->group,
                 command->group == NULL ? "" : " ", command->name);
        cr_expect_eq(strstr(text, line) != NULL, command->run != NULL, "%s", line);
    }
    free(text);
}

Test(help, a_command_begins_with_its_examples_and_hides_what_is_not_there_yet) {
    const struct grammar *grammar = grammar_troupe();
    FILE *out = begin();
    help_command(grammar, grammar_find(grammar, NULL, "up"), out);
    fclose(out);
    cr_assert_eq(strncmp(text, "Examples:\n  troupe up 3", 23), 0);
    cr_assert_not_null(strstr(text, "--load FILE.so"));
    cr_assert_null(strstr(text, "--restore"));
    cr_assert_null(strstr(text, "checkpoint"));
    free(text);
}

Test(help, no_line_is_wider_than_the_page_nor_ends_in_a_space) {
    const struct grammar *grammar = grammar_troupe();
    FILE *out = begin();
    help_overview(grammar, out);
    for (size_t i = 0; i < grammar->command_count; i++)
        if (grammar->commands[i].run != NULL) help_command(grammar, &grammar->commands[i], out);
    fclose(out);
    for (char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        cr_expect_leq(length, 100, "%.*s", (int)length, line);
        cr_expect(length == 0 || line[length - 1] != ' ', "'%.*s'", (int)length, line);
        line += length + (line[length] == '\n');
    }
    free(text);
}

/* The script is run by bash itself, with a line half written. */
Test(help, bash_completes_commands_and_flags_from_the_script) {
    char folder[SCRATCH_FOLDER_BYTES], command[128];
    scratch_folder_make(folder);
    snprintf(command, sizeof command, "%s/script", folder);
    FILE *out = fopen(command, "w");
    help_bash(grammar_troupe(), out);
    fputs(
        "\ntry() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _troupe; "
        "echo \"${COMPREPLY[*]}\"; }\n"
        "[[ $(try troupe sta) == status ]] || exit 1\n"
        "[[ $(try troupe node l) == list ]] || exit 2\n"
        "[[ $(try troupe up --lo) == --load ]] || exit 3\n"
        "[[ $(try troupe spawn account --cou) == --count ]] || exit 4\n"
        "[[ $(try troupe beh) == behavior ]] || exit 6\n"
        "[[ $(try troupe bench --ru) == --runs ]] || exit 7\n"
        "troupe() { printf 'pingpong  two actors\\nbig  many\\n'; }\n"
        "[[ $(try troupe bench pi) == pingpong ]] || exit 8\n"
        "[[ $(try troupe bench pingpong b) == big ]] || exit 9\n",
        out);
    fclose(out);
    snprintf(command, sizeof command, "bash %s/script", folder);
    cr_assert_eq(system(command), 0);
    scratch_folder_remove(folder);
}
