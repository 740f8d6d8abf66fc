/*
 * link_timer.c - what a link does because time passes: HELLO, watchdog, PING, silence, probes.
 */
#include "transport/link_state.h"

static uint64_t earliest(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* When the session wants PING, RESUMING or a probe; NEVER outside one. */
static uint64_t session_deadline(const struct link *link) {
    if (!link_in_session(link)) return NEVER;
    const struct link_liveness *liveness = &link->liveness;
    uint64_t at = liveness->pinged_at + PING_INTERVAL;
    if (link->state == LINK_UP) {
        at = earliest(at, liveness->answered_at + SILENCE_MAX);
        at = earliest(at, liveness->probe_at);
    }
    at = earliest(at, link->receiver.ack_at);
    return earliest(at, link->pressure.repeat_at);
}

uint64_t link_deadline(const struct link *link) {
    uint64_t at = session_deadline(link);
    if (link->state == LINK_OPENING || link->state == LINK_RESUMING) {
        at = earliest(at, link->handshake.hello_at);
        at = earliest(at, link->handshake.watchdog_at);
    }
    return at;
}

/* Nothing was acknowledged or granted for so long: it may be lost. Tries again, ever more rarely.
 */
static void probe(struct link *link, uint64_t now) {
    struct link_liveness *liveness = &link->liveness;
    if (!link_sender_waits(link)) {
        liveness->probe_at = NEVER;
        return;
    }
    if (link->sender.acked < link->sender.sent_top) {
        link->stats.timeouts++;
        link_sender_rewind(link, now);
    } else {
        liveness->ping_wanted = true; /* its PONG repeats the credit */
    }
    liveness->probe_delay =
        liveness->probe_delay * 2 > PROBE_MAX ? PROBE_MAX : liveness->probe_delay * 2;
    liveness->probe_at = now + liveness->probe_delay;
}

static void tick_session(struct link *link, uint64_t now) {
    struct link_liveness *liveness = &link->liveness;
    if (now - liveness->pinged_at >= PING_INTERVAL) {
        liveness->ping_wanted = true;
        liveness->pinged_at = now;
    }
    if (link->state != LINK_UP) return;
    if (now - liveness->answered_at >= SILENCE_MAX) {
        link_session_resume(link, now);
        return;
    }
    if (liveness->probe_at <= now) probe(link, now);
}

void link_tick(struct link *link, uint64_t now) {
    if (link_in_session(link)) tick_session(link, now);
    bool seeks = link->state == LINK_OPENING || link->state == LINK_RESUMING;
    if (!seeks || link->handshake.watchdog_at > now) return;
    link->handshake.watchdog_at = now + WATCHDOG_INTERVAL;
    link->stats.reconnects++;
    link->ops->reconnect(link->user, link, "no answer to HELLO");
}
