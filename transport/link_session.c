/*
 * link_session.c - how a link moves between its states, and how a session ends.
 *
 *              seek                    begin                  resume
 *   CLOSED ----------> OPENING ------------------> UP --------------------> RESUMING
 *     ^                 ^  |  ^                     |  <--------------------   |
 *     |      close      |  |  |        end          |        answered          |
 *     +--------------------+  +---------------------+--------------------------+
 *     +---------------------------- end, leaving ---+--------------------------+
 *
 * The counter only grows: what has ended is never taken up again, so no frame of an old session
 * can be taken for one of a new session.
 */
#include <stdio.h>
#include <string.h>

#include "node/base/check.h"
#include "transport/link_state.h"

static const bool allowed[4][4] = {
    /* to:             CLOSED OPENING UP    RESUMING */
    [LINK_CLOSED] = {false, true, false, false},
    [LINK_OPENING] = {true, true, true, false},
    [LINK_UP] = {true, true, false, true},
    [LINK_RESUMING] = {true, true, true, false},
};

static void move(struct link *link, enum link_state next) {
    check(allowed[link->state][next]);
    link->state = next;
    link->changes++;
}

void link_session_seek(struct link *link, uint64_t counter, uint64_t now) {
    struct link_handshake *handshake = &link->handshake;
    uint64_t soonest = now > handshake->quarantine_until ? now : handshake->quarantine_until;
    if (link->state != LINK_OPENING) handshake->watchdog_at = soonest + WATCHDOG_INTERVAL;
    move(link, LINK_OPENING);
    handshake->counter = counter;
    handshake->heard_hello = false;
    handshake->heard_ack = false;
    handshake->ack_wanted = false;
    handshake->bound = 0;
    handshake->leaving = false;
    handshake->hello_at = NEVER;
    link_handshake_ask_hello(link, now);
}

void link_session_begin(struct link *link, uint64_t now) {
    struct link_handshake *handshake = &link->handshake;
    move(link, LINK_UP);
    handshake->refused = 0;
    handshake->hello_at = NEVER;
    handshake->watchdog_at = NEVER;
    link_sender_start(link);
    link_receiver_start(link);
    link_pressure_start(link);
    link->liveness.answered_at = now;
    link->liveness.pinged_at = now;
    link->stats.sessions++;
    link->ops->session_up(link->user, link, &link->peer, handshake->counter, false);
}

void link_session_stop(struct link *link) {
    move(link, LINK_CLOSED);
    link->handshake.ack_wanted = false;
    link->handshake.hello_at = NEVER;
    link->handshake.watchdog_at = NEVER;
}

void link_session_resume(struct link *link, uint64_t now) {
    move(link, LINK_RESUMING);
    link->handshake.hello_at = now;
    link->handshake.watchdog_at = now + WATCHDOG_INTERVAL;
}

void link_session_answered(struct link *link, uint64_t now) {
    link->liveness.answered_at = now;
    link->liveness.probe_delay = link_sender_probe_delay(link);
    if (link->state != LINK_RESUMING) return;
    move(link, LINK_UP);
    link->handshake.hello_at = NEVER;
    link->handshake.watchdog_at = NEVER;
    link->receiver.ack_now = true;
    link_sender_rewind(link, now);
    link->stats.resumptions++;
    link->ops->session_up(link->user, link, &link->peer, link->handshake.counter, true);
}

/* Takes all parcels out of the link; `down` tells what is known of them. */
static void take_parcels(struct link *link, struct link_down *down) {
    struct link_sender *sender = &link->sender;
    down->delivered_up_to = sender->acked;
    down->unknown_count = sender->sent_top - sender->acked;
    down->count = down->unknown_count + sender->queued;
    down->parcels = sender->first;
    down->known_count = sender->acked - sender->front;
    *sender = (struct link_sender){0};
}

void link_session_end(struct link *link, enum link_end reason, const char *text,
                      enum link_state next, uint64_t now) {
    char copy[LINK_TEXT_ROOM];
    snprintf(copy, sizeof copy, "%s", text);
    struct link_down down = {.session = link->handshake.counter, .reason = reason, .text = copy};
    check(link_in_session(link));
    take_parcels(link, &down);
    if (next == LINK_OPENING) {
        link_session_seek(link, link->handshake.counter + 1, now);
    } else {
        link_session_stop(link);
    }
    link->ops->session_down(link->user, link, &down);
}

void link_session_bad(struct link *link, const char *text, uint64_t now) {
    link->stats.bad_frames++;
    if (!link_in_session(link)) return;
    link_session_say_bye(link, link->handshake.counter, link->peer.incarnation, LINK_END_BAD_FRAME,
                         text);
    link->handshake.quarantine_until = now + QUARANTINE_INTERVAL;
    link_session_end(link, LINK_END_BAD_FRAME, text, LINK_OPENING, now);
}

void link_session_say_bye(struct link *link, uint64_t session, uint64_t incarnation,
                          enum link_end reason, const char *text) {
    struct link_bye *bye = &link->bye;
    bye->wanted = true;
    bye->session = session;
    bye->destination_incarnation = incarnation;
    bye->reason = reason;
    snprintf(bye->text, sizeof bye->text, "%s", text);
}

/* Reads a BYE's body: reason and text, the text made printable since it ends in a log. */
static bool read_bye(const struct frame_header *header, enum link_end *reason_out, char *text_out) {
    struct cursor cursor = cursor_over(header->body, header->body_bytes);
    uint32_t count;
    uint64_t reason;
    if (!cursor_array(&cursor, 2, &count) || count != 2) return false;
    if (!cursor_uint(&cursor, LINK_END_REFUSED, &reason) || reason < LINK_END_LEAVING) return false;
    if (!cursor_text(&cursor, text_out, LINK_TEXT_ROOM) || !cursor_at_end(&cursor)) return false;
    for (char *at = text_out; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = '?';
    }
    *reason_out = (enum link_end)reason;
    return true;
}

/* The peer says that the session proposed here is over, though it never began. */
static void bye_to_proposal(struct link *link, enum link_end reason, uint64_t now) {
    if (reason == LINK_END_LEAVING) {
        link_session_stop(link);
    } else {
        link_session_seek(link, link->handshake.counter + 1, now);
    }
}

void link_session_bye(struct link *link, const struct frame_header *header, uint64_t now) {
    enum link_end reason;
    char text[LINK_TEXT_ROOM];
    if (!read_bye(header, &reason, text)) {
        link_session_bad(link, "a BYE that cannot be read", now);
        return;
    }
    bool named = header->session == link->handshake.counter;
    if (link->state == LINK_OPENING && reason == LINK_END_REFUSED) {
        link_handshake_refuse(link, LINK_REFUSED_BY_PEER, text, now);
    } else if (!link->peer_known) {
        return; /* only a refusal may come from a peer that has not introduced itself */
    } else if (link->state == LINK_OPENING && named) {
        bye_to_proposal(link, reason, now);
    } else if (link_in_session(link) && named) {
        if (reason == LINK_END_BAD_FRAME) {
            link->handshake.quarantine_until = now + QUARANTINE_INTERVAL;
        }
        link_session_end(link, reason, text,
                         reason == LINK_END_LEAVING ? LINK_CLOSED : LINK_OPENING, now);
    }
}
