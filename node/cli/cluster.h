/*
 * cluster.h - the nodes that one command talks to, through their control endpoints.
 *
 * Opening finds a live node (from the cluster's folder, or --endpoint) and asks it for the members;
 * calls then go to the contact or to any member, and follow a redirect to the node where a target
 * lives. A failure goes into app->failure with the steps that passed. node/CONTROL.md. One thread,
 * but for cluster_ask_all, which asks all nodes at once inside.
 */
#ifndef TROUPE_CLI_CLUSTER_H
#define TROUPE_CLI_CLUSTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/cli/app.h"

struct cluster;

/* Told of each progress of a call; `data` is borrowed. False stops waiting. */
typedef bool cluster_progress(void *context, json_t *data);

/* One request. */
struct cluster_call {
    const char *node; /* NULL: the contact */
    const char *op;
    json_t *args;        /* borrowed; NULL: none */
    uint64_t timeout_ms; /* of the answer, and between two progresses; 0: APP_CALL_MS */
    cluster_progress *progress;
    void *context;
};

/* One node's answer. */
struct cluster_answer {
    const char *node; /* the cluster's */
    json_t *data;     /* NULL: `failure` says why */
    struct failure failure;
};

/* Finds a node that answers. Errors: TR_EUNREACHABLE (nothing runs, nobody answers), TR_EREFUSED
 * (keys), TR_ENOENT (keys of
 * --endpoint). */
tr_status cluster_open(struct app *app, struct cluster **cluster_out);
void cluster_close(struct cluster *cluster);

/* The contact's name, and its answer to "status"; the cluster's. */
const char *cluster_contact(const struct cluster *cluster);
json_t *cluster_status(const struct cluster *cluster);

/* The members that may answer (up, suspect, joining), in the order of their names. */
size_t cluster_member_count(const struct cluster *cluster);
const char *cluster_member_name(const struct cluster *cluster, size_t index);

/* Checks a node's name given by the user. Errors: TR_ENOENT with the nearest name; TR_EUNREACHABLE
 * for a member that is down or has left. */
tr_status cluster_check_node(struct cluster *cluster, const char *name);

/* Asks one node; `*data_out` is the caller's. Errors: whatever the node answers, TR_EUNREACHABLE,
 * TR_ETIMEDOUT. */
tr_status cluster_call(struct cluster *cluster, const struct cluster_call *call, json_t **data_out);

/* Asks all members at once with the same arguments; one answer for each in their order. The caller
 * frees them with cluster_answers_free. */
struct cluster_answer *cluster_ask_all(struct cluster *cluster, const char *op, json_t *args,
                                       uint64_t timeout_ms);
void cluster_answers_free(struct cluster *cluster, struct cluster_answer *answers);

/* Says on stderr which nodes gave no answer, and returns how many did. */
size_t cluster_answers_note(struct cluster *cluster, const struct cluster_answer *answers);

#endif
