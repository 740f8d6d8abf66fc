/*
 * cmd_help.c - help, version, completion.
 */
#include <stdio.h>
#include <string.h>

#include "node/base/error.h"
#include "node/cli/app.h"
#include "node/cli/commands.h"
#include "node/cli/help.h"
#include "node/cli/suggest.h"

enum { WORDS_MAX = 128 };

static tr_status refuse(struct app *app, const char *word) {
    const char *words[WORDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < app->grammar->command_count && count < WORDS_MAX; i++) {
        const struct command *command = &app->grammar->commands[i];
        if (command->run != NULL)
            words[count++] = command->group == NULL ? command->name : command->group;
    }
    const char *nearest = suggest_nearest(word, words, count);
    failure_set(&app->failure, TR_EINVAL, "`troupe help` lists them", "there is no command `%s`",
                word);
    if (nearest != NULL) error_hint(&app->failure.error, "did you mean `%s`?", nearest);
    return TR_EINVAL;
}

tr_status cmd_help(struct app *app) {
    const char *first = args_word(app->args, 0), *second = args_word(app->args, 1);
    if (first == NULL) {
        help_overview(app->grammar, stdout);
        return TR_OK;
    }
    bool is_group = grammar_is_group(app->grammar, first);
    if (is_group && second == NULL && help_group(app->grammar, first, stdout)) return TR_OK;
    if (is_group && second == NULL)
        return failure_set(&app->failure, TR_ENOTSUP, "`troupe help` lists what there is",
                           "`%s` is not there yet", first);
    const struct command *command =
        grammar_find(app->grammar, is_group ? first : NULL, is_group ? second : first);
    if (command == NULL) return refuse(app, is_group ? second : first);
    if (command->run == NULL)
        return failure_set(&app->failure, TR_ENOTSUP, "`troupe help` lists what there is",
                           "`%s` is not there yet", command->name);
    help_command(app->grammar, command, stdout);
    return TR_OK;
}

tr_status cmd_version(struct app *app) {
    json_t *data = json_pack("{s:s}", "version", TR_VERSION);
    if (!output_json(&app->output, "Version", data)) puts("troupe " TR_VERSION);
    json_decref(data);
    return TR_OK;
}

tr_status cmd_completion(struct app *app) {
    const char *shell = args_word(app->args, 0);
    if (strcmp(shell, "bash") != 0)
        return failure_set(&app->failure, TR_EINVAL, "troupe completion bash",
                           "there is no completion for `%s`", shell);
    help_bash(app->grammar, stdout);
    return TR_OK;
}
