/*
 * part_source.h - the bytes of a part file, none given out before its digest was checked.
 *
 * The end of the file holds the digest of every PART_DIGEST_BYTES of its content; the manifest
 * holds that of the end. So any piece can be checked when it is read, and a file of any size is
 * read in little memory. Takes outside bytes (I5). One thread at a time; blocking.
 */
#ifndef TROUPE_PART_SOURCE_H
#define TROUPE_PART_SOURCE_H

#include "node/base/buffer.h"
#include "node/manifest.h"
#include "node/part_map.h"
#include "node/storage.h"

struct part_source {
    const char *path; /* borrowed */
    storage_files files;
    int file;
    uint64_t file_bytes;
    part_trailer trailer;
    struct buffer tail;     /* digests and trailer */
    const uint8_t *digests; /* in the tail */
    struct buffer window;   /* checked content */
    size_t consumed;        /* bytes of the window that are taken; given up when it grows */
    uint64_t at;            /* where in the file the first byte not yet consumed stands */
    uint64_t next_chunk;    /* the one behind the window */
};

/* Opens the file and checks its length and its end. `member` NULL: nothing is known of it. The path
 * must outlive the source. Errors: TR_ENOENT, TR_EIO, TR_EDATA; the source then needs no closing.
 */
tr_status part_source_open(struct part_source *source, const storage_files *files, const char *path,
                           const manifest_member *member, tr_error *error);
void part_source_close(struct part_source *source);

/* Adds at least one more chunk to the window, and as many as double it. False at the content's end
 * (with TR_OK) or on an error: `*status_out` tells which. */
bool part_source_more(struct part_source *source, tr_status *status_out, tr_error *error);

/* The window's bytes that are not consumed; valid until part_source_more. */
static inline const uint8_t *part_source_data(const struct part_source *source) {
    return source->window.data + source->consumed;
}

static inline size_t part_source_bytes(const struct part_source *source) {
    return source->window.bytes - source->consumed;
}

/* Takes `bytes` bytes off the front of the window. */
static inline void part_source_consume(struct part_source *source, size_t bytes) {
    source->consumed += bytes;
    source->at += bytes;
}

/* Appends the content from `at` to its end to `out`, checked, beside the window. */
tr_status part_source_read_rest(struct part_source *source, uint64_t at, struct buffer *out,
                                tr_error *error);

/* Fills `error` with the path, the offset `at` and the reason; returns TR_EDATA. */
tr_status part_source_fault(const struct part_source *source, uint64_t at, const char *reason,
                            tr_error *error);

#endif
