/*
 * record_state.c - the fields that own memory, found by kind or by address.
 */
#include "node/record_state.h"

#include <string.h>

#include "node/base/memory.h"
#include "node/record_body.h"

/* What is done with each text, bytes or list of a state; `place` is its address. */
typedef tr_status visitor(const record_field *field, uint8_t *place);

/* Calls `visit` for each until one fails. */
static tr_status visit_all(const record_type *type, uint8_t *state, visitor *visit) {
    for (uint32_t i = 0; i < type->field_count; i++) {
        const record_field *field = &type->fields[i];
        if (field->flat) continue;
        uint32_t count = field->shape == RECORD_LIST ? 1 : field->count;
        for (uint32_t k = 0; k < count; k++) {
            uint8_t *place = state + field->offset + (size_t)k * field->item_bytes;
            bool nested = field->kind == TR_KIND_RECORD && field->shape != RECORD_LIST;
            tr_status status =
                nested ? visit_all(field->nested, place, visit) : visit(field, place);
            if (status != TR_OK) return status;
        }
    }
    return TR_OK;
}

static tr_status visit_free(const record_field *field, uint8_t *place) {
    (void)field;
    tr_bytes owned;
    memcpy(&owned, place, sizeof(owned));
    mem_free((void *)owned.data);
    memset(place, 0, sizeof(owned));
    return TR_OK;
}

/* Makes an allocation with a copy of what a text, bytes or list has; NULL for nothing. */
static tr_status copy_value(const record_field *field, const void *data, uint32_t count,
                            void **copy_out) {
    size_t bytes = count;
    if (count > 0 && data == NULL) return TR_EINVAL;
    if (count == 0) {
        *copy_out = NULL;
        return TR_OK;
    }
    if (field->shape != RECORD_LIST) {
        *copy_out = mem_dup(data, bytes);
        return TR_OK;
    }
    tr_status status = record_items_measure(field, data, count, &bytes);
    if (status != TR_OK) return status;
    *copy_out = mem_alloc(bytes);
    record_items_copy(field, data, count, *copy_out, bytes);
    return TR_OK;
}

/* Only measures; so that copying cannot fail half-way. */
static tr_status visit_check(const record_field *field, uint8_t *place) {
    tr_bytes borrowed;
    size_t bytes;
    memcpy(&borrowed, place, sizeof(borrowed));
    if (field->shape == RECORD_LIST)
        return record_items_measure(field, borrowed.data, borrowed.bytes, &bytes);
    return borrowed.bytes > 0 && borrowed.data == NULL ? TR_EINVAL : TR_OK;
}

static tr_status visit_own(const record_field *field, uint8_t *place) {
    tr_bytes value;
    memcpy(&value, place, sizeof(value));
    void *copy;
    tr_status status = copy_value(field, value.data, value.bytes, &copy);
    if (status != TR_OK) return status;
    value.data = copy;
    memcpy(place, &value, sizeof(value));
    return TR_OK;
}

tr_status record_state_init(const record_type *type, void *state, const void *from) {
    if (from == NULL) {
        if (type->bytes > 0) memset(state, 0, type->bytes);
        return TR_OK;
    }
    if (type->bytes > 0) memcpy(state, from, type->bytes);
    if (type->flat) return TR_OK;
    tr_status status = visit_all(type, state, visit_check);
    if (status == TR_OK)
        status = visit_all(type, state, visit_own);
    else
        memset(state, 0, type->bytes);
    return status;
}

void record_state_fini(const record_type *type, void *state) {
    if (!type->flat) visit_all(type, state, visit_free);
}

/* Returns the field whose text, bytes or list is at `offset` of the struct, or NULL. */
static const record_field *field_at(const record_type *type, size_t offset) {
    for (uint32_t i = 0; i < type->field_count; i++) {
        const record_field *field = &type->fields[i];
        if (offset < field->offset || offset - field->offset >= field->bytes) continue;
        if (field->flat) return NULL;
        size_t inside = offset - field->offset;
        if (field->shape == RECORD_LIST) return inside == 0 ? field : NULL;
        inside %= field->item_bytes;
        if (field->kind == TR_KIND_RECORD) return field_at(field->nested, inside);
        return inside == 0 ? field : NULL;
    }
    return NULL;
}

/* Sets the field at `place`, which must have that kind (TR_KIND_NONE: be a list). */
static tr_status set(const record_type *type, void *state, void *place, uint8_t kind,
                     const void *data, size_t count) {
    uintptr_t start = (uintptr_t)state;
    uintptr_t address = (uintptr_t)place;
    if (address < start || address - start >= type->bytes) return TR_EINVAL;
    const record_field *field = field_at(type, address - start);
    if (field == NULL) return TR_EINVAL;
    bool list = field->shape == RECORD_LIST;
    if (list != (kind == TR_KIND_NONE) || (!list && field->kind != kind)) return TR_EINVAL;
    if (count > UINT32_MAX) return TR_ETOOBIG;

    void *copy;
    tr_status status = copy_value(field, data, (uint32_t)count, &copy);
    if (status != TR_OK) return status;
    tr_bytes value;
    memcpy(&value, place, sizeof(value));
    mem_free((void *)value.data);
    value = (tr_bytes){.data = copy, .bytes = (uint32_t)count};
    memcpy(place, &value, sizeof(value));
    return TR_OK;
}

tr_status record_state_set_text(const record_type *type, void *state, tr_text *field,
                                const char *data, size_t bytes) {
    return set(type, state, field, TR_KIND_TEXT, data, bytes);
}

tr_status record_state_set_bytes(const record_type *type, void *state, tr_bytes *field,
                                 const void *data, size_t bytes) {
    return set(type, state, field, TR_KIND_BYTES, data, bytes);
}

tr_status record_state_set_list(const record_type *type, void *state, tr_list *field,
                                const void *items, uint32_t count) {
    return set(type, state, field, TR_KIND_NONE, items, count);
}
