/*
 * snapshot.h - coordination of global snapshots: which number, who takes part, when it is whole.
 *
 * A pure state machine, one per node, for the node's core thread only: no I/O, no clock, no
 * thread. Inputs are the functions below; what it wants done goes out through snapshot_ops, which
 * must not call back in (except snapshot_view_add inside `members`): completions arrive later as
 * inputs. Bytes from peers are checked and refused with TR_EDATA (I5). After Chandy and Lamport
 * (1985) and Lai and Yang (1987); SNAPSHOT_PROTOCOL.md has states and arguments.
 */
#ifndef TROUPE_NODE_SNAPSHOT_H
#define TROUPE_NODE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

enum {
    SNAPSHOT_NAME_BYTES = 64, /* a node's name with its closing zero */
    SNAPSHOT_ID_BYTES = 64,
    SNAPSHOT_MEMBERS_MAX = 256,
    SNAPSHOT_REQUESTS_MAX = 16,               /* local requests that wait or run */
    SNAPSHOT_DIGEST_BYTES_MAX = 256,          /* of a part's digest blob */
    SNAPSHOT_MANIFEST_BYTES_MAX = 512 * 1024, /* a longer manifest is not copied to the members */
    SNAPSHOT_MESSAGE_BYTES_MAX = 640 * 1024,  /* no message of this protocol is longer */
    SNAPSHOT_REASON_BYTES = 256,
    SNAPSHOT_TIMEOUT_MS = 30000, /* default of a request */
};

/* No snapshot has a larger one. The node should refuse frames and HELLOs that carry more: after
 * such a colour was let in, E is beyond all numbers and no snapshot can be taken any more. */
#define SNAPSHOT_EPOCH_MAX ((UINT64_C(1) << 62) - 1)

struct snapshot;

/* One snapshot: its number (colour), who initiated it, and the name of its folder, for instance
 * "s000017-n1". Unique by (epoch, initiator); later snapshots have larger epochs. */
typedef struct snapshot_cut {
    uint64_t epoch; /* counter << 16 | 16 bits of the initiator's name; never 0 */
    char initiator[SNAPSHOT_NAME_BYTES];
    char id[SNAPSHOT_ID_BYTES];
} snapshot_cut;

/* One direction of a link at the cut, in messages of this session whose colour is older than the
 * cut. I8: sent == received + recorded. */
typedef struct snapshot_link {
    char from[SNAPSHOT_NAME_BYTES];
    char to[SNAPSHOT_NAME_BYTES];
    uint64_t sent;     /* counted at `from`; in its marker */
    uint64_t received; /* counted at `to`: handled or set aside before the cut */
    uint64_t recorded; /* counted at `to`: in the part as in flight */
} snapshot_link;

/* What one node contributed. */
typedef struct snapshot_part {
    char node[SNAPSHOT_NAME_BYTES];
    uint64_t incarnation;
    uint64_t bytes;    /* of the part file */
    uint64_t actors;   /* recorded in it */
    uint64_t messages; /* in flight, recorded in it (local ones and those from links) */
    uint32_t digest_bytes;
    uint8_t digest[SNAPSHOT_DIGEST_BYTES_MAX]; /* whatever storage wants in the manifest */
} snapshot_part;

/* A snapshot whose parts are all durable: what goes into the manifest, and what `snapshot create`
 * prints. Arrays are borrowed for the call and sorted by name (links by from, then to). */
typedef struct snapshot_result {
    snapshot_cut cut;
    uint64_t actors;
    uint64_t in_flight; /* messages in all parts */
    uint64_t bytes;     /* of all parts */
    uint64_t
        duration_ns; /* from its first prepare to this call; in `done`, to the manifest's end */
    const snapshot_part *parts;
    size_t parts_count; /* nodes */
    const snapshot_link *links;
    size_t links_count; /* nodes * (nodes - 1) */
} snapshot_result;

/* The members of the cluster as this node sees them; filled by the node. */
struct snapshot_view;

/* Adds a member. `session` is the counter of this node's session with it, 0 when there is none (no
 * snapshot can be taken then), any number for this node itself. A name that is there already, too
 * long or past SNAPSHOT_MEMBERS_MAX makes the view unusable (the request is told so). */
void snapshot_view_add(struct snapshot_view *view, const char *name, uint64_t incarnation,
                       uint64_t session);

/* How far the local recording is, for people. */
typedef struct snapshot_census {
    uint64_t red;   /* actors (and node services) that have turned */
    uint64_t total; /* actors that have to */
} snapshot_census;

/* What the node does for the machine. All are called on the core thread, none may call back. */
typedef struct snapshot_ops {
    /* Queues a control message on the session with `peer`, behind everything already queued there
     * (FIFO, I4). No session: dropped; the machine is or will be told through its inputs. */
    void (*send)(void *context, const char *peer, const uint8_t *bytes, size_t size);
    /* Adds every admitted member, this node included, with snapshot_view_add. */
    void (*members)(void *context, struct snapshot_view *view);
    /* Makes `cut->epoch` the node's E (release store) and starts recording: from now on an actor
     * that turns is recorded into this part, and older messages met by red actors too. Called only
     * after start was queued on every link, so a worker that sees E may send at once. */
    void (*begin)(void *context, const snapshot_cut *cut);
    /* Makes `epoch` the node's E without recording: actors that turn turn unrecorded. Never called
     * while a part is being recorded (discard comes first). */
    void (*move_epoch)(void *context, uint64_t epoch);
    /* Schedules idle actors, so that all turn soon. Called once, after `begin`. */
    void (*sweep)(void *context, uint64_t epoch);
    /* True when every local actor, port and service is red: exact under concurrency (two equal
     * collects), so that no message older than `epoch` can be sent from here any more. Polled by
     * snapshot_step; fills `census` each time. */
    bool (*all_red)(void *context, uint64_t epoch, snapshot_census *census);
    /* After all_red and before the markers: everything that workers and ports had pushed before is
     * moved onto its link's queue, so that a marker queued next stands behind it. */
    void (*flush_links)(void *context, uint64_t epoch);
    /* Messages older than `epoch` sent to `peer` in this session; called after flush_links. */
    uint64_t (*link_sent_older)(void *context, const char *peer, uint64_t epoch);
    /* Starts the last token: the queues of the unborn first, then every actor, by its owner; what
     * is still older is recorded. Called when no older message can arrive any more. */
    void (*token_start)(void *context, uint64_t epoch);
    /* True when the token has visited all. Polled by snapshot_step. */
    bool (*token_done)(void *context, uint64_t epoch);
    /* Messages older than `epoch` that came from `peer` in this session: how many were received
     * (handled or set aside before the cut) and how many are recorded. Called after token_done. */
    void (*link_counts)(void *context, const char *peer, uint64_t epoch, uint64_t *received,
                        uint64_t *recorded);
    /* Recording is complete: writes trailer (`links`: those that end here, sorted by from) and
     * makes the part durable under its name. Answer: snapshot_part_durable or snapshot_part_failed.
     */
    void (*finish_part)(void *context, const snapshot_cut *cut, const snapshot_link *links,
                        size_t links_count);
    /* The part is not needed: stops its recording if that runs (what is still older then turns
     * unrecorded) and removes what is on disk, once a finish_part under way has ended. */
    void (*discard_part)(void *context, const snapshot_cut *cut);
    /* The snapshot is committed: the part stays. `manifest` is a copy for this node's folder, NULL
     * at the initiator (which has it) or when it was too long to send. */
    void (*keep_part)(void *context, const snapshot_cut *cut, const uint8_t *manifest, size_t size);
    /* Initiator: writes the manifest, last. Answer: snapshot_manifest_durable, or
     * snapshot_manifest_failed, and then no manifest of this name may ever be found. */
    void (*write_manifest)(void *context, const snapshot_result *result);
    /* Initiator: says whether a durable manifest of an earlier snapshot of this node exists.
     * Answer: snapshot_manifest_found. */
    void (*find_manifest)(void *context, const snapshot_cut *cut);
    /* Remembers on disk that numbers up to `epoch` are used. True: it is so already; false: the
     * answer is snapshot_floor_saved. */
    bool (*save_floor)(void *context, uint64_t epoch);
    /* The end of a local request: TR_OK with `result`, else NULL and `error` with its text. */
    void (*done)(void *context, uint64_t request, tr_status status, const snapshot_result *result,
                 const tr_error *error);
    void (*log)(void *context, tr_log_level level, const char *text);
} snapshot_ops;

/* Zero fields take the defaults in brackets. */
typedef struct snapshot_options {
    const char *name;        /* [required] this node; copied */
    uint64_t incarnation;    /* [required] this life */
    uint64_t floor;          /* [0] what save_floor last made durable, in any life */
    uint64_t retry_ns;       /* [50 ms] before views are compared again */
    uint64_t poll_ns;        /* [1 ms] between polls of all_red and token_done */
    uint64_t progress_ns;    /* [250 ms] between progress reports to the initiator */
    const snapshot_ops *ops; /* [required] outlives the machine, as does context */
    void *context;
} snapshot_options;

/* Makes the machine of one node, with E = 0; the caller's. */
struct snapshot *snapshot_new(const snapshot_options *options);
void snapshot_free(struct snapshot *snapshot);

/* ---- inputs: `now_ns` is a monotonic time -----------------------------------------------------
 */

/* Before sessions come up: a part of an earlier life is on disk without a manifest. It is kept
 * until its initiator, or the initiator's next life, has answered; then keep_part or discard_part.
 */
void snapshot_part_found(struct snapshot *snapshot, uint64_t epoch, const char *initiator);

/* Asks for a snapshot of the cluster. `request` comes back in `done`, always and exactly once when
 * TR_OK is returned here. `timeout_ms` 0 is the default. While another snapshot runs, this node's
 * or not, the request waits; differing views and an overtaken number are tried again; all until the
 * timeout. TR_EBUSY: SNAPSHOT_REQUESTS_MAX wait already; `error` names the one that runs.
 * TR_ECLOSED after snapshot_stop. */
tr_status snapshot_request(struct snapshot *snapshot, uint64_t now_ns, uint64_t request,
                           uint64_t timeout_ms, tr_error *error);

/* Takes a message that `peer` sent with its `send`. TR_EDATA: not one of this protocol's, or
 * impossible at this point; `error` says what; nothing changed and the session is to be closed. */
tr_status snapshot_receive(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                           const uint8_t *bytes, size_t size, tr_error *error);

/* Polls, retries and times out; call it at snapshot_deadline, and as often before as it pleases
 * (for instance when an actor turned). */
void snapshot_step(struct snapshot *snapshot, uint64_t now_ns);

/* When the next snapshot_step is wanted; UINT64_MAX: not before the next input. */
uint64_t snapshot_deadline(const struct snapshot *snapshot);

/* A session with `peer` is up, whose HELLO carried `peer_epoch` as its E; before any message of
 * that session is passed in or filed. */
void snapshot_session_up(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                         uint64_t peer_epoch);

/* The session with `peer` ended (reset, BYE, a new incarnation); before a new one's session_up.
 * `members` shows it by then, or snapshot_view_changed or snapshot_member_lost follows. */
void snapshot_session_ended(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                            const char *reason);

/* `peer` was declared down or left. Comes instead of session_ended or beside it, in any order. */
void snapshot_member_lost(struct snapshot *snapshot, uint64_t now_ns, const char *peer,
                          const char *reason);

/* What `members` adds has changed otherwise (someone was admitted). */
void snapshot_view_changed(struct snapshot *snapshot, uint64_t now_ns);

/* A frame carries colour or E `epoch`, perhaps above E: call it before the message is filed. */
void snapshot_epoch_seen(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch);

/* The part of `epoch` is durable; of `part` node and incarnation are ignored. */
void snapshot_part_durable(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                           const snapshot_part *part);

/* The part of `epoch` cannot be written; at any time from `begin` on. TR_ENOSPC is a full disk. */
void snapshot_part_failed(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                          tr_status status, const char *reason);

/* The manifest is durable. `manifest` is copied to the members' folders. */
void snapshot_manifest_durable(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                               const uint8_t *manifest, size_t size);
void snapshot_manifest_failed(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                              tr_status status, const char *reason);

/* Answers find_manifest; `manifest` (NULL: none exists) as above. */
void snapshot_manifest_found(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                             bool exists, const uint8_t *manifest, size_t size);

/* Answers save_floor: TR_OK, or why not. */
void snapshot_floor_saved(struct snapshot *snapshot, uint64_t now_ns, uint64_t epoch,
                          tr_status status, const char *reason);

/* The node leaves: tells the initiator, aborts what this node runs, ends all requests with
 * TR_ECLOSED. A voted part stays in doubt. Later inputs only answer questions. */
void snapshot_stop(struct snapshot *snapshot, uint64_t now_ns);

/* ---- questions --------------------------------------------------------------------------------
 */

/* The node's E, as last given to begin or move_epoch; HELLO carries it. */
uint64_t snapshot_epoch(const struct snapshot *snapshot);

/* True from the promise until the end of a snapshot: nobody may be admitted. */
bool snapshot_admission_frozen(const struct snapshot *snapshot);

/* Where this node stands as a member of a snapshot, in this order. */
typedef enum snapshot_phase {
    SNAPSHOT_IDLE,
    SNAPSHOT_PROMISED,  /* confirmed the view; waits for start */
    SNAPSHOT_RECORDING, /* started; local actors turn red */
    SNAPSHOT_MARKED,    /* all red, markers sent; waits for those of the others */
    SNAPSHOT_TOKEN,     /* the last token is under way */
    SNAPSHOT_WRITING,   /* the part is being made durable */
    SNAPSHOT_VOTED,     /* reported durable; only the initiator decides now */
} snapshot_phase;

/* Where this node stands as an initiator. */
typedef enum snapshot_stage {
    SNAPSHOT_NO_REQUEST,
    SNAPSHOT_WAITING,   /* a request waits: for another snapshot's end, or for a retry */
    SNAPSHOT_NUMBERING, /* the floor is being saved */
    SNAPSHOT_PREPARING, /* members are asked to confirm */
    SNAPSHOT_RUNNING,   /* started; waits for votes */
    SNAPSHOT_COMMITTING /* all voted; the manifest is being written */
} snapshot_stage;

/* Names, static: "recording", "preparing". */
const char *snapshot_phase_name(snapshot_phase phase);
const char *snapshot_stage_name(snapshot_stage stage);

/* How far the snapshot is: `markers` and `census` are sums over the members that have reported at
 * the initiator, and this node's own elsewhere. */
typedef struct snapshot_progress {
    snapshot_phase phase;
    snapshot_stage stage;
    snapshot_cut cut; /* of phase, else of stage; epoch 0: none */
    uint32_t nodes;
    uint32_t confirmed; /* initiator: members that promised */
    uint32_t voted;     /* initiator: parts durable */
    uint32_t markers;
    uint32_t markers_total;
    snapshot_census census;
    uint32_t requests; /* local ones, the running one included */
    uint32_t doubts;   /* voted parts whose initiator has not answered yet */
} snapshot_progress;

void snapshot_progress_get(const struct snapshot *snapshot, snapshot_progress *progress_out);

/* Writes the cut that (epoch, initiator) names: fills in the id. False: the name is too long or
 * empty, or the epoch 0. */
bool snapshot_cut_make(uint64_t epoch, const char *initiator, snapshot_cut *cut_out);

/* The public form of a result. */
void snapshot_info(const snapshot_result *result, tr_snapshot_info *info_out);

#endif
