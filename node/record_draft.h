/*
 * record_draft.h - how a record_type is made: from a draft of its fields, once all is checked.
 *
 * For the record table only. Types made here have no id yet and are freed with mem_free: one is a
 * single piece of memory, names and descriptor included.
 */
#ifndef TROUPE_RECORD_DRAFT_H
#define TROUPE_RECORD_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/record.h"

/* A record whose fields are filled in, but for what follows from the others. */
struct record_draft {
    const char *name;
    const tr_record *record; /* NULL: a peer's */
    record_field *fields;    /* names borrowed for the build; copied */
    uint32_t field_count;
    uint32_t bytes;
    uint32_t alignment;
    tr_status refusal; /* the status of what is wrong with it */
};

/* True for 1 to RECORD_NAME_BYTES_MAX bytes of letters, digits, `_`, `$`, `:` and UTF-8 letters
 * beyond ASCII, the first no digit: what C and C++ allow as the name of a struct or field. */
bool record_name_valid(const char *name, size_t bytes);

/* Splits a kind with its flags into the field's kind and shape; false, with the field untouched,
 * when it is no combination that can travel. */
bool record_kind_split(uint32_t kind, record_field *field);

/* Reports what is wrong with a field, as `record NAME: field FIELD REASON`; returns draft->refusal.
 */
tr_status record_draft_refuse(const struct record_draft *draft, const char *field, const char *hint,
                              tr_error *error, const char *reason);

/* Returns how many fields a C descriptor has, and at most RECORD_FIELDS_MAX + 1. */
uint32_t record_field_count(const tr_record *record);

/* Fills the draft's fields from its C descriptor, `nested[i]` being the type of the i-th field's
 * nested record or NULL. Errors: draft->refusal. */
tr_status record_draft_local(struct record_draft *draft, const record_type *const nested[],
                             tr_error *error);

/* Completes a field of which name, kind, shape, nested and (for arrays, char[N] and uint8_t[N])
 * count are set, places it behind the draft's fields so far, and adds it. Errors:
 * draft->refusal. */
tr_status record_draft_place(struct record_draft *draft, const record_field *field,
                             tr_error *error);

/* Makes the type: names differ, no two fields share bytes, everything is within the limits.
 * Errors: draft->refusal. */
tr_status record_build(const struct record_draft *draft, record_type **type_out, tr_error *error);

/* True when both have the same name, wire form and C layout. */
bool record_type_same(const record_type *a, const record_type *b);

#endif
