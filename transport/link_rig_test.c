/*
 * link_rig_test.c - the channel, the oracle's books, and the callbacks that keep them.
 */
#include "transport/link_rig_test.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/base/memory.h"

static void fault(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fault(struct rig *rig, const char *format, ...) {
    if (rig->fault[0] != '\0') return;
    int used = snprintf(rig->fault, sizeof rig->fault, "at %" PRIu64 " ms: ", rig->now / RIG_MS);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(rig->fault + used, sizeof rig->fault - (size_t)used, format, arguments);
    va_end(arguments);
}

struct rig_side *rig_other(struct rig_side *side) {
    return &side->rig->side[side == &side->rig->side[0] ? 1 : 0];
}

uint64_t rig_unacknowledged(const struct rig_side *side) {
    struct link_stats stats;
    link_stats(side->link, &stats);
    return stats.unacknowledged_messages;
}

static bool chance(struct rig *rig, unsigned percent) {
    return percent > 0 && random_below(&rig->random, 100) < percent;
}

/* ---- the oracle's books ---------------------------------------------------------------------- */

static struct rig_session *find_session(struct rig *rig, uint64_t token, uint64_t session) {
    for (unsigned i = rig->session_count; i-- > 0;) {
        struct rig_session *each = &rig->sessions[i];
        if (each->sender_token == token && each->session == session) return each;
    }
    return NULL;
}

static struct rig_session *obtain_session(struct rig *rig, uint64_t token, uint64_t session) {
    struct rig_session *found = find_session(rig, token, session);
    if (found != NULL) return found;
    if (rig->session_count == RIG_SESSIONS) {
        fault(rig, "more than %d sessions", RIG_SESSIONS);
        return &rig->sessions[0];
    }
    found = &rig->sessions[rig->session_count++];
    *found = (struct rig_session){.sender_token = token, .session = session};
    return found;
}

static void book_delivery(struct rig_side *side, const uint64_t body[3]) {
    struct rig *rig = side->rig;
    uint64_t session = link_session(side->link);
    struct rig_session *book = find_session(rig, body[0], body[1]);
    if (book == NULL || body[1] != session) {
        fault(rig, "message %" PRIu64 " of session %" PRIu64 " delivered in session %" PRIu64,
              body[2], body[1], session);
        return;
    }
    if (book->receiver_token == 0) book->receiver_token = side->token;
    if (book->receiver_token != side->token)
        fault(rig, "session %" PRIu64 " delivered to two links", session);
    if (body[2] != book->delivered + 1)
        fault(rig, "message %" PRIu64 " delivered after %" PRIu64, body[2], book->delivered);
    book->delivered = body[2];
    if (book->over && book->delivered > book->perhaps_delivered)
        fault(rig, "message %" PRIu64 " delivered that was never sent", body[2]);
}

static void book_down(struct rig_side *side, const struct link_down *down) {
    struct rig *rig = side->rig;
    struct rig_session *book = obtain_session(rig, side->token, down->session);
    uint64_t next = down->delivered_up_to - down->known_count;
    for (const struct parcel *item = down->parcels; item != NULL; item = item->next) {
        struct parcel_reader reader;
        uint64_t body[3];
        parcel_open(item, &reader);
        for (const struct envelope *each; (each = parcel_next(&reader)) != NULL;) {
            memcpy(body, each->body, sizeof body);
            if (body[1] != down->session || body[2] != ++next)
                fault(rig, "message %" PRIu64 " handed back as %" PRIu64, body[2], next);
        }
    }
    if (down->known_count > 0 && down->known_count >= down->parcels->count)
        fault(rig, "a parcel was kept that is wholly acknowledged");
    if (next != book->accepted || down->count != next - down->delivered_up_to)
        fault(rig, "%" PRIu64 " accepted, but accounted up to %" PRIu64, book->accepted, next);
    if (down->unknown_count > down->count) fault(rig, "more unknown than there are");
    book->over = true;
    book->known_delivered = down->delivered_up_to;
    book->perhaps_delivered = down->delivered_up_to + down->unknown_count;
    if (book->delivered < book->known_delivered || book->delivered > book->perhaps_delivered)
        fault(rig, "delivered %" PRIu64 ", but told %" PRIu64 " to %" PRIu64, book->delivered,
              book->known_delivered, book->perhaps_delivered);
}

/* Marks that the other side does not know yet, as a session begins: all of them again. */
static void book_marks_anew(struct rig_side *side) {
    for (unsigned i = 0; i < RIG_PIDS; i++) {
        struct rig_mark *mark = &side->marks[i];
        mark->pending = mark->level != PRESSURE_FREE;
        mark->version = 0;
        mark->credit_sequence = 0;
    }
    side->granted_sequence = 0;
}

/* ---- callbacks ------------------------------------------------------------------------------- */

/* What a head must say in the message of that number; neighbours differ here and there. */
static struct envelope head_of(uint64_t number) {
    return (struct envelope){.kind = ENVELOPE_MESSAGE,
                             .to = {1, 2, 1 + (uint32_t)(number / 3)},
                             .from = {4, (uint32_t)(number / 5), 6},
                             .record = 1,
                             .colour = number / 7,
                             .message_id = number % 11 == 0 ? 1000 : number};
}

/* Elements that were left out because they were as before: they must be what they were. */
static void check_head(struct rig_side *side, const struct envelope *envelope, uint64_t number) {
    struct envelope wanted = head_of(number);
    if (!tr_pid_equal(envelope->to, wanted.to) || !tr_pid_equal(envelope->from, wanted.from) ||
        envelope->colour != wanted.colour || envelope->message_id != wanted.message_id)
        fault(side->rig, "message %" PRIu64 " has another head", number);
}

static enum link_filing on_deliver(void *user, struct link *link, const struct envelope *envelope) {
    struct rig_side *side = user;
    uint64_t body[3];
    side->delivered++;
    memcpy(body, envelope->body, sizeof body);
    check_head(side, envelope, body[2]);
    book_delivery(side, body);
    uint64_t held = side->held + 1, held_bytes = side->held_bytes + envelope->wire_bytes;
    if (held > link->self.window_messages || held_bytes > link->self.window_bytes)
        fault(side->rig, "%" PRIu64 " messages of %" PRIu64 " bytes unfiled: over the window", held,
              held_bytes);
    if (side->close_in_deliver > 0 && --side->close_in_deliver == 0) {
        link_close(link, side->close_with, "closed while delivering", side->rig->now);
        return LINK_FILED;
    }
    if (!chance(side->rig, side->hold_percent)) return LINK_FILED;
    side->held = held;
    side->held_bytes = held_bytes;
    return LINK_HELD;
}

static void on_session_up(void *user, struct link *link, const struct identity *peer,
                          uint64_t session, bool resumed) {
    struct rig_side *side = user;
    if (link_session(link) != session || link_state(link) != LINK_UP)
        fault(side->rig, "session_up out of session");
    if (resumed) {
        side->resumed++;
        if (session != side->up_session) fault(side->rig, "another session was resumed");
        return;
    }
    side->ups++;
    side->up_session = session;
    side->up_peer = *peer;
    side->held = side->held_bytes = 0;
    book_marks_anew(side);
    struct rig_side *other = rig_other(side);
    for (unsigned i = 0; i < RIG_PIDS; i++) other->marks[i].seen = PRESSURE_FREE;
}

static void on_session_down(void *user, struct link *link, const struct link_down *down) {
    struct rig_side *side = user;
    if (link_session(link) != 0) fault(side->rig, "session_down in session");
    book_down(side, down);
    side->downs++;
    side->down = *down;
    snprintf(side->down_text, sizeof side->down_text, "%s", down->text);
    side->down.parcels = NULL;
    side->held = side->held_bytes = 0;
    for (struct parcel *item = down->parcels; item != NULL;) {
        struct parcel *next = item->next;
        parcel_free(item);
        item = next;
    }
}

static void on_peer_pressure(void *user, struct link *link, tr_pid pid, enum frame_pressure level,
                             uint64_t version) {
    struct rig_side *side = user;
    struct rig_mark *mark = &rig_other(side)->marks[pid.slot - 1];
    (void)link;
    mark->seen = level;
    if (mark->pending && (mark->version == 0 ? level == mark->level : version >= mark->version))
        mark->pending = false;
}

static void on_peer_epoch(void *user, struct link *link, uint64_t epoch) {
    (void)link;
    ((struct rig_side *)user)->peer_epoch = epoch;
}

static void on_writable(void *user, struct link *link) {
    (void)link;
    ((struct rig_side *)user)->writables++;
}

static void on_refused(void *user, struct link *link, enum link_refusal reason, const char *text) {
    struct rig_side *side = user;
    (void)link;
    side->refusals++;
    side->refused = reason;
    snprintf(side->refused_text, sizeof side->refused_text, "%s", text);
}

static void on_reconnect(void *user, struct link *link, const char *reason) {
    struct rig_side *side = user;
    (void)link, (void)reason;
    side->reconnects++;
    side->out.dead = false;
}

static const struct link_ops callbacks = {
    .deliver = on_deliver,
    .session_up = on_session_up,
    .session_down = on_session_down,
    .peer_pressure = on_peer_pressure,
    .peer_epoch = on_peer_epoch,
    .writable = on_writable,
    .refused = on_refused,
    .reconnect = on_reconnect,
};

/* ---- the channel ----------------------------------------------------------------------------- */

static void put_in_flight(struct rig_channel *channel, const uint8_t *data, size_t bytes,
                          uint64_t at) {
    struct rig_frame *frame = mem_alloc(sizeof *frame + bytes);
    frame->at = at;
    frame->bytes = bytes;
    memcpy(frame->data, data, bytes);
    frame->next = channel->frames;
    channel->frames = frame;
}

/* No data past what was granted before a mark of the receiver's that this sender does not know
 * (I3). */
static void watch_data(struct rig_side *side, const struct frame_header *header) {
    struct rig_side *other = rig_other(side);
    if (link_session(other->link) != header->session) return;
    uint64_t top = side->link->sender.next_sequence - 1;
    for (unsigned i = 0; i < RIG_PIDS; i++) {
        const struct rig_mark *mark = &other->marks[i];
        if (mark->pending && top > mark->credit_sequence && mark->level != PRESSURE_FREE)
            fault(side->rig,
                  "message %" PRIu64 " sent past a mark of actor %u at %" PRIu64
                  " that is not known",
                  top, i, mark->credit_sequence);
    }
}

static void watch_frame(struct rig_side *side, const struct buffer *frame) {
    struct frame_header header;
    if (frame_decode(frame->data, frame->bytes, &header) != TR_OK) {
        fault(side->rig, "a frame that cannot be read was sent");
        return;
    }
    side->out.frames_sent++;
    side->out.sent_by_type[header.type]++;
    side->out.last_type = header.type;
    side->out.last_bytes = frame->bytes;
    if (link_session(side->link) == header.session &&
        header.credit_sequence > side->granted_sequence)
        side->granted_sequence = header.credit_sequence;
    if (header.type == FRAME_DATA) watch_data(side, &header);
}

static void transmit(struct rig_side *side, const struct buffer *frame) {
    struct rig *rig = side->rig;
    struct rig_channel *channel = &side->out;
    watch_frame(side, frame);
    if (channel->drop_count > 0 &&
        (channel->drop_type == 0 || channel->last_type == channel->drop_type)) {
        channel->drop_count--;
        return;
    }
    if (channel->dead || channel->cut || chance(rig, channel->loss_percent)) return;
    unsigned copies = chance(rig, channel->repeat_percent) ? 2 : 1;
    while (copies-- > 0) {
        uint64_t spread = channel->delay_max - channel->delay_min;
        put_in_flight(channel, frame->data, frame->bytes,
                      rig->now + channel->delay_min + random_below(&rig->random, spread + 1));
    }
}

static void pump(struct rig_side *side) {
    struct buffer frame;
    buffer_init(&frame);
    unsigned count = 0;
    while (link_next_frame(side->link, &frame, side->rig->now)) {
        transmit(side, &frame);
        if (++count > 10000) {
            fault(side->rig, "frames without end");
            break;
        }
    }
    buffer_fini(&frame);
}

void rig_pump(struct rig *rig) {
    for (unsigned i = 0; i < 2; i++) pump(&rig->side[i]);
}

/* The earliest frame that is due, taken out; of equals the one sent first. */
static struct rig_frame *take_due(struct rig_channel *channel, uint64_t now) {
    struct rig_frame **best = NULL;
    for (struct rig_frame **each = &channel->frames; *each != NULL; each = &(*each)->next)
        if ((*each)->at <= now && (best == NULL || (*each)->at <= (*best)->at)) best = each;
    if (best == NULL) return NULL;
    struct rig_frame *frame = *best;
    *best = frame->next;
    return frame;
}

void rig_drop_in_flight(struct rig_side *side) {
    struct rig_frame *frame;
    while ((frame = take_due(&side->out, NEVER)) != NULL) mem_free(frame);
}

void rig_inject(struct rig_side *to, const uint8_t *data, size_t bytes) {
    put_in_flight(&rig_other(to)->out, data, bytes, to->rig->now);
}

/* ---- time ------------------------------------------------------------------------------------ */

static uint64_t next_event(const struct rig *rig) {
    uint64_t at = NEVER;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t deadline = link_deadline(rig->side[i].link);
        if (deadline < at) at = deadline;
        for (const struct rig_frame *frame = rig->side[i].out.frames; frame != NULL;
             frame = frame->next)
            if (frame->at < at) at = frame->at;
    }
    return at;
}

static void step(struct rig *rig) {
    for (unsigned i = 0; i < 2; i++) {
        struct rig_side *to = &rig->side[1 - i];
        struct rig_frame *frame;
        while ((frame = take_due(&rig->side[i].out, rig->now)) != NULL) {
            link_frame(to->link, frame->data, frame->bytes, rig->now);
            mem_free(frame);
            pump(to);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        if (link_deadline(rig->side[i].link) <= rig->now) link_tick(rig->side[i].link, rig->now);
        pump(&rig->side[i]);
        if (link_deadline(rig->side[i].link) <= rig->now)
            fault(rig, "a deadline that is never met");
    }
}

void rig_run(struct rig *rig, uint64_t duration) {
    uint64_t end = rig->now + duration;
    rig_pump(rig);
    for (uint64_t at; rig->fault[0] == '\0' && (at = next_event(rig)) <= end;) {
        if (at > rig->now) rig->now = at;
        step(rig);
    }
    rig->now = end;
}

static bool connected(struct rig *rig) {
    struct link *a = rig->side[0].link, *b = rig->side[1].link;
    return link_state(a) == LINK_UP && link_state(b) == LINK_UP &&
           link_session(a) == link_session(b) && a->handshake.bound == b->token &&
           b->handshake.bound == a->token;
}

bool rig_connect(struct rig *rig) {
    for (unsigned i = 0; i < 3000 && !connected(rig) && rig->fault[0] == '\0'; i++)
        rig_run(rig, 10 * RIG_MS);
    return connected(rig);
}

/* ---- sides ----------------------------------------------------------------------------------- */

static void make_link(struct rig_side *side) {
    side->token = side->options.token = ++side->rig->tokens;
    side->link = link_new(&side->options, side->rig->now);
}

struct rig *rig_new(uint64_t seed) {
    struct rig *rig = mem_zalloc(1, sizeof *rig);
    rig->now = RIG_SECOND;
    random_seed(&rig->random, seed);
    for (unsigned i = 0; i < 2; i++) {
        struct rig_side *side = &rig->side[i];
        side->rig = rig;
        side->options = (struct link_options){.peer = i == 0 ? "b" : "a",
                                              .frame_bytes_max = 2048,
                                              .queue_high_bytes = 1 << 20,
                                              .ops = &callbacks,
                                              .user = side};
        struct identity *self = &side->options.self;
        snprintf(self->name, sizeof self->name, "%s", i == 0 ? "a" : "b");
        snprintf(self->cluster, sizeof self->cluster, "c");
        self->incarnation = i == 0 ? 10 : 20;
        self->message_bytes_max = 1000;
        self->window_bytes = 8192;
        self->window_messages = 100;
        side->out.delay_min = side->out.delay_max = RIG_MS;
    }
    return rig;
}

void rig_start(struct rig *rig) {
    for (unsigned i = 0; i < 2; i++) make_link(&rig->side[i]);
}

void rig_free(struct rig *rig) {
    for (unsigned i = 0; i < 2; i++) {
        rig_drop_in_flight(&rig->side[i]);
        link_free(rig->side[i].link);
    }
    mem_free(rig);
}

/* A parcel with the next `count` messages of the session. */
static struct parcel *make_parcel(struct rig_side *side, const struct rig_session *book,
                                  unsigned count, uint32_t body_bytes) {
    uint8_t body[8192] = {0};
    struct envelope context;
    struct parcel *parcel = parcel_new(count * (ENVELOPE_HEAD_BYTES_MAX + body_bytes));
    for (unsigned i = 1; i <= count; i++) {
        uint64_t number = book->accepted + i;
        uint64_t words[3] = {side->token, book->session, number};
        memcpy(body, words, sizeof words);
        struct envelope envelope = head_of(number);
        envelope.body = body;
        envelope.body_bytes = body_bytes;
        parcel_append(parcel, &context, &envelope);
    }
    return parcel;
}

unsigned rig_send(struct rig_side *side, unsigned count, uint32_t body_bytes) {
    unsigned taken = 0;
    while (taken < count && link_session(side->link) != 0) {
        struct rig_session *book = obtain_session(side->rig, side->token, link_session(side->link));
        unsigned together = 1;
        if (side->parcel_messages > 1)
            together += (unsigned)random_below(&side->rig->random, side->parcel_messages);
        if (together > count - taken) together = count - taken;
        while (together > 1 && /* half the window of the other side */
               together * (ENVELOPE_HEAD_BYTES_MAX + body_bytes) > 4096)
            together--;
        struct parcel *parcel = make_parcel(side, book, together, body_bytes);
        uint32_t messages = parcel->count;
        if (link_send(side->link, &parcel, side->rig->now) != TR_OK) {
            parcel_free(parcel);
            break;
        }
        book->accepted += messages;
        taken += messages;
    }
    pump(side);
    return taken;
}

void rig_file(struct rig_side *side, uint64_t messages) {
    if (messages > side->held) messages = side->held;
    if (messages == 0) return;
    uint64_t bytes =
        messages == side->held ? side->held_bytes : side->held_bytes / side->held * messages;
    side->held -= messages;
    side->held_bytes -= bytes;
    link_filed(side->link, link_session(side->link), (uint32_t)messages, bytes, side->rig->now);
    pump(side);
}

void rig_mark(struct rig_side *side, unsigned pid, enum frame_pressure level) {
    struct rig_mark *mark = &side->marks[pid];
    if (mark->level == level) return;
    mark->level = level;
    link_pressure(side->link, (tr_pid){7, pid + 1, 1}, level);
    mark->pending = true;
    mark->version = side->link->pressure.version;
    mark->credit_sequence = side->granted_sequence;
    pump(side);
}

/* What a freed link had not told: its user must have closed it if that mattered. */
void rig_recreate(struct rig_side *side, bool next_life, bool keeps_floor) {
    side->options.session_floor = keeps_floor ? side->link->handshake.counter : 0;
    if (next_life) {
        side->options.self.incarnation++;
        side->options.peer_incarnation = 0;
    }
    link_close(side->link, LINK_END_DOWN, "made anew", side->rig->now);
    link_free(side->link); /* its BYE was never sent */
    make_link(side);
    memset(side->marks, 0, sizeof side->marks); /* the actors' marks went with the link */
    pump(side);
}

void rig_heal(struct rig *rig) {
    for (unsigned i = 0; i < 2; i++) {
        struct rig_channel *channel = &rig->side[i].out;
        channel->loss_percent = channel->repeat_percent = channel->drop_count = 0;
        channel->delay_min = channel->delay_max = RIG_MS;
        channel->cut = false;
        rig->side[i].hold_percent = 0;
        rig->side[i].close_in_deliver = 0;
    }
}

void rig_check_settled(struct rig *rig) {
    for (unsigned i = 0; i < 2; i++) {
        struct rig_side *side = &rig->side[i];
        struct rig_session *book = find_session(rig, side->token, link_session(side->link));
        if (book != NULL && book->delivered != book->accepted)
            fault(rig, "%" PRIu64 " of %" PRIu64 " messages delivered", book->delivered,
                  book->accepted);
        if (!link_idle(side->link)) fault(rig, "delivered, but not acknowledged");
        for (unsigned k = 0; k < RIG_PIDS; k++)
            if (side->marks[k].seen != side->marks[k].level)
                fault(rig, "the mark of actor %u is not known", k);
        if (list_count(&side->link->pressure.unseen) != 0)
            fault(rig, "notices that are never confirmed");
    }
}
