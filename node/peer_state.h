/*
 * peer_state.h - what the files of a peer share; nobody else includes it.
 *
 * peer.c has the table, posting and the way to the link, peer_link.c the way back, peer_dial.c how
 * links come about. Core thread.
 */
#ifndef TROUPE_PEER_STATE_H
#define TROUPE_PEER_STATE_H

#include "node/peer.h"

/* An overloaded actor of the peer, and who waits for it. */
struct remote_pressure {
    enum frame_pressure level;
    struct waiters waiters;
};

/* peer.c: a peer without a link; `name` "" when only an endpoint is known. */
struct peer *peer_make(tr_node *node, const char *name);
/* Turns a chain of parcels, oldest first, into dead letters, but for the first `known` envelopes:
 * those were delivered. */
void peer_drop_parcels(struct peer *peer, struct parcel *parcel, uint64_t known);
/* Frees those who wait for room in the send queue once there is some. */
void peer_free_queue_waiters(struct peer *peer);

/* peer_link.c: the link's callbacks; their user is the peer. */
extern const struct link_ops peer_link_ops;
/* The first HELLO tells whom a seed's endpoint belongs to. */
void peer_learn_name(struct peer *peer, const char *name);
/* The peer is in no view of the snapshot that is under way here: what it sends is held. */
bool peer_is_outside(struct peer *peer);
/* Files what was held, in its order, or (`dead`) makes dead letters of it. */
void peer_release_held(struct peer *peer, bool dead);

/* peer_dial.c: opens the driver's connection anew. */
void peer_connect(struct peer *peer);

#endif
