/*
 * envelope_test.c - what goes in comes out, the bytes are those of PROTOCOL.md, and nothing else is
 * taken.
 */
#include "transport/envelope.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/base/random.h"

TestSuite(envelope, .timeout = 30);

static const uint8_t small_body[] = {0x91, 0x2a};

/* The example of PROTOCOL.md, section 5. */
static const struct envelope example = {.kind = ENVELOPE_MESSAGE,
                                        .to = {18, 4, 1},
                                        .from = {17, 3, 1},
                                        .record = 5,
                                        .message_id = 9,
                                        .body = small_body,
                                        .body_bytes = 2};
static const uint8_t example_bytes[] = {0x9c, 0x01, 0x01, 0x93, 0x12, 0x04, 0x01, 0x93,
                                        0x11, 0x03, 0x01, 0x05, 0x00, 0xc0, 0x00, 0x09,
                                        0x00, 0x00, 0xc4, 0x02, 0x91, 0x2a};

static size_t write_envelope(const struct envelope *envelope, uint64_t sequence, uint8_t *place,
                             size_t room) {
    struct parcel *parcel = envelope_encode(envelope);
    size_t bytes = parcel_wire_bytes(parcel, sequence);
    cr_assert_leq(bytes, room);
    uint8_t *end = parcel_write(parcel, sequence, place);
    cr_assert_eq((size_t)(end - place), bytes);
    parcel_free(parcel);
    return bytes;
}

static void expect_equal(const struct envelope *a, const struct envelope *b) {
    cr_assert_eq(a->kind, b->kind);
    cr_assert_eq(a->flags, b->flags);
    cr_assert_arr_eq(&a->to, &b->to, sizeof a->to);
    cr_assert_arr_eq(&a->from, &b->from, sizeof a->from);
    cr_assert_eq(a->record, b->record);
    cr_assert_eq(a->colour, b->colour);
    cr_assert_arr_eq(a->trace.id, b->trace.id, sizeof a->trace.id);
    cr_assert_eq(a->trace.span, b->trace.span);
    cr_assert_eq(a->message_id, b->message_id);
    cr_assert_eq(a->reference, b->reference);
    cr_assert_eq(a->body_bytes, b->body_bytes);
    if (a->body_bytes > 0) cr_assert_arr_eq(a->body, b->body, a->body_bytes);
}

/* Numbers of every width. */
static uint64_t any_number(random_state *random) {
    return random_u64(random) >> random_below(random, 64);
}

static struct envelope any_envelope(random_state *random, const uint8_t *body) {
    struct envelope envelope = {
        .kind = (enum envelope_kind)random_below(random, ENVELOPE_KINDS),
        .flags = (uint32_t)any_number(random),
        .body = body,
        .body_bytes = (uint32_t)random_below(random, random_below(random, 4) == 0 ? 70000 : 300)};
    bool actors = envelope.kind == ENVELOPE_MESSAGE || envelope.kind == ENVELOPE_CONTROL;
    if (actors || envelope.kind == ENVELOPE_RECORD) envelope.record = (uint32_t)any_number(random);
    if (!actors) return envelope;
    envelope.to = (tr_pid){any_number(random) | 1, (uint32_t)any_number(random),
                           (uint32_t)any_number(random)};
    if (random_below(random, 3) > 0)
        envelope.from = (tr_pid){any_number(random), (uint32_t)any_number(random), 7};
    envelope.colour = any_number(random);
    if (random_below(random, 2) == 0)
        random_fill(random, envelope.trace.id, sizeof envelope.trace.id);
    envelope.trace.span = any_number(random);
    envelope.message_id = any_number(random);
    envelope.reference = any_number(random);
    return envelope;
}

Test(envelope, the_bytes_are_those_of_the_protocol) {
    uint8_t bytes[64];
    cr_assert_eq(write_envelope(&example, 1, bytes, sizeof bytes), sizeof example_bytes);
    cr_assert_arr_eq(bytes, example_bytes, sizeof example_bytes);
}

Test(envelope, decoding_inverts_encoding_for_all_kinds_and_widths) {
    random_state random;
    random_seed(&random, 1);
    static uint8_t body[70000], bytes[70200];
    random_fill(&random, body, sizeof body);
    for (unsigned i = 0; i < 3000; i++) {
        struct envelope envelope = any_envelope(&random, body), decoded, read;
        uint64_t sequence = any_number(&random);
        size_t used, count = write_envelope(&envelope, sequence, bytes, sizeof bytes);
        cr_assert_leq(count, envelope.body_bytes + ENVELOPE_HEAD_BYTES_MAX);
        cr_assert_eq(
            envelope_decode(bytes, count + 5 < sizeof bytes ? count + 5 : count, &decoded, &used),
            TR_OK);
        cr_assert_eq(used, count);
        cr_assert_eq(decoded.wire_bytes, count);
        cr_assert_eq(decoded.sequence, sequence);
        expect_equal(&envelope, &decoded);
        struct parcel *parcel = envelope_encode(&envelope);
        parcel_read(parcel, &read);
        expect_equal(&envelope, &read);
        parcel_free(parcel);
    }
}

Test(envelope, sequence_numbers_take_their_shortest_form) {
    static const struct {
        uint64_t sequence;
        size_t bytes;
    } widths[] = {{0x7f, 1},   {0x80, 2},    {0xff, 2},       {0x100, 3},
                  {0xffff, 3}, {0x10000, 5}, {0xffffffff, 5}, {0x100000000, 9}};
    struct parcel *parcel = envelope_encode(&example);
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        uint8_t bytes[64];
        struct envelope decoded;
        cr_assert_eq(parcel_wire_bytes(parcel, widths[i].sequence),
                     2 + widths[i].bytes + parcel->bytes);
        uint8_t *end = parcel_write(parcel, widths[i].sequence, bytes);
        cr_assert_eq(envelope_decode(bytes, (size_t)(end - bytes), &decoded, NULL), TR_OK);
        cr_assert_eq(decoded.sequence, widths[i].sequence);
    }
    parcel_free(parcel);
}

Test(envelope, cut_at_any_byte_it_is_refused) {
    for (size_t bytes = 0; bytes < sizeof example_bytes; bytes++) {
        uint8_t *exact = mem_alloc(bytes); /* so that a read past it is seen by the sanitizer */
        memcpy(exact, example_bytes, bytes);
        struct envelope decoded = {.record = 4711};
        cr_assert_eq(envelope_decode(exact, bytes, &decoded, NULL), TR_EDATA, "cut at %zu", bytes);
        cr_assert_eq(decoded.record, 4711, "touched when cut at %zu", bytes);
        mem_free(exact);
    }
}

/* A changed byte gives another envelope or a refusal, never one that decodes as it was. */
Test(envelope, each_changed_byte_changes_the_meaning_or_is_refused) {
    for (size_t at = 0; at < sizeof example_bytes; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[sizeof example_bytes], again[64];
            struct envelope decoded;
            memcpy(bytes, example_bytes, sizeof bytes);
            bytes[at] = (uint8_t)value;
            if (value == example_bytes[at] ||
                envelope_decode(bytes, sizeof bytes, &decoded, NULL) != TR_OK)
                continue;
            size_t count = write_envelope(&decoded, decoded.sequence, again, sizeof again);
            cr_assert(count != sizeof example_bytes || memcmp(again, example_bytes, count) != 0,
                      "byte %zu = %u", at, value);
        }
    }
}

Test(envelope, elements_of_a_later_version_are_skipped) {
    uint8_t bytes[sizeof example_bytes + 5];
    memcpy(bytes, example_bytes, sizeof example_bytes);
    bytes[0] = 0x9e;                                              /* 14 elements */
    memcpy(bytes + sizeof example_bytes, "\x92\x01\xa1x\xc0", 5); /* [1, "x"], nil */
    struct envelope decoded;
    cr_assert_eq(envelope_decode(bytes, sizeof bytes, &decoded, NULL), TR_OK);
    cr_assert_eq(decoded.wire_bytes, sizeof bytes);
    expect_equal(&example, &decoded);
}

Test(envelope, what_no_version_sends_is_refused) {
    static const struct {
        const char *what;
        size_t at;
        uint8_t value;
    } changes[] = {{"too few elements", 0, 0x9b},
                   {"a map", 0, 0x8c},
                   {"unknown kind", 1, ENVELOPE_KINDS},
                   {"negative number", 2, 0xff},
                   {"pid of two", 3, 0x92},
                   {"to nobody", 3, 0xc0},
                   {"record as text", 11, 0xa0},
                   {"trace as a number", 13, 0},
                   {"body as text", 18, 0xd9},
                   {"body past the end", 19, 3}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint8_t bytes[sizeof example_bytes];
        struct envelope decoded;
        memcpy(bytes, example_bytes, sizeof bytes);
        bytes[changes[i].at] = changes[i].value;
        cr_assert_eq(envelope_decode(bytes, sizeof bytes, &decoded, NULL), TR_EDATA, "%s",
                     changes[i].what);
    }
    static const uint8_t huge[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
    struct envelope decoded;
    cr_assert_eq(envelope_decode(huge, sizeof huge, &decoded, NULL), TR_EDATA);
}
