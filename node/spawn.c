#include "node/spawn.h"

#include <stdio.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/deadletter.h"
#include "node/mould.h"
#include "node/post.h"
#include "node/record_codec.h"
#include "node/recording.h"
#include "node/runtime.h"
#include "node/services.h"
#include "node/unborn.h"
#include "node/worker.h"

enum { TOLD_MS = 25000 }; /* a spawner that is told hears of the outcome by then */

/* ---- the spawner ----------------------------------------------------------------------------- */

bool spawn_is_told(const tr_actor *self) {
    return behavior_entry_for(self->behavior, self->runtime->spawned) != NULL;
}

static tr_status check_options(const tr_actor *self, const char *name,
                               const tr_record *state_record, const tr_spawn_options *options,
                               tr_error *error) {
    if (options->supervisor != NULL)
        return error_set(error, TR_ENOTSUP, NULL, "supervisors are not there yet");
    if (options->state != NULL && state_record == NULL)
        return error_set(error, TR_EINVAL, NULL, "a state without a record");
    if (strlen(name) >= MOULD_NAME_BYTES)
        return error_set(error, TR_EINVAL, NULL, "a behavior's name has at most %d bytes",
                         MOULD_NAME_BYTES - 1);
    struct mailbox_limits limits;
    return services_limits(self->runtime, &options->mailbox, &limits, error);
}

/* The message that has the actor born, without its address. */
static tr_status make_spawn(tr_actor *self, const tr_record *state_record, const void *state,
                            tr_message **made_out, tr_error *error) {
    struct runtime *runtime = self->runtime;
    const record_type *type = NULL;
    if (state != NULL) {
        type = record_table_find(runtime->records, state_record);
        tr_status status = type != NULL
                               ? TR_OK
                               : record_table_intern(runtime->records, state_record, &type, error);
        if (status != TR_OK) return status;
    }
    tr_status status = message_of(type, state, runtime->message_bytes_max, made_out);
    if (status != TR_OK)
        return error_set(error, status, NULL, "its state: %s", tr_status_text(status));
    (*made_out)->kind = MESSAGE_SPAWN;
    return TR_OK;
}

static tr_status post_spawn(tr_actor *self, tr_message *item, const struct spawn_hold *hold,
                            const tr_spawn_options *options, bool told) {
    item->to = hold->pid;
    item->reference = hold->mould;
    item->origin_session = hold->session;
    if (!told) return actor_post(self, &item, NULL, NULL);
    item->flags = MESSAGE_ASK;
    tr_ask_options ask = {.timeout_ms = TOLD_MS,
                          .context_record = options->context_record,
                          .context = options->context};
    return actor_post(self, &item, &ask, NULL);
}

tr_status spawn_away(tr_actor *self, const tr_behavior *behavior, const char *name,
                     const tr_record *state_record, const tr_spawn_options *options,
                     tr_pid *pid_out) {
    struct runtime *runtime = self->runtime;
    bool told = spawn_is_told(self);
    tr_error error = {0};
    tr_message *item;
    tr_status status = check_options(self, name, state_record, options, &error);
    if (status == TR_OK) status = make_spawn(self, state_record, options->state, &item, &error);
    if (status != TR_OK) {
        actor_log(self, self->current, TR_ERROR, "spawn of %s: %s", name, error.message);
        return status;
    }
    struct spawn_wish wish = {.node = options->node,
                              .behavior = behavior,
                              .name = name,
                              .marks = &options->mailbox,
                              .waits = !told};
    struct spawn_hold hold;
    status = runtime->router->hold_slot(runtime->router_context, self, &wish, &hold);
    if (status != TR_OK) {
        message_free(item);
        return status;
    }
    status = post_spawn(self, item, &hold, options, told);
    if (status != TR_OK)
        runtime->router->return_slot(runtime->router_context, self, &hold);
    else if (pid_out != NULL)
        *pid_out = hold.pid;
    return status;
}

/* ---- failures at the spawner's node ---------------------------------------------------------- */

static void report(struct producer *producer, tr_actor *self, tr_pid pid, const char *text) {
    struct runtime *runtime = producer->runtime;
    counter_add(&producer->counters.unspawned);
    if (!log_enabled(runtime->environment->logger, TR_WARN)) return;
    char spawner[TR_PID_TEXT_MAX];
    if (self != NULL) tr_pid_text(self, actor_pid(self), spawner, sizeof spawner);
    const char *node = runtime->router->node_of(runtime->router_context, pid.space);
    log_context context = {.actor = self == NULL ? NULL : spawner, .component = "spawn"};
    log_write_limited(runtime->environment->logger, &runtime->spawn_limiter,
                      runtime_now_ns(runtime), TR_WARN, &context, "spawn on %s failed: %s",
                      node == NULL ? "a node that is gone" : node, text);
}

void spawn_lost(struct producer *producer, const tr_message *item, const char *reason) {
    if ((item->flags & MESSAGE_ASK) != 0) return;
    const struct mould *mould = moulds_at(producer->runtime->moulds, (uint32_t)item->reference);
    char text[MOULD_NAME_BYTES + 128];
    snprintf(text, sizeof text, "%s: %.120s", mould == NULL ? "?" : mould->name, reason);
    report(producer, NULL, item->to, text);
}

void spawn_failed(tr_actor *self, const tr_message *item) {
    const struct tr_spawned *spawned = tr_body(item);
    char text[192];
    snprintf(text, sizeof text, "%.127s (%s)", spawned->reason,
             tr_status_name((tr_status)spawned->status));
    report(&self->worker->producer, self, spawned->pid, text);
}

/* ---- the node that bears --------------------------------------------------------------------- */

/* Tells the spawner; of one that waits for no answer, only that it failed. */
static void answer(struct producer *producer, const tr_message *item,
                   const struct mould_heard *heard, const tr_error *error) {
    tr_status status = error->status;
    struct tr_spawned spawned = {.status = status, .pid = item->to};
    snprintf(spawned.reason, sizeof spawned.reason, "%.60s: %.64s", heard->mould.name,
             error->message);
    bool asked = (item->flags & MESSAGE_ASK) != 0;
    tr_message *made;
    check(message_of(producer->runtime->spawned, &spawned, UINT32_MAX, &made) == TR_OK);
    made->flags = asked ? MESSAGE_REPLY : MESSAGE_EXEMPT;
    made->reference = asked ? item->serial : 0;
    made->to = item->from;
    made->trace = item->trace;
    post_system(producer, NULL, &made);
}

/* The state as a body of the behavior's own record: the message's, or a converted copy in
 * `*converted_out`, which the caller frees. */
static tr_status state_of(const struct runtime *runtime, const struct behavior *behavior,
                          const tr_message *item, const void **state_out, void **converted_out,
                          tr_error *error) {
    *state_out = item->type == NULL ? NULL : item->body;
    if (item->type == behavior->state || item->type == NULL) return TR_OK;
    if (behavior->state == NULL) return error_set(error, TR_EDATA, NULL, "it has no state");
    record_limits limits = record_limits_for(runtime->message_bytes_max);
    size_t bytes;
    tr_status status =
        record_convert_measure(item->type, item->body, behavior->state, &limits, &bytes, error);
    if (status != TR_OK) return status;
    *converted_out = mem_alloc(bytes + 1);
    record_convert(item->type, item->body, behavior->state, *converted_out, bytes);
    *state_out = *converted_out;
    return TR_OK;
}

static tr_status check_mould(const struct runtime *runtime, const struct mould_heard *heard,
                             tr_error *error) {
    if (atomic_load_explicit(&runtime->draining, memory_order_relaxed))
        return error_set(error, TR_ECLOSED, NULL, "%s is closing", runtime->node_name);
    if (heard->behavior == NULL)
        return error_set(error, TR_ENOENT, NULL, "%s offers no such behavior", runtime->node_name);
    if (heard->status != TR_OK) return error_set(error, heard->status, NULL, "%s", heard->reason);
    return TR_OK;
}

static tr_status bear(struct producer *producer, const tr_message *item,
                      const struct mould_heard *heard, tr_error *error) {
    tr_status status = check_mould(producer->runtime, heard, error);
    if (status != TR_OK) return status;
    const void *state;
    void *converted = NULL;
    status = state_of(producer->runtime, heard->behavior, item, &state, &converted, error);
    if (status != TR_OK) return status;
    struct actor_birth birth = {.behavior = heard->behavior,
                                .state = state,
                                .limits = heard->has_limits ? &heard->limits : NULL,
                                .colour = runtime_epoch(producer->runtime)};
    birth.born_for = (tr_request){item->from, (item->flags & MESSAGE_ASK) != 0 ? item->serial : 0};
    status = actor_spawn_leased(producer, &birth, item->to);
    mem_free(converted);
    return status == TR_OK ? TR_OK : error_set(error, status, NULL, "its state cannot be copied");
}

/* A spawn that was in flight at the cut, as one that can be spawned again. */
static void record_request(struct producer *producer, const tr_message *item,
                           const struct mould_heard *heard, uint64_t epoch) {
    struct buffer state;
    buffer_init(&state);
    if (item->type != NULL) record_encode(item->type, item->body, &state);
    struct spawn_request request = {
        .behavior = {heard->mould.name, (uint32_t)strlen(heard->mould.name)},
        .state = {state.data, (uint32_t)state.bytes},
        .low = heard->mould.marks.low,
        .high = heard->mould.marks.high,
        .hard = heard->mould.marks.hard};
    if (item->type != NULL)
        request.record = (tr_bytes){item->type->descriptor, item->type->descriptor_bytes};
    tr_message *made;
    check(message_of(producer->runtime->spawn_request, &request, UINT32_MAX, &made) == TR_OK);
    tr_message head = *item;
    head.next = NULL;
    head.type = made->type;
    head.body_bytes = made->body_bytes;
    head.reference = 0;
    memcpy(made, &head, sizeof head);
    recording_message(producer, made, epoch, NULL);
    message_free(made);
    buffer_fini(&state);
}

void spawn_arrived(struct producer *producer, tr_message **arrived) {
    struct runtime *runtime = producer->runtime;
    tr_message *item = *arrived;
    const struct mould_heard *heard =
        runtime->router->heard_mould(runtime->router_context, item->origin, item->reference);
    if (heard == NULL || !unborn_is_leased(runtime, item->to, item->origin)) {
        deadletter_drop(producer, NULL, arrived, DEADLETTER_NO_LEASE);
        return;
    }
    *arrived = NULL;
    uint64_t epoch = runtime_epoch(runtime);
    if (item->colour < epoch) {
        record_request(producer, item, heard, epoch);
        item->colour = epoch;
    }
    runtime_observe_message(runtime, OBSERVE_RECEIVE, item, epoch, NULL);
    tr_error error = {0};
    if (bear(producer, item, heard, &error) != TR_OK) {
        unborn_drop(producer, item->to, DEADLETTER_UNBORN_FAILED);
        answer(producer, item, heard, &error);
    }
    runtime_observe_message(runtime, OBSERVE_HANDLED, item, epoch, NULL);
    tally_count(&producer->tally, TALLY_RECEIVED, item->origin, item->origin_session, epoch);
    counter_add(&producer->counters.handled);
    message_free(item);
}
