/*
 * hello_test.c - who a node says it is, there and back, and what is refused.
 */
#include "transport/hello.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"

TestSuite(hello, .timeout = 30);

static struct hello sample(void) {
    struct hello hello = {.identity = {.cluster = "bank",
                                       .generation = 3,
                                       .endpoint = "tcp://127.0.0.1:7101",
                                       .control_endpoint = "tcp://127.0.0.1:7102",
                                       .space = UINT64_C(0x123456789abcdef0),
                                       .ordinal = 2,
                                       .message_bytes_max = 1 << 20,
                                       .window_messages = 65536,
                                       .window_bytes = 4 << 20},
                          .epoch = 65537,
                          .token = 4711,
                          .answer = 4712,
                          .bound = 4713};
    for (unsigned i = 0; i < IDENTITY_KEY_BYTES; i++) hello.identity.key[i] = (uint8_t)(200 + i);
    return hello;
}

static void encode(struct buffer *out, const struct hello *hello) {
    buffer_init(out);
    hello_encode(out, hello);
}

Test(hello, decoding_inverts_encoding) {
    struct hello hello = sample(), decoded;
    struct buffer out;
    encode(&out, &hello);
    memset(&decoded, 0xff, sizeof decoded);
    cr_assert_eq(hello_decode(out.data, out.bytes, &decoded), TR_OK);
    cr_assert_str_eq(decoded.identity.cluster, "bank");
    cr_assert_str_eq(decoded.identity.endpoint, hello.identity.endpoint);
    cr_assert_str_eq(decoded.identity.control_endpoint, hello.identity.control_endpoint);
    cr_assert_str_eq(decoded.identity.name, "");
    cr_assert_eq(decoded.identity.incarnation, 0);
    cr_assert_arr_eq(decoded.identity.key, hello.identity.key, IDENTITY_KEY_BYTES);
    cr_assert_eq(decoded.identity.generation, 3);
    cr_assert_eq(decoded.identity.space, hello.identity.space);
    cr_assert_eq(decoded.identity.ordinal, 2);
    cr_assert_eq(decoded.identity.message_bytes_max, 1 << 20);
    cr_assert_eq(decoded.identity.window_messages, 65536);
    cr_assert_eq(decoded.identity.window_bytes, 4 << 20);
    cr_assert_eq(decoded.epoch, 65537);
    cr_assert_eq(decoded.token, 4711);
    cr_assert_eq(decoded.answer, 4712);
    cr_assert_eq(decoded.bound, 4713);
    buffer_fini(&out);
}

Test(hello, cut_at_any_byte_it_is_refused) {
    struct hello hello = sample(), decoded = {.token = 1};
    struct buffer out;
    encode(&out, &hello);
    for (size_t bytes = 0; bytes < out.bytes; bytes++) {
        uint8_t *exact = mem_alloc(bytes);
        memcpy(exact, out.data, bytes);
        cr_assert_eq(hello_decode(exact, bytes, &decoded), TR_EDATA, "cut at %zu", bytes);
        cr_assert_eq(decoded.token, 1);
        mem_free(exact);
    }
    buffer_append_byte(&out, 0xc0);
    cr_assert_eq(hello_decode(out.data, out.bytes, &decoded), TR_EDATA, "bytes left over");
    buffer_fini(&out);
}

/* Whatever byte is changed: refused, or texts that are closed and numbers that fit. */
Test(hello, each_changed_byte_is_survived) {
    struct hello hello = sample(), decoded;
    struct buffer out;
    encode(&out, &hello);
    for (size_t at = 0; at < out.bytes; at++) {
        for (unsigned value = 0; value < 256; value += 3) {
            uint8_t before = out.data[at];
            out.data[at] = (uint8_t)value;
            if (hello_decode(out.data, out.bytes, &decoded) == TR_OK) {
                cr_assert_not_null(memchr(decoded.identity.cluster, 0, IDENTITY_NAME_ROOM));
                cr_assert_not_null(memchr(decoded.identity.endpoint, 0, IDENTITY_ENDPOINT_ROOM));
                cr_assert_neq(decoded.token, 0);
            }
            out.data[at] = before;
        }
    }
    buffer_fini(&out);
}

static tr_status decode_text(const char *bytes, size_t count, struct hello *decoded) {
    return hello_decode((const uint8_t *)bytes, count, decoded);
}

Test(hello, unknown_keys_are_skipped_and_missing_ones_are_zero) {
    struct hello decoded;
    cr_assert_eq(decode_text("\x82\xa5token\x05\xa6 later\x92\x01\xa1x", 19, &decoded), TR_OK);
    cr_assert_eq(decoded.token, 5);
    cr_assert_eq(decoded.bound, 0);
    cr_assert_str_eq(decoded.identity.cluster, "");
}

Test(hello, values_out_of_place_are_refused) {
    struct hello decoded;
    cr_assert_eq(decode_text("\x81\xa5token\x00", 8, &decoded), TR_EDATA, "no token");
    cr_assert_eq(decode_text("\x80", 1, &decoded), TR_EDATA, "nothing");
    cr_assert_eq(decode_text("\x81\xa5token\xa1x", 9, &decoded), TR_EDATA, "a text for a number");
    cr_assert_eq(decode_text("\x82\xa5token\x05\xa7"
                             "cluster\xa3"
                             "a\0b",
                             20, &decoded),
                 TR_EDATA, "a zero in a text");
    cr_assert_eq(decode_text("\x82\xa5token\x05\x01\x02", 10, &decoded), TR_EDATA,
                 "a key that is no text");
    cr_assert_eq(decode_text("\xdf\xff\xff\xff\xff\xa5token\x05", 12, &decoded), TR_EDATA,
                 "a map without end");
}
