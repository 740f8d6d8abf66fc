/*
 * spawn.h - spawns on other nodes without a round trip, at both ends.
 *
 * The spawner holds a slot that the other node has leased to this one, so it knows the pid, and
 * sends one message there: MESSAGE_SPAWN with the number of a mould (mould.h) and the state as
 * body. What it sends to the new pid follows in the same channel. At the other end the core takes
 * the spawn in, at its place in the channel, and the actor is there before the next message is
 * filed.
 *
 * The core is a party to the cut like an actor that turns in the instant in which E moves: a spawn
 * is received, and the child born, in the colour E. So no actor of an older colour is ever born
 * behind a marker; a spawn that is older than an open snapshot was in flight at the cut and is
 * recorded, in the form of a spawn_request (services.h), which can be spawned again from it (I7).
 */
#ifndef TROUPE_SPAWN_H
#define TROUPE_SPAWN_H

#include <stdbool.h>
#include <troupe.h>

#include "node/message.h"

struct peer;
struct producer;

/* What a spawner wants a slot for. */
struct spawn_wish {
    const char *node;
    const tr_behavior *behavior; /* NULL: by name alone */
    const char *name;            /* of the behavior */
    const tr_mailbox_options *marks;
    bool waits; /* the spawner is muted while there is no slot */
};

/* A slot that is held for one spawn. */
struct spawn_hold {
    tr_pid pid;
    uint32_t session; /* in which it was leased */
    uint32_t mould;   /* its number */
    struct peer *peer;
};

/* Spawns on another node; nothing waits for an answer but with a handler for tr_spawned. Errors: as
 * router hold_slot and tr_send_record, TR_EINVAL. Owner only. */
tr_status spawn_away(tr_actor *self, const tr_behavior *behavior, const char *name,
                     const tr_record *state_record, const tr_spawn_options *options,
                     tr_pid *pid_out);

/* True when the actor's behavior is told the outcome of its spawns. */
bool spawn_is_told(const tr_actor *self);

/* Takes in a spawn that a link has brought. Core thread. */
void spawn_arrived(struct producer *producer, tr_message **arrived);

/* A spawn ends as a dead letter at the spawner's node: says so in the log and counts it, unless its
 * spawner is told. Any producer. */
void spawn_lost(struct producer *producer, const tr_message *item, const char *reason);

/* A spawner without a handler for tr_spawned has been told of a failure: the same. Its owner. */
void spawn_failed(tr_actor *self, const tr_message *item);

#endif
