/* unborn_test.c - messages that wait for a birth: order, bounds, time, the end of a lease. */
#include "node/unborn.h"

#include <criterion/criterion.h>

#include "node/runtime_fixture.h"

TestSuite(unborn, .timeout = 60);

enum { PEER = 4 };

struct note {
    uint32_t number;
};
TR_RECORD(note, TR_FIELD(note, number));
struct heard {
    uint32_t count, last, unordered;
};
TR_RECORD(heard, TR_FIELD(heard, count), TR_FIELD(heard, last), TR_FIELD(heard, unordered));

static tr_status on_note(tr_actor *self, void *state, const tr_message *message) {
    (void)self;
    struct heard *heard = state;
    const struct note *note = tr_body(message);
    heard->unordered += note->number <= heard->last;
    heard->last = note->number;
    heard->count++;
    return TR_OK;
}

static const tr_behavior listener = {.name = "listener",
                                     .version = 1,
                                     .state = &heard_record,
                                     .handlers = TR_HANDLERS({&note_record, on_note})};

static struct fixture world;
static tr_pid child;

static void open_world(void) {
    static const tr_behavior *const offered[] = {&listener, NULL};
    fixture_open(&world, 1, 1, (struct mailbox_limits){500, 1000, 16000}, offered);
    cr_assert(fixture_settle(&world, 100));
    struct slot_head head = unborn_lease(&world.core, PEER);
    child = (tr_pid){FIXTURE_SPACE, head.slot, head.generation};
}

static void send_notes(tr_pid to, uint32_t first, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        cr_assert_eq(FIXTURE_SEND(&world, to, note, .number = first + i), TR_OK);
}

static void bear(void) {
    struct actor_birth birth = {.behavior = behaviors_of(&world.runtime->behaviors, &listener),
                                .colour = runtime_epoch(world.runtime)};
    cr_assert_eq(actor_spawn_leased(&world.core, &birth, child), TR_OK);
}

static const struct heard *state_of_child(void) {
    return fixture_actor(&world, child)->state;
}

/* I2: what came before the birth is handled before what comes after it. */
Test(unborn, what_waited_is_filed_in_order_before_anything_later) {
    open_world();
    send_notes(child, 1, 20);
    cr_assert_eq(unborn_waiting(world.runtime), 20);
    cr_assert_null(fixture_actor(&world, child));
    bear();
    cr_assert_eq(mailbox_count(&fixture_actor(&world, child)->box), 20);
    send_notes(child, 21, 20);
    cr_assert(fixture_settle(&world, 1000));
    cr_assert(state_of_child()->count == 40 && state_of_child()->unordered == 0);
    cr_assert_eq(unborn_waiting(world.runtime), 0);
    cr_assert_eq(fixture_dead_all(&world), 0);
    fixture_close(&world);
}

Test(unborn, one_for_whom_nothing_waits_sleeps_until_its_first_message) {
    open_world();
    bear();
    cr_assert(!worker_has_work(world.runtime->workers[0], true));
    cr_assert(!unborn_is_leased(world.runtime, child, PEER));
    send_notes(child, 1, 1);
    cr_assert(fixture_settle(&world, 100));
    cr_assert_eq(state_of_child()->count, 1);
    fixture_close(&world);
}

Test(unborn, only_the_leased_pair_waits) {
    open_world();
    tr_pid next = {child.space, child.slot, child.generation + 1};
    send_notes(next, 1, 1);
    next = (tr_pid){child.space, child.slot + 1, 1};
    send_notes(next, 1, 1);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_NOBODY), 2);
    cr_assert(unborn_is_leased(world.runtime, child, PEER));
    cr_assert(!unborn_is_leased(world.runtime, child, PEER + 1));
    cr_assert(!unborn_is_leased(world.runtime, next, PEER));
    fixture_close(&world);
}

Test(unborn, more_than_the_bound_of_one_birth_is_dead_and_the_rest_is_kept) {
    open_world();
    send_notes(child, 1, UNBORN_MESSAGES_MAX + 5);
    cr_assert_eq(unborn_waiting(world.runtime), UNBORN_MESSAGES_MAX);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_UNBORN_FULL), 5);
    bear();
    cr_assert(fixture_settle(&world, 10000));
    cr_assert_eq(state_of_child()->count, UNBORN_MESSAGES_MAX);
    fixture_close(&world);
}

Test(unborn, all_births_of_a_node_have_one_bound_together) {
    open_world();
    uint32_t slots = UNBORN_ALL_MESSAGES_MAX / UNBORN_MESSAGES_MAX + 1;
    for (uint32_t i = 0; i < slots; i++) {
        struct slot_head head = unborn_lease(&world.core, PEER);
        send_notes((tr_pid){FIXTURE_SPACE, head.slot, head.generation}, 1, UNBORN_MESSAGES_MAX);
    }
    cr_assert_eq(unborn_waiting(world.runtime), UNBORN_ALL_MESSAGES_MAX);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_UNBORN_FULL),
                 slots * UNBORN_MESSAGES_MAX - UNBORN_ALL_MESSAGES_MAX);
    fixture_close(&world);
}

Test(unborn, what_waits_too_long_is_dead_and_the_birth_may_still_come) {
    open_world();
    send_notes(child, 1, 3);
    uint64_t due = world.now_ns + UNBORN_WAIT_MS * 1000000ull;
    cr_assert_eq(unborn_expire(&world.core, world.now_ns), due);
    cr_assert_eq(fixture_dead_all(&world), 0);
    world.now_ns = due;
    cr_assert_eq(unborn_expire(&world.core, due), UINT64_MAX);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_UNBORN_LATE), 3);
    cr_assert(unborn_is_leased(world.runtime, child, PEER));
    bear();
    send_notes(child, 4, 1);
    cr_assert(fixture_settle(&world, 100));
    cr_assert_eq(state_of_child()->count, 1);
    fixture_close(&world);
}

Test(unborn, the_end_of_a_session_ends_its_leases_and_what_waited) {
    open_world();
    struct slot_head foreign = unborn_lease(&world.core, PEER + 1);
    tr_pid kept = {FIXTURE_SPACE, foreign.slot, foreign.generation};
    send_notes(child, 1, 3);
    send_notes(kept, 1, 2);
    unborn_end(&world.core, PEER);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_UNBORN_SESSION), 3);
    cr_assert(!unborn_is_leased(world.runtime, child, PEER));
    cr_assert(unborn_is_leased(world.runtime, kept, PEER + 1));
    cr_assert_eq(unborn_waiting(world.runtime), 2);
    send_notes(child, 4, 1);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_NOBODY), 1);
    /* The slot comes back, the pid does not. */
    for (int i = 0; i < 3 * SLOTS_CACHE; i++) {
        struct slot_head head = slots_take(&world.runtime->slots, &world.core.slots);
        cr_assert(head.slot != child.slot || head.generation > child.generation);
    }
    fixture_close(&world);
}

Test(unborn, a_spawn_that_fails_takes_what_waited_with_it) {
    open_world();
    send_notes(child, 1, 2);
    unborn_drop(&world.core, child, DEADLETTER_UNBORN_FAILED);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_UNBORN_FAILED), 2);
    send_notes(child, 3, 1);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_NOBODY), 1);
    fixture_close(&world);
}

/* An actor that was never born has asked nobody. */
Test(unborn, replies_do_not_wait) {
    open_world();
    tr_message *item = message_new(0);
    item->flags = MESSAGE_REPLY;
    item->to = child;
    cr_assert_eq(post_message(&world.core, NULL, &item), TR_OK);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_NOBODY), 1);
    fixture_close(&world);
}
