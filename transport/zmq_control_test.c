/*
 * zmq_control_test.c - control clients against a ZeroMQ driver, with bare DEALER sockets.
 */
#include "transport/zmq_control.h"

#include <zmq.h>

#include "transport/zmq_fixture.h"

TestSuite(zmq_control, .timeout = 120);

/* A client's socket, encrypted when `keys` are given; frames it sends wait until it is connected.
 */
static void *client_open(void *context, const char *endpoint, const key_pair *keys,
                         const key_pair *server) {
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int zero = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    if (keys != NULL) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server->curve_public, KEYS_BYTES);
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->curve_public, KEYS_BYTES);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->curve_secret, KEYS_BYTES);
    }
    cr_assert(eq(int, zmq_connect(socket, endpoint), 0));
    return socket;
}

/* Waits, with turns of the drivers, for a message; returns its bytes. */
static int client_receive(struct fixture *fixture, void *socket, char *text, size_t room) {
    int bytes = -1;
    fixture_until(fixture, (bytes = zmq_recv(socket, text, room, ZMQ_DONTWAIT)) >= 0);
    return bytes;
}

Test(zmq_control, a_request_is_answered_and_names_its_key) {
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, "n1");
    node->echo = true;
    key_pair keys;
    fixture_keys(fixture, fixture->keys_dir, "operate.local", &keys);
    void *context = zmq_ctx_new();
    void *client = client_open(context, driver_control_endpoint(&node->driver), &keys, &node->keys);
    zmq_send(client, "{\"id\":1}", 8, 0);
    char text[64];
    cr_assert(eq(int, client_receive(fixture, client, text, sizeof text), 8));
    cr_assert(memcmp(text, "{\"id\":1}", 8) == 0);
    cr_assert(eq(str, node->user, "operate.local"));
    zmq_close(client);
    zmq_ctx_term(context);
    fixture_free(fixture);
}

Test(zmq_control, a_key_added_after_the_start_is_admitted_at_once) {
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, "n1");
    node->echo = true;
    void *context = zmq_ctx_new();
    for (int i = 0; i < 3; i++) {
        char name[32], text[64];
        snprintf(name, sizeof name, "observe.user%d", i);
        key_pair keys;
        fixture_keys(fixture, fixture->keys_dir, name, &keys);
        void *client =
            client_open(context, driver_control_endpoint(&node->driver), &keys, &node->keys);
        zmq_send(client, "x", 1, 0);
        client_receive(fixture, client, text, sizeof text);
        cr_assert(eq(str, node->user, name));
        zmq_close(client);
    }
    zmq_ctx_term(context);
    fixture_free(fixture);
}

Test(zmq_control, a_nodes_key_and_a_strangers_do_not_open_it) {
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, "n1");
    key_pair peer, stranger;
    fixture_keys(fixture, fixture->keys_dir, "n2", &peer);
    keys_make(&stranger, fixture->environment.random_bytes, fixture->environment.context);
    void *context = zmq_ctx_new();
    const char *endpoint = driver_control_endpoint(&node->driver);
    void *clients[] = {client_open(context, endpoint, &peer, &node->keys),
                       client_open(context, endpoint, &stranger, &node->keys),
                       client_open(context, endpoint, NULL, NULL)};
    for (int i = 0; i < 3; i++) zmq_send(clients[i], "x", 1, 0);
    struct driver_counters counters = {0};
    fixture_until(fixture, (driver_counters(&node->driver, &counters), counters.denied == 2));
    fixture_turn_for(fixture, 100);
    cr_assert(eq(sz, node->requests, 0));
    for (int i = 0; i < 3; i++) zmq_close(clients[i]);
    zmq_ctx_term(context);
    fixture_free(fixture);
}

Test(zmq_control, ten_clients_each_get_their_own_answers) {
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, "n1");
    node->echo = true;
    key_pair keys;
    fixture_keys(fixture, fixture->keys_dir, "operate.local", &keys);
    void *context = zmq_ctx_new();
    void *clients[10];
    char text[64], expected[64];
    for (int i = 0; i < 10; i++) {
        clients[i] =
            client_open(context, driver_control_endpoint(&node->driver), &keys, &node->keys);
    }
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 10; i++) {
            int bytes = snprintf(text, sizeof text, "client %d round %d", i, round);
            cr_assert(eq(int, zmq_send(clients[i], text, (size_t)bytes, 0), bytes));
        }
        for (int i = 9; i >= 0; i--) {
            int bytes = snprintf(expected, sizeof expected, "client %d round %d", i, round);
            cr_assert(eq(int, client_receive(fixture, clients[i], text, sizeof text), bytes));
            cr_assert(memcmp(text, expected, (size_t)bytes) == 0);
        }
    }
    cr_assert(eq(sz, node->requests, 200));
    for (int i = 0; i < 10; i++) zmq_close(clients[i]);
    zmq_ctx_term(context);
    fixture_free(fixture);
}

Test(zmq_control, several_replies_to_one_request_keep_their_order) {
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, NULL);
    void *context = zmq_ctx_new();
    void *client = client_open(context, driver_control_endpoint(&node->driver), NULL, NULL);
    zmq_send(client, "x", 1, 0);
    fixture_until(fixture, node->requests == 1);
    cr_assert(eq(str, node->user, ""));
    char text[64], expected[64];
    for (int i = 0; i < 100; i++) {
        int bytes = snprintf(text, sizeof text, "progress %d", i);
        cr_assert(eq(int,
                     driver_control_reply(&node->driver, node->client, node->client_bytes,
                                          (uint8_t *)text, (size_t)bytes),
                     TR_OK));
    }
    for (int i = 0; i < 100; i++) {
        int bytes = snprintf(expected, sizeof expected, "progress %d", i);
        cr_assert(eq(int, client_receive(fixture, client, text, sizeof text), bytes));
        cr_assert(memcmp(text, expected, (size_t)bytes) == 0);
    }
    zmq_close(client);
    zmq_ctx_term(context);
    fixture_free(fixture);
}

Test(zmq_control, a_reply_to_a_client_that_is_gone_is_refused) {
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, NULL);
    void *context = zmq_ctx_new();
    void *client = client_open(context, driver_control_endpoint(&node->driver), NULL, NULL);
    zmq_send(client, "x", 1, 0);
    fixture_until(fixture, node->requests == 1);
    zmq_close(client);
    zmq_ctx_term(context);
    fixture_until(fixture, driver_control_reply(&node->driver, node->client, node->client_bytes,
                                                (const uint8_t *)"x", 1) == TR_EUNREACHABLE);
    cr_assert(eq(int, driver_control_reply(&node->driver, (const uint8_t *)"no", 2, NULL, 0),
                 TR_EUNREACHABLE));
    cr_assert(
        eq(int, driver_control_reply(&node->driver, (const uint8_t *)"", 0, NULL, 0), TR_EINVAL));
    fixture_free(fixture);
}

Test(zmq_control, a_request_that_comes_while_replies_are_sent_is_not_overlooked) {
    /* Sending takes away the signal that something came in. */
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, NULL);
    void *context = zmq_ctx_new();
    void *client = client_open(context, driver_control_endpoint(&node->driver), NULL, NULL);
    zmq_send(client, "first", 5, 0);
    fixture_until(fixture, node->requests == 1);
    zmq_send(client, "second", 6, 0);
    /* Few, so that the client's reading of them makes no signal of its own; apart, since libzmq
     * looks for signals only so often. */
    uint64_t begin_ns = clock_monotonic_ns();
    for (int replies = 0; replies < 20;) {
        if (clock_monotonic_ns() - begin_ns < replies * 5000000ull) continue;
        driver_control_reply(&node->driver, node->client, node->client_bytes, (uint8_t *)"x", 1);
        replies++;
    }
    cr_assert(eq(sz, node->requests, 1));
    driver_wait(&node->driver, UINT64_MAX);
    cr_assert(eq(sz, node->requests, 2));
    zmq_close(client);
    zmq_ctx_term(context);
    fixture_free(fixture);
}

/* Replies of `bytes` until one is refused; returns how many were taken. */
static size_t reply_until_full(struct fixture *fixture, struct end *node, size_t bytes) {
    uint8_t *reply = calloc(1, bytes);
    size_t taken = 0;
    tr_status status;
    while ((status = driver_control_reply(&node->driver, node->client, node->client_bytes, reply,
                                          bytes)) == TR_OK) {
        taken++;
        cr_assert(lt(sz, taken, 100000));
        fixture_turn(fixture);
    }
    cr_assert(eq(int, status, TR_EFULL));
    free(reply);
    return taken;
}

Test(zmq_control, a_client_that_does_not_read_holds_a_bounded_number_of_bytes) {
    /* Otherwise one forgotten `troupe logs -f` would grow the node without end. */
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, NULL);
    void *context = zmq_ctx_new();
    void *lazy = zmq_socket(context, ZMQ_DEALER);
    int one = 1, zero = 0;
    zmq_setsockopt(lazy, ZMQ_RCVHWM, &one, sizeof one);
    zmq_setsockopt(lazy, ZMQ_LINGER, &zero, sizeof zero);
    cr_assert(eq(int, zmq_connect(lazy, driver_control_endpoint(&node->driver)), 0));
    zmq_send(lazy, "x", 1, 0);
    fixture_until(fixture, node->requests == 1);
    size_t large = reply_until_full(fixture, node, 4 << 20);
    /* Time does not forgive it: besides the limit there is only what the client's own queue and the
     * kernel's take. */
    fixture_turn_for(fixture, 1200);
    large += reply_until_full(fixture, node, 4 << 20);
    cr_assert(ge(sz, large * (4 << 20), ZMQ_CONTROL_CLIENT_BYTES_MAX));
    cr_assert(le(sz, large * (4 << 20), ZMQ_CONTROL_CLIENT_BYTES_MAX + (24 << 20)));

    /* Another client is served meanwhile, and the first again once it has read. */
    void *other = client_open(context, driver_control_endpoint(&node->driver), NULL, NULL);
    uint8_t lazy_handle[DRIVER_CLIENT_BYTES];
    size_t lazy_bytes = node->client_bytes;
    memcpy(lazy_handle, node->client, lazy_bytes);
    node->echo = true;
    zmq_send(other, "hello", 5, 0);
    char text[64];
    cr_assert(eq(int, client_receive(fixture, other, text, sizeof text), 5));
    for (size_t i = 0; i < large; i++) {
        cr_assert(eq(int, client_receive(fixture, lazy, text, sizeof text), 4 << 20));
    }
    fixture_until(fixture, driver_control_reply(&node->driver, lazy_handle, lazy_bytes,
                                                (const uint8_t *)"y", 1) == TR_OK);
    zmq_close(lazy);
    zmq_close(other);
    zmq_ctx_term(context);
    fixture_free(fixture);
}

Test(zmq_control, many_small_unread_replies_are_bounded_too) {
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, NULL);
    void *context = zmq_ctx_new();
    void *lazy = zmq_socket(context, ZMQ_DEALER);
    int one = 1, zero = 0;
    zmq_setsockopt(lazy, ZMQ_RCVHWM, &one, sizeof one);
    zmq_setsockopt(lazy, ZMQ_RCVBUF, &one, sizeof one);
    zmq_setsockopt(lazy, ZMQ_LINGER, &zero, sizeof zero);
    cr_assert(eq(int, zmq_connect(lazy, driver_control_endpoint(&node->driver)), 0));
    zmq_send(lazy, "x", 1, 0);
    fixture_until(fixture, node->requests == 1);
    uint8_t reply[1024] = {0};
    size_t taken = 0;
    while (driver_control_reply(&node->driver, node->client, node->client_bytes, reply,
                                sizeof reply) == TR_OK) {
        cr_assert(lt(sz, ++taken, 20000));
        driver_wait(&node->driver, 0);
    }
    cr_assert(ge(sz, taken, 1000));
    zmq_close(lazy);
    zmq_ctx_term(context);
    fixture_free(fixture);
}

Test(zmq_control, replies_and_requests_that_are_too_large_are_refused) {
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, NULL);
    void *context = zmq_ctx_new();
    const char *endpoint = driver_control_endpoint(&node->driver);
    void *client = client_open(context, endpoint, NULL, NULL);
    zmq_send(client, "x", 1, 0);
    fixture_until(fixture, node->requests == 1);
    size_t bytes = ZMQ_CONTROL_REPLY_BYTES_MAX + 1;
    uint8_t *large = calloc(1, bytes);
    cr_assert(
        eq(int, driver_control_reply(&node->driver, node->client, node->client_bytes, large, bytes),
           TR_ETOOBIG));
    void *hostile = client_open(context, endpoint, NULL, NULL);
    zmq_send(hostile, large, bytes, 0);
    fixture_turn_for(fixture, 300);
    cr_assert(eq(sz, node->requests, 1));
    node->echo = true;
    zmq_send(client, "still here", 10, 0);
    char text[64];
    cr_assert(eq(int, client_receive(fixture, client, text, sizeof text), 10));
    zmq_close(client);
    zmq_close(hostile);
    zmq_ctx_term(context);
    free(large);
    fixture_free(fixture);
}

Test(zmq_control, messages_of_several_frames_are_dropped_and_counted) {
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, NULL);
    node->echo = true;
    void *context = zmq_ctx_new();
    void *client = client_open(context, driver_control_endpoint(&node->driver), NULL, NULL);
    zmq_send(client, "", 0, ZMQ_SNDMORE);
    zmq_send(client, "in an envelope", 14, 0);
    for (int i = 0; i < 50; i++) zmq_send(client, "part", 4, ZMQ_SNDMORE);
    zmq_send(client, "end", 3, 0);
    zmq_send(client, "proper", 6, 0);
    char text[64];
    cr_assert(eq(int, client_receive(fixture, client, text, sizeof text), 6));
    struct driver_counters counters;
    driver_counters(&node->driver, &counters);
    cr_assert(eq(u64, counters.dropped, 2));
    cr_assert(eq(u64, counters.requests, 1));
    cr_assert(eq(u64, counters.replies, 1));
    zmq_close(client);
    zmq_ctx_term(context);
    fixture_free(fixture);
}

Test(zmq_control, a_client_that_takes_anothers_name_gets_none_of_its_answers) {
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, NULL);
    node->echo = true;
    void *context = zmq_ctx_new();
    void *clients[2];
    for (int i = 0; i < 2; i++) {
        int zero = 0;
        clients[i] = zmq_socket(context, ZMQ_DEALER);
        zmq_setsockopt(clients[i], ZMQ_LINGER, &zero, sizeof zero);
        zmq_setsockopt(clients[i], ZMQ_ROUTING_ID, "alice", 5);
        zmq_connect(clients[i], driver_control_endpoint(&node->driver));
        char text[8] = "hello";
        zmq_send(clients[i], text, 5, 0);
        if (i == 0) client_receive(fixture, clients[0], text, sizeof text);
    }
    fixture_turn_for(fixture, 300);
    cr_assert(eq(sz, node->requests, 1)); /* the second one is not heard at all */
    char text[8];
    zmq_send(clients[0], "again", 5, 0);
    cr_assert(eq(int, client_receive(fixture, clients[0], text, sizeof text), 5));
    cr_assert(eq(int, zmq_recv(clients[1], text, sizeof text, ZMQ_DONTWAIT), -1));
    for (int i = 0; i < 2; i++) zmq_close(clients[i]);
    zmq_ctx_term(context);
    fixture_free(fixture);
}

Test(zmq_control, the_last_replies_leave_before_the_driver_is_gone) {
    /* `troupe down` must hear that it worked. */
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, "n1");
    key_pair keys;
    fixture_keys(fixture, fixture->keys_dir, "operate.local", &keys);
    void *context = zmq_ctx_new();
    void *client = client_open(context, driver_control_endpoint(&node->driver), &keys, &node->keys);
    zmq_send(client, "stop", 4, 0);
    fixture_until(fixture, node->requests == 1);
    size_t bytes = 4 << 20;
    uint8_t *reply = calloc(1, bytes);
    for (int i = 0; i < 2; i++) {
        cr_assert(
            eq(int,
               driver_control_reply(&node->driver, node->client, node->client_bytes, reply, bytes),
               TR_OK));
    }
    fixture_close(node);
    char text[8];
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(int, client_receive(fixture, client, text, sizeof text), (int)bytes));
    }
    free(reply);
    zmq_close(client);
    zmq_ctx_term(context);
    fixture_free(fixture);
}

Test(zmq_control, closing_does_not_hang_on_a_client_that_reads_nothing) {
    struct fixture *fixture = fixture_new();
    struct end *node = fixture_open(fixture, NULL);
    void *context = zmq_ctx_new();
    void *lazy = zmq_socket(context, ZMQ_DEALER);
    int one = 1, zero = 0;
    zmq_setsockopt(lazy, ZMQ_RCVHWM, &one, sizeof one);
    zmq_setsockopt(lazy, ZMQ_LINGER, &zero, sizeof zero);
    zmq_connect(lazy, driver_control_endpoint(&node->driver));
    zmq_send(lazy, "x", 1, 0);
    fixture_until(fixture, node->requests == 1);
    reply_until_full(fixture, node, 4 << 20);
    uint64_t begin_ns = clock_monotonic_ns();
    fixture_close(node);
    cr_assert(lt(u64, clock_monotonic_ns() - begin_ns, 3000000000));
    zmq_close(lazy);
    zmq_ctx_term(context);
    fixture_free(fixture);
}
