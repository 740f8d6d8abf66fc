/*
 * services.h - the node's own actors: the spawner and the namer, and the records they speak.
 *
 * They are ordinary actors with a colour, so that what they decide is on the right side of every
 * cut (I6): a child born for another node takes the spawner's colour, a name the namer's. Each
 * lives in a fixed slot of its node's space, so anybody who knows the space can reach them.
 */
#ifndef TROUPE_SERVICES_H
#define TROUPE_SERVICES_H

#include <troupe.h>

#include "node/base/buffer.h"
#include "node/runtime.h"
#include "registry/names.h"

/* Fixed slots; generation 1. */
enum { SERVICE_SPAWNER = 1, SERVICE_NAMER = 2 };

/* Asks a spawner for an actor; answered with tr_spawned. */
struct spawn_request {
    tr_text behavior;
    tr_text name;    /* empty: anonymous */
    tr_bytes record; /* descriptor of the state's record; empty: all zero, or `json` */
    tr_bytes state;  /* its encoding */
    tr_text json;    /* the state as JSON instead */
    uint32_t low, high, hard;
};
extern const tr_record spawn_request_record;

/* Asks the own node's namer to claim a name for an actor of this node; answered with
 * tr_name_result. */
struct name_claim {
    tr_text name;
    tr_pid pid;
};
extern const tr_record name_claim_record;

/* From one namer to another: registry/names.h's bytes. */
struct name_packet {
    tr_bytes bytes;
};
extern const tr_record name_packet_record;

/* Builds a request and finds the spawner it goes to. `state` holds what the request points to; the
 * caller keeps both until it is sent. Within a reclaim section. Errors: TR_EINVAL, TR_ENOTSUP,
 * TR_ENOENT no such node; `error` may be NULL. */
tr_status services_request(struct runtime *runtime, const char *behavior,
                           const tr_record *state_record, const tr_spawn_options *options,
                           struct spawn_request *request, struct buffer *state, tr_pid *service_out,
                           tr_error *error);

/* Checks mailbox options and fills in the defaults. Errors: TR_EINVAL, TR_ENOTSUP. */
tr_status services_limits(const struct runtime *runtime, const tr_mailbox_options *options,
                          struct mailbox_limits *limits_out, tr_error *error);

/* Offers the services' behaviors; then, once the space is known, starts them on a worker that
 * nobody runs yet or that is the caller's own. */
tr_status services_offer(struct runtime *runtime, tr_error *error);
void services_start(struct runtime *runtime);

/* ---- the core's wishes to the namer -----------------------------------------------------------
 */

/* A list of members, as registry/names.h wants it; copied into a message to the namer. */
void services_members(struct runtime *runtime, struct producer *producer,
                      const struct member_life *lives, size_t count);

#endif
