#include "node/base/error.h"

#include <criterion/criterion.h>

#include "node/base/utf8.h"

TestSuite(error, .timeout = 30);

Test(error, set_fills_all_and_returns_the_status) {
    tr_error error = {0};
    cr_assert_eq(error_set(&error, TR_EIO, "try again", "cannot read %s: %d", "x", 5), TR_EIO);
    cr_assert_eq(error.status, TR_EIO);
    cr_assert_str_eq(error.message, "cannot read x: 5");
    cr_assert_str_eq(error.hint, "try again");
    error_hint(&error, "rm %s", "x");
    cr_assert_str_eq(error.hint, "rm x");
}

Test(error, set_without_a_hint_forgets_the_one_before) {
    tr_error error;
    error_set(&error, TR_EIO, "old", "first");
    error_set(&error, TR_EDATA, NULL, "second");
    cr_assert_str_eq(error.hint, "");
}

Test(error, nobody_may_listen) {
    cr_assert_eq(error_set(NULL, TR_EDATA, "hint", "message"), TR_EDATA);
    error_hint(NULL, "hint");
}

/* Messages quote outside text; half a character would make the whole JSON answer malformed. */
Test(error, a_long_message_is_cut_at_a_whole_character) {
    tr_error error;
    char text[2 * sizeof error.message];
    for (size_t i = 0; i + 2 < sizeof text; i += 2) memcpy(text + i, "\xc3\xbc", 3);
    error_set(&error, TR_EDATA, text, "%s", text);
    cr_assert_eq(strlen(error.message), sizeof error.message - 2);
    cr_assert(utf8_valid(error.message, strlen(error.message)));
    cr_assert(utf8_valid(error.hint, strlen(error.hint)));
}
