/*
 * slots.h - the table of one space: pid to actor, without a lock for those who look up.
 *
 * A slot is a number and a generation; the pair is never given out twice, and a slot whose
 * generations are used up retires. Segments are made as the table grows and never move, so a
 * look-up is two loads and a comparison. A found pointer is valid until the reader's next
 * quiescent state (reclaim.h).
 *
 * Threads take slots through a cache of their own, refilled in batches under the table's lock.
 */
#ifndef TROUPE_SLOTS_H
#define TROUPE_SLOTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "node/base/memory.h"

enum {
    SLOTS_SEGMENT = 4096,
    SLOTS_SEGMENTS = 1 << 20, /* 2^32 slots in all; a pid can name no more */
    SLOTS_CACHE = 64
};

enum slot_kind { SLOT_ACTOR, SLOT_PORT };

/* What lives in a slot starts with this. */
struct slot_head {
    uint32_t slot;
    uint32_t generation;
    uint32_t kind; /* a slot_kind */
};

struct slot {
    _Atomic(struct slot_head *) head; /* NULL: free or dead */
    uint32_t generation;     /* the next one to give out; the taker's or the freer's to write */
    _Atomic uint32_t lessee; /* leased to the peer of that origin and not born yet (unborn.h); 0 */
};

struct slots {
    _Atomic(struct slot *) *segments; /* SLOTS_SEGMENTS, untouched pages cost nothing */
    _Atomic uint32_t used;            /* slots ever given out: 0 .. used-1 */
    pthread_mutex_t mutex;            /* guards the free list and growth */
    uint32_t *free;
    size_t free_count, free_capacity;
};

struct slot_cache {
    uint32_t slots[2 * SLOTS_CACHE];
    uint32_t count;
};

void slots_init(struct slots *table);
void slots_fini(struct slots *table);

/* Takes a fresh pair; the slot stays empty until slots_put. */
struct slot_head slots_take(struct slots *table, struct slot_cache *cache);
/* Publishes what lives at head->slot. */
void slots_put(struct slots *table, struct slot_head *head);
/* Nobody finds it any more. The slot may be given out again, with its next generation. */
void slots_remove(struct slots *table, struct slot_head *head, struct slot_cache *cache);
/* Nothing ever lived there: its generation is used up all the same, since others know the pair. */
void slots_skip(struct slots *table, uint32_t slot, struct slot_cache *cache);
/* The entry of a slot that was given out, or NULL. */
struct slot *slots_entry(const struct slots *table, uint32_t slot);

/* Returns what lives there, or NULL. */
static inline struct slot_head *slots_find(const struct slots *table, uint32_t slot,
                                           uint32_t generation) {
    /* Acquire, twice: the segment's and the actor's bytes, published with a release. */
    struct slot *segment =
        atomic_load_explicit(&table->segments[slot / SLOTS_SEGMENT], memory_order_acquire);
    if (segment == NULL) return NULL;
    struct slot_head *head =
        atomic_load_explicit(&segment[slot % SLOTS_SEGMENT].head, memory_order_acquire);
    return head != NULL && head->generation == generation ? head : NULL;
}

/* Returns what lives in slot number `slot` whatever its generation, or NULL. For walks over 0 ..
 * used-1. */
static inline struct slot_head *slots_at(const struct slots *table, uint32_t slot) {
    struct slot *segment =
        atomic_load_explicit(&table->segments[slot / SLOTS_SEGMENT], memory_order_acquire);
    return segment == NULL
               ? NULL
               : atomic_load_explicit(&segment[slot % SLOTS_SEGMENT].head, memory_order_acquire);
}

static inline uint32_t slots_used(const struct slots *table) {
    return atomic_load_explicit(&table->used, memory_order_seq_cst);
}

#endif
