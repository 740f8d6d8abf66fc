/*
 * snapshot_json.c - the JSON of snapshots, with the keys that users' scripts rely on.
 */
#include "node/snapshot_json.h"

#include <string.h>

#include "node/base/check.h"
#include "node/base/clock.h"
#include "node/base/error.h"
#include "node/base/hex.h"
#include "node/base/memory.h"
#include "node/snapshot_walk.h"

/* ---- summaries ------------------------------------------------------------------------------- */

static void put(json_t *object, const char *key, json_t *value) {
    check(json_object_set_new(object, key, value) == 0);
}

static void push(json_t *array, json_t *value) {
    check(json_array_append_new(array, value) == 0);
}

/* Counts come from files and may exceed what JSON integers hold; those show as the largest. */
static json_t *count_json(uint64_t count) {
    return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

/* Names and messages that come from outside may not be UTF-8; JSON cannot say them. */
static json_t *string_json(const char *string) {
    json_t *json = json_string(string);
    return json == NULL ? json_null() : json;
}

static json_t *text_json(tr_text text) {
    return text.data == NULL ? json_null() : json_stringn(text.data, text.bytes);
}

/* What lists and summaries share. */
static json_t *brief_of(const struct manifest *manifest) {
    tr_snapshot_info info;
    char time[CLOCK_TEXT_BYTES];
    manifest_info(manifest, &info);
    clock_text(manifest->committed_ms > UINT64_MAX / 1000000 ? 0 : manifest->committed_ms * 1000000,
               time);
    json_t *brief = json_object();
    put(brief, "id", string_json(manifest->id));
    put(brief, "epoch", count_json(manifest->epoch));
    put(brief, "consistent", json_boolean(info.consistent));
    put(brief, "nodes", count_json(info.nodes));
    put(brief, "actors", count_json(info.actors));
    put(brief, "in_flight", count_json(info.in_flight));
    put(brief, "bytes", count_json(info.bytes));
    put(brief, "duration_ms", count_json(info.duration_ms));
    put(brief, "initiator", string_json(manifest->initiator));
    put(brief, "time", string_json(time));
    return brief;
}

json_t *snapshot_json_summary(const struct manifest *manifest) {
    json_t *summary = brief_of(manifest);
    json_t *links = json_array();
    json_t *parts = json_array();
    for (uint32_t i = 0; i < manifest->link_count; i++) {
        const manifest_link *link = &manifest->links[i];
        json_t *entry = json_object();
        put(entry, "from", string_json(link->from));
        put(entry, "to", string_json(link->to));
        put(entry, "sent", count_json(link->sent));
        put(entry, "received", count_json(link->received));
        put(entry, "recorded", count_json(link->recorded));
        push(links, entry);
    }
    for (uint32_t i = 0; i < manifest->member_count; i++) {
        const manifest_member *member = &manifest->members[i];
        json_t *entry = json_object();
        put(entry, "node", string_json(member->name));
        put(entry, "file", string_json(member->file));
        put(entry, "bytes", count_json(member->bytes));
        put(entry, "actors", count_json(member->actors));
        put(entry, "messages", count_json(member->messages));
        push(parts, entry);
    }
    put(summary, "cluster", string_json(manifest->cluster));
    put(summary, "links", links);
    put(summary, "parts", parts);
    return summary;
}

json_t *snapshot_json_list(const snapshot_list *list) {
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        const snapshot_entry *entry = &list->entries[i];
        if (entry->manifest != NULL) {
            push(array, brief_of(entry->manifest));
            continue;
        }
        json_t *damaged = json_object();
        json_t *error = json_object();
        put(error, "code", string_json(tr_status_name(entry->status)));
        put(error, "message", string_json(entry->error.message));
        put(damaged, "id", string_json(entry->id));
        put(damaged, "error", error);
        push(array, damaged);
    }
    return array;
}

/* ---- pids ------------------------------------------------------------------------------------ */

static void format_pid(void *context, tr_pid pid, char *out, size_t out_bytes) {
    manifest_pid_text(context, pid, out, out_bytes);
}

static bool parse_pid(void *context, const char *text, tr_pid *pid_out) {
    (void)context;
    (void)text;
    (void)pid_out;
    return false; /* nothing is read with these */
}

record_pids snapshot_json_pids(const struct manifest *manifest) {
    return (record_pids){(void *)(uintptr_t)manifest, format_pid, parse_pid};
}

/* ---- contents -------------------------------------------------------------------------------- */

struct contents {
    const struct manifest *manifest;
    record_pids pids;
    uint64_t items_max; /* of each kind */
    json_t *actors;
    json_t *messages;
    bool truncated;
};

static json_t *pid_json(const struct contents *contents, tr_pid pid) {
    char text[TR_PID_TEXT_MAX];
    return string_json(manifest_pid_text(contents->manifest, pid, text, sizeof text));
}

/* A state or body by field name; null where there is none. */
static json_t *body_json(const struct contents *contents, const part_reader *reader,
                         uint32_t record, part_value value) {
    if (record == 0) return json_null();
    void *block = part_reader_decode(reader, record, value);
    json_t *body = record_to_json(part_reader_type(reader, record), block, &contents->pids);
    mem_free(block);
    return body;
}

static json_t *record_name(const part_reader *reader, uint32_t record) {
    return record == 0 ? json_null() : string_json(part_reader_type(reader, record)->name);
}

static json_t *actor_json(const struct contents *contents, const part_reader *reader,
                          const manifest_member *member, const part_actor *actor) {
    json_t *object = json_object();
    put(object, "pid", pid_json(contents, actor->pid));
    put(object, "name", actor->name_count == 0 ? json_null() : text_json(actor->names[0]));
    put(object, "node", string_json(member->name));
    put(object, "behavior", text_json(actor->behavior));
    put(object, "state", body_json(contents, reader, actor->record, actor->state));
    put(object, "timers", count_json(actor->timer_count));
    put(object, "asks", count_json(actor->ask_count));
    return object;
}

static json_t *message_json(const struct contents *contents, const part_reader *reader,
                            const manifest_member *member, const part_message *message) {
    json_t *object = json_object();
    char trace[2 * sizeof message->trace.id + 1];
    static const tr_trace none;
    bool traced = memcmp(message->trace.id, none.id, sizeof none.id) != 0;
    hex_encode(message->trace.id, sizeof message->trace.id, trace);
    put(object, "to", pid_json(contents, message->to));
    put(object, "from", pid_json(contents, message->from));
    put(object, "node", string_json(member->name));
    put(object, "record", record_name(reader, message->record));
    put(object, "body", body_json(contents, reader, message->record, message->body));
    put(object, "link", text_json(message->link));
    put(object, "reason", text_json(message->reason));
    put(object, "trace_id", traced ? string_json(trace) : json_null());
    return object;
}

static tr_status visit_item(void *context, const part_reader *reader, const manifest_member *member,
                            const part_item *item, tr_error *error) {
    struct contents *contents = context;
    (void)error;
    bool is_actor = item->kind == PART_ITEM_ACTOR;
    json_t *array = is_actor ? contents->actors : contents->messages;
    if (contents->items_max > 0 && json_array_size(array) >= contents->items_max) {
        contents->truncated = true;
    } else if (is_actor) {
        push(array, actor_json(contents, reader, member, &item->actor));
    } else {
        push(array, message_json(contents, reader, member, &item->message));
    }
    return TR_OK;
}

static tr_status find_member(const struct manifest *manifest, const char *name,
                             const manifest_member **member_out, tr_error *error) {
    if (name == NULL) return TR_OK;
    *member_out = manifest_member_named(manifest, name);
    if (*member_out != NULL) return TR_OK;
    return error_set(error, TR_ENOENT, NULL, "snapshot %s has no node %s", manifest->id, name);
}

tr_status snapshot_json_contents(const storage_files *files, const char *const *directories,
                                 const struct manifest *manifest,
                                 const snapshot_json_options *options, json_t **contents_out,
                                 tr_error *error) {
    static const snapshot_json_options everything;
    if (options == NULL) options = &everything;
    struct contents contents = {.manifest = manifest,
                                .pids = snapshot_json_pids(manifest),
                                .items_max = options->items_max,
                                .actors = json_array(),
                                .messages = json_array()};
    const manifest_member *only = NULL;
    tr_status status = find_member(manifest, options->node, &only, error);
    struct snapshot_visitor visitor = {&contents, NULL, visit_item};
    if (status == TR_OK) {
        status = snapshot_walk(files, directories, manifest, only, &visitor, error);
    }
    if (status != TR_OK) {
        json_decref(contents.actors);
        json_decref(contents.messages);
        return status;
    }
    json_t *object = json_object();
    put(object, "actors", contents.actors);
    put(object, "messages", contents.messages);
    if (contents.truncated) put(object, "truncated", json_true());
    *contents_out = object;
    return TR_OK;
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* A whole number of any size, as decimal digits. */
static json_t *digits_json(snapshot_integer number) {
    char digits[48];
    size_t at = sizeof digits;
    bool negative = number < 0;
    /* The remainders of a negative number are negative or zero: no negation, no overflow. */
    for (; number != 0; number /= 10) {
        int digit = (int)(number % 10);
        digits[--at] = (char)('0' + (digit < 0 ? -digit : digit));
    }
    if (negative) digits[--at] = '-';
    return json_stringn(digits + at, sizeof digits - at);
}

static json_t *number_json(const snapshot_number *number) {
    if (number->real) {
        json_t *real = json_real((double)number->integer + number->floating);
        return real == NULL ? json_null() : real; /* not a number, or infinite */
    }
    if (number->integer < INT64_MIN || number->integer > INT64_MAX) {
        return digits_json(number->integer);
    }
    return json_integer((json_int_t)number->integer);
}

json_t *snapshot_json_sum(const snapshot_sum *sum) {
    snapshot_number total = {sum->actors.real || sum->in_flight.real,
                             sum->actors.integer + sum->in_flight.integer,
                             sum->actors.floating + sum->in_flight.floating};
    json_t *object = json_object();
    put(object, "total", number_json(&total));
    put(object, "actors", number_json(&sum->actors));
    put(object, "in_flight", number_json(&sum->in_flight));
    return object;
}
