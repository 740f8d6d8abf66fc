/*
 * app.h - what every command is given: the line, the cluster's folder, the output, and room for a
 * failure.
 *
 * One exists per run of the program, made by main. One thread.
 */
#ifndef TROUPE_CLI_APP_H
#define TROUPE_CLI_APP_H

#include "node/cli/args.h"
#include "node/cli/failure.h"
#include "node/cli/folder.h"
#include "node/cli/output.h"

struct app {
    const struct grammar *grammar;
    const struct args *args;
    struct folder folder;
    struct output output;
    struct failure failure; /* of the command; its status is what the command returns */
};

/* Timeouts when --timeout is not given, in milliseconds. */
enum {
    APP_CALL_MS = 5000,
    APP_LAUNCH_MS = 30000,
    APP_STOP_MS = 30000,
    APP_SNAPSHOT_MS = 30000,
    APP_BENCH_MS = 300000, /* a run */
};

#endif
