/*
 * simulator.h - a whole cluster in one process, one thread and virtual time, from a seed.
 *
 * Each machine runs the very node of production (node_new with a driver, files and an environment
 * of the simulator's); a scheduler draws what runs next: a node's core, one of its workers, its
 * storage, its port, or the delivery of a frame; and, through the observer, what runs in the
 * middle of a handler. Faults are drawn too. The oracle (oracle.h) sees every event. One seed is
 * one run: the same program and seed give the same events at the same virtual times.
 */
#ifndef TROUPE_CLUSTER_TESTS_SIMULATOR_H
#define TROUPE_CLUSTER_TESTS_SIMULATOR_H

#include <stdbool.h>
#include <stdint.h>

enum { SIMULATOR_TEXT_BYTES = 512 };

/* What one run was; readable also when the run ended in the middle. */
struct simulator_report {
    uint64_t seed;
    uint64_t hash[2]; /* over every send, receive and record with its virtual time */
    uint64_t virtual_ns;
    uint64_t steps, nested_steps;
    uint64_t sends, receives, recorded_messages, dead_letters;
    uint32_t machines, committed, aborted;
    uint32_t resets, partitions, crashes, leaves, disk_faults;
    char violation[SIMULATOR_TEXT_BYTES]; /* "": none */
};

struct simulator_options {
    uint64_t seed;
    bool verbose; /* the nodes' logs and every event to stderr */
};

/* Runs one seed to its end. At the first violation `failed` is called, once, with the report; it
 * must not return (it leaves the process, or jumps). */
void simulator_run(const struct simulator_options *options, struct simulator_report *report,
                   void (*failed)(struct simulator_report *report));

#endif
