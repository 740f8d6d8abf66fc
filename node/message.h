/*
 * message.h - one message between actors of this process: header and body in one allocation.
 *
 * A message has one owner at any time: the sender until it is pushed, the mailbox, the worker that
 * handles it. The header is 16-byte aligned because a mailbox keeps a count in the pointer's low
 * bits. Colour, trace id and serial are in every message from the start (SNAPSHOT_PROTOCOL.md).
 */
#ifndef TROUPE_MESSAGE_H
#define TROUPE_MESSAGE_H

#include <troupe.h>

#include "node/base/block.h"
#include "node/record.h"

enum message_kind {
    MESSAGE_USER,        /* a record for a handler: sent, asked, or replied */
    MESSAGE_STOP,        /* end normally (I4) */
    MESSAGE_TIMER,       /* a record from the actor's own timer; `reference` names it */
    MESSAGE_ASK_TIMEOUT, /* the timer of ask `reference` */
    MESSAGE_INSPECT, /* tell the control side how you are: of this node only, no channel message */
    MESSAGE_SPAWN    /* to a leased slot: be born there with this body as state (spawn.h) */
};

enum message_flags {
    MESSAGE_ASK = 1,   /* expects a reply that names `serial` */
    MESSAGE_REPLY = 2, /* answers the receiver's ask `reference` */
    MESSAGE_EXEMPT = 4 /* control: no mailbox bound, no pressure (I4) */
};

struct tr_message {
    union {
        tr_message *next;    /* while it waits */
        const void *context; /* while a reply is handled; NULL for all others */
    };
    const record_type *type; /* NULL for control without a body */
    tr_pid from;
    tr_pid to;
    uint64_t serial;    /* the sender's own count; (from, serial) names this message */
    uint64_t reference; /* of a reply: the request's serial; of a timer: its id; of a spawn: the
                           mould's number */
    uint64_t colour;    /* the sender's epoch when it sent */
    tr_trace trace;
    uint32_t body_bytes;
    uint32_t origin_session; /* which session of that peer brought it; of a spawn that leaves: the
                                one that its slot was leased in */
    uint16_t origin;         /* 0: sent here; else 1 + the peer's index */
    uint8_t kind;
    uint8_t flags;
    _Alignas(16) unsigned char body[];
};
_Static_assert(sizeof(tr_message) == 112, "with a body of 16 bytes a message is two cache lines");

/* Returns a message with room for a body of `body_bytes`, every header field zero but that. */
static inline tr_message *message_new(size_t body_bytes) {
    tr_message *made = (tr_message *)block_alloc(sizeof(tr_message) + body_bytes);
    /* One by one: for a whole struct of this size compilers call a string instruction, which takes
     * longer than all the rest of a send. */
    made->next = NULL;
    made->type = NULL;
    made->from = made->to = (tr_pid){0, 0, 0};
    made->serial = made->reference = made->colour = 0;
    made->trace = (tr_trace){{0}, 0};
    made->body_bytes = (uint32_t)body_bytes;
    made->origin_session = 0;
    made->origin = 0;
    made->kind = made->flags = 0;
    return made;
}

/* Makes a message whose body is a flattened copy of `*body`; `type` may be NULL (no body). Errors:
 * TR_EDATA a text or list without data, TR_ETOOBIG the block would pass `bytes_max`. */
tr_status message_of(const record_type *type, const void *body, uint32_t bytes_max,
                     tr_message **message_out);

/* Returns the same message with its body converted to `type`, as record_convert_measure measured
 * it. */
tr_message *message_converted(const tr_message *item, const record_type *type, size_t body_bytes);

/* Asks for what is read of a message first: its head and the beginning of its body. A hint: NULL
 * and what has been freed do no harm. */
static inline void message_prefetch(const tr_message *message) {
    __builtin_prefetch(message);
    __builtin_prefetch((const char *)message + 64);
    __builtin_prefetch((const char *)message + 128);
}

static inline void message_free(tr_message *message) {
    if (message != NULL) block_free(message, sizeof(tr_message) + message->body_bytes);
}

/* Sent or asked by an actor or a port; most messages are. */
static inline bool message_is_plain(const tr_message *message) {
    return message->kind == MESSAGE_USER && (message->flags & MESSAGE_REPLY) == 0;
}

static inline bool message_is_exempt(const tr_message *message) {
    return (message->flags & (MESSAGE_EXEMPT | MESSAGE_REPLY)) != 0 ||
           (message->kind != MESSAGE_USER && message->kind != MESSAGE_SPAWN);
}

/* What onlookers call it: its record's name, "spawn", or NULL for an exit. */
static inline const char *message_name(const tr_message *message) {
    if (message->kind == MESSAGE_SPAWN) return "spawn";
    return message->type == NULL ? NULL : message->type->name;
}

/* Timers are no channel messages (SNAPSHOT_PROTOCOL.md): they are recorded with their actor. */
static inline bool message_in_channel(const tr_message *message) {
    return message->kind == MESSAGE_USER || message->kind == MESSAGE_STOP ||
           message->kind == MESSAGE_SPAWN;
}

#endif
