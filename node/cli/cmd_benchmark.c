/*
 * cmd_benchmark.c - bench: runs of workloads, each in a process of its own, between two
 * calibrations.
 */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/memory.h"
#include "node/bench/calibration.h"
#include "node/bench/samples.h"
#include "node/bench/suite.h"
#include "node/bench/trial.h"
#include "node/cli/app.h"
#include "node/cli/commands.h"
#include "node/cli/interrupt.h"
#include "node/cli/rows.h"

enum { RUNS = 5, RUNS_MAX = 1000, WARMUPS = 1, WHOLE_FROM = 100000 };

static const struct output_column result_columns[] = {{"WORKLOAD", "workload", OUTPUT_VALUE},
                                                      {"METRIC", "metric", OUTPUT_VALUE},
                                                      {"UNIT", "unit", OUTPUT_VALUE},
                                                      {"MEDIAN", "median", OUTPUT_VALUE},
                                                      {"MIN", "min", OUTPUT_VALUE},
                                                      {"MAX", "max", OUTPUT_VALUE},
                                                      {"RUNS", "runs", OUTPUT_VALUE},
                                                      {"STATE", "state", OUTPUT_VALUE},
                                                      {0}};

static const struct output_column list_columns[] = {
    {"WORKLOAD", "workload", OUTPUT_VALUE}, {"MEASURES", "about", OUTPUT_VALUE}, {0}};

static const struct output_column calibration_columns[] = {
    {"STATE", "state", OUTPUT_VALUE},
    {"ONE WAY NS", "calibration_ns", OUTPUT_VALUE},
    {"LOOP NS", "loop_ns", OUTPUT_VALUE},
    {0}};

/* What the runs of one command share. */
struct bench {
    struct app *app;
    char *dir; /* temporary; each run has a folder in it */
    size_t runs, warmups;
    uint64_t limit_ms;
    int interrupt_fd;
    size_t started;
    struct rows rows;
};

/* ---- the temporary folder -------------------------------------------------------------------- */

static void remove_tree(char *path) {
    char *const paths[] = {path, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; walk != NULL && (entry = fts_read(walk)) != NULL;)
        if (entry->fts_info != FTS_D) (void)remove(entry->fts_path); /* folders when left */
    if (walk != NULL) fts_close(walk);
}

static tr_status make_folder(struct bench *bench) {
    const char *parent = getenv("TMPDIR");
    char *made =
        mem_format("%s/troupe-bench-XXXXXX", parent == NULL || *parent == '\0' ? "/tmp" : parent);
    char *whole = mkdtemp(made) == NULL ? NULL : realpath(made, NULL);
    tr_status status = TR_OK;
    if (whole != NULL)
        bench->dir = mem_strdup(whole);
    else
        status = failure_set(&bench->app->failure, TR_EIO, "set TMPDIR to a folder with room",
                             "no folder %s: %s", made, strerror(errno));
    free(whole);
    mem_free(made);
    return status;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static tr_status run_trial(struct bench *bench, const char *word, struct result *result_out) {
    char *dir = mem_format("%s/%zu", bench->dir, ++bench->started);
    struct trial_options options = {.workload = word,
                                    .dir = dir,
                                    .limit_ms = bench->limit_ms,
                                    .interrupt_fd = bench->interrupt_fd};
    tr_error *error = &bench->app->failure.error;
    tr_status status = TR_OK;
    if (mkdir(dir, 0700) != 0)
        status = failure_set(&bench->app->failure, TR_EIO, NULL, "no folder %s: %s", dir,
                             strerror(errno));
    if (status == TR_OK) status = trial_run(&options, result_out, error);
    /* Now, so that what one run leaves does not fill the disk for the next. */
    remove_tree(dir);
    mem_free(dir);
    return status;
}

static tr_status warm_up(struct bench *bench, const char *word) {
    tr_status status = TR_OK;
    struct result result;
    for (size_t i = 0; status == TR_OK && i < bench->warmups; i++) {
        output_progress(&bench->app->output, "%s: warming up %zu/%zu", word, i + 1, bench->warmups);
        status = run_trial(bench, word, &result);
    }
    return status;
}

static tr_status take_samples(struct bench *bench, const char *word, struct samples *samples) {
    tr_status status = warm_up(bench, word);
    struct calibration before = calibration_measure();
    while (status == TR_OK && samples_more(samples, bench->runs)) {
        struct result result;
        output_progress(&bench->app->output, "%s: run %zu, %zu/%zu done, %s (%.0f ns)", word,
                        samples->count + 1,
                        samples->count - samples_in_state(samples, MACHINE_MIXED), bench->runs,
                        calibration_state_name(before.state), before.cross_ns);
        status = run_trial(bench, word, &result);
        struct calibration after = calibration_measure();
        if (status == TR_OK) samples_add(samples, &before, &after, &result);
        before = after;
    }
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Large values are whole, so that tables show all of their digits. */
static json_t *value_json(double value) {
    return value < WHOLE_FROM ? json_real(value) : json_integer((json_int_t)(value + 0.5));
}

static void add_row(struct bench *bench, const char *word, const struct samples *samples,
                    const struct result_figure *figure) {
    enum machine_state state = samples_state(samples);
    struct summary summary = samples_metric(samples, state, figure->metric);
    const char *note = samples_first(samples, state)->result.note;
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:s, s:f, s:f}", "workload", word, "metric",
        figure->metric, "unit", figure->unit, "median", value_json(summary.median), "min",
        value_json(summary.min), "max", value_json(summary.max), "runs", (json_int_t)summary.count,
        "state", calibration_state_name(state), "calibration_ns",
        samples_cross_ns(samples, state).median, "loop_ns", samples_loop_ns(samples, state).median);
    if (*note != '\0') json_object_set_new(row, "note", json_string(note));
    rows_add(&bench->rows, row, 0);
    json_decref(row);
}

static void add_rows(struct bench *bench, const char *word, const struct samples *samples) {
    enum machine_state state = samples_state(samples);
    const struct result *first = &samples_first(samples, state)->result;
    size_t counted = samples_in_state(samples, state);
    for (size_t i = 0; i < first->figure_count; i++)
        add_row(bench, word, samples, &first->figures[i]);
    if (*first->note != '\0') output_note(&bench->app->output, "%s: %s", word, first->note);
    if (state == MACHINE_MIXED)
        output_note(&bench->app->output, "warning: %s: the machine changed during each run", word);
    else if (counted < samples->count)
        output_note(&bench->app->output, "%s: %zu of %zu runs were %s and count", word, counted,
                    samples->count, calibration_state_name(state));
}

static tr_status run_workload(struct bench *bench, const char *word) {
    struct samples samples = {0};
    tr_status status = take_samples(bench, word, &samples);
    if (status == TR_OK) add_rows(bench, word, &samples);
    samples_fini(&samples);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static tr_status run_words(struct bench *bench) {
    const struct args *args = bench->app->args;
    const struct workload *workload;
    tr_status status = TR_OK;
    for (size_t i = 0; status == TR_OK && i < args_word_count(args); i++)
        status = run_workload(bench, args_word(args, i));
    for (size_t i = 0; status == TR_OK && args_word_count(args) == 0; i++) {
        if ((workload = suite_at(i)) == NULL) break;
        status = run_workload(bench, workload->name);
    }
    return status;
}

/* Before anything runs, so that a slip of the pen costs no time. */
static tr_status check_words(struct app *app) {
    const struct workload *workload;
    uint64_t size;
    tr_status status = TR_OK;
    for (size_t i = 0; status == TR_OK && i < args_word_count(app->args); i++)
        status = suite_find(args_word(app->args, i), &workload, &size, &app->failure.error);
    uint64_t runs = args_count(app->args, "runs", RUNS);
    if (status == TR_OK &&
        (runs == 0 || runs > RUNS_MAX || args_count(app->args, "warmup", WARMUPS) > RUNS_MAX))
        status = failure_set(&app->failure, TR_EINVAL, NULL,
                             "--runs is a number from 1 to %d, --warmup from 0", RUNS_MAX);
    return status;
}

static tr_status print_list(struct app *app) {
    json_t *list = json_array();
    const struct workload *workload;
    for (size_t i = 0; (workload = suite_at(i)) != NULL; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "workload", workload->name, "about", workload->about));
    output_data(&app->output, "BenchList", list, list, list_columns);
    json_decref(list);
    return TR_OK;
}

static tr_status print_calibration(struct app *app) {
    struct calibration found = calibration_measure();
    json_t *data = json_pack("{s:s, s:f, s:f}", "state", calibration_state_name(found.state),
                             "calibration_ns", found.cross_ns, "loop_ns", found.loop_ns);
    output_data(&app->output, "BenchCalibration", data, data, calibration_columns);
    json_decref(data);
    return TR_OK;
}

static tr_status run_all(struct bench *bench) {
    struct app *app = bench->app;
    tr_status status = make_folder(bench);
    if (status != TR_OK) return status;
    bench->interrupt_fd = interrupt_begin();
    status = run_words(bench);
    /* Children are gone by now; the folder goes before the next signal may end the program. */
    remove_tree(bench->dir);
    interrupt_end(bench->interrupt_fd);
    mem_free(bench->dir);
    output_progress_end(&app->output);
    /* What was measured before a failure is worth showing, unless an error object is due. */
    if (status == TR_OK || (!app->output.json && bench->rows.count > 0))
        rows_print(&bench->rows, &app->output, "BenchResults", result_columns);
    return status;
}

tr_status cmd_bench(struct app *app) {
    if (args_has(app->args, "list")) return print_list(app);
    if (args_has(app->args, "calibrate")) return print_calibration(app);
    tr_status status = check_words(app);
    if (status != TR_OK) return status;
    struct bench bench = {.app = app,
                          .runs = args_count(app->args, "runs", RUNS),
                          .warmups = args_count(app->args, "warmup", WARMUPS),
                          .limit_ms = args_duration_ms(app->args, "timeout", APP_BENCH_MS)};
    status = run_all(&bench);
    rows_fini(&bench.rows);
    return status;
}
