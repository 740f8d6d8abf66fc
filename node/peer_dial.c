/*
 * peer_dial.c - how links come about: dialling, and meeting whoever says HELLO.
 */
#include <stdio.h>
#include <string.h>

#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/node.h"
#include "node/peer_state.h"

void peer_connect(struct peer *peer) {
    tr_node *node = peer->node;
    public_keys keys;
    tr_error error = {0};
    const uint8_t *key = NULL;
    if (node->security == TR_SECURITY_CURVE) {
        tr_status status =
            peer->name[0] == '\0'
                ? error_set(&error, TR_EREFUSED, "write it as NAME@ENDPOINT",
                            "the seed %s has no name, so its key is not known", peer->endpoint)
                : keys_load_public(node->keys_dir, peer->name, &keys, &error);
        if (status != TR_OK) {
            node_log(node, TR_ERROR, "link", "cannot connect to %s: %s", peer->endpoint,
                     error.message);
            return;
        }
        key = keys.curve;
    }
    if (driver_connect(&node->driver, peer->origin, peer->endpoint, key, &error) != TR_OK)
        node_log(node, TR_ERROR, "link", "cannot connect to %s: %s", peer->endpoint, error.message);
}

static void make_link(struct peer *peer, uint64_t now_ns) {
    tr_node *node = peer->node;
    uint64_t token = random_u64(&node->producer.random) | 1;
    struct link_options options = {.peer = peer->name[0] == '\0' ? NULL : peer->name,
                                   .token = token,
                                   .epoch = snapshot_epoch(node->snapshot),
                                   .ops = &peer_link_ops,
                                   .user = peer};
    struct identity *self = &options.self;
    snprintf(self->name, sizeof self->name, "%s", node->name);
    snprintf(self->cluster, sizeof self->cluster, "%s", node->cluster);
    snprintf(self->endpoint, sizeof self->endpoint, "%s", node->advertise);
    snprintf(self->control_endpoint, sizeof self->control_endpoint, "%s", node->advertise_control);
    if (node->security == TR_SECURITY_CURVE)
        memcpy(self->key, node->keys.curve_public, sizeof self->key);
    self->incarnation = node->incarnation;
    self->message_bytes_max = node->message_bytes_max;
    self->leases = 1;
    peer->link = link_new(&options, now_ns);
}

static void ensure_link(struct peer *peer, const char *endpoint, uint64_t now_ns) {
    bool moved = strcmp(peer->endpoint, endpoint) != 0;
    snprintf(peer->endpoint, sizeof peer->endpoint, "%s", endpoint);
    if (moved || peer->link == NULL) peer_connect(peer);
    if (peer->link == NULL)
        make_link(peer, now_ns);
    else
        link_open(peer->link, now_ns);
}

static struct peer *peer_dialled(tr_node *node, const char *endpoint) {
    for (size_t i = 0; i < node->peer_count; i++) /* seeds: a handful, at the start */
        if (strcmp(peer_at(node, i)->endpoint, endpoint) == 0) return peer_at(node, i);
    return NULL;
}

void peer_dial(tr_node *node, const char *endpoint, const char *name) {
    struct peer *peer = name[0] == '\0' ? NULL : peer_obtain(node, name);
    if (peer == NULL ||
        peer->link == NULL) { /* a seed that is dialled at that endpoint already is that try */
        struct peer *dialled = peer_dialled(node, endpoint);
        if (dialled != NULL) peer = dialled;
    }
    if (peer == NULL) peer = peer_make(node, "");
    ensure_link(peer, endpoint, environment_now_ns(node->world.environment));
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* The peer that a HELLO from an unknown name answers (a seed dialled by endpoint), or a new one
 * that is dialled back. */
static struct peer *meet(tr_node *node, const char *name, const uint8_t *bytes, size_t size,
                         uint64_t now_ns) {
    struct frame_header header;
    struct hello hello;
    if (frame_decode(bytes, size, &header) != TR_OK || header.type != FRAME_HELLO ||
        hello_decode(header.body, header.body_bytes, &hello) != TR_OK)
        return NULL;
    if (node->peer_count >= PEER_STRANGERS_MAX + members_count(node->members)) {
        node->frames_bad++;
        return NULL; /* strangers, also those who are refused and told why, take a bounded number of
                        places */
    }
    for (size_t i = 0; i < node->peer_count; i++) {
        struct peer *peer = peer_at(node, i);
        if (peer->name[0] != '\0' || peer->link == NULL) continue;
        if (strcmp(peer->endpoint, hello.identity.endpoint) != 0 &&
            link_token(peer->link) != hello.answer)
            continue;
        peer_learn_name(peer, name);
        return peer;
    }
    struct peer *peer = peer_obtain(node, name);
    ensure_link(peer, hello.identity.endpoint, now_ns);
    return peer;
}

/* A known peer that has come back at another endpoint. */
static void follow(struct peer *peer, const uint8_t *bytes, size_t size, uint64_t now_ns) {
    struct frame_header header;
    struct hello hello;
    if (frame_decode(bytes, size, &header) != TR_OK || header.type != FRAME_HELLO ||
        hello_decode(header.body, header.body_bytes, &hello) != TR_OK)
        return;
    /* Only whom the link has taken for its peer: not a twin, nor a life that is over. */
    const struct identity *known = link_peer(peer->link);
    if (known == NULL || known->incarnation != header.source_incarnation) return;
    if (strcmp(peer->endpoint, hello.identity.endpoint) != 0)
        ensure_link(peer, hello.identity.endpoint, now_ns);
}

void peer_frame(tr_node *node, const char *user, const uint8_t *bytes, size_t size) {
    uint64_t now_ns = environment_now_ns(node->world.environment);
    struct frame_peek peek;
    char name[64];
    if (frame_peek(bytes, size, &peek) != TR_OK || peek.source_bytes >= sizeof name) {
        node->frames_bad++;
        return;
    }
    memcpy(name, peek.source, peek.source_bytes);
    name[peek.source_bytes] = '\0';
    bool impostor = node->security == TR_SECURITY_CURVE && strcmp(user, name) != 0;
    if (impostor || !member_name_valid(name) || strcmp(name, node->name) == 0) {
        node->frames_bad++;
        node_log(node, TR_DEBUG, "link", "a frame of %s under the key of %s is dropped", name,
                 user);
        return;
    }
    struct peer *peer = peer_find(node, name);
    if (peer == NULL || peer->link == NULL) peer = meet(node, name, bytes, size, now_ns);
    if (peer == NULL || peer->link == NULL) return;
    link_frame(peer->link, bytes, size, now_ns);
    peer_file(peer);
    if (peek.type == FRAME_HELLO) follow(peer, bytes, size, now_ns);
    members_heard(node->members, name, now_ns);
}
