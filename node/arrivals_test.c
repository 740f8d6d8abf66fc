/* arrivals_test.c - what is filed together arrives as if it had been filed one by one. */
#include "node/arrivals.h"

#include <criterion/criterion.h>

#include "node/runtime_fixture.h"
#include "node/services.h"

TestSuite(arrivals, .timeout = 30);

struct note {
    uint64_t number;
};
struct book {
    uint64_t received, out_of_order;
};
TR_RECORD(note, TR_FIELD(note, number));
TR_RECORD(book, TR_FIELD(book, received), TR_FIELD(book, out_of_order));

static tr_status on_note(tr_actor *self, void *state, const tr_message *message) {
    (void)self;
    struct book *book = state;
    const struct note *note = tr_body(message);
    if (note->number != ++book->received) book->out_of_order++;
    return TR_OK;
}

static const tr_behavior book_behavior = {.name = "book",
                                          .version = 1,
                                          .state = &book_record,
                                          .handlers = TR_HANDLERS({&note_record, on_note})};

static struct fixture world;
static struct arrivals arrivals;

static void open_world(void) {
    static const tr_behavior *const behaviors[] = {&book_behavior, NULL};
    fixture_open(&world, 1, 1, (struct mailbox_limits){500, 1000, 16000}, behaviors);
}

static void arrive(tr_pid to, uint64_t number, unsigned flags) {
    const record_type *type;
    tr_message *made;
    struct note body = {number};
    cr_assert_eq(record_table_intern(world.runtime->records, &note_record, &type, NULL), TR_OK);
    cr_assert_eq(message_of(type, &body, 1000, &made), TR_OK);
    made->from = (tr_pid){FIXTURE_FAR, 3, 1};
    made->to = to;
    made->origin = 1;
    made->origin_session = 1;
    made->flags = (uint8_t)flags;
    arrivals_add(&arrivals, &world.core, made);
}

static const struct book *book_of(tr_pid pid) {
    return fixture_actor(&world, pid)->state;
}

static void expect_all(tr_pid pid, uint64_t count) {
    cr_assert(fixture_settle(&world, 10000));
    cr_assert_eq(book_of(pid)->received, count);
    cr_assert_eq(book_of(pid)->out_of_order, 0);
}

Test(arrivals, nothing_is_seen_before_it_is_filed_and_all_in_order_then) {
    open_world();
    tr_pid pid = fixture_spawn(&world, &book_behavior, NULL, NULL);
    cr_assert(fixture_settle(&world, 100));
    for (uint64_t i = 1; i <= 10; i++) arrive(pid, i, 0);
    cr_assert_eq(mailbox_count(&fixture_actor(&world, pid)->box), 0);
    arrivals_file(&arrivals, &world.core);
    cr_assert_eq(mailbox_count(&fixture_actor(&world, pid)->box), 10);
    expect_all(pid, 10);
    fixture_close(&world);
}

Test(arrivals, another_receiver_and_exempt_messages_end_a_chain) {
    open_world();
    tr_pid one = fixture_spawn(&world, &book_behavior, NULL, NULL);
    tr_pid two = fixture_spawn(&world, &book_behavior, NULL, NULL);
    cr_assert(fixture_settle(&world, 100));
    arrive(one, 1, 0);
    arrive(one, 2, 0);
    arrive(one, 3, MESSAGE_EXEMPT);
    arrive(two, 1, 0);
    arrive(two, 2, 0);
    arrive(one, 4, 0);
    arrivals_file(&arrivals, &world.core);
    expect_all(one, 4);
    expect_all(two, 2);
    fixture_close(&world);
}

Test(arrivals, a_chain_presses_the_peer_once) {
    open_world();
    struct mailbox_limits limits;
    tr_mailbox_options marks = {.low = 2, .high = 4, .hard = 8};
    cr_assert_eq(services_limits(world.runtime, &marks, &limits, NULL), TR_OK);
    tr_pid pid = fixture_spawn(&world, &book_behavior, &limits, NULL);
    cr_assert(fixture_settle(&world, 100));
    for (uint64_t i = 1; i <= 20; i++) arrive(pid, i, 0);
    arrivals_file(&arrivals, &world.core);
    cr_assert_eq(world.note_count, 1);
    cr_assert_eq(world.notes[0].level, PRESSURE_LEVEL_REFUSE);
    expect_all(pid, 20);
    fixture_close(&world);
}

Test(arrivals, each_message_to_nobody_is_a_dead_letter) {
    open_world();
    for (uint64_t i = 1; i <= 3; i++) arrive((tr_pid){world.runtime->space, 4000, 1}, i, 0);
    arrivals_file(&arrivals, &world.core);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_NOBODY), 3);
    for (uint64_t i = 1; i <= 3; i++) arrive((tr_pid){FIXTURE_FAR + 1, 1, 1}, i, 0);
    arrivals_file(&arrivals, &world.core);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_NOBODY), 6);
    fixture_close(&world);
}
