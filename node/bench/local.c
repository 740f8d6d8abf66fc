/*
 * local.c - the workloads within one process: how much a message, a hop, an actor costs.
 *
 * Each is started by a message from a port and ends when a `done` has come back to it. Who sends
 * many messages in a row pauses after each FLOOD of them, as a program would that lets back
 * pressure work: beyond a full mailbox's hard mark a send is refused.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "node/bench/workload.h"

enum {
    PINGPONG_TRIPS = 3000000,
    COUNTING_MESSAGES = 5000000,
    RING_ACTORS = 100,
    RING_HOPS = 8000000,
    FORK_ACTORS = 1000000,
    THROUGHPUT_ACTORS = 60,
    THROUGHPUT_MESSAGES = 100000, /* to each */
    BIG_ACTORS = 120,
    BIG_PINGS = 40000, /* of each */
    CHAMENEOS = 100,
    MEETINGS = 2000000,
    IDLE_ACTORS = 1000000,
    FLOOD = 256
};

/* ---- what they share ------------------------------------------------------------------------- */

struct go {
    char unused;
};
struct done {
    char unused;
};
struct inc {
    char unused;
};
struct more {
    char unused;
};
TR_RECORD(go);
TR_RECORD(done);
TR_RECORD(inc);
TR_RECORD(more);

/* Tells the port that an actor's part is over. */
static tr_status finish(tr_actor *self, tr_pid port) {
    return tr_send(self, port, done);
}

/* Sends `go` to `first` and waits for the end; reports nanoseconds per event. */
static tr_status time_run(struct workload_run *run, tr_port *port, tr_pid first, double events,
                          const char *metric) {
    tr_message *over;
    uint64_t began_ns = workload_now_ns();
    tr_status status = tr_port_send(port, first, WORKLOAD_WAIT_MS, go);
    if (status == TR_OK) status = tr_port_receive(port, &done_record, WORKLOAD_WAIT_MS, &over);
    if (status != TR_OK) return status;
    workload_report(run, metric, "ns", (double)(workload_now_ns() - began_ns) / events);
    tr_message_free(over);
    return TR_OK;
}

/* Spawns by name through the port. */
static tr_status spawn(struct workload_run *run, tr_port *port, const tr_behavior *behavior,
                       const void *state, tr_pid *pid_out) {
    return tr_port_spawn(port, behavior->name, behavior->state, TR_SPAWN(.state = state),
                         WORKLOAD_WAIT_MS, pid_out, &run->error);
}

/* A run of one actor that spawns what else it needs: `first` has a field `port` filled in by
 * `set`. */
static tr_status run_first(struct workload_run *run, const tr_behavior *const *behaviors,
                           void *state, tr_pid *port_field, double events, const char *metric) {
    struct workload_node node;
    tr_status status = workload_node_start(run, behaviors, &node);
    if (status != TR_OK) return status;
    tr_pid first;
    *port_field = tr_port_pid(node.port);
    status = spawn(run, node.port, behaviors[0], state, &first);
    if (status == TR_OK) status = time_run(run, node.port, first, events, metric);
    workload_node_stop(&node);
    return status;
}

/* ---- pingpong -------------------------------------------------------------------------------- */

struct ping {
    char unused;
};
struct pong {
    char unused;
};
TR_RECORD(ping);
TR_RECORD(pong);

static tr_status ponger_on_ping(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    return tr_send(self, tr_sender(message), pong);
}

static const tr_behavior ponger = {
    .name = "ponger", .version = 1, .handlers = TR_HANDLERS({&ping_record, ponger_on_ping})};

struct pinger {
    tr_pid port, ponger;
    int64_t left;
};
TR_RECORD(pinger, TR_FIELD(pinger, port), TR_FIELD(pinger, ponger), TR_FIELD(pinger, left));

static tr_status pinger_init(tr_actor *self, void *state) {
    struct pinger *pinger = state;
    return tr_spawn(self, &ponger, NULL, &pinger->ponger);
}

static tr_status pinger_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    const struct pinger *pinger = state;
    return tr_send(self, pinger->ponger, ping);
}

static tr_status pinger_on_pong(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct pinger *pinger = state;
    if (--pinger->left == 0) return finish(self, pinger->port);
    return tr_send(self, pinger->ponger, ping);
}

static const tr_behavior pinger = {
    .name = "pinger",
    .version = 1,
    .state = &pinger_record,
    .handlers = TR_HANDLERS({&go_record, pinger_on_go}, {&pong_record, pinger_on_pong}),
    .init = pinger_init};

static tr_status run_pingpong(struct workload_run *run) {
    static const tr_behavior *const behaviors[] = {&pinger, &ponger, NULL};
    struct pinger state = {.left = PINGPONG_TRIPS};
    return run_first(run, behaviors, &state, &state.port, 2.0 * PINGPONG_TRIPS, "ns_per_msg");
}

/* ---- counting and fjthrput: a producer, and counters it sends to in turn ----------------------
 */

struct counter {
    tr_pid join;
    int64_t left;
};
TR_RECORD(counter, TR_FIELD(counter, join), TR_FIELD(counter, left));

static tr_status counter_on_inc(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct counter *counter = state;
    return --counter->left == 0 ? finish(self, counter->join) : TR_OK;
}

static const tr_behavior counter = {.name = "counter",
                                    .version = 1,
                                    .state = &counter_record,
                                    .handlers = TR_HANDLERS({&inc_record, counter_on_inc})};

struct producer {
    tr_pid port;
    int64_t messages; /* to each */
    uint32_t counters;
    uint32_t finished;
    uint32_t next; /* whose turn it is, in the round that is under way */
    tr_pid to[THROUGHPUT_ACTORS];
};
TR_RECORD(producer, TR_FIELD(producer, port), TR_FIELD(producer, messages),
          TR_FIELD(producer, counters), TR_FIELD(producer, finished), TR_FIELD(producer, next),
          TR_FIELD(producer, to));

static tr_status producer_init(tr_actor *self, void *state) {
    struct producer *producer = state;
    struct counter first = {.join = tr_self(self), .left = producer->messages};
    tr_status status = TR_OK;
    for (uint32_t i = 0; status == TR_OK && i < producer->counters; i++)
        status = tr_spawn(self, &counter, TR_SPAWN(.state = &first), &producer->to[i]);
    return status;
}

static tr_status producer_on_more(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct producer *producer = state;
    for (int i = 0; i < FLOOD && producer->messages > 0; i++) {
        if (tr_send(self, producer->to[producer->next], inc) != TR_OK) break;
        if (++producer->next < producer->counters) continue;
        producer->next = 0;
        producer->messages--;
    }
    return producer->messages > 0 ? tr_send(self, tr_self(self), more) : TR_OK;
}

static tr_status producer_on_done(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct producer *producer = state;
    return ++producer->finished == producer->counters ? finish(self, producer->port) : TR_OK;
}

static const tr_behavior producer = {
    .name = "producer",
    .version = 1,
    .state = &producer_record,
    .handlers = TR_HANDLERS({&go_record, producer_on_more}, {&more_record, producer_on_more},
                            {&done_record, producer_on_done}),
    .init = producer_init};

static tr_status run_producer(struct workload_run *run, uint32_t counters, int64_t messages) {
    static const tr_behavior *const behaviors[] = {&producer, &counter, NULL};
    struct producer state = {.counters = counters, .messages = messages};
    return run_first(run, behaviors, &state, &state.port, (double)counters * (double)messages,
                     "ns_per_msg");
}

static tr_status run_counting(struct workload_run *run) {
    return run_producer(run, 1, COUNTING_MESSAGES);
}

static tr_status run_fjthrput(struct workload_run *run) {
    return run_producer(run, THROUGHPUT_ACTORS, THROUGHPUT_MESSAGES);
}

/* ---- threadring ------------------------------------------------------------------------------ */

struct hop {
    int64_t left;
};
struct hopper {
    tr_pid port, next;
    int32_t place; /* 0 closes the ring */
};
TR_RECORD(hop, TR_FIELD(hop, left));
TR_RECORD(hopper, TR_FIELD(hopper, port), TR_FIELD(hopper, next), TR_FIELD(hopper, place));

static const tr_behavior hopper;

/* The first one makes the ring: each knows the one made before it. */
static tr_status hopper_init(tr_actor *self, void *state) {
    struct hopper *first = state;
    if (first->place != 0) return TR_OK;
    struct hopper made = {.port = first->port, .next = tr_self(self)};
    tr_status status = TR_OK;
    for (made.place = 1; status == TR_OK && made.place < RING_ACTORS; made.place++)
        status = tr_spawn(self, &hopper, TR_SPAWN(.state = &made), &made.next);
    first->next = made.next;
    return status;
}

static tr_status hopper_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    const struct hopper *me = state;
    return tr_send(self, me->next, hop, .left = RING_HOPS - 1);
}

static tr_status hopper_on_hop(tr_actor *self, void *state, const tr_message *message) {
    const struct hopper *me = state;
    const struct hop *hop = tr_body(message);
    if (hop->left == 1) return finish(self, me->port);
    return tr_send(self, me->next, hop, .left = hop->left - 1);
}

static const tr_behavior hopper = {
    .name = "hopper",
    .version = 1,
    .state = &hopper_record,
    .handlers = TR_HANDLERS({&go_record, hopper_on_go}, {&hop_record, hopper_on_hop}),
    .init = hopper_init};

static tr_status run_threadring(struct workload_run *run) {
    static const tr_behavior *const behaviors[] = {&hopper, NULL};
    struct hopper state = {.place = 0};
    return run_first(run, behaviors, &state, &state.port, RING_HOPS, "ns_per_hop");
}

/* ---- fjcreate: whoever brings the shared count to zero tells the port ---------------------------
 */

static _Atomic int64_t forks_left;

struct work {
    char unused;
};
struct forked {
    tr_pid port;
};
struct forker {
    tr_pid port;
    int64_t left;
};
TR_RECORD(work);
TR_RECORD(forked, TR_FIELD(forked, port));
TR_RECORD(forker, TR_FIELD(forker, port), TR_FIELD(forker, left));

static tr_status forked_on_work(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    const struct forked *forked = state;
    tr_exit(self);
    /* Relaxed: the count is all that is shared. */
    bool last = atomic_fetch_sub_explicit(&forks_left, 1, memory_order_relaxed) == 1;
    return last ? finish(self, forked->port) : TR_OK;
}

static const tr_behavior forked = {.name = "forked",
                                   .version = 1,
                                   .state = &forked_record,
                                   .handlers = TR_HANDLERS({&work_record, forked_on_work})};

static tr_status forker_on_more(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct forker *forker = state;
    struct forked first = {.port = forker->port};
    for (int i = 0; i < FLOOD && forker->left > 0; i++, forker->left--) {
        tr_pid pid;
        tr_status status = tr_spawn(self, &forked, TR_SPAWN(.state = &first), &pid);
        if (status == TR_OK) status = tr_send(self, pid, work);
        if (status != TR_OK) return status;
    }
    return forker->left > 0 ? tr_send(self, tr_self(self), more) : TR_OK;
}

static const tr_behavior forker = {
    .name = "forker",
    .version = 1,
    .state = &forker_record,
    .handlers = TR_HANDLERS({&go_record, forker_on_more}, {&more_record, forker_on_more})};

static tr_status run_fjcreate(struct workload_run *run) {
    static const tr_behavior *const behaviors[] = {&forker, &forked, NULL};
    struct forker state = {.left = FORK_ACTORS};
    atomic_store(&forks_left, FORK_ACTORS);
    return run_first(run, behaviors, &state, &state.port, FORK_ACTORS, "ns_per_actor");
}

/* ---- big ------------------------------------------------------------------------------------- */

/* What all actors of one run know: written before `go`, read only after. */
static tr_pid big_peers[BIG_ACTORS];

struct bigger {
    tr_pid join;
    int32_t place, left;
    uint32_t seed;
};
struct big_join {
    tr_pid port;
    int32_t finished;
};
TR_RECORD(bigger, TR_FIELD(bigger, join), TR_FIELD(bigger, place), TR_FIELD(bigger, left),
          TR_FIELD(bigger, seed));
TR_RECORD(big_join, TR_FIELD(big_join, port), TR_FIELD(big_join, finished));

/* The next ping, to a pseudo-random other actor. */
static tr_status bigger_on_pong(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct bigger *bigger = state;
    if (bigger->left == 0) return finish(self, bigger->join);
    bigger->seed = (bigger->seed * 1103515245u + 12345u) & 0x7fffffffu;
    uint32_t to =
        ((uint32_t)bigger->place + 1 + (bigger->seed >> 8) % (BIG_ACTORS - 1)) % BIG_ACTORS;
    bigger->left--;
    return tr_send(self, big_peers[to], ping);
}

static const tr_behavior bigger = {
    .name = "bigger",
    .version = 1,
    .state = &bigger_record,
    .handlers = TR_HANDLERS({&ping_record, ponger_on_ping}, {&pong_record, bigger_on_pong})};

static tr_status big_join_init(tr_actor *self, void *state) {
    (void)state;
    tr_status status = TR_OK;
    for (int32_t i = 0; status == TR_OK && i < BIG_ACTORS; i++) {
        struct bigger first = {
            .join = tr_self(self), .place = i, .left = BIG_PINGS, .seed = (uint32_t)i + 1};
        status = tr_spawn(self, &bigger, TR_SPAWN(.state = &first), &big_peers[i]);
    }
    return status;
}

static tr_status big_join_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)state, (void)message;
    tr_status status = TR_OK;
    for (int i = 0; status == TR_OK && i < BIG_ACTORS; i++)
        status = tr_send(self, big_peers[i], pong);
    return status;
}

static tr_status big_join_on_done(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct big_join *join = state;
    return ++join->finished == BIG_ACTORS ? finish(self, join->port) : TR_OK;
}

static const tr_behavior big_join = {
    .name = "big_join",
    .version = 1,
    .state = &big_join_record,
    .handlers = TR_HANDLERS({&go_record, big_join_on_go}, {&done_record, big_join_on_done}),
    .init = big_join_init};

static tr_status run_big(struct workload_run *run) {
    static const tr_behavior *const behaviors[] = {&big_join, &bigger, NULL};
    struct big_join state = {.finished = 0};
    return run_first(run, behaviors, &state, &state.port, 2.0 * BIG_ACTORS * BIG_PINGS,
                     "ns_per_msg");
}

/* ---- chameneos ------------------------------------------------------------------------------- */

struct meet {
    tr_pid from;
    int32_t colour;
};
struct change {
    int32_t colour;
};
struct leave {
    char unused;
};
struct met {
    int64_t count;
};
struct chameneo {
    tr_pid mall;
    int32_t colour;
    int64_t met;
};
struct mall {
    tr_pid port, waiting;
    int64_t left;
    int32_t alive;
    tr_list chameneos; /* of tr_pid */
};
TR_RECORD(meet, TR_FIELD(meet, from), TR_FIELD(meet, colour));
TR_RECORD(change, TR_FIELD(change, colour));
TR_RECORD(leave);
TR_RECORD(met, TR_FIELD(met, count));
TR_RECORD(chameneo, TR_FIELD(chameneo, mall), TR_FIELD(chameneo, colour), TR_FIELD(chameneo, met));
TR_RECORD(mall, TR_FIELD(mall, port), TR_FIELD(mall, waiting), TR_FIELD(mall, left),
          TR_FIELD(mall, alive), TR_FIELD_LIST(mall, chameneos, tr_pid));

static int32_t complement(int32_t a, int32_t b) {
    return a == b ? a : 3 - a - b;
}

static tr_status ask_to_meet(tr_actor *self, const struct chameneo *chameneo) {
    return tr_send(self, chameneo->mall, meet, .from = tr_self(self), .colour = chameneo->colour);
}

static tr_status chameneo_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    return ask_to_meet(self, state);
}

static tr_status chameneo_on_meet(tr_actor *self, void *state, const tr_message *message) {
    struct chameneo *chameneo = state;
    const struct meet *meet = tr_body(message);
    chameneo->colour = complement(chameneo->colour, meet->colour);
    chameneo->met++;
    tr_status status = tr_send(self, meet->from, change, .colour = chameneo->colour);
    return status != TR_OK ? status : ask_to_meet(self, chameneo);
}

static tr_status chameneo_on_change(tr_actor *self, void *state, const tr_message *message) {
    struct chameneo *chameneo = state;
    const struct change *change = tr_body(message);
    chameneo->colour = change->colour;
    chameneo->met++;
    return ask_to_meet(self, chameneo);
}

static tr_status chameneo_on_leave(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    const struct chameneo *chameneo = state;
    return tr_send(self, chameneo->mall, met, .count = chameneo->met);
}

static const tr_behavior chameneo = {
    .name = "chameneo",
    .version = 1,
    .state = &chameneo_record,
    .handlers =
        TR_HANDLERS({&go_record, chameneo_on_go}, {&meet_record, chameneo_on_meet},
                    {&change_record, chameneo_on_change}, {&leave_record, chameneo_on_leave})};

static tr_status mall_init(tr_actor *self, void *state) {
    struct mall *mall = state;
    tr_pid made[CHAMENEOS];
    tr_status status = TR_OK;
    for (int32_t i = 0; status == TR_OK && i < CHAMENEOS; i++) {
        struct chameneo first = {.mall = tr_self(self), .colour = i % 3};
        status = tr_spawn(self, &chameneo, TR_SPAWN(.state = &first), &made[i]);
    }
    mall->alive = CHAMENEOS;
    return status != TR_OK ? status : tr_list_set(self, &mall->chameneos, made, CHAMENEOS);
}

static tr_status mall_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    const struct mall *mall = state;
    const tr_pid *chameneos = mall->chameneos.items;
    tr_status status = TR_OK;
    for (uint32_t i = 0; status == TR_OK && i < mall->chameneos.count; i++)
        status = tr_send(self, chameneos[i], go);
    return status;
}

static tr_status mall_on_meet(tr_actor *self, void *state, const tr_message *message) {
    struct mall *mall = state;
    const struct meet *second = tr_body(message);
    if (mall->left == 0) return tr_send(self, second->from, leave);
    if (tr_pid_is_none(mall->waiting)) {
        mall->waiting = second->from;
        return TR_OK;
    }
    tr_pid first = mall->waiting;
    mall->waiting = (tr_pid){0, 0, 0};
    mall->left--;
    return tr_send(self, first, meet, .from = second->from, .colour = second->colour);
}

static tr_status mall_on_met(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct mall *mall = state;
    return --mall->alive == 0 ? finish(self, mall->port) : TR_OK;
}

static const tr_behavior mall = {
    .name = "mall",
    .version = 1,
    .state = &mall_record,
    .handlers = TR_HANDLERS({&go_record, mall_on_go}, {&meet_record, mall_on_meet},
                            {&met_record, mall_on_met}),
    .init = mall_init};

static tr_status run_chameneos(struct workload_run *run) {
    static const tr_behavior *const behaviors[] = {&mall, &chameneo, NULL};
    struct mall state = {.left = MEETINGS};
    return run_first(run, behaviors, &state, &state.port, MEETINGS, "ns_per_meeting");
}

/* ---- idlemem --------------------------------------------------------------------------------- */

struct idle {
    uint64_t a, b;
};
struct crowd {
    tr_pid port;
    int64_t left;
};
TR_RECORD(idle, TR_FIELD(idle, a), TR_FIELD(idle, b));
TR_RECORD(crowd, TR_FIELD(crowd, port), TR_FIELD(crowd, left));

static tr_status idle_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    return TR_OK;
}

static const tr_behavior idle = {.name = "idle",
                                 .version = 1,
                                 .state = &idle_record,
                                 .handlers = TR_HANDLERS({&go_record, idle_on_go})};

static tr_status crowd_on_more(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct crowd *crowd = state;
    for (int i = 0; i < FLOOD && crowd->left > 0; i++, crowd->left--) {
        tr_pid pid;
        tr_status status = tr_spawn(self, &idle, NULL, &pid);
        if (status != TR_OK) return status;
    }
    return crowd->left > 0 ? tr_send(self, tr_self(self), more) : finish(self, crowd->port);
}

static const tr_behavior crowd = {
    .name = "crowd",
    .version = 1,
    .state = &crowd_record,
    .handlers = TR_HANDLERS({&go_record, crowd_on_more}, {&more_record, crowd_on_more})};

static tr_status run_idlemem(struct workload_run *run) {
    static const tr_behavior *const behaviors[] = {&crowd, &idle, NULL};
    struct workload_node node;
    tr_status status = workload_node_start(run, behaviors, &node);
    if (status != TR_OK) return status;
    struct crowd state = {.port = tr_port_pid(node.port), .left = IDLE_ACTORS};
    tr_pid first;
    tr_message *over = NULL;
    status = spawn(run, node.port, &crowd, &state, &first);
    uint64_t before = workload_resident_bytes();
    if (status == TR_OK) status = tr_port_send(node.port, first, WORKLOAD_WAIT_MS, go);
    if (status == TR_OK) status = tr_port_receive(node.port, &done_record, WORKLOAD_WAIT_MS, &over);
    if (status == TR_OK) {
        double grown = (double)(workload_resident_bytes() - before);
        workload_report(run, "bytes_per_actor", "bytes", grown / IDLE_ACTORS);
        tr_message_free(over);
    }
    workload_node_stop(&node);
    return status;
}

const struct workload workloads_local[] = {
    {"pingpong", "two actors and one message between them", run_pingpong},
    {"counting", "one actor sends to one that counts", run_counting},
    {"threadring", "one message around a ring of 100 actors", run_threadring},
    {"fjcreate", "1,000,000 actors are made, handle one message and end", run_fjcreate},
    {"fjthrput", "one actor sends to 60 in turn", run_fjthrput},
    {"big", "120 actors ping each other at random", run_big},
    {"chameneos", "100 actors meet in pairs at one place", run_chameneos},
    {"idlemem", "memory of 1,000,000 idle actors with 16 bytes of state", run_idlemem},
    {NULL, NULL, NULL},
};
