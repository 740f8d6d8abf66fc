/*
 * ask.h - requests that wait for their reply: kept in the asking actor, so that a snapshot sees
 * them.
 *
 * A pending ask is known by its request's serial. It ends once: with the reply, with tr_ask_failed,
 * or with the timer's token. What comes later finds nothing and is a dead letter (a reply) or
 * nothing at all (a token). Owner only.
 */
#ifndef TROUPE_ASK_H
#define TROUPE_ASK_H

#include "node/actor.h"

/* Remembers that the actor waits for the reply to `request`, which is stamped and not posted yet.
 * Errors: TR_EDATA the context cannot be copied. */
tr_status ask_open(tr_actor *asker, const tr_message *request, const tr_ask_options *options);
/* Takes the ask out, or returns NULL: it has ended. The caller ends it with ask_close. */
struct pending_ask *ask_take(tr_actor *asker, uint64_t id);
void ask_close(struct pending_ask *ask);
/* The actor has ended: all of them. */
void asks_free(struct actor_extra *extra);

#endif
