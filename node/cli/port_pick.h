/*
 * port_pick.h - free TCP ports of this machine for the nodes of a cluster.
 *
 * Ports come from 7101 up, at a place that depends on the folder, so that two clusters seldom meet;
 * all are below the range that the system gives to outgoing connections, where a connection to a
 * dead node could end up at itself. One thread.
 */
#ifndef TROUPE_CLI_PORT_PICK_H
#define TROUPE_CLI_PORT_PICK_H

#include <stdbool.h>
#include <stdint.h>

enum { PORT_PICK_FIRST = 7101, PORT_PICK_END = 20000 };

/* Where to look next. */
struct port_pick {
    uint32_t next;
    uint32_t tried;
};

/* Starts at the place that belongs to a text (the folder's path). */
void port_pick_init(struct port_pick *ports, const char *text);

/* Returns the next port on 127.0.0.1 that is free now, or 0 when none is left. */
uint16_t port_pick_take(struct port_pick *ports);

/* Whether the port can be listened on now. */
bool port_is_free(uint16_t port);

#endif
