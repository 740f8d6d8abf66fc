/*
 * control_probe.h - looks at an endpoint with bare sockets, to say why connecting failed.
 *
 * libzmq tells neither the system's reason for a refused connection nor, reliably, which security
 * the other side speaks. The probe connects and exchanges the first bytes of a ZMTP 3 greeting
 * (ZeroMQ RFC 23), in which a server names its mechanism. Blocks up to the timeout; any thread may
 * call.
 */
#ifndef TROUPE_CLI_CONTROL_PROBE_H
#define TROUPE_CLI_CONTROL_PROBE_H

#include <stdint.h>

#include "node/base/endpoint.h"

enum { CONTROL_MECHANISM_BYTES = 21 };

struct control_probe {
    int code;                                /* of connecting: 0 it works, else an errno */
    char mechanism[CONTROL_MECHANISM_BYTES]; /* "NULL", "CURVE", ...; "" it speaks no ZMTP 3 */
};

/* Probes an endpoint whose host is a number; `timeout_ms` is for each of its two steps. */
struct control_probe control_probe(const struct endpoint *endpoint, int timeout_ms);

#endif
