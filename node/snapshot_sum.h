/*
 * snapshot_sum.h - totals of record fields over all actors and messages of a snapshot.
 *
 * A term is RECORD.FIELD, with more field names for nested records; it counts in every actor state
 * and every message in flight whose record has that name. Arrays and lists add all their items.
 * Whole numbers are added exactly; as soon as a float takes part, the sum is a float. Programs
 * and the storage thread call it; blocking.
 */
#ifndef TROUPE_SNAPSHOT_SUM_H
#define TROUPE_SNAPSHOT_SUM_H

#include <stdbool.h>
#include <stddef.h>

#include "node/manifest.h"
#include "node/storage.h"

/* Whole numbers of 64 bits, signed or not, any number of them, add up in this without overflow. */
__extension__ typedef __int128 snapshot_integer;

/* A number: exact while `real` is false. */
typedef struct snapshot_number {
    bool real;
    snapshot_integer integer;
    double floating; /* of the floats alone */
} snapshot_number;

typedef struct snapshot_sum {
    snapshot_number actors;    /* from states */
    snapshot_number in_flight; /* from messages */
} snapshot_sum;

/* Adds up `count` terms over the whole snapshot. Errors: TR_ENOENT an unknown record, TR_EDATA an
 * unknown field (the message names the known ones), TR_EINVAL a term that is none or a field that
 * is no number, TR_EDATA, TR_EIO. */
tr_status snapshot_sum_terms(const storage_files *files, const char *const *directories,
                             const struct manifest *manifest, const char *const *terms,
                             size_t count, snapshot_sum *sum_out, tr_error *error);

#endif
