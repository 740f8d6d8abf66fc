/*
 * oracle_books.h - the oracle's books: lives of nodes, actors, messages; shared by its two files.
 *
 * Epochs here are the oracle's own: an actor's comes from the turns it was seen to make, a life's
 * from the moves of E that were seen there, never from what a message says.
 */
#ifndef TROUPE_CLUSTER_TESTS_ORACLE_BOOKS_H
#define TROUPE_CLUSTER_TESTS_ORACLE_BOOKS_H

#include "cluster-tests/oracle.h"
#include "node/base/map.h"

/* A move of E at one node: which session with each machine stood then. */
struct start {
    uint64_t epoch;
    uint32_t sessions[MACHINES_MAX];
};

struct life {
    uint64_t space;
    unsigned machine;
    uint64_t epoch; /* E */
    bool over;
    struct start *starts;
    size_t start_count;
    uint64_t in_cut; /* the cut under check that it is a member of */
};

struct turn {
    uint64_t epoch;
    bool recorded;
    int64_t cents;
};

/* An actor; or a port, or the node itself (slot 0), whose births and turns are not told. */
struct book {
    tr_pid pid;
    struct life *life;
    bool observed, dead;
    bool is_account;
    bool is_service; /* of the node itself: it turns, and is in no part */
    const char *behavior;
    uint64_t birth_epoch, epoch;
    int64_t ledger; /* an account's money by what it sent and received */
    int64_t born_cents;
    struct turn *turns;
    size_t turn_count;
    map_u64 messages;    /* struct mail by serial: those it sent */
    map_pid last_serial; /* by receiver: of the last ordinary message handled there; the value is
                            the number */
    uint64_t in_part;    /* the cut in whose part it was found last */
    uint64_t outcomes;   /* of its spawns, sent to it */
};

/* One message. */
struct mail {
    struct book *from;
    tr_pid to;
    uint64_t serial;
    const char *record; /* NULL: a stop */
    bool sent, received, dead, dead_by_session, lost, open;
    uint64_t sent_epoch, received_epoch, dead_epoch;
    uint32_t session;        /* of the link it left on; 0: local */
    uint64_t recorded_epoch; /* the last snapshot that recorded it */
    uint64_t outcomes;       /* of a spawn: its spawner's when it was received */
    uint64_t in_part;        /* the cut in whose part it was found last */
    uint64_t part_order;
    bool part_dead; /* there with the reason why it died */
};

struct oracle {
    struct sim *sim;
    map_u64 lives; /* by space */
    struct life *present[MACHINES_MAX];
    uint64_t early_epoch[MACHINES_MAX]; /* E of a life that does not host yet */
    map_pid books;
    struct mail **mails;
    size_t mail_count, mail_room;
    uint64_t open_count;
    map_text checked; /* ids of snapshots */
    map_text names;   /* copies of record names, which a node takes with it when it goes */
};

struct book *oracle_book(struct oracle *oracle, tr_pid pid);
struct mail *oracle_mail_find(struct oracle *oracle, tr_pid from, uint64_t serial);
char *oracle_pid_text(const struct oracle *oracle, tr_pid pid, char text[static 64]);
/* True for messages that a holding or muted actor may handle before older ones. */
bool oracle_may_overtake(const char *record);

#endif
