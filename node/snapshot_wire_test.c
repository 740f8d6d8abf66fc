/*
 * snapshot_wire_test.c - every message survives the wire, and nothing else does.
 */
#include "node/snapshot_wire.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "node/base/memory.h"

TestSuite(snapshot_wire, .timeout = 30);

/* A message of the kind, with something in every field. */
static struct snapshot_message sample(enum snapshot_kind kind) {
    struct snapshot_message message = {.kind = kind,
                                       .reason = SNAPSHOT_DISK_FULL,
                                       .text = "no room",
                                       .floor = 77 << 16,
                                       .older = UINT64_MAX,
                                       .phase = SNAPSHOT_MARKED,
                                       .census = {.red = 3, .total = UINT64_MAX - 1},
                                       .markers = 2};
    snapshot_cut_make(UINT64_C(300) << 16 | snapshot_name_bits("n1"), "n1", &message.cut);
    snapshot_view_add(&message.view, "n2", 5, 9);
    snapshot_view_add(&message.view, "n1", UINT64_MAX, 0);
    message.part = (snapshot_part){.bytes = 1, .actors = 2, .messages = 3, .digest_bytes = 3};
    memcpy(message.part.digest, "abc", 3);
    message.rows = mem_zalloc(1, sizeof message.rows[0]);
    message.rows_count = 1;
    strcpy(message.rows[0].peer, "n2");
    message.rows[0].sent = 10;
    message.rows[0].marker = 20;
    message.rows[0].received = 30;
    message.rows[0].recorded = 40;
    message.manifest = (const uint8_t *)"manifest";
    message.manifest_bytes = 8;
    return message;
}

static struct buffer encoded(enum snapshot_kind kind) {
    struct snapshot_message message = sample(kind);
    struct buffer bytes;
    buffer_init(&bytes);
    snapshot_message_encode(&message, &bytes);
    snapshot_message_fini(&message);
    return bytes;
}

Test(snapshot_wire, every_kind_decodes_to_what_was_encoded) {
    for (int kind = 1; kind < SNAPSHOT_KIND_COUNT; kind++) {
        struct buffer bytes = encoded((enum snapshot_kind)kind);
        struct snapshot_message message;
        tr_error error;
        tr_status status = snapshot_message_decode(bytes.data, bytes.bytes, &message, &error);
        cr_assert(eq(int, status, TR_OK), "kind %d", kind);
        cr_assert(eq(int, message.kind, kind));
        cr_assert(eq(str, message.cut.id, "s000300-n1"));
        struct buffer again;
        buffer_init(&again);
        snapshot_message_encode(&message, &again);
        cr_assert(eq(sz, again.bytes, bytes.bytes), "kind %d", kind);
        cr_assert(eq(int, memcmp(again.data, bytes.data, bytes.bytes), 0), "kind %d", kind);
        snapshot_message_fini(&message);
        buffer_fini(&again);
        buffer_fini(&bytes);
    }
}

Test(snapshot_wire, every_cut_off_message_is_refused) {
    for (int kind = 1; kind < SNAPSHOT_KIND_COUNT; kind++) {
        struct buffer bytes = encoded((enum snapshot_kind)kind);
        for (size_t size = 0; size < bytes.bytes; size++) {
            /* A copy of its own: a read past its end is seen by the sanitizer. */
            uint8_t *part = mem_dup(bytes.data, size);
            struct snapshot_message message;
            tr_error error;
            cr_assert(eq(int, snapshot_message_decode(part, size, &message, &error), TR_EDATA));
            mem_free(part);
        }
        buffer_fini(&bytes);
    }
}

Test(snapshot_wire, bytes_left_over_are_refused) {
    for (int kind = 1; kind < SNAPSHOT_KIND_COUNT; kind++) {
        struct buffer bytes = encoded((enum snapshot_kind)kind);
        buffer_append_byte(&bytes, 0);
        struct snapshot_message message;
        cr_assert(
            eq(int, snapshot_message_decode(bytes.data, bytes.bytes, &message, NULL), TR_EDATA));
        buffer_fini(&bytes);
    }
}

/* Some altered messages are other good messages; none may harm. */
Test(snapshot_wire, every_altered_byte_is_refused_or_harmless) {
    for (int kind = 1; kind < SNAPSHOT_KIND_COUNT; kind++) {
        struct buffer bytes = encoded((enum snapshot_kind)kind);
        for (size_t place = 0; place < bytes.bytes; place++) {
            for (unsigned value = 0; value < 256; value++) {
                uint8_t *copy = mem_dup(bytes.data, bytes.bytes);
                copy[place] = (uint8_t)value;
                struct snapshot_message message;
                if (snapshot_message_decode(copy, bytes.bytes, &message, NULL) == TR_OK) {
                    cr_assert(snapshot_name_valid(message.cut.initiator));
                    cr_assert(le(u64, message.cut.epoch, SNAPSHOT_EPOCH_MAX));
                    snapshot_message_fini(&message);
                }
                mem_free(copy);
            }
        }
        buffer_fini(&bytes);
    }
}

Test(snapshot_wire, huge_counts_are_refused_without_memory) {
    /* PREPARE with a view of 2^32 - 1 members, in 15 bytes. */
    const uint8_t bytes[] = {0x94, 1,   0xce, 0,    1,    0,    1,   0xa2,
                             'n',  '1', 0xdd, 0xff, 0xff, 0xff, 0xff};
    struct snapshot_message message;
    tr_error error;
    cr_assert(eq(int, snapshot_message_decode(bytes, sizeof bytes, &message, &error), TR_EDATA));
}

Test(snapshot_wire, member_named_twice_is_refused) {
    struct snapshot_message message = {.kind = SNAPSHOT_PREPARE};
    snapshot_cut_make(1 << 16, "n1", &message.cut);
    snapshot_view_add(&message.view, "n1", 1, 1);
    snapshot_view_add(&message.view, "n2", 1, 1);
    strcpy(message.view.members[1].name, "n1");
    struct buffer bytes;
    buffer_init(&bytes);
    snapshot_message_encode(&message, &bytes);
    snapshot_message_fini(&message);
    cr_assert(eq(int, snapshot_message_decode(bytes.data, bytes.bytes, &message, NULL), TR_EDATA));
    buffer_fini(&bytes);
}

Test(snapshot_wire, largest_messages_stay_within_the_limit) {
    struct snapshot_message message = {.kind = SNAPSHOT_VOTE};
    snapshot_cut_make(SNAPSHOT_EPOCH_MAX, "n1", &message.cut);
    message.part.digest_bytes = SNAPSHOT_DIGEST_BYTES_MAX;
    message.part.bytes = message.part.actors = message.part.messages = UINT64_MAX;
    message.rows = mem_zalloc(SNAPSHOT_MEMBERS_MAX, sizeof message.rows[0]);
    message.rows_count = SNAPSHOT_MEMBERS_MAX;
    for (size_t i = 0; i < message.rows_count; i++) {
        struct snapshot_row *row = &message.rows[i];
        memset(row->peer, 'x', sizeof row->peer - 1);
        row->sent = row->marker = row->received = row->recorded = UINT64_MAX;
    }
    struct buffer bytes;
    buffer_init(&bytes);
    snapshot_message_encode(&message, &bytes);
    cr_assert(le(sz, bytes.bytes, SNAPSHOT_MESSAGE_BYTES_MAX));
    snapshot_message_fini(&message);
    buffer_fini(&bytes);
}
