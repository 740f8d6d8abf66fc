/*
 * record.h - the node's own form of a tr_record, and bodies: one block each.
 *
 * A record_type is made by a record_table (record_table.h), never changes and lives as long as
 * its table; any thread may read it. A body is the C struct a type describes; flattened, it is
 * one block: the struct, then all its variable data, with every pointer into that block. Bodies
 * are trusted memory here; outside bytes become bodies through record_codec.h and record_json.h
 * only.
 */
#ifndef TROUPE_RECORD_H
#define TROUPE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <troupe.h>

enum {
    RECORD_FIELDS_MAX = 1024,            /* fields of one record */
    RECORD_LEVELS_MAX = 8,               /* records within records, the outermost counted */
    RECORD_DEPTH_MAX = 16,               /* msgpack arrays within arrays of one body */
    RECORD_NAME_BYTES_MAX = 127,         /* of a record's or a field's name */
    RECORD_BYTES_MAX = 64 * 1024 * 1024, /* of a struct */
    RECORD_ALIGNMENT_MAX = 16,           /* of a struct, and therefore of a block */
    RECORD_DESCRIPTOR_BYTES_MAX = 65536, /* of a type's msgpack descriptor */
};

typedef enum record_shape {
    RECORD_ONE,   /* one value */
    RECORD_ARRAY, /* a C array of `count` values */
    RECORD_LIST   /* a tr_list */
} record_shape;

typedef struct record_type record_type;

/* One field. An item is the value itself, or one element of an array or list. */
typedef struct record_field {
    const char *name;
    const record_type *nested; /* of TR_KIND_RECORD; NULL otherwise */
    uint32_t offset;           /* in the struct */
    uint32_t bytes;            /* of the whole field in the struct */
    uint32_t item_bytes;
    uint32_t count; /* items; N of char[N] and uint8_t[N]; 0 for a list */
    uint8_t kind;   /* TR_KIND_I8 ... TR_KIND_RECORD, without flags */
    uint8_t shape;  /* a record_shape */
    bool flat;      /* holds no pointer */
} record_field;

struct record_type {
    const char *name;
    const tr_record *record; /* the C descriptor it was made from; NULL: a peer's (dynamic) */
    uint32_t id;             /* in its table, dense, from 1 */
    uint32_t bytes;          /* of the struct */
    uint32_t alignment;      /* of the struct, at most RECORD_ALIGNMENT_MAX */
    uint32_t field_count;
    uint64_t fingerprint; /* of all that the wire depends on; equal: decoded by position */
    uint64_t elements;    /* msgpack array elements of a body whose lists are empty */
    const record_field *fields;
    const uint16_t *by_name;   /* field indexes in the order of their names */
    const uint8_t *descriptor; /* [name, [[field, kind, count, nested or nil], ...]] in msgpack */
    uint32_t descriptor_bytes;
    uint32_t memory_bytes; /* that this type takes */
    uint8_t levels;        /* records within records */
    uint8_t depth;         /* msgpack arrays within arrays */
    bool flat;             /* no variable fields anywhere: a body is one memcpy */
    record_type *next;     /* the table's */
};

/* Returns the field of that name (`bytes` long), or NULL. */
const record_field *record_type_field(const record_type *type, const char *name, size_t bytes);

/* Returns the name of the field whose name is most like `name`, or NULL when none is near. */
const char *record_type_nearest(const record_type *type, const char *name);

/* What a kind is, in C and on the wire. */
typedef struct record_form {
    const char *name;
    uint8_t bytes;     /* in C; 0 where the field says: chars, octets, record */
    uint8_t alignment; /* likewise */
    uint8_t depth;     /* msgpack arrays within arrays */
    uint8_t elements;  /* of these arrays together */
} record_form;

/* Returns the form of a kind without flags; that of TR_KIND_NONE, named "none", for what is no
 * kind. Static. */
const record_form *record_kind_form(uint32_t kind);

/* Returns "i64", "text", ...; static. */
static inline const char *record_kind_name(uint32_t kind) {
    return record_kind_form(kind)->name;
}

/* Writes a field's kind as people read it: "i64", "i64[4]", "chars[32]", "list of text". Returns
 * `out`. */
enum { RECORD_KIND_TEXT_MAX = 48 };
char *record_kind_text(const record_field *field, char out[RECORD_KIND_TEXT_MAX]);

/* What decoding, converting and JSON may make of outside data; zero fields take the defaults in
 * brackets, and a NULL pointer to limits all of them. */
typedef struct record_limits {
    size_t body_bytes_max;  /* [1 MiB] of an encoded body */
    size_t block_bytes_max; /* [16 MiB] of the block it becomes */
    uint64_t elements_max;  /* [65,536] declared by all its arrays and lists together */
} record_limits;

/* Returns the limits with the defaults filled in. */
record_limits record_limits_of(const record_limits *limits);

/* The limits of bodies in a cluster whose messages have at most so many bytes. An element takes a
 * byte of the body at least, so they need no bound of their own. */
static inline record_limits record_limits_for(uint32_t message_bytes_max) {
    enum { BLOCK_BYTES = 16 << 20, ELEMENTS = 65536 };
    return (record_limits){
        .body_bytes_max = message_bytes_max,
        .block_bytes_max = message_bytes_max > BLOCK_BYTES ? message_bytes_max : BLOCK_BYTES,
        .elements_max = message_bytes_max > ELEMENTS ? message_bytes_max : ELEMENTS};
}

/* What a body needs. */
typedef struct record_size {
    size_t block_bytes; /* of the one block of struct and variable data */
    uint64_t elements;  /* its encoding declares; compare with record_limits.elements_max */
} record_size;

/* The slow halves of the two functions below; for types that are not flat. */
tr_status record_measure_variable(const record_type *type, const void *body, record_size *size_out);
void record_flatten_variable(const record_type *type, const void *body, void *block);

/* Measures a body. Errors: TR_EINVAL when a text, bytes or list has a length but no data,
 * TR_ETOOBIG when it would pass 2^40 bytes. */
static inline tr_status record_measure(const record_type *type, const void *body,
                                       record_size *size_out) {
    if (!type->flat) return record_measure_variable(type, body, size_out);
    *size_out = (record_size){.block_bytes = type->bytes, .elements = type->elements};
    return TR_OK;
}

/* Copies a first and a last part of `part` bytes, which may overlap. */
static inline void record_copy_ends(void *to, const void *from, size_t bytes, size_t part) {
    uint64_t first, last;
    memcpy(&first, from, part);
    memcpy(&last, (const char *)from + bytes - part, part);
    memcpy(to, &first, part);
    memcpy((char *)to + bytes - part, &last, part);
}

/* memcpy for what is mostly a few bytes: two moves instead of a call. */
static inline void record_copy_bytes(void *to, const void *from, size_t bytes) {
    if (bytes > 16)
        memcpy(to, from, bytes);
    else if (bytes >= 8)
        record_copy_ends(to, from, bytes, 8);
    else if (bytes >= 4)
        record_copy_ends(to, from, bytes, 4);
    else if (bytes >= 2)
        record_copy_ends(to, from, bytes, 2);
    else if (bytes == 1)
        *(char *)to = *(const char *)from;
}

/* Copies a body into a block of record_size.block_bytes bytes, aligned to RECORD_ALIGNMENT_MAX;
 * the copy points to nothing outside the block. Empty texts, bytes and lists get NULL data. */
static inline void record_flatten(const record_type *type, const void *body, void *block) {
    if (type->flat) {
        record_copy_bytes(block, body, type->bytes);
    } else {
        record_flatten_variable(type, body, block);
    }
}

/* Returns a flattened copy of the body, the caller's (mem_free), or NULL when it cannot be
 * measured; `bytes_out` gets its size and may be NULL. */
void *record_copy(const record_type *type, const void *body, size_t *bytes_out);

#endif
