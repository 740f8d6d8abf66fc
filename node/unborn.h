/*
 * unborn.h - slots leased to peers, and the messages that wait in them for their actor's birth.
 *
 * A leased slot is (peer, session)'s to spawn into: the pid is in use before the actor is. What
 * arrives for it meanwhile, from a third node or from this one, waits there, bounded in number,
 * bytes and time; at the birth it is filed before anything later, so that each sender's order
 * stays (I2). Waiting is not being received: what is older than an open snapshot is recorded by
 * whoever finds it, the last token first of all (SNAPSHOT_PROTOCOL.md). What ends unborn (a spawn
 * that failed, a session that is over, a bound) ends as a dead letter.
 *
 * Any producer may ask unborn_keep; all else is the core thread's.
 */
#ifndef TROUPE_UNBORN_H
#define TROUPE_UNBORN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/actor.h"
#include "node/deadletter.h"

struct producer;
struct runtime;
struct unborn;

enum {
    UNBORN_MESSAGES_MAX = 1000,      /* waiting for one birth */
    UNBORN_BYTES_MAX = 1 << 20,      /* of them, but for a single larger one */
    UNBORN_ALL_MESSAGES_MAX = 65536, /* waiting for all births of a node */
    UNBORN_ALL_BYTES_MAX = 64 << 20, /* of them */
    UNBORN_WAIT_MS = 15000           /* from the first message; longer than a peer may be silent */
};

struct unborn *unborn_new(void);
/* Frees what still waits, without a word. */
void unborn_free(struct unborn *unborn);

/* Takes a message whose target nobody has found, if that is leased and not born: it waits, or is a
 * dead letter past a bound. False: it is not leased; if it was born meanwhile it can be found now.
 * Any producer. */
bool unborn_keep(struct producer *producer, tr_actor *sender, tr_message **posted);

/* ---- core thread ----------------------------------------------------------------------------- */

/* Takes a fresh slot and leases it. */
struct slot_head unborn_lease(struct producer *producer, uint32_t lessee);

/* True while that slot is leased to that peer and nobody was born there. */
bool unborn_is_leased(const struct runtime *runtime, tr_pid pid, uint32_t lessee);

/* Publishes `made`, whose head has a leased slot, with all that waits there in its list; the lease
 * of the slot is over. Returns how many wait. `asleep`: when none does, it goes idle at once. */
uint32_t unborn_bear(struct runtime *runtime, tr_actor *made, bool asleep);

/* Nobody will be born there: the slot's lease is over, its generation used up, what waits is dead.
 */
void unborn_drop(struct producer *producer, tr_pid pid, enum deadletter_reason reason);

/* The session with that peer is over: drops all slots leased to it. */
void unborn_end(struct producer *producer, uint32_t lessee);

/* Drops what has waited for too long; returns when to look again. The slots stay leased. */
uint64_t unborn_expire(struct producer *producer, uint64_t now_ns);

/* The last token's first visit: records what is older than `epoch` and recolours it. */
void unborn_record(struct producer *producer, uint64_t epoch);

/* How many messages wait. Any thread. */
uint64_t unborn_waiting(const struct runtime *runtime);

#endif
