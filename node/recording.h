/*
 * recording.h - what goes into this node's part of a snapshot, and when it is complete (I6, I7,
 * I8).
 *
 * Owners record: an actor's worker its state before it turns and the older messages it meets
 * after, whoever drops an older message that message. Each producer encodes into a chunk of its
 * own under its own, uncontended lock; full chunks go to the part's writer. The core thread opens
 * and closes a recording, has the idle turn, counts the not yet red, and runs the last token.
 * SNAPSHOT_PROTOCOL.md has the protocol around it.
 */
#ifndef TROUPE_RECORDING_H
#define TROUPE_RECORDING_H

#include <stdbool.h>
#include <stdint.h>

#include "node/actor.h"
#include "node/part_writer.h"

struct producer;
struct runtime;

/* ---- producers ------------------------------------------------------------------------------- */

/* Owner: records the actor for `epoch` if a recording of it is open here. */
bool recording_actor(struct producer *producer, tr_actor *actor, uint64_t epoch);
/* Records a message in flight at the cut `epoch`; `reason` is why it died, or NULL. The caller
 * recolours it. */
bool recording_message(struct producer *producer, const tr_message *item, uint64_t epoch,
                       const char *reason);
/* A message ends as a dead letter in the hands of somebody of `colour`: records it if it is older
 * than that and a recording of that colour is open, and counts it as received. */
void recording_dead_letter(struct producer *producer, const tr_message *item, uint64_t colour,
                           const char *reason);
/* A new producer joins the recording that is open, if any; the caller holds runtime->mutex. */
void recording_join(struct producer *producer);

/* ---- core thread ----------------------------------------------------------------------------- */

/* Opens the recording of `epoch` into `part` (borrowed until recording_close), then moves E. */
void recording_open(struct runtime *runtime, uint64_t epoch, part_writer *part);
/* Moves E without recording. */
void recording_move_epoch(struct runtime *runtime, uint64_t epoch);
/* Closes the recording; `keep`: what the chunks still hold goes into the part first. */
void recording_close(struct runtime *runtime, bool keep);

/* Has all actors turn that are older than `epoch`: ports at once, the idle in a sweep (sweep.h). */
void recording_sweep(struct runtime *runtime, uint64_t epoch);

/* The last token: every actor records what is older in its queues. A walk in bounded steps. One
 * that has much to handle records it as it does so, and answers the token after that. */
struct recording_walk {
    uint32_t next; /* slot */
    uint32_t end;
    bool active;
    bool hurries;
};
void recording_token_begin(struct runtime *runtime, struct recording_walk *walk);
/* Another walk, after that: whoever lets the token wait answers it now. */
void recording_token_hurry(struct runtime *runtime, struct recording_walk *walk);
/* One step; false when the walk has ended. */
bool recording_token_step(struct runtime *runtime, struct recording_walk *walk);
bool recording_token_done(const struct runtime *runtime, const struct recording_walk *walk);

/* Exact: no actor of this node is older than `epoch`, nor will be. */
bool recording_all_red(struct runtime *runtime, uint64_t epoch);
/* How many were born and how many have left the older colours, for people. */
void recording_census(struct runtime *runtime, uint64_t epoch, uint64_t *red_out,
                      uint64_t *total_out);

/* Sums over all producers for one peer's session. */
uint64_t recording_sent(struct runtime *runtime, uint32_t peer, uint32_t session, uint64_t epoch);
uint64_t recording_received(struct runtime *runtime, uint32_t peer, uint32_t session,
                            uint64_t epoch);
uint64_t recording_recorded(struct runtime *runtime, uint32_t peer, uint32_t session,
                            uint64_t epoch);

#endif
