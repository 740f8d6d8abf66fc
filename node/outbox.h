/*
 * outbox.h - encoded messages on their way to one peer's link, in the order they were sent.
 *
 * Any producer appends, under a short lock; the core takes all at once, whole parcels that the
 * link frames as they are. The order of appends is the order of sends, also when an actor moves
 * between workers (I2), and what is queued behind a take follows all that was in it (I8). A record
 * is announced by the first message of each session that needs it.
 */
#ifndef TROUPE_OUTBOX_H
#define TROUPE_OUTBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "node/record.h"
#include "transport/envelope.h"

struct outbox {
    pthread_mutex_t mutex;       /* of all that is not atomic */
    uint32_t serial;             /* of the session that takes messages; 0: none */
    uint32_t announced_serial;   /* of the session that `announced` is about */
    struct parcel *first, *last; /* oldest first; more is appended to the last */
    struct envelope context;     /* of the last */
    struct returns pool;         /* of the largest parcels */
    uint32_t room;               /* of the next parcel */
    uint32_t bytes_max;          /* of a parcel of several envelopes, and how many these may be */
    uint32_t count_max;
    uint8_t *announced; /* bits by record id */
    uint32_t announced_bits;
    /* Bytes ever appended and taken; each written by one side alone: under the lock, by the core.
     */
    _Atomic uint64_t bytes_in, bytes_out;
};

void outbox_init(struct outbox *box);
void outbox_fini(struct outbox *box);

/* Core: messages are taken for the session of that serial (0: for none) from now on. `window_bytes`
 * and `window_messages` are the peer's. */
void outbox_admit(struct outbox *box, uint32_t serial, uint64_t window_bytes,
                  uint32_t window_messages);

/* Appends an envelope, copying `envelope->body`, which is of `type` (NULL: no record). `wanted` is
 * the serial of the only session it may go in; 0: any. Returns the serial of its session, 0 when
 * none takes it; `*first_out` then tells whether the outbox was empty, so that the core must be
 * woken. */
uint32_t outbox_append(struct outbox *box, const struct envelope *envelope, const record_type *type,
                       uint32_t wanted, bool *first_out);

/* Core: takes all, oldest first; each has its session's serial in `tag`. outbox_moved says when
 * their bytes are counted elsewhere. */
struct parcel *outbox_take(struct outbox *box);
void outbox_moved(struct outbox *box, uint64_t bytes);

/* Bytes appended and not yet moved; approximate while others append. */
static inline uint64_t outbox_bytes(const struct outbox *box) {
    /* Acquire, and in this order: what was moved had been appended before. */
    uint64_t out = atomic_load_explicit(&box->bytes_out, memory_order_acquire);
    return atomic_load_explicit(&box->bytes_in, memory_order_relaxed) - out;
}

#endif
