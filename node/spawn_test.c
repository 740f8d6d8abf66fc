/* spawn_test.c - spawns without a round trip, at the spawner and at the node that bears. */
#include "node/spawn.h"

#include <criterion/criterion.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/record_codec.h"
#include "node/runtime_fixture.h"
#include "node/unborn.h"

TestSuite(spawn, .timeout = 30);

enum { PEER = 2, SESSION = 6 };

struct seed {
    int32_t size;
};
TR_RECORD(seed, TR_FIELD(seed, size));
struct begin {
    char unused;
};
TR_RECORD(begin);
struct outcome {
    int32_t status;
    uint32_t calls;
    tr_pid pid, told;
};
TR_RECORD(outcome, TR_FIELD(outcome, status), TR_FIELD(outcome, calls), TR_FIELD(outcome, pid),
          TR_FIELD(outcome, told));

static tr_status fail_init(tr_actor *self, void *state) {
    (void)state;
    return tr_fail(self, "not today");
}

static const tr_behavior plant = {.name = "plant", .version = 1, .state = &seed_record};
static const tr_behavior weed = {
    .name = "weed", .version = 1, .state = &seed_record, .init = fail_init};

static tr_status on_begin(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct outcome *outcome = state;
    struct seed seed = {.size = 7};
    outcome->status =
        tr_spawn(self, &plant, TR_SPAWN(.node = "far", .state = &seed), &outcome->pid);
    outcome->calls++;
    return TR_OK;
}

static tr_status on_told(tr_actor *self, void *state, const tr_message *message) {
    (void)self;
    struct outcome *outcome = state;
    const struct tr_spawned *spawned = tr_body(message);
    outcome->status = spawned->status;
    outcome->told = spawned->pid;
    return TR_OK;
}

static const tr_behavior untold = {.name = "untold",
                                   .version = 1,
                                   .state = &outcome_record,
                                   .handlers = TR_HANDLERS({&begin_record, on_begin})};
static const tr_behavior told = {
    .name = "told",
    .version = 1,
    .state = &outcome_record,
    .handlers = TR_HANDLERS({&begin_record, on_begin}, {&tr_spawned_record, on_told})};

static struct fixture world;

static void open_world(void) {
    static const tr_behavior *const offered[] = {&plant, &weed, &untold, &told, NULL};
    fixture_open(&world, 1, 1, (struct mailbox_limits){500, 1000, 16000}, offered);
    cr_assert(fixture_settle(&world, 100));
}

/* ---- the spawner ----------------------------------------------------------------------------- */

static const struct outcome *spawn_by(const tr_behavior *spawner, tr_pid *pid_out) {
    *pid_out = fixture_spawn(&world, spawner, NULL, NULL);
    cr_assert_eq(FIXTURE_SEND(&world, *pid_out, begin, .unused = 0), TR_OK);
    cr_assert(fixture_settle(&world, 100));
    return fixture_actor(&world, *pid_out)->state;
}

Test(spawn, a_spawner_knows_the_pid_at_once_and_sends_one_message) {
    open_world();
    tr_pid spawner;
    const struct outcome *outcome = spawn_by(&untold, &spawner);
    cr_assert_eq(outcome->status, TR_OK);
    cr_assert(tr_pid_equal(outcome->pid, (tr_pid){FIXTURE_FAR, FIXTURE_KEPT + 1, 1}));
    cr_assert_eq(world.far_count, 1);
    const tr_message *item = world.far[0];
    cr_assert(item->kind == MESSAGE_SPAWN && item->flags == 0 && item->reference == 1);
    cr_assert_eq(item->origin_session, 3, "the link checks the session of the lease");
    cr_assert(!message_is_exempt(item), "a flood of spawns meets the marks of the send queue");
    cr_assert_eq(((const struct seed *)tr_body(item))->size, 7);
    cr_assert(world.hold_waits);
    cr_assert_null(fixture_actor(&world, spawner)->extra, "nothing is pending");
    fixture_close(&world);
}

Test(spawn, one_with_a_handler_is_told_of_success_and_failure_with_the_pid) {
    open_world();
    tr_pid spawner;
    const struct outcome *outcome = spawn_by(&told, &spawner);
    cr_assert(world.far[0]->flags == MESSAGE_ASK && !world.hold_waits);
    world.far[0]->origin = PEER; /* as if the link gave it back */
    deadletter_drop(&world.core, NULL, &world.far[0], DEADLETTER_SESSION);
    world.far_count = 0;
    cr_assert(fixture_settle(&world, 100));
    cr_assert_eq(outcome->status, TR_EUNREACHABLE);
    cr_assert(tr_pid_equal(outcome->told, outcome->pid));
    fixture_close(&world);
}

Test(spawn, without_a_slot_one_is_refused_and_the_other_asks) {
    open_world();
    world.hold_status = TR_EFULL;
    tr_pid spawner;
    cr_assert_eq(spawn_by(&untold, &spawner)->status, TR_EFULL);
    cr_assert_eq(world.far_count, 0);
    const struct outcome *outcome = spawn_by(&told, &spawner);
    cr_assert_eq(outcome->status, TR_OK);
    cr_assert(tr_pid_is_none(outcome->pid), "the pid comes with tr_spawned");
    cr_assert_eq(world.far_count, 1);
    cr_assert_str_eq(tr_record_name(world.far[0]), "spawn_request");
    fixture_close(&world);
}

Test(spawn, a_slot_that_nothing_was_sent_to_is_given_back) {
    open_world();
    world.far_status = TR_EFULL;
    tr_pid spawner;
    cr_assert_eq(spawn_by(&untold, &spawner)->status, TR_EFULL);
    cr_assert_eq(world.returned, 1);
    fixture_close(&world);
}

Test(spawn, one_that_the_link_loses_is_counted_unless_its_spawner_is_told) {
    open_world();
    tr_pid spawner;
    spawn_by(&untold, &spawner);
    deadletter_drop(&world.core, NULL, &world.far[0], DEADLETTER_SESSION);
    world.far_count = 0;
    cr_assert_eq(runtime_counters(world.runtime).unspawned, 1);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_SESSION), 1);
    fixture_close(&world);
}

/* Word of a failure, to a spawner without a handler for it. */
Test(spawn, a_failure_told_to_one_without_a_handler_is_counted_and_no_dead_letter) {
    open_world();
    tr_pid spawner;
    spawn_by(&untold, &spawner);
    struct tr_spawned failed = {.status = TR_ENOENT, .pid = {FIXTURE_FAR, FIXTURE_KEPT + 1, 1}};
    tr_message *item;
    cr_assert_eq(message_of(world.runtime->spawned, &failed, UINT32_MAX, &item), TR_OK);
    item->to = spawner;
    post_system(&world.core, NULL, &item);
    cr_assert(fixture_settle(&world, 100));
    cr_assert_eq(runtime_counters(world.runtime).unspawned, 1);
    cr_assert_eq(fixture_dead_all(&world), 0);
    cr_assert_not_null(fixture_actor(&world, spawner), "it is no failure of the spawner's");
    fixture_close(&world);
}

/* ---- the node that bears --------------------------------------------------------------------- */

static tr_pid lease(void) {
    struct slot_head head = unborn_lease(&world.core, PEER);
    return (tr_pid){FIXTURE_SPACE, head.slot, head.generation};
}

static void hear(const char *behavior) {
    struct mould mould = {{0}, {0, 0, 0, 0}};
    snprintf(mould.name, sizeof mould.name, "%s", behavior);
    mem_free((void *)(uintptr_t)world.heard);
    world.heard = mould_hear(world.runtime, &mould);
}

static void close_world(void) {
    mem_free((void *)(uintptr_t)world.heard);
    fixture_close(&world);
}

/* A spawn as a link brings it. */
static void arrive(tr_pid to, unsigned flags, uint64_t colour) {
    struct seed seed = {.size = 5};
    const record_type *type;
    tr_message *item;
    cr_assert_eq(record_table_intern(world.runtime->records, &seed_record, &type, NULL), TR_OK);
    cr_assert_eq(message_of(type, &seed, UINT32_MAX, &item), TR_OK);
    item->kind = MESSAGE_SPAWN;
    item->flags = (uint8_t)flags;
    item->from = (tr_pid){FIXTURE_FAR, 9, 1};
    item->to = to;
    item->serial = 40;
    item->reference = 1;
    item->colour = colour;
    item->origin = PEER;
    item->origin_session = SESSION;
    post_arrived(&world.core, &item);
    cr_assert(fixture_settle(&world, 100));
}

static const struct tr_spawned *told_far(size_t at, unsigned flags, uint64_t reference) {
    cr_assert_eq(world.far_count, at + 1);
    const tr_message *item = world.far[at];
    cr_assert_str_eq(tr_record_name(item), "tr_spawned");
    cr_assert(item->flags == flags && item->reference == reference);
    cr_assert(tr_pid_equal(item->to, (tr_pid){FIXTURE_FAR, 9, 1}));
    return tr_body(item);
}

Test(spawn, an_arrival_is_born_with_its_state_and_without_a_word) {
    open_world();
    hear("plant");
    tr_pid pid = lease();
    arrive(pid, 0, 0);
    const tr_actor *child = fixture_actor(&world, pid);
    cr_assert_not_null(child);
    cr_assert_eq(((const struct seed *)child->state)->size, 5);
    cr_assert_eq(world.far_count, 0);
    cr_assert_eq(recording_received(world.runtime, PEER, SESSION, 1), 1, "counted once (I8)");
    close_world();
}

Test(spawn, one_that_asks_is_answered_by_the_child) {
    open_world();
    hear("plant");
    tr_pid pid = lease();
    arrive(pid, MESSAGE_ASK, 0);
    const struct tr_spawned *spawned = told_far(0, MESSAGE_REPLY, 40);
    cr_assert(spawned->status == TR_OK && tr_pid_equal(spawned->pid, pid));
    cr_assert(tr_pid_equal(world.far[0]->from, pid));
    close_world();
}

Test(spawn, a_failure_is_told_to_those_who_ask_and_to_those_who_do_not) {
    open_world();
    const char *const names[] = {"nothing", "weed", "troupe.namer"};
    const int32_t codes[] = {TR_ENOENT, TR_EFAILED, TR_ENOENT};
    for (size_t i = 0; i < 3; i++) {
        hear(names[i]);
        tr_pid pid = lease();
        arrive(pid, 0, 0);
        const struct tr_spawned *spawned = told_far(2 * i, MESSAGE_EXEMPT, 0);
        cr_assert(spawned->status == codes[i] && tr_pid_equal(spawned->pid, pid));
        cr_assert_not_null(strstr(spawned->reason, names[i]), "%s", spawned->reason);
        cr_assert_null(fixture_actor(&world, pid));
        cr_assert(!unborn_is_leased(world.runtime, pid, PEER));
        arrive(lease(), MESSAGE_ASK, 0);
        cr_assert((world.far[2 * i + 1]->flags & MESSAGE_REPLY) != 0);
        cr_assert_eq(((const struct tr_spawned *)tr_body(world.far[2 * i + 1]))->status, codes[i]);
    }
    cr_assert_eq(fixture_dead_all(&world), 0);
    close_world();
}

Test(spawn, a_closing_node_bears_nobody) {
    open_world();
    hear("plant");
    atomic_store(&world.runtime->draining, true);
    arrive(lease(), 0, 0);
    cr_assert_eq(told_far(0, MESSAGE_EXEMPT, 0)->status, TR_ECLOSED);
    close_world();
}

Test(spawn, into_a_slot_that_is_not_leased_it_is_a_dead_letter) {
    open_world();
    hear("plant");
    tr_pid pid = lease();
    arrive(pid, 0, 0);
    arrive(pid, 0, 0);
    arrive((tr_pid){FIXTURE_SPACE, 77777, 1}, 0, 0);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_NO_LEASE), 2);
    close_world();
}

/* The core is red from the instant in which E moves, so its children are. */
Test(spawn, a_child_has_the_colour_of_its_node_not_of_its_spawner) {
    open_world();
    hear("plant");
    recording_move_epoch(world.runtime, 5 << 16);
    cr_assert(fixture_settle(&world, 100));
    tr_pid pid = lease();
    arrive(pid, 0, 1 << 16);
    cr_assert_eq(actor_colour(fixture_actor(&world, pid)), 5 << 16);
    cr_assert_eq(recording_received(world.runtime, PEER, SESSION, 5 << 16), 0);
    close_world();
}
