/*
 * zmq_driver_test.c - frames between ZeroMQ drivers over real loopback sockets.
 */
#include "transport/zmq_driver.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "transport/zmq_fixture.h"

TestSuite(zmq_driver, .timeout = 120);

/* A raw TCP connection to the port of a tcp://127.0.0.1 endpoint. */
static int raw_connect(const char *endpoint) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0);
    return descriptor;
}

static size_t open_descriptors(void) {
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL) count++;
    closedir(folder);
    return count;
}

/* ---- frames ---- */

Test(zmq_driver, frames_go_both_ways_in_plaintext_without_a_name) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    struct end *b = fixture_open(fixture, NULL);
    fixture_connect(a, 1, driver_endpoint(&b->driver), NULL);
    fixture_connect(b, 2, driver_endpoint(&a->driver), NULL);
    fixture_send(fixture, a, 1, "to b");
    fixture_send(fixture, b, 2, "to a");
    fixture_until(fixture, a->frames == 1 && b->frames == 1);
    cr_assert(fixture_holds(&b->frame, "to b"));
    cr_assert(fixture_holds(&a->frame, "to a"));
    cr_assert(eq(str, b->user, ""));
    fixture_free(fixture);
}

Test(zmq_driver, frames_go_both_ways_under_curve_and_carry_the_senders_name) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_open(fixture, "n2");
    fixture_connect(a, 1, driver_endpoint(&b->driver), &b->keys);
    fixture_connect(b, 1, driver_endpoint(&a->driver), &a->keys);
    fixture_send(fixture, a, 1, "to b");
    fixture_send(fixture, b, 1, "to a");
    fixture_until(fixture, a->frames == 1 && b->frames == 1);
    cr_assert(eq(str, a->user, "n2"));
    cr_assert(eq(str, b->user, "n1"));
    fixture_free(fixture);
}

Test(zmq_driver, within_one_connection_nothing_is_lost_or_out_of_order) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_open(fixture, "n2");
    fixture_connect(a, 1, driver_endpoint(&b->driver), &b->keys);
    fixture_until(fixture, a->ready == 1);
    char text[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "%d", i);
        cr_assert(eq(int, driver_send(&a->driver, 1, (uint8_t *)text, strlen(text)), TR_OK));
    }
    for (size_t seen = 0; seen < 5000;) {
        fixture_until(fixture, b->frames > seen);
        seen = b->frames;
        snprintf(text, sizeof text, "%zu", seen - 1);
        cr_assert(fixture_holds(&b->frame, text), "frame %zu is another", seen - 1);
    }
    fixture_free(fixture);
}

Test(zmq_driver, one_wait_delivers_a_bounded_number) {
    /* So that the owner gets to its other work under any load. */
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    struct end *b = fixture_open(fixture, NULL);
    fixture_connect(a, 1, driver_endpoint(&b->driver), NULL);
    fixture_until(fixture, a->ready == 1);
    for (int i = 0; i < 5000; i++) driver_send(&a->driver, 1, (const uint8_t *)"x", 1);
    size_t before = 0;
    uint64_t begin_ns = clock_monotonic_ns();
    while (b->frames < 5000) {
        cr_assert(not(fixture_late(begin_ns)));
        driver_wait(&b->driver, UINT64_MAX); /* must not sleep on what it left over */
        cr_assert(le(sz, b->frames - before, 256));
        before = b->frames;
    }
    cr_assert(lt(u64, clock_monotonic_ns() - begin_ns, 5000000000));
    fixture_free(fixture);
}

Test(zmq_driver, a_buffer_is_taken_whole_when_small_and_when_large) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_open(fixture, "n2");
    fixture_connect(a, 1, driver_endpoint(&b->driver), &b->keys);
    fixture_until(fixture, a->ready == 1);
    size_t sizes[] = {0, 1, 100, 16 << 10, 1 << 20};
    struct buffer frame;
    buffer_init(&frame);
    for (size_t i = 0; i < 5; i++) {
        memset(buffer_reserve(&frame, sizes[i] + 1), 'a' + (int)i, sizes[i]);
        frame.bytes = sizes[i];
        cr_assert(eq(int, driver_send_buffer(&a->driver, 1, &frame), TR_OK));
        cr_assert(eq(sz, frame.bytes, 0));
        fixture_until(fixture, b->frames == i + 1);
        cr_assert(eq(sz, b->frame.bytes, sizes[i]));
        for (size_t j = 0; j < sizes[i]; j++) cr_assert(b->frame.data[j] == 'a' + i);
    }
    buffer_fini(&frame);
    fixture_free(fixture);
}

Test(zmq_driver, a_buffer_that_is_not_taken_is_untouched) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    fixture_connect(a, 1, "tcp://127.0.0.1:1", NULL); /* nobody listens there */
    struct buffer frame;
    buffer_init(&frame);
    for (size_t bytes = 10; bytes < (1 << 20); bytes *= 100) {
        buffer_clear(&frame);
        memset(buffer_reserve(&frame, bytes), 'x', bytes);
        frame.bytes = bytes;
        cr_assert(eq(int, driver_send_buffer(&a->driver, 1, &frame), TR_EUNREACHABLE));
        cr_assert(eq(int, driver_send_buffer(&a->driver, 7, &frame), TR_EUNREACHABLE));
        cr_assert(eq(sz, frame.bytes, bytes));
        cr_assert(frame.data[bytes - 1] == 'x');
    }
    buffer_fini(&frame);
    fixture_free(fixture);
}

Test(zmq_driver, sending_without_a_connection_is_refused_at_once) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    fixture_connect(a, 1, "tcp://127.0.0.1:1", NULL);
    cr_assert(eq(int, driver_send(&a->driver, 1, (const uint8_t *)"x", 1), TR_EUNREACHABLE));
    cr_assert(eq(int, driver_send(&a->driver, 99, (const uint8_t *)"x", 1), TR_EUNREACHABLE));
    driver_disconnect(&a->driver, 99);
    fixture_free(fixture);
}

Test(zmq_driver, a_unix_socket_works_as_well) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_add(fixture);
    struct zmq_driver_options options = fixture_options(fixture, b, "n2");
    char path[128];
    snprintf(path, sizeof path, "ipc://%s/socket", fixture->keys_dir);
    options.listen = path;
    fixture_open_with(b, &options);
    cr_assert(eq(str, (char *)driver_endpoint(&b->driver), path));
    fixture_connect(a, 1, path, &b->keys);
    fixture_send(fixture, a, 1, "hello");
    fixture_until(fixture, b->frames == 1);
    cr_assert(eq(str, b->user, "n1"));
    fixture_free(fixture);
}

Test(zmq_driver, counters_count) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    struct end *b = fixture_open(fixture, NULL);
    fixture_connect(a, 1, driver_endpoint(&b->driver), NULL);
    fixture_send(fixture, a, 1, "12345");
    fixture_until(fixture, b->frames == 1);
    struct driver_counters counters;
    driver_counters(&a->driver, &counters);
    cr_assert(eq(u64, counters.frames_sent, 1));
    cr_assert(eq(u64, counters.bytes_sent, 5));
    driver_counters(&b->driver, &counters);
    cr_assert(eq(u64, counters.frames_received, 1));
    cr_assert(eq(u64, counters.bytes_received, 5));
    fixture_free(fixture);
}

/* ---- connections ---- */

Test(zmq_driver, a_peer_that_starts_again_at_its_port_is_found_again) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_open(fixture, "n2");
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "%s", driver_endpoint(&b->driver));
    fixture_connect(a, 1, endpoint, &b->keys);
    fixture_send(fixture, a, 1, "first life");
    fixture_until(fixture, b->frames == 1);
    fixture_close(b);
    /* The loss of the connection is noticed, and then sends are refused, not queued for the next
     * life. */
    fixture_until(fixture, driver_send(&a->driver, 1, (const uint8_t *)"lost", 4) != TR_OK);

    struct end *again = fixture_add(fixture);
    struct zmq_driver_options options = fixture_options(fixture, again, "n2");
    options.listen = endpoint;
    fixture_open_with(again, &options);
    fixture_until(fixture, a->ready == 2);
    fixture_send(fixture, a, 1, "second life");
    fixture_until(fixture, again->frames == 1);
    cr_assert(fixture_holds(&again->frame, "second life"));
    fixture_free(fixture);
}

Test(zmq_driver, connecting_before_the_peer_listens_is_fine) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    struct end *b = fixture_open(fixture, NULL);
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "%s", driver_endpoint(&b->driver));
    fixture_close(b);
    fixture_connect(a, 1, endpoint, NULL);
    fixture_turn_for(fixture, 400); /* at least one attempt fails */
    struct end *late = fixture_add(fixture);
    struct zmq_driver_options options = fixture_options(fixture, late, NULL);
    options.listen = endpoint;
    fixture_open_with(late, &options);
    fixture_until(fixture, a->ready == 1);
    fixture_send(fixture, a, 1, "hello");
    fixture_until(fixture, late->frames == 1);
    fixture_free(fixture);
}

Test(zmq_driver, connecting_again_leads_to_the_new_place_only) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    struct end *b = fixture_open(fixture, NULL);
    struct end *c = fixture_open(fixture, NULL);
    fixture_connect(a, 1, driver_endpoint(&b->driver), NULL);
    fixture_send(fixture, a, 1, "to b");
    fixture_connect(a, 1, driver_endpoint(&c->driver), NULL);
    fixture_send(fixture, a, 1, "to c");
    fixture_until(fixture, c->frames == 1);
    cr_assert(fixture_holds(&c->frame, "to c"));
    cr_assert(le(sz, b->frames, 1)); /* what was not sent yet may be lost */
    driver_disconnect(&a->driver, 1);
    cr_assert(eq(int, driver_send(&a->driver, 1, (const uint8_t *)"x", 1), TR_EUNREACHABLE));
    fixture_free(fixture);
}

static void connect_refused(struct end *end, const char *endpoint, const uint8_t *key) {
    tr_error error;
    cr_assert(eq(int, driver_connect(&end->driver, 1, endpoint, key, &error), TR_EINVAL));
    cr_assert(strlen(error.message) > 10);
}

Test(zmq_driver, only_proper_endpoints_and_keys_are_connected_to) {
    struct fixture *fixture = fixture_new();
    struct end *plain = fixture_open(fixture, NULL);
    struct end *secure = fixture_open(fixture, "n1");
    connect_refused(plain, "udp://127.0.0.1:5555", NULL);
    connect_refused(plain, "inproc://zeromq.zap.01", NULL);
    connect_refused(plain, "tcp://127.0.0.1:0", NULL);
    connect_refused(plain, "tcp://*:5555", NULL);
    connect_refused(plain, "tcp://127.0.0.1;127.0.0.1:5555", NULL);
    connect_refused(plain, "", NULL);
    connect_refused(plain, "tcp://127.0.0.1:5555", secure->keys.curve_public);
    /* Above all, a missing key must not mean an open line. */
    connect_refused(secure, "tcp://127.0.0.1:5555", NULL);
    fixture_free(fixture);
}

Test(zmq_driver, a_hosts_name_is_looked_up) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_open(fixture, "n2");
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "tcp://localhost%s",
             strrchr(driver_endpoint(&b->driver), ':'));
    fixture_connect(a, 1, endpoint, &b->keys);
    fixture_send(fixture, a, 1, "hello");
    fixture_until(fixture, b->frames == 1);
    for (int i = 0; i < 20; i++) { /* also when nobody waits for the outcome */
        fixture_connect(a, 1, endpoint, &b->keys);
        if (i % 2) driver_disconnect(&a->driver, 1);
    }
    fixture_connect(a, 1, endpoint, &b->keys);
    fixture_free(fixture);
}

Test(zmq_driver, a_host_that_cannot_be_resolved_harms_nobody) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    struct end *b = fixture_open(fixture, NULL);
    fixture_connect(a, 1, "tcp://no-such-host.invalid:7101", NULL);
    fixture_connect(a, 2, driver_endpoint(&b->driver), NULL);
    fixture_send(fixture, a, 2, "hello");
    fixture_until(fixture, b->frames == 1);
    cr_assert(eq(int, driver_send(&a->driver, 1, (const uint8_t *)"x", 1), TR_EUNREACHABLE));
    fixture_free(fixture);
}

/* ---- keys ---- */

Test(zmq_driver, a_wrong_server_key_never_gets_a_frame_and_the_driver_stays_healthy) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_open(fixture, "n2");
    key_pair stranger;
    fixture_keys(fixture, fixture->keys_dir, "n3", &stranger);
    fixture_connect(a, 1, driver_endpoint(&b->driver), &stranger);
    fixture_turn_for(fixture, 700);
    cr_assert(eq(int, driver_send(&a->driver, 1, (const uint8_t *)"secret", 6), TR_EUNREACHABLE));
    cr_assert(eq(sz, b->frames, 0));
    fixture_connect(a, 1, driver_endpoint(&b->driver), &b->keys);
    fixture_send(fixture, a, 1, "right");
    fixture_until(fixture, b->frames == 1);
    fixture_free(fixture);
}

/* An end whose keys are in a folder of its own, which knows none of the others. */
static struct end *open_stranger(struct fixture *fixture, const char *name, char *folder) {
    strcpy(folder, "/tmp/troupe-driver-XXXXXX");
    cr_assert(mkdtemp(folder) != NULL);
    struct end *end = fixture_add(fixture);
    struct zmq_driver_options options = fixture_options(fixture, end, NULL);
    fixture_keys(fixture, folder, name, &end->keys);
    options.security = TR_SECURITY_CURVE;
    options.keys = &end->keys;
    options.keys_dir = folder;
    fixture_open_with(end, &options);
    return end;
}

static void copy_public(const char *from, const char *to, const char *name, const char *as) {
    char command[512];
    snprintf(command, sizeof command, "mkdir -p %s && cp %s/%s.pub %s/%s.pub", to, from, name, to,
             as);
    cr_assert(eq(int, system(command), 0));
}

Test(zmq_driver, an_unknown_key_is_denied_and_admitted_once_its_file_is_there) {
    struct fixture *fixture = fixture_new();
    struct end *b = fixture_open(fixture, "n2");
    char folder[64];
    struct end *a = open_stranger(fixture, "n1", folder);
    fixture_connect(a, 1, driver_endpoint(&b->driver), &b->keys);
    struct driver_counters counters = {0};
    fixture_until(fixture, (driver_counters(&b->driver, &counters), counters.denied > 0));
    cr_assert(eq(int, driver_send(&a->driver, 1, (const uint8_t *)"x", 1), TR_EUNREACHABLE));

    copy_public(folder, fixture->keys_dir, "n1", "n1");
    fixture_send(fixture, a, 1, "let me in"); /* nobody reloads and nobody reconnects */
    fixture_until(fixture, b->frames == 1);
    cr_assert(eq(str, b->user, "n1"));
    fixture_remove(folder);
    fixture_free(fixture);
}

Test(zmq_driver, a_control_clients_key_does_not_open_the_links) {
    struct fixture *fixture = fixture_new();
    struct end *b = fixture_open(fixture, "n2");
    struct end *client = fixture_open(fixture, "operate.local");
    fixture_connect(client, 1, driver_endpoint(&b->driver), &b->keys);
    struct driver_counters counters = {0};
    fixture_until(fixture, (driver_counters(&b->driver, &counters), counters.denied > 0));
    cr_assert(eq(int, driver_send(&client->driver, 1, (const uint8_t *)"x", 1), TR_EUNREACHABLE));
    fixture_free(fixture);
}

Test(zmq_driver, frames_of_a_revoked_key_are_dropped_though_it_is_still_connected) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_open(fixture, "n2");
    fixture_connect(a, 1, driver_endpoint(&b->driver), &b->keys);
    fixture_send(fixture, a, 1, "before");
    fixture_until(fixture, b->frames == 1);

    char path[128];
    snprintf(path, sizeof path, "%s/n1.pub", fixture->keys_dir);
    cr_assert(eq(int, unlink(path), 0));
    cr_assert(eq(int, driver_reload_keys(&b->driver, NULL), TR_OK));
    fixture_send(fixture, a, 1, "after");
    struct driver_counters counters = {0};
    fixture_until(fixture, (driver_counters(&b->driver, &counters), counters.dropped == 1));
    cr_assert(eq(sz, b->frames, 1));
    fixture_free(fixture);
}

Test(zmq_driver, a_banned_key_is_refused_though_it_is_also_admitted) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    char banned[128];
    snprintf(banned, sizeof banned, "%s/banned", fixture->keys_dir);
    copy_public(fixture->keys_dir, banned, "n1", "n1");
    struct end *b = fixture_open(fixture, "n2");
    fixture_connect(a, 1, driver_endpoint(&b->driver), &b->keys);
    struct driver_counters counters = {0};
    fixture_until(fixture, (driver_counters(&b->driver, &counters), counters.denied > 0));
    cr_assert(eq(int, driver_send(&a->driver, 1, (const uint8_t *)"x", 1), TR_EUNREACHABLE));

    /* 400 has made the connecting socket give up for good; connecting anew is what cures it. */
    snprintf(banned, sizeof banned, "%s/banned/n1.pub", fixture->keys_dir);
    cr_assert(eq(int, unlink(banned), 0));
    cr_assert(eq(int, driver_reload_keys(&b->driver, NULL), TR_OK));
    fixture_connect(a, 1, driver_endpoint(&b->driver), &b->keys);
    fixture_send(fixture, a, 1, "forgiven");
    fixture_until(fixture, b->frames == 1);
    fixture_free(fixture);
}

Test(zmq_driver, a_plaintext_node_and_an_encrypted_one_do_not_meet) {
    struct fixture *fixture = fixture_new();
    struct end *plain = fixture_open(fixture, NULL);
    struct end *secure = fixture_open(fixture, "n1");
    fixture_connect(plain, 1, driver_endpoint(&secure->driver), NULL);
    fixture_connect(secure, 1, driver_endpoint(&plain->driver), &secure->keys);
    fixture_turn_for(fixture, 500);
    cr_assert(eq(int, driver_send(&plain->driver, 1, (const uint8_t *)"x", 1), TR_EUNREACHABLE));
    cr_assert(eq(int, driver_send(&secure->driver, 1, (const uint8_t *)"x", 1), TR_EUNREACHABLE));
    fixture_free(fixture);
}

Test(zmq_driver, keys_are_made_at_first_use_and_are_the_same_at_the_second) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    key_pair again;
    fixture_keys(fixture, fixture->keys_dir, "n1", &again);
    cr_assert(memcmp(&again, &a->keys, sizeof again) == 0);
    char path[128];
    snprintf(path, sizeof path, "%s/n1.key", fixture->keys_dir);
    struct stat found;
    cr_assert(eq(int, stat(path, &found), 0));
    cr_assert(eq(int, found.st_mode & 0777, 0600));
    fixture_free(fixture);
}

/* ---- hostile bytes ---- */

static void throw_garbage(const char *endpoint, size_t bytes, unsigned seed) {
    int descriptor = raw_connect(endpoint);
    uint8_t garbage[4096];
    for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = (uint8_t)rand_r(&seed);
    size_t sent = 0;
    while (sent < bytes) {
        ssize_t taken = send(descriptor, garbage, sizeof garbage, MSG_NOSIGNAL);
        if (taken <= 0) break; /* thrown out */
        sent += (size_t)taken;
    }
    close(descriptor);
}

Test(zmq_driver, garbage_at_either_port_harms_nobody) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_open(fixture, "n2");
    fixture_connect(a, 1, driver_endpoint(&b->driver), &b->keys);
    fixture_send(fixture, a, 1, "before");
    for (unsigned seed = 0; seed < 20; seed++) {
        throw_garbage(driver_endpoint(&b->driver), 64 << 10, seed);
        throw_garbage(driver_control_endpoint(&b->driver), 64 << 10, seed);
        fixture_turn(fixture);
    }
    fixture_send(fixture, a, 1, "after");
    fixture_until(fixture, b->frames == 2);
    cr_assert(eq(sz, b->requests, 0));
    fixture_free(fixture);
}

Test(zmq_driver, a_connection_that_says_nothing_is_cut_off) {
    struct fixture *fixture = fixture_new();
    struct end *b = fixture_open(fixture, "n2");
    int descriptor = raw_connect(driver_endpoint(&b->driver));
    uint8_t greeting[128];
    ssize_t got;
    do { /* the greeting comes, and then, after the time for a handshake, the end */
        fixture_until(fixture,
                      (got = recv(descriptor, greeting, sizeof greeting, MSG_DONTWAIT)) >= 0);
    } while (got > 0);
    close(descriptor);
    fixture_free(fixture);
}

Test(zmq_driver, an_oversized_frame_is_refused_and_connecting_again_cures_the_sender) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_add(fixture);
    struct zmq_driver_options options = fixture_options(fixture, b, "n2");
    options.frame_bytes_max = 10000;
    fixture_open_with(b, &options);
    fixture_connect(a, 1, driver_endpoint(&b->driver), &b->keys);
    fixture_until(fixture, a->ready == 1);
    uint8_t *large = calloc(1, 100000);
    cr_assert(eq(int, driver_send(&a->driver, 1, large, 100000), TR_OK));
    fixture_turn_for(fixture, 200);
    cr_assert(eq(sz, b->frames, 0));
    /* What the link above does when no answer came. */
    fixture_connect(a, 1, driver_endpoint(&b->driver), &b->keys);
    fixture_send(fixture, a, 1, "small");
    fixture_until(fixture, b->frames == 1);
    cr_assert(fixture_holds(&b->frame, "small"));
    free(large);
    fixture_free(fixture);
}

/* ---- opening ---- */

static void open_refused(struct fixture *fixture, const char *listen, const char *control,
                         tr_status expected, const char *mentions) {
    struct end *end = fixture_add(fixture);
    struct zmq_driver_options options = fixture_options(fixture, end, NULL);
    options.listen = listen;
    options.control = control;
    tr_error error = {0};
    tr_status status = zmq_driver_open(&options, &end->driver, &error);
    cr_assert(eq(int, status, expected), "%s: %s", listen, error.message);
    cr_assert(strstr(error.message, mentions) != NULL, "'%s' lacks '%s'", error.message, mentions);
    cr_assert(end->driver.ops == NULL);
}

Test(zmq_driver, a_port_in_use_is_an_error_that_names_it_and_says_what_to_do) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    const char *links = driver_endpoint(&a->driver);
    const char *control = driver_control_endpoint(&a->driver);
    open_refused(fixture, links, "tcp://127.0.0.1:0", TR_EIO, links);
    open_refused(fixture, "tcp://127.0.0.1:0", control, TR_EIO, control);
    struct end *end = fixture_add(fixture);
    struct zmq_driver_options options = fixture_options(fixture, end, NULL);
    options.listen = links;
    tr_error error = {0};
    zmq_driver_open(&options, &end->driver, &error);
    cr_assert(strstr(error.hint, "port") != NULL);
    fixture_free(fixture);
}

Test(zmq_driver, a_unix_socket_in_use_is_not_stolen_and_a_plain_file_not_removed) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_add(fixture);
    struct zmq_driver_options options = fixture_options(fixture, a, NULL);
    char path[128];
    snprintf(path, sizeof path, "ipc://%s/socket", fixture->keys_dir);
    options.listen = path;
    fixture_open_with(a, &options);
    open_refused(fixture, path, NULL, TR_EIO, "listens there already");

    char file[128];
    snprintf(file, sizeof file, "ipc://%s/precious", fixture->keys_dir);
    fclose(fopen(file + 6, "w"));
    open_refused(fixture, file, NULL, TR_EIO, "no socket");
    cr_assert(eq(int, access(file + 6, F_OK), 0));
    fixture_free(fixture);
}

Test(zmq_driver, bad_places_to_listen_are_refused_by_name) {
    struct fixture *fixture = fixture_new();
    open_refused(fixture, "tcp://0.0.0.0:0", NULL, TR_EREFUSED, "tcp://0.0.0.0:0");
    open_refused(fixture, "tcp://*:0", NULL, TR_EREFUSED, "without keys");
    open_refused(fixture, "tcp://[::]:0", NULL, TR_EREFUSED, "without keys");
    open_refused(fixture, "tcp://127.0.0.1:0", "tcp://*:0", TR_EREFUSED, "without keys");
    open_refused(fixture, "tcp://no-such-host.invalid:0", NULL, TR_ENOENT, "no-such-host.invalid");
    open_refused(fixture, "tcp://127.0.0.1", NULL, TR_EINVAL, "no port");
    open_refused(fixture, "http://127.0.0.1:80", NULL, TR_EINVAL, "http");
    open_refused(fixture, "ipc:///no/such/folder/socket", NULL, TR_EIO, "/no/such/folder");
    fixture_free(fixture);
}

Test(zmq_driver, with_keys_it_may_listen_beyond_loopback) {
    struct fixture *fixture = fixture_new();
    struct end *end = fixture_add(fixture);
    struct zmq_driver_options options = fixture_options(fixture, end, "n1");
    options.listen = "tcp://*:0";
    options.control = NULL;
    fixture_open_with(end, &options);
    cr_assert(eq(int, strncmp(driver_endpoint(&end->driver), "tcp://0.0.0.0:", 14), 0));
    cr_assert(eq(str, (char *)driver_control_endpoint(&end->driver), ""));
    fixture_free(fixture);
}

Test(zmq_driver, curve_without_keys_is_refused) {
    struct fixture *fixture = fixture_new();
    struct end *end = fixture_add(fixture);
    struct zmq_driver_options options = fixture_options(fixture, end, NULL);
    options.security = TR_SECURITY_CURVE;
    tr_error error;
    cr_assert(eq(int, zmq_driver_open(&options, &end->driver, &error), TR_EINVAL));
    fixture_free(fixture);
}

/* ---- waiting ---- */

Test(zmq_driver, wait_keeps_its_deadline) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    driver_wait(&a->driver, 0);
    driver_wait(&a->driver, 0);
    uint64_t begin_ns = clock_monotonic_ns();
    driver_wait(&a->driver, begin_ns + 50000000);
    cr_assert(ge(u64, clock_monotonic_ns() - begin_ns, 50000000));
    driver_wait(&a->driver, begin_ns); /* past: returns at once */
    driver_wait(&a->driver, 0);
    fixture_free(fixture);
}

struct waker {
    struct driver driver;
    unsigned value; /* plain on purpose: wake must publish it */
};

static void *run_waker(void *context) {
    struct waker *waker = context;
    waker->value = 1;
    driver_wake(&waker->driver);
    return NULL;
}

Test(zmq_driver, wake_from_another_thread_ends_a_wait) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    for (int i = 0; i < 100; i++) {
        struct waker waker = {.driver = a->driver};
        uint64_t begin_ns = clock_monotonic_ns();
        pthread_t thread;
        cr_assert(eq(int, pthread_create(&thread, NULL, run_waker, &waker), 0));
        /* Whether the wake comes before, during or just after falling asleep, it is not lost. */
        while (*(volatile unsigned *)&waker.value == 0) driver_wait(&a->driver, UINT64_MAX);
        cr_assert(lt(u64, clock_monotonic_ns() - begin_ns, 900000000));
        pthread_join(thread, NULL);
    }
    fixture_free(fixture);
}

Test(zmq_driver, a_wake_before_the_wait_is_not_lost) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, NULL);
    driver_wait(&a->driver, 0);
    driver_wait(&a->driver, 0);
    for (int i = 0; i < 3; i++) driver_wake(&a->driver);
    uint64_t begin_ns = clock_monotonic_ns();
    driver_wait(&a->driver, UINT64_MAX);
    cr_assert(lt(u64, clock_monotonic_ns() - begin_ns, 500000000));
    begin_ns = clock_monotonic_ns();
    driver_wait(&a->driver, begin_ns + 20000000); /* and three are consumed as one */
    cr_assert(ge(u64, clock_monotonic_ns() - begin_ns, 20000000));
    fixture_free(fixture);
}

static double cpu_seconds(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

Test(zmq_driver, idle_costs_next_to_nothing) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_open(fixture, "n2");
    for (uint32_t i = 0; i < 8; i++) {
        fixture_connect(a, i, driver_endpoint(&b->driver), &b->keys);
    }
    fixture_until(fixture, a->ready == 8);
    double before = cpu_seconds();
    uint64_t end_ns = clock_monotonic_ns() + 3000000000;
    while (clock_monotonic_ns() < end_ns) driver_wait(&a->driver, end_ns);
    cr_assert(lt(dbl, cpu_seconds() - before, 0.5 / 100 * 3));
    fixture_free(fixture);
}

/* ---- leaks ---- */

static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert(eq(int, fscanf(file, "%*s %ld", &pages), 1));
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Not NULL in a program made with AddressSanitizer. */
extern void __asan_init(void) __attribute__((weak));

static void connect_and_disconnect(struct fixture *fixture, struct end *a, struct end *b,
                                   unsigned rounds) {
    for (unsigned i = 0; i < rounds; i++) {
        size_t frames = b->frames;
        fixture_connect(a, i, driver_endpoint(&b->driver), &b->keys);
        fixture_send(fixture, a, i, "hello");
        fixture_until(fixture, b->frames == frames + 1);
        driver_disconnect(&a->driver, i);
    }
}

Test(zmq_driver, connecting_200_times_leaks_neither_descriptors_nor_memory) {
    struct fixture *fixture = fixture_new();
    struct end *a = fixture_open(fixture, "n1");
    struct end *b = fixture_open(fixture, "n2");
    connect_and_disconnect(fixture, a, b, 50);
    fixture_turn_for(fixture, 100);
    size_t descriptors = open_descriptors();
    long resident = resident_kib();
    connect_and_disconnect(fixture, a, b, 200);
    /* Closing goes on in libzmq's threads. */
    fixture_until(fixture, open_descriptors() <= descriptors);
    /* AddressSanitizer keeps freed memory for a while, and finds leaks by itself. */
    if (__asan_init == NULL) cr_assert(lt(long, resident_kib() - resident, 4096));
    fixture_free(fixture);
}

Test(zmq_driver, opening_and_closing_leaks_no_descriptors) {
    struct fixture *fixture = fixture_new();
    size_t descriptors = open_descriptors();
    for (int i = 0; i < 10; i++) {
        struct end *a = fixture_open(fixture, "n1");
        struct end *b = fixture_add(fixture);
        struct zmq_driver_options options = fixture_options(fixture, b, "n2");
        options.control = driver_control_endpoint(&a->driver); /* fails half-way */
        cr_assert(eq(int, zmq_driver_open(&options, &b->driver, NULL), TR_EIO));
        fixture_close(a);
        fixture->ends_count = 0;
        free(a);
        free(b);
    }
    cr_assert(eq(sz, open_descriptors(), descriptors));
    fixture_free(fixture);
}
