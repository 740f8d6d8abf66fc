/*
 * peer.h - another node as this one sees it: its link, what waits for it, how it presses back.
 *
 * Workers and ports post (peer_post): they encode, append to the outbox and count, without another
 * lock unless the peer has told of pressure. The core moves parcels on to the link and pumps frames
 * between link and driver. Both the send queue and overloaded actors of the peer mute this node's
 * senders (I3).
 */
#ifndef TROUPE_PEER_H
#define TROUPE_PEER_H

#include <pthread.h>
#include <stdatomic.h>
#include <troupe.h>

#include "node/arrivals.h"
#include "node/base/map.h"
#include "node/outbox.h"
#include "node/pressure.h"
#include "node/runtime.h"
#include "transport/link.h"

enum {
    PEER_QUEUE_LOW = 512 << 10, /* bytes in the send queue: senders go on */
    PEER_QUEUE_HIGH = 1 << 20,  /* senders are muted */
    PEER_QUEUE_HARD = 4 << 20,  /* TR_EFULL */
    PEER_QUEUE_DEAD = 64 << 20, /* besides one body: even control, which nothing bounds, ends the
                                   session */
    PEER_BODY_LARGE = 64 << 10, /* so few smaller ones are sent at once that they fit in between */
    PEER_RECORDS_MAX = 65536,   /* record ids of one peer */
    PEER_PRESSURES_MAX = 1 << 20, /* overloaded actors of one peer */
    PEER_STRANGERS_MAX = 64       /* peers beyond the members */
};

struct lease;

/* Whether a life of a peer was a member that is up, by that version of the member table. */
struct peer_judgement {
    uint64_t version, incarnation;
    bool is_member;
};

struct peer {
    char name[64]; /* "" until the first HELLO of a seed of which only the endpoint is known */
    tr_node *node;
    uint32_t origin; /* from 1: names the peer in messages, tallies and the driver */

    /* any thread */
    _Atomic uint32_t serial;    /* of the session that takes messages; 0: none */
    _Atomic uint32_t bytes_max; /* the largest body it takes */
    struct outbox outbox;
    _Atomic uint64_t link_bytes; /* not yet sent */
    _Atomic bool is_dirty;
    struct peer *dirty_next;

    pthread_mutex_t mutex; /* guards pressures and waiters */
    map_pid pressures;     /* struct remote_pressure by the overloaded actor's pid */
    _Atomic uint32_t pressure_count;
    struct waiters waiters; /* for room in the send queue */

    struct lease *lease; /* slots lent to and by it (lease.h) */

    /* core */
    struct link *link;
    char endpoint[256];
    uint64_t session;         /* cluster_session of the session that is up */
    uint64_t epoch;           /* its E as it said last */
    uint32_t last_serial;     /* of the session that is up or was last */
    uint64_t incarnation;     /* of the life at the other end of the session; 0: no session */
    struct arrivals arrivals; /* of the frame that is being read */
    struct message_list held; /* of a node that is in no view of the snapshot under way here: filed
                                 once it is over */
    uint32_t held_count;
    uint64_t held_bytes;
    bool left; /* that life has left: its session ends once the answer is on its way */
    const record_type **types; /* by the peer's record id; of this session */
    uint32_t type_room;
    uint64_t own_space; /* a space that is known to be the peer's: the last one it sent from */
    struct peer_judgement judged;
};

/* The peer with origin `index` + 1; there is one. Any thread. */
struct peer *peer_at(const tr_node *node, size_t index);
/* Finds a peer by name, or makes it without a link. */
struct peer *peer_find(tr_node *node, const char *name);
struct peer *peer_obtain(tr_node *node, const char *name);
void peers_free(tr_node *node);

/* Connects and seeks a session with whoever listens there; `name` "" when unknown. */
void peer_dial(tr_node *node, const char *endpoint, const char *name);

/* Lets messages pass if the session is with the life that the member table knows; called whenever
 * one of the two changes. */
void peer_admit(struct peer *peer);

/* A frame has come in. */
void peer_frame(tr_node *node, const char *user, const uint8_t *bytes, size_t size);

/* Files what the present frame has brought so far. */
void peer_file(struct peer *peer);

/* Moves all that was pushed onto the link's queue. */
void peer_flush(struct peer *peer, uint64_t now_ns);
void peers_flush_dirty(tr_node *node, uint64_t now_ns);
/* Ticks links, sends frames; returns the earliest deadline. */
uint64_t peers_pump(tr_node *node, uint64_t now_ns);

/* Queues a message of the node itself (kinds MEMBER and SNAPSHOT), behind all that was queued
 * before. */
void peer_send_control(struct peer *peer, enum envelope_kind kind, const uint8_t *bytes,
                       size_t size, uint64_t now_ns);

/* Queues the body of an ENVELOPE_LEASE for the session of that serial, behind what this thread has
 * posted before; false when that session takes nothing. Any thread. */
bool peer_push_lease(struct peer *peer, const uint8_t *bytes, size_t size, uint32_t serial);

/* The router's half for workers and ports. `head` is a stamped message but for its body, which is
 * at `body`; both are borrowed. Errors: TR_EUNREACHABLE no session, TR_EFULL, TR_ETOOBIG. */
tr_status peer_post(struct peer *peer, struct producer *producer, tr_actor *sender,
                    const tr_message *head, const void *body);
bool peer_admits_port(struct peer *peer, tr_pid to, tr_pid port, bool refused);

#endif
