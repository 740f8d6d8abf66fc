/*
 * trial.h - one run of a workload, in a process of its own.
 *
 * The process is this program again, with TRIAL_WORD before its arguments. It is the first of a
 * process group, so that what it starts itself ends with it, dies with its parent, and reports
 * through a pipe (result.h). What it prints goes to a file. Blocks; one thread.
 */
#ifndef TROUPE_BENCH_TRIAL_H
#define TROUPE_BENCH_TRIAL_H

#include "node/bench/result.h"

#define TRIAL_WORD "bench-run"

struct trial_options {
    const char *workload; /* NAME or NAME:SIZE */
    const char *dir;      /* an empty folder for the run */
    uint64_t limit_ms;    /* of the whole run */
    int interrupt_fd;     /* readable: give up */
};

/* Runs it to the end. Errors, with `*error` filled: what the workload itself failed with,
 * TR_ETIMEDOUT past the limit, TR_EINTR, TR_EFAILED when the process died, TR_EIO when it could not
 * be started. No process is left behind. */
tr_status trial_run(const struct trial_options *options, struct result *result_out,
                    tr_error *error);

/* The process's side: `PROGRAM bench-run WORKLOAD DIR FD`; the exit code. */
int trial_main(int argc, char **argv);

#endif
