/*
 * zmq_zap.c - the ZAP handler.
 *
 * A request has 7 frames (version, request id, domain, address, identity, mechanism, key) and a
 * reply 6 (version, request id, status, text, user id, metadata). The user id is the key as Z85:
 * what name it stands for is looked up for each message, so that revoking a key takes effect at
 * once.
 *
 * Links: an unknown key gets 300, which the client takes for a passing failure and tries again; a
 * banned one 400, after which it gives up. Control: always 400, since somebody waits for the
 * reason.
 */
#include "transport/zmq_zap.h"

#include <string.h>
#include <zmq.h>

#include "node/base/check.h"
#include "node/base/log_limiter.h"
#include "node/base/memory.h"
#include "transport/zmq_setup.h"

enum { FRAMES = 7, LINES_PER_INTERVAL = 5 };
static const uint64_t LINES_INTERVAL_NS = 10ull * 1000000000;

enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, KEY };

struct zmq_zap {
    void *socket;
    struct keyring *ring;
    const struct environment *environment;
    log_limiter limiter;
    uint64_t denied;
};

tr_status zmq_zap_open(void *context, struct keyring *ring, const struct environment *environment,
                       struct zmq_zap **zap_out, tr_error *error) {
    void *socket = NULL;
    tr_status status = zmq_setup_socket(context, ZMQ_REP, &socket, error);
    if (status != TR_OK) return status;
    check(zmq_bind(socket, "inproc://zeromq.zap.01") == 0);
    struct zmq_zap *zap = mem_zalloc(1, sizeof *zap);
    zap->socket = socket;
    zap->ring = ring;
    zap->environment = environment;
    log_limiter_init(&zap->limiter, LINES_PER_INTERVAL, LINES_INTERVAL_NS);
    *zap_out = zap;
    return TR_OK;
}

void zmq_zap_close(struct zmq_zap *zap) {
    if (zap == NULL) return;
    zmq_close(zap->socket);
    log_limiter_fini(&zap->limiter);
    mem_free(zap);
}

int zmq_zap_descriptor(const struct zmq_zap *zap) {
    return zmq_setup_descriptor(zap->socket);
}

uint64_t zmq_zap_denied(const struct zmq_zap *zap) {
    return zap->denied;
}

static bool frame_is(zmq_msg_t *frame, const char *text) {
    size_t bytes = strlen(text);
    return zmq_msg_size(frame) == bytes && memcmp(zmq_msg_data(frame), text, bytes) == 0;
}

/* Receives one whole request; returns the number of its frames, the first FRAMES of them in
 * `frames`, or 0 when none waits. */
static unsigned receive_request(void *socket, zmq_msg_t frames[FRAMES]) {
    unsigned count = 0;
    bool more = true;
    while (more) {
        zmq_msg_t surplus;
        zmq_msg_init(&surplus);
        zmq_msg_t *frame = count < FRAMES ? &frames[count] : &surplus;
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) break;
        more = zmq_msg_more(frame);
        zmq_msg_close(&surplus);
        count++;
    }
    return count;
}

/* A denial in the log, with what an operator would do about it. */
static void log_denial(struct zmq_zap *zap, zmq_msg_t frames[FRAMES],
                       enum keyring_verdict verdict) {
    static const log_context context = {.component = "driver"};
    const struct environment *environment = zap->environment;
    uint64_t now_ns = environment_now_ns(environment);
    char key_text[KEYS_TEXT_BYTES];
    keys_text(zmq_msg_data(&frames[KEY]), key_text);
    const char *why = verdict == KEYRING_BANNED ? "its key is banned"
                                                : "its key is in no .pub file of the keys folder";
    log_write_limited(
        environment->logger, &zap->limiter, now_ns, TR_WARN, &context,
        "refused a connection from %.*s to %.*s: %s (key %s)", (int)zmq_msg_size(&frames[ADDRESS]),
        (const char *)zmq_msg_data(&frames[ADDRESS]), (int)zmq_msg_size(&frames[DOMAIN]),
        (const char *)zmq_msg_data(&frames[DOMAIN]), why, key_text);
}

/* Reads the folder of keys again, unless that was done a moment ago. */
static void refresh_keys(struct zmq_zap *zap) {
    static const log_context context = {.component = "driver"};
    const struct environment *environment = zap->environment;
    uint64_t now_ns = environment_now_ns(environment);
    tr_error error;
    tr_status status = keyring_refresh(zap->ring, now_ns, &error);
    if (status == TR_OK || status == TR_EBUSY) return;
    log_write_limited(environment->logger, &zap->limiter, now_ns, TR_ERROR, &context,
                      "keys not read again, those known before stay in force: %s", error.message);
}

/* Decides on a well-formed request: 200, 300 or 400. */
static const char *decide(struct zmq_zap *zap, zmq_msg_t frames[FRAMES]) {
    bool control = frame_is(&frames[DOMAIN], ZMQ_SETUP_CONTROL);
    if (!control && !frame_is(&frames[DOMAIN], ZMQ_SETUP_LINKS)) return "400";
    enum keyring_door door = control ? KEYRING_CONTROL : KEYRING_LINKS;
    const uint8_t *key = zmq_msg_data(&frames[KEY]);

    enum keyring_verdict verdict = keyring_judge(zap->ring, door, key);
    if (verdict == KEYRING_UNKNOWN) {
        refresh_keys(zap);
        verdict = keyring_judge(zap->ring, door, key);
    }
    if (verdict == KEYRING_ADMITTED) return "200";
    log_denial(zap, frames, verdict);
    return control || verdict == KEYRING_BANNED ? "400" : "300";
}

static void send_part(void *socket, const void *data, size_t bytes, int flags) {
    /* The pipe to a handshake has no high-water mark; one that ended meanwhile swallows the reply.
     */
    (void)zmq_send(socket, data, bytes, flags | ZMQ_DONTWAIT);
}

static void send_reply(struct zmq_zap *zap, zmq_msg_t frames[FRAMES], const char *status) {
    char user[KEYS_TEXT_BYTES] = "";
    bool admitted = status[0] == '2';
    if (admitted) keys_text(zmq_msg_data(&frames[KEY]), user);
    const char *text = admitted ? "OK" : "no access";
    void *socket = zap->socket;
    send_part(socket, "1.0", 3, ZMQ_SNDMORE);
    send_part(socket, zmq_msg_data(&frames[REQUEST_ID]), zmq_msg_size(&frames[REQUEST_ID]),
              ZMQ_SNDMORE);
    send_part(socket, status, 3, ZMQ_SNDMORE);
    send_part(socket, text, strlen(text), ZMQ_SNDMORE);
    send_part(socket, user, strlen(user), ZMQ_SNDMORE);
    send_part(socket, "", 0, 0);
}

/* Answers one request; false when none waits. */
static bool answer_one(struct zmq_zap *zap) {
    zmq_msg_t frames[FRAMES];
    for (unsigned i = 0; i < FRAMES; i++) zmq_msg_init(&frames[i]);
    unsigned count = receive_request(zap->socket, frames);
    if (count > 0) {
        bool proper = count == FRAMES && frame_is(&frames[VERSION], "1.0") &&
                      frame_is(&frames[MECHANISM], "CURVE") &&
                      zmq_msg_size(&frames[KEY]) == KEYS_BYTES;
        const char *status = proper ? decide(zap, frames) : "400";
        if (status[0] != '2') zap->denied++;
        send_reply(zap, frames, status);
    }
    for (unsigned i = 0; i < FRAMES; i++) zmq_msg_close(&frames[i]);
    return count > 0;
}

bool zmq_zap_step(struct zmq_zap *zap, unsigned requests_max) {
    for (unsigned i = 0; i < requests_max; i++) {
        if (!answer_one(zap)) return false;
    }
    return true;
}
