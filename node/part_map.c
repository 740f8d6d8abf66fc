/*
 * part_map.c - a table-driven map, and reading single values with a reason for refusal.
 */
#include "node/part_map.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/utf8.h"
#include "node/record_pack.h"

bool part_fault_set(struct part_fault *fault, const char *format, ...) {
    if (fault->reason[0] != '\0') return false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->reason, sizeof fault->reason, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- packing --------------------------------------------------------------------------------- */

static void pack_field(struct buffer *buffer, enum part_map_kind kind, const char *at) {
    switch (kind) {
        case PART_MAP_NAME:
            record_pack_text(buffer, at, strnlen(at, PART_NAME_BYTES - 1));
            return;
        case PART_MAP_U32: {
            uint32_t number;
            memcpy(&number, at, sizeof number);
            record_pack_u64(buffer, number);
            return;
        }
        case PART_MAP_U64: {
            uint64_t number;
            memcpy(&number, at, sizeof number);
            record_pack_u64(buffer, number);
            return;
        }
        case PART_MAP_DIGEST:
            record_pack_bytes(buffer, at, DIGEST_BYTES);
            return;
    }
}

void part_map_pack(struct buffer *buffer, const struct part_map_field *fields, size_t count,
                   const void *source) {
    msgpack_packer packer = record_pack_to(buffer);
    msgpack_pack_map(&packer, count);
    for (size_t i = 0; i < count; i++) {
        record_pack_text(buffer, fields[i].key, strlen(fields[i].key));
        pack_field(buffer, fields[i].kind, (const char *)source + fields[i].offset);
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool refuse(const struct record_cursor *cursor, const char *expected, const char *what,
                   struct part_fault *fault) {
    return part_fault_set(fault, "%s: expected %s, found %s", what, expected,
                          record_cursor_what(cursor));
}

bool part_read_number(struct record_cursor *cursor, uint64_t max, uint64_t *number_out,
                      const char *what, struct part_fault *fault) {
    record_integer integer;
    if (!record_cursor_read_integer(cursor, &integer)) {
        return refuse(cursor, "a number", what, fault);
    }
    if (integer.negative || integer.bits > max) {
        return part_fault_set(fault, "%s: a number out of range", what);
    }
    *number_out = integer.bits;
    return true;
}

bool part_read_text(struct record_cursor *cursor, tr_text *text_out, const char *what,
                    struct part_fault *fault) {
    const uint8_t *data;
    uint32_t bytes;
    if (!record_cursor_read_text(cursor, &data, &bytes)) {
        return refuse(cursor, "a text", what, fault);
    }
    if (!utf8_valid((const char *)data, bytes)) {
        return part_fault_set(fault, "%s: a text that is not UTF-8", what);
    }
    *text_out = (tr_text){(const char *)data, bytes};
    return true;
}

bool part_read_name(struct record_cursor *cursor, char name_out[PART_NAME_BYTES], const char *what,
                    struct part_fault *fault) {
    tr_text text;
    if (!part_read_text(cursor, &text, what, fault)) return false;
    if (text.bytes == 0 || text.bytes >= PART_NAME_BYTES ||
        memchr(text.data, '\0', text.bytes) != NULL) {
        return part_fault_set(fault, "%s: a name of %" PRIu32 " bytes", what, text.bytes);
    }
    memcpy(name_out, text.data, text.bytes);
    memset(name_out + text.bytes, 0, PART_NAME_BYTES - text.bytes);
    return true;
}

bool part_read_count(struct record_cursor *cursor, uint32_t max, uint32_t *count_out,
                     const char *what, struct part_fault *fault) {
    uint32_t count;
    if (!record_cursor_read_array(cursor, &count)) return refuse(cursor, "an array", what, fault);
    if (count > max) return part_fault_set(fault, "%s: %" PRIu32 " elements", what, count);
    *count_out = count;
    return true;
}

bool part_read_array(struct record_cursor *cursor, uint32_t count, const char *what,
                     struct part_fault *fault) {
    uint32_t found;
    if (!part_read_count(cursor, UINT32_MAX, &found, what, fault)) return false;
    if (found == count) return true;
    return part_fault_set(fault, "%s: an array of %" PRIu32 " instead of %" PRIu32, what, found,
                          count);
}

bool part_read_item(struct record_cursor *cursor, const char *name, uint32_t count,
                    struct part_fault *fault) {
    tr_text text;
    if (!part_read_array(cursor, count, name, fault)) return false;
    if (!part_read_text(cursor, &text, name, fault)) return false;
    if (text.bytes == strlen(name) && memcmp(text.data, name, text.bytes) == 0) return true;
    return part_fault_set(fault, "expected the item \"%s\", found another", name);
}

static bool read_digest(struct record_cursor *cursor, void *out, const char *what,
                        struct part_fault *fault) {
    const uint8_t *data;
    uint32_t bytes;
    if (!record_cursor_read_bytes(cursor, &data, &bytes)) {
        return refuse(cursor, "bytes", what, fault);
    }
    if (bytes != DIGEST_BYTES) return part_fault_set(fault, "%s: %" PRIu32 " bytes", what, bytes);
    memcpy(out, data, bytes);
    return true;
}

static bool read_field(struct record_cursor *cursor, const struct part_map_field *field, char *at,
                       struct part_fault *fault) {
    uint64_t number = 0;
    switch (field->kind) {
        case PART_MAP_NAME:
            return part_read_name(cursor, at, field->key, fault);
        case PART_MAP_DIGEST:
            return read_digest(cursor, at, field->key, fault);
        case PART_MAP_U64:
            if (!part_read_number(cursor, UINT64_MAX, &number, field->key, fault)) return false;
            memcpy(at, &number, sizeof number);
            return true;
        case PART_MAP_U32: {
            if (!part_read_number(cursor, UINT32_MAX, &number, field->key, fault)) return false;
            uint32_t narrow = (uint32_t)number;
            memcpy(at, &narrow, sizeof narrow);
            return true;
        }
    }
    return false;
}

/* Reads a map's head; its pairs take two bytes each at least. */
static bool read_map_count(struct record_cursor *cursor, uint32_t *count_out,
                           struct part_fault *fault) {
    const uint8_t heads[3] = {0, 0xde, 0xdf};
    struct record_cursor next = *cursor;
    uint32_t count;
    if (!record_cursor_read_length(&next, 0xf0, 0x80, heads, &count)) {
        return refuse(cursor, "a map", "fields", fault);
    }
    if (count > record_cursor_left(&next) / 2) {
        return part_fault_set(fault, "a map of %" PRIu32 " pairs is cut short", count);
    }
    *cursor = next;
    *count_out = count;
    return true;
}

/* Returns the index of the field with that key, or `count`. */
static size_t field_named(const struct part_map_field *fields, size_t count, tr_text key) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(fields[i].key) == key.bytes && memcmp(fields[i].key, key.data, key.bytes) == 0) {
            return i;
        }
    }
    return count;
}

bool part_map_read(struct record_cursor *cursor, const struct part_map_field *fields, size_t count,
                   void *out, struct part_fault *fault) {
    check(count <= 32);
    uint32_t pairs = 0;
    uint64_t seen = 0;
    if (!read_map_count(cursor, &pairs, fault)) return false;
    for (uint32_t i = 0; i < pairs; i++) {
        tr_text key;
        part_value ignored;
        if (!part_read_text(cursor, &key, "a map's key", fault)) return false;
        size_t index = field_named(fields, count, key);
        if (index == count) {
            if (!part_read_value(cursor, &ignored, "an unknown field", fault)) return false;
            continue;
        }
        if ((seen & UINT64_C(1) << index) != 0) {
            return part_fault_set(fault, "%s is there twice", fields[index].key);
        }
        seen |= UINT64_C(1) << index;
        if (!read_field(cursor, &fields[index], (char *)out + fields[index].offset, fault)) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if ((seen & UINT64_C(1) << i) == 0) {
            return part_fault_set(fault, "%s is missing", fields[i].key);
        }
    }
    return true;
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* The shape of a value's head: `length_bytes` of big-endian number behind the first byte. */
struct head {
    uint8_t length_bytes; /* 0: the length is `fixed` */
    uint32_t fixed;
    enum { HEAD_NONE, HEAD_DATA, HEAD_ARRAY, HEAD_MAP } follows;
};

/* Reads a first byte; false when msgpack has no such type, or none we take (extensions). */
static bool head_of(uint8_t first, struct head *head_out) {
    static const uint8_t plain_bytes[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8}; /* from 0xca */
    struct head head = {0};
    if (first <= 0x7f || first >= 0xe0 || first == 0xc0 || first == 0xc2 || first == 0xc3) {
        head.follows = HEAD_NONE;
    } else if (first <= 0x8f) {
        head = (struct head){0, first & 0x0f, HEAD_MAP};
    } else if (first <= 0x9f) {
        head = (struct head){0, first & 0x0f, HEAD_ARRAY};
    } else if (first <= 0xbf) {
        head = (struct head){0, first & 0x1f, HEAD_DATA};
    } else if (first >= 0xc4 && first <= 0xc6) {
        head = (struct head){(uint8_t)(1 << (first - 0xc4)), 0, HEAD_DATA};
    } else if (first >= 0xca && first <= 0xd3) {
        head = (struct head){0, plain_bytes[first - 0xca], HEAD_DATA};
    } else if (first >= 0xd9 && first <= 0xdb) {
        head = (struct head){(uint8_t)(1 << (first - 0xd9)), 0, HEAD_DATA};
    } else if (first >= 0xdc && first <= 0xdf) {
        head = (struct head){(first & 1) != 0 ? 4 : 2, 0, first <= 0xdd ? HEAD_ARRAY : HEAD_MAP};
    } else {
        return false;
    }
    *head_out = head;
    return true;
}

enum part_measured part_measure(const void *source, size_t bytes, size_t *size_out) {
    uint64_t pending[PART_DEPTH_MAX] = {1}; /* values still to come, by depth */
    const uint8_t *data = source;
    size_t depth = 0;
    size_t at = 0;
    for (;;) {
        struct head head;
        if (at == bytes) return PART_CUT;
        if (!head_of(data[at], &head)) return PART_MALFORMED;
        at++;
        if (bytes - at < head.length_bytes) return PART_CUT;
        uint64_t length = head.fixed;
        if (head.length_bytes > 0) length = record_cursor_number(data + at, head.length_bytes);
        at += head.length_bytes;
        pending[depth]--;
        if (head.follows == HEAD_DATA) {
            if (length > bytes - at) return PART_CUT;
            at += (size_t)length;
        } else if (head.follows != HEAD_NONE && length > 0) {
            if (++depth == PART_DEPTH_MAX) return PART_MALFORMED;
            pending[depth] = head.follows == HEAD_MAP ? 2 * length : length;
        }
        while (pending[depth] == 0 && depth > 0) depth--;
        if (pending[depth] == 0) break;
    }
    *size_out = at;
    return PART_WHOLE;
}

bool part_read_value(struct record_cursor *cursor, part_value *value_out, const char *what,
                     struct part_fault *fault) {
    size_t size;
    if (record_cursor_read_nil(cursor)) {
        *value_out = (part_value){0};
        return true;
    }
    if (part_measure(cursor->at, record_cursor_left(cursor), &size) != PART_WHOLE) {
        return part_fault_set(fault, "%s: not a whole value", what);
    }
    *value_out = (part_value){cursor->at, size};
    cursor->at += size;
    return true;
}
