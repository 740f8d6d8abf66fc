#include "node/base/log_limiter.h"

#include <criterion/criterion.h>

#include "node/base/buffer.h"

TestSuite(log_limiter, .timeout = 30);

enum { SECOND = 1000000000 };

static void collect(void *context, const char *line, size_t bytes) {
    buffer_append(context, line, bytes);
}

static size_t count_of(struct buffer *lines, const char *text) {
    size_t count = 0;
    for (const char *at = buffer_text(lines); (at = strstr(at, text)) != NULL; at++) count++;
    return count;
}

Test(log_limiter, so_many_pass_in_each_interval) {
    log_limiter limiter;
    uint64_t suppressed;
    log_limiter_init(&limiter, 3, SECOND);
    for (uint64_t second = 5; second < 8; second++) {
        unsigned passed = 0;
        for (uint64_t i = 0; i < 10; i++) {
            passed += log_limiter_pass(&limiter, second * SECOND + i, &suppressed);
        }
        cr_assert_eq(passed, 3u);
    }
    log_limiter_fini(&limiter);
}

Test(log_limiter, what_was_held_back_is_reported_once) {
    log_limiter limiter;
    uint64_t suppressed;
    log_limiter_init(&limiter, 1, SECOND);
    cr_assert(log_limiter_pass(&limiter, 10, &suppressed));
    cr_assert_not(log_limiter_pass(&limiter, 20, &suppressed));
    cr_assert_not(log_limiter_pass(&limiter, SECOND - 1, &suppressed));
    cr_assert_eq(suppressed, 0u);
    cr_assert(log_limiter_pass(&limiter, SECOND, &suppressed));
    cr_assert_eq(suppressed, 2u);
    cr_assert(log_limiter_pass(&limiter, 2 * (uint64_t)SECOND, &suppressed));
    cr_assert_eq(suppressed, 0u);
    log_limiter_fini(&limiter);
}

Test(log_limiter, writing_says_how_many_more_there_were) {
    struct buffer lines = {0};
    struct logger *logger;
    log_limiter limiter;
    log_options options = {.sink = collect, .sink_context = &lines};
    cr_assert_eq(log_open(&options, &logger, NULL), TR_OK);
    log_limiter_init(&limiter, 2, SECOND);
    for (int i = 0; i < 7; i++) {
        log_write_limited(logger, &limiter, 100, TR_WARN, NULL, "dead letter %d", i);
    }
    cr_assert_eq(count_of(&lines, "\n"), 2u);
    log_write_limited(logger, &limiter, 2 * (uint64_t)SECOND, TR_WARN, NULL, "dead letter 8");
    cr_assert_eq(count_of(&lines, "\n"), 4u);
    cr_assert_eq(count_of(&lines, "msg=\"5 more suppressed\""), 1u);
    log_limiter_fini(&limiter);
    log_close(logger);
    buffer_fini(&lines);
}

/* Without the flush the last burst of a quiet node would never be told. */
Test(log_limiter, flush_tells_the_rest_when_the_interval_is_over) {
    struct buffer lines = {0};
    struct logger *logger;
    log_limiter limiter;
    log_options options = {.sink = collect, .sink_context = &lines};
    cr_assert_eq(log_open(&options, &logger, NULL), TR_OK);
    log_limiter_init(&limiter, 1, SECOND);
    for (int i = 0; i < 4; i++) log_write_limited(logger, &limiter, 100, TR_WARN, NULL, "burst");
    log_limiter_flush(logger, &limiter, 200, TR_WARN, NULL);
    cr_assert_eq(count_of(&lines, "suppressed"), 0u);
    log_limiter_flush(logger, &limiter, UINT64_MAX, TR_WARN, NULL);
    log_limiter_flush(logger, &limiter, UINT64_MAX, TR_WARN, NULL);
    cr_assert_eq(count_of(&lines, "3 more suppressed"), 1u);
    log_limiter_fini(&limiter);
    log_close(logger);
    buffer_fini(&lines);
}
