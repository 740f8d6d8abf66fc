#define _GNU_SOURCE /* memmem */
/* control_node.c - operations on the node and its cluster: hello, status, behaviors, snapshots,
 * logs, dead letters. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/base/container.h"
#include "node/base/memory.h"
#include "node/control.h"
#include "node/record_json.h"

enum { LOG_LINES_MAX = 1000, LOG_BYTES_MAX = 1 << 20, DEAD_MAX = 1000 };

static json_t *dead_by_reason(tr_node *node, uint64_t *total_out) {
    uint64_t counts[DEADLETTER_REASONS];
    deadletters_counts(node->runtime->deadletters, counts);
    json_t *reasons = json_object();
    *total_out = 0;
    for (int i = 0; i < DEADLETTER_REASONS; i++) {
        *total_out += counts[i];
        if (counts[i] > 0)
            json_object_set_new(reasons, deadletter_text((enum deadletter_reason)i),
                                json_integer((json_int_t)counts[i]));
    }
    return reasons;
}

void control_hello(struct control_call *call) {
    tr_node *node = call->node;
    control_reply_data(
        call, json_pack("{s:s, s:s, s:s, s:i, s:s, s:I, s:I}", "name", node->name, "cluster",
                        node->cluster, "version", TR_VERSION, "protocol", 1, "role",
                        call->operate ? "operate" : "observe", "pid", (json_int_t)getpid(),
                        "incarnation", (json_int_t)node->incarnation));
}

static json_t *member_json(const struct member *member) {
    return json_pack("{s:s, s:s, s:s, s:s, s:I}", "name", member->name, "endpoint",
                     member->endpoint, "control", member->control, "state",
                     member_state_name(member->state), "incarnation",
                     (json_int_t)member->incarnation);
}

/* Oldest first, then those that are gone. */
static json_t *members_json(tr_node *node) {
    json_t *list = json_array();
    for (int gone = 0; gone < 2; gone++) {
        for (size_t i = 0; i < members_count(node->members); i++) {
            const struct member *member = members_at(node->members, i);
            bool is_gone = member->state == MEMBER_DOWN || member->state == MEMBER_LEFT;
            if (is_gone == (gone == 1)) json_array_append_new(list, member_json(member));
        }
    }
    return list;
}

static uint64_t live_actors(tr_node *node) {
    struct counter_sums sums = runtime_counters(node->runtime);
    uint64_t live = sums.spawned - sums.ended;
    return live >= 2 ? live - 2 : 0; /* without the services */
}

void control_status(struct control_call *call) {
    tr_node *node = call->node;
    struct counter_sums sums = runtime_counters(node->runtime);
    uint64_t now_ns = environment_now_ns(node->world.environment), dead;
    json_t *reasons = dead_by_reason(node, &dead);
    const char *state = node->stage >= NODE_DRAINING
                            ? "left"
                            : member_state_name(members_self(node->members)->state);
    json_t *self = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I}", "name",
        node->name, "cluster", node->cluster, "version", TR_VERSION, "state", state, "endpoint",
        node->advertise, "control", node->advertise_control, "pid", (json_int_t)getpid(),
        "incarnation", (json_int_t)node->incarnation, "security",
        node->security == TR_SECURITY_CURVE ? "curve" : "none", "workers",
        (json_int_t)node->runtime->worker_count, "uptime_ms",
        (json_int_t)((now_ns - node->opened_ns) / 1000000), "time_ns", (json_int_t)now_ns, "actors",
        (json_int_t)live_actors(node), "epoch", (json_int_t)runtime_epoch(node->runtime));
    json_object_set_new(
        self, "counters",
        json_pack("{s:I, s:I, s:I, s:I, s:I}", "sent", (json_int_t)sums.sent, "handled",
                  (json_int_t)sums.handled, "refused", (json_int_t)sums.refused, "dead_letters",
                  (json_int_t)dead, "unspawned", (json_int_t)sums.unspawned));
    json_object_set_new(self, "dead_by_reason", reasons);
    control_reply_data(call, json_pack("{s:o, s:o}", "node", self, "members", members_json(node)));
}

/* ---- behaviors ------------------------------------------------------------------------------- */

static json_t *record_json(const record_type *type);

static json_t *field_json(const record_field *field) {
    static const char *const shapes[] = {"one", "array", "list"};
    json_t *json = json_pack("{s:s, s:s, s:s}", "name", field->name, "kind",
                             record_kind_name(field->kind), "shape", shapes[field->shape]);
    bool room = field->kind == TR_KIND_CHARS || field->kind == TR_KIND_OCTETS;
    if (room)
        json_object_set_new(json, "bytes", json_integer(field->count));
    else if (field->shape == RECORD_ARRAY)
        json_object_set_new(json, "count", json_integer(field->count));
    if (field->nested != NULL) json_object_set_new(json, "record", record_json(field->nested));
    return json;
}

static json_t *record_json(const record_type *type) {
    json_t *fields = json_array();
    for (uint32_t i = 0; i < type->field_count; i++)
        json_array_append_new(fields, field_json(&type->fields[i]));
    return json_pack("{s:s, s:o}", "name", type->name, "fields", fields);
}

void control_behaviors(struct control_call *call) {
    json_t *list = json_array();
    size_t cursor = 0;
    for (struct behavior *each;
         (each = map_text_next(&call->node->runtime->behaviors.by_name, &cursor, NULL)) != NULL;) {
        if (each->system) continue;
        json_t *handlers = json_array();
        for (uint32_t i = 0; i < each->entry_count; i++)
            json_array_append_new(handlers, record_json(each->entries[i].type));
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:o, s:o}", "name", each->offered->name, "version",
                            (json_int_t)each->offered->version, "state",
                            each->state == NULL ? json_null() : record_json(each->state),
                            "handlers", handlers));
    }
    control_reply_data(call, json_pack("{s:o}", "behaviors", list));
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static json_t *links_json(const snapshot_result *result) {
    json_t *list = json_array();
    for (size_t i = 0; i < result->links_count; i++) {
        const snapshot_link *link = &result->links[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:I, s:I}", "from", link->from, "to", link->to, "sent",
                            (json_int_t)link->sent, "received", (json_int_t)link->received,
                            "recorded", (json_int_t)link->recorded));
    }
    return list;
}

static void snapshot_ended(void *context, tr_status status, const snapshot_result *result,
                           const tr_error *error) {
    struct control_call *call = context;
    if (status != TR_OK) {
        tr_error copy = *error;
        copy.status = status;
        control_reply_error(call, &copy, NULL);
        return;
    }
    tr_snapshot_info info;
    snapshot_info(result, &info);
    control_reply_data(
        call, json_pack("{s:s, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "id", info.id, "epoch",
                        (json_int_t)info.epoch, "consistent", info.consistent, "nodes",
                        (json_int_t)info.nodes, "actors", (json_int_t)info.actors, "in_flight",
                        (json_int_t)info.in_flight, "bytes", (json_int_t)info.bytes, "duration_ms",
                        (json_int_t)info.duration_ms, "links", links_json(result)));
}

void control_snapshot_create(struct control_call *call) {
    uint64_t timeout_ms = control_timeout_ms(call, SNAPSHOT_TIMEOUT_MS);
    control_deadline(call, timeout_ms * 2 + 60000); /* the machine answers first, always */
    list_push_back(&call->control->snapshots, &call->waiting);
    cutter_request(call->node, timeout_ms, snapshot_ended, call);
}

void control_snapshot_progress(struct control *control) {
    snapshot_progress progress;
    snapshot_progress_get(control->node->snapshot, &progress);
    const char *phase = progress.stage == SNAPSHOT_COMMITTING ? "commit"
                        : progress.stage == SNAPSHOT_RUNNING  ? "record"
                                                              : "prepare";
    for (list_node *node = list_first(&control->snapshots); node != NULL;
         node = list_next(&control->snapshots, node))
        control_progress(
            container_of(node, struct control_call, waiting),
            json_pack("{s:s, s:I, s:I, s:I, s:I}", "phase", phase, "markers",
                      (json_int_t)progress.markers, "markers_total",
                      (json_int_t)progress.markers_total, "actors", (json_int_t)progress.census.red,
                      "actors_total", (json_int_t)progress.census.total));
}

/* ---- the node -------------------------------------------------------------------------------- */

void control_node_stop(struct control_call *call) {
    tr_node *node = call->node;
    control_reply_data(call, json_pack("{s:s}", "name", node->name));
    tr_node_stop(node);
}

/* Appends the complete lines of `text` that contain `trace` (NULL: all); returns the bytes
 * consumed. */
static size_t take_lines(const char *text, size_t bytes, const char *trace, size_t limit,
                         json_t *lines) {
    size_t at = 0;
    while (at < bytes && json_array_size(lines) < limit) {
        const char *end = memchr(text + at, '\n', bytes - at);
        if (end == NULL) break;
        size_t length = (size_t)(end - (text + at));
        if (trace == NULL || memmem(text + at, length, trace, strlen(trace)) != NULL) {
            json_t *line = json_stringn(text + at, length);
            if (line != NULL) json_array_append_new(lines, line);
        }
        at += length + 1;
    }
    return at;
}

void control_logs(struct control_call *call) {
    const char *path = call->node->log_path;
    if (path == NULL) {
        control_fail(call, TR_ENOTSUP, "start it with --log FILE", "node %s logs to stderr",
                     call->node->name);
        return;
    }
    int file = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = file < 0 ? -1 : lseek(file, 0, SEEK_END);
    if (size < 0) {
        if (file >= 0) close(file);
        control_fail(call, TR_EIO, NULL, "the log %s cannot be read", path);
        return;
    }
    json_int_t after = json_integer_value(json_object_get(call->args, "after"));
    json_int_t limit = json_integer_value(json_object_get(call->args, "limit"));
    if (after < -size) after = -size;
    bool cut = after < 0 && -after < size; /* begin at the next start of a line */
    if (after < 0) after = cut ? size + after : 0;
    if (limit < 1 || limit > LOG_LINES_MAX) limit = LOG_LINES_MAX;
    char *text = mem_alloc(LOG_BYTES_MAX);
    ssize_t got = after > size ? 0 : pread(file, text, LOG_BYTES_MAX, (off_t)after);
    close(file);
    size_t bytes = got < 0 ? 0 : (size_t)got, skipped = 0;
    const char *start = cut ? memchr(text, '\n', bytes) : NULL;
    if (cut) skipped = start == NULL ? bytes : (size_t)(start - text) + 1;
    json_t *lines = json_array();
    size_t used = skipped + take_lines(text + skipped, bytes - skipped, control_text(call, "trace"),
                                       (size_t)limit, lines);
    mem_free(text);
    bool end = after + (json_int_t)used >= size ||
               (used < bytes && json_array_size(lines) < (size_t)limit);
    control_reply_data(call, json_pack("{s:o, s:I, s:b}", "lines", lines, "next",
                                       after + (json_int_t)used, "end", end));
}

void control_dead(struct control_call *call) {
    json_int_t after = json_integer_value(json_object_get(call->args, "after"));
    json_int_t limit = json_integer_value(json_object_get(call->args, "limit"));
    if (limit < 1 || limit > DEAD_MAX) limit = DEAD_MAX;
    struct deadletter *letters = mem_zalloc(DEADLETTERS_KEPT, sizeof *letters);
    /* `after` is the first number wanted; the list gives the newest, so ask for all that are kept.
     */
    size_t count = deadletters_list(call->node->runtime->deadletters,
                                    after > 0 ? (uint64_t)after - 1 : 0, letters, DEADLETTERS_KEPT);
    uint64_t counts[DEADLETTER_REASONS], total = 0;
    deadletters_counts(call->node->runtime->deadletters, counts);
    for (int i = 0; i < DEADLETTER_REASONS; i++) total += counts[i];
    json_t *list = json_array();
    size_t given = count < (size_t)limit ? count : (size_t)limit;
    for (size_t i = 0; i < given; i++)
        json_array_append_new(
            list,
            json_pack("{s:I, s:s, s:o, s:o, s:s, s:o, s:I}", "number",
                      (json_int_t)letters[i].number, "reason", deadletter_text(letters[i].reason),
                      "from", control_pid(call->control, letters[i].from), "to",
                      control_pid(call->control, letters[i].to), "record", letters[i].record,
                      "trace_id", control_trace(letters[i].trace), "time",
                      (json_int_t)(letters[i].wall_ns / 1000000)));
    json_t *next = given < count ? json_integer((json_int_t)letters[given].number) : json_null();
    json_int_t kept_from =
        total > DEADLETTERS_KEPT ? (json_int_t)(total - DEADLETTERS_KEPT + 1) : 1;
    mem_free(letters);
    control_reply_data(call, json_pack("{s:o, s:o, s:I, s:I}", "dead", list, "next", next, "total",
                                       (json_int_t)total, "kept_from", kept_from));
}
