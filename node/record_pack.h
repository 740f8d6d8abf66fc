/*
 * record_pack.h - packing msgpack into a struct buffer.
 *
 * What is small and frequent is written here, in the shortest form, as plain stores; the rest by
 * msgpack-c's functions, which know their writer where they are compiled. Packing into memory
 * cannot fail.
 */
#ifndef TROUPE_RECORD_PACK_H
#define TROUPE_RECORD_PACK_H

#include <endian.h>
#include <msgpack/pack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "node/base/buffer.h"

static inline int record_pack_append(void *out, const char *source, size_t bytes) {
    struct buffer *buffer = out;
    if (bytes > buffer->capacity - buffer->bytes) return buffer_write(buffer, source, bytes);
    if (bytes > 0) memcpy(buffer->data + buffer->bytes, source, bytes);
    buffer->bytes += bytes;
    return 0;
}

static inline msgpack_packer record_pack_to(struct buffer *out) {
    return (msgpack_packer){out, record_pack_append};
}

/* Room for `bytes` more; the caller adds what it has used to buffer->bytes. */
static inline uint8_t *record_pack_room(struct buffer *out, size_t bytes) {
    if (bytes > out->capacity - out->bytes) buffer_reserve(out, bytes);
    return out->data + out->bytes;
}

/* A head byte and the `bytes` low bytes of `value`, the highest first. */
static inline void record_pack_wide(struct buffer *out, uint8_t head, uint64_t value,
                                    unsigned bytes) {
    uint8_t *at = record_pack_room(out, 9);
    uint64_t swapped = htobe64(value << (64 - 8 * bytes));
    at[0] = head;
    memcpy(at + 1, &swapped, sizeof swapped); /* what lies behind is overwritten or unused */
    out->bytes += 1 + bytes;
}

static inline void record_pack_byte(struct buffer *out, uint8_t byte) {
    *record_pack_room(out, 1) = byte;
    out->bytes++;
}

/* By hand: there are a dozen integers in each recorded message, and msgpack-c's functions are too
 * large to be compiled into their callers. */
static inline void record_pack_u64(struct buffer *out, uint64_t value) {
    if (value < 0x80)
        record_pack_byte(out, (uint8_t)value);
    else if (value <= UINT8_MAX)
        record_pack_wide(out, 0xcc, value, 1);
    else if (value <= UINT16_MAX)
        record_pack_wide(out, 0xcd, value, 2);
    else if (value <= UINT32_MAX)
        record_pack_wide(out, 0xce, value, 4);
    else
        record_pack_wide(out, 0xcf, value, 8);
}

static inline void record_pack_i64(struct buffer *out, int64_t value) {
    if (value >= 0)
        record_pack_u64(out, (uint64_t)value);
    else if (value >= -32)
        record_pack_byte(out, (uint8_t)value);
    else if (value >= INT8_MIN)
        record_pack_wide(out, 0xd0, (uint64_t)value, 1);
    else if (value >= INT16_MIN)
        record_pack_wide(out, 0xd1, (uint64_t)value, 2);
    else if (value >= INT32_MIN)
        record_pack_wide(out, 0xd2, (uint64_t)value, 4);
    else
        record_pack_wide(out, 0xd3, (uint64_t)value, 8);
}

static inline void record_pack_f32(struct buffer *out, float value) {
    msgpack_packer packer = record_pack_to(out);
    msgpack_pack_float(&packer, value);
}

static inline void record_pack_f64(struct buffer *out, double value) {
    msgpack_packer packer = record_pack_to(out);
    msgpack_pack_double(&packer, value);
}

static inline void record_pack_bool(struct buffer *out, bool value) {
    record_pack_byte(out, value ? 0xc3 : 0xc2);
}

static inline void record_pack_nil(struct buffer *out) {
    record_pack_byte(out, 0xc0);
}

static inline void record_pack_array(struct buffer *out, size_t count) {
    msgpack_packer packer = record_pack_to(out);
    if (count < 16)
        record_pack_byte(out, (uint8_t)(0x90 | count));
    else
        msgpack_pack_array(&packer, count);
}

static inline void record_pack_text(struct buffer *out, const char *text, size_t bytes) {
    msgpack_packer packer = record_pack_to(out);
    if (bytes < 32)
        record_pack_byte(out, (uint8_t)(0xa0 | bytes));
    else
        msgpack_pack_str(&packer, bytes);
    record_pack_append(out, text, bytes);
}

static inline void record_pack_bytes(struct buffer *out, const void *data, size_t bytes) {
    msgpack_packer packer = record_pack_to(out);
    msgpack_pack_bin(&packer, bytes);
    record_pack_append(out, data, bytes);
}

#endif
