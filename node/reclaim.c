#include "node/reclaim.h"

#include <pthread.h>

#include "node/base/memory.h"

enum { ATTEMPT_EVERY = 64 }; /* retired items between two attempts to move the epoch on */

struct reclaim {
    _Atomic uint64_t epoch; /* starts at 1 */
    pthread_mutex_t mutex;  /* readers' list, orphans */
    struct list readers;
    struct reclaim_item *orphans;
};

struct reclaim *reclaim_new(void) {
    struct reclaim *domain = mem_zalloc(1, sizeof *domain);
    atomic_init(&domain->epoch, 1);
    pthread_mutex_init(&domain->mutex, NULL);
    list_init(&domain->readers);
    return domain;
}

static void release_all(struct reclaim_item *item) {
    while (item != NULL) {
        struct reclaim_item *next = item->next;
        item->release(item);
        item = next;
    }
}

void reclaim_free(struct reclaim *domain) {
    check(list_empty(&domain->readers));
    release_all(domain->orphans);
    pthread_mutex_destroy(&domain->mutex);
    mem_free(domain);
}

void reclaim_join(struct reclaim *domain, struct reclaim_reader *reader) {
    *reader = (struct reclaim_reader){.domain = domain};
    pthread_mutex_lock(&domain->mutex);
    list_push_back(&domain->readers, &reader->node);
    pthread_mutex_unlock(&domain->mutex);
}

void reclaim_leave(struct reclaim_reader *reader) {
    struct reclaim *domain = reader->domain;
    pthread_mutex_lock(&domain->mutex);
    list_remove(&domain->readers, &reader->node);
    for (int i = 0; i < 3; i++) {
        while (reader->retired[i] != NULL) {
            struct reclaim_item *item = reader->retired[i];
            reader->retired[i] = item->next;
            item->next = domain->orphans;
            domain->orphans = item;
        }
    }
    pthread_mutex_unlock(&domain->mutex);
}

void reclaim_online(struct reclaim_reader *reader) {
    /* Sequentially consistent: either reclaim_attempt sees this reader online, or the reader sees
     * everything that was unlinked before the attempt. */
    atomic_store(&reader->epoch, atomic_load(&reader->domain->epoch));
    atomic_thread_fence(memory_order_seq_cst);
}

void reclaim_offline(struct reclaim_reader *reader) {
    /* Release: all reads through old pointers come before. */
    atomic_store_explicit(&reader->epoch, 0, memory_order_release);
}

void reclaim_quiesce(struct reclaim_reader *reader) {
    uint64_t now = atomic_load_explicit(&reader->domain->epoch, memory_order_acquire);
    if (atomic_load_explicit(&reader->epoch, memory_order_relaxed) == now) return;
    /* Release: as in reclaim_offline. The fence keeps later look-ups behind it. */
    atomic_store_explicit(&reader->epoch, now, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
}

/* Moves the epoch on when every online reader has seen the present one. */
static void reclaim_attempt(struct reclaim *domain) {
    if (pthread_mutex_trylock(&domain->mutex) != 0) return;
    uint64_t now = atomic_load(&domain->epoch);
    bool all = true;
    for (list_node *node = list_first(&domain->readers); node != NULL;
         node = list_next(&domain->readers, node)) {
        /* `node` is the reader's first field. Acquire: pairs with the release of its quiescent
         * state. */
        uint64_t seen =
            atomic_load_explicit(&((struct reclaim_reader *)node)->epoch, memory_order_seq_cst);
        if (seen != 0 && seen != now) all = false;
    }
    struct reclaim_item *orphans = NULL;
    if (all) {
        atomic_store(&domain->epoch, now + 1);
        if (list_count(&domain->readers) == 1) {
            orphans = domain->orphans; /* nobody but the caller reads, and it holds none of these */
            domain->orphans = NULL;
        }
    }
    pthread_mutex_unlock(&domain->mutex);
    release_all(orphans);
}

/* Frees what was retired two epochs before the present one. */
static void reclaim_sweep(struct reclaim_reader *reader) {
    uint64_t now = atomic_load(&reader->domain->epoch);
    for (int i = 0; i < 3; i++) {
        if (reader->retired[i] == NULL || reader->retired_epoch[i] + 2 > now) continue;
        struct reclaim_item *items = reader->retired[i];
        reader->retired[i] = NULL;
        release_all(items);
    }
}

void reclaim_retire(struct reclaim_reader *reader, struct reclaim_item *item,
                    void (*release)(struct reclaim_item *item)) {
    uint64_t now = atomic_load(&reader->domain->epoch);
    int place = (int)(now % 3);
    if (reader->retired[place] != NULL && reader->retired_epoch[place] != now)
        reclaim_sweep(reader);
    reader->retired_epoch[place] = now;
    item->release = release;
    item->next = reader->retired[place];
    reader->retired[place] = item;
    if (++reader->retired_count < ATTEMPT_EVERY) return;
    reader->retired_count = 0;
    reclaim_attempt(reader->domain);
    reclaim_sweep(reader);
}
