/* control_messages.c - send and ask: JSON bodies to actors and back. */
#include <stdio.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/control.h"
#include "node/json.h"

enum { TIMEOUT_MS = 5000 };

static json_t *record_names(const struct behavior *behavior) {
    json_t *names = json_array();
    for (uint32_t i = 0; i < behavior->entry_count && i < 100; i++)
        json_array_append_new(names, json_string(behavior->entries[i].type->name));
    return names;
}

/* The type of the record that the call names, as the target's behavior has it; NULL with the call
 * ended. */
static const record_type *record_of(struct control_call *call, const struct behavior *behavior) {
    const char *record = control_text(call, "record");
    for (uint32_t i = 0; i < behavior->entry_count; i++)
        if (strcmp(behavior->entries[i].type->name, record) == 0) return behavior->entries[i].type;
    tr_error error = {0};
    error_set(&error, TR_ENOENT, NULL, "behavior %s takes no record %s", behavior->offered->name,
              record);
    error_hint(&error, "`troupe behavior show %s` lists its records", behavior->offered->name);
    control_reply_error(call, &error, record_names(behavior));
    return NULL;
}

/* Reads the body into call->state; NULL with the call ended. */
static const record_type *read_body(struct control_call *call) {
    tr_actor *actor = control_target_actor(call);
    if (actor == NULL) return NULL;
    const record_type *type = record_of(call, actor->behavior);
    if (type == NULL || call->state != NULL) return type;
    tr_error error = {0};
    record_pids pids = json_pids(call->node->runtime);
    void *body = NULL;
    if (record_from_json(type, json_object_get(call->args, "body"), &pids, NULL, &body, &error) !=
        TR_OK) {
        control_reply_error(call, &error, NULL);
        return NULL;
    }
    call->state = body;
    call->free_state = mem_free;
    return type;
}

static void post_failed(struct control_call *call, tr_status status) {
    const char *target = control_text(call, "target");
    if (status == TR_ETOOBIG)
        control_fail(call, status, NULL, "the message to %s is over the limit", target);
    else
        control_fail(call, status, NULL, "%s: %s", target, tr_status_text(status));
}

/* Posts, or waits for room; true when posted. */
static bool post(struct control_call *call, unsigned flags, control_continue *retry,
                 uint64_t *serial_out) {
    const record_type *type = read_body(call);
    if (type == NULL) return false;
    tr_port *port = call->control->port;
    if (!port_admits(port, call->pid, false)) {
        control_await_room(call, retry);
        return false;
    }
    tr_status status = port_post(port, call->pid, MESSAGE_USER, flags, type, call->state,
                                 &call->trace, serial_out);
    if (status == TR_OK) return true;
    if (status == TR_EFULL && !port_admits(port, call->pid, true))
        control_await_room(call, retry);
    else
        post_failed(call, status);
    return false;
}

/* ---- send ------------------------------------------------------------------------------------ */

static void send_now(struct control_call *call, const tr_message *unused) {
    (void)unused;
    uint64_t serial;
    if (!post(call, 0, send_now, &serial)) return;
    control_reply_data(call, json_pack("{s:o, s:o}", "trace_id", control_trace(call->trace), "pid",
                                       control_pid(call->control, call->pid)));
}

void control_send(struct control_call *call) {
    control_deadline(call, control_timeout_ms(call, TIMEOUT_MS));
    send_now(call, NULL);
}

/* ---- ask ------------------------------------------------------------------------------------- */

static void ask_ended(struct control_call *call, const tr_message *reply) {
    const char *target = control_text(call, "target"), *record = control_text(call, "record");
    if (reply == NULL) {
        control_fail(call, TR_ETIMEDOUT,
                     "give it longer with --timeout, or look at `troupe actor show`",
                     "%s did not answer %s in time; the request was delivered to its mailbox",
                     target, record);
        return;
    }
    if (reply->type == call->node->runtime->ask_failed) {
        const struct tr_ask_failed *failed = tr_body(reply);
        tr_status status = (tr_status)failed->status;
        if (status == TR_EFAILED)
            control_fail(call, status, "its log line says why: `troupe logs`",
                         "%s failed while it handled %s", target, record);
        else
            control_fail(call, status, NULL, "%s did not answer %s: %s", target, record,
                         tr_status_text(status));
        return;
    }
    record_pids pids = json_pids(call->node->runtime);
    json_t *body =
        reply->type == NULL ? json_object() : record_to_json(reply->type, reply->body, &pids);
    control_reply_data(call, json_pack("{s:s, s:o, s:o, s:o}", "record", tr_record_name(reply),
                                       "body", body, "trace_id", control_trace(call->trace), "pid",
                                       control_pid(call->control, call->pid)));
}

static void ask_now(struct control_call *call, const tr_message *unused) {
    (void)unused;
    uint64_t serial;
    if (post(call, MESSAGE_ASK, ask_now, &serial)) control_await(call, serial, ask_ended);
}

void control_ask(struct control_call *call) {
    control_deadline(call, control_timeout_ms(call, TIMEOUT_MS));
    ask_now(call, NULL);
}
