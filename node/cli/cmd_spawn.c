/*
 * cmd_spawn.c - spawn: one actor, or many spread over the nodes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/base/random.h"
#include "node/cli/remote.h"
#include "node/cli/commands.h"
#include "node/cli/json_argument.h"
#include "node/cli/offers.h"
#include "node/cli/rows.h"

enum { COUNT_MAX = 10000000 };

static const struct output_column columns[] = {{"PID", "pid", OUTPUT_VALUE},
                                               {"NAME", "name", OUTPUT_VALUE},
                                               {"NODE", "node", OUTPUT_VALUE},
                                               {0}};

/* ---- what is asked for ----------------------------------------------------------------------- */

static void add_mark(const struct args *args, json_t *marks, const char *flag, const char *key) {
    uint64_t mark = args_count(args, flag, 0);
    if (mark > 0) json_object_set_new(marks, key, json_integer((json_int_t)mark));
}

/* The arguments that one spawn and many have in common; the caller's. */
static tr_status common_arguments(struct app *app, json_t **arguments_out) {
    json_t *arguments = json_pack("{s:s}", "behavior", args_word(app->args, 0)), *state = NULL;
    json_t *marks = json_object();
    const char *text = args_text(app->args, "state");
    tr_status status = TR_OK;
    if (text != NULL) status = json_argument_read(text, "--state", &state, &app->failure);
    if (state != NULL) json_object_set_new(arguments, "state", state);
    add_mark(app->args, marks, "mailbox-low", "low");
    add_mark(app->args, marks, "mailbox-high", "high");
    add_mark(app->args, marks, "mailbox-hard", "hard");
    if (json_object_size(marks) > 0) json_object_set(arguments, "mailbox", marks);
    json_decref(marks);
    if (status == TR_OK)
        *arguments_out = arguments;
    else
        json_decref(arguments);
    return status;
}

/* The nodes to spawn on: the one that --on names, else all that offer the behavior. An array of
 * names, the caller's, or NULL with app->failure. */
static json_t *find_places(struct app *app, struct remote *remote) {
    const char *on = args_text(app->args, "on");
    if (on != NULL) return remote_check_node(remote, on) == TR_OK ? json_pack("[s]", on) : NULL;
    json_t *offers = offers_ask(app, remote), *places = NULL;
    if (offers != NULL) places = offers_nodes(app, offers, args_word(app->args, 0));
    json_decref(offers);
    return places;
}

/* ---- one ------------------------------------------------------------------------------------- */

static const char *any_of(json_t *places) {
    uint64_t drawn = 0;
    random_system(&drawn, sizeof drawn);
    return json_string_value(json_array_get(places, drawn % json_array_size(places)));
}

static const char *text_of(json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static tr_status spawn_one(struct app *app, struct remote *remote, json_t *arguments,
                           json_t *places) {
    const char *name = args_text(app->args, "name");
    struct remote_call call = {.node = any_of(places),
                               .op = "spawn",
                               .args = arguments,
                               .timeout_ms = args_duration_ms(app->args, "timeout", APP_CALL_MS)};
    json_t *data = NULL;
    if (name != NULL) json_object_set_new(arguments, "name", json_string(name));
    tr_status status = remote_call(remote, &call, &data);
    if (status != TR_OK) return status;
    output_data(&app->output, "Spawn", data, data, columns);
    const char *target = name != NULL ? name : text_of(data, "pid");
    output_note(&app->output, "spawned %s %s on %s", args_word(app->args, 0), target,
                text_of(data, "node"));
    output_next(&app->output, "troupe actor show %s", target);
    json_decref(data);
    return TR_OK;
}

/* ---- many ------------------------------------------------------------------------------------ */

/* Results come from one node after the other; they are listed by their numbers. */
struct many {
    struct app *app;
    struct rows rows;
    uint64_t count;
    uint64_t next; /* number of the next result of the present node */
    uint64_t step;
};

static void take_spawned(struct many *many, json_t *data) {
    size_t index;
    json_t *spawned;
    json_array_foreach(json_object_get(data, "spawned"), index, spawned) {
        rows_add(&many->rows, spawned, many->next);
        many->next += many->step;
    }
    char done[OUTPUT_COUNT_BYTES], all[OUTPUT_COUNT_BYTES];
    output_progress(&many->app->output, "actors %s/%s", output_count(many->rows.count, done),
                    output_count(many->count, all));
}

static bool on_progress(void *context, json_t *data) {
    take_spawned(context, data);
    return true;
}

static tr_status spawn_share(struct many *many, struct remote *remote, const char *node,
                             json_t *arguments, uint64_t first) {
    uint64_t share = (many->count - first + many->step - 1) / many->step;
    json_object_set_new(arguments, "first", json_integer((json_int_t)first));
    json_object_set_new(arguments, "step", json_integer((json_int_t)many->step));
    json_object_set_new(arguments, "count", json_integer((json_int_t)share));
    struct remote_call call = {
        .node = node,
        .op = "spawn_many",
        .args = arguments,
        .timeout_ms = args_duration_ms(many->app->args, "timeout", APP_LAUNCH_MS),
        .progress = on_progress,
        .context = many,
    };
    json_t *data = NULL;
    many->next = first;
    tr_status status = remote_call(remote, &call, &data);
    if (status == TR_OK) take_spawned(many, data);
    json_decref(data);
    return status;
}

static tr_status spawn_many(struct app *app, struct remote *remote, json_t *arguments,
                            json_t *places, uint64_t count) {
    const char *prefix = args_text(app->args, "name");
    struct many many = {.app = app, .count = count, .step = json_array_size(places)};
    tr_status status = TR_OK;
    size_t index;
    json_t *place;
    if (prefix != NULL) json_object_set_new(arguments, "prefix", json_string(prefix));
    json_array_foreach(places, index, place) {
        if (status != TR_OK || index >= count) break;
        status = spawn_share(&many, remote, json_string_value(place), arguments, index);
    }
    output_progress_end(&app->output);
    if (status == TR_OK) {
        rows_sort(&many.rows, ROWS_SMALLEST_FIRST);
        rows_print(&many.rows, &app->output, "SpawnList", columns);
        output_note(&app->output, "spawned %" PRIu64 " of %s on %zu nodes", count,
                    args_word(app->args, 0), json_array_size(places));
        output_next(&app->output, "troupe actor list --behavior %s", args_word(app->args, 0));
    } else if (many.rows.count > 0) {
        failure_step(&app->failure, true, "%zu actors spawned, which stay", many.rows.count);
        failure_step(&app->failure, false, "the next one");
    }
    rows_fini(&many.rows);
    return status;
}

tr_status cmd_spawn(struct app *app) {
    struct remote *remote = NULL;
    json_t *arguments = NULL, *places = NULL;
    bool is_many = args_has(app->args, "count");
    uint64_t count = args_count(app->args, "count", 1);
    if (count < 1 || count > COUNT_MAX)
        return failure_set(&app->failure, TR_EINVAL, NULL, "--count is from 1 to %d", COUNT_MAX);
    tr_status status = common_arguments(app, &arguments);
    if (status == TR_OK) status = remote_open(app, &remote);
    if (status == TR_OK) {
        places = find_places(app, remote);
        status = places == NULL ? app->failure.error.status : TR_OK;
    }
    if (status == TR_OK)
        status = is_many ? spawn_many(app, remote, arguments, places, count)
                         : spawn_one(app, remote, arguments, places);
    json_decref(arguments);
    json_decref(places);
    remote_close(remote);
    return status;
}
