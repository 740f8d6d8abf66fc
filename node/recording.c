#include "node/recording.h"

#include "node/base/container.h"
#include "node/base/memory.h"
#include "node/port.h"
#include "node/record_codec.h"
#include "node/runtime.h"

enum { WALK_STEP = 8192 }; /* slots of one step, so that the core keeps serving links */

/* ---- producers ------------------------------------------------------------------------------- */

/* A worker's chunks fill up: one growth instead of ten. */
static void chunk_begin(const struct producer *producer, part_chunk *chunk) {
    if (producer->worker == NULL || chunk->buffer.capacity > 0) return;
    buffer_reserve(&chunk->buffer, PART_CHUNK_BYTES + PART_CHUNK_BYTES / 16);
}

/* Locks the recorder; true when a recording of `epoch` is open in it (then the caller unlocks). */
static bool recorder_enter(struct recorder *recorder, uint64_t epoch) {
    /* Acquire: recorders are opened before E moves, so whoever sees E sees this; relaxed would do
     * for that, but the look without the lock must not outrun the load of E. */
    if (atomic_load_explicit(&recorder->epoch, memory_order_acquire) != epoch || epoch == 0)
        return false;
    pthread_mutex_lock(&recorder->mutex);
    if (recorder->part != NULL &&
        atomic_load_explicit(&recorder->epoch, memory_order_relaxed) == epoch)
        return true;
    pthread_mutex_unlock(&recorder->mutex);
    return false;
}

static void recorder_leave(struct recorder *recorder) {
    if (recorder->chunk.buffer.bytes >= PART_CHUNK_BYTES)
        part_writer_append(recorder->part, &recorder->chunk);
    pthread_mutex_unlock(&recorder->mutex);
}

static uint64_t remaining_ns(const struct timer *timer, uint64_t now_ns) {
    return timer->deadline_ns <= now_ns ? 0 : timer->deadline_ns - now_ns; /* fired ones are past */
}

static void record_timers(part_chunk *chunk, struct actor_extra *extra, uint64_t now_ns) {
    part_begin_timers(chunk, extra == NULL ? 0 : (uint32_t)map_u64_count(&extra->timers));
    size_t cursor = 0;
    struct timer *timer;
    while (extra != NULL && (timer = map_u64_next(&extra->timers, &cursor, NULL)) != NULL) {
        part_timer item = {.id = timer->id,
                           .remaining_ns = remaining_ns(timer, now_ns),
                           .record = timer->type->id};
        part_begin_timer(chunk, &item);
        record_encode(timer->type, timer->body, &chunk->buffer);
    }
}

static void record_asks(part_chunk *chunk, uint64_t space, struct actor_extra *extra,
                        uint64_t now_ns) {
    part_begin_asks(chunk, extra == NULL ? 0 : (uint32_t)map_u64_count(&extra->asks));
    size_t cursor = 0;
    struct pending_ask *ask;
    while (extra != NULL && (ask = map_u64_next(&extra->asks, &cursor, NULL)) != NULL) {
        part_ask item = {.id = ask->id,
                         .target = ask->target,
                         .hold = ask->hold,
                         .remaining_ns = remaining_ns(&ask->timer, now_ns),
                         .request = part_text(ask->request->name),
                         .context_record = ask->context_type == NULL ? 0 : ask->context_type->id};
        part_begin_ask(chunk, space, &item);
        if (ask->context_type == NULL)
            part_put_nil(chunk);
        else
            record_encode(ask->context_type, ask->context, &chunk->buffer);
    }
}

static uint32_t status_bits(const tr_actor *actor) {
    uint32_t bits = 0;
    if (actor->phase != ACTOR_READY) bits |= PART_ACTOR_STARTING;
    if (actor->extra != NULL && actor->extra->hold != 0) bits |= PART_ACTOR_HOLDING;
    if (atomic_load_explicit(&actor->mutes, memory_order_relaxed) > 0) bits |= PART_ACTOR_MUTED;
    return bits;
}

static void encode_actor(part_chunk *chunk, const tr_actor *actor) {
    struct actor_extra *extra = actor->extra;
    uint32_t name_count = extra == NULL ? 0 : extra->name_count;
    tr_text *names = mem_alloc((name_count + 1) * sizeof *names);
    for (uint32_t i = 0; i < name_count; i++) names[i] = part_text(extra->names[i]);
    part_actor item = {.pid = actor_pid(actor),
                       .behavior = part_text(actor->behavior->offered->name),
                       .behavior_version = actor->behavior->offered->version,
                       .colour = actor_colour(actor),
                       .status = status_bits(actor),
                       .names = names,
                       .name_count = name_count,
                       .record = actor->behavior->state == NULL ? 0 : actor->behavior->state->id};
    if (extra != NULL && extra->has_limits) {
        item.has_mailbox = true;
        item.mailbox = (tr_mailbox_options){
            .low = extra->limits.low, .high = extra->limits.high, .hard = extra->limits.hard};
    }
    uint64_t space = actor->runtime->space;
    uint64_t now_ns = extra == NULL ? 0 : runtime_now_ns(actor->runtime);
    part_begin_actor(chunk, space, &item);
    if (actor->behavior->state == NULL)
        part_put_nil(chunk);
    else
        record_encode(actor->behavior->state, actor->state, &chunk->buffer);
    record_timers(chunk, extra, now_ns);
    record_asks(chunk, space, extra, now_ns);
    chunk->actors++;
    mem_free(names);
}

bool recording_actor(struct producer *producer, tr_actor *actor, uint64_t epoch) {
    struct recorder *recorder = &producer->recorder;
    if (!recorder_enter(recorder, epoch)) return false;
    chunk_begin(producer, &recorder->chunk);
    /* The node's own services have no state of users; what they decided is in the names and in the
     * messages. */
    size_t before = recorder->chunk.buffer.bytes;
    if (!actor->behavior->system) encode_actor(&recorder->chunk, actor);
    recorder->encoded_bytes += recorder->chunk.buffer.bytes - before;
    recorder_leave(recorder);
    return true;
}

/* Envelope kinds and flags are those of transport/envelope.h; the part names what the message was.
 */
static void encode_message(struct producer *producer, part_chunk *chunk, const tr_message *item,
                           const char *reason) {
    struct runtime *runtime = producer->runtime;
    part_message part = {
        .to = item->to,
        .from = item->from,
        .kind = item->kind,
        .flags = item->flags,
        .id = item->serial,
        .reference = item->reference,
        .colour = item->colour,
        .trace = item->trace,
        .order = atomic_fetch_add_explicit(&runtime->record_order, 1, memory_order_relaxed),
        .reason = part_text(reason),
        .record = item->type == NULL ? 0 : item->type->id};
    if (item->origin != 0)
        part.link = part_text(runtime->router->origin_name(runtime->router_context, item->origin,
                                                           item->origin_session));
    part_begin_message(chunk, runtime->space, &part);
    if (item->type == NULL)
        part_put_nil(chunk);
    else
        record_encode(item->type, item->body, &chunk->buffer);
    chunk->messages++;
}

bool recording_message(struct producer *producer, const tr_message *item, uint64_t epoch,
                       const char *reason) {
    struct recorder *recorder = &producer->recorder;
    if (!recorder_enter(recorder, epoch)) return false;
    chunk_begin(producer, &recorder->chunk);
    encode_message(producer, &recorder->chunk, item, reason);
    if (item->origin != 0)
        tally_count(&producer->tally, TALLY_RECORDED, item->origin, item->origin_session, epoch);
    recorder_leave(recorder);
    runtime_observe_message(producer->runtime, OBSERVE_RECORD_MESSAGE, item, epoch, reason);
    return true;
}

void recording_dead_letter(struct producer *producer, const tr_message *item, uint64_t colour,
                           const char *reason) {
    if (message_in_channel(item) && item->colour < colour)
        recording_message(producer, item, colour, reason);
    /* Also when it is recorded: a later snapshot finds it received, in the colour of this one. */
    if (item->origin != 0)
        tally_count(&producer->tally, TALLY_RECEIVED, item->origin, item->origin_session, colour);
}

static void recorder_open(struct recorder *recorder, uint64_t epoch, part_writer *part) {
    pthread_mutex_lock(&recorder->mutex);
    recorder->part = part_writer_ref(part);
    part_chunk_fini(&recorder->chunk);
    atomic_store_explicit(&recorder->epoch, epoch, memory_order_release);
    pthread_mutex_unlock(&recorder->mutex);
}

static void recorder_close(struct recorder *recorder, bool keep) {
    pthread_mutex_lock(&recorder->mutex);
    atomic_store_explicit(&recorder->epoch, 0, memory_order_relaxed);
    if (recorder->part != NULL) {
        if (keep) part_writer_append(recorder->part, &recorder->chunk);
        part_writer_unref(recorder->part);
        recorder->part = NULL;
    }
    part_chunk_fini(&recorder->chunk);
    pthread_mutex_unlock(&recorder->mutex);
}

void recording_join(struct producer *producer) {
    struct runtime *runtime = producer->runtime;
    if (runtime->part != NULL)
        recorder_open(&producer->recorder, runtime->part_epoch, runtime->part);
}

/* ---- core thread ----------------------------------------------------------------------------- */

#define FOR_EACH_PRODUCER(runtime, producer)                                                 \
    for (list_node *node_ = list_first(&(runtime)->producers);                               \
         node_ != NULL && ((producer) = container_of(node_, struct producer, node)) != NULL; \
         node_ = list_next(&(runtime)->producers, node_))

void recording_move_epoch(struct runtime *runtime, uint64_t epoch) {
    /* Release: whoever sees E moved sees the recorders opened before it; sequentially consistent so
     * that a port opened meanwhile is either in the sweep's list or sees E. */
    atomic_store(&runtime->epoch, epoch);
    runtime_observe(runtime, &(struct observation){.kind = OBSERVE_EPOCH, .epoch = epoch});
}

void recording_open(struct runtime *runtime, uint64_t epoch, part_writer *part) {
    struct producer *producer;
    pthread_mutex_lock(&runtime->mutex);
    runtime->part = part;
    runtime->part_epoch = epoch;
    atomic_store(&runtime->record_order, 1);
    FOR_EACH_PRODUCER(runtime, producer) recorder_open(&producer->recorder, epoch, part);
    pthread_mutex_unlock(&runtime->mutex);
    recording_move_epoch(runtime, epoch);
}

void recording_close(struct runtime *runtime, bool keep) {
    struct producer *producer;
    pthread_mutex_lock(&runtime->mutex);
    FOR_EACH_PRODUCER(runtime, producer) recorder_close(&producer->recorder, keep);
    runtime->part = NULL;
    pthread_mutex_unlock(&runtime->mutex);
}

void recording_sweep(struct runtime *runtime, uint64_t epoch) {
    ports_turn(runtime, false);
    sweep_begin(runtime, epoch, runtime->part);
}

static void token_visit(struct runtime *runtime, tr_actor *actor) {
    /* Nothing waits there, and what is older has all been filed before. */
    if (mailbox_is_at_rest(&actor->box)) return;
    atomic_fetch_add_explicit(&runtime->tokens_pending, 1, memory_order_relaxed);
    /* One that still has the token of an aborted snapshot before it answers both at once. */
    uint32_t before = atomic_fetch_or(&actor->signals, SIGNAL_TOKEN);
    if ((before & (SIGNAL_DEAD | SIGNAL_TOKEN)) != 0)
        atomic_fetch_sub_explicit(&runtime->tokens_pending, 1, memory_order_acq_rel);
    else
        actor_wake(NULL, actor);
}

/* Whoever lets the token wait has mail. */
static void token_spur(tr_actor *actor) {
    if (!mailbox_is_at_rest(&actor->box)) actor_signal(actor, SIGNAL_HURRY);
}

void recording_token_begin(struct runtime *runtime, struct recording_walk *walk) {
    /* Not reset: tokens of an aborted snapshot are answered too, and counted then. */
    ports_turn(runtime, true);
    *walk = (struct recording_walk){.next = 0, .end = slots_used(&runtime->slots), .active = true};
}

void recording_token_hurry(struct runtime *runtime, struct recording_walk *walk) {
    *walk = (struct recording_walk){
        .end = slots_used(&runtime->slots), .active = true, .hurries = true};
}

bool recording_token_step(struct runtime *runtime, struct recording_walk *walk) {
    uint32_t end = walk->end - walk->next > WALK_STEP ? walk->next + WALK_STEP : walk->end;
    for (; walk->next < end; walk->next++) {
        struct slot_head *head = slots_at(&runtime->slots, walk->next);
        if (head == NULL || head->kind != SLOT_ACTOR) continue;
        tr_actor *actor = (tr_actor *)(void *)head;
        if (walk->hurries)
            token_spur(actor);
        else
            token_visit(runtime, actor);
    }
    walk->active = walk->next < walk->end;
    return walk->active;
}

bool recording_token_done(const struct runtime *runtime, const struct recording_walk *walk) {
    /* Acquire: pairs with each owner's decrement, so its records and counts are visible. */
    return !walk->active &&
           atomic_load_explicit(&runtime->tokens_pending, memory_order_acquire) == 0;
}

struct population {
    uint64_t born, left;
};

static struct population collect(struct runtime *runtime, uint64_t epoch) {
    struct population sum = {0, 0};
    struct producer *producer;
    FOR_EACH_PRODUCER(runtime, producer) {
        sum.born += tally_older(&producer->tally.born, epoch);
        sum.left += tally_older(&producer->tally.left, epoch);
    }
    return sum;
}

bool recording_all_red(struct runtime *runtime, uint64_t epoch) {
    /* All counters only grow. Two equal collects one after the other mean that none moved between
     * them (Mattern 1987), so at that instant as many had left the older colours as were ever born
     * into them; and only the older bear older. */
    /* The fence: after a sweep's end it finds all that its actors have counted (actor_turn). */
    atomic_thread_fence(memory_order_seq_cst);
    pthread_mutex_lock(&runtime->mutex);
    struct population first = collect(runtime, epoch);
    atomic_thread_fence(memory_order_seq_cst);
    struct population second = collect(runtime, epoch);
    pthread_mutex_unlock(&runtime->mutex);
    return first.born == second.born && first.left == second.left && first.born == first.left;
}

void recording_census(struct runtime *runtime, uint64_t epoch, uint64_t *red_out,
                      uint64_t *total_out) {
    pthread_mutex_lock(&runtime->mutex);
    struct population sum = collect(runtime, epoch);
    pthread_mutex_unlock(&runtime->mutex);
    if (runtime->census_epoch != epoch) { /* those that were there when it began */
        runtime->census_epoch = epoch;
        runtime->census_left = sum.left;
    }
    *total_out = sum.born - runtime->census_left;
    *red_out = sum.left - runtime->census_left;
}

typedef uint64_t (*sum_one)(const struct tally_book *book, enum tally_kind kind, uint32_t peer,
                            uint32_t session, uint64_t epoch);

static uint64_t sum_lanes(struct runtime *runtime, sum_one sum, enum tally_kind kind, uint32_t peer,
                          uint32_t session, uint64_t epoch) {
    uint64_t total = 0;
    struct producer *producer;
    pthread_mutex_lock(&runtime->mutex);
    FOR_EACH_PRODUCER(runtime, producer) total += sum(&producer->tally, kind, peer, session, epoch);
    pthread_mutex_unlock(&runtime->mutex);
    return total;
}

uint64_t recording_sent(struct runtime *runtime, uint32_t peer, uint32_t session, uint64_t epoch) {
    return sum_lanes(runtime, tally_sum_older, TALLY_SENT, peer, session, epoch);
}

uint64_t recording_received(struct runtime *runtime, uint32_t peer, uint32_t session,
                            uint64_t epoch) {
    return sum_lanes(runtime, tally_sum_older, TALLY_RECEIVED, peer, session, epoch);
}

uint64_t recording_recorded(struct runtime *runtime, uint32_t peer, uint32_t session,
                            uint64_t epoch) {
    return sum_lanes(runtime, tally_sum_fresh, TALLY_RECORDED, peer, session, epoch);
}
