#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/record_codec.h"
#include "node/record_random.h"
#include "node/record_table.h"

TestSuite(record_convert, .timeout = 30);

static record_table *table;

static void open_table(void) {
    table = record_table_new(NULL);
}

static void close_table(void) {
    record_table_free(table);
}

static const record_type *type_of(const tr_record *record) {
    const record_type *type = NULL;
    tr_error error = {0};
    cr_assert_eq(record_table_intern(table, record, &type, &error), TR_OK, "%s", error.message);
    return type;
}

/* Returns the converted block, the caller's, or NULL with the error filled. */
static void *converted(const tr_record *from, const void *body, const tr_record *to,
                       tr_error *error) {
    size_t bytes = 0;
    if (record_convert_measure(type_of(from), body, type_of(to), NULL, &bytes, error) != TR_OK)
        return NULL;
    void *block = mem_alloc(bytes);
    record_convert(type_of(from), body, type_of(to), block, bytes);
    return block;
}

static void refused(const tr_record *from, const void *body, const tr_record *to,
                    const char *message) {
    tr_error error = {0};
    cr_assert_null(converted(from, body, to, &error), "%s", message);
    cr_assert_eq(error.status, TR_EDATA);
    cr_assert_str_eq(error.message, message);
}

struct old_item {
    int16_t n;
    tr_text note;
};
TR_RECORD(old_item, TR_FIELD(old_item, n), TR_FIELD(old_item, note));

struct old {
    int32_t cents;
    uint64_t gone;
    char name[8];
    tr_text text;
    int16_t shorts[2];
    tr_list items;
    tr_pid pid;
};
static const tr_record old_record = {"account", sizeof(struct old), _Alignof(struct old),
                                     (const tr_field[]){TR_FIELD(old, cents),
                                                        TR_FIELD(old, gone),
                                                        TR_FIELD(old, name),
                                                        TR_FIELD(old, text),
                                                        TR_FIELD(old, shorts),
                                                        TR_FIELD_LIST_RECORD(old, items, old_item),
                                                        TR_FIELD(old, pid),
                                                        {0}}};

struct new_item {
    tr_text note;
    double weight;
    int64_t n;
};
TR_RECORD(new_item, TR_FIELD(new_item, note), TR_FIELD(new_item, weight), TR_FIELD(new_item, n));

struct new {
    tr_pid pid;
    tr_list items;
    int64_t shorts[3];
    tr_text text;
    tr_text added;
    char name[5];
    uint8_t cents;
};
static const tr_record new_record = {"account", sizeof(struct new), _Alignof(struct new),
                                     (const tr_field[]){TR_FIELD(new, pid),
                                                        TR_FIELD_LIST_RECORD(new, items, new_item),
                                                        TR_FIELD(new, shorts),
                                                        TR_FIELD(new, text),
                                                        TR_FIELD(new, added),
                                                        TR_FIELD(new, name),
                                                        TR_FIELD(new, cents),
                                                        {0}}};

Test(record_convert, fields_find_each_other_by_name, .init = open_table, .fini = close_table) {
    struct old_item items[2] = {{-1, {"one", 3}}, {2, {"two", 3}}};
    struct old body = {.cents = 200,
                       .gone = 1,
                       .name = "abcde",
                       .text = {"text", 4},
                       .shorts = {-5, 6},
                       .items = {items, 2},
                       .pid = {1, 2, 3}};
    tr_error error = {0};
    struct new *got = converted(&old_record, &body, &new_record, &error);
    cr_assert_not_null(got, "%s", error.message);
    const struct new_item *got_items = got->items.items;
    cr_assert_eq(got->cents, 200);
    cr_assert_eq(memcmp(got->name, "abcde", 5), 0);
    cr_assert_eq(memcmp(got->text.data, "text", 4), 0);
    cr_assert_eq(got->added.bytes, 0u);
    cr_assert_null(got->added.data);
    cr_assert_eq(got->shorts[0], -5);
    cr_assert_eq(got->shorts[1], 6);
    cr_assert_eq(got->shorts[2], 0);
    cr_assert_eq(got->items.count, 2u);
    cr_assert_eq(got_items[0].n, -1);
    cr_assert_eq(got_items[0].weight, 0.0);
    cr_assert_eq(memcmp(got_items[1].note.data, "two", 3), 0);
    cr_assert_neq(got_items[1].note.data, items[1].note.data, "nothing is borrowed");
    cr_assert_eq(memcmp(&got->pid, &body.pid, sizeof(tr_pid)), 0);
    mem_free(got);
}

Test(record_convert, values_that_do_not_fit_are_refused, .init = open_table, .fini = close_table) {
    refused(&old_record, &(struct old){.cents = 256}, &new_record,
            "record account: field cents: the value is out of the range of u8");
    refused(&old_record, &(struct old){.cents = -1}, &new_record,
            "record account: field cents: the value is out of the range of u8");
    refused(&old_record, &(struct old){.name = "abcdef"}, &new_record,
            "record account: field name: a text of 6 bytes where 5 fit");
}

/* Makes a record with one field `f`. */
static tr_record one_field(tr_field fields[2], uint32_t kind, uint32_t bytes,
                           const tr_record *nested) {
    fields[0] = (tr_field){"f", kind, 0, bytes, nested};
    fields[1] = (tr_field){NULL, 0, 0, 0, NULL};
    return (tr_record){"r", 64, 8, fields};
}

Test(record_convert, a_changed_kind_is_refused_with_both_kinds, .init = open_table,
     .fini = close_table) {
    static const struct {
        uint32_t from;
        uint32_t from_bytes;
        uint32_t to;
        uint32_t to_bytes;
        const char *kinds;
    } cases[] = {
        {TR_KIND_I32, 4, TR_KIND_TEXT, 16, "is text here but i32 at the sender"},
        {TR_KIND_F32, 4, TR_KIND_F64, 8, "is f64 here but f32 at the sender"},
        {TR_KIND_I64, 8, TR_KIND_F64, 8, "is f64 here but i64 at the sender"},
        {TR_KIND_BOOL, 1, TR_KIND_U8, 1, "is u8 here but bool at the sender"},
        {TR_KIND_CHARS, 8, TR_KIND_TEXT, 16, "is text here but chars[8] at the sender"},
        {TR_KIND_OCTETS, 8, TR_KIND_OCTETS, 9, "is octets[9] here but octets[8] at the sender"},
        {TR_KIND_I64, 8, TR_KIND_I64 | TR_KIND_LIST, 16,
         "is list of i64 here but i64 at the sender"},
        {TR_KIND_I8 | TR_KIND_ARRAY, 4, TR_KIND_I8 | TR_KIND_ARRAY, 3,
         "is i8[3] here but i8[4] at the sender"},
        {TR_KIND_PID, 16, TR_KIND_REQUEST, 24, "is request here but pid at the sender"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tr_field from_fields[2];
        tr_field to_fields[2];
        uint64_t body[8] = {0};
        char message[128];
        record_table *own = table;
        table = record_table_new(NULL);
        tr_record from = one_field(from_fields, cases[i].from, cases[i].from_bytes, NULL);
        tr_record to = one_field(to_fields, cases[i].to, cases[i].to_bytes, NULL);
        snprintf(message, sizeof(message), "record r: field f: %s", cases[i].kinds);
        refused(&from, body, &to, message);
        record_table_free(table);
        table = own;
    }
}

struct text_item {
    tr_text n;
    tr_text note;
};
TR_RECORD(text_item, TR_FIELD(text_item, n), TR_FIELD(text_item, note));

/* Whether a record is refused must not depend on whether a list happens to be empty. */
Test(record_convert, a_changed_kind_within_an_empty_list_is_refused, .init = open_table,
     .fini = close_table) {
    tr_field from_fields[2];
    tr_field to_fields[2];
    uint64_t body[8] = {0};
    tr_record from = one_field(from_fields, TR_KIND_RECORD | TR_KIND_LIST, 16, &old_item_record);
    tr_record to = one_field(to_fields, TR_KIND_RECORD | TR_KIND_LIST, 16, &text_item_record);
    refused(&from, body, &to, "record r: field f.n: is text here but i16 at the sender");
}

Test(record_convert, a_body_that_becomes_too_big_is_refused, .init = open_table,
     .fini = close_table) {
    struct old_item items[100] = {{0}};
    struct old body = {.items = {items, 100}};
    record_limits limits = {.block_bytes_max = sizeof(struct new) + 99 * sizeof(struct new_item)};
    size_t bytes = 0;
    const record_type *from = type_of(&old_record);
    const record_type *to = type_of(&new_record);
    cr_assert_eq(record_convert_measure(from, &body, to, &limits, &bytes, NULL), TR_EDATA);
    limits.block_bytes_max += sizeof(struct new_item);
    cr_assert_eq(record_convert_measure(from, &body, to, &limits, &bytes, NULL), TR_OK);
    limits = (record_limits){.elements_max = 100};
    cr_assert_eq(record_convert_measure(from, &body, to, &limits, &bytes, NULL), TR_EDATA);
}

/* What a peer sends of a record known here in another layout is the same body. */
Test(record_convert, random_bodies_survive_a_peers_layout, .init = open_table,
     .fini = close_table) {
    struct arena arena = {0};
    random_seed(&arena.random, 8);
    for (int i = 0; i < 300; i++) {
        record_table *here = record_table_new(NULL);
        const record_type *local = type_of(random_record(&arena, 3));
        const record_type *dynamic = NULL;
        const void *body = random_body(&arena, local);
        size_t bytes = 0;
        tr_error error = {0};
        record_table_from_wire(here, local->descriptor, local->descriptor_bytes, &dynamic, NULL);
        cr_assert_eq(record_convert_measure(local, body, dynamic, NULL, &bytes, &error), TR_OK,
                     "%s", error.message);
        void *there = mem_alloc(bytes);
        record_convert(local, body, dynamic, there, bytes);
        cr_assert(bodies_equal(local, body, dynamic, there), "round %d", i);
        mem_free(there);
        record_table_free(here);
    }
    arena_free(&arena);
}
