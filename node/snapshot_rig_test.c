/*
 * snapshot_rig_test.c - the rig's queue, answers and ops.
 */
#include "node/snapshot_rig_test.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"

static const uint8_t manifest_bytes[] = "manifest";

static int node_named(const struct rig *rig, const char *name) {
    for (int i = 0; i < rig->count; i++) {
        if (strcmp(rig->nodes[i].name, name) == 0) return i;
    }
    check(false);
    return 0;
}

static void word(struct rig_node *node, const char *text) {
    buffer_append_format(&node->words, "%s ", text);
}

/* ---- ops ---------------------------------------------------------------------------------------
 */

static void op_send(void *context, const char *peer, const uint8_t *bytes, size_t size) {
    static const char *const kinds[] = {"?",      "PREPARE", "CONFIRM", "REFUSE", "START", "MARKER",
                                        "REPORT", "VOTE",    "FAIL",    "COMMIT", "ABORT", "QUERY"};
    struct rig_node *node = context;
    struct rig *rig = node->rig;
    int to = node_named(rig, peer);
    buffer_append_format(&node->words, "%s>%s ", kinds[bytes[1]], peer);
    uint64_t session = node->sessions[to];
    if (session == 0) return;
    check(rig->queued < RIG_QUEUE_MAX);
    rig->queue[rig->queued].from = (int)(node - rig->nodes);
    rig->queue[rig->queued].to = to;
    rig->queue[rig->queued].session = session;
    rig->queue[rig->queued].bytes = mem_dup(bytes, size);
    rig->queue[rig->queued].size = size;
    rig->queued++;
}

static void op_members(void *context, struct snapshot_view *view) {
    struct rig_node *node = context;
    struct rig *rig = node->rig;
    for (int i = rig->count; i-- > 0;) {
        const struct rig_node *each = &rig->nodes[i];
        if (each == node || node->sessions[i] != 0) {
            snapshot_view_add(view, each->name, each->incarnation, node->sessions[i]);
        }
    }
}

static void op_begin(void *context, const snapshot_cut *cut) {
    struct rig_node *node = context;
    word(node, "begin");
    check(!node->recording);
    node->recording = true;
    node->part = *cut;
    node->writing = false;
    node->epoch = cut->epoch;
    node->begun++;
}

static void op_move_epoch(void *context, uint64_t epoch) {
    struct rig_node *node = context;
    word(node, "move");
    node->epoch = epoch;
    node->moved++;
}

static void op_sweep(void *context, uint64_t epoch) {
    (void)epoch;
    word(context, "sweep");
}

static bool op_all_red(void *context, uint64_t epoch, snapshot_census *census) {
    struct rig_node *node = context;
    (void)epoch;
    bool red = node->easy || node->red;
    *census = (snapshot_census){.red = red ? 9 : 4, .total = 9};
    return red;
}

static void op_flush_links(void *context, uint64_t epoch) {
    (void)epoch;
    word(context, "flush");
}

static uint64_t op_link_sent_older(void *context, const char *peer, uint64_t epoch) {
    struct rig_node *node = context;
    (void)peer;
    (void)epoch;
    return node->sent;
}

static void op_token_start(void *context, uint64_t epoch) {
    (void)epoch;
    word(context, "token");
}

static bool op_token_done(void *context, uint64_t epoch) {
    struct rig_node *node = context;
    (void)epoch;
    return node->easy || node->token;
}

static void op_link_counts(void *context, const char *peer, uint64_t epoch, uint64_t *received,
                           uint64_t *recorded) {
    struct rig_node *node = context;
    (void)peer;
    (void)epoch;
    *received = node->received;
    *recorded = node->recorded;
}

static void op_finish_part(void *context, const snapshot_cut *cut, const snapshot_link *links,
                           size_t links_count) {
    struct rig_node *node = context;
    check(strcmp(cut->id, node->part.id) == 0);
    for (size_t i = 0; i < links_count; i++) check(strcmp(links[i].to, node->name) == 0);
    word(node, "finish");
    node->recording = false;
    node->writing = true;
}

static void op_discard_part(void *context, const snapshot_cut *cut) {
    struct rig_node *node = context;
    word(node, "discard");
    if (strcmp(cut->id, node->part.id) == 0) node->part.epoch = 0;
    node->recording = node->writing = false;
    node->discarded++;
}

static void op_keep_part(void *context, const snapshot_cut *cut, const uint8_t *manifest,
                         size_t size) {
    struct rig_node *node = context;
    (void)cut;
    word(node, manifest == NULL ? "keep" : "keep+manifest");
    check(manifest == NULL || size == sizeof manifest_bytes);
    node->part.epoch = 0;
    node->kept++;
}

static void op_write_manifest(void *context, const snapshot_result *result) {
    struct rig_node *node = context;
    word(node, "manifest");
    node->committing = result->cut.epoch;
}

static void op_find_manifest(void *context, const snapshot_cut *cut) {
    struct rig_node *node = context;
    word(node, "find");
    node->finding = cut->epoch;
}

static bool op_save_floor(void *context, uint64_t epoch) {
    struct rig_node *node = context;
    word(node, "floor");
    if (node->easy) return true;
    node->numbering = epoch;
    return false;
}

static void op_done(void *context, uint64_t request, tr_status status,
                    const snapshot_result *result, const tr_error *error) {
    struct rig_node *node = context;
    word(node, "done");
    node->answers++;
    node->status = status;
    node->request = request;
    if (error != NULL) node->error = *error;
    if (result == NULL) return;
    node->result = *result;
    memcpy(node->parts, result->parts, result->parts_count * sizeof node->parts[0]);
    memcpy(node->links, result->links, result->links_count * sizeof node->links[0]);
}

static void op_log(void *context, tr_log_level level, const char *text) {
    struct rig_node *node = context;
    node->errors += level == TR_ERROR;
    if (level >= TR_WARN) snprintf(node->logged, sizeof node->logged, "%s", text);
}

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

/* ---- nodes and sessions ------------------------------------------------------------------------
 */

void snapshot_rig_boot(struct rig *rig, int index, uint64_t floor) {
    struct rig_node *node = &rig->nodes[index];
    snapshot_options options = {.name = node->name,
                                .incarnation = ++node->incarnation,
                                .floor = floor,
                                .ops = &ops,
                                .context = node};
    node->machine = snapshot_new(&options);
    node->epoch = 0;
}

void snapshot_rig_crash(struct rig *rig, int index) {
    struct rig_node *node = &rig->nodes[index];
    snapshot_free(node->machine);
    node->machine = NULL;
    node->recording = node->writing = false;
    node->committing = node->finding = node->numbering = 0;
    for (int i = 0; i < rig->count; i++) {
        node->sessions[i] = 0;
        if (i != index) snapshot_rig_lose_member(rig, i, index);
    }
}

void snapshot_rig_begin_session(struct rig *rig, int a, int b) {
    struct rig_node *left = &rig->nodes[a], *right = &rig->nodes[b];
    left->sessions[b] = right->sessions[a] = ++rig->last_session;
    uint64_t left_epoch = left->epoch, right_epoch = right->epoch;
    snapshot_session_up(left->machine, rig->now, right->name, right_epoch);
    snapshot_session_up(right->machine, rig->now, left->name, left_epoch);
}

static void end_at(struct rig *rig, int node, int peer, bool lost) {
    struct rig_node *self = &rig->nodes[node];
    self->sessions[peer] = 0;
    if (self->machine == NULL) return;
    const char *name = rig->nodes[peer].name;
    if (lost) {
        snapshot_member_lost(self->machine, rig->now, name, "silent for 10 s");
    } else {
        snapshot_session_ended(self->machine, rig->now, name, "reset");
    }
}

void snapshot_rig_end_session(struct rig *rig, int a, int b) {
    end_at(rig, a, b, false);
    end_at(rig, b, a, false);
}

void snapshot_rig_lose_member(struct rig *rig, int node, int lost) {
    end_at(rig, node, lost, true);
}

struct rig *snapshot_rig_new(int count, const char *const *names) {
    struct rig *rig = mem_zalloc(1, sizeof *rig);
    rig->count = count;
    rig->now = 1000000000;
    for (int i = 0; i < count; i++) {
        struct rig_node *node = &rig->nodes[i];
        node->rig = rig;
        node->easy = true;
        if (names != NULL) {
            snprintf(node->name, sizeof node->name, "%s", names[i]);
        } else {
            snprintf(node->name, sizeof node->name, "n%d", i + 1);
        }
        snapshot_rig_boot(rig, i, 0);
    }
    for (int a = 0; a < count; a++) {
        for (int b = 0; b < a; b++) snapshot_rig_begin_session(rig, a, b);
    }
    return rig;
}

void snapshot_rig_free(struct rig *rig) {
    for (int i = 0; i < rig->count; i++) {
        snapshot_free(rig->nodes[i].machine);
        buffer_fini(&rig->nodes[i].words);
    }
    for (size_t i = 0; i < rig->queued; i++) mem_free(rig->queue[i].bytes);
    mem_free(rig);
}

/* ---- answers -----------------------------------------------------------------------------------
 */

void snapshot_rig_write_part(struct rig *rig, int index, tr_status status) {
    struct rig_node *node = &rig->nodes[index];
    check(node->writing);
    node->writing = false;
    if (status != TR_OK) {
        snapshot_part_failed(node->machine, rig->now, node->part.epoch, status, "/snap/x: no room");
        return;
    }
    snapshot_part facts = {.bytes = 1000, .actors = 5, .messages = 2};
    facts.digest_bytes = 4;
    memset(facts.digest, 0xd1, 4);
    snapshot_part_durable(node->machine, rig->now, node->part.epoch, &facts);
}

void snapshot_rig_write_manifest(struct rig *rig, int index, tr_status status) {
    struct rig_node *node = &rig->nodes[index];
    uint64_t epoch = node->committing;
    check(epoch != 0);
    node->committing = 0;
    if (status == TR_OK) {
        node->manifest = epoch;
        snapshot_manifest_durable(node->machine, rig->now, epoch, manifest_bytes,
                                  sizeof manifest_bytes);
    } else {
        snapshot_manifest_failed(node->machine, rig->now, epoch, status, "/snap/manifest: no room");
    }
}

void snapshot_rig_answer_find(struct rig *rig, int index) {
    struct rig_node *node = &rig->nodes[index];
    uint64_t epoch = node->finding;
    check(epoch != 0);
    node->finding = 0;
    bool exists = node->manifest == epoch;
    snapshot_manifest_found(node->machine, rig->now, epoch, exists, exists ? manifest_bytes : NULL,
                            exists ? sizeof manifest_bytes : 0);
}

void snapshot_rig_save_floor(struct rig *rig, int index, tr_status status) {
    struct rig_node *node = &rig->nodes[index];
    uint64_t epoch = node->numbering;
    check(epoch != 0);
    node->numbering = 0;
    snapshot_floor_saved(node->machine, rig->now, epoch, status, "/dir/floor: no room");
}

bool snapshot_rig_deliver(struct rig *rig) {
    if (rig->queued == 0) return false;
    int from = rig->queue[0].from, to = rig->queue[0].to;
    uint64_t session = rig->queue[0].session;
    uint8_t *bytes = rig->queue[0].bytes;
    size_t size = rig->queue[0].size;
    rig->queued--;
    memmove(&rig->queue[0], &rig->queue[1], rig->queued * sizeof rig->queue[0]);
    struct rig_node *node = &rig->nodes[to];
    if (node->machine != NULL && node->sessions[from] == session) {
        tr_error error = {0};
        tr_status status =
            snapshot_receive(node->machine, rig->now, rig->nodes[from].name, bytes, size, &error);
        cr_assert(status == TR_OK, "%s refused: %s", node->name, error.message);
    }
    mem_free(bytes);
    return true;
}

static bool answer(struct rig *rig, int index) {
    struct rig_node *node = &rig->nodes[index];
    if (node->machine == NULL || !node->easy) return false;
    if (node->writing) {
        snapshot_rig_write_part(rig, index, TR_OK);
    } else if (node->committing != 0) {
        snapshot_rig_write_manifest(rig, index, TR_OK);
    } else if (node->finding != 0) {
        snapshot_rig_answer_find(rig, index);
    } else if (node->numbering != 0) {
        snapshot_rig_save_floor(rig, index, TR_OK);
    } else {
        return false;
    }
    return true;
}

void snapshot_rig_pump(struct rig *rig) {
    bool moved = true;
    while (moved) {
        moved = snapshot_rig_deliver(rig);
        for (int i = 0; i < rig->count; i++) {
            struct rig_node *node = &rig->nodes[i];
            if (node->machine == NULL) continue;
            if (snapshot_deadline(node->machine) <= rig->now) {
                snapshot_step(node->machine, rig->now);
                moved = true;
            }
            moved |= answer(rig, i);
        }
    }
}

void snapshot_rig_pass(struct rig *rig, uint64_t duration_ms) {
    for (uint64_t ms = 0; ms < duration_ms; ms++) {
        rig->now += 1000000;
        snapshot_rig_pump(rig);
    }
}

tr_status snapshot_rig_request(struct rig *rig, int index, uint64_t timeout_ms) {
    struct rig_node *node = &rig->nodes[index];
    return snapshot_request(node->machine, rig->now, 100 + (uint64_t)index, timeout_ms,
                            &node->error);
}

snapshot_progress snapshot_rig_progress(struct rig *rig, int index) {
    snapshot_progress progress;
    snapshot_progress_get(rig->nodes[index].machine, &progress);
    return progress;
}

tr_status snapshot_rig_inject(struct rig *rig, int to, int from,
                              const struct snapshot_message *message) {
    struct buffer bytes;
    buffer_init(&bytes);
    snapshot_message_encode(message, &bytes);
    struct rig_node *node = &rig->nodes[to];
    tr_status status = snapshot_receive(node->machine, rig->now, rig->nodes[from].name, bytes.data,
                                        bytes.bytes, &node->error);
    buffer_fini(&bytes);
    return status;
}

const char *snapshot_rig_words(struct rig *rig, int index) {
    return buffer_text(&rig->nodes[index].words);
}
