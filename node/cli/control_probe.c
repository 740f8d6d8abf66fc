/*
 * control_probe.c - probing an endpoint.
 */
#include "node/cli/control_probe.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Where things are in a greeting, which has 64 bytes: signature, version, mechanism, ... */
enum { GREETING_BYTES = 64, SIGNATURE_BYTES = 10, VERSION_AT = 10, MECHANISM_AT = 12 };

static bool is_ready(int descriptor, short events, int timeout_ms) {
    struct pollfd item = {.fd = descriptor, .events = events};
    int count;
    do {
        count = poll(&item, 1, timeout_ms);
    } while (count < 0 && errno == EINTR);
    return count == 1;
}

/* Connects; returns an errno, or 0 and the descriptor. */
static int open_connection(const struct endpoint *endpoint, int timeout_ms, int *descriptor_out) {
    struct sockaddr_storage address;
    socklen_t bytes = 0;
    if (endpoint_resolve(endpoint, &address, &bytes, NULL) != TR_OK) return EHOSTUNREACH;
    int descriptor = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return errno;
    int code = connect(descriptor, (struct sockaddr *)&address, bytes) == 0 ? 0 : errno;
    if (code == EINPROGRESS) {
        code = ETIMEDOUT;
        socklen_t code_bytes = sizeof code;
        if (is_ready(descriptor, POLLOUT, timeout_ms)) {
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &code_bytes);
        }
    }
    if (code != 0) {
        close(descriptor);
        return code;
    }
    *descriptor_out = descriptor;
    return 0;
}

/* Our half of a greeting ends behind the version: a server then sends the whole of its own, and
 * cannot yet dislike our mechanism. */
static void read_mechanism(int descriptor, int timeout_ms,
                           char mechanism[CONTROL_MECHANISM_BYTES]) {
    static const uint8_t ours[SIGNATURE_BYTES + 1] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3};
    if (send(descriptor, ours, sizeof ours, MSG_NOSIGNAL) != sizeof ours) return;
    uint8_t theirs[GREETING_BYTES];
    size_t got = 0;
    while (got < sizeof theirs) {
        if (!is_ready(descriptor, POLLIN, timeout_ms)) return;
        ssize_t bytes = recv(descriptor, theirs + got, sizeof theirs - got, 0);
        if (bytes <= 0) return;
        got += (size_t)bytes;
    }
    if (theirs[0] != 0xff || theirs[SIGNATURE_BYTES - 1] != 0x7f || theirs[VERSION_AT] < 3) return;
    memcpy(mechanism, theirs + MECHANISM_AT, CONTROL_MECHANISM_BYTES - 1);
}

struct control_probe control_probe(const struct endpoint *endpoint, int timeout_ms) {
    struct control_probe result = {0};
    int descriptor = -1;
    result.code = open_connection(endpoint, timeout_ms, &descriptor);
    if (result.code != 0) return result;
    read_mechanism(descriptor, timeout_ms, result.mechanism);
    close(descriptor);
    return result;
}
