/*
 * tell.c - the way of most messages: from a handler to another actor of this node.
 *
 * The same steps as actor_send and post_message, in one piece and without those that do not arise
 * here. Whatever is out of the ordinary (another node, a port, variable data, a full mailbox, an
 * onlooker) goes their way, before anything has happened.
 */
#include "node/actor.h"
#include "node/pressure.h"
#include "node/worker.h"

/* The receiver, when both it and the message are ordinary; else NULL. */
static inline tr_actor *ordinary_target(const tr_actor *self, tr_pid to, const record_type *type) {
    const struct runtime *runtime = self->runtime;
    if (to.space != runtime->space || !type->flat || self->current == NULL ||
        type->bytes > runtime->message_bytes_max || runtime->environment->observer != NULL)
        return NULL;
    struct slot_head *head = slots_find(&runtime->slots, to.slot, to.generation);
    return head == NULL || head->kind != SLOT_ACTOR ? NULL : (tr_actor *)(void *)head;
}

/* As message_new and a stamp, but each field is written once. */
static inline tr_message *make(const tr_actor *self, tr_pid to, const record_type *type,
                               const void *body) {
    tr_message *item = block_alloc(sizeof(tr_message) + type->bytes);
    item->next = NULL;
    item->type = type;
    item->from = (tr_pid){to.space, self->head.slot, self->head.generation};
    item->to = to;
    item->serial = self->serial + 1;
    item->reference = 0;
    item->colour = actor_colour(self);
    item->trace = self->current->trace;
    item->body_bytes = type->bytes;
    item->origin_session = 0;
    item->origin = 0;
    item->kind = MESSAGE_USER;
    item->flags = 0;
    record_copy_bytes(item->body, body, type->bytes);
    return item;
}

tr_status actor_tell(tr_actor *self, tr_pid to, const record_type *type, const void *body) {
    tr_actor *target = ordinary_target(self, to, type);
    if (target == NULL) return actor_send(self, to, 0, 0, type, body, NULL, NULL);
    struct worker *worker = self->worker;
    tr_message *item = make(self, to, type, body);
    uint32_t count;
    switch (mailbox_push(&target->box, &item, target->limits->hard, &count)) {
        case MAILBOX_WOKE:
            worker_schedule(worker, target);
            break;
        case MAILBOX_PUSHED:
            break;
        case MAILBOX_REFUSED:
        case MAILBOX_IS_CLOSED:
            message_free(item);
            return actor_send(self, to, 0, 0, type, body, NULL, NULL);
    }
    self->serial++;
    worker->turn_sends++;
    counter_add(&worker->producer.counters.sent);
    if (count > target->limits->high) pressure_pushed(target, self, count);
    return TR_OK;
}
