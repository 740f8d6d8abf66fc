#include "node/arrivals.h"

#include "node/post.h"
#include "node/pressure.h"
#include "node/runtime.h"

/* One by one: to a port, to nobody, or to an actor that takes no more. */
static void file_singly(struct arrivals *arrivals, struct producer *producer) {
    tr_message *oldest = NULL;
    for (tr_message *item = arrivals->newest; item != NULL;) {
        tr_message *before = item->next;
        item->next = oldest;
        oldest = item;
        item = before;
    }
    while (oldest != NULL) {
        tr_message *item = oldest;
        oldest = item->next;
        item->next = NULL;
        post_arrived(producer, &item);
    }
}

/* False: nothing was filed. */
static bool file_chain(struct arrivals *arrivals, struct producer *producer) {
    struct runtime *runtime = producer->runtime;
    struct slot_head *head = runtime_find(runtime, arrivals->newest->to);
    if (head == NULL || head->kind != SLOT_ACTOR) return false;
    tr_actor *target = (tr_actor *)(void *)head;
    uint16_t origin = arrivals->newest->origin;
    uint32_t count;
    switch (mailbox_push_chain(&target->box, arrivals->newest, arrivals->oldest, arrivals->count,
                               &count)) {
        case MAILBOX_REFUSED:
        case MAILBOX_IS_CLOSED:
            return false;
        case MAILBOX_WOKE:
            runtime_schedule(runtime, producer->worker, target);
            break;
        case MAILBOX_PUSHED:
            break;
    }
    if (count > target->limits->high) pressure_arrived(target, origin, count);
    return true;
}

void arrivals_file(struct arrivals *arrivals, struct producer *producer) {
    if (arrivals->count == 0) return;
    if (arrivals->count == 1 || !file_chain(arrivals, producer)) file_singly(arrivals, producer);
    *arrivals = (struct arrivals){0};
}

void arrivals_add(struct arrivals *arrivals, struct producer *producer, tr_message *item) {
    if (arrivals->count > 0 && !tr_pid_equal(arrivals->newest->to, item->to))
        arrivals_file(arrivals, producer);
    /* Exempt ones press nobody, whatever the count; spawns have no receiver yet. */
    if (message_is_exempt(item) || item->kind != MESSAGE_USER) {
        arrivals_file(arrivals, producer);
        post_arrived(producer, &item);
        return;
    }
    item->next = arrivals->newest;
    arrivals->newest = item;
    if (arrivals->oldest == NULL) arrivals->oldest = item;
    arrivals->count++;
}
