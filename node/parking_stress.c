/*
 * parking_stress.c - that somebody always looks after what waits, with more workers than two.
 *
 * Handlers that go on until others have run show who is left behind: a watcher that takes work must
 * hand its duty over to a sleeper, timers included, and more than one need not watch.
 */
#include "node/parking.h"

#include <sched.h>
#include <stdio.h>

#include "node/base/clock.h"
#include "node/runtime_fixture.h"

enum { WORKERS = 4, ROUNDS = 20, DEADLINE_MS = 15000, GIVE_UP_NS = 2000000000 };

static unsigned passed, failed;

static void expect(bool truth, const char *what) {
    if (truth)
        passed++;
    else
        failed++, fprintf(stderr, "failed: %s\n", what);
}

/* ---- actors ---------------------------------------------------------------------------------- */

struct prod {
    char unused;
};
struct meet {
    char unused;
};
struct call {
    char unused;
};
struct arm {
    char unused;
};
struct block {
    char unused;
};
struct release {
    char unused;
};
TR_RECORD(prod);
TR_RECORD(meet);
TR_RECORD(call);
TR_RECORD(arm);
TR_RECORD(block);
TR_RECORD(release);

static struct fixture world;
static tr_pid others[WORKERS];
static _Atomic unsigned prods, inside, releases, done;
static _Atomic bool left_alone;

static unsigned watchers(void) {
    return atomic_load(&((struct parking_counts *)(void *)world.runtime->parking)->watching);
}

/* Goes on until `*counter` has reached `goal`; gives up after two seconds. */
static void go_on_until(const _Atomic unsigned *counter, unsigned goal) {
    uint64_t until = clock_monotonic_ns() + GIVE_UP_NS;
    while (atomic_load(counter) < goal) {
        if (clock_monotonic_ns() >= until) {
            atomic_store(&left_alone, true);
            return;
        }
        sched_yield();
    }
}

static tr_status on_prod(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    atomic_fetch_add(&prods, 1);
    return TR_OK;
}

static tr_status on_release(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    atomic_fetch_add(&releases, 1);
    return TR_OK;
}

/* Ends when one handler runs on each worker. */
static tr_status on_meet(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    atomic_fetch_add(&inside, 1);
    go_on_until(&inside, WORKERS);
    atomic_fetch_add(&done, 1);
    return TR_OK;
}

/* Wakes a first watcher, and when there is one all the others. */
static tr_status on_call(tr_actor *self, void *state, const tr_message *message) {
    check(tr_send(self, others[0], prod) == TR_OK);
    go_on_until(&prods, 1);
    uint64_t until = clock_monotonic_ns() + GIVE_UP_NS;
    while (watchers() == 0 && clock_monotonic_ns() < until) sched_yield();
    for (int i = 1; i < WORKERS; i++) check(tr_send(self, others[i], meet) == TR_OK);
    return on_meet(self, state, message);
}

static tr_status on_block(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    go_on_until(&releases, 1);
    atomic_fetch_add(&done, 1);
    return TR_OK;
}

/* Sets a timer, and when somebody is there for it gives all workers but one other things to do. */
static tr_status on_arm(tr_actor *self, void *state, const tr_message *message) {
    (void)state, (void)message;
    check(tr_send_after(self, 20, release) == TR_OK);
    uint64_t until = clock_monotonic_ns() + GIVE_UP_NS;
    while (watchers() == 0 && clock_monotonic_ns() < until) sched_yield();
    for (int i = 1; i < WORKERS; i++) check(tr_send(self, others[i], block) == TR_OK);
    return TR_OK;
}

static const tr_behavior member = {
    .name = "member",
    .version = 1,
    .handlers = TR_HANDLERS({&prod_record, on_prod}, {&meet_record, on_meet},
                            {&call_record, on_call}, {&arm_record, on_arm},
                            {&block_record, on_block}, {&release_record, on_release})};

/* ---- parts ----------------------------------------------------------------------------------- */

static bool all_done(void *goal) {
    return atomic_load(&done) == *(const unsigned *)goal;
}

static void reset(void) {
    parking_drain(world.runtime); /* all sleep, without a limit */
    atomic_store(&prods, 0);
    atomic_store(&inside, 0);
    atomic_store(&releases, 0);
    atomic_store(&done, 0);
    atomic_store(&left_alone, false);
}

static void meet_all(tr_port *port, tr_pid boss) {
    unsigned goal = WORKERS, lonely = 0;
    for (int i = 0; i < ROUNDS; i++) {
        reset();
        check(tr_port_send(port, boss, DEADLINE_MS, call) == TR_OK);
        check(fixture_await(all_done, &goal, DEADLINE_MS));
        if (atomic_load(&left_alone)) lonely++;
    }
    expect(lonely == 0, "no worker sleeps while an actor waits behind a long handler");
}

static void keep_timers(tr_port *port, tr_pid boss) {
    unsigned goal = WORKERS - 1, lonely = 0;
    for (int i = 0; i < ROUNDS; i++) {
        reset();
        check(tr_port_send(port, boss, DEADLINE_MS, arm) == TR_OK);
        check(fixture_await(all_done, &goal, DEADLINE_MS));
        if (atomic_load(&left_alone)) lonely++;
    }
    expect(lonely == 0, "a timer fires although whoever was to wake up for it is busy");
}

static bool one_watches(void *unused) {
    (void)unused;
    const struct parking_counts *counts = (const void *)world.runtime->parking;
    return atomic_load(&counts->asleep) == WORKERS - 1 && atomic_load(&counts->watching) == 1;
}

static bool all_prodded(void *unused) {
    (void)unused;
    return atomic_load(&prods) == WORKERS;
}

/* The handler of a `block` goes on meanwhile. */
static void watch_alone(tr_port *port, tr_pid boss) {
    reset();
    unsigned goal = 1;
    check(tr_port_send(port, boss, DEADLINE_MS, block) == TR_OK);
    for (int i = 0; i < WORKERS; i++)
        check(tr_port_send(port, others[i], DEADLINE_MS, prod) == TR_OK);
    check(fixture_await(all_prodded, NULL, DEADLINE_MS));
    expect(fixture_await(one_watches, NULL, 1000), "one sleeper watches, the others sleep");
    check(tr_port_send(port, others[0], DEADLINE_MS, release) == TR_OK);
    check(fixture_await(all_done, &goal, DEADLINE_MS));
    expect(!atomic_load(&left_alone), "and what is sent meanwhile is handled");
}

int main(void) {
    static const tr_behavior *const offered[] = {&member, NULL};
    fixture_open_real(&world, WORKERS, (struct mailbox_limits){8, 16, 48}, offered);
    check(parking_start(world.runtime) == TR_OK);
    tr_port *port;
    check(port_open(world.runtime, NULL, NULL, &port) == TR_OK);
    tr_pid boss;
    check(tr_port_spawn(port, "member", NULL, NULL, DEADLINE_MS, &boss, NULL) == TR_OK);
    for (int i = 0; i < WORKERS; i++)
        check(tr_port_spawn(port, "member", NULL, NULL, DEADLINE_MS, &others[i], NULL) == TR_OK);
    meet_all(port, boss);
    keep_timers(port, boss);
    watch_alone(port, boss);
    tr_port_close(port);
    parking_stop(world.runtime);
    reclaim_offline(&world.core.reader);
    fixture_close(&world);
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
