/*
 * manifest.c - making a manifest of votes, what follows from it, and its life in memory.
 */
#include "node/manifest.h"

#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/part_map.h"

/* ---- votes ----------------------------------------------------------------------------------- */

/* What a vote's digest blob holds. */
static const struct part_map_field blob_fields[] = {
    {"ordinal", PART_MAP_U32, offsetof(manifest_member, ordinal)},
    {"space", PART_MAP_U64, offsetof(manifest_member, space)},
    {"tail_digest", PART_MAP_DIGEST, offsetof(manifest_member, tail_digest)},
};
enum { BLOB_FIELDS = sizeof blob_fields / sizeof blob_fields[0] };

static void name_copy(char out[PART_NAME_BYTES], const char *name) {
    snprintf(out, PART_NAME_BYTES, "%s", name);
}

void manifest_vote(const part_header *header, const part_summary *summary,
                   snapshot_part *vote_out) {
    manifest_member member = {.ordinal = header->ordinal, .space = header->space};
    memcpy(member.tail_digest, summary->tail_digest, DIGEST_BYTES);
    struct buffer blob = {0};
    part_map_pack(&blob, blob_fields, BLOB_FIELDS, &member);
    check(blob.bytes <= SNAPSHOT_DIGEST_BYTES_MAX);

    *vote_out = (snapshot_part){.incarnation = header->incarnation,
                                .bytes = summary->bytes,
                                .actors = summary->actors,
                                .messages = summary->messages,
                                .digest_bytes = (uint32_t)blob.bytes};
    snprintf(vote_out->node, sizeof vote_out->node, "%s", header->node);
    memcpy(vote_out->digest, blob.data, blob.bytes);
    buffer_fini(&blob);
}

/* A vote comes from a peer: its blob is outside bytes (I5). */
static tr_status member_of_vote(const snapshot_part *vote, manifest_member *member,
                                tr_error *error) {
    struct part_fault fault = {0};
    struct record_cursor cursor = {vote->digest, vote->digest + vote->digest_bytes};
    if (!part_map_read(&cursor, blob_fields, BLOB_FIELDS, member, &fault) ||
        (record_cursor_left(&cursor) > 0 && !part_fault_set(&fault, "bytes behind it"))) {
        return error_set(error, TR_EDATA, NULL, "the vote of %s is malformed: %s", vote->node,
                         fault.reason);
    }
    name_copy(member->name, vote->node);
    snprintf(member->file, sizeof member->file, "%s.part", member->name);
    member->incarnation = vote->incarnation;
    member->bytes = vote->bytes;
    member->actors = vote->actors;
    member->messages = vote->messages;
    return TR_OK;
}

static tr_status members_of_votes(struct manifest *manifest, const snapshot_result *result,
                                  tr_error *error) {
    manifest->members = mem_zalloc(result->parts_count, sizeof manifest->members[0]);
    for (size_t i = 0; i < result->parts_count; i++) {
        tr_status status =
            member_of_vote(&result->parts[i], &manifest->members[manifest->member_count], error);
        if (status != TR_OK) return status;
        manifest->member_count++;
    }
    return TR_OK;
}

static void links_of_result(struct manifest *manifest, const snapshot_result *result) {
    manifest->links = mem_zalloc(result->links_count, sizeof manifest->links[0]);
    for (size_t i = 0; i < result->links_count; i++) {
        const snapshot_link *from = &result->links[i];
        manifest_link *link = &manifest->links[manifest->link_count++];
        name_copy(link->from, from->from);
        name_copy(link->to, from->to);
        link->sent = from->sent;
        link->received = from->received;
        link->recorded = from->recorded;
    }
}

tr_status manifest_from_result(const snapshot_result *result, const char *cluster,
                               uint64_t started_ms, uint64_t committed_ms,
                               struct manifest **manifest_out, tr_error *error) {
    struct manifest *manifest = mem_zalloc(1, sizeof *manifest);
    name_copy(manifest->cluster, cluster);
    name_copy(manifest->id, result->cut.id);
    name_copy(manifest->initiator, result->cut.initiator);
    manifest->epoch = result->cut.epoch;
    manifest->started_ms = started_ms;
    manifest->committed_ms = committed_ms;
    manifest->duration_ms = result->duration_ns / 1000000;
    tr_status status = members_of_votes(manifest, result, error);
    if (status == TR_OK) {
        links_of_result(manifest, result);
        status = manifest_check_links(manifest, error);
    }
    if (status == TR_OK) {
        *manifest_out = manifest;
    } else {
        manifest_free(manifest);
    }
    return status;
}

void manifest_free(struct manifest *manifest) {
    if (manifest == NULL) return;
    mem_free(manifest->members);
    mem_free(manifest->links);
    mem_free(manifest);
}

/* ---- questions ------------------------------------------------------------------------------- */

static tr_status check_counts(const manifest_link *link, tr_error *error) {
    if (link->received <= link->sent && link->recorded == link->sent - link->received) return TR_OK;
    return error_set(error, TR_ECHECK, "this cut is not consistent; take another snapshot",
                     "link %s to %s: sent %" PRIu64 " older messages, received %" PRIu64
                     " and recorded %" PRIu64,
                     link->from, link->to, link->sent, link->received, link->recorded);
}

/* Returns a member's place in the list, or the number of members. */
static uint32_t index_of(const struct manifest *manifest, const char *name) {
    uint32_t i = 0;
    while (i < manifest->member_count && strcmp(manifest->members[i].name, name) != 0) i++;
    return i;
}

/* Marks the link's place in a matrix of members; false when it has none there or it is taken. */
static bool mark_link(const struct manifest *manifest, const manifest_link *link, bool *matrix) {
    uint32_t count = manifest->member_count;
    uint32_t from = index_of(manifest, link->from);
    uint32_t to = index_of(manifest, link->to);
    if (from == count || to == count || from == to || matrix[from * count + to]) return false;
    matrix[from * count + to] = true;
    return true;
}

tr_status manifest_check_links(const struct manifest *manifest, tr_error *error) {
    uint32_t count = manifest->member_count;
    if (manifest->link_count != count * (count - 1)) {
        return error_set(error, TR_ECHECK, NULL, "%" PRIu32 " links among %" PRIu32 " members",
                         manifest->link_count, count);
    }
    /* As many links as ordered pairs, and none twice: so each pair has its own. */
    bool *matrix = mem_zalloc(count, count * sizeof *matrix);
    tr_status status = TR_OK;
    for (uint32_t i = 0; i < manifest->link_count && status == TR_OK; i++) {
        const manifest_link *link = &manifest->links[i];
        status = check_counts(link, error);
        if (status == TR_OK && !mark_link(manifest, link, matrix)) {
            status = error_set(error, TR_ECHECK, NULL,
                               "link %s to %s is no link of two members, "
                               "or is there twice",
                               link->from, link->to);
        }
    }
    mem_free(matrix);
    return status;
}

uint64_t manifest_actors(const struct manifest *manifest) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < manifest->member_count; i++) sum += manifest->members[i].actors;
    return sum;
}

uint64_t manifest_messages(const struct manifest *manifest) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < manifest->member_count; i++) sum += manifest->members[i].messages;
    return sum;
}

uint64_t manifest_bytes(const struct manifest *manifest) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < manifest->member_count; i++) sum += manifest->members[i].bytes;
    return sum;
}

void manifest_info(const struct manifest *manifest, tr_snapshot_info *info_out) {
    *info_out = (tr_snapshot_info){.epoch = manifest->epoch,
                                   .consistent = manifest_check_links(manifest, NULL) == TR_OK,
                                   .nodes = manifest->member_count,
                                   .actors = manifest_actors(manifest),
                                   .in_flight = manifest_messages(manifest),
                                   .bytes = manifest_bytes(manifest),
                                   .duration_ms = manifest->duration_ms};
    snprintf(info_out->id, sizeof info_out->id, "%s", manifest->id);
}

const manifest_member *manifest_member_named(const struct manifest *manifest, const char *name) {
    uint32_t index = index_of(manifest, name);
    return index == manifest->member_count ? NULL : &manifest->members[index];
}

const manifest_member *manifest_member_of_space(const struct manifest *manifest, uint64_t space) {
    for (uint32_t i = 0; i < manifest->member_count; i++) {
        if (manifest->members[i].space == space) return &manifest->members[i];
    }
    return NULL;
}

char *manifest_pid_text(const struct manifest *manifest, tr_pid pid, char *out, size_t out_bytes) {
    const manifest_member *member = manifest_member_of_space(manifest, pid.space);
    if (pid.space == 0 && pid.slot == 0 && pid.generation == 0) {
        snprintf(out, out_bytes, "-");
    } else if (member == NULL) {
        snprintf(out, out_bytes, "%016" PRIx64 "/%" PRIu32 ".%" PRIu32, pid.space, pid.slot,
                 pid.generation);
    } else if (member->ordinal == 0) {
        snprintf(out, out_bytes, "%s/%" PRIu32 ".%" PRIu32, member->name, pid.slot, pid.generation);
    } else {
        snprintf(out, out_bytes, "%s:%" PRIu32 "/%" PRIu32 ".%" PRIu32, member->name,
                 member->ordinal, pid.slot, pid.generation);
    }
    return out;
}
