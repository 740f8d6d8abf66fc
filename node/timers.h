/*
 * timers.h - the timers set on one worker, in a heap by deadline.
 *
 * A timer belongs to its actor, which keeps it in its own list until the message it brings has
 * been handled (a snapshot needs it there); the heap only knows when. Firing hands the message over
 * and leaves the timer, marked as fired. Any worker may fire the timers of a busy one.
 */
#ifndef TROUPE_TIMERS_H
#define TROUPE_TIMERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/base/heap.h"
#include "node/message.h"

struct timers {
    pthread_mutex_t mutex;
    struct heap heap;
    _Atomic uint64_t next_ns; /* the earliest deadline; UINT64_MAX: none */
};

struct timer {
    heap_node node; /* key: deadline, monotonic ns */
    struct timers *home;
    tr_message *message; /* NULL once fired */
    uint64_t deadline_ns;
    uint64_t id;
    const record_type
        *type; /* of the message and its body, which lives until it is handled, fired or not; */
    const void *body; /* read by the timer's actor only */
};

void timers_init(struct timers *timers);
void timers_fini(struct timers *timers);
/* Any thread. True when the timer has become the earliest one. */
bool timers_add(struct timers *timers, struct timer *timer, uint64_t deadline_ns);
/* Takes the timer out of its heap if it has not fired. Any thread; after it nobody but the caller
 * knows the timer. */
void timers_remove(struct timer *timer);
/* Takes the messages of all timers due at `now_ns`, earliest first, at most `max`; returns how
 * many. */
uint32_t timers_fire(struct timers *timers, uint64_t now_ns, tr_message **out, uint32_t max);

static inline uint64_t timers_next_ns(const struct timers *timers) {
    return atomic_load_explicit(&timers->next_ns, memory_order_seq_cst);
}

#endif
