/*
 * wire.h - the registry's messages as msgpack: a writer over a buffer, a strict reader.
 *
 * The writer uses msgpack-c's packer. The reader works on bytes from peers (I5): it allocates
 * nothing, checks every type and length, and keeps the first fault; after it all reads give zero
 * or "", so that a decoder reads a whole message and asks once at the end. A text with a zero
 * byte in it, a container larger than the bytes that are left, and bytes left over are faults.
 */
#ifndef TROUPE_REGISTRY_WIRE_H
#define TROUPE_REGISTRY_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/buffer.h"

/* ---- writing: each appends one msgpack item ---- */

void wire_put_array(struct buffer *out, uint32_t count); /* `count` items follow */
void wire_put_u64(struct buffer *out, uint64_t value);
void wire_put_bool(struct buffer *out, bool value);
void wire_put_text(struct buffer *out, const char *text);
void wire_put_bytes(struct buffer *out, const void *source, size_t byte_count);
void wire_put_pid(struct buffer *out, tr_pid pid); /* an array of three numbers */

/* ---- reading ---- */

struct wire_reader {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    const char *fault; /* NULL: none so far; a static text */
    size_t fault_at;   /* the byte it was found at */
};

/* Starts reading; the bytes are borrowed as long as the reader is used. */
void wire_open(struct wire_reader *reader, const uint8_t *bytes, size_t byte_count);

/* Reads the head of an array: its count, at most `count_max` and the bytes left. */
uint32_t wire_array(struct wire_reader *reader, uint32_t count_max);

/* Reads the head of an array of exactly `count` items. */
void wire_tuple(struct wire_reader *reader, uint32_t count);

/* Reads one unsigned number, at most `value_max`. */
uint64_t wire_u64(struct wire_reader *reader, uint64_t value_max);

bool wire_bool(struct wire_reader *reader);

/* Reads a text into `out`, closing zero included at most `out_bytes`. */
void wire_text(struct wire_reader *reader, char *out, size_t out_bytes);

/* Reads exactly `byte_count` bytes into `out`, which is zeroed on a fault. */
void wire_bytes(struct wire_reader *reader, uint8_t *out, size_t byte_count);

tr_pid wire_pid(struct wire_reader *reader);

/* Records a fault found by the decoder itself, unless there is one already. */
void wire_fail(struct wire_reader *reader, const char *fault);

/* True when there was no fault and nothing is left over. */
bool wire_close(struct wire_reader *reader);

/* Puts the fault into `error` (may be NULL) as "WHAT from PEER: FAULT at byte N"; returns TR_EDATA.
 */
tr_status wire_error(const struct wire_reader *reader, tr_error *error, const char *what,
                     const char *peer);

#endif
