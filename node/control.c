#include "node/control.h"

#include <stdio.h>
#include <string.h>

#include "node/base/container.h"
#include "node/base/error.h"
#include "node/base/hex.h"
#include "node/base/memory.h"

enum {
    REQUEST_BYTES_MAX = 4 << 20,
    DEADLINE_DEFAULT_MS = 30000,
    DEADLINE_MAX_MS = 24 * 3600 * 1000,
    CALLS_MAX = 10000,
    PROGRESS_NS = 250000000
};

static uint64_t now_of(const struct control *control) {
    return environment_now_ns(control->node->world.environment);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void send_json(struct control_call *call, json_t *message) {
    char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    char fixed[160];
    if (text == NULL) { /* not UTF-8 somewhere: an answer all the same */
        snprintf(fixed, sizeof fixed,
                 "{\"id\":%" JSON_INTEGER_FORMAT
                 ",\"error\":{\"code\":\"TR_EINTERNAL\",\"message\":\"the answer is no text\"}}",
                 call->id);
        driver_control_reply(&call->node->driver, call->client, call->client_bytes,
                             (const uint8_t *)fixed, strlen(fixed));
        return;
    }
    /* A client that is gone gets nothing: its request is finished all the same. */
    driver_control_reply(&call->node->driver, call->client, call->client_bytes,
                         (const uint8_t *)text, strlen(text));
    free(text);
}

static void call_free(struct control_call *call) {
    struct control *control = call->control;
    heap_remove(&control->deadlines, &call->deadline);
    if (call->serial != 0) {
        map_u64_remove(&control->asks, call->serial);
        port_forget(control->port, call->serial);
    }
    if (list_holds(&call->waiting)) {
        struct list *list = call->retry != NULL ? &control->room : &control->snapshots;
        list_remove(list, &call->waiting);
    }
    if (call->free_state != NULL) call->free_state(call->state);
    json_decref(call->args);
    mem_free(call);
}

void control_reply_data(struct control_call *call, json_t *data) {
    send_json(call, json_pack("{s:I, s:o}", "id", call->id, "data", data));
    call_free(call);
}

void control_progress(struct control_call *call, json_t *data) {
    send_json(call, json_pack("{s:I, s:b, s:o}", "id", call->id, "more", 1, "data", data));
}

void control_reply_error(struct control_call *call, const tr_error *error, json_t *candidates) {
    json_t *body =
        json_pack("{s:s, s:s}", "code", tr_status_name(error->status), "message",
                  error->message[0] != '\0' ? error->message : tr_status_text(error->status));
    if (error->hint[0] != '\0') json_object_set_new(body, "hint", json_string(error->hint));
    if (candidates != NULL) json_object_set_new(body, "candidates", candidates);
    send_json(call, json_pack("{s:I, s:o}", "id", call->id, "error", body));
    call_free(call);
}

void control_fail(struct control_call *call, tr_status status, const char *hint, const char *format,
                  ...) {
    tr_error error = {.status = status};
    va_list arguments;
    va_start(arguments, format);
    char *text = mem_format_list(format, arguments);
    va_end(arguments);
    error_set(&error, status, hint, "%s", text); /* cuts at the end of a whole character */
    mem_free(text);
    control_reply_error(call, &error, NULL);
}

void control_redirect(struct control_call *call, const char *name) {
    const struct member *member = members_find_by_name(call->node->members, name);
    if (member == NULL || !member_is_up(member)) {
        control_fail(call, TR_EUNREACHABLE, "`troupe node list` shows the members",
                     "node %s is not up", name);
        return;
    }
    send_json(call, json_pack("{s:I, s:{s:s, s:s}}", "id", call->id, "redirect", "node", name,
                              "control", member->control));
    call_free(call);
}

/* ---- waiting --------------------------------------------------------------------------------- */

void control_await(struct control_call *call, uint64_t serial, control_continue *resume) {
    call->serial = serial;
    call->resume = resume;
    map_u64_put(&call->control->asks, serial, call);
}

void control_deadline(struct control_call *call, uint64_t timeout_ms) {
    struct control *control = call->control;
    heap_remove(&control->deadlines, &call->deadline);
    if (timeout_ms > DEADLINE_MAX_MS) timeout_ms = DEADLINE_MAX_MS;
    heap_push(&control->deadlines, &call->deadline, now_of(control) + timeout_ms * 1000000);
}

void control_await_room(struct control_call *call, control_continue *retry) {
    call->retry = retry;
    if (!list_holds(&call->waiting)) list_push_back(&call->control->room, &call->waiting);
}

tr_port *control_port(struct control_call *call) {
    if (call->control->port == NULL)
        control_fail(call, TR_EUNREACHABLE, "wait until `troupe status` shows it up",
                     "node %s is not up in its cluster yet", call->node->name);
    return call->control->port;
}

/* ---- arguments ------------------------------------------------------------------------------- */

uint64_t control_timeout_ms(const struct control_call *call, uint64_t otherwise) {
    json_int_t value = json_integer_value(json_object_get(call->args, "timeout_ms"));
    return value > 0 ? (uint64_t)value : otherwise;
}

const char *control_text(const struct control_call *call, const char *key) {
    return json_string_value(json_object_get(call->args, key));
}

json_t *control_pid(struct control *control, tr_pid pid) {
    char text[TR_PID_TEXT_MAX];
    struct runtime *runtime = control->node->runtime;
    return json_string(runtime->router->pid_text(runtime->router_context, pid, text, sizeof text));
}

json_t *control_trace(tr_trace trace) {
    static const uint8_t none[16];
    char text[33] = "";
    if (memcmp(trace.id, none, sizeof none) != 0) hex_encode(trace.id, sizeof trace.id, text);
    return json_string(text);
}

/* What each operation takes: "key:type", '!' for required; s text, i integer, o object, t target.
 */
struct operation {
    const char *name;
    control_op *run;
    bool observe; /* the role observe may use it */
    const char *arguments;
};

static const struct operation OPERATIONS[] = {
    {"hello", control_hello, true, ""},
    {"status", control_status, true, ""},
    {"behaviors", control_behaviors, true, ""},
    {"actors", control_actors, true, "after:i limit:i behavior:s mailbox_min:i"},
    {"actor", control_actor, true, "target:s! timeout_ms:i"},
    {"whereis", control_whereis, true, "name:s!"},
    {"logs", control_logs, true, "trace:s after:i limit:i"},
    {"dead", control_dead, true, "after:i limit:i"},
    {"spawn", control_spawn, false, "behavior:s! name:s state:o mailbox:o trace:s timeout_ms:i"},
    {"spawn_many", control_spawn_many, false,
     "behavior:s! prefix:s first:i step:i count:i! state:o mailbox:o trace:s timeout_ms:i"},
    {"send", control_send, false, "target:s! record:s! body:o trace:s timeout_ms:i"},
    {"ask", control_ask, false, "target:s! record:s! body:o trace:s timeout_ms:i"},
    {"stop", control_stop, false, "target:s! timeout_ms:i"},
    {"snapshot_create", control_snapshot_create, false, "timeout_ms:i"},
    {"node_stop", control_node_stop, false, ""},
};

static const struct operation *find_operation(const char *name) {
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof OPERATIONS[0]; i++)
        if (name != NULL && strcmp(OPERATIONS[i].name, name) == 0) return &OPERATIONS[i];
    return NULL;
}

/* Finds "key:" in a specification; returns what follows it, or NULL. */
static const char *specified(const char *specification, const char *key) {
    size_t bytes = strlen(key);
    for (const char *at = specification; (at = strstr(at, key)) != NULL; at += bytes)
        if ((at == specification || at[-1] == ' ') && at[bytes] == ':') return at + bytes + 1;
    return NULL;
}

static bool has_type(const json_t *value, char type) {
    return type == 's'   ? json_is_string(value)
           : type == 'i' ? json_is_integer(value)
                         : json_is_object(value);
}

static const char *type_word(char type) {
    return type == 's' ? "a text" : type == 'i' ? "an integer" : "an object";
}

/* True when the arguments are as specified; else the call has ended. */
static bool check_arguments(struct control_call *call, const char *specification) {
    const char *key;
    json_t *value;
    json_object_foreach(call->args, key, value) {
        const char *type = specified(specification, key);
        if (type != NULL && has_type(value, *type)) continue;
        control_fail(call, TR_EINVAL, NULL,
                     type == NULL ? "%s takes no argument %s" : "%s: argument %s must be %s",
                     call->op, key, type == NULL ? "" : type_word(*type));
        return false;
    }
    for (const char *at = specification; (at = strchr(at, '!')) != NULL; at++) {
        const char *start = at;
        while (start > specification && start[-1] != ' ') start--;
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)(strchr(start, ':') - start), start);
        if (json_object_get(call->args, name) != NULL) continue;
        control_fail(call, TR_EINVAL, NULL, "%s: argument %s is missing", call->op, name);
        return false;
    }
    return true;
}

static bool read_trace(struct control_call *call) {
    const char *text = control_text(call, "trace");
    if (text == NULL || strcmp(call->op, "logs") == 0) return true;
    if (hex_decode(text, call->trace.id, sizeof call->trace.id)) return true;
    control_fail(call, TR_EINVAL, NULL, "%s: argument trace must be 32 hexadecimal digits",
                 call->op);
    return false;
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct control_call *call_new(struct control *control, const uint8_t *client,
                                     size_t client_bytes, const char *user, json_t *request) {
    struct control_call *call = mem_zalloc(1, sizeof *call);
    call->control = control;
    call->node = control->node;
    memcpy(call->client, client, client_bytes);
    call->client_bytes = client_bytes;
    call->id = json_integer_value(json_object_get(request, "id"));
    call->args = json_incref(json_object_get(request, "args"));
    if (call->args == NULL) call->args = json_object();
    call->operate = strncmp(user, "observe.", 8) != 0;
    return call;
}

void control_request(struct control *control, const uint8_t *client, size_t client_bytes,
                     const char *user, const uint8_t *bytes, size_t request_bytes) {
    if (client_bytes > DRIVER_CLIENT_BYTES) return;
    json_error_t where;
    json_t *request =
        request_bytes > REQUEST_BYTES_MAX
            ? NULL
            : json_loadb((const char *)bytes, request_bytes, JSON_REJECT_DUPLICATES, &where);
    struct control_call *call = call_new(control, client, client_bytes, user, request);
    const char *op = json_string_value(json_object_get(request, "op"));
    const struct operation *found = find_operation(op);
    control_deadline(call, control_timeout_ms(call, DEADLINE_DEFAULT_MS));
    if (request_bytes > REQUEST_BYTES_MAX)
        control_fail(call, TR_ETOOBIG, NULL, "a request of %zu bytes; at most 4 MiB",
                     request_bytes);
    else if (control->deadlines.count > CALLS_MAX)
        control_fail(call, TR_EBUSY, "try again later", "%d requests are under way", CALLS_MAX);
    else if (request == NULL)
        control_fail(call, TR_EDATA, NULL, "the request is no JSON: line %d, column %d: %s",
                     where.line, where.column, where.text);
    else if (op == NULL || call->id <= 0 || !json_is_object(call->args))
        control_fail(call, TR_EDATA, NULL, "a request is an object with id, op and args");
    else if (found == NULL)
        control_fail(call, TR_ENOTSUP, NULL, "this node knows no operation %s", op);
    else if (!found->observe && !call->operate)
        control_fail(call, TR_EREFUSED, "use a key named operate.NAME",
                     "operation %s needs the role operate", op);
    else {
        call->op = found->name;
        if (check_arguments(call, found->arguments) && read_trace(call)) found->run(call);
    }
    json_decref(request);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void on_delivery(void *context) {
    struct control *control = context;
    if (!atomic_exchange(&control->notified, true)) node_wake(control->node);
}

struct control *control_open(tr_node *node) {
    struct control *control = mem_zalloc(1, sizeof *control);
    control->node = node;
    list_init(&control->room);
    list_init(&control->snapshots);
    return control;
}

static void take_replies(struct control *control) {
    for (tr_message *item; (item = port_take(control->port)) != NULL; message_free(item)) {
        if ((item->flags & MESSAGE_REPLY) == 0)
            continue; /* nobody has anything to say to the control side */
        struct control_call *call = map_u64_remove(&control->asks, item->reference);
        if (call == NULL) continue; /* its call has ended */
        call->serial = 0;
        call->resume(call, item);
    }
}

static void retry_waiting(struct control *control) {
    struct list waiting;
    list_init(&waiting);
    list_append(&waiting, &control->room);
    for (list_node *node; (node = list_pop_front(&waiting)) != NULL;) {
        struct control_call *call = container_of(node, struct control_call, waiting);
        control_continue *retry = call->retry;
        call->retry = NULL;
        retry(call, NULL);
    }
}

static void end_overdue(struct control *control, uint64_t now_ns) {
    for (heap_node *node; (node = heap_peek(&control->deadlines)) != NULL && node->key <= now_ns;) {
        struct control_call *call =
            container_of(heap_pop(&control->deadlines), struct control_call, deadline);
        if (call->serial != 0) {
            map_u64_remove(&control->asks, call->serial);
            port_forget(control->port, call->serial);
            call->serial = 0;
        }
        if (call->resume != NULL)
            call->resume(call, NULL);
        else if (call->retry != NULL)
            control_fail(call, TR_EFULL, NULL, "the mailbox of the target stayed full");
        else if (!list_holds(&call->waiting))
            control_fail(call, TR_ETIMEDOUT, NULL, "%s took too long", call->op);
    }
}

uint64_t control_step(struct control *control, uint64_t now_ns) {
    tr_node *node = control->node;
    if (control->port == NULL && node->stage == NODE_UP)
        port_open(node->runtime, on_delivery, control, &control->port);
    if (atomic_exchange(&control->notified, false)) {
        take_replies(control);
        retry_waiting(control);
    }
    end_overdue(control, now_ns);
    heap_node *first = heap_peek(&control->deadlines);
    uint64_t due = first == NULL ? UINT64_MAX : first->key;
    if (list_empty(&control->snapshots)) return due;
    if (now_ns >= control->progress_ns) {
        control_snapshot_progress(control);
        control->progress_ns = now_ns + PROGRESS_NS;
    }
    return due < control->progress_ns ? due : control->progress_ns;
}

void control_close(struct control *control) {
    while (heap_peek(&control->deadlines) != NULL)
        call_free(container_of(heap_peek(&control->deadlines), struct control_call, deadline));
    heap_fini(&control->deadlines);
    map_u64_fini(&control->asks);
    tr_port_close(control->port);
    mem_free(control);
}
