/*
 * record_table.h - all record types a node knows: those of its own C structs, and its peers'.
 *
 * One table a node. Any thread may call anything but new and free; the lookups marked lock-free
 * take no lock, so that workers may use them for every message. Types stay until the table is
 * freed. A peer's descriptor is outside bytes (I5): it is checked before anything is made of it,
 * and what all of them together may take is bounded.
 */
#ifndef TROUPE_RECORD_TABLE_H
#define TROUPE_RECORD_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/record.h"

typedef struct record_table record_table;

/* Zero fields take the defaults in brackets. */
typedef struct record_table_options {
    uint32_t dynamic_types_max; /* [4096] types made from peers' descriptors, nested ones too */
    size_t dynamic_bytes_max;   /* [64 MiB] memory they take together */
} record_table_options;

/* Makes an empty table; NULL options are all defaults. */
record_table *record_table_new(const record_table_options *options);

/* Frees the table and all its types; NULL is nothing to do. */
void record_table_free(record_table *table);

/* Finds the type of a C descriptor, or makes it after checking the descriptor; structs of one
 * name, one fingerprint and one layout share a type. Errors: TR_EINVAL, with record and field
 * named in `*error` (may be NULL). */
tr_status record_table_intern(record_table *table, const tr_record *record,
                              const record_type **type_out, tr_error *error);

/* Returns the type of a C descriptor that was interned before, or NULL. Lock-free. */
const record_type *record_table_find(const record_table *table, const tr_record *record);

/* Returns the type with that id (from 1), or NULL. Lock-free. */
const record_type *record_table_at(const record_table *table, uint32_t id);

/* Returns how many types there are; their ids are 1 to this. Lock-free. */
uint32_t record_table_count(const record_table *table);

/* Finds or makes the type that a msgpack descriptor describes: the latest local one of that
 * name and fingerprint, else a dynamic one with a C layout of its own. Errors: TR_EDATA the
 * descriptor is malformed or beyond the limits of record.h, TR_ETOOBIG too many dynamic types. */
tr_status record_table_from_wire(record_table *table, const void *descriptor, size_t bytes,
                                 const record_type **type_out, tr_error *error);

/* Returns the latest local type of that name, else the latest dynamic one, else NULL. */
const record_type *record_table_by_name(record_table *table, const char *name);

#endif
