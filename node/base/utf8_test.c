#include "node/base/utf8.h"

#include <criterion/criterion.h>

TestSuite(utf8, .timeout = 30);

static void expect_code(const char *text, uint32_t expected) {
    uint32_t code = 0;
    cr_assert_eq(utf8_decode(text, strlen(text), &code), strlen(text));
    cr_assert_eq(code, expected);
}

Test(utf8, characters_of_each_length_are_decoded) {
    expect_code("a", 'a');
    expect_code("\xc2\x80", 0x80);
    expect_code("\xdf\xbf", 0x7ff);
    expect_code("\xe0\xa0\x80", 0x800);
    expect_code("\xe2\x82\xac", 0x20ac);
    expect_code("\xef\xbf\xbf", 0xffff);
    expect_code("\xf0\x90\x80\x80", 0x10000);
    expect_code("\xf4\x8f\xbf\xbf", 0x10ffff);
}

Test(utf8, what_is_malformed_is_refused) {
    static const char *const bad[] = {
        "\x80",             /* a continuation alone */
        "\xc0\xaf",         /* overlong */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* past U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff",
        "\xe2\x82",  /* cut off */
        "\xe2\x82z", /* interrupted */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(utf8_decode(bad[i], strlen(bad[i]), NULL), 0u, "number %zu was taken", i);
        cr_assert_not(utf8_valid(bad[i], strlen(bad[i])));
    }
    cr_assert_eq(utf8_decode("", 0, NULL), 0u);
}

Test(utf8, valid_looks_at_all_bytes) {
    cr_assert(utf8_valid("", 0));
    cr_assert(utf8_valid("a\0b", 3));
    cr_assert(utf8_valid("gr\xc3\xbc\xc3\x9f", 6));
    cr_assert_not(utf8_valid("gr\xc3\xbc\xc3\x9f", 5));
}

Test(utf8, cut_never_ends_inside_a_character) {
    const char *text = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80";
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    for (size_t bytes = 0; bytes <= 10; bytes++) {
        cr_assert_eq(utf8_cut(text, bytes), expected[bytes], "at %zu", bytes);
    }
    cr_assert_eq(utf8_cut("\x80\x80\x80\x80\x80\x80", 6), 6u, "malformed text is cut as it is");
}
