/*
 * link_handshake.c - HELLO and HELLO_ACK: how two links come to one session, or resume one.
 *
 * A HELLO proposes a counter (bound 0), or asks to resume the session of that counter with the very
 * link whose token it names. The larger proposal holds for both. A session begins at a side once
 * the peer has proposed the same counter and has acknowledged this link's own proposal; every
 * acknowledgement names the token of the HELLO it answers, so none of an earlier link counts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "transport/link_state.h"

void link_handshake_ask_hello(struct link *link, uint64_t now) {
    uint64_t soonest = link->handshake.hello_sent_at + HELLO_SPACING;
    uint64_t at = link->handshake.hello_sent_at == 0 || soonest < now ? now : soonest;
    if (at < link->handshake.quarantine_until) at = link->handshake.quarantine_until;
    if (at < link->handshake.hello_at) link->handshake.hello_at = at;
}

void link_handshake_refuse(struct link *link, enum link_refusal reason, const char *text,
                           uint64_t now) {
    struct link_handshake *handshake = &link->handshake;
    link->stats.refusals++;
    if (link->state == LINK_OPENING) {
        /* Counted from the last HELLO: a peer that goes on being refused must not keep this node
         * silent. */
        uint64_t at =
            handshake->hello_sent_at == 0 ? now : handshake->hello_sent_at + REFUSED_INTERVAL;
        if (handshake->hello_at < at) handshake->hello_at = at;
        handshake->watchdog_at = now + WATCHDOG_INTERVAL + REFUSED_INTERVAL;
    }
    bool says_more = handshake->refused != reason && reason != LINK_REFUSED_BY_PEER;
    if (handshake->refused != 0 && !says_more && now - handshake->refused_at < REFUSED_INTERVAL)
        return;
    handshake->refused = reason;
    handshake->refused_at = now;
    link->ops->refused(link->user, link, reason, text);
}

/* Refuses the peer and tells it why. */
static void refuse(struct link *link, const struct frame_header *header, enum link_refusal reason,
                   const char *text, uint64_t now) {
    link_session_say_bye(link, header->session, header->source_incarnation, LINK_END_REFUSED, text);
    link_handshake_refuse(link, reason, text, now);
}

/* True when the peer's identity is one this link may have a session with. */
static bool admit(struct link *link, const struct frame_header *header, const struct identity *peer,
                  uint64_t now) {
    const struct identity *self = &link->self;
    char text[LINK_TEXT_ROOM];
    enum link_refusal reason = 0;
    if (strcmp(peer->cluster, self->cluster) != 0) {
        reason = LINK_REFUSED_CLUSTER;
        snprintf(text, sizeof text, "node %s is of cluster %s, node %s of cluster %s", peer->name,
                 peer->cluster, self->name, self->cluster);
    } else if (peer->generation != self->generation) {
        reason = LINK_REFUSED_GENERATION;
        snprintf(text, sizeof text,
                 "node %s is of generation %" PRIu64 ", node %s of generation %" PRIu64, peer->name,
                 peer->generation, self->name, self->generation);
    } else if (strcmp(peer->name, self->name) == 0) {
        reason = LINK_REFUSED_NAME;
        snprintf(text, sizeof text, "both nodes are named %s", self->name);
    } else if (link->peer.name[0] != '\0' && strcmp(peer->name, link->peer.name) != 0) {
        reason = LINK_REFUSED_NAME;
        snprintf(text, sizeof text, "node %s was expected, %s answers", link->peer.name,
                 peer->name);
    } else if (peer->incarnation < link->peer.incarnation) {
        reason = LINK_REFUSED_INCARNATION;
        snprintf(text, sizeof text, "node %s comes with incarnation %" PRIu64 ", but had %" PRIu64,
                 peer->name, peer->incarnation, link->peer.incarnation);
    }
    if (reason == 0) return true;
    refuse(link, header, reason, text, now);
    return false;
}

/* Reads the HELLO's map and completes the identity from the header; false when it cannot be read.
 */
static bool read_hello(const struct frame_header *header, struct hello *hello_out) {
    if (hello_decode(header->body, header->body_bytes, hello_out) != TR_OK) return false;
    struct identity *peer = &hello_out->identity;
    if (header->session > SESSION_MAX || header->source_bytes >= sizeof peer->name) return false;
    if (memchr(header->source, '\0', header->source_bytes) != NULL) return false;
    memcpy(peer->name, header->source, header->source_bytes);
    peer->name[header->source_bytes] = '\0';
    peer->incarnation = header->source_incarnation;
    if (peer->window_bytes > WINDOW_BYTES_MAX || peer->window_messages > WINDOW_MESSAGES_MAX)
        return false;
    return true;
}

static void begin_if_agreed(struct link *link, uint64_t now) {
    const struct link_handshake *handshake = &link->handshake;
    if (link->state == LINK_OPENING && handshake->heard_hello && handshake->heard_ack)
        link_session_begin(link, now);
}

/* One counter serves one link of the peer. A second one at the same counter may be a late HELLO of
 * a link that is gone, yet had begun this session: then the next counter is proposed, and nobody
 * can take the one's data for the other's. */
static bool bind(struct link *link, uint64_t token, uint64_t now) {
    struct link_handshake *handshake = &link->handshake;
    if (handshake->bound != 0 && handshake->bound != token) {
        link_session_seek(link, handshake->counter + 1, now);
        return false;
    }
    handshake->bound = token;
    return true;
}

/* Agrees to the counter proposed here and by the peer. */
static void agree(struct link *link, const struct hello *hello, uint64_t now) {
    struct link_handshake *handshake = &link->handshake;
    if (!bind(link, hello->token, now)) return;
    handshake->heard_hello = true;
    handshake->ack_wanted = true;
    handshake->ack_answer = hello->token;
    if (hello->answer != link->token)
        link_handshake_ask_hello(link, now); /* it has not heard this link yet */
    begin_if_agreed(link, now);
}

/* A proposal of a new session. */
static void proposed(struct link *link, const struct frame_header *header,
                     const struct hello *hello, uint64_t now) {
    struct link_handshake *handshake = &link->handshake;
    uint64_t counter = header->session;
    if (link_in_session(link)) {
        if (hello->token == handshake->bound && counter <= handshake->counter) {
            if (counter < handshake->counter) return; /* late: a link's counter only grows */
            handshake->ack_wanted = true;             /* our acknowledgement was lost */
            handshake->ack_answer = hello->token;
            return;
        }
        link_session_end(link, LINK_END_SUPERSEDED, "the peer proposes a new session", LINK_OPENING,
                         now);
    }
    if (handshake->leaving) return; /* a callback has closed for good */
    if (link->state == LINK_CLOSED) link_session_seek(link, handshake->counter + 1, now);
    if (counter > handshake->counter) link_session_seek(link, counter, now);
    if (counter == handshake->counter)
        agree(link, hello, now);
    else
        link_handshake_ask_hello(link, now);
}

/* A request to resume the session `counter` with the link that has token `bound`. */
static void asked_to_resume(struct link *link, const struct frame_header *header,
                            const struct hello *hello, uint64_t now) {
    struct link_handshake *handshake = &link->handshake;
    if (link_in_session(link) && header->session == handshake->counter &&
        hello->bound == link->token && hello->token == handshake->bound) {
        handshake->ack_wanted = true;
        handshake->ack_answer = hello->token;
        return;
    }
    if (link->state == LINK_OPENING && header->session == handshake->counter &&
        hello->bound == link->token) {
        agree(link, hello, now); /* it has begun; we have not heard its acknowledgement */
        return;
    }
    link_session_say_bye(link, header->session, header->source_incarnation, LINK_END_UNKNOWN,
                         "this node does not hold that session");
    if (link->state == LINK_OPENING && header->session >= handshake->counter)
        link_session_seek(link, header->session + 1, now);
}

/* A newer life elsewhere, while the one in session answers: two nodes run under one name. A real
 * restart is let in once the old life has been silent for a while, or at once when it is where the
 * old one was. */
static bool refuse_twin(struct link *link, const struct identity *twin, uint64_t now) {
    if (!link_in_session(link) || twin->incarnation <= link->peer.incarnation) return false;
    bool answers = now - link->liveness.answered_at < SILENCE_MAX;
    if (!answers || strcmp(twin->endpoint, link->peer.endpoint) == 0) return false;
    char text[LINK_TEXT_ROOM];
    snprintf(text, sizeof text,
             "node %.63s is up at %.90s; another of that name, at %.90s, is not let in", twin->name,
             link->peer.endpoint, twin->endpoint);
    link_handshake_refuse(link, LINK_REFUSED_NAME, text, now);
    return true;
}

void link_handshake_hello(struct link *link, const struct frame_header *header, uint64_t now) {
    struct hello hello;
    if (!read_hello(header, &hello)) {
        link->stats.bad_frames++;
        return;
    }
    if (now < link->handshake.quarantine_until || !admit(link, header, &hello.identity, now))
        return;
    if (link->handshake.leaving) {
        link_session_say_bye(link, header->session, header->source_incarnation, LINK_END_LEAVING,
                             "this node leaves");
        return;
    }
    if (refuse_twin(link, &hello.identity, now)) return;
    if (link_in_session(link) && hello.identity.incarnation > link->peer.incarnation)
        link_session_end(link, LINK_END_RESTARTED, "the peer has started anew", LINK_OPENING, now);
    bool same_life = link->peer_known && hello.identity.incarnation == link->peer.incarnation;
    if (!same_life) {
        link->handshake.heard_hello = link->handshake.heard_ack = false;
        link->handshake.bound = 0;
    }
    if (!link_in_session(link))
        link->peer = hello.identity; /* in session it is borrowed by the user: endpoints stay */
    link->peer_known = true;
    link->handshake.peer_token = hello.token;
    link->ops->peer_epoch(link->user, link, hello.epoch);
    if (hello.bound == 0)
        proposed(link, header, &hello, now);
    else
        asked_to_resume(link, header, &hello, now);
}

bool link_handshake_ack(struct link *link, const struct frame_header *header, uint64_t now) {
    struct link_handshake *handshake = &link->handshake;
    struct cursor cursor = cursor_over(header->body, header->body_bytes);
    uint32_t count;
    uint64_t token, answer;
    if (!cursor_array(&cursor, 2, &count) || count != 2 ||
        !cursor_uint(&cursor, UINT64_MAX, &token) || !cursor_uint(&cursor, UINT64_MAX, &answer) ||
        !cursor_at_end(&cursor)) {
        link->stats.bad_frames++;
        return false;
    }
    if (answer != link->token || header->session != handshake->counter || !link->peer_known)
        return false;
    if (link_in_session(link)) {
        if (token != handshake->bound) return false;
        link_session_answered(link, now);
        return true;
    }
    if (link->state != LINK_OPENING) return false;
    if (!bind(link, token, now)) return false;
    handshake->heard_ack = true;
    begin_if_agreed(link, now);
    return link_in_session(link);
}
