#include "node/worker.h"

#include <string.h>

#include "node/base/memory.h"
#include "node/post.h"

enum {
    NEXT_RUN_MAX = 64, /* times in a row that `next` may overtake the queue, and how long */
    NEXT_RUN_NS = 1000000,
    FIRE_MAX = 64,       /* timers of one round */
    CHORE_MESSAGES = 16, /* handled between two rounds of chores */
    CROWD_NS = 50000,    /* who has waited for so long in a queue may be taken by others */
    RESCUE_NS = 20000000 /* between two looks of a busy worker for others that are stuck */
};

void worker_init(struct worker *worker, struct runtime *runtime, unsigned index) {
    memset(worker, 0, sizeof *worker);
    worker->index = index;
    producer_init(&worker->producer, runtime, worker);
    run_queue_init(&worker->queue);
    timers_init(&worker->timers);
    atomic_init(&worker->sleeps_until_ns, UINT64_MAX);
    worker->seen = mem_zalloc(runtime->worker_count, sizeof *worker->seen);
}

void worker_fini(struct worker *worker) {
    mem_free(worker->seen);
    timers_fini(&worker->timers);
    run_queue_fini(&worker->queue);
    producer_fini(&worker->producer);
}

void runtime_schedule(struct runtime *runtime, struct worker *worker, tr_actor *runnable) {
    if (worker != NULL) {
        worker_schedule(worker, runnable);
        return;
    }
    run_list_push(&runtime->injected, runnable);
    parking_notify(runtime, PARKING_INJECTED);
}

/* ---- time ------------------------------------------------------------------------------------ */

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
    if (timers_add(&worker->timers, timer, now_ns + delay_ns) &&
        !parking_wakes_by(worker, now_ns + delay_ns))
        parking_notify(runtime, PARKING_TIMER);
}

/* ---- sharing --------------------------------------------------------------------------------- */

/* Tells others to take some of this worker's queue when it moves too slowly: once those that waited
 * at the last mark have been waiting for CROWD_NS. Before, they are better run here, where what
 * they send each other is in the cache (RUNTIME.md). */
static void watch_queue(struct worker *worker) {
    struct crowd *crowd = &worker->crowd;
    uint32_t waiting = run_queue_count(&worker->queue);
    bool told = atomic_load_explicit(&worker->crowded, memory_order_relaxed);
    bool taken = crowd->told && !told; /* somebody came */
    if (waiting == 0 || taken || (int32_t)(worker->queue.pops - crowd->until_pop) >= 0) {
        if (told && waiting == 0)
            atomic_store_explicit(&worker->crowded, false, memory_order_relaxed);
        crowd->told = told && waiting > 0;
        crowd->until_pop = worker->queue.pops + waiting;
        if (waiting > 0) crowd->since_ns = runtime_now_ns(worker->producer.runtime);
        return;
    }
    if (told || runtime_now_ns(worker->producer.runtime) - crowd->since_ns < CROWD_NS) return;
    crowd->told = true;
    /* Relaxed: a hint; the queue itself hands over what is taken. */
    atomic_store_explicit(&worker->crowded, true, memory_order_relaxed);
    parking_notify(worker->producer.runtime, PARKING_INJECTED);
}

static bool may_steal(const struct worker *victim, bool greedy) {
    return (greedy || atomic_load_explicit(&victim->crowded, memory_order_relaxed)) &&
           run_queue_count(&victim->queue) > 0;
}

static tr_actor *steal(struct worker *worker, bool greedy) {
    struct runtime *runtime = worker->producer.runtime;
    for (unsigned i = 1; i < runtime->worker_count; i++) {
        struct worker *victim = runtime->workers[(worker->index + i) % runtime->worker_count];
        tr_actor *stolen = NULL;
        if (may_steal(victim, greedy)) {
            stolen = run_queue_steal(&victim->queue, &worker->queue);
            atomic_store_explicit(&victim->crowded, false, memory_order_relaxed);
        }
        if (stolen == NULL && greedy) stolen = next_slot_steal(&victim->next);
        if (stolen != NULL) return stolen;
    }
    return NULL;
}

bool worker_rescue(struct worker *worker) {
    struct runtime *runtime = worker->producer.runtime;
    bool rescued = false;
    for (unsigned i = 1; i < runtime->worker_count; i++) {
        struct worker *other = runtime->workers[(worker->index + i) % runtime->worker_count];
        struct sighting *seen = &worker->seen[other->index];
        /* Relaxed: hints; to take from a worker that does move on is harmless. */
        uint64_t handled = worker_handled(other);
        uint32_t head = atomic_load_explicit(&other->queue.head, memory_order_relaxed);
        uint32_t tail = atomic_load_explicit(&other->queue.tail, memory_order_relaxed);
        bool stuck = handled == seen->handled;
        /* Some that were there are there still, and this worker has less to do: between two that
         * have as much, they would go from the end of one queue to that of the other. */
        bool waits = (int32_t)(seen->tail - head) > 0 &&
                     run_queue_count(&other->queue) > 2 * run_queue_count(&worker->queue);
        *seen = (struct sighting){handled, tail};
        tr_actor *taken[] = {
            stuck ? next_slot_steal(&other->next) : NULL,
            stuck || waits ? run_queue_steal(&other->queue, &worker->queue) : NULL};
        for (int j = 0; j < 2; j++) {
            if (taken[j] == NULL) continue;
            run_queue_push(&worker->queue, taken[j]);
            rescued = true;
        }
    }
    return rescued;
}

/* ---- the step -------------------------------------------------------------------------------- */

static tr_actor *take_injected(struct worker *worker) {
    return run_queue_take_from(&worker->queue, &worker->producer.runtime->injected);
}

/* What need not be looked at for every message: timers, what others have woken, whether the queues
 * move on. True when a timer fired. */
static bool do_chores(struct worker *worker) {
    worker->chored_ns = worker->looked_ns;
    worker->chored_at = worker_handled(worker);
    if (worker->looked_ns - worker->rescued_ns >= RESCUE_NS) {
        worker->rescued_ns = worker->looked_ns;
        /* They go before `next`: else two busy workers might take them from each other for ever. */
        if (worker_rescue(worker)) worker->next_run = NEXT_RUN_MAX;
    }
    watch_queue(worker);
    tr_actor *injected = take_injected(worker);
    if (injected != NULL) run_queue_push(&worker->queue, injected);
    return fire_timers(worker);
}

static tr_actor *pick_own(struct worker *worker) {
    uint64_t overtaken_ns = worker->looked_ns - worker->next_since_ns;
    /* Once in any case: neither shall starve the other. */
    if (worker->next_run == 0 || (worker->next_run < NEXT_RUN_MAX && overtaken_ns < NEXT_RUN_NS)) {
        tr_actor *next = next_slot_take(&worker->next);
        if (next != NULL) {
            worker->next_run++;
            return next;
        }
    }
    worker->next_run = 0;
    worker->next_since_ns = worker->looked_ns;
    tr_actor *queued = run_queue_pop(&worker->queue);
    return queued != NULL ? queued : next_slot_take(&worker->next);
}

void worker_look(struct worker *worker) {
    worker->looked_ns = environment_coarse_ns(worker->producer.runtime->environment);
    worker->chored_ns = 0; /* chores come first */
}

void worker_catch_up(struct worker *worker) {
    do_chores(worker);
}

bool worker_leaves_some(const struct worker *worker) {
    const struct runtime *runtime = worker->producer.runtime;
    if (run_list_count(&runtime->injected) > 0) return true;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        const struct worker *one = runtime->workers[i];
        uint32_t waiting = run_queue_count(&one->queue) + next_slot_is_full(&one->next);
        if (waiting > 0 && (one != worker || waiting > 1)) return true;
    }
    return false;
}

bool worker_step(struct worker *worker, bool greedy) {
    worker_look(worker);
    return worker_go_on(worker, greedy);
}

bool worker_go_on(struct worker *worker, bool greedy) {
    reclaim_quiesce(&worker->producer.reader);
    bool chores = worker_handled(worker) - worker->chored_at >= CHORE_MESSAGES ||
                  worker->looked_ns != worker->chored_ns;
    bool fired = chores && do_chores(worker);
    bool swept = sweep_step(worker);
    tr_actor *runnable = pick_own(worker);
    if (runnable == NULL) {
        fired = (!chores && do_chores(worker)) || fired;
        runnable = pick_own(worker);
    }
    if (runnable == NULL) runnable = steal(worker, greedy);
    if (runnable == NULL) return fired || swept;
    actor_run(worker, runnable);
    return true;
}

bool worker_has_work(const struct worker *worker, bool greedy) {
    struct runtime *runtime = worker->producer.runtime;
    if (run_list_count(&runtime->injected) > 0 || sweep_is_open(&runtime->sweep)) return true;
    if (run_queue_count(&worker->queue) > 0 || next_slot_is_full(&worker->next)) return true;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        struct worker *other = runtime->workers[i];
        if (may_steal(other, greedy) || (greedy && next_slot_is_full(&other->next))) return true;
    }
    uint64_t next = workers_next_ns(runtime);
    return next != UINT64_MAX && next <= runtime_now_ns(runtime);
}
