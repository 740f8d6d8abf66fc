#include "node/services.h"

#include <stdio.h>
#include <string.h>

#include "node/ask.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/directory.h"
#include "node/namer.h"
#include "node/post.h"
#include "node/record_codec.h"
#include "node/json.h"
#include "node/worker.h"

TR_RECORD_DEFINE(spawn_request, TR_FIELD(spawn_request, behavior), TR_FIELD(spawn_request, name),
                 TR_FIELD(spawn_request, record), TR_FIELD(spawn_request, state),
                 TR_FIELD(spawn_request, json), TR_FIELD(spawn_request, low),
                 TR_FIELD(spawn_request, high), TR_FIELD(spawn_request, hard));
TR_RECORD_DEFINE(name_claim, TR_FIELD(name_claim, name), TR_FIELD(name_claim, pid));
TR_RECORD_DEFINE(name_packet, TR_FIELD(name_packet, bytes));

/* ---- public records -------------------------------------------------------------------------- */

TR_RECORD_DEFINE(tr_ask_failed, TR_FIELD(tr_ask_failed, status), TR_FIELD(tr_ask_failed, target),
                 TR_FIELD(tr_ask_failed, record));
TR_RECORD_DEFINE(tr_spawned, TR_FIELD(tr_spawned, status), TR_FIELD(tr_spawned, pid),
                 TR_FIELD(tr_spawned, reason));
TR_RECORD_DEFINE(tr_name_result, TR_FIELD(tr_name_result, status), TR_FIELD(tr_name_result, pid),
                 TR_FIELD(tr_name_result, name));

/* ---- requests -------------------------------------------------------------------------------- */

tr_status services_limits(const struct runtime *runtime, const tr_mailbox_options *options,
                          struct mailbox_limits *limits_out, tr_error *error) {
    static const char *const policies[] = {"block",       "reject", "drop-newest",
                                           "drop-oldest", "spill",  "unbounded"};
    if (options->overflow != TR_OVERFLOW_BLOCK)
        return error_set(
            error, TR_ENOTSUP, "use block, the default", "mailbox policy %s is not there yet",
            (unsigned)options->overflow < 6 ? policies[options->overflow] : "of that number");
    struct mailbox_limits limits = runtime->limits;
    if (options->high != 0)
        limits = (struct mailbox_limits){options->high / 2, options->high, 16 * options->high};
    if (options->low != 0) limits.low = options->low;
    if (options->hard != 0) limits.hard = options->hard;
    if (limits.hard > 1000000 && options->hard == 0) limits.hard = 1000000;
    if (limits.low >= limits.high || limits.high >= limits.hard || limits.hard > 1000000)
        return error_set(error, TR_EINVAL, "keep low < high < hard <= 1000000",
                         "mailbox marks low %u, high %u, hard %u", limits.low, limits.high,
                         limits.hard);
    *limits_out = limits;
    return TR_OK;
}

static tr_status encode_state(struct runtime *runtime, const tr_record *state_record,
                              const void *state, struct spawn_request *request, struct buffer *out,
                              tr_error *error) {
    const record_type *type;
    tr_status status = record_table_intern(runtime->records, state_record, &type, error);
    if (status != TR_OK) return status;
    record_encode(type, state, out);
    if (out->bytes > runtime->message_bytes_max)
        return error_set(error, TR_ETOOBIG, NULL, "the state takes %zu bytes", out->bytes);
    request->record = (tr_bytes){type->descriptor, type->descriptor_bytes};
    request->state = (tr_bytes){out->data, (uint32_t)out->bytes};
    return TR_OK;
}

tr_status services_request(struct runtime *runtime, const char *behavior,
                           const tr_record *state_record, const tr_spawn_options *options,
                           struct spawn_request *request, struct buffer *state, tr_pid *service_out,
                           tr_error *error) {
    memset(request, 0, sizeof *request);
    if (options->supervisor != NULL)
        return error_set(error, TR_ENOTSUP, "leave .supervisor out",
                         "supervisors are not there yet");
    if (options->name != NULL && !names_valid(options->name, strlen(options->name)))
        return error_set(error, TR_EINVAL,
                         "1 to 255 bytes without '/', spaces and control characters",
                         "\"%s\" is no actor name", options->name);
    struct mailbox_limits limits;
    tr_status status = services_limits(runtime, &options->mailbox, &limits, error);
    if (status != TR_OK) return status;
    uint64_t space = runtime->space;
    if (options->node != NULL && strcmp(options->node, runtime->node_name) != 0 &&
        !runtime->router->space_of(runtime->router_context, options->node, &space))
        return error_set(error, TR_ENOENT, "`troupe node list` shows the members",
                         "no member %s is up", options->node);
    if (options->state != NULL) {
        if (state_record == NULL)
            return error_set(error, TR_EINVAL, "give the state's record as well",
                             "spawn of %s: a state without a record", behavior);
        status = encode_state(runtime, state_record, options->state, request, state, error);
        if (status != TR_OK) return status;
    }
    request->behavior = (tr_text){behavior, (uint32_t)strlen(behavior)};
    if (options->name != NULL)
        request->name = (tr_text){options->name, (uint32_t)strlen(options->name)};
    request->low = options->mailbox.low;
    request->high = options->mailbox.high;
    request->hard = options->mailbox.hard;
    *service_out = (tr_pid){space, SERVICE_SPAWNER, 1};
    return TR_OK;
}

/* ---- the spawner ----------------------------------------------------------------------------- */

/* A named spawn whose claim is under way. */
struct spawn_claim {
    tr_request request;
    tr_pid child;
};
TR_RECORD(spawn_claim, TR_FIELD(spawn_claim, request), TR_FIELD(spawn_claim, child));

static tr_status answer(tr_actor *self, tr_request request, tr_status status, tr_pid pid,
                        const char *reason) {
    struct tr_spawned spawned = {.status = status, .pid = pid};
    snprintf(spawned.reason, sizeof spawned.reason, "%.127s", reason == NULL ? "" : reason);
    tr_answer_record(self, request, &tr_spawned_record, &spawned);
    return TR_OK; /* a refused request never fails the spawner */
}

/* The initial state as a body of the behavior's state type, or NULL for none; the caller frees it.
 */
static tr_status decode_state(tr_actor *self, const struct behavior *behavior,
                              const struct spawn_request *request, void **state_out,
                              tr_error *error) {
    struct runtime *runtime = self->runtime;
    *state_out = NULL;
    if (request->record.bytes == 0 && request->json.bytes == 0) return TR_OK;
    if (behavior->state == NULL)
        return error_set(error, TR_EDATA, "spawn it without a state", "behavior %s has no state",
                         behavior->offered->name);
    if (request->json.bytes > 0)
        return json_record_body(runtime, behavior->state, request->json.data, request->json.bytes,
                                state_out, error);
    record_limits limits = record_limits_for(runtime->message_bytes_max);
    const record_type *type;
    tr_status status = record_table_from_wire(runtime->records, request->record.data,
                                              request->record.bytes, &type, error);
    size_t bytes;
    if (status == TR_OK)
        status = record_decode_measure(type, request->state.data, request->state.bytes, &limits,
                                       &bytes, error);
    if (status != TR_OK) return status;
    void *body = mem_alloc(bytes + 1);
    status =
        record_decode(type, request->state.data, request->state.bytes, &limits, body, bytes, error);
    if (status == TR_OK && type != behavior->state) {
        void *converted = NULL;
        status = record_convert_measure(type, body, behavior->state, &limits, &bytes, error);
        if (status == TR_OK) {
            converted = mem_alloc(bytes + 1);
            record_convert(type, body, behavior->state, converted, bytes);
        }
        mem_free(body);
        body = converted;
    }
    if (status != TR_OK) {
        mem_free(body);
        return status;
    }
    *state_out = body;
    return TR_OK;
}

static char *copy_text(tr_text text) {
    char *copy = mem_alloc(text.bytes + 1);
    if (text.bytes > 0) memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = '\0';
    return copy;
}

static tr_status spawn_child(tr_actor *self, const struct spawn_request *request,
                             const struct behavior *behavior, const char *name, tr_request token,
                             tr_actor **child_out, tr_error *error) {
    tr_mailbox_options marks = {.low = request->low, .high = request->high, .hard = request->hard};
    struct mailbox_limits limits;
    tr_status status = services_limits(self->runtime, &marks, &limits, error);
    if (status != TR_OK) return status;
    void *state;
    status = decode_state(self, behavior, request, &state, error);
    if (status != TR_OK) return status;
    bool own_marks = request->low != 0 || request->high != 0 || request->hard != 0;
    struct actor_birth birth = {.behavior = behavior,
                                .state = state,
                                .limits = own_marks ? &limits : NULL,
                                .colour = actor_colour(self),
                                .name = name,
                                .born_for = token};
    status = actor_spawn(self->worker, &birth, child_out);
    mem_free(state);
    return status;
}

static tr_status on_spawn_request(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct spawn_request *request = tr_body(message);
    tr_request token = tr_request_of(message);
    static const tr_pid nobody;
    char *name = copy_text(request->behavior);
    const struct behavior *behavior = behaviors_find(&self->runtime->behaviors, name);
    tr_error error = {0};
    if (behavior == NULL || behavior->system) {
        error_set(&error, TR_ENOENT, NULL, "%s offers no behavior %s", self->runtime->node_name,
                  name);
        mem_free(name);
        return answer(self, token, TR_ENOENT, nobody, error.message);
    }
    mem_free(name);
    name = request->name.bytes == 0 ? NULL : copy_text(request->name);
    tr_actor *child;
    tr_status status = TR_EINVAL;
    if (name != NULL && !names_valid(name, request->name.bytes))
        error_set(&error, status, NULL, "not an actor name");
    else
        status = spawn_child(self, request, behavior, name, token, &child, &error);
    if (status != TR_OK) {
        mem_free(name);
        return answer(self, token, status, nobody, error.message);
    }
    tr_pid pid = actor_pid(child);
    if (name == NULL) return TR_OK; /* the child answers when its init has run */
    struct name_claim claim = {.name = request->name, .pid = pid};
    struct spawn_claim context = {.request = token, .child = pid};
    tr_ask_options options = {
        .timeout_ms = 20000, .context_record = &spawn_claim_record, .context = &context};
    status = tr_ask_record(self, self->runtime->namer, &options, &name_claim_record, &claim);
    mem_free(name);
    if (status == TR_OK) return TR_OK;
    actor_signal(child, SIGNAL_CANCEL);
    return answer(self, token, status, nobody, "the name service has no room");
}

static tr_status claim_ended(tr_actor *self, const struct spawn_claim *claim, tr_status status,
                             tr_pid holder) {
    struct slot_head *head = runtime_find(self->runtime, claim->child);
    if (head != NULL)
        actor_signal((tr_actor *)(void *)head, status == TR_OK ? SIGNAL_START : SIGNAL_CANCEL);
    if (status == TR_OK) return TR_OK; /* the child answers when its init has run */
    char text[TR_PID_TEXT_MAX], reason[TR_PID_TEXT_MAX + 32];
    snprintf(reason, sizeof reason,
             status == TR_EEXIST ? "the name is held by %s" : "the name could not be claimed",
             tr_pid_text(self, holder, text, sizeof text));
    return answer(self, claim->request, status, holder, reason);
}

static tr_status on_claim_result(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct tr_name_result *result = tr_body(message);
    if (tr_context(message) == NULL) return TR_OK; /* sent by somebody, and no answer */
    return claim_ended(self, tr_context(message), (tr_status)result->status, result->pid);
}

static tr_status on_claim_failed(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct tr_ask_failed *failed = tr_body(message);
    if (tr_context(message) == NULL) return TR_OK;
    return claim_ended(self, tr_context(message), (tr_status)failed->status, (tr_pid){0, 0, 0});
}

static const tr_behavior spawner_behavior = {
    .name = "troupe.spawner",
    .version = 1,
    .handlers = TR_HANDLERS({&spawn_request_record, on_spawn_request},
                            {&tr_name_result_record, on_claim_result},
                            {&tr_ask_failed_record, on_claim_failed}),
};

/* ---- start ----------------------------------------------------------------------------------- */

tr_status services_offer(struct runtime *runtime, tr_error *error) {
    tr_status status = behaviors_offer(&runtime->behaviors, &spawner_behavior, true, error);
    if (status == TR_OK)
        status = behaviors_offer(&runtime->behaviors, &namer_behavior, true, error);
    if (status == TR_OK)
        status = record_table_intern(runtime->records, &tr_ask_failed_record, &runtime->ask_failed,
                                     error);
    if (status == TR_OK)
        status =
            record_table_intern(runtime->records, &tr_spawned_record, &runtime->spawned, error);
    if (status == TR_OK)
        status = record_table_intern(runtime->records, &tr_name_result_record,
                                     &runtime->name_result, error);
    if (status == TR_OK)
        status = record_table_intern(runtime->records, &spawn_request_record,
                                     &runtime->spawn_request, error);
    if (status == TR_OK)
        status =
            record_table_intern(runtime->records, &name_claim_record, &runtime->name_claim, error);
    return status;
}

static tr_pid start(struct runtime *runtime, const tr_behavior *offered, uint32_t slot) {
    tr_actor *made;
    uint64_t epoch = runtime_epoch(runtime);
    struct actor_birth birth = {.behavior = behaviors_of(&runtime->behaviors, offered),
                                .colour = epoch};
    check(actor_spawn(runtime->workers[0], &birth, &made) == TR_OK);
    check(made->head.slot == slot && made->head.generation == 1);
    return actor_pid(made);
}

void services_start(struct runtime *runtime) {
    struct slot_head zero = slots_take(&runtime->slots, &runtime->workers[0]->producer.slots);
    check(zero.slot == 0); /* the runtime itself: what it sends is from slot 0 */
    runtime->spawner = start(runtime, &spawner_behavior, SERVICE_SPAWNER);
    runtime->namer = start(runtime, &namer_behavior, SERVICE_NAMER);
}
