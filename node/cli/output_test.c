/*
 * output_test.c - what stands on stdout: one envelope, or a table of the same data.
 */
#include "node/cli/output.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(output, .timeout = 10);

static const struct output_column columns[] = {
    {"NAME", "name", OUTPUT_VALUE},        {"PID", "pid", OUTPUT_VALUE},
    {"SIZE", "inner.bytes", OUTPUT_BYTES}, {"UPTIME", "uptime_ms", OUTPUT_DURATION},
    {"BODY", "body", OUTPUT_COMPACT},      {0}};

static char printed[4096];
static int kept_stdout = -1;

/* Also silences stderr, where failures are told to people. */
static void catch_stdout(void) {
    FILE *file = tmpfile();
    cr_assert_not_null(freopen("/dev/null", "w", stderr));
    fflush(stdout);
    kept_stdout = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    fclose(file);
}

static const char *caught(void) {
    fflush(stdout);
    lseek(STDOUT_FILENO, 0, SEEK_SET);
    ssize_t bytes = read(STDOUT_FILENO, printed, sizeof printed - 1);
    printed[bytes < 0 ? 0 : bytes] = '\0';
    dup2(kept_stdout, STDOUT_FILENO);
    close(kept_stdout);
    return printed;
}

static json_t *two_rows(void) {
    return json_pack("[{s:s, s:n, s:{s:i}}, {s:s, s:i, s:i, s:{s:i}}]", "name", "n1", "pid",
                     "inner", "bytes", 1536, "name", "n2", "pid", 77, "uptime_ms", 61000, "body",
                     "cents", 5);
}

Test(output, data_is_one_envelope_with_schema_kind_and_data) {
    struct output output = {.json = true};
    json_t *rows = two_rows();
    catch_stdout();
    output_data(&output, "NodeList", rows, rows, columns);
    json_t *envelope = json_loads(caught(), 0, NULL);
    cr_assert_not_null(envelope, "%s", printed);
    cr_assert_str_eq(json_string_value(json_object_get(envelope, "schema")), "troupe/1");
    cr_assert_str_eq(json_string_value(json_object_get(envelope, "kind")), "NodeList");
    cr_assert(json_equal(json_object_get(envelope, "data"), rows));
    cr_assert_eq(strchr(printed, '\n'), printed + strlen(printed) - 1, "one line");
    json_decref(envelope);
    json_decref(rows);
}

Test(output, a_table_shows_the_same_data_and_numbers_stand_right_below_a_null) {
    struct output output = {.headers = true};
    json_t *rows = two_rows();
    catch_stdout();
    output_data(&output, "NodeList", rows, rows, columns);
    cr_assert_str_eq(caught(),
                     "NAME  PID     SIZE  UPTIME  BODY\n"
                     "n1      -  1.5 KiB       -  -\n"
                     "n2     77        -   1m01s  {\"cents\":5}\n");
    json_decref(rows);
}

Test(output, a_failure_is_an_envelope_with_an_error) {
    struct output output = {.json = true};
    struct failure failure = {0};
    failure_step(&failure, true, "cluster folder");
    failure_step(&failure, false, "TCP 127.0.0.1:1");
    failure_set(&failure, TR_EUNREACHABLE, "start the node", "nothing \"listens\" there");
    catch_stdout();
    output_failure(&output, &failure);
    json_t *envelope = json_loads(caught(), 0, NULL), *error = json_object_get(envelope, "error");
    cr_assert_str_eq(json_string_value(json_object_get(envelope, "schema")), "troupe/1");
    cr_assert_str_eq(json_string_value(json_object_get(error, "code")), "TR_EUNREACHABLE");
    cr_assert_str_eq(json_string_value(json_object_get(error, "message")),
                     "nothing \"listens\" there");
    cr_assert_str_eq(json_string_value(json_object_get(error, "hint")), "start the node");
    cr_assert_eq(json_array_size(json_object_get(error, "steps")), 2);
    json_decref(envelope);
}

Test(output, a_failure_in_foreign_bytes_is_still_json) {
    struct output output = {.json = true};
    struct failure failure = {0};
    failure_set(&failure, TR_EDATA, NULL, "bad \xff byte");
    catch_stdout();
    output_failure(&output, &failure);
    json_t *envelope = json_loads(caught(), 0, NULL);
    cr_assert_str_eq(json_string_value(json_object_get(json_object_get(envelope, "error"), "code")),
                     "TR_EDATA");
    json_decref(envelope);
}

Test(output, counts_have_commas_between_thousands) {
    char text[OUTPUT_COUNT_BYTES];
    cr_assert_str_eq(output_count(0, text), "0");
    cr_assert_str_eq(output_count(999, text), "999");
    cr_assert_str_eq(output_count(812000, text), "812,000");
    cr_assert_str_eq(output_count(1000000, text), "1,000,000");
    cr_assert_str_eq(output_count(UINT64_MAX, text), "18,446,744,073,709,551,615");
}
