/* api.c - what a handler may call: the tr_ functions of troupe.h that take a tr_actor. */
#include <stdio.h>
#include <string.h>

#include "node/actor.h"
#include "node/base/buffer.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/directory.h"
#include "node/record_codec.h"
#include "node/record_state.h"
#include "node/runtime.h"
#include "node/services.h"
#include "node/spawn.h"
#include "node/worker.h"

/* The node's form of a record; TR_EDATA when it cannot travel. */
static tr_status find_type(tr_actor *self, const tr_record *record, const record_type **type_out) {
    record_table *records = self->runtime->records;
    const record_type *found = record_table_find(records, record);
    if (found != NULL) {
        *type_out = found;
        return TR_OK;
    }
    tr_error error;
    if (record_table_intern(records, record, type_out, &error) == TR_OK) return TR_OK;
    actor_log(self, self->current, TR_ERROR, "%s", error.message);
    return TR_EDATA;
}

/* The same by way of what this worker has found before. */
static inline tr_status resolve(tr_actor *self, const tr_record *record,
                                const record_type **type_out) {
    struct known_type *known = &self->worker->known_types[known_type_place(record)];
    if (known->record != record || record == NULL) {
        tr_status status = find_type(self, record, &known->type);
        known->record = status == TR_OK ? record : NULL;
        if (status != TR_OK) return status;
    }
    *type_out = known->type;
    return TR_OK;
}

static tr_status send_typed(tr_actor *self, tr_pid to, unsigned flags, uint64_t reference,
                            const tr_record *record, const void *body, const tr_ask_options *ask) {
    const record_type *type;
    tr_status status = resolve(self, record, &type);
    return status != TR_OK ? status : actor_send(self, to, flags, reference, type, body, ask, NULL);
}

tr_status tr_send_record(tr_actor *self, tr_pid to, const tr_record *record, const void *body) {
    const record_type *type;
    tr_status status = resolve(self, record, &type);
    return status != TR_OK ? status : actor_tell(self, to, type, body);
}

tr_status tr_ask_record(tr_actor *self, tr_pid to, const tr_ask_options *options,
                        const tr_record *record, const void *body) {
    if (options != NULL && options->hold && self->extra != NULL && self->extra->hold != 0)
        return TR_EINVAL;
    return send_typed(self, to, MESSAGE_ASK, 0, record, body, options);
}

tr_status tr_reply_record(tr_actor *self, const tr_message *message, const tr_record *record,
                          const void *body) {
    tr_request request = tr_request_of(message);
    if (message == self->current) self->replied = true;
    return tr_answer_record(self, request, record, body);
}

tr_status tr_answer_record(tr_actor *self, tr_request request, const tr_record *record,
                           const void *body) {
    if (request.id == 0) return TR_EINVAL;
    return send_typed(self, request.from, MESSAGE_REPLY, request.id, record, body, NULL);
}

tr_status tr_send_after_record(tr_actor *self, uint64_t delay_ms, tr_timer *timer_out,
                               const tr_record *record, const void *body) {
    const record_type *type;
    tr_status status = resolve(self, record, &type);
    tr_message *item;
    if (status == TR_OK) status = message_of(type, body, self->runtime->message_bytes_max, &item);
    if (status != TR_OK) return status;
    struct actor_extra *extra = actor_extra(self);
    struct timer *timer = mem_zalloc(1, sizeof *timer);
    timer->id = ++extra->timer_last_id;
    timer->message = item;
    timer->type = type;
    timer->body = item->body;
    item->kind = MESSAGE_TIMER;
    item->from = item->to = actor_pid(self);
    item->reference = timer->id;
    if (self->current != NULL) item->trace = self->current->trace;
    map_u64_put(&extra->timers, timer->id, timer);
    if (timer_out != NULL) *timer_out = timer->id;
    worker_add_timer(self->worker, timer, delay_ms);
    return TR_OK;
}

tr_status tr_timer_cancel(tr_actor *self, tr_timer timer) {
    struct timer *found = self->extra == NULL ? NULL : map_u64_remove(&self->extra->timers, timer);
    if (found == NULL) return TR_ENOENT;
    timers_remove(found);
    message_free(
        found->message); /* NULL once fired: its message then finds no timer and is dropped */
    mem_free(found);
    return TR_OK;
}

/* ---- spawning -------------------------------------------------------------------------------- */

/* Asks the other node's spawner: the name must be claimed, or no leased slot is left. */
static tr_status spawn_asking(tr_actor *self, const char *behavior, const tr_record *state_record,
                              const tr_spawn_options *options) {
    if (!spawn_is_told(self)) {
        actor_log(self, self->current, TR_ERROR,
                  "spawn of %s: with a name the outcome is a tr_spawned message, and %s has no "
                  "handler for it",
                  behavior, self->behavior->offered->name);
        return TR_EINVAL;
    }
    struct spawn_request request;
    struct buffer state;
    buffer_init(&state);
    tr_pid service;
    tr_error error = {0};
    tr_status status = services_request(self->runtime, behavior, state_record, options, &request,
                                        &state, &service, &error);
    tr_ask_options ask = {.timeout_ms = 25000,
                          .context_record = options->context_record,
                          .context = options->context};
    if (status == TR_OK)
        status = tr_ask_record(self, service, &ask, &spawn_request_record, &request);
    else
        actor_log(self, self->current, TR_ERROR, "%s", error.message);
    buffer_fini(&state);
    return status;
}

static tr_status spawn_remote(tr_actor *self, const tr_behavior *behavior, const char *name,
                              const tr_record *state_record, const tr_spawn_options *options,
                              tr_pid *pid_out) {
    if (options->name == NULL) {
        tr_status status = spawn_away(self, behavior, name, state_record, options, pid_out);
        bool dry = status == TR_EFULL || status == TR_ENOTSUP;
        if (!dry || !spawn_is_told(self) || options->supervisor != NULL) return status;
    }
    tr_status status = spawn_asking(self, name, state_record, options);
    if (status == TR_OK && pid_out != NULL) *pid_out = (tr_pid){0, 0, 0};
    return status;
}

static const tr_spawn_options spawn_defaults;

static bool is_local(const tr_actor *self, const tr_spawn_options *options) {
    return options->name == NULL &&
           (options->node == NULL || strcmp(options->node, self->runtime->node_name) == 0);
}

/* What a spawn asks for besides behavior and state; logged when it cannot be had. */
static tr_status spawn_limits(tr_actor *self, const struct behavior *behavior,
                              const tr_spawn_options *options, struct mailbox_limits *limits_out) {
    tr_error error = {0};
    tr_status status = options->supervisor != NULL
                           ? error_set(&error, TR_ENOTSUP, NULL, "supervisors are not there yet")
                           : services_limits(self->runtime, &options->mailbox, limits_out, &error);
    if (status != TR_OK)
        actor_log(self, self->current, TR_ERROR, "spawn of %s: %s", behavior->offered->name,
                  error.message);
    return status;
}

static tr_status spawn_local(tr_actor *self, const struct behavior *behavior,
                             const tr_spawn_options *options, tr_pid *pid_out) {
    const tr_mailbox_options *marks = &options->mailbox;
    bool own_marks = marks->low != 0 || marks->high != 0 || marks->hard != 0;
    bool plain = !own_marks && marks->overflow == TR_OVERFLOW_BLOCK && options->supervisor == NULL;
    struct mailbox_limits limits;
    tr_status status = plain ? TR_OK : spawn_limits(self, behavior, options, &limits);
    if (status != TR_OK) return status;
    tr_actor *made;
    struct actor_birth birth = {.behavior = behavior,
                                .state = options->state,
                                .colour = actor_colour(self),
                                .limits = own_marks ? &limits : NULL};
    status = actor_spawn(self->worker, &birth, &made);
    if (status == TR_OK && pid_out != NULL) *pid_out = actor_pid(made);
    return status;
}

/* The state is of another version of the behavior's record. */
static tr_status spawn_converted(tr_actor *self, const struct behavior *behavior,
                                 const record_type *type, const tr_spawn_options *options,
                                 tr_pid *pid_out) {
    record_limits limits = record_limits_for(self->runtime->message_bytes_max);
    tr_error error;
    size_t bytes;
    if (behavior->state == NULL) return TR_EDATA;
    if (record_convert_measure(type, options->state, behavior->state, &limits, &bytes, &error) !=
        TR_OK) {
        actor_log(self, self->current, TR_ERROR, "spawn of %s: %s", behavior->offered->name,
                  error.message);
        return TR_EDATA;
    }
    void *state = mem_alloc(bytes + 1);
    record_convert(type, options->state, behavior->state, state, bytes);
    tr_spawn_options converted = *options;
    converted.state = state;
    tr_status status = spawn_local(self, behavior, &converted, pid_out);
    mem_free(state);
    return status;
}

tr_status tr_spawn(tr_actor *self, const tr_behavior *behavior, const tr_spawn_options *options,
                   tr_pid *pid_out) {
    if (options == NULL) options = &spawn_defaults;
    if (is_local(self, options)) {
        const struct behavior *found = behaviors_of(&self->runtime->behaviors, behavior);
        return found == NULL ? TR_ENOENT : spawn_local(self, found, options, pid_out);
    }
    return spawn_remote(self, behavior, behavior->name, behavior->state, options, pid_out);
}

tr_status tr_spawn_by_name(tr_actor *self, const char *behavior, const tr_record *state_record,
                           const tr_spawn_options *options, tr_pid *pid_out) {
    if (options == NULL) options = &spawn_defaults;
    const struct behavior *found = behaviors_find(&self->runtime->behaviors, behavior);
    if (is_local(self, options)) {
        if (found == NULL || found->system) return TR_ENOENT;
        const record_type *type = NULL;
        if (options->state != NULL &&
            (state_record == NULL || resolve(self, state_record, &type) != TR_OK))
            return TR_EINVAL;
        if (type == found->state || options->state == NULL)
            return spawn_local(self, found, options, pid_out);
        return spawn_converted(self, found, type, options, pid_out);
    }
    return spawn_remote(self, NULL, behavior, state_record, options, pid_out);
}

tr_pid tr_self(const tr_actor *self) {
    return actor_pid(self);
}

void tr_exit(tr_actor *self) {
    self->exiting = true;
}

tr_status tr_stop(tr_actor *self, tr_pid pid) {
    return actor_post_stop(self, pid);
}

tr_status tr_fail(tr_actor *self, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    mem_free(self->failure);
    self->failure = mem_format_list(format, arguments);
    va_end(arguments);
    return TR_EFAILED;
}

/* ---- names, members -------------------------------------------------------------------------- */

tr_status tr_register(tr_actor *self, const char *name) {
    if (name == NULL || !names_valid(name, strlen(name))) return TR_EINVAL;
    struct name_claim claim = {.name = {name, (uint32_t)strlen(name)}, .pid = actor_pid(self)};
    tr_ask_options options = {
        .timeout_ms = 20000, .context_record = &name_claim_record, .context = &claim};
    tr_status status =
        tr_ask_record(self, self->runtime->namer, &options, &name_claim_record, &claim);
    if (status == TR_OK)
        actor_extra(self)->has_claimed = true; /* its end frees the name, answered or not */
    return status;
}

tr_status tr_whereis(tr_actor *self, const char *name, tr_pid *pid_out) {
    return directory_find(self->runtime->directory, name, actor_colour(self), pid_out) ? TR_OK
                                                                                       : TR_ENOENT;
}

const char *tr_member_name(tr_actor *self, size_t index) {
    struct runtime *runtime = self->runtime;
    return runtime->router->member_at(runtime->router_context, index);
}

size_t tr_member_count(tr_actor *self) {
    size_t count = 0;
    while (tr_member_name(self, count) != NULL) count++;
    return count;
}

const char *tr_node_name(tr_actor *self) {
    return self->runtime->node_name;
}

/* ---- world ----------------------------------------------------------------------------------- */

uint64_t tr_now(const tr_actor *self) {
    return runtime_now_ns(self->runtime) + self->runtime->wall_offset_ns;
}

uint64_t tr_random(tr_actor *self) {
    return random_u64(&self->worker->producer.random);
}

void tr_log(tr_actor *self, tr_log_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    actor_log_list(self, self->current, level, format, arguments);
    va_end(arguments);
}

char *tr_pid_text(tr_actor *self, tr_pid pid, char *out, size_t out_bytes) {
    struct runtime *runtime = self->runtime;
    return runtime->router->pid_text(runtime->router_context, pid, out, out_bytes);
}

/* ---- state ----------------------------------------------------------------------------------- */

tr_status tr_text_set(tr_actor *self, tr_text *field, const char *data, size_t bytes) {
    const record_type *type = self->behavior->state;
    return type == NULL ? TR_EINVAL : record_state_set_text(type, self->state, field, data, bytes);
}

tr_status tr_bytes_set(tr_actor *self, tr_bytes *field, const void *data, size_t bytes) {
    const record_type *type = self->behavior->state;
    return type == NULL ? TR_EINVAL : record_state_set_bytes(type, self->state, field, data, bytes);
}

tr_status tr_list_set(tr_actor *self, tr_list *field, const void *items, uint32_t count) {
    const record_type *type = self->behavior->state;
    return type == NULL ? TR_EINVAL : record_state_set_list(type, self->state, field, items, count);
}
