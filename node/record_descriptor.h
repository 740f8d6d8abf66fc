/*
 * record_descriptor.h - reads a peer's msgpack descriptor and makes types of it.
 *
 * A descriptor is [name, [[field name, kind, count, nested descriptor or nil], ...]], with kind as
 * in <troupe.h>, flags included, and count 1 for single values, 0 for lists, the length for arrays,
 * char[N] and uint8_t[N]. It is outside bytes (I5). For record_table.c only, under its lock.
 */
#ifndef TROUPE_RECORD_DESCRIPTOR_H
#define TROUPE_RECORD_DESCRIPTOR_H

#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/record.h"
#include "node/record_table.h"

/* Types made but not yet in the table, linked by `next`: a nested one stands behind what it is
 * nested in. */
struct record_made {
    record_type *types;
    uint32_t count;
    size_t memory_bytes;
};

/* Reads a descriptor whole. `*type_out` is a type of the table, or made->types, the caller's then
 * with all behind it. `made` starts zeroed. Errors: TR_EDATA; TR_ETOOBIG when more than `types_max`
 * types or `bytes_max` bytes would be made; `made` is then empty again. */
tr_status record_descriptor_read(const record_table *table, const void *descriptor, size_t bytes,
                                 uint32_t types_max, size_t bytes_max, struct record_made *made,
                                 const record_type **type_out, tr_error *error);

/* Returns the table's type with that fingerprint and descriptor, the latest local one before any
 * dynamic one, or NULL. In record_table.c; the lock must be held. */
const record_type *record_table_known(const record_table *table, uint64_t fingerprint,
                                      const void *descriptor, size_t bytes);

#endif
