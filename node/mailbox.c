#include "node/mailbox.h"

static uint32_t append_reversed(tr_message *newest, struct message_list *list) {
    tr_message *chain = NULL;
    tr_message *last = newest;
    uint32_t count = 0;
    while (newest != NULL) {
        tr_message *older = newest->next;
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

uint32_t mailbox_take(struct mailbox *box, struct message_list *list) {
    if (!mailbox_has_new(box)) return 0;
    /* Acquire: the bytes of every message in the chain, each pushed with a release. */
    uint64_t word = atomic_exchange_explicit(&box->word, 0, memory_order_acquire);
    uint32_t count = append_reversed(mailbox_address(word), list);
    /* Relaxed: only the owner writes it; senders read it as a hint. */
    atomic_store_explicit(&box->taken,
                          atomic_load_explicit(&box->taken, memory_order_relaxed) + count,
                          memory_order_relaxed);
    return count;
}

uint32_t mailbox_close(struct mailbox *box, struct message_list *list) {
    /* Sequentially consistent, which includes acquire: see mailbox_is_closed. */
    uint64_t word = atomic_exchange(&box->word, MAILBOX_CLOSED);
    if (word == MAILBOX_IDLE || word == MAILBOX_CLOSED) return 0;
    return append_reversed(mailbox_address(word), list);
}
