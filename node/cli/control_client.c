/*
 * control_client.c - connecting to a node, asking, and saying why it did not work.
 *
 * A socket monitor tells how connecting goes. It must be read, or it would stop the socket it
 * watches, so each wait here reads both; and since reconnecting is put off for longer than anybody
 * waits, its events stay few also while nobody waits. (Reconnecting is not switched off: libzmq
 * would then throw away a last reply together with the connection that it came over.)
 */
#include "node/cli/control_client.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>
#include <zmq.h>

#include "node/base/check.h"
#include "node/base/clock.h"
#include "node/base/endpoint.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/cli/control_probe.h"

enum {
    CONNECT_MS_DEFAULT = 5000,
    RECONNECT_MS = 3600 * 1000,
    PROMPT_MS = 2000, /* a node that refuses does so at once; later it is one that hangs */
    PROBE_MS = 2000,
    LAST_REPLY_MS = 100, /* how much later than the end of its connection a reply may show up */
    INTERRUPT_CHECK_MS = 100, /* a signal may come just before a wait begins */
};

static const char monitor_name[] = "inproc://monitor";

struct control_client {
    void *context;
    void *socket;  /* DEALER */
    void *monitor; /* PAIR: what happens to its connection */
    char endpoint[ENDPOINT_TEXT_BYTES];
    const volatile sig_atomic_t *interrupted;
    uint64_t last_id;
    bool broken; /* the connection has ended */
};

/* ---- waiting ---- */

/* What the monitor told, as far as it matters. */
struct happening {
    uint16_t event; /* ZMQ_EVENT_..., 0: nothing */
    uint32_t value;
};

static uint64_t deadline_after(uint64_t timeout_ms) {
    if (timeout_ms == 0 || timeout_ms > UINT64_MAX / 4000000) return UINT64_MAX;
    return clock_monotonic_ns() + timeout_ms * 1000000;
}

static long wait_ms(const struct control_client *client, uint64_t deadline_ns) {
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns >= deadline_ns) return 0;
    uint64_t left_ms = (deadline_ns - now_ns + 999999) / 1000000;
    if (client->interrupted != NULL && left_ms > INTERRUPT_CHECK_MS) return INTERRUPT_CHECK_MS;
    return left_ms > INT_MAX ? INT_MAX : (long)left_ms;
}

static bool is_interrupted(const struct control_client *client) {
    return client->interrupted != NULL && *client->interrupted != 0;
}

/* Reads one event of the monitor, if there is one: two frames, number and value, then the address.
 */
static struct happening read_monitor(struct control_client *client) {
    struct happening happening = {0};
    uint8_t frame[6];
    if (zmq_recv(client->monitor, frame, sizeof frame, ZMQ_DONTWAIT) != sizeof frame) {
        return happening;
    }
    memcpy(&happening.event, frame, sizeof happening.event);
    memcpy(&happening.value, frame + sizeof happening.event, sizeof happening.value);
    char address[ENDPOINT_TEXT_BYTES];
    (void)zmq_recv(client->monitor, address, sizeof address, ZMQ_DONTWAIT);
    return happening;
}

/* Waits until the monitor or (with `input`) the socket has something, or the deadline. Errors:
 * TR_ETIMEDOUT, TR_EINTR. */
static tr_status wait_for(struct control_client *client, bool input, uint64_t deadline_ns) {
    zmq_pollitem_t items[] = {{.socket = client->monitor, .events = ZMQ_POLLIN},
                              {.socket = client->socket, .events = ZMQ_POLLIN}};
    for (;;) {
        if (is_interrupted(client)) return TR_EINTR;
        long timeout_ms = wait_ms(client, deadline_ns);
        if (zmq_poll(items, input ? 2 : 1, timeout_ms) > 0) return TR_OK;
        if (clock_monotonic_ns() >= deadline_ns) return TR_ETIMEDOUT;
    }
}

static tr_status interrupted(tr_error *error) {
    return error_set(error, TR_EINTR, NULL, "interrupted");
}

/* ---- connecting ---- */

static tr_status explain_unreachable(const struct control_client *client,
                                     const struct endpoint *endpoint, tr_error *error) {
    int code = control_probe(endpoint, PROBE_MS).code;
    if (code == 0) {
        return error_set(error, TR_EUNREACHABLE, "try again",
                         "%s did not accept the connection in time", client->endpoint);
    }
    bool absent = code == ECONNREFUSED || code == ENOENT;
    return error_set(error, TR_EUNREACHABLE,
                     absent ? "start the node, or name the folder of the cluster that runs"
                            : "check the network, firewalls, and that the machine is up",
                     absent ? "nothing listens at %s (%s)" : "cannot reach %s: %s",
                     client->endpoint, strerror(code));
}

/* What a failed handshake means. A node hangs up without a word when what we sent is not meant for
 * its key, and also, unless we were faster to see it, when the two sides differ in security. */
static tr_status explain_refused(const struct control_client *client,
                                 const struct endpoint *endpoint, uint16_t event, bool encrypted,
                                 tr_error *error) {
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
        return error_set(error, TR_EREFUSED, "put this client's .pub file into the node's keys",
                         "the node at %s does not admit this client's key", client->endpoint);
    }
    struct control_probe probe = control_probe(endpoint, PROBE_MS);
    if (probe.code != 0) { /* gone since: killed, or stopped, while we shook hands */
        return error_set(error, TR_EUNREACHABLE, "the node has ended; start it, or ask another",
                         "%s ended the connection during the handshake, and now: %s",
                         client->endpoint, strerror(probe.code));
    }
    bool is_curve = strcmp(probe.mechanism, "CURVE") == 0;
    if (!is_curve && strcmp(probe.mechanism, "NULL") != 0) {
        return error_set(error, TR_EREFUSED, "check the endpoint",
                         "%s is no node's control endpoint", client->endpoint);
    }
    if (is_curve != encrypted) {
        return error_set(error, TR_EREFUSED, "use the security that the cluster was made with",
                         is_curve ? "%s is encrypted, but this client is not"
                                  : "%s is not encrypted, but this client is",
                         client->endpoint);
    }
    return error_set(error, TR_EREFUSED,
                     "the cluster may have been made anew: use its present folder of keys",
                     is_curve ? "the server key of %s differs from the one known here"
                              : "%s ended the connection during the handshake",
                     client->endpoint);
}

static bool is_failed_handshake(uint16_t event) {
    return event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ||
           event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ||
           event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
}

/* Follows the monitor until the handshake is over, one way or the other. */
static tr_status shake_hands(struct control_client *client, const struct endpoint *endpoint,
                             bool encrypted, uint64_t timeout_ms, enum control_step *step,
                             tr_error *error) {
    uint64_t deadline_ns = deadline_after(timeout_ms);
    uint64_t prompt_ns = UINT64_MAX;
    for (;;) {
        tr_status status = wait_for(client, false, deadline_ns);
        if (status == TR_EINTR) return interrupted(error);
        if (status != TR_OK) break;
        struct happening happening = read_monitor(client);
        if (happening.event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) return TR_OK;
        if (happening.event == ZMQ_EVENT_CONNECTED) {
            *step = CONTROL_STEP_HANDSHAKE;
            prompt_ns = deadline_after(PROMPT_MS);
        }
        if (is_failed_handshake(happening.event)) {
            if (clock_monotonic_ns() > prompt_ns) break;
            return explain_refused(client, endpoint, happening.event, encrypted, error);
        }
        if (happening.event == ZMQ_EVENT_CLOSED) break;
    }
    if (*step == CONTROL_STEP_TCP) return explain_unreachable(client, endpoint, error);
    return error_set(error, TR_ETIMEDOUT, "the node may be stopped or overloaded; try again",
                     "%s does not answer", client->endpoint);
}

static void set_int(void *socket, int option, int value) {
    check(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

static void configure(void *socket, const struct endpoint *endpoint) {
    int64_t bytes_max = CONTROL_CLIENT_REPLY_BYTES_MAX;
    check(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof bytes_max) == 0);
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_int(socket, ZMQ_HANDSHAKE_IVL, 0); /* shake_hands has a deadline of its own */
    set_int(socket, ZMQ_IPV6, strchr(endpoint->host, ':') != NULL);
}

static void secure(void *socket, const key_pair *keys, const uint8_t *server_key) {
    check(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, KEYS_BYTES) == 0);
    check(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->curve_public, KEYS_BYTES) == 0);
    check(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->curve_secret, KEYS_BYTES) == 0);
}

/* Makes the sockets and begins to connect. */
static tr_status begin(struct control_client *client, const struct endpoint *endpoint,
                       const key_pair *keys, const uint8_t *server_key, tr_error *error) {
    client->context = zmq_ctx_new();
    if (client->context != NULL) {
        client->socket = zmq_socket(client->context, ZMQ_DEALER);
        client->monitor = zmq_socket(client->context, ZMQ_PAIR);
    }
    if (client->socket == NULL || client->monitor == NULL) {
        return error_set(error, TR_EIO, "raise the limit of open files (ulimit -n)",
                         "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    }
    configure(client->socket, endpoint);
    if (keys != NULL) secure(client->socket, keys, server_key);
    set_int(client->monitor, ZMQ_LINGER, 0);
    /* The monitor hands out its own end first: events begin before there is a connection. */
    if (zmq_socket_monitor(client->socket, monitor_name, ZMQ_EVENT_ALL) != 0 ||
        zmq_connect(client->monitor, monitor_name) != 0 ||
        zmq_connect(client->socket, client->endpoint) != 0) {
        return error_set(error, TR_EIO, NULL, "cannot connect to %s: %s", client->endpoint,
                         zmq_strerror(zmq_errno()));
    }
    return TR_OK;
}

/* Reads this client's keys, and checks that there is what CURVE takes. */
static tr_status load_keys(const struct control_client_options *options, key_pair *keys_out,
                           tr_error *error) {
    if (options->keys_dir == NULL || options->server_key == NULL) {
        return error_set(error, TR_EINVAL, NULL, "an encrypted connection needs keys");
    }
    const char *name = options->key_name == NULL ? "operate.local" : options->key_name;
    return keys_load(options->keys_dir, name, keys_out, error);
}

static tr_status connect_client(struct control_client *client,
                                const struct control_client_options *options, const key_pair *keys,
                                enum control_step *step, tr_error *error) {
    struct endpoint endpoint;
    tr_status status = endpoint_parse(options->endpoint, &endpoint, error);
    if (status == TR_OK) status = endpoint_make_numeric(&endpoint, error);
    if (status != TR_OK) return status;
    if (!endpoint_connectable(&endpoint)) {
        return error_set(error, TR_EINVAL, NULL, "'%s' is nothing to connect to",
                         options->endpoint);
    }
    endpoint_text(&endpoint, client->endpoint);
    uint64_t timeout_ms = options->timeout_ms == 0 ? CONNECT_MS_DEFAULT : options->timeout_ms;
    status = begin(client, &endpoint, keys, options->server_key, error);
    if (status != TR_OK) return status;
    return shake_hands(client, &endpoint, keys != NULL, timeout_ms, step, error);
}

tr_status control_client_open(const struct control_client_options *options,
                              struct control_client **client_out, enum control_step *step_out,
                              tr_error *error) {
    enum control_step unwanted;
    enum control_step *step = step_out == NULL ? &unwanted : step_out;
    *step = CONTROL_STEP_KEYS;
    bool encrypted = options->security == TR_SECURITY_CURVE;
    key_pair keys;
    if (encrypted) {
        tr_status status = load_keys(options, &keys, error);
        if (status != TR_OK) return status;
    }
    *step = CONTROL_STEP_TCP;
    struct control_client *client = mem_zalloc(1, sizeof *client);
    client->interrupted = options->interrupted;
    tr_status status = connect_client(client, options, encrypted ? &keys : NULL, step, error);
    if (encrypted) keys_wipe(&keys);
    if (status != TR_OK) {
        control_client_close(client);
        return status;
    }
    *step = CONTROL_STEP_DONE;
    *client_out = client;
    return TR_OK;
}

void control_client_close(struct control_client *client) {
    if (client == NULL) return;
    if (client->socket != NULL) {
        zmq_socket_monitor(client->socket, NULL, 0);
        zmq_close(client->socket);
    }
    if (client->monitor != NULL) zmq_close(client->monitor);
    if (client->context != NULL) {
        while (zmq_ctx_term(client->context) != 0 && zmq_errno() == EINTR) continue;
    }
    mem_free(client);
}

/* ---- asking ---- */

/* Returns the request's text with `id` in it, to be freed with free, or NULL with `*error` filled.
 */
static char *number_request(const char *json, size_t json_bytes, uint64_t id, tr_status *status_out,
                            tr_error *error) {
    json_error_t reason;
    json_t *request = json_loadb(json, json_bytes, JSON_REJECT_DUPLICATES, &reason);
    if (!json_is_object(request)) {
        *status_out = error_set(error, TR_EINVAL, NULL, "the request is no JSON object: %s",
                                request == NULL ? reason.text : "another kind of value");
        json_decref(request);
        return NULL;
    }
    check(json_object_set_new(request, "id", json_integer((json_int_t)id)) == 0);
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    check(text != NULL);
    return text;
}

static tr_status send_request(struct control_client *client, const char *text, tr_error *error) {
    size_t bytes = strlen(text);
    if (bytes > CONTROL_CLIENT_REQUEST_BYTES_MAX) {
        return error_set(error, TR_ETOOBIG, "send it in several requests",
                         "the request has %zu bytes; at most %d are taken", bytes,
                         (int)CONTROL_CLIENT_REQUEST_BYTES_MAX);
    }
    if (zmq_send(client->socket, text, bytes, ZMQ_DONTWAIT) >= 0) return TR_OK;
    return error_set(error, TR_EUNREACHABLE, "try again", "cannot send to %s: %s", client->endpoint,
                     zmq_strerror(zmq_errno()));
}

/* Receives a message if one waits; false when none does. The caller closes `message` in any case.
 */
static bool receive(struct control_client *client, zmq_msg_t *message) {
    zmq_msg_init(message);
    return zmq_msg_recv(message, client->socket, ZMQ_DONTWAIT) >= 0;
}

/* Waits for any message. Notices the end of the connection, but takes what came before it. */
static tr_status await_message(struct control_client *client, uint64_t deadline_ns,
                               zmq_msg_t *message, tr_error *error) {
    for (;;) {
        if (receive(client, message)) return TR_OK;
        zmq_msg_close(message);
        bool was_broken = client->broken;
        uint64_t last_ns = deadline_after(LAST_REPLY_MS);
        tr_status status =
            wait_for(client, true, was_broken && last_ns < deadline_ns ? last_ns : deadline_ns);
        if (status == TR_EINTR) return interrupted(error);
        if (status == TR_ETIMEDOUT && was_broken) {
            return error_set(error, TR_EUNREACHABLE,
                             "see whether the node still runs; what was asked may have been done",
                             "the connection to %s ended before the reply", client->endpoint);
        }
        if (status != TR_OK) {
            return error_set(error, TR_ETIMEDOUT, "raise --timeout", "%s did not answer in time",
                             client->endpoint);
        }
        struct happening happening = read_monitor(client);
        if (happening.event == ZMQ_EVENT_DISCONNECTED) client->broken = true;
    }
}

enum reply_kind { REPLY_FINAL, REPLY_PROGRESS, REPLY_STRAY };

/* A reply without a number, or with number 0, is to a request that the node could not read. */
static tr_status classify(const char *text, size_t bytes, uint64_t id, enum reply_kind *kind_out,
                          tr_error *error) {
    json_t *reply = json_loadb(text, bytes, 0, NULL);
    if (!json_is_object(reply)) {
        json_decref(reply);
        return error_set(error, TR_EDATA, "check that node and program are of one version",
                         "the node answered with something that is no JSON object");
    }
    uint64_t replied = (uint64_t)json_integer_value(json_object_get(reply, "id"));
    bool more = json_is_true(json_object_get(reply, "more"));
    *kind_out = replied != id && replied != 0 ? REPLY_STRAY : more ? REPLY_PROGRESS : REPLY_FINAL;
    json_decref(reply);
    return TR_OK;
}

static char *copy_text(const char *text, size_t bytes) {
    char *copy = mem_alloc(bytes + 1);
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

/* Takes one message in: `*done_out` when it was the reply. */
static tr_status take_message(zmq_msg_t *message, uint64_t id, control_progress *progress,
                              void *progress_context, char **reply_out, size_t *reply_bytes_out,
                              enum reply_kind *kind_out, tr_error *error) {
    const char *text = zmq_msg_data(message);
    size_t bytes = zmq_msg_size(message);
    tr_status status = classify(text, bytes, id, kind_out, error);
    if (status != TR_OK) return status;
    if (*kind_out == REPLY_PROGRESS && progress != NULL) {
        if (!progress(progress_context, text, bytes)) return interrupted(error);
    }
    if (*kind_out == REPLY_FINAL) {
        *reply_out = copy_text(text, bytes);
        if (reply_bytes_out != NULL) *reply_bytes_out = bytes;
    }
    return TR_OK;
}

tr_status control_client_request(struct control_client *client, const char *json, size_t json_bytes,
                                 uint64_t timeout_ms, control_progress *progress,
                                 void *progress_context, char **reply_out, size_t *reply_bytes_out,
                                 tr_error *error) {
    uint64_t id = ++client->last_id;
    tr_status status = TR_OK;
    char *text = number_request(json, json_bytes, id, &status, error);
    if (text == NULL) return status;
    status = send_request(client, text, error);
    free(text);
    uint64_t deadline_ns = deadline_after(timeout_ms);
    enum reply_kind kind = REPLY_STRAY;
    while (status == TR_OK && kind != REPLY_FINAL) {
        zmq_msg_t message;
        status = await_message(client, deadline_ns, &message, error);
        if (status != TR_OK) break;
        status = take_message(&message, id, progress, progress_context, reply_out, reply_bytes_out,
                              &kind, error);
        zmq_msg_close(&message);
        if (kind == REPLY_PROGRESS) deadline_ns = deadline_after(timeout_ms);
    }
    return status;
}
