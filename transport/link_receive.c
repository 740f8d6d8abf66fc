/*
 * link_receive.c - the incoming channel: each envelope once and in order, credit for what is filed.
 */
#include "transport/link_state.h"

void link_receiver_start(struct link *link) {
    link->receiver =
        (struct link_receiver){.ack_at = NEVER, .ack_now = true}; /* the first credit */
}

/* What the peer may send from now on. */
void link_receiver_credit(struct link *link, struct frame_header *header) {
    struct link_receiver *receiver = &link->receiver;
    header->ack = receiver->delivered;
    header->credit_sequence = receiver->filed + link->self.window_messages;
    header->credit_bytes = receiver->filed_bytes + link->self.window_bytes;
}

void link_receiver_granted(struct link *link, const struct frame_header *header) {
    struct link_receiver *receiver = &link->receiver;
    receiver->granted = header->credit_sequence;
    receiver->granted_bytes = header->credit_bytes;
    receiver->reported = header->ack;
    receiver->ack_now = false;
    receiver->ack_at = NEVER;
}

static void file(struct link_receiver *receiver, uint64_t messages, uint64_t bytes) {
    receiver->filed += messages;
    receiver->filed_bytes += bytes;
}

static void want_ack(struct link *link, uint64_t now) {
    struct link_receiver *receiver = &link->receiver;
    if (receiver->delivered - receiver->reported >= ACK_MESSAGES)
        receiver->ack_now = true;
    else if (receiver->ack_at == NEVER)
        receiver->ack_at = now + ACK_DELAY;
}

static void deliver(struct link *link, const struct envelope *envelope) {
    struct link_receiver *receiver = &link->receiver;
    uint64_t changes = link->changes;
    receiver->delivered++;
    receiver->delivered_bytes += envelope->wire_bytes;
    receiver->resend_asked_at = 0;
    link->stats.messages_received++;
    enum link_filing filing = link->ops->deliver(link->user, link, envelope);
    if (link->changes == changes && filing == LINK_FILED) file(receiver, 1, envelope->wire_bytes);
}

/* Something is missing: ask for it at once, and not too often for the same gap. */
static void gap(struct link *link, uint64_t now) {
    struct link_receiver *receiver = &link->receiver;
    link->stats.gaps++;
    if (receiver->resend_asked_at == 0)
        receiver->resend_spacing = RESEND_SPACING;
    else if (now - receiver->resend_asked_at < receiver->resend_spacing)
        return;
    else if (receiver->resend_spacing < RESEND_SPACING_MAX)
        receiver->resend_spacing *= 2;
    receiver->resend_asked_at = now;
    receiver->resend_wanted = true;
    link->stats.resends_asked++;
}

/* Steps over what was delivered before; true when the cursor is at the next in order. */
static bool skip_delivered(struct link *link, struct cursor *cursor, uint64_t first) {
    struct link_receiver *receiver = &link->receiver;
    for (; first <= receiver->delivered && cursor_left(cursor) > 0; first++) {
        if (!envelope_skip(cursor)) return false;
        link->stats.duplicates_dropped++;
        receiver->ack_now = true;
    }
    return true;
}

/* Why the envelope may not be delivered; NULL when it may. */
static const char *refusal(const struct link *link, const struct envelope *envelope) {
    const struct link_receiver *receiver = &link->receiver;
    if (envelope == NULL) return "an envelope that cannot be read";
    if (envelope->body_bytes > link->self.message_bytes_max)
        return "an envelope over the agreed size";
    if (receiver->delivered >= receiver->granted ||
        receiver->delivered_bytes + envelope->wire_bytes > receiver->granted_bytes)
        return "more than its credit allows";
    return NULL;
}

void link_receive_data(struct link *link, const struct frame_header *header, uint64_t now) {
    struct link_receiver *receiver = &link->receiver;
    struct cursor cursor = cursor_over(header->body, header->body_bytes);
    uint64_t first, changes = link->changes;
    if (!cursor_uint(&cursor, UINT64_MAX, &first) || first == 0 || cursor_left(&cursor) == 0) {
        link_session_bad(link, "DATA without an envelope", now);
        return;
    }
    if (first > receiver->delivered + 1) {
        gap(link, now);
        return;
    }
    if (!skip_delivered(link, &cursor, first)) {
        link_session_bad(link, "an envelope that cannot be read", now);
        return;
    }
    while (cursor_left(&cursor) > 0) {
        struct envelope other;
        struct envelope *envelope = envelope_read(&cursor, &receiver->context, &other);
        const char *refused = refusal(link, envelope);
        if (refused != NULL) {
            link_session_bad(link, refused, now);
            return;
        }
        envelope->sequence = receiver->delivered + 1;
        deliver(link, envelope);
        if (link->changes != changes) return; /* the callback ended the session */
        want_ack(link, now);
    }
}

void link_filed(struct link *link, uint64_t session, uint32_t messages, uint64_t bytes,
                uint64_t now) {
    struct link_receiver *receiver = &link->receiver;
    if (!link_in_session(link) || session != link->handshake.counter) return;
    if (messages > receiver->delivered - receiver->filed ||
        bytes > receiver->delivered_bytes - receiver->filed_bytes)
        return;
    file(receiver, messages, bytes);
    if (receiver->ack_at == NEVER) receiver->ack_at = now + ACK_DELAY;
}
