#include "registry/names_message.h"

#include <string.h>

/* Which fields a kind has, in the order in which they travel. */
enum {
    HAS_TOKEN = 1,
    HAS_NAME = 2,
    HAS_PID = 4,
    HAS_AGE = 8,
    HAS_WINNER = 16, /* pid, node, incarnation */
    HAS_ENTRIES = 32,
};

enum { ENTRY_ITEMS = 5, HEAD_ITEMS = 4, ITEMS_MAX = 16 };

/* A clock that a peer names must leave room for counting on. */
static const uint64_t lamport_limit = UINT64_C(1) << 62;

static const uint8_t fields_of[] = {
    [NAMES_HELLO] = 0,
    [NAMES_SYNC] = HAS_ENTRIES,
    [NAMES_CLAIM] = HAS_TOKEN | HAS_NAME | HAS_PID,
    [NAMES_GRANT] = HAS_TOKEN,
    [NAMES_TAKEN] = HAS_TOKEN | HAS_PID,
    [NAMES_CANCEL] = HAS_TOKEN | HAS_NAME,
    [NAMES_PUT] = HAS_TOKEN | HAS_NAME | HAS_PID | HAS_AGE,
    [NAMES_ACK] = HAS_TOKEN,
    [NAMES_OBJECT] = HAS_TOKEN | HAS_PID,
    [NAMES_SETTLE] = HAS_NAME | HAS_PID,
    [NAMES_DROP] = HAS_NAME | HAS_PID,
    [NAMES_PROBE] = HAS_TOKEN | HAS_NAME,
    [NAMES_PROBED] = HAS_TOKEN | HAS_NAME,
    [NAMES_LOST] = HAS_NAME | HAS_PID | HAS_AGE | HAS_WINNER,
};

static uint32_t items_of(uint8_t fields) {
    uint32_t items = HEAD_ITEMS;
    for (uint8_t field = HAS_TOKEN; field <= HAS_AGE; field = (uint8_t)(field << 1)) {
        if ((fields & field) != 0) items++;
    }
    if ((fields & HAS_WINNER) != 0) items += 3;
    if ((fields & HAS_ENTRIES) != 0) items += 2;
    return items;
}

/* ---- writing ---- */

void names_message_put(struct buffer *out, const struct names_message *message) {
    uint8_t fields = fields_of[message->kind];
    wire_put_array(out, items_of(fields));
    wire_put_u64(out, message->kind);
    wire_put_u64(out, message->incarnation);
    wire_put_u64(out, message->session);
    wire_put_u64(out, message->lamport);
    if ((fields & HAS_TOKEN) != 0) wire_put_u64(out, message->token);
    if ((fields & HAS_NAME) != 0) wire_put_text(out, message->name);
    if ((fields & HAS_PID) != 0) wire_put_pid(out, message->pid);
    if ((fields & HAS_AGE) != 0) wire_put_u64(out, message->age);
    if ((fields & HAS_WINNER) != 0) {
        wire_put_pid(out, message->winner);
        wire_put_text(out, message->winner_node);
        wire_put_u64(out, message->winner_incarnation);
    }
    if ((fields & HAS_ENTRIES) != 0) {
        wire_put_bool(out, message->last);
        wire_put_array(out, message->count);
    }
}

void names_message_put_entry(struct buffer *out, const char *name, tr_pid pid, uint64_t age,
                             uint64_t token, bool settled) {
    wire_put_array(out, ENTRY_ITEMS);
    wire_put_text(out, name);
    wire_put_pid(out, pid);
    wire_put_u64(out, age);
    wire_put_u64(out, token);
    wire_put_bool(out, settled);
}

/* ---- reading ---- */

static void read_name(struct wire_reader *reader, char out[NAMES_NAME_BYTES_MAX + 1]) {
    wire_text(reader, out, NAMES_NAME_BYTES_MAX + 1);
    if (!names_valid(out, strlen(out))) wire_fail(reader, "not an actor's name");
}

static tr_pid read_pid(struct wire_reader *reader) {
    tr_pid pid = wire_pid(reader);
    if (pid.space == 0) wire_fail(reader, "a pid that is nobody's");
    return pid;
}

static void read_entry(struct wire_reader *reader, struct names_sync_entry *entry_out) {
    wire_tuple(reader, ENTRY_ITEMS);
    read_name(reader, entry_out->name);
    entry_out->pid = read_pid(reader);
    entry_out->age = wire_u64(reader, lamport_limit);
    entry_out->token = wire_u64(reader, UINT64_MAX);
    entry_out->settled = wire_bool(reader);
}

static void read_entries(struct wire_reader *reader, struct names_message *message) {
    message->last = wire_bool(reader);
    message->count = wire_array(reader, NAMES_SYNC_MAX);
    message->entries = *reader;
    struct names_sync_entry entry;
    for (uint32_t i = 0; i < message->count && reader->fault == NULL; i++) {
        read_entry(reader, &entry);
    }
}

static void read_winner(struct wire_reader *reader, struct names_message *message) {
    message->winner = read_pid(reader);
    wire_text(reader, message->winner_node, sizeof(message->winner_node));
    if (!member_name_valid(message->winner_node)) wire_fail(reader, "not a node's name");
    message->winner_incarnation = wire_u64(reader, UINT64_MAX);
}

static void read_message(struct wire_reader *reader, struct names_message *message) {
    uint32_t items = wire_array(reader, ITEMS_MAX);
    message->kind = (enum names_kind)wire_u64(reader, NAMES_LOST);
    if (message->kind == 0) wire_fail(reader, "a message without its kind");
    uint8_t fields = fields_of[message->kind];
    if (items != items_of(fields)) {
        wire_fail(reader, "another number of items than its kind has");
    }
    message->incarnation = wire_u64(reader, UINT64_MAX);
    message->session = wire_u64(reader, UINT64_MAX);
    message->lamport = wire_u64(reader, lamport_limit);
    if ((fields & HAS_TOKEN) != 0) message->token = wire_u64(reader, UINT64_MAX);
    if ((fields & HAS_NAME) != 0) read_name(reader, message->name);
    if ((fields & HAS_PID) != 0) message->pid = read_pid(reader);
    if ((fields & HAS_AGE) != 0) message->age = wire_u64(reader, lamport_limit);
    if ((fields & HAS_WINNER) != 0) read_winner(reader, message);
    if ((fields & HAS_ENTRIES) != 0) read_entries(reader, message);
}

tr_status names_message_decode(const uint8_t *bytes, size_t byte_count, const char *node,
                               struct names_message *message_out, tr_error *error) {
    struct wire_reader reader;
    memset(message_out, 0, sizeof(*message_out));
    wire_open(&reader, bytes, byte_count);
    if (byte_count > NAMES_MESSAGE_BYTES_MAX) wire_fail(&reader, "a message too large");
    read_message(&reader, message_out);
    if (!wire_close(&reader)) return wire_error(&reader, error, "a names message", node);
    return TR_OK;
}

void names_message_next(struct names_message *message, struct names_sync_entry *entry_out) {
    read_entry(&message->entries, entry_out);
}
