/*
 * post.h - where a sent message goes: a local mailbox, a port, another space, the dead letters.
 *
 * One path for everybody who sends. A message is stamped by its sender (from, serial, colour,
 * trace) before it gets here. Refusals (TR_EFULL, TR_EUNREACHABLE) leave it with the caller;
 * everything else takes it, and what cannot be delivered becomes a dead letter.
 */
#ifndef TROUPE_POST_H
#define TROUPE_POST_H

#include "node/actor.h"

struct producer;

/* Posts a stamped message. `sender` is the sending actor (muted when the receiver is overloaded) or
 * NULL. */
tr_status post_message(struct producer *producer, tr_actor *sender, tr_message **posted);

/* Posts to another space a message that was never made: `head` is stamped, its body lies at `body`;
 * both are borrowed. False: it must be made, for post_message. */
bool post_direct(struct producer *producer, tr_actor *sender, const tr_message *head,
                 const void *body, tr_status *status_out);

/* Stamps and posts what the runtime itself sends: exempt, in the colour of `context` or, without
 * one, E. */
void post_system(struct producer *producer, tr_actor *context, tr_message **posted);

/* Files a message that a link brought; never refused (I3). Core thread. */
void post_arrived(struct producer *producer, tr_message **arrived);

/* Tells the name service that this actor's names are free. */
void post_names_dropped(struct worker *worker, tr_actor *actor);

#endif
