/* pressure_test.c - the block policy, rule by rule, then random graphs of actors. */
#include "node/pressure.h"

#include <criterion/criterion.h>

#include "node/runtime_fixture.h"

TestSuite(pressure, .timeout = 30);

struct send_many {
    tr_pid to;
    int64_t count;
};
struct item {
    int64_t number;
};
struct question {
    char unused;
};
struct ask_and_hold {
    tr_pid to;
};
struct answer_now {
    char unused;
};
struct node_state {
    tr_pid next;      /* where items go on to; nobody: they end here */
    tr_request asked; /* kept, to be answered later */
    int64_t sent, refused, received, replies;
};
TR_RECORD(send_many, TR_FIELD(send_many, to), TR_FIELD(send_many, count));
TR_RECORD(item, TR_FIELD(item, number));
TR_RECORD(question);
TR_RECORD(ask_and_hold, TR_FIELD(ask_and_hold, to));
TR_RECORD(answer_now);
TR_RECORD(node_state, TR_FIELD(node_state, next), TR_FIELD(node_state, asked),
          TR_FIELD(node_state, sent), TR_FIELD(node_state, refused), TR_FIELD(node_state, received),
          TR_FIELD(node_state, replies));

static void pass_on(tr_actor *self, struct node_state *state, tr_pid to, int64_t number) {
    tr_status status = tr_send(self, to, item, .number = number);
    if (status == TR_OK)
        state->sent++;
    else
        state->refused++;
    cr_assert(status == TR_OK || status == TR_EFULL);
}

static tr_status on_send_many(tr_actor *self, void *state, const tr_message *message) {
    const struct send_many *body = tr_body(message);
    for (int64_t i = 0; i < body->count; i++) pass_on(self, state, body->to, i);
    return TR_OK;
}

static tr_status on_item(tr_actor *self, void *argument, const tr_message *message) {
    struct node_state *state = argument;
    const struct item *body = tr_body(message);
    state->received++;
    if (!tr_pid_is_none(state->next)) pass_on(self, state, state->next, body->number);
    return TR_OK;
}

static tr_status on_question(tr_actor *self, void *argument, const tr_message *message) {
    (void)self;
    ((struct node_state *)argument)->asked = tr_request_of(message);
    return TR_OK;
}

static tr_status on_ask_and_hold(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct ask_and_hold *body = tr_body(message);
    return tr_ask(self, body->to, TR_ASK(.hold = true), question);
}

static tr_status on_answer_now(tr_actor *self, void *argument, const tr_message *message) {
    struct node_state *state = argument;
    if (state->asked.id == 0) {
        state->replies++;
        return TR_OK;
    }
    (void)message;
    tr_request request = state->asked;
    state->asked.id = 0;
    return tr_answer(self, request, answer_now);
}

static const tr_behavior node_behavior = {
    .name = "node",
    .version = 1,
    .state = &node_state_record,
    .handlers = TR_HANDLERS(
        {&send_many_record, on_send_many}, {&item_record, on_item}, {&question_record, on_question},
        {&ask_and_hold_record, on_ask_and_hold}, {&answer_now_record, on_answer_now}),
};

static tr_pid init_target;

static tr_status flood_in_init(tr_actor *self, void *state) {
    for (int i = 0; i < 2; i++) pass_on(self, state, init_target, i);
    return TR_OK;
}

static const tr_behavior born_flooding = {.name = "born_flooding",
                                          .version = 1,
                                          .state = &node_state_record,
                                          .handlers = TR_HANDLERS({&item_record, on_item}),
                                          .init = flood_in_init};

static struct fixture world;

static void open_world(void) {
    static const tr_behavior *const offered[] = {&node_behavior, &born_flooding, NULL};
    fixture_open(&world, 1, 1, (struct mailbox_limits){0, 0, 0}, offered);
    cr_assert(fixture_settle(&world, 100));
}

static tr_pid spawn(void) {
    tr_pid pid = fixture_spawn(&world, &node_behavior, NULL, NULL);
    cr_assert(fixture_run(&world, pid));
    return pid;
}

static const struct node_state *state_of(tr_pid pid) {
    return fixture_actor(&world, pid)->state;
}

static uint32_t mutes_of(tr_pid pid) {
    return atomic_load(&fixture_actor(&world, pid)->mutes);
}

static bool is_overloaded(tr_pid pid) {
    return atomic_load(&fixture_actor(&world, pid)->overloaded);
}

/* Has `from` send `count` items to `to`, and runs `from` alone. */
static void send_items(tr_pid from, tr_pid to, int64_t count) {
    cr_assert_eq(FIXTURE_SEND(&world, from, send_many, .to = to, .count = count), TR_OK);
    cr_assert(fixture_run(&world, from));
}

static void feed(tr_pid to, int count) {
    for (int i = 0; i < count; i++)
        cr_assert_eq(FIXTURE_SEND(&world, to, item, .number = i), TR_OK);
}

/* ---- muting ---------------------------------------------------------------------------------- */

Test(pressure, a_sender_up_to_the_high_mark_is_not_muted) {
    open_world();
    tr_pid sender = spawn(), receiver = spawn();
    send_items(sender, receiver, 4);
    cr_assert_eq(mutes_of(sender), 0);
    cr_assert_not(is_overloaded(receiver));
    fixture_close(&world);
}

Test(pressure, a_sender_past_the_high_mark_is_muted_once_and_its_mail_waits) {
    open_world();
    tr_pid sender = spawn(), receiver = spawn();
    send_items(sender, receiver, 7);
    cr_assert_eq(state_of(sender)->sent, 7);
    cr_assert_eq(mutes_of(sender), 1);
    cr_assert(is_overloaded(receiver));
    feed(sender, 1);
    cr_assert(fixture_run(&world, sender));
    cr_assert_eq(state_of(sender)->received, 0, "a muted actor handles no ordinary mail");
    fixture_close(&world);
}

/* Looks at the sender's mutes whenever the receiver has handled a message. */
static tr_pid watched_sender, watched_receiver;
static uint32_t freed_at; /* how many waited at the first look that found the sender free */

static void watch(void *context, const struct observation *what) {
    (void)context;
    if (what->kind != OBSERVE_RECEIVE || !tr_pid_equal(what->to, watched_receiver)) return;
    if (mutes_of(watched_sender) == 0 && freed_at == UINT32_MAX)
        freed_at = mailbox_count(&fixture_actor(&world, watched_receiver)->box) + 1;
}

Test(pressure, the_muted_go_on_when_fewer_than_low_wait) {
    open_world();
    watched_sender = spawn(), watched_receiver = spawn();
    freed_at = UINT32_MAX;
    struct observer observer = {.observe = watch};
    send_items(watched_sender, watched_receiver, 7);
    feed(watched_sender, 1);
    world.environment.observer = &observer;
    cr_assert(fixture_run(&world, watched_receiver));
    world.environment.observer = NULL;
    cr_assert_eq(freed_at, 1, "low is 2: freed once one message waits, not at %u", freed_at);
    cr_assert(fixture_run(&world, watched_sender), "the freed sender is scheduled");
    cr_assert_eq(state_of(watched_sender)->received, 1);
    fixture_close(&world);
}

Test(pressure, past_the_hard_mark_nothing_is_sent_and_no_dead_letter_arises) {
    open_world();
    tr_pid sender = spawn(), receiver = spawn();
    send_items(sender, receiver, 20);
    cr_assert_eq(state_of(sender)->sent, 8);
    cr_assert_eq(state_of(sender)->refused, 12);
    cr_assert(fixture_settle(&world, 1000));
    cr_assert_eq(state_of(receiver)->received, 8);
    cr_assert_eq(fixture_dead_all(&world), 0);
    cr_assert_eq(runtime_counters(world.runtime).refused, 12);
    cr_assert_eq(atomic_load(&fixture_actor(&world, receiver)->refused), 12, "counted by target");
    fixture_close(&world);
}

/* Whoever ran before it on the same worker has been muted by the same receiver. */
Test(pressure, an_actor_that_floods_in_its_init_is_muted_too) {
    open_world();
    tr_pid other = spawn();
    init_target = spawn();
    send_items(other, init_target, 5);
    cr_assert_eq(mutes_of(other), 1);
    tr_pid born = fixture_spawn(&world, &born_flooding, NULL, NULL);
    cr_assert(fixture_run(&world, born));
    cr_assert_eq(mutes_of(born), 1);
    cr_assert(fixture_settle(&world, 1000));
    cr_assert_eq(mutes_of(born), 0);
    fixture_close(&world);
}

Test(pressure, an_overloaded_sender_is_never_muted) {
    open_world();
    tr_pid sender = spawn(), receiver = spawn();
    cr_assert_eq(FIXTURE_SEND(&world, sender, send_many, .to = receiver, .count = 7), TR_OK);
    feed(sender, 5);
    cr_assert(is_overloaded(sender));
    fixture_run(&world, sender);
    cr_assert_eq(state_of(sender)->received, 5, "it went on after it had flooded the receiver");
    cr_assert_eq(mutes_of(sender), 0);
    fixture_close(&world);
}

Test(pressure, a_muted_actor_that_becomes_overloaded_stays_muted) {
    open_world();
    tr_pid sender = spawn(), receiver = spawn();
    send_items(sender, receiver, 5);
    cr_assert_eq(mutes_of(sender), 1);
    feed(sender, 6);
    cr_assert(is_overloaded(sender));
    fixture_run(&world, sender);
    cr_assert_eq(mutes_of(sender), 1);
    cr_assert_eq(state_of(sender)->received, 0);
    fixture_close(&world);
}

Test(pressure, a_merely_muted_actor_mutes_nobody) {
    open_world();
    tr_pid first = spawn(), muted = spawn(), slow = spawn();
    send_items(muted, slow, 5);
    cr_assert_eq(mutes_of(muted), 1);
    send_items(first, muted, 4);
    cr_assert_eq(mutes_of(first), 0);
    fixture_close(&world);
}

Test(pressure, two_overloaded_receivers_mute_twice_and_both_must_drain) {
    open_world();
    tr_pid sender = spawn(), one = spawn(), two = spawn();
    cr_assert_eq(FIXTURE_SEND(&world, sender, send_many, .to = one, .count = 6), TR_OK);
    cr_assert_eq(FIXTURE_SEND(&world, sender, send_many, .to = two, .count = 6), TR_OK);
    feed(two, 5); /* overloaded already: one item of the sender's is enough */
    fixture_run(&world, sender);
    cr_assert_eq(mutes_of(sender), 1, "muted after the first flood, the second has to wait");
    fixture_run(&world, one);
    fixture_run(&world, sender);
    cr_assert_eq(mutes_of(sender), 1);
    cr_assert(fixture_settle(&world, 1000));
    cr_assert_eq(mutes_of(sender), 0);
    cr_assert_eq(state_of(sender)->sent + state_of(sender)->refused, 12);
    fixture_close(&world);
}

/* ---- holding --------------------------------------------------------------------------------- */

Test(pressure, an_actor_that_holds_frees_those_it_muted_and_mutes_nobody) {
    open_world();
    tr_pid sender = spawn(), holder = spawn(), server = spawn();
    cr_assert_eq(FIXTURE_SEND(&world, holder, ask_and_hold, .to = server), TR_OK);
    send_items(sender, holder, 6);
    cr_assert_eq(mutes_of(sender), 1);
    fixture_run(&world, holder);
    cr_assert_eq(mutes_of(sender), 0, "freed when it began to hold");
    fixture_run(&world, sender);
    send_items(sender, holder, 1);
    cr_assert_eq(mutes_of(sender), 0, "only the hard mark applies while it holds");
    send_items(sender, holder, 5);
    cr_assert_eq(state_of(sender)->refused, 4);
    fixture_run(&world, server);
    cr_assert_eq(FIXTURE_SEND(&world, server, answer_now), TR_OK);
    cr_assert(fixture_settle(&world, 1000));
    cr_assert_eq(state_of(holder)->received, 8);
    cr_assert_eq(state_of(holder)->replies, 1);
    fixture_close(&world);
}

/* ---- control --------------------------------------------------------------------------------- */

Test(pressure, replies_and_exits_pass_a_mailbox_at_its_hard_mark_and_mute_nobody) {
    open_world();
    tr_pid asker = spawn(), server = spawn();
    cr_assert_eq(FIXTURE_SEND(&world, asker, ask_and_hold, .to = server), TR_OK);
    cr_assert(fixture_run(&world, asker));
    cr_assert(fixture_run(&world, server));
    feed(asker, 8);
    cr_assert_eq(FIXTURE_SEND(&world, asker, item, .number = 9), TR_EFULL);
    cr_assert_eq(FIXTURE_SEND(&world, server, answer_now), TR_OK);
    cr_assert(fixture_run(&world, server));
    cr_assert_eq(mutes_of(server), 0);
    tr_message *stop = message_new(0);
    stop->kind = MESSAGE_STOP;
    stop->to = asker;
    post_system(&world.core, NULL, &stop);
    cr_assert(fixture_settle(&world, 1000));
    cr_assert_null(fixture_actor(&world, asker), "the exit reached it");
    fixture_close(&world);
}

/* ---- ends ------------------------------------------------------------------------------------ */

Test(pressure, the_end_of_a_receiver_frees_the_muted) {
    open_world();
    tr_pid sender = spawn(), receiver = spawn();
    send_items(sender, receiver, 6);
    cr_assert_eq(mutes_of(sender), 1);
    actor_signal(fixture_actor(&world, receiver), SIGNAL_KILL);
    cr_assert(fixture_run(&world, receiver));
    cr_assert_eq(mutes_of(sender), 0);
    cr_assert_eq(fixture_dead(&world, DEADLETTER_CLOSING), 6);
    fixture_close(&world);
}

/* The sender found the receiver, filed its message past high, and only then came to mute itself. */
Test(pressure, a_receiver_that_ends_between_filing_and_muting_mutes_nobody) {
    open_world();
    tr_pid sender = spawn(), receiver = spawn();
    tr_actor *ending = fixture_actor(&world, receiver), *muted = fixture_actor(&world, sender);
    feed(receiver, 4);
    tr_message *past = message_new(0);
    past->kind = MESSAGE_TIMER;
    uint32_t count = 0;
    cr_assert_eq(mailbox_push(&ending->box, &past, UINT32_MAX, &count), MAILBOX_PUSHED);
    mailbox_take(&ending->box, &ending->local);
    actor_signal(ending, SIGNAL_KILL);
    cr_assert(fixture_run(&world, receiver));
    muted->worker = world.runtime->workers[0]; /* in its handler */
    pressure_pushed(ending, muted, count);
    cr_assert_eq(atomic_load(&muted->mutes), 0, "nobody would ever free it");
    cr_assert(pressure_admits_port(ending, (tr_pid){FIXTURE_SPACE, 50, 1}, true), "nor a port");
    fixture_close(&world);
}

/* Another sender was about to mark it; it drained and went idle without seeing the mark. */
Test(pressure, a_receiver_that_went_idle_before_the_mark_keeps_nobody_muted) {
    open_world();
    tr_pid sender = spawn(), receiver = spawn();
    tr_actor *idle = fixture_actor(&world, receiver), *muted = fixture_actor(&world, sender);
    atomic_store(&idle->overloaded, true);
    muted->worker = world.runtime->workers[0]; /* in its handler */
    pressure_pushed(idle, muted, 5);
    cr_assert_eq(atomic_load(&muted->mutes), 0);
    cr_assert_not(atomic_load(&idle->overloaded));
    fixture_close(&world);
}

Test(pressure, an_actor_whose_high_mark_is_one_drains_when_empty) {
    open_world();
    struct mailbox_limits limits;
    tr_mailbox_options marks = {.high = 1};
    cr_assert_eq(services_limits(world.runtime, &marks, &limits, NULL), TR_OK);
    tr_pid sender = spawn();
    tr_pid receiver = fixture_spawn(&world, &node_behavior, &limits, NULL);
    cr_assert(fixture_run(&world, receiver));
    send_items(sender, receiver, 3);
    cr_assert_eq(mutes_of(sender), 1);
    cr_assert(fixture_settle(&world, 100));
    cr_assert_eq(mutes_of(sender), 0);
    fixture_close(&world);
}

/* ---- peers ----------------------------------------------------------------------------------- */

static void arrive(tr_pid to) {
    const record_type *type;
    tr_message *made;
    struct item body = {1};
    cr_assert_eq(record_table_intern(world.runtime->records, &item_record, &type, NULL), TR_OK);
    cr_assert_eq(message_of(type, &body, 1000, &made), TR_OK);
    made->from = (tr_pid){FIXTURE_FAR, 3, 1};
    made->to = to;
    made->origin = 1;
    made->origin_session = 1;
    post_arrived(&world.core, &made);
}

Test(pressure, a_peer_is_told_to_mute_then_to_refuse_then_freed_and_nothing_is_lost) {
    open_world();
    tr_pid receiver = spawn();
    for (int i = 0; i < 12; i++) arrive(receiver);
    cr_assert_eq(world.note_count, 2);
    cr_assert_eq(world.notes[0].level, PRESSURE_LEVEL_MUTE);
    cr_assert_eq(world.notes[1].level, PRESSURE_LEVEL_REFUSE);
    cr_assert_eq(pressure_origin_level(fixture_actor(&world, receiver), 1), PRESSURE_LEVEL_REFUSE);
    cr_assert(fixture_settle(&world, 100));
    cr_assert_eq(state_of(receiver)->received, 12, "what a link accepted is filed, past hard too");
    cr_assert_eq(world.note_count, 3);
    cr_assert_eq(world.notes[2].level, PRESSURE_LEVEL_FREE);
    cr_assert_eq(world.notes[2].origin, 1);
    fixture_close(&world);
}

/* ---- many ------------------------------------------------------------------------------------ */

Test(pressure, a_pipeline_passes_pressure_back_and_loses_nothing) {
    open_world();
    tr_pid last = spawn();
    struct node_state to_last = {.next = last};
    tr_pid middle = fixture_spawn(&world, &node_behavior, NULL, &to_last);
    struct node_state to_middle = {.next = middle};
    tr_pid first = fixture_spawn(&world, &node_behavior, NULL, &to_middle);
    int fed = 0;
    for (int i = 0; i < 400; i++) {
        if (FIXTURE_SEND(&world, first, item, .number = i) == TR_OK) fed++;
        if (i % 3 == 0) fixture_run(&world, first);
        if (i % 5 == 0) fixture_run(&world, middle);
        if (i % 37 == 0) fixture_run(&world, last);
    }
    cr_assert_lt(fed, 400, "the pressure of the last reached the source");
    cr_assert(fixture_settle(&world, 10000));
    cr_assert_eq(state_of(last)->received + state_of(first)->refused + state_of(middle)->refused,
                 fed);
    cr_assert_eq(mutes_of(first) + mutes_of(middle), 0);
    cr_assert_eq(fixture_dead_all(&world), 0);
    fixture_close(&world);
}

enum { GRAPH_NODES = 12, GRAPH_FLOODS = 120 };

static tr_pid graph[GRAPH_NODES];

/* Runs actors in a random order until all rest. */
static bool run_at_random(random_state *random) {
    for (int idle = 0, steps = 0; steps < 20000; steps++) {
        bool ran = fixture_run(&world, graph[random_below(random, GRAPH_NODES)]);
        idle = ran ? 0 : idle + 1;
        if (idle > 50 * GRAPH_NODES) return true;
    }
    return false;
}

static void flood_at_random(random_state *random) {
    for (int i = 0; i < GRAPH_FLOODS; i++) {
        tr_pid from = graph[random_below(random, GRAPH_NODES)];
        tr_pid to = graph[random_below(random, GRAPH_NODES)];
        if (random_below(random, 4) == 0)
            FIXTURE_SEND(&world, from, send_many, .to = to,
                         .count = (int64_t)random_below(random, 12));
        else
            FIXTURE_SEND(&world, from, item, .number = i);
        if (random_below(random, 2) == 0)
            fixture_run(&world, graph[random_below(random, GRAPH_NODES)]);
    }
}

/* A closed cycle without a sink runs for ever: what circulates now ends where it is. */
static void open_cycles(void) {
    for (int i = 0; i < GRAPH_NODES; i++) {
        struct node_state *state = fixture_actor(&world, graph[i])->state;
        state->next = (tr_pid){0, 0, 0};
    }
}

/* Every actor passes what it gets on to a random other, in cycles too, until refusals end it. */
static void run_graph(uint64_t seed) {
    static const tr_behavior *const offered[] = {&node_behavior, NULL};
    fixture_open(&world, seed, 1, (struct mailbox_limits){1, 2, 4}, offered);
    cr_assert(fixture_settle(&world, 100));
    random_state random;
    random_seed(&random, seed);
    for (int i = 0; i < GRAPH_NODES; i++) graph[i] = spawn();
    for (int i = 0; i < GRAPH_NODES; i++) {
        struct node_state *state = fixture_actor(&world, graph[i])->state;
        /* Cycles in all graphs; every third actor is a sink, so that what circulates ends. */
        if (i % 3 != 0) state->next = graph[random_below(&random, GRAPH_NODES)];
    }
    flood_at_random(&random);
    if (!run_at_random(&random)) open_cycles();
    cr_assert(run_at_random(&random), "seed %" PRIu64 ": does not come to rest", seed);
    for (int i = 0; i < GRAPH_NODES; i++) {
        tr_actor *actor = fixture_actor(&world, graph[i]);
        cr_assert_eq(mutes_of(graph[i]), 0, "seed %" PRIu64 ": actor %d stays muted", seed, i);
        cr_assert_eq(mailbox_count(&actor->box), 0, "seed %" PRIu64 ": actor %d has mail", seed, i);
    }
    fixture_close(&world);
}

Test(pressure, random_graphs_with_cycles_of_overloaded_actors_never_deadlock) {
    for (uint64_t seed = 1; seed <= 150; seed++) run_graph(seed);
}
