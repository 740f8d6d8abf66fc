/*
 * port.h - a plain thread (or the node's control side) among actors: a pid, a mailbox, a colour.
 *
 * A port is entered for each thing it does (port_enter, port_leave); meanwhile it is busy, and a
 * snapshot's turn or token that finds it busy is left for its user to do on leaving. So no lock is
 * held while a message is posted, and a port still turns red at one exact point between two of its
 * acts (RUNTIME.md).
 *
 * One thread at a time uses a port; any thread delivers to it.
 */
#ifndef TROUPE_PORT_H
#define TROUPE_PORT_H

#include "node/runtime.h"

/* Called, without a lock, whenever something was delivered; any thread. NULL: nobody. */
typedef void port_notify(void *context);

tr_status port_open(struct runtime *runtime, port_notify *notify, void *context,
                    tr_port **port_out);

/* ---- what the others do ---------------------------------------------------------------------- */

/* Delivers a message; TR_EFULL leaves it with the caller. */
tr_status port_deliver(struct slot_head *head, struct producer *producer, tr_actor *sender,
                       tr_message **delivered);
/* A receiver that had no room has some now. */
void port_room(struct slot_head *head);
/* The sweep (`token` false) or the last token for all ports. Core thread. */
void ports_turn(struct runtime *runtime, bool token);

/* All ports are closed, the node is gone. */
void ports_free(struct runtime *runtime);

/* ---- for users that must not block (control) ---------------------------------------------------
 */

/* Posts a message of this port: type and body are copied, `flags` as message_flags, `kind` as
 * message_kind. With MESSAGE_ASK a reply to `*serial_out` is then let in. A zero trace gets a new
 * one; `*trace` tells which. */
tr_status port_post(tr_port *port, tr_pid to, enum message_kind kind, unsigned flags,
                    const record_type *type, const void *body, tr_trace *trace,
                    uint64_t *serial_out);
/* True when `to` admits this port now; else it is noted, and the notify follows when there is room.
 * `refused`: a post just was. */
bool port_admits(tr_port *port, tr_pid to, bool refused);
/* The reply to that ask is no longer wanted. */
void port_forget(tr_port *port, uint64_t serial);
/* Takes the next message, reply or not, or returns NULL. The caller's, by message_free. */
tr_message *port_take(tr_port *port);
/* Names, as this port's colour may see them. */
tr_status port_whereis(tr_port *port, const char *name, tr_pid *pid_out);

#endif
