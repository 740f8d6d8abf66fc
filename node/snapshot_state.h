/*
 * snapshot_state.h - what the files of the snapshot machine share: its state, and who does what.
 *
 * Private to snapshot.c, snapshot_member.c, snapshot_initiator.c and snapshot_doubt.c. A node has
 * one machine with four roles: a member (its own part of one snapshot), an initiator (one candidate
 * at a time), a voter in doubt (parts whose fate is unknown), and a witness (answers such questions
 * about snapshots it initiated). What a member tells its initiator goes through a queue also when
 * both are this node; what an initiator tells its own member is a plain call.
 */
#ifndef TROUPE_NODE_SNAPSHOT_STATE_H
#define TROUPE_NODE_SNAPSHOT_STATE_H

#include "node/base/buffer.h"
#include "node/base/list.h"
#include "node/snapshot.h"
#include "node/snapshot_members.h"
#include "node/snapshot_wire.h"

/* What a member knows of one link with another. */
struct snapshot_peer {
    bool started; /* its START came: what follows on this link may be red */
    bool marked;  /* its MARKER came: nothing older follows */
    uint64_t marker;
    uint64_t sent;
    uint64_t received;
    uint64_t recorded;
};

/* This node as a member. */
struct snapshot_membership {
    snapshot_phase phase;
    snapshot_cut cut; /* valid unless idle */
    struct snapshot_view view;
    struct snapshot_peer *peers; /* as view */
    uint32_t markers;
    snapshot_census census;
    uint64_t begun_ns;
    uint64_t poll_ns; /* when all_red or token_done is asked next */
    uint64_t report_ns;
};

/* What an initiator knows of one member. */
struct snapshot_ballot {
    bool confirmed;
    bool voted;
    uint64_t *sessions; /* as view: the member's own */
    snapshot_part part;
    struct snapshot_row *rows; /* of its vote, sorted by peer */
    snapshot_phase phase;      /* as last reported */
    snapshot_census census;
    uint32_t markers;
};

struct snapshot_wish {
    uint64_t request;
    uint64_t deadline_ns;
};

/* This node as an initiator. The first wish is the one being served. */
struct snapshot_candidacy {
    snapshot_stage stage;
    snapshot_cut cut; /* valid from SNAPSHOT_NUMBERING on */
    struct snapshot_view view;
    struct snapshot_ballot *ballots; /* as view */
    struct snapshot_wish wishes[SNAPSHOT_REQUESTS_MAX];
    uint32_t wishes_count;
    uint32_t attempts; /* for the first wish */
    uint64_t prepared_ns;
    uint64_t retry_ns;                    /* no attempt before */
    char obstacle[SNAPSHOT_REASON_BYTES]; /* why the last attempt of the first wish failed */
    snapshot_part *parts;                 /* from SNAPSHOT_COMMITTING on: what `result` borrows */
    snapshot_link *links;
    snapshot_result result;
};

/* A larger number that waits for this node's promise to end. */
struct snapshot_suitor {
    list_node node;
    snapshot_cut cut;
    struct snapshot_view view;
};

/* A part of this node whose initiator has not said what became of it. */
struct snapshot_doubt {
    list_node node;
    snapshot_cut cut;
    bool asked; /* in the present session with the initiator */
};

/* A voter that waits for find_manifest. */
struct snapshot_asker {
    list_node node;
    snapshot_cut cut;
    char peer[SNAPSHOT_NAME_BYTES];
};

/* A message from this node to itself. */
struct snapshot_note {
    list_node node;
    uint8_t *bytes;
    size_t size;
};

struct snapshot {
    char name[SNAPSHOT_NAME_BYTES];
    uint64_t incarnation;
    uint64_t retry_ns;
    uint64_t poll_ns;
    uint64_t progress_ns;
    const snapshot_ops *ops;
    void *context;
    uint64_t epoch;       /* E */
    uint64_t floor;       /* the largest number used by anybody, as far as known */
    snapshot_cut highest; /* the newest cut ever promised in this life: older ones are over */
    bool stopped;
    bool busy; /* inside an input: ops must not call back */
    struct snapshot_membership member;
    struct snapshot_candidacy candidate;
    struct list suitors;
    struct list doubts;
    struct list askers;
    struct list notes;
    struct buffer scratch; /* the message being encoded */
};

/* ---- snapshot.c --------------------------------------------------------------------------------
 */

/* True when `name` is this node. */
bool snapshot_is_self(const struct snapshot *snapshot, const char *name);

/* Encodes and sends, to this node itself through its queue. */
void snapshot_post(struct snapshot *snapshot, const char *peer,
                   const struct snapshot_message *message);

void snapshot_log(struct snapshot *snapshot, tr_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills the view through ops; the caller's to fini. */
void snapshot_view_now(struct snapshot *snapshot, struct snapshot_view *view_out);

/* Raises E without recording, when `epoch` is above it; ends a membership that this overtakes. */
void snapshot_raise_epoch(struct snapshot *snapshot, uint64_t epoch);

/* ---- snapshot_member.c -------------------------------------------------------------------------
 */

/* Messages from peers, already decoded. TR_EDATA: impossible from a correct peer. */
tr_status snapshot_member_prepare(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                  struct snapshot_message *message, tr_error *error);
tr_status snapshot_member_start(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                const struct snapshot_message *message, tr_error *error);
tr_status snapshot_member_marker(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                 const struct snapshot_message *message, tr_error *error);
tr_status snapshot_member_commit(struct snapshot *snapshot, const struct snapshot_message *message,
                                 tr_error *error);
void snapshot_member_abort(struct snapshot *snapshot, const struct snapshot_message *message);

/* Promises the cut; takes the view. The caller has checked that it may. */
void snapshot_member_promise(struct snapshot *snapshot, const snapshot_cut *cut,
                             struct snapshot_view *view);

/* Starts the promised cut: START on every link, then E, then the sweep. */
void snapshot_member_begin(struct snapshot *snapshot, uint64_t now_ns);

/* Ends the membership of `cut`, if it is that: the part stays, or goes. */
void snapshot_member_keep(struct snapshot *snapshot, const snapshot_cut *cut,
                          const uint8_t *manifest, size_t size);
void snapshot_member_discard(struct snapshot *snapshot, const snapshot_cut *cut);

/* True when `cut` is the one this node is a member of. */
bool snapshot_member_holds(const struct snapshot *snapshot, const snapshot_cut *cut);

/* Answers of storage, for the present part. */
void snapshot_member_durable(struct snapshot *snapshot, const snapshot_part *part);

/* The node leaves. */
void snapshot_member_stop(struct snapshot *snapshot);

/* Frees view and peers; idle. */
void snapshot_member_clear(struct snapshot *snapshot);

/* Before its vote this member cannot go on: it tells the initiator and aborts alone. */
void snapshot_member_fail(struct snapshot *snapshot, enum snapshot_reason reason, const char *text);

/* The session with `peer` ended for one of two reasons. */
void snapshot_member_peer_lost(struct snapshot *snapshot, const char *peer,
                               enum snapshot_reason reason, const char *text);

/* Polls all_red or token_done when it is time. */
void snapshot_member_poll(struct snapshot *snapshot, uint64_t now_ns);

/* Fails the membership when the view is no longer the promised one. */
void snapshot_member_check_view(struct snapshot *snapshot);

/* Idle again: lets the newest suitor in, refuses those that are over. True when one was taken. */
bool snapshot_member_welcome(struct snapshot *snapshot, uint64_t now_ns);

/* Forgets the numbers that wait: of one peer, or (NULL) all. */
void snapshot_member_forget_suitors(struct snapshot *snapshot, const char *peer);

/* ---- snapshot_initiator.c ----------------------------------------------------------------------
 */

tr_status snapshot_initiator_confirm(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                     const struct snapshot_message *message, tr_error *error);
tr_status snapshot_initiator_refuse(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                    const struct snapshot_message *message, tr_error *error);
tr_status snapshot_initiator_report(struct snapshot *snapshot, const char *peer,
                                    const struct snapshot_message *message, tr_error *error);
tr_status snapshot_initiator_vote(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                  struct snapshot_message *message, tr_error *error);
tr_status snapshot_initiator_fail(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                  const struct snapshot_message *message, tr_error *error);

/* Starts an attempt for the first wish when nothing stands in its way; true when it did. */
bool snapshot_initiator_try(struct snapshot *snapshot, uint64_t now_ns);

/* The floor is durable: asks the members. */
void snapshot_initiator_ask_members(struct snapshot *snapshot, uint64_t now_ns);

/* Gives up the present number (before the manifest): everywhere, and for good. Overtaken and
 * differing views are tried again later, anything else ends the first wish. */
void snapshot_initiator_abort(struct snapshot *snapshot, uint64_t now_ns,
                              enum snapshot_reason reason, const char *text);

/* The manifest is durable: tells all, ends the first wish. */
void snapshot_initiator_commit(struct snapshot *snapshot, uint64_t now_ns, const uint8_t *manifest,
                               size_t size);

void snapshot_initiator_peer_lost(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                                  enum snapshot_reason reason, const char *text);

/* Ends wishes whose time is over. */
void snapshot_initiator_expire(struct snapshot *snapshot, uint64_t now_ns);

/* Ends all wishes, but for one whose manifest is being written. */
void snapshot_initiator_stop(struct snapshot *snapshot, uint64_t now_ns);

/* Frees view, ballots and result. */
void snapshot_initiator_clear(struct snapshot *snapshot);

/* When this role wants a step. */
uint64_t snapshot_initiator_deadline(const struct snapshot *snapshot);

/* True when `cut` is the one under way here. */
bool snapshot_initiator_runs(const struct snapshot *snapshot, const snapshot_cut *cut);

/* ---- snapshot_doubt.c --------------------------------------------------------------------------
 */

/* The part of `cut` is durable and its initiator cannot be heard. */
void snapshot_doubt_add(struct snapshot *snapshot, const snapshot_cut *cut);

/* The initiator has answered; nothing when `cut` is not in doubt. */
void snapshot_doubt_answer(struct snapshot *snapshot, const snapshot_cut *cut, bool committed,
                           const uint8_t *manifest, size_t size);

/* Asks the initiator `name` about the oldest of its parts in doubt, one question at a time. */
void snapshot_doubt_ask(struct snapshot *snapshot, const char *name);

/* The session with `peer` ended: its questions are void, those to it will be asked again. */
void snapshot_doubt_peer_lost(struct snapshot *snapshot, const char *peer);

/* A voter's question. */
tr_status snapshot_doubt_query(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                               const snapshot_cut *cut, tr_error *error);

/* Answers all voters that wait for this cut. */
void snapshot_doubt_found(struct snapshot *snapshot, uint64_t epoch, bool exists,
                          const uint8_t *manifest, size_t size);

void snapshot_doubt_clear(struct snapshot *snapshot);

#endif
