#include "registry/wire.h"

#include <msgpack.h>
#include <string.h>

#include "node/base/error.h"

/* ---- writing ---- */

static msgpack_packer packer_over(struct buffer *out) {
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, buffer_write);
    return packer;
}

void wire_put_array(struct buffer *out, uint32_t count) {
    msgpack_packer packer = packer_over(out);
    msgpack_pack_array(&packer, count);
}

void wire_put_u64(struct buffer *out, uint64_t value) {
    msgpack_packer packer = packer_over(out);
    msgpack_pack_uint64(&packer, value);
}

void wire_put_bool(struct buffer *out, bool value) {
    msgpack_packer packer = packer_over(out);
    if (value) {
        msgpack_pack_true(&packer);
    } else {
        msgpack_pack_false(&packer);
    }
}

void wire_put_text(struct buffer *out, const char *text) {
    msgpack_packer packer = packer_over(out);
    size_t byte_count = strlen(text);
    msgpack_pack_str(&packer, byte_count);
    msgpack_pack_str_body(&packer, text, byte_count);
}

void wire_put_bytes(struct buffer *out, const void *source, size_t byte_count) {
    msgpack_packer packer = packer_over(out);
    msgpack_pack_bin(&packer, byte_count);
    msgpack_pack_bin_body(&packer, source, byte_count);
}

void wire_put_pid(struct buffer *out, tr_pid pid) {
    wire_put_array(out, 3);
    wire_put_u64(out, pid.space);
    wire_put_u64(out, pid.slot);
    wire_put_u64(out, pid.generation);
}

/* ---- reading ---- */

void wire_open(struct wire_reader *reader, const uint8_t *bytes, size_t byte_count) {
    *reader = (struct wire_reader){.start = bytes, .at = bytes, .end = bytes + byte_count};
}

void wire_fail(struct wire_reader *reader, const char *fault) {
    if (reader->fault != NULL) return;
    reader->fault = fault;
    reader->fault_at = (size_t)(reader->at - reader->start);
}

static size_t bytes_left(const struct wire_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

/* The next `byte_count` bytes, or NULL when there was a fault or there are not so many. */
static const uint8_t *take(struct wire_reader *reader, size_t byte_count) {
    if (reader->fault != NULL) return NULL;
    if (bytes_left(reader) < byte_count) {
        wire_fail(reader, "the message ends too early");
        return NULL;
    }
    const uint8_t *taken = reader->at;
    reader->at += byte_count;
    return taken;
}

/* One byte; 0xc1, which msgpack never uses, when there is none. */
static uint8_t take_head(struct wire_reader *reader) {
    const uint8_t *head = take(reader, 1);
    return head == NULL ? 0xc1 : *head;
}

/* A big-endian number of 1, 2, 4 or 8 bytes. */
static uint64_t take_number(struct wire_reader *reader, size_t byte_count) {
    const uint8_t *digits = take(reader, byte_count);
    uint64_t value = 0;
    for (size_t i = 0; digits != NULL && i < byte_count; i++) value = value << 8 | digits[i];
    return value;
}

uint32_t wire_array(struct wire_reader *reader, uint32_t count_max) {
    uint8_t head = take_head(reader);
    uint64_t count = 0;
    if ((head & 0xf0) == 0x90) {
        count = head & 0x0f;
    } else if (head == 0xdc) {
        count = take_number(reader, 2);
    } else if (head == 0xdd) {
        count = take_number(reader, 4);
    } else {
        wire_fail(reader, "not an array");
    }
    if (count > count_max || count > bytes_left(reader)) wire_fail(reader, "an array too long");
    return reader->fault == NULL ? (uint32_t)count : 0;
}

void wire_tuple(struct wire_reader *reader, uint32_t count) {
    if (wire_array(reader, count) != count) wire_fail(reader, "an array of another length");
}

uint64_t wire_u64(struct wire_reader *reader, uint64_t value_max) {
    uint8_t head = take_head(reader);
    uint64_t value = 0;
    if (head < 0x80) {
        value = head;
    } else if (head >= 0xcc && head <= 0xcf) {
        value = take_number(reader, (size_t)1 << (head - 0xcc));
    } else {
        wire_fail(reader, "not an unsigned number");
    }
    if (value > value_max) wire_fail(reader, "a number too large");
    return reader->fault == NULL ? value : 0;
}

bool wire_bool(struct wire_reader *reader) {
    uint8_t head = take_head(reader);
    if (head != 0xc2 && head != 0xc3) wire_fail(reader, "not a truth value");
    return head == 0xc3;
}

static size_t take_text_length(struct wire_reader *reader) {
    uint8_t head = take_head(reader);
    if ((head & 0xe0) == 0xa0) return head & 0x1f;
    if (head == 0xd9) return (size_t)take_number(reader, 1);
    if (head == 0xda) return (size_t)take_number(reader, 2);
    if (head == 0xdb) return (size_t)take_number(reader, 4);
    wire_fail(reader, "not a text");
    return 0;
}

void wire_text(struct wire_reader *reader, char *out, size_t out_bytes) {
    out[0] = '\0';
    size_t byte_count = take_text_length(reader);
    if (byte_count >= out_bytes) {
        wire_fail(reader, "a text too long");
        return;
    }
    const uint8_t *text = take(reader, byte_count);
    if (text == NULL) return;
    if (memchr(text, '\0', byte_count) != NULL) {
        wire_fail(reader, "a text with a zero byte in it");
        return;
    }
    memcpy(out, text, byte_count);
    out[byte_count] = '\0';
}

static size_t take_bytes_length(struct wire_reader *reader) {
    uint8_t head = take_head(reader);
    if (head == 0xc4) return (size_t)take_number(reader, 1);
    if (head == 0xc5) return (size_t)take_number(reader, 2);
    if (head == 0xc6) return (size_t)take_number(reader, 4);
    wire_fail(reader, "not bytes");
    return 0;
}

void wire_bytes(struct wire_reader *reader, uint8_t *out, size_t byte_count) {
    memset(out, 0, byte_count);
    if (take_bytes_length(reader) != byte_count) {
        wire_fail(reader, "bytes of another length");
        return;
    }
    const uint8_t *source = take(reader, byte_count);
    if (source != NULL) memcpy(out, source, byte_count);
}

tr_pid wire_pid(struct wire_reader *reader) {
    wire_tuple(reader, 3);
    tr_pid pid = {.space = wire_u64(reader, UINT64_MAX)};
    pid.slot = (uint32_t)wire_u64(reader, UINT32_MAX);
    pid.generation = (uint32_t)wire_u64(reader, UINT32_MAX);
    return reader->fault == NULL ? pid : (tr_pid){0};
}

bool wire_close(struct wire_reader *reader) {
    if (reader->at != reader->end) wire_fail(reader, "bytes after the end of the message");
    return reader->fault == NULL;
}

tr_status wire_error(const struct wire_reader *reader, tr_error *error, const char *what,
                     const char *peer) {
    return error_set(error, TR_EDATA, "check that both nodes run the same version of troupe",
                     "%s from %s: %s at byte %zu", what, peer, reader->fault, reader->fault_at);
}
