/*
 * snapshot.c - how long a snapshot takes, and what it costs those who go on working: three nodes
 * in three processes on one machine.
 */
#include "node/bench/child.h"
#include "node/bench/crowd.h"
#include "node/bench/snapload.h"

const struct child_role child_roles_snapshot[] = {
    {"crowd", crowd_behaviors}, {"bank", tr_exported_behaviors}, {NULL, NULL}};

const struct workload workloads_snapshot[] = {
    {"snap_idle", "1,000,000 idle actors of 64 bytes over 3 nodes: seconds to the durable commit",
     crowd_run},
    {"snap_load", "a bank on 3 nodes at full load, with snapshots back to back and without",
     snapload_run},
    {NULL, NULL, NULL}};

const struct workload workloads_snapshot_scaling[] = {
    {"snap_actors", "SIZE idle actors of 64 bytes over 3 nodes: seconds to the durable commit",
     crowd_run},
    {"snap_states", "300 idle actors of SIZE bytes over 3 nodes: seconds to the durable commit",
     crowd_run_states},
    {NULL, NULL, NULL}};
