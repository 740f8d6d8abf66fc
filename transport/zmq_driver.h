/*
 * zmq_driver.h - the driver that carries frames over ZeroMQ, encrypted with CURVE by default.
 *
 * One PULL socket is bound for all peers, one PUSH connected to each of them; control clients talk
 * to one ROUTER. libzmq's own threads, and the answering of ZAP, stay inside. The only folder of
 * keys decides who comes in (keyring.h). See driver.h for threads and PROTOCOL.md.
 *
 * Known limits, libzmq's: a key that is revoked keeps its connections, but what comes over them is
 * dropped; a peer that holds an admitted key and never ends the parts of one message makes libzmq
 * buffer them.
 */
#ifndef TROUPE_TRANSPORT_ZMQ_DRIVER_H
#define TROUPE_TRANSPORT_ZMQ_DRIVER_H

#include <stdint.h>
#include <troupe.h>

#include "node/base/environment.h"
#include "node/base/keys.h"
#include "transport/driver.h"

/* Zero fields take the defaults in brackets. Texts and keys are copied. */
struct zmq_driver_options {
    const char *listen;          /* [required] endpoint for other nodes; port 0 picks a free one */
    const char *control;         /* [none] endpoint for control clients */
    tr_security security;        /* [CURVE]; NONE binds loopback only */
    const key_pair *keys;        /* required with CURVE: this node's own */
    const char *keys_dir;        /* required with CURVE: holds NAME.pub of all who may come in */
    uint32_t frame_bytes_max;    /* [1 MiB + 64 KiB] a larger frame ends its sender's connection */
    uint32_t frames_waiting_max; /* [1000] received from one peer and not yet delivered */
    struct driver_events events; /* `control` may be NULL without a control endpoint */
    const struct environment *environment; /* required, borrowed: the real clock, the log */
};

/* Opens the driver: binds the endpoints, starts libzmq's thread, and raises the process' limit of
 * open files. Events begin with the first driver_wait. Errors, with `*error` naming what and where:
 * TR_EINVAL (an option missing, no endpoint), TR_ENOENT (unknown host), TR_EREFUSED (beyond
 * loopback in plaintext), TR_EIO (port in use, no such address, not permitted), TR_EDATA (a bad
 * file of keys). */
tr_status zmq_driver_open(const struct zmq_driver_options *options, struct driver *driver_out,
                          tr_error *error);

#endif
