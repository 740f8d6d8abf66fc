/*
 * zmq_fixture.h - for the tests of the ZeroMQ driver: a folder of keys, and ends that remember what
 * came.
 *
 * An end is a driver on loopback with ports the system picks. Nothing sleeps: `fixture_until` gives
 * each end turns until a condition holds or a deadline passes.
 */
#ifndef TROUPE_TRANSPORT_ZMQ_FIXTURE_H
#define TROUPE_TRANSPORT_ZMQ_FIXTURE_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/buffer.h"
#include "node/base/clock.h"
#include "node/base/environment.h"
#include "node/base/keys.h"
#include "transport/zmq_driver.h"

enum { FIXTURE_ENDS_MAX = 16, FIXTURE_DEADLINE_S = 20 };

/* One driver and what it has told. */
struct end {
    struct driver driver;
    key_pair keys;
    size_t frames;
    size_t frame_bytes;  /* in total */
    struct buffer frame; /* the last one */
    char user[KEYS_NAME_BYTES];
    size_t ready; /* how often a peer came up */
    size_t requests;
    struct buffer request; /* the last one */
    uint8_t client[DRIVER_CLIENT_BYTES];
    size_t client_bytes;
    bool echo; /* answers each request with itself */
};

struct fixture {
    char keys_dir[64];
    struct environment environment;
    struct end *ends[FIXTURE_ENDS_MAX];
    size_t ends_count;
};

static inline void fixture_frame(void *context, const char *user, const uint8_t *bytes,
                                 size_t frame_bytes) {
    struct end *end = context;
    end->frames++;
    end->frame_bytes += frame_bytes;
    buffer_clear(&end->frame);
    buffer_append(&end->frame, bytes, frame_bytes);
    snprintf(end->user, sizeof end->user, "%s", user);
}

static inline void fixture_control(void *context, const uint8_t *client, size_t client_bytes,
                                   const char *user, const uint8_t *bytes, size_t request_bytes) {
    struct end *end = context;
    end->requests++;
    buffer_clear(&end->request);
    buffer_append(&end->request, bytes, request_bytes);
    snprintf(end->user, sizeof end->user, "%s", user);
    memcpy(end->client, client, client_bytes);
    end->client_bytes = client_bytes;
    if (end->echo) driver_control_reply(&end->driver, client, client_bytes, bytes, request_bytes);
}

static inline void fixture_ready(void *context, uint32_t peer) {
    (void)peer;
    ((struct end *)context)->ready++;
}

static inline struct fixture *fixture_new(void) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    strcpy(fixture->keys_dir, "/tmp/troupe-driver-XXXXXX");
    cr_assert(mkdtemp(fixture->keys_dir) != NULL);
    environment_real(&fixture->environment, NULL);
    return fixture;
}

/* Removes a folder that mkdtemp made. */
static inline void fixture_remove(const char *folder) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert(eq(int, system(command), 0));
}

static inline void fixture_close(struct end *end) {
    if (end->driver.ops != NULL) driver_close(&end->driver);
    end->driver.ops = NULL;
}

static inline void fixture_free(struct fixture *fixture) {
    for (size_t i = 0; i < fixture->ends_count; i++) {
        fixture_close(fixture->ends[i]);
        buffer_fini(&fixture->ends[i]->frame);
        buffer_fini(&fixture->ends[i]->request);
        free(fixture->ends[i]);
    }
    fixture_remove(fixture->keys_dir);
    free(fixture);
}

static inline void fixture_keys(struct fixture *fixture, const char *directory, const char *name,
                                key_pair *keys_out) {
    tr_error error;
    tr_status status = keys_load_or_make(directory, name, fixture->environment.random_bytes,
                                         fixture->environment.context, keys_out, &error);
    cr_assert(status == TR_OK, "%s", error.message);
}

/* Options of an end; a NULL name is plaintext. Makes the keys of `name` in the folder. */
static inline struct zmq_driver_options fixture_options(struct fixture *fixture, struct end *end,
                                                        const char *name) {
    if (name != NULL) fixture_keys(fixture, fixture->keys_dir, name, &end->keys);
    return (struct zmq_driver_options){
        .listen = "tcp://127.0.0.1:0",
        .control = "tcp://127.0.0.1:0",
        .security = name == NULL ? TR_SECURITY_NONE : TR_SECURITY_CURVE,
        .keys = name == NULL ? NULL : &end->keys,
        .keys_dir = name == NULL ? NULL : fixture->keys_dir,
        .events = {.context = end,
                   .frame = fixture_frame,
                   .control = fixture_control,
                   .ready = fixture_ready},
        .environment = &fixture->environment,
    };
}

/* Adds an end without a driver yet. */
static inline struct end *fixture_add(struct fixture *fixture) {
    cr_assert(fixture->ends_count < FIXTURE_ENDS_MAX);
    struct end *end = calloc(1, sizeof *end);
    fixture->ends[fixture->ends_count++] = end;
    return end;
}

static inline void fixture_open_with(struct end *end, const struct zmq_driver_options *options) {
    tr_error error;
    tr_status status = zmq_driver_open(options, &end->driver, &error);
    cr_assert(status == TR_OK, "%s", error.message);
}

static inline struct end *fixture_open(struct fixture *fixture, const char *name) {
    struct end *end = fixture_add(fixture);
    struct zmq_driver_options options = fixture_options(fixture, end, name);
    fixture_open_with(end, &options);
    return end;
}

static inline void fixture_connect(struct end *from, uint32_t peer, const char *endpoint,
                                   const key_pair *server) {
    tr_error error;
    tr_status status = driver_connect(&from->driver, peer, endpoint,
                                      server == NULL ? NULL : server->curve_public, &error);
    cr_assert(status == TR_OK, "%s", error.message);
}

/* Gives each open end a turn of a millisecond. */
static inline void fixture_turn(struct fixture *fixture) {
    for (size_t i = 0; i < fixture->ends_count; i++) {
        if (fixture->ends[i]->driver.ops == NULL) continue;
        driver_wait(&fixture->ends[i]->driver, clock_monotonic_ns() + 1000000);
    }
}

static inline bool fixture_late(uint64_t begin_ns) {
    return clock_monotonic_ns() - begin_ns > FIXTURE_DEADLINE_S * 1000000000ull;
}

/* Turns until `condition` holds; the test fails when that takes too long. */
#define fixture_until(fixture, condition)                                            \
    do {                                                                             \
        uint64_t begin_ns_ = clock_monotonic_ns();                                   \
        while (!(condition)) {                                                       \
            cr_assert(not(fixture_late(begin_ns_)), "too late for: %s", #condition); \
            fixture_turn(fixture);                                                   \
        }                                                                            \
    } while (0)

/* Turns for a time in which something must not happen. */
static inline void fixture_turn_for(struct fixture *fixture, unsigned ms) {
    uint64_t end_ns = clock_monotonic_ns() + ms * 1000000ull;
    while (clock_monotonic_ns() < end_ns) fixture_turn(fixture);
}

/* Sends, with turns, until the connection takes it. */
static inline void fixture_send(struct fixture *fixture, struct end *from, uint32_t peer,
                                const char *text) {
    fixture_until(fixture,
                  driver_send(&from->driver, peer, (const uint8_t *)text, strlen(text)) == TR_OK);
}

static inline bool fixture_holds(const struct buffer *buffer, const char *text) {
    return buffer->bytes == strlen(text) && memcmp(buffer->data, text, buffer->bytes) == 0;
}

#endif
