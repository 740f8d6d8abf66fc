/*
 * members.h - who is in the cluster: joining, admission, failure detection, partitions, leaving.
 *
 * A pure state machine: sessions, messages and time come in through the calls below, everything
 * it wants goes out through members_ops. Beneath it lies a link layer that keeps at most one
 * session with each named peer and carries this machine's messages in order within it. All calls
 * come from one thread. Bytes from peers can at worst end that peer's session (I5). Rules,
 * messages and invariants: REGISTRY.md.
 */
#ifndef TROUPE_REGISTRY_MEMBERS_H
#define TROUPE_REGISTRY_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "registry/member.h"

struct members;

enum {
    MEMBERS_MESSAGE_BYTES_MAX = 65536, /* the largest message sent; larger ones are refused */
    MEMBERS_SESSIONS_MAX = 1024,       /* peers with a session at one time */
    MEMBERS_LIVES_MAX = 4096,          /* lives remembered; beyond, the oldest replaced one goes */
};

/* A member to join through. */
struct members_seed {
    const char *endpoint;
    const char *name; /* NULL or "": not known */
};

/* This node. Texts and keys are copied. */
struct members_options {
    const char *name;
    uint64_t incarnation; /* larger than of every earlier life of this name; not 0 */
    const char *endpoint; /* where other nodes reach it */
    const char *control;  /* NULL: none */
    uint8_t public_key[MEMBER_KEY_BYTES];
    uint64_t space;   /* 0: draw one */
    uint32_t ordinal; /* lives of this node before this one, as remembered on disk; admission may
                         raise it: see members_self */
    const struct members_seed *seeds; /* none: found a cluster; one's own endpoint is skipped */
    size_t seed_count;
    uint64_t suspect_after_ms; /* 0: 3000 */
    uint64_t down_after_ms;    /* 0: 10000 */
    uint64_t leave_after_ms;   /* 0: 1000; how long a leave waits for the others' answers */
    uint64_t random_seed;      /* of the space's number and the jitter of dialling */
};

/* A node at the other end of a session, as its handshake named it. Borrowed for the call. */
struct members_peer {
    const char *name;
    uint64_t incarnation;
    uint64_t session; /* the same number at both ends, not 0; two lives never have it twice */
    const char *endpoint;
    const char *control;       /* NULL: none */
    const uint8_t *public_key; /* MEMBER_KEY_BYTES, or NULL: all zero */
};

/*
 * What the machine wants done. None of these may call back into it, with two exceptions: the
 * lookups at the end of this header, and members_session_down from within hang_up.
 */
struct members_ops {
    void *context;

    /* Sends bytes to a peer, in order, within the present session; lost if that ends. */
    void (*send)(void *context, const char *peer, const uint8_t *bytes, size_t byte_count);

    /* Tries once to get a session with whoever listens there; `name` is "" when not known. It may
     * fail silently and is asked for again, with growing pauses up to 5 s; while a try is under way
     * or a session stands, there is nothing to do. */
    void (*dial)(void *context, const char *endpoint, const char *name);

    /* Ends the session with a peer, and any try to dial it that is under way. */
    void (*hang_up)(void *context, const char *peer, const char *reason);

    /* A member's state, this node's included, has become `member->state`. */
    void (*changed)(void *context, const struct member *member, enum member_state old_state);

    /* True while nobody may be admitted or come (back) up, because a snapshot is under way. */
    bool (*admission_frozen)(void *context);

    /* For people: TR_OK progress in joining, TR_EREFUSED this node was refused (it goes on
     * trying), TR_EEXIST a newer life of its own name is in the cluster, TR_EDATA a peer sent
     * nonsense and its session was ended. */
    void (*report)(void *context, tr_status status, const char *text);

    /* members_leave is done: all have answered, or the time is over. */
    void (*left)(void *context);
};

/* Makes the machine, the caller's; without seeds its node is up when the first tick comes. `ops`
 * is copied. Aborts on options that break the rules above: the caller has checked them. */
struct members *members_new(const struct members_options *options, const struct members_ops *ops,
                            uint64_t now_ns);
void members_free(struct members *members);

/* A session has begun. One with another life of the same name ends by that, if it still stood. */
void members_session_up(struct members *members, const struct members_peer *peer, uint64_t now_ns);

/* A session has ended; a session that is not the peer's present one is ignored. */
void members_session_down(struct members *members, const char *peer, uint64_t session,
                          const char *reason, uint64_t now_ns);

/* A frame of any kind has come from this peer. */
void members_heard(struct members *members, const char *peer, uint64_t now_ns);

/* A message of this machine's kind has come from a peer, in its present session. Errors: TR_EDATA,
 * with `error` (may be NULL) saying what is wrong; the session is then ended through hang_up. */
tr_status members_receive(struct members *members, const char *peer, const uint8_t *bytes,
                          size_t byte_count, uint64_t now_ns, tr_error *error);

/* Does what is due, and returns when it wants to be called next. A call that comes late is taken
 * for this node's own fault: the missed time accuses nobody. Call it soon after admission_frozen
 * has turned false. */
uint64_t members_tick(struct members *members, uint64_t now_ns);

/* Announces that this node leaves; `left` follows. Sessions may be ended from then on. */
void members_leave(struct members *members, uint64_t now_ns);

/* ---- lookups; pointers are good until the next call that is not a lookup ---- */

/* This node: its space, ordinal and state. Space and ordinal are final once it is up. */
const struct member *members_self(const struct members *members);

/* True when this node may host actors: it is up and has a session to every member that is up. */
bool members_ready(const struct members *members);

/* The present (newest) life of a name; any life by its space or by (name, ordinal), also those of
 * nodes that are gone; NULL: not known. */
const struct member *members_find_by_name(const struct members *members, const char *name);
const struct member *members_find_by_space(const struct members *members, uint64_t space);
const struct member *members_find_by_ordinal(const struct members *members, const char *name,
                                             uint32_t ordinal);

/* The present lives of all names, oldest first: how many, and one (NULL past the end). */
size_t members_count(const struct members *members);
const struct member *members_at(const struct members *members, size_t index);

/* All lives, replaced ones too, in no order that means anything: start with a `cursor` of 0; NULL
 * at the end. For tables of spaces. */
const struct member *members_next(const struct members *members, size_t *cursor);

/* Fills `lives_out` with at most `count_max` of those up or suspect, oldest first, this node among
 * them when it is up, and returns how many there are. */
size_t members_view(const struct members *members, struct member_life *lives_out, size_t count_max);

/* A number that two nodes share when they see the same lives up or suspect (and, but for one
 * chance in 2^64, only then). */
uint64_t members_view_digest(const struct members *members);

/* Grows with every change of the table; says cheaply that there is something new. */
uint64_t members_version(const struct members *members);

#endif
