/*
 * nodes.h - what is known of each node: the member table, the node's own words, and the folder.
 *
 * A node that was launched from the folder and that no member knows any more is listed as down, or
 * as left when it stopped cleanly. One thread.
 */
#ifndef TROUPE_CLI_NODES_H
#define TROUPE_CLI_NODES_H

#include <jansson.h>

#include "node/cli/remote.h"
#include "node/cli/output.h"

/* Asks all members and returns [{name, endpoint, control, state, incarnation, pid, actors,
 * uptime_ms, sent, handled, dead_letters, ...}], by name; pid is null and actors 0 for a node
 * that is down or has left. The caller's. */
json_t *nodes_describe(struct app *app, struct remote *remote);

/* Adds sent_per_s and handled_per_s to the nodes of `now` that `before`, an earlier description,
 * has too. */
void nodes_add_rates(json_t *before, json_t *now);

/* How many of them are up. */
size_t nodes_up(json_t *nodes);

/* The columns of a list of nodes. */
extern const struct output_column nodes_columns[];

#endif
