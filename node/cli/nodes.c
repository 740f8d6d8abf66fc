/*
 * nodes.c - one description of each node out of three sources.
 */
#include "node/cli/nodes.h"

#include <stdlib.h>
#include <string.h>

const struct output_column nodes_columns[] = {
    {"NAME", "name", OUTPUT_VALUE},
    {"STATE", "state", OUTPUT_STATE},
    {"ENDPOINT", "endpoint", OUTPUT_VALUE},
    {"PID", "pid", OUTPUT_VALUE},
    {"UPTIME", "uptime_ms", OUTPUT_DURATION},
    {"ACTORS", "actors", OUTPUT_VALUE},
    {0},
};

static const char *text_of(json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static json_t *find_by_name(json_t *array, const char *name) {
    size_t index;
    json_t *item;
    json_array_foreach(array, index, item) {
        if (strcmp(text_of(item, "name"), name) == 0) return item;
    }
    return NULL;
}

static void copy_member(json_t *to, json_t *from, const char *key) {
    json_t *value = json_object_get(from, key);
    if (value != NULL) json_object_set(to, key, value);
}

/* What a node says of itself. */
static void add_own_words(json_t *node, json_t *status) {
    static const char *const keys[] = {"endpoint", "control",   "incarnation", "pid",
                                       "actors",   "uptime_ms", "time_ns",     "workers",
                                       "version",  "security",  "epoch",       "dead_by_reason"};
    json_t *own = json_object_get(status, "node"), *counters = json_object_get(own, "counters"),
           *value;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) copy_member(node, own, keys[i]);
    /* It is up by its own word, which the node that was asked first may not have heard yet. */
    const char *state = json_string_value(json_object_get(own, "state"));
    const char *seen = json_string_value(json_object_get(node, "state"));
    if (state != NULL && seen != NULL && strcmp(state, "up") == 0 && strcmp(seen, "joining") == 0)
        json_object_set_new(node, "state", json_string("up"));
    const char *key;
    json_object_foreach(counters, key, value) {
        json_object_set(node, key, value);
    }
}

static json_t *describe_member(json_t *member) {
    json_t *node = json_pack("{s:n, s:n, s:n, s:n, s:n, s:i}", "name", "endpoint", "state",
                             "incarnation", "pid", "actors", 0);
    static const char *const keys[] = {"name", "endpoint", "control", "state", "incarnation"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) copy_member(node, member, keys[i]);
    return node;
}

static void add_local(json_t *nodes, const struct local_nodes *local) {
    for (size_t i = 0; i < local->count; i++) {
        const struct local_node *node = &local->items[i];
        json_t *known = find_by_name(nodes, node->name);
        const char *state = node->running ? "joining" : node->carded ? "down" : "left";
        if (known == NULL)
            json_array_append_new(
                nodes, json_pack("{s:s, s:s?, s:s?, s:s, s:n, s:n, s:i}", "name", node->name,
                                 "endpoint", node->endpoint, "control", node->control, "state",
                                 state, "incarnation", "pid", "actors", 0));
        known = find_by_name(nodes, node->name);
        if (node->running && json_is_null(json_object_get(known, "pid")))
            json_object_set_new(known, "pid", json_integer(node->process.pid));
    }
}

static int compare_nodes(const void *a, const void *b) {
    return folder_compare_names(text_of(*(json_t *const *)a, "name"),
                                text_of(*(json_t *const *)b, "name"));
}

/* A sorted copy; takes the array. */
static json_t *sort_by_name(json_t *nodes) {
    size_t count = json_array_size(nodes);
    json_t **items = calloc(count + 1, sizeof *items), *sorted = json_array();
    for (size_t i = 0; items != NULL && i < count; i++) items[i] = json_array_get(nodes, i);
    if (items != NULL && count > 1) qsort(items, count, sizeof *items, compare_nodes);
    for (size_t i = 0; items != NULL && i < count; i++) json_array_append(sorted, items[i]);
    free(items);
    json_decref(nodes);
    return sorted;
}

json_t *nodes_describe(struct app *app, struct remote *remote) {
    json_t *nodes = json_array(), *member;
    struct local_nodes local;
    struct remote_answer *answers = remote_ask_all(remote, "status", NULL, 0);
    size_t index;
    json_array_foreach(json_object_get(remote_status(remote), "members"), index, member) {
        json_array_append_new(nodes, describe_member(member));
    }
    for (size_t i = 0; i < remote_member_count(remote); i++) {
        json_t *node = find_by_name(nodes, answers[i].node);
        if (node != NULL && answers[i].data != NULL) add_own_words(node, answers[i].data);
    }
    remote_answers_free(remote, answers);
    /* Only a node found through the folder is one of the folder's cluster. */
    if (args_text(app->args, "endpoint") == NULL) {
        folder_nodes(&app->folder, &local);
        add_local(nodes, &local);
        local_nodes_free(&local);
    }
    return sort_by_name(nodes);
}

static void add_rate(json_t *before, json_t *now, const char *counter, const char *rate) {
    double seconds = (json_number_value(json_object_get(now, "time_ns")) -
                      json_number_value(json_object_get(before, "time_ns"))) /
                     1e9;
    double difference = json_number_value(json_object_get(now, counter)) -
                        json_number_value(json_object_get(before, counter));
    if (seconds <= 0 || difference < 0 || json_object_get(now, counter) == NULL) return;
    json_object_set_new(now, rate, json_real((double)(int64_t)(difference / seconds + 0.5)));
}

void nodes_add_rates(json_t *before, json_t *now) {
    size_t index;
    json_t *node;
    json_array_foreach(now, index, node) {
        json_t *earlier = find_by_name(before, text_of(node, "name"));
        if (earlier == NULL) continue;
        add_rate(earlier, node, "sent", "sent_per_s");
        add_rate(earlier, node, "handled", "handled_per_s");
    }
}

size_t nodes_up(json_t *nodes) {
    size_t index, up = 0;
    json_t *node;
    json_array_foreach(nodes, index, node) {
        up += strcmp(text_of(node, "state"), "up") == 0;
    }
    return up;
}
