/*
 * frame.c - the header's array: [version, type, source, source incarnation, destination
 * incarnation, session, notices, notices seen, ack, credit bytes, credit sequence]. The first
 * four are the same in every version of the protocol.
 */
#include "transport/frame.h"

#include <msgpack.h>

#include "node/base/check.h"

enum {
    HEADER_ELEMENTS = 11,
    HEADER_ELEMENTS_MAX = 32,
    SOURCE_BYTES_MAX = 63,
    EXTRA_DEPTH_MAX = 8,
    EXTRA_ITEMS_MAX = 1024
};

static void pack_notices(msgpack_packer *packer, const struct frame_header *header) {
    msgpack_pack_array(packer, header->notice_count);
    for (uint32_t i = 0; i < header->notice_count; i++) {
        const struct frame_notice *notice = &header->notices[i];
        msgpack_pack_array(packer, 3);
        msgpack_pack_array(packer, 3);
        msgpack_pack_uint64(packer, notice->pid.space);
        msgpack_pack_uint32(packer, notice->pid.slot);
        msgpack_pack_uint32(packer, notice->pid.generation);
        msgpack_pack_uint8(packer, (uint8_t)notice->level);
        msgpack_pack_uint64(packer, notice->version);
    }
}

void frame_encode(struct buffer *out, const struct frame_header *header) {
    check(header->source_bytes > 0 && header->source_bytes <= SOURCE_BYTES_MAX);
    check(header->notice_count <= FRAME_NOTICES_MAX);
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, buffer_write);
    msgpack_pack_array(&packer, HEADER_ELEMENTS);
    msgpack_pack_uint8(&packer, FRAME_VERSION);
    msgpack_pack_uint8(&packer, (uint8_t)header->type);
    msgpack_pack_str(&packer, header->source_bytes);
    msgpack_pack_str_body(&packer, header->source, header->source_bytes);
    msgpack_pack_uint64(&packer, header->source_incarnation);
    msgpack_pack_uint64(&packer, header->destination_incarnation);
    msgpack_pack_uint64(&packer, header->session);
    pack_notices(&packer, header);
    msgpack_pack_uint64(&packer, header->notices_seen);
    msgpack_pack_uint64(&packer, header->ack);
    msgpack_pack_uint64(&packer, header->credit_bytes);
    msgpack_pack_uint64(&packer, header->credit_sequence);
}

static bool read_notice(struct cursor *cursor, struct frame_notice *notice_out) {
    uint32_t count;
    uint64_t level;
    struct frame_notice notice;
    if (!cursor_array(cursor, 3, &count)) return false;
    if (count != 3) return cursor_fail(cursor);
    if (!cursor_pid(cursor, &notice.pid) || !cursor_uint(cursor, PRESSURE_REFUSE, &level) ||
        !cursor_uint(cursor, UINT64_MAX, &notice.version)) {
        return false;
    }
    notice.level = (enum frame_pressure)level;
    *notice_out = notice;
    return true;
}

/* Checks all notices once, so that reading them later cannot fail. Their versions must ascend. */
static void read_notices(struct cursor *cursor, struct frame_header *header) {
    if (!cursor_array(cursor, FRAME_NOTICES_MAX, &header->notice_count)) return;
    header->notices_read = *cursor;
    uint64_t version = 0;
    for (uint32_t i = 0; i < header->notice_count; i++) {
        struct frame_notice notice;
        if (!read_notice(cursor, &notice)) return;
        if (notice.version <= version) cursor_fail(cursor);
        version = notice.version;
    }
}

bool frame_next_notice(struct frame_header *header, struct frame_notice *notice_out) {
    if (header->notice_count == 0) return false;
    header->notice_count--;
    bool read = read_notice(&header->notices_read, notice_out);
    check(read); /* frame_decode has read it before */
    return true;
}

/* The head of the array and the elements that never change; leaves how many elements follow. */
static bool read_start(struct cursor *cursor, struct frame_peek *peek, uint32_t *left_out) {
    uint32_t count;
    if (!cursor_array(cursor, HEADER_ELEMENTS_MAX, &count)) return false;
    if (count < 4) return cursor_fail(cursor);
    if (!cursor_uint(cursor, UINT64_MAX, &peek->version) ||
        !cursor_uint(cursor, UINT64_MAX, &peek->type) ||
        !cursor_str(cursor, SOURCE_BYTES_MAX, &peek->source, &peek->source_bytes) ||
        !cursor_uint(cursor, UINT64_MAX, &peek->source_incarnation)) {
        return false;
    }
    if (peek->source_bytes == 0) return cursor_fail(cursor);
    *left_out = count - 4;
    return true;
}

tr_status frame_peek(const uint8_t *data, size_t bytes, struct frame_peek *peek_out) {
    struct cursor cursor = cursor_over(data, bytes);
    struct frame_peek peek;
    uint32_t left;
    if (!read_start(&cursor, &peek, &left)) return TR_EDATA;
    *peek_out = peek;
    return TR_OK;
}

static void read_rest(struct cursor *cursor, struct frame_header *header, uint32_t left) {
    cursor_uint(cursor, UINT64_MAX, &header->destination_incarnation);
    cursor_uint(cursor, UINT64_MAX, &header->session);
    read_notices(cursor, header);
    cursor_uint(cursor, UINT64_MAX, &header->notices_seen);
    cursor_uint(cursor, UINT64_MAX, &header->ack);
    cursor_uint(cursor, UINT64_MAX, &header->credit_bytes);
    cursor_uint(cursor, UINT64_MAX, &header->credit_sequence);
    for (uint32_t i = HEADER_ELEMENTS - 4; i < left; i++) {
        cursor_skip(cursor, EXTRA_DEPTH_MAX, EXTRA_ITEMS_MAX);
    }
}

tr_status frame_decode(const uint8_t *data, size_t bytes, struct frame_header *header_out) {
    struct cursor cursor = cursor_over(data, bytes);
    struct frame_peek peek;
    uint32_t left;
    if (!read_start(&cursor, &peek, &left)) return TR_EDATA;
    if (peek.version != FRAME_VERSION) return TR_ENOTSUP;
    if (peek.type < FRAME_HELLO || peek.type > FRAME_BYE) return TR_EDATA;
    if (left < HEADER_ELEMENTS - 4) return TR_EDATA;

    struct frame_header header = {.type = (enum frame_type)peek.type,
                                  .source = peek.source,
                                  .source_bytes = peek.source_bytes,
                                  .source_incarnation = peek.source_incarnation};
    read_rest(&cursor, &header, left);
    if (cursor.failed) return TR_EDATA;
    header.body = cursor.at;
    header.body_bytes = cursor_left(&cursor);
    *header_out = header;
    return TR_OK;
}
