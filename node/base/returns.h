/*
 * returns.h - things that one thread hands out, and any thread gives back to be handed out again.
 *
 * A bounded stack: whoever gives back pushes without a lock, the owner takes all that came back at
 * once and then one by one, so no item is met twice between a look and an exchange (ABA). Zeroed
 * but for `max` is empty. Link items through a struct returned in them.
 */
#ifndef TROUPE_BASE_RETURNS_H
#define TROUPE_BASE_RETURNS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct returned {
    struct returned *next;
};

struct returns {
    _Atomic(struct returned *) newest;
    atomic_uint count; /* of all that wait, the owner's part included */
    unsigned max;
    struct returned *mine; /* the owner's */
};

/* Any thread: gives an item back; false when enough wait already, and the item stays the caller's.
 */
static inline bool returns_push(struct returns *returns, struct returned *item) {
    /* Relaxed: a bound, not to be exact. */
    if (atomic_load_explicit(&returns->count, memory_order_relaxed) >= returns->max) return false;
    atomic_fetch_add_explicit(&returns->count, 1, memory_order_relaxed);
    item->next = atomic_load_explicit(&returns->newest, memory_order_relaxed);
    /* Release: the owner writes into it after all that was done with it here. */
    while (!atomic_compare_exchange_weak_explicit(&returns->newest, &item->next, item,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    return true;
}

/* Owner: takes an item, or returns NULL. */
static inline struct returned *returns_take(struct returns *returns) {
    if (returns->mine == NULL) {
        if (atomic_load_explicit(&returns->newest, memory_order_relaxed) == NULL) return NULL;
        /* Acquire: pairs with returns_push. */
        returns->mine = atomic_exchange_explicit(&returns->newest, NULL, memory_order_acquire);
    }
    struct returned *item = returns->mine;
    returns->mine = item->next;
    atomic_fetch_sub_explicit(&returns->count, 1, memory_order_relaxed);
    return item;
}

#endif
