/* frame_pool_test.c - a buffer's memory goes out, comes back, and goes into another buffer. */
#include "transport/frame_pool.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(frame_pool, .timeout = 30);

Test(frame_pool, memory_that_came_back_goes_out_again) {
    struct frame_pool *pool = frame_pool_new();
    struct buffer frame = {0};
    buffer_append(&frame, "first", 5);
    uint8_t *memory = frame.data, *data;
    size_t bytes;
    struct frame_loan *loan = frame_pool_lend(pool, &frame, &data, &bytes);
    cr_assert_eq(data, memory);
    cr_assert_eq(bytes, 5);
    cr_assert_eq(memcmp(data, "first", 5), 0);
    cr_assert_null(frame.data, "nothing has come back yet");
    frame_pool_return(loan);

    buffer_append(&frame, "second", 6);
    loan = frame_pool_lend(pool, &frame, &data, &bytes);
    cr_assert_eq(memcmp(data, "second", 6), 0);
    cr_assert_eq(frame.data, memory);
    cr_assert_eq(frame.bytes, 0);
    cr_assert_gt(frame.capacity, 0);
    frame_pool_return(loan);
    buffer_fini(&frame);
    frame_pool_free(pool);
}

Test(frame_pool, large_memory_and_what_is_too_much_is_freed) {
    struct frame_pool *pool = frame_pool_new();
    struct buffer frame = {0};
    struct frame_loan *loans[100];
    uint8_t *data;
    size_t bytes;
    for (int i = 0; i < 100; i++) {
        frame.bytes = 0;
        buffer_reserve(&frame, i % 10 == 0 ? 1 << 20 : 100);
        loans[i] = frame_pool_lend(pool, &frame, &data, &bytes);
    }
    for (int i = 0; i < 100; i++) frame_pool_return(loans[i]);
    buffer_fini(&frame);
    frame_pool_free(pool); /* the leak checker sees the rest */
}
