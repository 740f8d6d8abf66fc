/*
 * part_map.h - structs of names, numbers and digests as msgpack maps, both ways from one table.
 *
 * For what a part and a manifest hold only a few of, where keys are worth their bytes. Reading
 * takes outside bytes (I5): every key of the table must be there exactly once, other keys are
 * passed over. Any thread.
 */
#ifndef TROUPE_PART_MAP_H
#define TROUPE_PART_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/base/buffer.h"
#include "node/part.h"
#include "node/record_cursor.h"

/* Why outside bytes were refused. */
struct part_fault {
    char reason[240];
};

/* Sets the reason, unless there is one already; returns false, for the caller to return. */
bool part_fault_set(struct part_fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

enum part_map_kind {
    PART_MAP_NAME,   /* char[PART_NAME_BYTES]: 1 to 63 bytes of UTF-8 */
    PART_MAP_U32,    /* uint32_t */
    PART_MAP_U64,    /* uint64_t */
    PART_MAP_DIGEST, /* uint8_t[DIGEST_BYTES] */
};

struct part_map_field {
    const char *key;
    enum part_map_kind kind;
    size_t offset; /* in the struct */
};

/* Appends a map of `count` (at most 32) fields of the struct at `source`. */
void part_map_pack(struct buffer *buffer, const struct part_map_field *fields, size_t count,
                   const void *source);

/* Reads a map into the struct at `out`; false, with the reason, when it is none or not whole. */
bool part_map_read(struct record_cursor *cursor, const struct part_map_field *fields, size_t count,
                   void *out, struct part_fault *fault);

/* ---- the pieces, for items that are arrays ----------------------------------------------------
 */

/* Reads an unsigned number of at most `max`; `what` names it in the reason. */
bool part_read_number(struct record_cursor *cursor, uint64_t max, uint64_t *number_out,
                      const char *what, struct part_fault *fault);

/* Reads a text of UTF-8; it points into the input. */
bool part_read_text(struct record_cursor *cursor, tr_text *text_out, const char *what,
                    struct part_fault *fault);

/* Reads a text as a name: 1 to 63 bytes, none of them zero. */
bool part_read_name(struct record_cursor *cursor, char name_out[PART_NAME_BYTES], const char *what,
                    struct part_fault *fault);

/* Reads an array's head that must have exactly `count` elements. */
bool part_read_array(struct record_cursor *cursor, uint32_t count, const char *what,
                     struct part_fault *fault);

/* Reads an array's head of at most `max` elements. */
bool part_read_count(struct record_cursor *cursor, uint32_t max, uint32_t *count_out,
                     const char *what, struct part_fault *fault);

/* Reads an item's head: an array of `count` whose first element is the text `name`. */
bool part_read_item(struct record_cursor *cursor, const char *name, uint32_t count,
                    struct part_fault *fault);

/* How one msgpack value at the start of some bytes ends. */
enum part_measured {
    PART_WHOLE,    /* in them */
    PART_CUT,      /* beyond them */
    PART_MALFORMED /* never: an unknown type, or nested deeper than PART_DEPTH_MAX */
};

/* Finds the end of the value; `*size_out` is set for PART_WHOLE. Takes no memory. */
enum part_measured part_measure(const void *source, size_t bytes, size_t *size_out);

/* Reads any one value whole; nil gives data NULL. */
bool part_read_value(struct record_cursor *cursor, part_value *value_out, const char *what,
                     struct part_fault *fault);

#endif
