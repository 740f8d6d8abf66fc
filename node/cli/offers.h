/*
 * offers.h - which behaviors the nodes offer, and which node offers what.
 *
 * One thread.
 */
#ifndef TROUPE_CLI_OFFERS_H
#define TROUPE_CLI_OFFERS_H

#include <jansson.h>

#include "node/cli/remote.h"

/* Asks all members and returns [{name, version, state, handlers, nodes: [NAME, ...]}], by name;
 * a behavior that nodes offer in several versions has an entry for each. The caller's; NULL with
 * app->failure when no node answers. */
json_t *offers_ask(struct app *app, struct remote *remote);

/* Returns an array of the names of nodes that offer a behavior (the caller's), or NULL, with
 * app->failure naming the nearest behavior, when none does. */
json_t *offers_nodes(struct app *app, json_t *offers, const char *behavior);

/* Fills app->failure for an unknown behavior and returns TR_ENOENT. */
tr_status offers_refuse(struct app *app, json_t *offers, const char *behavior);

#endif
