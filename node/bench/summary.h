/*
 * summary.h - a handful of values by their median and their ends. Any thread may call.
 */
#ifndef TROUPE_BENCH_SUMMARY_H
#define TROUPE_BENCH_SUMMARY_H

#include <stddef.h>

struct summary {
    double median, min, max;
    size_t count;
};

/* Sorts the values and returns their summary, all zero for none. The median of an even number is
 * the mean of the two in the middle. */
struct summary summary_of(double *values, size_t count);

#endif
