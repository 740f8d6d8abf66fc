/*
 * record_draft.c - drafts of records, from C descriptors and from what peers describe.
 */
#include "node/record_draft.h"

#include <string.h>

#include "node/base/error.h"
#include "node/base/utf8.h"

/* ---- names and kinds ----------------------------------------------------------------- */

static bool letter_valid(char letter, bool first) {
    uint8_t c = (uint8_t)letter;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$') return true;
    return c >= 0x80 || (!first && ((c >= '0' && c <= '9') || c == ':'));
}

bool record_name_valid(const char *name, size_t bytes) {
    if (bytes == 0 || bytes > RECORD_NAME_BYTES_MAX) return false;
    for (size_t i = 0; i < bytes; i++)
        if (!letter_valid(name[i], i == 0)) return false;
    return utf8_valid(name, bytes);
}

tr_status record_draft_refuse(const struct record_draft *draft, const char *field, const char *hint,
                              tr_error *error, const char *reason) {
    return error_set(error, draft->refusal, hint, "record %s: field %s %s", draft->name, field,
                     reason);
}

static size_t alignment_of(const record_field *field) {
    if (field->shape == RECORD_LIST) return _Alignof(tr_list);
    return field->kind == TR_KIND_RECORD ? field->nested->alignment
                                         : record_kind_form(field->kind)->alignment;
}

bool record_kind_split(uint32_t kind, record_field *field) {
    uint32_t item = kind & TR_KIND_MASK;
    if (kind > 0xff || item == TR_KIND_NONE || item > TR_KIND_RECORD) return false;
    uint32_t flags = kind & ~(uint32_t)TR_KIND_MASK;
    bool counted = item == TR_KIND_CHARS || item == TR_KIND_OCTETS;
    if (flags == (TR_KIND_LIST | TR_KIND_ARRAY) || (counted && flags != 0)) return false;
    field->kind = (uint8_t)item;
    field->shape =
        flags == TR_KIND_LIST ? RECORD_LIST : (flags == TR_KIND_ARRAY ? RECORD_ARRAY : RECORD_ONE);
    return true;
}

/* ---- drafts from C descriptors ------------------------------------------------------- */

uint32_t record_field_count(const tr_record *record) {
    uint32_t count = 0;
    while (count <= RECORD_FIELDS_MAX && record->fields[count].name != NULL) count++;
    return count;
}

static tr_status refuse_kind(const struct record_draft *draft, const tr_field *source,
                             tr_error *error) {
    if (source->kind == TR_KIND_NONE || (source->kind & TR_KIND_MASK) == TR_KIND_NONE)
        return record_draft_refuse(
            draft, source->name,
            "a pointer means nothing in another process; use tr_text, tr_bytes or "
            "tr_list, or TR_FIELD_RECORD for a struct that has a record",
            error, "has a C type that cannot travel, such as a pointer");
    return error_set(error, draft->refusal, "describe fields with TR_FIELD and its kin",
                     "record %s: field %s has the unknown kind %u", draft->name, source->name,
                     (unsigned)source->kind);
}

static tr_status refuse_size(const struct record_draft *draft, const tr_field *source,
                             const record_field *field, tr_error *error) {
    return error_set(error, draft->refusal, "describe fields with TR_FIELD and its kin",
                     "record %s: field %s takes %u bytes in the struct, which does not suit the "
                     "kind %s of %u",
                     draft->name, source->name, (unsigned)source->bytes,
                     record_kind_name(field->kind), (unsigned)field->item_bytes);
}

/* Sets count and item size from the field's size in the struct. */
static tr_status size_local(const struct record_draft *draft, const tr_field *source,
                            record_field *field, tr_error *error) {
    bool counted = field->kind == TR_KIND_CHARS || field->kind == TR_KIND_OCTETS;
    field->item_bytes = record_kind_form(field->kind)->bytes;
    if (counted) field->item_bytes = source->bytes;
    if (field->kind == TR_KIND_RECORD) field->item_bytes = field->nested->bytes;
    field->count = counted ? source->bytes : 1;
    if (field->shape != RECORD_ONE && field->item_bytes == 0)
        return record_draft_refuse(draft, source->name, NULL, error, "has items of no bytes");

    bool suits = counted ? source->bytes > 0 : source->bytes == field->item_bytes;
    if (field->shape == RECORD_ARRAY) {
        field->count = source->bytes / field->item_bytes;
        suits = field->count > 0 && source->bytes % field->item_bytes == 0;
    } else if (field->shape == RECORD_LIST) {
        field->count = 0;
        suits = source->bytes == sizeof(tr_list);
    }
    return suits ? TR_OK : refuse_size(draft, source, field, error);
}

static tr_status place_local(const struct record_draft *draft, const tr_field *source,
                             const record_field *field, tr_error *error) {
    if (source->offset > draft->bytes || source->bytes > draft->bytes - source->offset)
        return record_draft_refuse(draft, source->name, NULL, error, "lies outside its struct");
    size_t alignment = alignment_of(field);
    if (alignment > draft->alignment || source->offset % alignment != 0)
        return record_draft_refuse(draft, source->name, "packed structs cannot be records", error,
                                   "is not aligned in its struct");
    return TR_OK;
}

static tr_status field_local(const struct record_draft *draft, const tr_field *source,
                             const record_type *nested, record_field *field, tr_error *error) {
    if (!record_name_valid(source->name, strlen(source->name)))
        return record_draft_refuse(draft, source->name, NULL, error,
                                   "has a name that is no C name");
    *field = (record_field){.name = source->name, .nested = nested, .offset = source->offset};
    if (!record_kind_split(source->kind, field)) return refuse_kind(draft, source, error);
    if ((field->kind == TR_KIND_RECORD) != (nested != NULL))
        return record_draft_refuse(draft, source->name,
                                   "use TR_FIELD_RECORD or TR_FIELD_LIST_RECORD for nested records",
                                   error, "and its nested record do not agree");
    field->bytes = source->bytes;
    tr_status status = size_local(draft, source, field, error);
    return status == TR_OK ? place_local(draft, source, field, error) : status;
}

tr_status record_draft_local(struct record_draft *draft, const record_type *const nested[],
                             tr_error *error) {
    const tr_field *sources = draft->record->fields;
    for (uint32_t i = 0; i < draft->field_count; i++) {
        tr_status status = field_local(draft, &sources[i], nested[i], &draft->fields[i], error);
        if (status != TR_OK) return status;
    }
    return TR_OK;
}

/* ---- drafts of peers' records -------------------------------------------------------- */

tr_status record_draft_place(struct record_draft *draft, const record_field *field,
                             tr_error *error) {
    record_field *placed = &draft->fields[draft->field_count];
    *placed = *field;
    bool counted = field->kind == TR_KIND_CHARS || field->kind == TR_KIND_OCTETS;
    placed->item_bytes = record_kind_form(field->kind)->bytes;
    if (counted) placed->item_bytes = field->count;
    if (field->kind == TR_KIND_RECORD) placed->item_bytes = field->nested->bytes;

    uint64_t bytes = placed->item_bytes;
    if (field->shape == RECORD_ARRAY) bytes *= field->count;
    if (field->shape == RECORD_LIST) bytes = sizeof(tr_list);
    size_t alignment = alignment_of(placed);
    uint64_t offset = (draft->bytes + alignment - 1) & ~(uint64_t)(alignment - 1);
    if (bytes == 0 || offset + bytes > RECORD_BYTES_MAX)
        return record_draft_refuse(draft, field->name, NULL, error, "has no bytes or too many");

    placed->bytes = (uint32_t)bytes;
    placed->offset = (uint32_t)offset;
    draft->bytes = (uint32_t)(offset + bytes);
    if (alignment > draft->alignment) draft->alignment = (uint32_t)alignment;
    draft->field_count++;
    return TR_OK;
}
