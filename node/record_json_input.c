/*
 * record_json_input.c - bodies read from JSON: one walk for measuring and for filling.
 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"
#include "node/record_base64.h"
#include "node/record_block.h"
#include "node/record_body.h"
#include "node/record_fault.h"
#include "node/record_integer.h"
#include "node/record_json.h"

/* A body being read. Places are NULL while it is measured. */
struct reader {
    struct record_block block;
    uint64_t elements_left;
    const record_pids *pids;
    struct record_fault fault;
};

static bool read_record(struct reader *reader, const record_type *type, const json_t *json,
                        uint8_t *to);

static const char *what_is(const json_t *json) {
    switch (json_typeof(json)) {
        case JSON_OBJECT:
            return "an object";
        case JSON_ARRAY:
            return "an array";
        case JSON_STRING:
            return "a string";
        case JSON_INTEGER:
            return "an integer";
        case JSON_REAL:
            return "a number with a fraction";
        case JSON_NULL:
            return "null";
        default:
            return json_is_true(json) ? "true" : "false";
    }
}

static bool refuse(struct reader *reader, const char *expected, const json_t *json) {
    return record_fault_set(&reader->fault, "expected %s, got %s", expected, what_is(json));
}

static bool store(uint8_t *to, const void *value, size_t bytes) {
    if (to != NULL && bytes > 0) memcpy(to, value, bytes);
    return true;
}

static bool take(struct reader *reader, uint64_t bytes, size_t alignment, uint8_t **piece_out) {
    if (record_block_take_zeroed(&reader->block, bytes, alignment, piece_out)) return true;
    return record_fault_set(&reader->fault, "the body becomes too big");
}

/* ---- numbers -----------------------------------------------------------------------------------
 */

/* Reads a whole text as an integer: digits, with a minus sign in front or not. */
static bool parse_integer(const char *text, size_t bytes, record_integer *integer_out) {
    bool negative = bytes > 0 && text[0] == '-';
    size_t start = negative ? 1 : 0;
    uint64_t bits = 0;
    if (bytes == start) return false;
    for (size_t i = start; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        if (__builtin_mul_overflow(bits, 10u, &bits)) return false;
        if (__builtin_add_overflow(bits, (unsigned)(text[i] - '0'), &bits)) return false;
    }
    if (negative && bits > (uint64_t)INT64_MAX + 1) return false;
    *integer_out = (record_integer){negative ? 0 - bits : bits, negative && bits > 0};
    return true;
}

static bool read_integer(struct reader *reader, uint32_t kind, const json_t *json, uint8_t *to) {
    const char *name = record_kind_name(kind);
    record_integer integer;
    if (json_is_integer(json)) {
        int64_t value = json_integer_value(json);
        integer = (record_integer){(uint64_t)value, value < 0};
    } else if (!json_is_string(json)) {
        return refuse(reader, "an integer", json);
    } else if (!parse_integer(json_string_value(json), json_string_length(json), &integer)) {
        return record_fault_set(&reader->fault, "expected an integer, got \"%.40s\"",
                                json_string_value(json));
    }
    if (!record_integer_fits(kind, integer))
        return record_fault_set(&reader->fault, "the number is out of the range of %s", name);
    if (to != NULL) record_integer_store(kind, integer, to);
    return true;
}

static bool read_float(struct reader *reader, uint32_t kind, const json_t *json, uint8_t *to) {
    if (!json_is_number(json)) return refuse(reader, "a number", json);
    double wide = json_number_value(json);
    if (kind == TR_KIND_F64) return store(to, &wide, sizeof(wide));
    if (fabs(wide) > (double)FLT_MAX)
        return record_fault_set(&reader->fault, "the number is out of the range of f32");
    float single = (float)wide;
    return store(to, &single, sizeof(single));
}

static bool read_bool(struct reader *reader, const json_t *json, uint8_t *to) {
    if (!json_is_boolean(json)) return refuse(reader, "true or false", json);
    bool value = json_is_true(json);
    return store(to, &value, sizeof(value));
}

/* ---- texts and bytes ---------------------------------------------------------------------------
 */

static bool read_chars(struct reader *reader, const record_field *field, const json_t *json,
                       uint8_t *to) {
    if (!json_is_string(json)) return refuse(reader, "a string", json);
    size_t bytes = json_string_length(json);
    if (bytes > field->item_bytes)
        return record_fault_set(&reader->fault, "a text of %zu bytes where %u fit", bytes,
                                (unsigned)field->item_bytes);
    if (memchr(json_string_value(json), 0, bytes) != NULL)
        return record_fault_set(&reader->fault, "a text with a zero byte in it");
    return store(to, json_string_value(json), bytes);
}

/* Measures the bytes a base64 string holds. */
static bool measure_base64(struct reader *reader, const json_t *json, size_t *bytes_out) {
    if (!json_is_string(json)) return refuse(reader, "a string of base64", json);
    if (base64_measure(json_string_value(json), json_string_length(json), bytes_out)) return true;
    return record_fault_set(&reader->fault, "the string is not base64");
}

static bool read_octets(struct reader *reader, const record_field *field, const json_t *json,
                        uint8_t *to) {
    size_t bytes;
    if (!measure_base64(reader, json, &bytes)) return false;
    if (bytes != field->item_bytes)
        return record_fault_set(&reader->fault, "expected %u bytes as base64, got %zu",
                                (unsigned)field->item_bytes, bytes);
    if (to != NULL) base64_decode(json_string_value(json), json_string_length(json), to);
    return true;
}

static bool read_bytes(struct reader *reader, const json_t *json, uint8_t *to) {
    size_t bytes;
    uint8_t *piece = NULL;
    if (!measure_base64(reader, json, &bytes)) return false;
    if (bytes > 0 && !take(reader, bytes, 1, &piece)) return false;
    if (piece != NULL) base64_decode(json_string_value(json), json_string_length(json), piece);
    tr_bytes value = {.data = piece, .bytes = (uint32_t)bytes};
    return store(to, &value, sizeof(value));
}

static bool read_text(struct reader *reader, const json_t *json, uint8_t *to) {
    if (!json_is_string(json)) return refuse(reader, "a string", json);
    size_t bytes = json_string_length(json);
    uint8_t *piece = NULL;
    if (bytes > 0 && !take(reader, bytes, 1, &piece)) return false;
    store(piece, json_string_value(json), bytes);
    tr_text value = {.data = (const char *)piece, .bytes = (uint32_t)bytes};
    return store(to, &value, sizeof(value));
}

/* ---- pids --------------------------------------------------------------------------------------
 */

/* Inverts what record_to_json writes without callbacks. */
static bool parse_bare_pid(const char *text, tr_pid *pid_out) {
    if (strcmp(text, "-") == 0) {
        *pid_out = (tr_pid){0};
        return true;
    }
    uint64_t space;
    uint32_t slot;
    uint32_t generation;
    char again[TR_PID_TEXT_MAX];
    if (sscanf(text, "%16" SCNx64 "/%10" SCNu32 ".%10" SCNu32, &space, &slot, &generation) != 3)
        return false;
    snprintf(again, sizeof(again), "%016" PRIx64 "/%" PRIu32 ".%" PRIu32, space, slot, generation);
    if (strcmp(text, again) != 0) return false;
    *pid_out = (tr_pid){space, slot, generation};
    return true;
}

static bool read_pid(struct reader *reader, const json_t *json, tr_pid *pid_out) {
    if (!json_is_string(json)) return refuse(reader, "a pid as a string", json);
    const char *text = json_string_value(json);
    const record_pids *pids = reader->pids;
    bool whole = strlen(text) == json_string_length(json);
    bool read =
        pids == NULL ? parse_bare_pid(text, pid_out) : pids->parse(pids->context, text, pid_out);
    if (read && whole) return true;
    return record_fault_set(&reader->fault, "\"%.96s\" is no pid", text);
}

static bool read_request(struct reader *reader, const json_t *json, uint8_t *to) {
    tr_request request = {0};
    if (!json_is_object(json)) return refuse(reader, "a request as an object", json);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)json, key, value) {
        bool read;
        if (strcmp(key, "from") == 0)
            read = read_pid(reader, value, &request.from);
        else if (strcmp(key, "id") == 0)
            read = read_integer(reader, TR_KIND_U64, value, (uint8_t *)&request.id);
        else
            return record_fault_set(&reader->fault, "a request has from and id, not \"%.40s\"",
                                    key);
        if (!read) return record_fault_in_field(&reader->fault, key);
    }
    return store(to, &request, sizeof(request));
}

/* ---- records -----------------------------------------------------------------------------------
 */

static bool read_item(struct reader *reader, const record_field *field, const json_t *json,
                      uint8_t *to) {
    tr_pid pid;
    switch (field->kind) {
        case TR_KIND_F32:
        case TR_KIND_F64:
            return read_float(reader, field->kind, json, to);
        case TR_KIND_BOOL:
            return read_bool(reader, json, to);
        case TR_KIND_CHARS:
            return read_chars(reader, field, json, to);
        case TR_KIND_OCTETS:
            return read_octets(reader, field, json, to);
        case TR_KIND_TEXT:
            return read_text(reader, json, to);
        case TR_KIND_BYTES:
            return read_bytes(reader, json, to);
        case TR_KIND_PID:
            return read_pid(reader, json, &pid) && store(to, &pid, sizeof(pid));
        case TR_KIND_REQUEST:
            return read_request(reader, json, to);
        case TR_KIND_RECORD:
            return read_record(reader, field->nested, json, to);
        default:
            return read_integer(reader, field->kind, json, to);
    }
}

static bool read_items(struct reader *reader, const record_field *field, const json_t *json,
                       uint8_t *to) {
    for (size_t i = 0; i < json_array_size(json); i++) {
        const json_t *item = json_array_get(json, i);
        if (!read_item(reader, field, item, record_block_at(to, i * field->item_bytes)))
            return record_fault_in_item(&reader->fault, (uint32_t)i);
    }
    return true;
}

static bool read_list(struct reader *reader, const record_field *field, const json_t *json,
                      uint8_t *to) {
    if (!json_is_array(json)) return refuse(reader, "an array", json);
    uint64_t count = json_array_size(json);
    uint64_t each = 1 + record_item_elements(field);
    if (count > reader->elements_left / each)
        return record_fault_set(&reader->fault, "too many elements for one body");
    reader->elements_left -= count * each;
    uint8_t *items = NULL;
    if (count > 0 && !take(reader, count * field->item_bytes, record_item_alignment(field), &items))
        return false;
    tr_list list = {.items = items, .count = (uint32_t)count};
    store(to, &list, sizeof(list));
    return read_items(reader, field, json, items);
}

static bool read_array(struct reader *reader, const record_field *field, const json_t *json,
                       uint8_t *to) {
    if (!json_is_array(json)) return refuse(reader, "an array", json);
    if (json_array_size(json) != field->count)
        return record_fault_set(&reader->fault, "expected an array of %u, got one of %zu",
                                (unsigned)field->count, json_array_size(json));
    return read_items(reader, field, json, to);
}

static bool read_field(struct reader *reader, const record_field *field, const json_t *json,
                       uint8_t *to) {
    if (field->shape == RECORD_ONE) return read_item(reader, field, json, to);
    if (field->shape == RECORD_LIST) return read_list(reader, field, json, to);
    return read_array(reader, field, json, to);
}

static bool refuse_unknown(struct reader *reader, const record_type *type, const char *key) {
    const char *nearest = record_type_nearest(type, key);
    if (nearest != NULL)
        snprintf(reader->fault.hint, sizeof(reader->fault.hint), "did you mean %s?", nearest);
    else if (type->field_count == 0)
        snprintf(reader->fault.hint, sizeof(reader->fault.hint), "record %s has no fields",
                 type->name);
    return record_fault_set(&reader->fault, "there is no field \"%.127s\"", key);
}

static bool read_record(struct reader *reader, const record_type *type, const json_t *json,
                        uint8_t *to) {
    if (!json_is_object(json)) return refuse(reader, "an object", json);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)json, key, value) {
        const record_field *field = record_type_field(type, key, strlen(key));
        if (field == NULL) return refuse_unknown(reader, type, key);
        if (!read_field(reader, field, value, record_block_at(to, field->offset)))
            return record_fault_in_field(&reader->fault, field->name);
    }
    return true;
}

static bool read_body(struct reader *reader, const record_type *type, const json_t *json) {
    uint8_t *body = NULL;
    if (!take(reader, type->bytes, 1, &body)) return false;
    return json == NULL || read_record(reader, type, json, body);
}

tr_status record_from_json(const record_type *type, const json_t *json, const record_pids *pids,
                           const record_limits *limits, void **block_out, tr_error *error) {
    record_limits all = record_limits_of(limits);
    struct reader reader = {
        .block = {.limit = all.block_bytes_max}, .elements_left = all.elements_max, .pids = pids};
    record_fault_init(&reader.fault);
    if (!read_body(&reader, type, json)) return record_fault_report(&reader.fault, type, error);

    void *block = mem_alloc(reader.block.used);
    reader.block = (struct record_block){.base = block, .limit = reader.block.used};
    reader.elements_left = all.elements_max;
    if (!read_body(&reader, type, json)) {
        /* Only when a callback changed its mind about a pid. */
        mem_free(block);
        return record_fault_report(&reader.fault, type, error);
    }
    *block_out = block;
    return TR_OK;
}
