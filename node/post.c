#include "node/post.h"

#include <string.h>

#include "node/deadletter.h"
#include "node/port.h"
#include "node/pressure.h"
#include "node/runtime.h"
#include "node/services.h"

/* What an onlooker is told, copied before the message is somebody else's. */
static struct observation sent_of(const tr_message *item) {
    return (struct observation){.kind = OBSERVE_SEND,
                                .from = item->from,
                                .to = item->to,
                                .serial = item->serial,
                                .colour = item->colour,
                                .record = item->type == NULL ? NULL : item->type->name};
}

static void count_sent(struct producer *producer, const struct observation *sent) {
    counter_add(&producer->counters.sent);
    runtime_observe(producer->runtime, sent);
}

/* True when taken: filed, or dead because the actor ended meanwhile. */
static bool push_to_actor(struct producer *producer, tr_actor *sender, tr_actor *target,
                          tr_message **posted) {
    struct runtime *runtime = producer->runtime;
    const tr_message *item = *posted;
    bool exempt = message_is_exempt(item);
    uint16_t origin = item->origin;
    struct observation sent = sent_of(item);
    uint32_t count;
    switch (mailbox_push(&target->box, posted,
                         origin != 0 ? MAILBOX_COUNT_MAX
                         : exempt    ? UINT32_MAX
                                     : target->limits->hard,
                         &count)) {
        case MAILBOX_REFUSED:
            atomic_fetch_add_explicit(&target->refused, 1, memory_order_relaxed);
            return false;
        case MAILBOX_IS_CLOSED:
            if (origin == 0) count_sent(producer, &sent);
            deadletter_drop(producer, sender, posted, DEADLETTER_ENDED);
            return true;
        case MAILBOX_WOKE:
            runtime_schedule(runtime, producer->worker, target);
            break;
        case MAILBOX_PUSHED:
            break;
    }
    if (!exempt && count > target->limits->high) {
        if (origin != 0)
            pressure_arrived(target, origin, count);
        else
            pressure_pushed(target, sender, count);
    }
    if (origin == 0) count_sent(producer, &sent);
    return true;
}

static tr_status post_local(struct producer *producer, tr_actor *sender, tr_message **posted) {
    struct slot_head *head = runtime_find(producer->runtime, (*posted)->to);
    if (head == NULL) {
        struct observation sent = sent_of(*posted);
        if ((*posted)->origin == 0) count_sent(producer, &sent);
        deadletter_drop(producer, sender, posted, DEADLETTER_NOBODY);
        return TR_OK;
    }
    if (head->kind == SLOT_PORT) {
        struct observation sent = sent_of(*posted);
        bool local = (*posted)->origin == 0;
        tr_status status = port_deliver(head, producer, sender, posted);
        if (status == TR_OK && local) count_sent(producer, &sent);
        return status;
    }
    return push_to_actor(producer, sender, (tr_actor *)(void *)head, posted) ? TR_OK : TR_EFULL;
}

tr_status post_message(struct producer *producer, tr_actor *sender, tr_message **posted) {
    struct runtime *runtime = producer->runtime;
    tr_status status;
    if ((*posted)->to.space == runtime->space) {
        status = post_local(producer, sender, posted);
    } else {
        struct observation sent = sent_of(*posted);
        status = runtime->router->post(runtime->router_context, producer, sender, posted);
        if (status == TR_OK) count_sent(producer, &sent);
    }
    if (status != TR_OK) counter_add(&producer->counters.refused);
    return status;
}

void post_system(struct producer *producer, tr_actor *context, tr_message **posted) {
    struct runtime *runtime = producer->runtime;
    tr_message *item = *posted;
    item->flags |= MESSAGE_EXEMPT;
    item->from = (tr_pid){runtime->space, 0, 0};
    item->serial = atomic_fetch_add_explicit(&runtime->system_serial, 1, memory_order_relaxed) + 1;
    item->colour = context != NULL ? actor_colour(context) : runtime_epoch(runtime);
    if (post_message(producer, NULL, posted) != TR_OK)
        deadletter_drop(producer, context, posted, DEADLETTER_SESSION);
}

void post_arrived(struct producer *producer, tr_message **arrived) {
    /* Past hard too what a link accepted is filed; only a million waiting messages, which no peer
     * that heeds its notices brings about, are too many (I5). */
    if (post_local(producer, NULL, arrived) != TR_OK)
        deadletter_drop(producer, NULL, arrived, DEADLETTER_OVERRUN);
}
