/*
 * port_pick.c - trying ports by binding them.
 */
#include "node/cli/port_pick.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT_PICK_SPAN = 20, PORT_PICK_COUNT = PORT_PICK_END - PORT_PICK_FIRST };

void port_pick_init(struct port_pick *ports, const char *text) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 16777619u;
    *ports = (struct port_pick){.next = hash % (PORT_PICK_COUNT / PORT_PICK_SPAN) * PORT_PICK_SPAN};
}

bool port_is_free(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) return false;
    /* As a daemon will bind it: connections of an earlier life in TIME_WAIT do not matter. */
    bool is_free = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                   bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0;
    close(fd);
    return is_free;
}

uint16_t port_pick_take(struct port_pick *ports) {
    while (ports->tried++ < PORT_PICK_COUNT) {
        uint16_t port = (uint16_t)(PORT_PICK_FIRST + ports->next++ % PORT_PICK_COUNT);
        if (port_is_free(port)) return port;
    }
    return 0;
}
