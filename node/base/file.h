/*
 * file.h - small whole files: read with a limit, written so that a crash leaves old or new.
 *
 * Used for keys and small remembered numbers. Writing goes to a temporary name beside the file,
 * is flushed to disk, renamed, and the directory flushed. All of these block on the disk: only
 * programs, start-up and the storage thread call them. Several threads and processes may.
 */
#ifndef TROUPE_BASE_FILE_H
#define TROUPE_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>
#include <troupe.h>

#include "node/base/buffer.h"
#include "node/base/error.h"

/*
 * Besides what each one names, all of these fail with TR_ENOENT when there is no such file or
 * directory, TR_ENOSPC when the disk is full, and TR_EIO with the system's reason.
 */

/* Appends the whole file to `content`, which is untouched on error. Errors: TR_EDATA when it is no
 * regular file, TR_ETOOBIG when it has more than `bytes_max` bytes. */
tr_status file_read(const char *path, size_t bytes_max, struct buffer *content, tr_error *error);

/* As file_read, for secrets: TR_EREFUSED when group or others have any right to the file, or it
 * belongs neither to this user nor to root. */
tr_status file_read_private(const char *path, size_t bytes_max, struct buffer *content,
                            tr_error *error);

/* Replaces (or makes) the file, with exactly this mode; on error what was there is still there. */
tr_status file_write(const char *path, const void *source, size_t bytes, mode_t mode,
                     tr_error *error);

/* As file_write, but never replaces: TR_EEXIST when there is a file of that name already. */
tr_status file_create(const char *path, const void *source, size_t bytes, mode_t mode,
                      tr_error *error);

/* Makes a directory, and those above it as needed, with this mode; one that exists is fine. */
tr_status file_make_directory(const char *path, mode_t mode, tr_error *error);

/* Flushes a directory's entries to disk. */
tr_status file_sync_directory(const char *path, tr_error *error);

#endif
