/*
 * actor.h - one actor: its mailbox, state, colour, and its turn on a worker.
 *
 * An actor is run by one worker at a time, its owner, from the moment a push or a wake takes its
 * mailbox out of idle until the owner puts it back (mailbox_rest). What is not atomic here is the
 * owner's alone. An idle actor is one block of memory: this struct with its state behind it; what
 * few actors need (timers, asks, names, pressure) is made on first use.
 */
#ifndef TROUPE_ACTOR_H
#define TROUPE_ACTOR_H

#include <stdatomic.h>
#include <troupe.h>

#include "node/base/list.h"
#include "node/base/map.h"
#include "node/behaviors.h"
#include "node/mailbox.h"
#include "node/observer.h"
#include "node/reclaim.h"
#include "node/slots.h"
#include "node/timers.h"

struct runtime;
struct worker;
struct pressure;
struct producer;
/* Marks of the block policy, in messages (RUNTIME.md). */
struct mailbox_limits {
    uint32_t low, high, hard;
};

/* What others may ask of an actor besides its mail; set, then mailbox_wake. */
enum actor_signal {
    SIGNAL_TURN = 1,   /* E has moved: record yourself soon */
    SIGNAL_TOKEN = 2,  /* the last token: record what is still older in your queues */
    SIGNAL_START = 4,  /* the name is claimed: begin */
    SIGNAL_CANCEL = 8, /* the name is taken: vanish without having begun */
    SIGNAL_KILL = 16,  /* the node closes: end now */
    SIGNAL_HURRY = 32, /* the last token waits no longer (recording_token_hurry) */
    SIGNAL_DEAD = 64   /* set by the owner at the end: no signal is answered any more */
};

enum actor_phase {
    ACTOR_STARTING, /* waits for its name */
    ACTOR_BORN,     /* init has not run yet */
    ACTOR_READY,
    ACTOR_ENDED
};

/* A request that waits for its reply. */
struct pending_ask {
    uint64_t id; /* the request's serial */
    tr_pid target;
    const record_type *request;
    const record_type *context_type; /* NULL: no context */
    void *context;                   /* flattened; owned */
    struct timer timer;
    bool hold;
};

struct actor_extra {
    map_u64 timers; /* struct timer by id; until its message has been handled */
    map_u64 asks;   /* struct pending_ask by id */
    uint64_t timer_last_id;
    uint64_t hold;          /* the ask it holds for; 0: none */
    tr_message *scanned;    /* blocked: the local list has been searched up to and with this one */
    tr_message *token_last; /* the last token waits until this one has been handled; NULL: none */
    char **names;           /* freed with the actor: others may be reading the first */
    uint32_t name_count;
    bool has_claimed;     /* a name, whose outcome may not have come yet */
    tr_request born_for;  /* the spawn that is answered once init has run; id 0: only if it fails */
    tr_message *stop_for; /* the exit that is answered at the end */
    struct mailbox_limits limits;
    bool has_limits;
};

struct tr_actor {
    struct slot_head head; /* first: what slots.h finds */
    _Atomic uint32_t signals;
    struct mailbox box;
    _Atomic uint32_t mutes; /* overloaded receivers and queues that hold this actor back */
    uint8_t phase;
    bool exiting; /* tr_exit was called */
    bool replied; /* the ask being handled has its answer */
    _Atomic bool overloaded;
    _Atomic bool holding;
    struct message_list local;
    const struct mailbox_limits *limits;
    struct runtime *runtime;
    const struct behavior *behavior;
    void *state;
    struct worker *worker; /* while it runs */
    tr_message *current;   /* while a handler runs */
    uint64_t serial;       /* of the last message it sent */
    _Atomic uint64_t colour;
    _Atomic uint64_t processed;
    _Atomic uint64_t refused; /* sends of this node's that met its hard mark; senders write */
    _Atomic(struct pressure *) pressure;
    _Atomic(const char *) name; /* its first one; NULL: none */
    struct actor_extra *extra;
    char *failure; /* tr_fail's words; owned */
    union {
        tr_actor *run_next;          /* while it waits in a run list */
        struct reclaim_item reclaim; /* once it has ended */
    };
    _Alignas(16) unsigned char inline_state[];
};

static inline uint64_t actor_colour(const tr_actor *actor) {
    /* Relaxed: only the owner writes; others read it as a hint. */
    return atomic_load_explicit(&actor->colour, memory_order_relaxed);
}

/* What an actor takes: the struct with its state behind it. */
static inline size_t actor_bytes(const struct behavior *behavior) {
    return sizeof(tr_actor) + (behavior->state == NULL ? 0 : behavior->state->bytes);
}

tr_pid actor_pid(const tr_actor *actor);
struct actor_extra *actor_extra(tr_actor *actor);

/* What a birth needs; zero fields are defaults. */
struct actor_birth {
    const struct behavior *behavior;
    const void *state; /* a body of the behavior's state type; NULL: all zero */
    const struct mailbox_limits *limits;
    uint64_t colour;     /* the parent's */
    const char *name;    /* it waits for SIGNAL_START, until this is claimed */
    tr_request born_for; /* answered with tr_spawned when init has run; id 0: if it fails */
};
/* Makes an actor and schedules its first turn. Workers only. Errors: TR_EDATA the state cannot be
 * copied. */
tr_status actor_spawn(struct worker *worker, const struct actor_birth *birth, tr_actor **actor_out);
/* The same in a slot that is leased to a peer, in the colour E: what waits there is its first mail.
 * Core thread. */
tr_status actor_spawn_leased(struct producer *producer, const struct actor_birth *birth,
                             tr_pid pid);

/* Runs the scheduled actor until it is idle, ended, or its budget is used up; the worker owns it.
 */
void actor_run(struct worker *worker, tr_actor *actor);

/* Sets a signal and schedules the actor if it is idle. Any thread within a reclaim section. False:
 * it has ended. */
bool actor_signal(tr_actor *actor, enum actor_signal signal);

/* Schedules the actor if it is idle (a mute has ended), on `worker` if the caller is one. Any
 * thread within a reclaim section. */
void actor_wake(struct worker *worker, tr_actor *actor);

/* Owner: the actor has claimed a name. */
void actor_add_name(tr_actor *actor, const char *name, size_t bytes);

/* Posts a copy of a body as this actor: stamps it with pid, serial, colour and trace. `*serial_out`
 * (may be NULL) names the message. With `ask`, the reply is expected. Errors as tr_send_record.
 * Owner only. */
tr_status actor_send(tr_actor *self, tr_pid to, unsigned flags, uint64_t reference,
                     const record_type *type, const void *body, const tr_ask_options *ask,
                     uint64_t *serial_out);

/* The same for a plain send, which it does faster (tell.c). */
tr_status actor_tell(tr_actor *self, tr_pid to, const record_type *type, const void *body);

/* Posts a message whose kind, flags, reference and target are set as this actor: stamps the rest.
 * Takes it whatever comes of it. Otherwise as actor_send. */
tr_status actor_post(tr_actor *self, tr_message **posted, const tr_ask_options *ask,
                     uint64_t *serial_out);

/* Posts an exit to `pid`. */
tr_status actor_post_stop(tr_actor *self, tr_pid pid);

/* True while the actor must not handle ordinary mail. Owner only. */
bool actor_is_blocked(const tr_actor *actor);

/* ---- for actor.c, birth.c and dispatch.c
 * ---------------------------------------------------------------
 */

/* Tells an onlooker of the actor itself. */
void actor_observe(const tr_actor *actor, enum observation_kind kind);
/* Handles one message of the actor; takes it. Returns what the handler returned. */
tr_status dispatch_message(struct worker *worker, tr_actor *actor, tr_message *message);
/* Owner: takes the message being handled out of its place, so that it may be freed or kept. */
void actor_let_go(struct worker *worker, tr_actor *actor);
/* Logs one line about the actor and the flow of `item` (may be NULL). */
void actor_log(tr_actor *actor, const tr_message *item, tr_log_level level, const char *format, ...)
    TR_PRINTF(4, 5);
void actor_log_list(tr_actor *actor, const tr_message *item, tr_log_level level, const char *format,
                    va_list arguments);
/* Reports init (`item` NULL) or a handler that has kept its worker for too long. */
void actor_watch_time(struct worker *worker, tr_actor *actor, const tr_message *item);
/* Logs that init (`item` NULL) or a handler returned `status`. */
void actor_report_failure(tr_actor *actor, const tr_message *item, tr_status status);

#endif
