/*
 * snapshot_members.h - a set of cluster members, as one node sees it or as a message carries it.
 *
 * Sorted by name. A zeroed view is an empty one. Used by the snapshot machine on the core thread
 * and by its wire; node names are checked here, because they become file names (I5).
 */
#ifndef TROUPE_NODE_SNAPSHOT_MEMBERS_H
#define TROUPE_NODE_SNAPSHOT_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/snapshot.h"

struct snapshot_member {
    char name[SNAPSHOT_NAME_BYTES];
    uint64_t incarnation;
    uint64_t session; /* of the view's owner with this member; its own entry has 0 */
};

struct snapshot_view {
    struct snapshot_member *members;
    size_t count;
    size_t capacity;
    bool unusable; /* something was added that cannot be in a view */
};

/* Frees the members; the view is empty again. */
void snapshot_view_fini(struct snapshot_view *view);

/* Frees what `target` has, and moves `source` there; `source` is then empty. */
void snapshot_view_move(struct snapshot_view *target, struct snapshot_view *source);

/* Makes `target`, an empty view, a copy of `source`. */
void snapshot_view_copy(struct snapshot_view *target, const struct snapshot_view *source);

/* Returns the place of `name`, or SIZE_MAX when it is not a member. */
size_t snapshot_view_find(const struct snapshot_view *view, const char *name);

/* True when both have the same (node, incarnation) pairs. */
bool snapshot_view_same_lives(const struct snapshot_view *a, const struct snapshot_view *b);

/* True when both have the same (node, incarnation, session) triples. */
bool snapshot_view_equal(const struct snapshot_view *a, const struct snapshot_view *b);

/* True for 1 to 63 of [A-Za-z0-9_-]. */
bool snapshot_name_valid(const char *name);

/* The 16 low bits of the epochs that a node of this name initiates. */
uint16_t snapshot_name_bits(const char *name);

/* Below, equal to or above 0 as `a` is older than, the same as or newer than `b`: by epoch, and by
 * the initiator's name where two names share their 16 bits. */
int snapshot_cut_compare(const snapshot_cut *a, const snapshot_cut *b);

#endif
