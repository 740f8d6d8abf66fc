/*
 * zmq_setup.c - making, securing and binding ZeroMQ sockets.
 */
#include "transport/zmq_setup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "node/base/check.h"

/* Its number is settled, but the header names it only for draft builds. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

enum {
    SOCKETS_MAX = 8192,
    FILES_WANTED = 65536,
    KEEPALIVE_IDLE_S = 15,
    KEEPALIVE_INTERVAL_S = 5,
    KEEPALIVE_COUNT = 3,
};

/* A link takes several descriptors. A limit that cannot be raised is met later, as a refused
 * connection. */
static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    rlim_t wanted = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
    if (limit.rlim_cur >= wanted) return;
    limit.rlim_cur = wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

tr_status zmq_setup_context(void **context_out, tr_error *error) {
    raise_file_limit();
    void *context = zmq_ctx_new();
    if (context == NULL) {
        return error_set(error, TR_EIO, "raise the limit of open files (ulimit -n)",
                         "cannot start ZeroMQ: %s", zmq_strerror(zmq_errno()));
    }
    check(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, SOCKETS_MAX) == 0);
    /* Not blocky: LINGER is 0 unless a socket says otherwise, so that ending never hangs. */
    check(zmq_ctx_set(context, ZMQ_BLOCKY, 0) == 0);
    *context_out = context;
    return TR_OK;
}

tr_status zmq_setup_socket(void *context, int type, void **socket_out, tr_error *error) {
    void *socket = zmq_socket(context, type);
    if (socket == NULL) {
        return error_set(error, TR_EIO, "raise the limit of open files (ulimit -n)",
                         "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    }
    zmq_setup_int(socket, ZMQ_LINGER, 0);
    *socket_out = socket;
    return TR_OK;
}

void zmq_setup_int(void *socket, int option, int value) {
    check(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

void zmq_setup_int64(void *socket, int option, int64_t value) {
    check(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

void zmq_setup_keepalive(void *socket) {
    zmq_setup_int(socket, ZMQ_TCP_KEEPALIVE, 1);
    zmq_setup_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S);
    zmq_setup_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL_S);
    zmq_setup_int(socket, ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT);
}

void zmq_setup_curve_server(void *socket, const key_pair *keys, const char *domain) {
    zmq_setup_int(socket, ZMQ_CURVE_SERVER, 1);
    check(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->curve_secret, KEYS_BYTES) == 0);
    /* Without a domain and without enforcement any key would be admitted. */
    check(zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) == 0);
    zmq_setup_int(socket, ZMQ_ZAP_ENFORCE_DOMAIN, 1);
}

void zmq_setup_curve_client(void *socket, const key_pair *keys,
                            const uint8_t server_key[KEYS_BYTES]) {
    check(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, KEYS_BYTES) == 0);
    check(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->curve_public, KEYS_BYTES) == 0);
    check(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->curve_secret, KEYS_BYTES) == 0);
}

static tr_status refuse_in_use(const char *text, tr_error *error) {
    return error_set(error, TR_EIO,
                     "stop the other process, or choose another port (port 0 picks a free one)",
                     "cannot listen on %s: another process listens there already", text);
}

/* libzmq removes whatever has the path's name before it binds there: spare files that are no
 * sockets, and sockets at which somebody listens. */
static tr_status check_path_free(const struct endpoint *endpoint, const char *text,
                                 tr_error *error) {
    struct stat found;
    if (lstat(endpoint->path, &found) != 0) return TR_OK;
    if (!S_ISSOCK(found.st_mode)) {
        return error_set(error, TR_EIO, "choose a path that does not exist",
                         "cannot listen on %s: there is a file that is no socket", text);
    }
    struct sockaddr_storage address;
    socklen_t bytes = 0;
    check(endpoint_resolve(endpoint, &address, &bytes, error) ==
          TR_OK); /* a path is not looked up */
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return TR_OK; /* zmq_bind will say why */
    bool answered = connect(descriptor, (struct sockaddr *)&address, bytes) == 0 || errno == EAGAIN;
    close(descriptor);
    return answered ? refuse_in_use(text, error) : TR_OK;
}

static tr_status explain_bind(int code, const char *text, tr_error *error) {
    switch (code) {
        case EADDRINUSE:
            return refuse_in_use(text, error);
        case EACCES:
        case EPERM:
            return error_set(error, TR_EIO,
                             "choose a port above 1023, or a folder that you may write",
                             "cannot listen on %s: not permitted", text);
        case EADDRNOTAVAIL:
        case ENODEV:
            return error_set(error, TR_EIO,
                             "listen on an address of this machine, 127.0.0.1, or * for all",
                             "cannot listen on %s: this machine has no such address", text);
        default:
            return error_set(error, TR_EIO, NULL, "cannot listen on %s: %s", text,
                             zmq_strerror(code));
    }
}

tr_status zmq_setup_bind(void *socket, const char *text, bool local_only,
                         char bound_out[ENDPOINT_TEXT_BYTES], tr_error *error) {
    struct endpoint endpoint;
    tr_status status = endpoint_parse(text, &endpoint, error);
    if (status == TR_OK) status = endpoint_make_numeric(&endpoint, error);
    if (status != TR_OK) return status;
    if (local_only && !endpoint_is_local(&endpoint)) {
        return error_set(error, TR_EREFUSED,
                         "listen on 127.0.0.1, or switch encryption on (insecure = no)",
                         "will not listen on %s without keys: other machines could reach it", text);
    }
    if (endpoint.kind == ENDPOINT_IPC) {
        status = check_path_free(&endpoint, text, error);
        if (status != TR_OK) return status;
    }
    char numeric[ENDPOINT_TEXT_BYTES];
    endpoint_text(&endpoint, numeric);
    zmq_setup_int(socket, ZMQ_IPV6, strchr(endpoint.host, ':') != NULL);
    if (zmq_bind(socket, numeric) != 0) return explain_bind(zmq_errno(), text, error);
    size_t bytes = ENDPOINT_TEXT_BYTES;
    check(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound_out, &bytes) == 0);
    return TR_OK;
}

int zmq_setup_descriptor(void *socket) {
    int descriptor = -1;
    size_t bytes = sizeof descriptor;
    check(zmq_getsockopt(socket, ZMQ_FD, &descriptor, &bytes) == 0);
    return descriptor;
}
