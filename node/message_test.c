/* message_test.c - one allocation, a body of its own, and what counts as control. */
#include "node/message.h"

#include <criterion/criterion.h>

#include "node/record_codec.h"
#include "node/record_table.h"

TestSuite(message, .timeout = 30);

struct note {
    int64_t number;
    tr_text words;
};
TR_RECORD(note, TR_FIELD(note, number), TR_FIELD(note, words));

static const record_type *note_type(record_table *table) {
    const record_type *type;
    cr_assert_eq(record_table_intern(table, &note_record, &type, NULL), TR_OK);
    return type;
}

Test(message, of_a_body_holds_a_copy_that_points_into_itself) {
    record_table *table = record_table_new(NULL);
    char words[] = "hello";
    struct note body = {7, {words, 5}};
    tr_message *made;
    cr_assert_eq(message_of(note_type(table), &body, 1000, &made), TR_OK);
    words[0] = 'j';
    const struct note *copy = tr_body(made);
    cr_assert_eq(copy->number, 7);
    cr_assert_eq(memcmp(copy->words.data, "hello", 5), 0);
    cr_assert((const unsigned char *)copy->words.data >= made->body &&
              (const unsigned char *)copy->words.data < made->body + made->body_bytes);
    cr_assert_eq((uintptr_t)made % 16, 0, "a mailbox keeps its count in the low bits");
    message_free(made);
    record_table_free(table);
}

Test(message, of_a_bad_or_too_big_body_is_refused) {
    record_table *table = record_table_new(NULL);
    tr_message *made = NULL;
    struct note no_data = {7, {NULL, 5}}, long_one = {7, {"hello", 5}};
    cr_assert_eq(message_of(note_type(table), &no_data, 1000, &made), TR_EDATA);
    cr_assert_eq(message_of(note_type(table), &long_one, sizeof(struct note), &made), TR_ETOOBIG);
    cr_assert_null(made);
    record_table_free(table);
}

Test(message, only_an_ask_gives_a_token_to_answer) {
    tr_message *item = message_new(0);
    item->from = (tr_pid){1, 2, 3};
    item->serial = 9;
    cr_assert_eq(tr_request_of(item).id, 0);
    item->flags = MESSAGE_ASK;
    cr_assert_eq(tr_request_of(item).id, 9);
    cr_assert(tr_pid_equal(tr_request_of(item).from, item->from));
    message_free(item);
}

Test(message, replies_and_control_are_exempt_and_timers_are_in_no_channel) {
    tr_message *item = message_new(0);
    cr_assert_not(message_is_exempt(item));
    cr_assert(message_in_channel(item));
    item->flags = MESSAGE_REPLY;
    cr_assert(message_is_exempt(item));
    item->flags = 0;
    item->kind = MESSAGE_STOP;
    cr_assert(message_is_exempt(item) && message_in_channel(item));
    item->kind = MESSAGE_TIMER;
    cr_assert(message_is_exempt(item) && !message_in_channel(item));
    item->kind = MESSAGE_ASK_TIMEOUT;
    cr_assert_not(message_in_channel(item));
    item->kind = MESSAGE_INSPECT;
    cr_assert_not(message_in_channel(item));
    message_free(item);
}

struct old_note {
    int64_t number;
};
static const tr_record old_note_record = {"note", sizeof(struct old_note),
                                          _Alignof(struct old_note),
                                          (const tr_field[]){TR_FIELD(old_note, number), {0}}};

Test(message, converted_keeps_its_header) {
    record_table *table = record_table_new(NULL);
    const record_type *old;
    cr_assert_eq(record_table_intern(table, &old_note_record, &old, NULL), TR_OK);
    struct old_note body = {5};
    tr_message *item;
    cr_assert_eq(message_of(old, &body, 1000, &item), TR_OK);
    item->serial = 3;
    item->colour = 4;
    size_t bytes;
    cr_assert_eq(record_convert_measure(old, item->body, note_type(table), NULL, &bytes, NULL),
                 TR_OK);
    tr_message *made = message_converted(item, note_type(table), bytes);
    const struct note *note = tr_body(made);
    cr_assert_eq(note->number, 5);
    cr_assert_eq(note->words.bytes, 0);
    cr_assert_eq(made->serial, 3);
    cr_assert_eq(made->colour, 4);
    message_free(item);
    message_free(made);
    record_table_free(table);
}
