/* cutter.c - snapshots: between the coordination machine, the recorders of this node and its
 * storage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/manifest.h"
#include "node/node.h"
#include "node/recording.h"
#include "node/snapshot_store.h"
#include "node/unborn.h"

/* How long the last token waits for mail to be handled: about what a node at full load takes for
 * what has piled up. */
enum { TOKEN_PATIENCE_NS = 100000000 };

/* A part being written or kept until its fate is known. */
struct cut_part {
    snapshot_cut cut;
    part_header header;
    part_writer *writer;
    bool open; /* recorders write to it */
    tr_node *node;
};

struct cut_request {
    uint64_t number;
    cutter_done *done;
    void *context;
};

struct cutter {
    tr_node *node;
    struct cut_part *part;
    struct recording_walk token;
    uint64_t hurry_ns; /* then the token waits no longer; 0: it is not on its way */
    map_u64 requests;  /* struct cut_request by number */
    uint64_t last_request;
    uint64_t floor_saved;
    bool frozen; /* at the last step */
};

static uint64_t now_of(const tr_node *node) {
    return environment_now_ns(node->world.environment);
}

static uint64_t wall_ms(const tr_node *node) {
    return environment_wall_ns(node->world.environment) / 1000000;
}

/* ---- members and links ----------------------------------------------------------------------- */

static void op_send(void *context, const char *name, const uint8_t *bytes, size_t size) {
    tr_node *node = context;
    struct peer *peer = peer_find(node, name);
    if (peer != NULL) peer_send_control(peer, ENVELOPE_SNAPSHOT, bytes, size, now_of(node));
}

static void op_members(void *context, struct snapshot_view *view) {
    tr_node *node = context;
    size_t count = members_view(node->members, NULL, 0);
    struct member_life *lives = mem_zalloc(count + 1, sizeof *lives);
    count = members_view(node->members, lives, count);
    for (size_t i = 0; i < count; i++) {
        bool self = strcmp(lives[i].name, node->name) == 0;
        snapshot_view_add(view, lives[i].name, lives[i].incarnation, self ? 1 : lives[i].session);
    }
    mem_free(lives);
}

static void op_flush_links(void *context, uint64_t epoch) {
    (void)epoch;
    tr_node *node = context;
    for (size_t i = 0; i < node->peer_count; i++)
        if (peer_at(node, i)->link != NULL) peer_flush(peer_at(node, i), now_of(node));
}

static uint64_t op_link_sent_older(void *context, const char *name, uint64_t epoch) {
    tr_node *node = context;
    struct peer *peer = peer_find(node, name);
    return peer == NULL ? 0 : recording_sent(node->runtime, peer->origin, peer->last_serial, epoch);
}

static void op_link_counts(void *context, const char *name, uint64_t epoch, uint64_t *received,
                           uint64_t *recorded) {
    tr_node *node = context;
    struct peer *peer = peer_find(node, name);
    *received = *recorded = 0;
    if (peer == NULL) return;
    *received = recording_received(node->runtime, peer->origin, peer->last_serial, epoch);
    *recorded = recording_recorded(node->runtime, peer->origin, peer->last_serial, epoch);
}

/* ---- recording ------------------------------------------------------------------------------- */

static void on_part_done(void *context, tr_status status, const part_summary *summary,
                         const tr_error *error) {
    struct cut_part *part = context;
    tr_node *node = part->node;
    if (status != TR_OK) {
        snapshot_part_failed(node->snapshot, now_of(node), part->cut.epoch, status, error->message);
        return;
    }
    snapshot_part vote = {0};
    manifest_vote(&part->header, summary, &vote);
    snapshot_part_durable(node->snapshot, now_of(node), part->cut.epoch, &vote);
}

static void part_close(struct cut_part *part, bool keep) {
    if (!part->open) return;
    part->open = false;
    part->node->cutter->hurry_ns = 0;
    recording_close(part->node->runtime, keep);
}

static void part_forget(struct cutter *cutter) {
    struct cut_part *part = cutter->part;
    cutter->part = NULL;
    cutter->token.active = false;
    sweep_end(part->node->runtime);
    part_writer_unref(part->writer);
    mem_free(part);
}

static void op_begin(void *context, const snapshot_cut *cut) {
    tr_node *node = context;
    struct cutter *cutter = node->cutter;
    if (cutter->part != NULL)
        part_forget(cutter); /* a voted part in doubt: its file stays, others ask about it */
    struct cut_part *part = mem_zalloc(1, sizeof *part);
    part->cut = *cut;
    part->node = node;
    part->open = true;
    part_header *header = &part->header;
    snprintf(header->cluster, sizeof header->cluster, "%s", node->cluster);
    snprintf(header->snapshot, sizeof header->snapshot, "%s", cut->id);
    snprintf(header->initiator, sizeof header->initiator, "%s", cut->initiator);
    snprintf(header->node, sizeof header->node, "%s", node->name);
    header->epoch = cut->epoch;
    header->incarnation = node->incarnation;
    header->space = node->runtime->space;
    header->ordinal = members_self(node->members)->ordinal;
    header->created_ms = wall_ms(node);
    part->writer = part_writer_open(node->storage, node->snapshot_dir, header, on_part_done, part);
    cutter->part = part;
    recording_open(node->runtime, cut->epoch, part->writer);
    for (size_t i = 0; i < node->peer_count; i++)
        if (peer_at(node, i)->link != NULL) link_set_epoch(peer_at(node, i)->link, cut->epoch);
}

static void op_move_epoch(void *context, uint64_t epoch) {
    tr_node *node = context;
    recording_move_epoch(node->runtime, epoch);
    for (size_t i = 0; i < node->peer_count; i++)
        if (peer_at(node, i)->link != NULL) link_set_epoch(peer_at(node, i)->link, epoch);
}

static void op_sweep(void *context, uint64_t epoch) {
    tr_node *node = context;
    recording_sweep(node->runtime, epoch);
}

static bool op_all_red(void *context, uint64_t epoch, snapshot_census *census) {
    tr_node *node = context;
    recording_census(node->runtime, epoch, &census->red, &census->total);
    return !sweep_is_active(&node->runtime->sweep) && recording_all_red(node->runtime, epoch);
}

static void op_token_start(void *context, uint64_t epoch) {
    tr_node *node = context;
    unborn_record(&node->producer, epoch); /* before the actors that may be born with it */
    recording_token_begin(node->runtime, &node->cutter->token);
    node->cutter->hurry_ns = now_of(node) + TOKEN_PATIENCE_NS;
}

static bool op_token_done(void *context, uint64_t epoch) {
    (void)epoch;
    tr_node *node = context;
    return recording_token_done(node->runtime, &node->cutter->token);
}

/* ---- the part -------------------------------------------------------------------------------- */

static part_record *all_records(struct runtime *runtime, size_t *count_out) {
    uint32_t count = record_table_count(runtime->records);
    part_record *records = mem_zalloc(count + 1, sizeof *records);
    for (uint32_t i = 0; i < count; i++) {
        const record_type *type = record_table_at(runtime->records, i + 1);
        records[i] =
            (part_record){.id = type->id, .descriptor = {type->descriptor, type->descriptor_bytes}};
    }
    *count_out = count;
    return records;
}

static void op_finish_part(void *context, const snapshot_cut *cut, const snapshot_link *links,
                           size_t links_count) {
    tr_node *node = context;
    struct cut_part *part = node->cutter->part;
    part_close(part, true);
    part_link *entries = mem_zalloc(links_count + 1, sizeof *entries);
    for (size_t i = 0; i < links_count; i++) {
        struct peer *peer = peer_find(node, links[i].from);
        snprintf(entries[i].peer, sizeof entries[i].peer, "%s", links[i].from);
        entries[i].session = peer == NULL ? 0 : peer->session;
        entries[i].sent = op_link_sent_older(node, links[i].from,
                                             cut->epoch); /* the other direction, ours to know */
        entries[i].received = links[i].received;
        entries[i].recorded = links[i].recorded;
    }
    size_t record_count;
    part_record *records = all_records(node->runtime, &record_count);
    part_writer_finish(part->writer, records, record_count, entries, links_count);
    mem_free(records);
    mem_free(entries);
}

static void op_discard_part(void *context, const snapshot_cut *cut) {
    tr_node *node = context;
    struct cutter *cutter = node->cutter;
    if (cutter->part != NULL && cutter->part->cut.epoch == cut->epoch) {
        part_close(cutter->part, false);
        part_writer_abort(cutter->part->writer);
        part_forget(cutter);
        return;
    }
    snapshot_store_submit_discard(node->storage, node->snapshot_dir, cut->id, node->name, NULL,
                                  NULL); /* of an earlier life */
}

static void on_copy_done(void *context, tr_status status, const tr_error *error) {
    tr_node *node = context;
    if (status != TR_OK)
        node_log(node, TR_ERROR, "snapshot", "the manifest's copy: %s", error->message);
}

static void op_keep_part(void *context, const snapshot_cut *cut, const uint8_t *manifest,
                         size_t size) {
    tr_node *node = context;
    struct cutter *cutter = node->cutter;
    if (cutter->part != NULL && cutter->part->cut.epoch == cut->epoch) {
        part_close(cutter->part, false);
        part_forget(cutter);
    }
    if (manifest != NULL)
        manifest_write(node->storage, node->snapshot_dir, cut->id, node->name, manifest, size,
                       on_copy_done, node);
}

/* ---- the manifest ---------------------------------------------------------------------------- */

/* The bytes of a manifest under way, so that the members get a copy. */
struct manifest_job {
    tr_node *node;
    uint64_t epoch;
    struct buffer bytes;
};

static void on_manifest_done(void *context, tr_status status, const tr_error *error) {
    struct manifest_job *job = context;
    tr_node *node = job->node;
    /* Without a cutter the node is being closed: nobody decides any more, the next life asks. */
    if (node->cutter != NULL && status == TR_OK)
        snapshot_manifest_durable(node->snapshot, now_of(node), job->epoch, job->bytes.data,
                                  job->bytes.bytes);
    else if (node->cutter != NULL)
        snapshot_manifest_failed(node->snapshot, now_of(node), job->epoch, status, error->message);
    buffer_fini(&job->bytes);
    mem_free(job);
}

/* A manifest that cannot even be made: told as a command, since the machine must not be called back
 * at once. */
struct manifest_failure {
    struct command command;
    uint64_t epoch;
    tr_error error;
};

static void tell_manifest_failure(tr_node *node, struct command *command) {
    struct manifest_failure *failure = (struct manifest_failure *)(void *)command;
    snapshot_manifest_failed(node->snapshot, now_of(node), failure->epoch, failure->error.status,
                             failure->error.message);
    mem_free(failure);
}

static void op_write_manifest(void *context, const snapshot_result *result) {
    tr_node *node = context;
    struct manifest *manifest;
    tr_error error = {0};
    uint64_t committed_ms = wall_ms(node), duration_ms = result->duration_ns / 1000000;
    tr_status status = manifest_from_result(result, node->cluster, committed_ms - duration_ms,
                                            committed_ms, &manifest, &error);
    if (status != TR_OK) {
        struct manifest_failure *failure = mem_zalloc(1, sizeof *failure);
        failure->command.run = tell_manifest_failure;
        failure->epoch = result->cut.epoch;
        failure->error = error;
        node_submit(node, &failure->command);
        return;
    }
    struct manifest_job *job = mem_zalloc(1, sizeof *job);
    job->node = node;
    job->epoch = result->cut.epoch;
    manifest_encode(manifest, node->keys.sign_seed, &job->bytes);
    manifest_free(manifest);
    manifest_write(node->storage, node->snapshot_dir, result->cut.id, node->name, job->bytes.data,
                   job->bytes.bytes, on_manifest_done, job);
}

struct find_job {
    tr_node *node;
    uint64_t epoch;
};

static void on_manifest_found(void *context, tr_status status, const uint8_t *manifest,
                              size_t bytes, const tr_error *error) {
    struct find_job *job = context;
    tr_node *node = job->node;
    if (node->cutter != NULL) {
        if (status != TR_OK && status != TR_ENOENT)
            node_log(node, TR_ERROR, "snapshot", "%s", error->message);
        snapshot_manifest_found(node->snapshot, now_of(node), job->epoch, status == TR_OK, manifest,
                                bytes);
    }
    mem_free(job);
}

static void op_find_manifest(void *context, const snapshot_cut *cut) {
    tr_node *node = context;
    struct find_job *job = mem_zalloc(1, sizeof *job);
    job->node = node;
    job->epoch = cut->epoch;
    snapshot_store_submit_find(node->storage, node->snapshot_dir, cut->id, on_manifest_found, job);
}

/* ---- the floor ------------------------------------------------------------------------------- */

struct floor_job {
    tr_node *node;
    uint64_t epoch;
};

static void on_floor_done(void *context, tr_status status, const tr_error *error) {
    struct floor_job *floor = context;
    tr_node *node = floor->node;
    if (node->cutter != NULL) {
        if (status == TR_OK && node->cutter->floor_saved < floor->epoch)
            node->cutter->floor_saved = floor->epoch;
        snapshot_floor_saved(node->snapshot, now_of(node), floor->epoch, status,
                             status == TR_OK ? NULL : error->message);
    }
    mem_free(floor);
}

static bool op_save_floor(void *context, uint64_t epoch) {
    tr_node *node = context;
    if (node->cutter->floor_saved >= epoch) return true;
    struct floor_job *floor = mem_zalloc(1, sizeof *floor);
    *floor = (struct floor_job){node, epoch};
    char text[32];
    int length = snprintf(text, sizeof text, "%" PRIu64 "\n", epoch);
    storage_submit_replace(node->storage, node->dir, "floor", text, (size_t)length, on_floor_done,
                           floor);
    return false;
}

static uint64_t read_floor(tr_node *node) {
    struct buffer content;
    buffer_init(&content);
    char *path = storage_join(node->dir, "floor");
    uint64_t floor = 0;
    if (storage_read_file(&node->world.files, path, 64, &content, NULL) == TR_OK)
        floor = strtoull(buffer_text(&content), NULL, 10);
    mem_free(path);
    buffer_fini(&content);
    return floor;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void op_done(void *context, uint64_t number, tr_status status, const snapshot_result *result,
                    const tr_error *error) {
    tr_node *node = context;
    struct cut_request *request = map_u64_remove(&node->cutter->requests, number);
    if (request == NULL) return;
    request->done(request->context, status, result, error);
    mem_free(request);
}

static void op_log(void *context, tr_log_level level, const char *text) {
    node_log(context, level, "snapshot", "%s", text);
}

void cutter_request(tr_node *node, uint64_t timeout_ms, cutter_done *done, void *context) {
    struct cutter *cutter = node->cutter;
    struct cut_request *request = mem_zalloc(1, sizeof *request);
    *request = (struct cut_request){++cutter->last_request, done, context};
    map_u64_put(&cutter->requests, request->number, request);
    tr_error error = {0};
    tr_status status =
        node->space_taken
            ? snapshot_request(node->snapshot, now_of(node), request->number, timeout_ms, &error)
            : error_set(&error, TR_EUNREACHABLE, "wait until `troupe status` shows it up",
                        "node %s is not up in its cluster yet", node->name);
    if (status != TR_OK) op_done(node, request->number, status, NULL, &error);
}

/* ---- open, step, close ----------------------------------------------------------------------- */

static bool keep_found(void *context, const part_header *header) {
    tr_node *node = context;
    snapshot_part_found(node->snapshot, header->epoch, header->initiator);
    return true;
}

tr_status cutter_open(tr_node *node, tr_error *error) {
    static const snapshot_ops ops = {
        .send = op_send,
        .members = op_members,
        .begin = op_begin,
        .move_epoch = op_move_epoch,
        .sweep = op_sweep,
        .all_red = op_all_red,
        .flush_links = op_flush_links,
        .link_sent_older = op_link_sent_older,
        .token_start = op_token_start,
        .token_done = op_token_done,
        .link_counts = op_link_counts,
        .finish_part = op_finish_part,
        .discard_part = op_discard_part,
        .keep_part = op_keep_part,
        .write_manifest = op_write_manifest,
        .find_manifest = op_find_manifest,
        .save_floor = op_save_floor,
        .done = op_done,
        .log = op_log,
    };
    struct cutter *cutter = mem_zalloc(1, sizeof *cutter);
    cutter->node = node;
    node->cutter = cutter;
    cutter->floor_saved = read_floor(node);
    snapshot_options options = {.name = node->name,
                                .incarnation = node->incarnation,
                                .floor = cutter->floor_saved,
                                /* A fallback: actors that turn or take the token wake the core. */
                                .poll_ns = 20000000,
                                .ops = &ops,
                                .context = node};
    node->snapshot = snapshot_new(&options);
    return snapshot_store_sweep(&node->world.files, node->snapshot_dir, node->name, keep_found,
                                node, NULL, error);
}

static void token_step(tr_node *node, uint64_t now_ns) {
    struct cutter *cutter = node->cutter;
    if (cutter->token.active) recording_token_step(node->runtime, &cutter->token);
    if (cutter->token.active || cutter->hurry_ns == 0 || now_ns < cutter->hurry_ns) return;
    cutter->hurry_ns = 0;
    recording_token_hurry(node->runtime, &cutter->token);
}

/* When the cutter must be stepped next. */
static uint64_t deadline(const tr_node *node) {
    const struct cutter *cutter = node->cutter;
    if (cutter->token.active) return 0;
    uint64_t next = snapshot_deadline(node->snapshot);
    return cutter->hurry_ns != 0 && cutter->hurry_ns < next ? cutter->hurry_ns : next;
}

uint64_t cutter_step(tr_node *node, uint64_t now_ns) {
    struct cutter *cutter = node->cutter;
    if (sweep_is_active(&node->runtime->sweep)) sweep_resume(node->runtime);
    token_step(node, now_ns);
    snapshot_step(node->snapshot, now_ns);
    bool frozen = snapshot_admission_frozen(node->snapshot);
    if (cutter->frozen && !frozen)
        node->members_due_ns = 0; /* who waits to be admitted has waited long enough */
    cutter->frozen = frozen;
    return deadline(node);
}

void cutter_close(tr_node *node) {
    struct cutter *cutter = node->cutter;
    if (cutter == NULL) return;
    if (cutter->part !=
        NULL) { /* a voted part stays on disk; the next life asks what became of it */
        part_close(cutter->part, false);
        part_writer_abort(
            cutter->part
                ->writer); /* its completions, still to come, tell nobody; no job runs any more */
        part_forget(cutter);
    }
    size_t cursor = 0;
    for (struct cut_request *each;
         (each = map_u64_next(&cutter->requests, &cursor, NULL)) != NULL;) {
        tr_error error = {0};
        error_set(&error, TR_ECLOSED, NULL, "node %s is stopping", node->name);
        each->done(each->context, TR_ECLOSED, NULL, &error);
        mem_free(each);
    }
    map_u64_fini(&cutter->requests);
    mem_free(cutter);
    node->cutter = NULL;
}
