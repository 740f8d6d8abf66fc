/*
 * lookup_test.c - look-ups that end, and look-ups that nobody waits for.
 */
#include "transport/lookup.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

TestSuite(lookup, .timeout = 60);

static struct lookup *start(const char *text, int eventfd) {
    struct endpoint endpoint;
    cr_assert(eq(int, endpoint_parse(text, &endpoint, NULL), TR_OK));
    struct lookup *lookup = lookup_start(&endpoint, eventfd);
    cr_assert(lookup != NULL);
    return lookup;
}

static tr_status await(const struct lookup *lookup, int descriptor, struct endpoint *endpoint,
                       tr_error *error) {
    struct pollfd item = {.fd = descriptor, .events = POLLIN};
    cr_assert(eq(int, poll(&item, 1, 40000), 1));
    tr_status status = TR_EINTERNAL;
    cr_assert(lookup_done(lookup, &status, endpoint, error)); /* told only once it is over */
    return status;
}

Test(lookup, a_name_is_found_and_the_port_stays) {
    int descriptor = eventfd(0, EFD_CLOEXEC);
    struct lookup *lookup = start("tcp://localhost:7101", descriptor);
    struct endpoint endpoint;
    tr_error error;
    cr_assert(eq(int, await(lookup, descriptor, &endpoint, &error), TR_OK));
    cr_assert(eq(str, endpoint.host, "127.0.0.1"));
    cr_assert(eq(int, endpoint.port, 7101));
    lookup_release(lookup);
    close(descriptor);
}

Test(lookup, a_name_that_is_not_found_is_named) {
    int descriptor = eventfd(0, EFD_CLOEXEC);
    struct lookup *lookup = start("tcp://no-such-host.invalid:7101", descriptor);
    struct endpoint endpoint;
    tr_error error = {0};
    cr_assert(eq(int, await(lookup, descriptor, &endpoint, &error), TR_ENOENT));
    cr_assert(strstr(error.message, "no-such-host.invalid") != NULL);
    lookup_release(lookup);
    close(descriptor);
}

Test(lookup, letting_go_of_an_unfinished_look_up_is_fine) {
    /* The descriptor may be gone before the thread writes to its copy. */
    for (int i = 0; i < 50; i++) {
        int descriptor = eventfd(0, EFD_CLOEXEC);
        lookup_release(start("tcp://localhost:1", descriptor));
        close(descriptor);
    }
    lookup_release(NULL);
}
