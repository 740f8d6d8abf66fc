/*
 * names.h - names that are unique in the cluster: one node's name service, as a state machine.
 *
 * A claim asks the name's home member, is then put to every member that is up, and is answered when
 * all have it; looking up is local. Each node is the authority on its own actors' names; the
 * others hold copies, which go when that node goes down. Two sides of a partition may claim one
 * name: on healing the older claim wins. Messages are opaque bytes that travel in order between
 * the name services of two nodes. All calls come from one thread at a time. Bytes from peers can
 * at worst be refused (I5). Rules, messages and invariants: REGISTRY.md.
 */
#ifndef TROUPE_REGISTRY_NAMES_H
#define TROUPE_REGISTRY_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "registry/member.h"

struct names;

enum {
    NAMES_NAME_BYTES_MAX = 255,      /* of an actor's name, without a closing zero */
    NAMES_MESSAGE_BYTES_MAX = 65536, /* the largest message sent; larger ones are refused */
    NAMES_OWN_MAX = 1 << 20,         /* names and claims of one node's actors */
};

struct names_options {
    const char *node; /* this node's name; copied */
    uint64_t incarnation;
    uint64_t claim_timeout_ms; /* 0: 15000, so that a claim outlives the death of its home */
};

/* When a claim was made: smaller is older; of equal times the smaller node name, then the smaller
 * incarnation. */
struct names_age {
    uint64_t lamport;
    const char *node; /* the owner: the node that the pid's actor lives on */
    uint64_t incarnation;
};

/* Whom a name resolves to. Borrowed until the next call that is not a lookup. */
struct names_entry {
    const char *name;
    tr_pid pid;
    struct names_age age;
};

/* What the machine wants done. None of these may call back into it but names_find and names_next.
 * All arguments are borrowed for the call. */
struct names_ops {
    void *context;

    /* Sends bytes to another node's name service, in order. */
    void (*send)(void *context, const char *node, const uint8_t *bytes, size_t byte_count);

    /* A claim is decided: TR_OK every member that is up has the entry; TR_EEXIST `holder` has the
     * name; TR_ETIMEDOUT; TR_EABORTED it was dropped meanwhile. `holder` is the claimant's pid for
     * TR_OK, and nobody for the last two. Each accepted claim is answered exactly once. */
    void (*claimed)(void *context, uint64_t request, tr_status status, tr_pid holder);

    /* From now on the name resolves, on this node, to this entry, whatever it was before. */
    void (*put)(void *context, const struct names_entry *entry);

    /* From now on the name resolves to nobody; last it was `pid`. */
    void (*dropped)(void *context, const char *name, tr_pid pid);

    /* An actor of this node has lost its name to an older claim. `put` or `dropped` came before. */
    void (*lost)(void *context, const char *name, tr_pid pid, tr_pid winner);
};

/* Makes the machine, the caller's; it knows no members yet. `ops` is copied. */
struct names *names_new(const struct names_options *options, const struct names_ops *ops);
void names_free(struct names *names);

/* The members that are up or suspect have become these; give it members_view's list, this node
 * included, after every change. A session's number that changes is a down and an up. */
void names_members(struct names *names, const struct member_life *lives, size_t count,
                   uint64_t now_ns);

/* A message has come from another node's name service. What belongs to an earlier session is
 * dropped. Errors: TR_EDATA, with `error` (may be NULL) saying what is wrong: nothing was changed.
 */
tr_status names_receive(struct names *names, const char *node, const uint8_t *bytes,
                        size_t byte_count, uint64_t now_ns, tr_error *error);

/* Claims a name for an actor of this node; `request` comes back with the outcome, perhaps before
 * this returns. Errors, without an outcome: TR_EINVAL not a name (see names_valid), TR_EFULL too
 * many names or claims. */
tr_status names_claim(struct names *names, const char *name, tr_pid pid, uint64_t request,
                      uint64_t now_ns);

/* An actor of this node gives a name up, or has ended and gives up all of them; its claims under
 * way end with TR_EABORTED. Nothing to drop is fine. */
void names_drop(struct names *names, const char *name, tr_pid pid, uint64_t now_ns);
void names_drop_all(struct names *names, tr_pid pid, uint64_t now_ns);

/* Ends the claims whose time is over; returns when it wants to be called next (UINT64_MAX: when
 * something else happens). */
uint64_t names_tick(struct names *names, uint64_t now_ns);

/* ---- lookups ---- */

/* True for 1 to 255 bytes of UTF-8 without '/', white space and control characters. */
bool names_valid(const char *name, size_t bytes);

/* True when the name resolves to somebody, then in `*entry_out`. */
bool names_find(const struct names *names, const char *name, struct names_entry *entry_out);

/* All names that resolve: start with a `cursor` of 0; false at the end. */
bool names_next(const struct names *names, size_t *cursor, struct names_entry *entry_out);

#endif
