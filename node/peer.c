#include "node/peer.h"

#include <stdio.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/deadletter.h"
#include "node/lease.h"
#include "node/node.h"
#include "node/peer_state.h"
#include "node/record_codec.h"
#include "node/worker.h"

/* ---- the table ------------------------------------------------------------------------------- */

struct peer *peer_find(tr_node *node, const char *name) {
    return map_text_find(&node->peers, name);
}

struct peer *peer_at(const tr_node *node, size_t index) {
    /* Acquire: the chunk was made whole. Its places are filled before anybody hears of the origin.
     */
    struct peer **chunk =
        atomic_load_explicit(&node->peer_chunks[index / TALLY_CHUNK], memory_order_acquire);
    return chunk[index % TALLY_CHUNK];
}

/* Gives the peer its origin. */
static void list_peer(tr_node *node, struct peer *made) {
    size_t index = node->peer_count;
    /* Links admit no more: the registry bounds names and lives. */
    check(index + 1 < TALLY_CHUNK * TALLY_CHUNKS);
    if (index % TALLY_CHUNK == 0)
        atomic_store_explicit(&node->peer_chunks[index / TALLY_CHUNK],
                              mem_zalloc(TALLY_CHUNK, sizeof(struct peer *)), memory_order_release);
    atomic_load_explicit(&node->peer_chunks[index / TALLY_CHUNK],
                         memory_order_relaxed)[index % TALLY_CHUNK] = made;
    made->origin = (uint32_t)++node->peer_count;
}

struct peer *peer_make(tr_node *node, const char *name) {
    struct peer *made = mem_zalloc(1, sizeof *made);
    snprintf(made->name, sizeof made->name, "%s", name);
    made->node = node;
    pthread_mutex_init(&made->mutex, NULL);
    made->lease = lease_new(made);
    outbox_init(&made->outbox);
    list_peer(node, made);
    if (name[0] != '\0') map_text_put(&node->peers, name, made);
    return made;
}

struct peer *peer_obtain(tr_node *node, const char *name) {
    struct peer *found = peer_find(node, name);
    return found != NULL ? found : peer_make(node, name);
}

void peers_free(tr_node *node) {
    for (size_t i = 0; i < node->peer_count; i++) {
        struct peer *peer = peer_at(node, i);
        link_free(peer->link);
        for (tr_message *item; (item = message_list_pop(&peer->held)) != NULL;) message_free(item);
        outbox_fini(&peer->outbox);
        size_t cursor = 0;
        for (struct remote_pressure *each;
             (each = map_pid_next(&peer->pressures, &cursor, NULL)) != NULL;) {
            waiters_fini(&each->waiters);
            mem_free(each);
        }
        map_pid_fini(&peer->pressures);
        waiters_fini(&peer->waiters);
        lease_free(peer->lease);
        mem_free(peer->types);
        pthread_mutex_destroy(&peer->mutex);
        mem_free(peer);
    }
    map_text_fini(&node->peers);
    buffer_fini(&node->frame);
    for (size_t i = 0; i < node->peer_count; i += TALLY_CHUNK)
        mem_free(atomic_load(&node->peer_chunks[i / TALLY_CHUNK]));
}

/* ---- posting: any producer ------------------------------------------------------------------- */

static uint64_t queued_bytes(const struct peer *peer) {
    return outbox_bytes(&peer->outbox) +
           atomic_load_explicit(&peer->link_bytes, memory_order_relaxed);
}

/* The core has something to flush; `first`: in this outbox. A worker that will look around next
 * takes a turn itself, if the core is offered then; so those that send behind it must see to it
 * that somebody comes. */
static void mark_dirty(struct peer *peer, struct worker *worker, bool first) {
    tr_node *node = peer->node;
    if (worker != NULL)
        worker->owes_turn = true;
    else if (!first)
        core_recall(node);
    if (!first || atomic_exchange(&peer->is_dirty, true)) return;
    struct peer *next = atomic_load_explicit(&node->dirty, memory_order_relaxed);
    do peer->dirty_next = next;
    while (!atomic_compare_exchange_weak_explicit(&node->dirty, &next, peer, memory_order_release,
                                                  memory_order_relaxed));
    if (worker != NULL)
        driver_wake(&node->driver);
    else
        node_wake(node);
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

/* Mutes the sender for an overloaded actor of the peer and for a full send queue. Control waits for
 * no actor (I4), but who sends too much of it does for the queue: that drains whatever actors do.
 */
static void press(struct peer *peer, tr_actor *sender, tr_pid to, bool exempt) {
    bool pressed = !exempt && atomic_load_explicit(&peer->pressure_count, memory_order_acquire) > 0;
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

/* Appends; returns the serial of the session that takes it, 0 for none. A spawn goes only into the
 * session that its slot was leased in. */
static uint32_t append(struct peer *peer, const struct producer *producer,
                       const struct buffer *encoded, const tr_message *head) {
    struct envelope envelope = {
        .kind = message_is_exempt(head) ? ENVELOPE_CONTROL : ENVELOPE_MESSAGE,
        .flags = head->flags | (uint32_t)head->kind << 8,
        .to = head->to,
        .from = head->from,
        .record = head->type == NULL ? 0 : head->type->id,
        .colour = head->colour,
        .trace = head->trace,
        .message_id = head->serial,
        .reference = head->reference,
        .body = encoded->data,
        .body_bytes = (uint32_t)encoded->bytes,
    };
    bool first = false;
    uint32_t only = head->kind == MESSAGE_SPAWN ? head->origin_session : 0;
    uint32_t serial = outbox_append(&peer->outbox, &envelope, head->type, only, &first);
    if (serial != 0) mark_dirty(peer, producer->worker, first);
    return serial;
}

/* The same for a large body: one at a time looks whether there is room, lest all find the same. */
static tr_status append_large(struct peer *peer, const struct producer *producer,
                              const struct buffer *encoded, const tr_message *head,
                              uint32_t *serial_out) {
    pthread_mutex_lock(&peer->mutex);
    bool full = queued_bytes(peer) >= PEER_QUEUE_HARD;
    if (!full) *serial_out = append(peer, producer, encoded, head);
    pthread_mutex_unlock(&peer->mutex);
    return full ? TR_EFULL : TR_OK;
}

tr_status peer_post(struct peer *peer, struct producer *producer, tr_actor *sender,
                    const tr_message *head, const void *body) {
    /* Relaxed: a look before the work; the outbox decides under its lock. */
    if (atomic_load_explicit(&peer->serial, memory_order_relaxed) == 0) return TR_EUNREACHABLE;
    bool exempt = message_is_exempt(head);
    if (!exempt && (queued_bytes(peer) >= PEER_QUEUE_HARD ||
                    pressure_level(peer, head->to) == PRESSURE_REFUSE))
        return TR_EFULL;
    uint32_t bytes_max = atomic_load_explicit(&peer->bytes_max, memory_order_relaxed);
    if (head->body_bytes > record_limits_for(bytes_max).block_bytes_max ||
        (head->type != NULL && head->type->descriptor_bytes > bytes_max))
        return TR_ETOOBIG;
    struct buffer *scratch = &producer->scratch;
    buffer_clear(scratch);
    if (head->type != NULL) record_encode(head->type, body, scratch);
    if (scratch->bytes > bytes_max) return TR_ETOOBIG;
    uint32_t serial = 0;
    tr_status status = TR_OK;
    if (exempt || scratch->bytes <= PEER_BODY_LARGE)
        serial = append(peer, producer, scratch, head);
    else
        status = append_large(peer, producer, scratch, head, &serial);
    if (status != TR_OK) return status;
    if (serial == 0) return TR_EUNREACHABLE;
    /* Counted after the link may have it, but in the same turn, and the counts are compared only
     * when all turns are over (tally.h). */
    tally_count(&producer->tally, TALLY_SENT, peer->origin, serial, head->colour);
    press(peer, sender, head->to, exempt);
    return TR_OK;
}

bool peer_push_lease(struct peer *peer, const uint8_t *bytes, size_t size, uint32_t serial) {
    struct envelope envelope = {
        .kind = ENVELOPE_LEASE, .body = bytes, .body_bytes = (uint32_t)size};
    bool first = false;
    bool queued = outbox_append(&peer->outbox, &envelope, NULL, serial, &first) != 0;
    if (queued) mark_dirty(peer, NULL, first);
    return queued;
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

/* The message that an envelope was made of, for its dead letter. */
static tr_message *message_again(struct peer *peer, const struct envelope *envelope) {
    const record_type *type = envelope->record == 0
                                  ? NULL
                                  : record_table_at(peer->node->runtime->records, envelope->record);
    record_limits limits = record_limits_for(peer->node->message_bytes_max);
    size_t bytes = 0;
    if (type != NULL && record_decode_measure(type, envelope->body, envelope->body_bytes, &limits,
                                              &bytes, NULL) != TR_OK)
        type = NULL; /* cannot be: this node encoded it */
    tr_message *item = message_new(type == NULL ? 0 : bytes);
    if (type != NULL)
        record_decode(type, envelope->body, envelope->body_bytes, &limits, item->body, bytes, NULL);
    item->type = type;
    item->to = envelope->to;
    item->from = envelope->from;
    item->serial = envelope->message_id;
    item->reference = envelope->reference;
    item->colour = envelope->colour;
    item->trace = envelope->trace;
    item->kind = (uint8_t)(envelope->flags >> 8);
    item->flags = (uint8_t)envelope->flags;
    return item;
}

/* Turns what is in a parcel behind the first `known` into dead letters, and frees it. */
static void drop_parcel(struct peer *peer, struct parcel *parcel, uint64_t known) {
    struct parcel_reader reader;
    parcel_open(parcel, &reader);
    for (const struct envelope *each; (each = parcel_next(&reader)) != NULL;) {
        if (known > 0) {
            known--;
        } else if (each->kind == ENVELOPE_MESSAGE || each->kind == ENVELOPE_CONTROL) {
            tr_message *item = message_again(peer, each);
            deadletter_drop(&peer->node->producer, NULL, &item, DEADLETTER_SESSION);
        }
    }
    parcel_free(parcel);
}

void peer_drop_parcels(struct peer *peer, struct parcel *parcel, uint64_t known) {
    while (parcel != NULL) {
        struct parcel *next = parcel->next;
        drop_parcel(peer, parcel, known);
        known = 0;
        parcel = next;
    }
}

/* ---- towards the link ------------------------------------------------------------------------ */

static void send_parcel(struct peer *peer, struct parcel *parcel, uint64_t now_ns) {
    uint32_t serial = atomic_load_explicit(&peer->serial, memory_order_relaxed);
    parcel->next = NULL;
    /* Another serial: meant for a session that has ended. */
    if (parcel->tag == serial && link_send(peer->link, &parcel, now_ns) == TR_OK) return;
    peer_drop_parcels(peer, parcel, 0);
}

void peer_flush(struct peer *peer, uint64_t now_ns) {
    struct parcel *oldest = outbox_take(&peer->outbox);
    uint64_t bytes = 0;
    while (oldest != NULL) {
        struct parcel *parcel = oldest;
        oldest = parcel->next;
        bytes += parcel->bytes;
        send_parcel(peer, parcel, now_ns);
    }
    uint64_t dead = (uint64_t)PEER_QUEUE_DEAD + peer->node->message_bytes_max;
    if (peer->link != NULL && link_queue_bytes(peer->link) > dead)
        link_reject(peer->link, "it takes nothing of what it asked for", now_ns);
    /* The queue's bytes move on before they leave the outbox's count: senders never see too few. */
    atomic_store_explicit(&peer->link_bytes, peer->link == NULL ? 0 : link_queue_bytes(peer->link),
                          memory_order_relaxed);
    outbox_moved(&peer->outbox, bytes);
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
void peer_free_queue_waiters(struct peer *peer) {
    if (queued_bytes(peer) >= PEER_QUEUE_LOW) return;
    pthread_mutex_lock(&peer->mutex);
    struct waiters freed = peer->waiters;
    peer->waiters = (struct waiters){0};
    pthread_mutex_unlock(&peer->mutex);
    pressure_free_waiters(peer->node->runtime, &freed);
}

static void pump(struct peer *peer, uint64_t now_ns) {
    struct buffer *frame = &peer->node->frame;
    while (link_next_frame(peer->link, frame, now_ns)) {
        /* A frame that finds no connection is lost like any other: the link sends it again. */
        if (driver_send_buffer(&peer->node->driver, peer->origin, frame) != TR_OK)
            buffer_clear(frame);
    }
    atomic_store_explicit(&peer->link_bytes, link_queue_bytes(peer->link), memory_order_relaxed);
    peer_free_queue_waiters(peer);
}

uint64_t peers_pump(tr_node *node, uint64_t now_ns) {
    uint64_t deadline = UINT64_MAX;
    for (size_t i = 0; i < node->peer_count; i++) {
        struct peer *peer = peer_at(node, i);
        if (peer->link == NULL) continue;
        if (link_deadline(peer->link) <= now_ns) link_tick(peer->link, now_ns);
        pump(peer, now_ns);
        if (peer->held.first != NULL && !peer_is_outside(peer)) peer_release_held(peer, false);
        lease_step(peer, now_ns);
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
