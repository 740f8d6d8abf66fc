/*
 * record_json.c - bodies and types written as JSON.
 */
#include "node/record_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "node/base/buffer.h"
#include "node/base/check.h"
#include "node/base/memory.h"
#include "node/base/utf8.h"
#include "node/record_base64.h"
#include "node/record_integer.h"

/* jansson returns NULL when memory is exhausted, which ends the process here as everywhere. */
static json_t *made(json_t *json) {
    check(json != NULL);
    return json;
}

static void set(json_t *object, const char *key, json_t *value) {
    check(json_object_set_new_nocheck(object, key, made(value)) == 0);
}

/* ---- values ------------------------------------------------------------------------------------
 */

static json_t *integer_json(record_integer integer) {
    if (integer.negative || integer.bits <= INT64_MAX)
        return json_integer((json_int_t)(int64_t)integer.bits);
    char text[32];
    snprintf(text, sizeof(text), "%" PRIu64, integer.bits);
    return json_string(text);
}

static json_t *real_json(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

/* Copies text with U+FFFD in place of each byte that is not UTF-8. */
static json_t *repaired_json(const char *text, size_t bytes) {
    struct buffer valid = {0};
    for (size_t i = 0; i < bytes;) {
        size_t step = utf8_decode(text + i, bytes - i, NULL);
        if (step > 0)
            buffer_append(&valid, text + i, step);
        else
            buffer_append_text(&valid, "\xef\xbf\xbd");
        i += step > 0 ? step : 1;
    }
    json_t *json = json_stringn_nocheck((const char *)valid.data, valid.bytes);
    buffer_fini(&valid);
    return json;
}

static json_t *text_json(const char *text, size_t bytes) {
    if (text == NULL || bytes == 0) return json_string("");
    if (utf8_valid(text, bytes)) return json_stringn_nocheck(text, bytes);
    return repaired_json(text, bytes);
}

static json_t *bytes_json(const uint8_t *data, size_t bytes) {
    if (data == NULL || bytes == 0) return json_string("");
    size_t text_bytes = base64_text_bytes(bytes);
    char *text = mem_alloc(text_bytes);
    base64_encode(data, bytes, text);
    json_t *json = json_stringn_nocheck(text, text_bytes);
    mem_free(text);
    return json;
}

static json_t *pid_json(tr_pid pid, const record_pids *pids) {
    char text[TR_PID_TEXT_MAX] = "-";
    if (pids != NULL)
        pids->format(pids->context, pid, text, sizeof(text));
    else if (pid.space != 0 || pid.slot != 0 || pid.generation != 0)
        snprintf(text, sizeof(text), "%016" PRIx64 "/%" PRIu32 ".%" PRIu32, pid.space, pid.slot,
                 pid.generation);
    return text_json(text, strlen(text));
}

static json_t *request_json(tr_request request, const record_pids *pids) {
    json_t *object = made(json_object());
    set(object, "from", pid_json(request.from, pids));
    set(object, "id", integer_json((record_integer){.bits = request.id}));
    return object;
}

/* ---- bodies ------------------------------------------------------------------------------------
 */

/* A value of type T at `from`. */
#define LOAD(T, from)                          \
    __extension__({                            \
        T value_;                              \
        memcpy(&value_, from, sizeof(value_)); \
        value_;                                \
    })

static json_t *variable_json(uint32_t kind, tr_bytes value) {
    if (kind == TR_KIND_BYTES) return bytes_json(value.data, value.bytes);
    return text_json((const char *)value.data, value.bytes);
}

static json_t *item_json(const record_field *field, const uint8_t *from, const record_pids *pids) {
    switch (field->kind) {
        case TR_KIND_F32:
            return real_json((double)LOAD(float, from));
        case TR_KIND_F64:
            return real_json(LOAD(double, from));
        case TR_KIND_BOOL:
            return json_boolean(*from != 0);
        case TR_KIND_CHARS:
            return text_json((const char *)from, strnlen((const char *)from, field->item_bytes));
        case TR_KIND_OCTETS:
            return bytes_json(from, field->item_bytes);
        case TR_KIND_TEXT:
        case TR_KIND_BYTES:
            return variable_json(field->kind, LOAD(tr_bytes, from));
        case TR_KIND_PID:
            return pid_json(LOAD(tr_pid, from), pids);
        case TR_KIND_REQUEST:
            return request_json(LOAD(tr_request, from), pids);
        case TR_KIND_RECORD:
            return record_to_json(field->nested, from, pids);
        default:
            return integer_json(record_integer_load(field->kind, from));
    }
}

static json_t *items_json(const record_field *field, const uint8_t *from, uint32_t count,
                          const record_pids *pids) {
    json_t *array = made(json_array());
    for (uint32_t i = 0; i < count; i++) {
        json_t *item = item_json(field, from + (size_t)i * field->item_bytes, pids);
        check(json_array_append_new(array, made(item)) == 0);
    }
    return array;
}

static json_t *field_json(const record_field *field, const uint8_t *from, const record_pids *pids) {
    if (field->shape == RECORD_ONE) return item_json(field, from, pids);
    if (field->shape == RECORD_ARRAY) return items_json(field, from, field->count, pids);
    tr_list list = LOAD(tr_list, from);
    return items_json(field, list.items, list.items == NULL ? 0 : list.count, pids);
}

json_t *record_to_json(const record_type *type, const void *body, const record_pids *pids) {
    const uint8_t *from = body;
    json_t *object = made(json_object());
    for (uint32_t i = 0; i < type->field_count; i++) {
        const record_field *field = &type->fields[i];
        set(object, field->name, field_json(field, from + field->offset, pids));
    }
    return object;
}

/* ---- types -------------------------------------------------------------------------------------
 */

static json_t *kind_json(const record_field *field) {
    const char *name = record_kind_name(field->kind);
    return field->shape == RECORD_LIST ? json_sprintf("list of %s", name) : json_string(name);
}

json_t *record_type_to_json(const record_type *type) {
    json_t *array = made(json_array());
    for (uint32_t i = 0; i < type->field_count; i++) {
        const record_field *field = &type->fields[i];
        bool counted = field->shape == RECORD_ARRAY || field->kind == TR_KIND_CHARS ||
                       field->kind == TR_KIND_OCTETS;
        json_t *object = made(json_object());
        set(object, "name", json_string(field->name));
        set(object, "kind", kind_json(field));
        if (counted) set(object, "count", json_integer(field->count));
        if (field->nested != NULL) {
            set(object, "record", json_string(field->nested->name));
            set(object, "fields", record_type_to_json(field->nested));
        }
        check(json_array_append_new(array, object) == 0);
    }
    return array;
}
