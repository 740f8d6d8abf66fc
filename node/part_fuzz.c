/*
 * part_fuzz.c - throws damaged parts and manifests at their readers, past the digests.
 *
 * From a sound content a few bytes are changed, cut out or doubled at random, then digests and
 * trailer are made to fit, so that the decoders see it. They may refuse or accept; they must not
 * crash, hang or read outside (run it sanitized). Usage: part_fuzz [ITERATIONS [SEED]].
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"
#include "node/base/random.h"
#include "node/manifest.h"
#include "node/part_forge_test.h"
#include "node/part_reader.h"
#include "node/record_codec.h"
#include "node/record_table.h"
#include "node/storage_memory.h"

struct leaf {
    int16_t weight;
};
struct everything {
    int8_t i8;
    uint64_t u64;
    float f32;
    double f64;
    bool flag;
    char chars[8];
    uint8_t octets[4];
    tr_text text;
    tr_bytes bytes;
    tr_pid pid;
    tr_request request;
    int32_t array[3];
    struct leaf leaf;
    tr_list list;
};
TR_RECORD(leaf, TR_FIELD(leaf, weight));
TR_RECORD(everything, TR_FIELD(everything, i8), TR_FIELD(everything, u64),
          TR_FIELD(everything, f32), TR_FIELD(everything, f64), TR_FIELD(everything, flag),
          TR_FIELD(everything, chars), TR_FIELD(everything, octets), TR_FIELD(everything, text),
          TR_FIELD(everything, bytes), TR_FIELD(everything, pid), TR_FIELD(everything, request),
          TR_FIELD(everything, array), TR_FIELD_RECORD(everything, leaf, leaf),
          TR_FIELD_LIST(everything, list, tr_text));

enum { SPACE = 7 };

struct fuzz {
    random_state random;
    storage_memory *memory;
    storage_files files;
    record_table *table;
    const record_type *type;
    struct buffer content; /* sound: header, items, records, links */
    size_t records_at;
    uint64_t actors;
    uint64_t messages;
    uint64_t accepted;
};

static uint64_t draw(struct fuzz *fuzz, uint64_t below) {
    return random_below(&fuzz->random, below);
}

/* ---- a sound part ---------------------------------------------------------------------------- */

static void put_items(part_chunk *chunk, const record_type *type) {
    tr_text words[] = {{"a", 1}, {"", 0}};
    struct everything body = {.i8 = -1,
                              .u64 = UINT64_MAX,
                              .chars = "abc",
                              .text = {"t", 1},
                              .bytes = {(const uint8_t *)"b", 1},
                              .pid = {SPACE, 2, 3},
                              .list = {words, 2}};
    struct buffer encoded = {0};
    record_encode(type, &body, &encoded);
    part_value value = {encoded.data, encoded.bytes};
    tr_text names[] = {part_text("one"), part_text("two")};
    part_timer timer = {1, 2, type->id, value};
    part_ask ask = {.id = 1,
                    .target = {9, 9, 9},
                    .request = part_text("get"),
                    .context_record = type->id,
                    .context = value};
    part_actor actor = {.pid = {SPACE, 1, 1},
                        .behavior = part_text("b"),
                        .names = names,
                        .name_count = 2,
                        .has_mailbox = true,
                        .record = type->id,
                        .state = value,
                        .timers = &timer,
                        .timer_count = 1,
                        .asks = &ask,
                        .ask_count = 1};
    part_message message = {.to = {SPACE, 1, 1},
                            .from = {8, 1, 1},
                            .link = part_text("n2"),
                            .reason = part_text("r"),
                            .record = type->id,
                            .body = value};
    message.trace.id[0] = 1;
    for (uint64_t i = 0; i < 3; i++) {
        message.id = message.order = i + 1;
        part_encode_actor(chunk, SPACE, &actor);
        part_encode_message(chunk, SPACE, &message);
    }
    buffer_fini(&encoded);
}

static void make_content(struct fuzz *fuzz) {
    part_header header = {.cluster = "c",
                          .snapshot = "s",
                          .initiator = "n1",
                          .node = "n1",
                          .space = SPACE,
                          .epoch = 9};
    part_link links[] = {{.peer = "n2", .session = 3}};
    part_chunk chunk = {0};
    part_encode_header(&chunk.buffer, &header);
    put_items(&chunk, fuzz->type);
    fuzz->records_at = chunk.buffer.bytes;
    part_record records[8];
    uint32_t count = record_table_count(fuzz->table);
    for (uint32_t i = 0; i < count; i++) {
        const record_type *type = record_table_at(fuzz->table, i + 1);
        records[i] = (part_record){type->id, {type->descriptor, type->descriptor_bytes}};
    }
    part_encode_records(&chunk.buffer, records, count);
    part_encode_links(&chunk.buffer, links, 1);
    fuzz->content = chunk.buffer;
    fuzz->actors = chunk.actors;
    fuzz->messages = chunk.messages;
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Bytes that heads are made of, more often than chance would have them. */
static uint8_t draw_byte(struct fuzz *fuzz) {
    static const uint8_t heads[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                    0xc0, 0xc1, 0xc4, 0xc6, 0xca, 0xcb, 0xcf, 0xd3,
                                    0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff};
    if (draw(fuzz, 2) == 0) return (uint8_t)draw(fuzz, 256);
    return heads[draw(fuzz, sizeof heads)];
}

static void damage_once(struct fuzz *fuzz, struct buffer *bytes, size_t begin) {
    size_t at = begin + (size_t)draw(fuzz, bytes->bytes - begin);
    size_t left = bytes->bytes - at;
    size_t count = (size_t)draw(fuzz, left < 16 ? left : 16);
    switch (draw(fuzz, 4)) {
        case 0: /* cut some out */
            memmove(bytes->data + at, bytes->data + at + count, left - count);
            bytes->bytes -= count;
            break;
        case 1: /* double some */
            buffer_reserve(bytes, count);
            memmove(bytes->data + at + count, bytes->data + at, left);
            bytes->bytes += count;
            break;
        case 2:
            bytes->data[at] ^= (uint8_t)(1 << draw(fuzz, 8));
            break;
        default:
            bytes->data[at] = draw_byte(fuzz);
            break;
    }
}

static void damage(struct fuzz *fuzz, struct buffer *bytes, size_t begin) {
    for (uint64_t i = draw(fuzz, 3) + 1; i > 0 && bytes->bytes > begin + 1; i--) {
        damage_once(fuzz, bytes, begin);
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

static void look_at(const part_reader *reader, const part_item *item) {
    uint32_t record = item->kind == PART_ITEM_ACTOR ? item->actor.record : item->message.record;
    part_value value = item->kind == PART_ITEM_ACTOR ? item->actor.state : item->message.body;
    if (record == 0) return;
    void *block = part_reader_decode(reader, record, value);
    mem_free(block);
}

static bool read_part(struct fuzz *fuzz) {
    part_reader *reader = NULL;
    tr_error error = {0};
    tr_status status = part_reader_open(&fuzz->files, "/f", NULL, NULL, &reader, &error);
    check(status == TR_OK || (status == TR_EDATA && error.message[0] != '\0'));
    if (status != TR_OK) return false;
    part_item item = {.kind = PART_ITEM_ACTOR};
    while (status == TR_OK && item.kind != PART_ITEM_END) {
        status = part_reader_next(reader, &item, &error);
        if (status == TR_OK && item.kind != PART_ITEM_END) look_at(reader, &item);
    }
    check(status == TR_OK || (status == TR_EDATA && error.message[0] != '\0'));
    part_reader_close(reader);
    return status == TR_OK;
}

static void fuzz_part(struct fuzz *fuzz) {
    struct buffer bytes = {0};
    buffer_append(&bytes, fuzz->content.data, fuzz->content.bytes);
    /* Mostly the items or the records, each with the rest intact; sometimes anything. */
    size_t begin = draw(fuzz, 3) == 0 ? fuzz->records_at : 0;
    damage(fuzz, &bytes, begin);
    size_t grown = bytes.bytes - fuzz->content.bytes;
    size_t records_at = begin == 0 ? fuzz->records_at + grown : fuzz->records_at;
    part_forge(&bytes, records_at, fuzz->actors, fuzz->messages);
    if (draw(fuzz, 8) == 0) damage(fuzz, &bytes, 0); /* past no digest */
    storage_memory_put(fuzz->memory, "/f", bytes.data, bytes.bytes);
    if (read_part(fuzz)) fuzz->accepted++;
    buffer_fini(&bytes);
}

/* Manifests whose signature fits, over damaged items. */
static void fuzz_manifest(struct fuzz *fuzz) {
    static const uint8_t seed[SIGN_SEED_BYTES] = {1};
    manifest_member members[] = {{.name = "n1", .space = 1}, {.name = "n2", .space = 2}};
    manifest_link links[] = {{.from = "n1", .to = "n2"}, {.from = "n2", .to = "n1"}};
    struct manifest manifest = {.cluster = "c",
                                .id = "s",
                                .initiator = "n1",
                                .members = members,
                                .member_count = 2,
                                .links = links,
                                .link_count = 2};
    enum { SEAL_BYTES = 111 };
    struct buffer bytes = {0};
    uint8_t seal[SEAL_BYTES];
    manifest_encode(&manifest, seed, &bytes);
    bytes.bytes -= SEAL_BYTES;
    memcpy(seal, bytes.data + bytes.bytes, SEAL_BYTES);
    damage(fuzz, &bytes, 0);
    digest_sign(seed, bytes.data, bytes.bytes, seal + SEAL_BYTES - SIGNATURE_BYTES);
    buffer_append(&bytes, seal, SEAL_BYTES);
    struct manifest *read = NULL;
    uint8_t *copy = mem_dup(bytes.data, bytes.bytes);
    if (manifest_decode(copy, bytes.bytes, "m", &read, NULL) == TR_OK) {
        (void)manifest_check_links(read, NULL);
        fuzz->accepted++;
    }
    manifest_free(read);
    mem_free(copy);
    buffer_fini(&bytes);
}

int main(int count, char **arguments) {
    uint64_t iterations = count > 1 ? strtoull(arguments[1], NULL, 10) : 20000;
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    struct fuzz fuzz = {.memory = storage_memory_new(), .table = record_table_new(NULL)};
    random_seed(&fuzz.random, seed);
    fuzz.files = storage_memory_files(fuzz.memory);
    check(record_table_intern(fuzz.table, &everything_record, &fuzz.type, NULL) == TR_OK);
    make_content(&fuzz);
    for (uint64_t i = 0; i < iterations; i++) {
        fuzz_part(&fuzz);
        if (i % 8 == 0) fuzz_manifest(&fuzz);
    }
    printf("part_fuzz: %" PRIu64 " iterations from seed %" PRIu64 ", %" PRIu64 " accepted\n",
           iterations, seed, fuzz.accepted);
    buffer_fini(&fuzz.content);
    record_table_free(fuzz.table);
    storage_memory_free(fuzz.memory);
    return 0;
}
