/*
 * gossip.h - how members learn of each other's lives, and of each other being up.
 *
 * In each session both sides greet, then, once both are admitted, each sends all lives it knows and
 * after that whatever is new to it. A peer counts as up when our view has gone out and all of
 * its view has come in saying so. Part of the members machine.
 */
#ifndef TROUPE_REGISTRY_GOSSIP_H
#define TROUPE_REGISTRY_GOSSIP_H

#include "registry/lives.h"

struct members;
struct notice;
struct peer;

/* Sends the greeting that opens a session. */
void gossip_greet(struct members *members, const struct peer *peer);

/* A greeting or a view has come. */
void gossip_receive(struct members *members, struct peer *peer, struct notice *notice);

/* Sends our view, and takes the peer's state over, where that is possible by now. */
void gossip_settle(struct members *members, struct peer *peer);

/* Tells a life, and with it our own state, to all who have our view, but not to `except`. */
void gossip_tell(struct members *members, const struct life *life, const struct peer *except);

/* Adds a life with its first state; an older life of its name goes down by that. NULL: no room. */
struct life *gossip_add(struct members *members, const struct life_notice *notice);

#endif
