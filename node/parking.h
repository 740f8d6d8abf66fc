/*
 * parking.h - the workers' threads: how they run, sleep and are woken, without polling when idle.
 *
 * A worker without work looks around for a short while, then parks. While any other worker is busy,
 * one parked worker stays a watcher: it wakes up now and then to see whether what waits for the
 * busy ones moves on, so that a handler that runs for seconds delays neither timers nor other
 * actors. When all are idle all sleep, without a limit but the next timer.
 */
#ifndef TROUPE_PARKING_H
#define TROUPE_PARKING_H

#include "node/runtime.h"

enum parking_event {
    PARKING_INJECTED, /* work for whoever is free: woken from outside, or a crowded queue */
    PARKING_QUEUED,   /* an actor that its worker will run soon: somebody must watch that it does */
    PARKING_TIMER     /* an earlier deadline */
};

/* Something was made runnable: wakes a sleeper if nobody awake will see to it. Any thread. */
void parking_notify(struct runtime *runtime, enum parking_event event);

/* Starts and joins the threads. Errors: TR_EIO no thread can be had. */
tr_status parking_start(struct runtime *runtime);
/* Waits until no worker has anything to do, at most a few seconds. */
void parking_drain(struct runtime *runtime);
void parking_stop(struct runtime *runtime);

#endif
