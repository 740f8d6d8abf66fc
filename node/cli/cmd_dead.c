/*
 * cmd_dead.c - dead list: what could not be delivered, of all nodes, in the order of time.
 */
#include <string.h>

#include "node/base/clock.h"
#include "node/cli/remote.h"
#include "node/cli/commands.h"
#include "node/cli/rows.h"

enum { PAGE_LETTERS = 1000 };

static const struct output_column columns[] = {
    {"TIME", "time", OUTPUT_VALUE},      {"NODE", "node", OUTPUT_VALUE},
    {"REASON", "reason", OUTPUT_VALUE},  {"RECORD", "record", OUTPUT_VALUE},
    {"FROM", "from", OUTPUT_VALUE},      {"TO", "to", OUTPUT_VALUE},
    {"TRACE", "trace_id", OUTPUT_VALUE}, {0}};

static void take_letter(struct rows *rows, const char *node, json_t *letter) {
    json_int_t time_ms = json_integer_value(json_object_get(letter, "time"));
    char time[CLOCK_TEXT_BYTES];
    clock_text(time_ms < 0 ? 0 : (uint64_t)time_ms * 1000000, time);
    json_object_set_new(letter, "time", json_string(time));
    json_object_set_new(letter, "node", json_string(node));
    rows_add(rows, letter, (uint64_t)time_ms);
}

static tr_status take_node(struct remote *remote, struct rows *rows, const char *node) {
    tr_status status = TR_OK;
    for (json_int_t after = 0; after >= 0 && status == TR_OK;) {
        json_t *arguments = json_pack("{s:I, s:i}", "after", after, "limit", PAGE_LETTERS);
        json_t *data = NULL, *letter;
        struct remote_call call = {.node = node, .op = "dead", .args = arguments};
        status = remote_call(remote, &call, &data);
        json_t *next = json_object_get(data, "next");
        size_t index;
        json_array_foreach(json_object_get(data, "dead"), index, letter) {
            take_letter(rows, node, letter);
        }
        after = json_is_integer(next) && json_integer_value(next) > after ? json_integer_value(next)
                                                                          : -1;
        json_decref(arguments);
        json_decref(data);
    }
    return status;
}

static tr_status take_all(struct app *app, struct remote *remote, struct rows *rows) {
    const char *only = args_text(app->args, "node");
    size_t answered = 0;
    tr_status status = TR_OK;
    if (only != NULL) {
        status = remote_check_node(remote, only);
        return status == TR_OK ? take_node(remote, rows, only) : status;
    }
    for (size_t i = 0; i < remote_member_count(remote); i++) {
        app->failure = (struct failure){0};
        status = take_node(remote, rows, remote_member_name(remote, i));
        if (status == TR_OK)
            answered++;
        else
            output_note(&app->output, "warning: %s", app->failure.error.message);
    }
    return answered > 0 ? TR_OK : status;
}

tr_status cmd_dead_list(struct app *app) {
    struct remote *remote = NULL;
    struct rows rows = {0};
    tr_status status = remote_open(app, &remote);
    if (status == TR_OK) status = take_all(app, remote, &rows);
    remote_close(remote);
    if (status == TR_OK) {
        rows_sort(&rows, ROWS_SMALLEST_FIRST);
        if (args_has(app->args, "limit")) rows_keep_last(&rows, args_count(app->args, "limit", 0));
        rows_print(&rows, &app->output, "DeadList", columns);
        output_note(&app->output, "%zu dead letters", rows.count);
    }
    rows_fini(&rows);
    return status;
}
