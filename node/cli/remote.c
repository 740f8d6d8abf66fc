/*
 * remote.c - finding a live node, connecting to members, asking one or all.
 */
#include "node/cli/remote.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/keys.h"
#include "node/base/memory.h"
#include "node/cli/control_client.h"
#include "node/cli/suggest.h"

/* A node that is well answers at once; only when none does is it worth waiting longer. */
enum {
    CONNECT_MS = 3000,
    FIRST_TRY_MS = 1000,
    GRACE_MS = 2000,
    REDIRECTS_MAX = 4,
    PEERS_MAX = 512
};

/* A node that can be asked. */
struct peer {
    char *name;
    char *control;
    bool insecure;
    bool member;                   /* may answer: counts in remote_member_... */
    struct control_client *client; /* NULL: not connected yet */
};

struct remote {
    struct app *app;
    struct peer **peers;
    size_t peer_count;
    struct peer *contact;
    json_t *status; /* the contact's */
    uint64_t connect_ms;
};

/* ---- peers ----------------------------------------------------------------------------------- */

static struct peer *peer_find(const struct remote *remote, const char *name) {
    for (size_t i = 0; i < remote->peer_count; i++)
        if (strcmp(remote->peers[i]->name, name) == 0) return remote->peers[i];
    return NULL;
}

static struct peer *peer_add(struct remote *remote, const char *name, const char *control,
                             bool insecure) {
    struct peer *peer = mem_zalloc(1, sizeof *peer);
    *peer = (struct peer){
        .name = mem_strdup(name), .control = mem_strdup(control), .insecure = insecure};
    remote->peers = mem_realloc_array(remote->peers, remote->peer_count + 1, sizeof(struct peer *));
    remote->peers[remote->peer_count++] = peer;
    return peer;
}

static void peer_free(struct peer *peer) {
    control_client_close(peer->client);
    mem_free(peer->name);
    mem_free(peer->control);
    mem_free(peer);
}

static int compare_peers(const void *a, const void *b) {
    return folder_compare_names((*(struct peer *const *)a)->name, (*(struct peer *const *)b)->name);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static const char *bare_endpoint(const char *endpoint) {
    return strncmp(endpoint, "tcp://", 6) == 0 ? endpoint + 6 : endpoint;
}

/* Tells which steps passed, and which did not, by how far the connection came. */
static void add_steps(const struct peer *peer, enum control_step step, struct failure *failure) {
    if (!peer->insecure) failure_step(failure, step > CONTROL_STEP_KEYS, "keys");
    if (step >= CONTROL_STEP_TCP)
        failure_step(failure, step > CONTROL_STEP_TCP, "TCP %s", bare_endpoint(peer->control));
    if (step >= CONTROL_STEP_HANDSHAKE)
        failure_step(failure, step > CONTROL_STEP_HANDSHAKE, "%s",
                     peer->insecure ? "handshake" : "CURVE handshake");
}

static tr_status connect_peer(const struct remote *remote, struct peer *peer,
                              struct failure *failure) {
    const struct folder *folder = &remote->app->folder;
    public_keys server;
    enum control_step step = CONTROL_STEP_KEYS;
    struct control_client_options options = {
        .endpoint = peer->control,
        .security = peer->insecure ? TR_SECURITY_NONE : TR_SECURITY_CURVE,
        .keys_dir = folder->keys,
        .key_name = args_text(remote->app->args, "key"),
        .server_key = server.curve,
        .timeout_ms = remote->connect_ms,
    };
    if (peer->client != NULL) return TR_OK;
    if (folder->exists) failure_step(failure, true, "cluster folder");
    tr_status status = TR_OK;
    if (!peer->insecure)
        status = keys_load_public(folder->keys, peer->name, &server, &failure->error);
    if (status == TR_OK)
        status = control_client_open(&options, &peer->client, &step, &failure->error);
    if (status == TR_OK) {
        failure->step_count = 0;
        return TR_OK;
    }
    add_steps(peer, step, failure);
    /* That a node does not even shake hands in time means it cannot be reached, not that work
     * was slow. */
    if (status == TR_ETIMEDOUT) failure->error.status = TR_EUNREACHABLE;
    char reason[sizeof failure->error.message], hint[sizeof failure->error.hint];
    snprintf(reason, sizeof reason, "%s", failure->error.message);
    snprintf(hint, sizeof hint, "%s", failure->error.hint);
    return failure_set(failure, failure->error.status, hint, "node %s: %s", peer->name, reason);
}

/* ---- asking ---------------------------------------------------------------------------------- */

struct relay {
    remote_progress *progress;
    void *context;
};

static bool relay_progress(void *context, const char *json, size_t bytes) {
    const struct relay *relay = context;
    json_t *reply = json_loadb(json, bytes, 0, NULL);
    json_t *data = json_object_get(reply, "data");
    bool go_on = data == NULL || relay->progress(relay->context, data);
    json_decref(reply);
    return go_on;
}

/* Sends one request and returns the whole reply, the caller's, or NULL. */
static json_t *exchange(struct peer *peer, const struct remote_call *call,
                        struct failure *failure) {
    json_t *request = call->args == NULL
                          ? json_pack("{s:s}", "op", call->op)
                          : json_pack("{s:s, s:O}", "op", call->op, "args", call->args);
    char *text = json_dumps(request, JSON_COMPACT), *answer = NULL;
    json_decref(request);
    size_t bytes = 0;
    struct relay relay = {call->progress, call->context};
    uint64_t timeout_ms = (call->timeout_ms == 0 ? APP_CALL_MS : call->timeout_ms) + GRACE_MS;
    tr_status status = control_client_request(peer->client, text, strlen(text), timeout_ms,
                                              call->progress == NULL ? NULL : relay_progress,
                                              &relay, &answer, &bytes, &failure->error);
    free(text);
    if (status != TR_OK) {
        failure_step(failure, true, "connected to %s", peer->name);
        failure_step(failure, false, "answer to %s", call->op);
        control_client_close(peer->client);
        peer->client = NULL;
        return NULL;
    }
    json_t *reply = json_loadb(answer, bytes, 0, NULL);
    mem_free(answer);
    if (reply == NULL)
        failure_set(failure, TR_EDATA, NULL, "node %s answered with malformed JSON", peer->name);
    return reply;
}

/* One question to one node, without following. `*redirect_out` gets where to ask instead (the
 * caller's), or NULL. */
static tr_status ask_peer(const struct remote *remote, struct peer *peer,
                          const struct remote_call *call, json_t **data_out, json_t **redirect_out,
                          struct failure *failure) {
    tr_status status = connect_peer(remote, peer, failure);
    if (status != TR_OK) return status;
    json_t *reply = exchange(peer, call, failure);
    if (reply == NULL) return failure->error.status;
    json_t *error = json_object_get(reply, "error"), *data = json_object_get(reply, "data");
    json_t *redirect = json_object_get(reply, "redirect");
    if (error != NULL)
        status = failure_from_json(failure, error);
    else if (data != NULL)
        *data_out = json_incref(data);
    else if (redirect != NULL && redirect_out != NULL)
        *redirect_out = json_incref(redirect);
    else
        status =
            failure_set(failure, TR_EDATA, NULL, "node %s answered %s with neither data nor error",
                        peer->name, call->op);
    json_decref(reply);
    return status;
}

static struct peer *follow(struct remote *remote, const struct peer *from, json_t *redirect) {
    const char *name = json_string_value(json_object_get(redirect, "node"));
    const char *control = json_string_value(json_object_get(redirect, "control"));
    if (name == NULL || control == NULL) return NULL;
    struct peer *peer = peer_find(remote, name);
    if (peer == NULL && remote->peer_count < PEERS_MAX)
        peer = peer_add(remote, name, control, from->insecure);
    return peer;
}

tr_status remote_call(struct remote *remote, const struct remote_call *call, json_t **data_out) {
    struct failure *failure = &remote->app->failure;
    struct peer *peer = call->node == NULL ? remote->contact : peer_find(remote, call->node);
    if (peer == NULL)
        return failure_set(failure, TR_ENOENT, NULL, "there is no node %s", call->node);
    for (int i = 0; i < REDIRECTS_MAX && peer != NULL; i++) {
        json_t *redirect = NULL;
        tr_status status = ask_peer(remote, peer, call, data_out, &redirect, failure);
        if (redirect == NULL) return status;
        peer = follow(remote, peer, redirect);
        json_decref(redirect);
    }
    return failure_set(failure, TR_EUNREACHABLE, "try again",
                       "the nodes disagree where the target lives");
}

/* ---- asking all ------------------------------------------------------------------------------ */

struct question {
    const struct remote *remote;
    struct peer *peer;
    struct remote_call call;
    struct remote_answer *answer;
};

static void *ask_in_thread(void *context) {
    struct question *question = context;
    (void)ask_peer(question->remote, question->peer, &question->call, &question->answer->data, NULL,
                   &question->answer->failure);
    return NULL;
}

struct remote_answer *remote_ask_all(struct remote *remote, const char *op, json_t *args,
                                     uint64_t timeout_ms) {
    size_t count = remote_member_count(remote), asked = 0;
    struct remote_answer *answers = mem_zalloc(count + 1, sizeof *answers);
    struct question *questions = mem_zalloc(count + 1, sizeof *questions);
    pthread_t *threads = mem_zalloc(count + 1, sizeof *threads);
    bool *started = mem_zalloc(count + 1, sizeof *started);
    for (size_t i = 0; i < remote->peer_count; i++) {
        struct peer *peer = remote->peers[i];
        if (!peer->member) continue;
        answers[asked].node = peer->name;
        /* A copy for each: reference counts are not for several threads. */
        struct remote_call call = {
            .op = op, .args = args == NULL ? NULL : json_deep_copy(args), .timeout_ms = timeout_ms};
        questions[asked] = (struct question){remote, peer, call, &answers[asked]};
        started[asked] =
            pthread_create(&threads[asked], NULL, ask_in_thread, &questions[asked]) == 0;
        if (!started[asked]) ask_in_thread(&questions[asked]);
        asked++;
    }
    for (size_t i = 0; i < asked; i++) {
        if (started[i]) pthread_join(threads[i], NULL);
        json_decref(questions[i].call.args);
    }
    mem_free(started);
    mem_free(threads);
    mem_free(questions);
    return answers;
}

void remote_answers_free(struct remote *remote, struct remote_answer *answers) {
    for (size_t i = 0; answers != NULL && i < remote_member_count(remote); i++)
        json_decref(answers[i].data);
    mem_free(answers);
}

size_t remote_answers_note(struct remote *remote, const struct remote_answer *answers) {
    size_t answered = 0, count = remote_member_count(remote);
    for (size_t i = 0; i < count; i++) {
        if (answers[i].data != NULL)
            answered++;
        else
            output_note(&remote->app->output, "warning: %s", answers[i].failure.error.message);
    }
    if (answered == 0 && count > 0) remote->app->failure = answers[0].failure;
    return answered;
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool may_answer(const char *state) {
    return state != NULL && strcmp(state, "down") != 0 && strcmp(state, "left") != 0;
}

/* Takes the contact's members in; a local node's own card knows its present endpoint best. */
static void take_members(struct remote *remote, const struct local_nodes *local) {
    size_t index;
    json_t *member;
    json_array_foreach(json_object_get(remote->status, "members"), index, member) {
        const char *name = json_string_value(json_object_get(member, "name"));
        const char *control = json_string_value(json_object_get(member, "control"));
        const char *state = json_string_value(json_object_get(member, "state"));
        if (name == NULL || remote->peer_count >= PEERS_MAX) continue;
        const struct local_node *node = local_nodes_find(local, name);
        if (node != NULL && node->running) control = node->control;
        struct peer *peer = peer_find(remote, name);
        if (peer == NULL)
            peer =
                peer_add(remote, name, control == NULL ? "" : control, remote->contact->insecure);
        /* A local process that is gone need not be waited for, whatever the table still says. */
        bool gone = node != NULL && node->carded && !node->running;
        if (peer == remote->contact || (may_answer(state) && !gone)) peer->member = true;
    }
    remote->contact->member = true;
    qsort(remote->peers, remote->peer_count, sizeof *remote->peers, compare_peers);
}

/* Tries one candidate: connects and asks for the status. */
static bool try_contact(struct remote *remote, const char *name, const char *control, bool insecure,
                        struct failure *failure) {
    struct peer *peer = peer_add(remote, name, control, insecure);
    struct remote_call call = {.op = "status", .timeout_ms = remote->connect_ms};
    if (ask_peer(remote, peer, &call, &remote->status, NULL, failure) == TR_OK) {
        remote->contact = peer;
        return true;
    }
    remote->peer_count--;
    peer_free(peer);
    return false;
}

/* Several candidates, none answered: one step for each. */
static void summarize(struct failure *summary, const char *node, const struct failure *failure) {
    if (summary->step_count == 0) {
        summary->error = failure->error;
        failure_step(summary, true, "cluster folder");
    } else if (summary->error.status != failure->error.status) {
        summary->error.status = TR_EUNREACHABLE;
    }
    failure_step(summary, false, "%s: %s", node, tr_status_text(failure->error.status));
}

static tr_status nothing_runs(const struct folder *folder, const struct local_nodes *local,
                              struct failure *failure) {
    failure_step(failure, folder->exists, "cluster folder %s", folder->path);
    if (!folder->exists)
        return failure_set(failure, TR_EUNREACHABLE,
                           "launch one: `troupe up 3`, or name its folder with --dir",
                           "there is no cluster in %s", folder->path);
    failure_set(failure, TR_EUNREACHABLE, "launch it again: `troupe up`",
                "no node of cluster %s runs", folder->cluster);
    for (size_t i = 0; i < local->count; i++)
        failure_step(failure, false, "node %s: %s", local->items[i].name,
                     local->items[i].carded ? "ended unexpectedly" : "stopped");
    if (local->count > 0)
        error_hint(&failure->error, "start it: `troupe node start %s`, or `troupe up`",
                   local->items[0].name);
    return TR_EUNREACHABLE;
}

/* Tries each running node once; `summary` tells of those that did not answer, `last` of the last.
 */
static bool try_all(struct remote *remote, const struct local_nodes *local, struct failure *summary,
                    struct failure *last) {
    *summary = (struct failure){0};
    for (size_t i = 0; i < local->count; i++) {
        const struct local_node *node = &local->items[i];
        if (!node->running) continue;
        *last = (struct failure){0};
        if (try_contact(remote, node->name, node->control, node->insecure, last)) return true;
        summarize(summary, node->name, last);
    }
    return false;
}

static tr_status find_local(struct remote *remote, const struct local_nodes *local) {
    struct failure summary = {0}, last = {0}, *failure = &remote->app->failure;
    size_t running = local_nodes_running(local);
    uint64_t full_ms = remote->connect_ms;
    if (running == 0) return nothing_runs(&remote->app->folder, local, failure);
    if (full_ms > FIRST_TRY_MS && running > 1) remote->connect_ms = FIRST_TRY_MS;
    bool found = try_all(remote, local, &summary, &last);
    bool may_be_slow =
        summary.error.status == TR_EUNREACHABLE || summary.error.status == TR_ETIMEDOUT;
    bool hurried = remote->connect_ms < full_ms;
    remote->connect_ms = full_ms;
    if (!found && hurried && may_be_slow) found = try_all(remote, local, &summary, &last);
    if (found) return TR_OK;
    *failure = running == 1 ? last : summary;
    if (running > 1)
        error_set(&failure->error, summary.error.status, summary.error.hint,
                  "no node of cluster %s answers; %.300s", remote->app->folder.cluster,
                  summary.error.message);
    return failure->error.status;
}

/* --endpoint NAME@tcp://HOST:PORT: the control endpoint of a node anywhere. */
static tr_status find_given(struct remote *remote, const char *text) {
    struct failure *failure = &remote->app->failure;
    const char *at = strchr(text, '@');
    char name[FOLDER_NAME_BYTES];
    if (at == NULL || at == text || (size_t)(at - text) >= sizeof name)
        return failure_set(failure, TR_EINVAL, "write it as n1@tcp://10.0.0.1:7102",
                           "--endpoint: `%s` is not NAME@ENDPOINT", text);
    snprintf(name, sizeof name, "%.*s", (int)(at - text), text);
    bool insecure = args_has(remote->app->args, "insecure") || remote->app->folder.insecure;
    if (try_contact(remote, name, at + 1, insecure, failure)) return TR_OK;
    return failure->error.status;
}

tr_status remote_open(struct app *app, struct remote **remote_out) {
    struct remote *remote = mem_zalloc(1, sizeof *remote);
    struct local_nodes local;
    remote->app = app;
    uint64_t asked_ms = args_duration_ms(app->args, "timeout", CONNECT_MS);
    remote->connect_ms = asked_ms < 100 ? 100 : asked_ms > CONNECT_MS ? CONNECT_MS : asked_ms;
    folder_nodes(&app->folder, &local);
    const char *given = args_text(app->args, "endpoint");
    tr_status status = given != NULL ? find_given(remote, given) : find_local(remote, &local);
    if (status == TR_OK) {
        take_members(remote, &local);
        *remote_out = remote;
    } else {
        remote_close(remote);
    }
    local_nodes_free(&local);
    return status;
}

void remote_close(struct remote *remote) {
    if (remote == NULL) return;
    for (size_t i = 0; i < remote->peer_count; i++) peer_free(remote->peers[i]);
    mem_free(remote->peers);
    json_decref(remote->status);
    mem_free(remote);
}

/* ---- members --------------------------------------------------------------------------------- */

const char *remote_contact(const struct remote *remote) {
    return remote->contact->name;
}

json_t *remote_status(const struct remote *remote) {
    return remote->status;
}

size_t remote_member_count(const struct remote *remote) {
    size_t count = 0;
    for (size_t i = 0; i < remote->peer_count; i++) count += remote->peers[i]->member;
    return count;
}

const char *remote_member_name(const struct remote *remote, size_t index) {
    for (size_t i = 0; i < remote->peer_count; i++)
        if (remote->peers[i]->member && index-- == 0) return remote->peers[i]->name;
    return NULL;
}

tr_status remote_check_node(struct remote *remote, const char *name) {
    const struct peer *peer = peer_find(remote, name);
    struct failure *failure = &remote->app->failure;
    if (peer != NULL && peer->member) return TR_OK;
    if (peer != NULL) {
        failure_set(failure, TR_EUNREACHABLE, NULL, "node %s is down or has left", name);
        error_hint(&failure->error, "start it: `troupe node start %s`", name);
        return TR_EUNREACHABLE;
    }
    const char *names[PEERS_MAX];
    for (size_t i = 0; i < remote->peer_count; i++) names[i] = remote->peers[i]->name;
    const char *nearest = suggest_nearest(name, names, remote->peer_count);
    failure_set(failure, TR_ENOENT, "`troupe node list` lists them", "there is no node %s", name);
    if (nearest != NULL) error_hint(&failure->error, "did you mean `%s`?", nearest);
    return TR_ENOENT;
}
