/*
 * cmd_snapshot.c - snapshot create, list, show, verify, sum.
 *
 * Only create talks to a node; the others read the files.
 */
#include <stdio.h>
#include <string.h>

#include "node/base/buffer.h"
#include "node/base/keys.h"
#include "node/base/memory.h"
#include "node/cli/remote.h"
#include "node/cli/commands.h"
#include "node/snapshot_json.h"
#include "node/snapshot_store.h"
#include "node/snapshot_sum.h"
#include "node/snapshot_verify.h"

enum { DIRECTORIES_MAX = 64, SHOW_ITEMS = 20, SHOW_LINKS = 12 };

static const struct output_column list_columns[] = {{"ID", "id", OUTPUT_VALUE},
                                                    {"TIME", "time", OUTPUT_TIME},
                                                    {"NODES", "nodes", OUTPUT_VALUE},
                                                    {"ACTORS", "actors", OUTPUT_VALUE},
                                                    {"IN FLIGHT", "in_flight", OUTPUT_VALUE},
                                                    {"SIZE", "bytes", OUTPUT_BYTES},
                                                    {"TOOK", "duration_ms", OUTPUT_DURATION},
                                                    {"CONSISTENT", "consistent", OUTPUT_VALUE},
                                                    {"ERROR", "error", OUTPUT_COMPACT},
                                                    {0}};

static const struct output_column summary_pairs[] = {{"id", "id", OUTPUT_VALUE},
                                                     {"epoch", "epoch", OUTPUT_VALUE},
                                                     {"consistent", "consistent", OUTPUT_VALUE},
                                                     {"nodes", "nodes", OUTPUT_VALUE},
                                                     {"actors", "actors", OUTPUT_VALUE},
                                                     {"in flight", "in_flight", OUTPUT_VALUE},
                                                     {"size", "bytes", OUTPUT_BYTES},
                                                     {"took", "duration_ms", OUTPUT_DURATION},
                                                     {0}};

static const struct output_column link_columns[] = {
    {"FROM", "from", OUTPUT_VALUE},         {"TO", "to", OUTPUT_VALUE},
    {"SENT", "sent", OUTPUT_VALUE},         {"RECEIVED", "received", OUTPUT_VALUE},
    {"RECORDED", "recorded", OUTPUT_VALUE}, {0}};

static const struct output_column actor_columns[] = {
    {"PID", "pid", OUTPUT_VALUE},       {"NAME", "name", OUTPUT_VALUE},
    {"NODE", "node", OUTPUT_VALUE},     {"BEHAVIOR", "behavior", OUTPUT_VALUE},
    {"STATE", "state", OUTPUT_COMPACT}, {0}};

static const struct output_column message_columns[] = {{"TO", "to", OUTPUT_VALUE},
                                                       {"FROM", "from", OUTPUT_VALUE},
                                                       {"RECORD", "record", OUTPUT_VALUE},
                                                       {"BODY", "body", OUTPUT_COMPACT},
                                                       {0}};

static const struct output_column sum_columns[] = {{"TOTAL", "total", OUTPUT_VALUE},
                                                   {"ACTORS", "actors", OUTPUT_VALUE},
                                                   {"IN FLIGHT", "in_flight", OUTPUT_VALUE},
                                                   {0}};

/* All links of a small cluster; of a large one those that had messages in flight. */
static json_t *links_worth_showing(json_t *links) {
    if (json_array_size(links) <= SHOW_LINKS) return json_incref(links);
    json_t *shown = json_array(), *link;
    size_t index;
    json_array_foreach(links, index, link) {
        if (json_integer_value(json_object_get(link, "recorded")) > 0)
            json_array_append(shown, link);
    }
    return shown;
}

static void print_summary(struct app *app, json_t *summary) {
    output_pairs(&app->output, summary, summary_pairs);
    json_t *links = links_worth_showing(json_object_get(summary, "links"));
    if (json_array_size(links) > 0) {
        putchar('\n');
        output_table(&app->output, links, link_columns);
    }
    json_decref(links);
}

/* ---- create ---------------------------------------------------------------------------------- */

static json_int_t number_of(json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

static bool on_progress(void *context, json_t *data) {
    struct app *app = context;
    const char *phase = json_string_value(json_object_get(data, "phase"));
    char actors[OUTPUT_COUNT_BYTES], total[OUTPUT_COUNT_BYTES];
    output_progress(&app->output, "%s: markers %lld/%lld, actors %s/%s", phase == NULL ? "" : phase,
                    (long long)number_of(data, "markers"),
                    (long long)number_of(data, "markers_total"),
                    output_count((uint64_t)number_of(data, "actors"), actors),
                    output_count((uint64_t)number_of(data, "actors_total"), total));
    return true;
}

tr_status cmd_snapshot_create(struct app *app) {
    uint64_t timeout_ms = args_duration_ms(app->args, "timeout", APP_SNAPSHOT_MS);
    struct remote *remote = NULL;
    json_t *data = NULL, *arguments = json_pack("{s:I}", "timeout_ms", (json_int_t)timeout_ms);
    tr_status status = remote_open(app, &remote);
    struct remote_call call = {.op = "snapshot_create",
                               .args = arguments,
                               .timeout_ms = timeout_ms,
                               .progress = on_progress,
                               .context = app};
    if (status == TR_OK) status = remote_call(remote, &call, &data);
    if (status == TR_OK) {
        const char *id = json_string_value(json_object_get(data, "id"));
        if (!output_json(&app->output, "Snapshot", data)) print_summary(app, data);
        output_note(&app->output, "snapshot %s: %lld actors, %lld messages in flight", id,
                    (long long)number_of(data, "actors"), (long long)number_of(data, "in_flight"));
        output_next(&app->output, "troupe snapshot show %s", id);
    }
    json_decref(arguments);
    json_decref(data);
    remote_close(remote);
    return status;
}

/* ---- the files ------------------------------------------------------------------------------- */

/* Where snapshots are looked for; ended by NULL, borrowed. */
struct places {
    storage_files files;
    const char *directories[DIRECTORIES_MAX + 1];
};

static void find_places(const struct app *app, struct places *places) {
    size_t count = 0, cursor = 0;
    const char *directory;
    *places = (struct places){.files = storage_system()};
    while ((directory = args_next(app->args, "snapshots", &cursor)) != NULL)
        if (count < DIRECTORIES_MAX) places->directories[count++] = directory;
    if (count == 0) places->directories[0] = app->folder.snapshots;
}

/* The newest snapshot, a damaged one too: whoever asks for the latest must not be shown an older
 * one instead. Ids count up with leading zeros, so they sort as texts. NULL: there is none. */
static const char *newest_id(const snapshot_list *list) {
    const char *newest = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const snapshot_entry *entry = &list->entries[i];
        bool later = newest == NULL || (entry->manifest == NULL && strcmp(entry->id, newest) > 0);
        if (later) newest = entry->id;
    }
    return newest;
}

/* "latest" is the newest snapshot; anything else is an id already. */
static tr_status find_id(struct app *app, const struct places *places,
                         char id_out[PART_NAME_BYTES]) {
    const char *word = args_word(app->args, 0);
    if (strcmp(word, "latest") != 0) {
        if (!snapshot_id_valid(word))
            return failure_set(&app->failure, TR_ENOENT, "`troupe snapshot list` lists them",
                               "there is no snapshot `%s`", word);
        snprintf(id_out, PART_NAME_BYTES, "%s", word);
        return TR_OK;
    }
    snapshot_list list;
    tr_status status =
        snapshot_store_list(&places->files, places->directories, &list, &app->failure.error);
    if (status != TR_OK) return status;
    const char *newest = newest_id(&list);
    bool found = newest != NULL;
    if (found) snprintf(id_out, PART_NAME_BYTES, "%s", newest);
    snapshot_list_fini(&list);
    if (found) return TR_OK;
    return failure_set(&app->failure, TR_ENOENT, "take one: `troupe snapshot create`",
                       "there is no snapshot in %s", places->directories[0]);
}

static tr_status load(struct app *app, const struct places *places,
                      struct manifest **manifest_out) {
    char id[PART_NAME_BYTES];
    tr_status status = find_id(app, places, id);
    if (status == TR_OK)
        status = snapshot_store_load(&places->files, places->directories, id, manifest_out,
                                     &app->failure.error);
    return status;
}

tr_status cmd_snapshot_list(struct app *app) {
    struct places places;
    snapshot_list list;
    find_places(app, &places);
    tr_status status =
        snapshot_store_list(&places.files, places.directories, &list, &app->failure.error);
    if (status != TR_OK) return status;
    json_t *data = snapshot_json_list(&list);
    output_data(&app->output, "SnapshotList", data, data, list_columns);
    if (list.count == 0)
        output_next(&app->output, "troupe snapshot create");
    else
        output_next(&app->output, "troupe snapshot show %s", list.entries[0].id);
    json_decref(data);
    snapshot_list_fini(&list);
    return TR_OK;
}

static void print_contents(struct app *app, json_t *summary, json_t *contents) {
    json_t *actors = json_object_get(contents, "actors"),
           *messages = json_object_get(contents, "messages");
    print_summary(app, summary);
    if (json_array_size(actors) > 0) {
        putchar('\n');
        output_table(&app->output, actors, actor_columns);
    }
    if (json_array_size(messages) > 0) {
        putchar('\n');
        output_table(&app->output, messages, message_columns);
    }
    if (json_is_true(json_object_get(contents, "truncated")))
        output_note(&app->output, "there is more: --limit N, or -o json");
}

static tr_status show(struct app *app, const struct places *places,
                      const struct manifest *manifest) {
    json_t *contents = NULL;
    uint64_t limit = args_count(app->args, "limit", app->output.json ? 0 : SHOW_ITEMS);
    snapshot_json_options options = {.node = args_text(app->args, "node"), .items_max = limit};
    tr_status status = snapshot_json_contents(&places->files, places->directories, manifest,
                                              &options, &contents, &app->failure.error);
    if (status != TR_OK) return status;
    json_t *summary = snapshot_json_summary(manifest);
    json_object_set(summary, "contents", contents);
    if (!output_json(&app->output, "Snapshot", summary)) print_contents(app, summary, contents);
    output_next(&app->output, "troupe snapshot verify %s", manifest->id);
    json_decref(summary);
    json_decref(contents);
    return TR_OK;
}

tr_status cmd_snapshot_show(struct app *app) {
    struct places places;
    struct manifest *manifest = NULL;
    find_places(app, &places);
    tr_status status = load(app, &places, &manifest);
    if (status == TR_OK) status = show(app, &places, manifest);
    manifest_free(manifest);
    return status;
}

/* ---- verify ---------------------------------------------------------------------------------- */

/* The signer's key as this folder knows it; an unknown signer's is taken from the manifest. */
static bool find_key(void *context, const char *name, uint8_t key_out[SIGN_PUBLIC_BYTES]) {
    const struct app *app = context;
    public_keys keys;
    if (keys_load_public(app->folder.keys, name, &keys, NULL) != TR_OK) return false;
    memcpy(key_out, keys.sign, SIGN_PUBLIC_BYTES);
    return true;
}

tr_status cmd_snapshot_verify(struct app *app) {
    struct places places;
    struct manifest *manifest = NULL;
    char id[PART_NAME_BYTES];
    snapshot_verify_options options = {.key = find_key, .key_context = app};
    find_places(app, &places);
    tr_status status = find_id(app, &places, id);
    if (status == TR_OK)
        status = snapshot_verify(&places.files, places.directories, id, &options, &manifest,
                                 &app->failure.error);
    if (status == TR_OK) {
        json_t *summary = snapshot_json_summary(manifest);
        if (!output_json(&app->output, "SnapshotVerify", summary)) print_summary(app, summary);
        output_note(&app->output, "snapshot %s is whole, unaltered and consistent", id);
        json_decref(summary);
    }
    manifest_free(manifest);
    return status;
}

/* ---- sum ------------------------------------------------------------------------------------- */

tr_status cmd_snapshot_sum(struct app *app) {
    struct places places;
    struct manifest *manifest = NULL;
    snapshot_sum sum;
    size_t count = args_word_count(app->args) - 1;
    const char **terms = mem_zalloc(count + 1, sizeof *terms);
    for (size_t i = 0; i < count; i++) terms[i] = args_word(app->args, i + 1);
    find_places(app, &places);
    tr_status status = load(app, &places, &manifest);
    if (status == TR_OK)
        status = snapshot_sum_terms(&places.files, places.directories, manifest, terms, count, &sum,
                                    &app->failure.error);
    if (status == TR_OK) {
        json_t *data = snapshot_json_sum(&sum);
        output_data(&app->output, "SnapshotSum", data, data, sum_columns);
        json_decref(data);
    }
    mem_free(terms);
    manifest_free(manifest);
    return status;
}
