/*
 * barrier.h - a memory barrier whose cost is all on the side that needs it rarely.
 *
 * Two threads that each write their own flag and then read the other's (Dekker) need a full barrier
 * between the two on both sides. Where one side runs for every message and the other once before it
 * sleeps, the frequent side takes barrier_light, which only holds the compiler, and the rare side
 * barrier_heavy, which makes every running thread of the process pass a full barrier
 * (membarrier(2); the pairing is that of Goldblatt, WG21 P1202, 2018). Where the system has no
 * membarrier both are full barriers. Any thread.
 */
#ifndef TROUPE_BASE_BARRIER_H
#define TROUPE_BASE_BARRIER_H

#include <stdatomic.h>
#include <stdbool.h>

/* Whether barrier_heavy reaches other threads; set once by barrier_init. */
extern bool barrier_is_asymmetric;

/* Registers the process; call before the threads that use barriers start. Idempotent. */
void barrier_init(void);

static inline void barrier_light(void) {
    if (barrier_is_asymmetric)
        atomic_signal_fence(memory_order_seq_cst);
    else
        atomic_thread_fence(memory_order_seq_cst);
}

void barrier_heavy(void);

#endif
