/*
 * snapshot_toy_ops_test.c - what the toy's nodes do for their machines.
 *
 * Workers bustle within the calls, as threads would; the toy blames what the machine must not ask.
 */
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"
#include "node/snapshot_toy_test.h"

enum { LATE_NS = 1000 * TOY_US };

/* Workers run on while the core thread is at work. */
static void bustle(struct toy_node *node) {
    while (toy_chance(node->cluster, 60)) toy_actor_step(node);
    if (toy_chance(node->cluster, node->cluster->flush_percent)) toy_flush(node);
}

static void op_send(void *context, const char *peer, const uint8_t *bytes, size_t size) {
    struct toy_node *node = context;
    int target = peer[1] - '1';
    bustle(node);
    if (node->cluster->weather.bug == TOY_START_LATE && node->links[target].session != 0) {
        struct toy_event *event = toy_event_new(node->cluster, TOY_QUEUE_LATE, node->index, target);
        event->bytes = mem_dup(bytes, size);
        event->size = size;
        event->at = node->cluster->now + LATE_NS;
        toy_queue(node->cluster, event);
        return;
    }
    toy_channel(node, target, bytes, size, TOY_NOBODY);
}

static void op_members(void *context, struct snapshot_view *view) {
    struct toy_node *node = context;
    for (int i = 0; i < node->cluster->nodes_count; i++) {
        const struct toy_link *link = &node->links[i];
        const char *name = node->cluster->nodes[i].name;
        if (i == node->index) snapshot_view_add(view, name, node->incarnation, 7);
        if (link->session != 0)
            snapshot_view_add(view, name, link->peer_incarnation, link->session);
    }
}

static struct toy_part *find_part(const struct toy_node *node, const snapshot_cut *cut) {
    for (size_t i = 0; i < node->parts_count; i++) {
        if (strcmp(node->parts[i]->cut.id, cut->id) == 0) return node->parts[i];
    }
    return NULL;
}

static void op_begin(void *context, const snapshot_cut *cut) {
    struct toy_node *node = context;
    if (cut->epoch <= node->epoch) toy_blame(node->cluster, "E does not grow");
    if (node->part != NULL) toy_blame(node->cluster, "two parts are recorded at a time");
    node->epoch = cut->epoch;
    struct toy_part *part = mem_zalloc(1, sizeof *part);
    part->cut = *cut;
    for (int i = 0; i < node->cluster->nodes_count; i++) {
        part->sessions[i] = node->links[i].session;
        node->links[i].recorded = 0;
    }
    node->parts = mem_realloc_array(node->parts, node->parts_count + 1, sizeof part);
    node->parts[node->parts_count++] = part;
    node->part = part;
    bustle(node);
}

static void op_move_epoch(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    if (epoch <= node->epoch) toy_blame(node->cluster, "E does not grow");
    if (node->part != NULL) toy_blame(node->cluster, "E moved under a recording");
    node->epoch = epoch;
    node->swept = true;
    bustle(node);
}

static void op_sweep(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    check(epoch == node->epoch);
    node->swept = true;
}

static bool op_all_red(void *context, uint64_t epoch, snapshot_census *census) {
    bool red = toy_all_red(context, epoch, census);
    bustle(context);
    return red;
}

static void op_flush_links(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    (void)epoch;
    if (node->cluster->weather.bug != TOY_MARKER_BEFORE_LAST) toy_flush(node);
}

static int index_of(const char *name) {
    return name[1] - '1';
}

static uint64_t op_link_sent_older(void *context, const char *peer, uint64_t epoch) {
    struct toy_node *node = context;
    struct toy_link *link = &node->links[index_of(peer)];
    return link->marker = toy_older(&link->sent, epoch);
}

static void op_token_start(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    check(epoch == node->epoch && node->part != NULL);
    for (size_t i = 0; i < node->actors.count; i++) {
        node->cluster->actors[node->actors.items[i]]->token = true;
    }
}

static bool op_token_done(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    check(epoch == node->epoch);
    bool skip = node->cluster->weather.bug == TOY_TOKEN_SKIPPED;
    for (size_t i = 0; i < node->actors.count; i++) {
        struct toy_actor *actor = node->cluster->actors[node->actors.items[i]];
        if (skip) actor->token = false;
        if (actor->token) return false;
    }
    return true;
}

static void op_link_counts(void *context, const char *peer, uint64_t epoch, uint64_t *received,
                           uint64_t *recorded) {
    struct toy_node *node = context;
    const struct toy_link *link = &node->links[index_of(peer)];
    *received = toy_older(&link->received, epoch);
    *recorded = link->recorded;
    if (!node->cluster->weather.blind) return;
    uint64_t sent = node->cluster->nodes[index_of(peer)].links[node->index].marker;
    if (*recorded > sent) *recorded = sent;
    *received = sent - *recorded;
}

static void op_finish_part(void *context, const snapshot_cut *cut, const snapshot_link *links,
                           size_t links_count) {
    struct toy_node *node = context;
    (void)links;
    check(links_count < (size_t)node->cluster->nodes_count);
    if (node->part == NULL || strcmp(node->part->cut.id, cut->id) != 0) {
        toy_blame(node->cluster, "a part finished that is not recorded");
        return;
    }
    node->part->writing = true;
    toy_later(node->cluster, TOY_PART_DONE, node->index, TOY_NOBODY, TOY_DISK_NS)->part =
        node->part;
    node->part = NULL;
}

static void op_discard_part(void *context, const snapshot_cut *cut) {
    struct toy_node *node = context;
    struct toy_part *part = find_part(node, cut);
    if (part == NULL || part->kept) {
        toy_blame(node->cluster, "%s: %s part discarded", cut->id, part ? "kept" : "unknown");
        return;
    }
    if (part->gone) return; /* could not be written */
    part->gone = true;
    if (node->part == part) node->part = NULL;
}

static void op_keep_part(void *context, const snapshot_cut *cut, const uint8_t *manifest,
                         size_t size) {
    struct toy_node *node = context;
    struct toy_part *part = find_part(node, cut);
    if (part == NULL || part->gone || !part->durable || part->kept) {
        toy_blame(node->cluster, "%s: a part is kept that cannot be", cut->id);
        return;
    }
    bool mine = strcmp(cut->initiator, node->name) == 0;
    bool copied = manifest != NULL && size == 3 && memcmp(manifest, "man", 3) == 0;
    if (!mine && !copied) toy_blame(node->cluster, "%s: no copy of the manifest", cut->id);
    part->kept = true;
}

static void op_write_manifest(void *context, const snapshot_result *result) {
    struct toy_node *node = context;
    struct toy_manifest *manifest = mem_zalloc(1, sizeof *manifest);
    manifest->cut = result->cut;
    manifest->parts_count = result->parts_count;
    for (size_t i = 0; i < result->parts_count; i++) {
        manifest->nodes[i] = index_of(result->parts[i].node);
        manifest->incarnations[i] = result->parts[i].incarnation;
    }
    if (result->links_count != result->parts_count * (result->parts_count - 1)) {
        toy_blame(node->cluster, "%zu links", result->links_count);
    }
    manifest->writing = true;
    node->manifests =
        mem_realloc_array(node->manifests, node->manifests_count + 1, sizeof manifest);
    node->manifests[node->manifests_count++] = manifest;
    toy_later(node->cluster, TOY_MANIFEST_DONE, node->index, TOY_NOBODY, TOY_DISK_NS)->manifest =
        manifest;
}

static void op_find_manifest(void *context, const snapshot_cut *cut) {
    struct toy_node *node = context;
    toy_later(node->cluster, TOY_MANIFEST_FOUND, node->index, TOY_NOBODY, TOY_DISK_NS)->epoch =
        cut->epoch;
}

static bool op_save_floor(void *context, uint64_t epoch) {
    struct toy_node *node = context;
    if (epoch <= node->floor) return true;
    if (toy_chance(node->cluster, 30)) {
        node->floor = epoch;
        return true;
    }
    toy_later(node->cluster, TOY_FLOOR_SAVED, node->index, TOY_NOBODY, TOY_DISK_NS)->epoch = epoch;
    return false;
}

static void op_done(void *context, uint64_t request, tr_status status,
                    const snapshot_result *result, const tr_error *error) {
    struct toy_node *node = context;
    struct toy_cluster *cluster = node->cluster;
    (void)request;
    cluster->answers++;
    cluster->last_status = status;
    cluster->timed_out += status == TR_ETIMEDOUT;
    cluster->aborted += status == TR_EABORTED;
    if ((status == TR_OK) != (result != NULL)) toy_blame(cluster, "an answer without result");
    if (error != NULL && strstr(error->message, "counts differ") != NULL) cluster->counts_differ++;
}

static void op_log(void *context, tr_log_level level, const char *text) {
    (void)context;
    (void)level;
    (void)text;
}

const snapshot_ops toy_ops = {
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
