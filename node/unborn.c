#include "node/unborn.h"

#include <pthread.h>

#include "node/base/container.h"
#include "node/base/memory.h"
#include "node/recording.h"
#include "node/runtime.h"

/* The queue of one slot. */
struct cradle {
    list_node node; /* oldest first */
    uint32_t slot;
    struct message_list mail;
    uint32_t count;
    uint64_t bytes;
    uint64_t until_ns;
};

struct unborn {
    pthread_mutex_t mutex; /* guards all below, and the leases of slots; held across no call out */
    map_u64 cradles;       /* by slot; most leased slots have none */
    struct list order;     /* by until_ns */
    _Atomic uint64_t count;
    uint64_t bytes;
};

struct unborn *unborn_new(void) {
    struct unborn *unborn = mem_zalloc(1, sizeof *unborn);
    pthread_mutex_init(&unborn->mutex, NULL);
    list_init(&unborn->order);
    return unborn;
}

void unborn_free(struct unborn *unborn) {
    list_node *node;
    while ((node = list_pop_front(&unborn->order)) != NULL) {
        struct cradle *cradle = container_of(node, struct cradle, node);
        for (tr_message *item; (item = message_list_pop(&cradle->mail)) != NULL;)
            message_free(item);
        mem_free(cradle);
    }
    map_u64_fini(&unborn->cradles);
    pthread_mutex_destroy(&unborn->mutex);
    mem_free(unborn);
}

static uint64_t bytes_of(const tr_message *item) {
    return sizeof *item + item->body_bytes;
}

/* ---- waiting: any producer ------------------------------------------------------------------- */

/* Under the lock: the queue of a leased slot, made when it is the first. */
static struct cradle *cradle_of(struct runtime *runtime, uint32_t slot) {
    struct unborn *unborn = runtime->unborn;
    struct cradle *cradle = map_u64_find(&unborn->cradles, slot);
    if (cradle != NULL) return cradle;
    cradle = mem_zalloc(1, sizeof *cradle);
    cradle->slot = slot;
    cradle->until_ns = runtime_now_ns(runtime) + UNBORN_WAIT_MS * 1000000ull;
    map_u64_put(&unborn->cradles, slot, cradle);
    list_push_back(&unborn->order, &cradle->node);
    return cradle;
}

/* Under the lock: no room for one more of so many bytes in that slot. */
static bool is_full(const struct unborn *unborn, uint32_t slot, uint64_t bytes) {
    const struct cradle *cradle = map_u64_find(&unborn->cradles, slot);
    return atomic_load_explicit(&unborn->count, memory_order_relaxed) >= UNBORN_ALL_MESSAGES_MAX ||
           unborn->bytes + bytes > UNBORN_ALL_BYTES_MAX ||
           (cradle != NULL &&
            (cradle->count >= UNBORN_MESSAGES_MAX || cradle->bytes + bytes > UNBORN_BYTES_MAX));
}

/* Under the lock: the message waits in its slot. */
static void lay(struct runtime *runtime, tr_message *item) {
    struct unborn *unborn = runtime->unborn;
    struct cradle *cradle = cradle_of(runtime, item->to.slot);
    uint64_t bytes = bytes_of(item);
    message_list_push(&cradle->mail, item);
    cradle->count++;
    cradle->bytes += bytes;
    unborn->bytes += bytes;
    atomic_store_explicit(&unborn->count,
                          atomic_load_explicit(&unborn->count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* Under the lock: takes the queue of a slot out, or NULL when nothing waits there. */
static struct cradle *take_cradle(struct unborn *unborn, uint32_t slot) {
    struct cradle *cradle = map_u64_remove(&unborn->cradles, slot);
    if (cradle == NULL) return NULL;
    list_remove(&unborn->order, &cradle->node);
    unborn->bytes -= cradle->bytes;
    atomic_store_explicit(
        &unborn->count, atomic_load_explicit(&unborn->count, memory_order_relaxed) - cradle->count,
        memory_order_relaxed);
    return cradle;
}

/* Leased, and this very generation of it. The generation of a leased slot changes under the lock
 * only. */
static bool is_pair(const struct slot *slot, tr_pid pid) {
    return slot != NULL && atomic_load_explicit(&slot->lessee, memory_order_relaxed) != 0 &&
           slot->generation == pid.generation;
}

/* An actor that was never born has asked nobody, so no reply is for it. */
static bool may_wait(const tr_message *item) {
    return message_in_channel(item) && item->kind != MESSAGE_SPAWN &&
           (item->flags & MESSAGE_REPLY) == 0;
}

bool unborn_keep(struct producer *producer, tr_actor *sender, tr_message **posted) {
    struct runtime *runtime = producer->runtime;
    struct unborn *unborn = runtime->unborn;
    tr_message *item = *posted;
    struct slot *slot = slots_entry(&runtime->slots, item->to.slot);
    /* Acquire: if the lease is over because of a birth, the caller's next look finds that actor. */
    if (slot == NULL || !may_wait(item) ||
        atomic_load_explicit(&slot->lessee, memory_order_acquire) == 0)
        return false;
    bool full = false;
    pthread_mutex_lock(&unborn->mutex);
    bool leased = is_pair(slot, item->to);
    if (leased) {
        full = is_full(unborn, item->to.slot, bytes_of(item));
        if (!full) {
            lay(runtime, item);
            *posted = NULL;
        }
    }
    pthread_mutex_unlock(&unborn->mutex);
    if (full) deadletter_drop(producer, sender, posted, DEADLETTER_UNBORN_FULL);
    return leased;
}

/* ---- leases ---------------------------------------------------------------------------------- */

struct slot_head unborn_lease(struct producer *producer, uint32_t lessee) {
    struct runtime *runtime = producer->runtime;
    struct slot_head head = slots_take(&runtime->slots, &producer->slots);
    struct slot *slot = slots_entry(&runtime->slots, head.slot);
    /* Release: whoever sees the lease sees the generation that goes with it. */
    atomic_store_explicit(&slot->lessee, lessee, memory_order_release);
    return head;
}

bool unborn_is_leased(const struct runtime *runtime, tr_pid pid, uint32_t lessee) {
    const struct slot *slot = slots_entry(&runtime->slots, pid.slot);
    /* Relaxed: leases are written by the core alone, which asks. */
    return pid.space == runtime->space && is_pair(slot, pid) &&
           atomic_load_explicit(&slot->lessee, memory_order_relaxed) == lessee;
}

uint32_t unborn_bear(struct runtime *runtime, tr_actor *made, bool asleep) {
    struct unborn *unborn = runtime->unborn;
    struct slot *slot = slots_entry(&runtime->slots, made->head.slot);
    pthread_mutex_lock(&unborn->mutex);
    struct cradle *cradle = take_cradle(unborn, made->head.slot);
    uint32_t count = cradle == NULL ? 0 : cradle->count;
    if (count > 0) {
        made->local = cradle->mail;
        atomic_init(&made->box.taken, count);
    } else if (asleep) {
        atomic_init(&made->box.word, MAILBOX_IDLE);
    }
    slots_put(&runtime->slots, &made->head);
    /* Release, after the actor is there: who sees the lease ended finds it. */
    atomic_store_explicit(&slot->lessee, 0, memory_order_release);
    pthread_mutex_unlock(&unborn->mutex);
    mem_free(cradle);
    return count;
}

/* Under the lock: ends the lease of a slot unborn; returns what waits there, or NULL. */
static struct cradle *end_lease(struct producer *producer, uint32_t number) {
    struct runtime *runtime = producer->runtime;
    struct cradle *cradle = take_cradle(runtime->unborn, number);
    struct slot *slot = slots_entry(&runtime->slots, number);
    atomic_store_explicit(&slot->lessee, 0, memory_order_release);
    slots_skip(&runtime->slots, number, &producer->slots);
    return cradle;
}

static void bury(struct producer *producer, struct cradle *cradle, enum deadletter_reason reason) {
    if (cradle == NULL) return;
    for (tr_message *item; (item = message_list_pop(&cradle->mail)) != NULL;)
        deadletter_drop(producer, NULL, &item, reason);
    mem_free(cradle);
}

void unborn_drop(struct producer *producer, tr_pid pid, enum deadletter_reason reason) {
    struct unborn *unborn = producer->runtime->unborn;
    pthread_mutex_lock(&unborn->mutex);
    struct cradle *cradle = end_lease(producer, pid.slot);
    pthread_mutex_unlock(&unborn->mutex);
    bury(producer, cradle, reason);
}

void unborn_end(struct producer *producer, uint32_t lessee) {
    struct runtime *runtime = producer->runtime;
    struct unborn *unborn = runtime->unborn;
    /* All slots, since a session seldom ends and its lease is spread over the table. */
    for (uint32_t number = 0; number < slots_used(&runtime->slots); number++) {
        struct slot *slot = slots_entry(&runtime->slots, number);
        if (atomic_load_explicit(&slot->lessee, memory_order_relaxed) != lessee) continue;
        pthread_mutex_lock(&unborn->mutex);
        struct cradle *cradle = end_lease(producer, number);
        pthread_mutex_unlock(&unborn->mutex);
        bury(producer, cradle, DEADLETTER_UNBORN_SESSION);
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Takes out the oldest queue if it is due; else says when it will be. */
static struct cradle *take_due(struct unborn *unborn, uint64_t now_ns, uint64_t *next_out) {
    struct cradle *due = NULL;
    *next_out = UINT64_MAX;
    pthread_mutex_lock(&unborn->mutex);
    list_node *first = list_first(&unborn->order);
    if (first != NULL) {
        struct cradle *oldest = container_of(first, struct cradle, node);
        if (oldest->until_ns <= now_ns)
            due = take_cradle(unborn, oldest->slot);
        else
            *next_out = oldest->until_ns;
    }
    pthread_mutex_unlock(&unborn->mutex);
    return due;
}

uint64_t unborn_expire(struct producer *producer, uint64_t now_ns) {
    struct unborn *unborn = producer->runtime->unborn;
    uint64_t next = UINT64_MAX;
    for (struct cradle *due; (due = take_due(unborn, now_ns, &next)) != NULL;)
        bury(producer, due, DEADLETTER_UNBORN_LATE);
    return next;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static void record_older(struct producer *producer, struct message_list *mail, uint64_t epoch) {
    for (tr_message *item = mail->first; item != NULL; item = item->next) {
        if (item->colour >= epoch) continue;
        recording_message(producer, item, epoch, NULL);
        item->colour = epoch;
    }
}

/* Records without the lock what waits in one queue. The core alone takes queues away, and what is
 * pushed meanwhile goes behind. */
static void visit(struct producer *producer, struct cradle *cradle, uint64_t epoch) {
    struct unborn *unborn = producer->runtime->unborn;
    pthread_mutex_lock(&unborn->mutex);
    struct message_list mail = cradle->mail;
    cradle->mail = (struct message_list){0};
    pthread_mutex_unlock(&unborn->mutex);
    record_older(producer, &mail, epoch);
    pthread_mutex_lock(&unborn->mutex);
    if (mail.last != NULL) {
        mail.last->next = cradle->mail.first;
        if (cradle->mail.first == NULL) cradle->mail.last = mail.last;
        cradle->mail.first = mail.first;
    }
    pthread_mutex_unlock(&unborn->mutex);
}

void unborn_record(struct producer *producer, uint64_t epoch) {
    struct unborn *unborn = producer->runtime->unborn;
    pthread_mutex_lock(&unborn->mutex);
    list_node *node = list_first(&unborn->order);
    pthread_mutex_unlock(&unborn->mutex);
    while (node != NULL) {
        visit(producer, container_of(node, struct cradle, node), epoch);
        pthread_mutex_lock(&unborn->mutex);
        node = list_next(&unborn->order, node); /* new ones are put at the end */
        pthread_mutex_unlock(&unborn->mutex);
    }
}

uint64_t unborn_waiting(const struct runtime *runtime) {
    return atomic_load_explicit(&runtime->unborn->count, memory_order_relaxed);
}
