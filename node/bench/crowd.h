/*
 * crowd.h - many idle actors on three nodes, and how long one snapshot of them takes.
 */
#ifndef TROUPE_BENCH_CROWD_H
#define TROUPE_BENCH_CROWD_H

#include "node/bench/workload.h"

extern const tr_behavior *const crowd_behaviors[];

/* 1,000,000 actors with 64 bytes of state: `seconds` until the manifest is durable, `bytes`. */
tr_status crowd_run(struct workload_run *run);

/* The same for other sizes: seconds a snapshot takes while actors grow, and while states grow. */
tr_status crowd_run_scale(struct workload_run *run);

#endif
