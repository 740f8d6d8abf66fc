/*
 * frame.h - the header in front of each frame between two nodes.
 *
 * A frame is one message of the driver: a msgpack array (the header) and a body up to the end,
 * whose shape depends on the type. Pressure notices come before the credit (I3). Reading
 * allocates nothing and points into the input (I5). Pure; any thread. PROTOCOL.md has the bytes.
 */
#ifndef TROUPE_TRANSPORT_FRAME_H
#define TROUPE_TRANSPORT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/buffer.h"
#include "transport/cursor.h"

enum { FRAME_VERSION = 2, FRAME_NOTICES_MAX = 256 };

enum frame_type {
    FRAME_HELLO = 1,     /* body: the map of hello.h; session: the one proposed */
    FRAME_HELLO_ACK = 2, /* body: two tokens; session: the one agreed to */
    FRAME_DATA = 3,      /* body: the number of the first envelope, envelopes */
    FRAME_ACK = 4,       /* no body: acknowledgement, credit, notices alone */
    FRAME_RESEND = 5,    /* no body: send again what follows the acknowledgement */
    FRAME_PING = 6,      /* body: a number */
    FRAME_PONG = 7,      /* body: the PING's number */
    FRAME_BYE = 8        /* body: reason and text; session: the one that is over */
};

/* How a receiver stands with its senders (I3). */
enum frame_pressure { PRESSURE_FREE = 0, PRESSURE_MUTE = 1, PRESSURE_REFUSE = 2 };

/* `version` grows by each notice of one link; a later one of the same pid replaces the earlier. */
struct frame_notice {
    tr_pid pid;
    uint64_t version;
    enum frame_pressure level;
};

struct frame_header {
    enum frame_type type;
    const char *source; /* the sending node's name, without closing zero when decoded */
    uint32_t source_bytes;
    uint64_t source_incarnation;
    uint64_t destination_incarnation; /* 0: not known yet */
    uint64_t session;
    const struct frame_notice *notices; /* to encode: in ascending order of version */
    uint32_t notice_count;              /* at most FRAME_NOTICES_MAX */
    uint64_t notices_seen;              /* the highest version received from the other side */
    uint64_t ack;                       /* all up to this sequence number has been delivered */
    uint64_t credit_bytes;      /* may send up to so many envelope bytes since the session began */
    uint64_t credit_sequence;   /* and up to this sequence number */
    struct cursor notices_read; /* decoded: frame_next_notice reads them from here */
    const uint8_t *body;        /* decoded: up to the frame's end */
    size_t body_bytes;
};

/* Appends the header; the body is appended after it by the caller. `body` and `body_bytes` are not
 * read. */
void frame_encode(struct buffer *out, const struct frame_header *header);

/* Reads a header. Errors: TR_ENOTSUP another protocol version, TR_EDATA anything else;
 * `*header_out` untouched. */
tr_status frame_decode(const uint8_t *data, size_t bytes, struct frame_header *header_out);

/* Takes the next notice of a decoded header; false when there is none left. */
bool frame_next_notice(struct frame_header *header, struct frame_notice *notice_out);

/* What every version of the protocol begins with. */
struct frame_peek {
    uint64_t version;
    uint64_t type;
    const char *source; /* into the frame, without closing zero; 1 to 63 bytes */
    uint32_t source_bytes;
    uint64_t source_incarnation;
};

/* Reads just the first elements of a frame, so that its link can be found. Errors: TR_EDATA. */
tr_status frame_peek(const uint8_t *data, size_t bytes, struct frame_peek *peek_out);

#endif
