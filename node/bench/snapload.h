/*
 * snapload.h - what snapshots cost those who go on working: a bank on three nodes.
 */
#ifndef TROUPE_BENCH_SNAPLOAD_H
#define TROUPE_BENCH_SNAPLOAD_H

#include "node/bench/workload.h"

/* Transfers a second and the slowest of 100 answers, with snapshots back to back and without. */
tr_status snapload_run(struct workload_run *run);

#endif
