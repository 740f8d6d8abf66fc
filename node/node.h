/*
 * node.h - one node: the runtime with its peers, members, snapshots and control, and its core
 * thread.
 *
 * The core is a step function (node_step): in production a thread alternates it with the driver's
 * wait (core.h), in the simulator the seed does. Everything here is the core thread's unless it
 * says otherwise. Parts: peer.c (links and what crosses them), cluster.c (members), cutter.c
 * (snapshots), control.c (the control program's requests), shutdown in node.c.
 */
#ifndef TROUPE_NODE_H
#define TROUPE_NODE_H

#include <pthread.h>
#include <troupe.h>

#include "node/base/environment.h"
#include "node/base/keys.h"
#include "node/core.h"
#include "node/peer.h"
#include "node/port.h"
#include "node/post.h"
#include "node/routes.h"
#include "node/runtime.h"
#include "node/snapshot.h"
#include "node/storage.h"
#include "registry/members.h"
#include "transport/driver.h"

struct cutter;
struct control;
struct command;

/* How the world enters a node besides clock and random (I1). */
struct node_world {
    const struct environment *environment; /* outlives the node */
    storage_files files;
    /* Opens the driver with these events; the node closes it. */
    tr_status (*open_driver)(void *context, const struct driver_events *events,
                             struct driver *driver_out, tr_error *error);
    void *context;
    bool threads; /* false: the simulator steps */
};

enum node_stage {
    NODE_OPEN,    /* bound, not started */
    NODE_JOINING, /* seeks its cluster */
    NODE_UP,
    NODE_DRAINING, /* actors are asked to end */
    NODE_LEAVING,  /* the others are told */
    NODE_STOPPED
};

struct tr_node {
    char *name, *cluster, *dir, *keys_dir, *snapshot_dir, *log_path;
    char *advertise, *advertise_control;
    uint64_t frames_bad; /* dropped before any link saw them */
    tr_security security;
    uint32_t message_bytes_max;
    uint64_t incarnation;
    uint32_t lives; /* before this one, as the folder remembers */
    uint64_t opened_ns;
    key_pair keys;
    struct node_world world;
    struct environment
        *own_environment; /* of a node that tr_node_open made; NULL in the simulator */
    struct logger *logger;
    bool owns_logger;

    struct driver driver;
    struct storage *storage;
    struct runtime *runtime;
    struct producer producer; /* the core's own */
    struct members *members;
    struct snapshot *snapshot;
    struct cutter *cutter;
    struct control *control;

    map_text peers; /* struct peer by name */
    /* By origin - 1, see peer_at; filled once and for ever, since workers look up names there. */
    _Atomic(struct peer **) peer_chunks[TALLY_CHUNKS];
    size_t peer_count;
    struct buffer frame;          /* the next one to send */
    _Atomic(struct peer *) dirty; /* peers whose outbox has something new */
    _Atomic(struct routes *) routes;
    _Atomic(struct command *) commands;

    pthread_mutex_t mutex; /* guards stage, refusal; for those who wait */
    pthread_cond_t changed;
    enum node_stage stage;
    tr_error refusal; /* why the cluster does not take it; status TR_OK: no such word yet */
    bool started;     /* tr_node_start was called */
    bool space_taken; /* runtime->space is final */
    _Atomic bool stop_wanted;
    _Atomic bool reload_wanted;
    uint64_t members_due_ns, drain_until_ns;
    struct core core;
    pthread_t storage_thread;
    bool threads_run;
};

/* Assembles a node in a given world. `options` as tr_node_open, its texts copied. */
tr_status node_new(const tr_node_options *options, const struct node_world *world,
                   struct logger *logger, tr_node **node_out, tr_error *error);

/* Begins to join (or founds) the cluster; without threads. */
void node_begin(tr_node *node);

/* Does all that is due now; returns when it wants to be called next (monotonic ns). */
uint64_t node_step(tr_node *node);

/* Wakes the core: the next driver_wait returns, and its thread takes it back from workers, once a
 * turn that one of them takes is over. Any thread, also a signal handler. */
void node_wake(tr_node *node);

/* Changes the stage and tells those who wait. */
void node_set_stage(tr_node *node, enum node_stage stage);

/* The space is final: services are born, workers run. From cluster.c. */
void node_host(tr_node *node);

/* Work for the core from any other thread; `run` is called once by node_step, also when the node
 * stops. */
struct command {
    struct command *next;
    void (*run)(tr_node *node, struct command *command);
};
void node_submit(tr_node *node, struct command *command);

void node_log(tr_node *node, tr_log_level level, const char *component, const char *format, ...)
    TR_PRINTF(4, 5);

/* ---- cluster.c ------------------------------------------------------------------------------- */
tr_status cluster_open(tr_node *node, const tr_node_options *options, tr_error *error);
/* Rebuilds routes after a change of the member table. */
void cluster_publish(tr_node *node);
/* The present life of a member as a session number that both ends share. */
uint64_t cluster_session(const struct peer *peer, const struct identity *identity,
                         uint64_t session);

/* ---- cutter.c -------------------------------------------------------------------------------- */
tr_status cutter_open(tr_node *node, tr_error *error);
void cutter_close(tr_node *node);
uint64_t cutter_step(tr_node *node, uint64_t now_ns);
/* Asks for a snapshot; `done` is called once on the core thread. */
typedef void cutter_done(void *context, tr_status status, const snapshot_result *result,
                         const tr_error *error);
void cutter_request(tr_node *node, uint64_t timeout_ms, cutter_done *done, void *context);

/* ---- control.c ------------------------------------------------------------------------------- */
struct control *control_open(tr_node *node);
void control_close(struct control *control);
void control_request(struct control *control, const uint8_t *client, size_t client_bytes,
                     const char *user, const uint8_t *bytes, size_t request_bytes);
/* Handles replies, timeouts, progress; returns when it wants to be called next. */
uint64_t control_step(struct control *control, uint64_t now_ns);

#endif
