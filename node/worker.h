/*
 * worker.h - picks the next actor and runs it; steals when its own queue is empty.
 *
 * worker_step is a step function: threads call it in production (parking.h), the simulator calls it
 * in an order drawn from its seed. The actor that the running one woke last waits in `next` and
 * goes first, warm in the cache; a thief leaves it alone unless its worker has not moved on.
 */
#ifndef TROUPE_WORKER_H
#define TROUPE_WORKER_H

#include <stdbool.h>

#include "node/runtime.h"

void worker_init(struct worker *worker, struct runtime *runtime, unsigned index);
void worker_fini(struct worker *worker);

/* Runs one actor, if any is runnable; false when there is nothing to do here. `greedy`: also takes
 * what another worker was about to run next. Online in the reclaim domain. */
bool worker_step(struct worker *worker, bool greedy);

/* True when worker_step(worker, greedy) would find something. */
bool worker_has_work(const struct worker *worker, bool greedy);

/* Takes over what waits for workers that have handled nothing since this one last looked: it would
 * wait behind a long handler. True when there was any; it is in this worker's queue now. */
bool worker_rescue(struct worker *worker);

/* The earliest deadline of any timer of the node. */
uint64_t workers_next_ns(const struct runtime *runtime);

/* Starts a timer on this worker, `delay_ms` from now. */
void worker_add_timer(struct worker *worker, struct timer *timer, uint64_t delay_ms);

#endif
