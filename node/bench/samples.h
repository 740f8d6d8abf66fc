/*
 * samples.h - the runs of one workload, and which of them are compared.
 *
 * A run counts for the state that the machine had before and after it; one during which the state
 * changed is mixed, and repeated. Figures are taken over the runs of one state only: the one that
 * most runs saw. Mixed runs are used only when there is nothing else. One thread.
 */
#ifndef TROUPE_BENCH_SAMPLES_H
#define TROUPE_BENCH_SAMPLES_H

#include "node/bench/calibration.h"
#include "node/bench/result.h"
#include "node/bench/summary.h"

struct sample {
    enum machine_state state;
    double cross_ns, loop_ns; /* means of before and after */
    struct result result;
};

/* A zeroed one is empty. */
struct samples {
    struct sample *items;
    size_t count, capacity;
};

/* Adds a run with what was measured around it. */
void samples_add(struct samples *samples, const struct calibration *before,
                 const struct calibration *after, const struct result *result);
void samples_fini(struct samples *samples);

/* Whether one more run is due, when `wanted` unmixed ones are asked for: mixed runs are repeated,
 * up to twice as many runs in all. */
bool samples_more(const struct samples *samples, size_t wanted);

size_t samples_in_state(const struct samples *samples, enum machine_state state);

/* The state whose runs count; near before far when both have as many. */
enum machine_state samples_state(const struct samples *samples);

/* The first run of that state, or NULL. */
const struct sample *samples_first(const struct samples *samples, enum machine_state state);

/* Summaries over the runs of a state: of a metric, and of the two calibrations. */
struct summary samples_metric(const struct samples *samples, enum machine_state state,
                              const char *metric);
struct summary samples_cross_ns(const struct samples *samples, enum machine_state state);
struct summary samples_loop_ns(const struct samples *samples, enum machine_state state);

#endif
