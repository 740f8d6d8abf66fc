#include <criterion/criterion.h>
#include <troupe.h>

TestSuite(status, .timeout = 30);

Test(status, ok_is_zero) {
    cr_assert_eq((int)TR_OK, 0);
    cr_assert_str_eq(tr_status_name(TR_OK), "TR_OK");
}

Test(status, every_code_has_its_own_name_and_a_text) {
    for (int code = 0; code < TR_STATUS_COUNT; code++) {
        const char *name = tr_status_name((tr_status)code);
        cr_assert_eq(strncmp(name, "TR_", 3), 0);
        cr_assert_str_neq(name, "TR_EUNKNOWN");
        cr_assert_gt(strlen(tr_status_text((tr_status)code)), 0u);
        for (int other = 0; other < code; other++) {
            cr_assert_str_neq(name, tr_status_name((tr_status)other));
        }
    }
}

/* A status read from a peer may be any number. */
Test(status, a_number_that_is_no_code_is_unknown) {
    cr_assert_str_eq(tr_status_name((tr_status)TR_STATUS_COUNT), "TR_EUNKNOWN");
    cr_assert_str_eq(tr_status_name((tr_status)-1), "TR_EUNKNOWN");
    cr_assert_str_eq(tr_status_text((tr_status)12345), "unknown status");
}
