/*
 * workload.h - what a benchmark is: a program against <troupe.h> that reports figures.
 *
 * Each runs once in a fresh process, sets up, times what its name says, and reports. N, payload
 * and end condition of the local ones are those of the Savina suite (Imam and Sarkar, AGERE! 2014)
 * at the sizes that the programs of the peers use (cluster-tests/peers). Nothing here knows more
 * of troupe than a user does.
 */
#ifndef TROUPE_BENCH_WORKLOAD_H
#define TROUPE_BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

enum { WORKLOAD_FIGURES_MAX = 16, WORKLOAD_NOTE_BYTES = 160, WORKLOAD_WAIT_MS = 120000 };

/* Of ns, us, ms, s and bytes (B) less is better; of what ends in /s more is. Other units are told
 * and not compared. Neither text has a space in it. */
struct figure {
    const char *metric, *unit; /* static strings */
    double value;
};

/* One run. `dir` is an empty folder of its own; `size` is the number behind the workload's name on
 * the command line, "pairs:1000", 0 without one (suite.h). */
struct workload_run {
    const char *dir;
    uint64_t size;
    char note[WORKLOAD_NOTE_BYTES]; /* what the figures hang on; one line, may stay empty */
    struct figure figures[WORKLOAD_FIGURES_MAX];
    size_t figure_count;
    tr_error error; /* filled when the run fails */
};

struct workload {
    const char *name;
    const char *about; /* one line */
    tr_status (*run)(struct workload_run *run);
};

/* Each table ends with an entry whose name is NULL. */
extern const struct workload workloads_local[];    /* local.c: within one process */
extern const struct workload workloads_scaling[];  /* scaling.c: of any size */
extern const struct workload workloads_snapshot[]; /* snapshot.c: three processes, and a disk */
extern const struct workload workloads_snapshot_scaling[]; /* snapshot.c: of any size */
extern const struct workload workloads_remote[];           /* remote.c: between two */

/* Adds a figure. */
void workload_report(struct workload_run *run, const char *metric, const char *unit, double value);

/* Sets the note, made as by printf. */
void workload_note(struct workload_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Nanoseconds of the monotonic clock. */
uint64_t workload_now_ns(void);
/* Resident bytes of this process. */
uint64_t workload_resident_bytes(void);

/* Starts a single node with the behaviors offered, and a port on it. Errors are in `run->error`. */
struct workload_node {
    tr_node *node;
    tr_port *port;
};
tr_status workload_node_start(struct workload_run *run, const tr_behavior *const *behaviors,
                              struct workload_node *node_out);
/* The same with other options; name, folder, security and log level are set here. */
tr_status workload_node_start_with(struct workload_run *run, const tr_node_options *options,
                                   const tr_behavior *const *behaviors,
                                   struct workload_node *node_out);
void workload_node_stop(struct workload_node *node);

#endif
