/*
 * part_reader.c - the items of a part in order: header, actors and messages, records, links.
 *
 * The records stand near the end, since they are written last; the trailer says where, so they are
 * read first, and every body is checked against its record when its item is met.
 */
#include "node/part_reader.h"

#include <string.h>

#include "node/base/check.h"
#include "node/base/error.h"
#include "node/base/map.h"
#include "node/base/memory.h"
#include "node/part_decode.h"
#include "node/part_source.h"
#include "node/record_codec.h"
#include "node/record_table.h"

/* Of records and links together, and of one item: memory follows what the file really holds. */
#define RECORDS_BYTES_MAX ((size_t)256 << 20)
#define ITEM_BYTES_MAX ((size_t)4 << 30)

struct part_reader {
    char *path;
    const struct manifest *manifest;
    const manifest_member *member;
    struct part_source source;
    part_header header;
    record_table *table;
    const record_type **types; /* in the order of the file */
    uint32_t type_count;
    map_u64 types_by_id;
    part_link *links;
    uint32_t link_count;
    struct part_scratch scratch;
    struct part_fault fault;
    size_t item_bytes; /* of the last item: still in the window, since its caller looks at it */
    uint64_t actors;
    uint64_t messages;
};

/* ---- records and links ----------------------------------------------------------------------- */

static bool read_record(part_reader *reader, struct record_cursor *cursor, uint64_t *last_id) {
    struct part_fault *fault = &reader->fault;
    uint64_t id = 0;
    part_value descriptor;
    if (!part_read_array(cursor, 2, "record", fault) ||
        !part_read_number(cursor, UINT32_MAX, &id, "a record's id", fault) ||
        !part_read_value(cursor, &descriptor, "a record's descriptor", fault)) {
        return false;
    }
    if (id <= *last_id) return part_fault_set(fault, "the records' ids do not ascend");
    *last_id = id;
    if (descriptor.data == NULL) return part_fault_set(fault, "record %" PRIu64 ": nil", id);
    tr_error error;
    const record_type *type;
    if (record_table_from_wire(reader->table, descriptor.data, descriptor.bytes, &type, &error) !=
        TR_OK) {
        return part_fault_set(fault, "record %" PRIu64 ": %s", id, error.message);
    }
    map_u64_put(&reader->types_by_id, id, (void *)(uintptr_t)type);
    reader->types[reader->type_count++] = type;
    return true;
}

static bool read_records(part_reader *reader, struct record_cursor *cursor) {
    uint32_t count = 0;
    uint64_t last_id = 0;
    if (!part_read_item(cursor, "records", 2, &reader->fault)) return false;
    if (!part_read_count(cursor, PART_RECORDS_MAX, &count, "records", &reader->fault)) return false;
    reader->types = mem_zalloc(count, sizeof reader->types[0]);
    for (uint32_t i = 0; i < count; i++) {
        if (!read_record(reader, cursor, &last_id)) return false;
    }
    return true;
}

static bool read_links(part_reader *reader, struct record_cursor *cursor) {
    uint32_t count = 0;
    if (!part_read_item(cursor, "links", 2, &reader->fault)) return false;
    if (!part_read_count(cursor, PART_LINKS_MAX, &count, "links", &reader->fault)) return false;
    reader->links = mem_zalloc(count, sizeof reader->links[0]);
    for (; reader->link_count < count; reader->link_count++) {
        if (!part_decode_link(cursor, &reader->links[reader->link_count], &reader->fault)) {
            return false;
        }
    }
    return record_cursor_left(cursor) == 0 ||
           part_fault_set(&reader->fault, "bytes behind the links");
}

/* Reads what stands between the items and the digests. */
static tr_status load_end(part_reader *reader, tr_error *error) {
    uint64_t at = reader->source.trailer.records_at;
    if (reader->source.trailer.bytes - at > RECORDS_BYTES_MAX) {
        return part_source_fault(&reader->source, at, "the records are too big", error);
    }
    struct buffer rest = {0};
    tr_status status = part_source_read_rest(&reader->source, at, &rest, error);
    if (status == TR_OK) {
        struct record_cursor cursor = {rest.data, rest.data + rest.bytes};
        if (!read_records(reader, &cursor) || !read_links(reader, &cursor)) {
            status = part_source_fault(&reader->source, at + (uint64_t)(cursor.at - rest.data),
                                       reader->fault.reason, error);
        }
    }
    buffer_fini(&rest);
    return status;
}

/* ---- header ---------------------------------------------------------------------------------- */

/* Where in the file the next item begins. */
static uint64_t place(const part_reader *reader) {
    return reader->source.at;
}

static tr_status fault_here(part_reader *reader, tr_error *error) {
    return part_source_fault(&reader->source, place(reader), reader->fault.reason, error);
}

/* The next item, once it is whole. */
static struct record_cursor cursor_over(const part_reader *reader, size_t bytes) {
    const uint8_t *data = part_source_data(&reader->source);
    return (struct record_cursor){data, data + bytes};
}

/* Makes the next item whole in the window. */
static tr_status load_item(part_reader *reader, size_t *bytes_out, tr_error *error) {
    struct part_source *source = &reader->source;
    for (;;) {
        /* Items end before the records begin. */
        uint64_t left = source->trailer.records_at - source->at;
        size_t bytes = part_source_bytes(source) < left ? part_source_bytes(source) : (size_t)left;
        enum part_measured measured = PART_CUT;
        if (bytes > 0) measured = part_measure(part_source_data(source), bytes, bytes_out);
        if (measured == PART_WHOLE) return TR_OK;
        if (measured == PART_MALFORMED) {
            part_fault_set(&reader->fault, "what begins here is no item");
            return fault_here(reader, error);
        }
        if (bytes == left || bytes > ITEM_BYTES_MAX) {
            part_fault_set(&reader->fault, "the item that begins here does not end in time");
            return fault_here(reader, error);
        }
        tr_status status = TR_OK;
        if (!part_source_more(source, &status, error) && status != TR_OK) return status;
    }
}

static tr_status check_header(part_reader *reader, tr_error *error) {
    const part_header *header = &reader->header;
    const struct manifest *manifest = reader->manifest;
    const manifest_member *member = reader->member;
    if (manifest == NULL) return TR_OK;
    if (strcmp(header->cluster, manifest->cluster) == 0 &&
        strcmp(header->snapshot, manifest->id) == 0 && header->epoch == manifest->epoch &&
        strcmp(header->initiator, manifest->initiator) == 0 &&
        strcmp(header->node, member->name) == 0 && header->incarnation == member->incarnation &&
        header->ordinal == member->ordinal && header->space == member->space) {
        return TR_OK;
    }
    part_fault_set(&reader->fault,
                   "this is the part of %s for snapshot %s, not what the manifest "
                   "says",
                   header->node, header->snapshot);
    return part_source_fault(&reader->source, 0, reader->fault.reason, error);
}

static tr_status load_header(part_reader *reader, tr_error *error) {
    size_t bytes = 0;
    tr_status status = load_item(reader, &bytes, error);
    if (status != TR_OK) return status;
    struct record_cursor cursor = cursor_over(reader, bytes);
    if (!part_decode_header(&cursor, &reader->header, &reader->fault)) {
        return fault_here(reader, error);
    }
    status = check_header(reader, error);
    if (status == TR_OK) part_source_consume(&reader->source, bytes);
    return status;
}

tr_status part_reader_open(const storage_files *files, const char *path,
                           const struct manifest *manifest, const manifest_member *member,
                           part_reader **reader_out, tr_error *error) {
    check((manifest == NULL) == (member == NULL));
    part_reader *reader = mem_zalloc(1, sizeof *reader);
    reader->path = mem_strdup(path);
    reader->manifest = manifest;
    reader->member = member;
    tr_status status = part_source_open(&reader->source, files, reader->path, member, error);
    if (status != TR_OK) {
        mem_free(reader->path);
        mem_free(reader);
        return status;
    }
    /* Records within records are types of their own, hence twice as many. */
    record_table_options options = {.dynamic_types_max = 2 * PART_RECORDS_MAX,
                                    .dynamic_bytes_max = RECORDS_BYTES_MAX};
    reader->table = record_table_new(&options);
    map_u64_init(&reader->types_by_id);
    status = load_header(reader, error);
    if (status == TR_OK) status = load_end(reader, error);
    if (status == TR_OK) {
        *reader_out = reader;
    } else {
        part_reader_close(reader);
    }
    return status;
}

void part_reader_close(part_reader *reader) {
    part_source_close(&reader->source);
    part_scratch_fini(&reader->scratch);
    map_u64_fini(&reader->types_by_id);
    record_table_free(reader->table);
    mem_free(reader->types);
    mem_free(reader->links);
    mem_free(reader->path);
    mem_free(reader);
}

/* ---- items ----------------------------------------------------------------------------------- */

/* A part's bodies were made by a node within its own limits; here only the file bounds them. */
static const record_limits body_limits = {
    .body_bytes_max = ITEM_BYTES_MAX,
    .block_bytes_max = 4 * ITEM_BYTES_MAX,
    .elements_max = UINT32_MAX,
};

/* Checks one body against the record it is said to be of. */
static bool check_body(part_reader *reader, uint32_t record, part_value value, const char *what) {
    struct part_fault *fault = &reader->fault;
    if (record == 0) {
        return value.data == NULL || part_fault_set(fault, "%s: a value without a record", what);
    }
    const record_type *type = part_reader_type(reader, record);
    if (type == NULL) return part_fault_set(fault, "%s: no record %" PRIu32, what, record);
    if (value.data == NULL) return part_fault_set(fault, "%s: the value is missing", what);
    size_t block_bytes;
    tr_error error;
    if (record_decode_measure(type, value.data, value.bytes, &body_limits, &block_bytes, &error) ==
        TR_OK) {
        return true;
    }
    return part_fault_set(fault, "%s: %s", what, error.message);
}

static bool read_actor(part_reader *reader, struct record_cursor *cursor, part_actor *actor) {
    if (!part_decode_actor(cursor, reader->header.space, &reader->scratch, actor, &reader->fault) ||
        !check_body(reader, actor->record, actor->state, "state")) {
        return false;
    }
    for (uint32_t i = 0; i < actor->timer_count; i++) {
        const part_timer *timer = &actor->timers[i];
        if (!check_body(reader, timer->record, timer->body, "a timer's body")) return false;
    }
    for (uint32_t i = 0; i < actor->ask_count; i++) {
        const part_ask *ask = &actor->asks[i];
        if (!check_body(reader, ask->context_record, ask->context, "a context")) return false;
    }
    reader->actors++;
    return true;
}

static bool read_message(part_reader *reader, struct record_cursor *cursor, part_message *message) {
    if (!part_decode_message(cursor, reader->header.space, message, &reader->fault)) return false;
    reader->messages++;
    return check_body(reader, message->record, message->body, "body");
}

static tr_status read_item(part_reader *reader, size_t bytes, part_item *item, tr_error *error) {
    struct record_cursor cursor = cursor_over(reader, bytes);
    bool well_formed;
    item->offset = place(reader);
    if (part_item_is(&cursor, "message")) {
        item->kind = PART_ITEM_MESSAGE;
        well_formed = read_message(reader, &cursor, &item->message);
    } else {
        item->kind = PART_ITEM_ACTOR;
        well_formed = read_actor(reader, &cursor, &item->actor);
    }
    reader->item_bytes = bytes;
    return well_formed ? TR_OK : fault_here(reader, error);
}

/* All items are read: reads on to the end of the content, and compares the totals. */
static tr_status finish(part_reader *reader, tr_error *error) {
    const part_trailer *trailer = &reader->source.trailer;
    tr_status status = TR_OK;
    while (part_source_more(&reader->source, &status, error)) {
        part_source_consume(&reader->source, part_source_bytes(&reader->source));
    }
    if (status != TR_OK) return status;
    if (reader->actors != trailer->actors || reader->messages != trailer->messages ||
        (reader->member != NULL && (reader->member->actors != trailer->actors ||
                                    reader->member->messages != trailer->messages))) {
        part_fault_set(&reader->fault,
                       "%" PRIu64 " actors and %" PRIu64 " messages are not what was counted",
                       reader->actors, reader->messages);
        return part_source_fault(&reader->source, trailer->bytes, reader->fault.reason, error);
    }
    return TR_OK;
}

tr_status part_reader_next(part_reader *reader, part_item *item_out, tr_error *error) {
    part_source_consume(&reader->source, reader->item_bytes);
    reader->item_bytes = 0;
    if (place(reader) == reader->source.trailer.records_at) {
        item_out->kind = PART_ITEM_END;
        item_out->offset = place(reader);
        return finish(reader, error);
    }
    size_t bytes = 0;
    tr_status status = load_item(reader, &bytes, error);
    return status == TR_OK ? read_item(reader, bytes, item_out, error) : status;
}

/* ---- what open has read ---------------------------------------------------------------------- */

const part_header *part_reader_header(const part_reader *reader) {
    return &reader->header;
}

const part_trailer *part_reader_trailer(const part_reader *reader) {
    return &reader->source.trailer;
}

const part_link *part_reader_links(const part_reader *reader, uint32_t *count_out) {
    *count_out = reader->link_count;
    return reader->links;
}

const char *part_reader_path(const part_reader *reader) {
    return reader->path;
}

const record_type *part_reader_type(const part_reader *reader, uint32_t id) {
    return map_u64_find(&reader->types_by_id, id);
}

const record_type *part_reader_type_at(const part_reader *reader, uint32_t index) {
    return index < reader->type_count ? reader->types[index] : NULL;
}

void *part_reader_decode(const part_reader *reader, uint32_t record, part_value value) {
    const record_type *type = part_reader_type(reader, record);
    check(type != NULL);
    size_t block_bytes = 0;
    check(record_decode_measure(type, value.data, value.bytes, &body_limits, &block_bytes, NULL) ==
          TR_OK);
    void *block = mem_alloc(block_bytes);
    check(record_decode(type, value.data, value.bytes, &body_limits, block, block_bytes, NULL) ==
          TR_OK);
    return block;
}
