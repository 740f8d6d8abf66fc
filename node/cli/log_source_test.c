/*
 * log_source_test.c - reading a node's log file, once and again.
 */
#include "node/cli/log_source.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(log_source, .timeout = 10);

static char path[64];
static struct failure failure;
static json_t *lines; /* of the last read */
static uint64_t last_time_ms;

static void keep(void *context, const json_t *line, uint64_t time_ms) {
    (void)context;
    json_array_append_new(lines, json_deep_copy(line));
    last_time_ms = time_ms;
}

static void append(const char *text) {
    FILE *out = fopen(path, "a");
    cr_assert_not_null(out);
    fputs(text, out);
    fclose(out);
}

static void begin(void) {
    strcpy(path, "/tmp/troupe_log_XXXXXX");
    close(mkstemp(path));
}

static size_t read_again(struct log_source *source) {
    json_decref(lines);
    lines = json_array();
    cr_assert_eq(log_source_read(source, keep, NULL, &failure), TR_OK, "%s", failure.error.message);
    return json_array_size(lines);
}

static const char *member(size_t index, const char *key) {
    const char *text = json_string_value(json_object_get(json_array_get(lines, index), key));
    return text == NULL ? "" : text;
}

Test(log_source, lines_become_objects_and_only_whole_lines_are_read) {
    begin();
    append("{\"time\":\"2026-01-31T23:59:59.123Z\",\"msg\":\"one\"}\n{\"msg\":\"tw");
    struct log_source *source = log_source_file("n1", path, NULL, 0);
    cr_assert_eq(read_again(source), 1);
    cr_assert_str_eq(member(0, "msg"), "one");
    cr_assert_str_eq(member(0, "node"), "n1");
    cr_assert_eq(last_time_ms, 1769903999123u);
    append("o\"}\nno json at all\n");
    cr_assert_eq(read_again(source), 2);
    cr_assert_str_eq(member(0, "msg"), "two");
    cr_assert_str_eq(member(1, "line"), "no json at all");
    cr_assert_eq(read_again(source), 0);
    log_source_free(source);
    unlink(path);
}

Test(log_source, only_lines_with_the_trace_are_given) {
    begin();
    append("{\"trace\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"msg\":\"a\"}\n{\"msg\":\"b\"}\n");
    struct log_source *source = log_source_file("n1", path, "4BF92F3577B34DA6A3CE929D0E0E4736", 0);
    cr_assert_eq(read_again(source), 1);
    cr_assert_str_eq(member(0, "msg"), "a");
    log_source_free(source);
    unlink(path);
}

Test(log_source, a_tail_begins_at_a_whole_line) {
    begin();
    for (int i = 0; i < 100; i++) {
        char line[64];
        snprintf(line, sizeof line, "{\"msg\":\"%04d\"}\n", i);
        append(line);
    }
    struct log_source *source = log_source_file("n1", path, NULL, 40);
    cr_assert_eq(read_again(source), 2);
    cr_assert_str_eq(member(0, "msg"), "0098");
    cr_assert_str_eq(member(1, "msg"), "0099");
    log_source_free(source);
    unlink(path);
}

Test(log_source, a_file_that_was_replaced_is_read_from_its_beginning) {
    begin();
    append("{\"msg\":\"a long line of the old file\"}\n");
    struct log_source *source = log_source_file("n1", path, NULL, 0);
    cr_assert_eq(read_again(source), 1);
    cr_assert_eq(truncate(path, 0), 0);
    append("{\"msg\":\"new\"}\n");
    cr_assert_eq(read_again(source), 1);
    cr_assert_str_eq(member(0, "msg"), "new");
    log_source_free(source);
    unlink(path);
}

Test(log_source, hostile_bytes_are_survived) {
    begin();
    append("\xff\xfe\x01\n\n{\"msg\":\"after\"}\n");
    struct log_source *source = log_source_file("n1", path, NULL, 0);
    cr_assert_eq(read_again(source), 2);
    cr_assert_str_eq(member(1, "msg"), "after");
    log_source_free(source);
    unlink(path);
    source = log_source_file("n1", "/nonexistent/log", NULL, 0);
    cr_assert_eq(read_again(source), 0);
    log_source_free(source);
}

Test(log_source, times_are_read_strictly_enough) {
    cr_assert_eq(log_source_time("1970-01-01T00:00:01.002Z"), 1002);
    cr_assert_eq(log_source_time("yesterday"), 0);
    cr_assert_eq(log_source_time(""), 0);
    cr_assert_eq(log_source_time("1960-01-01T00:00:01.002Z"), 0);
}
