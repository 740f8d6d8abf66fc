/* outbox_test.c - order, announcements, and parcels that fit the peer's window. */
#include "node/outbox.h"

#include <criterion/criterion.h>

#include "node/base/memory.h"
#include "node/record_table.h"

TestSuite(outbox, .timeout = 30);

enum { WINDOW_BYTES = 4 << 20, WINDOW_MESSAGES = 65536 };

struct note {
    int32_t number;
};
TR_RECORD(note, TR_FIELD(note, number));

static record_table *records;
static struct outbox box;

static const record_type *note_type(void) {
    const record_type *type;
    cr_assert_eq(record_table_intern(records, &note_record, &type, NULL), TR_OK);
    return type;
}

static void open_box(uint64_t window_bytes, uint32_t window_messages) {
    records = record_table_new(NULL);
    outbox_init(&box);
    outbox_admit(&box, 1, window_bytes, window_messages);
}

static void close_box(void) {
    outbox_fini(&box);
    record_table_free(records);
}

static uint32_t append(uint64_t number, uint32_t body_bytes, bool *first_out) {
    static uint8_t body[200000];
    struct envelope envelope = {.kind = ENVELOPE_MESSAGE,
                                .to = {1, 2, 3},
                                .record = note_type()->id,
                                .message_id = number,
                                .body = body,
                                .body_bytes = body_bytes};
    return outbox_append(&box, &envelope, note_type(), 0, first_out);
}

/* Takes all and frees it; counts what was in it, and expects the messages' numbers to go on from
 * `*number`. */
static void take(uint64_t *number, unsigned *parcels_out, unsigned *announced_out, uint32_t tag) {
    uint64_t bytes = 0;
    *parcels_out = *announced_out = 0;
    for (struct parcel *next, *parcel = outbox_take(&box); parcel != NULL; parcel = next) {
        struct parcel_reader reader;
        next = parcel->next;
        cr_assert_eq(parcel->tag, tag);
        parcel_open(parcel, &reader);
        for (const struct envelope *each; (each = parcel_next(&reader)) != NULL;) {
            if (each->kind == ENVELOPE_RECORD)
                ++*announced_out;
            else
                cr_assert_eq(each->message_id, ++*number);
        }
        bytes += parcel->bytes;
        ++*parcels_out;
        parcel_free(parcel);
    }
    outbox_moved(&box, bytes);
    cr_assert_eq(outbox_bytes(&box), 0);
}

Test(outbox, without_a_session_nothing_is_taken) {
    open_box(WINDOW_BYTES, WINDOW_MESSAGES);
    outbox_admit(&box, 0, 0, 0);
    bool first = false;
    cr_assert_eq(append(1, 10, &first), 0);
    cr_assert_not(first);
    cr_assert_null(outbox_take(&box));
    close_box();
}

Test(outbox, only_the_first_message_wakes_the_core) {
    open_box(WINDOW_BYTES, WINDOW_MESSAGES);
    bool first = false;
    uint64_t number = 0;
    unsigned parcels, announced;
    cr_assert_eq(append(1, 10, &first), 1);
    cr_assert(first);
    append(2, 10, &first);
    cr_assert_not(first);
    cr_assert_gt(outbox_bytes(&box), 20);
    take(&number, &parcels, &announced, 1);
    append(3, 10, &first);
    cr_assert(first);
    take(&number, &parcels, &announced, 1);
    cr_assert_eq(number, 3);
    close_box();
}

Test(outbox, a_flood_fills_large_parcels_in_order) {
    open_box(WINDOW_BYTES, WINDOW_MESSAGES);
    bool first;
    uint64_t sent = 0, number = 0;
    unsigned parcels, announced;
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 2000; i++) append(++sent, 70, &first);
        take(&number, &parcels, &announced, 1);
        cr_assert_eq(number, sent);
        cr_assert_eq(announced, round == 0 ? 1 : 0);
    }
    cr_assert_leq(parcels, 4, "2000 x 74 bytes in parcels of 64 KiB");
    append(++sent, 200000, &first); /* larger than a parcel */
    append(++sent, 70, &first);
    take(&number, &parcels, &announced, 1);
    cr_assert_eq(number, sent);
    cr_assert_eq(parcels, 2);
    close_box();
}

Test(outbox, each_session_hears_the_announcement_and_gets_parcels_of_its_own) {
    open_box(WINDOW_BYTES, WINDOW_MESSAGES);
    bool first;
    uint64_t number = 0;
    unsigned parcels, announced;
    append(1, 10, &first);
    outbox_admit(&box, 0, WINDOW_BYTES, WINDOW_MESSAGES);
    outbox_admit(&box, 1, WINDOW_BYTES, WINDOW_MESSAGES); /* the same session */
    append(2, 10, &first);
    take(&number, &parcels, &announced, 1);
    cr_assert_eq(announced, 1);
    append(3, 10, &first);
    outbox_admit(&box, 2, WINDOW_BYTES, WINDOW_MESSAGES);
    cr_assert_eq(append(4, 10, &first), 2);
    struct parcel *old = outbox_take(&box);
    cr_assert_eq(old->tag, 1);
    cr_assert_eq(old->next->tag, 2);
    cr_assert_eq(old->next->count, 2, "the record again, and the message");
    parcel_free(old->next);
    parcel_free(old);
    close_box();
}

/* A parcel is sent whole: were it larger than the window it would wait for ever. */
Test(outbox, parcels_stay_within_half_of_the_window) {
    open_box(10000, 6);
    bool first;
    for (uint64_t i = 1; i <= 100; i++) append(i, 70, &first);
    append(101, 9000, &first);
    for (struct parcel *next, *parcel = outbox_take(&box); parcel != NULL; parcel = next) {
        next = parcel->next;
        cr_assert_leq(parcel->count, 3);
        cr_assert(parcel->count == 1 || parcel->bytes <= 5000);
        parcel_free(parcel);
    }
    close_box();
}
