#include "node/record_codec.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/hex.h"
#include "node/base/memory.h"
#include "node/record_pack.h"
#include "node/record_random.h"
#include "node/record_table.h"

TestSuite(record_codec, .timeout = 60);

struct inner {
    int32_t n;
    char name[4];
};
TR_RECORD(inner, TR_FIELD(inner, n), TR_FIELD(inner, name));

struct outer {
    struct inner in;
    uint8_t key[2];
    tr_text text;
    tr_bytes data;
    tr_list numbers;
    tr_list inners;
};
TR_RECORD(outer, TR_FIELD_RECORD(outer, in, inner), TR_FIELD(outer, key), TR_FIELD(outer, text),
          TR_FIELD(outer, data), TR_FIELD_LIST(outer, numbers, int64_t),
          TR_FIELD_LIST_RECORD(outer, inners, inner));

struct scalars {
    int8_t i8;
    uint8_t u8;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    bool yes;
    tr_pid pid;
    tr_request request;
};
TR_RECORD(scalars, TR_FIELD(scalars, i8), TR_FIELD(scalars, u8), TR_FIELD(scalars, i64),
          TR_FIELD(scalars, u64), TR_FIELD(scalars, f32), TR_FIELD(scalars, f64),
          TR_FIELD(scalars, yes), TR_FIELD(scalars, pid), TR_FIELD(scalars, request));

struct numbers {
    tr_list list;
};
TR_RECORD(numbers, TR_FIELD_LIST(numbers, list, int64_t));

static record_table *table;
static struct arena arena;

static void open_all(void) {
    table = record_table_new(NULL);
    arena = (struct arena){0};
}

static void close_all(void) {
    record_table_free(table);
    arena_free(&arena);
}

static const record_type *type_of(const tr_record *record) {
    const record_type *type = NULL;
    tr_error error = {0};
    cr_assert_eq(record_table_intern(table, record, &type, &error), TR_OK, "%s", error.message);
    return type;
}

/* Decodes a copy of exactly these bytes, so that a sanitizer sees any step beyond. Returns the
 * block, the caller's, or NULL with the error filled. */
static void *decoded(const record_type *type, const void *data, size_t bytes,
                     const record_limits *limits, tr_error *error) {
    uint8_t *copy = mem_dup(data, bytes);
    size_t block_bytes = 0;
    void *block = NULL;
    tr_status status = record_decode_measure(type, copy, bytes, limits, &block_bytes, error);
    if (status == TR_OK) {
        block = mem_alloc(block_bytes);
        cr_assert_eq(record_decode(type, copy, bytes, limits, block, block_bytes, error), TR_OK);
    } else {
        cr_assert_eq(status, TR_EDATA);
    }
    mem_free(copy);
    return block;
}

/* Refuses the bytes of a hexadecimal text, with a message that holds `part`. */
static void refused(const tr_record *record, const char *hex, const char *part) {
    uint8_t data[256];
    size_t bytes = strlen(hex) / 2;
    tr_error error = {0};
    cr_assert(hex_decode(hex, data, bytes), "%s", hex);
    void *block = decoded(type_of(record), data, bytes, NULL, &error);
    cr_assert_null(block, "%s", hex);
    cr_assert_not_null(strstr(error.message, part), "%s", error.message);
}

static void encodes_as(const tr_record *record, const void *body, const char *hex) {
    struct buffer out = {0};
    char text[512];
    record_encode(type_of(record), body, &out);
    hex_encode(out.data, out.bytes, text);
    cr_assert_str_eq(text, hex);
    buffer_fini(&out);
}

/* ---- the bytes ---- */

Test(record_codec, scalars_are_written_in_their_shortest_form, .init = open_all,
     .fini = close_all) {
    struct scalars body = {.i8 = -1,
                           .u8 = 200,
                           .i64 = -70000,
                           .u64 = 5,
                           .f32 = 1.0f,
                           .f64 = 1.0,
                           .yes = true,
                           .pid = {1, 2, 3},
                           .request = {{4, 5, 6}, 7}};
    encodes_as(&scalars_record, &body,
               "99ffccc8d2fffeee9005ca3f800000cb3ff0000000000000c3930102039293040506"
               "07");
}

Test(record_codec, variable_fields_and_nested_records_are_written_in_place, .init = open_all,
     .fini = close_all) {
    int64_t list[] = {1, -1};
    struct inner inners[] = {{9, "zzzz"}};
    struct outer body = {.in = {7, "ab"},
                         .key = {1, 2},
                         .text = {"hi", 2},
                         .data = {(const uint8_t *)"\x05", 1},
                         .numbers = {list, 2},
                         .inners = {inners, 1}};
    encodes_as(&outer_record, &body, "969207a26162c4020102a26869c401059201ff919209a47a7a7a7a");
}

Test(record_codec, an_empty_text_without_data_is_an_empty_text, .init = open_all,
     .fini = close_all) {
    encodes_as(&outer_record, &(struct outer){0}, "969200a0c4020000a0c4009090");
}

/* What is packed by hand is what msgpack-c packs, wherever the form changes, and also when the
 * buffer must grow. */
static void packs_the_same(uint64_t value) {
    static const char text[64];
    struct buffer ours = {0}, theirs = {0};
    msgpack_packer packer = record_pack_to(&theirs);
    record_pack_u64(&ours, value);
    msgpack_pack_uint64(&packer, value);
    record_pack_i64(&ours, (int64_t)value);
    msgpack_pack_int64(&packer, (int64_t)value);
    record_pack_array(&ours, value);
    msgpack_pack_array(&packer, value);
    record_pack_text(&ours, text, value % sizeof text);
    msgpack_pack_str(&packer, value % sizeof text);
    buffer_append(&theirs, text, value % sizeof text);
    record_pack_nil(&ours);
    msgpack_pack_nil(&packer);
    record_pack_bool(&ours, value % 2 == 0);
    value % 2 == 0 ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer);
    cr_assert_eq(ours.bytes, theirs.bytes, "%" PRIu64, value);
    cr_assert_arr_eq(ours.data, theirs.data, ours.bytes, "%" PRIu64, value);
    buffer_fini(&ours);
    buffer_fini(&theirs);
}

Test(record_codec, what_is_packed_by_hand_is_what_msgpack_packs) {
    for (uint64_t value = 0; value < 70000; value++) packs_the_same(value);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uint64_t near = 0; near < 100; near++) {
            packs_the_same((UINT64_C(1) << bit) - 50 + near);
            packs_the_same(0 - (UINT64_C(1) << bit) - 50 + near);
        }
    }
}

/* The other forms msgpack allows for a number are read too: peers may be written in anything. */
Test(record_codec, longer_forms_of_a_value_are_read, .init = open_all, .fini = close_all) {
    static const char *const forms[] = {"92d30000000000000007a26162", "dc0002cd0007d9026162",
                                        "dd00000002ce00000007da00026162",
                                        "92d200000007db000000026162"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        uint8_t data[32];
        size_t bytes = strlen(forms[i]) / 2;
        tr_error error = {0};
        cr_assert(hex_decode(forms[i], data, bytes));
        struct inner *body = decoded(type_of(&inner_record), data, bytes, NULL, &error);
        cr_assert_not_null(body, "%s", error.message);
        cr_assert_eq(body->n, 7);
        cr_assert_eq(memcmp(body->name, "ab\0\0", 4), 0);
        mem_free(body);
    }
}

/* ---- what is refused, and how it is named ---- */

Test(record_codec, a_wrong_type_is_refused_by_its_path, .init = open_all, .fini = close_all) {
    refused(&outer_record, "9692a178a26162c4020102a26869c401059090",
            "record outer: field in.n: expected an integer, found a text");
    refused(&outer_record, "969207a26162c4020102a26869c4010592019290",
            "field numbers[1]: expected an integer, found an array");
    refused(&outer_record, "969207a26162c4020102a26869c401059091920991",
            "field inners[0].name: expected a text, found an array");
    refused(&outer_record, "c0", "record outer: expected a record, found nil");
    refused(&inner_record, "92ca3f800000a0", "found a 32-bit float");
    refused(&inner_record, "9207c40161", "field name: expected a text, found bytes");
    refused(&scalars_record, "99000000000000000000", "field f32: expected a 32-bit float");
}

Test(record_codec, numbers_out_of_range_are_refused, .init = open_all, .fini = close_all) {
    refused(&scalars_record, "99cc800000000000000000",
            "field i8: an integer out of the range of i8");
    refused(&scalars_record, "99d1ff7f0000000000000000", "field i8");
    refused(&scalars_record, "9900ff00000000000000", "field u8: an integer out of the range of u8");
    refused(&scalars_record, "990000cfffffffffffffffff000000000000", "field i64");
    refused(&scalars_record, "99000000ff0000000000", "field u64");
    refused(&inner_record, "92ce80000000a0", "field n");
}

Test(record_codec, texts_that_do_not_suit_are_refused, .init = open_all, .fini = close_all) {
    refused(&inner_record, "9207a56162636465", "field name: a text of 5 bytes where 4 fit");
    refused(&inner_record, "9207a3610062", "field name: a text with a zero byte");
    refused(&outer_record, "969207a26162c40101", "field key: expected 2 bytes, found 1");
}

Test(record_codec, counts_that_do_not_suit_are_refused, .init = open_all, .fini = close_all) {
    refused(&inner_record, "9107", "expected a record with 2 elements, found 1");
    refused(&inner_record, "9307a000", "expected a record with 2 elements, found 3");
    refused(&inner_record, "9207a000", "1 bytes too many behind the body");
    refused(&inner_record, "9207", "an array is cut short");
    refused(&inner_record, "", "the end of the data");
}

/* A length that the bytes cannot hold must not lead to an allocation. */
Test(record_codec, a_huge_array_in_five_bytes_is_refused, .init = open_all, .fini = close_all) {
    refused(&numbers_record, "ddffffffff", "an array is cut short");
    refused(&numbers_record, "91ddffffffff", "field list: an array is cut short");
    refused(&outer_record, "969207a26162c4020102dbffffffff", "field text: expected a text");
    refused(&outer_record, "969207a26162c4020102a26869c6ffffffff", "field data: expected bytes");
}

/* ---- limits ---- */

Test(record_codec, a_body_over_the_byte_limit_is_refused, .init = open_all, .fini = close_all) {
    struct buffer out = {0};
    tr_error error = {0};
    struct outer body = {.text = {"0123456789", 10}};
    record_encode(type_of(&outer_record), &body, &out);
    record_limits limits = {.body_bytes_max = out.bytes};
    void *block = decoded(type_of(&outer_record), out.data, out.bytes, &limits, &error);
    cr_assert_not_null(block);
    limits.body_bytes_max--;
    cr_assert_null(decoded(type_of(&outer_record), out.data, out.bytes, &limits, &error));
    cr_assert_not_null(strstr(error.message, "a body of"), "%s", error.message);
    mem_free(block);
    buffer_fini(&out);
}

/* One byte on the wire may be a struct of any size: the block is limited too. */
Test(record_codec, a_body_that_becomes_too_big_is_refused, .init = open_all, .fini = close_all) {
    static const tr_field wide_fields[] = {{"name", TR_KIND_CHARS, 0, 65536, NULL},
                                           {NULL, 0, 0, 0, NULL}};
    static const tr_record wide = {"wide", 65536, 1, wide_fields};
    static const tr_field fields[] = {{"list", TR_KIND_RECORD | TR_KIND_LIST, 0, 16, &wide},
                                      {NULL, 0, 0, 0, NULL}};
    static const tr_record record = {"r", 16, 8, fields};
    tr_error error = {0};
    uint8_t data[4 + 2 * 300] = {0x91, 0xdc, 300 >> 8, 300 & 0xff};
    for (int i = 0; i < 300; i++) {
        data[4 + 2 * i] = 0x91;
        data[5 + 2 * i] = 0xa0;
    }
    cr_assert_null(decoded(type_of(&record), data, sizeof(data), NULL, &error));
    cr_assert_not_null(strstr(error.message, "too big"), "%s", error.message);
    record_limits limits = {.block_bytes_max = 301 * 65536};
    void *block = decoded(type_of(&record), data, sizeof(data), &limits, &error);
    cr_assert_not_null(block, "%s", error.message);
    mem_free(block);
}

Test(record_codec, too_many_elements_are_refused, .init = open_all, .fini = close_all) {
    static int64_t list[65536];
    const record_type *type = type_of(&numbers_record);
    struct buffer out = {0};
    tr_error error = {0};
    record_encode(type, &(struct numbers){{list, 65535}}, &out);
    void *block = decoded(type, out.data, out.bytes, NULL, &error);
    cr_assert_not_null(block, "%s", error.message);
    buffer_clear(&out);
    record_encode(type, &(struct numbers){{list, 65536}}, &out);
    cr_assert_null(decoded(type, out.data, out.bytes, NULL, &error), "the field itself is one");
    cr_assert_not_null(strstr(error.message, "too many elements"), "%s", error.message);
    mem_free(block);
    buffer_fini(&out);
}

/* ---- properties ---- */

static const record_type *random_type(unsigned levels) {
    return type_of(random_record(&arena, levels));
}

Test(record_codec, random_bodies_survive_encoding, .init = open_all, .fini = close_all) {
    random_seed(&arena.random, 4);
    for (int i = 0; i < 400; i++) {
        const record_type *type = random_type(3);
        const void *body = random_body(&arena, type);
        struct buffer out = {0};
        tr_error error = {0};
        record_encode(type, body, &out);
        void *block = decoded(type, out.data, out.bytes, NULL, &error);
        cr_assert_not_null(block, "round %d: %s", i, error.message);
        cr_assert(bodies_equal(type, body, type, block), "round %d", i);
        mem_free(block);
        buffer_fini(&out);
    }
}

/* What is measured of a body is what decoding counts. */
Test(record_codec, measured_elements_are_the_limit_that_just_fits, .init = open_all,
     .fini = close_all) {
    random_seed(&arena.random, 5);
    for (int i = 0; i < 200; i++) {
        const record_type *type = random_type(3);
        const void *body = random_body(&arena, type);
        struct buffer out = {0};
        tr_error error = {0};
        record_size size = {0};
        cr_assert_eq(record_measure(type, body, &size), TR_OK);
        record_encode(type, body, &out);
        record_limits limits = {.elements_max = size.elements};
        void *block = decoded(type, out.data, out.bytes, &limits, &error);
        cr_assert_not_null(block, "round %d: %s", i, error.message);
        limits.elements_max--;
        if (size.elements > 1) /* 0 would be the default */
            cr_assert_null(decoded(type, out.data, out.bytes, &limits, &error));
        mem_free(block);
        buffer_fini(&out);
    }
}

Test(record_codec, every_truncation_is_refused, .init = open_all, .fini = close_all) {
    random_seed(&arena.random, 6);
    for (int i = 0; i < 60; i++) {
        const record_type *type = random_type(2);
        struct buffer out = {0};
        tr_error error = {0};
        record_encode(type, random_body(&arena, type), &out);
        for (size_t bytes = 0; bytes < out.bytes; bytes++)
            cr_assert_null(decoded(type, out.data, bytes, NULL, &error), "round %d", i);
        buffer_fini(&out);
    }
}

/* Decodes what was changed: refused, or a body that is as good as any other. */
static bool decodes_well(const record_type *type, const struct buffer *wire) {
    tr_error error = {0};
    void *block = decoded(type, wire->data, wire->bytes, NULL, &error);
    if (block == NULL) return false;
    struct buffer again = {0};
    record_encode(type, block, &again);
    void *second = decoded(type, again.data, again.bytes, NULL, &error);
    cr_assert_not_null(second, "%s", error.message);
    cr_assert(bodies_equal(type, block, type, second));
    mem_free(second);
    mem_free(block);
    buffer_fini(&again);
    return true;
}

Test(record_codec, changed_bytes_are_refused_or_decode_to_something_valid, .init = open_all,
     .fini = close_all) {
    unsigned good = 0;
    unsigned bad = 0;
    random_seed(&arena.random, 7);
    for (int i = 0; i < 150; i++) {
        const record_type *type = random_type(2);
        struct buffer out = {0};
        record_encode(type, random_body(&arena, type), &out);
        for (int k = 0; k < 100; k++) {
            uint8_t *place = out.data + arena_below(&arena, (uint32_t)out.bytes);
            uint8_t before = *place;
            *place = (uint8_t)random_u64(&arena.random);
            decodes_well(type, &out) ? good++ : bad++;
            *place = before;
        }
        buffer_fini(&out);
    }
    cr_assert_gt(good, 100u);
    cr_assert_gt(bad, 100u);
}
