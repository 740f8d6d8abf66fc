/*
 * record_cursor.h - reads msgpack items one after the other, straight from outside bytes.
 *
 * For bodies, descriptors and snapshot files. Nothing is allocated, copied or believed (I5): each
 * function returns false, with the cursor where it was, when the next item is of another type or is
 * cut short. Every form the format allows for a value is read. Texts and bytes point into the
 * input.
 */
#ifndef TROUPE_RECORD_CURSOR_H
#define TROUPE_RECORD_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "node/record_integer.h"

struct record_cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static inline size_t record_cursor_left(const struct record_cursor *cursor) {
    return (size_t)(cursor->end - cursor->at);
}

/* Reads a big-endian number of 1, 2, 4 or 8 bytes. */
static inline uint64_t record_cursor_number(const uint8_t *at, size_t bytes) {
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++) number = number << 8 | at[i];
    return number;
}

/* Reads an integer of any form. */
static inline bool record_cursor_read_integer(struct record_cursor *cursor,
                                              record_integer *integer_out) {
    if (cursor->at == cursor->end) return false;
    uint8_t head = *cursor->at;
    if (head <= 0x7f || head >= 0xe0) {
        *integer_out = (record_integer){(uint64_t)(int64_t)(int8_t)head, head >= 0xe0};
        cursor->at++;
        return true;
    }
    if (head < 0xcc || head > 0xd3) return false;
    size_t bytes = (size_t)1 << (head & 3);
    if (record_cursor_left(cursor) < 1 + bytes) return false;
    uint64_t bits = record_cursor_number(cursor->at + 1, bytes);
    bool negative = head >= 0xd0 && bits >> (8 * bytes - 1) != 0;
    if (negative && bytes < 8) bits |= UINT64_MAX << (8 * bytes);
    *integer_out = (record_integer){bits, negative};
    cursor->at += 1 + bytes;
    return true;
}

/* Reads the head of an item that has a length: `fixed_mask` and `fixed` tell its short form (a
 * `fixed` of 0: none), `heads` the forms with 1, 2 and 4 bytes of length (0: none). */
static inline bool record_cursor_read_length(struct record_cursor *cursor, uint8_t fixed_mask,
                                             uint8_t fixed, const uint8_t heads[3],
                                             uint32_t *length_out) {
    if (cursor->at == cursor->end) return false;
    uint8_t head = *cursor->at;
    if (fixed != 0 && (head & fixed_mask) == fixed) {
        *length_out = head & (uint8_t)~fixed_mask;
        cursor->at++;
        return true;
    }
    for (size_t i = 0; i < 3; i++) {
        if (heads[i] == 0 || head != heads[i]) continue;
        size_t bytes = (size_t)1 << i;
        if (record_cursor_left(cursor) < 1 + bytes) return false;
        *length_out = (uint32_t)record_cursor_number(cursor->at + 1, bytes);
        cursor->at += 1 + bytes;
        return true;
    }
    return false;
}

/* Reads an array's head; the count is not more than the bytes left, as each item takes one. */
static inline bool record_cursor_read_array(struct record_cursor *cursor, uint32_t *count_out) {
    struct record_cursor next = *cursor;
    uint32_t count;
    if (!record_cursor_read_length(&next, 0xf0, 0x90, (const uint8_t[3]){0, 0xdc, 0xdd}, &count))
        return false;
    if (count > record_cursor_left(&next)) return false;
    *cursor = next;
    *count_out = count;
    return true;
}

/* True when the next item is an array, cut short or not. */
static inline bool record_cursor_is_array(const struct record_cursor *cursor) {
    if (cursor->at == cursor->end) return false;
    uint8_t head = *cursor->at;
    return (head & 0xf0) == 0x90 || head == 0xdc || head == 0xdd;
}

/* Steps over `bytes` bytes that follow `next`, the place behind their head. */
static inline bool record_cursor_take(struct record_cursor *cursor,
                                      const struct record_cursor *next, uint32_t bytes,
                                      const uint8_t **data_out) {
    if (bytes > record_cursor_left(next)) return false;
    *data_out = next->at;
    cursor->at = next->at + bytes;
    return true;
}

static inline bool record_cursor_read_text(struct record_cursor *cursor, const uint8_t **data_out,
                                           uint32_t *bytes_out) {
    struct record_cursor next = *cursor;
    return record_cursor_read_length(&next, 0xe0, 0xa0, (const uint8_t[3]){0xd9, 0xda, 0xdb},
                                     bytes_out) &&
           record_cursor_take(cursor, &next, *bytes_out, data_out);
}

static inline bool record_cursor_read_bytes(struct record_cursor *cursor, const uint8_t **data_out,
                                            uint32_t *bytes_out) {
    struct record_cursor next = *cursor;
    return record_cursor_read_length(&next, 0, 0, (const uint8_t[3]){0xc4, 0xc5, 0xc6},
                                     bytes_out) &&
           record_cursor_take(cursor, &next, *bytes_out, data_out);
}

static inline bool record_cursor_read_bool(struct record_cursor *cursor, bool *value_out) {
    if (cursor->at == cursor->end || (*cursor->at & 0xfe) != 0xc2) return false;
    *value_out = *cursor->at++ == 0xc3;
    return true;
}

static inline bool record_cursor_read_nil(struct record_cursor *cursor) {
    if (cursor->at == cursor->end || *cursor->at != 0xc0) return false;
    cursor->at++;
    return true;
}

/* Reads a 32-bit float, its bits unchanged. */
static inline bool record_cursor_read_f32(struct record_cursor *cursor, float *value_out) {
    if (record_cursor_left(cursor) < 5 || *cursor->at != 0xca) return false;
    uint32_t bits = (uint32_t)record_cursor_number(cursor->at + 1, 4);
    memcpy(value_out, &bits, sizeof(bits));
    cursor->at += 5;
    return true;
}

/* Reads a 64-bit float, its bits unchanged. */
static inline bool record_cursor_read_f64(struct record_cursor *cursor, double *value_out) {
    if (record_cursor_left(cursor) < 9 || *cursor->at != 0xcb) return false;
    uint64_t bits = record_cursor_number(cursor->at + 1, 8);
    memcpy(value_out, &bits, sizeof(bits));
    cursor->at += 9;
    return true;
}

/* What the next item is, for messages: "a text", "an integer", "the end of the data". */
const char *record_cursor_what(const struct record_cursor *cursor);

#endif
