/* routes_test.c - spaces, names and pids as people write them. */
#include "node/routes.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(routes, .timeout = 30);

static struct routes *three(void) {
    static const struct route all[] = {
        {.space = 11, .node = "n1", .ordinal = 0, .present = true, .up = true},
        {.space = 21, .node = "n2", .ordinal = 0, .present = false, .up = false},
        {.space = 22, .node = "n2", .ordinal = 1, .present = true, .up = true},
    };
    static const size_t up[] = {2, 0};
    return routes_new(all, 3, up, 2);
}

Test(routes, a_space_is_found_also_of_an_earlier_life_and_a_node_by_its_present_one) {
    struct routes *routes = three();
    cr_assert_str_eq(routes_of_space(routes, 21)->node, "n2");
    cr_assert_eq(routes_of_node(routes, "n2")->space, 22);
    cr_assert_null(routes_of_space(routes, 99));
    cr_assert_null(routes_of_node(routes, "n3"));
    cr_assert_str_eq(routes->up[0], "n2");
    cr_assert_str_eq(routes->up[1], "n1");
    routes_free(routes);
}

Test(routes, reading_a_pid_inverts_writing_it) {
    struct routes *routes = three();
    const struct {
        tr_pid pid;
        const char *text;
    } cases[] = {{{11, 17, 3}, "n1/17.3"},
                 {{22, 4294967295u, 1}, "n2:1/4294967295.1"},
                 {{21, 0, 1}, "n2/0.1"},
                 {{0xabc, 5, 6}, "?0000000000000abc/5.6"},
                 {{0, 0, 0}, "-"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[TR_PID_TEXT_MAX];
        tr_pid read = {1, 1, 1};
        cr_assert_str_eq(routes_pid_text(routes, cases[i].pid, text, sizeof text), cases[i].text);
        cr_assert(routes_pid_parse(routes, cases[i].text, &read), "%s", cases[i].text);
        cr_assert(tr_pid_equal(read, cases[i].pid), "%s", cases[i].text);
    }
    routes_free(routes);
}

Test(routes, what_is_no_pid_is_refused_and_leaves_the_result_untouched) {
    struct routes *routes = three();
    const char *const bad[] = {"",        "n1",        "n1/",       "n1/17",
                               "n1/17.",  "n1/.3",     "n1/-1.3",   "n1/17.3x",
                               "n3/17.3", "n1:7/17.3", "n1:/1.1",   "/1.1",
                               "n1/ 1.1", "n1/1. 1",   "n1/+1.1",   "n1/4294967296.1",
                               "?/1.1",   "?xyz/1.1",  "n1:+0/1.1", "n1/1.18446744073709551616",
                               "?+1/1.1", "--"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tr_pid read = {9, 9, 9};
        cr_assert_not(routes_pid_parse(routes, bad[i], &read), "\"%s\"", bad[i]);
        cr_assert_eq(read.slot, 9);
    }
    routes_free(routes);
}

Test(routes, a_text_that_does_not_fit_is_cut) {
    struct routes *routes = three();
    char text[5];
    cr_assert_str_eq(routes_pid_text(routes, (tr_pid){11, 17, 3}, text, sizeof text), "n1/1");
    routes_free(routes);
}
