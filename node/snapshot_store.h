/*
 * snapshot_store.h - the folders of snapshots: DIRECTORY/ID/NODE.part and DIRECTORY/ID/manifest.
 *
 * Nodes of one machine may share a directory or have one each; readers therefore take a list of
 * directories (NULL-terminated, in order of preference) and find each file in the first that has
 * it. A folder without a manifest in any of them is no snapshot. The calls that touch files block:
 * only the storage thread, start-up and programs make them.
 */
#ifndef TROUPE_SNAPSHOT_STORE_H
#define TROUPE_SNAPSHOT_STORE_H

#include <stdbool.h>

#include "node/manifest.h"
#include "node/storage.h"

/* One snapshot in a list. */
typedef struct snapshot_entry {
    char id[PART_NAME_BYTES];
    tr_status status;          /* TR_OK, or why its manifest cannot be read: TR_EDATA, TR_EIO */
    tr_error error;            /* the words for that */
    struct manifest *manifest; /* NULL when it cannot be read */
} snapshot_entry;

typedef struct snapshot_list {
    snapshot_entry *entries; /* newest (largest epoch) first; damaged ones last, by id */
    size_t count;
} snapshot_list;

/* 1 to 63 of [A-Za-z0-9._-], not beginning with '.': safe as a folder's name. */
bool snapshot_id_valid(const char *id);

/* Lists the committed snapshots. A directory that does not exist is empty. Errors: TR_EIO. */
tr_status snapshot_store_list(const storage_files *files, const char *const *directories,
                              snapshot_list *list_out, tr_error *error);
void snapshot_list_fini(snapshot_list *list);

/* Loads one manifest. Errors: TR_EINVAL a bad id, TR_ENOENT no such snapshot (the hint names the
 * newest), TR_EDATA, TR_EIO. */
tr_status snapshot_store_load(const storage_files *files, const char *const *directories,
                              const char *id, struct manifest **manifest_out, tr_error *error);

/* Finds a member's part file. `*path_out` is the caller's (mem_free). Errors: TR_EDATA: a snapshot
 * without one of its parts. */
tr_status snapshot_store_find_part(const storage_files *files, const char *const *directories,
                                   const struct manifest *manifest, const manifest_member *member,
                                   char **path_out, tr_error *error);

/* Told of each whole part of this node without a manifest, by its header; true: it must be kept,
 * since it may have been voted for. */
typedef bool snapshot_store_keep(void *context, const part_header *header);

/* At start: removes this node's temporary files, its parts without a manifest that `keep` (NULL:
 * none) does not claim, and folders left empty. Files of other nodes are theirs. `*removed_out`
 * (may be NULL) gets the number of files. Errors: the first one met; the sweep goes on past it. */
tr_status snapshot_store_sweep(const storage_files *files, const char *directory, const char *node,
                               snapshot_store_keep *keep, void *context, size_t *removed_out,
                               tr_error *error);

/* Removes this node's part of an uncommitted snapshot, if there is one, and the folder if that
 * leaves it empty. Errors: TR_EEXIST the snapshot is committed: nothing is removed; TR_EIO. */
tr_status snapshot_store_discard(const storage_files *files, const char *directory, const char *id,
                                 const char *node, tr_error *error);

/* Removes a whole snapshot from one directory: the manifest first, so that it is never half a
 * snapshot. Errors: TR_EINVAL, TR_ENOENT, TR_EIO. */
tr_status snapshot_store_remove(const storage_files *files, const char *directory, const char *id,
                                tr_error *error);

/* snapshot_store_discard as a job; `done` may be NULL. Any thread. */
void snapshot_store_submit_discard(struct storage *storage, const char *directory, const char *id,
                                   const char *node, storage_done *done, void *context);

/* The outcome of a look for a manifest, on the core thread: TR_OK with its bytes (borrowed), or
 * TR_ENOENT, TR_EDATA, TR_EIO, TR_ECLOSED with `error`. */
typedef void snapshot_store_found(void *context, tr_status status, const uint8_t *manifest,
                                  size_t bytes, const tr_error *error);

/* Looks for the sound manifest of one snapshot, as a job. Any thread. */
void snapshot_store_submit_find(struct storage *storage, const char *directory, const char *id,
                                snapshot_store_found *found, void *context);

#endif
