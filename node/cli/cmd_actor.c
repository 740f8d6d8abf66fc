/*
 * cmd_actor.c - actor list, actor show, actor stop.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "node/base/map.h"
#include "node/base/memory.h"
#include "node/cli/remote.h"
#include "node/cli/commands.h"
#include "node/cli/rows.h"

enum { PAGE_ACTORS = 1000, RATE_MS = 1000, TOP_DEFAULT = 10 };

enum sort { SORT_NONE, SORT_MAILBOX, SORT_RATE, SORT_RESTARTS };

static const struct output_column list_columns[] = {{"PID", "pid", OUTPUT_VALUE},
                                                    {"NAME", "name", OUTPUT_VALUE},
                                                    {"NODE", "node", OUTPUT_VALUE},
                                                    {"BEHAVIOR", "behavior", OUTPUT_VALUE},
                                                    {"STATE", "state", OUTPUT_STATE},
                                                    {"MAILBOX", "mailbox", OUTPUT_VALUE},
                                                    {"PROCESSED", "processed", OUTPUT_VALUE},
                                                    {"RESTARTS", "restarts", OUTPUT_VALUE},
                                                    {0}};

static const struct output_column rate_columns[] = {{"PID", "pid", OUTPUT_VALUE},
                                                    {"NAME", "name", OUTPUT_VALUE},
                                                    {"NODE", "node", OUTPUT_VALUE},
                                                    {"BEHAVIOR", "behavior", OUTPUT_VALUE},
                                                    {"STATE", "state", OUTPUT_STATE},
                                                    {"MAILBOX", "mailbox", OUTPUT_VALUE},
                                                    {"PROCESSED", "processed", OUTPUT_VALUE},
                                                    {"RATE", "rate", OUTPUT_RATE},
                                                    {0}};

static const struct output_column show_pairs[] = {{"pid", "pid", OUTPUT_VALUE},
                                                  {"name", "name", OUTPUT_VALUE},
                                                  {"node", "node", OUTPUT_VALUE},
                                                  {"behavior", "behavior", OUTPUT_VALUE},
                                                  {"state", "state", OUTPUT_STATE},
                                                  {"mailbox", "mailbox", OUTPUT_VALUE},
                                                  {"marks", "marks", OUTPUT_COMPACT},
                                                  {"processed", "processed", OUTPUT_VALUE},
                                                  {"restarts", "restarts", OUTPUT_VALUE},
                                                  {"contents", "contents", OUTPUT_COMPACT},
                                                  {"asks", "asks", OUTPUT_COMPACT},
                                                  {"timers", "timers", OUTPUT_COMPACT},
                                                  {0}};

static const struct output_column stop_columns[] = {{"PID", "pid", OUTPUT_VALUE},
                                                    {"NAME", "name", OUTPUT_VALUE},
                                                    {"NODE", "node", OUTPUT_VALUE},
                                                    {0}};

static const char *text_of(json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static uint64_t count_of(json_t *object, const char *key) {
    json_int_t count = json_integer_value(json_object_get(object, key));
    return count < 0 ? 0 : (uint64_t)count;
}

/* ---- listing --------------------------------------------------------------------------------- */

/* One walk over the actors of all nodes. */
struct walk {
    struct app *app;
    struct remote *remote;
    struct rows *rows;   /* NULL: only count messages, into `processed` */
    map_text *processed; /* pid -> messages handled + 1, of an earlier walk; or NULL */
    enum sort sort;
    size_t seen;
};

/* Numbers as a map's values, which are never NULL. */
static void *as_value(uint64_t count) {
    return (void *)(uintptr_t)(count + 1);
}

static void take_rate(struct walk *walk, json_t *actor) {
    void *earlier = map_text_find(walk->processed, text_of(actor, "pid"));
    uint64_t now = count_of(actor, "processed");
    uint64_t before = earlier == NULL ? now : (uint64_t)(uintptr_t)earlier - 1;
    json_object_set_new(actor, "rate", json_integer((json_int_t)(now > before ? now - before : 0)));
}

static void take_actor(struct walk *walk, json_t *actor) {
    walk->seen++;
    if (walk->rows == NULL) {
        map_text_put(walk->processed, text_of(actor, "pid"),
                     as_value(count_of(actor, "processed")));
        return;
    }
    uint64_t key = 0;
    if (walk->sort == SORT_RATE) take_rate(walk, actor);
    if (walk->sort == SORT_RATE) key = count_of(actor, "rate");
    if (walk->sort == SORT_MAILBOX) key = count_of(actor, "mailbox");
    if (walk->sort == SORT_RESTARTS) key = count_of(actor, "restarts");
    rows_add(walk->rows, actor, key);
}

/* One page; `*after` becomes the next one's, or -1 at the end. */
static tr_status take_page(struct walk *walk, const char *node, json_int_t *after) {
    const char *behavior = args_text(walk->app->args, "behavior");
    json_t *arguments = json_pack("{s:I, s:i}", "after", *after, "limit", PAGE_ACTORS),
           *data = NULL;
    if (behavior != NULL) json_object_set_new(arguments, "behavior", json_string(behavior));
    struct remote_call call = {.node = node, .op = "actors", .args = arguments};
    tr_status status = remote_call(walk->remote, &call, &data);
    json_decref(arguments);
    if (status != TR_OK) return status;
    size_t index;
    json_t *actor, *next = json_object_get(data, "next");
    json_array_foreach(json_object_get(data, "actors"), index, actor) {
        take_actor(walk, actor);
    }
    /* Pages only go forward: a node that says otherwise ends the walk. */
    *after =
        json_is_integer(next) && json_integer_value(next) > *after ? json_integer_value(next) : -1;
    json_decref(data);
    return TR_OK;
}

static tr_status walk_node(struct walk *walk, const char *node) {
    tr_status status = TR_OK;
    for (json_int_t after = 0; after >= 0 && status == TR_OK;) {
        status = take_page(walk, node, &after);
        char seen[OUTPUT_COUNT_BYTES];
        output_progress(&walk->app->output, "actors %s", output_count(walk->seen, seen));
    }
    return status;
}

/* A node that cannot be asked is named and left out, unless it is the one that was asked for or
 * the last. */
static tr_status walk_all(struct walk *walk) {
    const char *only = args_text(walk->app->args, "node");
    if (only != NULL) {
        tr_status status = remote_check_node(walk->remote, only);
        return status == TR_OK ? walk_node(walk, only) : status;
    }
    size_t answered = 0, count = remote_member_count(walk->remote);
    tr_status status = TR_OK;
    for (size_t i = 0; i < count; i++) {
        walk->app->failure = (struct failure){0};
        status = walk_node(walk, remote_member_name(walk->remote, i));
        if (status == TR_OK)
            answered++;
        else
            output_note(&walk->app->output, "warning: %s", walk->app->failure.error.message);
    }
    return answered > 0 ? TR_OK : status;
}

static enum sort sort_of(const struct args *args) {
    const char *sort = args_text(args, "sort");
    if (sort == NULL) return args_has(args, "top") ? SORT_MAILBOX : SORT_NONE;
    if (strcmp(sort, "rate") == 0) return SORT_RATE;
    return strcmp(sort, "mailbox") == 0 ? SORT_MAILBOX : SORT_RESTARTS;
}

static tr_status list_actors(struct app *app, struct remote *remote) {
    struct rows rows = {0};
    map_text processed;
    map_text_init(&processed);
    struct walk walk = {
        .app = app, .remote = remote, .sort = sort_of(app->args), .processed = &processed};
    tr_status status = TR_OK;
    if (walk.sort == SORT_RATE) {
        status = walk_all(&walk);
        (void)poll(NULL, 0, RATE_MS); /* the rate is measured over this time */
    }
    walk.rows = &rows;
    walk.seen = 0;
    if (status == TR_OK) status = walk_all(&walk);
    output_progress_end(&app->output);
    if (walk.sort != SORT_NONE) rows_sort(&rows, ROWS_LARGEST_FIRST);
    if (args_has(app->args, "top"))
        rows_keep_first(&rows, args_count(app->args, "top", TOP_DEFAULT));
    if (status == TR_OK) {
        rows_print(&rows, &app->output, "ActorList",
                   walk.sort == SORT_RATE ? rate_columns : list_columns);
        output_note(&app->output, "%zu actors", walk.seen);
    }
    rows_fini(&rows);
    map_text_fini(&processed);
    return status;
}

tr_status cmd_actor_list(struct app *app) {
    struct remote *remote = NULL;
    tr_status status = remote_open(app, &remote);
    if (status == TR_OK) status = list_actors(app, remote);
    remote_close(remote);
    return status;
}

/* ---- one actor ------------------------------------------------------------------------------- */

static tr_status ask_about(struct app *app, const char *op, json_t **data_out) {
    uint64_t timeout_ms = args_duration_ms(app->args, "timeout", APP_CALL_MS);
    struct remote *remote = NULL;
    json_t *arguments = json_pack("{s:s, s:I}", "target", args_word(app->args, 0), "timeout_ms",
                                  (json_int_t)timeout_ms);
    if (arguments == NULL)
        return failure_set(&app->failure, TR_EDATA, NULL, "the target must be UTF-8");
    tr_status status = remote_open(app, &remote);
    struct remote_call call = {.op = op, .args = arguments, .timeout_ms = timeout_ms};
    if (status == TR_OK) status = remote_call(remote, &call, data_out);
    json_decref(arguments);
    remote_close(remote);
    return status;
}

tr_status cmd_actor_show(struct app *app) {
    json_t *data = NULL;
    tr_status status = ask_about(app, "actor", &data);
    if (status != TR_OK) return status;
    if (!output_json(&app->output, "Actor", data)) output_pairs(&app->output, data, show_pairs);
    output_next(&app->output, "troupe behavior show %s", text_of(data, "behavior"));
    json_decref(data);
    return TR_OK;
}

tr_status cmd_actor_stop(struct app *app) {
    json_t *data = NULL;
    tr_status status = ask_about(app, "stop", &data);
    if (status != TR_OK) return status;
    output_data(&app->output, "Actor", data, data, stop_columns);
    output_note(&app->output, "actor %s has ended", args_word(app->args, 0));
    json_decref(data);
    return TR_OK;
}
