/*
 * snapshot_doubt.c - voted parts whose initiator was lost before it answered, and the answers.
 *
 * A voted part is kept until its initiator, or that node's next life, says what became of it; no
 * timer ever decides. The answer of a later life is simply whether the manifest exists: it is
 * written last, so without it the snapshot was never committed and never will be.
 */
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/snapshot_state.h"

static struct snapshot_doubt *find_doubt(struct snapshot *snapshot, const snapshot_cut *cut) {
    for (list_node *node = list_first(&snapshot->doubts); node != NULL;
         node = list_next(&snapshot->doubts, node)) {
        struct snapshot_doubt *doubt = container_of(node, struct snapshot_doubt, node);
        if (snapshot_cut_compare(&doubt->cut, cut) == 0) return doubt;
    }
    return NULL;
}

void snapshot_doubt_add(struct snapshot *snapshot, const snapshot_cut *cut) {
    if (find_doubt(snapshot, cut) != NULL) return;
    struct snapshot_doubt *doubt = mem_zalloc(1, sizeof *doubt);
    doubt->cut = *cut;
    list_push_back(&snapshot->doubts, &doubt->node);
    snapshot_log(snapshot, TR_INFO, "%s: part kept until %s says what became of it", cut->id,
                 cut->initiator);
}

void snapshot_doubt_ask(struct snapshot *snapshot, const char *name) {
    struct snapshot_doubt *oldest = NULL;
    for (list_node *node = list_first(&snapshot->doubts); node != NULL;
         node = list_next(&snapshot->doubts, node)) {
        struct snapshot_doubt *doubt = container_of(node, struct snapshot_doubt, node);
        if (strcmp(doubt->cut.initiator, name) != 0) continue;
        if (doubt->asked) return; /* one at a time: the initiator's memory stays bounded */
        if (oldest == NULL) oldest = doubt;
    }
    if (oldest == NULL) return;
    oldest->asked = true;
    struct snapshot_message query = {.kind = SNAPSHOT_QUERY, .cut = oldest->cut};
    snapshot_post(snapshot, name, &query);
}

void snapshot_doubt_answer(struct snapshot *snapshot, const snapshot_cut *cut, bool committed,
                           const uint8_t *manifest, size_t size) {
    struct snapshot_doubt *doubt = find_doubt(snapshot, cut);
    if (doubt == NULL) return;
    snapshot_log(snapshot, TR_INFO, "%s: it was %s; part %s", cut->id,
                 committed ? "committed" : "aborted", committed ? "kept" : "discarded");
    if (committed) {
        snapshot->ops->keep_part(snapshot->context, &doubt->cut, manifest, size);
    } else {
        snapshot->ops->discard_part(snapshot->context, &doubt->cut);
    }
    snapshot_cut answered = doubt->cut;
    list_remove(&snapshot->doubts, &doubt->node);
    mem_free(doubt);
    snapshot_doubt_ask(snapshot, answered.initiator);
}

static void forget_asker(struct snapshot *snapshot, struct snapshot_asker *asker) {
    list_remove(&snapshot->askers, &asker->node);
    mem_free(asker);
}

void snapshot_doubt_peer_lost(struct snapshot *snapshot, const char *peer) {
    list_node *next;
    for (list_node *node = list_first(&snapshot->askers); node != NULL; node = next) {
        next = list_next(&snapshot->askers, node);
        struct snapshot_asker *asker = container_of(node, struct snapshot_asker, node);
        if (strcmp(asker->peer, peer) == 0) forget_asker(snapshot, asker);
    }
    for (list_node *node = list_first(&snapshot->doubts); node != NULL;
         node = list_next(&snapshot->doubts, node)) {
        struct snapshot_doubt *doubt = container_of(node, struct snapshot_doubt, node);
        if (strcmp(doubt->cut.initiator, peer) == 0) doubt->asked = false;
    }
}

static bool asks_already(struct snapshot *snapshot, const char *peer) {
    for (list_node *node = list_first(&snapshot->askers); node != NULL;
         node = list_next(&snapshot->askers, node)) {
        if (strcmp(container_of(node, struct snapshot_asker, node)->peer, peer) == 0) return true;
    }
    return false;
}

tr_status snapshot_doubt_query(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                               const snapshot_cut *cut, tr_error *error) {
    if (snapshot_initiator_runs(snapshot, cut)) {
        /* All have voted: the outcome goes to everybody as soon as it is known. Before that, a
         * voter that asks has lost its session, and this node will hear so too. */
        if (snapshot->candidate.stage == SNAPSHOT_COMMITTING) return TR_OK;
        snapshot_initiator_abort(snapshot, now_ns, SNAPSHOT_SESSION_ENDED, peer);
        return TR_OK;
    }
    if (asks_already(snapshot, peer)) {
        return error_set(error, TR_EDATA, NULL, "%s: %s asks two questions at a time", cut->id,
                         peer);
    }
    struct snapshot_asker *asker = mem_zalloc(1, sizeof *asker);
    asker->cut = *cut;
    snprintf(asker->peer, sizeof asker->peer, "%s", peer);
    list_push_back(&snapshot->askers, &asker->node);
    snapshot->ops->find_manifest(snapshot->context, cut);
    return TR_OK;
}

void snapshot_doubt_found(struct snapshot *snapshot, uint64_t epoch, bool exists,
                          const uint8_t *manifest, size_t size) {
    struct snapshot_message answer = {.kind = exists ? SNAPSHOT_COMMIT : SNAPSHOT_ABORT};
    answer.reason = SNAPSHOT_NO_MANIFEST;
    if (exists && manifest != NULL && size <= SNAPSHOT_MANIFEST_BYTES_MAX) {
        answer.manifest = manifest;
        answer.manifest_bytes = size;
    }
    list_node *next;
    for (list_node *node = list_first(&snapshot->askers); node != NULL; node = next) {
        next = list_next(&snapshot->askers, node);
        struct snapshot_asker *asker = container_of(node, struct snapshot_asker, node);
        if (asker->cut.epoch != epoch) continue;
        answer.cut = asker->cut;
        snapshot_post(snapshot, asker->peer, &answer);
        forget_asker(snapshot, asker);
    }
}

void snapshot_doubt_clear(struct snapshot *snapshot) {
    while (!list_empty(&snapshot->askers)) {
        list_node *node = list_first(&snapshot->askers);
        forget_asker(snapshot, container_of(node, struct snapshot_asker, node));
    }
    while (!list_empty(&snapshot->doubts)) {
        list_node *node = list_pop_front(&snapshot->doubts);
        mem_free(container_of(node, struct snapshot_doubt, node));
    }
}
