/*
 * zmq_control.h - the part of the ZeroMQ driver that serves control clients: one ROUTER socket.
 *
 * A request is one frame, and so is a reply; what they say is the node's business. A client that
 * does not read what it is sent can hold only a bounded number of bytes here. Only the driver's
 * files include this; the driver's thread calls.
 */
#ifndef TROUPE_TRANSPORT_ZMQ_CONTROL_H
#define TROUPE_TRANSPORT_ZMQ_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/endpoint.h"
#include "node/base/keys.h"
#include "transport/driver.h"
#include "transport/keyring.h"

enum {
    ZMQ_CONTROL_REQUEST_BYTES_MAX = 16 << 20, /* a larger one ends its client's connection */
    ZMQ_CONTROL_REPLY_BYTES_MAX = 16 << 20,
    ZMQ_CONTROL_CLIENT_BYTES_MAX = 32 << 20, /* sent to one client and not read by it */
    ZMQ_CONTROL_TOTAL_BYTES_MAX = 256 << 20, /* the same for all clients together */
    ZMQ_CONTROL_LINGER_MS = 500,             /* how long close may wait for the last replies */
};

struct zmq_control;

/* Binds the endpoint. `keys` and `ring` NULL: plaintext, and then on this machine only. Both are
 * borrowed. Errors: as zmq_setup_bind, TR_EIO. */
tr_status zmq_control_open(void *context, const char *endpoint, const key_pair *keys,
                           const struct keyring *ring, struct zmq_control **control_out,
                           tr_error *error);

/* Closes the socket; the context's end then waits ZMQ_CONTROL_LINGER_MS at most for unsent replies.
 * The memory of those is freed by libzmq until then. NULL is nothing to do. */
void zmq_control_close(struct zmq_control *control);

const char *zmq_control_endpoint(const struct zmq_control *control);

/* As zmq_setup_descriptor. */
int zmq_control_descriptor(const struct zmq_control *control);

/* Delivers up to `requests_max` requests to events->control and counts them. True when there may be
 * more; false when there is none, and then the descriptor tells of the next one. */
bool zmq_control_step(struct zmq_control *control, unsigned requests_max,
                      const struct driver_events *events, struct driver_counters *counters);

/* As driver_control_reply. A step is needed afterwards before the descriptor can be trusted again.
 */
tr_status zmq_control_reply(struct zmq_control *control, const uint8_t *client, size_t client_bytes,
                            const uint8_t *bytes, size_t reply_bytes);

/* Forgets clients that have read everything; call it about once a second. */
void zmq_control_sweep(struct zmq_control *control);

#endif
