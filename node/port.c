#include "node/port.h"

#include <string.h>

#include "node/base/condition.h"
#include "node/base/container.h"
#include "node/base/error.h"
#include "node/base/memory.h"
#include "node/deadletter.h"
#include "node/directory.h"
#include "node/post.h"
#include "node/pressure.h"
#include "node/record_codec.h"
#include "node/recording.h"
#include "node/services.h"

/* What slots.h finds: one life of a port. It stays what it is until nobody can hold it any more,
 * while the port goes on to its next user. */
struct port_life {
    struct slot_head head; /* first */
    tr_port *port;
    struct reclaim_item reclaim;
};

struct tr_port {
    struct port_life *life; /* NULL: closed */
    tr_pid pid;             /* of the present or last life */
    list_node
        node; /* in runtime.ports; stays there when the port is closed and waits for another user */
    struct producer *producer;
    struct runtime *runtime;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool open;
    bool busy;     /* somebody acts as this port */
    bool turn_due; /* whoever is busy turns on leaving */
    bool token_due;
    bool has_room; /* a receiver that refused has drained */
    uint64_t serial;
    uint64_t colour; /* whoever is busy writes */
    struct message_list mail;
    uint32_t mail_count;
    map_u64 asks;           /* serials whose replies are awaited */
    struct waiters waiters; /* other ports that wait for room here */
    port_notify *notify;
    void *notify_context;
};

static char awaited;

static tr_port *port_of(struct slot_head *head) {
    return ((struct port_life *)(void *)head)->port;
}

/* Under the port's lock: it is still in the life that was found. */
static bool lives(const tr_port *port, const struct slot_head *head) {
    return port->life != NULL && &port->life->head == head;
}

tr_pid tr_port_pid(const tr_port *port) {
    return port->pid;
}

/* ---- acts ------------------------------------------------------------------------------------ */

static void take_colour(tr_port *port) {
    uint64_t epoch = runtime_epoch(port->runtime);
    if (port->colour >= epoch) return;
    uint64_t from = port->colour;
    port->colour = epoch;
    tally_add(&port->producer->tally.born, epoch);
    tally_add(&port->producer->tally.left, from);
    port->runtime->router->progress(port->runtime->router_context);
}

/* Records what is older among the first messages, up to `last`, which only whoever is busy takes
 * out. */
static void record_mail(tr_port *port, tr_message *first, tr_message *last) {
    for (tr_message *item = first; item != NULL; item = item == last ? NULL : item->next) {
        if (!message_in_channel(item) || item->colour >= port->colour) continue;
        recording_message(port->producer, item, port->colour, NULL);
        item->colour = port->colour;
    }
}

static void answer_token(tr_port *port) {
    pthread_mutex_lock(&port->mutex);
    tr_message *first = port->mail.first, *last = port->mail.last;
    pthread_mutex_unlock(&port->mutex);
    record_mail(port, first, last);
    if (atomic_fetch_sub_explicit(&port->runtime->tokens_pending, 1, memory_order_acq_rel) == 1)
        port->runtime->router->progress(port->runtime->router_context);
}

static void port_enter(tr_port *port) {
    pthread_mutex_lock(&port->mutex);
    while (port->busy) pthread_cond_wait(&port->changed, &port->mutex);
    port->busy = true;
    pthread_mutex_unlock(&port->mutex);
    reclaim_online(&port->producer->reader);
    take_colour(port);
}

static void port_leave(tr_port *port) {
    pthread_mutex_lock(&port->mutex);
    while (port->turn_due || port->token_due) {
        bool token = port->token_due;
        port->turn_due = port->token_due = false;
        pthread_mutex_unlock(&port->mutex);
        take_colour(port);
        if (token) answer_token(port);
        pthread_mutex_lock(&port->mutex);
    }
    reclaim_offline(&port->producer->reader);
    port->busy = false;
    pthread_cond_broadcast(&port->changed);
    pthread_mutex_unlock(&port->mutex);
}

void ports_turn(struct runtime *runtime, bool token) {
    pthread_mutex_lock(&runtime->mutex);
    size_t count = list_count(&runtime->ports), filled = 0;
    tr_port **ports = mem_alloc((count + 1) * sizeof *ports);
    for (list_node *node = list_first(&runtime->ports); node != NULL;
         node = list_next(&runtime->ports, node))
        ports[filled++] = container_of(node, tr_port, node);
    pthread_mutex_unlock(&runtime->mutex);
    for (size_t i = 0; i < count; i++) { /* a port stays in the list until the node closes */
        tr_port *port = ports[i];
        if (token) atomic_fetch_add_explicit(&runtime->tokens_pending, 1, memory_order_relaxed);
        pthread_mutex_lock(&port->mutex);
        bool busy = port->busy;
        if (token && port->token_due) /* that of an aborted snapshot, answered together */
            atomic_fetch_sub_explicit(&runtime->tokens_pending, 1, memory_order_acq_rel);
        port->turn_due = true;
        port->token_due = port->token_due || token;
        port->busy = true;
        pthread_mutex_unlock(&port->mutex);
        if (busy) continue; /* its user does it on leaving */
        reclaim_online(&port->producer->reader);
        port_leave(port);
    }
    mem_free(ports);
}

/* ---- open and close -------------------------------------------------------------------------- */

/* A closed port that waits for another user, or a new one. */
static tr_port *port_obtain(struct runtime *runtime) {
    pthread_mutex_lock(&runtime->mutex);
    for (list_node *node = list_first(&runtime->ports); node != NULL;
         node = list_next(&runtime->ports, node)) {
        tr_port *port = container_of(node, tr_port, node);
        pthread_mutex_lock(&port->mutex);
        bool free = !port->open && !port->busy;
        if (free) port->open = true;
        pthread_mutex_unlock(&port->mutex);
        if (!free) continue;
        pthread_mutex_unlock(&runtime->mutex);
        return port;
    }
    pthread_mutex_unlock(&runtime->mutex);
    tr_port *made = mem_zalloc(1, sizeof *made);
    made->runtime = runtime;
    made->open = true;
    made->producer = mem_zalloc(1, sizeof *made->producer);
    producer_init(made->producer, runtime, NULL);
    pthread_mutex_init(&made->mutex, NULL);
    condition_init(&made->changed);
    /* Under the lock of the sweep and of the census: they find the port with its colour counted, or
     * it finds E moved. */
    pthread_mutex_lock(&runtime->mutex);
    made->colour = atomic_load(&runtime->epoch);
    tally_add(&made->producer->tally.born, made->colour);
    list_push_back(&runtime->ports, &made->node);
    pthread_mutex_unlock(&runtime->mutex);
    return made;
}

tr_status port_open(struct runtime *runtime, port_notify *notify, void *context,
                    tr_port **port_out) {
    if (runtime->space == 0) return TR_EUNREACHABLE; /* the node is not up yet: it has no pids */
    tr_port *port = port_obtain(runtime);
    port_enter(port);
    struct port_life *life = mem_zalloc(1, sizeof *life);
    life->port = port;
    life->head = slots_take(&runtime->slots, &port->producer->slots);
    life->head.kind = SLOT_PORT;
    pthread_mutex_lock(&port->mutex);
    port->notify = notify;
    port->notify_context = context;
    port->has_room = false;
    port->life = life;
    port->pid = (tr_pid){runtime->space, life->head.slot, life->head.generation};
    pthread_mutex_unlock(&port->mutex);
    slots_put(&runtime->slots, &life->head);
    port_leave(port);
    *port_out = port;
    return TR_OK;
}

static void life_release(struct reclaim_item *item) {
    struct port_life *life = container_of(item, struct port_life, reclaim);
    mem_free(life);
}

/* Tells the ports that wait for room in this one to try again; whoever is busy. */
static void free_waiting(tr_port *port) {
    pthread_mutex_lock(&port->mutex);
    struct waiters freed = port->waiters;
    port->waiters = (struct waiters){0};
    pthread_mutex_unlock(&port->mutex);
    pressure_free_waiters(port->runtime, &freed);
}

void tr_port_close(tr_port *port) {
    if (port == NULL) return;
    port_enter(port);
    struct port_life *life = port->life;
    slots_remove(&port->runtime->slots, &life->head, &port->producer->slots);
    pthread_mutex_lock(&port->mutex);
    port->life = NULL;
    struct message_list mail = port->mail;
    port->mail = (struct message_list){0};
    port->mail_count = 0;
    port->open = false;
    port->notify = NULL;
    map_u64_fini(&port->asks);
    pthread_mutex_unlock(&port->mutex);
    for (tr_message *item; (item = message_list_pop(&mail)) != NULL;)
        deadletter_drop(port->producer, NULL, &item, DEADLETTER_ENDED);
    free_waiting(port);
    reclaim_retire(&port->producer->reader, &life->reclaim, life_release);
    port_leave(port);
}

void ports_free(struct runtime *runtime) {
    list_node *node;
    while ((node = list_pop_front(&runtime->ports)) != NULL) {
        tr_port *port = container_of(node, tr_port, node);
        for (tr_message *item; (item = message_list_pop(&port->mail)) != NULL;) message_free(item);
        map_u64_fini(&port->asks);
        waiters_fini(&port->waiters);
        mem_free(port->life);
        producer_fini(port->producer);
        mem_free(port->producer);
        pthread_cond_destroy(&port->changed);
        pthread_mutex_destroy(&port->mutex);
        mem_free(port);
    }
}

/* ---- what the others do ---------------------------------------------------------------------- */

tr_status port_deliver(struct slot_head *head, struct producer *producer, tr_actor *sender,
                       tr_message **delivered) {
    tr_port *port = port_of(head);
    tr_message *item = *delivered;
    enum deadletter_reason dead = DEADLETTER_REASONS;
    pthread_mutex_lock(&port->mutex);
    if (!lives(port, head)) {
        dead = DEADLETTER_ENDED;
    } else if ((item->flags & MESSAGE_REPLY) != 0 &&
               map_u64_remove(&port->asks, item->reference) == NULL) {
        dead = DEADLETTER_LATE_REPLY;
    } else if (!message_is_exempt(item) && item->origin == 0 &&
               port->mail_count >= port->runtime->limits.hard) {
        pthread_mutex_unlock(&port->mutex);
        return TR_EFULL;
    } else {
        message_list_push(&port->mail, item);
        port->mail_count++;
        *delivered = NULL;
        pthread_cond_broadcast(&port->changed);
    }
    port_notify *notify = port->notify;
    void *context = port->notify_context;
    pthread_mutex_unlock(&port->mutex);
    if (dead != DEADLETTER_REASONS)
        deadletter_drop(producer, sender, delivered, dead);
    else if (notify != NULL)
        notify(context);
    return TR_OK;
}

void port_room(struct slot_head *head) {
    if (head->kind != SLOT_PORT) return;
    tr_port *port = port_of(head);
    pthread_mutex_lock(&port->mutex);
    bool present = lives(port, head);
    port->has_room = port->has_room || present;
    pthread_cond_broadcast(&port->changed);
    port_notify *notify = present ? port->notify : NULL;
    void *context = port->notify_context;
    pthread_mutex_unlock(&port->mutex);
    if (notify != NULL) notify(context);
}

/* ---- posting and taking ---------------------------------------------------------------------- */

static void new_trace(tr_port *port, tr_trace *trace) {
    static const tr_trace none = {{0}, 0};
    if (memcmp(trace->id, none.id, sizeof none.id) == 0)
        random_fill(&port->producer->random, trace->id, sizeof trace->id);
}

tr_status port_post(tr_port *port, tr_pid to, enum message_kind kind, unsigned flags,
                    const record_type *type, const void *body, tr_trace *trace,
                    uint64_t *serial_out) {
    tr_message *item;
    tr_status status = message_of(type, body, port->runtime->message_bytes_max, &item);
    if (status != TR_OK) return status;
    port_enter(port);
    new_trace(port, trace);
    item->kind = (uint8_t)kind;
    item->flags = (uint8_t)flags;
    item->from = tr_port_pid(port);
    item->to = to;
    item->serial = ++port->serial;
    item->colour = port->colour;
    item->trace = *trace;
    uint64_t serial = item->serial;
    if ((flags & MESSAGE_ASK) != 0) {
        pthread_mutex_lock(&port->mutex);
        map_u64_put(&port->asks, serial, &awaited);
        pthread_mutex_unlock(&port->mutex);
    }
    status = post_message(port->producer, NULL, &item);
    port_leave(port);
    if (status != TR_OK) {
        message_free(item);
        port_forget(port, serial);
    } else if (serial_out != NULL) {
        *serial_out = serial;
    }
    return status;
}

void port_forget(tr_port *port, uint64_t serial) {
    pthread_mutex_lock(&port->mutex);
    map_u64_remove(&port->asks, serial);
    pthread_mutex_unlock(&port->mutex);
}

/* Takes a message that `wanted` accepts (NULL: any). */
static tr_message *take_if(tr_port *port, bool (*wanted)(const tr_message *item, uint64_t argument),
                           uint64_t argument) {
    port_enter(port);
    pthread_mutex_lock(&port->mutex);
    tr_message *before = NULL, *item = port->mail.first;
    while (item != NULL && wanted != NULL && !wanted(item, argument)) {
        before = item;
        item = item->next;
    }
    if (item != NULL) {
        if (before == NULL)
            port->mail.first = item->next;
        else
            before->next = item->next;
        if (port->mail.last == item) port->mail.last = before;
        item->next = NULL;
        port->mail_count--;
    }
    bool room =
        port->mail_count < port->runtime->limits.hard && map_pid_count(&port->waiters.ports) > 0;
    pthread_mutex_unlock(&port->mutex);
    if (room) free_waiting(port);
    if (item != NULL) {
        runtime_observe_message(port->runtime, OBSERVE_RECEIVE, item, port->colour, NULL);
        record_mail(port, item, item);
        if (item->origin != 0)
            tally_count(&port->producer->tally, TALLY_RECEIVED, item->origin, item->origin_session,
                        port->colour);
        counter_add(&port->producer->counters.handled);
        runtime_observe_message(port->runtime, OBSERVE_HANDLED, item, port->colour, NULL);
    }
    port_leave(port);
    return item;
}

tr_message *port_take(tr_port *port) {
    return take_if(port, NULL, 0);
}

tr_status port_whereis(tr_port *port, const char *name, tr_pid *pid_out) {
    port_enter(port);
    bool found = directory_find(port->runtime->directory, name, port->colour, pid_out);
    port_leave(port);
    return found ? TR_OK : TR_ENOENT;
}

/* ---- blocking calls -------------------------------------------------------------------------- */

/* Waits until a receiver has room for this port; false at the deadline. */
static bool wait_room(tr_port *port, const struct timespec *deadline) {
    pthread_mutex_lock(&port->mutex);
    while (!port->has_room && condition_wait(&port->changed, &port->mutex, deadline)) {
    }
    bool room = port->has_room;
    port->has_room = false;
    pthread_mutex_unlock(&port->mutex);
    return room;
}

/* Whether a port has room for another whose last message it refused; else that one is noted. */
static bool port_has_room(struct slot_head *head, tr_pid asking) {
    tr_port *port = port_of(head);
    pthread_mutex_lock(&port->mutex);
    bool full = lives(port, head) && port->mail_count >= port->runtime->limits.hard;
    if (full) map_pid_put(&port->waiters.ports, asking, &awaited);
    pthread_mutex_unlock(&port->mutex);
    return !full;
}

bool port_admits(tr_port *port, tr_pid to, bool refused) {
    struct runtime *runtime = port->runtime;
    bool admitted = true;
    port_enter(port); /* busy, so that no turn ends its reclaim section meanwhile */
    if (to.space != runtime->space) {
        admitted = runtime->router->admits_port(runtime->router_context, to, port->pid, refused);
    } else {
        struct slot_head *head = runtime_find(runtime, to);
        if (head != NULL && head->kind == SLOT_ACTOR)
            admitted = pressure_admits_port((tr_actor *)(void *)head, port->pid, refused);
        else if (head != NULL && refused)
            admitted = port_has_room(head, port->pid);
    }
    port_leave(port);
    return admitted;
}

static tr_status post_waiting(tr_port *port, tr_pid to, unsigned flags, const tr_record *record,
                              const void *body, const struct timespec *deadline,
                              uint64_t *serial_out) {
    const record_type *type;
    tr_status status = record_table_intern(port->runtime->records, record, &type, NULL);
    if (status != TR_OK) return TR_EDATA;
    tr_trace trace = {{0}, 0};
    bool refused = false;
    for (;;) {
        if (!port_admits(port, to, refused) && !wait_room(port, deadline)) return TR_EFULL;
        status = port_post(port, to, MESSAGE_USER, flags, type, body, &trace, serial_out);
        if (status != TR_EFULL) return status;
        refused = true;
    }
}

tr_status tr_port_send_record(tr_port *port, tr_pid to, uint64_t timeout_ms,
                              const tr_record *record, const void *body) {
    struct timespec deadline = condition_deadline(timeout_ms);
    return post_waiting(port, to, 0, record, body, &deadline, NULL);
}

static bool is_reply_to(const tr_message *item, uint64_t serial) {
    return (item->flags & MESSAGE_REPLY) != 0 && item->reference == serial;
}

static bool is_no_reply(const tr_message *item, uint64_t argument) {
    (void)argument;
    return (item->flags & MESSAGE_REPLY) == 0;
}

/* Takes a wanted message, waiting for it until the deadline; NULL then. */
static tr_message *wait_mail(tr_port *port,
                             bool (*wanted)(const tr_message *item, uint64_t argument),
                             uint64_t argument, const struct timespec *deadline) {
    for (;;) {
        pthread_mutex_lock(&port->mutex);
        tr_message *last = port->mail.last;
        pthread_mutex_unlock(&port->mutex);
        tr_message *item = take_if(port, wanted, argument);
        if (item != NULL) return item;
        pthread_mutex_lock(&port->mutex);
        bool waiting = true;
        while (port->mail.last == last && waiting)
            waiting = condition_wait(&port->changed, &port->mutex, deadline);
        pthread_mutex_unlock(&port->mutex);
        if (!waiting) return take_if(port, wanted, argument);
    }
}

tr_status tr_port_ask_record(tr_port *port, tr_pid to, uint64_t timeout_ms, tr_message **reply_out,
                             const tr_record *record, const void *body) {
    struct timespec deadline = condition_deadline(timeout_ms);
    uint64_t serial = 0;
    tr_status status = post_waiting(port, to, MESSAGE_ASK, record, body, &deadline, &serial);
    if (status != TR_OK) return status;
    tr_message *reply = wait_mail(port, is_reply_to, serial, &deadline);
    if (reply == NULL) {
        port_forget(port, serial);
        reply = take_if(port, is_reply_to, serial);
        if (reply == NULL) return TR_ETIMEDOUT;
    }
    if (reply->type == port->runtime->ask_failed) {
        const struct tr_ask_failed *failed = tr_body(reply);
        status = (tr_status)failed->status;
        message_free(reply);
        return status;
    }
    *reply_out = reply;
    return TR_OK;
}

/* The message in the form the caller expects, or NULL; takes it. */
static tr_message *as_expected(tr_port *port, tr_message *item, const record_type *expected) {
    if (item->type == expected) return item;
    record_limits limits = record_limits_for(port->runtime->message_bytes_max);
    size_t bytes;
    if (item->type == NULL || strcmp(item->type->name, expected->name) != 0 ||
        record_convert_measure(item->type, item->body, expected, &limits, &bytes, NULL) != TR_OK) {
        port_enter(port);
        item->origin = 0; /* it was counted when it was taken */
        deadletter_drop(port->producer, NULL, &item, DEADLETTER_UNHANDLED);
        port_leave(port);
        return NULL;
    }
    tr_message *made = message_converted(item, expected, bytes);
    message_free(item);
    return made;
}

tr_status tr_port_receive(tr_port *port, const tr_record *expected, uint64_t timeout_ms,
                          tr_message **message_out) {
    const record_type *type;
    if (record_table_intern(port->runtime->records, expected, &type, NULL) != TR_OK)
        return TR_EDATA;
    struct timespec deadline = condition_deadline(timeout_ms);
    for (;;) {
        tr_message *item = wait_mail(port, is_no_reply, 0, &deadline);
        if (item == NULL) return TR_ETIMEDOUT;
        item = as_expected(port, item, type);
        if (item == NULL) continue;
        *message_out = item;
        return TR_OK;
    }
}

tr_status tr_port_stop(tr_port *port, tr_pid pid) {
    tr_trace trace = {{0}, 0};
    return port_post(port, pid, MESSAGE_STOP, MESSAGE_EXEMPT, NULL, NULL, &trace, NULL);
}

tr_status tr_port_whereis(tr_port *port, const char *name, tr_pid *pid_out) {
    return port_whereis(port, name, pid_out);
}

tr_status tr_port_spawn(tr_port *port, const char *behavior, const tr_record *state_record,
                        const tr_spawn_options *options, uint64_t timeout_ms, tr_pid *pid_out,
                        tr_error *error) {
    struct runtime *runtime = port->runtime;
    static const tr_spawn_options defaults = {0};
    if (options == NULL) options = &defaults;
    struct spawn_request request;
    struct buffer state;
    buffer_init(&state);
    tr_pid service;
    port_enter(port);
    tr_status status = services_request(runtime, behavior, state_record, options, &request, &state,
                                        &service, error);
    port_leave(port);
    tr_message *reply = NULL;
    if (status == TR_OK) {
        status =
            tr_port_ask_record(port, service, timeout_ms, &reply, &spawn_request_record, &request);
        if (status != TR_OK)
            error_set(error, status, NULL, "spawn of %s: %s", behavior, tr_status_text(status));
    }
    buffer_fini(&state);
    if (status != TR_OK) return status;
    if (reply->type != runtime->spawned) {
        tr_message_free(reply);
        return error_set(error, TR_EDATA, NULL, "spawn of %s: the node's answer is none", behavior);
    }
    const struct tr_spawned *spawned = tr_body(reply);
    status = (tr_status)spawned->status;
    if (status == TR_OK)
        *pid_out = spawned->pid;
    else
        error_set(error, status, NULL, "spawn of %s: %s", behavior, spawned->reason);
    tr_message_free(reply);
    return status;
}
