/*
 * port_pick_test.c - free ports are free.
 */
#include "node/cli/port_pick.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(port_pick, .timeout = 10);

static int listen_at(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 1), 0);
    return fd;
}

Test(port_pick, two_takes_give_two_ports_within_the_range) {
    struct port_pick ports;
    port_pick_init(&ports, "/home/ada/cluster");
    uint16_t first = port_pick_take(&ports), second = port_pick_take(&ports);
    cr_assert_neq(first, second);
    cr_assert_geq(first, PORT_PICK_FIRST);
    cr_assert_lt(first, PORT_PICK_END);
}

Test(port_pick, a_port_in_use_is_passed_over) {
    struct port_pick ports;
    port_pick_init(&ports, "/home/ada/other");
    uint16_t taken = port_pick_take(&ports);
    int fd = listen_at(taken);
    cr_assert_not(port_is_free(taken));
    port_pick_init(&ports, "/home/ada/other");
    cr_assert_neq(port_pick_take(&ports), taken);
    close(fd);
    cr_assert(port_is_free(taken));
}
