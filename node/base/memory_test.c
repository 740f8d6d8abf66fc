#include "node/base/memory.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>

TestSuite(memory, .timeout = 30);

Test(memory, nothing_still_gives_a_pointer) {
    void *memory = mem_alloc(0);
    void *zeroed = mem_zalloc(0, 8);
    cr_assert_not_null(memory);
    cr_assert_not_null(zeroed);
    cr_assert_neq(memory, zeroed);
    mem_free(memory);
    mem_free(zeroed);
    mem_free(NULL);
}

Test(memory, zalloc_is_zeroed) {
    unsigned char *memory = mem_zalloc(100, 3);
    for (size_t i = 0; i < 300; i++) cr_assert_eq(memory[i], 0);
    mem_free(memory);
}

Test(memory, realloc_keeps_the_content) {
    char *text = mem_strdup("hello");
    text = mem_realloc(text, 100000);
    cr_assert_str_eq(text, "hello");
    text = mem_realloc_array(text, 2, 3);
    cr_assert_str_eq(text, "hello");
    mem_free(text);
}

Test(memory, format_makes_a_text_of_any_length) {
    char *text = mem_format("%0500d|%s", 7, "end");
    cr_assert_eq(strlen(text), 504u);
    cr_assert_str_eq(text + 498, "07|end");
    mem_free(text);
}

Test(memory, dup_copies_bytes) {
    const char bytes[4] = {1, 0, 2, 3};
    char *copy = mem_dup(bytes, sizeof bytes);
    cr_assert_arr_eq(copy, bytes, sizeof bytes);
    mem_free(copy);
}

/* A product that wraps around would give too small a block. */
Test(memory, a_product_that_overflows_aborts, .signal = SIGABRT) {
    mem_free(mem_zalloc(SIZE_MAX / 2, 3));
}

#ifndef __SANITIZE_ADDRESS__ /* which reports such a size instead of refusing it */
Test(memory, exhaustion_aborts, .signal = SIGABRT) {
    mem_free(mem_alloc(SIZE_MAX / 2));
}
#endif
