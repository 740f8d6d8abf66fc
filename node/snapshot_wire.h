/*
 * snapshot_wire.h - the messages of the snapshot protocol as msgpack bytes, and back.
 *
 * Each is one array: [kind, epoch, initiator, ...]; SNAPSHOT_PROTOCOL.md lists the fields. Decoding
 * is exact: another count, kind or order of things, a value past its limit, and bytes left over are
 * refused with TR_EDATA and words that say what (I5). Any thread.
 */
#ifndef TROUPE_NODE_SNAPSHOT_WIRE_H
#define TROUPE_NODE_SNAPSHOT_WIRE_H

#include <troupe.h>

#include "node/base/buffer.h"
#include "node/snapshot.h"
#include "node/snapshot_members.h"

/* Numbers on the wire. */
enum snapshot_kind {
    SNAPSHOT_PREPARE = 1, /* initiator -> member: confirm this view and promise */
    SNAPSHOT_CONFIRM,     /* member -> initiator: promised; its view */
    SNAPSHOT_REFUSE,      /* member -> initiator: overtaken, or views differ */
    SNAPSHOT_START,       /* everybody -> everybody: from here on this link carries colour e */
    SNAPSHOT_MARKER,      /* everybody -> everybody: no older message follows on this link */
    SNAPSHOT_REPORT,      /* member -> initiator: progress, for people */
    SNAPSHOT_VOTE,        /* member -> initiator: the part is durable */
    SNAPSHOT_FAIL,        /* member -> initiator: cannot go on */
    SNAPSHOT_COMMIT,      /* initiator -> member: keep the part */
    SNAPSHOT_ABORT,       /* initiator -> member: discard the part, or forget the promise */
    SNAPSHOT_QUERY,       /* voter -> initiator's present life: what became of it? */
    SNAPSHOT_KIND_COUNT
};

/* Why a number was refused or given up; also on the wire. */
enum snapshot_reason {
    SNAPSHOT_OVERTAKEN = 1,
    SNAPSHOT_VIEWS_DIFFER,
    SNAPSHOT_MEMBER_LOST,
    SNAPSHOT_SESSION_ENDED,
    SNAPSHOT_TIMEOUT,
    SNAPSHOT_DISK_FULL,
    SNAPSHOT_DISK_ERROR,
    SNAPSHOT_COUNTS_DIFFER,
    SNAPSHOT_NODE_STOPS,
    SNAPSHOT_NO_MANIFEST, /* the answer to a query */
    SNAPSHOT_REASON_COUNT
};

/* "member lost"; static. */
const char *snapshot_reason_text(enum snapshot_reason reason);

/* What a voter says of its link with one other member, in both directions. */
struct snapshot_row {
    char peer[SNAPSHOT_NAME_BYTES];
    uint64_t sent;     /* voter -> peer: what its marker said */
    uint64_t marker;   /* peer -> voter: what the peer's marker said */
    uint64_t received; /* peer -> voter */
    uint64_t recorded;
};

/* Any message; only the fields of its kind are used. */
struct snapshot_message {
    enum snapshot_kind kind;
    snapshot_cut cut;
    struct snapshot_view view;   /* PREPARE, CONFIRM, START */
    enum snapshot_reason reason; /* REFUSE, FAIL, ABORT */
    char text[SNAPSHOT_REASON_BYTES];
    uint64_t floor;         /* REFUSE: numbers up to here are used */
    uint64_t older;         /* MARKER */
    snapshot_phase phase;   /* REPORT */
    snapshot_census census; /* REPORT */
    uint32_t markers;       /* REPORT */
    snapshot_part part;     /* VOTE; node and incarnation are not sent */
    struct snapshot_row *rows;
    size_t rows_count;
    const uint8_t *manifest; /* COMMIT; borrowed from whoever encodes, or from the bytes decoded */
    size_t manifest_bytes;   /* 0: none */
};

/* Frees view and rows. */
void snapshot_message_fini(struct snapshot_message *message);

/* Appends the message's bytes. */
void snapshot_message_encode(const struct snapshot_message *message, struct buffer *buffer);

/* Fills `*message_out`, the caller's to fini. Errors: TR_EDATA; `error` says what. */
tr_status snapshot_message_decode(const uint8_t *bytes, size_t size,
                                  struct snapshot_message *message_out, tr_error *error);

#endif
