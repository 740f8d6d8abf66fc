/*
 * cmd_behavior.c - behavior list, behavior show.
 */
#include <stdio.h>
#include <string.h>

#include "node/base/buffer.h"
#include "node/cli/remote.h"
#include "node/cli/commands.h"
#include "node/cli/offers.h"

static const struct output_column list_columns[] = {
    {"NAME", "name", OUTPUT_VALUE},        {"VERSION", "version", OUTPUT_VALUE},
    {"STATE", "state.name", OUTPUT_VALUE}, {"TAKES", "takes", OUTPUT_VALUE},
    {"NODES", "places", OUTPUT_VALUE},     {0}};

static const struct output_column field_columns[] = {{"USE", "use", OUTPUT_VALUE},
                                                     {"RECORD", "record", OUTPUT_VALUE},
                                                     {"FIELD", "field", OUTPUT_VALUE},
                                                     {"TYPE", "type", OUTPUT_VALUE},
                                                     {0}};

static const char *text_of(json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

/* A list's items as one text, "a, b, c"; `key` NULL: the items are texts themselves. A new
 * reference. */
static json_t *joined(json_t *array, const char *key) {
    struct buffer text = {0};
    size_t index;
    json_t *item;
    json_array_foreach(array, index, item) {
        const char *word = key == NULL ? json_string_value(item) : text_of(item, key);
        buffer_append_format(&text, "%s%s", index == 0 ? "" : ", ", word == NULL ? "" : word);
    }
    json_t *result = json_string(buffer_text(&text));
    buffer_fini(&text);
    return result;
}

static void print_list(struct app *app, json_t *offers) {
    if (output_json(&app->output, "BehaviorList", offers)) return;
    json_t *rows = json_array(), *offer;
    size_t index;
    json_array_foreach(offers, index, offer) {
        json_t *row = json_copy(offer);
        json_object_set_new(row, "takes", joined(json_object_get(offer, "handlers"), "name"));
        json_object_set_new(row, "places", joined(json_object_get(offer, "nodes"), NULL));
        json_array_append_new(rows, row);
    }
    output_table(&app->output, rows, list_columns);
    json_decref(rows);
}

tr_status cmd_behavior_list(struct app *app) {
    struct remote *remote = NULL;
    tr_status status = remote_open(app, &remote);
    if (status != TR_OK) return status;
    json_t *offers = offers_ask(app, remote);
    remote_close(remote);
    if (offers == NULL) return app->failure.error.status;
    print_list(app, offers);
    json_t *first = json_array_get(offers, 0);
    if (first == NULL)
        output_note(&app->output, "no node offers a behavior; launch nodes with --load FILE.so");
    else
        output_next(&app->output, "troupe behavior show %s", text_of(first, "name"));
    json_decref(offers);
    return TR_OK;
}

/* ---- one behavior ---------------------------------------------------------------------------- */

/* "i64", "char[32]", "list of pid", "record point[4]". */
static void type_text(json_t *field, char *out, size_t out_bytes) {
    const char *kind = text_of(field, "kind"), *shape = text_of(field, "shape");
    json_t *record = json_object_get(field, "record");
    char bytes[32] = "", count[32] = "";
    if (json_object_get(field, "bytes") != NULL)
        snprintf(bytes, sizeof bytes, "[%lld]",
                 (long long)json_integer_value(json_object_get(field, "bytes")));
    if (strcmp(shape, "array") == 0)
        snprintf(count, sizeof count, "[%lld]",
                 (long long)json_integer_value(json_object_get(field, "count")));
    snprintf(out, out_bytes, "%s%s%s%s%s%s", strcmp(shape, "list") == 0 ? "list of " : "", kind,
             record == NULL ? "" : " ", text_of(record, "name"), bytes, count);
}

enum { NESTING_MAX = 8 };

/* One row a field; those of a nested record follow it, with the path of field names. */
static void add_fields(json_t *rows, const char *use, json_t *record, const char *name,
                       const char *path, int depth) {
    size_t index;
    json_t *field;
    json_array_foreach(json_object_get(record, "fields"), index, field) {
        char type[160], place[256];
        type_text(field, type, sizeof type);
        snprintf(place, sizeof place, "%s%s%s", path, *path == '\0' ? "" : ".",
                 text_of(field, "name"));
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s}", "use", use, "record", name,
                                              "field", place, "type", type));
        json_t *nested = json_object_get(field, "record");
        if (nested != NULL && depth < NESTING_MAX)
            add_fields(rows, use, nested, name, place, depth + 1);
    }
}

static void add_record(json_t *rows, const char *use, json_t *record) {
    const char *name = text_of(record, "name");
    if (!json_is_object(record)) return;
    size_t before = json_array_size(rows);
    add_fields(rows, use, record, name, "", 0);
    if (json_array_size(rows) == before)
        json_array_append_new(rows, json_pack("{s:s, s:s}", "use", use, "record", name));
}

static void print_behavior(struct app *app, json_t *offer) {
    if (output_json(&app->output, "Behavior", offer)) return;
    json_t *rows = json_array(), *handlers = json_object_get(offer, "handlers"), *record;
    size_t index;
    add_record(rows, "state", json_object_get(offer, "state"));
    json_array_foreach(handlers, index, record) {
        add_record(rows, "takes", record);
    }
    output_table(&app->output, rows, field_columns);
    json_decref(rows);
}

tr_status cmd_behavior_show(struct app *app) {
    struct remote *remote = NULL;
    const char *name = args_word(app->args, 0);
    tr_status status = remote_open(app, &remote);
    if (status != TR_OK) return status;
    json_t *offers = offers_ask(app, remote), *offer, *found = NULL;
    remote_close(remote);
    if (offers == NULL) return app->failure.error.status;
    size_t index;
    /* Of several versions the newest stands last. */
    json_array_foreach(offers, index, offer) {
        if (strcmp(text_of(offer, "name"), name) == 0) found = offer;
    }
    if (found == NULL) {
        status = offers_refuse(app, offers, name);
    } else {
        print_behavior(app, found);
        output_next(&app->output, "troupe spawn %s", name);
    }
    json_decref(offers);
    return status;
}
