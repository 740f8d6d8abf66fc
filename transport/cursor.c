/*
 * cursor.c - the first byte of a msgpack value decides what follows; each function knows the
 * first bytes it takes and refuses all others.
 */
#include "transport/cursor.h"

#include <string.h>

bool cursor_fail(struct cursor *cursor) {
    cursor->failed = true;
    return false;
}

/* The next `bytes` bytes, or NULL (and failure) when there are fewer. */
static const uint8_t *take(struct cursor *cursor, size_t bytes) {
    if (cursor->failed || (size_t)(cursor->end - cursor->at) < bytes) {
        cursor->failed = true;
        return NULL;
    }
    const uint8_t *taken = cursor->at;
    cursor->at += bytes;
    return taken;
}

static bool take_byte(struct cursor *cursor, uint8_t *byte_out) {
    const uint8_t *at = take(cursor, 1);
    if (at != NULL) *byte_out = *at;
    return at != NULL;
}

/* A big-endian number of 1, 2, 4 or 8 bytes. */
static bool take_number(struct cursor *cursor, size_t bytes, uint64_t *number_out) {
    const uint8_t *at = take(cursor, bytes);
    if (at == NULL) return false;
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++) number = number << 8 | at[i];
    *number_out = number;
    return true;
}

bool cursor_uint_wide(struct cursor *cursor, uint64_t max, uint64_t *value_out) {
    uint8_t first;
    uint64_t value;
    if (!take_byte(cursor, &first)) return false;
    if (first < 0x80) {
        value = first;
    } else if (first >= 0xcc && first <= 0xcf) {
        if (!take_number(cursor, (size_t)1 << (first - 0xcc), &value)) return false;
    } else {
        return cursor_fail(cursor);
    }
    if (value > max) return cursor_fail(cursor);
    *value_out = value;
    return true;
}

bool cursor_u32(struct cursor *cursor, uint32_t max, uint32_t *value_out) {
    uint64_t value;
    if (!cursor_uint(cursor, max, &value)) return false;
    *value_out = (uint32_t)value;
    return true;
}

/* A negative number of the given width, its sign extended. */
static bool take_signed(struct cursor *cursor, size_t bytes, int64_t *value_out) {
    uint64_t value;
    if (!take_number(cursor, bytes, &value)) return false;
    unsigned shift = 64 - 8 * (unsigned)bytes;
    *value_out = (int64_t)(value << shift) >> shift;
    return true;
}

bool cursor_int(struct cursor *cursor, int64_t *value_out) {
    if (cursor_left(cursor) == 0) return cursor_fail(cursor);
    uint8_t first = *cursor->at;
    if (first >= 0xe0) {
        cursor->at++;
        *value_out = (int64_t)first - 256;
        return true;
    }
    if (first >= 0xd0 && first <= 0xd3) {
        cursor->at++;
        return take_signed(cursor, (size_t)1 << (first - 0xd0), value_out);
    }
    uint64_t value;
    if (!cursor_uint(cursor, INT64_MAX, &value)) return false;
    *value_out = (int64_t)value;
    return true;
}

bool cursor_bool(struct cursor *cursor, bool *value_out) {
    uint8_t first;
    if (!take_byte(cursor, &first)) return false;
    if (first != 0xc2 && first != 0xc3) return cursor_fail(cursor);
    *value_out = first == 0xc3;
    return true;
}

bool cursor_take_nil(struct cursor *cursor) {
    if (cursor_left(cursor) == 0 || *cursor->at != 0xc0) return false;
    cursor->at++;
    return true;
}

bool cursor_nil(struct cursor *cursor) {
    return cursor_take_nil(cursor) || cursor_fail(cursor);
}

/* The length behind a first byte: `base` for 8 bits, `base` + 1 for 16, `base` + 2 for 32. */
static bool take_length(struct cursor *cursor, uint8_t first, uint8_t base, uint64_t *length_out) {
    if (first < base || first > base + 2) return cursor_fail(cursor);
    return take_number(cursor, (size_t)1 << (first - base), length_out);
}

bool cursor_str(struct cursor *cursor, uint32_t bytes_max, const char **text_out,
                uint32_t *bytes_out) {
    uint8_t first;
    if (!take_byte(cursor, &first)) return false;
    uint64_t bytes = first & 0x1f;
    if (first >> 5 != 5 && !take_length(cursor, first, 0xd9, &bytes)) return false;
    if (bytes > bytes_max) return cursor_fail(cursor);
    const uint8_t *data = take(cursor, (size_t)bytes);
    if (data == NULL) return false;
    *text_out = (const char *)data;
    *bytes_out = (uint32_t)bytes;
    return true;
}

bool cursor_bin(struct cursor *cursor, uint32_t bytes_max, const uint8_t **data_out,
                uint32_t *bytes_out) {
    uint8_t first;
    uint64_t bytes;
    if (!take_byte(cursor, &first) || !take_length(cursor, first, 0xc4, &bytes)) return false;
    if (bytes > bytes_max) return cursor_fail(cursor);
    const uint8_t *data = take(cursor, (size_t)bytes);
    if (data == NULL) return false;
    *data_out = data;
    *bytes_out = (uint32_t)bytes;
    return true;
}

bool cursor_text(struct cursor *cursor, char *text_out, size_t room) {
    const char *text;
    uint32_t bytes;
    if (!cursor_str(cursor, (uint32_t)(room - 1), &text, &bytes)) return false;
    if (memchr(text, 0, bytes) != NULL) return cursor_fail(cursor);
    memcpy(text_out, text, bytes);
    text_out[bytes] = '\0';
    return true;
}

bool cursor_octets(struct cursor *cursor, uint8_t *octets_out, uint32_t bytes) {
    const uint8_t *data;
    uint32_t found;
    if (!cursor_bin(cursor, bytes, &data, &found)) return false;
    if (found != bytes) return cursor_fail(cursor);
    memcpy(octets_out, data, bytes);
    return true;
}

/* The count of an array (`fixed` 9, `wide` 0xdc) or a map (8, 0xde), before any limit. */
static bool take_count(struct cursor *cursor, uint8_t fixed, uint8_t wide, uint64_t *count_out) {
    uint8_t first;
    if (!take_byte(cursor, &first)) return false;
    if (first >> 4 == fixed) {
        *count_out = first & 0x0f;
        return true;
    }
    if (first != wide && first != wide + 1) return cursor_fail(cursor);
    return take_number(cursor, first == wide ? 2 : 4, count_out);
}

bool cursor_array(struct cursor *cursor, uint32_t count_max, uint32_t *count_out) {
    uint64_t count;
    if (!take_count(cursor, 0x9, 0xdc, &count)) return false;
    if (count > count_max || count > cursor_left(cursor)) return cursor_fail(cursor);
    *count_out = (uint32_t)count;
    return true;
}

bool cursor_map(struct cursor *cursor, uint32_t count_max, uint32_t *count_out) {
    uint64_t count;
    if (!take_count(cursor, 0x8, 0xde, &count)) return false;
    if (count > count_max || count * 2 > cursor_left(cursor)) return cursor_fail(cursor);
    *count_out = (uint32_t)count;
    return true;
}

bool cursor_pid(struct cursor *cursor, tr_pid *pid_out) {
    uint32_t count;
    tr_pid pid;
    if (!cursor_array(cursor, 3, &count)) return false;
    if (count != 3) return cursor_fail(cursor);
    if (!cursor_uint(cursor, UINT64_MAX, &pid.space) ||
        !cursor_u32(cursor, UINT32_MAX, &pid.slot) ||
        !cursor_u32(cursor, UINT32_MAX, &pid.generation)) {
        return false;
    }
    *pid_out = pid;
    return true;
}

/* Bytes after the first byte of a value that holds no other values, by first byte from 0xc0 to
 * 0xdb; LENGTH_8 and the like: a length comes first; REFUSED: the byte begins no such value. */
enum {
    LENGTH_8 = 32,
    LENGTH_16 = 33,
    LENGTH_32 = 34,
    EXT_8 = 35,
    EXT_16 = 36,
    EXT_32 = 37,
    REFUSED = 63
};
static const uint8_t leaf_bytes[] = {
    0,      REFUSED, 0, 0, LENGTH_8, LENGTH_16, LENGTH_32, EXT_8,
    EXT_16, EXT_32, /* 0xc0: nil, bool, bin, ext */
    4,      8,       1, 2, 4,        8,         1,         2,
    4,      8,                                                         /* 0xca: float, uint, int */
    2,      3,       5, 9, 17,       LENGTH_8,  LENGTH_16, LENGTH_32}; /* 0xd4: fixext, str */

/* Skips the rest of a value without elements. */
static bool skip_leaf(struct cursor *cursor, uint8_t first) {
    if (first < 0x80 || first >= 0xe0) return true;
    if (first >> 5 == 5) return take(cursor, first & 0x1f) != NULL;
    uint8_t bytes = leaf_bytes[first - 0xc0];
    if (bytes == REFUSED) return cursor_fail(cursor);
    if (bytes < LENGTH_8) return take(cursor, bytes) != NULL;
    bool is_ext = bytes >= EXT_8; /* a byte with its type follows the length */
    uint64_t length;
    if (!take_number(cursor, (size_t)1 << (bytes - (is_ext ? EXT_8 : LENGTH_8)), &length))
        return false;
    return take(cursor, (size_t)length + is_ext) != NULL;
}

/* Skips a value's head; `*children_out` gets the number of values inside it. */
static bool skip_head(struct cursor *cursor, bool *nests_out, uint64_t *children_out) {
    if (cursor_left(cursor) == 0) return cursor_fail(cursor);
    uint8_t first = *cursor->at;
    bool is_map = first >> 4 == 0x8 || first == 0xde || first == 0xdf;
    *nests_out = is_map || first >> 4 == 0x9 || first == 0xdc || first == 0xdd;
    if (*nests_out) {
        if (!take_count(cursor, is_map ? 0x8 : 0x9, is_map ? 0xde : 0xdc, children_out))
            return false;
        if (is_map) *children_out *= 2;
        return true;
    }
    cursor->at++;
    *children_out = 0;
    return skip_leaf(cursor, first);
}

enum { SKIP_DEPTH_MAX = 32 };

bool cursor_skip(struct cursor *cursor, uint32_t depth_max, uint32_t items_max) {
    uint64_t left[SKIP_DEPTH_MAX + 1]; /* values still to skip at each depth; no recursion (I5) */
    uint64_t items = 0;
    uint32_t depth = 0;
    if (depth_max > SKIP_DEPTH_MAX) depth_max = SKIP_DEPTH_MAX;
    left[0] = 1;
    for (;;) {
        while (left[depth] == 0) {
            if (depth == 0) return true;
            depth--;
        }
        left[depth]--;
        bool nests;
        uint64_t children;
        if (!skip_head(cursor, &nests, &children)) return false;
        if (!nests) continue;
        items += children;
        if (items > items_max || children > cursor_left(cursor)) return cursor_fail(cursor);
        if (depth == depth_max) return cursor_fail(cursor);
        left[++depth] = children;
    }
}

bool cursor_raw(struct cursor *cursor, uint32_t depth_max, uint32_t items_max,
                const uint8_t **data_out, size_t *bytes_out) {
    const uint8_t *start = cursor->at;
    if (!cursor_skip(cursor, depth_max, items_max)) return false;
    *data_out = start;
    *bytes_out = (size_t)(cursor->at - start);
    return true;
}
