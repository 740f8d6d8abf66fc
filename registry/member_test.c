#include "registry/member.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(member, .timeout = 30);

Test(member, states_have_the_names_that_people_read) {
    static const char *const names[] = {"unknown", "joining", "up", "suspect", "down", "left"};
    for (int state = MEMBER_UNKNOWN; state <= MEMBER_LEFT; state++) {
        cr_assert_str_eq(member_state_name((enum member_state)state), names[state]);
    }
    cr_assert_str_eq(member_state_name((enum member_state)99), "unknown");
}

Test(member, age_is_admission_then_incarnation_then_name) {
    struct member a = {.name = "a", .admission = 1, .incarnation = 5};
    struct member b = {.name = "b", .admission = 2, .incarnation = 1};
    cr_assert(member_compare_age(&a, &b) < 0 && member_compare_age(&b, &a) > 0);
    b.admission = 1;
    cr_assert(member_compare_age(&a, &b) > 0);
    b.incarnation = 5;
    cr_assert(member_compare_age(&a, &b) < 0 && member_compare_age(&a, &a) == 0);
}

Test(member, names_are_1_to_63_letters_digits_dashes_and_underscores) {
    char longest[65];
    memset(longest, 'x', 64);
    longest[64] = '\0';
    cr_assert(!member_name_valid(longest));
    longest[63] = '\0';
    cr_assert(member_name_valid(longest) && member_name_valid("n-1_B"));
    cr_assert(!member_name_valid("") && !member_name_valid("a b") && !member_name_valid("a/b"));
    cr_assert(!member_name_valid("\xc3\xbc"));
}
