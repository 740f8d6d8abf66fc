/*
 * reclaim.h - frees memory that other threads may still be reading, once they have all moved on.
 *
 * Quiescent-state-based reclamation (McKenney and Slingwine, 1998; Fraser, 2004): a reader is a
 * thread that looks actors up by pid or reads a published table. Between two turns it says
 * that it holds no such pointer (reclaim_quiesce), or goes offline while it sleeps. What was
 * retired is freed after every online reader has passed two epochs. A turn that runs for long
 * delays frees, nothing else.
 *
 * Each reader belongs to one thread at a time. Readers may come and go at any time.
 */
#ifndef TROUPE_RECLAIM_H
#define TROUPE_RECLAIM_H

#include <stdatomic.h>
#include <stdint.h>

#include "node/base/list.h"

struct reclaim;

/* What is retired embeds this; `release` frees the whole. */
struct reclaim_item {
    struct reclaim_item *next;
    void (*release)(struct reclaim_item *item);
};

struct reclaim_reader {
    list_node node;
    struct reclaim *domain;
    _Atomic uint64_t epoch;          /* 0: offline */
    struct reclaim_item *retired[3]; /* by epoch modulo 3 */
    uint64_t retired_epoch[3];
    uint32_t retired_count; /* since the last attempt to move on */
};

struct reclaim *reclaim_new(void);
/* Every reader must have left. */
void reclaim_free(struct reclaim *domain);

/* Joins offline. */
void reclaim_join(struct reclaim *domain, struct reclaim_reader *reader);
/* What the reader retired and is not yet free goes to the domain. */
void reclaim_leave(struct reclaim_reader *reader);

/* Around a time in which the reader may hold pointers. */
void reclaim_online(struct reclaim_reader *reader);
void reclaim_offline(struct reclaim_reader *reader);
/* The online reader holds no pointer now. Cheap: called between two turns. */
void reclaim_quiesce(struct reclaim_reader *reader);

/* Frees `item` later; nobody new can find it. Online readers only. */
void reclaim_retire(struct reclaim_reader *reader, struct reclaim_item *item,
                    void (*release)(struct reclaim_item *item));

#endif
