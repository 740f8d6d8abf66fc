/*
 * endpoint.h - where a node listens or is reached: tcp://HOST:PORT or ipc://PATH.
 *
 * The text form is ZeroMQ's, and only these two kinds and this strict grammar are taken, so that
 * nothing else that a library might understand comes in from a file, a user or a peer (I5). A host
 * is a name, an IPv4 number, an IPv6 number in brackets, or `*` for every interface; port 0 (or
 * `*`) asks for a free one. Any thread may call; only endpoint_resolve blocks.
 */
#ifndef TROUPE_BASE_ENDPOINT_H
#define TROUPE_BASE_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <troupe.h>

#include "node/base/error.h"

enum {
    ENDPOINT_HOST_BYTES = 254, /* a host, closing zero included */
    ENDPOINT_PATH_BYTES = 108, /* a path, closing zero included: the room in sockaddr_un */
    ENDPOINT_TEXT_BYTES = 320, /* an endpoint as text, closing zero included */
};

enum endpoint_kind { ENDPOINT_TCP, ENDPOINT_IPC };

struct endpoint {
    enum endpoint_kind kind;
    char host[ENDPOINT_HOST_BYTES]; /* of tcp, without brackets */
    uint16_t port;                  /* of tcp; 0: any free one */
    char path[ENDPOINT_PATH_BYTES]; /* of ipc */
};

/* Reads an endpoint. Errors: TR_EINVAL, naming the text and the part that is wrong; `endpoint_out`
 * is untouched then. */
tr_status endpoint_parse(const char *text, struct endpoint *endpoint_out, tr_error *error);

/* True when there is no name to look up: ipc, numbers and `*`. */
bool endpoint_is_numeric(const struct endpoint *endpoint);

/* True for one that another can connect to: no `*`, no unspecified address, no port 0. */
bool endpoint_connectable(const struct endpoint *endpoint);

/* Writes it as text, which endpoint_parse reads back. */
void endpoint_text(const struct endpoint *endpoint, char text_out[ENDPOINT_TEXT_BYTES]);

/* Finds the address to bind or to connect to; for a host's name it asks the system's resolver,
 * which may block for seconds, and takes its first IPv4 answer. Errors: TR_ENOENT for a host that
 * cannot be resolved. */
tr_status endpoint_resolve(const struct endpoint *endpoint, struct sockaddr_storage *address_out,
                           socklen_t *bytes_out, tr_error *error);

/* Replaces the host's name by the number that endpoint_resolve finds; `*` and numbers stay as they
 * are. Errors: as endpoint_resolve. */
tr_status endpoint_make_numeric(struct endpoint *endpoint, tr_error *error);

/* True for an endpoint that only this machine can reach: ipc, and tcp on a loopback number or on
 * `localhost`. Another name is not looked up: false. */
bool endpoint_is_local(const struct endpoint *endpoint);

#endif
