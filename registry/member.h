/*
 * member.h - one life of one node, as the registry knows it.
 *
 * A life is (name, incarnation): a node that starts again is a new life with a larger incarnation.
 * Each life has opened one space of pids, found unique when it was admitted, and counts as its
 * node's ordinal-th. These are value types; members.h keeps them and says until when a pointer
 * is good. REGISTRY.md.
 */
#ifndef TROUPE_REGISTRY_MEMBER_H
#define TROUPE_REGISTRY_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    MEMBER_NAME_BYTES = 64,      /* of a node, closing zero included */
    MEMBER_ENDPOINT_BYTES = 256, /* closing zero included */
    MEMBER_REASON_BYTES = 128,   /* closing zero included */
    MEMBER_KEY_BYTES = 32,
};

/* The rank of a member that is neither up nor suspect. */
#define MEMBER_NO_RANK UINT32_MAX

/*
 *   unknown -> joining -> up <-> suspect      down -> joining: met again, not up yet
 *                 |        |        |         down -> up:      met again
 *                 +--------+--------+-> down  any  -> left:    it said so; final
 */
enum member_state {
    MEMBER_UNKNOWN, /* not in the table; only as the old state of a first change */
    MEMBER_JOINING, /* known, not (yet) up: no session, or it has not met all others */
    MEMBER_UP,
    MEMBER_SUSPECT, /* up, but silent for a while; its session still stands */
    MEMBER_DOWN,    /* its session has ended; it may come back unless a newer life replaced it */
    MEMBER_LEFT,
};

struct member {
    const char *name;
    const char *endpoint; /* for other nodes; "" in a life that was replaced or has left */
    const char *control;  /* for control programs; "" as above, or when there is none */
    const char *reason;   /* of the last change of state; never NULL */
    uint8_t public_key[MEMBER_KEY_BYTES];
    uint64_t incarnation;
    uint64_t space;
    uint64_t admission; /* counts admissions: with incarnation and name the order of age */
    uint64_t session;   /* the present session's number; 0: none, or it is this node */
    uint64_t since_ns;  /* of the last change of state */
    uint32_t ordinal;   /* of its space among all its node's */
    uint32_t rank;      /* by age among those up or suspect, 0 the oldest, or MEMBER_NO_RANK */
    enum member_state state;
};

/* A member that is up or suspect, as the name service and the snapshot's prepare want it. */
struct member_life {
    const char *name;
    uint64_t incarnation;
    uint64_t session; /* 0: this node itself */
};

/* "joining", "up", ...; "unknown" for any other value. Any thread. */
const char *member_state_name(enum member_state state);

/* True for up and suspect: the node has a session and takes part. */
static inline bool member_is_up(const struct member *member) {
    return member->state == MEMBER_UP || member->state == MEMBER_SUSPECT;
}

/* Less than, equal to or greater than 0 as `a` is older than, the same as, or younger than `b`. */
int member_compare_age(const struct member *a, const struct member *b);

/* True for 1 to 63 of A-Z a-z 0-9 _ and -. */
bool member_name_valid(const char *name);

#endif
