/*
 * cmd_status.c - status, node list, node show.
 */
#include <poll.h>
#include <string.h>

#include "node/cli/remote.h"
#include "node/cli/commands.h"
#include "node/cli/nodes.h"

enum { RATE_MS = 200 };

static const struct output_column status_columns[] = {
    {"NAME", "name", OUTPUT_VALUE},           {"STATE", "state", OUTPUT_STATE},
    {"ENDPOINT", "endpoint", OUTPUT_VALUE},   {"PID", "pid", OUTPUT_VALUE},
    {"UPTIME", "uptime_ms", OUTPUT_DURATION}, {"ACTORS", "actors", OUTPUT_VALUE},
    {"SENT", "sent_per_s", OUTPUT_RATE},      {"HANDLED", "handled_per_s", OUTPUT_RATE},
    {"DEAD", "dead_letters", OUTPUT_VALUE},   {0},
};

static const struct output_column show_pairs[] = {
    {"name", "name", OUTPUT_VALUE},
    {"state", "state", OUTPUT_STATE},
    {"endpoint", "endpoint", OUTPUT_VALUE},
    {"control", "control", OUTPUT_VALUE},
    {"security", "security", OUTPUT_VALUE},
    {"version", "version", OUTPUT_VALUE},
    {"incarnation", "incarnation", OUTPUT_VALUE},
    {"process", "pid", OUTPUT_VALUE},
    {"uptime", "uptime_ms", OUTPUT_DURATION},
    {"workers", "workers", OUTPUT_VALUE},
    {"actors", "actors", OUTPUT_VALUE},
    {"sent", "sent", OUTPUT_VALUE},
    {"handled", "handled", OUTPUT_VALUE},
    {"dead letters", "dead_letters", OUTPUT_VALUE},
    {"  by reason", "dead_by_reason", OUTPUT_COMPACT},
    {0},
};

static const char *text_of(json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static void suggest_start(struct app *app, json_t *nodes) {
    size_t index;
    json_t *node;
    json_array_foreach(nodes, index, node) {
        const char *state = text_of(node, "state");
        bool is_gone = strcmp(state, "down") == 0 || strcmp(state, "left") == 0;
        if (!is_gone || !json_is_null(json_object_get(node, "pid"))) continue;
        output_next(&app->output, "troupe node start %s", text_of(node, "name"));
        return;
    }
}

static void print_nodes(struct app *app, const struct remote *remote, json_t *nodes,
                        const char *kind, const struct output_column *columns) {
    const char *name = text_of(json_object_get(remote_status(remote), "node"), "cluster");
    json_t *data = json_pack("{s:s, s:s, s:s, s:O}", "cluster", name, "contact",
                             remote_contact(remote), "dir", app->folder.path, "nodes", nodes);
    output_data(&app->output, kind, data, nodes, columns);
    output_note(&app->output, "cluster %s: %zu of %zu nodes up", name, nodes_up(nodes),
                json_array_size(nodes));
    suggest_start(app, nodes);
    json_decref(data);
}

tr_status cmd_status(struct app *app) {
    struct remote *remote = NULL;
    tr_status status = remote_open(app, &remote);
    if (status != TR_OK) return status;
    json_t *before = nodes_describe(app, remote);
    (void)poll(NULL, 0, RATE_MS); /* the rates are measured over this time */
    json_t *nodes = nodes_describe(app, remote);
    nodes_add_rates(before, nodes);
    print_nodes(app, remote, nodes, "Status", status_columns);
    json_decref(before);
    json_decref(nodes);
    remote_close(remote);
    return TR_OK;
}

tr_status cmd_node_list(struct app *app) {
    struct remote *remote = NULL;
    tr_status status = remote_open(app, &remote);
    if (status != TR_OK) return status;
    json_t *nodes = nodes_describe(app, remote);
    print_nodes(app, remote, nodes, "NodeList", nodes_columns);
    json_decref(nodes);
    remote_close(remote);
    return TR_OK;
}

static json_t *find_node(json_t *nodes, const char *name) {
    size_t index;
    json_t *node;
    json_array_foreach(nodes, index, node) {
        if (strcmp(text_of(node, "name"), name) == 0) return node;
    }
    return NULL;
}

tr_status cmd_node_show(struct app *app) {
    struct remote *remote = NULL;
    const char *name = args_word(app->args, 0);
    tr_status status = remote_open(app, &remote);
    if (status != TR_OK) return status;
    json_t *nodes = nodes_describe(app, remote), *node = find_node(nodes, name);
    if (node == NULL)
        status = remote_check_node(remote, name);
    else if (!output_json(&app->output, "Node", node))
        output_pairs(&app->output, node, show_pairs);
    json_decref(nodes);
    remote_close(remote);
    return status;
}
