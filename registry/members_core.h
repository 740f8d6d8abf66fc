/*
 * members_core.h - what the files of the members machine share; nobody else includes it.
 *
 * members.c takes the inputs and keeps sessions and states, gossip.c exchanges views, join.c is
 * the newcomer's side of an admission and admission.c the oldest member's. Each input sets the
 * time, changes what it must, and ends with a look at what has become possible by it.
 */
#ifndef TROUPE_REGISTRY_MEMBERS_CORE_H
#define TROUPE_REGISTRY_MEMBERS_CORE_H

#include "node/base/buffer.h"
#include "node/base/map.h"
#include "node/base/random.h"
#include "registry/detector.h"
#include "registry/join.h"
#include "registry/lives.h"
#include "registry/members.h"
#include "registry/notice.h"

/* The node at the other end of a session. */
struct peer {
    char name[MEMBER_NAME_BYTES];
    char endpoint[MEMBER_ENDPOINT_BYTES];
    char control[MEMBER_ENDPOINT_BYTES];
    uint8_t public_key[MEMBER_KEY_BYTES];
    uint64_t incarnation;
    uint64_t session;
    uint64_t heard_ns;
    bool suspected;          /* our own doubt, so that hearing it costs no look-up */
    enum member_state state; /* what it last said it is; unknown: nothing, or not admitted */
    bool view_sent;          /* ours, in this session; what changes later is told too */
    bool view_received;      /* theirs, to its last part */
    uint64_t close_ns;       /* it has left or was replaced: the session ends then; 0: no */
    uint64_t asked;          /* its place among those that ask for admission; 0: it does not */
    bool told_to_wait;       /* since it asked */
    uint64_t space;          /* the one it asks for */
    uint32_t ordinal;
};

struct members {
    struct members_ops ops;
    char name[MEMBER_NAME_BYTES];
    uint64_t now_ns; /* of the input under way */
    uint64_t version;
    random_state random;
    struct lives lives;
    struct life *self;
    map_text peers; /* by name */
    struct detector detector;
    bool founder;
    bool superseded; /* reported: a newer life of our name */
    bool leaving;
    bool left;
    uint64_t leave_ns; /* leaving: done at that time even without answers */
    uint64_t leave_after_ns;
    struct join join;
    uint64_t asked_last;               /* the last place given to one that asked */
    char admitting[MEMBER_NAME_BYTES]; /* the newcomer admitted last, by us */
    uint64_t admitting_incarnation;
    uint64_t admitting_until_ns;
    struct buffer message; /* the one being made */
};

/* True when this node's life has been admitted, by others or as the founder. */
static inline bool members_admitted(const struct members *members) {
    return members->self->member.admission != LIVES_NOT_ADMITTED;
}

static inline bool members_frozen(const struct members *members) {
    return members->ops.admission_frozen(members->ops.context);
}

/* Changes a life's state, for a reason made as by printf, and tells; the same state is nothing. */
void members_set_state(struct members *members, struct life *life, enum member_state state,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Ends the session with a peer from this side; `peer` is freed. */
void members_end_session(struct members *members, struct peer *peer, const char *reason);

/* Sends members->message and empties it. */
void members_send(struct members *members, const struct peer *peer);

void members_report(struct members *members, tr_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The peer at the other end of a session with this name, or NULL. */
struct peer *members_peer(const struct members *members, const char *name);

#endif
