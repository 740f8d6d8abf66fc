/*
 * trio.h - a cluster of three nodes, each in a process of its own: this one and two children.
 */
#ifndef TROUPE_BENCH_TRIO_H
#define TROUPE_BENCH_TRIO_H

#include "node/bench/child.h"

enum { TRIO_NODES = 3 };

struct trio {
    struct workload_node here; /* the first node */
    struct child others[TRIO_NODES - 1];
};
extern const char *const trio_names[TRIO_NODES];

/* Starts the cluster, all nodes offering the role's behaviors. Errors are in `run->error`. */
tr_status trio_start(struct workload_run *run, const struct child_role *role,
                     struct trio *trio_out);
void trio_stop(struct trio *trio);

#endif
