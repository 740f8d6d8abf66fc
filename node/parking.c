#define _GNU_SOURCE /* pthread_setname_np */
#include "node/parking.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "node/base/condition.h"
#include "node/base/futex.h"
#include "node/base/memory.h"
#include "node/worker.h"

enum {
    SPIN_NS = 20000,       /* looking around before sleeping, */
    SPIN_LONG_NS = 150000, /* or for as long as a round trip takes, after a short sleep */
    SHORT_NS = 300000,
    AWAY_NS = 100000,  /* between two looks, by one that takes turns at the core */
    WATCH_NS = 125000, /* a watcher's first sleep; each that finds nothing doubles it, up to */
    WATCH_MAX_NS = 1000000,
    SPIN_PAUSES = 32,
    DRAIN_MS = 3000
};

struct parking {
    struct parking_counts counts; /* first */
    _Atomic uint32_t ticket;      /* grows with each wake-up; what sleepers wait on */
    _Atomic bool stopping;
    pthread_mutex_t mutex; /* for parking_drain alone */
    pthread_cond_t quiet;  /* all workers are about to sleep */
    pthread_t *threads;
    unsigned thread_count;
};

static void wake_one(struct parking *parking) {
    atomic_fetch_add(&parking->ticket, 1);
    futex_wake(&parking->ticket, 1);
}

void parking_wake(struct runtime *runtime, enum parking_event event) {
    struct parking *parking = runtime->parking;
    _Atomic uint32_t *covered =
        event == PARKING_INJECTED ? &parking->counts.looking : &parking->counts.watching;
    if (event == PARKING_TIMER || atomic_load_explicit(covered, memory_order_relaxed) == 0)
        wake_one(parking);
}

bool parking_takes_turns(const struct runtime *runtime) {
    return runtime->parking != NULL && atomic_load(&runtime->parking->counts.turning) > 0;
}

void parking_relieve(struct runtime *runtime) {
    if (runtime->parking != NULL) wake_one(runtime->parking);
}

static bool others_busy(const struct runtime *runtime) {
    return atomic_load(&runtime->parking->counts.asleep) <
           runtime->worker_count; /* the caller counts as asleep */
}

bool parking_wakes_by(const struct worker *worker, uint64_t time_ns) {
    const struct runtime *runtime = worker->producer.runtime;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        const struct worker *other = runtime->workers[i];
        if (other != worker && atomic_load(&other->sleeps_until_ns) <= time_ns) return true;
    }
    return false;
}

/* Between announcing that this worker leaves off looking and its last look: see parking_notify.
 * `idle` others are asleep, counted after the announcement, so that who wakes up later sees it; if
 * that is all of them, nobody passes a light barrier meanwhile. A heavy one takes 10 us while
 * another thread of the process runs. */
static void look_barrier(const struct runtime *runtime, uint32_t idle) {
    if (idle + 1 == runtime->worker_count)
        atomic_thread_fence(memory_order_seq_cst);
    else
        barrier_heavy();
}

/* Until when a parked worker may sleep; UINT64_MAX when others see to timers and to the busy. Of
 * two that each rely on the other one is wrong: who sleeps without a limit has announced itself
 * before it looked at the other, and who leaves off (hand_over) looks for sleepers afterwards. */
static uint64_t sleep_end(const struct worker *worker, uint64_t watch_ns) {
    const struct runtime *runtime = worker->producer.runtime;
    uint64_t end = workers_next_ns(runtime);
    if (end != UINT64_MAX && parking_wakes_by(worker, end)) end = UINT64_MAX;
    if (!others_busy(runtime) || atomic_load(&runtime->parking->counts.watching) > 0) return end;
    uint64_t watch_end = runtime_now_ns(runtime) + watch_ns;
    return watch_end < end ? watch_end : end;
}

static uint64_t until(const struct runtime *runtime, uint64_t time_ns) {
    if (time_ns == UINT64_MAX) return UINT64_MAX;
    uint64_t now = runtime_now_ns(runtime);
    return time_ns > now ? time_ns - now : 0;
}

/* Looks around for a while; with `turns`, takes turns at the core meanwhile when that is offered.
 * True when there may be something to do; `*came_out` tells whether that came by such a turn. */
static bool look_around(struct worker *worker, bool turns, bool *came_out) {
    struct runtime *runtime = worker->producer.runtime;
    uint64_t until = runtime_now_ns(runtime) + (worker->slept_shortly ? SPIN_LONG_NS : SPIN_NS);
    *came_out = false;
    do {
        if (worker_has_work(worker, false)) return true;
        *came_out = turns && runtime->router->core_turn(runtime->router_context);
        if (*came_out) {
            worker->owes_turn = false;
            continue;
        }
        for (int i = 0; i < SPIN_PAUSES; i++) __builtin_ia32_pause();
        sched_yield(); /* what it looks for may be the work of a thread that waits for this core */
    } while (runtime_now_ns(runtime) < until);
    return false;
}

/* Looks around on behalf of all. One that was away for long before will be so again: it takes no
 * turns, since nobody would take any while it is. */
static bool look_for_all(struct worker *worker, uint64_t now_ns) {
    struct parking_counts *counts = &worker->producer.runtime->parking->counts;
    bool turns = now_ns - worker->left_ns < AWAY_NS, came;
    atomic_fetch_add(&counts->looking, 1);
    atomic_fetch_add(&counts->watching, 1);
    if (turns) atomic_fetch_add(&counts->turning, 1);
    bool found = look_around(worker, turns, &came);
    if (turns) atomic_fetch_sub(&counts->turning, 1);
    atomic_fetch_sub(&counts->watching, 1);
    atomic_fetch_sub(&counts->looking, 1);
    if (worker->owes_turn || !(found && came)) worker_recall_core(worker);
    return found;
}

/* Sleeps until woken or until something is due, at most `watch_ns` while others are busy. */
static void park(struct worker *worker, uint64_t watch_ns) {
    struct parking *parking = worker->producer.runtime->parking;
    reclaim_offline(&worker->producer.reader);
    uint32_t ticket = atomic_load(&parking->ticket);
    atomic_fetch_add(&parking->counts.asleep, 1);
    uint64_t end = sleep_end(worker, watch_ns);
    uint64_t limit = until(worker->producer.runtime, end);
    atomic_store(&worker->sleeps_until_ns, end);
    bool watch = limit <= WATCH_MAX_NS; /* who sleeps until a far timer covers nothing */
    if (watch) atomic_fetch_add(&parking->counts.watching, 1);
    uint32_t asleep = atomic_load(&parking->counts.asleep); /* this one among them */
    look_barrier(worker->producer.runtime, asleep - 1);
    if (asleep == worker->producer.runtime->worker_count) {
        pthread_mutex_lock(&parking->mutex);
        pthread_cond_broadcast(&parking->quiet);
        pthread_mutex_unlock(&parking->mutex);
    }
    if (limit > 0 && !worker_has_work(worker, false) && !atomic_load(&parking->stopping))
        futex_wait(&parking->ticket, ticket, limit);
    atomic_store(&worker->sleeps_until_ns, UINT64_MAX);
    if (watch) atomic_fetch_sub(&parking->counts.watching, 1);
    atomic_fetch_sub(&parking->counts.asleep, 1);
    reclaim_online(&worker->producer.reader);
}

/* This worker leaves off looking after others: if nobody else does and something waits, or a timer
 * runs that no sleeper will wake up for, a sleeper takes over. */
static void hand_over(const struct worker *worker) {
    const struct runtime *runtime = worker->producer.runtime;
    struct parking *parking = runtime->parking;
    uint32_t asleep = atomic_load(&parking->counts.asleep);
    if (asleep == 0) return;
    look_barrier(runtime, asleep);
    bool watched = atomic_load(&parking->counts.watching) > 0;
    uint64_t next = workers_next_ns(runtime);
    bool timed = next == UINT64_MAX || parking_wakes_by(worker, next);
    if ((!watched && worker_leaves_some(worker)) || !timed) wake_one(parking);
}

/* Parks, and as a watcher looks after those that are busy, until there is something to do. */
static void idle(struct worker *worker) {
    struct runtime *runtime = worker->producer.runtime;
    struct parking *parking = runtime->parking;
    uint64_t began_ns = runtime_now_ns(runtime);
    bool found = look_for_all(worker, began_ns);
    for (uint64_t watch_ns = WATCH_NS;
         !found && !atomic_load_explicit(&parking->stopping, memory_order_acquire);
         watch_ns = watch_ns < WATCH_MAX_NS / 2 ? 2 * watch_ns : WATCH_MAX_NS) {
        found = worker_rescue(worker);
        if (!found) park(worker, watch_ns);
        found = found || worker_has_work(worker, false);
    }
    worker->left_ns = runtime_now_ns(runtime);
    worker->slept_shortly = worker->left_ns - began_ns < SHORT_NS;
    worker_look(worker);
    worker_catch_up(worker);
    hand_over(worker);
}

static void *worker_thread(void *argument) {
    struct worker *worker = argument;
    struct parking *parking = worker->producer.runtime->parking;
    reclaim_online(&worker->producer.reader);
    worker_look(worker);
    while (!atomic_load_explicit(&parking->stopping, memory_order_acquire))
        if (!worker_go_on(worker, false)) idle(worker);
    reclaim_offline(&worker->producer.reader);
    return NULL;
}

tr_status parking_start(struct runtime *runtime) {
    struct parking *parking = mem_zalloc(1, sizeof *parking);
    parking->threads = mem_zalloc(runtime->worker_count, sizeof *parking->threads);
    pthread_mutex_init(&parking->mutex, NULL);
    condition_init(&parking->quiet);
    runtime->parking = parking;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        if (pthread_create(&parking->threads[i], NULL, worker_thread, runtime->workers[i]) != 0) {
            parking_stop(runtime);
            return TR_EIO;
        }
        char name[16]; /* the kernel keeps no more */
        snprintf(name, sizeof name, "worker %u", i % 100000);
        pthread_setname_np(parking->threads[i], name);
        parking->thread_count++;
    }
    return TR_OK;
}

void parking_drain(struct runtime *runtime) {
    struct parking *parking = runtime->parking;
    struct timespec deadline = condition_deadline(DRAIN_MS);
    pthread_mutex_lock(&parking->mutex);
    while ((atomic_load(&parking->counts.asleep) < runtime->worker_count ||
            worker_has_work(runtime->workers[0], true)) &&
           condition_wait(&parking->quiet, &parking->mutex, &deadline)) {
    }
    pthread_mutex_unlock(&parking->mutex);
}

void parking_stop(struct runtime *runtime) {
    struct parking *parking = runtime->parking;
    if (parking == NULL) return;
    atomic_store(&parking->stopping, true);
    for (unsigned i = 0; i < parking->thread_count; i++) {
        atomic_fetch_add(&parking->ticket, 1);
        futex_wake(&parking->ticket, INT32_MAX);
        pthread_join(parking->threads[i], NULL);
    }
    runtime->parking = NULL;
    pthread_cond_destroy(&parking->quiet);
    pthread_mutex_destroy(&parking->mutex);
    mem_free(parking->threads);
    mem_free(parking);
}
