/*
 * zmq_driver.c - the sockets of the links, and the loop that serves them all.
 *
 * A ZeroMQ socket has one descriptor, edge-triggered and for commands, not for messages: it
 * becomes readable once, and any call on the socket may take that signal away. So each inbound
 * socket has a `pending` mark, set by an edge and by calls that may have swallowed one, and cleared
 * only when a receive has found nothing; the loop never sleeps while a mark is set. PUSH sockets
 * are touched at each edge and once a second, so that they run their commands.
 */
#include "transport/zmq_driver.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include "node/base/check.h"
#include "node/base/endpoint.h"
#include "node/base/memory.h"
#include "transport/frame_pool.h"
#include "transport/keyring.h"
#include "transport/zmq_control.h"
#include "transport/zmq_peers.h"
#include "transport/zmq_setup.h"
#include "transport/zmq_zap.h"

enum {
    FRAME_BYTES_DEFAULT = (1 << 20) + (64 << 10),
    FRAMES_WAITING_DEFAULT = 1000,
    /* What one wait delivers at most. */
    FRAMES_PER_WAIT = 64,
    BYTES_PER_WAIT = 256 << 10,
    REQUESTS_PER_WAIT = 16,
    HANDSHAKES_PER_WAIT = 32,
    EVENTS_PER_WAIT = 64,

    HANDSHAKE_MS = 3000,
    BACKLOG = 512,
};

static const uint64_t TOUCH_NS = 1000000000;

/* What an epoll event is about: a source, and for SOURCE_PEER the peer's number in the low half. */
enum source { SOURCE_WAKE, SOURCE_LINKS, SOURCE_CONTROL, SOURCE_ZAP, SOURCE_PEER };

/* Whether the owner sleeps in epoll_wait, or was told not to.
 *
 *     RUNNING --wait--> SLEEPING --wake, with a write to the eventfd--> WOKEN
 *     RUNNING --wake--> WOKEN, and the next wait does not sleep
 *     any     --wait returns--> RUNNING */
enum { RUNNING, SLEEPING, WOKEN };

struct zmq_driver {
    const struct environment *environment;
    struct driver_events events;
    bool plaintext;
    key_pair keys;
    struct keyring *ring; /* NULL in plaintext, as `zap` */
    void *context;
    struct zmq_zap *zap;
    void *links;                 /* PULL */
    struct zmq_control *control; /* NULL: no control endpoint */
    bool links_pending;
    bool control_pending;
    bool zap_pending;
    struct zmq_peers *peers;
    struct frame_pool *frames;
    uint64_t touch_ns; /* when to touch all peers next */
    int epoll;
    int eventfd;
    atomic_int sleep; /* RUNNING, SLEEPING, WOKEN */
    struct driver_counters counters;
    char endpoint[ENDPOINT_TEXT_BYTES];
};

/* ---- the loop ---- */

static void touch(struct zmq_driver *driver, uint64_t now_ns) {
    if (now_ns < driver->touch_ns) return;
    driver->touch_ns = now_ns + TOUCH_NS;
    zmq_peers_touch_all(driver->peers);
    if (driver->control != NULL) zmq_control_sweep(driver->control);
}

/* Something came before this wait and was not taken yet. */
static bool something_waits(const struct zmq_driver *driver) {
    return driver->links_pending || driver->control_pending || driver->zap_pending ||
           zmq_peers_announcing(driver->peers);
}

static int sleep_ms(const struct zmq_driver *driver, uint64_t deadline_ns, uint64_t now_ns) {
    uint64_t until_ns = deadline_ns < driver->touch_ns ? deadline_ns : driver->touch_ns;
    if (until_ns <= now_ns) return 0;
    return (int)((until_ns - now_ns + 999999) / 1000000); /* touch_ns keeps it small */
}

static void take_event(struct zmq_driver *driver, uint64_t data) {
    uint64_t count;
    switch ((enum source)(data >> 32)) {
        case SOURCE_WAKE:
            /* May have been read already; it is there only to end the sleep. */
            (void)!read(driver->eventfd, &count, sizeof count);
            zmq_peers_step(driver->peers);
            break;
        case SOURCE_LINKS:
            driver->links_pending = true;
            break;
        case SOURCE_CONTROL:
            driver->control_pending = true;
            break;
        case SOURCE_ZAP:
            driver->zap_pending = true;
            break;
        case SOURCE_PEER:
            zmq_peers_touch(driver->peers, (uint32_t)data);
            break;
    }
}

/* Waits until something happens and marks what has to be looked at; false at the deadline. */
static bool sleep_and_mark(struct zmq_driver *driver, int timeout_ms) {
    struct epoll_event events[EVENTS_PER_WAIT];
    int expected = RUNNING, count = 0;
    if (timeout_ms == 0)
        count = epoll_wait(driver->epoll, events, EVENTS_PER_WAIT, 0);
    else if (atomic_compare_exchange_strong(&driver->sleep, &expected, SLEEPING))
        count = epoll_wait(driver->epoll, events, EVENTS_PER_WAIT, timeout_ms);
    /* Sees what the one who woke us wrote before, since it exchanged this value too. */
    bool woken = atomic_exchange(&driver->sleep, RUNNING) == WOKEN;
    for (int i = 0; i < count; i++) take_event(driver, events[i].data.u64);
    return woken || count > 0;
}

/* The name of the key that the frame came with; false when that is admitted no more. */
static bool find_user(const struct zmq_driver *driver, zmq_msg_t *frame,
                      char user_out[KEYS_NAME_BYTES]) {
    user_out[0] = '\0';
    if (driver->plaintext) return true;
    const char *key_text = zmq_msg_gets(frame, "User-Id");
    if (key_text == NULL) return false;
    const char *name = keyring_name(driver->ring, KEYRING_LINKS, key_text);
    if (name == NULL) return false;
    /* A copy, since the callback may have the keys read again. */
    memcpy(user_out, name, strlen(name) + 1);
    return true;
}

/* Receives one message of a peer; false when none waits. `*single_out` tells whether it was one
 * frame. */
static bool receive_frame(struct zmq_driver *driver, zmq_msg_t *frame, bool *single_out) {
    if (zmq_msg_recv(frame, driver->links, ZMQ_DONTWAIT) < 0) return false;
    *single_out = !zmq_msg_more(frame);
    while (zmq_msg_more(frame)) {
        if (zmq_msg_recv(frame, driver->links, ZMQ_DONTWAIT) < 0) break;
    }
    return true;
}

static void deliver_frames(struct zmq_driver *driver) {
    size_t bytes = 0;
    for (unsigned i = 0; i < FRAMES_PER_WAIT && bytes < BYTES_PER_WAIT; i++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        bool single = false;
        driver->links_pending = receive_frame(driver, &frame, &single);
        if (!driver->links_pending) {
            zmq_msg_close(&frame);
            return;
        }
        char user[KEYS_NAME_BYTES];
        size_t frame_bytes = zmq_msg_size(&frame);
        if (single && find_user(driver, &frame, user)) {
            driver->counters.frames_received++;
            driver->counters.bytes_received += frame_bytes;
            driver->events.frame(driver->events.context, user, zmq_msg_data(&frame), frame_bytes);
        } else {
            driver->counters.dropped++;
        }
        bytes += frame_bytes;
        zmq_msg_close(&frame);
    }
}

static bool driver_op_wait(void *context, uint64_t deadline_ns) {
    struct zmq_driver *driver = context;
    uint64_t now_ns = environment_now_ns(driver->environment);
    touch(driver, now_ns);
    bool pending = something_waits(driver);
    bool happened = sleep_and_mark(driver, pending ? 0 : sleep_ms(driver, deadline_ns, now_ns));

    if (driver->zap_pending) driver->zap_pending = zmq_zap_step(driver->zap, HANDSHAKES_PER_WAIT);
    if (driver->control_pending) {
        /* A reply from within may swallow an edge: it sets the mark, so this must not clear it. */
        driver->control_pending = false;
        if (zmq_control_step(driver->control, REQUESTS_PER_WAIT, &driver->events,
                             &driver->counters)) {
            driver->control_pending = true;
        }
    }
    if (driver->links_pending) deliver_frames(driver);
    zmq_peers_announce(driver->peers, &driver->events);
    return happened || pending;
}

static void driver_op_wake(void *context) {
    struct zmq_driver *driver = context;
    /* Publishes what the caller wrote before to the owner, which exchanges this value when it
     * awakes. */
    if (atomic_exchange(&driver->sleep, WOKEN) != SLEEPING) return;
    int saved = errno; /* a signal handler must not change it */
    uint64_t one = 1;
    (void)!write(driver->eventfd, &one, sizeof one);
    errno = saved;
}

/* ---- the rest ---- */

static tr_status driver_op_connect(void *context, uint32_t peer, const char *endpoint,
                                   const uint8_t *server_key, tr_error *error) {
    struct zmq_driver *driver = context;
    return zmq_peers_connect(driver->peers, peer, endpoint, server_key, error);
}

static void driver_op_disconnect(void *context, uint32_t peer) {
    struct zmq_driver *driver = context;
    zmq_peers_disconnect(driver->peers, peer);
}

/* Counts a frame that was taken. */
static tr_status count_sent(struct zmq_driver *driver, tr_status status, size_t frame_bytes) {
    if (status != TR_OK) return status;
    driver->counters.frames_sent++;
    driver->counters.bytes_sent += frame_bytes;
    return TR_OK;
}

static tr_status driver_op_send(void *context, uint32_t peer, const uint8_t *frame,
                                size_t frame_bytes) {
    struct zmq_driver *driver = context;
    tr_status status = zmq_peers_send(driver->peers, peer, frame, frame_bytes);
    return count_sent(driver, status, frame_bytes);
}

static tr_status driver_op_send_buffer(void *context, uint32_t peer, struct buffer *frame) {
    struct zmq_driver *driver = context;
    size_t frame_bytes = frame->bytes;
    tr_status status = zmq_peers_send_buffer(driver->peers, peer, frame);
    return count_sent(driver, status, frame_bytes);
}

static tr_status driver_op_reply(void *context, const uint8_t *client, size_t client_bytes,
                                 const uint8_t *bytes, size_t reply_bytes) {
    struct zmq_driver *driver = context;
    if (driver->control == NULL) return TR_EUNREACHABLE;
    driver->control_pending = true; /* the send may swallow the edge of a request */
    tr_status status = zmq_control_reply(driver->control, client, client_bytes, bytes, reply_bytes);
    if (status == TR_OK) driver->counters.replies++;
    return status;
}

static tr_status driver_op_reload_keys(void *context, tr_error *error) {
    struct zmq_driver *driver = context;
    return driver->ring == NULL ? TR_OK : keyring_reload(driver->ring, error);
}

static const char *driver_op_endpoint(void *context) {
    struct zmq_driver *driver = context;
    return driver->endpoint;
}

static const char *driver_op_control_endpoint(void *context) {
    struct zmq_driver *driver = context;
    return driver->control == NULL ? "" : zmq_control_endpoint(driver->control);
}

static void driver_op_counters(void *context, struct driver_counters *counters_out) {
    struct zmq_driver *driver = context;
    *counters_out = driver->counters;
    if (driver->zap != NULL) counters_out->denied = zmq_zap_denied(driver->zap);
}

/* Also takes back one that was opened half. Everything that libzmq owns goes before the context,
 * which waits for its sockets; they linger 0, but for the control socket's moment. */
static void driver_op_close(void *context) {
    struct zmq_driver *driver = context;
    zmq_peers_free(driver->peers);
    if (driver->links != NULL) zmq_close(driver->links);
    zmq_control_close(driver->control);
    zmq_zap_close(driver->zap);
    if (driver->context != NULL) {
        while (zmq_ctx_term(driver->context) != 0 && zmq_errno() == EINTR) continue;
    }
    frame_pool_free(driver->frames); /* all has come back: the context is gone */
    keyring_close(driver->ring);
    if (driver->epoll >= 0) close(driver->epoll);
    if (driver->eventfd >= 0) close(driver->eventfd);
    keys_wipe(&driver->keys);
    mem_free(driver);
}

static const struct driver_ops zmq_driver_ops = {
    .connect = driver_op_connect,
    .disconnect = driver_op_disconnect,
    .send = driver_op_send,
    .send_buffer = driver_op_send_buffer,
    .control_reply = driver_op_reply,
    .wait = driver_op_wait,
    .wake = driver_op_wake,
    .reload_keys = driver_op_reload_keys,
    .endpoint = driver_op_endpoint,
    .control_endpoint = driver_op_control_endpoint,
    .counters = driver_op_counters,
    .close = driver_op_close,
};

/* ---- opening ---- */

static tr_status check_options(const struct zmq_driver_options *options, tr_error *error) {
    const char *missing = NULL;
    if (options->listen == NULL) missing = "listen";
    if (options->environment == NULL) missing = "environment";
    if (options->events.frame == NULL) missing = "events.frame";
    if (options->control != NULL && options->events.control == NULL) missing = "events.control";
    if (options->security == TR_SECURITY_CURVE) {
        if (options->keys == NULL) missing = "keys";
        if (options->keys_dir == NULL) missing = "keys_dir";
    }
    if (missing == NULL) return TR_OK;
    return error_set(error, TR_EINVAL, NULL, "the driver needs the option '%s'", missing);
}

static tr_status open_links(struct zmq_driver *driver, const struct zmq_driver_options *options,
                            tr_error *error) {
    tr_status status = zmq_setup_socket(driver->context, ZMQ_PULL, &driver->links, error);
    if (status != TR_OK) return status;
    uint32_t bytes_max = options->frame_bytes_max;
    uint32_t waiting_max = options->frames_waiting_max;
    zmq_setup_int64(driver->links, ZMQ_MAXMSGSIZE, bytes_max ? bytes_max : FRAME_BYTES_DEFAULT);
    zmq_setup_int(driver->links, ZMQ_RCVHWM,
                  waiting_max == 0            ? FRAMES_WAITING_DEFAULT
                  : waiting_max > INT_MAX - 1 ? INT_MAX
                                              : (int)waiting_max);
    zmq_setup_int(driver->links, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    zmq_setup_int(driver->links, ZMQ_BACKLOG, BACKLOG);
    zmq_setup_keepalive(driver->links);
    if (!driver->plaintext) zmq_setup_curve_server(driver->links, &driver->keys, ZMQ_SETUP_LINKS);
    return zmq_setup_bind(driver->links, options->listen, driver->plaintext, driver->endpoint,
                          error);
}

/* The handler of ZAP comes before the sockets that ask it. */
static tr_status open_sockets(struct zmq_driver *driver, const struct zmq_driver_options *options,
                              tr_error *error) {
    tr_status status = zmq_setup_context(&driver->context, error);
    if (status != TR_OK) return status;
    if (!driver->plaintext) {
        driver->keys = *options->keys;
        status = keyring_open(options->keys_dir, &driver->ring, error);
        if (status != TR_OK) return status;
        status =
            zmq_zap_open(driver->context, driver->ring, driver->environment, &driver->zap, error);
        if (status != TR_OK) return status;
    }
    status = open_links(driver, options, error);
    if (status != TR_OK || options->control == NULL) return status;
    return zmq_control_open(driver->context, options->control,
                            driver->plaintext ? NULL : &driver->keys, driver->ring,
                            &driver->control, error);
}

static tr_status explain_epoll(tr_error *error) {
    return error_set(error, TR_EIO, "raise the limit of open files (ulimit -n)",
                     "cannot wait for input: %s", strerror(errno));
}

static tr_status open_epoll(struct zmq_driver *driver, tr_error *error) {
    driver->epoll = epoll_create1(EPOLL_CLOEXEC);
    driver->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool opened = driver->epoll >= 0 && driver->eventfd >= 0;
    return opened ? TR_OK : explain_epoll(error);
}

static bool watch(struct zmq_driver *driver, int descriptor, enum source source) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = (uint64_t)source << 32};
    return epoll_ctl(driver->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

static tr_status watch_sockets(struct zmq_driver *driver, tr_error *error) {
    bool watched = watch(driver, driver->eventfd, SOURCE_WAKE) &&
                   watch(driver, zmq_setup_descriptor(driver->links), SOURCE_LINKS);
    if (watched && driver->control != NULL) {
        watched = watch(driver, zmq_control_descriptor(driver->control), SOURCE_CONTROL);
    }
    if (watched && driver->zap != NULL) {
        watched = watch(driver, zmq_zap_descriptor(driver->zap), SOURCE_ZAP);
    }
    return watched ? TR_OK : explain_epoll(error);
}

static void prepare_peers(struct zmq_driver *driver) {
    struct zmq_peers_options options = {
        .context = driver->context,
        .environment = driver->environment,
        .keys = driver->plaintext ? NULL : &driver->keys,
        .epoll = driver->epoll,
        .eventfd = driver->eventfd,
        .event_data = (uint64_t)SOURCE_PEER << 32,
        .frames = driver->frames,
    };
    driver->peers = zmq_peers_new(&options);
}

tr_status zmq_driver_open(const struct zmq_driver_options *options, struct driver *driver_out,
                          tr_error *error) {
    tr_status status = check_options(options, error);
    if (status != TR_OK) return status;
    struct zmq_driver *driver = mem_zalloc(1, sizeof *driver);
    driver->environment = options->environment;
    driver->events = options->events;
    driver->plaintext = options->security == TR_SECURITY_NONE;
    driver->frames = frame_pool_new();
    driver->epoll = -1;
    driver->eventfd = -1;
    driver->links_pending = true; /* the first wait looks before it sleeps */
    atomic_init(&driver->sleep, RUNNING);
    status = open_epoll(driver, error);
    if (status == TR_OK) status = open_sockets(driver, options, error);
    if (status == TR_OK) status = watch_sockets(driver, error);
    if (status != TR_OK) {
        driver_op_close(driver);
        return status;
    }
    prepare_peers(driver);
    driver->control_pending = driver->control != NULL;
    driver->zap_pending = driver->zap != NULL;
    *driver_out = (struct driver){.ops = &zmq_driver_ops, .context = driver};
    return TR_OK;
}
