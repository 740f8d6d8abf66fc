/*
 * hello.h - who a node is, and the map in which it says so at the start of a session.
 *
 * An identity is fixed for one life of a node but for its endpoints. HELLO carries it with the
 * tokens that tie answers to the link that asked. Value types only; any thread.
 */
#ifndef TROUPE_TRANSPORT_HELLO_H
#define TROUPE_TRANSPORT_HELLO_H

#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/buffer.h"

enum {
    IDENTITY_NAME_ROOM = 64, /* of a node or cluster name, closing zero included */
    IDENTITY_ENDPOINT_ROOM = 256,
    IDENTITY_KEY_BYTES = 32
};

struct identity {
    char name[IDENTITY_NAME_ROOM];
    char cluster[IDENTITY_NAME_ROOM];
    uint64_t generation;  /* of the cluster: raised by a restore */
    uint64_t incarnation; /* of the node: exceeds all earlier ones of that name; never 0 */
    char endpoint[IDENTITY_ENDPOINT_ROOM]; /* where other nodes connect to */
    char control_endpoint[IDENTITY_ENDPOINT_ROOM];
    uint8_t key[IDENTITY_KEY_BYTES]; /* CURVE public key; all zero without CURVE */
    uint64_t space;                  /* of the pids born in this life */
    uint64_t ordinal;                /* which life that is: 0 for the first */
    uint32_t message_bytes_max;      /* the largest body it takes */
    uint32_t window_messages;        /* how much it takes unfiled */
    uint64_t window_bytes;
    uint32_t leases; /* 1: it lends slots, takes spawns into them, and understands ENVELOPE_LEASE */
};

struct hello {
    struct identity identity;
    uint64_t epoch;  /* the node's E */
    uint64_t token;  /* random, of the link that says it; never 0 */
    uint64_t answer; /* the token of the last HELLO heard on that link, or 0 */
    uint64_t bound;  /* the token of the peer's link in the session to resume; 0: a new session is
                        proposed */
};

/* Appends the map. The name and the incarnation are not in it: the frame's header has them. */
void hello_encode(struct buffer *out, const struct hello *hello);

/* Reads a map that takes exactly `bytes` bytes. Unknown keys are skipped, missing ones are zero or
 * empty. `name` and `incarnation` of the identity are left zero. Errors: TR_EDATA; `*hello_out` is
 * then untouched. */
tr_status hello_decode(const uint8_t *data, size_t bytes, struct hello *hello_out);

#endif
