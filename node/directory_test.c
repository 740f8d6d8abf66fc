/* directory_test.c - a name as each colour may see it (I6). */
#include "node/directory.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(directory, .timeout = 30);

static struct reclaim *domain;
static struct reclaim_reader reader;
static struct directory *directory;

static void open_directory(void) {
    domain = reclaim_new();
    reclaim_join(domain, &reader);
    reclaim_online(&reader);
    directory = directory_new();
}

static void close_directory(void) {
    reclaim_offline(&reader);
    reclaim_leave(&reader);
    reclaim_free(domain);
    directory_free(directory);
}

static void put(const char *name, uint32_t slot, uint64_t colour) {
    tr_pid pid = slot == 0 ? (tr_pid){0, 0, 0} : (tr_pid){1, slot, 1};
    directory_put(directory, &reader, name, pid, colour);
}

/* The slot found, or 0. */
static uint32_t look(const char *name, uint64_t colour) {
    tr_pid pid = {0, 0, 0};
    return directory_find(directory, name, colour, &pid) ? pid.slot : 0;
}

Test(directory, a_reader_sees_what_is_not_newer_than_itself) {
    open_directory();
    put("a", 1, 0);
    put("a", 2, 5);
    cr_assert_eq(look("a", 5), 2);
    cr_assert_eq(look("a", 4), 1, "decided after its cut");
    put("b", 3, 5);
    cr_assert_eq(look("b", 4), 0);
    cr_assert_eq(look("b", 5), 3);
    close_directory();
}

Test(directory, what_is_decided_anew_in_one_colour_leaves_the_older_value) {
    open_directory();
    put("a", 1, 0);
    put("a", 2, 5);
    put("a", 0, 5);
    put("a", 3, 5);
    cr_assert_eq(look("a", 5), 3);
    cr_assert_eq(look("a", 4), 1);
    close_directory();
}

Test(directory, a_name_that_is_given_up_resolves_to_nobody) {
    open_directory();
    put("a", 1, 0);
    put("a", 0, 0);
    cr_assert_eq(look("a", 0), 0);
    cr_assert_eq(look("never", 0), 0);
    close_directory();
}

Test(directory, many_names_are_all_found_and_those_given_up_make_room) {
    open_directory();
    char name[32];
    for (uint32_t i = 1; i <= 3000; i++) {
        snprintf(name, sizeof name, "name-%u", i);
        put(name, i, 0);
        if (i % 3 == 0) put(name, 0, 0);
        reclaim_quiesce(&reader);
    }
    for (uint32_t i = 1; i <= 3000; i++) {
        snprintf(name, sizeof name, "name-%u", i);
        cr_assert_eq(look(name, 0), i % 3 == 0 ? 0 : i);
    }
    close_directory();
}
