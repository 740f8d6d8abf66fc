/*
 * snapshot_json.h - a snapshot as JSON: its summary, its list entry, its contents, field by name.
 *
 * The parts carry the descriptors of all records in them, so no behavior and no node is needed.
 * Digests are checked while reading; for all other checks call snapshot_verify first. Programs
 * and the storage thread call it; blocking. JSON values are the caller's (json_decref).
 */
#ifndef TROUPE_SNAPSHOT_JSON_H
#define TROUPE_SNAPSHOT_JSON_H

#include <jansson.h>

#include "node/manifest.h"
#include "node/record_json.h"
#include "node/snapshot_store.h"
#include "node/snapshot_sum.h"
#include "node/storage.h"

/* Pids as people write them, named by the manifest's members ("n2/17.3", "n2:1/17.3"); a space that
 * is no member's shows as 16 hexadecimal digits. The result borrows the manifest. */
record_pids snapshot_json_pids(const struct manifest *manifest);

/* {id, epoch, consistent, nodes, actors, in_flight, bytes, duration_ms, initiator, cluster, time,
 * links: [{from, to, sent, received, recorded}], parts: [{node, file, bytes, actors, messages}]};
 * consistent tells whether each link's counters agree. */
json_t *snapshot_json_summary(const struct manifest *manifest);

/* [{id, epoch, consistent, nodes, actors, in_flight, bytes, duration_ms, initiator, time} or
 * {id, error}], newest first. */
json_t *snapshot_json_list(const snapshot_list *list);

/* What to show; zero is everything. */
typedef struct snapshot_json_options {
    const char *node;   /* of this member only */
    uint64_t items_max; /* at most so many actors, and so many messages */
} snapshot_json_options;

/* {actors: [{pid, name, node, behavior, state}], messages: [{to, from, node, record, body, reason,
 * link}]} and, when items_max cut it short, truncated: true. `name` is the actor's first name or
 * null; `state` and `body` are objects by field name or null. `options` may be NULL. Errors:
 * TR_EDATA, TR_EIO, TR_ENOENT no such member. */
tr_status snapshot_json_contents(const storage_files *files, const char *const *directories,
                                 const struct manifest *manifest,
                                 const snapshot_json_options *options, json_t **contents_out,
                                 tr_error *error);

/* {total, actors, in_flight}. Whole numbers beyond 64 bits are decimal strings. */
json_t *snapshot_json_sum(const snapshot_sum *sum);

#endif
