/*
 * part_writer.c - a part grows by storage jobs: begin, append ..., finish; or abort.
 *
 * The jobs run in the order they were submitted, one at a time, so what they share needs no lock.
 * The first that fails closes and removes the file; those behind it find the status set and do
 * nothing. What workers and the core touch is atomic or the core thread's alone.
 */
#include "node/part_writer.h"

#include <errno.h>
#include <stdatomic.h>

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/part_digest.h"

enum {
    RESERVE_BYTES = 256 * 1024, /* room is asked of the disk in steps of this */
    WRITE_BACK_BYTES = 4 << 20  /* what is written goes to the disk in steps of this */
};

struct part_writer {
    atomic_uint references;
    atomic_bool dropped;  /* aborted: nothing matters any more */
    atomic_bool finished; /* nothing may be appended any more */
    _Atomic uint64_t queued_bytes;

    /* The core thread's. */
    struct storage *storage;
    part_writer_done *done;
    void *context;
    bool told;

    /* The storage thread's, once begun. */
    char *folder;
    char *temporary;
    char *path;
    int file;     /* -1: not open */
    bool renamed; /* it carries its name */
    tr_status status;
    tr_error error;
    uint64_t bytes;
    uint64_t reserved_bytes;
    uint64_t sent_bytes; /* the disk was told to begin with */
    uint64_t actors;
    uint64_t messages;
    struct part_digest chunk; /* of the PART_DIGEST_BYTES under way */
    struct buffer digests;
    part_summary summary;
};

struct writer_job {
    storage_job job;
    part_writer *writer; /* a reference */
    void (*step)(part_writer *writer, const storage_files *files, struct writer_job *job);
    bool failed; /* this one met the first error */
    struct buffer bytes;
    uint64_t actors;
    uint64_t messages;
};

/* ---- on the storage thread ------------------------------------------------------------------- */

static void remember_failure(part_writer *writer, int negative_errno, const char *what,
                             const char *path) {
    writer->status = storage_error(&writer->error, negative_errno, what, path);
}

/* Removes all traces; what cannot be removed now is left to the sweep at the next start. */
static void remove_files(part_writer *writer, const storage_files *files) {
    if (writer->file >= 0) files->ops->close(files->context, writer->file);
    writer->file = -1;
    files->ops->unlink(files->context, writer->temporary);
    if (writer->renamed) files->ops->unlink(files->context, writer->path);
    writer->renamed = false;
    files->ops->sync_directory(files->context, writer->folder);
    files->ops->remove_directory(files->context, writer->folder);
}

/* Adds bytes to the digests; each PART_DIGEST_BYTES one is complete. */
static void digest_bytes(part_writer *writer, const uint8_t *data, size_t bytes) {
    uint64_t at = writer->bytes;
    while (bytes > 0) {
        size_t room = PART_DIGEST_BYTES - (size_t)(at % PART_DIGEST_BYTES);
        size_t count = bytes < room ? bytes : room;
        digest_update(writer->chunk.state, data, count);
        if (count == room) {
            digest_final(writer->chunk.state, buffer_reserve(&writer->digests, DIGEST_BYTES));
            writer->digests.bytes += DIGEST_BYTES;
            digest_init(writer->chunk.state);
        }
        data += count;
        bytes -= count;
        at += count;
    }
}

/* The disk works while actors are still being recorded, not only at the end. */
static void write_back(part_writer *writer, const storage_files *files) {
    uint64_t bytes = writer->bytes - writer->sent_bytes;
    if (bytes < WRITE_BACK_BYTES) return;
    files->ops->write_back(files->context, writer->file, writer->sent_bytes, bytes);
    writer->sent_bytes = writer->bytes;
}

/* Asks the disk for room, so that a full one is noticed before anything is half written. */
static int reserve(part_writer *writer, const storage_files *files, size_t bytes) {
    uint64_t end = writer->bytes + bytes;
    if (end <= writer->reserved_bytes) return 0;
    uint64_t target = writer->reserved_bytes + RESERVE_BYTES;
    if (target < end) target = end;
    int failure = files->ops->reserve(files->context, writer->file, writer->reserved_bytes,
                                      target - writer->reserved_bytes);
    if (failure == 0) writer->reserved_bytes = target;
    return failure;
}

static void write_bytes(part_writer *writer, const storage_files *files, const void *data,
                        size_t bytes) {
    int failure = reserve(writer, files, bytes);
    if (failure == 0) failure = storage_write_all(files, writer->file, data, bytes);
    if (failure < 0) {
        remember_failure(writer, failure, "cannot write", writer->temporary);
    } else {
        writer->bytes += bytes;
        write_back(writer, files);
    }
}

static void begin_step(part_writer *writer, const storage_files *files, struct writer_job *job) {
    writer->status = storage_make_directories(files, writer->folder, &writer->error);
    if (writer->status != TR_OK) return;
    writer->file = storage_create(files, writer->temporary);
    if (writer->file == -ENOENT) {
        /* Another node of a shared directory swept the folder away while it was empty. */
        writer->status = storage_make_directories(files, writer->folder, &writer->error);
        if (writer->status != TR_OK) return;
        writer->file = storage_create(files, writer->temporary);
    }
    if (writer->file < 0) {
        remember_failure(writer, writer->file, "cannot make", writer->temporary);
        return;
    }
    digest_bytes(writer, job->bytes.data, job->bytes.bytes);
    write_bytes(writer, files, job->bytes.data, job->bytes.bytes);
}

static void append_step(part_writer *writer, const storage_files *files, struct writer_job *job) {
    digest_bytes(writer, job->bytes.data, job->bytes.bytes);
    write_bytes(writer, files, job->bytes.data, job->bytes.bytes);
    writer->actors += job->actors;
    writer->messages += job->messages;
}

/* Writes digests and trailer, and completes the summary. */
static void write_tail(part_writer *writer, const storage_files *files, uint64_t records_at) {
    if (writer->bytes % PART_DIGEST_BYTES != 0) {
        digest_final(writer->chunk.state, buffer_reserve(&writer->digests, DIGEST_BYTES));
        writer->digests.bytes += DIGEST_BYTES;
    }
    struct buffer tail = {0};
    part_encode_digests(&tail, writer->digests.data, writer->digests.bytes / DIGEST_BYTES);
    part_trailer trailer = {writer->actors, writer->messages, records_at, writer->bytes};
    part_encode_trailer(&tail, &trailer);
    write_bytes(writer, files, tail.data, tail.bytes);

    part_summary *summary = &writer->summary;
    digest_of(tail.data, tail.bytes, summary->tail_digest);
    summary->bytes = writer->bytes;
    summary->actors = writer->actors;
    summary->messages = writer->messages;
    buffer_fini(&tail);
}

/* Makes the file durable under its name. After a failed sync nothing is known of it: no retry. */
static void publish(part_writer *writer, const storage_files *files) {
    int failure = 0;
    if (writer->reserved_bytes > writer->bytes) {
        failure = files->ops->truncate(files->context, writer->file, writer->bytes);
    }
    if (failure == 0) failure = files->ops->sync(files->context, writer->file);
    if (failure < 0) {
        remember_failure(writer, failure, "cannot sync", writer->temporary);
        return;
    }
    failure = files->ops->close(files->context, writer->file);
    writer->file = -1;
    if (failure == 0) {
        failure = files->ops->rename(files->context, writer->temporary, writer->path);
        writer->renamed = failure == 0;
    }
    if (failure == 0) failure = files->ops->sync_directory(files->context, writer->folder);
    if (failure < 0) remember_failure(writer, failure, "cannot make durable", writer->path);
}

static void finish_step(part_writer *writer, const storage_files *files, struct writer_job *job) {
    uint64_t records_at = writer->bytes;
    append_step(writer, files, job);
    if (writer->status == TR_OK) write_tail(writer, files, records_at);
    if (writer->status == TR_OK) publish(writer, files);
}

static void abort_step(part_writer *writer, const storage_files *files, struct writer_job *job) {
    (void)job;
    remove_files(writer, files);
    writer->status = TR_EABORTED;
}

static void job_run(storage_job *base, const storage_files *files) {
    struct writer_job *job = container_of(base, struct writer_job, job);
    part_writer *writer = job->writer;
    /* Relaxed: only saves work; the abort's own job comes behind this one. */
    bool dropped = atomic_load_explicit(&writer->dropped, memory_order_relaxed);
    if (job->step == abort_step || (writer->status == TR_OK && !dropped)) {
        job->step(writer, files, job);
        job->failed = writer->status != TR_OK;
        if (job->failed && job->step != abort_step) remove_files(writer, files);
    }
    atomic_fetch_sub_explicit(&writer->queued_bytes, job->bytes.bytes, memory_order_relaxed);
    buffer_fini(&job->bytes);
}

/* ---- on the core thread ---------------------------------------------------------------------- */

static void tell(part_writer *writer, const struct writer_job *job) {
    if (writer->told || atomic_load_explicit(&writer->dropped, memory_order_relaxed)) return;
    if (!job->job.ran) {
        tr_error closed;
        error_set(&closed, TR_ECLOSED, NULL, "%s was not completed: the node stops", writer->path);
        writer->told = true;
        writer->done(writer->context, TR_ECLOSED, NULL, &closed);
    } else if (job->failed) {
        writer->told = true;
        writer->done(writer->context, writer->status, NULL, &writer->error);
    } else if (job->step == finish_step) {
        writer->told = true;
        writer->done(writer->context, TR_OK, &writer->summary, NULL);
    }
}

static void job_complete(storage_job *base) {
    struct writer_job *job = container_of(base, struct writer_job, job);
    part_writer *writer = job->writer;
    atomic_fetch_sub_explicit(&writer->queued_bytes, job->bytes.bytes, memory_order_relaxed);
    tell(writer, job);
    buffer_fini(&job->bytes);
    mem_free(job);
    part_writer_unref(writer);
}

/* Submits a step with these bytes, which are taken. */
static void submit(part_writer *writer, struct buffer *bytes,
                   void (*step)(part_writer *, const storage_files *, struct writer_job *),
                   uint64_t actors, uint64_t messages) {
    struct writer_job *job = mem_zalloc(1, sizeof *job);
    job->job.run = job_run;
    job->job.complete = job_complete;
    job->writer = part_writer_ref(writer);
    job->step = step;
    job->bytes = *bytes;
    job->actors = actors;
    job->messages = messages;
    buffer_init(bytes);
    atomic_fetch_add_explicit(&writer->queued_bytes, job->bytes.bytes, memory_order_relaxed);
    storage_submit(writer->storage, &job->job);
}

part_writer *part_writer_open(struct storage *storage, const char *directory,
                              const part_header *header, part_writer_done *done, void *context) {
    check(header->snapshot[0] != '\0' && header->initiator[0] != '\0' && header->node[0] != '\0');
    part_writer *writer = mem_zalloc(1, sizeof *writer);
    atomic_init(&writer->references, 1);
    writer->storage = storage;
    writer->done = done;
    writer->context = context;
    writer->folder = storage_join(directory, header->snapshot);
    writer->path = mem_format("%s/%s.part", writer->folder, header->node);
    writer->temporary = mem_format("%s.tmp", writer->path);
    writer->file = -1;
    part_digest_init(&writer->chunk);
    struct buffer first = {0};
    part_encode_header(&first, header);
    submit(writer, &first, begin_step, 0, 0);
    return writer;
}

part_writer *part_writer_ref(part_writer *writer) {
    atomic_fetch_add_explicit(&writer->references, 1, memory_order_relaxed);
    return writer;
}

void part_writer_unref(part_writer *writer) {
    /* Acquire and release: the last one sees all that the others did. */
    if (atomic_fetch_sub_explicit(&writer->references, 1, memory_order_acq_rel) > 1) return;
    const storage_files *files = storage_files_of(writer->storage);
    if (writer->file >= 0) files->ops->close(files->context, writer->file);
    part_digest_fini(&writer->chunk);
    buffer_fini(&writer->digests);
    mem_free(writer->folder);
    mem_free(writer->temporary);
    mem_free(writer->path);
    mem_free(writer);
}

void part_writer_append(part_writer *writer, part_chunk *chunk) {
    if (chunk->buffer.bytes > 0 && !atomic_load_explicit(&writer->dropped, memory_order_relaxed)) {
        check(!atomic_load_explicit(&writer->finished, memory_order_relaxed));
        submit(writer, &chunk->buffer, append_step, chunk->actors, chunk->messages);
    }
    part_chunk_fini(chunk);
}

uint64_t part_writer_queued_bytes(part_writer *writer) {
    return atomic_load_explicit(&writer->queued_bytes, memory_order_relaxed);
}

void part_writer_finish(part_writer *writer, const part_record *records, size_t record_count,
                        const part_link *links, size_t link_count) {
    check(!atomic_exchange_explicit(&writer->finished, true, memory_order_relaxed));
    struct buffer last = {0};
    part_encode_records(&last, records, record_count);
    part_encode_links(&last, links, link_count);
    submit(writer, &last, finish_step, 0, 0);
}

void part_writer_abort(part_writer *writer) {
    if (atomic_exchange_explicit(&writer->dropped, true, memory_order_relaxed)) return;
    struct buffer nothing = {0};
    submit(writer, &nothing, abort_step, 0, 0);
}
