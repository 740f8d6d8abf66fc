/* dispatch_test.c - how a message finds its handler, and how asks end. */
#include "node/actor.h"

#include <criterion/criterion.h>

#include "node/ask.h"
#include "node/runtime_fixture.h"

TestSuite(dispatch, .timeout = 30);

struct get {
    int64_t number;
};
struct got {
    int64_t number;
};
struct unknown {
    int64_t number;
};
struct pending {
    int64_t label;
};
/* Makes its receiver ask `to`. */
struct do_ask {
    tr_pid to;
    int64_t label;
    bool hold;
};
struct asker {
    int64_t got, got_label, failed, failed_status, failed_label, items;
};
struct server {
    tr_request kept;
    int64_t asked, mode, last;
    int64_t twice_status;
};
TR_RECORD(get, TR_FIELD(get, number));
TR_RECORD(got, TR_FIELD(got, number));
TR_RECORD(unknown, TR_FIELD(unknown, number));
TR_RECORD(pending, TR_FIELD(pending, label));
TR_RECORD(do_ask, TR_FIELD(do_ask, to), TR_FIELD(do_ask, label), TR_FIELD(do_ask, hold));
TR_RECORD(asker, TR_FIELD(asker, got), TR_FIELD(asker, got_label), TR_FIELD(asker, failed),
          TR_FIELD(asker, failed_status), TR_FIELD(asker, failed_label), TR_FIELD(asker, items));
TR_RECORD(server, TR_FIELD(server, kept), TR_FIELD(server, asked), TR_FIELD(server, mode),
          TR_FIELD(server, last), TR_FIELD(server, twice_status));

enum { REPLY_NOW, REPLY_LATER, REPLY_TWICE, FAIL, REPLY_OTHER };

static tr_status on_do_ask(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct do_ask *body = tr_body(message);
    return tr_ask(
        self, body->to,
        TR_ASK(.timeout_ms = 100, .hold = body->hold, TR_CONTEXT(pending, .label = body->label)),
        get, .number = body->label);
}

static tr_status on_got(tr_actor *self, void *argument, const tr_message *message) {
    (void)self;
    struct asker *state = argument;
    const struct pending *context = tr_context(message);
    state->got = ((const struct got *)tr_body(message))->number;
    state->got_label = context == NULL ? -1 : context->label;
    return TR_OK;
}

static tr_status on_ask_failed(tr_actor *self, void *argument, const tr_message *message) {
    (void)self;
    struct asker *state = argument;
    const struct tr_ask_failed *body = tr_body(message);
    const struct pending *context = tr_context(message);
    cr_assert_str_eq(body->record, "get");
    state->failed++;
    state->failed_status = body->status;
    state->failed_label = context->label;
    return TR_OK;
}

static tr_status on_item(tr_actor *self, void *argument, const tr_message *message) {
    (void)self;
    cr_assert_null(tr_context(message), "no answer, no context");
    ((struct asker *)argument)->items++;
    return TR_OK;
}

static const tr_behavior asker_behavior = {
    .name = "asker",
    .version = 1,
    .state = &asker_record,
    .handlers = TR_HANDLERS({&do_ask_record, on_do_ask}, {&got_record, on_got},
                            {&tr_ask_failed_record, on_ask_failed}, {&pending_record, on_item}),
};

static tr_status on_get(tr_actor *self, void *argument, const tr_message *message) {
    struct server *state = argument;
    int64_t number = ((const struct get *)tr_body(message))->number;
    state->asked++;
    state->last = number;
    switch (state->mode) {
        case REPLY_NOW:
            return tr_reply(self, message, got, .number = number * 10);
        case REPLY_LATER:
            state->kept = tr_request_of(message);
            return TR_OK;
        case REPLY_TWICE:
            tr_reply(self, message, got, .number = 1);
            state->twice_status = tr_reply(self, message, got, .number = 2);
            return TR_OK;
        case REPLY_OTHER:
            return tr_reply(self, message, unknown, .number = 1);
        default:
            return tr_fail(self, "told to");
    }
}

/* Answers what it kept. */
static tr_status on_answer(tr_actor *self, void *argument, const tr_message *message) {
    struct server *state = argument;
    cr_assert_eq(tr_reply(self, message, got, .number = 0), TR_EINVAL,
                 "a plain message cannot be answered");
    return tr_answer(self, state->kept, got, .number = 77);
}

static const tr_behavior server_behavior = {
    .name = "server",
    .version = 1,
    .state = &server_record,
    .handlers = TR_HANDLERS({&get_record, on_get}, {&got_record, on_answer}),
};

static struct fixture world;
static tr_pid asker, server;

static void open_world(int64_t mode) {
    static const tr_behavior *const offered[] = {&asker_behavior, &server_behavior, NULL};
    fixture_open(&world, 1, 2, (struct mailbox_limits){0, 0, 0}, offered);
    struct server state = {.mode = mode};
    asker = fixture_spawn(&world, &asker_behavior, NULL, NULL);
    server = fixture_spawn(&world, &server_behavior, NULL, &state);
    cr_assert(fixture_settle(&world, 100));
}

static void settle(void) {
    cr_assert(fixture_settle(&world, 1000));
}

static const struct asker *asked(void) {
    return fixture_actor(&world, asker)->state;
}

static size_t pending_asks(void) {
    return map_u64_count(&fixture_actor(&world, asker)->extra->asks);
}

static void pass(uint64_t ms) {
    world.now_ns += ms * 1000000;
    settle();
}

Test(dispatch, a_reply_comes_with_the_context_of_its_ask) {
    open_world(REPLY_NOW);
    FIXTURE_SEND(&world, asker, do_ask, .to = server, .label = 4);
    settle();
    cr_assert_eq(asked()->got, 40);
    cr_assert_eq(asked()->got_label, 4);
    FIXTURE_SEND(&world, asker, pending);
    pass(1000);
    cr_assert_eq(asked()->failed, 0, "its timer is gone");
    cr_assert_eq(asked()->items, 1);
    cr_assert_eq(pending_asks(), 0);
    fixture_close(&world);
}

Test(dispatch, an_ask_may_be_answered_later_by_its_token) {
    open_world(REPLY_LATER);
    FIXTURE_SEND(&world, asker, do_ask, .to = server, .label = 4);
    settle();
    cr_assert_eq(pending_asks(), 1);
    FIXTURE_SEND(&world, server, got);
    settle();
    cr_assert_eq(asked()->got, 77);
    cr_assert_eq(asked()->got_label, 4);
    fixture_close(&world);
}

Test(dispatch, a_second_reply_is_a_dead_letter) {
    open_world(REPLY_TWICE);
    FIXTURE_SEND(&world, asker, do_ask, .to = server, .label = 4);
    settle();
    cr_assert_eq(asked()->got, 1);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_LATE_REPLY), 1);
    fixture_close(&world);
}

Test(dispatch, an_ask_that_is_not_answered_in_time_fails_and_the_late_reply_is_a_dead_letter) {
    open_world(REPLY_LATER);
    FIXTURE_SEND(&world, asker, do_ask, .to = server, .label = 4);
    settle();
    pass(99);
    cr_assert_eq(asked()->failed, 0);
    pass(1);
    cr_assert_eq(asked()->failed, 1);
    cr_assert_eq(asked()->failed_status, TR_ETIMEDOUT);
    cr_assert_eq(asked()->failed_label, 4);
    FIXTURE_SEND(&world, server, got);
    settle();
    cr_assert_eq(asked()->got, 0);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_LATE_REPLY), 1);
    fixture_close(&world);
}

Test(dispatch, an_ask_to_a_dead_pid_fails_at_once) {
    open_world(REPLY_NOW);
    FIXTURE_SEND(&world, asker, do_ask, .to = {FIXTURE_SPACE, server.slot, server.generation + 1},
                 .label = 4);
    settle();
    cr_assert_eq(asked()->failed, 1);
    cr_assert_eq(asked()->failed_status, TR_EDEAD);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_NOBODY), 1);
    fixture_close(&world);
}

Test(dispatch, an_ask_whose_handler_fails_is_told_so) {
    open_world(FAIL);
    FIXTURE_SEND(&world, asker, do_ask, .to = server, .label = 4);
    settle();
    cr_assert_eq(asked()->failed_status, TR_EFAILED);
    cr_assert_null(fixture_actor(&world, server));
    fixture_close(&world);
}

Test(dispatch, asks_in_the_mail_of_one_that_fails_are_told_so) {
    open_world(FAIL);
    FIXTURE_SEND(&world, server, get);
    FIXTURE_SEND(&world, asker, do_ask, .to = server, .label = 4);
    cr_assert(fixture_run(&world, asker));
    settle();
    cr_assert_eq(asked()->failed_status, TR_EFAILED);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_FAILED), 1);
    fixture_close(&world);
}

Test(dispatch, an_ask_of_a_record_without_handler_fails_as_bad_data) {
    open_world(REPLY_NOW);
    FIXTURE_SEND(&world, asker, do_ask, .to = asker, .label = 4);
    settle();
    cr_assert_eq(asked()->failed_status, TR_EDATA);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_UNHANDLED), 1);
    fixture_close(&world);
}

Test(dispatch, a_holding_actor_keeps_other_mail_waiting_until_the_reply) {
    open_world(REPLY_LATER);
    FIXTURE_SEND(&world, asker, do_ask, .to = server, .label = 4, .hold = true);
    settle();
    for (int i = 0; i < 3; i++) FIXTURE_SEND(&world, asker, pending);
    settle();
    cr_assert_eq(asked()->items, 0);
    FIXTURE_SEND(&world, server, got);
    settle();
    cr_assert_eq(asked()->got, 77);
    cr_assert_eq(asked()->items, 3);
    fixture_close(&world);
}

Test(dispatch, a_holding_actor_goes_on_after_the_timeout) {
    open_world(REPLY_LATER);
    FIXTURE_SEND(&world, asker, do_ask, .to = server, .label = 4, .hold = true);
    FIXTURE_SEND(&world, asker, pending);
    settle();
    cr_assert_eq(asked()->items, 0);
    pass(100);
    cr_assert_eq(asked()->failed, 1);
    cr_assert_eq(asked()->items, 1);
    fixture_close(&world);
}

Test(dispatch, a_refused_ask_leaves_nothing_pending_and_holds_nothing) {
    open_world(REPLY_NOW);
    world.far_status = TR_EUNREACHABLE;
    FIXTURE_SEND(&world, asker, do_ask, .to = {FIXTURE_FAR, 9, 1}, .label = 4, .hold = true);
    FIXTURE_SEND(&world, server, get); /* replying to nobody */
    cr_assert(fixture_run(&world, asker));
    cr_assert_null(fixture_actor(&world, asker), "its handler returned the refusal: it failed");
    cr_assert_eq(runtime_counters(world.runtime).refused, 1);
    fixture_close(&world);
}

/* ---- versions, unhandled --------------------------------------------------------------------- */

struct new_get {
    char text[8];
    int64_t number;
};
static const tr_record new_get_record = {
    "get", sizeof(struct new_get), _Alignof(struct new_get),
    (const tr_field[]){TR_FIELD(new_get, text), TR_FIELD(new_get, number), {0}}};
struct odd_get {
    char number[8];
};
static const tr_record odd_get_record = {"get", sizeof(struct odd_get), _Alignof(struct odd_get),
                                         (const tr_field[]){TR_FIELD(odd_get, number), {0}}};

Test(dispatch, another_version_of_a_record_is_converted_by_field_name) {
    open_world(REPLY_LATER);
    struct new_get body = {.text = "new", .number = 6};
    cr_assert_eq(fixture_send(&world, server, &new_get_record, &body), TR_OK);
    settle();
    cr_assert_eq(((const struct server *)fixture_actor(&world, server)->state)->last, 6);
    cr_assert_eq(fixture_dead_all(&world), 0);
    fixture_close(&world);
}

Test(dispatch, a_version_whose_field_changed_its_kind_is_a_dead_letter) {
    open_world(REPLY_NOW);
    struct odd_get body = {.number = "six"};
    fixture_send(&world, server, &odd_get_record, &body);
    settle();
    cr_assert_eq(fixture_dead(&world, DEADLETTER_MISMATCH), 1);
    cr_assert_not_null(fixture_actor(&world, server), "the actor lives on");
    fixture_close(&world);
}

Test(dispatch, a_record_without_handler_is_a_counted_dead_letter_with_its_name) {
    open_world(REPLY_NOW);
    FIXTURE_SEND(&world, server, unknown);
    settle();
    struct deadletter letter;
    cr_assert_eq(deadletters_list(world.runtime->deadletters, 0, &letter, 1), 1);
    cr_assert_eq(letter.reason, DEADLETTER_UNHANDLED);
    cr_assert_str_eq(letter.record, "unknown");
    cr_assert(tr_pid_equal(letter.to, server));
    cr_assert_not_null(fixture_actor(&world, server));
    fixture_close(&world);
}

/* ---- the counters of a link (I8) ------------------------------------------------------------- */

Test(dispatch, an_exit_that_asks_for_an_answer_is_counted_as_received_from_its_link) {
    open_world(REPLY_NOW);
    tr_message *stop = message_new(0);
    stop->kind = MESSAGE_STOP;
    stop->flags = MESSAGE_ASK | MESSAGE_EXEMPT;
    stop->from = (tr_pid){FIXTURE_FAR, 3, 1};
    stop->to = server;
    stop->origin = 1;
    stop->origin_session = 1;
    post_arrived(&world.core, &stop);
    settle();
    cr_assert_null(fixture_actor(&world, server));
    cr_assert_eq(recording_received(world.runtime, 1, 1, 5), 1);
    cr_assert_eq(world.far_count, 1, "and answered");
    fixture_close(&world);
}
