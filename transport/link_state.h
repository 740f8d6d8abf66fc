/*
 * link_state.h - what the files of the link share; beyond them only its tests look inside.
 *
 * One struct for each concern: `handshake` agrees on sessions (link_handshake.c), `sender` and
 * `receiver` are the two channels (link_send.c, link_receive.c), `pressure` the notices
 * (link_pressure.c), `liveness` what tells a silent peer (link_timer.c). Times are nanoseconds;
 * NEVER means that nothing is due.
 */
#ifndef TROUPE_TRANSPORT_LINK_STATE_H
#define TROUPE_TRANSPORT_LINK_STATE_H

#include "node/base/list.h"
#include "node/base/map.h"
#include "transport/link.h"

#define NEVER UINT64_MAX
#define MILLISECONDS UINT64_C(1000000)

#define HELLO_INTERVAL (500 * MILLISECONDS) /* between HELLOs while opening or resuming */
#define HELLO_SPACING \
    (20 * MILLISECONDS) /* at least, between HELLOs that frames of the peer ask for */
#define WATCHDOG_INTERVAL \
    (5000 * MILLISECONDS) /* without an answer until the connection is made anew */
#define REFUSED_INTERVAL \
    (5000 * MILLISECONDS) /* between tries after a refusal; also between reports of one */
#define QUARANTINE_INTERVAL (5000 * MILLISECONDS) /* after a bad frame */
#define PING_INTERVAL (1000 * MILLISECONDS)
#define SILENCE_MAX \
    (2500 * MILLISECONDS) /* without a sign that the peer hears us until the session resumes */
#define ACK_DELAY (5 * MILLISECONDS)
#define PROBE_MIN (200 * MILLISECONDS)
#define PROBE_MAX (5000 * MILLISECONDS)
#define RESEND_SPACING (20 * MILLISECONDS) /* between requests for the same gap, doubling */
#define RESEND_SPACING_MAX (1000 * MILLISECONDS)
#define REWIND_SPACING (10 * MILLISECONDS) /* at least, between two resends */
#define BYE_SPACING (50 * MILLISECONDS)    /* between answers to frames of one dead session */

enum { ACK_MESSAGES = 64, LINK_TEXT_ROOM = 320 };

/* No peer can make a counter overflow. */
#define SESSION_MAX (UINT64_C(1) << 48)
/* What a peer may claim as its window at most; bounds what waits here for its acknowledgement (I5).
 */
#define WINDOW_BYTES_MAX (UINT64_C(1) << 30)
#define WINDOW_MESSAGES_MAX (UINT32_C(1) << 20)

struct link_handshake {
    /* Opening: the session proposed. In session: that one. Closed: the highest ever. */
    uint64_t counter;
    bool leaving;     /* closed for good by this side */
    bool heard_hello; /* opening: the peer proposes `counter` too, and was acknowledged */
    bool heard_ack;   /* opening: the peer has acknowledged `counter` to this very link */
    uint64_t bound;   /* the token of the one link of the peer that uses `counter`; 0: none yet */
    uint64_t peer_token; /* of the last HELLO; 0: none */
    uint64_t hello_at;
    uint64_t hello_sent_at; /* 0: never */
    bool ack_wanted;
    uint64_t ack_answer; /* the token that HELLO_ACK answers */
    uint64_t watchdog_at;
    uint64_t quarantine_until; /* 0: none */
    enum link_refusal refused; /* the last one reported, and when */
    uint64_t refused_at;
};

struct link_bye {
    bool wanted;
    uint64_t session;
    uint64_t destination_incarnation;
    enum link_end reason;
    char text[LINK_TEXT_ROOM];
    uint64_t sent_session;
    uint64_t sent_at;
};

/*
 * Parcels in order: first .. (sent, not acknowledged) .. next .. (to frame) .. last. After a
 * rewind `next` is back among those that were sent before; sent_top tells how far that was.
 */
struct link_sender {
    struct parcel *first;
    struct parcel *last;
    struct parcel *next; /* the next to frame, or NULL */
    uint64_t next_sequence;
    uint64_t next_bytes; /* wire bytes of all before `next` since the session began */
    uint64_t acked;      /* the highest sequence number acknowledged */
    uint64_t front;      /* `first` begins with front + 1, at most acked + 1 */
    uint64_t front_bytes;
    uint64_t sent_top;   /* the highest sequence number ever framed */
    uint64_t sent_bytes; /* wire bytes up to it */
    uint64_t queued;     /* envelopes past sent_top, and their bytes */
    uint64_t queued_bytes;
    bool high;             /* was at the high mark and not yet at the low one */
    uint64_t credit_bytes; /* granted by the peer */
    uint64_t credit_sequence;
    uint64_t sample_sequence; /* its acknowledgement gives a round trip; 0: none is measured */
    uint64_t sample_at;
    uint64_t rewound_at; /* 0: never */
};

struct link_receiver {
    struct envelope context; /* the MESSAGE or CONTROL delivered last */
    uint64_t delivered;      /* the last sequence number delivered, and wire bytes up to it */
    uint64_t delivered_bytes;
    uint64_t filed; /* of these: how many were filed, and their bytes */
    uint64_t filed_bytes;
    uint64_t granted; /* the most that any frame granted */
    uint64_t granted_bytes;
    uint64_t reported; /* `delivered` in the last frame */
    uint64_t ack_at;
    bool ack_now;
    bool resend_wanted;
    uint64_t resend_asked_at; /* 0: not for the present gap */
    uint64_t resend_spacing;
};

/* What this node's actors have the peer know. */
struct link_pressure {
    map_pid notices;       /* struct notice: all not free, and free ones not yet seen by the peer */
    struct list unseen;    /* those that the peer has not confirmed, by ascending version */
    uint64_t version;      /* the last given */
    uint64_t peer_version; /* the highest received from the peer in this session */
    bool tell_now;
    uint64_t repeat_at;
};

struct link_liveness {
    uint64_t answered_at; /* the last sign that the peer hears this node */
    uint64_t pinged_at;
    uint64_t ping_number; /* the last sent, and when */
    uint64_t ping_sent_at;
    uint64_t pong_number; /* the highest that came back */
    bool ping_wanted;
    bool pong_wanted;
    uint64_t pong_answer; /* the number of the PING to answer */
    uint64_t probe_at;
    uint64_t probe_delay;
    uint64_t rtt; /* smoothed; 0 unknown */
};

struct link {
    struct identity self;
    const struct link_ops *ops;
    void *user;
    uint64_t token;
    uint64_t epoch;
    uint32_t frame_bytes_max;
    uint64_t queue_low_bytes;
    uint64_t queue_high_bytes;

    enum link_state state;
    uint64_t changes; /* of state: tells whether a callback ended what was going on */
    bool peer_known;
    struct identity peer; /* name and incarnation may be known before the rest */

    struct link_handshake handshake;
    struct link_bye bye;
    struct link_sender sender;
    struct link_receiver receiver;
    struct link_pressure pressure;
    struct link_liveness liveness;
    struct link_stats stats;
};

static inline bool link_in_session(const struct link *link) {
    return link->state == LINK_UP || link->state == LINK_RESUMING;
}

/* link_handshake.c */
void link_handshake_hello(struct link *link, const struct frame_header *header, uint64_t now);
/* True when the frame belongs to the session that is now up, so that its header counts. */
bool link_handshake_ack(struct link *link, const struct frame_header *header, uint64_t now);
void link_handshake_refuse(struct link *link, enum link_refusal reason, const char *text,
                           uint64_t now);
void link_handshake_ask_hello(struct link *link, uint64_t now); /* soon, but not too often */

/* link_session.c */
void link_session_seek(struct link *link, uint64_t counter, uint64_t now); /* -> OPENING */
void link_session_begin(struct link *link, uint64_t now);                  /* OPENING -> UP */
void link_session_resume(struct link *link, uint64_t now);                 /* UP -> RESUMING */
void link_session_answered(struct link *link, uint64_t now); /* by HELLO_ACK; RESUMING -> UP */
void link_session_stop(struct link *link);                   /* OPENING -> CLOSED */
/* UP, RESUMING -> OPENING or CLOSED, then session_down. `text` is borrowed. */
void link_session_end(struct link *link, enum link_end reason, const char *text,
                      enum link_state next, uint64_t now);
/* Ends the session with a BYE after bytes that no correct peer sends; counts only when there is
 * none. */
void link_session_bad(struct link *link, const char *text, uint64_t now);
void link_session_say_bye(struct link *link, uint64_t session, uint64_t incarnation,
                          enum link_end reason, const char *text);
void link_session_bye(struct link *link, const struct frame_header *header, uint64_t now);

/* link_send.c */
void link_sender_start(struct link *link);
/* Takes the acknowledgement and credit of a frame; false when the peer cannot have meant it. */
bool link_sender_acknowledge(struct link *link, const struct frame_header *header, uint64_t now);
/* Sends again from the first unacknowledged parcel on, unless that was done just now. */
void link_sender_rewind(struct link *link, uint64_t now);
void link_sender_measure(struct link *link, uint64_t round_trip);
bool link_sender_blocked(const struct link *link); /* parcels wait for credit */
bool link_sender_waits(const struct link *link);   /* the same, or for an acknowledgement */
uint64_t link_sender_probe_delay(const struct link *link);

/* Fills a DATA frame with what the credit allows and has gathered; false when nothing may be sent.
 */
bool link_sender_fill(struct link *link, struct buffer *frame, uint64_t now);
bool link_sender_ready(const struct link *link);

/* link_receive.c */
void link_receiver_start(struct link *link);
/* Puts acknowledgement and credit into a header; granted: it has been encoded so. */
void link_receiver_credit(struct link *link, struct frame_header *header);
void link_receiver_granted(struct link *link, const struct frame_header *header);
/* Delivers what a DATA frame brings next in order. */
void link_receive_data(struct link *link, const struct frame_header *header, uint64_t now);

/* link_pressure.c */
void link_pressure_init(struct link *link);
void link_pressure_fini(struct link *link);
void link_pressure_start(struct link *link); /* of a session */
/* Takes a frame's notices and confirmation; false when the peer cannot have meant them. */
bool link_pressure_take(struct link *link, struct frame_header *header, uint64_t now);
/* Puts unseen notices into `notices` (FRAME_NOTICES_MAX) and lowers the header's credit if some do
 * not fit. */
void link_pressure_put(struct link *link, struct frame_header *header, struct frame_notice *notices,
                       uint64_t now);

#endif
