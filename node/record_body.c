/*
 * record_body.c - bodies measured and flattened: struct first, then what it points to, depth
 * first.
 */
#include "node/record_body.h"

#include "node/base/check.h"
#include "node/base/memory.h"
#include "node/record_block.h"

/* Far more than memory, far less than would overflow. */
#define MEASURE_BYTES_MAX ((size_t)1 << 40)

/* A copy under way, or its measuring. */
struct copy {
    struct record_block block;
    uint64_t elements;
    tr_status status;
};

static bool copy_record(struct copy *copy, const record_type *type, const uint8_t *from,
                        uint8_t *to);

static bool stop(struct copy *copy, tr_status status) {
    copy->status = status;
    return false;
}

/* Copies what a text, bytes or list points to, and points the copy of it there. */
static bool copy_data(struct copy *copy, const uint8_t *from, uint8_t *to, size_t item_bytes,
                      size_t alignment, uint8_t **piece_out) {
    tr_bytes source;
    memcpy(&source, from, sizeof(source));
    tr_bytes target = {0};
    *piece_out = NULL;
    if (source.bytes > 0) {
        if (source.data == NULL) return stop(copy, TR_EINVAL);
        uint64_t bytes = (uint64_t)source.bytes * item_bytes;
        if (!record_block_take(&copy->block, bytes, alignment, piece_out))
            return stop(copy, TR_ETOOBIG);
        target.data = *piece_out;
        target.bytes = source.bytes;
        if (*piece_out != NULL) memcpy(*piece_out, source.data, (size_t)bytes);
    }
    if (to != NULL) memcpy(to, &target, sizeof(target));
    return true;
}

/* `to` holds a plain copy of the items already. */
static bool copy_items(struct copy *copy, const record_field *field, const uint8_t *from,
                       uint8_t *to, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *item = from + (size_t)i * field->item_bytes;
        uint8_t *place = record_block_at(to, (size_t)i * field->item_bytes);
        uint8_t *piece;
        bool copied = field->kind == TR_KIND_RECORD ? copy_record(copy, field->nested, item, place)
                                                    : copy_data(copy, item, place, 1, 1, &piece);
        if (!copied) return false;
    }
    return true;
}

static bool copy_list(struct copy *copy, const record_field *field, const uint8_t *from,
                      uint8_t *to) {
    tr_list source;
    memcpy(&source, from, sizeof(source));
    uint8_t *items;
    if (!copy_data(copy, from, to, field->item_bytes, record_item_alignment(field), &items))
        return false;
    copy->elements += source.count * (1 + record_item_elements(field));
    if (record_items_flat(field)) return true;
    return copy_items(copy, field, source.items, items, source.count);
}

/* `to` holds a plain copy of the struct already. */
static bool copy_record(struct copy *copy, const record_type *type, const uint8_t *from,
                        uint8_t *to) {
    for (uint32_t i = 0; i < type->field_count; i++) {
        const record_field *field = &type->fields[i];
        if (field->flat) continue;
        const uint8_t *source = from + field->offset;
        uint8_t *target = record_block_at(to, field->offset);
        bool copied = field->shape == RECORD_LIST
                          ? copy_list(copy, field, source, target)
                          : copy_items(copy, field, source, target, field->count);
        if (!copied) return false;
    }
    return true;
}

tr_status record_measure_variable(const record_type *type, const void *body,
                                  record_size *size_out) {
    struct copy copy = {.block = {.used = type->bytes, .limit = MEASURE_BYTES_MAX},
                        .elements = type->elements};
    if (!copy_record(&copy, type, body, NULL)) return copy.status;
    *size_out = (record_size){.block_bytes = copy.block.used, .elements = copy.elements};
    return TR_OK;
}

void record_flatten_variable(const record_type *type, const void *body, void *block) {
    struct copy copy = {.block = {.base = block, .used = type->bytes, .limit = MEASURE_BYTES_MAX}};
    memcpy(block, body, type->bytes);
    check(copy_record(&copy, type, body, block));
}

void *record_copy(const record_type *type, const void *body, size_t *bytes_out) {
    record_size size = {0};
    if (record_measure(type, body, &size) != TR_OK) return NULL;
    void *block = mem_alloc(size.block_bytes);
    record_flatten(type, body, block);
    if (bytes_out != NULL) *bytes_out = size.block_bytes;
    return block;
}

tr_status record_items_measure(const record_field *list, const void *items, uint32_t count,
                               size_t *bytes_out) {
    if (count > 0 && items == NULL) return TR_EINVAL;
    struct copy copy = {.block = {.limit = MEASURE_BYTES_MAX}};
    uint8_t *piece;
    if (!record_block_take(&copy.block, (uint64_t)count * list->item_bytes, 1, &piece))
        return TR_ETOOBIG;
    if (!record_items_flat(list) && !copy_items(&copy, list, items, NULL, count))
        return copy.status;
    *bytes_out = copy.block.used;
    return TR_OK;
}

void record_items_copy(const record_field *list, const void *items, uint32_t count, void *block,
                       size_t block_bytes) {
    struct copy copy = {.block = {.base = block, .limit = block_bytes}};
    uint8_t *piece;
    check(record_block_take(&copy.block, (uint64_t)count * list->item_bytes, 1, &piece));
    if (count > 0) memcpy(piece, items, (size_t)count * list->item_bytes);
    if (!record_items_flat(list)) check(copy_items(&copy, list, items, piece, count));
}
