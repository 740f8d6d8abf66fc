/* control_actors.c - operations on actors: list, show, spawn, find, stop. */
#include <stdio.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/control.h"
#include "node/inspect.h"
#include "node/json.h"
#include "node/services.h"

enum {
    PAGE_MAX = 1000,
    PAGE_SLOTS = 64,    /* slots looked at for each actor of a page */
    SPAWN_WINDOW = 256, /* asks under way of one spawn_many */
    SPAWN_MAX = 10000000,
    SPAWN_NUMBER_MAX = 1000000000, /* of first and step: their product stays far from overflow */
    SPAWN_REPORT_MAX = 1000,
    SPAWN_TIMEOUT_MS = 25000 /* longer than a claim may take */
};

/* ---- targets --------------------------------------------------------------------------------- */

/* Where a pid's home is: here (true), or the call is redirected or failed. */
static bool at_home(struct control_call *call, const char *text) {
    struct runtime *runtime = call->node->runtime;
    if (call->pid.space == runtime->space) return true;
    const char *home = runtime->router->node_of(runtime->router_context, call->pid.space);
    if (home == NULL || strcmp(home, call->node->name) == 0)
        control_fail(call, TR_ENOENT, "`troupe actor list` shows the actors",
                     "no actor %s: its node's life is over", text);
    else
        control_redirect(call, home);
    return false;
}

bool control_target(struct control_call *call) {
    const char *text = control_text(call, "target");
    struct runtime *runtime = call->node->runtime;
    if (control_port(call) == NULL) return false;
    if (strchr(text, '/') != NULL) {
        if (!runtime->router->pid_parse(runtime->router_context, text, &call->pid)) {
            control_fail(call, TR_ENOENT,
                         "a pid looks like n2/17.3; `troupe actor list` shows them", "no actor %s",
                         text);
            return false;
        }
    } else if (port_whereis(call->control->port, text, &call->pid) != TR_OK) {
        control_fail(call, TR_ENOENT, "`troupe actor list` shows the actors and their names",
                     "no actor is named %s", text);
        return false;
    }
    return at_home(call, text);
}

tr_actor *control_target_actor(struct control_call *call) {
    if (!control_target(call)) return NULL;
    struct slot_head *head = runtime_find(call->node->runtime, call->pid);
    tr_actor *actor = head != NULL && head->kind == SLOT_ACTOR ? (tr_actor *)(void *)head : NULL;
    if (actor != NULL && !actor->behavior->system) return actor;
    if (actor != NULL) {
        control_fail(call, TR_EREFUSED, NULL, "actor %s is a service of the node itself",
                     control_text(call, "target"));
        return NULL;
    }
    control_fail(call, TR_EDEAD, "`troupe actor list` shows the actors", "actor %s has ended",
                 control_text(call, "target"));
    return NULL;
}

/* ---- list and show --------------------------------------------------------------------------- */

static const char *actor_state(const tr_actor *actor) {
    if (atomic_load(&actor->mutes) > 0) return "muted";
    if (atomic_load(&actor->holding)) return "holding";
    uint64_t word = atomic_load(&actor->box.word);
    return word == MAILBOX_IDLE ? "idle" : word == MAILBOX_CLOSED ? "ending" : "runnable";
}

static json_t *name_json(const tr_actor *actor) {
    const char *name = atomic_load_explicit(&actor->name, memory_order_acquire);
    return name == NULL ? json_null() : json_string(name);
}

static json_t *actor_json(struct control *control, const tr_actor *actor) {
    return json_pack("{s:o, s:o, s:s, s:s, s:s, s:I, s:I, s:i}", "pid",
                     control_pid(control, actor_pid(actor)), "name", name_json(actor), "node",
                     control->node->name, "behavior", actor->behavior->offered->name, "state",
                     actor_state(actor), "mailbox", (json_int_t)mailbox_count(&actor->box),
                     "processed", (json_int_t)atomic_load(&actor->processed), "restarts", 0);
}

void control_actors(struct control_call *call) {
    struct runtime *runtime = call->node->runtime;
    json_int_t after = json_integer_value(json_object_get(call->args, "after"));
    json_int_t limit = json_integer_value(json_object_get(call->args, "limit"));
    json_int_t mailbox_min = json_integer_value(json_object_get(call->args, "mailbox_min"));
    const char *behavior = control_text(call, "behavior");
    if (limit < 1 || limit > PAGE_MAX) limit = PAGE_MAX;
    uint64_t slot = after < 0 ? 0 : (uint64_t)after, used = slots_used(&runtime->slots);
    uint64_t end = slot + (uint64_t)limit * PAGE_SLOTS;
    json_t *list = json_array();
    for (; slot < used && slot < end && json_array_size(list) < (size_t)limit; slot++) {
        struct slot_head *head = slots_at(&runtime->slots, (uint32_t)slot);
        if (head == NULL || head->kind != SLOT_ACTOR) continue;
        const tr_actor *actor = (const tr_actor *)(void *)head;
        if (actor->behavior->system ||
            (behavior != NULL && strcmp(behavior, actor->behavior->offered->name) != 0))
            continue;
        if ((json_int_t)mailbox_count(&actor->box) < mailbox_min) continue;
        json_array_append_new(list, actor_json(call->control, actor));
    }
    json_t *next = slot < used ? json_integer((json_int_t)slot) : json_null();
    control_reply_data(call, json_pack("{s:o, s:o}", "actors", list, "next", next));
}

static void actor_shown(struct control_call *call, const tr_message *reply) {
    if (reply == NULL) {
        control_fail(call, TR_ETIMEDOUT, "a handler may be running for long",
                     "actor %s did not get its turn in time", control_text(call, "target"));
        return;
    }
    struct slot_head *head = runtime_find(call->node->runtime, call->pid);
    const record_type *expected =
        record_table_find(call->node->runtime->records, &inspection_record);
    if (head == NULL || reply->type != expected) {
        control_fail(call, TR_EDEAD, NULL, "actor %s has ended", control_text(call, "target"));
        return;
    }
    const struct inspection *inspection = tr_body(reply);
    json_t *details = json_loadb(inspection->json.data, inspection->json.bytes, 0, NULL);
    json_t *json = actor_json(call->control, (const tr_actor *)(void *)head);
    json_object_update(json, details);
    json_decref(details);
    control_reply_data(call, json);
}

void control_actor(struct control_call *call) {
    if (control_target_actor(call) == NULL) return;
    uint64_t serial;
    tr_status status = port_post(call->control->port, call->pid, MESSAGE_INSPECT,
                                 MESSAGE_ASK | MESSAGE_EXEMPT, NULL, NULL, &call->trace, &serial);
    if (status != TR_OK)
        control_fail(call, status, NULL, "%s", tr_status_text(status));
    else {
        control_deadline(call, control_timeout_ms(call, 5000));
        control_await(call, serial, actor_shown);
    }
}

void control_whereis(struct control_call *call) {
    const char *name = control_text(call, "name");
    tr_pid pid;
    tr_port *port = control_port(call);
    if (port == NULL) return;
    if (port_whereis(port, name, &pid) != TR_OK) {
        control_fail(call, TR_ENOENT, NULL, "no actor is named %s", name);
        return;
    }
    struct runtime *runtime = call->node->runtime;
    const char *home = runtime->router->node_of(runtime->router_context, pid.space);
    control_reply_data(call, json_pack("{s:o, s:s, s:s}", "pid", control_pid(call->control, pid),
                                       "name", name, "node", home == NULL ? "" : home));
}

/* ---- stop ------------------------------------------------------------------------------------ */

static void actor_stopped(struct control_call *call, const tr_message *reply) {
    if (reply == NULL) {
        control_fail(call, TR_ETIMEDOUT, "its mail comes first, and a handler may run for long",
                     "actor %s is still ending", control_text(call, "target"));
        return;
    }
    json_t *name = call->state == NULL ? json_null() : json_string(call->state);
    control_reply_data(
        call, json_pack("{s:o, s:o, s:s}", "pid", control_pid(call->control, call->pid), "name",
                        name, "node", call->node->name));
}

void control_stop(struct control_call *call) {
    tr_actor *actor = control_target_actor(call);
    if (actor == NULL) return;
    const char *name = atomic_load_explicit(&actor->name, memory_order_acquire);
    call->state = name == NULL ? NULL : mem_strdup(name);
    call->free_state = mem_free;
    uint64_t serial;
    tr_status status = port_post(call->control->port, call->pid, MESSAGE_STOP,
                                 MESSAGE_ASK | MESSAGE_EXEMPT, NULL, NULL, &call->trace, &serial);
    if (status != TR_OK)
        control_fail(call, status, NULL, "%s", tr_status_text(status));
    else {
        control_deadline(call, control_timeout_ms(call, 5000));
        control_await(call, serial, actor_stopped);
    }
}

/* ---- spawn ----------------------------------------------------------------------------------- */

static json_t *behavior_names(struct runtime *runtime) {
    json_t *names = json_array();
    size_t cursor = 0;
    for (struct behavior *each;
         (each = map_text_next(&runtime->behaviors.by_name, &cursor, NULL)) != NULL;)
        if (!each->system && json_array_size(names) < 100)
            json_array_append_new(names, json_string(each->offered->name));
    return names;
}

/* What every actor of one spawn or spawn_many shares. */
struct spawning {
    char *state; /* as JSON text; NULL: none */
    tr_mailbox_options mailbox;
    const char *behavior;
    const char *prefix; /* NULL: anonymous */
    json_int_t first, step, count;
    json_int_t asked, done; /* in order */
    json_t *results;        /* of those beyond `done`, by index as text */
    json_t *report;         /* since the last progress */
    uint64_t progress_ns;
    uint64_t *serials; /* of the window, by index modulo SPAWN_WINDOW */
};

static void spawning_free(void *state) {
    struct spawning *spawning = state;
    free(spawning->state);
    json_decref(spawning->results);
    json_decref(spawning->report);
    mem_free(spawning->serials);
    mem_free(spawning);
}

/* Checks what can be checked before anything is spawned; false with the call ended. */
static bool check_spawn(struct control_call *call, struct spawning *spawning) {
    struct runtime *runtime = call->node->runtime;
    const struct behavior *behavior = behaviors_find(&runtime->behaviors, spawning->behavior);
    tr_error error = {0};
    if (behavior == NULL || behavior->system) {
        error_set(&error, TR_ENOENT, "`troupe behavior list` shows what is offered",
                  "node %s offers no behavior %s", call->node->name, spawning->behavior);
        control_reply_error(call, &error, behavior_names(runtime));
        return false;
    }
    struct mailbox_limits limits;
    tr_status status = services_limits(runtime, &spawning->mailbox, &limits, &error);
    json_t *state = json_object_get(call->args, "state");
    if (status == TR_OK && state != NULL && behavior->state == NULL)
        status = error_set(&error, TR_EDATA, "spawn it without --state", "behavior %s has no state",
                           spawning->behavior);
    if (status == TR_OK && state != NULL) {
        void *body = NULL;
        record_pids pids = json_pids(runtime);
        status = record_from_json(behavior->state, state, &pids, NULL, &body, &error);
        mem_free(body);
    }
    if (status == TR_OK) return true;
    control_reply_error(call, &error, NULL);
    return false;
}

static bool read_mark(struct control_call *call, json_t *mailbox, const char *key, uint32_t *out) {
    json_t *value = json_object_get(mailbox, key);
    if (value == NULL) return true;
    if (json_is_integer(value) && json_integer_value(value) > 0 &&
        json_integer_value(value) <= 1000000) {
        *out = (uint32_t)json_integer_value(value);
        return true;
    }
    control_fail(call, TR_EINVAL, "1 to 1000000", "mailbox mark %s is no such number", key);
    return false;
}

/* Reads the arguments into call->state; false with the call ended. */
static bool read_spawn(struct control_call *call) {
    struct spawning *spawning = mem_zalloc(1, sizeof *spawning);
    call->state = spawning;
    call->free_state = spawning_free;
    spawning->behavior = control_text(call, "behavior");
    spawning->results = json_object();
    spawning->report = json_array();
    json_t *state = json_object_get(call->args, "state");
    if (state != NULL) spawning->state = json_dumps(state, JSON_COMPACT);
    json_t *mailbox = json_object_get(call->args, "mailbox");
    if (!read_mark(call, mailbox, "low", &spawning->mailbox.low) ||
        !read_mark(call, mailbox, "high", &spawning->mailbox.high) ||
        !read_mark(call, mailbox, "hard", &spawning->mailbox.hard))
        return false;
    return control_port(call) != NULL && check_spawn(call, spawning);
}

/* Asks the spawner for one actor. */
static tr_status ask_spawner(struct control_call *call, const char *name, uint64_t *serial_out,
                             tr_error *error) {
    struct runtime *runtime = call->node->runtime;
    struct spawning *spawning = call->state;
    tr_spawn_options options = {.name = name, .mailbox = spawning->mailbox};
    struct spawn_request request;
    struct buffer none;
    buffer_init(&none);
    tr_pid service;
    tr_status status = services_request(runtime, spawning->behavior, NULL, &options, &request,
                                        &none, &service, error);
    const record_type *type;
    if (status == TR_OK)
        status = record_table_intern(runtime->records, &spawn_request_record, &type, error);
    if (status != TR_OK) return status;
    if (spawning->state != NULL)
        request.json = (tr_text){spawning->state, (uint32_t)strlen(spawning->state)};
    status = port_post(call->control->port, service, MESSAGE_USER, MESSAGE_ASK | MESSAGE_EXEMPT,
                       type, &request, &call->trace, serial_out);
    return status == TR_OK ? TR_OK : error_set(error, status, NULL, "%s", tr_status_text(status));
}

static json_t *spawned_json(struct control_call *call, tr_pid pid, const char *name) {
    return json_pack("{s:o, s:o, s:s}", "pid", control_pid(call->control, pid), "name",
                     name == NULL ? json_null() : json_string(name), "node", call->node->name);
}

/* The outcome in a reply: TR_OK with the pid, or why not. */
static tr_status spawn_outcome(struct control_call *call, const tr_message *reply, const char *name,
                               tr_pid *pid_out, tr_error *error) {
    const char *what = name != NULL ? name : ((struct spawning *)call->state)->behavior;
    if (reply == NULL)
        return error_set(error, TR_ETIMEDOUT, NULL, "the spawn of %s took too long", what);
    if (reply->type != call->node->runtime->spawned)
        return error_set(error, TR_EFAILED, NULL, "the spawn of %s failed in the spawner", what);
    const struct tr_spawned *spawned = tr_body(reply);
    *pid_out = spawned->pid;
    if (spawned->status == TR_OK) return TR_OK;
    return error_set(error, (tr_status)spawned->status,
                     spawned->status == TR_EEXIST
                         ? "choose another name, or stop its holder: `troupe actor stop`"
                         : NULL,
                     "spawn of %s: %s", what, spawned->reason);
}

static void spawn_ended(struct control_call *call, const tr_message *reply) {
    const char *name = control_text(call, "name");
    tr_pid pid;
    tr_error error = {0};
    if (spawn_outcome(call, reply, name, &pid, &error) != TR_OK)
        control_reply_error(call, &error, NULL);
    else
        control_reply_data(call, spawned_json(call, pid, name));
}

void control_spawn(struct control_call *call) {
    if (!read_spawn(call)) return;
    uint64_t serial;
    tr_error error = {0};
    if (ask_spawner(call, control_text(call, "name"), &serial, &error) != TR_OK) {
        control_reply_error(call, &error, NULL);
        return;
    }
    control_deadline(call, control_timeout_ms(call, SPAWN_TIMEOUT_MS));
    control_await(call, serial, spawn_ended);
}

/* ---- spawn_many: a window of asks, results in order ---------------------------------------------
 */

static void many_name(const struct spawning *spawning, json_int_t index, char *out, size_t room) {
    snprintf(out, room, "%s-%" JSON_INTEGER_FORMAT, spawning->prefix,
             spawning->first + index * spawning->step);
}

static void many_ended(struct control_call *call, const tr_message *reply);

static void many_forget(struct control_call *call) {
    struct spawning *spawning = call->state;
    for (json_int_t i = spawning->done; i < spawning->asked; i++) {
        uint64_t serial = spawning->serials[i % SPAWN_WINDOW];
        if (serial == 0 || map_u64_remove(&call->control->asks, serial) == NULL) continue;
        port_forget(call->control->port, serial);
    }
    call->serial = 0;
}

static void many_fail(struct control_call *call, const tr_error *cause) {
    struct spawning *spawning = call->state;
    tr_error error = *cause;
    json_int_t sure = spawning->done + (json_int_t)json_object_size(spawning->results);
    json_int_t open =
        spawning->asked > sure ? spawning->asked - sure - 1 : 0; /* not answered yet */
    snprintf(error.message, sizeof error.message,
             "%.300s (%d of %d are spawned; %d more may follow)", cause->message, (int)sure,
             (int)spawning->count, (int)open);
    many_forget(call);
    control_reply_error(call, &error, NULL);
}

static void many_report(struct control_call *call, bool last) {
    struct spawning *spawning = call->state;
    json_t *data = json_pack("{s:I, s:o}", "done", spawning->done, "spawned", spawning->report);
    spawning->report = json_array();
    spawning->progress_ns = environment_now_ns(call->node->world.environment) + 500000000;
    if (last)
        control_reply_data(call, data);
    else
        control_progress(call, data);
}

/* Asks for more, as far as the window goes. False: the call has ended. */
static bool many_ask(struct control_call *call) {
    struct spawning *spawning = call->state;
    while (spawning->asked < spawning->count && spawning->asked - spawning->done < SPAWN_WINDOW) {
        char name[300];
        if (spawning->prefix != NULL) many_name(spawning, spawning->asked, name, sizeof name);
        uint64_t serial;
        tr_error error = {0};
        if (ask_spawner(call, spawning->prefix == NULL ? NULL : name, &serial, &error) != TR_OK) {
            many_fail(call, &error);
            return false;
        }
        spawning->serials[spawning->asked++ % SPAWN_WINDOW] = serial;
        control_await(call, serial, many_ended);
    }
    call->serial = 0; /* the window keeps the serials */
    return true;
}

/* The index of the reply's ask within the window, or -1. */
static json_int_t many_index(const struct spawning *spawning, uint64_t serial) {
    for (json_int_t i = spawning->done; i < spawning->asked; i++)
        if (spawning->serials[i % SPAWN_WINDOW] == serial) return i;
    return -1;
}

static void many_ended(struct control_call *call, const tr_message *reply) {
    struct spawning *spawning = call->state;
    json_int_t index = reply == NULL ? spawning->done : many_index(spawning, reply->reference);
    char name[300], key[24];
    const char *named = spawning->prefix == NULL ? NULL : name;
    if (named != NULL) many_name(spawning, index, name, sizeof name);
    tr_pid pid;
    tr_error error = {0};
    if (spawn_outcome(call, reply, named, &pid, &error) != TR_OK) {
        many_fail(call, &error);
        return;
    }
    snprintf(key, sizeof key, "%" JSON_INTEGER_FORMAT, index);
    json_object_set_new(spawning->results, key, spawned_json(call, pid, named));
    spawning->serials[index % SPAWN_WINDOW] = 0;
    for (;;) { /* what is next in order */
        snprintf(key, sizeof key, "%" JSON_INTEGER_FORMAT, spawning->done);
        json_t *next = json_object_get(spawning->results, key);
        if (next == NULL) break;
        json_array_append(spawning->report, next);
        json_object_del(spawning->results, key);
        spawning->done++;
    }
    if (spawning->done == spawning->count) {
        many_report(call, true);
        return;
    }
    if (json_array_size(spawning->report) >= SPAWN_REPORT_MAX - SPAWN_WINDOW ||
        environment_now_ns(call->node->world.environment) >= spawning->progress_ns)
        many_report(call, false);
    control_deadline(call, SPAWN_TIMEOUT_MS);
    many_ask(call);
}

void control_spawn_many(struct control_call *call) {
    if (!read_spawn(call)) return;
    struct spawning *spawning = call->state;
    spawning->prefix = control_text(call, "prefix");
    spawning->first = json_integer_value(json_object_get(call->args, "first"));
    json_t *step = json_object_get(call->args, "step");
    spawning->step = step == NULL ? 1 : json_integer_value(step);
    spawning->count = json_integer_value(json_object_get(call->args, "count"));
    if (spawning->count < 1 || spawning->count > SPAWN_MAX || spawning->first < 0 ||
        spawning->step < 1 || spawning->first > SPAWN_NUMBER_MAX ||
        spawning->step > SPAWN_NUMBER_MAX) {
        control_fail(call, TR_EINVAL, NULL,
                     "count must be 1 to %d, first 0 or more, step 1 or more", SPAWN_MAX);
        return;
    }
    spawning->serials = mem_zalloc(SPAWN_WINDOW, sizeof *spawning->serials);
    spawning->progress_ns = environment_now_ns(call->node->world.environment) + 500000000;
    control_deadline(call, SPAWN_TIMEOUT_MS);
    many_ask(call);
}
