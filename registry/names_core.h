/*
 * names_core.h - what the files of the name service share; nobody else includes it.
 *
 * names.c takes the inputs, bindings.c keeps who holds which name, claims.c is the claimant's side
 * and reservations.c the home's. Each input changes what it must and marks the bindings that
 * have changed; names.c then goes on with those until nothing moves, so that nothing recurses.
 */
#ifndef TROUPE_REGISTRY_NAMES_CORE_H
#define TROUPE_REGISTRY_NAMES_CORE_H

#include "node/base/buffer.h"
#include "node/base/list.h"
#include "node/base/map.h"
#include "registry/names.h"
#include "registry/names_message.h"

/* The name service of one node; made when it is first heard of, kept for good. */
struct service {
    char node[MEMBER_NAME_BYTES];
    uint64_t incarnation;
    uint64_t session;       /* listed: of ours with it */
    uint64_t hello_session; /* it has us on its list in this session; 0: never said so */
    uint64_t hello_incarnation;
    uint64_t stream;     /* listed: a number of this session that this node gave; never 0 */
    bool listed;         /* it is up */
    bool greeted;        /* listed, and it lists us: it takes messages and has our names */
    bool synced;         /* listed, and we have all its names */
    struct list entries; /* names its actors hold, as it told us */
    struct list reservations;
};

/* Somebody holds, or is about to hold, a name. A name has at most one entry of each owner. */
struct entry {
    struct binding *binding;
    struct service *owner;
    struct entry *next;  /* of the binding */
    struct claim *claim; /* of an entry of ours that is not settled */
    list_node of_owner;
    list_node of_holder; /* ours only */
    tr_pid pid;
    uint64_t age;
    uint64_t token;
    bool settled;
    bool ack_due; /* its owner waits for our word */
};

/* A name that somebody holds or wants. */
struct binding {
    char *name;
    struct entry *entries;
    struct entry *shown; /* what the name resolves to here */
    struct list queue;   /* of reservations: claims that this node decides about, first come */
    size_t claims;       /* of ours that want it */
    list_node queued;    /* in names->queued, while `queue` is not empty */
    list_node changed;   /* in names->changed */
};

/* A claim that waits at its home. */
struct reservation {
    struct binding *binding;
    struct service *claimant;
    list_node of_binding;
    list_node of_claimant;
    tr_pid pid;
    uint64_t token;
    uint64_t probe; /* the question sent to the present holder's node; 0: none */
    bool probed;    /* it was answered */
    bool granted;   /* until the claimant settles, drops or cancels it, or goes down */
};

/* A claim of an actor of ours. */
struct claim {
    struct binding *binding;
    struct entry *entry; /* once granted: put to all, waiting for their word */
    struct service *home;
    uint64_t home_stream; /* the home asked, in which session; 0: none yet */
    uint64_t *acks;       /* streams of those who have agreed */
    size_t ack_count;
    size_t ack_capacity;
    list_node in_order;
    list_node of_holder;
    tr_pid pid;
    uint64_t request;
    uint64_t token;
    uint64_t deadline_ns;
};

/* An actor of ours that holds or claims names. */
struct holder {
    tr_pid pid;
    struct list entries;
    struct list claims;
};

struct names {
    struct names_ops ops;
    uint64_t claim_timeout_ns;
    uint64_t now_ns; /* of the input under way */
    uint64_t lamport;
    uint64_t token_last;
    uint64_t stream_last;
    struct service *self;
    map_text services; /* by node */
    struct service **listed;
    const char **listed_nodes; /* their names, for home_of */
    size_t listed_count;
    map_text bindings;
    map_pid holders;
    map_u64 claims;      /* by token */
    struct list waiting; /* the same, in the order of their deadlines */
    struct list queued;
    struct list changed;
    struct buffer message; /* the one being made */
};

static inline bool names_same_pid(tr_pid a, tr_pid b) {
    return a.space == b.space && a.slot == b.slot && a.generation == b.generation;
}

/* Stamps and sends a message to a service that takes them. */
void names_send(struct names *names, const struct service *service, struct names_message *message);

/* The same to all that take them. */
void names_broadcast(struct names *names, struct names_message *message);

/* A message about a name, to be completed. */
struct names_message names_message_about(enum names_kind kind, const char *name, tr_pid pid);

#endif
