/*
 * driver.h - what carries frames between nodes and requests from control programs.
 *
 * A driver is an ops struct and a context; zmq_driver.h makes the real one, the simulator its own.
 * It promises little: a frame that was taken may be lost, and frames may change their order when
 * a connection breaks; none comes twice within one connection, and none is altered. The link above
 * makes a reliable channel of that (PROTOCOL.md).
 *
 * One thread at a time owns a driver and makes all calls, with one exception: driver_wake may be
 * called by any thread. Events are delivered on the owner's thread, inside driver_wait only; they
 * may call everything here but driver_wait and driver_close.
 */
#ifndef TROUPE_TRANSPORT_DRIVER_H
#define TROUPE_TRANSPORT_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/buffer.h"

enum {
    DRIVER_KEY_BYTES = 32,     /* a peer's public CURVE key */
    DRIVER_CLIENT_BYTES = 256, /* the largest handle of a control client */
};

/* What a driver tells its owner. Bytes and texts are borrowed until the callback returns. */
struct driver_events {
    void *context; /* handed to each of these */

    /* A frame came in. `user` is the name that belongs to the sender's key, "" in plaintext: who
     * it is in truth is then unknown. The bytes are whatever the sender chose (I5). */
    void (*frame)(void *context, const char *user, const uint8_t *bytes, size_t frame_bytes);

    /* A control client asks something. `client` names it in driver_control_reply, for as long as it
     * stays connected. `user` is the name of its key, "" in plaintext. */
    void (*control)(void *context, const uint8_t *client, size_t client_bytes, const char *user,
                    const uint8_t *bytes, size_t request_bytes);

    /* A connection to `peer` has come up, so that a send would be taken now. A hint that saves
     * waiting for the next try: not told for each reconnection, and may be late. NULL: not wanted.
     */
    void (*ready)(void *context, uint32_t peer);
};

/* What a driver has done since it was opened. */
struct driver_counters {
    uint64_t frames_sent;
    uint64_t frames_received;
    uint64_t bytes_sent;
    uint64_t bytes_received;
    uint64_t requests; /* of control clients */
    uint64_t replies;  /* to them, taken for sending */
    uint64_t denied;   /* handshakes refused because of their key */
    uint64_t dropped;  /* arrivals that are no single frame, or whose key was revoked */
};

/* The operations; contracts are at the functions below, `context` is driver.context. */
struct driver_ops {
    tr_status (*connect)(void *context, uint32_t peer, const char *endpoint,
                         const uint8_t *server_key, tr_error *error);
    void (*disconnect)(void *context, uint32_t peer);
    tr_status (*send)(void *context, uint32_t peer, const uint8_t *frame, size_t frame_bytes);
    tr_status (*send_buffer)(void *context, uint32_t peer, struct buffer *frame); /* may be NULL */
    tr_status (*control_reply)(void *context, const uint8_t *client, size_t client_bytes,
                               const uint8_t *bytes, size_t reply_bytes);
    bool (*wait)(void *context, uint64_t deadline_ns);
    void (*wake)(void *context);
    tr_status (*reload_keys)(void *context, tr_error *error); /* NULL: there are no keys */
    const char *(*endpoint)(void *context);
    const char *(*control_endpoint)(void *context);
    void (*counters)(void *context, struct driver_counters *counters_out);
    void (*close)(void *context);
};

struct driver {
    const struct driver_ops *ops;
    void *context;
};

/* Opens the connection to a peer, or closes the one there is and opens a new one: the cure for one
 * that died silently, so call it again when a peer has not answered HELLO for 5 s. `peer` is a
 * number of the caller's choice. Frames not yet sent by the old connection are lost. Connecting
 * goes on in the background for ever; a host's name is looked up there too, once for each call.
 * `server_key` is the peer's public key, or NULL in plaintext. Errors: TR_EINVAL for a text that is
 * no endpoint to connect to, or for a key missing or given in plaintext; TR_EIO (no more
 * descriptors). An old connection is gone also then. */
static inline tr_status driver_connect(const struct driver *driver, uint32_t peer,
                                       const char *endpoint, const uint8_t *server_key,
                                       tr_error *error) {
    return driver->ops->connect(driver->context, peer, endpoint, server_key, error);
}

/* Closes the connection to a peer; frames not yet sent are lost. No such peer: nothing to do. */
static inline void driver_disconnect(const struct driver *driver, uint32_t peer) {
    driver->ops->disconnect(driver->context, peer);
}

/* Hands one frame to the connection; never blocks. TR_OK: taken (a copy). TR_EUNREACHABLE: not
 * taken, there is no connection now, or no such peer. */
static inline tr_status driver_send(const struct driver *driver, uint32_t peer,
                                    const uint8_t *frame, size_t frame_bytes) {
    return driver->ops->send(driver->context, peer, frame, frame_bytes);
}

/* As driver_send, but may take the buffer's memory instead of copying it. On TR_OK the buffer is
 * empty and may be used on; on an error it is untouched. */
static inline tr_status driver_send_buffer(const struct driver *driver, uint32_t peer,
                                           struct buffer *frame) {
    if (driver->ops->send_buffer != NULL) {
        return driver->ops->send_buffer(driver->context, peer, frame);
    }
    tr_status status = driver->ops->send(driver->context, peer, frame->data, frame->bytes);
    if (status == TR_OK) buffer_clear(frame);
    return status;
}

/* Sends a message to a control client; never blocks. TR_OK: taken (a copy). TR_EUNREACHABLE: the
 * client is gone. TR_EFULL: it does not read what it was sent; not taken. TR_ETOOBIG: more than the
 * driver sends in one message; split it. TR_EINVAL: no handle of a client. */
static inline tr_status driver_control_reply(const struct driver *driver, const uint8_t *client,
                                             size_t client_bytes, const uint8_t *bytes,
                                             size_t reply_bytes) {
    return driver->ops->control_reply(driver->context, client, client_bytes, bytes, reply_bytes);
}

/* Blocks until something arrives, driver_wake is called, or the monotonic clock reaches
 * `deadline_ns`, and delivers events: a bounded number in one call, the rest in the next one. It
 * may return early for no visible reason and up to 1 ms late. A deadline that has passed (0) polls;
 * UINT64_MAX waits for ever. False when nothing has happened but time. */
static inline bool driver_wait(const struct driver *driver, uint64_t deadline_ns) {
    return driver->ops->wait(driver->context, deadline_ns);
}

/* Makes the present driver_wait return soon, or the next one when none is under way. What the
 * caller wrote before is visible to the owner when that driver_wait has returned. Any thread, also
 * a signal handler; costs no system call unless the owner sleeps. */
static inline void driver_wake(const struct driver *driver) {
    driver->ops->wake(driver->context);
}

/* Reads the folder of keys again. Errors: as keys_list; the keys known before stay in force. */
static inline tr_status driver_reload_keys(const struct driver *driver, tr_error *error) {
    if (driver->ops->reload_keys == NULL) return TR_OK;
    return driver->ops->reload_keys(driver->context, error);
}

/* The endpoints this driver is bound to, ports as they are in truth; borrowed until close. The
 * second is "" when there is no control endpoint. */
static inline const char *driver_endpoint(const struct driver *driver) {
    return driver->ops->endpoint(driver->context);
}

static inline const char *driver_control_endpoint(const struct driver *driver) {
    return driver->ops->control_endpoint(driver->context);
}

static inline void driver_counters(const struct driver *driver,
                                   struct driver_counters *counters_out) {
    driver->ops->counters(driver->context, counters_out);
}

/* Closes everything: frames not yet sent are lost, replies to control clients get a moment to
 * leave. Nobody may call driver_wake any more. */
static inline void driver_close(const struct driver *driver) {
    driver->ops->close(driver->context);
}

#endif
