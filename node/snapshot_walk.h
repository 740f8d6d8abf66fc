/*
 * snapshot_walk.h - every item of every part of a snapshot, one after the other.
 *
 * For what looks at contents: shows, sums. Parts are taken in the order of the manifest's members,
 * digests and form are checked on the way. Blocking; one thread at a time.
 */
#ifndef TROUPE_SNAPSHOT_WALK_H
#define TROUPE_SNAPSHOT_WALK_H

#include "node/manifest.h"
#include "node/part_reader.h"
#include "node/storage.h"

/* Who looks. Any result but TR_OK ends the walk with it. */
struct snapshot_visitor {
    void *context;
    /* Before a part's items; may be NULL. */
    tr_status (*part)(void *context, const part_reader *reader, const manifest_member *member,
                      tr_error *error);
    tr_status (*item)(void *context, const part_reader *reader, const manifest_member *member,
                      const part_item *item, tr_error *error);
};

/* Visits all parts, or only that of member `only` (NULL: all). Errors: those of part_reader.h,
 * TR_EDATA a missing part, and the visitor's. */
tr_status snapshot_walk(const storage_files *files, const char *const *directories,
                        const struct manifest *manifest, const manifest_member *only,
                        const struct snapshot_visitor *visitor, tr_error *error);

#endif
