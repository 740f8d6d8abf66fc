#include "node/record_body.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/record_random.h"
#include "node/record_table.h"

TestSuite(record_body, .timeout = 30);

struct line {
    int32_t number;
    tr_text text;
};
TR_RECORD(line, TR_FIELD(line, number), TR_FIELD(line, text));

struct page {
    tr_text title;
    tr_list lines;
    tr_list numbers;
    struct line last[2];
};
TR_RECORD(page, TR_FIELD(page, title), TR_FIELD_LIST_RECORD(page, lines, line),
          TR_FIELD_LIST(page, numbers, int64_t), TR_FIELD_RECORD(page, last, line));

static const record_type *page_type(record_table *table) {
    const record_type *type = NULL;
    cr_assert_eq(record_table_intern(table, &page_record, &type, NULL), TR_OK);
    return type;
}

Test(record_body, a_flattened_body_points_into_its_own_block) {
    record_table *table = record_table_new(NULL);
    const record_type *type = page_type(table);
    struct line lines[2] = {{1, {"one", 3}}, {2, {"two", 3}}};
    struct page page = {.title = {"title", 5}, .lines = {lines, 2}, .last = {{3, {"three", 5}}}};
    size_t bytes = 0;
    struct page *copy = record_copy(type, &page, &bytes);
    uintptr_t start = (uintptr_t)copy;
    uintptr_t end = start + bytes;

    memset(lines, 0xaa, sizeof(lines));
    const struct line *copied = copy->lines.items;
    cr_assert((uintptr_t)copied >= start && (uintptr_t)copied < end);
    cr_assert((uintptr_t)copied[1].text.data >= start && (uintptr_t)copied[1].text.data < end);
    cr_assert_eq((uintptr_t)copied % _Alignof(struct line), 0u);
    cr_assert_eq(copied[1].number, 2);
    cr_assert_eq(memcmp(copied[1].text.data, "two", 3), 0);
    cr_assert_eq(memcmp(copy->title.data, "title", 5), 0);
    cr_assert_eq(memcmp(copy->last[0].text.data, "three", 5), 0);
    mem_free(copy);
    record_table_free(table);
}

Test(record_body, empty_texts_and_lists_need_no_data) {
    record_table *table = record_table_new(NULL);
    const record_type *type = page_type(table);
    struct page page = {.title = {"x", 0}};
    record_size size = {0};
    cr_assert_eq(record_measure(type, &page, &size), TR_OK);
    cr_assert_eq(size.block_bytes, sizeof(struct page));
    struct page *copy = record_copy(type, &page, NULL);
    cr_assert_null(copy->title.data, "a copy must not point to the original");
    cr_assert_null(copy->lines.items);
    mem_free(copy);
    record_table_free(table);
}

Test(record_body, a_length_without_data_is_refused) {
    record_table *table = record_table_new(NULL);
    const record_type *type = page_type(table);
    struct line line = {1, {NULL, 3}};
    record_size size = {.elements = 77};
    cr_assert_eq(record_measure(type, &(struct page){.title = {NULL, 1}}, &size), TR_EINVAL);
    cr_assert_eq(record_measure(type, &(struct page){.lines = {NULL, 1}}, &size), TR_EINVAL);
    cr_assert_eq(record_measure(type, &(struct page){.lines = {&line, 1}}, &size), TR_EINVAL);
    cr_assert_eq(size.elements, 77u, "the result is untouched on errors");
    cr_assert_null(record_copy(type, &(struct page){.title = {NULL, 1}}, NULL));
    record_table_free(table);
}

Test(record_body, elements_count_what_the_encoding_declares) {
    record_table *table = record_table_new(NULL);
    const record_type *type = page_type(table);
    struct line lines[3] = {{0}};
    int64_t numbers[5] = {0};
    record_size size = {0};
    cr_assert_eq(type->elements, 4u + 2u + 2u * 2u);
    struct page page = {.lines = {lines, 3}, .numbers = {numbers, 5}};
    cr_assert_eq(record_measure(type, &page, &size), TR_OK);
    cr_assert_eq(size.elements, type->elements + 3u + 3u * 2u + 5u);
    record_table_free(table);
}

Test(record_body, random_bodies_survive_flattening) {
    struct arena arena = {0};
    record_table *table = record_table_new(NULL);
    random_seed(&arena.random, 3);
    for (int i = 0; i < 300; i++) {
        const record_type *type = NULL;
        record_table_intern(table, random_record(&arena, 3), &type, NULL);
        const void *body = random_body(&arena, type);
        void *copy = record_copy(type, body, NULL);
        cr_assert_not_null(copy);
        cr_assert(bodies_equal(type, body, type, copy), "round %d", i);
        mem_free(copy);
    }
    record_table_free(table);
    arena_free(&arena);
}
