/*
 * remote.h - the nodes that one command talks to, through their control endpoints.
 *
 * Opening finds a live node (from the cluster's folder, or --endpoint) and asks it for the members;
 * calls then go to the contact or to any member, and follow a redirect to the node where a target
 * lives. A failure goes into app->failure with the steps that passed. node/CONTROL.md. One thread,
 * but for remote_ask_all, which asks all nodes at once inside.
 */
#ifndef TROUPE_CLI_REMOTE_H
#define TROUPE_CLI_REMOTE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/cli/app.h"

struct remote;

/* Told of each progress of a call; `data` is borrowed. False stops waiting. */
typedef bool remote_progress(void *context, json_t *data);

/* One request. */
struct remote_call {
    const char *node; /* NULL: the contact */
    const char *op;
    json_t *args;        /* borrowed; NULL: none */
    uint64_t timeout_ms; /* of the answer, and between two progresses; 0: APP_CALL_MS */
    remote_progress *progress;
    void *context;
};

/* One node's answer. */
struct remote_answer {
    const char *node; /* borrowed from the remote */
    json_t *data;     /* NULL: `failure` says why */
    struct failure failure;
};

/* Finds a node that answers. Errors: TR_EUNREACHABLE (nothing runs, nobody answers), TR_EREFUSED
 * (keys), TR_ENOENT (keys of --endpoint). */
tr_status remote_open(struct app *app, struct remote **remote_out);
void remote_close(struct remote *remote);

/* The contact's name, and its answer to "status"; borrowed until close. */
const char *remote_contact(const struct remote *remote);
json_t *remote_status(const struct remote *remote);

/* The members that may answer (up, suspect, joining), in the order of their names. */
size_t remote_member_count(const struct remote *remote);
const char *remote_member_name(const struct remote *remote, size_t index);

/* Checks a node's name given by the user. Errors: TR_ENOENT with the nearest name;
 * TR_EUNREACHABLE for a member that is down or has left. */
tr_status remote_check_node(struct remote *remote, const char *name);

/* Asks one node; `*data_out` is the caller's. Errors: whatever the node answers,
 * TR_EUNREACHABLE, TR_ETIMEDOUT. */
tr_status remote_call(struct remote *remote, const struct remote_call *call, json_t **data_out);

/* Asks all members at once with the same arguments; one answer for each in their order. The
 * caller frees them with remote_answers_free. */
struct remote_answer *remote_ask_all(struct remote *remote, const char *op, json_t *args,
                                     uint64_t timeout_ms);
void remote_answers_free(struct remote *remote, struct remote_answer *answers);

/* Says on stderr which nodes gave no answer, and returns how many did. */
size_t remote_answers_note(struct remote *remote, const struct remote_answer *answers);

#endif
