/*
 * record_codec.h - bodies as msgpack, in and out, and from one version of a record to another.
 *
 * A record is a msgpack array of its fields by position: integers in their shortest form, f32 and
 * f64 as floats, char[N] and texts as str, uint8_t[N] and bytes as bin, a pid as [space, slot,
 * generation], a request as [pid, id], arrays, lists and nested records as arrays. Decoding takes
 * outside bytes (I5): it allocates nothing and refuses all but exactly this. When sender and
 * receiver were built with different fields, the body is decoded as the sender's type
 * (record_table_from_wire) and then converted. Any thread may call.
 */
#ifndef TROUPE_RECORD_CODEC_H
#define TROUPE_RECORD_CODEC_H

#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/buffer.h"
#include "node/record.h"

/* Appends a body's encoding. The body (flattened or not) must be one record_measure accepts. */
void record_encode(const record_type *type, const void *body, struct buffer *out);

/* Checks an encoding whole and returns the size of the block its body needs. `limits` may be
 * NULL. Errors: TR_EDATA; `*error` (may be NULL) names the field's path and what is wrong. */
tr_status record_decode_measure(const record_type *type, const void *data, size_t bytes,
                                const record_limits *limits, size_t *block_bytes_out,
                                tr_error *error);

/* Decodes into a block of `block_bytes` bytes, as measured, aligned to RECORD_ALIGNMENT_MAX; the
 * block does not point into `data`. For a flat type the size is type->bytes, and measuring first
 * is not needed: everything is checked here again. Errors: as above, with the block's content
 * then undefined. */
tr_status record_decode(const record_type *type, const void *data, size_t bytes,
                        const record_limits *limits, void *block, size_t block_bytes,
                        tr_error *error);

/* Measures the body of type `to` that a body of type `from` becomes, field by field name: fields
 * that `from` lacks become zero, those `to` lacks are left out, integers fit or are refused,
 * char[N] may change N, an array may grow, and everything else must have kept its kind. Errors:
 * TR_EDATA; `*error` (may be NULL) names record, field and both kinds, or the value's path. */
tr_status record_convert_measure(const record_type *from, const void *body, const record_type *to,
                                 const record_limits *limits, size_t *block_bytes_out,
                                 tr_error *error);

/* Converts into a block of `block_bytes` bytes, as measured; the block does not point into
 * `body`. The body must be the one measured. */
void record_convert(const record_type *from, const void *body, const record_type *to, void *block,
                    size_t block_bytes);

#endif
