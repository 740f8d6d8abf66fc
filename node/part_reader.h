/*
 * part_reader.h - reads a part file item by item, trusting none of its bytes (I5).
 *
 * Each PART_DIGEST_BYTES of the file are compared with their digest before anything in them is
 * decoded. No memory is taken by what a count claims, only by bytes that are there. Form and order
 * of the items, bodies against their records, totals and end are checked; whatever is not as
 * SNAPSHOT.md says is TR_EDATA with the file and the offset in it. One thread at a time; blocking.
 */
#ifndef TROUPE_PART_READER_H
#define TROUPE_PART_READER_H

#include "node/manifest.h"
#include "node/part.h"
#include "node/record.h"
#include "node/storage.h"

typedef struct part_reader part_reader;

typedef enum part_item_kind {
    PART_ITEM_ACTOR,
    PART_ITEM_MESSAGE,
    PART_ITEM_END /* the whole file was read and all of it agrees */
} part_item_kind;

/* One item; what it points to is borrowed until the next call. Texts do not end in NUL. */
typedef struct part_item {
    part_item_kind kind;
    uint64_t offset; /* in the file */
    union {
        part_actor actor;
        part_message message;
    };
} part_item;

/* Opens a part and reads its header, records and links. `manifest` and `member` are what it must
 * agree with, borrowed until close; both NULL: nothing is known of it. Errors: TR_ENOENT, TR_EIO,
 * TR_EDATA. */
tr_status part_reader_open(const storage_files *files, const char *path,
                           const struct manifest *manifest, const manifest_member *member,
                           part_reader **reader_out, tr_error *error);
void part_reader_close(part_reader *reader);

/* Reads the next actor or message. Errors: TR_EIO, TR_EDATA; the reader can then only be closed. */
tr_status part_reader_next(part_reader *reader, part_item *item_out, tr_error *error);

/* What open has read; borrowed until close. */
const part_header *part_reader_header(const part_reader *reader);
const part_trailer *part_reader_trailer(const part_reader *reader);
const part_link *part_reader_links(const part_reader *reader, uint32_t *count_out);
const char *part_reader_path(const part_reader *reader);

/* Returns the type of a record id of this part; NULL: none has it. Items name only ids that are
 * there. */
const record_type *part_reader_type(const part_reader *reader, uint32_t id);

/* Returns the part's `index`-th record type, in the order of the file, or NULL past the end. */
const record_type *part_reader_type_at(const part_reader *reader, uint32_t index);

/* Decodes a state or body of that record into one block, the caller's (mem_free). Never fails for
 * values of this reader's items. */
void *part_reader_decode(const part_reader *reader, uint32_t record, part_value value);

#endif
