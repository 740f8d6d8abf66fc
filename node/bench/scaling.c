/*
 * scaling.c - workloads with a size: what a unit of work costs as their number grows.
 *
 * "pairs:1000" runs a thousand pairs. The work as a whole stays about the same, so that a flat line
 * over the sizes means that size costs nothing. A maker makes the actors of a run, some at a time.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/bench/workload.h"

enum {
    PAIRS = 1000,
    PAIRS_MAX = 1000000,
    PAIRS_TRIPS = 2000000, /* of all pairs together */
    MAILBOX_MESSAGES = 1000000,
    MAILBOX_MESSAGES_MAX = 1000000, /* the largest hard mark there is */
    ACTORS = 1000000,
    ACTORS_MAX = 50000000,
    STATE_BYTES = 1024,
    STATE_BYTES_MAX = 1 << 20,
    STATE_TOTAL_BYTES = 256 << 20,
    STATE_ACTORS_MAX = 100000,
    FLOOD = 256
};

/* ---- what they share ------------------------------------------------------------------------- */

struct go {
    char unused;
};
struct done {
    char unused;
};
struct more {
    char unused;
};
TR_RECORD(go);
TR_RECORD(done);
TR_RECORD(more);

/* Makes one thing; `index` counts from 0. */
typedef tr_status make_function(tr_actor *self, int64_t index);

/* What the actors of the process know of the run: written before the message that starts them. */
static make_function *make_one;
static tr_pid port_pid;
static uint64_t state_bytes;
static _Atomic int64_t unfinished;

/* Whoever brings the count to zero tells the port. Relaxed: the count is all that is shared. */
static tr_status finish_one(tr_actor *self) {
    bool last = atomic_fetch_sub_explicit(&unfinished, 1, memory_order_relaxed) == 1;
    return last ? tr_send(self, port_pid, done) : TR_OK;
}

struct maker {
    int64_t made, count;
};
TR_RECORD(maker, TR_FIELD(maker, made), TR_FIELD(maker, count));

static tr_status maker_on_more(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct maker *maker = state;
    for (int i = 0; i < FLOOD && maker->made < maker->count; i++, maker->made++) {
        tr_status status = make_one(self, maker->made);
        if (status != TR_OK) return status;
    }
    return maker->made < maker->count ? tr_send(self, tr_self(self), more) : finish_one(self);
}

static const tr_behavior maker = {
    .name = "maker",
    .version = 1,
    .state = &maker_record,
    .handlers = TR_HANDLERS({&go_record, maker_on_more}, {&more_record, maker_on_more})};

static tr_status size_of(struct workload_run *run, uint64_t otherwise, uint64_t max) {
    if (run->size == 0) run->size = otherwise;
    if (run->size <= max) return TR_OK;
    return error_set(&run->error, TR_EINVAL, NULL, "a size is at most %" PRIu64, max);
}

/* Sends `go` to an actor and waits until a `done` has come; tells how long that took. */
static tr_status go_and_wait(struct workload_node *node, tr_pid to, double *ns_out) {
    tr_message *over;
    uint64_t began_ns = workload_now_ns();
    tr_status status = tr_port_send(node->port, to, WORKLOAD_WAIT_MS, go);
    if (status == TR_OK)
        status = tr_port_receive(node->port, &done_record, WORKLOAD_WAIT_MS, &over);
    if (status != TR_OK) return status;
    *ns_out = (double)(workload_now_ns() - began_ns);
    tr_message_free(over);
    return TR_OK;
}

/* Makes `count` things and waits until they and `others` more parts of the run are finished. */
static tr_status make(struct workload_run *run, struct workload_node *node, make_function *one,
                      uint64_t count, uint64_t others, double *ns_out) {
    struct maker state = {.count = (int64_t)count};
    tr_pid pid;
    make_one = one;
    port_pid = tr_port_pid(node->port);
    atomic_store(&unfinished, (int64_t)others + 1);
    tr_status status =
        tr_port_spawn(node->port, maker.name, &maker_record, TR_SPAWN(.state = &state),
                      WORKLOAD_WAIT_MS, &pid, &run->error);
    return status == TR_OK ? go_and_wait(node, pid, ns_out) : status;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

struct ping {
    char unused;
};
struct pong {
    char unused;
};
struct pinger {
    tr_pid ponger;
    int64_t left;
};
TR_RECORD(ping);
TR_RECORD(pong);
TR_RECORD(pinger, TR_FIELD(pinger, ponger), TR_FIELD(pinger, left));

static tr_pid *pingers;
static int64_t trips_each;

static tr_status ponger_on_ping(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    return tr_send(self, tr_sender(message), pong);
}

static const tr_behavior ponger = {
    .name = "ponger", .version = 1, .handlers = TR_HANDLERS({&ping_record, ponger_on_ping})};

static tr_status pinger_init(tr_actor *self, void *state) {
    struct pinger *me = state;
    me->left = trips_each;
    return tr_spawn(self, &ponger, NULL, &me->ponger);
}

static tr_status pinger_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    const struct pinger *me = state;
    return tr_send(self, me->ponger, ping);
}

static tr_status pinger_on_pong(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct pinger *me = state;
    return --me->left == 0 ? finish_one(self) : tr_send(self, me->ponger, ping);
}

static const tr_behavior pinger = {
    .name = "pinger",
    .version = 1,
    .state = &pinger_record,
    .handlers = TR_HANDLERS({&go_record, pinger_on_go}, {&pong_record, pinger_on_pong}),
    .init = pinger_init};

static tr_status make_pinger(tr_actor *self, int64_t index) {
    return tr_spawn(self, &pinger, NULL, &pingers[index]);
}

static tr_status start_pinger(tr_actor *self, int64_t index) {
    return tr_send(self, pingers[index], go);
}

static tr_status run_pairs(struct workload_run *run) {
    static const tr_behavior *const behaviors[] = {&maker, &pinger, &ponger, NULL};
    struct workload_node node;
    double ns = 0;
    tr_status status = size_of(run, PAIRS, PAIRS_MAX);
    if (status == TR_OK) status = workload_node_start(run, behaviors, &node);
    if (status != TR_OK) return status;
    uint64_t pairs = run->size;
    pingers = mem_zalloc(pairs, sizeof *pingers);
    trips_each = pairs < PAIRS_TRIPS ? PAIRS_TRIPS / (int64_t)pairs : 1;
    uint64_t before = workload_resident_bytes();
    status = make(run, &node, make_pinger, pairs, 0, &ns);
    uint64_t made = workload_resident_bytes();
    if (status == TR_OK) status = make(run, &node, start_pinger, pairs, pairs, &ns);
    if (status == TR_OK) {
        workload_report(run, "ns_per_msg", "ns", ns / (2.0 * (double)pairs * (double)trips_each));
        workload_report(run, "bytes_per_pair", "bytes", (double)(made - before) / (double)pairs);
    }
    workload_node_stop(&node);
    mem_free(pingers);
    return status;
}

/* ---- mailbox --------------------------------------------------------------------------------- */

struct drop {
    int64_t number;
};
struct basin {
    int64_t left;
};
struct filler {
    tr_pid basin;
    int64_t messages;
};
TR_RECORD(drop, TR_FIELD(drop, number));
TR_RECORD(basin, TR_FIELD(basin, left));
TR_RECORD(filler, TR_FIELD(filler, basin), TR_FIELD(filler, messages));

/* Written by the only worker, read after the end of the run. */
static uint64_t fill_began_ns, fill_ended_ns, empty_bytes, full_bytes;

static tr_status basin_on_drop(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct basin *me = state;
    return --me->left == 0 ? tr_send(self, port_pid, done) : TR_OK;
}

static const tr_behavior basin = {.name = "basin",
                                  .version = 1,
                                  .state = &basin_record,
                                  .handlers = TR_HANDLERS({&drop_record, basin_on_drop})};

/* All in one turn: the receiver, on the same worker, gets none before the last is sent. */
static tr_status filler_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    const struct filler *me = state;
    tr_status status = TR_OK;
    empty_bytes = workload_resident_bytes();
    fill_began_ns = workload_now_ns();
    for (int64_t i = 0; status == TR_OK && i < me->messages; i++)
        status = tr_send(self, me->basin, drop, .number = i);
    fill_ended_ns = workload_now_ns();
    full_bytes = workload_resident_bytes();
    return status;
}

static const tr_behavior filler = {.name = "filler",
                                   .version = 1,
                                   .state = &filler_record,
                                   .handlers = TR_HANDLERS({&go_record, filler_on_go})};

static tr_status fill_and_drain(struct workload_run *run, struct workload_node *node) {
    uint32_t messages = (uint32_t)run->size, hard = messages < 4 ? 4 : messages;
    struct basin empty = {.left = messages};
    tr_spawn_options options = {.state = &empty,
                                .mailbox = {.low = 1, .high = hard - 1, .hard = hard}};
    struct filler first = {.messages = messages};
    tr_pid pid;
    double ns;
    port_pid = tr_port_pid(node->port);
    tr_status status = tr_port_spawn(node->port, basin.name, &basin_record, &options,
                                     WORKLOAD_WAIT_MS, &first.basin, &run->error);
    if (status == TR_OK)
        status = tr_port_spawn(node->port, filler.name, &filler_record, TR_SPAWN(.state = &first),
                               WORKLOAD_WAIT_MS, &pid, &run->error);
    if (status == TR_OK) status = go_and_wait(node, pid, &ns);
    if (status != TR_OK) return status;
    uint64_t now_ns = workload_now_ns();
    workload_report(run, "ns_per_fill", "ns", (double)(fill_ended_ns - fill_began_ns) / messages);
    workload_report(run, "ns_per_drain", "ns", (double)(now_ns - fill_ended_ns) / messages);
    workload_report(run, "bytes_per_msg", "bytes", (double)(full_bytes - empty_bytes) / messages);
    return TR_OK;
}

static tr_status run_mailbox(struct workload_run *run) {
    static const tr_behavior *const behaviors[] = {&filler, &basin, NULL};
    struct workload_node node;
    tr_node_options options = {.workers = 1};
    tr_status status = size_of(run, MAILBOX_MESSAGES, MAILBOX_MESSAGES_MAX);
    if (status == TR_OK) status = workload_node_start_with(run, &options, behaviors, &node);
    if (status != TR_OK) return status;
    status = fill_and_drain(run, &node);
    workload_node_stop(&node);
    return status;
}

/* ---- actors, and their state ----------------------------------------------------------------- */

struct idle {
    uint64_t a, b;
};
struct holder {
    tr_bytes bytes;
};
TR_RECORD(idle, TR_FIELD(idle, a), TR_FIELD(idle, b));
TR_RECORD(holder, TR_FIELD(holder, bytes));

static tr_status idle_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)self, (void)state, (void)message;
    return TR_OK;
}

static const tr_behavior idle = {.name = "idle",
                                 .version = 1,
                                 .state = &idle_record,
                                 .handlers = TR_HANDLERS({&go_record, idle_on_go})};

static tr_status make_idle(tr_actor *self, int64_t index) {
    (void)index;
    tr_pid pid;
    return tr_spawn(self, &idle, NULL, &pid);
}

static const char *state_source;

static tr_status holder_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct holder *me = state;
    tr_status status = tr_bytes_set(self, &me->bytes, state_source, state_bytes);
    return status == TR_OK ? finish_one(self) : status;
}

static const tr_behavior holder = {.name = "holder",
                                   .version = 1,
                                   .state = &holder_record,
                                   .handlers = TR_HANDLERS({&go_record, holder_on_go})};

static tr_status make_holder(tr_actor *self, int64_t index) {
    (void)index;
    tr_pid pid;
    tr_status status = tr_spawn(self, &holder, NULL, &pid);
    return status == TR_OK ? tr_send(self, pid, go) : status;
}

/* Makes `count` actors, waits for `others` parts, and reports per actor. */
static tr_status run_crowd(struct workload_run *run, make_function *one, uint64_t count,
                           uint64_t others) {
    static const tr_behavior *const behaviors[] = {&maker, &idle, &holder, NULL};
    struct workload_node node;
    double ns;
    tr_status status = workload_node_start(run, behaviors, &node);
    if (status != TR_OK) return status;
    uint64_t before = workload_resident_bytes();
    status = make(run, &node, one, count, others, &ns);
    if (status == TR_OK) {
        double grown = (double)(workload_resident_bytes() - before);
        workload_report(run, "ns_per_actor", "ns", ns / (double)count);
        workload_report(run, "bytes_per_actor", "bytes", grown / (double)count);
    }
    workload_node_stop(&node);
    return status;
}

static tr_status run_actors(struct workload_run *run) {
    tr_status status = size_of(run, ACTORS, ACTORS_MAX);
    return status == TR_OK ? run_crowd(run, make_idle, run->size, 0) : status;
}

static tr_status run_state(struct workload_run *run) {
    tr_status status = size_of(run, STATE_BYTES, STATE_BYTES_MAX);
    if (status != TR_OK) return status;
    uint64_t count = STATE_TOTAL_BYTES / run->size;
    if (count > STATE_ACTORS_MAX) count = STATE_ACTORS_MAX;
    char *source = mem_zalloc(run->size, 1);
    state_source = source;
    state_bytes = run->size;
    workload_note(run, "%" PRIu64 " actors", count);
    status = run_crowd(run, make_holder, count, count);
    mem_free(source);
    return status;
}

const struct workload workloads_scaling[] = {
    {"pairs", "pairs that ping each other; the size is their number", run_pairs},
    {"mailbox", "messages that wait in one mailbox; the size is their number", run_mailbox},
    {"actors", "idle actors with 16 bytes of state; the size is their number", run_actors},
    {"state", "actors that set their state; the size is its bytes", run_state},
    {NULL, NULL, NULL},
};
