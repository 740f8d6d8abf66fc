/*
 * record_body.h - the items of a list, copied into one piece of memory.
 *
 * What flattening and states share. Sources are trusted C structs; any thread may call.
 */
#ifndef TROUPE_RECORD_BODY_H
#define TROUPE_RECORD_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/record.h"

/* Texts and bytes, and lists, are handled alike. */
_Static_assert(sizeof(tr_text) == sizeof(tr_bytes) && sizeof(tr_bytes) == sizeof(tr_list),
               "texts, bytes and lists have one layout");
_Static_assert(offsetof(tr_text, bytes) == offsetof(tr_bytes, bytes) &&
                   offsetof(tr_bytes, bytes) == offsetof(tr_list, count),
               "texts, bytes and lists have one layout");

/* True when the field's items hold no pointer, whatever its shape. */
static inline bool record_items_flat(const record_field *field) {
    if (field->kind == TR_KIND_RECORD) return field->nested->flat;
    return field->kind != TR_KIND_TEXT && field->kind != TR_KIND_BYTES;
}

/* Returns how many msgpack array elements one item declares, if its lists are empty. */
static inline uint64_t record_item_elements(const record_field *field) {
    if (field->kind == TR_KIND_RECORD) return field->nested->elements;
    return record_kind_form(field->kind)->elements;
}

/* Returns the alignment of the field's items. */
static inline size_t record_item_alignment(const record_field *field) {
    if (field->kind == TR_KIND_RECORD) return field->nested->alignment;
    return record_kind_form(field->kind)->alignment;
}

/* Measures one allocation for `count` items of a list with all they point to. Errors: as
 * record_measure. */
tr_status record_items_measure(const record_field *list, const void *items, uint32_t count,
                               size_t *bytes_out);

/* Copies the items into such an allocation. */
void record_items_copy(const record_field *list, const void *items, uint32_t count, void *block,
                       size_t block_bytes);

#endif
