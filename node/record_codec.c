/*
 * record_codec.c - encoding follows the fields; decoding is one walk for measuring and filling.
 */
#include "node/record_codec.h"

#include <string.h>

#include "node/base/error.h"
#include "node/record_block.h"
#include "node/record_body.h"
#include "node/record_cursor.h"
#include "node/record_fault.h"
#include "node/record_integer.h"
#include "node/record_pack.h"

/* A value of type T at `from`. */
#define LOAD(T, from)                          \
    __extension__({                            \
        T value_;                              \
        memcpy(&value_, from, sizeof(value_)); \
        value_;                                \
    })

/* ---- encoding ------------------------------------------------------------------------ */

static void encode_pid(struct buffer *out, tr_pid pid) {
    record_pack_array(out, 3);
    record_pack_u64(out, pid.space);
    record_pack_u64(out, pid.slot);
    record_pack_u64(out, pid.generation);
}

static void encode_request(struct buffer *out, tr_request request) {
    record_pack_array(out, 2);
    encode_pid(out, request.from);
    record_pack_u64(out, request.id);
}

static void encode_text(struct buffer *out, tr_text text) {
    record_pack_text(out, text.data, text.data == NULL ? 0 : text.bytes);
}

static void encode_bytes(struct buffer *out, tr_bytes bytes) {
    record_pack_bytes(out, bytes.data, bytes.data == NULL ? 0 : bytes.bytes);
}

static void encode_integer(struct buffer *out, uint32_t kind, const uint8_t *from) {
    record_integer integer = record_integer_load(kind, from);
    if (integer.negative)
        record_pack_i64(out, (int64_t)integer.bits);
    else
        record_pack_u64(out, integer.bits);
}

static void encode_chars(struct buffer *out, const char *text, size_t bytes_max) {
    record_pack_text(out, text, strnlen(text, bytes_max));
}

static void encode_item(struct buffer *out, const record_field *field, const uint8_t *from) {
    switch (field->kind) {
        case TR_KIND_F32:
            record_pack_f32(out, LOAD(float, from));
            break;
        case TR_KIND_F64:
            record_pack_f64(out, LOAD(double, from));
            break;
        case TR_KIND_BOOL:
            record_pack_bool(out, *from != 0);
            break;
        case TR_KIND_CHARS:
            encode_chars(out, (const char *)from, field->item_bytes);
            break;
        case TR_KIND_OCTETS:
            record_pack_bytes(out, from, field->item_bytes);
            break;
        case TR_KIND_TEXT:
            encode_text(out, LOAD(tr_text, from));
            break;
        case TR_KIND_BYTES:
            encode_bytes(out, LOAD(tr_bytes, from));
            break;
        case TR_KIND_PID:
            encode_pid(out, LOAD(tr_pid, from));
            break;
        case TR_KIND_REQUEST:
            encode_request(out, LOAD(tr_request, from));
            break;
        case TR_KIND_RECORD:
            record_encode(field->nested, from, out);
            break;
        default:
            encode_integer(out, field->kind, from);
            break;
    }
}

static void encode_items(struct buffer *out, const record_field *field, const uint8_t *from,
                         uint32_t count) {
    record_pack_array(out, count);
    for (uint32_t i = 0; i < count; i++)
        encode_item(out, field, from + (size_t)i * field->item_bytes);
}

static void encode_list(struct buffer *out, const record_field *field, tr_list list) {
    encode_items(out, field, list.items, list.items == NULL ? 0 : list.count);
}

void record_encode(const record_type *type, const void *body, struct buffer *out) {
    const uint8_t *from = body;
    record_pack_array(out, type->field_count);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const record_field *field = &type->fields[i];
        const uint8_t *place = from + field->offset;
        if (field->shape == RECORD_ONE)
            encode_item(out, field, place);
        else if (field->shape == RECORD_ARRAY)
            encode_items(out, field, place, field->count);
        else
            encode_list(out, field, LOAD(tr_list, place));
    }
}

/* ---- decoding ------------------------------------------------------------------------ */

/* A body being decoded. Places are NULL while it is measured. */
struct decoder {
    struct record_cursor in;
    struct record_block block;
    uint64_t elements_left;
    struct record_fault *fault;
};

static bool decode_record(struct decoder *decoder, const record_type *type, uint8_t *to);

static bool refuse(struct decoder *decoder, const char *expected) {
    return record_fault_set(decoder->fault, "expected %s, found %s", expected,
                            record_cursor_what(&decoder->in));
}

/* Reads the head of an array whose elements are allowed. */
static bool decode_array(struct decoder *decoder, const char *expected, uint32_t *count_out) {
    if (!record_cursor_read_array(&decoder->in, count_out)) {
        if (record_cursor_is_array(&decoder->in))
            return record_fault_set(decoder->fault, "an array is cut short");
        return refuse(decoder, expected);
    }
    if (*count_out > decoder->elements_left)
        return record_fault_set(decoder->fault, "too many elements for one body");
    decoder->elements_left -= *count_out;
    return true;
}

static bool decode_array_of(struct decoder *decoder, uint32_t count, const char *expected) {
    uint32_t found;
    if (!decode_array(decoder, expected, &found)) return false;
    if (found == count) return true;
    return record_fault_set(decoder->fault, "expected %s with %u elements, found %u", expected,
                            (unsigned)count, (unsigned)found);
}

static bool decode_integer(struct decoder *decoder, uint32_t kind, uint8_t *to) {
    record_integer integer;
    if (!record_cursor_read_integer(&decoder->in, &integer)) return refuse(decoder, "an integer");
    if (!record_integer_fits(kind, integer))
        return record_fault_set(decoder->fault, "an integer out of the range of %s",
                                record_kind_name(kind));
    if (to != NULL) record_integer_store(kind, integer, to);
    return true;
}

static bool store(uint8_t *to, const void *value, size_t bytes) {
    if (to != NULL) memcpy(to, value, bytes);
    return true;
}

static bool decode_float(struct decoder *decoder, uint32_t kind, uint8_t *to) {
    float single;
    double wide;
    if (kind == TR_KIND_F32) {
        if (!record_cursor_read_f32(&decoder->in, &single))
            return refuse(decoder, "a 32-bit float");
        return store(to, &single, sizeof(single));
    }
    if (!record_cursor_read_f64(&decoder->in, &wide)) return refuse(decoder, "a 64-bit float");
    return store(to, &wide, sizeof(wide));
}

static bool decode_bool(struct decoder *decoder, uint8_t *to) {
    bool value;
    if (!record_cursor_read_bool(&decoder->in, &value)) return refuse(decoder, "a bool");
    return store(to, &value, sizeof(value));
}

static bool decode_chars(struct decoder *decoder, const record_field *field, uint8_t *to) {
    const uint8_t *data;
    uint32_t bytes;
    if (!record_cursor_read_text(&decoder->in, &data, &bytes)) return refuse(decoder, "a text");
    if (bytes > field->item_bytes)
        return record_fault_set(decoder->fault, "a text of %u bytes where %u fit", (unsigned)bytes,
                                (unsigned)field->item_bytes);
    if (memchr(data, 0, bytes) != NULL)
        return record_fault_set(decoder->fault, "a text with a zero byte in it");
    return bytes == 0 || store(to, data, bytes);
}

static bool decode_octets(struct decoder *decoder, const record_field *field, uint8_t *to) {
    const uint8_t *data;
    uint32_t bytes;
    if (!record_cursor_read_bytes(&decoder->in, &data, &bytes)) return refuse(decoder, "bytes");
    if (bytes != field->item_bytes)
        return record_fault_set(decoder->fault, "expected %u bytes, found %u",
                                (unsigned)field->item_bytes, (unsigned)bytes);
    return store(to, data, bytes);
}

static bool take(struct decoder *decoder, uint64_t bytes, size_t alignment, uint8_t **piece_out) {
    if (record_block_take(&decoder->block, bytes, alignment, piece_out)) return true;
    return record_fault_set(decoder->fault, "the body becomes too big");
}

/* A text or bytes, which share a layout. */
static bool decode_variable(struct decoder *decoder, uint32_t kind, uint8_t *to) {
    const uint8_t *data;
    tr_bytes value = {0};
    bool read = kind == TR_KIND_TEXT ? record_cursor_read_text(&decoder->in, &data, &value.bytes)
                                     : record_cursor_read_bytes(&decoder->in, &data, &value.bytes);
    if (!read) return refuse(decoder, kind == TR_KIND_TEXT ? "a text" : "bytes");
    uint8_t *piece = NULL;
    if (value.bytes > 0 && !take(decoder, value.bytes, 1, &piece)) return false;
    if (piece != NULL) memcpy(piece, data, value.bytes);
    value.data = piece;
    return store(to, &value, sizeof(value));
}

static bool decode_pid(struct decoder *decoder, tr_pid *pid_out) {
    return decode_array_of(decoder, 3, "a pid") &&
           decode_integer(decoder, TR_KIND_U64, (uint8_t *)&pid_out->space) &&
           decode_integer(decoder, TR_KIND_U32, (uint8_t *)&pid_out->slot) &&
           decode_integer(decoder, TR_KIND_U32, (uint8_t *)&pid_out->generation);
}

static bool decode_request(struct decoder *decoder, uint8_t *to) {
    tr_request request;
    if (!decode_array_of(decoder, 2, "a request") || !decode_pid(decoder, &request.from) ||
        !decode_integer(decoder, TR_KIND_U64, (uint8_t *)&request.id))
        return false;
    return store(to, &request, sizeof(request));
}

static bool decode_item(struct decoder *decoder, const record_field *field, uint8_t *to) {
    tr_pid pid;
    switch (field->kind) {
        case TR_KIND_F32:
        case TR_KIND_F64:
            return decode_float(decoder, field->kind, to);
        case TR_KIND_BOOL:
            return decode_bool(decoder, to);
        case TR_KIND_CHARS:
            return decode_chars(decoder, field, to);
        case TR_KIND_OCTETS:
            return decode_octets(decoder, field, to);
        case TR_KIND_TEXT:
        case TR_KIND_BYTES:
            return decode_variable(decoder, field->kind, to);
        case TR_KIND_PID:
            return decode_pid(decoder, &pid) && store(to, &pid, sizeof(pid));
        case TR_KIND_REQUEST:
            return decode_request(decoder, to);
        case TR_KIND_RECORD:
            return decode_record(decoder, field->nested, to);
        default:
            return decode_integer(decoder, field->kind, to);
    }
}

static bool decode_items(struct decoder *decoder, const record_field *field, uint8_t *to,
                         uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (!decode_item(decoder, field, record_block_at(to, (size_t)i * field->item_bytes)))
            return record_fault_in_item(decoder->fault, i);
    }
    return true;
}

static bool decode_list(struct decoder *decoder, const record_field *field, uint8_t *to) {
    tr_list list = {0};
    uint8_t *items = NULL;
    if (!decode_array(decoder, "a list", &list.count)) return false;
    if (list.count > 0) {
        uint64_t bytes = (uint64_t)list.count * field->item_bytes;
        if (!take(decoder, bytes, record_item_alignment(field), &items)) return false;
        if (items != NULL) memset(items, 0, (size_t)bytes);
    }
    list.items = items;
    store(to, &list, sizeof(list));
    return decode_items(decoder, field, items, list.count);
}

static bool decode_field(struct decoder *decoder, const record_field *field, uint8_t *to) {
    if (field->shape == RECORD_ONE) return decode_item(decoder, field, to);
    if (field->shape == RECORD_LIST) return decode_list(decoder, field, to);
    return decode_array_of(decoder, field->count, "an array") &&
           decode_items(decoder, field, to, field->count);
}

static bool decode_record(struct decoder *decoder, const record_type *type, uint8_t *to) {
    if (!decode_array_of(decoder, type->field_count, "a record")) return false;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const record_field *field = &type->fields[i];
        if (!decode_field(decoder, field, record_block_at(to, field->offset)))
            return record_fault_in_field(decoder->fault, field->name);
    }
    return true;
}

/* The whole body, into decoder->block. */
static bool decode_body(struct decoder *decoder, const record_type *type, size_t bytes,
                        size_t bytes_max) {
    uint8_t *body = NULL;
    if (bytes > bytes_max)
        return record_fault_set(decoder->fault, "a body of %zu bytes, more than %zu", bytes,
                                bytes_max);
    if (!take(decoder, type->bytes, 1, &body)) return false;
    if (body != NULL && type->bytes > 0) memset(body, 0, type->bytes);
    if (!decode_record(decoder, type, body)) return false;
    if (decoder->in.at == decoder->in.end) return true;
    return record_fault_set(decoder->fault, "%zu bytes too many behind the body",
                            record_cursor_left(&decoder->in));
}

/* Measures (a NULL block) or fills; `*used_out` is what was needed of the block. */
static tr_status decode(const record_type *type, const void *data, size_t bytes,
                        const record_limits *limits, void *block, size_t block_bytes,
                        size_t *used_out, tr_error *error) {
    static const uint8_t nothing;
    const uint8_t *start = bytes > 0 ? data : &nothing;
    record_limits all = record_limits_of(limits);
    struct record_fault fault;
    record_fault_init(&fault);
    struct decoder decoder = {
        .in = {start, start + bytes},
        .block = {.base = block, .limit = block != NULL ? block_bytes : all.block_bytes_max},
        .elements_left = all.elements_max,
        .fault = &fault};
    if (!decode_body(&decoder, type, bytes, all.body_bytes_max))
        return record_fault_report(&fault, type, error);
    *used_out = decoder.block.used;
    return TR_OK;
}

tr_status record_decode_measure(const record_type *type, const void *data, size_t bytes,
                                const record_limits *limits, size_t *block_bytes_out,
                                tr_error *error) {
    return decode(type, data, bytes, limits, NULL, 0, block_bytes_out, error);
}

tr_status record_decode(const record_type *type, const void *data, size_t bytes,
                        const record_limits *limits, void *block, size_t block_bytes,
                        tr_error *error) {
    size_t used;
    return decode(type, data, bytes, limits, block, block_bytes, &used, error);
}
