/*
 * pair.h - two nodes in two processes, for the workloads between them: b1 here, b2 in a child.
 */
#ifndef TROUPE_BENCH_PAIR_H
#define TROUPE_BENCH_PAIR_H

#include "node/bench/child.h"

struct pair {
    struct workload_node here;
    struct child other;
};

/* Starts both in folders of their own below the run's and waits until actors can be spawned from
 * one on the other. The child has the role; `behaviors` are those of this node. Errors are in
 * `run->error`. */
tr_status pair_start(struct workload_run *run, tr_security security,
                     const tr_behavior *const *behaviors, const struct child_role *role,
                     struct pair *pair_out);
void pair_stop(struct pair *pair);

/* The most resident bytes that the process (0: this one) has had; 0 when that cannot be known. */
uint64_t pair_peak_bytes(pid_t process);

#endif
