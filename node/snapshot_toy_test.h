/*
 * snapshot_toy_test.h - a toy cluster in virtual time around the real snapshot machine.
 *
 * Nodes of coloured actors that send, spawn, die and are handled in small steps, so that E can move
 * within a handler; FIFO links with delays, sessions that end on both sides at different moments,
 * disks that fail, processes that crash and come back. It follows the design's rules for colours
 * and keeps, beside them, what really happened (events of actors), for the oracle to judge
 * committed snapshots by. One seed is one run.
 */
#ifndef TROUPE_NODE_SNAPSHOT_TOY_TEST_H
#define TROUPE_NODE_SNAPSHOT_TOY_TEST_H

#include "node/base/random.h"
#include "node/snapshot.h"

enum { TOY_DISK_NS = 800 * 1000 }; /* a write takes up to that */
enum { TOY_NODES_MAX = 5, TOY_US = 1000, TOY_MS = 1000 * TOY_US };
enum { TOY_NOBODY = -1, TOY_NEVER = -1 };

/* A growing array of numbers. */
struct toy_numbers {
    uint64_t *items;
    size_t count;
    size_t capacity;
};
void toy_push(struct toy_numbers *numbers, uint64_t item);

/* Deliberate defects, to see that the oracle or the machine notices. */
enum toy_bug {
    TOY_SOUND,
    TOY_MARKER_BEFORE_LAST, /* workers' parcels are not flushed before the markers */
    TOY_TOKEN_SKIPPED,
    TOY_START_LATE,        /* start is queued after E has moved */
    TOY_NOT_ALL_RED,       /* one actor is not yet red when all are said to be */
    TOY_CHANNEL_FORGOTTEN, /* red actors do not record older messages */
    TOY_DEAD_FORGOTTEN,    /* older messages that end as dead letters are not recorded */
    TOY_BUGS
};

/* What happens besides traffic; probabilities in percent. */
struct toy_weather {
    unsigned crashes;  /* that one of the run's few fault moments is a crash */
    unsigned sessions; /* ... ends a session */
    unsigned faults_max;
    unsigned disk; /* that a write fails while the weather lasts */
    bool rude;     /* sessions come up although admission is frozen */
    enum toy_bug bug;
    bool blind; /* counters are made to agree, so that the oracle alone can notice */
};

struct toy_message {
    int from, to; /* actors */
    int from_node, to_node;
    bool remote;
    bool spawns;
    uint64_t colour;      /* as carried now */
    uint32_t session;     /* of the link it was sent on */
    int sent_event;       /* the sender's */
    int handled_event;    /* the receiver's, or TOY_NEVER */
    uint64_t aside_epoch; /* the node's E when it was set aside unhandled, if `aside` */
    bool aside;
    bool filed;
    uint64_t filed_epoch; /* the node's E then */
};

struct toy_actor {
    int node;
    uint64_t incarnation; /* of the node */
    bool alive;
    bool busy; /* within a handler */
    bool token;
    int current; /* the message being handled, or TOY_NOBODY */
    uint64_t colour;
    int events;
    int parent, parent_event; /* TOY_NOBODY: there since the node's start */
    struct toy_numbers mailbox;
    size_t mailbox_at;
};

/* One node's part of a snapshot: what it recorded. */
struct toy_part {
    snapshot_cut cut;
    bool writing, durable, kept, gone;
    struct toy_numbers actors; /* actor << 32 | events before it was recorded */
    struct toy_numbers messages;
    uint32_t sessions[TOY_NODES_MAX]; /* with the others when recording began */
};

struct toy_link {
    uint32_t session; /* 0: down */
    uint64_t peer_incarnation;
    struct toy_numbers sent; /* colours */
    struct toy_numbers received;
    uint64_t recorded; /* for the part being recorded */
    uint64_t marker;   /* what was last told to the peer */
    uint32_t ended;    /* the newest session that ended */
};

/* A manifest on the initiator's disk. */
struct toy_manifest {
    snapshot_cut cut;
    size_t parts_count;
    int nodes[TOY_NODES_MAX];
    uint64_t incarnations[TOY_NODES_MAX];
    bool writing, durable;
};

struct toy_node {
    int index;
    char name[16];
    bool alive;
    uint64_t incarnation;
    struct snapshot *machine;
    uint64_t epoch;
    bool swept;
    struct toy_part *part; /* being recorded, or NULL */
    struct toy_link links[TOY_NODES_MAX];
    struct toy_numbers actors; /* of this life, dead ones too */
    struct toy_numbers outbox; /* messages pushed by workers, not yet on their links */
    struct toy_cluster *cluster;
    /* the disk */
    uint64_t floor;
    struct toy_part **parts;
    size_t parts_count;
    struct toy_manifest **manifests;
    size_t manifests_count;
};

enum toy_event_kind {
    TOY_ARRIVE,      /* `bytes`, or `message`, of `session` from `peer` */
    TOY_QUEUE_LATE,  /* `bytes` come to the link only now */
    TOY_SESSION_END, /* `node` hears that `session` with `peer` is over */
    TOY_SESSION_TRY, /* they try to get one */
    TOY_SESSION_UP,
    TOY_PART_DONE,
    TOY_MANIFEST_DONE,
    TOY_MANIFEST_FOUND,
    TOY_FLOOR_SAVED,
    TOY_RESTART
};

/* Something that will happen to one life of one node. */
struct toy_event {
    uint64_t at, order;
    enum toy_event_kind kind;
    int node, peer;
    uint64_t incarnation, peer_incarnation;
    uint32_t session;
    int message;
    uint8_t *bytes;
    size_t size;
    uint64_t epoch;
    struct toy_part *part;
    struct toy_manifest *manifest;
};

struct toy_cluster {
    random_state random;
    uint64_t now;
    struct toy_weather weather;
    bool calm;              /* no more faults */
    bool traffic;           /* actors act on their own */
    unsigned flush_percent; /* how soon workers' messages come to their links */
    int nodes_count;
    struct toy_node nodes[TOY_NODES_MAX];
    struct toy_actor **actors;
    size_t actors_count;
    struct toy_message **messages;
    size_t messages_count;
    struct toy_event **events; /* a heap by (time, order) */
    size_t events_count, events_capacity;
    uint64_t events_order;
    uint64_t channel_at[TOY_NODES_MAX][TOY_NODES_MAX]; /* last arrival: FIFO */
    uint32_t sessions_count;
    bool trying[TOY_NODES_MAX][TOY_NODES_MAX]; /* a TOY_SESSION_TRY of the pair is queued */
    /* what was seen */
    unsigned requests, answers, committed, aborted, timed_out, counts_differ;
    unsigned in_flight; /* messages in committed snapshots */
    tr_status last_status;
    char violation[512]; /* the first one; empty: none */
};

/* Notes a violation of what must hold; the first one counts. */
void toy_blame(struct toy_cluster *cluster, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What the files of the toy share. */
bool toy_chance(struct toy_cluster *cluster, unsigned percent);
size_t toy_below(struct toy_cluster *cluster, size_t bound);
struct toy_event *toy_event_new(struct toy_cluster *cluster, enum toy_event_kind kind, int node,
                                int peer);
void toy_queue(struct toy_cluster *cluster, struct toy_event *event);
/* Queues an event of the node's (and the peer's, if any) present life, up to `spread_ns` from now.
 */
struct toy_event *toy_later(struct toy_cluster *cluster, enum toy_event_kind kind, int node,
                            int peer, uint64_t spread_ns);
/* Puts bytes (copied) or a message on the channel, if there is a session. */
void toy_channel(struct toy_node *node, int peer, const uint8_t *bytes, size_t size, int message);
void toy_boot_actors(struct toy_node *node);
void toy_actor_step(struct toy_node *node);
void toy_flush(struct toy_node *node);
/* A message has come to its node: into the mailbox, or aside. */
void toy_file(struct toy_cluster *cluster, int message);
/* True when no actor of the node is older than `epoch`. */
bool toy_all_red(const struct toy_node *node, uint64_t epoch, snapshot_census *census);
uint64_t toy_older(const struct toy_numbers *colours, uint64_t epoch);
extern const snapshot_ops toy_ops;

/* A cluster of `nodes` nodes, all in session with each other. */
struct toy_cluster *toy_new(uint64_t seed, int nodes, const struct toy_weather *weather);
void toy_free(struct toy_cluster *cluster);

/* A little time: due events, one micro-step of one actor. */
void toy_step(struct toy_cluster *cluster);

/* Steps until `duration_ns` have passed. */
void toy_run(struct toy_cluster *cluster, uint64_t duration_ns);

/* Asks a node for a snapshot. */
void toy_request(struct toy_cluster *cluster, int node, uint64_t timeout_ms);

/* Faults. */
void toy_crash(struct toy_cluster *cluster, int node);
void toy_end_session(struct toy_cluster *cluster, int a, int b);
/* No more faults: brings all nodes and sessions up; false when they do not come up. */
bool toy_heal(struct toy_cluster *cluster);

/* Judges a snapshot whose manifest has become durable (I6, I7). */
void toy_judge(struct toy_cluster *cluster, const struct toy_manifest *manifest);

/* After everything has come to rest: nothing left in doubt, frozen or half there. */
void toy_judge_disks(struct toy_cluster *cluster);

#endif
