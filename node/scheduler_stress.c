/*
 * scheduler_stress.c - the runtime under real worker threads, for the thread sanitizer.
 *
 * Round trips, floods with muting, births and deaths with mail to the dying, ports, timers, long
 * handlers that must delay nobody else, and sleep when there is nothing to do. Each part has a
 * deadline: an actor that stays unscheduled or muted for ever fails it.
 */
#include <sched.h>
#include <stdio.h>
#include <time.h>

#include "node/base/clock.h"
#include "node/base/memory.h"
#include "node/parking.h"
#include "node/runtime_fixture.h"

enum { WORKERS = 2, DEADLINE_MS = 15000 };

static unsigned passed, failed;

static void expect(bool truth, const char *what) {
    if (truth)
        passed++;
    else
        failed++, fprintf(stderr, "failed: %s\n", what);
}

static bool reached(void *counter_and_goal) {
    _Atomic uint64_t *pair = counter_and_goal;
    return atomic_load(&pair[0]) >= atomic_load(&pair[1]);
}

/* [0] is counted up by actors, [1] is the goal. */
static bool await(_Atomic uint64_t *pair) {
    return fixture_await(reached, pair, DEADLINE_MS);
}

/* ---- actors ---------------------------------------------------------------------------------- */

struct ball {
    int64_t left;
};
struct work {
    tr_pid to;
    int64_t left;
};
struct item {
    int64_t number;
};
struct tick {
    int64_t left;
};
struct breed {
    tr_pid to;
    int64_t left;
};
struct stall {
    tr_list others;
};
TR_RECORD(ball, TR_FIELD(ball, left));
TR_RECORD(work, TR_FIELD(work, to), TR_FIELD(work, left));
TR_RECORD(item, TR_FIELD(item, number));
TR_RECORD(tick, TR_FIELD(tick, left));
TR_RECORD(breed, TR_FIELD(breed, to), TR_FIELD(breed, left));
TR_RECORD(stall, TR_FIELD_LIST(stall, others, tr_pid));

static _Atomic uint64_t balls[2], items[2], ticks[2], bred[2], stalls[2];
static _Atomic uint64_t accepted, workers_done[2];
static _Atomic bool stop_spinning;

static tr_status on_ball(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct ball *body = tr_body(message);
    if (body->left == 0)
        atomic_fetch_add(&balls[0], 1);
    else
        check(tr_send(self, tr_sender(message), ball, .left = body->left - 1) == TR_OK);
    return TR_OK;
}

static tr_status on_serve(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct work *body = tr_body(message);
    return tr_send(self, body->to, ball, .left = body->left);
}

static const tr_behavior player = {
    .name = "player",
    .version = 1,
    .handlers = TR_HANDLERS({&ball_record, on_ball}, {&work_record, on_serve})};

static tr_status on_work(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct work *body = tr_body(message);
    int64_t left = body->left;
    for (int i = 0; i < 8 && left > 0; i++) {
        if (tr_send(self, body->to, item, .number = left) != TR_OK) break;
        atomic_fetch_add(&accepted, 1);
        left--;
    }
    if (left == 0)
        atomic_fetch_add(&workers_done[0], 1);
    else
        check(tr_send(self, tr_self(self), work, .to = body->to, .left = left) == TR_OK);
    return TR_OK;
}

static tr_status on_item(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    atomic_fetch_add(&items[0], 1);
    if (tr_request_of(message).id != 0) return tr_reply(self, message, item, .number = 1);
    return TR_OK;
}

static tr_status on_breed(tr_actor *self, void *state, const tr_message *message);
static const tr_behavior laborer = {
    .name = "laborer",
    .version = 1,
    .handlers =
        TR_HANDLERS({&work_record, on_work}, {&item_record, on_item}, {&breed_record, on_breed}),
};

/* Makes a child, floods it, tells it to go on and dies; the flood meets a dying receiver. */
static tr_status on_breed(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct breed *body = tr_body(message);
    if (!tr_pid_is_none(body->to))
        tr_send(self, body->to, item, .number = 1); /* the parent: dying or dead */
    atomic_fetch_add(&bred[0], 1);
    if (body->left > 0) {
        tr_pid child;
        check(tr_spawn(self, &laborer, NULL, &child) == TR_OK);
        for (int i = 0; i < 6; i++) tr_send(self, child, item, .number = i);
        check(tr_send(self, child, breed, .to = tr_self(self), .left = body->left - 1) == TR_OK);
        for (int i = 0; i < 12; i++) tr_send(self, child, item, .number = i);
    }
    tr_exit(self);
    return TR_OK;
}

static tr_status on_tick(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct tick *body = tr_body(message);
    if (body->left < 0) return tr_send_after(self, 3600000, tick, .left = 0);
    atomic_fetch_add(&ticks[0], 1);
    if (body->left == 0) return TR_OK;
    tr_timer cancelled;
    struct tick never = {1000000};
    check(tr_send_after_record(self, tr_random(self) % 3, &cancelled, &tick_record, &never) ==
          TR_OK);
    check(tr_timer_cancel(self, cancelled) == TR_OK);
    return tr_send_after(self, tr_random(self) % 4, tick, .left = body->left - 1);
}

static const tr_behavior clock_behavior = {
    .name = "clock", .version = 1, .handlers = TR_HANDLERS({&tick_record, on_tick})};

/* Wakes all others from within a handler that goes on until they have run, or for two seconds. */
static tr_status on_stall(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct stall *body = tr_body(message);
    const tr_pid *others = body->others.items;
    uint64_t goal = atomic_load(&stalls[0]) + body->others.count;
    for (uint32_t i = 0; i < body->others.count; i++)
        check(tr_send(self, others[i], tick, .left = 0) == TR_OK);
    uint64_t until = clock_monotonic_ns() + 2000000000;
    while (atomic_load(&stalls[0]) < goal && clock_monotonic_ns() < until) sched_yield();
    atomic_store(&stalls[1], atomic_load(&stalls[0]) >= goal ? 1 : 2);
    return TR_OK;
}

static tr_status on_prodded(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    atomic_fetch_add(&stalls[0], 1);
    return TR_OK;
}

static tr_status on_spin(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct item *body = tr_body(message);
    if (atomic_load(&stop_spinning)) return TR_OK;
    return tr_send(self, tr_self(self), item, .number = body->number + 1);
}

static const tr_behavior staller = {
    .name = "staller",
    .version = 1,
    .handlers =
        TR_HANDLERS({&stall_record, on_stall}, {&tick_record, on_prodded}, {&item_record, on_spin}),
};

/* Passes what it gets on to any other, with marks so low that everybody is muted all the time; some
 * die. */
struct hop {
    int64_t left;
};
TR_RECORD(hop, TR_FIELD(hop, left));

enum { TANGLED = 40, HOPS = 500 };
static tr_pid tangled[TANGLED];
static _Atomic uint64_t hops_over;

static tr_status on_hop(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct hop *body = tr_body(message);
    uint64_t drawn = tr_random(self);
    if (body->left == 0 ||
        tr_send(self, tangled[drawn % TANGLED], hop, .left = body->left - 1) != TR_OK)
        atomic_fetch_add(&hops_over, 1);
    if (drawn >> 32 & 0x7fff) return TR_OK;
    tr_exit(self);
    return TR_OK;
}

static const tr_behavior hopper = {
    .name = "hopper", .version = 1, .handlers = TR_HANDLERS({&hop_record, on_hop})};

/* ---- the world ------------------------------------------------------------------------------- */

static struct fixture world;

static void open_world(void) {
    static const tr_behavior *const offered[] = {&player,  &laborer, &clock_behavior,
                                                 &staller, &hopper,  NULL};
    fixture_open_real(&world, WORKERS, (struct mailbox_limits){8, 16, 48}, offered);
    check(parking_start(world.runtime) == TR_OK);
}

static tr_port *open_port(void) {
    tr_port *port;
    check(port_open(world.runtime, NULL, NULL, &port) == TR_OK);
    return port;
}

static tr_pid spawn(tr_port *port, const char *behavior) {
    tr_pid pid;
    check(tr_port_spawn(port, behavior, NULL, NULL, DEADLINE_MS, &pid, NULL) == TR_OK);
    return pid;
}

static void close_world(void) {
    parking_stop(world.runtime);
    reclaim_offline(&world.core.reader);
    fixture_close(&world);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void play_ball(tr_port *port) {
    enum { PAIRS = 20, TRIPS = 1500 };
    atomic_store(&balls[1], PAIRS);
    for (int i = 0; i < PAIRS; i++) {
        tr_pid one = spawn(port, "player"), other = spawn(port, "player");
        check(tr_port_send(port, one, 1000, work, .to = other, .left = TRIPS) == TR_OK);
    }
    expect(await(balls), "every ball comes to its end");
}

static void flood(tr_port *port) {
    enum { SENDERS = 12, EACH = 1500 };
    tr_pid sink = spawn(port, "laborer");
    atomic_store(&items[0], 0);
    atomic_store(&items[1], SENDERS * EACH);
    atomic_store(&workers_done[1], SENDERS);
    for (int i = 0; i < SENDERS; i++)
        check(tr_port_send(port, spawn(port, "laborer"), 1000, work, .to = sink, .left = EACH) ==
              TR_OK);
    expect(await(workers_done), "no flooding sender stays muted");
    expect(await(items), "what was accepted was received");
    expect(atomic_load(&items[0]) == atomic_load(&accepted), "and no more");
}

static bool all_hops_over(void *context) {
    uint64_t dead = fixture_dead_all(&world) - *(uint64_t *)context;
    return atomic_load(&hops_over) + dead == 4 * TANGLED;
}

/* Every message comes to its end: at its last hop, refused, or as a dead letter; nobody stays
 * muted. */
static void tangle(tr_port *port) {
    tr_spawn_options options = {.mailbox = {.low = 1, .high = 3, .hard = 1000}};
    uint64_t dead = fixture_dead_all(&world);
    for (int i = 0; i < TANGLED; i++)
        check(tr_port_spawn(port, "hopper", NULL, &options, DEADLINE_MS, &tangled[i], NULL) ==
              TR_OK);
    atomic_store(&hops_over, 0);
    for (int i = 0; i < 4 * TANGLED; i++)
        check(tr_port_send(port, tangled[i % TANGLED], DEADLINE_MS, hop, .left = HOPS) == TR_OK);
    expect(fixture_await(all_hops_over, &dead, DEADLINE_MS),
           "nobody in a tangle of overloaded actors stays muted");
}

static bool all_ended(void *context) {
    struct counter_sums sums = runtime_counters(world.runtime);
    return sums.spawned - sums.ended == *(uint64_t *)context;
}

static void churn(tr_port *port) {
    enum { LINES = 8, GENERATIONS = 150 };
    struct counter_sums before = runtime_counters(world.runtime);
    uint64_t live = before.spawned - before.ended;
    atomic_store(&bred[1], LINES * (GENERATIONS + 1));
    for (int i = 0; i < LINES; i++)
        check(tr_port_send(port, spawn(port, "laborer"), 1000, breed, .left = GENERATIONS) ==
              TR_OK);
    expect(await(bred), "every generation bears the next");
    expect(fixture_await(all_ended, &live, DEADLINE_MS), "who exits ends");
    expect(fixture_dead(&world, DEADLETTER_ENDED) + fixture_dead(&world, DEADLETTER_NOBODY) > 0,
           "mail to the dying is counted");
}

static void *use_port(void *argument) {
    tr_pid sink = *(const tr_pid *)argument;
    uint64_t wrong = 0;
    for (int life = 0; life < 5; life++) {
        tr_port *port = open_port();
        for (int i = 0; i < 150; i++) {
            tr_message *reply = NULL;
            if (tr_port_send(port, sink, DEADLINE_MS, item, .number = i) != TR_OK) wrong++;
            if (tr_port_ask(port, sink, DEADLINE_MS, &reply, item, .number = i) != TR_OK) wrong++;
            if (reply != NULL) tr_message_free(reply);
        }
        tr_port_close(port);
    }
    return (void *)(uintptr_t)wrong;
}

static void use_ports(tr_port *port) {
    enum { THREADS = 4 };
    tr_pid sink = spawn(port, "laborer");
    atomic_store(&items[0], 0);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], NULL, use_port, &sink) == 0);
    uintptr_t wrong = 0;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        wrong += (uintptr_t)result;
    }
    expect(wrong == 0, "sends and asks of ports wait for room and succeed");
    expect(atomic_load(&items[0]) == THREADS * 5 * 300, "each was received once");
}

struct pair {
    tr_port *from;
    tr_pid to;
};

static void *send_to_port(void *argument) {
    struct pair *pair = argument;
    uint64_t wrong = 0;
    for (int i = 0; i < 500; i++)
        if (tr_port_send(pair->from, pair->to, DEADLINE_MS, item, .number = i) != TR_OK) wrong++;
    return (void *)(uintptr_t)wrong;
}

static void port_to_port(tr_port *port) {
    struct pair pair = {open_port(), tr_port_pid(port)};
    pthread_t thread;
    check(pthread_create(&thread, NULL, send_to_port, &pair) == 0);
    int64_t expected = 0;
    for (tr_message *got; expected < 500; expected++, tr_message_free(got)) {
        if (tr_port_receive(port, &item_record, DEADLINE_MS, &got) != TR_OK) break;
        if (((const struct item *)tr_body(got))->number != expected) break;
    }
    void *wrong;
    pthread_join(thread, &wrong);
    expect(expected == 500 && wrong == NULL,
           "a full port makes another wait, in order, without loss");
    tr_port_close(pair.from);
}

static void keep_time(tr_port *port) {
    enum { CLOCKS = 30, TICKS = 40 };
    atomic_store(&ticks[1], CLOCKS * (TICKS + 1));
    for (int i = 0; i < CLOCKS; i++)
        check(tr_port_send(port, spawn(port, "clock"), 1000, tick, .left = TICKS) == TR_OK);
    expect(await(ticks), "every timer fires");
    expect(atomic_load(&ticks[0]) == CLOCKS * (TICKS + 1), "once, and none that was cancelled");
}

static bool stall_over(void *context) {
    (void)context;
    return atomic_load(&stalls[1]) != 0;
}

/* One handler runs until all it has woken have run: the other worker must see to them. */
static void stall(tr_port *port, uint32_t others_count, const char *what) {
    tr_pid others[40];
    check(others_count <= 40);
    for (uint32_t i = 0; i < others_count; i++) others[i] = spawn(port, "staller");
    atomic_store(&stalls[0], 0);
    atomic_store(&stalls[1], 0);
    struct stall body = {{others, others_count}};
    check(tr_port_send_record(port, spawn(port, "staller"), 1000, &stall_record, &body) == TR_OK);
    check(fixture_await(stall_over, NULL, DEADLINE_MS));
    expect(atomic_load(&stalls[1]) == 1, what);
}

static void stall_all(tr_port *port) {
    for (int i = 0; i < 20; i++)
        stall(port, 1, "an actor set aside to run next does not wait for a long handler");
    for (int i = 0; i < 10; i++)
        stall(port, 20, "actors queued behind a long handler do not wait for it");
    tr_pid spinner = spawn(port, "staller");
    check(tr_port_send(port, spinner, 1000, item, .number = 0) == TR_OK);
    for (int i = 0; i < 10; i++) stall(port, 1, "nor when the other worker is busy");
    for (int i = 0; i < 5; i++) stall(port, 20, "nor queued ones when the other worker is busy");
    atomic_store(&stop_spinning, true);
}

static bool never(void *context) {
    (void)context;
    return false;
}

static uint64_t cpu_ns(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void rest(void) {
    parking_drain(world.runtime);
    uint64_t before = cpu_ns();
    fixture_await(never, NULL, 300); /* itself looks 300 times */
    expect(cpu_ns() - before < 60000000, "idle workers sleep");
}

int main(void) {
    open_world();
    tr_port *port = open_port();
    /* A timer far away, as a node always has one: who sleeps until then watches nothing. */
    check(tr_port_send(port, spawn(port, "clock"), 1000, tick, .left = -1) == TR_OK);
    stall_all(port);
    play_ball(port);
    flood(port);
    for (int i = 0; i < 10; i++) tangle(port);
    churn(port);
    use_ports(port);
    port_to_port(port);
    keep_time(port);
    rest();
    tr_port_close(port);
    close_world();
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
