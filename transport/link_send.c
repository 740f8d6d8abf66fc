/*
 * link_send.c - the outgoing channel: parcels in order, kept until acknowledged, within the credit.
 */
#include "node/base/check.h"
#include "transport/link_state.h"

uint64_t link_sender_probe_delay(const struct link *link) {
    uint64_t delay = 4 * link->liveness.rtt;
    return delay < PROBE_MIN ? PROBE_MIN : delay > PROBE_MAX ? PROBE_MAX : delay;
}

void link_sender_start(struct link *link) {
    struct link_sender *sender = &link->sender;
    check(sender->first == NULL);
    *sender = (struct link_sender){.next_sequence = 1};
    /* No credit before the peer's first frame of the session, which brings its notices too (I3). */
    link->liveness.probe_at = NEVER;
    link->liveness.probe_delay = PROBE_MIN;
}

/* Wire bytes of the parcel at the head of the queue; 0 when there is none or the credit forbids it.
 */
static size_t sendable_bytes(const struct link_sender *sender) {
    if (sender->next == NULL || sender->next_sequence > sender->credit_sequence) return 0;
    size_t wire_bytes = parcel_wire_bytes(sender->next, sender->next_sequence);
    return sender->next_bytes + wire_bytes <= sender->credit_bytes ? wire_bytes : 0;
}

bool link_sender_blocked(const struct link *link) {
    return link->sender.next != NULL && sendable_bytes(&link->sender) == 0;
}

bool link_sender_waits(const struct link *link) {
    return link->sender.acked < link->sender.sent_top || link_sender_blocked(link);
}

/* The parcel's body is more than the peer takes. */
static bool too_big(const struct link *link, const struct parcel *item) {
    if (item->bytes <= link->peer.message_bytes_max) return false;
    struct envelope envelope;
    parcel_read(item, &envelope);
    return envelope.body_bytes > link->peer.message_bytes_max;
}

/* Starts the probe's clock when there is something that it would bring on. */
static void arm_probe(struct link *link, uint64_t now) {
    struct link_liveness *liveness = &link->liveness;
    if (liveness->probe_at != NEVER || !link_sender_waits(link)) return;
    liveness->probe_delay = link_sender_probe_delay(link);
    liveness->probe_at = now + liveness->probe_delay;
}

tr_status link_send(struct link *link, struct parcel **parcel, uint64_t now) {
    struct link_sender *sender = &link->sender;
    struct parcel *item = *parcel;
    if (!link_in_session(link)) return TR_EUNREACHABLE;
    if (too_big(link, item)) return TR_ETOOBIG;
    item->next = NULL;
    if (sender->last == NULL)
        sender->first = item;
    else
        sender->last->next = item;
    sender->last = item;
    if (sender->next == NULL) sender->next = item;
    sender->queued++;
    sender->queued_bytes += item->bytes;
    if (sender->queued_bytes >= link->queue_high_bytes) sender->high = true;
    arm_probe(link, now);
    *parcel = NULL;
    return TR_OK;
}

/* Takes `sender->next` into a frame at `place`; returns the end. */
static uint8_t *frame_parcel(struct link *link, size_t wire_bytes, uint8_t *place, uint64_t now) {
    struct link_sender *sender = &link->sender;
    struct parcel *item = sender->next;
    uint64_t sequence = sender->next_sequence++;
    sender->next_bytes += wire_bytes;
    sender->next = item->next;
    if (sequence > sender->sent_top) {
        sender->sent_top = sequence;
        sender->sent_bytes = sender->next_bytes;
        sender->queued--;
        sender->queued_bytes -= item->bytes;
        link->stats.messages_sent++;
        if (sender->sample_sequence == 0) {
            sender->sample_sequence = sequence;
            sender->sample_at = now;
        }
    } else {
        link->stats.messages_resent++;
    }
    return parcel_write(item, sequence, place);
}

bool link_sender_fill(struct link *link, struct buffer *frame, uint64_t now) {
    struct link_sender *sender = &link->sender;
    bool any = false;
    size_t wire_bytes;
    while ((wire_bytes = sendable_bytes(sender)) > 0) {
        if (any && frame->bytes + wire_bytes > link->frame_bytes_max) break;
        uint8_t *place = buffer_reserve(frame, wire_bytes);
        frame->bytes += (size_t)(frame_parcel(link, wire_bytes, place, now) - place);
        any = true;
    }
    arm_probe(link, now);
    if (sender->high && sender->queued_bytes <= link->queue_low_bytes) {
        sender->high = false;
        link->ops->writable(link->user, link);
    }
    return any;
}

bool link_sender_ready(const struct link *link) {
    return link->state == LINK_UP && sendable_bytes(&link->sender) > 0;
}

void link_sender_measure(struct link *link, uint64_t round_trip) {
    uint64_t *rtt = &link->liveness.rtt;
    *rtt = *rtt == 0 ? round_trip : (7 * *rtt + round_trip) / 8; /* RFC 6298's smoothing */
}

/* Frees the acknowledged ones at the front. */
static void drop_acknowledged(struct link_sender *sender, uint64_t ack) {
    while (sender->acked < ack) {
        struct parcel *item = sender->first;
        sender->acked++;
        sender->acked_bytes += parcel_wire_bytes(item, sender->acked);
        if (sender->next == item) { /* a resend of it was under way */
            sender->next = item->next;
            sender->next_sequence = sender->acked + 1;
            sender->next_bytes = sender->acked_bytes;
        }
        sender->first = item->next;
        if (sender->first == NULL) sender->last = NULL;
        parcel_free(item);
    }
}

bool link_sender_acknowledge(struct link *link, const struct frame_header *header, uint64_t now) {
    struct link_sender *sender = &link->sender;
    if (header->ack > sender->sent_top) return false;
    if (header->credit_sequence > header->ack + WINDOW_MESSAGES_MAX) return false;
    if (header->credit_bytes > sender->sent_bytes + 2 * WINDOW_BYTES_MAX) return false;
    if (header->ack > sender->acked) {
        if (sender->sample_sequence != 0 && header->ack >= sender->sample_sequence) {
            link_sender_measure(link, now - sender->sample_at);
            sender->sample_sequence = 0;
        }
        drop_acknowledged(sender, header->ack);
        link->liveness.answered_at = now;
        link->liveness.probe_at = NEVER;
    }
    /* Absolute limits that only grow: an old frame takes nothing back. */
    if (header->credit_bytes > sender->credit_bytes) sender->credit_bytes = header->credit_bytes;
    if (header->credit_sequence > sender->credit_sequence)
        sender->credit_sequence = header->credit_sequence;
    arm_probe(link, now);
    return true;
}

void link_sender_rewind(struct link *link, uint64_t now) {
    struct link_sender *sender = &link->sender;
    if (sender->acked == sender->sent_top) return;
    if (sender->rewound_at != 0 && now - sender->rewound_at < REWIND_SPACING) return;
    sender->rewound_at = now;
    sender->next = sender->first;
    sender->next_sequence = sender->acked + 1;
    sender->next_bytes = sender->acked_bytes;
    sender->sample_sequence = 0; /* Karn: no sample from what was sent twice */
}
