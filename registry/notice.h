/*
 * notice.h - the messages that members machines send each other.
 *
 * Each is one msgpack array, its first item the kind; REGISTRY.md lists them item by item. A
 * decoded message has been checked to its last byte before anything of it is used (I5).
 */
#ifndef TROUPE_REGISTRY_NOTICE_H
#define TROUPE_REGISTRY_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/buffer.h"
#include "registry/lives.h"
#include "registry/wire.h"

enum notice_kind {
    NOTICE_GREET = 1, /* first in a session: the sender's state, and its life if admitted */
    NOTICE_JOIN,      /* a newcomer asks to be admitted */
    NOTICE_WAIT,      /* not yet, and why */
    NOTICE_REDIRECT,  /* ask that member instead */
    NOTICE_REFUSE,    /* no, and why */
    NOTICE_VIEW,      /* lives the sender knows; whole at first, then what is new */
    NOTICE_LEFT,      /* answers a view whose sender has left */
};

enum notice_refusal {
    NOTICE_SPACE_TAKEN = 1, /* draw another and ask again */
    NOTICE_NAME_TAKEN,
    NOTICE_TABLE_FULL,
};

enum {
    NOTICE_LIVES_MAX = 64, /* in one view, so that it stays below MEMBERS_MESSAGE_BYTES_MAX */
    NOTICE_TEXT_BYTES = 256,
};

struct notice {
    enum notice_kind kind;
    enum member_state state;              /* GREET, VIEW: the sender's; unknown: not admitted */
    bool last;                            /* VIEW: the last part of the whole */
    uint32_t life_count;                  /* GREET: 0 or 1; VIEW */
    struct wire_reader lives;             /* GREET, VIEW: see notice_next_life */
    uint64_t space;                       /* JOIN */
    uint32_t ordinal;                     /* JOIN */
    enum notice_refusal refusal;          /* REFUSE */
    char name[MEMBER_NAME_BYTES];         /* REDIRECT */
    char endpoint[MEMBER_ENDPOINT_BYTES]; /* REDIRECT */
    char text[NOTICE_TEXT_BYTES];         /* WAIT, REFUSE */
};

/* Appends a message. A greeting's `self` may be NULL; a view takes its lives after it. */
void notice_put_greet(struct buffer *out, enum member_state state, const struct life *self);
void notice_put_join(struct buffer *out, uint64_t space, uint32_t ordinal);
void notice_put_wait(struct buffer *out, const char *text);
void notice_put_redirect(struct buffer *out, const char *name, const char *endpoint);
void notice_put_refuse(struct buffer *out, enum notice_refusal refusal, const char *text);
void notice_put_view(struct buffer *out, enum member_state state, bool last, uint32_t life_count);
void notice_put_life(struct buffer *out, const struct life *life);
void notice_put_left(struct buffer *out);

/* Reads a message; the bytes are borrowed as long as its lives are read. Errors: TR_EDATA, with
 * `error` naming `peer` and the fault. */
tr_status notice_decode(const uint8_t *bytes, size_t byte_count, const char *peer,
                        struct notice *notice_out, tr_error *error);

/* The next life of a greeting or view; call it `life_count` times. */
void notice_next_life(struct notice *notice, struct life_notice *life_out);

#endif
