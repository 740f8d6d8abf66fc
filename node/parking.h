/*
 * parking.h - the workers' threads: how they run, sleep and are woken, without polling when idle.
 *
 * A worker without work looks around for a short while, then parks. While any other worker is busy,
 * one parked worker stays a watcher: it sleeps at most until the next timer, or WATCH_NS while
 * another worker has an actor set aside to run next, so that a handler that runs for seconds delays
 * neither timers nor that actor. When all are idle all sleep without a limit but the next timer.
 */
#ifndef TROUPE_PARKING_H
#define TROUPE_PARKING_H

#include "node/runtime.h"

enum parking_event {
    PARKING_QUEUED, /* an actor that anybody may take */
    PARKING_NEXT,   /* an actor that its worker is about to run */
    PARKING_TIMER   /* an earlier deadline */
};

/* Something was made runnable: wakes a sleeper if nobody awake will find it. Any thread. */
void parking_notify(struct runtime *runtime, enum parking_event event);

/* Starts and joins the threads. Errors: TR_EIO no thread can be had. */
tr_status parking_start(struct runtime *runtime);
/* Waits until no worker has anything to do, at most a few seconds. */
void parking_drain(struct runtime *runtime);
void parking_stop(struct runtime *runtime);

#endif
