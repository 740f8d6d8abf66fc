#include "node/peer.h"

#include <stdio.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/deadletter.h"
#include "node/node.h"
#include "node/record_codec.h"

/* An overloaded actor of the peer, and who waits for it. */
struct remote_pressure {
    enum frame_pressure level;
    struct waiters waiters;
};

/* ---- the table ------------------------------------------------------------------------------- */

struct peer *peer_find(tr_node *node, const char *name) {
    return map_text_find(&node->peers, name);
}

static struct peer *peer_new(tr_node *node, const char *name) {
    struct peer *made = mem_zalloc(1, sizeof *made);
    snprintf(made->name, sizeof made->name, "%s", name);
    made->node = node;
    pthread_mutex_init(&made->mutex, NULL);
    node->peer_list =
        mem_realloc_array(node->peer_list, node->peer_count + 1, sizeof(struct peer *));
    node->peer_list[node->peer_count++] = made;
    made->origin = (uint32_t)node->peer_count;
    check(made->origin <
          TALLY_CHUNK *
              TALLY_CHUNKS); /* links admit no more: the registry bounds names and lives */
    if (name[0] != '\0') map_text_put(&node->peers, name, made);
    return made;
}

struct peer *peer_obtain(tr_node *node, const char *name) {
    struct peer *found = peer_find(node, name);
    return found != NULL ? found : peer_new(node, name);
}

static void free_chain(struct parcel *parcel) {
    while (parcel != NULL) {
        struct parcel *next = parcel->next;
        parcel_free(parcel);
        parcel = next;
    }
}

void peers_free(tr_node *node) {
    for (size_t i = 0; i < node->peer_count; i++) {
        struct peer *peer = node->peer_list[i];
        link_free(peer->link);
        for (tr_message *item; (item = message_list_pop(&peer->held)) != NULL;) message_free(item);
        free_chain(atomic_load(&peer->outbox));
        size_t cursor = 0;
        for (struct remote_pressure *each;
             (each = map_pid_next(&peer->pressures, &cursor, NULL)) != NULL;) {
            waiters_fini(&each->waiters);
            mem_free(each);
        }
        map_pid_fini(&peer->pressures);
        waiters_fini(&peer->waiters);
        map_u64_fini(&peer->types);
        mem_free(peer->announced);
        pthread_mutex_destroy(&peer->mutex);
        mem_free(peer);
    }
    map_text_fini(&node->peers);
    mem_free(node->peer_list);
}

/* ---- posting: any producer ------------------------------------------------------------------- */

static uint64_t queued_bytes(const struct peer *peer) {
    return atomic_load_explicit(&peer->outbox_bytes, memory_order_relaxed) +
           atomic_load_explicit(&peer->link_bytes, memory_order_relaxed);
}

/* NULL: the body is larger than `bytes_max`. */
static struct parcel *encode(struct producer *producer, const tr_message *item,
                             uint32_t bytes_max) {
    struct buffer *scratch = &producer->scratch;
    buffer_clear(scratch);
    if (item->type != NULL) record_encode(item->type, item->body, scratch);
    if (scratch->bytes > bytes_max) return NULL;
    struct envelope envelope = {
        .kind = message_is_exempt(item) ? ENVELOPE_CONTROL : ENVELOPE_MESSAGE,
        .flags = item->flags | (uint32_t)item->kind << 8,
        .to = item->to,
        .from = item->from,
        .record = item->type == NULL ? 0 : item->type->id,
        .colour = item->colour,
        .trace = item->trace,
        .message_id = item->serial,
        .reference = item->reference,
        .body = scratch->data,
        .body_bytes = (uint32_t)scratch->bytes,
    };
    return envelope_encode(&envelope);
}

static void mark_dirty(struct peer *peer) {
    if (atomic_exchange(&peer->is_dirty, true)) return;
    tr_node *node = peer->node;
    struct peer *first = atomic_load_explicit(&node->dirty, memory_order_relaxed);
    do peer->dirty_next = first;
    while (!atomic_compare_exchange_weak_explicit(&node->dirty, &first, peer, memory_order_release,
                                                  memory_order_relaxed));
    node_wake(node);
}

static void push(struct peer *peer, struct parcel *parcel) {
    atomic_fetch_add_explicit(&peer->outbox_bytes, parcel->bytes, memory_order_relaxed);
    parcel->next = atomic_load_explicit(&peer->outbox, memory_order_relaxed);
    /* Release: the core sees the parcel's bytes, and that it was counted. */
    while (!atomic_compare_exchange_weak_explicit(&peer->outbox, &parcel->next, parcel,
                                                  memory_order_acq_rel, memory_order_relaxed)) {
    }
    mark_dirty(peer);
}

/* The level that the peer has told for a pid. */
static enum frame_pressure pressure_level(struct peer *peer, tr_pid pid) {
    /* Acquire: a notice was entered before the count. */
    if (atomic_load_explicit(&peer->pressure_count, memory_order_acquire) == 0)
        return PRESSURE_FREE;
    pthread_mutex_lock(&peer->mutex);
    struct remote_pressure *found = map_pid_find(&peer->pressures, pid);
    enum frame_pressure level = found == NULL ? PRESSURE_FREE : found->level;
    pthread_mutex_unlock(&peer->mutex);
    return level;
}

/* Mutes the sender for an overloaded actor of the peer and for a full send queue. */
static void press(struct peer *peer, tr_actor *sender, tr_pid to) {
    bool pressed = atomic_load_explicit(&peer->pressure_count, memory_order_acquire) > 0;
    bool full = queued_bytes(peer) > PEER_QUEUE_HIGH;
    if (sender == NULL || (!pressed && !full)) return;
    pressure_lock(sender); /* before the peer's: the order everywhere */
    pthread_mutex_lock(&peer->mutex);
    struct remote_pressure *found = pressed ? map_pid_find(&peer->pressures, to) : NULL;
    if (found != NULL) pressure_mute(&found->waiters, sender);
    if (full && queued_bytes(peer) > PEER_QUEUE_HIGH && atomic_load(&peer->serial) != 0)
        pressure_mute(&peer->waiters, sender);
    pthread_mutex_unlock(&peer->mutex);
    pressure_unlock(sender);
}

tr_status peer_post(struct peer *peer, struct producer *producer, tr_actor *sender,
                    tr_message **message) {
    tr_message *item = *message;
    /* Acquire: everything of the session before it was declared up. */
    uint32_t serial = atomic_load_explicit(&peer->serial, memory_order_acquire);
    if (serial == 0) return TR_EUNREACHABLE;
    bool exempt = message_is_exempt(item);
    tr_pid to = item->to;
    if (!exempt &&
        (queued_bytes(peer) >= PEER_QUEUE_HARD || pressure_level(peer, to) == PRESSURE_REFUSE))
        return TR_EFULL;
    struct parcel *parcel =
        encode(producer, item, atomic_load_explicit(&peer->bytes_max, memory_order_relaxed));
    if (parcel == NULL) return TR_ETOOBIG;
    parcel->tag = serial;
    tally_count(&producer->tally, TALLY_SENT, peer->origin, serial, item->colour);
    *message = NULL;
    message_free(item);
    push(peer, parcel);
    if (!exempt) press(peer, sender, to);
    return TR_OK;
}

bool peer_admits_port(struct peer *peer, tr_pid to, tr_pid port, bool refused) {
    static char present;
    pthread_mutex_lock(&peer->mutex);
    struct remote_pressure *found = map_pid_find(&peer->pressures, to);
    struct waiters *waiters = found != NULL                          ? &found->waiters
                              : queued_bytes(peer) > PEER_QUEUE_HIGH ? &peer->waiters
                                                                     : NULL;
    bool waits = waiters != NULL && atomic_load(&peer->serial) != 0;
    if (waits) map_pid_put(&waiters->ports, port, &present);
    pthread_mutex_unlock(&peer->mutex);
    (void)refused; /* a refusal has freed itself meanwhile if none of the two presses now */
    return !waits;
}

/* ---- dead letters of the link ---------------------------------------------------------------- */

/* The message that a parcel was made of, for its dead letter. */
static tr_message *parcel_message(struct peer *peer, const struct parcel *parcel) {
    struct envelope envelope;
    parcel_read(parcel, &envelope);
    const record_type *type = envelope.record == 0
                                  ? NULL
                                  : record_table_at(peer->node->runtime->records, envelope.record);
    size_t bytes = 0;
    if (type != NULL && record_decode_measure(type, envelope.body, envelope.body_bytes, NULL,
                                              &bytes, NULL) != TR_OK)
        type = NULL; /* cannot be: this node encoded it */
    tr_message *item = message_new(type == NULL ? 0 : bytes);
    if (type != NULL)
        record_decode(type, envelope.body, envelope.body_bytes, NULL, item->body, bytes, NULL);
    item->type = type;
    item->to = envelope.to;
    item->from = envelope.from;
    item->serial = envelope.message_id;
    item->reference = envelope.reference;
    item->colour = envelope.colour;
    item->trace = envelope.trace;
    item->kind = (uint8_t)(envelope.flags >> 8);
    item->flags = (uint8_t)envelope.flags;
    return item;
}

/* Turns a chain of parcels, oldest first, into dead letters. */
static void drop_parcels(struct peer *peer, struct parcel *parcel) {
    while (parcel != NULL) {
        struct parcel *next = parcel->next;
        if (parcel->kind == ENVELOPE_MESSAGE || parcel->kind == ENVELOPE_CONTROL) {
            tr_message *item = parcel_message(peer, parcel);
            deadletter_drop(&peer->node->producer, NULL, &item, DEADLETTER_SESSION);
        }
        parcel_free(parcel);
        parcel = next;
    }
}

/* ---- towards the link ------------------------------------------------------------------------ */

static void send_parcel(struct peer *peer, struct parcel *parcel, uint64_t now_ns) {
    if (link_send(peer->link, &parcel, now_ns) == TR_OK) return;
    parcel->next = NULL;
    drop_parcels(peer, parcel);
}

/* Says what a record id means, before its first use in this session. */
static void announce(struct peer *peer, uint32_t id, uint64_t now_ns) {
    if (id >= peer->announced_bits) {
        uint32_t bits = (id / 512 + 1) * 512;
        peer->announced = mem_realloc(peer->announced, bits / 8);
        memset(peer->announced + peer->announced_bits / 8, 0, (bits - peer->announced_bits) / 8);
        peer->announced_bits = bits;
    }
    if ((peer->announced[id / 8] & (1u << (id % 8))) != 0) return;
    peer->announced[id / 8] |= (uint8_t)(1u << (id % 8));
    const record_type *type = record_table_at(peer->node->runtime->records, id);
    struct envelope envelope = {.kind = ENVELOPE_RECORD,
                                .record = id,
                                .body = type->descriptor,
                                .body_bytes = type->descriptor_bytes};
    send_parcel(peer, envelope_encode(&envelope), now_ns);
}

void peer_flush(struct peer *peer, uint64_t now_ns) {
    /* Acquire: pairs with push. */
    struct parcel *newest = atomic_exchange_explicit(&peer->outbox, NULL, memory_order_acquire);
    struct parcel *oldest = NULL;
    uint64_t bytes = 0;
    while (newest != NULL) {
        struct parcel *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        bytes += newest->bytes;
        newest = next;
    }
    uint32_t serial = atomic_load_explicit(&peer->serial, memory_order_relaxed);
    while (oldest != NULL) {
        struct parcel *parcel = oldest;
        oldest = parcel->next;
        parcel->next = NULL;
        if (parcel->tag != serial) { /* meant for a session that has ended */
            drop_parcels(peer, parcel);
            continue;
        }
        if (parcel->record != 0) announce(peer, parcel->record, now_ns);
        send_parcel(peer, parcel, now_ns);
    }
    if (peer->link != NULL && link_queue_bytes(peer->link) > PEER_QUEUE_DEAD)
        link_reject(peer->link, "it takes nothing of what it asked for", now_ns);
    /* The queue's bytes move on before they leave the outbox's count: senders never see too few. */
    atomic_store_explicit(&peer->link_bytes, peer->link == NULL ? 0 : link_queue_bytes(peer->link),
                          memory_order_relaxed);
    atomic_fetch_sub_explicit(&peer->outbox_bytes, bytes, memory_order_relaxed);
}

void peers_flush_dirty(tr_node *node, uint64_t now_ns) {
    struct peer *dirty = atomic_exchange_explicit(&node->dirty, NULL, memory_order_acquire);
    while (dirty != NULL) {
        struct peer *peer = dirty;
        dirty = peer->dirty_next;
        atomic_store(&peer->is_dirty, false); /* before the flush: a later push marks it anew */
        peer_flush(peer, now_ns);
    }
}

void peer_send_control(struct peer *peer, enum envelope_kind kind, const uint8_t *bytes,
                       size_t size, uint64_t now_ns) {
    if (peer->link == NULL) return;
    peer_flush(peer, now_ns);
    struct envelope envelope = {.kind = kind, .body = bytes, .body_bytes = (uint32_t)size};
    struct parcel *parcel = envelope_encode(&envelope);
    if (link_send(peer->link, &parcel, now_ns) != TR_OK) parcel_free(parcel);
}

/* Frees those who wait for room in the send queue once there is some. */
static void free_queue_waiters(struct peer *peer) {
    if (queued_bytes(peer) >= PEER_QUEUE_LOW) return;
    pthread_mutex_lock(&peer->mutex);
    struct waiters freed = peer->waiters;
    peer->waiters = (struct waiters){0};
    pthread_mutex_unlock(&peer->mutex);
    pressure_free_waiters(peer->node->runtime, &freed);
}

static void pump(struct peer *peer, uint64_t now_ns) {
    struct buffer frame;
    buffer_init(&frame);
    while (link_next_frame(peer->link, &frame, now_ns)) {
        /* A frame that finds no connection is lost like any other: the link sends it again. */
        if (driver_send_buffer(&peer->node->driver, peer->origin, &frame) != TR_OK)
            buffer_clear(&frame);
    }
    buffer_fini(&frame);
    atomic_store_explicit(&peer->link_bytes, link_queue_bytes(peer->link), memory_order_relaxed);
    free_queue_waiters(peer);
}

static bool is_outside(struct peer *peer);
static void release_held(struct peer *peer, bool dead);

uint64_t peers_pump(tr_node *node, uint64_t now_ns) {
    uint64_t deadline = UINT64_MAX;
    for (size_t i = 0; i < node->peer_count; i++) {
        struct peer *peer = node->peer_list[i];
        if (peer->link == NULL) continue;
        if (link_deadline(peer->link) <= now_ns) link_tick(peer->link, now_ns);
        pump(peer, now_ns);
        if (peer->held.first != NULL && !is_outside(peer)) release_held(peer, false);
        if (peer->left) { /* what still waits for it becomes dead letters now, not behind some later
                             cut */
            peer->left = false;
            link_close(peer->link, LINK_END_DOWN, "it has left the cluster", now_ns);
            pump(peer, now_ns);
        }
        uint64_t next = link_deadline(peer->link);
        if (next < deadline) deadline = next;
    }
    return deadline;
}

/* ---- from the link --------------------------------------------------------------------------- */

static uint64_t now_of(const struct peer *peer) {
    return environment_now_ns(peer->node->world.environment);
}

static void bad_peer(struct peer *peer, const char *what) {
    node_log(peer->node, TR_ERROR, "link", "%s sent nonsense: %s; its session is closed",
             peer->name, what);
    link_reject(peer->link, what, now_of(peer));
}

static void learn_record(struct peer *peer, const struct envelope *envelope) {
    const record_type *type;
    tr_error error;
    if (envelope->record == 0 || envelope->record > PEER_RECORDS_MAX) {
        bad_peer(peer, "a record id beyond the limit");
        return;
    }
    if (record_table_from_wire(peer->node->runtime->records, envelope->body, envelope->body_bytes,
                               &type, &error) != TR_OK) {
        bad_peer(peer, error.message);
        return;
    }
    map_u64_put(&peer->types, envelope->record, (void *)(uintptr_t)type);
}

/* Decodes the body into a message, or returns NULL with what is wrong in `error`. */
static tr_message *decode(struct peer *peer, const struct envelope *envelope, tr_error *error) {
    const record_type *type = NULL;
    size_t bytes = 0;
    if (envelope->record != 0) {
        type = map_u64_find(&peer->types, envelope->record);
        if (type == NULL) {
            snprintf(error->message, sizeof error->message, "record %u was never announced",
                     envelope->record);
            return NULL;
        }
        if (record_decode_measure(type, envelope->body, envelope->body_bytes, NULL, &bytes,
                                  error) != TR_OK)
            return NULL;
    }
    tr_message *item = message_new(bytes);
    if (type != NULL && record_decode(type, envelope->body, envelope->body_bytes, NULL, item->body,
                                      bytes, error) != TR_OK) {
        message_free(item);
        return NULL;
    }
    item->type = type;
    return item;
}

/* Kinds and flags that a peer may send. */
static bool acceptable(const struct envelope *envelope) {
    uint32_t kind = envelope->flags >> 8, flags = envelope->flags & 0xff;
    if (kind == MESSAGE_STOP) return envelope->record == 0 && flags == MESSAGE_EXEMPT;
    if (kind != MESSAGE_USER || envelope->record == 0) return false;
    if (envelope->reference != 0 && (flags & MESSAGE_REPLY) == 0) return false;
    return (flags & ~(uint32_t)(MESSAGE_ASK | MESSAGE_REPLY | MESSAGE_EXEMPT)) == 0;
}

/* A node that comes up, or back, while a snapshot is under way here is outside of it: what it sends
 * must not be received inside (I6). */
static bool is_outside(struct peer *peer) {
    tr_node *node = peer->node;
    if (!snapshot_admission_frozen(node->snapshot)) return false;
    const struct member *member = members_find_by_name(node->members, peer->name);
    return member == NULL || member->incarnation != peer->incarnation || !member_is_up(member);
}

static enum link_filing hold(struct peer *peer, tr_message *item, uint32_t wire_bytes) {
    message_list_push(&peer->held, item);
    peer->held_count++;
    peer->held_bytes += wire_bytes;
    return LINK_HELD;
}

/* Files what was held, in its order, or (`dead`) makes dead letters of it. */
static void release_held(struct peer *peer, bool dead) {
    tr_node *node = peer->node;
    for (tr_message *item; (item = message_list_pop(&peer->held)) != NULL;) {
        if (dead)
            deadletter_drop(&node->producer, NULL, &item, DEADLETTER_SESSION);
        else
            post_arrived(&node->producer, &item);
    }
    if (!dead)
        link_filed(peer->link, link_session(peer->link), peer->held_count, peer->held_bytes,
                   now_of(peer));
    peer->held_count = 0;
    peer->held_bytes = 0;
}

static enum link_filing file_message(struct peer *peer, const struct envelope *envelope) {
    tr_node *node = peer->node;
    struct runtime *runtime = node->runtime;
    if (envelope->colour > runtime_epoch(runtime) && envelope->colour <= SNAPSHOT_EPOCH_MAX)
        snapshot_epoch_seen(node->snapshot, now_of(peer), envelope->colour);
    if (envelope->colour > runtime_epoch(runtime)) {
        bad_peer(peer, "a message of a snapshot that was never started here");
        return LINK_FILED;
    }
    const struct member *sender = members_find_by_space(node->members, envelope->from.space);
    bool spoofed = sender != NULL && strcmp(sender->name, peer->name) != 0;
    if (!acceptable(envelope) || spoofed) {
        bad_peer(peer, "a message of a kind or from an address that is not its own to use");
        return LINK_FILED;
    }
    tr_error error = {0};
    tr_message *item = decode(peer, envelope, &error);
    if (item == NULL) {
        bad_peer(peer, error.message);
        return LINK_FILED;
    }
    item->to = envelope->to;
    item->from = envelope->from;
    item->serial = envelope->message_id;
    item->reference = envelope->reference;
    item->colour = envelope->colour;
    item->trace = envelope->trace;
    item->kind = (uint8_t)(envelope->flags >> 8);
    item->flags = (uint8_t)envelope->flags;
    item->origin = (uint16_t)peer->origin;
    item->origin_session = peer->last_serial;
    if (peer->held.first != NULL || is_outside(peer))
        return hold(peer, item, (uint32_t)envelope->wire_bytes);
    post_arrived(&node->producer, &item);
    return LINK_FILED;
}

static enum link_filing on_deliver(void *user, struct link *link, const struct envelope *envelope) {
    (void)link;
    struct peer *peer = user;
    tr_node *node = peer->node;
    tr_error error;
    switch (envelope->kind) {
        case ENVELOPE_RECORD:
            learn_record(peer, envelope);
            break;
        case ENVELOPE_MESSAGE:
        case ENVELOPE_CONTROL:
            return file_message(peer, envelope);
        case ENVELOPE_MEMBER:
            if (members_receive(node->members, peer->name, envelope->body, envelope->body_bytes,
                                now_of(peer), &error) != TR_OK)
                bad_peer(peer, error.message);
            break;
        case ENVELOPE_SNAPSHOT:
            if (snapshot_receive(node->snapshot, now_of(peer), peer->name, envelope->body,
                                 envelope->body_bytes, &error) != TR_OK)
                bad_peer(peer, error.message);
            break;
    }
    return LINK_FILED;
}

/* The first HELLO tells whom a seed's endpoint belongs to. A peer of that name without a link
 * (members have spoken of it) is replaced: two links to one node would end each other's sessions.
 */
static void learn_name(struct peer *peer, const char *name) {
    if (peer->name[0] != '\0') return;
    snprintf(peer->name, sizeof peer->name, "%s", name);
    if (map_text_put(&peer->node->peers, name, peer) != NULL) cluster_publish(peer->node);
}

static void clear_refusal(tr_node *node) {
    pthread_mutex_lock(&node->mutex);
    node->refusal.status = TR_OK;
    pthread_mutex_unlock(&node->mutex);
}

void peer_admit(struct peer *peer) {
    const struct member *member = members_find_by_name(peer->node->members, peer->name);
    /* A new life's session may be up before its admission has reached this node: what actors send
     * then is meant for the old life's pids and must not travel. */
    bool known =
        member != NULL && peer->incarnation != 0 && member->incarnation == peer->incarnation;
    /* Release: pairs with peer_post. */
    atomic_store_explicit(&peer->serial, known ? peer->last_serial : 0, memory_order_release);
}

static void on_session_up(void *user, struct link *link, const struct identity *identity,
                          uint64_t session, bool resumed) {
    (void)link;
    struct peer *peer = user;
    tr_node *node = peer->node;
    if (resumed) return;
    learn_name(peer, identity->name);
    peer->session = cluster_session(peer, identity, session);
    map_u64_fini(&peer->types);
    if (peer->announced != NULL) memset(peer->announced, 0, peer->announced_bits / 8);
    if (++peer->last_serial == 0) peer->last_serial = 1;
    peer->incarnation = identity->incarnation;
    uint32_t own_max = node->message_bytes_max;
    atomic_store(&peer->bytes_max,
                 identity->message_bytes_max < own_max ? identity->message_bytes_max : own_max);
    peer_admit(peer);
    clear_refusal(node);
    uint64_t now_ns = now_of(peer);
    node_log(node, TR_INFO, "link", "session with %s is up", peer->name);
    snapshot_session_up(node->snapshot, now_ns, peer->name, peer->epoch);
    struct members_peer member = {.name = peer->name,
                                  .incarnation = identity->incarnation,
                                  .session = peer->session,
                                  .endpoint = identity->endpoint,
                                  .control = identity->control_endpoint,
                                  .public_key = identity->key};
    members_session_up(node->members, &member, now_ns);
    node->members_due_ns = 0;
}

/* Nobody presses any more: everybody muted is freed. */
static void end_pressure(struct peer *peer) {
    pthread_mutex_lock(&peer->mutex);
    map_pid pressures = peer->pressures;
    peer->pressures = (map_pid){0};
    struct waiters queue = peer->waiters;
    peer->waiters = (struct waiters){0};
    atomic_store(&peer->pressure_count, 0);
    pthread_mutex_unlock(&peer->mutex);
    pressure_free_waiters(peer->node->runtime, &queue);
    size_t cursor = 0;
    for (struct remote_pressure *each; (each = map_pid_next(&pressures, &cursor, NULL)) != NULL;) {
        pressure_free_waiters(peer->node->runtime, &each->waiters);
        mem_free(each);
    }
    map_pid_fini(&pressures);
}

static void on_session_down(void *user, struct link *link, const struct link_down *down) {
    (void)link;
    struct peer *peer = user;
    tr_node *node = peer->node;
    uint64_t now_ns = now_of(peer);
    node_log(node, TR_WARN, "link",
             "session with %s is over: %s; %" PRIu64 " messages undelivered or unknown", peer->name,
             down->text, down->count);
    peer->incarnation = 0;
    peer_admit(peer);
    end_pressure(peer);
    snapshot_session_ended(node->snapshot, now_ns, peer->name, down->text);
    members_session_down(node->members, peer->name, peer->session, down->text, now_ns);
    node->members_due_ns = 0;
    drop_parcels(peer, down->parcels);
    release_held(peer, true);
}

static void on_peer_pressure(void *user, struct link *link, tr_pid pid, enum frame_pressure level,
                             uint64_t version) {
    (void)link, (void)version;
    struct peer *peer = user;
    const struct member *member = members_find_by_space(peer->node->members, pid.space);
    bool own = member == NULL ||
               strcmp(member->name, peer->name) == 0; /* unknown yet: its admission is on the way */
    if (!own || map_pid_count(&peer->pressures) >= PEER_PRESSURES_MAX) {
        bad_peer(peer, "pressure for actors that are not its own, or for too many");
        return;
    }
    struct remote_pressure *made = NULL;
    if (level != PRESSURE_FREE) {
        made = mem_zalloc(1, sizeof *made);
        made->level = level;
    }
    pthread_mutex_lock(&peer->mutex);
    /* A newer notice ends the older one, also when both say mute: the release between them was left
     * out on the way. */
    struct remote_pressure *ended = map_pid_remove(&peer->pressures, pid);
    if (made != NULL) map_pid_put(&peer->pressures, pid, made);
    /* Release: a sender that sees the count sees the notice. */
    atomic_store_explicit(&peer->pressure_count, (uint32_t)map_pid_count(&peer->pressures),
                          memory_order_release);
    pthread_mutex_unlock(&peer->mutex);
    if (ended == NULL) return;
    pressure_free_waiters(peer->node->runtime, &ended->waiters);
    mem_free(ended);
}

static void on_peer_epoch(void *user, struct link *link, uint64_t epoch) {
    (void)link;
    struct peer *peer = user;
    peer->epoch = epoch <= SNAPSHOT_EPOCH_MAX
                      ? epoch
                      : 0; /* beyond: nonsense, which no snapshot could ever pass */
}

static void on_writable(void *user, struct link *link) {
    (void)link;
    free_queue_waiters(user);
}

static void on_refused(void *user, struct link *link, enum link_refusal reason, const char *text) {
    (void)link;
    struct peer *peer = user;
    tr_node *node = peer->node;
    node_log(node, TR_ERROR, "link", "%s", text);
    if (reason != LINK_REFUSED_BY_PEER)
        return; /* this node refuses a stranger: its own joining goes on */
    pthread_mutex_lock(&node->mutex);
    node->refusal.status = TR_EREFUSED;
    snprintf(node->refusal.message, sizeof node->refusal.message, "%s", text);
    pthread_cond_broadcast(&node->changed);
    pthread_mutex_unlock(&node->mutex);
}

static void connect_driver(struct peer *peer) {
    tr_node *node = peer->node;
    public_keys keys;
    tr_error error = {0};
    const uint8_t *key = NULL;
    if (node->security == TR_SECURITY_CURVE) {
        tr_status status =
            peer->name[0] == '\0'
                ? error_set(&error, TR_EREFUSED, "write it as NAME@ENDPOINT",
                            "the seed %s has no name, so its key is not known", peer->endpoint)
                : keys_load_public(node->keys_dir, peer->name, &keys, &error);
        if (status != TR_OK) {
            node_log(node, TR_ERROR, "link", "cannot connect to %s: %s", peer->endpoint,
                     error.message);
            return;
        }
        key = keys.curve;
    }
    if (driver_connect(&node->driver, peer->origin, peer->endpoint, key, &error) != TR_OK)
        node_log(node, TR_ERROR, "link", "cannot connect to %s: %s", peer->endpoint, error.message);
}

static void on_reconnect(void *user, struct link *link, const char *reason) {
    (void)link;
    struct peer *peer = user;
    bool joining = peer->node->stage == NODE_JOINING;
    node_log(peer->node, joining ? TR_WARN : TR_DEBUG, "link",
             "%s at %s: %s; the connection is made anew%s", peer->name, peer->endpoint, reason,
             joining ? " (does it run, does it have this node's .pub among its keys, is its own "
                       ".pub here the right one?)"
                     : "");
    connect_driver(peer);
}

static const struct link_ops link_callbacks = {
    .deliver = on_deliver,
    .session_up = on_session_up,
    .session_down = on_session_down,
    .peer_pressure = on_peer_pressure,
    .peer_epoch = on_peer_epoch,
    .writable = on_writable,
    .refused = on_refused,
    .reconnect = on_reconnect,
};

static void make_link(struct peer *peer, uint64_t now_ns) {
    tr_node *node = peer->node;
    uint64_t token = random_u64(&node->producer.random) | 1;
    struct link_options options = {.peer = peer->name[0] == '\0' ? NULL : peer->name,
                                   .token = token,
                                   .epoch = snapshot_epoch(node->snapshot),
                                   .ops = &link_callbacks,
                                   .user = peer};
    struct identity *self = &options.self;
    snprintf(self->name, sizeof self->name, "%s", node->name);
    snprintf(self->cluster, sizeof self->cluster, "%s", node->cluster);
    snprintf(self->endpoint, sizeof self->endpoint, "%s", node->advertise);
    snprintf(self->control_endpoint, sizeof self->control_endpoint, "%s", node->advertise_control);
    if (node->security == TR_SECURITY_CURVE)
        memcpy(self->key, node->keys.curve_public, sizeof self->key);
    self->incarnation = node->incarnation;
    self->message_bytes_max = node->message_bytes_max;
    peer->link = link_new(&options, now_ns);
}

static void ensure_link(struct peer *peer, const char *endpoint, uint64_t now_ns) {
    bool moved = strcmp(peer->endpoint, endpoint) != 0;
    snprintf(peer->endpoint, sizeof peer->endpoint, "%s", endpoint);
    if (moved || peer->link == NULL) connect_driver(peer);
    if (peer->link == NULL)
        make_link(peer, now_ns);
    else
        link_open(peer->link, now_ns);
}

static struct peer *peer_at(tr_node *node, const char *endpoint) {
    for (size_t i = 0; i < node->peer_count; i++) /* seeds: a handful, at the start */
        if (strcmp(node->peer_list[i]->endpoint, endpoint) == 0) return node->peer_list[i];
    return NULL;
}

void peer_dial(tr_node *node, const char *endpoint, const char *name) {
    struct peer *peer = name[0] == '\0' ? NULL : peer_obtain(node, name);
    if (peer == NULL ||
        peer->link == NULL) { /* a seed that is dialled at that endpoint already is that try */
        struct peer *dialled = peer_at(node, endpoint);
        if (dialled != NULL) peer = dialled;
    }
    if (peer == NULL) peer = peer_new(node, "");
    ensure_link(peer, endpoint, environment_now_ns(node->world.environment));
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* The peer that a HELLO from an unknown name answers (a seed dialled by endpoint), or a new one
 * that is dialled back. */
static struct peer *meet(tr_node *node, const char *name, const uint8_t *bytes, size_t size,
                         uint64_t now_ns) {
    struct frame_header header;
    struct hello hello;
    if (frame_decode(bytes, size, &header) != TR_OK || header.type != FRAME_HELLO ||
        hello_decode(header.body, header.body_bytes, &hello) != TR_OK)
        return NULL;
    if (strcmp(hello.identity.cluster, node->cluster) != 0 || hello.identity.generation != 0) {
        node->frames_bad++;
        if (node->frames_bad % 1000 == 1)
            node_log(node, TR_WARN, "link", "%s of cluster %s knocks; this node is of cluster %s",
                     name, hello.identity.cluster, node->cluster);
        return NULL;
    }
    if (node->peer_count >= PEER_STRANGERS_MAX + members_count(node->members)) {
        node->frames_bad++;
        return NULL; /* who is not yet a member takes one of a bounded number of places */
    }
    for (size_t i = 0; i < node->peer_count; i++) {
        struct peer *peer = node->peer_list[i];
        if (peer->name[0] != '\0' || peer->link == NULL) continue;
        if (strcmp(peer->endpoint, hello.identity.endpoint) != 0 &&
            link_token(peer->link) != hello.answer)
            continue;
        learn_name(peer, name);
        return peer;
    }
    struct peer *peer = peer_obtain(node, name);
    ensure_link(peer, hello.identity.endpoint, now_ns);
    return peer;
}

/* A known peer that has come back at another endpoint. */
static void follow(struct peer *peer, const uint8_t *bytes, size_t size, uint64_t now_ns) {
    struct frame_header header;
    struct hello hello;
    if (frame_decode(bytes, size, &header) != TR_OK || header.type != FRAME_HELLO ||
        hello_decode(header.body, header.body_bytes, &hello) != TR_OK)
        return;
    const struct identity *known = peer->link == NULL ? NULL : link_peer(peer->link);
    bool older = known != NULL &&
                 header.source_incarnation < known->incarnation; /* a twin left over from before */
    if (older || strcmp(hello.identity.cluster, peer->node->cluster) != 0) return;
    if (peer->link == NULL || strcmp(peer->endpoint, hello.identity.endpoint) != 0)
        ensure_link(peer, hello.identity.endpoint, now_ns);
}

void peer_frame(tr_node *node, const char *user, const uint8_t *bytes, size_t size) {
    uint64_t now_ns = environment_now_ns(node->world.environment);
    struct frame_peek peek;
    char name[64];
    if (frame_peek(bytes, size, &peek) != TR_OK || peek.source_bytes >= sizeof name) {
        node->frames_bad++;
        return;
    }
    memcpy(name, peek.source, peek.source_bytes);
    name[peek.source_bytes] = '\0';
    bool impostor = node->security == TR_SECURITY_CURVE && strcmp(user, name) != 0;
    if (impostor || !member_name_valid(name) || strcmp(name, node->name) == 0) {
        node->frames_bad++;
        node_log(node, TR_DEBUG, "link", "a frame of %s under the key of %s is dropped", name,
                 user);
        return;
    }
    struct peer *peer = peer_find(node, name);
    if (peer == NULL || peer->link == NULL)
        peer = meet(node, name, bytes, size, now_ns);
    else if (peek.type == FRAME_HELLO)
        follow(peer, bytes, size, now_ns);
    if (peer == NULL || peer->link == NULL) return;
    link_frame(peer->link, bytes, size, now_ns);
    members_heard(node->members, name, now_ns);
}
