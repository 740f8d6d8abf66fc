/*
 * trial_process.c - the process that a run is: runs one workload and reports.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "node/base/error.h"
#include "node/bench/suite.h"
#include "node/bench/trial.h"

static tr_status run_workload(const char *word, struct workload_run *run) {
    const struct workload *workload = NULL;
    tr_status status = suite_find(word, &workload, &run->size, &run->error);
    return status == TR_OK ? workload->run(run) : status;
}

int trial_main(int argc, char **argv) {
    if (argc != 5) {
        fputs("error: `" TRIAL_WORD "` is started by `troupe bench` only\n", stderr);
        return EXIT_FAILURE;
    }
    struct workload_run run = {.dir = argv[3]};
    int fd = atoi(argv[4]);
    /* What a workload starts must not keep the pipe open. */
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return EXIT_FAILURE;
    FILE *out = fdopen(fd, "w");
    if (out == NULL) return EXIT_FAILURE;
    tr_status status = run_workload(argv[2], &run);
    result_write(&run, status, out);
    return fclose(out) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
