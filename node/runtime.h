/*
 * runtime.h - what the actors of one node share: workers, slots, colours, where messages go.
 *
 * No socket and no clock of its own: remote messages leave through `router`, time and random come
 * from the environment. Whoever sends does so as a producer: a worker, a port under its lock, the
 * core thread. E and the recorders are moved by the core thread only (recording.h).
 */
#ifndef TROUPE_RUNTIME_H
#define TROUPE_RUNTIME_H

#include <pthread.h>
#include <stdatomic.h>
#include <troupe.h>

#include "node/actor.h"
#include "node/base/buffer.h"
#include "node/base/environment.h"
#include "node/base/log_limiter.h"
#include "node/base/random.h"
#include "node/behaviors.h"
#include "node/deadletter.h"
#include "node/next_slot.h"
#include "node/observer.h"
#include "node/part_writer.h"
#include "node/record_table.h"
#include "node/run_queue.h"
#include "node/sweep.h"
#include "node/tally.h"

struct directory;
struct mould_heard;
struct moulds;
struct unborn;
struct spawn_wish;
struct spawn_hold;

/* One thread's (or port's) part of the recording of the open snapshot. */
struct recorder {
    pthread_mutex_t mutex;
    _Atomic uint64_t epoch; /* 0: none is open */
    part_writer *part;
    part_chunk chunk;
    uint64_t encoded_bytes; /* of actors, ever; the producer's own */
};

/* Counters for people; each written by its producer alone. */
struct counters {
    _Atomic uint64_t sent, handled, refused, spawned, ended, failed, unspawned;
};

/* Who may send. */
struct producer {
    list_node node; /* in runtime.producers */
    struct runtime *runtime;
    struct worker *worker; /* NULL: a port or the core */
    struct tally_book tally;
    struct recorder recorder;
    struct reclaim_reader reader;
    struct slot_cache slots;
    struct counters counters;
    struct buffer scratch; /* for encoding */
    random_state random;
};

/* How a worker judges whether its queue moves on: when those of the last mark began to wait, and
 * how many of them are left. */
struct crowd {
    uint64_t since_ns;
    uint32_t until_pop; /* of the queue: then those of the mark have been run */
    bool told;          /* that others may take */
};

/* What a worker saw of another when it last looked. */
struct sighting {
    uint64_t handled;
    uint32_t tail; /* of its queue */
};

/* A record that handlers on this worker have used, by its address: types stay as long as the node.
 */
struct known_type {
    const tr_record *record; /* NULL: none */
    const record_type *type;
};
enum { KNOWN_TYPES = 32 };

static inline unsigned known_type_place(const tr_record *record) {
    return (unsigned)((uintptr_t)record >> 5) % KNOWN_TYPES;
}

struct worker {
    struct producer producer; /* first */
    unsigned index;
    struct next_slot next;  /* the actor woken last: runs first, cache-warm */
    uint32_t next_run;      /* times in a row that `next` went first, */
    uint64_t next_since_ns; /* since this coarse time */
    struct known_type known_types[KNOWN_TYPES];
    uint32_t turn_sends; /* of the turn that runs: messages sent and actors spawned */
    bool owes_turn; /* sent to another node, and woke no thread that stands by for it (core.h) */
    tr_message *peeked; /* the message being handled, if it stays in its place (mailbox.h) */
    uint64_t peeked_word;
    const tr_actor *pressed; /* whom the running handler last sent to past the high mark */
    struct run_queue queue;
    struct crowd crowd;
    _Atomic bool crowded; /* others may take from the queue */
    struct timers timers;
    bool slept_shortly;               /* when it last had nothing to do, */
    uint64_t left_ns;                 /* which ended then */
    _Atomic uint64_t sleeps_until_ns; /* asleep with a limit; else UINT64_MAX */
    uint64_t looked_ns;    /* coarse time when the last handler ended, or the step began */
    uint64_t chored_ns;    /* looked_ns at the last chores, */
    uint64_t chored_at;    /* and how many messages had been handled */
    uint64_t rescued_ns;   /* when it last looked for workers that are stuck in a handler */
    struct sighting *seen; /* of the others, by index */
};

/* Where messages for other spaces go; NULL ops: nowhere. */
struct router_ops {
    /* Takes the message for another space. TR_EFULL, TR_EUNREACHABLE: nothing was sent and the
     * message stays the caller's. */
    tr_status (*post)(void *context, struct producer *producer, tr_actor *sender,
                      tr_message **message);
    /* The same for a message that was never made: `head` is stamped, its body lies at `body`, both
     * are borrowed. False when it must be made, since it will be a dead letter. NULL: always. */
    bool (*post_direct)(void *context, struct producer *producer, tr_actor *sender,
                        const tr_message *head, const void *body, tr_status *status_out);
    /* True when a port may send there now; else it is noted and port_room follows. `refused`: a
     * send just was. */
    bool (*admits_port)(void *context, tr_pid to, tr_pid port, bool refused);
    /* Receiver-side pressure towards the peer with that origin (I3). Any thread. */
    void (*pressure)(void *context, uint32_t origin, tr_pid pid, unsigned level);
    /* Something the core waits for may have come about (an actor has turned, taken the token,
     * ended). Any thread; cheap. */
    void (*progress)(void *context);
    /* The name of the peer with that origin, which lives as long as the node; NULL when that
     * session of it is over. Any thread. */
    const char *(*origin_name)(void *context, uint32_t origin, uint32_t session);
    /* Writes a pid as people read it. Any thread within a reclaim section. */
    char *(*pid_text)(void *context, tr_pid pid, char *out, size_t out_bytes);
    bool (*pid_parse)(void *context, const char *text, tr_pid *pid_out);
    /* A member that is up by name, and the name of the node that has a space (NULL: unknown; lives
     * as long as the node). Any thread within a reclaim section. */
    bool (*space_of)(void *context, const char *node, uint64_t *space_out);
    const char *(*node_of)(void *context, uint64_t space);
    /* Holds a slot of that node's for a spawn by `self`, in whose name the core of that node has
     * leased it, and says by what number that node knows the mould. TR_ENOENT: no such member is
     * up. TR_EUNREACHABLE: no session. TR_ENOTSUP: it leases none. TR_EFULL: none is left now; with
     * `wish->waits` the actor is muted until there are some. Within a reclaim section. */
    tr_status (*hold_slot)(void *context, tr_actor *self, const struct spawn_wish *wish,
                           struct spawn_hold *hold_out);
    /* Gives a slot back that was held and not spawned into. */
    void (*return_slot)(void *context, tr_actor *self, const struct spawn_hold *hold);
    /* What the number of a mould means that a peer has told; NULL: it has not. Core thread. */
    const struct mould_heard *(*heard_mould)(void *context, uint32_t origin, uint64_t number);
    /* A turn at the core, if its thread leaves that to workers: true when something came from
     * outside. And the word that this worker will take none soon (core.h). */
    bool (*core_turn)(void *context);
    void (*core_recall)(void *context);
    /* The members that are up, oldest first; NULL past the end. Within a reclaim section, borrowed
     * for it. */
    const char *(*member_at)(void *context, size_t index);
};

struct runtime {
    const struct environment *environment;
    const char *node_name;
    uint64_t incarnation;
    uint64_t space; /* 0 until the node is up; no actor lives before */
    record_table *records;
    struct behaviors behaviors;
    struct slots slots;
    struct reclaim *reclaim;
    struct mailbox_limits limits;
    uint32_t message_bytes_max;

    _Atomic uint64_t epoch; /* E */
    _Atomic uint64_t record_order;
    _Atomic uint64_t system_serial; /* of messages the runtime itself sends */
    _Atomic uint64_t tokens_pending;
    struct sweep sweep;
    _Atomic bool draining; /* the core waits for actors to end */

    struct worker **workers;
    unsigned worker_count;
    struct run_list injected; /* actors woken by threads that are no workers */
    struct parking *parking;  /* NULL: nobody sleeps (simulator) */

    pthread_mutex_t mutex; /* guards producers and ports; never held across an observer call */
    struct list producers;
    struct list ports;
    part_writer *part; /* of the open recording; NULL: none */
    uint64_t part_epoch;
    uint64_t census_epoch, census_left; /* core thread */

    const struct router_ops *router;
    void *router_context;
    struct deadletters *deadletters;
    struct unborn *unborn;       /* what waits in leased slots */
    struct moulds *moulds;       /* what was spawned elsewhere from here */
    log_limiter spawn_limiter;   /* of lines about spawns that failed there */
    struct directory *directory; /* names, for look-ups */
    struct namer *namer_state;   /* the name service's own */
    tr_pid spawner, namer;       /* this node's services */
    uint64_t wall_offset_ns;     /* tr_now = monotonic + this */
    uint64_t slow_handler_ns;
    const record_type *ask_failed;
    const record_type *spawned;
    const record_type *name_result;
    const record_type *spawn_request, *name_claim; /* asks whose failure has a form of its own */
};

/* Options of a runtime; all borrowed for its life. */
struct runtime_options {
    const struct environment *environment;
    const char *node_name; /* must outlive the runtime */
    uint64_t incarnation;
    unsigned workers;
    struct mailbox_limits limits;
    uint32_t message_bytes_max;
    uint64_t slow_handler_ns;
};

struct runtime *runtime_new(const struct runtime_options *options);
/* All threads have stopped, all ports are closed: frees every actor without a callback. */
void runtime_free(struct runtime *runtime);

void producer_init(struct producer *producer, struct runtime *runtime, struct worker *worker);
void producer_fini(struct producer *producer);

static inline uint64_t runtime_epoch(const struct runtime *runtime) {
    /* Acquire: who sees E moved also sees the recorders opened before. */
    return atomic_load_explicit(&runtime->epoch, memory_order_acquire);
}

static inline uint64_t runtime_now_ns(const struct runtime *runtime) {
    return environment_now_ns(runtime->environment);
}

static inline void runtime_observe(const struct runtime *runtime, const struct observation *what) {
    const struct observer *observer = runtime->environment->observer;
    if (observer != NULL) observer->observe(observer->context, what);
}

/* Observes one event of a message. */
void runtime_observe_message(const struct runtime *runtime, enum observation_kind kind,
                             const tr_message *message, uint64_t epoch, const char *reason);

/* Finds a live actor or port of this space, or NULL; valid until the producer's next quiescent
 * state. */
struct slot_head *runtime_find(const struct runtime *runtime, tr_pid pid);

/* Makes a scheduled actor run: on `worker`, the caller's own, if there is one, else on any. */
void runtime_schedule(struct runtime *runtime, struct worker *worker, tr_actor *runnable);

/* Messages the worker has handled: tells others whether it moves on. */
static inline uint64_t worker_handled(const struct worker *worker) {
    return atomic_load_explicit(&worker->producer.counters.handled, memory_order_relaxed);
}

static inline void counter_add(_Atomic uint64_t *counter) {
    /* One writer: no read-modify-write needed. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* Sums over all producers, closed ports included. */
struct counter_sums {
    uint64_t sent, handled, refused, spawned, ended, failed;
    uint64_t unspawned; /* spawns on other nodes that came to nothing, told to nobody but the log */
};
struct counter_sums runtime_counters(struct runtime *runtime);

#endif
