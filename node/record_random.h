/*
 * record_random.h - random records and random bodies from a seed, for tests and fuzzing.
 *
 * Everything is made in an arena that is freed as a whole. Values prefer the edges of their range.
 * With `plain` only values that JSON can hold exactly are made: finite floats, texts in UTF-8.
 */
#ifndef TROUPE_RECORD_RANDOM_H
#define TROUPE_RECORD_RANDOM_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <troupe.h>

#include "node/base/memory.h"
#include "node/base/random.h"
#include "node/record.h"
#include "node/record_integer.h"

struct arena_piece {
    struct arena_piece *next;
    alignas(16) uint8_t bytes[];
};

struct arena {
    struct arena_piece *pieces;
    random_state random;
    bool plain;
    unsigned names; /* given so far */
};

static inline void *arena_take(struct arena *arena, size_t bytes) {
    struct arena_piece *piece = mem_zalloc(1, sizeof(*piece) + bytes);
    piece->next = arena->pieces;
    arena->pieces = piece;
    return piece->bytes;
}

static inline void arena_free(struct arena *arena) {
    while (arena->pieces != NULL) {
        struct arena_piece *piece = arena->pieces;
        arena->pieces = piece->next;
        mem_free(piece);
    }
}

static inline uint32_t arena_below(struct arena *arena, uint32_t bound) {
    return (uint32_t)random_below(&arena->random, bound);
}

static inline const char *arena_name(struct arena *arena, const char *prefix) {
    char *name = arena_take(arena, 32);
    snprintf(name, 32, "%s%u", prefix, arena->names++);
    return name;
}

/* ---- records ---- */

static inline const tr_record *random_record(struct arena *arena, unsigned levels);

/* Picks a kind with its flags; nested records only while `levels` last. */
static inline void random_kind(struct arena *arena, unsigned levels, tr_field *field) {
    uint32_t kind = TR_KIND_I8 + arena_below(arena, TR_KIND_RECORD);
    if (kind == TR_KIND_RECORD && levels == 0) kind = TR_KIND_TEXT;
    field->nested = kind == TR_KIND_RECORD ? random_record(arena, levels - 1) : NULL;
    field->kind = kind;
    if (kind == TR_KIND_CHARS || kind == TR_KIND_OCTETS) return;
    uint32_t shape = arena_below(arena, 4);
    if (shape == 1) field->kind |= TR_KIND_ARRAY;
    if (shape == 2) field->kind |= TR_KIND_LIST;
}

/* Sets the field's size and returns its alignment. */
static inline uint32_t random_size(struct arena *arena, tr_field *field) {
    uint32_t kind = field->kind & TR_KIND_MASK;
    const record_form *form = record_kind_form(kind);
    uint32_t alignment = form->alignment;
    field->bytes = form->bytes;
    if (kind == TR_KIND_CHARS || kind == TR_KIND_OCTETS) field->bytes = 1 + arena_below(arena, 40);
    if (kind == TR_KIND_RECORD) {
        field->bytes = field->nested->bytes;
        alignment = field->nested->alignment;
    }
    if ((field->kind & TR_KIND_ARRAY) != 0) field->bytes *= 1 + arena_below(arena, 5);
    if ((field->kind & TR_KIND_LIST) != 0) {
        field->bytes = sizeof(tr_list);
        alignment = alignof(tr_list);
    }
    return alignment;
}

/* A struct of up to eight fields, with some gaps that no C compiler would leave. */
static inline const tr_record *random_record(struct arena *arena, unsigned levels) {
    uint32_t count = arena_below(arena, 9);
    tr_field *fields = arena_take(arena, (count + 1) * sizeof(*fields));
    tr_record *record = arena_take(arena, sizeof(*record));
    *record = (tr_record){arena_name(arena, "record"), 0, 1, fields};
    for (uint32_t i = 0; i < count; i++) {
        fields[i].name = arena_name(arena, "field");
        random_kind(arena, levels, &fields[i]);
        uint32_t alignment = random_size(arena, &fields[i]);
        uint32_t gap = arena_below(arena, 4) == 0 ? arena_below(arena, 20) : 0;
        fields[i].offset = (record->bytes + gap + alignment - 1) & ~(alignment - 1);
        record->bytes = fields[i].offset + fields[i].bytes;
        if (alignment > record->alignment) record->alignment = alignment;
    }
    if (record->bytes == 0) record->bytes = 1;
    record->bytes = (record->bytes + record->alignment - 1) & ~(record->alignment - 1);
    return record;
}

/* ---- bodies ---- */

static inline void random_body_into(struct arena *arena, const record_type *type, uint8_t *to);

/* A number at the edges of some size, or any. */
static inline uint64_t random_number(struct arena *arena) {
    uint64_t any = random_u64(&arena->random);
    switch (any >> 61) {
        case 0:
            return 0;
        case 1:
            return (UINT64_C(1) << (any & 63)) - 1;
        case 2:
            return UINT64_C(1) << (any & 63);
        case 3:
            return 0 - (UINT64_C(1) << (any & 63));
        case 4:
            return any & 0xff;
        default:
            return random_u64(&arena->random);
    }
}

static inline double random_real(struct arena *arena) {
    uint64_t bits = random_u64(&arena->random);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return arena->plain ? (double)(int64_t)(bits >> 20) / 64 : value;
}

/* `bytes` bytes of text; not always UTF-8 unless `plain`. */
static inline void random_text(struct arena *arena, uint8_t *to, size_t bytes) {
    if (!arena->plain && arena_below(arena, 2) == 0) {
        for (size_t i = 0; i < bytes; i++) to[i] = (uint8_t)(1 + arena_below(arena, 255));
        return;
    }
    for (size_t i = 0; i < bytes; i++) to[i] = (uint8_t)('!' + arena_below(arena, 90));
    if (bytes >= 4) memcpy(to + arena_below(arena, (uint32_t)bytes - 3), "\xf0\x9f\x8e\xad", 4);
}

static inline void random_variable(struct arena *arena, uint32_t kind, uint8_t *to) {
    uint32_t bytes = arena_below(arena, 8) == 0 ? arena_below(arena, 400) : arena_below(arena, 12);
    uint8_t *data = arena_take(arena, bytes);
    if (kind == TR_KIND_TEXT)
        random_text(arena, data, bytes);
    else
        random_fill(&arena->random, data, bytes);
    tr_bytes value = {.data = bytes == 0 && arena_below(arena, 2) == 0 ? NULL : data,
                      .bytes = bytes};
    memcpy(to, &value, sizeof(value));
}

static inline tr_pid random_pid(struct arena *arena) {
    return (tr_pid){random_number(arena), (uint32_t)random_number(arena),
                    (uint32_t)random_number(arena)};
}

static inline void random_request(struct arena *arena, uint8_t *to) {
    tr_request request = {random_pid(arena), random_number(arena)};
    memcpy(to, &request, sizeof(request));
}

static inline void random_float(struct arena *arena, uint32_t kind, uint8_t *to) {
    double wide = random_real(arena);
    float single = (float)wide;
    uint32_t bits = (uint32_t)random_u64(&arena->random);
    if (!arena->plain) memcpy(&single, &bits, sizeof(single));
    if (kind == TR_KIND_F32)
        memcpy(to, &single, sizeof(single));
    else
        memcpy(to, &wide, sizeof(wide));
}

static inline void random_item(struct arena *arena, const record_field *field, uint8_t *to) {
    tr_pid pid;
    switch (field->kind) {
        case TR_KIND_F32:
        case TR_KIND_F64:
            random_float(arena, field->kind, to);
            break;
        case TR_KIND_BOOL:
            *to = (uint8_t)arena_below(arena, 2);
            break;
        case TR_KIND_CHARS:
            random_text(arena, to, arena_below(arena, field->item_bytes + 1));
            break;
        case TR_KIND_OCTETS:
            random_fill(&arena->random, to, field->item_bytes);
            break;
        case TR_KIND_TEXT:
        case TR_KIND_BYTES:
            random_variable(arena, field->kind, to);
            break;
        case TR_KIND_PID:
            pid = random_pid(arena);
            memcpy(to, &pid, sizeof(pid));
            break;
        case TR_KIND_REQUEST:
            random_request(arena, to);
            break;
        case TR_KIND_RECORD:
            random_body_into(arena, field->nested, to);
            break;
        default:
            record_integer_store(field->kind, (record_integer){random_number(arena), false}, to);
            break;
    }
}

static inline void random_field(struct arena *arena, const record_field *field, uint8_t *to) {
    uint32_t count = field->shape == RECORD_ARRAY ? field->count : 1;
    uint8_t *items = to;
    if (field->shape == RECORD_LIST) {
        count = arena_below(arena, 5);
        items = arena_take(arena, (size_t)count * field->item_bytes);
        tr_list list = {.items = items, .count = count};
        memcpy(to, &list, sizeof(list));
    }
    for (uint32_t i = 0; i < count; i++)
        random_item(arena, field, items + (size_t)i * field->item_bytes);
}

static inline void random_body_into(struct arena *arena, const record_type *type, uint8_t *to) {
    for (uint32_t i = 0; i < type->field_count; i++)
        random_field(arena, &type->fields[i], to + type->fields[i].offset);
}

static inline void *random_body(struct arena *arena, const record_type *type) {
    uint8_t *body = arena_take(arena, type->bytes);
    random_body_into(arena, type, body);
    return body;
}

/* ---- comparing ---- */

static inline bool bodies_equal(const record_type *a_type, const void *a, const record_type *b_type,
                                const void *b);

/* Compares what two texts or bytes point to. */
static inline bool data_equal(const uint8_t *a, const uint8_t *b) {
    tr_bytes x;
    tr_bytes y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x.bytes == y.bytes && (x.bytes == 0 || memcmp(x.data, y.data, x.bytes) == 0);
}

static inline bool items_equal(const record_field *a_field, const uint8_t *a,
                               const record_field *b_field, const uint8_t *b, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *a_item = a + (size_t)i * a_field->item_bytes;
        const uint8_t *b_item = b + (size_t)i * b_field->item_bytes;
        bool equal;
        if (a_field->kind == TR_KIND_RECORD)
            equal = bodies_equal(a_field->nested, a_item, b_field->nested, b_item);
        else if (a_field->kind == TR_KIND_TEXT || a_field->kind == TR_KIND_BYTES)
            equal = data_equal(a_item, b_item);
        else
            equal = memcmp(a_item, b_item, a_field->item_bytes) == 0;
        if (!equal) return false;
    }
    return true;
}

static inline bool list_equal(const record_field *a_field, const uint8_t *a,
                              const record_field *b_field, const uint8_t *b) {
    tr_list x;
    tr_list y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x.count == y.count && items_equal(a_field, x.items, b_field, y.items, x.count);
}

/* True when two bodies of types with the same fingerprint hold the same values, bit by bit. */
static inline bool bodies_equal(const record_type *a_type, const void *a, const record_type *b_type,
                                const void *b) {
    for (uint32_t i = 0; i < a_type->field_count; i++) {
        const record_field *a_field = &a_type->fields[i];
        const record_field *b_field = &b_type->fields[i];
        const uint8_t *a_place = (const uint8_t *)a + a_field->offset;
        const uint8_t *b_place = (const uint8_t *)b + b_field->offset;
        bool equal = a_field->shape == RECORD_LIST
                         ? list_equal(a_field, a_place, b_field, b_place)
                         : items_equal(a_field, a_place, b_field, b_place,
                                       a_field->shape == RECORD_ARRAY ? a_field->count : 1);
        if (!equal) return false;
    }
    return true;
}

#endif
