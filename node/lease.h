/*
 * lease.h - slots that two nodes lend each other, so that a spawn needs no round trip.
 *
 * Each node lends each peer some of its slots for the length of a session; the peer's workers pick
 * pids from them, through caches of their own, and spawn at once. The lender sees each spawn
 * arrive, so it lends anew before the lease runs out: more when it is spent fast, less when slowly.
 * The bodies of ENVELOPE_LEASE are made and read here (transport/PROTOCOL.md). At the end of the
 * session both sides forget: the unspent slots' pids will never be (unborn.h).
 */
#ifndef TROUPE_LEASE_H
#define TROUPE_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

#include "node/mould.h"
#include "node/spawn.h"

struct peer;
struct lease;

enum {
    LEASE_SLOTS_MIN = 256,   /* lent to a peer that spawns little */
    LEASE_SLOTS_MAX = 65536, /* to one that spawns much */
    LEASE_BATCH = 128        /* what a worker takes at once */
};

struct lease *lease_new(struct peer *peer);
void lease_free(struct lease *lease);

/* ---- workers --------------------------------------------------------------------------------- */

/* See router_ops: hold_slot and return_slot, for this peer, whose slots are in `space`. */
tr_status lease_hold(struct peer *peer, uint64_t space, tr_actor *self,
                     const struct spawn_wish *wish, struct spawn_hold *hold_out);
void lease_return(tr_actor *self, const struct spawn_hold *hold);

/* ---- core thread ----------------------------------------------------------------------------- */

/* A session begins, with a peer that lends and borrows or one that does not; a session is over:
 * after what was held of it is filed or dead. */
void lease_session_up(struct peer *peer, bool lends);
void lease_session_down(struct peer *peer);

/* Lends for the first time in a session, once both are members. */
void lease_step(struct peer *peer, uint64_t now_ns);

/* A spawn of the peer's has arrived: true and counted. False: it may not spawn there, and `error`
 * says why. */
bool lease_spent(struct peer *peer, tr_pid pid, uint64_t mould, uint64_t now_ns, tr_error *error);

/* What a number means in the peer's spawns of this session, or NULL. */
const struct mould_heard *lease_mould(const struct peer *peer, uint64_t number);

/* Slots lent to the peer and not spawned into. */
uint32_t lease_outstanding(const struct peer *peer);

/* Takes the body of an ENVELOPE_LEASE. Errors: TR_EDATA, what no correct peer sends. */
tr_status lease_receive(struct peer *peer, const uint8_t *data, size_t bytes, uint64_t now_ns,
                        tr_error *error);

#endif
