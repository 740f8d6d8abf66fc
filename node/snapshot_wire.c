/*
 * snapshot_wire.c - one encoder and one decoder per kind of message, side by side.
 */
#include "node/snapshot_wire.h"

#include <msgpack.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "transport/cursor.h"

/* [kind, epoch, initiator] and what follows them in each kind. */
static const uint8_t elements_of[SNAPSHOT_KIND_COUNT] = {
    [SNAPSHOT_PREPARE] = 4, [SNAPSHOT_CONFIRM] = 4, [SNAPSHOT_REFUSE] = 6, [SNAPSHOT_START] = 4,
    [SNAPSHOT_MARKER] = 4,  [SNAPSHOT_REPORT] = 7,  [SNAPSHOT_VOTE] = 8,   [SNAPSHOT_FAIL] = 5,
    [SNAPSHOT_COMMIT] = 4,  [SNAPSHOT_ABORT] = 5,   [SNAPSHOT_QUERY] = 3,
};

const char *snapshot_reason_text(enum snapshot_reason reason) {
    static const char *const texts[SNAPSHOT_REASON_COUNT] = {
        [SNAPSHOT_OVERTAKEN] = "overtaken",
        [SNAPSHOT_VIEWS_DIFFER] = "views of the cluster differ",
        [SNAPSHOT_MEMBER_LOST] = "member lost",
        [SNAPSHOT_SESSION_ENDED] = "session ended",
        [SNAPSHOT_TIMEOUT] = "timeout",
        [SNAPSHOT_DISK_FULL] = "disk full",
        [SNAPSHOT_DISK_ERROR] = "disk error",
        [SNAPSHOT_COUNTS_DIFFER] = "counts differ",
        [SNAPSHOT_NODE_STOPS] = "node stops",
        [SNAPSHOT_NO_MANIFEST] = "no manifest",
    };
    const char *text = reason < SNAPSHOT_REASON_COUNT ? texts[reason] : NULL;
    return text != NULL ? text : "unknown reason";
}

void snapshot_message_fini(struct snapshot_message *message) {
    snapshot_view_fini(&message->view);
    mem_free(message->rows);
    message->rows = NULL;
    message->rows_count = 0;
}

/* ---- encode -----------------------------------------------------------------------------------
 */

static void pack_text(msgpack_packer *packer, const char *text) {
    size_t bytes = strlen(text);
    msgpack_pack_str(packer, bytes);
    msgpack_pack_str_body(packer, text, bytes);
}

static void pack_bytes(msgpack_packer *packer, const uint8_t *data, size_t bytes) {
    msgpack_pack_bin(packer, bytes);
    if (bytes > 0) msgpack_pack_bin_body(packer, data, bytes);
}

static void pack_view(msgpack_packer *packer, const struct snapshot_view *view) {
    msgpack_pack_array(packer, view->count);
    for (size_t i = 0; i < view->count; i++) {
        msgpack_pack_array(packer, 3);
        pack_text(packer, view->members[i].name);
        msgpack_pack_uint64(packer, view->members[i].incarnation);
        msgpack_pack_uint64(packer, view->members[i].session);
    }
}

static void pack_reason(msgpack_packer *packer, const struct snapshot_message *message) {
    msgpack_pack_uint32(packer, message->reason);
    pack_text(packer, message->text);
}

static void pack_report(msgpack_packer *packer, const struct snapshot_message *message) {
    msgpack_pack_uint32(packer, message->phase);
    msgpack_pack_uint64(packer, message->census.red);
    msgpack_pack_uint64(packer, message->census.total);
    msgpack_pack_uint32(packer, message->markers);
}

static void pack_vote(msgpack_packer *packer, const struct snapshot_message *message) {
    const snapshot_part *part = &message->part;
    msgpack_pack_uint64(packer, part->bytes);
    msgpack_pack_uint64(packer, part->actors);
    msgpack_pack_uint64(packer, part->messages);
    pack_bytes(packer, part->digest, part->digest_bytes);
    msgpack_pack_array(packer, message->rows_count);
    for (size_t i = 0; i < message->rows_count; i++) {
        const struct snapshot_row *row = &message->rows[i];
        msgpack_pack_array(packer, 5);
        pack_text(packer, row->peer);
        msgpack_pack_uint64(packer, row->sent);
        msgpack_pack_uint64(packer, row->marker);
        msgpack_pack_uint64(packer, row->received);
        msgpack_pack_uint64(packer, row->recorded);
    }
}

static void pack_fields(msgpack_packer *packer, const struct snapshot_message *message) {
    switch (message->kind) {
        case SNAPSHOT_PREPARE:
        case SNAPSHOT_CONFIRM:
        case SNAPSHOT_START:
            pack_view(packer, &message->view);
            break;
        case SNAPSHOT_REFUSE:
            pack_reason(packer, message);
            msgpack_pack_uint64(packer, message->floor);
            break;
        case SNAPSHOT_MARKER:
            msgpack_pack_uint64(packer, message->older);
            break;
        case SNAPSHOT_REPORT:
            pack_report(packer, message);
            break;
        case SNAPSHOT_VOTE:
            pack_vote(packer, message);
            break;
        case SNAPSHOT_FAIL:
        case SNAPSHOT_ABORT:
            pack_reason(packer, message);
            break;
        case SNAPSHOT_COMMIT:
            pack_bytes(packer, message->manifest, message->manifest_bytes);
            break;
        case SNAPSHOT_QUERY:
        case SNAPSHOT_KIND_COUNT:
            break;
    }
}

void snapshot_message_encode(const struct snapshot_message *message, struct buffer *buffer) {
    check(message->kind > 0 && message->kind < SNAPSHOT_KIND_COUNT);
    msgpack_packer packer;
    msgpack_packer_init(&packer, buffer, buffer_write);
    msgpack_pack_array(&packer, elements_of[message->kind]);
    msgpack_pack_uint32(&packer, message->kind);
    msgpack_pack_uint64(&packer, message->cut.epoch);
    pack_text(&packer, message->cut.initiator);
    pack_fields(&packer, message);
}

/* ---- decode -----------------------------------------------------------------------------------
 */

static bool take_view(struct cursor *cursor, struct snapshot_view *view) {
    uint32_t count = 0;
    if (!cursor_array(cursor, SNAPSHOT_MEMBERS_MAX, &count)) return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t three = 0;
        char name[SNAPSHOT_NAME_BYTES];
        uint64_t incarnation = 0, session = 0;
        if (!cursor_array(cursor, 3, &three) || three != 3) return false;
        if (!cursor_text(cursor, name, sizeof name)) return false;
        if (!cursor_uint(cursor, UINT64_MAX, &incarnation)) return false;
        if (!cursor_uint(cursor, UINT64_MAX, &session)) return false;
        snapshot_view_add(view, name, incarnation, session);
    }
    return count > 0 && !view->unusable; /* a name twice, or one that is none */
}

static bool take_reason(struct cursor *cursor, struct snapshot_message *message) {
    uint32_t reason = 0;
    if (!cursor_u32(cursor, SNAPSHOT_REASON_COUNT - 1, &reason) || reason == 0) return false;
    message->reason = (enum snapshot_reason)reason;
    return cursor_text(cursor, message->text, sizeof message->text);
}

static bool take_report(struct cursor *cursor, struct snapshot_message *message) {
    uint32_t phase = 0;
    if (!cursor_u32(cursor, SNAPSHOT_VOTED, &phase)) return false;
    message->phase = (snapshot_phase)phase;
    return cursor_uint(cursor, UINT64_MAX, &message->census.red) &&
           cursor_uint(cursor, UINT64_MAX, &message->census.total) &&
           cursor_u32(cursor, SNAPSHOT_MEMBERS_MAX, &message->markers);
}

static bool take_row(struct cursor *cursor, struct snapshot_row *row) {
    uint32_t five = 0;
    return cursor_array(cursor, 5, &five) && five == 5 &&
           cursor_text(cursor, row->peer, sizeof row->peer) &&
           cursor_uint(cursor, UINT64_MAX, &row->sent) &&
           cursor_uint(cursor, UINT64_MAX, &row->marker) &&
           cursor_uint(cursor, UINT64_MAX, &row->received) &&
           cursor_uint(cursor, UINT64_MAX, &row->recorded);
}

static bool take_vote(struct cursor *cursor, struct snapshot_message *message) {
    snapshot_part *part = &message->part;
    const uint8_t *digest = NULL;
    uint32_t count = 0;
    bool whole = cursor_uint(cursor, UINT64_MAX, &part->bytes) &&
                 cursor_uint(cursor, UINT64_MAX, &part->actors) &&
                 cursor_uint(cursor, UINT64_MAX, &part->messages) &&
                 cursor_bin(cursor, SNAPSHOT_DIGEST_BYTES_MAX, &digest, &part->digest_bytes) &&
                 cursor_array(cursor, SNAPSHOT_MEMBERS_MAX, &count);
    if (!whole) return false;
    if (part->digest_bytes > 0) memcpy(part->digest, digest, part->digest_bytes);
    message->rows = mem_zalloc(count, sizeof message->rows[0]);
    message->rows_count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (!take_row(cursor, &message->rows[i])) return false;
    }
    return true;
}

static bool take_manifest(struct cursor *cursor, struct snapshot_message *message) {
    uint32_t bytes = 0;
    if (!cursor_bin(cursor, SNAPSHOT_MANIFEST_BYTES_MAX, &message->manifest, &bytes)) return false;
    message->manifest_bytes = bytes;
    return true;
}

static bool take_fields(struct cursor *cursor, struct snapshot_message *message) {
    switch (message->kind) {
        case SNAPSHOT_PREPARE:
        case SNAPSHOT_CONFIRM:
        case SNAPSHOT_START:
            return take_view(cursor, &message->view);
        case SNAPSHOT_REFUSE:
            return take_reason(cursor, message) &&
                   cursor_uint(cursor, SNAPSHOT_EPOCH_MAX, &message->floor);
        case SNAPSHOT_MARKER:
            return cursor_uint(cursor, UINT64_MAX, &message->older);
        case SNAPSHOT_REPORT:
            return take_report(cursor, message);
        case SNAPSHOT_VOTE:
            return take_vote(cursor, message);
        case SNAPSHOT_FAIL:
        case SNAPSHOT_ABORT:
            return take_reason(cursor, message);
        case SNAPSHOT_COMMIT:
            return take_manifest(cursor, message);
        case SNAPSHOT_QUERY:
            return true;
        case SNAPSHOT_KIND_COUNT:
            break;
    }
    return false;
}

static bool take_cut(struct cursor *cursor, snapshot_cut *cut) {
    uint64_t epoch = 0;
    char initiator[SNAPSHOT_NAME_BYTES];
    return cursor_uint(cursor, SNAPSHOT_EPOCH_MAX, &epoch) &&
           cursor_text(cursor, initiator, sizeof initiator) &&
           snapshot_cut_make(epoch, initiator, cut);
}

tr_status snapshot_message_decode(const uint8_t *bytes, size_t size,
                                  struct snapshot_message *message_out, tr_error *error) {
    if (size > SNAPSHOT_MESSAGE_BYTES_MAX) {
        return error_set(error, TR_EDATA, NULL, "snapshot message of %zu bytes, at most %d", size,
                         SNAPSHOT_MESSAGE_BYTES_MAX);
    }
    struct cursor cursor = cursor_over(bytes, size);
    struct snapshot_message message = {0};
    uint32_t elements = 0, kind = 0;
    if (!cursor_array(&cursor, 16, &elements) ||
        !cursor_u32(&cursor, SNAPSHOT_KIND_COUNT - 1, &kind) || elements_of[kind] != elements) {
        return error_set(error, TR_EDATA, NULL,
                         "snapshot message of an unknown kind (%" PRIu32 ", %" PRIu32 " elements)",
                         kind, elements);
    }
    message.kind = (enum snapshot_kind)kind;
    if (!take_cut(&cursor, &message.cut) || !take_fields(&cursor, &message) ||
        !cursor_at_end(&cursor)) {
        snapshot_message_fini(&message);
        return error_set(error, TR_EDATA, NULL,
                         "snapshot message of kind %" PRIu32 " (%zu bytes) has a bad field", kind,
                         size);
    }
    *message_out = message;
    return TR_OK;
}
