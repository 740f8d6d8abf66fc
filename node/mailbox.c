#include "node/mailbox.h"

/* Appends the chain from `newest` down to its end, or to `end`, which is left out. */
static uint32_t append_reversed(tr_message *newest, const tr_message *end,
                                struct message_list *list) {
    tr_message *chain = NULL;
    tr_message *last = newest;
    uint32_t count = 0;
    while (newest != NULL && newest != end) {
        tr_message *older = newest->next;
        /* What the owner reads next of a message that has left the cache: colour, type's body. */
        __builtin_prefetch((const char *)newest + 64);
        newest->next = chain;
        chain = newest;
        newest = older;
        count++;
    }
    if (chain == NULL) return 0;
    if (list->last == NULL)
        list->first = chain;
    else
        list->last->next = chain;
    list->last = last;
    return count;
}

static void add_taken(struct mailbox *box, uint32_t count) {
    /* Relaxed: only the owner writes it; senders read it as a hint. */
    int32_t taken = atomic_load_explicit(&box->taken, memory_order_relaxed);
    atomic_store_explicit(&box->taken, taken + (int32_t)count, memory_order_relaxed);
}

uint32_t mailbox_take(struct mailbox *box, struct message_list *list) {
    if (!mailbox_has_new(box)) return 0;
    /* Acquire: the bytes of every message in the chain, each pushed with a release. */
    uint64_t word = atomic_exchange_explicit(&box->word, 0, memory_order_acquire);
    uint32_t count = append_reversed(mailbox_address(word), NULL, list);
    add_taken(box, count);
    return count;
}

void mailbox_leave(struct mailbox *box, const tr_message *peeked, struct message_list *list) {
    /* Acquire: as in mailbox_take. */
    uint64_t word = atomic_exchange_explicit(&box->word, 0, memory_order_acquire);
    add_taken(box, append_reversed(mailbox_address(word), peeked, list));
}

uint32_t mailbox_close(struct mailbox *box, struct message_list *list) {
    /* Sequentially consistent, which includes acquire: see mailbox_is_closed. */
    uint64_t word = atomic_exchange(&box->word, MAILBOX_CLOSED);
    if (word == MAILBOX_IDLE || word == MAILBOX_CLOSED) return 0;
    return append_reversed(mailbox_address(word), NULL, list);
}
