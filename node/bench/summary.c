/*
 * summary.c - sorting a few numbers.
 */
#include "node/bench/summary.h"

#include <stdlib.h>

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct summary summary_of(double *values, size_t count) {
    if (count == 0) return (struct summary){0};
    qsort(values, count, sizeof *values, compare);
    double upper = values[count / 2], lower = values[(count - 1) / 2];
    return (struct summary){.median = lower + (upper - lower) / 2,
                            .min = values[0],
                            .max = values[count - 1],
                            .count = count};
}
