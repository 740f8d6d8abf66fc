/*
 * zmq_zap.h - the part of the ZeroMQ driver that answers "may this key come in?" (ZAP, RFC 27).
 *
 * libzmq asks over an in-process socket during each CURVE handshake; the driver's own thread
 * answers, from the keyring, between other work. A key nobody knows makes the folder of keys be
 * read again. Only the driver's files include this.
 */
#ifndef TROUPE_TRANSPORT_ZMQ_ZAP_H
#define TROUPE_TRANSPORT_ZMQ_ZAP_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/environment.h"
#include "transport/keyring.h"

struct zmq_zap;

/* Opens the answering socket; must happen before any socket of the context binds. Borrows the
 * keyring and the environment. Errors: TR_EIO. */
tr_status zmq_zap_open(void *context, struct keyring *ring, const struct environment *environment,
                       struct zmq_zap **zap_out, tr_error *error);

/* Frees it; NULL is nothing to do. */
void zmq_zap_close(struct zmq_zap *zap);

/* As zmq_setup_descriptor. */
int zmq_zap_descriptor(const struct zmq_zap *zap);

/* Answers up to `requests_max` waiting requests. True when there may be more; false when there is
 * none, and then the descriptor tells of the next one. */
bool zmq_zap_step(struct zmq_zap *zap, unsigned requests_max);

/* How many handshakes were refused. */
uint64_t zmq_zap_denied(const struct zmq_zap *zap);

#endif
