/*
 * deadletter.h - messages that reach nobody: counted, kept for a while, logged at a bounded rate.
 *
 * Nothing is lost silently (RUNTIME.md): whoever cannot deliver a message hands it here
 * with the reason. An ask among them is answered with tr_ask_failed; a message older than an open
 * snapshot is recorded on this path, once (section 6). Any producer may call.
 */
#ifndef TROUPE_DEADLETTER_H
#define TROUPE_DEADLETTER_H

#include <stddef.h>
#include <stdint.h>
#include <troupe.h>

#include "node/message.h"

struct producer;
#define DEADLETTER_LIST(X)                                                               \
    X(DEADLETTER_NOBODY, "no such actor", TR_EDEAD)                                      \
    X(DEADLETTER_ENDED, "the actor has ended", TR_EDEAD)                                 \
    X(DEADLETTER_FAILED, "the actor failed", TR_EFAILED)                                 \
    X(DEADLETTER_UNHANDLED, "no handler for this record", TR_EDATA)                      \
    X(DEADLETTER_MISMATCH, "the record's fields do not match", TR_EDATA)                 \
    X(DEADLETTER_LATE_REPLY, "nobody waits for this reply", TR_ETIMEDOUT)                \
    X(DEADLETTER_OVERRUN, "past every bound: its node does not heed pressure", TR_EFULL) \
    X(DEADLETTER_UNKNOWN_HOME, "no node has this pid's space", TR_EDEAD)                 \
    X(DEADLETTER_SESSION, "undelivered or unknown: the session ended", TR_EUNREACHABLE)  \
    X(DEADLETTER_UNBORN_FULL, "too much waits for an actor not born yet", TR_EFULL)      \
    X(DEADLETTER_UNBORN_LATE, "its actor was not born in time", TR_ETIMEDOUT)            \
    X(DEADLETTER_UNBORN_FAILED, "the spawn of its actor failed", TR_EDEAD)               \
    X(DEADLETTER_UNBORN_SESSION, "unborn: its spawner's session ended", TR_EDEAD)        \
    X(DEADLETTER_NO_LEASE, "a spawn into a slot that is not leased", TR_EREFUSED)        \
    X(DEADLETTER_CLOSING, "the node is closing", TR_ECLOSED)

enum deadletter_reason {
#define DEADLETTER_ENUM_(name, text, status) name,
    DEADLETTER_LIST(DEADLETTER_ENUM_)
#undef DEADLETTER_ENUM_
        DEADLETTER_REASONS
};
const char *deadletter_text(enum deadletter_reason reason);

/* Takes `*dropped`. `context` is the actor in whose turn it happens, or NULL. */
void deadletter_drop(struct producer *producer, tr_actor *context, tr_message **dropped,
                     enum deadletter_reason reason);

/* Answers an ask that cannot be answered by its target: a tr_ask_failed with `status` to the asker.
 */
void deadletter_answer(struct producer *producer, tr_actor *context, const tr_message *request,
                       tr_status status);

/* One dead letter as it is kept: the newest `DEADLETTERS_KEPT`. */
struct deadletter {
    uint64_t number; /* from 1; gaps mean older ones were forgotten */
    enum deadletter_reason reason;
    tr_pid from, to;
    char record[64];
    tr_trace trace;
    uint64_t wall_ns;
};
enum { DEADLETTERS_KEPT = 1024 };

struct deadletters;
struct deadletters *deadletters_new(void);
void deadletters_free(struct deadletters *letters);
/* Any thread. Copies the newest `max` with a number above `after`, oldest first; returns how many.
 */
size_t deadletters_list(struct deadletters *letters, uint64_t after, struct deadletter *out,
                        size_t max);
/* How many for each reason since the node opened; `counts` has DEADLETTER_REASONS entries. */
void deadletters_counts(struct deadletters *letters, uint64_t *counts);

#endif
