/*
 * samples.c - choosing a state, and summaries over its runs.
 */
#include "node/bench/samples.h"

#include "node/base/memory.h"

void samples_add(struct samples *samples, const struct calibration *before,
                 const struct calibration *after, const struct result *result) {
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity * 2 + 8;
        samples->items =
            mem_realloc_array(samples->items, samples->capacity, sizeof *samples->items);
    }
    samples->items[samples->count++] =
        (struct sample){.state = before->state == after->state ? before->state : MACHINE_MIXED,
                        .cross_ns = (before->cross_ns + after->cross_ns) / 2,
                        .loop_ns = (before->loop_ns + after->loop_ns) / 2,
                        .result = *result};
}

void samples_fini(struct samples *samples) {
    mem_free(samples->items);
    *samples = (struct samples){0};
}

size_t samples_in_state(const struct samples *samples, enum machine_state state) {
    size_t count = 0;
    for (size_t i = 0; i < samples->count; i++) count += samples->items[i].state == state;
    return count;
}

bool samples_more(const struct samples *samples, size_t wanted) {
    size_t steady = samples->count - samples_in_state(samples, MACHINE_MIXED);
    return steady < wanted && samples->count < 2 * wanted;
}

enum machine_state samples_state(const struct samples *samples) {
    enum machine_state most = MACHINE_MIXED;
    size_t most_count = 0;
    for (int state = 0; state < MACHINE_MIXED; state++) {
        size_t count = samples_in_state(samples, (enum machine_state)state);
        if (count > most_count) {
            most = (enum machine_state)state;
            most_count = count;
        }
    }
    return most;
}

const struct sample *samples_first(const struct samples *samples, enum machine_state state) {
    for (size_t i = 0; i < samples->count; i++)
        if (samples->items[i].state == state) return &samples->items[i];
    return NULL;
}

typedef const double *sample_value(const struct sample *sample, const char *metric);

static const double *metric_of(const struct sample *sample, const char *metric) {
    return result_value(&sample->result, metric);
}

static const double *cross_of(const struct sample *sample, const char *metric) {
    (void)metric;
    return &sample->cross_ns;
}

static const double *loop_of(const struct sample *sample, const char *metric) {
    (void)metric;
    return &sample->loop_ns;
}

static struct summary summarise(const struct samples *samples, enum machine_state state,
                                sample_value *value_of, const char *metric) {
    double *values = mem_zalloc(samples->count + 1, sizeof *values);
    size_t count = 0;
    for (size_t i = 0; i < samples->count; i++) {
        const struct sample *sample = &samples->items[i];
        const double *value = sample->state == state ? value_of(sample, metric) : NULL;
        if (value != NULL) values[count++] = *value;
    }
    struct summary summary = summary_of(values, count);
    mem_free(values);
    return summary;
}

struct summary samples_metric(const struct samples *samples, enum machine_state state,
                              const char *metric) {
    return summarise(samples, state, metric_of, metric);
}

struct summary samples_cross_ns(const struct samples *samples, enum machine_state state) {
    return summarise(samples, state, cross_of, NULL);
}

struct summary samples_loop_ns(const struct samples *samples, enum machine_state state) {
    return summarise(samples, state, loop_of, NULL);
}
