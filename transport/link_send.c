/*
 * link_send.c - the outgoing channel: parcels in order, kept until acknowledged, within the credit.
 *
 * A parcel is sent as a whole, so it must fit the peer's window; it is kept until all of it is
 * acknowledged. What is sent again may therefore begin before what the peer wants next: it drops
 * what it has.
 */
#include <msgpack.h>

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

/* The parcel at the head of the queue, if the credit allows it. */
static const struct parcel *sendable(const struct link_sender *sender) {
    const struct parcel *next = sender->next;
    if (next == NULL || sender->next_sequence + next->count - 1 > sender->credit_sequence)
        return NULL;
    return sender->next_bytes + next->bytes <= sender->credit_bytes ? next : NULL;
}

bool link_sender_blocked(const struct link *link) {
    return link->sender.next != NULL && sendable(&link->sender) == NULL;
}

bool link_sender_waits(const struct link *link) {
    return link->sender.acked < link->sender.sent_top || link_sender_blocked(link);
}

/* A body is more than the peer takes; only one that is alone in its parcel can be. */
static bool too_big(const struct link *link, const struct parcel *item) {
    if (item->bytes <= link->peer.message_bytes_max || item->count > 1) return false;
    struct parcel_reader reader;
    parcel_open(item, &reader);
    return parcel_next(&reader)->body_bytes > link->peer.message_bytes_max;
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
    sender->queued += item->count;
    sender->queued_bytes += item->bytes;
    if (sender->queued_bytes >= link->queue_high_bytes) sender->high = true;
    arm_probe(link, now);
    *parcel = NULL;
    return TR_OK;
}

/* Takes `sender->next` into a frame. */
static void frame_parcel(struct link *link, struct buffer *frame, uint64_t now) {
    struct link_sender *sender = &link->sender;
    const struct parcel *item = sender->next;
    uint64_t last = sender->next_sequence + item->count - 1;
    sender->next_sequence += item->count;
    sender->next_bytes += item->bytes;
    sender->next = item->next;
    if (last > sender->sent_top) { /* never sent before: parcels are sent whole */
        sender->sent_top = last;
        sender->sent_bytes = sender->next_bytes;
        sender->queued -= item->count;
        sender->queued_bytes -= item->bytes;
        link->stats.messages_sent += item->count;
        if (sender->sample_sequence == 0) {
            sender->sample_sequence = last;
            sender->sample_at = now;
        }
    } else {
        link->stats.messages_resent += item->count;
    }
    buffer_append(frame, item->data, item->bytes);
}

static void put_first(struct buffer *frame, uint64_t sequence) {
    msgpack_packer packer;
    msgpack_packer_init(&packer, frame, buffer_write);
    msgpack_pack_uint64(&packer, sequence);
}

bool link_sender_fill(struct link *link, struct buffer *frame, uint64_t now) {
    struct link_sender *sender = &link->sender;
    bool any = false;
    const struct parcel *item;
    while ((item = sendable(sender)) != NULL) {
        if (any && frame->bytes + item->bytes > link->frame_bytes_max) break;
        if (!any) {
            /* All at once, so that the frame's memory need not grow step by step. */
            uint64_t waits = item->bytes + sender->queued_bytes;
            buffer_reserve(frame,
                           waits < link->frame_bytes_max ? (size_t)waits : link->frame_bytes_max);
            put_first(frame, sender->next_sequence);
        }
        frame_parcel(link, frame, now);
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
    return link->state == LINK_UP && sendable(&link->sender) != NULL;
}

void link_sender_measure(struct link *link, uint64_t round_trip) {
    uint64_t *rtt = &link->liveness.rtt;
    *rtt = *rtt == 0 ? round_trip : (7 * *rtt + round_trip) / 8; /* RFC 6298's smoothing */
}

/* Frees those at the front of which all is acknowledged. */
static void drop_acknowledged(struct link_sender *sender, uint64_t ack) {
    sender->acked = ack;
    for (struct parcel *item; (item = sender->first) != NULL;) {
        if (sender->front + item->count > ack) break;
        sender->front += item->count;
        sender->front_bytes += item->bytes;
        if (sender->next == item) { /* a resend of it was under way */
            sender->next = item->next;
            sender->next_sequence = sender->front + 1;
            sender->next_bytes = sender->front_bytes;
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
    sender->next_sequence = sender->front + 1;
    sender->next_bytes = sender->front_bytes;
    sender->sample_sequence = 0; /* Karn: no sample from what was sent twice */
}
