/* worker_test.c - who runs next, what thieves take, and that nobody waits behind a stuck worker. */
#include "node/worker.h"

#include <criterion/criterion.h>

#include "node/parking.h"
#include "node/runtime_fixture.h"

TestSuite(worker, .timeout = 30);

struct poke {
    tr_pid to; /* passed on to, unless nobody */
};
struct wait {
    uint64_t ms;
};
struct flood {
    tr_pid to;
    int32_t count;
};
struct stray {
    char unused;
};
struct count {
    int64_t pokes;
};
TR_RECORD(poke, TR_FIELD(poke, to));
TR_RECORD(wait, TR_FIELD(wait, ms));
TR_RECORD(flood, TR_FIELD(flood, to), TR_FIELD(flood, count));
TR_RECORD(stray);
TR_RECORD(count, TR_FIELD(count, pokes));

static tr_status on_poke(tr_actor *self, void *argument, const tr_message *message) {
    ((struct count *)argument)->pokes++;
    const struct poke *body = tr_body(message);
    return tr_pid_is_none(body->to) ? TR_OK : tr_send(self, body->to, poke, .to = tr_self(self));
}

static tr_status on_wait(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    return tr_send_after(self, ((const struct wait *)tr_body(message))->ms, poke);
}

static tr_status on_flood(tr_actor *self, void *argument, const tr_message *message) {
    const struct flood *body = tr_body(message);
    ((struct count *)argument)->pokes++;
    tr_status status = TR_OK;
    for (int32_t i = 0; status == TR_OK && i < body->count; i++)
        status = tr_send(self, body->to, poke);
    return status;
}

static const tr_behavior counter = {
    .name = "counter",
    .version = 1,
    .state = &count_record,
    .handlers =
        TR_HANDLERS({&poke_record, on_poke}, {&wait_record, on_wait}, {&flood_record, on_flood})};
static const tr_behavior *const offered[] = {&counter, NULL};

static struct fixture world;
static struct worker *one, *two;

static void open_world(void) {
    fixture_open(&world, 1, 2, (struct mailbox_limits){50, 100, 1000}, offered);
    cr_assert(fixture_settle(&world, 100));
    one = world.runtime->workers[0];
    two = world.runtime->workers[1];
}

static tr_pid spawn(void) {
    tr_pid pid = fixture_spawn(&world, &counter, NULL, NULL);
    cr_assert(fixture_settle(&world, 100));
    return pid;
}

static int64_t pokes_of(tr_pid pid) {
    return ((const struct count *)fixture_actor(&world, pid)->state)->pokes;
}

/* Makes an idle actor runnable on `worker` as its handler's send would. */
static void wake_on(struct worker *worker, tr_pid pid) {
    tr_actor *woken = fixture_actor(&world, pid);
    cr_assert(mailbox_wake(&woken->box));
    runtime_schedule(world.runtime, worker, woken);
}

Test(worker, the_actor_woken_last_runs_first_and_the_one_it_displaces_is_queued) {
    open_world();
    tr_pid first = spawn(), second = spawn();
    wake_on(one, first);
    wake_on(one, second);
    cr_assert_eq(atomic_load(&one->next.actor), fixture_actor(&world, second));
    cr_assert_eq(run_queue_count(&one->queue), 1);
    cr_assert(fixture_settle(&world, 100));
    fixture_close(&world);
}

/* Two actors that wake each other for ever must not starve the queue. */
Test(worker, a_pair_that_plays_ball_does_not_starve_the_queue) {
    open_world();
    tr_pid ping = spawn(), pong = spawn(), queued = spawn();
    FIXTURE_SEND(&world, queued, poke);
    cr_assert_eq(run_list_count(&world.runtime->injected), 1);
    wake_on(one, ping);
    FIXTURE_SEND(&world, ping, poke, .to = pong);
    int steps = 0;
    while (pokes_of(queued) == 0 && steps++ < 200) worker_step(one, false);
    cr_assert_eq(pokes_of(queued), 1, "not within 200 steps");
    cr_assert_gt(pokes_of(ping), 1);
    fixture_close(&world);
}

/* Nor may they for long by the clock, when each of their handlers takes long; and none starves
 * them.
 */
Test(worker, slow_handlers_that_wake_each_other_take_turns_with_the_queue) {
    open_world();
    tr_pid ping = spawn(), pong = spawn(), queued[] = {spawn(), spawn(), spawn()};
    for (int i = 0; i < 3; i++) FIXTURE_SEND(&world, queued[i], poke, .to = queued[i]);
    wake_on(one, ping);
    FIXTURE_SEND(&world, ping, poke, .to = pong);
    for (int steps = 0; steps < 40; steps++) {
        worker_step(one, false);
        world.now_ns += 20000000;
    }
    for (int i = 0; i < 3; i++) cr_assert_gt(pokes_of(queued[i]), 1);
    cr_assert_gt(pokes_of(ping) + pokes_of(pong), 10);
    fixture_close(&world);
}

/* A turn that handles nothing reads no clock of its own and counts nothing as handled. */
Test(worker, mail_that_nobody_handles_keeps_no_timer_waiting) {
    open_world();
    tr_pid pid = spawn(), flooded = spawn();
    FIXTURE_SEND(&world, pid, wait, .ms = 5);
    cr_assert(fixture_run(&world, pid));
    for (int i = 0; i < 900; i++) FIXTURE_SEND(&world, flooded, stray);
    worker_step(one, false);
    world.now_ns += 6000000;
    for (int turns = 0; turns < 5; turns++) worker_go_on(one, false);
    cr_assert_eq(pokes_of(pid), 1);
    fixture_close(&world);
}

Test(worker, a_thief_leaves_what_another_is_about_to_run_unless_greedy) {
    open_world();
    wake_on(one, spawn());
    cr_assert_not(worker_has_work(two, false));
    cr_assert_not(worker_step(two, false));
    cr_assert(worker_has_work(two, true));
    cr_assert(worker_step(two, true));
    cr_assert_not(next_slot_is_full(&one->next));
    fixture_close(&world);
}

/* What is queued at a worker that moves on stays with it, in its cache; what has waited too long is
 * anybody's. */
Test(worker, a_queue_is_shared_once_it_has_waited_too_long) {
    open_world();
    tr_pid ping = spawn(), pong = spawn(), queued = spawn();
    wake_on(one, queued);
    wake_on(one, ping);
    FIXTURE_SEND(&world, ping, poke, .to = pong); /* keeps worker one busy for 64 turns */
    cr_assert_eq(run_queue_count(&one->queue), 1);
    worker_step(one, false); /* notes who waits, and since when */
    cr_assert_not(worker_has_work(two, false));
    cr_assert_not(worker_step(two, false), "it is worker one's to run");
    world.now_ns += 60000;
    worker_step(one, false);
    cr_assert(worker_has_work(two, false));
    cr_assert(worker_step(two, false));
    cr_assert_eq(run_queue_count(&one->queue), 0);
    cr_assert_not(worker_has_work(two, false), "there is no more to take");
    cr_assert(fixture_settle(&world, 1000) || pokes_of(ping) > 0);
    fixture_close(&world);
}

Test(worker, what_still_waits_at_the_second_look_is_taken_over_from_one_that_moves_slowly) {
    open_world();
    tr_pid queued = spawn();
    wake_on(one, spawn());
    wake_on(one, queued);                         /* displaces the other into the queue */
    counter_add(&one->producer.counters.handled); /* it does move on */
    cr_assert_not(worker_rescue(two), "seen for the first time");
    counter_add(&one->producer.counters.handled);
    cr_assert(worker_rescue(two));
    cr_assert_eq(run_queue_count(&one->queue), 0);
    cr_assert(next_slot_is_full(&one->next), "the one it will run next is left to it");
    cr_assert(fixture_settle(&world, 100));
    fixture_close(&world);
}

/* It would go to the end of another queue that is as long, and so on for ever. */
Test(worker, what_waits_for_a_slow_worker_is_left_to_it_by_one_that_has_as_much_to_do) {
    open_world();
    tr_pid pids[8];
    for (int i = 0; i < 8; i++) pids[i] = spawn();
    for (int i = 0; i < 8; i++) wake_on(i < 4 ? one : two, pids[i]);
    counter_add(&one->producer.counters.handled);
    worker_rescue(two);
    counter_add(&one->producer.counters.handled);
    cr_assert_not(worker_rescue(two));
    cr_assert(worker_rescue(two), "but not when that one is stuck");
    cr_assert(fixture_settle(&world, 100));
    fixture_close(&world);
}

Test(worker, one_that_sends_much_makes_way_for_those_it_sends_to) {
    open_world();
    tr_pid flooder = spawn(), flooded = spawn();
    for (int i = 0; i < 90; i++) FIXTURE_SEND(&world, flooder, flood, .to = flooded, .count = 10);
    cr_assert(fixture_run(&world, flooder));
    int64_t handled = pokes_of(flooder);
    cr_assert_geq(10 * handled, 50);
    cr_assert_lt(handled, 90, "its turn ended before its mail did");
    fixture_close(&world);
}

Test(worker, what_waits_for_a_stuck_worker_is_taken_over) {
    open_world();
    tr_pid set_aside = spawn(), queued = spawn();
    worker_rescue(two); /* looks how far the other has come */
    wake_on(one, queued);
    wake_on(one, set_aside);
    cr_assert(worker_rescue(two));
    cr_assert_not(next_slot_is_full(&one->next));
    cr_assert_eq(run_queue_count(&one->queue), 0);
    cr_assert(fixture_settle(&world, 100));
    fixture_close(&world);
}

Test(worker, what_waits_for_a_worker_that_moves_on_is_left_to_it) {
    open_world();
    worker_rescue(two);
    counter_add(&one->producer.counters.handled);
    wake_on(one, spawn());
    counter_add(&one->producer.counters.handled);
    cr_assert_not(worker_rescue(two));
    cr_assert(next_slot_is_full(&one->next));
    cr_assert(fixture_settle(&world, 100));
    fixture_close(&world);
}

Test(worker, a_busy_worker_looks_for_stuck_ones_now_and_then) {
    open_world();
    tr_pid waits = spawn(), busy = spawn();
    FIXTURE_SEND(&world, waits, poke);
    fixture_run(&world, waits);
    cr_assert_eq(pokes_of(waits), 1);
    wake_on(one, waits); /* and worker one never steps again */
    wake_on(two, busy);
    for (int i = 0; i < 4 && next_slot_is_full(&one->next); i++) {
        world.now_ns += 30000000;
        FIXTURE_SEND(&world, busy, poke);
        worker_step(two, false);
    }
    cr_assert_not(next_slot_is_full(&one->next));
    cr_assert(fixture_settle(&world, 100));
    fixture_close(&world);
}

/* Two busy workers must not hand an actor to and fro for ever without running it. */
Test(worker, what_a_busy_worker_takes_over_it_runs_before_those_that_play_ball) {
    open_world();
    tr_pid ping = spawn(), pong = spawn(), queued = spawn();
    FIXTURE_SEND(&world, queued, poke);
    fixture_run(&world, queued);
    wake_on(one, queued); /* and worker one never steps again */
    FIXTURE_SEND(&world, queued, poke);
    wake_on(two, ping);
    FIXTURE_SEND(&world, ping, poke, .to = pong);
    for (int i = 0; i < 20 && next_slot_is_full(&one->next); i++) {
        worker_step(two, false);
        world.now_ns += 5000000;
    }
    cr_assert_not(next_slot_is_full(&one->next));
    cr_assert_eq(pokes_of(queued), 2, "taken over and run in one step");
    fixture_close(&world);
}

Test(worker, timers_of_a_stuck_worker_are_fired_by_another) {
    open_world();
    tr_pid pid = spawn();
    FIXTURE_SEND(&world, pid, wait, .ms = 5);
    cr_assert(fixture_run(&world, pid)); /* on worker one, which then never steps again */
    cr_assert_not(worker_has_work(two, false));
    world.now_ns += 5000000;
    cr_assert(worker_has_work(two, false));
    for (int i = 0; i < 5; i++) worker_step(two, false);
    cr_assert_eq(pokes_of(pid), 1);
    fixture_close(&world);
}

/* ---- with threads ---------------------------------------------------------------------------- */

Test(worker, a_drain_waits_until_all_that_was_sent_is_handled) {
    fixture_open_real(&world, 2, (struct mailbox_limits){50, 100, 1000}, offered);
    tr_pid pid = fixture_spawn(&world, &counter, NULL, NULL);
    cr_assert_eq(parking_start(world.runtime), TR_OK);
    for (int i = 0; i < 500; i++) cr_assert_eq(FIXTURE_SEND(&world, pid, poke), TR_OK);
    parking_drain(world.runtime);
    cr_assert_eq(runtime_counters(world.runtime).handled, 500);
    parking_stop(world.runtime);
    cr_assert_eq(pokes_of(pid), 500);
    fixture_close(&world);
}
