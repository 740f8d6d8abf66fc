/*
 * observer.h - what a node tells an onlooker: each send, receive, record, birth and move of E.
 *
 * Part of the product: tracing listens here, and the simulator both checks the cut (I6, I7, I8)
 * and steps other workers inside the call, so it reaches interleavings within a handler. The
 * runtime therefore holds no lock when it calls. NULL costs one branch.
 */
#ifndef TROUPE_OBSERVER_H
#define TROUPE_OBSERVER_H

#include <troupe.h>

enum observation_kind {
    OBSERVE_BIRTH,   /* actor; epoch = its colour */
    OBSERVE_DEATH,   /* actor; epoch = its colour */
    OBSERVE_SEND,    /* from, to, serial, colour: accepted into a mailbox or a link's queue */
    OBSERVE_RECEIVE, /* from, to, serial, colour; epoch = the receiver's colour: handler starts */
    OBSERVE_HANDLED, /* as RECEIVE, when the handler has returned */
    OBSERVE_DEAD_LETTER,    /* from, to, serial, colour; reason */
    OBSERVE_RECORD_ACTOR,   /* actor; epoch = the snapshot */
    OBSERVE_RECORD_MESSAGE, /* from, to, serial, colour (the old one); epoch = the snapshot */
    OBSERVE_EPOCH,          /* epoch: E has moved to it */
    OBSERVE_TURN            /* actor; epoch = its new colour, not recorded */
};

struct observation {
    enum observation_kind kind;
    tr_pid actor;
    tr_pid from, to;
    uint64_t serial; /* with `from`, names one message */
    uint64_t colour;
    uint64_t epoch;
    const char *record; /* the message's record name; NULL where there is none */
    const char *reason;
    const void *state; /* of RECORD_ACTOR and HANDLED: the actor's state, borrowed */
};

struct observer {
    void *context;
    void (*observe)(void *context, const struct observation *what);
};

#endif
