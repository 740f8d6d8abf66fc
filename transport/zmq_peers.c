/*
 * zmq_peers.c - PUSH sockets: connecting, sending, and noticing that they came up.
 *
 *     looking up --found--> connecting --handshake done--> up
 *         |                     ^-------connection lost-----|
 *         `--not found--> idle, until the owner connects again
 *
 * libzmq retries by itself, but for a connection that was refused for good (a banned key, an answer
 * that is no ZMTP, itself): such a socket stays idle silently. The owner's rule, to connect again
 * when no HELLO was answered, covers all of these.
 */
#include "transport/zmq_peers.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <zmq.h>

#include "node/base/check.h"
#include "node/base/container.h"
#include "node/base/endpoint.h"
#include "node/base/list.h"
#include "node/base/map.h"
#include "node/base/memory.h"
#include "transport/frame_pool.h"
#include "transport/lookup.h"
#include "transport/zmq_setup.h"

enum {
    ZERO_COPY_BYTES_MIN = 16 << 10, /* below, copying is cheaper than a free on another thread */
    HANDSHAKE_MS = 3000,
    CONNECT_MS = 3000,
    RECONNECT_MS = 250,
    RECONNECT_MAX_MS = 5000,
    UNSENT_MS = 10000,        /* unacknowledged for so long, a TCP connection is given up */
    INBOUND_BYTES_MAX = 4096, /* room for a handshake; nobody has anything else to tell a PUSH */
};

struct peer {
    uint32_t number;
    void *socket;
    struct lookup *lookup;  /* of its host's name; NULL: none is under way */
    bool up;                /* as far as known: a send would be taken */
    list_node announcement; /* in zmq_peers.announcements: events.ready is due */
};

struct zmq_peers {
    struct zmq_peers_options options;
    map_u64 peers; /* number -> struct peer */
    struct list announcements;
    size_t lookups; /* under way */
};

struct zmq_peers *zmq_peers_new(const struct zmq_peers_options *options) {
    struct zmq_peers *peers = mem_zalloc(1, sizeof *peers);
    peers->options = *options;
    map_u64_init(&peers->peers);
    list_init(&peers->announcements);
    return peers;
}

static void peer_free(struct zmq_peers *peers, struct peer *peer) {
    list_remove(&peers->announcements, &peer->announcement);
    if (peer->lookup != NULL) peers->lookups--;
    lookup_release(peer->lookup);
    /* Closing would do it too, but later, when libzmq's own thread gets to it. */
    int descriptor = zmq_setup_descriptor(peer->socket);
    check(epoll_ctl(peers->options.epoll, EPOLL_CTL_DEL, descriptor, NULL) == 0);
    zmq_close(peer->socket);
    mem_free(peer);
}

void zmq_peers_free(struct zmq_peers *peers) {
    if (peers == NULL) return;
    size_t cursor = 0;
    struct peer *peer;
    while ((peer = map_u64_next(&peers->peers, &cursor, NULL)) != NULL) peer_free(peers, peer);
    map_u64_fini(&peers->peers);
    mem_free(peers);
}

/* ---- connecting ---- */

static void configure(void *socket, const struct endpoint *endpoint) {
    zmq_setup_int(socket, ZMQ_IMMEDIATE, 1);
    zmq_setup_int(socket, ZMQ_SNDHWM, 0); /* the link's credit bounds it */
    zmq_setup_int(socket, ZMQ_RCVHWM, 1);
    zmq_setup_int64(socket, ZMQ_MAXMSGSIZE, INBOUND_BYTES_MAX);
    zmq_setup_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    zmq_setup_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    zmq_setup_int(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS);
    zmq_setup_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    zmq_setup_int(socket, ZMQ_TCP_MAXRT, UNSENT_MS);
    zmq_setup_int(socket, ZMQ_IPV6, strchr(endpoint->host, ':') != NULL);
    zmq_setup_keepalive(socket);
}

/* Makes a peer whose socket is connected nowhere yet. */
static tr_status peer_new(struct zmq_peers *peers, uint32_t number, const struct endpoint *endpoint,
                          const uint8_t *server_key, struct peer **peer_out, tr_error *error) {
    void *socket = NULL;
    tr_status status = zmq_setup_socket(peers->options.context, ZMQ_PUSH, &socket, error);
    if (status != TR_OK) return status;
    configure(socket, endpoint);
    if (server_key != NULL) zmq_setup_curve_client(socket, peers->options.keys, server_key);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET,
                                .data.u64 = peers->options.event_data + number};
    if (epoll_ctl(peers->options.epoll, EPOLL_CTL_ADD, zmq_setup_descriptor(socket), &event) != 0) {
        status = error_set(error, TR_EIO, NULL, "cannot watch a socket: %s", strerror(errno));
        zmq_close(socket);
        return status;
    }
    struct peer *peer = mem_zalloc(1, sizeof *peer);
    peer->number = number;
    peer->socket = socket;
    *peer_out = peer;
    return TR_OK;
}

/* Connects the socket of a peer, or begins to look up where to. */
static tr_status peer_connect(struct zmq_peers *peers, struct peer *peer,
                              const struct endpoint *endpoint, tr_error *error) {
    char text[ENDPOINT_TEXT_BYTES];
    endpoint_text(endpoint, text);
    if (!endpoint_is_numeric(endpoint)) {
        peer->lookup = lookup_start(endpoint, peers->options.eventfd);
        if (peer->lookup == NULL) {
            return error_set(error, TR_EIO, NULL, "cannot look up the host of %s: %s", text,
                             strerror(errno));
        }
        peers->lookups++;
        return TR_OK;
    }
    if (zmq_connect(peer->socket, text) == 0) return TR_OK;
    return error_set(error, TR_EINVAL, NULL, "cannot connect to %s: %s", text,
                     zmq_strerror(zmq_errno()));
}

void zmq_peers_disconnect(struct zmq_peers *peers, uint32_t number) {
    struct peer *peer = map_u64_remove(&peers->peers, number);
    if (peer != NULL) peer_free(peers, peer);
}

tr_status zmq_peers_connect(struct zmq_peers *peers, uint32_t number, const char *text,
                            const uint8_t *server_key, tr_error *error) {
    zmq_peers_disconnect(peers, number);
    struct endpoint endpoint;
    tr_status status = endpoint_parse(text, &endpoint, error);
    if (status != TR_OK) return status;
    if (!endpoint_connectable(&endpoint)) {
        return error_set(error, TR_EINVAL, "name a host and a port that others can reach",
                         "'%s' is nothing to connect to", text);
    }
    bool plaintext = peers->options.keys == NULL;
    if (plaintext != (server_key == NULL)) {
        return error_set(error, TR_EINVAL, "use the same security on all nodes",
                         plaintext ? "a key was given for %s, but this node is plaintext"
                                   : "the key of the node at %s is not known",
                         text);
    }
    struct peer *peer = NULL;
    status = peer_new(peers, number, &endpoint, server_key, &peer, error);
    if (status != TR_OK) return status;
    status = peer_connect(peers, peer, &endpoint, error);
    if (status != TR_OK) {
        peer_free(peers, peer);
        return status;
    }
    map_u64_put(&peers->peers, number, peer);
    return TR_OK;
}

/* Connects a peer whose look-up is over; one that found nothing is logged. */
static void peer_looked_up(struct zmq_peers *peers, struct peer *peer) {
    static const log_context context = {.component = "driver"};
    tr_status status;
    struct endpoint endpoint;
    tr_error error;
    if (peer->lookup == NULL || !lookup_done(peer->lookup, &status, &endpoint, &error)) return;
    lookup_release(peer->lookup);
    peer->lookup = NULL;
    peers->lookups--;
    if (status == TR_OK) status = peer_connect(peers, peer, &endpoint, &error);
    if (status == TR_OK) return;
    log_write(peers->options.environment->logger, TR_WARN, &context, "%s", error.message);
}

void zmq_peers_step(struct zmq_peers *peers) {
    if (peers->lookups == 0) return;
    size_t cursor = 0;
    struct peer *peer;
    while ((peer = map_u64_next(&peers->peers, &cursor, NULL)) != NULL) peer_looked_up(peers, peer);
}

/* ---- coming up ---- */

/* Lets a PUSH run its commands, and notices that it came up or went down. */
static void peer_touch(struct zmq_peers *peers, struct peer *peer) {
    int events = 0;
    size_t bytes = sizeof events;
    if (zmq_getsockopt(peer->socket, ZMQ_EVENTS, &events, &bytes) != 0) return;
    bool up = (events & ZMQ_POLLOUT) != 0;
    if (up && !peer->up && !list_holds(&peer->announcement)) {
        list_push_back(&peers->announcements, &peer->announcement);
    }
    peer->up = up;
}

void zmq_peers_touch(struct zmq_peers *peers, uint32_t number) {
    struct peer *peer = map_u64_find(&peers->peers, number);
    if (peer != NULL) peer_touch(peers, peer);
}

void zmq_peers_touch_all(struct zmq_peers *peers) {
    size_t cursor = 0;
    struct peer *peer;
    while ((peer = map_u64_next(&peers->peers, &cursor, NULL)) != NULL) peer_touch(peers, peer);
}

bool zmq_peers_announcing(const struct zmq_peers *peers) {
    return list_count(&peers->announcements) > 0;
}

void zmq_peers_announce(struct zmq_peers *peers, const struct driver_events *events) {
    list_node *node;
    while ((node = list_pop_front(&peers->announcements)) != NULL) {
        const struct peer *peer = container_of(node, struct peer, announcement);
        if (events->ready != NULL && peer->up) events->ready(events->context, peer->number);
    }
}

/* ---- sending ---- */

static tr_status peer_sent(struct peer *peer, bool taken) {
    peer->up = taken;
    return taken ? TR_OK : TR_EUNREACHABLE;
}

tr_status zmq_peers_send(struct zmq_peers *peers, uint32_t number, const uint8_t *frame,
                         size_t frame_bytes) {
    struct peer *peer = map_u64_find(&peers->peers, number);
    if (peer == NULL) return TR_EUNREACHABLE;
    return peer_sent(peer, zmq_send(peer->socket, frame, frame_bytes, ZMQ_DONTWAIT) >= 0);
}

static void frame_done(void *data, void *hint) {
    (void)data;
    frame_pool_return(hint);
}

/* Sends the buffer's own memory, which comes back to the pool when libzmq is done. */
static bool send_taking(struct zmq_peers *peers, struct peer *peer, struct buffer *frame) {
    size_t bytes = 0;
    uint8_t *data = NULL;
    struct frame_loan *loan = frame_pool_lend(peers->options.frames, frame, &data, &bytes);
    zmq_msg_t message;
    check(zmq_msg_init_data(&message, data, bytes, frame_done, loan) == 0);
    if (zmq_msg_send(&message, peer->socket, ZMQ_DONTWAIT) >= 0) return true;
    /* The message owns the memory now: the buffer gets a copy back. */
    buffer_append(frame, data, bytes);
    zmq_msg_close(&message);
    return false;
}

tr_status zmq_peers_send_buffer(struct zmq_peers *peers, uint32_t number, struct buffer *frame) {
    if (frame->bytes < ZERO_COPY_BYTES_MIN) {
        tr_status status = zmq_peers_send(peers, number, frame->data, frame->bytes);
        if (status == TR_OK) buffer_clear(frame);
        return status;
    }
    struct peer *peer = map_u64_find(&peers->peers, number);
    if (peer == NULL) return TR_EUNREACHABLE;
    /* Ask first, since taking back costs a copy. */
    if (!peer->up) peer_touch(peers, peer);
    if (!peer->up) return TR_EUNREACHABLE;
    return peer_sent(peer, send_taking(peers, peer, frame));
}
