#include "node/base/buffer.h"

#include <criterion/criterion.h>
#include <signal.h>

#include "node/base/memory.h"

TestSuite(buffer, .timeout = 30);

Test(buffer, a_zeroed_one_is_empty_and_usable) {
    struct buffer buffer = {0};
    cr_assert_str_eq(buffer_text(&buffer), "");
    cr_assert_eq(buffer.bytes, 0u);
    buffer_append_text(&buffer, "abc");
    cr_assert_eq(buffer.bytes, 3u);
    cr_assert_str_eq(buffer_text(&buffer), "abc");
    buffer_fini(&buffer);
    cr_assert_null(buffer.data);
    buffer_fini(&buffer);
}

Test(buffer, content_survives_growth) {
    struct buffer buffer;
    buffer_init(&buffer);
    for (unsigned i = 0; i < 100000; i++) buffer_append_byte(&buffer, (uint8_t)(i % 251));
    cr_assert_eq(buffer.bytes, 100000u);
    for (unsigned i = 0; i < 100000; i++) cr_assert_eq(buffer.data[i], i % 251);
    buffer_fini(&buffer);
}

Test(buffer, reserve_gives_the_place_behind_the_content) {
    struct buffer buffer = {0};
    buffer_append(&buffer, "ab", 2);
    uint8_t *place = buffer_reserve(&buffer, 1000);
    memset(place, 'c', 1000);
    cr_assert_eq(buffer.bytes, 2u);
    buffer.bytes += 1000;
    cr_assert_eq(buffer.data[2], 'c');
    cr_assert_eq(buffer.data[1001], 'c');
    buffer_fini(&buffer);
}

Test(buffer, nothing_may_be_appended_from_nowhere) {
    struct buffer buffer = {0};
    buffer_append(&buffer, NULL, 0);
    cr_assert_eq(buffer.bytes, 0u);
    buffer_fini(&buffer);
}

Test(buffer, format_appends_without_the_closing_zero) {
    struct buffer buffer = {0};
    for (int i = 0; i < 50; i++) buffer_append_format(&buffer, "%03d,", i);
    cr_assert_eq(buffer.bytes, 200u);
    cr_assert_eq(memcmp(buffer.data + 196, "049,", 4), 0);
    buffer_fini(&buffer);
}

Test(buffer, consume_drops_from_the_front) {
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "abcdef");
    buffer_consume(&buffer, 2);
    cr_assert_str_eq(buffer_text(&buffer), "cdef");
    buffer_consume(&buffer, 100);
    cr_assert_eq(buffer.bytes, 0u);
    buffer_fini(&buffer);
}

Test(buffer, clear_keeps_the_memory) {
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "abcdef");
    size_t capacity = buffer.capacity;
    buffer_clear(&buffer);
    cr_assert_eq(buffer.bytes, 0u);
    cr_assert_eq(buffer.capacity, capacity);
    buffer_fini(&buffer);
}

Test(buffer, take_hands_the_bytes_over) {
    struct buffer buffer = {0};
    size_t bytes = 0;
    cr_assert_eq(buffer_write(&buffer, "xyz", 3), 0);
    uint8_t *taken = buffer_take(&buffer, &bytes);
    cr_assert_eq(bytes, 3u);
    cr_assert_eq(memcmp(taken, "xyz", 3), 0);
    cr_assert_null(buffer.data);
    mem_free(taken);

    taken = buffer_take(&buffer, &bytes);
    cr_assert_not_null(taken);
    cr_assert_eq(bytes, 0u);
    mem_free(taken);
}

Test(buffer, a_size_that_cannot_be_aborts, .signal = SIGABRT) {
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "abc");
    buffer_reserve(&buffer, SIZE_MAX - 1);
}
