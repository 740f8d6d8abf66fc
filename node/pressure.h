/*
 * pressure.h - the block policy: overloaded receivers mute their senders (RUNTIME.md).
 *
 * Past its high mark an actor is overloaded: whoever sends to it is accepted and then muted, that
 * is not run again until the receiver has drained below its low mark. Rules: an overloaded actor is
 * never muted; one that was muted before it became overloaded stays so; only overloaded actors
 * mute, merely muted ones do not. So of two actors that wait for each other the one was muted
 * strictly before the other, and there is no cycle. For that argument the test "the sender is
 * not overloaded" and the muting are one step, under the locks of both. An actor that
 * holds for a reply frees those it muted and mutes nobody.
 *
 * Those muted are kept by pid: actors, ports that wait for room, and peers (origin) whose senders
 * are muted at their own node (I3). Locks are taken in the order of slots; none is held across a
 * callback.
 */
#ifndef TROUPE_PRESSURE_H
#define TROUPE_PRESSURE_H

#include <stdbool.h>

#include "node/actor.h"

struct waiters;

enum pressure_level { PRESSURE_LEVEL_FREE, PRESSURE_LEVEL_MUTE, PRESSURE_LEVEL_REFUSE };

/* After a message of `sender` was filed with `target` and `count` messages wait there, above its
 * high mark. */
void pressure_pushed(tr_actor *target, tr_actor *sender, uint32_t count);
/* The same when a peer's link filed it: the peer is told (router pressure) to mute, and past `hard`
 * to refuse. */
void pressure_arrived(tr_actor *target, uint16_t origin, uint32_t count);
/* What that peer is told now. */
enum pressure_level pressure_origin_level(tr_actor *target, uint16_t origin);
/* A port asks whether it may send to `target`. False: it is now in the target's list and will be
 * woken. `refused`: its last send met the hard mark, so it waits even when the target mutes nobody
 * because it holds. */
bool pressure_admits_port(tr_actor *target, tr_pid port, bool refused);

/* After each message while overloaded: frees those muted once below the low mark (or empty). The
 * owner, and whoever finds that the owner has gone idle; `worker` is the caller's, or NULL. */
void pressure_drained(struct worker *worker, tr_actor *target);
/* Fewer wait than its low mark; none is few, whatever the mark. */
static inline bool pressure_is_low(const tr_actor *target) {
    uint32_t count = mailbox_count(&target->box);
    return count == 0 || count < target->limits->low;
}
/* Owner: the actor begins to hold for a reply; it goes on. */
void pressure_hold(tr_actor *target);
void pressure_unhold(tr_actor *target);
/* Owner: the actor has ended; everybody is freed. */
void pressure_end(struct worker *worker, tr_actor *target);
/* Frees the memory, when nobody can find the actor any more. */
void pressure_free(tr_actor *target);

/* ---- queues that are no actors (a link's send queue, a remote pid) mute through these ----------
 */

/* Around pressure_mute; taken before the queue's own lock. */
void pressure_lock(tr_actor *sender);
void pressure_unlock(tr_actor *sender);
/* Mutes `sender` for a queue unless it is overloaded, and notes its pid in `waiters`; the caller
 * holds both locks. */
void pressure_mute(struct waiters *waiters, tr_actor *sender);
/* Frees all noted; the caller holds no lock. */
void pressure_free_waiters(struct runtime *runtime, struct waiters *waiters);

/* A set of those who wait for room. Zeroed is empty. */
struct waiters {
    map_pid actors; /* muted once each */
    map_pid ports;
    map_u64 origins; /* peers told to mute: value 1 mute, 2 refuse */
};
void waiters_fini(struct waiters *waiters);

#endif
