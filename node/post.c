#include "node/post.h"

#include <string.h>

#include "node/deadletter.h"
#include "node/port.h"
#include "node/pressure.h"
#include "node/runtime.h"
#include "node/services.h"
#include "node/spawn.h"
#include "node/unborn.h"

/* What an onlooker is told of a message, noted before it is somebody else's. */
struct notice {
    const struct observer *observer; /* NULL: nobody looks on */
    struct observation sent;
};

static void note(struct notice *notice, const struct runtime *runtime, const tr_message *item) {
    notice->observer = runtime->environment->observer;
    if (notice->observer == NULL) return;
    notice->sent = (struct observation){.kind = OBSERVE_SEND,
                                        .from = item->from,
                                        .to = item->to,
                                        .serial = item->serial,
                                        .colour = item->colour,
                                        .record = message_name(item)};
}

static void count_sent(struct producer *producer, const struct notice *notice) {
    counter_add(&producer->counters.sent);
    if (notice->observer != NULL)
        notice->observer->observe(notice->observer->context, &notice->sent);
}

/* Who sent it goes on, pauses, or (a peer) is told to. */
static void press(tr_actor *target, tr_actor *sender, uint16_t origin, uint32_t count) {
    if (origin != 0)
        pressure_arrived(target, origin, count);
    else
        pressure_pushed(target, sender, count);
}

/* True when taken: filed, or dead because the actor ended meanwhile. */
static bool push_to_actor(struct producer *producer, tr_actor *sender, tr_actor *target,
                          tr_message **posted) {
    const tr_message *item = *posted;
    bool exempt = message_is_exempt(item);
    uint16_t origin = item->origin;
    uint32_t hard = origin != 0 ? MAILBOX_COUNT_MAX : exempt ? UINT32_MAX : target->limits->hard;
    struct notice notice;
    note(&notice, producer->runtime, item);
    uint32_t count;
    enum mailbox_push_result result = mailbox_push(&target->box, posted, hard, &count);
    if (result == MAILBOX_WOKE) {
        runtime_schedule(producer->runtime, producer->worker, target);
    } else if (result == MAILBOX_REFUSED) {
        atomic_fetch_add_explicit(&target->refused, 1, memory_order_relaxed);
        return false;
    } else if (result == MAILBOX_IS_CLOSED) {
        if (origin == 0) count_sent(producer, &notice);
        deadletter_drop(producer, sender, posted, DEADLETTER_ENDED);
        return true;
    }
    if (!exempt && count > target->limits->high) press(target, sender, origin, count);
    if (origin == 0) count_sent(producer, &notice);
    return true;
}

static tr_status post_to_port(struct producer *producer, tr_actor *sender, struct slot_head *port,
                              tr_message **posted) {
    bool local = (*posted)->origin == 0;
    struct notice notice;
    note(&notice, producer->runtime, *posted);
    tr_status status = port_deliver(port, producer, sender, posted);
    if (status == TR_OK && local) count_sent(producer, &notice);
    return status;
}

static tr_status post_to_nobody(struct producer *producer, tr_actor *sender, tr_message **posted) {
    struct notice notice;
    note(&notice, producer->runtime, *posted);
    if ((*posted)->origin == 0) count_sent(producer, &notice);
    deadletter_drop(producer, sender, posted, DEADLETTER_NOBODY);
    return TR_OK;
}

/* Nobody is found: it waits for a birth, or is dead. Returns who was born a moment ago, or NULL
 * when the message is taken. */
static struct slot_head *post_to_unborn(struct producer *producer, tr_actor *sender,
                                        tr_message **posted) {
    struct notice notice;
    note(&notice, producer->runtime, *posted);
    bool local = (*posted)->origin == 0;
    tr_pid to = (*posted)->to;
    if (unborn_keep(producer, sender, posted)) {
        if (local) count_sent(producer, &notice);
        return NULL;
    }
    struct slot_head *born = slots_find(&producer->runtime->slots, to.slot, to.generation);
    if (born == NULL) post_to_nobody(producer, sender, posted);
    return born;
}

static tr_status post_local(struct producer *producer, tr_actor *sender, tr_message **posted) {
    const tr_message *item = *posted;
    struct slot_head *head =
        slots_find(&producer->runtime->slots, item->to.slot, item->to.generation);
    if (head == NULL) {
        head = post_to_unborn(producer, sender, posted);
        if (head == NULL) return TR_OK;
    }
    if (head->kind == SLOT_PORT) return post_to_port(producer, sender, head, posted);
    return push_to_actor(producer, sender, (tr_actor *)(void *)head, posted) ? TR_OK : TR_EFULL;
}

static tr_status post_remote(struct producer *producer, tr_actor *sender, tr_message **posted) {
    struct runtime *runtime = producer->runtime;
    struct notice notice;
    note(&notice, runtime, *posted);
    tr_status status = runtime->router->post(runtime->router_context, producer, sender, posted);
    if (status == TR_OK) count_sent(producer, &notice);
    return status;
}

tr_status post_message(struct producer *producer, tr_actor *sender, tr_message **posted) {
    bool local = (*posted)->to.space == producer->runtime->space;
    tr_status status =
        local ? post_local(producer, sender, posted) : post_remote(producer, sender, posted);
    if (status != TR_OK) counter_add(&producer->counters.refused);
    return status;
}

bool post_direct(struct producer *producer, tr_actor *sender, const tr_message *head,
                 const void *body, tr_status *status_out) {
    struct runtime *runtime = producer->runtime;
    const struct router_ops *router = runtime->router;
    if (router->post_direct == NULL ||
        !router->post_direct(runtime->router_context, producer, sender, head, body, status_out))
        return false;
    if (*status_out == TR_OK) {
        struct notice notice; /* `head` is still the caller's */
        note(&notice, runtime, head);
        count_sent(producer, &notice);
    } else {
        counter_add(&producer->counters.refused);
    }
    return true;
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
    if ((*arrived)->kind == MESSAGE_SPAWN) {
        spawn_arrived(producer, arrived);
        return;
    }
    /* Past hard too what a link accepted is filed; only a million waiting messages, which no peer
     * that heeds its notices brings about, are too many (I5). */
    if ((*arrived)->to.space != producer->runtime->space)
        post_to_nobody(producer, NULL, arrived);
    else if (post_local(producer, NULL, arrived) != TR_OK)
        deadletter_drop(producer, NULL, arrived, DEADLETTER_OVERRUN);
}
