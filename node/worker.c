#include "node/worker.h"

#include <string.h>

#include "node/base/memory.h"
#include "node/parking.h"
#include "node/post.h"

enum {
    NEXT_RUN_MAX = 64,   /* times that `next` may overtake the queue */
    FIRE_MAX = 64,       /* timers of one step */
    RESCUE_NS = 20000000 /* between two looks of a busy worker for others that are stuck */
};

void worker_init(struct worker *worker, struct runtime *runtime, unsigned index) {
    memset(worker, 0, sizeof *worker);
    worker->index = index;
    producer_init(&worker->producer, runtime, worker);
    run_queue_init(&worker->queue);
    timers_init(&worker->timers);
    worker->seen_ticks = mem_zalloc(runtime->worker_count, sizeof *worker->seen_ticks);
}

void worker_fini(struct worker *worker) {
    mem_free(worker->seen_ticks);
    timers_fini(&worker->timers);
    run_queue_fini(&worker->queue);
    producer_fini(&worker->producer);
}

void runtime_schedule(struct runtime *runtime, struct worker *worker, tr_actor *runnable) {
    if (worker == NULL) {
        unsigned turn = atomic_fetch_add_explicit(&runtime->inject_turn, 1, memory_order_relaxed);
        run_queue_inject(&runtime->workers[turn % runtime->worker_count]->queue, runnable);
        parking_notify(runtime, PARKING_QUEUED);
        return;
    }
    /* Acquire-release: the actor goes from this worker to whoever takes it out. */
    tr_actor *displaced = atomic_exchange_explicit(&worker->next, runnable, memory_order_acq_rel);
    if (displaced == NULL) {
        parking_notify(runtime, PARKING_NEXT);
        return;
    }
    run_queue_push(&worker->queue, displaced);
    parking_notify(runtime, PARKING_QUEUED);
}

static tr_actor *take_next(struct worker *worker) {
    if (atomic_load_explicit(&worker->next, memory_order_relaxed) == NULL) return NULL;
    return atomic_exchange_explicit(&worker->next, NULL, memory_order_acq_rel);
}

static tr_actor *pick_own(struct worker *worker) {
    if (worker->next_run < NEXT_RUN_MAX) {
        tr_actor *next = take_next(worker);
        if (next != NULL) {
            worker->next_run++;
            return next;
        }
    }
    worker->next_run = 0;
    tr_actor *queued = run_queue_pop(&worker->queue);
    return queued != NULL ? queued : take_next(worker);
}

static tr_actor *steal(struct worker *worker, bool greedy) {
    struct runtime *runtime = worker->producer.runtime;
    for (unsigned i = 1; i < runtime->worker_count; i++) {
        struct worker *victim = runtime->workers[(worker->index + i) % runtime->worker_count];
        tr_actor *stolen = run_queue_steal(&victim->queue, &worker->queue);
        if (stolen == NULL && greedy) stolen = take_next(victim);
        if (stolen != NULL) return stolen;
    }
    return NULL;
}

bool worker_rescue(struct worker *worker) {
    struct runtime *runtime = worker->producer.runtime;
    bool rescued = false;
    for (unsigned i = 1; i < runtime->worker_count; i++) {
        struct worker *other = runtime->workers[(worker->index + i) % runtime->worker_count];
        /* Relaxed: a hint; to take from a worker that does move on is harmless. */
        uint64_t ticks = atomic_load_explicit(&other->ticks, memory_order_relaxed);
        bool stuck = ticks == worker->seen_ticks[other->index];
        worker->seen_ticks[other->index] = ticks;
        if (!stuck) continue;
        tr_actor *taken[] = {take_next(other), run_queue_steal(&other->queue, &worker->queue)};
        for (int j = 0; j < 2; j++) {
            if (taken[j] == NULL) continue;
            run_queue_push(&worker->queue, taken[j]);
            rescued = true;
        }
    }
    return rescued;
}

/* Files the messages of due timers, this worker's first, then those of workers that may be busy. */
static bool fire_timers(struct worker *worker) {
    struct runtime *runtime = worker->producer.runtime;
    uint64_t next = workers_next_ns(runtime);
    if (next == UINT64_MAX || next > runtime_now_ns(runtime)) return false;
    bool fired = false;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        struct worker *owner = runtime->workers[(worker->index + i) % runtime->worker_count];
        tr_message *due[FIRE_MAX];
        uint32_t count = timers_fire(&owner->timers, runtime_now_ns(runtime), due, FIRE_MAX);
        for (uint32_t j = 0; j < count; j++)
            if (post_message(&worker->producer, NULL, &due[j]) != TR_OK) message_free(due[j]);
        fired = fired || count > 0;
    }
    return fired;
}

bool worker_step(struct worker *worker, bool greedy) {
    reclaim_quiesce(&worker->producer.reader);
    if (worker->looked_ns - worker->rescued_ns >= RESCUE_NS) {
        worker->rescued_ns = worker->looked_ns;
        worker_rescue(worker);
    }
    bool fired = fire_timers(worker);
    tr_actor *runnable = pick_own(worker);
    if (runnable == NULL) runnable = steal(worker, greedy);
    if (runnable == NULL) return fired;
    /* Whoever looked around and found this now goes to work, perhaps for long: somebody else must
     * see to the rest. */
    if (run_queue_count(&worker->queue) > 0)
        parking_notify(worker->producer.runtime, PARKING_QUEUED);
    worker->looked_ns = environment_coarse_ns(worker->producer.runtime->environment);
    actor_run(worker, runnable);
    return true;
}

bool worker_has_work(const struct worker *worker, bool greedy) {
    struct runtime *runtime = worker->producer.runtime;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        struct worker *other = runtime->workers[i];
        if (run_queue_count(&other->queue) > 0) return true;
        if ((greedy || other == worker) && atomic_load(&other->next) != NULL) return true;
    }
    uint64_t next = workers_next_ns(runtime);
    return next != UINT64_MAX && next <= runtime_now_ns(runtime);
}

uint64_t workers_next_ns(const struct runtime *runtime) {
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        uint64_t other = timers_next_ns(&runtime->workers[i]->timers);
        if (other < next) next = other;
    }
    return next;
}

void worker_add_timer(struct worker *worker, struct timer *timer, uint64_t delay_ms) {
    struct runtime *runtime = worker->producer.runtime;
    uint64_t now_ns = runtime_now_ns(runtime);
    uint64_t delay_ns = delay_ms > UINT64_MAX / 2 / 1000000 ? UINT64_MAX / 2 : delay_ms * 1000000;
    if (timers_add(&worker->timers, timer, now_ns + delay_ns))
        parking_notify(runtime, PARKING_TIMER);
}
