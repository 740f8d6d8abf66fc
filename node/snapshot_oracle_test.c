/*
 * snapshot_oracle_test.c - judges committed snapshots of the toy by what really happened.
 *
 * It knows no colours: an event is inside the cut when it came before its actor was recorded (or
 * its actor ended before that). From there I6 and I7 are checked message by message.
 */
#include <string.h>

#include "node/base/memory.h"
#include "node/snapshot_toy_test.h"

enum where { OUTSIDE, INSIDE, UNKNOWN };

struct verdict {
    struct toy_cluster *cluster;
    const struct toy_manifest *manifest;
    const struct toy_part *parts[TOY_NODES_MAX]; /* by node; NULL: not in the snapshot */
    uint64_t incarnations[TOY_NODES_MAX];
    int *recorded_at;      /* by actor: events before it was recorded, or TOY_NEVER */
    enum where *born;      /* by actor */
    unsigned *in_channels; /* by message: how often recorded */
};

static const struct toy_part *find_part(const struct toy_node *node, const snapshot_cut *cut) {
    for (size_t i = 0; i < node->parts_count; i++) {
        const struct toy_part *part = node->parts[i];
        if (strcmp(part->cut.id, cut->id) == 0 && part->durable && !part->gone) return part;
    }
    return NULL;
}

/* Is this life of the node one of the snapshot's? */
static bool takes_part(const struct verdict *verdict, int node, uint64_t incarnation) {
    return verdict->parts[node] != NULL && verdict->incarnations[node] == incarnation;
}

static enum where place(const struct verdict *verdict, int index, int event) {
    const struct toy_actor *actor = verdict->cluster->actors[index];
    if (!takes_part(verdict, actor->node, actor->incarnation)) {
        bool earlier = verdict->parts[actor->node] != NULL &&
                       actor->incarnation < verdict->incarnations[actor->node];
        return earlier ? INSIDE : UNKNOWN;
    }
    if (verdict->recorded_at[index] != TOY_NEVER) {
        return event < verdict->recorded_at[index] ? INSIDE : OUTSIDE;
    }
    return verdict->born[index];
}

static void read_parts(struct verdict *verdict) {
    struct toy_cluster *cluster = verdict->cluster;
    for (size_t i = 0; i < cluster->actors_count; i++) verdict->recorded_at[i] = TOY_NEVER;
    for (int n = 0; n < cluster->nodes_count; n++) {
        const struct toy_part *part = verdict->parts[n];
        if (part == NULL) continue;
        for (size_t i = 0; i < part->actors.count; i++) {
            uint64_t index = part->actors.items[i] >> 32;
            if (verdict->recorded_at[index] != TOY_NEVER) {
                toy_blame(cluster, "actor %d recorded twice", (int)index);
            }
            verdict->recorded_at[index] = (int)(part->actors.items[i] & 0xffffffff);
        }
        for (size_t i = 0; i < part->messages.count; i++) {
            verdict->in_channels[part->messages.items[i]]++;
        }
        cluster->in_flight += (unsigned)part->messages.count;
    }
}

/* Every actor that was born inside and lived at the cut is recorded, and no other. */
static void judge_actors(struct verdict *verdict) {
    struct toy_cluster *cluster = verdict->cluster;
    uint64_t epoch = verdict->manifest->cut.epoch;
    for (size_t i = 0; i < cluster->actors_count; i++) {
        const struct toy_actor *actor = cluster->actors[i];
        verdict->born[i] = actor->parent == TOY_NOBODY
                               ? INSIDE
                               : place(verdict, actor->parent, actor->parent_event);
        if (!takes_part(verdict, actor->node, actor->incarnation)) continue;
        bool recorded = verdict->recorded_at[i] != TOY_NEVER;
        bool missing = verdict->born[i] == INSIDE && (actor->alive || actor->colour >= epoch);
        if (!recorded && missing) {
            toy_blame(cluster, "I7: actor %zu of node %d is missing", i, actor->node);
        }
        if (recorded && verdict->born[i] != INSIDE) {
            toy_blame(cluster, "I6: actor %zu recorded, but born outside", i);
        }
    }
}

/* Could the message have got lost with a session that ended before this snapshot began? */
static bool must_be_there(const struct verdict *verdict, const struct toy_message *message) {
    const struct toy_actor *to = verdict->cluster->actors[message->to];
    const struct toy_actor *from = verdict->cluster->actors[message->from];
    if (!takes_part(verdict, to->node, to->incarnation)) return false;
    if (message->filed) return true;
    if (!takes_part(verdict, from->node, from->incarnation)) return false;
    return !message->remote ||
           verdict->parts[message->from_node]->sessions[message->to_node] == message->session;
}

static void judge_message(struct verdict *verdict, size_t id) {
    struct toy_cluster *cluster = verdict->cluster;
    const struct toy_message *message = cluster->messages[id];
    enum where sent = place(verdict, message->from, message->sent_event);
    unsigned recorded = verdict->in_channels[id];
    if (sent == UNKNOWN) { /* of a node that has no part in this */
        bool late = message->filed && message->filed_epoch >= verdict->manifest->cut.epoch;
        if (recorded > 0 && late) toy_blame(cluster, "message %zu of a stranger recorded", id);
        return;
    }
    bool received = false;
    if (message->handled_event != TOY_NEVER) {
        received = place(verdict, message->to, message->handled_event) == INSIDE;
    } else if (message->aside) {
        received = message->aside_epoch < verdict->manifest->cut.epoch;
    }
    if (received && sent == OUTSIDE) {
        toy_blame(cluster, "I6: message %zu received inside, sent outside", id);
    }
    if (recorded > 1) toy_blame(cluster, "I7: message %zu recorded %u times", id, recorded);
    bool in_flight = sent == INSIDE && !received;
    if (recorded > 0 && !in_flight) {
        toy_blame(cluster, "I7: message %zu recorded but not in flight", id);
    }
    if (recorded == 0 && in_flight && must_be_there(verdict, message)) {
        toy_blame(cluster, "I7: message %zu (node %d to %d) was in flight and is not recorded", id,
                  message->from_node, message->to_node);
    }
}

/* Between one sender and one receiver the messages are recorded in the order of sending. */
static void judge_order(const struct verdict *verdict, const struct toy_part *part) {
    struct toy_cluster *cluster = verdict->cluster;
    for (size_t i = 0; i < part->messages.count; i++) {
        const struct toy_message *later = cluster->messages[part->messages.items[i]];
        for (size_t k = 0; k < i; k++) {
            const struct toy_message *earlier = cluster->messages[part->messages.items[k]];
            if (earlier->from != later->from || earlier->to != later->to) continue;
            if (earlier->sent_event > later->sent_event) {
                toy_blame(cluster, "I7: messages of actor %d to %d out of order", later->from,
                          later->to);
            }
        }
    }
}

void toy_judge(struct toy_cluster *cluster, const struct toy_manifest *manifest) {
    struct verdict verdict = {.cluster = cluster, .manifest = manifest};
    for (size_t i = 0; i < manifest->parts_count; i++) {
        int node = manifest->nodes[i];
        verdict.parts[node] = find_part(&cluster->nodes[node], &manifest->cut);
        verdict.incarnations[node] = manifest->incarnations[i];
        if (verdict.parts[node] == NULL) {
            toy_blame(cluster, "%s committed without the part of node %d", manifest->cut.id, node);
            return;
        }
    }
    verdict.recorded_at = mem_zalloc(cluster->actors_count, sizeof(int));
    verdict.born = mem_zalloc(cluster->actors_count, sizeof(enum where));
    verdict.in_channels = mem_zalloc(cluster->messages_count + 1, sizeof(unsigned));
    read_parts(&verdict);
    judge_actors(&verdict);
    for (size_t id = 0; id < cluster->messages_count; id++) judge_message(&verdict, id);
    for (int n = 0; n < cluster->nodes_count; n++) {
        if (verdict.parts[n] != NULL) judge_order(&verdict, verdict.parts[n]);
    }
    mem_free(verdict.recorded_at);
    mem_free(verdict.born);
    mem_free(verdict.in_channels);
    cluster->committed++;
}

static bool is_committed(const struct toy_cluster *cluster, const snapshot_cut *cut) {
    for (int n = 0; n < cluster->nodes_count; n++) {
        const struct toy_node *node = &cluster->nodes[n];
        for (size_t i = 0; i < node->manifests_count; i++) {
            const struct toy_manifest *manifest = node->manifests[i];
            if (manifest->durable && strcmp(manifest->cut.id, cut->id) == 0) return true;
        }
    }
    return false;
}

static void judge_part(struct toy_cluster *cluster, const struct toy_node *node,
                       const struct toy_part *part) {
    bool committed = is_committed(cluster, &part->cut);
    if (committed && (part->gone || !part->kept)) {
        toy_blame(cluster, "%s: part of %s %s although committed", part->cut.id, node->name,
                  part->gone ? "gone" : "not kept");
    }
    if (!committed && !part->gone) {
        toy_blame(cluster, "%s: part of %s left behind by an abort", part->cut.id, node->name);
    }
}

void toy_judge_disks(struct toy_cluster *cluster) {
    for (int n = 0; n < cluster->nodes_count; n++) {
        const struct toy_node *node = &cluster->nodes[n];
        snapshot_progress progress;
        snapshot_progress_get(node->machine, &progress);
        if (progress.doubts > 0 || progress.phase != SNAPSHOT_IDLE || progress.requests > 0) {
            toy_blame(cluster, "%s is not at rest: %s, %s, %u doubts", node->name,
                      snapshot_phase_name(progress.phase), snapshot_stage_name(progress.stage),
                      (unsigned)progress.doubts);
        }
        for (size_t i = 0; i < node->parts_count; i++) judge_part(cluster, node, node->parts[i]);
    }
}
