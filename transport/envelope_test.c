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

/* The two examples of PROTOCOL.md, section 5. */
static const struct envelope example = {.kind = ENVELOPE_MESSAGE,
                                        .to = {18, 4, 1},
                                        .from = {17, 3, 1},
                                        .record = 5,
                                        .message_id = 9,
                                        .body = small_body,
                                        .body_bytes = 2};
static const uint8_t example_bytes[] = {0x96, 0xcd, 0x10, 0xb9, 0x93, 0x12, 0x04, 0x01, 0x93,
                                        0x11, 0x03, 0x01, 0x09, 0x05, 0xc4, 0x02, 0x91, 0x2a};
static const uint8_t next_bytes[] = {0x92, 0x01, 0xc4, 0x02, 0x91, 0x2a};

/* Reads the first envelope of some bytes, as the first of a session; TR_EDATA when there is none.
 */
static tr_status read_first(const uint8_t *data, size_t bytes, struct envelope *envelope_out) {
    struct cursor cursor = cursor_over(data, bytes);
    struct envelope context = {0}, other;
    const struct envelope *read = envelope_read(&cursor, &context, &other);
    cr_assert_eq(read == NULL, cursor.failed);
    if (read == NULL) return TR_EDATA;
    *envelope_out = *read;
    return TR_OK;
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
        .body = body,
        .body_bytes = (uint32_t)random_below(random, random_below(random, 4) == 0 ? 70000 : 300)};
    bool actors = envelope.kind == ENVELOPE_MESSAGE || envelope.kind == ENVELOPE_CONTROL;
    if (actors || envelope.kind == ENVELOPE_RECORD) envelope.record = (uint32_t)any_number(random);
    if (!actors) return envelope;
    envelope.flags = (uint32_t)any_number(random);
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
    struct envelope context, next = example;
    next.message_id++;
    struct parcel *parcel = parcel_new(512);
    parcel_append(parcel, &context, &example);
    cr_assert_eq(parcel->bytes, sizeof example_bytes);
    cr_assert_arr_eq(parcel->data, example_bytes, sizeof example_bytes);
    parcel_append(parcel, &context, &next);
    cr_assert_eq(parcel->count, 2);
    cr_assert_eq(parcel->bytes, sizeof example_bytes + sizeof next_bytes);
    cr_assert_arr_eq(parcel->data + sizeof example_bytes, next_bytes, sizeof next_bytes);
    parcel_free(parcel);
}

Test(envelope, reading_inverts_writing_for_all_kinds_and_widths) {
    random_state random;
    random_seed(&random, 1);
    static uint8_t body[70000];
    random_fill(&random, body, sizeof body);
    for (unsigned i = 0; i < 3000; i++) {
        struct envelope envelope = any_envelope(&random, body), read;
        struct parcel *parcel = envelope_encode(&envelope);
        cr_assert_leq(parcel->bytes, envelope.body_bytes + ENVELOPE_HEAD_BYTES_MAX);
        cr_assert_eq(read_first(parcel->data, parcel->bytes, &read), TR_OK);
        cr_assert_eq(read.wire_bytes, parcel->bytes);
        expect_equal(&envelope, &read);
        parcel_free(parcel);
    }
}

/* Changes an envelope here and there, as messages that follow one another differ. */
static void change(random_state *random, struct envelope *envelope, const uint8_t *body) {
    struct envelope other = any_envelope(random, body);
    bool actors = envelope->kind == ENVELOPE_MESSAGE || envelope->kind == ENVELOPE_CONTROL;
    bool others = other.kind == ENVELOPE_MESSAGE || other.kind == ENVELOPE_CONTROL;
    if (!actors || !others || random_below(random, 8) == 0) {
        *envelope = other;
        return;
    }
    envelope->message_id++;
    switch (random_below(random, 12)) {
        case 0:
            envelope->to = other.to;
            break;
        case 1:
            envelope->from = other.from;
            break;
        case 2:
            envelope->trace = other.trace;
            break;
        case 3:
            envelope->message_id = other.message_id;
            break;
        case 4:
            envelope->record = other.record;
            break;
        case 5:
            envelope->colour = other.colour;
            break;
        case 6:
            envelope->reference = other.reference;
            break;
        case 7:
            envelope->flags = other.flags;
            break;
        case 8:
            envelope->kind = other.kind;
            break;
        default:
            break;
    }
}

Test(envelope, what_is_left_out_is_as_before) {
    enum { COUNT = 40 };
    random_state random;
    random_seed(&random, 2);
    static uint8_t body[70000];
    random_fill(&random, body, sizeof body);
    for (unsigned round = 0; round < 200; round++) {
        struct envelope sent[COUNT], context, before = {.kind = ENVELOPE_RECORD};
        struct parcel *parcel = parcel_new(COUNT * (70000 + ENVELOPE_HEAD_BYTES_MAX));
        for (unsigned i = 0; i < COUNT; i++) {
            change(&random, &before, body);
            sent[i] = before;
            parcel_append(parcel, &context, &sent[i]);
        }
        struct parcel_reader reader;
        struct cursor skipping = cursor_over(parcel->data, parcel->bytes);
        parcel_open(parcel, &reader);
        for (unsigned i = 0; i < COUNT; i++) {
            const struct envelope *read = parcel_next(&reader);
            cr_assert_not_null(read);
            expect_equal(&sent[i], read);
            cr_assert(envelope_skip(&skipping));
            cr_assert_eq(skipping.at, reader.cursor.at);
        }
        cr_assert_null(parcel_next(&reader));
        parcel_free(parcel);
    }
}

/* What a session's first envelope leaves out is nothing, so only its receiver must be there. */
Test(envelope, nothing_came_before_the_first) {
    static const uint8_t to_nobody[] = {0x92, 0x01, 0xc4, 0x00};
    static const uint8_t to_somebody[] = {0x93, 0x09, 0x93, 0x12, 0x04, 0x01, 0xc4, 0x00};
    struct envelope read;
    cr_assert_eq(read_first(to_nobody, sizeof to_nobody, &read), TR_EDATA);
    cr_assert_eq(read_first(to_somebody, sizeof to_somebody, &read), TR_OK);
    expect_equal(&(struct envelope){.kind = ENVELOPE_MESSAGE, .to = {18, 4, 1}, .message_id = 1},
                 &read);
}

Test(envelope, cut_at_any_byte_it_is_refused) {
    for (size_t bytes = 0; bytes < sizeof example_bytes; bytes++) {
        uint8_t *exact = mem_alloc(bytes); /* so that a read past it is seen by the sanitizer */
        memcpy(exact, example_bytes, bytes);
        struct envelope read;
        cr_assert_eq(read_first(exact, bytes, &read), TR_EDATA, "cut at %zu", bytes);
        mem_free(exact);
    }
}

/* A changed byte gives another envelope or a refusal, never one that reads as it was. */
Test(envelope, each_changed_byte_changes_the_meaning_or_is_refused) {
    for (size_t at = 0; at < sizeof example_bytes; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[sizeof example_bytes];
            struct envelope read;
            memcpy(bytes, example_bytes, sizeof bytes);
            bytes[at] = (uint8_t)value;
            if (value == example_bytes[at] || read_first(bytes, sizeof bytes, &read) != TR_OK)
                continue;
            struct parcel *again = envelope_encode(&read);
            cr_assert(again->bytes != sizeof example_bytes ||
                          memcmp(again->data, example_bytes, sizeof example_bytes) != 0 ||
                          at == 1 || at == 2 || at == 3,
                      "byte %zu = %u", at, value);
            parcel_free(again);
        }
    }
}

Test(envelope, elements_of_a_later_version_are_skipped) {
    uint8_t bytes[sizeof example_bytes + 5];
    memcpy(bytes, example_bytes, sizeof example_bytes);
    bytes[0] = 0x98;                                              /* 8 elements */
    memcpy(bytes + sizeof example_bytes, "\x92\x01\xa1x\xc0", 5); /* [1, "x"], nil */
    struct envelope read;
    cr_assert_eq(read_first(bytes, sizeof bytes, &read), TR_OK);
    cr_assert_eq(read.wire_bytes, sizeof bytes);
    expect_equal(&example, &read);
}

Test(envelope, what_no_version_sends_is_refused) {
    static const struct {
        const char *what;
        size_t at;
        uint8_t value;
    } changes[] = {{"too few elements", 0, 0x95}, {"a map", 0, 0x86},
                   {"unknown kind", 3, 0xbd},     {"unknown changes", 2, 0x20},
                   {"negative number", 1, 0xd1},  {"pid of two", 4, 0x92},
                   {"to nobody", 4, 0xc0},        {"record as text", 13, 0xa0},
                   {"body as text", 14, 0xd9},    {"body past the end", 15, 3}};
    struct envelope read;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint8_t bytes[sizeof example_bytes];
        memcpy(bytes, example_bytes, sizeof bytes);
        bytes[changes[i].at] = changes[i].value;
        cr_assert_eq(read_first(bytes, sizeof bytes, &read), TR_EDATA, "%s", changes[i].what);
    }
    static const uint8_t huge[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
    cr_assert_eq(read_first(huge, sizeof huge, &read), TR_EDATA);
    static const uint8_t member_with_receiver[] = {0x93, 0x0b, 0x93, 0x12, 0x04, 0x01, 0xc4, 0x00};
    cr_assert_eq(read_first(member_with_receiver, sizeof member_with_receiver, &read), TR_EDATA);
}
