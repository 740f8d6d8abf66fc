#include "node/base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/buffer.h"
#include "node/base/file.h"
#include "node/base/utf8.h"

TestSuite(log, .timeout = 30);

static uint64_t fixed_wall_ns(void *context) {
    (void)context;
    return UINT64_C(1767225600123000000);
}

static void collect(void *context, const char *line, size_t bytes) {
    buffer_append(context, line, bytes);
}

static struct logger *open_logger(struct buffer *lines, const char *node, enum log_format format) {
    struct logger *logger = NULL;
    log_options options = {.node = node,
                           .format = format,
                           .sink = collect,
                           .sink_context = lines,
                           .wall_ns = fixed_wall_ns};
    cr_assert_eq(log_open(&options, &logger, NULL), TR_OK);
    return logger;
}

/* Writes one message in this format and expects this line. */
static void expect_line(enum log_format format, const log_context *context, const char *message,
                        const char *expected) {
    struct buffer lines = {0};
    struct logger *logger = open_logger(&lines, "n1", format);
    log_write(logger, TR_WARN, context, "%s", message);
    cr_assert_str_eq(buffer_text(&lines), expected);
    log_close(logger);
    buffer_fini(&lines);
}

Test(log, logfmt_names_time_level_node_and_context) {
    log_context context = {.actor = "n1/17.3", .trace = "4bf92f35", .component = "link"};
    expect_line(LOG_LOGFMT, &context, "hello world",
                "time=2026-01-01T00:00:00.123Z level=warn node=n1 component=link actor=n1/17.3 "
                "trace=4bf92f35 msg=\"hello world\"\n");
    expect_line(LOG_LOGFMT, NULL, "hello",
                "time=2026-01-01T00:00:00.123Z level=warn node=n1 msg=\"hello\"\n");
}

Test(log, json_has_the_same_fields) {
    log_context context = {.actor = "n1/17.3", .trace = "4bf92f35", .component = "link"};
    expect_line(LOG_JSON, &context, "hello world",
                "{\"time\":\"2026-01-01T00:00:00.123Z\",\"level\":\"warn\",\"node\":\"n1\","
                "\"component\":\"link\",\"actor\":\"n1/17.3\",\"trace\":\"4bf92f35\","
                "\"msg\":\"hello world\"}\n");
}

/* An actor's text must not be able to forge a line or to command a terminal. */
Test(log, outside_text_stays_one_line_and_valid) {
    expect_line(LOG_JSON, NULL, "a\"b\\c\nd\re\tf\x01g\x7fh",
                "{\"time\":\"2026-01-01T00:00:00.123Z\",\"level\":\"warn\",\"node\":\"n1\","
                "\"msg\":\"a\\\"b\\\\c\\nd\\re\\tf\\u0001g\\u007fh\"}\n");
    expect_line(LOG_LOGFMT, NULL, "x\xff\xc3\xbcy\xe2\x82z\xc2\x9bm",
                "time=2026-01-01T00:00:00.123Z level=warn node=n1 "
                "msg=\"x\xef\xbf\xbd\xc3\xbcy\xef\xbf\xbd\xef\xbf\xbdz\\u009bm\"\n");
}

Test(log, context_values_are_quoted_when_they_must) {
    log_context context = {.actor = "a b", .trace = "", .component = "x=\"y\""};
    expect_line(LOG_LOGFMT, &context, "m",
                "time=2026-01-01T00:00:00.123Z level=warn node=n1 component=\"x=\\\"y\\\"\" "
                "actor=\"a b\" trace=\"\" msg=\"m\"\n");
}

Test(log, a_line_has_its_limit_and_says_what_was_cut) {
    struct buffer lines = {0};
    static char message[100000];
    memset(message, '\x01', sizeof message - 1);
    log_context context = {.actor = message, .trace = message, .component = message};
    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        struct logger *logger = open_logger(&lines, message, (enum log_format)format);
        log_write(logger, TR_WARN, &context, "%s", message);
        cr_assert_leq(lines.bytes, (size_t)LOG_LINE_BYTES_MAX);
        cr_assert_gt(lines.bytes, (size_t)LOG_LINE_BYTES_MAX - 100);
        cr_assert_eq(lines.data[lines.bytes - 1], '\n');
        cr_assert_not_null(strstr(buffer_text(&lines), " bytes cut]\""));
        buffer_clear(&lines);
        log_close(logger);
    }
    buffer_fini(&lines);
}

Test(log, a_cut_does_not_split_a_character_and_counts_right) {
    struct buffer lines = {0};
    char message[8001];
    for (size_t i = 0; i < 8000; i += 2) memcpy(message + i, "\xc3\xbc", 3);
    struct logger *logger = open_logger(&lines, "n1", LOG_LOGFMT);
    log_write(logger, TR_WARN, NULL, "%s", message);
    cr_assert(utf8_valid((const char *)lines.data, lines.bytes));
    const char *text = buffer_text(&lines);
    const char *begin = strstr(text, "msg=\"") + 5;
    const char *note = strstr(begin, " [");
    cr_assert_eq((size_t)(note - begin) + strtoul(note + 2, NULL, 10), 8000u);
    log_close(logger);
    buffer_fini(&lines);
}

Test(log, lines_below_the_level_are_left_out) {
    struct buffer lines = {0};
    struct logger *logger = open_logger(&lines, "n1", LOG_LOGFMT);
    log_set_level(logger, TR_WARN);
    cr_assert_not(log_enabled(logger, TR_INFO));
    cr_assert(log_enabled(logger, TR_WARN));
    log_write(logger, TR_INFO, NULL, "no");
    cr_assert_eq(lines.bytes, 0u);
    log_write(logger, TR_ERROR, NULL, "yes");
    cr_assert_gt(lines.bytes, 0u);
    log_close(logger);
    buffer_fini(&lines);
}

Test(log, no_logger_is_no_log) {
    cr_assert_not(log_enabled(NULL, TR_ERROR));
    log_write(NULL, TR_ERROR, NULL, "nobody listens");
    log_close(NULL);
}

/* Callers log between a failed call and looking at its errno. */
Test(log, writing_does_not_change_errno) {
    int full = open("/dev/full", O_WRONLY);
    struct logger *logger;
    log_options options = {.fd = full};
    cr_assert_eq(log_open(&options, &logger, NULL), TR_OK);
    errno = ENOENT;
    log_write(logger, TR_WARN, NULL, "%s", "x");
    cr_assert_eq(errno, ENOENT);
    log_close(logger);
    close(full);
}

Test(log, level_names_are_parsed_back) {
    for (int level = TR_DEBUG; level <= TR_ERROR; level++) {
        tr_log_level parsed = TR_DEBUG;
        cr_assert(log_level_parse(log_level_name((tr_log_level)level), &parsed));
        cr_assert_eq((int)parsed, level);
    }
    tr_log_level untouched = TR_WARN;
    cr_assert_not(log_level_parse("loud", &untouched));
    cr_assert_eq(untouched, TR_WARN);
}

enum { THREADS = 4, LINES = 500 };

struct writer {
    struct logger *logger;
    char letter;
};

static void *write_lines(void *context) {
    const struct writer *writer = context;
    char text[301];
    memset(text, writer->letter, 300);
    text[300] = '\0';
    for (unsigned i = 0; i < LINES; i++) log_write(writer->logger, TR_INFO, NULL, "%s", text);
    return NULL;
}

/* Every line is whole: its message is one letter, 300 times. */
static void check_lines(struct buffer *content) {
    size_t count = 0;
    for (char *line = (char *)buffer_text(content); *line != '\0'; count++) {
        char *end = strchr(line, '\n');
        cr_assert_not_null(end);
        *end = '\0';
        const char *message = strstr(line, "msg=\"") + 5;
        cr_assert_eq(strncmp(line, "time=", 5), 0);
        for (unsigned i = 0; i < 300; i++) cr_assert_eq(message[i], message[0]);
        cr_assert_str_eq(message + 300, "\"");
        line = end + 1;
    }
    cr_assert_eq(count, (size_t)THREADS * LINES);
}

Test(log, lines_of_several_threads_never_mix_in_a_file) {
    char path[] = "/tmp/troupe-log-test-XXXXXX";
    close(mkstemp(path));
    struct logger *logger;
    log_options options = {.path = path};
    cr_assert_eq(log_open(&options, &logger, NULL), TR_OK);
    pthread_t threads[THREADS];
    struct writer writers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){logger, (char)('a' + (int)i)};
        cr_assert_eq(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    cr_assert_eq(log_lost(logger), 0u);
    log_close(logger);

    struct buffer content = {0};
    cr_assert_eq(file_read(path, 10000000, &content, NULL), TR_OK);
    check_lines(&content);
    buffer_fini(&content);
    unlink(path);
}

Test(log, a_file_is_appended_to) {
    char path[] = "/tmp/troupe-log-test-XXXXXX";
    close(mkstemp(path));
    for (int i = 0; i < 2; i++) {
        struct logger *logger;
        log_options options = {.path = path, .wall_ns = fixed_wall_ns};
        cr_assert_eq(log_open(&options, &logger, NULL), TR_OK);
        log_write(logger, TR_INFO, NULL, "%d", i);
        log_close(logger);
    }
    struct buffer content = {0};
    cr_assert_eq(file_read(path, 10000, &content, NULL), TR_OK);
    cr_assert_str_eq(buffer_text(&content),
                     "time=2026-01-01T00:00:00.123Z level=info msg=\"0\"\n"
                     "time=2026-01-01T00:00:00.123Z level=info msg=\"1\"\n");
    buffer_fini(&content);
    unlink(path);
}

Test(log, a_file_that_cannot_be_opened_is_named) {
    struct logger *logger = NULL;
    tr_error error = {0};
    log_options options = {.path = "/nowhere/at/all.log"};
    cr_assert_eq(log_open(&options, &logger, &error), TR_EIO);
    cr_assert_null(logger);
    cr_assert_not_null(strstr(error.message, "/nowhere/at/all.log"));
}

Test(log, lines_that_cannot_be_written_are_counted) {
    int full = open("/dev/full", O_WRONLY);
    struct logger *logger;
    log_options options = {.fd = full};
    cr_assert_eq(log_open(&options, &logger, NULL), TR_OK);
    log_write(logger, TR_INFO, NULL, "lost");
    log_write(logger, TR_INFO, NULL, "lost");
    cr_assert_eq(log_lost(logger), 2u);
    log_close(logger);
    close(full);
}
