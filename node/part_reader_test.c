/*
 * part_reader_test.c - what was written comes back; what nobody would write is refused by name and
 * place.
 */
#include "node/part_reader.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/hex.h"
#include "node/base/memory.h"
#include "node/part_forge_test.h"
#include "node/snapshot_sample_test.h"

TestSuite(part_reader, .timeout = 60);

static bool text_is(tr_text text, const char *expected) {
    return text.bytes == strlen(expected) && memcmp(text.data, expected, text.bytes) == 0;
}

static bool value_is(const struct sample *sample, part_value value, const record_type *type,
                     const void *body) {
    (void)sample;
    struct buffer expected = {0};
    record_encode(type, body, &expected);
    bool same =
        value.bytes == expected.bytes && memcmp(value.data, expected.data, value.bytes) == 0;
    buffer_fini(&expected);
    return same;
}

static void assert_tree(const struct sample *sample, const part_actor *actor) {
    struct sample_deposit five = {5};
    cr_assert(tr_pid_equal(actor->pid, sample_pid(1, 9)));
    cr_assert(text_is(actor->behavior, "tree"));
    cr_assert_eq(actor->behavior_version, 3);
    cr_assert_eq(actor->status, PART_ACTOR_HOLDING | PART_ACTOR_MUTED);
    cr_assert_eq(actor->name_count, 0);
    cr_assert(actor->has_mailbox && actor->mailbox.low == 5 && actor->mailbox.hard == 20);
    cr_assert_eq(actor->timer_count, 1);
    cr_assert(actor->timers[0].id == 3 && actor->timers[0].remaining_ns == 1500);
    cr_assert(value_is(sample, actor->timers[0].body, sample->deposit, &five));
    cr_assert_eq(actor->ask_count, 2);
    cr_assert(actor->asks[0].hold && actor->asks[0].id == 9 && actor->asks[0].remaining_ns == 7);
    cr_assert(tr_pid_equal(actor->asks[0].target, sample_pid(2, 1)));
    cr_assert(text_is(actor->asks[0].request, "sample_deposit"));
    cr_assert_null(actor->asks[0].context.data);
    cr_assert(!actor->asks[1].hold && actor->asks[1].kind == 1);
    cr_assert(tr_pid_is_none(actor->asks[1].target));
    cr_assert(value_is(sample, actor->asks[1].context, sample->deposit, &five));
}

static void assert_link_message(const struct sample *sample, const part_message *message) {
    struct sample_deposit body = {102};
    cr_assert(tr_pid_equal(message->to, sample_pid(1, 1)));
    cr_assert(tr_pid_equal(message->from, sample_pid(2, 1)));
    cr_assert(message->order == 12 && message->id == 12 && message->reference == 2);
    cr_assert(message->flags == 1 && message->colour == 0x1ffff);
    cr_assert(message->trace.id[0] == 0xab && message->trace.span == 4);
    cr_assert(text_is(message->link, "n2"));
    cr_assert_null(message->reason.data);
    cr_assert(value_is(sample, message->body, sample->deposit, &body));
}

static part_reader *open_part(const struct sample *sample, const char *path, tr_error *error) {
    part_reader *reader = NULL;
    tr_status status = part_reader_open(&sample->files, path, NULL, NULL, &reader, error);
    cr_assert_eq(status == TR_OK, reader != NULL);
    return reader;
}

/* The golden round trip: every field of every item. */
Test(part_reader, what_the_writer_wrote_is_read_back_item_by_item) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    sample.rich = true;
    sample_write_part(&sample, 1, "s1-n1", 0x20000);
    cr_assert_eq(sample.part_status, TR_OK);
    tr_error error = {0};
    part_reader *reader = open_part(&sample, "/s/s1-n1/n1.part", &error);
    cr_assert_not_null(reader, "%s", error.message);
    const part_header *header = part_reader_header(reader);
    cr_assert_str_eq(header->snapshot, "s1-n1");
    cr_assert_str_eq(header->cluster, "troupe");
    cr_assert_str_eq(header->initiator, "n1");
    cr_assert(header->epoch == 0x20000 && header->incarnation == 3 && header->ordinal == 0);
    cr_assert(header->space == sample_space(1) && header->created_ms == 1700000000000);
    uint32_t link_count;
    const part_link *links = part_reader_links(reader, &link_count);
    cr_assert_eq(link_count, 1);
    cr_assert_str_eq(links[0].peer, "n2");
    cr_assert(links[0].session == 103 && links[0].sent == 5 && links[0].received == 4);
    cr_assert_str_eq(part_reader_type(reader, sample.deposit->id)->name, "sample_deposit");
    cr_assert_null(part_reader_type(reader, 999));

    part_item item;
    cr_assert_eq(part_reader_next(reader, &item, &error), TR_OK);
    cr_assert_eq(item.kind, PART_ITEM_ACTOR);
    cr_assert(item.actor.name_count == 1 && text_is(item.actor.names[0], "acct-1"));
    struct sample_account *account =
        part_reader_decode(reader, item.actor.record, item.actor.state);
    cr_assert_eq(account->cents, 1001);
    mem_free(account);
    cr_assert_eq(part_reader_next(reader, &item, &error), TR_OK);
    assert_tree(&sample, &item.actor);
    cr_assert_eq(part_reader_next(reader, &item, &error), TR_OK);
    cr_assert(tr_pid_equal(item.actor.pid, sample_pid(1, 2)));
    cr_assert_eq(part_reader_next(reader, &item, &error), TR_OK);
    cr_assert_eq(item.kind, PART_ITEM_MESSAGE);
    cr_assert(text_is(item.message.reason, "no such actor") && item.message.link.data == NULL);
    cr_assert_eq(part_reader_next(reader, &item, &error), TR_OK);
    assert_link_message(&sample, &item.message);
    cr_assert_eq(part_reader_next(reader, &item, &error), TR_OK);
    cr_assert_eq(item.kind, PART_ITEM_END);
    part_reader_close(reader);
    sample_fini(&sample);
}

/* Reads all items; the last status. */
static tr_status read_all(const struct sample *sample, const char *path, uint64_t *actors_out,
                          tr_error *error) {
    part_reader *reader = open_part(sample, path, error);
    *actors_out = 0;
    if (reader == NULL) return error->status;
    part_item item = {.kind = PART_ITEM_ACTOR};
    tr_status status = TR_OK;
    while (status == TR_OK && item.kind != PART_ITEM_END) {
        status = part_reader_next(reader, &item, error);
        if (status == TR_OK && item.kind == PART_ITEM_ACTOR) ++*actors_out;
    }
    part_reader_close(reader);
    return status;
}

Test(part_reader, a_part_of_several_digests_is_read_whole_and_damage_is_found_in_each) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    sample.extra_actors = 70000;
    sample_write_part(&sample, 1, "s1-n1", 0x20000);
    tr_error error = {0};
    uint64_t actors = 0;
    cr_assert_eq(read_all(&sample, "/s/s1-n1/n1.part", &actors, &error), TR_OK, "%s",
                 error.message);
    cr_assert_eq(actors, 70002);
    size_t bytes = 0;
    uint8_t *data = storage_memory_peek(sample.memory, "/s/s1-n1/n1.part", &bytes);
    cr_assert(bytes > 2 * PART_DIGEST_BYTES, "%zu", bytes);
    for (size_t at = 0; at < bytes; at += 300007) {
        data[at] ^= 4;
        cr_assert_eq(read_all(&sample, "/s/s1-n1/n1.part", &actors, &error), TR_EDATA, "%zu", at);
        cr_assert(strstr(error.message, "/s/s1-n1/n1.part, byte") != NULL, "%s", error.message);
        data[at] ^= 4;
    }
    sample_fini(&sample);
}

/* ---- forged content -------------------------------------------------------------------------- */

struct sample_note {
    tr_text text;
};
TR_RECORD(sample_note, TR_FIELD(sample_note, text));

/* What a forged part is made of. */
struct forge {
    const char *items; /* hex, behind the header */
    uint64_t actors, messages;
    size_t padding;     /* bytes of text in one more message */
    size_t records_off; /* added to the true place of the records */
};

static void put_padding(part_chunk *chunk, const record_type *note, size_t padding) {
    struct buffer body = {0};
    char *text = mem_zalloc(1, padding);
    struct sample_note value = {{text, (uint32_t)padding}};
    memset(text, 'x', padding);
    record_encode(note, &value, &body);
    part_message message = {.to = {7, 1, 1}, .record = note->id, .body = {body.data, body.bytes}};
    part_encode_message(chunk, 7, &message);
    mem_free(text);
    buffer_fini(&body);
}

/* Puts a forged part at "/f"; returns the bytes of its content. */
static size_t put_forged(struct sample *sample, const struct forge *forge) {
    const record_type *note = NULL;
    check(record_table_intern(sample->table, &sample_note_record, &note, NULL) == TR_OK);
    part_header header = {
        .cluster = "c", .snapshot = "s", .initiator = "n1", .node = "n1", .space = 7};
    part_chunk chunk = {0};
    uint8_t item[512];
    size_t item_bytes = strlen(forge->items) / 2;
    cr_assert(hex_decode(forge->items, item, item_bytes));
    part_encode_header(&chunk.buffer, &header);
    buffer_append(&chunk.buffer, item, item_bytes);
    if (forge->padding > 0) put_padding(&chunk, note, forge->padding);
    size_t records_at = chunk.buffer.bytes;
    part_record record = {note->id, {note->descriptor, note->descriptor_bytes}};
    part_encode_records(&chunk.buffer, &record, 1);
    part_encode_links(&chunk.buffer, NULL, 0);
    size_t content = chunk.buffer.bytes;
    part_forge(&chunk.buffer, records_at + forge->records_off, forge->actors,
               forge->messages + chunk.messages);
    storage_memory_put(sample->memory, "/f", chunk.buffer.data, chunk.buffer.bytes);
    part_chunk_fini(&chunk);
    return content;
}

/* The length of the content is found from the file's alone, also right at a digest's edge. */
Test(part_reader, content_that_ends_at_or_beside_a_digest_s_edge_is_read) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    size_t rest = put_forged(&sample, &(struct forge){.items = "", .padding = 100000}) - 100000;
    for (size_t chunks = 1; chunks <= 2; chunks++) {
        for (size_t edge = 0; edge < 3; edge++) {
            size_t content = chunks * PART_DIGEST_BYTES + edge - 1;
            struct forge forge = {.items = "", .padding = content - rest};
            cr_assert_eq(put_forged(&sample, &forge), content);
            tr_error error = {0};
            uint64_t actors;
            cr_assert_eq(read_all(&sample, "/f", &actors, &error), TR_OK, "%s", error.message);
        }
    }
    sample_fini(&sample);
}

/* The actor of part_test.c, without a state, and the places in it that can be wrong. */
#define ACTOR_BEGIN "9ca56163746f72921103a16201ce0001000100"

Test(part_reader, forged_items_are_refused_with_place_and_reason) {
    const struct {
        struct forge forge;
        const char *reason;
    } cases[] = {
        {{.items = ACTOR_BEGIN "90c000c09090", .actors = 1}, NULL},
        {{.items = ACTOR_BEGIN "90c000c09090", .actors = 2}, "not what was counted"},
        {{.items = ACTOR_BEGIN "90c000c09090", .actors = 1, .messages = 1}, "what was counted"},
        {{.items = ACTOR_BEGIN "90c04dc09090", .actors = 1}, "state: no record 77"},
        {{.items = ACTOR_BEGIN "90c000059090", .actors = 1}, "state: a value without a record"},
        {{.items = ACTOR_BEGIN "90c005c09090", .actors = 1}, "state: the value is missing"},
        {{.items = ACTOR_BEGIN "90c0059105"
                               "9090",
          .actors = 1},
         "state: "},
        {{.items = ACTOR_BEGIN "90c00591a161"
                               "9090",
          .actors = 1},
         NULL},
        {{.items = ACTOR_BEGIN "91c0c000c09090", .actors = 1}, "a name: expected a text"},
        {{.items = ACTOR_BEGIN "ddffffffff"}, "does not end in time"},
        {{.items = "9ca56163746f7291119001ce0001000100"
                   "90c000c09090"},
         "pid: a pid of 1 numbers"},
        {{.items = ACTOR_BEGIN "9093010203"
                               "00c09090"},
         "mailbox: an array of 3"},
        {{.items = ACTOR_BEGIN "909406010203"
                               "00c09090"},
         "overflow: no policy"},
        {{.items = ACTOR_BEGIN "90c000c09194000000"
                               "0590",
          .actors = 1},
         "timer's body: a value"},
        {{.items = "c0"}, "expected an array"},
        {{.items = "9ba56163746f72921103a16201ce0001000100"
                   "90c000c090"},
         "array of 11"},
        {{.items = "91a3666f6f"}, "actor: an array of 1"},
        {{.items = "c1"}, "what begins here is no item"},
        {{.items = "", .records_off = 1}, "records: expected an array"},
        {{.items = "", .records_off = 100000}, "behind the content"},
    };
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_forged(&sample, &cases[i].forge);
        tr_error error = {0};
        uint64_t actors;
        tr_status status = read_all(&sample, "/f", &actors, &error);
        cr_assert_eq(status, cases[i].reason == NULL ? TR_OK : TR_EDATA, "case %zu: %s", i,
                     error.message);
        if (cases[i].reason == NULL) continue;
        cr_assert(strncmp(error.message, "/f, byte ", 9) == 0, "%s", error.message);
        cr_assert(strstr(error.message, cases[i].reason) != NULL, "case %zu: %s", i, error.message);
    }
    sample_fini(&sample);
}

Test(part_reader, files_of_lengths_that_no_part_has_are_refused) {
    struct sample sample;
    sample_init(&sample, NULL, "/s");
    uint8_t zeros[200] = {0};
    for (size_t bytes = 0; bytes < sizeof zeros; bytes++) {
        tr_error error = {0};
        uint64_t actors;
        storage_memory_put(sample.memory, "/f", zeros, bytes);
        cr_assert_eq(read_all(&sample, "/f", &actors, &error), TR_EDATA);
    }
    tr_error error = {0};
    cr_assert_null(open_part(&sample, "/none", &error));
    cr_assert_eq(error.status, TR_ENOENT);
    sample_fini(&sample);
}
