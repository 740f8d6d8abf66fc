/*
 * suite.h - all workloads there are, and the processes that they start.
 *
 * Who adds a workload adds its table in suite.c, and nothing else: the list, help and parsing
 * follow from it. Workloads of the scaling tables take a size ("pairs:1000") and run only when
 * named. Any thread may call.
 */
#ifndef TROUPE_BENCH_SUITE_H
#define TROUPE_BENCH_SUITE_H

#include "node/bench/workload.h"

/* Returns the workload of a place, or NULL past the last; those that take a size are left out. */
const struct workload *suite_at(size_t index);

/* Finds the workload that `word`, NAME or NAME:SIZE, means. Errors: TR_EINVAL; the hint of
 * `*error` then names the nearest there is. */
tr_status suite_find(const char *word, const struct workload **workload_out, uint64_t *size_out,
                     tr_error *error);

/* The main function of a process that a workload or the runner starts by executing this program
 * again with `word` as its first argument; NULL when `word` is none of these. */
typedef int suite_main(int argc, char **argv);
suite_main *suite_hidden(const char *word);

#endif
