#include "transport/link.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "node/base/memory.h"
#include "transport/link_state.h"

enum {
    MESSAGE_BYTES_DEFAULT = 1 << 20,
    WINDOW_BYTES_DEFAULT = 4 << 20,
    WINDOW_MESSAGES_DEFAULT = 65536,
    FRAME_BYTES_DEFAULT = 64 << 10,
    QUEUE_HIGH_DEFAULT = 8 << 20
};

struct link *link_new(const struct link_options *options, uint64_t now) {
    struct link *link = mem_zalloc(1, sizeof *link);
    link->self = options->self;
    struct identity *self = &link->self;
    if (self->message_bytes_max == 0) self->message_bytes_max = MESSAGE_BYTES_DEFAULT;
    if (self->window_bytes == 0) self->window_bytes = WINDOW_BYTES_DEFAULT;
    if (self->window_messages == 0) self->window_messages = WINDOW_MESSAGES_DEFAULT;
    uint64_t one = (uint64_t)self->message_bytes_max + 2 * ENVELOPE_HEAD_BYTES_MAX;
    if (self->window_bytes < one) self->window_bytes = one;
    if (self->window_bytes > WINDOW_BYTES_MAX) self->window_bytes = WINDOW_BYTES_MAX;
    if (self->window_messages > WINDOW_MESSAGES_MAX) self->window_messages = WINDOW_MESSAGES_MAX;
    if (options->peer != NULL)
        snprintf(link->peer.name, sizeof link->peer.name, "%s", options->peer);
    link->peer.incarnation = options->peer_incarnation;
    check(options->token != 0);
    link->token = options->token;
    link->epoch = options->epoch;
    link->frame_bytes_max =
        options->frame_bytes_max != 0 ? options->frame_bytes_max : FRAME_BYTES_DEFAULT;
    link->queue_high_bytes =
        options->queue_high_bytes != 0 ? options->queue_high_bytes : QUEUE_HIGH_DEFAULT;
    link->queue_low_bytes =
        options->queue_low_bytes != 0 ? options->queue_low_bytes : link->queue_high_bytes / 2;
    link->ops = options->ops;
    link->user = options->user;
    link->handshake.hello_at = NEVER;
    link->handshake.watchdog_at = NEVER;
    link_pressure_init(link);
    link_session_seek(link, options->session_floor + 1, now);
    return link;
}

void link_free(struct link *link) {
    if (link == NULL) return;
    for (struct parcel *item = link->sender.first; item != NULL;) {
        struct parcel *next = item->next;
        parcel_free(item);
        item = next;
    }
    link_pressure_fini(link);
    mem_free(link);
}

void link_open(struct link *link, uint64_t now) {
    if (link->state == LINK_CLOSED) link_session_seek(link, link->handshake.counter + 1, now);
}

void link_close(struct link *link, enum link_end reason, const char *text, uint64_t now) {
    link->handshake.leaving = reason == LINK_END_LEAVING;
    if (link_in_session(link)) {
        link_session_say_bye(link, link->handshake.counter, link->peer.incarnation, reason, text);
        link_session_end(link, reason, text, LINK_CLOSED, now);
    } else if (link->state == LINK_OPENING) {
        link_session_stop(link);
    }
}

void link_reject(struct link *link, const char *text, uint64_t now) {
    link_session_bad(link, text, now);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void ping(struct link *link, const struct frame_header *header, uint64_t now) {
    struct cursor cursor = cursor_over(header->body, header->body_bytes);
    uint64_t number;
    if (!cursor_uint(&cursor, UINT64_MAX, &number) || !cursor_at_end(&cursor)) {
        link_session_bad(link, "a PING that cannot be read", now);
        return;
    }
    struct link_liveness *liveness = &link->liveness;
    if (header->type == FRAME_PING) {
        liveness->pong_wanted = true;
        liveness->pong_answer = number;
    } else if (number > liveness->pong_number && number <= liveness->ping_number) {
        liveness->pong_number = number;
        liveness->answered_at = now;
        if (number == liveness->ping_number)
            link_sender_measure(link, now - liveness->ping_sent_at);
    }
}

/* A frame of the session that is up: its header, then its body. */
static void session_frame(struct link *link, struct frame_header *header, uint64_t now) {
    uint64_t changes = link->changes;
    /* Notices before credit (I3). */
    if (!link_pressure_take(link, header, now) || !link_sender_acknowledge(link, header, now)) {
        link_session_bad(link, "a header that acknowledges what was never sent", now);
        return;
    }
    if (link->changes != changes) return;
    switch (header->type) {
        case FRAME_DATA:
            link_receive_data(link, header, now);
            break;
        case FRAME_RESEND:
            link_sender_rewind(link, now);
            break;
        case FRAME_PING:
        case FRAME_PONG:
            ping(link, header, now);
            break;
        default:
            break;
    }
}

/* A frame of no session that is up here. */
static void stray_frame(struct link *link, const struct frame_header *header, uint64_t now) {
    if (link->state == LINK_OPENING && header->session == link->handshake.counter) {
        link->stats.early_frames++; /* its HELLO_ACK was lost or is behind; HELLO brings another */
        link_handshake_ask_hello(link, now);
        return;
    }
    link->stats.other_session_frames++;
    const struct link_bye *bye = &link->bye;
    if (bye->sent_session == header->session && now - bye->sent_at < BYE_SPACING) return;
    link_session_say_bye(link, header->session, header->source_incarnation, LINK_END_UNKNOWN,
                         "this node does not hold that session");
}

static void other_version(struct link *link, const uint8_t *data, size_t bytes, uint64_t now) {
    struct frame_peek peek;
    char text[LINK_TEXT_ROOM];
    if (frame_peek(data, bytes, &peek) != TR_OK) return; /* cannot be: the version was read */
    snprintf(text, sizeof text,
             "node %.*s speaks version %" PRIu64 " of the protocol, node %s version %d",
             (int)peek.source_bytes, peek.source, peek.version, link->self.name, FRAME_VERSION);
    link_handshake_refuse(link, LINK_REFUSED_VERSION, text, now);
}

/* A frame that is not of the peer's present life, or not for this node's. */
static void other_life(struct link *link, const struct frame_header *header, uint64_t now) {
    bool meant = header->destination_incarnation == link->self.incarnation;
    link->stats.old_incarnation_frames++;
    if (header->type != FRAME_BYE) {
        if (meant && link->handshake.refused == 0) link_handshake_ask_hello(link, now);
    } else if (meant && !link->peer_known) {
        link_session_bye(link, header, now); /* who refuses need not introduce itself */
    }
}

void link_frame(struct link *link, const uint8_t *data, size_t bytes, uint64_t now) {
    struct frame_header header;
    tr_status status = frame_decode(data, bytes, &header);
    if (status == TR_ENOTSUP) {
        other_version(link, data, bytes, now);
        return;
    }
    if (status != TR_OK) {
        link_session_bad(link, "a frame that cannot be read", now);
        return;
    }
    link->stats.frames_received++;
    link->stats.bytes_received += bytes;
    if (header.type == FRAME_HELLO) {
        link->stats.heard_ns = now;
        link_handshake_hello(link, &header, now);
        return;
    }
    bool known = link->peer_known && header.source_incarnation == link->peer.incarnation;
    if (!known || header.destination_incarnation != link->self.incarnation) {
        other_life(link, &header, now);
        return;
    }
    link->stats.heard_ns = now;
    if (header.type == FRAME_BYE)
        link_session_bye(link, &header, now);
    else if (header.type == FRAME_HELLO_ACK && !link_handshake_ack(link, &header, now))
        return;
    else if (link_in_session(link) && header.session == link->handshake.counter)
        session_frame(link, &header, now);
    else
        stray_frame(link, &header, now);
}

/* ---- the rest -------------------------------------------------------------------------------- */

void link_set_epoch(struct link *link, uint64_t epoch) {
    link->epoch = epoch;
}

void link_disconnected(struct link *link, uint64_t now) {
    if (link->state == LINK_UP) link_session_resume(link, now);
}

void link_connected(struct link *link, uint64_t now) {
    bool seeks = link->state == LINK_OPENING || link->state == LINK_RESUMING;
    if (seeks && link->handshake.refused == 0) link_handshake_ask_hello(link, now);
}

enum link_state link_state(const struct link *link) {
    return link->state;
}

const char *link_peer_name(const struct link *link) {
    return link->peer.name;
}

const struct identity *link_peer(const struct link *link) {
    return link->peer_known ? &link->peer : NULL;
}

uint64_t link_token(const struct link *link) {
    return link->token;
}

uint64_t link_session(const struct link *link) {
    return link_in_session(link) ? link->handshake.counter : 0;
}

void *link_user(const struct link *link) {
    return link->user;
}

uint64_t link_queue_bytes(const struct link *link) {
    return link->sender.queued_bytes;
}

uint64_t link_queue_messages(const struct link *link) {
    return link->sender.queued;
}

bool link_idle(const struct link *link) {
    return link->sender.first == NULL;
}

void link_stats(const struct link *link, struct link_stats *stats_out) {
    const struct link_sender *sender = &link->sender;
    *stats_out = link->stats;
    stats_out->rtt_ns = link->liveness.rtt;
    stats_out->unacknowledged_messages = sender->sent_top - sender->acked;
    stats_out->unacknowledged_bytes = sender->sent_bytes - sender->front_bytes;
    stats_out->queued_messages = sender->queued;
    stats_out->queued_bytes = sender->queued_bytes;
    stats_out->credit_bytes =
        sender->credit_bytes > sender->next_bytes ? sender->credit_bytes - sender->next_bytes : 0;
    stats_out->credit_messages = sender->credit_sequence >= sender->next_sequence
                                     ? sender->credit_sequence - sender->next_sequence + 1
                                     : 0;
}
