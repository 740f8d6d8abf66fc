/*
 * snapshot_rig_test.h - snapshot machines side by side, every answer under the test's control.
 *
 * Links are one queue that the test pumps; storage and actors answer when told to, or at once while
 * `easy`. What a machine asks of its node is written down as words, to check orders.
 */
#ifndef TROUPE_NODE_SNAPSHOT_RIG_TEST_H
#define TROUPE_NODE_SNAPSHOT_RIG_TEST_H

#include "node/base/buffer.h"
#include "node/snapshot.h"
#include "node/snapshot_members.h"
#include "node/snapshot_wire.h"

enum { RIG_NODES_MAX = 4, RIG_QUEUE_MAX = 512 };

struct rig;

struct rig_node {
    struct rig *rig;
    char name[SNAPSHOT_NAME_BYTES];
    uint64_t incarnation;
    struct snapshot *machine; /* NULL: not running */
    uint64_t sessions[RIG_NODES_MAX];
    bool easy; /* red, token, disk and floor answer by themselves */
    bool red, token;
    uint64_t sent, received, recorded; /* for every link */
    uint64_t epoch;
    snapshot_cut part; /* the last one begun, while it is neither kept nor discarded */
    bool recording;
    bool writing;        /* finish_part was called */
    uint64_t committing; /* write_manifest was called for this epoch */
    uint64_t finding;    /* find_manifest was called for this epoch */
    uint64_t numbering;  /* save_floor waits for this epoch */
    uint64_t manifest;   /* the last epoch whose manifest is durable */
    unsigned kept, discarded, begun, moved, answers, errors;
    tr_status status; /* of the last answer */
    uint64_t request;
    tr_error error;
    snapshot_result result; /* of the last success; arrays are copies */
    snapshot_part parts[RIG_NODES_MAX];
    snapshot_link links[RIG_NODES_MAX * RIG_NODES_MAX];
    char logged[512];    /* the last line of level TR_ERROR or TR_WARN */
    struct buffer words; /* ops in order: "START>n2 begin sweep ..." */
};

struct rig {
    uint64_t now;
    int count;
    struct rig_node nodes[RIG_NODES_MAX];
    struct {
        int from, to;
        uint64_t session;
        uint8_t *bytes;
        size_t size;
    } queue[RIG_QUEUE_MAX];
    size_t queued;
    uint64_t last_session;
};

/* `count` easy nodes n1, n2, ... in session with each other; `names` (may be NULL) renames them. */
struct rig *snapshot_rig_new(int count, const char *const *names);
void snapshot_rig_free(struct rig *rig);

/* Starts a machine for the node's next life. */
void snapshot_rig_boot(struct rig *rig, int node, uint64_t floor);
void snapshot_rig_crash(struct rig *rig, int node);

/* Delivers the oldest message; false when there is none. */
bool snapshot_rig_deliver(struct rig *rig);
/* Delivers and answers until nothing happens any more; time stands still. */
void snapshot_rig_pump(struct rig *rig);
/* Lets time pass in steps, pumping. */
void snapshot_rig_pass(struct rig *rig, uint64_t duration_ms);

tr_status snapshot_rig_request(struct rig *rig, int node, uint64_t timeout_ms);
void snapshot_rig_end_session(struct rig *rig, int a, int b);
void snapshot_rig_lose_member(struct rig *rig, int node, int lost);
void snapshot_rig_begin_session(struct rig *rig, int a, int b);

/* Completes what storage of a node that is not easy was asked for. */
void snapshot_rig_write_part(struct rig *rig, int node, tr_status status);
void snapshot_rig_write_manifest(struct rig *rig, int node, tr_status status);
void snapshot_rig_answer_find(struct rig *rig, int node);
void snapshot_rig_save_floor(struct rig *rig, int node, tr_status status);

snapshot_progress snapshot_rig_progress(struct rig *rig, int node);

/* Sends a message to a node as if from a peer; returns what snapshot_receive did. */
tr_status snapshot_rig_inject(struct rig *rig, int to, int from,
                              const struct snapshot_message *message);

/* The words so far, as text. */
const char *snapshot_rig_words(struct rig *rig, int node);

#endif
