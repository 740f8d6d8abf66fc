/*
 * record_convert.c - the conversion of record_codec.h: one walk over the target's fields, for
 * measuring and for filling.
 */
#include "node/record_codec.h"

#include <stdint.h>
#include <string.h>

#include "node/base/check.h"
#include "node/record_block.h"
#include "node/record_body.h"
#include "node/record_fault.h"
#include "node/record_integer.h"

/* A conversion under way. Places in the target are NULL while it is measured. */
struct conversion {
    struct record_block block;
    uint64_t elements_left;
    struct record_fault fault;
};

static bool convert_record(struct conversion *conversion, const record_type *from,
                           const uint8_t *source, const record_type *to, uint8_t *target);

/* ---- kinds -------------------------------------------------------------------------------------
 */

static bool refuse_kinds(struct conversion *conversion, const record_field *from,
                         const record_field *to) {
    char from_text[RECORD_KIND_TEXT_MAX];
    char to_text[RECORD_KIND_TEXT_MAX];
    return record_fault_set(&conversion->fault, "is %s here but %s at the sender",
                            record_kind_text(to, to_text), record_kind_text(from, from_text));
}

/* True when every value of such a field may be tried. */
static bool kinds_agree(const record_field *from, const record_field *to) {
    if (from->shape != to->shape) return false;
    if (from->shape == RECORD_ARRAY && from->count > to->count) return false;
    if (record_integer_kind(from->kind) && record_integer_kind(to->kind)) return true;
    if (from->kind != to->kind) return false;
    return from->kind != TR_KIND_OCTETS || from->count == to->count;
}

/* Checks the kinds of records that a list without items does not show. */
static bool check_kinds(struct conversion *conversion, const record_type *from,
                        const record_type *to) {
    if (from == to) return true;
    for (uint32_t i = 0; i < to->field_count; i++) {
        const record_field *target = &to->fields[i];
        const record_field *source = record_type_field(from, target->name, strlen(target->name));
        if (source == NULL) continue;
        if (!kinds_agree(source, target)) {
            refuse_kinds(conversion, source, target);
            return record_fault_in_field(&conversion->fault, target->name);
        }
        if (target->kind == TR_KIND_RECORD &&
            !check_kinds(conversion, source->nested, target->nested))
            return record_fault_in_field(&conversion->fault, target->name);
    }
    return true;
}

/* ---- values ------------------------------------------------------------------------------------
 */

static bool take(struct conversion *conversion, uint64_t bytes, size_t alignment,
                 uint8_t **piece_out) {
    if (record_block_take_zeroed(&conversion->block, bytes, alignment, piece_out)) return true;
    return record_fault_set(&conversion->fault, "the body becomes too big");
}

static bool convert_integer(struct conversion *conversion, const record_field *from,
                            const uint8_t *source, const record_field *to, uint8_t *target) {
    record_integer integer = record_integer_load(from->kind, source);
    if (!record_integer_fits(to->kind, integer))
        return record_fault_set(&conversion->fault, "the value is out of the range of %s",
                                record_kind_name(to->kind));
    if (target != NULL) record_integer_store(to->kind, integer, target);
    return true;
}

static bool convert_chars(struct conversion *conversion, const record_field *from,
                          const uint8_t *source, const record_field *to, uint8_t *target) {
    size_t bytes = strnlen((const char *)source, from->item_bytes);
    if (bytes > to->item_bytes)
        return record_fault_set(&conversion->fault, "a text of %zu bytes where %u fit", bytes,
                                (unsigned)to->item_bytes);
    if (target != NULL) memcpy(target, source, bytes);
    return true;
}

/* A text or bytes, which share a layout. */
static bool convert_variable(struct conversion *conversion, const uint8_t *source,
                             uint8_t *target) {
    tr_bytes value;
    memcpy(&value, source, sizeof(value));
    uint8_t *piece = NULL;
    if (value.bytes > 0 && !take(conversion, value.bytes, 1, &piece)) return false;
    if (piece != NULL) memcpy(piece, value.data, value.bytes);
    value.data = piece;
    if (target != NULL) memcpy(target, &value, sizeof(value));
    return true;
}

static bool convert_item(struct conversion *conversion, const record_field *from,
                         const uint8_t *source, const record_field *to, uint8_t *target) {
    if (record_integer_kind(to->kind)) return convert_integer(conversion, from, source, to, target);
    switch (to->kind) {
        case TR_KIND_CHARS:
            return convert_chars(conversion, from, source, to, target);
        case TR_KIND_TEXT:
        case TR_KIND_BYTES:
            return convert_variable(conversion, source, target);
        case TR_KIND_RECORD:
            return convert_record(conversion, from->nested, source, to->nested, target);
        default:
            if (target != NULL) memcpy(target, source, to->item_bytes);
            return true;
    }
}

static bool convert_items(struct conversion *conversion, const record_field *from,
                          const uint8_t *source, const record_field *to, uint8_t *target,
                          uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *place = record_block_at(target, (size_t)i * to->item_bytes);
        if (!convert_item(conversion, from, source + (size_t)i * from->item_bytes, to, place))
            return record_fault_in_item(&conversion->fault, i);
    }
    return true;
}

static bool convert_list(struct conversion *conversion, const record_field *from,
                         const uint8_t *source, const record_field *to, uint8_t *target) {
    tr_list list;
    memcpy(&list, source, sizeof(list));
    if (list.count == 0)
        return to->kind != TR_KIND_RECORD || check_kinds(conversion, from->nested, to->nested);

    uint8_t *items;
    uint64_t elements = list.count * (1 + record_item_elements(to));
    if (elements > conversion->elements_left)
        return record_fault_set(&conversion->fault, "too many elements for one body");
    conversion->elements_left -= elements;
    if (!take(conversion, (uint64_t)list.count * to->item_bytes, record_item_alignment(to), &items))
        return false;
    if (!convert_items(conversion, from, list.items, to, items, list.count)) return false;
    list.items = items;
    if (target != NULL) memcpy(target, &list, sizeof(list));
    return true;
}

static bool convert_field(struct conversion *conversion, const record_field *from,
                          const uint8_t *source, const record_field *to, uint8_t *target) {
    if (!kinds_agree(from, to)) return refuse_kinds(conversion, from, to);
    if (to->shape == RECORD_ONE) return convert_item(conversion, from, source, to, target);
    if (to->shape == RECORD_LIST) return convert_list(conversion, from, source, to, target);
    return convert_items(conversion, from, source, to, target, from->count);
}

/* The target is zeroed already. */
static bool convert_record(struct conversion *conversion, const record_type *from,
                           const uint8_t *source, const record_type *to, uint8_t *target) {
    for (uint32_t i = 0; i < to->field_count; i++) {
        const record_field *field = &to->fields[i];
        const record_field *old = record_type_field(from, field->name, strlen(field->name));
        if (old == NULL) continue;
        if (!convert_field(conversion, old, source + old->offset, field,
                           record_block_at(target, field->offset)))
            return record_fault_in_field(&conversion->fault, field->name);
    }
    return true;
}

static bool convert_body(struct conversion *conversion, const record_type *from, const void *body,
                         const record_type *to) {
    uint8_t *target = NULL;
    return take(conversion, to->bytes, 1, &target) &&
           convert_record(conversion, from, body, to, target);
}

tr_status record_convert_measure(const record_type *from, const void *body, const record_type *to,
                                 const record_limits *limits, size_t *block_bytes_out,
                                 tr_error *error) {
    record_limits all = record_limits_of(limits);
    struct conversion conversion = {.block = {.limit = all.block_bytes_max},
                                    .elements_left = all.elements_max};
    record_fault_init(&conversion.fault);
    if (!convert_body(&conversion, from, body, to))
        return record_fault_report(&conversion.fault, to, error);
    *block_bytes_out = conversion.block.used;
    return TR_OK;
}

void record_convert(const record_type *from, const void *body, const record_type *to, void *block,
                    size_t block_bytes) {
    struct conversion conversion = {.block = {.base = block, .limit = block_bytes},
                                    .elements_left = UINT64_MAX};
    record_fault_init(&conversion.fault);
    check(convert_body(&conversion, from, body, to));
}
