/*
 * arrivals.h - messages that one link brings in a row for one actor, filed together.
 *
 * A frame of a busy link holds many for the same receiver. They are gathered into a chain, and one
 * exchange files them all; how full the mailbox is, and whether its actor must run, is asked once
 * for all. Whoever gathers files before anything else happens: at the end of the frame at the
 * latest. Core thread.
 */
#ifndef TROUPE_ARRIVALS_H
#define TROUPE_ARRIVALS_H

#include "node/message.h"

struct producer;

/* Zeroed is empty. */
struct arrivals {
    tr_message *newest, *oldest; /* each points to the one before it */
    uint32_t count;
};

/* Takes a message, in its order; one that cannot wait for others is filed at once. */
void arrivals_add(struct arrivals *arrivals, struct producer *producer, tr_message *item);

/* Files what was gathered. */
void arrivals_file(struct arrivals *arrivals, struct producer *producer);

#endif
