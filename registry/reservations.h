/*
 * reservations.h - the home's side of claims: one claimant at a time may put a name to all.
 *
 * Claims for one name wait in the order they came; the first is granted when nobody holds the
 * name, and the next one's turn comes when the first is settled (then it is told that the name is
 * taken) or over. A holder on a third node is asked before anybody is turned away for it, for
 * word that it has dropped the name may still be on its way. Part of the name service.
 */
#ifndef TROUPE_REGISTRY_RESERVATIONS_H
#define TROUPE_REGISTRY_RESERVATIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

struct binding;
struct names;
struct service;

/* A claim has come from `claimant`, which may be this node itself. False: it has too many. */
bool reservations_add(struct names *names, struct binding *binding, struct service *claimant,
                      uint64_t token, tr_pid pid);

/* That claim is over, whatever its state; nothing to end is fine. */
void reservations_done(struct names *names, struct binding *binding, const struct service *claimant,
                       uint64_t token);

/* All claims of a node that has gone are over. */
void reservations_forget(struct names *names, struct service *claimant);

/* A holder's node has answered a probe. */
void reservations_probed(struct names *names, struct binding *binding, uint64_t probe);

/* Questions that are not answered yet are asked again: the node asked may have gone. */
void reservations_ask_again(struct names *names);

/* Grants or turns away whom it can at this time. */
void reservations_step(struct names *names, struct binding *binding);

#endif
