/*
 * peer_link.c - what a peer's link brings: messages, sessions that begin and end, pressure,
 * refusals.
 */
#include <stdio.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/deadletter.h"
#include "node/lease.h"
#include "node/node.h"
#include "node/peer_state.h"
#include "node/record_codec.h"

static uint64_t now_of(const struct peer *peer) {
    return environment_now_ns(peer->node->world.environment);
}

static void bad_peer(struct peer *peer, const char *what) {
    peer_file(peer); /* what came before was good */
    node_log(peer->node, TR_ERROR, "link", "%s sent nonsense: %s; its session is closed",
             peer->name, what);
    link_reject(peer->link, what, now_of(peer));
}

static void put_type(struct peer *peer, uint32_t id, const record_type *type) {
    if (id >= peer->type_room) {
        uint32_t room = peer->type_room * 2 > id ? peer->type_room * 2 : id + 64;
        peer->types = mem_realloc_array(peer->types, room, sizeof *peer->types);
        memset(peer->types + peer->type_room, 0, (room - peer->type_room) * sizeof *peer->types);
        peer->type_room = room;
    }
    peer->types[id] = type;
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
    put_type(peer, envelope->record, type);
}

/* A message with all but its body. */
static tr_message *headed(const struct peer *peer, const struct envelope *envelope,
                          const record_type *type, size_t body_bytes) {
    tr_message *made = message_new(body_bytes);
    made->type = type;
    made->from = envelope->from;
    made->to = envelope->to;
    made->serial = envelope->message_id;
    made->reference = envelope->reference;
    made->colour = envelope->colour;
    made->trace = envelope->trace;
    made->origin_session = peer->last_serial;
    made->origin = (uint16_t)peer->origin;
    made->kind = (uint8_t)(envelope->flags >> 8);
    made->flags = (uint8_t)envelope->flags;
    return made;
}

/* Decodes the body into a message, or returns NULL with what is wrong in `error`. */
static tr_message *decode(struct peer *peer, const struct envelope *envelope, tr_error *error) {
    uint32_t id = envelope->record;
    if (id == 0) return headed(peer, envelope, NULL, 0);
    const record_type *type = id < peer->type_room ? peer->types[id] : NULL;
    if (type == NULL) {
        snprintf(error->message, sizeof error->message, "record %u was never announced", id);
        return NULL;
    }
    record_limits limits = record_limits_for(peer->node->message_bytes_max);
    size_t bytes = type->bytes; /* all there is of a flat one, but for one that is too large */
    if ((!type->flat || bytes > limits.block_bytes_max) &&
        record_decode_measure(type, envelope->body, envelope->body_bytes, &limits, &bytes, error) !=
            TR_OK)
        return NULL;
    tr_message *item = headed(peer, envelope, type, bytes);
    if (record_decode(type, envelope->body, envelope->body_bytes, &limits, item->body, bytes,
                      error) == TR_OK)
        return item;
    message_free(item);
    return NULL;
}

/* The sender's space is the peer's, or of a node not known yet. A space never changes its node, so
 * the last one is remembered. */
static bool is_own_space(struct peer *peer, uint64_t space) {
    if (space == peer->own_space) return true;
    const struct member *member = members_find_by_space(peer->node->members, space);
    if (member == NULL) return true;
    if (strcmp(member->name, peer->name) != 0) return false;
    peer->own_space = space;
    return true;
}

/* Kinds and flags that a peer may send. */
static bool acceptable(const struct envelope *envelope) {
    uint32_t kind = envelope->flags >> 8, flags = envelope->flags & 0xff;
    if (kind == MESSAGE_STOP) return envelope->record == 0 && flags == MESSAGE_EXEMPT;
    if (kind == MESSAGE_SPAWN) return (flags & ~(uint32_t)MESSAGE_ASK) == 0;
    if (kind != MESSAGE_USER || envelope->record == 0) return false;
    if (envelope->reference != 0 && (flags & MESSAGE_REPLY) == 0) return false;
    return (flags & ~(uint32_t)(MESSAGE_ASK | MESSAGE_REPLY | MESSAGE_EXEMPT)) == 0;
}

/* The life at the other end of the session is a member that is up. Asked for each message while a
 * snapshot is under way, so the answer is kept until the member table or the session changes. */
static bool is_member(struct peer *peer) {
    const struct members *members = peer->node->members;
    uint64_t version = members_version(members);
    if (peer->judged.version == version && peer->judged.incarnation == peer->incarnation)
        return peer->judged.is_member;
    const struct member *member = members_find_by_name(members, peer->name);
    bool up = member != NULL && member->incarnation == peer->incarnation && member_is_up(member);
    peer->judged = (struct peer_judgement){version, peer->incarnation, up};
    return up;
}

/* A node that comes up, or back, while a snapshot is under way here is outside of it: what it sends
 * must not be received inside (I6). */
bool peer_is_outside(struct peer *peer) {
    return snapshot_admission_frozen(peer->node->snapshot) && !is_member(peer);
}

void peer_file(struct peer *peer) {
    arrivals_file(&peer->arrivals, &peer->node->producer);
}

static enum link_filing hold(struct peer *peer, tr_message *item, uint32_t wire_bytes) {
    message_list_push(&peer->held, item);
    peer->held_count++;
    peer->held_bytes += wire_bytes;
    return LINK_HELD;
}

/* Files what was held, in its order, or (`dead`) makes dead letters of it. */
void peer_release_held(struct peer *peer, bool dead) {
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
    if (envelope->colour > runtime_epoch(runtime) && envelope->colour <= SNAPSHOT_EPOCH_MAX) {
        peer_file(peer);
        snapshot_epoch_seen(node->snapshot, now_of(peer), envelope->colour);
    }
    if (envelope->colour > runtime_epoch(runtime)) {
        bad_peer(peer, "a message of a snapshot that was never started here");
        return LINK_FILED;
    }
    if (!acceptable(envelope) || !is_own_space(peer, envelope->from.space)) {
        bad_peer(peer, "a message of a kind or from an address that is not its own to use");
        return LINK_FILED;
    }
    tr_error error; /* large: written only when there is one */
    bool spawns = envelope->flags >> 8 == MESSAGE_SPAWN;
    bool known =
        !spawns || lease_spent(peer, envelope->to, envelope->reference, now_of(peer), &error);
    tr_message *item = known ? decode(peer, envelope, &error) : NULL;
    if (item == NULL) {
        bad_peer(peer, error.message);
        return LINK_FILED;
    }
    if (peer->held.first != NULL || peer_is_outside(peer))
        return hold(peer, item, (uint32_t)envelope->wire_bytes);
    arrivals_add(&peer->arrivals, &node->producer, item);
    return LINK_FILED;
}

static enum link_filing on_deliver(void *user, struct link *link, const struct envelope *envelope) {
    (void)link;
    struct peer *peer = user;
    tr_node *node = peer->node;
    tr_error error;
    bool actors = envelope->kind == ENVELOPE_MESSAGE || envelope->kind == ENVELOPE_CONTROL;
    if (!actors) peer_file(peer); /* a marker follows all that came before it (I8) */
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
        case ENVELOPE_LEASE:
            if (lease_receive(peer, envelope->body, envelope->body_bytes, now_of(peer), &error) !=
                TR_OK)
                bad_peer(peer, error.message);
            break;
    }
    return LINK_FILED;
}

/* The first HELLO tells whom a seed's endpoint belongs to. A peer of that name without a link
 * (members have spoken of it) is replaced: two links to one node would end each other's sessions.
 */
void peer_learn_name(struct peer *peer, const char *name) {
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
    uint32_t serial = known ? peer->last_serial : 0;
    atomic_store_explicit(&peer->serial, serial, memory_order_release);
    const struct identity *identity = peer->link == NULL ? NULL : link_peer(peer->link);
    outbox_admit(&peer->outbox, serial, identity == NULL ? 0 : identity->window_bytes,
                 identity == NULL ? 0 : identity->window_messages);
}

static void on_session_up(void *user, struct link *link, const struct identity *identity,
                          uint64_t session, bool resumed) {
    (void)link;
    struct peer *peer = user;
    tr_node *node = peer->node;
    if (resumed) return;
    peer_learn_name(peer, identity->name);
    peer->session = cluster_session(peer, identity, session);
    if (peer->types != NULL) memset(peer->types, 0, peer->type_room * sizeof *peer->types);
    if (++peer->last_serial == 0) peer->last_serial = 1;
    peer->incarnation = identity->incarnation;
    lease_session_up(peer, identity->leases != 0);
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
    peer_file(peer);
    node_log(node, TR_WARN, "link",
             "session with %s is over: %s; %" PRIu64 " messages undelivered or unknown", peer->name,
             down->text, down->count);
    peer->incarnation = 0;
    peer_admit(peer);
    end_pressure(peer);
    snapshot_session_ended(node->snapshot, now_ns, peer->name, down->text);
    members_session_down(node->members, peer->name, peer->session, down->text, now_ns);
    node->members_due_ns = 0;
    peer_drop_parcels(peer, down->parcels, down->known_count);
    peer_release_held(peer, true);
    lease_session_down(peer);
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
    peer_free_queue_waiters(user);
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

static void on_reconnect(void *user, struct link *link, const char *reason) {
    (void)link;
    struct peer *peer = user;
    bool joining = peer->node->stage == NODE_JOINING;
    node_log(peer->node, joining ? TR_WARN : TR_DEBUG, "link",
             "%s at %s: %s; the connection is made anew%s", peer->name, peer->endpoint, reason,
             joining ? " (does it run, does it have this node's .pub among its keys, is its own "
                       ".pub here the right one?)"
                     : "");
    peer_connect(peer);
}

const struct link_ops peer_link_ops = {
    .deliver = on_deliver,
    .session_up = on_session_up,
    .session_down = on_session_down,
    .peer_pressure = on_peer_pressure,
    .peer_epoch = on_peer_epoch,
    .writable = on_writable,
    .refused = on_refused,
    .reconnect = on_reconnect,
};
