/*
 * names_message.h - the messages that name services send each other.
 *
 * Each is one msgpack array [kind, incarnation, session, lamport, ...]; REGISTRY.md lists them item
 * by item. Incarnation and session keep what is left of an earlier session apart. A decoded message
 * has been checked to its last byte before anything of it is used (I5).
 */
#ifndef TROUPE_REGISTRY_NAMES_MESSAGE_H
#define TROUPE_REGISTRY_NAMES_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/buffer.h"
#include "registry/names.h"
#include "registry/wire.h"

enum names_kind {
    NAMES_HELLO = 1, /* you are on my list: send me your names, and take mine */
    NAMES_SYNC,      /* the sender's own names, in parts */
    NAMES_CLAIM,     /* to the home: may I have that name? */
    NAMES_GRANT,     /* from the home: it is kept for you, put it to all */
    NAMES_TAKEN,     /* from the home: `pid` has it */
    NAMES_CANCEL,    /* to the home: I do not want it any more */
    NAMES_PUT,       /* to all: this is mine, unless somebody objects */
    NAMES_ACK,       /* nobody here objects */
    NAMES_OBJECT,    /* `pid`, an actor of mine, has it */
    NAMES_SETTLE,    /* to all: nobody objected */
    NAMES_DROP,      /* to all: it is mine no more */
    NAMES_PROBE,     /* from the home to a holder: is it still so? */
    NAMES_PROBED,    /* what you have of mine is so, as of now */
    NAMES_LOST,      /* yours loses to an older claim of a node that you do not see */
};

enum { NAMES_SYNC_MAX = 192 }; /* entries in one part, so that it stays below the limit */

struct names_message {
    enum names_kind kind;
    uint64_t incarnation; /* the sender's */
    uint64_t session;
    uint64_t lamport; /* the sender's clock */
    uint64_t token;   /* of a claim, or of a probe */
    char name[NAMES_NAME_BYTES_MAX + 1];
    tr_pid pid;                          /* LOST: the loser */
    uint64_t age;                        /* PUT: the claim's time; LOST: the winner's */
    tr_pid winner;                       /* LOST */
    char winner_node[MEMBER_NAME_BYTES]; /* LOST */
    uint64_t winner_incarnation;         /* LOST */
    bool last;                           /* SYNC: the last part */
    uint32_t count;                      /* SYNC: of entries */
    struct wire_reader entries;          /* SYNC: see names_message_next */
};

/* One name in a SYNC. */
struct names_sync_entry {
    char name[NAMES_NAME_BYTES_MAX + 1];
    tr_pid pid;
    uint64_t age;
    uint64_t token; /* of its claim while that is not settled */
    bool settled;
};

/* Appends a message of any kind, with the fields that its kind has; SYNC's entries come after. */
void names_message_put(struct buffer *out, const struct names_message *message);
void names_message_put_entry(struct buffer *out, const char *name, tr_pid pid, uint64_t age,
                             uint64_t token, bool settled);

/* Reads a message; the bytes are borrowed as long as entries are read. Errors: TR_EDATA, with
 * `error` naming `node` and the fault. */
tr_status names_message_decode(const uint8_t *bytes, size_t byte_count, const char *node,
                               struct names_message *message_out, tr_error *error);

/* The next entry of a SYNC; call it `count` times. */
void names_message_next(struct names_message *message, struct names_sync_entry *entry_out);

#endif
