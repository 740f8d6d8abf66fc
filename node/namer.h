/*
 * namer.h - the name service: registry/names.h's machine as an actor of its node.
 *
 * Claims come from this node's actors, packets from the other nodes' namers, members from the core.
 * What it decides goes into the directory in the namer's colour (I6).
 */
#ifndef TROUPE_NAMER_H
#define TROUPE_NAMER_H

#include "node/runtime.h"

extern const tr_behavior namer_behavior;
void namer_free(struct namer *namer);

/* From the core: the members that are up have changed. */
struct name_member {
    tr_text name;
    uint64_t incarnation;
    uint64_t session;
};
struct name_members {
    tr_list members; /* of struct name_member */
};
extern const tr_record name_members_record;

/* From an actor's end: its names are free. */
struct name_release {
    tr_pid pid;
};
extern const tr_record name_release_record;

#endif
