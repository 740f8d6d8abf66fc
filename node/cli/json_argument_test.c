/*
 * json_argument_test.c - JSON given on the command line.
 */
#include "node/cli/json_argument.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/memory.h"

TestSuite(json_argument, .timeout = 10);

static struct failure failure;

static tr_status read_text(const char *text, json_t **object_out) {
    memset(&failure, 0, sizeof failure);
    return json_argument_read(text, "--state", object_out, &failure);
}

static void expect_cents(const char *text, json_int_t cents) {
    json_t *object = NULL;
    cr_assert_eq(read_text(text, &object), TR_OK, "%s", failure.error.message);
    cr_assert_eq(json_integer_value(json_object_get(object, "cents")), cents);
    json_decref(object);
}

static char *file_of(const char *text) {
    static char path[64];
    strcpy(path, "@/tmp/troupe_json_XXXXXX");
    int fd = mkstemp(path + 1);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

Test(json_argument, is_text_or_a_file_or_stdin) {
    expect_cents("{\"cents\": 5}", 5);
    char *path = file_of("{\"cents\": 6}\n");
    expect_cents(path, 6);
    cr_assert_not_null(freopen(path + 1, "r", stdin));
    expect_cents("-", 6);
    unlink(path + 1);
}

Test(json_argument, malformed_text_is_refused_with_its_place) {
    json_t *object = NULL;
    static const char *const bad[] = {"",    "{", "{\"a\": 1} x",      "{\"a\": 1, \"a\": 2}",
                                      "[1]", "5", "{\"a\": \"\xff\"}", "{'a': 1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(read_text(bad[i], &object), TR_EDATA, "%s", bad[i]);
        cr_expect_null(object);
        cr_expect_not_null(strstr(failure.error.message, "--state: "), "%s", failure.error.message);
    }
    read_text("{\"cents\": }", &object);
    cr_assert_not_null(strstr(failure.error.message, "line 1, column 11"), "%s",
                       failure.error.message);
}

Test(json_argument, a_file_that_is_not_there_is_named) {
    json_t *object = NULL;
    cr_assert_eq(read_text("@/nonexistent/x.json", &object), TR_ENOENT);
    cr_assert_not_null(strstr(failure.error.message, "/nonexistent/x.json"));
}

Test(json_argument, depth_and_size_have_limits) {
    json_t *object = NULL;
    size_t bytes = 100000;
    char *deep = mem_alloc(bytes + 1);
    memset(deep, '[', bytes);
    deep[bytes] = '\0';
    cr_assert_eq(read_text(deep, &object), TR_EDATA);
    mem_free(deep);
    char *path = file_of("");
    cr_assert_eq(truncate(path + 1, JSON_ARGUMENT_BYTES_MAX + 1), 0);
    cr_assert_neq(read_text(path, &object), TR_OK);
    cr_assert_not_null(freopen(path + 1, "r", stdin));
    cr_assert_eq(read_text("-", &object), TR_ETOOBIG);
    unlink(path + 1);
}
