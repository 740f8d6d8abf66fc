/*
 * sim.h - what the files of the simulator share: the run, its machines, its clock and its dice.
 *
 * A machine is a disk, an endpoint and, while it is up, a node. Whatever is being stepped is marked
 * busy, so that nothing is entered twice when an observer steps others in the middle of it.
 */
#ifndef TROUPE_CLUSTER_TESTS_SIM_H
#define TROUPE_CLUSTER_TESTS_SIM_H

#include "cluster-tests/simulator.h"
#include "node/base/random.h"
#include "node/node.h"
#include "node/storage_memory.h"
#include "node/observer.h"

enum { MACHINES_MAX = 7, WORKERS_MAX = 3 };

#define MILLISECOND UINT64_C(1000000)
#define SECOND (1000 * MILLISECOND)

struct oracle;
struct network;
struct sim;

/* One thing that the scheduler steps. */
struct unit {
    bool busy;           /* on the stack */
    uint64_t stalled_ns; /* does not run before */
};

struct machine {
    struct sim *sim;
    unsigned index;
    char name[16], endpoint[48];
    storage_memory *disk;
    bool disk_slow;
    uint64_t wall_offset_ns;
    random_state random; /* what the node draws */
    struct environment environment;
    struct observer observer;
    struct logger *logger;

    tr_node *node; /* NULL: down */
    unsigned lives;
    unsigned workers;
    bool hosts; /* its workers run */
    bool leaving;
    struct unit core, storage, port_unit, worker[WORKERS_MAX];
    uint64_t core_due_ns;
    bool core_woken;
    tr_port *port;
    uint64_t port_due_ns;
    uint64_t boot_ns; /* when a machine that is down starts again */
};

/* How this seed behaves; drawn once. */
struct profile {
    unsigned nest_one_in; /* an event is interrupted once in so many; 0: never */
    unsigned nest_depth;
    uint64_t delay_min_ns, delay_max_ns;
    unsigned stall_one_in;
    uint64_t stall_max_ns;
    uint64_t load_ns;
    uint64_t fault_gap_ns; /* mean time between faults; 0: none */
    bool resets, partitions, crashes, leaves, disks;
    uint64_t snapshot_gap_ns;
};

struct sim {
    uint64_t seed;
    bool verbose;
    random_state random;
    uint64_t now_ns;
    struct profile profile;
    unsigned machine_count;
    struct machine machines[MACHINES_MAX];
    struct network *network;
    struct oracle *oracle;
    unsigned depth;
    bool ending; /* the run is over: nothing nested any more */
    bool faults_on;
    uint64_t load_until_ns; /* virtual, monotonic */
    uint64_t fault_due_ns, snapshot_due_ns, heal_ns;
    unsigned snapshots_open;
    struct simulator_report *report;
    void (*failed)(struct simulator_report *report);
};

/* Ends the run with a violation. */
__attribute__((noreturn, format(printf, 2, 3))) void sim_fail(struct sim *sim, const char *format,
                                                              ...);
/* One line of the trace, when it is wanted. */
__attribute__((format(printf, 2, 3))) void sim_trace(const struct sim *sim, const char *format,
                                                     ...);

uint64_t sim_below(struct sim *sim, uint64_t bound);
/* True once in `count` draws; never when it is 0. */
bool sim_one_in(struct sim *sim, uint64_t count);
uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high);

/* Steps one thing that is not on the stack, if any can run. False: nothing can run now. */
bool sim_step(struct sim *sim);
/* Called by the observer after the oracle has seen an event: perhaps steps others, `often` rather
 * than not. */
void sim_interleave(struct sim *sim, bool often);
/* Runs until `done` says so or the virtual time is `until_ns`; returns what `done` said last. */
bool sim_run_until(struct sim *sim, uint64_t until_ns, bool (*done)(struct sim *sim));

/* ---- machine.c ------------------------------------------------------------------------------- */

void machine_init(struct machine *machine, struct sim *sim, unsigned index);
void machine_fini(struct machine *machine);
/* Starts a life of its node. */
void machine_boot(struct machine *machine);
/* The process dies; the disk keeps what `crash` says. */
void machine_crash(struct machine *machine, storage_crash crash);
/* True while the node is up and hosts actors. */
bool machine_is_up(const struct machine *machine);
void machine_step_core(struct machine *machine);
void machine_step_worker(struct machine *machine, unsigned index);
void machine_step_storage(struct machine *machine);
void machine_step_port(struct machine *machine);
/* Asks for a snapshot; the outcome goes to the oracle. */
void machine_snapshot(struct machine *machine, uint64_t timeout_ms);
/* Its earliest own deadline. */
uint64_t machine_next_ns(const struct machine *machine);

/* ---- faults.c -------------------------------------------------------------------------------- */

void faults_draw_profile(struct sim *sim);
/* Draws the next fault, when it is time. */
void faults_step(struct sim *sim);
/* Ends all faults: links heal, machines boot, disks have room. */
void faults_end(struct sim *sim);

#endif
