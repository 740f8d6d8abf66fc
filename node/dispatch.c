/* dispatch.c - finds the handler for a message and runs it: records by type or by name, replies
 * with their context, timers and timeouts, and what becomes of messages nobody handles. */
#include <stdio.h>

#include "node/actor.h"
#include "node/ask.h"
#include "node/base/hex.h"
#include "node/base/memory.h"
#include "node/deadletter.h"
#include "node/inspect.h"
#include "node/record_codec.h"
#include "node/runtime.h"
#include "node/services.h"
#include "node/spawn.h"

void actor_log_list(tr_actor *actor, const tr_message *item, tr_log_level level, const char *format,
                    va_list arguments) {
    struct runtime *runtime = actor->runtime;
    struct logger *logger = runtime->environment->logger;
    if (!log_enabled(logger, level)) return;
    char pid[TR_PID_TEXT_MAX], trace[33];
    runtime->router->pid_text(runtime->router_context, actor_pid(actor), pid, sizeof pid);
    if (item != NULL) hex_encode(item->trace.id, sizeof item->trace.id, trace);
    log_context context = {.actor = pid, .trace = item == NULL ? NULL : trace};
    log_write_list(logger, level, &context, format, arguments);
}

void actor_log(tr_actor *actor, const tr_message *item, tr_log_level level, const char *format,
               ...) {
    va_list arguments;
    va_start(arguments, format);
    actor_log_list(actor, item, level, format, arguments);
    va_end(arguments);
}

void actor_report_failure(tr_actor *actor, const tr_message *item, tr_status status) {
    actor_log(actor, item, TR_ERROR, "%s failed in %s: %s: %s", actor->behavior->offered->name,
              item == NULL ? "init" : tr_record_name(item), tr_status_name(status),
              actor->failure != NULL ? actor->failure : tr_status_text(status));
}

/* The message is done with: the handler's colour at its completion counts it (I8). */
static inline void complete(struct worker *worker, tr_actor *actor, tr_message *item) {
    struct producer *producer = &worker->producer;
    if (item->origin != 0)
        tally_count(&producer->tally, TALLY_RECEIVED, item->origin, item->origin_session,
                    actor_colour(actor));
    counter_add(&producer->counters.handled);
    counter_add(&actor->processed);
    if (item != worker->peeked) message_free(item);
}

__attribute__((noinline)) static void report_slow(tr_actor *actor, const tr_message *item,
                                                  uint64_t took_ns) {
    actor_log(actor, item, TR_WARN, "slow handler: %s took %" PRIu64 " ms for %s",
              actor->behavior->offered->name, took_ns / 1000000,
              item == NULL ? "init" : item->type->name);
}

static inline void watch_time(struct worker *worker, tr_actor *actor, const tr_message *item) {
    struct runtime *runtime = actor->runtime;
    uint64_t now_ns = environment_coarse_ns(runtime->environment);
    uint64_t took_ns = now_ns - worker->looked_ns;
    worker->looked_ns = now_ns;
    if (took_ns >= runtime->slow_handler_ns) report_slow(actor, item, took_ns);
}

void actor_watch_time(struct worker *worker, tr_actor *actor, const tr_message *item) {
    watch_time(worker, actor, item);
}

/* The handler failed: the reason is logged, and told to whoever asked. */
static void report_handler(struct worker *worker, tr_actor *actor, const tr_message *item,
                           tr_status status) {
    actor_report_failure(actor, item, status);
    if ((item->flags & MESSAGE_ASK) != 0 && !actor->replied)
        deadletter_answer(&worker->producer, actor, item, TR_EFAILED);
}

/* Calls the handler, watched by whoever looks on. */
__attribute__((noinline)) static tr_status call_observed(tr_actor *actor,
                                                         const struct behavior_entry *entry,
                                                         const tr_message *item) {
    /* By the colour that both began with: the handler does not change it. */
    struct observation seen = {.kind = OBSERVE_RECEIVE,
                               .actor = actor_pid(actor),
                               .from = item->from,
                               .to = item->to,
                               .serial = item->serial,
                               .colour = item->colour,
                               .epoch = actor_colour(actor),
                               .record = item->type->name};
    runtime_observe(actor->runtime, &seen);
    tr_status status = entry->handle(actor, actor->state, item);
    actor->current = NULL;
    seen.kind = OBSERVE_HANDLED;
    seen.state = actor->state;
    runtime_observe(actor->runtime, &seen);
    return status;
}

__attribute__((always_inline)) static inline tr_status run_handler(
    struct worker *worker, tr_actor *actor, const struct behavior_entry *entry, tr_message *item) {
    bool observed = actor->runtime->environment->observer != NULL && message_in_channel(item);
    actor->current = item;
    actor->replied = false;
    tr_status status =
        observed ? call_observed(actor, entry, item) : entry->handle(actor, actor->state, item);
    actor->current = NULL;
    watch_time(worker, actor, item);
    if (status != TR_OK) report_handler(worker, actor, item, status);
    complete(worker, actor, item);
    return status;
}

/* The same message in another version of its record, or NULL when a field's kind has changed. */
static tr_message *convert(tr_actor *actor, const tr_message *item, const record_type *type) {
    record_limits limits = record_limits_for(actor->runtime->message_bytes_max);
    size_t bytes;
    tr_error error;
    if (record_convert_measure(item->type, item->body, type, &limits, &bytes, &error) != TR_OK) {
        log_write(actor->runtime->environment->logger, TR_WARN, NULL, "%s", error.message);
        return NULL;
    }
    return message_converted(item, type, bytes);
}

/* Any record: with an entry of its own, one under another version, or none at all. */
static tr_status handle(struct worker *worker, tr_actor *actor, tr_message *item) {
    const struct behavior_entry *entry = behavior_entry_for(actor->behavior, item->type);
    enum deadletter_reason reason = DEADLETTER_UNHANDLED;
    actor_let_go(worker, actor);
    if (entry != NULL && entry->type != item->type) {
        tr_message *converted = convert(actor, item, entry->type);
        reason = DEADLETTER_MISMATCH;
        if (converted == NULL) {
            entry = NULL;
        } else {
            message_free(item);
            item = converted;
        }
    }
    if (entry != NULL) return run_handler(worker, actor, entry, item);
    if (item->type == actor->runtime->spawned && (item->flags & MESSAGE_EXEMPT) != 0) {
        runtime_observe_message(actor->runtime, OBSERVE_RECEIVE, item, actor_colour(actor), NULL);
        spawn_failed(actor, item);
        runtime_observe_message(actor->runtime, OBSERVE_HANDLED, item, actor_colour(actor), NULL);
        complete(worker, actor, item);
        return TR_OK;
    }
    deadletter_drop(&worker->producer, actor, &item, reason);
    return TR_OK;
}

/* The outcome of an ask that got no reply, in the form its kind of ask promises. */
static tr_message *failure_of(tr_actor *actor, const struct pending_ask *ask, tr_status status) {
    struct runtime *runtime = actor->runtime;
    tr_message *made = NULL;
    if (ask->request == runtime->spawn_request) {
        struct tr_spawned spawned = {.status = status};
        bool leased = ask->target.slot != SERVICE_SPAWNER; /* else nobody knows the pid yet */
        if (leased) spawned.pid = ask->target;
        snprintf(spawned.reason, sizeof spawned.reason, "%s", tr_status_text(status));
        message_of(runtime->spawned, &spawned, UINT32_MAX, &made);
    } else if (ask->request == runtime->name_claim) {
        struct tr_name_result result = {.status = status};
        message_of(runtime->name_result, &result, UINT32_MAX, &made);
    } else {
        struct tr_ask_failed failed = {.status = status, .target = ask->target};
        snprintf(failed.record, sizeof failed.record, "%s", ask->request->name);
        message_of(runtime->ask_failed, &failed, UINT32_MAX, &made);
    }
    return made;
}

/* The name is this actor's from now on, so its records and its end know it. */
static void take_name(tr_actor *actor, const struct pending_ask *ask, const tr_message *item) {
    const struct tr_name_result *result = tr_body(item);
    const struct name_claim *claim = ask->context;
    if (result->status == TR_OK && claim != NULL)
        actor_add_name(actor, claim->name.data, claim->name.bytes);
}

/* Runs the handler for an ask's outcome; without one a failure is logged, and a success of the
 * runtime's own is nothing. */
static tr_status handle_outcome(struct worker *worker, tr_actor *actor, struct pending_ask *ask,
                                tr_message *item) {
    struct runtime *runtime = actor->runtime;
    if (ask->request == runtime->name_claim && item->type == runtime->name_result &&
        !actor->behavior->system)
        take_name(actor, ask, item);
    item->context = ask->context;
    bool handled = behavior_handles(actor->behavior, item->type->name);
    bool own = item->type == runtime->ask_failed || item->type == runtime->spawned ||
               item->type == runtime->name_result;
    if (handled || !own) return handle(worker, actor, item);
    int32_t status = *(const int32_t *)tr_body(item); /* the first field of each of the three */
    if (status != TR_OK)
        actor_log(actor, item, TR_WARN, "%s: %s, and there is no handler for %s",
                  ask->request->name, tr_status_text((tr_status)status), item->type->name);
    complete(worker, actor, item);
    return TR_OK;
}

static tr_status handle_reply(struct worker *worker, tr_actor *actor, tr_message *item) {
    struct runtime *runtime = actor->runtime;
    struct pending_ask *ask = ask_take(actor, item->reference);
    if (ask == NULL) {
        deadletter_drop(&worker->producer, actor, &item, DEADLETTER_LATE_REPLY);
        return TR_OK;
    }
    bool formed = ask->request == runtime->spawn_request || ask->request == runtime->name_claim;
    if (formed && item->type == runtime->ask_failed) {
        const struct tr_ask_failed *failed = tr_body(item);
        tr_message *outcome = failure_of(actor, ask, (tr_status)failed->status);
        outcome->origin = item->origin;
        outcome->origin_session = item->origin_session;
        outcome->from = item->from;
        outcome->to = item->to;
        outcome->serial = item->serial;
        outcome->colour = item->colour;
        outcome->trace = item->trace;
        outcome->flags = item->flags;
        message_free(item);
        item = outcome;
    }
    tr_status status = handle_outcome(worker, actor, ask, item);
    ask_close(ask);
    return status;
}

static tr_status handle_timeout(struct worker *worker, tr_actor *actor, tr_message *token) {
    struct pending_ask *ask = ask_take(actor, token->reference);
    tr_status status = TR_OK;
    if (ask != NULL) {
        tr_message *item = failure_of(actor, ask, TR_ETIMEDOUT);
        item->kind = MESSAGE_TIMER; /* from the actor's own timer: no channel message */
        item->to = token->to;
        item->trace = token->trace;
        status = handle_outcome(worker, actor, ask, item);
        ask_close(ask);
    }
    message_free(token);
    return status;
}

static tr_status handle_timer(struct worker *worker, tr_actor *actor, tr_message *item) {
    struct timer *timer =
        actor->extra == NULL ? NULL : map_u64_remove(&actor->extra->timers, item->reference);
    if (timer == NULL) { /* cancelled after it fired */
        message_free(item);
        return TR_OK;
    }
    mem_free(timer);
    return handle(worker, actor, item);
}

static tr_status dispatch_other(struct worker *worker, tr_actor *actor, tr_message *item) {
    switch (item->kind) {
        case MESSAGE_ASK_TIMEOUT:
            return handle_timeout(worker, actor, item);
        case MESSAGE_TIMER:
            return handle_timer(worker, actor, item);
        case MESSAGE_STOP: {
            runtime_observe_message(actor->runtime, OBSERVE_RECEIVE, item, actor_colour(actor),
                                    NULL);
            runtime_observe_message(actor->runtime, OBSERVE_HANDLED, item, actor_colour(actor),
                                    NULL);
            if (actor->behavior->system) { /* nobody but the node ends its own services */
                if ((item->flags & MESSAGE_ASK) != 0)
                    deadletter_answer(&worker->producer, actor, item, TR_EREFUSED);
            } else if ((item->flags & MESSAGE_ASK) != 0) {
                tr_message *kept = item;
                actor_extra(actor)->stop_for = kept;
                item = message_new(
                    0); /* received where that was: the link's counters must agree (I8) */
                item->origin = kept->origin;
                item->origin_session = kept->origin_session;
            }
            complete(worker, actor, item);
            return TR_OK;
        }
        case MESSAGE_INSPECT:
            inspect_answer(actor, item);
            message_free(item);
            return TR_OK;
        default:
            return (item->flags & MESSAGE_REPLY) != 0 ? handle_reply(worker, actor, item)
                                                      : handle(worker, actor, item);
    }
}

tr_status dispatch_message(struct worker *worker, tr_actor *actor, tr_message *item) {
    if (message_is_plain(item)) {
        const struct behavior_entry *entry = behavior_entry_exact(actor->behavior, item->type);
        if (entry != NULL) return run_handler(worker, actor, entry, item);
    }
    return dispatch_other(worker, actor, item);
}
