/*
 * second.h - a second node in a process of its own, for the workloads between two nodes.
 *
 * The process is this very program again with the arguments `bench-node ...`: whoever links this
 * calls workload_child_main when argv[1] is WORKLOAD_CHILD. It speaks over its standard input and
 * output: "up" once it is a member, and, when its input ends, its peak of resident bytes. It dies
 * with its parent. One thread may use a pair of nodes.
 */
#ifndef TROUPE_BENCH_SECOND_H
#define TROUPE_BENCH_SECOND_H

#include <sys/types.h>

#include "node/bench/workload.h"

#define WORKLOAD_CHILD "bench-node"

/* What the second node offers, NULL at the end. */
extern const tr_behavior *const workload_child_behaviors[];

/* The second node's whole life; returns its exit code. */
int workload_child_main(int argc, char **argv);

/* Node b1 of this process with a port on it, and node b2 of the other. */
struct workload_pair {
    tr_node *node;
    tr_port *port;
    pid_t child;
    int channel; /* to the child's standard input and output */
};

/* Starts both in folders of their own below the run's and waits until they are up in one cluster.
 * Errors are in `run->error`. */
tr_status workload_pair_start(struct workload_run *run, tr_security security,
                              const tr_behavior *const *behaviors, struct workload_pair *pair_out);

/* Stops both; `*peak_out` gets the second node's peak of resident bytes, 0 when it did not say. */
void workload_pair_stop(struct workload_pair *pair, uint64_t *peak_out);

/* The peak of this process. */
uint64_t workload_peak_bytes(void);

#endif
