/*
 * cursor_test.c - each kind of value is taken exactly, and nothing else, at every length.
 */
#include "transport/cursor.h"

#include <criterion/criterion.h>
#include <msgpack.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/base/random.h"

TestSuite(cursor, .timeout = 30);

static struct cursor over(const char *bytes, size_t count) {
    return cursor_over((const uint8_t *)bytes, count);
}

Test(cursor, every_width_of_a_number_is_read) {
    static const struct {
        const char *bytes;
        size_t count;
        uint64_t value;
    } numbers[] = {{"\x00", 1, 0},
                   {"\x7f", 1, 127},
                   {"\xcc\x80", 2, 128},
                   {"\xcc\x01", 2, 1}, /* longer than it need be */
                   {"\xcd\x01\x02", 3, 0x102},
                   {"\xce\x01\x02\x03\x04", 5, 0x1020304},
                   {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, UINT64_MAX}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint64_t value = 77;
        struct cursor cursor = over(numbers[i].bytes, numbers[i].count);
        cr_assert(cursor_uint(&cursor, UINT64_MAX, &value));
        cr_assert_eq(value, numbers[i].value);
        cr_assert(cursor_at_end(&cursor));
        for (size_t cut = 0; cut < numbers[i].count; cut++) {
            value = 77;
            cursor = over(numbers[i].bytes, cut);
            cr_assert_not(cursor_uint(&cursor, UINT64_MAX, &value));
            cr_assert_eq(value, 77);
        }
        if (numbers[i].value == 0) continue;
        cursor = over(numbers[i].bytes, numbers[i].count);
        cr_assert_not(cursor_uint(&cursor, numbers[i].value - 1, &value), "over its limit");
    }
}

Test(cursor, negative_numbers_keep_their_sign) {
    static const struct {
        const char *bytes;
        size_t count;
        int64_t value;
    } numbers[] = {{"\xff", 1, -1},
                   {"\xe0", 1, -32},
                   {"\xd0\x80", 2, -128},
                   {"\xd1\xff\x00", 3, -256},
                   {"\xd2\x80\x00\x00\x00", 5, INT32_MIN},
                   {"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, INT64_MIN},
                   {"\x05", 1, 5}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        int64_t value = 77;
        struct cursor cursor = over(numbers[i].bytes, numbers[i].count);
        cr_assert(cursor_int(&cursor, &value));
        cr_assert_eq(value, numbers[i].value);
        cursor = over(numbers[i].bytes, numbers[i].count - 1);
        cr_assert_not(cursor_int(&cursor, &value));
    }
    int64_t value;
    struct cursor cursor = over("\xcf\x80\x00\x00\x00\x00\x00\x00\x00", 9);
    cr_assert_not(cursor_int(&cursor, &value), "past INT64_MAX");
}

Test(cursor, a_failure_sticks) {
    uint64_t value = 77;
    struct cursor cursor = over("\xc0\x01", 2);
    cr_assert_not(cursor_uint(&cursor, 9, &value));
    cr_assert_not(cursor_uint(&cursor, 9, &value));
    cr_assert_not(cursor_take_nil(&cursor));
    cr_assert_eq(cursor_left(&cursor), 0);
    cr_assert_not(cursor_at_end(&cursor));
    cr_assert_eq(value, 77);
}

/* For each first byte: which reader takes it. None may take a byte of another kind. */
Test(cursor, each_first_byte_belongs_to_one_kind) {
    for (unsigned first = 0; first < 256; first++) {
        uint8_t bytes[40] = {(uint8_t)first};
        uint64_t number;
        bool truth;
        const char *text;
        const uint8_t *data;
        uint32_t count;
        struct cursor start = cursor_over(bytes, sizeof bytes), cursor;
        cursor = start;
        bool is_uint = cursor_uint(&cursor, UINT64_MAX, &number);
        cursor = start;
        bool is_bool = cursor_bool(&cursor, &truth);
        cursor = start;
        bool is_nil = cursor_nil(&cursor);
        cursor = start;
        bool is_str = cursor_str(&cursor, 100, &text, &count);
        cursor = start;
        bool is_bin = cursor_bin(&cursor, 100, &data, &count);
        cursor = start;
        bool is_array = cursor_array(&cursor, 100, &count);
        cursor = start;
        bool is_map = cursor_map(&cursor, 100, &count);
        cr_assert_eq(is_uint, first < 0x80 || (first >= 0xcc && first <= 0xcf), "0x%02x", first);
        cr_assert_eq(is_bool, first == 0xc2 || first == 0xc3, "0x%02x", first);
        cr_assert_eq(is_nil, first == 0xc0, "0x%02x", first);
        cr_assert_eq(is_str, first >> 5 == 5 || (first >= 0xd9 && first <= 0xdb), "0x%02x", first);
        cr_assert_eq(is_bin, first >= 0xc4 && first <= 0xc6, "0x%02x", first);
        cr_assert_eq(is_array, first >> 4 == 9 || first == 0xdc || first == 0xdd, "0x%02x", first);
        cr_assert_eq(is_map, first >> 4 == 8 || first == 0xde || first == 0xdf, "0x%02x", first);
    }
}

Test(cursor, texts_and_bytes_keep_to_their_limits) {
    const char *text;
    const uint8_t *data;
    uint32_t bytes;
    char room[4];
    uint8_t octets[3];
    struct cursor cursor = over(
        "\xa3"
        "abc",
        4);
    cr_assert(cursor_str(&cursor, 3, &text, &bytes));
    cr_assert_eq(bytes, 3);
    cr_assert_arr_eq(text, "abc", 3);
    cursor = over(
        "\xa3"
        "abc",
        4);
    cr_assert_not(cursor_str(&cursor, 2, &text, &bytes));
    cursor = over(
        "\xa3"
        "abc",
        4);
    cr_assert(cursor_text(&cursor, room, sizeof room));
    cr_assert_str_eq(room, "abc");
    cursor = over(
        "\xa4"
        "abcd",
        5);
    cr_assert_not(cursor_text(&cursor, room, sizeof room));
    cursor = over(
        "\xa3"
        "a\0c",
        4);
    cr_assert_not(cursor_text(&cursor, room, sizeof room));
    cursor = over("\xc5\x00\x03xyz", 6);
    cr_assert(cursor_octets(&cursor, octets, 3));
    cr_assert_arr_eq(octets, "xyz", 3);
    cursor = over("\xc4\x02xy", 4);
    cr_assert_not(cursor_octets(&cursor, octets, 3));
    cursor = over("\xc6\xff\xff\xff\xff", 5);
    cr_assert_not(cursor_bin(&cursor, UINT32_MAX, &data, &bytes));
}

Test(cursor, counts_that_the_input_cannot_hold_fail_before_anybody_allocates) {
    uint32_t count = 77;
    struct cursor cursor = over("\xdd\xff\xff\xff\xff\x00", 6);
    cr_assert_not(cursor_array(&cursor, UINT32_MAX, &count));
    cursor = over("\xdf\xff\xff\xff\xff\x00", 6);
    cr_assert_not(cursor_map(&cursor, UINT32_MAX, &count));
    cursor = over("\x82\x01\x02\x03", 4);
    cr_assert_not(cursor_map(&cursor, 9, &count)); /* two pairs take four bytes */
    cursor = over("\x93\x01\x02\x03", 4);
    cr_assert_not(cursor_array(&cursor, 2, &count));
    cr_assert_eq(count, 77);
}

Test(cursor, a_pid_is_three_numbers_that_fit) {
    tr_pid pid;
    struct cursor cursor = over("\x93\x01\x02\x03", 4);
    cr_assert(cursor_pid(&cursor, &pid));
    cr_assert(pid.space == 1 && pid.slot == 2 && pid.generation == 3);
    cursor = over("\x94\x01\x02\x03\x04", 5);
    cr_assert_not(cursor_pid(&cursor, &pid));
    cursor = over("\x93\x01\xcf\0\0\0\1\0\0\0\0\x03", 12);
    cr_assert_not(cursor_pid(&cursor, &pid), "a slot over 32 bits");
}

/* One value of any kind, at most three deep. */
static void pack_any(msgpack_packer *packer, random_state *random, unsigned depth) {
    uint32_t count = (uint32_t)random_below(random, 4);
    switch (random_below(random, depth == 0 ? 7 : 9)) {
        case 0:
            msgpack_pack_nil(packer);
            break;
        case 1:
            msgpack_pack_true(packer);
            break;
        case 2:
            msgpack_pack_int64(packer, (int64_t)(random_u64(random) >> random_below(random, 64)));
            break;
        case 3:
            msgpack_pack_double(packer, 1.5);
            break;
        case 4:
            msgpack_pack_str_with_body(packer, "some text of some length, more than 31 bytes",
                                       5 + 10 * count);
            break;
        case 5:
            msgpack_pack_bin_with_body(packer, "bytes and bytes and bytes and", 7 * count);
            break;
        case 6:
            msgpack_pack_ext_with_body(packer, "extension 123456", (size_t)1 << count, 5);
            break;
        case 7:
            msgpack_pack_array(packer, count);
            for (uint32_t i = 0; i < count; i++) pack_any(packer, random, depth - 1);
            break;
        default:
            msgpack_pack_map(packer, count);
            for (uint32_t i = 0; i < 2 * count; i++) pack_any(packer, random, depth - 1);
    }
}

Test(cursor, skipping_takes_exactly_one_value_of_any_kind) {
    random_state random;
    random_seed(&random, 3);
    for (unsigned i = 0; i < 2000; i++) {
        msgpack_sbuffer out;
        msgpack_packer packer;
        msgpack_sbuffer_init(&out);
        msgpack_packer_init(&packer, &out, msgpack_sbuffer_write);
        pack_any(&packer, &random, 3);
        const uint8_t *data;
        size_t bytes;
        struct cursor cursor = over(out.data, out.size);
        cr_assert(cursor_raw(&cursor, 8, 1000, &data, &bytes));
        cr_assert(cursor_at_end(&cursor));
        cr_assert_eq(bytes, out.size);
        for (size_t cut = 0; cut < out.size; cut++) {
            uint8_t *exact = mem_dup(out.data, cut);
            cursor = cursor_over(exact, cut);
            cr_assert_not(cursor_skip(&cursor, 8, 1000), "cut at %zu of %zu", cut, out.size);
            mem_free(exact);
        }
        msgpack_sbuffer_destroy(&out);
    }
}

Test(cursor, skipping_keeps_to_depth_and_number) {
    struct cursor cursor = over("\x91\x91\x91\xc0", 4);
    cr_assert(cursor_skip(&cursor, 3, 3));
    cursor = over("\x91\x91\x91\xc0", 4);
    cr_assert_not(cursor_skip(&cursor, 2, 3));
    cursor = over("\x91\x91\x91\xc0", 4);
    cr_assert_not(cursor_skip(&cursor, 3, 2));
    uint8_t deep[10000];
    memset(deep, 0x91, sizeof deep);
    cursor = cursor_over(deep, sizeof deep);
    cr_assert_not(cursor_skip(&cursor, UINT32_MAX, UINT32_MAX));
    cursor = over("\xdd\xff\xff\xff\xff\xc0", 6);
    cr_assert_not(cursor_skip(&cursor, 8, UINT32_MAX));
    cursor = over("\xc1", 1);
    cr_assert_not(cursor_skip(&cursor, 8, 8));
}
