/* actor_test.c - births, turns and ends of actors, and their timers. */
#include "node/actor.h"

#include <criterion/criterion.h>

#include "node/runtime_fixture.h"

TestSuite(actor, .timeout = 30);

struct poke {
    int64_t number;
};
struct order {
    int64_t kind;
    tr_pid to;
    int64_t ms;
};
struct probe {
    int64_t pokes, last, orders, fail_init, kept_timer, cancel_status;
    tr_pid heir; /* told at the end */
    tr_text note;
};
TR_RECORD(poke, TR_FIELD(poke, number));
TR_RECORD(order, TR_FIELD(order, kind), TR_FIELD(order, to), TR_FIELD(order, ms));
TR_RECORD(probe, TR_FIELD(probe, pokes), TR_FIELD(probe, last), TR_FIELD(probe, orders),
          TR_FIELD(probe, fail_init), TR_FIELD(probe, kept_timer), TR_FIELD(probe, cancel_status),
          TR_FIELD(probe, heir), TR_FIELD(probe, note));

enum { FAIL = 1, EXIT, STOP, SPAWN, SET_TIMER, CANCEL_TIMER, SET_NOTE, SET_UNHANDLED_TIMER };

static int stops, stop_reason;
static tr_pid spawned;
static const tr_behavior probe_behavior;

static tr_status on_poke(tr_actor *self, void *argument, const tr_message *message) {
    (void)self;
    struct probe *state = argument;
    state->pokes++;
    state->last = ((const struct poke *)tr_body(message))->number;
    return TR_OK;
}

static tr_status set_timer(tr_actor *self, struct probe *state, uint64_t ms) {
    tr_timer timer;
    struct poke body = {(int64_t)ms};
    tr_status status = tr_send_after_record(self, ms, &timer, &poke_record, &body);
    state->kept_timer = (int64_t)timer;
    return status;
}

static tr_status on_order(tr_actor *self, void *argument, const tr_message *message) {
    struct probe *state = argument;
    const struct order *body = tr_body(message);
    state->orders++;
    switch (body->kind) {
        case FAIL:
            return tr_fail(self, "told to %d", 1);
        case EXIT:
            tr_exit(self);
            return TR_OK;
        case STOP:
            return tr_stop(self, body->to);
        case SPAWN:
            return tr_spawn(self, &probe_behavior, NULL, &spawned);
        case SET_TIMER:
            return set_timer(self, state, (uint64_t)body->ms);
        case CANCEL_TIMER:
            state->cancel_status = tr_timer_cancel(self, (tr_timer)state->kept_timer);
            return TR_OK;
        case SET_NOTE:
            return tr_text_set(self, &state->note, "a note of its own", 17);
        case SET_UNHANDLED_TIMER: {
            struct probe nothing = {0};
            return tr_send_after_record(self, 1, NULL, &probe_record, &nothing);
        }
        default:
            return TR_OK;
    }
}

static tr_status init(tr_actor *self, void *argument) {
    const struct probe *state = argument;
    return state->fail_init ? tr_fail(self, "will not begin") : TR_OK;
}

static void stop(tr_actor *self, void *argument, tr_status reason) {
    const struct probe *state = argument;
    stops++;
    stop_reason = reason;
    if (!tr_pid_is_none(state->heir)) tr_send(self, state->heir, poke, .number = 99);
    tr_send(self, tr_self(self), poke, .number = 1); /* to itself, too late */
}

static const tr_behavior probe_behavior = {
    .name = "probe",
    .version = 1,
    .state = &probe_record,
    .handlers = TR_HANDLERS({&poke_record, on_poke}, {&order_record, on_order}),
    .init = init,
    .stop = stop,
};

static struct fixture world;

static void open_world(void) {
    static const tr_behavior *const offered[] = {&probe_behavior, NULL};
    fixture_open(&world, 1, 2, (struct mailbox_limits){50, 100, 1000}, offered);
    cr_assert(fixture_settle(&world, 100));
}

static void settle(void) {
    cr_assert(fixture_settle(&world, 1000));
}

static tr_pid spawn(tr_pid heir) {
    struct probe state = {.heir = heir};
    tr_pid pid = fixture_spawn(&world, &probe_behavior, NULL, &state);
    settle();
    return pid;
}

static const struct probe *state_of(tr_pid pid) {
    return fixture_actor(&world, pid)->state;
}

static const tr_pid nobody;

/* ---- births and ends ------------------------------------------------------------------------- */

Test(actor, one_that_fails_ends_and_its_mail_becomes_counted_dead_letters) {
    open_world();
    tr_pid heir = spawn(nobody), pid = spawn(heir);
    FIXTURE_SEND(&world, pid, order, .kind = FAIL);
    for (int i = 0; i < 3; i++) FIXTURE_SEND(&world, pid, poke);
    settle();
    cr_assert_null(fixture_actor(&world, pid));
    cr_assert_eq(fixture_dead(&world, DEADLETTER_FAILED), 4, "three, and its own to itself");
    cr_assert_eq(stop_reason, TR_EFAILED);
    cr_assert_eq(state_of(heir)->last, 99, "what stop sends arrives");
    cr_assert_eq(runtime_counters(world.runtime).failed, 1);
    cr_assert_eq(FIXTURE_SEND(&world, pid, poke), TR_OK, "sending to the dead is safe");
    cr_assert_eq(fixture_dead(&world, DEADLETTER_NOBODY), 1);
    fixture_close(&world);
}

Test(actor, exit_ends_it_after_the_current_message) {
    open_world();
    tr_pid pid = spawn(nobody);
    FIXTURE_SEND(&world, pid, order, .kind = EXIT);
    FIXTURE_SEND(&world, pid, poke);
    settle();
    cr_assert_null(fixture_actor(&world, pid));
    cr_assert_eq(stops, 1);
    cr_assert_eq(stop_reason, TR_OK);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_ENDED), 2);
    fixture_close(&world);
}

Test(actor, stop_ends_another_behind_the_mail_it_has) {
    open_world();
    tr_pid heir = spawn(nobody), pid = spawn(heir), stopper = spawn(nobody);
    FIXTURE_SEND(&world, pid, poke);
    FIXTURE_SEND(&world, stopper, order, .kind = STOP, .to = pid);
    cr_assert(fixture_run(&world, stopper));
    FIXTURE_SEND(&world, pid, poke);
    cr_assert(fixture_run(&world, pid));
    cr_assert_null(fixture_actor(&world, pid));
    cr_assert_eq(runtime_counters(world.runtime).handled, 3,
                 "the order, the poke before the exit, the exit");
    cr_assert_eq(fixture_dead(&world, DEADLETTER_ENDED), 2);
    settle();
    cr_assert_eq(state_of(heir)->pokes, 1);
    fixture_close(&world);
}

Test(actor, one_whose_init_fails_ends_and_its_mail_is_dead) {
    open_world();
    struct probe state = {.fail_init = 1};
    tr_pid pid = fixture_spawn(&world, &probe_behavior, NULL, &state);
    FIXTURE_SEND(&world, pid, poke);
    settle();
    cr_assert_null(fixture_actor(&world, pid));
    cr_assert_geq(fixture_dead(&world, DEADLETTER_FAILED), 1);
    cr_assert_eq(runtime_counters(world.runtime).failed, 1);
    fixture_close(&world);
}

Test(actor, a_child_exists_when_the_spawn_returns_and_wears_its_parents_colour) {
    open_world();
    recording_move_epoch(world.runtime, 5);
    tr_pid pid = spawn(nobody);
    FIXTURE_SEND(&world, pid, order, .kind = SPAWN);
    cr_assert(fixture_run(&world, pid));
    cr_assert_not_null(fixture_actor(&world, spawned));
    cr_assert_eq(actor_colour(fixture_actor(&world, spawned)), 5);
    settle();
    fixture_close(&world);
}

Test(actor, the_next_in_a_slot_has_another_pid) {
    open_world();
    tr_pid pid = spawn(nobody);
    FIXTURE_SEND(&world, pid, order, .kind = EXIT);
    settle();
    tr_pid next = {0, 0, 0};
    for (int i = 0; i < 200 && next.slot != pid.slot; i++) next = spawn(nobody);
    cr_assert_eq(next.slot, pid.slot);
    cr_assert_eq(next.generation, pid.generation + 1);
    fixture_close(&world);
}

Test(actor, a_kill_ends_it_before_its_mail_and_stop_runs) {
    open_world();
    tr_pid heir = spawn(nobody), pid = spawn(heir);
    FIXTURE_SEND(&world, pid, poke);
    cr_assert(actor_signal(fixture_actor(&world, pid), SIGNAL_KILL));
    settle();
    cr_assert_null(fixture_actor(&world, pid));
    cr_assert_eq(stop_reason, TR_ECLOSED);
    cr_assert_eq(state_of(heir)->pokes, 1);
    fixture_close(&world);
}

Test(actor, one_that_waits_for_its_name_handles_nothing_until_it_starts) {
    open_world();
    tr_actor *made;
    struct actor_birth birth = {.behavior = behaviors_find(&world.runtime->behaviors, "probe"),
                                .name = "named"};
    cr_assert_eq(actor_spawn(world.runtime->workers[0], &birth, &made), TR_OK);
    tr_pid pid = actor_pid(made);
    FIXTURE_SEND(&world, pid, poke);
    settle();
    cr_assert_eq(state_of(pid)->pokes, 0);
    actor_signal(made, SIGNAL_START);
    settle();
    cr_assert_eq(state_of(pid)->pokes, 1);
    fixture_close(&world);
}

Test(actor, one_whose_name_is_taken_vanishes_without_having_begun) {
    open_world();
    tr_actor *made;
    struct actor_birth birth = {.behavior = behaviors_find(&world.runtime->behaviors, "probe"),
                                .name = "named"};
    cr_assert_eq(actor_spawn(world.runtime->workers[0], &birth, &made), TR_OK);
    tr_pid pid = actor_pid(made);
    settle();
    actor_signal(made, SIGNAL_CANCEL);
    settle();
    cr_assert_null(fixture_actor(&world, pid));
    cr_assert_eq(stops, 0);
    fixture_close(&world);
}

/* The node closes with actors that have mail, timers, names, texts: the sanitizer counts. */
Test(actor, a_runtime_that_is_freed_frees_what_its_actors_hold) {
    open_world();
    tr_pid pid = spawn(nobody);
    FIXTURE_SEND(&world, pid, order, .kind = SET_TIMER, .ms = 1000);
    FIXTURE_SEND(&world, pid, order, .kind = SET_NOTE);
    settle();
    FIXTURE_SEND(&world, pid, poke);
    fixture_close(&world);
}

/* ---- turns ----------------------------------------------------------------------------------- */

Test(actor, a_busy_one_gives_way_after_a_batch) {
    open_world();
    tr_pid busy = spawn(nobody);
    for (int i = 0; i < 250; i++) FIXTURE_SEND(&world, busy, poke, .number = i);
    cr_assert(fixture_run(&world, busy));
    cr_assert_eq(state_of(busy)->pokes, 100);
    cr_assert(fixture_run(&world, busy), "it is scheduled again");
    settle();
    cr_assert_eq(state_of(busy)->pokes, 250);
    cr_assert_eq(state_of(busy)->last, 249);
    fixture_close(&world);
}

/* Born by an older parent, behind the sweep, and idle: nobody would ever signal it. */
Test(actor, a_child_of_an_older_parent_turns_before_it_rests) {
    open_world();
    struct actor_birth birth = {.behavior = behaviors_find(&world.runtime->behaviors, "probe"),
                                .colour = 0};
    recording_move_epoch(world.runtime, 5);
    tr_actor *made;
    cr_assert_eq(actor_spawn(world.runtime->workers[0], &birth, &made), TR_OK);
    cr_assert_not(recording_all_red(world.runtime, 5));
    recording_sweep(world.runtime, 5);
    world.runtime->sweep.left.end = made->head.slot; /* it was not there yet */
    settle();
    cr_assert_eq(actor_colour(made), 5);
    cr_assert(recording_all_red(world.runtime, 5));
    fixture_close(&world);
}

/* ---- timers ---------------------------------------------------------------------------------- */

static void pass(uint64_t ms) {
    world.now_ns += ms * 1000000;
    settle();
}

Test(actor, a_timer_brings_its_message_when_due_and_not_before) {
    open_world();
    tr_pid pid = spawn(nobody);
    FIXTURE_SEND(&world, pid, order, .kind = SET_TIMER, .ms = 20);
    settle();
    pass(19);
    cr_assert_eq(state_of(pid)->pokes, 0);
    pass(1);
    cr_assert_eq(state_of(pid)->last, 20);
    FIXTURE_SEND(&world, pid, order, .kind = CANCEL_TIMER);
    settle();
    cr_assert_eq(state_of(pid)->cancel_status, TR_ENOENT, "it was handled");
    fixture_close(&world);
}

Test(actor, a_cancelled_timer_never_comes) {
    open_world();
    tr_pid pid = spawn(nobody);
    FIXTURE_SEND(&world, pid, order, .kind = SET_TIMER, .ms = 20);
    FIXTURE_SEND(&world, pid, order, .kind = CANCEL_TIMER);
    settle();
    pass(100);
    cr_assert_eq(state_of(pid)->cancel_status, TR_OK);
    cr_assert_eq(state_of(pid)->pokes, 0);
    cr_assert_eq(workers_next_ns(world.runtime), UINT64_MAX);
    fixture_close(&world);
}

Test(actor, a_timer_that_has_fired_but_is_not_handled_can_still_be_cancelled) {
    open_world();
    tr_pid pid = spawn(nobody);
    FIXTURE_SEND(&world, pid, order, .kind = SET_TIMER, .ms = 20);
    settle();
    FIXTURE_SEND(&world, pid, order, .kind = CANCEL_TIMER); /* before the token in its mailbox */
    pass(20);
    cr_assert_eq(state_of(pid)->cancel_status, TR_OK);
    cr_assert_eq(state_of(pid)->pokes, 0);
    fixture_close(&world);
}

Test(actor, timers_of_an_ended_actor_are_gone) {
    open_world();
    tr_pid pid = spawn(nobody);
    FIXTURE_SEND(&world, pid, order, .kind = SET_TIMER, .ms = 20);
    FIXTURE_SEND(&world, pid, order, .kind = EXIT);
    settle();
    uint64_t dead = fixture_dead_all(&world);
    pass(100);
    cr_assert_eq(workers_next_ns(world.runtime), UINT64_MAX);
    cr_assert_eq(fixture_dead_all(&world), dead);
    fixture_close(&world);
}

Test(actor, a_timer_whose_record_nobody_handles_is_a_dead_letter) {
    open_world();
    tr_pid pid = spawn(nobody);
    FIXTURE_SEND(&world, pid, order, .kind = SET_UNHANDLED_TIMER);
    settle();
    pass(1);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_UNHANDLED), 1, "nothing is lost silently");
    fixture_close(&world);
}
