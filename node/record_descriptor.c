/*
 * record_descriptor.c - from the inside out: nested records are made before what they are in.
 */
#include "node/record_descriptor.h"

#include <stdio.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/record_cursor.h"
#include "node/record_draft.h"

/* One array, a name of one byte, two integers and nil. */
enum { FIELD_BYTES_MIN = 6 };

struct reader {
    const record_table *table;
    struct record_cursor in;
    char *names; /* room for all names, each with a NUL in place of its msgpack head */
    struct record_made *made;
    uint32_t types_max;
    size_t bytes_max;
    tr_error *error;
};

static tr_status read_type(struct reader *reader, unsigned level, const record_type **type_out);

static tr_status malformed(struct reader *reader, const char *expected) {
    return error_set(reader->error, TR_EDATA, NULL, "record descriptor: expected %s, found %s",
                     expected, record_cursor_what(&reader->in));
}

static tr_status read_name(struct reader *reader, const char **name_out) {
    const uint8_t *data;
    uint32_t bytes;
    if (!record_cursor_read_text(&reader->in, &data, &bytes)) return malformed(reader, "a name");
    if (!record_name_valid((const char *)data, bytes))
        return error_set(reader->error, TR_EDATA, NULL,
                         "record descriptor: a name of %u bytes that is no C name",
                         (unsigned)bytes);
    memcpy(reader->names, data, bytes);
    reader->names[bytes] = '\0';
    *name_out = reader->names;
    reader->names += bytes + 1;
    return TR_OK;
}

static tr_status read_number(struct reader *reader, const char *what, uint32_t *number_out) {
    record_integer integer;
    struct record_cursor before = reader->in;
    if (!record_cursor_read_integer(&reader->in, &integer)) return malformed(reader, what);
    if (integer.negative || integer.bits > UINT32_MAX) {
        reader->in = before;
        return error_set(reader->error, TR_EDATA, NULL, "record descriptor: %s is out of range",
                         what);
    }
    *number_out = (uint32_t)integer.bits;
    return TR_OK;
}

static tr_status read_nested(struct reader *reader, unsigned level, record_field *field) {
    if (field->kind == TR_KIND_RECORD) return read_type(reader, level + 1, &field->nested);
    return record_cursor_read_nil(&reader->in) ? TR_OK : malformed(reader, "nil");
}

static tr_status read_field(struct reader *reader, unsigned level, struct record_draft *draft) {
    record_field field = {0};
    uint32_t parts;
    uint32_t kind;
    if (!record_cursor_read_array(&reader->in, &parts) || parts != 4)
        return malformed(reader, "a field of four parts");
    tr_status status = read_name(reader, &field.name);
    if (status == TR_OK) status = read_number(reader, "a kind", &kind);
    if (status == TR_OK) status = read_number(reader, "a count", &field.count);
    if (status != TR_OK) return status;
    if (!record_kind_split(kind, &field))
        return record_draft_refuse(draft, field.name, NULL, reader->error, "has an unknown kind");

    bool counted = field.kind == TR_KIND_CHARS || field.kind == TR_KIND_OCTETS;
    bool suits = field.shape == RECORD_LIST ? field.count == 0 : field.count > 0;
    if (field.shape == RECORD_ONE && !counted) suits = field.count == 1;
    if (!suits)
        return record_draft_refuse(draft, field.name, NULL, reader->error,
                                   "has a count that does not suit its kind");
    status = read_nested(reader, level, &field);
    return status == TR_OK ? record_draft_place(draft, &field, reader->error) : status;
}

/* Returns a type that is the same, from the table or made before, or NULL. */
static const record_type *find_same(const struct reader *reader, const record_type *type) {
    const record_type *known = record_table_known(reader->table, type->fingerprint,
                                                  type->descriptor, type->descriptor_bytes);
    if (known != NULL) return known;
    for (record_type *made = reader->made->types; made != NULL; made = made->next)
        if (made->fingerprint == type->fingerprint && record_type_same(made, type)) return made;
    return NULL;
}

/* Keeps a new type, or takes the one there is already in its place. */
static tr_status adopt(struct reader *reader, record_type *type, const record_type **type_out) {
    struct record_made *made = reader->made;
    const record_type *same = find_same(reader, type);
    if (same != NULL) {
        mem_free(type);
        *type_out = same;
        return TR_OK;
    }
    if (made->count >= reader->types_max ||
        type->memory_bytes > reader->bytes_max - made->memory_bytes) {
        tr_status status =
            error_set(reader->error, TR_ETOOBIG, NULL,
                      "record %s: too many records of peers are known already", type->name);
        mem_free(type);
        return status;
    }
    type->next = made->types;
    made->types = type;
    made->count++;
    made->memory_bytes += type->memory_bytes;
    *type_out = type;
    return TR_OK;
}

static tr_status build(struct reader *reader, struct record_draft *draft,
                       const record_type **type_out) {
    if (draft->bytes == 0) draft->bytes = 1;
    draft->bytes = (draft->bytes + draft->alignment - 1) & ~(draft->alignment - 1);
    record_type *type;
    tr_status status = record_build(draft, &type, reader->error);
    return status == TR_OK ? adopt(reader, type, type_out) : status;
}

static tr_status read_fields(struct reader *reader, unsigned level, struct record_draft *draft,
                             uint32_t count, const record_type **type_out) {
    draft->fields = mem_alloc(count * sizeof(*draft->fields));
    tr_status status = TR_OK;
    for (uint32_t i = 0; status == TR_OK && i < count; i++)
        status = read_field(reader, level, draft);
    if (status == TR_OK) status = build(reader, draft, type_out);
    mem_free(draft->fields);
    return status;
}

static tr_status read_type(struct reader *reader, unsigned level, const record_type **type_out) {
    struct record_draft draft = {.alignment = 1, .refusal = TR_EDATA};
    uint32_t count;
    if (level > RECORD_LEVELS_MAX)
        return error_set(reader->error, TR_EDATA, NULL,
                         "record descriptor: more than %d records within another",
                         RECORD_LEVELS_MAX);
    if (!record_cursor_read_array(&reader->in, &count) || count != 2)
        return malformed(reader, "a name and the fields");
    tr_status status = read_name(reader, &draft.name);
    if (status != TR_OK) return status;
    if (!record_cursor_read_array(&reader->in, &count)) return malformed(reader, "the fields");
    if (count > RECORD_FIELDS_MAX || count > record_cursor_left(&reader->in) / FIELD_BYTES_MIN)
        return error_set(reader->error, TR_EDATA, NULL,
                         "record %s: a descriptor with %u fields, cut short or too many",
                         draft.name, (unsigned)count);
    return read_fields(reader, level, &draft, count, type_out);
}

static void drop_made(struct record_made *made) {
    while (made->types != NULL) {
        record_type *type = made->types;
        made->types = type->next;
        mem_free(type);
    }
    *made = (struct record_made){0};
}

tr_status record_descriptor_read(const record_table *table, const void *descriptor, size_t bytes,
                                 uint32_t types_max, size_t bytes_max, struct record_made *made,
                                 const record_type **type_out, tr_error *error) {
    if (bytes > RECORD_DESCRIPTOR_BYTES_MAX)
        return error_set(error, TR_EDATA, NULL, "record descriptor: %zu bytes, more than %d", bytes,
                         RECORD_DESCRIPTOR_BYTES_MAX);
    char *names = mem_alloc(bytes);
    struct reader reader = {.table = table,
                            .in = {descriptor, (const uint8_t *)descriptor + bytes},
                            .names = names,
                            .made = made,
                            .types_max = types_max,
                            .bytes_max = bytes_max,
                            .error = error};
    const record_type *type;
    tr_status status = read_type(&reader, 1, &type);
    if (status == TR_OK && reader.in.at != reader.in.end)
        status = error_set(error, TR_EDATA, NULL, "record descriptor: %zu bytes too many",
                           record_cursor_left(&reader.in));
    if (status == TR_OK)
        *type_out = type;
    else
        drop_made(made);
    mem_free(names);
    return status;
}
