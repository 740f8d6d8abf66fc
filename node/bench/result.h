/*
 * result.h - what one run of a workload came to, as text on its way from the run's process.
 *
 * Lines of a word and its value, closed by `end`: a process that died while writing has not
 * reported. No allocation is handed out; any thread may call.
 */
#ifndef TROUPE_BENCH_RESULT_H
#define TROUPE_BENCH_RESULT_H

#include <stdio.h>

#include "node/bench/workload.h"

enum { RESULT_WORD_BYTES = 48 };

struct result_figure {
    char metric[RESULT_WORD_BYTES], unit[RESULT_WORD_BYTES];
    double value;
};

struct result {
    struct result_figure figures[WORKLOAD_FIGURES_MAX];
    size_t figure_count;
    char note[WORKLOAD_NOTE_BYTES];
    tr_error error; /* status TR_OK: it went well */
};

/* Writes the figures of a run, or why it failed when `status` is not TR_OK. */
void result_write(const struct workload_run *run, tr_status status, FILE *out);

/* Reads what result_write wrote; false, with `*result_out` untouched, for anything else. */
bool result_read(const char *text, struct result *result_out);

/* Returns the value of a metric, or NULL when the run has not reported it. */
const double *result_value(const struct result *result, const char *metric);

#endif
