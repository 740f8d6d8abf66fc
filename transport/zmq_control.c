/*
 * zmq_control.c - the ROUTER socket of control clients, and what each has not read yet.
 *
 * ROUTER_MANDATORY: a reply to a client that is gone, or whose queue is full, is refused instead of
 * vanishing. No ROUTER_HANDOVER: nobody takes over a name that is in use. The high-water mark
 * counts messages, so bytes are counted here: each reply in flight holds a share of its client's
 * account, and gives it back when libzmq frees the bytes, on whatever thread that happens.
 */
#include "transport/zmq_control.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <zmq.h>

#include "node/base/check.h"
#include "node/base/hex.h"
#include "node/base/map.h"
#include "node/base/memory.h"
#include "transport/zmq_setup.h"

enum {
    REPLIES_WAITING_MAX = 1000, /* of one client, in messages */
    REQUESTS_WAITING_MAX = 4,   /* of one client, each up to ZMQ_CONTROL_REQUEST_BYTES_MAX */
    HANDSHAKE_MS = 3000,
    HANDLE_TEXT_BYTES = 2 * DRIVER_CLIENT_BYTES + 1,
};

/* Bytes sent and not yet freed. Shared by the control and the replies in flight; the last one frees
 * it. */
struct account {
    atomic_size_t bytes;
    atomic_size_t users;
};

struct zmq_control {
    void *socket;
    const struct keyring *ring; /* NULL: plaintext */
    map_text accounts;          /* handle in hexadecimal -> struct account */
    struct account *total;
    char endpoint[ENDPOINT_TEXT_BYTES];
};

/* One reply on its way, with the accounts it weighs on. */
struct reply {
    struct account *client;
    struct account *total;
    size_t bytes;
    uint8_t data[];
};

static struct account *account_new(void) {
    struct account *account = mem_alloc(sizeof *account);
    atomic_init(&account->bytes, 0);
    atomic_init(&account->users, 1);
    return account;
}

static void account_release(struct account *account) {
    /* Acquire and release: whoever frees must come after all that the others did with it. */
    if (atomic_fetch_sub_explicit(&account->users, 1, memory_order_acq_rel) == 1) mem_free(account);
}

static void account_charge(struct account *account, size_t bytes) {
    atomic_fetch_add_explicit(&account->users, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&account->bytes, bytes, memory_order_relaxed);
}

static void account_credit(struct account *account, size_t bytes) {
    atomic_fetch_sub_explicit(&account->bytes, bytes, memory_order_relaxed);
    account_release(account);
}

/* Only the driver's thread adds, so a sum that fits now still fits when it is charged. */
static bool account_fits(const struct account *account, size_t bytes, size_t bytes_max) {
    return atomic_load_explicit(&account->bytes, memory_order_relaxed) + bytes <= bytes_max;
}

/* libzmq calls this when it needs the bytes no more, on a thread of its own. */
static void reply_free(void *data, void *hint) {
    (void)data;
    struct reply *reply = hint;
    account_credit(reply->client, reply->bytes);
    account_credit(reply->total, reply->bytes);
    mem_free(reply);
}

tr_status zmq_control_open(void *context, const char *endpoint, const key_pair *keys,
                           const struct keyring *ring, struct zmq_control **control_out,
                           tr_error *error) {
    void *socket = NULL;
    tr_status status = zmq_setup_socket(context, ZMQ_ROUTER, &socket, error);
    if (status != TR_OK) return status;
    zmq_setup_int(socket, ZMQ_ROUTER_MANDATORY, 1);
    zmq_setup_int(socket, ZMQ_SNDHWM, REPLIES_WAITING_MAX);
    zmq_setup_int(socket, ZMQ_RCVHWM, REQUESTS_WAITING_MAX);
    zmq_setup_int64(socket, ZMQ_MAXMSGSIZE, ZMQ_CONTROL_REQUEST_BYTES_MAX);
    zmq_setup_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    zmq_setup_int(socket, ZMQ_LINGER, ZMQ_CONTROL_LINGER_MS);
    zmq_setup_keepalive(socket);
    if (keys != NULL) zmq_setup_curve_server(socket, keys, ZMQ_SETUP_CONTROL);

    struct zmq_control *control = mem_zalloc(1, sizeof *control);
    status = zmq_setup_bind(socket, endpoint, keys == NULL, control->endpoint, error);
    if (status != TR_OK) {
        zmq_close(socket);
        mem_free(control);
        return status;
    }
    control->socket = socket;
    control->ring = ring;
    control->total = account_new();
    *control_out = control;
    return TR_OK;
}

void zmq_control_close(struct zmq_control *control) {
    if (control == NULL) return;
    zmq_close(control->socket);
    size_t cursor = 0;
    struct account *account;
    while ((account = map_text_next(&control->accounts, &cursor, NULL)) != NULL) {
        account_release(account);
    }
    map_text_fini(&control->accounts);
    account_release(control->total);
    mem_free(control);
}

const char *zmq_control_endpoint(const struct zmq_control *control) {
    return control->endpoint;
}

int zmq_control_descriptor(const struct zmq_control *control) {
    return zmq_setup_descriptor(control->socket);
}

/* Receives one message of any number of frames; returns that number, 0 when none waits. */
static unsigned receive_message(void *socket, zmq_msg_t *client, zmq_msg_t *request) {
    unsigned count = 0;
    bool more = true;
    while (more) {
        zmq_msg_t surplus;
        zmq_msg_init(&surplus);
        zmq_msg_t *frame = count == 0 ? client : count == 1 ? request : &surplus;
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) break;
        more = zmq_msg_more(frame);
        zmq_msg_close(&surplus);
        if (count < 3) count++;
    }
    return count;
}

/* The name of the key that the message came with; false when that is admitted no more. */
static bool find_user(const struct zmq_control *control, zmq_msg_t *request,
                      char user_out[KEYS_NAME_BYTES]) {
    user_out[0] = '\0';
    if (control->ring == NULL) return true;
    const char *key_text = zmq_msg_gets(request, "User-Id");
    if (key_text == NULL) return false;
    const char *name = keyring_name(control->ring, KEYRING_CONTROL, key_text);
    if (name == NULL) return false;
    /* A copy, since the callback may have the keys read again. */
    memcpy(user_out, name, strlen(name) + 1);
    return true;
}

bool zmq_control_step(struct zmq_control *control, unsigned requests_max,
                      const struct driver_events *events, struct driver_counters *counters) {
    bool waiting = true;
    for (unsigned i = 0; i < requests_max && waiting; i++) {
        zmq_msg_t client, request;
        zmq_msg_init(&client);
        zmq_msg_init(&request);
        char user[KEYS_NAME_BYTES];
        unsigned frames = receive_message(control->socket, &client, &request);
        waiting = frames > 0;
        if (frames == 2 && find_user(control, &request, user)) {
            counters->requests++;
            events->control(events->context, zmq_msg_data(&client), zmq_msg_size(&client), user,
                            zmq_msg_data(&request), zmq_msg_size(&request));
        } else if (waiting) {
            counters->dropped++;
        }
        zmq_msg_close(&client);
        zmq_msg_close(&request);
    }
    return waiting;
}

/* The account of a client, made when it has none. */
static struct account *find_account(struct zmq_control *control, const uint8_t *client,
                                    size_t client_bytes) {
    char text[HANDLE_TEXT_BYTES];
    hex_encode(client, client_bytes, text);
    struct account *account = map_text_find(&control->accounts, text);
    if (account == NULL) {
        account = account_new();
        map_text_put(&control->accounts, text, account);
    }
    return account;
}

/* Sends the frame that says to whom; the next one sent goes there. */
static tr_status address_reply(void *socket, const uint8_t *client, size_t client_bytes) {
    if (zmq_send(socket, client, client_bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) return TR_OK;
    return zmq_errno() == EAGAIN ? TR_EFULL : TR_EUNREACHABLE;
}

tr_status zmq_control_reply(struct zmq_control *control, const uint8_t *client, size_t client_bytes,
                            const uint8_t *bytes, size_t reply_bytes) {
    if (client_bytes == 0 || client_bytes > DRIVER_CLIENT_BYTES) return TR_EINVAL;
    if (reply_bytes > ZMQ_CONTROL_REPLY_BYTES_MAX) return TR_ETOOBIG;
    struct account *account = find_account(control, client, client_bytes);
    if (!account_fits(account, reply_bytes, ZMQ_CONTROL_CLIENT_BYTES_MAX)) return TR_EFULL;
    if (!account_fits(control->total, reply_bytes, ZMQ_CONTROL_TOTAL_BYTES_MAX)) return TR_EFULL;
    tr_status status = address_reply(control->socket, client, client_bytes);
    if (status != TR_OK) return status;

    struct reply *reply = mem_alloc(sizeof *reply + reply_bytes);
    reply->client = account;
    reply->total = control->total;
    reply->bytes = reply_bytes;
    if (reply_bytes > 0) memcpy(reply->data, bytes, reply_bytes);
    account_charge(account, reply_bytes);
    account_charge(control->total, reply_bytes);
    zmq_msg_t message;
    check(zmq_msg_init_data(&message, reply->data, reply_bytes, reply_free, reply) == 0);
    /* Once it is addressed, libzmq takes it, if only to drop it when the client has just gone. */
    if (zmq_msg_send(&message, control->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&message);
        return TR_EUNREACHABLE;
    }
    return TR_OK;
}

void zmq_control_sweep(struct zmq_control *control) {
    size_t cursor = 0;
    const char *handle;
    struct account *account;
    while ((account = map_text_next(&control->accounts, &cursor, &handle)) != NULL) {
        if (atomic_load_explicit(&account->bytes, memory_order_relaxed) > 0) continue;
        map_text_remove(&control->accounts, handle);
        account_release(account);
    }
}
