/*
 * sweep.h - idle actors turn, too, while everybody goes on working.
 *
 * When E has moved, an idle actor would turn only with its next message. The core opens a sweep
 * over all slots; workers take slices of it between the actors they run, wake whom they find idle
 * and let it turn in place. None of them stands in a run queue, so a million of them is before
 * nobody; a slice ends after so many slots or encoded bytes, so none waits longer for it than for
 * one turn. While the disk is far behind no slice is handed out: what idle actors add to the memory
 * in use is bounded however many there are.
 */
#ifndef TROUPE_SWEEP_H
#define TROUPE_SWEEP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/part_writer.h"

struct runtime;
struct worker;

/* Slots from `next` to before `end`. */
struct sweep_range {
    uint32_t next, end;
};

struct sweep {
    _Atomic bool active;   /* there is a slot whose actor may not have turned */
    _Atomic bool open;     /* slices are handed out; a hint, decided under the lock */
    pthread_mutex_t mutex; /* guards the rest; held for a few instructions a slice */
    uint64_t round;        /* grows with each sweep: slices of an earlier one are nobody's */
    uint64_t epoch;
    struct sweep_range left;
    struct sweep_range *returned; /* what was too big for one slice; at most one a worker */
    unsigned returned_count;
    unsigned running;  /* slices that are being walked */
    part_writer *part; /* whose backlog is watched; a reference; NULL: none */
    bool starved;      /* no slice until the disk has caught up */
};

void sweep_init(struct sweep *sweep, unsigned worker_count);
void sweep_fini(struct sweep *sweep);

/* ---- core thread ----------------------------------------------------------------------------- */

/* Begins a sweep of all actors older than `epoch`, in place of one that is under way. */
void sweep_begin(struct runtime *runtime, uint64_t epoch, part_writer *part);
/* Ends it before its time: who has not turned does so with its next message. */
void sweep_end(struct runtime *runtime);
/* Hands out slices again if the disk has caught up. */
void sweep_resume(struct runtime *runtime);

/* ---- workers --------------------------------------------------------------------------------- */

/* Walks one slice; false when there was none to take. */
bool sweep_step(struct worker *worker);

/* ---- any thread ------------------------------------------------------------------------------ */

static inline bool sweep_is_active(const struct sweep *sweep) {
    /* Sequentially consistent: see actor_turn. */
    return atomic_load(&sweep->active);
}

static inline bool sweep_is_open(const struct sweep *sweep) {
    /* Sequentially consistent: a worker's last look before it sleeps. */
    return atomic_load(&sweep->open);
}

#endif
