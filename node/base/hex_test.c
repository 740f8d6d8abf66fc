#include "node/base/hex.h"

#include <criterion/criterion.h>

TestSuite(hex, .timeout = 30);

Test(hex, every_byte_comes_back) {
    uint8_t bytes[256];
    uint8_t back[256];
    char text[2 * 256 + 1];
    for (unsigned i = 0; i < 256; i++) bytes[i] = (uint8_t)i;
    hex_encode(bytes, sizeof bytes, text);
    cr_assert_eq(strncmp(text, "000102", 6), 0);
    cr_assert_str_eq(text + 2 * 253, "fdfeff");
    cr_assert(hex_decode(text, back, sizeof back));
    cr_assert_arr_eq(back, bytes, sizeof bytes);
}

Test(hex, both_cases_are_read) {
    uint8_t out[2];
    cr_assert(hex_decode("aBcD", out, 2));
    cr_assert_eq(out[0], 0xab);
    cr_assert_eq(out[1], 0xcd);
}

Test(hex, another_length_or_character_is_refused_and_nothing_written) {
    static const char *const bad[] = {"", "abc", "abcde", "abcg", "ab d", "-1ab", "abcd0", "0x12"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t out[2] = {7, 7};
        cr_assert_not(hex_decode(bad[i], out, 2), "'%s' was taken", bad[i]);
        cr_assert_eq(out[0], 7);
        cr_assert_eq(out[1], 7);
    }
}
