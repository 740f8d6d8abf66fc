#include "node/bench/crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/bench/disk.h"
#include "node/bench/trio.h"

enum {
    CROWD_ACTORS = 1000000,
    STATE_BYTES = 64,
    LARGE_STATES = 300,
    LARGE_STATE_BYTES = 64 * 1024,
    BATCH_BYTES = 1 << 20, /* of state, made between two looks at the mailbox */
    BATCH_MAX = 10000
};

/* ---- the actors ------------------------------------------------------------------------------ */

/* An idle actor of 64 bytes, as an account or a session may be: some small numbers, some large. */
struct idler {
    uint64_t id;
    int64_t cents;
    uint64_t changed_ns;
    uint64_t token;
    double rate;
    uint32_t owner, kind;
    uint64_t visits;
    int32_t x, y;
};
_Static_assert(sizeof(struct idler) == STATE_BYTES, "the state's size is part of the workload");
/* One of any size. */
struct hoarder {
    tr_bytes hoard;
    uint32_t bytes;
};
struct go {
    char unused;
};
struct done {
    char unused;
};
struct crowd {
    tr_pid port;
    int64_t left;
    uint32_t bytes; /* of each one's state */
};
TR_RECORD(idler, TR_FIELD(idler, id), TR_FIELD(idler, cents), TR_FIELD(idler, changed_ns),
          TR_FIELD(idler, token), TR_FIELD(idler, rate), TR_FIELD(idler, owner),
          TR_FIELD(idler, kind), TR_FIELD(idler, visits), TR_FIELD(idler, x), TR_FIELD(idler, y));
TR_RECORD(hoarder, TR_FIELD(hoarder, hoard), TR_FIELD(hoarder, bytes));
TR_RECORD(go);
TR_RECORD(done);
TR_RECORD(crowd, TR_FIELD(crowd, port), TR_FIELD(crowd, left), TR_FIELD(crowd, bytes));

/* Tells who makes the others that it has begun, and hence most of those made before it. */
static tr_status on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)state;
    return tr_send(self, tr_sender(message), go);
}

static tr_status idler_init(tr_actor *self, void *state) {
    struct idler *idler = state;
    idler->cents = (int64_t)(tr_random(self) % 10000000);
    idler->changed_ns = tr_now(self);
    idler->token = tr_random(self);
    idler->rate = (double)(tr_random(self) % 1000) / 1000;
    idler->owner = (uint32_t)tr_random(self);
    idler->kind = 3;
    idler->visits = tr_random(self) % 1000;
    idler->x = (int32_t)tr_random(self);
    idler->y = (int32_t)tr_random(self);
    return TR_OK;
}

static const tr_behavior idler_behavior = {.name = "idler",
                                           .version = 1,
                                           .state = &idler_record,
                                           .handlers = TR_HANDLERS({&go_record, on_go}),
                                           .init = idler_init};

static tr_status hoarder_init(tr_actor *self, void *state) {
    struct hoarder *hoarder = state;
    unsigned char *bytes = malloc(hoarder->bytes);
    if (bytes == NULL) return tr_fail(self, "no memory");
    for (uint32_t i = 0; i < hoarder->bytes; i++) bytes[i] = (unsigned char)(i * 31);
    tr_status status = tr_bytes_set(self, &hoarder->hoard, bytes, hoarder->bytes);
    free(bytes);
    return status;
}

static const tr_behavior hoarder_behavior = {.name = "hoarder",
                                             .version = 1,
                                             .state = &hoarder_record,
                                             .handlers = TR_HANDLERS({&go_record, on_go}),
                                             .init = hoarder_init};

/* Makes them in batches, each once the last of the batch before it has begun. */
static tr_status crowd_on_go(tr_actor *self, void *state, const tr_message *message) {
    (void)message;
    struct crowd *crowd = state;
    int64_t batch = BATCH_BYTES / crowd->bytes;
    if (batch > BATCH_MAX) batch = BATCH_MAX;
    if (batch == 0) batch = 1;
    tr_pid pid = {0, 0, 0};
    if (crowd->left == 0) return tr_send(self, crowd->port, done);
    for (; batch > 0 && crowd->left > 0; batch--) {
        struct idler idler = {.id = (uint64_t)crowd->left};
        struct hoarder hoarder = {.bytes = crowd->bytes};
        tr_status status =
            crowd->bytes == STATE_BYTES
                ? tr_spawn(self, &idler_behavior, TR_SPAWN(.state = &idler), &pid)
                : tr_spawn(self, &hoarder_behavior, TR_SPAWN(.state = &hoarder), &pid);
        if (status != TR_OK) return status;
        crowd->left--;
    }
    return tr_send(self, pid, go);
}

static const tr_behavior crowd_behavior = {.name = "crowd",
                                           .version = 1,
                                           .state = &crowd_record,
                                           .handlers = TR_HANDLERS({&go_record, crowd_on_go})};

const tr_behavior *const crowd_behaviors[] = {&crowd_behavior, &idler_behavior, &hoarder_behavior,
                                              NULL};
static const struct child_role crowd_role = {"crowd", crowd_behaviors};

/* ---- the workloads --------------------------------------------------------------------------- */

/* Spawns `actors` actors, a third on each node. */
static tr_status populate(struct workload_run *run, struct trio *trio, int64_t actors,
                          uint32_t bytes) {
    tr_port *port = trio->here.port;
    for (int i = 0; i < TRIO_NODES; i++) {
        struct crowd state = {.port = tr_port_pid(port), .bytes = bytes};
        state.left = actors / TRIO_NODES + (i < actors % TRIO_NODES ? 1 : 0);
        tr_pid crowd;
        tr_status status = tr_port_spawn(port, "crowd", &crowd_record,
                                         TR_SPAWN(.node = trio_names[i], .state = &state),
                                         WORKLOAD_WAIT_MS, &crowd, &run->error);
        if (status == TR_OK) status = tr_port_send(port, crowd, WORKLOAD_WAIT_MS, go);
        tr_message *over;
        if (status == TR_OK) status = tr_port_receive(port, &done_record, WORKLOAD_WAIT_MS, &over);
        if (status != TR_OK) return status;
        tr_message_free(over);
    }
    return TR_OK;
}

/* One snapshot of so many actors; the cluster is made for it. */
static tr_status measure(struct workload_run *run, int64_t actors, uint32_t bytes,
                         double *seconds_out, tr_snapshot_info *info_out) {
    struct trio trio;
    tr_status status = trio_start(run, &crowd_role, &trio);
    if (status != TR_OK) return status;
    status = populate(run, &trio, actors, bytes);
    uint64_t began_ns = workload_now_ns();
    if (status == TR_OK)
        status = tr_snapshot(trio.here.node, WORKLOAD_WAIT_MS, info_out, &run->error);
    *seconds_out = (double)(workload_now_ns() - began_ns) / 1e9;
    trio_stop(&trio);
    return status;
}

static tr_status measure_and_report(struct workload_run *run, int64_t actors, uint32_t bytes) {
    double seconds;
    tr_snapshot_info info;
    tr_status status = measure(run, actors, bytes, &seconds, &info);
    if (status != TR_OK) return status;
    workload_report(run, "seconds", "s", seconds);
    workload_report(run, "bytes", "B", (double)info.bytes);
    disk_note(run);
    return TR_OK;
}

tr_status crowd_run(struct workload_run *run) {
    return measure_and_report(run, run->size == 0 ? CROWD_ACTORS : (int64_t)run->size, STATE_BYTES);
}

tr_status crowd_run_states(struct workload_run *run) {
    uint32_t bytes = run->size == 0 ? LARGE_STATE_BYTES : (uint32_t)run->size;
    return measure_and_report(run, LARGE_STATES, bytes);
}
