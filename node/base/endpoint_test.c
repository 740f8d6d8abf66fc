/*
 * endpoint_test.c - which texts are endpoints.
 */
#include "node/base/endpoint.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <netinet/in.h>
#include <string.h>

TestSuite(endpoint, .timeout = 30);

Test(endpoint, writing_inverts_parsing) {
    const char *texts[] = {"tcp://127.0.0.1:7101", "tcp://*:0",         "tcp://a-b.example.org:1",
                           "tcp://[::1]:65535",    "tcp://host_1:7101", "ipc:///tmp/a b/socket",
                           "ipc://relative"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct endpoint endpoint;
        char text[ENDPOINT_TEXT_BYTES];
        cr_assert(eq(int, endpoint_parse(texts[i], &endpoint, NULL), TR_OK), "%s", texts[i]);
        endpoint_text(&endpoint, text);
        cr_assert(eq(str, text, (char *)texts[i]));
    }
}

Test(endpoint, anything_else_is_refused_with_its_text) {
    char long_host[400] = "tcp://", long_path[400] = "ipc:///";
    memset(long_host + 6, 'a', 300);
    strcpy(long_host + 306, ":1");
    memset(long_path + 7, 'a', 200);
    const char *texts[] = {"",
                           "7101",
                           "tcp:",
                           "tcp://",
                           "tcp://host",
                           "tcp://host:",
                           "tcp://:7101",
                           "tcp://host:65536",
                           "tcp://host:-1",
                           "tcp://host:+1",
                           "tcp://host: 1",
                           "tcp://host:1 ",
                           "tcp://host:123456",
                           "tcp://ho st:1",
                           "tcp://-host:1",
                           "tcp://user@host:1",
                           "tcp://1.2.3.4:5;6.7.8.9:1",
                           "tcp://[::1:7101",
                           "tcp://[::1]7101",
                           "tcp://[]:7101",
                           "tcp://[host]:7101",
                           "tcp://::1:7101",
                           "udp://host:1",
                           "inproc://x",
                           "TCP://host:1",
                           "ipc://",
                           "ipc://*",
                           "ipc://@abstract",
                           "ipc:///a\nb",
                           long_host,
                           long_path};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct endpoint endpoint = {.port = 42};
        tr_error error = {0};
        tr_status status = endpoint_parse(texts[i], &endpoint, &error);
        cr_assert(eq(int, status, TR_EINVAL), "'%s' was taken", texts[i]);
        cr_assert(eq(int, endpoint.port, 42));
        cr_assert(strlen(error.message) > 0 && strlen(error.hint) > 0);
    }
}

static struct endpoint parsed(const char *text) {
    struct endpoint endpoint;
    cr_assert(eq(int, endpoint_parse(text, &endpoint, NULL), TR_OK), "%s", text);
    return endpoint;
}

Test(endpoint, only_loopback_counts_as_local) {
    const char *local[] = {"tcp://127.0.0.1:1", "tcp://127.8.9.1:1", "tcp://[::1]:1",
                           "tcp://localhost:1", "ipc:///tmp/x"};
    const char *open[] = {"tcp://*:1",    "tcp://0.0.0.0:1",       "tcp://10.0.0.1:1",
                          "tcp://[::]:1", "tcp://[fe80::1]:1",     "tcp://example.org:1",
                          "tcp://127:1",  "tcp://127.0.0.1.nip:1", "tcp://[::ffff:10.0.0.1]:1"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        struct endpoint endpoint = parsed(local[i]);
        cr_assert(endpoint_is_local(&endpoint), "%s", local[i]);
    }
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        struct endpoint endpoint = parsed(open[i]);
        cr_assert(not(endpoint_is_local(&endpoint)), "%s", open[i]);
    }
}

Test(endpoint, wildcards_are_nothing_to_connect_to) {
    const char *no[] = {"tcp://*:7101", "tcp://127.0.0.1:0", "tcp://127.0.0.1:*", "tcp://0.0.0.0:1",
                        "tcp://[::]:1"};
    const char *yes[] = {"tcp://127.0.0.1:1", "tcp://host:1", "tcp://[::1]:1", "ipc://x"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        struct endpoint endpoint = parsed(no[i]);
        cr_assert(not(endpoint_connectable(&endpoint)), "%s", no[i]);
    }
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        struct endpoint endpoint = parsed(yes[i]);
        cr_assert(endpoint_connectable(&endpoint), "%s", yes[i]);
    }
}

Test(endpoint, numbers_resolve_without_asking_anybody) {
    struct sockaddr_storage address;
    socklen_t bytes = 0;
    struct endpoint endpoint = parsed("tcp://127.0.0.2:7101");
    cr_assert(eq(int, endpoint_resolve(&endpoint, &address, &bytes, NULL), TR_OK));
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&address;
    cr_assert(eq(sz, bytes, sizeof *v4));
    cr_assert(eq(int, v4->sin_family, AF_INET));
    cr_assert(eq(int, ntohs(v4->sin_port), 7101));
    cr_assert(eq(u32, ntohl(v4->sin_addr.s_addr), 0x7f000002));

    endpoint = parsed("tcp://[::1]:7101");
    cr_assert(eq(int, endpoint_resolve(&endpoint, &address, &bytes, NULL), TR_OK));
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&address;
    cr_assert(eq(sz, bytes, sizeof *v6));
    cr_assert(eq(int, ntohs(v6->sin6_port), 7101));
}

Test(endpoint, names_become_numbers_and_an_unknown_one_is_named) {
    struct endpoint endpoint = parsed("tcp://localhost:7101");
    cr_assert(not(endpoint_is_numeric(&endpoint)));
    char text[ENDPOINT_TEXT_BYTES];
    cr_assert(eq(int, endpoint_make_numeric(&endpoint, NULL), TR_OK));
    endpoint_text(&endpoint, text);
    cr_assert(eq(str, text, "tcp://127.0.0.1:7101"));
    cr_assert(endpoint_is_numeric(&endpoint));

    endpoint = parsed("tcp://*:7101");
    cr_assert(eq(int, endpoint_make_numeric(&endpoint, NULL), TR_OK));
    cr_assert(eq(str, endpoint.host, "*"));

    endpoint = parsed("tcp://no-such-host.invalid:7101");
    tr_error error = {0};
    cr_assert(eq(int, endpoint_make_numeric(&endpoint, &error), TR_ENOENT));
    cr_assert(strstr(error.message, "no-such-host.invalid") != NULL);
}
