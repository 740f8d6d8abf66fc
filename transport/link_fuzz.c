/*
 * link_fuzz.c - damaged and invented frames into a link that is in session with an honest one.
 *
 * usage: link_fuzz [SEED [ROUNDS]]. In each round two links come into session and talk while one of
 * them also gets frames of the other, damaged or made of near-miss numbers. Nothing may crash, send
 * without end, hold more than its window, or keep the two apart once the noise is over. Run it with
 * sanitizers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/memory.h"
#include "node/base/random.h"
#include "transport/link.h"

enum {
    ROUNDS = 10000,
    STEPS = 200,
    FRAMES_MAX = 64,
    WINDOW_MESSAGES = 50,
    WINDOW_BYTES = 4096,
    BODY_MAX = 500
};

#define MILLISECOND UINT64_C(1000000)

struct end {
    struct fuzz *fuzz;
    struct link *link;
    uint64_t held, held_bytes;
};

struct fuzz {
    random_state random;
    uint64_t now;
    struct end ends[2]; /* [0] gets the noise too */
    struct buffer frame;
    struct buffer noise;
    struct buffer seen[FRAMES_MAX]; /* the last frames of the honest one */
    unsigned seen_count;
    uint64_t tokens;
    uint64_t passed, failed, sessions;
    const char *fault;
};

static uint64_t below(struct fuzz *fuzz, uint64_t bound) {
    return random_below(&fuzz->random, bound);
}

static void expect(struct fuzz *fuzz, bool holds, const char *what) {
    if (!holds && fuzz->fault == NULL) fuzz->fault = what;
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static enum link_filing on_deliver(void *user, struct link *link, const struct envelope *envelope) {
    struct end *end = user;
    (void)link;
    volatile uint8_t last = envelope->body_bytes > 0 ? envelope->body[envelope->body_bytes - 1] : 0;
    (void)last; /* read, so that a sanitizer sees a body that reaches past its frame */
    if (below(end->fuzz, 3) > 0) return LINK_FILED;
    end->held++;
    end->held_bytes += envelope->wire_bytes;
    expect(end->fuzz, end->held <= WINDOW_MESSAGES && end->held_bytes <= WINDOW_BYTES,
           "more than the window is held");
    return LINK_HELD;
}

static void on_up(void *user, struct link *link, const struct identity *peer, uint64_t session,
                  bool resumed) {
    struct end *end = user;
    (void)link, (void)session;
    expect(end->fuzz, strlen(peer->name) < sizeof peer->name, "a name that is not closed");
    if (resumed) return;
    end->fuzz->sessions++;
    end->held = end->held_bytes = 0;
}

static void on_down(void *user, struct link *link, const struct link_down *down) {
    struct end *end = user;
    (void)link;
    end->held = end->held_bytes = 0;
    for (struct parcel *item = down->parcels; item != NULL;) {
        struct parcel *next = item->next;
        parcel_free(item);
        item = next;
    }
}

static void on_pressure(void *user, struct link *link, tr_pid pid, enum frame_pressure level,
                        uint64_t version) {
    (void)user, (void)link, (void)pid, (void)level, (void)version;
}

static void on_epoch(void *user, struct link *link, uint64_t epoch) {
    (void)user, (void)link, (void)epoch;
}

static void on_writable(void *user, struct link *link) {
    (void)user, (void)link;
}

static void on_refused(void *user, struct link *link, enum link_refusal reason, const char *text) {
    (void)user, (void)link, (void)reason, (void)text;
}

static void on_reconnect(void *user, struct link *link, const char *reason) {
    (void)user, (void)link, (void)reason;
}

static const struct link_ops callbacks = {on_deliver, on_up,       on_down,    on_pressure,
                                          on_epoch,   on_writable, on_refused, on_reconnect};

/* ---- noise ----------------------------------------------------------------------------------- */

static void damage(struct fuzz *fuzz, struct buffer *noise) {
    for (uint64_t times = 1 + below(fuzz, 3); times > 0 && noise->bytes > 0; times--) {
        size_t at = below(fuzz, noise->bytes);
        switch (below(fuzz, 4)) {
            case 0:
                noise->data[at] ^= (uint8_t)(1u << below(fuzz, 8));
                break;
            case 1:
                noise->data[at] = (uint8_t)below(fuzz, 256);
                break;
            case 2:
                noise->bytes = at;
                break;
            default:
                buffer_append_byte(noise, (uint8_t)below(fuzz, 256));
        }
    }
}

/* A number near one that matters, or any. */
static uint64_t near(struct fuzz *fuzz, uint64_t number) {
    switch (below(fuzz, 6)) {
        case 0:
            return number + below(fuzz, 5) - 2;
        case 1:
            return random_u64(&fuzz->random) >> below(fuzz, 64);
        default:
            return number;
    }
}

static void put_uint(struct buffer *noise, uint64_t number) {
    buffer_append_byte(noise, 0xcf);
    for (int shift = 56; shift >= 0; shift -= 8)
        buffer_append_byte(noise, (uint8_t)(number >> shift));
}

static void invent_body(struct fuzz *fuzz, struct buffer *noise) {
    uint8_t body[BODY_MAX] = {0};
    struct envelope envelope = {.kind = (enum envelope_kind)below(fuzz, ENVELOPE_KINDS),
                                .to = {1, 2, 3},
                                .body = body,
                                .body_bytes = (uint32_t)below(fuzz, BODY_MAX)};
    struct link_stats stats;
    link_stats(fuzz->ends[0].link, &stats);
    put_uint(noise, near(fuzz, stats.messages_received + 1));
    struct envelope context;
    struct parcel *parcel = parcel_new(4 * (ENVELOPE_HEAD_BYTES_MAX + BODY_MAX));
    for (uint64_t i = 0, count = 1 + below(fuzz, 4); i < count; i++) {
        envelope.message_id = below(fuzz, 3);
        parcel_append(parcel, &context, &envelope);
    }
    buffer_append(noise, parcel->data, parcel->bytes);
    parcel_free(parcel);
}

static void invent_hello(struct fuzz *fuzz, struct buffer *noise) {
    struct hello hello = {
        .identity = {.cluster = "c", .window_bytes = near(fuzz, 4096), .window_messages = 9},
        .token = near(fuzz, fuzz->tokens) | 1,
        .answer = near(fuzz, link_token(fuzz->ends[0].link)),
        .bound = below(fuzz, 2) * near(fuzz, link_token(fuzz->ends[0].link))};
    hello_encode(noise, &hello);
}

/* A frame with a header that the link takes for the peer's, but for what is near-missed. */
static void invent(struct fuzz *fuzz, struct buffer *noise) {
    struct frame_notice notice = {
        {1, (uint32_t)below(fuzz, 9), 1}, 1 + below(fuzz, 50), (enum frame_pressure)below(fuzz, 3)};
    uint64_t session = link_session(fuzz->ends[0].link);
    struct frame_header header = {.type = (enum frame_type)(1 + below(fuzz, FRAME_BYE)),
                                  .source = "b",
                                  .source_bytes = 1,
                                  .source_incarnation = below(fuzz, 20) == 0 ? below(fuzz, 21) : 20,
                                  .destination_incarnation = below(fuzz, 20) == 0 ? 11 : 10,
                                  .session = session + (below(fuzz, 5) == 0 ? below(fuzz, 4) : 0),
                                  .notices = &notice,
                                  .notice_count = (uint32_t)below(fuzz, 2),
                                  .notices_seen = below(fuzz, 8) == 0 ? near(fuzz, 1) : 0,
                                  .ack = below(fuzz, 4) == 0 ? near(fuzz, 1) : 0,
                                  .credit_bytes = near(fuzz, 8192),
                                  .credit_sequence = near(fuzz, 60)};
    frame_encode(noise, &header);
    if (header.type == FRAME_DATA)
        invent_body(fuzz, noise);
    else if (header.type == FRAME_HELLO)
        invent_hello(fuzz, noise);
    else if (header.type == FRAME_BYE)
        buffer_append(noise, "\x92\x03\xa1x", 4);
    else if (header.type == FRAME_PING || header.type == FRAME_PONG)
        buffer_append_byte(noise, (uint8_t)below(fuzz, 256));
}

static void make_noise(struct fuzz *fuzz) {
    struct buffer *noise = &fuzz->noise;
    buffer_clear(noise);
    uint64_t which = below(fuzz, 3);
    if (which == 0 && fuzz->seen_count > 0) {
        const struct buffer *seen = &fuzz->seen[below(fuzz, fuzz->seen_count)];
        buffer_append(noise, seen->data, seen->bytes);
        if (below(fuzz, 3) > 0) damage(fuzz, noise);
    } else {
        invent(fuzz, noise);
        if (which == 1) damage(fuzz, noise);
    }
    uint8_t *exact = mem_dup(noise->data, noise->bytes);
    link_frame(fuzz->ends[0].link, exact, noise->bytes, fuzz->now);
    mem_free(exact);
}

/* ---- a round --------------------------------------------------------------------------------- */

static void keep(struct fuzz *fuzz, const struct buffer *frame) {
    struct buffer *place = fuzz->seen_count < FRAMES_MAX ? &fuzz->seen[fuzz->seen_count++]
                                                         : &fuzz->seen[below(fuzz, FRAMES_MAX)];
    buffer_clear(place);
    buffer_append(place, frame->data, frame->bytes);
}

/* Passes frames both ways until there are none; an end that never stops is at fault. */
static void pump(struct fuzz *fuzz) {
    unsigned count = 0;
    for (bool any = true; any;) {
        any = false;
        for (unsigned i = 0; i < 2; i++) {
            while (link_next_frame(fuzz->ends[i].link, &fuzz->frame, fuzz->now)) {
                any = true;
                if (i == 1) keep(fuzz, &fuzz->frame);
                link_frame(fuzz->ends[1 - i].link, fuzz->frame.data, fuzz->frame.bytes, fuzz->now);
                expect(fuzz, ++count < 5000, "frames without end");
                if (count >= 5000) return;
            }
        }
    }
}

static void pass_time(struct fuzz *fuzz, uint64_t duration) {
    uint64_t end = fuzz->now + duration;
    while (fuzz->fault == NULL) {
        pump(fuzz);
        uint64_t at = link_deadline(fuzz->ends[0].link), other = link_deadline(fuzz->ends[1].link);
        if (other < at) at = other;
        expect(fuzz, at > fuzz->now, "a deadline that is never met");
        if (at > end) break;
        fuzz->now = at;
        for (unsigned i = 0; i < 2; i++) link_tick(fuzz->ends[i].link, fuzz->now);
    }
    fuzz->now = end;
}

static void send_one(struct fuzz *fuzz, struct end *end) {
    uint8_t body[BODY_MAX] = {0};
    struct envelope context, envelope = {.kind = ENVELOPE_MEMBER, .to = {1, 2, 3}, .body = body};
    if (below(fuzz, 2) == 0) envelope.kind = ENVELOPE_MESSAGE;
    struct parcel *parcel = parcel_new(3 * (ENVELOPE_HEAD_BYTES_MAX + BODY_MAX));
    for (uint64_t count = 1 + below(fuzz, 3); count > 0; count--) {
        envelope.body_bytes = (uint32_t)below(fuzz, BODY_MAX);
        parcel_append(parcel, &context, &envelope);
    }
    if (link_send(end->link, &parcel, fuzz->now) != TR_OK) parcel_free(parcel);
}

static void step(struct fuzz *fuzz) {
    struct end *end = &fuzz->ends[below(fuzz, 2)];
    /* After a bad frame both wait for seconds; most noise shall meet a session. */
    if (link_state(fuzz->ends[0].link) != LINK_UP && below(fuzz, 10) > 0) {
        pass_time(fuzz, 1000 * MILLISECOND);
        return;
    }
    switch (below(fuzz, 6)) {
        case 0:
            send_one(fuzz, end);
            break;
        case 1:
            link_pressure(end->link, (tr_pid){1, 1 + (uint32_t)below(fuzz, 20), 1},
                          (enum frame_pressure)below(fuzz, 3));
            break;
        case 2:
            pass_time(fuzz, below(fuzz, 400 * MILLISECOND));
            break;
        case 3:
            link_filed(end->link, link_session(end->link), (uint32_t)end->held, end->held_bytes,
                       fuzz->now);
            end->held = end->held_bytes = 0;
            break;
        default:
            make_noise(fuzz);
    }
    pump(fuzz);
}

static void make_ends(struct fuzz *fuzz) {
    for (unsigned i = 0; i < 2; i++) {
        struct end *end = &fuzz->ends[i];
        struct link_options options = {
            .token = ++fuzz->tokens, .ops = &callbacks, .user = end, .peer = i == 0 ? "b" : "a"};
        options.self = (struct identity){
            .name = {i == 0 ? 'a' : 'b'}, .cluster = "c", .incarnation = i == 0 ? 10 : 20};
        options.self.message_bytes_max = BODY_MAX;
        options.self.window_bytes = WINDOW_BYTES;
        options.self.window_messages = WINDOW_MESSAGES;
        *end = (struct end){.fuzz = fuzz, .link = link_new(&options, fuzz->now)};
    }
}

/* The noise is over. Unless it has made the link believe in a later life of the peer, or in
 * sessions past all counting, both must find each other. */
static void settle(struct fuzz *fuzz) {
    struct link *link = fuzz->ends[0].link;
    for (unsigned i = 0; i < 2; i++) link_open(fuzz->ends[i].link, fuzz->now);
    pass_time(fuzz, 40000 * MILLISECOND);
    if (link_peer(link) != NULL &&
        (link_peer(link)->incarnation != 20 || strcmp(link_peer(link)->name, "b") != 0))
        return;
    bool together =
        link_state(link) == LINK_UP && link_session(link) == link_session(fuzz->ends[1].link);
    if (!together && link_session(link) == 0) { /* a counter near its end is the noise's doing */
        fuzz->frame.bytes = 0;
        struct frame_header header;
        while (!link_next_frame(link, &fuzz->frame, fuzz->now)) {
            fuzz->now = link_deadline(link);
            link_tick(link, fuzz->now);
        }
        if (frame_decode(fuzz->frame.data, fuzz->frame.bytes, &header) == TR_OK &&
            header.session > UINT64_C(1) << 47)
            return;
    }
    expect(fuzz, together, "no common session after the noise");
}

static void round_of(struct fuzz *fuzz) {
    fuzz->fault = NULL;
    fuzz->now = 1000 * MILLISECOND;
    fuzz->seen_count = 0;
    make_ends(fuzz);
    pass_time(fuzz, 100 * MILLISECOND);
    expect(fuzz, link_state(fuzz->ends[0].link) == LINK_UP, "no session at first");
    for (unsigned i = 0; i < STEPS && fuzz->fault == NULL; i++) step(fuzz);
    if (fuzz->fault == NULL) settle(fuzz);
    for (unsigned i = 0; i < 2; i++) link_free(fuzz->ends[i].link);
    if (fuzz->fault == NULL)
        fuzz->passed++;
    else
        fuzz->failed++;
}

int main(int count, char **arguments) {
    struct fuzz fuzz = {0};
    uint64_t seed = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    uint64_t rounds = count > 2 ? strtoull(arguments[2], NULL, 10) : ROUNDS;
    for (uint64_t i = 0; i < rounds; i++) {
        random_seed(&fuzz.random, seed + i); /* so that SEED+i alone repeats round i */
        fuzz.tokens = 100;
        round_of(&fuzz);
        if (fuzz.fault != NULL && fuzz.failed <= 10)
            fprintf(stderr, "seed %" PRIu64 ": %s\n", seed + i, fuzz.fault);
    }
    buffer_fini(&fuzz.frame);
    buffer_fini(&fuzz.noise);
    for (unsigned i = 0; i < FRAMES_MAX; i++) buffer_fini(&fuzz.seen[i]);
    printf("%" PRIu64 " passed, %" PRIu64 " failed (%" PRIu64 " sessions)\n", fuzz.passed,
           fuzz.failed, fuzz.sessions);
    return fuzz.failed == 0 ? 0 : 1;
}
