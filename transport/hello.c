/*
 * hello.c - one table says which key of the map is which member of struct hello, for both ways.
 */
#include "transport/hello.h"

#include <msgpack.h>
#include <string.h>

#include "transport/cursor.h"

enum { KEYS_MAX = 64, KEY_BYTES_MAX = 64, EXTRA_DEPTH_MAX = 8, EXTRA_ITEMS_MAX = 4096 };

enum kind { KIND_TEXT, KIND_OCTETS, KIND_U32, KIND_U64 };

struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    size_t bytes;
};

#define KEY(name, kind, member) \
    { name, kind, offsetof(struct hello, member), sizeof(((struct hello *)0)->member) }

static const struct key keys[] = {
    KEY("cluster", KIND_TEXT, identity.cluster),
    KEY("generation", KIND_U64, identity.generation),
    KEY("endpoint", KIND_TEXT, identity.endpoint),
    KEY("control", KIND_TEXT, identity.control_endpoint),
    KEY("key", KIND_OCTETS, identity.key),
    KEY("space", KIND_U64, identity.space),
    KEY("ordinal", KIND_U64, identity.ordinal),
    KEY("message_bytes", KIND_U32, identity.message_bytes_max),
    KEY("window_messages", KIND_U32, identity.window_messages),
    KEY("window_bytes", KIND_U64, identity.window_bytes),
    KEY("leases", KIND_U32, identity.leases),
    KEY("epoch", KIND_U64, epoch),
    KEY("token", KIND_U64, token),
    KEY("answer", KIND_U64, answer),
    KEY("bound", KIND_U64, bound),
};

enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

static void pack_text(msgpack_packer *packer, const char *text) {
    size_t bytes = strlen(text);
    msgpack_pack_str(packer, bytes);
    msgpack_pack_str_body(packer, text, bytes);
}

static void pack_value(msgpack_packer *packer, const struct key *key, const void *value) {
    switch (key->kind) {
        case KIND_TEXT:
            pack_text(packer, value);
            break;
        case KIND_OCTETS:
            msgpack_pack_bin(packer, key->bytes);
            msgpack_pack_bin_body(packer, value, key->bytes);
            break;
        case KIND_U32:
            msgpack_pack_uint32(packer, *(const uint32_t *)value);
            break;
        case KIND_U64:
            msgpack_pack_uint64(packer, *(const uint64_t *)value);
            break;
    }
}

void hello_encode(struct buffer *out, const struct hello *hello) {
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, buffer_write);
    msgpack_pack_map(&packer, KEY_COUNT);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        pack_text(&packer, keys[i].name);
        pack_value(&packer, &keys[i], (const char *)hello + keys[i].offset);
    }
}

static void read_value(struct cursor *cursor, const struct key *key, void *value) {
    switch (key->kind) {
        case KIND_TEXT:
            cursor_text(cursor, value, key->bytes);
            break;
        case KIND_OCTETS:
            cursor_octets(cursor, value, (uint32_t)key->bytes);
            break;
        case KIND_U32:
            cursor_u32(cursor, UINT32_MAX, value);
            break;
        case KIND_U64:
            cursor_uint(cursor, UINT64_MAX, value);
            break;
    }
}

static void read_pair(struct cursor *cursor, struct hello *hello) {
    const char *name;
    uint32_t bytes;
    if (!cursor_str(cursor, KEY_BYTES_MAX, &name, &bytes)) return;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strlen(keys[i].name) == bytes && memcmp(keys[i].name, name, bytes) == 0) {
            read_value(cursor, &keys[i], (char *)hello + keys[i].offset);
            return;
        }
    }
    cursor_skip(cursor, EXTRA_DEPTH_MAX, EXTRA_ITEMS_MAX);
}

tr_status hello_decode(const uint8_t *data, size_t bytes, struct hello *hello_out) {
    struct cursor cursor = cursor_over(data, bytes);
    struct hello hello = {0};
    uint32_t count;
    if (!cursor_map(&cursor, KEYS_MAX, &count)) return TR_EDATA;
    for (uint32_t i = 0; i < count; i++) read_pair(&cursor, &hello);
    if (!cursor_at_end(&cursor) || hello.token == 0) return TR_EDATA;
    *hello_out = hello;
    return TR_OK;
}
