/* port_test.c - plain threads among actors: room, replies, deadlines, colours, lives. */
#include "node/port.h"

#include <criterion/criterion.h>

#include "node/parking.h"
#include "node/runtime_fixture.h"

TestSuite(port, .timeout = 30);

struct item {
    int64_t number;
};
struct quiet {
    int64_t number;
};
TR_RECORD(item, TR_FIELD(item, number));
TR_RECORD(quiet, TR_FIELD(quiet, number));

static tr_status on_item(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct item *body = tr_body(message);
    if (tr_request_of(message).id != 0)
        return tr_reply(self, message, item, .number = body->number + 1);
    tr_send(self, tr_sender(message), item, .number = body->number + 2);
    return TR_OK;
}

static tr_status on_quiet(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    return TR_OK;
}

static const tr_behavior echo = {
    .name = "echo",
    .version = 1,
    .handlers = TR_HANDLERS({&item_record, on_item}, {&quiet_record, on_quiet})};
static const tr_behavior *const offered[] = {&echo, NULL};

static struct fixture world;
static tr_port *port;
static tr_pid actor;

/* Nobody runs unless stepped. */
static void open_still(void) {
    fixture_open(&world, 1, 1, (struct mailbox_limits){0, 0, 0}, offered);
    cr_assert(fixture_settle(&world, 100));
    cr_assert_eq(port_open(world.runtime, NULL, NULL, &port), TR_OK);
    actor = fixture_spawn(&world, &echo, NULL, NULL);
    cr_assert(fixture_settle(&world, 100));
}

static void close_still(void) {
    tr_port_close(port);
    fixture_close(&world);
}

/* With two worker threads. */
static void open_live(void) {
    fixture_open_real(&world, 2, (struct mailbox_limits){0, 0, 0}, offered);
    cr_assert_eq(parking_start(world.runtime), TR_OK);
    cr_assert_eq(port_open(world.runtime, NULL, NULL, &port), TR_OK);
    cr_assert_eq(tr_port_spawn(port, "echo", NULL, NULL, 10000, &actor, NULL), TR_OK);
}

static void close_live(void) {
    tr_port_close(port);
    parking_stop(world.runtime);
    fixture_close(&world);
}

Test(port, an_ask_brings_its_reply) {
    open_live();
    tr_message *reply;
    cr_assert_eq(tr_port_ask(port, actor, 10000, &reply, item, .number = 5), TR_OK);
    cr_assert_eq(((const struct item *)tr_body(reply))->number, 6);
    tr_message_free(reply);
    close_live();
}

Test(port, an_ask_to_a_dead_pid_says_so_at_once) {
    open_live();
    tr_message *reply;
    tr_pid dead = {actor.space, actor.slot, actor.generation + 1};
    cr_assert_eq(tr_port_ask(port, dead, 10000, &reply, item, .number = 5), TR_EDEAD);
    close_live();
}

Test(port, receive_gives_what_was_sent_to_it_and_no_reply) {
    open_live();
    tr_message *reply, *got;
    cr_assert_eq(tr_port_send(port, actor, 10000, item, .number = 1), TR_OK);
    cr_assert_eq(tr_port_ask(port, actor, 10000, &reply, item, .number = 5), TR_OK);
    tr_message_free(reply);
    cr_assert_eq(tr_port_receive(port, &item_record, 10000, &got), TR_OK);
    cr_assert_eq(((const struct item *)tr_body(got))->number, 3);
    cr_assert(tr_pid_equal(tr_sender(got), actor));
    tr_message_free(got);
    cr_assert_eq(tr_port_receive(port, &item_record, 1, &got), TR_ETIMEDOUT);
    close_live();
}

Test(port, a_reply_after_the_timeout_is_a_dead_letter) {
    open_still();
    tr_message *reply;
    cr_assert_eq(tr_port_ask(port, actor, 1, &reply, item, .number = 5), TR_ETIMEDOUT);
    cr_assert(fixture_settle(&world, 100));
    cr_assert_eq(fixture_dead(&world, DEADLETTER_LATE_REPLY), 1);
    cr_assert_null(port_take(port));
    close_still();
}

Test(port, a_send_past_the_high_mark_waits_to_its_deadline_and_sends_nothing) {
    open_still();
    for (int i = 0; i < 5; i++)
        cr_assert_eq(tr_port_send(port, actor, 1, quiet, .number = i), TR_OK);
    cr_assert_eq(tr_port_send(port, actor, 1, quiet, .number = 6), TR_EFULL);
    cr_assert_eq(mailbox_count(&fixture_actor(&world, actor)->box), 5);
    cr_assert(fixture_settle(&world, 100));
    cr_assert_eq(tr_port_send(port, actor, 1, quiet, .number = 7), TR_OK, "there is room again");
    close_still();
}

Test(port, a_message_nobody_expects_is_a_dead_letter) {
    open_still();
    FIXTURE_SEND(&world, tr_port_pid(port), quiet, .number = 1);
    tr_message *got;
    cr_assert_eq(tr_port_receive(port, &item_record, 1, &got), TR_ETIMEDOUT);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_UNHANDLED), 1);
    close_still();
}

Test(port, a_send_to_a_full_port_waits_to_its_deadline_and_no_longer) {
    open_still();
    tr_port *full;
    cr_assert_eq(port_open(world.runtime, NULL, NULL, &full), TR_OK);
    for (int i = 0; i < 8; i++)
        cr_assert_eq(tr_port_send(port, tr_port_pid(full), 1, quiet, .number = i), TR_OK);
    cr_assert_eq(tr_port_send(port, tr_port_pid(full), 1, quiet, .number = 8), TR_EFULL);
    message_free(port_take(full));
    cr_assert_eq(tr_port_send(port, tr_port_pid(full), 1, quiet, .number = 9), TR_OK);
    tr_port_close(full);
    close_still();
}

Test(port, a_closed_port_comes_back_with_another_pid_and_its_old_mail_is_dead) {
    open_still();
    tr_pid before = tr_port_pid(port);
    FIXTURE_SEND(&world, before, item, .number = 1);
    tr_port_close(port);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_ENDED), 1);
    cr_assert_eq(port_open(world.runtime, NULL, NULL, &port), TR_OK);
    cr_assert_not(tr_pid_equal(before, tr_port_pid(port)));
    FIXTURE_SEND(&world, before, item, .number = 2);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_NOBODY), 1);
    cr_assert_null(port_take(port), "the new one gets nothing of the old one's");
    close_still();
}

/* Somebody found the port, which was then closed and opened by another user in another slot. */
Test(port, a_message_for_an_earlier_life_is_not_delivered_to_the_present_one) {
    open_still();
    tr_pid before = tr_port_pid(port);
    struct slot_head *found = runtime_find(world.runtime, before);
    tr_port *other;
    tr_port_close(port);
    cr_assert_eq(port_open(world.runtime, NULL, NULL, &port), TR_OK);
    cr_assert_eq(port_open(world.runtime, NULL, NULL, &other), TR_OK);
    tr_message *late = message_new(0);
    late->to = before;
    cr_assert_eq(port_deliver(found, &world.core, NULL, &late), TR_OK);
    cr_assert_null(late);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_ENDED), 1);
    cr_assert_null(port_take(port));
    tr_port_close(other);
    close_still();
}

Test(port, a_port_wears_the_colour_it_had_when_it_sent_and_turns_in_the_sweep) {
    open_still();
    recording_move_epoch(world.runtime, 5);
    cr_assert_not(recording_all_red(world.runtime, 5));
    recording_sweep(world.runtime, 5);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(recording_all_red(world.runtime, 5));
    tr_pid far = {FIXTURE_FAR, 1, 1};
    cr_assert_eq(tr_port_send(port, far, 1, item, .number = 1), TR_OK);
    cr_assert_eq(world.far_count, 1);
    cr_assert_eq(world.far[0]->colour, 5);
    close_still();
}
