#include "node/sweep.h"

#include "node/base/memory.h"
#include "node/parking.h"
#include "node/runtime.h"

enum {
    SLICE = 64,               /* slots */
    SLICE_BUSY = 8,           /* when actors wait for this worker */
    SLICE_BYTES = 64 * 1024,  /* encoded; the actor that reaches it is the slice's last */
    BACKLOG_BYTES = 32 << 20, /* waiting for the disk: no slices, until it is down to half */
};

void sweep_init(struct sweep *sweep, unsigned worker_count) {
    *sweep = (struct sweep){0};
    pthread_mutex_init(&sweep->mutex, NULL);
    sweep->returned = mem_zalloc(worker_count, sizeof *sweep->returned);
}

static void give_up_part(struct sweep *sweep) {
    if (sweep->part != NULL) part_writer_unref(sweep->part);
    sweep->part = NULL;
}

void sweep_fini(struct sweep *sweep) {
    give_up_part(sweep);
    mem_free(sweep->returned);
    pthread_mutex_destroy(&sweep->mutex);
}

/* ---- core thread ----------------------------------------------------------------------------- */

void sweep_begin(struct runtime *runtime, uint64_t epoch, part_writer *part) {
    struct sweep *sweep = &runtime->sweep;
    pthread_mutex_lock(&sweep->mutex);
    give_up_part(sweep);
    sweep->round++;
    sweep->epoch = epoch;
    sweep->left = (struct sweep_range){0, slots_used(&runtime->slots)};
    sweep->returned_count = sweep->running = 0;
    sweep->part = part == NULL ? NULL : part_writer_ref(part);
    sweep->starved = false;
    bool any = sweep->left.end > 0;
    atomic_store(&sweep->active, any);
    atomic_store(&sweep->open, any);
    pthread_mutex_unlock(&sweep->mutex);
    if (any) parking_notify(runtime, PARKING_INJECTED);
}

void sweep_end(struct runtime *runtime) {
    struct sweep *sweep = &runtime->sweep;
    pthread_mutex_lock(&sweep->mutex);
    give_up_part(sweep);
    sweep->round++;
    sweep->starved = false;
    atomic_store(&sweep->open, false);
    atomic_store(&sweep->active, false);
    pthread_mutex_unlock(&sweep->mutex);
}

void sweep_resume(struct runtime *runtime) {
    struct sweep *sweep = &runtime->sweep;
    pthread_mutex_lock(&sweep->mutex);
    bool resumed = sweep->starved && (sweep->part == NULL ||
                                      part_writer_queued_bytes(sweep->part) < BACKLOG_BYTES / 2);
    if (resumed) {
        sweep->starved = false;
        atomic_store(&sweep->open, true);
    }
    pthread_mutex_unlock(&sweep->mutex);
    if (resumed) parking_notify(runtime, PARKING_INJECTED);
}

/* ---- workers --------------------------------------------------------------------------------- */

struct slice {
    struct sweep_range range;
    uint64_t round, epoch;
};

static bool nothing_left(const struct sweep *sweep) {
    return sweep->returned_count == 0 && sweep->left.next == sweep->left.end;
}

/* What was returned goes first, whole: so there is never more of it than there are workers. */
static struct sweep_range range_take(struct sweep *sweep) {
    if (sweep->returned_count > 0) return sweep->returned[--sweep->returned_count];
    uint32_t next = sweep->left.next, end = sweep->left.end;
    sweep->left.next = end - next < SLICE ? end : next + SLICE;
    return (struct sweep_range){next, sweep->left.next};
}

static bool slice_take(struct sweep *sweep, struct slice *slice_out) {
    pthread_mutex_lock(&sweep->mutex);
    bool open = atomic_load_explicit(&sweep->open, memory_order_relaxed);
    if (open && sweep->part != NULL && part_writer_queued_bytes(sweep->part) > BACKLOG_BYTES) {
        sweep->starved = true;
        atomic_store(&sweep->open, false);
    } else if (open) {
        *slice_out = (struct slice){range_take(sweep), sweep->round, sweep->epoch};
        if (nothing_left(sweep)) atomic_store(&sweep->open, false);
        sweep->running++;
    }
    bool taken = open && !sweep->starved;
    pthread_mutex_unlock(&sweep->mutex);
    return taken;
}

/* Gives back what is left of the slice; true when that was the last of the sweep. */
static bool slice_done(struct sweep *sweep, const struct slice *slice) {
    bool over = false;
    pthread_mutex_lock(&sweep->mutex);
    if (slice->round == sweep->round) {
        sweep->running--;
        if (slice->range.next < slice->range.end) {
            sweep->returned[sweep->returned_count++] = slice->range;
            if (!sweep->starved) atomic_store(&sweep->open, true);
        }
        over = sweep->running == 0 && nothing_left(sweep);
        if (over) {
            give_up_part(sweep);
            atomic_store(&sweep->active, false);
        }
    }
    pthread_mutex_unlock(&sweep->mutex);
    return over;
}

static void visit(struct worker *worker, tr_actor *actor, uint64_t epoch) {
    if (actor_colour(actor) >= epoch) return;
    /* The one it belongs to otherwise turns it: now, or when it is about to rest. */
    if (mailbox_wake(&actor->box))
        actor_run(worker, actor);
    else
        actor_signal(actor, SIGNAL_TURN);
}

/* Walks up to `slots_max` slots of it. */
static void slice_walk(struct worker *worker, struct slice *slice, uint32_t slots_max) {
    struct producer *producer = &worker->producer;
    uint64_t bytes_max = producer->recorder.encoded_bytes + SLICE_BYTES;
    for (; slots_max > 0 && slice->range.next < slice->range.end &&
           producer->recorder.encoded_bytes < bytes_max;
         slots_max--) {
        struct slot_head *head = slots_at(&producer->runtime->slots, slice->range.next++);
        if (head != NULL && head->kind == SLOT_ACTOR)
            visit(worker, (tr_actor *)(void *)head, slice->epoch);
    }
}

/* Somebody who sleeps may help. */
static void call_for_help(struct runtime *runtime) {
    if (sweep_is_open(&runtime->sweep)) parking_notify(runtime, PARKING_INJECTED);
}

bool sweep_step(struct worker *worker) {
    struct runtime *runtime = worker->producer.runtime;
    struct sweep *sweep = &runtime->sweep;
    /* Relaxed: whoever opens it wakes a worker, and that one looks again. */
    if (!atomic_load_explicit(&sweep->open, memory_order_relaxed)) return false;
    bool busy = run_queue_count(&worker->queue) > 0 || next_slot_is_full(&worker->next) ||
                run_list_count(&runtime->injected) > 0;
    struct slice slice = {{0, 0}, 0, 0};
    if (!slice_take(sweep, &slice)) return false;
    call_for_help(runtime);
    slice_walk(worker, &slice, busy ? SLICE_BUSY : SLICE);
    if (slice_done(sweep, &slice))
        runtime->router->progress(runtime->router_context);
    else
        call_for_help(runtime); /* with what was returned, should this worker be kept by an actor */
    return true;
}
