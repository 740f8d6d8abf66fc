/*
 * troupe_main.c - the control program: parses the line, runs the command, prints what failed.
 *
 * The commands are in node/cli, described by one table (grammar.c). Exit codes follow from statuses
 * (failure.h); INT and TERM end the program with 130.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <troupe.h>
#include <unistd.h>

#include "node/bench/suite.h"
#include "node/cli/app.h"
#include "node/cli/commands.h"
#include "node/cli/grammar.h"
#include "node/cli/help.h"
#include "node/cli/interrupt.h"

enum { WATCH_MS = 2000 };

static void sleep_ms(uint64_t ms) {
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static bool needs_folder(const struct command *command) {
    return command->run != cmd_help && command->run != cmd_completion &&
           command->run != cmd_version && command->run != cmd_bench;
}

/* The reader of stdout has gone: `troupe logs | head`. */
static bool pipe_is_closed(void) {
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

static tr_status run_once(struct app *app, const struct command *command) {
    /* `up --name` names the cluster, and so its folder. */
    const char *cluster = command->run == cmd_up ? args_text(app->args, "name") : NULL;
    tr_status status = TR_OK;
    app->failure = (struct failure){0};
    if (needs_folder(command))
        status = folder_open(&app->folder, app->args, cluster, &app->failure);
    if (status == TR_OK) status = command->run(app);
    if (needs_folder(command)) folder_close(&app->folder);
    /* Nobody sees what could not be written; a closed pipe is no failure of the command. */
    bool written = output_flush() || pipe_is_closed();
    if (!written && status == TR_OK && isatty(STDOUT_FILENO) == 0)
        status = failure_set(&app->failure, TR_EIO, NULL, "stdout cannot be written");
    return status;
}

/* Again and again, until it fails or is interrupted. */
static tr_status watch(struct app *app, const struct command *command) {
    uint64_t every_ms = args_duration_ms(app->args, "watch", WATCH_MS);
    for (;;) {
        if (isatty(STDOUT_FILENO) == 1 && !app->output.json) fputs("\033[H\033[2J", stdout);
        tr_status status = run_once(app, command);
        if (status != TR_OK) return status;
        sleep_ms(every_ms);
    }
}

static tr_status run(struct app *app) {
    const struct command *command = args_command(app->args);
    if (args_has(app->args, "version")) {
        return cmd_version(app);
    }
    if (args_has(app->args, "help")) {
        const char *group = args_group(app->args);
        if (command != NULL && command->run != NULL)
            help_command(app->grammar, command, stdout);
        else if (group == NULL || !help_group(app->grammar, group, stdout))
            help_overview(app->grammar, stdout);
        return TR_OK;
    }
    if (command == NULL) {
        help_overview(app->grammar, stderr);
        return failure_set(&app->failure, TR_EINVAL, NULL, "no command is given");
    }
    return args_has(app->args, "watch") ? watch(app, command) : run_once(app, command);
}

int main(int argc, char **argv) {
    /* Benchmarks start further processes of this program. */
    suite_main *hidden = argc > 1 ? suite_hidden(argv[1]) : NULL;
    if (hidden != NULL) return hidden(argc, argv);

    struct app app = {.grammar = grammar_troupe()};
    struct args *args = NULL;
    signal(SIGPIPE, SIG_IGN);
    interrupt_exit();
    tr_status status = args_parse(app.grammar, argc, argv, &args, &app.failure.error);
    app.args = args;
    output_init(&app.output, args);
    if (status == TR_OK) status = run(&app);
    if (status != TR_OK) {
        app.failure.error.status = status;
        output_failure(&app.output, &app.failure);
    }
    args_free(args);
    (void)output_flush();
    return failure_exit_code(status);
}
