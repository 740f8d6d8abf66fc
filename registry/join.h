/*
 * join.h - the newcomer's side of joining: dial the seeds for ever, ask a member to be admitted.
 *
 *   seek --a member greets--> asked --the view with one's own life comes--> admitted (no join any
 * more) ^                          |  redirect: seek that member first, for a while
 *    +--session lost, no answer-+  refuse: draw another space and ask again, or seek after a pause
 */
#ifndef TROUPE_REGISTRY_JOIN_H
#define TROUPE_REGISTRY_JOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registry/backoff.h"
#include "registry/member.h"

struct members;
struct members_options;
struct notice;

struct join_seed {
    char *endpoint;
    char *name;
    struct backoff backoff;
};

struct join {
    struct join_seed *seeds;
    size_t seed_count;
    bool asked;                     /* `target` has been sent our request */
    char target[MEMBER_NAME_BYTES]; /* whom we asked last, "" at first */
    uint64_t retry_ns;              /* asked: ask again then */
    char redirect_name[MEMBER_NAME_BYTES];
    char redirect_endpoint[MEMBER_ENDPOINT_BYTES];
    uint64_t redirect_until_ns; /* look for that one only, until then */
    struct backoff redirect;
    uint64_t report_ns; /* say again that nobody was found */
};

/* Copies the seeds, without this node's own endpoint. */
void join_init(struct join *join, const struct members_options *options, uint64_t now_ns);
void join_fini(struct join *join);

/* Does what is due while this node is not admitted, or has nobody to meet. */
void join_step(struct members *members);

/* A member has answered our request: wait, redirect or refuse. */
void join_answered(struct members *members, const char *peer, const struct notice *notice);

#endif
