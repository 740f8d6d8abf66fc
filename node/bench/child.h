/*
 * child.h - another node of a workload, in a process of its own: this same program, run again.
 *
 * The parent runs /proc/self/exe with hidden arguments, which main hands to child_main: it opens a
 * node that offers the role's behaviors, joins the parent's cluster, says so, and stays until the
 * parent lets go of it. A child ends with its parent however that ends. No wait is unbounded, and
 * none is a sleep: a child's news and its end are both seen on a pipe.
 */
#ifndef TROUPE_BENCH_CHILD_H
#define TROUPE_BENCH_CHILD_H

#include <sys/types.h>
#include <troupe.h>

#include "node/bench/workload.h"

#define CHILD_ARGUMENT "bench-node" /* argv[1] of a child */

/* What a child can be. Each table ends with an entry whose name is NULL. */
struct child_role {
    const char *name;
    const tr_behavior *const *behaviors; /* ends with NULL */
};
extern const struct child_role child_roles_snapshot[]; /* snapshot.c */
extern const struct child_role child_roles_remote[];   /* remote.c */

struct child_options {
    const char *role;
    const char *name; /* of the node */
    const char *dir;  /* of the node */
    const char *seed; /* endpoint of the cluster's first node; NAME@ENDPOINT with CURVE */
    tr_security security;
    const char *keys_dir; /* NULL: the node's own */
};

struct child {
    pid_t pid;
    int lifeline; /* the child stays as long as this is open */
    int news;     /* a line when it is up; its end closes it */
};

/* Starts a child and waits until its node is up in the cluster. Call from a thread that outlives
 * it: the child dies with that thread. Errors are in `run->error`. */
tr_status child_start(struct workload_run *run, const struct child_options *options,
                      struct child *child_out);
/* Lets the child stop its node, and ends it if that takes too long. */
void child_stop(struct child *child);

/* The child's main; returns its exit code. */
int child_main(int argc, char **argv);

#endif
