/*
 * network.h - the simulated wires: a driver for each node, and frames on their way.
 *
 * Frames of one connection arrive in order, each after a drawn delay; those of different
 * connections overtake each other. A reset loses the later frames of a connection, and the earlier
 * ones may still arrive among those of the next connection. A blocked direction holds its frames
 * until it heals. What a driver promises is in transport/driver.h.
 */
#ifndef TROUPE_CLUSTER_TESTS_NETWORK_H
#define TROUPE_CLUSTER_TESTS_NETWORK_H

#include "cluster-tests/sim.h"

struct network *network_new(struct sim *sim);
void network_free(struct network *network);

/* Opens the driver of a machine's node; node_world.open_driver, `context` the machine. */
tr_status network_open_driver(void *context, const struct driver_events *events,
                              struct driver *driver_out, tr_error *error);

/* The machine's process is gone: what was on its way to it is lost, what it sent in part. */
void network_drop_machine(struct network *network, unsigned machine);
/* The connections between two machines break, both ways. */
void network_reset(struct network *network, unsigned a, unsigned b);
/* Blocks or heals one direction. */
void network_block(struct network *network, unsigned from, unsigned to, bool blocked);
bool network_is_blocked(const struct network *network, unsigned from, unsigned to);

/* True when something can be delivered to `machine` now; delivers the `choice`-th such thing. */
unsigned network_ready(const struct network *network, unsigned machine);
void network_deliver(struct network *network, unsigned machine, unsigned choice);
/* When the next delivery is due. */
uint64_t network_next_ns(const struct network *network);
bool network_is_empty(const struct network *network);

#endif
