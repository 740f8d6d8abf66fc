/* recording_test.c - what goes into a part, once, and when all is red (I6, I7, I8). */
#include "node/recording.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/part_reader.h"
#include "node/part_writer.h"
#include "node/runtime_fixture.h"
#include "node/storage_memory.h"
#include "node/worker.h"

TestSuite(recording, .timeout = 30);

struct add {
    int64_t number;
};
struct spawn {
    char unused;
};
struct hold {
    tr_pid on;
};
struct sum {
    int64_t total;
};
TR_RECORD(add, TR_FIELD(add, number));
TR_RECORD(spawn);
TR_RECORD(hold, TR_FIELD(hold, on));
TR_RECORD(sum, TR_FIELD(sum, total));

static tr_pid child;
static const tr_behavior summer;

static tr_status on_add(tr_actor *self, void *argument, const tr_message *message) {
    const struct add *body = tr_body(message);
    ((struct sum *)argument)->total += body->number;
    return body->number < 0 ? tr_fail(self, "negative") : TR_OK;
}

static tr_status on_spawn(tr_actor *self, void *state, const tr_message *message) {
    (void)state, (void)message;
    return tr_spawn(self, &summer, NULL, &child);
}

/* Asks somebody who never answers. */
static tr_status on_hold(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct hold *body = tr_body(message);
    return tr_ask(self, body->on, TR_ASK(.hold = true), add, .number = 0);
}

static const tr_behavior summer = {
    .name = "summer",
    .version = 1,
    .state = &sum_record,
    .handlers =
        TR_HANDLERS({&add_record, on_add}, {&spawn_record, on_spawn}, {&hold_record, on_hold}),
};

/* ---- one recording --------------------------------------------------------------------------- */

enum { KEPT = 512, BACKLOG = 40 << 20 };

struct seen_actor {
    tr_pid pid;
    int64_t total;
    uint64_t colour;
};
struct seen_message {
    tr_pid to;
    int64_t number;
    uint64_t order;
    bool dead;
};

static struct fixture world;
static storage_memory *disk;
static storage_files files;
static struct storage *storage;
static part_writer *writer;
static bool part_done;
static struct seen_actor seen_actors[KEPT];
static struct seen_message seen_messages[KEPT];
static size_t actor_count, message_count;

static void open_world(void) {
    static const tr_behavior *const offered[] = {&summer, NULL};
    fixture_open(&world, 1, 2, (struct mailbox_limits){50, 100, 1000}, offered);
    disk = storage_memory_new();
    files = storage_memory_files(disk);
    storage = storage_open(&files, NULL, NULL);
    cr_assert(fixture_settle(&world, 100));
}

static void close_world(void) {
    fixture_close(&world);
    storage_close(storage);
    storage_memory_free(disk);
}

static tr_pid spawn(void) {
    tr_pid pid = fixture_spawn(&world, &summer, NULL, NULL);
    cr_assert(fixture_settle(&world, 100));
    return pid;
}

static void note_done(void *context, tr_status status, const part_summary *summary,
                      const tr_error *error) {
    (void)context, (void)summary, (void)error;
    cr_assert_eq(status, TR_OK);
    part_done = true;
}

static void begin(uint64_t epoch) {
    part_header header = {.cluster = "c",
                          .snapshot = "s",
                          .initiator = "here",
                          .node = "here",
                          .epoch = epoch,
                          .space = FIXTURE_SPACE};
    snprintf(header.snapshot, sizeof header.snapshot, "s%" PRIu64, epoch);
    writer = part_writer_open(storage, "/d", &header, note_done, NULL);
    recording_open(world.runtime, epoch, writer);
}

static void sweep(uint64_t epoch) {
    recording_sweep(world.runtime, epoch);
}

/* Sends the token round; false: it does not come back. */
static bool send_token(void) {
    struct recording_walk walk;
    recording_token_begin(world.runtime, &walk);
    while (recording_token_step(world.runtime, &walk)) {
    }
    fixture_settle(&world, 1000);
    return recording_token_done(world.runtime, &walk);
}

static int64_t number_of(const part_reader *reader, uint32_t record, part_value value) {
    if (record == 0) return 0;
    const record_type *type = part_reader_type(reader, record);
    if (strcmp(type->name, "add") != 0 && strcmp(type->name, "sum") != 0) return 0;
    void *body = part_reader_decode(reader, record, value);
    int64_t number = *(const int64_t *)body;
    mem_free(body);
    return number;
}

static int compare_order(const void *a, const void *b) {
    uint64_t x = ((const struct seen_message *)a)->order;
    uint64_t y = ((const struct seen_message *)b)->order;
    return x < y ? -1 : x > y;
}

static void read_part(uint64_t epoch) {
    char path[64];
    snprintf(path, sizeof path, "/d/s%" PRIu64 "/here.part", epoch);
    part_reader *reader;
    tr_error error = {0};
    cr_assert_eq(part_reader_open(&files, path, NULL, NULL, &reader, &error), TR_OK, "%s",
                 error.message);
    actor_count = message_count = 0;
    for (part_item item;;) {
        cr_assert_eq(part_reader_next(reader, &item, &error), TR_OK, "%s", error.message);
        if (item.kind == PART_ITEM_END) break;
        cr_assert(actor_count < KEPT && message_count < KEPT);
        if (item.kind == PART_ITEM_ACTOR)
            seen_actors[actor_count++] = (struct seen_actor){
                item.actor.pid, number_of(reader, item.actor.record, item.actor.state),
                item.actor.colour};
        else
            seen_messages[message_count++] = (struct seen_message){
                item.message.to, number_of(reader, item.message.record, item.message.body),
                item.message.order, item.message.reason.data != NULL};
    }
    part_reader_close(reader);
    /* Each worker writes chunks of its own: in a part only `order` tells which came first. */
    qsort(seen_messages, message_count, sizeof seen_messages[0], compare_order);
}

/* Closes the recording and reads the part back. */
static void finish(uint64_t epoch) {
    recording_close(world.runtime, true);
    uint32_t count = record_table_count(world.runtime->records);
    part_record *records = mem_zalloc(count + 1, sizeof *records);
    for (uint32_t i = 0; i < count; i++) {
        const record_type *type = record_table_at(world.runtime->records, i + 1);
        records[i] =
            (part_record){.id = type->id, .descriptor = {type->descriptor, type->descriptor_bytes}};
    }
    part_writer_finish(writer, records, count, NULL, 0);
    mem_free(records);
    while (!part_done) {
        storage_step(storage);
        storage_poll_completions(storage);
    }
    part_done = false;
    part_writer_unref(writer);
    read_part(epoch);
}

static void abort_it(void) {
    recording_close(world.runtime, false);
    part_writer_abort(writer);
    part_writer_unref(writer);
    while (storage_step(storage)) {
    }
    storage_poll_completions(storage);
}

static const struct seen_actor *recorded(tr_pid pid) {
    const struct seen_actor *found = NULL;
    for (size_t i = 0; i < actor_count; i++) {
        if (!tr_pid_equal(seen_actors[i].pid, pid)) continue;
        cr_assert_null(found, "recorded twice");
        found = &seen_actors[i];
    }
    return found;
}

static int64_t total_of(tr_pid pid) {
    return ((const struct sum *)fixture_actor(&world, pid)->state)->total;
}

/* ---- actors ---------------------------------------------------------------------------------- */

Test(recording, an_idle_actor_is_recorded_in_the_sweep_and_turns) {
    open_world();
    tr_pid pid = spawn();
    FIXTURE_SEND(&world, pid, add, .number = 7);
    cr_assert(fixture_settle(&world, 100));
    begin(5);
    cr_assert_not(recording_all_red(world.runtime, 5));
    sweep(5);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(recording_all_red(world.runtime, 5));
    cr_assert(send_token());
    finish(5);
    cr_assert_eq(recorded(pid)->total, 7);
    cr_assert_eq(recorded(pid)->colour, 0);
    cr_assert_eq(actor_colour(fixture_actor(&world, pid)), 5);
    cr_assert_eq(actor_count, 1, "the services are no actors of a part");
    close_world();
}

Test(recording, an_actor_is_recorded_before_it_handles_anything_after_the_cut) {
    open_world();
    tr_pid pid = spawn();
    begin(5);
    FIXTURE_SEND(&world, pid, add, .number = 7); /* sent by one that is red */
    cr_assert(fixture_settle(&world, 100));
    cr_assert_eq(total_of(pid), 7);
    sweep(5);
    cr_assert(fixture_settle(&world, 100));
    finish(5);
    cr_assert_eq(recorded(pid)->total, 0);
    cr_assert_eq(message_count, 0, "it was sent after the cut");
    close_world();
}

/* ---- messages -------------------------------------------------------------------------------- */

Test(recording, older_messages_that_a_red_actor_meets_are_recorded_once_and_in_order) {
    open_world();
    tr_pid pid = spawn();
    for (int i = 1; i <= 3; i++) FIXTURE_SEND(&world, pid, add, .number = i);
    begin(5);
    for (int i = 4; i <= 5; i++) FIXTURE_SEND(&world, pid, add, .number = i);
    sweep(5);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(send_token());
    finish(5);
    cr_assert_eq(total_of(pid), 15, "the actor notices nothing (I9)");
    cr_assert_eq(recorded(pid)->total, 0);
    cr_assert_eq(message_count, 3);
    for (int i = 0; i < 3; i++) cr_assert_eq(seen_messages[i].number, i + 1);
    close_world();
}

Test(recording, the_token_records_the_older_mail_of_one_that_holds) {
    open_world();
    tr_pid silent = spawn(), pid = spawn();
    FIXTURE_SEND(&world, pid, hold, .on = silent);
    cr_assert(fixture_settle(&world, 100));
    for (int i = 1; i <= 2; i++) FIXTURE_SEND(&world, pid, add, .number = i);
    begin(5);
    sweep(5);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(recording_all_red(world.runtime, 5));
    cr_assert(send_token());
    finish(5);
    cr_assert_eq(message_count, 2);
    cr_assert_eq(seen_messages[0].number, 1);
    cr_assert_eq(seen_messages[1].number, 2);
    close_world();
}

/* ---- the token that waits -------------------------------------------------------------------- */

enum { MUCH = 250, TURN = 100 };

/* Sends the token, or spurs those who let it wait, without running anybody. */
static struct recording_walk walk_token(bool hurries) {
    struct recording_walk walk;
    if (hurries)
        recording_token_hurry(world.runtime, &walk);
    else
        recording_token_begin(world.runtime, &walk);
    while (recording_token_step(world.runtime, &walk)) {
    }
    return walk;
}

static bool token_done(void) {
    return recording_token_done(world.runtime, &(struct recording_walk){0});
}

/* An actor with much older mail, of which a first turn has handled some, and newer behind it. */
static tr_pid turned_with_much_mail(void) {
    tr_pid pid = spawn();
    for (int i = 1; i <= MUCH; i++) FIXTURE_SEND(&world, pid, add, .number = i);
    begin(5);
    sweep(5);
    cr_assert(fixture_run(&world, pid));
    for (int i = 1; i <= TURN; i++) FIXTURE_SEND(&world, pid, add, .number = 1000 + i);
    return pid;
}

static void expect_all_once_in_order(void) {
    cr_assert_eq(message_count, MUCH);
    for (int i = 0; i < MUCH; i++) cr_assert_eq(seen_messages[i].number, i + 1);
}

Test(recording, much_older_mail_is_recorded_as_it_is_handled_and_the_token_waits) {
    open_world();
    tr_pid pid = turned_with_much_mail();
    walk_token(false);
    cr_assert(fixture_run(&world, pid));
    cr_assert_not(token_done(), "50 older messages have not been handled");
    /* What comes now is not waited for. */
    for (int i = 1; i <= 4 * TURN; i++) FIXTURE_SEND(&world, pid, add, .number = 2000);
    cr_assert(fixture_run(&world, pid));
    cr_assert(fixture_run(&world, pid));
    cr_assert(token_done());
    finish(5);
    expect_all_once_in_order();
    close_world();
}

Test(recording, a_token_in_a_hurry_records_what_is_left) {
    open_world();
    tr_pid pid = turned_with_much_mail();
    walk_token(false);
    cr_assert(fixture_run(&world, pid));
    walk_token(true);
    cr_assert_not(token_done());
    cr_assert(fixture_run(&world, pid));
    cr_assert(token_done());
    finish(5);
    expect_all_once_in_order();
    close_world();
}

/* Both before the actor runs again: none of the two is lost. */
Test(recording, a_token_and_its_hurry_may_be_met_at_once) {
    open_world();
    tr_pid pid = turned_with_much_mail();
    walk_token(false);
    walk_token(true);
    cr_assert(fixture_run(&world, pid));
    cr_assert(token_done());
    finish(5);
    expect_all_once_in_order();
    close_world();
}

Test(recording, hurry_is_nothing_to_those_who_let_no_token_wait) {
    open_world();
    tr_pid pid = spawn();
    begin(5);
    FIXTURE_SEND(&world, pid, add, .number = 1);
    walk_token(true);
    cr_assert(token_done());
    cr_assert(fixture_settle(&world, 100));
    cr_assert(token_done());
    cr_assert_eq(total_of(pid), 1);
    abort_it();
    close_world();
}

Test(recording, the_token_waits_for_one_that_is_muted_until_it_hurries) {
    open_world();
    tr_pid pid = spawn();
    tr_actor *actor = fixture_actor(&world, pid);
    atomic_store(&actor->mutes, 1);
    for (int i = 1; i <= MUCH; i++) FIXTURE_SEND(&world, pid, add, .number = i);
    begin(5);
    sweep(5);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(recording_all_red(world.runtime, 5));
    cr_assert_not(send_token());
    walk_token(true);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(token_done());
    finish(5);
    expect_all_once_in_order();
    atomic_store(&actor->mutes, 0);
    actor_wake(NULL, actor);
    cr_assert(fixture_settle(&world, 100));
    cr_assert_eq(total_of(pid), MUCH * (MUCH + 1) / 2);
    close_world();
}

Test(recording, little_mail_of_one_that_is_muted_is_not_waited_for) {
    open_world();
    tr_pid pid = spawn();
    atomic_store(&fixture_actor(&world, pid)->mutes, 1);
    for (int i = 1; i <= 50; i++) FIXTURE_SEND(&world, pid, add, .number = i);
    begin(5);
    sweep(5);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(send_token());
    finish(5);
    cr_assert_eq(message_count, 50);
    close_world();
}

Test(recording, who_ends_answers_the_token_that_waits_there) {
    open_world();
    tr_pid pid = turned_with_much_mail();
    walk_token(false);
    cr_assert(fixture_run(&world, pid));
    cr_assert_not(token_done());
    actor_signal(fixture_actor(&world, pid), SIGNAL_KILL);
    cr_assert(fixture_run(&world, pid));
    cr_assert(token_done());
    finish(5);
    expect_all_once_in_order();
    cr_assert(seen_messages[MUCH - 1].dead && !seen_messages[2 * TURN - 1].dead);
    close_world();
}

/* A muted actor handles an exit all the same: the one that the token waited for is gone then, and
 * what stood before it is waited for. */
Test(recording, the_token_waits_for_what_came_before_a_message_that_is_handled_early) {
    open_world();
    tr_pid pid = spawn();
    tr_actor *actor = fixture_actor(&world, pid);
    atomic_store(&actor->mutes, 1);
    for (int i = 1; i <= MUCH; i++) FIXTURE_SEND(&world, pid, add, .number = i);
    tr_message *ask = message_new(0); /* of the control side: it is told, and nothing ends */
    ask->kind = MESSAGE_INSPECT;
    ask->to = pid;
    begin(5);
    sweep(5);
    cr_assert(fixture_settle(&world, 100));
    uint32_t waiting;
    cr_assert_eq(mailbox_push(&actor->box, &ask, UINT32_MAX, &waiting), MAILBOX_WOKE);
    walk_token(false);
    runtime_schedule(world.runtime, NULL, actor);
    cr_assert(fixture_settle(&world, 100));
    cr_assert_not(token_done());
    atomic_store(&actor->mutes, 0);
    actor_wake(NULL, actor);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(token_done());
    finish(5);
    expect_all_once_in_order();
    close_world();
}

Test(recording, a_token_that_waits_since_an_aborted_recording_is_answered_with_the_next) {
    open_world();
    tr_pid pid = turned_with_much_mail();
    walk_token(false);
    cr_assert(fixture_run(&world, pid));
    abort_it();
    begin(6);
    sweep(6);
    walk_token(false);
    cr_assert_not(token_done());
    cr_assert(fixture_settle(&world, 100));
    cr_assert(token_done());
    finish(6);
    cr_assert_eq(message_count, 150, "what was older than the first is older than the next");
    for (int i = 0; i < 50; i++) cr_assert_eq(seen_messages[i].number, 201 + i);
    for (int i = 0; i < TURN; i++) cr_assert_eq(seen_messages[50 + i].number, 1001 + i);
    close_world();
}

Test(recording, an_older_message_that_ends_as_a_dead_letter_is_recorded_with_its_reason) {
    open_world();
    tr_pid pid = spawn();
    FIXTURE_SEND(&world, pid, add, .number = -1);
    FIXTURE_SEND(&world, pid, add, .number = 8);
    begin(5);
    sweep(5);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(recording_all_red(world.runtime, 5));
    finish(5);
    cr_assert_null(fixture_actor(&world, pid));
    cr_assert_eq(message_count, 2);
    cr_assert(seen_messages[0].number == -1 && !seen_messages[0].dead);
    cr_assert(seen_messages[1].number == 8 && seen_messages[1].dead);
    close_world();
}

Test(recording, older_mail_of_a_port_is_recorded_by_the_token) {
    open_world();
    tr_port *port;
    cr_assert_eq(port_open(world.runtime, NULL, NULL, &port), TR_OK);
    FIXTURE_SEND(&world, tr_port_pid(port), add, .number = 4);
    begin(5);
    sweep(5);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(send_token());
    message_free(port_take(port));
    finish(5);
    cr_assert_eq(message_count, 1, "by the token, and not again when it was taken");
    cr_assert_eq(seen_messages[0].number, 4);
    tr_port_close(port);
    close_world();
}

/* ---- all red --------------------------------------------------------------------------------- */

Test(recording, all_is_not_red_while_a_child_of_an_older_parent_is_not) {
    open_world();
    tr_pid parent = spawn();
    FIXTURE_SEND(&world, parent, spawn);
    cr_assert_eq(actor_colour(fixture_actor(&world, parent)), 0);
    struct actor_birth birth = {.behavior = behaviors_find(&world.runtime->behaviors, "summer"),
                                .colour = 0};
    begin(5);
    sweep(5);
    tr_actor *late;
    cr_assert_eq(actor_spawn(world.runtime->workers[1], &birth, &late), TR_OK);
    tr_pid pid = actor_pid(late);
    for (int i = 0; i < 100 && actor_colour(late) < 5; i++) {
        cr_assert_not(recording_all_red(world.runtime, 5), "an older actor lives");
        worker_step(world.runtime->workers[0], true);
    }
    cr_assert(fixture_settle(&world, 100));
    cr_assert(recording_all_red(world.runtime, 5));
    cr_assert(send_token());
    finish(5);
    cr_assert_not_null(recorded(pid), "born inside the cut");
    cr_assert_null(recorded(child), "born of a parent that had turned");
    close_world();
}

Test(recording, who_dies_older_is_red_as_well) {
    open_world();
    tr_pid pid = spawn();
    begin(5);
    sweep(5);
    tr_actor *ending = fixture_actor(&world, pid);
    atomic_store(&ending->signals, SIGNAL_KILL);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(recording_all_red(world.runtime, 5));
    uint64_t red, total;
    recording_census(world.runtime, 5, &red, &total);
    cr_assert_eq(red, total);
    abort_it();
    close_world();
}

/* ---- aborts ---------------------------------------------------------------------------------- */

/* E moves while a handler runs that ends its actor, and a message of the new colour comes in from a
 * peer meanwhile: it was sent outside, so it must not count as received inside (I6, I8). */
Test(recording, what_is_newer_than_an_actor_that_ends_dies_outside) {
    open_world();
    tr_pid pid = spawn();
    tr_actor *actor = fixture_actor(&world, pid);
    const record_type *type;
    tr_message *mail;
    cr_assert_eq(record_table_intern(world.runtime->records, &add_record, &type, NULL), TR_OK);
    cr_assert_eq(message_of(type, &(struct add){.number = 1}, UINT32_MAX, &mail), TR_OK);
    recording_move_epoch(world.runtime, 8);
    mail->from = (tr_pid){FIXTURE_FAR, 5, 1};
    mail->to = pid;
    mail->serial = 1;
    mail->flags = MESSAGE_ASK;
    mail->colour = 8;
    mail->origin = 3;
    mail->origin_session = 2;
    deadletter_drop(&world.core, actor, &mail, DEADLETTER_ENDED); /* as its end does */
    cr_assert_eq(actor_colour(actor), 0);
    cr_assert_eq(recording_received(world.runtime, 3, 2, 8), 0);
    cr_assert_eq(recording_received(world.runtime, 3, 2, 9), 1);
    cr_assert_eq(world.far_count, 1);
    cr_assert_eq(world.far[0]->colour, 8, "the answer comes from outside as well");
    close_world();
}

Test(recording, after_an_abort_the_next_recording_is_complete) {
    open_world();
    tr_pid pid = spawn();
    FIXTURE_SEND(&world, pid, add, .number = 1);
    begin(5);
    sweep(5);
    cr_assert(fixture_run(&world, pid));
    abort_it();
    FIXTURE_SEND(&world, pid, add, .number = 2);
    begin(6);
    sweep(6);
    cr_assert(fixture_settle(&world, 100));
    cr_assert(recording_all_red(world.runtime, 6));
    cr_assert(send_token());
    finish(6);
    cr_assert_eq(recorded(pid)->total, 1);
    cr_assert_eq(message_count, 1);
    cr_assert_eq(seen_messages[0].number, 2);
    close_world();
}

Test(recording, a_token_of_an_aborted_recording_does_not_spoil_the_next) {
    open_world();
    tr_pid one = spawn(), other = spawn();
    begin(5);
    sweep(5);
    cr_assert(fixture_settle(&world, 100));
    FIXTURE_SEND(&world, one, add, .number = 1); /* with mail: the idle have nothing to look for */
    FIXTURE_SEND(&world, other, add, .number = 1);
    struct recording_walk walk;
    recording_token_begin(world.runtime, &walk);
    while (recording_token_step(world.runtime, &walk)) {
    }
    abort_it(); /* the tokens are under way still */
    begin(6);
    struct recording_walk next;
    recording_token_begin(world.runtime, &next);
    worker_step(world.runtime->workers[0], true); /* one answers that of the first */
    FIXTURE_SEND(&world, one, add, .number = 2);
    FIXTURE_SEND(&world, other, add, .number = 2);
    while (recording_token_step(world.runtime, &next)) {
    }
    cr_assert_not(recording_token_done(world.runtime, &next));
    cr_assert(fixture_settle(&world, 100));
    cr_assert(recording_token_done(world.runtime, &next));
    abort_it();
    close_world();
}

/* ---- the sweep ---------------------------------------------------------------------------------
 */

/* Else a million of them would stand before whoever is waiting. */
Test(recording, the_idle_turn_without_standing_in_a_run_queue) {
    open_world();
    for (int i = 0; i < 200; i++) spawn();
    begin(5);
    sweep(5);
    for (int i = 0; i < 100 && sweep_is_active(&world.runtime->sweep); i++) {
        cr_assert(worker_step(world.runtime->workers[i % 2], true));
        for (int j = 0; j < 2; j++)
            cr_assert_eq(run_queue_count(&world.runtime->workers[j]->queue), 0);
    }
    cr_assert_not(sweep_is_active(&world.runtime->sweep));
    cr_assert(recording_all_red(world.runtime, 5));
    abort_it();
    close_world();
}

Test(recording, a_busy_worker_turns_few_between_two_actors) {
    open_world();
    tr_pid pid = {0, 0, 0};
    for (int i = 0; i < 40; i++) pid = spawn();
    FIXTURE_SEND(&world, pid, add, .number = 3);
    begin(5);
    sweep(5);
    struct worker *only = world.runtime->workers[0];
    for (int i = 0; i < 3 && total_of(pid) == 0; i++) worker_step(only, true);
    cr_assert_eq(total_of(pid), 3, "it does not wait for the sweep");
    cr_assert(sweep_is_active(&world.runtime->sweep));
    cr_assert(fixture_settle(&world, 1000));
    cr_assert(recording_all_red(world.runtime, 5));
    abort_it();
    close_world();
}

/* What the idle add to the memory in use is bounded, however slow the disk is. */
Test(recording, the_sweep_waits_for_a_disk_that_is_far_behind) {
    open_world();
    for (int i = 0; i < 200; i++) spawn();
    begin(5);
    part_chunk behind = {0};
    memset(buffer_reserve(&behind.buffer, BACKLOG), 0xc0, BACKLOG); /* nil, as often */
    behind.buffer.bytes = BACKLOG;
    part_writer_append(writer, &behind);
    sweep(5);
    cr_assert(fixture_settle(&world, 1000));
    cr_assert(sweep_is_active(&world.runtime->sweep));
    cr_assert_not(recording_all_red(world.runtime, 5));
    sweep_resume(world.runtime);
    cr_assert(fixture_settle(&world, 1000));
    cr_assert(sweep_is_active(&world.runtime->sweep), "nothing was written yet");
    while (storage_step(storage)) {
    }
    storage_poll_completions(storage);
    sweep_resume(world.runtime);
    cr_assert(fixture_settle(&world, 1000));
    cr_assert(recording_all_red(world.runtime, 5));
    abort_it();
    close_world();
}

Test(recording, a_sweep_that_is_given_up_leaves_no_slice_behind) {
    open_world();
    for (int i = 0; i < 200; i++) spawn();
    begin(5);
    sweep(5);
    worker_step(world.runtime->workers[0], true);
    sweep_end(world.runtime);
    abort_it();
    cr_assert(fixture_settle(&world, 1000));
    cr_assert_not(recording_all_red(world.runtime, 5), "the rest turns with its next message");
    begin(6);
    sweep(6);
    cr_assert(fixture_settle(&world, 1000));
    cr_assert(recording_all_red(world.runtime, 6));
    abort_it();
    close_world();
}
