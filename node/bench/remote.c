/*
 * remote.c - the workloads between two nodes in two processes, over loopback tcp: how many messages
 * a second cross a link, how long a round trip takes, how many actors are born over there.
 *
 * Each runs twice, first in plaintext, then with CURVE (metrics with `_curve`). Node b1 is this
 * process and sends, node b2 is the other (pair.h).
 */
#include <stdio.h>
#include <stdlib.h>

#include "node/base/check.h"
#include "node/bench/pair.h"

enum {
    COUNTING_64_MESSAGES = 1000000,
    COUNTING_1K_MESSAGES = 500000,
    TRIPS = 20000,
    TRIPS_BEFORE = 2000, /* not timed */
    SPAWNS = 20000,
    ASYNC_SPAWNS = 500000,
    FLOOD = 256 /* messages sent in one turn */
};

/* The counter's mailbox holds what arrives while word of its pressure travels there and back. */
#define SINK_MARKS \
    { .low = 8000, .high = 16000, .hard = 256000 }

/* ---- what they share ------------------------------------------------------------------------- */

struct go {
    char unused;
};
struct more {
    char unused;
};
struct done {
    char unused;
};
TR_RECORD(go);
TR_RECORD(more);
TR_RECORD(done);

/* How one workload runs between a started pair of nodes; `suffix` is that of its metrics. */
struct remote {
    const tr_behavior *const *behaviors; /* of b1 */
    tr_status (*run)(struct workload_run *run, tr_port *port, const void *context, bool curve);
    const void *context;
};

/* Sends `go` and waits for `done`; `*ns_out` gets how long that took. */
static tr_status time_run(tr_port *port, tr_pid first, uint64_t *ns_out) {
    tr_message *over;
    uint64_t began_ns = workload_now_ns();
    tr_status status = tr_port_send(port, first, WORKLOAD_WAIT_MS, go);
    if (status == TR_OK) status = tr_port_receive(port, &done_record, WORKLOAD_WAIT_MS, &over);
    if (status != TR_OK) return status;
    *ns_out = workload_now_ns() - began_ns;
    tr_message_free(over);
    return TR_OK;
}

static tr_status spawn(struct workload_run *run, tr_port *port, const char *node,
                       const tr_behavior *behavior, const void *state, tr_pid *pid_out) {
    return tr_port_spawn(port, behavior->name, behavior->state,
                         TR_SPAWN(.node = node, .state = state), WORKLOAD_WAIT_MS, pid_out,
                         &run->error);
}

static const struct child_role *const far_role = child_roles_remote;

/* Runs it in plaintext and with CURVE, each between a pair of nodes of its own. */
static tr_status run_both(struct workload_run *run, const struct remote *remote, bool peaks) {
    static const tr_security securities[] = {TR_SECURITY_NONE, TR_SECURITY_CURVE};
    uint64_t far_peak = 0;
    for (int i = 0; i < 2; i++) {
        struct pair pair;
        tr_status status = pair_start(run, securities[i], remote->behaviors, far_role, &pair);
        if (status != TR_OK) return status;
        status = remote->run(run, pair.here.port, remote->context, i == 1);
        uint64_t peak = pair_peak_bytes(pair.other.pid);
        pair_stop(&pair);
        if (status != TR_OK) return status;
        if (peak > far_peak) far_peak = peak;
    }
    if (!peaks) return TR_OK;
    workload_report(run, "peak_bytes", "bytes", (double)pair_peak_bytes(0));
    workload_report(run, "peak_bytes_far", "bytes", (double)far_peak);
    return TR_OK;
}

/* ---- rcounting: one actor floods another, which says when it has them all ----------------------
 */

struct inc_64 {
    uint64_t count;
    uint8_t payload[64];
};
struct inc_1k {
    uint64_t count;
    uint8_t payload[1024];
};
struct sink {
    uint64_t left;
};
TR_RECORD(inc_64, TR_FIELD(inc_64, count), TR_FIELD(inc_64, payload));
TR_RECORD(inc_1k, TR_FIELD(inc_1k, count), TR_FIELD(inc_1k, payload));
TR_RECORD(sink, TR_FIELD(sink, left));

static tr_status sink_on_inc(tr_actor *self, void *state, const tr_message *message) {
    struct sink *sink = state;
    return --sink->left == 0 ? tr_send(self, tr_sender(message), done) : TR_OK;
}

static const tr_behavior sink = {
    .name = "sink",
    .version = 1,
    .state = &sink_record,
    .handlers = TR_HANDLERS({&inc_64_record, sink_on_inc}, {&inc_1k_record, sink_on_inc})};

struct flooder {
    tr_pid port, to;
    uint64_t left;
    uint32_t payload_bytes;
};
TR_RECORD(flooder, TR_FIELD(flooder, port), TR_FIELD(flooder, to), TR_FIELD(flooder, left),
          TR_FIELD(flooder, payload_bytes));

static tr_status flooder_on_more(tr_actor *self, void *state, const tr_message *message) {
    static const struct inc_1k filled = {.payload = {1, 2, 3}};
    static const struct inc_64 filled_64 = {.payload = {1, 2, 3}};
    (void)message;
    struct flooder *flooder = state;
    struct inc_1k large = filled;
    struct inc_64 small = filled_64;
    bool is_small = flooder->payload_bytes == sizeof small.payload;
    for (int i = 0; i < FLOOD && flooder->left > 0; i++, flooder->left--) {
        small.count = large.count = flooder->left;
        tr_status status = is_small ? tr_send_record(self, flooder->to, &inc_64_record, &small)
                                    : tr_send_record(self, flooder->to, &inc_1k_record, &large);
        if (status == TR_EFULL) break; /* tried again in the next turn */
        if (status != TR_OK) return status;
    }
    return flooder->left > 0 ? tr_send(self, tr_self(self), more) : TR_OK;
}

static tr_status flooder_on_done(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    const struct flooder *flooder = state;
    return tr_send(self, flooder->port, done);
}

static const tr_behavior flooder = {
    .name = "flooder",
    .version = 1,
    .state = &flooder_record,
    .handlers = TR_HANDLERS({&go_record, flooder_on_more}, {&more_record, flooder_on_more},
                            {&done_record, flooder_on_done})};

static tr_status counting(struct workload_run *run, tr_port *port, const void *context,
                          bool curve) {
    struct flooder state = *(const struct flooder *)context;
    struct sink far = {.left = state.left};
    uint64_t messages = state.left, ns;
    tr_pid first;
    state.port = tr_port_pid(port);
    tr_status status = tr_port_spawn(port, sink.name, &sink_record,
                                     TR_SPAWN(.node = "b2", .state = &far, .mailbox = SINK_MARKS),
                                     WORKLOAD_WAIT_MS, &state.to, &run->error);
    if (status == TR_OK) status = spawn(run, port, NULL, &flooder, &state, &first);
    if (status == TR_OK) status = time_run(port, first, &ns);
    if (status != TR_OK) return status;
    workload_report(run, curve ? "per_s_curve" : "per_s", "1/s",
                    (double)messages * 1e9 / (double)ns);
    return TR_OK;
}

static tr_status run_counting(struct workload_run *run, uint32_t payload_bytes, uint64_t messages) {
    static const tr_behavior *const behaviors[] = {&flooder, NULL};
    struct flooder state = {.payload_bytes = payload_bytes, .left = messages};
    struct remote remote = {behaviors, counting, &state};
    return run_both(run, &remote, true);
}

static tr_status run_counting_64(struct workload_run *run) {
    return run_counting(run, 64, COUNTING_64_MESSAGES);
}

static tr_status run_counting_1k(struct workload_run *run) {
    return run_counting(run, 1024, COUNTING_1K_MESSAGES);
}

/* ---- rpingpong ------------------------------------------------------------------------------- */

struct trip {
    uint64_t number;
};
TR_RECORD(trip, TR_FIELD(trip, number));

static tr_status echo_on_trip(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    const struct trip *trip = tr_body(message);
    return tr_send(self, tr_sender(message), trip, .number = trip->number);
}

static const tr_behavior echo = {
    .name = "echo", .version = 1, .handlers = TR_HANDLERS({&trip_record, echo_on_trip})};

/* When each trip began; the last entry is the end. The pinger's alone while it runs. */
static uint64_t trip_at_ns[TRIPS_BEFORE + TRIPS + 1];

struct pinger {
    tr_pid port, to;
    uint64_t trips;
};
TR_RECORD(pinger, TR_FIELD(pinger, port), TR_FIELD(pinger, to), TR_FIELD(pinger, trips));

static tr_status pinger_on_trip(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct pinger *pinger = state;
    trip_at_ns[pinger->trips] = workload_now_ns();
    if (pinger->trips == TRIPS_BEFORE + TRIPS) return tr_send(self, pinger->port, done);
    pinger->trips++;
    return tr_send(self, pinger->to, trip, .number = pinger->trips);
}

static const tr_behavior pinger = {
    .name = "pinger",
    .version = 1,
    .state = &pinger_record,
    .handlers = TR_HANDLERS({&go_record, pinger_on_trip}, {&trip_record, pinger_on_trip})};

static int compare_ns(const void *left, const void *right) {
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void report_trips(struct workload_run *run, bool curve) {
    static uint64_t took_ns[TRIPS];
    const uint64_t *at_ns = trip_at_ns + TRIPS_BEFORE;
    for (int i = 0; i < TRIPS; i++) took_ns[i] = at_ns[i + 1] - at_ns[i];
    qsort(took_ns, TRIPS, sizeof took_ns[0], compare_ns);
    double all_ns = (double)(at_ns[TRIPS] - at_ns[0]);
    workload_report(run, curve ? "p50_us_curve" : "p50_us", "us", (double)took_ns[TRIPS / 2] / 1e3);
    workload_report(run, curve ? "p99_us_curve" : "p99_us", "us",
                    (double)took_ns[TRIPS * 99 / 100] / 1e3);
    workload_report(run, curve ? "trips_per_s_curve" : "trips_per_s", "1/s", TRIPS * 1e9 / all_ns);
}

static tr_status pingpong(struct workload_run *run, tr_port *port, const void *context,
                          bool curve) {
    (void)context;
    struct pinger state = {.port = tr_port_pid(port)};
    uint64_t ns;
    tr_pid first;
    tr_status status = spawn(run, port, "b2", &echo, NULL, &state.to);
    if (status == TR_OK) status = spawn(run, port, NULL, &pinger, &state, &first);
    if (status == TR_OK) status = time_run(port, first, &ns);
    if (status == TR_OK) report_trips(run, curve);
    return status;
}

static tr_status run_pingpong(struct workload_run *run) {
    static const tr_behavior *const behaviors[] = {&pinger, NULL};
    struct remote remote = {behaviors, pingpong, NULL};
    return run_both(run, &remote, false);
}

/* ---- rspawn ---------------------------------------------------------------------------------- */

struct born {
    uint64_t unused;
};
TR_RECORD(born, TR_FIELD(born, unused));

static tr_status born_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    return tr_request_of(message).id == 0 ? TR_OK : tr_reply(self, message, done);
}

static const tr_behavior born = {.name = "born",
                                 .version = 1,
                                 .state = &born_record,
                                 .handlers = TR_HANDLERS({&go_record, born_on_go})};

struct spawner {
    tr_pid port;
    uint64_t left;
};
TR_RECORD(spawner, TR_FIELD(spawner, port), TR_FIELD(spawner, left));

static tr_status spawner_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)state, (void)message;
    return tr_spawn(self, &born, TR_SPAWN(.node = "b2"), NULL);
}

static tr_status spawner_on_spawned(tr_actor *self, void *state, const tr_message *message) {
    struct spawner *spawner = state;
    const struct tr_spawned *spawned = tr_body(message);
    if (spawned->status != TR_OK) return tr_fail(self, "spawn: %s", spawned->reason);
    if (--spawner->left == 0) return tr_send(self, spawner->port, done);
    return tr_spawn(self, &born, TR_SPAWN(.node = "b2"), NULL);
}

static const tr_behavior spawner = {
    .name = "spawner",
    .version = 1,
    .state = &spawner_record,
    .handlers = TR_HANDLERS({&go_record, spawner_on_go}, {&tr_spawned_record, spawner_on_spawned})};

static tr_status spawning(struct workload_run *run, tr_port *port, const void *context,
                          bool curve) {
    (void)context;
    struct spawner state = {.port = tr_port_pid(port), .left = SPAWNS};
    uint64_t ns;
    tr_pid first;
    tr_status status = spawn(run, port, NULL, &spawner, &state, &first);
    if (status == TR_OK) status = time_run(port, first, &ns);
    if (status != TR_OK) return status;
    workload_report(run, curve ? "per_s_curve" : "per_s", "1/s", SPAWNS * 1e9 / (double)ns);
    return TR_OK;
}

static tr_status run_spawn(struct workload_run *run) {
    static const tr_behavior *const behaviors[] = {&spawner, NULL};
    struct remote remote = {behaviors, spawning, NULL};
    return run_both(run, &remote, false);
}

/* ---- rspawn_async: nobody is told of a birth; the last one born answers for all ----------------
 */

struct sower {
    tr_pid port, last;
    uint64_t left;
};
TR_RECORD(sower, TR_FIELD(sower, port), TR_FIELD(sower, last), TR_FIELD(sower, left));

static tr_status sower_on_more(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct sower *sower = state;
    for (int i = 0; i < FLOOD && sower->left > 0; i++, sower->left--) {
        tr_status status = tr_spawn(self, &born, TR_SPAWN(.node = "b2"), &sower->last);
        if (status == TR_EFULL) break; /* it pauses now until there is room */
        if (status != TR_OK) return tr_fail(self, "spawn: %s", tr_status_text(status));
    }
    if (sower->left > 0) return tr_send(self, tr_self(self), more);
    return tr_ask(self, sower->last, TR_ASK(.timeout_ms = WORKLOAD_WAIT_MS), go);
}

static tr_status sower_on_done(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    const struct sower *sower = state;
    return tr_send(self, sower->port, done);
}

static const tr_behavior sower = {
    .name = "sower",
    .version = 1,
    .state = &sower_record,
    .handlers = TR_HANDLERS({&go_record, sower_on_more}, {&more_record, sower_on_more},
                            {&done_record, sower_on_done})};

static tr_status sowing(struct workload_run *run, tr_port *port, const void *context, bool curve) {
    (void)context;
    struct sower state = {.port = tr_port_pid(port), .left = ASYNC_SPAWNS};
    uint64_t ns;
    tr_pid first;
    tr_status status = spawn(run, port, NULL, &sower, &state, &first);
    if (status == TR_OK) status = time_run(port, first, &ns);
    if (status != TR_OK) return status;
    workload_report(run, curve ? "per_s_curve" : "per_s", "1/s", ASYNC_SPAWNS * 1e9 / (double)ns);
    return TR_OK;
}

static tr_status run_spawn_async(struct workload_run *run) {
    static const tr_behavior *const behaviors[] = {&sower, &born, NULL};
    struct remote remote = {behaviors, sowing, NULL};
    return run_both(run, &remote, false);
}

/* ---- the tables ------------------------------------------------------------------------------ */

static const tr_behavior *const far_behaviors[] = {&sink, &echo, &born, NULL};

const struct child_role child_roles_remote[] = {{"remote", far_behaviors}, {NULL, NULL}};

const struct workload workloads_remote[] = {
    {"rcounting_64", "one actor sends 64 bytes to one of another node, which counts",
     run_counting_64},
    {"rcounting_1k", "the same with 1 KiB", run_counting_1k},
    {"rpingpong", "one message between two actors of two nodes", run_pingpong},
    {"rspawn", "actors are spawned on another node, one after the other", run_spawn},
    {"rspawn_async", "500,000 actors are spawned on another node, without waiting for their pids",
     run_spawn_async},
    {NULL, NULL, NULL},
};
