/*
 * ports.c - trying ports by binding them.
 */
#include "node/cli/ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORTS_SPAN = 20, PORTS_COUNT = PORTS_END - PORTS_FIRST };

void ports_init(struct ports *ports, const char *text) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 16777619u;
    *ports = (struct ports){.next = hash % (PORTS_COUNT / PORTS_SPAN) * PORTS_SPAN};
}

bool ports_free(uint16_t port) {
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

uint16_t ports_take(struct ports *ports) {
    while (ports->tried++ < PORTS_COUNT) {
        uint16_t port = (uint16_t)(PORTS_FIRST + ports->next++ % PORTS_COUNT);
        if (ports_free(port)) return port;
    }
    return 0;
}
