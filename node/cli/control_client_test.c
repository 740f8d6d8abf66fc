/*
 * control_client_test.c - the control client against a real driver that plays the node.
 *
 * The node is a thread. It does what a request's member `op` says: see play. Ports are the system's
 * choice; waiting ends by deadlines, never by sleeping.
 */
#include "node/cli/control_client.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/base/clock.h"
#include "node/base/environment.h"
#include "node/base/memory.h"
#include "transport/zmq_driver.h"

TestSuite(control_client, .timeout = 60);

struct node {
    char keys_dir[64];
    char endpoint[128];
    struct environment environment;
    struct driver driver;
    key_pair keys;
    pthread_t thread;
    atomic_bool stop;   /* the thread closes the driver and ends */
    atomic_bool freeze; /* the thread ends, and the driver gets no turns any more */
};

static void reply(struct node *node, const uint8_t *client, size_t client_bytes, const char *format,
                  long long id) {
    char text[256];
    int bytes = snprintf(text, sizeof text, format, id);
    driver_control_reply(&node->driver, client, client_bytes, (uint8_t *)text, (size_t)bytes);
}

static void play(void *context, const uint8_t *client, size_t client_bytes, const char *user,
                 const uint8_t *bytes, size_t request_bytes) {
    struct node *node = context;
    (void)user;
    json_t *request = json_loadb((const char *)bytes, request_bytes, 0, NULL);
    long long id = json_integer_value(json_object_get(request, "id"));
    const char *op = json_string_value(json_object_get(request, "op"));
    if (strcmp(op, "echo") == 0) {
        driver_control_reply(&node->driver, client, client_bytes, bytes, request_bytes);
    } else if (strcmp(op, "progress") == 0) {
        reply(node, client, client_bytes, "{\"id\":%lld,\"more\":true,\"data\":1}", id);
        reply(node, client, client_bytes, "{\"id\":%lld,\"more\":true,\"data\":2}", id);
        reply(node, client, client_bytes, "{\"id\":%lld,\"data\":3}", id);
    } else if (strcmp(op, "stray") == 0) {
        reply(node, client, client_bytes, "{\"id\":%lld,\"data\":\"late\"}", id - 1 ? id - 1 : 9);
        reply(node, client, client_bytes, "{\"id\":%lld,\"data\":\"right\"}", id);
    } else if (strcmp(op, "unread") == 0) {
        reply(node, client, client_bytes, "{\"id\":0,\"error\":{\"code\":\"TR_EDATA\"}}", id);
    } else if (strcmp(op, "garbage") == 0) {
        reply(node, client, client_bytes, "[not json", id);
    } else if (strcmp(op, "die") == 0) {
        atomic_store(&node->stop, true);
    } else if (strcmp(op, "answer and die") == 0) {
        reply(node, client, client_bytes, "{\"id\":%lld,\"data\":\"bye\"}", id);
        atomic_store(&node->stop, true);
    }
    json_decref(request);
}

static void no_frame(void *context, const char *user, const uint8_t *bytes, size_t frame_bytes) {
    (void)context, (void)user, (void)bytes, (void)frame_bytes;
}

static void *run_node(void *context) {
    struct node *node = context;
    while (!atomic_load(&node->stop)) {
        if (atomic_load(&node->freeze)) return NULL;
        driver_wait(&node->driver, clock_monotonic_ns() + 10000000);
    }
    driver_close(&node->driver);
    return NULL;
}

static void make_keys(struct node *node, const char *name, key_pair *keys_out) {
    cr_assert(eq(int,
                 keys_load_or_make(node->keys_dir, name, node->environment.random_bytes,
                                   node->environment.context, keys_out, NULL),
                 TR_OK));
}

static struct node *node_start(tr_security security) {
    struct node *node = calloc(1, sizeof *node);
    strcpy(node->keys_dir, "/tmp/troupe-client-XXXXXX");
    cr_assert(mkdtemp(node->keys_dir) != NULL);
    environment_real(&node->environment, NULL);
    key_pair client;
    make_keys(node, "n1", &node->keys);
    make_keys(node, "operate.local", &client);
    bool encrypted = security == TR_SECURITY_CURVE;
    struct zmq_driver_options options = {
        .listen = "tcp://127.0.0.1:0",
        .control = "tcp://127.0.0.1:0",
        .security = security,
        .keys = encrypted ? &node->keys : NULL,
        .keys_dir = encrypted ? node->keys_dir : NULL,
        .events = {.context = node, .frame = no_frame, .control = play},
        .environment = &node->environment,
    };
    tr_error error;
    tr_status status = zmq_driver_open(&options, &node->driver, &error);
    cr_assert(eq(int, status, TR_OK), "%s", error.message);
    snprintf(node->endpoint, sizeof node->endpoint, "%s", driver_control_endpoint(&node->driver));
    cr_assert(eq(int, pthread_create(&node->thread, NULL, run_node, node), 0));
    return node;
}

static void node_stop(struct node *node) {
    if (atomic_load(&node->freeze)) {
        driver_close(&node->driver);
    } else {
        atomic_store(&node->stop, true);
        pthread_join(node->thread, NULL);
    }
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", node->keys_dir);
    cr_assert(eq(int, system(command), 0));
    free(node);
}

static struct control_client_options options_for(struct node *node, tr_security security) {
    bool encrypted = security == TR_SECURITY_CURVE;
    return (struct control_client_options){
        .endpoint = node->endpoint,
        .security = security,
        .keys_dir = encrypted ? node->keys_dir : NULL,
        .server_key = encrypted ? node->keys.curve_public : NULL,
    };
}

static struct control_client *client_open(struct node *node, tr_security security) {
    struct control_client_options options = options_for(node, security);
    struct control_client *client = NULL;
    enum control_step step = CONTROL_STEP_KEYS;
    tr_error error;
    tr_status status = control_client_open(&options, &client, &step, &error);
    cr_assert(eq(int, status, TR_OK), "%s", error.message);
    cr_assert(eq(int, step, CONTROL_STEP_DONE));
    return client;
}

static tr_status ask(struct control_client *client, const char *json, uint64_t timeout_ms,
                     char **reply_out, tr_error *error) {
    return control_client_request(client, json, strlen(json), timeout_ms, NULL, NULL, reply_out,
                                  NULL, error);
}

static void refused(const struct control_client_options *options, tr_status expected,
                    enum control_step expected_step, const char *mentions) {
    struct control_client *client = NULL;
    enum control_step step = CONTROL_STEP_DONE;
    tr_error error = {0};
    tr_status status = control_client_open(options, &client, &step, &error);
    cr_assert(eq(int, status, expected), "%s", error.message);
    cr_assert(eq(int, step, expected_step));
    cr_assert(client == NULL);
    cr_assert(strstr(error.message, mentions) != NULL, "'%s' lacks '%s'", error.message, mentions);
}

/* ---- asking ---- */

Test(control_client, requests_are_numbered_and_answered) {
    struct node *node = node_start(TR_SECURITY_CURVE);
    struct control_client *client = client_open(node, TR_SECURITY_CURVE);
    for (int i = 1; i <= 3; i++) {
        char *text = NULL, expected[64];
        cr_assert(eq(int, ask(client, "{\"op\": \"echo\"}", 5000, &text, NULL), TR_OK));
        snprintf(expected, sizeof expected, "{\"op\":\"echo\",\"id\":%d}", i);
        cr_assert(eq(str, text, expected));
        mem_free(text);
    }
    control_client_close(client);
    node_stop(node);
}

Test(control_client, plaintext_works_when_both_sides_say_so) {
    struct node *node = node_start(TR_SECURITY_NONE);
    struct control_client *client = client_open(node, TR_SECURITY_NONE);
    char *text = NULL;
    cr_assert(eq(int, ask(client, "{\"op\": \"echo\"}", 5000, &text, NULL), TR_OK));
    mem_free(text);
    control_client_close(client);
    node_stop(node);
}

static bool sum(void *context, const char *json, size_t json_bytes) {
    json_t *message = json_loadb(json, json_bytes, 0, NULL);
    *(long long *)context += json_integer_value(json_object_get(message, "data"));
    json_decref(message);
    return true;
}

static bool give_up(void *context, const char *json, size_t json_bytes) {
    (void)context, (void)json, (void)json_bytes;
    return false;
}

Test(control_client, progress_is_told_before_the_reply) {
    struct node *node = node_start(TR_SECURITY_NONE);
    struct control_client *client = client_open(node, TR_SECURITY_NONE);
    const char *request = "{\"op\":\"progress\"}";
    long long total = 0;
    char *text = NULL;
    size_t bytes = 0;
    cr_assert(eq(int,
                 control_client_request(client, request, strlen(request), 5000, sum, &total, &text,
                                        &bytes, NULL),
                 TR_OK));
    cr_assert(eq(int, (int)total, 3));
    cr_assert(eq(str, text, "{\"id\":1,\"data\":3}"));
    cr_assert(eq(sz, bytes, strlen(text)));
    mem_free(text);

    /* Who gives up gets nothing of that request any more. */
    cr_assert(eq(int,
                 control_client_request(client, request, strlen(request), 5000, give_up, NULL,
                                        &text, &bytes, NULL),
                 TR_EINTR));
    cr_assert(eq(int, ask(client, "{\"op\":\"echo\"}", 5000, &text, NULL), TR_OK));
    cr_assert(eq(str, text, "{\"op\":\"echo\",\"id\":3}"));
    mem_free(text);
    control_client_close(client);
    node_stop(node);
}

Test(control_client, replies_to_other_requests_are_dropped) {
    struct node *node = node_start(TR_SECURITY_NONE);
    struct control_client *client = client_open(node, TR_SECURITY_NONE);
    char *text = NULL;
    cr_assert(eq(int, ask(client, "{\"op\":\"stray\"}", 5000, &text, NULL), TR_OK));
    cr_assert(eq(str, text, "{\"id\":1,\"data\":\"right\"}"));
    mem_free(text);
    control_client_close(client);
    node_stop(node);
}

Test(control_client, an_answer_without_a_number_is_the_answer) {
    /* The node could not read the request, so it does not know the number. */
    struct node *node = node_start(TR_SECURITY_NONE);
    struct control_client *client = client_open(node, TR_SECURITY_NONE);
    char *text = NULL;
    cr_assert(eq(int, ask(client, "{\"op\":\"unread\"}", 5000, &text, NULL), TR_OK));
    cr_assert(strstr(text, "TR_EDATA") != NULL);
    mem_free(text);
    control_client_close(client);
    node_stop(node);
}

Test(control_client, bad_requests_and_bad_answers_are_errors) {
    struct node *node = node_start(TR_SECURITY_NONE);
    struct control_client *client = client_open(node, TR_SECURITY_NONE);
    char *text = NULL;
    tr_error error = {0};
    cr_assert(eq(int, ask(client, "{\"op\":", 5000, &text, &error), TR_EINVAL));
    cr_assert(eq(int, ask(client, "[1]", 5000, &text, &error), TR_EINVAL));
    cr_assert(eq(int, ask(client, "{\"op\":\"garbage\"}", 5000, &text, &error), TR_EDATA));
    size_t bytes = CONTROL_CLIENT_REQUEST_BYTES_MAX;
    char *large = malloc(bytes + 64);
    int begin = sprintf(large, "{\"op\":\"");
    memset(large + begin, 'x', bytes);
    strcpy(large + begin + bytes, "\"}");
    cr_assert(eq(int, ask(client, large, 5000, &text, &error), TR_ETOOBIG));
    free(large);
    cr_assert(text == NULL);
    control_client_close(client);
    node_stop(node);
}

Test(control_client, a_node_that_does_not_answer_is_a_timeout) {
    struct node *node = node_start(TR_SECURITY_NONE);
    struct control_client *client = client_open(node, TR_SECURITY_NONE);
    char *text = NULL;
    tr_error error = {0};
    uint64_t begin_ns = clock_monotonic_ns();
    cr_assert(eq(int, ask(client, "{\"op\":\"silence\"}", 100, &text, &error), TR_ETIMEDOUT));
    cr_assert(ge(u64, clock_monotonic_ns() - begin_ns, 100000000));
    cr_assert(strstr(error.message, node->endpoint) != NULL);
    control_client_close(client);
    node_stop(node);
}

Test(control_client, a_node_that_dies_is_noticed_without_waiting_for_the_timeout) {
    struct node *node = node_start(TR_SECURITY_CURVE);
    struct control_client *client = client_open(node, TR_SECURITY_CURVE);
    char *text = NULL;
    tr_error error = {0};
    uint64_t begin_ns = clock_monotonic_ns();
    cr_assert(eq(int, ask(client, "{\"op\":\"die\"}", 0, &text, &error), TR_EUNREACHABLE));
    cr_assert(lt(u64, clock_monotonic_ns() - begin_ns, 5000000000));
    /* And from then on each request says so. */
    cr_assert(eq(int, ask(client, "{\"op\":\"echo\"}", 0, &text, &error), TR_EUNREACHABLE));
    control_client_close(client);
    node_stop(node);
}

Test(control_client, the_last_answer_of_a_node_that_stops_arrives) {
    for (int i = 0; i < 20; i++) {
        struct node *node = node_start(i % 2 ? TR_SECURITY_CURVE : TR_SECURITY_NONE);
        struct control_client *client =
            client_open(node, i % 2 ? TR_SECURITY_CURVE : TR_SECURITY_NONE);
        char *text = NULL;
        tr_error error = {0};
        tr_status status = ask(client, "{\"op\":\"answer and die\"}", 5000, &text, &error);
        cr_assert(eq(int, status, TR_OK), "round %d: %s", i, error.message);
        cr_assert(eq(str, text, "{\"id\":1,\"data\":\"bye\"}"));
        mem_free(text);
        control_client_close(client);
        node_stop(node);
    }
}

/* ---- connecting ---- */

Test(control_client, nothing_listening_is_told_from_a_refused_handshake) {
    struct node *node = node_start(TR_SECURITY_CURVE);
    struct control_client_options options = options_for(node, TR_SECURITY_CURVE);
    options.endpoint = "tcp://127.0.0.1:1";
    refused(&options, TR_EUNREACHABLE, CONTROL_STEP_TCP, "nothing listens at tcp://127.0.0.1:1");
    options.endpoint = "ipc:///tmp/troupe-no-such-socket";
    refused(&options, TR_EUNREACHABLE, CONTROL_STEP_TCP, "nothing listens");
    options.endpoint = "tcp://no-such-host.invalid:7101";
    refused(&options, TR_ENOENT, CONTROL_STEP_TCP, "no-such-host.invalid");
    options.endpoint = "tcp://127.0.0.1";
    refused(&options, TR_EINVAL, CONTROL_STEP_TCP, "no port");
    node_stop(node);
}

Test(control_client, a_server_key_that_differs_is_named_as_the_reason) {
    struct node *node = node_start(TR_SECURITY_CURVE);
    key_pair other;
    make_keys(node, "n2", &other);
    struct control_client_options options = options_for(node, TR_SECURITY_CURVE);
    options.server_key = other.curve_public;
    uint64_t begin_ns = clock_monotonic_ns();
    refused(&options, TR_EREFUSED, CONTROL_STEP_HANDSHAKE, "server key");
    cr_assert(lt(u64, clock_monotonic_ns() - begin_ns, 2000000000));
    node_stop(node);
}

Test(control_client, a_client_key_that_is_not_admitted_is_named_as_the_reason) {
    struct node *node = node_start(TR_SECURITY_CURVE);
    struct control_client_options options = options_for(node, TR_SECURITY_CURVE);
    options.key_name = "n1"; /* a node's key is not for asking */
    refused(&options, TR_EREFUSED, CONTROL_STEP_HANDSHAKE, "does not admit");
    node_stop(node);
}

Test(control_client, different_security_is_named_as_the_reason) {
    struct node *secure = node_start(TR_SECURITY_CURVE);
    struct node *plain = node_start(TR_SECURITY_NONE);
    struct control_client_options options;
    for (int i = 0; i < 50; i++) { /* the two sides see it in either order */
        options = options_for(plain, TR_SECURITY_CURVE);
        refused(&options, TR_EREFUSED, CONTROL_STEP_HANDSHAKE, "is not encrypted");
        options = options_for(secure, TR_SECURITY_NONE);
        refused(&options, TR_EREFUSED, CONTROL_STEP_HANDSHAKE, "is encrypted");
    }
    node_stop(secure);
    node_stop(plain);
}

Test(control_client, missing_keys_fail_at_their_own_step) {
    struct node *node = node_start(TR_SECURITY_CURVE);
    struct control_client_options options = options_for(node, TR_SECURITY_CURVE);
    options.key_name = "operate.nobody";
    refused(&options, TR_ENOENT, CONTROL_STEP_KEYS, "operate.nobody");
    options.keys_dir = NULL;
    refused(&options, TR_EINVAL, CONTROL_STEP_KEYS, "keys");
    node_stop(node);
}

Test(control_client, a_node_that_hangs_is_told_from_one_with_another_key) {
    /* libzmq's thread still accepts, but nobody answers for the key, and after 3 s the node hangs
     * up. */
    struct node *node = node_start(TR_SECURITY_CURVE);
    atomic_store(&node->freeze, true);
    pthread_join(node->thread, NULL);
    struct control_client_options options = options_for(node, TR_SECURITY_CURVE);
    options.timeout_ms = 10000;
    refused(&options, TR_ETIMEDOUT, CONTROL_STEP_HANDSHAKE, "does not answer");
    options.timeout_ms = 200;
    refused(&options, TR_ETIMEDOUT, CONTROL_STEP_HANDSHAKE, "does not answer");
    node_stop(node);
}

/* Accepts connections and closes them with a greeting unread, until the listener is shut down. */
static void *hang_up(void *context) {
    int descriptor;
    while ((descriptor = accept(*(int *)context, NULL, NULL)) >= 0) close(descriptor);
    return NULL;
}

Test(control_client, something_that_is_no_node_is_a_timeout_or_a_refusal) {
    struct node *node = node_start(TR_SECURITY_CURVE);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    cr_assert(eq(int, bind(listener, (struct sockaddr *)&address, bytes), 0));
    cr_assert(eq(int, listen(listener, 5), 0));
    getsockname(listener, (struct sockaddr *)&address, &bytes);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    struct control_client_options options = options_for(node, TR_SECURITY_CURVE);
    options.endpoint = endpoint;
    options.timeout_ms = 200;
    refused(&options, TR_ETIMEDOUT, CONTROL_STEP_HANDSHAKE, "does not answer");

    /* One that hangs up at once, like a web server that gets our greeting. */
    options.timeout_ms = 5000;
    pthread_t thread;
    cr_assert(eq(int, pthread_create(&thread, NULL, hang_up, &listener), 0));
    refused(&options, TR_EREFUSED, CONTROL_STEP_HANDSHAKE, "no node's control endpoint");
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
    node_stop(node);
}

Test(control_client, an_interrupt_ends_any_wait) {
    struct node *node = node_start(TR_SECURITY_NONE);
    volatile sig_atomic_t interrupted = 0;
    struct control_client_options options = options_for(node, TR_SECURITY_NONE);
    options.interrupted = &interrupted;
    struct control_client *client = NULL;
    cr_assert(eq(int, control_client_open(&options, &client, NULL, NULL), TR_OK));
    interrupted = 1;
    char *text = NULL;
    cr_assert(eq(int, ask(client, "{\"op\":\"silence\"}", 0, &text, NULL), TR_EINTR));
    control_client_close(client);
    refused(&options, TR_EINTR, CONTROL_STEP_TCP, "interrupted");
    node_stop(node);
}
