/*
 * record_pack.h - msgpack-c's packing functions over a struct buffer.
 *
 * The writer is known where each packing function is compiled, so that its calls become plain
 * stores for what fits the buffer already. Packing into memory cannot fail.
 */
#ifndef TROUPE_RECORD_PACK_H
#define TROUPE_RECORD_PACK_H

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

static inline void record_pack_i64(struct buffer *out, int64_t value) {
    msgpack_packer packer = record_pack_to(out);
    msgpack_pack_int64(&packer, value);
}

static inline void record_pack_u64(struct buffer *out, uint64_t value) {
    msgpack_packer packer = record_pack_to(out);
    msgpack_pack_uint64(&packer, value);
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
    msgpack_packer packer = record_pack_to(out);
    value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer);
}

static inline void record_pack_nil(struct buffer *out) {
    msgpack_packer packer = record_pack_to(out);
    msgpack_pack_nil(&packer);
}

static inline void record_pack_array(struct buffer *out, size_t count) {
    msgpack_packer packer = record_pack_to(out);
    msgpack_pack_array(&packer, count);
}

static inline void record_pack_text(struct buffer *out, const char *text, size_t bytes) {
    msgpack_packer packer = record_pack_to(out);
    msgpack_pack_str(&packer, bytes);
    record_pack_append(out, text, bytes);
}

static inline void record_pack_bytes(struct buffer *out, const void *data, size_t bytes) {
    msgpack_packer packer = record_pack_to(out);
    msgpack_pack_bin(&packer, bytes);
    record_pack_append(out, data, bytes);
}

#endif
