/*
 * launch_test.c - learning from a daemon how far it has come. The daemons are small shell scripts.
 */
#include "node/cli/launch.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/memory.h"
#include "node/cli/scratch_folder.h"

TestSuite(launch, .timeout = 30);

static char folder[SCRATCH_FOLDER_BYTES];
static struct failure failure;

/* A program that does this; $4 is the descriptor of --ready-fd. */
static char *script(const char *body) {
    scratch_folder_make(folder);
    char *path = mem_format("%s/daemon", folder);
    FILE *out = fopen(path, "w");
    fprintf(out, "#!/bin/bash\n%s\n", body);
    fclose(out);
    cr_assert_eq(chmod(path, 0700), 0);
    return path;
}

static struct launch *start(const char *body) {
    char *program = script(body);
    struct launch *launch = NULL;
    struct launch_options options = {.program = program, .folder = folder, .name = "n1"};
    cr_assert_eq(launch_start(&options, &launch, &failure), TR_OK, "%s", failure.error.message);
    mem_free(program);
    return launch;
}

static void end(struct launch *launch, uint64_t grace_ms) {
    launch_abandon(&launch, 1, grace_ms);
    scratch_folder_remove(folder);
}

#define BOUND                                                                                  \
    "echo '{\"name\":\"n1\",\"endpoint\":\"tcp://127.0.0.1:7\",\"control\":\"x\",\"pid\":1}' " \
    ">&$4\n"

Test(launch, a_daemon_is_bound_and_then_up) {
    struct launch *launch = start(BOUND "echo up >&$4\nexec {ready}>&-\nexec sleep 60 4>&-");
    cr_assert_eq(launch_wait(&launch, 1, LAUNCH_BOUND, 20000, -1, NULL, NULL, &failure), TR_OK,
                 "%s", failure.error.message);
    cr_assert_str_eq(launch_endpoint(launch), "tcp://127.0.0.1:7");
    cr_assert_eq(launch_wait(&launch, 1, LAUNCH_UP, 20000, -1, NULL, NULL, &failure), TR_OK);
    end(launch, 5000);
}

Test(launch, a_daemon_that_fails_is_quoted_with_its_exit_code) {
    struct launch *launch = start(
        "echo old >&2\nprintf 'trouped: error: bad.so is damaged\\n  fix: build it again\\n' "
        ">&2\nexit 65");
    cr_assert_eq(launch_wait(&launch, 1, LAUNCH_UP, 20000, -1, NULL, NULL, &failure), TR_EDATA);
    cr_assert_eq(launch_exit_code(launch), 65);
    cr_assert_str_eq(failure.error.message, "node n1: bad.so is damaged");
    cr_assert_str_eq(failure.error.hint, "build it again");
    end(launch, 5000);
}

Test(launch, a_daemon_that_dies_silently_is_named) {
    struct launch *launch = start(BOUND "kill -9 $$");
    cr_assert_eq(launch_wait(&launch, 1, LAUNCH_UP, 20000, -1, NULL, NULL, &failure), TR_EINTERNAL);
    cr_assert_not_null(strstr(failure.error.message, "node n1 ended with exit code 137"), "%s",
                       failure.error.message);
    end(launch, 5000);
}

Test(launch, the_missing_are_named_when_the_time_is_over) {
    struct launch *launch = start(BOUND "sleep 60");
    cr_assert_eq(launch_wait(&launch, 1, LAUNCH_BOUND, 20000, -1, NULL, NULL, &failure), TR_OK);
    cr_assert_eq(launch_wait(&launch, 1, LAUNCH_UP, 50, -1, NULL, NULL, &failure), TR_ETIMEDOUT);
    cr_assert_not_null(strstr(failure.error.message, "n1"));
    end(launch, 100);
}

Test(launch, garbage_on_the_pipe_is_not_believed) {
    struct launch *launch =
        start("echo '{\"endpoint\": 7}' >&$4\necho upup >&$4\nprintf '\\377\\n' >&$4\nexit 3");
    cr_assert_neq(launch_wait(&launch, 1, LAUNCH_BOUND, 20000, -1, NULL, NULL, &failure), TR_OK);
    cr_assert_null(launch_endpoint(launch));
    end(launch, 5000);
}

Test(launch, an_interrupt_ends_the_waiting) {
    int ends[2];
    struct launch *launch = start("sleep 60");
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    cr_assert_eq(launch_wait(&launch, 1, LAUNCH_UP, 20000, ends[0], NULL, NULL, &failure),
                 TR_EINTR);
    end(launch, 100);
}

Test(launch, settings_in_the_environment_do_not_reach_the_daemon) {
    setenv("TROUPED_NAME", "intruder", 1);
    setenv("TROUPE_BUILD", "kept", 1);
    struct launch *launch = start(
        "printf 'trouped: error: %s %s\\n' \"${TROUPED_NAME-none}\" \"$TROUPE_BUILD\" >&2; exit "
        "78");
    cr_assert_eq(launch_wait(&launch, 1, LAUNCH_UP, 20000, -1, NULL, NULL, &failure), TR_ECONFIG);
    cr_assert_str_eq(failure.error.message, "node n1: none kept");
    end(launch, 5000);
}

Test(launch, a_program_that_is_not_there_is_refused) {
    struct launch *launch = NULL;
    struct launch_options options = {
        .program = "/nonexistent/trouped", .folder = "/tmp", .name = "n1"};
    cr_assert_eq(launch_start(&options, &launch, &failure), TR_ENOENT);
    cr_assert_null(launch);
}
