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

#include "node/base/barrier.h"
#include "node/runtime.h"

enum parking_event {
    PARKING_INJECTED, /* work for whoever is free: woken from outside, or a crowded queue */
    PARKING_QUEUED,   /* an actor that its worker, the caller, will run soon: somebody must watch
                         that it does */
    PARKING_TIMER     /* an earlier deadline */
};

/* The part of the threads that others look at. */
struct parking_counts {
    _Atomic uint32_t asleep;   /* workers in futex wait */
    _Atomic uint32_t watching; /* of those, the watchers; and workers that look around */
    _Atomic uint32_t looking;  /* workers that look around, */
    _Atomic uint32_t turning;  /* and among these, those that would take turns at the core */
};

/* Wakes a sleeper unless somebody awake will see to the event; the slow half of parking_notify. */
void parking_wake(struct runtime *runtime, enum parking_event event);

/* Something was made runnable. Any thread. */
static inline void parking_notify(struct runtime *runtime, enum parking_event event) {
    if (runtime->parking == NULL) return;
    /* Dekker with those that leave off looking (parking.c): what was made runnable is published
     * before this barrier, they announce it before theirs and look once more after it. One sees the
     * other. Theirs is a heavy one only while workers are busy, whose sends are the frequent side.
     */
    if (event == PARKING_QUEUED)
        barrier_light();
    else
        atomic_thread_fence(memory_order_seq_cst);
    /* `asleep` is what struct parking begins with. */
    const struct parking_counts *counts = (const struct parking_counts *)(void *)runtime->parking;
    if (atomic_load_explicit(&counts->asleep, memory_order_relaxed) != 0)
        parking_wake(runtime, event);
}

/* Whether a sleeper other than this worker wakes up by that time, and will see what timers run
 * then. Dekker with park(), all sequentially consistent: who has entered a timer before finds here
 * that a sleeper has not been woken yet, or the sleeper finds the timer. */
bool parking_wakes_by(const struct worker *worker, uint64_t time_ns);
/* Whether a worker looks around that would take turns at the core (core.h); any thread. */
bool parking_takes_turns(const struct runtime *runtime);
/* Wakes a sleeper in any case: those that look around are held up. Any thread. */
void parking_relieve(struct runtime *runtime);

/* Starts and joins the threads. Errors: TR_EIO no thread can be had. */
tr_status parking_start(struct runtime *runtime);
/* Waits until no worker has anything to do, at most a few seconds. */
void parking_drain(struct runtime *runtime);
void parking_stop(struct runtime *runtime);

#endif
