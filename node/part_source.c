/*
 * part_source.c - reading chunks of a part and comparing them with their digests.
 */
#include "node/part_source.h"

#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/part_decode.h"

/* The end of a part: 14 bytes of head and DIGEST_BYTES a chunk, then the trailer. */
enum { TAIL_FIXED_BYTES = 14 + PART_TRAILER_BYTES };

tr_status part_source_fault(const struct part_source *source, uint64_t at, const char *reason,
                            tr_error *error) {
    return error_set(error, TR_EDATA, "the file was damaged or altered since it was written",
                     "%s, byte %" PRIu64 ": %s", source->path, at, reason);
}

static tr_status read_failure(const struct part_source *source, int64_t result, tr_error *error) {
    if (result < 0) return storage_error(error, (int)result, "cannot read", source->path);
    return part_source_fault(source, source->file_bytes,
                             "the file became shorter while it was read", error);
}

/* Appends `bytes` bytes at `at` to `out`. */
static tr_status read_at(struct part_source *source, uint64_t at, size_t bytes, struct buffer *out,
                         tr_error *error) {
    uint8_t *place = buffer_reserve(out, bytes);
    int64_t got = storage_read_all(&source->files, source->file, at, place, bytes);
    if (got != (int64_t)bytes) return read_failure(source, got, error);
    out->bytes += bytes;
    return TR_OK;
}

/* Finds the content's length from the file's: the only one whose digests fill the rest. */
static bool content_bytes(uint64_t file_bytes, uint64_t *content_out) {
    if (file_bytes <= TAIL_FIXED_BYTES) return false;
    uint64_t rest = file_bytes - TAIL_FIXED_BYTES;
    uint64_t count = rest / (PART_DIGEST_BYTES + DIGEST_BYTES) + 1;
    if (rest % (PART_DIGEST_BYTES + DIGEST_BYTES) == 0) count--;
    if (rest <= count * DIGEST_BYTES) return false;
    *content_out = rest - count * DIGEST_BYTES;
    return part_digest_count(*content_out) == count;
}

static tr_status decode_tail(struct part_source *source, uint64_t content, tr_error *error) {
    struct part_fault fault = {0};
    struct record_cursor cursor = {source->tail.data, source->tail.data + source->tail.bytes};
    if (part_decode_digests(&cursor, part_digest_count(content), &source->digests, &fault) &&
        part_decode_trailer(&cursor, &source->trailer, &fault)) {
        if (source->trailer.bytes != content) {
            part_fault_set(&fault, "%" PRIu64 " bytes of content instead of %" PRIu64, content,
                           source->trailer.bytes);
        } else if (source->trailer.records_at >= content) {
            part_fault_set(&fault, "the records are said to begin behind the content");
        } else {
            return TR_OK;
        }
    }
    return part_source_fault(source, content + (uint64_t)(cursor.at - source->tail.data),
                             fault.reason, error);
}

static tr_status check_length(const struct part_source *source, const manifest_member *member,
                              uint64_t *content_out, tr_error *error) {
    if (member != NULL && member->bytes != source->file_bytes) {
        struct part_fault fault = {0};
        part_fault_set(&fault, "the file has %" PRIu64 " bytes, by the manifest %" PRIu64,
                       source->file_bytes, member->bytes);
        uint64_t at = source->file_bytes < member->bytes ? source->file_bytes : member->bytes;
        return part_source_fault(source, at, fault.reason, error);
    }
    if (content_bytes(source->file_bytes, content_out)) return TR_OK;
    return part_source_fault(source, source->file_bytes, "no whole part has this length", error);
}

static tr_status read_tail(struct part_source *source, const manifest_member *member,
                           tr_error *error) {
    uint64_t content = 0;
    tr_status status = check_length(source, member, &content, error);
    if (status != TR_OK) return status;
    size_t bytes = (size_t)(source->file_bytes - content);
    status = read_at(source, content, bytes, &source->tail, error);
    if (status != TR_OK) return status;
    uint8_t digest[DIGEST_BYTES];
    digest_of(source->tail.data, source->tail.bytes, digest);
    if (member != NULL && !digest_equal(digest, member->tail_digest)) {
        return part_source_fault(source, content, "the end of the file differs from its digest",
                                 error);
    }
    return decode_tail(source, content, error);
}

tr_status part_source_open(struct part_source *source, const storage_files *files, const char *path,
                           const manifest_member *member, tr_error *error) {
    storage_stat stat;
    *source = (struct part_source){.path = path, .files = *files};
    int failure = files->ops->stat(files->context, path, &stat);
    if (failure == 0) failure = source->file = files->ops->open(files->context, path);
    if (failure < 0) return storage_error(error, failure, "cannot open", path);
    source->file_bytes = stat.bytes;
    tr_status status = read_tail(source, member, error);
    if (status != TR_OK) part_source_close(source);
    return status;
}

void part_source_close(struct part_source *source) {
    source->files.ops->close(source->files.context, source->file);
    buffer_fini(&source->tail);
    buffer_fini(&source->window);
}

/* Appends the chunk with that number to `out`, once its digest has been compared. */
static tr_status read_chunk(struct part_source *source, uint64_t number, struct buffer *out,
                            tr_error *error) {
    uint64_t at = number * PART_DIGEST_BYTES;
    uint64_t left = source->trailer.bytes - at;
    size_t bytes = left < PART_DIGEST_BYTES ? (size_t)left : PART_DIGEST_BYTES;
    tr_status status = read_at(source, at, bytes, out, error);
    if (status != TR_OK) return status;
    uint8_t digest[DIGEST_BYTES];
    digest_of(out->data + out->bytes - bytes, bytes, digest);
    if (digest_equal(digest, source->digests + number * DIGEST_BYTES)) return TR_OK;
    out->bytes -= bytes;
    struct part_fault fault = {0};
    part_fault_set(&fault, "this and the %zu bytes after it differ from their digest", bytes - 1);
    return part_source_fault(source, at, fault.reason, error);
}

bool part_source_more(struct part_source *source, tr_status *status_out, tr_error *error) {
    buffer_consume(&source->window, source->consumed);
    source->consumed = 0;
    /* Doubling: an item of many chunks is then measured anew only a few times. */
    size_t before = source->window.bytes;
    *status_out = TR_OK;
    while (source->next_chunk < part_digest_count(source->trailer.bytes)) {
        *status_out = read_chunk(source, source->next_chunk, &source->window, error);
        if (*status_out != TR_OK) return false;
        source->next_chunk++;
        if (source->window.bytes >= 2 * before) return true;
    }
    return source->window.bytes > before;
}

tr_status part_source_read_rest(struct part_source *source, uint64_t at, struct buffer *out,
                                tr_error *error) {
    struct buffer chunks = {0};
    uint64_t first = at / PART_DIGEST_BYTES;
    tr_status status = TR_OK;
    for (uint64_t i = first; i < part_digest_count(source->trailer.bytes) && status == TR_OK; i++) {
        status = read_chunk(source, i, &chunks, error);
    }
    if (status == TR_OK) {
        size_t skip = (size_t)(at - first * PART_DIGEST_BYTES);
        buffer_append(out, chunks.data + skip, chunks.bytes - skip);
    }
    buffer_fini(&chunks);
    return status;
}
