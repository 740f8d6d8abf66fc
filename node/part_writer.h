/*
 * part_writer.h - writes one node's part of one snapshot, while the snapshot runs.
 *
 * Opened by the core thread when a snapshot starts; workers append chunks as they fill; the core
 * finishes it once nothing more can come. The file grows under a temporary name and is renamed
 * only when all its bytes are synced, so that nothing incomplete ever carries a part's name. The
 * first failure ends it: the outcome is an error, the temporary file is removed.
 */
#ifndef TROUPE_PART_WRITER_H
#define TROUPE_PART_WRITER_H

#include "node/part.h"
#include "node/storage.h"

typedef struct part_writer part_writer;

/* What the manifest needs to know of a durable part. */
typedef struct part_summary {
    uint64_t bytes;
    uint64_t actors;
    uint64_t messages;
    uint8_t tail_digest[DIGEST_BYTES]; /* of its end: the digests of the rest, and the trailer */
} part_summary;

/* The outcome, told once, from storage_poll_completions (the core thread): TR_OK after
 * part_writer_finish when the part is durable, with its summary (borrowed); or, at any time, the
 * first error (TR_ENOSPC, TR_EIO, TR_ECLOSED: the storage closed). Not told after
 * part_writer_abort. */
typedef void part_writer_done(void *context, tr_status status, const part_summary *summary,
                              const tr_error *error);

/* Starts `directory`/`header->snapshot`/`header->node`.part; makes the directories as needed. Never
 * fails: errors come through `done`. The caller owns one reference and gives it back with
 * part_writer_unref. */
part_writer *part_writer_open(struct storage *storage, const char *directory,
                              const part_header *header, part_writer_done *done, void *context);

/* References; any thread. A worker that appends must hold one, or know that another is held. The
 * writer must be given up before its storage closes, or at the latest in the completions that
 * storage_close delivers. */
part_writer *part_writer_ref(part_writer *writer);
void part_writer_unref(part_writer *writer);

/* Takes the chunk's items; it is empty afterwards. Any thread; not after part_writer_finish was
 * called. What is appended after an error or an abort is dropped. */
void part_writer_append(part_writer *writer, part_chunk *chunk);

/* Bytes appended and not written yet: how far the disk is behind. Any thread. */
uint64_t part_writer_queued_bytes(part_writer *writer);

/* Closes the part with the descriptors of all records the node knows (a sum finds a record by them
 * even when nothing of it was recorded), ascending by id, and one entry for each link. Borrows
 * both. Core thread, once. */
void part_writer_finish(part_writer *writer, const part_record *records, size_t record_count,
                        const part_link *links, size_t link_count);

/* Gives up: removes the temporary file, and the part itself if it was durable, and the snapshot's
 * folder when that leaves it empty. `done` is not called from now on. Core thread. */
void part_writer_abort(part_writer *writer);

#endif
