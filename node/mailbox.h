/*
 * mailbox.h - the queue of one actor: many senders push without a lock, the actor's owner takes
 * all.
 *
 * One 64-bit word holds the newest message's address (upper 44 bits) and how many wait (lower 20),
 * so the very exchange that files a message also tells its sender how full the mailbox is and
 * whether the actor must be scheduled. The owner takes the whole chain at once and reverses it
 * into its private list; senders never read through the word, so there is no reclamation problem
 * and no half-made push to wait for: what was pushed before a take is in it (I2, I7).
 *
 * One message that waits alone is handled in its place (mailbox_peek): the word goes on naming it,
 * so that going idle afterwards is the only exchange. Its memory must not be given back, nor be
 * anybody else's message, before the word has moved on.
 *
 * The word is IDLE while the actor is on no run queue, CLOSED once it has ended. Addresses must fit
 * 48 bits and messages be 16-byte aligned. Any thread may push and wake; only the owner takes.
 */
#ifndef TROUPE_MAILBOX_H
#define TROUPE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/message.h"

#define MAILBOX_COUNT_MAX 0xffff0u          /* where the count stops counting */
#define MAILBOX_IDLE ((uint64_t)0xfffffu)   /* no address: empty, and nobody runs the actor */
#define MAILBOX_CLOSED ((uint64_t)0xffffeu) /* no address: the actor has ended */

struct mailbox {
    _Atomic uint64_t word;
    /* Taken by the owner and not handled yet, or -1 while it handles the one that the word still
     * counts. The owner alone writes. */
    _Atomic int32_t taken;
};

enum mailbox_push_result {
    MAILBOX_PUSHED,    /* the actor is scheduled or running already */
    MAILBOX_WOKE,      /* pushed, and the caller must schedule the actor */
    MAILBOX_REFUSED,   /* `hard` reached; the message stays the caller's */
    MAILBOX_IS_CLOSED, /* the message stays the caller's */
};

static inline tr_message *mailbox_address(uint64_t word) {
    return (tr_message *)(uintptr_t)((word >> 20) << 4);
}

static inline uint32_t mailbox_word_count(uint64_t word) {
    return word == MAILBOX_IDLE || word == MAILBOX_CLOSED ? 0 : (uint32_t)(word & 0xfffffu);
}

/* A new actor is born scheduled: its word is empty but not idle. */
static inline void mailbox_init(struct mailbox *box) {
    atomic_init(&box->word, 0);
    atomic_init(&box->taken, 0);
}

/* How many wait, by a word and a `taken` that may be of different moments. */
static inline uint32_t mailbox_waiting(uint64_t word, int32_t taken) {
    int32_t count = (int32_t)mailbox_word_count(word) + taken;
    return count < 0 ? 0 : (uint32_t)count;
}

/* Messages waiting, the owner's private list included; approximate while others push. */
static inline uint32_t mailbox_count(const struct mailbox *box) {
    /* Relaxed: a hint for marks and people; no data is reached through it. */
    return mailbox_waiting(atomic_load_explicit(&box->word, memory_order_relaxed),
                           atomic_load_explicit(&box->taken, memory_order_relaxed));
}

/* Files `*pushed` and sets it to NULL unless refused. `hard` is the most that may wait, UINT32_MAX
 * for no bound; `*count_out` gets how many wait now. */
static inline enum mailbox_push_result mailbox_push(struct mailbox *box, tr_message **pushed,
                                                    uint32_t hard, uint32_t *count_out) {
    tr_message *item = *pushed;
    int32_t taken = atomic_load_explicit(&box->taken, memory_order_relaxed);
    uint64_t old = atomic_load_explicit(&box->word, memory_order_relaxed);
    uint64_t new;
    do {
        if (old == MAILBOX_CLOSED) return MAILBOX_IS_CLOSED;
        if (mailbox_waiting(old, taken) >= hard) return MAILBOX_REFUSED;
        uint32_t count = mailbox_word_count(old);
        if (count < MAILBOX_COUNT_MAX) count++;
        item->next = old == MAILBOX_IDLE ? NULL : mailbox_address(old);
        new = ((uint64_t)(uintptr_t)item << 16) | count;
        /* Release: whoever takes the chain sees the message's bytes. Sequential consistency: an
         * owner that goes idle and a sender that pushes must not miss each other (mailbox_rest). */
    } while (!atomic_compare_exchange_weak_explicit(&box->word, &old, new, memory_order_seq_cst,
                                                    memory_order_relaxed));
    *pushed = NULL;
    *count_out = mailbox_waiting(new, taken);
    return old == MAILBOX_IDLE ? MAILBOX_WOKE : MAILBOX_PUSHED;
}

/* Files `length` messages at once, `oldest` to `newest`, each pointing to the one before it.
 * Refused, like a closed mailbox, as a whole: nothing has changed then but the oldest one's `next`.
 */
static inline enum mailbox_push_result mailbox_push_chain(struct mailbox *box, tr_message *newest,
                                                          tr_message *oldest, uint32_t length,
                                                          uint32_t *count_out) {
    int32_t taken = atomic_load_explicit(&box->taken, memory_order_relaxed);
    uint64_t old = atomic_load_explicit(&box->word, memory_order_relaxed);
    uint64_t new;
    do {
        oldest->next = NULL;
        if (old == MAILBOX_CLOSED) return MAILBOX_IS_CLOSED;
        uint32_t count = mailbox_word_count(old) + length;
        if (count >= MAILBOX_COUNT_MAX || mailbox_waiting(count, taken) >= MAILBOX_COUNT_MAX)
            return MAILBOX_REFUSED;
        oldest->next = old == MAILBOX_IDLE ? NULL : mailbox_address(old);
        new = ((uint64_t)(uintptr_t)newest << 16) | count;
        /* As in mailbox_push. */
    } while (!atomic_compare_exchange_weak_explicit(&box->word, &old, new, memory_order_seq_cst,
                                                    memory_order_relaxed));
    *count_out = mailbox_waiting(new, taken);
    return old == MAILBOX_IDLE ? MAILBOX_WOKE : MAILBOX_PUSHED;
}

/* Makes an idle actor scheduled; true when the caller must now put it on a run queue. Set what the
 * actor shall find (a signal, a lower mute count) before. */
static inline bool mailbox_wake(struct mailbox *box) {
    uint64_t idle = MAILBOX_IDLE;
    return atomic_compare_exchange_strong_explicit(&box->word, &idle, 0, memory_order_seq_cst,
                                                   memory_order_seq_cst);
}

/* Owner: becomes idle if the word is still `empty`: 0, or that of the message it has peeked at and
 * handled. True: the actor is no longer the caller's. The caller then looks once more for signals
 * and takes it back with mailbox_wake if there are any. */
static inline bool mailbox_rest(struct mailbox *box, uint64_t empty) {
    return atomic_compare_exchange_strong_explicit(&box->word, &empty, MAILBOX_IDLE,
                                                   memory_order_seq_cst, memory_order_seq_cst);
}

/* Owner: the message, if it is the only one and nothing is taken; it stays in its place,
 * `*word_out` names it. Followed by mailbox_rest or mailbox_leave. */
static inline tr_message *mailbox_peek(struct mailbox *box, uint64_t *word_out) {
    /* Acquire: the message's bytes. */
    uint64_t word = atomic_load_explicit(&box->word, memory_order_acquire);
    if (mailbox_word_count(word) != 1) return NULL;
    *word_out = word;
    return mailbox_address(word);
}

/* True when the actor is idle and has nothing, neither here nor in its owner's list. For a thread
 * that knows of no push that is still to come. */
static inline bool mailbox_is_at_rest(const struct mailbox *box) {
    /* Acquire: pairs with mailbox_rest; the owner's last count of what it has taken comes before.
     */
    return atomic_load_explicit(&box->word, memory_order_acquire) == MAILBOX_IDLE &&
           atomic_load_explicit(&box->taken, memory_order_relaxed) == 0;
}

/* True once the actor has ended. Sequentially consistent: see actor_end and pressure.c. */
static inline bool mailbox_is_closed(const struct mailbox *box) {
    return atomic_load(&box->word) == MAILBOX_CLOSED;
}

/* Owner: true when something was pushed since the last take. */
static inline bool mailbox_has_new(const struct mailbox *box) {
    return mailbox_address(atomic_load_explicit(&box->word, memory_order_relaxed)) != NULL;
}

/* A chain of messages, oldest first. */
struct message_list {
    tr_message *first, *last;
};

static inline void message_list_push(struct message_list *list, tr_message *item) {
    item->next = NULL;
    if (list->last == NULL)
        list->first = item;
    else
        list->last->next = item;
    list->last = item;
}

static inline tr_message *message_list_pop(struct message_list *list) {
    tr_message *item = list->first;
    if (item == NULL) return NULL;
    list->first = item->next;
    if (list->first == NULL)
        list->last = NULL;
    else
        __builtin_prefetch(list->first); /* while this one is handled */
    item->next = NULL;
    return item;
}

/* Owner: appends all that was pushed to `list`, oldest first, and returns how many; the actor stays
 * scheduled. */
uint32_t mailbox_take(struct mailbox *box, struct message_list *list);

/* Owner: moves the word off the message it has peeked at, which is then the caller's; what was
 * pushed since is appended to `list`. */
void mailbox_leave(struct mailbox *box, const tr_message *peeked, struct message_list *list);

/* Owner: no push succeeds any more; what waited is appended to `list`. */
uint32_t mailbox_close(struct mailbox *box, struct message_list *list);

#endif
