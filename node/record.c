/*
 * record.c - kinds and their names, fields by name, limits.
 */
#include "node/record.h"

#include <stdio.h>

static const record_form forms[TR_KIND_RECORD + 1] = {
    [TR_KIND_NONE] = {"none", 0, 1, 0, 0},
    [TR_KIND_I8] = {"i8", 1, 1, 0, 0},
    [TR_KIND_I16] = {"i16", 2, _Alignof(int16_t), 0, 0},
    [TR_KIND_I32] = {"i32", 4, _Alignof(int32_t), 0, 0},
    [TR_KIND_I64] = {"i64", 8, _Alignof(int64_t), 0, 0},
    [TR_KIND_U8] = {"u8", 1, 1, 0, 0},
    [TR_KIND_U16] = {"u16", 2, _Alignof(uint16_t), 0, 0},
    [TR_KIND_U32] = {"u32", 4, _Alignof(uint32_t), 0, 0},
    [TR_KIND_U64] = {"u64", 8, _Alignof(uint64_t), 0, 0},
    [TR_KIND_F32] = {"f32", 4, _Alignof(float), 0, 0},
    [TR_KIND_F64] = {"f64", 8, _Alignof(double), 0, 0},
    [TR_KIND_BOOL] = {"bool", sizeof(bool), _Alignof(bool), 0, 0},
    [TR_KIND_CHARS] = {"chars", 0, 1, 0, 0},
    [TR_KIND_OCTETS] = {"octets", 0, 1, 0, 0},
    [TR_KIND_TEXT] = {"text", sizeof(tr_text), _Alignof(tr_text), 0, 0},
    [TR_KIND_BYTES] = {"bytes", sizeof(tr_bytes), _Alignof(tr_bytes), 0, 0},
    [TR_KIND_PID] = {"pid", sizeof(tr_pid), _Alignof(tr_pid), 1, 3},
    [TR_KIND_REQUEST] = {"request", sizeof(tr_request), _Alignof(tr_request), 2, 5},
    [TR_KIND_RECORD] = {"record", 0, 1, 0, 0},
};

const record_form *record_kind_form(uint32_t kind) {
    return &forms[kind <= TR_KIND_RECORD ? kind : TR_KIND_NONE];
}

char *record_kind_text(const record_field *field, char out[RECORD_KIND_TEXT_MAX]) {
    const char *name = record_kind_name(field->kind);
    bool counted = field->shape == RECORD_ARRAY || field->kind == TR_KIND_CHARS ||
                   field->kind == TR_KIND_OCTETS;
    if (field->shape == RECORD_LIST)
        snprintf(out, RECORD_KIND_TEXT_MAX, "list of %s", name);
    else if (counted)
        snprintf(out, RECORD_KIND_TEXT_MAX, "%s[%u]", name, (unsigned)field->count);
    else
        snprintf(out, RECORD_KIND_TEXT_MAX, "%s", name);
    return out;
}

/* Compares a name that ends in NUL with one of `bytes` bytes. */
static int compare_names(const char *own, const char *name, size_t bytes) {
    size_t own_bytes = strlen(own);
    int order = memcmp(own, name, own_bytes < bytes ? own_bytes : bytes);
    return order != 0 ? order : (own_bytes > bytes) - (own_bytes < bytes);
}

const record_field *record_type_field(const record_type *type, const char *name, size_t bytes) {
    uint32_t low = 0;
    uint32_t high = type->field_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const record_field *field = &type->fields[type->by_name[middle]];
        int order = compare_names(field->name, name, bytes);
        if (order == 0) return field;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* How many letters must be put in, taken out or replaced to turn one name into the other
 * (Levenshtein, 1966). Both have at most RECORD_NAME_BYTES_MAX bytes. */
static unsigned distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
    unsigned row[RECORD_NAME_BYTES_MAX + 1];
    for (size_t k = 0; k <= b_bytes; k++) row[k] = (unsigned)k;
    for (size_t i = 1; i <= a_bytes; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= b_bytes; k++) {
            unsigned replaced = corner + (a[i - 1] != b[k - 1]);
            corner = row[k];
            unsigned changed = (row[k - 1] < row[k] ? row[k - 1] : row[k]) + 1;
            row[k] = replaced < changed ? replaced : changed;
        }
    }
    return row[b_bytes];
}

const char *record_type_nearest(const record_type *type, const char *name) {
    size_t bytes = strlen(name);
    if (bytes > RECORD_NAME_BYTES_MAX) return NULL;
    unsigned best = 3 + (unsigned)bytes / 4; /* too far */
    const char *nearest = NULL;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const char *field = type->fields[i].name;
        size_t field_bytes = strlen(field);
        size_t apart = field_bytes > bytes ? field_bytes - bytes : bytes - field_bytes;
        if (apart >= best) continue;
        unsigned steps = distance(name, bytes, field, field_bytes);
        if (steps >= best || steps >= bytes) continue;
        best = steps;
        nearest = field;
    }
    return nearest;
}

record_limits record_limits_of(const record_limits *limits) {
    record_limits all = limits == NULL ? (record_limits){0} : *limits;
    if (all.body_bytes_max == 0) all.body_bytes_max = 1024 * 1024;
    if (all.block_bytes_max == 0) all.block_bytes_max = 16 * 1024 * 1024;
    if (all.elements_max == 0) all.elements_max = 65536;
    return all;
}
