/*
 * link.h - the two FIFO channels between this node and one peer, as a pure state machine.
 *
 * Fed with frames, parcels and the time; drained of frames; says what happens through link_ops.
 * It does no I/O, reads no clock and draws no random number (I1). One thread per link. Whatever
 * the network loses, repeats, delays or reorders: within a session every parcel is delivered
 * exactly once and in order (I2); when a session ends, what was not acknowledged is handed back.
 * Bytes from the peer cannot crash it or grow it past its windows (I5). See PROTOCOL.md. Times are
 * nanoseconds of any clock that never goes back.
 */
#ifndef TROUPE_TRANSPORT_LINK_H
#define TROUPE_TRANSPORT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/base/buffer.h"
#include "transport/envelope.h"
#include "transport/frame.h"
#include "transport/hello.h"

struct link;

enum link_state {
    LINK_CLOSED = 0, /* no session, and none sought; the peer may still open one */
    LINK_OPENING,    /* no session yet; HELLO goes out until both sides have acknowledged one */
    LINK_UP,         /* in session */
    LINK_RESUMING    /* in session, but the peer does not answer; parcels wait */
};

/* Why a session ended; also the reason in a BYE. */
enum link_end {
    LINK_END_LEAVING = 1, /* a node leaves its cluster; no new session is sought */
    LINK_END_DOWN,        /* one side declared the other down */
    LINK_END_UNKNOWN,     /* the peer does not hold this session */
    LINK_END_RESTARTED,   /* the peer came with a new incarnation */
    LINK_END_SUPERSEDED,  /* the peer proposed a newer session */
    LINK_END_BAD_FRAME,   /* bytes that no correct peer sends */
    LINK_END_REFUSED      /* see link_refusal */
};

enum link_refusal {
    LINK_REFUSED_VERSION = 1, /* another protocol version */
    LINK_REFUSED_CLUSTER,
    LINK_REFUSED_GENERATION,
    LINK_REFUSED_NAME,        /* this node's own name, or another than the link was made for */
    LINK_REFUSED_INCARNATION, /* lower than one already seen */
    LINK_REFUSED_BY_PEER      /* the peer refused this node; the text is the peer's */
};

/* What deliver did with an envelope. */
enum link_filing {
    LINK_FILED = 0, /* in a mailbox or dead-lettered: its credit returns */
    LINK_HELD       /* kept aside; link_filed returns its credit later */
};

/* How a session ended. The callback owns the parcels from then on. */
struct link_down {
    uint64_t session;
    enum link_end reason;
    const char *text;         /* what happened, for people; borrowed */
    uint64_t delivered_up_to; /* acknowledged: delivered for certain */
    struct parcel *parcels;   /* all the others in order, chained by `next` */
    uint64_t known_count;     /* so many of the first parcel's envelopes were delivered too; the one
                                 after them has delivered_up_to + 1 */
    uint64_t count;           /* of the others */
    uint64_t unknown_count; /* the first so many were sent and may or may not have arrived; the rest
                               was never sent */
};

/*
 * All are required. They may call link_send, link_pressure, link_filed, link_set_epoch, link_close
 * and the readers on the same link, nothing else of it, and never link_free.
 */
struct link_ops {
    /* The next envelope of the session, borrowed for the call. */
    enum link_filing (*deliver)(void *user, struct link *link, const struct envelope *envelope);
    /* In session: `peer` is borrowed until the session ends. `resumed`: the same session answers
     * again after a silence. */
    void (*session_up)(void *user, struct link *link, const struct identity *peer, uint64_t session,
                       bool resumed);
    /* The session that was up is over. */
    void (*session_down)(void *user, struct link *link, const struct link_down *down);
    /* An actor of the peer's became overloaded or free; called before credit of the same frame
     * counts (I3). */
    void (*peer_pressure)(void *user, struct link *link, tr_pid pid, enum frame_pressure level,
                          uint64_t version);
    /* The peer's E, from each HELLO; before session_up. */
    void (*peer_epoch)(void *user, struct link *link, uint64_t epoch);
    /* The send queue was at its high mark and has fallen to the low one. */
    void (*writable)(void *user, struct link *link);
    /* The peer was refused, or refused this node. `text` names both sides' values; borrowed. The
     * link goes on trying every few seconds; link_close stops that. */
    void (*refused)(void *user, struct link *link, enum link_refusal reason, const char *text);
    /* The outgoing connection is dead: close and recreate it. Nothing in the link is lost. */
    void (*reconnect)(void *user, struct link *link, const char *reason);
};

/* Zero fields take the defaults in brackets. All is copied. */
struct link_options {
    struct identity
        self; /* message_bytes_max [1 MiB], window_bytes [4 MiB], window_messages [65,536] */
    const char
        *peer; /* its name; NULL when only an endpoint is known: the first HELLO then tells */
    uint64_t peer_incarnation; /* the highest known of that name; lower ones are refused; 0: none */
    uint64_t session_floor;    /* the highest session ever with that peer; 0: none known */
    uint64_t token;            /* random and not 0; another for each link */
    uint64_t epoch;            /* E */
    uint32_t frame_bytes_max;  /* [64 KiB] a frame takes no further parcel past that */
    uint64_t queue_low_bytes;  /* [half of high] */
    uint64_t queue_high_bytes; /* [8 MiB] of parcels not yet sent */
    const struct link_ops *ops; /* must outlive the link */
    void *user;
};

/* Makes a link that seeks a session at once (LINK_OPENING). A window_bytes that cannot hold one
 * message of message_bytes_max is raised to it. */
struct link *link_new(const struct link_options *options, uint64_t now);

/* Frees the link and all parcels in it, without a callback. link_close first when they matter. NULL
 * is fine. */
void link_free(struct link *link);

/* Seeks a session again after link_close. Nothing when it does already. */
void link_open(struct link *link, uint64_t now);

/* Ends the session (session_down is called) and seeks none; the peer is told by a BYE. `reason` is
 * LINK_END_DOWN (a HELLO of the peer opens a new session) or LINK_END_LEAVING (it does not). `text`
 * is copied. */
void link_close(struct link *link, enum link_end reason, const char *text, uint64_t now);

/* Ends the session with a BYE because what it delivered is nonsense to the node; the peer is not
 * heard again for a few seconds. `text` is copied. */
void link_reject(struct link *link, const char *text, uint64_t now);

/* Takes one frame from the peer. Bad ones are counted, and end the session when they belong to it.
 */
void link_frame(struct link *link, const uint8_t *data, size_t bytes, uint64_t now);

/* Queues `*parcel` behind all earlier ones and sets it to NULL. More than one envelope in it must
 * fit half the peer's window (link_peer), and each what the peer takes. Never refuses for fullness:
 * see link_queue_bytes. Errors: TR_EUNREACHABLE no session, TR_ETOOBIG a single envelope over what
 * the peer takes; the parcel then stays the caller's. */
tr_status link_send(struct link *link, struct parcel **parcel, uint64_t now);

/* Tells the peer that one of this node's actors is overloaded or free. Kept (until free) and told
 * again in each new session, so it may be called in any state. Equal to the last level told of that
 * pid: nothing. */
void link_pressure(struct link *link, tr_pid pid, enum frame_pressure level);

/* Returns the credit of envelopes that deliver had held: how many, and the sum of their wire_bytes.
 * Ignored when `session` is over. */
void link_filed(struct link *link, uint64_t session, uint32_t messages, uint64_t bytes,
                uint64_t now);

/* Sets the E that further HELLOs carry. */
void link_set_epoch(struct link *link, uint64_t epoch);

/* The driver's word that the connection broke or was made anew: the session is resumed by HELLO at
 * once, not only after a silence. */
void link_disconnected(struct link *link, uint64_t now);

/* The driver's word that a connection is there now: a HELLO that waits for its interval goes out at
 * once, since the last one was lost. */
void link_connected(struct link *link, uint64_t now);

/* Replaces `*frame` with the next frame to send now; false when there is none. A frame counts as
 * sent: if it gets lost, the link sends again by itself. Call until false after link_frame,
 * link_send, link_tick. */
bool link_next_frame(struct link *link, struct buffer *frame, uint64_t now);

/* Does what is due at `now`; further frames may be ready then. */
void link_tick(struct link *link, uint64_t now);

/* When link_tick must be called next, given that link_next_frame has returned false; UINT64_MAX for
 * never. */
uint64_t link_deadline(const struct link *link);

/* Readers. Names and identities are borrowed until the link is freed or learns another. */
enum link_state link_state(const struct link *link);
const char *link_peer_name(const struct link *link);       /* "" while unknown */
const struct identity *link_peer(const struct link *link); /* NULL before the first HELLO */
uint64_t link_token(const struct link *link);
uint64_t link_session(const struct link *link); /* 0 without one */
void *link_user(const struct link *link);
/* Parcels not yet sent: how many bytes and how many. */
uint64_t link_queue_bytes(const struct link *link);
uint64_t link_queue_messages(const struct link *link);
/* Nothing is queued or unacknowledged: all that was sent has been delivered. */
bool link_idle(const struct link *link);

/* Counters since link_new, but for those marked with "now". */
struct link_stats {
    uint64_t frames_sent, frames_received;
    uint64_t bytes_sent, bytes_received;       /* of frames */
    uint64_t messages_sent, messages_received; /* resends not counted; delivered */
    uint64_t sessions;                         /* that came up */
    uint64_t resumptions;
    uint64_t duplicates_dropped; /* messages */
    uint64_t gaps;               /* frames that began past what was expected */
    uint64_t resends_asked;      /* by this side */
    uint64_t messages_resent;
    uint64_t timeouts; /* of the resend timer */
    uint64_t bad_frames;
    uint64_t old_incarnation_frames; /* of an earlier life of either node */
    uint64_t other_session_frames;
    uint64_t early_frames; /* before a session was agreed on */
    uint64_t refusals;
    uint64_t reconnects;
    uint64_t notices_sent, notices_received; /* distinct ones */
    uint64_t rtt_ns;   /* now: smoothed round trip, acknowledgement delay included; 0 unknown */
    uint64_t heard_ns; /* now: when the last valid frame of the peer came */
    uint64_t unacknowledged_messages, unacknowledged_bytes; /* now: sent and kept */
    uint64_t queued_messages, queued_bytes;                 /* now: not yet sent */
    uint64_t credit_bytes, credit_messages;                 /* now: may be sent at once */
};
void link_stats(const struct link *link, struct link_stats *stats_out);

#endif
