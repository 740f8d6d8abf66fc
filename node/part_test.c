/*
 * part_test.c - the bytes of items, and measuring values without believing them.
 */
#include "node/part.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "node/base/hex.h"
#include "node/part_decode.h"
#include "node/part_map.h"

TestSuite(part, .timeout = 30);

static const uint64_t space = UINT64_C(0xa1b2c3d4e5f60718);

static void assert_hex(const struct buffer *buffer, const char *expected) {
    char text[1024];
    cr_assert(buffer->bytes * 2 < sizeof text);
    hex_encode(buffer->data, buffer->bytes, text);
    cr_assert_str_eq(text, expected);
}

/* A change of these bytes is a change of the format: its version must change with it. */
Test(part, an_actor_item_has_the_documented_bytes) {
    tr_text names[] = {part_text("a-1")};
    const uint8_t state[] = {0x92, 0x64, 0x05};
    part_actor actor = {.pid = {space, 17, 3},
                        .behavior = part_text("account"),
                        .behavior_version = 1,
                        .colour = 0x10001,
                        .names = names,
                        .name_count = 1,
                        .record = 4,
                        .state = {state, sizeof state}};
    part_chunk chunk = {0};
    part_encode_actor(&chunk, space, &actor);
    assert_hex(&chunk.buffer,
               "9ca56163746f72"   /* 12 elements: "actor" */
               "921103"           /* slot 17, generation 3, of the part's own space */
               "a76163636f756e74" /* "account" */
               "01ce0001000100"   /* version, colour, status */
               "91a3612d31"       /* names */
               "c004926405"       /* no mailbox of its own, record 4, state */
               "9090");           /* no timers, no asks */
    cr_assert_eq(chunk.actors, 1);
    cr_assert_eq(chunk.messages, 0);
    part_chunk_fini(&chunk);
}

Test(part, a_message_item_has_the_documented_bytes) {
    const uint8_t body[] = {0x91, 0x2a};
    part_message message = {.to = {space, 17, 3},
                            .order = 9,
                            .from = {1, 2, 3},
                            .kind = 0,
                            .flags = 1,
                            .id = 70000,
                            .reference = 0,
                            .colour = 0,
                            .link = part_text("n2"),
                            .record = 5,
                            .body = {body, sizeof body}};
    message.trace.id[15] = 1;
    message.trace.span = 6;
    part_chunk chunk = {0};
    part_encode_message(&chunk, space, &message);
    assert_hex(&chunk.buffer,
               "9ea76d657373616765"                      /* 14 elements: "message" */
               "92110309"                                /* to, order */
               "93010203"                                /* from: another space */
               "0001ce000111700000"                      /* kind, flags, id, reference, colour */
               "92c410000000000000000000000000000000010" /* trace */
               "6a26e32c0"                               /* span; link "n2"; no reason */
               "05912a");
    cr_assert_eq(chunk.messages, 1);
    part_chunk_fini(&chunk);
}

/* A million of these must fit comfortably. */
Test(part, an_idle_actor_takes_less_than_a_hundred_bytes) {
    const uint8_t state[] = {0x92, 0xce, 0xff, 0xff, 0xff, 0xff, 0xcd, 0xff, 0xff};
    tr_text names[] = {part_text("account-999999")};
    part_actor actor = {.pid = {space, 999999, 1},
                        .behavior = part_text("account"),
                        .behavior_version = 1,
                        .colour = UINT64_C(300) << 16 | 0xffff,
                        .names = names,
                        .name_count = 1,
                        .record = 40,
                        .state = {state, sizeof state}};
    part_chunk chunk = {0};
    part_encode_actor(&chunk, space, &actor);
    cr_assert(chunk.buffer.bytes < 64, "%zu", chunk.buffer.bytes);
    part_chunk_fini(&chunk);
}

/* Encoding in place and encoding from ready values are the same bytes. */
Test(part, an_item_encoded_in_place_equals_one_encoded_whole) {
    const uint8_t five[] = {0x91, 0x05};
    part_timer timer = {1, 2, 5, {five, 2}};
    part_ask ask = {.id = 3, .hold = true, .request = part_text("get")};
    part_actor actor = {.pid = {space, 1, 1},
                        .behavior = part_text("b"),
                        .timers = &timer,
                        .timer_count = 1,
                        .asks = &ask,
                        .ask_count = 1};
    part_chunk whole = {0};
    part_chunk placed = {0};
    part_encode_actor(&whole, space, &actor);
    part_begin_actor(&placed, space, &actor);
    part_put_nil(&placed);
    part_begin_timers(&placed, 1);
    part_begin_timer(&placed, &timer);
    buffer_append(&placed.buffer, five, 2);
    part_begin_asks(&placed, 1);
    part_begin_ask(&placed, space, &ask);
    part_put_nil(&placed);
    cr_assert_eq(whole.buffer.bytes, placed.buffer.bytes);
    cr_assert_eq(memcmp(whole.buffer.data, placed.buffer.data, whole.buffer.bytes), 0);
    cr_assert_eq(whole.actors, 1);
    cr_assert_eq(placed.actors, 0, "the caller counts what it has completed");
    part_chunk_fini(&whole);
    part_chunk_fini(&placed);
}

Test(part, a_trailer_is_read_back_and_refused_at_every_other_length) {
    part_trailer trailer = {1, 2, 3, 4};
    struct buffer buffer = {0};
    part_encode_trailer(&buffer, &trailer);
    buffer_append_byte(&buffer, 0);
    for (size_t bytes = 0; bytes <= buffer.bytes; bytes++) {
        part_trailer read = {0};
        struct part_fault fault = {0};
        struct record_cursor cursor = {buffer.data, buffer.data + bytes};
        bool well_formed = part_decode_trailer(&cursor, &read, &fault);
        cr_assert_eq(well_formed, bytes == PART_TRAILER_BYTES, "%zu", bytes);
        if (well_formed) cr_assert_eq(memcmp(&read, &trailer, sizeof read), 0);
    }
    buffer_fini(&buffer);
}

/* ---- measuring ------------------------------------------------------------------------------- */

static enum part_measured measure(const char *hex, size_t *size_out) {
    uint8_t bytes[256];
    size_t count = strlen(hex) / 2;
    cr_assert(hex_decode(hex, bytes, count));
    return part_measure(bytes, count, size_out);
}

Test(part, a_whole_value_is_measured_without_what_follows) {
    const char *values[] = {"c0",
                            "c2",
                            "7f",
                            "e0",
                            "cc80",
                            "cd0102",
                            "ce01020304",
                            "cf0102030405060708",
                            "d080",
                            "d18000",
                            "d280000000",
                            "d38000000000000000",
                            "ca00000000",
                            "cb0000000000000000",
                            "a161",
                            "d90161",
                            "da000161",
                            "db0000000161",
                            "c40161",
                            "c5000161",
                            "c60000000161",
                            "90",
                            "9101",
                            "dc000101",
                            "dd0000000101",
                            "80",
                            "810102",
                            "de00010102",
                            "df000000010102",
                            "92910192a16101"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[64];
        size_t size = 0;
        size_t length = strlen(values[i]);
        snprintf(text, sizeof text, "%s01", values[i]);
        cr_assert_eq(measure(text, &size), PART_WHOLE, "%s", values[i]);
        cr_assert_eq(2 * size, length, "%s", values[i]);
        for (size_t cut = 0; cut < length; cut += 2) {
            text[cut] = '\0';
            cr_assert_eq(measure(text, &size), PART_CUT, "%s at %zu", values[i], cut);
            snprintf(text, sizeof text, "%s", values[i]);
        }
    }
}

/* The 5 bytes that make a decoder which allocates by the count take gigabytes. */
Test(part, a_huge_count_is_only_cut_short) {
    size_t size = 0;
    cr_assert_eq(measure("ddffffffff", &size), PART_CUT);
    cr_assert_eq(measure("dfffffffff", &size), PART_CUT);
    cr_assert_eq(measure("c6ffffffff00", &size), PART_CUT);
}

Test(part, unknown_types_and_deep_nesting_are_malformed) {
    size_t size = 0;
    const char *malformed[] = {"c1", "c70101", "d40101", "d80101", "91c1"};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        cr_assert_eq(measure(malformed[i], &size), PART_MALFORMED, "%s", malformed[i]);
    }
    uint8_t deep[PART_DEPTH_MAX + 1];
    memset(deep, 0x91, sizeof deep);
    cr_assert_eq(part_measure(deep, sizeof deep, &size), PART_MALFORMED);
    deep[PART_DEPTH_MAX - 1] = 0xc0;
    cr_assert_eq(part_measure(deep, sizeof deep, &size), PART_WHOLE);
}

/* ---- maps ------------------------------------------------------------------------------------ */

struct pair {
    char name[PART_NAME_BYTES];
    uint32_t number;
};
static const struct part_map_field pair_fields[] = {
    {"name", PART_MAP_NAME, offsetof(struct pair, name)},
    {"number", PART_MAP_U32, offsetof(struct pair, number)},
};

static bool read_pair(const char *hex, struct pair *pair, struct part_fault *fault) {
    uint8_t bytes[256];
    size_t count = strlen(hex) / 2;
    cr_assert(hex_decode(hex, bytes, count));
    struct record_cursor cursor = {bytes, bytes + count};
    *fault = (struct part_fault){0};
    return part_map_read(&cursor, pair_fields, 2, pair, fault);
}

Test(part, a_map_is_read_in_any_order_and_unknown_keys_are_passed_over) {
    struct pair pair;
    struct part_fault fault;
    cr_assert(read_pair("83a66e756d62657207a16393c0c0c0a46e616d65a26e31", &pair, &fault));
    cr_assert_str_eq(pair.name, "n1");
    cr_assert_eq(pair.number, 7);
}

Test(part, a_map_with_a_key_missing_or_twice_or_a_wrong_type_is_refused_with_its_name) {
    struct pair pair;
    struct part_fault fault;
    cr_assert_not(read_pair("81a46e616d65a26e31", &pair, &fault));
    cr_assert_str_eq(fault.reason, "number is missing");
    cr_assert_not(read_pair("82a46e616d65a26e31a46e616d65a26e31", &pair, &fault));
    cr_assert_str_eq(fault.reason, "name is there twice");
    cr_assert_not(read_pair("82a46e616d6505a66e756d62657207", &pair, &fault));
    cr_assert(strncmp(fault.reason, "name: expected a text", 21) == 0, "%s", fault.reason);
    cr_assert_not(read_pair("82a46e616d65a0a66e756d62657207", &pair, &fault));
    cr_assert_not(read_pair("82a46e616d65a26e31a66e756d626572ff", &pair, &fault));
    cr_assert_not(read_pair("82a46e616d65a26e31a66e756d626572cf0000000100000000", &pair, &fault));
    cr_assert_not(read_pair("82a46e616d65a2c328a66e756d62657207", &pair, &fault));
    cr_assert(strstr(fault.reason, "UTF-8") != NULL);
    cr_assert_not(read_pair("93", &pair, &fault));
}
