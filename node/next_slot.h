/*
 * next_slot.h - the actor that a worker runs next: its owner's to fill and empty, at the price of
 * two plain stores; now and then somebody else's to take, when the owner is stuck in a handler.
 *
 * Owner and thief exclude each other as in Dekker's algorithm with the thief paying for both
 * (barrier.h). The owner never waits: while a thief is at it, the slot is neither free nor full.
 */
#ifndef TROUPE_NEXT_SLOT_H
#define TROUPE_NEXT_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <troupe.h>

#include "node/base/barrier.h"

struct next_slot {
    _Atomic(tr_actor *) actor;
    _Atomic bool used;   /* the owner is at it */
    _Atomic bool barred; /* a thief is at it */
};

/* True when something is in it; a hint for everybody but the owner. */
static inline bool next_slot_is_full(const struct next_slot *slot) {
    return atomic_load_explicit(&slot->actor, memory_order_relaxed) != NULL;
}

static inline bool next_slot_enter(struct next_slot *slot) {
    atomic_store_explicit(&slot->used, true, memory_order_relaxed);
    barrier_light();
    /* Acquire: what a thief did before it left. */
    if (!atomic_load_explicit(&slot->barred, memory_order_acquire)) return true;
    atomic_store_explicit(&slot->used, false, memory_order_relaxed);
    return false;
}

static inline void next_slot_leave(struct next_slot *slot) {
    /* Release: a thief that finds the owner gone sees what it did. */
    atomic_store_explicit(&slot->used, false, memory_order_release);
}

/* Owner: puts `runnable` in and returns what it displaces (NULL: nothing; `runnable` itself when
 * the slot is barred). */
static inline tr_actor *next_slot_put(struct next_slot *slot, tr_actor *runnable) {
    if (!next_slot_enter(slot)) return runnable;
    tr_actor *displaced = atomic_load_explicit(&slot->actor, memory_order_relaxed);
    /* Release: the actor goes from this worker to whoever takes it out. */
    atomic_store_explicit(&slot->actor, runnable, memory_order_release);
    next_slot_leave(slot);
    return displaced;
}

/* Owner: takes what is in it, or NULL. */
static inline tr_actor *next_slot_take(struct next_slot *slot) {
    if (!next_slot_is_full(slot) || !next_slot_enter(slot)) return NULL;
    tr_actor *taken = atomic_load_explicit(&slot->actor, memory_order_relaxed);
    atomic_store_explicit(&slot->actor, NULL, memory_order_relaxed);
    next_slot_leave(slot);
    return taken;
}

/* Anybody else: takes what is in it, or NULL, also when the owner or another is at it. */
static inline tr_actor *next_slot_steal(struct next_slot *slot) {
    if (!next_slot_is_full(slot)) return NULL;
    if (atomic_exchange_explicit(&slot->barred, true, memory_order_acq_rel)) return NULL;
    barrier_heavy(); /* from here on the owner sees `barred`, or `used` is seen here */
    tr_actor *stolen = NULL;
    if (!atomic_load_explicit(&slot->used, memory_order_acquire)) {
        stolen = atomic_load_explicit(&slot->actor, memory_order_acquire);
        atomic_store_explicit(&slot->actor, NULL, memory_order_relaxed);
    }
    atomic_store_explicit(&slot->barred, false, memory_order_release);
    return stolen;
}

#endif
