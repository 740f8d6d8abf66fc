/*
 * control_client.h - the control program's end of a node's control endpoint.
 *
 * One connection to one node over a ZeroMQ DEALER socket, encrypted with CURVE unless told
 * otherwise. A request and each of its replies is one frame of JSON text, one object
 * (node/CONTROL.md). There is no reconnecting: a client whose connection broke is closed, and
 * another one opened. One thread at a time may use a client; different clients are independent of
 * each other.
 */
#ifndef TROUPE_CLI_CONTROL_CLIENT_H
#define TROUPE_CLI_CONTROL_CLIENT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/keys.h"

enum {
    CONTROL_CLIENT_REQUEST_BYTES_MAX = 4 << 20,
    CONTROL_CLIENT_REPLY_BYTES_MAX = 32 << 20, /* a larger one ends the connection */
};

struct control_client;

/* The steps of connecting, in their order. */
enum control_step {
    CONTROL_STEP_KEYS,      /* reading this client's key from the cluster's folder */
    CONTROL_STEP_TCP,       /* something listens at the endpoint */
    CONTROL_STEP_HANDSHAKE, /* it is the right node, speaks the same security, and lets us in */
    CONTROL_STEP_DONE,
};

/* Zero fields take the defaults in brackets. Nothing is kept but `interrupted`. */
struct control_client_options {
    const char *endpoint;      /* required: the node's control endpoint */
    tr_security security;      /* [CURVE] */
    const char *keys_dir;      /* required with CURVE: the folder of keys */
    const char *key_name;      /* ["operate.local"] whose key to prove ourselves with */
    const uint8_t *server_key; /* required with CURVE: the node's public key, KEYS_BYTES */
    uint64_t timeout_ms;       /* [5000] for connecting */
    const volatile sig_atomic_t *interrupted; /* [none] set by a signal handler: stop waiting */
};

/* Connects and shakes hands. `*step_out` (may be NULL) is always written: the step that failed, or
 * CONTROL_STEP_DONE; those before it went well. Errors, each with a message that says what and why:
 *   step KEYS        those of keys_load; TR_EINVAL for options that are missing
 *   step TCP         TR_EINVAL no endpoint, TR_ENOENT unknown host, TR_EUNREACHABLE nothing
 *                    listens there or it cannot be reached
 *   step HANDSHAKE   TR_EREFUSED the node's key differs, or it does not admit ours, or one side is
 *                    encrypted and the other not; TR_ETIMEDOUT it does not answer
 *   any              TR_EINTR interrupted, TR_EIO no more descriptors */
tr_status control_client_open(const struct control_client_options *options,
                              struct control_client **client_out, enum control_step *step_out,
                              tr_error *error);

/* Closes the connection; NULL is nothing to do. */
void control_client_close(struct control_client *client);

/* Told of each reply that has `"more": true`; the text is borrowed. False stops waiting: the
 * request then ends with TR_EINTR here, while the node finishes it. */
typedef bool control_progress(void *context, const char *json, size_t json_bytes);

/* Sends one request, a JSON object, with an `id` of the client's own, and waits for the reply with
 * that `id`; others, late ones of earlier requests, are dropped. `timeout_ms` begins anew with each
 * progress; 0: no limit. `progress` may be NULL. `*reply_out` is the reply's text, closed by a zero
 * that
 * `*reply_bytes_out` (may be NULL) does not count; the caller frees it with mem_free. What the node
 * answers, an error too, is TR_OK here. Errors: TR_EINVAL no JSON object, TR_ETOOBIG, TR_ETIMEDOUT,
 * TR_EUNREACHABLE the connection broke before the reply, TR_EDATA a reply that is no JSON object,
 * TR_EINTR. */
tr_status control_client_request(struct control_client *client, const char *json, size_t json_bytes,
                                 uint64_t timeout_ms, control_progress *progress,
                                 void *progress_context, char **reply_out, size_t *reply_bytes_out,
                                 tr_error *error);

#endif
