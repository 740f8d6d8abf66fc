/*
 * link_rig_test.h - two links over a simulated channel in virtual time, with an oracle.
 *
 * The channel loses, delays, reorders, repeats and cuts as told, all from one seed. The oracle sees
 * each send, frame and delivery; the first thing that breaks a promise of link.h is kept in
 * `fault`. A rig belongs to one test; it looks into link_state.h where the promise is about the
 * inside.
 */
#ifndef TROUPE_TRANSPORT_LINK_RIG_TEST_H
#define TROUPE_TRANSPORT_LINK_RIG_TEST_H

#include "node/base/random.h"
#include "transport/link_state.h"

#define RIG_MS MILLISECONDS
#define RIG_SECOND (1000 * RIG_MS)

enum { RIG_PIDS = 300, RIG_SESSIONS = 512, RIG_TEXT = 400 };

/* What became of what one link sent in one session. */
struct rig_session {
    uint64_t sender_token;
    uint64_t receiver_token; /* 0: nothing delivered yet */
    uint64_t session;
    uint64_t accepted; /* by link_send */
    uint64_t delivered;
    bool over; /* at the sender, which then knew: */
    uint64_t known_delivered, perhaps_delivered;
};

/* A mark that the other side may not yet know. */
struct rig_mark {
    enum frame_pressure level; /* as told here */
    enum frame_pressure seen;  /* as the other side has it */
    bool pending;
    uint64_t version;
    uint64_t credit_sequence; /* the most granted before the mark */
};

struct rig_frame {
    struct rig_frame *next;
    uint64_t at;
    size_t bytes;
    uint8_t data[];
};

/* The way out of a side. */
struct rig_channel {
    struct rig_frame *frames; /* in flight, unordered */
    unsigned loss_percent, repeat_percent;
    uint64_t delay_min, delay_max; /* of each frame by itself: so they reorder */
    bool dead;                     /* until the link asks for a new connection */
    bool cut;
    enum frame_type
        drop_type; /* 0: none; else frames of that type are lost, `drop_count` of them */
    unsigned drop_count;
    uint64_t frames_sent, last_bytes;
    uint64_t sent_by_type[FRAME_BYE + 1];
    enum frame_type last_type;
};

struct rig_side {
    struct rig *rig;
    struct link_options options;
    struct link *link;
    struct rig_channel out;
    uint64_t token;
    unsigned parcel_messages;  /* at most so many in one parcel; 0: each alone */
    unsigned hold_percent;     /* of deliveries */
    uint64_t held, held_bytes; /* in the present session */
    uint64_t close_in_deliver; /* the n-th delivery from now closes the link; 0: none */
    enum link_end close_with;
    uint64_t granted_sequence;       /* the most in frames of the present session */
    struct rig_mark marks[RIG_PIDS]; /* of this side's actors */
    /* what callbacks said, counted; the last of each */
    uint64_t ups, resumed, downs, delivered, refusals, reconnects, writables;
    uint64_t up_session, peer_epoch;
    struct identity up_peer;
    struct link_down down; /* without parcels */
    char down_text[LINK_TEXT_ROOM], refused_text[LINK_TEXT_ROOM];
    enum link_refusal refused;
};

struct rig {
    uint64_t now;
    random_state random;
    struct rig_side side[2];
    struct rig_session sessions[RIG_SESSIONS];
    unsigned session_count;
    uint64_t tokens;
    char fault[RIG_TEXT]; /* "" while all is well */
};

/* Two sides `a` and `b` of cluster `c`, incarnations 10 and 20, small windows, both dialling. The
 * options of a side may be changed before rig_start. */
struct rig *rig_new(uint64_t seed);
void rig_start(struct rig *rig);
void rig_free(struct rig *rig);

/* Runs until `duration` later. */
void rig_run(struct rig *rig, uint64_t duration);
/* Runs until both are in session with each other, at most 30 s; says whether they are. */
bool rig_connect(struct rig *rig);
/* Sends what the links have to send now, without passing time. */
void rig_pump(struct rig *rig);

/* Sends `count` messages of `body_bytes` (at least 24); returns how many were taken. */
unsigned rig_send(struct rig_side *side, unsigned count, uint32_t body_bytes);
/* Files what deliver held, at most so many messages. */
void rig_file(struct rig_side *side, uint64_t messages);
/* Marks an actor of the side's, 0 .. RIG_PIDS - 1. */
void rig_mark(struct rig_side *side, unsigned pid, enum frame_pressure level);

/* Another link object in place of the side's: of the same life, or of the next one. */
void rig_recreate(struct rig_side *side, bool next_life, bool keeps_floor);
/* Drops all frames on their way out of the side. */
void rig_drop_in_flight(struct rig_side *side);
/* Ends loss, delay, cuts at both sides. */
void rig_heal(struct rig *rig);
/* Says a fault unless all that was sent in the present session was delivered, and all that was
 * held, acknowledged and marked is settled. */
void rig_check_settled(struct rig *rig);

/* Puts a frame on its way to the side, as if from the other one. */
void rig_inject(struct rig_side *to, const uint8_t *data, size_t bytes);

struct rig_side *rig_other(struct rig_side *side);
uint64_t rig_unacknowledged(const struct rig_side *side);

#endif
