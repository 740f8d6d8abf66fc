/*
 * snapshot_folder.h - the names in a directory of snapshots, and what they say.
 *
 * Shared by those who read the store and those who clean it. Blocking; one thread at a time.
 */
#ifndef TROUPE_SNAPSHOT_FOLDER_H
#define TROUPE_SNAPSHOT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "node/storage.h"

/* The names in a directory, sorted, so that nothing depends on the order the disk has them in. */
struct snapshot_names {
    char **items;
    size_t count;
};

/* Reads a directory's names; snapshot_names_fini frees them. Returns 0, or a negative errno with
 * nothing to free. */
int snapshot_names_read(const storage_files *files, const char *directory,
                        struct snapshot_names *names_out);
void snapshot_names_fini(struct snapshot_names *names);

/* "DIRECTORY/ID/NAME", the caller's (mem_free). */
char *snapshot_folder_path(const char *directory, const char *id, const char *name);

/* True when the folder `id` has a manifest, sound or not. */
bool snapshot_folder_committed(const storage_files *files, const char *directory, const char *id);

#endif
