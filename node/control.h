/*
 * control.h - requests of the control program: what control.c and its parts share.
 *
 * A request becomes a call, which lives until it is answered. Some are answered at once; others
 * post an ask through the control's own port and go on when its reply or their deadline comes. The
 * core thread alone. CONTROL.md is the protocol.
 */
#ifndef TROUPE_CONTROL_H
#define TROUPE_CONTROL_H

#include <jansson.h>

#include "node/base/heap.h"
#include "node/node.h"

struct control_call;

/* Goes on with a call: `reply` is the message awaited (borrowed), NULL at the call's deadline. */
typedef void control_continue(struct control_call *call, const tr_message *reply);

struct control_call {
    heap_node deadline;
    list_node waiting; /* in control.room: for room at its target */
    struct control *control;
    tr_node *node;
    uint8_t client[DRIVER_CLIENT_BYTES];
    size_t client_bytes;
    json_int_t id;
    json_t *args;
    const char *op;
    bool operate;             /* the client's role */
    uint64_t serial;          /* of the ask under way; 0: none */
    control_continue *resume; /* with its reply */
    control_continue *retry;  /* when there is room */
    void *state;              /* the operation's own; freed with `free_state` */
    void (*free_state)(void *state);
    tr_pid pid; /* the target */
    tr_trace trace;
};

struct control {
    tr_node *node;
    tr_port *port; /* NULL until the node is up */
    map_u64 asks;  /* struct control_call by serial of its ask */
    struct heap deadlines;
    struct list room;
    struct list snapshots; /* calls that want progress, by `waiting` */
    uint64_t progress_ns;  /* when the next progress is due */
    _Atomic bool notified;
};

/* Ends a call. `data` is taken. */
void control_reply_data(struct control_call *call, json_t *data);
void control_reply_error(struct control_call *call, const tr_error *error, json_t *candidates);
void control_fail(struct control_call *call, tr_status status, const char *hint, const char *format,
                  ...) TR_PRINTF(4, 5);
void control_redirect(struct control_call *call, const char *member);
/* Says something on the way; `data` is taken. */
void control_progress(struct control_call *call, json_t *data);

/* Waits for the reply to `serial`, then resumes. */
void control_await(struct control_call *call, uint64_t serial, control_continue *resume);
/* Sets or moves the call's deadline; at it `resume` is called with NULL. */
void control_deadline(struct control_call *call, uint64_t timeout_ms);
/* Retries when the target has room, or at the deadline. */
void control_await_room(struct control_call *call, control_continue *retry);

/* The port, or NULL with the call ended: this node is not up. */
tr_port *control_port(struct control_call *call);
/* args.timeout_ms, or `otherwise`. */
uint64_t control_timeout_ms(const struct control_call *call, uint64_t otherwise);
/* A text argument; NULL when it is missing. */
const char *control_text(const struct control_call *call, const char *key);

/* ---- operations: control_node.c, control_actors.c, control_messages.c --------------------------
 */

typedef void control_op(struct control_call *call);
control_op control_hello, control_status, control_behaviors, control_snapshot_create,
    control_node_stop, control_logs, control_dead;
control_op control_actors, control_actor, control_spawn, control_spawn_many, control_whereis,
    control_stop;
control_op control_send, control_ask;

/* Progress of snapshots under way. */
void control_snapshot_progress(struct control *control);

/* The target of a call as a local actor's pid; false with the call ended (redirected, not found).
 */
bool control_target(struct control_call *call);
/* The actor behind call->pid, or NULL with the call ended. */
tr_actor *control_target_actor(struct control_call *call);
/* A pid as text, in a JSON string. */
json_t *control_pid(struct control *control, tr_pid pid);
json_t *control_trace(tr_trace trace);

#endif
