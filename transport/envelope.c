/*
 * envelope.c - the envelope's array: [kind, sequence, to, from, record, colour, trace id, span,
 * message id, reference, flags, body]. The first two elements are the link's, the others the
 * parcel's.
 */
#include "transport/envelope.h"

#include <msgpack.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"
#include "transport/cursor.h"

enum {
    ENVELOPE_ELEMENTS = 12,
    ENVELOPE_ELEMENTS_MAX = 32,
    EXTRA_DEPTH_MAX = 8,
    EXTRA_ITEMS_MAX = 256
};

/* Where a packer writes when the room is known beforehand. */
struct place {
    uint8_t *at;
    uint8_t *end;
};

static int place_write(void *data, const char *bytes, size_t count) {
    struct place *place = data;
    check((size_t)(place->end - place->at) >= count);
    memcpy(place->at, bytes, count);
    place->at += count;
    return 0;
}

static bool is_nobody(tr_pid pid) {
    return pid.space == 0 && pid.slot == 0 && pid.generation == 0;
}

static void pack_pid(msgpack_packer *packer, tr_pid pid) {
    if (is_nobody(pid)) {
        msgpack_pack_nil(packer);
        return;
    }
    msgpack_pack_array(packer, 3);
    msgpack_pack_uint64(packer, pid.space);
    msgpack_pack_uint32(packer, pid.slot);
    msgpack_pack_uint32(packer, pid.generation);
}

static void pack_trace(msgpack_packer *packer, const tr_trace *trace) {
    static const tr_trace none;
    if (memcmp(trace->id, none.id, sizeof none.id) == 0) {
        msgpack_pack_nil(packer);
    } else {
        msgpack_pack_bin(packer, sizeof trace->id);
        msgpack_pack_bin_body(packer, trace->id, sizeof trace->id);
    }
    msgpack_pack_uint64(packer, trace->span);
}

static bool is_between_actors(enum envelope_kind kind) {
    return kind == ENVELOPE_MESSAGE || kind == ENVELOPE_CONTROL;
}

static void pack_nils(msgpack_packer *packer, unsigned count) {
    while (count-- > 0) msgpack_pack_nil(packer);
}

/* All elements from `to` up to the body's head. */
static void pack_head(msgpack_packer *packer, const struct envelope *envelope) {
    if (is_between_actors(envelope->kind)) {
        pack_pid(packer, envelope->to);
        pack_pid(packer, envelope->from);
        msgpack_pack_uint32(packer, envelope->record);
        msgpack_pack_uint64(packer, envelope->colour);
        pack_trace(packer, &envelope->trace);
        msgpack_pack_uint64(packer, envelope->message_id);
        msgpack_pack_uint64(packer, envelope->reference);
    } else if (envelope->kind == ENVELOPE_RECORD) {
        pack_nils(packer, 2);
        msgpack_pack_uint32(packer, envelope->record);
        pack_nils(packer, 5);
    } else {
        pack_nils(packer, 8);
    }
    msgpack_pack_uint32(packer, envelope->flags);
    msgpack_pack_bin(packer, envelope->body_bytes);
}

struct parcel *envelope_encode(const struct envelope *envelope) {
    check((unsigned)envelope->kind < ENVELOPE_KINDS);
    check(envelope->body_bytes <= ENVELOPE_BODY_BYTES_MAX);
    check(!is_between_actors(envelope->kind) || !is_nobody(envelope->to));
    uint8_t head[ENVELOPE_HEAD_BYTES_MAX];
    struct place place = {head, head + sizeof head};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &place, place_write);
    pack_head(&packer, envelope);

    size_t head_bytes = (size_t)(place.at - head);
    struct parcel *parcel = mem_alloc(sizeof *parcel + head_bytes + envelope->body_bytes);
    *parcel = (struct parcel){.colour = envelope->colour,
                              .flags = envelope->flags,
                              .record = envelope->record,
                              .bytes = (uint32_t)head_bytes + envelope->body_bytes,
                              .kind = envelope->kind};
    memcpy(parcel->data, head, head_bytes);
    if (envelope->body_bytes > 0) {
        memcpy(parcel->data + head_bytes, envelope->body, envelope->body_bytes);
    }
    return parcel;
}

static void read_trace(struct cursor *cursor, tr_trace *trace_out) {
    if (!cursor_take_nil(cursor)) cursor_octets(cursor, trace_out->id, sizeof trace_out->id);
    cursor_uint(cursor, UINT64_MAX, &trace_out->span);
}

/* The elements between `to` and the message id, which depend on the kind. */
static void read_actors(struct cursor *cursor, struct envelope *envelope) {
    if (is_between_actors(envelope->kind)) {
        cursor_pid(cursor, &envelope->to);
        if (is_nobody(envelope->to)) cursor_fail(cursor);
        if (!cursor_take_nil(cursor)) cursor_pid(cursor, &envelope->from);
        cursor_u32(cursor, UINT32_MAX, &envelope->record);
        cursor_uint(cursor, UINT64_MAX, &envelope->colour);
        read_trace(cursor, &envelope->trace);
        cursor_uint(cursor, UINT64_MAX, &envelope->message_id);
        cursor_uint(cursor, UINT64_MAX, &envelope->reference);
        return;
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i == 2 && envelope->kind == ENVELOPE_RECORD) {
            cursor_u32(cursor, UINT32_MAX, &envelope->record);
        } else {
            cursor_nil(cursor);
        }
    }
}

static void read_from_to(struct cursor *cursor, struct envelope *envelope) {
    read_actors(cursor, envelope);
    cursor_u32(cursor, UINT32_MAX, &envelope->flags);
    cursor_bin(cursor, ENVELOPE_BODY_BYTES_MAX, &envelope->body, &envelope->body_bytes);
}

tr_status envelope_decode(const uint8_t *data, size_t bytes, struct envelope *envelope_out,
                          size_t *used_out) {
    struct cursor cursor = cursor_over(data, bytes);
    struct envelope envelope = {0};
    uint32_t count = 0;
    uint64_t kind = 0;
    cursor_array(&cursor, ENVELOPE_ELEMENTS_MAX, &count);
    if (count < ENVELOPE_ELEMENTS) return TR_EDATA;
    if (!cursor_uint(&cursor, ENVELOPE_KINDS - 1, &kind)) return TR_EDATA;
    envelope.kind = (enum envelope_kind)kind;
    cursor_uint(&cursor, UINT64_MAX, &envelope.sequence);
    read_from_to(&cursor, &envelope);
    for (uint32_t i = ENVELOPE_ELEMENTS; i < count; i++) {
        cursor_skip(&cursor, EXTRA_DEPTH_MAX, EXTRA_ITEMS_MAX);
    }
    if (cursor.failed) return TR_EDATA;
    envelope.wire_bytes = (size_t)(cursor.at - data);
    if (used_out != NULL) *used_out = envelope.wire_bytes;
    *envelope_out = envelope;
    return TR_OK;
}

void parcel_read(const struct parcel *parcel, struct envelope *envelope_out) {
    struct cursor cursor = cursor_over(parcel->data, parcel->bytes);
    struct envelope envelope = {.kind = (enum envelope_kind)parcel->kind};
    read_from_to(&cursor, &envelope);
    check(cursor_at_end(&cursor)); /* envelope_encode wrote it */
    *envelope_out = envelope;
}

static size_t uint_bytes(uint64_t value) {
    if (value < 0x80) return 1;
    if (value <= UINT8_MAX) return 2;
    if (value <= UINT16_MAX) return 3;
    return value <= UINT32_MAX ? 5 : 9;
}

/* The shortest msgpack of a number, which uint_bytes has measured. By hand: this runs for each
 * message. */
static uint8_t *write_uint(uint8_t *place, uint64_t value) {
    size_t bytes = uint_bytes(value) - 1;
    if (bytes == 0) {
        *place++ = (uint8_t)value;
        return place;
    }
    *place++ = bytes == 1 ? 0xcc : bytes == 2 ? 0xcd : bytes == 4 ? 0xce : 0xcf;
    for (size_t i = bytes; i-- > 0;) *place++ = (uint8_t)(value >> (8 * i));
    return place;
}

size_t parcel_wire_bytes(const struct parcel *parcel, uint64_t sequence) {
    return 2 + uint_bytes(sequence) + parcel->bytes;
}

uint8_t *parcel_write(const struct parcel *parcel, uint64_t sequence, uint8_t *place) {
    *place++ = 0x90 | ENVELOPE_ELEMENTS;
    *place++ = (uint8_t)parcel->kind;
    place = write_uint(place, sequence);
    memcpy(place, parcel->data, parcel->bytes);
    return place + parcel->bytes;
}

void parcel_free(struct parcel *parcel) {
    mem_free(parcel);
}
