/*
 * frame_test.c - headers there and back, their bytes, and what is refused.
 */
#include "transport/frame.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/base/random.h"

TestSuite(frame, .timeout = 30);

/* The example of PROTOCOL.md, section 2. */
static const struct frame_header example = {.type = FRAME_ACK,
                                            .source = "n1",
                                            .source_bytes = 2,
                                            .source_incarnation = 7,
                                            .destination_incarnation = 9,
                                            .session = 3,
                                            .ack = 5,
                                            .credit_bytes = 4096,
                                            .credit_sequence = 69};
static const uint8_t example_bytes[] = {0x9b, 0x02, 0x04, 0xa2, 0x6e, 0x31, 0x07, 0x09,
                                        0x03, 0x90, 0x00, 0x05, 0xcd, 0x10, 0x00, 0x45};

Test(frame, the_bytes_are_those_of_the_protocol) {
    struct buffer out;
    buffer_init(&out);
    frame_encode(&out, &example);
    cr_assert_eq(out.bytes, sizeof example_bytes);
    cr_assert_arr_eq(out.data, example_bytes, sizeof example_bytes);
    buffer_fini(&out);
}

static uint64_t any_number(random_state *random) {
    return random_u64(random) >> random_below(random, 64);
}

Test(frame, decoding_inverts_encoding) {
    random_state random;
    random_seed(&random, 2);
    struct buffer out;
    buffer_init(&out);
    static struct frame_notice notices[FRAME_NOTICES_MAX];
    for (unsigned i = 0; i < 1000; i++) {
        struct frame_header header = {
            .type = (enum frame_type)(1 + random_below(&random, FRAME_BYE)),
            .source = "some-node-with-a-long-name-0123456789-0123456789-0123456789-012",
            .source_bytes = 1 + (uint32_t)random_below(&random, 63),
            .source_incarnation = any_number(&random),
            .destination_incarnation = any_number(&random),
            .session = any_number(&random),
            .notices = notices,
            .notice_count = (uint32_t)random_below(&random, i % 9 == 0 ? FRAME_NOTICES_MAX + 1 : 4),
            .notices_seen = any_number(&random),
            .ack = any_number(&random),
            .credit_bytes = any_number(&random),
            .credit_sequence = any_number(&random)};
        uint64_t version = 0;
        for (uint32_t k = 0; k < header.notice_count; k++) {
            version += 1 + random_below(&random, 1000);
            notices[k] = (struct frame_notice){
                .pid = {any_number(&random), (uint32_t)any_number(&random), 1},
                .level = (enum frame_pressure)random_below(&random, 3),
                .version = version};
        }
        buffer_clear(&out);
        frame_encode(&out, &header);
        buffer_append(&out, "body", 4);
        struct frame_header decoded;
        cr_assert_eq(frame_decode(out.data, out.bytes, &decoded), TR_OK);
        cr_assert_eq(decoded.type, header.type);
        cr_assert_eq(decoded.source_bytes, header.source_bytes);
        cr_assert_arr_eq(decoded.source, header.source, header.source_bytes);
        cr_assert_eq(decoded.source_incarnation, header.source_incarnation);
        cr_assert_eq(decoded.destination_incarnation, header.destination_incarnation);
        cr_assert_eq(decoded.session, header.session);
        cr_assert_eq(decoded.notices_seen, header.notices_seen);
        cr_assert_eq(decoded.ack, header.ack);
        cr_assert_eq(decoded.credit_bytes, header.credit_bytes);
        cr_assert_eq(decoded.credit_sequence, header.credit_sequence);
        cr_assert_eq(decoded.body_bytes, 4);
        cr_assert_arr_eq(decoded.body, "body", 4);
        struct frame_notice notice;
        for (uint32_t k = 0; k < header.notice_count; k++) {
            cr_assert(frame_next_notice(&decoded, &notice));
            cr_assert_arr_eq(&notice.pid, &notices[k].pid, sizeof notice.pid);
            cr_assert_eq(notice.level, notices[k].level);
            cr_assert_eq(notice.version, notices[k].version);
        }
        cr_assert_not(frame_next_notice(&decoded, &notice));
    }
    buffer_fini(&out);
}

Test(frame, cut_at_any_byte_it_is_refused) {
    for (size_t bytes = 0; bytes < sizeof example_bytes; bytes++) {
        uint8_t *exact = mem_alloc(bytes);
        memcpy(exact, example_bytes, bytes);
        struct frame_header header = {.session = 4711};
        cr_assert_eq(frame_decode(exact, bytes, &header), TR_EDATA, "cut at %zu", bytes);
        cr_assert_eq(header.session, 4711);
        mem_free(exact);
    }
}

Test(frame, each_changed_byte_changes_the_meaning_or_is_refused) {
    struct buffer out;
    buffer_init(&out);
    for (size_t at = 0; at < sizeof example_bytes; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[sizeof example_bytes];
            memcpy(bytes, example_bytes, sizeof bytes);
            bytes[at] = (uint8_t)value;
            struct frame_header header;
            if (value == example_bytes[at] || frame_decode(bytes, sizeof bytes, &header) != TR_OK)
                continue;
            if (header.notice_count > 0) continue; /* already another meaning */
            buffer_clear(&out);
            frame_encode(&out, &header);
            buffer_append(&out, header.body, header.body_bytes);
            cr_assert(out.bytes != sizeof bytes || memcmp(out.data, example_bytes, out.bytes) != 0,
                      "byte %zu = %u", at, value);
        }
    }
    buffer_fini(&out);
}

static tr_status decode_changed(size_t at, uint8_t value) {
    uint8_t bytes[sizeof example_bytes];
    struct frame_header header;
    memcpy(bytes, example_bytes, sizeof bytes);
    bytes[at] = value;
    return frame_decode(bytes, sizeof bytes, &header);
}

Test(frame, other_versions_and_types_are_told_apart) {
    cr_assert_eq(decode_changed(1, 3), TR_ENOTSUP);
    cr_assert_eq(decode_changed(1, 0), TR_ENOTSUP);
    cr_assert_eq(decode_changed(2, 0), TR_EDATA);
    cr_assert_eq(decode_changed(2, FRAME_BYE + 1), TR_EDATA);
    cr_assert_eq(decode_changed(0, 0x9a), TR_EDATA);
    cr_assert_eq(decode_changed(3, 0xa0), TR_EDATA); /* no name */
}

Test(frame, notices_must_ascend_and_have_a_known_level) {
    struct frame_notice notices[2] = {{{1, 2, 3}, 5, PRESSURE_MUTE}, {{1, 2, 4}, 6, PRESSURE_FREE}};
    struct frame_header header = example, decoded;
    struct buffer out;
    buffer_init(&out);
    header.notices = notices;
    header.notice_count = 2;
    frame_encode(&out, &header);
    cr_assert_eq(frame_decode(out.data, out.bytes, &decoded), TR_OK);
    notices[1].version = 5;
    buffer_clear(&out);
    frame_encode(&out, &header);
    cr_assert_eq(frame_decode(out.data, out.bytes, &decoded), TR_EDATA);
    notices[1].version = 6;
    notices[1].level = (enum frame_pressure)3;
    buffer_clear(&out);
    frame_encode(&out, &header);
    cr_assert_eq(frame_decode(out.data, out.bytes, &decoded), TR_EDATA);
    buffer_fini(&out);
}

/* A node can always say who speaks which version, whatever follows the first four elements. */
Test(frame, a_peek_reads_what_all_versions_share) {
    static const uint8_t later[] = {0x96, 0x09, 0x2a, 0xa2, 'n', '1', 0x07, 0xc1, 0xc1};
    struct frame_peek peek;
    cr_assert_eq(frame_peek(later, sizeof later, &peek), TR_OK);
    cr_assert_eq(peek.version, 9);
    cr_assert_eq(peek.type, 42);
    cr_assert_eq(peek.source_bytes, 2);
    cr_assert_eq(peek.source_incarnation, 7);
    for (size_t bytes = 0; bytes < 7; bytes++)
        cr_assert_eq(frame_peek(later, bytes, &peek), TR_EDATA);
}

Test(frame, elements_of_a_later_version_are_skipped) {
    uint8_t bytes[sizeof example_bytes + 1 + 4];
    struct frame_header header;
    memcpy(bytes, example_bytes, sizeof example_bytes);
    bytes[0] = 0x9c;
    bytes[sizeof example_bytes] = 0xc3;
    memcpy(bytes + sizeof example_bytes + 1, "body", 4);
    cr_assert_eq(frame_decode(bytes, sizeof bytes, &header), TR_OK);
    cr_assert_eq(header.body_bytes, 4);
    cr_assert_eq(header.credit_sequence, 69);
}
