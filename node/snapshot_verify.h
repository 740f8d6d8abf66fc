/*
 * snapshot_verify.h - is this snapshot whole, unaltered and consistent?
 *
 * Everything that can be seen from outside is checked: the manifest's signature, every digest
 * before the bytes under it are decoded, the form of every item, every body against its record,
 * the totals, each actor and message at most once and in order, colours older than the cut, and I8
 * on every link with three counts of different origin. Programs and the storage thread call it;
 * blocking.
 */
#ifndef TROUPE_SNAPSHOT_VERIFY_H
#define TROUPE_SNAPSHOT_VERIFY_H

#include "node/manifest.h"
#include "node/storage.h"

/* Finds the public signing key of a member; false when it is not known here. */
typedef bool snapshot_verify_key(void *context, const char *name,
                                 uint8_t key_out[SIGN_PUBLIC_BYTES]);

/* Zero fields take the defaults in brackets. */
typedef struct snapshot_verify_options {
    snapshot_verify_key *key; /* [none known: the manifest's own key is believed] */
    void *key_context;
} snapshot_verify_options;

/* Verifies snapshot `id`, found in `directories` (NULL-terminated). `*manifest_out` (may be NULL)
 * gets its manifest, the caller's. Errors, each naming file and place: TR_ENOENT no such snapshot,
 * TR_EDATA a damaged, altered, missing or malformed file or a wrong key, TR_ECHECK well-formed
 * files that contradict each other (I8, an actor or a message twice, a colour of the future),
 * TR_EIO. */
tr_status snapshot_verify(const storage_files *files, const char *const *directories,
                          const char *id, const snapshot_verify_options *options,
                          struct manifest **manifest_out, tr_error *error);

#endif
