/*
 * mould.h - what an actor is spawned from on another node: a behavior's name and its mailbox marks.
 *
 * Each node numbers its own and tells a peer once a session what a number means, so that a spawn
 * carries a number and no text. The numbers live as long as the node. Workers find theirs by the
 * behavior's address in a table of their own; the shared one is asked once for each.
 */
#ifndef TROUPE_MOULD_H
#define TROUPE_MOULD_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

#include "node/actor.h"

enum {
    MOULDS_MAX = 65536,    /* numbers of one node */
    MOULD_NAME_BYTES = 256 /* of a behavior spawned on another node, closing zero included */
};

/* What a number means. */
struct mould {
    char name[MOULD_NAME_BYTES];
    tr_mailbox_options marks; /* low, high, hard as the spawner gave them */
};

/* The same at the node that spawns from it; resolved once. */
struct mould_heard {
    struct mould mould;
    const struct behavior *behavior; /* NULL: not offered here */
    struct mailbox_limits limits;
    bool has_limits;
    tr_status status; /* of the marks; `reason` says what is wrong */
    char reason[96];
};

struct moulds;
struct moulds *moulds_new(unsigned workers);
void moulds_free(struct moulds *moulds);

/* The number of what `wish` names, from 1; 0 when there are too many or the name is too long.
 * `worker` is the caller's. */
uint32_t moulds_number(struct moulds *moulds, unsigned worker, const tr_behavior *behavior,
                       const char *name, const tr_mailbox_options *marks);

/* What a number means; borrowed for the node's life. NULL: no such number. Any thread. */
const struct mould *moulds_at(struct moulds *moulds, uint32_t number);

/* Resolves what a peer has told; the caller frees it. */
struct mould_heard *mould_hear(const struct runtime *runtime, const struct mould *mould);

#endif
