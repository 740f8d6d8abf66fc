/*
 * part.c - encoding the items of a part.
 */
#include "node/part.h"

#include <string.h>

#include "node/base/check.h"
#include "node/part_map.h"
#include "node/record_pack.h"

void part_chunk_fini(part_chunk *chunk) {
    buffer_fini(&chunk->buffer);
    *chunk = (part_chunk){0};
}

tr_text part_text(const char *text) {
    return (tr_text){text, text == NULL ? 0 : (uint32_t)strlen(text)};
}

uint64_t part_digest_count(uint64_t bytes) {
    return bytes / PART_DIGEST_BYTES + (bytes % PART_DIGEST_BYTES > 0 ? 1 : 0);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static void pack_pid(struct buffer *out, uint64_t space, tr_pid pid) {
    if (pid.space == 0 && pid.slot == 0 && pid.generation == 0) {
        record_pack_nil(out);
        return;
    }
    record_pack_array(out, pid.space == space ? 2 : 3);
    if (pid.space != space) record_pack_u64(out, pid.space);
    record_pack_u64(out, pid.slot);
    record_pack_u64(out, pid.generation);
}

static void pack_text(struct buffer *out, tr_text text) {
    if (text.data == NULL) {
        record_pack_nil(out);
    } else {
        record_pack_text(out, text.data, text.bytes);
    }
}

static void pack_value(struct buffer *out, part_value value) {
    if (value.data == NULL) {
        record_pack_nil(out);
    } else {
        record_pack_append(out, (const char *)value.data, value.bytes);
    }
}

static void pack_trace(struct buffer *out, const tr_trace *trace) {
    static const tr_trace none;
    if (memcmp(trace->id, none.id, sizeof none.id) == 0) {
        record_pack_nil(out);
        return;
    }
    record_pack_array(out, 2);
    record_pack_bytes(out, trace->id, sizeof trace->id);
    record_pack_u64(out, trace->span);
}

static void pack_mailbox(struct buffer *out, const part_actor *actor) {
    if (!actor->has_mailbox) {
        record_pack_nil(out);
        return;
    }
    record_pack_array(out, 4);
    record_pack_u64(out, (uint64_t)actor->mailbox.overflow);
    record_pack_u64(out, actor->mailbox.low);
    record_pack_u64(out, actor->mailbox.high);
    record_pack_u64(out, actor->mailbox.hard);
}

/* Begins an item: an array whose first element is its name. */
static inline void pack_item(struct buffer *out, const char *name, size_t count) {
    record_pack_array(out, count);
    record_pack_text(out, name, strlen(name));
}

/* ---- actors ---------------------------------------------------------------------------------- */

void part_begin_actor(part_chunk *chunk, uint64_t space, const part_actor *actor) {
    struct buffer *out = &chunk->buffer;
    buffer_reserve(out, 192); /* one growth at most for the usual actor */
    pack_item(out, "actor", 12);
    pack_pid(out, space, actor->pid);
    record_pack_text(out, actor->behavior.data, actor->behavior.bytes);
    record_pack_u64(out, actor->behavior_version);
    record_pack_u64(out, actor->colour);
    record_pack_u64(out, actor->status);
    record_pack_array(out, actor->name_count);
    for (uint32_t i = 0; i < actor->name_count; i++) {
        record_pack_text(out, actor->names[i].data, actor->names[i].bytes);
    }
    pack_mailbox(out, actor);
    record_pack_u64(out, actor->record);
}

void part_begin_timers(part_chunk *chunk, uint32_t count) {
    record_pack_array(&chunk->buffer, count);
}

void part_begin_timer(part_chunk *chunk, const part_timer *timer) {
    struct buffer *out = &chunk->buffer;
    record_pack_array(out, 4);
    record_pack_u64(out, timer->id);
    record_pack_u64(out, timer->remaining_ns);
    record_pack_u64(out, timer->record);
}

void part_begin_asks(part_chunk *chunk, uint32_t count) {
    record_pack_array(&chunk->buffer, count);
}

void part_begin_ask(part_chunk *chunk, uint64_t space, const part_ask *ask) {
    struct buffer *out = &chunk->buffer;
    record_pack_array(out, 8);
    record_pack_u64(out, ask->id);
    record_pack_u64(out, ask->kind);
    pack_pid(out, space, ask->target);
    record_pack_u64(out, ask->remaining_ns);
    record_pack_bool(out, ask->hold);
    pack_text(out, ask->request);
    record_pack_u64(out, ask->context_record);
}

void part_put_nil(part_chunk *chunk) {
    record_pack_nil(&chunk->buffer);
}

void part_encode_actor(part_chunk *chunk, uint64_t space, const part_actor *actor) {
    part_begin_actor(chunk, space, actor);
    pack_value(&chunk->buffer, actor->state);
    part_begin_timers(chunk, actor->timer_count);
    for (uint32_t i = 0; i < actor->timer_count; i++) {
        part_begin_timer(chunk, &actor->timers[i]);
        pack_value(&chunk->buffer, actor->timers[i].body);
    }
    part_begin_asks(chunk, actor->ask_count);
    for (uint32_t i = 0; i < actor->ask_count; i++) {
        part_begin_ask(chunk, space, &actor->asks[i]);
        pack_value(&chunk->buffer, actor->asks[i].context);
    }
    chunk->actors++;
}

/* ---- messages -------------------------------------------------------------------------------- */

void part_begin_message(part_chunk *chunk, uint64_t space, const part_message *message) {
    struct buffer *out = &chunk->buffer;
    buffer_reserve(out, 192);
    pack_item(out, "message", 14);
    pack_pid(out, space, message->to);
    record_pack_u64(out, message->order);
    pack_pid(out, space, message->from);
    record_pack_u64(out, message->kind);
    record_pack_u64(out, message->flags);
    record_pack_u64(out, message->id);
    record_pack_u64(out, message->reference);
    record_pack_u64(out, message->colour);
    pack_trace(out, &message->trace);
    pack_text(out, message->link);
    pack_text(out, message->reason);
    record_pack_u64(out, message->record);
}

void part_encode_message(part_chunk *chunk, uint64_t space, const part_message *message) {
    part_begin_message(chunk, space, message);
    pack_value(&chunk->buffer, message->body);
    chunk->messages++;
}

/* ---- the items around them ------------------------------------------------------------------- */

/* What the header says of the format, before what it says of this file. */
struct header_item {
    char format[PART_NAME_BYTES];
    uint32_t version;
    part_header header;
};

static const struct part_map_field header_fields[] = {
    {"format", PART_MAP_NAME, offsetof(struct header_item, format)},
    {"version", PART_MAP_U32, offsetof(struct header_item, version)},
    {"cluster", PART_MAP_NAME, offsetof(struct header_item, header.cluster)},
    {"snapshot", PART_MAP_NAME, offsetof(struct header_item, header.snapshot)},
    {"epoch", PART_MAP_U64, offsetof(struct header_item, header.epoch)},
    {"initiator", PART_MAP_NAME, offsetof(struct header_item, header.initiator)},
    {"node", PART_MAP_NAME, offsetof(struct header_item, header.node)},
    {"incarnation", PART_MAP_U64, offsetof(struct header_item, header.incarnation)},
    {"ordinal", PART_MAP_U32, offsetof(struct header_item, header.ordinal)},
    {"space", PART_MAP_U64, offsetof(struct header_item, header.space)},
    {"created_ms", PART_MAP_U64, offsetof(struct header_item, header.created_ms)},
};
enum { HEADER_FIELDS = sizeof header_fields / sizeof header_fields[0] };

static const struct part_map_field link_fields[] = {
    {"peer", PART_MAP_NAME, offsetof(part_link, peer)},
    {"session", PART_MAP_U64, offsetof(part_link, session)},
    {"sent", PART_MAP_U64, offsetof(part_link, sent)},
    {"received", PART_MAP_U64, offsetof(part_link, received)},
    {"recorded", PART_MAP_U64, offsetof(part_link, recorded)},
};
enum { LINK_FIELDS = sizeof link_fields / sizeof link_fields[0] };

void part_encode_header(struct buffer *buffer, const part_header *header) {
    struct header_item item = {.format = PART_FORMAT, .version = PART_VERSION, .header = *header};
    pack_item(buffer, "header", 2);
    part_map_pack(buffer, header_fields, HEADER_FIELDS, &item);
}

bool part_decode_header(struct record_cursor *cursor, part_header *header_out,
                        struct part_fault *fault) {
    struct header_item item;
    if (!part_read_item(cursor, "header", 2, fault)) return false;
    if (!part_map_read(cursor, header_fields, HEADER_FIELDS, &item, fault)) return false;
    if (strcmp(item.format, PART_FORMAT) != 0) {
        return part_fault_set(fault, "the format is \"%s\", not \"" PART_FORMAT "\"", item.format);
    }
    if (item.version != PART_VERSION) {
        return part_fault_set(fault, "format version %" PRIu32 "; this program reads %d",
                              item.version, PART_VERSION);
    }
    *header_out = item.header;
    return true;
}

void part_encode_records(struct buffer *buffer, const part_record *records, size_t count) {
    pack_item(buffer, "records", 2);
    record_pack_array(buffer, count);
    for (size_t i = 0; i < count; i++) {
        record_pack_array(buffer, 2);
        record_pack_u64(buffer, records[i].id);
        pack_value(buffer, records[i].descriptor);
    }
}

void part_encode_links(struct buffer *buffer, const part_link *links, size_t count) {
    pack_item(buffer, "links", 2);
    record_pack_array(buffer, count);
    for (size_t i = 0; i < count; i++) part_map_pack(buffer, link_fields, LINK_FIELDS, &links[i]);
}

bool part_decode_link(struct record_cursor *cursor, part_link *link_out, struct part_fault *fault) {
    return part_map_read(cursor, link_fields, LINK_FIELDS, link_out, fault);
}

/* The digests' head always has this form, so that their size follows from their number. */
void part_encode_digests(struct buffer *buffer, const void *digests, size_t count) {
    size_t bytes = count * DIGEST_BYTES;
    check(bytes <= UINT32_MAX);
    pack_item(buffer, "digests", 2);
    buffer_append_byte(buffer, 0xc6);
    for (int shift = 24; shift >= 0; shift -= 8) {
        buffer_append_byte(buffer, (uint8_t)(bytes >> shift));
    }
    buffer_append(buffer, digests, bytes);
}

/* All numbers have 9 bytes, so that the trailer is found from the file's end. */
void part_encode_trailer(struct buffer *buffer, const part_trailer *trailer) {
    size_t before = buffer->bytes;
    pack_item(buffer, "trailer", 6);
    msgpack_packer packer = record_pack_to(buffer);
    msgpack_pack_fix_uint64(&packer, trailer->actors);
    msgpack_pack_fix_uint64(&packer, trailer->messages);
    msgpack_pack_fix_uint64(&packer, trailer->records_at);
    msgpack_pack_fix_uint64(&packer, trailer->bytes);
    record_pack_text(buffer, PART_END_MAGIC, strlen(PART_END_MAGIC));
    check(buffer->bytes - before == PART_TRAILER_BYTES);
}
