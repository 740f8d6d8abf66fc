/*
 * zmq_peers.h - the part of the ZeroMQ driver that sends: one PUSH socket for each peer.
 *
 * A PUSH takes frames only while it has a connection whose handshake is done. It runs its commands
 * (a connection came, one went) only inside calls, so each must be touched when its descriptor
 * says so and once a second besides. Only the driver's files include this; the driver's thread
 * calls.
 */
#ifndef TROUPE_TRANSPORT_ZMQ_PEERS_H
#define TROUPE_TRANSPORT_ZMQ_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/environment.h"
#include "node/base/keys.h"
#include "transport/driver.h"

struct frame_pool;
struct zmq_peers;

/* What the peers share with the driver; all borrowed. Descriptors of sockets are added to `epoll`,
 * edge-triggered, with `event_data` + the peer's number. `eventfd` is written when zmq_peers_step
 * has something to do. `keys` NULL: plaintext. */
struct zmq_peers_options {
    void *context;
    const struct environment *environment;
    const key_pair *keys;
    int epoll;
    int eventfd;
    uint64_t event_data;
    struct frame_pool *frames; /* outlives the context */
};

/* Makes a set of no peers, the caller's. */
struct zmq_peers *zmq_peers_new(const struct zmq_peers_options *options);

/* Closes all sockets; NULL is nothing to do. */
void zmq_peers_free(struct zmq_peers *peers);

/* As driver_connect, driver_disconnect, driver_send and driver_send_buffer. */
tr_status zmq_peers_connect(struct zmq_peers *peers, uint32_t number, const char *text,
                            const uint8_t *server_key, tr_error *error);
void zmq_peers_disconnect(struct zmq_peers *peers, uint32_t number);
tr_status zmq_peers_send(struct zmq_peers *peers, uint32_t number, const uint8_t *frame,
                         size_t frame_bytes);
tr_status zmq_peers_send_buffer(struct zmq_peers *peers, uint32_t number, struct buffer *frame);

/* Touches one peer, if there is such a one, and all of them. */
void zmq_peers_touch(struct zmq_peers *peers, uint32_t number);
void zmq_peers_touch_all(struct zmq_peers *peers);

/* Goes on with peers whose host's name has been looked up. */
void zmq_peers_step(struct zmq_peers *peers);

/* True when zmq_peers_announce has something to tell. */
bool zmq_peers_announcing(const struct zmq_peers *peers);

/* Calls events->ready for each peer whose connection has come up since. */
void zmq_peers_announce(struct zmq_peers *peers, const struct driver_events *events);

#endif
