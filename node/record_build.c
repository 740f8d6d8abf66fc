/*
 * record_build.c - makes types of drafts, after the checks that want the whole record.
 *
 * The fingerprint is taken over the msgpack descriptor, which holds just what the wire depends
 * on: names, kinds, counts and nested records, no offsets.
 */
#include "node/record_draft.h"

#include <string.h>

#include "node/base/buffer.h"
#include "node/base/digest.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/record_pack.h"

static tr_status check_struct(const struct record_draft *draft, tr_error *error) {
    if (draft->field_count > RECORD_FIELDS_MAX)
        return error_set(error, draft->refusal, NULL, "record %s: more than %d fields", draft->name,
                         RECORD_FIELDS_MAX);
    if (draft->bytes > RECORD_BYTES_MAX)
        return error_set(error, draft->refusal, NULL, "record %s: its struct has %u bytes, over %d",
                         draft->name, (unsigned)draft->bytes, RECORD_BYTES_MAX);
    uint32_t alignment = draft->alignment;
    if (alignment == 0 || alignment > RECORD_ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0)
        return error_set(error, draft->refusal, "take _Alignas off the struct",
                         "record %s: its struct is aligned to %u, which is not 1, 2, 4, 8 or %d",
                         draft->name, (unsigned)alignment, RECORD_ALIGNMENT_MAX);
    if (draft->bytes % alignment != 0)
        return error_set(error, draft->refusal, NULL,
                         "record %s: its struct has %u bytes, no multiple of its alignment %u",
                         draft->name, (unsigned)draft->bytes, (unsigned)alignment);
    return TR_OK;
}

/* A shared byte would be freed twice in a state. */
static tr_status check_overlaps(const struct record_draft *draft, tr_error *error) {
    for (uint32_t i = 0; i < draft->field_count; i++) {
        const record_field *a = &draft->fields[i];
        for (uint32_t k = i + 1; k < draft->field_count; k++) {
            const record_field *b = &draft->fields[k];
            if (a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes)
                return error_set(error, draft->refusal, "the fields of a union cannot travel",
                                 "record %s: fields %s and %s share bytes of the struct",
                                 draft->name, a->name, b->name);
        }
    }
    return TR_OK;
}

/* Puts field `index` where its name belongs among the `index` fields sorted already. */
static tr_status sort_name(const struct record_draft *draft, uint16_t *by_name, uint32_t index,
                           tr_error *error) {
    const char *name = draft->fields[index].name;
    uint32_t low = 0;
    uint32_t high = index;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(draft->fields[by_name[middle]].name, name);
        if (order == 0) return record_draft_refuse(draft, name, NULL, error, "appears twice");
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(by_name + low + 1, by_name + low, (index - low) * sizeof(*by_name));
    by_name[low] = (uint16_t)index;
    return TR_OK;
}

static uint32_t whole_kind(const record_field *field) {
    static const uint32_t flags[] = {0, TR_KIND_ARRAY, TR_KIND_LIST};
    return field->kind | flags[field->shape];
}

static void describe_field(struct buffer *out, const record_field *field) {
    record_pack_array(out, 4);
    record_pack_text(out, field->name, strlen(field->name));
    record_pack_u64(out, whole_kind(field));
    record_pack_u64(out, field->count);
    if (field->nested == NULL)
        record_pack_nil(out);
    else
        buffer_append(out, field->nested->descriptor, field->nested->descriptor_bytes);
}

static tr_status describe(const struct record_draft *draft, struct buffer *out, tr_error *error) {
    record_pack_array(out, 2);
    record_pack_text(out, draft->name, strlen(draft->name));
    record_pack_array(out, draft->field_count);
    for (uint32_t i = 0; i < draft->field_count; i++) {
        describe_field(out, &draft->fields[i]);
        if (out->bytes > RECORD_DESCRIPTOR_BYTES_MAX)
            return error_set(error, draft->refusal, NULL,
                             "record %s: too large to describe in %d bytes", draft->name,
                             RECORD_DESCRIPTOR_BYTES_MAX);
    }
    return TR_OK;
}

static bool field_flat(const record_field *field) {
    if (field->shape == RECORD_LIST) return false;
    if (field->kind == TR_KIND_RECORD) return field->nested->flat;
    return field->kind != TR_KIND_TEXT && field->kind != TR_KIND_BYTES;
}

/* Adds up what the whole type is from one of its fields. */
static void sum_field(record_type *type, const record_field *field) {
    const record_form *form = record_kind_form(field->kind);
    unsigned depth = field->nested == NULL ? form->depth : field->nested->depth;
    if (field->shape != RECORD_ONE) depth++;
    if (depth + 1 > type->depth) type->depth = (uint8_t)(depth + 1);
    if (field->nested != NULL && field->nested->levels + 1 > type->levels)
        type->levels = (uint8_t)(field->nested->levels + 1);

    uint64_t elements = field->nested == NULL ? form->elements : field->nested->elements;
    if (field->shape == RECORD_ONE) type->elements += 1 + elements;
    if (field->shape == RECORD_ARRAY) type->elements += 1 + field->count * (1 + elements);
    if (field->shape == RECORD_LIST) type->elements += 1;
    type->flat = type->flat && field->flat;
}

static tr_status check_depth(const struct record_draft *draft, const record_type *type,
                             tr_error *error) {
    if (type->levels <= RECORD_LEVELS_MAX && type->depth <= RECORD_DEPTH_MAX) return TR_OK;
    return error_set(error, draft->refusal, NULL,
                     "record %s: nested too deep (at most %d records and %d arrays within another)",
                     draft->name, RECORD_LEVELS_MAX, RECORD_DEPTH_MAX);
}

/* The pieces of a type's memory, in this order. */
struct pieces {
    size_t fields;
    size_t by_name;
    size_t descriptor;
    size_t names;
    size_t bytes;
};

static struct pieces cut_pieces(const struct record_draft *draft, size_t descriptor_bytes) {
    struct pieces pieces = {.fields = sizeof(record_type)};
    pieces.by_name = pieces.fields + draft->field_count * sizeof(record_field);
    pieces.descriptor = pieces.by_name + draft->field_count * sizeof(uint16_t);
    pieces.names = pieces.descriptor + descriptor_bytes;
    pieces.bytes = pieces.names + strlen(draft->name) + 1;
    for (uint32_t i = 0; i < draft->field_count; i++)
        pieces.bytes += strlen(draft->fields[i].name) + 1;
    return pieces;
}

static char *copy_name(char **next, const char *name) {
    char *copy = *next;
    size_t bytes = strlen(name) + 1;
    memcpy(copy, name, bytes);
    *next += bytes;
    return copy;
}

static uint64_t fingerprint_of(const struct buffer *descriptor) {
    uint8_t digest[DIGEST_BYTES];
    digest_of(descriptor->data, descriptor->bytes, digest);
    uint64_t fingerprint = 0;
    for (int i = 0; i < 8; i++) fingerprint = fingerprint << 8 | digest[i];
    return fingerprint;
}

/* Lays out the type's memory and all that follows from its fields. */
static record_type *lay_out(const struct record_draft *draft, const uint16_t *by_name,
                            const struct buffer *descriptor) {
    struct pieces pieces = cut_pieces(draft, descriptor->bytes);
    uint8_t *memory = mem_alloc(pieces.bytes);
    record_field *fields = (record_field *)(void *)(memory + pieces.fields);
    char *names = (char *)memory + pieces.names;
    memcpy(memory + pieces.by_name, by_name, draft->field_count * sizeof(*by_name));
    memcpy(memory + pieces.descriptor, descriptor->data, descriptor->bytes);

    record_type *type = (record_type *)(void *)memory;
    *type = (record_type){
        .name = copy_name(&names, draft->name),
        .record = draft->record,
        .bytes = draft->bytes,
        .alignment = draft->alignment,
        .field_count = draft->field_count,
        .fingerprint = fingerprint_of(descriptor),
        .fields = fields,
        .by_name = (const uint16_t *)(const void *)(memory + pieces.by_name),
        .descriptor = memory + pieces.descriptor,
        .descriptor_bytes = (uint32_t)descriptor->bytes,
        .memory_bytes = (uint32_t)pieces.bytes,
        .levels = 1,
        .depth = 1,
        .flat = true,
    };
    for (uint32_t i = 0; i < draft->field_count; i++) {
        fields[i] = draft->fields[i];
        fields[i].name = copy_name(&names, draft->fields[i].name);
        fields[i].flat = field_flat(&fields[i]);
        sum_field(type, &fields[i]);
    }
    return type;
}

static tr_status build_described(const struct record_draft *draft, const uint16_t *by_name,
                                 struct buffer *descriptor, record_type **type_out,
                                 tr_error *error) {
    tr_status status = describe(draft, descriptor, error);
    if (status != TR_OK) return status;
    record_type *type = lay_out(draft, by_name, descriptor);
    status = check_depth(draft, type, error);
    if (status == TR_OK)
        *type_out = type;
    else
        mem_free(type);
    return status;
}

tr_status record_build(const struct record_draft *draft, record_type **type_out, tr_error *error) {
    uint16_t by_name[RECORD_FIELDS_MAX];
    tr_status status = check_struct(draft, error);
    /* A layout of our own has no overlaps. */
    if (status == TR_OK && draft->record != NULL) status = check_overlaps(draft, error);
    for (uint32_t i = 0; status == TR_OK && i < draft->field_count; i++)
        status = sort_name(draft, by_name, i, error);
    if (status != TR_OK) return status;

    struct buffer descriptor = {0};
    status = build_described(draft, by_name, &descriptor, type_out, error);
    buffer_fini(&descriptor);
    return status;
}

bool record_type_same(const record_type *a, const record_type *b) {
    if (a->descriptor_bytes != b->descriptor_bytes || a->bytes != b->bytes ||
        a->alignment != b->alignment ||
        memcmp(a->descriptor, b->descriptor, a->descriptor_bytes) != 0)
        return false;
    for (uint32_t i = 0; i < a->field_count; i++) {
        if (a->fields[i].offset != b->fields[i].offset) return false;
        if (a->fields[i].nested != b->fields[i].nested) return false;
    }
    return true;
}
