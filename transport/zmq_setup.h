/*
 * zmq_setup.h - how the ZeroMQ driver's sockets are made, secured and bound.
 *
 * Part of the ZeroMQ driver: only its files include this. The thread that owns the driver calls.
 * What libzmq says with errno becomes a tr_error here that names the endpoint, the cause and the
 * fix.
 */
#ifndef TROUPE_TRANSPORT_ZMQ_SETUP_H
#define TROUPE_TRANSPORT_ZMQ_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/endpoint.h"
#include "node/base/keys.h"

/* Domains for ZAP: one for each kind of door (keyring.h). */
#define ZMQ_SETUP_LINKS "nodes"
#define ZMQ_SETUP_CONTROL "control"

/* Makes a context that never waits for unsent frames, with room for thousands of sockets; also
 * raises this process' limit of open files as far as it may be raised. Errors: TR_EIO. */
tr_status zmq_setup_context(void **context_out, tr_error *error);

/* Makes a socket whose unsent frames are lost at its close. Errors: TR_EIO (no more descriptors).
 */
tr_status zmq_setup_socket(void *context, int type, void **socket_out, tr_error *error);

/* Sets an option that cannot fail on a socket just made. */
void zmq_setup_int(void *socket, int option, int value);
void zmq_setup_int64(void *socket, int option, int64_t value);

/* Makes the kernel notice a connection whose other end is gone. */
void zmq_setup_keepalive(void *socket);

/* Admits only clients that ZAP admits to this domain. */
void zmq_setup_curve_server(void *socket, const key_pair *keys, const char *domain);

/* Proves itself with `keys` to the server that owns `server_key`, and to no other. */
void zmq_setup_curve_client(void *socket, const key_pair *keys,
                            const uint8_t server_key[KEYS_BYTES]);

/* Binds the socket to `text` and writes the endpoint as it is in truth to `bound_out`. With
 * `local_only`, what other machines could reach is refused: TR_EREFUSED. Other errors: TR_EINVAL
 * for no endpoint, TR_ENOENT for an unknown host, TR_EIO (in use, no such address, not permitted).
 */
tr_status zmq_setup_bind(void *socket, const char *text, bool local_only,
                         char bound_out[ENDPOINT_TEXT_BYTES], tr_error *error);

/* The descriptor that becomes readable when the socket may have something to do. */
int zmq_setup_descriptor(void *socket);

#endif
