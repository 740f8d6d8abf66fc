/*
 * worker.h - picks the next actor and runs it; steals when its own queue is empty.
 *
 * worker_step is a step function: threads call it in production (parking.h), the simulator calls it
 * in an order drawn from its seed. The actor that the running one woke last waits in `next` and
 * goes first, warm in the cache. Others take from a worker's queue only when it moves on too
 * slowly, and `next` only when its worker is stuck in a handler.
 */
#ifndef TROUPE_WORKER_H
#define TROUPE_WORKER_H

#include <stdbool.h>

#include "node/parking.h"
#include "node/runtime.h"

void worker_init(struct worker *worker, struct runtime *runtime, unsigned index);
void worker_fini(struct worker *worker);

/* Makes a scheduled actor run on this worker, the caller's own: next. */
static inline void worker_schedule(struct worker *worker, tr_actor *runnable) {
    tr_actor *displaced = next_slot_put(&worker->next, runnable);
    if (displaced != NULL) run_queue_push(&worker->queue, displaced);
    parking_notify(worker->producer.runtime, PARKING_QUEUED);
}

/* Runs one actor, if any is runnable; false when there is nothing to do here. `greedy`: also takes
 * what other workers would soon have run themselves. Online in the reclaim domain. */
bool worker_step(struct worker *worker, bool greedy);

/* The same right after another step; after a pause, worker_look comes first and reads the clock. */
bool worker_go_on(struct worker *worker, bool greedy);
void worker_look(struct worker *worker);
/* After worker_look: fires what is due and takes what others have woken. */
void worker_catch_up(struct worker *worker);

/* This worker, the caller's own, takes no turn at the core soon. */
static inline void worker_recall_core(struct worker *worker) {
    const struct runtime *runtime = worker->producer.runtime;
    worker->owes_turn = false;
    runtime->router->core_recall(runtime->router_context);
}

/* True when something waits besides the actor that this worker runs next. */
bool worker_leaves_some(const struct worker *worker);

/* True when worker_step(worker, greedy) would find something. */
bool worker_has_work(const struct worker *worker, bool greedy);

/* Takes over what has been waiting for another worker since this one last looked: it would wait
 * behind a long handler. True when there was any; it is in this worker's queue now. */
bool worker_rescue(struct worker *worker);

/* The earliest deadline of any timer of the node. */
uint64_t workers_next_ns(const struct runtime *runtime);

/* Starts a timer on this worker, `delay_ms` from now. */
void worker_add_timer(struct worker *worker, struct timer *timer, uint64_t delay_ms);

#endif
