/*
 * link_output.c - which frame to send next: what ends or opens a session first, then control, data,
 * and acknowledgements alone when nothing else carries them.
 */
#include <msgpack.h>
#include <string.h>

#include "transport/link_state.h"

static void start(struct link *link, struct frame_header *header, enum frame_type type) {
    *header = (struct frame_header){.type = type,
                                    .source = link->self.name,
                                    .source_bytes = (uint32_t)strlen(link->self.name),
                                    .source_incarnation = link->self.incarnation,
                                    .destination_incarnation = link->peer.incarnation,
                                    .session = link->handshake.counter};
}

/* A frame of the session: with acknowledgement, notices, credit. */
static void start_in_session(struct link *link, struct buffer *frame, enum frame_type type,
                             uint64_t now) {
    struct frame_header header;
    struct frame_notice notices[FRAME_NOTICES_MAX];
    start(link, &header, type);
    link_receiver_credit(link, &header);
    link_pressure_put(link, &header, notices, now);
    link_receiver_granted(link, &header);
    frame_encode(frame, &header);
}

static void put_numbers(struct buffer *frame, const uint64_t *numbers, uint32_t count, bool array) {
    msgpack_packer packer;
    msgpack_packer_init(&packer, frame, buffer_write);
    if (array) msgpack_pack_array(&packer, count);
    for (uint32_t i = 0; i < count; i++) msgpack_pack_uint64(&packer, numbers[i]);
}

static void put_bye(struct link *link, struct buffer *frame, uint64_t now) {
    struct link_bye *bye = &link->bye;
    struct frame_header header;
    start(link, &header, FRAME_BYE);
    header.session = bye->session;
    header.destination_incarnation = bye->destination_incarnation;
    frame_encode(frame, &header);
    msgpack_packer packer;
    msgpack_packer_init(&packer, frame, buffer_write);
    msgpack_pack_array(&packer, 2);
    msgpack_pack_uint64(&packer, bye->reason);
    msgpack_pack_str_with_body(&packer, bye->text, strlen(bye->text));
    bye->wanted = false;
    bye->sent_session = bye->session;
    bye->sent_at = now;
}

static void put_hello(struct link *link, struct buffer *frame, uint64_t now) {
    struct link_handshake *handshake = &link->handshake;
    struct frame_header header;
    start(link, &header, FRAME_HELLO);
    frame_encode(frame, &header);
    struct hello hello = {.identity = link->self,
                          .epoch = link->epoch,
                          .token = link->token,
                          .answer = handshake->peer_token,
                          .bound = link_in_session(link) ? handshake->bound : 0};
    hello_encode(frame, &hello);
    handshake->hello_sent_at = now;
    handshake->hello_at = now + HELLO_INTERVAL;
}

static void put_hello_ack(struct link *link, struct buffer *frame, uint64_t now) {
    struct link_handshake *handshake = &link->handshake;
    uint64_t tokens[2] = {link->token, handshake->ack_answer};
    if (link_in_session(link)) {
        start_in_session(link, frame, FRAME_HELLO_ACK, now);
    } else {
        struct frame_header header;
        start(link, &header, FRAME_HELLO_ACK);
        frame_encode(frame, &header);
    }
    put_numbers(frame, tokens, 2, true);
    handshake->ack_wanted = false;
}

/* Frames that a session sends besides data; false when there is none. */
static bool put_control(struct link *link, struct buffer *frame, uint64_t now) {
    struct link_liveness *liveness = &link->liveness;
    struct link_receiver *receiver = &link->receiver;
    if (receiver->resend_wanted) {
        start_in_session(link, frame, FRAME_RESEND, now);
        receiver->resend_wanted = false;
    } else if (liveness->pong_wanted) {
        start_in_session(link, frame, FRAME_PONG, now);
        put_numbers(frame, &liveness->pong_answer, 1, false);
        liveness->pong_wanted = false;
    } else if (liveness->ping_wanted) {
        start_in_session(link, frame, FRAME_PING, now);
        uint64_t number = ++liveness->ping_number;
        put_numbers(frame, &number, 1, false);
        liveness->ping_wanted = false;
        liveness->pinged_at = now;
        liveness->ping_sent_at = now;
    } else {
        return false;
    }
    return true;
}

static bool ack_due(const struct link *link, uint64_t now) {
    return link->receiver.ack_now || link->receiver.ack_at <= now || link->pressure.tell_now ||
           link->pressure.repeat_at <= now;
}

static bool put_in_session(struct link *link, struct buffer *frame, uint64_t now) {
    if (put_control(link, frame, now)) return true;
    if (link_sender_ready(link)) {
        start_in_session(link, frame, FRAME_DATA, now);
        link_sender_fill(link, frame, now);
        return true;
    }
    if (!ack_due(link, now)) return false;
    start_in_session(link, frame, FRAME_ACK, now);
    return true;
}

bool link_next_frame(struct link *link, struct buffer *frame, uint64_t now) {
    buffer_clear(frame);
    bool seeks = link->state == LINK_OPENING || link->state == LINK_RESUMING;
    bool any = true;
    if (link->bye.wanted)
        put_bye(link, frame, now);
    else if (seeks && link->handshake.hello_at <= now)
        put_hello(link, frame, now);
    else if (link->handshake.ack_wanted)
        put_hello_ack(link, frame, now);
    else
        any = link_in_session(link) && put_in_session(link, frame, now);
    if (!any) return false;
    link->stats.frames_sent++;
    link->stats.bytes_sent += frame->bytes;
    return true;
}
