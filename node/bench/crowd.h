/*
 * crowd.h - many idle actors on three nodes, and how long one snapshot of them takes.
 */
#ifndef TROUPE_BENCH_CROWD_H
#define TROUPE_BENCH_CROWD_H

#include "node/bench/workload.h"

extern const tr_behavior *const crowd_behaviors[];

/* 1,000,000 actors, or `size`, with 64 bytes of state: `seconds` until the manifest is durable, and
 * `bytes` written. */
tr_status crowd_run(struct workload_run *run);

/* 300 actors with states of 64 KiB, or `size` bytes: the same figures. */
tr_status crowd_run_states(struct workload_run *run);

#endif
